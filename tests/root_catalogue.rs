//! The built-in catalogue on real hosts: what it finds of Endpoint Security and the Network Agent in
//! each state of theirs, and that it finds nothing else. With `UPROOT_RECORD=DIR` the facts on which
//! that rests are written there, trimmed, as the documents of `playbooks/tests/linux`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod lab;

use lab::{Host, Lab, Manager, VendorPackage};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use uproot::detect::{ProductRules, finding};
use uproot::facts::{Facts, Listing, Questions, Topic, document};
use uproot::model::ProductState;
use uproot::playbook::{Playbook, Product, read_catalogue};

/// The products whose documents are recorded, with the words by which their own items are known.
const RECORDED: [&str; 2] = ["kesl", "klnagent-linux"];

fn catalogue() -> Playbook {
    read_catalogue().unwrap_or_else(|wrong| panic!("{wrong}")).playbook
}

fn identify(lab: &Lab, hosts: &[&Host], become_root: bool, save: &Path) -> Value {
    let inventory = lab.inventory_file(hosts.iter().copied());
    let known = lab.known_hosts();
    let mut arguments = vec![
        "identify",
        "--format",
        "json",
        "-i",
        inventory.to_str().unwrap(),
        "--known-hosts",
        known.to_str().unwrap(),
        "--save-facts",
        save.to_str().unwrap(),
    ];
    if become_root {
        arguments.push("--become");
    }
    lab.uproot(&arguments).json()
}

/// Each product's result on a host as the report has it; a product that is not listed is absent.
fn results(report: &Value, host: &str) -> BTreeMap<String, String> {
    let hosts = report["hosts"].as_array().unwrap();
    let host = hosts.iter().find(|one| one["host"] == host).unwrap_or_else(|| panic!("{report:#}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = host["findings"].as_array().unwrap();
    findings
        .iter()
        .filter(|finding| finding["result"] != "absent")
        .map(|finding| (text(&finding["product"]), text(&finding["result"])))
        .collect()
}

fn both(result: &str) -> BTreeMap<String, String> {
    RECORDED.iter().map(|product| ((*product).to_owned(), result.to_owned())).collect()
}

#[test]
fn each_state_is_told_and_nothing_else_is_found() {
    let lab = Lab::new();
    let install = |host: &Host| {
        host.install_kesl("12.1.0-1543");
        host.install(&VendorPackage::new("kesl-gui", "12.1.0-1543"));
        host.install(&VendorPackage::new("klnagent64", "15.0.0-12912"));
    };
    let clean = lab.host("clean").start();
    let clean_rpm = lab.host("clean-rpm").packages(Manager::Rpm).start();
    let deb = lab.host("deb").start();
    let rpm = lab.host("rpm").packages(Manager::Rpm).start();
    let removed = lab.host("removed").start();
    let purged = lab.host("purged").start();
    [&deb, &rpm, &removed, &purged].into_iter().for_each(install);
    removed.exec_root("dpkg -r kesl-gui kesl klnagent64").success();
    purged.exec_root("dpkg -P kesl-gui kesl klnagent64").success();
    let no_query = lab.host("no-query").without_tool("dpkg-query").start();

    let save = lab.dir().join("facts");
    let hosts = [&clean, &clean_rpm, &deb, &rpm, &removed, &purged, &no_query];
    let report = identify(&lab, &hosts, true, &save);
    for (host, expected) in [
        ("clean", BTreeMap::new()),
        ("clean-rpm", BTreeMap::new()),
        ("deb", both("present")),
        ("rpm", both("present")),
        ("removed", both("residue")),
        ("purged", both("residue")),
    ] {
        assert_eq!(results(&report, host), expected, "{host}: {report:#}");
    }
    let unread = results(&report, "no-query");
    assert!(RECORDED.iter().all(|product| unread[*product] == "unknown"), "{unread:?}");
    assert!(!unread.values().any(|result| result == "present"), "{unread:?}");

    let without = lab.dir().join("facts-without-root");
    let report = identify(&lab, &[&clean], false, &without);
    let unread = results(&report, "clean");
    assert!(RECORDED.iter().all(|product| unread[*product] == "unknown"), "{unread:?}");

    let documents = [
        (save.join("clean.json"), "absent", "deb"),
        (save.join("clean-rpm.json"), "absent", "rpm"),
        (save.join("deb.json"), "present", "deb"),
        (save.join("rpm.json"), "present", "rpm"),
        (save.join("removed.json"), "residue", "removed"),
        (save.join("purged.json"), "residue", "purged"),
        (save.join("no-query.json"), "unknown", "no-dpkg-query"),
        (without.join("clean.json"), "unknown", "without-root"),
    ];
    let record = std::env::var_os("UPROOT_RECORD");
    let playbook = catalogue();
    for (path, result, note) in documents {
        let facts = document::read(&path).unwrap();
        assert_eq!(facts.provenance, "recorded");
        for id in RECORDED {
            let product = playbook.product(id).unwrap();
            let trimmed = trim(&facts, product, &playbook);
            let told = |facts: &Facts| finding(&ProductRules::from(product), facts);
            assert_eq!(told(&facts).result.word(), result, "{id} {note}");
            assert_eq!(told(&facts).evidence, told(&trimmed).evidence, "trimming left it alone: {id} {note}");
            assert_eq!(told(&facts).result == ProductState::Absent, told(&facts).evidence.is_empty());
            if let Some(directory) = &record {
                let file = Path::new(directory).join(format!("{id}.{result}.{note}.json"));
                std::fs::write(file, document::to_json(&trimmed)).unwrap();
            }
        }
    }
}

/// Plans and applies the catalogue on one host; the report.
fn remove(lab: &Lab, host: &Host) -> Value {
    let inventory = lab.inventory_file([host]);
    let (known, plan) = (lab.known_hosts(), lab.dir().join(format!("{}.plan.json", host.name())));
    let plan = plan.to_str().unwrap();
    let connect = ["-i", inventory.to_str().unwrap(), "--known-hosts", known.to_str().unwrap(), "--become"];
    let make: Vec<&str> = ["plan", "--out", plan].into_iter().chain(connect).collect();
    lab.uproot(&make).expect_code(0);
    lab.uproot(&["apply", plan, "--format", "json"]).json()["hosts"][0].clone()
}

#[test]
fn a_name_that_others_bear_is_removed_only_beside_the_products_own_programs() {
    let lab = Lab::new();
    let package = VendorPackage::new("kics", "2.0.0-1032");
    let vendors = lab.host("vendors").start();
    vendors.install(&package);
    let report = remove(&lab, &vendors);
    assert_eq!(report["state"], "removed", "{report:#}");
    assert_ne!(vendors.exec_root("dpkg-query -W kics").status, 0);
    assert_ne!(vendors.exec_root("ls -d /opt/kaspersky/kics /var/opt/kaspersky/kics").status, 0);

    // The product's data was left behind, and a package of its name is another's.
    let others = lab.host("others").start();
    let other = VendorPackage { daemon: None, data: "/var/lib/kics".to_owned(), ..package };
    others.install(&other);
    others.exec_root("rm -r /opt/kaspersky/kics; mkdir -p /var/opt/kaspersky/kics").success();
    let report = remove(&lab, &others);
    assert_eq!(report["state"], "blocked", "{report:#}");
    assert!(report.to_string().contains("see whose it is"), "{report:#}");
    others.exec_root("dpkg-query -W kics").success();
}

/// The document with this product's own questions, a few of the host's other items, and neither
/// names, addresses nor identities of a machine. What is taken out can match no rule of the product.
fn trim(facts: &Facts, product: &Product, playbook: &Playbook) -> Facts {
    let mut alone = playbook.clone();
    alone.products = vec![product.clone()];
    let asked = Questions::of_playbook(&alone);
    let mut facts = facts.clone();
    facts.host = "web01".to_owned();
    facts.os.hostname = "web01".to_owned();
    facts.os.kernel_release = "6.1.0-18-amd64".to_owned();
    facts.at = "2025-01-01T00:00:00Z".parse().unwrap();
    facts.identity.host_key =
        facts.identity.host_key.map(|_| "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned());
    facts.identity.machine_id =
        facts.identity.machine_id.map(|_| "00000000000000000000000000000001".to_owned());
    facts.identity.dmi_uuid =
        facts.identity.dmi_uuid.map(|_| "00000000-0000-0000-0000-000000000001".to_owned());
    facts.boot = uproot::model::BootIdentity::default();
    facts.mounts.items.retain(|mount| mount == "/");
    few(&mut facts.packages, |package| &package.name);
    few(&mut facts.services, |service| &service.name);
    few(&mut facts.users, |user| &user.name);
    few(&mut facts.groups, |group| &group.name);
    // Those whose executable could not be read are why a product is unknown.
    let (ours, mut others): (Vec<_>, Vec<_>) =
        facts.processes.items.drain(..).partition(|one| one.exe.as_ref().is_some_and(|exe| is_own(exe)));
    others.truncate(4);
    facts.processes.items = ours.into_iter().chain(others).collect();
    facts.processes.items.sort_by_key(|process| process.pid);
    facts.paths.retain(|path, _| asked.paths.contains(path));
    facts.files.retain(|path, _| asked.files.contains_key(path));
    forget(&mut facts.packages, asked.topics.contains(&Topic::Packages));
    forget(&mut facts.services, asked.topics.contains(&Topic::Services));
    forget(&mut facts.processes, asked.topics.contains(&Topic::Processes));
    forget(&mut facts.kernel_modules, asked.topics.contains(&Topic::KernelModules));
    forget(&mut facts.certificates, asked.topics.contains(&Topic::Certificates));
    forget(&mut facts.users, asked.topics.contains(&Topic::Users));
    forget(&mut facts.groups, asked.topics.contains(&Topic::Groups));
    forget(&mut facts.ports, asked.topics.contains(&Topic::Ports));
    forget(&mut facts.scheduled_tasks, asked.topics.contains(&Topic::ScheduledTasks));
    facts
}

fn is_own(text: &str) -> bool {
    ["kaspersky", "kesl", "klnagent"].iter().any(|word| text.contains(word))
}

/// Keeps the products' own items and three others.
fn few<T>(listing: &mut Listing<T>, name: impl Fn(&T) -> &String) {
    let mut others = 0;
    listing.items.retain(|item| {
        let own = is_own(name(item));
        others += usize::from(!own);
        own || others <= 3
    });
}

fn forget<T>(listing: &mut Listing<T>, asked: bool) {
    if !asked {
        *listing = Listing::default();
    }
}
