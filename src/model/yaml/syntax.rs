//! The YAML crate's errors in our words, each with a place that has a line to show, and a remedy.

use super::Limits;
use crate::model::diagnostic::{Diagnostic, Place};
use serde_yaml::granit_parser::{ErrorKind, ScanError};

/// A syntax error.
pub(super) fn explain(file: &str, text: &str, error: &ScanError, limits: &Limits) -> Diagnostic {
    let place = shown_place(file, text, error);
    if *error.kind() == ErrorKind::RecursionLimitExceeded {
        return over_limit(&place, limits);
    }
    let (message, help) = words(error.kind());
    Diagnostic::error(&place, message).with_help(help)
}

/// The file asks for more than the limits allow.
pub(super) fn over_limit(place: &Place, limits: &Limits) -> Diagnostic {
    let Limits { nodes, depth, aliases, .. } = limits;
    Diagnostic::error(place, "the file is larger, deeper or repeats more than is allowed")
        .with_label("the limit is reached here")
        .with_help(format!(
            "at most {nodes} values, {depth} levels and {aliases} aliases: split the file, or write it flatter"
        ))
}

pub(super) fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The place of an error; one on an empty line or past the last (an unclosed bracket) is moved to
/// the end of the last line before it that has something on it.
fn shown_place(file: &str, text: &str, error: &ScanError) -> Place {
    let (mut line, mut column) = (error.marker().line().max(1), error.marker().col() + 1);
    if text.lines().nth(line - 1).is_none_or(|shown| shown.trim().is_empty()) {
        let before = text.lines().enumerate().take(line - 1);
        if let Some((index, last)) = before.filter(|(_, shown)| !shown.trim().is_empty()).last() {
            line = index + 1;
            column = last.trim_end().chars().count().max(1);
        }
    }
    Place { file: file.into(), line: small(line), column: small(column), length: 1 }
}

fn words(kind: &ErrorKind) -> (String, &'static str) {
    use ErrorKind as K;
    let (message, help) = match kind {
        K::UnknownAnchor => (
            "this alias names an anchor that was not defined before it",
            "define it earlier with `&name`, or quote the value if `*` is meant as text",
        ),
        K::TabNotAllowed | K::TabInBlockIndentation | K::TabInIndentation | K::TabAtBlockScalarStart => {
            ("a tab stands where YAML allows only spaces", "indent with spaces")
        }
        K::TabInPlainScalar => ("a tab stands in unquoted text", "use spaces, or quote the value"),
        K::UnclosedQuotedScalar | K::DocumentIndicatorInQuotedScalar => {
            ("a quote is opened and never closed", "close the quote that was opened before this place")
        }
        K::UnclosedFlowCollection { .. }
        | K::UnexpectedEofFlowSequence
        | K::UnexpectedEofFlowMapping
        | K::UnexpectedEofImplicitFlowMapping => {
            ("a `[` or `{` is opened and never closed", "close it with `]` or `}`")
        }
        K::MismatchedFlowCollectionEnd { .. } | K::MisplacedFlowCollectionEnd => {
            ("this bracket closes nothing that was opened", "match every `[` with `]` and every `{` with `}`")
        }
        K::ExpectedFlowSequenceSeparator => ("`,` or `]` is expected here", "separate the entries by commas"),
        K::ExpectedFlowMappingSeparator => ("`,` or `}` is expected here", "separate the pairs by commas"),
        K::ExpectedBlockMappingKey | K::ExpectedBlockSequenceEntry | K::InvalidIndentation => (
            "this line does not continue what stands above it",
            "align it with its neighbours: `key: value` in a map, `- entry` in a list",
        ),
        K::MappingValueNotAllowed | K::InvalidColonPlacement => (
            "a `:` stands where no key can be",
            "begin a new line for a key, close every `[` and `{` above, and quote text that has `: ` in it",
        ),
        K::MappingKeyNotAllowed | K::SimpleKeyExpected | K::InvalidSimpleKey => (
            "a key and its `:` are expected here",
            "write `key: value`, on one line and aligned with its neighbours",
        ),
        K::BlockSequenceEntryNotAllowed | K::BlockEntryInFlowCollection => {
            ("a `-` entry is not possible here", "begin the list on a line of its own, below its key")
        }
        K::UnexpectedCharacter { character } => {
            return (
                format!("`{character}` cannot begin a value"),
                "quote the value: text that begins with `@`, `` ` `` or `%` needs it",
            );
        }
        K::DirectiveDisallowed => {
            ("a line that begins with `%` is a directive", "remove it; it is not needed")
        }
        K::UnknownQuotedScalarEscape | K::InvalidQuotedScalarHexEscape | K::InvalidUnicodeEscape => (
            "this `\\` sequence is none that YAML knows",
            "write `\\\\` for a backslash, or use single quotes",
        ),
        other => {
            let message = format!("this is not valid YAML: {other}");
            let message = message.trim_end_matches('.').replace("EOF", "end of the file");
            return (message, "check the indentation, the quotes and the colons here and on the line above");
        }
    };
    (message.to_owned(), help)
}
