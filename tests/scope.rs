//! Scope profiles and waivers through the command line, on saved facts: no host is asked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};

/// Products that are one package each.
const PLAYBOOK: &str = "uproot: 1
products:
  - id: kesl
    name: Endpoint
    platforms: [linux]
    confirmed: false
    detect: { package: kesl }
    report_only: an example
  - id: ksc
    name: Server
    platforms: [linux]
    confirmed: false
    detect: { package: ksc64 }
    report_only: an example
  - id: engine
    name: Engine
    class: embedded
    platforms: [linux]
    confirmed: false
    detect: { package: oem-engine }
    report_only: an example
";

const BOTH: &[&str] = &["--scope", "bod-17-01", "--waivers", "waivers.yml"];

/// A directory with a playbook and facts of hosts.
struct Place(tempfile::TempDir);

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}", self.out))
    }
}

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("playbook.yml", PLAYBOOK);
        place
    }

    /// A place with hosts, each with its packages.
    fn with(hosts: &[(&str, &[&str])]) -> Self {
        let place = Self::new();
        for (name, packages) in hosts {
            place.host(name, packages, false);
        }
        place
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A recorded host with only these packages; with `gap` nobody knows whether there are more.
    fn host(&self, name: &str, packages: &[&str], gap: bool) {
        let recorded =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/tests/linux/kesl.absent.deb.json");
        let mut facts: Value = serde_json::from_str(&std::fs::read_to_string(recorded).unwrap()).unwrap();
        facts["host"] = json!(name);
        let package = |name: &str| {
            let status = "install ok installed";
            json!({ "manager": "dpkg", "name": name, "version": "1.0", "arch": "amd64", "status": status })
        };
        let all = ["base-files"].iter().chain(packages).map(|name| package(name)).collect::<Vec<_>>();
        facts["packages"] = json!({ "items": all });
        if gap {
            facts["packages"]["gaps"] = json!([{ "reason": "the package database is damaged" }]);
        }
        self.write(&format!("facts/{name}.json"), &facts.to_string());
    }

    fn waivers(&self, list: &[(&str, &str, &str)]) {
        let mut text = "uproot_waivers: 1\nwaivers:\n".to_owned();
        for (hosts, product, until) in list {
            text.push_str(&format!(
                "  - {{ hosts: \"{hosts}\", product: \"{product}\", reason: a reason, ticket: CHG-{product}, until: {until} }}\n"
            ));
        }
        self.write("waivers.yml", &text);
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_uproot"))
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("SSH_AUTH_SOCK")
            .env("HOME", self.0.path())
            .env("XDG_STATE_HOME", self.0.path().join("state"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// `verify` on the facts.
    fn verify(&self, options: &[&str]) -> Ran {
        self.run(&[&["verify", "--facts", "facts", "--playbook", "playbook.yml"], options].concat())
    }
}

fn host<'r>(report: &'r Value, name: &str) -> &'r Value {
    report["hosts"].as_array().unwrap().iter().find(|host| host["host"] == name).unwrap()
}

const FUTURE: &str = "2999-12-31";
const PAST: &str = "2020-01-31";

#[test]
fn what_is_waived_or_out_of_scope_passes_and_is_listed() {
    let place = Place::with(&[("db01", &["kesl"]), ("mail01", &["oem-engine"]), ("web01", &[])]);
    place.waivers(&[("db*", "kesl", FUTURE)]);
    place.verify(&[]).exits(1);
    let some = place.verify(&["--waivers", "waivers.yml"]).exits(1);
    assert_eq!(some.err, "", "nothing is to be warned of");
    place.verify(&["--scope", "bod-17-01"]).exits(1);
    let report = place.verify(&[BOTH, &["--format", "json"]].concat()).exits(0).json();
    assert_eq!(report["summary"], json!({ "exempt": 2, "clean": 1 }));
    assert_eq!(host(&report, "db01")["state"], "exempt");
    assert_eq!(host(&report, "db01")["reason"], "waived until 2999-12-31 by CHG-kesl: kesl");
    assert_eq!(host(&report, "mail01")["reason"], "out of scope: engine");
    assert_eq!(host(&report, "web01")["state"], "clean");
    let table = place.verify(BOTH).exits(0).out.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "kesl (waived until",
        "engine (out of scope)",
        "3 hosts: 2 exempt, 1 clean",
        "scope: bod-17-01",
        "waivers: waivers.yml (1 waiver,",
        "Findings with a flag: 1 out of scope, 1 waived.",
    ] {
        assert!(table.contains(words), "`{words}` is missing:\n{table}");
    }
    assert!(!table.contains("Every host is free"), "{table}");
    // A directive without that exclusion counts the engine.
    place.verify(&["--scope", "far-52-204-23", "--waivers", "waivers.yml"]).exits(1);
}

#[test]
fn an_expired_waiver_fails_and_says_when() {
    let place = Place::with(&[("db01", &["kesl"])]);
    place.waivers(&[("db01", "kesl", PAST)]);
    let ran = place.verify(&["--waivers", "waivers.yml", "--format", "json"]).exits(1);
    let reason = host(&ran.json(), "db01")["reason"].to_string();
    assert!(reason.contains("waiver CHG-kesl expired after 2020-01-31: kesl"), "{reason}");
    assert!(
        ran.err.starts_with("warning: waiver CHG-kesl of waivers.yml (kesl on db01) expired"),
        "{}",
        ran.err
    );
    assert!(ran.json()["notes"].to_string().contains("expired after 2020-01-31"), "{}", ran.out);
    // Another one that is in force wins, whatever their order.
    place.waivers(&[("db01", "kesl", PAST), ("all", "k*", FUTURE)]);
    place.verify(&["--waivers", "waivers.yml"]).exits(0);
}

#[test]
fn unused_waivers_are_warned_of_and_change_nothing() {
    let place = Place::with(&[("web01", &[])]);
    place.waivers(&[("web01", "kesl", FUTURE)]);
    let ran = place.verify(&["--waivers", "waivers.yml"]).exits(0);
    assert!(ran.err.contains("was not used: nothing that `kesl` means is on those hosts"), "{}", ran.err);
    assert!(ran.out.contains("1 host: 1 clean"), "an absent product makes no host exempt: {}", ran.out);
}

#[test]
fn a_host_with_more_than_what_is_waived_fails_and_lists_both() {
    let place = Place::with(&[("db01", &["kesl", "ksc64"])]);
    place.host("db02", &["kesl"], true);
    place.waivers(&[("all", "kesl", FUTURE)]);
    let report = place.verify(&["--waivers", "waivers.yml", "--format", "json"]).exits(1).json();
    assert_eq!(host(&report, "db01")["reason"], "installed: ksc; waived until 2999-12-31 by CHG-kesl: kesl");
    assert_eq!(host(&report, "db02")["state"], "unknown", "what could not be read is not waived");
    let reason = host(&report, "db02")["reason"].to_string();
    assert!(reason.contains("damaged") && reason.contains("waived until"), "{reason}");
}

#[test]
fn a_waiver_that_asks_for_groups_does_not_hold_where_they_are_not_known() {
    let place = Place::with(&[("db01", &["kesl"])]);
    for hosts in ["db", "all:!canary", "db01:&linux"] {
        place.waivers(&[(hosts, "kesl", FUTURE)]);
        let ran = place.verify(&["--waivers", "waivers.yml"]).exits(1);
        assert!(ran.err.contains("its groups are not known"), "{hosts}: {}", ran.err);
    }
}

#[test]
fn wrong_files_are_refused_before_anything_is_contacted() {
    let place = Place::with(&[("db01", &[])]);
    place.write("bad.yml", "uproot_waivers: 1\nwaivers:\n  - { hosts: all, product: kesl, tiket: A }\n");
    place.write("profile.yml", "uproot_scope: 1\nid: mine\nname: Mine\nout: []\n");
    place.waivers(&[("all", "kesl", FUTURE)]);
    let refused = |options: &[&str], words: &[&str]| {
        for verb in ["identify", "verify", "plan"] {
            let ran = place.run(&[&[verb, "-i", "127.0.0.1,", "-p", "1"], options].concat()).exits(2);
            for word in words {
                assert!(ran.err.contains(word), "{options:?} does not say `{word}`: {}", ran.err);
            }
            assert!(ran.err.contains("help: "), "{}", ran.err);
        }
        assert!(!place.0.path().join("state/uproot/runs").exists(), "{options:?} began a run");
    };
    refused(&["--waivers", "bad.yml"], &["bad.yml:3:5", "has no `until`", "did you mean `ticket`?"]);
    refused(&["--waivers", "nofile.yml"], &["nofile.yml", "cannot be read"]);
    refused(&["--waivers", "profile.yml"], &["is a scope profile", "--scope FILE"]);
    refused(&["--scope", "waivers.yml"], &["is a list of waivers", "--waivers FILE"]);
    refused(&["--scope", "bod-17-1"], &["did you mean `bod-17-01`?"]);
    refused(&["--scope", "no/such.yml"], &["no/such.yml"]);
    let ran = place.run(&["report", "last", "--scope", "bod"]).exits(2);
    assert!(ran.err.contains("help: "), "{}", ran.err);
}

#[test]
fn a_profile_of_ones_own_leaves_out_by_id() {
    let place = Place::with(&[("srv01", &["ksc64"])]);
    let profile = "uproot_scope: 1\nid: clients\nname: Clients\nout:\n  - { product: ksc*, reason: servers go later }\n";
    place.write("clients.yml", profile);
    let report = place.verify(&["--scope", "clients.yml", "--format", "json"]).exits(0).json();
    assert_eq!(host(&report, "srv01")["reason"], "out of scope: ksc");
}

#[test]
fn profiles_are_listed_and_shown_with_their_sources() {
    let place = Place::new();
    let list = place.run(&["scope", "list"]).exits(0).out;
    for id in uproot::scope::built_in_names() {
        assert!(list.lines().any(|line| line.split(' ').next() == Some(id)), "{list}");
        let shown = place.run(&["scope", "show", id]).exits(0).out;
        assert!(shown.contains(&format!("({id})")) && shown.contains("https://"), "{shown}");
    }
    let bod = place.run(&["scope", "show", "bod-17-01"]).exits(0).out;
    assert!(bod.contains("class `embedded`: ") && bod.contains("class `training`: "), "{bod}");
    let ndaa = place.run(&["scope", "show", "ndaa-1634"]).exits(0).out;
    assert!(ndaa.contains("everything counts"), "{ndaa}");
    let pspf = place.run(&["scope", "show", "pspf-002-2025"]).exits(0).out;
    assert!(pspf.contains("Not confirmed"), "{pspf}");
    let error = place.run(&["scope", "show", "nosuch"]).exits(2).err;
    assert!(error.contains("bod-17-01"), "{error}");
}

#[test]
fn check_tells_every_mistake_of_every_file() {
    let place = Place::new();
    place.waivers(&[("all", "kels", FUTURE), ("all", "kesl", PAST)]);
    place.write("bad1.yml", "uproot_waivers: 1\n");
    place.write("bad2.yml", "uproot_scope: 1\nid: x\nname: X\nout: [{ class: nosuch, reason: r }]\n");
    let good = place.run(&["scope", "check", "waivers.yml", "--playbook", "playbook.yml"]).exits(0);
    assert_eq!(good.out, "waivers.yml: 2 waiver(s), no errors, 2 warning(s)\n");
    assert!(
        good.err.contains("no product of the playbook is called `kels`: did you mean `kesl`?"),
        "{}",
        good.err
    );
    assert!(good.err.contains("expired after 2020-01-31"), "{}", good.err);
    place.run(&["scope", "check", "--strict", "waivers.yml"]).exits(2);
    let bad = place.run(&["scope", "check", "bad1.yml", "waivers.yml", "bad2.yml"]).exits(2);
    assert!(bad.err.contains("bad1.yml:1:1") && bad.err.contains("unknown class `nosuch`"), "{}", bad.err);
    assert!(bad.out.contains("waivers.yml: 2"), "{}", bad.out);
}
