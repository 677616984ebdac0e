//! Runs as evidence: checked whole before anything is said of them.

use super::args::ReadingArguments;
use super::error::CliError;
use super::run_log::runs_dir;
use crate::journal::{self, Audit, Defect, Seal};
use crate::model::output::{escape_line, shell_word};
use crate::report::{JournalCheck, Report, ReportBuilder};
use crate::signature::AllowedSigners;
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// So many defects are shown where a run is refused.
const MOST_DEFECTS: usize = 5;

/// The report of a run, with its directory. The whole run is checked first: chain, blobs, plan, seals and
/// approvals. A broken one is refused, unless the options ask for it: then the report is of the records before
/// the first break, and says so. `which` is what `journal::find` takes.
pub fn read_report(
    runs: Option<&Path>,
    which: &str,
    reading: &ReadingArguments,
) -> Result<(PathBuf, Report), CliError> {
    let dir = journal::find(&runs_dir(runs), which)?;
    let signers = read_signers(reading.allowed_signers.as_deref())?;
    let mut builder = ReportBuilder::default();
    let (mut count, mut refused) = (0_usize, None);
    let audit = journal::audit_each(&dir, signers.as_ref(), Timestamp::now(), &mut |record| {
        count += 1;
        if refused.is_none() {
            refused = builder.take(record).err();
        }
    })?;
    if audit.is_broken() && !reading.even_if_broken {
        let more = "`--even-if-broken` reports the records before the first break";
        return Err(refusal(&dir, &audit, "no report is made of it", more));
    }
    if audit.is_broken() && count == 0 {
        return Err(refusal(&dir, &audit, "not one record before the first break is whole", ""));
    }
    if let Some(error) = refused {
        return Err(error.into());
    }
    let mut report = builder.finish()?;
    // Nothing goes on with records that were altered.
    report.resumable &= !audit.is_broken();
    report.check = Some(check_of(&audit));
    Ok((dir, report))
}

/// The allowed signers of a file, where one was given.
pub fn read_signers(file: Option<&Path>) -> Result<Option<AllowedSigners>, CliError> {
    Ok(file.map(AllowedSigners::read).transpose()?)
}

/// Why nothing is done with a broken run: `so` says what, `more` what else can be done.
pub fn refusal(dir: &Path, audit: &Audit, so: &str, more: &str) -> CliError {
    let defects: Vec<&Defect> = audit.broken().collect();
    let name = escape_line(&dir.to_string_lossy());
    let mut message = format!("the run in `{name}` is broken: {so}");
    for defect in defects.iter().take(MOST_DEFECTS) {
        message.push_str(&format!("\n  {}", escape_line(&defect.to_string())));
    }
    if let Some(left) = defects.len().checked_sub(MOST_DEFECTS).filter(|left| *left > 0) {
        message.push_str(&format!("\n  and {left} more"));
    }
    let remedy = defects.first().map(|defect| defect.remedy()).unwrap_or_default();
    let word = shell_word(&std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()).to_string_lossy());
    let mut help = format!("{remedy}; `uproot journal verify {}` lists every defect", escape_line(&word));
    if !more.is_empty() {
        help.push_str(&format!("; {more}"));
    }
    CliError::Broken { message, help }
}

/// What a report says of the check.
fn check_of(audit: &Audit) -> JournalCheck {
    let mut remarks = remarks(audit);
    // How the run ended, every report says by itself.
    let told = |defect: &&Defect| {
        !defect.is_broken() && !matches!(defect, Defect::Unfinished { .. } | Defect::Stopped { .. })
    };
    remarks.extend(audit.defects.iter().filter(told).map(ToString::to_string));
    JournalCheck {
        defects: audit.broken().map(ToString::to_string).collect(),
        seals: audit.seals.iter().flat_map(|seal| seal_lines(seal, audit.records)).collect(),
        remarks,
    }
}

/// Who signed a seal, a line for each signature. `records`: how many the run has.
pub fn seal_lines(seal: &Seal, records: u64) -> Vec<String> {
    let what = if seal.records == records {
        format!("all {records} records")
    } else {
        format!("the first {} of {records} records", seal.records)
    };
    let line = |signer: &journal::Signer| {
        let by = match &signer.by {
            Ok(principal) => format!("by {principal} with key {}", signer.fingerprint),
            Err(reason) => reason.clone(),
        };
        format!("{}: seals {what} ({}); {by}", signer.file, seal.state)
    };
    seal.signers.iter().map(line).collect()
}

/// What is to be known of a run's seals besides.
pub fn remarks(audit: &Audit) -> Vec<String> {
    let signed = audit.seals.iter().filter(|seal| !seal.signers.is_empty());
    let again = "`uproot journal seal` seals them";
    match signed.map(|seal| seal.records).max() {
        None => vec!["not sealed".to_owned()],
        Some(sealed) if sealed < audit.records => vec![format!(
            "only the first {sealed} of {} records are sealed, the run went on after that: {again}",
            audit.records
        )],
        Some(_) => Vec::new(),
    }
}
