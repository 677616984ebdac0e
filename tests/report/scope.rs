//! What a run counts, in its report, and what it found judged by another scope.

use super::script::{Script, absent, finding, present};
use uproot::model::event::{Phase, StepResult};
use uproot::model::scope::{ScopeEntry, ScopeProfile, Waiver, WaiverList};
use uproot::model::{Event, ExitCode, Finding, HostState, ProductClass, ProductState, Scope};
use uproot::report::{Report, TableOptions, table};
use uproot::scope::Judge;

fn waivers(list: &[(&str, &str, &str)]) -> Scope {
    let waiver = |(hosts, product, until): &(&str, &str, &str)| Waiver {
        hosts: (*hosts).into(),
        product: (*product).into(),
        reason: "the new agent comes in March".into(),
        ticket: format!("CHG-{product}"),
        until: until.parse().unwrap(),
    };
    let waivers = list.iter().map(waiver).collect();
    Scope {
        profile: None,
        waivers: Some(WaiverList { file: "w.yml".into(), digest: "ab".repeat(32), waivers }),
    }
}

fn profile(class: ProductClass) -> Scope {
    let out = vec![ScopeEntry { class: Some(class), product: None, reason: "not covered".into() }];
    let profile = ScopeProfile { id: "mine".into(), name: "Mine".into(), digest: "cd".repeat(32), out };
    Scope { profile: Some(profile), waivers: None }
}

fn engine(result: ProductState) -> Finding {
    Finding { class: ProductClass::Embedded, ..finding("oem-engine", result, None) }
}

/// Far in the future of the scripts' times, and before them.
const LATER: &str = "2090-01-01";
const OVER: &str = "2020-01-01";

/// Hosts of every kind that a judgement may meet. The run itself counted everything.
fn run() -> Script {
    let hosts = ["clean", "embedded", "failed", "kesl", "lost", "odd", "pending", "stopped", "unasked"];
    let mut script = Script::default();
    script.start(&hosts);
    let kesl =
        || vec![finding("kesl", ProductState::Present, Some("12.1.0-1543")), engine(ProductState::Absent)];
    let with_engine = vec![finding("kesl", ProductState::Absent, None), engine(ProductState::Present)];
    let unknown = || vec![finding("kesl", ProductState::Unknown, None), engine(ProductState::Absent)];
    let mut look = |host: &str, findings: &[Finding], state, reason: &str| {
        script.begin(host).found(host, Phase::Before, findings).end(host, state, reason, None);
    };
    look("clean", &absent(), HostState::Clean, "");
    look("embedded", &with_engine, HostState::Present, "installed: oem-engine");
    look("kesl", &kesl(), HostState::Present, "installed: kesl 12.1.0-1543");
    look("odd", &unknown(), HostState::Unknown, "not known: kesl: dpkg-query: cannot be read");
    look("unasked", &absent(), HostState::Unknown, "not looked for again: ksc");
    look("pending", &absent(), HostState::RemovedRebootPending, "removed by run 1");
    script
        .begin("failed")
        .found("failed", Phase::Before, &kesl())
        .intent("failed", "kesl/1")
        .outcome("failed", "kesl/1", StepResult::Failed, "")
        .found("failed", Phase::After, &kesl())
        .end("failed", HostState::Failed, "step kesl/1: failed", None);
    script
        .begin("lost")
        .found("lost", Phase::Before, &unknown())
        .outcome("lost", "kesl/1", StepResult::NotRun, "")
        .end("lost", HostState::Unknown, "the host could not be looked at again; nothing was run", None);
    script.begin("stopped").found("stopped", Phase::Before, &kesl());
    script
}

fn end(script: &mut Script, exit: ExitCode) -> Report {
    let summary = Report::from_records(&script.records).unwrap().summary;
    script.add(None, Event::RunEnded { summary, exit });
    Report::from_records(&script.records).unwrap()
}

fn state(report: &Report, host: &str) -> HostState {
    report.hosts.iter().find(|found| found.host == host).unwrap().state
}

#[test]
fn only_what_a_state_owes_to_findings_is_judged_anew() {
    let before = end(&mut run(), ExitCode::Found);
    let mut report = before.clone();
    report.rejudge(waivers(&[("all", "*", LATER)]));
    for host in ["embedded", "kesl", "odd"] {
        assert_eq!(state(&report, host), HostState::Exempt, "{host}");
    }
    for host in ["clean", "failed", "lost", "unasked", "pending", "stopped"] {
        assert_eq!(state(&report, host), state(&before, host), "{host}");
    }
    assert_eq!(report.exit_code(), ExitCode::CannotVouch);
    assert_eq!(report.summary.values().sum::<usize>(), before.hosts.len());
    assert_eq!(report.summary[&HostState::Exempt], 3);
    let kesl = report.hosts.iter().find(|host| host.host == "kesl").unwrap();
    assert_eq!(
        kesl.reason,
        "waived until 2090-01-01 by CHG-*: kesl 12.1.0-1543; in the run `present`: installed: kesl 12.1.0-1543"
    );
    let failed = report.hosts.iter().find(|host| host.host == "failed").unwrap();
    assert!(
        failed.findings[0].is_exempt(),
        "its findings are flagged, its state is what its step made of it"
    );
    let note = report.notes.iter().find(|note| note.contains("given to the report, not to the run")).unwrap();
    assert!(note.contains("w.yml") && note.ends_with("In the run: everything counted"), "{note}");
}

#[test]
fn a_profile_leaves_out_what_it_covers_not_and_nothing_else() {
    let mut report = end(&mut run(), ExitCode::Found);
    report.rejudge(profile(ProductClass::Embedded));
    assert_eq!(state(&report, "embedded"), HostState::Exempt);
    assert_eq!(state(&report, "kesl"), HostState::Present);
    assert_eq!(report.exit_code(), ExitCode::Found);
    let text = table(&report, &TableOptions { width: 200, ..TableOptions::default() });
    assert!(text.contains("scope: mine (Mine, SHA-256 cdcdcdcdcdcdcdcd)"), "{text}");
    let row = text.lines().find(|line| line.starts_with("embedded")).unwrap();
    assert!(row.contains("exempt") && row.contains("oem-engine (out of scope)"), "{text}");
    assert!(unwrapped(&text).contains("Findings with a flag: 1 out of scope."), "{text}");
}

#[test]
fn a_scope_that_the_run_had_can_be_taken_away_and_makes_hosts_worse() {
    let scope = waivers(&[("all", "k*", LATER), ("nosuch", "kesl", LATER), ("all", "other", OVER)]);
    let mut script = Script::default();
    script.start(&["kesl", "reboot"]);
    if let Event::RunStarted { scope: of_run, .. } = &mut script.records[0].event {
        *of_run = scope.clone();
    }
    let judged = |host: &str| {
        let mut found = present();
        Judge::new(&scope, script_time()).judge(host, Some(&["web".to_owned()]), &mut found);
        found
    };
    for (host, state) in [("kesl", HostState::Exempt), ("reboot", HostState::RemovedRebootPending)] {
        script.begin(host).found(host, Phase::Before, &judged(host)).end(host, state, "waived", None);
    }
    let mut report = end(&mut script, ExitCode::CannotVouch);
    let told = report.scope_remarks();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|remark| report.notes.contains(remark)), "{:?}", report.notes);
    let text = table(&report, &TableOptions { width: 200, ..TableOptions::default() });
    assert!(text.contains("kesl 12.1.0-1543 (waived until 2090-01-01)"), "{text}");
    assert!(unwrapped(&text).contains("Findings with a flag: 4 waived."), "{text}");

    report.rejudge(waivers(&[("all", "k*", OVER)]));
    assert_eq!(state(&report, "kesl"), HostState::Present);
    assert_eq!(state(&report, "reboot"), HostState::Present, "what counts now goes before a reboot");
    assert_eq!(report.exit_code(), ExitCode::Found);
    assert!(told.iter().all(|remark| !report.notes.contains(remark)), "{:?}", report.notes);
    let over = report.notes.iter().filter(|note| note.contains("expired after 2020-01-01")).count();
    assert_eq!(over, 1, "{:?}", report.notes);
    let text = table(&report, &TableOptions { width: 200, ..TableOptions::default() });
    assert!(text.contains("kesl 12.1.0-1543 (waiver expired)"), "{text}");
}

/// A text without the breaks of its lines.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn script_time() -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_795_608_191).unwrap()
}

#[test]
fn a_gate_stays_in_the_exit_code_and_a_run_without_an_end_is_never_good() {
    let mut stopped = run();
    stopped.add(None, Event::RunStopped { reason: "the budget is spent".into(), exit: ExitCode::Stopped });
    let mut report = Report::from_records(&stopped.records).unwrap();
    report.rejudge(waivers(&[("all", "*", LATER)]));
    assert_eq!(report.exit_code(), ExitCode::Stopped);

    let mut script = Script::default();
    script.start(&["kesl"]).begin("kesl").found("kesl", Phase::Before, &present());
    script.end("kesl", HostState::Present, "installed: kesl, klnagent", None);
    let mut open = Report::from_records(&script.records).unwrap();
    open.rejudge(waivers(&[("all", "*", LATER)]));
    assert_eq!((state(&open, "kesl"), open.exit_code()), (HostState::Exempt, ExitCode::CannotVouch));
    let mut ended = end(&mut script, ExitCode::Found);
    ended.rejudge(waivers(&[("all", "*", LATER)]));
    assert_eq!((state(&ended, "kesl"), ended.exit_code()), (HostState::Exempt, ExitCode::Success));
}

#[test]
fn many_exempt_hosts_are_listed_one_by_one() {
    let names: Vec<String> = (1..=9).map(|number| format!("web{number:02}")).collect();
    let mut script = Script::default();
    script.start(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names {
        script.begin(name).found(name, Phase::Before, &present()).end(name, HostState::Present, "", None);
    }
    let mut report = end(&mut script, ExitCode::Found);
    report.rejudge(waivers(&[("all", "*", LATER)]));
    let text = table(&report, &TableOptions { width: 100, ..TableOptions::default() });
    for name in &names {
        assert!(
            text.lines().any(|line| line.starts_with(name.as_str()) && line.contains("exempt")),
            "{text}"
        );
    }
    assert!(text.contains("9 hosts: 9 exempt") && !text.contains("clean"), "{text}");
}
