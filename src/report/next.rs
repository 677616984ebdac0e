//! What a person does next: how a run goes on that is not over, and what each host that did not end well
//! needs first.

use super::{HostReport, Report};
use crate::model::HostState;
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
        Some(wave) => format!(" --approve-wave {}", shell_quote(&wave)),
        None if is_left_to_retry_only(report) => " --retry-failed".to_owned(),
        None => String::new(),
    };
    Some(format!("uproot apply --resume {run}{option}"))
}

/// The wave whose approval a stop misses, by its reason: "wave `rest` needs approval".
fn missing_approval(reason: &str) -> Option<String> {
    // What stands between backquotes is a name, whatever it says.
    let pieces: Vec<&str> = reason.split('`').collect();
    let is_about_it = pieces.iter().step_by(2).any(|text| text.contains("approv"));
    let wave = pieces.chunks(2).find_map(|pair| match pair {
        [before, name] if before.ends_with("wave ") => Some((*name).to_owned()),
        _ => None,
    });
    wave.filter(|_| is_about_it)
}

/// Whether every host has an end, so that only a retry has work to do.
fn is_left_to_retry_only(report: &Report) -> bool {
    report.stopped.is_some()
        && report.hosts.iter().all(|host| host.ended.is_some() && !host.unfinished)
        && report.hosts.iter().any(needs_retry)
}

/// Whether a resumption takes the host up again only by `--retry-failed`.
fn needs_retry(host: &HostReport) -> bool {
    let ended_well =
        matches!(host.state, HostState::RemovedRebootPending | HostState::Removed | HostState::Clean);
    // Another name of a machine is never worked on.
    let is_another_name = host.state == HostState::Skipped && host.started.is_none();
    !(host.unfinished || ended_well || is_another_name)
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
            _ if host.unfinished && report.resumable => Some(Self::Resume),
            HostState::Failed => Some(Self::Mend),
            HostState::Interrupted => Some(Self::Look),
            HostState::Blocked => Some(Self::Act),
            HostState::Skipped if begun => Some(Self::Act),
            HostState::Unknown | HostState::Unreachable => Some(Self::Reach),
            HostState::Drifted | HostState::Present | HostState::Residue => Some(Self::PlanAnew),
            HostState::RemovedRebootPending if !report.pending_is_ok() => Some(Self::Reboot),
            HostState::RemovedRebootPending | HostState::Skipped | HostState::Removed | HostState::Clean => {
                None
            }
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
        let of = |reason| missing_approval(reason);
        assert_eq!(of("wave `rest` needs approval").as_deref(), Some("rest"));
        assert_eq!(of("the plan `x` says that wave `rest` needs approval").as_deref(), Some("rest"));
        assert_eq!(of("wave `the rest` was not approved").as_deref(), Some("the rest"));
        assert_eq!(of("2 hosts of wave `approved` failed, 1 may"), None);
        assert_eq!(of("the window of wave `approval` is closed"), None);
        assert_eq!(of("interrupted by SIGINT"), None);
    }
}
