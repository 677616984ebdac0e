//! Every defect of a run on disk.

use super::chain::{is_sha256_hex, sha256_hex};
use super::defect::Defect;
use super::grammar::Grammar;
use super::reader::{Scan, Scanned, read_regular, scan_lines};
use super::{JournalError, OUTPUT_DIR, PLAN_FILE, audit};
use crate::model::{Event, Record};
use crate::plan::approval::decided;
use jiff::Timestamp;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// Every defect of a run on disk, as [`audit`] finds them, those of the journal first, in the order of its lines. A
/// run that is not finished is told as [`Defect::Unfinished`], which is not broken (see [`Defect::is_broken`]).
///
/// # Errors
/// When it is no run, its journal cannot be read, or it was written by a newer uproot.
pub fn verify(dir: &Path) -> Result<Vec<Defect>, JournalError> {
    Ok(audit(dir, None, Timestamp::now())?.defects)
}

/// The defects of the bytes of a journal alone: chain, records and grammar.
///
/// # Errors
/// When it was written by a newer uproot.
pub fn verify_bytes(name: &str, journal: &[u8]) -> Result<Vec<Defect>, JournalError> {
    let mut lines = Lines::default();
    let scan = scan_lines(Path::new(name), &mut { journal }, &mut |scanned| {
        lines.take(scanned);
        Ok(())
    })?;
    Ok(lines.finish(&scan).0)
}

/// The lines of a journal so far.
#[derive(Default)]
pub(super) struct Lines {
    defects: Vec<Defect>,
    grammar: Grammar,
    named: Named,
    records: usize,
    /// Whether a line could not be trusted: nothing behind it can.
    is_cut: bool,
}

impl Lines {
    /// Takes a line; its record, if it and all before it are whole.
    pub(super) fn take(&mut self, scanned: Scanned) -> Option<Record> {
        let before = self.defects.len();
        self.defects.extend(scanned.defects);
        if let Some(record) = &scanned.record {
            self.records += 1;
            self.grammar.take(scanned.line, record, &mut self.defects);
            self.named.take(scanned.line, record);
        }
        self.is_cut |= self.defects.iter().skip(before).any(Defect::ends_what_is_whole);
        scanned.record.filter(|_| !self.is_cut)
    }

    /// The defects of the journal alone, and what its records name.
    pub(super) fn finish(mut self, scan: &Scan) -> (Vec<Defect>, Named) {
        let records = self.records;
        let stopped = self.grammar.is_stopped();
        self.grammar.finish(scan.ended, &mut self.defects);
        if !scan.ended {
            let left = if stopped { Defect::Stopped { records } } else { Defect::Unfinished { records } };
            self.defects.push(left);
        }
        (self.defects, self.named)
    }
}

/// What records name outside of the journal.
#[derive(Default)]
pub(super) struct Named {
    /// Blob → the first line that names it, and whether it is a facts document.
    blobs: BTreeMap<String, (usize, bool)>,
    /// The plan's digest.
    pub(super) plan: Option<String>,
    /// Of each approval of a plan: its line, the plan's digest, the key's fingerprint.
    pub(super) approvals: Vec<(usize, String, String)>,
}

impl Named {
    fn take(&mut self, line: usize, record: &Record) {
        match &record.event {
            Event::RunStarted { plan, .. } => self.plan = self.plan.take().or_else(|| plan.clone()),
            Event::Facts { blob, .. } => {
                self.blobs.entry(blob.clone()).or_insert((line, true)).1 = true;
            }
            Event::StepOutcome { stdout, stderr, .. } => {
                for blob in [&stdout.blob, &stderr.blob].into_iter().flatten() {
                    self.blobs.entry(blob.clone()).or_insert((line, false));
                }
            }
            event => {
                if let Some((plan, key)) = decided(event) {
                    self.approvals.push((line, plan.to_owned(), key.to_owned()));
                }
            }
        }
    }

    /// Looks at every blob, on all processors: a large run has tens of thousands.
    pub(super) fn check_blobs(&self, dir: &Path, defects: &mut Vec<Defect>) {
        let check = |(sha, (line, facts)): (&String, &(usize, bool))| check_blob(dir, sha, *line, *facts);
        let found: Vec<Option<Defect>> = self.blobs.par_iter().map(check).collect();
        defects.extend(found.into_iter().flatten());
        self.check_unnamed(dir, defects);
    }

    fn check_unnamed(&self, dir: &Path, defects: &mut Vec<Defect>) {
        // A missing directory is told blob by blob.
        let Ok(entries) = std::fs::read_dir(dir.join(OUTPUT_DIR)) else { return };
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        for name in names.into_iter().filter(|name| !self.blobs.contains_key(name)) {
            let altered = if is_sha256_hex(&name) { check_blob(dir, &name, 0, false) } else { None };
            defects.push(altered.unwrap_or(Defect::BlobUnnamed { name }));
        }
    }
}

fn check_blob(dir: &Path, sha: &str, line: usize, facts: bool) -> Option<Defect> {
    if !is_sha256_hex(sha) {
        return Some(Defect::BlobName { line, name: sha.to_owned() });
    }
    let sha = sha.to_owned();
    let bytes = match read_regular(&dir.join(OUTPUT_DIR).join(&sha)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Some(Defect::BlobMissing { sha, line });
        }
        Err(error) => return Some(Defect::BlobUnreadable { sha, reason: error.to_string() }),
    };
    let found = sha256_hex(&[&bytes]);
    if found != sha {
        return Some(Defect::BlobAltered { sha, found });
    }
    if facts && let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes) {
        return Some(Defect::BlobUndecodable { sha, line, reason: error.to_string() });
    }
    None
}

/// The plan's bytes, or why they are not what the run was begun with.
pub(super) fn read_plan(dir: &Path, expected: &str) -> Result<Vec<u8>, Defect> {
    let expected = expected.to_owned();
    let bytes = read_regular(&dir.join(PLAN_FILE)).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Defect::PlanMissing { expected: expected.clone() },
        _ => Defect::PlanUnreadable { reason: error.to_string() },
    })?;
    let found = sha256_hex(&[&bytes]);
    if found == expected { Ok(bytes) } else { Err(Defect::PlanAltered { expected, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_in_place_of_a_file_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let sha = "ab".repeat(32);
        std::fs::create_dir(dir.path().join(OUTPUT_DIR)).unwrap();
        for path in [dir.path().join(OUTPUT_DIR).join(&sha), dir.path().join(PLAN_FILE)] {
            assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
        }
        let blob = check_blob(dir.path(), &sha, 1, false);
        assert!(matches!(blob, Some(Defect::BlobUnreadable { .. })), "{blob:?}");
        let plan = read_plan(dir.path(), &sha);
        assert!(matches!(plan, Err(Defect::PlanUnreadable { .. })), "{plan:?}");
    }
}
