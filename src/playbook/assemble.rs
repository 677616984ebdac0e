//! What holds between the parts of a playbook: unique ids, order, secrets, paths that two products use.

use super::danger::{directories_above, literal_part};
use super::digest::digest;
use super::pattern::Pattern;
use super::product::{Playbook, Policy, Product, RebootPolicy, SecretDeclaration, Wave};
use super::rule::{Check, Rule};
use super::step::Action;
use super::walk::Walker;
use super::walk_product::ReadProduct;
use crate::model::{Diagnostic, Place, diagnostic::nearest};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What was read from all files.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub name: String,
    pub secrets: Vec<SecretDeclaration>,
    pub products: Vec<ReadProduct>,
    pub policy: Option<Policy>,
    pub waves: Vec<Wave>,
}

/// Checks the parts against each other and makes the playbook of them.
pub(super) fn assemble(walker: &mut Walker, parts: Parts) -> Playbook {
    unique(
        walker,
        "product",
        parts.products.iter().map(|read| (read.product.id.as_str(), &read.product.place)),
    );
    unique(walker, "secret", parts.secrets.iter().map(|secret| (secret.name.as_str(), &secret.place)));
    let waves = parts.waves.iter().filter_map(|wave| Some((wave.name.as_str(), wave.place.as_ref()?)));
    unique(walker, "wave", waves);
    known_after(walker, &parts.products);
    acyclic(walker, &parts.products);
    declared(walker, &parts.secrets);
    apart(walker, &parts.products);
    let policy = parts.policy.unwrap_or(Policy { reboot: RebootPolicy::Never, require_protection: None });
    reboots_allowed(walker, policy.reboot, &parts.products);
    let mut playbook = Playbook {
        name: parts.name,
        secrets: parts.secrets,
        products: parts.products.into_iter().map(|read| read.product).collect(),
        policy,
        waves: parts.waves,
        digest: String::new(),
    };
    playbook.digest = digest(&playbook);
    playbook
}

fn unique<'a>(walker: &mut Walker, what: &str, named: impl Iterator<Item = (&'a str, &'a Place)>) {
    let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
    for (name, place) in named.filter(|(name, _)| !name.is_empty()) {
        match first.get(name) {
            Some(earlier) => walker.error(
                place,
                format!("{what} `{name}` stands twice"),
                "repeated here",
                format!("rename or remove one of the two; the first is at {earlier}"),
            ),
            None => drop(first.insert(name, place)),
        }
    }
}

fn known_after(walker: &mut Walker, products: &[ReadProduct]) {
    let ids: Vec<&str> = products.iter().map(|read| read.product.id.as_str()).collect();
    for read in products {
        for (name, place) in read.product.after.iter().zip(&read.after) {
            if ids.contains(&name.as_str()) {
                continue;
            }
            let help = match nearest(name, ids.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    "name the id of a product of this playbook, or include the file that has it".to_owned()
                }
            };
            let message =
                format!("`after` of product `{}` names an unknown product `{name}`", read.product.id);
            walker.error(place, message, "no product has this id", help);
        }
    }
}

/// Reports each circle of `after` once, at the entry of the first product in it.
fn acyclic(walker: &mut Walker, products: &[ReadProduct]) {
    let by_id: BTreeMap<&str, &ReadProduct> =
        products.iter().map(|read| (read.product.id.as_str(), read)).collect();
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for read in products {
        let circle = circle_from(&read.product.id, &by_id);
        if !circle.is_empty() && circle.iter().all(|id| !told.contains(id)) {
            report_circle(walker, &by_id, &circle);
        }
        told.extend(circle);
    }
}

/// The shortest way from a product by `after` back to itself, that product first; empty when there
/// is none.
fn circle_from<'a>(start: &'a str, by_id: &BTreeMap<&'a str, &'a ReadProduct>) -> Vec<&'a str> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut todo = VecDeque::from([start]);
    while let Some(id) = todo.pop_front() {
        for next in by_id.get(id).map(|read| read.product.after.as_slice()).unwrap_or_default() {
            if next == start {
                let mut circle = vec![id];
                while let Some(before) = circle.last().and_then(|id| came_from.get(id)) {
                    circle.push(before);
                }
                circle.reverse();
                return circle;
            }
            if !came_from.contains_key(next.as_str()) {
                came_from.insert(next, id);
                todo.push_back(next);
            }
        }
    }
    Vec::new()
}

fn report_circle(walker: &mut Walker, by_id: &BTreeMap<&str, &ReadProduct>, circle: &[&str]) {
    let (Some(first), Some(second)) = (circle.first(), circle.get(1).or(circle.first())) else { return };
    let Some(read) = by_id.get(first) else { return };
    let entry = read.product.after.iter().zip(&read.after).find(|(name, _)| name == second);
    let Some((_, place)) = entry else { return };
    let shown: Vec<String> = circle.iter().chain([first]).map(|id| format!("`{id}`")).collect();
    walker.error(
        place,
        format!("products wait for each other: {}", shown.join(" after ")),
        "the circle begins here",
        "remove one of these `after` entries",
    );
}

fn declared(walker: &mut Walker, secrets: &[SecretDeclaration]) {
    let names: Vec<&str> = secrets.iter().map(|secret| secret.name.as_str()).collect();
    for (name, place) in std::mem::take(&mut walker.secret_uses) {
        if names.contains(&name.as_str()) {
            continue;
        }
        let help = match nearest(&name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("declare it: `secrets: {{ {name}: {{ env: VARIABLE }} }}`"),
        };
        let message = format!("secret `{name}` is not declared");
        walker.problems.push(
            Diagnostic::error(&place, message).with_label("no such name under `secrets`").with_help(help),
        );
    }
}

/// A step that reboots needs a policy that lets it.
fn reboots_allowed(walker: &mut Walker, policy: RebootPolicy, products: &[ReadProduct]) {
    let word = match policy {
        RebootPolicy::IfNeeded => return,
        RebootPolicy::Never => "never",
        RebootPolicy::PendingIsOk => "pending-is-ok",
    };
    for product in products.iter().map(|read| &read.product) {
        for step in product.remove.iter().filter(|step| matches!(step.action, Action::Reboot { .. })) {
            walker.error(
                &step.place,
                format!("step `reboot` of product `{}` contradicts the policy `reboot: {word}`", product.id),
                "no host would be rebooted",
                "write `policy: { reboot: if-needed }` in the playbook that is run, or remove this step",
            );
        }
    }
}

/// No product removes a directory that holds what another product on the same platform has.
fn apart(walker: &mut Walker, products: &[ReadProduct]) {
    let mut held: BTreeMap<String, Vec<(&Product, Pattern)>> = BTreeMap::new();
    for read in products {
        for path in paths_of(&read.product) {
            for directory in directories_above(&path) {
                held.entry(directory).or_default().push((&read.product, path.clone()));
            }
        }
    }
    for ReadProduct { product, .. } in products {
        for step in &product.remove {
            let Action::RemovePath { path } = &step.action else { continue };
            let victim =
                holders(&held, path).find(|(other, _)| other.id != product.id && together(product, other));
            if let Some((other, used)) = victim {
                walker.error(
                    &step.place,
                    format!("`{path}` also holds `{used}` of product `{}`", other.id),
                    "removing it would take that along",
                    format!(
                        "name what product `{}` alone has below `{}`",
                        product.id,
                        literal_part(path.as_str())
                    ),
                );
            }
        }
    }
}

/// What lies below the directories that a path or glob matches.
fn holders<'a>(
    held: &'a BTreeMap<String, Vec<(&'a Product, Pattern)>>,
    path: &Pattern,
) -> Box<dyn Iterator<Item = &'a (&'a Product, Pattern)> + 'a> {
    let trimmed = path.as_str().trim_end_matches('/');
    if !path.is_glob() {
        return Box::new(held.get(trimmed).into_iter().flatten());
    }
    let matcher = Pattern::new(trimmed).matcher();
    Box::new(
        held.iter()
            .filter(move |(directory, _)| matcher.matches(directory).is_true())
            .flat_map(|(_, used)| used),
    )
}

fn together(a: &Product, b: &Product) -> bool {
    a.platforms.iter().any(|platform| b.platforms.contains(platform))
}

/// Every path that a product names.
fn paths_of(product: &Product) -> Vec<Pattern> {
    let mut paths = Vec::new();
    let mut visit = |rule: &Rule| {
        rule.each_check(&mut |check| match check {
            Check::Path { path, .. } | Check::FileContains { path, .. } => paths.push(path.clone()),
            Check::Process { exe: Some(exe), .. } => paths.push(exe.clone()),
            _ => {}
        });
    };
    visit(&product.detect);
    product.residue.iter().for_each(&mut visit);
    for step in &product.remove {
        match &step.action {
            Action::RemovePath { path } => paths.push(path.clone()),
            Action::KillProcess { exe } => paths.push(exe.clone()),
            _ => {}
        }
    }
    paths
}
