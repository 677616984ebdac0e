//! What is seen first: whether the page can be believed, the verdict, the counts, and what needs attention.

use super::text::{count_of, moment, number, prose, shown, span};
use super::{badge, is_broken, mark, section, tone, verdict_tone};
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
    let states: Vec<Part> =
        report.summary.iter().map(|(state, count)| (state.word(), tone(*state), *count)).collect();
    parts("States of", report.hosts.len(), &states)
}

/// A word for hosts, how it is painted, and how many they are.
pub(super) type Part = (&'static str, &'static str, usize);

/// The parts of all hosts as one bar, with a legend that says the same in words.
pub(super) fn parts(what: &str, total: usize, parts: &[Part]) -> Markup {
    if total == 0 {
        return html! {};
    }
    let mut from = 0.0;
    let pieces = parts.iter().map(|(word, tone, count)| {
        let width = 1000.0 * *count as f64 / total as f64;
        let piece = (word, tone, from, width);
        from += width;
        piece
    });
    html! {
        svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            @for (word, tone, x, width) in pieces {
                rect class=(format!("fill {tone} s-{word}")) y="0" height="10"
                    x=(format!("{x:.2}")) width=(format!("{width:.2}")) {}
            }
        }
        ul class="legend" aria-label=(format!("{what} {}", count_of(total, "host", "hosts"))) {
            @for (word, tone, count) in parts {
                li {
                    a href="#hosts" data-state=(word) {
                        b { (number(*count)) } " " (mark(tone, word))
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
}
