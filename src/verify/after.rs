//! The state of a host after `apply` worked on it.

use super::{Verdict, all_there, cannot_vouch, counted, exempt, joined, names, unknown, with_exempt};
use crate::detect::cut;
use crate::facts::Facts;
use crate::model::event::StepResult;
use crate::model::{Finding, HostState, ProductState};

/// How a step ended, as far as the host's state depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepSummary {
    /// `PRODUCT/NUMBER`.
    pub id: String,
    /// The product it belongs to.
    pub product: String,
    /// How it ended.
    pub result: StepResult,
    /// Whether it said that a reboot is needed.
    pub reboot_needed: bool,
    /// Why it is not done, in words.
    pub reason: Option<String>,
}

impl StepSummary {
    /// Whether something was begun on the host.
    #[must_use]
    pub fn was_begun(&self) -> bool {
        match self.result {
            StepResult::Done | StepResult::Failed | StepResult::Blocked | StepResult::Interrupted => true,
            StepResult::AlreadySo | StepResult::NotRun => false,
        }
    }
}

/// The state of a host after its steps: failed, interrupted, blocked, present, residue, unknown,
/// removed-reboot-pending, exempt, removed or clean.
///
/// Findings that do not count make no state but `exempt`, and every reason tells them.
///
/// `before`: the findings when the work began. `after`: those of facts collected anew, one for each
/// product of the platform; none: the host could not be looked at again. `gone_after`: the products
/// that the plan was to remove; one that is there and not among them was not in the plan.
#[must_use]
pub fn after_apply(
    before: &[Finding],
    steps: &[StepSummary],
    after: Option<(&[Finding], &Facts)>,
    gone_after: &[String],
) -> Verdict {
    let stopped = [
        (StepResult::Failed, HostState::Failed),
        (StepResult::Interrupted, HostState::Interrupted),
        (StepResult::Blocked, HostState::Blocked),
    ];
    for (result, state) in stopped {
        if let Some(step) = steps.iter().find(|step| step.result == result) {
            return Verdict::of(state, stopped_reason(step, after));
        }
    }
    match after {
        Some((findings, facts)) => looked_again(before, steps, findings, facts, gone_after),
        None if steps.iter().any(StepSummary::was_begun) => {
            Verdict::of(HostState::Interrupted, "the host could not be looked at again after its steps")
        }
        None => Verdict::of(HostState::Unknown, "the host could not be looked at again; nothing was run"),
    }
}

fn stopped_reason(step: &StepSummary, after: Option<(&[Finding], &Facts)>) -> String {
    let why = step.reason.as_deref().map(|reason| cut(reason, 400)).unwrap_or(step.result.word().into());
    let left = after.map(|(findings, _)| all_there(findings)).filter(|left| !left.is_empty());
    match left {
        Some(left) => format!("step {}: {why}; {left}", step.id),
        None => format!("step {}: {why}", step.id),
    }
}

fn looked_again(
    before: &[Finding],
    steps: &[StepSummary],
    findings: &[Finding],
    facts: &Facts,
    gone_after: &[String],
) -> Verdict {
    if let Some(verdict) = cannot_vouch(findings, facts) {
        return verdict;
    }
    let missing = not_looked_for(before, findings, gone_after);
    match counted(findings) {
        Some(state @ (ProductState::Present | ProductState::Residue)) => {
            still_there(state, steps, findings, gone_after)
        }
        Some(ProductState::Absent) if missing.is_empty() => gone(before, steps, findings),
        Some(ProductState::Unknown) => {
            let verdict = unknown(findings, facts);
            with_exempt(
                Verdict { reason: format!("{}{}", verdict.reason, notes(steps)), ..verdict },
                findings,
            )
        }
        Some(ProductState::Absent) | None => {
            let verdict =
                Verdict::of(HostState::Unknown, format!("not looked for again: {}", missing.join(", ")));
            with_exempt(verdict, findings)
        }
    }
}

/// Products that were found before or should be gone, and that no finding speaks of now.
fn not_looked_for<'f>(before: &'f [Finding], after: &[Finding], gone_after: &'f [String]) -> Vec<&'f str> {
    let mut missing: Vec<&str> = before
        .iter()
        .map(|finding| finding.product.as_str())
        .chain(gone_after.iter().map(String::as_str))
        .filter(|product| after.iter().all(|finding| finding.product != *product))
        .collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}

fn still_there(
    state: ProductState,
    steps: &[StepSummary],
    findings: &[Finding],
    gone_after: &[String],
) -> Verdict {
    let mut reason = all_there(findings);
    let unplanned: Vec<&Finding> = findings
        .iter()
        .filter(|finding| matches!(finding.result, ProductState::Present | ProductState::Residue))
        .filter(|finding| !gone_after.contains(&finding.product) && !finding.is_exempt())
        .collect();
    if !unplanned.is_empty() {
        reason += &format!("; not in the plan: {}", names(&unplanned));
    }
    reason += &notes(steps);
    let state = if state == ProductState::Present { HostState::Present } else { HostState::Residue };
    Verdict::of(state, reason)
}

/// Every product that counts is absent: by our doing, or it was so. One that does not count and is not
/// absent leaves no host `removed` or `clean`; a reboot that is still to come goes before it.
fn gone(before: &[Finding], steps: &[StepSummary], findings: &[Finding]) -> Verdict {
    let exempt = exempt(findings);
    let begun = steps.iter().any(StepSummary::was_begun);
    let state = match (begun, reboot_step(steps)) {
        (_, Some(_)) => HostState::RemovedRebootPending,
        _ if !exempt.is_empty() => HostState::Exempt,
        (false, _) => HostState::Clean,
        (true, None) => HostState::Removed,
    };
    let reason = match (begun, steps) {
        (false, []) => String::new(),
        (false, _) => format!("already as planned{}", notes(steps)),
        (true, _) => format!("removed: {}{}", worked_on(before, steps), notes(steps)),
    };
    Verdict::of(state, joined([reason, exempt]))
}

/// What else is to be known of the steps: one that was not run, a reboot that is needed.
fn notes(steps: &[StepSummary]) -> String {
    let mut notes = String::new();
    if let Some(step) = steps.iter().find(|step| step.result == StepResult::NotRun) {
        let why = step.reason.as_deref().map(|reason| format!(": {}", cut(reason, 200))).unwrap_or_default();
        notes += &format!("; step {} was not run{why}", step.id);
    }
    if let Some(step) = reboot_step(steps) {
        notes += &format!("; step {} asked for a reboot", step.id);
    }
    notes
}

/// The products that steps were run for, with the version that they had.
fn worked_on(before: &[Finding], steps: &[StepSummary]) -> String {
    let mut products: Vec<&str> = Vec::new();
    for step in steps.iter().filter(|step| step.was_begun()) {
        // A reboot of the host is of no product.
        let is_product = before.iter().any(|finding| finding.product == step.product);
        if is_product && !products.contains(&step.product.as_str()) {
            products.push(&step.product);
        }
    }
    let known = |product: &&str| before.iter().find(|finding| finding.product == **product);
    let words: Vec<String> = products
        .iter()
        .map(|product| known(product).map_or_else(|| (*product).to_owned(), |finding| names(&[finding])))
        .collect();
    words.join(", ")
}

/// The first step that asked for a reboot, in this attempt at it or an earlier one.
fn reboot_step(steps: &[StepSummary]) -> Option<&StepSummary> {
    steps.iter().find(|step| step.reboot_needed)
}
