//! Several runs as one page: the verdict, the clock of a directive, the burn-down, and each host's history.

mod burndown;
mod clock;
mod hosts;
mod runs;

use super::data;
use super::first::{Part, parts};
use super::text::{count_of, moment, prose, shown};
use super::{full, mark, page};
use crate::directive::clock::day_of;
use crate::model::ExitCode;
use crate::report::campaign_words;
use crate::report::{Campaign, HostStatus, Moment};
use maud::{Markup, html};

/// The campaign as a page of HTML, complete in itself, under the same policy as that of one run.
#[must_use]
pub fn campaign_html(campaign: &Campaign) -> String {
    let in_full =
        campaign.hosts.iter().map(|host| (shown(&host.host), badge(host.status), hosts::detail(host)));
    let data = data::json(campaign.hosts.iter().map(|host| (hosts::keys(host), hosts::detail(host))));
    let without = html! { "the same command with " code { "--format table -v" } };
    page(
        &format!("uproot {}", env!("CARGO_PKG_VERSION")),
        &title(campaign),
        &html! {
            (broken(campaign))
            a class="skip" href="#hosts" { "Skip to the hosts" }
            (header(campaign))
            main {
                div class=(if campaign.deadlines.is_empty() { "first" } else { "first with-clock" }) {
                    (verdict(campaign))
                    (clock::section(campaign))
                    (burndown::section(campaign))
                }
                (hosts::section(campaign))
                (hosts::products(campaign))
                (runs::section(campaign))
                (runs::notes(campaign))
                (runs::record(campaign))
                (full::section(campaign.hosts.len(), in_full, &without))
            }
            (runs::footer(campaign))
        },
        data,
    )
}

fn is_broken(campaign: &Campaign) -> bool {
    campaign.runs.iter().any(|run| run.is_broken())
}

fn title(campaign: &Campaign) -> String {
    let broken = if is_broken(campaign) { "BROKEN JOURNAL: " } else { "" };
    format!("{broken}uproot campaign as of {}", campaign.today)
}

/// That journals are broken, before anything else.
fn broken(campaign: &Campaign) -> Markup {
    let broken = || campaign.runs.iter().filter(|run| run.is_broken());
    html! {
        @if is_broken(campaign) {
            div class="broken" role="alert" {
                strong {
                    (count_of(broken().count(), "journal of this campaign is", "journals of this campaign are"))
                    " broken. Nothing on this page is proven."
                }
                " Altered or damaged after it was written: "
                ul {
                    @for run in broken() {
                        li {
                            "run " (shown(&run.run)) ": "
                            @let defects = run.check.as_ref().map(|check| check.defects.as_slice()).unwrap_or_default();
                            @for (index, defect) in defects.iter().enumerate().take(DEFECTS) { @if index > 0 { "; " } (shown(defect)) }
                            @if defects.len() > DEFECTS { "; and " (defects.len() - DEFECTS) " more" }
                        }
                    }
                }
            }
        }
    }
}

/// So many defects of one journal are named; the JSON has all.
const DEFECTS: usize = 10;

fn header(campaign: &Campaign) -> Markup {
    html! {
        header class="top" {
            p class="brand" { strong { "uproot" } " " span { "campaign of " (count_of(campaign.runs.len(), "run", "runs")) } }
            p class="when" {
                span { "as of " time datetime=(campaign.as_of.to_string()) { (moment(campaign.as_of)) } }
                span { "days end at midnight in " (shown(&campaign.zone_name)) ", where it is " time datetime=(campaign.today) { (campaign.today) } }
            }
        }
    }
}

/// The verdict in sentences, and how many hosts are what.
fn verdict(campaign: &Campaign) -> Markup {
    let counts = campaign.counts;
    let tone = match campaign.exit_code() {
        _ if is_broken(campaign) => "bad",
        ExitCode::Success => "good",
        ExitCode::Found => "found",
        ExitCode::CannotVouch => "unknown",
        _ => "bad",
    };
    let count = |status: HostStatus| match status {
        HostStatus::Remaining => counts.remaining,
        HostStatus::Unknown => counts.unknown,
        HostStatus::Exempt => counts.exempt,
        HostStatus::Removed => counts.removed,
        HostStatus::Free => counts.free,
    };
    let statuses: Vec<Part> = HostStatus::ALL
        .into_iter()
        .map(|status| (status.word(), status_tone(status), count(status)))
        .filter(|(_, _, count)| *count > 0)
        .collect();
    html! {
        section class=(format!("verdict {tone}")) aria-labelledby="verdict" {
            h1 id="verdict" { (prose(&campaign_words::headline(campaign))) }
            p { (prose(&campaign_words::details(campaign).join(" "))) }
            (parts("Statuses of", counts.hosts, &statuses))
        }
    }
}

/// How a host's status is painted. Its word always stands beside it.
fn status_tone(status: HostStatus) -> &'static str {
    match status {
        HostStatus::Remaining => "found",
        HostStatus::Unknown => "unknown",
        HostStatus::Exempt => "info",
        HostStatus::Removed | HostStatus::Free => "good",
    }
}

fn badge(status: HostStatus) -> Markup {
    mark(status_tone(status), status.word())
}

/// The day of a moment in the campaign's zone.
fn day(campaign: &Campaign, at: &Moment) -> Markup {
    html! { time { (day_of(at.at, &campaign.zone)) } }
}
