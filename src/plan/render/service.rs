//! `stop_service` and `delete_service`.

use super::quote::{is_exact_path, is_name, quote};
use super::{Context, OWNED, Rendered, bounded, limited, script};
use crate::facts::Service;

/// Where unit files stand that an administrator or a program put there, and where packages put theirs.
const UNIT_DIRECTORIES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Where init scripts stand.
const INIT_DIRECTORIES: [&str; 2] = ["/etc/init.d", "/etc/rc.d/init.d"];

/// What the facts know of one service.
struct Known<'f> {
    name: &'f str,
    /// Whether systemd was asked about it and answered.
    by_systemd: bool,
    /// Whether a unit file is known.
    has_unit: bool,
    /// Its init script.
    init: Option<&'f str>,
    /// Its files, where they may be deleted.
    files: Vec<String>,
}

impl<'f> Known<'f> {
    fn of(name: &'f str, context: &Context<'f>) -> Result<Option<Self>, String> {
        if !is_name(name) {
            return Err(format!("`{}` cannot be the name of a service", bounded(name)));
        }
        let services = &context.facts.services;
        let items: Vec<&Service> = services.items.iter().filter(|service| service.name == name).collect();
        // Where the host may have more services than it told, it is looked at again when the step runs:
        // the name is the playbook's own, and one that is not there is nothing to do.
        if items.is_empty() && services.is_complete() {
            return Ok(None);
        }
        let mut files: Vec<String> =
            ["/etc/systemd/system", "/run/systemd/system"].map(|d| format!("{d}/{name}.service")).to_vec();
        files.extend(INIT_DIRECTORIES.map(|directory| format!("{directory}/{name}")));
        let mut init = None;
        for service in &items {
            let Some(file) = service.file.as_deref().filter(|file| is_exact_path(file)) else { continue };
            let Some((directory, last)) = file.rsplit_once('/') else { continue };
            if last == name && INIT_DIRECTORIES.contains(&directory) {
                init = Some(file);
            } else if last != format!("{name}.service") || !UNIT_DIRECTORIES.contains(&directory) {
                // A generated unit goes with its source; any other place is not ours to empty.
                continue;
            }
            if !files.iter().any(|known| known == file) {
                files.push(file.to_owned());
            }
        }
        let has_unit = items.iter().any(|service| service.kind == "systemd");
        let by_systemd = items.iter().any(|service| service.active.is_some());
        Ok(Some(Self { name, by_systemd, has_unit, init, files }))
    }

    /// Whether it is systemd's to stop, also as the wrapper of an init script.
    fn is_managed(&self) -> bool {
        self.has_unit || self.by_systemd || self.init.is_none()
    }

    /// The shell condition under which systemd runs.
    fn booted(&self) -> &'static str {
        if self.by_systemd { "command -v systemctl >/dev/null 2>&1" } else { "[ -d /run/systemd/system ]" }
    }

    fn stop_command(&self) -> String {
        match self.init {
            Some(init) if !self.is_managed() => format!("{} stop", quote(init)),
            _ => format!("systemctl stop {}.service", self.name),
        }
    }

    /// Stops it. One that systemd does not have loaded (status 5) has stopped; where systemctl is there
    /// and systemd does not run, an init script is all that could have started it.
    fn stop_lines(&self) -> String {
        let Self { name, .. } = self;
        let mut text = String::from("  status=none\n");
        if self.is_managed() {
            text.push_str(&format!(
                r#"  if command -v systemctl >/dev/null 2>&1; then
    said=$(limited systemctl stop {name}.service 2>&1)
    status=$?
    case $status:$said in
      5:*) status=0 ;;
      *'not been booted with systemd'*) status=none ;;
    esac
    [ -z "$said" ] || printf '%s\n' "$said" >&2
  fi
"#
            ));
        }
        let scripts = INIT_DIRECTORIES.map(|directory| format!("{directory}/{name}")).join(" ");
        text.push_str(&format!(
            r#"  if [ "$status" = none ]; then
    status=0
    for init in {scripts}; do
      [ -x "$init" ] || continue
      limited "$init" stop
      status=$?
      break
    done
  fi
"#
        ));
        text
    }
}

pub(super) fn stop(name: &str, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    let Some(known) = Known::of(name, context)? else { return Ok(None) };
    let body = format!("{}{}  exit \"$status\"\n", limited(context.timeout), known.stop_lines());
    Ok(Some(Rendered { commands: vec![known.stop_command()], script: script(&body) }))
}

pub(super) fn delete(name: &str, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    let Some(known) = Known::of(name, context)? else { return Ok(None) };
    let (booted, stop) = (known.booted(), known.stop_lines());
    let files = known.files.join(" ");
    // A running service is not deleted under its feet: where it cannot be stopped, nothing goes.
    let body = format!(
        r#"{limited}{OWNED}{stop}  [ "$status" -eq 0 ] || exit "$status"
  if command -v systemctl >/dev/null 2>&1; then systemctl disable {name}.service; fi
  for file in {files}; do
    unlink_own "$file" || status=1
  done
  [ "$status" -eq 0 ] || exit "$status"
  for directory in /etc/systemd/system /run/systemd/system; do
    if [ -d "$directory/{name}.service.d" ] && [ ! -L "$directory/{name}.service.d" ]; then
      rm -rf -- "$directory/{name}.service.d" || status=1
    fi
    for link in "$directory"/*.wants/{name}.service "$directory"/*.requires/{name}.service; do
      [ ! -L "$link" ] || rm -f -- "$link" || status=1
    done
  done
  for link in /etc/rc[0-6S].d/[SK][0-9][0-9]{name} /etc/rc.d/rc[0-6].d/[SK][0-9][0-9]{name} \
    /etc/runlevels/*/{name}; do
    [ ! -L "$link" ] || rm -f -- "$link" || status=1
  done
  if {booted}; then
    systemctl daemon-reload || status=1
    systemctl reset-failed {name}.service 2>/dev/null
  fi
  exit "$status"
"#,
        limited = limited(context.timeout),
    );
    let mut commands = vec![known.stop_command()];
    if known.is_managed() {
        commands.push(format!("systemctl disable {name}.service"));
    }
    commands.push(format!("rm -f {files}"));
    commands
        .push(format!("rm -rf /etc/systemd/system/{name}.service.d /run/systemd/system/{name}.service.d"));
    if known.is_managed() {
        commands.push("systemctl daemon-reload".to_owned());
    }
    Ok(Some(Rendered { commands, script: script(&body) }))
}
