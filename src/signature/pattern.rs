//! OpenSSH's patterns: `*` any characters, `?` one; lists of them with `!` for "not".

/// Whether some text matches both patterns. Where one of them has no wildcard: whether it matches the
/// other.
pub(super) fn overlap(left: &str, right: &str) -> bool {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    // `below[j]`: whether what is left of `left` after this row overlaps `right[j..]`.
    let mut below: Vec<bool> = Vec::new();
    for row in (0..=left.len()).rev() {
        let l = left.get(row).copied();
        let mut line = vec![false; right.len() + 1];
        for column in (0..=right.len()).rev() {
            let r = right.get(column).copied();
            let at = |cells: &[bool], column: usize| cells.get(column).copied().unwrap_or(false);
            let both_end = l.is_none() && r.is_none();
            let past_left = l == Some('*') && (at(&below, column) || r.is_some() && at(&line, column + 1));
            let past_right = r == Some('*') && (at(&line, column + 1) || l.is_some() && at(&below, column));
            let same = match (l, r) {
                (Some('*'), _) | (_, Some('*')) | (None, _) | (_, None) => false,
                (Some(l), Some(r)) => (l == '?' || r == '?' || l == r) && at(&below, column + 1),
            };
            if let Some(cell) = line.get_mut(column) {
                *cell = both_end || past_left || past_right || same;
            }
        }
        below = line;
    }
    below.first().copied().unwrap_or(false)
}

/// Whether a text without wildcards matches a list: one of its patterns, and none that is negated.
pub(super) fn list_matches(text: &str, list: &str) -> bool {
    let mut found = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(not) if overlap(text, not) => return false,
            Some(_) => {}
            None => found |= overlap(text, pattern),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether `text` matches `pattern`, the plain way.
    fn matches(text: &[u8], pattern: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) if matches(text, rest) => true,
            (Some((b'*', _)), Some((_, text))) => matches(text, pattern),
            (Some((b'?', rest)), Some((_, text))) => matches(text, rest),
            (Some((p, rest)), Some((t, text))) => p == t && matches(text, rest),
            _ => false,
        }
    }

    #[test]
    fn lists_have_wildcards_and_negations() {
        for (text, list, expected) in [
            ("uproot-plan", "uproot-plan", true),
            ("uproot-plan", "git,uproot-*", true),
            ("uproot-plan", "uproot-?", false),
            ("uproot-plan", "*,!uproot-plan", false),
            ("uproot-plan", "!git", false),
            ("uproot-plan", "!git,*", true),
            ("uproot-plan", "Uproot-plan", false),
            ("uproot-plan", "", false),
        ] {
            assert_eq!(list_matches(text, list), expected, "{text} {list}");
        }
    }

    #[test]
    fn patterns_overlap_where_a_text_could_match_both() {
        for (left, right, expected) in [
            ("alice", "alice", true),
            ("alice", "bob", false),
            ("*@example.com", "alice@example.com", true),
            ("*@example.com", "alice@example.org", false),
            ("*@example.com", "alice@*", true),
            ("a*b", "b*a", false),
            ("a*b", "*ab*", true),
            ("a?c", "ab?", true),
            ("", "*", true),
            ("", "", true),
            ("", "?", false),
            ("**", "?", true),
        ] {
            assert_eq!(overlap(left, right), expected, "{left} {right}");
            assert_eq!(overlap(right, left), expected, "{right} {left}");
        }
    }

    proptest! {
        #[test]
        fn matching_is_as_the_plain_way_says(text in "[ab]{0,8}", pattern in "[ab?*]{0,8}") {
            prop_assert_eq!(overlap(&text, &pattern), matches(text.as_bytes(), pattern.as_bytes()));
        }

        #[test]
        fn a_text_that_matches_both_makes_them_overlap(
            text in "[ab]{0,6}", left in "[ab?*]{0,6}", right in "[ab?*]{0,6}",
        ) {
            if matches(text.as_bytes(), left.as_bytes()) && matches(text.as_bytes(), right.as_bytes()) {
                prop_assert!(overlap(&left, &right));
            }
        }

        #[test]
        fn patterns_that_overlap_have_a_text_in_common(left in "[ab?*]{0,4}", right in "[ab?*]{0,4}") {
            // The shortest common text has at most one letter for each that is asked for.
            let mut texts = vec![String::new()];
            let mut all = texts.clone();
            for _ in 0..8 {
                texts = texts.iter().flat_map(|text| [format!("{text}a"), format!("{text}b")]).collect();
                all.extend(texts.iter().cloned());
            }
            let common = all.iter().any(|text| {
                matches(text.as_bytes(), left.as_bytes()) && matches(text.as_bytes(), right.as_bytes())
            });
            prop_assert_eq!(overlap(&left, &right), common);
        }
    }
}
