//! Every defect of a run on disk.

use super::chain::{is_sha256_hex, sha256_hex};
use super::defect::Defect;
use super::grammar::Grammar;
use super::reader::scan;
use super::{JournalError, OUTPUT_DIR, PLAN_FILE};
use crate::model::{Event, Record};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// Checks a run on disk: chain, records, the grammar of events, blobs, and the plan. Returns every
/// defect, those of the journal first, in the order of its lines. A run that is not finished is told
/// as [`Defect::Unfinished`], which is not broken (see [`Defect::is_broken`]).
///
/// # Errors
/// When it is no run, its journal cannot be read, or it was written by a newer uproot.
pub fn verify(dir: &Path) -> Result<Vec<Defect>, JournalError> {
    let mut defects = Vec::new();
    let mut grammar = Grammar::default();
    let mut named = Named::default();
    let mut count = 0;
    let finished = scan(dir, &mut |scanned| {
        count += usize::from(scanned.record.is_some());
        defects.extend(scanned.defects);
        if let Some(record) = scanned.record {
            grammar.take(scanned.line, &record, &mut defects);
            named.take(scanned.line, &record);
        }
        Ok(())
    })?;
    grammar.finish(finished, &mut defects);
    if !finished {
        defects.push(Defect::Unfinished { records: count });
    }
    named.check(dir, &mut defects);
    Ok(defects)
}

/// What records name outside of the journal.
#[derive(Default)]
struct Named {
    /// Blob → the first line that names it, and whether it is a facts document.
    blobs: BTreeMap<String, (usize, bool)>,
    plan: Option<String>,
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
            _ => {}
        }
    }

    fn check(&self, dir: &Path, defects: &mut Vec<Defect>) {
        for (sha, (line, facts)) in &self.blobs {
            defects.extend(check_blob(dir, sha, *line, *facts));
        }
        self.check_unnamed(dir, defects);
        defects.extend(self.plan.as_deref().and_then(|expected| check_plan(dir, expected)));
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
    let bytes = match std::fs::read(dir.join(OUTPUT_DIR).join(&sha)) {
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

fn check_plan(dir: &Path, expected: &str) -> Option<Defect> {
    let expected = expected.to_owned();
    match std::fs::read(dir.join(PLAN_FILE)) {
        Ok(bytes) => {
            let found = sha256_hex(&[&bytes]);
            (found != expected).then_some(Defect::PlanAltered { expected, found })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Some(Defect::PlanMissing { expected }),
        Err(error) => Some(Defect::PlanUnreadable { reason: error.to_string() }),
    }
}
