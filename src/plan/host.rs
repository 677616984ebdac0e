//! What is planned on one host, and why the rest is not.

use super::order;
use super::still_used::{Other, user_of};
use super::{NotPlanned, PlannedStep, PlannedUpload, effect, programs, render};
use crate::detect::{Evaluation, Keeper, ProductRules, evaluate, only_extensions};
use crate::facts::{Facts, Package, Program};
use crate::model::{Diagnostic, Exemption, Finding, Platform, ProductState, SecretUse, Truth};
use crate::playbook::{Action, Check, Pattern, Product, RebootPolicy, Rule, Step, TextPattern, Upload};
use std::collections::{BTreeMap, BTreeSet};

/// A step without a limit of its own may take so long, in seconds.
const DEFAULT_TIMEOUT: u64 = 600;
/// A reboot, until the new boot answers, in seconds.
const REBOOT_TIMEOUT: u64 = 1200;

/// One host as the planner sees it.
pub(super) struct Subject<'a> {
    /// What is known of it.
    pub(super) facts: &'a Facts,
    /// What was found on it.
    pub(super) findings: &'a [Finding],
    /// Whose steps run where they do not run as root.
    pub(super) login: &'a str,
    /// The `opt_in` words that were allowed.
    pub(super) allowed: &'a [String],
}

/// What is planned on one host.
#[derive(Debug, Default)]
pub(super) struct HostPlan {
    pub(super) steps: Vec<PlannedStep>,
    /// The reboot after them, where the policy lets one be made.
    pub(super) reboot: Option<PlannedStep>,
    pub(super) not_planned: Vec<NotPlanned>,
    pub(super) gone_after: Vec<String>,
}

/// Why a product is not planned.
enum Stop {
    /// By choice: others go on without it.
    Choice(String),
    /// It should go and cannot: what comes after it cannot either.
    Stuck(String),
}

type Verdict = Result<Vec<PlannedStep>, Stop>;

/// Plans the products of the host's platform, given in playbook order.
///
/// # Errors
/// What the playbook asks for that cannot be planned on any host.
pub(super) fn plan(
    products: &[&Product],
    subject: &Subject<'_>,
    reboots: RebootPolicy,
) -> Result<HostPlan, Vec<Diagnostic>> {
    let sorted = order::sort(products).map_err(|circle| circular(&circle))?;
    let there: Vec<&Product> =
        sorted.into_iter().filter(|product| subject.state(product) != ProductState::Absent).collect();
    let mut stuck: BTreeMap<&str, String> = BTreeMap::new();
    loop {
        let known = stuck.len();
        let mut verdicts: Vec<(&Product, Verdict)> = Vec::new();
        for (index, product) in there.iter().enumerate() {
            let verdict =
                subject.decide(product, &verdicts, there.get(index + 1..).unwrap_or_default(), &stuck);
            if let Err(Stop::Stuck(reason)) = &verdict {
                stuck.insert(&product.id, reason.clone());
            }
            verdicts.push((product, verdict));
        }
        // A product found stuck stays on the host: whoever was planned before that was known is
        // looked at again.
        if stuck.len() == known {
            let mut plan = conclude(products, verdicts);
            let changes = plan.steps.iter().any(|step| !step.script.is_empty());
            if changes && reboots == RebootPolicy::IfNeeded {
                plan.reboot = Some(subject.reboot());
            }
            return Ok(plan);
        }
    }
}

fn circular(circle: &[&Product]) -> Vec<Diagnostic> {
    let ids: Vec<&str> = circle.iter().map(|product| product.id.as_str()).collect();
    let message = format!("products `{}` wait for each other in a circle", ids.join("`, `"));
    let place = circle.first().map(|product| &product.place);
    let error =
        |place| Diagnostic::error(place, message.clone()).with_help("take one `after` out of the circle");
    place.map(error).into_iter().collect()
}

/// The verdicts as a plan; what is not planned is listed in playbook order.
fn conclude(products: &[&Product], verdicts: Vec<(&Product, Verdict)>) -> HostPlan {
    let mut plan = HostPlan::default();
    for (product, verdict) in verdicts {
        match verdict {
            Ok(steps) => {
                plan.steps.extend(steps);
                plan.gone_after.push(product.id.clone());
            }
            Err(Stop::Choice(reason) | Stop::Stuck(reason)) => {
                plan.not_planned.push(NotPlanned { product: product.id.clone(), reason });
            }
        }
    }
    let position = |id: &str| products.iter().position(|product| product.id == id);
    plan.not_planned.sort_by_key(|entry| position(&entry.product));
    plan
}

impl Subject<'_> {
    fn finding(&self, product: &Product) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.product == product.id)
    }

    /// A product without a finding is not known to be absent.
    fn state(&self, product: &Product) -> ProductState {
        self.finding(product).map_or(ProductState::Unknown, |finding| finding.result)
    }

    fn decide<'p>(
        &self,
        product: &'p Product,
        before: &[(&'p Product, Verdict)],
        later: &[&'p Product],
        stuck: &BTreeMap<&str, String>,
    ) -> Verdict {
        if let Some(stop) = self.standing(product) {
            return Err(stop);
        }
        if let Some(reason) = stuck.get(product.id.as_str()) {
            return Err(Stop::Stuck(reason.clone()));
        }
        let hindered = before.iter().find(|(other, verdict)| {
            product.after.contains(&other.id) && matches!(verdict, Err(Stop::Stuck(_)))
        });
        if let Some((other, _)) = hindered {
            return Err(Stop::Stuck(match self.state(other) {
                ProductState::Unknown => {
                    format!("`{}` must go first, and it could not be told whether that is there", other.id)
                }
                _ => format!("`{}` must go first, and its removal is not planned", other.id),
            }));
        }
        let mut others: Vec<Other<'_>> = before
            .iter()
            .filter(|(_, verdict)| verdict.is_err())
            .map(|(product, _)| Other { product, goes_later: false })
            .collect();
        others.extend(later.iter().filter_map(|other| {
            let goes_later = self.standing(other).is_none() && !stuck.contains_key(other.id.as_str());
            // The leavings of a product that goes anyway need nothing for their removal.
            let matters = !goes_later || self.state(other) == ProductState::Present;
            matters.then_some(Other { product: other, goes_later })
        }));
        self.steps(product, &others)
    }

    /// Why a product is not planned whatever its steps are.
    fn standing(&self, product: &Product) -> Option<Stop> {
        // What does not count may stay, whether it is there or that could not be told: nothing waits for it.
        if let Some(exemption) = self.finding(product).and_then(exempting) {
            let reason = match self.state(product) {
                ProductState::Unknown => format!("{}; {}", exemption.words(), self.why_unknown(product)),
                _ => exemption.words(),
            };
            return Some(Stop::Choice(reason));
        }
        if self.state(product) == ProductState::Unknown {
            return Some(Stop::Stuck(self.why_unknown(product)));
        }
        if let Some(reason) = &product.report_only {
            return Some(Stop::Choice(format!("it is only reported: {reason}")));
        }
        if let Some(word) = product.opt_in.as_ref().filter(|word| !self.allowed.contains(word)) {
            return Some(Stop::Choice(format!("it is removed only by choice: give `--allow {word}`")));
        }
        if let Some(reason) = self.only_an_extension(product) {
            return Some(Stop::Stuck(reason.to_owned()));
        }
        if product.remove.is_empty() {
            return Some(Stop::Stuck("the playbook has no steps to remove it".to_owned()));
        }
        None
    }

    /// Why no step can help a product of which nothing but system extensions is left.
    fn only_an_extension(&self, product: &Product) -> Option<&'static str> {
        let left = only_extensions([ProductRules::from(product)], self.findings, self.facts);
        left.first().map(|only| match only.keeper {
            Keeper::Boot => {
                "nothing is left but a system extension that goes with the next boot: restart the host"
            }
            Keeper::Consent => {
                "nothing is left but a system extension that is still active: no step may remove it; a user at the \
                 screen or the device management must"
            }
        })
    }

    fn why_unknown(&self, product: &Product) -> String {
        let evidence = self.finding(product).map(|finding| finding.evidence.as_slice()).unwrap_or_default();
        let reason =
            evidence.iter().filter(|one| one.truth == Truth::Unknown).find_map(|one| one.reason.as_ref());
        let unknown = "it could not be told whether it is there";
        reason.map_or_else(|| unknown.to_owned(), |reason| format!("{unknown}: {reason}"))
    }

    /// The steps of a product that is there.
    fn steps(&self, product: &Product, others: &[Other<'_>]) -> Verdict {
        let mut steps = Vec::new();
        for (number, step) in (1..).zip(&product.remove) {
            let planned = self.step(product, number, step, others).map_err(|stop| match stop {
                Stop::Stuck(reason) => {
                    Stop::Stuck(format!("step {number} ({}): {reason}", render::kind(&step.action)))
                }
                other => other,
            })?;
            steps.extend(planned);
        }
        let (gates, changes): (Vec<&PlannedStep>, Vec<&PlannedStep>) =
            steps.iter().partition(|step| step.condition.is_some());
        let nothing_to_do = changes.iter().all(|step| step.already_so);
        if let Some(word) = nothing_to_do.then(|| self.choice_left(product)).flatten() {
            return Err(Stop::Choice(format!("the rest is removed only by choice: give `--allow {word}`")));
        }
        if steps.is_empty() {
            return Err(Stop::Stuck("none of its steps applies on this host".to_owned()));
        }
        if gates.is_empty() && nothing_to_do {
            let covered = "all that its steps do is so already, yet the rules find it";
            return Err(Stop::Stuck(covered.to_owned()));
        }
        match self.no_root().filter(|_| steps.iter().any(|step| !step.script.is_empty())) {
            Some(reason) => Err(Stop::Stuck(reason)),
            None => Ok(steps),
        }
    }

    /// The first word that would let more be removed of a product, where a step that it is needed for applies and
    /// has something to do.
    fn choice_left<'p>(&self, product: &'p Product) -> Option<&'p String> {
        let would_do = |step: &&Step| {
            let applies = step.when.as_ref().is_none_or(|when| evaluate(when, self.facts).truth.is_true());
            let effect = effect::of_step(step, self.facts);
            applies && effect.is_none_or(|effect| !evaluate(&effect, self.facts).truth.is_true())
        };
        let left_out = |word: &&String| !self.allowed.contains(word);
        product.remove.iter().filter(would_do).find_map(|step| step.opt_in.as_ref().filter(left_out))
    }

    /// Why steps cannot run as root, or as the system.
    fn no_root(&self) -> Option<String> {
        let privilege = &self.facts.privilege;
        if self.facts.is_windows() {
            return match privilege.elevated {
                Some(true) => None,
                Some(false) => Some(
                    "its steps need an administrator's whole rights, which this login does not have: \
                     log in as a member of Administrators"
                        .to_owned(),
                ),
                None => Some("it cannot be told whether the login has an administrator's rights".to_owned()),
            };
        }
        match (&privilege.become_failed, privilege.uid) {
            (_, Some(0)) => None,
            (Some(reason), _) => Some(format!("its steps need root, and becoming root failed: {reason}")),
            (None, _) => Some("its steps need root: give `--become`".to_owned()),
        }
    }

    /// One step, and what of it a person must do; none where it does not apply.
    fn step(
        &self,
        product: &Product,
        number: usize,
        step: &Step,
        others: &[Other<'_>],
    ) -> Result<Vec<PlannedStep>, Stop> {
        let waived_by = match &step.action {
            Action::Require { waived_by, .. } => waived_by.as_ref(),
            _ => None,
        };
        if waived_by.is_some_and(|word| self.allowed.contains(word))
            || step.opt_in.as_ref().is_some_and(|word| !self.allowed.contains(word))
            || !self.applies(product, step)?
        {
            return Ok(Vec::new());
        }
        let mut planned = self.empty_step(&product.id, &number.to_string(), &step.action);
        planned.effect = effect::of_step(step, self.facts);
        if let Some(timeout) = step.timeout {
            planned.timeout = timeout.as_secs().max(1);
        }
        let meant = programs::meant(&step.action, self.facts);
        let by_hand = self.by_hand(product, number, step, &meant.users);
        if by_hand.is_some() && meant.machine.is_empty() && meant.unsure.is_empty() {
            return Ok(by_hand.into_iter().collect());
        }
        self.fill(&mut planned, product, step, others)?;
        Ok([Some(planned), by_hand].into_iter().flatten().collect())
    }

    /// What is installed for one user alone can be uninstalled by that user alone.
    fn by_hand(
        &self,
        product: &Product,
        number: usize,
        step: &Step,
        programs: &[&Program],
    ) -> Option<PlannedStep> {
        if programs.is_empty() {
            return None;
        }
        let list: Vec<String> = programs
            .iter()
            .map(|program| {
                let sid = program.hive.rsplit('\\').next().unwrap_or_default();
                format!("`{}` of the user {sid} ({})", programs::words(program), program.key)
            })
            .collect();
        let mut planned = self.empty_step(&product.id, &format!("{number}u"), &step.action);
        planned.kind = "manual".to_owned();
        planned.effect = Some(programs::gone(programs));
        planned.instructions = Some(format!(
            "it is installed for one user alone: have that user log in and uninstall {}",
            list.join(", ")
        ));
        Some(planned)
    }

    /// A step of which nothing is filled in yet.
    fn empty_step(&self, product: &str, number: &str, action: &Action) -> PlannedStep {
        let reboots = matches!(action, Action::Reboot { .. });
        PlannedStep {
            id: format!("{product}/{number}"),
            product: product.to_owned(),
            kind: render::kind(action).to_owned(),
            summary: render::summary(action),
            commands: Vec::new(),
            script: String::new(),
            run_as: self.run_as().to_owned(),
            timeout: if reboots { REBOOT_TIMEOUT } else { DEFAULT_TIMEOUT },
            accept: vec![0],
            reboot_codes: Vec::new(),
            retry_on: Vec::new(),
            blocked_if: None,
            env: BTreeMap::new(),
            encodings: BTreeMap::new(),
            stdin: None,
            uploads: Vec::new(),
            effect: None,
            condition: None,
            instructions: None,
            already_so: false,
        }
    }

    fn run_as(&self) -> &str {
        match self.facts.platform {
            Some(Platform::Windows) => "SYSTEM",
            _ if self.facts.privilege.uid == Some(0) => "root",
            _ => self.login,
        }
    }

    /// The reboot of the host after its steps.
    fn reboot(&self) -> PlannedStep {
        let action = Action::Reboot { reason: None };
        let rendered = render::reboot(self.facts.platform);
        PlannedStep {
            commands: rendered.commands,
            script: rendered.script,
            ..self.empty_step(PlannedStep::OF_HOST, PlannedStep::REBOOT, &action)
        }
    }

    /// Whether a step applies on this host.
    fn applies(&self, product: &Product, step: &Step) -> Result<bool, Stop> {
        let Some(when) = &step.when else {
            // A command of which nothing says that it is needed, or whether it worked, is for what is
            // installed.
            let blind = matches!(step.action, Action::Run { .. }) && step.effect.is_none();
            return Ok(!blind || self.state(product) == ProductState::Present);
        };
        let evaluation = evaluate(when, self.facts);
        match evaluation.truth {
            Truth::True => Ok(true),
            Truth::False => Ok(false),
            Truth::Unknown => {
                let reason = first_doubt(&evaluation).map(|doubt| format!(": {doubt}")).unwrap_or_default();
                Err(Stop::Stuck(format!("it cannot be told whether it applies{reason}")))
            }
        }
    }

    /// What the action adds to a step.
    fn fill(
        &self,
        planned: &mut PlannedStep,
        product: &Product,
        step: &Step,
        others: &[Other<'_>],
    ) -> Result<(), Stop> {
        match &step.action {
            // A gate is asked when the plan is applied, however it stood before.
            Action::WaitFor { rule } => planned.condition = Some(rule.clone()),
            Action::Require { rule, message, .. } => {
                planned.condition = Some(rule.clone());
                planned.instructions.clone_from(message);
            }
            action => {
                let holds = |effect: &Rule| evaluate(effect, self.facts).truth.is_true();
                planned.already_so = planned.effect.as_ref().is_some_and(holds);
                if let Action::Manual { instructions } = action {
                    planned.instructions = Some(instructions.clone());
                } else if !planned.already_so {
                    self.script(planned, product, action, others)?;
                }
            }
        }
        Ok(())
    }

    fn script(
        &self,
        planned: &mut PlannedStep,
        product: &Product,
        action: &Action,
        others: &[Other<'_>],
    ) -> Result<(), Stop> {
        if let Action::Run { accept, reboot_codes, retry_on, blocked_if, env, stdin, uploads, .. } = action {
            if !accept.is_empty() {
                planned.accept.clone_from(accept);
            }
            planned.reboot_codes.clone_from(reboot_codes);
            planned.retry_on.clone_from(retry_on);
            planned.blocked_if = blocked_if.as_ref().map(|pattern| TextPattern(pattern.0.clone()));
            pass_on(planned, env);
            planned.stdin.clone_from(stdin);
            planned.uploads = uploads.iter().map(planned_upload).collect();
        }
        if let Action::UninstallProgram { secrets, .. } = action {
            pass_on(planned, secrets);
        }
        if self.facts.is_windows() {
            let judged = render::windows::judged(action);
            if !judged.accept.is_empty() {
                planned.accept = judged.accept;
            }
            planned.reboot_codes.extend(judged.reboot_codes);
            planned.blocked_if = planned.blocked_if.take().or(judged.blocked_if);
        }
        if let Action::RemovePackage { names, .. } = action {
            self.spare_packages(names, others)?;
        }
        let still_used = |path: &str| user_of(path, others, self.facts);
        let context =
            render::Context { facts: self.facts, product, timeout: planned.timeout, still_used: &still_used };
        match render::render(action, &context).map_err(Stop::Stuck)? {
            Some(rendered) => {
                planned.commands =
                    planned.uploads.iter().map(PlannedUpload::told).chain(rendered.commands).collect();
                planned.script = rendered.script;
                Ok(())
            }
            None => {
                Err(Stop::Stuck("there is nothing for it to act on, yet its effect does not hold".to_owned()))
            }
        }
    }

    /// A package by which a product is recognised that does not count is not taken from it.
    fn spare_packages(&self, names: &[Pattern], others: &[Other<'_>]) -> Result<(), Stop> {
        let staying = others.iter().map(|other| other.product);
        for other in staying.filter(|other| self.finding(other).is_some_and(Finding::is_exempt)) {
            let (id, mut taken) = (&other.id, None);
            other.detect.each_check(&mut |check| {
                let Check::Package { name, .. } = check else { return };
                let (own, goes) = (name.matcher(), names.iter().map(Pattern::matcher).collect::<Vec<_>>());
                let is_taken = |package: &&Package| {
                    let name = &package.name;
                    own.matches(name).is_true() && goes.iter().any(|goes| goes.matches(name).is_true())
                };
                taken = taken.take().or_else(|| self.facts.packages.items.iter().find(is_taken));
            });
            if let Some(package) = taken {
                let reason = format!("package `{}` is of product `{id}` too, which stays", package.name);
                return Err(Stop::Stuck(reason));
            }
        }
        Ok(())
    }
}

fn planned_upload(upload: &Upload) -> PlannedUpload {
    PlannedUpload {
        name: upload.name.clone(),
        source: upload.source.to_string_lossy().into_owned(),
        sha256: upload.sha256.clone(),
    }
}

/// Gives a step its secrets.
fn pass_on(planned: &mut PlannedStep, secrets: &BTreeMap<String, SecretUse>) {
    for (variable, secret) in secrets {
        planned.env.insert(variable.clone(), secret.name.clone());
        if !secret.encoding.is_plain() {
            planned.encodings.insert(variable.clone(), secret.encoding);
        }
    }
}

/// Why a finding does not count; none: it does.
fn exempting(finding: &Finding) -> Option<&Exemption> {
    finding.exemption.as_ref().filter(|exemption| exemption.kind.exempts())
}

fn first_doubt(evaluation: &Evaluation) -> Option<&str> {
    evaluation.leaves.iter().filter(|leaf| leaf.truth.is_unknown()).find_map(|leaf| leaf.reason.as_deref())
}

/// The secrets that a host's steps use, with the step.
pub(super) fn secrets_used(steps: &[PlannedStep]) -> BTreeSet<(&str, &str)> {
    steps
        .iter()
        .flat_map(|step| {
            step.env.values().chain(step.stdin.as_ref()).map(|name| (step.id.as_str(), name.as_str()))
        })
        .collect()
}
