//! `kill_process: { name: … }`: `taskkill` by the name of the file.
//!
//! `/f`, since a program without a window of its own does not hear anything milder. Its codes: 0 all were ended,
//! 128 there was none, 1 one could not be ended (<https://learn.microsoft.com/windows-server/administration/windows-commands/taskkill>
//! names none of them; they are what it does).

use super::{batch_of, is_name};
use crate::plan::render::{Context, Rendered, bounded, cannot_tell};

/// What the script says of a process that does not let itself be ended.
pub(super) fn refuses_to_end(name: &str) -> String {
    format!("uproot: process {name} refuses to end")
}

pub(super) fn kill(name: &str, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    if !is_name(name) {
        return Err(format!("`{}` cannot be the name of a program's file", bounded(name)));
    }
    let processes = &context.facts.processes;
    if !processes.items.iter().any(|process| process.name.eq_ignore_ascii_case(name)) {
        return cannot_tell(&format!("whether `{name}` runs"), processes).map_or(Ok(None), Err);
    }
    let refusal = refuses_to_end(name);
    let body = format!(
        r#"set /a UP_TRIES=0
:again
taskkill /f /im "{name}" <nul
set "UP_CODE=!errorlevel!"
if "!UP_CODE!"=="128" exit /b 0
set /a UP_TRIES+=1
if !UP_TRIES! geq 10 goto over
ping -n 2 127.0.0.1 <nul >nul
goto again
:over
if "!UP_CODE!"=="0" echo uproot: process {name} is started again and again
if "!UP_CODE!"=="0" exit /b 1
if "!UP_CODE!"=="1" echo {refusal}
exit /b !UP_CODE!
"#
    );
    let commands = vec![format!("taskkill /f /im \"{name}\"")];
    Ok(Some(Rendered { commands, script: batch_of(&[&body]) }))
}
