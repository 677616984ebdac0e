//! Records → report: one pass, event by event.

use super::build_host::Building;
use super::{Report, ReportError, Resumption, WaveEnd, WaveReport};
use crate::model::{Event, ExitCode, HostState, Record};
use std::collections::BTreeMap;

/// A report that is made record by record, so that a long run is never held twice: what of a record goes
/// into the report is moved there.
#[derive(Default)]
pub struct ReportBuilder {
    begun: Option<Builder>,
}

impl ReportBuilder {
    /// Takes the run's next record in.
    ///
    /// # Errors
    /// When it does not go on with the run of the records before it.
    pub fn take(&mut self, record: Record) -> Result<(), ReportError> {
        match &mut self.begun {
            Some(builder) => builder.take(record),
            None => Builder::start(record).map(|builder| self.begun = Some(builder)),
        }
    }

    /// The report of the records that were taken.
    ///
    /// # Errors
    /// When there was none.
    pub fn finish(self) -> Result<Report, ReportError> {
        self.begun.map(Builder::finish).ok_or(ReportError::Empty)
    }
}

struct Builder {
    report: Report,
    hosts: BTreeMap<String, Building>,
    /// Waves with who approved them.
    approvals: Vec<(String, String)>,
    /// What the end record counts.
    stated: Option<BTreeMap<HostState, usize>>,
}

impl Builder {
    fn start(record: Record) -> Result<Self, ReportError> {
        let Event::RunStarted { run, verb, version, operator, playbook, plan, options, scope, hosts } =
            record.event
        else {
            return Err(ReportError::Start { seq: record.seq });
        };
        let report = Report {
            resumable: verb == "apply",
            run,
            verb,
            version,
            operator,
            started: record.at,
            ended: record.at,
            finished: false,
            stopped: None,
            resumptions: Vec::new(),
            playbook,
            plan,
            options,
            scope,
            hosts: Vec::new(),
            waves: Vec::new(),
            summary: BTreeMap::new(),
            notes: Vec::new(),
            recorded_exit: None,
            spent: None,
            tolerated: Default::default(),
            check: None,
            comparison: None,
        };
        let hosts = hosts.into_iter().map(|entry| (entry.name.clone(), Building::new(entry))).collect();
        Ok(Self { report, hosts, approvals: Vec::new(), stated: None })
    }

    fn take(&mut self, mut record: Record) -> Result<(), ReportError> {
        self.report.ended = record.at;
        match record.host.take() {
            Some(name) => self.take_host_event(&name, record),
            None => self.take_run_event(&record),
        }
    }

    fn take_run_event(&mut self, record: &Record) -> Result<(), ReportError> {
        match &record.event {
            Event::RunStarted { .. } => return Err(ReportError::Start { seq: record.seq }),
            Event::WaveStarted { .. } => self.begin_wave(&record.event),
            Event::WaveEnded { .. } => self.end_wave(&record.event),
            Event::WaveApproved { wave, operator } => self.approve(wave, operator),
            Event::Decision { operator, what } => {
                self.report.notes.push(format!("{operator} decided: {what}"));
            }
            Event::Repaired { bytes } => {
                self.report.notes.push(format!("a torn last line of {bytes} bytes was cut off the journal"));
            }
            Event::RunStopped { reason, exit } => {
                self.report.stopped = Some(reason.clone());
                self.report.recorded_exit = Some(*exit);
            }
            Event::RunResumed { .. } => self.resume(record),
            Event::RunEnded { summary, exit } => self.end(summary, *exit),
            _ => {}
        }
        Ok(())
    }

    /// A wave that is begun again goes on; how it had ended is kept.
    fn begin_wave(&mut self, event: &Event) {
        let Event::WaveStarted { wave, hosts, max_failures, max_unreachable } = event else { return };
        self.report.spent = None;
        if let Some(known) = self.report.waves.iter_mut().find(|known| known.name == *wave) {
            known.earlier.extend(known.end.take());
            (known.hosts, known.max_failures) = (*hosts, *max_failures);
            known.max_unreachable = *max_unreachable;
            return;
        }
        self.report.waves.push(WaveReport {
            name: wave.clone(),
            hosts: *hosts,
            max_failures: *max_failures,
            max_unreachable: *max_unreachable,
            end: None,
            approved: Vec::new(),
            earlier: Vec::new(),
        });
    }

    fn end_wave(&mut self, event: &Event) {
        let Event::WaveEnded { wave, passed, failures, unreachable, reason, .. } = event else { return };
        let Some(known) = self.report.waves.iter_mut().find(|known| known.name == *wave) else { return };
        let (passed, failures, unreachable) = (*passed, *failures, *unreachable);
        let too_many =
            failures > known.max_failures || known.max_unreachable.is_some_and(|most| unreachable > most);
        self.report.spent = (!passed && too_many).then(|| wave.clone());
        let end = WaveEnd { passed, failures, unreachable, reason: reason.clone() };
        known.earlier.extend(known.end.replace(end));
    }

    fn approve(&mut self, wave: &str, operator: &str) {
        let approval = (wave.to_owned(), operator.to_owned());
        if !self.approvals.contains(&approval) {
            self.approvals.push(approval);
        }
    }

    fn resume(&mut self, record: &Record) {
        let Event::RunResumed { operator, version, approved, after_failures, retry_failed, break_lock } =
            &record.event
        else {
            return;
        };
        for wave in approved {
            self.approve(wave, operator);
        }
        if *after_failures {
            self.report.spent = None;
        }
        self.report.recorded_exit = None;
        let resumption = Resumption {
            at: record.at,
            operator: operator.clone(),
            version: version.clone(),
            stopped: self.report.stopped.take(),
            approved: approved.clone(),
            after_failures: *after_failures,
            retry_failed: *retry_failed,
            break_lock: *break_lock,
        };
        self.report.notes.push(self.resumed_in_words(&resumption));
        self.report.resumptions.push(resumption);
    }

    fn resumed_in_words(&self, resumption: &Resumption) -> String {
        let Resumption { at, operator, version, stopped, .. } = resumption;
        let at = at.strftime("%Y-%m-%d %H:%M:%S UTC");
        let by =
            if *version == self.report.version { String::new() } else { format!(" by uproot {version}") };
        let why = match stopped {
            Some(reason) => format!("it had been stopped: {reason}"),
            None => "its process had died".to_owned(),
        };
        let approved = resumption.approved.iter().map(|wave| format!("approved wave `{wave}`"));
        let others = [
            (resumption.after_failures, "went on after failures"),
            (resumption.retry_failed, "retried what had failed"),
            (resumption.break_lock, "broke live locks"),
        ];
        let others = others.into_iter().filter(|(is_so, _)| *is_so).map(|(_, what)| what.to_owned());
        let decisions: Vec<String> = approved.chain(others).collect();
        let decided = if decisions.is_empty() {
            String::new()
        } else {
            format!("; {operator} {}", decisions.join(", "))
        };
        format!("resumed{by} at {at} by {operator} ({why}){decided}")
    }

    fn end(&mut self, summary: &BTreeMap<HostState, usize>, exit: ExitCode) {
        self.report.finished = true;
        self.report.resumable = false;
        self.report.stopped = None;
        self.report.recorded_exit = Some(exit);
        self.stated = Some(summary.clone());
    }

    fn take_host_event(&mut self, name: &str, record: Record) -> Result<(), ReportError> {
        let (seq, owned) = (record.seq, || name.to_owned());
        let building =
            self.hosts.get_mut(name).ok_or_else(|| ReportError::UnknownHost { seq, host: owned() })?;
        if let Event::Decision { operator, what } = &record.event {
            self.report.notes.push(format!("host {name}: {operator} decided: {what}"));
        }
        building.take(record.at, record.event).map_err(|_| ReportError::EndedTwice { seq, host: owned() })
    }

    fn finish(mut self) -> Report {
        for building in self.hosts.into_values() {
            let host = building.settle(self.report.stopped.as_deref());
            *self.report.summary.entry(host.state).or_default() += 1;
            self.report.hosts.push(host);
        }
        self.report.hosts.sort_by(|a, b| a.state.cmp(&b.state).then_with(|| a.host.cmp(&b.host)));
        for (wave, operator) in self.approvals {
            match self.report.waves.iter_mut().find(|known| known.name == wave) {
                Some(known) => known.approved.push(operator),
                None => {
                    self.report.notes.push(format!("{operator} approved wave `{wave}`, which was not begun"));
                }
            }
        }
        if let Some(mut stated) = self.stated {
            stated.retain(|_, count| *count > 0);
            if stated != self.report.summary {
                let note = "the end record counts other states than the hosts have; `uproot journal verify` says more";
                self.report.notes.push(note.to_owned());
            }
        }
        let remarks = self.report.scope_remarks();
        self.report.notes.extend(remarks);
        self.report
    }
}
