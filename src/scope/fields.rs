//! Reading values out of nodes while collecting every error.

use crate::model::diagnostic::nearest;
use crate::model::yaml::Node;
use crate::model::{Diagnostic, Place};

/// A key of a map, and what it is for.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) doc: &'static str,
}

pub(super) const fn required(name: &'static str, doc: &'static str) -> Key {
    Key { name, required: true, doc }
}

pub(super) const fn optional(name: &'static str, doc: &'static str) -> Key {
    Key { name, required: false, doc }
}

/// Collects what is wrong with a file.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) problems: Vec<Diagnostic>,
}

impl Reader {
    pub(super) fn error(
        &mut self,
        place: &Place,
        message: impl Into<String>,
        label: &str,
        help: impl Into<String>,
    ) {
        self.problems.push(Diagnostic::error(place, message).with_label(label).with_help(help));
    }

    /// The value of a conversion, or its diagnostic.
    pub(super) fn take<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|diagnostic| self.problems.push(diagnostic)).ok()
    }

    /// Checks that a node is a map with these keys and no others; `what` is what it is, in words.
    pub(super) fn keys<'n>(&mut self, node: &'n Node, what: &str, keys: &[Key]) -> Option<&'n Node> {
        let pairs = self.take(node.map().map_err(|mut mismatch| {
            mismatch.message.push_str(&format!(", where {what} should be"));
            mismatch
        }))?;
        let mut meant = Vec::new();
        for (key, _) in pairs {
            let name = key.as_str().unwrap_or_default();
            if keys.iter().any(|known| known.name == name) {
                continue;
            }
            let near = nearest(name, keys.iter().map(|known| known.name));
            meant.extend(near);
            let help = near.map_or_else(|| "remove it".to_owned(), |near| format!("did you mean `{near}`?"));
            self.error(
                &key.place,
                format!("unknown key `{name}` in {what}"),
                &format!("expected {}", words(keys)),
                help,
            );
        }
        let missing = |key: &&Key| key.required && node.get(key.name).is_none() && !meant.contains(&key.name);
        for key in keys.iter().filter(missing) {
            let place = Place { length: 1, ..node.place.clone() };
            let help = format!("add `{}: …` ({})", key.name, key.doc);
            self.error(&place, format!("{what} has no `{}`", key.name), "a key is missing here", help);
        }
        Some(node)
    }

    /// One line of text, not empty, of at most so many characters.
    pub(super) fn line(&mut self, node: &Node, most: usize) -> Option<String> {
        let text = self.take(node.text())?.trim();
        if text.is_empty() {
            self.error(&node.place, "this text is empty", "text is expected", "write a value");
        } else if text.chars().count() > most {
            let help = format!("write at most {most} characters");
            self.error(&node.place, format!("this text has more than {most} characters"), "too long", help);
        } else if text.chars().any(char::is_control) {
            let help = "write it on one line; over several lines of the file with `>-`";
            self.error(
                &node.place,
                "this text has a line break or a control character",
                "one line is expected",
                help,
            );
        } else {
            return Some(text.to_owned());
        }
        None
    }

    /// The text of a key, where it is there.
    pub(super) fn line_of(&mut self, map: &Node, key: &str, most: usize) -> Option<String> {
        map.get(key).and_then(|node| self.line(node, most))
    }
}

fn words(keys: &[Key]) -> String {
    let words: Vec<String> = keys.iter().map(|key| format!("`{}`", key.name)).collect();
    words.join(", ")
}
