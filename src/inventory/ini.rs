//! Ansible's INI format: sections of hosts, `[g:children]`, `[g:vars]`.

use super::ansible::{Raw, take_var};
use super::draft::{Draft, Owner};
use super::values::{Wrong, quoted};
use crate::model::diagnostic::nearest;
use crate::model::{Diagnostic, Place};
use std::sync::Arc;

/// A part of a line as it is named in a message. In a line that speaks of a password it may be one.
fn named(draft: &mut Draft, line: &Line<'_>, part: &str, place: &Place) -> String {
    if !line.text.to_lowercase().contains("pass") {
        return quoted(part);
    }
    draft.secrets.push((place.clone(), part.to_owned()));
    "this".to_owned()
}

/// What the lines of a section are.
enum Section {
    Hosts(Arc<str>),
    Children(Arc<str>),
    Vars(Arc<str>),
    /// Its head was wrong, which was said; its lines are not read.
    Unreadable,
}

/// Reads a file into the draft.
pub(super) fn read(draft: &mut Draft, file: &Arc<str>, text: &str) {
    let mut section = Section::Hosts("ungrouped".into());
    for (index, line) in text.lines().enumerate() {
        let line = Line { file, number: u32::try_from(index + 1).unwrap_or(u32::MAX), text: line };
        let trimmed = line.text.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        // `[2001:db8::1]:22` is a host, not a section.
        if trimmed.starts_with('[') && !is_bracketed_host(trimmed) {
            section = head(draft, &line, trimmed);
            continue;
        }
        match &section {
            Section::Hosts(group) => hosts_line(draft, &line, group),
            Section::Children(group) => children_line(draft, &line, group),
            Section::Vars(group) => vars_line(draft, &line, group),
            Section::Unreadable => {}
        }
    }
}

fn is_bracketed_host(text: &str) -> bool {
    // `[1:5].example` and `[a:f]-db` are ranges at the start of a name; `[web:vars]` is not.
    text.strip_prefix('[').and_then(|t| t.split_once(']')).is_some_and(|(inner, rest)| {
        super::values::is_ipv6(inner)
            || rest.starts_with(|c: char| !c.is_whitespace() && c != '#' && c != ';')
    })
}

/// A line with its place.
struct Line<'a> {
    file: &'a Arc<str>,
    number: u32,
    text: &'a str,
}

impl Line<'_> {
    /// A place by offset and length in characters.
    fn place(&self, offset: usize, length: usize) -> Place {
        Place {
            file: self.file.clone(),
            line: self.number,
            column: u32::try_from(offset + 1).unwrap_or(u32::MAX),
            length: u32::try_from(length).unwrap_or(u32::MAX).max(1),
        }
    }

    /// The place of a part of the line's text.
    fn place_of(&self, part: &str) -> Place {
        let start = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let offset = self.text.get(..start).map_or(0, |before| before.chars().count());
        self.place(offset, part.chars().count())
    }
}

const KINDS: [&str; 2] = ["children", "vars"];

fn head(draft: &mut Draft, line: &Line<'_>, trimmed: &str) -> Section {
    let Some((inner, rest)) = trimmed.strip_prefix('[').and_then(|t| t.split_once(']')) else {
        let error = Diagnostic::error(&line.place_of(trimmed), "section head without its `]`")
            .with_help("write `[group]`, `[group:children]` or `[group:vars]`");
        draft.say(error);
        return Section::Unreadable;
    };
    let rest = rest.trim();
    if !rest.is_empty() && !rest.starts_with(['#', ';']) {
        let error = Diagnostic::error(&line.place_of(rest), format!("{} after a section head", quoted(rest)))
            .with_help("a section head stands alone on its line");
        draft.say(error);
    }
    let (name, kind) = inner.split_once(':').map_or((inner, None), |(name, kind)| (name, Some(kind)));
    let (name, place) = (name.trim(), line.place_of(name.trim()));
    match kind.map(str::trim) {
        None => draft.define_group(name, &place).map_or(Section::Unreadable, Section::Hosts),
        Some("children") => draft.define_group(name, &place).map_or(Section::Unreadable, Section::Children),
        Some("vars") => {
            let group = draft.group(name, &place);
            if let Some(group) = group.as_ref().and_then(|g| draft.groups.get_mut(g)) {
                group.vars.get_or_insert(place);
            }
            group.map_or(Section::Unreadable, Section::Vars)
        }
        Some(kind) => {
            let help = match nearest(kind, KINDS) {
                Some(near) => format!("did you mean `[{name}:{near}]`?"),
                None => format!("write `[{name}]`, `[{name}:children]` or `[{name}:vars]`"),
            };
            let error =
                Diagnostic::error(&line.place_of(kind), format!("{} is not a kind of section", quoted(kind)))
                    .with_help(help);
            draft.say(error);
            Section::Unreadable
        }
    }
}

fn hosts_line(draft: &mut Draft, line: &Line<'_>, group: &Arc<str>) {
    let tokens = match split(line.text) {
        Ok(tokens) => tokens,
        Err(at) => {
            let error = Diagnostic::error(&line.place(at, 1), "quote that is not closed")
                .with_help("close it on the same line, or put `\\` before it to mean the character");
            return draft.say(error);
        }
    };
    let Some((first, rest)) = tokens.split_first() else { return };
    if let Some(glued) = tokens.iter().find_map(|t| t.glued_comment) {
        let warning = Diagnostic::warning(&line.place(glued, 1), "`#` inside a value begins a comment here")
            .with_label("this and what follows is not read")
            .with_help("put the value in quotes if `#` belongs to it");
        draft.say(warning);
    }
    let ids = draft.hosts_of(&first.text, &line.place(first.start, first.length), first.verbatim());
    for &id in &ids {
        draft.join(group, id);
    }
    for token in rest {
        let Some((name, value)) = token.text.split_once('=') else {
            let whole = line.place(token.start, token.length);
            let what = named(draft, line, &token.text, &whole);
            let error = Diagnostic::error(&whole, format!("{what} is not `name=value`")).with_help(
                "one host a line; its variables follow as `name=value`, without spaces around `=`",
            );
            draft.say(error);
            continue;
        };
        let offset = token.raw_value_offset(line.text).unwrap_or(name.chars().count() + 1);
        let name_place = line.place(token.start, name.chars().count());
        let place = line.place(token.start + offset, token.length.saturating_sub(offset));
        let value = literal(value);
        draft.for_hosts(&ids, |draft, id| {
            take_var(draft, &Owner::Host(id), name, &name_place, Raw::Text(&value), &place);
        });
    }
}

fn children_line(draft: &mut Draft, line: &Line<'_>, group: &Arc<str>) {
    let body = line.text.split('#').next().unwrap_or_default().trim();
    let name = body.split_whitespace().next().unwrap_or_default();
    let place = line.place_of(name);
    if name.len() != body.len() {
        let place = line.place_of(body);
        let what = named(draft, line, body, &place);
        let wrong = Wrong::new(
            format!("{what} is not the name of a group"),
            "one group a line, without variables; those go into `[group:vars]`",
        );
        return draft.wrong(&place, &wrong);
    }
    if let Some(child) = draft.group(name, &place) {
        draft.nest(group, &child, &place);
    }
}

fn vars_line(draft: &mut Draft, line: &Line<'_>, group: &Arc<str>) {
    let Some((name, value)) = line.text.split_once('=') else {
        let body = line.text.trim();
        let place = line.place_of(body);
        let what = named(draft, line, body, &place);
        let error = Diagnostic::error(&place, format!("{what} is not `name = value`"))
            .with_help(format!("this section holds variables; hosts go into `[{group}]`"));
        return draft.say(error);
    };
    let (name, value) = (name.trim(), value.trim());
    let text = literal(value);
    let owner = Owner::Group(group.clone());
    take_var(draft, &owner, name, &line.place_of(name), Raw::Text(&text), &line.place_of(value));
}

/// What Ansible makes of a value by reading it as a Python literal: quotes around the whole are
/// dropped, and a comment after a quoted text or a number too. Everything else is text as it stands.
fn literal(value: &str) -> String {
    for quote in ['\'', '"'] {
        if let Some(inner) = value.strip_prefix(quote)
            && let Some((inner, rest)) = inner.split_once(quote)
            && (rest.trim().is_empty() || rest.trim_start().starts_with('#'))
        {
            return inner.to_owned();
        }
    }
    if let Some((number, _)) = value.split_once('#')
        && !number.trim().is_empty()
        && number.trim().bytes().all(|b| b.is_ascii_digit())
    {
        return number.trim().to_owned();
    }
    value.to_owned()
}

/// A word of a line, as a shell would split it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    /// Without quotes and escapes.
    text: String,
    /// Where it begins and how long it is in the line, in characters.
    start: usize,
    length: usize,
    /// Where a `#` ended it, in characters.
    glued_comment: Option<usize>,
}

impl Token {
    /// Whether it stands in the line just as it is.
    fn verbatim(&self) -> bool {
        self.text.chars().count() == self.length
    }

    /// Where its value begins, in characters from its start.
    fn raw_value_offset(&self, line: &str) -> Option<usize> {
        line.chars().skip(self.start).take(self.length).position(|c| c == '=').map(|at| at + 1)
    }
}

/// Splits a line as Python's `shlex` does with comments on; the error is where an open quote stands.
fn split(line: &str) -> Result<Vec<Token>, usize> {
    let mut tokens = Vec::new();
    let mut current: Option<Token> = None;
    let mut chars = line.chars().enumerate().peekable();
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() {
            tokens.extend(current.take());
            continue;
        }
        if c == '#' {
            if let Some(token) = &mut current {
                token.glued_comment = Some(at);
            }
            break;
        }
        let token =
            current.get_or_insert(Token { text: String::new(), start: at, length: 0, glued_comment: None });
        let mut end = at;
        match c {
            '\'' | '"' => {
                let mut closed = false;
                while let Some((inner_at, inner)) = chars.next() {
                    end = inner_at;
                    if inner == c {
                        closed = true;
                        break;
                    }
                    let escaped = c == '"' && inner == '\\';
                    match chars.peek() {
                        Some(&(next_at, next)) if escaped && (next == '"' || next == '\\') => {
                            chars.next();
                            end = next_at;
                            token.text.push(next);
                        }
                        _ => token.text.push(inner),
                    }
                }
                if !closed {
                    return Err(at);
                }
            }
            '\\' => match chars.next() {
                Some((next_at, next)) => {
                    end = next_at;
                    token.text.push(next);
                }
                None => return Err(at),
            },
            _ => token.text.push(c),
        }
        token.length = end + 1 - token.start;
    }
    tokens.extend(current);
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(line: &str) -> Vec<String> {
        split(line).unwrap().into_iter().map(|t| t.text).collect()
    }

    #[test]
    fn splits_as_a_shell_does() {
        assert_eq!(
            texts(r#"web01 a=b c="d e" f='g "h"' i=j\ k # rest"#),
            ["web01", "a=b", "c=d e", "f=g \"h\"", "i=j k"]
        );
        assert_eq!(texts(r#"a="x\"y\\z\n""#), [r#"a=x"y\z\n"#]);
        assert_eq!(split("a='b"), Err(2));
        assert_eq!(split("pw=a#b").unwrap()[0].glued_comment, Some(4));
    }

    #[test]
    fn literals_lose_quotes_and_comments() {
        assert_eq!(literal("'ops'"), "ops");
        assert_eq!(literal("\"ops\" # who"), "ops");
        assert_eq!(literal("22 # port"), "22");
        assert_eq!(literal("a # b"), "a # b");
        assert_eq!(literal("'a' + 'b'"), "'a' + 'b'");
    }

    proptest! {
        #[test]
        fn never_panics(text in "(?s).{0,200}", dense in "[\\[\\]:= \\n#'\"a-c0-9\\\\]{0,120}") {
            for text in [text, dense] {
                let mut draft = Draft::default();
                read(&mut draft, &"f".into(), &text);
                prop_assert!(draft.out.list.iter().all(|d| d.place.is_some() && d.help.is_some()));
            }
        }
    }
}
