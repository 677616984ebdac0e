//! Findings → plan. Pure: the same input gives the same bytes.

use super::host::{self, HostPlan, Subject};
use super::managed;
use super::protection;
use super::waves::{self, Member};
use super::{Plan, PlannedConnection, PlannedHost, PlannedProduct, SecretReference};
use crate::facts::{Facts, OsInfo, Questions};
use crate::inventory::{Host, Inventory};
use crate::model::{Diagnostic, Diagnostics, Finding, HostState, MachineIdentity, Scope};
use crate::playbook::{Playbook, Product};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// One host of the selection, with what became of the attempt to read it.
#[derive(Debug, Clone)]
pub struct HostInput<'a> {
    /// The host as the inventory has it.
    pub host: &'a Host,
    /// How to reach it, with secrets by name.
    pub connection: PlannedConnection,
    /// What was learnt of it.
    pub outcome: HostOutcome<'a>,
}

/// What became of the attempt to read a host.
#[derive(Debug, Clone)]
pub enum HostOutcome<'a> {
    /// It was read.
    Read {
        /// What is known of it.
        facts: &'a Facts,
        /// What was found: one for each product of its platform.
        findings: Vec<Finding>,
        /// Its state: present, residue, unknown, exempt or clean.
        state: HostState,
        /// Why, in one sentence.
        reason: String,
        /// The one command that would mend it.
        remedy: Option<String>,
    },
    /// It was not reached.
    Unreachable {
        /// Why, in one sentence.
        reason: String,
        /// The one command that would mend it.
        remedy: Option<String>,
    },
}

/// What a plan says of itself and of the run that made it.
#[derive(Debug, Clone)]
pub struct PlanSettings {
    /// The plan's id (UUID v7).
    pub id: String,
    /// When it is made.
    pub created: Timestamp,
    /// By whom: local user name and machine.
    pub operator: String,
    /// What was asked of each host, and will be again.
    pub questions: Questions,
    /// The secrets of connections: references only.
    pub secrets: BTreeMap<String, SecretReference>,
    /// known_hosts files to check host keys against.
    pub known_hosts: Vec<String>,
    /// The `opt_in` words that are allowed.
    pub allowed: Vec<String>,
    /// What counts. The findings given are judged by it already.
    pub scope: Scope,
}

/// Makes the plan. `hosts` are the selection, each of `inventory` or the local machine.
///
/// A host that was not reached or of which not all is known is listed with its state and has no steps
/// for what is unknown; it is in a wave nevertheless, so that `apply` looks at it again. Of two names
/// of one machine the first in inventory order is planned, the others are `skipped` and in no wave.
///
/// # Errors
/// Everything in the playbook that forbids a plan, each with its place: wrong waves, a host in no wave, secrets
/// that are used and not declared. The diagnostics come without sources; whoever read the playbook adds them.
pub fn make(
    playbook: &Playbook,
    settings: PlanSettings,
    inventory: &Inventory,
    hosts: Vec<HostInput<'_>>,
) -> Result<Plan, Diagnostics> {
    let mut errors: Vec<Diagnostic> = Vec::new();
    let ordered = in_inventory_order(inventory, hosts);
    let same = other_names(&ordered);
    let mut planned = Vec::new();
    for input in ordered {
        let first_name = same.get(&input.host.name);
        match plan_host(playbook, &settings, input, first_name) {
            Ok(host) => planned.push(host),
            Err(found) => errors.extend(found),
        }
    }
    let members: Vec<Member<'_>> = planned
        .iter()
        .filter(|host| host.state != HostState::Skipped)
        .map(|host| Member { name: &host.name, has_work: !host.steps.is_empty() })
        .collect();
    let select = |pattern: &str| crate::inventory::select(inventory, pattern).map(BTreeSet::from_iter);
    let waves = waves::assign(&playbook.waves, &members, &select).unwrap_or_else(|found| {
        errors.extend(found);
        Vec::new()
    });
    let secrets = secrets(playbook, settings.secrets, &planned).unwrap_or_else(|found| {
        errors.extend(found);
        BTreeMap::new()
    });
    if !errors.is_empty() {
        return Err(Diagnostics { list: without_repetition(errors), ..Diagnostics::default() });
    }
    planned.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Plan {
        uproot_plan: super::file::FORMAT,
        id: settings.id,
        created: settings.created,
        operator: settings.operator,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        playbook: playbook.name.clone(),
        playbook_digest: playbook.digest.clone(),
        questions: settings.questions,
        products: playbook.products.iter().map(product).collect(),
        reboot: playbook.policy.reboot,
        require_protection: playbook.policy.require_protection.clone(),
        secrets,
        known_hosts: settings.known_hosts,
        allowed: settings.allowed,
        scope: settings.scope,
        waves,
        hosts: planned,
    })
}

fn without_repetition(errors: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut kept: Vec<Diagnostic> = Vec::new();
    for error in errors {
        if !kept.contains(&error) {
            kept.push(error);
        }
    }
    kept
}

fn in_inventory_order<'a>(inventory: &Inventory, mut hosts: Vec<HostInput<'a>>) -> Vec<HostInput<'a>> {
    let positions: BTreeMap<&str, usize> =
        inventory.hosts.iter().enumerate().map(|(index, host)| (host.name.as_str(), index)).collect();
    hosts.sort_by_key(|input| positions.get(input.host.name.as_str()).copied().unwrap_or(usize::MAX));
    hosts
}

/// Host name → the earlier name of the same machine.
///
/// Where one name tells the DMI UUID and the other does not, an equal machine-id is taken for one
/// machine: to leave out a host is harmless, to work on one twice at once is not.
fn other_names(hosts: &[HostInput<'_>]) -> BTreeMap<String, String> {
    let mut same = BTreeMap::new();
    let mut by_key: BTreeMap<String, Vec<(&MachineIdentity, &str)>> = BTreeMap::new();
    for input in hosts {
        let HostOutcome::Read { facts, .. } = &input.outcome else { continue };
        let identity = &facts.identity;
        let Some(key) = identity.machine_id.clone().or_else(|| identity.same_machine_key()) else { continue };
        let earlier = by_key.entry(key).or_default();
        let differs = |other: &MachineIdentity| matches!((&other.dmi_uuid, &identity.dmi_uuid), (Some(theirs), Some(ours)) if theirs != ours);
        match earlier.iter().find(|(other, _)| !differs(other)) {
            Some((_, first)) => {
                same.insert(input.host.name.clone(), (*first).to_owned());
            }
            None => earlier.push((identity, &input.host.name)),
        }
    }
    same
}

fn plan_host(
    playbook: &Playbook,
    settings: &PlanSettings,
    input: HostInput<'_>,
    first_name: Option<&String>,
) -> Result<PlannedHost, Vec<Diagnostic>> {
    let mut host = PlannedHost {
        name: input.host.name.clone(),
        connection: input.connection,
        groups: input.host.groups.iter().cloned().collect(),
        state: HostState::Unreachable,
        reason: String::new(),
        remedy: None,
        platform: input.host.platform.as_ref().map(|platform| platform.value),
        os: None,
        identity: MachineIdentity::default(),
        findings: Vec::new(),
        steps: Vec::new(),
        reboot: None,
        protection: None,
        not_planned: Vec::new(),
        warnings: Vec::new(),
        gone_after: Vec::new(),
    };
    match input.outcome {
        HostOutcome::Unreachable { reason, remedy } => {
            host.reason = reason;
            host.remedy = remedy;
        }
        HostOutcome::Read { facts, findings, state, reason, remedy } => {
            host.platform = facts.platform;
            host.os = os_words(&facts.os);
            host.identity = facts.identity.clone();
            if let Some(first) = first_name {
                let key = facts.identity.same_machine_key().unwrap_or_default();
                host.state = HostState::Skipped;
                host.reason = format!("another name of the machine that `{first}` is ({key})");
            } else {
                host.state = state;
                host.reason = reason;
                host.remedy = remedy;
                let login = host.connection.user.as_deref().unwrap_or("the login user");
                let subject = Subject { facts, findings: &findings, login, allowed: &settings.allowed };
                let products: Vec<&Product> = facts
                    .platform
                    .map(|platform| playbook.products_for(platform).collect())
                    .unwrap_or_default();
                let HostPlan { steps, reboot, not_planned, gone_after } =
                    host::plan(&products, &subject, playbook.policy.reboot)?;
                host.steps = steps;
                host.reboot = reboot;
                host.not_planned = not_planned;
                host.gone_after = gone_after;
                host.warnings = managed::warnings(&products, facts, &findings);
                let required = playbook.policy.require_protection.as_ref();
                host.protection = required.map(|rule| protection::of(rule, facts));
            }
            host.findings = findings;
        }
    }
    Ok(host)
}

/// The operating system in words; none where the host told nothing.
fn os_words(os: &OsInfo) -> Option<String> {
    let id = os.id.as_ref().map(|id| match &os.version_id {
        Some(version) => format!("{id} {version}"),
        None => id.clone(),
    });
    let kernel = format!("{} {}", os.kernel_name, os.kernel_release);
    os.pretty_name.clone().or(id).or_else(|| Some(kernel.trim().to_owned()).filter(|words| !words.is_empty()))
}

fn product(product: &Product) -> PlannedProduct {
    PlannedProduct {
        id: product.id.clone(),
        name: product.name.clone(),
        class: product.class,
        platforms: product.platforms.clone(),
        after: product.after.clone(),
        detect: product.detect.clone(),
        residue: product.residue.clone(),
        version: product.version.clone(),
        settle: product.settle.as_secs(),
    }
}

/// The secrets of connections, and those that planned steps use.
fn secrets(
    playbook: &Playbook,
    connections: BTreeMap<String, SecretReference>,
    hosts: &[PlannedHost],
) -> Result<BTreeMap<String, SecretReference>, Vec<Diagnostic>> {
    let used: BTreeSet<(&str, &str)> =
        hosts.iter().flat_map(|host| host::secrets_used(&host.steps)).collect();
    let mut secrets = connections;
    let mut errors = Vec::new();
    for (step, name) in used {
        let Some(declared) = playbook.secrets.iter().find(|secret| secret.name == name) else {
            errors.extend(undeclared(playbook, step, name));
            continue;
        };
        let reference = SecretReference { source: declared.source.clone(), optional: declared.optional };
        let known = secrets.entry(name.to_owned()).or_insert_with(|| reference.clone());
        if *known != reference {
            let message = format!("secret `{name}` has the name of a secret of a connection");
            errors.push(Diagnostic::error(&declared.place, message).with_help("give it another name"));
        }
    }
    if errors.is_empty() { Ok(secrets) } else { Err(errors) }
}

/// At the step that uses a secret which the playbook does not declare.
fn undeclared(playbook: &Playbook, step: &str, name: &str) -> Option<Diagnostic> {
    let (product, number) = step.rsplit_once('/')?;
    let index = number.parse::<usize>().ok()?.checked_sub(1)?;
    let place = &playbook.product(product)?.remove.get(index)?.place;
    let known = playbook.secrets.iter().map(|secret| secret.name.as_str());
    let help = match crate::model::diagnostic::nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("declare it: `secrets: {{ {name}: {{ env: … }} }}`"),
    };
    let message =
        format!("step {number} of product `{product}` uses the secret `{name}`, which is not declared");
    Some(Diagnostic::error(place, message).with_help(help))
}
