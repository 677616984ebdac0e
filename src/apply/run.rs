//! The shell round the wave machine: worker threads in, journal out.

use super::host::{HostContext, work};
use super::waves::{Action, Input, Now, Toll, WaveSpec, Waves};
use super::{Access, Stop};
use crate::model::{Cancel, Event, EventSink, HostState, Redactor, SinkError};
use crate::plan::{Plan, PlannedHost, PlannedWave};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

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

enum Message {
    Ended { toll: Result<Toll, SinkError> },
}

/// Runs a plan's waves. Records everything but the run's start and end.
///
/// Returns whether a gate stopped it.
///
/// # Errors
/// When the journal cannot be written or no threads can be had.
pub fn run(request: &ApplyRequest<'_>) -> Result<bool, ApplyError> {
    let hosts: BTreeMap<&str, &PlannedHost> =
        request.plan.hosts.iter().map(|host| (host.name.as_str(), host)).collect();
    let specs: Vec<WaveSpec> = request.plan.waves.iter().map(|wave| spec(wave, request.parallel)).collect();
    record_unplanned(request)?;
    let threads = specs.iter().map(|spec| spec.parallel).max().unwrap_or(1);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(1024 * 1024)
        .thread_name(|number| format!("host-{number}"))
        .build()
        .map_err(|error| ApplyError::Threads(error.to_string()))?;
    let (sender, receiver) = channel();
    pool.in_place_scope(|scope| {
        let mut shell =
            Shell { request, specs: &specs, failed: None, begun: BTreeSet::new(), since: Instant::now() };
        let mut machine = Waves::new(specs.clone(), Vec::new(), false);
        let mut actions = machine.handle(Input::Begin, &shell.now());
        loop {
            for action in actions {
                match action {
                    Action::BeginHost { wave, host } => {
                        let sender: Sender<Message> = sender.clone();
                        shell.begun.insert(host.clone());
                        let planned = hosts.get(host.as_str()).copied();
                        let wave = specs.get(wave).map_or("", |spec| spec.name.as_str());
                        scope.spawn(move |_| {
                            let toll = guarded_work(request, planned, wave);
                            // The receiver lives as long as the scope.
                            let _ = sender.send(Message::Ended { toll });
                        });
                    }
                    Action::Finish { stopped } => {
                        if let Some(reason) = &stopped {
                            shell.skip_the_rest(reason);
                        }
                        let stopped = stopped.is_some();
                        return shell.failed.map_or(Ok(stopped), |error| Err(ApplyError::Journal(error)));
                    }
                    other => shell.record(other),
                }
            }
            actions = shell.next(&mut machine, &receiver);
        }
    })
}

fn guarded_work(
    request: &ApplyRequest<'_>,
    host: Option<&PlannedHost>,
    wave: &str,
) -> Result<Toll, SinkError> {
    let Some(host) = host else { return Ok(Toll::Free) };
    let ApplyRequest { plan, access, sink, stop, cancel, redactor, .. } = *request;
    let context = HostContext { plan, access, sink, stop, cancel, redactor };
    let attempt = std::panic::AssertUnwindSafe(|| work(&context, host, wave));
    std::panic::catch_unwind(attempt).unwrap_or_else(|_| {
        let ended = Event::HostEnded {
            state: HostState::Interrupted,
            reason: "a defect of uproot ended the work on this host".to_owned(),
            remedy: None,
            unfinished: false,
        };
        sink.record(Some(&host.name), ended).map(|()| Toll::Failure)
    })
}

fn spec(wave: &PlannedWave, parallel: usize) -> WaveSpec {
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
    for host in request.plan.hosts.iter().filter(|host| !in_wave.contains(&host.name)) {
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
    begun: BTreeSet<String>,
    since: Instant,
}

impl Shell<'_> {
    fn now(&self) -> Now {
        Now { steady: self.since.elapsed(), wall: jiff::Timestamp::now() }
    }

    /// Records the hosts that were not begun.
    fn skip_the_rest(&mut self, reason: &str) {
        for host in self.specs.iter().flat_map(|spec| &spec.hosts) {
            if self.begun.contains(host) {
                continue;
            }
            let reason = format!("not begun: {reason}");
            let event =
                Event::HostEnded { state: HostState::Skipped, reason, remedy: None, unfinished: false };
            if let Err(error) = self.request.sink.record(Some(host), event) {
                self.fail(error);
            }
        }
    }

    /// Waits for a host's end or a wish to stop.
    fn next(&mut self, machine: &mut Waves, receiver: &Receiver<Message>) -> Vec<Action> {
        loop {
            match receiver.recv_timeout(Duration::from_millis(100)) {
                Ok(Message::Ended { toll }) => {
                    let toll = toll.unwrap_or_else(|error| {
                        self.fail(error);
                        Toll::Failure
                    });
                    return machine.handle(Input::HostEnded { toll }, &self.now());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return machine
                        .handle(Input::Drain { reason: "no worker is left".to_owned() }, &self.now());
                }
            }
            let input = self.request.stop.reason().map_or(Input::Tick, |reason| Input::Drain { reason });
            let actions = machine.handle(input, &self.now());
            if !actions.is_empty() {
                return actions;
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
                Event::WaveEnded { wave: name(wave), passed, failures, unreachable, reason, clock: None }
            }
            Action::StopHosts { reason } => {
                self.request.stop.request(&reason);
                return;
            }
            Action::BeginHost { .. }
            | Action::Finish { .. }
            | Action::AskApproval { .. }
            | Action::Wait { .. } => return,
        };
        if let Err(error) = self.request.sink.record(None, event) {
            self.fail(error);
        }
    }
}
