//! Reading runs back: reports, campaigns, journals.

use super::{ListFormat, OutputArguments, ScopeArguments};
use clap::{Args, Subcommand};
use jiff::civil::Date;
use std::path::{Path, PathBuf};

/// `report`.
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// The run: its id, the beginning of it, its directory, or `last`; several make a campaign
    #[arg(required_unless_present = "all", value_name = "RUN")]
    pub run: Vec<String>,
    /// Every run of `--runs`
    #[arg(long, conflicts_with = "run", help_heading = "Campaign")]
    pub all: bool,
    #[command(flatten)]
    /// By which clock.
    pub clock: ClockArguments,
    /// Render the campaign as of the end of this day (default: now)
    #[arg(long, value_name = "DATE", value_parser = parse_day, help_heading = "Campaign")]
    pub as_of: Option<Date>,
    /// Say what is new, came back, is still there, was lost sight of or is gone since this earlier run; may be given several times
    #[arg(long, value_name = "RUN")]
    pub against: Vec<String>,
    /// Where runs are kept (default: $XDG_STATE_HOME/uproot/runs)
    #[arg(long, value_name = "DIR", env = "UPROOT_RUNS")]
    pub runs: Option<PathBuf>,
    #[command(flatten)]
    /// What counts, in place of what the run was given: what it found is judged anew.
    pub scope: ScopeArguments,
    #[command(flatten)]
    /// How runs are read.
    pub reading: ReadingArguments,
    #[command(flatten)]
    /// How it is told.
    pub output: OutputArguments,
}

impl ReportArguments {
    pub(super) fn inputs(&self) -> impl Iterator<Item = &Path> {
        let own = self.clock.directive.iter().map(Path::new).chain(self.reading.allowed_signers.as_deref());
        self.scope.inputs().chain(own)
    }
}

/// How runs are read for a report.
#[derive(Debug, Default, Args)]
pub struct ReadingArguments {
    /// Report a broken run all the same: its records before the first break; the report says so first
    #[arg(long, help_heading = "Evidence")]
    pub even_if_broken: bool,
    /// Whose seals are known: a file in the format of ssh-keygen(1), ALLOWED SIGNERS
    #[arg(long, value_name = "FILE", help_heading = "Evidence")]
    pub allowed_signers: Option<PathBuf>,
}

/// By which clock deadlines are told.
#[derive(Debug, Args)]
pub struct ClockArguments {
    /// Tell the deadlines of this directive: a built-in one (`uproot directive list`) or a YAML file
    #[arg(long, value_name = "NAME|FILE", help_heading = "Campaign")]
    pub directive: Option<String>,
    #[command(flatten)]
    /// Its start and its zone.
    pub start: StartArguments,
}

/// What a directive's days are counted from, and where they end.
#[derive(Debug, Args)]
pub struct StartArguments {
    /// Count the directive's days from this day (default: the directive's own start)
    #[arg(long, value_name = "DATE", value_parser = parse_day, help_heading = "Campaign")]
    pub since: Option<Date>,
    /// Where days end: an IANA time zone (default: the directive's own; without a directive UTC)
    #[arg(long, value_name = "ZONE", help_heading = "Campaign")]
    pub time_zone: Option<String>,
}

/// `directive`.
#[derive(Debug, Subcommand)]
pub enum DirectiveVerb {
    /// List the built-in directives
    List,
    /// Show a directive's deadlines, sources and notes
    Show {
        /// A built-in directive or a YAML file
        directive: String,
        #[command(flatten)]
        /// Its start and its zone.
        start: StartArguments,
    },
}

/// A day as year, month and day.
fn parse_day(text: &str) -> Result<Date, String> {
    let is_plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let day = text.parse::<Date>().ok().filter(|day| is_plain && (1990..=2199).contains(&day.year()));
    day.ok_or_else(|| "expected a day such as 2027-01-31".to_owned())
}

/// `journal`.
#[derive(Debug, Subcommand)]
pub enum JournalVerb {
    /// Check a run's chain, blobs, plan, seals and approvals; every defect is named
    Verify(VerifyJournalArguments),
    /// Sign a run's records with an SSH key, so that whoever alters them later is found out
    Seal(SealArguments),
    /// Pack a run with all that a third party needs to check it with standard tools
    Export(ExportArguments),
}

/// `journal verify`.
#[derive(Debug, Args)]
pub struct VerifyJournalArguments {
    /// The run: its id, the beginning of it, its directory, or `last`
    pub run: String,
    /// Where runs are kept (default: $XDG_STATE_HOME/uproot/runs)
    #[arg(long, value_name = "DIR", env = "UPROOT_RUNS")]
    pub runs: Option<PathBuf>,
    /// Whose signatures are known: a file in the format of ssh-keygen(1), ALLOWED SIGNERS
    #[arg(long, value_name = "FILE")]
    pub allowed_signers: Option<PathBuf>,
    /// Fail unless N different persons of `--allowed-signers` sealed all records
    #[arg(long, value_name = "N", requires = "allowed_signers", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub require_seal: Option<u16>,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = ListFormat::Table)]
    pub format: ListFormat,
}

/// `journal seal`.
#[derive(Debug, Args)]
pub struct SealArguments {
    /// The run: its id, the beginning of it, its directory, or `last`
    pub run: String,
    /// Key to sign with: a private key file, or the public half of a key that the SSH agent holds (default: the agent's only key)
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Seal without asking
    #[arg(long)]
    pub yes: bool,
    /// Where runs are kept (default: $XDG_STATE_HOME/uproot/runs)
    #[arg(long, value_name = "DIR", env = "UPROOT_RUNS")]
    pub runs: Option<PathBuf>,
}

/// `journal export`.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The run: its id, the beginning of it, its directory, or `last`
    pub run: String,
    /// The archive to write, a `.tar.zst`
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub output: PathBuf,
    /// Pack this file of allowed signers too
    #[arg(long, value_name = "FILE")]
    pub allowed_signers: Option<PathBuf>,
    /// Pack a broken run all the same; what is wrong with it stands in its README
    #[arg(long)]
    pub even_if_broken: bool,
    /// Overwrite the archive if it is there
    #[arg(long)]
    pub force: bool,
    /// Where runs are kept (default: $XDG_STATE_HOME/uproot/runs)
    #[arg(long, value_name = "DIR", env = "UPROOT_RUNS")]
    pub runs: Option<PathBuf>,
}

/// `runs`.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one for each process")]
pub enum RunsVerb {
    /// List the runs, newest first
    List {
        /// Where runs are kept (default: $XDG_STATE_HOME/uproot/runs)
        #[arg(long, value_name = "DIR", env = "UPROOT_RUNS")]
        runs: Option<PathBuf>,
        /// How it is written
        #[arg(long, value_enum, default_value_t = ListFormat::Table)]
        format: ListFormat,
    },
    /// Show one run, host by host and step by step
    Show(ReportArguments),
}
