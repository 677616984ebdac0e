//! Hosts put together from the documents of Windows' products, and what is planned for them.

use super::{documents, whole};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use uproot::detect::{ProductRules, findings};
use uproot::facts::{Facts, Listing, PathEntry, Questions, Service};
use uproot::inventory;
use uproot::model::Platform;
use uproot::plan::{self, HostInput, HostOutcome, PlanSettings, PlannedConnection, PlannedHost, PlannedStep};
use uproot::playbook::{PathKind, Playbook};
use uproot::verify::observed;

/// The products of Windows alone.
pub static CATALOGUE: LazyLock<Playbook> = LazyLock::new(|| {
    let mut playbook = whole();
    playbook.products.retain(|product| product.platforms.contains(&Platform::Windows));
    playbook
});

pub static DOCUMENTS: LazyLock<Vec<(String, String, Facts)>> = LazyLock::new(|| documents(Platform::Windows));

pub fn complete<T>(items: Vec<T>) -> Listing<T> {
    Listing { items, gaps: Vec::new() }
}

/// A host on which all of these products are as their documents say, and of which everything else was asked and is
/// not there.
pub fn host_with(parts: &[(&str, &str)]) -> Facts {
    let document = |id: &str, result: &str| {
        let found = DOCUMENTS.iter().find(|(of, is, _)| of == id && is == result);
        found.unwrap_or_else(|| panic!("no document {id}.{result}")).2.clone()
    };
    let mut all = document("kes-windows", "absent");
    let questions = Questions::of_playbook(&CATALOGUE);
    all.paths = questions.paths.iter().map(|path| (path.clone(), complete(Vec::new()))).collect();
    all.registry = questions.registry.keys().map(|key| (key.clone(), complete(Vec::new()))).collect();
    all.certificates = document("kaspersky-common-windows", "absent").certificates;
    all.user_programs = complete(Vec::new());
    for (id, result) in parts {
        let one = document(id, result);
        for program in one.programs.items {
            if !all.programs.items.iter().any(|known| known.key == program.key) {
                all.programs.items.push(program);
            }
        }
        for service in one.services.items {
            if !all.services.items.iter().any(|known| known.name == service.name) {
                all.services.items.push(service);
            }
        }
        for process in one.processes.items {
            if !all.processes.items.iter().any(|known| known.name == process.name) {
                all.processes.items.push(process);
            }
        }
        for (path, listing) in one.paths {
            listing
                .items
                .into_iter()
                .for_each(|entry| all.paths.entry(path.clone()).or_default().items.push(entry));
        }
        for (key, listing) in one.registry {
            listing
                .items
                .into_iter()
                .for_each(|item| all.registry.entry(key.clone()).or_default().items.push(item));
        }
    }
    for gaps in [&all.programs.gaps, &all.services.gaps, &all.processes.gaps, &all.certificates.gaps] {
        assert_eq!(gaps.as_slice(), [], "a host that answers all");
    }
    all
}

pub fn planned(facts: &Facts, words: &[&str]) -> PlannedHost {
    let playbook = &*CATALOGUE;
    let inventory = inventory::local();
    let settings = PlanSettings {
        id: "01940000-0000-7000-8000-000000000000".to_owned(),
        created: "2025-01-01T00:00:00Z".parse().unwrap(),
        operator: "somebody".to_owned(),
        questions: Questions::of_playbook(playbook),
        secrets: BTreeMap::new(),
        known_hosts: Vec::new(),
        allowed: words.iter().map(|word| (*word).to_owned()).collect(),
        scope: Default::default(),
    };
    let connection = PlannedConnection {
        kind: PlannedConnection::SSH.to_owned(),
        address: "localhost".to_owned(),
        port: 22,
        user: Some("administrator".to_owned()),
        platform: Some(Platform::Windows),
        key: None,
        password: None,
        become_method: None,
        become_password: None,
    };
    let found = findings(playbook.products.iter().map(ProductRules::from), facts);
    let verdict = observed(&found, facts);
    let outcome = HostOutcome::Read {
        facts,
        findings: found,
        state: verdict.state,
        reason: verdict.reason,
        remedy: None,
    };
    let host = HostInput { host: &inventory.hosts[0], connection, outcome };
    let mut plan = plan::make(playbook, settings, &inventory, vec![host])
        .unwrap_or_else(|wrong| panic!("{}", wrong.render()));
    plan.hosts.remove(0)
}

/// Every word by which more is removed.
pub fn all_words() -> Vec<String> {
    let words: BTreeSet<String> =
        CATALOGUE.products.iter().flat_map(|product| product.choices().map(str::to_owned)).collect();
    words.into_iter().collect()
}

pub fn reason(host: &PlannedHost, product: &str) -> String {
    let found = host.not_planned.iter().find(|one| one.product == product);
    found.unwrap_or_else(|| panic!("{product} is planned: {:#?}", host.steps)).reason.clone()
}

/// The commands that would be run.
pub fn commands(host: &PlannedHost) -> Vec<String> {
    host.steps.iter().filter(|step| !step.already_so).flat_map(|step| step.commands.clone()).collect()
}

pub fn gate<'h>(host: &'h PlannedHost, product: &str) -> Option<&'h PlannedStep> {
    host.steps.iter().find(|step| step.product == product && step.kind == "require")
}

pub fn service(name: &str, kind: &str) -> Service {
    Service { name: name.to_owned(), kind: kind.to_owned(), file: None, active: Some("active".to_owned()) }
}

/// A folder that a host has.
pub fn folder_at(path: &str) -> PathEntry {
    PathEntry {
        path: path.to_owned(),
        kind: PathKind::Directory,
        owner: String::new(),
        size: 0,
        target: None,
        real: None,
        mount_point: false,
    }
}
