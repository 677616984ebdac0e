//! What is done on a host while its lock is held: steps, reboot, verification, the gate after it.

use super::look::record_look;
use super::reach::Reach;
use super::step::StepEnd;
use super::work::{End, Work, all_well};
use crate::facts::Facts;
use crate::model::deliberate::{self, Defect};
use crate::model::event::{Phase, StepResult};
use crate::model::{Finding, HostState, Platform, ProductState, SinkError};
use crate::plan::PlannedStep;
use crate::verify::{
    StepSummary, Verdict, after_apply, nothing_but_extensions, reboot_removes_the_rest, with_extensions,
};
use std::time::Duration;

/// The lease of a host's lock is renewed when so much time has passed without a step.
const RENEW: Duration = Duration::from_secs(300);

/// A person whose consent an extension's removal waits for is not waited for longer than this.
const CONSENT: Duration = Duration::from_secs(30);

/// How the steps went.
#[derive(Default)]
struct Progress {
    steps: Vec<StepSummary>,
    /// Why no further step is begun.
    halted: Option<String>,
    /// Whether that is for a stop or a lost host, so that a resumed run goes on.
    unfinished: bool,
    /// Whether the host cannot be asked any more.
    lost: bool,
}

impl Work<'_> {
    pub(super) async fn change<R: Reach>(&mut self, reach: &mut R) -> Result<End, SinkError> {
        let mut progress = Progress::default();
        for step in &self.host.steps {
            self.take_step(reach, step, &mut progress).await?;
        }
        self.reboot_if_needed(reach, &mut progress).await?;
        let begun = progress.steps.iter().any(StepSummary::was_begun);
        if !begun && let Some(reason) = progress.halted.take() {
            let state = if progress.lost { HostState::Interrupted } else { HostState::Skipped };
            let verdict = Verdict { state, reason, remedy: None };
            return Ok(End { verdict, after_steps: false, unfinished: true, lost: progress.lost });
        }
        let after = if progress.lost { None } else { self.settle(reach, &progress.steps).await? };
        let looked = after.as_ref().map(|(facts, found)| (found.as_slice(), facts));
        let mut verdict = after_apply(&self.host.findings, &progress.steps, looked, &self.host.gone_after);
        if begun && let Some((facts, found)) = &after {
            verdict = with_extensions(verdict, found, &self.only_extensions(found, facts));
        }
        if deliberate::is_on(Defect::SuccessByExitCode) && all_well(&progress.steps) {
            verdict.state = HostState::Removed;
        }
        if begun && let Some((facts, _)) = &after {
            verdict = self.still_protected(facts, verdict);
        }
        let cut_short = verdict.state == HostState::Interrupted || progress.unfinished;
        let after_steps = begun || self.past.was_begun();
        Ok(End { verdict, after_steps, unfinished: cut_short, lost: progress.lost })
    }

    /// After the last change the host must not be bare either.
    fn still_protected(&self, facts: &Facts, verdict: Verdict) -> Verdict {
        let Some(bare) = self.unprotected(facts) else { return verdict };
        let reason = format!("left without protection: {bare}; {}", verdict.reason);
        Verdict { state: verdict.state.min(HostState::Failed), reason, remedy: verdict.remedy }
    }

    /// One step of the plan: what is known of it already, not to be begun any more, or run.
    async fn take_step<R: Reach>(
        &mut self,
        reach: &mut R,
        step: &PlannedStep,
        progress: &mut Progress,
    ) -> Result<(), SinkError> {
        let past = self.past.step(&step.id);
        if let Some(outcome) = past.and_then(|past| past.settled(self.past.retry))
            && !deliberate::is_on(Defect::ResumeRepeatsStep)
        {
            if step.kind == PlannedStep::REBOOT && outcome.result == StepResult::Done {
                for earlier in &mut progress.steps {
                    earlier.reboot_needed = false;
                }
            }
            if !matches!(outcome.result, StepResult::Done | StepResult::AlreadySo) {
                progress.halted.get_or_insert(format!("step {} ended `{}`", step.id, outcome.result.word()));
            }
            progress.steps.push(outcome.clone());
            return Ok(());
        }
        if step.already_so {
            self.record_not_run(step, StepResult::AlreadySo, None)?;
            progress.steps.push(summary(step, StepResult::AlreadySo, false, None));
            return Ok(());
        }
        let may_begin = self.may_begin(reach, progress);
        let open = past.is_some_and(|past| past.is_open());
        let end = if open {
            let end = self.take_up(reach, step, may_begin).await?;
            let again = end.result == StepResult::Interrupted && end.dead && self.past.retry && may_begin;
            if again { self.run_step(reach, step).await? } else { end }
        } else if may_begin {
            self.run_step(reach, step).await?
        } else {
            // A step that an earlier process of the run has recorded as not run need not be recorded twice.
            let reason = progress.halted.clone();
            if past.is_none_or(|past| past.outcome.is_none()) {
                self.record_not_run(step, StepResult::NotRun, reason.clone())?;
            }
            progress.steps.push(summary(step, StepResult::NotRun, false, reason));
            return Ok(());
        };
        let rebooted = step.kind == PlannedStep::REBOOT && end.result == StepResult::Done;
        self.note(step, end, progress);
        if rebooted && let Err(end) = self.take_lock(reach).await? {
            // The lock was the old boot's. Without it, no further step; to look needs none.
            progress.halted.get_or_insert(end.verdict.reason);
            progress.unfinished = true;
        }
        Ok(())
    }

    /// Whether a further step may be begun; if not, why is noted.
    fn may_begin<R: Reach>(&self, reach: &R, progress: &mut Progress) -> bool {
        let stop = self.context.stop.reason().filter(|_| !deliberate::is_on(Defect::StopIgnored));
        let cancelled = reach.is_cancelled().then(|| "the run was cancelled".to_owned());
        if progress.halted.is_none()
            && let Some(reason) = stop.or(cancelled)
        {
            progress.halted = Some(format!("stopped before this step: {reason}"));
            progress.unfinished = true;
        }
        progress.halted.is_none()
    }

    fn note(&self, step: &PlannedStep, end: StepEnd, progress: &mut Progress) {
        progress.lost |= end.lost;
        match end.result {
            StepResult::Done | StepResult::AlreadySo => {}
            result => {
                progress.halted.get_or_insert(format!("step {} ended `{}`", step.id, result.word()));
                progress.unfinished |= matches!(result, StepResult::Interrupted | StepResult::NotRun);
            }
        }
        if step.kind == PlannedStep::REBOOT && end.result == StepResult::Done {
            for earlier in &mut progress.steps {
                earlier.reboot_needed = false;
            }
        }
        progress.steps.push(summary(step, end.result, end.reboot_needed, end.reason));
    }

    /// The reboot of the policy `if-needed`, after steps that all ended well. One is needed where a step asked
    /// for it, or where what is left goes with the next boot.
    async fn reboot_if_needed<R: Reach>(
        &mut self,
        reach: &mut R,
        progress: &mut Progress,
    ) -> Result<(), SinkError> {
        let Some(reboot) = &self.host.reboot else { return Ok(()) };
        let needed = progress.steps.iter().any(|step| step.reboot_needed);
        let known = self.past.step(&reboot.id).is_some();
        if !all_well(&progress.steps) {
            return Ok(());
        }
        if needed || known || self.waits_for_boot(reach, progress).await {
            self.take_step(reach, reboot, progress).await?;
        }
        Ok(())
    }

    /// Whether something of this run's removal waits for the next boot (a system extension of macOS). A host that
    /// cannot be asked is not rebooted for it.
    async fn waits_for_boot<R: Reach>(&self, reach: &mut R, progress: &Progress) -> bool {
        let begun = progress.steps.iter().any(StepSummary::was_begun);
        if !begun || progress.lost || progress.halted.is_some() || self.host.platform != Some(Platform::Macos)
        {
            return false;
        }
        self.activity("asking whether a reboot is needed");
        let Ok(facts) = self.look(reach, &self.context.plan.questions).await else { return false };
        let found = self.findings(&facts);
        reboot_removes_the_rest(&found, &self.only_extensions(&found, &facts))
    }

    /// Whether it could be told before whether a product is there, and now it cannot.
    fn is_less_known(&self, found: &[Finding]) -> bool {
        let was_unknown = |product: &str| {
            let before = self.host.findings.iter().find(|finding| finding.product == product);
            before.is_none_or(|finding| finding.result == ProductState::Unknown)
        };
        let unknown = |finding: &&Finding| finding.result == ProductState::Unknown && !finding.is_exempt();
        found.iter().filter(unknown).any(|finding| !was_unknown(&finding.product))
    }

    /// Whether no waiting helps: what is left goes with the next boot, or nobody consented in time.
    fn is_left_to_others(&self, facts: &Facts, found: &[Finding], waited: Duration) -> bool {
        let left = self.only_extensions(found, facts);
        reboot_removes_the_rest(found, &left) || (waited >= CONSENT && nothing_but_extensions(found, &left))
    }

    /// Looks until every planned product is gone, or the longest settle time is over, or a step did
    /// not end well (then one look tells how the host was left). None where it cannot be looked at.
    async fn settle<R: Reach>(
        &mut self,
        reach: &mut R,
        steps: &[StepSummary],
    ) -> Result<Option<(Facts, Vec<Finding>)>, SinkError> {
        let products = self.context.plan.products.iter();
        let longest = products
            .filter(|product| self.host.gone_after.contains(&product.id))
            .map(|product| product.settle)
            .max();
        let limit = if all_well(steps) { Duration::from_secs(longest.unwrap_or(0)) } else { Duration::ZERO };
        let began = reach.steady();
        let mut renewed = began;
        let mut delay = Duration::from_millis(500);
        let mut doubted = false;
        loop {
            self.activity("verifying");
            let Ok(facts) = self.look(reach, &self.context.plan.questions).await else { return Ok(None) };
            let found = self.findings(&facts);
            let now = reach.steady();
            let left = limit.saturating_sub(now.saturating_sub(began));
            // Every look is an attempt with the password: one that is refused is not tried again.
            let root_lost = facts.privilege.become_failed.is_some();
            // What was known before may only not have been answered this once.
            let doubtful = !doubted && self.is_less_known(&found);
            doubted |= doubtful;
            let settled = (self.all_gone(&found) && !doubtful)
                || root_lost
                || left.is_zero()
                || self.is_left_to_others(&facts, &found, now.saturating_sub(began));
            if settled || !reach.pause(delay.min(left)).await {
                record_look(self.context.sink, Phase::After, &facts, &found)?;
                return Ok(Some((facts, found)));
            }
            if now.saturating_sub(renewed) > RENEW {
                // A lease that is lost now forbids nothing: only questions are left.
                let _ = reach.renew().await;
                renewed = now;
            }
            delay = (delay * 2).min(Duration::from_secs(5));
        }
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
