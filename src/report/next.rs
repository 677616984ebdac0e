//! What a person does next: how a run goes on that is not over, and what each host that did not end well
//! needs first.

use super::{HostReport, Report};
use crate::model::HostState;
use crate::model::output::shell_quote;

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

/// The wave whose approval a stop misses, by its reason: "wave `rest` needs an approval".
fn missing_approval(reason: &str) -> Option<String> {
    let is_named = |index: usize| index % 2 == 1;
    let mut pieces = reason.split('`').enumerate();
    let is_about_it = pieces.clone().any(|(index, text)| !is_named(index) && text.contains("approv"));
    let wave = pieces.find(|(index, _)| is_named(*index)).map(|(_, name)| name.to_owned());
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
    let did_not_end_well = matches!(
        host.state,
        HostState::Failed
            | HostState::Interrupted
            | HostState::Blocked
            | HostState::Drifted
            | HostState::Unknown
            | HostState::Unreachable
    );
    // One that was begun and skipped was locked, or would have been left bare.
    let was_refused = host.state == HostState::Skipped && host.started.is_some();
    !host.unfinished && (did_not_end_well || was_refused)
}

/// For each way in which hosts of an apply did not end well: which hosts, and what to do about them.
pub(super) fn steps(report: &Report, run: &str) -> Vec<String> {
    if report.verb != "apply" {
        return Vec::new();
    }
    let retry = match report.resumable {
        true => "then resume with `--retry-failed`",
        false => "then make a new plan",
    };
    let look = format!("`uproot runs show {run} -v`");
    let ways: [(fn(&HostReport) -> bool, String); 6] = [
        (
            |host| host.unfinished && host.touched,
            "the resumption asks the host how its last step ended, and goes on from there".to_owned(),
        ),
        (
            |host| host.state == HostState::Failed && !host.unfinished,
            format!("{look} has what the step said; mend that on the host, {retry}"),
        ),
        (
            |host| host.state == HostState::Interrupted && !host.unfinished,
            format!("how a step ended cannot be told; look at the host ({look} has the step), {retry}"),
        ),
        (
            |host| host.state == HostState::Blocked && !host.unfinished,
            format!("do what the reason asks for (a password, a person at the product), {retry}"),
        ),
        (
            |host| host.state == HostState::Drifted && !host.unfinished,
            "the host is not as it was planned; `uproot plan` it anew".to_owned(),
        ),
        (
            |host| host.state == HostState::Skipped && host.started.is_some() && !host.unfinished,
            format!("mend what the reason says, {retry}"),
        ),
    ];
    ways.into_iter()
        .filter_map(|(is_meant, advice)| {
            let named: Vec<String> = report
                .hosts
                .iter()
                .filter(|host| is_meant(host))
                .map(|host| format!("{} {}", host.host, host.state))
                .collect();
            (!named.is_empty()).then(|| format!("{}: {advice}", some_of(&named)))
        })
        .collect()
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
        assert_eq!(of("wave `rest` needs an approval").as_deref(), Some("rest"));
        assert_eq!(of("wave `the rest` was not approved").as_deref(), Some("the rest"));
        assert_eq!(of("2 hosts of wave `approved` failed, 1 may"), None);
        assert_eq!(of("the window of wave `approval` is closed"), None);
        assert_eq!(of("interrupted by SIGINT"), None);
    }
}
