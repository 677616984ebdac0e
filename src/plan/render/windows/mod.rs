//! Steps → batch files of Windows' `cmd.exe`.
//!
//! They run as the system, by a scheduled task, with nothing on their standard input. Only ASCII can be brought
//! into a batch file unharmed, and what `cmd` would read as its own stands in one only where the playbook says so:
//! names that a host told are checked by `is_plain` first. Variables are expanded late (`!NAME!`), since `%NAME%` is
//! read by `cmd` with all that is in it; `run` alone, whose text is the playbook's, goes without that.
//! A batch file ends with `exit /b` and its code.

mod at_start;
mod certificate;
mod filters;
mod path;
mod process;
mod registry;
mod service;
mod task;
#[cfg(test)]
mod tests;
mod uninstall;

use super::{Context, Rendered, kind, not_here};
use crate::plan::effect::service_name;
use crate::playbook::{Action, TextPattern};

/// "Done, and a reboot is needed", as Windows Installer says it; steps of our own say it likewise.
const REBOOT_NEEDED: i32 = 3010;

pub(super) fn render(action: &Action, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    match action {
        Action::UninstallProgram { .. } => uninstall::uninstall(action, context),
        Action::StopService { name } => service::stop(service_name(name), context),
        Action::DeleteService { name } => service::delete(service_name(name), context),
        Action::KillImage { name } => process::kill(name, context),
        Action::RemovePath { path } => path::remove(path, context),
        Action::DeleteRegistry { key, value } => registry::delete(key, value.as_deref(), context),
        Action::RemoveCertificate { subject } => certificate::remove(subject, context),
        Action::RemoveScheduledTask { name } => task::remove(name, context),
        Action::Run { command, .. } => Ok(Some(run(command))),
        Action::Reboot { .. } => Ok(Some(reboot())),
        Action::KillProcess { .. } => {
            Err("Windows does not list where a process's file is: give its `name` instead of `exe`"
                .to_owned())
        }
        Action::RemovePackage { .. } | Action::ForgetReceipt { .. } => Err(not_here(action, "Windows")),
        Action::Manual { .. } | Action::WaitFor { .. } | Action::Require { .. } => Ok(None),
        Action::RemoveUser { .. } | Action::RemoveGroup { .. } => {
            Err(format!("this version does not do `{}` on Windows", kind(action)))
        }
    }
}

/// How the end of a step is judged, besides what a `run` of the playbook says for itself.
#[derive(Debug, Default, PartialEq)]
pub(in crate::plan) struct Judged {
    /// Codes that are accepted; empty: 0 alone.
    pub(in crate::plan) accept: Vec<i32>,
    /// Codes which say that a reboot is needed.
    pub(in crate::plan) reboot_codes: Vec<i32>,
    /// Output by which a product refuses: the host ends `blocked`, and nothing is forced.
    pub(in crate::plan) blocked_if: Option<TextPattern>,
}

/// How the script that `render` makes of the action is judged.
pub(in crate::plan) fn judged(action: &Action) -> Judged {
    let refused = |texts: &[String]| {
        let texts: Vec<String> = texts.iter().map(|text| regex::escape(text)).collect();
        Some(TextPattern(texts.join("|")))
    };
    let later = || vec![REBOOT_NEEDED];
    match action {
        Action::UninstallProgram { accept, reboot_codes, blocked_if, .. } => {
            let codes = uninstall::codes(accept, reboot_codes);
            let blocked_if = blocked_if.as_ref().map(|pattern| TextPattern(pattern.0.clone()));
            Judged { accept: codes.accept, reboot_codes: codes.reboot, blocked_if }
        }
        Action::StopService { name } => Judged {
            blocked_if: refused(&[service::refuses_to_stop(service_name(name))]),
            ..Judged::default()
        },
        Action::DeleteService { name } => {
            let name = service_name(name);
            let texts = [service::refuses_to_stop(name), service::refuses_deletion(name)];
            Judged { reboot_codes: later(), blocked_if: refused(&texts), ..Judged::default() }
        }
        Action::KillImage { name } => {
            Judged { blocked_if: refused(&[process::refuses_to_end(name)]), ..Judged::default() }
        }
        Action::RemovePath { .. } => Judged { reboot_codes: later(), ..Judged::default() },
        _ => Judged::default(),
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

/// A batch file whose lines are those of the texts.
fn batch_of(parts: &[&str]) -> String {
    batch(parts.iter().flat_map(|part| part.lines()).filter(|line| !line.is_empty()))
}

/// Whether a host's string can stand between quotes in a batch file as it is.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 1024
        && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic() && !b"\"%^&|<>!".contains(&byte))
}

/// Whether a text can also stand in a command within `for /f`, in a mask of `dir`, and bare in an `echo`.
fn is_name(text: &str) -> bool {
    is_plain(text)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" ._-()+,@#$[]{}~=;".contains(&byte))
}

#[cfg(test)]
mod plainness {
    use super::*;

    #[test]
    fn what_cmd_would_read_as_its_own_is_no_plain_text() {
        for good in [r"C:\Program Files (x86)\Kaspersky Lab\KES.21.19", "a,b;c=d"] {
            assert!(is_plain(good), "{good}");
        }
        for bad in ["", "a&b", "%PATH%", "a\"b", "a!b", "a^b", "a|b", "a>b", "a\nb", "\u{e4}", "a\tb"] {
            assert!(!is_plain(bad), "{bad}");
            assert!(!is_name(bad), "{bad}");
        }
        for bad in ["a'b", "a*", "a?", "a/b", r"a\b", "a:b", "a`b"] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_refusal_is_told_by_exactly_its_own_text() {
        let judged = judged(&Action::StopService { name: "AVP.KES.21".to_owned() });
        let pattern = judged.blocked_if.unwrap().compile().unwrap();
        assert!(pattern.is_match("uproot: service AVP.KES.21 refuses to stop"));
        assert!(!pattern.is_match("uproot: service AVPxKES.21 refuses to stop"));
        assert_eq!(judged.reboot_codes, [0; 0]);
    }
}
