//! Steps → shell text, POSIX or a batch file of Windows. Nothing is left to choose when it runs, except what only the host can
//! tell at that moment: whether a lock is free, a pid, a mount, a link.
//!
//! Every POSIX script runs on dash, busybox and bash. A name that a host told stands in one only if it
//! passed `quote::is_name` or `quote::is_exact_path`; everything is quoted besides.

mod account;
mod command;
mod macos;
mod package;
mod path;
mod process;
pub(super) mod quote;
mod service;
mod task;
mod trust;
pub(super) mod windows;

#[cfg(test)]
mod tests;

use super::effect::service_name;
use crate::facts::{Facts, Listing};
use crate::model::Platform;
use crate::playbook::{Action, Pattern, Product};
use std::collections::BTreeMap;

/// What a step is rendered from.
pub(super) struct Context<'a> {
    /// What is known of the host.
    pub(super) facts: &'a Facts,
    /// The product that the step belongs to.
    pub(super) product: &'a Product,
    /// How long the step may take, in seconds.
    pub(super) timeout: u64,
    /// Why a path must stay: who else uses it.
    pub(super) still_used: &'a dyn Fn(&str) -> Option<String>,
}

/// A step as shell text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rendered {
    /// The commands that matter to a reader.
    pub(super) commands: Vec<String>,
    /// What is run.
    pub(super) script: String,
}

/// Asks the system to reboot.
pub(super) fn reboot(platform: Option<Platform>) -> Rendered {
    match platform {
        Some(Platform::Windows) => windows::reboot(),
        _ => command::reboot(),
    }
}

/// The script of an action on this host; none where the facts name nothing to act on.
///
/// # Errors
/// Why it must not or cannot be planned on this host, in words.
pub(super) fn render(action: &Action, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    match context.facts.platform {
        Some(Platform::Windows) => return windows::render(action, context),
        Some(Platform::Macos) => return macos::render(action, context),
        Some(Platform::Linux) | None => {}
    }
    match action {
        Action::StopService { name } => service::stop(service_name(name), context),
        Action::DeleteService { name } => service::delete(service_name(name), context),
        Action::RemovePackage { names, purge } => package::remove(names, *purge, context),
        Action::KillProcess { exe } => process::kill(exe, context),
        Action::RemovePath { path } => path::remove(path, context),
        Action::RemoveUser { name } => account::remove_user(name, context),
        Action::RemoveGroup { name } => account::remove_group(name, context),
        Action::RemoveCertificate { subject } => trust::remove(subject, context),
        Action::RemoveScheduledTask { name } => task::remove(name, context),
        Action::Run { command, stdin, .. } => Ok(Some(command::run(command, stdin.is_some()))),
        Action::Reboot { .. } => Ok(Some(command::reboot())),
        Action::KillImage { .. } => Err("a process is killed by its `exe` here, not by a name".to_owned()),
        Action::UninstallProgram { .. } | Action::DeleteRegistry { .. } | Action::ForgetReceipt { .. } => {
            Err(not_here(action, "Linux"))
        }
        Action::Manual { .. } | Action::WaitFor { .. } | Action::Require { .. } => Ok(None),
    }
}

/// Why a step cannot be planned where its thing does not exist.
fn not_here(action: &Action, platform: &str) -> String {
    format!(
        "`{}` is no step of {platform}: say `when`, or give that platform a product of its own",
        kind(action)
    )
}

/// The step's word in the playbook.
pub(super) fn kind(action: &Action) -> &'static str {
    match action {
        Action::StopService { .. } => "stop_service",
        Action::DeleteService { .. } => "delete_service",
        Action::RemovePackage { .. } => "remove_package",
        Action::KillProcess { .. } | Action::KillImage { .. } => "kill_process",
        Action::UninstallProgram { .. } => "uninstall_program",
        Action::DeleteRegistry { .. } => "delete_registry",
        Action::ForgetReceipt { .. } => "forget_receipt",
        Action::RemovePath { .. } => "remove_path",
        Action::RemoveUser { .. } => "remove_user",
        Action::RemoveGroup { .. } => "remove_group",
        Action::RemoveCertificate { .. } => "remove_certificate",
        Action::RemoveScheduledTask { .. } => "remove_scheduled_task",
        Action::Run { .. } => "run",
        Action::Manual { .. } => "manual",
        Action::WaitFor { .. } => "wait_for",
        Action::Require { .. } => "require",
        Action::Reboot { .. } => super::PlannedStep::REBOOT,
    }
}

/// The step in words.
pub(super) fn summary(action: &Action) -> String {
    match action {
        Action::StopService { name } => format!("stop service {}", service_name(name)),
        Action::DeleteService { name } => format!("stop and delete service {}", service_name(name)),
        Action::RemovePackage { names, purge } => {
            let list: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
            let word = if list.len() == 1 { "package" } else { "packages" };
            let rest = if *purge { " with its configuration" } else { "" };
            format!("remove {word} {}{rest}", list.join(", "))
        }
        Action::KillProcess { exe } => format!("kill processes of {exe}"),
        Action::KillImage { name } => format!("kill processes called {name}"),
        Action::UninstallProgram { name, publisher, product_code, .. } => {
            let signs = [
                name.as_ref().map(ToString::to_string),
                publisher.as_ref().map(|publisher| format!("of {publisher}")),
                product_code.clone(),
            ];
            format!("uninstall {}", signs.into_iter().flatten().collect::<Vec<_>>().join(" "))
        }
        Action::DeleteRegistry { key, value: None } => format!("delete registry key {key}"),
        Action::DeleteRegistry { key, value: Some(value) } => format!("delete {value} of registry key {key}"),
        Action::ForgetReceipt { id } => format!("forget installer receipts {id}"),
        Action::RemovePath { path } => format!("delete {path}"),
        Action::RemoveUser { name } => format!("delete user {name}"),
        Action::RemoveGroup { name } => format!("delete group {name}"),
        Action::RemoveCertificate { subject } => format!("distrust certificates matching `{}`", subject.0),
        Action::RemoveScheduledTask { name } => format!("delete scheduled task {name}"),
        Action::Run { command, .. } => {
            let mut lines = command.lines().map(str::trim).filter(|line| !line.is_empty());
            let first = lines.next().unwrap_or_default();
            if lines.next().is_some() { format!("run {first} …") } else { format!("run {first}") }
        }
        Action::Manual { .. } => "a person must act".to_owned(),
        Action::WaitFor { rule } => format!("wait until {}", super::shown::rule(rule)),
        Action::Require { rule, .. } => format!("go on only if {}", super::shown::rule(rule)),
        Action::Reboot { reason: Some(reason) } => format!("reboot the host: {reason}"),
        Action::Reboot { reason: None } => "reboot the host".to_owned(),
    }
}

/// The whole script for the lines of a step's body. The body runs in a subshell with its input closed,
/// and what it exits with is the script's status. A script that was cut off defines nothing and runs
/// nothing.
fn script(body: &str) -> String {
    let mut text = String::from(
        "LC_ALL=C\n\
         PATH=\"${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin\"\n\
         export LC_ALL PATH\n\
         uproot_step() (\n",
    );
    for line in body.lines() {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(")\nuproot_step </dev/null\n");
    text
}

/// Why nothing can be done about things that the facts do not name: a listing that is not complete.
/// None where it is.
fn cannot_tell<T>(what: &str, listing: &Listing<T>) -> Option<String> {
    listing.gaps.first().map(|gap| format!("it cannot be told {what}: {}", gap.reason))
}

/// What the host answered for a path or registry key that a step names.
fn listed<'f, T>(
    pattern: &Pattern,
    listings: &'f BTreeMap<String, Listing<T>>,
) -> Result<&'f Listing<T>, String> {
    let listing = listings.get(pattern.as_str());
    listing.ok_or_else(|| format!("it cannot be told what is at `{pattern}`: this was not asked"))
}

/// What is planned where the answer names nothing there.
fn nothing_at<T, R>(pattern: &Pattern, listing: &Listing<T>) -> Result<Option<R>, String> {
    cannot_tell(&format!("what is at `{pattern}`"), listing).map_or(Ok(None), Err)
}

/// A host's string as it stands in a reason: bounded, so that a host cannot fill the plan.
fn bounded(text: &str) -> String {
    if text.chars().count() <= 120 {
        text.to_owned()
    } else {
        text.chars().take(119).chain(['…']).collect()
    }
}

/// Shell functions: whether a package owns a file, under any of the names that a merged `/usr` gives
/// it (where that cannot be told, it does), and deleting a file that none owns.
const OWNED: &str = r#"  owned() {
    for spelling in "$1" "${1#/usr}" "/usr$1"; do
      if command -v dpkg-query >/dev/null 2>&1; then
        dpkg-query -S "$spelling" >/dev/null 2>&1
        [ "$?" -eq 1 ] || return 0
      fi
      if command -v rpm >/dev/null 2>&1; then
        said=$(rpm -qf "$spelling" 2>&1) && return 0
        case $said in *'is not owned'* | *'No such file'*) ;; *) return 0 ;; esac
      fi
    done
    return 1
  }
  unlink_own() {
    [ -e "$1" ] || [ -L "$1" ] || return 0
    if owned "$1"; then
      printf 'uproot: %s belongs to a package, and goes only with that\n' "$1" >&2
      return 1
    fi
    rm -f -- "$1"
  }
"#;

/// A shell function that ends a command a little before the step's own limit, where the host has the
/// means: the status then still comes.
fn limited(timeout: u64) -> String {
    let seconds = (timeout - timeout / 10).max(1);
    format!(
        "  limited() {{\n    if timeout 5 true 2>/dev/null; then timeout {seconds} \"$@\"; else \"$@\"; fi\n  }}\n"
    )
}
