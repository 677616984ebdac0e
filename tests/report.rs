//! Reports of one fixed run that has every state in it, and of runs that broke off.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[path = "report/gates.rs"]
mod gates;
#[path = "report/guide.rs"]
mod guide;
#[path = "report/resumed.rs"]
mod resumed;
#[path = "report/scope.rs"]
mod scope;
#[path = "report/script.rs"]
mod script;

use proptest::prelude::*;
use script::{Script, absent, finding, present};
use std::collections::BTreeMap;
use unicode_width::UnicodeWidthStr;
use uproot::model::event::{Phase, StepResult};
use uproot::model::{Event, ExitCode, Finding, HostState, ProductState};
use uproot::report::{Report, ReportError, TableOptions, json, table};

/// A run that has every state in it, and hostile strings.
fn every_state() -> Script {
    let clean: Vec<String> = (1..=9).map(|number| format!("clean{number:02}")).collect();
    let skipped: Vec<String> = (1..=5).map(|number| format!("rest{number:02}")).collect();
    let named = [
        "db01.example.com",
        "db02",
        "web01",
        "web02",
        "web03",
        "web04",
        "app01",
        "app02",
        "app03",
        "reboot01",
        "done01",
        "ホスト01",
    ];
    let hosts: Vec<&str> = named
        .into_iter()
        .chain(clean.iter().map(String::as_str))
        .chain(skipped.iter().map(String::as_str))
        .collect();
    let mut script = Script::default();
    script
        .start(&hosts)
        .add(None, Event::Decision { operator: "ops@desk".into(), what: "apply to 26 hosts".into() });
    let wave = || "canary".to_owned();
    script.add(None, Event::WaveStarted { wave: wave(), hosts: 21, max_failures: 1, max_unreachable: None });
    for host in named.into_iter().chain(clean.iter().map(String::as_str)) {
        script.begin(host);
    }
    let dpkg = "dpkg: error processing package kesl (--purge):\n subprocess pre-removal script returned error \
                exit status 1\nErrors were encountered while processing:\n kesl\x1b[31m\n";
    script
        .facts("db01.example.com")
        .found("db01.example.com", Phase::Before, &present())
        .intent("db01.example.com", "kesl/1")
        .outcome("db01.example.com", "kesl/1", StepResult::Failed, dpkg)
        .outcome("db01.example.com", "kesl/2", StepResult::NotRun, "")
        .end(
            "db01.example.com",
            HostState::Failed,
            "step kesl/1 `remove packages kesl-gui, kesl` ended with status 1",
            None,
        );
    script
        .found("db02", Phase::Before, &present())
        .intent("db02", "kesl/1")
        .outcome("db02", "kesl/1", StepResult::Interrupted, "")
        .end("db02", HostState::Interrupted, "the connection was lost in step kesl/1", None);
    script
        .found("web01", Phase::Before, &present())
        .intent("web01", "kesl/1")
        .outcome("web01", "kesl/1", StepResult::Blocked, "Password protection is on\n")
        .end("web01", HostState::Blocked, "the product asks for its removal password", None);
    script.found("web02", Phase::Before, &present()).end(
        "web02",
        HostState::Drifted,
        "package kesl: planned 12.0.0, found 12.1.0-1543",
        None,
    );
    script.found("web03", Phase::Before, &present()).end(
        "web03",
        HostState::Present,
        "klnagent: not in the plan",
        None,
    );
    let residue =
        [finding("kesl", ProductState::Residue, None), finding("klnagent", ProductState::Absent, None)];
    script.found("web04", Phase::Before, &residue).end("web04", HostState::Residue, "", None);
    let unknown: Vec<Finding> = ["kesl", "klnagent", "ksc", "klms", "ksmg"]
        .into_iter()
        .map(|product| finding(product, ProductState::Unknown, None))
        .collect();
    script.found("app01", Phase::Before, &unknown).end(
        "app01",
        HostState::Unknown,
        "the package database cannot be read: /var/lib/dpkg/status: Permission denied",
        Some("uproot identify --become --limit app01"),
    );
    script.end(
        "app02",
        HostState::Unreachable,
        "10.0.0.7:22: host key is not known \x1b]0;pwned\x07",
        Some("ssh-keyscan -p 22 -t ed25519,ecdsa,rsa 10.0.0.7 >> ~/.ssh/known_hosts_of_the_whole_site"),
    );
    script.end("app03", HostState::Unreachable, "10.0.0.8:22: connection refused", None);
    for (host, state) in [("reboot01", HostState::RemovedRebootPending), ("done01", HostState::Removed)] {
        script
            .found(host, Phase::Before, &present())
            .intent(host, "kesl/1")
            .outcome(host, "kesl/1", StepResult::Done, "")
            .found(host, Phase::After, &absent())
            .end(host, state, "", None);
    }
    script.found("ホスト01", Phase::Before, &present()).end(
        "ホスト01",
        HostState::Present,
        "製品が見つかりました\u{202e}desrever",
        None,
    );
    for host in &clean {
        script.found(host, Phase::Before, &absent()).end(host, HostState::Clean, "", None);
    }
    let reason = Some("2 failures, 1 allowed".to_owned());
    script.add(
        None,
        Event::WaveEnded { wave: wave(), passed: false, failures: 2, unreachable: 2, reason, clock: None },
    );
    for host in &skipped {
        script.end(host, HostState::Skipped, "wave `rest` was not begun", None);
    }
    script.finish(ExitCode::Stopped);
    script
}

pub(crate) fn options(width: usize) -> TableOptions<'static> {
    TableOptions { width, ..TableOptions::default() }
}

#[test]
fn table_at_80_columns() {
    insta::assert_snapshot!(table(&every_state().report(), &options(80)));
}

#[test]
fn table_at_50_columns() {
    insta::assert_snapshot!(table(&every_state().report(), &options(50)));
}

#[test]
fn table_with_all_details() {
    insta::assert_snapshot!(table(&every_state().report(), &TableOptions { verbose: true, ..options(100) }));
}

#[test]
fn json_of_every_state() {
    insta::assert_snapshot!(json(&every_state().report()));
}

fn schema() -> serde_json::Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/report-schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Users may meet fields that a later uproot adds; this test may not: each has to be in the schema.
fn close_objects(schema: &mut serde_json::Value) {
    match schema {
        serde_json::Value::Object(map) => {
            if map.contains_key("properties") {
                map.insert("additionalProperties".into(), false.into());
            }
            map.values_mut().for_each(close_objects);
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(close_objects),
        _ => {}
    }
}

#[test]
fn json_is_as_the_schema_says() {
    let mut schema = schema();
    jsonschema::meta::validate(&schema).unwrap();
    close_objects(&mut schema);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut unfinished = Script::default();
    unfinished.start(&["a"]).add(
        None,
        Event::WaveStarted { wave: "w".into(), hosts: 1, max_failures: 0, max_unreachable: Some(2) },
    );
    for script in [every_state(), unfinished, resumed::stopped(), resumed::resumed()] {
        let document: serde_json::Value = serde_json::from_str(&json(&script.report())).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
    let mut wrong: serde_json::Value = serde_json::from_str(&json(&every_state().report())).unwrap();
    wrong["hosts"][0]["state"] = "fine".into();
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn json_shown_on_a_terminal_does_nothing_to_it() {
    let text = json(&every_state().report());
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "a control character");
    assert!(!text.contains('\u{202e}'));
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let reasons: Vec<&str> =
        document["hosts"].as_array().unwrap().iter().map(|host| host["reason"].as_str().unwrap()).collect();
    assert!(reasons.contains(&"製品が見つかりました\u{202e}desrever"), "the string itself is unchanged");
    assert!(reasons.contains(&"10.0.0.7:22: host key is not known \x1b]0;pwned\x07"));
}

#[test]
fn every_host_that_cannot_be_vouched_for_has_a_command() {
    let text = table(&every_state().report(), &options(80));
    assert_eq!(text.matches("fix: ").count(), 3, "{text}");
    assert!(text.contains("fix: uproot runs show 01990c3e-7a10-7000-8000-000000000001 -v\n"), "{text}");
    assert!(
        text.contains("(21 hosts, 2 failures, 2\n  unreachable): db01.example.com failed, db02"),
        "{text}"
    );
    assert!(text.contains("fix: ssh-keyscan -p 22 -t ed25519,ecdsa,rsa 10.0.0.7 >> \\\n"), "{text}");
}

#[test]
fn color_paints_states_and_nothing_else() {
    let plain = table(&every_state().report(), &options(80));
    let colored = table(&every_state().report(), &TableOptions { color: true, ..options(80) });
    assert!(!plain.contains('\x1b'));
    assert!(colored.contains("\x1b[31mfailed\x1b[0m"));
    let stripped = regex::Regex::new("\x1b\\[[0-9]+m").unwrap().replace_all(&colored, "").into_owned();
    let ends = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(ends(&stripped), ends(&plain));
}

#[test]
fn a_run_that_broke_off_says_so_of_every_host() {
    let mut script = Script::default();
    script
        .start(&["acted", "begun", "done", "never"])
        .begin("acted")
        .intent("acted", "kesl/1")
        .begin("begun");
    script.begin("done").end("done", HostState::Clean, "", None);
    let report = script.report();
    let states: Vec<(&str, HostState, &str)> =
        report.hosts.iter().map(|host| (host.host.as_str(), host.state, host.reason.as_str())).collect();
    assert_eq!(
        states,
        [
            ("acted", HostState::Interrupted, "step kesl/1 was begun and its outcome is not known"),
            ("begun", HostState::Interrupted, "the run ended before this host was done"),
            ("never", HostState::Skipped, "the run ended before this host was begun"),
            ("done", HostState::Clean, ""),
        ]
    );
    assert_eq!(report.hosts[0].steps[0].result, StepResult::Interrupted);
    assert!(!report.finished);
    assert_eq!(report.exit_code(), ExitCode::CannotVouch);
    let text = table(&report, &options(80));
    assert!(text.contains("The run is not finished"), "{text}");
    assert!(!text.contains("Exit code"), "nobody knows what it exited with: {text}");
}

#[test]
fn a_run_without_its_end_is_never_a_success() {
    let mut script = Script::default();
    script.start(&["a"]).begin("a").end("a", HostState::Clean, "", None);
    assert_eq!(script.report().exit_code(), ExitCode::CannotVouch);
    script.finish(ExitCode::Success);
    assert_eq!(script.report().exit_code(), ExitCode::Success);
    let mut empty = Script::default();
    empty.start(&[]).finish(ExitCode::CannotVouch);
    let text = table(&empty.report(), &options(80));
    assert!(text.contains("No host was looked at: nothing can be said."), "{text}");
}

#[test]
fn records_that_are_no_run_are_refused() {
    assert_eq!(Report::from_records(&[]), Err(ReportError::Empty));
    let mut script = Script::default();
    script.begin("a");
    assert_eq!(Report::from_records(&script.records), Err(ReportError::Start { seq: 0 }));
    let mut script = Script::default();
    script.start(&["a"]).begin("b");
    let unknown = Err(ReportError::UnknownHost { seq: 1, host: "b".into() });
    assert_eq!(Report::from_records(&script.records), unknown);
    let mut script = Script::default();
    script.start(&["a"]).end("a", HostState::Clean, "", None).end("a", HostState::Failed, "", None);
    assert_eq!(
        Report::from_records(&script.records),
        Err(ReportError::EndedTwice { seq: 2, host: "a".into() })
    );
}

#[test]
fn an_end_record_that_counts_wrong_is_told() {
    let mut script = Script::default();
    script.start(&["a", "b"]).end("a", HostState::Clean, "", None).finish(ExitCode::Success);
    let report = script.report();
    assert_eq!(report.summary, BTreeMap::from([(HostState::Clean, 1), (HostState::Skipped, 1)]));
    assert!(report.notes[0].contains("counts other states"), "{:?}", report.notes);
}

#[test]
fn the_verdict_is_a_sentence() {
    let verdict = |ends: &[(&str, HostState)], exit| {
        let mut script = Script::default();
        script.start(&ends.iter().map(|(host, _)| *host).collect::<Vec<_>>());
        for (host, state) in ends {
            script.end(host, *state, "", None);
        }
        let text = table(&script.finish(exit).report(), &options(200));
        text.lines().last().unwrap().to_owned()
    };
    use HostState::{Clean, Interrupted, Present, Removed, Unknown};
    assert_eq!(
        verdict(&[("a", Clean), ("b", Removed)], ExitCode::Success),
        "Every host is free of the products looked for, and every question was answered. Exit code 0."
    );
    assert_eq!(
        verdict(&[("a", Clean), ("b", Present)], ExitCode::Found),
        "1 of 2 hosts has a product or its residue. Exit code 1."
    );
    assert_eq!(
        verdict(&[("a", Unknown)], ExitCode::CannotVouch),
        "1 of 1 host cannot be vouched for. Exit code 3."
    );
    assert_eq!(
        verdict(&[("a", Interrupted), ("b", Clean)], ExitCode::Interrupted),
        "The run was interrupted by its operator. 1 of 2 hosts cannot be vouched for. Exit code 130."
    );
}

#[test]
fn ten_thousand_hosts_are_a_short_table() {
    let names: Vec<String> = (0..10_000).map(|number| format!("h{number:05}")).collect();
    let mut script = Script::default();
    script.start(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names {
        script.begin(name).found(name, Phase::Before, &absent()).end(name, HostState::Clean, "", None);
    }
    script.records.pop();
    script.end("h09999", HostState::Present, "", None).finish(ExitCode::Found);
    let report = script.report();
    let text = table(&report, &options(80));
    assert!(text.contains("\n9999 hosts clean\n"), "{text}");
    assert!(text.lines().count() < 12, "{text}");
    let all = table(&report, &TableOptions { verbose: true, ..options(80) });
    assert!(all.lines().count() > 10_000);
}

proptest! {
    #[test]
    fn the_table_fits_whatever_a_host_says(
        name in "\\PC{1,60}",
        reason in any::<String>(),
        version in any::<String>(),
        tail in any::<String>(),
        width in 40usize..130,
        verbose in any::<bool>(),
    ) {
        let mut script = Script::default();
        let found = [finding("kesl", ProductState::Present, Some(&version))];
        script.start(&[&name]).begin(&name).found(&name, Phase::Before, &found).intent(&name, "kesl/1");
        script.outcome(&name, "kesl/1", StepResult::Failed, &tail);
        script.end(&name, HostState::Failed, &reason, None).finish(ExitCode::CannotVouch);
        let text = table(&script.report(), &TableOptions { verbose, ..options(width) });
        for line in text.lines() {
            let columns: usize = line.chars().map(|c| c.to_string().width()).sum();
            prop_assert!(columns <= width, "{columns} > {width}: {line:?}");
            prop_assert!(line.chars().all(|c| !c.is_control()), "{line:?}");
        }
        let document: serde_json::Value = serde_json::from_str(&json(&script.report())).unwrap();
        prop_assert_eq!(document["hosts"][0]["reason"].as_str(), Some(reason.as_str()));
    }
}
