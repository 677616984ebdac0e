//! Reports of runs that were stopped, died, and went on.

use crate::script::{Script, absent, present};
use crate::{options, table};
use proptest::prelude::*;
use std::collections::BTreeMap;
use unicode_width::UnicodeWidthStr;
use uproot::model::event::{Phase, StepResult};
use uproot::model::{Event, ExitCode, HostState};
use uproot::report::{HostReport, Report, TableOptions, json};

const RUN: &str = "01990c3e-7a10-7000-8000-000000000001";

fn host<'a>(report: &'a Report, name: &str) -> &'a HostReport {
    report.hosts.iter().find(|host| host.host == name).unwrap()
}

/// A budget spent, then everything that a resumption can do.
pub(crate) fn stopped() -> Script {
    let mut script = Script::default();
    script.start(&["a", "b", "c", "d", "e", "f"]).wave("canary", 4, 0);
    for name in ["a", "b", "c", "d"] {
        script.begin(name).facts(name).found(name, Phase::Before, &present());
    }
    script.lock("a", None, false).intent("a", "kesl/1").outcome("a", "kesl/1", StepResult::Done, "");
    script.found("a", Phase::After, &absent()).release("a", None).end("a", HostState::Removed, "", None);
    script.lock("b", Some("run 7 of eve@desk, expired"), false).intent("b", "kesl/1").outcome(
        "b",
        "kesl/1",
        StepResult::Failed,
        "dpkg: database is locked\n",
    );
    script.outcome("b", "kesl/2", StepResult::NotRun, "").release("b", None).end(
        "b",
        HostState::Failed,
        "step kesl/1 ended with status 1",
        None,
    );
    script
        .lock("c", Some("run 8 of eve@desk, live for 300 s"), true)
        .intent("c", "kesl/1")
        .outcome("c", "kesl/1", StepResult::Interrupted, "")
        .cut_short("c", "the connection was lost in step kesl/1");
    script.end("d", HostState::Skipped, "locked by run 9 of eve@desk for another 60 s", None);
    script.wave_end("canary", 1, Some("1 host of wave `canary` failed, 0 may"));
    script.stop("1 host of wave `canary` failed, 0 may", ExitCode::Stopped);
    script
}

pub(crate) fn resumed() -> Script {
    let mut script = stopped();
    script.resume(&["rest", "--continue-after-failures", "--retry-failed"]).wave("canary", 4, 0);
    script
        .begin("b")
        .found("b", Phase::Before, &present())
        .lock("b", None, false)
        .attempt("b", "kesl/1", 2)
        .outcome("b", "kesl/1", StepResult::Done, "")
        .attempt("b", "kesl/2", 1)
        .outcome("b", "kesl/2", StepResult::Done, "")
        .found("b", Phase::After, &absent())
        .release("b", None)
        .end("b", HostState::Removed, "", None);
    // The host told how the step had ended, so nothing was begun.
    script
        .begin("c")
        .lock("c", None, false)
        .outcome("c", "kesl/1", StepResult::Done, "")
        .found("c", Phase::Before, &absent())
        .release("c", Some("a step still runs: pid 77"))
        .end("c", HostState::Removed, "", None);
    script
}

#[test]
fn a_stopped_run_says_why_and_how_it_goes_on() {
    let report = stopped().report();
    assert_eq!(report.stopped.as_deref(), Some("1 host of wave `canary` failed, 0 may"));
    assert!(report.resumable && !report.finished);
    assert_eq!(report.exit_code(), ExitCode::Stopped, "as the stop says");
    for name in ["e", "f"] {
        let host = host(&report, name);
        assert_eq!(host.state, HostState::Skipped);
        assert_eq!(host.reason, "not begun: 1 host of wave `canary` failed, 0 may");
        assert!(!host.touched && !host.unfinished);
    }
    assert!(host(&report, "a").touched && host(&report, "c").unfinished && !host(&report, "d").touched);
    insta::assert_snapshot!(table(&report, &options(80)));
}

#[test]
fn the_table_of_a_resumed_run() {
    insta::assert_snapshot!(table(&resumed().report(), &options(80)));
}

#[test]
fn the_table_of_a_resumed_run_with_all_details() {
    insta::assert_snapshot!(table(&resumed().report(), &TableOptions { verbose: true, ..options(100) }));
}

#[test]
fn json_of_a_resumed_run() {
    insta::assert_snapshot!(json(&resumed().report()));
}

#[test]
fn the_last_end_counts_and_earlier_ones_are_kept() {
    let report = resumed().report();
    let b = host(&report, "b");
    assert_eq!((b.state, b.reason.as_str()), (HostState::Removed, ""));
    assert_eq!(b.earlier.len(), 1);
    assert_eq!(b.earlier[0].state, HostState::Failed);
    assert_eq!(b.earlier[0].reason, "step kesl/1 ended with status 1");
    assert_eq!(b.found_before.as_deref(), Some(present().as_slice()), "what was there before any step");
    let (first, second) = (&b.steps[0], &b.steps[1]);
    assert_eq!((first.result, first.attempts), (StepResult::Done, 2));
    assert_eq!((first.earlier[0].attempt, first.earlier[0].result), (1, StepResult::Failed));
    assert_eq!((second.result, second.attempts, second.earlier.len()), (StepResult::Done, 1, 0));
    let c = host(&report, "c");
    assert_eq!((c.steps[0].result, c.steps[0].attempts), (StepResult::Done, 1), "it was begun once");
    assert_eq!(c.steps[0].earlier[0].result, StepResult::Interrupted);
    assert_eq!(c.found_before.as_deref(), Some(present().as_slice()), "though it was called `before`");
    let lock = c.lock.as_ref().unwrap();
    assert!(lock.broken && !lock.held, "{lock:?}");
    assert_eq!(lock.left.as_deref(), Some("a step still runs: pid 77"));
}

#[test]
fn a_resumption_is_told_with_who_decided_what() {
    let report = resumed().report();
    assert_eq!(report.resumptions.len(), 1);
    assert_eq!(report.resumptions[0].stopped.as_deref(), Some("1 host of wave `canary` failed, 0 may"));
    let note = report.notes.iter().find(|note| note.starts_with("resumed at ")).unwrap();
    let said = "by night@desk (it had been stopped: 1 host of wave `canary` failed, 0 may); night@desk \
                approved wave `rest`, went on after failures, retried what had failed";
    assert!(note.ends_with(said), "{note}");
    assert!(report.notes.iter().any(|note| note == "night@desk approved wave `rest`, which was not begun"));
    assert_eq!(report.stopped, None, "it goes on");
    assert_eq!(report.exit_code(), ExitCode::CannotVouch, "and nobody knows how it ends");
}

#[test]
fn a_wave_that_is_begun_again_is_one_wave() {
    let mut script = resumed();
    script.add(None, Event::WaveApproved { wave: "canary".into(), operator: "boss@desk".into() });
    script.wave_end("canary", 0, None);
    let report = script.report();
    assert_eq!(report.waves.len(), 1);
    let wave = &report.waves[0];
    assert!(wave.end.as_ref().unwrap().passed);
    assert_eq!(wave.earlier.len(), 1);
    assert_eq!(wave.earlier[0].failures, 1);
    assert_eq!(wave.approved, ["boss@desk"]);
    let text = table(&report, &options(100));
    assert!(text.contains("\nwave canary: passed (4 hosts, 0 failures); approved by boss@desk\n"), "{text}");
}

#[test]
fn a_host_that_was_begun_again_and_not_ended_is_interrupted() {
    let mut script = stopped();
    script.resume(&["--retry-failed"]).wave("canary", 4, 0).begin("b");
    let report = script.report();
    let b = host(&report, "b");
    assert_eq!(b.state, HostState::Interrupted, "its end before does not count any more");
    assert_eq!(b.reason, "the run ended before this host was done");
    assert_eq!((b.ended, b.unfinished, b.earlier.len()), (None, true, 1));
    assert_eq!(host(&report, "c").state, HostState::Interrupted, "its end was not taken back");
    script.attempt("b", "kesl/1", 2);
    let report = script.report();
    assert_eq!(host(&report, "b").reason, "step kesl/1 was begun and its outcome is not known");
    assert_eq!(host(&report, "b").steps[0].result, StepResult::Interrupted);
    assert_eq!(host(&report, "b").steps[0].earlier[0].result, StepResult::Failed);
}

#[test]
fn that_a_step_was_not_run_again_does_not_hide_how_it_ended() {
    let mut script = stopped();
    script.resume(&["--retry-failed"]).wave("canary", 4, 0).begin("b");
    script.outcome("b", "kesl/1", StepResult::NotRun, "").end("b", HostState::Drifted, "", None);
    let report = script.report();
    assert_eq!(host(&report, "b").steps[0].result, StepResult::Failed);
    assert_eq!(host(&report, "b").steps[1].result, StepResult::NotRun);
}

#[test]
fn a_step_that_the_host_says_was_never_run_is_not_interrupted() {
    let mut script = Script::default();
    script.start(&["a"]).begin("a").intent("a", "kesl/1");
    script.resume(&[]).begin("a").outcome("a", "kesl/1", StepResult::NotRun, "");
    assert_eq!(host(&script.report(), "a").steps[0].result, StepResult::NotRun);
    let mut told = Script::default();
    told.start(&["a"]).begin("a").intent("a", "kesl/1").outcome("a", "kesl/1", StepResult::Interrupted, "");
    told.cut_short("a", "lost").resume(&[]).begin("a").outcome("a", "kesl/1", StepResult::NotRun, "");
    let report = told.report();
    assert_eq!(host(&report, "a").steps[0].result, StepResult::NotRun);
    assert_eq!(host(&report, "a").steps[0].earlier[0].result, StepResult::Interrupted);
}

#[test]
fn two_ends_without_a_start_between_are_refused_also_after_a_resumption() {
    let mut script = stopped();
    let seq = script.records.len() as u64 + 1;
    script.resume(&[]).end("a", HostState::Clean, "", None);
    let refused = uproot::report::ReportError::EndedTwice { seq, host: "a".into() };
    assert_eq!(Report::from_records(&script.records), Err(refused));
}

/// The last lines of the table, as one.
fn last_command(script: &Script) -> String {
    let text = table(&script.report(), &options(200));
    text.lines().last().unwrap().to_owned()
}

#[test]
fn the_table_ends_with_the_command_that_goes_on() {
    let command = |options: &str| format!("resume with: uproot apply --resume {RUN}{options}");
    let begin = || {
        let mut script = Script::default();
        script.start(&["a", "b"]).wave("canary", 1, 0).begin("a");
        script
    };
    let mut failed = begin();
    failed.end("a", HostState::Failed, "", None).wave_end("canary", 1, Some("1 host failed, 0 may"));
    // Whether its process died before it could say that it stopped, or not.
    assert_eq!(last_command(&failed), command(" --continue-after-failures"));
    failed.stop("1 host failed, 0 may", ExitCode::Stopped);
    assert_eq!(last_command(&failed), command(" --continue-after-failures"));
    failed.resume(&["--continue-after-failures"]);
    assert_eq!(last_command(&failed), command(""), "the budget is renewed");
    failed.wave("the rest", 1, 0).begin("b").end("b", HostState::Blocked, "", None);
    failed.wave_end("the rest", 0, None).stop("2 hosts did not end well", ExitCode::CannotVouch);
    assert_eq!(last_command(&failed), command(" --retry-failed"), "nothing else is left to do");

    let mut passed = begin();
    passed.end("a", HostState::Clean, "", None).wave_end("canary", 0, None);
    let mut unapproved = Script { records: passed.records.clone() };
    unapproved.stop("wave `the rest` needs approval", ExitCode::Stopped);
    assert_eq!(last_command(&unapproved), command(" --approve-wave 'the rest'"));
    let mut refused = Script { records: passed.records.clone() };
    refused.stop("wave `rest` was not approved", ExitCode::Stopped);
    assert_eq!(last_command(&refused), command(" --approve-wave rest"));
    let mut window = Script { records: passed.records.clone() };
    window.stop(
        "the window `Mon 22:00-23:00 UTC` of wave `rest` is closed until 2026-11-23T22:00:00Z",
        ExitCode::Stopped,
    );
    assert_eq!(last_command(&window), command(""));
    let mut interrupted = begin();
    interrupted.cut_short("a", "interrupted by SIGINT").stop("interrupted by SIGINT", ExitCode::Interrupted);
    assert_eq!(last_command(&interrupted), command(""));
    assert_eq!(last_command(&begin()), command(""), "its process died");

    passed.end("b", HostState::Clean, "", None).finish(ExitCode::Success);
    assert!(last_command(&passed).ends_with("Exit code 0."), "it is over");
}

#[test]
fn a_host_that_cannot_tell_how_its_step_ended_needs_a_person() {
    let mut script = Script::default();
    script.start(&["a"]).begin("a").lock("a", None, false).intent("a", "kesl/1");
    script.outcome("a", "kesl/1", StepResult::Interrupted, "").cut_short("a", "lost");
    script.stop("every host was worked on, and 1 host did not end well", ExitCode::CannotVouch);
    let plain = format!("resume with: uproot apply --resume {RUN}");
    assert_eq!(last_command(&script), plain, "it is to be asked first");
    script.resume(&[]).begin("a").lock("a", None, false);
    script.outcome("a", "kesl/1", StepResult::Interrupted, "").cut_short("a", "cut off");
    script.stop("every host was worked on, and 1 host did not end well", ExitCode::CannotVouch);
    assert_eq!(last_command(&script), format!("{plain} --retry-failed"));
    let text = table(&script.report(), &options(200));
    assert!(
        text.contains("\nnext: a interrupted: how a step ended cannot be told: look at the host"),
        "{text}"
    );
}

#[test]
fn each_way_to_end_badly_has_its_advice() {
    let advice = |state: HostState, unfinished: bool| {
        let mut script = Script::default();
        script.start(&["a"]).begin("a");
        let ended = Event::HostEnded { state, reason: String::new(), remedy: None, unfinished };
        script.add(Some("a"), ended).stop("asked", ExitCode::Interrupted);
        let text = table(&script.report(), &options(200));
        let next = text.lines().find_map(|line| line.strip_prefix(&format!("next: a {state}: ")));
        next.map(str::to_owned)
    };
    use HostState::{Blocked, Clean, Drifted, Failed, Interrupted, Present, Removed, Residue, Skipped};
    for state in [Failed, Blocked, Skipped, HostState::Unknown, HostState::Unreachable] {
        assert!(advice(state, false).unwrap().ends_with("then resume with `--retry-failed`"), "{state}");
    }
    for state in [Drifted, Present, Residue] {
        assert!(advice(state, false).unwrap().ends_with("make a new plan"), "{state}");
    }
    assert_eq!(advice(Drifted, true), advice(Drifted, false), "it is another machine all the same");
    for state in [Failed, Interrupted, Skipped] {
        assert!(
            advice(state, true).unwrap().starts_with("the resumption goes on where it was left"),
            "{state}"
        );
    }
    assert!(advice(HostState::RemovedRebootPending, false).unwrap().contains("`uproot verify`"));
    assert_eq!((advice(Removed, false), advice(Clean, false)), (None, None));
}

#[test]
fn only_an_apply_can_be_resumed() {
    let mut script = Script::default();
    script.start(&["a"]).begin("a");
    let Event::RunStarted { verb, .. } = &mut script.records[0].event else { panic!("no start") };
    *verb = "identify".into();
    let report = script.report();
    assert!(!report.resumable);
    assert_eq!(report.resume_command(), None);
    assert!(!table(&report, &options(80)).contains("resume"));
}

#[test]
fn commands_name_the_run_as_the_caller_says() {
    let options = TableOptions { run: Some("'/var/my runs/x'"), ..options(50) };
    let text = table(&stopped().report(), &options);
    let last = [
        "resume with: uproot apply --resume \\",
        "             '/var/my runs/x' \\",
        "             --continue-after-failures\n",
    ];
    assert!(text.ends_with(&last.join("\n")), "{text}");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("`uproot runs show '/var/my runs/x' -v`"), "{text}");
}

#[test]
fn a_pending_reboot_is_accepted_only_under_its_policy() {
    let run = |policy: Option<&str>| {
        let mut script = Script::default();
        script.start(&["a"]).begin("a").end("a", HostState::RemovedRebootPending, "", None);
        let Event::RunStarted { options, .. } = &mut script.records[0].event else { panic!("no start") };
        options.extend(policy.map(|policy| ("reboot".to_owned(), policy.to_owned())));
        script.report()
    };
    let sentence = |report: &Report| {
        let text = table(report, &options(200));
        text.lines().find(|line| line.contains("must be rebooted")).unwrap().to_owned()
    };
    assert!(!run(None).pending_is_ok() && !run(Some("if-needed")).pending_is_ok());
    let accepted = run(Some("pending-is-ok"));
    assert!(accepted.pending_is_ok());
    assert!(sentence(&accepted).contains("before the removal is proven, which the plan accepts."));
    assert!(!sentence(&run(None)).contains("accepts"));
    assert!(sentence(&run(None)).contains("1 of 1 host") || !sentence(&run(None)).contains("vouched"));
}

/// What one process of a run does with a host.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Nothing,
    Begin,
    Touch,
    End(HostState, bool),
}

fn deed() -> impl Strategy<Value = Deed> {
    let state = proptest::sample::select(HostState::ALL.to_vec());
    prop_oneof![
        Just(Deed::Nothing),
        Just(Deed::Begin),
        Just(Deed::Touch),
        (state, any::<bool>()).prop_map(|(state, unfinished)| Deed::End(state, unfinished)),
    ]
}

proptest! {
    /// However often a run dies and goes on, each host has one state, and it is that of its last end
    /// unless it was begun again since.
    #[test]
    fn each_host_has_the_state_of_its_last_end(
        sessions in proptest::collection::vec((proptest::collection::vec(deed(), 4), any::<bool>()), 1..5)
    ) {
        let hosts = ["a", "b", "c", "d"];
        let mut script = Script::default();
        script.start(&hosts);
        let mut expected = BTreeMap::from(hosts.map(|host| (host, (HostState::Skipped, false))));
        let mut is_stopped = false;
        for (number, (deeds, stops)) in sessions.iter().enumerate() {
            if number > 0 {
                script.resume(&["--retry-failed"]);
            }
            for (host, deed) in hosts.iter().zip(deeds) {
                if matches!(deed, Deed::Nothing) {
                    continue;
                }
                script.begin(host);
                let now = match deed {
                    Deed::End(state, unfinished) => {
                        let (state, unfinished) = (*state, *unfinished);
                        let ended = Event::HostEnded { state, reason: String::new(), remedy: None, unfinished };
                        script.add(Some(host), ended);
                        (state, unfinished)
                    }
                    deed => {
                        if matches!(deed, Deed::Touch) {
                            script.lock(host, None, false);
                        }
                        (HostState::Interrupted, true)
                    }
                };
                expected.insert(host, now);
            }
            is_stopped = *stops;
            if is_stopped {
                script.stop("asked", ExitCode::Interrupted);
            }
        }
        let report = script.report();
        let states: BTreeMap<&str, (HostState, bool)> =
            report.hosts.iter().map(|host| (host.host.as_str(), (host.state, host.unfinished))).collect();
        prop_assert_eq!(states, expected);
        prop_assert_eq!(report.summary.values().sum::<usize>(), hosts.len());
        prop_assert_eq!(report.stopped.is_some(), is_stopped);
        prop_assert_ne!(report.exit_code(), ExitCode::Success);
        prop_assert!(table(&report, &options(80)).contains("\nresume with: uproot apply --resume "));
    }
}

proptest! {
    #[test]
    fn the_table_of_a_stopped_run_fits_whatever_stands_in_the_journal(
        said in any::<String>(),
        wave in "\\PC{1,20}",
        width in 40usize..130,
        verbose in any::<bool>(),
    ) {
        let mut script = Script::default();
        script.start(&["a", "b"]).wave(&wave, 2, 0).begin("a").lock("a", Some(&said), true);
        script.intent("a", "kesl/1").outcome("a", "kesl/1", StepResult::Interrupted, &said);
        script.release("a", Some(&said)).cut_short("a", &said).wave_end(&wave, 0, Some(&said));
        script.stop(&said, ExitCode::Interrupted).resume(&[&wave]).begin("a").end("a", HostState::Failed, &said, None);
        script.stop(&said, ExitCode::Stopped);
        let text = table(&script.report(), &TableOptions { verbose, ..options(width) });
        for line in text.lines() {
            let columns: usize = line.chars().map(|c| c.to_string().width()).sum();
            // The run's id is one word of the command at the end.
            prop_assert!(columns <= width.max(41), "{columns} > {width}: {line:?}");
            prop_assert!(line.chars().all(|c| !c.is_control()), "{line:?}");
        }
        let document: serde_json::Value = serde_json::from_str(&json(&script.report())).unwrap();
        prop_assert_eq!(document["stopped"].as_str(), Some(said.as_str()));
        prop_assert_eq!(document["resumptions"][0]["stopped"].as_str(), Some(said.as_str()));
    }
}
