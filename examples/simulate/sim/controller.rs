//! One controller's life: the thin shell round the wave machine, with tasks instead of threads, from
//! the first record (or the resumption) until it ends or is killed.

use super::disk::SimulatedDisk;
use super::host::NEVER;
use super::reach::SimulatedHost;
use super::sink::Sink;
use super::world::{Kill, Shared};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use uproot::apply::waves::{Action, Input, Now, Toll, WavePast, WaveSpec, Waves};
use uproot::apply::{HostEnd, LockOrder, Past, Stop, WorkContext, WorkLimits, is_retried, spec, work};
use uproot::journal::Ledger;
use uproot::model::event::{HostEntry, SteadyTime};
use uproot::model::{Event, EventSink, ExitCode, HostState, Redactor, SinkError};
use uproot::plan::Plan;

/// No scenario takes more turns than this: one that does is a loop.
const MOST_TURNS: u64 = 60_000;

/// How a controller came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Killed.
    Killed,
    /// It could not write its journal.
    Failed,
    /// It stopped, and can be resumed.
    Stopped,
    /// The run has ended.
    Ended,
}

/// What a person gives a controller on its way.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    pub approve: Vec<String>,
    pub after_failures: bool,
    pub retry_failed: bool,
    pub break_lock: bool,
    /// Ctrl-C at this moment, and a second one.
    pub stop_at: Option<u64>,
    pub cancel_at: Option<u64>,
    pub attended: bool,
}

type Task<'a> = Pin<Box<dyn Future<Output = Result<HostEnd, SinkError>> + 'a>>;

struct Slot<'a> {
    host: usize,
    task: Task<'a>,
}

struct Controller<'a> {
    world: Shared,
    plan: &'a Plan,
    specs: Vec<WaveSpec>,
    names: BTreeMap<&'a str, usize>,
    sink: &'a Sink,
    stop: &'a Stop,
    context: &'a WorkContext<'a>,
    past: Option<&'a Past>,
    orders: &'a Orders,
    machine: Waves,
    slots: Vec<Option<Slot<'a>>>,
    asked: Option<usize>,
    wait: Wait,
    failed: bool,
}

#[derive(Default)]
struct Wait {
    steady: Option<Duration>,
    wall: Option<jiff::Timestamp>,
}

/// Lets a controller live on a journal that has nothing yet (`resumed` none), or goes on with it.
pub fn live(world: &Shared, plan: &Plan, orders: &Orders, first: bool) -> Result<Fate, String> {
    let disk = Arc::new(SimulatedDisk(world.clone()));
    let (ledger, records) = if first {
        (Ledger::create(disk), Vec::new())
    } else {
        match super::resumption::open(world, disk)? {
            Some(opened) => opened,
            None => return Ok(fate_of(world)),
        }
    };
    let sink = Sink::new(world.clone(), ledger);
    let begun = if first { started(plan, orders) } else { resumed(orders) };
    if sink.record(None, begun.clone()).is_err() {
        return Ok(fate_of(world));
    }
    let past = (!first).then(|| {
        let mut records = records;
        let seq = records.len() as u64;
        records.push(uproot::model::Record { seq, at: world.lock().wall(), host: None, event: begun });
        Past::read(&records, plan, &steady_time(world))
    });
    let stop = Stop::default();
    let redactor = Redactor::default();
    let context = WorkContext {
        plan,
        sink: &sink,
        stop: &stop,
        redactor: &redactor,
        lock: LockOrder {
            run: super::RUN.to_owned(),
            owner: "o@c".to_owned(),
            break_lock: orders.break_lock,
            token: String::new(),
        },
        limits: WorkLimits { reconnect: Duration::from_secs(600), reboot: Duration::from_secs(1200) },
        wall: &|| world.lock().wall(),
        failing: &|_| {},
    };
    let specs: Vec<WaveSpec> = plan.waves.iter().map(|wave| spec(wave, 1)).collect();
    let pasts = past
        .as_ref()
        .map_or_else(|| specs.iter().map(|_| WavePast::default()).collect(), |past| past.waves.clone());
    let mut controller = Controller {
        world: world.clone(),
        plan,
        machine: Waves::new(specs.clone(), pasts, orders.attended),
        specs,
        names: plan.hosts.iter().enumerate().map(|(index, host)| (host.name.as_str(), index)).collect(),
        sink: &sink,
        stop: &stop,
        context: &context,
        past: past.as_ref(),
        orders,
        slots: Vec::new(),
        asked: None,
        wait: Wait::default(),
        failed: false,
    };
    let finished = controller.run()?;
    let Some(stopped) = finished else { return Ok(fate_of(world)) };
    if controller.failed {
        return Ok(Fate::Failed);
    }
    drop(controller);
    Ok(finish(world, plan, &sink, past.as_ref(), stopped))
}

fn fate_of(world: &Shared) -> Fate {
    if world.lock().dead { Fate::Killed } else { Fate::Failed }
}

fn steady_time(world: &Shared) -> SteadyTime {
    let world = world.lock();
    SteadyTime {
        boot: Some(format!("boot {}", world.controller_boot.0)),
        millis: u64::try_from(world.steady().as_millis()).unwrap_or(u64::MAX),
    }
}

fn started(plan: &Plan, orders: &Orders) -> Event {
    let entry = |name: &String| HostEntry {
        name: name.clone(),
        address: name.clone(),
        user: Some("root".to_owned()),
        groups: Vec::new(),
    };
    let mut options = BTreeMap::new();
    if orders.break_lock {
        options.insert("break-lock".to_owned(), "yes".to_owned());
    }
    Event::RunStarted {
        run: super::RUN.to_owned(),
        verb: "apply".to_owned(),
        version: "0".to_owned(),
        operator: "o@c".to_owned(),
        playbook: plan.playbook_digest.clone(),
        plan: None,
        options,
        scope: Default::default(),
        hosts: plan.hosts.iter().map(|host| entry(&host.name)).collect(),
    }
}

fn resumed(orders: &Orders) -> Event {
    Event::RunResumed {
        operator: "o@c".to_owned(),
        version: "0".to_owned(),
        approved: orders.approve.clone(),
        after_failures: orders.after_failures,
        retry_failed: orders.retry_failed,
        break_lock: orders.break_lock,
    }
}

/// Ends the run, or stops it, as `apply` does.
fn finish(world: &Shared, plan: &Plan, sink: &Sink, past: Option<&Past>, stopped: Option<String>) -> Fate {
    world.lock().check.life_ended(stopped.is_none());
    let _ = past;
    let (last, fate) = {
        let world = world.lock();
        let left = plan.hosts.iter().filter(|host| !host.steps.is_empty());
        let left = left.filter(|host| {
            world
                .check
                .last_end(&host.name)
                .is_some_and(|(state, unfinished)| unfinished || is_retried(state))
        });
        let exit = ExitCode::CannotVouch;
        match (stopped, left.count()) {
            (Some(reason), _) => (Event::RunStopped { reason, exit }, Fate::Stopped),
            (None, 0) => {
                let mut summary: BTreeMap<HostState, usize> = BTreeMap::new();
                for state in world.check.ends() {
                    *summary.entry(state).or_default() += 1;
                }
                (Event::RunEnded { summary, exit: ExitCode::Success }, Fate::Ended)
            }
            (None, _) => (Event::RunStopped { reason: "not all well".to_owned(), exit }, Fate::Stopped),
        }
    };
    match sink.record(None, last) {
        Ok(()) => fate,
        Err(_) => fate_of(world),
    }
}

impl<'a> Controller<'a> {
    fn now(&self) -> Now {
        let world = self.world.lock();
        Now { steady: world.steady(), wall: world.wall() }
    }

    /// None: the controller is dead. Else why it was stopped, if it was.
    fn run(&mut self) -> Result<Option<Option<String>>, String> {
        let now = self.now();
        let actions = self.machine.handle(Input::Begin, &now);
        if let Some(stopped) = self.act(actions) {
            return Ok(Some(stopped));
        }
        let mut turns = 0_u64;
        loop {
            turns += 1;
            if turns > MOST_TURNS {
                return Err(format!(
                    "livelock: the controller takes turns without end, at {} ms",
                    self.world.lock().now
                ));
            }
            if self.broken() {
                return Ok(None);
            }
            match self.turn()? {
                Turn::On => {}
                Turn::Finished(stopped) => return Ok(Some(stopped)),
            }
        }
    }

    /// Whether it is of no use to go on.
    fn broken(&self) -> bool {
        let world = self.world.lock();
        world.dead || world.check.violation.is_some()
    }

    fn turn(&mut self) -> Result<Turn, String> {
        if let Some(slot) = self.due() {
            return Ok(self.poll(slot));
        }
        self.interruptions();
        if self.due().is_some() {
            return Ok(Turn::On);
        }
        if let Some(wave) = self.asked.take() {
            return Ok(self.answer(wave));
        }
        self.pass_time()?;
        let now = self.now();
        let input = match self.stop.reason() {
            Some(reason) => Input::Drain { reason },
            None => Input::Tick,
        };
        let actions = self.machine.handle(input, &now);
        Ok(self.act(actions).map_or(Turn::On, Turn::Finished))
    }

    /// One of the tasks that can go on, by chance.
    fn due(&self) -> Option<usize> {
        let mut world = self.world.lock();
        let now = world.now;
        let due: Vec<usize> = (0..self.slots.len())
            .filter(|slot| self.slots[*slot].is_some() && world.wakes[*slot] <= now)
            .collect();
        if due.is_empty() { None } else { Some(world.random.pick(&due)) }
    }

    fn poll(&mut self, slot: usize) -> Turn {
        {
            let mut world = self.world.lock();
            world.task = slot;
            // A task that does not say when it wants to be polled again is polled at once.
            world.wakes[slot] = world.now;
        }
        let Some(running) = &mut self.slots[slot] else { return Turn::On };
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(end) = running.task.as_mut().poll(&mut context) else { return Turn::On };
        let host = running.host;
        self.slots[slot] = None;
        {
            let mut world = self.world.lock();
            world.wakes[slot] = NEVER;
            if world.dead {
                return Turn::On;
            }
            world.check.end_host(host);
        }
        let toll = match end {
            Ok(end) => end.toll,
            Err(error) => {
                self.fail(&error);
                Toll::Failure
            }
        };
        let now = self.now();
        let actions = self.machine.handle(Input::HostEnded { toll }, &now);
        self.act(actions).map_or(Turn::On, Turn::Finished)
    }

    fn fail(&mut self, error: &SinkError) {
        self.failed = true;
        self.stop.request(&error.to_string());
    }

    fn record(&mut self, event: Event) -> bool {
        match self.sink.record(None, event) {
            Ok(()) => true,
            Err(error) => {
                self.fail(&error);
                false
            }
        }
    }

    /// Does what the machine says. Some: it has finished, and why it was stopped, if it was.
    fn act(&mut self, actions: Vec<Action>) -> Option<Option<String>> {
        for action in VecDeque::from(actions) {
            self.world.lock().tell(|| format!("waves: {action:?}"));
            match action {
                Action::BeginWave { wave } => {
                    let spec = &self.specs[wave];
                    let event = Event::WaveStarted {
                        wave: spec.name.clone(),
                        hosts: spec.hosts.len(),
                        max_failures: spec.max_failures,
                        max_unreachable: spec.max_unreachable,
                    };
                    self.wait = Wait::default();
                    self.record(event);
                }
                Action::BeginHost { wave, host } => self.begin(wave, &host),
                Action::StopHosts { reason } => self.stop.request(&reason),
                Action::EndWave { wave, passed, failures, unreachable, reason } => {
                    let wave = self.specs[wave].name.clone();
                    let clock = Some(steady_time(&self.world));
                    self.record(Event::WaveEnded { wave, passed, failures, unreachable, reason, clock });
                }
                Action::AskApproval { wave } => self.asked = Some(wave),
                Action::Wait { until_steady, until_wall, .. } => {
                    self.wait = Wait { steady: until_steady, wall: until_wall };
                }
                Action::Finish { stopped } => return Some(stopped),
            }
        }
        None
    }

    fn begin(&mut self, wave: usize, name: &str) {
        let index = self.names[name];
        let slot = self.slots.len();
        {
            let mut world = self.world.lock();
            if world.dead {
                return;
            }
            let (now, wall) = (world.now, world.wall());
            world.check.begin_host(wave, index, now, wall);
            world.wakes.push(now);
        }
        let (context, host) = (self.context, &self.plan.hosts[index]);
        let past = self.past.and_then(|past| past.hosts.get(name));
        let (world, wave) = (self.world.clone(), self.specs[wave].name.clone());
        let task: Task<'a> = Box::pin(async move {
            let mut reach = SimulatedHost::new(world, index);
            work(context, &mut reach, host, &wave, past).await
        });
        debug_assert_eq!(slot, self.slots.len());
        self.slots.push(Some(Slot { host: index, task }));
    }

    /// Ctrl-C, once and twice.
    fn interruptions(&mut self) {
        let mut world = self.world.lock();
        if self.orders.stop_at.is_some_and(|at| world.now >= at) && self.stop.reason().is_none() {
            world.tell(|| "controller: Ctrl-C".to_owned());
            self.stop.request("interrupted");
        }
        if self.orders.cancel_at.is_some_and(|at| world.now >= at) && !world.cancelled {
            world.tell(|| "controller: Ctrl-C again".to_owned());
            world.cancelled = true;
            self.stop.request("interrupted");
            let now = world.now;
            world
                .wakes
                .iter_mut()
                .filter(|wake| **wake > now && **wake != NEVER)
                .for_each(|wake| *wake = now);
        }
    }

    fn answer(&mut self, wave: usize) -> Turn {
        let yes = self.world.lock().random.chance(80);
        let mut input = Input::Approved { yes };
        if yes {
            let wave = self.specs[wave].name.clone();
            if !self.record(Event::WaveApproved { wave, operator: "o@c".to_owned() }) {
                input = Input::Approved { yes: false };
            }
        }
        let now = self.now();
        let actions = self.machine.handle(input, &now);
        self.act(actions).map_or(Turn::On, Turn::Finished)
    }

    /// Nothing can go on at this moment: to the next one.
    fn pass_time(&mut self) -> Result<(), String> {
        let mut world = self.world.lock();
        let now = world.now;
        let tasks = world.wakes.iter().copied().min().unwrap_or(NEVER);
        let stop = self.orders.stop_at.filter(|at| *at > now).unwrap_or(NEVER);
        let cancel = self.orders.cancel_at.filter(|at| *at > now).unwrap_or(NEVER);
        // What is over was told to the machine by the turn that it ended.
        let after = |left: u64| (left > 0).then(|| now + left + 1);
        let steady = self.wait.steady.and_then(|until| {
            after(u64::try_from(until.saturating_sub(world.steady()).as_millis()).unwrap_or(0))
        });
        let wall = self.wait.wall.and_then(|until| {
            let left = until.as_millisecond().saturating_sub(world.wall().as_millisecond());
            after(u64::try_from(left).unwrap_or(0))
        });
        let waits = steady.unwrap_or(NEVER).min(wall.unwrap_or(NEVER));
        let next = tasks.min(stop).min(cancel).min(waits).min(world.next_event().max(now));
        if next == NEVER {
            return Err("deadlock: nothing will ever happen again".to_owned());
        }
        world.advance(next.max(now + 1));
        Ok(())
    }
}

enum Turn {
    On,
    Finished(Option<String>),
}

/// The moment at which a kill is due, for a person.
pub fn describe(kill: Option<Kill>) -> String {
    kill.map_or_else(|| "lives".to_owned(), |kill| format!("is to die: {kill:?}"))
}
