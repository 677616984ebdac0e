//! The report for programs that read a stream: one JSON object a line. First the run, then one line for
//! each host, one for each change, last the summary. Every line says of which run it is, of which type,
//! and whether the journal behind it is broken (`docs/report-schema.json`, `$defs/line`).

use super::json::VERSION;
use super::json_views::{ChangeView, Host, JournalView, ResumptionView, RunRefView, ScopeView, Wave};
use super::{Report, json_text, table, words};
use crate::model::HostState;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// The report as NDJSON. What a terminal would obey in a host's string is written as `\u…`.
#[must_use]
pub fn ndjson(report: &Report) -> String {
    let mut lines = Lines { report, text: String::new() };
    lines.add("run", &RunLine::of(report));
    for host in &report.hosts {
        lines.add("host", &HostLine { host: Host::of(host) });
    }
    for change in report.comparison.iter().flat_map(|comparison| &comparison.changes) {
        lines.add("change", &ChangeLine { change: ChangeView::of(change) });
    }
    lines.add("summary", &SummaryLine::of(report));
    lines.text
}

struct Lines<'a> {
    report: &'a Report,
    text: String,
}

/// What every line begins with.
#[derive(Serialize)]
struct Line<'a, T: Serialize> {
    journal: &'static str,
    uproot: u32,
    r#type: &'static str,
    run: &'a str,
    #[serde(flatten)]
    rest: &'a T,
}

impl Lines<'_> {
    fn add(&mut self, r#type: &'static str, rest: &impl Serialize) {
        let journal = words::journal_word(self.report);
        let line = Line { journal, uproot: VERSION, r#type, run: &self.report.run, rest };
        self.text.push_str(&json_text::line(&line));
    }
}

#[derive(Serialize)]
struct RunLine<'a> {
    verb: &'a str,
    version: &'a str,
    operator: &'a str,
    started: Timestamp,
    playbook: &'a str,
    plan: Option<&'a str>,
    options: &'a BTreeMap<String, String>,
    scope: ScopeView<'a>,
    check: Option<JournalView<'a>>,
    against: Option<Vec<RunRefView<'a>>>,
    hosts: usize,
}

#[derive(Serialize)]
struct HostLine<'a> {
    host: Host<'a>,
}

#[derive(Serialize)]
struct ChangeLine<'a> {
    change: ChangeView<'a>,
}

#[derive(Serialize)]
struct SummaryLine<'a> {
    ended: Timestamp,
    finished: bool,
    stopped: Option<&'a str>,
    resumable: bool,
    resume: Option<String>,
    resumptions: Vec<ResumptionView<'a>>,
    waves: Vec<Wave<'a>>,
    summary: &'a BTreeMap<HostState, usize>,
    notes: &'a [String],
    verdict: String,
    exit: u8,
}

impl<'a> RunLine<'a> {
    fn of(report: &'a Report) -> Self {
        let against = report.comparison.as_ref();
        Self {
            verb: &report.verb,
            version: &report.version,
            operator: &report.operator,
            started: report.started,
            playbook: &report.playbook,
            plan: report.plan.as_deref(),
            options: &report.options,
            scope: ScopeView::of(&report.scope),
            check: report.check.as_ref().map(JournalView::of),
            against: against.map(|comparison| comparison.against.iter().map(RunRefView::of).collect()),
            hosts: report.hosts.len(),
        }
    }
}

impl<'a> SummaryLine<'a> {
    fn of(report: &'a Report) -> Self {
        Self {
            ended: report.ended,
            finished: report.finished,
            stopped: report.stopped.as_deref(),
            resumable: report.resumable,
            resume: report.resume_command(),
            resumptions: report.resumptions.iter().map(ResumptionView::of).collect(),
            waves: report.waves.iter().map(Wave::of).collect(),
            summary: &report.summary,
            notes: &report.notes,
            verdict: table::verdict_text(report),
            exit: report.exit_code().code(),
        }
    }
}
