//! What counts: how each host and each finding bears on the exit code. Every form of the report asks here,
//! so that a CI server is red exactly when the exit code is not 0.

use super::{HostReport, Report};
use crate::model::{ExitCode, Finding, HostState, ProductState};

/// How something bears on the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// As it should be, or it does not count.
    Fine,
    /// A product or its residue is there.
    Found,
    /// It cannot be vouched for.
    Open,
}

impl Report {
    /// How a host's state bears on the exit code.
    #[must_use]
    pub fn standing_of(&self, host: &HostReport) -> Standing {
        match ExitCode::of_states_under([host.state], self.pending_is_ok()) {
            ExitCode::Success => Standing::Fine,
            ExitCode::Found => Standing::Found,
            _ => Standing::Open,
        }
    }

    /// How a finding on a host bears on the exit code. What the scope leaves out or a waiver allows does
    /// not, nor what only a reboot is still to take away where the plan takes that for done.
    #[must_use]
    pub fn standing_of_finding(&self, host: &HostReport, finding: &Finding) -> Standing {
        let awaits_reboot = host.state == HostState::RemovedRebootPending && self.pending_is_ok();
        match finding.result {
            _ if finding.is_exempt() || awaits_reboot => Standing::Fine,
            ProductState::Absent => Standing::Fine,
            ProductState::Present | ProductState::Residue => Standing::Found,
            ProductState::Unknown => Standing::Open,
        }
    }

    /// Whether a host is said to be fine although something that counts was found on it.
    fn contradicts_itself(&self) -> bool {
        self.hosts.iter().filter(|host| self.standing_of(host) == Standing::Fine).any(|host| {
            host.findings.iter().any(|finding| self.standing_of_finding(host, finding) != Standing::Fine)
        })
    }

    /// What the process exited with, as the record of the end or of the stop says; of a run that has
    /// neither, what its hosts' states lead to. Never success where the run did not end, its journal is
    /// broken, or what it holds says otherwise: nobody can vouch for such a run.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        let states = self.hosts.iter().map(|host| host.state);
        let of_states = ExitCode::of_states_under(states, self.pending_is_ok());
        match self.recorded_exit {
            Some(code) if code != ExitCode::Success => code,
            _ if self.finished && !self.is_broken() && !self.contradicts_itself() => of_states,
            _ => of_states.worst(ExitCode::CannotVouch),
        }
    }

    /// Whether the journal was checked and is broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.check.as_ref().is_some_and(super::JournalCheck::is_broken)
    }
}
