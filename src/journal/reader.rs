//! The reading end: whole runs, line by line, and blobs.

use super::chain::{Checker, FORMAT, is_sha256_hex, sha256_hex, stated_format};
use super::defect::Defect;
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
}

/// Reads a run. Accepts a torn last line of a run without an end record: it is left out.
///
/// # Errors
/// When it is no run, cannot be read, or its chain is broken (the first defect is named).
pub fn read(dir: &Path) -> Result<Run, JournalError> {
    let mut records = Vec::new();
    let finished = scan(dir, &mut |scanned| {
        if let Some(defect) = scanned.defects.into_iter().find(Defect::breaks_chain) {
            return Err(JournalError::Broken { dir: dir.to_owned(), defect: Box::new(defect) });
        }
        records.extend(scanned.record);
        Ok(())
    })?;
    let id = match records.first().map(|record| &record.event) {
        Some(Event::RunStarted { run, .. }) => run.clone(),
        _ => dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
    };
    Ok(Run { id, dir: dir.to_owned(), records, finished })
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
    let bytes = std::fs::read(&path).map_err(JournalError::io("read", &path))?;
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
}

/// Hands every line to `take` and says whether the run's end was among them.
pub(super) fn scan(
    dir: &Path,
    take: &mut dyn FnMut(Scanned) -> Result<(), JournalError>,
) -> Result<bool, JournalError> {
    let path = dir.join(JOURNAL_FILE);
    let mut file = BufReader::with_capacity(1 << 16, open(dir, &path)?);
    let mut checker = Checker::new();
    let mut bytes = Vec::new();
    let mut line = 0;
    loop {
        bytes.clear();
        let count = (&mut file)
            .take(LINE_LIMIT)
            .read_until(b'\n', &mut bytes)
            .map_err(JournalError::io("read", &path))?;
        if count == 0 {
            return Ok(checker.ended);
        }
        line += 1;
        let terminated = bytes.pop_if(|last| *last == b'\n').is_some();
        if line == 1 {
            check_format(&path, &bytes)?;
        }
        let mut defects = Vec::new();
        let is_torn = !terminated && !checker.ended && (count as u64) < LINE_LIMIT && may_be_torn(&bytes);
        let record = if !is_torn {
            checker.check(line, &bytes, &mut defects)
        } else {
            defects.push(Defect::Torn { line, bytes: bytes.len() });
            None
        };
        take(Scanned { line, record, defects })?;
    }
}

/// Whether bytes without a line break can be the beginning of a line: anything but a whole record with
/// something behind it, where only its line break could have been.
fn may_be_torn(bytes: &[u8]) -> bool {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<serde::de::IgnoredAny>();
    !matches!(values.next(), Some(Ok(_))) || values.byte_offset() == bytes.len()
}

pub(super) fn open(dir: &Path, path: &Path) -> Result<File, JournalError> {
    File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => JournalError::NotARun(dir.to_owned()),
        _ => JournalError::io("read", path)(error),
    })
}

fn check_format(path: &Path, line: &[u8]) -> Result<(), JournalError> {
    match stated_format(line) {
        Some(found) if found > FORMAT => {
            Err(JournalError::NewerFormat { path: path.to_owned(), found, known: FORMAT })
        }
        _ => Ok(()),
    }
}
