//! The script, run by real shells on this machine, and the parser on what they say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::io::Write;
use std::process::{Command, Stdio};
use uproot::facts::{Facts, Questions, Topic, parse, script};
use uproot::model::BoundedOutput;
use uproot::transport::{Answer, BecomeResult, StreamEnd};

const NONCE: &str = "uproot-0123456789abcdef0123456789abcdef";

/// The shells that a host's `sh` may be, with their arguments; those that are not on this machine
/// are left out, `sh` never is.
fn shells() -> Vec<Vec<&'static str>> {
    let all = [
        vec!["sh"],
        vec!["dash"],
        vec!["bash"],
        vec!["bash", "--posix"],
        vec!["busybox", "ash"],
        vec!["busybox", "sh"],
    ];
    let is_here = |name: &str| Command::new(name).args(["-c", ":"]).output().is_ok();
    all.into_iter().filter(|shell| is_here(shell[0])).collect()
}

fn answer(shell: &[&str], questions: &Questions) -> Answer {
    let mut child = Command::new(shell[0])
        .args(&shell[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text = script(questions, NONCE).text().to_owned();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let bounded = |bytes: &[u8]| {
        let mut bounded = BoundedOutput::with_limit(8 * 1024 * 1024);
        bounded.push(bytes);
        bounded
    };
    Answer {
        stdout: bounded(&output.stdout),
        stderr: bounded(&output.stderr),
        end: StreamEnd::Complete { status: output.status.code().unwrap_or(-1) },
        become_result: BecomeResult::NotAsked,
    }
}

fn facts(questions: &Questions, answer: &Answer) -> Facts {
    parse("h", questions, NONCE, answer, None, "2026-01-01T00:00:00Z".parse().unwrap())
}

fn everything() -> Questions {
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

#[test]
fn dump() {
    let mut q = everything();
    q.paths.extend(["/etc/pass*", "/opt", "/nope/x", "/etc/init.d/*", "/root/.b*"].map(str::to_owned));
    q.files.insert("/etc/hosts".to_owned());
    let s = script(&q, NONCE);
    std::fs::write("/tmp/facts-script.sh", s.text()).unwrap();
    for shell in shells() {
        let a = answer(&shell, &q);
        let t = std::time::Instant::now();
        let f = facts(&q, &a);
        eprintln!("{shell:?} {:?} stderr={} {:?}", a.end, a.stderr.text(), t.elapsed());
        std::fs::write(format!("/tmp/facts-{}.json", shell.join("_")), uproot::facts::document::to_json(&f))
            .unwrap();
        std::fs::write(format!("/tmp/facts-{}.out", shell.join("_")), a.stdout.bytes()).unwrap();
    }
}
