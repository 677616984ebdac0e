//! What can be wrong with a run on disk: one variant for each kind, with its place and its remedy.

use super::seal::SealProblem;
use crate::model::event::StepResult;

/// One thing that is wrong with a run on disk. Lines are those of `journal.jsonl`, from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// The run has no end record: it is still running, or the controller died.
    #[error("journal.jsonl: no end record after {records} records: the run is not finished")]
    Unfinished {
        /// How many whole records there are.
        records: usize,
    },
    /// The run was stopped by a gate or its operator, and can be resumed.
    #[error("journal.jsonl: the run was stopped after {records} records and can be resumed")]
    Stopped {
        /// How many whole records there are.
        records: usize,
    },
    /// The last line of an unfinished run has no line break: a write was cut short.
    #[error("journal.jsonl:{line}: the last line is torn after {bytes} bytes")]
    Torn {
        /// The line.
        line: usize,
        /// How many bytes of it are there.
        bytes: usize,
    },
    /// A line is not a record.
    #[error("journal.jsonl:{line}: not a record: {reason}")]
    BadLine {
        /// The line.
        line: usize,
        /// Why it could not be decoded.
        reason: String,
    },
    /// A line does not end with a hash.
    #[error("journal.jsonl:{line}: the line does not end with its hash")]
    NoHash {
        /// The line.
        line: usize,
    },
    /// A line's hash is not that of the line before and of this line.
    #[error("journal.jsonl:{line}: the chain is broken: hash is `{found}`, should be `{expected}`")]
    BadHash {
        /// The line.
        line: usize,
        /// What the hash should be.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A record is missing, doubled or out of order.
    #[error("journal.jsonl:{line}: record {expected} should stand here, found record {found}")]
    Sequence {
        /// The line.
        line: usize,
        /// The number that should be there.
        expected: u64,
        /// The number that is there.
        found: u64,
    },
    /// Something follows the end record.
    #[error("journal.jsonl:{line}: something follows the end record of the run")]
    AfterEnd {
        /// The line.
        line: usize,
    },
    /// Something other than a resumption follows the record that the run was stopped.
    #[error("journal.jsonl:{line}: `{event}` follows the record that the run was stopped")]
    AfterStop {
        /// The line.
        line: usize,
        /// The event.
        event: &'static str,
    },
    /// The first record does not start a run, or a later one does.
    #[error("journal.jsonl:{line}: a run starts with its first record, and only there")]
    Start {
        /// The line.
        line: usize,
    },
    /// An event of a host names no host, or an event of the run names one.
    #[error("journal.jsonl:{line}: `{event}` must {}name a host", if *.needs_host { "" } else { "not " })]
    HostName {
        /// The line.
        line: usize,
        /// The event.
        event: &'static str,
        /// Whether it needs a host.
        needs_host: bool,
    },
    /// A host that the run does not have.
    #[error("journal.jsonl:{line}: host `{host}` is not one of the run's hosts")]
    UnknownHost {
        /// The line.
        line: usize,
        /// The host.
        host: String,
    },
    /// A host's event before its start.
    #[error("journal.jsonl:{line}: `{event}` of host `{host}` before it was started")]
    BeforeStart {
        /// The line.
        line: usize,
        /// The host.
        host: String,
        /// The event.
        event: &'static str,
    },
    /// A host's event after its end; a second end, too.
    #[error("journal.jsonl:{line}: `{event}` of host `{host}` after it ended in line {ended}")]
    AfterHostEnd {
        /// The line.
        line: usize,
        /// The host.
        host: String,
        /// The event.
        event: &'static str,
        /// The line of its end.
        ended: usize,
    },
    /// A host was started twice.
    #[error("journal.jsonl:{line}: host `{host}` is started a second time")]
    StartedTwice {
        /// The line.
        line: usize,
        /// The host.
        host: String,
    },
    /// A finished run in which a host has no end.
    #[error("journal.jsonl: the run is finished, but host `{host}` has no end")]
    NoHostEnd {
        /// The host.
        host: String,
    },
    /// A step was begun, and its host or the run ended without an outcome.
    #[error("journal.jsonl:{line}: step `{step}` of host `{host}` was begun and has no outcome")]
    NoOutcome {
        /// The line of the intent.
        line: usize,
        /// The host.
        host: String,
        /// The step.
        step: String,
    },
    /// A step was begun while it was under way, or after it was done.
    #[error("journal.jsonl:{line}: step `{step}` of host `{host}` is begun a second time")]
    IntentTwice {
        /// The line.
        line: usize,
        /// The host.
        host: String,
        /// The step.
        step: String,
    },
    /// A step has more than one outcome.
    #[error("journal.jsonl:{line}: step `{step}` of host `{host}` has a second outcome")]
    OutcomeTwice {
        /// The line.
        line: usize,
        /// The host.
        host: String,
        /// The step.
        step: String,
    },
    /// A step ran and there is no intent before it.
    #[error("journal.jsonl:{line}: step `{step}` of host `{host}` is {}, but no intent precedes it", result.word())]
    NoIntent {
        /// The line.
        line: usize,
        /// The host.
        host: String,
        /// The step.
        step: String,
        /// How it ended.
        result: StepResult,
    },
    /// A wave is started or ended out of order.
    #[error("journal.jsonl:{line}: wave `{wave}` is {what}")]
    Wave {
        /// The line.
        line: usize,
        /// The wave.
        wave: String,
        /// What is wrong: `started twice`, `ended, but was not started`…
        what: &'static str,
    },
    /// The end record counts other states than the hosts' ends.
    #[error("journal.jsonl:{line}: the end record counts {found}, the hosts' ends are {expected}")]
    Summary {
        /// The line.
        line: usize,
        /// What the hosts' ends add up to.
        expected: String,
        /// What the end record says.
        found: String,
    },
    /// A blob that a record names is not there.
    #[error("output/{sha}: missing, named in journal.jsonl:{line}")]
    BlobMissing {
        /// Its name.
        sha: String,
        /// The first line that names it.
        line: usize,
    },
    /// A blob's content is not what its name says.
    #[error("output/{sha}: altered: its SHA-256 is {found}")]
    BlobAltered {
        /// Its name.
        sha: String,
        /// The SHA-256 of what is there.
        found: String,
    },
    /// A blob cannot be read.
    #[error("output/{sha}: cannot be read: {reason}")]
    BlobUnreadable {
        /// Its name.
        sha: String,
        /// What the system said.
        reason: String,
    },
    /// A record names a blob by something that is no SHA-256.
    #[error("journal.jsonl:{line}: `{name}` is not the name of a blob")]
    BlobName {
        /// The line.
        line: usize,
        /// What stands there.
        name: String,
    },
    /// A facts document is not JSON.
    #[error("output/{sha}: facts that cannot be decoded, named in journal.jsonl:{line}: {reason}")]
    BlobUndecodable {
        /// Its name.
        sha: String,
        /// The first line that names it.
        line: usize,
        /// Why.
        reason: String,
    },
    /// A file in `output/` that no record names: what a controller that died leaves.
    #[error("output/{name}: no record names it")]
    BlobUnnamed {
        /// The file.
        name: String,
    },
    /// The run applied a plan that is not there.
    #[error("plan.json: missing, its digest `{expected}` stands in the first record")]
    PlanMissing {
        /// The plan's digest.
        expected: String,
    },
    /// The plan is not the one that was applied.
    #[error("plan.json: altered: its SHA-256 is `{found}`, the run was started with `{expected}`")]
    PlanAltered {
        /// The digest in the first record.
        expected: String,
        /// The SHA-256 of what is there.
        found: String,
    },
    /// The plan cannot be read.
    #[error("plan.json: cannot be read: {reason}")]
    PlanUnreadable {
        /// What the system said.
        reason: String,
    },
    /// A file beside the plan is no signature of it.
    #[error("{file}: {reason}")]
    Approval {
        /// The signature's file.
        file: String,
        /// Why it does not hold.
        reason: String,
    },
    /// The plan was approved, and the signature is not kept with the run.
    #[error(
        "journal.jsonl:{line}: the plan was approved with key {key}, and no signature by it is beside plan.json"
    )]
    ApprovalMissing {
        /// The line of the approval.
        line: usize,
        /// The key's fingerprint.
        key: String,
    },
    /// A seal or one of its signatures does not hold.
    #[error("{file}: {problem}")]
    Seal {
        /// The file of the seal or of the signature.
        file: String,
        /// What is wrong with it.
        problem: SealProblem,
    },
}

impl Defect {
    /// Whether the run cannot be trusted. What a controller leaves that died (no end record, a torn
    /// last line, a blob that no record names yet, a seal that nobody signed) is told, but is not broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        !matches!(
            self,
            Self::Unfinished { .. }
                | Self::Stopped { .. }
                | Self::Torn { .. }
                | Self::BlobUnnamed { .. }
                | Self::Seal { problem: SealProblem::Unsigned, .. }
        )
    }

    /// Whether records from its line on can be read into no report: the chain is broken there, or what stands
    /// there is not what a run is made of.
    pub(super) fn ends_what_is_whole(&self) -> bool {
        self.breaks_chain()
            || matches!(
                self,
                Self::Start { .. }
                    | Self::AfterStop { .. }
                    | Self::HostName { .. }
                    | Self::UnknownHost { .. }
                    | Self::BeforeStart { .. }
                    | Self::AfterHostEnd { .. }
                    | Self::StartedTwice { .. }
            )
    }

    /// Whether it concerns the chain of records itself: what `read` refuses.
    #[must_use]
    pub fn breaks_chain(&self) -> bool {
        matches!(
            self,
            Self::BadLine { .. }
                | Self::NoHash { .. }
                | Self::BadHash { .. }
                | Self::Sequence { .. }
                | Self::AfterEnd { .. }
        )
    }

    /// The line of `journal.jsonl` that it is about, from 1, where there is one.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Torn { line, .. }
            | Self::BadLine { line, .. }
            | Self::NoHash { line }
            | Self::BadHash { line, .. }
            | Self::Sequence { line, .. }
            | Self::AfterStop { line, .. }
            | Self::AfterEnd { line }
            | Self::Start { line }
            | Self::HostName { line, .. }
            | Self::UnknownHost { line, .. }
            | Self::BeforeStart { line, .. }
            | Self::AfterHostEnd { line, .. }
            | Self::StartedTwice { line, .. }
            | Self::NoOutcome { line, .. }
            | Self::IntentTwice { line, .. }
            | Self::OutcomeTwice { line, .. }
            | Self::NoIntent { line, .. }
            | Self::Wave { line, .. }
            | Self::Summary { line, .. }
            | Self::BlobMissing { line, .. }
            | Self::BlobName { line, .. }
            | Self::BlobUndecodable { line, .. }
            | Self::ApprovalMissing { line, .. } => Some(*line),
            Self::Unfinished { .. }
            | Self::Stopped { .. }
            | Self::NoHostEnd { .. }
            | Self::BlobAltered { .. }
            | Self::BlobUnreadable { .. }
            | Self::BlobUnnamed { .. }
            | Self::PlanMissing { .. }
            | Self::PlanAltered { .. }
            | Self::PlanUnreadable { .. }
            | Self::Approval { .. }
            | Self::Seal { .. } => None,
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Unfinished { .. } => {
                "wait for the run to end; if its controller died, go on with `uproot apply --resume`, or look at the hosts again with `uproot verify`"
            }
            Self::Stopped { .. } => {
                "go on with `uproot apply --resume`, or look at the hosts with `uproot verify`"
            }
            Self::Torn { .. } => "nothing is lost: a record counts only once its line is whole",
            Self::BlobUnnamed { .. } => "nothing is lost: it was stored just before the controller ended",
            Self::BadLine { .. }
            | Self::NoHash { .. }
            | Self::BadHash { .. }
            | Self::Sequence { .. }
            | Self::AfterStop { .. }
            | Self::AfterEnd { .. } => {
                "the file was changed after it was written: restore it from a copy, or run `uproot verify` on the hosts"
            }
            Self::BlobMissing { .. }
            | Self::BlobAltered { .. }
            | Self::PlanMissing { .. }
            | Self::PlanAltered { .. }
            | Self::Approval { .. }
            | Self::ApprovalMissing { .. } => "restore the file from a copy of the run's directory",
            Self::Seal { problem: SealProblem::Unsigned, .. } => "sign it by `uproot journal seal`",
            Self::Seal { .. } => {
                "the run or its seal was changed after it was sealed: restore the run's directory from a copy"
            }
            Self::BlobUnreadable { .. } | Self::PlanUnreadable { .. } => {
                "give the file back to its owner with mode 0600, then check again"
            }
            Self::BlobUndecodable { .. }
            | Self::BlobName { .. }
            | Self::Start { .. }
            | Self::HostName { .. }
            | Self::UnknownHost { .. }
            | Self::BeforeStart { .. }
            | Self::AfterHostEnd { .. }
            | Self::StartedTwice { .. }
            | Self::NoHostEnd { .. }
            | Self::NoOutcome { .. }
            | Self::IntentTwice { .. }
            | Self::OutcomeTwice { .. }
            | Self::NoIntent { .. }
            | Self::Wave { .. }
            | Self::Summary { .. } => {
                "this is a defect of the program that wrote it: report it, and look at the hosts again with `uproot verify`"
            }
        }
    }
}
