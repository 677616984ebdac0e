//! One host's records → its part of the report.

use super::{EarlierEnd, EarlierOutcome, HostReport, StepReport};
use crate::model::event::{HostEntry, OutputRef, Phase, StepResult};
use crate::model::{Event, Finding, HostState};
use jiff::Timestamp;

/// A host whose end may not have come yet.
pub(super) struct Building {
    host: HostReport,
    /// Whether it has an end, and was not started again after it.
    ended: bool,
}

/// A host ended a second time without having been started again.
pub(super) struct EndedTwice;

impl Building {
    pub(super) fn new(entry: HostEntry) -> Self {
        let host = HostReport {
            host: entry.name,
            address: entry.address,
            user: entry.user,
            groups: entry.groups,
            state: HostState::Skipped,
            reason: String::new(),
            remedy: None,
            wave: None,
            platform: None,
            identity: None,
            boot: None,
            touched: false,
            unfinished: false,
            lock: None,
            earlier: Vec::new(),
            started: None,
            ended: None,
            findings: Vec::new(),
            looked: None,
            found_before: None,
            looked_before: None,
            steps: Vec::new(),
        };
        Self { host, ended: false }
    }

    /// Takes an event of the host in.
    pub(super) fn take(&mut self, at: Timestamp, event: Event) -> Result<(), EndedTwice> {
        match event {
            Event::HostStarted { wave } => self.start(at, wave),
            Event::Facts { platform, identity, boot, .. } => {
                self.host.platform = platform;
                self.host.identity = Some(identity);
                self.host.boot = Some(boot);
            }
            Event::Findings { phase, findings } => self.found(at, phase, findings),
            Event::LockTaken { from, broken, .. } => self.lock_taken(from, broken),
            Event::LockReleased { left } => {
                let lock = self.host.lock.get_or_insert_default();
                lock.held = false;
                lock.left = left;
            }
            Event::StepIntent { step, product, summary, attempt, .. } => {
                self.host.touched = true;
                let begun = begun(step, product, summary, (attempt, at));
                put(&mut self.host.steps, begun, replaced_by_intent);
            }
            Event::StepOutcome { .. } => self.outcome(event),
            Event::HostEnded { state, reason, remedy, unfinished } => {
                if std::mem::replace(&mut self.ended, true) {
                    return Err(EndedTwice);
                }
                self.host.state = state;
                self.host.reason = reason;
                self.host.remedy = remedy;
                self.host.unfinished = unfinished;
                self.host.ended = Some(at);
            }
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, at: Timestamp, wave: Option<String>) {
        if std::mem::take(&mut self.ended)
            && let Some(at) = self.host.ended.take()
        {
            let reason = std::mem::take(&mut self.host.reason);
            self.host.earlier.push(EarlierEnd { at, state: self.host.state, reason });
        }
        self.host.remedy = None;
        self.host.started.get_or_insert(at);
        self.host.wave = wave;
    }

    /// What a later look finds after steps was found after them, also where a resumption calls it the
    /// look before its own.
    fn found(&mut self, at: Timestamp, phase: Phase, mut findings: Vec<Finding>) {
        fit(&mut findings);
        let earlier = std::mem::replace(&mut self.host.findings, findings);
        let looked = self.host.looked.replace(at);
        let is_before = phase == Phase::Before && !self.host.steps.iter().any(|step| step.attempts > 0);
        if !is_before && self.host.found_before.is_none() {
            self.host.looked_before = looked;
            self.host.found_before = Some(earlier);
        }
    }

    fn lock_taken(&mut self, from: Option<String>, broken: bool) {
        self.host.touched = true;
        let lock = self.host.lock.get_or_insert_default();
        lock.held = true;
        lock.broken |= broken;
        if from.is_some() {
            lock.from = from;
        }
    }

    fn outcome(&mut self, event: Event) {
        let Some(outcome) = ended(event) else { return };
        let ran = !matches!(outcome.result, StepResult::NotRun | StepResult::AlreadySo);
        self.host.touched |= ran && outcome.status.is_some();
        put(&mut self.host.steps, outcome, replaced_by_outcome);
    }

    /// The host with a state, also where the journal has no end for it. `stopped`: why the run was
    /// stopped, where it was.
    pub(super) fn settle(self, stopped: Option<&str>) -> HostReport {
        let mut host = self.host;
        if self.ended {
            return host;
        }
        let is_open = |step: &&StepReport| step.result == StepResult::Interrupted && step.millis.is_none();
        let open = host.steps.iter().find(is_open);
        (host.state, host.reason) = match (open, stopped) {
            (Some(step), _) => {
                let reason = format!("step {} was begun and its outcome is not known", step.step);
                (HostState::Interrupted, reason)
            }
            (None, Some(reason)) if host.started.is_some() => {
                (HostState::Interrupted, format!("stopped before this host was done: {reason}"))
            }
            (None, None) if host.started.is_some() => {
                (HostState::Interrupted, "the run ended before this host was done".to_owned())
            }
            (None, Some(reason)) => (HostState::Skipped, format!("not begun: {reason}")),
            (None, None) => (HostState::Skipped, "the run ended before this host was begun".to_owned()),
        };
        host.unfinished = host.started.is_some();
        host
    }
}

/// Gives back what reading took beyond need: findings are the bulk of a report, and most lists have one entry.
fn fit(findings: &mut Vec<Finding>) {
    findings.shrink_to_fit();
    for finding in findings {
        finding.evidence.shrink_to_fit();
        for evidence in &mut finding.evidence {
            evidence.facts.shrink_to_fit();
            evidence.matched.iter_mut().for_each(Vec::shrink_to_fit);
        }
    }
}

/// A step of which only the intent is known so far.
fn begun(step: String, product: String, summary: String, (attempt, at): (u32, Timestamp)) -> StepReport {
    StepReport {
        step,
        product,
        summary,
        begun: Some(at),
        result: StepResult::Interrupted,
        status: None,
        effect: None,
        reason: Some("it was begun, and the journal has no outcome".to_owned()),
        millis: None,
        stdout: OutputRef::default(),
        stderr: OutputRef::default(),
        reboot_needed: false,
        attempts: attempt.max(1),
        earlier: Vec::new(),
    }
}

/// A step as its outcome tells it.
fn ended(event: Event) -> Option<StepReport> {
    let Event::StepOutcome {
        step,
        product,
        summary,
        result,
        status,
        effect,
        reboot_needed,
        reason,
        millis,
        stdout,
        stderr,
    } = event
    else {
        return None;
    };
    Some(StepReport {
        step,
        product,
        summary,
        begun: None,
        result,
        status,
        effect,
        reason,
        millis: Some(millis),
        stdout,
        stderr,
        reboot_needed,
        attempts: 0,
        earlier: Vec::new(),
    })
}

/// Puts a step in the place of what is known of it, or at the end. `replaces` says whether it does,
/// and completes it.
fn put(
    steps: &mut Vec<StepReport>,
    mut step: StepReport,
    replaces: fn(known: &StepReport, step: &mut StepReport) -> bool,
) {
    let Some(known) = steps.iter_mut().find(|known| known.step == step.step) else {
        steps.push(step);
        return;
    };
    if !replaces(known, &mut step) {
        return;
    }
    step.earlier = std::mem::take(&mut known.earlier);
    if known.attempts > 0 && known.millis.is_some() {
        step.earlier.push(EarlierOutcome {
            attempt: known.attempts,
            result: known.result,
            status: known.status,
            reason: known.reason.take(),
        });
    }
    *known = step;
}

fn replaced_by_intent(known: &StepReport, step: &mut StepReport) -> bool {
    step.attempts = step.attempts.max(known.attempts);
    step.begun = known.begun.or(step.begun);
    true
}

/// That a step was not begun again says nothing of how it ended when it was. Of one whose end nobody
/// knew, it says that the host has told: nothing of it was run.
fn replaced_by_outcome(known: &StepReport, step: &mut StepReport) -> bool {
    step.attempts = known.attempts;
    step.begun = known.begun;
    step.result != StepResult::NotRun || matches!(known.result, StepResult::Interrupted | StepResult::NotRun)
}
