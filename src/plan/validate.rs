//! Whether a plan is consistent in itself. A file that was written by hand or damaged may not be.

use super::{Plan, PlannedHost, PlannedStep};
use crate::model::{HostState, ProductState};
use crate::playbook::{RebootPolicy, Upload, may_hold_secret};
use std::collections::{BTreeMap, BTreeSet};

/// More are not listed.
const MOST_DEFECTS: usize = 20;

/// The kinds of step that run a script, and those that do not.
const WITH_SCRIPT: [&str; 14] = [
    "stop_service",
    "delete_service",
    "remove_package",
    "kill_process",
    "remove_path",
    "remove_user",
    "remove_group",
    "remove_certificate",
    "remove_scheduled_task",
    "uninstall_program",
    "delete_registry",
    "forget_receipt",
    "run",
    PlannedStep::REBOOT,
];

/// Everything in which the plan contradicts itself.
pub(super) fn defects(plan: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    if plan.uproot_plan != super::file::FORMAT {
        found.push(format!("its format {} is none", plan.uproot_plan));
    }
    let products = unique(plan.products.iter().map(|product| product.id.as_str()), "product", &mut found);
    let hosts = unique(plan.hosts.iter().map(|host| host.name.as_str()), "host", &mut found);
    unique(plan.waves.iter().map(|wave| wave.name.as_str()), "wave", &mut found);
    waves(plan, &hosts, &mut found);
    found.extend(crate::scope::defects(&plan.scope));
    for host in &plan.hosts {
        let secrets = [&host.connection.password, &host.connection.become_password];
        for secret in secrets.into_iter().flatten().filter(|name| !plan.secrets.contains_key(*name)) {
            found.push(format!(
                "host `{}` uses the secret `{secret}`, which the plan does not have",
                host.name
            ));
        }
        check_host(plan, host, &products, &mut found);
        if found.len() >= MOST_DEFECTS {
            break;
        }
    }
    found.truncate(MOST_DEFECTS);
    found
}

fn unique<'a>(
    names: impl Iterator<Item = &'a str>,
    what: &str,
    found: &mut Vec<String>,
) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            found.push(format!("{what} `{name}` is there twice"));
        }
    }
    seen
}

fn waves(plan: &Plan, hosts: &BTreeSet<&str>, found: &mut Vec<String>) {
    let mut waves: BTreeMap<&str, usize> = BTreeMap::new();
    for name in plan.waves.iter().flat_map(|wave| &wave.hosts) {
        *waves.entry(name).or_default() += 1;
        if !hosts.contains(name.as_str()) {
            found.push(format!("a wave has the host `{name}`, which the plan does not have"));
        }
    }
    for host in &plan.hosts {
        let times = waves.get(host.name.as_str()).copied().unwrap_or(0);
        let wanted = usize::from(host.state != HostState::Skipped);
        if times != wanted {
            found.push(format!("host `{}` is in {times} waves and should be in {wanted}", host.name));
        }
    }
}

fn check_host(plan: &Plan, host: &PlannedHost, products: &BTreeSet<&str>, found: &mut Vec<String>) {
    let name = &host.name;
    let mut complain = |what: String| found.push(format!("host `{name}`: {what}"));
    let read = matches!(
        host.state,
        HostState::Present | HostState::Residue | HostState::Unknown | HostState::Exempt | HostState::Clean
    );
    if !read && !matches!(host.state, HostState::Unreachable | HostState::Skipped) {
        complain(format!("no host is `{}` when it is planned", host.state));
    }
    if !host.steps.is_empty() && (!read || host.identity.is_empty()) {
        complain("it has steps, but was not read or its machine is not known".to_owned());
    }
    let there: BTreeSet<&str> = host
        .findings
        .iter()
        .filter(|finding| matches!(finding.result, ProductState::Present | ProductState::Residue))
        .map(|finding| finding.product.as_str())
        .collect();
    let named = host.findings.iter().map(|finding| &finding.product);
    let named = named.chain(&host.gone_after).chain(host.not_planned.iter().map(|entry| &entry.product));
    for product in named.filter(|id| !products.contains(id.as_str())) {
        complain(format!("the plan does not have the product `{product}`"));
    }
    let exempt = host.findings.iter().filter(|finding| finding.is_exempt());
    for product in exempt.map(|finding| &finding.product).filter(|id| host.gone_after.contains(id)) {
        complain(format!("`{product}` is to be gone, and its scope leaves it out"));
    }
    for product in host.gone_after.iter().filter(|id| !there.contains(id.as_str())) {
        complain(format!("`{product}` is to be gone, and was not found"));
    }
    let mut ids = BTreeSet::new();
    for step in &host.steps {
        if !ids.insert(&step.id) {
            complain(format!("step `{}` is there twice", step.id));
        }
        if !host.gone_after.contains(&step.product) {
            complain(format!("step `{}` is of a product that is not planned", step.id));
        }
        if !is_numbered(step) {
            complain(format!("step `{}`: it is not a number of product `{}`", step.id, step.product));
        }
        for what in step_defects(plan, step) {
            complain(format!("step `{}`: {what}", step.id));
        }
    }
    if let Some(reboot) = &host.reboot {
        for what in reboot_defects(plan, host, reboot) {
            complain(format!("its reboot: {what}"));
        }
    }
}

fn is_numbered(step: &PlannedStep) -> bool {
    let number = step.id.strip_prefix(&step.product).and_then(|rest| rest.strip_prefix('/'));
    // What of it a person must do stands beside it.
    number.is_some_and(|number| number.strip_suffix('u').unwrap_or(number).parse::<u32>().is_ok())
}

/// Of the reboot after a host's steps.
fn reboot_defects(plan: &Plan, host: &PlannedHost, reboot: &PlannedStep) -> Vec<String> {
    let mut found = step_defects(plan, reboot);
    if host.steps.is_empty() {
        found.push("nothing goes before it".to_owned());
    }
    let named = [&reboot.product, &reboot.kind, &reboot.id];
    let id = format!("{}/{}", PlannedStep::OF_HOST, PlannedStep::REBOOT);
    if named != [PlannedStep::OF_HOST, PlannedStep::REBOOT, &id] || reboot.already_so {
        found.push("it is another step".to_owned());
    }
    found
}

fn step_defects(plan: &Plan, step: &PlannedStep) -> Vec<String> {
    let mut found = Vec::new();
    if step.kind == PlannedStep::REBOOT && plan.reboot != RebootPolicy::IfNeeded {
        found.push("it reboots, which the plan's policy forbids".to_owned());
    }
    let runs = WITH_SCRIPT.contains(&step.kind.as_str());
    if !runs && !matches!(step.kind.as_str(), "manual" | "wait_for" | "require") {
        found.push(format!("`{}` is no kind of step", step.kind));
    } else if (runs && !step.already_so) == step.script.is_empty() {
        found.push(if step.script.is_empty() { "it has no script" } else { "it has a script" }.to_owned());
    }
    if matches!(step.kind.as_str(), "wait_for" | "require") && (step.condition.is_none() || step.already_so) {
        found.push("it has no condition".to_owned());
    }
    if step.kind == "manual" && step.instructions.is_none() {
        found.push("it has no instructions".to_owned());
    }
    if step.already_so && step.effect.is_none() {
        found.push("it is already so, but has no effect".to_owned());
    }
    if step.timeout == 0 || step.accept.is_empty() {
        found.push("it has no time, or no accepted status".to_owned());
    }
    found.extend(upload_defects(step));
    for variable in step.env.keys().filter(|variable| !may_hold_secret(variable)) {
        found.push(format!("its variable `{variable}` cannot hold a secret"));
    }
    for secret in step.env.values().chain(&step.stdin).filter(|name| !plan.secrets.contains_key(*name)) {
        found.push(format!("it uses the secret `{secret}`, which the plan does not have"));
    }
    found
}

/// Of the files of a step: what is laid down is what a reader of the plan is told.
fn upload_defects(step: &PlannedStep) -> Vec<String> {
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    for upload in &step.uploads {
        let is_digest = upload.sha256.len() == 64
            && upload.sha256.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if !Upload::is_name(&upload.name) || !is_digest || !names.insert(upload.name.to_ascii_lowercase()) {
            found.push(format!("its file `{}` has no name of its own, or no SHA-256", upload.name));
        }
    }
    if !step.uploads.is_empty() && step.kind != "run" {
        found.push("it has files, and runs nothing that needs them".to_owned());
    }
    if !step.commands.iter().zip(&step.uploads).all(|(told, upload)| *told == upload.told())
        || step.commands.len() < step.uploads.len()
    {
        found.push("its commands do not tell which files it lays down".to_owned());
    }
    found
}
