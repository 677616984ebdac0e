//! Pieces of text that `show`, `diff` and step summaries share.

use crate::playbook::Rule;
use unicode_width::UnicodeWidthStr;

/// A rule in words.
pub(super) fn rule(rule: &Rule) -> String {
    match rule {
        Rule::Check(check) => check.to_string(),
        Rule::Not(inner) => format!("not {}", part(inner)),
        Rule::All(rules) => joined(rules, " and "),
        Rule::Any(rules) => joined(rules, " or "),
    }
}

fn joined(rules: &[Rule], word: &str) -> String {
    rules.iter().map(part).collect::<Vec<_>>().join(word)
}

fn part(inner: &Rule) -> String {
    match inner {
        Rule::All(rules) | Rule::Any(rules) if rules.len() > 1 => format!("({})", rule(inner)),
        _ => rule(inner),
    }
}

/// Breaks a text at spaces so that it fits `width` columns: the first line after `indent` columns, the
/// next ones after `hanging`. A word that is longer than a line stays whole.
pub(super) fn wrap(text: &str, indent: usize, hanging: usize, width: usize) -> String {
    let mut out = " ".repeat(indent);
    let mut column = indent;
    let mut fresh = true;
    for word in text.split(' ') {
        let length = word.width();
        if !fresh && column + 1 + length > width {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            out.push_str(&" ".repeat(hanging));
            column = hanging;
        } else if !fresh {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
        fresh = false;
    }
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
    out
}

/// `1 host`, `2 hosts`.
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Seconds as a person reads them.
pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        0 => "0 s".to_owned(),
        s if s % 3600 == 0 => format!("{} h", s / 3600),
        s if s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_at_spaces_with_a_hanging_indent() {
        assert_eq!(wrap("aa bb cc", 2, 4, 8), "  aa bb\n    cc\n");
        assert_eq!(wrap("averylongword b", 0, 2, 5), "averylongword\n  b\n");
        assert_eq!(wrap("", 2, 2, 8), "\n");
    }
}
