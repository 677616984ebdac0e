//! How texts, times and numbers stand in the page. maud escapes what HTML reads; this bounds a host's
//! string and makes visible what a page would obey (direction overrides, invisible characters).

use crate::model::output::{escape_block, escape_line};
use jiff::Timestamp;
use maud::{Markup, html};
use std::borrow::Cow;

/// A reason, a fact or a name is shown up to so many characters.
const LONGEST: usize = 1000;

/// A host's string on one line of the page.
pub(super) fn shown(text: &str) -> String {
    escape_line(&clip(text, LONGEST))
}

/// As [`shown`], with what stands in backquotes set as code.
pub(super) fn prose(text: &str) -> Markup {
    let text = shown(text);
    // Without a partner a backquote is what it is.
    let pairs = text.matches('`').count() / 2;
    html! {
        @for (index, part) in text.splitn(2 * pairs + 1, '`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// The end of a host's output, its lines kept, up to `most` characters.
pub(super) fn shown_end(text: &str, most: usize) -> String {
    let text = text.trim_end();
    let count = text.chars().count();
    let left_out = count.saturating_sub(most);
    if left_out == 0 {
        return escape_block(text);
    }
    let end: String = text.chars().skip(left_out).collect();
    // A cut line would be read as if it began there.
    let (left_out, whole_lines) = match end.split_once('\n') {
        Some((cut, rest)) => (left_out + cut.chars().count() + 1, rest),
        None => (left_out, end.as_str()),
    };
    format!("[{} characters before this are left out]\n{}", number(left_out), escape_block(whole_lines))
}

fn clip(text: &str, most: usize) -> Cow<'_, str> {
    // A character is at least one byte, so a short text need not be counted.
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some((at, _)) => {
            let more = text.get(at..).map_or(0, |rest| rest.chars().count());
            Cow::Owned(format!("{}… ({} more characters)", text.get(..at).unwrap_or(text), number(more)))
        }
    }
}

/// A number with its thousands apart.
pub(super) fn number(value: usize) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 host`, `2 hosts`.
pub(super) fn count_of(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// A moment, to the second.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A span in the two largest units that it has.
pub(super) fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// How long a step took.
pub(super) fn milliseconds(millis: u64) -> String {
    if millis < 1000 {
        format!("{millis} ms")
    } else {
        span(i64::try_from(millis / 1000).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 12_345, 1_234_567].map(number),
            ["0", "999", "1,000", "12,345", "1,234,567"]
        );
        assert_eq!(count_of(1, "host", "hosts"), "1 host");
    }

    #[test]
    fn spans_are_told_in_two_units() {
        assert_eq!(
            [-5, 0, 59, 61, 7260, 90_000].map(span),
            ["0 s", "0 s", "59 s", "1 min 1 s", "2 h 1 min", "1 d 1 h"]
        );
        assert_eq!(milliseconds(999), "999 ms");
    }

    #[test]
    fn ten_megabytes_are_a_line() {
        let text = shown(&"é".repeat(10_000_000));
        assert!(
            text.ends_with("… (9,999,000 more characters)") && text.chars().count() < 1100,
            "{}",
            text.len()
        );
        assert_eq!(shown("a\u{202e}b\0"), "a\\u{202e}b\\x00");
        let exact = "é".repeat(LONGEST);
        assert_eq!(shown(&exact), exact);
    }

    #[test]
    fn what_stands_in_backquotes_is_code() {
        assert_eq!(prose("run `a <b>` now").into_string(), "run <code>a &lt;b&gt;</code> now");
        assert_eq!(prose("a ` b").into_string(), "a ` b");
        assert_eq!(prose("`a` and ` b").into_string(), "<code>a</code> and ` b");
    }

    #[test]
    fn the_end_of_an_output_begins_with_a_whole_line() {
        assert_eq!(shown_end("one\ntwo\x1b\n", 100), "one\ntwo\\x1b");
        let text = shown_end("first line\nsecond line\nthird line\n", 25);
        assert_eq!(text, "[11 characters before this are left out]\nsecond line\nthird line");
        assert_eq!(shown_end("one long line", 4), "[9 characters before this are left out]\nline");
    }
}
