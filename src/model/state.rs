//! The states in which a host can end, and the exit codes they lead to.

use serde::{Deserialize, Serialize};

/// In what state a host ended. Exactly one for each host of a run.
///
/// The order of the variants is the order of attention: the first is shown first, and a host takes
/// the worst of its products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostState {
    /// A step failed.
    Failed,
    /// A step was begun and its outcome is not known, or the run ended before the host was done.
    Interrupted,
    /// The product's own protection refuses, or a person must act. Never bypassed.
    Blocked,
    /// The host is not as planned any more; nothing was changed.
    Drifted,
    /// A product is installed.
    Present,
    /// No product is installed, but something was left behind.
    Residue,
    /// Not every question was answered.
    Unknown,
    /// The host was never reached.
    Unreachable,
    /// Not worked on: its wave was not begun, another name of the same machine, a lock.
    Skipped,
    /// Removed, but a needed reboot has not happened yet.
    RemovedRebootPending,
    /// Nothing that counts is there, but something that the run's scope leaves out or a waiver allows.
    Exempt,
    /// Removed by this run, and proven absent.
    Removed,
    /// Every question was asked and answered: nothing is there.
    Clean,
}

impl HostState {
    /// Every state, worst first.
    pub const ALL: [Self; 13] = [
        Self::Failed,
        Self::Interrupted,
        Self::Blocked,
        Self::Drifted,
        Self::Present,
        Self::Residue,
        Self::Unknown,
        Self::Unreachable,
        Self::Skipped,
        Self::RemovedRebootPending,
        Self::Exempt,
        Self::Removed,
        Self::Clean,
    ];

    /// The word used in reports and in the journal.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Blocked => "blocked",
            Self::Drifted => "drifted",
            Self::Present => "present",
            Self::Residue => "residue",
            Self::Unknown => "unknown",
            Self::Unreachable => "unreachable",
            Self::Skipped => "skipped",
            Self::RemovedRebootPending => "removed-reboot-pending",
            Self::Exempt => "exempt",
            Self::Removed => "removed",
            Self::Clean => "clean",
        }
    }

    /// What this state alone makes a run exit with.
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Clean | Self::Removed | Self::Exempt => ExitCode::Success,
            Self::Present | Self::Residue => ExitCode::Found,
            _ => ExitCode::CannotVouch,
        }
    }
}

impl std::fmt::Display for HostState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// What the process exits with. Where several apply the most urgent wins: a defect, an
/// interruption, a gate, a finding, a host that cannot be vouched for, success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExitCode {
    /// 0: every host is clean, removed or exempt (or its reboot is pending, where the plan takes that for done).
    Success,
    /// 1: a host is present or residue.
    Found,
    /// 2: the user's input is wrong; nothing was contacted.
    Usage,
    /// 3: a host is in any other state.
    CannotVouch,
    /// 4: stopped by a gate (failure budget, approval, window, a refusal at the prompt).
    Stopped,
    /// 5: a defect of uproot itself.
    Defect,
    /// 130: interrupted by the operator.
    Interrupted,
}

impl ExitCode {
    /// The number that the process exits with.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Found => 1,
            Self::Usage => 2,
            Self::CannotVouch => 3,
            Self::Stopped => 4,
            Self::Defect => 5,
            Self::Interrupted => 130,
        }
    }

    fn urgency(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::CannotVouch => 1,
            Self::Found => 2,
            Self::Stopped => 3,
            Self::Usage => 4,
            Self::Interrupted => 5,
            Self::Defect => 6,
        }
    }

    /// The more urgent of the two.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        if other.urgency() > self.urgency() { other } else { self }
    }

    /// The exit code for hosts that ended in these states. No host at all cannot be vouched for.
    #[must_use]
    pub fn of_states(states: impl IntoIterator<Item = HostState>) -> Self {
        Self::of_states_under(states, false)
    }

    /// As `of_states`; with `pending_is_ok` (the plan's `reboot: pending-is-ok`) a removal whose reboot
    /// is still to come is a success.
    #[must_use]
    pub fn of_states_under(states: impl IntoIterator<Item = HostState>, pending_is_ok: bool) -> Self {
        let code = |state| match state {
            HostState::RemovedRebootPending if pending_is_ok => Self::Success,
            state => HostState::exit_code(state),
        };
        states.into_iter().map(code).reduce(Self::worst).unwrap_or(Self::CannotVouch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HostState::{Clean, Failed, Present, Removed, RemovedRebootPending};

    #[test]
    fn a_pending_reboot_is_a_success_only_where_the_plan_says_so() {
        let states = [Clean, RemovedRebootPending, Removed];
        assert_eq!(ExitCode::of_states(states), ExitCode::CannotVouch);
        assert_eq!(ExitCode::of_states_under(states, true), ExitCode::Success);
        assert_eq!(ExitCode::of_states_under([RemovedRebootPending, Failed], true), ExitCode::CannotVouch);
        assert_eq!(ExitCode::of_states_under([RemovedRebootPending, Present], true), ExitCode::Found);
        assert_eq!(ExitCode::of_states_under([], true), ExitCode::CannotVouch);
    }
}
