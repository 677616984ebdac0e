//! The stream of an answer → sections of blocks. Nothing here trusts the host: what is not framed as
//! the script frames it makes its section doubtful.

use crate::transport::{Answer, StreamEnd};
use std::collections::BTreeMap;

/// More lines than this in one section are not read.
const MAX_LINES: usize = 1_000_000;

/// A mark and the raw lines behind it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    /// The mark's word.
    pub word: &'a [u8],
    /// What follows the word.
    pub rest: &'a [u8],
    /// The raw lines as they came, each behind its `|`.
    raw: &'a [u8],
}

impl<'a> Block<'a> {
    /// The raw lines.
    pub fn lines(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let raw = self.raw.strip_suffix(b"\n").unwrap_or(self.raw);
        let count = if self.raw.is_empty() { 0 } else { usize::MAX };
        raw.split(|byte| *byte == b'\n').take(count).map(|line| line.strip_prefix(b"|").unwrap_or(line))
    }

    /// The raw lines as the program wrote them: the line break that the script added is taken off.
    pub fn text(&self) -> Vec<u8> {
        self.lines().collect::<Vec<_>>().join(&b'\n')
    }

    /// What follows the word, as text.
    pub fn rest_text(&self) -> String {
        text(self.rest)
    }
}

/// A program that the script ran.
#[derive(Debug, Clone)]
pub(super) struct Run<'a> {
    /// What it wrote.
    pub output: Block<'a>,
    /// Its status; none: the answer ended before.
    pub status: Option<i32>,
    /// What it wrote on standard error.
    pub errors: Vec<&'a [u8]>,
}

impl Run<'_> {
    /// Why it did not work, if it did not: no status 0, or anything on standard error.
    pub fn failure(&self, program: &str) -> Option<String> {
        let error = self.errors.iter().map(|line| line.trim_ascii()).find(|line| !line.is_empty());
        match (self.status, error) {
            (None, _) => Some(format!("`{program}` was cut off")),
            (Some(0), None) => None,
            (Some(_), Some(error)) => Some(format!("`{program}` says: {}", text(error))),
            (Some(status), None) => Some(format!("`{program}` ended with status {status}")),
        }
    }
}

/// One section of an answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Section<'a> {
    /// Its blocks in order.
    pub blocks: Vec<Block<'a>>,
    /// Why it may not be whole; none: it is.
    pub defect: Option<String>,
}

impl<'a> Section<'a> {
    /// The blocks with this word.
    pub fn marks<'s>(&'s self, word: &'s str) -> impl Iterator<Item = Block<'a>> + use<'a, 's> {
        self.blocks.iter().filter(move |block| block.word == word.as_bytes()).copied()
    }

    /// The rest of the first mark with this word, as text; none where it is empty.
    pub fn value(&self, word: &str) -> Option<String> {
        self.marks(word).map(|block| block.rest_text()).find(|rest| !rest.is_empty())
    }

    /// The program that begins at this block.
    pub fn run_at(&self, at: usize) -> Option<Run<'a>> {
        let output = *self.blocks.get(at).filter(|block| block.word == b"run")?;
        let status = self.blocks.get(at + 1).filter(|block| block.word == b"rc");
        let errors = self.blocks.get(at + 2).filter(|block| status.is_some() && block.word == b"err");
        Some(Run {
            output,
            status: status.and_then(|block| number(block.rest)),
            errors: errors.map(|block| block.lines().collect()).unwrap_or_default(),
        })
    }

    /// The programs that were run with this label.
    pub fn runs<'s>(&'s self, label: &'s str) -> impl Iterator<Item = Run<'a>> + use<'a, 's> {
        (0..self.blocks.len())
            .filter_map(|at| self.run_at(at))
            .filter(move |run| run.output.rest == label.as_bytes())
    }
}

/// The sections of an answer by name.
#[derive(Debug, Default)]
pub(super) struct Sections<'a> {
    sections: BTreeMap<&'a [u8], Section<'a>>,
    /// Why a section may be missing.
    end: String,
}

impl<'a> Sections<'a> {
    /// Whether nothing at all was answered.
    pub fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }

    /// Why the answer ended where it did.
    pub fn end(&self) -> &str {
        &self.end
    }

    /// A section; one that is missing is empty and has a defect.
    pub fn get(&self, name: &str) -> Section<'a> {
        let missing = || Section { blocks: Vec::new(), defect: Some(self.end.clone()) };
        self.sections.get(name.as_bytes()).cloned().unwrap_or_else(missing)
    }
}

/// A host's bytes as text, losses replaced by U+FFFD.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A decimal number, and nothing else.
pub(super) fn number<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

/// Splits at the first `separator`.
pub(super) fn split_once<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(separator.len()).position(|window| window == separator)?;
    Some((bytes.get(..at)?, bytes.get(at + separator.len()..)?))
}

/// Why there may be sections missing from an answer.
pub(super) fn describe_end(answer: &Answer) -> String {
    match &answer.end {
        StreamEnd::Complete { status: 0 } => "the host's answer does not have this".to_owned(),
        StreamEnd::Complete { status } => format!("the script ended early, with status {status}"),
        StreamEnd::NoMarker { reason } => format!("the script was cut off: {reason}"),
        StreamEnd::TimedOut { reason } => format!("the host did not answer in time: {reason}"),
        StreamEnd::Flooded => "the host sent more than is read of one host".to_owned(),
        StreamEnd::Lost { reason } => format!("the connection was lost: {reason}"),
        StreamEnd::Cancelled => "the run was cancelled".to_owned(),
    }
}

/// Reads the frames that `nonce` marks in `bytes`, the answer's standard output.
pub(super) fn read<'a>(bytes: &'a [u8], nonce: &str, answer: &Answer) -> Sections<'a> {
    let mut sections = Sections { sections: BTreeMap::new(), end: describe_end(answer) };
    let mut open: Option<(&[u8], usize)> = None;
    let mut at = 0;
    while let Some(length) = bytes.get(at..).and_then(|rest| rest.iter().position(|b| *b == b'\n')) {
        let line = bytes.get(at..at + length).unwrap_or_default();
        let (start, next) = (at, at + length + 1);
        at = next;
        let Some((word, name)) = mark(line, nonce) else { continue };
        match word {
            b"begin" => {
                if let Some((unended, from)) = open.replace((name, next)) {
                    let section = blocks(bytes.get(from..start).unwrap_or_default(), nonce);
                    sections.add(unended, section, Some("its end is missing"));
                }
            }
            b"end" => {
                if let Some((begun, from)) = open.take() {
                    let section = blocks(bytes.get(from..start).unwrap_or_default(), nonce);
                    sections.add(begun, section, (begun != name).then_some("its end is missing"));
                }
            }
            _ => {}
        }
    }
    if let Some((unended, from)) = open {
        let section = blocks(bytes.get(from..at).unwrap_or_default(), nonce);
        let end = sections.end.clone();
        sections.add(unended, section, Some(&end));
    }
    sections
}

impl<'a> Sections<'a> {
    fn add(&mut self, name: &'a [u8], mut section: Section<'a>, defect: Option<&str>) {
        let is_done = section.blocks.iter().any(|block| block.word == b"done" && block.rest == name);
        if let Some(defect) = defect {
            section.defect = Some(defect.to_owned());
        } else if section.defect.is_none() && !is_done {
            section.defect = Some("the part of the script that asks this stopped".to_owned());
        }
        self.sections
            .entry(name)
            .and_modify(|first| first.defect = Some("the host answered this twice".to_owned()))
            .or_insert(section);
    }
}

/// The word and the rest of a line that begins with the nonce.
fn mark<'a>(line: &'a [u8], nonce: &str) -> Option<(&'a [u8], &'a [u8])> {
    let line = line.strip_prefix(nonce.as_bytes())?.strip_prefix(b" ")?;
    Some(split_once(line, b" ").unwrap_or((line, b"")))
}

fn blocks<'a>(body: &'a [u8], nonce: &str) -> Section<'a> {
    let mut section = Section::default();
    let mut at = 0;
    let mut raw_from = 0;
    for (count, line) in body.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let start = at;
        at += line.len();
        if count == MAX_LINES {
            section.defect = Some(format!("the answer has more than {MAX_LINES} lines"));
            break;
        }
        let Some(inner) = line.strip_prefix(b"|") else {
            section.defect.get_or_insert_with(|| "the answer is damaged or was cut".to_owned());
            continue;
        };
        let Some((word, rest)) = mark(inner.strip_suffix(b"\n").unwrap_or(inner), nonce) else {
            continue;
        };
        close(&mut section, body.get(raw_from..start));
        section.blocks.push(Block { word, rest, raw: b"" });
        raw_from = at;
    }
    close(&mut section, body.get(raw_from..at));
    section
}

/// Gives the last block the raw lines up to here.
fn close<'a>(section: &mut Section<'a>, raw: Option<&'a [u8]>) {
    if let (Some(block), Some(raw)) = (section.blocks.last_mut(), raw) {
        block.raw = raw;
    }
}
