//! The whole check of a run on disk: chain, records, blobs, plan, seals and approvals, with the records that can
//! be trusted.

use super::defect::Defect;
use super::reader::{Run, Scanned, open, scan};
use super::seal::{Mark, PURPOSE, RunState, SealFile, SealProblem, read_seals};
use super::verify::{Lines, Named, read_plan};
use super::{JOURNAL_FILE, JournalError, PLAN_FILE};
use crate::model::Record;
use crate::plan::approval;
use crate::signature::{self, AllowedSigners, Purpose, Signatures};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::Path;

/// A run that was checked whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// The run with the records that are whole: of a broken journal those before the first break.
    pub run: Run,
    /// Every defect: those of the journal first, in the order of its lines. Not each of them makes the run broken.
    pub defects: Vec<Defect>,
    /// How many lines the journal has, but for a torn one.
    pub records: u64,
    /// The hash that the last of them states; empty where it states none.
    pub head: String,
    /// How the records end.
    pub state: RunState,
    /// The seals that hold, by the records that they seal.
    pub seals: Vec<Seal>,
    /// Who signed the plan that is kept with the run.
    pub approvals: Vec<Signer>,
    /// How many different persons of the allowed signers sealed all records that there are.
    pub sealed_by: usize,
}

impl Audit {
    /// The defects for which the run cannot be trusted; none: it is whole.
    pub fn broken(&self) -> impl Iterator<Item = &Defect> {
        self.defects.iter().filter(|defect| defect.is_broken())
    }

    /// Whether the run cannot be trusted.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken().next().is_some()
    }
}

/// A seal that holds: the run's first records are those that were sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Its file.
    pub file: String,
    /// How many records it seals.
    pub records: u64,
    /// How these records end.
    pub state: RunState,
    /// Who signed it, by file.
    pub signers: Vec<Signer>,
}

/// A signature that holds, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The signature's file.
    pub file: String,
    /// The key's fingerprint, `SHA256:…`.
    pub fingerprint: String,
    /// The principal, where the allowed signers vouch for the key; else why they do not.
    pub by: Result<String, String>,
}

/// Checks a run on disk. `signers`: who is known, where that was given; `at`: the moment at which their keys' time
/// of validity is judged.
///
/// # Errors
/// When it is no run, its journal cannot be read, or it was written by a newer uproot.
pub fn audit(dir: &Path, signers: Option<&AllowedSigners>, at: Timestamp) -> Result<Audit, JournalError> {
    let mut records = Vec::new();
    let mut audit = audit_each(dir, signers, at, &mut |record| records.push(record))?;
    audit.run.records = records;
    Ok(audit)
}

/// As [`audit`], and hands the records to `take` one by one instead of keeping them.
///
/// # Errors
/// As [`audit`].
pub fn audit_each(
    dir: &Path,
    signers: Option<&AllowedSigners>,
    at: Timestamp,
    take: &mut dyn FnMut(Record),
) -> Result<Audit, JournalError> {
    open(dir, &dir.join(JOURNAL_FILE))?;
    // Before the journal: a run that is at work only gets more records than were sealed.
    let files = read_seals(dir)?;
    let mut reading = Reading::wanting(&files);
    let scanned = scan(dir, &mut |line| {
        reading.take(dir, line, take);
        Ok(())
    })?;
    let Reading { lines, run, mark, count, marks } = reading;
    let (mut defects, named) = lines.finish(&scanned);
    named.check_blobs(dir, &mut defects);
    let has_records = run.is_some();
    let run = run.unwrap_or_else(|| Run::begun_by(dir, None));
    let signing = Signing { dir, signers, at };
    let approvals = signing.approvals(&named, &mut defects);
    let mut seals = Vec::new();
    let mut sealed_by = 0;
    for file in &files {
        let id = has_records.then_some(run.id.as_str());
        let Some((seal, persons)) = signing.seal(file, id, count, &marks, &mut defects) else { continue };
        if seal.records == count {
            sealed_by = sealed_by.max(persons);
        }
        seals.push(seal);
    }
    let Mark { head, state } = mark;
    Ok(Audit { run, defects, records: count, head, state, seals, approvals, sealed_by })
}

/// A journal as far as it is read.
struct Reading {
    lines: Lines,
    /// What the whole records before the first break say of the run, without them; none: there is none.
    run: Option<Run>,
    mark: Mark,
    count: u64,
    /// Where the journal stands after as many records as a seal has; none: it has not so many.
    marks: BTreeMap<u64, Option<Mark>>,
}

impl Reading {
    fn wanting(seals: &[SealFile]) -> Self {
        let wanted = seals.iter().filter_map(|seal| seal.text.as_ref().ok()).map(|text| (text.records, None));
        let mut reading = Self {
            lines: Lines::default(),
            run: None,
            mark: Mark::default(),
            count: 0,
            marks: wanted.collect(),
        };
        reading.note();
        reading
    }

    fn take(&mut self, dir: &Path, mut line: Scanned, take: &mut dyn FnMut(Record)) {
        let is_torn = line.defects.iter().any(|defect| matches!(defect, Defect::Torn { .. }));
        if !is_torn {
            self.count += 1;
            self.mark.head = line.hash.take().unwrap_or_default();
            self.mark.state = line
                .record
                .as_ref()
                .map_or(RunState::Unfinished, |record| self.mark.state.after(&record.event));
            self.note();
        }
        if let Some(record) = self.lines.take(line) {
            self.run.get_or_insert_with(|| Run::begun_by(dir, Some(&record))).tell(&record);
            take(record);
        }
    }

    fn note(&mut self) {
        if let Some(mark) = self.marks.get_mut(&self.count) {
            *mark = Some(self.mark.clone());
        }
    }
}

/// What signatures are judged by.
struct Signing<'a> {
    dir: &'a Path,
    signers: Option<&'a AllowedSigners>,
    at: Timestamp,
}

impl Signing<'_> {
    /// Who signed the plan; what does not hold is a defect. Of a plan that is not the run's nothing is said.
    fn approvals(&self, named: &Named, defects: &mut Vec<Defect>) -> Vec<Signer> {
        let Some(digest) = &named.plan else { return Vec::new() };
        let bytes = match read_plan(self.dir, digest) {
            Ok(bytes) => bytes,
            Err(defect) => {
                defects.push(defect);
                return Vec::new();
            }
        };
        let (signers, refused, _) = match self.check(PLAN_FILE, &bytes, approval::PURPOSE) {
            Ok(found) => found,
            Err(reason) => {
                defects.push(Defect::Approval { file: PLAN_FILE.to_owned(), reason });
                return Vec::new();
            }
        };
        let broken = |(file, reason)| Defect::Approval { file, reason };
        defects.extend(refused.into_iter().map(broken));
        for (line, plan, key) in &named.approvals {
            if plan != digest || signers.iter().all(|signer| signer.fingerprint != *key) {
                defects.push(Defect::ApprovalMissing { line: *line, key: key.clone() });
            }
        }
        signers
    }

    /// The seal, if it holds, and how many persons signed it. `run`: the run's id, where it is known.
    fn seal(
        &self,
        file: &SealFile,
        run: Option<&str>,
        count: u64,
        marks: &BTreeMap<u64, Option<Mark>>,
        defects: &mut Vec<Defect>,
    ) -> Option<(Seal, usize)> {
        let mut defect = |file: &str, problem| defects.push(Defect::Seal { file: file.to_owned(), problem });
        let name = &file.name;
        let problem = match &file.text {
            Err(problem) => Some(problem.clone()),
            Ok(text) => {
                let mark = marks.get(&text.records).and_then(Option::as_ref);
                text.against(run.unwrap_or(&text.run), count, mark)
            }
        };
        let is_there = !matches!(problem, Some(SealProblem::Missing { .. } | SealProblem::Unreadable(_)));
        let holds = problem.is_none();
        if let Some(problem) = problem {
            defect(name, problem);
        }
        let checked = if is_there { self.check(name, &file.bytes, PURPOSE) } else { Ok(Default::default()) };
        let (signers, refused, persons) = checked.unwrap_or_else(|reason| {
            defect(name, SealProblem::Signature(reason));
            Default::default()
        });
        if holds && signers.is_empty() && refused.is_empty() {
            defect(name, SealProblem::Unsigned);
        }
        for (file, reason) in refused {
            defect(&file, SealProblem::Signature(reason));
        }
        let text = file.text.as_ref().ok().filter(|_| holds)?;
        Some((Seal { file: name.clone(), records: text.records, state: text.state, signers }, persons))
    }

    /// The signatures beside a file of the run: those that hold, those that do not with their reasons, and how
    /// many persons the former are.
    fn check(&self, name: &str, bytes: &[u8], purpose: Purpose) -> Result<Checked, String> {
        let found = signature::check(&self.dir.join(name), bytes, purpose, self.signers, self.at);
        let Signatures { valid, persons, refused } = found.map_err(|error| error.to_string())?;
        let named = |file: &Path| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut signers: Vec<Signer> = valid
            .into_iter()
            .map(|valid| Signer {
                file: named(&valid.file),
                fingerprint: valid.fingerprint,
                by: Ok(valid.principal),
            })
            .collect();
        let mut broken = Vec::new();
        for refused in refused {
            let file = named(&refused.file);
            match refused.fits_by {
                Some(fingerprint) => signers.push(Signer { file, fingerprint, by: Err(refused.reason) }),
                None => broken.push((file, refused.reason)),
            }
        }
        signers.sort_by(|a, b| a.file.cmp(&b.file));
        Ok((signers, broken, persons))
    }
}

/// Signatures that hold; files that are none, with the reasons; how many persons the former are.
type Checked = (Vec<Signer>, Vec<(String, String)>, usize);
