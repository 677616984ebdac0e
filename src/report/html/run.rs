//! The run itself: what it counted, how it differs from earlier ones, and the record that the page was
//! made from.

use super::text::{count_of, moment, number, prose, shown};
use super::{badge, is_broken, section};
use crate::model::Scope;
use crate::model::scope::{ScopeProfile, WaiverList};
use crate::report::{Change, ChangeKind, Comparison, Report, Resumption};
use maud::{Markup, html};

/// So many changes of one kind are listed; the other formats have all.
const CHANGES: usize = 500;

/// What differs from earlier runs, where that was asked.
pub(super) fn comparison(report: &Report) -> Markup {
    let Some(comparison) = &report.comparison else { return html! {} };
    let against: Vec<String> = comparison
        .against
        .iter()
        .map(|run| format!("{} of {} ({})", shown(&run.verb), moment(run.started), shown(&run.run)))
        .collect();
    section(
        "changes",
        "Since earlier runs",
        &html! {
            p { "Compared with " (against.join("; ")) "." }
            @if comparison.changes.is_empty() { p { "Nothing is or was there, then or now." } }
            ul class="tally" {
                @for kind in ChangeKind::ALL {
                    li { b { (number(of_kind(comparison, kind).count())) } " " (kind.word()) }
                }
            }
            @for kind in ChangeKind::ALL { (changes(comparison, kind)) }
        },
    )
}

fn of_kind(comparison: &Comparison, kind: ChangeKind) -> impl Iterator<Item = &Change> {
    comparison.changes.iter().filter(move |change| change.kind == kind)
}

fn changes(comparison: &Comparison, kind: ChangeKind) -> Markup {
    let count = of_kind(comparison, kind).count();
    if count == 0 {
        return html! {};
    }
    let is_urgent = matches!(kind, ChangeKind::CameBack | ChangeKind::New | ChangeKind::LostSight);
    html! {
        details open[is_urgent] {
            summary { (kind.word()) ": " (count_of(count, "product on a host", "products on hosts")) }
            table class="changes cards" {
                caption class="unseen" { "Products that are " (kind.word()) }
                thead { tr { @for column in ["Host", "Product", "Before", "Now", "Host is"] { th scope="col" { (column) } } } }
                tbody {
                    @for change in of_kind(comparison, kind).take(CHANGES) {
                        tr {
                            th scope="row" { (shown(&change.host)) }
                            td data-label="Product" { (change.name.as_deref().or(change.product.as_deref()).map_or_else(|| "the host as a whole".to_owned(), shown)) }
                            td data-label="Before" { (change.before.map_or("not told", |state| state.word())) }
                            td data-label="Now" { (change.after.map_or("not told", |state| state.word())) }
                            td data-label="Host is" { @match change.state { Some(state) => (badge(state)), None => "not in this run" } }
                        }
                    }
                }
            }
            @if count > CHANGES { p { "And " (number(count - CHANGES)) " more; the JSON report has all of them." } }
        }
    }
}

/// What the run was told to count, where it was told.
pub(super) fn scope(report: &Report) -> Markup {
    let Scope { profile, waivers } = &report.scope;
    if report.scope.is_empty() {
        return html! {};
    }
    section(
        "scope",
        "Scope and waivers",
        &html! {
            p { "What is out of scope or waived is listed, and never called clean." }
            @if let Some(profile) = profile { (profile_in_words(profile)) }
            @if let Some(list) = waivers { (waivers_table(list)) }
        },
    )
}

fn profile_in_words(profile: &ScopeProfile) -> Markup {
    html! {
        h3 { "Profile: " (shown(&profile.name)) " " small { (shown(&profile.id)) } }
        @if profile.out.is_empty() { p { "It leaves nothing out." } } @else {
            p { "It leaves out:" }
            ul {
                @for entry in &profile.out {
                    li {
                        b {
                            @if let Some(class) = entry.class { (class.word()) }
                            @if let Some(product) = &entry.product { (shown(product)) }
                        }
                        ": " (shown(&entry.reason))
                    }
                }
            }
        }
        p class="digest" { "SHA-256 " code { (shown(&profile.digest)) } }
    }
}

fn waivers_table(list: &WaiverList) -> Markup {
    html! {
        h3 { "Waivers: " (shown(&list.file)) }
        table class="waivers cards" {
            caption class="unseen" { "The waivers that the run was given" }
            thead { tr { @for column in ["Hosts", "Product", "Until", "Ticket", "Why"] { th scope="col" { (column) } } } }
            tbody {
                @for waiver in &list.waivers {
                    tr {
                        th scope="row" { (shown(&waiver.hosts)) }
                        td data-label="Product" { (shown(&waiver.product)) }
                        td data-label="Until" { time datetime=(waiver.until) { (waiver.until) } }
                        td data-label="Ticket" { (shown(&waiver.ticket)) }
                        td data-label="Why" { (shown(&waiver.reason)) }
                    }
                }
            }
        }
        p class="digest" { "SHA-256 " code { (shown(&list.digest)) } }
    }
}

/// The run, its journal and what else is to be known of it.
pub(super) fn record(report: &Report) -> Markup {
    section(
        "record",
        "Record",
        &html! {
            dl class="record" {
                (entry("Run", &report.run))
                (entry("Verb", &report.verb))
                (entry("Operator", &report.operator))
                (entry("uproot", &report.version))
                (entry("Started", &moment(report.started)))
                (entry(if report.finished { "Ended" } else { "Last record" }, &moment(report.ended)))
                (entry("Finished", if report.finished { "yes" } else { "no: the journal has no end record" }))
                (entry("Exit code", &report.exit_code().code().to_string()))
                (entry("Playbook, SHA-256", &report.playbook))
                @if let Some(plan) = &report.plan { (entry("Plan, SHA-256", plan)) }
                @for (name, value) in &report.options { (entry(&format!("Option {name}"), value)) }
            }
            (journal(report))
            @if !report.resumptions.is_empty() {
                h3 { "Resumptions" }
                ol { @for resumption in &report.resumptions { li { (resumed(resumption)) } } }
            }
            @if !report.notes.is_empty() {
                h3 { "Notes" }
                ul { @for note in &report.notes { li { (prose(note)) } } }
            }
        },
    )
}

fn entry(label: &str, value: &str) -> Markup {
    html! { div { dt { (shown(label)) } dd { (shown(value)) } } }
}

fn journal(report: &Report) -> Markup {
    let Some(check) = &report.check else {
        return html! {
            h3 { "Journal" }
            p { "It was not checked for this page: " code { "uproot journal verify " (shown(&report.run)) } }
        };
    };
    html! {
        h3 { "Journal" }
        @if is_broken(report) {
            p class="bad" { b { "Broken: " } (count_of(check.defects.len(), "defect", "defects")) ", named at the top of this page." }
        } @else {
            p class="good" { b { "Whole: " } "its chain, blobs and plan were checked when this page was made." }
        }
        @if check.seals.is_empty() { p { "Not sealed." } } @else {
            ul { @for seal in &check.seals { li { (shown(seal)) } } }
        }
        @if !check.remarks.is_empty() { ul { @for remark in &check.remarks { li { (prose(remark)) } } } }
    }
}

fn resumed(resumption: &Resumption) -> Markup {
    let others = [
        (resumption.after_failures, "went on after failures"),
        (resumption.retry_failed, "retried what had failed"),
        (resumption.break_lock, "broke live locks"),
    ];
    let decided: Vec<&str> = others.into_iter().filter(|(is_so, _)| *is_so).map(|(_, what)| what).collect();
    html! {
        (moment(resumption.at)) " by " (shown(&resumption.operator)) ", uproot " (shown(&resumption.version)) ": "
        @match &resumption.stopped {
            Some(reason) => { "it had been stopped: " (prose(reason)) }
            None => "its process had died",
        }
        @if !resumption.approved.is_empty() { "; approved " (shown(&resumption.approved.join(", "))) }
        @if !decided.is_empty() { "; " (decided.join(", ")) }
    }
}

/// What the page was made from.
pub(super) fn footer(report: &Report) -> Markup {
    html! {
        footer {
            p {
                "Made by uproot " (env!("CARGO_PKG_VERSION")) " from the journal of run " (shown(&report.run))
                " and nothing else. The journal is the proof; this page is its rendering."
            }
        }
    }
}
