//! Quoting for a POSIX shell, and which names a host may bring into a script.

pub(super) use crate::model::output::shell_quote as quote;

/// The words as a line of a shell.
pub(super) fn words<'a>(list: impl IntoIterator<Item = &'a str>) -> String {
    list.into_iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// Longer names are not believed: no package manager, account file or file system has them.
const LONGEST_NAME: usize = 255;

/// Whether a host's name of a package, service, account or architecture may stand in a command: it
/// cannot be taken for an option, a path or more than one word.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= LONGEST_NAME
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_+.:@-".contains(c))
}

/// Whether a path is absolute, has no empty, `.` or `..` component, and reads on one line.
pub(super) fn is_exact_path(path: &str) -> bool {
    path.len() <= 4096
        && path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|part| !matches!(part, "" | "." | "..") && part.len() <= LONGEST_NAME)
        })
        && !path.chars().any(|c| c.is_control() || matches!(c, '\u{fffd}' | '\u{2028}' | '\u{2029}'))
}

/// Whether `path` is `ancestor` or below it, component by component.
pub(in crate::plan) fn is_at_or_below(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_only_what_a_shell_reads() {
        assert_eq!(quote("/opt/kaspersky/kesl"), "/opt/kaspersky/kesl");
        assert_eq!(quote("it's $HOME"), "'it'\\''s $HOME'");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("~root"), "'~root'");
    }

    #[test]
    fn names_that_would_be_options_paths_or_two_words_are_refused() {
        for good in ["kesl", "libc++1", "kesl-gui", "a.b:amd64", "_apt", "user@1"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-rf", ".", "../x", "a b", "a\nb", "a;b", "a/b", "$x", "a'b", "\u{fffd}x"] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn exact_paths() {
        for good in ["/opt/a", "/opt/it's a b", "/opt/名"] {
            assert!(is_exact_path(good), "{good}");
        }
        for bad in
            ["", "opt/a", "/", "/opt/", "/opt//a", "/opt/../a", "/opt/./a", "/opt/a\nb", "/opt/\u{fffd}"]
        {
            assert!(!is_exact_path(bad), "{bad:?}");
        }
    }

    #[test]
    fn below_is_by_component() {
        assert!(is_at_or_below("/opt/a/b", "/opt/a"));
        assert!(is_at_or_below("/opt/a", "/opt/a"));
        assert!(!is_at_or_below("/opt/ab", "/opt/a"));
    }
}
