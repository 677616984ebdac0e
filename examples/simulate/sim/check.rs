//! The promises, checked as the run goes: from what hosts really were and did, and from the journal's
//! bytes that a power cut would leave. Nothing that the code under test says of itself is believed.

use super::host::{Began, Ended, Host, Millis};
use super::scenario::REBOOT_STEP;
use super::script::{REBOOT_STATUS, Thing, Way};
use std::collections::{BTreeMap, BTreeSet};
use uproot::facts::Questions;
use uproot::model::event::StepResult;
use uproot::model::{Event, HostState};
use uproot::plan::Plan;

/// A record that was handed to the journal and written, durable or not.
pub struct Entry {
    /// How long the journal is with it.
    pub end: usize,
    pub at: Millis,
    pub host: Option<usize>,
    pub event: Event,
}

/// A step as it ran on a host.
#[derive(Debug, Clone)]
struct Run {
    step: String,
    claim: String,
    attempt: u32,
    boot: u32,
    status: Option<i32>,
}

/// What the durable journal says of a step.
#[derive(Debug, Clone, Default)]
struct StepView {
    attempt: u32,
    /// Whether the last attempt has an intent, and in which entry it stands.
    intent: Option<usize>,
    outcome: Option<StepResult>,
    reboot_needed: bool,
    /// In which boot of the host the intent was written.
    boot: u32,
}

/// What the durable journal says of a host, and what was seen of it.
#[derive(Default)]
struct HostView {
    wave: Option<usize>,
    /// Since the run was last taken up.
    started: bool,
    ended: Option<End>,
    steps: BTreeMap<String, StepView>,
    runs: Vec<Run>,
    /// Whether a lock or a step of ours was ever on it.
    touched: bool,
    /// Whether a person asked, since it was last begun, that it be tried again.
    retried: bool,
    /// Whether a message to it was lost, or it could not be reached, in the work that was last begun.
    lost: bool,
    left: Option<bool>,
    /// Whether its lock was taken since it was begun.
    locked: bool,
    /// Which records on the host are those that the journal speaks of.
    pub named: u64,
    /// Why it should not have been begun.
    wrongly: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    entry: usize,
    life: u32,
    state: HostState,
    unfinished: bool,
    failure: bool,
}

#[derive(Default)]
struct WaveView {
    started: bool,
    passed: Option<Millis>,
    approved: bool,
    /// The entry with which a budget was exceeded, until a person decided.
    spent: Option<usize>,
}

/// The judge.
pub struct Check {
    plan: Plan,
    names: BTreeMap<String, usize>,
    entries: Vec<Entry>,
    /// So many of them are durable and were looked at.
    seen: usize,
    hosts: Vec<HostView>,
    waves: Vec<WaveView>,
    life: u32,
    /// The entry from which failures count.
    renewed: usize,
    retry: bool,
    break_lock: bool,
    /// Hosts in flight, with their waves.
    flight: Vec<(usize, usize)>,
    whole_topics: usize,
    ended: bool,
    pub violation: Option<String>,
    pub begin_refused: u64,
}

impl Check {
    /// Before anything happens.
    pub fn new(plan: &Plan, break_lock: bool, begin_refused: u64) -> Self {
        let names: BTreeMap<String, usize> =
            plan.hosts.iter().enumerate().map(|(index, host)| (host.name.clone(), index)).collect();
        let mut hosts: Vec<HostView> = plan.hosts.iter().map(|_| HostView::default()).collect();
        for (wave, planned) in plan.waves.iter().enumerate() {
            for name in &planned.hosts {
                hosts[names[name]].wave = Some(wave);
            }
        }
        Self {
            plan: plan.clone(),
            names,
            entries: Vec::new(),
            seen: 0,
            hosts,
            waves: plan.waves.iter().map(|_| WaveView::default()).collect(),
            life: 0,
            renewed: 0,
            retry: false,
            break_lock,
            flight: Vec::new(),
            whole_topics: plan.questions.topics.len(),
            ended: false,
            violation: None,
            begin_refused,
        }
    }

    /// Notes a broken promise; the first one stays.
    pub fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds && self.violation.is_none() {
            self.violation = Some(what());
        }
    }

    /// Whether these questions are all that the plan asks.
    pub fn is_whole(&self, questions: &Questions) -> bool {
        questions.topics.len() == self.whole_topics
            && questions.paths.len() == self.plan.questions.paths.len()
    }

    // What the controller does with hosts.

    /// A host is begun by the machine. That breaks a promise only when the host is really approached.
    pub fn begin_host(&mut self, wave: usize, host: usize, now: Millis, wall: jiff::Timestamp) {
        let wrong = self.why_not(wave, host, now, wall);
        let view = &mut self.hosts[host];
        (view.lost, view.locked, view.left, view.wrongly) = (false, false, None, wrong);
        self.flight.push((wave, host));
    }

    /// Why a host may not be begun now.
    fn why_not(&self, wave: usize, host: usize, now: Millis, wall: jiff::Timestamp) -> Option<String> {
        let planned = &self.plan.waves[wave];
        let (name, of) = (&self.plan.hosts[host].name, &planned.name);
        let flying = self.flight.len();
        let parallel = planned.parallel.unwrap_or(1);
        if flying >= parallel {
            return Some(format!(
                "parallel: {name} is begun as well as {flying} others, {of} allows {parallel}"
            ));
        }
        if let Some(other) = self.flight.iter().find(|(other, _)| *other != wave) {
            return Some(format!("two waves at once: {name} of {of} is begun, {other:?} is in flight"));
        }
        if planned.approve && !self.waves[wave].approved {
            return Some(format!("approval: {name} is begun, and wave {of} is not approved"));
        }
        if planned.window.as_ref().is_some_and(|window| !window.is_open(wall)) {
            return Some(format!("window: {name} is begun at {wall}, outside of the window of {of}"));
        }
        if !self.waves[wave].started {
            return Some(format!("waves: {name} is begun, and wave {of} is not in the journal"));
        }
        for (earlier, view) in self.waves.iter().enumerate().take(wave) {
            let soak = self.plan.waves[earlier].soak * 1000;
            let Some(passed) = view.passed else {
                return Some(format!("waves: {name} is begun, and wave {earlier} has not passed"));
            };
            if now < passed + soak {
                let since = now - passed;
                return Some(format!(
                    "soak: {name} is begun {since} ms after wave {earlier}, which soaks {soak} ms"
                ));
            }
        }
        let view = &self.hosts[host];
        let again = view.ended.filter(|end| !end.unfinished && !view.retried);
        if let Some(again) = again {
            return Some(format!("resume: {name} is begun again after {again:?}"));
        }
        self.new_host(host, "is begun")
    }

    /// Its work is over, or its controller is dead.
    pub fn end_host(&mut self, host: usize) {
        self.flight.retain(|(_, flying)| *flying != host);
    }

    /// Whether a host is being worked on.
    pub fn is_in_flight(&self, host: usize) -> bool {
        self.flight.iter().any(|(_, flying)| *flying == host)
    }

    fn spent(&self) -> Option<(usize, usize)> {
        self.waves.iter().enumerate().find_map(|(wave, view)| Some((wave, view.spent?)))
    }

    /// What is wrong with touching a host, if it was not touched before.
    fn new_host(&self, host: usize, what: &str) -> Option<String> {
        let (wave, _) = self.spent().filter(|_| !self.hosts[host].touched)?;
        let name = &self.plan.hosts[host].name;
        Some(format!("budget: {name} {what}, and the budget of wave {wave} was spent"))
    }

    /// A host is approached.
    pub fn approached(&mut self, host: usize) {
        let wrong = self.hosts[host].wrongly.take();
        self.must(wrong.is_none(), || wrong.unwrap_or_default());
    }

    /// A message to a host was lost, or it was not reached.
    pub fn lost(&mut self, host: usize) {
        self.hosts[host].lost = true;
    }

    /// The controller asks for a host's lock.
    pub fn lock_ordered(&mut self, host: usize) {
        let wrong = self.new_host(host, "is to be locked");
        self.must(wrong.is_none(), || wrong.unwrap_or_default());
        self.hosts[host].touched = true;
    }

    /// Which of the host's records the journal speaks of.
    pub fn named(&self, host: usize) -> u64 {
        self.hosts[host].named
    }

    /// A host's lock is ours.
    pub fn lock_taken(&mut self, host: usize, broken: bool) {
        self.hosts[host].locked = true;
        let may = self.break_lock;
        let name = self.plan.hosts[host].name.clone();
        self.must(!broken || may, || {
            format!("lock: a live lock on {name} was broken, and nobody asked for that")
        });
    }

    // What hosts do.

    /// A step begins to run on a host.
    pub fn began(&mut self, host: &Host, index: usize, now: Millis, began: &Began) {
        let name = &host.name;
        let step = &began.step;
        let view = self.hosts[index].steps.get(step).cloned().unwrap_or_default();
        let runs: Vec<Run> = self.hosts[index].runs.iter().filter(|run| run.step == *step).cloned().collect();
        let open = view.intent.is_some() && matches!(view.outcome, None | Some(StepResult::Interrupted));
        self.must(open, || {
            format!("intent: {step} begins on {name}, and the durable journal has of it {view:?}")
        });
        self.must(runs.iter().all(|run| run.attempt < view.attempt), || {
            format!("twice: attempt {} at {step} begins on {name} after {runs:?}", view.attempt)
        });
        self.must(host.machine == 0, || {
            format!("identity: {step} begins on {name}, which is another machine")
        });
        self.must(!host.drifted, || format!("drift: {step} begins on {name}, which is not as planned"));
        let ours = host.holder(now).is_some_and(|lock| lock.run == began.run);
        self.must(ours, || format!("lock: {step} begins on {name}, and its lock is {:?}", host.lock));
        let first = self.hosts[index].runs.is_empty();
        let bare = self.plan.require_protection.is_some() && !host.things.has(Thing::Guard);
        self.must(!(bare && first), || format!("protection: {step} begins on {name}, which is without"));
        self.in_order(index, step);
        self.hosts[index].touched = true;
        self.hosts[index].runs.push(Run {
            step: step.clone(),
            claim: began.claim.clone(),
            attempt: view.attempt,
            boot: host.boot,
            status: None,
        });
    }

    /// Everything that the plan has before a step is done.
    fn in_order(&mut self, index: usize, step: &str) {
        let planned = self.plan.hosts[index].clone();
        let before = planned.steps.iter().take_while(|earlier| earlier.id != step);
        for earlier in before {
            let done = self.hosts[index].steps.get(&earlier.id).and_then(|view| view.outcome);
            let well = matches!(done, Some(StepResult::Done | StepResult::AlreadySo));
            let name = &planned.name;
            self.must(well, || {
                format!("order: {step} begins on {name}, and {} before it is {done:?}", earlier.id)
            });
        }
    }

    /// A step has ended on a host.
    pub fn ended(&mut self, index: usize, ended: &Ended) {
        let runs = &mut self.hosts[index].runs;
        let run = runs.iter_mut().rev().find(|run| run.step == ended.step && run.claim == ended.claim);
        if let Some(run) = run {
            run.status = Some(ended.status);
        }
    }

    // What the journal says.

    /// A record was written whole.
    pub fn written(&mut self, end: usize, at: Millis, host: Option<&str>, event: Event) {
        let host = host.and_then(|name| self.names.get(name).copied());
        self.entries.push(Entry { end, at, host, event });
    }

    /// So many bytes of the journal are durable.
    pub fn durable(&mut self, bytes: usize, hosts: &[Host], now: Millis) {
        while self.entries.get(self.seen).is_some_and(|entry| entry.end <= bytes) {
            let at = self.seen;
            self.seen += 1;
            self.take(at, hosts, now);
        }
    }

    /// After a power cut: what was not durable is gone.
    pub fn cut_power(&mut self, bytes: usize) {
        self.entries.retain(|entry| entry.end <= bytes);
        let (kept, seen) = (self.entries.len(), self.seen);
        self.must(kept >= seen, || "a durable record is gone".to_owned());
    }

    /// The records that the journal must have.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many of them are durable.
    pub fn durable_entries(&self) -> usize {
        self.seen
    }

    fn take(&mut self, at: usize, hosts: &[Host], now: Millis) {
        self.must(!self.ended, || "something follows the end of the run".to_owned());
        let host = self.entries[at].host;
        let event = self.entries[at].event.clone();
        match (host, &event) {
            (None, _) => self.take_run(at, &event, hosts),
            (Some(index), _) => self.take_host(at, index, &event, &hosts[index], now),
        }
    }

    fn take_run(&mut self, at: usize, event: &Event, hosts: &[Host]) {
        let wave_of = |name: &String| self.plan.waves.iter().position(|wave| wave.name == *name);
        match event {
            Event::RunResumed { approved, after_failures, retry_failed, break_lock, .. } => {
                self.life += 1;
                self.retry = *retry_failed;
                self.break_lock |= *break_lock;
                for wave in approved.iter().filter_map(wave_of).collect::<Vec<_>>() {
                    self.waves[wave].approved = true;
                }
                if *after_failures || *retry_failed {
                    self.renewed = at;
                }
                // A host that is taken up again does not count any more as it ended.
                for wave in 0..self.waves.len() {
                    self.waves[wave].spent = None;
                    self.count(at, wave);
                }
                for host in &mut self.hosts {
                    host.started = false;
                    host.retried |= *retry_failed;
                }
            }
            Event::WaveApproved { wave, .. } => {
                if let Some(wave) = wave_of(wave) {
                    self.waves[wave].approved = true;
                }
            }
            Event::WaveStarted { wave, .. } => {
                if let Some(wave) = wave_of(wave) {
                    (self.waves[wave].started, self.waves[wave].passed) = (true, None);
                }
            }
            Event::WaveEnded { wave, passed, .. } => {
                let Some(index) = wave_of(wave) else { return };
                let when = self.entries[at].at;
                self.waves[index].passed = passed.then_some(when);
                if *passed {
                    self.wave_passed(index);
                }
            }
            Event::RunEnded { .. } => self.run_ended(hosts),
            _ => {}
        }
    }

    fn wave_passed(&mut self, wave: usize) {
        let (failures, unreachable) = self.tolls(wave);
        let planned = self.plan.waves[wave].clone();
        let count = planned.hosts.len();
        let most = planned.max_failures.of(count);
        self.must(failures <= most, || {
            format!("budget: wave {} passed with {failures} failures", planned.name)
        });
        let most = planned.max_unreachable.map(|budget| budget.of(count));
        self.must(most.is_none_or(|most| unreachable <= most), || {
            format!("budget: wave {} passed with {unreachable} unreachable hosts", planned.name)
        });
        for name in &planned.hosts {
            let ended = self.hosts[self.names[name]].ended;
            self.must(ended.is_some(), || {
                format!("waves: wave {} passed, and {name} has no end", planned.name)
            });
        }
    }

    /// Failures and unreachable hosts of a wave that count, at least.
    fn tolls(&self, wave: usize) -> (usize, usize) {
        let ends = self.hosts.iter().filter(|host| host.wave == Some(wave)).filter_map(|host| host.ended);
        let counts = |end: &End| end.entry >= self.renewed && (!end.unfinished || end.life == self.life);
        ends.filter(counts).fold((0, 0), |(failures, unreachable), end| {
            let lost = end.state == HostState::Unreachable;
            (failures + usize::from(end.failure), unreachable + usize::from(lost))
        })
    }

    fn take_host(&mut self, at: usize, index: usize, event: &Event, host: &Host, now: Millis) {
        match event {
            Event::HostStarted { .. } => {
                self.hosts[index].started = true;
                self.hosts[index].retried = false;
                self.hosts[index].ended = None;
            }
            Event::LockTaken { .. } => {
                self.hosts[index].named = host.records_of;
                let locked = self.hosts[index].locked;
                self.must(locked, || {
                    format!("lock: the journal says that {} is locked, and it is not", host.name)
                });
            }
            Event::LockReleased { left } => {
                self.hosts[index].left = Some(left.is_some());
                let is_left = host.has_left(super::RUN) && host.machine == 0;
                let told = left.is_some();
                self.must(told || !is_left, || {
                    format!(
                        "left: the journal says that nothing is left on {}, and {:?} is",
                        host.name, host.lock
                    )
                });
            }
            Event::StepIntent { step, attempt, boot, .. } => {
                // One that its process wrote and did not live to act on is read by the next, maybe in a later boot.
                let number = boot.boot_id.as_deref().and_then(|id| id.rsplit('-').next()?.parse().ok());
                self.intent(at, index, step, *attempt, number.unwrap_or(host.boot).min(host.boot));
            }
            Event::StepOutcome { step, result, status, reboot_needed, .. } => {
                self.outcome(index, step, *result, *status, host);
                let view = self.hosts[index].steps.entry(step.clone()).or_default();
                (view.outcome, view.reboot_needed) = (Some(*result), *reboot_needed);
            }
            Event::HostEnded { state, unfinished, reason, .. } => {
                let ran = !self.hosts[index].runs.is_empty() && reason.contains("nothing was run");
                self.must(!ran || *state != HostState::Clean, || {
                    format!("truth: {} is said to be clean, `{reason}`, and steps ran", host.name)
                });
                self.host_ended(at, index, *state, *unfinished, host, now);
            }
            _ => {}
        }
    }

    fn intent(&mut self, at: usize, index: usize, step: &str, attempt: u32, boot: u32) {
        let name = self.plan.hosts[index].name.clone();
        let spent = self.spent();
        self.must(spent.is_none(), || {
            format!(
                "budget: {name} goes on with {step}, and the budget of wave {} was spent",
                spent.map_or(0, |s| s.0)
            )
        });
        let retry = self.retry;
        let view = self.hosts[index].steps.entry(step.to_owned()).or_default();
        let (earlier, outcome) = (view.attempt, view.outcome);
        *view = StepView { attempt, intent: Some(at), outcome: None, reboot_needed: false, boot };
        self.must(attempt == earlier + 1, || {
            format!("twice: an intent of attempt {attempt} at {step} on {name} follows attempt {earlier}")
        });
        let again = earlier == 0
            || (retry
                && matches!(
                    outcome,
                    Some(StepResult::Failed | StepResult::Blocked | StepResult::Interrupted)
                ));
        self.must(again, || {
            format!("twice: attempt {attempt} at {step} on {name} follows one that ended {outcome:?}, retry: {retry}")
        });
    }

    /// An outcome must be what really happened.
    fn outcome(&mut self, index: usize, step: &str, result: StepResult, status: Option<i32>, host: &Host) {
        let name = &host.name;
        let view = self.hosts[index].steps.get(step).cloned().unwrap_or_default();
        let run = self.hosts[index]
            .runs
            .iter()
            .rev()
            .find(|run| run.step == step && run.attempt == view.attempt)
            .cloned();
        let real = run.as_ref().and_then(|run| run.status);
        self.must(status.is_none() || status == real, || {
            format!("outcome: {step} on {name} is said to have ended with {status:?}, and it was {real:?}")
        });
        let effect = self.effect_of(index, step);
        let holds = effect.map(|thing| !host.things.has(thing));
        match result {
            StepResult::Done => {
                // What counts is a new boot, whoever made it.
                let rebooted = step == REBOOT_STEP && view.intent.is_some() && view.boot != host.boot;
                let accepted = matches!(real, Some(0) | Some(REBOOT_STATUS));
                let by_effect = holds == Some(true);
                let needs = real == Some(REBOOT_STATUS);
                let truly = rebooted
                    || (step != REBOOT_STEP && (by_effect || (accepted && (needs || effect.is_none()))));
                self.must(truly, || {
                    format!("outcome: {step} on {name} is said to be done; it ended {real:?}, its effect holds: {holds:?}, boot {}", host.boot)
                });
                self.must(rebooted || run.is_some(), || {
                    format!("outcome: {step} on {name} is said to be done, and never ran")
                });
            }
            StepResult::AlreadySo => {
                self.must(holds != Some(false), || {
                    format!("outcome: {step} on {name} is said to be so already")
                });
            }
            StepResult::NotRun => {
                self.must(run.is_none() || view.intent.is_none(), || {
                    format!("outcome: {step} on {name} is said not to have run, and did: {run:?}")
                });
            }
            StepResult::Failed | StepResult::Blocked | StepResult::Interrupted => {}
        }
    }

    fn effect_of(&self, index: usize, step: &str) -> Option<Thing> {
        let planned = self.plan.hosts[index].steps.iter().find(|planned| planned.id == step)?;
        planned.effect.as_ref()?;
        super::scenario::STEPS.iter().find(|(id, _)| *id == step).map(|(_, thing)| *thing)
    }

    fn host_ended(
        &mut self,
        at: usize,
        index: usize,
        state: HostState,
        unfinished: bool,
        host: &Host,
        now: Millis,
    ) {
        let name = &host.name;
        let had = self.hosts[index].ended;
        self.must(had.is_none() || self.hosts[index].started, || {
            format!("ends: {name} ends twice: {had:?}, {state}")
        });
        let runs = self.hosts[index].runs.clone();
        let waits = runs
            .iter()
            .any(|run| run.status == Some(REBOOT_STATUS) && run.boot == host.boot && host.machine == 0);
        match state {
            HostState::Clean | HostState::Removed | HostState::RemovedRebootPending => {
                let there = host.things;
                self.must(!there.has_product(), || {
                    format!("truth: {name} is said to be {state}, and has {there:?}")
                });
                let gappy = host.last_look_gappy;
                self.must(!gappy, || format!("truth: {name} is said to be {state}, and could not be read"));
                self.must(host.machine == 0, || {
                    format!("truth: {name} is said to be {state}, and is another machine")
                });
                let pending = state == HostState::RemovedRebootPending;
                self.must(!waits || pending, || {
                    format!("truth: {name} is said to be {state}, and was not rebooted")
                });
                // A reboot that nobody saw may leave a host pending that is not: that vouches for nothing.
                let bare = self.plan.require_protection.is_some() && !host.things.has(Thing::Guard);
                self.must(!bare || runs.is_empty(), || {
                    format!("truth: {name} is said to be {state}, and is bare")
                });
                self.must(state == HostState::Clean || !runs.is_empty(), || {
                    format!("truth: {name} is said to be {state}, and no step ran")
                });
            }
            HostState::Unreachable | HostState::Skipped | HostState::Drifted if !unfinished => {
                self.must(runs.is_empty(), || {
                    format!("truth: {name} is said to be {state}, and steps ran: {runs:?}")
                });
            }
            _ => {}
        }
        let failure = match state {
            HostState::Failed
            | HostState::Blocked
            | HostState::Interrupted
            | HostState::Drifted
            | HostState::Unknown => true,
            HostState::Present | HostState::Residue => !runs.is_empty(),
            _ => false,
        };
        self.hosts[index].ended = Some(End { entry: at, life: self.life, state, unfinished, failure });
        self.hosts[index].started = false;
        self.nothing_left(index, host, unfinished, now);
        if let Some(wave) = self.hosts[index].wave {
            self.count(at, wave);
        }
    }

    /// A host that was reached all the time, and whose work is over, has nothing of ours on it.
    fn nothing_left(&mut self, index: usize, host: &Host, unfinished: bool, now: Millis) {
        let view = &self.hosts[index];
        let excused = view.lost || view.left == Some(true) || unfinished || !host.up || host.machine != 0;
        let ours = host.holder(now).is_some_and(|lock| lock.run == super::RUN);
        let left = host.has_left(super::RUN);
        let name = &host.name;
        self.must(excused || !left, || {
            format!("left: the work on {name} is over, and something is left on it (lock: {ours})")
        });
    }

    fn count(&mut self, at: usize, wave: usize) {
        let (failures, unreachable) = self.tolls(wave);
        let planned = &self.plan.waves[wave];
        let count = planned.hosts.len();
        let most = planned.max_unreachable.map(|budget| budget.of(count));
        if failures > planned.max_failures.of(count) || most.is_some_and(|most| unreachable > most) {
            self.waves[wave].spent.get_or_insert(at);
        }
    }

    fn run_ended(&mut self, hosts: &[Host]) {
        self.ended = true;
        for (index, host) in hosts.iter().enumerate() {
            let end = self.hosts[index].ended;
            let name = &host.name;
            self.must(end.is_some_and(|end| !end.unfinished), || {
                format!("ends: the run ended, and {name} has {end:?}")
            });
        }
    }

    /// A controller ended of itself: `worked`: with every host of every wave worked on.
    pub fn life_ended(&mut self, worked: bool) {
        for index in 0..self.hosts.len() {
            let name = self.plan.hosts[index].name.clone();
            let end = self.hosts[index].ended;
            self.must(!worked || end.is_some(), || {
                format!("ends: every host was worked on, but {name} has no end")
            });
        }
    }

    /// Whether a host of the plan may still be changed by others without that being a change in the
    /// middle of our work on it.
    pub fn is_untouched(&self, host: usize) -> bool {
        !self.hosts[host].touched && self.hosts[host].runs.is_empty()
    }

    /// Waves that wait for a person's word.
    pub fn unapproved(&self) -> BTreeSet<String> {
        let waves = self.plan.waves.iter().zip(&self.waves);
        waves
            .filter(|(wave, view)| wave.approve && !view.approved)
            .map(|(wave, _)| wave.name.clone())
            .collect()
    }

    /// Whether the run has ended for good, as a new process would find it.
    pub fn is_over(&self) -> bool {
        self.entries.last().is_some_and(|entry| matches!(entry.event, Event::RunEnded { .. }))
    }

    /// A host's last end, and whether it is unfinished.
    pub fn last_end(&self, name: &str) -> Option<(HostState, bool)> {
        let end = self.hosts[*self.names.get(name)?].ended?;
        Some((end.state, end.unfinished))
    }

    /// Hosts with their last ends, for the tally.
    pub fn ends(&self) -> impl Iterator<Item = HostState> + '_ {
        self.hosts.iter().filter_map(|host| host.ended).map(|end| end.state)
    }
}

/// Whether a host may go under while nobody looks, by one of its own steps.
pub fn never_returns(host: &Host) -> bool {
    host.steps.goes(Way::StaysDown)
}
