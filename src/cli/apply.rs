//! `apply` and `run`: the verbs that change hosts.

use super::args::{ApplyArguments, ChangingArguments, RunArguments, RunningArguments};
use super::ask::ask;
use super::error::CliError;
use super::fleet::access;
use super::output::{print_bytes, stdout_is_for_people, write_report};
use super::person::Terminal;
use super::plan::{make, shown};
use super::resume;
use super::run_log::{RunLog, Start, entry, operator};
use super::scope;
use super::signals::Watch;
use super::{secrets, uploads};
use crate::apply::{self, Access, ApplyRequest, LockOrder, Past, Person, Stop, WorkLimits};
use crate::model::output::shell_word;
use crate::model::{Cancel, Event, EventSink, ExitCode, HostState, ProductState, Redactor};
use crate::plan::approval;
use crate::plan::{self, Plan, PlannedConnection};
use crate::report::Report;
use crate::signature::{self, ValidSignature};
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

/// Runs `apply`.
pub fn run(arguments: &ApplyArguments) -> Result<ExitCode, CliError> {
    let Some(file) = &arguments.plan else { return resume::run(arguments) };
    let (plan, bytes, digest) = plan::read(file)?;
    let approvals = super::approve::require(&arguments.approval, file, &bytes)?;
    let access = access_of(&plan, &arguments.run, false)?;
    if !arguments.yes {
        ask_before_local(&plan)?;
    }
    let work = Work { plan: &plan, access: &access, run: &arguments.run, changing: &arguments.changing };
    let approved = Approved { needed: arguments.approval.require_approval, by: approvals };
    Ok(work.begin(&bytes, digest, &approved)?.1)
}

/// Everything that reaches the hosts of a plan; every secret is resolved, every file of its steps read.
pub fn access_of(plan: &Plan, run: &RunningArguments, resumed: bool) -> Result<Access, CliError> {
    let secrets = secrets::resolve(&plan.secrets)?;
    let known_hosts: Vec<PathBuf> = plan.known_hosts.iter().map(PathBuf::from).collect();
    let connections = plan.hosts.iter().map(|host| &host.connection);
    let uploads = uploads::of_plan(plan, resumed)?;
    Ok(Access { uploads, ..access(connections, secrets, &known_hosts, false, run)? })
}

/// Asks once more before this machine itself is changed.
pub fn ask_before_local(plan: &Plan) -> Result<(), CliError> {
    let local = |host: &&plan::PlannedHost| {
        host.connection.kind == PlannedConnection::LOCAL && host.steps.iter().any(|step| !step.already_so)
    };
    match plan.hosts.iter().find(local) {
        Some(host) => {
            ask(&format!("The plan changes this machine itself (`{}`). Go on?", host.name), UNCONFIRMED)
        }
        None => Ok(()),
    }
}

/// What is said to whoever does not say yes.
const UNCONFIRMED: &str = "not confirmed; nothing was changed";

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
        write_report(&made.report, &connect.run.output)?;
        if work == 0 {
            tell!("there is nothing to remove by this plan");
        }
        return Ok(made.exit);
    }
    if arguments.yes || !stdout_is_for_people(&connect.run.output)? {
        tell!("{}", shown(&made.plan, &digest));
    } else {
        print_bytes(shown(&made.plan, &digest).as_bytes())?;
    }
    if !arguments.yes {
        ask(&format!("Change {work} host(s) as shown?"), UNCONFIRMED)?;
    }
    let mut access = made.access;
    // The steps' own secrets; those of the connections are there already.
    let missing = made.plan.secrets.iter().filter(|(name, _)| !access.secrets.contains_key(*name));
    let missing: BTreeMap<_, _> =
        missing.map(|(name, reference)| (name.clone(), reference.clone())).collect();
    access.secrets.extend(secrets::resolve(&missing)?);
    access.uploads = uploads::of_plan(&made.plan, false)?;
    let work = Work { plan: &made.plan, access: &access, run: &connect.run, changing: &arguments.changing };
    let (report, exit) = work.begin(&bytes, digest, &Approved::default())?;
    second_plan(arguments, &made.plan, &report, exit)
}

/// Offers to plan anew what showed only after the steps: it is never removed unplanned.
fn second_plan(
    arguments: &RunArguments,
    plan: &Plan,
    report: &Report,
    exit: ExitCode,
) -> Result<ExitCode, CliError> {
    let shown = unforeseen(plan, report);
    if shown.is_empty() {
        return Ok(exit);
    }
    for (host, products) in &shown {
        tell!("{host}: {} showed only after the steps, and is in no plan", products.join(", "));
    }
    let hosts: Vec<&str> = shown.keys().copied().collect();
    let connect = &arguments.make.connect;
    // A run that stopped is gone on with before anything else is begun.
    let ended = !matches!(exit, ExitCode::Stopped | ExitCode::Interrupted | ExitCode::Defect);
    let may_ask =
        ended && !arguments.yes && std::io::stdin().is_terminal() && connect.run.output.output.is_empty();
    let wanted = || ask("Look at these hosts again, and show a second plan?", "no second plan was made");
    if !may_ask || wanted().is_err() {
        let limit = shell_word(&hosts.join(","));
        tell!("next: the same command with `--limit {limit}` plans it");
        return Ok(exit);
    }
    let mut again = arguments.clone();
    again.make.connect.limit = Some(hosts.join(","));
    let others = report.hosts.iter().filter(|host| !shown.contains_key(host.host.as_str()));
    let others: Vec<_> = others.map(|host| host.state).collect();
    let second = plan_and_apply(&again)?;
    Ok(if others.is_empty() {
        second
    } else {
        second.worst(ExitCode::of_states_under(others, report.pending_is_ok()))
    })
}

/// The products that are there now, and of which the plan had nothing to say.
fn unforeseen<'r>(plan: &Plan, report: &'r Report) -> BTreeMap<&'r str, Vec<&'r str>> {
    let mut shown = BTreeMap::new();
    for host in &report.hosts {
        let Some(planned) = plan.hosts.iter().find(|planned| planned.name == host.host) else { continue };
        let known = |product: &str| {
            planned.gone_after.iter().any(|id| id == product)
                || planned.not_planned.iter().any(|entry| entry.product == product)
        };
        let new = host.findings.iter().filter(|finding| {
            matches!(finding.result, ProductState::Present | ProductState::Residue)
                && !finding.is_exempt()
                && !known(&finding.product)
        });
        let new: Vec<&str> = new.map(|finding| finding.product.as_str()).collect();
        let looked_at = matches!(host.state, HostState::Present | HostState::Residue);
        if looked_at && !new.is_empty() {
            shown.insert(host.host.as_str(), new);
        }
    }
    shown
}

/// Who approved a plan, where that is required.
#[derive(Default)]
struct Approved {
    needed: Option<u16>,
    by: Vec<ValidSignature>,
}

/// The option of a run that says how many persons had to approve its plan.
pub const REQUIRE_APPROVAL: &str = "require-approval";
/// The plan in a run's directory; what approves it lies beside it.
pub const PLAN_FILE: &str = "plan.json";

/// The work on a plan's hosts in this process.
pub struct Work<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// How its hosts are reached.
    pub access: &'a Access,
    /// How the run goes.
    pub run: &'a RunningArguments,
    /// How hosts are treated.
    pub changing: &'a ChangingArguments,
}

impl Work<'_> {
    /// Begins a new run.
    fn begin(
        &self,
        bytes: &[u8],
        digest: String,
        approved: &Approved,
    ) -> Result<(Report, ExitCode), CliError> {
        let hosts = self.plan.hosts.iter();
        let hosts = hosts.map(|host| entry(&host.name, &host.connection, host.groups.clone()));
        let reboot = serde_json::to_value(self.plan.reboot).unwrap_or_default();
        let mut options = BTreeMap::from([
            ("parallel".to_owned(), self.run.parallel.to_string()),
            ("reboot".to_owned(), reboot.as_str().unwrap_or_default().to_owned()),
        ]);
        if self.changing.break_lock {
            options.insert("break-lock".to_owned(), "yes".to_owned());
        }
        if let Some(needed) = approved.needed {
            options.insert(REQUIRE_APPROVAL.to_owned(), needed.to_string());
        }
        let decisions: Vec<Event> = approved.by.iter().map(|by| approval::decision(by, &digest)).collect();
        let start = Start {
            verb: "apply",
            playbook: self.plan.playbook_digest.clone(),
            plan: Some((digest, bytes)),
            options,
            scope: self.plan.scope.clone(),
            hosts: hosts.collect(),
            redactor: self.redactor(),
        };
        let log = RunLog::start(start, self.run)?;
        signature::keep(&approved.by, &log.dir().join(PLAN_FILE))?;
        for decision in decisions {
            log.record(None, decision)?;
        }
        self.go(log, None)
    }

    /// Keeps the secrets out of whatever is kept.
    pub fn redactor(&self) -> Redactor {
        Redactor::new(self.access.secrets.values())
    }

    /// Works until the end, or until something stops it, and reports.
    pub fn go(&self, log: RunLog, past: Option<&Past>) -> Result<(Report, ExitCode), CliError> {
        let cancel = Cancel::new().map_err(CliError::System)?;
        let stop = Stop::default();
        let redactor = self.redactor();
        let watch = Watch::start(stop.clone(), cancel.clone(), Some(log.progress()))?;
        let terminal = Terminal::new(stop.clone(), log.progress());
        let progress = log.progress();
        let request = ApplyRequest {
            plan: self.plan,
            access: self.access,
            parallel: usize::from(self.run.parallel),
            sink: &log,
            stop: &stop,
            cancel: &cancel,
            redactor: &redactor,
            lock: LockOrder {
                run: log.run_id(),
                owner: operator(),
                break_lock: self.changing.break_lock,
                token: String::new(),
            },
            limits: WorkLimits {
                reconnect: Duration::from_secs(self.changing.reconnect_timeout),
                reboot: Duration::from_secs(self.changing.reboot_timeout),
            },
            past,
            person: terminal.as_ref().map(|terminal| terminal as &dyn Person),
            waiting: &|what| progress.waiting(what),
        };
        let stopped = apply::run(&request).map_err(|error| log.cannot_go_on(error))?;
        let gate = match (&stopped, watch.interrupted()) {
            (_, true) => ExitCode::Interrupted,
            (Some(_), false) => ExitCode::Stopped,
            (None, false) => ExitCode::Success,
        };
        let (report, exit) = log.finish_apply(gate, stopped, self.plan)?;
        scope::warn(&report);
        match write_report(&report, &self.run.output) {
            // A terminal that was closed takes no report; the journal has it.
            Err(error) if exit == ExitCode::Interrupted => error.print(),
            written => written?,
        }
        Ok((report, exit))
    }
}
