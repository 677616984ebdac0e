//! The reading end: whole runs, line by line, and blobs.

use super::chain::{Checker, FORMAT, is_sha256_hex, sha256_hex, stated_format};
use super::defect::Defect;
use super::verify::read_plan;
use super::{JOURNAL_FILE, JournalError, OUTPUT_DIR};
use crate::model::{Event, Record};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// No line that uproot writes is longer: bounds what a damaged file can cost.
pub(super) const LINE_LIMIT: u64 = 256 * 1024 * 1024;

/// A run as its journal has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id: the `run` of its first record, else the directory's name.
    pub id: String,
    /// Its directory.
    pub dir: PathBuf,
    /// Its records, in order.
    pub records: Vec<Record>,
    /// Whether the last one is the end of the run.
    pub finished: bool,
    /// Whether the last one (but for repairs) says that the run was stopped and can be resumed.
    pub stopped: bool,
}

impl Run {
    /// The exact bytes of the plan that it applies, checked against the digest in its first record.
    ///
    /// # Errors
    /// When it applies no plan, or its plan is not there or not the one that it was begun with.
    pub fn plan_bytes(&self) -> Result<Vec<u8>, JournalError> {
        let (verb, plan) = match self.records.first().map(|record| &record.event) {
            Some(Event::RunStarted { verb, plan, .. }) => (verb.as_str(), plan.as_deref()),
            _ => ("", None),
        };
        let Some(expected) = plan else {
            return Err(JournalError::NoPlan { id: self.id.clone(), verb: verb.to_owned() });
        };
        read_plan(&self.dir, expected)
            .map_err(|defect| JournalError::Plan { dir: self.dir.clone(), defect: Box::new(defect) })
    }
}

impl Run {
    /// A run as its first record says, without any record.
    pub(super) fn begun_by(dir: &Path, first: Option<&Record>) -> Self {
        let id = match first.map(|record| &record.event) {
            Some(Event::RunStarted { run, .. }) => run.clone(),
            _ => dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        };
        Self { id, dir: dir.to_owned(), records: Vec::new(), finished: false, stopped: false }
    }

    /// How it stands after this record, which is not kept.
    pub(super) fn tell(&mut self, record: &Record) {
        if !matches!(record.event, Event::Repaired { .. }) {
            self.finished = matches!(record.event, Event::RunEnded { .. });
            self.stopped = matches!(record.event, Event::RunStopped { .. });
        }
    }
}

/// Reads a run. Accepts a torn last line of a run without an end record: it is left out.
///
/// # Errors
/// When it is no run, cannot be read, or its chain is broken (the first defect is named).
pub fn read(dir: &Path) -> Result<Run, JournalError> {
    let mut records = Vec::new();
    scan(dir, &mut |scanned| collect(dir, scanned, &mut records))?;
    Ok(run_from(dir, records))
}

/// As [`read`], from the bytes of a journal. `name` is what errors call its directory.
///
/// # Errors
/// When its chain is broken, or it was written by a newer uproot.
pub fn read_bytes(name: &str, journal: &[u8]) -> Result<Run, JournalError> {
    let dir = Path::new(name);
    let mut records = Vec::new();
    scan_lines(dir, &mut { journal }, &mut |scanned| collect(dir, scanned, &mut records))?;
    Ok(run_from(dir, records))
}

/// Adds a line's record, unless the chain is broken there.
pub(super) fn collect(dir: &Path, scanned: Scanned, records: &mut Vec<Record>) -> Result<(), JournalError> {
    if let Some(defect) = scanned.defects.into_iter().find(Defect::breaks_chain) {
        return Err(JournalError::Broken { dir: dir.to_owned(), defect: Box::new(defect) });
    }
    records.extend(scanned.record);
    Ok(())
}

/// What the records of a journal say of their run.
pub(super) fn run_from(dir: &Path, records: Vec<Record>) -> Run {
    let mut run = Run::begun_by(dir, records.first());
    records.iter().for_each(|record| run.tell(record));
    Run { records, ..run }
}

/// A blob of a run, checked against its name.
///
/// # Errors
/// When it is not there, or not what its name says.
pub fn open_blob(dir: &Path, sha: &str) -> Result<Vec<u8>, JournalError> {
    if !is_sha256_hex(sha) {
        return Err(JournalError::BadBlobName(sha.to_owned()));
    }
    let path = dir.join(OUTPUT_DIR).join(sha);
    let bytes = read_regular(&path).map_err(JournalError::io("read", &path))?;
    let found = sha256_hex(&[&bytes]);
    if found == sha {
        Ok(bytes)
    } else {
        Err(JournalError::BlobAltered { sha: sha.to_owned(), found, dir: dir.to_owned() })
    }
}

/// What one line holds.
pub(super) struct Scanned {
    /// Its number, from 1.
    pub(super) line: usize,
    /// The record, where it could be decoded.
    pub(super) record: Option<Record>,
    /// What is wrong with it by itself and with its place in the chain.
    pub(super) defects: Vec<Defect>,
    /// The hash that it states; none: it states none, or is torn.
    pub(super) hash: Option<String>,
}

/// What the lines of a journal are together.
pub(super) struct Scan {
    /// Whether the run's end was among them.
    pub(super) ended: bool,
    /// The format that the first line states.
    pub(super) format: Option<u32>,
    /// How many bytes the lines before a torn one are.
    pub(super) whole: u64,
    /// How many bytes a torn last line has; 0: there is none.
    pub(super) torn: u64,
    /// The hash that the last line which is not torn states; none: it states none.
    pub(super) head: Option<String>,
}

/// Hands every line of the run in `dir` to `take`.
pub(super) fn scan(
    dir: &Path,
    take: &mut dyn FnMut(Scanned) -> Result<(), JournalError>,
) -> Result<Scan, JournalError> {
    let path = dir.join(JOURNAL_FILE);
    scan_lines(dir, &mut BufReader::with_capacity(1 << 16, open(dir, &path)?), take)
}

/// Hands every line of a journal to `take`; `dir` is for messages.
pub(super) fn scan_lines(
    dir: &Path,
    source: &mut dyn BufRead,
    take: &mut dyn FnMut(Scanned) -> Result<(), JournalError>,
) -> Result<Scan, JournalError> {
    let path = dir.join(JOURNAL_FILE);
    let mut checker = Checker::new();
    let mut scan = Scan { ended: false, format: None, whole: 0, torn: 0, head: None };
    let mut bytes = Vec::new();
    let mut line = 0;
    loop {
        bytes.clear();
        let limited = &mut (&mut *source).take(LINE_LIMIT);
        let count = limited.read_until(b'\n', &mut bytes).map_err(JournalError::io("read", &path))? as u64;
        if count == 0 {
            scan.ended = checker.ended;
            scan.head = checker.previous;
            return Ok(scan);
        }
        line += 1;
        let terminated = bytes.pop_if(|last| *last == b'\n').is_some();
        if line == 1 {
            scan.format = stated_format(&bytes);
            check_format(&path, scan.format)?;
        }
        let mut defects = Vec::new();
        let is_torn = !terminated && !checker.ended && count < LINE_LIMIT && may_be_torn(&bytes);
        let (record, hash) = if is_torn {
            scan.torn = count;
            defects.push(Defect::Torn { line, bytes: bytes.len() });
            (None, None)
        } else {
            scan.whole += count;
            (checker.check(line, &bytes, &mut defects), checker.previous.clone())
        };
        take(Scanned { line, record, defects, hash })?;
    }
}

/// Whether bytes without a line break can be the beginning of a line: anything but a whole record with
/// something behind it, where only its line break could have been.
fn may_be_torn(bytes: &[u8]) -> bool {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<serde::de::IgnoredAny>();
    !matches!(values.next(), Some(Ok(_))) || values.byte_offset() == bytes.len()
}

/// All of a file. An unpacked export may hold anything: a pipe or a device would be waited for.
pub(super) fn read_regular(path: &Path) -> std::io::Result<Vec<u8>> {
    if std::fs::metadata(path)?.is_file() {
        std::fs::read(path)
    } else {
        Err(std::io::Error::other("it is not a file"))
    }
}

pub(super) fn open(dir: &Path, path: &Path) -> Result<File, JournalError> {
    File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => JournalError::NotARun(dir.to_owned()),
        _ => JournalError::io("read", path)(error),
    })
}

fn check_format(path: &Path, stated: Option<u32>) -> Result<(), JournalError> {
    match stated {
        Some(found) if found > FORMAT => {
            Err(JournalError::NewerFormat { path: path.to_owned(), found, known: FORMAT })
        }
        _ => Ok(()),
    }
}
