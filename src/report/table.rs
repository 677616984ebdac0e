//! The report for people: what needs attention first, then the counts, then the verdict.

use super::layout::{width_of, wrap, wrap_command};
use super::{FailOn, HostReport, Report, WaveEnd, WaveReport, next, table_check, table_compare, table_host};
use crate::model::output::escape_line;
use crate::model::{ExemptionKind, ExitCode, Finding, HostState};

/// How a table is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableOptions<'a> {
    /// The columns of the terminal, at least 40. Only a remedy's single words may be wider.
    pub width: usize,
    /// Whether states are coloured. `NO_COLOR` is for the caller to obey.
    pub color: bool,
    /// Whether every host has its row, with its evidence and steps.
    pub verbose: bool,
    /// What the run is called in the commands that are shown, as a word of a shell: its directory, where
    /// its id alone would not find it; none: its id.
    pub run: Option<&'a str>,
}

impl Default for TableOptions<'_> {
    fn default() -> Self {
        Self { width: 80, color: false, verbose: false, run: None }
    }
}

impl TableOptions<'_> {
    /// What the run is called in commands.
    pub(super) fn called(&self, report: &Report) -> String {
        self.run.unwrap_or(&report.run).to_owned()
    }
}

/// The report as text, with a line break at its end.
#[must_use]
pub fn table(report: &Report, options: &TableOptions<'_>) -> String {
    let mut out = Lines::new(options);
    table_check::draw_broken(&mut out, report);
    header(&mut out, report);
    table_compare::draw(&mut out, report);
    table_host::draw_hosts(&mut out, report);
    for wave in &report.waves {
        draw_wave(&mut out, report, wave);
    }
    for note in &report.notes {
        out.wrapped("note", note);
    }
    let called = out.options.called(report);
    for next in next::steps(report, &called) {
        out.wrapped("next", &next);
    }
    out.wrapped("", &summary(report));
    out.wrapped("", &verdict(report).join(" "));
    if let Some(command) = next::resume_command(report, &called) {
        out.command("resume with: ", &command);
    }
    out.into_text()
}

/// The text as far as it is drawn.
pub(super) struct Lines<'a> {
    pub(super) options: TableOptions<'a>,
    text: String,
}

impl<'a> Lines<'a> {
    pub(super) fn new(options: &TableOptions<'a>) -> Self {
        let options = TableOptions { width: options.width.max(40), ..*options };
        Self { options, text: String::new() }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// `label: text`, wrapped, with later lines indented.
    pub(super) fn wrapped(&mut self, label: &str, text: &str) {
        let text = match (label.is_empty(), text.is_empty()) {
            (true, _) => escape_line(text),
            (false, true) => escape_line(label),
            (false, false) => escape_line(&format!("{label}: {text}")),
        };
        for (index, line) in wrap(&text, self.options.width - 2).into_iter().enumerate() {
            let indent = if index == 0 || label.is_empty() { "" } else { "  " };
            self.line(&format!("{indent}{line}"));
        }
    }

    /// Indented text, wrapped; for details below a row.
    pub(super) fn detail(&mut self, indent: usize, text: &str) {
        for (index, line) in wrap(&escape_line(text), self.options.width - indent - 2).into_iter().enumerate()
        {
            self.line(&format!("{}{line}", " ".repeat(indent + if index == 0 { 0 } else { 2 })));
        }
    }

    /// A command that can be copied as it stands, behind its label, or below it where it is too wide.
    pub(super) fn command(&mut self, label: &str, command: &str) {
        let command = escape_line(command);
        let widest = command.split(' ').map(width_of).max().unwrap_or(0);
        let below = width_of(label) + widest + 2 > self.options.width;
        let indent = if below { 2 } else { width_of(label) };
        if below {
            self.line(label);
        }
        for (index, line) in wrap_command(&command, self.options.width - indent).iter().enumerate() {
            let indent = " ".repeat(indent);
            let lead = if index == 0 && !below { label } else { &indent };
            self.line(&format!("{lead}{line}"));
        }
    }

    /// A line that must not be overlooked.
    pub(super) fn loud(&mut self, label: &str, text: &str) {
        if !self.options.color {
            return self.wrapped(label, text);
        }
        let text = escape_line(&format!("{label}: {text}"));
        for (index, line) in wrap(&text, self.options.width - 2).into_iter().enumerate() {
            let indent = if index == 0 { "" } else { "  " };
            self.line(&format!("\x1b[1;31m{indent}{line}\x1b[0m"));
        }
    }

    pub(super) fn paint(&self, state: HostState, text: &str) -> String {
        if self.options.color { format!("\x1b[{}m{text}\x1b[0m", color(state)) } else { text.to_owned() }
    }
}

/// Red: something went wrong; yellow: something is there or cannot be told; green: as it should be.
fn color(state: HostState) -> &'static str {
    match state {
        HostState::Failed | HostState::Interrupted | HostState::Blocked | HostState::Drifted => "31",
        HostState::Present
        | HostState::Residue
        | HostState::Unknown
        | HostState::Unreachable
        | HostState::RemovedRebootPending => "33",
        HostState::Skipped | HostState::Exempt => "2",
        HostState::Removed | HostState::Clean => "32",
    }
}

fn header(out: &mut Lines<'_>, report: &Report) {
    let took = report.ended.duration_since(report.started).as_secs().max(0);
    let took = if took < 60 { format!("{took} s") } else { format!("{} min {} s", took / 60, took % 60) };
    let at = report.started.strftime("%Y-%m-%d %H:%M:%S UTC");
    out.wrapped("", &format!("{} at {at}, {took}", report.verb));
    out.wrapped("", &format!("run {}", report.run));
    for words in report.scope.words() {
        out.wrapped("", &words);
    }
    table_check::draw_seals(out, report);
    out.line("");
}

fn draw_wave(out: &mut Lines<'_>, report: &Report, wave: &WaveReport) {
    let ended = |end: &WaveEnd| {
        let plural = if end.failures == 1 { "" } else { "s" };
        let counts = format!("{}, {} failure{plural}", hosts(wave.hosts), end.failures);
        let unreachable = match end.unreachable {
            0 => String::new(),
            count => format!(", {count} unreachable"),
        };
        let word = if end.passed { "passed" } else { "stopped" };
        let reason = end.reason.as_deref().map(|reason| format!(", {reason}")).unwrap_or_default();
        format!("{word}{reason} ({counts}{unreachable})")
    };
    if out.options.verbose {
        for end in &wave.earlier {
            out.wrapped(&format!("wave {}, earlier", wave.name), &ended(end));
        }
    }
    let text = match &wave.end {
        None => "not ended".to_owned(),
        Some(end) if end.passed => ended(end),
        Some(end) => format!("{}{}", ended(end), failed_hosts(report, &wave.name)),
    };
    let approved = match wave.approved.as_slice() {
        [] => String::new(),
        who => format!("; approved by {}", who.join(", ")),
    };
    out.wrapped(&format!("wave {}", wave.name), &format!("{text}{approved}"));
}

/// The hosts that spent a wave's budget, as far as their state alone tells: of those that are still
/// `present` many were stopped by the wave's end and did not cause it.
fn failed_hosts(report: &Report, wave: &str) -> String {
    let spent = |host: &&HostReport| {
        host.wave.as_deref() == Some(wave)
            && matches!(
                host.state,
                HostState::Failed
                    | HostState::Interrupted
                    | HostState::Blocked
                    | HostState::Drifted
                    | HostState::Unknown
            )
    };
    let failed: Vec<String> =
        report.hosts.iter().filter(spent).map(|host| format!("{} {}", host.host, host.state)).collect();
    if failed.is_empty() { String::new() } else { format!(": {}", next::some_of(&failed)) }
}

/// How many hosts, in words.
pub(super) fn hosts(count: usize) -> String {
    if count == 1 { "1 host".to_owned() } else { format!("{count} hosts") }
}

fn summary(report: &Report) -> String {
    let counts: Vec<String> =
        report.summary.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let colon = if counts.is_empty() { "" } else { ": " };
    format!("{}{colon}{}", hosts(report.hosts.len()), counts.join(", "))
}

/// The verdict in sentences.
pub(super) fn verdict(report: &Report) -> Vec<String> {
    let count =
        |states: &[HostState]| -> usize { states.iter().filter_map(|state| report.summary.get(state)).sum() };
    let total = report.hosts.len();
    let found = count(&[HostState::Present, HostState::Residue]);
    let reboot = count(&[HostState::RemovedRebootPending]);
    let good = count(&[HostState::Clean, HostState::Removed]);
    let exempt = count(&[HostState::Exempt]);
    let open = total - found - reboot - good - exempt;
    if report.check.as_ref().is_some_and(super::JournalCheck::is_broken) {
        return vec![table_check::NO_VERDICT.to_owned(), format!("Exit code {}.", report.exit_code().code())];
    }
    let doubtful = report.contradictions().count();
    let mut sentences = Vec::new();
    sentences.extend(how_it_ended(report));
    if total == 0 {
        sentences.push("No host was looked at: nothing can be said.".to_owned());
    } else if good == total && doubtful == 0 {
        sentences.push(
            "Every host is free of the products looked for, and every question was answered.".to_owned(),
        );
    }
    if doubtful > 0 {
        let verb = if doubtful == 1 { "is" } else { "are" };
        sentences.push(format!(
            "{doubtful} of {} {verb} called free by the journal, whose findings do not say so.",
            hosts(total)
        ));
    }
    if found > 0 {
        let verb = if found == 1 { "has" } else { "have" };
        sentences.push(format!("{found} of {} {verb} a product or its residue.", hosts(total)));
    }
    if reboot > 0 {
        let accepted = if report.pending_is_ok() { ", which the plan accepts" } else { "" };
        sentences.push(format!("{} must be rebooted before the removal is proven{accepted}.", hosts(reboot)));
    }
    if exempt > 0 {
        let verb = if exempt == 1 { "has" } else { "have" };
        sentences.push(format!(
            "{exempt} of {} {verb} only what the scope leaves out or a waiver allows.",
            hosts(total)
        ));
    }
    sentences.extend(listed_apart(report));
    if open > 0 {
        sentences.push(format!("{open} of {} cannot be vouched for.", hosts(total)));
    }
    if let Some(choice) = report.fail_on().filter(|_| found > 0) {
        sentences.push(match choice {
            FailOn::New => "By `--fail-on new` only what is new or came back fails the run.".to_owned(),
            FailOn::CameBack => "By `--fail-on came-back` only what came back fails the run.".to_owned(),
        });
    }
    if open == 0 && found == 0 && report.fail_on().is_some() && report.exit_code() == ExitCode::CannotVouch {
        sentences.push(
            "A product that was there in an earlier run was not looked for: by `--fail-on` that is not excused."
                .to_owned(),
        );
    }
    if report.finished || report.stopped.is_some() {
        sentences.push(format!("Exit code {}.", report.exit_code().code()));
    }
    sentences
}

/// How many findings do not count, or count again.
fn listed_apart(report: &Report) -> Option<String> {
    let kinds = [ExemptionKind::OutOfScope, ExemptionKind::Waived, ExemptionKind::WaiverExpired];
    let findings = || report.hosts.iter().flat_map(|host| &host.findings);
    let counted = kinds.into_iter().filter_map(|kind| {
        let is_so = |finding: &&Finding| finding.exemption.as_ref().is_some_and(|e| e.kind == kind);
        let count = findings().filter(is_so).count();
        (count > 0).then(|| match kind {
            ExemptionKind::WaiverExpired => format!("{count} with a waiver that is over"),
            _ => format!("{count} {}", kind.word()),
        })
    });
    let counted: Vec<String> = counted.collect();
    (!counted.is_empty()).then(|| format!("Findings with a flag: {}.", counted.join(", ")))
}

/// The verdict as one text.
pub(super) fn verdict_text(report: &Report) -> String {
    verdict(report).join(" ")
}

/// What is to be said of the run as a whole, if it did not just end.
fn how_it_ended(report: &Report) -> Option<String> {
    let because = report.stopped.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match report.exit_code() {
        _ if !report.finished && report.stopped.is_none() => Some(
            "The run is not finished: its journal has no end record, so it is still at work or its process died."
                .to_owned(),
        ),
        ExitCode::Stopped => Some(format!("The run was stopped before all was done{because}.")),
        ExitCode::Interrupted => Some(format!("The run was interrupted by its operator{because}.")),
        _ if report.stopped.is_some() => Some(format!("The run has work left{because}.")),
        _ => None,
    }
}
