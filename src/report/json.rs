//! The report for programs. `docs/report-schema.json` describes it; within version 1 fields may be
//! added, none is taken away and none changes its meaning.

use super::json_views::{ComparisonView, Host, JournalView, ResumptionView, ScopeView, Wave};
use super::{Report, json_text};
use crate::model::HostState;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// The version of the shape; it stands under the key `uproot`.
pub(super) const VERSION: u32 = 1;

/// The report as JSON, indented, with a line break at its end. What a terminal would obey in a
/// host's string (also beyond ASCII) is written as `\u…`, so that it can be shown as it is.
#[must_use]
pub fn json(report: &Report) -> String {
    json_text::pretty(&Document::of(report))
}

#[derive(Serialize)]
struct Document<'a> {
    // First, so that a reader meets a broken journal before anything else.
    journal: Option<JournalView<'a>>,
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
    scope: ScopeView<'a>,
    comparison: Option<ComparisonView<'a>>,
    hosts: Vec<Host<'a>>,
    waves: Vec<Wave<'a>>,
    summary: &'a BTreeMap<HostState, usize>,
    notes: &'a [String],
    exit: u8,
}

impl<'a> Document<'a> {
    fn of(report: &'a Report) -> Self {
        Self {
            journal: report.check.as_ref().map(JournalView::of),
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
            scope: ScopeView::of(&report.scope),
            comparison: report.comparison.as_ref().map(ComparisonView::of),
            hosts: report.hosts.iter().map(Host::of).collect(),
            waves: report.waves.iter().map(Wave::of).collect(),
            summary: &report.summary,
            notes: &report.notes,
            exit: report.exit_code().code(),
        }
    }
}
