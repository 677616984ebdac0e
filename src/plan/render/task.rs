//! `remove_scheduled_task`: a cron file of its own, or a timer.

use super::quote::{is_exact_path, is_name, words};
use super::{Context, OWNED, Rendered, bounded, cannot_tell, script};
use crate::facts::ScheduledTask;
use crate::playbook::Pattern;
use std::collections::BTreeSet;

/// Directories whose files each are one task. Others are shared by tasks.
const CRON_DIRECTORIES: [&str; 5] =
    ["/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly"];

pub(super) fn remove(name: &Pattern, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    let tasks = &context.facts.scheduled_tasks;
    let found: BTreeSet<&str> =
        tasks.items.iter().filter(|task| is_meant(name, task)).map(|task| task.name.as_str()).collect();
    if found.is_empty() {
        let what = format!("whether there is a scheduled task `{name}`");
        return cannot_tell(&what, tasks).map_or(Ok(None), Err);
    }
    let mut files: Vec<&str> = Vec::new();
    let mut timers: Vec<&str> = Vec::new();
    for task in found {
        if is_cron_file(task) {
            files.push(task);
        } else if task.ends_with(".timer") && is_name(task) {
            timers.push(task);
        } else {
            return Err(format!(
                "the scheduled task `{}` stands in a file that others share: remove its line by hand",
                bounded(task)
            ));
        }
    }
    Ok(Some(render(&files, &timers)))
}

/// A cron file goes by its path or its last component, a timer with or without `.timer`.
fn is_meant(name: &Pattern, task: &ScheduledTask) -> bool {
    let matcher = name.matcher();
    let last = task.name.rsplit_once('/').map(|(_, last)| last);
    let bare = task.name.strip_suffix(".timer");
    [Some(task.name.as_str()), last, bare].into_iter().flatten().any(|text| matcher.matches(text).is_true())
}

fn is_cron_file(task: &str) -> bool {
    is_exact_path(task)
        && task.rsplit_once('/').is_some_and(|(directory, _)| CRON_DIRECTORIES.contains(&directory))
}

fn render(files: &[&str], timers: &[&str]) -> Rendered {
    let mut commands = Vec::new();
    let mut body = format!("{OWNED}  status=0\n");
    if !timers.is_empty() {
        let units = words(timers.iter().copied());
        commands.push(format!("systemctl disable --now {units}"));
        body.push_str(&format!("  systemctl disable --now {units} || exit\n"));
    }
    let units: Vec<String> = timers.iter().map(|timer| format!("/etc/systemd/system/{timer}")).collect();
    let all = words(files.iter().copied().chain(units.iter().map(String::as_str)));
    commands.push(format!("rm -f {all}"));
    body.push_str(&format!("  for file in {all}; do\n    unlink_own \"$file\" || status=1\n  done\n"));
    if !timers.is_empty() {
        commands.push("systemctl daemon-reload".to_owned());
        body.push_str("  systemctl daemon-reload || status=1\n");
    }
    body.push_str("  exit \"$status\"\n");
    Rendered { commands, script: script(&body) }
}
