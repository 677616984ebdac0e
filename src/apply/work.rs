//! One host's work, in order: connect, same machine, lock, facts, already so?, drifted?, protected?,
//! steps, reboot, verify, still protected?, release.
//!
//! Written against [`Reach`], so that the simulation runs this very code. A host that a resumed run
//! takes up again goes the same way; what its journal knows of each step comes in as [`HostPast`].

use super::Stop;
use super::again::MOST_TRIES;
use super::look::{activity, record_look, with_command};
use super::reach::{Holder, LockAnswer, LockOrder, Reach, Unreached};
use super::resume::HostPast;
use super::waves::Toll;
use crate::detect::{OnlyExtensions, ProductRules, drift, evaluate, findings, only_extensions};
use crate::facts::Facts;
use crate::model::deliberate::{self, Defect};
use crate::model::event::Phase;
use crate::model::output::escape_line;
use crate::model::{ChangeGrant, Event, EventSink, Finding, HostState, ProductState, Redactor, SinkError};
use crate::plan::{Plan, PlannedHost};
use crate::scope::Judge;
use crate::verify::{StepSummary, Verdict, observed, product_is_gone};
use jiff::Timestamp;
use std::time::Duration;

/// What the work on hosts needs of the run.
pub struct WorkContext<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Where events go.
    pub sink: &'a dyn EventSink,
    /// The wish to stop: the current step is finished, no further one is begun.
    pub stop: &'a Stop,
    /// Keeps secrets out of what is recorded.
    pub redactor: &'a Redactor,
    /// As whom the host's lock is taken.
    pub lock: LockOrder,
    /// How long to wait for hosts that went away.
    pub limits: WorkLimits,
    /// What time it is: the plan's waivers hold or are over by it.
    pub wall: &'a (dyn Fn() -> Timestamp + Sync),
    /// Is told what a host's end costs before that is recorded: once it returns, a stop that follows from
    /// it is in force.
    pub failing: &'a (dyn Fn(Toll) + Sync),
}

/// How long to wait for a host that went away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkLimits {
    /// For one to which the connection broke.
    pub reconnect: Duration,
    /// For a new boot of one that was rebooted.
    pub reboot: Duration,
}

impl Default for WorkLimits {
    fn default() -> Self {
        Self { reconnect: Duration::from_secs(600), reboot: Duration::from_secs(1200) }
    }
}

/// How a host's work ended, as far as its wave depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostEnd {
    /// What it costs the wave.
    pub toll: Toll,
    /// Whether a resumed run takes it up again.
    pub unfinished: bool,
}

/// Does a planned host's work and records its end.
///
/// # Errors
/// When the journal could not be written; nothing was done that is not in it.
pub async fn work<R: Reach>(
    context: &WorkContext<'_>,
    reach: &mut R,
    host: &PlannedHost,
    wave: &str,
    past: Option<&HostPast>,
) -> Result<HostEnd, SinkError> {
    context.sink.record(Some(&host.name), Event::HostStarted { wave: Some(wave.to_owned()) })?;
    let nothing = HostPast::default();
    let past = past.unwrap_or(&nothing);
    let mut work = Work { context, host, past, records: String::new(), facts: None };
    let end = work.run(reach).await?;
    let toll = Toll::of(end.verdict.state, end.after_steps);
    if toll != Toll::Free {
        (context.failing)(toll);
    }
    let ended = Event::HostEnded {
        state: end.verdict.state,
        reason: context.redactor.redact_text(&end.verdict.reason),
        remedy: end.verdict.remedy,
        unfinished: end.unfinished,
    };
    context.sink.record(Some(&host.name), ended)?;
    Ok(HostEnd { toll, unfinished: end.unfinished })
}

/// One host's work under way.
pub(super) struct Work<'a> {
    pub(super) context: &'a WorkContext<'a>,
    pub(super) host: &'a PlannedHost,
    pub(super) past: &'a HostPast,
    /// Which records of this run are on the host.
    pub(super) records: String,
    /// What was last learnt of the host.
    pub(super) facts: Option<Box<Facts>>,
}

/// How the work ended.
pub(super) struct End {
    pub(super) verdict: Verdict,
    /// Whether a step was begun on the host, by this or an earlier process of the run.
    pub(super) after_steps: bool,
    pub(super) unfinished: bool,
    /// Whether the host was given up as lost: it is not waited for once more.
    pub(super) lost: bool,
}

impl End {
    /// By the time that its lock was to be given back, the host's name meant another machine, of which
    /// nothing is known: whatever was proven was proven of the one before.
    fn of_other_machine(self, reason: &str) -> Self {
        let Verdict { state, reason: before, remedy } = self.verdict;
        let reason = format!("{reason}; the planned machine was last seen {}: {before}", state.word());
        let verdict = Verdict { state: state.min(HostState::Drifted), reason, remedy };
        Self { verdict, unfinished: self.unfinished || self.after_steps, ..self }
    }

    /// Nothing was changed, and nothing is to be done again.
    fn of(verdict: Verdict) -> Self {
        Self { verdict, after_steps: false, unfinished: false, lost: false }
    }
}

/// What a look at the host says is to be done.
enum Decision {
    /// Nothing: the host ends so.
    End(Verdict),
    /// The steps.
    Go,
}

impl Work<'_> {
    async fn run<R: Reach>(&mut self, reach: &mut R) -> Result<End, SinkError> {
        self.activity("connecting");
        let facts = match self.first_look(reach).await {
            Ok(facts) => facts,
            Err(error) => return Ok(self.not_reached(error, reach.is_cancelled())),
        };
        let found = self.findings(&facts);
        if let Decision::End(verdict) = self.decide(&facts, &found) {
            record_look(self.context.sink, Phase::Before, &facts, &found)?;
            return Ok(self.ended_early(verdict));
        }
        reach.permit(ChangeGrant::for_planned_host(&self.host.name));
        match self.take_lock(reach).await? {
            Ok(()) => {}
            Err(end) => return Ok(end),
        }
        let end = self.under_lock(reach).await?;
        if deliberate::is_on(Defect::LockKept) {
            return Ok(end);
        }
        let other_machine = self.release(reach, end.lost).await?;
        Ok(match other_machine {
            Some(reason) => end.of_other_machine(&reason),
            None => end,
        })
    }

    /// A host that was begun before is tried for as long as one that was lost in its work.
    async fn first_look<R: Reach>(&self, reach: &mut R) -> Result<Facts, Unreached> {
        let begun = self.past.was_begun();
        let connected = match reach.connect().await {
            Err(error) if begun => self.regain(reach, error).await,
            other => other,
        };
        connected?;
        self.activity("collecting facts");
        self.look_at_all(reach, &self.context.plan.questions).await
    }

    fn not_reached(&self, error: Unreached, cancelled: bool) -> End {
        let began = self.past.was_begun();
        let state = match (began, cancelled) {
            (true, _) => HostState::Interrupted,
            (false, true) => HostState::Skipped,
            (false, false) => HostState::Unreachable,
        };
        let remedy = match error.remedy {
            Some(option) if option.starts_with("--") => self.host.remedy.clone(),
            None => self.host.remedy.clone(),
            remedy => remedy,
        };
        let reason = match self.past.open_step() {
            Some(step) => format!("step {step} was begun, and the host cannot be asked: {}", error.reason),
            None => error.reason,
        };
        End {
            verdict: Verdict { state, reason, remedy },
            after_steps: began,
            unfinished: began || cancelled,
            lost: true,
        }
    }

    /// The end of a host before its lock was taken by this process.
    fn ended_early(&self, verdict: Verdict) -> End {
        if !self.past.was_begun() {
            return End::of(verdict);
        }
        // Steps of this run were begun on the machine that was planned, which this is not, or which
        // cannot be told to be it.
        let state = if self.past.open_step().is_some() { HostState::Interrupted } else { verdict.state };
        End { after_steps: true, unfinished: true, ..End::of(Verdict { state, ..verdict }) }
    }

    pub(super) fn findings(&self, facts: &Facts) -> Vec<Finding> {
        let mut found = findings(self.context.plan.products.iter().map(ProductRules::from), facts);
        if deliberate::is_on(Defect::CleanFromUnknown) {
            for finding in &mut found {
                if finding.result == ProductState::Unknown {
                    finding.result = ProductState::Absent;
                }
            }
        }
        self.exempt(&mut found);
        found
    }

    /// The products of which nothing but system extensions is left.
    pub(super) fn only_extensions(&self, found: &[Finding], facts: &Facts) -> Vec<OnlyExtensions> {
        only_extensions(self.context.plan.products.iter().map(ProductRules::from), found, facts)
    }

    /// Says which findings count, by the plan's scope and at this time: a waiver that ran out since the plan
    /// was made holds no more. What the plan removes counts, whatever the clock says.
    fn exempt(&self, found: &mut [Finding]) {
        let scope = &self.context.plan.scope;
        Judge::new(scope, (self.context.wall)()).judge(&self.host.name, Some(&self.host.groups), found);
        for finding in found.iter_mut().filter(|finding| finding.is_exempt()) {
            if self.host.gone_after.contains(&finding.product) {
                finding.exemption = None;
            }
        }
    }

    /// Whether something counts and is there that the plan does not remove and does not explain: it was not
    /// there when the plan was made, or its waiver ran out since.
    fn is_unplanned(&self, finding: &Finding) -> bool {
        let there = matches!(finding.result, ProductState::Present | ProductState::Residue);
        let explained = self.host.not_planned.iter().any(|entry| entry.product == finding.product);
        let was_exempt = || self.host.findings.iter().any(|f| f.product == finding.product && f.is_exempt());
        there
            && !finding.is_exempt()
            && !self.host.gone_after.contains(&finding.product)
            && (!explained || was_exempt())
    }

    /// Why this is not the machine that was planned.
    pub(super) fn other_machine(&self, facts: &Facts) -> Option<String> {
        let wrong = self.host.identity.disagreements(&facts.identity);
        (!wrong.is_empty() && !deliberate::is_on(Defect::IdentityNotChecked))
            .then(|| format!("this is not the machine that was planned: {}", wrong.join("; ")))
    }

    /// Whatever permits a change must be known to be true.
    fn decide(&self, facts: &Facts, found: &[Finding]) -> Decision {
        let end = |state, reason: String| Decision::End(Verdict { state, reason, remedy: None });
        if let Some(reason) = self.other_machine(facts) {
            return end(HostState::Drifted, reason);
        }
        let begun = self.past.was_begun();
        if !begun && let Some(verdict) = self.nothing_to_do(facts, found) {
            return Decision::End(verdict);
        }
        if self.host.identity.is_empty() {
            let reason = "the plan does not say which machine this is, so nothing may be changed on it";
            return end(HostState::Drifted, reason.to_owned());
        }
        match self.drifted(facts, found) {
            Some(reason) if !deliberate::is_on(Defect::DriftNotChecked) => end(HostState::Drifted, reason),
            _ => Decision::Go,
        }
    }

    /// The end of a host on which nothing of the plan is left to be done.
    fn nothing_to_do(&self, facts: &Facts, found: &[Finding]) -> Option<Verdict> {
        let seen = observed(found, facts);
        if seen.state == HostState::Clean {
            let reason = if self.host.steps.is_empty() { "" } else { "already as planned, nothing was run" };
            return Some(Verdict { state: HostState::Clean, reason: reason.to_owned(), remedy: None });
        }
        if !self.host.steps.is_empty() && !self.all_gone(found) {
            return None;
        }
        let reason = match seen.state {
            HostState::Present | HostState::Residue
                if found.iter().any(|finding| self.is_unplanned(finding)) =>
            {
                format!("{}; not in the plan", seen.reason)
            }
            HostState::Exempt if !self.host.steps.is_empty() => {
                format!("already as planned, nothing was run; {}", seen.reason)
            }
            _ => seen.reason,
        };
        // The plan has the command that would mend it; of the inventory nothing is known here.
        let planned = |_: &str| self.host.remedy.clone();
        Some(with_command(Verdict { reason, ..seen }, facts, &planned))
    }

    pub(super) fn all_gone(&self, found: &[Finding]) -> bool {
        let gone = |id: &String| found.iter().any(|f| f.product == *id && product_is_gone(f));
        self.host.gone_after.iter().all(gone)
    }

    /// Why the host is not as planned any more. Of a host that was begun, only products that were not.
    fn drifted(&self, facts: &Facts, found: &[Finding]) -> Option<String> {
        let not_begun: Vec<String> =
            self.host.gone_after.iter().filter(|product| !self.past.has_begun(product)).cloned().collect();
        let changed = drift(&self.host.findings, found, &not_begun);
        if !changed.is_empty() {
            return Some(format!("not as planned any more: {}", changed.join("; ")));
        }
        let undone =
            self.host.steps.iter().filter(|step| step.already_so && not_begun.contains(&step.product)).find(
                |step| step.effect.as_ref().is_some_and(|effect| !evaluate(effect, facts).truth.is_true()),
            )?;
        Some(format!("not as planned any more: step {} ({}) was already so", undone.id, undone.summary))
    }

    /// Takes the host's lock; `Err` has the host's end where that cannot be had.
    pub(super) async fn take_lock<R: Reach>(&mut self, reach: &mut R) -> Result<Result<(), End>, SinkError> {
        self.activity("taking the lock");
        let order = self.lock_order();
        let mut tries = 0;
        let answer = loop {
            // A host that may have been touched already is not kept from being brought to an end.
            let free = tries > 0 || self.past.was_begun() || deliberate::is_on(Defect::StopIgnored);
            let touch = match self.context.stop.touch() {
                Err(_) if free => None,
                Ok(touch) => Some(touch),
                Err(reason) => return Ok(Err(self.untouched(&reason))),
            };
            let answer = reach.lock(&order).await;
            drop(touch);
            match answer {
                Ok(answer) => break answer,
                Err(error) => {
                    tries += 1;
                    if let Err(error) = self.once_more(reach, tries, error).await {
                        return Ok(Err(self.lost_at_lock(error.reason)));
                    }
                }
            }
        };
        match answer {
            LockAnswer::Taken { from, broken, records } => {
                self.records = records.clone();
                let from = from.map(|from| escape_line(&from));
                let taken = Event::LockTaken { from, broken, records };
                self.context.sink.record(Some(&self.host.name), taken)?;
                Ok(Ok(()))
            }
            LockAnswer::Held(_) if deliberate::is_on(Defect::LockIgnored) => {
                let taken = Event::LockTaken { from: None, broken: false, records: String::new() };
                self.context.sink.record(Some(&self.host.name), taken)?;
                Ok(Ok(()))
            }
            LockAnswer::Held(holder) => Ok(Err(self.locked_out(&holder))),
            LockAnswer::Refused(reason) => {
                let reason = format!("the host's lock cannot be taken: {}", escape_line(&reason));
                Ok(Err(self.without_lock(HostState::Failed, reason, None)))
            }
        }
    }

    fn untouched(&self, reason: &str) -> End {
        let reason = format!("stopped before it was touched: {reason}");
        End { unfinished: true, ..self.without_lock(HostState::Skipped, reason, None) }
    }

    fn lost_at_lock(&self, reason: String) -> End {
        let reason = format!("lost before its first step: {reason}");
        End { unfinished: true, lost: true, ..self.without_lock(HostState::Interrupted, reason, None) }
    }

    /// This order for the lock: what it may have to make on the host has a name of its own.
    fn lock_order(&self) -> LockOrder {
        LockOrder { token: uuid::Uuid::new_v4().simple().to_string(), ..self.context.lock.clone() }
    }

    fn locked_out(&self, holder: &Holder) -> End {
        let state = if self.past.was_begun() { HostState::Interrupted } else { HostState::Skipped };
        let remedy = "wait until it is done; or, if that run is dead, repeat with `--break-lock`";
        let end = self.without_lock(state, locked_by(holder), Some(remedy.to_owned()));
        End { unfinished: true, ..end }
    }

    fn without_lock(&self, state: HostState, reason: String, remedy: Option<String>) -> End {
        let begun = self.past.was_begun();
        End { after_steps: begun, unfinished: begun, ..End::of(Verdict { state, reason, remedy }) }
    }

    /// Everything that is done while the lock is held.
    async fn under_lock<R: Reach>(&mut self, reach: &mut R) -> Result<End, SinkError> {
        let facts = match self.look(reach, &self.context.plan.questions).await {
            Ok(facts) => facts,
            Err(error) => return Ok(self.lost_at_lock(error.reason)),
        };
        let found = self.findings(&facts);
        record_look(self.context.sink, Phase::Before, &facts, &found)?;
        // What was seen before the lock was taken may have been another run's work in progress.
        if let Decision::End(verdict) = self.decide(&facts, &found) {
            return Ok(self.ended_early(verdict));
        }
        if !self.past.was_begun()
            && let Some(bare) = self.unprotected(&facts)
        {
            let reason = format!("not begun: the host would be left without protection: {bare}");
            return Ok(End::of(Verdict { state: HostState::Skipped, reason, remedy: None }));
        }
        self.facts = Some(Box::new(facts));
        self.change(reach).await
    }

    /// Why the host is without the protection that the policy asks for.
    pub(super) fn unprotected(&self, facts: &Facts) -> Option<String> {
        let rule = self.context.plan.require_protection.as_ref()?;
        let evaluation = evaluate(rule, facts);
        if evaluation.truth.is_true() || deliberate::is_on(Defect::ProtectionIgnored) {
            return None;
        }
        let leaves: Vec<String> = evaluation
            .leaves
            .iter()
            .filter(|leaf| !leaf.truth.is_true())
            .map(|leaf| match &leaf.reason {
                Some(reason) => format!("{} is {}: {reason}", leaf.check, leaf.truth),
                None => format!("{} is {}", leaf.check, leaf.truth),
            })
            .collect();
        Some(leaves.join("; "))
    }

    /// Gives the lock back. A host that was given up as lost gets one try. Why it is another machine by
    /// now, if it is.
    async fn release<R: Reach>(&self, reach: &mut R, lost: bool) -> Result<Option<String>, SinkError> {
        self.activity("giving the lock back");
        let mut tries = if lost { MOST_TRIES } else { 0 };
        let mut other_machine = None;
        let left = loop {
            match reach.release().await {
                Ok(left) => break left.map(|left| escape_line(&left)),
                Err(error) => {
                    tries += 1;
                    if let Err(error) = self.once_more(reach, tries, error).await {
                        let left = format!("not known, the host could not be asked: {}", error.reason);
                        other_machine = error.other_machine.then_some(error.reason);
                        break Some(left);
                    }
                }
            }
        };
        self.context.sink.record(Some(&self.host.name), Event::LockReleased { left })?;
        Ok(other_machine)
    }

    pub(super) fn activity(&self, doing: &str) {
        activity(self.context.sink, &self.host.name, doing);
    }
}

/// Whose lock it is.
pub(super) fn locked_by(holder: &Holder) -> String {
    format!(
        "locked by run {} of {} (for {} s more, unless it is renewed)",
        escape_line(&holder.run),
        escape_line(&holder.owner),
        holder.expires
    )
}

/// Whether every step ended well.
pub(super) fn all_well(steps: &[StepSummary]) -> bool {
    use crate::model::event::StepResult::{AlreadySo, Done};
    steps.iter().all(|step| matches!(step.result, Done | AlreadySo))
}
