//! The whole job by the real binary on hosts that are dressed as Macs: identify, plan, apply, verify. They are Linux hosts
//! of the lab in which stand-ins for macOS's tools stand where a Mac has them; what that proves and what not is in
//! docs/macos.md.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod lab;
mod living_mac;

use lab::{Host, Lab, Output};
use living_mac::{ACTIVE, MacFile, WAITS_FOR_REBOOT};
use serde_json::Value;
use std::path::Path;
use uproot::model::output::single_quoted;

/// Dresses a host as a Mac with Endpoint Security, whose extension is in this state once its uninstaller has run.
fn dress(host: &Host, after: Option<&str>) {
    // A Mac's `ls` says what is not there in the words of busybox's, not of GNU's.
    let mut script = String::from(
        "set -e\nmkdir -p /var/db\nrm /bin/ls\nprintf '#!/bin/sh\\nexec busybox ls \"$@\"\\n' >/bin/ls\nchmod 755 /bin/ls\n",
    );
    for MacFile { path, mut text, runs } in living_mac::tools().into_iter().chain(living_mac::product(after))
    {
        // Which machine it is.
        text = text.replace("8A1B2C3D-4E5F-5A6B", &format!("8A1B2C3D-4E5F-{:04X}", host.port()));
        let (directory, mode) = (path.rsplit_once('/').unwrap().0, if runs { "755" } else { "644" });
        let (path, directory) = (single_quoted(&path), single_quoted(directory));
        script.push_str(&format!(
            "mkdir -p {directory}\nrm -f {path}\nprintf '%s' {} >{path}\nchmod {mode} {path}\n",
            single_quoted(&text)
        ));
    }
    host.exec_root(&script).success();
}

/// A verb on these hosts.
fn uproot(lab: &Lab, inventory: &Path, verb: &[&str]) -> Output {
    let known = lab.known_hosts();
    let options = ["-i", inventory.to_str().unwrap(), "--known-hosts", known.to_str().unwrap(), "--become"];
    lab.uproot(&[verb, &options[..]].concat())
}

fn host<'a>(report: &'a Value, name: &str) -> &'a Value {
    let hosts = report["hosts"].as_array().unwrap();
    hosts.iter().find(|host| host["host"] == name).unwrap_or_else(|| panic!("{report:#}"))
}

fn nothing_of_uproot_is_left(host: &Host) {
    assert_eq!(host.exec_root("ls -A /var/db").success(), "", "{}", host.name());
}

#[test]
fn what_the_extension_does_decides_how_each_mac_ends() {
    let lab = Lab::new();
    let cases = [
        ("mac01", None, "removed"),
        ("mac02", Some(WAITS_FOR_REBOOT), "removed-reboot-pending"),
        ("mac03", Some(ACTIVE), "residue"),
    ];
    let hosts = lab.start_all(cases.iter().map(|(name, ..)| lab.host(name)).collect());
    for (mac, (_, after, _)) in hosts.iter().zip(&cases) {
        dress(mac, *after);
    }
    let inventory = lab.inventory_file(&hosts);
    let seen = uproot(&lab, &inventory, &["identify", "--format", "json"]).expect_code(1).json();
    for (name, ..) in cases {
        assert_eq!(host(&seen, name)["state"], "present", "{seen:#}");
        assert!(host(&seen, name).to_string().contains("kes-mac"), "{seen:#}");
    }
    let plan = lab.dir().join("plan.json");
    let plan = plan.to_str().unwrap();
    let shown = uproot(&lab, &inventory, &["plan", "--out", plan]).expect_code(0);
    for word in ["UninstallScript", "launchctl bootout system/com.kaspersky.kav", "pkgutil --forget"] {
        assert!(shown.stdout.contains(word), "{word}: {shown}");
    }
    let applied = lab.uproot(&["apply", plan, "--format", "json"]).json();
    for (mac, (name, _, state)) in hosts.iter().zip(&cases) {
        assert_eq!(host(&applied, name)["state"], *state, "{applied:#}");
        nothing_of_uproot_is_left(mac);
        let calls = mac.exec_root("cat /recorded/calls").success();
        assert_eq!(calls.matches("uninstalled").count(), 1, "{name}: {calls}");
    }
    let residue = host(&applied, "mac03").to_string();
    assert!(residue.contains("still active: com.kaspersky.kav.sysext"), "{residue}");
    assert!(residue.contains("RemovableSystemExtensions"), "{residue}");
    // Looked at again, each is what it was; the reboot that is still to come is remembered.
    let again = uproot(&lab, &inventory, &["verify", "--format", "json"]).expect_code(1).json();
    let states = cases.map(|(name, ..)| host(&again, name)["state"].as_str().unwrap().to_owned());
    assert_eq!(states, ["clean", "removed-reboot-pending", "residue"], "{again:#}");
}

#[test]
fn a_reboot_is_made_where_the_policy_lets_it_and_the_extension_needs_it() {
    let lab = Lab::new();
    let mac = lab.host("mac01").start();
    dress(&mac, Some(WAITS_FOR_REBOOT));
    let inventory = lab.inventory_file([&mac]);
    let catalogue = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/kaspersky");
    for file in ["endpoint.yml", "other.yml", "consumer.yml"] {
        let text = std::fs::read_to_string(catalogue.join("macos").join(file)).unwrap();
        let _ = lab.write(file, &text);
    }
    let site = "uproot: 1\nname: site\ninclude: [endpoint.yml, consumer.yml, other.yml]\npolicy: { reboot: if-needed }\n";
    let site = lab.write("site.yml", site);
    let plan = lab.dir().join("plan.json");
    let plan = plan.to_str().unwrap();
    uproot(&lab, &inventory, &["plan", "--playbook", site.to_str().unwrap(), "--out", plan]).expect_code(0);
    let applied = lab.uproot(&["apply", plan, "--format", "json"]).expect_code(0).json();
    assert_eq!(host(&applied, "mac01")["state"], "removed", "{applied:#}");
    assert_eq!(mac.records().count("shutdown -r now"), 1);
    nothing_of_uproot_is_left(&mac);
}
