//! The rows of the table: one host each, what needs attention first, with what stands below it.

use super::layout::{pad, width_of, wrap, wrap_at_most, wrap_command};
use super::table::{Lines, TableOptions, hosts};
use super::{HostReport, Report, StepReport, words};
use crate::model::event::StepResult;
use crate::model::output::escape_line;
use crate::model::{Finding, HostState, ProductState};
use std::collections::BTreeMap;

/// So many hosts of a state with nothing to say have a row each; more are folded into one line.
const FOLD_ABOVE: usize = 3;
/// A reason takes at most so many lines unless verbose.
const REASON_LINES: usize = 6;
/// Below this width a host takes several lines instead of one row.
const STACK_BELOW: usize = 64;
/// So does one whose reason would have fewer columns than this.
const WHY_LEAST: usize = 20;
const GAP: usize = 2;

/// Draws every host.
pub(super) fn draw_hosts(out: &mut Lines<'_>, report: &Report) {
    let (rows, folded) = fold(report, out.options);
    draw_rows(out, &rows);
    for fold in &folded {
        out.wrapped(&format!("{} {}", hosts(fold.count), fold.state), &fold.reason);
    }
    if !(rows.is_empty() && folded.is_empty()) {
        out.line("");
    }
}

/// A host as the table shows it; all texts escaped.
struct Row<'a> {
    host: &'a HostReport,
    name: String,
    what: Vec<String>,
    reason: String,
    remedy: Option<String>,
}

/// Hosts of one state with one reason, and nothing else to say of each.
struct Folded {
    state: HostState,
    reason: String,
    count: usize,
}

fn fold<'a>(report: &'a Report, options: TableOptions<'_>) -> (Vec<Row<'a>>, Vec<Folded>) {
    let run = options.called(report);
    let key = |host: &HostReport| (host.state, host.reason.clone());
    let mut counts: BTreeMap<(HostState, String), usize> = BTreeMap::new();
    for host in report.hosts.iter().filter(|host| is_dull(host)) {
        *counts.entry(key(host)).or_default() += 1;
    }
    counts.retain(|_, count| *count > FOLD_ABOVE && !options.verbose);
    let shown = report.hosts.iter().filter(|host| !is_dull(host) || !counts.contains_key(&key(host)));
    let mut rows: Vec<Row<'_>> = shown.map(|host| Row::of(host, &run, options)).collect();
    if !options.verbose {
        say_once(&mut rows);
    }
    let folded = counts.into_iter().map(|((state, reason), count)| Folded { state, reason, count }).collect();
    (rows, folded)
}

/// Whether a row of its own would say no more than its state and reason.
fn is_dull(host: &HostReport) -> bool {
    matches!(host.state, HostState::Clean | HostState::Skipped)
        && host.steps.is_empty()
        && host.remedy.is_none()
        && host.earlier.is_empty()
        && lock_notes(host, false).is_empty()
}

impl<'a> Row<'a> {
    fn of(host: &'a HostReport, run: &str, options: TableOptions<'_>) -> Self {
        Self {
            host,
            name: escape_line(&host.host),
            what: what(host, options.verbose),
            reason: escape_line(&beyond_products(&host.reason)),
            remedy: remedy(host, run).map(|command| escape_line(&command)),
        }
    }
}

/// A reason without the products that are there: those stand in their own column.
fn beyond_products(reason: &str) -> String {
    let listed = |part: &&str| part.starts_with("installed: ") || part.starts_with("left behind: ");
    reason.split("; ").filter(|part| !listed(part)).collect::<Vec<_>>().join("; ")
}

/// A long reason that many hosts share is said at the first of them; the others refer to it.
fn say_once(rows: &mut [Row<'_>]) {
    let mut first: BTreeMap<(HostState, String), String> = BTreeMap::new();
    for row in rows.iter_mut().filter(|row| row.reason.chars().count() > WHY_LEAST) {
        match first.get(&(row.host.state, row.reason.clone())) {
            Some(name) => row.reason = format!("as {name}"),
            None => {
                first.insert((row.host.state, row.reason.clone()), row.name.clone());
            }
        }
    }
}

/// The command that would mend a host. Where the journal has none for a host that cannot be vouched
/// for, the one that looks closer.
fn remedy(host: &HostReport, run: &str) -> Option<String> {
    let closer = || {
        matches!(host.state, HostState::Unreachable | HostState::Unknown)
            .then(|| format!("uproot runs show {run} -v"))
    };
    host.remedy.clone().or_else(closer)
}

/// The products that a host's row is about, with their versions.
fn what(host: &HostReport, verbose: bool) -> Vec<String> {
    if matches!(host.state, HostState::Removed | HostState::RemovedRebootPending) {
        let before = host.found_before.as_deref().unwrap_or(&host.findings);
        let was_there =
            |finding: &&Finding| matches!(finding.result, ProductState::Present | ProductState::Residue);
        return before.iter().filter(was_there).map(product).collect();
    }
    let (unknown, known): (Vec<&Finding>, Vec<&Finding>) = host
        .findings
        .iter()
        .filter(|finding| finding.result != ProductState::Absent)
        .partition(|finding| finding.result == ProductState::Unknown);
    let mut what: Vec<String> = known.into_iter().map(product).collect();
    if unknown.len() > FOLD_ABOVE && !verbose {
        what.push(format!("{} products (unknown)", unknown.len()));
    } else {
        what.extend(unknown.into_iter().map(product));
    }
    what
}

fn product(finding: &Finding) -> String {
    let version = finding.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let result = match finding.result {
        ProductState::Residue => " (residue)",
        ProductState::Unknown => " (unknown)",
        ProductState::Present | ProductState::Absent => "",
    };
    let exemption = finding.exemption.as_ref().map(|exemption| format!(" ({})", exemption.kind.word()));
    escape_line(&format!("{}{version}{result}{}", finding.product, exemption.unwrap_or_default()))
}

/// The widths of the columns host, state, what and why.
#[derive(Clone, Copy)]
struct Columns {
    host: usize,
    state: usize,
    what: usize,
    why: usize,
}

impl Columns {
    fn for_rows(rows: &[Row<'_>], width: usize) -> Self {
        let widest = |widths: &mut dyn Iterator<Item = usize>, least: usize, most: usize| {
            widths.max().unwrap_or(0).clamp(least, most)
        };
        let host = widest(&mut rows.iter().map(|row| width_of(&row.name)), 4, width / 4);
        let state = widest(&mut rows.iter().flat_map(|row| state_lines(row.host.state)).map(str::len), 5, 22);
        let what = rows.iter().flat_map(|row| &row.what).map(|what| width_of(what));
        let what = widest(&mut what.into_iter(), 4, width * 3 / 10);
        Self { host, state, what, why: width.saturating_sub(host + state + what + 3 * GAP) }
    }
}

/// The state's word; the one that is much longer than all others in two lines.
fn state_lines(state: HostState) -> Vec<&'static str> {
    match state {
        HostState::RemovedRebootPending => vec!["removed-", "reboot-pending"],
        state => vec![state.word()],
    }
}

fn draw_rows(out: &mut Lines<'_>, rows: &[Row<'_>]) {
    if rows.is_empty() {
        return;
    }
    let columns = Columns::for_rows(rows, out.options.width);
    let stacked = out.options.width < STACK_BELOW || columns.why < WHY_LEAST;
    if !stacked {
        let cells = [pad("HOST", columns.host), pad("STATE", columns.state), pad("WHAT", columns.what)];
        out.line(&format!("{}{}WHY", cells.join("  "), " ".repeat(GAP)));
    }
    for row in rows {
        if stacked {
            draw_stacked(out, row)
        } else {
            draw_row(out, row, columns)
        }
        draw_details(out, row);
        if let Some(remedy) = &row.remedy {
            draw_remedy(out, remedy);
        }
    }
}

fn draw_row(out: &mut Lines<'_>, row: &Row<'_>, columns: Columns) {
    let most = if out.options.verbose { usize::MAX } else { REASON_LINES };
    let host = wrap(&row.name, columns.host);
    let what: Vec<String> = row.what.iter().flat_map(|what| wrap(what, columns.what)).collect();
    let why = wrap_at_most(&row.reason, columns.why, most);
    let state = state_lines(row.host.state);
    for index in 0..host.len().max(what.len()).max(why.len()).max(state.len()) {
        let cell = |lines: &[String]| lines.get(index).cloned().unwrap_or_default();
        let state = state.get(index).copied().unwrap_or_default();
        let state = out.paint_cell(row.host.state, state, columns.state);
        let (host, what) = (pad(&cell(&host), columns.host), pad(&cell(&what), columns.what));
        out.line(&format!("{host}  {state}  {what}  {}", cell(&why)));
    }
}

impl Lines<'_> {
    fn paint_cell(&self, state: HostState, word: &str, width: usize) -> String {
        let padding = " ".repeat(width.saturating_sub(word.len()));
        if word.is_empty() { padding } else { format!("{}{padding}", self.paint(state, word)) }
    }
}

fn draw_stacked(out: &mut Lines<'_>, row: &Row<'_>) {
    let width = out.options.width;
    let state = out.paint(row.host.state, row.host.state.word());
    if width_of(&row.name) + GAP + row.host.state.word().len() <= width {
        out.line(&format!("{}  {state}", row.name));
    } else {
        for line in wrap(&row.name, width) {
            out.line(&line);
        }
        out.line(&format!("  {state}"));
    }
    for text in row.what.iter().chain(Some(&row.reason).filter(|reason| !reason.is_empty())) {
        for line in wrap(text, width - 2) {
            out.line(&format!("  {line}"));
        }
    }
}

fn draw_remedy(out: &mut Lines<'_>, remedy: &str) {
    for (index, line) in wrap_command(remedy, out.options.width - 7).iter().enumerate() {
        let lead = if index == 0 { "  fix: " } else { "       " };
        out.line(&format!("{lead}{line}"));
    }
}

/// What stands below a row: the step that went wrong; all steps and the evidence when verbose.
fn draw_details(out: &mut Lines<'_>, row: &Row<'_>) {
    if out.options.verbose {
        for end in &row.host.earlier {
            let reason = if end.reason.is_empty() { String::new() } else { format!(": {}", end.reason) };
            let at = end.at.strftime("%Y-%m-%d %H:%M:%S UTC");
            out.detail(2, &format!("earlier, until {at}: {}{reason}", end.state));
        }
        for finding in &row.host.findings {
            draw_finding(out, finding);
        }
    }
    for note in lock_notes(row.host, out.options.verbose) {
        out.detail(2, &note);
    }
    for step in &row.host.steps {
        let went_wrong =
            matches!(step.result, StepResult::Failed | StepResult::Blocked | StepResult::Interrupted);
        if out.options.verbose || went_wrong {
            draw_step(out, step, went_wrong, &row.host.reason);
        }
    }
}

/// What a reader must know of the host's lock; when verbose, also what went as it should.
fn lock_notes(host: &HostReport, verbose: bool) -> Vec<String> {
    let Some(lock) = &host.lock else { return Vec::new() };
    let mut notes = Vec::new();
    match &lock.from {
        Some(from) if lock.broken => notes.push(format!("lock: a live one was broken: {from}")),
        None if lock.broken => notes.push("lock: a live one of another run was broken".to_owned()),
        Some(from) if verbose => notes.push(format!("lock: taken over: {from}")),
        _ => {}
    }
    if let Some(left) = &lock.left {
        notes.push(format!("left on the host: {left}"));
    } else if lock.held {
        notes.push("lock: not given back; the resumption takes it, and without one it lapses".to_owned());
    }
    notes
}

fn draw_finding(out: &mut Lines<'_>, finding: &Finding) {
    let version = finding.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    out.detail(2, &format!("{}{version} ({}): {}", finding.product, finding.name, finding.result.word()));
    if let Some(exemption) = &finding.exemption {
        out.detail(4, &words::exemption(exemption));
    }
    for evidence in &finding.evidence {
        let because = evidence.facts.iter().chain(&evidence.reason).cloned().collect::<Vec<_>>().join("; ");
        let because = if because.is_empty() { because } else { format!(": {because}") };
        out.detail(4, &format!("{} is {}{because}", evidence.check, evidence.truth));
    }
}

/// The last lines of a step's output that are shown unless verbose.
const TAIL_LINES: usize = 3;

fn draw_step(out: &mut Lines<'_>, step: &StepReport, went_wrong: bool, host_reason: &str) {
    // What the host's reason says already is not said again.
    let is_named = host_reason.split([' ', ',', ':', ';', '`']).any(|word| word == step.step);
    if out.options.verbose || !is_named {
        let status = step.status.map(|status| format!(", status {status}")).unwrap_or_default();
        let reboot = if step.reboot_needed { ", needs a reboot" } else { "" };
        let attempts = attempts(step.attempts);
        let reason = step.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let word = step.result.word();
        let text = format!("step {} `{}`: {word}{status}{reboot}{attempts}{reason}", step.step, step.summary);
        out.detail(2, &text);
    }
    if out.options.verbose {
        draw_earlier(out, step);
    }
    if !went_wrong && !out.options.verbose {
        return;
    }
    let most = if out.options.verbose { usize::MAX } else { TAIL_LINES };
    for (name, output) in [("stderr", &step.stderr), ("stdout", &step.stdout)] {
        let lines: Vec<&str> = output.tail.lines().filter(|line| !line.trim().is_empty()).collect();
        for line in lines.iter().skip(lines.len().saturating_sub(most)) {
            out.detail(4, &format!("{name}: {line}"));
        }
        // What was said on standard error is the reason more often than not.
        if !lines.is_empty() && !out.options.verbose {
            return;
        }
    }
}

fn attempts(count: u32) -> String {
    if count > 1 { format!(", in attempt {count}") } else { String::new() }
}

fn draw_earlier(out: &mut Lines<'_>, step: &StepReport) {
    for earlier in &step.earlier {
        let status = earlier.status.map(|status| format!(", status {status}")).unwrap_or_default();
        let reason = earlier.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let word = earlier.result.word();
        out.detail(4, &format!("earlier, in attempt {}: {word}{status}{reason}", earlier.attempt));
    }
}
