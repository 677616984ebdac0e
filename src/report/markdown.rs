//! The report for a job summary or a ticket: Markdown as GitHub and GitLab read it. The verdict, the states,
//! then what needs attention first. Bounded, so that a ticket takes it: of more, the number is told.
//!
//! Every text that may hold a host's words stands in a code span: nothing in it becomes markup, a link or a
//! mention. It is cut where it is long, and in a table a `|` is shown as `¦`; the whole is in the JSON.

use super::{HostReport, Report, Standing, table, words};
use crate::model::output::escape_line;
use crate::model::{Finding, HostState, ProductState};

/// So many hosts, changes, waves and notes are shown.
const HOSTS: usize = 30;
const CHANGES: usize = 30;
const WAVES: usize = 20;
const NOTES: usize = 15;
/// So many products of a host are named.
const PRODUCTS: usize = 4;
/// So long a name, and so long a sentence may be, in bytes.
const NAME: usize = 80;
const SENTENCE: usize = 240;
/// Texts with longer runs of backticks get apostrophes for them: a span must stay short.
const LONGEST_FENCE: usize = 3;

/// The report as Markdown, at most 64 KiB long.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    if let Some(broken) = words::broken(report) {
        out.push_str(&format!("> **Journal broken.** {}\n\n", code(&broken, 4 * SENTENCE)));
    }
    let verdict = report.exit_code().code();
    out.push_str(&format!("## uproot {}: exit code {verdict}\n\n", code(&report.verb, NAME)));
    out.push_str(&format!("{}\n\n", code(&table::verdict_text(report), 2 * SENTENCE)));
    draw_states(&mut out, report);
    draw_hosts(&mut out, report);
    draw_changes(&mut out, report);
    draw_exempt(&mut out, report);
    draw_waves(&mut out, report);
    draw_list(&mut out, "Notes", NOTES, report.notes.iter().map(|note| code(note, SENTENCE)));
    if let Some(command) = report.resume_command() {
        out.push_str(&format!("Resume with {}\n\n", code(&command, SENTENCE)));
    }
    draw_facts(&mut out, report);
    out
}

fn draw_states(out: &mut String, report: &Report) {
    out.push_str("| State | Hosts |\n|---|---:|\n");
    for (state, count) in &report.summary {
        out.push_str(&format!("| {state} | {count} |\n"));
    }
    out.push_str(&format!("| all | {} |\n\n", report.hosts.len()));
}

fn draw_hosts(out: &mut String, report: &Report) {
    // What `--fail-on` spares is there all the same.
    let is_there = |host: &HostReport| matches!(host.state, HostState::Present | HostState::Residue);
    let urgent: Vec<&HostReport> = report
        .hosts
        .iter()
        .filter(|host| is_there(host) || report.standing_of(host) != Standing::Fine)
        .collect();
    if urgent.is_empty() {
        return;
    }
    out.push_str("### What needs attention first\n\n");
    out.push_str("| Host | State | Products | Why | Fix |\n|---|---|---|---|---|\n");
    for host in urgent.iter().take(HOSTS) {
        out.push_str(&format!(
            "| {} | {} | {} | {} | {} |\n",
            cell(&host.host, NAME),
            host.state,
            products(host, |finding| finding.result != ProductState::Absent && !finding.is_exempt()),
            cell(&host.reason, SENTENCE),
            cell(host.remedy.as_deref().unwrap_or_default(), SENTENCE),
        ));
    }
    out.push('\n');
    and_more(out, urgent.len(), HOSTS);
}

/// The products of a host that are of interest, each in a code span.
fn products(host: &HostReport, of_interest: impl Fn(&Finding) -> bool) -> String {
    let found: Vec<&Finding> = host.findings.iter().filter(|finding| of_interest(finding)).collect();
    let mut named: Vec<String> = found.iter().take(PRODUCTS).map(|finding| product(finding)).collect();
    if found.len() > PRODUCTS {
        named.push(format!("and {} more", found.len() - PRODUCTS));
    }
    named.join(", ")
}

fn product(finding: &Finding) -> String {
    let version = finding.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let result = match finding.result {
        ProductState::Present => String::new(),
        other => format!(" ({})", other.word()),
    };
    let exemption = finding
        .exemption
        .as_ref()
        .map(|exemption| format!(", {}", exemption.kind.word()))
        .unwrap_or_default();
    cell(&format!("{}{version}{result}{exemption}", finding.product), NAME)
}

fn draw_changes(out: &mut String, report: &Report) {
    let Some(comparison) = &report.comparison else { return };
    let against =
        comparison.against.iter().map(|earlier| earlier.run.as_str()).collect::<Vec<_>>().join(", ");
    out.push_str(&format!("### Compared with {}\n\n", code(&against, SENTENCE)));
    if comparison.changes.is_empty() {
        out.push_str("Nothing was or is there, and all of it could be told.\n\n");
        return;
    }
    out.push_str("| Change | Host | Product | Before | Now |\n|---|---|---|---|---|\n");
    for change in comparison.changes.iter().take(CHANGES) {
        out.push_str(&format!(
            "| {} | {} | {} | {} | {} |\n",
            change.kind.word(),
            cell(&change.host, NAME),
            cell(change.product.as_deref().unwrap_or_default(), NAME),
            change.before.map_or("never told", |state| state.word()),
            match (change.after, change.state) {
                (Some(after), _) => after.word(),
                (None, Some(state)) => state.word(),
                (None, None) => "not in this run",
            },
        ));
    }
    out.push('\n');
    and_more(out, comparison.changes.len(), CHANGES);
}

/// What the scope leaves out and waivers allow is always listed, and never as clean.
fn draw_exempt(out: &mut String, report: &Report) {
    let pairs = report.hosts.iter().flat_map(|host| host.findings.iter().map(move |finding| (host, finding)));
    let lines = pairs.filter_map(|(host, finding)| {
        let exemption = finding.exemption.as_ref().filter(|_| finding.result != ProductState::Absent)?;
        let what = format!("{}: {} {}", host.host, finding.product, finding.result.word());
        Some(format!("{} {}", code(&what, NAME), code(&exemption.words(), SENTENCE)))
    });
    draw_list(out, "Out of scope, waived, or no longer waived", NOTES, lines);
}

fn draw_waves(out: &mut String, report: &Report) {
    let lines = report.waves.iter().map(|wave| {
        let hosts = table::hosts(wave.hosts);
        let end = match &wave.end {
            None => "not ended".to_owned(),
            Some(end) => {
                let word = if end.passed { "passed" } else { "stopped" };
                let reason = end.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
                format!("{word}, {} failed, {} unreachable{reason}", end.failures, end.unreachable)
            }
        };
        let approved = match wave.approved.as_slice() {
            [] => String::new(),
            who => format!(" (approved by {})", code(&who.join(", "), NAME)),
        };
        format!("{} of {hosts}: {}{approved}", code(&wave.name, NAME), code(&end, SENTENCE))
    });
    draw_list(out, "Waves", WAVES, lines);
}

fn draw_facts(out: &mut String, report: &Report) {
    let facts = words::facts(report);
    let lines = facts.iter().map(|(name, value)| format!("{name}: {}", code(value, SENTENCE)));
    draw_list(out, "This run", NOTES, lines);
}

fn draw_list(out: &mut String, title: &str, most: usize, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return;
    }
    out.push_str(&format!("### {title}\n\n"));
    for line in lines.iter().take(most) {
        out.push_str(&format!("- {line}\n"));
    }
    out.push('\n');
    and_more(out, lines.len(), most);
}

fn and_more(out: &mut String, count: usize, most: usize) {
    if count > most {
        out.push_str(&format!("… and {} more.\n\n", count - most));
    }
}

/// A text as a code span, at most so long. Nothing for an empty text.
fn code(text: &str, most: usize) -> String {
    let mut text = words::cut(&escape_line(text), most);
    if text.trim().is_empty() {
        return String::new();
    }
    // A span ends at as many backticks as it begins with: one more than any run within.
    let mut longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    if longest > LONGEST_FENCE {
        (text, longest) = (text.replace('`', "'"), 0);
    }
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// As `code`, for a cell of a table: a pipe would end it, in some readers also behind a backslash.
fn cell(text: &str, most: usize) -> String {
    code(&text.replace('|', "¦"), most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_cannot_be_left() {
        assert_eq!(code("kesl", 9), "`kesl`");
        assert_eq!(code("a`b", 9), "``a`b``");
        assert_eq!(code("``", 9), "``` `` ```");
        assert_eq!(code("a\nb", 9), "`a\\nb`");
        assert_eq!(code(" a", 9), "`  a `");
        assert_eq!(code("", 9), "");
        assert_eq!(code("  ", 9), "");
        assert_eq!(code("abcdef", 5), "`ab…`");
        assert_eq!(code("ホホ", 5), "`…`");
        assert_eq!(code("a````b", 9), "`a''''b`");
        assert_eq!(cell("a|b\\|c", 9), "`a¦b\\¦c`");
    }
}
