//! What every form of the report says in the same words.

use super::{Change, ChangeKind, Report};
use crate::model::{Finding, Scope};
use std::collections::{BTreeMap, BTreeSet};

/// So many defects of a journal are named in one line; of more, their number. All are in the JSON.
const DEFECTS_NAMED: usize = 5;

/// What a reader must be told before anything else: that the journal is broken. None: it is not, or it was
/// not checked. May hold host strings: escape before showing.
pub(super) fn broken(report: &Report) -> Option<String> {
    let check = report.check.as_ref().filter(|check| check.is_broken())?;
    let count = check.defects.len();
    let plural = if count == 1 { "" } else { "s" };
    let mut named: Vec<String> = check.defects.iter().take(DEFECTS_NAMED).cloned().collect();
    if count > DEFECTS_NAMED {
        named.push(format!("and {} more", count - DEFECTS_NAMED));
    }
    Some(format!(
        "THE JOURNAL IS BROKEN ({count} defect{plural}): nothing below can be relied on: {}",
        named.join("; ")
    ))
}

/// What is known of the journal itself.
pub(super) fn journal_word(report: &Report) -> &'static str {
    match &report.check {
        None => "not-checked",
        Some(check) if check.is_broken() => "broken",
        Some(_) => "whole",
    }
}

/// The run's own facts, as names and values, in the order in which they are told. May hold host strings.
pub(super) fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("run", report.run.clone()),
        ("verb", report.verb.clone()),
        ("started", report.started.to_string()),
        ("ended", report.ended.to_string()),
        ("finished", report.finished.to_string()),
        ("operator", report.operator.clone()),
        ("version", report.version.clone()),
        ("playbook", report.playbook.clone()),
    ];
    facts.extend(report.plan.clone().map(|plan| ("plan", plan)));
    facts.push(("scope", scope(&report.scope)));
    facts.push(("journal", journal_word(report).to_owned()));
    let check = report.check.as_ref();
    facts.extend(check.into_iter().flat_map(|check| &check.seals).map(|seal| ("seal", seal.clone())));
    facts.extend(check.into_iter().flat_map(|check| &check.remarks).map(|remark| ("remark", remark.clone())));
    if let Some(comparison) = &report.comparison {
        let earlier = comparison
            .against
            .iter()
            .map(|earlier| format!("{} ({} at {})", earlier.run, earlier.verb, earlier.started));
        facts.push(("against", earlier.collect::<Vec<_>>().join(", ")));
    }
    facts
}

/// What the run counted, in words.
pub(super) fn scope(scope: &Scope) -> String {
    let profile = scope
        .profile
        .as_ref()
        .map(|profile| format!("profile {} ({}), SHA-256 {}", profile.id, profile.name, profile.digest));
    let waivers = scope.waivers.as_ref().map(|list| {
        let count = list.waivers.len();
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} waiver{plural} of {}, SHA-256 {}", list.file, list.digest)
    });
    let parts: Vec<String> = profile.into_iter().chain(waivers).collect();
    if parts.is_empty() { "everything counts".to_owned() } else { parts.join("; ") }
}

/// A kind of change as one word, for programs.
pub(super) fn change_word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::CameBack => "came-back",
        ChangeKind::New => "new",
        ChangeKind::StillThere => "still-there",
        ChangeKind::LostSight => "lost-sight",
        ChangeKind::Gone => "gone",
    }
}

/// A change in words: `came back (absent before)`.
pub(super) fn change(change: &Change) -> String {
    let before = match change.before {
        Some(before) => format!(" ({} before)", before.word()),
        None => String::new(),
    };
    format!("{}{before}", change.kind.word())
}

/// The changes by host and product.
pub(super) struct Changes<'a> {
    by_pair: BTreeMap<(&'a str, Option<&'a str>), &'a Change>,
    in_report: BTreeSet<(&'a str, Option<&'a str>)>,
}

impl<'a> Changes<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        let changes = report.comparison.iter().flat_map(|comparison| &comparison.changes);
        let by_pair: BTreeMap<_, _> =
            changes.map(|change| ((change.host.as_str(), change.product.as_deref()), change)).collect();
        let mut in_report = BTreeSet::new();
        if !by_pair.is_empty() {
            for host in &report.hosts {
                if host.findings.is_empty() {
                    in_report.insert((host.host.as_str(), None));
                }
                let products = host.findings.iter().map(|finding| finding.product.as_str());
                in_report.extend(products.map(|product| (host.host.as_str(), Some(product))));
            }
        }
        Self { by_pair, in_report }
    }

    /// What became of a product on a host, or (none) of the host as a whole.
    pub(super) fn get(&self, host: &str, product: Option<&str>) -> Option<&'a Change> {
        self.by_pair.get(&(host, product)).copied()
    }

    /// The changes of what this run has no finding of: hosts that are not in it, products that were not
    /// looked for or not told.
    pub(super) fn elsewhere(&self) -> impl Iterator<Item = &'a Change> {
        self.by_pair.iter().filter(|(pair, _)| !self.in_report.contains(*pair)).map(|(_, change)| *change)
    }
}

/// A text that is at most `most` bytes long; what is cut off is marked.
pub(super) fn cut(text: &str, most: usize) -> String {
    const MARK: char = '…';
    if text.len() <= most {
        return text.to_owned();
    }
    let room = most.saturating_sub(MARK.len_utf8());
    let mut short: String =
        text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= room).map(|(_, c)| c).collect();
    short.push(MARK);
    short
}

/// The checks that decided a finding, in one line.
pub(super) fn evidence(finding: &Finding) -> String {
    let checks = finding.evidence.iter().map(|evidence| {
        let because: Vec<&str> = evidence.facts.iter().chain(&evidence.reason).map(String::as_str).collect();
        let because = if because.is_empty() { String::new() } else { format!(": {}", because.join("; ")) };
        format!("{} is {}{because}", evidence.check, evidence.truth)
    });
    checks.collect::<Vec<_>>().join("; ")
}
