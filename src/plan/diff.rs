//! What differs between two plans, for whoever approved the first.

use super::shown::{duration, rule};
use super::{Plan, PlannedHost, PlannedStep};
use crate::model::output::escape_line;
use crate::model::{Finding, ProductState, Truth};
use std::collections::BTreeMap;

/// Whether both plans would do the same to the same machines: all but who made them when, and under
/// which id.
#[must_use]
pub fn is_same(a: &Plan, b: &Plan) -> bool {
    let strip = |plan: &Plan| Plan {
        id: String::new(),
        created: jiff::Timestamp::UNIX_EPOCH,
        operator: String::new(),
        version: String::new(),
        ..plan.clone()
    };
    strip(a) == strip(b)
}

/// What differs, a line each: `-` is in `a` only, `+` in `b` only, `~` in both and not the same.
/// Strings of hosts are escaped.
#[must_use]
pub fn diff(a: &Plan, b: &Plan) -> String {
    if is_same(a, b) {
        return "no difference\n".to_owned();
    }
    let mut lines = Lines(Vec::new());
    plan_level(a, b, &mut lines);
    products(a, b, &mut lines);
    waves(a, b, &mut lines);
    let hosts = |plan: &'_ Plan| -> BTreeMap<String, PlannedHost> {
        plan.hosts.iter().map(|host| (host.name.clone(), host.clone())).collect()
    };
    let (old, new) = (hosts(a), hosts(b));
    for (name, host) in &old {
        match new.get(name) {
            None => lines.push(format!("- host {name} ({})", host.state)),
            Some(other) => compare_hosts(host, other, &mut lines),
        }
    }
    for (name, host) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        lines.push(format!("+ host {name} ({}, {} steps)", host.state, host.steps.len()));
    }
    if lines.0.is_empty() {
        lines.push("~ the order of what both have, or the wording of evidence".to_owned());
    }
    lines.0.concat()
}

struct Lines(Vec<String>);

impl Lines {
    fn push(&mut self, line: String) {
        self.0.push(format!("{}\n", escape_line(&line)));
    }

    fn changed(&mut self, what: &str, old: &str, new: &str) {
        if old != new {
            self.push(format!("~ {what}: {old} → {new}"));
        }
    }

    /// What one list has and the other does not.
    fn only<T: PartialEq>(&mut self, what: &str, old: &[T], new: &[T], name: impl Fn(&T) -> String) {
        for gone in old.iter().filter(|item| !new.contains(item)) {
            self.push(format!("- {what} {}", name(gone)));
        }
        for added in new.iter().filter(|item| !old.contains(item)) {
            self.push(format!("+ {what} {}", name(added)));
        }
    }
}

fn plan_level(a: &Plan, b: &Plan, lines: &mut Lines) {
    lines.changed("playbook", &a.playbook, &b.playbook);
    lines.changed("playbook digest", &a.playbook_digest, &b.playbook_digest);
    lines.changed("reboots", &format!("{:?}", a.reboot), &format!("{:?}", b.reboot));
    let required = |plan: &Plan| plan.require_protection.as_ref().map_or("none".to_owned(), rule);
    lines.changed("protection that must be there", &required(a), &required(b));
    if a.questions != b.questions {
        lines.push("~ questions: what is asked of each host differs".to_owned());
    }
    lines.only("scope:", &a.scope.words(), &b.scope.words(), Clone::clone);
    if a.scope != b.scope && a.scope.words() == b.scope.words() {
        lines.push("~ scope: what its profile leaves out".to_owned());
    }
    lines.only("allowed", &a.allowed, &b.allowed, Clone::clone);
    lines.only("known_hosts", &a.known_hosts, &b.known_hosts, Clone::clone);
    let secrets = |plan: &Plan| -> Vec<_> { plan.secrets.clone().into_iter().collect() };
    lines.only("secret", &secrets(a), &secrets(b), |(name, reference)| {
        format!("{name} ({:?})", reference.source)
    });
}

fn products(a: &Plan, b: &Plan, lines: &mut Lines) {
    let ids =
        |plan: &Plan| -> Vec<String> { plan.products.iter().map(|product| product.id.clone()).collect() };
    lines.only("product", &ids(a), &ids(b), Clone::clone);
    for old in &a.products {
        let Some(new) = b.products.iter().find(|product| product.id == old.id) else { continue };
        let id = &old.id;
        lines.changed(&format!("product {id}: detect"), &rule(&old.detect), &rule(&new.detect));
        let residue =
            |product: &super::PlannedProduct| product.residue.as_ref().map_or("none".to_owned(), rule);
        lines.changed(&format!("product {id}: residue"), &residue(old), &residue(new));
        lines.changed(&format!("product {id}: settle"), &duration(old.settle), &duration(new.settle));
        lines.changed(&format!("product {id}: after"), &old.after.join(", "), &new.after.join(", "));
        let same_rest = (&old.name, old.class, &old.platforms, &old.version)
            == (&new.name, new.class, &new.platforms, &new.version);
        if !same_rest {
            lines.push(format!("~ product {id}: its name, class, platforms or version source"));
        }
    }
}

fn waves(a: &Plan, b: &Plan, lines: &mut Lines) {
    let names = |plan: &Plan| -> Vec<String> { plan.waves.iter().map(|wave| wave.name.clone()).collect() };
    lines.only("wave", &names(a), &names(b), Clone::clone);
    if names(a) != names(b) {
        lines.changed("order of waves", &names(a).join(", "), &names(b).join(", "));
    }
    for old in &a.waves {
        let Some(new) = b.waves.iter().find(|wave| wave.name == old.name) else { continue };
        lines.only(&format!("wave {}: host", old.name), &old.hosts, &new.hosts, Clone::clone);
        let limits = |wave: &super::PlannedWave| {
            format!("{:?}, {:?}, {:?}", wave.parallel, wave.max_failures, wave.max_unreachable)
        };
        lines.changed(&format!("wave {}: parallel and budgets", old.name), &limits(old), &limits(new));
        lines.changed(&format!("wave {}: soak", old.name), &duration(old.soak), &duration(new.soak));
        let approval = |wave: &super::PlannedWave| if wave.approve { "needed" } else { "not needed" };
        lines.changed(&format!("wave {}: approval", old.name), approval(old), approval(new));
        let window = |wave: &super::PlannedWave| {
            wave.window.as_ref().map_or("at any time".to_owned(), |window| format!("`{window}`"))
        };
        lines.changed(&format!("wave {}: window", old.name), &window(old), &window(new));
    }
}

fn compare_hosts(a: &PlannedHost, b: &PlannedHost, lines: &mut Lines) {
    let name = &a.name;
    lines.changed(&format!("host {name}: state"), a.state.word(), b.state.word());
    lines.changed(&format!("host {name}: reason"), &a.reason, &b.reason);
    if a.connection != b.connection {
        lines.push(format!("~ host {name}: how it is reached"));
    }
    for disagreement in a.identity.disagreements(&b.identity) {
        lines.push(format!("~ host {name}: another machine: {disagreement}"));
    }
    let found =
        |host: &PlannedHost| -> Vec<String> { host.findings.iter().filter_map(finding_words).collect() };
    lines.only(&format!("host {name}: finding"), &found(a), &found(b), Clone::clone);
    steps(a, b, lines);
    let reboot = |host: &PlannedHost| host.reboot.as_ref().map_or("never".to_owned(), what_runs);
    let reboots = (reboot(a), reboot(b));
    if reboots.0 == reboots.1 && a.reboot != b.reboot {
        lines.push(format!("~ host {name}: the script or limit of its reboot"));
    }
    lines.changed(&format!("host {name}: reboot after its steps"), &reboots.0, &reboots.1);
    lines.changed(&format!("host {name}: protection"), &protection(a), &protection(b));
    let reasons = |host: &PlannedHost| -> Vec<String> {
        host.not_planned.iter().map(|entry| format!("{} ({})", entry.product, entry.reason)).collect()
    };
    lines.only(&format!("host {name}: not planned"), &reasons(a), &reasons(b), Clone::clone);
    lines.only(&format!("host {name}: warning"), &a.warnings, &b.warnings, Clone::clone);
}

fn protection(host: &PlannedHost) -> String {
    host.protection.as_ref().map_or("not asked for".to_owned(), |protection| {
        let word = match protection.holds {
            Truth::True => "holds",
            Truth::False => "does not hold",
            Truth::Unknown => "unknown",
        };
        format!("{word} ({})", protection.reason)
    })
}

fn finding_words(finding: &Finding) -> Option<String> {
    let version = finding.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let shown = || format!("{} {}{version}", finding.product, finding.result.word());
    (finding.result != ProductState::Absent).then(shown)
}

fn steps(a: &PlannedHost, b: &PlannedHost, lines: &mut Lines) {
    let name = &a.name;
    let ids = |host: &PlannedHost| -> Vec<String> { host.steps.iter().map(|step| step.id.clone()).collect() };
    lines.only(&format!("host {name}: step"), &ids(a), &ids(b), |id| {
        let step = b.steps.iter().chain(&a.steps).find(|step| &step.id == id);
        step.map_or_else(|| id.clone(), |step| format!("{id}: {}", what_runs(step)))
    });
    for old in &a.steps {
        let Some(new) = b.steps.iter().find(|step| step.id == old.id) else { continue };
        if old == new {
            continue;
        }
        let what = format!("host {name}: step {}", old.id);
        if what_runs(old) == what_runs(new) {
            lines.push(format!("~ {what}: its script, limits or effect"));
        } else {
            lines.changed(&what, &what_runs(old), &what_runs(new));
        }
    }
    let common = |own: &PlannedHost, other: &PlannedHost| -> Vec<String> {
        let others = ids(other);
        ids(own).into_iter().filter(|id| others.contains(id)).collect()
    };
    lines.changed(
        &format!("host {name}: order of steps"),
        &common(a, b).join(", "),
        &common(b, a).join(", "),
    );
}

fn what_runs(step: &PlannedStep) -> String {
    match (step.already_so, step.commands.is_empty()) {
        (true, _) => format!("{} (already so)", step.summary),
        (false, true) => step.summary.clone(),
        (false, false) => step.commands.join("; "),
    }
}
