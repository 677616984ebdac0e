//! `journal seal`.

use super::args::SealArguments;
use super::ask::ask;
use super::error::CliError;
use super::evidence::{refusal, seal_lines};
use super::output::print_bytes;
use super::run_log::runs_dir;
use super::secrets;
use crate::journal::{self, Audit, SEAL_PURPOSE, SealDraft};
use crate::model::ExitCode;
use crate::model::output::escape_line;
use crate::report::Report;
use crate::signature::{self, Saved};
use jiff::Timestamp;

/// Runs `journal seal`: shows what would be sealed, asks, signs, and writes the seal beside the journal. A run that
/// is broken, or that a process writes, is refused.
pub fn run(arguments: &SealArguments) -> Result<ExitCode, CliError> {
    let dir = journal::find(&runs_dir(arguments.runs.as_deref()), &arguments.run)?;
    let _held = journal::hold_still(&dir)?;
    let audit = journal::audit(&dir, None, Timestamp::now())?;
    if audit.is_broken() {
        return Err(refusal(&dir, &audit, "it is not sealed", ""));
    }
    let draft = SealDraft::new(&audit)?;
    tell!("{}", summary(&audit)?);
    if !arguments.yes {
        ask("Seal this run?", "not sealed; nothing was signed")?;
    }
    let signature = match &arguments.key {
        Some(key) => signature::sign_with_file(draft.bytes(), SEAL_PURPOSE, key, &mut secrets::passphrase)?,
        None => signature::sign_with_agent(draft.bytes(), SEAL_PURPOSE)?,
    };
    let (how, file) = match draft.save(&signature)? {
        Saved::Written(file) => ("sealed", file),
        Saved::AlreadyThere(file) => ("was sealed already", file),
    };
    let file = escape_line(&file.to_string_lossy());
    let records = audit.records;
    print_bytes(format!("{how} by {}, {records} records: {file}\n", signature.fingerprint()).as_bytes())?;
    Ok(ExitCode::Success)
}

/// What one seals, in short.
fn summary(audit: &Audit) -> Result<String, CliError> {
    let report = Report::from_records(&audit.run.records)?;
    let counts: Vec<String> =
        report.summary.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let mut text = format!(
        "Run {}\n`{}` of {} by {}\n{} host(s): {}\n{} records, {}; the last has the hash {}",
        escape_line(&audit.run.id),
        escape_line(&report.verb),
        report.started.strftime("%Y-%m-%d %H:%M:%S UTC"),
        escape_line(&report.operator),
        report.hosts.len(),
        counts.join(", "),
        audit.records,
        audit.state,
        audit.head,
    );
    for line in audit.seals.iter().flat_map(|seal| seal_lines(seal, audit.records)) {
        text.push_str(&format!("\n{}", escape_line(&line)));
    }
    Ok(text)
}
