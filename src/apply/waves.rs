//! The wave machine: which host may be begun when. Pure: events in, actions out.
//!
//! Invariants: never more hosts in flight than a wave allows; a wave begins only when the one before
//! it is wholly done and kept within its budgets; once a budget is exceeded, or a stop is asked for,
//! no host is begun any more; every host gets exactly one of `BeginHost` and `SkipHost`.

use crate::model::HostState;
use std::collections::VecDeque;

/// A wave as the machine needs it. Budgets are numbers of hosts already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveSpec {
    /// Its name.
    pub name: String,
    /// Its hosts, in the order in which they are begun.
    pub hosts: Vec<String>,
    /// How many may be in flight at once; at least 1.
    pub parallel: usize,
    /// How many may fail; one more stops the wave.
    pub max_failures: usize,
    /// How many may be unreachable; one more stops the wave; none: no limit.
    pub max_unreachable: Option<usize>,
}

/// What a host's end means to its wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toll {
    /// Nothing.
    Free,
    /// It counts against `max_failures`.
    Failure,
    /// It counts against `max_unreachable`.
    Unreachable,
}

impl Toll {
    /// What ending in `state` costs. `after_steps`: whether any step was begun on the host; a host
    /// that was only looked at and is still present had nothing that could fail.
    #[must_use]
    pub fn of(state: HostState, after_steps: bool) -> Self {
        match state {
            HostState::Failed
            | HostState::Blocked
            | HostState::Interrupted
            | HostState::Drifted
            | HostState::Unknown => Self::Failure,
            HostState::Present | HostState::Residue if after_steps => Self::Failure,
            HostState::Unreachable => Self::Unreachable,
            HostState::Present
            | HostState::Residue
            | HostState::Skipped
            | HostState::RemovedRebootPending
            | HostState::Removed
            | HostState::Clean => Self::Free,
        }
    }
}

/// What the shell round the machine must do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Record that a wave begins.
    BeginWave {
        /// Its position among the waves.
        wave: usize,
    },
    /// Begin a host.
    BeginHost {
        /// The wave's position.
        wave: usize,
        /// The host.
        host: String,
    },
    /// Tell the hosts in flight to finish their current step and stop.
    StopHosts {
        /// Why.
        reason: String,
    },
    /// Record that a wave ended.
    EndWave {
        /// Its position.
        wave: usize,
        /// Whether all of its hosts were worked on within the budgets.
        passed: bool,
        /// Failures counted.
        failures: usize,
        /// Unreachable hosts counted.
        unreachable: usize,
        /// Why it stopped.
        reason: Option<String>,
    },
    /// Record a host as skipped.
    SkipHost {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
    /// Nothing is left to do.
    Finish {
        /// Whether a gate stopped the run.
        stopped: bool,
    },
}

/// The machine.
#[derive(Debug, Clone)]
pub struct Waves {
    specs: Vec<WaveSpec>,
    current: usize,
    begun: bool,
    waiting: VecDeque<String>,
    in_flight: usize,
    failures: usize,
    unreachable: usize,
    stop: Option<String>,
    finished: bool,
}

impl Waves {
    /// A machine at rest before its first wave.
    #[must_use]
    pub fn new(specs: Vec<WaveSpec>) -> Self {
        Self {
            specs,
            current: 0,
            begun: false,
            waiting: VecDeque::new(),
            in_flight: 0,
            failures: 0,
            unreachable: 0,
            stop: None,
            finished: false,
        }
    }

    /// Begins the first wave.
    pub fn begin(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        self.advance(&mut actions);
        actions
    }

    /// A host of the current wave ended.
    pub fn host_ended(&mut self, toll: Toll) -> Vec<Action> {
        let mut actions = Vec::new();
        self.in_flight = self.in_flight.saturating_sub(1);
        match toll {
            Toll::Free => {}
            Toll::Failure => self.failures += 1,
            Toll::Unreachable => self.unreachable += 1,
        }
        if self.stop.is_none()
            && let Some(reason) = self.exceeded()
        {
            self.stop = Some(reason.clone());
            actions.push(Action::StopHosts { reason });
        }
        self.advance(&mut actions);
        actions
    }

    /// The operator (or a journal that cannot be written) asks to stop: no new hosts.
    pub fn drain(&mut self, reason: &str) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.stop.is_none() {
            self.stop = Some(reason.to_owned());
            actions.push(Action::StopHosts { reason: reason.to_owned() });
        }
        self.advance(&mut actions);
        actions
    }

    fn exceeded(&self) -> Option<String> {
        let spec = self.specs.get(self.current)?;
        if self.failures > spec.max_failures {
            return Some(format!(
                "{} of wave `{}` failed, {} may",
                hosts(self.failures),
                spec.name,
                spec.max_failures
            ));
        }
        let limit = spec.max_unreachable?;
        (self.unreachable > limit).then(|| {
            format!("{} of wave `{}` unreachable, {limit} may be", hosts(self.unreachable), spec.name)
        })
    }

    /// Does all that can be done without another event.
    fn advance(&mut self, actions: &mut Vec<Action>) {
        while !self.finished {
            if let Some(reason) = self.stop.clone() {
                return self.wind_up(&reason, actions);
            }
            let Some(spec) = self.specs.get(self.current) else {
                self.finished = true;
                actions.push(Action::Finish { stopped: false });
                return;
            };
            if !self.begun {
                self.begun = true;
                self.waiting = spec.hosts.iter().cloned().collect();
                (self.failures, self.unreachable) = (0, 0);
                actions.push(Action::BeginWave { wave: self.current });
            }
            while self.in_flight < spec.parallel.max(1) {
                let Some(host) = self.waiting.pop_front() else { break };
                self.in_flight += 1;
                actions.push(Action::BeginHost { wave: self.current, host });
            }
            if self.in_flight > 0 {
                return;
            }
            actions.push(self.end_wave(None));
            self.current += 1;
            self.begun = false;
        }
    }

    /// After a stop: waits for those in flight, then skips all that was not begun.
    fn wind_up(&mut self, reason: &str, actions: &mut Vec<Action>) {
        if self.in_flight > 0 {
            return;
        }
        if self.begun {
            actions.push(self.end_wave(Some(reason.to_owned())));
        }
        let later = self.specs.iter().skip(self.current + usize::from(self.begun));
        let left = std::mem::take(&mut self.waiting).into_iter().chain(later.flat_map(|s| s.hosts.clone()));
        let skipped: Vec<Action> =
            left.map(|host| Action::SkipHost { host, reason: format!("not begun: {reason}") }).collect();
        actions.extend(skipped);
        self.finished = true;
        actions.push(Action::Finish { stopped: true });
    }

    fn end_wave(&self, reason: Option<String>) -> Action {
        Action::EndWave {
            wave: self.current,
            passed: reason.is_none(),
            failures: self.failures,
            unreachable: self.unreachable,
            reason,
        }
    }
}

fn hosts(count: usize) -> String {
    if count == 1 { "1 host".to_owned() } else { format!("{count} hosts") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn wave(name: &str, hosts: &[&str], parallel: usize, max_failures: usize) -> WaveSpec {
        WaveSpec {
            name: name.into(),
            hosts: hosts.iter().map(|h| (*h).to_owned()).collect(),
            parallel,
            max_failures,
            max_unreachable: None,
        }
    }

    fn begun(actions: &[Action]) -> Vec<&str> {
        actions
            .iter()
            .filter_map(|a| if let Action::BeginHost { host, .. } = a { Some(host.as_str()) } else { None })
            .collect()
    }

    #[test]
    fn waves_run_one_after_the_other_within_parallel() {
        let mut waves = Waves::new(vec![wave("a", &["1", "2", "3"], 2, 0), wave("b", &["4"], 2, 0)]);
        assert_eq!(begun(&waves.begin()), ["1", "2"]);
        assert_eq!(begun(&waves.host_ended(Toll::Free)), ["3"]);
        assert!(begun(&waves.host_ended(Toll::Free)).is_empty(), "wave b waits for all of wave a");
        assert_eq!(begun(&waves.host_ended(Toll::Free)), ["4"]);
        assert_eq!(waves.host_ended(Toll::Free).last(), Some(&Action::Finish { stopped: false }));
    }

    #[test]
    fn a_spent_budget_begins_nothing_more_and_skips_the_rest() {
        let mut waves = Waves::new(vec![wave("a", &["1", "2", "3", "4"], 2, 0), wave("b", &["5"], 1, 0)]);
        waves.begin();
        let actions = waves.host_ended(Toll::Failure);
        assert!(matches!(actions.as_slice(), [Action::StopHosts { .. }]), "{actions:?}");
        let actions = waves.host_ended(Toll::Free);
        let skipped: Vec<_> = actions.iter().filter(|a| matches!(a, Action::SkipHost { .. })).collect();
        assert_eq!(skipped.len(), 3);
        assert_eq!(actions.last(), Some(&Action::Finish { stopped: true }));
    }

    #[test]
    fn a_budget_that_is_met_but_not_exceeded_goes_on() {
        let mut waves = Waves::new(vec![wave("a", &["1", "2"], 1, 1)]);
        waves.begin();
        assert_eq!(begun(&waves.host_ended(Toll::Failure)), ["2"]);
    }

    #[test]
    fn unreachable_hosts_have_a_budget_of_their_own() {
        let mut spec = wave("a", &["1", "2", "3"], 1, 0);
        spec.max_unreachable = Some(1);
        let mut waves = Waves::new(vec![spec]);
        waves.begin();
        assert_eq!(begun(&waves.host_ended(Toll::Unreachable)), ["2"]);
        assert!(begun(&waves.host_ended(Toll::Unreachable)).is_empty());
    }

    proptest! {
        #[test]
        fn every_host_is_begun_or_skipped_once_and_the_bounds_hold(
            sizes in proptest::collection::vec((1usize..6, 1usize..4, 0usize..3), 0..4),
            tolls in proptest::collection::vec(0u8..3, 0..40),
            drain_at in proptest::option::of(0usize..20),
        ) {
            let mut next = 0;
            let specs: Vec<WaveSpec> = sizes.iter().enumerate().map(|(n, (hosts, parallel, max))| WaveSpec {
                name: format!("w{n}"),
                hosts: (0..*hosts).map(|_| { next += 1; format!("h{next}") }).collect(),
                parallel: *parallel,
                max_failures: *max,
                max_unreachable: None,
            }).collect();
            let mut waves = Waves::new(specs.clone());
            let mut seen = BTreeSet::new();
            let (mut flight, mut failures, mut current, mut spent, mut finished) = (0usize, 0usize, 0usize, false, false);
            let mut queue: VecDeque<Action> = waves.begin().into();
            let mut tolls = tolls.into_iter();
            let mut events = 0;
            loop {
                while let Some(action) = queue.pop_front() {
                    prop_assert!(!finished, "nothing follows the end");
                    match action {
                        Action::BeginWave { wave } => { prop_assert_eq!(flight, 0); failures = 0; current = wave; }
                        Action::BeginHost { host, wave } => {
                            prop_assert!(!spent && wave == current);
                            flight += 1;
                            prop_assert!(flight <= specs[wave].parallel);
                            prop_assert!(seen.insert(host));
                        }
                        Action::SkipHost { host, .. } => { prop_assert!(seen.insert(host)); }
                        Action::StopHosts { .. } => spent = true,
                        Action::EndWave { passed, .. } => prop_assert_eq!(passed, !spent),
                        Action::Finish { stopped } => { finished = true; prop_assert_eq!(stopped, spent); }
                    }
                }
                if finished { break; }
                events += 1;
                if drain_at == Some(events) { queue.extend(waves.drain("asked")); continue; }
                prop_assert!(flight > 0, "the machine waits for something");
                flight -= 1;
                let toll = match tolls.next().unwrap_or(0) { 0 => Toll::Free, 1 => Toll::Failure, _ => Toll::Unreachable };
                if toll == Toll::Failure { failures += 1; }
                let actions = waves.host_ended(toll);
                if failures > specs[current].max_failures && !spent {
                    let stops = matches!(actions.first(), Some(Action::StopHosts { .. }));
                    prop_assert!(stops);
                }
                queue.extend(actions);
            }
            prop_assert_eq!(seen.len(), next);
        }
    }
}
