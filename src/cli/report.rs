//! `report` and `runs show`: a run as its journal tells it.

use super::args::ReportArguments;
use super::campaign;
use super::compare::read_all;
use super::error::CliError;
use super::output::write_report_of;
use super::run_log::runs_dir;
use crate::journal;
use crate::model::ExitCode;
use crate::report::Report;
use std::path::{Path, PathBuf};

/// Runs `report`. Exits as the run did; a campaign by what is left.
pub fn run(arguments: &ReportArguments) -> Result<ExitCode, CliError> {
    let [which] = arguments.run.as_slice() else { return campaign::run(arguments) };
    if campaign::is_asked(arguments) {
        return campaign::run(arguments);
    }
    let (mut report, dir) = read_report(arguments.runs.as_deref(), which)?;
    if !arguments.against.is_empty() {
        report.compare_with(&read_all(arguments.runs.as_deref(), &arguments.against)?)?;
    }
    write_report_of(&report, &dir, &arguments.output)?;
    Ok(report.exit_code())
}

/// Reads a run for a report, with its directory.
pub fn read_report(runs: Option<&Path>, which: &str) -> Result<(Report, PathBuf), CliError> {
    let dir = journal::find(&runs_dir(runs), which)?;
    Ok((Report::from_records(&journal::read(&dir)?.records)?, dir))
}
