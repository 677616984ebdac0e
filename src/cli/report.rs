//! `report` and `runs show`: a run as its journal tells it.

use super::args::ReportArguments;
use super::campaign;
use super::compare::read_all;
use super::error::CliError;
use super::evidence::read_report;
use super::output::write_report_of;
use super::scope;
use crate::model::ExitCode;

/// Runs `report`. Exits as the run did, 3 where it is broken, with a report or without; a campaign by what is
/// left.
pub fn run(arguments: &ReportArguments) -> Result<ExitCode, CliError> {
    let [which] = arguments.run.as_slice() else { return campaign::run(arguments) };
    if campaign::is_asked(arguments) {
        return campaign::run(arguments);
    }
    let given = scope::read(&arguments.scope)?;
    let (dir, mut report) = read_report(arguments.runs.as_deref(), which, &arguments.reading)?;
    if !given.is_empty() {
        report.rejudge(given);
        scope::warn(&report);
    }
    if !arguments.against.is_empty() {
        report.compare_with(&read_all(arguments.runs.as_deref(), &arguments.against, &arguments.reading)?)?;
    }
    write_report_of(&report, &dir, &arguments.output)?;
    Ok(report.exit_code())
}
