//! Each host in full for a reader without JavaScript: the same words that the script shows.

use super::details::{Detail, Found, Step};
use super::text::number;
use super::{WRITTEN_OUT, section as a_section};
use maud::{Markup, html};

/// Where each host stands in full, or where it is to be had. `hosts`: name, badge and words of each of `count`
/// hosts; `without`: what shows the same without JavaScript.
pub(super) fn section(
    count: usize,
    hosts: impl Iterator<Item = (String, Markup, Detail)>,
    without: &Markup,
) -> Markup {
    html! {
        noscript {
            @if count <= WRITTEN_OUT {
                (a_section("full", "Each host in full", &html! {
                    @for (name, badge, detail) in hosts {
                        details {
                            summary { (name) " " (badge) }
                            (in_full(&detail))
                        }
                    }
                }))
            } @else {
                p class="note" {
                    "This page shows each of its " (number(count)) " hosts in full by JavaScript. Without it: " (without)
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
