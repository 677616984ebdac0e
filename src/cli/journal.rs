//! `journal verify` and `runs list`.

use super::args::Format;
use super::error::CliError;
use super::output::print_bytes;
use super::run_log::runs_dir;
use crate::journal;
use crate::model::ExitCode;
use crate::model::output::escape_line;
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
        Format::Json => journal::list_json(&runs),
        Format::Table if runs.is_empty() => format!("no runs in {}\n", dir.display()),
        Format::Table => runs.iter().map(|run| format!("{run}\n")).collect(),
    };
    print_bytes(text.as_bytes())?;
    Ok(ExitCode::Success)
}
