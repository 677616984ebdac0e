//! The runs of the campaign with their journals and seals, what else is to be known, and the record.

use super::super::text::{count_of, moment, number, prose, shown};
use super::super::{mark, section as a_section};
use crate::report::{Campaign, CampaignRun};
use maud::{Markup, html};

/// The section of the runs.
pub(super) fn section(campaign: &Campaign) -> Markup {
    a_section(
        "runs",
        "Runs",
        &html! {
            table class="runs cards" {
                caption class="unseen" { "The runs of this campaign, by the time of their start" }
                thead {
                    tr {
                        th scope="col" { "Run" }
                        @for column in ["Started, ended", "How it ended", "Journal"] { th scope="col" { (column) } }
                        th scope="col" class="n" { "Hosts" }
                        th scope="col" class="n" { "Answered" }
                        th scope="col" class="n" { "Exit" }
                    }
                }
                tbody { @for run in &campaign.runs { (row(run)) } }
            }
            @if !campaign.left_out.is_empty() {
                p class="key" {
                    "Left out, since they ended after the moment as of which this is told: "
                    @for (index, run) in campaign.left_out.iter().enumerate() { @if index > 0 { ", " } (shown(&run.verb)) " " (shown(&run.run)) }
                }
            }
        },
    )
}

fn row(run: &CampaignRun) -> Markup {
    html! {
        tr {
            th scope="row" { (shown(&run.verb)) " " small { (shown(&run.run)) } }
            td class="t" data-label="Started, ended" { span { (moment(run.started)) br; (moment(run.ended)) } }
            td data-label="How it ended" {
                span {
                    @match (&run.stopped, run.finished) {
                        (Some(reason), _) => { (mark("bad", "stopped")) " " small { (prose(reason)) } }
                        (None, true) => { "finished" }
                        (None, false) => { (mark("unknown", "not finished")) }
                    }
                }
            }
            td data-label="Journal" { span { (journal(run)) } }
            td class="n" data-label="Hosts" { (number(run.hosts)) }
            td class="n" data-label="Answered" { (number(run.answered)) }
            td class="n" data-label="Exit" { (run.exit.code()) }
        }
    }
}

fn journal(run: &CampaignRun) -> Markup {
    let Some(check) = &run.check else {
        return html! { (mark("unknown", "not checked")) " " small { "for this page" } };
    };
    html! {
        @if run.is_broken() { (mark("bad", "broken")) " " small { (count_of(check.defects.len(), "defect", "defects")) } }
        @else { (mark("good", "whole")) }
        @if check.seals.is_empty() { " " small { "not sealed" } }
        @for seal in &check.seals { " " small { (shown(seal)) } }
        @for remark in &check.remarks { " " small { (prose(remark)) } }
    }
}

/// What else a reader must know.
pub(super) fn notes(campaign: &Campaign) -> Markup {
    if campaign.notes.is_empty() {
        return html! {};
    }
    a_section("notes", "Notes", &html! { ul { @for note in &campaign.notes { li { (prose(note)) } } } })
}

/// What the campaign was told by.
pub(super) fn record(campaign: &Campaign) -> Markup {
    let directive = campaign.directive.as_ref();
    a_section(
        "record",
        "Record",
        &html! {
            dl class="record" {
                (entry("As of", &moment(campaign.as_of)))
                (entry("Days end in", &campaign.zone_name))
                (entry("Exit code", &campaign.exit_code().code().to_string()))
                @if let Some(directive) = directive {
                    (entry("Directive", &directive.id))
                    (entry("Directive, SHA-256", &directive.digest))
                    @if let Some(since) = directive.since { (entry("Days counted from", &since.to_string())) }
                }
            }
            @if let Some(directive) = directive.filter(|directive| !directive.sources.is_empty()) {
                h3 { "Sources of the directive" }
                ul { @for source in &directive.sources { li { (shown(source)) } } }
            }
        },
    )
}

fn entry(label: &str, value: &str) -> Markup {
    html! { div { dt { (label) } dd { (shown(value)) } } }
}

/// What the page was made from.
pub(super) fn footer(campaign: &Campaign) -> Markup {
    html! {
        footer {
            p {
                "Made by uproot " (env!("CARGO_PKG_VERSION")) " from the journals of "
                (count_of(campaign.runs.len(), "run", "runs"))
                @if campaign.directive.is_some() { " and the directive" }
                ", and nothing else. The journals are the proof; this page is their rendering."
            }
        }
    }
}
