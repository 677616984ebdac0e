//! The deadlines of the directive: how each stands, by which run, and the evidence.

use super::super::text::{count_of, moment, number, prose, shown};
use super::super::{mark, section as a_section};
use crate::report::campaign_words::{marks, standing};
use crate::report::{Campaign, DeadlineReport, DeadlineState};
use maud::{Markup, html};

/// So many occurrences of a repeating deadline are seen at once: the last ones.
const OCCURRENCES: usize = 3;
/// So many hosts of a deadline are named at once, and so many when they are asked for; the JSON has all.
const NAMED: usize = 5;
const LISTED: usize = 500;

/// The section of the deadlines; without a directive, nothing.
pub(super) fn section(campaign: &Campaign) -> Markup {
    let Some(directive) = &campaign.directive else { return html! {} };
    a_section(
        "deadlines",
        "Deadlines",
        &html! {
            h3 { (shown(&directive.name)) " "
                small {
                    @if let Some(since) = directive.since { "days counted from " time datetime=(since) { (since) } "; " }
                    "each ends at midnight in " (shown(&campaign.zone_name))
                    @if !directive.confirmed { "; no source for it was read" }
                }
            }
            @if campaign.deadlines.is_empty() { p { "It has no deadline." } }
            ol class="clock" {
                @for (index, deadline) in campaign.deadlines.iter().enumerate() {
                    @match place(campaign, index) {
                        Place::Seen => (card(campaign, index, deadline)),
                        Place::First(count) => (folded(campaign, index, deadline, count)),
                        Place::Folded => {}
                    }
                }
            }
            @if let Some(note) = &directive.note { p class="key" { (prose(note)) } }
        },
    )
}

/// Where an occurrence stands.
enum Place {
    /// On its own.
    Seen,
    /// It is the first of so many that are folded into one.
    First(usize),
    /// In the fold of an earlier one.
    Folded,
}

fn place(campaign: &Campaign, index: usize) -> Place {
    let Some(deadline) = campaign.deadlines.get(index) else { return Place::Folded };
    let same = |other: &&DeadlineReport| other.id == deadline.id;
    let later = campaign.deadlines.iter().skip(index).filter(same).count();
    if deadline.number.is_none() || later <= OCCURRENCES {
        return Place::Seen;
    }
    let is_first = !campaign.deadlines.iter().take(index).any(|other| other.id == deadline.id);
    if is_first { Place::First(later - OCCURRENCES) } else { Place::Folded }
}

/// The earlier occurrences of a repeating deadline.
fn folded(campaign: &Campaign, index: usize, deadline: &DeadlineReport, count: usize) -> Markup {
    let same = |(_, other): &(usize, &DeadlineReport)| other.id == deadline.id;
    let all = || campaign.deadlines.iter().enumerate().skip(index).filter(same).take(count);
    let missed = all().filter(|(_, other)| other.state == DeadlineState::Missed).count();
    html! {
        li class=(if missed > 0 { "bad" } else { "info" }) {
            details {
                summary {
                    (count_of(count, "earlier occurrence", "earlier occurrences")) " of " (shown(&deadline.id)) ": "
                    (number(count - missed)) " ready, " (number(missed)) " missed"
                }
                ol class="clock" { @for (index, other) in all() { (card(campaign, index, other)) } }
            }
        }
    }
}

fn card(campaign: &Campaign, index: usize, deadline: &DeadlineReport) -> Markup {
    let (word, more) = standing(deadline, campaign);
    let tone = tone(deadline.state);
    let occurrence = deadline.number.map(|number| format!(" {number}")).unwrap_or_default();
    html! {
        li class=(tone) {
            b { span class="ordinal" { (index + 1) } " " (mark(tone, word)) (more) }
            span { (shown(&deadline.id)) (occurrence) ": " (shown(&deadline.what)) (marks(deadline)) }
            small {
                @if let Some(day) = deadline.day { "due " time datetime=(day) { (day) } }
                @if let Some(by) = &deadline.by {
                    @if deadline.day.is_some() { "; " }
                    @if deadline.state == DeadlineState::Ready { "from run " } @else { "by run " }
                    (shown(&by.run)) " at " time datetime=(by.at.to_string()) { (moment(by.at)) }
                }
            }
            small { (shown(&deadline.evidence)) }
            @if !matches!(deadline.state, DeadlineState::Met | DeadlineState::NothingToDo) { (missing(&deadline.missing)) }
        }
    }
}

/// On which hosts it is not achieved.
fn missing(names: &[String]) -> Markup {
    let listed = |most: usize| names.iter().take(most).map(|name| shown(name)).collect::<Vec<_>>().join(", ");
    html! {
        @if names.len() > NAMED {
            details {
                summary { small { "not on " (listed(NAMED)) " and " (number(names.len() - NAMED)) " more" } }
                small {
                    (listed(LISTED))
                    @if names.len() > LISTED { " and " (number(names.len() - LISTED)) " more, which the JSON report has" }
                }
            }
        } @else if !names.is_empty() {
            small { "not on " (listed(NAMED)) }
        }
    }
}

/// How a deadline's state is painted.
pub(super) fn tone(state: DeadlineState) -> &'static str {
    match state {
        DeadlineState::Met | DeadlineState::NothingToDo => "good",
        DeadlineState::MetLate => "found",
        DeadlineState::Partly | DeadlineState::Missed => "bad",
        // That someone was told no journal says.
        DeadlineState::Open | DeadlineState::Ready => "info",
        DeadlineState::NotStarted => "idle",
    }
}
