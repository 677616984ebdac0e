//! What counts: how each host and each finding bears on the exit code. Every form of the report asks here,
//! so that a CI server is red exactly when the exit code is not 0.

use super::{FailOn, HostReport, Report};
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
            ExitCode::Found if self.fail_on().is_some() => self.standing_of_findings(host),
            ExitCode::Found => Standing::Found,
            _ => Standing::Open,
        }
    }

    /// By `--fail-on` only some of what is there fails the run; what could not be told is never excused.
    fn standing_of_findings(&self, host: &HostReport) -> Standing {
        let findings = || host.findings.iter().map(|finding| self.standing_of_finding(host, finding));
        if findings().any(|standing| standing == Standing::Found) {
            return Standing::Found;
        }
        // A host that is present for another reason than its findings is not excused by them.
        let is_there = host.findings.iter().any(|finding| {
            matches!(finding.result, ProductState::Present | ProductState::Residue) && !finding.is_exempt()
        });
        if is_there { findings().max().unwrap_or(Standing::Open) } else { Standing::Found }
    }

    /// Which differences alone make the run fail, where it was told so.
    #[must_use]
    pub fn fail_on(&self) -> Option<FailOn> {
        self.options.get("fail_on").and_then(|word| FailOn::parse(word))
    }

    /// Whether by `--fail-on` what is there does not fail the run: a comparison shows that it was there before,
    /// or the run itself, which saw the comparison, ended with success.
    fn tolerates(&self, host: &HostReport, finding: &Finding) -> bool {
        self.fail_on().is_some()
            && (self.recorded_exit == Some(ExitCode::Success)
                || self.tolerated.contains(&(host.host.clone(), finding.product.clone())))
    }

    /// How a finding on a host bears on the exit code. What the scope leaves out or a waiver allows does
    /// not, nor what only a reboot is still to take away where the plan takes that for done.
    #[must_use]
    pub fn standing_of_finding(&self, host: &HostReport, finding: &Finding) -> Standing {
        let awaits_reboot = host.state == HostState::RemovedRebootPending && self.pending_is_ok();
        match finding.result {
            _ if finding.is_exempt() || awaits_reboot => Standing::Fine,
            ProductState::Absent => Standing::Fine,
            ProductState::Present | ProductState::Residue if self.tolerates(host, finding) => Standing::Fine,
            ProductState::Present | ProductState::Residue => Standing::Found,
            ProductState::Unknown => Standing::Open,
        }
    }

    /// The hosts that are said to be fine although something that counts was found on them, or, in a run that only
    /// looks, nothing was asked.
    pub(super) fn contradictions(&self) -> impl Iterator<Item = &HostReport> {
        let only_looks = matches!(self.verb.as_str(), "identify" | "verify" | "plan");
        self.hosts.iter().filter(|host| self.standing_of(host) == Standing::Fine).filter(move |host| {
            let is_open = |finding| self.standing_of_finding(host, finding) != Standing::Fine;
            (only_looks && host.findings.is_empty()) || host.findings.iter().any(is_open)
        })
    }

    /// What the process exited with, as the record of the end or of the stop says; of a run that has
    /// neither, what its hosts' states lead to. Never success where the run did not end, its journal is
    /// broken, or what it holds says otherwise: nobody can vouch for such a run.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        let of_states = self
            .hosts
            .iter()
            .map(|host| match self.standing_of(host) {
                Standing::Fine => ExitCode::Success,
                Standing::Found => ExitCode::Found,
                Standing::Open => ExitCode::CannotVouch,
            })
            .reduce(ExitCode::worst)
            .unwrap_or(ExitCode::CannotVouch);
        match self.recorded_exit {
            Some(code) if code != ExitCode::Success => code,
            _ if self.finished && !self.is_broken() && self.contradictions().next().is_none() => of_states,
            _ => of_states.worst(ExitCode::CannotVouch),
        }
    }

    /// Whether the journal was checked and is broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.check.as_ref().is_some_and(super::JournalCheck::is_broken)
    }
}
