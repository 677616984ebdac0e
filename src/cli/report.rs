//! `report` and `runs show`: a run as its journal tells it.

use super::args::ReportArguments;
use super::error::CliError;
use super::evidence::read_report;
use super::output::write_report_of;
use super::scope;
use crate::model::ExitCode;

/// Runs `report`. Exits as the run did; 3 where the run is broken, with a report or without.
pub fn run(arguments: &ReportArguments) -> Result<ExitCode, CliError> {
    let given = scope::read(&arguments.scope)?;
    let (dir, mut report) = read_report(arguments.runs.as_deref(), &arguments.run, &arguments.reading)?;
    if !given.is_empty() {
        report.rejudge(given);
        scope::warn(&report);
    }
    write_report_of(&report, &dir, &arguments.output)?;
    Ok(report.exit_code())
}
