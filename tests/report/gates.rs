//! The command that goes on, from what the real wave machine says when it stops.

use crate::script::Script;
use std::collections::BTreeSet;
use std::time::Duration;
use uproot::apply::waves::{Action, Input, Now, Toll, WavePast, WaveSpec, Waves};
use uproot::model::{Event, ExitCode, HostState};

fn wave(name: &str, host: &str) -> WaveSpec {
    WaveSpec {
        name: name.into(),
        hosts: vec![host.into()],
        parallel: 1,
        max_failures: 0,
        max_unreachable: Some(0),
        soak: Duration::ZERO,
        approve: false,
        window: None,
    }
}

const NAME: &str = "the `last` one's";

/// A wave of the host `a`, then one of `b`.
fn two(second: WaveSpec) -> Vec<WaveSpec> {
    vec![wave("canary", "a"), second]
}

/// Plays waves of which every host ends like this, as `apply` records it. A question gets this answer.
fn played(specs: &[WaveSpec], toll: Toll, answer: Option<bool>) -> Script {
    let mut script = Script::default();
    script.start(&["a", "b"]);
    play(&mut script, specs, Vec::new(), toll, answer);
    script
}

fn play(script: &mut Script, specs: &[WaveSpec], past: Vec<WavePast>, toll: Toll, answer: Option<bool>) {
    let now = Now { steady: Duration::from_secs(60), wall: "2026-11-23T21:00:00Z".parse().unwrap() };
    let mut machine = Waves::new(specs.to_vec(), past, answer.is_some());
    let mut actions = machine.handle(Input::Begin, &now);
    while !actions.is_empty() {
        let mut inputs = Vec::new();
        for action in std::mem::take(&mut actions) {
            match action {
                Action::BeginWave { wave } => {
                    let spec = &specs[wave];
                    script.add(
                        None,
                        Event::WaveStarted {
                            wave: spec.name.clone(),
                            hosts: spec.hosts.len(),
                            max_failures: spec.max_failures,
                            max_unreachable: spec.max_unreachable,
                        },
                    );
                }
                Action::BeginHost { host, .. } => {
                    let state = match toll {
                        Toll::Free => HostState::Clean,
                        Toll::Failure => HostState::Failed,
                        Toll::Unreachable => HostState::Unreachable,
                    };
                    script.begin(&host).end(&host, state, "", None);
                    inputs.push(Input::HostEnded { toll });
                }
                Action::EndWave { wave, passed, failures, unreachable, reason } => {
                    let wave = specs[wave].name.clone();
                    let ended = Event::WaveEnded { wave, passed, failures, unreachable, reason, clock: None };
                    script.add(None, ended);
                }
                Action::AskApproval { .. } => inputs.extend(answer.map(|yes| Input::Approved { yes })),
                Action::Finish { stopped: Some(reason) } => {
                    script.stop(&reason, ExitCode::Stopped);
                }
                Action::Finish { stopped: None } => {
                    script.finish(ExitCode::Success);
                }
                Action::StopHosts { .. } | Action::Wait { .. } => {}
            }
        }
        for input in inputs {
            actions.extend(machine.handle(input, &now));
        }
    }
}

fn option(script: &Script) -> Option<String> {
    let command = script.report().resume_command()?;
    Some(command.split_once("000000000001").unwrap().1.trim().to_owned())
}

#[test]
fn a_missing_approval_asks_for_it_by_name() {
    let specs = two(WaveSpec { approve: true, ..wave("the rest", "b") });
    assert_eq!(option(&played(&specs, Toll::Free, None)).as_deref(), Some("--approve-wave 'the rest'"));
    let refused = played(&specs, Toll::Free, Some(false));
    assert_eq!(option(&refused).as_deref(), Some("--approve-wave 'the rest'"), "asked, and refused");
    assert_eq!(option(&played(&specs, Toll::Free, Some(true))), None, "it was given: the run is over");
}

#[test]
fn a_window_needs_no_option_whatever_its_wave_is_called() {
    let window = Some("Tue 01:00-02:00 UTC".parse().unwrap());
    let specs = two(WaveSpec { window, ..wave("approval", "b") });
    assert_eq!(option(&played(&specs, Toll::Free, None)).as_deref(), Some(""));
}

#[test]
fn a_spent_budget_needs_a_decision_that_holds_from_then_on() {
    let specs = two(wave("approved", "b"));
    for toll in [Toll::Failure, Toll::Unreachable] {
        assert_eq!(option(&played(&specs, toll, None)).as_deref(), Some("--continue-after-failures"));
    }
    let mut script = played(&specs, Toll::Failure, None);
    // Resumed without the decision it stops again, and still needs it.
    let spent =
        WavePast { done: BTreeSet::from(["a".to_owned()]), failures: 1, begun: true, ..WavePast::default() };
    script.resume(&[]);
    play(&mut script, &specs, vec![spent.clone(), WavePast::default()], Toll::Free, None);
    assert_eq!(option(&script).as_deref(), Some("--continue-after-failures"));
    script.resume(&["--continue-after-failures"]);
    let renewed = WavePast { failures: 0, ..spent };
    play(&mut script, &specs, vec![renewed, WavePast::default()], Toll::Free, None);
    assert_eq!(option(&script), None, "both waves are over");
}

#[test]
fn a_wave_of_any_name_is_a_word_of_the_shell() {
    let specs = two(WaveSpec { approve: true, ..wave(NAME, "b") });
    let option = option(&played(&specs, Toll::Free, None));
    assert_eq!(option.as_deref(), Some("--approve-wave 'the `last` one'\\''s'"));
}
