//! `journal verify` and `runs list`.

use super::args::{ListFormat, VerifyJournalArguments};
use super::error::CliError;
use super::evidence::{read_signers, remarks, seal_lines};
use super::output::print_bytes;
use super::run_log::runs_dir;
use crate::journal::{self, Audit, Defect, RunSummary, Signer};
use crate::model::ExitCode;
use crate::model::output::escape_line;
use jiff::Timestamp;
use serde_json::json;
use std::path::Path;

/// Runs `journal verify`: exit 0 when the run is whole, has its end (or was stopped), and is sealed by as many
/// persons as are asked for; 3 otherwise. A blob that no record names is told, but is what every controller may
/// leave that died before its run was resumed.
pub fn verify(arguments: &VerifyJournalArguments) -> Result<ExitCode, CliError> {
    let dir = journal::find(&runs_dir(arguments.runs.as_deref()), &arguments.run)?;
    let signers = read_signers(arguments.allowed_signers.as_deref())?;
    let audit = journal::audit(&dir, signers.as_ref(), Timestamp::now())?;
    let missing = arguments.require_seal.filter(|needed| audit.sealed_by < usize::from(*needed));
    let text = if arguments.format == ListFormat::Json {
        verified_as_json(&audit, arguments.require_seal)
    } else {
        verified_as_text(&audit, missing)
    };
    print_bytes(text.as_bytes())?;
    let is_good = is_whole(&audit) && missing.is_none();
    Ok(if is_good { ExitCode::Success } else { ExitCode::CannotVouch })
}

/// Whether nothing is missing of it. A run that was stopped is whole: there only is more to be done.
fn is_whole(audit: &Audit) -> bool {
    let is_harmless = |defect: &Defect| {
        let is_end = matches!(defect, Defect::Unfinished { .. } | Defect::Torn { .. });
        !defect.is_broken() && !is_end
    };
    audit.defects.iter().all(is_harmless)
}

fn verified_as_text(audit: &Audit, missing: Option<u16>) -> String {
    let mut lines: Vec<String> = audit.defects.iter().map(ToString::to_string).collect();
    lines.extend(audit.seals.iter().flat_map(|seal| seal_lines(seal, audit.records)));
    lines.extend(audit.approvals.iter().map(approval_line));
    lines.extend(remarks(audit).into_iter().map(|remark| format!("note: {remark}")));
    let dir = audit.run.dir.display();
    if let Some(needed) = missing {
        lines.push(format!(
            "{dir}: all records must be sealed by {needed} different person(s), and {} sealed them",
            audit.sealed_by
        ));
    }
    lines.push(match (is_whole(audit), audit.defects.len()) {
        (true, _) if audit.seals.is_empty() => format!("{dir}: chain, blobs and plan are whole"),
        (true, _) => format!("{dir}: chain, blobs, plan and seals are whole"),
        (false, count) => format!("{dir}: {count} defect(s)"),
    });
    lines.iter().map(|line| escape_line(line) + "\n").collect()
}

fn approval_line(signer: &Signer) -> String {
    match &signer.by {
        Ok(principal) => {
            format!("{}: approves the plan; by {principal} with key {}", signer.file, signer.fingerprint)
        }
        Err(reason) => format!("{}: approves the plan; {reason}", signer.file),
    }
}

fn verified_as_json(audit: &Audit, required: Option<u16>) -> String {
    let signer = |signer: &Signer| {
        json!({
            "file": signer.file, "key": signer.fingerprint,
            "principal": signer.by.as_ref().ok(), "reason": signer.by.as_ref().err(),
        })
    };
    let signers = |list: &[Signer]| list.iter().map(signer).collect::<Vec<_>>();
    let defects = audit.defects.iter().map(|defect| {
        json!({
            "defect": defect.to_string(), "line": defect.line(), "broken": defect.is_broken(),
            "remedy": defect.remedy(),
        })
    });
    let seals = audit.seals.iter().map(|seal| {
        json!({
            "file": seal.file, "records": seal.records, "state": seal.state.word(),
            "covers_all": seal.records == audit.records, "signatures": signers(&seal.signers),
        })
    });
    let value = json!({
        "uproot": 1, "run": audit.run.id, "directory": audit.run.dir.to_string_lossy(),
        "broken": audit.is_broken(), "whole": is_whole(audit), "records": audit.records, "head": audit.head,
        "state": audit.state.word(), "defects": defects.collect::<Vec<_>>(),
        "seals": seals.collect::<Vec<_>>(), "sealed_by": audit.sealed_by, "required_seals": required,
        "approvals": signers(&audit.approvals), "remarks": remarks(audit),
    });
    format!("{}\n", serde_json::to_string_pretty(&value).unwrap_or_default())
}

/// Runs `runs list`.
pub fn list(runs: Option<&Path>, format: ListFormat) -> Result<ExitCode, CliError> {
    let dir = runs_dir(runs);
    let runs = journal::list(&dir)?;
    let text = match format {
        ListFormat::Json => as_json(&runs),
        ListFormat::Table if runs.is_empty() => {
            format!("no runs in {}\n", escape_line(&dir.to_string_lossy()))
        }
        ListFormat::Table => runs.iter().map(line).collect(),
    };
    print_bytes(text.as_bytes())?;
    Ok(ExitCode::Success)
}

fn line(run: &RunSummary) -> String {
    if let Some(problem) = &run.problem {
        return format!("{}  cannot be read: {}\n", escape_line(&run.id), escape_line(problem));
    }
    let started = run.started.map_or_else(String::new, |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string());
    let resumable = if run.is_resumable() { " (resumable)" } else { "" };
    let state = match run.exit {
        _ if run.running => "running".to_owned(),
        _ if run.stopped => format!("stopped{resumable}"),
        Some(exit) => format!("exit {}", exit.code()),
        None => format!("unfinished{resumable}"),
    };
    let counts: Vec<String> = run.summary.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let (id, verb, counts) = (escape_line(&run.id), escape_line(&run.verb), counts.join(", "));
    format!("{id}  {started}  {verb:8}  {state:22}  {counts}").trim_end().to_owned() + "\n"
}

fn as_json(runs: &[RunSummary]) -> String {
    let runs: Vec<_> = runs
        .iter()
        .map(|run| {
            json!({
                "run": run.id, "verb": run.verb, "started": run.started, "ended": run.ended,
                "finished": run.finished, "running": run.running, "stopped": run.stopped,
                "stopped_because": run.reason, "resumable": run.is_resumable(), "hosts": run.hosts,
                "summary": run.summary, "exit": run.exit.map(ExitCode::code), "problem": run.problem,
            })
        })
        .collect();
    format!("{}\n", serde_json::to_string_pretty(&json!({"uproot": 1, "runs": runs})).unwrap_or_default())
}
