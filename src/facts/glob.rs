//! A playbook's path pattern as words for the shell that find at least what it matches. What the
//! shell's own patterns cannot say exactly is widened; the controller compares every match with the
//! pattern itself.

use crate::playbook::Pattern;

/// How many plain patterns one with `{a,b}` may stand for.
const MAX_ALTERNATIVES: usize = 64;

/// How to look for one alternative of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Search {
    /// Look at this path.
    Literal(String),
    /// Begin in this directory.
    Walk {
        /// Without a `/` at its end; empty is `/`.
        base: String,
        /// What follows, level by level.
        levels: Vec<Level>,
    },
}

/// Names in a directory, and what follows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Level {
    /// A pattern of the shell; `**` for everything below, which is the last level.
    pub pattern: String,
    /// The same for names that begin with a dot, which the shell's `*` leaves out; empty: none.
    pub dotted: String,
    /// Literal components behind the name, each with its `/` before it.
    pub rest: String,
}

/// One character or wildcard of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Literal(char),
    Star,
    One,
    /// `[…]` that a shell in the C locale understands alike.
    Class(String),
}

/// A path as it is asked: one `/` between components, none at the end.
pub(super) fn normalise(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        out.push('/');
        out.push_str(part);
    }
    if out.is_empty() { "/".to_owned() } else { out }
}

/// The searches that find what `pattern` matches.
///
/// # Errors
/// Why it cannot be asked of a host.
pub(super) fn searches(pattern: &str) -> Result<Vec<Search>, String> {
    if !pattern.starts_with('/') {
        return Err(format!("`{pattern}` is not an absolute path"));
    }
    if pattern.chars().any(char::is_control) {
        return Err(format!("`{}` has a control character", crate::model::output::escape_line(pattern)));
    }
    if !Pattern::new(pattern).is_glob() {
        return Ok(vec![Search::Literal(normalise(pattern))]);
    }
    Pattern::new(pattern).check().map_err(|e| format!("`{pattern}` is not a valid glob: {e}"))?;
    let alternatives = alternatives(pattern)
        .ok_or_else(|| format!("`{pattern}` stands for more than {MAX_ALTERNATIVES} patterns"))?;
    Ok(alternatives.iter().map(|alternative| search(&normalise(alternative))).collect())
}

/// Expands `{a,b}`, also nested; none: too many.
pub(super) fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(next) = open.pop() {
        match first_group(&next) {
            None => done.push(next),
            Some((before, choices, after)) => {
                open.extend(choices.iter().rev().map(|choice| format!("{before}{choice}{after}")));
            }
        }
        if done.len() + open.len() > MAX_ALTERNATIVES {
            return None;
        }
    }
    Some(done)
}

/// The first `{…}` outside `[…]`: what is before, its choices, what is after.
fn first_group(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    let (mut depth, mut open, mut from) = (0_usize, 0, 0);
    let mut choices = Vec::new();
    let mut chars = pattern.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '[' => {
                let end = class_end(pattern, at)?;
                while chars.peek().is_some_and(|(next, _)| *next <= end) {
                    chars.next();
                }
            }
            '{' => {
                depth += 1;
                if depth == 1 {
                    (open, from) = (at, at + 1);
                }
            }
            ',' if depth == 1 => {
                choices.push(pattern.get(from..at)?);
                from = at + 1;
            }
            '}' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    choices.push(pattern.get(from..at)?);
                    return Some((pattern.get(..open)?, choices, pattern.get(at + 1..)?));
                }
            }
            _ => {}
        }
    }
    None
}

/// Where the `]` of the class that begins at `open` is.
pub(super) fn class_end(pattern: &str, open: usize) -> Option<usize> {
    let mut chars = pattern.get(open + 1..)?.char_indices().peekable();
    if chars.peek().is_some_and(|(_, c)| matches!(c, '!' | '^')) {
        chars.next();
    }
    // A `]` that comes first is an ordinary character.
    chars.next();
    chars.find(|(_, c)| *c == ']').map(|(at, _)| open + 1 + at)
}

fn search(pattern: &str) -> Search {
    let mut base = String::new();
    let mut levels: Vec<Level> = Vec::new();
    for component in pattern.split('/').skip(1) {
        if component.contains("**") {
            levels.push(Level { pattern: "**".to_owned(), dotted: String::new(), rest: String::new() });
            return Search::Walk { base, levels };
        }
        let tokens = tokens(component);
        let text = tokens.as_deref().and_then(literal);
        match (text, levels.last_mut()) {
            (Some(text), None) => base.extend(["/", &text]),
            (Some(text), Some(level)) => level.rest.extend(["/", &text]),
            (None, _) => levels.push(tokens.map_or_else(any_name, |tokens| level(&tokens))),
        }
    }
    if levels.is_empty() { Search::Literal(normalise(&base)) } else { Search::Walk { base, levels } }
}

/// Every name, for a component that could not be told apart.
fn any_name() -> Level {
    Level { pattern: "*".to_owned(), dotted: ".*".to_owned(), rest: String::new() }
}

fn tokens(component: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = component.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        tokens.push(match c {
            '\\' => Token::Literal(chars.next()?.1),
            '*' => Token::Star,
            '?' => Token::One,
            '[' => {
                let end = class_end(component, at)?;
                while chars.peek().is_some_and(|(next, _)| *next <= end) {
                    chars.next();
                }
                let class = component.get(at + 1..end)?;
                let plain = class.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
                if plain { Token::Class(class.to_owned()) } else { Token::One }
            }
            c => Token::Literal(c),
        });
    }
    Some(tokens)
}

fn literal(tokens: &[Token]) -> Option<String> {
    tokens.iter().map(|token| if let Token::Literal(c) = token { Some(*c) } else { None }).collect()
}

fn level(tokens: &[Token]) -> Level {
    let pattern: String = tokens.iter().map(shell).collect();
    let dotted = match tokens.split_first() {
        None | Some((Token::Literal(_), _)) => String::new(),
        // The dot itself may be what the wildcard stands for.
        Some((Token::Star | Token::One, rest)) => format!(".*{}", rest.iter().map(shell).collect::<String>()),
        Some((Token::Class(_), rest)) => format!(".{}", rest.iter().map(shell).collect::<String>()),
    };
    Level { pattern, dotted, rest: String::new() }
}

/// A shell pattern that matches at least what the token does. In the C locale `?` is one byte, so
/// one character is at least one byte.
fn shell(token: &Token) -> String {
    match token {
        Token::Literal('\\') | Token::One => "?*".to_owned(),
        Token::Literal(c @ ('*' | '?' | '[')) => format!("[{c}]"),
        Token::Literal(c) => c.to_string(),
        Token::Star => "*".to_owned(),
        Token::Class(class) => format!("[{class}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(base: &str, levels: &[(&str, &str, &str)]) -> Search {
        let levels = levels
            .iter()
            .map(|(pattern, dotted, rest)| Level {
                pattern: (*pattern).to_owned(),
                dotted: (*dotted).to_owned(),
                rest: (*rest).to_owned(),
            })
            .collect();
        Search::Walk { base: base.to_owned(), levels }
    }

    #[test]
    fn literal_paths_are_normalised() {
        let literal = |text: &str| Ok(vec![Search::Literal(text.to_owned())]);
        assert_eq!(searches("/opt//kaspersky/./kesl/"), literal("/opt/kaspersky/kesl"));
        assert_eq!(searches("/"), literal("/"));
        assert_eq!(searches("/it's $(x) \"y\""), literal("/it's $(x) \"y\""));
    }

    #[test]
    fn wildcards_become_levels() {
        let one = |pattern| searches(pattern).unwrap().remove(0);
        assert_eq!(one("/home/*/.config/kl"), walk("/home", &[("*", ".*", "/.config/kl")]));
        assert_eq!(one("/a/k?s/*.d"), walk("/a", &[("k?*s", "", ""), ("*.d", ".*.d", "")]));
        assert_eq!(one("/a/[ab]x"), walk("/a", &[("[ab]x", ".x", "")]));
        assert_eq!(one("/a/[!a]x"), walk("/a", &[("?*x", ".*x", "")]));
        assert_eq!(one("/opt/kaspersky/**"), walk("/opt/kaspersky", &[("**", "", "")]));
        assert_eq!(one("/*"), walk("", &[("*", ".*", "")]));
        assert_eq!(one("/a/b\\*c*"), walk("/a", &[("b[*]c*", "", "")]));
        assert_eq!(one("/a/b\\*c"), Search::Literal("/a/b\\*c".replace('\\', "")));
    }

    #[test]
    fn braces_become_alternatives() {
        let all = searches("/opt/{a,b{1,2}}/x").unwrap();
        let literal = |text: &str| Search::Literal(text.to_owned());
        assert_eq!(all, [literal("/opt/a/x"), literal("/opt/b1/x"), literal("/opt/b2/x")]);
        let many = "/{a,b}".repeat(7);
        assert!(searches(&many).is_err());
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        assert!(searches("opt/x").is_err());
        assert!(searches("/opt/a\nb").is_err());
        assert!(searches("/opt/[a").is_err());
    }
}
