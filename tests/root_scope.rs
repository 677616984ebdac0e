//! Waivers on a real host: what they allow stays, what counts goes, and one that ran out since the plan was
//! made is told and removes nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod lab;

use lab::{Host, Lab, Uninstaller, scripted_entry};
use serde_json::Value;
use std::path::PathBuf;

const LAST_DAY: &str = "2999-12-31";

/// Two products on one host; `stays` is waived.
fn planned(lab: &Lab, host: &Host) -> PathBuf {
    for name in ["goes", "stays"] {
        host.install_scripted(name, &Uninstaller::Takes(0.0, 0));
    }
    let entries: String = ["goes", "stays"].iter().map(|name| scripted_entry(name, "5s", "")).collect();
    let waves = "waves: [{ name: all, hosts: all, max_failures: 1 }]\n";
    let playbook = lab.write("playbook.yml", &format!("uproot: 1\nproducts:\n{entries}{waves}"));
    let waivers = format!(
        "uproot_waivers: 1\nwaivers:\n  - {{ hosts: web01, product: stays, reason: the new one comes later, ticket: CHG-1, until: {LAST_DAY} }}\n"
    );
    let waivers = lab.write("waivers.yml", &waivers);
    let (inventory, known, out) =
        (lab.inventory_file([host]), lab.known_hosts(), lab.dir().join("plan.json"));
    let [inventory, known, playbook, waivers, file] =
        [&inventory, &known, &playbook, &waivers, &out].map(|path| path.to_str().unwrap());
    let connect = ["-i", inventory, "--known-hosts", known, "--become", "--playbook", playbook];
    let words = [&["plan", "--out", file, "--waivers", waivers][..], &connect].concat();
    let shown = lab.uproot(&words).expect_code(0);
    assert!(shown.stdout.contains("stays: waived until 2999-12-31 by CHG-1"), "{shown}");
    assert!(!shown.stdout.contains("/opt/stays/uninstall"), "{shown}");
    out
}

fn ended(report: &Value) -> (&str, &str) {
    let host = &report["hosts"][0];
    (host["state"].as_str().unwrap(), host["reason"].as_str().unwrap())
}

fn is_there(host: &Host, name: &str) -> bool {
    host.exec_root(&format!("test -e /opt/{name}/installed")).status == 0
}

#[test]
fn what_is_waived_stays_and_the_rest_goes() {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    let plan = planned(&lab, &web);
    let plan = plan.to_str().unwrap();
    let applied = lab.uproot(&["apply", plan, "--format", "json"]).expect_code(0).json();
    let (state, reason) = ended(&applied);
    assert_eq!(state, "exempt", "{applied:#}");
    assert_eq!(reason, "removed: goes; waived until 2999-12-31 by CHG-1: stays");
    assert!(is_there(&web, "stays") && !is_there(&web, "goes"));

    let again = lab.uproot(&["apply", plan, "--format", "json"]).expect_code(0).json();
    let (state, reason) = ended(&again);
    assert_eq!(state, "exempt", "{again:#}");
    assert!(reason.starts_with("already as planned, nothing was run; waived until"), "{reason}");
    lab.uproot(&["journal", "verify", "last"]).expect_code(0);
    let table = lab.uproot(&["report", "last"]).expect_code(0);
    assert!(table.stdout.contains("stays (waived until"), "{table}");
}

#[test]
fn a_waiver_that_ran_out_since_the_plan_removes_nothing_that_was_not_planned() {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    let plan = planned(&lab, &web);
    // As if it were read many years later.
    let text = std::fs::read_to_string(&plan).unwrap();
    std::fs::write(&plan, text.replace(LAST_DAY, "2020-12-31")).unwrap();
    let applied = lab.uproot(&["apply", plan.to_str().unwrap(), "--format", "json"]).expect_code(1);
    let report = applied.json();
    let (state, reason) = ended(&report);
    assert_eq!(state, "present", "{report:#}");
    assert!(reason.contains("waiver CHG-1 expired after 2020-12-31: stays"), "{reason}");
    assert!(reason.contains("not in the plan: stays"), "{reason}");
    assert!(is_there(&web, "stays") && !is_there(&web, "goes"));
    assert!(applied.stderr.contains("warning: waiver CHG-1"), "{applied}");
}

#[test]
fn another_companys_product_stays_and_is_told_without_any_scope() {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    for name in ["goes", "stays"] {
        web.install_scripted(name, &Uninstaller::Takes(0.0, 0));
    }
    let stays =
        scripted_entry("stays", "5s", "").replacen("    platforms", "    class: successor\n    platforms", 1);
    let entries = scripted_entry("goes", "5s", "") + &stays;
    let waves = "waves: [{ name: all, hosts: all, max_failures: 1 }]\n";
    let playbook = lab.write("playbook.yml", &format!("uproot: 1\nproducts:\n{entries}{waves}"));
    let (inventory, known, plan) =
        (lab.inventory_file([&web]), lab.known_hosts(), lab.dir().join("plan.json"));
    let [inventory, known, playbook, plan] =
        [&inventory, &known, &playbook, &plan].map(|path| path.to_str().unwrap());
    let connect = ["-i", inventory, "--known-hosts", known, "--become", "--playbook", playbook];
    lab.uproot(&[&["plan", "--out", plan][..], &connect].concat()).expect_code(0);
    let applied = lab.uproot(&["apply", plan, "--format", "json"]).expect_code(0).json();
    let (state, reason) = ended(&applied);
    assert_eq!(state, "exempt", "{applied:#}");
    assert!(reason.starts_with("removed: goes; out of scope: stays"), "{reason}");
    assert!(is_there(&web, "stays") && !is_there(&web, "goes"));
}
