//! Host strings against patterns, three-valued; and host strings as bounded evidence.

use crate::model::{Platform, Truth, sha256_hex};
use crate::playbook::pattern::Matcher;
use crate::playbook::{Pattern, TextPattern, fold_path};
use std::borrow::Cow;
use std::cell::OnceCell;

/// What stands in a decoded text where a byte was not UTF-8.
pub(super) const LOST: char = '\u{fffd}';

/// How many characters of one fact are kept as evidence.
const LINE_LIMIT: usize = 200;

/// How many facts of one check are kept as evidence.
const LINES_LIMIT: usize = 8;

/// How many matched things of one check are kept by name; the rest is kept as a digest.
const MATCHED_LIMIT: usize = 32;

/// A name pattern for many comparisons. The glob is compiled only when a text begins as the pattern
/// does: on a clean host almost none has to be.
pub(super) struct NameTest<'p> {
    pattern: Cow<'p, Pattern>,
    /// How much of the pattern stands before its first wildcard, in bytes.
    literal: usize,
    valid: bool,
    /// What is done to a text before it is compared, as it was to the pattern.
    fold: Option<fn(&str) -> String>,
    matcher: OnceCell<Matcher>,
}

impl<'p> NameTest<'p> {
    pub(super) fn new(pattern: &'p Pattern) -> Self {
        Self::of(Cow::Borrowed(pattern))
    }

    pub(super) fn owned(pattern: Pattern) -> Self {
        Self::of(Cow::Owned(pattern))
    }

    /// For a host of this platform: on Windows the case of names does not matter.
    pub(super) fn on(platform: Option<Platform>, pattern: &'p Pattern) -> Self {
        if platform != Some(Platform::Windows) {
            return Self::new(pattern);
        }
        Self { fold: Some(str::to_lowercase), ..Self::owned(pattern.lower_case()) }
    }

    /// For paths of a host of this platform.
    pub(super) fn of_path(platform: Option<Platform>, pattern: &'p Pattern) -> Self {
        if platform != Some(Platform::Windows) {
            return Self::new(pattern);
        }
        Self { fold: Some(fold_path), ..Self::owned(Pattern::new(fold_path(pattern.as_str()))) }
    }

    fn of(pattern: Cow<'p, Pattern>) -> Self {
        let text = pattern.as_str();
        let is_glob = pattern.is_glob();
        let literal = is_glob.then(|| text.find(['*', '?', '[', '{', '\\'])).flatten().unwrap_or(text.len());
        let valid = !is_glob || pattern.check().is_ok();
        Self { pattern, literal, valid, fold: None, matcher: OnceCell::new() }
    }

    /// Whether the pattern can be compared with at all.
    pub(super) fn is_valid(&self) -> bool {
        self.valid
    }

    /// The pattern's text.
    pub(super) fn text(&self) -> &str {
        self.pattern.as_str()
    }

    /// What every match begins with.
    pub(super) fn literal(&self) -> &str {
        self.text().get(..self.literal).unwrap_or_default()
    }

    /// Whether `text` matches; unknown where that depends on lost characters.
    pub(super) fn matches(&self, text: &str) -> Truth {
        if !self.valid {
            return Truth::Unknown;
        }
        let folded = self.fold.map_or(Cow::Borrowed(text), |fold| Cow::Owned(fold(text)));
        let text = folded.as_ref();
        if !may_begin_with(text, self.literal()) {
            return Truth::False;
        }
        let matcher = self.matcher.get_or_init(|| self.pattern.matcher());
        if self.fold.is_some() { self.pattern.windows_matches(matcher, text) } else { matcher.matches(text) }
    }
}

/// Whether `text` begins with `literal`, or may have done so before characters were lost.
fn may_begin_with(text: &str, literal: &str) -> bool {
    let differs = text.bytes().zip(literal.bytes()).position(|(a, b)| a != b);
    match differs {
        None => text.len() >= literal.len() || text.contains(LOST),
        Some(at) => text.char_indices().take_while(|(start, _)| *start <= at).any(|(_, c)| c == LOST),
    }
}

/// A regular expression for many comparisons.
pub(super) struct LineTest {
    regex: Option<regex::Regex>,
}

impl LineTest {
    pub(super) fn new(pattern: &TextPattern) -> Self {
        Self { regex: pattern.compile().ok() }
    }

    /// Whether the expression can be compared with at all.
    pub(super) fn is_valid(&self) -> bool {
        self.regex.is_some()
    }

    /// Whether the expression is found in `line`; unknown where that depends on lost characters.
    pub(super) fn matches(&self, line: &str) -> Truth {
        let Some(regex) = &self.regex else { return Truth::Unknown };
        if !line.contains(LOST) {
            return Truth::from(regex.is_match(line));
        }
        // An assertion (`^`, `$`, `\b`) looks no further than the next character, so a match whose
        // own and neighbouring characters were all read holds whatever the lost ones were.
        let sure = regex.find_iter(line).any(|found| {
            let before = line.get(..found.start()).and_then(|text| text.chars().next_back());
            let after = line.get(found.end()..).and_then(|text| text.chars().next());
            !found.as_str().contains(LOST) && before != Some(LOST) && after != Some(LOST)
        });
        if sure { Truth::True } else { Truth::Unknown }
    }

    /// The first group (or the whole match) in `line`, if it was wholly read.
    pub(super) fn capture<'t>(&self, line: &'t str) -> Option<&'t str> {
        let captures = self.regex.as_ref()?.captures(line)?;
        let found = captures.get(1).or_else(|| captures.get(0))?.as_str();
        (!found.contains(LOST)).then_some(found)
    }
}

/// The lines of a file's beginning. Where the file was cut, the place of the cut counts as lost
/// characters, since what stands there was not read.
pub(super) fn lines_of(text: &str, truncated: bool) -> impl Iterator<Item = Cow<'_, str>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let cut = truncated && !text.ends_with('\n');
    let whole = text.strip_suffix('\n').unwrap_or(text);
    let mut lines = whole.split('\n').peekable();
    std::iter::from_fn(move || {
        let line = lines.next()?;
        if cut && lines.peek().is_none() {
            return Some(Cow::Owned(format!("{line}{LOST}")));
        }
        Some(Cow::Borrowed(line.strip_suffix('\r').unwrap_or(line)))
    })
}

/// At most `limit` characters of a host string.
pub(crate) fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit || text.chars().nth(limit).is_none() {
        return Cow::Borrowed(text);
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    Cow::Owned(format!("{kept}…"))
}

/// Facts as evidence: bounded in length and number, with how many were left out.
pub(super) fn evidence_lines<T>(items: &[T], line: impl Fn(&T) -> String) -> Vec<String> {
    let mut lines: Vec<String> =
        items.iter().take(LINES_LIMIT).map(|item| cut(&line(item), LINE_LIMIT).into_owned()).collect();
    if items.len() > LINES_LIMIT {
        lines.push(format!("and {} more", items.len() - LINES_LIMIT));
    }
    lines
}

/// What was matched, in an order that does not depend on the host's, bounded without hiding a
/// difference: what is left out is there as a digest.
pub(super) fn matched_names(mut names: Vec<String>) -> Vec<String> {
    for name in &mut names {
        if name.chars().nth(LINE_LIMIT).is_some() {
            *name = format!("{} SHA-256 {}", cut(name, LINE_LIMIT / 2), sha256_hex(name.as_str()));
        }
    }
    names.sort_unstable();
    names.dedup();
    if names.len() > MATCHED_LIMIT {
        let rest = names.split_off(MATCHED_LIMIT);
        names.push(format!("and {} more, SHA-256 {}", rest.len(), sha256_hex(rest.join("\n"))));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_three_valued() {
        let cases = [
            ("kesl", "kesl", Truth::True),
            ("kesl", "kesl-gui", Truth::False),
            ("kesl", "kes", Truth::False),
            ("kesl", "ke\u{fffd}l", Truth::Unknown),
            ("kesl", "\u{fffd}", Truth::Unknown),
            ("kesl", "xe\u{fffd}l", Truth::False),
            ("kesl*", "kesl-gui", Truth::True),
            ("kesl*", "klnagent", Truth::False),
            ("kesl*", "k\u{fffd}", Truth::Unknown),
            ("*agent*", "klnagent64", Truth::True),
            ("{kesl,klnagent}", "klnagent", Truth::True),
            ("/opt/kaspersky/**", "/opt/kaspersky/kesl/bin/x", Truth::True),
            ("/opt/*", "/opt/kaspersky/kesl", Truth::False),
            ("kesl[", "anything", Truth::Unknown),
        ];
        for (pattern, text, truth) in cases {
            let pattern = Pattern::new(pattern);
            assert_eq!(NameTest::new(&pattern).matches(text), truth, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_lossy_line_matches_only_where_all_was_read() {
        let cases = [
            ("kesl", "the kesl daemon", Truth::True),
            ("kesl", "nothing", Truth::False),
            ("kesl", "\u{fffd} the kesl daemon", Truth::True),
            ("kesl", "the kesl\u{fffd}", Truth::Unknown),
            ("^kesl$", "kesl", Truth::True),
            ("k.sl", "k\u{fffd}sl", Truth::Unknown),
            ("kesl", "no\u{fffd}thing", Truth::Unknown),
            (r"\bkesl\b", "\u{fffd}kesl x", Truth::Unknown),
            ("(", "x", Truth::Unknown),
        ];
        for (pattern, line, truth) in cases {
            assert_eq!(
                LineTest::new(&TextPattern(pattern.into())).matches(line),
                truth,
                "{pattern} on {line}"
            );
        }
    }

    #[test]
    fn the_place_of_a_cut_counts_as_lost() {
        let lines: Vec<_> = lines_of("\u{feff}a\r\nb\nc", true).collect();
        assert_eq!(lines, ["a", "b", "c\u{fffd}"]);
        assert_eq!(lines_of("a\nb\n", true).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(lines_of("a\nb", false).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn evidence_is_bounded_and_says_what_is_left_out() {
        let items: Vec<String> = (0..11).map(|n| format!("{n}{}", "x".repeat(500))).collect();
        let lines = evidence_lines(&items, Clone::clone);
        assert_eq!(lines.len(), 9);
        assert!(lines.iter().all(|line| line.chars().count() <= 200));
        assert_eq!(lines.last().unwrap(), "and 3 more");
    }

    #[test]
    fn a_bounded_match_still_shows_every_difference() {
        let names = |last: &str| {
            let mut names: Vec<String> = (0..100).map(|n| format!("/opt/{n:03}")).collect();
            names.push(last.into());
            matched_names(names)
        };
        assert_eq!(names("/opt/x").len(), 33);
        assert_ne!(names("/opt/x"), names("/opt/y"));
        let long = "a".repeat(1000);
        assert_ne!(matched_names(vec![long.clone() + "1"]), matched_names(vec![long + "2"]));
    }

    proptest! {
        #[test]
        fn the_quick_way_agrees_with_the_matcher(
            pattern in r"[ab/*?\[\]{},\\\u{fffd}]{0,6}", text in r"[ab/\u{fffd}\u{ffd0}]{0,6}"
        ) {
            let pattern = Pattern::new(pattern);
            prop_assert_eq!(NameTest::new(&pattern).matches(&text), pattern.matcher().matches(&text));
        }

        #[test]
        fn cutting_never_panics_and_keeps_the_limit(text in ".{0,40}", limit in 1_usize..20) {
            prop_assert!(cut(&text, limit).chars().count() <= limit);
        }
    }
}
