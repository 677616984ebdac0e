//! Blanks passwords in the text of a file, so that a message which shows a line shows none.

use crate::model::Place;
use regex::Regex;
use std::collections::HashMap;

/// How many passwords of several lines are looked for; each costs a pass over the file.
const MOST_BLOCKS: usize = 100;

/// The text with every password as asterisks, all columns kept: the values of what is called a
/// password, whether or not the file could be read, and those that were read (`secrets`). None if
/// that cannot be made sure of: then no line of the file may be shown.
pub(super) fn masked(text: &str, secrets: &[(Place, String)]) -> Option<String> {
    let mut out = by_name(text)?;
    let mut spans: HashMap<u32, Vec<(usize, usize)>> = HashMap::new();
    for (place, _) in secrets {
        let start = place.column.saturating_sub(1) as usize;
        spans.entry(place.line).or_default().push((start, start + place.length as usize));
    }
    let blocks = blocks(&out, secrets);
    if blocks.len() > MOST_BLOCKS {
        return None;
    }
    for block in blocks.iter().filter(|block| block.len() > 2) {
        out = out.replace(block, &stars(block));
    }
    if spans.is_empty() {
        return Some(out);
    }
    let mut blanked = String::with_capacity(out.len());
    for (index, line) in out.split_inclusive('\n').enumerate() {
        match u32::try_from(index + 1).ok().and_then(|number| spans.get(&number)) {
            None => blanked.push_str(line),
            Some(spans) => blanked.extend(line.chars().enumerate().map(|(at, c)| {
                let hidden = spans.iter().any(|(start, end)| (*start..*end).contains(&at));
                if hidden && c != '\n' && c != '\r' { '*' } else { c }
            })),
        }
    }
    Some(blanked)
}

/// The lines of passwords that do not stand at their place: text of several lines, or below a `|` or
/// `>`.
fn blocks<'a>(text: &str, secrets: &'a [(Place, String)]) -> Vec<&'a str> {
    let lines: Vec<&str> = text.lines().collect();
    let below = |place: &Place| {
        let line = lines.get(place.line.saturating_sub(1) as usize);
        matches!(line.and_then(|l| l.chars().nth(place.column.saturating_sub(1) as usize)), Some('|' | '>'))
    };
    let elsewhere = secrets.iter().filter(|(place, secret)| secret.trim_end().contains('\n') || below(place));
    elsewhere.flat_map(|(_, secret)| secret.lines()).map(str::trim).collect()
}

fn stars(text: &str) -> String {
    "*".repeat(text.chars().count())
}

/// Blanks `…password=VALUE` up to the next blank, and `…password: VALUE` up to the end of the line
/// or of the quotes; a map (`{ env: NAME }`) stays.
fn by_name(text: &str) -> Option<String> {
    const QUOTED: &str = r#""(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?"#;
    let assigned = Regex::new(&format!(r#"(?i)(pass(?:word|wd)?\s*=[ \t]*)((?:{QUOTED}|[^\s"'])+)"#)).ok()?;
    let mapped =
        Regex::new(&format!(r#"(?i)(pass(?:word|wd)?["']?\s*:[ \t]*)({QUOTED}|[^\s"'&*!|>][^\n]*)"#)).ok()?;
    let blank = |captures: &regex::Captures<'_>| {
        let part = |n: usize| captures.get(n).map_or("", |m| m.as_str());
        if !may_be_password(part(2)) {
            return format!("{}{}", part(1), part(2));
        }
        format!("{}{}", part(1), stars(part(2)))
    };
    let once = assigned.replace_all(text, blank);
    Some(mapped.replace_all(&once, blank).into_owned())
}

/// Not so a template, a source such as `{ env: NAME }`, and nothing in quotes.
fn may_be_password(value: &str) -> bool {
    let bare = value.trim_start_matches(['"', '\'', '{', ' ']);
    let source = value.starts_with('{')
        && ["env:", "file:", "command:", "prompt:", "env :"].iter().any(|word| bare.starts_with(word));
    let template = value.trim_start_matches(['"', '\'']).starts_with("{{");
    !(source || template || bare.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_by_name_even_where_nothing_could_be_read() {
        let shown = |text: &str| masked(text, &[]).unwrap();
        assert_eq!(shown("w ansible_password=abc ansible_user=x"), "w ansible_password=*** ansible_user=x");
        assert_eq!(shown("w ansible_ssh_pass='a b'c x=1"), "w ansible_ssh_pass=****** x=1");
        assert_eq!(shown("  ansible_become_password: ab cd\nx: y"), "  ansible_become_password: *****\nx: y");
        assert_eq!(
            shown("{\"ansible_password\": \"a\\\"b\", \"c\": 1}"),
            "{\"ansible_password\": ******, \"c\": 1}"
        );
        assert_eq!(shown("password: { env: X }"), "password: { env: X }");
        assert_eq!(shown("password: { value: X }"), "password: ************");
        assert_eq!(shown("pass=\"{{ x }}\" password: '' pass="), "pass=\"{{ x }}\" password: '' pass=");
    }

    #[test]
    fn blanks_what_was_read_in_lines_and_in_blocks() {
        let place = |line, column, length| Place { file: "f".into(), line, column, length };
        let one = masked("a geheim b", &[(place(1, 3, 6), "geheim".into())]);
        assert_eq!(one.as_deref(), Some("a ****** b"));
        let block = masked("k: |\n  geheim\n  wort\n", &[(place(1, 4, 1), "geheim\nwort\n".into())]);
        assert_eq!(block.as_deref(), Some("k: *\n  ******\n  ****\n"));
        let short = masked("k: |\n  geheim\n", &[(place(1, 4, 1), "geheim\n".into())]);
        assert_eq!(short.as_deref(), Some("k: *\n  ******\n"));
    }
}
