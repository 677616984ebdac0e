//! Journals on a real disk: what is written is read again, and what was changed is found.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[path = "journal/resumed.rs"]
mod resumed;

use jiff::Timestamp;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use uproot::journal::{self, Defect, JournalError, Writer};
use uproot::model::event::{HostEntry, OutputRef, Phase, StepResult};
use uproot::model::{
    BootIdentity, Event, EventSink, ExitCode, HostState, MachineIdentity, Platform, Record, Truth,
};

fn started(hosts: &[&str], plan: Option<String>) -> Event {
    let entry = |name: &&str| HostEntry {
        name: (*name).to_owned(),
        address: "10.0.0.1:22".into(),
        user: Some("root".into()),
        groups: vec!["web".into()],
    };
    Event::RunStarted {
        run: "r".into(),
        verb: "apply".into(),
        version: "0.1.0".into(),
        operator: "op@desk".into(),
        playbook: "ab".repeat(32),
        plan,
        options: BTreeMap::from([("parallel".to_owned(), "4".to_owned())]),
        scope: Default::default(),
        hosts: hosts.iter().map(entry).collect(),
    }
}

fn intent(step: &str) -> Event {
    Event::StepIntent {
        step: step.into(),
        product: "kesl".into(),
        summary: "stop service kesl".into(),
        attempt: 1,
        boot: Default::default(),
    }
}

fn outcome(step: &str, stdout: OutputRef) -> Event {
    Event::StepOutcome {
        step: step.into(),
        product: "kesl".into(),
        summary: "stop service kesl".into(),
        result: StepResult::Done,
        status: Some(0),
        effect: Some(Truth::True),
        reboot_needed: false,
        reason: None,
        millis: 12,
        stdout,
        stderr: OutputRef::default(),
    }
}

fn host_ended(state: HostState) -> Event {
    Event::HostEnded { state, reason: String::new(), remedy: None, unfinished: false }
}

fn run_ended(summary: &[(HostState, usize)]) -> Event {
    Event::RunEnded { summary: summary.iter().copied().collect(), exit: ExitCode::Success }
}

fn facts(blob: String) -> Event {
    Event::Facts {
        phase: Phase::Before,
        blob,
        platform: Some(Platform::Linux),
        identity: MachineIdentity::default(),
        boot: BootIdentity::default(),
    }
}

/// A whole run with blobs and a plan; its directory.
fn whole_run(runs: &Path, id: &str) -> PathBuf {
    let writer = Writer::create(runs, id).unwrap();
    let plan = b"{\"plan\": true}\n";
    writer.save_plan(plan).unwrap();
    let digest = writer.store(plan).unwrap();
    std::fs::remove_file(writer.dir().join("output").join(&digest)).unwrap();
    writer.record(None, started(&["web01", "имя \"x\""], Some(digest))).unwrap();
    for host in ["web01", "имя \"x\""] {
        writer.record(Some(host), Event::HostStarted { wave: None }).unwrap();
        let blob = writer.store(format!("{{\"host\": {host:?}}}").as_bytes()).unwrap();
        writer.record(Some(host), facts(blob)).unwrap();
        writer.record(Some(host), intent("kesl/1")).unwrap();
        let blob = writer.store(b"stopped\n").unwrap();
        let stdout = OutputRef { blob: Some(blob), total: 8, tail: "stopped\n,\"hash\":\"x\"}".into() };
        writer.record(Some(host), outcome("kesl/1", stdout)).unwrap();
        writer.record(Some(host), host_ended(HostState::Removed)).unwrap();
    }
    writer.record(None, run_ended(&[(HostState::Removed, 2)])).unwrap();
    let dir = writer.dir().to_owned();
    writer.finish().unwrap();
    dir
}

fn files_of(dir: &Path) -> Vec<PathBuf> {
    let mut files = vec![dir.join("journal.jsonl"), dir.join("plan.json")];
    files.extend(std::fs::read_dir(dir.join("output")).unwrap().map(|entry| entry.unwrap().path()));
    files
}

#[test]
fn a_whole_run_has_no_defect_and_is_private() {
    let runs = tempfile::tempdir().unwrap();
    let dir = whole_run(&runs.path().join("deep/down"), "r1");
    assert_eq!(journal::verify(&dir).unwrap(), []);
    let run = journal::read(&dir).unwrap();
    assert!(run.finished);
    assert_eq!((run.id.as_str(), run.records.len()), ("r", 12));
    assert!(run.records.iter().enumerate().all(|(index, record)| record.seq == index as u64));
    for path in files_of(&dir) {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
    for path in [&runs.path().join("deep"), &dir, &dir.join("output")] {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700, "{}", path.display());
    }
}

#[test]
fn any_changed_byte_of_any_file_is_found() {
    let runs = tempfile::tempdir().unwrap();
    let dir = whole_run(runs.path(), "r1");
    let files = files_of(&dir);
    let mut random = StdRng::seed_from_u64(7);
    let mut last_bytes: Vec<(PathBuf, usize)> =
        files.iter().map(|path| (path.clone(), path.metadata().unwrap().len() as usize - 1)).collect();
    for round in 0..1000 {
        let (path, at) = last_bytes.pop().unwrap_or_else(|| {
            let path = &files[if round % 2 == 0 { 0 } else { random.random_range(0..files.len()) }];
            (path.clone(), random.random_range(0..path.metadata().unwrap().len() as usize))
        });
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[at] ^= random.random_range(1..=255u8);
        std::fs::write(&path, &bad).unwrap();
        let defects = journal::verify(&dir).unwrap();
        assert!(
            defects.iter().any(Defect::is_broken),
            "byte {at} of {}: {} became {}: {defects:?}",
            path.display(),
            good[at],
            bad[at]
        );
        if path.ends_with("journal.jsonl") {
            assert!(matches!(journal::read(&dir), Err(JournalError::Broken { .. })), "byte {at}");
        }
        std::fs::write(&path, &good).unwrap();
    }
    assert_eq!(journal::verify(&dir).unwrap(), []);
}

#[test]
fn a_journal_cut_at_any_byte_reads_as_a_prefix() {
    let runs = tempfile::tempdir().unwrap();
    let dir = whole_run(runs.path(), "r1");
    let whole = journal::read(&dir).unwrap().records;
    let path = dir.join("journal.jsonl");
    let bytes = std::fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let lines = bytes[..length].iter().filter(|byte| **byte == b'\n').count();
        let run = journal::read(&dir).unwrap();
        assert_eq!(run.records, whole[..lines]);
        assert!(!run.finished);
        let defects = journal::verify(&dir).unwrap();
        assert!(defects.contains(&Defect::Unfinished { records: lines }));
        assert!(!defects.iter().any(Defect::is_broken), "cut at {length}: {defects:?}");
        let torn = defects.iter().any(|defect| matches!(defect, Defect::Torn { .. }));
        assert_eq!(torn, length > 0 && bytes[length - 1] != b'\n');
    }
}

#[test]
fn records_are_handed_over_one_by_one_as_they_are_read_together() {
    let runs = tempfile::tempdir().unwrap();
    let dir = whole_run(runs.path(), "r1");
    let each = || {
        let mut records = Vec::new();
        let audit = journal::audit_each(&dir, None, Timestamp::now(), &mut |record| records.push(record));
        (records, audit.unwrap())
    };
    let whole = journal::read(&dir).unwrap();
    let (records, audit) = each();
    assert!(!audit.is_broken());
    assert_eq!(audit.run, journal::Run { records: Vec::new(), ..whole.clone() });
    let whole = whole.records;
    assert_eq!(records, whole);
    let path = dir.join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("stop service", "stop Service", 1)).unwrap();
    let (records, audit) = each();
    assert!(matches!(journal::read(&dir), Err(JournalError::Broken { .. })));
    assert!(audit.is_broken());
    assert!(!records.is_empty() && whole.starts_with(&records) && records.len() < whole.len());
}

#[test]
fn records_that_were_removed_added_or_swapped_are_found() {
    let runs = tempfile::tempdir().unwrap();
    let dir = whole_run(runs.path(), "r1");
    let path = dir.join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let check = |lines: &[&str], what: &str| {
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        assert!(journal::verify(&dir).unwrap().iter().any(Defect::is_broken), "{what}");
        assert!(matches!(journal::read(&dir), Err(JournalError::Broken { .. })), "{what}");
    };
    for at in 0..lines.len() - 1 {
        let mut less = lines.clone();
        less.remove(at);
        check(&less, &format!("line {at} removed"));
        let mut swapped = lines.clone();
        swapped.swap(at, at + 1);
        check(&swapped, &format!("line {at} swapped"));
    }
    for at in 0..lines.len() {
        let mut more = lines.clone();
        more.insert(at, lines[at]);
        check(&more, &format!("line {at} doubled"));
    }
    std::fs::write(&path, text.clone() + "{").unwrap();
    assert_eq!(
        journal::verify(&dir).unwrap().first(),
        Some(&Defect::AfterEnd { line: lines.len() + 1 }),
        "nothing may follow the end, not even a torn line"
    );
}

#[test]
fn every_defect_is_listed_not_the_first_alone() {
    let runs = tempfile::tempdir().unwrap();
    let dir = whole_run(runs.path(), "r1");
    let path = dir.join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"millis\":12", "\"millis\":13", 2)).unwrap();
    std::fs::write(dir.join("plan.json"), "{}").unwrap();
    std::fs::remove_dir_all(dir.join("output")).unwrap();
    let defects = journal::verify(&dir).unwrap();
    let count = |is: fn(&Defect) -> bool| defects.iter().filter(|defect| is(defect)).count();
    assert_eq!(count(|defect| matches!(defect, Defect::BadHash { .. })), 2, "{defects:?}");
    assert_eq!(count(|defect| matches!(defect, Defect::BlobMissing { .. })), 3, "{defects:?}");
    assert_eq!(count(|defect| matches!(defect, Defect::PlanAltered { .. })), 1, "{defects:?}");
    assert_eq!(defects.len(), 6, "{defects:?}");
    for defect in &defects {
        let text = defect.to_string();
        assert!(
            text.starts_with("journal.jsonl:")
                || text.starts_with("output/")
                || text.starts_with("plan.json")
        );
        assert!(!defect.remedy().is_empty());
    }
}

/// An event, and the host it is about.
type Told<'a> = (Option<&'a str>, Event);

/// Writes events as they are, in a finished journal whose chain holds, and verifies it.
fn verify_events(events: Vec<Told<'_>>) -> Vec<Defect> {
    let runs = tempfile::tempdir().unwrap();
    let writer = Writer::create(runs.path(), "r").unwrap();
    for (host, event) in events {
        writer.record(host, event).unwrap();
    }
    let dir = writer.dir().to_owned();
    writer.finish().unwrap();
    journal::verify(&dir).unwrap()
}

#[test]
fn violations_of_the_grammar_are_found() {
    let start = || (None, started(&["a"], None));
    let begin = || (Some("a"), Event::HostStarted { wave: None });
    let end = || (Some("a"), host_ended(HostState::Clean));
    let over = || (None, run_ended(&[(HostState::Clean, 1)]));
    let wave = |passed: bool| {
        let wave = "w".to_owned();
        (None, Event::WaveEnded { wave, passed, failures: 0, unreachable: 0, reason: None, clock: None })
    };
    let host = || "a".to_owned();
    let step = || "kesl/1".to_owned();
    let none = OutputRef::default;
    let cases: Vec<(Vec<Told<'_>>, Vec<Defect>)> = vec![
        (vec![start(), begin(), end(), over()], vec![]),
        (vec![start(), end(), over()], vec![]),
        (
            vec![start(), begin(), end(), over()].split_off(1),
            vec![
                Defect::Start { line: 1 },
                Defect::UnknownHost { line: 1, host: host() },
                Defect::UnknownHost { line: 2, host: host() },
                Defect::Summary { line: 3, expected: "no host".into(), found: "1 clean".into() },
            ],
        ),
        (vec![start(), start(), end(), over()], vec![Defect::Start { line: 2 }]),
        (
            vec![start(), begin(), over()],
            vec![
                Defect::Summary { line: 3, expected: "no host".into(), found: "1 clean".into() },
                Defect::NoHostEnd { host: host() },
            ],
        ),
        (
            vec![start(), end(), end(), over()],
            vec![Defect::AfterHostEnd { line: 3, host: host(), event: "host_ended", ended: 2 }],
        ),
        (
            vec![start(), begin(), begin(), end(), over()],
            vec![Defect::StartedTwice { line: 3, host: host() }],
        ),
        (
            vec![start(), begin(), (Some("a"), intent("kesl/1")), end(), over()],
            vec![Defect::NoOutcome { line: 3, host: host(), step: step() }],
        ),
        (
            vec![start(), begin(), (Some("a"), outcome("kesl/1", none())), end(), over()],
            vec![Defect::NoIntent { line: 3, host: host(), step: step(), result: StepResult::Done }],
        ),
        (
            vec![
                start(),
                begin(),
                (Some("a"), intent("kesl/1")),
                (Some("a"), outcome("kesl/1", none())),
                (Some("a"), outcome("kesl/1", none())),
                end(),
                over(),
            ],
            vec![Defect::OutcomeTwice { line: 5, host: host(), step: step() }],
        ),
        (
            vec![
                start(),
                begin(),
                (Some("a"), intent("kesl/1")),
                (Some("a"), outcome("kesl/1", none())),
                (Some("a"), intent("kesl/1")),
                (Some("a"), outcome("kesl/1", none())),
                end(),
                over(),
            ],
            vec![Defect::IntentTwice { line: 5, host: host(), step: step() }],
        ),
        (
            vec![
                start(),
                (Some("a"), intent("kesl/1")),
                (Some("a"), outcome("kesl/1", none())),
                end(),
                over(),
            ],
            vec![
                Defect::BeforeStart { line: 2, host: host(), event: "step_intent" },
                Defect::BeforeStart { line: 3, host: host(), event: "step_outcome" },
            ],
        ),
        (
            vec![start(), (Some("b"), host_ended(HostState::Clean)), end(), over()],
            vec![Defect::UnknownHost { line: 2, host: "b".into() }],
        ),
        (
            vec![start(), (None, host_ended(HostState::Clean)), end(), over()],
            vec![Defect::HostName { line: 2, event: "host_ended", needs_host: true }],
        ),
        (
            vec![start(), wave(true), end(), over()],
            vec![Defect::Wave { line: 2, wave: "w".into(), what: "ended, but was not started" }],
        ),
        (
            vec![start(), (Some("a"), host_ended(HostState::Failed)), over()],
            vec![Defect::Summary { line: 3, expected: "1 failed".into(), found: "1 clean".into() }],
        ),
        // What a controller that died leaves is unfinished, and nothing else.
        (vec![start(), begin(), (Some("a"), intent("kesl/1"))], vec![Defect::Unfinished { records: 3 }]),
    ];
    for (events, expected) in cases {
        assert_eq!(verify_events(events.clone()), expected, "{events:?}");
    }
}

#[test]
fn facts_that_are_no_json_and_blobs_without_a_record_are_told() {
    let runs = tempfile::tempdir().unwrap();
    let writer = Writer::create(runs.path(), "r").unwrap();
    writer.record(None, started(&["a"], None)).unwrap();
    writer.record(Some("a"), Event::HostStarted { wave: None }).unwrap();
    let blob = writer.store(b"{\"cut").unwrap();
    let unnamed = writer.store(b"nobody names me").unwrap();
    writer.record(Some("a"), facts(blob.clone())).unwrap();
    writer.record(Some("a"), facts("../../etc/passwd".into())).unwrap();
    writer.record(Some("a"), host_ended(HostState::Clean)).unwrap();
    writer.record(None, run_ended(&[(HostState::Clean, 1)])).unwrap();
    let dir = writer.dir().to_owned();
    writer.finish().unwrap();
    let defects = journal::verify(&dir).unwrap();
    assert!(
        matches!(&defects[..], [
        Defect::BlobName { line: 4, .. },
        Defect::BlobUndecodable { sha, line: 3, .. },
        Defect::BlobUnnamed { name },
    ] if *sha == blob && *name == unnamed),
        "{defects:?}"
    );
    assert!(!defects[2].is_broken());
    assert_eq!(journal::open_blob(&dir, &unnamed).unwrap(), b"nobody names me");
    assert!(matches!(journal::open_blob(&dir, "../lock"), Err(JournalError::BadBlobName(_))));
    std::fs::write(dir.join("output").join(&unnamed), b"x").unwrap();
    assert!(matches!(journal::open_blob(&dir, &unnamed), Err(JournalError::BlobAltered { .. })));
}

#[test]
fn a_run_has_one_writer() {
    let runs = tempfile::tempdir().unwrap();
    let writer = Writer::create(runs.path(), "r").unwrap();
    assert!(matches!(Writer::create(runs.path(), "r"), Err(JournalError::Busy { .. })));
    assert!(journal::list(runs.path()).unwrap()[0].running);
    writer.finish().unwrap();
    assert!(matches!(Writer::create(runs.path(), "r"), Err(JournalError::Exists { .. })));
    assert!(!journal::list(runs.path()).unwrap()[0].running);
    for id in ["", ".", "..", "a/b", "-x", "last", "a b", &"x".repeat(129)] {
        assert!(matches!(Writer::create(runs.path(), id), Err(JournalError::BadRunId(_))), "{id:?}");
    }
}

#[test]
fn a_journal_of_a_newer_format_is_refused_not_guessed_at() {
    let runs = tempfile::tempdir().unwrap();
    let dir = whole_run(runs.path(), "r1");
    let path = dir.join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("{\"uproot_journal\":1", "{\"uproot_journal\":2", 1)).unwrap();
    let refused = |error| matches!(error, Some(JournalError::NewerFormat { found: 2, .. }));
    assert!(refused(journal::read(&dir).err()));
    assert!(refused(journal::verify(&dir).err()));
    let listed = journal::list(runs.path()).unwrap();
    assert!(listed[0].problem.as_deref().is_some_and(|problem| problem.contains("newer uproot")));
}

#[test]
fn runs_are_found_by_id_prefix_path_and_last() {
    let runs = tempfile::tempdir().unwrap();
    let first = whole_run(runs.path(), "0198-aa");
    let second = whole_run(runs.path(), "0198-ab");
    std::fs::create_dir(runs.path().join("0199-not-a-run")).unwrap();
    let find = |which: &str| journal::find(runs.path(), which);
    assert_eq!(find("0198-aa").unwrap(), first);
    assert_eq!(find("0198-ab").unwrap(), second);
    assert_eq!(find("last").unwrap(), second);
    assert_eq!(find(first.to_str().unwrap()).unwrap(), first);
    assert_eq!(find(first.join("journal.jsonl").to_str().unwrap()).unwrap(), first);
    assert!(matches!(find("0198"), Err(JournalError::Ambiguous { candidates, .. }) if candidates.len() == 2));
    assert!(matches!(find("0199"), Err(JournalError::NoSuchRun { .. })));
    assert!(matches!(find(""), Err(JournalError::NoSuchRun { .. })));
    assert!(matches!(find("/nowhere"), Err(JournalError::NotARun(_))));
    assert!(matches!(journal::find(Path::new("/nowhere"), "last"), Err(JournalError::NoSuchRun { .. })));
}

#[test]
fn a_list_has_the_newest_first_and_tells_of_what_it_cannot_read() {
    let runs = tempfile::tempdir().unwrap();
    whole_run(runs.path(), "1");
    let writer = Writer::create(runs.path(), "2").unwrap();
    writer.record(None, started(&["a", "b"], None)).unwrap();
    writer.record(Some("a"), host_ended(HostState::Skipped)).unwrap();
    writer.finish().unwrap();
    std::fs::create_dir_all(runs.path().join("3")).unwrap();
    std::fs::write(runs.path().join("3/journal.jsonl"), "garbage\n").unwrap();
    let listed = journal::list(runs.path()).unwrap();
    let ids: Vec<&str> = listed.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(ids, ["3", "2", "1"]);
    assert!(listed[0].problem.as_deref().is_some_and(|problem| problem.contains("broken")));
    assert_eq!((listed[1].finished, listed[1].hosts), (false, 2));
    assert_eq!(listed[1].summary, BTreeMap::from([(HostState::Skipped, 1)]));
    assert_eq!((listed[2].finished, listed[2].verb.as_str()), (true, "apply"));
    assert_eq!(listed[2].summary, BTreeMap::from([(HostState::Removed, 2)]));
    assert!(journal::list(Path::new("/nowhere")).unwrap().is_empty());
}

/// The recipe of `docs/journal.md`.
fn recipe() -> String {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/journal.md")).unwrap();
    docs.split("```sh\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

fn run_recipe(dir: &Path) -> (bool, String) {
    let mut child = Command::new("sh")
        .args(["-s", "--"])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(recipe().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn an_auditor_can_check_the_chain_with_a_shell() {
    let runs = tempfile::tempdir().unwrap();
    let dir = whole_run(runs.path(), "r1");
    let Event::RunStarted { plan: Some(plan), .. } = journal::read(&dir).unwrap().records.remove(0).event
    else {
        panic!("no plan");
    };
    let text = std::fs::read_to_string(dir.join("journal.jsonl")).unwrap();
    let head = text.trim_end().strip_suffix("\"}").unwrap().rsplit('"').next().unwrap();
    assert_eq!(run_recipe(&dir), (true, format!("12 records, head {head}\nplan {plan}\n")));
    std::fs::write(dir.join("journal.jsonl"), text.replacen("web", "wEb", 1)).unwrap();
    let (good, said) = run_recipe(&dir);
    assert!(!good && said.starts_with("line 1: the hash is"), "{said}");
    std::fs::write(dir.join("journal.jsonl"), &text[..text.len() - 5]).unwrap();
    let (good, said) = run_recipe(&dir);
    assert!(good && said.starts_with("the last line is torn\n11 records"), "{said}");
    let blob = files_of(&dir).pop().unwrap();
    std::fs::write(&blob, "x").unwrap();
    assert!(!run_recipe(&dir).0);
}

fn any_event() -> impl Strategy<Value = Event> {
    let text = || any::<String>();
    prop_oneof![
        (text(), text()).prop_map(|(reason, remedy)| Event::HostEnded {
            state: HostState::Blocked,
            reason,
            remedy: Some(remedy),
            unfinished: false
        }),
        (text(), any::<Option<i32>>(), any::<u64>()).prop_map(|(tail, status, total)| Event::StepOutcome {
            step: tail.clone(),
            product: tail.clone(),
            summary: tail.clone(),
            result: StepResult::Failed,
            status,
            effect: Some(Truth::Unknown),
            reboot_needed: false,
            reason: Some(tail.clone()),
            millis: total,
            stdout: OutputRef { blob: None, total, tail },
            stderr: OutputRef::default(),
        }),
        (text(), any::<usize>()).prop_map(|(wave, hosts)| Event::WaveStarted {
            wave,
            hosts,
            max_failures: 0,
            max_unreachable: Some(hosts)
        }),
        text().prop_map(|what| Event::Decision { operator: what.clone(), what }),
        Just(Event::HostStarted { wave: None }),
        any::<u64>().prop_map(|bytes| Event::Repaired { bytes }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_recorded_is_read(events in prop::collection::vec((any::<Option<String>>(), any_event()), 0..20)) {
        let runs = tempfile::tempdir().unwrap();
        let writer = Writer::create(runs.path(), "r").unwrap();
        for (host, event) in &events {
            writer.record(host.as_deref(), event.clone()).unwrap();
        }
        let dir = writer.dir().to_owned();
        writer.finish().unwrap();
        let run = journal::read(&dir).unwrap();
        let read: Vec<(Option<String>, Event)> =
            run.records.into_iter().map(|Record { host, event, .. }| (host, event)).collect();
        prop_assert_eq!(read, events);
    }

    #[test]
    fn no_file_makes_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), lines in 0usize..5) {
        let runs = tempfile::tempdir().unwrap();
        let dir = whole_run(runs.path(), "r");
        let good = std::fs::read_to_string(dir.join("journal.jsonl")).unwrap();
        let mut mixed: Vec<u8> = good.split_inclusive('\n').take(lines).collect::<String>().into_bytes();
        mixed.extend(bytes);
        std::fs::write(dir.join("journal.jsonl"), mixed).unwrap();
        let _ = journal::read(&dir);
        let _ = journal::verify(&dir);
        let _ = journal::list(runs.path());
    }
}

const CHILD_RUNS: &str = "UPROOT_TEST_CHILD_RUNS";

/// Not a test by itself: the process that `what_was_acknowledged_survives_a_kill` kills.
#[test]
fn child_that_records_until_it_is_killed() {
    let Some(runs) = std::env::var_os(CHILD_RUNS) else { return };
    let writer = Arc::new(Writer::create(Path::new(&runs), "r").unwrap());
    writer.record(None, started(&["a"], None)).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let writer = Arc::clone(&writer);
            std::thread::spawn(move || {
                for number in 0.. {
                    let step = format!("kesl/{thread}-{number}");
                    let blob = writer.store(step.as_bytes()).unwrap();
                    let stdout = OutputRef { blob: Some(blob.clone()), total: 1, tail: String::new() };
                    writer.record(Some("a"), outcome(&step, stdout)).unwrap();
                    // One write, so that lines of several threads do not mix.
                    let line = format!("ack {step} {blob}\n");
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                    std::io::stdout().flush().unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let mut random = StdRng::seed_from_u64(11);
    for round in 0..20 {
        let runs = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_records_until_it_is_killed", "--nocapture", "--test-threads=1"])
            .env(CHILD_RUNS, runs.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("ack ") {
            assert!(output.read_line(&mut said).unwrap() > 0, "the child ended by itself");
        }
        std::thread::sleep(Duration::from_millis(random.random_range(0..60)));
        child.kill().unwrap();
        child.wait().unwrap();
        output.read_to_string(&mut said).unwrap();
        let dir = runs.path().join("r");
        let run = journal::read(&dir).unwrap();
        assert!(!run.finished);
        let steps: BTreeSet<&str> = run
            .records
            .iter()
            .filter_map(|record| match &record.event {
                Event::StepOutcome { step, .. } => Some(step.as_str()),
                _ => None,
            })
            .collect();
        let whole_lines = said.rsplit_once('\n').map_or("", |(lines, _)| lines);
        let mut acknowledged = 0;
        for line in whole_lines.lines().filter_map(|line| line.split_once("ack ").map(|(_, ack)| ack)) {
            let (step, blob) = line.split_once(' ').unwrap();
            assert!(steps.contains(step), "round {round}: {step} was acknowledged and is lost");
            assert_eq!(journal::open_blob(&dir, blob).unwrap(), step.as_bytes());
            acknowledged += 1;
        }
        assert!(acknowledged > 0);
        let bad: Vec<Defect> = journal::verify(&dir)
            .unwrap()
            .into_iter()
            .filter(|defect| defect.breaks_chain() || matches!(defect, Defect::BlobMissing { .. }))
            .collect();
        assert!(bad.is_empty(), "{bad:?}");
    }
}

const CHILD_LIMIT: &str = "UPROOT_TEST_CHILD_LIMIT";

/// Not a test by itself: a process whose files may not grow, as on a full disk.
#[test]
fn child_that_records_until_its_file_is_full() {
    let (Some(runs), Ok(limit)) = (std::env::var_os(CHILD_RUNS), std::env::var(CHILD_LIMIT)) else { return };
    let signal = Arc::new(std::sync::atomic::AtomicBool::new(false));
    signal_hook::flag::register(25, signal).unwrap(); // SIGXFSZ would end the process
    let limit = limit.parse().ok();
    rustix::process::setrlimit(
        rustix::process::Resource::Fsize,
        rustix::process::Rlimit { current: limit, maximum: limit },
    )
    .unwrap();
    let writer = Writer::create(Path::new(&runs), "r").unwrap();
    writer.record(None, started(&["a"], None)).unwrap();
    let accepted = (0..10_000).take_while(|_| writer.record(Some("a"), intent("kesl/1")).is_ok()).count();
    assert!(accepted > 0 && accepted < 10_000);
    for _ in 0..3 {
        writer.record(Some("a"), host_ended(HostState::Clean)).unwrap_err();
    }
    writer.store(b"x").unwrap_err();
    let error = writer.finish().unwrap_err().to_string();
    assert!(error.contains("journal.jsonl") && error.contains("free space"), "{error}");
    println!("accepted {accepted}.");
}

#[test]
fn a_file_that_cannot_grow_is_told_and_leaves_whole_records() {
    for limit in [2000, 4096, 4100, 9999] {
        let runs = tempfile::tempdir().unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_records_until_its_file_is_full", "--nocapture", "--test-threads=1"])
            .env(CHILD_RUNS, runs.path())
            .env(CHILD_LIMIT, limit.to_string())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let accepted = said.split("accepted ").nth(1).unwrap().split('.').next().unwrap();
        let dir = runs.path().join("r");
        assert_eq!(journal::read(&dir).unwrap().records.len(), accepted.parse::<usize>().unwrap() + 1);
        let records = accepted.parse::<usize>().unwrap() + 1;
        assert_eq!(journal::verify(&dir).unwrap().last(), Some(&Defect::Unfinished { records }));
    }
}
