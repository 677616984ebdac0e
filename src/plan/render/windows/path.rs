//! `remove_path`: exact paths only, checked when planned and again when it runs.
//!
//! Refused is what `playbook::windows_path_refusal` says, a path that another product still uses, and one that a link
//! leads to. A link itself is unlinked, never followed: `dir` tells what is one. While the script is in a directory,
//! nobody can rename that or what it stands in, so that what was looked at stays what is emptied.
//! What cannot be deleted is not forced: its deletion is scheduled for the next start. `cmd` cannot tell what is in use
//! from what is denied without reading messages in the host's language.

use super::{REBOOT_NEEDED, at_start, batch_of, is_name};
use crate::facts::PathEntry;
use crate::plan::render::quote::is_at_or_below;
use crate::plan::render::{Context, Rendered, bounded, listed, nothing_at};
use crate::playbook::{PathKind, Pattern, fold_path, windows_path_refusal};

/// More than this is no product's leavings but a pattern gone wrong.
const MOST_PATHS: usize = 200;

pub(super) fn remove(pattern: &Pattern, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    let Some(targets) = targets(pattern, context)? else { return Ok(None) };
    for target in &targets {
        if let Some((reason, _)) = windows_path_refusal(&Pattern::new(&target.path)) {
            return Err(reason);
        }
        if let Some(reason) = (context.still_used)(&target.path) {
            return Err(reason);
        }
    }
    let command = |target: &&PathEntry| match target.kind {
        PathKind::Directory => format!("rd /s /q \"{}\"", target.path),
        PathKind::Link => format!("rd or del \"{}\" (a link)", target.path),
        PathKind::File | PathKind::Other => format!("del /f /q /a \"{}\"", target.path),
    };
    let commands = targets.iter().map(command).collect();
    let paths: Vec<&str> = targets.iter().map(|target| target.path.as_str()).collect();
    Ok(Some(Rendered { commands, script: script(&paths) }))
}

/// What the facts know at the path, without what lies below another of them.
fn targets<'f>(pattern: &Pattern, context: &Context<'f>) -> Result<Option<Vec<&'f PathEntry>>, String> {
    let listing = listed(pattern, &context.facts.paths)?;
    if listing.items.is_empty() {
        return nothing_at(pattern, listing);
    }
    if let Some(strange) = listing.items.iter().find(|entry| !is_asked(&entry.path, pattern)) {
        return Err(format!(
            "the host tells of `{}` at `{pattern}`, which is no path that can be given to `cmd`",
            bounded(&strange.path)
        ));
    }
    let mut entries: Vec<&PathEntry> = listing.items.iter().collect();
    entries.sort_by_key(|entry| fold_path(&entry.path));
    let mut kept: Vec<&PathEntry> = Vec::new();
    for entry in entries {
        let is_in = |dir: &&PathEntry| {
            dir.kind == PathKind::Directory && is_at_or_below(&fold_path(&entry.path), &fold_path(&dir.path))
        };
        if !kept.iter().any(is_in) {
            kept.push(entry);
        }
    }
    if kept.len() > MOST_PATHS {
        return Err(format!("`{pattern}` matches {} paths, more than {MOST_PATHS}", kept.len()));
    }
    Ok(Some(kept))
}

/// Whether a path is exact, of a drive, and one that the pattern can mean; the pattern's beginning may stand for any
/// directory of the host.
fn is_asked(path: &str, pattern: &Pattern) -> bool {
    let Some((drive, rest)) = path.split_once('\\') else { return false };
    let is_drive =
        drive.len() == 2 && drive.ends_with(':') && drive.starts_with(|c: char| c.is_ascii_alphabetic());
    let parts: Vec<&str> = rest.split('\\').collect();
    // Windows drops a dot or a blank at the end of a name, and means another one then.
    let is_exact = |part: &&str| is_name(part) && !part.ends_with(['.', ' ']) && !part.starts_with(' ');
    if !is_drive || path.len() > 240 || !parts.iter().all(is_exact) {
        return false;
    }
    let folded = fold_path(pattern.as_str());
    let asked: Vec<&str> = folded.split('/').filter(|part| !part.is_empty()).collect();
    let Some((root, asked)) = asked.split_first() else { return false };
    let is_of_drive = !root.starts_with('%');
    if is_of_drive && (!root.eq_ignore_ascii_case(drive) || asked.len() != parts.len()) {
        return false;
    }
    asked.len() <= parts.len()
        && asked
            .iter()
            .rev()
            .zip(parts.iter().rev())
            .all(|(asked, part)| Pattern::new(*asked).matcher().matches(&part.to_lowercase()).is_true())
}

/// The directories above a path, below its drive, each with what it stands in.
fn ancestors(path: &str) -> Vec<(&str, &str)> {
    let cuts: Vec<usize> = path.match_indices('\\').map(|(at, _)| at).collect();
    cuts.windows(2)
        .filter_map(|pair| match pair {
            [from, to] => Some((path.get(..*from)?, path.get(from + 1..*to)?)),
            _ => None,
        })
        .collect()
}

fn script(paths: &[&str]) -> String {
    let mut main = "set \"UP_CODE=0\"\nset \"UP_LATER=\"\nset \"UP_XML=%~dpn0.xml\"\n".to_owned();
    let mut later = String::new();
    let mut entered = "";
    for (number, path) in (1..).zip(paths) {
        let Some((parent, last)) = path.rsplit_once('\\') else { continue };
        let ancestors = ancestors(path);
        if !entered.eq_ignore_ascii_case(parent) {
            main.push_str(&format!("call :enter \"{parent}\"\n"));
            for (directory, name) in &ancestors {
                main.push_str(&format!("call :link \"{directory}\" \"{name}\"\n"));
            }
            entered = parent;
        }
        let task = at_start::task_name(path);
        main.push_str(&format!("call :remove \"{parent}\" \"{last}\" \"{task}\"\n"));
        main.push_str(&format!("if defined UP_LEFT call :later{number}\n"));
        later.push_str(&at_start::subroutine(&format!("later{number}"), path, &ancestors));
    }
    main.push_str("cd /d \"!SystemRoot!\" <nul\n");
    main.push_str("if not \"!UP_CODE!\"==\"0\" exit /b !UP_CODE!\n");
    main.push_str(&format!("if defined UP_LATER exit /b {REBOOT_NEEDED}\nexit /b 0\n"));
    batch_of(&[&main, SUBROUTINES, &later])
}

/// `enter DIRECTORY`: goes there; `UP_GONE` if it is not there, `UP_WHY` if it cannot be entered.
/// `link DIRECTORY NAME`: `UP_WHY` if that is a link. `remove DIRECTORY NAME TASK`: deletes it, in the directory that
/// was entered; `UP_LEFT` if it is still there. `kind NAME`: what it is.
const SUBROUTINES: &str = r#":enter
set "UP_GONE="
set "UP_WHY="
cd /d "!SystemRoot!" <nul
if not exist "%~1\" set "UP_GONE=yes"
if defined UP_GONE exit /b 0
cd /d "%~1" <nul
if /i not "!cd!"=="%~1" set "UP_WHY=its directory cannot be entered"
exit /b 0
:link
if defined UP_GONE exit /b 0
for /f "delims=" %%l in ('dir /b /al "%~1\%~2*" ^<nul 2^>nul') do if /i "%%l"=="%~2" set "UP_WHY=%~1\%~2 is a link"
exit /b 0
:kind
set "UP_DIRECTORY="
set "UP_FILE="
set "UP_LINK="
for /f "delims=" %%l in ('dir /b /ad ".\%~1*" ^<nul 2^>nul') do if /i "%%l"=="%~1" set "UP_DIRECTORY=yes"
for /f "delims=" %%l in ('dir /b /a-d ".\%~1*" ^<nul 2^>nul') do if /i "%%l"=="%~1" set "UP_FILE=yes"
for /f "delims=" %%l in ('dir /b /al ".\%~1*" ^<nul 2^>nul') do if /i "%%l"=="%~1" set "UP_LINK=yes"
exit /b 0
:remove
set "UP_LEFT="
set "UP_SHARED="
if defined UP_GONE exit /b 0
if defined UP_WHY goto stays
for %%v in (ALLUSERSPROFILE ProgramData ProgramFiles ProgramW6432 CommonProgramFiles PUBLIC SystemRoot USERPROFILE) do call :shared %%v "%~1\%~2"
call :shared "ProgramFiles(x86)" "%~1\%~2"
call :shared "CommonProgramFiles(x86)" "%~1\%~2"
if defined UP_SHARED goto shares
set /a UP_TRIES=0
:again
call :kind "%~2"
if defined UP_DIRECTORY goto directory
if defined UP_FILE del /f /q /a ".\%~2" <nul
goto deleted
:directory
if defined UP_LINK rd ".\%~2" <nul
if not defined UP_LINK rd /s /q ".\%~2" <nul
:deleted
call :kind "%~2"
if not defined UP_DIRECTORY if not defined UP_FILE goto gone
set /a UP_TRIES+=1
if !UP_TRIES! geq 4 goto left
ping -n 3 127.0.0.1 <nul >nul
goto again
:gone
schtasks /delete /tn "%~3" /f <nul >nul 2>nul
exit /b 0
:left
if defined UP_LINK set "UP_WHY=it is a link that cannot be removed"
if defined UP_LINK goto stays
set "UP_LEFT=yes"
exit /b 0
:shares
set "UP_WHY=!UP_SHARED! leads there"
:stays
echo uproot: %~1\%~2 stays: !UP_WHY!
set "UP_CODE=1"
exit /b 0
:shared
if /i "!%~1!"=="%~2" set "UP_SHARED=%~1"
exit /b 0
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_names_no_other_path_than_the_pattern_means() {
        let pattern = Pattern::new(r"%ProgramFiles%\Kaspersky Lab\KES*");
        for good in [r"C:\Program Files\Kaspersky Lab\KES.21", r"d:\Apps\KASPERSKY LAB\kes"] {
            assert!(is_asked(good, &pattern), "{good}");
        }
        for bad in [
            r"C:\Windows\System32",
            r"C:\Kaspersky Lab\..\KES",
            r"C:\Program Files\Kaspersky Lab\KES.",
            r"C:\Program Files\Kaspersky Lab\KES & del",
            r"C:\Program Files\Kaspersky Lab\KES%x%",
            r"\\server\Kaspersky Lab\KES",
            "KES",
            "C:\\Program Files\\Kaspersky Lab\\KES\u{fffd}",
            r"C:\Program Files\\Kaspersky Lab\KES",
        ] {
            assert!(!is_asked(bad, &pattern), "{bad}");
        }
        let exact = Pattern::new(r"C:\Vendor\Suite");
        assert!(is_asked(r"c:\vendor\suite", &exact));
        assert!(!is_asked(r"D:\Vendor\Suite", &exact));
        assert!(!is_asked(r"C:\x\Vendor\Suite", &exact));
    }

    #[test]
    fn a_link_above_is_looked_for_in_each_directory() {
        assert_eq!(
            ancestors(r"C:\Program Files\Kaspersky Lab\KES"),
            [("C:", "Program Files"), (r"C:\Program Files", "Kaspersky Lab")]
        );
    }
}
