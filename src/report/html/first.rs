//! What is seen first: whether the page can be believed, the verdict, the counts, the clocks, and what
//! needs attention.

use super::text::{count_of, moment, number, prose, shown, span};
use super::{DirectiveClock, badge, is_broken, section, tone, verdict_tone};
use crate::model::HostState;
use crate::report::{HostReport, Report, next, table, table_host};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// So many kinds of trouble are shown before the table; the table has all.
const GROUPS: usize = 12;
/// So many hosts of one kind are named.
const NAMED: usize = 6;

/// That the journal is broken, before anything else.
pub(super) fn broken(report: &Report) -> Markup {
    html! {
        @if is_broken(report) && let Some(check) = &report.check {
            div class="broken" role="alert" {
                strong { "The journal of this run is broken. Nothing on this page is proven." }
                " It was altered or damaged after it was written: "
                ul { @for defect in &check.defects { li { (shown(defect)) } } }
            }
        }
    }
}

/// Which run this is.
pub(super) fn header(report: &Report) -> Markup {
    let took = report.ended.duration_since(report.started).as_secs();
    html! {
        header class="top" {
            p class="brand" { strong { "uproot" } " " span { (shown(&report.verb)) } }
            p class="when" {
                time datetime=(report.started.to_string()) { (moment(report.started)) }
                span { "took " (span(took)) }
                span { "by " (shown(&report.operator)) }
            }
        }
    }
}

/// The verdict in sentences, and how many hosts are in which state.
pub(super) fn verdict(report: &Report) -> Markup {
    let sentences = table::verdict(report);
    let (first, rest) = match sentences.split_first() {
        Some((first, rest)) => (first.as_str(), rest),
        None => ("No host was looked at: nothing can be said.", [].as_slice()),
    };
    html! {
        section class=(format!("verdict {}", verdict_tone(report))) aria-labelledby="verdict" {
            h1 id="verdict" { (prose(first)) }
            @if !rest.is_empty() { p { (prose(&rest.join(" "))) } }
            (bar(report))
        }
    }
}

/// The states as one bar, with a legend that says the same in words.
fn bar(report: &Report) -> Markup {
    let total = report.hosts.len();
    if total == 0 {
        return html! {};
    }
    let mut from = 0.0;
    let pieces: Vec<(HostState, f64, f64)> = report
        .summary
        .iter()
        .map(|(state, count)| {
            let width = 1000.0 * *count as f64 / total as f64;
            let piece = (*state, from, width);
            from += width;
            piece
        })
        .collect();
    html! {
        svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            @for (state, x, width) in pieces {
                rect class=(format!("fill {} s-{}", tone(state), state.word())) y="0" height="10"
                    x=(format!("{x:.2}")) width=(format!("{width:.2}")) {}
            }
        }
        ul class="legend" aria-label=(format!("States of {}", count_of(total, "host", "hosts"))) {
            @for (state, count) in &report.summary {
                li {
                    a href="#hosts" data-state=(state.word()) {
                        b { (number(*count)) } " " (badge(*state))
                        span class="share" { (share(*count, total)) }
                    }
                }
            }
        }
    }
}

/// A share in per cent. One that is not whole is never rounded to none or all.
fn share(count: usize, total: usize) -> String {
    match count * 100 / total.max(1) {
        0 => "< 1 %".to_owned(),
        percent => format!("{percent} %"),
    }
}

/// The clocks of directives, where one was named.
pub(super) fn clocks(clocks: Option<&[DirectiveClock]>) -> Markup {
    let Some(clocks) = clocks.filter(|clocks| !clocks.is_empty()) else { return html! {} };
    section(
        "clocks",
        "Deadlines",
        &html! {
            @for clock in clocks {
                h3 { (shown(&clock.name)) " " small { "counted from " (clock.since) } }
                ol class="clock" {
                    @for deadline in &clock.deadlines {
                        li class=(match (&deadline.met, deadline.days_left) { (Some(_), _) => "good", (None, ..0) => "bad", (None, _) => "info" }) {
                            b { (days(deadline.days_left, deadline.met.is_some())) }
                            span { (shown(&deadline.name)) }
                            small {
                                "due " time datetime=(deadline.due) { (deadline.due) }
                                @if let Some(met) = &deadline.met {
                                    ", met " time datetime=(met.on) { (met.on) } " by run " (shown(&met.run))
                                }
                            }
                        }
                    }
                }
            }
        },
    )
}

fn days(left: i64, met: bool) -> String {
    let days = count_of(usize::try_from(left.unsigned_abs()).unwrap_or(usize::MAX), "day", "days");
    match (met, left) {
        (true, _) => "met".to_owned(),
        (false, 0) => "due today".to_owned(),
        (false, 1..) => format!("{days} left"),
        (false, _) => format!("{days} over"),
    }
}

/// Hosts that ended in one state for one reason.
struct Group<'a> {
    state: HostState,
    reason: &'a str,
    hosts: Vec<&'a HostReport>,
}

/// What a person has to look at, worst first, each with what mends it.
pub(super) fn attention(report: &Report, called: &str) -> Markup {
    let groups = groups(report);
    let resume = next::resume_command(report, called);
    if groups.is_empty() && resume.is_none() {
        return html! {};
    }
    let more = groups.len().saturating_sub(GROUPS);
    section(
        "attention",
        "What needs attention",
        &html! {
            @if let Some(command) = &resume {
                p class="go-on" { "The run can be gone on with: " code { (shown(command)) } }
            }
            ol class="attention" {
                @for group in groups.iter().take(GROUPS) {
                    li {
                        p class="what" { (badge(group.state)) " " span { (count_of(group.hosts.len(), "host", "hosts")) } }
                        div {
                            @if !group.reason.is_empty() { p class="why" { (prose(group.reason)) } }
                            p class="names" { (names(&group.hosts)) }
                        }
                        div class="do" {
                            @if let Some(advice) = advice(group, report, called) { p { (prose(&advice)) } }
                            @if let Some((host, command)) = remedy(group, called) {
                                p { "fix" @if group.hosts.len() > 1 { ", for " (shown(host)) } ": " code { (shown(&command)) } }
                            }
                        }
                    }
                }
            }
            @if more > 0 {
                p { "And " (count_of(more, "other reason", "other reasons")) " in the table of hosts." }
            }
        },
    )
}

fn groups(report: &Report) -> Vec<Group<'_>> {
    let well = |state| matches!(state, HostState::Clean | HostState::Removed | HostState::Exempt);
    let accepted = |state| state == HostState::RemovedRebootPending && report.pending_is_ok();
    let mut groups: BTreeMap<(HostState, &str), Vec<&HostReport>> = BTreeMap::new();
    for host in report.hosts.iter().filter(|host| !well(host.state) && !accepted(host.state)) {
        groups.entry((host.state, &host.reason)).or_default().push(host);
    }
    let mut groups: Vec<Group<'_>> =
        groups.into_iter().map(|((state, reason), hosts)| Group { state, reason, hosts }).collect();
    groups.sort_by(|a, b| a.state.cmp(&b.state).then(b.hosts.len().cmp(&a.hosts.len())));
    groups
}

fn names(hosts: &[&HostReport]) -> String {
    let named: Vec<String> = hosts.iter().take(NAMED).map(|host| shown(&host.host)).collect();
    match hosts.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {} more", named.join(", "), number(more)),
    }
}

/// The command that mends the first host of a group that has one.
fn remedy<'a>(group: &Group<'a>, called: &str) -> Option<(&'a str, String)> {
    group.hosts.iter().find_map(|host| Some((host.host.as_str(), table_host::remedy(host, called)?)))
}

/// What to do about a group: what an apply says of its first host, or what follows on finding something.
fn advice(group: &Group<'_>, report: &Report, called: &str) -> Option<String> {
    let is_there = matches!(group.state, HostState::Present | HostState::Residue);
    let to_plan = || {
        (report.verb != "apply" && is_there).then(|| {
            "write a plan by `uproot plan`, have it reviewed, and run it by `uproot apply`".to_owned()
        })
    };
    group.hosts.first().and_then(|host| next::advice(host, report, called)).or_else(to_plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_to_none_or_all() {
        assert_eq!(share(1, 10_000), "< 1 %");
        assert_eq!(share(9_999, 10_000), "99 %");
        assert_eq!(share(3, 3), "100 %");
    }

    #[test]
    fn days_are_counted_to_the_deadline() {
        assert_eq!(
            [days(0, false), days(1, false), days(30, false)],
            ["due today", "1 day left", "30 days left"]
        );
        assert_eq!(
            [days(-1, false), days(-12, false), days(-12, true)],
            ["1 day over", "12 days over", "met"]
        );
    }
}
