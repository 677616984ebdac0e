//! The built-in catalogue's products for macOS against facts documents and against a root directory that
//! answers as a Mac does, and a fleet of Linux, Windows and macOS in one run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod catalogue_support;
mod facts_support;
#[path = "facts_support/mac.rs"]
mod mac;

use mac::{EXTENSIONS, Mac, SHELLS};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use uproot::detect::{ProductRules, finding, findings};
use uproot::facts::{Facts, Questions};
use uproot::model::{HostState, Platform, ProductState};
use uproot::playbook::Product;
use uproot::verify::observed;

/// What must stand among the facts by which each product is found present.
const MARKS: [(&str, &str); 6] = [
    ("kes-mac", "/Applications/Kaspersky Endpoint Security.app"),
    ("klnagent-mac", "klnagent/Binaries/klnagent"),
    ("consumer-mac", "/Applications/Kaspersky Internet Security.app"),
    ("vpn-mac", "Kaspersky VPN Secure Connection.app"),
    ("password-manager-mac", "Kaspersky Password Manager.app"),
    ("kaspersky-common-mac", "com.kaspersky.kav_app 12.1.0"),
];

fn products() -> Vec<Product> {
    catalogue_support::products(Platform::Macos)
}

fn documents() -> Vec<(String, String, Facts)> {
    catalogue_support::documents(Platform::Macos)
}

fn one(product: &str, result: &str) -> Facts {
    documents().into_iter().find(|(id, is, _)| id == product && is == result).unwrap().2
}

#[test]
fn every_document_gives_its_result() {
    catalogue_support::assert_every_document_gives_its_result(Platform::Macos);
}

#[test]
fn every_product_has_a_document_of_each_result_and_its_steps_or_why_it_has_none() {
    let documents = documents();
    for product in products() {
        catalogue_support::assert_is_documented(&product, &documents);
        match &product.report_only {
            Some(reason) => assert!(reason.contains("without a person"), "{}", product.id),
            None => assert!(!product.remove.is_empty(), "{}", product.id),
        }
        // None of them is removed with the vendor's word for its names.
        assert!(!product.confirmed, "{}", product.id);
    }
    for id in ["consumer-mac", "kaspersky-common-mac", "kes-mac", "klnagent-mac"] {
        assert!(products().iter().any(|product| product.id == id && product.report_only.is_none()), "{id}");
    }
}

#[test]
fn the_product_goes_before_the_agent_and_what_they_share_goes_last() {
    let products = products();
    let of = |id: &str| products.iter().find(|product| product.id == id).unwrap();
    assert_eq!(of("klnagent-mac").after, ["kes-mac"]);
    for other in products.iter().filter(|product| product.id != "kaspersky-common-mac") {
        assert!(of("kaspersky-common-mac").after.contains(&other.id), "{}", other.id);
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
        assert_eq!(found.version.is_some(), product.version.is_some(), "{id}");
    }
}

#[test]
fn half_an_answer_is_never_absence() {
    for product in products() {
        catalogue_support::assert_half_an_answer_is_unknown(&product, &one(&product.id, "absent"));
    }
}

#[test]
fn an_extension_that_waits_for_consent_or_a_restart_is_residue_and_never_clean() {
    let common = products().into_iter().find(|product| product.id == "kaspersky-common-mac").unwrap();
    for state in
        ["activated enabled", "activated waiting for user", "terminated waiting to uninstall on reboot"]
    {
        let mut facts = one("kaspersky-common-mac", "absent");
        let mut extension = facts.system_extensions.items[0].clone();
        extension.id = "com.vendor.renamed".to_owned();
        extension.team = "2Y8XE5CQ94".to_owned();
        extension.state = state.to_owned();
        facts.system_extensions.items.push(extension);
        let found = finding(&ProductRules::from(&common), &facts);
        assert_eq!(found.result, ProductState::Residue, "{state}");
        assert!(
            found.evidence.iter().any(|one| one.facts.iter().any(|fact| fact.contains(state))),
            "{state}"
        );
    }
}

/// The stub Mac asked everything that the catalogue asks: the globs of the catalogue are those that the
/// script's shells really walk.
#[test]
fn a_mac_is_asked_the_whole_catalogue_by_every_shell() {
    let playbook = catalogue_support::whole();
    let questions = Questions::of_playbook(&playbook);
    let mac = Mac::new();
    let results = |facts: &Facts| -> BTreeMap<String, ProductState> {
        let found = findings(playbook.products.iter().map(ProductRules::from), facts);
        found.into_iter().map(|found| (found.product, found.result)).collect()
    };
    for shell in SHELLS {
        let results = results(&mac.facts(shell, &questions));
        for (id, expected) in [
            ("kes-mac", ProductState::Present),
            ("kaspersky-common-mac", ProductState::Present),
            ("consumer-mac", ProductState::Absent),
            ("klnagent-mac", ProductState::Absent),
            ("vpn-mac", ProductState::Absent),
            ("password-manager-mac", ProductState::Absent),
        ] {
            assert_eq!(results[id], expected, "{shell} {id}");
        }
    }
    // All of it gone but the extension, which waits for the restart.
    for gone in [
        "Applications/Kaspersky Endpoint Security.app/Contents/Info.plist",
        "Library/LaunchDaemons/com.kaspersky.kav.plist",
        "Library/LaunchAgents/com.kaspersky.kav.gui.plist",
        "Library/Application Support/Kaspersky Lab/KAV/version",
        "Users/anna/Library/Preferences/com.kaspersky.kav.plist",
    ] {
        mac.remove(gone);
    }
    for gone in ["Applications/Kaspersky Endpoint Security.app", "Library/Application Support/Kaspersky Lab"]
    {
        std::fs::remove_dir_all(mac.root().join(gone)).unwrap();
    }
    for (recorded, word) in [("bin_launchctl", "kaspersky"), ("kexts", "kaspersky"), ("pkgs", "kaspersky")] {
        let path = format!("recorded/{recorded}");
        let text = std::fs::read_to_string(mac.root().join(&path)).unwrap();
        let left: Vec<&str> = text.lines().filter(|line| !line.contains(word)).collect();
        mac.write(&path, &(left.join("\n") + "\n"));
    }
    for recorded in ["names", "commands"] {
        let path = format!("recorded/{recorded}");
        let text = std::fs::read_to_string(mac.root().join(&path)).unwrap();
        let left: Vec<&str> =
            text.lines().filter(|line| !line.contains(" 512 ") && !line.starts_with("  512")).collect();
        mac.write(&path, &(left.join("\n") + "\n"));
    }
    let other = include_str!("facts/other-ca.pem");
    mac.says("usr/bin/security", other);
    let waiting = EXTENSIONS.replace("[activated enabled]", "[terminated waiting to uninstall on reboot]");
    mac.write("recorded/usr_bin_systemextensionsctl", &waiting);
    let facts = mac.facts(SHELLS[0], &questions);
    assert_eq!(results(&facts)["kaspersky-common-mac"], ProductState::Residue);
    mac.write("recorded/usr_bin_systemextensionsctl", "0 extension(s)\n");
    let facts = mac.facts(SHELLS[1], &questions);
    let found = findings(playbook.products.iter().map(ProductRules::from), &facts);
    let verdict = observed(&found, &facts);
    assert_eq!(verdict.state, HostState::Clean, "{}", verdict.reason);
}

/// A document of a host of this platform on which every product's questions were answered, with nothing
/// there.
fn clean(platform: Platform) -> Value {
    let paths = catalogue_support::files(platform);
    let absent = paths.iter().filter(|path| path.file_name().unwrap().to_str().unwrap().contains(".absent."));
    let read =
        |path: &PathBuf| -> Value { serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap() };
    absent
        .map(read)
        .reduce(|mut all, mut one| {
            for map in ["paths", "files", "registry"] {
                let maps = (all.get_mut(map), one.get_mut(map));
                if let (Some(Value::Object(all)), Some(Value::Object(one))) = maps {
                    all.append(one);
                }
            }
            all
        })
        .unwrap()
}

struct Fleet(tempfile::TempDir);

impl Fleet {
    fn host(&self, name: &str, mut facts: Value, uuid: u32) {
        facts["host"] = json!(name);
        facts["identity"] = json!({ "dmi_uuid": format!("00000000-0000-4000-8000-{uuid:012}") });
        let path = self.0.path().join(format!("facts/{name}.json"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, facts.to_string()).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_uproot"))
            .args(arguments)
            .current_dir(self.0.path())
            .env("HOME", self.0.path())
            .env("XDG_STATE_HOME", self.0.path().join("state"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

fn document_of(platform: Platform, name: &str) -> Value {
    let path = catalogue_support::directory(platform).join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_fleet_of_three_systems_is_one_playbook_one_run_and_one_report() {
    let fleet = Fleet(tempfile::tempdir().unwrap());
    fleet.host("linux01", document_of(Platform::Linux, "kesl.present.deb.json"), 1);
    fleet.host("pc01", document_of(Platform::Windows, "kes-windows.present.json"), 2);
    fleet.host("mac01", document_of(Platform::Macos, "kes-mac.present.json"), 3);
    fleet.host("mac02", clean(Platform::Macos), 4);
    let mut left = clean(Platform::Macos);
    left["system_extensions"] =
        document_of(Platform::Macos, "kaspersky-common-mac.residue.json")["system_extensions"].take();
    fleet.host("mac03", left, 5);
    let mut unread = clean(Platform::Macos);
    unread["receipts"]["gaps"] = json!([{ "reason": "`pkgutil` lists no receipt of Apple's" }]);
    fleet.host("mac04", unread, 6);
    let output = fleet.run(&["verify", "--facts", "facts", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let hosts = report["hosts"].as_array().unwrap();
    let mut told: Vec<(&str, &str)> =
        hosts.iter().map(|host| (host["host"].as_str().unwrap(), host["state"].as_str().unwrap())).collect();
    told.sort_unstable();
    let expected = [
        ("linux01", "present"),
        ("mac01", "present"),
        ("mac02", "clean"),
        ("mac03", "residue"),
        ("mac04", "unknown"),
        ("pc01", "present"),
    ];
    assert_eq!(told, expected);
    let of = |name: &str| hosts.iter().find(|host| host["host"] == name).unwrap().to_string();
    assert!(of("mac03").contains("terminated waiting to uninstall on reboot"), "{}", of("mac03"));
    assert!(of("mac04").contains("lists no receipt of Apple's"), "{}", of("mac04"));
    // A table has them side by side too.
    let table = fleet.run(&["verify", "--facts", "facts"]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    for shown in ["linux01", "pc01", "mac01", "6 hosts"] {
        assert!(table.contains(shown), "{table}");
    }
}
