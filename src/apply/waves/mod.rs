//! The wave machine: which host may be begun when. Pure: inputs and the time in, actions out.
//!
//! Invariants: never more hosts in flight than a wave allows; a wave begins only when the one before it
//! has no host in flight and kept within its budgets, when the soak of that one is over, its own approval
//! given and its window open; once a budget is exceeded, or a stop is asked for, no host is begun any
//! more; no host is begun twice, nor one that an earlier process of the run is done with. As long as it
//! is not finished, something is in flight, or it has said what it waits for.

use crate::model::HostState;
use crate::model::deliberate::{Defect, is_on};
use crate::model::yaml::duration::show_duration;
use crate::playbook::Window;
use jiff::{SignedDuration, Timestamp, Unit};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// What time it is, by two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// By a clock that only goes forward: soak is measured by it.
    pub steady: Duration,
    /// By the clock on the wall, which may jump: windows are opened and closed by it.
    pub wall: Timestamp,
}

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
    /// How long after its end the next wave may begin.
    pub soak: Duration,
    /// Whether a person must agree before it begins.
    pub approve: bool,
    /// When its hosts may be begun; none: at any time.
    pub window: Option<Window>,
}

/// What earlier processes of the same run did of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WavePast {
    /// The hosts of it that are not begun again.
    pub done: BTreeSet<String>,
    /// Failures counted since the last time its budget was renewed.
    pub failures: usize,
    /// Unreachable hosts counted since then.
    pub unreachable: usize,
    /// Whether it was begun: what was asked before that is not asked again.
    pub begun: bool,
    /// Whether a person agreed to it.
    pub approved: bool,
    /// It ended within its budgets, at least so long ago.
    pub passed: Option<Duration>,
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
            HostState::Unreachable if is_on(Defect::UnreachableCountedAsDone) => Self::Free,
            HostState::Unreachable => Self::Unreachable,
            HostState::Present
            | HostState::Residue
            | HostState::Skipped
            | HostState::RemovedRebootPending
            | HostState::Exempt
            | HostState::Removed
            | HostState::Clean => Self::Free,
        }
    }
}

/// What the machine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Begin.
    Begin,
    /// A host of the wave in hand ended.
    HostEnded {
        /// What that means to the wave.
        toll: Toll,
    },
    /// Time has passed.
    Tick,
    /// A person answered `AskApproval`.
    Approved {
        /// Whether the wave may begin.
        yes: bool,
    },
    /// The operator (or a journal that cannot be written) asks to stop: no new hosts.
    Drain {
        /// Why.
        reason: String,
    },
}

/// What the shell round the machine must do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Record that a wave begins, or goes on in this process.
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
    /// Ask the person at the terminal whether a wave may begin, and send `Approved`.
    AskApproval {
        /// The wave's position.
        wave: usize,
    },
    /// No host is begun for now. Told once for each wait; send `Tick` until it is over.
    Wait {
        /// The position of the wave that waits.
        wave: usize,
        /// What for, in words.
        why: String,
        /// When it is over, by the steady clock, if that decides.
        until_steady: Option<Duration>,
        /// When it is over, by the clock on the wall, if that decides.
        until_wall: Option<Timestamp>,
    },
    /// Nothing is left to do.
    Finish {
        /// Which gate or wish stopped the run, which can be resumed; none: every host of every wave was
        /// worked on.
        stopped: Option<String>,
    },
}

/// The soak in force: no wave begins before these moments.
#[derive(Debug, Clone, Copy)]
struct Soak {
    wave: usize,
    steady: Duration,
    wall: Timestamp,
}

/// Whether hosts of the wave in hand may be begun.
enum Gate {
    Open,
    /// Not now; what there is to say of it has been said.
    Shut,
    /// Not in this process.
    Stopped(String),
}

/// The machine.
#[derive(Debug, Clone)]
pub struct Waves {
    specs: Vec<WaveSpec>,
    past: Vec<WavePast>,
    attended: bool,
    started: bool,
    current: usize,
    /// Whether the wave in hand was begun in this process.
    begun: bool,
    waiting: VecDeque<String>,
    in_flight: usize,
    failures: usize,
    unreachable: usize,
    /// Whether approval of the wave in hand was asked for and not answered yet.
    asked: bool,
    soak: Option<Soak>,
    told: Option<Action>,
    stop: Option<String>,
    finished: bool,
}

impl Waves {
    /// A machine at rest. `past` has what earlier processes of the run did of each wave: of the same
    /// length, all `default()` in a new run. `attended`: somebody can be asked, and waited for, where
    /// an approval is missing or a window closed; otherwise that ends the run.
    #[must_use]
    pub fn new(specs: Vec<WaveSpec>, past: Vec<WavePast>, attended: bool) -> Self {
        let mut past = past;
        past.resize_with(specs.len(), WavePast::default);
        Self {
            specs,
            past,
            attended,
            started: false,
            current: 0,
            begun: false,
            waiting: VecDeque::new(),
            in_flight: 0,
            failures: 0,
            unreachable: 0,
            asked: false,
            soak: None,
            told: None,
            stop: None,
            finished: false,
        }
    }

    /// Takes an input and says what must be done.
    pub fn handle(&mut self, input: Input, now: &Now) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Begin => self.started = true,
            Input::Tick => {}
            Input::HostEnded { toll } => self.host_ended(toll, &mut actions),
            Input::Approved { yes } => self.answered(yes),
            Input::Drain { reason } => {
                self.started = true;
                self.stop_hosts(reason, &mut actions);
            }
        }
        if self.started {
            self.advance(now, &mut actions);
        }
        actions
    }

    fn host_ended(&mut self, toll: Toll, actions: &mut Vec<Action>) {
        if self.in_flight == 0 {
            return;
        }
        self.in_flight -= 1;
        match toll {
            Toll::Free => {}
            Toll::Failure => self.failures += 1,
            Toll::Unreachable => self.unreachable += 1,
        }
        if let Some(reason) = self.exceeded() {
            self.stop_hosts(reason, actions);
        }
    }

    fn answered(&mut self, yes: bool) {
        if !std::mem::take(&mut self.asked) {
            return;
        }
        if yes {
            if let Some(past) = self.past.get_mut(self.current) {
                past.approved = true;
            }
        } else if self.stop.is_none() {
            self.stop = Some(format!("wave `{}` was not approved", self.name(self.current)));
        }
    }

    fn stop_hosts(&mut self, reason: String, actions: &mut Vec<Action>) {
        if self.stop.is_none() && !self.finished {
            self.stop = Some(reason.clone());
            actions.push(Action::StopHosts { reason });
        }
    }

    /// Which budget of the wave in hand is exceeded.
    fn exceeded(&self) -> Option<String> {
        exceeded(self.specs.get(self.current)?, self.failures, self.unreachable)
    }

    /// Whether so much more would exceed a budget of the wave in hand, and which.
    #[must_use]
    pub fn would_exceed(&self, failures: usize, unreachable: usize) -> Option<String> {
        exceeded(self.specs.get(self.current)?, self.failures + failures, self.unreachable + unreachable)
    }

    /// Which budget of a later wave an earlier process has exceeded: until a person goes on after that, no
    /// host of an earlier wave is taken up either.
    fn exceeded_later(&self) -> Option<String> {
        let later = self.specs.iter().zip(&self.past).skip(self.current + 1);
        later.into_iter().find_map(|(spec, past)| exceeded(spec, past.failures, past.unreachable))
    }

    /// Does all that can be done without another input.
    fn advance(&mut self, now: &Now, actions: &mut Vec<Action>) {
        while !self.finished {
            if let Some(reason) = self.stop.clone() {
                return self.wind_up(&reason, actions);
            }
            if self.current >= self.specs.len() {
                return self.finish(None, actions);
            }
            if !self.begun {
                match self.take_up(now, actions) {
                    Gate::Open => continue,
                    Gate::Shut => return,
                    Gate::Stopped(reason) => return self.finish(Some(reason), actions),
                }
            }
            self.begin_hosts(now, actions);
            if self.stop.is_some() {
                continue;
            }
            if self.is_waiting_for_hosts() {
                return;
            }
            actions.push(self.end_wave(None));
            self.soak_from(Duration::ZERO, now);
            self.next_wave();
        }
    }

    /// Begins the wave in hand, or passes over it when an earlier process brought it to its end.
    fn take_up(&mut self, now: &Now, actions: &mut Vec<Action>) -> Gate {
        let (Some(spec), Some(past)) = (self.specs.get(self.current), self.past.get(self.current)) else {
            return Gate::Shut;
        };
        let left: VecDeque<String> =
            spec.hosts.iter().filter(|host| !past.done.contains(*host)).cloned().collect();
        if let Some(ago) = past.passed
            && left.is_empty()
        {
            self.soak_from(ago, now);
            self.next_wave();
            return Gate::Open;
        }
        (self.failures, self.unreachable) = (past.failures, past.unreachable);
        let exceeded = self.exceeded();
        if !left.is_empty() && exceeded.is_none() {
            if let Some(reason) = self.exceeded_later() {
                return Gate::Stopped(reason);
            }
            let gate = self.gate(now, actions);
            if !matches!(gate, Gate::Open) {
                return gate;
            }
        }
        self.begun = true;
        self.waiting = left;
        self.told = None;
        actions.push(Action::BeginWave { wave: self.current });
        if let Some(reason) = exceeded {
            self.stop_hosts(reason, actions);
        }
        Gate::Open
    }

    /// Whether the wave in hand may begin: soak, approval, window.
    fn gate(&mut self, now: &Now, actions: &mut Vec<Action>) -> Gate {
        let missing = self.is_approval_missing();
        let name = self.name(self.current);
        // Nobody will be there when the soak is over either.
        if missing && !self.attended {
            return Gate::Stopped(format!("wave `{name}` needs approval"));
        }
        if let Some(soak) = self.soak.filter(|soak| !soak.is_over(now)) {
            let (earlier, length) = self
                .specs
                .get(soak.wave)
                .map_or(("", Duration::ZERO), |spec| (spec.name.as_str(), spec.soak));
            let length = show_duration(length);
            let why =
                format!("wave `{name}` waits until {length} after the end of wave `{earlier}` are over");
            self.tell_wait(why, Some(soak.steady), None, actions);
            return Gate::Shut;
        }
        if missing {
            if !std::mem::replace(&mut self.asked, true) {
                self.told = None;
                actions.push(Action::AskApproval { wave: self.current });
            }
            return Gate::Shut;
        }
        self.window_gate(now, actions)
    }

    fn is_approval_missing(&self) -> bool {
        let wanted = self.specs.get(self.current).is_some_and(|spec| spec.approve);
        let given = self.past.get(self.current).is_some_and(|past| past.approved || past.begun);
        wanted && !given && !is_on(Defect::ApprovalSkipped)
    }

    fn window_gate(&mut self, now: &Now, actions: &mut Vec<Action>) -> Gate {
        let Some(spec) = self.specs.get(self.current) else { return Gate::Shut };
        let Some(window) = spec.window.as_ref().filter(|window| !is_open(window, now)) else {
            return Gate::Open;
        };
        let closed = format!("the window `{window}` of wave `{}` is closed", spec.name);
        let opens = window.opens(now.wall);
        if self.attended {
            self.tell_wait(closed, None, opens, actions);
            return Gate::Shut;
        }
        Gate::Stopped(match opens {
            Some(opens) => format!("{closed} until {}", to_the_minute(opens)),
            None => closed,
        })
    }

    /// Says what is waited for, unless it was said already.
    fn tell_wait(
        &mut self,
        why: String,
        until_steady: Option<Duration>,
        until_wall: Option<Timestamp>,
        actions: &mut Vec<Action>,
    ) {
        let wait = Action::Wait { wave: self.current, why, until_steady, until_wall };
        if self.told.as_ref() != Some(&wait) {
            self.told = Some(wait.clone());
            actions.push(wait);
        }
    }

    /// Begins as many hosts of the wave in hand as may be in flight while its window is open.
    fn begin_hosts(&mut self, now: &Now, actions: &mut Vec<Action>) {
        let Some(spec) = self.specs.get(self.current) else { return };
        let parallel = spec.parallel.max(1).saturating_add(usize::from(is_on(Defect::ParallelOffByOne)));
        if self.waiting.is_empty() || self.in_flight >= parallel {
            return;
        }
        match self.window_gate(now, actions) {
            Gate::Open => self.told = None,
            Gate::Shut => return,
            Gate::Stopped(reason) if self.in_flight == 0 => {
                // Those in flight may finish their work: this is no reason to cut it short.
                self.stop = Some(reason);
                return;
            }
            Gate::Stopped(reason) => {
                let why = format!("{reason}: the run stops when the hosts in flight have ended");
                return self.tell_wait(why, None, None, actions);
            }
        }
        while self.in_flight < parallel {
            let Some(host) = self.waiting.pop_front() else { break };
            self.in_flight += 1;
            actions.push(Action::BeginHost { wave: self.current, host });
        }
    }

    fn is_waiting_for_hosts(&self) -> bool {
        if is_on(Defect::TwoWavesAtOnce) && self.waiting.is_empty() {
            return self.in_flight > 0 && self.current + 1 >= self.specs.len();
        }
        self.in_flight > 0 || !self.waiting.is_empty()
    }

    /// The soak of the wave in hand, which passed so long ago, counts from here. A longer one of an
    /// earlier wave stays in force.
    fn soak_from(&mut self, ago: Duration, now: &Now) {
        let Some(spec) = self.specs.get(self.current) else { return };
        let left = spec.soak.saturating_sub(ago);
        let wall = SignedDuration::try_from(left).ok().and_then(|left| now.wall.checked_add(left).ok());
        let soak = Soak {
            wave: self.current,
            steady: now.steady.saturating_add(left),
            wall: wall.unwrap_or(Timestamp::MAX),
        };
        if self.soak.is_none_or(|earlier| earlier.steady < soak.steady) {
            self.soak = Some(soak);
        }
    }

    fn next_wave(&mut self) {
        self.current += 1;
        self.begun = false;
        self.asked = false;
        self.told = None;
    }

    /// After a stop: waits for those in flight, then ends. What was not begun can be resumed.
    fn wind_up(&mut self, reason: &str, actions: &mut Vec<Action>) {
        if self.in_flight > 0 {
            return;
        }
        if self.begun {
            actions.push(self.end_wave(Some(reason.to_owned())));
        }
        self.finish(Some(reason.to_owned()), actions);
    }

    fn finish(&mut self, stopped: Option<String>, actions: &mut Vec<Action>) {
        self.finished = true;
        actions.push(Action::Finish { stopped });
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

    fn name(&self, wave: usize) -> &str {
        self.specs.get(wave).map_or("", |spec| spec.name.as_str())
    }
}

impl Soak {
    fn is_over(self, now: &Now) -> bool {
        if is_on(Defect::SoakByWallClock) { now.wall >= self.wall } else { now.steady >= self.steady }
    }
}

fn is_open(window: &Window, now: &Now) -> bool {
    is_on(Defect::WindowIgnored) || window.is_open(now.wall)
}

fn to_the_minute(at: Timestamp) -> Timestamp {
    at.round(Unit::Minute).unwrap_or(at)
}

/// Which budget of a wave so many failures exceed.
fn exceeded(spec: &WaveSpec, failures: usize, unreachable: usize) -> Option<String> {
    let slack = usize::from(is_on(Defect::BudgetOffByOne));
    if failures > spec.max_failures.saturating_add(slack) {
        let (count, most) = (hosts(failures), spec.max_failures);
        return Some(format!("{count} of wave `{}` failed, {most} may", spec.name));
    }
    let limit = spec.max_unreachable?;
    (unreachable > limit.saturating_add(slack))
        .then(|| format!("{} of wave `{}` unreachable, {limit} may be", hosts(unreachable), spec.name))
}

fn hosts(count: usize) -> String {
    if count == 1 { "1 host".to_owned() } else { format!("{count} hosts") }
}
