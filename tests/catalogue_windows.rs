//! The built-in catalogue's products for Windows against facts documents: what each is found by, that
//! nothing is called absent on half an answer, and that a mixed fleet can be planned.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod catalogue_support;

use std::collections::{BTreeMap, BTreeSet};
use uproot::detect::{ProductRules, findings};
use uproot::facts::{Facts, Questions, document};
use uproot::inventory;
use uproot::model::{HostState, Platform};
use uproot::plan::{self, HostInput, HostOutcome, PlanSettings, PlannedConnection};
use uproot::playbook::Product;
use uproot::verify::observed;

/// What must stand among the facts by which each product is found present.
const MARKS: [(&str, &str); 21] = [
    ("kes-windows", "Kaspersky Endpoint Security for Windows 12.9.0.384"),
    ("ksos-windows", "Kaspersky Small Office Security"),
    ("ksws-windows", "Kaspersky Security 11 for Windows Server"),
    ("kess-windows", "Kaspersky Embedded Systems Security"),
    ("kics-windows", "Kaspersky Industrial CyberSecurity for Nodes"),
    ("kav-business-windows", "8.0 for Windows Servers Enterprise Edition"),
    ("kea-windows", "soyuz.exe"),
    ("klnagent-windows", "Agent d'administration de Kaspersky Security Center"),
    ("ksc-windows", "klserver.exe"),
    ("ksc-console-windows", "Web Console"),
    ("ksc-plug-ins-windows", "Management Plug-in"),
    ("consumer-windows", "AVP21.25"),
    ("vpn-windows", "KSDE21.17"),
    ("password-manager-windows", "kpm.exe"),
    ("safe-kids-windows", "Kaspersky Safe Kids"),
    ("software-updater-windows", "Kaspersky Software Updater"),
    ("kvrt-windows", "KVRT.exe"),
    ("scan-engine-windows", "kavhttpd.exe"),
    ("oem-engine-windows", "klifsdk.sys"),
    ("kaspersky-common-windows", "Касперский плагин"),
    ("ultraav-windows", "UltraAV"),
];

fn products() -> Vec<Product> {
    catalogue_support::products(Platform::Windows)
}

fn documents() -> Vec<(String, String, Facts)> {
    catalogue_support::documents(Platform::Windows)
}

#[test]
fn every_document_gives_its_result() {
    catalogue_support::assert_every_document_gives_its_result(Platform::Windows);
}

#[test]
fn every_product_has_a_document_of_each_result_and_a_way_of_removal() {
    let documents = documents();
    for product in products() {
        catalogue_support::assert_is_documented(&product, &documents);
        // What stands in another vendor's product is that vendor's.
        assert_eq!(product.report_only.is_some(), product.id == "oem-engine-windows", "{}", product.id);
        assert_eq!(product.remove.is_empty(), product.report_only.is_some(), "{}", product.id);
    }
}

#[test]
fn a_present_product_is_found_by_what_is_its_own() {
    let marks = BTreeMap::from(MARKS);
    let products = products();
    assert_eq!(marks.len(), products.len());
    for (id, _, facts) in documents().iter().filter(|(_, result, _)| result == "present") {
        let product = products.iter().find(|product| product.id == *id).unwrap();
        let found = catalogue_support::found_by_its_mark(product, facts, marks[id.as_str()]);
        let has_program = !facts.programs.items.iter().all(|program| program.key == "7-Zip");
        assert_eq!(found.version.is_some(), product.version.is_some() && has_program, "{id}");
    }
}

#[test]
fn half_an_answer_is_never_absence() {
    let products = products();
    for (id, _, facts) in documents().iter().filter(|(_, result, _)| result == "absent") {
        let product = products.iter().find(|product| product.id == *id).unwrap();
        catalogue_support::assert_half_an_answer_is_unknown(product, facts);
    }
}

/// A host of which every product's questions were answered, with nothing there.
fn clean_host() -> Facts {
    let absent = documents().into_iter().filter(|(_, result, _)| result == "absent");
    absent
        .map(|(_, _, facts)| facts)
        .reduce(|mut all, one| {
            all.paths.extend(one.paths);
            all.registry.extend(one.registry);
            for (all, one) in [(&mut all.programs, one.programs), (&mut all.user_programs, one.user_programs)]
            {
                if all.items.is_empty() {
                    *all = one;
                }
            }
            for (whole, one) in [(&mut all.services, one.services)] {
                if whole.items.is_empty() {
                    *whole = one;
                }
            }
            if all.processes.items.is_empty() {
                all.processes = one.processes;
            }
            if all.certificates.items.is_empty() {
                all.certificates = one.certificates;
            }
            all
        })
        .unwrap()
}

#[test]
fn a_host_without_any_of_it_is_clean_and_one_with_a_product_is_present() {
    let playbook = catalogue_support::whole();
    let mut facts = clean_host();
    let state = |facts: &Facts| {
        let found = findings(playbook.products.iter().map(ProductRules::from), facts);
        assert_eq!(found.len(), products().len());
        observed(&found, facts)
    };
    assert_eq!(state(&facts).state, HostState::Clean, "{}", state(&facts).reason);
    let (_, _, kes) =
        documents().into_iter().find(|(id, is, _)| id == "kes-windows" && is == "present").unwrap();
    facts.programs = kes.programs;
    let verdict = state(&facts);
    assert_eq!(verdict.state, HostState::Present);
    assert!(verdict.reason.contains("kes-windows 12.9.0.384"), "{}", verdict.reason);
}

#[test]
fn a_mixed_fleet_is_planned() {
    let playbook = catalogue_support::whole();
    let linux =
        document::read(&catalogue_support::directory(Platform::Linux).join("kesl.present.deb.json")).unwrap();
    let (_, _, windows) =
        documents().into_iter().find(|(id, is, _)| id == "kes-windows" && is == "present").unwrap();
    let mut inventory = inventory::local();
    let mut second = inventory.hosts[0].clone();
    second.name = "pc01".to_owned();
    inventory.hosts.push(second);
    let settings = PlanSettings {
        id: "01940000-0000-7000-8000-000000000000".to_owned(),
        created: "2025-01-01T00:00:00Z".parse().unwrap(),
        operator: "somebody".to_owned(),
        questions: Questions::of_playbook(&playbook),
        secrets: BTreeMap::new(),
        known_hosts: Vec::new(),
        allowed: Vec::new(),
        scope: Default::default(),
    };
    let connection = |platform| PlannedConnection {
        kind: PlannedConnection::SSH.to_owned(),
        address: "localhost".to_owned(),
        port: 22,
        user: Some("root".to_owned()),
        platform,
        key: None,
        password: None,
        become_method: None,
        become_password: None,
    };
    let outcome = |facts: &'static Facts| {
        let found = findings(playbook.products.iter().map(ProductRules::from), facts);
        let verdict = observed(&found, facts);
        HostOutcome::Read {
            facts,
            findings: found,
            state: verdict.state,
            reason: verdict.reason,
            remedy: None,
        }
    };
    let (linux, windows): (&'static Facts, &'static Facts) =
        (Box::leak(Box::new(linux)), Box::leak(Box::new(windows)));
    let hosts = vec![
        HostInput { host: &inventory.hosts[0], connection: connection(None), outcome: outcome(linux) },
        HostInput {
            host: &inventory.hosts[1],
            connection: connection(Some(Platform::Windows)),
            outcome: outcome(windows),
        },
    ];
    let plan = plan::make(&playbook, settings, &inventory, hosts)
        .unwrap_or_else(|wrong| panic!("{}", wrong.render()));
    assert!(!plan.hosts[0].steps.is_empty());
    assert_eq!(plan.hosts[1].gone_after, ["kes-windows"]);
    // Of products whose questions this document does not answer, it says so.
    let told: BTreeSet<&str> = plan.hosts[1].not_planned.iter().map(|one| one.product.as_str()).collect();
    assert!(told.contains("consumer-windows") && !told.contains("kes-windows"), "{told:?}");
}
