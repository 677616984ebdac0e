//! Hostile and broken hosts, and careless systems round uproot: none may make it lie, do harm, or
//! lose what it did.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod lab;

use lab::{Host, Lab, LoginShell, Output, Sudo, diff};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn words(lab: &Lab, inventory: &Path, verb: &[&str]) -> Vec<String> {
    let known = lab.known_hosts();
    let connect = ["-i", inventory.to_str().unwrap(), "--known-hosts", known.to_str().unwrap(), "--become"];
    verb.iter().chain(&connect).map(|word| (*word).to_owned()).collect()
}

fn uproot(lab: &Lab, inventory: &Path, verb: &[&str]) -> Output {
    lab.uproot(&words(lab, inventory, verb))
}

fn host<'a>(report: &'a Value, name: &str) -> &'a Value {
    let hosts = report["hosts"].as_array().unwrap();
    hosts.iter().find(|host| host["host"] == name).unwrap_or_else(|| panic!("{report:#}"))
}

/// A playbook of one product that is looked for only where it says.
fn playbook(lab: &Lab, detect: &str, remove: &str) -> String {
    let text = format!(
        "uproot: 1\nname: Hostile\nproducts:\n  - id: kesl\n    name: KESL\n    vendor: V\n    \
         platforms: [linux]\n    confirmed: true\n    sources: [https://example.org]\n    \
         detect: {detect}\n    remove:\n{remove}    settle: 10s\n\
         waves: [{{ name: all, hosts: all, max_failures: 100 }}]\n"
    );
    lab.write("hostile.yml", &text).to_str().unwrap().to_owned()
}

const PACKAGE: &str = "      - remove_package: { names: [kesl], purge: true }\n";

/// Puts a program in the place of another, which goes on as `NAME.real`.
fn wrap(host: &Host, program: &str, script: &str) {
    host.exec_root(&format!("mv {program} {program}.real")).success();
    host.put(program, format!("#!/bin/sh\n{script}\n").as_bytes());
    host.exec_root(&format!("chmod 755 {program}")).success();
}

#[test]
fn a_package_list_that_lost_entries_is_not_believed() {
    let lab = Lab::new();
    let hosts = [
        lab.host("partial").start(),
        lab.host("cut").start(),
        lab.host("torn").start(),
        lab.host("whole").start(),
    ];
    for host in &hosts {
        host.install_kesl("12.1.0-1543");
    }
    wrap(&hosts[0], "/usr/bin/dpkg-query", "/usr/bin/dpkg-query.real \"$@\" | grep -v kesl");
    // As a crash leaves it: the end of the file is missing.
    hosts[1].exec_root("awk '/^Package: kesl/{exit} {print}' /var/lib/dpkg/status >/x; cat /x >/var/lib/dpkg/status; rm /x").success();
    hosts[2].exec_root("awk '{print} /^Package: kesl/{exit}' /var/lib/dpkg/status >/x; cat /x >/var/lib/dpkg/status; rm /x").success();
    let playbook = playbook(&lab, "{ package: kesl }", PACKAGE);
    let inventory = lab.inventory_file(&hosts);
    let report = uproot(&lab, &inventory, &["identify", "--playbook", &playbook, "--format", "json"]).json();
    for name in ["partial", "cut", "torn"] {
        assert_ne!(host(&report, name)["state"], "clean", "{:#}", host(&report, name));
    }
    assert_eq!(host(&report, "whole")["state"], "present");
}

#[test]
fn programs_that_die_half_way_are_not_believed() {
    let lab = Lab::new();
    let hosts = [lab.host("ls").start(), lab.host("no-proc").start(), lab.host("sed").start()];
    for host in &hosts {
        host.install_kesl("12.1.0-1543");
    }
    // Killed for want of memory, before it came to the daemon.
    wrap(
        &hosts[0],
        "/usr/bin/ls",
        "case $* in *exe*) /usr/bin/ls.real \"$@\" | grep -v kesl; kill -9 $$ ;; esac\nexec /usr/bin/ls.real \"$@\"",
    );
    hosts[1].exec_root("mount -t tmpfs none /proc").success();
    wrap(
        &hosts[2],
        "/usr/bin/sed",
        "case $* in *s/^/*) /usr/bin/sed.real \"$@\" | grep -v kesl; kill -9 $$ ;; esac\nexec /usr/bin/sed.real \"$@\"",
    );
    let playbook = playbook(
        &lab,
        "{ process: { exe: /opt/kaspersky/kesl/** } }",
        "      - kill_process: { exe: /opt/kaspersky/kesl/** }\n",
    );
    let inventory = lab.inventory_file(&hosts);
    let report = uproot(&lab, &inventory, &["identify", "--playbook", &playbook, "--format", "json"]).json();
    for name in ["ls", "no-proc", "sed"] {
        assert_ne!(host(&report, name)["state"], "clean", "{:#}", host(&report, name));
    }
}

#[test]
fn escapes_of_a_host_reach_no_terminal() {
    let lab = Lab::new();
    let web = lab.host("web01").login_shell(LoginShell::Chatters("\x1b]0;owned\x07\u{202e}".into())).start();
    web.install_kesl("12.1.0-1543");
    wrap(
        &web,
        "/usr/bin/dpkg-query",
        "/usr/bin/dpkg-query.real \"$@\" | sed 's/12.1.0/12.1.0\\x1b[2J\\xc2\\x9b/'",
    );
    web.exec_root("printf '\\033[31mhost' >/etc/hostname; printf 'ID=debian\\nPRETTY_NAME=\"a\\033]0;x\\007\"\\n' >/x; rm -f /etc/os-release; cat /x >/etc/os-release; rm /x").success();
    let inventory = lab.inventory_file([&web]);
    let plan = lab.dir().join("plan.json");
    let plan = plan.to_str().unwrap();
    let shown = [
        uproot(&lab, &inventory, &["identify", "-v"]),
        uproot(&lab, &inventory, &["identify", "--format", "json"]),
        uproot(&lab, &inventory, &["plan", "--out", plan]),
        lab.uproot(&["plan", "show", plan]),
        lab.uproot(&["plan", "show", plan, "-v"]),
        lab.uproot(&["apply", plan]),
        lab.uproot(&["report", "last"]),
        lab.uproot(&["runs", "list"]),
        lab.uproot(&["runs", "show", "last"]),
    ];
    for output in shown {
        let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!output.stdout.contains(bad), "{output}");
        assert!(!output.stderr.contains(bad), "{output}");
    }
}

fn spawn(lab: &Lab, arguments: &[&str]) -> Child {
    let home = lab.dir().join("home");
    std::fs::create_dir_all(&home).unwrap();
    Command::new(env!("CARGO_BIN_EXE_uproot"))
        .args(arguments)
        .current_dir(lab.dir())
        .env_remove("SSH_AUTH_SOCK")
        .env("HOME", &home)
        .env("XDG_STATE_HOME", home.join("state"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(40);
    while !is() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn planned(lab: &Lab, inventory: &Path) -> String {
    let plan = lab.dir().join("plan.json").to_str().unwrap().to_owned();
    uproot(lab, inventory, &["plan", "--force", "--out", &plan]).expect_code(0);
    plan
}

#[test]
fn a_controller_that_is_killed_leaves_a_journal_that_tells_it() {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    web.install_kesl("12.1.0-1543");
    web.hang_removal("kesl", true);
    let inventory = lab.inventory_file([&web]);
    let plan = planned(&lab, &inventory);
    let mut child = spawn(&lab, &["apply", &plan]);
    wait_for("dpkg runs", || web.exec_root("pgrep -x dpkg").status == 0);
    child.kill().unwrap();
    child.wait().unwrap();
    let report = lab.uproot(&["report", "last", "--format", "json"]);
    assert_eq!(host(&report.json(), "web01")["state"], "interrupted", "{report}");
    assert_eq!(report.code, Some(3));
    let journal = lab.uproot(&["journal", "verify", "last"]);
    assert!(journal.stdout.contains("not finished") && journal.stdout.contains("1 defect"), "{journal}");
    // The same plan once more, while the first removal still hangs: it is not as planned any more.
    let again = lab.uproot(&["apply", &plan, "--format", "json"]).json();
    assert_eq!(host(&again, "web01")["state"], "drifted", "{again:#}");
}

#[test]
fn a_host_that_dies_in_a_step_is_interrupted() {
    let lab = Lab::new();
    let mut web = lab.host("web01").start();
    web.install_kesl("12.1.0-1543");
    web.hang_removal("kesl", true);
    let inventory = lab.inventory_file([&web]);
    let plan = planned(&lab, &inventory);
    let child = spawn(&lab, &["apply", &plan, "--format", "json"]);
    wait_for("dpkg runs", || web.exec_root("pgrep -x dpkg").status == 0);
    web.restart();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(host(&report, "web01")["state"], "interrupted", "{text}");
}

#[test]
fn two_controllers_at_once_do_no_harm() {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    web.install_kesl("12.1.0-1543");
    let inventory = lab.inventory_file([&web]);
    let plan = planned(&lab, &inventory);
    let children: Vec<Child> = (0..3).map(|_| spawn(&lab, &["apply", &plan, "--format", "json"])).collect();
    let mut removed = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let state = host(&report, "web01")["state"].as_str().unwrap();
        assert!(["removed", "clean", "drifted", "skipped"].contains(&state), "{report:#}");
        removed += usize::from(state == "removed");
    }
    assert_eq!(removed, 1, "the host's lock lets one of them change it");
    uproot(&lab, &inventory, &["verify"]).expect_code(0);
}

#[test]
fn a_full_disk_on_the_host_is_a_failed_step() {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    web.install_kesl("12.1.0-1543");
    let inventory = lab.inventory_file([&web]);
    let plan = planned(&lab, &inventory);
    web.exec_root("cp -a /var/lib/dpkg /d && mount -t tmpfs -o size=600k none /var/lib/dpkg && cp -a /d/. /var/lib/dpkg/ ; mount -t tmpfs -o size=4k none /tmp; cat /dev/zero >/tmp/x; cat /dev/zero >/var/lib/dpkg/fill; df /tmp /var/lib/dpkg").success();
    let output = lab.uproot(&["apply", &plan, "--format", "json"]);
    assert!(output.stdout.contains("No space left"), "the reason is not lost: {output}");
    assert_eq!(host(&output.json(), "web01")["state"], "failed", "{output}");
}

#[test]
fn a_locked_database_is_waited_for() {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    web.install_kesl("12.1.0-1543");
    let inventory = lab.inventory_file([&web]);
    let plan = planned(&lab, &inventory);
    let known = web.exec_root(
        "perl -e 'use Fcntl; open(F, \"+>\", \"/var/lib/dpkg/lock\"); my $l = pack(\"s s l! l! i\", F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $l) or die; sleep 8' >/dev/null 2>&1 & sleep 1; dpkg --purge nothing 2>&1",
    );
    assert!(known.stdout.contains("locked by another process"), "{known:?}");
    let output = lab.uproot(&["apply", &plan, "--format", "json"]).expect_code(0);
    assert!(output.stdout.contains("the package database is locked"), "{output}");
}

#[test]
fn a_failing_step_that_shows_its_secret_shows_it_to_nobody() {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    web.exec_root("mkdir -p /opt/kaspersky/kesl").success();
    let steps = "      - run: { command: 'echo \"no: $TOKEN\" >&2; exit 1', env: { TOKEN: token }, effect: { not: { path: /opt/kaspersky/kesl } } }\n";
    let text = playbook(&lab, "{ path: /opt/kaspersky/kesl }", steps);
    let with = std::fs::read_to_string(&text)
        .unwrap()
        .replace("products:", "secrets: { token: { env: TOKEN_X } }\nproducts:");
    std::fs::write(&text, with).unwrap();
    let inventory = lab.inventory_file([&web]);
    let plan = lab.dir().join("plan.json");
    let plan = plan.to_str().unwrap();
    let environment = [("TOKEN_X", "s3kr3t-t0ken")];
    let arguments = words(&lab, &inventory, &["plan", "--out", plan, "--playbook", &text]);
    lab.uproot_with(&arguments, &environment, b"").expect_code(0);
    let output = lab.uproot_with(&["apply", plan, "-v"], &environment, b"").expect_code(3);
    assert!(output.stdout.contains("no: [redacted token]"), "{output}");
    assert!(!output.stdout.contains("s3kr3t") && !output.stderr.contains("s3kr3t"), "{output}");
}

#[test]
fn no_secret_is_in_any_argument_or_file() {
    let lab = Lab::new();
    let web = lab.host("web01").sudo(Sudo::Password).start();
    web.install_kesl("12.1.0-1543");
    let steps = "      - run: { command: 'echo \"the secret is $TOKEN\"; cat; rm -rf /opt/kaspersky/kesl', env: { TOKEN: token }, stdin: token, effect: { not: { path: /opt/kaspersky/kesl } } }\n";
    let text = playbook(&lab, "{ path: /opt/kaspersky/kesl }", steps);
    let with = std::fs::read_to_string(&text)
        .unwrap()
        .replace("products:", "secrets: { token: { env: TOKEN_X } }\nproducts:");
    std::fs::write(&text, with).unwrap();
    let inventory = lab.inventory_file([&web]);
    let plan = lab.dir().join("plan.json");
    let plan = plan.to_str().unwrap();
    const TOKEN: &str = "s3kr3t-it's-a-t0ken";
    let environment = [("UPROOT_BECOME_PASSWORD", lab::PASSWORD), ("TOKEN_X", TOKEN)];
    let mut arguments = words(&lab, &inventory, &["plan", "--out", plan, "--playbook", &text]);
    arguments.push("--ask-become-pass".into());
    let done = std::sync::atomic::AtomicBool::new(false);
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = Vec::new();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                    let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
                    let line = String::from_utf8_lossy(&line).into_owned();
                    if line.contains(TOKEN) || line.contains("s3kr3t") || line.contains(lab::PASSWORD) {
                        seen.push(line);
                    }
                }
            }
            seen
        });
        lab.uproot_with(&arguments, &environment, b"").expect_code(0);
        lab.uproot_with(&["apply", plan, "-v"], &environment, b"").expect_code(0);
        let told = lab.uproot_with(&["report", "last", "--format", "json"], &environment, b"");
        assert!(told.stdout.contains("the secret is") && !told.stdout.contains("s3kr3t"), "{told}");
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        seen = watcher.join().unwrap();
    });
    assert_eq!(seen, Vec::<String>::new());
    let grep = Command::new("grep")
        .args(["-rlF", "-e", "s3kr3t", "-e", lab::PASSWORD])
        .arg(lab.dir().join("home"))
        .arg(plan)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&grep.stdout), "");
}

#[test]
fn a_link_in_the_place_of_a_planned_directory_is_not_followed() {
    let lab = Lab::new();
    let hosts = [
        lab.host("leaf").start(),
        lab.host("parent").start(),
        lab.host("mount").start(),
        lab.host("deep").start(),
    ];
    for host in &hosts {
        host.exec_root("mkdir -p /var/opt/kaspersky/kesl/sub /srv/data/kesl/sub; echo x >/srv/data/kesl/sub/precious; echo x >/var/opt/kaspersky/kesl/sub/y").success();
    }
    let playbook =
        playbook(&lab, "{ path: /var/opt/kaspersky/kesl }", "      - remove_path: /var/opt/kaspersky/kesl\n");
    let inventory = lab.inventory_file(&hosts);
    let plan = lab.dir().join("plan.json");
    let plan = plan.to_str().unwrap();
    uproot(&lab, &inventory, &["plan", "--out", plan, "--playbook", &playbook]).expect_code(0);
    hosts[0]
        .exec_root("mv /var/opt/kaspersky/kesl /var/opt/k; ln -s /srv/data/kesl /var/opt/kaspersky/kesl")
        .success();
    hosts[1].exec_root("mv /var/opt/kaspersky /var/opt/k; ln -s /srv/data /var/opt/kaspersky").success();
    hosts[2].exec_root("mount --bind /srv/data/kesl /var/opt/kaspersky/kesl/sub").success();
    hosts[3].exec_root("ln -s /srv/data/kesl /var/opt/kaspersky/kesl/sub/link").success();
    let output = lab.uproot(&["apply", plan, "--format", "json"]);
    for (name, state) in
        [("leaf", "drifted"), ("parent", "drifted"), ("mount", "failed"), ("deep", "removed")]
    {
        assert_eq!(host(&output.json(), name)["state"], state, "{output}");
    }
    for host in &hosts {
        assert_eq!(host.exec_root("test -e /srv/data/kesl/sub/precious").status, 0, "{}", host.name());
    }
}

#[test]
fn dry_runs_with_strange_shells_change_nothing() {
    let lab = Lab::new();
    let hosts = [
        lab.host("echo")
            .login_shell(LoginShell::Script("#!/bin/bash\nset -v\nexec bash -v \"$@\"\n".into()))
            .start(),
        lab.host("xtrace")
            .login_shell(LoginShell::Script("#!/bin/bash\nexec bash -x \"$@\" 2>&1\n".into()))
            .start(),
        lab.host("swallow")
            .login_shell(LoginShell::Script("#!/bin/sh\ncat >/dev/null\nexec /bin/sh \"$@\"\n".into()))
            .start(),
        lab.host("copy")
            .login_shell(LoginShell::Script("#!/bin/sh\nprintf '%s\\n' \"$@\"\nexec /bin/sh \"$@\"\n".into()))
            .start(),
        lab.host("force").sshd_option("ForceCommand echo hello").start(),
        lab.host("tee")
            .login_shell(LoginShell::Script("#!/bin/bash\ntee >(cat >&2) | /bin/sh \"$@\"\n".into()))
            .start(),
    ];
    let inventory = lab.inventory_file(&hosts);
    let before: Vec<_> = hosts.iter().map(Host::snapshot).collect();
    let output = uproot(
        &lab,
        &inventory,
        &["identify", "--format", "json", "--handshake-timeout", "5", "--idle-timeout", "5"],
    );
    for (name, state) in [("swallow", "unreachable"), ("force", "unreachable"), ("echo", "clean")] {
        assert_eq!(host(&output.json(), name)["state"], state, "{output}");
    }
    for (host, before) in hosts.iter().zip(&before) {
        assert_eq!(diff(before, &host.snapshot()), Vec::<String>::new(), "{}", host.name());
    }
}

#[test]
fn sudo_in_every_mood() {
    let lab = Lab::new();
    let sudoers = |line: &str| format!("echo '{line}' >>/etc/sudoers");
    let hosts = [
        lab.host("pty").sudo(Sudo::Password).provision(&sudoers("Defaults use_pty")).start(),
        lab.host("pty-free").provision(&sudoers("Defaults use_pty")).start(),
        lab.host("tty").sudo(Sudo::Password).provision(&sudoers("Defaults requiretty")).start(),
        lab.host("log").sudo(Sudo::Password).provision(&sudoers("Defaults log_input, log_output")).start(),
        lab.host("lecture")
            .sudo(Sudo::Password)
            .provision(&sudoers("Defaults lecture=always, passprompt_override"))
            .start(),
        lab.host("insults")
            .sudo(Sudo::Password)
            .provision(&sudoers("Defaults insults, passwd_tries=5"))
            .start(),
        lab.host("runas").sudo(Sudo::Password).provision(&sudoers("Defaults runas_default=daemon")).start(),
    ];
    for host in &hosts {
        host.install_kesl("12.1.0-1543");
    }
    let inventory = lab.inventory_file(&hosts);
    let plan = lab.dir().join("plan.json");
    let plan = plan.to_str().unwrap();
    let playbook = playbook(&lab, "{ package: kesl }", PACKAGE);
    let mut arguments =
        words(&lab, &inventory, &["plan", "--out", plan, "--playbook", &playbook, "--format", "json"]);
    arguments.push("--ask-become-pass".into());
    let environment = [("UPROOT_BECOME_PASSWORD", lab::PASSWORD)];
    lab.uproot_with(&arguments, &environment, b"").expect_code(0);
    let report = lab.uproot_with(&["apply", plan, "--format", "json"], &environment, b"").json();
    for name in ["pty", "pty-free", "log", "lecture", "insults"] {
        assert_eq!(host(&report, name)["state"], "removed", "{name}: {:#}", host(&report, name));
    }
    for name in ["tty", "runas"] {
        assert_eq!(host(&report, name)["state"], "present", "{name}: {:#}", host(&report, name));
    }
    let logged =
        hosts[3].exec_root(&format!("zcat -f /var/log/sudo-io/*/*/*/* | grep -c '{}'", lab::PASSWORD));
    assert_eq!(logged.stdout.trim(), "0", "sudo's log has its own password");
}

#[test]
fn a_flood_of_facts_costs_bounded_memory_and_time() {
    let lab = Lab::new();
    let many = lab.host("many").start();
    let long = lab.host("long").start();
    let more = lab.host("more").start();
    let drip = lab.host("drip").start();
    wrap(
        &many,
        "/usr/bin/dpkg-query",
        "case $* in *-W*) awk 'BEGIN{for(i=0;i<100000;i++) printf \"+pkg%d\\t1.0-%d\\tamd64\\tinstall ok installed\\n\",i,i}';; esac; exec /usr/bin/dpkg-query.real \"$@\"",
    );
    wrap(
        &long,
        "/usr/bin/dpkg-query",
        "printf '+'; head -c 6000000 /dev/zero | tr '\\0' a; printf '\\t1\\tamd64\\tinstall ok installed\\n'; exec /usr/bin/dpkg-query.real \"$@\"",
    );
    wrap(
        &more,
        "/usr/bin/dpkg-query",
        "awk 'BEGIN{for(i=0;i<400000;i++) printf \"+kesl%d\\t1.0-%d\\tamd64\\tinstall ok installed\\n\",i,i}'; exec /usr/bin/dpkg-query.real \"$@\"",
    );
    wrap(&drip, "/usr/bin/dpkg-query", "while :; do echo; sleep 1; done");
    let inventory = lab.inventory_file([&many, &long, &more, &drip]);
    let report = lab.dir().join("report.json");
    let verb = ["identify", "--format", "json", "-o", report.to_str().unwrap(), "--idle-timeout", "5"];
    let arguments = words(&lab, &inventory, &verb);
    let mut child = Command::new(env!("CARGO_BIN_EXE_uproot"))
        .args(&arguments)
        .env("XDG_STATE_HOME", lab.dir().join("state"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0u64;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let now = text
            .lines()
            .find_map(|l| l.strip_prefix("VmHWM:"))
            .and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok())
            .unwrap_or(0);
        peak = peak.max(now);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!((1..400_000).contains(&peak), "{peak} kB");
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    for (name, state) in [("more", "unknown"), ("drip", "unknown"), ("many", "clean")] {
        assert_eq!(host(&report, name)["state"], state, "{name}: {:#}", host(&report, name));
    }
}

#[test]
fn a_journal_that_cannot_be_written_stops_everything() {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    let second = lab.host("web02").start();
    web.install_kesl("12.1.0-1543");
    second.install_kesl("12.1.0-1543");
    let inventory = lab.inventory_file([&web, &second]);
    let plan = planned(&lab, &inventory);
    let runs = lab.dir().join("small");
    std::fs::create_dir(&runs).unwrap();
    // Room for the run's beginning, not for its end.
    let size = std::fs::metadata(&plan).unwrap().len() / 1024 + 12;
    assert!(
        Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}k"), "none"])
            .arg(&runs)
            .status()
            .unwrap()
            .success()
    );
    let output = lab.uproot(&["apply", &plan, "--runs", runs.to_str().unwrap(), "--format", "json"]);
    let run = std::fs::read_dir(&runs).unwrap().next().unwrap().unwrap().path();
    let begun = std::fs::read_to_string(run.join("journal.jsonl")).unwrap();
    assert!(Command::new("umount").arg(&runs).status().unwrap().success());
    output.expect_code(3);
    assert!(begun.contains("run_started") && !begun.contains("step_intent"), "{begun}");
    // Refused before anything is contacted.
    lab.uproot(&["apply", &plan, "--runs", "/proc/none"]).expect_code(2);
    for host in [&web, &second] {
        assert_eq!(host.exec_root("test -e /opt/kaspersky/kesl").status, 0, "{} was changed", host.name());
    }
}

#[test]
fn processes_that_hide_are_found() {
    let lab = Lab::new();
    let hosts = [
        lab.host("deleted").start(),
        lab.host("moved").start(),
        lab.host("comm").start(),
        lab.host("newline").start(),
        lab.host("user").sudo(Sudo::NotInSudoers).start(),
    ];
    for host in &hosts {
        host.exec_root("mkdir -p /opt/kaspersky/kesl/libexec /var/opt/kaspersky/kesl/install-current/opt/kaspersky/kesl/libexec").success();
    }
    let run = |host: &Host, path: &str, after: &str| {
        host.exec_root(&format!("cp /usr/bin/sleep '{path}' && (setsid '{path}' 1000 >/dev/null 2>&1 </dev/null &) ; sleep 0.3; {after}")).success()
    };
    run(&hosts[0], "/opt/kaspersky/kesl/libexec/kesl", "rm -rf /opt/kaspersky /var/opt/kaspersky");
    run(
        &hosts[1],
        "/var/opt/kaspersky/kesl/install-current/opt/kaspersky/kesl/libexec/kesl",
        "rm -rf /opt/kaspersky",
    );
    run(&hosts[2], "/opt/kaspersky/kesl/libexec/kesl", "mv /opt/kaspersky /opt/k");
    run(&hosts[3], "/opt/kaspersky/kesl/libexec/kesl\n-> x", "rm -rf /opt/kaspersky /var/opt/kaspersky");
    run(&hosts[4], "/opt/kaspersky/kesl/libexec/kesl", "rm -rf /opt/kaspersky /var/opt/kaspersky");
    let inventory = lab.inventory_file(&hosts);
    let report = uproot(&lab, &inventory, &["identify", "--format", "json"]).json();
    for host in report["hosts"].as_array().unwrap() {
        assert_ne!(host["state"], "clean", "{host:#}");
    }
}

#[test]
fn a_connection_that_breaks_between_a_step_and_its_check_is_no_failure_of_the_step() {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    web.install_kesl("12.1.0-1543");
    let inventory = lab.inventory_file([&web]);
    let plan = planned(&lab, &inventory);
    // What removing a network filter does: all connections are cut as the step ends.
    wrap(
        &web,
        "/usr/bin/dpkg",
        "/usr/bin/dpkg.real \"$@\"; status=$?; (setsid sh -c 'sleep 0.3; pkill -f sshd:.*ops' >/dev/null 2>&1 </dev/null &); exit $status",
    );
    wrap(&web, "/usr/bin/dpkg-query", "sleep 1; exec /usr/bin/dpkg-query.real \"$@\"");
    let output = lab.uproot(&["apply", &plan, "--format", "json"]);
    let report = output.json();
    let host = host(&report, "web01");
    assert_eq!(host["state"], "removed", "the connection is made again: {host:#}");
}

#[test]
fn a_refused_password_is_tried_once_however_long_the_check_goes_on() {
    let lab = Lab::new();
    let web = lab.host("web01").sudo(Sudo::Password).start();
    web.exec_root("mkdir -p /opt/kaspersky/kesl /opt/other").success();
    let steps = "      - run: { command: 'rm -rf /opt/kaspersky/kesl; echo ops:another | chpasswd', effect: { not: { path: /opt/other } } }\n";
    let text = playbook(&lab, "{ path: /opt/kaspersky/kesl }", steps);
    wrap(
        &web,
        "/usr/bin/env",
        "case $* in *sudo*) echo try >>/tmp/tries;; esac; exec /usr/bin/env.real \"$@\"",
    );
    let inventory = lab.inventory_file([&web]);
    let plan = lab.dir().join("plan.json");
    let plan = plan.to_str().unwrap();
    let environment = [("UPROOT_BECOME_PASSWORD", lab::PASSWORD)];
    let mut arguments = words(&lab, &inventory, &["plan", "--out", plan, "--playbook", &text]);
    arguments.push("--ask-become-pass".into());
    lab.uproot_with(&arguments, &environment, b"").expect_code(0);
    web.exec_root("rm -f /tmp/tries").success();
    lab.uproot_with(&["apply", plan], &environment, b"").expect_code(3);
    // The first look, the lock, the look under it and the step; then, refused, one look each for its
    // effect and for how the host was left.
    assert_eq!(web.exec_root("cat /tmp/tries").success().lines().count(), 6);
}

#[test]
fn a_jail_is_not_the_host() {
    let lab = Lab::new();
    let web = lab.host("web01").sshd_option("ChrootDirectory /jail").start();
    web.install_kesl("12.1.0-1543");
    web.exec_root(
        "mkdir /jail && mount -t tmpfs -o mode=755 none /jail && cd /jail && mkdir -p usr etc proc dev tmp run sys var/lib root home/ops && \
         for d in bin sbin lib lib64; do ln -s usr/$d $d; done; \
         for d in usr etc dev proc sys; do mount --rbind /$d /jail/$d; done; \
         cp -a /var/lib/dpkg /jail/var/lib/ && rm -f /jail/var/lib/dpkg/info/kesl.* && \
         awk 'BEGIN {RS=\"\"; ORS=\"\\n\\n\"} !/^Package: kesl/' /var/lib/dpkg/status >/jail/var/lib/dpkg/status",
    )
    .success();
    let playbook = playbook(&lab, "{ package: kesl }", PACKAGE);
    let inventory = lab.inventory_file([&web]);
    let report = uproot(&lab, &inventory, &["identify", "--playbook", &playbook, "--format", "json"]).json();
    assert_eq!(host(&report, "web01")["state"], "unknown", "{report:#}");
    assert!(host(&report, "web01")["reason"].to_string().contains("jail"), "{report:#}");
}

/// Applies a removal whose one step also does this to its host, and gives the host's report.
fn remove_and(besides: &str) -> Value {
    let lab = Lab::new();
    let web = lab.host("web01").start();
    web.exec_root("mkdir -p /opt/kaspersky/kesl").success();
    web.put("/root/besides", format!("{besides}\n").as_bytes());
    let steps = "      - run: { command: 'rm -rf /opt/kaspersky/kesl; sh /root/besides', effect: { not: { path: /opt/kaspersky/kesl } } }\n";
    let text = playbook(&lab, "{ path: /opt/kaspersky/kesl }", steps);
    let inventory = lab.inventory_file([&web]);
    let plan = lab.dir().join("plan.json");
    let plan = plan.to_str().unwrap();
    let arguments = words(&lab, &inventory, &["plan", "--out", plan, "--playbook", &text]);
    lab.uproot(&arguments).expect_code(0);
    let report = lab.uproot(&["apply", plan, "--format", "json"]).json();
    host(&report, "web01").clone()
}

#[test]
fn a_host_that_does_not_tell_once_which_machine_it_is_is_asked_again() {
    let told = remove_and(
        "mv /etc/machine-id /etc/id; (setsid sh -c 'sleep 3; mv /etc/id /etc/machine-id' >/dev/null 2>&1 </dev/null &)",
    );
    assert_eq!(told["state"], "removed", "{told:#}");
    let untold = remove_and("rm /etc/machine-id");
    assert_eq!(untold["state"], "interrupted", "{untold:#}");
    assert!(untold["reason"].to_string().contains("machine-id"), "{untold:#}");
}

#[test]
fn a_host_that_cannot_tell_once_what_became_of_a_step_is_asked_again() {
    let cut = "(setsid sh -c 'sleep 0.5; pkill -f sshd:.*ops' >/dev/null 2>&1 </dev/null &); sleep 1";
    let open = "chmod 777 /var/lib/uproot";
    let told = remove_and(&format!(
        "{open}; (setsid sh -c 'sleep 2.5; chmod 700 /var/lib/uproot' >/dev/null 2>&1 </dev/null &)\n{cut}"
    ));
    assert_eq!(told["state"], "removed", "{told:#}");
    let untold = remove_and(&format!("{open}\n{cut}"));
    assert_eq!(untold["state"], "interrupted", "{untold:#}");
    assert!(untold["steps"].to_string().contains("it did not tell 3 times"), "{untold:#}");
}
