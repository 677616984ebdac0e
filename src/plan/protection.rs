//! Whether a host is protected by what the playbook requires, in the words of a plan.

use super::PlannedProtection;
use super::shown;
use crate::detect::{cut, evaluate};
use crate::facts::Facts;
use crate::model::Truth;
use crate::playbook::Rule;

/// More characters of a host's reason are not repeated.
const LONGEST_REASON: usize = 400;

/// Whether the rule holds on a host with these facts, and which of its checks made it so.
pub(super) fn of(rule: &Rule, facts: &Facts) -> PlannedProtection {
    let evaluation = evaluate(rule, facts);
    let deciding = evaluation.leaves.iter().filter(|leaf| leaf.truth == evaluation.truth);
    let words: Vec<String> = match evaluation.truth {
        Truth::True => deciding.map(|leaf| leaf.check.clone()).collect(),
        Truth::False => Vec::new(),
        Truth::Unknown => deciding
            .map(|leaf| match &leaf.reason {
                Some(reason) => format!("{}: {}", leaf.check, cut(reason, LONGEST_REASON)),
                None => leaf.check.clone(),
            })
            .collect(),
    };
    // Under a `not` nothing that is true decides; what is not so is best said by the rule itself.
    let reason = if words.is_empty() { shown::rule(rule) } else { words.join("; ") };
    PlannedProtection { holds: evaluation.truth, reason }
}
