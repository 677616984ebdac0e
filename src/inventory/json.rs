//! JSON as a tree of nodes with positions: what inventory scripts print, read exactly as JSON
//! (surrogate pairs, tabs and long lines included, on which YAML differs).

use crate::model::yaml::{Node, Value};
use crate::model::{Diagnostic, Place};
use std::iter::Peekable;
use std::str::Chars;
use std::sync::Arc;

/// Lists and maps inside each other.
const DEEPEST: usize = 64;
/// Values in a document.
const MOST_NODES: usize = 4_000_000;

/// Reads a document.
///
/// # Errors
/// The first thing that is not JSON.
pub(super) fn parse(file: &Arc<str>, text: &str) -> Result<Node, Diagnostic> {
    let mut reader =
        Reader { file, chars: text.chars().peekable(), line: 1, column: 1, last: (1, 1), nodes: 0 };
    let node = reader.value(0)?;
    reader.space();
    match reader.chars.peek() {
        None => Ok(node),
        Some(_) => Err(reader.error("text after the end of the JSON document")),
    }
}

struct Reader<'a> {
    file: &'a Arc<str>,
    chars: Peekable<Chars<'a>>,
    line: u32,
    column: u32,
    /// Where the last character other than a blank was.
    last: (u32, u32),
    nodes: usize,
}

impl Reader<'_> {
    fn place(&self) -> Place {
        Place { file: self.file.clone(), line: self.line, column: self.column, length: 1 }
    }

    /// Where an error is shown: at the end of the text its last word is.
    fn shown_place(&mut self) -> Place {
        match self.chars.peek() {
            Some(_) => self.place(),
            None => Place { line: self.last.0, column: self.last.1, ..self.place() },
        }
    }

    fn error(&mut self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(&self.shown_place(), message).with_help(
            "an inventory script prints one JSON object, as described by `ansible-doc -t inventory script`",
        )
    }

    fn next(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        if !c.is_whitespace() {
            self.last = (self.line, self.column);
        }
        if c == '\n' {
            self.line = self.line.saturating_add(1);
            self.column = 1;
        } else {
            self.column = self.column.saturating_add(1);
        }
        Some(c)
    }

    fn space(&mut self) {
        while self.chars.peek().is_some_and(|c| matches!(c, ' ' | '\t' | '\n' | '\r')) {
            self.next();
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), Diagnostic> {
        self.space();
        if self.chars.peek() == Some(&wanted) {
            self.next();
            return Ok(());
        }
        Err(self.error(format!("expected `{wanted}` in JSON")))
    }

    fn value(&mut self, depth: usize) -> Result<Node, Diagnostic> {
        self.space();
        self.nodes += 1;
        if depth > DEEPEST || self.nodes > MOST_NODES {
            return Err(self.error(format!("more than {DEEPEST} levels or {MOST_NODES} values in JSON")));
        }
        let mut place = self.place();
        let value = match self.chars.peek() {
            Some('{') => self.map(depth)?,
            Some('[') => self.list(depth)?,
            Some('"') => Value::Scalar { text: self.string()?, quoted: true },
            _ => self.word()?,
        };
        if place.line == self.line && matches!(value, Value::Scalar { .. }) {
            place.length = self.column.saturating_sub(place.column).max(1);
        }
        Ok(Node { place, value })
    }

    fn map(&mut self, depth: usize) -> Result<Value, Diagnostic> {
        self.next();
        let mut pairs = Vec::new();
        self.space();
        if self.chars.peek() == Some(&'}') {
            self.next();
            return Ok(Value::Map(pairs));
        }
        loop {
            self.space();
            let mut place = self.place();
            if self.chars.peek() != Some(&'"') {
                return Err(self.error("expected a key in double quotes in JSON"));
            }
            let text = self.string()?;
            place.length = self.column.saturating_sub(place.column).max(1);
            self.expect(':')?;
            let value = self.value(depth + 1)?;
            pairs.push((Node { place, value: Value::Scalar { text, quoted: true } }, value));
            if self.more('}')? {
                return Ok(Value::Map(pairs));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Diagnostic> {
        self.next();
        let mut entries = Vec::new();
        self.space();
        if self.chars.peek() == Some(&']') {
            self.next();
            return Ok(Value::List(entries));
        }
        loop {
            entries.push(self.value(depth + 1)?);
            if self.more(']')? {
                return Ok(Value::List(entries));
            }
        }
    }

    /// After an entry: whether `end` stands here; else a comma must.
    fn more(&mut self, end: char) -> Result<bool, Diagnostic> {
        self.space();
        match self.chars.peek() {
            Some(c) if *c == end => {
                self.next();
                Ok(true)
            }
            Some(',') => {
                self.next();
                Ok(false)
            }
            _ => Err(self.error(format!("expected `,` or `{end}` in JSON"))),
        }
    }

    fn word(&mut self) -> Result<Value, Diagnostic> {
        let start = self.place();
        let mut text = String::new();
        while let Some(c) = self.chars.peek().copied()
            && (c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        {
            text.push(c);
            self.next();
        }
        match text.as_str() {
            "null" => Ok(Value::Null),
            "true" | "false" => Ok(Value::Scalar { text, quoted: false }),
            _ if text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
                && text.parse::<f64>().is_ok() =>
            {
                Ok(Value::Scalar { text, quoted: false })
            }
            _ if text.is_empty() => Err(self.error("expected a JSON value")),
            _ => Err(Diagnostic { place: Some(start), ..self.error("expected a JSON value") }),
        }
    }

    fn string(&mut self) -> Result<String, Diagnostic> {
        let start = self.place();
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                None => {
                    return Err(Diagnostic {
                        place: Some(start),
                        ..self.error("JSON text that does not end")
                    });
                }
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(c) if (c as u32) < 0x20 => return Err(self.error("control character in JSON text")),
                Some(c) => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Diagnostic> {
        Ok(match self.next() {
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let first = self.four_digits()?;
                let code = if (0xd800..0xdc00).contains(&first) {
                    let (backslash, u) = (self.next(), self.next());
                    let second = self.four_digits()?;
                    if backslash != Some('\\') || u != Some('u') || !(0xdc00..0xe000).contains(&second) {
                        return Err(self.error("half of a surrogate pair in JSON text"));
                    }
                    0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                } else {
                    first
                };
                char::from_u32(code).ok_or_else(|| self.error("half of a surrogate pair in JSON text"))?
            }
            _ => return Err(self.error("unknown escape in JSON text")),
        })
    }

    fn four_digits(&mut self) -> Result<u32, Diagnostic> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.next().and_then(|c| c.to_digit(16));
            code =
                code * 16 + digit.ok_or_else(|| self.error("`\\u` needs four hexadecimal digits in JSON"))?;
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(node: &Node) -> serde_json::Value {
        match &node.value {
            Value::Null => serde_json::Value::Null,
            Value::Scalar { text, quoted: true } => text.as_str().into(),
            Value::Scalar { text, .. } => serde_json::from_str(text).unwrap(),
            Value::List(entries) => entries.iter().map(plain).collect(),
            Value::Map(pairs) => pairs
                .iter()
                .map(|(k, v)| (k.as_str().unwrap().to_owned(), plain(v)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    #[test]
    fn reads_what_serde_json_reads() {
        for text in [
            r#"{"a": [1, -2.5e3, true, null, "x\n\u0041\ud83d\ude00\/"], "b": {}}"#,
            "[]",
            "\"\t\"",
            "[1,]",
            "{\"a\" 1}",
            "\"\\ud83d\"",
            "\"\\q\"",
            "nul",
            "",
            "{} x",
        ] {
            let ours = parse(&"f".into(), text).ok().map(|n| plain(&n));
            let theirs = serde_json::from_str::<serde_json::Value>(text).ok();
            assert_eq!(ours, theirs, "{text}");
        }
    }

    #[test]
    fn knows_where_values_stand() {
        let node = parse(&"f".into(), "{\n  \"é\": \"abc\"}").unwrap();
        let Value::Map(pairs) = &node.value else { panic!() };
        assert_eq!(pairs[0].0.place.to_string(), "f:2:3");
        assert_eq!((pairs[0].1.place.to_string(), pairs[0].1.place.length), ("f:2:8".into(), 5));
    }

    proptest! {
        #[test]
        fn never_panics_and_agrees(text in "[\\[\\]{}:,\"\\\\u0-9a-f. -]{0,60}") {
            let ours = parse(&"f".into(), &text);
            if let Ok(theirs) = serde_json::from_str::<serde_json::Value>(&text) {
                prop_assert!(ours.is_ok(), "{:?}", theirs);
            }
        }
    }

    #[test]
    fn bounded_depth() {
        assert!(parse(&"f".into(), &"[".repeat(100_000)).is_err());
    }
}
