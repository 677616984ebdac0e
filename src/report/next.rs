//! What a person does next: how a run goes on that is not over, and what each host that did not end well
//! needs first.

use super::{HostReport, Report, StepReport};
use crate::model::HostState;
use crate::model::event::StepResult;
use crate::model::output::shell_quote;
use std::collections::BTreeMap;

/// So many hosts are named; of more, their number.
const NAMED: usize = 5;

/// The command that goes on with a run that is called `run`, with the option that its stop needs.
pub(super) fn resume_command(report: &Report, run: &str) -> Option<String> {
    if !report.resumable {
        return None;
    }
    let option = match report.stopped.as_deref().and_then(missing_approval) {
        _ if report.spent.is_some() => " --continue-after-failures".to_owned(),
        Some(wave) => format!(" --approve-wave {}", shell_quote(wave)),
        None if is_left_to_retry_only(report) => " --retry-failed".to_owned(),
        None => String::new(),
    };
    Some(format!("uproot apply --resume {run}{option}"))
}

/// The wave whose approval a stop misses, by the wave machine's own words.
fn missing_approval(reason: &str) -> Option<&str> {
    let named = reason.strip_prefix("wave `")?;
    ["` needs approval", "` was not approved"].iter().find_map(|end| named.strip_suffix(end))
}

/// Whether every host has an end, so that only a retry has work to do.
fn is_left_to_retry_only(report: &Report) -> bool {
    report.stopped.is_some()
        && report.hosts.iter().all(|host| host.ended.is_some() && (!host.unfinished || is_stuck(host)))
        && report.hosts.iter().any(needs_retry)
}

/// Whether a resumption has asked the host already how its step ended, and it could not tell.
fn is_stuck(host: &HostReport) -> bool {
    let asked_in_vain = |step: &StepReport| {
        let again = step.earlier.last().is_some_and(|earlier| {
            earlier.result == StepResult::Interrupted && earlier.attempt == step.attempts
        });
        again && step.result == StepResult::Interrupted && step.millis.is_some()
    };
    host.unfinished && host.state == HostState::Interrupted && host.steps.iter().any(asked_in_vain)
}

/// Whether a resumption takes the host up again only by `--retry-failed`.
fn needs_retry(host: &HostReport) -> bool {
    let ended_well = matches!(
        host.state,
        HostState::RemovedRebootPending | HostState::Exempt | HostState::Removed | HostState::Clean
    );
    // Another name of a machine is never worked on.
    let is_another_name = host.state == HostState::Skipped && host.started.is_none();
    is_stuck(host) || !(host.unfinished || ended_well || is_another_name)
}

/// For each way in which hosts of an apply did not end well: which hosts, and what to do about them.
pub(super) fn steps(report: &Report, run: &str) -> Vec<String> {
    if report.verb != "apply" {
        return Vec::new();
    }
    let mut named: BTreeMap<Way, Vec<String>> = BTreeMap::new();
    for host in &report.hosts {
        if let Some(way) = Way::of(host, report) {
            named.entry(way).or_default().push(format!("{} {}", host.host, host.state));
        }
    }
    let advice = |way: Way| way.advice(run, report.resumable);
    named.into_iter().map(|(way, hosts)| format!("{}: {}", some_of(&hosts), advice(way))).collect()
}

/// What to do about one host of an apply; none: nothing.
pub(super) fn advice(host: &HostReport, report: &Report, run: &str) -> Option<String> {
    (report.verb == "apply").then(|| Way::of(host, report))?.map(|way| way.advice(run, report.resumable))
}

/// What a person can do about a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Resume,
    Mend,
    Look,
    Act,
    Reach,
    PlanAnew,
    Reboot,
}

impl Way {
    fn of(host: &HostReport, report: &Report) -> Option<Self> {
        let begun = host.started.is_some();
        match host.state {
            _ if is_stuck(host) => Some(Self::Look),
            // Begun or not: what was planned is not what is there.
            HostState::Drifted => Some(Self::PlanAnew),
            _ if host.unfinished && report.resumable => Some(Self::Resume),
            HostState::Failed => Some(Self::Mend),
            HostState::Interrupted => Some(Self::Look),
            HostState::Blocked => Some(Self::Act),
            HostState::Skipped if begun => Some(Self::Act),
            HostState::Unknown | HostState::Unreachable => Some(Self::Reach),
            HostState::Present | HostState::Residue => Some(Self::PlanAnew),
            HostState::RemovedRebootPending if !report.pending_is_ok() => Some(Self::Reboot),
            HostState::RemovedRebootPending
            | HostState::Skipped
            | HostState::Exempt
            | HostState::Removed
            | HostState::Clean => None,
        }
    }

    fn advice(self, run: &str, resumable: bool) -> String {
        let again = if resumable { "resume with `--retry-failed`" } else { "make a new plan" };
        match self {
            Self::Resume => "the resumption goes on where it was left; a step that was begun is looked up on the host, not begun again".to_owned(),
            Self::Mend => {
                format!("mend what its step said (`uproot runs show {run} -v` has all of it), then {again}")
            }
            Self::Look => format!(
                "how a step ended cannot be told: look at the host (`uproot runs show {run} -v` has the step), \
                 then {again}"
            ),
            Self::Act => format!("do what the reason asks for, then {again}"),
            Self::Reach => format!("do what `fix:` says, then {again}"),
            Self::PlanAnew => "not as this plan has it: make a new plan".to_owned(),
            Self::Reboot => "reboot, then prove the removal by `uproot verify`".to_owned(),
        }
    }
}

/// The first of them, and how many more there are.
pub(super) fn some_of(names: &[String]) -> String {
    let named = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wave_that_misses_its_approval_is_read_from_the_reason() {
        assert_eq!(missing_approval("wave `rest` needs approval"), Some("rest"));
        assert_eq!(missing_approval("wave `the `last` one` was not approved"), Some("the `last` one"));
        assert_eq!(missing_approval("2 hosts of wave `approved` failed, 1 may"), None);
        assert_eq!(missing_approval("the window of wave `approval` is closed"), None);
        assert_eq!(missing_approval("interrupted by SIGINT"), None);
    }
}
