//! The waves: when each was, how it went. The picture stands in a table that says the same in words.

use super::text::{count_of, moment, number, prose, shown, span};
use super::tone;
use crate::model::HostState;
use crate::report::{HostReport, Report, WaveEnd, WaveReport};
use jiff::Timestamp;
use maud::{Markup, html};

/// So many marks stand on a wave's bar.
const MARKS: usize = 400;

/// One row a wave.
fn table_of(report: &Report) -> Markup {
    let lanes: Vec<Lane<'_>> = report.waves.iter().map(|wave| Lane::of(report, wave)).collect();
    html! {
        table class="waves cards" {
            caption class="unseen" { "The waves of the run, in order" }
            thead {
                tr {
                    th scope="col" { "Wave" }
                    th scope="col" { "Result" }
                    th scope="col" class="n" { "Hosts" }
                    th scope="col" class="n" { "Failures" }
                    th scope="col" class="n" { "Unreachable" }
                    th scope="col" { "First begun, last ended" }
                    th scope="col" class="lane" aria-hidden="true" {
                        span class="axis" { span { (report.started.strftime("%H:%M").to_string()) } span { (report.ended.strftime("%H:%M").to_string()) } }
                    }
                }
            }
            tbody { @for lane in &lanes { (lane.row(report)) } }
        }
        p class="key" { "Each bar lies between the start and the end of the run; marks are hosts that ended badly." }
    }
}

/// The section of the waves; of a run without any, nothing.
pub(super) fn section(report: &Report) -> Markup {
    if report.waves.is_empty() {
        return html! {};
    }
    super::section("waves", "Waves", &table_of(report))
}

struct Lane<'a> {
    wave: &'a WaveReport,
    begun: Option<Timestamp>,
    ended: Option<Timestamp>,
    bad: Vec<Timestamp>,
}

impl<'a> Lane<'a> {
    fn of(report: &Report, wave: &'a WaveReport) -> Self {
        let hosts = || report.hosts.iter().filter(|host| host.wave.as_deref() == Some(&wave.name));
        let went_badly =
            |host: &&HostReport| tone(host.state) == "bad" || host.state == HostState::Unreachable;
        Self {
            wave,
            begun: hosts().filter_map(|host| host.started).min(),
            ended: hosts().filter_map(|host| host.ended).max(),
            bad: hosts().filter(went_badly).filter_map(|host| host.ended).take(MARKS).collect(),
        }
    }

    fn row(&self, report: &Report) -> Markup {
        let (word, tone) = match &self.wave.end {
            None => ("not ended", "unknown"),
            Some(end) if end.passed => ("passed", "good"),
            Some(_) => ("stopped", "bad"),
        };
        html! {
            tr {
                th scope="row" {
                    (shown(&self.wave.name))
                    @if !self.wave.approved.is_empty() { " " small { "approved by " (shown(&self.wave.approved.join(", "))) } }
                }
                td data-label="Result" {
                    span class=(format!("st {tone}")) { (word) }
                    @if let Some(reason) = self.wave.end.as_ref().and_then(|end| end.reason.as_deref()) { " " small { (prose(reason)) } }
                    @for end in &self.wave.earlier { " " small { "earlier: " (in_words(end)) } }
                }
                td class="n" data-label="Hosts" { (number(self.wave.hosts)) }
                td class="n" data-label="Failures" { (of_at_most(self.wave.end.as_ref().map(|end| end.failures), Some(self.wave.max_failures))) }
                td class="n" data-label="Unreachable" { (of_at_most(self.wave.end.as_ref().map(|end| end.unreachable), self.wave.max_unreachable)) }
                td class="t" data-label="First begun, last ended" {
                    span {
                        (self.begun.map_or_else(|| "–".to_owned(), moment)) br;
                        (self.ended.map_or_else(|| "–".to_owned(), moment))
                        @if let Some(took) = self.took() { small { (took) } }
                    }
                }
                td class="lane" aria-hidden="true" { (self.picture(report, tone)) }
            }
        }
    }

    fn took(&self) -> Option<String> {
        Some(span(self.ended?.duration_since(self.begun?).as_secs()))
    }

    fn picture(&self, report: &Report, tone: &str) -> Markup {
        let whole = report.ended.duration_since(report.started).as_secs_f64().max(1.0);
        let at = |moment: Timestamp| {
            (1000.0 * moment.duration_since(report.started).as_secs_f64() / whole).clamp(0.0, 1000.0)
        };
        let (Some(begun), Some(ended)) = (self.begun, self.ended) else { return html! {} };
        let (from, to) = (at(begun), at(ended));
        html! {
            svg viewBox="0 0 1000 20" preserveAspectRatio="none" focusable="false" {
                rect class="track" x="0" y="9" width="1000" height="2" {}
                rect class=(format!("fill {tone}")) x=(format!("{from:.1}")) y="3" width=(format!("{:.1}", (to - from).max(4.0))) height="14" {}
                @for moment in &self.bad { rect class="mark" x=(format!("{:.1}", at(*moment))) y="0" width="2" height="20" {} }
                @for resumption in &report.resumptions { rect class="resumed" x=(format!("{:.1}", at(resumption.at))) y="0" width="2" height="20" {} }
            }
        }
    }
}

fn of_at_most(count: Option<usize>, most: Option<usize>) -> String {
    match (count, most) {
        (None, None) => "–".to_owned(),
        (None, Some(most)) => format!("– of {}", number(most)),
        (Some(count), None) => number(count),
        (Some(count), Some(most)) => format!("{} of {}", number(count), number(most)),
    }
}

fn in_words(end: &WaveEnd) -> String {
    let word = if end.passed { "passed" } else { "stopped" };
    let reason = end.reason.as_deref().map(|reason| format!(", {}", shown(reason))).unwrap_or_default();
    format!("{word} with {}{reason}", count_of(end.failures, "failure", "failures"))
}
