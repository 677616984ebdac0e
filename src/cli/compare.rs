//! `--against` and `--fail-on`: a run beside earlier ones.

use super::args::{FailOnWord, ReadingArguments, VerifyArguments};
use super::error::CliError;
use super::evidence::read_report;
use crate::facts::Facts;
use crate::model::ExitCode;
use crate::report::{Comparison, FailOn, Report};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::Path;

/// The earlier runs that a `verify` is compared with, and what of the differences fails it.
#[derive(Debug, Default)]
pub struct Against {
    runs: Vec<Report>,
    fail_on: Option<FailOn>,
}

impl Against {
    /// Reads the earlier runs. Done before any host is contacted: `last` is not yet the run itself.
    pub fn read(arguments: &VerifyArguments) -> Result<Self, CliError> {
        let runs = arguments.look.connect.run.runs.as_deref();
        let runs = read_all(runs, &arguments.against, &ReadingArguments::default())?;
        if let Some(run) = runs.iter().find(|run| run.started > Timestamp::now()) {
            let started = run.started;
            return Err(CliError::input(
                format!("run {} started at {started}, which is still to come", run.run),
                "set this machine's clock, or give another run to `--against`",
            ));
        }
        let fail_on = arguments.fail_on.map(|word| match word {
            FailOnWord::New => FailOn::New,
            FailOnWord::CameBack => FailOn::CameBack,
        });
        Ok(Self { runs, fail_on })
    }

    /// Refuses facts that are older than a run which they would be compared with: what they say was so before.
    pub fn refuse_older(&self, documents: &[Facts]) -> Result<(), CliError> {
        for (run, facts) in self.runs.iter().flat_map(|run| documents.iter().map(move |facts| (run, facts))) {
            if facts.at < run.started {
                let utc = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
                return Err(CliError::input(
                    format!(
                        "the facts of `{}` are of {}, before run {} of {}, which they would be compared with",
                        facts.host,
                        utc(facts.at),
                        run.run,
                        utc(run.started)
                    ),
                    "collect facts anew by `uproot identify --save-facts DIR`, or give an older run to `--against`",
                ));
            }
        }
        Ok(())
    }

    /// Puts the choice into the options that the journal keeps.
    pub fn record(&self, options: &mut BTreeMap<String, String>) {
        if !self.runs.is_empty() {
            let ids: Vec<&str> = self.runs.iter().map(|run| run.run.as_str()).collect();
            options.insert("against".to_owned(), ids.join(" "));
        }
        if let Some(choice) = self.fail_on {
            options.insert("fail_on".to_owned(), choice.word().to_owned());
        }
    }

    /// What the hosts of a run make it exit with; `report` may still lack its end.
    pub fn exit_code(&self, report: &Report) -> Result<ExitCode, CliError> {
        match self.fail_on {
            Some(choice) => Ok(choice.exit_code(report, &Comparison::of(report, &self.runs)?)),
            None => Ok(ExitCode::of_states(report.hosts.iter().map(|host| host.state))),
        }
    }

    /// Whether hosts' states alone do not say what the run exits with.
    pub fn decides(&self) -> bool {
        self.fail_on.is_some()
    }

    /// Compares, where that was asked.
    pub fn compare(&self, report: &mut Report) -> Result<(), CliError> {
        if !self.runs.is_empty() {
            report.compare_with(&self.runs)?;
        }
        Ok(())
    }
}

/// Reads several runs, each checked whole.
pub fn read_all(
    runs: Option<&Path>,
    which: &[String],
    reading: &ReadingArguments,
) -> Result<Vec<Report>, CliError> {
    which.iter().map(|which| read_report(runs, which, reading).map(|(_, report)| report)).collect()
}
