//! Errors and warnings about a user's file, each with its place, drawn as a good compiler draws them.

use super::output::{escape_block, escape_line};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use unicode_width::UnicodeWidthChar;

/// Where something stands in a user's file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The file as the user named it (or `built-in catalogue: NAME`).
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// How many characters it covers; at least 1 is underlined.
    pub length: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but probably does not do what was meant.
    Warning,
}

/// One thing wrong with a user's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is; none when it concerns the file as a whole.
    pub place: Option<Place>,
    /// What is wrong: lower case, no full stop, values in backquotes.
    pub message: String,
    /// What stands beside the caret; may be empty.
    pub label: String,
    /// How to mend it; an error should always have one.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at a place.
    #[must_use]
    pub fn error(place: &Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            place: Some(place.clone()),
            message: message.into(),
            label: String::new(),
            help: None,
        }
    }

    /// A warning at a place.
    #[must_use]
    pub fn warning(place: &Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(place, message) }
    }

    /// An error about a file as a whole (it cannot be read, it is too large).
    #[must_use]
    pub fn file_error(file: &str, message: impl Into<String>) -> Self {
        let place = Place { file: file.into(), line: 1, column: 1, length: 1 };
        Self::error(&place, message)
    }

    /// With this text beside the caret.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// With this help line.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Draws it:
    ///
    /// ```text
    /// error: unknown key `setle` in product `kesl`
    ///   --> linux.yml:14:5
    ///    |
    /// 14 |     setle: 2m
    ///    |     ^^^^^ expected one of `detect`, `settle`
    /// help: did you mean `settle`?
    /// ```
    #[must_use]
    pub fn render(&self, sources: &Sources) -> String {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut out = format!("{word}: {}\n", escape_block(&self.message));
        if let Some(place) = &self.place {
            let number = place.line.to_string();
            let gutter = " ".repeat(number.len());
            out.push_str(&format!("{gutter}--> {}\n", escape_line(&place.to_string())));
            if let Some(line) = sources.line(&place.file, place.line) {
                let (shown, lead, width) = underline(line, place.column, place.length);
                let label = if self.label.is_empty() {
                    String::new()
                } else {
                    format!(" {}", escape_line(&self.label))
                };
                out.push_str(&format!("{gutter} |\n{number} | {shown}\n"));
                let caret = format!("{}{}{label}", " ".repeat(lead), "^".repeat(width));
                out.push_str(&format!("{gutter} | {caret}\n"));
            } else if !self.label.is_empty() {
                out.push_str(&format!("{gutter} = {}\n", escape_line(&self.label)));
            }
        }
        if let Some(help) = &self.help {
            out.push_str(&format!("help: {}\n", escape_block(help)));
        }
        out
    }
}

/// The longest part of a source line that is shown, in characters.
const SHOWN: usize = 160;

/// The line with tabs widened and control characters escaped, how many columns stand before the
/// caret, and how many columns the caret covers. Works on characters as a terminal shows them.
fn underline(line: &str, column: u32, length: u32) -> (String, usize, usize) {
    let (mut shown, mut lead, mut width) = (String::new(), 0, 0);
    let start = column.saturating_sub(1) as usize;
    let end = start.saturating_add(length.max(1) as usize);
    let skip = start.saturating_sub(SHOWN / 2);
    if skip > 0 {
        shown.push('…');
        lead = 1;
    }
    for (index, c) in line.chars().enumerate().skip(skip).take(SHOWN) {
        let text = if c == '\t' { "    ".to_owned() } else { escape_line(&c.to_string()) };
        let columns: usize = text.chars().map(|c| c.width().unwrap_or(0)).sum();
        shown.push_str(&text);
        if index < start {
            lead += columns;
        } else if index < end {
            width += columns;
        }
    }
    (shown, lead, width.max(1))
}

/// The texts of the files that diagnostics point into.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    texts: BTreeMap<Arc<str>, Arc<str>>,
}

impl Sources {
    /// Remembers a file's text under the name that places use.
    pub fn add(&mut self, file: &str, text: &str) {
        self.texts.insert(file.into(), text.into());
    }

    /// A line of a file, from 1, without its line break.
    #[must_use]
    pub fn line(&self, file: &str, line: u32) -> Option<&str> {
        self.texts.get(file)?.lines().nth(line.checked_sub(1)? as usize)
    }
}

/// All that is wrong with a user's input, with the texts to show it in. The error type of reading
/// playbooks and inventories.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    /// In the order found; `render` sorts by place.
    pub list: Vec<Diagnostic>,
    /// The files they point into.
    pub sources: Sources,
}

impl Diagnostics {
    /// Whether any of them is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    /// All of them, sorted by place, errors and warnings together, with a blank line between.
    #[must_use]
    pub fn render(&self) -> String {
        let mut sorted: Vec<&Diagnostic> = self.list.iter().collect();
        sorted.sort_by(|a, b| a.place.cmp(&b.place).then(a.severity.cmp(&b.severity)));
        sorted.iter().map(|d| d.render(&self.sources)).collect::<Vec<_>>().join("\n")
    }
}

impl std::fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render())
    }
}

impl std::error::Error for Diagnostics {}

/// The word of `known` that is nearest to `word`, if one is near enough to be a slip of the hand.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edit distance (insert, delete, replace, swap of neighbours), case ignored; long words are far apart.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).take(64).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).take(64).collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let at = |r: usize, c: usize| {
                rows.get(r).and_then(|row| row.get(c)).copied().unwrap_or(usize::MAX / 2)
            };
            let mut best = at(i, j) + usize::from(ca != cb);
            best = best.min(at(i, j + 1) + 1).min(row.last().copied().unwrap_or(0) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(cb) && b.get(j - 1) == Some(ca);
            if swapped {
                best = best.min(at(i - 1, j - 1) + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_the_place_tab_and_width_aware() {
        let mut sources = Sources::default();
        sources.add("a.yml", "x\n\t名: setle\n");
        let place = Place { file: "a.yml".into(), line: 2, column: 5, length: 5 };
        let text = Diagnostic::error(&place, "unknown key `setle`")
            .with_label("expected `settle`")
            .with_help("did you mean `settle`?")
            .render(&sources);
        assert_eq!(
            text,
            "error: unknown key `setle`\n --> a.yml:2:5\n  |\n2 |     名: setle\n  |         ^^^^^ expected `settle`\nhelp: did you mean `settle`?\n"
        );
    }

    #[test]
    fn nearest_finds_slips_and_nothing_else() {
        assert_eq!(nearest("setle", ["detect", "settle"]), Some("settle"));
        assert_eq!(nearest("pacakge", ["package", "path"]), Some("package"));
        assert_eq!(nearest("banana", ["package", "path"]), None);
    }
}
