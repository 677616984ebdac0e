//! `stop_service` and `delete_service`: jobs of launchd, by their label.
//!
//! A job of the system is unloaded from the domain `system`; an agent from the session of every user who is logged in,
//! for none of which the facts tell whether it runs there.

use super::{is_apples, owned};
use crate::facts::Service;
use crate::plan::render::quote::{is_exact_path, is_name, quote, words};
use crate::plan::render::{Context, Rendered, bounded, limited, script};

/// What the facts know of one job.
struct Job<'f> {
    label: &'f str,
    /// Whether it is, or may be, an agent of users' sessions.
    of_sessions: bool,
    /// Its property lists.
    files: Vec<&'f str>,
}

impl<'f> Job<'f> {
    fn of(label: &'f str, context: &Context<'f>) -> Result<Option<Self>, String> {
        if !is_name(label) || label.contains([':', '@', '+']) {
            return Err(format!("`{}` cannot be the label of a job", bounded(label)));
        }
        if is_apples(label) {
            return Err(format!("`{label}` is a job of Apple's"));
        }
        let services = &context.facts.services;
        let items: Vec<&Service> = services.items.iter().filter(|service| service.name == label).collect();
        // Where the host may have more jobs than it told, it is looked at again when the step runs.
        if items.is_empty() && services.is_complete() {
            return Ok(None);
        }
        let mut files: Vec<&str> =
            items.iter().filter_map(|service| service.file.as_deref()).filter(|file| is_list(file)).collect();
        files.sort_unstable();
        files.dedup();
        let of_sessions = !services.is_complete() || files.iter().any(|file| file.contains("/LaunchAgents/"));
        Ok(Some(Self { label, of_sessions, files }))
    }

    fn commands(&self) -> Vec<String> {
        let mut commands = vec![format!("launchctl bootout system/{}", self.label)];
        if self.of_sessions {
            commands
                .push(format!("launchctl bootout gui/UID/{} (for every user who is logged in)", self.label));
        }
        commands
    }

    /// Unloads it wherever it is loaded. `bootout` may end before the job's processes do.
    fn unload(&self, timeout: u64) -> String {
        let mut text = format!(
            r#"{limited}  status=0
  unload() {{
    /bin/launchctl print "$1/{label}" >/dev/null 2>&1 || return 0
    said=$(limited /bin/launchctl bootout "$1/{label}" 2>&1)
    code=$?
    seconds=0
    while /bin/launchctl print "$1/{label}" >/dev/null 2>&1; do
      if [ "$seconds" -ge 10 ]; then
        printf 'uproot: %s/{label} stays loaded: bootout ended with status %s: %s\n' "$1" "$code" "$said" >&2
        status=1
        return
      fi
      sleep 1
      seconds=$((seconds + 1))
    done
  }}
  unload system
"#,
            limited = limited(timeout),
            label = self.label,
        );
        if self.of_sessions {
            text.push_str(
                r#"  for uid in $(/bin/ps -axo uid= | sort -u); do
    case $uid in *[!0-9]*) continue ;; esac
    [ "$uid" -lt 500 ] || { unload "gui/$uid"; unload "user/$uid"; }
  done
"#,
            );
        }
        text
    }
}

/// Whether a file is a property list where jobs stand that are not macOS's own.
fn is_list(file: &str) -> bool {
    let Some((directory, _)) = file.rsplit_once('/') else { return false };
    let in_home = directory.starts_with("/Users/") || directory == "/var/root/Library/LaunchAgents";
    is_exact_path(file)
        && file.ends_with(".plist")
        && (matches!(directory, "/Library/LaunchDaemons" | "/Library/LaunchAgents")
            || in_home && directory.ends_with("/Library/LaunchAgents"))
}

pub(super) fn stop(label: &str, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    let Some(job) = Job::of(label, context)? else { return Ok(None) };
    let body = format!("{}  exit \"$status\"\n", job.unload(context.timeout));
    Ok(Some(Rendered { commands: job.commands(), script: script(&body) }))
}

pub(super) fn delete(label: &str, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    let Some(job) = Job::of(label, context)? else { return Ok(None) };
    let mut commands = job.commands();
    let mut body = job.unload(context.timeout);
    // A job that stays loaded keeps its file.
    body.push_str("  [ \"$status\" -eq 0 ] || exit \"$status\"\n");
    if !job.files.is_empty() {
        commands.extend(job.files.iter().map(|file| format!("rm -f {}", quote(file))));
        body.push_str(&owned(context));
        body.push_str(&format!(
            r#"  for file in {}; do
    [ -e "$file" ] || [ -L "$file" ] || continue
    if owned "$file"; then
      printf 'uproot: %s stays: %s\n' "$file" "$why" >&2
      status=1
    else
      rm -f -- "$file" || status=1
    fi
  done
"#,
            words(job.files.iter().copied())
        ));
    }
    body.push_str("  exit \"$status\"\n");
    Ok(Some(Rendered { commands, script: script(&body) }))
}
