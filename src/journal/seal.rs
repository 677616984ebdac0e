//! Seals: small files in a run's directory that say how many records the run has and what the hash of the
//! last one is, each signed with SSH keys (`ssh-keygen -Y sign -n uproot-seal`).
//!
//! A seal fixes the first records of a run for good: whoever later cuts, alters or rewrites one of them cannot
//! make the signature again without the key. A run that is resumed goes on behind its seal, and gets a new
//! one: the first seal is `seal`, a later one `seal-RECORDS`. Nothing that is there is ever replaced.

use super::chain::{GENESIS, is_sha256_hex};
use super::{Audit, JournalError};
use crate::model::Event;
use crate::signature::{self, Purpose, Saved, SshSignature};
use std::fmt;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// What these signatures are for.
pub const PURPOSE: Purpose = Purpose { namespace: "uproot-seal", thing: "seal" };

/// The format that is written, and the only one that is read.
const FORMAT: u32 = 1;

/// The name of a run's first seal.
const FIRST: &str = "seal";

/// A larger file is no seal, in bytes.
const LARGEST: u64 = 4096;

/// How a run's records end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunState {
    /// With the end of the run: nothing follows.
    Finished,
    /// With a stop by a gate or its operator: it can be resumed.
    Stopped,
    /// With neither: it is still at work, or its controller died.
    #[default]
    Unfinished,
}

impl RunState {
    /// The word for it, as it stands in a seal.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Unfinished => "unfinished",
        }
    }

    /// The state after one more event.
    pub(super) fn after(self, event: &Event) -> Self {
        match event {
            Event::RunEnded { .. } => Self::Finished,
            Event::RunStopped { .. } => Self::Stopped,
            Event::Repaired { .. } => self,
            _ => Self::Unfinished,
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What is wrong with a seal or a signature of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealProblem {
    /// The file is not there, but what could only follow it is.
    #[error("missing, and `{beside}` is there")]
    Missing {
        /// A signature of it, or a later seal.
        beside: String,
    },
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// The file is not in the form of a seal.
    #[error("not a seal as uproot writes it: {0}")]
    Malformed(&'static str),
    /// It is the seal of another run.
    #[error("the seal of run `{found}`, and this is run `{expected}`")]
    OtherRun {
        /// This run.
        expected: String,
        /// The run that it seals.
        found: String,
    },
    /// Its name tells of other records than it seals.
    #[error("it seals {records} records, which its name does not say")]
    Name {
        /// What it seals.
        records: u64,
    },
    /// There are fewer records than were sealed.
    #[error("{sealed} records were sealed and {left} are left: records were cut off")]
    Cut {
        /// How many were sealed.
        sealed: u64,
        /// How many there are.
        left: u64,
    },
    /// The hash of the last sealed record is another one.
    #[error(
        "the hash of record {record} is `{found}`, sealed was `{sealed}`: records were altered after they were sealed"
    )]
    Head {
        /// The number of the last sealed record, from 1 (the line of `journal.jsonl`).
        record: u64,
        /// The hash in the seal.
        sealed: String,
        /// The hash in the journal.
        found: String,
    },
    /// It says that the records end otherwise than they do.
    #[error("it says that the run was {sealed}, the records say {found}")]
    State {
        /// What the seal says.
        sealed: RunState,
        /// What the records say.
        found: RunState,
    },
    /// A signature that does not verify.
    #[error("the signature does not hold: {0}")]
    Signature(String),
    /// Nobody signed it: it says nothing yet.
    #[error("nobody signed it: it counts for nothing")]
    Unsigned,
}

/// What a seal states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SealText {
    pub(super) run: String,
    pub(super) records: u64,
    pub(super) head: String,
    pub(super) state: RunState,
}

impl SealText {
    fn render(&self) -> String {
        let Self { run, records, head, state } = self;
        format!("uproot seal {FORMAT}\nrun {run}\nrecords {records}\nhead {head}\nstate {state}\n")
    }

    /// Reads the exact form that is written, and no other.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, SealProblem> {
        let wrong = SealProblem::Malformed;
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not text"))?;
        let mut lines = text.lines();
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let format = field("uproot seal").ok_or(wrong("its first line is not `uproot seal 1`"))?;
        if format.parse() != Ok(FORMAT) {
            return Err(wrong("its format is not 1, the only one that this uproot knows"));
        }
        let run = field("run").ok_or(wrong("`run` is missing"))?.to_owned();
        let records = field("records").and_then(|number| number.parse().ok());
        let records = records.ok_or(wrong("`records` is no number"))?;
        let head = field("head").filter(|head| is_sha256_hex(head));
        let head = head.ok_or(wrong("`head` is no SHA-256"))?.to_owned();
        let state = match field("state") {
            Some("finished") => RunState::Finished,
            Some("stopped") => RunState::Stopped,
            Some("unfinished") => RunState::Unfinished,
            _ => return Err(wrong("`state` is not `finished`, `stopped` or `unfinished`")),
        };
        let seal = Self { run, records, head, state };
        if seal.render() == text { Ok(seal) } else { Err(wrong("something stands in it besides")) }
    }

    /// What in the run differs from it. `found`: the hash and the state after the records that it seals, where
    /// there are so many; `left`: how many there are.
    pub(super) fn against(&self, run: &str, left: u64, found: Option<&Mark>) -> Option<SealProblem> {
        if self.run != run {
            return Some(SealProblem::OtherRun { expected: run.to_owned(), found: self.run.clone() });
        }
        let Some(found) = found else { return Some(SealProblem::Cut { sealed: self.records, left }) };
        if found.head != self.head {
            let (sealed, found) = (self.head.clone(), found.head.clone());
            return Some(SealProblem::Head { record: self.records, sealed, found });
        }
        (found.state != self.state).then_some(SealProblem::State { sealed: self.state, found: found.state })
    }
}

/// Where a journal stands after some of its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) head: String,
    pub(super) state: RunState,
}

impl Default for Mark {
    fn default() -> Self {
        Self { head: GENESIS.to_owned(), state: RunState::default() }
    }
}

/// A seal's file.
pub(super) struct SealFile {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    pub(super) text: Result<SealText, SealProblem>,
}

/// Every seal of the run in `dir`, by its records; those that are missing though something of them is there
/// are among them.
pub(super) fn read_seals(dir: &Path) -> Result<Vec<SealFile>, JournalError> {
    let mut named: Vec<(String, String)> = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(JournalError::io("read", dir))? {
        let name = entry.map_err(JournalError::io("read", dir))?.file_name();
        if let Some(name) = name.to_str()
            && let Some(seal) = seal_of(name)
        {
            named.push((seal.to_owned(), name.to_owned()));
        }
    }
    // A later seal is made only where there is a first one.
    if let Some((_, later)) = named.iter().find(|(seal, _)| seal != FIRST).cloned() {
        named.push((FIRST.to_owned(), later));
    }
    named.sort();
    let mut seals: Vec<SealFile> = Vec::new();
    for (seal, file) in named {
        if seals.iter().any(|known| known.name == seal) {
            continue;
        }
        seals.push(read_seal(dir, seal, file));
    }
    seals.sort_by_key(|seal| seal.text.as_ref().map_or(u64::MAX, |text| text.records));
    Ok(seals)
}

/// The seal that a file of this name is, or is a signature of.
pub(super) fn seal_of(name: &str) -> Option<&str> {
    let seal = match name.split_once('.') {
        Some((seal, rest)) if rest == "sig" || rest.ends_with(".sig") => seal,
        Some(_) => return None,
        None => name,
    };
    let number = seal.strip_prefix(FIRST)?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (number.is_empty() || number.strip_prefix('-').is_some_and(is_number)).then_some(seal)
}

/// Reads a seal; `beside`: what tells that it should be there.
fn read_seal(dir: &Path, name: String, beside: String) -> SealFile {
    let read = read_small(&dir.join(&name)).map_err(|error| match error.kind() {
        ErrorKind::NotFound => SealProblem::Missing { beside },
        _ => SealProblem::Unreadable(error.to_string()),
    });
    let (bytes, text) = match read {
        Err(problem) => (Vec::new(), Err(problem)),
        Ok(bytes) => {
            let text = SealText::parse(&bytes).and_then(|text| {
                let is_named = name == FIRST || name == later_name(text.records);
                if is_named { Ok(text) } else { Err(SealProblem::Name { records: text.records }) }
            });
            (bytes, text)
        }
    };
    SealFile { name, bytes, text }
}

fn later_name(records: u64) -> String {
    format!("{FIRST}-{records}")
}

fn read_small(path: &Path) -> std::io::Result<Vec<u8>> {
    // A pipe or a device would be waited for.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(std::io::Error::other("it is too large for a seal"));
    }
    Ok(bytes)
}

/// A seal that is to be signed: over all records of a run as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealDraft {
    file: PathBuf,
    text: String,
}

impl SealDraft {
    /// The seal over all records of a run that was checked. Where one is there over exactly these, it is that
    /// one, and a further signature can be added to it.
    ///
    /// # Errors
    /// When the run is broken, or has no record.
    pub fn new(audit: &Audit) -> Result<Self, JournalError> {
        let dir = &audit.run.dir;
        if let Some(defect) = audit.defects.iter().find(|defect| defect.is_broken()) {
            return Err(JournalError::Broken { dir: dir.clone(), defect: Box::new(defect.clone()) });
        }
        if audit.records == 0 {
            return Err(JournalError::NeverBegun(dir.clone()));
        }
        let text = SealText {
            run: audit.run.id.clone(),
            records: audit.records,
            head: audit.head.clone(),
            state: audit.state,
        };
        let text = text.render();
        if SealText::parse(text.as_bytes()).is_err() {
            return Err(JournalError::BadRunId(audit.run.id.clone()));
        }
        let there = audit.seals.iter().find(|seal| seal.records == audit.records);
        let name = match there {
            Some(seal) => seal.file.clone(),
            None if audit.seals.is_empty() => FIRST.to_owned(),
            None => later_name(audit.records),
        };
        Ok(Self { file: dir.join(name), text })
    }

    /// Its exact bytes: what is signed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Writes the seal, where it is not there yet, and the signature beside it; durably, and without replacing
    /// anything.
    ///
    /// # Errors
    /// When the signature is not one of this seal, something else has the name, or the file system refuses.
    pub fn save(&self, signature: &SshSignature) -> Result<Saved, JournalError> {
        signature.verify(self.bytes(), PURPOSE).map_err(JournalError::SealSignature)?;
        match self.write() {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if read_small(&self.file).ok().as_deref() != Some(self.bytes()) {
                    return Err(JournalError::io("replace", &self.file)(error));
                }
            }
            Err(error) => return Err(JournalError::io("write", &self.file)(error)),
        }
        Ok(signature::save(signature, &self.file, self.bytes(), PURPOSE)?)
    }

    fn write(&self) -> std::io::Result<()> {
        let directory = self.file.parent().unwrap_or(Path::new("."));
        let mut temporary = tempfile::Builder::new().prefix(".uproot-seal-").tempfile_in(directory)?;
        temporary.write_all(self.bytes())?;
        temporary.as_file().sync_all()?;
        temporary.persist_noclobber(&self.file).map_err(|error| error.error)?;
        std::fs::File::open(directory)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> SealText {
        SealText { run: "0199".to_owned(), records: 12, head: "ab".repeat(32), state: RunState::Finished }
    }

    #[test]
    fn a_seal_is_five_lines_and_is_read_in_that_form_only() {
        let text = seal().render();
        let expected =
            format!("uproot seal 1\nrun 0199\nrecords 12\nhead {}\nstate finished\n", "ab".repeat(32));
        assert_eq!(text, expected);
        assert_eq!(SealText::parse(text.as_bytes()), Ok(seal()));
        for other in [
            text.replace("seal 1", "seal 2"),
            text.replace("seal 1", "seal 01"),
            text.replace("records 12", "records +12"),
            text.replace("records 12", "records 012"),
            text.replace("records 12", "records -1"),
            text.replace("ab", "AB"),
            text.replace("finished", "Finished"),
            text.replace('\n', "\r\n"),
            text.trim_end().to_owned(),
            format!("{text}\n"),
            format!("{text}more 1\n"),
            String::new(),
        ] {
            assert!(matches!(SealText::parse(other.as_bytes()), Err(SealProblem::Malformed(_))), "{other}");
        }
    }

    #[test]
    fn no_altered_byte_of_a_seal_is_taken_for_the_same_seal() {
        let text = seal().render().into_bytes();
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut altered = text.clone();
                altered[at] ^= 1 << bit;
                assert_ne!(SealText::parse(&altered), Ok(seal()), "byte {at}");
            }
        }
    }

    #[test]
    fn the_files_of_seals_are_told_by_their_names() {
        for (name, expected) in [
            ("seal", Some("seal")),
            ("seal.sig", Some("seal")),
            ("seal.ab_c-d.sig", Some("seal")),
            ("seal-20", Some("seal-20")),
            ("seal-20.sig", Some("seal-20")),
            ("seal-20.x.y.sig", Some("seal-20")),
            ("seal-", None),
            ("seal-x", None),
            ("seal.txt", None),
            ("sealed", None),
            ("seal.sig.old", None),
            ("plan.json.sig", None),
        ] {
            assert_eq!(seal_of(name), expected, "{name}");
        }
    }

    #[test]
    fn what_differs_from_a_seal_is_named() {
        let head = || "ab".repeat(32);
        let mark = |head: String, state| Some(Mark { head, state });
        let against = |run: &str, left, mark: Option<Mark>| seal().against(run, left, mark.as_ref());
        assert_eq!(against("0199", 14, mark(head(), RunState::Finished)), None);
        let other = mark(head(), RunState::Finished);
        assert!(matches!(against("0200", 12, other), Some(SealProblem::OtherRun { .. })));
        assert_eq!(against("0199", 11, None), Some(SealProblem::Cut { sealed: 12, left: 11 }));
        let other = mark("cd".repeat(32), RunState::Finished);
        assert!(matches!(against("0199", 12, other), Some(SealProblem::Head { record: 12, .. })));
        let other = mark(head(), RunState::Stopped);
        assert!(matches!(against("0199", 12, other), Some(SealProblem::State { .. })));
    }
}
