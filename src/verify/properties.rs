//! What holds of the verdict on every host.

use super::*;
use crate::detect::testing::{host, host_known_less, rule};
use crate::detect::{ProductRules, evaluate, findings};
use crate::model::{Platform, Truth};
use crate::playbook::Rule;
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
}
