//! Records → report: one pass, event by event.

use super::{HostReport, Report, ReportError, StepReport, WaveEnd, WaveReport};
use crate::model::event::{HostEntry, OutputRef, Phase, StepResult};
use crate::model::{Event, ExitCode, HostState, Record};
use std::collections::BTreeMap;

/// See [`Report::from_records`].
pub(super) fn build(records: &[Record]) -> Result<Report, ReportError> {
    let (first, rest) = records.split_first().ok_or(ReportError::Empty)?;
    let mut builder = Builder::start(first)?;
    for record in rest {
        builder.take(record)?;
    }
    Ok(builder.finish())
}

struct Builder {
    report: Report,
    hosts: BTreeMap<String, Building>,
    /// What the end record counts.
    stated: Option<BTreeMap<HostState, usize>>,
}

/// A host whose end may not have come yet.
struct Building {
    host: HostReport,
    ended: bool,
}

impl Builder {
    fn start(record: &Record) -> Result<Self, ReportError> {
        let Event::RunStarted { run, verb, version, operator, playbook, plan, options, hosts } =
            &record.event
        else {
            return Err(ReportError::Start { seq: record.seq });
        };
        let report = Report {
            run: run.clone(),
            verb: verb.clone(),
            version: version.clone(),
            operator: operator.clone(),
            started: record.at,
            ended: record.at,
            finished: false,
            playbook: playbook.clone(),
            plan: plan.clone(),
            options: options.clone(),
            hosts: Vec::new(),
            waves: Vec::new(),
            summary: BTreeMap::new(),
            notes: Vec::new(),
            recorded_exit: None,
        };
        let hosts = hosts.iter().map(|entry| (entry.name.clone(), Building::new(entry))).collect();
        Ok(Self { report, hosts, stated: None })
    }

    fn take(&mut self, record: &Record) -> Result<(), ReportError> {
        self.report.ended = record.at;
        match &record.host {
            Some(name) => self.take_host_event(name, record),
            None => self.take_run_event(record),
        }
    }

    fn take_run_event(&mut self, record: &Record) -> Result<(), ReportError> {
        match &record.event {
            Event::RunStarted { .. } => return Err(ReportError::Start { seq: record.seq }),
            Event::WaveStarted { wave, hosts, max_failures, max_unreachable } => {
                self.report.waves.push(WaveReport {
                    name: wave.clone(),
                    hosts: *hosts,
                    max_failures: *max_failures,
                    max_unreachable: *max_unreachable,
                    end: None,
                });
            }
            Event::WaveEnded { wave, passed, failures, unreachable, reason, .. } => {
                if let Some(known) = self.report.waves.iter_mut().rev().find(|known| known.name == *wave) {
                    known.end = Some(WaveEnd {
                        passed: *passed,
                        failures: *failures,
                        unreachable: *unreachable,
                        reason: reason.clone(),
                    });
                }
            }
            Event::Decision { operator, what } => {
                self.report.notes.push(format!("{operator} decided: {what}"));
            }
            Event::Repaired { bytes } => {
                self.report.notes.push(format!("a torn last line of {bytes} bytes was cut off the journal"));
            }
            Event::RunEnded { summary, exit } => self.end(summary, *exit),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, summary: &BTreeMap<HostState, usize>, exit: ExitCode) {
        self.report.finished = true;
        self.report.recorded_exit = Some(exit);
        self.stated = Some(summary.clone());
    }

    fn take_host_event(&mut self, name: &str, record: &Record) -> Result<(), ReportError> {
        let (seq, owned) = (record.seq, || name.to_owned());
        let building =
            self.hosts.get_mut(name).ok_or_else(|| ReportError::UnknownHost { seq, host: owned() })?;
        let host = &mut building.host;
        match &record.event {
            Event::HostStarted { wave } => {
                host.started = Some(record.at);
                host.wave.clone_from(wave);
            }
            Event::Facts { platform, identity, .. } => {
                host.platform = *platform;
                host.identity = Some(identity.clone());
            }
            Event::Findings { phase, findings } => {
                let earlier = std::mem::replace(&mut host.findings, findings.clone());
                if *phase == Phase::After && host.found_before.is_none() {
                    host.found_before = Some(earlier);
                }
            }
            Event::StepIntent { step, product, summary, .. } => {
                host.steps.push(begun(step, product, summary))
            }
            Event::StepOutcome { .. } => take_outcome(&mut host.steps, &record.event),
            Event::HostEnded { state, reason, remedy, .. } => {
                if std::mem::replace(&mut building.ended, true) {
                    return Err(ReportError::EndedTwice { seq, host: owned() });
                }
                host.state = *state;
                host.reason.clone_from(reason);
                host.remedy.clone_from(remedy);
                host.ended = Some(record.at);
            }
            Event::Decision { operator, what } => {
                self.report.notes.push(format!("host {name}: {operator} decided: {what}"));
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self) -> Report {
        for building in self.hosts.into_values() {
            let host = building.settle();
            *self.report.summary.entry(host.state).or_default() += 1;
            self.report.hosts.push(host);
        }
        self.report.hosts.sort_by(|a, b| a.state.cmp(&b.state).then_with(|| a.host.cmp(&b.host)));
        if let Some(mut stated) = self.stated {
            stated.retain(|_, count| *count > 0);
            if stated != self.report.summary {
                let note = "the end record counts other states than the hosts have; `uproot journal verify` says more";
                self.report.notes.push(note.to_owned());
            }
        }
        self.report
    }
}

impl Building {
    fn new(entry: &HostEntry) -> Self {
        let host = HostReport {
            host: entry.name.clone(),
            address: entry.address.clone(),
            user: entry.user.clone(),
            groups: entry.groups.clone(),
            state: HostState::Skipped,
            reason: String::new(),
            remedy: None,
            wave: None,
            platform: None,
            identity: None,
            started: None,
            ended: None,
            findings: Vec::new(),
            found_before: None,
            steps: Vec::new(),
        };
        Self { host, ended: false }
    }

    /// The host with a state, also where the journal has no end for it.
    fn settle(self) -> HostReport {
        let mut host = self.host;
        if self.ended {
            return host;
        }
        let open = host.steps.iter().find(|step| step.result == StepResult::Interrupted);
        (host.state, host.reason) = match open {
            Some(step) => {
                let reason = format!("step {} was begun and its outcome is not known", step.step);
                (HostState::Interrupted, reason)
            }
            None if host.started.is_some() => {
                (HostState::Interrupted, "the run ended before this host was done".to_owned())
            }
            None => (HostState::Skipped, "the run ended before this host was begun".to_owned()),
        };
        host
    }
}

/// A step of which only the intent is known so far.
fn begun(step: &str, product: &str, summary: &str) -> StepReport {
    StepReport {
        step: step.to_owned(),
        product: product.to_owned(),
        summary: summary.to_owned(),
        result: StepResult::Interrupted,
        status: None,
        effect: None,
        reason: Some("it was begun, and the journal has no outcome".to_owned()),
        millis: None,
        stdout: OutputRef::default(),
        stderr: OutputRef::default(),
    }
}

/// Puts an outcome in the place of its intent, or at the end where there was none.
fn take_outcome(steps: &mut Vec<StepReport>, event: &Event) {
    let Event::StepOutcome {
        step,
        product,
        summary,
        result,
        status,
        effect,
        reason,
        millis,
        stdout,
        stderr,
        ..
    } = event
    else {
        return;
    };
    let outcome = StepReport {
        step: step.clone(),
        product: product.clone(),
        summary: summary.clone(),
        result: *result,
        status: *status,
        effect: *effect,
        reason: reason.clone(),
        millis: Some(*millis),
        stdout: stdout.clone(),
        stderr: stderr.clone(),
    };
    match steps.iter_mut().find(|known| known.step == outcome.step) {
        Some(known) => *known = outcome,
        None => steps.push(outcome),
    }
}
