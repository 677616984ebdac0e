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

    fn build(&self) -> Result<globset::Glob, globset::Error> {
        globset::GlobBuilder::new(&self.0)
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
