//! `remove_scheduled_task`: `schtasks /delete` by the task's whole path. Those of Windows itself stay.
//! <https://learn.microsoft.com/windows-server/administration/windows-commands/schtasks-delete>

use super::{batch_of, is_name};
use crate::detect::tasks_named;
use crate::plan::render::{Context, Rendered, bounded, cannot_tell};
use crate::playbook::Pattern;

pub(super) fn remove(name: &Pattern, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    let mut commands = Vec::new();
    let mut body = "set \"UP_CODE=0\"\n".to_owned();
    for (task, truth) in tasks_named(name, context.facts) {
        let path = task.name.as_str();
        let is_path = path.strip_prefix('\\').is_some_and(|rest| rest.split('\\').all(is_name));
        if !truth.is_true() || !is_path || path.len() > 255 {
            return Err(format!(
                "the host tells of a scheduled task `{}`, whose name cannot be given",
                bounded(path)
            ));
        }
        if path.to_ascii_lowercase().starts_with(r"\microsoft\") {
            return Err(format!("`{}` is a task of Windows itself", bounded(path)));
        }
        if path.to_ascii_lowercase().starts_with(r"\uproot") {
            return Err(format!("`{}` is a task of uproot's", bounded(path)));
        }
        commands.push(format!("schtasks /delete /tn \"{path}\" /f"));
        body.push_str(&format!("call :delete \"{path}\"\n"));
    }
    if commands.is_empty() {
        let what = format!("whether there is a scheduled task `{name}`");
        return cannot_tell(&what, &context.facts.scheduled_tasks).map_or(Ok(None), Err);
    }
    body.push_str(
        r#"exit /b !UP_CODE!
:delete
schtasks /query /tn "%~1" <nul >nul 2>nul
if errorlevel 1 exit /b 0
schtasks /delete /tn "%~1" /f <nul
if not errorlevel 1 exit /b 0
echo uproot: the task %~1 cannot be deleted
set "UP_CODE=1"
exit /b 0
"#,
    );
    Ok(Some(Rendered { commands, script: batch_of(&[&body]) }))
}
