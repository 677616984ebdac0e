//! `apply --resume`: going on with a run that was stopped, or whose controller died.

use super::apply::{PLAN_FILE, REQUIRE_APPROVAL, Work, access_of, ask_before_local};
use super::args::ApplyArguments;
use super::error::CliError;
use super::evidence::refusal;
use super::run_log::{RunLog, operator, runs_dir};
use crate::apply::{Past, steady_now};
use crate::journal::{self, Defect, Run, Writer};
use crate::model::event::HostEntry;
use crate::model::output::shell_word;
use crate::model::{Event, ExitCode, Record};
use crate::plan::{self, Plan};
use jiff::Timestamp;
use std::path::Path;

/// Runs `apply --resume`.
pub fn run(arguments: &ApplyArguments) -> Result<ExitCode, CliError> {
    let which = arguments.resume.as_deref().unwrap_or("last");
    let runs = runs_dir(arguments.run.runs.as_deref());
    refuse_unsealed(&runs, which)?;
    let (journal, run) = Writer::open(&runs, which)?;
    let hosts = hosts_of(&run)?;
    let (plan, bytes) = plan_of(&run)?;
    check_approval(arguments, &run, &bytes)?;
    check_waves(&plan, &arguments.approve_wave)?;
    let access = access_of(&plan, &arguments.run, true)?;
    if !arguments.yes {
        ask_before_local(&plan)?;
    }
    let work = Work { plan: &plan, access: &access, run: &arguments.run, changing: &arguments.changing };
    journal.set_redactor(work.redactor());
    let resumed = Event::RunResumed {
        operator: operator(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        approved: arguments.approve_wave.clone(),
        after_failures: arguments.continue_after_failures,
        retry_failed: arguments.retry_failed,
        break_lock: arguments.changing.break_lock,
    };
    let past = past(&run, &resumed, &plan);
    let log = RunLog::resume(journal, &hosts, &past.ended, resumed, &arguments.run.output)?;
    Ok(work.go(log, Some(&past))?.1)
}

/// Refuses a run that is no longer what was sealed or approved: where records were cut off, steps that are done
/// would be begun again. What else can be broken, the journal refuses when it is opened.
fn refuse_unsealed(runs: &Path, which: &str) -> Result<(), CliError> {
    let dir = journal::find(runs, which)?;
    let audit = journal::audit(&dir, None, Timestamp::now())?;
    let is_of_seal = |defect: &Defect| {
        matches!(defect, Defect::Seal { .. } | Defect::Approval { .. } | Defect::ApprovalMissing { .. })
    };
    if audit.broken().any(is_of_seal) {
        return Err(refusal(&dir, &audit, "it is not gone on with", ""));
    }
    Ok(())
}

/// What the journal says, with what is decided now.
fn past(run: &Run, resumed: &Event, plan: &Plan) -> Past {
    let mut records = run.records.clone();
    let (seq, at) = records.last().map(|last| (last.seq + 1, last.at)).unwrap_or_default();
    records.push(Record { seq, at, host: None, event: resumed.clone() });
    Past::read(&records, plan, &steady_now())
}

fn hosts_of(run: &Run) -> Result<Vec<HostEntry>, CliError> {
    match run.records.first().map(|record| &record.event) {
        Some(Event::RunStarted { verb, hosts, .. }) if verb == "apply" => Ok(hosts.clone()),
        Some(Event::RunStarted { verb, .. }) => Err(CliError::input(
            format!("run {} is of `{verb}`, and only an `apply` can be resumed", run.id),
            format!("`uproot {verb}` changes nothing: run it again"),
        )),
        _ => Err(CliError::input(
            format!("run {} died before its first record: nothing was begun", run.id),
            "apply the plan anew",
        )),
    }
}

/// The plan that the run keeps, if it still is the one that was begun.
fn plan_of(run: &Run) -> Result<(Plan, Vec<u8>), CliError> {
    let file = run.dir.join(PLAN_FILE);
    let (plan, bytes, digest) = plan::read(&file)?;
    match run.records.first().map(|record| &record.event) {
        Some(Event::RunStarted { plan: Some(begun), .. }) if *begun == digest => Ok((plan, bytes)),
        _ => Err(CliError::input(
            format!("`{}` is not the plan that run {} was begun with", file.display(), run.id),
            "`uproot journal verify` says what was altered; nothing more is done by this run",
        )),
    }
}

/// A run whose plan had to be approved goes on only if it still is.
fn check_approval(arguments: &ApplyArguments, run: &Run, bytes: &[u8]) -> Result<(), CliError> {
    let needed = match run.records.first().map(|record| &record.event) {
        Some(Event::RunStarted { options, .. }) => options.get(REQUIRE_APPROVAL),
        _ => None,
    };
    let asked = arguments.approval.require_approval;
    if let Some(needed) = needed
        && asked.is_none_or(|asked| needed.parse().is_ok_and(|needed: u16| asked < needed))
    {
        return Err(CliError::input(
            format!("the plan of this run had to be approved by {needed} person(s)"),
            format!("give `--require-approval {needed} --allowed-signers FILE` again"),
        ));
    }
    super::approve::require(&arguments.approval, &run.dir.join(PLAN_FILE), bytes).map(|_| ())
}

fn check_waves(plan: &Plan, approved: &[String]) -> Result<(), CliError> {
    let known = |name: &&String| plan.waves.iter().any(|wave| wave.name == **name);
    let Some(wrong) = approved.iter().find(|name| !known(name)) else { return Ok(()) };
    let names: Vec<String> = plan.waves.iter().map(|wave| shell_word(&wave.name)).collect();
    Err(CliError::input(
        format!("the plan of this run has no wave `{wrong}`"),
        format!("its waves are {}", names.join(", ")),
    ))
}
