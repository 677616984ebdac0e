//! A small playbook and hosts for the planner's tests.

use super::{HostInput, HostOutcome, Plan, PlanSettings, PlannedConnection, make};
use crate::detect::{ProductRules, findings};
use crate::facts::*;
use crate::inventory::{ConnectionKind, Host, Inventory, Sourced};
use crate::model::{
    BootIdentity, Diagnostics, HostState, MachineIdentity, Place, Platform, ProductState, SecretSource,
};
use crate::playbook::*;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) fn complete<T>(items: Vec<T>) -> Listing<T> {
    Listing { items, gaps: Vec::new() }
}

pub(crate) fn place(line: u32) -> Place {
    Place { file: "linux.yml".into(), line, column: 5, length: 4 }
}

pub(crate) fn pattern(text: &str) -> Pattern {
    Pattern::new(text)
}

pub(crate) fn package_check(name: &str) -> Rule {
    Rule::Check(Check::Package { name: pattern(name), version: None, state: None })
}

pub(crate) fn path_check(path: &str) -> Rule {
    Rule::Check(Check::Path { path: pattern(path), kind: None, owner: None })
}

pub(crate) fn step(action: Action) -> Step {
    Step { action, when: None, effect: None, timeout: None, opt_in: None, place: place(20) }
}

pub(crate) fn run(command: &str) -> Action {
    Action::Run {
        command: command.to_owned(),
        accept: Vec::new(),
        reboot_codes: Vec::new(),
        retry_on: Vec::new(),
        blocked_if: None,
        env: BTreeMap::new(),
        stdin: None,
        uploads: Vec::new(),
    }
}

pub(crate) fn remove_package(names: &[&str]) -> Action {
    Action::RemovePackage { names: names.iter().map(|name| pattern(name)).collect(), purge: true }
}

pub(crate) fn remove_path(path: &str) -> Action {
    Action::RemovePath { path: pattern(path) }
}

pub(crate) fn product(id: &str, remove: Vec<Step>) -> Product {
    Product {
        id: id.to_owned(),
        name: format!("Product {id}"),
        vendor: None,
        class: crate::model::ProductClass::Product,
        platforms: vec![Platform::Linux],
        confirmed: true,
        sources: Vec::new(),
        version: Some(VersionSource::Package { name: pattern(id) }),
        detect: package_check(id),
        residue: Some(path_check(&format!("/var/opt/kaspersky/{id}"))),
        remove,
        after: Vec::new(),
        settle: Duration::from_secs(120),
        opt_in: None,
        managed_by: None,
        report_only: None,
        place: place(3),
    }
}

/// kesl with three steps, klnagent after it, a server by choice, an appliance that is only reported.
pub(crate) fn playbook() -> Playbook {
    let kesl = product(
        "kesl",
        vec![
            step(Action::StopService { name: "kesl".to_owned() }),
            Step { timeout: Some(Duration::from_secs(300)), ..step(remove_package(&["kesl-gui", "kesl"])) },
            step(remove_path("/var/opt/kaspersky/kesl")),
        ],
    );
    let mut klnagent = product("klnagent", vec![step(remove_package(&["klnagent"]))]);
    klnagent.after = vec!["kesl".to_owned(), "ksc".to_owned()];
    let mut ksc = product("ksc", vec![step(remove_package(&["ksc64"]))]);
    ksc.detect = package_check("ksc64");
    ksc.opt_in = Some("administration-server".to_owned());
    let mut appliance = product("ksmg", Vec::new());
    appliance.report_only = Some("the whole machine is the product; retire it instead".to_owned());
    Playbook {
        name: "Kaspersky products".to_owned(),
        secrets: Vec::new(),
        products: vec![klnagent, kesl, ksc, appliance],
        policy: Policy { reboot: RebootPolicy::Never, require_protection: None },
        waves: Vec::new(),
        digest: "5f0c2b7e9d1a4c3388aa0017".to_owned(),
    }
}

pub(crate) fn package(name: &str, status: &str) -> Package {
    Package {
        manager: "dpkg".into(),
        name: name.into(),
        version: "12.1.0-1543".into(),
        arch: "amd64".into(),
        status: status.into(),
    }
}

pub(crate) fn service(name: &str, active: &str) -> Service {
    Service {
        name: name.into(),
        kind: "systemd".into(),
        file: Some(format!("/etc/systemd/system/{name}.service")),
        active: Some(active.into()),
    }
}

pub(crate) fn entry(path: &str, kind: PathKind) -> PathEntry {
    PathEntry {
        path: path.into(),
        kind,
        owner: "root".into(),
        size: 1,
        target: None,
        real: None,
        mount_point: false,
    }
}

/// A host, read as root, that answered everything and has nothing.
pub(crate) fn clean_facts(name: &str) -> Facts {
    let nothing_at = |path: &str| (path.to_owned(), complete(Vec::new()));
    Facts {
        uproot_facts: 1,
        host: name.to_owned(),
        at: Timestamp::UNIX_EPOCH,
        provenance: "constructed".into(),
        platform: Some(Platform::Linux),
        identity: MachineIdentity {
            host_key: Some(format!("SHA256:key-of-{name}")),
            machine_id: Some(format!("id-of-{name}")),
            dmi_uuid: None,
        },
        boot: BootIdentity::default(),
        os: OsInfo {
            kernel_name: "Linux".into(),
            id: Some("debian".into()),
            version_id: Some("12".into()),
            pretty_name: Some("Debian GNU/Linux 12 (bookworm)".into()),
            ..OsInfo::default()
        },
        privilege: Privilege { uid: Some(0), elevated: None, become_failed: None },
        pending_reboot: PendingReboot::No,
        mounts: complete(vec!["/".into(), "/proc".into()]),
        packages: complete(vec![package("dpkg", "install ok installed")]),
        services: complete(vec![service("ssh", "active")]),
        processes: complete(Vec::new()),
        kernel_modules: complete(Vec::new()),
        certificates: complete(Vec::new()),
        users: complete(vec![Account { name: "root".into(), id: 0 }]),
        groups: complete(vec![Account { name: "root".into(), id: 0 }]),
        ports: complete(Vec::new()),
        scheduled_tasks: complete(Vec::new()),
        paths: ["kesl", "klnagent", "ksc", "ksmg"]
            .map(|id| nothing_at(&format!("/var/opt/kaspersky/{id}")))
            .into(),
        files: BTreeMap::new(),
        programs: Listing::default(),
        user_programs: Listing::default(),
        receipts: Listing::default(),
        system_extensions: Listing::default(),
        apps: Listing::default(),
        registry: BTreeMap::new(),
    }
}

/// A host with kesl (running, with its data) and klnagent.
pub(crate) fn kesl_facts(name: &str) -> Facts {
    let mut facts = clean_facts(name);
    let installed = ["kesl", "kesl-gui", "klnagent"].map(|name| package(name, "install ok installed"));
    facts.packages.items.extend(installed);
    facts.services.items.push(service("kesl", "active"));
    let data = entry("/var/opt/kaspersky/kesl", PathKind::Directory);
    facts.paths.insert(data.path.clone(), complete(vec![data]));
    facts
}

pub(crate) fn inventory(names: &[&str]) -> Inventory {
    let sourced = |value: String| Sourced { value, origin: "hosts.yml:1:1".to_owned() };
    let hosts = names.iter().zip(1..).map(|(name, number)| Host {
        name: (*name).to_owned(),
        address: sourced(format!("10.0.0.{number}")),
        port: Sourced { value: 22, origin: "default".to_owned() },
        user: Some(sourced("ivan".to_owned())),
        connection: Sourced { value: ConnectionKind::Ssh, origin: "default".to_owned() },
        platform: None,
        key: None,
        password: None,
        become_method: None,
        become_password: None,
        groups: BTreeSet::from(["web".to_owned()]),
        place: None,
    });
    let all: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    Inventory {
        hosts: hosts.collect(),
        groups: BTreeMap::from([("all".to_owned(), all.clone()), ("web".to_owned(), all)]),
    }
}

pub(crate) fn settings() -> PlanSettings {
    PlanSettings {
        id: "01970000-0000-7000-8000-000000000000".to_owned(),
        created: "2026-03-04T05:06:07Z".parse().unwrap(),
        operator: "ivan@ops".to_owned(),
        questions: Questions { topics: [Topic::Packages].into(), ..Questions::default() },
        secrets: BTreeMap::new(),
        known_hosts: Vec::new(),
        allowed: Vec::new(),
        scope: crate::model::Scope::default(),
    }
}

pub(crate) fn connection(host: &Host) -> PlannedConnection {
    PlannedConnection {
        kind: "ssh".to_owned(),
        address: host.address.value.clone(),
        port: host.port.value,
        user: host.user.as_ref().map(|user| user.value.clone()),
        platform: None,
        key: None,
        password: None,
        become_method: Some(crate::inventory::BecomeMethod::Sudo),
        become_password: None,
    }
}

/// A host as read, with the state that its findings give it.
pub(crate) fn host_read<'a>(playbook: &Playbook, host: &'a Host, facts: &'a Facts) -> HostInput<'a> {
    let findings = findings(playbook.products.iter().map(ProductRules::from), facts);
    let any = |state| findings.iter().any(|finding| finding.result == state);
    let state = if any(ProductState::Present) {
        HostState::Present
    } else if any(ProductState::Residue) {
        HostState::Residue
    } else if any(ProductState::Unknown) || findings.is_empty() {
        HostState::Unknown
    } else {
        HostState::Clean
    };
    let outcome = HostOutcome::Read { facts, findings, state, reason: String::new(), remedy: None };
    HostInput { host, connection: connection(host), outcome }
}

pub(crate) fn unreachable(host: &Host) -> HostInput<'_> {
    let outcome = HostOutcome::Unreachable {
        reason: format!("{}:22: connection refused", host.address.value),
        remedy: Some("nc -vz 10.0.0.9 22".to_owned()),
    };
    HostInput { host, connection: connection(host), outcome }
}

/// The plan for hosts that were all read; each facts document names its host.
pub(crate) fn plan_for(playbook: &Playbook, all: &[Facts]) -> Result<Plan, Diagnostics> {
    plan_with(playbook, settings(), all)
}

pub(crate) fn plan_with(
    playbook: &Playbook,
    settings: PlanSettings,
    all: &[Facts],
) -> Result<Plan, Diagnostics> {
    let names: Vec<&str> = all.iter().map(|facts| facts.host.as_str()).collect();
    let inventory = inventory(&names);
    let inputs =
        inventory.hosts.iter().zip(all).map(|(host, facts)| host_read(playbook, host, facts)).collect();
    make(playbook, settings, &inventory, inputs)
}

pub(crate) fn secret(name: &str) -> SecretDeclaration {
    SecretDeclaration {
        name: name.to_owned(),
        source: SecretSource::Env(name.to_uppercase()),
        optional: false,
        place: place(2),
    }
}
