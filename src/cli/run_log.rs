//! A run's directory, its journal and its progress, from the first record to the report.

use super::args::{OutputArguments, RunningArguments};
use super::error::CliError;
use super::output::wants_color;
use crate::apply::{ApplyError, is_retried};
use crate::journal::{self, Writer};
use crate::model::event::HostEntry;
use crate::model::{Event, EventSink, ExitCode, HostState, Redactor, Scope, SinkError};
use crate::plan::{Plan, PlannedConnection};
use crate::playbook::RebootPolicy;
use crate::progress::{Mode, Progress, Sinks};
use crate::report::Report;
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What a run starts from.
pub struct Start<'a> {
    /// The verb.
    pub verb: &'a str,
    /// The playbook's digest.
    pub playbook: String,
    /// The plan's digest and bytes, for `apply`.
    pub plan: Option<(String, &'a [u8])>,
    /// What shapes the run.
    pub options: BTreeMap<String, String>,
    /// What counts.
    pub scope: Scope,
    /// Every host.
    pub hosts: Vec<HostEntry>,
    /// Keeps secrets out of the journal.
    pub redactor: Redactor,
}

/// A run that is being written.
pub struct RunLog {
    journal: Arc<Writer>,
    sinks: Sinks,
    hosts: BTreeSet<String>,
    ended: Mutex<BTreeMap<String, Ended>>,
    quiet: bool,
}

/// What the hosts of a report make a run exit with.
pub type ExitJudge<'a> = dyn Fn(&Report) -> Result<ExitCode, CliError> + 'a;

/// How a host ended.
#[derive(Debug, Clone, Copy)]
struct Ended {
    state: HostState,
    unfinished: bool,
}

impl RunLog {
    /// Goes on with a run whose journal was opened. `ended`: the hosts whose ends stand.
    pub fn resume(
        journal: Writer,
        hosts: &[HostEntry],
        ended: &BTreeMap<String, HostState>,
        resumed: Event,
        output: &OutputArguments,
    ) -> Result<Self, CliError> {
        let log = Self::over(journal, hosts, output);
        let ended =
            ended.iter().map(|(host, state)| (host.clone(), Ended { state: *state, unfinished: false }));
        log.ended.lock().unwrap_or_else(PoisonError::into_inner).extend(ended);
        log.record(None, resumed)?;
        Ok(log)
    }

    fn over(journal: Writer, hosts: &[HostEntry], output: &OutputArguments) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let mode = Mode::detect(terminal, output.quiet);
        let progress = Progress::new(mode, output.verbose, terminal && wants_color(), hosts.len());
        let journal = Arc::new(journal);
        let sink: Arc<dyn EventSink> = journal.clone();
        let sinks = Sinks { journal: sink, progress: Arc::new(progress) };
        let hosts = hosts.iter().map(|host| host.name.clone()).collect();
        Self { journal, sinks, hosts, ended: Mutex::default(), quiet: output.quiet }
    }

    /// Makes the run's directory and writes the first record.
    pub fn start(start: Start<'_>, run: &RunningArguments) -> Result<Self, CliError> {
        let id = journal::new_run_id();
        let journal = Writer::create(&runs_dir(run.runs.as_deref()), &id).map_err(CliError::Runs)?;
        journal.set_redactor(start.redactor);
        if let Some((_, bytes)) = &start.plan {
            journal.save_plan(bytes)?;
        }
        let log = Self::over(journal, &start.hosts, &run.output);
        let started = Event::RunStarted {
            run: id,
            verb: start.verb.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            operator: operator(),
            playbook: start.playbook,
            plan: start.plan.map(|(digest, _)| digest),
            options: start.options,
            scope: start.scope,
            hosts: start.hosts,
        };
        log.record(None, started)?;
        Ok(log)
    }

    /// The run's id.
    pub fn run_id(&self) -> String {
        self.journal.run_id().to_owned()
    }

    /// Why an apply ended in the middle, with what is to be done about it.
    pub fn cannot_go_on(&self, error: ApplyError) -> CliError {
        self.sinks.progress.finish();
        let again = format!("uproot apply --resume {}", self.run_id());
        CliError::CutShort { error, again }
    }

    /// The run's directory.
    pub fn dir(&self) -> PathBuf {
        self.journal.dir().to_owned()
    }

    /// What a person sees of it.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.sinks.progress)
    }

    /// Ends every host that has not ended, writes the last record, and returns the report as the
    /// journal tells it, with the exit code. `gate`: what the run as a whole adds to its hosts.
    pub fn finish(self, gate: ExitCode, not_done: &str) -> Result<(Report, ExitCode), CliError> {
        self.finish_by(gate, not_done, None)
    }

    /// As `finish`; `judge` says what the hosts make the run exit with, where their states alone do not. It
    /// is given the report as far as the journal tells it, which lacks nothing but the end.
    pub fn finish_by(
        self,
        gate: ExitCode,
        not_done: &str,
        judge: Option<&ExitJudge<'_>>,
    ) -> Result<(Report, ExitCode), CliError> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for host in self.hosts.iter().filter(|host| !ended.contains_key(*host)) {
            let event = Event::HostEnded {
                state: HostState::Skipped,
                reason: not_done.to_owned(),
                remedy: None,
                unfinished: false,
            };
            self.record(Some(host), event)?;
        }
        let ended = std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner));
        let exit = match judge {
            // Each host's end is durable, and so is what was recorded before it.
            Some(judge) => judge(&Report::from_records(&journal::read(&self.dir())?.records)?)?,
            None => ExitCode::of_states(ended.values().map(|ended| ended.state)),
        };
        let exit = exit.worst(gate);
        self.record(None, Event::RunEnded { summary: counted(&ended), exit })?;
        self.close(exit)
    }

    /// Ends an apply: for good where nothing is left that a resumed run could do, else so that it can be
    /// resumed. `stopped`: why it was stopped before every host was worked on.
    pub fn finish_apply(
        self,
        gate: ExitCode,
        stopped: Option<String>,
        plan: &Plan,
    ) -> Result<(Report, ExitCode), CliError> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let pending_is_ok = plan.reboot == RebootPolicy::PendingIsOk;
        let end = |host: &String| ended.get(host).map_or(HostState::Skipped, |ended| ended.state);
        let exit = ExitCode::of_states_under(self.hosts.iter().map(end), pending_is_ok).worst(gate);
        let work =
            plan.hosts.iter().filter(|host| !host.steps.is_empty()).filter_map(|host| ended.get(&host.name));
        let left = work.filter(|ended| ended.unfinished || is_retried(ended.state)).count();
        let last = match stopped {
            Some(reason) => Event::RunStopped { reason, exit },
            None if left > 0 => {
                let hosts = if left == 1 { "1 host".to_owned() } else { format!("{left} hosts") };
                let reason = format!("every host was worked on, and {hosts} did not end well");
                Event::RunStopped { reason, exit }
            }
            None => Event::RunEnded { summary: counted(&ended), exit },
        };
        self.record(None, last)?;
        self.close(exit)
    }

    fn close(self, exit: ExitCode) -> Result<(Report, ExitCode), CliError> {
        self.sinks.progress.finish();
        let dir = self.dir();
        drop(self.sinks);
        let writer = Arc::into_inner(self.journal);
        if let Some(writer) = writer {
            writer.finish()?;
        }
        let report = Report::from_records(&journal::read(&dir)?.records)?;
        if !self.quiet {
            tell!("the run is kept in {}", dir.display());
        }
        Ok((report, exit))
    }
}

impl EventSink for RunLog {
    fn record(&self, host: Option<&str>, event: Event) -> Result<(), SinkError> {
        let end = match &event {
            Event::HostEnded { state, unfinished, .. } => {
                Some(Some(Ended { state: *state, unfinished: *unfinished }))
            }
            Event::HostStarted { .. } => Some(None),
            _ => None,
        };
        self.sinks.record(host, event)?;
        if let (Some(host), Some(end)) = (host, end) {
            let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            match end {
                Some(end) => ended.insert(host.to_owned(), end),
                None => ended.remove(host),
            };
        }
        Ok(())
    }

    fn store(&self, bytes: &[u8]) -> Result<String, SinkError> {
        self.sinks.store(bytes)
    }
}

fn counted(ended: &BTreeMap<String, Ended>) -> BTreeMap<HostState, usize> {
    let mut summary = BTreeMap::new();
    for ended in ended.values() {
        *summary.entry(ended.state).or_insert(0) += 1;
    }
    summary
}

/// Where runs are kept.
pub fn runs_dir(given: Option<&Path>) -> PathBuf {
    given.map_or_else(journal::default_runs_dir, Path::to_owned)
}

/// Who runs uproot: user and machine, as far as the environment tells.
pub fn operator() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let user = user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    format!("{user}@{machine}")
}

/// A host as the journal knows it.
pub fn entry(name: &str, connection: &PlannedConnection, groups: Vec<String>) -> HostEntry {
    let local = connection.kind == PlannedConnection::LOCAL;
    let address = if local {
        "local".to_owned()
    } else if connection.address.contains(':') {
        format!("[{}]:{}", connection.address, connection.port)
    } else {
        format!("{}:{}", connection.address, connection.port)
    };
    let user = if local { None } else { connection.user.clone() };
    HostEntry { name: name.to_owned(), address, user, groups }
}
