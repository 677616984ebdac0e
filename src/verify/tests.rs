//! Verdicts, in every combination of steps and findings.

use super::*;
use crate::detect::testing::{clean_host, gap};
use crate::model::event::StepResult;
use crate::model::{Evidence, EvidenceRole, Exemption, ExemptionKind, Platform, ProductClass, Truth};
use HostState::{
    Blocked, Clean, Exempt, Failed, Interrupted, Present, Removed, RemovedRebootPending, Residue, Unknown,
};

fn found(product: &str, result: ProductState) -> Finding {
    let evidence = match result {
        ProductState::Absent => vec![],
        ProductState::Unknown => vec![evidence(Truth::Unknown, Some("denied (mend: --become)"))],
        _ => vec![evidence(Truth::True, None)],
    };
    let version = (result == ProductState::Present).then(|| "12.1".to_owned());
    Finding {
        product: product.into(),
        name: product.to_uppercase(),
        class: ProductClass::Product,
        result,
        exemption: None,
        version,
        evidence,
    }
}

fn evidence(truth: Truth, reason: Option<&str>) -> Evidence {
    Evidence {
        role: EvidenceRole::Detect,
        check: "package `x`".into(),
        truth,
        facts: vec![],
        matched: Some(vec![]),
        reason: reason.map(Into::into),
    }
}

fn step(product: &str, number: u8, result: StepResult, reboot_needed: bool) -> StepSummary {
    StepSummary {
        id: format!("{product}/{number}"),
        product: product.into(),
        result,
        reboot_needed,
        reason: None,
    }
}

const STATES: [ProductState; 4] =
    [ProductState::Present, ProductState::Residue, ProductState::Unknown, ProductState::Absent];

const RESULTS: [StepResult; 6] = [
    StepResult::Done,
    StepResult::AlreadySo,
    StepResult::Failed,
    StepResult::Blocked,
    StepResult::Interrupted,
    StepResult::NotRun,
];

#[test]
fn a_host_takes_the_worst_of_its_products() {
    let facts = clean_host();
    let state = |states: &[ProductState]| {
        let findings: Vec<_> = states.iter().map(|state| found("p", *state)).collect();
        observed(&findings, &facts).state
    };
    let rank = [Present, Residue, Unknown, Clean];
    for (a, worse) in STATES.iter().zip(rank) {
        assert_eq!(state(&[*a]), worse);
        for (b, other) in STATES.iter().zip(rank) {
            assert_eq!(state(&[*a, *b]), worse.min(other), "{a:?} {b:?}");
        }
    }
}

#[test]
fn nothing_looked_for_is_unknown() {
    let mut facts = clean_host();
    let verdict = observed(&[], &facts);
    assert_eq!((verdict.state, verdict.reason.as_str()), (Unknown, "the playbook has no product for linux"));
    facts.platform = None;
    facts.os.kernel_name = "Minix".into();
    for findings in [vec![], vec![found("kesl", ProductState::Absent)]] {
        let verdict = observed(&findings, &facts);
        assert_eq!(verdict.state, Unknown);
        assert_eq!(verdict.reason, "the platform was not recognised: it calls itself `Minix`");
    }
}

#[test]
fn the_reason_names_the_products() {
    let facts = clean_host();
    let findings = [
        found("kesl", ProductState::Present),
        found("klnagent", ProductState::Residue),
        found("ksc", ProductState::Unknown),
        found("kav", ProductState::Absent),
    ];
    let verdict = observed(&findings, &facts);
    assert_eq!(verdict.reason, "installed: kesl 12.1; left behind: klnagent; not known: ksc");
    let many: Vec<_> = (0..9).map(|n| found(&format!("p{n}"), ProductState::Residue)).collect();
    assert_eq!(observed(&many, &facts).reason, "left behind: p0, p1, p2, p3, p4 and 4 more");
}

#[test]
fn an_unknown_host_says_what_would_mend_it() {
    let mut facts = clean_host();
    facts.packages.gaps.push(gap("denied"));
    let plain = Finding {
        evidence: vec![evidence(Truth::Unknown, Some("odd"))],
        ..found("a", ProductState::Unknown)
    };
    let verdict = observed(std::slice::from_ref(&plain), &facts);
    assert_eq!((verdict.reason.as_str(), verdict.remedy), ("not known: a: odd", None));
    let verdict = observed(&[plain, found("b", ProductState::Unknown)], &facts);
    assert_eq!(verdict.reason, "not known: a, b: denied");
    assert_eq!(verdict.remedy.as_deref(), Some("--become"));
    let mute = Finding { evidence: vec![], ..found("a", ProductState::Unknown) };
    assert_eq!(observed(&[mute], &facts).state, Unknown);
}

/// What is there after `apply` for a plan that removes `kesl` on a host that may also have `other`:
/// written apart from the code, as the specification has it.
fn expected(steps: &[StepSummary], after: Option<[ProductState; 2]>) -> HostState {
    let any = |result| steps.iter().any(|step| step.result == result);
    if any(StepResult::Failed) {
        return Failed;
    }
    if any(StepResult::Interrupted) {
        return Interrupted;
    }
    if any(StepResult::Blocked) {
        return Blocked;
    }
    let ran = any(StepResult::Done);
    // Also of a step that was already so: an earlier attempt may have asked for it.
    let reboot = steps.iter().any(|step| step.reboot_needed);
    match after {
        None if ran => Interrupted,
        None => Unknown,
        Some(states) if states.contains(&ProductState::Present) => Present,
        Some(states) if states.contains(&ProductState::Residue) => Residue,
        Some(states) if states.contains(&ProductState::Unknown) => Unknown,
        Some(_) if reboot => RemovedRebootPending,
        Some(_) if ran => Removed,
        Some(_) => Clean,
    }
}

#[test]
fn every_combination_of_steps_and_findings() {
    let mut step_lists: Vec<Vec<StepSummary>> = vec![vec![]];
    for first in RESULTS {
        for reboot in [false, true] {
            step_lists.push(vec![step("kesl", 1, first, reboot)]);
            for second in RESULTS {
                for reboot_too in [false, true] {
                    step_lists
                        .push(vec![step("kesl", 1, first, reboot), step("kesl", 2, second, reboot_too)]);
                }
            }
        }
    }
    let mut afters: Vec<Option<[ProductState; 2]>> = vec![None];
    afters.extend(STATES.iter().flat_map(|a| STATES.iter().map(|b| Some([*a, *b]))));
    let before = [found("kesl", ProductState::Present), found("other", ProductState::Absent)];
    let facts = clean_host();
    let mut seen = std::collections::BTreeSet::new();
    for steps in &step_lists {
        for after in &afters {
            let findings = after.map(|[kesl, other]| [found("kesl", kesl), found("other", other)]);
            let looked = findings.as_ref().map(|findings| (findings.as_slice(), &facts));
            let verdict = after_apply(&before, steps, looked, &["kesl".into()]);
            assert_eq!(verdict.state, expected(steps, *after), "{steps:?} {after:?}");
            if after.is_some_and(|[_, other]| matches!(other, ProductState::Present | ProductState::Residue))
                && matches!(verdict.state, Present | Residue)
            {
                assert!(verdict.reason.contains("not in the plan: other"), "{}", verdict.reason);
            }
            let vouched = matches!(verdict.state, Removed | RemovedRebootPending | Clean);
            assert!(!vouched || *after == Some([ProductState::Absent; 2]));
            seen.insert(verdict.state);
        }
    }
    assert_eq!(seen.len(), 9, "{seen:?}");
}

#[test]
fn removed_is_not_said_of_what_was_not_looked_for_again() {
    let facts = clean_host();
    let before = [found("kesl", ProductState::Present), found("other", ProductState::Absent)];
    let steps = [step("kesl", 1, StepResult::Done, false)];
    let gone = ["kesl".to_owned()];
    let absent = |product| found(product, ProductState::Absent);
    let state = |findings: &[Finding], facts: &Facts| {
        after_apply(&before, &steps, Some((findings, facts)), &gone).state
    };
    assert_eq!(state(&[absent("kesl"), absent("other")], &facts), Removed);
    assert_eq!(state(&[absent("kesl")], &facts), Unknown, "`other` is missing");
    assert_eq!(state(&[absent("other")], &facts), Unknown, "`kesl` is missing");
    assert_eq!(state(&[], &facts), Unknown);
    let nowhere = Facts { platform: None, ..facts };
    assert_eq!(state(&[absent("kesl"), absent("other")], &nowhere), Unknown);
    let windows = Facts { platform: Some(Platform::Windows), ..nowhere };
    assert_eq!(state(&[], &windows), Unknown);
}

#[test]
fn the_reason_after_steps() {
    let facts = clean_host();
    let before = [found("kesl", ProductState::Present)];
    let gone = ["kesl".to_owned()];
    let absent = [found("kesl", ProductState::Absent)];
    let present = [found("kesl", ProductState::Present)];
    let reason = |steps: &[StepSummary], findings: &[Finding]| {
        after_apply(&before, steps, Some((findings, &facts)), &gone).reason
    };
    let done = step("kesl", 1, StepResult::Done, false);
    let reboot = step("kesl", 2, StepResult::Done, true);
    let failed =
        StepSummary { reason: Some("exit status 1".into()), ..step("kesl", 2, StepResult::Failed, false) };
    let not_run =
        StepSummary { reason: Some("stopped".into()), ..step("kesl", 3, StepResult::NotRun, false) };
    assert_eq!(reason(std::slice::from_ref(&done), &absent), "removed: kesl 12.1");
    assert_eq!(
        reason(&[done.clone(), reboot], &absent),
        "removed: kesl 12.1; step kesl/2 asked for a reboot"
    );
    assert_eq!(reason(&[done.clone(), failed.clone()], &absent), "step kesl/2: exit status 1");
    assert_eq!(reason(&[failed], &present), "step kesl/2: exit status 1; installed: kesl 12.1");
    assert_eq!(reason(&[done, not_run], &present), "installed: kesl 12.1; step kesl/3 was not run: stopped");
    let cut_short = [step("kesl", 1, StepResult::Done, false), step("kesl", 2, StepResult::NotRun, false)];
    assert_eq!(reason(&cut_short, &absent), "removed: kesl 12.1; step kesl/2 was not run");
    let unknown = [found("kesl", ProductState::Unknown)];
    let reboot = step("kesl", 1, StepResult::Done, true);
    assert_eq!(reason(&[reboot], &unknown), "not known: kesl: denied; step kesl/1 asked for a reboot");
    assert_eq!(reason(&[], &absent), "");
    assert_eq!(reason(&[step("kesl", 1, StepResult::AlreadySo, false)], &absent), "already as planned");
}

#[test]
fn only_absent_is_gone() {
    for state in STATES {
        assert_eq!(product_is_gone(&found("kesl", state)), state == ProductState::Absent);
    }
}

fn exempted(finding: Finding, kind: ExemptionKind) -> Finding {
    let waiver = kind != ExemptionKind::OutOfScope;
    let exemption = Exemption {
        kind,
        reason: "because".into(),
        ticket: waiver.then(|| "CHG-1".into()),
        until: waiver.then(|| "2026-12-31".parse().unwrap()),
    };
    Finding { exemption: Some(exemption), ..finding }
}

#[test]
fn what_does_not_count_makes_a_host_exempt_and_is_named() {
    let facts = clean_host();
    let told = |findings: &[Finding]| {
        let verdict = observed(findings, &facts);
        (verdict.state, verdict.reason)
    };
    let kesl = || found("kesl", ProductState::Present);
    let engine = || exempted(found("oem-engine", ProductState::Unknown), ExemptionKind::OutOfScope);
    let waived = || exempted(kesl(), ExemptionKind::Waived);
    let gone = || found("ksc", ProductState::Absent);
    assert_eq!(
        told(&[waived(), engine(), gone()]),
        (Exempt, "waived until 2026-12-31 by CHG-1: kesl 12.1; out of scope: oem-engine (unknown)".into())
    );
    assert_eq!(
        told(&[waived(), found("ksc", ProductState::Residue)]),
        (Residue, "left behind: ksc; waived until 2026-12-31 by CHG-1: kesl 12.1".into())
    );
    let (state, reason) = told(&[engine(), found("ksc", ProductState::Unknown)]);
    assert_eq!(state, Unknown);
    assert_eq!(reason, "not known: ksc: denied; out of scope: oem-engine (unknown)");
    assert_eq!(
        told(&[exempted(kesl(), ExemptionKind::WaiverExpired), gone()]),
        (Present, "installed: kesl 12.1; waiver CHG-1 expired after 2026-12-31: kesl 12.1".into())
    );
    let nowhere = Facts { platform: None, ..facts.clone() };
    assert_eq!(observed(&[waived()], &nowhere).state, Unknown);
    assert_eq!(observed(&[], &facts).state, Unknown);
}

#[test]
fn after_steps_what_does_not_count_leaves_no_host_removed() {
    let facts = clean_host();
    let waived = || exempted(found("ksc", ProductState::Present), ExemptionKind::Waived);
    let before = [found("kesl", ProductState::Present), waived()];
    let gone = ["kesl".to_owned()];
    let after = [found("kesl", ProductState::Absent), waived()];
    let told = |steps: &[StepSummary], after: &[Finding]| {
        let verdict = after_apply(&before, steps, Some((after, &facts)), &gone);
        (verdict.state, verdict.reason)
    };
    let flag = "waived until 2026-12-31 by CHG-1: ksc 12.1";
    let done = || step("kesl", 1, StepResult::Done, false);
    assert_eq!(told(&[done()], &after), (Exempt, format!("removed: kesl 12.1; {flag}")));
    assert_eq!(told(&[], &after), (Exempt, flag.into()));
    let reboot = step("kesl", 1, StepResult::Done, true);
    let (state, reason) = told(&[reboot], &after);
    assert_eq!(state, RemovedRebootPending, "the reboot that is to come goes first");
    assert!(reason.ends_with(flag), "{reason}");
    let failed = step("kesl", 1, StepResult::Failed, false);
    assert_eq!(told(&[failed], &after), (Failed, format!("step kesl/1: failed; {flag}")));
    // The waiver ran out in between: it was not in the plan, so it was not removed.
    let over = exempted(found("ksc", ProductState::Present), ExemptionKind::WaiverExpired);
    let (state, reason) = told(&[done()], &[found("kesl", ProductState::Absent), over]);
    assert_eq!(state, Present);
    assert!(
        reason.contains("expired after 2026-12-31") && reason.contains("not in the plan: ksc"),
        "{reason}"
    );
    assert_eq!(told(&[done()], &[waived()]).0, Unknown, "`kesl` was not looked for again");
    assert_eq!(told(&[done()], &[found("kesl", ProductState::Present), waived()]).0, Present);
}
