//! The parts of a report as JSON has them: what `docs/report-schema.json` calls host, finding, step, wave
//! and so on. Shared by JSON and NDJSON.

use super::{
    Change, Comparison, EarlierEnd, EarlierOutcome, HostReport, JournalCheck, LockReport, Resumption, RunRef,
    StepReport, WaveEnd, WaveReport, words,
};
use crate::model::event::{OutputRef, StepResult};
use crate::model::scope::{Scope, ScopeProfile, WaiverList};
use crate::model::{
    BootIdentity, EvidenceRole, Exemption, ExemptionKind, Finding, HostState, MachineIdentity, Platform,
    ProductClass, ProductState, Truth,
};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

/// What checking the journal gave.
#[derive(Serialize)]
pub(super) struct JournalView<'a> {
    broken: bool,
    defects: &'a [String],
    seals: &'a [String],
    remarks: &'a [String],
}

/// What the run counts.
#[derive(Serialize)]
pub(super) struct ScopeView<'a> {
    profile: Option<&'a ScopeProfile>,
    waivers: Option<&'a WaiverList>,
}

#[derive(Serialize)]
pub(super) struct ExemptionView<'a> {
    kind: ExemptionKind,
    reason: &'a str,
    ticket: Option<&'a str>,
    until: Option<Date>,
}

#[derive(Serialize)]
pub(super) struct ComparisonView<'a> {
    against: Vec<RunRefView<'a>>,
    changes: Vec<ChangeView<'a>>,
}

#[derive(Serialize)]
pub(super) struct RunRefView<'a> {
    run: &'a str,
    verb: &'a str,
    started: Timestamp,
}

#[derive(Serialize)]
pub(super) struct ChangeView<'a> {
    host: &'a str,
    product: Option<&'a str>,
    name: Option<&'a str>,
    kind: &'static str,
    before: Option<ProductState>,
    after: Option<ProductState>,
    state: Option<HostState>,
}

impl<'a> JournalView<'a> {
    pub(super) fn of(check: &'a JournalCheck) -> Self {
        Self {
            broken: check.is_broken(),
            defects: &check.defects,
            seals: &check.seals,
            remarks: &check.remarks,
        }
    }
}

impl<'a> ScopeView<'a> {
    pub(super) fn of(scope: &'a Scope) -> Self {
        Self { profile: scope.profile.as_ref(), waivers: scope.waivers.as_ref() }
    }
}

impl<'a> ExemptionView<'a> {
    fn of(exemption: &'a Exemption) -> Self {
        Self {
            kind: exemption.kind,
            reason: &exemption.reason,
            ticket: exemption.ticket.as_deref(),
            until: exemption.until,
        }
    }
}

impl<'a> ComparisonView<'a> {
    pub(super) fn of(comparison: &'a Comparison) -> Self {
        Self {
            against: comparison.against.iter().map(RunRefView::of).collect(),
            changes: comparison.changes.iter().map(ChangeView::of).collect(),
        }
    }
}

impl<'a> RunRefView<'a> {
    pub(super) fn of(earlier: &'a RunRef) -> Self {
        Self { run: &earlier.run, verb: &earlier.verb, started: earlier.started }
    }
}

impl<'a> ChangeView<'a> {
    pub(super) fn of(change: &'a Change) -> Self {
        Self {
            host: &change.host,
            product: change.product.as_deref(),
            name: change.name.as_deref(),
            kind: words::change_word(change.kind),
            before: change.before,
            after: change.after,
            state: change.state,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Host<'a> {
    host: &'a str,
    address: &'a str,
    user: Option<&'a str>,
    groups: &'a [String],
    state: HostState,
    reason: &'a str,
    remedy: Option<&'a str>,
    wave: Option<&'a str>,
    platform: Option<Platform>,
    identity: Option<&'a MachineIdentity>,
    boot: Option<&'a BootIdentity>,
    touched: bool,
    unfinished: bool,
    lock: Option<Lock<'a>>,
    earlier: Vec<End<'a>>,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    findings: Vec<FindingView<'a>>,
    found_before: Option<Vec<FindingView<'a>>>,
    steps: Vec<Step<'a>>,
}

#[derive(Serialize)]
pub(super) struct FindingView<'a> {
    product: &'a str,
    name: &'a str,
    class: ProductClass,
    result: ProductState,
    exemption: Option<ExemptionView<'a>>,
    version: Option<&'a str>,
    evidence: Vec<EvidenceView<'a>>,
}

#[derive(Serialize)]
pub(super) struct EvidenceView<'a> {
    role: EvidenceRole,
    check: &'a str,
    truth: Truth,
    facts: &'a [String],
    reason: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Step<'a> {
    step: &'a str,
    product: &'a str,
    summary: &'a str,
    result: StepResult,
    status: Option<i32>,
    effect: Option<Truth>,
    reason: Option<&'a str>,
    millis: Option<u64>,
    stdout: Output<'a>,
    stderr: Output<'a>,
    reboot_needed: bool,
    attempts: u32,
    earlier: Vec<Outcome<'a>>,
}

#[derive(Serialize)]
pub(super) struct Outcome<'a> {
    attempt: u32,
    result: StepResult,
    status: Option<i32>,
    reason: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct ResumptionView<'a> {
    at: Timestamp,
    operator: &'a str,
    version: &'a str,
    stopped: Option<&'a str>,
    approved: &'a [String],
    after_failures: bool,
    retry_failed: bool,
    break_lock: bool,
}

#[derive(Serialize)]
pub(super) struct Lock<'a> {
    from: Option<&'a str>,
    broken: bool,
    held: bool,
    left: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct End<'a> {
    at: Timestamp,
    state: HostState,
    reason: &'a str,
}

#[derive(Serialize)]
pub(super) struct Output<'a> {
    blob: Option<&'a str>,
    total: u64,
    tail: &'a str,
}

#[derive(Serialize)]
pub(super) struct Wave<'a> {
    wave: &'a str,
    hosts: usize,
    max_failures: usize,
    max_unreachable: Option<usize>,
    passed: Option<bool>,
    failures: Option<usize>,
    unreachable: Option<usize>,
    reason: Option<&'a str>,
    approved: &'a [String],
    earlier: Vec<EndOfWave<'a>>,
}

#[derive(Serialize)]
pub(super) struct EndOfWave<'a> {
    passed: bool,
    failures: usize,
    unreachable: usize,
    reason: Option<&'a str>,
}

impl<'a> Host<'a> {
    pub(super) fn of(host: &'a HostReport) -> Self {
        Self {
            host: &host.host,
            address: &host.address,
            user: host.user.as_deref(),
            groups: &host.groups,
            state: host.state,
            reason: &host.reason,
            remedy: host.remedy.as_deref(),
            wave: host.wave.as_deref(),
            platform: host.platform,
            identity: host.identity.as_ref(),
            boot: host.boot.as_ref(),
            touched: host.touched,
            unfinished: host.unfinished,
            lock: host.lock.as_ref().map(Lock::of),
            earlier: host.earlier.iter().map(End::of).collect(),
            started: host.started,
            ended: host.ended,
            findings: host.findings.iter().map(FindingView::of).collect(),
            found_before: host.found_before.as_ref().map(|list| list.iter().map(FindingView::of).collect()),
            steps: host.steps.iter().map(Step::of).collect(),
        }
    }
}

impl<'a> FindingView<'a> {
    pub(super) fn of(finding: &'a Finding) -> Self {
        let evidence = finding.evidence.iter().map(|evidence| EvidenceView {
            role: evidence.role,
            check: &evidence.check,
            truth: evidence.truth,
            facts: &evidence.facts,
            reason: evidence.reason.as_deref(),
        });
        Self {
            product: &finding.product,
            name: &finding.name,
            class: finding.class,
            result: finding.result,
            exemption: finding.exemption.as_ref().map(ExemptionView::of),
            version: finding.version.as_deref(),
            evidence: evidence.collect(),
        }
    }
}

impl<'a> Step<'a> {
    pub(super) fn of(step: &'a StepReport) -> Self {
        Self {
            step: &step.step,
            product: &step.product,
            summary: &step.summary,
            result: step.result,
            status: step.status,
            effect: step.effect,
            reason: step.reason.as_deref(),
            millis: step.millis,
            stdout: Output::of(&step.stdout),
            stderr: Output::of(&step.stderr),
            reboot_needed: step.reboot_needed,
            attempts: step.attempts,
            earlier: step.earlier.iter().map(Outcome::of).collect(),
        }
    }
}

impl<'a> Output<'a> {
    pub(super) fn of(output: &'a OutputRef) -> Self {
        Self { blob: output.blob.as_deref(), total: output.total, tail: &output.tail }
    }
}

impl<'a> Wave<'a> {
    pub(super) fn of(wave: &'a WaveReport) -> Self {
        let end = wave.end.as_ref();
        Self {
            wave: &wave.name,
            hosts: wave.hosts,
            max_failures: wave.max_failures,
            max_unreachable: wave.max_unreachable,
            passed: end.map(|end| end.passed),
            failures: end.map(|end| end.failures),
            unreachable: end.map(|end| end.unreachable),
            reason: end.and_then(|end| end.reason.as_deref()),
            approved: &wave.approved,
            earlier: wave.earlier.iter().map(EndOfWave::of).collect(),
        }
    }
}

impl<'a> EndOfWave<'a> {
    pub(super) fn of(end: &'a WaveEnd) -> Self {
        let WaveEnd { passed, failures, unreachable, reason } = end;
        Self { passed: *passed, failures: *failures, unreachable: *unreachable, reason: reason.as_deref() }
    }
}

impl<'a> ResumptionView<'a> {
    pub(super) fn of(resumption: &'a Resumption) -> Self {
        Self {
            at: resumption.at,
            operator: &resumption.operator,
            version: &resumption.version,
            stopped: resumption.stopped.as_deref(),
            approved: &resumption.approved,
            after_failures: resumption.after_failures,
            retry_failed: resumption.retry_failed,
            break_lock: resumption.break_lock,
        }
    }
}

impl<'a> Lock<'a> {
    pub(super) fn of(lock: &'a LockReport) -> Self {
        Self { from: lock.from.as_deref(), broken: lock.broken, held: lock.held, left: lock.left.as_deref() }
    }
}

impl<'a> End<'a> {
    pub(super) fn of(end: &'a EarlierEnd) -> Self {
        Self { at: end.at, state: end.state, reason: &end.reason }
    }
}

impl<'a> Outcome<'a> {
    pub(super) fn of(outcome: &'a EarlierOutcome) -> Self {
        Self {
            attempt: outcome.attempt,
            result: outcome.result,
            status: outcome.status,
            reason: outcome.reason.as_deref(),
        }
    }
}
