//! What system extensions make of a host's state (macOS): one whose removal waits for the next boot, and one that
//! no script may remove.

use super::Verdict;
use crate::detect::{Keeper, OnlyExtensions, cut};
use crate::model::{EvidenceRole, Finding, HostState, ProductState, Truth};

/// What takes away an extension that is active. Of macOS: `systemextensionsctl` does it only where System
/// Integrity Protection is off.
const CONSENT: &str = "have a user at the screen consent to its removal (System Settings, General, Login Items & \
    Extensions), or let the device management do it by `RemovableSystemExtensions`; then restart the host";

/// Whether the next boot takes away all that is left and counts: every product that counts is absent, but for
/// those of which only extensions are left that wait for it, and there is such a one.
#[must_use]
pub fn reboot_removes_the_rest(findings: &[Finding], left: &[OnlyExtensions]) -> bool {
    is_all_that_counts(findings, left, |only| only.keeper == Keeper::Boot)
}

/// Whether nothing that counts is left but system extensions, and there is such a one.
#[must_use]
pub fn nothing_but_extensions(findings: &[Finding], left: &[OnlyExtensions]) -> bool {
    is_all_that_counts(findings, left, |_| true)
}

fn is_all_that_counts(
    findings: &[Finding],
    left: &[OnlyExtensions],
    is_meant: fn(&OnlyExtensions) -> bool,
) -> bool {
    let counting =
        || findings.iter().filter(|finding| finding.result != ProductState::Absent && !finding.is_exempt());
    let is_one =
        |finding: &Finding| left.iter().any(|only| only.product == finding.product && is_meant(only));
    counting().next().is_some() && counting().all(is_one)
}

/// The verdict on a host on which steps were run, with what its system extensions make of it: where they wait for
/// the next boot and nothing else is left, the removal is done but for that boot; where one is still active, the
/// host stays `residue` and says who can remove it.
#[must_use]
pub fn with_extensions(verdict: Verdict, findings: &[Finding], left: &[OnlyExtensions]) -> Verdict {
    if verdict.state != HostState::Residue {
        return verdict;
    }
    if reboot_removes_the_rest(findings, left) {
        let reason = format!(
            "{}; nothing but what goes with the next boot: {}",
            verdict.reason,
            extensions(findings, left, Keeper::Boot)
        );
        return Verdict { state: HostState::RemovedRebootPending, reason, ..verdict };
    }
    match extensions(findings, left, Keeper::Consent) {
        active if active.is_empty() => verdict,
        active => Verdict {
            reason: format!("{}; a system extension is still active: {active}", verdict.reason),
            remedy: Some(CONSENT.to_owned()),
            ..verdict
        },
    }
}

/// The extensions of the products that count and have this keeper, as their evidence tells them.
fn extensions(findings: &[Finding], left: &[OnlyExtensions], keeper: Keeper) -> String {
    let held = |finding: &&Finding| {
        let of_finding = |only: &OnlyExtensions| only.product == finding.product && only.keeper == keeper;
        !finding.is_exempt() && left.iter().any(of_finding)
    };
    let mut lines: Vec<&str> = Vec::new();
    for evidence in findings.iter().filter(held).flat_map(|finding| &finding.evidence) {
        if evidence.truth == Truth::True && evidence.role == EvidenceRole::Residue {
            lines.extend(evidence.facts.iter().map(String::as_str).filter(|line| !line.is_empty()));
        }
    }
    lines.sort_unstable();
    lines.dedup();
    cut(&lines.join("; "), 400).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Evidence, Exemption, ExemptionKind, ProductClass};

    fn found(product: &str, result: ProductState) -> Finding {
        let evidence = Evidence {
            role: EvidenceRole::Residue,
            check: "system_extension `com.vendor.*`".into(),
            truth: Truth::True,
            facts: vec![format!("com.vendor.{product} 1.0/1 of team T, some state")],
            matched: None,
            reason: None,
        };
        Finding {
            product: product.into(),
            name: product.into(),
            class: ProductClass::Product,
            result,
            exemption: None,
            version: None,
            evidence: vec![evidence],
        }
    }

    fn left(product: &str, keeper: Keeper) -> OnlyExtensions {
        OnlyExtensions { product: product.into(), keeper }
    }

    fn residue() -> Verdict {
        Verdict::of(HostState::Residue, "left behind: a")
    }

    #[test]
    fn what_waits_for_the_next_boot_is_removed_but_for_that() {
        let findings = [found("a", ProductState::Residue), found("b", ProductState::Absent)];
        let verdict = with_extensions(residue(), &findings, &[left("a", Keeper::Boot)]);
        assert_eq!(verdict.state, HostState::RemovedRebootPending);
        assert_eq!(
            verdict.reason,
            "left behind: a; nothing but what goes with the next boot: com.vendor.a 1.0/1 of team T, some state"
        );
    }

    #[test]
    fn one_that_is_active_stays_residue_and_says_who_can_remove_it() {
        let findings = [found("a", ProductState::Residue)];
        let verdict = with_extensions(residue(), &findings, &[left("a", Keeper::Consent)]);
        assert_eq!(verdict.state, HostState::Residue);
        assert!(verdict.reason.contains("still active: com.vendor.a"), "{}", verdict.reason);
        assert!(verdict.remedy.is_some_and(|remedy| remedy.contains("RemovableSystemExtensions")));
    }

    #[test]
    fn whatever_else_is_left_or_not_known_keeps_the_state() {
        let boot = [left("a", Keeper::Boot)];
        for other in [ProductState::Residue, ProductState::Unknown] {
            let findings = [found("a", ProductState::Residue), found("b", other)];
            assert_eq!(with_extensions(residue(), &findings, &boot), residue(), "{other:?}");
        }
        let findings = [found("a", ProductState::Residue)];
        assert_eq!(with_extensions(residue(), &findings, &[]), residue());
        for state in HostState::ALL.into_iter().filter(|state| *state != HostState::Residue) {
            let verdict = Verdict::of(state, "x");
            assert_eq!(with_extensions(verdict.clone(), &findings, &boot), verdict);
        }
    }

    #[test]
    fn what_does_not_count_decides_nothing() {
        let exempt = Exemption { kind: ExemptionKind::Waived, reason: "r".into(), ticket: None, until: None };
        let waived = Finding { exemption: Some(exempt), ..found("b", ProductState::Residue) };
        let boot = [left("a", Keeper::Boot), left("b", Keeper::Boot)];
        assert!(reboot_removes_the_rest(&[found("a", ProductState::Residue), waived.clone()], &boot));
        let mixed = [left("a", Keeper::Consent), left("b", Keeper::Boot)];
        let both = [found("a", ProductState::Residue), found("b", ProductState::Residue)];
        assert!(nothing_but_extensions(&both, &mixed) && !reboot_removes_the_rest(&both, &mixed));
        assert!(!reboot_removes_the_rest(&[waived], &boot));
        assert!(!reboot_removes_the_rest(&[], &boot));
    }
}
