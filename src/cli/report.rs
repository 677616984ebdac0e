//! `report` and `runs show`: a run as its journal tells it.

use super::args::ReportArguments;
use super::error::CliError;
use super::output::write_report_of;
use super::run_log::runs_dir;
use crate::journal;
use crate::model::ExitCode;
use crate::report::ReportBuilder;

/// Runs `report`. Exits as the run did.
pub fn run(arguments: &ReportArguments) -> Result<ExitCode, CliError> {
    let dir = journal::find(&runs_dir(arguments.runs.as_deref()), &arguments.run)?;
    let mut builder = ReportBuilder::default();
    journal::read_each(&dir, &mut |record| builder.take(record).map_err(CliError::from))?;
    let report = builder.finish()?;
    write_report_of(&report, &dir, &arguments.output)?;
    Ok(report.exit_code())
}
