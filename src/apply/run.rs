//! The shell round the wave machine: worker threads in, journal out.

use super::host::{HostContext, work};
use super::waves::{Action, Toll, WaveSpec, Waves};
use super::{Access, Stop};
use crate::model::{Cancel, Event, EventSink, HostState, Redactor, SinkError};
use crate::plan::{Plan, PlannedHost, PlannedWave};
use std::collections::BTreeMap;
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
        let mut shell = Shell { request, specs: &specs, failed: None };
        let mut machine = Waves::new(specs.clone());
        let mut actions = machine.begin();
        loop {
            for action in actions {
                match action {
                    Action::BeginHost { wave, host } => {
                        let sender: Sender<Message> = sender.clone();
                        let planned = hosts.get(host.as_str()).copied();
                        let wave = specs.get(wave).map_or("", |spec| spec.name.as_str());
                        scope.spawn(move |_| {
                            let toll = guarded_work(request, planned, wave);
                            // The receiver lives as long as the scope.
                            let _ = sender.send(Message::Ended { toll });
                        });
                    }
                    Action::Finish { stopped } => {
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
    }
}

/// Hosts of the plan that are in no wave (another name of a machine that is) end as planned: skipped.
fn record_unplanned(request: &ApplyRequest<'_>) -> Result<(), SinkError> {
    let in_wave: std::collections::BTreeSet<&String> =
        request.plan.waves.iter().flat_map(|wave| &wave.hosts).collect();
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
}

impl Shell<'_> {
    /// Waits for a host's end or a wish to stop.
    fn next(&mut self, machine: &mut Waves, receiver: &Receiver<Message>) -> Vec<Action> {
        loop {
            match receiver.recv_timeout(Duration::from_millis(100)) {
                Ok(Message::Ended { toll }) => {
                    let toll = toll.unwrap_or_else(|error| {
                        self.fail(error);
                        Toll::Failure
                    });
                    return machine.host_ended(toll);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return machine.drain("no worker is left"),
            }
            if let Some(reason) = self.request.stop.reason() {
                let actions = machine.drain(&reason);
                if !actions.is_empty() {
                    return actions;
                }
            }
        }
    }

    fn fail(&mut self, error: SinkError) {
        self.request.stop.request(&error.to_string());
        self.failed.get_or_insert(error);
    }

    fn record(&mut self, action: Action) {
        let name = |wave: usize| self.specs.get(wave).map_or_else(String::new, |spec| spec.name.clone());
        let (host, event) = match action {
            Action::BeginWave { wave } => {
                let Some(spec) = self.specs.get(wave) else { return };
                let event = Event::WaveStarted {
                    wave: spec.name.clone(),
                    hosts: spec.hosts.len(),
                    max_failures: spec.max_failures,
                    max_unreachable: spec.max_unreachable,
                };
                (None, event)
            }
            Action::EndWave { wave, passed, failures, unreachable, reason } => (
                None,
                Event::WaveEnded { wave: name(wave), passed, failures, unreachable, reason, clock: None },
            ),
            Action::SkipHost { host, reason } => (
                Some(host),
                Event::HostEnded { state: HostState::Skipped, reason, remedy: None, unfinished: false },
            ),
            Action::StopHosts { reason } => {
                self.request.stop.request(&reason);
                return;
            }
            Action::BeginHost { .. } | Action::Finish { .. } => return,
        };
        if let Err(error) = self.request.sink.record(host.as_deref(), event) {
            self.fail(error);
        }
    }
}
