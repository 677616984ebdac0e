//! All rules at once, watched by a judge that knows nothing of the machine's inside.

use super::super::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};

const WINDOWS: [&str; 3] = ["Mon..Sun 22:00-05:00 UTC", "Mon 21:30-22:15 UTC", "Mon..Sun 00:00-23:00 UTC"];

/// What happens next, where it can.
#[derive(Debug, Clone)]
enum Move {
    /// A host in flight ends.
    End(Toll),
    /// Both clocks go on by so many seconds.
    Pass(u64),
    /// The clock on the wall is set, by so many seconds.
    Jump(i64),
    Answer(bool),
    Drain,
    /// What is told without a reason: an end or an answer that nobody waits for.
    Noise,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        8 => prop_oneof![6 => Just(Toll::Free), 1 => Just(Toll::Failure), 1 => Just(Toll::Unreachable)]
            .prop_map(Move::End),
        4 => (0u64..4000).prop_map(Move::Pass),
        1 => (-90_000i64..90_000).prop_map(Move::Jump),
        2 => prop::bool::weighted(0.8).prop_map(Move::Answer),
        1 => prop::bool::weighted(0.2).prop_map(|drain| if drain { Move::Drain } else { Move::Noise }),
    ];
    prop::collection::vec(one, 0..60)
}

/// A wave and its past; hosts get their names later.
#[derive(Debug, Clone)]
struct Seed {
    hosts: usize,
    done: usize,
    spec: WaveSpec,
    past: WavePast,
}

fn seed() -> impl Strategy<Value = Seed> {
    let spec = (
        1usize..4,
        0usize..3,
        prop::option::of(0usize..3),
        prop_oneof![2 => Just(0u64), 1 => 1u64..4000],
        any::<bool>(),
        prop::option::weighted(0.3, prop::sample::select(WINDOWS.to_vec())),
    );
    let past = (0usize..3, 0usize..3, any::<bool>(), prop::option::of(0u64..4000));
    (0usize..6, 0usize..6, spec, past).prop_map(|(hosts, done, spec, past)| {
        let (parallel, max_failures, max_unreachable, soak, approve, window) = spec;
        let (failures, unreachable, approved, passed) = past;
        Seed {
            hosts,
            done: done.min(hosts),
            spec: WaveSpec {
                name: String::new(),
                hosts: Vec::new(),
                parallel,
                max_failures,
                max_unreachable,
                soak: Duration::from_secs(soak),
                approve,
                window: window.map(|text| text.parse().unwrap()),
            },
            past: WavePast {
                failures,
                unreachable,
                approved,
                passed: passed.map(Duration::from_secs),
                ..WavePast::default()
            },
        }
    })
}

/// Waves of which the first `begun` have a past, as a run that was stopped leaves them.
fn situation() -> impl Strategy<Value = (Vec<WaveSpec>, Vec<WavePast>)> {
    (prop::collection::vec(seed(), 0..4), 0usize..4, any::<bool>()).prop_map(|(seeds, begun, retried)| {
        let last = begun.checked_sub(1);
        let mut next = 0;
        let waves = seeds.into_iter().enumerate().map(|(position, seed)| {
            let hosts: Vec<String> = (0..seed.hosts).map(|n| format!("h{}", next + n)).collect();
            next += seed.hosts;
            let spec = WaveSpec { name: format!("w{position}"), hosts: hosts.clone(), ..seed.spec };
            if position >= begun {
                // Approved on the command line, before its turn.
                return (spec, WavePast { approved: seed.past.approved, ..WavePast::default() });
            }
            let is_last = Some(position) == last;
            // Hosts of a wave that passed are left over only where they are retried.
            let done = if is_last || retried { seed.done } else { hosts.len() };
            let mut past =
                WavePast { done: hosts.into_iter().take(done).collect(), begun: true, ..seed.past };
            if !is_last {
                past.failures = past.failures.min(spec.max_failures);
                past.unreachable = past.unreachable.min(spec.max_unreachable.unwrap_or(usize::MAX));
                past.passed = past.passed.or(Some(Duration::ZERO));
            }
            (spec, past)
        });
        waves.unzip()
    })
}

/// Watches the actions.
struct Judge {
    specs: Vec<WaveSpec>,
    past: Vec<WavePast>,
    attended: bool,
    seen: BTreeSet<String>,
    wave: Option<usize>,
    in_flight: usize,
    counts: (usize, usize),
    approved: BTreeSet<usize>,
    /// When each wave passed in this process.
    passed: Vec<Option<Duration>>,
    start: Duration,
    stopped: bool,
    says: Option<Action>,
    finished: Option<Option<String>>,
}

impl Judge {
    fn new(specs: &[WaveSpec], past: &[WavePast], attended: bool, start: Duration) -> Self {
        Self {
            specs: specs.to_vec(),
            past: past.to_vec(),
            attended,
            seen: BTreeSet::new(),
            wave: None,
            in_flight: 0,
            counts: (0, 0),
            approved: BTreeSet::new(),
            passed: vec![None; specs.len()],
            start,
            stopped: false,
            says: None,
            finished: None,
        }
    }

    fn is_spent(&self, wave: usize) -> bool {
        let spec = &self.specs[wave];
        self.counts.0 > spec.max_failures || spec.max_unreachable.is_some_and(|most| self.counts.1 > most)
    }

    fn see(&mut self, actions: &[Action], now: &Now) -> Result<(), TestCaseError> {
        for action in actions {
            prop_assert!(self.finished.is_none(), "{action:?} follows the end");
            self.see_one(action, now)?;
        }
        if self.finished.is_none() {
            prop_assert!(self.in_flight > 0 || self.says.is_some(), "nobody knows what it waits for");
        }
        Ok(())
    }

    fn see_one(&mut self, action: &Action, now: &Now) -> Result<(), TestCaseError> {
        match action {
            Action::BeginWave { wave } => {
                prop_assert!(self.wave.is_none() && self.in_flight == 0);
                let earlier = self.specs[..*wave].iter().zip(&self.past).zip(&self.passed);
                for ((spec, past), passed) in earlier {
                    let is_done = spec.hosts.iter().all(|host| past.done.contains(host));
                    prop_assert!(passed.is_some() || (past.passed.is_some() && is_done), "{}", spec.name);
                }
                self.wave = Some(*wave);
                self.counts = (self.past[*wave].failures, self.past[*wave].unreachable);
                self.says = None;
            }
            Action::BeginHost { wave, host } => self.see_host(*wave, host, now)?,
            Action::StopHosts { .. } => {
                prop_assert!(!self.stopped);
                self.stopped = true;
            }
            Action::EndWave { wave, passed, failures, unreachable, reason } => {
                prop_assert_eq!(self.wave.take(), Some(*wave));
                prop_assert_eq!(self.in_flight, 0);
                prop_assert_eq!((*failures, *unreachable), self.counts);
                prop_assert_eq!(*passed, reason.is_none());
                if *passed {
                    prop_assert!(!self.stopped && !self.is_spent(*wave));
                    let all = self.specs[*wave].hosts.iter();
                    let past = &self.past[*wave];
                    prop_assert!(all.clone().all(|h| self.seen.contains(h) || past.done.contains(h)));
                    self.passed[*wave] = Some(now.steady);
                }
                self.says = None;
            }
            Action::AskApproval { wave } => {
                prop_assert!(self.attended && self.specs[*wave].approve && self.wave.is_none());
                prop_assert!(!self.past[*wave].approved && !self.past[*wave].begun);
                prop_assert!(!self.approved.contains(wave));
                self.says = Some(action.clone());
            }
            Action::Wait { why, .. } => {
                prop_assert!(!why.is_empty());
                prop_assert_ne!(self.says.as_ref(), Some(action), "told twice");
                self.says = Some(action.clone());
            }
            Action::Finish { stopped } => {
                prop_assert_eq!(self.in_flight, 0);
                if stopped.is_none() {
                    prop_assert!(!self.stopped);
                    for (spec, past) in self.specs.iter().zip(&self.past) {
                        let worked = |host| self.seen.contains(host) || past.done.contains(host);
                        prop_assert!(spec.hosts.iter().all(worked));
                    }
                }
                self.finished = Some(stopped.clone());
            }
        }
        Ok(())
    }

    fn see_host(&mut self, wave: usize, host: &String, now: &Now) -> Result<(), TestCaseError> {
        let spec = &self.specs[wave];
        prop_assert_eq!(self.wave, Some(wave));
        prop_assert!(!self.stopped && !self.is_spent(wave));
        prop_assert!(spec.hosts.contains(host) && !self.past[wave].done.contains(host));
        prop_assert!(self.seen.insert(host.clone()), "begun twice");
        self.in_flight += 1;
        prop_assert!(self.in_flight <= spec.parallel);
        prop_assert!(spec.window.as_ref().is_none_or(|window| window.is_open(now.wall)));
        let past = &self.past[wave];
        prop_assert!(!spec.approve || past.approved || past.begun || self.approved.contains(&wave));
        for (earlier, spec) in self.specs[..wave].iter().enumerate() {
            let since = match (self.passed[earlier], self.past[earlier].passed) {
                (Some(passed), _) => now.steady - passed,
                (None, Some(ago)) => ago + (now.steady - self.start),
                (None, None) => return Err(TestCaseError::fail("the one before did not pass")),
            };
            prop_assert!(since >= spec.soak, "the soak of {} is not over", spec.name);
        }
        self.says = None;
        Ok(())
    }

    fn host_ended(&mut self, toll: Toll) {
        self.in_flight -= 1;
        match toll {
            Toll::Free => {}
            Toll::Failure => self.counts.0 += 1,
            Toll::Unreachable => self.counts.1 += 1,
        }
    }
}

/// What the machine is told, if the move can be made.
fn input(judge: &mut Judge, next: &Move, now: &mut Now) -> Option<Input> {
    let is_asking = matches!(judge.says, Some(Action::AskApproval { .. }));
    match next {
        Move::End(toll) if judge.in_flight > 0 => {
            judge.host_ended(*toll);
            Some(Input::HostEnded { toll: *toll })
        }
        Move::Noise if judge.in_flight == 0 => Some(Input::HostEnded { toll: Toll::Failure }),
        Move::Noise if !is_asking => Some(Input::Approved { yes: false }),
        Move::Answer(yes) => {
            let Some(Action::AskApproval { wave }) = judge.says else { return None };
            if *yes {
                judge.approved.insert(wave);
            }
            judge.says = None;
            Some(Input::Approved { yes: *yes })
        }
        Move::Drain => Some(Input::Drain { reason: "asked".into() }),
        Move::Pass(seconds) => {
            now.steady += Duration::from_secs(*seconds);
            now.wall += SignedDuration::from_secs(i64::try_from(*seconds).ok()?);
            Some(Input::Tick)
        }
        Move::Jump(seconds) => {
            now.wall += SignedDuration::from_secs(*seconds);
            Some(Input::Tick)
        }
        Move::End(_) | Move::Noise => None,
    }
}

/// What a willing shell does until the run ends.
fn willing(judge: &Judge, now: &Now) -> Move {
    match &judge.says {
        _ if judge.in_flight > 0 => Move::End(Toll::Free),
        Some(Action::AskApproval { .. }) => Move::Answer(true),
        Some(Action::Wait { until_steady: Some(until), .. }) => {
            Move::Pass(until.saturating_sub(now.steady).as_secs() + 1)
        }
        Some(Action::Wait { until_wall: Some(until), .. }) => {
            let left = until.duration_since(now.wall).as_secs() + 1;
            Move::Pass(u64::try_from(left).unwrap_or(1))
        }
        _ => Move::Drain,
    }
}

fn play(
    specs: &[WaveSpec],
    past: &[WavePast],
    attended: bool,
    moves: &[Move],
) -> Result<Judge, TestCaseError> {
    let start = Duration::from_secs(5000);
    let mut now = Now { steady: start, wall: "2026-11-23T21:00:00Z".parse().unwrap() };
    let mut waves = Waves::new(specs.to_vec(), past.to_vec(), attended);
    let mut full = past.to_vec();
    full.resize_with(specs.len(), WavePast::default);
    let mut judge = Judge::new(specs, &full, attended, start);
    judge.see(&waves.handle(Input::Begin, &now), &now)?;
    for next in moves {
        if let Some(input) = input(&mut judge, next, &mut now) {
            let told = matches!(input, Input::Drain { .. }) && judge.finished.is_none() && !judge.stopped;
            let actions = waves.handle(input, &now);
            let stops = matches!(actions.first(), Some(Action::StopHosts { .. }));
            prop_assert!(stops || !told);
            judge.see(&actions, &now)?;
        }
        if let Some(wave) = judge.wave {
            prop_assert!(!judge.is_spent(wave) || judge.stopped, "a spent budget stops the wave at once");
        }
    }
    let all: usize = specs.iter().map(|spec| spec.hosts.len()).sum();
    for _ in 0..(2 * all + 10 * specs.len() + 10) {
        if judge.finished.is_some() {
            break;
        }
        let next = willing(&judge, &now);
        if let Some(input) = input(&mut judge, &next, &mut now) {
            judge.see(&waves.handle(input, &now), &now)?;
        }
    }
    prop_assert!(judge.finished.is_some(), "it does not end");
    prop_assert!(waves.handle(Input::Tick, &now).is_empty());
    Ok(judge)
}

proptest! {
    #![proptest_config(Config { cases: 3000, ..Config::default() })]

    #[test]
    fn the_rules_hold_whatever_happens(
        (specs, past) in situation(),
        attended in any::<bool>(),
        moves in moves(),
    ) {
        play(&specs, &past, attended, &moves)?;
    }

    #[test]
    fn a_new_run_that_nothing_stops_works_on_every_host(
        (specs, _) in situation(),
    ) {
        let judge = play(&specs, &[], true, &[])?;
        prop_assert_eq!(judge.finished, Some(None));
        prop_assert_eq!(judge.seen.len(), specs.iter().map(|spec| spec.hosts.len()).sum::<usize>());
    }
}

/// Each deliberate defect of the machine breaks a rule that the judge watches.
#[cfg(feature = "deliberate-defects")]
#[test]
fn the_judge_notices_every_deliberate_defect() {
    use crate::model::deliberate::switch;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let cases = (situation(), any::<bool>(), moves());
    for defect in [
        Defect::BudgetOffByOne,
        Defect::ParallelOffByOne,
        Defect::TwoWavesAtOnce,
        Defect::SoakByWallClock,
        Defect::ApprovalSkipped,
        Defect::WindowIgnored,
    ] {
        let mut runner = TestRunner::deterministic();
        switch(Some(defect));
        let noticed = (0..3000).any(|_| {
            let ((specs, past), attended, moves) = cases.new_tree(&mut runner).unwrap().current();
            play(&specs, &past, attended, &moves).is_err()
        });
        switch(None);
        assert!(noticed, "{defect:?}");
    }
}
