//! Output of a host: bounded while it is read, lossily decoded, escaped before it is shown.

/// Bytes that a host sent, cut in the middle when there were more than `limit`: the beginning and
/// the end say most about what went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BoundedOutput {
    head: Vec<u8>,
    tail: std::collections::VecDeque<u8>,
    limit: usize,
    total: u64,
}

impl BoundedOutput {
    /// Keeps at most `limit` bytes: the first three quarters and the last quarter of that.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Output that was bounded elsewhere: its first and its last bytes, of `total`.
    #[must_use]
    pub fn of_ends(head: &[u8], tail: &[u8], total: u64) -> Self {
        let kept = head.len() + tail.len();
        Self {
            head: head.to_vec(),
            tail: tail.iter().copied().collect(),
            limit: kept,
            total: total.max(kept as u64),
        }
    }

    fn head_limit(&self) -> usize {
        self.limit - self.limit / 4
    }

    /// Takes bytes in; what does not fit pushes the middle out.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = self.head_limit().saturating_sub(self.head.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.head.extend_from_slice(first);
        let tail_limit = self.limit / 4;
        let rest = if rest.len() > tail_limit { rest.split_at(rest.len() - tail_limit).1 } else { rest };
        let overflow = (self.tail.len() + rest.len()).saturating_sub(tail_limit);
        self.tail.drain(..overflow.min(self.tail.len()));
        self.tail.extend(rest);
    }

    /// How many bytes the host sent, kept or not.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether bytes were left out.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.total > (self.head.len() + self.tail.len()) as u64
    }

    /// The kept bytes; where the middle was cut, a line that says how much is missing.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut all = self.head.clone();
        if self.is_truncated() {
            let missing = self.total - (self.head.len() + self.tail.len()) as u64;
            all.extend_from_slice(format!("\n[uproot: {missing} bytes left out]\n").as_bytes());
        }
        all.extend(self.tail.iter());
        all
    }

    /// The kept bytes as text, what is not UTF-8 replaced by U+FFFD. Not escaped.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }
}

/// Makes a host's string safe for a terminal or a line of a log: control characters (also C1 and
/// the Unicode ones that reorder text) become `\n`, `\t`, `\x1b`, `\u{202e}`; what a build server takes for a
/// command within a line (`##[`, `##vso[`) becomes `#\x23[`.
#[must_use]
pub fn escape_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if is_unsafe(c) => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
            c => out.push(c),
        }
    }
    if out.contains("##") { without_log_commands(&out) } else { out }
}

/// Build servers obey `##[` and `##vso[` wherever these stand in a line of a log.
fn without_log_commands(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(at) = rest.find("##") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let word = from.chars().skip(2).take(4).collect::<String>().to_ascii_lowercase();
        let is_command = word.starts_with('[') || word == "vso[";
        let (taken, shown) = if is_command { ("##", "#\\x23") } else { ("#", "#") };
        out.push_str(shown);
        rest = from.strip_prefix(taken).unwrap_or_default();
    }
    out + rest
}

/// As `escape_line`, but keeps line breaks; for showing several lines of output.
#[must_use]
pub fn escape_block(text: &str) -> String {
    text.lines().map(escape_line).collect::<Vec<_>>().join("\n")
}

/// A text in quotes, as one word of a POSIX shell, whatever it holds.
#[must_use]
pub fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A text as one word of a POSIX shell; as it is where it has no character that a shell reads.
#[must_use]
pub fn shell_quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+,-".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { single_quoted(text) }
}

/// As `shell_quote`, for a command that a person copies: a `~/` at the beginning stays what the shell
/// expands.
#[must_use]
pub fn shell_word(text: &str) -> String {
    match text.strip_prefix("~/") {
        Some(rest) if !rest.is_empty() => format!("~/{}", shell_quote(rest)),
        _ => shell_quote(text),
    }
}

fn is_unsafe(c: char) -> bool {
    matches!(c as u32,
        0x80..=0x9f            // C1 controls: some terminals obey them
        | 0x200b..=0x200f      // zero width, direction marks
        | 0x2028..=0x202e      // line separators, direction overrides
        | 0x2060..=0x2069      // invisible operators, direction isolates
        | 0xfeff | 0xfff9..=0xfffb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_build_servers_are_broken() {
        assert_eq!(escape_line("a ##vso[task.x]y ##[error]z"), "a #\\x23vso[task.x]y #\\x23[error]z");
        assert_eq!(escape_line("##VSO[ ###[ # ## ## Usage ##vso"), "#\\x23VSO[ ##\\x23[ # ## ## Usage ##vso");
    }

    #[test]
    fn a_word_is_quoted_only_where_a_shell_would_read_it() {
        assert_eq!(shell_word("web01:2222"), "web01:2222");
        assert_eq!(shell_word("web[01:03]"), "'web[01:03]'");
        assert_eq!(shell_word("it's"), "'it'\\''s'");
        assert_eq!(shell_word("~/.ssh/known hosts"), "~/'.ssh/known hosts'");
        assert_eq!(shell_word("~root"), "'~root'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn keeps_head_and_tail_and_counts_what_is_missing() {
        let mut out = BoundedOutput::with_limit(8);
        out.push(b"abcdef");
        assert!(!out.is_truncated());
        out.push(b"ghij");
        out.push(b"klmnop");
        assert_eq!(out.total(), 16);
        assert!(out.is_truncated());
        assert_eq!(out.text(), "abcdef\n[uproot: 8 bytes left out]\nop");
    }

    #[test]
    fn output_bounded_elsewhere_says_what_is_missing() {
        assert_eq!(BoundedOutput::of_ends(b"abc", b"xyz", 10).text(), "abc\n[uproot: 4 bytes left out]\nxyz");
        assert_eq!(BoundedOutput::of_ends(b"abc", b"", 3).text(), "abc");
        assert_eq!(BoundedOutput::of_ends(b"abc", b"d", 0).total(), 4);
    }

    #[test]
    fn exact_fit_is_not_truncated() {
        let mut out = BoundedOutput::with_limit(8);
        out.push(b"abcdefgh");
        assert_eq!(out.text(), "abcdefgh");
        assert!(!out.is_truncated());
    }

    #[test]
    fn escapes_what_a_terminal_would_obey() {
        assert_eq!(escape_line("a\x1b[31m\u{202e}b\u{9b}\n"), "a\\x1b[31m\\u{202e}b\\u{9b}\\n");
        assert_eq!(escape_block("a\nb\x07"), "a\nb\\x07");
    }
}
