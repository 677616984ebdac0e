//! The stream of a Windows host → its answers by question. Nothing here trusts the host: an answer
//! counts only with its own end mark, and one that stands twice not at all.

use super::ask::{Ask, Asks};
use super::text::CodePage;
use crate::facts::frames::{describe_end, number, split_once};
use crate::transport::Answer;
use std::collections::BTreeMap;

/// More lines than this of one host are not read.
const MAX_LINES: usize = 1_000_000;

/// One answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Section<'a> {
    /// What follows the label, where the question is asked several times: of which directory or hive.
    pub rest: &'a [u8],
    /// What was printed.
    pub lines: Vec<&'a [u8]>,
    /// With which code it ended; none: its end is missing.
    pub status: Option<i32>,
}

impl Section<'_> {
    /// Whether the program said that it did what it was asked, and its end came.
    pub fn is_good(&self) -> bool {
        self.status == Some(0)
    }

    /// Why it is worth nothing, if it is.
    pub fn failure(&self, program: &str) -> Option<String> {
        match self.status {
            None => Some(format!("`{program}` was cut off")),
            Some(0) => None,
            Some(status) => Some(format!("`{program}` ended with code {status}")),
        }
    }
}

/// The answers of a host.
pub(super) struct Answers<'a> {
    sections: BTreeMap<&'a [u8], Vec<Section<'a>>>,
    asks: &'a Asks,
    /// How its bytes are read.
    pub code_page: CodePage,
    /// Why an answer may be missing.
    pub end: String,
}

impl<'a> Answers<'a> {
    /// Reads the answer to the script of `asks`.
    pub fn read(bytes: &'a [u8], nonce: &str, answer: &Answer, asks: &'a Asks) -> Self {
        let mut sections: BTreeMap<&[u8], Vec<Section<'_>>> = BTreeMap::new();
        let mut open: Option<(&[u8], Section<'_>)> = None;
        let mut close = |open: &mut Option<(&'a [u8], Section<'a>)>, status| {
            if let Some((label, mut section)) = open.take() {
                section.status = status;
                sections.entry(label).or_default().push(section);
            }
        };
        for line in bytes.split(|byte| *byte == b'\n').take(MAX_LINES) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let (said, line) = line.split_at(behind(line, nonce));
            if let (Some((_, section)), false) = (&mut open, said.is_empty()) {
                section.lines.push(said);
            }
            let Some((word, rest)) = mark(line, nonce) else {
                if let Some((_, section)) = &mut open {
                    // The middle of a flood was not kept.
                    if line.starts_with(b"[uproot: ") {
                        close(&mut open, None);
                    } else {
                        section.lines.push(line);
                    }
                }
                continue;
            };
            let (label, rest) = split_once(rest, b" ").unwrap_or((rest, b""));
            match word {
                b"ask" => {
                    close(&mut open, None);
                    open = Some((label, Section { rest: rest.trim_ascii(), ..Section::default() }));
                }
                b"end" => {
                    let status = number(rest.trim_ascii());
                    let same = open.as_ref().is_some_and(|(begun, _)| *begun == label);
                    close(&mut open, status.filter(|_| same));
                }
                b"part" => {
                    if let Some((_, section)) = &mut open {
                        section.lines.push(line);
                    }
                }
                _ => close(&mut open, None),
            }
        }
        close(&mut open, None);
        let mut answers = Self { sections, asks, code_page: CodePage::Ascii, end: describe_end(answer) };
        answers.code_page = answers.told_code_page();
        answers
    }

    /// Whether nothing at all was answered.
    pub fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }

    /// Every answer to a question that is asked several times.
    pub fn all(&self, ask: &Ask) -> &[Section<'a>] {
        let label = self.asks.label(ask).unwrap_or_default();
        self.sections.get(label.as_bytes()).map(Vec::as_slice).unwrap_or_default()
    }

    /// The one answer to a question.
    ///
    /// # Errors
    /// Why there is none.
    pub fn one(&self, ask: &Ask) -> Result<&Section<'a>, String> {
        match self.all(ask) {
            [one] => Ok(one),
            [] => Err(self.end.clone()),
            _ => Err("the host answered this twice".to_owned()),
        }
    }

    /// The one answer to a question, ended and with code 0.
    ///
    /// # Errors
    /// Why there is none.
    pub fn good(&self, ask: &Ask, program: &str) -> Result<&Section<'a>, String> {
        let section = self.one(ask)?;
        section.failure(program).map_or(Ok(section), Err)
    }

    /// `Active code page: 850`, `Aktive Codepage: 850.`: the last number, in any language.
    fn told_code_page(&self) -> CodePage {
        let section = self.one(&Ask::CodePage).ok();
        let digits = section.iter().flat_map(|section| &section.lines).find_map(|line| {
            let mut runs = line.split(|byte| !byte.is_ascii_digit());
            runs.rfind(|run| !run.is_empty()).and_then(number)
        });
        digits.map_or(CodePage::Ascii, CodePage::of_number)
    }
}

/// Where a mark begins behind the last words of a program that ended without a line break; 0 where none does.
fn behind(line: &[u8], nonce: &str) -> usize {
    // A mark of an end is not longer than this.
    let from = line.len().saturating_sub(nonce.len() + 40);
    let end = line.get(from..).unwrap_or_default();
    let is_mark = |window: &[u8]| window.strip_prefix(nonce.as_bytes()) == Some(b" end ".as_slice());
    end.windows(nonce.len() + " end ".len()).position(is_mark).map_or(0, |at| from + at)
}

/// The word and the rest of a line that begins with the nonce.
pub(super) fn mark<'a>(line: &'a [u8], nonce: &str) -> Option<(&'a [u8], &'a [u8])> {
    let line = line.strip_prefix(nonce.as_bytes())?.strip_prefix(b" ")?;
    Some(split_once(line, b" ").unwrap_or((line, b"")))
}
