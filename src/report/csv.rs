//! The report for spreadsheets: one row for each host and product, one for a host without findings, one for
//! each change of what this run has no finding of. A run without hosts has a row, so that what is known
//! of its journal is always there.
//!
//! A spreadsheet runs a cell that begins like a formula, and one that splits at another separator than the
//! comma begins cells of its own: an apostrophe stands before whatever could begin a formula. The strings as
//! the hosts sent them are in the JSON.

use super::{Change, HostReport, Report, words};
use crate::model::Finding;
use crate::model::output::escape_line;

/// The columns, in order. Within a version of uproot's formats none is taken away; new ones come last.
const COLUMNS: [&str; 31] = [
    "journal",
    "run",
    "verb",
    "started",
    "ended",
    "host",
    "address",
    "user",
    "groups",
    "wave",
    "platform",
    "state",
    "product",
    "name",
    "class",
    "result",
    "version",
    "exemption",
    "exemption_reason",
    "ticket",
    "until",
    "change",
    "before",
    "evidence",
    "reason",
    "remedy",
    "playbook",
    "plan",
    "scope",
    "seals",
    "exit",
];

/// The report as CSV with a header (RFC 4180; lines end in CR LF).
#[must_use]
pub fn csv(report: &Report) -> String {
    let mut writer = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(Vec::new());
    let changes = words::Changes::of(report);
    let run = Run::of(report);
    let mut write = |row: [String; COLUMNS.len()]| {
        #[expect(
            clippy::expect_used,
            reason = "written to memory, every row with the same number of fields"
        )]
        writer.write_record(row).expect("a row is CSV");
    };
    write(COLUMNS.map(str::to_owned));
    for host in &report.hosts {
        if host.findings.is_empty() {
            write(run.row(Some(host), None, changes.get(&host.host, None)));
        }
        for finding in &host.findings {
            let change = changes.get(&host.host, Some(&finding.product));
            write(run.row(Some(host), Some(finding), change));
        }
    }
    changes.elsewhere().for_each(|change| write(run.row(None, None, Some(change))));
    if report.hosts.is_empty() {
        write(run.row(None, None, None));
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What every row says of the run.
struct Run<'a> {
    report: &'a Report,
    journal: String,
    scope: String,
    seals: String,
    exit: String,
}

impl<'a> Run<'a> {
    fn of(report: &'a Report) -> Self {
        let seals = report.check.as_ref().map(|check| check.seals.join("; ")).unwrap_or_default();
        Self {
            report,
            journal: journal(report),
            scope: words::scope(&report.scope),
            seals,
            exit: report.exit_code().code().to_string(),
        }
    }

    fn row(
        &self,
        host: Option<&HostReport>,
        finding: Option<&Finding>,
        change: Option<&Change>,
    ) -> [String; COLUMNS.len()] {
        let report = self.report;
        let text = |value: Option<&str>| cell(value.unwrap_or_default());
        let exemption = finding.and_then(|finding| finding.exemption.as_ref());
        let name = host.map(|host| host.host.as_str()).or(change.map(|change| change.host.as_str()));
        let product = finding.map(|finding| finding.product.as_str());
        let product = product.or(change.and_then(|change| change.product.as_deref()));
        let title = finding.map(|finding| finding.name.as_str());
        let title = title.or(change.and_then(|change| change.name.as_deref()));
        let result = finding.map(|finding| finding.result);
        let result = result.or(change.and_then(|change| change.after));
        let state = host.map(|host| host.state).or(change.and_then(|change| change.state));
        [
            cell(&self.journal),
            cell(&report.run),
            cell(&report.verb),
            report.started.to_string(),
            report.ended.to_string(),
            text(name),
            text(host.map(|host| host.address.as_str())),
            text(host.and_then(|host| host.user.as_deref())),
            cell(&host.map(|host| host.groups.join(" ")).unwrap_or_default()),
            text(host.and_then(|host| host.wave.as_deref())),
            text(host.and_then(|host| host.platform).map(|platform| platform.word())),
            text(state.map(|state| state.word())),
            text(product),
            text(title),
            text(finding.map(|finding| finding.class.word())),
            text(result.map(|result| result.word())),
            text(finding.and_then(|finding| finding.version.as_deref())),
            text(exemption.map(|exemption| exemption.kind.word())),
            text(exemption.map(|exemption| exemption.reason.as_str())),
            text(exemption.and_then(|exemption| exemption.ticket.as_deref())),
            exemption.and_then(|exemption| exemption.until).map(|day| day.to_string()).unwrap_or_default(),
            text(change.map(|change| change.kind.word())),
            text(change.and_then(|change| change.before).map(|before| before.word())),
            cell(&finding.map(words::evidence).unwrap_or_default()),
            text(host.map(|host| host.reason.as_str())),
            text(host.and_then(|host| host.remedy.as_deref())),
            cell(&report.playbook),
            text(report.plan.as_deref()),
            cell(&self.scope),
            cell(&self.seals),
            self.exit.clone(),
        ]
    }
}

/// What every row says of the journal; each defect is in the JSON.
fn journal(report: &Report) -> String {
    match report.check.as_ref().map(|check| check.defects.len()) {
        Some(count @ 1..) => format!("BROKEN ({count} defects)"),
        _ => words::journal_word(report).to_owned(),
    }
}

/// A text as a cell: on one line, without characters that a terminal obeys, and with nothing in it that a
/// spreadsheet would take for a formula.
fn cell(text: &str) -> String {
    let text = escape_line(text);
    let mut out = String::with_capacity(text.len());
    let mut begins = true;
    for c in text.chars() {
        if begins && is_formula(c) {
            out.push('\'');
        }
        // What may stand before a formula: spaces, quotes, and separators of other locales.
        begins = matches!(c, ';' | ',' | '|') || (begins && (c.is_whitespace() || c == '"'));
        out.push(c);
    }
    out
}

/// What begins a formula in a spreadsheet, in its wide forms too (OWASP, CSV Injection).
fn is_formula(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_defused_wherever_a_cell_may_begin() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-2", "'-2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("＝1", "'＝1"),
            (" \"=1", " \"'=1"),
            ("a;=1", "a;'=1"),
            ("a, =1", "a, '=1"),
            ("a\t=1", "a\\t=1"),
            ("\n=1", "\\n=1"),
            ("\u{a0}=1", "\u{a0}'=1"),
            ("kesl-gui 12.1.0-1543", "kesl-gui 12.1.0-1543"),
            ("ssh-keyscan -p 22", "ssh-keyscan -p 22"),
            ("", ""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
