//! Findings → the state of a host: pure.
//!
//! A host takes the worst of its products that count. `clean` and `removed` are said only where every
//! product of the host's platform was looked for and is absent, whether it counts or not; whatever is
//! missing makes it `unknown`, and what is there and does not count makes it `exempt`.

mod after;
mod extensions;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use after::{StepSummary, after_apply};
pub use extensions::{nothing_but_extensions, reboot_removes_the_rest, with_extensions};

use crate::detect::{cut, without_remedy};
use crate::facts::Facts;
use crate::model::{Exemption, ExemptionKind, Finding, HostState, ProductState};

/// How many products a reason names.
const NAMED: usize = 5;

/// The state of a host and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The state.
    pub state: HostState,
    /// Why, in one sentence; empty when there is nothing to say. May hold host strings: escape before
    /// showing.
    pub reason: String,
    /// The option or command that would mend it, for unknown.
    pub remedy: Option<String>,
}

impl Verdict {
    fn of(state: HostState, reason: impl Into<String>) -> Self {
        Self { state, reason: reason.into(), remedy: None }
    }
}

/// Whether a product is gone: every question was asked and answered, and nothing is there.
#[must_use]
pub fn product_is_gone(finding: &Finding) -> bool {
    finding.result == ProductState::Absent
}

/// The state of a host that was only looked at: present, residue, unknown, exempt or clean.
///
/// `findings` is one for each product of the playbook for the host's platform.
#[must_use]
pub fn observed(findings: &[Finding], facts: &Facts) -> Verdict {
    if let Some(verdict) = cannot_vouch(findings, facts) {
        return verdict;
    }
    match counted(findings) {
        Some(ProductState::Present) => Verdict::of(HostState::Present, all_there(findings)),
        Some(ProductState::Residue) => Verdict::of(HostState::Residue, all_there(findings)),
        Some(ProductState::Unknown) => with_exempt(unknown(findings, facts), findings),
        Some(ProductState::Absent) => nothing_counts(findings),
        None => unasked(facts),
    }
}

/// The same without the facts, for findings that were judged anew; none where there is no finding. Of an
/// unknown host it knows no remedy.
#[must_use]
pub fn by_findings(findings: &[Finding]) -> Option<Verdict> {
    Some(match counted(findings)? {
        ProductState::Present => Verdict::of(HostState::Present, all_there(findings)),
        ProductState::Residue => Verdict::of(HostState::Residue, all_there(findings)),
        ProductState::Unknown => {
            let why = unknown_reasons(findings).next().unwrap_or(UNANSWERED);
            let reason = format!("not known: {}: {why}", names(&counting_unknown(findings)));
            with_exempt(Verdict::of(HostState::Unknown, reason), findings)
        }
        ProductState::Absent => nothing_counts(findings),
    })
}

/// Of a host on which no product that counts is there.
fn nothing_counts(findings: &[Finding]) -> Verdict {
    match exempt(findings) {
        reason if reason.is_empty() => Verdict::of(HostState::Clean, ""),
        reason => Verdict::of(HostState::Exempt, reason),
    }
}

/// The verdict on a host about which no finding can say anything.
fn cannot_vouch(findings: &[Finding], facts: &Facts) -> Option<Verdict> {
    (facts.platform.is_none() || findings.is_empty()).then(|| unasked(facts))
}

fn unasked(facts: &Facts) -> Verdict {
    let reason = match facts.platform {
        Some(platform) => format!("the playbook has no product for {platform}"),
        None if facts.os.kernel_name.is_empty() => "the platform was not recognised".to_owned(),
        None => {
            format!("the platform was not recognised: it calls itself `{}`", cut(&facts.os.kernel_name, 40))
        }
    };
    Verdict::of(HostState::Unknown, reason)
}

/// The worst that a product is which counts: present, residue, unknown, absent. Absent too where none
/// counts; none where there is no finding.
fn counted(findings: &[Finding]) -> Option<ProductState> {
    let rank = |state: &ProductState| match state {
        ProductState::Present => 0,
        ProductState::Residue => 1,
        ProductState::Unknown => 2,
        ProductState::Absent => 3,
    };
    let state = |finding: &Finding| if finding.is_exempt() { ProductState::Absent } else { finding.result };
    findings.iter().map(state).min_by_key(rank)
}

/// What is there, what could not be told, and what of that does not count: `installed: kesl 12.1.0-1543;
/// left behind: klnagent; waived until 2026-12-31 by CHG-1: ksc-linux 15.1`.
fn all_there(findings: &[Finding]) -> String {
    joined([there(findings), exempt(findings)])
}

fn joined(parts: [String; 2]) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

fn with_exempt(verdict: Verdict, findings: &[Finding]) -> Verdict {
    Verdict { reason: joined([verdict.reason, exempt(findings)]), ..verdict }
}

/// What counts and is there, and what could not be told: `installed: kesl 12.1.0-1543; left behind:
/// klnagent`. A waiver that is over is named with what it was for.
fn there(findings: &[Finding]) -> String {
    let kinds = [
        (ProductState::Present, "installed"),
        (ProductState::Residue, "left behind"),
        (ProductState::Unknown, "not known"),
    ];
    let parts = kinds.into_iter().filter_map(|(state, word)| {
        let of_state: Vec<&Finding> =
            findings.iter().filter(|finding| finding.result == state && !finding.is_exempt()).collect();
        (!of_state.is_empty()).then(|| format!("{word}: {}", names(&of_state)))
    });
    let over = |exemption: &Exemption| exemption.kind == ExemptionKind::WaiverExpired;
    joined([parts.collect::<Vec<_>>().join("; "), flagged(findings, over)])
}

/// What is there, or may be, and does not count, with why.
fn exempt(findings: &[Finding]) -> String {
    flagged(findings, |exemption| exemption.kind.exempts())
}

/// The products with such exemptions, those of one flag together: `waived until 2026-12-31 by CHG-1: kesl
/// 12.1, klnagent (residue)`. The reasons of profile and waivers stand with the findings.
fn flagged(findings: &[Finding], wanted: impl Fn(&Exemption) -> bool) -> String {
    let mut groups: Vec<(String, Vec<&Finding>)> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.result != ProductState::Absent) {
        let Some(exemption) = finding.exemption.as_ref().filter(|exemption| wanted(exemption)) else {
            continue;
        };
        let flag = exemption.flag();
        match groups.iter_mut().find(|(known, _)| *known == flag) {
            Some((_, members)) => members.push(finding),
            None => groups.push((flag, vec![finding])),
        }
    }
    let words = groups.iter().map(|(flag, members)| format!("{flag}: {}", named(members, true)));
    words.collect::<Vec<_>>().join("; ")
}

/// Products by id, with their version where it is known.
fn names(findings: &[&Finding]) -> String {
    named(findings, false)
}

/// The same; with `result`, what is not installed says what it is.
fn named(findings: &[&Finding], result: bool) -> String {
    let name = |finding: &&Finding| {
        let version = finding.version.as_ref().map(|version| format!(" {}", cut(version, 60)));
        let result = match finding.result {
            ProductState::Residue | ProductState::Unknown if result => {
                format!(" ({})", finding.result.word())
            }
            _ => String::new(),
        };
        format!("{}{}{result}", finding.product, version.unwrap_or_default())
    };
    let mut text = findings.iter().take(NAMED).map(name).collect::<Vec<_>>().join(", ");
    if findings.len() > NAMED {
        text += &format!(" and {} more", findings.len() - NAMED);
    }
    text
}

/// What is said of unknown products of which the evidence does not say why.
const UNANSWERED: &str = "its checks were not answered";

fn counting_unknown(findings: &[Finding]) -> Vec<&Finding> {
    let unknown = |finding: &&Finding| finding.result == ProductState::Unknown && !finding.is_exempt();
    findings.iter().filter(unknown).collect()
}

/// Why products that count could not be told.
fn unknown_reasons(findings: &[Finding]) -> impl Iterator<Item = &str> {
    counting_unknown(findings).into_iter().flat_map(|finding| {
        let reasons = finding.evidence.iter().filter(|evidence| evidence.truth.is_unknown());
        reasons.filter_map(|evidence| evidence.reason.as_deref())
    })
}

/// The verdict on a host with unknown products that count: the first reason that has a remedy, else the
/// first.
fn unknown(findings: &[Finding], facts: &Facts) -> Verdict {
    let mut reasons = unknown_reasons(findings).map(|reason| without_remedy(reason, facts));
    let first = reasons.next();
    let mendable = first.iter().cloned().chain(reasons).find(|(_, remedy)| remedy.is_some());
    let (reason, remedy) = mendable.or(first).unwrap_or((UNANSWERED, None));
    let reason = format!("not known: {}: {reason}", names(&counting_unknown(findings)));
    Verdict { state: HostState::Unknown, reason, remedy }
}
