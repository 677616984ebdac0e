//! Deleting at the next start what is in use now: a scheduled task that runs once, as the system, when the host has
//! started; it deletes the one path and then itself, whatever came of that. All of it stands in the task, which only
//! administrators can change; no file of ours waits on the host.
//!
//! Schema: <https://learn.microsoft.com/windows/win32/taskschd/task-scheduler-schema>.

use super::super::quote::is_at_or_below;
use crate::model::sha256_hex;
use crate::playbook::fold_path;

/// The name of the path's task: the same for each step that schedules it.
pub(super) fn task_name(path: &str) -> String {
    let digest = sha256_hex(fold_path(path));
    format!("uproot-at-start#{}", digest.get(..16).unwrap_or_default())
}

/// The subroutine that registers the task for a path whose ancestors below the drive are given, each with the
/// directory that it stands in; the variable `UP_XML` is a file that it may write.
pub(super) fn subroutine(label: &str, path: &str, ancestors: &[(&str, &str)]) -> String {
    let name = task_name(path);
    let lines = [
        "<?xml version=\"1.0\"?>".to_owned(),
        "<Task version=\"1.2\" xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">".to_owned(),
        "<Triggers><BootTrigger><Enabled>true</Enabled></BootTrigger></Triggers>".to_owned(),
        "<Principals><Principal id=\"Author\"><UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel></Principal></Principals>".to_owned(),
        "<Settings><MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy><DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries><StopIfGoingOnBatteries>false</StopIfGoingOnBatteries><ExecutionTimeLimit>PT1H</ExecutionTimeLimit></Settings>".to_owned(),
        format!(
            "<Actions Context=\"Author\"><Exec><Command>cmd.exe</Command><Arguments>{}</Arguments></Exec></Actions>",
            arguments(path, ancestors, &name).replace('&', "&amp;")
        ),
        "</Task>".to_owned(),
    ];
    let mut text = format!(":{label}\n");
    for (number, line) in lines.iter().enumerate() {
        let to = if number == 0 { ">" } else { ">>" };
        text.push_str(&format!("{to}\"!UP_XML!\" echo {}\n", echoed(line)));
    }
    text.push_str(&format!(
        r#"schtasks /create /tn "{name}" /xml "!UP_XML!" /f <nul
set "UP_THIS=!errorlevel!"
del /f /q "!UP_XML!" <nul
if not "!UP_THIS!"=="0" echo uproot: {path} is in use, and its deletion at the next start cannot be scheduled
if not "!UP_THIS!"=="0" set "UP_CODE=1"
if "!UP_THIS!"=="0" echo uproot: {path} is in use: it is deleted at the next start
if "!UP_THIS!"=="0" set "UP_LATER=yes"
exit /b 0
"#
    ));
    text
}

/// What `cmd.exe` is given. Being in the directory keeps those above it from being renamed; a link that somebody put
/// on the way since, or in the place of the path itself, is never followed. Wine's `for /f` ends everything where a
/// command prints nothing.
fn arguments(path: &str, ancestors: &[(&str, &str)], name: &str) -> String {
    let parent = path.rsplit_once('\\').map_or(path, |(parent, _)| parent);
    let own = path.rsplit_once('\\').into_iter();
    let links: String = ancestors
        .iter()
        .copied()
        .filter(|(directory, last)| {
            is_at_or_below(&fold_path(parent), &fold_path(&format!("{directory}\\{last}")))
        })
        .chain(own)
        .map(|(directory, last)| {
            format!(
                "&(for /f \"delims=\" %l in ('dir /b /al \"{directory}\\{last}*\"^&echo :') do \
                 if /i \"%l\"==\"{last}\" set UP_LINK=yes)"
            )
        })
        .collect();
    format!(
        "/d /q /c \"set UP_LINK=&cd /d \"{parent}\"{links}\
         &(if not defined UP_LINK if exist \"{path}\\\" rd /s /q \"{path}\")\
         &(if not defined UP_LINK if not exist \"{path}\\\" if exist \"{path}\" del /f /q /a \"{path}\")\
         &schtasks /delete /tn \"{name}\" /f\""
    )
}

/// A text as `echo` in a batch file prints it: quotes tell `cmd` that nothing up to the next one is its own.
fn echoed(text: &str) -> String {
    let mut out = String::new();
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '%' => out.push('%'),
            '^' | '&' | '|' | '<' | '>' | '(' | ')' if !quoted => out.push('^'),
            _ => {}
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_deletes_one_path_and_itself() {
        let path = r"C:\Program Files\Kaspersky Lab\KES";
        let ancestors = [("C:", "Program Files"), (r"C:\Program Files", "Kaspersky Lab")];
        let name = task_name(path);
        assert_eq!(name, task_name(r"c:\program files\KASPERSKY LAB\kes"), "the same whatever its case");
        assert!(!name.starts_with("uproot#"), "or a release would take it for a dead run's");
        let line = arguments(path, &ancestors, &name);
        assert_eq!(line.matches("for /f").count(), 3, "{line}");
        assert_eq!(line.matches("rd /s /q").count(), 1, "{line}");
        assert!(line.ends_with(&format!("schtasks /delete /tn \"{name}\" /f\"")), "{line}");
        assert!(line.len() < 2000);
    }

    #[test]
    fn what_cmd_would_read_as_its_own_is_escaped_outside_of_quotes() {
        assert_eq!(echoed("<a b=\"x<y&z\">(1)&amp;%l"), "^<a b=\"x<y&z\"^>^(1^)^&amp;%%l");
    }
}
