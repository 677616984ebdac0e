//! A host in full, in words. What hosts printed is the bulk of a report; it is cut to what a page can carry,
//! steps that went wrong last, and the whole of it is named where it is kept.

use super::text::{milliseconds, moment, shown, shown_end};
use crate::model::event::{OutputRef, StepResult};
use crate::model::{EvidenceRole, Finding, ProductState};
use crate::report::{HostReport, Report, StepReport, table_host};

/// All outputs of steps that went wrong take at most about so many bytes, those of the others the second.
const WRONG_BUDGET: usize = 2_000_000;
const OTHER_BUDGET: usize = 1_000_000;
/// The most of one output that a journal keeps inline; less than the second is not worth showing.
const WHOLE_TAIL: usize = 2048;
const LEAST_TAIL: usize = 80;
/// So many checks of a finding, and so many facts of a check, are shown.
const CHECKS: usize = 40;
const FACTS: usize = 10;

/// A host in full, in words; every text is fit to be shown.
pub(super) struct Detail {
    /// Labels and values.
    pub(super) about: Vec<(&'static str, String)>,
    /// What else is to be known: earlier ends, its lock.
    pub(super) notes: Vec<String>,
    /// What is there now, or could not be told.
    pub(super) found: Vec<Found>,
    /// The products that are proven absent.
    pub(super) absent: String,
    /// What was there before the steps.
    pub(super) before: Vec<Found>,
    /// The steps, in the order they were begun.
    pub(super) steps: Vec<Step>,
}

/// A finding.
pub(super) struct Found {
    pub(super) product: String,
    pub(super) word: &'static str,
    pub(super) tone: &'static str,
    /// What scope or waiver make of it; may be empty.
    pub(super) exemption: String,
    pub(super) evidence: Vec<String>,
}

/// A step.
pub(super) struct Step {
    pub(super) name: String,
    pub(super) summary: String,
    pub(super) word: &'static str,
    pub(super) tone: &'static str,
    /// Status, time, attempts.
    pub(super) meta: String,
    /// Why it is not done; may be empty.
    pub(super) reason: String,
    pub(super) earlier: Vec<String>,
    pub(super) outputs: Vec<Output>,
}

/// What a step printed.
pub(super) struct Output {
    /// Which stream, how much of it is shown, and where the whole is.
    pub(super) label: String,
    pub(super) text: String,
}

/// How much of each output is shown.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    wrong: usize,
    other: usize,
}

impl Limits {
    /// So that all outputs of the report together stay in their budgets.
    pub(super) fn of(report: &Report) -> Self {
        let (mut wrong, mut other) = (0, 0);
        for step in report.hosts.iter().flat_map(|host| &host.steps) {
            let outputs =
                [&step.stdout, &step.stderr].into_iter().filter(|output| !output.tail.is_empty()).count();
            *(if went_wrong(step) { &mut wrong } else { &mut other }) += outputs;
        }
        let share = |budget: usize, count: usize| match (budget / count.max(1)).min(WHOLE_TAIL) {
            0..LEAST_TAIL => 0,
            share => share,
        };
        Self { wrong: share(WRONG_BUDGET, wrong), other: share(OTHER_BUDGET, other) }
    }
}

fn went_wrong(step: &StepReport) -> bool {
    matches!(step.result, StepResult::Failed | StepResult::Blocked | StepResult::Interrupted)
}

impl Detail {
    /// Of one host.
    pub(super) fn of(host: &HostReport, limits: Limits) -> Self {
        let is_absent = |finding: &&Finding| finding.result == ProductState::Absent;
        let absent: Vec<String> =
            host.findings.iter().filter(is_absent).map(|finding| shown(&finding.product)).collect();
        let there =
            |list: &[Finding]| list.iter().filter(|finding| !is_absent(finding)).map(Found::of).collect();
        Self {
            about: about(host),
            notes: notes(host),
            found: there(&host.findings),
            absent: absent.join(", "),
            before: host.found_before.as_deref().map(there).unwrap_or_default(),
            steps: host.steps.iter().map(|step| Step::of(step, limits)).collect(),
        }
    }
}

fn about(host: &HostReport) -> Vec<(&'static str, String)> {
    let identity = host.identity.as_ref();
    let values = [
        ("Address", Some(shown(&host.address))),
        ("Login user", host.user.as_deref().map(shown)),
        ("Groups", (!host.groups.is_empty()).then(|| shown(&host.groups.join(", ")))),
        ("Platform", host.platform.map(|platform| platform.word().to_owned())),
        ("Machine id", identity.and_then(|identity| identity.machine_id.as_deref()).map(shown)),
        ("DMI UUID", identity.and_then(|identity| identity.dmi_uuid.as_deref()).map(shown)),
        ("Host key", identity.and_then(|identity| identity.host_key.as_deref()).map(shown)),
        ("Boot", host.boot.as_ref().and_then(|boot| boot.boot_id.as_deref()).map(shown)),
        ("Begun", host.started.map(moment)),
        ("Ended", host.ended.map(moment)),
        (
            "Changed",
            Some(if host.touched { "yes: its lock was taken, or a step was begun" } else { "no" }.to_owned()),
        ),
    ];
    values.into_iter().filter_map(|(label, value)| Some((label, value?))).collect()
}

fn notes(host: &HostReport) -> Vec<String> {
    let mut notes: Vec<String> = host
        .earlier
        .iter()
        .map(|end| {
            let reason =
                if end.reason.is_empty() { String::new() } else { format!(": {}", shown(&end.reason)) };
            format!("earlier, until {}: {}{reason}", moment(end.at), end.state)
        })
        .collect();
    notes.extend(table_host::lock_notes(host, true).iter().map(|note| shown(note)));
    if host.unfinished {
        notes.push("its work was cut short; a resumption takes it up again".to_owned());
    }
    notes
}

impl Found {
    fn of(finding: &Finding) -> Self {
        let version = finding.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        let tone = match finding.result {
            _ if finding.is_exempt() => "info",
            ProductState::Present | ProductState::Residue => "found",
            ProductState::Unknown => "unknown",
            ProductState::Absent => "good",
        };
        let more = finding.evidence.len().saturating_sub(CHECKS);
        let mut evidence: Vec<String> = finding.evidence.iter().take(CHECKS).map(evidence).collect();
        if more > 0 {
            evidence.push(format!("and {more} more checks"));
        }
        Self {
            product: shown(&format!("{}{version} ({})", finding.name, finding.product)),
            word: finding.result.word(),
            tone,
            exemption: finding.exemption.as_ref().map(exemption).unwrap_or_default(),
            evidence,
        }
    }
}

/// What scope or waiver make of a finding.
pub(super) fn exemption(exemption: &crate::model::Exemption) -> String {
    let ticket = exemption.ticket.as_deref().map(|ticket| format!(", {ticket}")).unwrap_or_default();
    let until = exemption.until.map(|day| format!(", until {day}")).unwrap_or_default();
    shown(&format!("{}: {}{ticket}{until}", exemption.kind.word(), exemption.reason))
}

fn evidence(evidence: &crate::model::Evidence) -> String {
    let role = match evidence.role {
        EvidenceRole::Detect => "",
        EvidenceRole::Residue => "residue: ",
    };
    let mut because: Vec<&str> = evidence.facts.iter().take(FACTS).map(String::as_str).collect();
    because.extend(evidence.reason.as_deref());
    let more = evidence.facts.len().saturating_sub(FACTS);
    let colon = if because.is_empty() { "" } else { ": " };
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    shown(&format!("{role}{} is {}{colon}{}", evidence.check, evidence.truth, because.join("; "))) + &more
}

impl Step {
    fn of(step: &StepReport, limits: Limits) -> Self {
        let wrong = went_wrong(step);
        let tone = match step.result {
            StepResult::Done | StepResult::AlreadySo => "good",
            StepResult::NotRun => "idle",
            StepResult::Failed | StepResult::Blocked | StepResult::Interrupted => "bad",
        };
        let mut meta = Vec::new();
        meta.extend(step.status.map(|status| format!("status {status}")));
        meta.extend(step.effect.map(|truth| format!("effect {truth}")));
        meta.extend(step.reboot_needed.then(|| "needs a reboot".to_owned()));
        meta.extend((step.attempts > 1).then(|| format!("attempt {}", step.attempts)));
        meta.extend(step.millis.map(milliseconds));
        let most = if wrong { limits.wrong } else { limits.other };
        let outputs = [("standard error", &step.stderr), ("standard output", &step.stdout)];
        Self {
            name: shown(&step.step),
            summary: shown(&step.summary),
            word: step.result.word(),
            tone,
            meta: meta.join(", "),
            reason: step.reason.as_deref().map(shown).unwrap_or_default(),
            earlier: step.earlier.iter().map(earlier).collect(),
            outputs: outputs
                .into_iter()
                .filter_map(|(name, output)| Output::of(name, output, most))
                .collect(),
        }
    }
}

fn earlier(outcome: &crate::report::EarlierOutcome) -> String {
    let status = outcome.status.map(|status| format!(", status {status}")).unwrap_or_default();
    let reason = outcome.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    shown(&format!("earlier, in attempt {}: {}{status}{reason}", outcome.attempt, outcome.result.word()))
}

/// So much of a blob's name tells it apart; the whole name is in the JSON report.
const BLOB_DIGITS: usize = 16;

impl Output {
    fn of(name: &str, output: &OutputRef, most: usize) -> Option<Self> {
        if output.total == 0 && output.tail.is_empty() {
            return None;
        }
        let bytes = output.total;
        let kept = output.blob.as_deref().and_then(|blob| blob.get(..BLOB_DIGITS));
        let kept = kept.map(|blob| format!(", kept as output/{}…", shown(blob))).unwrap_or_default();
        let text = if most == 0 { String::new() } else { shown_end(&output.tail, most) };
        let left_out = if text.is_empty() { ", left out of this page" } else { "" };
        Some(Self { label: format!("{name}, {bytes} bytes{kept}{left_out}"), text })
    }
}
