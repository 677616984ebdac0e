//! What holds of the verdict on every host.

use super::*;
use crate::detect::testing::{clean_host, host, host_known_less, rule};
use crate::detect::{ProductRules, evaluate, findings};
use crate::model::event::StepResult;
use crate::model::scope::{ScopeEntry, ScopeProfile, Waiver, WaiverList};
use crate::model::{Platform, ProductClass, Scope, Truth};
use crate::playbook::Rule;
use crate::scope::Judge;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::collections::VecDeque;

fn products() -> impl Strategy<Value = Vec<(Rule, Option<Rule>)>> {
    vec((rule(), option::of(rule())), 1..4)
}

fn found(products: &[(Rule, Option<Rule>)], facts: &Facts) -> Vec<Finding> {
    let rules = products.iter().map(|(detect, residue)| ProductRules {
        id: "p",
        name: "P",
        class: crate::model::ProductClass::Product,
        platforms: &[Platform::Linux],
        detect,
        residue: residue.as_ref(),
        version: None,
    });
    findings(rules, facts)
}

/// The result of a rule whose checks are answered as given, in the order written.
fn with_answers(rule: &Rule, answers: &mut VecDeque<Truth>) -> Truth {
    match rule {
        Rule::Any(rules) | Rule::All(rules) if rules.is_empty() => answers.pop_front().unwrap(),
        Rule::Any(rules) => {
            let all: Vec<Truth> = rules.iter().map(|rule| with_answers(rule, answers)).collect();
            all.into_iter().fold(Truth::False, Truth::or)
        }
        Rule::All(rules) => {
            let all: Vec<Truth> = rules.iter().map(|rule| with_answers(rule, answers)).collect();
            all.into_iter().fold(Truth::True, Truth::and)
        }
        Rule::Not(rule) => !with_answers(rule, answers),
        Rule::Check(_) => answers.pop_front().unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_host_known_in_part_is_clean_only_if_it_is(products in products(), (more, less) in host_known_less()) {
        let clean = |facts: &Facts| observed(&found(&products, facts), facts).state == HostState::Clean;
        if clean(&less) {
            prop_assert!(clean(&more));
        }
    }

    #[test]
    fn clean_holds_whatever_the_unknown_answers_would_have_been(
        products in products(), facts in host(), guesses in vec(any::<bool>(), 1..8)
    ) {
        let found = found(&products, &facts);
        if observed(&found, &facts).state != HostState::Clean {
            return Ok(());
        }
        prop_assert!(found.iter().all(|finding| finding.result == ProductState::Absent));
        let mut guesses = guesses.iter().cycle();
        for rule in products.iter().flat_map(|(detect, residue)| std::iter::once(detect).chain(residue)) {
            let mut answers = evaluate(rule, &facts)
                .leaves
                .iter()
                .map(|leaf| {
                    if leaf.truth.is_unknown() { Truth::from(*guesses.next().unwrap()) } else { leaf.truth }
                })
                .collect();
            prop_assert_eq!(with_answers(rule, &mut answers), Truth::False);
        }
    }

    #[test]
    fn a_scope_makes_no_host_clean_or_removed_and_touches_no_finding_that_counts(
        products in vec((class(), state()), 1..5),
        out in option::of(class()),
        waivers in vec(("[a-d*]", any::<bool>(), any::<bool>()), 0..3),
        steps in vec((0_usize..4, step_result(), any::<bool>()), 0..4),
        planned in vec(any::<bool>(), 5),
    ) {
        let facts = clean_host();
        let names = ["a", "b", "c", "d"];
        let without: Vec<Finding> = products.iter().zip(names).map(|((class, result), name)| Finding {
            product: name.into(), name: name.into(), class: *class, result: *result,
            exemption: None, version: None, evidence: vec![],
        }).collect();
        let scope = Scope {
            profile: out.map(|class| ScopeProfile {
                id: "p".into(), name: "P".into(), digest: "d".into(),
                out: vec![ScopeEntry { class: Some(class), product: None, reason: "r".into() }],
            }),
            waivers: Some(WaiverList { file: "w".into(), digest: "d".into(), waivers: waivers.iter().map(
                |(product, on_host, in_force)| Waiver {
                    hosts: if *on_host { "all" } else { "other" }.into(),
                    product: product.clone(), reason: "r".into(), ticket: "T".into(),
                    until: if *in_force { "2026-12-31" } else { "2026-01-01" }.parse().unwrap(),
                }).collect() }),
        };
        let mut with = without.clone();
        Judge::new(&scope, "2026-06-15T12:00:00Z".parse().unwrap()).judge("h", Some(&[]), &mut with);
        for (before, after) in without.iter().zip(&with) {
            prop_assert_eq!(before, &Finding { exemption: None, ..after.clone() });
            prop_assert!(after.result != ProductState::Absent || after.exemption.is_none());
        }
        let steps: Vec<StepSummary> = steps.iter().map(|(product, result, reboot_needed)| StepSummary {
            id: format!("{}/1", names[*product]), product: names[*product].into(), result: *result,
            reboot_needed: *reboot_needed, reason: None,
        }).collect();
        let gone: Vec<String> = without.iter().zip(&planned).filter(|(_, planned)| **planned)
            .map(|(finding, _)| finding.product.clone()).collect();
        let verdicts = |findings: &[Finding]| [
            observed(findings, &facts).state,
            by_findings(findings).unwrap().state,
            after_apply(findings, &steps, Some((findings, &facts)), &gone).state,
            after_apply(findings, &steps, None, &gone).state,
        ];
        let vouched = [HostState::Clean, HostState::Removed];
        let counts_there = with.iter().any(|finding| finding.result != ProductState::Absent && !finding.is_exempt());
        for (was, is) in verdicts(&without).into_iter().zip(verdicts(&with)) {
            prop_assert_eq!(vouched.contains(&was), vouched.contains(&is), "{} {}", was, is);
            prop_assert!(was <= is, "a scope made a host worse: {} {}", was, is);
            prop_assert!(!counts_there || is != HostState::Exempt);
            // A state that steps made is not softened.
            prop_assert!(was == is || matches!(was, HostState::Present | HostState::Residue | HostState::Unknown));
        }
        prop_assert_eq!(observed(&with, &facts).state, by_findings(&with).unwrap().state);
    }
}

fn class() -> impl Strategy<Value = ProductClass> {
    proptest::sample::select(ProductClass::ALL.to_vec())
}

fn state() -> impl Strategy<Value = ProductState> {
    use ProductState::{Absent, Present, Residue, Unknown};
    // Absent more often: a host is exempt only if all else is absent.
    proptest::sample::select(vec![Absent, Absent, Absent, Present, Residue, Unknown])
}

fn step_result() -> impl Strategy<Value = StepResult> {
    use StepResult::{AlreadySo, Blocked, Done, Failed, Interrupted, NotRun};
    proptest::sample::select(vec![Done, Done, Done, AlreadySo, NotRun, Failed, Blocked, Interrupted])
}
