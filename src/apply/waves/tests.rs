//! The rules of waves, one by one; then all of them on random waves, pasts, inputs and clocks.

use super::*;

mod properties;

fn wave(name: &str, hosts: &[&str], parallel: usize, max_failures: usize) -> WaveSpec {
    WaveSpec {
        name: name.into(),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        parallel,
        max_failures,
        max_unreachable: None,
        soak: Duration::ZERO,
        approve: false,
        window: None,
    }
}

/// So many minutes after the machine's start; the wall shows 2026-11-23, a Monday, from 21:00 UTC.
fn at(minutes: u64) -> Now {
    let midday: Timestamp = "2026-11-23T21:00:00Z".parse().unwrap();
    let steady = Duration::from_secs(minutes * 60);
    Now { steady, wall: midday + SignedDuration::try_from(steady).unwrap() }
}

fn fresh(specs: Vec<WaveSpec>) -> Waves {
    Waves::new(specs, Vec::new(), false)
}

fn ended(toll: Toll) -> Input {
    Input::HostEnded { toll }
}

fn begun(actions: &[Action]) -> Vec<&str> {
    actions
        .iter()
        .filter_map(|a| if let Action::BeginHost { host, .. } = a { Some(host.as_str()) } else { None })
        .collect()
}

/// The reason with which the run stopped.
fn stopped(actions: &[Action]) -> &str {
    match actions.last() {
        Some(Action::Finish { stopped: Some(reason) }) => reason,
        _ => panic!("{actions:?}"),
    }
}

/// What is waited for, which is all that was said.
fn wait(actions: &[Action]) -> (&str, Option<Duration>, Option<Timestamp>) {
    match actions {
        [.., Action::Wait { why, until_steady, until_wall, .. }] => (why, *until_steady, *until_wall),
        _ => panic!("{actions:?}"),
    }
}

#[test]
fn waves_run_one_after_the_other_within_parallel() {
    let mut waves = fresh(vec![wave("a", &["1", "2", "3"], 2, 0), wave("b", &["4"], 2, 0)]);
    assert_eq!(begun(&waves.handle(Input::Begin, &at(0))), ["1", "2"]);
    assert_eq!(begun(&waves.handle(ended(Toll::Free), &at(1))), ["3"]);
    assert!(begun(&waves.handle(ended(Toll::Free), &at(2))).is_empty(), "wave b waits for all of wave a");
    assert_eq!(begun(&waves.handle(ended(Toll::Free), &at(3))), ["4"]);
    assert_eq!(waves.handle(ended(Toll::Free), &at(4)).last(), Some(&Action::Finish { stopped: None }));
}

#[test]
fn a_spent_budget_begins_nothing_more() {
    let mut waves = fresh(vec![wave("a", &["1", "2", "3", "4"], 2, 0), wave("b", &["5"], 1, 0)]);
    waves.handle(Input::Begin, &at(0));
    let actions = waves.handle(ended(Toll::Failure), &at(1));
    assert!(matches!(actions.as_slice(), [Action::StopHosts { .. }]), "{actions:?}");
    let actions = waves.handle(ended(Toll::Free), &at(2));
    assert!(matches!(actions.first(), Some(Action::EndWave { passed: false, failures: 1, .. })));
    assert_eq!(stopped(&actions), "1 host of wave `a` failed, 0 may");
    assert!(waves.handle(Input::Tick, &at(3)).is_empty());
}

#[test]
fn a_budget_that_is_met_but_not_exceeded_goes_on() {
    let mut waves = fresh(vec![wave("a", &["1", "2"], 1, 1)]);
    waves.handle(Input::Begin, &at(0));
    assert_eq!(begun(&waves.handle(ended(Toll::Failure), &at(1))), ["2"]);
}

#[test]
fn unreachable_hosts_have_a_budget_of_their_own() {
    let mut spec = wave("a", &["1", "2", "3"], 1, 0);
    spec.max_unreachable = Some(1);
    let mut waves = fresh(vec![spec]);
    waves.handle(Input::Begin, &at(0));
    assert_eq!(begun(&waves.handle(ended(Toll::Unreachable), &at(1))), ["2"]);
    let actions = waves.handle(ended(Toll::Unreachable), &at(2));
    assert_eq!(stopped(&actions), "2 hosts of wave `a` unreachable, 1 may be");
}

#[test]
fn a_wish_to_stop_lets_hosts_in_flight_end() {
    let mut waves = fresh(vec![wave("a", &["1", "2"], 1, 0)]);
    waves.handle(Input::Begin, &at(0));
    let drain = Input::Drain { reason: "asked".into() };
    assert_eq!(waves.handle(drain.clone(), &at(1)), [Action::StopHosts { reason: "asked".into() }]);
    assert!(waves.handle(drain, &at(1)).is_empty());
    assert_eq!(stopped(&waves.handle(ended(Toll::Free), &at(2))), "asked");
}

fn soaked() -> Vec<WaveSpec> {
    let canary = WaveSpec { soak: Duration::from_secs(1800), ..wave("canary", &["1"], 1, 0) };
    vec![canary, wave("rest", &["2"], 1, 0)]
}

#[test]
fn a_soak_is_waited_for_by_the_steady_clock() {
    let mut waves = fresh(soaked());
    waves.handle(Input::Begin, &at(0));
    let actions = waves.handle(ended(Toll::Free), &at(10));
    assert!(matches!(actions.first(), Some(Action::EndWave { passed: true, .. })), "{actions:?}");
    let (why, until, _) = wait(&actions);
    assert_eq!(why, "wave `rest` waits until 30m after the end of wave `canary` are over");
    assert_eq!(until, Some(at(40).steady));
    // The clock on the wall jumps a day ahead.
    let jumped = Now { steady: at(39).steady, wall: at(2000).wall };
    assert!(waves.handle(Input::Tick, &jumped).is_empty(), "it is told once");
    assert_eq!(begun(&waves.handle(Input::Tick, &at(40))), ["2"]);
}

#[test]
fn the_last_wave_is_not_waited_after() {
    let mut waves = fresh(vec![WaveSpec { soak: Duration::MAX, ..wave("a", &["1"], 1, 0) }]);
    waves.handle(Input::Begin, &at(0));
    assert_eq!(waves.handle(ended(Toll::Free), &at(1)).last(), Some(&Action::Finish { stopped: None }));
}

fn approved() -> Vec<WaveSpec> {
    vec![WaveSpec { approve: true, ..wave("rest", &["1"], 1, 0) }]
}

#[test]
fn a_person_is_asked_once_and_the_answer_counts() {
    for (yes, begins) in [(true, vec!["1"]), (false, vec![])] {
        let mut waves = Waves::new(approved(), Vec::new(), true);
        assert_eq!(waves.handle(Input::Begin, &at(0)), [Action::AskApproval { wave: 0 }]);
        assert!(waves.handle(Input::Tick, &at(1)).is_empty());
        let actions = waves.handle(Input::Approved { yes }, &at(2));
        assert_eq!(begun(&actions), begins);
        if !yes {
            assert_eq!(stopped(&actions), "wave `rest` was not approved");
        }
    }
}

#[test]
fn an_answer_that_nobody_asked_for_is_none() {
    let mut waves = Waves::new(approved(), Vec::new(), true);
    assert!(waves.handle(Input::Approved { yes: true }, &at(0)).is_empty());
    assert_eq!(waves.handle(Input::Begin, &at(0)), [Action::AskApproval { wave: 0 }]);
}

#[test]
fn without_a_person_a_missing_approval_ends_the_run_before_any_soak() {
    let mut specs = soaked();
    specs[1].approve = true;
    let mut waves = fresh(specs);
    waves.handle(Input::Begin, &at(0));
    let actions = waves.handle(ended(Toll::Free), &at(10));
    assert_eq!(stopped(&actions), "wave `rest` needs approval");
}

fn windowed(hosts: &[&str]) -> Vec<WaveSpec> {
    let window = "Mon 22:00-23:00 UTC".parse().unwrap();
    vec![WaveSpec { window: Some(window), ..wave("night", hosts, 1, 0) }]
}

#[test]
fn a_closed_window_ends_a_run_without_a_person() {
    let actions = fresh(windowed(&["1"])).handle(Input::Begin, &at(0));
    assert_eq!(
        stopped(&actions),
        "the window `Mon 22:00-23:00 UTC` of wave `night` is closed until 2026-11-23T22:00:00Z"
    );
}

#[test]
fn a_closed_window_is_waited_for_where_a_person_is() {
    let mut waves = Waves::new(windowed(&["1"]), Vec::new(), true);
    let actions = waves.handle(Input::Begin, &at(0));
    assert_eq!(wait(&actions).2, Some(at(60).wall));
    assert!(waves.handle(Input::Tick, &at(59)).is_empty());
    assert_eq!(begun(&waves.handle(Input::Tick, &at(60))), ["1"]);
}

#[test]
fn a_window_that_closes_within_a_wave_lets_hosts_in_flight_go_on() {
    for attended in [true, false] {
        let mut specs = windowed(&["1", "2", "3", "4"]);
        specs[0].parallel = 2;
        let mut waves = Waves::new(specs, Vec::new(), attended);
        assert_eq!(begun(&waves.handle(Input::Begin, &at(60))), ["1", "2"]);
        let actions = waves.handle(ended(Toll::Free), &at(121));
        wait(&actions);
        assert_eq!(actions.len(), 1, "no host in flight is stopped: {actions:?}");
        let actions = waves.handle(ended(Toll::Free), &at(122));
        if attended {
            assert!(actions.is_empty(), "{actions:?}");
            let week = 7 * 24 * 60;
            assert_eq!(begun(&waves.handle(Input::Tick, &at(week + 61))), ["3", "4"]);
        } else {
            assert!(matches!(actions.first(), Some(Action::EndWave { passed: false, .. })), "{actions:?}");
            assert!(stopped(&actions).contains("is closed until"));
        }
    }
}

#[test]
fn a_window_that_closes_when_all_are_begun_stops_nothing() {
    let mut waves = fresh(windowed(&["1"]));
    waves.handle(Input::Begin, &at(60));
    let actions = waves.handle(ended(Toll::Free), &at(200));
    assert_eq!(actions.last(), Some(&Action::Finish { stopped: None }));
}

fn past(done: &[&str], failures: usize) -> WavePast {
    let done = done.iter().map(|host| (*host).to_owned()).collect();
    WavePast { done, failures, begun: true, ..WavePast::default() }
}

#[test]
fn a_resumed_wave_keeps_its_counts_and_leaves_out_what_is_done() {
    let specs = vec![wave("a", &["1", "2", "3", "4"], 1, 1)];
    let mut waves = Waves::new(specs, vec![past(&["1", "3"], 1)], false);
    assert_eq!(begun(&waves.handle(Input::Begin, &at(0))), ["2"]);
    assert!(stopped(&waves.handle(ended(Toll::Failure), &at(1))).contains("2 hosts of wave `a` failed"));
}

#[test]
fn a_budget_spent_before_stays_spent() {
    for done in [&["1"][..], &["1", "2"]] {
        let mut waves = Waves::new(vec![wave("a", &["1", "2"], 1, 0)], vec![past(done, 1)], false);
        let actions = waves.handle(Input::Begin, &at(0));
        assert!(begun(&actions).is_empty());
        assert_eq!(stopped(&actions), "1 host of wave `a` failed, 0 may");
        assert!(actions.iter().any(|a| matches!(a, Action::EndWave { passed: false, failures: 1, .. })));
    }
}

#[test]
fn a_wave_that_passed_is_not_begun_again_but_its_soak_counts() {
    let passed =
        |minutes: u64| WavePast { passed: Some(Duration::from_secs(minutes * 60)), ..past(&["1"], 0) };
    let mut waves = Waves::new(soaked(), vec![passed(31), WavePast::default()], false);
    assert_eq!(begun(&waves.handle(Input::Begin, &at(0))), ["2"]);
    let mut waves = Waves::new(soaked(), vec![passed(20), WavePast::default()], false);
    let actions = waves.handle(Input::Begin, &at(5));
    assert_eq!(wait(&actions).1, Some(at(15).steady));
    assert_eq!(actions.len(), 1, "the wave that passed is neither begun nor ended again");
}

#[test]
fn a_wave_whose_end_was_not_recorded_is_ended_without_asking() {
    let mut specs = approved();
    specs.push(wave("b", &["2"], 1, 0));
    let mut waves = Waves::new(specs, vec![past(&["1"], 0), WavePast::default()], false);
    let actions = waves.handle(Input::Begin, &at(0));
    assert!(matches!(actions.first(), Some(Action::BeginWave { wave: 0 })), "{actions:?}");
    assert!(matches!(actions.get(1), Some(Action::EndWave { wave: 0, passed: true, .. })));
    assert_eq!(begun(&actions), ["2"]);
}

#[test]
fn an_approval_that_was_given_is_not_asked_for_again() {
    let given = WavePast { approved: true, ..WavePast::default() };
    for attended in [true, false] {
        let mut waves = Waves::new(approved(), vec![given.clone()], attended);
        assert_eq!(begun(&waves.handle(Input::Begin, &at(0))), ["1"]);
    }
}

#[test]
fn a_host_that_was_only_looked_at_costs_nothing_while_it_is_present() {
    assert_eq!(Toll::of(HostState::Present, false), Toll::Free);
    assert_eq!(Toll::of(HostState::Present, true), Toll::Failure);
    assert_eq!(Toll::of(HostState::Unreachable, false), Toll::Unreachable);
    assert_eq!(Toll::of(HostState::Unknown, false), Toll::Failure);
    assert_eq!(Toll::of(HostState::Skipped, false), Toll::Free);
}
