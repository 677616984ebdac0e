//! Reading values out of nodes while collecting every error. What keys exist comes from `keys`.

use super::keys::{Construct, Key};
use super::pattern::{Pattern, is_windows_path};
use super::rule::TextPattern;
use super::version::check_range;
use crate::model::yaml::Node;
use crate::model::{Diagnostic, Place, Platform, diagnostic::nearest};
use std::time::Duration;

/// Longest time that any duration of a step or product may name.
pub(super) const LONGEST: Duration = Duration::from_secs(86_400);

/// How many words stand beside the caret; all of them are in the help where none is near.
const SHOWN_WORDS: usize = 6;

/// Collects what is wrong.
#[derive(Debug, Default)]
pub(super) struct Walker {
    pub problems: Vec<Diagnostic>,
    /// The platforms of the product being read; none while outside of one.
    pub platforms: Vec<Platform>,
    /// Where a variable could not be replaced: what else is said of that text is not the author's mistake.
    pub unexpanded: Vec<Place>,
    /// Secrets that steps use, with where.
    pub secret_uses: Vec<(String, Place)>,
}

/// The pairs of a map whose keys were checked.
pub(super) struct Fields<'a> {
    pub construct: &'static Construct,
    pairs: Vec<(&'a Node, &'a Node)>,
}

impl<'a> Fields<'a> {
    /// The value of a key.
    pub fn get(&self, name: &str) -> Option<&'a Node> {
        self.pairs.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| *value)
    }

    /// The key's own place.
    pub fn place(&self, name: &str) -> Option<&'a Place> {
        self.pairs.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(key, _)| &key.place)
    }
}

impl Walker {
    pub fn error(&mut self, place: &Place, message: impl Into<String>, label: &str, help: impl Into<String>) {
        self.problems.push(Diagnostic::error(place, message).with_label(label).with_help(help));
    }

    /// Takes the value of a conversion, or its diagnostic.
    pub fn take<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|diagnostic| self.problems.push(diagnostic)).ok()
    }

    /// The fields of a construct. `context` names it in messages (``product `kesl` ``), `place` is
    /// shown where a required key is missing, `others` are keys that someone else reads.
    pub fn fields<'a>(
        &mut self,
        node: &'a Node,
        construct: &'static Construct,
        context: &str,
        place: &Place,
        others: &[Key],
    ) -> Option<Fields<'a>> {
        let map = node.map().map_err(|mut mismatch| {
            mismatch.message.push_str(&format!(" in {context}"));
            mismatch
        });
        let pairs = self.take(map)?;
        let known: Vec<&str> = construct.keys.iter().chain(others).map(|key| key.name).collect();
        let (mut taken, mut meant) = (Vec::new(), Vec::new());
        for (key, value) in pairs {
            match key.as_str() {
                Some(name) if known.contains(&name) => taken.push((key, value)),
                _ => {
                    self.unknown(key, "key", context, &known);
                    meant.extend(nearest(key.as_str().unwrap_or_default(), known.iter().copied()));
                }
            }
        }
        let fields = Fields { construct, pairs: taken };
        self.missing(&fields, &meant, context, place);
        Some(fields)
    }

    /// Reports keys that should be there. One that a misspelt key was `meant` to be was told already.
    fn missing(&mut self, fields: &Fields<'_>, meant: &[&str], context: &str, place: &Place) {
        let construct = fields.construct;
        let absent =
            |key: &&Key| key.required && fields.get(key.name).is_none() && !meant.contains(&key.name);
        for key in construct.keys.iter().filter(absent) {
            let help = format!("add `{}: …` ({})", key.name, key.doc);
            self.error(place, format!("{context} has no `{}`", key.name), "a key is missing here", help);
        }
        let given = |names: &[&str]| {
            names.iter().filter(|name| fields.get(name).is_some() || meant.contains(name)).count()
        };
        if !construct.at_least_one.is_empty() && given(construct.at_least_one) == 0 {
            let words = list_words(construct.at_least_one);
            self.error(
                place,
                format!("{context} has none of {words}"),
                "a key is missing here",
                format!("add at least one of {words}"),
            );
        }
        let count = given(construct.exactly_one);
        if !construct.exactly_one.is_empty() && count != 1 {
            let words = list_words(construct.exactly_one);
            let found = if count == 0 { "none" } else { "more than one" };
            self.error(
                place,
                format!("{context} has {found} of {words}"),
                "exactly one is expected",
                format!("give one of {words}"),
            );
        }
    }

    /// Reports a word that is none of `known`.
    pub fn unknown(&mut self, node: &Node, what: &str, context: &str, known: &[&str]) {
        let Some(word) = node.as_str() else {
            let mismatch = node.mismatch("a word", &format!("write one of {}", list_words(known)));
            self.problems.push(mismatch);
            return;
        };
        let help = match nearest(word, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("remove it, or write one of {}", list_words(known)),
        };
        let label = match known.split_at_checked(SHOWN_WORDS) {
            Some((first, [_, ..])) => format!("expected one of {}, …", list_words(first)),
            _ => format!("expected one of {}", list_words(known)),
        };
        self.error(&node.place, format!("unknown {what} `{word}` in {context}"), &label, help);
    }

    /// A text that is not empty.
    pub fn text(&mut self, node: &Node) -> Option<String> {
        let text = self.take(node.text())?.to_owned();
        if text.is_empty() {
            self.error(
                &node.place,
                "this text is empty",
                "text is expected",
                "write a value, or remove the key",
            );
            return None;
        }
        Some(text)
    }

    /// An id: lower-case letters, digits and `-`, beginning with a letter or digit.
    pub fn id(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.starts_with('-') || text.len() > 64 || !text.chars().all(known) {
            let better: String =
                text.to_lowercase().chars().map(|c| if known(c) { c } else { '-' }).collect();
            let better = better.trim_matches('-');
            let help = if better.is_empty() || better.len() > 64 {
                "use 1 to 64 of `a` to `z`, `0` to `9` and `-`".to_owned()
            } else {
                format!("write `{better}`")
            };
            self.error(
                &node.place,
                format!("`{text}` cannot be an id"),
                "expected lower-case letters, digits and `-`",
                help,
            );
            return None;
        }
        Some(text)
    }

    /// One of these words.
    pub fn word(&mut self, node: &Node, words: &[&'static str], context: &str) -> Option<&'static str> {
        let text = self.text(node)?;
        let found = words.iter().find(|word| **word == text).copied();
        if found.is_none() {
            self.unknown(node, "word", context, words);
        }
        found
    }

    /// A glob over names.
    pub fn glob(&mut self, node: &Node) -> Option<Pattern> {
        let pattern = Pattern::new(self.text(node)?);
        if let Err(reason) = pattern.check() {
            self.error(
                &node.place,
                format!("`{pattern}` is not a valid pattern: {reason}"),
                "expected a name or a glob",
                "close every `[` and `{`; write `\\[` for the character itself",
            );
            return None;
        }
        Some(pattern)
    }

    /// An absolute path or glob; Windows paths too where the product is for Windows.
    pub fn path(&mut self, node: &Node) -> Option<Pattern> {
        if let Some(text) = node.as_str().filter(|text| self.for_windows() && is_windows_path(text)) {
            return self.windows_path(node, text);
        }
        let pattern = self.glob(node)?;
        let text = pattern.as_str();
        if !text.starts_with('/') {
            let help = if text.starts_with('~') {
                "write the whole path; `/home/*/…` for every user".to_owned()
            } else if is_windows_path(text) {
                "a path of Windows needs `windows` in the product's `platforms`".to_owned()
            } else {
                format!("begin it with `/`: `/{text}`")
            };
            self.error(
                &node.place,
                format!("`{text}` is not an absolute path"),
                "expected a path from `/`",
                help,
            );
            return None;
        }
        let parts = || text.split(['/', '\\']);
        let (wrong, label, help) = if parts().any(|part| part == ".." || part == ".") {
            ("has `.` or `..` in it", "expected a path without them", "write the path that is meant")
        } else if text.contains("//") {
            ("has an empty component", "a path is never written so by a host", "write one `/`")
        } else if text.split('/').any(|part| !is_balanced(part)) {
            (
                "has a `/` inside `{…}` or `[…]`",
                "expected whole components",
                "write one path for each, as a list",
            )
        } else {
            // A host lists a directory without a final `/`.
            let trimmed = text.trim_end_matches('/');
            return Some(Pattern::new(if trimmed.is_empty() { "/" } else { trimmed }));
        };
        self.error(&node.place, format!("`{text}` {wrong}"), label, help);
        None
    }

    /// A regular expression.
    pub fn regex(&mut self, node: &Node) -> Option<TextPattern> {
        let pattern = TextPattern(self.text(node)?);
        let error = match pattern.compile() {
            Ok(_) => return Some(pattern),
            Err(regex::Error::CompiledTooBig(_)) => {
                self.error(
                    &node.place,
                    format!("the regular expression `{}` is too large", pattern.0),
                    "a smaller expression is expected",
                    "lower the counts in `{…}`, or split it",
                );
                return None;
            }
            Err(error) => error.to_string(),
        };
        let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        self.error(
            &node.place,
            format!("`{}` is not a regular expression: {reason}", pattern.0),
            "expected a regular expression",
            "escape `(`, `[`, `*`, `+`, `?`, `.` by `\\` where the character is meant; put it in single quotes",
        );
        None
    }

    /// A version range.
    pub fn range(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        if let Err(reason) = check_range(&text) {
            self.error(
                &node.place,
                format!("`{text}` is not a version range: {reason}"),
                "expected a version range",
                "write conditions joined by commas, such as `>=11.0, <13`",
            );
            return None;
        }
        Some(text)
    }

    /// A length of time from `least` to `most`.
    pub fn duration(&mut self, node: &Node, least: Duration, most: Duration) -> Option<Duration> {
        let length = self.take(node.duration(most))?;
        if length < least {
            self.error(
                &node.place,
                "this length of time is too short",
                "expected at least `1s`",
                "write a length of time such as `2m`",
            );
            return None;
        }
        Some(length)
    }

    /// One value or a list of at least one.
    pub fn many<T>(&mut self, node: &Node, mut read: impl FnMut(&mut Self, &Node) -> Option<T>) -> Vec<T> {
        match node.as_list() {
            None => read(self, node).into_iter().collect(),
            Some([]) => {
                self.empty_list(node);
                Vec::new()
            }
            Some(entries) => entries.iter().filter_map(|entry| read(self, entry)).collect(),
        }
    }

    /// A list; one without entries is an error where `least` says so.
    pub fn list<'a>(&mut self, node: &'a Node, least: usize) -> &'a [Node] {
        let entries = self.take(node.list()).unwrap_or_default();
        if entries.is_empty() && least > 0 && node.as_list().is_some() {
            self.empty_list(node);
        }
        entries
    }

    pub fn empty_list(&mut self, node: &Node) {
        self.error(&node.place, "this list is empty", "at least one entry is expected", "add an entry");
    }

    /// The pairs of a map whose keys are names of the author's own.
    pub fn named<'a>(&mut self, node: &'a Node, what: &str) -> Vec<(&'a str, &'a Node, &'a Node)> {
        let mut out = Vec::new();
        for (key, value) in self.take(node.map()).unwrap_or_default() {
            match key.as_str() {
                Some(name) if is_name(name) => out.push((name, key, value)),
                _ => self.error(
                    &key.place,
                    format!("this cannot be the name of {what}"),
                    "expected letters, digits and `_`",
                    "begin with a letter or `_`, and use only letters, digits and `_`",
                ),
            }
        }
        out
    }
}

/// Letters, digits and `_`, not beginning with a digit.
pub(super) fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.len() <= 64
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether every `{` and `[` is closed within this component.
fn is_balanced(part: &str) -> bool {
    let count = |c: char| part.matches(c).count();
    count('{') == count('}') && count('[') == count(']')
}

/// The words in backquotes, joined by commas.
pub(super) fn list_words(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
