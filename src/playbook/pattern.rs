//! Globs over names and paths, three-valued where the host's string lost characters.

use crate::model::Truth;
use serde::{Deserialize, Serialize};

/// A glob as the playbook wrote it: `*`, `?`, `[…]`, `{a,b}`; in paths `*` does not cross `/`, `**`
/// does. Without such a character it is compared for equality.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern; call `check` before trusting a user's.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it has wildcards.
    #[must_use]
    pub fn is_glob(&self) -> bool {
        self.0.contains(['*', '?', '[', '{'])
    }

    /// Why it is not a valid glob.
    ///
    /// # Errors
    /// The reason, in words.
    pub fn check(&self) -> Result<(), String> {
        self.build().map(|_| ()).map_err(|e| e.kind().to_string())
    }

    /// Compiles it, once for many comparisons.
    #[must_use]
    pub fn matcher(&self) -> Matcher {
        if self.is_glob() {
            // A pattern was checked when it was read; one that was not matches nothing for certain.
            self.build().map_or(Matcher::Invalid, |glob| Matcher::Glob(Box::new(glob.compile_matcher())))
        } else {
            Matcher::Exact(self.0.clone())
        }
    }

    /// The pattern for names that are compared without regard to case, as Windows does: the text that
    /// it is compared with must be in lower case too.
    #[must_use]
    pub fn lower_case(&self) -> Self {
        Self(self.0.to_lowercase())
    }

    /// Whether a text of Windows matches, pattern and text both in lower case. What its tools could not
    /// print in the console's code page was no ASCII character, so every run of ASCII that the pattern
    /// demands must have come through unbroken.
    #[must_use]
    pub fn windows_matches(&self, matcher: &Matcher, text: &str) -> Truth {
        let truth = matcher.matches(text);
        if truth.is_unknown() && !matches!(matcher, Matcher::Invalid) && self.misses_a_run(text) {
            return Truth::False;
        }
        truth
    }

    /// Whether a run of ASCII between the wildcards is not in the text, in the order of the runs.
    fn misses_a_run(&self, text: &str) -> bool {
        let wild: &[char] = if self.is_glob() { &['*', '?', '[', '{', '\\'] } else { &[] };
        // Behind a class or a choice the runs are not told apart any more.
        let plain = self.0.split(|c| wild.contains(&c) && !matches!(c, '*' | '?')).next().unwrap_or_default();
        let mut rest = text;
        !plain.split(|c: char| !c.is_ascii() || wild.contains(&c)).filter(|run| !run.is_empty()).all(|run| {
            rest.split_once(run).is_some_and(|(_, after)| {
                rest = after;
                true
            })
        })
    }

    fn build(&self) -> Result<globset::Glob, globset::Error> {
        // In a path of Windows a `\` separates components; elsewhere it takes a wildcard its meaning.
        let separated = is_windows_path(&self.0).then(|| self.0.replace('\\', "/"));
        globset::GlobBuilder::new(separated.as_deref().unwrap_or(&self.0))
            .literal_separator(true)
            .backslash_escape(true)
            .empty_alternates(true)
            .build()
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path of Windows as it is compared: in lower case, with `/` between components.
#[must_use]
pub fn fold_path(path: &str) -> String {
    path.replace('\\', "/").to_lowercase()
}

/// Whether an absolute path, or a glob over such, is one of Windows: `C:\\…`, `%ProgramData%\\…`.
#[must_use]
pub fn is_windows_path(text: &str) -> bool {
    let mut chars = text.chars();
    let drive = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.next() == Some(':')
        && chars.next().is_some_and(|c| c == '\\' || c == '/');
    drive || (text.starts_with('%') && text.matches('%').count() >= 2)
}

/// A compiled `Pattern`.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// Equality.
    Exact(String),
    /// A glob.
    Glob(Box<globset::GlobMatcher>),
    /// Not a valid glob: every answer is unknown.
    Invalid,
}

impl Matcher {
    /// Whether `text` matches. A text that lost characters in decoding (it holds U+FFFD) neither
    /// matches nor fails unless the answer does not depend on what was lost.
    #[must_use]
    pub fn matches(&self, text: &str) -> Truth {
        let hit = match self {
            Self::Exact(wanted) => wanted == text,
            Self::Glob(glob) => glob.is_match(text),
            Self::Invalid => return Truth::Unknown,
        };
        if !text.contains('\u{fffd}') {
            Truth::from(hit)
        } else if could_match(self, text) {
            Truth::Unknown
        } else {
            Truth::False
        }
    }
}

/// Whether a text with lost characters could have matched: compares what stands before the first
/// loss with the literal beginning of the pattern.
fn could_match(matcher: &Matcher, text: &str) -> bool {
    let known = text.split('\u{fffd}').next().unwrap_or_default();
    let literal = match matcher {
        Matcher::Exact(wanted) => wanted.as_str(),
        Matcher::Glob(glob) => {
            glob.glob().glob().split(['*', '?', '[', '{', '\\']).next().unwrap_or_default()
        }
        Matcher::Invalid => return true,
    };
    known.starts_with(literal) || literal.starts_with(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_windows_could_not_print_was_no_ascii() {
        let cases = [
            ("*kaspersky*", "\u{fffd}\u{fffd}\u{fffd} x", Truth::False),
            ("*kaspersky*", "\u{fffd} kaspersky", Truth::Unknown),
            ("*agent*kaspersky*", "kaspersky \u{fffd} agent", Truth::False),
            ("*kaspersky*", "kasper\u{fffd}ky", Truth::False),
            ("*каспер*", "\u{fffd}\u{fffd}", Truth::Unknown),
            ("kav{fs,x}", "kav\u{fffd}", Truth::Unknown),
            ("kav{fs,x}", "ka\u{fffd}", Truth::False),
            ("kavfs", "kavf\u{fffd}", Truth::False),
            ("a?c*", "a\u{fffd}c", Truth::Unknown),
        ];
        for (pattern, text, truth) in cases {
            let pattern = Pattern::new(pattern);
            assert_eq!(pattern.windows_matches(&pattern.matcher(), text), truth, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_backslash_separates_the_components_of_a_windows_path() {
        let pattern = Pattern::new(fold_path(r"C:\Program Files\{Kaspersky Lab,KasperskyLab}\*"));
        assert!(pattern.matcher().matches(&fold_path(r"c:\program files\kasperskylab\x")).is_true());
        assert!(Pattern::new(r"C:\{a,b}\[c]").check().is_ok());
    }
}
