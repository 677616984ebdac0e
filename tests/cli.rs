//! The command line without any host: help, wrong usage, and what is refused before a host is contacted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_uproot"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("SSH_AUTH_SOCK")
            .env("HOME", self.0.path())
            .env("XDG_STATE_HOME", self.0.path().join("state"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Insists on exit 2 with words and a help line, and that no run was begun.
    #[track_caller]
    fn refuses(&self, arguments: &[&str], words: &[&str]) {
        let output = self.run(arguments);
        let (stdout, stderr) = texts(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}\n{stderr}");
        assert_eq!(stdout, "", "{arguments:?}");
        for word in words {
            assert!(stderr.contains(word), "{arguments:?} does not say `{word}`:\n{stderr}");
        }
        let helps = stderr.contains("help: ") || stderr.contains("try '--help'");
        assert!(helps, "{arguments:?} has no help:\n{stderr}");
        assert!(!self.0.path().join("state/uproot/runs").exists(), "{arguments:?} began a run");
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Nothing listens there, and nobody may ask: a test that contacts it would need a run's directory.
const NOWHERE: &str = "127.0.0.1,";

#[test]
fn every_verb_has_help() {
    let place = Place::new();
    let verbs: [&[&str]; 22] = [
        &[],
        &["identify"],
        &["plan"],
        &["plan", "show"],
        &["plan", "diff"],
        &["apply"],
        &["run"],
        &["verify"],
        &["report"],
        &["journal"],
        &["journal", "verify"],
        &["runs"],
        &["runs", "list"],
        &["runs", "show"],
        &["playbook"],
        &["playbook", "check"],
        &["playbook", "explain"],
        &["playbook", "test"],
        &["playbook", "schema"],
        &["inventory", "list"],
        &["inventory", "check"],
        &["completions"],
    ];
    for verb in verbs {
        let output = place.run(&[verb, &["--help"]].concat());
        assert_eq!(output.status.code(), Some(0), "{verb:?}");
        assert!(texts(&output).0.contains("Usage: uproot"), "{verb:?}");
    }
}

#[test]
fn what_is_wrong_is_told_before_any_host_is_contacted() {
    let place = Place::new();
    let hosts = ["-i", NOWHERE];
    let with = |verb: &[&'static str]| [verb, &hosts[..]].concat();
    place.refuses(&["identify", "--nosuch"], &["--nosuch"]);
    place.refuses(&["identify", "--format", "xml"], &["table, json"]);
    place.refuses(&["identify", "--parallel", "0"], &["1..=1024"]);
    place.refuses(&["identify", "-i", "nofile.yml"], &["nofile.yml", "no such file"]);
    place.refuses(&with(&["identify", "--limit", "127.0.0.2"]), &["127.0.0.2", "did you mean `127.0.0.1`"]);
    place.refuses(&with(&["identify", "--playbook", "nofile.yml"]), &["nofile.yml"]);
    place.refuses(&with(&["identify", "-o", "no/such/file"]), &["no/such/file", "`-o`"]);
    place.refuses(&with(&["identify", "--runs", "/proc/uproot"]), &["/proc/uproot", "--runs"]);
    place.refuses(&with(&["identify", "--ask-pass"]), &["SSH password", "UPROOT_PASSWORD"]);
    place.refuses(&with(&["inventory", "check", "-o", "no/such/file"]), &["no/such/file"]);
    place.refuses(&with(&["plan", "--out", "no/such/plan"]), &["no/such/plan", "--out"]);
    place.refuses(&with(&["plan", "--allow", "nosuch"]), &["nosuch", "administration-server"]);
    place.refuses(&["run"], &["no inventory", "--local"]);
    place.refuses(&["run", "--yes"], &["no inventory", "--local"]);
    place.refuses(&["playbook", "explain", "kels"], &["did you mean `kesl`?"]);
    place.refuses(&["playbook", "test", "nosuch"], &["nosuch"]);
    place.write("there.json", "{}");
    place.refuses(&with(&["plan", "--out", "there.json"]), &["there.json", "--force"]);
}

#[test]
fn a_file_that_is_not_there_is_wrong_input() {
    let place = Place::new();
    for arguments in [
        &["apply", "nosuch.json"][..],
        &["plan", "show", "nosuch.json"],
        &["plan", "diff", "nosuch.json", "nosuch.json"],
        &["report", "last"],
        &["runs", "show", "nosuch"],
        &["journal", "verify", "nosuch"],
    ] {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", texts(&output).1);
        assert!(texts(&output).1.starts_with("error: "), "{arguments:?}: {}", texts(&output).1);
    }
}

#[test]
fn what_is_not_obeyed_yet_is_refused_with_its_place() {
    let place = Place::new();
    let product = "products:\n  - id: a\n    name: A\n    platforms: [linux]\n    confirmed: false\n    \
                   detect: { path: /opt/a/b }\n    remove:\n";
    for (key, step) in [
        ("uninstall_program", "uninstall_program: Suite".to_owned()),
        ("delete_registry", "delete_registry: 'HKLM\\SOFTWARE\\A\\B'".to_owned()),
        ("reboot", "reboot: a driver".to_owned()),
    ] {
        let file = place.write("playbook.yml", &format!("uproot: 1\nname: test\n{product}      - {step}\n"));
        let arguments = ["plan", "-i", NOWHERE, "--playbook", &file];
        place.refuses(&arguments, &[key, "playbook.yml:10:", "  | "]);
        place.refuses(&["run", "--yes", "-i", NOWHERE, "--playbook", &file], &[key, "playbook.yml:10:"]);
        assert!(!place.0.path().join("uproot-plan.json").exists(), "{key}: a plan was written");
    }
}

#[test]
fn a_file_that_is_not_the_one_that_is_meant_is_refused_before_any_host_is_asked() {
    let place = Place::new();
    let tool = place.write("cleaner.sh", "echo gone\n");
    let digest = "5d1bd0a4bd3ae8ac2cc6e7b34e0d4d1b4d4e2b9e1a4d5f0a2c9e4c6b7a8d9e0f";
    let product = "products:\n  - id: a\n    name: A\n    platforms: [linux]\n    confirmed: false\n    \
                   detect: { path: /opt/a/b }\n    remove:\n";
    let playbook = |source: &str| {
        let step = format!("run: {{ command: x, upload: {{ source: {source}, sha256: \"{digest}\" }} }}");
        place.write("playbook.yml", &format!("uproot: 1\nname: test\n{product}      - {step}\n"))
    };
    for (source, why) in [
        ("cleaner.sh", "has the SHA-256"),
        (tool.as_str(), digest),
        ("cleaner.bin", "cannot be read"),
        ("/dev/zero", "is none"),
    ] {
        let file = playbook(source);
        let arguments = ["plan", "-i", NOWHERE, "--playbook", &file];
        place.refuses(&arguments, &[why, "playbook.yml:10:", "  | "]);
    }
    place.write("cleaner.sh", "");
    let file = playbook("cleaner.sh");
    place.refuses(&["run", "--yes", "-i", NOWHERE, "--playbook", &file], &["is empty", "playbook.yml:10:"]);
    // What changes nothing does not need it.
    assert_eq!(place.run(&["playbook", "check", &file]).status.code(), Some(0));
}

#[test]
fn packagers_get_completions_and_a_manual() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = place.run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(texts(&output).0.contains("identify"), "{shell}");
    }
    let manual = texts(&place.run(&["man"])).0;
    assert!(manual.contains(".TH uproot 1"), "{manual}");
}

#[test]
fn a_reader_that_has_seen_enough_changes_nothing() {
    let place = Place::new();
    let mut child =
        place.command(&["playbook", "schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(texts(&output).1, "");
}

#[test]
fn an_unreachable_host_has_a_command_that_can_be_copied() {
    let place = Place::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let known = place.write("known hosts", "");
    let arguments =
        ["identify", "-i", NOWHERE, "-u", "ops", "-p", &port, "--known-hosts", &known, "--format", "json"];
    let output = place.run(&arguments);
    let (stdout, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("standard output is JSON only");
    assert_eq!(report["hosts"][0]["state"], "unreachable");
    assert_eq!(report["hosts"][0]["remedy"], format!("nc -vz 127.0.0.1 {port}"));
    assert!(stderr.contains("127.0.0.1 unreachable"), "progress is on standard error: {stderr}");
    assert!(Path::new(&place.0.path().join("state/uproot/runs")).is_dir());
}
