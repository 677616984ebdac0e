//! `plan`, `plan show`, `plan diff`.

use super::args::{Format, ListFormat, MakePlanArguments, PlanArguments};
use super::error::CliError;
use super::fleet::Fleet;
use super::identify::{Look, NOT_DONE, read_playbook};
use super::output::{print_bytes, refuse_unwritable, render, width, write_report, write_results};
use super::run_log::operator;
use super::{scope, uploads};
use crate::apply::{Access, SurveyOutcome};
use crate::facts::Questions;
use crate::inventory::{self, Inventory};
use crate::journal;
use crate::model::output::shell_word;
use crate::model::{Diagnostic, Diagnostics, ExitCode, HostState};
use crate::plan::{self, HostInput, HostOutcome, Plan, PlanSettings};
use crate::playbook::{Loaded, Product, WaveHosts};
use crate::report::Report;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::Path;

/// Runs `plan`.
pub fn run(arguments: &PlanArguments) -> Result<ExitCode, CliError> {
    let output = &arguments.make.connect.run.output;
    if !arguments.force && arguments.out.exists() {
        let message = format!("`{}` is there already", arguments.out.display());
        return Err(CliError::input(
            message,
            "give another name by `--out FILE`, or `--force` to overwrite it",
        ));
    }
    refuse_unwritable(Some(&arguments.out), "--out")?;
    let made = make(&arguments.make)?;
    if made.exit == ExitCode::Interrupted {
        write_report(&made.report, output)?;
        tell!("no plan was written: not every host was looked at");
        return Ok(made.exit);
    }
    let digest = plan::write(&arguments.out, &made.plan, arguments.force)?;
    write_results(output, |to| match to.format {
        Format::Table => shown(&made.plan, &digest),
        _ => render(&made.report, None, output, to),
    })?;
    tell!("plan written to {} (SHA-256 {digest})", arguments.out.display());
    if made.plan.hosts.iter().any(|host| !host.steps.is_empty()) {
        let file = shell_word(&arguments.out.to_string_lossy());
        tell!("next: review it, then `uproot apply {file}`");
    }
    let unread =
        made.plan.hosts.iter().any(|host| matches!(host.state, HostState::Unknown | HostState::Unreachable));
    Ok(if arguments.detailed_exitcode {
        made.exit
    } else if unread {
        ExitCode::CannotVouch
    } else {
        ExitCode::Success
    })
}

/// A plan, with the run that it was made by.
pub struct Made {
    /// The plan.
    pub plan: Plan,
    /// What the hosts answered.
    pub report: Report,
    /// As `identify` would exit.
    pub exit: ExitCode,
    /// How the hosts were reached; `run` goes on with it.
    pub access: Access,
}

/// Looks at every host and makes a plan.
pub fn make(arguments: &MakePlanArguments) -> Result<Made, CliError> {
    let mut loaded = read_playbook(arguments.playbook.as_deref())?;
    let fleet = Fleet::read(&arguments.connect)?;
    let scope = scope::read(&arguments.scope)?;
    refuse_early(&mut loaded, &fleet.inventory, &arguments.allow)?;
    let playbook = loaded.playbook;
    let access = fleet.access(&arguments.connect)?;
    let look = Look {
        verb: "plan",
        playbook: &playbook,
        playbook_file: arguments.playbook.as_deref(),
        scope: &scope,
        scope_arguments: &arguments.scope,
        fleet: &fleet,
        access: &access,
        against: None,
        documents: &[],
        documents_of: None,
    };
    let (log, outcomes, gate) = look.at_all(&arguments.connect, true)?;
    let (report, exit) = log.finish(gate, NOT_DONE)?;
    scope::warn(&report);
    let settings = PlanSettings {
        id: journal::new_run_id(),
        created: Timestamp::now(),
        operator: operator(),
        questions: Questions::of_playbook(&playbook),
        secrets: fleet.secrets.clone(),
        known_hosts: arguments.connect.known_hosts.iter().map(|p| absolute(p)).collect(),
        allowed: arguments.allow.clone(),
        scope: scope.clone(),
    };
    let hosts = fleet.hosts.iter().zip(&outcomes).map(|((host, connection), outcome)| HostInput {
        host,
        connection: connection.clone(),
        outcome: host_outcome(outcome),
    });
    let plan = plan::make(&playbook, settings, &fleet.inventory, hosts.collect())?;
    Ok(Made { plan, report, exit, access })
}

fn host_outcome(outcome: &SurveyOutcome) -> HostOutcome<'_> {
    match outcome {
        SurveyOutcome::Read { facts: Some(facts), findings, verdict } => HostOutcome::Read {
            facts,
            findings: findings.clone(),
            state: verdict.state,
            reason: verdict.reason.clone(),
            remedy: verdict.remedy.clone(),
        },
        SurveyOutcome::Unreachable { reason, remedy } => {
            HostOutcome::Unreachable { reason: reason.clone(), remedy: remedy.clone() }
        }
        SurveyOutcome::Read { facts: None, .. } | SurveyOutcome::Cancelled => {
            HostOutcome::Unreachable { reason: NOT_DONE.to_owned(), remedy: None }
        }
    }
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

/// Refuses what can be refused before any host is contacted.
fn refuse_early(loaded: &mut Loaded, inventory: &Inventory, allowed: &[String]) -> Result<(), CliError> {
    let mut list: Vec<Diagnostic> = uploads::check(&mut loaded.playbook);
    let playbook = &loaded.playbook;
    for wave in &playbook.waves {
        let (WaveHosts::Pattern(pattern), Some(place)) = (&wave.hosts, &wave.place) else { continue };
        if let Err(wrong) = inventory::select(inventory, pattern) {
            let mut diagnostic = Diagnostic::error(place, format!("wave `{}`: {}", wave.name, wrong.message));
            diagnostic.help =
                wrong.help.or_else(|| Some("`uproot inventory list` shows hosts and groups".to_owned()));
            list.push(diagnostic);
        }
    }
    if !list.is_empty() {
        return Err(Diagnostics { list, sources: loaded.diagnostics.sources.clone() }.into());
    }
    let words: BTreeSet<&str> = playbook.products.iter().flat_map(Product::choices).collect();
    match allowed.iter().find(|word| !words.contains(word.as_str())) {
        None => Ok(()),
        Some(word) => Err(CliError::input(
            format!("nothing asks for `--allow {word}`"),
            format!(
                "the playbook's words are: {}",
                if words.is_empty() {
                    "none".to_owned()
                } else {
                    words.into_iter().collect::<Vec<_>>().join(", ")
                }
            ),
        )),
    }
}

/// A plan as a person reads it.
pub fn shown(plan: &Plan, digest: &str) -> String {
    let text = plan::show(plan, width(std::io::stdout().is_terminal()));
    format!("{}\nSHA-256 {digest}\n", text.trim_end())
}

/// Runs `plan show`.
pub fn show(file: &Path, format: ListFormat) -> Result<ExitCode, CliError> {
    let (plan, bytes, digest) = plan::read(file)?;
    match format {
        ListFormat::Json => print_bytes(&bytes)?,
        ListFormat::Table => print_bytes(shown(&plan, &digest).as_bytes())?,
    }
    Ok(ExitCode::Success)
}

/// Runs `plan diff`.
pub fn diff(before: &Path, after: &Path) -> Result<ExitCode, CliError> {
    let (before, _, _) = plan::read(before)?;
    let (after, _, _) = plan::read(after)?;
    print_bytes(plan::diff(&before, &after).as_bytes())?;
    Ok(if plan::is_same(&before, &after) { ExitCode::Success } else { ExitCode::Found })
}
