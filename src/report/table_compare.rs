//! The lines of the table that say what differs from earlier runs.

use super::compare::{Change, ChangeKind, Comparison};
use super::looks::by_name;
use super::next::some_of;
use super::table::Lines;
use super::{HostReport, Report};
use crate::model::ProductState;
use std::collections::BTreeMap;

/// Draws the comparison, where there is one. What came back and what is new has a line each, and both are
/// named also where there is none: a job that greps for them must find an answer.
pub(super) fn draw(out: &mut Lines<'_>, report: &Report) {
    let Some(comparison) = &report.comparison else { return };
    let hosts = by_name(report);
    out.wrapped("compared with", &against(comparison));
    for kind in ChangeKind::ALL {
        let changes: Vec<&Change> = comparison.of_kind(kind).collect();
        match kind {
            ChangeKind::CameBack | ChangeKind::New if changes.is_empty() => out.wrapped(kind.word(), "none"),
            ChangeKind::CameBack => {
                for change in changes {
                    out.loud(kind.word(), &in_words(change, &hosts));
                }
            }
            ChangeKind::New => {
                for change in changes {
                    out.wrapped(kind.word(), &in_words(change, &hosts));
                }
            }
            _ if changes.is_empty() => {}
            _ if out.options.verbose => {
                for change in changes {
                    out.wrapped(kind.word(), &in_words(change, &hosts));
                }
            }
            _ => {
                let subjects: Vec<String> = changes.iter().map(|change| subject(change, &hosts)).collect();
                out.wrapped(&format!("{}, {}", kind.word(), changes.len()), &some_of(&subjects));
            }
        }
    }
    out.line("");
}

fn against(comparison: &Comparison) -> String {
    let runs: Vec<String> = comparison
        .against
        .iter()
        .map(|run| format!("{} of {} ({})", run.verb, run.started.strftime("%Y-%m-%d %H:%M UTC"), run.run))
        .collect();
    if runs.is_empty() { "no run".to_owned() } else { runs.join(", ") }
}

/// `kesl (Kaspersky Endpoint Security for Linux) on web01: was absent, is present`.
fn in_words(change: &Change, hosts: &BTreeMap<&str, &HostReport>) -> String {
    let name = match (&change.product, &change.name) {
        (Some(product), Some(name)) if product != name => format!("{product} ({name}) on {}", change.host),
        _ => subject(change, &BTreeMap::new()),
    };
    let before = change.before.map_or("was not told", |state| match state {
        ProductState::Present => "was present",
        ProductState::Residue => "was residue",
        ProductState::Unknown => "was unknown",
        ProductState::Absent => "was absent",
    });
    let now = match (change.after, change.state) {
        (Some(state), _) => format!("is {}", state.word()),
        (None, Some(state)) => format!("not told now: the host is {state}"),
        (None, None) => "the host is not in this run".to_owned(),
    };
    let before = if change.product.is_some() { format!("{before}, ") } else { String::new() };
    format!("{name}: {before}{now}{}", exemption(change, hosts))
}

/// `kesl on web01`.
fn subject(change: &Change, hosts: &BTreeMap<&str, &HostReport>) -> String {
    match &change.product {
        Some(product) => format!("{product} on {}{}", change.host, exemption(change, hosts)),
        None => format!("host {}", change.host),
    }
}

/// What the run's scope makes of the product.
fn exemption(change: &Change, hosts: &BTreeMap<&str, &HostReport>) -> String {
    let finding = hosts.get(change.host.as_str()).and_then(|host| change.finding_of(host));
    finding
        .and_then(|finding| finding.exemption.as_ref())
        .map(|exemption| format!(" ({})", exemption.kind.word()))
        .unwrap_or_default()
}
