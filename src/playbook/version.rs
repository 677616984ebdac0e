//! Versions of packages and systems, compared as people read them.
//!
//! A version is `[epoch:]upstream[-revision]`, as dpkg and rpm write it. Epochs compare as numbers
//! (none is 0), then upstream, then revision. Upstream and revision are compared run by run, as dpkg
//! does: runs of digits as numbers (of any length, leading zeros ignored), runs of other characters
//! letter by letter, where `~` sorts before everything, even the end, and letters before other
//! characters. So `1.9 < 1.10`, `1.0~rc1 < 1.0 < 1.0.1`, `12.0 < 12.0.1`.
//!
//! A range is one or more conditions joined by commas, all of which must hold: `>=11.0, <13`. A bare
//! version means `=`. A bound without a revision says nothing about the revision (`=12.1.0` holds
//! for `12.1.0-1297`, and `>12.1.0` does not), and one without an epoch says nothing about the epoch.

use std::cmp::Ordering;

/// Whether a version is in a range; none when the two cannot be compared: the version has no digit,
/// holds a character that no version has (or lost characters), or the range is not valid.
#[must_use]
pub fn version_in_range(version: &str, range: &str) -> Option<bool> {
    let version = Version::parse(version)?;
    let conditions = parse_range(range).ok()?;
    Some(conditions.iter().all(|condition| condition.holds(&version)))
}

/// Whether a range can be used.
///
/// # Errors
/// Why it cannot, in words.
pub fn check_range(range: &str) -> Result<(), String> {
    parse_range(range).map(|_| ())
}

/// How two versions compare, every part of both counted; none when one of them is no version.
#[must_use]
pub fn compare_versions(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Version::parse(a)?, Version::parse(b)?);
    let revisions = || compare_part(a.revision.unwrap_or_default(), b.revision.unwrap_or_default());
    let epochs = a.epoch.unwrap_or(0).cmp(&b.epoch.unwrap_or(0));
    Some(epochs.then_with(|| compare_part(a.upstream, b.upstream)).then_with(revisions))
}

#[derive(Debug, Clone, Copy)]
struct Version<'a> {
    epoch: Option<u64>,
    upstream: &'a str,
    revision: Option<&'a str>,
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let known = |c: char| c.is_ascii_alphanumeric() || ".+~-_:^".contains(c);
        if text.len() > 256 || !text.chars().all(known) {
            return None;
        }
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (Some(epoch.parse().ok()?), rest),
            None => (None, text),
        };
        let (upstream, revision) = match rest.rsplit_once('-') {
            Some((upstream, revision)) => (upstream, Some(revision)),
            None => (rest, None),
        };
        let usable = upstream.starts_with(|c: char| c.is_ascii_alphanumeric())
            && upstream.contains(|c: char| c.is_ascii_digit())
            && !rest.contains(':');
        usable.then_some(Self { epoch, upstream, revision })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The operators, those that begin with another first.
const OPERATORS: [(&str, Operator); 7] = [
    (">=", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("!=", Operator::NotEqual),
    ("==", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("=", Operator::Equal),
];

#[derive(Debug)]
struct Condition<'a> {
    operator: Operator,
    bound: Version<'a>,
}

impl Condition<'_> {
    fn holds(&self, version: &Version<'_>) -> bool {
        let mut order = compare_part(version.upstream, self.bound.upstream);
        if let Some(epoch) = self.bound.epoch {
            order = version.epoch.unwrap_or(0).cmp(&epoch).then(order);
        }
        if let Some(revision) = self.bound.revision {
            order = order.then_with(|| compare_part(version.revision.unwrap_or_default(), revision));
        }
        match self.operator {
            Operator::Equal => order == Ordering::Equal,
            Operator::NotEqual => order != Ordering::Equal,
            Operator::Less => order == Ordering::Less,
            Operator::LessOrEqual => order != Ordering::Greater,
            Operator::Greater => order == Ordering::Greater,
            Operator::GreaterOrEqual => order != Ordering::Less,
        }
    }
}

fn parse_range(range: &str) -> Result<Vec<Condition<'_>>, String> {
    range.split(',').map(parse_condition).collect()
}

fn parse_condition(text: &str) -> Result<Condition<'_>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("a condition is empty".to_owned());
    }
    let (operator, bound) = OPERATORS
        .iter()
        .find_map(|(word, operator)| text.strip_prefix(word).map(|bound| (*operator, bound)))
        .unwrap_or((Operator::Equal, text));
    let bound = Version::parse(bound).ok_or_else(|| format!("`{}` is not a version", bound.trim()))?;
    Ok(Condition { operator, bound })
}

/// Compares two upstream versions or revisions run by run.
fn compare_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    while !a.is_empty() || !b.is_empty() {
        let (words, digits);
        (words, a, b) = compare_run(a, b, |c| !c.is_ascii_digit(), compare_words);
        (digits, a, b) = compare_run(a, b, |c| c.is_ascii_digit(), compare_numbers);
        if words.then(digits) != Ordering::Equal {
            return words.then(digits);
        }
    }
    Ordering::Equal
}

/// Compares the runs that both begin with, and returns what is left of each.
fn compare_run<'a>(
    a: &'a str,
    b: &'a str,
    belongs: fn(char) -> bool,
    compare: fn(&str, &str) -> Ordering,
) -> (Ordering, &'a str, &'a str) {
    let split = |text: &'a str| text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()));
    let ((run_a, rest_a), (run_b, rest_b)) = (split(a), split(b));
    (compare(run_a, run_b), rest_a, rest_b)
}

fn compare_words(a: &str, b: &str) -> Ordering {
    let rank = |c: Option<char>| match c {
        Some('~') => 0,
        None => 1,
        Some(c) if c.is_ascii_alphabetic() => 2 + u32::from(c),
        Some(c) => 1_000 + u32::from(c),
    };
    let (mut a, mut b) = (a.chars(), b.chars());
    loop {
        let (x, y) = (a.next(), b.next());
        match rank(x).cmp(&rank(y)) {
            Ordering::Equal if x.is_none() => return Ordering::Equal,
            Ordering::Equal => {}
            order => return order,
        }
    }
}

fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_sort_as_dpkg_sorts_them() {
        let sorted = [
            "0:0.9",
            "1.0~~a",
            "1.0~rc1",
            "1.0",
            "1.0-1",
            "1.0-1.1",
            "1.0-2",
            "1.0a",
            "1.0+b",
            "1.0.1",
            "1.9",
            "1.10",
            "11.4.0.1096",
            "12.0.0.6672",
            "12.1.0-1297",
            "12.1.0-1300",
            "99999999999999999999.1",
            "1:0.1",
        ];
        for pair in sorted.windows(2) {
            assert_eq!(compare_versions(pair[0], pair[1]), Some(Ordering::Less), "{pair:?}");
            assert_eq!(compare_versions(pair[1], pair[0]), Some(Ordering::Greater), "{pair:?}");
        }
        assert_eq!(compare_versions("1.01", "0:1.1"), Some(Ordering::Equal));
    }

    #[test]
    fn ranges_hold_as_documented() {
        for (version, range, holds) in [
            ("12.1.0-1297", ">=11.0, <13", true),
            ("13.0", ">=11.0, <13", false),
            ("9.2", "<10", true),
            ("10.0", "<10", false),
            ("12.1.0-1297", "12.1.0", true),
            ("12.1.0-1297", ">12.1.0", false),
            ("12.1.0-1297", "=12.1.0-1297", true),
            ("12.1.0-1298", "<=12.1.0-1297", false),
            ("1:2.0", "<3", true),
            ("1:2.0", "<0:3", false),
            ("2.0", "!=2.0", false),
            ("1.0~rc1", "<1.0", true),
            ("12", ">=11.0", true),
        ] {
            assert_eq!(version_in_range(version, range), Some(holds), "{version} in {range}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_neither() {
        for version in ["", "unknown", "1.\u{fffd}", "?", "a b", "1:2:3", "x:1", "-1", &"1".repeat(300)] {
            assert_eq!(version_in_range(version, ">1"), None, "{version}");
        }
        assert_eq!(version_in_range("1.0", ">>1"), None);
        for wrong in ["", ">=", ">=1,", "latest", "=> 1", "1 2", "~1"] {
            assert!(check_range(wrong).is_err(), "{wrong}");
        }
        assert_eq!(check_range(">= 11.0 , < 13"), Ok(()));
    }

    proptest! {
        #[test]
        fn order_is_total(a in "[0-9a-c.~+-]{1,12}", b in "[0-9a-c.~+-]{1,12}", c in "[0-9a-c.~+-]{1,12}") {
            if let (Some(ab), Some(bc), Some(ac)) =
                (compare_versions(&a, &b), compare_versions(&b, &c), compare_versions(&a, &c)) {
                prop_assert_eq!(compare_versions(&b, &a), Some(ab.reverse()));
                if ab == bc {
                    prop_assert_eq!(ac, ab);
                }
            }
        }
    }
}
