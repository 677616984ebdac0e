//! The report for programs. `docs/report-schema.json` describes it; within version 1 fields may be
//! added, none is taken away and none changes its meaning.

use super::{
    EarlierEnd, EarlierOutcome, HostReport, LockReport, Report, Resumption, StepReport, WaveEnd, WaveReport,
    json_text,
};
use crate::model::event::{OutputRef, StepResult};
use crate::model::{
    BootIdentity, EvidenceRole, Finding, HostState, MachineIdentity, Platform, ProductState, Truth,
};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// The version of the shape; it stands under the key `uproot`.
const VERSION: u32 = 1;

/// The report as JSON, indented, with a line break at its end. What a terminal would obey in a
/// host's string (also beyond ASCII) is written as `\u…`, so that it can be shown as it is.
#[must_use]
pub fn json(report: &Report) -> String {
    json_text::pretty(&Document::of(report))
}

#[derive(Serialize)]
struct Document<'a> {
    uproot: u32,
    run: &'a str,
    verb: &'a str,
    version: &'a str,
    operator: &'a str,
    started: Timestamp,
    ended: Timestamp,
    finished: bool,
    stopped: Option<&'a str>,
    resumable: bool,
    resume: Option<String>,
    resumptions: Vec<ResumptionView<'a>>,
    playbook: &'a str,
    plan: Option<&'a str>,
    options: &'a BTreeMap<String, String>,
    hosts: Vec<Host<'a>>,
    waves: Vec<Wave<'a>>,
    summary: &'a BTreeMap<HostState, usize>,
    notes: &'a [String],
    exit: u8,
}

#[derive(Serialize)]
struct Host<'a> {
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
struct FindingView<'a> {
    product: &'a str,
    name: &'a str,
    result: ProductState,
    version: Option<&'a str>,
    evidence: Vec<EvidenceView<'a>>,
}

#[derive(Serialize)]
struct EvidenceView<'a> {
    role: EvidenceRole,
    check: &'a str,
    truth: Truth,
    facts: &'a [String],
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Step<'a> {
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
struct Outcome<'a> {
    attempt: u32,
    result: StepResult,
    status: Option<i32>,
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct ResumptionView<'a> {
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
struct Lock<'a> {
    from: Option<&'a str>,
    broken: bool,
    held: bool,
    left: Option<&'a str>,
}

#[derive(Serialize)]
struct End<'a> {
    at: Timestamp,
    state: HostState,
    reason: &'a str,
}

#[derive(Serialize)]
struct Output<'a> {
    blob: Option<&'a str>,
    total: u64,
    tail: &'a str,
}

#[derive(Serialize)]
struct Wave<'a> {
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
struct EndOfWave<'a> {
    passed: bool,
    failures: usize,
    unreachable: usize,
    reason: Option<&'a str>,
}

impl<'a> Document<'a> {
    fn of(report: &'a Report) -> Self {
        Self {
            uproot: VERSION,
            run: &report.run,
            verb: &report.verb,
            version: &report.version,
            operator: &report.operator,
            started: report.started,
            ended: report.ended,
            finished: report.finished,
            stopped: report.stopped.as_deref(),
            resumable: report.resumable,
            resume: report.resume_command(),
            resumptions: report.resumptions.iter().map(ResumptionView::of).collect(),
            playbook: &report.playbook,
            plan: report.plan.as_deref(),
            options: &report.options,
            hosts: report.hosts.iter().map(Host::of).collect(),
            waves: report.waves.iter().map(Wave::of).collect(),
            summary: &report.summary,
            notes: &report.notes,
            exit: report.exit_code().code(),
        }
    }
}

impl<'a> Host<'a> {
    fn of(host: &'a HostReport) -> Self {
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
    fn of(finding: &'a Finding) -> Self {
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
            result: finding.result,
            version: finding.version.as_deref(),
            evidence: evidence.collect(),
        }
    }
}

impl<'a> Step<'a> {
    fn of(step: &'a StepReport) -> Self {
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
    fn of(output: &'a OutputRef) -> Self {
        Self { blob: output.blob.as_deref(), total: output.total, tail: &output.tail }
    }
}

impl<'a> Wave<'a> {
    fn of(wave: &'a WaveReport) -> Self {
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
    fn of(end: &'a WaveEnd) -> Self {
        let WaveEnd { passed, failures, unreachable, reason } = end;
        Self { passed: *passed, failures: *failures, unreachable: *unreachable, reason: reason.as_deref() }
    }
}

impl<'a> ResumptionView<'a> {
    fn of(resumption: &'a Resumption) -> Self {
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
    fn of(lock: &'a LockReport) -> Self {
        Self { from: lock.from.as_deref(), broken: lock.broken, held: lock.held, left: lock.left.as_deref() }
    }
}

impl<'a> End<'a> {
    fn of(end: &'a EarlierEnd) -> Self {
        Self { at: end.at, state: end.state, reason: &end.reason }
    }
}

impl<'a> Outcome<'a> {
    fn of(outcome: &'a EarlierOutcome) -> Self {
        Self {
            attempt: outcome.attempt,
            result: outcome.result,
            status: outcome.status,
            reason: outcome.reason.as_deref(),
        }
    }
}
