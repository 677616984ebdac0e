//! Reports: pure functions of a run's records. They say what the journal holds, and nothing else.
//!
//! Owns the reading of records into a [`Report`] and its forms: [`table`] and [`markdown`] for people,
//! [`json`] and [`ndjson`] for programs (`docs/report-schema.json`), [`csv()`] for spreadsheets, [`junit`]
//! and [`sarif`] for CI servers and code-scanning pages (`docs/reports.md`). Refuses records that do not
//! begin with the start of a run.
//!
//! Every host of the run has exactly one state, also where the journal has no end for it:
//!
//! | the journal holds of the host | state |
//! |---|---|
//! | its end, not followed by another start | the state recorded there |
//! | no end, a step begun without an outcome | `interrupted`: how that step ended is not known |
//! | no end, but its start | `interrupted`: the run ended before the host was done |
//! | nothing, and the run was stopped | `skipped`: not begun, and why the run was stopped |
//! | nothing | `skipped`: the run ended before the host was begun |
//!
//! A run that was resumed is one report: of a host that was started again the last end counts, of a
//! step that was begun again its last outcome; what was recorded before is kept as history.

mod build;
mod build_host;
mod campaign;
mod campaign_json;
mod campaign_markdown;
mod campaign_table;
mod campaign_words;
mod compare;
mod csv;
mod html;
mod json;
mod json_text;
mod json_views;
mod junit;
pub(crate) mod layout;
mod looks;
mod markdown;
mod ndjson;
mod next;
mod sarif;
mod sarif_log;
mod scope;
mod standing;
mod table;
mod table_check;
mod table_compare;
mod table_host;
mod words;

pub use self::csv::csv;
pub use build::ReportBuilder;
pub use campaign::{
    Campaign, CampaignDirective, CampaignHost, CampaignProduct, CampaignRun, DeadlineReport, DeadlineState,
    HostCounts, HostProduct, HostStatus, Moment, ProgressPoint,
};
pub use campaign_json::campaign_json;
pub use campaign_markdown::campaign_markdown;
pub use campaign_table::campaign_table;
pub use compare::{Change, ChangeKind, CompareError, Comparison, FailOn, RunRef};
pub use html::{HtmlOptions, campaign_html, html};
pub use json::json;
pub use junit::junit;
pub use markdown::markdown;
pub use ndjson::ndjson;
pub use sarif::sarif;
pub use scope::OF_FACTS;
pub use standing::Standing;
pub use table::{TableOptions, table};

use crate::model::event::{OutputRef, StepResult};
use crate::model::{
    BootIdentity, ExitCode, Finding, HostState, MachineIdentity, Platform, Record, Scope, Truth,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Why records are no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// There is no record at all.
    #[error("the journal is empty: the run ended before it began; start it again")]
    Empty,
    /// The first record does not start a run, or a later one does.
    #[error("record {seq} is not where a run starts; `uproot journal verify` lists what is wrong")]
    Start {
        /// Which record.
        seq: u64,
    },
    /// An event of a host which the run does not have.
    #[error(
        "record {seq} is about host `{host}`, which the run does not have; `uproot journal verify` lists what is wrong"
    )]
    UnknownHost {
        /// Which record.
        seq: u64,
        /// The host.
        host: String,
    },
    /// A host has two ends.
    #[error("record {seq} ends host `{host}` a second time; `uproot journal verify` lists what is wrong")]
    EndedTwice {
        /// Which record.
        seq: u64,
        /// The host.
        host: String,
    },
}

/// A run, as its journal has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The run's id.
    pub run: String,
    /// `identify`, `plan`, `apply`, `verify`.
    pub verb: String,
    /// The uproot that ran it.
    pub version: String,
    /// Who ran it.
    pub operator: String,
    /// When it started.
    pub started: Timestamp,
    /// When it ended: the time of the end record; of an unfinished run, of the last record.
    pub ended: Timestamp,
    /// Whether there is an end record.
    pub finished: bool,
    /// Why it was stopped, where that is the last that is known of it: a gate, or its operator.
    pub stopped: Option<String>,
    /// Whether `apply --resume` can go on with it: an apply without an end record.
    pub resumable: bool,
    /// How often it went on in another process, in order.
    pub resumptions: Vec<Resumption>,
    /// The playbook's digest.
    pub playbook: String,
    /// The plan's digest, for `apply`.
    pub plan: Option<String>,
    /// Options that shaped the run.
    pub options: BTreeMap<String, String>,
    /// What it counts.
    pub scope: Scope,
    /// Every host, what needs attention first, then by name.
    pub hosts: Vec<HostReport>,
    /// The waves that were begun, in order.
    pub waves: Vec<WaveReport>,
    /// How many hosts ended in each state; none is zero.
    pub summary: BTreeMap<HostState, usize>,
    /// What else a reader must know: decisions, repairs, what does not agree.
    pub notes: Vec<String>,
    /// What checking the journal itself gave; none: it was not checked, as of a run that has just ended in
    /// this process.
    pub check: Option<JournalCheck>,
    /// What differs from earlier runs, where that was asked.
    pub comparison: Option<Comparison>,
    /// What the last record says the process exited with.
    recorded_exit: Option<ExitCode>,
    /// The wave whose budget is spent, where no resumption renewed it.
    spent: Option<String>,
    /// Host and product of what a comparison showed to be there already, where by `--fail-on` that does not
    /// fail the run.
    tolerated: BTreeSet<(String, String)>,
}

/// What checking a run's journal, blobs, plan, seals and approvals gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalCheck {
    /// Every defect that makes the journal broken, in words; none: it is whole. A report of a broken journal
    /// is made only where a person asked for it, and says so first.
    pub defects: Vec<String>,
    /// Who sealed what, in words, in order.
    pub seals: Vec<String>,
    /// What else is to be known of it: not finished, not sealed, a seal whose signer is not known.
    pub remarks: Vec<String>,
}

impl JournalCheck {
    /// Whether the journal is broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        !self.defects.is_empty()
    }
}

/// A stopped or dead run went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumption {
    /// When.
    pub at: Timestamp,
    /// Who: local user name and machine.
    pub operator: String,
    /// uproot's version.
    pub version: String,
    /// Why the run had been stopped; none: it had not been, its controller died.
    pub stopped: Option<String>,
    /// The waves that were approved by it.
    pub approved: Vec<String>,
    /// Whether spent failure budgets counted anew from there.
    pub after_failures: bool,
    /// Whether hosts that had not ended well were worked on again.
    pub retry_failed: bool,
    /// Whether live locks of other runs were broken.
    pub break_lock: bool,
}

/// One host of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct HostReport {
    /// Its inventory name.
    pub host: String,
    /// Address and port as dialled, or `local`.
    pub address: String,
    /// Login user.
    pub user: Option<String>,
    /// Groups it belongs to.
    pub groups: Vec<String>,
    /// In what state it ended.
    pub state: HostState,
    /// Why; may be empty.
    pub reason: String,
    /// The one command that would mend it.
    pub remedy: Option<String>,
    /// The wave it was worked on in.
    pub wave: Option<String>,
    /// Its platform, where recognised.
    pub platform: Option<Platform>,
    /// Which machine it is, as far as known.
    pub identity: Option<MachineIdentity>,
    /// In which boot it was when facts were last collected.
    pub boot: Option<BootIdentity>,
    /// Whether it was touched: its lock was taken, or a step was begun on it.
    pub touched: bool,
    /// Whether its work was cut short, so that a resumption takes it up again.
    pub unfinished: bool,
    /// Its lock, where the run ever took it.
    pub lock: Option<LockReport>,
    /// The ends that it had before it was started again, in order.
    pub earlier: Vec<EarlierEnd>,
    /// When work on it first began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// What was found: by the newest evaluation of the rules.
    pub findings: Vec<Finding>,
    /// When that evaluation was; none: there was none.
    pub looked: Option<Timestamp>,
    /// What had been found before the steps, where the rules were evaluated again after them.
    pub found_before: Option<Vec<Finding>>,
    /// When that evaluation was.
    pub looked_before: Option<Timestamp>,
    /// Its steps, in the order they were begun.
    pub steps: Vec<StepReport>,
}

/// One step on a host.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// `PRODUCT/NUMBER`.
    pub step: String,
    /// The product it belongs to.
    pub product: String,
    /// The step in words.
    pub summary: String,
    /// When it was first begun, by its first recorded intent; none: it was not.
    pub begun: Option<Timestamp>,
    /// How it ended; a step without a recorded outcome is interrupted.
    pub result: StepResult,
    /// Its exit status, if known.
    pub status: Option<i32>,
    /// Whether its effect holds, where that was asked.
    pub effect: Option<Truth>,
    /// Why it is not done.
    pub reason: Option<String>,
    /// How long it took, in milliseconds; none where that is not known.
    pub millis: Option<u64>,
    /// Its standard output.
    pub stdout: OutputRef,
    /// Its standard error.
    pub stderr: OutputRef,
    /// Whether its status says that a reboot is needed.
    pub reboot_needed: bool,
    /// How often it was begun; 0: never.
    pub attempts: u32,
    /// The outcomes that were recorded of it before this one, in order.
    pub earlier: Vec<EarlierOutcome>,
}

/// The host's lock, as this run took it and gave it back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockReport {
    /// Whose lock was taken over, in words; none: nobody's. A host string: escape before showing.
    pub from: Option<String>,
    /// Whether a live lock of another run was broken.
    pub broken: bool,
    /// Whether it was never given back: it is free when its lease is over.
    pub held: bool,
    /// What is left on the host and why; none: nothing, as far as is known.
    pub left: Option<String>,
}

/// An end of a host that was started again after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierEnd {
    /// When.
    pub at: Timestamp,
    /// In which state.
    pub state: HostState,
    /// Why; may be empty.
    pub reason: String,
}

/// An outcome of a step that another one followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierOutcome {
    /// Of which attempt, from 1.
    pub attempt: u32,
    /// How it ended.
    pub result: StepResult,
    /// Its exit status, if known.
    pub status: Option<i32>,
    /// Why it is not done.
    pub reason: Option<String>,
}

/// One wave of an `apply`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveReport {
    /// Its name.
    pub name: String,
    /// How many hosts it has.
    pub hosts: usize,
    /// How many failures it might have.
    pub max_failures: usize,
    /// How many unreachable hosts it might have; none: no limit.
    pub max_unreachable: Option<usize>,
    /// How it ended; none: the journal has no end of it.
    pub end: Option<WaveEnd>,
    /// Who approved it.
    pub approved: Vec<String>,
    /// How it ended before it was begun again, in order.
    pub earlier: Vec<WaveEnd>,
}

/// How a wave ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveEnd {
    /// Whether it kept within its budgets and was worked through.
    pub passed: bool,
    /// Failures counted.
    pub failures: usize,
    /// Unreachable hosts counted.
    pub unreachable: usize,
    /// Why it stopped, where it did.
    pub reason: Option<String>,
}

impl Report {
    /// Reads records into a report.
    ///
    /// # Errors
    /// When there is none, or they are not those of one run.
    pub fn from_records(records: &[Record]) -> Result<Self, ReportError> {
        Self::from_owned_records(records.iter().cloned())
    }

    /// As [`Report::from_records`], of records that nobody else needs: nothing of them is copied.
    ///
    /// # Errors
    /// As [`Report::from_records`].
    pub fn from_owned_records(records: impl IntoIterator<Item = Record>) -> Result<Self, ReportError> {
        let mut builder = ReportBuilder::default();
        records.into_iter().try_for_each(|record| builder.take(record))?;
        builder.finish()
    }

    /// Whether the plan's policy takes a removal whose reboot is still to come for a success.
    #[must_use]
    pub fn pending_is_ok(&self) -> bool {
        self.options.get("reboot").is_some_and(|policy| policy == "pending-is-ok")
    }

    /// The command that goes on with the run, with the option that its stop needs; none: it is over.
    #[must_use]
    pub fn resume_command(&self) -> Option<String> {
        next::resume_command(self, &self.run)
    }
}
