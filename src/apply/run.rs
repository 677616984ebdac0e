//! The shell round the wave machine: worker threads in, journal out.

use super::clock::{steady, steady_now};
use super::live::LiveHost;
use super::reach::{LockOrder, block_on};
use super::resume::Past;
use super::waves::{Action, Input, Now, Toll, WavePast, WaveSpec, Waves};
use super::work::{WorkContext, WorkLimits, work};
use super::{Access, Stop};
use crate::model::{Cancel, Event, EventSink, HostState, Redactor, SinkError};
use crate::plan::{Plan, PlannedHost, PlannedWave};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Everything an apply needs.
pub struct ApplyRequest<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// How to reach the hosts, with every secret resolved.
    pub access: &'a Access,
    /// How many hosts at once, where a wave does not say.
    pub parallel: usize,
    /// Where events go.
    pub sink: &'a dyn EventSink,
    /// The wish to stop: no new hosts, current steps are finished.
    pub stop: &'a Stop,
    /// Stops at once.
    pub cancel: &'a Cancel,
    /// Keeps secrets out of what is recorded.
    pub redactor: &'a Redactor,
    /// As whom hosts are locked.
    pub lock: LockOrder,
    /// How long to wait for hosts that went away.
    pub limits: WorkLimits,
    /// What an earlier process of this run did; none: the run is new.
    pub past: Option<&'a Past>,
    /// The person at the terminal; none: nobody can be asked, and what would have to wait ends the run.
    pub person: Option<&'a dyn Person>,
    /// Is told what the waves wait for.
    pub waiting: &'a (dyn Fn(&str) + Sync),
}

/// The person at the terminal.
pub trait Person: Sync {
    /// Whether the person lets this wave begin; none: the run is to stop instead of being answered.
    fn approves(&self, wave: &str) -> Option<bool>;

    /// Who that is: local user name and machine.
    fn name(&self) -> String;
}

/// Why an apply could not go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApplyError {
    /// The journal could not be written: no host was changed after that.
    #[error(transparent)]
    Journal(#[from] SinkError),
    /// The system gave no threads.
    #[error("cannot start worker threads: {0}")]
    Threads(String),
}

/// More threads than this search each other's queues for work instead of working (measured).
const MOST_THREADS: usize = 256;
/// How often the machine is told that time passes.
const TICK: Duration = Duration::from_millis(100);

/// What a host's worker tells.
enum Message {
    /// The host is about to end so: a budget that this exceeds has to stop the others before the end is
    /// recorded.
    Failing { toll: Toll, seen: Sender<()> },
    /// Its work is over.
    Ended { toll: Result<Toll, SinkError> },
}

/// Runs a plan's waves. Records everything but the run's start and end.
///
/// Returns why it was stopped before every host was worked on; none: it was not.
///
/// # Errors
/// When the journal cannot be written or no threads can be had.
pub fn run(request: &ApplyRequest<'_>) -> Result<Option<String>, ApplyError> {
    let hosts: BTreeMap<&str, &PlannedHost> =
        request.plan.hosts.iter().map(|host| (host.name.as_str(), host)).collect();
    let specs: Vec<WaveSpec> = request.plan.waves.iter().map(|wave| spec(wave, request.parallel)).collect();
    record_unplanned(request)?;
    let threads = specs.iter().map(|spec| spec.parallel.min(spec.hosts.len())).max().unwrap_or(1).max(1);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(1024 * 1024)
        .thread_name(|number| format!("host-{number}"))
        .build()
        .map_err(|error| ApplyError::Threads(error.to_string()))?;
    let (sender, receiver) = channel();
    pool.in_place_scope(|scope| {
        let mut shell = Shell { request, specs: &specs, failed: None, failing: Vec::new() };
        let past = request.past.map(|past| past.waves.clone());
        let past = past.unwrap_or_else(|| specs.iter().map(|_| WavePast::default()).collect());
        let mut machine = Waves::new(specs.clone(), past, request.person.is_some());
        let mut actions = machine.handle(Input::Begin, &now());
        loop {
            let mut answers = Vec::new();
            for action in actions {
                match action {
                    Action::BeginHost { wave, host } => {
                        let sender: Sender<Message> = sender.clone();
                        let planned = hosts.get(host.as_str()).copied();
                        let wave = specs.get(wave).map_or("", |spec| spec.name.as_str());
                        scope.spawn(move |_| {
                            let toll = guarded_work(request, planned, wave, &sender);
                            // The receiver lives as long as the scope.
                            let _ = sender.send(Message::Ended { toll });
                        });
                    }
                    Action::Finish { stopped } => {
                        return shell.failed.map_or(Ok(stopped), |error| Err(ApplyError::Journal(error)));
                    }
                    Action::AskApproval { wave } => answers.push(shell.ask(wave)),
                    other => shell.record(other),
                }
            }
            actions = match answers.pop() {
                Some(answer) => machine.handle(answer, &now()),
                None => shell.next(&mut machine, &receiver),
            };
        }
    })
}

fn now() -> Now {
    Now { steady: steady(), wall: Timestamp::now() }
}

fn guarded_work(
    request: &ApplyRequest<'_>,
    host: Option<&PlannedHost>,
    wave: &str,
    sender: &Sender<Message>,
) -> Result<Toll, SinkError> {
    let Some(host) = host else { return Ok(Toll::Free) };
    let ApplyRequest { plan, access, sink, stop, cancel, redactor, limits, .. } = *request;
    let failing = |toll| {
        let (seen, wait) = channel();
        if sender.send(Message::Failing { toll, seen }).is_ok() {
            let _ = wait.recv();
        }
    };
    let lock = request.lock.clone();
    let context =
        WorkContext { plan, sink, stop, redactor, lock, limits, wall: &Timestamp::now, failing: &failing };
    let past = request.past.and_then(|past| past.hosts.get(&host.name));
    let attempt = std::panic::AssertUnwindSafe(|| {
        let mut reach = LiveHost::new(access, host, cancel);
        block_on(work(&context, &mut reach, host, wave, past)).map(|end| end.toll)
    });
    std::panic::catch_unwind(attempt).unwrap_or_else(|_| {
        let ended = Event::HostEnded {
            state: HostState::Interrupted,
            reason: "a defect of uproot ended the work on this host".to_owned(),
            remedy: None,
            unfinished: true,
        };
        sink.record(Some(&host.name), ended).map(|()| Toll::Failure)
    })
}

/// A wave as the machine needs it.
#[must_use]
pub fn spec(wave: &PlannedWave, parallel: usize) -> WaveSpec {
    WaveSpec {
        name: wave.name.clone(),
        hosts: wave.hosts.clone(),
        parallel: wave.parallel.unwrap_or(parallel).clamp(1, MOST_THREADS),
        max_failures: wave.max_failures.of(wave.hosts.len()),
        max_unreachable: wave.max_unreachable.map(|budget| budget.of(wave.hosts.len())),
        soak: Duration::from_secs(wave.soak),
        approve: wave.approve,
        window: wave.window.clone(),
    }
}

/// Hosts of the plan that are in no wave (another name of a machine that is) end as planned: skipped.
fn record_unplanned(request: &ApplyRequest<'_>) -> Result<(), SinkError> {
    let in_wave: BTreeSet<&String> = request.plan.waves.iter().flat_map(|wave| &wave.hosts).collect();
    let ended = |name: &String| request.past.is_some_and(|past| past.ended.contains_key(name));
    let hosts = request.plan.hosts.iter();
    for host in hosts.filter(|host| !in_wave.contains(&host.name) && !ended(&host.name)) {
        let ended = Event::HostEnded {
            state: HostState::Skipped,
            reason: host.reason.clone(),
            remedy: host.remedy.clone(),
            unfinished: false,
        };
        request.sink.record(Some(&host.name), ended)?;
    }
    Ok(())
}

struct Shell<'a> {
    request: &'a ApplyRequest<'a>,
    specs: &'a [WaveSpec],
    failed: Option<SinkError>,
    /// What hosts cost that are about to end.
    failing: Vec<Toll>,
}

impl Shell<'_> {
    /// Waits for a host's end, a wish to stop, or time to pass.
    fn next(&mut self, machine: &mut Waves, receiver: &Receiver<Message>) -> Vec<Action> {
        loop {
            let actions = match receiver.recv_timeout(TICK) {
                Ok(Message::Failing { toll, seen }) => {
                    self.failing.push(toll);
                    let count = |toll| self.failing.iter().filter(|failing| **failing == toll).count();
                    let (failures, unreachable) = (count(Toll::Failure), count(Toll::Unreachable));
                    if let Some(reason) = machine.would_exceed(failures, unreachable) {
                        self.request.stop.request(&reason);
                        self.request.stop.settle();
                    }
                    // Its worker waits for nothing else.
                    let _ = seen.send(());
                    Vec::new()
                }
                Ok(Message::Ended { toll }) => {
                    let toll = toll.unwrap_or_else(|error| {
                        self.fail(error);
                        Toll::Failure
                    });
                    if let Some(at) = self.failing.iter().position(|failing| *failing == toll) {
                        self.failing.swap_remove(at);
                    }
                    return machine.handle(Input::HostEnded { toll }, &now());
                }
                Err(RecvTimeoutError::Timeout) => machine.handle(Input::Tick, &now()),
                Err(RecvTimeoutError::Disconnected) => Vec::new(),
            };
            if !actions.is_empty() {
                return actions;
            }
            if let Some(reason) = self.request.stop.reason() {
                let actions = machine.handle(Input::Drain { reason }, &now());
                if !actions.is_empty() {
                    return actions;
                }
            }
        }
    }

    fn ask(&mut self, wave: usize) -> Input {
        let (Some(person), Some(spec)) = (self.request.person, self.specs.get(wave)) else {
            return Input::Approved { yes: false };
        };
        match person.approves(&spec.name) {
            Some(true) => {
                let approved = Event::WaveApproved { wave: spec.name.clone(), operator: person.name() };
                match self.request.sink.record(None, approved) {
                    Ok(()) => Input::Approved { yes: true },
                    Err(error) => {
                        self.fail(error);
                        Input::Approved { yes: false }
                    }
                }
            }
            Some(false) => Input::Approved { yes: false },
            None => {
                let reason = self.request.stop.reason();
                Input::Drain { reason: reason.unwrap_or_else(|| "nobody answered".to_owned()) }
            }
        }
    }

    fn fail(&mut self, error: SinkError) {
        self.request.stop.request(&error.to_string());
        self.failed.get_or_insert(error);
    }

    fn record(&mut self, action: Action) {
        let name = |wave: usize| self.specs.get(wave).map_or_else(String::new, |spec| spec.name.clone());
        let event = match action {
            Action::BeginWave { wave } => {
                let Some(spec) = self.specs.get(wave) else { return };
                Event::WaveStarted {
                    wave: spec.name.clone(),
                    hosts: spec.hosts.len(),
                    max_failures: spec.max_failures,
                    max_unreachable: spec.max_unreachable,
                }
            }
            Action::EndWave { wave, passed, failures, unreachable, reason } => {
                let clock = Some(steady_now());
                Event::WaveEnded { wave: name(wave), passed, failures, unreachable, reason, clock }
            }
            Action::StopHosts { reason } => {
                self.request.stop.request(&reason);
                return;
            }
            Action::Wait { why, .. } => {
                (self.request.waiting)(&why);
                return;
            }
            Action::BeginHost { .. } | Action::Finish { .. } | Action::AskApproval { .. } => return,
        };
        if let Err(error) = self.request.sink.record(None, event) {
            self.fail(error);
        }
    }
}
