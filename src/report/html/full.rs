//! Each host in full for a reader without JavaScript: the same words that the script shows.

use super::details::{Detail, Found, Limits, Step};
use super::text::{number, shown};
use super::{WRITTEN_OUT, badge, section as a_section};
use crate::report::Report;
use maud::{Markup, html};

/// Where each host stands in full, or where it is to be had.
pub(super) fn section(report: &Report) -> Markup {
    let limits = Limits::of(report);
    let is_short = report.hosts.len() <= WRITTEN_OUT;
    html! {
        noscript {
            @if is_short {
                (a_section("full", "Each host in full", &html! {
                    @for host in &report.hosts {
                        details {
                            summary { (shown(&host.host)) " " (badge(host.state)) }
                            (in_full(&Detail::of(host, limits)))
                        }
                    }
                }))
            } @else {
                p class="note" {
                    "This page shows the evidence and the steps of each of its " (number(report.hosts.len()))
                    " hosts by JavaScript. Without it: " code { "uproot report " (shown(&report.run)) " -v" }
                }
            }
        }
    }
}

fn in_full(detail: &Detail) -> Markup {
    html! {
        dl { @for (label, value) in &detail.about { div { dt { (label) } dd { (value) } } } }
        @if !detail.notes.is_empty() { ul { @for note in &detail.notes { li { (note) } } } }
        @if !detail.found.is_empty() { h4 { "Found" } ul class="evidence" { @for found in &detail.found { (finding(found)) } } }
        @if !detail.absent.is_empty() { p { b { "Proven absent: " } (detail.absent) } }
        @if !detail.before.is_empty() { h4 { "Found before the steps" } ul class="evidence" { @for found in &detail.before { (finding(found)) } } }
        @if !detail.steps.is_empty() { h4 { "Steps" } ol class="steps" { @for each in &detail.steps { (step(each)) } } }
    }
}

fn finding(found: &Found) -> Markup {
    html! {
        li {
            b { (found.product) } " " span class=(format!("st {}", found.tone)) { (found.word) }
            @if !found.exemption.is_empty() { " " small { (found.exemption) } }
            @if !found.evidence.is_empty() { ul { @for line in &found.evidence { li { (line) } } } }
        }
    }
}

fn step(step: &Step) -> Markup {
    html! {
        li {
            b { (step.name) } " " (step.summary) " " span class=(format!("st {}", step.tone)) { (step.word) } " " small { (step.meta) }
            @if !step.reason.is_empty() { p { (step.reason) } }
            @if !step.earlier.is_empty() { ul { @for line in &step.earlier { li { (line) } } } }
            @for output in &step.outputs {
                p class="output" { (output.label) }
                @if !output.text.is_empty() { pre { (output.text) } }
            }
        }
    }
}
