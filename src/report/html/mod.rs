//! The report as one HTML page: for an auditor, a minister's office, a printer, a phone.
//!
//! Owns a file that needs nothing else: style and script stand in it, and its content security policy
//! lets nothing but these two run or load. Every text goes through maud, which escapes by default, and
//! every host's string through [`text::shown`]. What each host is in full stands as JSON in a block that
//! no browser executes; the script builds it as text nodes when it is asked for. Without the script the
//! page is still whole: the table has every host, and each host in full follows while there are at most
//! [`WRITTEN_OUT`] of them.

mod campaign;
mod data;
mod details;
mod first;
mod full;
mod hosts;
mod run;
mod text;
mod waves;

pub use campaign::campaign_html;

use super::Report;
use crate::model::{ExitCode, HostState};
use base64::Engine;
use details::{Detail, Limits};
use maud::{DOCTYPE, Markup, PreEscaped, html as markup};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// A reader without JavaScript is given each host in full up to so many hosts; of more, the table.
const WRITTEN_OUT: usize = 300;

/// What the page shows besides the report itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct HtmlOptions<'a> {
    /// What the run is called in the commands that are shown, as a word of a shell; none: its id.
    pub run: Option<&'a str>,
}

/// The report as a page of HTML, complete in itself.
#[must_use]
pub fn html(report: &Report, options: &HtmlOptions<'_>) -> String {
    let called = options.run.unwrap_or(&report.run);
    let limits = Limits::of(report);
    let each = || report.hosts.iter().map(|host| (host, Detail::of(host, limits)));
    let in_full = each().map(|(host, detail)| (text::shown(&host.host), badge(host.state), detail));
    let data = data::json(each().map(|(host, detail)| (hosts::keys(host), detail)));
    let without = markup! { code { "uproot report " (text::shown(&report.run)) " -v" } };
    page(
        &format!("uproot {}", text::shown(&report.version)),
        &title(report),
        &markup! {
            (first::broken(report))
            a class="skip" href="#hosts" { "Skip to the hosts" }
            (first::header(report))
            main {
                (first::verdict(report))
                (first::attention(report, called))
                (run::comparison(report))
                (hosts::section(report, called))
                (hosts::products(report))
                (waves::section(report))
                (run::scope(report))
                (run::record(report))
                (full::section(report.hosts.len(), in_full, &without))
            }
            (run::footer(report))
        },
        data,
    )
}

/// A whole page. `data`: JSON for the script in which no element can end or begin.
fn page(generator: &str, title: &str, body: &Markup, data: String) -> String {
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta name="generator" content=(generator);
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (body)
                script type="application/json" id="data" { (PreEscaped(data)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// Nothing is loaded, sent or run but the one style and the one script that stand in the page.
fn policy() -> String {
    let hash = |text: &str| base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'",
        hash(SCRIPT),
        hash(STYLE)
    )
}

fn title(report: &Report) -> String {
    let broken = if is_broken(report) { "BROKEN JOURNAL: " } else { "" };
    let on = report.started.strftime("%Y-%m-%d");
    format!("{broken}uproot {} of {on}", text::shown(&report.verb))
}

fn is_broken(report: &Report) -> bool {
    report.check.as_ref().is_some_and(super::JournalCheck::is_broken)
}

/// How a state is painted. The state's word always stands beside it.
fn tone(state: HostState) -> &'static str {
    match state {
        HostState::Failed | HostState::Interrupted | HostState::Blocked | HostState::Drifted => "bad",
        HostState::Present | HostState::Residue => "found",
        HostState::Unknown | HostState::Unreachable => "unknown",
        HostState::Skipped => "idle",
        HostState::RemovedRebootPending | HostState::Exempt => "info",
        HostState::Removed | HostState::Clean => "good",
    }
}

/// How the verdict is painted.
fn verdict_tone(report: &Report) -> &'static str {
    match report.exit_code() {
        _ if is_broken(report) => "bad",
        ExitCode::Success => "good",
        ExitCode::Found => "found",
        ExitCode::CannotVouch => "unknown",
        _ => "bad",
    }
}

/// A state as a word with its mark.
fn badge(state: HostState) -> Markup {
    mark(tone(state), state.word())
}

/// A word with the mark of its tone.
fn mark(tone: &str, word: &str) -> Markup {
    markup! { span class=(format!("st {tone}")) { (word) } }
}

/// A section with its heading.
fn section(id: &str, heading: &str, body: &Markup) -> Markup {
    let label = format!("{id}-title");
    markup! {
        section id=(id) aria-labelledby=(label) {
            h2 id=(label) { (heading) }
            (body)
        }
    }
}
