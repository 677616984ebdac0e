//! The main job on real hosts: identify → plan → apply → verify, and what must stop it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod lab;

use lab::{Host, Lab, LoginShell, Manager, Output, Sudo, VendorPackage, diff};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The options that name the hosts, their keys and how root is had.
fn connect(lab: &Lab, inventory: &Path) -> Vec<String> {
    let known = lab.known_hosts();
    let words = [
        "-i",
        inventory.to_str().unwrap(),
        "--known-hosts",
        known.to_str().unwrap(),
        "--become",
        "--parallel",
        "8",
    ];
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn uproot(lab: &Lab, inventory: &Path, verb: &[&str]) -> Output {
    let arguments: Vec<String> =
        verb.iter().map(|w| (*w).to_owned()).chain(connect(lab, inventory)).collect();
    lab.uproot(&arguments)
}

fn uproot_with_password(lab: &Lab, inventory: &Path, verb: &[&str], password: &str) -> Output {
    let mut arguments: Vec<String> =
        verb.iter().map(|w| (*w).to_owned()).chain(connect(lab, inventory)).collect();
    arguments.push("--ask-become-pass".to_owned());
    lab.uproot_with(&arguments, &[("UPROOT_BECOME_PASSWORD", password)], b"")
}

fn host<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|host| host["host"] == name)
        .unwrap_or_else(|| panic!("{report:#}"))
}

fn finding<'a>(report: &'a Value, name: &str, product: &str) -> &'a Value {
    let findings = host(report, name)["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["product"] == product).unwrap_or_else(|| panic!("{report:#}"))
}

/// What `plan` must not do: change anything. Looks before and after and tells what differs.
fn changes_by_looking(lab: &Lab, inventory: &Path, host: &Host) -> Vec<String> {
    let before = host.snapshot();
    let out = lab.dir().join("dry-run.json");
    uproot(lab, inventory, &["identify"]);
    uproot(lab, inventory, &["plan", "--force", "--out", out.to_str().unwrap()]);
    uproot(lab, inventory, &["verify"]);
    diff(&before, &host.snapshot())
}

fn whole_job(manager: Manager) {
    let lab = Lab::new();
    let web = lab.host("web01").packages(manager).start();
    web.install_kesl("12.1.0-1543");
    let inventory = lab.inventory_file([&web]);

    let report = uproot(&lab, &inventory, &["identify", "--format", "json"]).expect_code(1).json();
    let kesl = finding(&report, "web01", "kesl");
    assert_eq!(kesl["result"], "present");
    assert!(kesl["version"].as_str().unwrap().contains("12.1.0"), "{kesl:#}");
    assert!(kesl["evidence"].to_string().contains("12.1.0"), "the package is the evidence: {kesl:#}");
    assert!(
        kesl["evidence"].to_string().contains("/opt/kaspersky/kesl/libexec/kesl"),
        "the process too: {kesl:#}"
    );
    assert_eq!(report["summary"]["present"], 1);

    assert_eq!(changes_by_looking(&lab, &inventory, &web), Vec::<String>::new(), "a dry run changes nothing");

    let plan = lab.dir().join("plan.json");
    let plan = plan.to_str().unwrap();
    let shown = uproot(&lab, &inventory, &["plan", "--out", plan]).expect_code(0);
    let tool = if manager == Manager::Dpkg { "dpkg --purge kesl" } else { "rpm -e kesl" };
    assert!(shown.stdout.contains(tool), "{shown}");
    assert_eq!(web.exec_root("pgrep -x kesl").status, 0, "the daemon still runs");

    let applied = lab.uproot(&["apply", plan, "--format", "json"]).expect_code(0).json();
    assert_eq!(host(&applied, "web01")["state"], "removed", "{applied:#}");
    for gone in ["/opt/kaspersky/kesl", "/var/opt/kaspersky/kesl", "/etc/opt/kaspersky/kesl"] {
        assert_ne!(web.exec_root(&format!("test -e {gone}")).status, 0, "{gone} is still there");
    }
    assert_ne!(web.exec_root("pgrep -x kesl").status, 0, "the daemon still runs");
    let query = if manager == Manager::Dpkg { "dpkg-query -W kesl" } else { "rpm -q kesl" };
    assert_ne!(web.exec_root(query).status, 0, "the package is still known");

    uproot(&lab, &inventory, &["verify"]).expect_code(0);

    let before = web.snapshot();
    let again = lab.uproot(&["apply", plan, "--format", "json"]).expect_code(0).json();
    assert_eq!(host(&again, "web01")["state"], "clean");
    assert!(host(&again, "web01")["reason"].as_str().unwrap().contains("already as planned"), "{again:#}");
    assert_eq!(host(&again, "web01")["steps"].as_array().unwrap().len(), 0, "nothing is run");
    assert_eq!(diff(&before, &web.snapshot()), Vec::<String>::new());

    lab.uproot(&["journal", "verify", "last"]).expect_code(0);
    let told = lab.uproot(&["report", "last", "--format", "json"]).expect_code(0).json();
    assert_eq!(told["hosts"], again["hosts"], "the report is what the journal holds");
}

#[test]
fn a_deb_is_found_planned_removed_and_proven_gone() {
    whole_job(Manager::Dpkg);
}

#[test]
fn an_rpm_is_found_planned_removed_and_proven_gone() {
    whole_job(Manager::Rpm);
}

#[test]
fn the_dry_run_test_bites_when_a_probe_writes() {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    let inventory = lab.inventory_file([&web]);
    web.exec_root(
        "mv /usr/bin/dpkg-query /usr/bin/dpkg-query.real && \
         printf '#!/bin/sh\\ntouch /x\\nexec /usr/bin/dpkg-query.real \"$@\"\\n' >/usr/bin/dpkg-query && \
         chmod 755 /usr/bin/dpkg-query",
    )
    .success();
    let changes = changes_by_looking(&lab, &inventory, &web);
    assert!(changes.iter().any(|change| change.contains("/x")), "{changes:?}");
}

#[test]
fn a_user_who_needs_sudo_with_a_password() {
    let lab = Lab::new();
    let web = lab.host("web01").sudo(Sudo::Password).start();
    web.install_kesl("12.1.0-1543");
    let inventory = lab.inventory_file([&web]);

    let without = uproot(&lab, &inventory, &["identify", "--format", "json"]).json();
    let state = host(&without, "web01");
    assert!(
        state["reason"].to_string().contains("sudo") || state["findings"].to_string().contains("sudo"),
        "{without:#}"
    );

    let out = lab.dir().join("plan.json");
    let out = out.to_str().unwrap();
    uproot_with_password(&lab, &inventory, &["identify"], lab::PASSWORD).expect_code(1);
    uproot_with_password(&lab, &inventory, &["plan", "--out", out], lab::PASSWORD).expect_code(0);
    let refused = lab.uproot(&["apply", out]).expect_code(2);
    assert!(refused.stderr.contains("UPROOT_BECOME_PASSWORD"), "{refused}");
    let applied =
        lab.uproot_with(&["apply", out], &[("UPROOT_BECOME_PASSWORD", lab::PASSWORD)], b"").expect_code(0);
    assert!(applied.stdout.contains("removed"), "{applied}");
    uproot_with_password(&lab, &inventory, &["verify"], lab::PASSWORD).expect_code(0);

    let mut kept = Vec::new();
    files_below(&lab.dir().join("home"), &mut kept);
    kept.push(PathBuf::from(out));
    assert!(kept.len() > 5, "the runs are among them: {kept:?}");
    for file in kept {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes.windows(lab::PASSWORD.len()).any(|window| window == lab::PASSWORD.as_bytes());
        assert!(!found, "the password stands in {}", file.display());
    }
}

fn files_below(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, files) } else { files.push(path) }
    }
}

#[test]
fn hosts_that_cannot_be_vouched_for_are_never_clean_and_harm_no_other() {
    let lab = Lab::new();
    let hosts = [
        lab.host("good").start(),
        // Root itself cannot read it: what stands there is not a database.
        lab.host("no-database")
            .provision("mv /var/lib/dpkg/status /var/lib/dpkg/away; mkdir /var/lib/dpkg/status")
            .start(),
        lab.host("unknown-key").unknown_host_key().start(),
        lab.host("hangs").login_shell(LoginShell::Hangs).start(),
        lab.host("floods").login_shell(LoginShell::Floods).start(),
        lab.host("cuts").login_shell(LoginShell::CutsAfter(3000)).start(),
    ];
    let inventory = lab.inventory_file(&hosts);
    let arguments = ["identify", "--format", "json", "--handshake-timeout", "5", "--idle-timeout", "5"];
    let report = uproot(&lab, &inventory, &arguments).expect_code(3).json();
    assert_eq!(host(&report, "good")["state"], "clean", "{report:#}");
    for (name, state, reason) in [
        ("no-database", "unknown", "dpkg"),
        ("unknown-key", "unreachable", "not known"),
        ("hangs", "unreachable|unknown", "ready|silent|time"),
        ("floods", "unreachable|unknown", "flood|too much|more than|ready"),
        ("cuts", "unreachable|unknown", "lost|closed|broke|cut off"),
    ] {
        let told = host(&report, name);
        assert!(state.split('|').any(|state| told["state"] == state), "{told:#}");
        let words = format!("{} {}", told["reason"], told["findings"]).to_lowercase();
        assert!(reason.split('|').any(|reason| words.contains(reason)), "{name}: {told:#}");
    }
    assert!(host(&report, "unknown-key")["remedy"].to_string().contains("ssh-keyscan"), "{report:#}");
    let table = uproot(&lab, &inventory, &["verify", "--handshake-timeout", "5", "--idle-timeout", "5"])
        .expect_code(3);
    assert!(table.stdout.lines().all(|line| line.chars().count() <= 80), "{table}");
}

#[test]
fn a_question_that_cannot_be_asked_is_not_answered_with_nothing() {
    let lab = Lab::new();
    let hosts = [
        lab.host("no-ls").without_tool("ls").without_tool("stat").without_tool("find").start(),
        lab.host("no-packages").provision(": >/var/lib/dpkg/status").start(),
        lab.host("strange").provision("mv /usr/bin/uname /usr/bin/uname.real; printf '#!/bin/sh\\necho Plan9\\n' >/usr/bin/uname; chmod 755 /usr/bin/uname").start(),
    ];
    let inventory = lab.inventory_file(&hosts);
    let report = uproot(&lab, &inventory, &["identify", "--format", "json"]).expect_code(3).json();
    for name in ["no-ls", "no-packages", "strange"] {
        assert_eq!(host(&report, name)["state"], "unknown", "{name}: {:#}", host(&report, name));
    }
    assert!(host(&report, "strange")["reason"].to_string().contains("platform"), "{report:#}");

    // An ordinary user may not read which program another's process runs.
    let web = lab.host("no-right").sudo(Sudo::NotInSudoers).start();
    let inventory = lab.inventory_file([&web]);
    let known = lab.known_hosts();
    let words = [
        "identify",
        "-i",
        inventory.to_str().unwrap(),
        "--known-hosts",
        known.to_str().unwrap(),
        "--format",
        "json",
    ];
    let report = lab.uproot(&words).expect_code(3).json();
    assert_eq!(host(&report, "no-right")["state"], "unknown");
    assert!(host(&report, "no-right")["remedy"].to_string().contains("--become"), "{report:#}");
}

#[test]
fn a_plan_is_refused_on_another_machine() {
    let lab = Lab::new();
    let planned = lab.host("web01").start();
    let other = lab.host("web02").start();
    planned.install_kesl("12.1.0-1543");
    other.install_kesl("12.1.0-1543");
    let inventory = lab.inventory_file([&planned]);
    let out = lab.dir().join("plan.json");
    uproot(&lab, &inventory, &["plan", "--out", out.to_str().unwrap()]).expect_code(0);
    // The address now belongs to another machine, whose key is known as well.
    let text = std::fs::read_to_string(&out).unwrap();
    let moved = text
        .replace(&format!("\"{}\"", planned.address()), &format!("\"{}\"", other.address()))
        .replace(&format!("\"port\": {}", planned.port()), &format!("\"port\": {}", other.port()))
        .replace(&format!("\"port\":{}", planned.port()), &format!("\"port\":{}", other.port()));
    assert_ne!(text, moved);
    std::fs::write(&out, moved).unwrap();
    let before = other.snapshot();
    let report = lab.uproot(&["apply", out.to_str().unwrap(), "--format", "json"]).json();
    assert_eq!(host(&report, "web01")["state"], "drifted", "{report:#}");
    assert!(host(&report, "web01")["reason"].to_string().contains("machine"), "{report:#}");
    assert_eq!(diff(&before, &other.snapshot()), Vec::<String>::new());
}

#[test]
fn an_upgraded_product_is_drift_and_a_restarted_daemon_is_not() {
    let lab = Lab::new();
    let upgraded = lab.host("upgraded").start();
    let restarted = lab.host("restarted").start();
    for host in [&upgraded, &restarted] {
        host.install_kesl("12.1.0-1543");
    }
    let inventory = lab.inventory_file([&upgraded, &restarted]);
    let endpoint =
        std::fs::read_to_string(catalogue().with_file_name("kaspersky").join("linux/endpoint.yml")).unwrap();
    let waves = "waves: [{ name: all, hosts: all, max_failures: 1 }]\n";
    let playbook = lab.write("playbook.yml", &format!("{endpoint}\n{waves}"));
    let out = lab.dir().join("plan.json");
    let out = out.to_str().unwrap();
    uproot(&lab, &inventory, &["plan", "--out", out, "--playbook", playbook.to_str().unwrap()])
        .expect_code(0);
    upgraded.install_kesl("12.2.0-2000");
    restarted.exec_root("systemctl restart kesl && echo a line >>/var/log/kaspersky/kesl/kesl.log").success();
    let report = lab.uproot(&["apply", out, "--format", "json"]).json();
    assert_eq!(host(&report, "upgraded")["state"], "drifted", "{report:#}");
    assert!(host(&report, "upgraded")["reason"].to_string().contains("12.2.0"), "{report:#}");
    assert_eq!(host(&report, "upgraded")["steps"].as_array().unwrap().len(), 0);
    assert_eq!(host(&report, "restarted")["state"], "removed", "{report:#}");
}

fn catalogue() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/kaspersky.yml")
}

#[test]
fn a_failing_uninstaller_stops_the_host_and_the_wave() {
    let lab = Lab::new();
    let bad = lab.host("bad").start();
    let later = lab.host("later").start();
    for host in [&bad, &later] {
        host.install_kesl("12.1.0-1543");
    }
    bad.exec_root("touch /var/lib/lab/fail-kesl").success();
    let inventory = lab.inventory_file([&bad, &later]);
    let out = lab.dir().join("plan.json");
    let out = out.to_str().unwrap();
    uproot(&lab, &inventory, &["plan", "--out", out]).expect_code(0);
    let before = later.snapshot();
    let report = lab.uproot(&["apply", out, "--format", "json"]).expect_code(4).json();
    let told = host(&report, "bad");
    assert_eq!(told["state"], "failed", "{report:#}");
    assert!(told["steps"].to_string().contains("the product refuses to be removed"), "its output: {told:#}");
    let steps = told["steps"].as_array().unwrap();
    let failed = steps.iter().position(|step| step["result"] == "failed").unwrap();
    assert!(steps.len() > failed + 1, "{told:#}");
    for step in &steps[failed + 1..] {
        assert!(
            step["result"] == "not run"
                || step["result"] == "not-run"
                || step["result"] == "already-so"
                || step["result"] == "already so",
            "{told:#}"
        );
    }
    assert_eq!(bad.exec_root("test -d /opt/kaspersky/kesl").status, 0, "later steps did not run");
    assert_eq!(host(&report, "later")["state"], "skipped", "the first wave's budget is spent: {report:#}");
    assert_eq!(diff(&before, &later.snapshot()), Vec::<String>::new());
    let mut journals = Vec::new();
    files_below(&lab.dir().join("home"), &mut journals);
    let told = journals
        .iter()
        .filter(|p| p.ends_with("journal.jsonl"))
        .any(|p| std::fs::read_to_string(p).unwrap().contains("the product refuses to be removed"));
    assert!(told, "the output is in the journal");
}

#[test]
fn a_vendors_own_tool_is_laid_down_for_its_step_and_goes_with_it() {
    let lab = Lab::new();
    let [web, db] = ["web01", "db01"].map(|name| lab.host(name).start());
    for host in [&web, &db] {
        host.exec_root("mkdir -p /opt/suite && echo x >/opt/suite/data").success();
    }
    let tool = "#!/bin/sh\n[ \"$1\" = --force ] && rm -r /opt/suite && stat -c '%a %U' \"$0\" \"$(dirname \"$0\")\"\n";
    let file = lab.write("tools/cleaner.sh", tool);
    let digest = uproot::model::sha256_hex(tool.as_bytes());
    let text = "uproot: 1\nproducts:\n  - id: suite\n    name: Suite\n    platforms: [linux]\n    confirmed: true\n    \
                sources: [https://example.org/]\n    detect: { path: /opt/suite }\n    settle: 1s\n    remove:\n      \
                - run:\n          command: '\"$UPROOT_FILES/cleaner.sh\" --force'\n          \
                effect: { not: { path: /opt/suite } }\n          \
                upload: { source: tools/cleaner.sh, sha256: \"DIGEST\" }\n";
    let playbook = lab.write("playbook.yml", &text.replace("DIGEST", &digest));
    let inventory = lab.inventory_file([&web, &db]);
    let out = lab.dir().join("plan.json");
    let out = out.to_str().unwrap();
    let words = ["plan", "--out", out, "--playbook", playbook.to_str().unwrap()];
    let shown = uproot(&lab, &inventory, &words).expect_code(0);
    assert!(shown.stdout.contains("cleaner.sh") && shown.stdout.contains(&digest), "{}", shown.stdout);
    // Another tool than the planned one never reaches a host.
    std::fs::write(&file, tool.replace("--force", "--farce")).unwrap();
    let refused = lab.uproot(&["apply", out]).expect_code(2);
    assert!(refused.stderr.contains("has the SHA-256"), "{}", refused.stderr);
    assert_eq!(web.exec_root("ls /opt/suite").stdout, "data\n");
    // Nor one that a reader of the plan was not told of.
    let edited = std::fs::read_to_string(out).unwrap().replace(
        &format!("\"sha256\": \"{digest}\""),
        &format!("\"sha256\": \"{}\"", uproot::model::sha256_hex(b"another")),
    );
    let forged = lab.write("forged.json", &edited);
    let refused = lab.uproot(&["apply", forged.to_str().unwrap()]).expect_code(2);
    assert!(refused.stderr.contains("do not tell which files"), "{}", refused.stderr);
    std::fs::write(&file, tool).unwrap();
    let report = lab.uproot(&["apply", out, "--format", "json"]).expect_code(0).json();
    for (name, remote) in [("web01", &web), ("db01", &db)] {
        let host = host(&report, name);
        assert_eq!(host["state"], "removed", "{host:#}");
        assert_eq!(host["steps"][0]["stdout"]["tail"], "700 root\n700 root\n", "{host:#}");
        assert_ne!(remote.exec_root("ls /var/lib/uproot").status, 0, "nothing of it stays");
    }
}

#[test]
fn what_survives_its_uninstaller_is_still_present() {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    web.install_kesl("12.1.0-1543");
    web.exec_root("touch /var/lib/lab/survive-kesl").success();
    let text =
        std::fs::read_to_string(catalogue().with_file_name("kaspersky").join("linux/endpoint.yml")).unwrap();
    let quick = lab.write("quick.yml", &text.replace("settle: 2m", "settle: 2s"));
    let inventory = lab.inventory_file([&web]);
    let out = lab.dir().join("plan.json");
    let out = out.to_str().unwrap();
    uproot(&lab, &inventory, &["plan", "--out", out, "--playbook", quick.to_str().unwrap()]).expect_code(0);
    let report = lab.uproot(&["apply", out, "--format", "json"]).json();
    let state = &host(&report, "web01")["state"];
    assert!(state == "present" || state == "failed", "{report:#}");
    assert_eq!(web.exec_root("pgrep -x kesl").status, 0, "nothing was killed unasked");
}

#[test]
fn two_names_of_one_machine_are_worked_on_once() {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    web.install_kesl("12.1.0-1543");
    let entry = web.inventory_entry();
    let text = format!("uproot_inventory: 1\nhosts:\n{entry}{}", entry.replace("web01", "alias"));
    let inventory = lab.write("twice.yml", &text);
    let out = lab.dir().join("plan.json");
    let out = out.to_str().unwrap();
    let shown = uproot(&lab, &inventory, &["plan", "--out", out]).expect_code(0);
    assert!(shown.stdout.contains("same machine") || shown.stdout.contains("another name"), "{shown}");
    let report = lab.uproot(&["apply", out, "--format", "json"]).json();
    assert_eq!(host(&report, "web01")["state"], "removed", "{report:#}");
    assert_eq!(host(&report, "alias")["state"], "skipped", "{report:#}");
}

#[test]
fn companions_go_in_order_and_the_agent_last() {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    web.install_kesl("12.1.0-1543");
    web.install(&VendorPackage::new("kesl-gui", "12.1.0-1543"));
    web.install(&VendorPackage::new("klnagent64", "15.0.0-8000"));
    let inventory = lab.inventory_file([&web]);
    let report = uproot(&lab, &inventory, &["run", "--yes", "--format", "json"]).expect_code(0).json();
    let steps = host(&report, "web01")["steps"].as_array().unwrap();
    let products: Vec<&str> = steps.iter().map(|step| step["product"].as_str().unwrap()).collect();
    let last_of = |id: &str| products.iter().rposition(|product| *product == id).unwrap();
    let first_of = |id: &str| products.iter().position(|product| *product == id).unwrap();
    assert!(last_of("kesl") < first_of("klnagent-linux"), "{products:?}");
    assert_eq!(host(&report, "web01")["state"], "removed");
    uproot(&lab, &inventory, &["verify"]).expect_code(0);
}

/// A product that only its sibling's removal brings to light.
const BROUGHT_TO_LIGHT: &str = "uproot: 1
name: two
waves: [ { name: all, hosts: all, max_failures: 100% } ]
products:
  - id: first
    name: First
    platforms: [linux]
    confirmed: false
    detect: { path: /opt/first/app }
    remove:
      - run: { command: rm -rf /opt/first/app && mkdir -p /opt/second/app, effect: { not: { path: /opt/first/app } } }
  - id: second
    name: Second
    platforms: [linux]
    confirmed: false
    detect: { path: /opt/second/app }
    remove: [ remove_path: /opt/second/app ]
";

#[test]
fn what_shows_only_after_the_steps_is_offered_a_second_plan() {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    let playbook = lab.write("two.yml", BROUGHT_TO_LIGHT);
    let playbook = playbook.to_str().unwrap();
    let inventory = lab.inventory_file([&web]);
    web.exec_root("mkdir -p /opt/first/app").success();
    let words = ["run", "--yes", "--playbook", playbook];
    let said = uproot(&lab, &inventory, &words).expect_code(1);
    assert!(said.stderr.contains("web01: second showed only after the steps, and is in no plan"), "{said}");
    assert!(said.stderr.contains("the same command with `--limit web01`"), "{said}");
    web.exec_root("test -d /opt/second/app && rm -rf /opt/second && mkdir -p /opt/first/app").success();

    // At a terminal: the plan, the second plan, its changes.
    let command = [
        env!("CARGO_BIN_EXE_uproot"),
        "run -i",
        inventory.to_str().unwrap(),
        "--known-hosts",
        lab.known_hosts().to_str().unwrap(),
        "--become --playbook",
        playbook,
        "--runs",
        lab.dir().join("asked").to_str().unwrap(),
    ]
    .join(" ");
    let mut child = std::process::Command::new("script")
        .args(["-q", "-e", "-c", &command, "/dev/null"])
        .env("HOME", lab.dir())
        .env("NO_COLOR", "1")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut typed = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut typed, b"yes\nyes\nyes\n").unwrap();
    let output = child.wait_with_output().unwrap();
    drop(typed);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("show a second plan?"), "{text}");
    web.exec_root("test ! -e /opt/second/app && test ! -e /opt/first/app").success();
    assert_eq!(std::fs::read_dir(lab.dir().join("asked")).unwrap().count(), 4, "two looks, two applies");
}
