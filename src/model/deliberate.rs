//! Deliberate defects, for testing the tests: with the feature `deliberate-defects` the simulation
//! switches one of them on and must then find a broken promise. Without the feature (in every build that
//! is released) `is_on` is the constant `false`, and nothing of this is compiled in.

/// One way in which uproot would break a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Defect {
    /// A step is begun before its intent is recorded.
    OutcomeBeforeIntent,
    /// What must be durable is written, but not synced.
    NoSync,
    /// A wave stops one failure too late.
    BudgetOffByOne,
    /// A wave has one host more in flight than it may.
    ParallelOffByOne,
    /// A resumed run does a step again that is done.
    ResumeRepeatsStep,
    /// A resumed run starts a step anew without looking for its claim.
    ClaimIgnored,
    /// A resumed run takes a claimed step that was cut off for done.
    CutOffTakenForDone,
    /// A resumed run forgets the hosts that were in flight.
    ResumeForgetsHosts,
    /// The failures of a wave before the resumption do not count.
    BudgetForgottenOnResume,
    /// An unknown product counts as absent.
    CleanFromUnknown,
    /// A step counts as done by its exit code, and the host by its steps.
    SuccessByExitCode,
    /// A lost connection counts as a step that is done.
    LostTakenForDone,
    /// The check that the host still is as planned is left out.
    DriftNotChecked,
    /// Which machine it is, is not checked.
    IdentityNotChecked,
    /// A lock of another run is ignored.
    LockIgnored,
    /// The lock is never given back.
    LockKept,
    /// The next wave is begun while hosts of the last one are in flight.
    TwoWavesAtOnce,
    /// Hosts that were not reached count as done.
    UnreachableCountedAsDone,
    /// Soak is measured by the wall clock.
    SoakByWallClock,
    /// A wave that asks for approval is begun without.
    ApprovalSkipped,
    /// A wave is begun outside its window.
    WindowIgnored,
    /// Hosts in flight go on with further steps after the budget is spent.
    StopIgnored,
    /// The boot that was before the reboot is taken for the one after it.
    OldBootAccepted,
    /// The protection gate is not asked.
    ProtectionIgnored,
    /// A torn last line is kept when a journal is opened again.
    TornLineKept,
    /// A failed write of the journal stops nothing.
    FullDiskIgnored,
}

impl Defect {
    /// Every defect.
    pub const ALL: [Self; 26] = [
        Self::OutcomeBeforeIntent,
        Self::NoSync,
        Self::BudgetOffByOne,
        Self::ParallelOffByOne,
        Self::ResumeRepeatsStep,
        Self::ClaimIgnored,
        Self::CutOffTakenForDone,
        Self::ResumeForgetsHosts,
        Self::BudgetForgottenOnResume,
        Self::CleanFromUnknown,
        Self::SuccessByExitCode,
        Self::LostTakenForDone,
        Self::DriftNotChecked,
        Self::IdentityNotChecked,
        Self::LockIgnored,
        Self::LockKept,
        Self::TwoWavesAtOnce,
        Self::UnreachableCountedAsDone,
        Self::SoakByWallClock,
        Self::ApprovalSkipped,
        Self::WindowIgnored,
        Self::StopIgnored,
        Self::OldBootAccepted,
        Self::ProtectionIgnored,
        Self::TornLineKept,
        Self::FullDiskIgnored,
    ];
}

#[cfg(feature = "deliberate-defects")]
thread_local! {
    static ON: std::cell::Cell<Option<Defect>> = const { std::cell::Cell::new(None) };
}

/// Switches a defect on for this thread, or all of them off.
#[cfg(feature = "deliberate-defects")]
pub fn switch(defect: Option<Defect>) {
    ON.set(defect);
}

/// Whether a defect is switched on in this thread.
#[cfg(feature = "deliberate-defects")]
#[must_use]
pub fn is_on(defect: Defect) -> bool {
    ON.get() == Some(defect)
}

/// Whether a defect is switched on: never, in a build without the feature.
#[cfg(not(feature = "deliberate-defects"))]
#[must_use]
#[inline]
pub const fn is_on(_: Defect) -> bool {
    false
}
