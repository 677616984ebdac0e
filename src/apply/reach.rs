//! What one host's work needs of the world: a host that it can ask, lock and change, and time.
//!
//! A trait, so that the very code that works on real hosts is simulated against hosts with every fault.
//! The functions are `async` only for that: a simulated host gives way to others at each of them. A real
//! one blocks its worker thread and is ready when it returns; `block_on` needs no runtime.

use crate::facts::{Facts, Questions};
use crate::model::{BoundedOutput, ChangeGrant};
use crate::plan::PlannedStep;
use std::time::Duration;

/// A host was not reached, or the connection to it broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unreached {
    /// Why, with the address.
    pub reason: String,
    /// One option or command that would mend it.
    pub remedy: Option<String>,
    /// Whether trying again may help: false for a changed host key or a refused login.
    pub may_pass: bool,
    /// Whether the run was cancelled.
    pub cancelled: bool,
    /// Whether another machine than the planned one answers under the host's name.
    pub other_machine: bool,
    /// Whether it did answer, but so that nothing could be told by it.
    pub unread: bool,
}

impl Unreached {
    /// Lost for this reason. Nobody cancelled it, and as far as is known it is the planned machine.
    #[must_use]
    pub fn of(reason: impl Into<String>, may_pass: bool) -> Self {
        let reason = reason.into();
        Self { reason, remedy: None, may_pass, cancelled: false, other_machine: false, unread: false }
    }
}

/// Who holds a host's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The run's id.
    pub run: String,
    /// Who runs it: local user name and machine. A host string: escape before showing.
    pub owner: String,
    /// For how many seconds it is still valid, by the host's uptime.
    pub expires: u64,
}

/// How the host's lock is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockOrder {
    /// This run's id.
    pub run: String,
    /// Who runs it: local user name and machine.
    pub owner: String,
    /// Whether a live lock of another run is broken.
    pub break_lock: bool,
    /// Names the records on the host, should this order make them: new for each order.
    pub token: String,
}

/// What became of the wish for the host's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockAnswer {
    /// It is ours.
    Taken {
        /// Whose lock was taken over, in words, and why that was allowed: expired, of another boot,
        /// broken; none: there was none, or it was this run's.
        from: Option<String>,
        /// Whether a live lock of another run was broken.
        broken: bool,
        /// Which records of this run are on the host: the token of the order by which they were made. A
        /// missing claim says that a step was not begun only if they are the very records that were
        /// there when its intent was written.
        records: String,
    },
    /// Another run works on the host.
    Held(Holder),
    /// It cannot be taken, for this reason (a read-only or full disk, a state directory that is not
    /// ours alone).
    Refused(String),
}

/// One attempt at a step.
#[derive(Debug, Clone)]
pub struct StepOrder<'a> {
    /// The step.
    pub step: &'a PlannedStep,
    /// The name of its claim on the host: letters, digits, `.`, `_`, `-`; one for each attempt.
    pub claim: &'a str,
    /// Whether the answer is wanted as soon as the step is begun (a reboot), instead of at its end.
    pub only_begin: bool,
}

/// What the host says of an attempt at a step.
#[derive(Debug, Clone)]
pub enum StepAnswer {
    /// It ran to its end.
    Ended {
        /// Its exit status.
        status: i32,
        /// Its standard output.
        stdout: BoundedOutput,
        /// Its standard error.
        stderr: BoundedOutput,
    },
    /// Nothing of it was run, and nothing will be, for this reason.
    NotBegun(String),
    /// It is claimed and still runs; its time is over (or it was only to be begun).
    Running {
        /// In words: pid and for how long.
        reason: String,
        /// What it said so far.
        stdout: BoundedOutput,
        /// What it said so far on standard error.
        stderr: BoundedOutput,
    },
    /// It is claimed, does not run any more, and left no status.
    CutOff {
        /// Whether the host was rebooted since it began.
        by_reboot: bool,
        /// What it said so far.
        stdout: BoundedOutput,
        /// What it said so far on standard error.
        stderr: BoundedOutput,
    },
    /// The host's records of this run are gone: nothing can be said of it.
    Forgotten,
    /// The lock is another run's now. Nothing was begun by this order.
    LockLost(Holder),
    /// The connection broke; whether it was begun is not known until the host is asked again.
    Lost(Unreached),
}

/// A host as its work sees it. All records on the host (the lock, claims, outcomes) live in a state
/// directory that only root can read.
///
/// Contract, for every implementation: `begin` runs the step at most once for each claim, whatever
/// breaks and however often it is called; a step that was claimed goes on without the connection and
/// without the controller; an answer `NotBegun` is final for that claim; `lookup` never starts anything.
#[expect(async_fn_in_trait, reason = "each future is driven to its end by the thread that made it")]
pub trait Reach {
    /// Connects; drops a connection that is there.
    async fn connect(&mut self) -> Result<(), Unreached>;

    /// Collects facts over the connection, as root where the plan says so.
    async fn look(&mut self, questions: &Questions) -> Result<Facts, Unreached>;

    /// From here on the host may be changed. Stays in force over new connections.
    fn permit(&mut self, grant: ChangeGrant);

    /// Takes the host's lock and makes the run's directory; clears away what dead runs left.
    async fn lock(&mut self, order: &LockOrder) -> Result<LockAnswer, Unreached>;

    /// Makes the lease last anew. Who holds the lock, if not this run any more.
    async fn renew(&mut self) -> Result<Option<Holder>, Unreached>;

    /// Begins a step unless its claim is there already, and waits for its end at most as long as the
    /// step may take.
    async fn begin(&mut self, order: &StepOrder<'_>) -> StepAnswer;

    /// What became of a step that may have been begun; waits for its end while it runs. Where nothing
    /// was begun, it makes sure that nothing will be, unless `may_begin`: then `NotBegun` says that
    /// `begin` may be called for the same claim.
    async fn lookup(&mut self, order: &StepOrder<'_>, may_begin: bool) -> StepAnswer;

    /// Gives the lock back and takes away everything of this run on the host. Something that still runs
    /// is left, with its records and the lock: then the reason is returned.
    async fn release(&mut self) -> Result<Option<String>, Unreached>;

    /// Time by a clock that only goes forward.
    fn steady(&self) -> Duration;

    /// Waits; false if the run was cancelled meanwhile.
    async fn pause(&mut self, time: Duration) -> bool;

    /// Whether the run was cancelled: stop now.
    fn is_cancelled(&self) -> bool;
}

/// Drives a future whose every part blocks until it is ready.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        // No real host gives way; one that did would be asked again.
        std::thread::yield_now();
    }
}
