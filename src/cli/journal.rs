//! `journal verify` and `runs list`.

use super::args::Format;
use super::error::CliError;
use super::output::print_bytes;
use super::run_log::runs_dir;
use crate::journal::{self, RunSummary};
use crate::model::ExitCode;
use crate::model::output::escape_line;
use serde_json::json;
use std::path::Path;

/// Runs `journal verify`: exit 0 when nothing is wrong, 3 otherwise.
pub fn verify(run: &str, runs: Option<&Path>) -> Result<ExitCode, CliError> {
    let dir = journal::find(&runs_dir(runs), run)?;
    let defects = journal::verify(&dir)?;
    if defects.is_empty() {
        print_bytes(format!("{}: chain, blobs and plan are whole\n", dir.display()).as_bytes())?;
        return Ok(ExitCode::Success);
    }
    let mut text = String::new();
    for defect in &defects {
        text.push_str(&escape_line(&defect.to_string()));
        text.push('\n');
    }
    text.push_str(&format!("{}: {} defect(s)\n", dir.display(), defects.len()));
    print_bytes(text.as_bytes())?;
    Ok(ExitCode::CannotVouch)
}

/// Runs `runs list`.
pub fn list(runs: Option<&Path>, format: Format) -> Result<ExitCode, CliError> {
    let dir = runs_dir(runs);
    let runs = journal::list(&dir)?;
    let text = match format {
        Format::Json => as_json(&runs),
        Format::Table if runs.is_empty() => format!("no runs in {}\n", dir.display()),
        Format::Table => runs.iter().map(line).collect(),
    };
    print_bytes(text.as_bytes())?;
    Ok(ExitCode::Success)
}

fn line(run: &RunSummary) -> String {
    if let Some(problem) = &run.problem {
        return format!("{}  cannot be read: {}\n", escape_line(&run.id), escape_line(problem));
    }
    let started = run.started.map_or_else(String::new, |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string());
    let state = match (run.exit, run.running) {
        (Some(exit), _) => format!("exit {}", exit.code()),
        (None, true) => "running".to_owned(),
        (None, false) => "unfinished".to_owned(),
    };
    let counts: Vec<String> = run.summary.iter().map(|(state, count)| format!("{count} {state}")).collect();
    format!("{}  {started}  {:8}  {state:10}  {}\n", run.id, escape_line(&run.verb), counts.join(", "))
}

fn as_json(runs: &[RunSummary]) -> String {
    let runs: Vec<_> = runs
        .iter()
        .map(|run| {
            json!({
                "run": run.id, "verb": run.verb, "started": run.started, "ended": run.ended,
                "finished": run.finished, "running": run.running, "hosts": run.hosts,
                "summary": run.summary, "exit": run.exit.map(ExitCode::code), "problem": run.problem,
            })
        })
        .collect();
    format!("{}\n", serde_json::to_string_pretty(&json!({"uproot": 1, "runs": runs})).unwrap_or_default())
}
