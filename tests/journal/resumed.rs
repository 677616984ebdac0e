//! What may follow a stop or a death of the controller, and what may not.

use super::{Told, host_ended, intent, outcome, run_ended, started, verify_events};
use uproot::journal::{Defect, Writer};
use uproot::model::event::{OutputRef, StepResult};
use uproot::model::{Event, EventSink, ExitCode, HostState};

fn start() -> Told<'static> {
    (None, started(&["a"], None))
}

fn begin() -> Told<'static> {
    (Some("a"), Event::HostStarted { wave: None })
}

fn resumed(retry_failed: bool) -> Told<'static> {
    let event = Event::RunResumed {
        operator: "op@desk".into(),
        version: "0.1.0".into(),
        approved: Vec::new(),
        after_failures: false,
        retry_failed,
        break_lock: false,
    };
    (None, event)
}

fn stopped() -> Told<'static> {
    (None, Event::RunStopped { reason: "a gate".into(), exit: ExitCode::Stopped })
}

fn ended(state: HostState, unfinished: bool) -> Told<'static> {
    (Some("a"), Event::HostEnded { state, reason: String::new(), remedy: None, unfinished })
}

fn attempt(number: u32) -> Told<'static> {
    let mut event = intent("kesl/1");
    if let Event::StepIntent { attempt, .. } = &mut event {
        *attempt = number;
    }
    (Some("a"), event)
}

fn told(how: StepResult) -> Told<'static> {
    let mut event = outcome("kesl/1", OutputRef::default());
    if let Event::StepOutcome { result, .. } = &mut event {
        *result = how;
    }
    (Some("a"), event)
}

fn over(state: HostState) -> [Told<'static>; 2] {
    [(Some("a"), host_ended(state)), (None, run_ended(&[(state, 1)]))]
}

fn check(events: Vec<Told<'static>>, state: HostState, expected: &[Defect]) {
    let events: Vec<Told<'static>> = events.into_iter().chain(over(state)).collect();
    assert_eq!(verify_events(events.clone()), expected, "{events:?}");
}

#[test]
fn a_host_in_hand_when_the_controller_died_is_taken_up_again() {
    let died = || vec![start(), begin(), attempt(1)];
    let again = |more: Vec<Told<'static>>| [died(), vec![resumed(false), begin()], more].concat();
    check(again(vec![told(StepResult::Done)]), HostState::Removed, &[]);
    // Begun again although nobody knows how it ended.
    let line = 6;
    let twice = Defect::IntentTwice { line, host: "a".into(), step: "kesl/1".into() };
    check(again(vec![attempt(1), told(StepResult::Done)]), HostState::Removed, std::slice::from_ref(&twice));
    check(again(vec![attempt(2), told(StepResult::Done)]), HostState::Removed, &[twice]);
    // Without a resumption nobody takes it up.
    let events = [died(), vec![begin(), told(StepResult::Done)]].concat();
    check(events, HostState::Removed, &[Defect::StartedTwice { line: 4, host: "a".into() }]);
}

#[test]
fn only_what_was_cut_short_or_is_to_be_retried_is_started_again() {
    let events = |unfinished, retry| {
        let part = vec![start(), begin(), ended(HostState::Failed, unfinished), stopped()];
        [part, vec![resumed(retry), begin()]].concat()
    };
    check(events(true, false), HostState::Removed, &[]);
    check(events(false, true), HostState::Removed, &[]);
    let after = |line, event| Defect::AfterHostEnd { line, host: "a".into(), event, ended: 3 };
    let late = [
        after(6, "host_started"),
        Defect::StartedTwice { line: 6, host: "a".into() },
        after(7, "host_ended"),
        Defect::Summary { line: 8, expected: "1 failed".into(), found: "1 removed".into() },
    ];
    check(events(false, false), HostState::Removed, &late);
}

#[test]
fn a_step_is_tried_again_only_after_a_bad_end_and_by_a_persons_word() {
    let events = |first, retry, number| {
        let part = vec![start(), begin(), attempt(1), told(first), ended(HostState::Failed, true), stopped()];
        [part, vec![resumed(retry), begin(), attempt(number), told(StepResult::Done)]].concat()
    };
    let twice = [Defect::IntentTwice { line: 9, host: "a".into(), step: "kesl/1".into() }];
    check(events(StepResult::Failed, true, 2), HostState::Removed, &[]);
    check(events(StepResult::Failed, false, 2), HostState::Removed, &twice);
    check(events(StepResult::Failed, true, 1), HostState::Removed, &twice);
    check(events(StepResult::Failed, true, 3), HostState::Removed, &twice);
    check(events(StepResult::Done, true, 2), HostState::Removed, &twice);
}

#[test]
fn an_outcome_that_is_not_known_may_become_known_and_no_other_changes() {
    let events = |first, second| {
        let part = vec![start(), begin(), attempt(1), told(first), ended(HostState::Interrupted, true)];
        [part, vec![resumed(false), begin(), told(second)]].concat()
    };
    check(events(StepResult::Interrupted, StepResult::Done), HostState::Removed, &[]);
    let twice = Defect::OutcomeTwice { line: 8, host: "a".into(), step: "kesl/1".into() };
    check(events(StepResult::Done, StepResult::Failed), HostState::Failed, &[twice]);
}

#[test]
fn nothing_follows_a_stop_but_a_resumption_or_a_repair() {
    let stop = || vec![start(), begin(), ended(HostState::Failed, true), stopped()];
    let repaired = || (None, Event::Repaired { bytes: 3 });
    check([stop(), vec![repaired(), resumed(false), begin()]].concat(), HostState::Clean, &[]);
    let runs = tempfile::tempdir().unwrap();
    let writer = Writer::create(runs.path(), "r").unwrap();
    for (host, event) in stop() {
        writer.record(host, event).unwrap();
    }
    let (host, event) = begin();
    assert!(writer.record(host, event).unwrap_err().to_string().contains("nothing may follow"));
    // Stopped is whole, and can be gone on with.
    assert_eq!(verify_events(stop()), [Defect::Stopped { records: 4 }]);
    assert!(!Defect::Stopped { records: 4 }.is_broken());
}

#[test]
fn a_wave_goes_on_in_a_resumption_and_only_there() {
    let wave = || {
        let event =
            Event::WaveStarted { wave: "rest".into(), hosts: 1, max_failures: 0, max_unreachable: None };
        (None, event)
    };
    let part = || vec![start(), wave(), begin(), ended(HostState::Failed, true), stopped(), resumed(false)];
    check([part(), vec![wave(), begin()]].concat(), HostState::Clean, &[]);
    let what = "started twice";
    let twice = Defect::Wave { line: 8, wave: "rest".into(), what };
    check([part(), vec![wave(), wave(), begin()]].concat(), HostState::Clean, &[twice]);
}
