//! What an operator is told on real hosts, and that it is true: remedies that work when they are copied,
//! plans that can be applied from elsewhere, waves that are known to stop.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod lab;

use lab::{Host, Lab, Sudo};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn remedy(report: &Value, name: &str) -> String {
    let hosts = report["hosts"].as_array().unwrap();
    let host = hosts.iter().find(|host| host["host"] == name).unwrap_or_else(|| panic!("{report:#}"));
    host["remedy"].as_str().unwrap_or_else(|| panic!("{report:#}")).to_owned()
}

#[test]
fn the_remedy_of_an_unknown_key_works_when_it_is_copied() {
    let lab = Lab::new();
    let web = lab.host("web01").unknown_host_key().start();
    let (inventory, known) = (text(&lab.inventory_file([&web])), text(&lab.known_hosts()));
    let arguments = ["identify", "-i", &inventory, "--known-hosts", &known, "--become", "--format", "json"];
    let report = lab.uproot(&arguments).expect_code(3).json();
    let copied = remedy(&report, "web01");
    assert!(Command::new("sh").args(["-c", &copied]).status().unwrap().success(), "{copied}");
    lab.uproot(&arguments).expect_code(0);
}

#[test]
fn the_remedy_of_a_missing_password_works_when_it_is_copied() {
    let lab = Lab::new();
    let asks = lab.host("asks").sudo(Sudo::Password).start();
    let without = lab.host("without").sudo(Sudo::Absent).start();
    let (inventory, known) = (text(&lab.inventory_file([&asks, &without])), text(&lab.known_hosts()));
    let arguments = ["identify", "-i", &inventory, "--known-hosts", &known, "--become", "--format", "json"];
    let report = lab.uproot(&arguments).expect_code(3).json();
    let copied = remedy(&report, "asks");
    let words: Vec<&str> = copied.split(' ').skip(1).collect();
    lab.uproot_with(&words, &[("UPROOT_BECOME_PASSWORD", lab::PASSWORD)], b"").expect_code(0);
    let copied = remedy(&report, "without");
    assert!(copied.contains("--limit without") && copied.ends_with("-u root"), "{copied}");

    let out = text(&lab.dir().join("plan.json"));
    let plan = ["plan", "-i", &inventory, "--known-hosts", &known, "--become", "--out", &out];
    let shown = lab.uproot(&plan).expect_code(3).stdout;
    assert!(shown.contains("THIS WAVE WILL STOP: 2 hosts are unknown (asks, without)"), "{shown}");
}

#[test]
fn a_plan_means_the_same_files_in_another_directory() {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    web.install_kesl("12.1.0-1543");
    let inventory = text(&lab.inventory_file([&web]));
    let (key, known, file) = (lab.key(), lab.known_hosts(), lab.dir().join("plan.json"));
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let (key_name, known_name) = (name(&key), name(&known));
    let plan = [
        "plan",
        "-i",
        &inventory,
        "--key",
        &key_name,
        "--known-hosts",
        &known_name,
        "--become",
        "--out",
        "plan.json",
    ];
    lab.uproot(&plan).expect_code(0);
    let plan: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(plan["hosts"][0]["connection"]["key"], text(&key));
    assert_eq!(plan["known_hosts"][0], text(&known));
    lab.uproot(&["apply", "plan.json"]).expect_code(0);
}

#[test]
fn a_result_that_could_not_be_written_contacts_nobody() {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    let (inventory, known) = (text(&lab.inventory_file([&web])), text(&lab.known_hosts()));
    for wrong in [["-o", "no/such/report"], ["--runs", "/proc/uproot"]] {
        let arguments = ["identify", "-i", &inventory, "--known-hosts", &known, wrong[0], wrong[1]];
        let output = lab.uproot(&arguments).expect_code(2);
        assert!(output.stderr.contains("help: "), "{output}");
    }
    // The lab itself looks whether the host is up, but does not log in.
    assert!(!web.log().contains("Accepted"), "the host was contacted: {}", web.log());
}

#[test]
fn a_wrong_sudo_password_is_not_tried_on_every_host() {
    let lab = Lab::new();
    let hosts: Vec<Host> =
        (1..=5).map(|n| lab.host(&format!("web0{n}")).sudo(Sudo::Password).start()).collect();
    let inventory = lab.inventory_file(&hosts);
    let known = lab.known_hosts();
    let arguments = [
        "identify",
        "-i",
        inventory.to_str().unwrap(),
        "--known-hosts",
        known.to_str().unwrap(),
        "--become",
        "--ask-become-pass",
        "--parallel",
        "1",
        "--format",
        "json",
    ];
    let report =
        lab.uproot_with(&arguments, &[("UPROOT_BECOME_PASSWORD", "not that one")], b"").expect_code(3).json();
    let told: Vec<String> =
        report["hosts"].as_array().unwrap().iter().map(|host| host["reason"].to_string()).collect();
    let tried = told.iter().filter(|reason| reason.contains("did not accept the password")).count();
    let spared = told.iter().filter(|reason| reason.contains("it was not offered to this one")).count();
    assert_eq!((tried, spared), (3, 2), "{told:#?}");
}
