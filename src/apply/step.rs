//! One step on one host: durable intent, begin, outcome, effect; and taking up one of which only the
//! intent is known.

use super::installer;
use super::look::activity;
use super::reach::{Reach, StepAnswer, StepOrder, Unreached};
use super::reboot::is_going_down;
use super::work::{Work, locked_by};
use crate::detect::evaluate;
use crate::facts::Questions;
use crate::model::deliberate::{self, Defect};
use crate::model::event::{OutputRef, StepResult};
use crate::model::output::escape_line;
use crate::model::{BootIdentity, BoundedOutput, Event, Redactor, SinkError, Truth};
use crate::plan::PlannedStep;
use crate::playbook::Rule;
use crate::verify::product_is_gone;
use std::time::Duration;

/// How much of a stream stands in the journal's record itself, in bytes.
const TAIL: usize = 2 * 1024;
/// A connection that breaks so many times in one step is not made again.
const MOST_LOSSES: u32 = 20;
/// A host whose answers to one step cannot be read so many times is asked no more.
const MOST_UNREAD: u32 = 3;

/// How a step ended.
#[derive(Debug, Clone)]
pub(super) struct StepEnd {
    pub result: StepResult,
    pub status: Option<i32>,
    pub effect: Option<Truth>,
    pub reason: Option<String>,
    pub reboot_needed: bool,
    /// Whether the host cannot be asked any more.
    pub lost: bool,
    /// Whether it is known that nothing of it runs any more, and not how it ended: a person may have it
    /// tried again.
    pub dead: bool,
    pub(super) stdout: BoundedOutput,
    pub(super) stderr: BoundedOutput,
}

impl StepEnd {
    pub(super) fn of(result: StepResult, reason: Option<String>) -> Self {
        Self {
            result,
            status: None,
            effect: None,
            reason,
            reboot_needed: false,
            lost: false,
            dead: false,
            stdout: BoundedOutput::default(),
            stderr: BoundedOutput::default(),
        }
    }

    pub(super) fn interrupted(reason: String) -> Self {
        Self::of(StepResult::Interrupted, Some(reason))
    }

    pub(super) fn lost(reason: String) -> Self {
        Self { lost: true, ..Self::interrupted(reason) }
    }

    fn with_output(self, stdout: BoundedOutput, stderr: BoundedOutput) -> Self {
        Self { stdout, stderr, ..self }
    }
}

/// The name of an attempt's claim on the host.
fn claim(step: &PlannedStep, attempt: u32) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '.' };
    let name: String = step.id.chars().map(plain).collect();
    if attempt <= 1 { name } else { format!("{name}.{attempt}") }
}

impl Work<'_> {
    /// Runs a step and records its intent and outcome.
    pub(super) async fn run_step<R: Reach>(
        &mut self,
        reach: &mut R,
        step: &PlannedStep,
    ) -> Result<StepEnd, SinkError> {
        activity(self.context.sink, &self.host.name, &format!("step {}: {}", step.id, step.summary));
        let began = reach.steady();
        // The instructions of a step with a condition are what to say where that is not true.
        let end = if let Some(condition) = &step.condition {
            self.await_condition(reach, step, condition).await
        } else if let Some(instructions) = &step.instructions {
            StepEnd::of(StepResult::Blocked, Some(format!("a person must act: {instructions}")))
        } else if let Some(end) = self.already_so(reach, step).await {
            end
        } else {
            if step.kind == PlannedStep::REBOOT {
                match self.look(reach, &Questions::default()).await {
                    Ok(facts) => self.facts = Some(Box::new(facts)),
                    Err(error) => {
                        let end =
                            StepEnd { lost: true, ..StepEnd::of(StepResult::NotRun, Some(error.reason)) };
                        return self.not_begun(reach, step, end, began);
                    }
                }
            }
            if let Some(reason) =
                self.context.stop.reason().filter(|_| !deliberate::is_on(Defect::StopIgnored))
            {
                let end =
                    StepEnd::of(StepResult::NotRun, Some(format!("stopped before this step: {reason}")));
                return self.not_begun(reach, step, end, began);
            }
            let attempt = self.past.step(&step.id).map_or(0, |past| past.attempts) + 1;
            let boot = self.facts.as_ref().map(|facts| facts.boot.clone()).unwrap_or_default();
            let early = deliberate::is_on(Defect::OutcomeBeforeIntent);
            if !early {
                self.record_intent(step, attempt, &boot)?;
            }
            let end = self.carry_out(reach, step, attempt, &boot, true).await;
            if early {
                self.record_intent(step, attempt, &boot)?;
            }
            end
        };
        let end = self.keep_request(step, end);
        self.conclude(reach, step, end, began)
    }

    /// The reboot that an earlier attempt asked for, or may have, is still to come where this is its boot.
    fn keep_request(&self, step: &PlannedStep, end: StepEnd) -> StepEnd {
        let boot = self.facts.as_ref().map(|facts| facts.boot.clone()).unwrap_or_default();
        let asked = || self.past.step(&step.id).is_some_and(|past| past.may_have_asked(&boot));
        let well = matches!(end.result, StepResult::Done | StepResult::AlreadySo);
        let reboot_needed = end.reboot_needed || (well && !step.reboot_codes.is_empty() && asked());
        StepEnd { reboot_needed, ..end }
    }

    /// Takes up a step of which an earlier process of the run left only the intent, or an outcome that
    /// it could not tell.
    pub(super) async fn take_up<R: Reach>(
        &mut self,
        reach: &mut R,
        step: &PlannedStep,
        may_begin: bool,
    ) -> Result<StepEnd, SinkError> {
        let (attempts, boot) =
            self.past.step(&step.id).map(|past| (past.attempts, past.boot.clone())).unwrap_or_default();
        let began = reach.steady();
        activity(self.context.sink, &self.host.name, &format!("step {}: looking it up", step.id));
        let end = if deliberate::is_on(Defect::ClaimIgnored) {
            self.carry_out(reach, step, attempts + 100, &boot, may_begin).await
        } else {
            self.look_up(reach, step, attempts, &boot, may_begin).await
        };
        self.conclude(reach, step, end, began)
    }

    /// A step that is not begun now. What became of an earlier attempt at it stays what is said of it.
    fn not_begun<R: Reach>(
        &self,
        reach: &R,
        step: &PlannedStep,
        end: StepEnd,
        began: Duration,
    ) -> Result<StepEnd, SinkError> {
        if self.past.step(&step.id).is_some() {
            return Ok(end);
        }
        self.conclude(reach, step, end, began)
    }

    fn conclude<R: Reach>(
        &self,
        reach: &R,
        step: &PlannedStep,
        end: StepEnd,
        began: Duration,
    ) -> Result<StepEnd, SinkError> {
        // A reason quotes the host, and goes into the host's own reason and onto the terminal.
        let reason = end.reason.as_deref().map(|reason| self.context.redactor.redact_text(reason));
        let end = StepEnd { reason, ..end };
        self.record_outcome(step, &end, reach.steady().saturating_sub(began))?;
        Ok(end)
    }

    /// Where what failed is tried again, its effect may hold by now, since somebody mended it: then it is
    /// not run.
    async fn already_so<R: Reach>(&self, reach: &mut R, step: &PlannedStep) -> Option<StepEnd> {
        let effect = step.effect.as_ref().filter(|_| self.past.retry)?;
        let seen = self.await_truth(reach, effect, Duration::ZERO).await;
        (seen.truth.is_true() && !seen.lost)
            .then(|| StepEnd { effect: Some(seen.truth), ..StepEnd::of(StepResult::AlreadySo, None) })
    }

    /// Begins a step whose intent is recorded, and sees it to its end.
    async fn carry_out<R: Reach>(
        &mut self,
        reach: &mut R,
        step: &PlannedStep,
        attempt: u32,
        boot: &BootIdentity,
        may_begin: bool,
    ) -> StepEnd {
        let claim = claim(step, attempt);
        let order = StepOrder { step, claim: &claim, only_begin: step.kind == PlannedStep::REBOOT };
        let answer = if may_begin { reach.begin(&order).await } else { reach.lookup(&order, false).await };
        // The intent is of this process, so the records on the host are those of it.
        self.see_through(reach, &order, boot, answer, true).await
    }

    /// Asks the host what became of a step.
    async fn look_up<R: Reach>(
        &mut self,
        reach: &mut R,
        step: &PlannedStep,
        attempt: u32,
        boot: &BootIdentity,
        may_begin: bool,
    ) -> StepEnd {
        let claim = claim(step, attempt.max(1));
        let order = StepOrder { step, claim: &claim, only_begin: step.kind == PlannedStep::REBOOT };
        // Without this run's records a missing claim says nothing.
        let past = self.past.step(&step.id).map_or("", |past| past.records.as_str());
        let known = !past.is_empty() && past == self.records;
        // A new boot is what a reboot is for: had the host one since the intent, none is begun any more.
        let now = self.facts.as_ref().map(|facts| &facts.boot);
        let rebooted = order.only_begin && now.and_then(|now| now.is_same(boot)) == Some(false);
        let may_begin = may_begin && !rebooted;
        let answer = match reach.lookup(&order, may_begin && known).await {
            StepAnswer::NotBegun(_) if !known || rebooted => StepAnswer::Forgotten,
            StepAnswer::NotBegun(_) if may_begin => reach.begin(&order).await,
            answer => answer,
        };
        self.see_through(reach, &order, boot, answer, known).await
    }

    /// From the first answer to the end: makes lost connections again and asks until the host tells.
    /// `known`: whether the host's records are those that were there when the intent was written.
    async fn see_through<R: Reach>(
        &mut self,
        reach: &mut R,
        order: &StepOrder<'_>,
        boot: &BootIdentity,
        mut answer: StepAnswer,
        known: bool,
    ) -> StepEnd {
        let mut losses = 0;
        let mut unread = 0;
        loop {
            if order.only_begin && is_going_down(&answer) {
                return self.await_new_boot(reach, boot, answer).await;
            }
            let StepAnswer::Lost(lost) = answer else { return self.judge(reach, order, answer).await };
            if deliberate::is_on(Defect::LostTakenForDone) {
                return StepEnd::of(StepResult::Done, None);
            }
            if lost.unread {
                unread += 1;
            } else {
                losses += 1;
            }
            if losses > MOST_LOSSES {
                return StepEnd::lost(format!("the connection broke {losses} times: {}", lost.reason));
            }
            if unread >= MOST_UNREAD {
                return StepEnd::lost(format!("it did not tell {unread} times: {}", lost.reason));
            }
            if let Err(error) = self.regain_same(reach, lost).await {
                if order.only_begin && !error.cancelled && !error.other_machine {
                    return self.await_new_boot(reach, boot, StepAnswer::Lost(error)).await;
                }
                let why =
                    if error.cancelled { "the run was cancelled while it ran" } else { "the host was lost" };
                return StepEnd::lost(format!("{why}, and how it ended is not known: {}", error.reason));
            }
            activity(self.context.sink, &self.host.name, &format!("step {}: looking it up", order.step.id));
            // A reboot is begun once: its host may have another boot by now.
            let may_begin =
                known && !order.only_begin && self.context.stop.reason().is_none() && !reach.is_cancelled();
            answer = match reach.lookup(order, may_begin).await {
                StepAnswer::NotBegun(_) if !known => StepAnswer::Forgotten,
                StepAnswer::NotBegun(_) if may_begin => reach.begin(order).await,
                answer => answer,
            };
        }
    }

    /// Turns what the host answered into an outcome. A status counts only as the host's wrapper recorded
    /// it, and even then the effect decides.
    async fn judge<R: Reach>(&self, reach: &mut R, order: &StepOrder<'_>, answer: StepAnswer) -> StepEnd {
        let step = order.step;
        match answer {
            StepAnswer::Ended { status, stdout, stderr } => {
                let end = self.judge_status(reach, step, status, &stdout, &stderr).await;
                end.with_output(stdout, stderr)
            }
            StepAnswer::NotBegun(reason) => {
                StepEnd::of(StepResult::Failed, Some(format!("nothing was run: {}", escape_line(&reason))))
            }
            StepAnswer::Running { reason, stdout, stderr } => {
                let reason = format!("it did not end in time and still runs: {}", escape_line(&reason));
                StepEnd::interrupted(reason).with_output(stdout, stderr)
            }
            StepAnswer::CutOff { by_reboot, stdout, stderr } => {
                let why = if by_reboot { "it was cut off by a reboot" } else { "it was killed" };
                let end = self.judge_without_status(reach, order, why, true).await;
                // A reboot that it asked for has happened.
                let reboot_needed = end.reboot_needed && !by_reboot;
                StepEnd { reboot_needed, ..end }.with_output(stdout, stderr)
            }
            StepAnswer::Forgotten => {
                self.judge_without_status(reach, order, "the host has no record of it any more", false).await
            }
            StepAnswer::LockLost(holder) => {
                StepEnd::interrupted(format!("the host's lock was lost: {}", locked_by(&holder)))
            }
            StepAnswer::Lost(lost) => StepEnd::lost(lost.reason),
        }
    }

    /// How a step ended that left no status: its effect tells; without one its product, where it surely did not
    /// end by itself (`was_cut_off`): else it may have ended with a status that was not accepted. Taken for
    /// done, it may have ended with a status that asks for a reboot.
    async fn judge_without_status<R: Reach>(
        &self,
        reach: &mut R,
        order: &StepOrder<'_>,
        why: &str,
        was_cut_off: bool,
    ) -> StepEnd {
        if deliberate::is_on(Defect::CutOffTakenForDone) {
            return StepEnd::of(StepResult::Done, None);
        }
        let end = match &order.step.effect {
            Some(effect) => self.judge_by_effect(reach, effect, why).await,
            None if was_cut_off => self.judge_by_product(reach, order, why).await,
            None => {
                StepEnd { dead: true, ..StepEnd::interrupted(format!("{why}: how it ended is not known")) }
            }
        };
        let reboot_needed = end.result == StepResult::Done && !order.step.reboot_codes.is_empty();
        StepEnd { reboot_needed, ..end }
    }

    async fn judge_by_effect<R: Reach>(&self, reach: &mut R, effect: &Rule, why: &str) -> StepEnd {
        let seen = self.await_truth(reach, effect, Duration::ZERO).await;
        let mut end = if seen.truth.is_true() {
            StepEnd::of(StepResult::Done, Some(format!("{why}, but its effect holds")))
        } else {
            StepEnd::interrupted(format!("{why}, and its effect does not hold: {}", seen.reason))
        };
        (end.effect, end.lost, end.dead) = (Some(seen.truth), seen.lost, !seen.lost);
        end
    }

    /// A step without an effect of its own that left no status: where its product is gone, it has done what it
    /// is for. Of a further attempt that says nothing: the product may have been gone when it was begun. What
    /// the host's state is depends on the steps after it and on the verification at its end all the same.
    async fn judge_by_product<R: Reach>(&self, reach: &mut R, order: &StepOrder<'_>, why: &str) -> StepEnd {
        let step = order.step;
        if order.claim != claim(step, 1) {
            let reason = format!("{why}: how this attempt ended is not known");
            return StepEnd { dead: true, ..StepEnd::interrupted(reason) };
        }
        let facts = match self.look(reach, &self.context.plan.questions).await {
            Ok(facts) => facts,
            Err(error) => {
                return StepEnd::lost(format!("{why}, and the host cannot be asked: {}", error.reason));
            }
        };
        let found = self.findings(&facts);
        if found.iter().any(|finding| finding.product == step.product && product_is_gone(finding)) {
            return StepEnd::of(StepResult::Done, Some(format!("{why}, but its product is gone")));
        }
        let reason = format!("{why}, and its product is not gone: how it ended is not known");
        StepEnd { dead: true, ..StepEnd::interrupted(reason) }
    }

    async fn judge_status<R: Reach>(
        &self,
        reach: &mut R,
        step: &PlannedStep,
        status: i32,
        stdout: &BoundedOutput,
        stderr: &BoundedOutput,
    ) -> StepEnd {
        let mut end = StepEnd::of(StepResult::Done, None);
        end.status = Some(status);
        end.reboot_needed = step.reboot_codes.contains(&status);
        let of_installer = step.kind == "uninstall_program";
        let said = || said_last(of_installer, self.context.redactor, stdout, stderr);
        if refuses(step, stdout, stderr) {
            end.result = StepResult::Blocked;
            end.reason = Some(format!("the product refuses: {}", said()));
        } else if !step.accept.contains(&status) && !end.reboot_needed {
            end.result = StepResult::Failed;
            let meaning = of_installer.then(|| installer::meaning(status)).flatten();
            let meaning = meaning.map(|words| format!(" ({words})")).unwrap_or_default();
            end.reason = Some(format!("exit status {status}{meaning}: {}", said()));
        } else if let Some(effect) =
            step.effect.as_ref().filter(|_| !deliberate::is_on(Defect::SuccessByExitCode))
        {
            let settle = self.settle_of(step);
            let Seen { truth, reason, lost } = self.await_truth(reach, effect, settle).await;
            end.effect = Some(truth);
            if lost {
                let reason =
                    format!("exit status {status}, but the host could not be asked after it: {reason}");
                return StepEnd { result: StepResult::Interrupted, reason: Some(reason), lost, ..end };
            }
            if !truth.is_true() && !end.reboot_needed {
                let why = if truth.is_unknown() {
                    "whether it did what it should is not known"
                } else {
                    "it did not do what it should"
                };
                end.result = StepResult::Failed;
                end.reason = Some(format!("exit status {status}, but {why}: {reason}"));
            }
        }
        end
    }

    /// How long to wait for the effect of a step whose status was accepted.
    fn settle_of(&self, step: &PlannedStep) -> Duration {
        let product = self.context.plan.products.iter().find(|product| product.id == step.product);
        Duration::from_secs(product.map_or(0, |product| product.settle))
    }

    async fn await_condition<R: Reach>(
        &self,
        reach: &mut R,
        step: &PlannedStep,
        condition: &Rule,
    ) -> StepEnd {
        let waits = step.kind == "wait_for";
        let limit = if waits { Duration::from_secs(step.timeout) } else { Duration::ZERO };
        let Seen { truth, reason, lost } = self.await_truth(reach, condition, limit).await;
        if lost {
            let reason = format!("{}: the host could not be asked: {reason}", step.summary);
            return StepEnd { lost, ..StepEnd::of(StepResult::NotRun, Some(reason)) };
        }
        if truth.is_true() {
            return StepEnd { effect: Some(truth), ..StepEnd::of(StepResult::Done, None) };
        }
        let result = if waits { StepResult::Failed } else { StepResult::Blocked };
        let reason = match &step.instructions {
            Some(message) => format!("{message} ({}: {truth}; {reason})", step.summary),
            None => format!("{}: {truth} ({reason})", step.summary),
        };
        StepEnd { effect: Some(truth), ..StepEnd::of(result, Some(reason)) }
    }

    /// Asks until a rule is true or the time is over. Asks at least once.
    async fn await_truth<R: Reach>(&self, reach: &mut R, rule: &Rule, limit: Duration) -> Seen {
        let questions = Questions::of_rules([rule]);
        let began = reach.steady();
        let mut delay = Duration::from_millis(500);
        loop {
            let facts = match self.look(reach, &questions).await {
                Ok(facts) => facts,
                Err(Unreached { reason, .. }) => return Seen { truth: Truth::Unknown, reason, lost: true },
            };
            let evaluation = evaluate(rule, &facts);
            let leaves: Vec<String> = evaluation
                .leaves
                .iter()
                .map(|leaf| match &leaf.reason {
                    Some(reason) => format!("{} is {}: {reason}", leaf.check, leaf.truth),
                    None => format!("{} is {}", leaf.check, leaf.truth),
                })
                .collect();
            let truth = evaluation.truth;
            let left = limit.saturating_sub(reach.steady().saturating_sub(began));
            // Every look is an attempt with the password: one that is refused is not tried again.
            let root_lost = facts.privilege.become_failed.is_some();
            if truth.is_true() || root_lost || left.is_zero() || !reach.pause(delay.min(left)).await {
                return Seen { truth, reason: leaves.join("; "), lost: false };
            }
            delay = (delay * 2).min(Duration::from_secs(5));
        }
    }

    fn record_intent(&self, step: &PlannedStep, attempt: u32, boot: &BootIdentity) -> Result<(), SinkError> {
        let intent = Event::StepIntent {
            step: step.id.clone(),
            product: step.product.clone(),
            summary: step.summary.clone(),
            attempt,
            boot: boot.clone(),
        };
        self.context.sink.record(Some(&self.host.name), intent)
    }

    /// Records a step that is not run.
    pub(super) fn record_not_run(
        &self,
        step: &PlannedStep,
        result: StepResult,
        reason: Option<String>,
    ) -> Result<(), SinkError> {
        self.record_outcome(step, &StepEnd::of(result, reason), Duration::ZERO)
    }

    fn record_outcome(&self, step: &PlannedStep, end: &StepEnd, took: Duration) -> Result<(), SinkError> {
        let stdout = self.store(&end.stdout)?;
        let stderr = self.store(&end.stderr)?;
        let outcome = Event::StepOutcome {
            step: step.id.clone(),
            product: step.product.clone(),
            summary: step.summary.clone(),
            result: end.result,
            status: end.status,
            effect: end.effect,
            reboot_needed: end.reboot_needed,
            reason: end.reason.clone(),
            millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            stdout,
            stderr,
        };
        self.context.sink.record(Some(&self.host.name), outcome)
    }

    fn store(&self, output: &BoundedOutput) -> Result<OutputRef, SinkError> {
        if output.total() == 0 {
            return Ok(OutputRef::default());
        }
        let bytes = self.context.redactor.redact(&output.bytes());
        let blob = self.context.sink.store(&bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut start = text.len().saturating_sub(TAIL);
        while !text.is_char_boundary(start) {
            start += 1;
        }
        let tail = text.get(start..).unwrap_or_default().to_owned();
        Ok(OutputRef { blob: Some(blob), total: output.total(), tail })
    }
}

/// What came of asking for a rule.
struct Seen {
    truth: Truth,
    reason: String,
    /// Whether the host could not be asked at all.
    lost: bool,
}

fn refuses(step: &PlannedStep, stdout: &BoundedOutput, stderr: &BoundedOutput) -> bool {
    let Some(pattern) = &step.blocked_if else { return false };
    // A pattern was checked when the playbook was read; one that does not compile matches nothing.
    pattern.compile().is_ok_and(|regex| regex.is_match(&stdout.text()) || regex.is_match(&stderr.text()))
}

fn said_last(
    of_installer: bool,
    redactor: &Redactor,
    stdout: &BoundedOutput,
    stderr: &BoundedOutput,
) -> String {
    let last = |text: &str| text.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned);
    let telling = |text: &str| installer::telling_line(text).map(str::to_owned);
    // Before anything is cut off: the half of a secret would not be recognised any more.
    let text = [stderr, stdout]
        .map(|output| redactor.redact_text(&output.text()))
        .into_iter()
        .find_map(|text| if of_installer { telling(&text) } else { last(&text) });
    let line: String = text.unwrap_or_else(|| "no output".to_owned()).chars().take(300).collect();
    escape_line(line.trim())
}
