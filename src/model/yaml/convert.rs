//! What a walker asks of a node. Every failed conversion is a diagnostic at the node's place.

use super::duration::parse_duration;
use super::{Node, Value};
use crate::model::diagnostic::Diagnostic;
use std::time::Duration;

impl Node {
    /// The text of a scalar, quoted or not; none for a list, a map or nothing.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The entries of a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(entries) => Some(entries),
            _ => None,
        }
    }

    /// The pairs of a map.
    #[must_use]
    pub fn as_map(&self) -> Option<&[(Node, Node)]> {
        match &self.value {
            Value::Map(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The value of a key of a map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// Whether nothing is written here (empty, `~` or `null`).
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// What it is, for "expected a list, found …".
    #[must_use]
    pub fn kind_word(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar { .. } => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// The text of a scalar that must be there.
    ///
    /// # Errors
    /// When it is a list, a map or nothing.
    pub fn text(&self) -> Result<&str, Diagnostic> {
        self.as_str().ok_or_else(|| {
            self.mismatch("text", "write one value here, in quotes if it has `: ` or ` #` in it")
        })
    }

    /// The entries of a list that must be there.
    ///
    /// # Errors
    /// When it is no list.
    pub fn list(&self) -> Result<&[Node], Diagnostic> {
        self.as_list().ok_or_else(|| self.mismatch("a list", "write `[a, b]`, or one `- entry` a line"))
    }

    /// The pairs of a map that must be there.
    ///
    /// # Errors
    /// When it is no map.
    pub fn map(&self) -> Result<&[(Node, Node)], Diagnostic> {
        self.as_map().ok_or_else(|| self.mismatch("a map", "write `key: value` pairs here"))
    }

    /// A boolean: `true` or `false`, not quoted. YAML 1.1's `yes`, `no`, `on`, `off` are refused,
    /// since parsers differ on them.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn boolean(&self) -> Result<bool, Diagnostic> {
        match &self.value {
            Value::Scalar { text, quoted: false } if text == "true" => Ok(true),
            Value::Scalar { text, quoted: false } if text == "false" => Ok(false),
            _ => Err(self.mismatch("`true` or `false`", "write `true` or `false`, without quotes")),
        }
    }

    /// A whole number from `least` to `most`, written in decimal digits and not quoted.
    ///
    /// # Errors
    /// When it is no such number.
    pub fn integer(&self, least: i64, most: i64) -> Result<i64, Diagnostic> {
        let number = match &self.value {
            Value::Scalar { text, quoted: false } => text.parse::<i64>().ok(),
            _ => None,
        };
        number.filter(|number| (least..=most).contains(number)).ok_or_else(|| {
            let expected = format!("a whole number from {least} to {most}");
            self.mismatch(&expected, "write it in digits, without quotes")
        })
    }

    /// A length of time such as `30s`, `2m`, `1h30m`, `1d`, at most `most`.
    ///
    /// # Errors
    /// When it is no such text, or longer.
    pub fn duration(&self, most: Duration) -> Result<Duration, Diagnostic> {
        let help = "write a number with a unit: `30s`, `2m`, `1h30m`, `1d`";
        let text = self.as_str().ok_or_else(|| self.mismatch("a length of time", help))?;
        let length = parse_duration(text).map_err(|reason| {
            Diagnostic::error(&self.place, format!("`{text}` is not a length of time: {reason}"))
                .with_label("expected a length of time")
                .with_help(help)
        })?;
        if length > most {
            let most = super::duration::show_duration(most);
            return Err(Diagnostic::error(&self.place, format!("`{text}` is too long"))
                .with_label(format!("at most `{most}`"))
                .with_help(format!("write a length of time of at most `{most}`")));
        }
        Ok(length)
    }

    /// "expected …, found …", with the value where it is short.
    #[must_use]
    pub fn mismatch(&self, expected: &str, help: &str) -> Diagnostic {
        let found = match &self.value {
            Value::Scalar { text, quoted } if text.chars().count() <= 40 && !text.contains('\n') => {
                if *quoted { format!("the quoted text `{text}`") } else { format!("`{text}`") }
            }
            _ => self.kind_word().to_owned(),
        };
        Diagnostic::error(&self.place, format!("expected {expected}, found {found}"))
            .with_label(format!("expected {expected}"))
            .with_help(help)
    }
}
