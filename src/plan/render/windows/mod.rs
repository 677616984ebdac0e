//! Steps → batch files of Windows' `cmd.exe`.
//!
//! They run as the system, by a scheduled task, with nothing on their standard input. Only ASCII can be brought
//! into a batch file unharmed, and what `cmd` would read as its own stands in one only where the playbook says so:
//! names that a host told are checked by `is_plain` first. Variables are expanded late (`!NAME!`), since `%NAME%` is
//! read by `cmd` with all that is in it; `run` alone, whose text is the playbook's, goes without that.
//! A batch file ends with `exit /b` and its code.

mod uninstall;

pub(in crate::plan) use uninstall::codes;

use super::{Context, Rendered, kind, not_here};
use crate::playbook::Action;

pub(super) fn render(action: &Action, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    match action {
        Action::UninstallProgram { .. } => uninstall::uninstall(action, context),
        Action::Run { command, .. } => Ok(Some(run(command))),
        Action::Reboot { .. } => Ok(Some(reboot())),
        Action::RemovePackage { .. } | Action::ForgetReceipt { .. } | Action::KillProcess { .. } => {
            Err(not_here(action, "Windows"))
        }
        Action::Manual { .. }
        | Action::WaitFor { .. }
        | Action::Require { .. }
        | Action::Unsupported { .. } => Ok(None),
        _ => Err(format!("this version does not do `{}` on Windows", kind(action))),
    }
}

/// The playbook's own command, as the lines of a batch file.
fn run(command: &str) -> Rendered {
    let lines = || command.lines().map(str::trim_end).filter(|line| !line.is_empty());
    Rendered { commands: lines().map(str::to_owned).collect(), script: batch(lines()) }
}

/// Asks the system to reboot in a few seconds. What counts is a new boot.
pub(super) fn reboot() -> Rendered {
    let command = "shutdown /r /t 5";
    Rendered { commands: vec![command.to_owned()], script: batch([&format!("{command} <nul")]) }
}

/// The batch file of these lines.
fn batch(lines: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut text = String::from("@echo off\n");
    for line in lines {
        text.push_str(line.as_ref());
        text.push('\n');
    }
    text
}

/// Whether a host's string can stand between quotes in a batch file as it is.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 1024
        && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic() && !b"\"%^&|<>!".contains(&byte))
}
