//! Saved facts documents in place of hosts, or beside them in one run.

use super::args::IdentifyArguments;
use super::compare::Against;
use super::error::CliError;
use super::output::write_report;
use super::run_log::operator;
use super::scope;
use crate::apply::record_look;
use crate::detect::{ProductRules, findings};
use crate::facts::{Facts, document};
use crate::journal::{self, MemorySink};
use crate::model::event::{HostEntry, Phase};
use crate::model::output::shell_word;
use crate::model::{Event, EventSink, ExitCode, HostState, Scope};
use crate::playbook::Playbook;
use crate::report::{OF_FACTS, Report};
use crate::scope::Judge;
use crate::verify::observed;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The documents of a directory; none older than what they would be compared with.
pub(super) fn read(directory: &Path, against: &Against) -> Result<Vec<Facts>, CliError> {
    let documents = document::read_dir(directory)?;
    against.refuse_older(&documents)?;
    Ok(documents)
}

/// A host whose facts were saved, as a run names it.
pub(super) fn entry(facts: &Facts) -> HostEntry {
    HostEntry {
        name: facts.host.clone(),
        address: format!("facts of {}", facts.at),
        user: None,
        groups: Vec::new(),
    }
}

/// A host is either asked, or told of by a document.
pub(super) fn refuse_twins<'h>(
    documents: &[Facts],
    hosts: impl Iterator<Item = &'h str>,
) -> Result<(), CliError> {
    let asked: BTreeSet<&str> = hosts.collect();
    match documents.iter().find(|facts| asked.contains(facts.host.as_str())) {
        None => Ok(()),
        Some(facts) => Err(CliError::input(
            format!("`{}` is a host of the inventory, and there is a facts document of it too", facts.host),
            "take it out of one of the two: `--limit 'all:!HOST'`, or move its document away",
        )),
    }
}

/// The command that shows more of hosts whose facts were saved in a directory.
pub(super) fn closer(verb: &str, directory: &Path, options: &str) -> String {
    format!("uproot {verb}{}{options} -v", option("facts", directory))
}

fn option(name: &str, path: &Path) -> String {
    format!(" --{name} {}", shell_word(&path.to_string_lossy()))
}

/// Evaluates the rules on documents, and records what they give. `closer`: the command that shows more.
pub(super) fn record(
    sink: &dyn EventSink,
    playbook: &Playbook,
    judge: &Judge,
    documents: &[Facts],
    closer: &dyn Fn() -> String,
) -> Result<BTreeMap<HostState, usize>, CliError> {
    let mut summary: BTreeMap<HostState, usize> = BTreeMap::new();
    for facts in documents {
        let mut found = findings(playbook.products.iter().map(ProductRules::from), facts);
        judge.judge(&facts.host, None, &mut found);
        let verdict = observed(&found, facts);
        let name = Some(facts.host.as_str());
        sink.record(name, Event::HostStarted { wave: None })?;
        record_look(sink, Phase::Before, facts, &found)?;
        *summary.entry(verdict.state).or_default() += 1;
        let ended = Event::HostEnded {
            state: verdict.state,
            reason: verdict.reason,
            remedy: verdict.remedy.or_else(|| (verdict.state == HostState::Unknown).then(closer)),
            unfinished: false,
        };
        sink.record(name, ended)?;
    }
    Ok(summary)
}

/// Reports on documents alone. Nothing is contacted, so no run is kept.
pub(super) fn report(
    verb: &str,
    playbook: &Playbook,
    scope: Scope,
    directory: &Path,
    arguments: &IdentifyArguments,
    against: &Against,
) -> Result<ExitCode, CliError> {
    if arguments.connect.limit.is_some() || arguments.save_facts.is_some() {
        let message = "`--limit` and `--save-facts` are for hosts that are asked, and no inventory is given";
        return Err(CliError::input(message, "add `-i INVENTORY`, or leave them out"));
    }
    let documents = read(directory, against)?;
    let mut options = BTreeMap::from([(OF_FACTS.to_owned(), directory.display().to_string())]);
    against.record(&mut options);
    let sink = MemorySink::default();
    sink.record(
        None,
        Event::RunStarted {
            run: journal::new_run_id(),
            verb: verb.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            operator: operator(),
            playbook: playbook.digest.clone(),
            plan: None,
            options,
            scope: scope.clone(),
            hosts: documents.iter().map(entry).collect(),
        },
    )?;
    let judge = Judge::new(&scope, Timestamp::now());
    // No run is kept that `runs show` could show.
    let playbook_option =
        arguments.playbook.as_deref().map(|file| option("playbook", file)).unwrap_or_default();
    let closer = || closer(verb, directory, &playbook_option);
    let summary = record(&sink, playbook, &judge, &documents, &closer)?;
    let exit = against.exit_code(&Report::from_records(&sink.records())?)?;
    sink.record(None, Event::RunEnded { summary, exit })?;
    let mut report = Report::from_records(&sink.records())?;
    report.notes.extend(age_of(&documents, directory));
    against.compare(&mut report)?;
    scope::warn(&report);
    write_report(&report, &arguments.connect.run.output)?;
    Ok(exit)
}

/// What a reader of a report on saved facts must know: it says what was so when they were collected.
fn age_of(documents: &[Facts], directory: &Path) -> Option<String> {
    let oldest = documents.iter().map(|facts| facts.at).min()?;
    let newest = documents.iter().map(|facts| facts.at).max()?;
    let utc = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    Some(format!(
        "no host was asked: this is told from the facts saved in `{}`, collected between {} and {}; no run is kept of it",
        directory.display(),
        utc(oldest),
        utc(newest)
    ))
}
