//! The grammar of events, as `model::event` states it, checked record by record.
//!
//! A resumption begins a new part of the run: a host may be started again in it (if its work was not
//! finished, or is to be retried), a step of which nothing certain is known may get an outcome, and a wave
//! may go on.

use super::defect::Defect;
use crate::model::event::StepResult;
use crate::model::{Event, HostState, Record};
use std::collections::BTreeMap;

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Grammar {
    started: bool,
    stopped: bool,
    /// How often the run was resumed.
    part: usize,
    /// Whether what failed may be tried again.
    retries: bool,
    hosts: BTreeMap<String, Host>,
    waves: BTreeMap<String, (WaveStage, usize)>,
}

#[derive(Debug, Default)]
struct Host {
    /// In which part of the run it was started last.
    started: Option<usize>,
    ended: Option<End>,
    steps: BTreeMap<String, Step>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    line: usize,
    state: HostState,
    unfinished: bool,
}

/// A step: its attempts, and how the last one stands.
#[derive(Debug, Clone, Copy)]
struct Step {
    attempts: u32,
    stage: Stage,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Begun in this line.
    UnderWay(usize),
    /// It has this outcome, from this part of the run.
    Over(StepResult, usize),
}

#[derive(Debug, Clone, Copy, PartialEq)]
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
            Event::RunResumed { retry_failed, .. } => {
                self.stopped = false;
                self.part += 1;
                self.retries |= *retry_failed;
            }
            event if self.stopped => defects.push(Defect::AfterStop { line, event: word(event) }),
            _ => {}
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
            if finished || host.ended.is_some_and(|end| !end.unfinished) {
                for (step, Step { stage, .. }) in host.steps {
                    if let Stage::UnderWay(line) = stage {
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
                let known = self.waves.insert(wave.clone(), (WaveStage::Started, self.part));
                if known.is_some_and(|(_, part)| part == self.part) {
                    defects.push(Defect::Wave { line, wave: wave.clone(), what: "started twice" });
                }
            }
            Event::WaveEnded { wave, .. } => {
                let what = match self.waves.insert(wave.clone(), (WaveStage::Ended, self.part)) {
                    Some((WaveStage::Started, _)) => return,
                    Some((WaveStage::Ended, _)) => "ended twice",
                    None => "ended, but was not started",
                };
                defects.push(Defect::Wave { line, wave: wave.clone(), what });
            }
            Event::RunEnded { summary, .. } => {
                let mut counted: BTreeMap<HostState, usize> = BTreeMap::new();
                for End { state, .. } in self.hosts.values().filter_map(|host| host.ended) {
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
        let (part, retries) = (self.part, self.retries);
        let Some(host) = self.hosts.get_mut(name) else {
            defects.push(Defect::UnknownHost { line, host: name.to_owned() });
            return;
        };
        let owned = || name.to_owned();
        if matches!(event, Event::HostStarted { .. }) && host.may_start_again(part, retries) {
            (host.started, host.ended) = (Some(part), None);
            return;
        }
        if let Some(End { line: ended, .. }) = host.ended {
            defects.push(Defect::AfterHostEnd { line, host: owned(), event: word(event), ended });
        } else if host.started.is_none()
            && !matches!(event, Event::HostStarted { .. } | Event::HostEnded { .. })
        {
            defects.push(Defect::BeforeStart { line, host: owned(), event: word(event) });
        }
        match event {
            Event::HostStarted { .. } if host.started.replace(part).is_some() => {
                defects.push(Defect::StartedTwice { line, host: owned() });
            }
            Event::HostEnded { state, unfinished, .. } => {
                host.ended.get_or_insert(End { line, state: *state, unfinished: *unfinished });
            }
            Event::StepIntent { step, attempt, .. } => {
                let known = host.steps.get(step).copied();
                if !may_begin(known, *attempt, part, retries) {
                    defects.push(Defect::IntentTwice { line, host: owned(), step: step.clone() });
                }
                let begun = Step { attempts: *attempt, stage: Stage::UnderWay(line) };
                host.steps.insert(step.clone(), begun);
            }
            Event::StepOutcome { step, result, status, .. } => {
                let known = host.steps.get(step).copied();
                let attempts = known.map_or(0, |known| known.attempts);
                host.steps.insert(step.clone(), Step { attempts, stage: Stage::Over(*result, part) });
                match known.map(|known| known.stage) {
                    Some(Stage::UnderWay(_)) => {}
                    Some(Stage::Over(before, told)) if told < part && may_change(before) => {}
                    Some(Stage::Over(..)) => {
                        defects.push(Defect::OutcomeTwice { line, host: owned(), step: step.clone() });
                    }
                    None if needs_intent(*result, *status) => {
                        let (host, step) = (owned(), step.clone());
                        defects.push(Defect::NoIntent { line, host, step, result: *result });
                    }
                    None => {}
                }
            }
            _ => {}
        }
    }
}

impl Host {
    /// Whether a resumption may take it up: it was in hand when the controller died, its work was cut
    /// short, or it is to be retried.
    fn may_start_again(&self, part: usize, retries: bool) -> bool {
        let earlier = self.started.is_none_or(|started| started < part);
        let open = match self.ended {
            None => self.started.is_some(),
            Some(end) => end.unfinished || retries,
        };
        part > 0 && earlier && open
    }
}

/// Whether an intent may follow what is known of the step: the first attempt where nothing was begun,
/// the next one where a person asked to retry what did not end well.
fn may_begin(known: Option<Step>, attempt: u32, part: usize, retries: bool) -> bool {
    match known {
        None => attempt == 1,
        Some(Step { stage: Stage::UnderWay(_), .. }) => false,
        Some(Step { attempts: 0, stage: Stage::Over(before, told) }) => {
            attempt == 1 && told < part && may_change(before)
        }
        Some(Step { attempts, stage: Stage::Over(before, _) }) => {
            retries && attempt == attempts + 1 && may_change(before)
        }
    }
}

/// Whether a later part of the run may know better, or do better, than this outcome.
fn may_change(result: StepResult) -> bool {
    !matches!(result, StepResult::Done | StepResult::AlreadySo)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ExitCode;
    use jiff::Timestamp;

    #[test]
    fn what_follows_a_stop_without_a_resumption_is_a_defect() {
        let stop = Event::RunStopped { reason: "a gate".into(), exit: ExitCode::Stopped };
        let approved = || Event::WaveApproved { wave: "rest".into(), operator: "op".into() };
        let resumed = Event::RunResumed {
            operator: "op".into(),
            version: "0".into(),
            approved: Vec::new(),
            after_failures: false,
            retry_failed: false,
            break_lock: false,
        };
        let events = [
            crate::journal::testing::start(),
            stop,
            Event::Repaired { bytes: 1 },
            approved(),
            resumed,
            approved(),
        ];
        let (mut grammar, mut defects) = (Grammar::default(), Vec::new());
        for (seq, event) in (0..).zip(events) {
            let record = Record { seq, at: Timestamp::UNIX_EPOCH, host: None, event };
            grammar.take(seq as usize + 1, &record, &mut defects);
        }
        assert_eq!(defects, [Defect::AfterStop { line: 4, event: "wave_approved" }]);
    }
}
