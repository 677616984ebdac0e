//! One host's work, in order: connect, same machine, facts, already so?, drifted?, steps, verify.

use super::look::{activity, record_look, unreached_option, with_command};
use super::step::{StepContext, pause, record_not_run, run_step};
use super::waves::Toll;
use super::{Access, Stop};
use crate::detect::{ProductRules, drift, evaluate, findings};
use crate::facts::Facts;
use crate::model::event::{Phase, StepResult};
use crate::model::{Cancel, ChangeGrant, Event, EventSink, Finding, HostState, Redactor, SinkError};
use crate::plan::{Plan, PlannedHost, PlannedStep};
use crate::transport::{Changing, Probing};
use crate::verify::{StepSummary, Verdict, after_apply, observed, product_is_gone};
use std::time::{Duration, Instant};

/// What one host's work needs of the run.
pub(super) struct HostContext<'a> {
    pub plan: &'a Plan,
    pub access: &'a Access,
    pub sink: &'a dyn EventSink,
    pub stop: &'a Stop,
    pub cancel: &'a Cancel,
    pub redactor: &'a Redactor,
}

/// Does a planned host's work and records its end.
///
/// # Errors
/// When the journal could not be written; nothing was done that is not in it.
pub(super) fn work(context: &HostContext<'_>, host: &PlannedHost, wave: &str) -> Result<Toll, SinkError> {
    context.sink.record(Some(&host.name), Event::HostStarted { wave: Some(wave.to_owned()) })?;
    let work = Work { context, host };
    let (verdict, after_steps) = work.run()?;
    let toll = Toll::of(verdict.state, after_steps);
    let ended = Event::HostEnded {
        state: verdict.state,
        reason: verdict.reason,
        remedy: verdict.remedy,
        unfinished: false,
    };
    context.sink.record(Some(&host.name), ended)?;
    Ok(toll)
}

struct Work<'a> {
    context: &'a HostContext<'a>,
    host: &'a PlannedHost,
}

/// What the first look at the host says is to be done.
enum Decision {
    /// Nothing: the host ends so.
    End(Verdict),
    /// The steps, on these findings.
    Go(Vec<Finding>),
}

impl Work<'_> {
    fn run(&self) -> Result<(Verdict, bool), SinkError> {
        let HostContext { access, sink, cancel, .. } = *self.context;
        activity(sink, &self.host.name, "connecting");
        let looked =
            access.connect(&self.host.name, &self.host.connection, cancel).and_then(|mut session| {
                activity(sink, &self.host.name, "collecting facts");
                self.look(&mut session).map(|facts| (session, facts))
            });
        let (session, facts) = match looked {
            Ok(looked) => looked,
            Err(error) => {
                let state = if cancel.is_cancelled() { HostState::Skipped } else { HostState::Unreachable };
                let option = unreached_option(&error).is_some();
                let remedy = if option { self.host.remedy.clone() } else { error.remedy };
                return Ok((Verdict { state, reason: error.message, remedy }, false));
            }
        };
        let found = self.findings(&facts);
        record_look(sink, Phase::Before, &facts, &found)?;
        match self.decide(&facts, found) {
            Decision::End(verdict) => Ok((verdict, false)),
            Decision::Go(before) => {
                let grant = ChangeGrant::for_planned_host(&self.host.name);
                self.change(session.into_changing(grant), &before)
            }
        }
    }

    fn look(&self, session: &mut Probing) -> Result<Facts, crate::transport::TransportError> {
        let HostContext { plan, access, cancel, .. } = *self.context;
        access.collect(session, &self.host.name, &self.host.connection, &plan.questions, cancel)
    }

    fn findings(&self, facts: &Facts) -> Vec<Finding> {
        findings(self.context.plan.products.iter().map(ProductRules::from), facts)
    }

    /// Whatever permits a change must be known to be true.
    fn decide(&self, facts: &Facts, found: Vec<Finding>) -> Decision {
        let end = |state, reason: String| Decision::End(Verdict { state, reason, remedy: None });
        let wrong = self.host.identity.disagreements(&facts.identity);
        if !wrong.is_empty() {
            let reason = format!("this is not the machine that was planned: {}", wrong.join("; "));
            return end(HostState::Drifted, reason);
        }
        let seen = observed(&found, facts);
        if seen.state == HostState::Clean {
            let reason = if self.host.steps.is_empty() { "" } else { "already as planned, nothing was run" };
            return end(HostState::Clean, reason.to_owned());
        }
        let gone = |id: &String| found.iter().any(|f| f.product == *id && product_is_gone(f));
        if self.host.steps.is_empty() || self.host.gone_after.iter().all(gone) {
            let reason = match seen.state {
                HostState::Present | HostState::Residue if self.host.not_planned.is_empty() => {
                    format!("{}; not in the plan", seen.reason)
                }
                _ => seen.reason,
            };
            // The plan has the command that would mend it; of the inventory nothing is known here.
            let planned = |_: &str| self.host.remedy.clone();
            return Decision::End(with_command(Verdict { reason, ..seen }, facts, &planned));
        }
        if self.host.identity.is_empty() {
            let reason = "the plan does not say which machine this is, so nothing may be changed on it";
            return end(HostState::Drifted, reason.to_owned());
        }
        let changed = drift(&self.host.findings, &found, &self.host.gone_after);
        if !changed.is_empty() {
            return end(HostState::Drifted, format!("not as planned any more: {}", changed.join("; ")));
        }
        let undone =
            self.host.steps.iter().filter(|step| step.already_so).find(|step| {
                step.effect.as_ref().is_some_and(|effect| !evaluate(effect, facts).truth.is_true())
            });
        if let Some(step) = undone {
            let reason =
                format!("not as planned any more: step {} ({}) was already so", step.id, step.summary);
            return end(HostState::Drifted, reason);
        }
        Decision::Go(found)
    }

    fn change(&self, mut session: Changing, before: &[Finding]) -> Result<(Verdict, bool), SinkError> {
        let mut steps: Vec<StepSummary> = Vec::new();
        let mut halted: Option<String> = None;
        let mut usable = true;
        for step in &self.host.steps {
            let context = self.step_context(step);
            if halted.is_none()
                && let Some(reason) = self.context.stop.reason()
            {
                halted = Some(format!("stopped before this step: {reason}"));
            }
            if step.already_so || halted.is_some() {
                let result = if step.already_so { StepResult::AlreadySo } else { StepResult::NotRun };
                let reason = if step.already_so { None } else { halted.clone() };
                record_not_run(&context, step, result, reason.clone())?;
                steps.push(summary(step, result, false, reason));
                continue;
            }
            let end = run_step(&context, &mut session, step)?;
            usable = end.session_usable;
            if end.result != StepResult::Done {
                halted = Some(format!("step {} ended `{}`", step.id, end.result.word()));
            }
            steps.push(summary(step, end.result, end.reboot_needed, end.reason));
        }
        let begun = |s: &StepSummary| !matches!(s.result, StepResult::NotRun | StepResult::AlreadySo);
        let after_steps = steps.iter().any(begun);
        if !after_steps && let Some(reason) = halted {
            let state = if self.context.stop.reason().is_some() {
                HostState::Skipped
            } else {
                HostState::Interrupted
            };
            return Ok((Verdict { state, reason, remedy: None }, false));
        }
        let after =
            if usable { self.settle(&mut session, &steps)? } else { self.look_on_a_new_connection()? };
        let looked = after.as_ref().map(|(facts, found)| (found.as_slice(), facts));
        Ok((after_apply(before, &steps, looked, &self.host.gone_after), after_steps))
    }

    fn step_context(&self, step: &PlannedStep) -> StepContext<'_> {
        let settle = self.context.plan.products.iter().find(|product| product.id == step.product);
        StepContext {
            host: &self.host.name,
            access: self.context.access,
            connection: &self.host.connection,
            sink: self.context.sink,
            cancel: self.context.cancel,
            redactor: self.context.redactor,
            settle: Duration::from_secs(settle.map_or(0, |product| product.settle)),
        }
    }

    /// Looks until every planned product is gone, or the longest settle time is over, or a step did
    /// not end well (then one look tells how the host was left).
    fn settle(
        &self,
        session: &mut Changing,
        steps: &[StepSummary],
    ) -> Result<Option<(Facts, Vec<Finding>)>, SinkError> {
        let well = steps.iter().all(|s| matches!(s.result, StepResult::Done | StepResult::AlreadySo));
        let longest = self
            .context
            .plan
            .products
            .iter()
            .filter(|product| self.host.gone_after.contains(&product.id))
            .map(|product| product.settle)
            .max();
        let limit = if well { Duration::from_secs(longest.unwrap_or(0)) } else { Duration::ZERO };
        let deadline = Instant::now() + limit;
        let mut delay = Duration::from_millis(500);
        loop {
            activity(self.context.sink, &self.host.name, "verifying");
            let Ok(facts) = self.look(session.probing()) else { return self.look_on_a_new_connection() };
            let found = self.findings(&facts);
            let gone = |id: &String| found.iter().any(|f| f.product == *id && product_is_gone(f));
            let left = deadline.saturating_duration_since(Instant::now());
            let settled = self.host.gone_after.iter().all(gone);
            // Every look is an attempt with the password: one that is refused is not tried again.
            let root_lost = facts.privilege.become_failed.is_some();
            if settled || root_lost || left.is_zero() || !pause(delay.min(left), self.context.cancel) {
                record_look(self.context.sink, Phase::After, &facts, &found)?;
                return Ok(Some((facts, found)));
            }
            delay = (delay * 2).min(Duration::from_secs(5));
        }
    }

    /// After a session that broke: how was the host left? `None` where it cannot be reached.
    fn look_on_a_new_connection(&self) -> Result<Option<(Facts, Vec<Finding>)>, SinkError> {
        let HostContext { access, sink, cancel, .. } = *self.context;
        activity(sink, &self.host.name, "connecting again");
        let looked = access
            .connect(&self.host.name, &self.host.connection, cancel)
            .and_then(|mut session| self.look(&mut session));
        let Ok(facts) = looked else { return Ok(None) };
        if !self.host.identity.disagreements(&facts.identity).is_empty() {
            return Ok(None);
        }
        let found = self.findings(&facts);
        record_look(sink, Phase::After, &facts, &found)?;
        Ok(Some((facts, found)))
    }
}

fn summary(
    step: &PlannedStep,
    result: StepResult,
    reboot_needed: bool,
    reason: Option<String>,
) -> StepSummary {
    StepSummary { id: step.id.clone(), product: step.product.clone(), result, reboot_needed, reason }
}
