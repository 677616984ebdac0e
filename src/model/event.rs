//! What happens in a run, as typed events. The journal stores them, progress and reports consume
//! them; nothing else comes out of `apply`.
//!
//! Grammar: the first event of a run is `RunStarted`, the last `RunEnded`, and nothing follows it. A run
//! that a gate or its operator stopped has `RunStopped` instead, and goes on with `RunResumed`; so does
//! one whose controller died, which has neither.
//!
//! Between two of these, for each host: `HostStarted`, then any of the host's events, then at most one
//! `HostEnded`. A host is started again only after a `RunResumed`, and then only if it has no end, an
//! end that is `unfinished`, or the resumption retries it. When the run ends, every host has an end; a
//! skipped host has only that.
//!
//! `StepIntent` is always followed by one `StepOutcome` of the same host and step, unless the
//! controller died in between. An outcome `interrupted` may be followed by another one of the same
//! attempt, after a `RunResumed`, when the host told how the step ended.

use super::finding::Finding;
use super::identity::{BootIdentity, MachineIdentity, Platform};
use super::scope::Scope;
use super::state::{ExitCode, HostState};
use super::truth::Truth;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An event with when it happened and on which host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Position in the journal, from 0, without gaps.
    pub seq: u64,
    /// When it was recorded, by the controller's clock (UTC).
    pub at: Timestamp,
    /// The inventory name of the host it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What happened.
    pub event: Event,
}

/// A host as the run knows it from the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostEntry {
    /// Inventory name.
    pub name: String,
    /// Address and port as dialled (`10.0.0.5:22`), or `local`.
    pub address: String,
    /// Login user; none for the local machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Groups it belongs to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// When in a host's work facts were collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// By `identify`, `plan` or `verify`; or by `apply` before its first step.
    Before,
    /// By `apply` after its last step.
    After,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepResult {
    /// It ran, its status was accepted, and its effect does not contradict it.
    Done,
    /// Its effect held already; nothing was run.
    AlreadySo,
    /// Its status was not accepted, or its effect is not what it should be.
    Failed,
    /// The product refused, or a person must act.
    Blocked,
    /// It was begun and how it ended is not known.
    Interrupted,
    /// It was not begun, because an earlier step or product did not end well.
    NotRun,
}

impl StepResult {
    /// The word used in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::AlreadySo => "already so",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Interrupted => "interrupted",
            Self::NotRun => "not run",
        }
    }
}

/// A piece of host output: a bounded tail inline for people, the whole (as kept) as a blob.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputRef {
    /// SHA-256 (hex) of the blob in `output/`; none when there was no output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
    /// How many bytes the host sent, kept or not.
    #[serde(default)]
    pub total: u64,
    /// The last lines, at most 2 KiB, redacted. A host string: escape before showing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
}

/// A moment by a clock of the controller that only goes forward and that nobody can set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SteadyTime {
    /// Which boot of the controller it counts from; none: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// Milliseconds since that boot, sleep included.
    pub millis: u64,
}

fn first_attempt() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_first_attempt(attempt: &u32) -> bool {
    *attempt == 1
}

/// Everything that can happen in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The first record.
    RunStarted {
        /// The run's id (UUID v7).
        run: String,
        /// `identify`, `plan`, `apply`, `verify`.
        verb: String,
        /// uproot's version.
        version: String,
        /// Who ran it: local user name and machine.
        operator: String,
        /// SHA-256 (hex) of the playbook's canonical form.
        playbook: String,
        /// SHA-256 (hex) of the plan file's exact bytes, for `apply`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<String>,
        /// Options that shape the run (limit, parallel, allow…), never a secret.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        options: BTreeMap<String, String>,
        /// What the run counts.
        #[serde(default, skip_serializing_if = "Scope::is_empty")]
        scope: Scope,
        /// Every host of the run.
        hosts: Vec<HostEntry>,
    },
    /// A wave was begun.
    WaveStarted {
        /// Its name.
        wave: String,
        /// How many hosts it has.
        hosts: usize,
        /// How many failures it may have before it stops.
        max_failures: usize,
        /// How many unreachable hosts it may have before it stops; none: no limit.
        max_unreachable: Option<usize>,
    },
    /// A wave came to its end.
    WaveEnded {
        /// Its name.
        wave: String,
        /// Whether it kept within its budgets and all of its hosts were worked on.
        passed: bool,
        /// Failures counted.
        failures: usize,
        /// Unreachable hosts counted.
        unreachable: usize,
        /// Why it stopped, where it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// When that was by a clock that nobody can set: soak is measured from it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clock: Option<SteadyTime>,
    },
    /// A person approved a wave that asks for it.
    WaveApproved {
        /// Its name.
        wave: String,
        /// Who: local user name and machine.
        operator: String,
    },
    /// Work on a host began.
    HostStarted {
        /// The wave, for `apply`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wave: Option<String>,
    },
    /// What the host is doing now; for progress only, may be left out of a journal.
    HostActivity {
        /// `connecting`, `collecting facts`, `step kesl/2: remove package kesl`.
        doing: String,
    },
    /// Facts were collected.
    Facts {
        /// When.
        phase: Phase,
        /// SHA-256 (hex) of the facts document in `output/`.
        blob: String,
        /// Which platform the host has, where recognised.
        platform: Option<Platform>,
        /// Which machine it is.
        identity: MachineIdentity,
        /// Which boot of it.
        boot: BootIdentity,
    },
    /// The rules were evaluated.
    Findings {
        /// When.
        phase: Phase,
        /// One for each product of the playbook for that platform.
        findings: Vec<Finding>,
    },
    /// The host's lock was taken: from here on the host counts as touched.
    LockTaken {
        /// Whose expired, broken or earlier lock was taken over, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// Whether a live lock of another run was broken by `--break-lock`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        broken: bool,
        /// Which records of this run are on the host.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        records: String,
    },
    /// The lock was given back and nothing of uproot is left on the host; or why something is.
    LockReleased {
        /// What is left and why; none: nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<String>,
    },
    /// A step is about to run. Durable before anything is sent.
    StepIntent {
        /// `PRODUCT/NUMBER`.
        step: String,
        /// The product it belongs to.
        product: String,
        /// The step in words.
        summary: String,
        /// Which attempt at the step it is, from 1: another one is begun only where a person asked to
        /// retry what failed.
        #[serde(default = "first_attempt", skip_serializing_if = "is_first_attempt")]
        attempt: u32,
        /// In which boot of the host it is begun.
        #[serde(default)]
        boot: BootIdentity,
    },
    /// A step ended, or was not run.
    StepOutcome {
        /// `PRODUCT/NUMBER`.
        step: String,
        /// The product it belongs to.
        product: String,
        /// The step in words.
        summary: String,
        /// How it ended.
        result: StepResult,
        /// Its exit status, if it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<i32>,
        /// Whether its effect holds, where that was asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        effect: Option<Truth>,
        /// Whether its status says that a reboot is needed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        reboot_needed: bool,
        /// Why it is not done, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// How long it took, in milliseconds.
        millis: u64,
        /// Its standard output.
        #[serde(default)]
        stdout: OutputRef,
        /// Its standard error.
        #[serde(default)]
        stderr: OutputRef,
    },
    /// The last event of a host.
    HostEnded {
        /// In which state.
        state: HostState,
        /// Why, in one sentence; empty when there is nothing to say.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
        /// The one command that would mend it, for unknown and unreachable.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remedy: Option<String>,
        /// Whether its work was cut short (by a stop, a lost connection, a reboot that did not end), so
        /// that `apply --resume` takes it up again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unfinished: bool,
    },
    /// A person decided something (answered a question, broke a rule by choice).
    Decision {
        /// Who.
        operator: String,
        /// What, in words.
        what: String,
    },
    /// A torn last line was cut off when the journal was opened again.
    Repaired {
        /// How many bytes were cut.
        bytes: u64,
    },
    /// The run was stopped by a gate or by its operator, and can be resumed.
    RunStopped {
        /// Why, in one sentence: hosts without an end were not begun for this reason.
        reason: String,
        /// What the process exits with.
        exit: ExitCode,
    },
    /// A stopped or dead run goes on in another process.
    RunResumed {
        /// Who: local user name and machine.
        operator: String,
        /// uproot's version.
        version: String,
        /// The waves that were approved by this.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        approved: Vec<String>,
        /// Whether a spent failure budget counts anew from here.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        after_failures: bool,
        /// Whether hosts that did not end well are worked on again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        retry_failed: bool,
        /// Whether live locks of other runs are broken.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        break_lock: bool,
    },
    /// The last record.
    RunEnded {
        /// How many hosts ended in each state.
        summary: BTreeMap<HostState, usize>,
        /// What the process will exit with.
        exit: ExitCode,
    },
}

impl Event {
    /// Whether it must be on disk before the caller goes on. Progress is droppable, all else is not;
    /// only what permits or follows a change must be waited for.
    #[must_use]
    pub fn must_be_durable(&self) -> bool {
        !matches!(
            self,
            Self::HostActivity { .. } | Self::HostStarted { .. } | Self::Facts { .. } | Self::Findings { .. }
        )
    }

    /// Whether it is kept in a journal at all.
    #[must_use]
    pub fn is_journaled(&self) -> bool {
        !matches!(self, Self::HostActivity { .. })
    }
}

/// Why an event could not be recorded. The host concerned must stop.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot write the journal: {0}")]
pub struct SinkError(pub String);

/// Where events go. Shared by all worker threads.
pub trait EventSink: Send + Sync {
    /// Records an event of a host (`None`: of the run). Returns once it is as durable as
    /// `Event::must_be_durable` asks.
    ///
    /// # Errors
    /// When it could not be written: whoever wanted to act upon it must not.
    fn record(&self, host: Option<&str>, event: Event) -> Result<(), SinkError>;

    /// Stores bytes (already redacted) under their SHA-256 and returns it in hex. Durable before
    /// the record that names it.
    ///
    /// # Errors
    /// As `record`.
    fn store(&self, bytes: &[u8]) -> Result<String, SinkError>;
}
