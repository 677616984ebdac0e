//! Text into columns, as a terminal counts them. Everything here expects escaped text.

use unicode_width::UnicodeWidthChar;

/// How many columns a text takes.
pub(super) fn width_of(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The text with spaces behind it up to `width` columns.
pub(super) fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(width_of(text));
    format!("{text}{}", " ".repeat(missing))
}

/// Breaks a text at its spaces into lines of at most `width` columns; a word that is longer is cut.
/// At least one line, which may be empty. None begins with what a build server takes for a command.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    // A wide character must fit, or nothing ever would.
    let width = width.max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let columns = width_of(word);
        if used > 0 && used + 1 + columns <= width {
            line.push(' ');
            line.push_str(word);
            used += 1 + columns;
            continue;
        }
        if used > 0 {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        for c in word.chars() {
            let columns = c.width().unwrap_or(0);
            if used + columns > width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += columns;
        }
    }
    if used > 0 || !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines.into_iter().map(without_log_command).collect()
}

/// GitHub's runner obeys a line of a log that begins with `::WORD…::`, also behind spaces.
fn without_log_command(line: String) -> String {
    match line.strip_prefix("::") {
        Some(rest) if rest.contains("::") => format!("\\x3a:{rest}"),
        _ => line,
    }
}

/// As `wrap`, but at most `most` lines; a text that is longer ends with `…`.
pub(super) fn wrap_at_most(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines = wrap(text, width);
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            while width_of(last) >= width.max(2) {
                last.pop();
            }
            last.push('…');
        }
    }
    lines
}

/// Breaks a shell command into lines of at most `width` columns so that it can still be copied as it
/// stands: only at spaces outside of quotes, with a backslash. A word that is longer stays whole: a
/// command cut in two is worth nothing.
pub(crate) fn wrap_command(command: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in shell_words(command) {
        if line.is_empty() {
            line = word.to_owned();
        } else if width_of(&line) + 1 + width_of(word) + 2 <= width {
            line = format!("{line} {word}");
        } else {
            lines.push(format!("{line} \\"));
            line = word.to_owned();
        }
    }
    lines.push(line);
    // The last line needs no room for a backslash.
    if let [.., before, last] = lines.as_mut_slice()
        && let Some(text) = before.strip_suffix(" \\")
        && width_of(text) + 1 + width_of(last) <= width
    {
        *before = format!("{text} {last}");
        lines.pop();
    }
    lines
}

/// The command's pieces between spaces that are outside of quotes.
fn shell_words(command: &str) -> impl Iterator<Item = &str> {
    let mut quote = None;
    let mut after_backslash = false;
    command.split(move |c: char| {
        let escaped = std::mem::take(&mut after_backslash);
        match (quote, c) {
            _ if escaped => {}
            (None | Some('"'), '\\') => after_backslash = true,
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, ' ') => return true,
            _ => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_line_begins_with_a_command_of_a_build_server() {
        assert_eq!(wrap("said: ::stop-commands::x", 20), ["said:", "\\x3a:stop-commands::x"]);
        assert_eq!(wrap("::1 is an address", 40), ["::1 is an address"]);
    }

    #[test]
    fn wraps_by_columns_not_by_characters() {
        assert_eq!(wrap("ab cd ef", 5), ["ab cd", "ef"]);
        assert_eq!(wrap("名前名前", 5), ["名前", "名前"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap_at_most("ab cd ef gh", 5, 1), ["ab c…"]);
    }

    #[test]
    fn a_command_is_broken_only_where_a_shell_reads_on() {
        let command = "ssh-keyscan -p 22 'a host' >> ~/.ssh/known_hosts";
        assert_eq!(wrap_command(command, 80), [command]);
        assert_eq!(wrap_command(command, 30), ["ssh-keyscan -p 22 'a host' \\", ">> ~/.ssh/known_hosts"]);
        assert_eq!(wrap_command("a 'b c d e f' g", 6), ["a \\", "'b c d e f' \\", "g"]);
        assert_eq!(wrap_command(r"a\ b c", 4), [r"a\ b \", "c"]);
    }

    proptest! {
        #[test]
        fn no_line_is_wider_and_no_word_is_lost(text in "[a-z名\u{301} ]{0,80}", width in 2usize..20) {
            let lines = wrap(&text, width);
            for line in &lines {
                prop_assert!(width_of(line) <= width, "{line:?}");
            }
            let squash = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(squash(&lines.concat()), squash(&text));
        }
    }
}
