//! What ends a verb early, with its exit code and its remedy.

use crate::apply::ApplyError;
use crate::directive::ClockError;
use crate::facts::FactsError;
use crate::journal::JournalError;
use crate::model::{Diagnostics, ExitCode, SinkError};
use crate::plan::PlanError;
use crate::report::{CompareError, ReportError};
use crate::signature::SignatureError;
use crate::transport::TransportError;

/// Why a verb ended early.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A user's file is wrong.
    #[error("{0}")]
    Diagnostics(Diagnostics),
    /// Other input is wrong.
    #[error("{message}")]
    Input {
        /// What is wrong.
        message: String,
        /// How to mend it.
        help: String,
    },
    /// A run that was altered.
    #[error("{message}")]
    Broken {
        /// Which, what is wrong with it, and what is not done therefore.
        message: String,
        /// How to mend it, and how to see more.
        help: String,
    },
    /// The operator said no.
    #[error("{0}")]
    Refused(String),
    /// Standard output or the result's file cannot be written.
    #[error("cannot write the result: {0}")]
    Output(std::io::Error),
    /// A plan file.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Signatures of a plan or a seal.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Facts documents.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// A run directory.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The run's directory cannot be made.
    #[error(transparent)]
    Runs(JournalError),
    /// A record could not be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A journal that makes no report.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Runs that cannot be compared.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// A directive's days cannot be counted.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// Keys or known hosts of this machine.
    #[error("{}", .0.message)]
    Local(TransportError),
    /// An apply that could not go on: what was begun is in its journal.
    #[error("{error}: no further step was begun after that")]
    CutShort {
        /// Why.
        error: ApplyError,
        /// The command that goes on.
        again: String,
    },
    /// This machine gives no pipe or no signal handler.
    #[error("cannot set up the run: {0}")]
    System(std::io::Error),
}

impl CliError {
    /// Wrong input, with how to mend it.
    pub fn input(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Input { message: message.into(), help: help.into() }
    }

    /// What the process exits with.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Diagnostics(_)
            | Self::Input { .. }
            | Self::Plan(_)
            | Self::Signature(_)
            | Self::Facts(_)
            | Self::Compare(_)
            | Self::Clock(_)
            | Self::Local(_) => ExitCode::Usage,
            // Nothing was contacted: the run was not even begun, or is not there.
            Self::Journal(
                JournalError::Signature(_)
                | JournalError::ExportExists(_)
                | JournalError::NoSuchRun { .. }
                | JournalError::Ambiguous { .. }
                | JournalError::NotARun(_)
                | JournalError::Busy { .. }
                | JournalError::Ended { .. },
            ) => ExitCode::Usage,
            Self::Runs(_) => ExitCode::Usage,
            Self::Refused(_) => ExitCode::Stopped,
            Self::Output(_)
            | Self::Journal(_)
            | Self::Broken { .. }
            | Self::Sink(_)
            | Self::Report(_)
            | Self::CutShort { .. }
            | Self::System(_) => ExitCode::CannotVouch,
        }
    }

    /// Tells it on standard error.
    pub fn print(&self) {
        let text = match self {
            Self::Diagnostics(diagnostics) => diagnostics.to_string(),
            Self::Input { message, help } | Self::Broken { message, help } => {
                let escaped = crate::model::output::escape_block;
                format!("error: {}\nhelp: {}\n", escaped(message), escaped(help))
            }
            Self::CutShort { again, .. } => format!(
                "error: {}\nhelp: mend that (make room on the disk), then go on with `{again}`\n",
                crate::model::output::escape_block(&self.to_string())
            ),
            Self::Compare(error) => {
                format!(
                    "error: {error}\nhelp: give the older runs to `--against`; `uproot runs list` lists them\n"
                )
            }
            Self::Clock(error) => {
                let help = match error {
                    ClockError::NoStart { .. } => {
                        "give the day from which they are counted: `--since 2027-01-31`"
                    }
                    ClockError::NoSuchZone { .. } => {
                        "give a name of the IANA database to `--time-zone`, such as `America/New_York` or `UTC`"
                    }
                };
                format!("error: {}\nhelp: {help}\n", crate::model::output::escape_line(&error.to_string()))
            }
            Self::Local(error) => match &error.remedy {
                Some(remedy) => format!("error: {}\nhelp: {remedy}\n", error.message),
                None => format!("error: {}\n", error.message),
            },
            Self::Runs(error) => format!(
                "error: {}\nhelp: give a directory that you may write to by `--runs DIR`\n",
                crate::model::output::escape_block(&error.to_string())
            ),
            other => format!("error: {}\n", crate::model::output::escape_block(&other.to_string())),
        };
        tell_part!("{text}");
    }
}

impl From<Diagnostics> for CliError {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Diagnostics(diagnostics)
    }
}
