//! `uninstall_program`: each program by its own entry on the host.
//!
//! Windows Installer: <https://learn.microsoft.com/windows/win32/msi/command-line-options>; its exit codes are
//! explained where they are judged. `/norestart REBOOT=ReallySuppress`: nothing but the policy reboots a host.
//! The log is the one without properties (`/liwe`), in the step's private folder; it is printed where the
//! installer fails, and deleted.

use super::{batch, is_plain};
use crate::facts::Program;
use crate::model::SecretUse;
use crate::plan::programs::{Meant, meant, words};
use crate::plan::render::{Context, Rendered, bounded, cannot_tell};
use crate::playbook::Action;
use std::collections::BTreeMap;

/// Exit codes that are accepted where the playbook says nothing: done, and not installed.
const DONE: [i32; 2] = [0, 1605];
/// Exit codes that mean "done, and a reboot is needed" where the playbook says nothing.
const REBOOT: [i32; 2] = [3010, 1641];
/// Another installation runs: it is waited for.
const BUSY: i32 = 1618;

/// Exit codes of an `uninstall_program`.
pub(super) struct Codes {
    pub(super) accept: Vec<i32>,
    pub(super) reboot: Vec<i32>,
    /// Whether another installation is waited for.
    waits: bool,
}

/// The codes by which a step's end is judged, with those that are meant where none are given.
pub(super) fn codes(accept: &[i32], reboot: &[i32]) -> Codes {
    let or = |given: &[i32], usual: &[i32]| if given.is_empty() { usual.to_vec() } else { given.to_vec() };
    let (accept, reboot) = (or(accept, &DONE), or(reboot, &REBOOT));
    let waits = !accept.contains(&BUSY) && !reboot.contains(&BUSY);
    Codes { accept, reboot, waits }
}

/// How one program is uninstalled.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// By Windows Installer, with its product code.
    Installer(String),
    /// By a command line of its own.
    Own(String),
}

pub(super) fn uninstall(action: &Action, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    let Action::UninstallProgram { properties, secrets, arguments, accept, reboot_codes, .. } = action else {
        return Ok(None);
    };
    let Meant { machine, unsure, .. } = meant(action, context.facts);
    if let Some(program) = unsure.first() {
        return Err(format!(
            "it cannot be told whether `{}` ({}) is one of the programs",
            bounded(&words(program)),
            bounded(&program.key)
        ));
    }
    if machine.is_empty() {
        return cannot_tell("which programs are installed", &context.facts.programs).map_or(Ok(None), Err);
    }
    let mut ways: Vec<(String, Way)> = Vec::new();
    for program in machine {
        let way = way(program, arguments.as_deref())?;
        // A product of Windows Installer may have a second entry of its own making.
        if !ways.iter().any(|(_, known)| *known == way) {
            ways.push((shown(program), way));
        }
    }
    let more: String = properties.iter().map(|(name, value)| format!(" {name}=\"{value}\"")).collect();
    let codes = codes(accept, reboot_codes);
    let mut commands = Vec::new();
    let mut lines = vec!["set \"UP_CODE=0\"".to_owned(), "set \"UP_LOG=%~dpn0.log\"".to_owned()];
    lines.extend(gather(secrets));
    for (number, (name, way)) in (1..).zip(&ways) {
        let command = match way {
            Way::Installer(code) => {
                let given: String =
                    secrets.iter().map(|(property, of)| format!(" {property}=<{}>", of.name)).collect();
                let base = format!("msiexec /x {code} /qn /norestart REBOOT=ReallySuppress{more}");
                commands.push(format!("{base}{given}"));
                format!("{base}!UP_GIVEN! /liwe \"!UP_LOG!\"")
            }
            Way::Own(command) => {
                commands.push(command.clone());
                command.clone()
            }
        };
        lines.push(format!("echo uproot: uninstalls {name}"));
        // One program is tried again, not those before it: what they said would be forgotten.
        lines.push(format!(":try{number}"));
        lines.push(format!("{command} <nul"));
        lines.push("set \"UP_THIS=!errorlevel!\"".to_owned());
        if codes.waits {
            lines.push(format!("if not \"!UP_THIS!\"==\"{BUSY}\" goto judge{number}"));
            lines.push("set /a UP_NAPS+=1".to_owned());
            lines.push(format!("if !UP_NAPS! geq {} goto judge{number}", (context.timeout / 10).max(1)));
            lines.push("ping -n 6 127.0.0.1 <nul >nul".to_owned());
            lines.push(format!("goto try{number}"));
            lines.push(format!(":judge{number}"));
        }
        for code in &codes.reboot {
            lines.push(format!("if \"!UP_THIS!\"==\"{code}\" goto reboot{number}"));
        }
        for code in &codes.accept {
            lines.push(format!("if \"!UP_THIS!\"==\"{code}\" goto done{number}"));
        }
        lines.push("goto failed".to_owned());
        lines.push(format!(":reboot{number}"));
        lines.push("set \"UP_REBOOT=!UP_THIS!\"".to_owned());
        lines.push(format!(":done{number}"));
        lines.push("set \"UP_CODE=!UP_THIS!\"".to_owned());
        lines.push("if exist \"!UP_LOG!\" del /f /q \"!UP_LOG!\" <nul".to_owned());
    }
    lines.extend(
        [
            "if defined UP_REBOOT exit /b !UP_REBOOT!",
            "exit /b !UP_CODE!",
            ":failed",
            "if exist \"!UP_LOG!\" type \"!UP_LOG!\" <nul",
            "if exist \"!UP_LOG!\" del /f /q \"!UP_LOG!\" <nul",
            "exit /b !UP_THIS!",
        ]
        .map(str::to_owned),
    );
    // A variable of the host's own would be taken for one of these.
    lines.insert(0, "set \"UP_REBOOT=\"".to_owned());
    lines.insert(1, "set /a UP_NAPS=0".to_owned());
    Ok(Some(Rendered { commands, script: batch(lines) }))
}

/// The lines that put the secrets together as properties, one without a value left out. Expanded late, nothing in
/// them is read by `cmd`.
fn gather(secrets: &BTreeMap<String, SecretUse>) -> Vec<String> {
    let mut lines = vec!["set \"UP_GIVEN=\"".to_owned()];
    for property in secrets.keys() {
        lines.push(format!("if defined {property} set \"UP_GIVEN=!UP_GIVEN! {property}=\"!{property}!\"\""));
        lines.push(format!("set \"{property}=\""));
    }
    lines
}

/// A program as it stands in an `echo`.
fn shown(program: &Program) -> String {
    [words(program), program.key.clone()]
        .into_iter()
        .find(|text| is_plain(text) && text.len() <= 120)
        .unwrap_or_else(|| "a program".to_owned())
}

fn way(program: &Program, arguments: Option<&str>) -> Result<Way, String> {
    let uninstall = program.uninstall.as_deref().unwrap_or_default();
    let by_installer = is_installer(uninstall);
    if let Some(code) = product_code(&program.key).filter(|_| by_installer || uninstall.is_empty()) {
        return Ok(Way::Installer(code));
    }
    if by_installer {
        let code = uninstall.find('{').and_then(|at| uninstall.get(at..at + 38)).and_then(product_code);
        return code.map(Way::Installer).ok_or_else(|| {
            let shown = bounded(uninstall);
            format!("the uninstall command of `{}` has no product code: {shown}", bounded(&words(program)))
        });
    }
    let command = match (program.quiet_uninstall.as_deref(), arguments) {
        (Some(quiet), _) if !quiet.trim().is_empty() => quiet.trim().to_owned(),
        (_, Some(arguments)) if !uninstall.trim().is_empty() => format!("{} {arguments}", uninstall.trim()),
        _ => {
            return Err(format!(
                "`{}` tells no quiet uninstall command: give `arguments` that make its own one quiet",
                bounded(&words(program))
            ));
        }
    };
    is_command(&command).then_some(Way::Own(command.clone())).ok_or_else(|| {
        format!(
            "the uninstall command of `{}` is not one program of a drive with plain arguments: {}",
            bounded(&words(program)),
            bounded(&command)
        )
    })
}

/// Whether a command line runs Windows Installer.
fn is_installer(command: &str) -> bool {
    let first = command.trim().trim_start_matches('"').split(['"', ' ']).next().unwrap_or_default();
    let name = first.rsplit('\\').next().unwrap_or_default().to_ascii_lowercase();
    name == "msiexec" || name == "msiexec.exe"
}

/// A product code as Windows Installer writes it.
fn product_code(text: &str) -> Option<String> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    (inner.len() == 36)
        .then(|| uuid::Uuid::try_parse(inner).ok())
        .flatten()
        .map(|code| format!("{{{code}}}").to_uppercase())
}

/// Whether a host's command line is one executable of a drive, by its whole path, with arguments that `cmd`
/// passes on as they are.
fn is_command(command: &str) -> bool {
    let (program, arguments) = match command.strip_prefix('"') {
        Some(rest) => match rest.split_once('"') {
            Some(parts) => parts,
            None => return false,
        },
        None => command.split_once(' ').unwrap_or((command, "")),
    };
    let mut start = program.chars();
    let on_drive = start.next().is_some_and(|c| c.is_ascii_alphabetic()) && start.as_str().starts_with(":\\");
    let quotes = arguments.matches('"').count();
    on_drive
        && is_plain(program)
        && program.to_ascii_lowercase().ends_with(".exe")
        && !program.contains("\\..")
        && quotes % 2 == 0
        && arguments.split('"').all(|part| part.is_empty() || is_plain(part))
        && command.len() <= 1024
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Facts;
    use crate::model::Platform;
    use crate::model::SecretEncoding;
    use crate::plan::testing::{clean_facts, complete, pattern, product};

    const CODE: &str = "{9A017278-F7F4-4DF9-A482-0B97B70DD7ED}";

    fn entry(key: &str, name: &str, uninstall: Option<&str>, quiet: Option<&str>) -> Program {
        Program {
            hive: "HKLM".into(),
            key: key.into(),
            name: Some(name.into()),
            publisher: Some("AO Kaspersky Lab".into()),
            version: Some("12.3".into()),
            uninstall: uninstall.map(Into::into),
            quiet_uninstall: quiet.map(Into::into),
        }
    }

    fn host(programs: Vec<Program>) -> Facts {
        let mut facts = clean_facts("w1");
        facts.platform = Some(Platform::Windows);
        facts.programs = complete(programs);
        facts.user_programs = complete(Vec::new());
        facts
    }

    fn action(arguments: Option<&str>) -> Action {
        let secret = |name: &str, encoding| SecretUse { name: name.to_owned(), encoding };
        Action::UninstallProgram {
            name: Some(pattern("Kaspersky Endpoint Security*")),
            publisher: None,
            product_code: None,
            properties: [("KLLOGIN".to_owned(), "KLAdmin".to_owned())].into(),
            secrets: [("KLPASSWD".to_owned(), secret("kes", SecretEncoding::Plain))].into(),
            arguments: arguments.map(Into::into),
            accept: Vec::new(),
            reboot_codes: Vec::new(),
            blocked_if: None,
        }
    }

    fn rendered(action: &Action, facts: &Facts) -> Result<Option<Rendered>, String> {
        let product = product("kes", Vec::new());
        uninstall(action, &Context { facts, product: &product, timeout: 600, still_used: &|_| None })
    }

    #[test]
    fn a_product_of_windows_installer_goes_by_the_code_of_its_entry() {
        let msi = format!("MsiExec.exe /X{CODE}");
        let own = format!("MsiExec.exe /I{CODE} REMOVE=ALL");
        let facts = host(vec![
            entry(CODE, "Kaspersky Endpoint Security for Windows", Some(&msi), None),
            entry(&format!("InstallWIX_{CODE}"), "Kaspersky Endpoint Security for Windows", Some(&own), None),
            entry("Other", "Another product", None, None),
        ]);
        let Rendered { commands, script } = rendered(&action(None), &facts).unwrap().unwrap();
        let expected = format!(
            "msiexec /x {CODE} /qn /norestart REBOOT=ReallySuppress KLLOGIN=\"KLAdmin\" KLPASSWD=<kes>"
        );
        assert_eq!(commands, [expected], "once, however many entries it has");
        assert!(
            script.contains("if defined KLPASSWD set \"UP_GIVEN=!UP_GIVEN! KLPASSWD=\"!KLPASSWD!\"\"\n"),
            "{script}"
        );
        assert!(script.is_ascii());
    }

    #[test]
    fn another_installation_is_waited_for_by_the_program_that_met_it() {
        let facts = host(vec![entry(CODE, "Kaspersky Endpoint Security for Windows", None, None)]);
        let script = rendered(&action(None), &facts).unwrap().unwrap().script;
        let at = |text: &str| script.find(text).unwrap_or_else(|| panic!("{text}: {script}"));
        assert!(at(":try1\n") < at("msiexec /x") && at("msiexec /x") < at("==\"1618\" goto judge1"));
        assert!(at("goto try1\n") < at(":judge1\n") && at(":judge1\n") < at("goto reboot1"));
    }

    #[test]
    fn what_is_not_of_windows_installer_goes_by_its_quiet_command() {
        let exe = r#""C:\Program Files (x86)\Kaspersky Lab\uninst.exe" /S"#;
        let quiet = host(vec![entry("kes", "Kaspersky Endpoint Security", Some("x"), Some(exe))]);
        assert_eq!(rendered(&action(None), &quiet).unwrap().unwrap().commands, [exe]);
        let loud = r#""C:\Program Files\Kaspersky Lab\uninst.exe""#;
        let facts = host(vec![entry(CODE, "Kaspersky Endpoint Security", Some(loud), None)]);
        assert!(rendered(&action(None), &facts).unwrap_err().contains("give `arguments`"));
        assert_eq!(rendered(&action(Some("/S")), &facts).unwrap().unwrap().commands, [format!("{loud} /S")]);
    }

    #[test]
    fn a_command_that_cmd_would_read_otherwise_is_refused() {
        for bad in [
            "uninst.exe /S",
            r"C:\x.exe & del C:\y",
            r"C:\x.bat",
            r"\\server\share\x.exe",
            r#""C:\x.exe"#,
            r"C:\%TEMP%\x.exe",
            r"C:\a\..\x.exe",
            "C:\\x.exe \u{e4}",
        ] {
            assert!(!is_command(bad), "{bad}");
            let facts = host(vec![entry("kes", "Kaspersky Endpoint Security", None, Some(bad))]);
            assert!(rendered(&action(None), &facts).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_that_lost_characters_is_not_guessed_at() {
        let facts = host(vec![entry(CODE, "Kaspersky Endpoint Sec\u{fffd}rity", None, None)]);
        assert_eq!(rendered(&action(None), &facts), Ok(None), "`?` was no ASCII letter");
        let facts = host(vec![entry(CODE, "\u{fffd}", None, None)]);
        let mut other = action(None);
        if let Action::UninstallProgram { name, .. } = &mut other {
            *name = Some(pattern("*Касперск*"));
        }
        assert!(rendered(&other, &facts).unwrap_err().contains("cannot be told"));
    }

    #[test]
    fn the_usual_codes_hold_where_none_are_given() {
        let usual = codes(&[], &[]);
        assert_eq!((usual.accept, usual.reboot, usual.waits), (vec![0, 1605], vec![3010, 1641], true));
        let given = codes(&[0, 1618], &[1]);
        assert_eq!((given.accept, given.reboot, given.waits), (vec![0, 1618], vec![1], false));
    }
}
