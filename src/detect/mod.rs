//! Rules × facts → findings: pure and three-valued.
//!
//! A check is true where something matches, however much else is missing; unknown where something
//! may match, or where there may be more than was seen; false only where everything was seen and
//! nothing can match. So learning more never turns a known answer into another, and `Absent` is
//! said only of a host that answered every question that mattered.
//!
//! Refuses: a rule that asks nothing (it is unknown), a pattern that is not valid (likewise), an
//! empty list of what every running host has.

mod checks;
mod drift;
mod files;
mod macos;
mod outcome;
mod software;
mod text;
mod windows;

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use checks::tasks_named;
pub use drift::drift;
pub use macos::{Keeper, OnlyExtensions, only_extensions};
pub(crate) use text::cut;
pub(crate) use windows::programs_named;

use crate::facts::Facts;
use crate::model::{Evidence, EvidenceRole, Finding, Platform, ProductClass, ProductState, Truth};
use crate::playbook::{Check, Product, Rule, VersionSource};
use outcome::{BECOME, Doubt, Outcome};

/// What detection needs of a product, whether it stands in a playbook or in a plan.
#[derive(Debug, Clone, Copy)]
pub struct ProductRules<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name for people.
    pub name: &'a str,
    /// What kind of thing it is.
    pub class: ProductClass,
    /// The platforms it exists on.
    pub platforms: &'a [Platform],
    /// What makes it present.
    pub detect: &'a Rule,
    /// What makes it residue when it is not present; none: nothing can.
    pub residue: Option<&'a Rule>,
    /// How its version is read.
    pub version: Option<&'a VersionSource>,
}

impl<'a> From<&'a Product> for ProductRules<'a> {
    fn from(product: &'a Product) -> Self {
        Self {
            id: &product.id,
            name: &product.name,
            class: product.class,
            platforms: &product.platforms,
            detect: &product.detect,
            residue: product.residue.as_ref(),
            version: product.version.as_ref(),
        }
    }
}

/// A check of a rule as it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The check in words.
    pub check: String,
    /// Its answer.
    pub truth: Truth,
    /// The facts that made it so, verbatim and bounded; for an unknown one those that may have. Host
    /// strings: escape before showing.
    pub facts: Vec<String>,
    /// What was matched, without all that changes by itself; none for a check that drift leaves out.
    pub matched: Option<Vec<String>>,
    /// Why it is unknown.
    pub reason: Option<String>,
    /// The option or command that would mend that.
    pub remedy: Option<String>,
}

/// The result of a rule, with every check in it in the order written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// The result.
    pub truth: Truth,
    /// Its checks, those too that did not decide.
    pub leaves: Vec<Leaf>,
}

/// The result of a rule on a host with these facts.
#[must_use]
pub fn evaluate(rule: &Rule, facts: &Facts) -> Evaluation {
    let mut answers = Vec::new();
    let truth = ask(rule, false, facts, &mut answers);
    Evaluation { truth, leaves: answers.into_iter().map(Answer::into_leaf).collect() }
}

/// What a product is on a host with these facts, whatever its platforms.
#[must_use]
pub fn finding(product: &ProductRules<'_>, facts: &Facts) -> Finding {
    let mut detect = Vec::new();
    let mut residue = Vec::new();
    let present = ask(product.detect, false, facts, &mut detect);
    let left = product.residue.map_or(Truth::False, |rule| ask(rule, false, facts, &mut residue));
    let result = ProductState::combine(present, left);
    let mut found = Finding {
        product: product.id.to_owned(),
        name: product.name.to_owned(),
        class: product.class,
        result,
        exemption: None,
        version: None,
        evidence: Vec::new(),
    };
    if result == ProductState::Absent {
        return found;
    }
    if matches!(result, ProductState::Present | ProductState::Unknown) {
        found.version = product.version.and_then(|source| version_of(source, facts));
    }
    let roles = [(EvidenceRole::Detect, detect), (EvidenceRole::Residue, residue)];
    found.evidence = roles
        .into_iter()
        .flat_map(|(role, answers)| answers.into_iter().map(move |answer| (role, answer)))
        .filter(|(_, answer)| answer.tells())
        .map(|(role, answer)| answer.into_evidence(role))
        .collect();
    found
}

/// The findings of the products that exist on the host's platform, in the order given. Of a host
/// whose platform was not recognised nothing can be said: none.
#[must_use]
pub fn findings<'a>(products: impl IntoIterator<Item = ProductRules<'a>>, facts: &Facts) -> Vec<Finding> {
    let Some(platform) = facts.platform else { return Vec::new() };
    products
        .into_iter()
        .filter(|product| product.platforms.contains(&platform))
        .map(|product| finding(&product, facts))
        .collect()
}

/// One check as it was answered, in no words yet: most are false, and nobody reads of those.
struct Answer<'r> {
    /// None: a rule that asks nothing.
    check: Option<&'r Check>,
    /// Whether it stands under an odd number of `not`.
    negated: bool,
    outcome: Outcome,
}

impl Answer<'_> {
    /// Whether it may have made a product other than absent.
    fn tells(&self) -> bool {
        self.negated || !self.outcome.truth.is_false()
    }

    fn words(&self) -> String {
        self.check.map_or_else(|| "a rule that asks nothing".to_owned(), ToString::to_string)
    }

    fn into_leaf(self) -> Leaf {
        let check = self.words();
        let Outcome { truth, facts, matched, doubt } = self.outcome;
        let (reason, remedy) = doubt.map_or((None, None), |doubt| (Some(doubt.reason), doubt.remedy));
        Leaf { check, truth, facts, matched, reason, remedy }
    }

    fn into_evidence(self, role: EvidenceRole) -> Evidence {
        let Leaf { check, truth, facts, matched, reason, remedy } = self.into_leaf();
        let reason = reason.map(|reason| with_remedy(&reason, remedy.as_deref()));
        Evidence { role, check, truth, facts, matched, reason }
    }
}

/// A reason with what would mend it, as evidence has it.
fn with_remedy(reason: &str, remedy: Option<&str>) -> String {
    let reason = cut(reason, 400);
    remedy.map_or_else(|| reason.clone().into_owned(), |remedy| format!("{reason} (mend: {remedy})"))
}

/// Parts the reason of an evidence from what would mend it. Only what these facts themselves name as
/// a remedy counts as one: a host's own text must not put a command in front of an operator.
pub(crate) fn without_remedy<'r>(reason: &'r str, facts: &Facts) -> (&'r str, Option<String>) {
    remedies(facts)
        .find_map(|remedy| {
            let rest = reason.strip_suffix(&format!(" (mend: {remedy})"))?;
            Some((rest, Some(remedy.to_owned())))
        })
        .unwrap_or((reason, None))
}

fn remedies(facts: &Facts) -> impl Iterator<Item = &str> {
    let whole = [
        &facts.packages.gaps,
        &facts.services.gaps,
        &facts.processes.gaps,
        &facts.kernel_modules.gaps,
        &facts.certificates.gaps,
        &facts.users.gaps,
        &facts.groups.gaps,
        &facts.ports.gaps,
        &facts.scheduled_tasks.gaps,
        &facts.programs.gaps,
        &facts.user_programs.gaps,
        &facts.receipts.gaps,
        &facts.system_extensions.gaps,
        &facts.apps.gaps,
    ];
    let paths = facts.paths.values().map(|listing| &listing.gaps);
    let files = facts.files.values().map(|listing| &listing.gaps);
    let registry = facts.registry.values().map(|listing| &listing.gaps);
    let named = whole.into_iter().chain(paths).chain(files).chain(registry).flatten();
    std::iter::once(BECOME).chain(named.filter_map(|gap| gap.remedy.as_deref()))
}

fn ask<'r>(rule: &'r Rule, negated: bool, facts: &Facts, answers: &mut Vec<Answer<'r>>) -> Truth {
    match rule {
        Rule::Any(rules) | Rule::All(rules) if rules.is_empty() => {
            let outcome = Outcome::unknown(Doubt::new("there is no check in it"), true);
            answers.push(Answer { check: None, negated, outcome });
            Truth::Unknown
        }
        Rule::Any(rules) => {
            rules.iter().map(|rule| ask(rule, negated, facts, answers)).fold(Truth::False, Truth::or)
        }
        Rule::All(rules) => {
            rules.iter().map(|rule| ask(rule, negated, facts, answers)).fold(Truth::True, Truth::and)
        }
        Rule::Not(rule) => !ask(rule, !negated, facts, answers),
        Rule::Check(check) => {
            let outcome = checks::answer(check, facts);
            let truth = outcome.truth;
            answers.push(Answer { check: Some(check), negated, outcome });
            truth
        }
    }
}

fn version_of(source: &VersionSource, facts: &Facts) -> Option<String> {
    let version = match source {
        VersionSource::Package { name } => software::package_version(name, facts),
        VersionSource::Program { name } => windows::program_version(name, facts),
        VersionSource::Receipt { id } => macos::receipt_version(id, facts),
        VersionSource::App { id } => macos::app_version(id, facts),
        VersionSource::File { path, pattern } => files::version_in_file(path, pattern, facts),
    };
    version.map(|version| cut(version.trim(), 100).into_owned()).filter(|version| !version.is_empty())
}
