//! Findings → the state of a host: pure.
//!
//! A host takes the worst of its products. `clean` and `removed` are said only where every product
//! of the host's platform was looked for and is absent; whatever is missing makes it `unknown`.

mod after;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use after::{StepSummary, after_apply};

use crate::detect::{cut, without_remedy};
use crate::facts::Facts;
use crate::model::{Finding, HostState, ProductState};

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

/// The state of a host that was only looked at: present, residue, unknown or clean.
///
/// `findings` is one for each product of the playbook for the host's platform.
#[must_use]
pub fn observed(findings: &[Finding], facts: &Facts) -> Verdict {
    if let Some(verdict) = cannot_vouch(findings, facts) {
        return verdict;
    }
    let reason = there(findings);
    match worst(findings) {
        Some(ProductState::Present) => Verdict::of(HostState::Present, reason),
        Some(ProductState::Residue) => Verdict::of(HostState::Residue, reason),
        Some(ProductState::Unknown) => unknown(findings, facts),
        Some(ProductState::Absent) => Verdict::of(HostState::Clean, ""),
        None => unasked(facts),
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

/// The worst that a product is: present, residue, unknown, absent.
fn worst(findings: &[Finding]) -> Option<ProductState> {
    let rank = |state: &ProductState| match state {
        ProductState::Present => 0,
        ProductState::Residue => 1,
        ProductState::Unknown => 2,
        ProductState::Absent => 3,
    };
    findings.iter().map(|finding| finding.result).min_by_key(rank)
}

/// What is there and what could not be told: `installed: kesl 12.1.0-1543; left behind: klnagent`.
fn there(findings: &[Finding]) -> String {
    let kinds = [
        (ProductState::Present, "installed"),
        (ProductState::Residue, "left behind"),
        (ProductState::Unknown, "not known"),
    ];
    let parts: Vec<String> = kinds
        .into_iter()
        .filter_map(|(state, word)| {
            let of_state: Vec<&Finding> = findings.iter().filter(|finding| finding.result == state).collect();
            (!of_state.is_empty()).then(|| format!("{word}: {}", names(&of_state)))
        })
        .collect();
    parts.join("; ")
}

/// Products by id, with their version where it is known.
fn names(findings: &[&Finding]) -> String {
    let name = |finding: &&Finding| match &finding.version {
        Some(version) => format!("{} {}", finding.product, cut(version, 60)),
        None => finding.product.clone(),
    };
    let mut text = findings.iter().take(NAMED).map(name).collect::<Vec<_>>().join(", ");
    if findings.len() > NAMED {
        text += &format!(" and {} more", findings.len() - NAMED);
    }
    text
}

/// The verdict on a host with unknown products: the first reason that has a remedy, else the first.
fn unknown(findings: &[Finding], facts: &Facts) -> Verdict {
    let unknown: Vec<&Finding> =
        findings.iter().filter(|finding| finding.result == ProductState::Unknown).collect();
    let mut reasons = unknown.iter().flat_map(|finding| {
        let reasons = finding.evidence.iter().filter(|evidence| evidence.truth.is_unknown());
        reasons.filter_map(|evidence| Some(without_remedy(evidence.reason.as_deref()?, facts)))
    });
    let first = reasons.next();
    let mendable = first.iter().cloned().chain(reasons).find(|(_, remedy)| remedy.is_some());
    let (reason, remedy) = mendable.or(first).unwrap_or(("its checks were not answered", None));
    let reason = format!("not known: {}: {reason}", names(&unknown));
    Verdict { state: HostState::Unknown, reason, remedy }
}
