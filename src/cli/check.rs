//! `inventory list` and `inventory check`.

use super::args::{ConnectArguments, Format};
use super::error::CliError;
use super::fleet::{Fleet, again};
use super::output::{check_list_output, width, write_results};
use super::run_log::entry;
use super::signals::Watch;
use crate::apply::{Access, Stop, become_option, unreached_option};
use crate::facts::{Facts, Questions};
use crate::inventory;
use crate::model::output::escape_line;
use crate::model::{Cancel, ExitCode};
use crate::plan::PlannedConnection;
use crate::report::layout::{wrap, wrap_command};
use crate::transport::{TransportError, TransportErrorKind, pool};
use serde_json::json;

/// Runs `inventory list`.
pub fn list(arguments: &ConnectArguments) -> Result<ExitCode, CliError> {
    check_list_output(&arguments.run.output, "inventory list")?;
    let fleet = Fleet::read(arguments)?;
    let names: Vec<String> = fleet.hosts.iter().map(|(host, _)| host.name.clone()).collect();
    write_results(&arguments.run.output, |to| match to.format {
        Format::Table => inventory::render_list(&fleet.inventory, &names),
        _ => {
            let value = inventory::list_json(&fleet.inventory, &names);
            format!("{}\n", serde_json::to_string_pretty(&value).unwrap_or_default())
        }
    })?;
    Ok(ExitCode::Success)
}

/// What a check of one host said.
struct Checked {
    host: String,
    address: String,
    fine: bool,
    says: String,
    remedy: Option<String>,
}

/// Runs `inventory check`: connects to every host, asks who it is, and whether root can be had.
pub fn check(arguments: &ConnectArguments) -> Result<ExitCode, CliError> {
    check_list_output(&arguments.run.output, "inventory check")?;
    let fleet = Fleet::read(arguments)?;
    let access = fleet.access(arguments)?;
    let cancel = Cancel::new().map_err(CliError::System)?;
    let watch = Watch::start(Stop::default(), cancel.clone(), None)?;
    let hosts: Vec<(&str, &PlannedConnection)> =
        fleet.hosts.iter().map(|(host, connection)| (host.name.as_str(), connection)).collect();
    let failed = |host: &(&str, &PlannedConnection), error: TransportError| Checked {
        host: host.0.to_owned(),
        address: entry(host.0, host.1, Vec::new()).address,
        fine: false,
        remedy: match unreached_option(&error) {
            Some(option) => Some(again("inventory check", arguments, host.0, &option)),
            None => error.remedy,
        },
        says: error.message,
    };
    let work = |host: &(&str, &PlannedConnection)| match ask(&access, host.0, host.1, &cancel) {
        Ok(facts) => judge(arguments, host.0, host.1, &facts),
        Err(error) => failed(host, error),
    };
    let on_panic = |host: &(&str, &PlannedConnection), message: String| {
        failed(host, TransportError { kind: TransportErrorKind::Local, message, remedy: None })
    };
    let parallel = usize::from(arguments.run.parallel);
    if !arguments.run.output.quiet {
        tell!("connecting to {} host(s)", hosts.len());
    }
    let answers = pool::for_each(parallel, &hosts, &cancel, work, on_panic);
    let missing = answers.iter().filter(|answer| answer.is_none()).count();
    let checked: Vec<Checked> = answers.into_iter().flatten().collect();
    write_results(&arguments.run.output, |to| match to.format {
        Format::Table => table(&checked, width(to.is_terminal())),
        _ => as_json(&checked),
    })?;
    Ok(if watch.interrupted() {
        ExitCode::Interrupted
    } else if missing == 0 && checked.iter().all(|c| c.fine) {
        ExitCode::Success
    } else {
        ExitCode::CannotVouch
    })
}

fn ask(
    access: &Access,
    name: &str,
    connection: &PlannedConnection,
    cancel: &Cancel,
) -> Result<Facts, TransportError> {
    let mut session = access.connect(name, connection, cancel)?;
    access.collect(&mut session, name, connection, &Questions::default(), cancel)
}

fn judge(arguments: &ConnectArguments, name: &str, connection: &PlannedConnection, facts: &Facts) -> Checked {
    let system = facts.os.pretty_name.clone().unwrap_or_else(|| facts.os.kernel_name.clone());
    let user = connection.user.as_deref().unwrap_or("the login user");
    let (fine, says, remedy) = match (facts.platform, facts.privilege.uid, &facts.privilege.become_failed) {
        (None, _, _) => (false, "reached, but its platform is not recognised".to_owned(), None),
        (Some(_), _, Some(reason)) => {
            let remedy = again("inventory check", arguments, name, become_option(reason));
            (false, format!("{system}; cannot become root: {reason}"), Some(remedy))
        }
        (Some(_), Some(0), None) => (true, format!("{system}; root"), None),
        (Some(_), _, None) => {
            let remedy = again("inventory check", arguments, name, "--become");
            (false, format!("{system}; {user} is not root, so much would stay unknown"), Some(remedy))
        }
    };
    Checked {
        host: name.to_owned(),
        address: entry(name, connection, Vec::new()).address,
        fine,
        says,
        remedy,
    }
}

fn table(checked: &[Checked], width: usize) -> String {
    let mut lines = String::new();
    let (fine, wrong): (Vec<&Checked>, Vec<&Checked>) = checked.iter().partition(|c| c.fine);
    for c in wrong.iter().chain(&fine) {
        let word = if c.fine { "ok  " } else { "FAIL" };
        // A transport's message begins with the address.
        let says = c.says.strip_prefix(&c.address).and_then(|says| says.strip_prefix(": "));
        let line = format!("{} ({}): {}", c.host, c.address, says.unwrap_or(&c.says));
        for (index, line) in wrap(&escape_line(&line), width.saturating_sub(6)).iter().enumerate() {
            lines.push_str(&format!("{}  {line}\n", if index == 0 { word } else { "    " }));
        }
        for (index, line) in
            c.remedy.iter().flat_map(|r| wrap_command(&escape_line(r), width.saturating_sub(11))).enumerate()
        {
            lines.push_str(&format!("      {}{line}\n", if index == 0 { "fix: " } else { "     " }));
        }
    }
    lines.push_str(&format!("{} ok, {} not\n", fine.len(), wrong.len()));
    lines
}

fn as_json(checked: &[Checked]) -> String {
    let hosts: Vec<_> = checked
        .iter()
        .map(|c| json!({"host": c.host, "address": c.address, "ok": c.fine, "says": c.says, "remedy": c.remedy}))
        .collect();
    let value = json!({"uproot": 1, "hosts": hosts});
    format!("{}\n", serde_json::to_string_pretty(&value).unwrap_or_default())
}
