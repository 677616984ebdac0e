//! What a person must hear of a run's waivers: those that are over, and those that nothing needed.

use super::judge::{Ready, ready};
use crate::model::{Finding, ProductState, Scope, Truth};
use jiff::Timestamp;

/// More waivers are counted, not told of one by one.
const MOST_TOLD: usize = 50;

/// A host of a run, as far as waivers ask.
pub struct Looked<'a> {
    /// Its inventory name.
    pub host: &'a str,
    /// Its groups; none: nothing is known of them.
    pub groups: Option<&'a [String]>,
    /// What was found, before steps and after; empty: it was not read.
    pub findings: Vec<&'a Finding>,
}

/// What is to be said of the waivers of a scope after a run over these hosts that was judged at this time.
/// A waiver for a host that was not read is not called unused: nobody can tell.
#[must_use]
pub fn remarks(scope: &Scope, now: Timestamp, hosts: &[Looked<'_>]) -> Vec<String> {
    let Some(list) = &scope.waivers else { return Vec::new() };
    let ready = ready(scope, now);
    let mut told: Vec<String> = ready.iter().filter_map(|ready| remark(ready, &list.file, hosts)).collect();
    if let Some(more) = told.len().checked_sub(MOST_TOLD).filter(|more| *more > 0) {
        told.truncate(MOST_TOLD);
        told.push(format!("{more} more waivers of {} are over or were not used", list.file));
    }
    told
}

fn remark(ready: &Ready<'_>, file: &str, hosts: &[Looked<'_>]) -> Option<String> {
    let waiver = ready.waiver;
    let unused = unused(ready, hosts);
    let what = match (ready.in_force, unused) {
        (true, None) => return None,
        (true, Some(why)) => format!("was not used: {why}"),
        (false, None) => {
            format!(
                "expired after {}: what it allowed counts again; remove what it is for, or have it renewed",
                waiver.until
            )
        }
        (false, Some(why)) => format!("expired after {}, and was not used: {why}", waiver.until),
    };
    Some(format!("waiver {} of {file} ({} on {}) {what}", waiver.ticket, waiver.product, waiver.hosts))
}

/// The waivers of a scope that are over at this time.
#[must_use]
pub fn over(scope: &Scope, now: Timestamp) -> Vec<String> {
    let ready = ready(scope, now);
    let over = ready.iter().filter(|ready| !ready.in_force).map(|ready| ready.waiver);
    let words =
        over.map(|w| format!("waiver {} ({} on {}) expired after {}", w.ticket, w.product, w.hosts, w.until));
    words.collect()
}

/// Why a waiver was not used; none: it was, or that cannot be told.
fn unused(ready: &Ready<'_>, hosts: &[Looked<'_>]) -> Option<String> {
    let selected = |looked: &Looked<'_>| {
        ready.hosts.as_ref().map_or(Truth::False, |hosts| hosts.selects(looked.host, looked.groups))
    };
    let (mut doubted, mut any) = (false, false);
    for looked in hosts {
        match selected(looked) {
            Truth::False => continue,
            Truth::Unknown => {
                doubted = true;
                continue;
            }
            Truth::True => any = true,
        }
        let there = |finding: &&Finding| finding.result != ProductState::Absent && ready.covers(finding);
        if looked.findings.is_empty() || looked.findings.iter().copied().any(|finding| there(&finding)) {
            return None;
        }
    }
    let waiver = ready.waiver;
    Some(match (any, doubted) {
        (true, _) => format!("nothing that `{}` means is on those hosts any more", waiver.product),
        (false, true) => {
            format!(
                "whether a host is one of `{}` cannot be told where its groups are not known",
                waiver.hosts
            )
        }
        (false, false) => format!("no host of this run is one of `{}`", waiver.hosts),
    })
}
