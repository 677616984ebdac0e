//! JSON as text that a terminal can be shown: written once, not written and then copied.

use crate::model::output::escape_line;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};
use std::io::{self, Write};

/// The value as JSON, indented, with a line break at its end. What a terminal would obey in a string (also
/// beyond ASCII) is written as `\u…`.
pub(super) fn pretty<T: Serialize>(value: &T) -> String {
    written(value, PrettyFormatter::new())
}

/// The same in one line.
pub(super) fn line<T: Serialize>(value: &T) -> String {
    written(value, CompactFormatter)
}

fn written<T: Serialize, F: Formatter>(value: &T, formatter: F) -> String {
    let mut text = Vec::new();
    let formatter = Visible(formatter);
    #[expect(clippy::expect_used, reason = "only strings, numbers and enums: nothing that JSON cannot hold")]
    value.serialize(&mut Serializer::with_formatter(&mut text, formatter)).expect("a report is JSON");
    text.push(b'\n');
    #[expect(clippy::expect_used, reason = "serde_json writes UTF-8, and so does the formatter")]
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// A usual form, with unsafe characters of strings escaped.
struct Visible<F>(F);

impl<F: Formatter> Formatter for Visible<F> {
    /// A part of a string in which serde_json has nothing to escape: those below U+0020 are not in it.
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return out.write_all(fragment.as_bytes());
        }
        for c in fragment.chars() {
            let mut bytes = [0; 4];
            let text: &str = c.encode_utf8(&mut bytes);
            if matches!(c, ' '..='~') || escape_line(text).starts_with(c) {
                out.write_all(text.as_bytes())?;
                continue;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn strings_are_visible_and_say_the_same() {
        let value = BTreeMap::from([
            ("key\u{202e}", vec!["a\x7f\x1b\u{9b}", "製品 é 🦀", "\u{e0001}\"\\\n", ""]),
            ("none", Vec::new()),
        ]);
        let text = pretty(&value);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(
            text.contains("\\u202e") && text.contains("a\\u007f\\u001b\\u009b") && text.contains("製品 é 🦀")
        );
        let read: BTreeMap<String, Vec<String>> =
            serde_json::from_str(&text.replace("key\\u202e", "key")).unwrap();
        assert_eq!(read["key"], value["key\u{202e}"]);
        assert!(text.starts_with("{\n  \"key") && text.ends_with("  ],\n  \"none\": []\n}\n"), "{text}");
    }
}
