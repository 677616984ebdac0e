//! What the tests of facts share.

#![allow(dead_code, reason = "each test binary uses its part")]

use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};
use uproot::facts::{Facts, Questions, Topic, parse, script};
use uproot::model::BoundedOutput;
use uproot::transport::{Answer, BecomeResult, StreamEnd};

pub const NONCE: &str = "uproot-0123456789abcdef0123456789abcdef";

pub const LISTINGS: [&str; 10] = [
    "mounts",
    "packages",
    "services",
    "processes",
    "kernel_modules",
    "certificates",
    "users",
    "groups",
    "ports",
    "scheduled_tasks",
];

pub fn everything() -> Questions {
    let topics = [
        Topic::Packages,
        Topic::Services,
        Topic::Processes,
        Topic::KernelModules,
        Topic::Certificates,
        Topic::Users,
        Topic::Groups,
        Topic::Ports,
        Topic::ScheduledTasks,
    ];
    Questions { topics: topics.into(), ..Questions::default() }
}

pub fn about<'a>(
    paths: impl IntoIterator<Item = &'a str>,
    files: impl IntoIterator<Item = &'a str>,
) -> Questions {
    Questions {
        paths: paths.into_iter().map(str::to_owned).collect(),
        files: files.into_iter().map(|file| (file.to_owned(), Default::default())).collect(),
        ..Questions::default()
    }
}

/// Has a command read the script as a host's `sh` does.
pub fn ask(command: &mut Command, questions: &Questions) -> Answer {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let text = script(questions, NONCE).text().to_owned();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    let mut answer = answer(&output.stdout);
    answer.stderr.push(&output.stderr);
    answer.end = StreamEnd::Complete { status: output.status.code().unwrap_or(-1) };
    answer
}

/// An answer with these bytes, which ended well.
pub fn answer(stdout: &[u8]) -> Answer {
    let mut bounded = BoundedOutput::with_limit(8 * 1024 * 1024);
    bounded.push(stdout);
    Answer {
        stdout: bounded,
        stderr: BoundedOutput::with_limit(64 * 1024),
        end: StreamEnd::Complete { status: 0 },
        become_result: BecomeResult::NotAsked,
    }
}

pub fn facts_of(questions: &Questions, answer: &Answer) -> Facts {
    parse("h", questions, NONCE, answer, None, "2026-01-01T00:00:00Z".parse().unwrap())
}

pub fn json(facts: &Facts) -> Value {
    serde_json::to_value(facts).unwrap()
}

pub fn is_complete(listing: &Value) -> bool {
    listing.get("gaps").is_none()
}

/// Every listing of a document by name.
pub fn listings(document: &Value) -> Vec<(String, &Value)> {
    let mut all: Vec<(String, &Value)> =
        LISTINGS.iter().map(|name| ((*name).to_owned(), &document[name])).collect();
    for map in ["paths", "files"] {
        let entries = document[map].as_object().unwrap();
        all.extend(entries.iter().map(|(key, listing)| (format!("{map} {key}"), listing)));
    }
    all
}

/// Each listing of `other` is as in `whole`, or has gaps. `skip` names those that differ anyway.
pub fn assert_never_falsely_complete(whole: &Facts, other: &Facts, skip: &[&str], context: &str) {
    let (whole, other) = (json(whole), json(other));
    for ((name, expected), (_, found)) in listings(&whole).into_iter().zip(listings(&other)) {
        if skip.contains(&name.as_str()) || !is_complete(found) {
            continue;
        }
        assert!(is_complete(expected), "{context}: `{name}` lost its gaps {}", expected["gaps"]);
        assert_eq!(expected["items"], found["items"], "{context}: `{name}` is falsely complete");
    }
    for field in ["identity", "boot", "os"] {
        for (key, found) in other[field].as_object().unwrap() {
            if skip.contains(&format!("{field}.{key}").as_str()) {
                continue;
            }
            let is_lost = found.is_null() || found == "";
            assert!(is_lost || found == &whole[field][key], "{context}: {field}.{key} is {found}");
        }
    }
    if other["pending_reboot"] == "no" {
        assert_eq!(whole["pending_reboot"], "no", "{context}");
    }
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}
