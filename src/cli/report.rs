//! `report` and `runs show`: a run as its journal tells it.

use super::args::ReportArguments;
use super::error::CliError;
use super::output::write_report_of;
use super::run_log::runs_dir;
use super::scope;
use crate::journal;
use crate::model::ExitCode;
use crate::report::Report;

/// Runs `report`. Exits as the run did.
pub fn run(arguments: &ReportArguments) -> Result<ExitCode, CliError> {
    let given = scope::read(&arguments.scope)?;
    let dir = journal::find(&runs_dir(arguments.runs.as_deref()), &arguments.run)?;
    let mut report = Report::from_records(&journal::read(&dir)?.records)?;
    if !given.is_empty() {
        report.rejudge(given);
        scope::warn(&report);
    }
    write_report_of(&report, &dir, &arguments.output)?;
    Ok(report.exit_code())
}
