//! `journal verify` and `runs list`.

use super::args::ListFormat;
use super::error::CliError;
use super::output::print_bytes;
use super::run_log::runs_dir;
use crate::journal::{self, Defect, RunSummary};
use crate::model::ExitCode;
use crate::model::output::escape_line;
use serde_json::json;
use std::path::Path;

/// Runs `journal verify`: exit 0 when the run is whole and has its end, 3 otherwise. A blob that no record
/// names is told, but is what every controller may leave that died before its run was resumed.
pub fn verify(run: &str, runs: Option<&Path>) -> Result<ExitCode, CliError> {
    let dir = journal::find(&runs_dir(runs), run)?;
    let defects = journal::verify(&dir)?;
    let mut text = String::new();
    for defect in &defects {
        text.push_str(&escape_line(&defect.to_string()));
        text.push('\n');
    }
    let dir = escape_line(&dir.display().to_string());
    // A run that was stopped is whole: there only is more to be done.
    let is_whole =
        defects.iter().all(|defect| matches!(defect, Defect::BlobUnnamed { .. } | Defect::Stopped { .. }));
    text.push_str(&match (is_whole, defects.len()) {
        (true, _) => format!("{dir}: chain, blobs and plan are whole\n"),
        (false, count) => format!("{dir}: {count} defect(s)\n"),
    });
    print_bytes(text.as_bytes())?;
    Ok(if is_whole { ExitCode::Success } else { ExitCode::CannotVouch })
}

/// Runs `runs list`.
pub fn list(runs: Option<&Path>, format: ListFormat) -> Result<ExitCode, CliError> {
    let dir = runs_dir(runs);
    let runs = journal::list(&dir)?;
    let text = match format {
        ListFormat::Json => as_json(&runs),
        ListFormat::Table if runs.is_empty() => format!("no runs in {}\n", dir.display()),
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
