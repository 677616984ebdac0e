//! Secrets: where they come from, how they are held, and how they are kept out of what is stored.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a secret's value comes from. A reference: it may stand in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// An environment variable of the controller.
    Env(String),
    /// A file of the controller; one trailing line break is dropped.
    File(String),
    /// A command of the controller, run by `sh -c`; its standard output, less one trailing line break.
    Command(String),
    /// A question on the controller's terminal, with this text.
    Prompt(String),
}

/// A resolved secret. `Debug` does not show it; there is no `Display` and no `Serialize`.
#[derive(Debug, Clone)]
pub struct Secret {
    name: String,
    value: SecretString,
}

impl Secret {
    /// A secret named `name` (as the playbook or the option names it).
    #[must_use]
    pub fn new(name: &str, value: String) -> Self {
        Self { name: name.to_owned(), value: SecretString::from(value) }
    }

    /// Its name, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value, for sending it to a host. Never for a log, an argument vector or a file.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }
}

/// In which form a secret's value is passed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretEncoding {
    /// As it is.
    #[default]
    Plain,
    /// Hexadecimal digits of its UTF-16, low byte first: `abc` is `610062006300`. So the Network Agent for
    /// Windows wants its removal password (public scripts; the vendor's page was not found).
    Utf16leHex,
}

impl SecretEncoding {
    /// The words of a playbook.
    pub const WORDS: [&'static str; 2] = ["plain", "utf16le-hex"];

    /// The encoding with this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "plain" => Some(Self::Plain),
            "utf16le-hex" => Some(Self::Utf16leHex),
            _ => None,
        }
    }

    /// The value in this form.
    #[must_use]
    pub fn encode(self, value: &str) -> String {
        match self {
            Self::Plain => value.to_owned(),
            Self::Utf16leHex => base16ct::lower::encode_string(&utf16le(value)),
        }
    }

    /// Whether it is the value as it is.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}

fn utf16le(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A secret as a step passes it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretUse {
    /// The secret's name.
    pub name: String,
    /// In which form.
    #[serde(skip_serializing_if = "SecretEncoding::is_plain")]
    pub encoding: SecretEncoding,
}

impl From<String> for SecretUse {
    /// As it is.
    fn from(name: String) -> Self {
        Self { name, encoding: SecretEncoding::Plain }
    }
}

/// Replaces every secret in bytes that are about to be stored or shown.
///
/// Knows each secret in every encoding it is sent in: as it is, quoted for a POSIX shell or a batch file, hex of
/// UTF-16LE in both cases, base64. Works on whole outputs, so that chunk borders do not matter.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    patterns: BTreeMap<Vec<u8>, String>,
}

impl Redactor {
    /// Secrets shorter than this are not redacted (they would blank out ordinary text) and are
    /// refused when they are resolved.
    pub const SHORTEST: usize = 3;

    /// A redactor for these secrets.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut redactor = Self::default();
        for secret in secrets {
            redactor.add(secret);
        }
        redactor
    }

    /// Adds one more secret.
    pub fn add(&mut self, secret: &Secret) {
        let value = secret.expose();
        if value.len() < Self::SHORTEST {
            return;
        }
        let (utf16, hex) = (utf16le(value), SecretEncoding::Utf16leHex.encode(value));
        let quoted = value.replace('\'', "'\\''");
        use base64::Engine as _;
        let base64 = base64::engine::general_purpose::STANDARD.encode(value);
        // A batch file doubles `%`.
        let batch = value.replace('%', "%%");
        for form in [value.to_owned(), quoted, batch, hex.to_uppercase(), hex, base64] {
            self.patterns.insert(form.into_bytes(), secret.name.clone());
        }
        self.patterns.insert(utf16, secret.name.clone());
    }

    /// The bytes with every secret replaced by `[redacted NAME]`.
    #[must_use]
    pub fn redact(&self, bytes: &[u8]) -> Vec<u8> {
        if self.patterns.is_empty() {
            return bytes.to_vec();
        }
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first() {
            // The longest match wins, so that a secret which begins with another is wholly gone.
            let hit = self
                .patterns
                .iter()
                .filter(|(pattern, _)| rest.starts_with(pattern))
                .max_by_key(|(pattern, _)| pattern.len());
            if let Some((pattern, name)) = hit {
                out.extend_from_slice(format!("[redacted {name}]").as_bytes());
                rest = rest.split_at(pattern.len()).1;
            } else {
                out.push(*first);
                rest = after;
            }
        }
        out
    }

    /// As `redact`, for text.
    #[must_use]
    pub fn redact_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.redact(text.as_bytes())).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redacts_every_encoding_and_prefers_the_longest() {
        let redactor =
            Redactor::new([&Secret::new("short", "abc".into()), &Secret::new("long", "abcdef'g".into())]);
        assert_eq!(redactor.redact_text("x abc y"), "x [redacted short] y");
        assert_eq!(redactor.redact_text("abcdef'g!"), "[redacted long]!");
        assert_eq!(redactor.redact_text("'abcdef'\\''g'"), "'[redacted long]'");
        assert_eq!(redactor.redact_text("610062006300"), "[redacted short]");
        assert_eq!(redactor.redact_text("YWJjZGVmJ2c="), "[redacted long]");
    }

    #[test]
    fn debug_does_not_show_the_value() {
        assert!(!format!("{:?}", Secret::new("n", "hunter2".into())).contains("hunter2"));
    }
}
