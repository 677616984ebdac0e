//! What holds of every rule on every host.

use super::testing::{check_of_host_known_less, host, host_known_less, rule};
use super::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

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

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn learning_more_never_flips_the_answer_of_a_check((check, more, less) in check_of_host_known_less()) {
        let (before, after) = (evaluate(&check, &less).truth, evaluate(&check, &more).truth);
        prop_assert!(before.is_unknown() || before == after, "{:?}: {} became {}", check, before, after);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn learning_more_never_flips_a_known_answer(rule in rule(), (more, less) in host_known_less()) {
        let (before, after) = (evaluate(&rule, &less), evaluate(&rule, &more));
        if !before.truth.is_unknown() {
            prop_assert_eq!(before.truth, after.truth);
        }
        for (before, after) in before.leaves.iter().zip(&after.leaves) {
            prop_assert!(before.truth.is_unknown() || before.truth == after.truth, "{:?} {:?}", before, after);
        }
    }

    #[test]
    fn de_morgan(a in rule(), b in rule(), facts in host()) {
        let not = |rule: &Rule| Rule::Not(Box::new(rule.clone()));
        let truth = |rule: Rule| evaluate(&rule, &facts).truth;
        prop_assert_eq!(
            truth(not(&Rule::Any(vec![a.clone(), b.clone()]))),
            truth(Rule::All(vec![not(&a), not(&b)]))
        );
        prop_assert_eq!(
            truth(not(&Rule::All(vec![a.clone(), b.clone()]))),
            truth(Rule::Any(vec![not(&a), not(&b)]))
        );
        prop_assert_eq!(truth(not(&not(&a))), truth(a));
    }

    #[test]
    fn the_order_of_a_hosts_answers_does_not_matter(rule in rule(), facts in host()) {
        let mut reversed = facts.clone();
        reversed.packages.items.reverse();
        reversed.services.items.reverse();
        reversed.processes.items.reverse();
        reversed.users.items.reverse();
        reversed.scheduled_tasks.items.reverse();
        reversed.paths.values_mut().for_each(|listing| listing.items.reverse());
        let compared = |facts: &Facts| -> Vec<_> {
            evaluate(&rule, facts).leaves.into_iter().map(|leaf| (leaf.truth, leaf.matched)).collect()
        };
        prop_assert_eq!(compared(&facts), compared(&reversed));
        prop_assert_eq!(evaluate(&rule, &facts), evaluate(&rule, &facts));
    }

    #[test]
    fn a_finding_tells_why(products in products(), facts in host()) {
        for finding in found(&products, &facts) {
            prop_assert_eq!(finding.evidence.is_empty(), finding.result == ProductState::Absent, "{:?}", finding);
            for evidence in &finding.evidence {
                prop_assert_eq!(evidence.truth.is_unknown(), evidence.reason.is_some(), "{:?}", evidence);
                prop_assert!(evidence.facts.len() <= 9);
            }
            if finding.result == ProductState::Unknown {
                prop_assert!(finding.evidence.iter().any(|evidence| evidence.truth.is_unknown()));
            }
        }
    }

    #[test]
    fn nothing_drifts_between_two_equal_looks(products in products(), facts in host()) {
        let mut found = found(&products, &facts);
        found.truncate(1);
        prop_assert_eq!(drift(&found, &found, &["p".to_owned()]).len(), usize::from(found.is_empty()));
    }
}
