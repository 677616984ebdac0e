//! `apply` and `run`: the verbs that change hosts.

use super::args::{ApplyArguments, RunArguments, RunningArguments};
use super::error::CliError;
use super::fleet::access;
use super::output::print_bytes;
use super::plan::{make, shown};
use super::run_log::{RunLog, Start, entry};
use super::secrets;
use super::signals::Watch;
use crate::apply::{self, Access, ApplyRequest, Stop};
use crate::model::{Cancel, ExitCode, Redactor};
use crate::plan::{self, Plan, PlannedConnection};
use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

/// Runs `apply`.
pub fn run(arguments: &ApplyArguments) -> Result<ExitCode, CliError> {
    let (plan, bytes, digest) = plan::read(&arguments.plan)?;
    super::approve::require(&arguments.approval, &arguments.plan, &bytes)?;
    let secrets = secrets::resolve(&plan.secrets)?;
    let known_hosts: Vec<PathBuf> = plan.known_hosts.iter().map(PathBuf::from).collect();
    let connections = plan.hosts.iter().map(|host| &host.connection);
    let access = access(connections, secrets, &known_hosts, false, &arguments.run)?;
    let local = |host: &&plan::PlannedHost| {
        host.connection.kind == PlannedConnection::LOCAL && host.steps.iter().any(|step| !step.already_so)
    };
    if let Some(host) = plan.hosts.iter().find(local)
        && !arguments.yes
    {
        ask(&format!("The plan changes this machine itself (`{}`). Go on?", host.name))?;
    }
    apply(&plan, &bytes, digest, &access, &arguments.run)
}

/// Runs `run`.
pub fn plan_and_apply(arguments: &RunArguments) -> Result<ExitCode, CliError> {
    let connect = &arguments.make.connect;
    if connect.inventory.is_empty() && !arguments.local {
        return Err(CliError::input(
            "no inventory was given, and `run` changes hosts",
            "give `-i INVENTORY`, or `--local` to change this machine itself",
        ));
    }
    let made = make(&arguments.make)?;
    let bytes = plan::to_bytes(&made.plan);
    let digest = plan::digest(&bytes);
    let work: usize =
        made.plan.hosts.iter().filter(|host| host.steps.iter().any(|step| !step.already_so)).count();
    if made.exit == ExitCode::Interrupted || work == 0 {
        super::output::write_report(&made.report, &connect.run.output)?;
        if work == 0 {
            eprintln!("there is nothing to remove by this plan");
        }
        return Ok(made.exit);
    }
    if arguments.yes {
        eprintln!("{}", shown(&made.plan, &digest));
    } else {
        print_bytes(shown(&made.plan, &digest).as_bytes())?;
        ask(&format!("Change {work} host(s) as shown?"))?;
    }
    let mut access = made.access;
    // The steps' own secrets; those of the connections are there already.
    let missing = made.plan.secrets.iter().filter(|(name, _)| !access.secrets.contains_key(*name));
    let missing: BTreeMap<_, _> =
        missing.map(|(name, reference)| (name.clone(), reference.clone())).collect();
    access.secrets.extend(secrets::resolve(&missing)?);
    apply(&made.plan, &bytes, digest, &access, &connect.run)
}

fn apply(
    plan: &Plan,
    bytes: &[u8],
    digest: String,
    access: &Access,
    run: &RunningArguments,
) -> Result<ExitCode, CliError> {
    let cancel = Cancel::new().map_err(CliError::System)?;
    let stop = Stop::default();
    let redactor = Redactor::new(access.secrets.values());
    let hosts = plan.hosts.iter().map(|host| entry(&host.name, &host.connection, host.groups.clone()));
    let start = Start {
        verb: "apply",
        playbook: plan.playbook_digest.clone(),
        plan: Some((digest, bytes)),
        options: BTreeMap::from([("parallel".to_owned(), run.parallel.to_string())]),
        hosts: hosts.collect(),
        redactor: redactor.clone(),
    };
    let log = RunLog::start(start, run)?;
    let watch = Watch::start(stop.clone(), cancel.clone(), Some(log.progress()))?;
    let parallel = usize::from(run.parallel);
    let request = ApplyRequest {
        plan,
        access,
        parallel,
        sink: &log,
        stop: &stop,
        cancel: &cancel,
        redactor: &redactor,
    };
    let stopped = apply::run(&request)?;
    let gate = if watch.interrupted() {
        ExitCode::Interrupted
    } else if stopped {
        ExitCode::Stopped
    } else {
        ExitCode::Success
    };
    log.finish_and_report(gate, "the run ended before this host was begun", &run.output)
}

/// Asks a question to which only "yes" is yes.
fn ask(question: &str) -> Result<(), CliError> {
    if !std::io::stdin().is_terminal() {
        return Err(CliError::Refused(format!(
            "{question} There is no terminal to ask on: give `--yes` if that is what is wanted"
        )));
    }
    eprint!("{question} [yes/no] ");
    std::io::stderr().flush().map_err(CliError::Output)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(CliError::System)?;
    if answer.trim() == "yes" {
        Ok(())
    } else {
        Err(CliError::Refused("not confirmed; nothing was changed".to_owned()))
    }
}
