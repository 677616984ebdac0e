//! What a journal says of a run that goes on: for each host what was begun and how it ended, for each
//! wave what was counted. Pure.

use super::waves::{Toll, WavePast};
use crate::model::deliberate::{self, Defect};
use crate::model::event::{SteadyTime, StepResult};
use crate::model::{BootIdentity, Event, HostState, Record};
use crate::plan::Plan;
use crate::verify::StepSummary;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What is known of a step from its journal.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepPast {
    /// How many attempts have an intent.
    pub attempts: u32,
    /// In which boot the last one was begun.
    pub boot: BootIdentity,
    /// Which records of the run were on the host then.
    pub records: String,
    /// How the last one ended; none: the journal does not say.
    pub outcome: Option<StepSummary>,
    /// The boots in which an attempt before the last one asked for a reboot, or may have.
    pub asked_in: Vec<BootIdentity>,
}

impl StepPast {
    /// The outcome that stands: what is done, and what failed unless it is to be retried.
    #[must_use]
    pub fn settled(&self, retry: bool) -> Option<&StepSummary> {
        self.outcome.as_ref().filter(|outcome| match outcome.result {
            StepResult::Done | StepResult::AlreadySo => true,
            StepResult::Failed | StepResult::Blocked => !retry,
            StepResult::Interrupted | StepResult::NotRun => false,
        })
    }

    /// Whether an attempt was begun of which only the host can say how it ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let told = |outcome: &StepSummary| outcome.result != StepResult::Interrupted;
        self.attempts > 0 && !self.outcome.as_ref().is_some_and(told)
    }

    /// Whether an attempt in this boot asked for a reboot, or may have: how it ended is not known.
    #[must_use]
    pub fn may_have_asked(&self, boot: &BootIdentity) -> bool {
        // A boot that cannot be told from this one may be this one.
        let same = |asked: &BootIdentity| asked.is_same(boot) != Some(false);
        self.asked_in.iter().any(same) || (self.last_may_have_asked() && same(&self.boot))
    }

    fn last_may_have_asked(&self) -> bool {
        self.is_open() || self.outcome.as_ref().is_some_and(|outcome| outcome.reboot_needed)
    }
}

/// What is known of a host from its journal.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HostPast {
    /// Its steps, by their ids.
    pub steps: BTreeMap<String, StepPast>,
    /// Whether what failed is tried again.
    pub retry: bool,
    /// Which records of the run were on the host when its lock was last taken.
    pub records: String,
}

impl HostPast {
    /// What is known of a step.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&StepPast> {
        self.steps.get(id)
    }

    /// Whether any step was begun on the host.
    #[must_use]
    pub fn was_begun(&self) -> bool {
        self.steps.values().any(|step| step.attempts > 0)
    }

    /// Whether a step of this product was begun.
    #[must_use]
    pub fn has_begun(&self, product: &str) -> bool {
        let of_product = |id: &str| id.rsplit_once('/').is_some_and(|(owner, _)| owner == product);
        self.steps.iter().any(|(id, step)| step.attempts > 0 && of_product(id))
    }

    /// The first step of which only the host can say how it ended.
    #[must_use]
    pub fn open_step(&self) -> Option<&str> {
        self.steps.iter().find(|(_, step)| step.is_open()).map(|(id, _)| id.as_str())
    }
}

/// Everything that a resumed run needs of its journal.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Past {
    /// Hosts that are worked on (again), with what is known of their steps.
    pub hosts: BTreeMap<String, HostPast>,
    /// For each wave of the plan, in its order.
    pub waves: Vec<WavePast>,
    /// The hosts that have an end which stands, with their states.
    pub ended: BTreeMap<String, HostState>,
}

/// A host's last end.
struct HostEnd {
    state: HostState,
    toll: Toll,
    unfinished: bool,
    /// Whether it came after the failures were last accepted by a person.
    counts: bool,
}

#[derive(Default)]
struct Reading {
    hosts: BTreeMap<String, HostPast>,
    ends: BTreeMap<String, HostEnd>,
    begun: BTreeSet<String>,
    approved: BTreeSet<String>,
    passed: BTreeMap<String, Option<SteadyTime>>,
    retry: bool,
    /// Hosts that are worked on at all: another name of a machine is not.
    in_waves: BTreeSet<String>,
}

impl Past {
    /// Reads the records of a run, its last `RunResumed` among them, so that what that decided holds.
    /// `now`: the controller's steady clock, for soak.
    #[must_use]
    pub fn read(records: &[Record], plan: &Plan, now: &SteadyTime) -> Self {
        let in_waves = plan.waves.iter().flat_map(|wave| wave.hosts.iter().cloned()).collect();
        let mut reading = Reading { in_waves, ..Reading::default() };
        for record in records {
            reading.take(record);
        }
        reading.conclude(plan, now)
    }
}

impl Reading {
    fn take(&mut self, record: &Record) {
        match (&record.event, record.host.as_deref()) {
            (Event::RunResumed { approved, after_failures, retry_failed, .. }, _) => {
                self.approved.extend(approved.iter().cloned());
                self.retry = *retry_failed;
                if *after_failures {
                    self.ends.values_mut().for_each(|end| end.counts = false);
                }
                if *retry_failed {
                    for (host, end) in &mut self.ends {
                        end.unfinished |= is_retried(end.state) && self.in_waves.contains(host);
                    }
                }
            }
            (Event::WaveApproved { wave, .. }, _) => {
                self.approved.insert(wave.clone());
            }
            (Event::WaveStarted { wave, .. }, _) => {
                self.begun.insert(wave.clone());
                // A wave that is begun again has yet to pass.
                self.passed.remove(wave);
            }
            (Event::WaveEnded { wave, passed: true, clock, .. }, _) => {
                self.passed.insert(wave.clone(), clock.clone());
            }
            (event, Some(host)) => self.take_host(host, event),
            _ => {}
        }
    }

    fn take_host(&mut self, host: &str, event: &Event) {
        let past = self.hosts.entry(host.to_owned()).or_default();
        match event {
            Event::HostStarted { .. } => {
                self.ends.remove(host);
            }
            Event::LockTaken { records, .. } => past.records.clone_from(records),
            Event::StepIntent { step, attempt, boot, .. } => {
                let records = past.records.clone();
                let step = past.steps.entry(step.clone()).or_default();
                if step.last_may_have_asked() {
                    step.asked_in.push(step.boot.clone());
                }
                (step.attempts, step.boot, step.records) = (*attempt, boot.clone(), records);
                step.outcome = None;
            }
            Event::StepOutcome { step: id, product, result, reboot_needed, reason, .. } => {
                let step = past.steps.entry(id.clone()).or_default();
                step.outcome = Some(StepSummary {
                    id: id.clone(),
                    product: product.clone(),
                    result: *result,
                    reboot_needed: *reboot_needed,
                    reason: reason.clone(),
                });
            }
            Event::HostEnded { state, unfinished, .. } => {
                let toll = Toll::of(*state, past.was_begun());
                let end = HostEnd { state: *state, toll, unfinished: *unfinished, counts: true };
                self.ends.insert(host.to_owned(), end);
            }
            _ => {}
        }
    }

    fn conclude(mut self, plan: &Plan, now: &SteadyTime) -> Past {
        let stands = |end: &&HostEnd| !end.unfinished;
        let ended: BTreeMap<String, HostState> = self
            .ends
            .iter()
            .filter(|(_, end)| stands(end))
            .map(|(host, end)| (host.clone(), end.state))
            .collect();
        let waves = plan.waves.iter().map(|wave| {
            let ends = || wave.hosts.iter().filter_map(|host| self.ends.get(host)).filter(stands);
            let count = |toll| ends().filter(|end| end.counts && end.toll == toll).count();
            let forgotten = deliberate::is_on(Defect::BudgetForgottenOnResume);
            let begun = self.begun.contains(&wave.name);
            let in_flight = |host: &&String| {
                deliberate::is_on(Defect::ResumeForgetsHosts) && self.hosts.contains_key(*host)
            };
            let done = |host: &&String| ended.contains_key(*host) || in_flight(host);
            let done: BTreeSet<String> = wave.hosts.iter().filter(done).cloned().collect();
            let whole = done.len() == wave.hosts.len();
            WavePast {
                failures: if forgotten { 0 } else { count(Toll::Failure) },
                unreachable: if forgotten { 0 } else { count(Toll::Unreachable) },
                begun,
                approved: begun || self.approved.contains(&wave.name),
                passed: self.passed.get(&wave.name).filter(|_| whole).map(|at| since(at.as_ref(), now)),
                done,
            }
        });
        let waves = waves.collect();
        for past in self.hosts.values_mut() {
            past.retry = self.retry;
        }
        self.hosts.retain(|host, _| !ended.contains_key(host));
        Past { hosts: self.hosts, waves, ended }
    }
}

/// Whether `--retry-failed` takes a host up again.
#[must_use]
pub fn is_retried(state: HostState) -> bool {
    match state {
        HostState::Failed
        | HostState::Interrupted
        | HostState::Blocked
        | HostState::Drifted
        | HostState::Present
        | HostState::Residue
        | HostState::Unknown
        | HostState::Unreachable
        | HostState::Skipped => true,
        HostState::RemovedRebootPending | HostState::Exempt | HostState::Removed | HostState::Clean => false,
    }
}

/// How long ago that was, at least: whether the controller was restarted or even is another machine,
/// never more than really passed.
fn since(at: Option<&SteadyTime>, now: &SteadyTime) -> Duration {
    let passed = match at {
        Some(at) if at.boot.is_some() && at.boot == now.boot => now.millis.saturating_sub(at.millis),
        // It was in an earlier boot of this controller, or on another one whose clock says nothing here.
        _ => 0,
    };
    Duration::from_millis(passed)
}

#[cfg(test)]
mod tests;
