//! Nodes → checks of Windows.

use super::danger::{SYSTEM_IMAGES, registry_refusal};
use super::pattern::Pattern;
use super::rule::Check;
use super::step::Action;
use super::walk::{Fields, Walker};
use crate::model::Platform;
use crate::model::yaml::Node;
use std::collections::BTreeMap;

/// The variables that a path of Windows may begin with: those of the machine, not of a login.
pub(crate) const PATH_VARIABLES: [&str; 12] = [
    "ALLUSERSPROFILE",
    "CommonProgramFiles",
    "CommonProgramFiles(x86)",
    "CommonProgramW6432",
    "ProgramData",
    "ProgramFiles",
    "ProgramFiles(x86)",
    "ProgramW6432",
    "PUBLIC",
    "SystemDrive",
    "SystemRoot",
    "windir",
];

impl Walker {
    pub(super) fn program(&mut self, fields: &Fields<'_>) -> Vec<Check> {
        let publisher = fields.get("publisher").and_then(|node| self.glob(node));
        let product_code = fields.get("product_code").and_then(|node| self.text(node));
        let version = fields.get("version").and_then(|node| self.range(node));
        let per_user = fields.get("per_user").and_then(|node| self.take(node.boolean())).unwrap_or(false);
        let of = |name| Check::Program {
            name,
            publisher: publisher.clone(),
            product_code: product_code.clone(),
            version: version.clone(),
            per_user,
        };
        if fields.get("name").is_some() {
            return self.each(fields, "name", |name| of(Some(name)));
        }
        let given = publisher.is_some() || product_code.is_some();
        given.then(|| of(None)).into_iter().collect()
    }

    pub(super) fn driver(&mut self, fields: &Fields<'_>) -> Vec<Check> {
        let file = fields.get("file").and_then(|node| self.glob(node));
        if fields.get("name").is_some() {
            return self.each(fields, "name", |name| Check::Driver { name: Some(name), file: file.clone() });
        }
        file.map(|file| Check::Driver { name: None, file: Some(file) }).into_iter().collect()
    }

    pub(super) fn registry(&mut self, fields: &Fields<'_>) -> Vec<Check> {
        let value = fields.get("value").and_then(|node| self.text(node));
        let data = fields.get("data").and_then(|node| self.regex(node));
        if let (Some(node), None) = (fields.get("data"), &value) {
            self.error(
                &node.place,
                "`data` stands without `value`",
                "it does not say whose data",
                "add `value:` with the name of the value",
            );
        }
        if let (Some(node), true) =
            (fields.get("value"), value.as_deref().is_some_and(|value| !can_be_sent(value)))
        {
            self.unsendable(node, "this name");
        }
        let keys = fields.get("key").map(|node| self.many(node, Walker::registry_key)).unwrap_or_default();
        keys.into_iter()
            .map(|key| Check::Registry { key, value: value.clone(), data: data.clone() })
            .collect()
    }

    /// A name that can be asked of Windows.
    pub(super) fn sendable_text(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        if can_be_sent(&text) {
            return Some(text);
        }
        self.unsendable(node, "this name");
        None
    }

    /// A glob over programs' names or publishers that says enough to be meant.
    pub(super) fn program_glob(&mut self, node: &Node) -> Option<Pattern> {
        let pattern = self.glob(node)?;
        let letters = pattern.as_str().chars().filter(|c| c.is_alphanumeric()).count();
        if letters >= 3 {
            return Some(pattern);
        }
        self.error(
            &node.place,
            format!("`{pattern}` could match almost anything"),
            "at least three letters or digits are expected",
            "name what the vendor's programs are called",
        );
        None
    }

    /// `{9A017278-F7F4-4DF9-A482-0B97B70DD7ED}`, the braces may be left out.
    pub(super) fn product_code(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        let code = uuid::Uuid::try_parse(text.trim_start_matches('{').trim_end_matches('}'));
        if let Ok(code) = code {
            return Some(format!("{{{code}}}").to_uppercase());
        }
        self.error(
            &node.place,
            format!("`{text}` is not a product code"),
            "expected 32 hexadecimal digits in braces",
            "write it as the uninstall entry is called: `\"{9A017278-F7F4-4DF9-A482-0B97B70DD7ED}\"`",
        );
        None
    }

    /// MSI properties with their values.
    pub(super) fn properties(&mut self, node: &Node) -> BTreeMap<String, String> {
        let pairs = self.named(node, "an MSI property");
        pairs
            .into_iter()
            .filter_map(|(name, _, value)| Some((name.to_owned(), self.batch_word(value)?)))
            .collect()
    }

    /// A text that a batch file can pass on as it is.
    pub(super) fn batch_word(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        if text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic() && !b"\"%^&|<>!".contains(&byte)) {
            return Some(text);
        }
        self.error(
            &node.place,
            format!("`{text}` has a character that Windows' command line would read as its own"),
            "expected ASCII without `\"`, `%`, `^`, `&`, `|`, `<`, `>`, `!`",
            "pass such a value as a secret, whatever it is",
        );
        None
    }

    /// Registry keys or values that may be deleted: the product's own, never one that others stand in.
    pub(super) fn delete_registry(&mut self, fields: &Fields<'_>) -> Vec<Action> {
        let value = fields.get("value").and_then(|node| self.text(node));
        if let (Some(node), true) =
            (fields.get("value"), value.as_deref().is_some_and(|value| !can_be_sent(value)))
        {
            self.unsendable(node, "this name");
        }
        let read = |walker: &mut Self, node: &Node| {
            let key = walker.registry_key(node)?;
            let Some((reason, help)) = registry_refusal(&key).filter(|_| value.is_none()) else {
                return Some(key);
            };
            walker.error(&node.place, reason, "this key is never deleted", help);
            None
        };
        let keys = fields.get("key").map(|node| self.many(node, read)).unwrap_or_default();
        keys.into_iter().map(|key| Action::DeleteRegistry { key, value: value.clone() }).collect()
    }

    /// The file names of executables whose processes are killed.
    pub(super) fn kill_image(&mut self, fields: &Fields<'_>) -> Vec<Action> {
        let read = |walker: &mut Self, node: &Node| {
            let name = walker.text(node)?;
            let plain = |c: char| c.is_ascii_alphanumeric() || "._- ()".contains(c);
            let lower = name.to_ascii_lowercase();
            if name.chars().all(plain) && lower.ends_with(".exe") && !SYSTEM_IMAGES.contains(&lower.as_str())
            {
                return Some(name);
            }
            walker.error(
                &node.place,
                format!("`{name}` is no process that is killed by its name"),
                "expected the product's own `NAME.exe`, without a folder and without wildcards",
                "write the name as `tasklist` shows it",
            );
            None
        };
        let names = fields.get("name").map(|node| self.many(node, read)).unwrap_or_default();
        names.into_iter().map(|name| Action::KillImage { name }).collect()
    }

    fn unsendable(&mut self, node: &Node, what: &str) {
        self.error(
            &node.place,
            format!("{what} has a character that cannot be asked of Windows"),
            "expected ASCII without `\"` and `%`",
            "write a glob such as `*` in place of the character, or ask for another sign",
        );
    }

    /// A key from `HKLM` or `HKU` on.
    pub(super) fn registry_key(&mut self, node: &Node) -> Option<Pattern> {
        let text = self.text(node)?;
        let (hive, rest) = text.split_once('\\').unwrap_or((&text, ""));
        let hive = match hive.to_ascii_uppercase().as_str() {
            "HKLM" | "HKEY_LOCAL_MACHINE" => "HKLM",
            "HKU" | "HKEY_USERS" => "HKU",
            _ => "",
        };
        let parts: Vec<&str> = rest.split('\\').collect();
        let is_glob = |part: &&str| Pattern::new(*part).is_glob();
        let above = parts.split_last().map(|(_, above)| above).unwrap_or_default();
        let globs = above.iter().filter(|part| is_glob(part)).count();
        let every_hive = hive == "HKU" && parts.first() == Some(&"*");
        let (wrong, label, help) = if hive.is_empty() {
            (
                "does not begin with `HKLM\\` or `HKU\\`",
                "expected a key of the machine or of all users",
                "write `HKU\\*\\…` for `HKCU\\…`, and `HKLM\\SOFTWARE\\Classes\\…` for `HKCR\\…`",
            )
        } else if rest.is_empty() || parts.iter().any(|part| part.is_empty()) {
            (
                "has an empty component",
                "expected names between single `\\`",
                "write the whole key, without a `\\` at its end",
            )
        } else if hive == "HKLM" && parts.len() < 2 || every_hive && parts.len() < 3 {
            ("says too little", "expected a key below the top one", "name the product's own key")
        } else if globs > usize::from(every_hive) {
            (
                "has a wildcard in the middle",
                "only the last component may have one",
                "ask for the key above, or write one key for each, as a list",
            )
        } else if !can_be_sent(&text) {
            self.unsendable(node, &format!("`{text}`"));
            return None;
        } else {
            let key = Pattern::new(format!("{hive}\\{rest}"));
            let last = Pattern::new(parts.last().copied().unwrap_or_default());
            if let Err(reason) = last.check() {
                self.error(
                    &node.place,
                    format!("`{last}` is not a valid pattern: {reason}"),
                    "expected a name or a glob",
                    "close every `[` and `{`",
                );
                return None;
            }
            return Some(key);
        };
        self.error(&node.place, format!("`{text}` {wrong}"), label, help);
        None
    }

    /// A path of Windows is asked from a drive or a variable of the machine on.
    pub(super) fn windows_path(&mut self, node: &Node, text: &str) -> Option<Pattern> {
        let pattern = Pattern::new(text.trim_end_matches(['\\', '/']));
        let parts: Vec<&str> = pattern.as_str().split(['\\', '/']).collect();
        let rest = parts.get(1..).unwrap_or_default();
        let variable = text.strip_prefix('%').and_then(|rest| rest.split('%').next());
        let known = |name: &str| PATH_VARIABLES.iter().any(|known| known.eq_ignore_ascii_case(name));
        let reason = pattern.check().err().unwrap_or_default();
        let (wrong, label, help) = if variable.is_some_and(|name| !known(name)) {
            (
                "begins with a variable that is not one of the machine's".to_owned(),
                format!("expected one of {}", super::walk::list_words(&PATH_VARIABLES)),
                "a path below every user begins with `%SystemDrive%\\Users\\*\\`",
            )
        } else if rest.is_empty() || rest.iter().any(|part| matches!(*part, "" | "." | "..")) {
            (
                "has an empty component, `.` or `..` in it".to_owned(),
                "expected names between single `\\`".to_owned(),
                "write the path that is meant",
            )
        } else if rest.iter().any(|part| part.contains(['%', '"', ':'])) {
            (
                "has a character that cannot be asked of Windows".to_owned(),
                "expected no `%`, `\"` or `:` behind its beginning".to_owned(),
                "write a `?` in its place",
            )
        } else if rest.iter().rev().skip(1).any(|part| part.contains("**")) {
            (
                "has something behind `**`".to_owned(),
                "on Windows `**` stands at the end alone".to_owned(),
                "write one `*` for each directory between",
            )
        } else if !reason.is_empty() {
            (
                format!("is not a valid pattern: {reason}"),
                "expected a path or a glob".to_owned(),
                "close every `[` and `{`",
            )
        } else {
            return Some(pattern);
        };
        self.error(&node.place, format!("`{text}` {wrong}"), &label, help);
        None
    }

    /// Whether the product is for Windows too.
    pub(super) fn for_windows(&self) -> bool {
        self.platforms.contains(&Platform::Windows)
    }
}

/// Whether `cmd.exe` can be given a text within quotes, whatever its code page.
fn can_be_sent(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ' || (byte.is_ascii_graphic() && byte != b'"' && byte != b'%'))
}
