//! The grammar of events, as `model::event` states it, checked record by record.

use super::defect::Defect;
use crate::model::event::StepResult;
use crate::model::{Event, HostState, Record};
use std::collections::BTreeMap;

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Grammar {
    started: bool,
    stopped: bool,
    hosts: BTreeMap<String, Host>,
    waves: BTreeMap<String, WaveStage>,
}

#[derive(Debug, Default)]
struct Host {
    started: bool,
    ended: Option<(usize, HostState)>,
    steps: BTreeMap<String, Step>,
}

#[derive(Debug)]
enum Step {
    /// Begun in this line.
    UnderWay(usize),
    Over,
}

#[derive(Debug, PartialEq)]
enum WaveStage {
    Started,
    Ended,
}

impl Grammar {
    /// Takes the record of a line in.
    pub(super) fn take(&mut self, line: usize, record: &Record, defects: &mut Vec<Defect>) {
        if matches!(record.event, Event::RunStarted { .. }) == self.started {
            defects.push(Defect::Start { line });
        }
        self.started = true;
        match &record.event {
            Event::RunStopped { .. } => self.stopped = true,
            Event::Repaired { .. } => {}
            _ => self.stopped = false,
        }
        match (&record.event, &record.host) {
            (Event::Decision { .. }, None) => {}
            (event, None) if is_of_run(event) => self.run_event(line, event, defects),
            (event, Some(host)) if !is_of_run(event) => self.host_event(line, host, event, defects),
            (event, host) => {
                let (event, needs_host) = (word(event), host.is_none());
                defects.push(Defect::HostName { line, event, needs_host });
            }
        }
    }

    /// Whether the last record (but for repairs) says that the run was stopped.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// At the end of the journal.
    pub(super) fn finish(self, finished: bool, defects: &mut Vec<Defect>) {
        for (name, host) in self.hosts {
            if finished && host.ended.is_none() {
                defects.push(Defect::NoHostEnd { host: name.clone() });
            }
            if finished || host.ended.is_some() {
                for (step, stage) in host.steps {
                    if let Step::UnderWay(line) = stage {
                        defects.push(Defect::NoOutcome { line, host: name.clone(), step });
                    }
                }
            }
        }
    }

    fn run_event(&mut self, line: usize, event: &Event, defects: &mut Vec<Defect>) {
        match event {
            Event::RunStarted { hosts, .. } => {
                for entry in hosts {
                    self.hosts.entry(entry.name.clone()).or_default();
                }
            }
            Event::WaveStarted { wave, .. } => {
                let known = self.waves.insert(wave.clone(), WaveStage::Started);
                if known.is_some() {
                    defects.push(Defect::Wave { line, wave: wave.clone(), what: "started twice" });
                }
            }
            Event::WaveEnded { wave, .. } => {
                let what = match self.waves.insert(wave.clone(), WaveStage::Ended) {
                    Some(WaveStage::Started) => return,
                    Some(WaveStage::Ended) => "ended twice",
                    None => "ended, but was not started",
                };
                defects.push(Defect::Wave { line, wave: wave.clone(), what });
            }
            Event::RunEnded { summary, .. } => {
                let mut counted: BTreeMap<HostState, usize> = BTreeMap::new();
                for (_, state) in self.hosts.values().filter_map(|host| host.ended) {
                    *counted.entry(state).or_default() += 1;
                }
                let mut stated = summary.clone();
                stated.retain(|_, count| *count > 0);
                if counted != stated {
                    let (expected, found) = (in_words(&counted), in_words(&stated));
                    defects.push(Defect::Summary { line, expected, found });
                }
            }
            _ => {}
        }
    }

    fn host_event(&mut self, line: usize, name: &str, event: &Event, defects: &mut Vec<Defect>) {
        let Some(host) = self.hosts.get_mut(name) else {
            defects.push(Defect::UnknownHost { line, host: name.to_owned() });
            return;
        };
        let owned = || name.to_owned();
        if let Some((ended, _)) = host.ended {
            defects.push(Defect::AfterHostEnd { line, host: owned(), event: word(event), ended });
        } else if !host.started && !matches!(event, Event::HostStarted { .. } | Event::HostEnded { .. }) {
            defects.push(Defect::BeforeStart { line, host: owned(), event: word(event) });
        }
        match event {
            Event::HostStarted { .. } if std::mem::replace(&mut host.started, true) => {
                defects.push(Defect::StartedTwice { line, host: owned() });
            }
            Event::HostEnded { state, .. } => {
                host.ended.get_or_insert((line, *state));
            }
            Event::StepIntent { step, .. } => {
                let known = host.steps.insert(step.clone(), Step::UnderWay(line));
                if known.is_some() {
                    defects.push(Defect::IntentTwice { line, host: owned(), step: step.clone() });
                }
            }
            Event::StepOutcome { step, result, status, .. } => {
                let (host_name, step_name) = (owned(), step.clone());
                match host.steps.insert(step.clone(), Step::Over) {
                    Some(Step::UnderWay(_)) => {}
                    Some(Step::Over) => {
                        defects.push(Defect::OutcomeTwice { line, host: host_name, step: step_name });
                    }
                    None if needs_intent(*result, *status) => defects.push(Defect::NoIntent {
                        line,
                        host: host_name,
                        step: step_name,
                        result: *result,
                    }),
                    None => {}
                }
            }
            _ => {}
        }
    }
}

/// Whether an outcome says that something was run on the host. Steps that only look or only
/// instruct (`require`, `wait_for`, `manual`) have no exit status and need no intent.
fn needs_intent(result: StepResult, status: Option<i32>) -> bool {
    match result {
        StepResult::AlreadySo | StepResult::NotRun => false,
        StepResult::Interrupted => true,
        StepResult::Done | StepResult::Failed | StepResult::Blocked => status.is_some(),
    }
}

/// Whether it is an event of the run, not of a host. A decision or a repair may be either.
fn is_of_run(event: &Event) -> bool {
    matches!(
        event,
        Event::RunStarted { .. }
            | Event::WaveStarted { .. }
            | Event::WaveEnded { .. }
            | Event::WaveApproved { .. }
            | Event::RunStopped { .. }
            | Event::RunResumed { .. }
            | Event::Repaired { .. }
            | Event::RunEnded { .. }
    )
}

fn word(event: &Event) -> &'static str {
    match event {
        Event::RunStarted { .. } => "run_started",
        Event::WaveStarted { .. } => "wave_started",
        Event::WaveEnded { .. } => "wave_ended",
        Event::WaveApproved { .. } => "wave_approved",
        Event::LockTaken { .. } => "lock_taken",
        Event::LockReleased { .. } => "lock_released",
        Event::RunStopped { .. } => "run_stopped",
        Event::RunResumed { .. } => "run_resumed",
        Event::HostStarted { .. } => "host_started",
        Event::HostActivity { .. } => "host_activity",
        Event::Facts { .. } => "facts",
        Event::Findings { .. } => "findings",
        Event::StepIntent { .. } => "step_intent",
        Event::StepOutcome { .. } => "step_outcome",
        Event::HostEnded { .. } => "host_ended",
        Event::Decision { .. } => "decision",
        Event::Repaired { .. } => "repaired",
        Event::RunEnded { .. } => "run_ended",
    }
}

fn in_words(counts: &BTreeMap<HostState, usize>) -> String {
    if counts.is_empty() {
        return "no host".to_owned();
    }
    counts.iter().map(|(state, count)| format!("{count} {state}")).collect::<Vec<_>>().join(", ")
}
