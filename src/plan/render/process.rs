//! `kill_process`: TERM, ten seconds, KILL. Pids are found when it runs, never planned.

use super::quote::{is_exact_path, quote};
use super::{Context, Rendered, bounded, cannot_tell, script};
use crate::model::output::single_quoted;
use crate::playbook::Pattern;

/// How Linux tells a process's parent and which processes are of an executable.
const PROC: &str = r#"  parent_of() {
    parent=
    while read -r key value; do
      [ "$key" != PPid: ] || { parent=$value; break; }
    done <"/proc/$1/status"
  } 2>/dev/null
  found() {
    ls -l /proc/[0-9]*/exe 2>/dev/null | while read -r line; do
      exe=${line#*' -> '}
      is_wanted "${exe%' (deleted)'}" || continue
      pid=${line%%/exe*}
      pid=${pid##*/}
      case $pid in '' | *[!0-9]*) continue ;; esac
      is_ours "$pid" && continue
      exe=$(readlink "/proc/$pid/exe" 2>/dev/null) || continue
      is_wanted "${exe%' (deleted)'}" && printf ' %s' "$pid"
    done
  }
"#;

/// Never pid 1, never this script, what it descends from or what descends from it.
const KILL: &str = r#"  self=$(exec sh -c 'echo "$PPID"')
  keep=" 1 "
  parent=$self
  while [ "${parent:-0}" -gt 1 ]; do
    keep="$keep$parent "
    parent_of "$parent"
  done
  is_ours() {
    case $keep in *" $1 "*) return 0 ;; esac
    parent=$1
    while [ "${parent:-0}" -gt 1 ]; do
      [ "$parent" != "$self" ] || return 0
      parent_of "$parent"
    done
    return 1
  }
  send() { [ -z "$pids" ] || kill "-$1" $pids 2>/dev/null; }
  pids=$(found)
  send TERM
  seconds=0
  while [ -n "$pids" ] && [ "$seconds" -lt 10 ]; do
    sleep 1
    seconds=$((seconds + 1))
    pids=$(found)
  done
  send KILL
  seconds=0
  while [ -n "$pids" ] && [ "$seconds" -lt 5 ]; do
    sleep 1
    seconds=$((seconds + 1))
    pids=$(found)
  done
  [ -n "$pids" ] || exit 0
  printf 'uproot: still running after KILL:%s\n' "$pids" >&2
  exit 1
"#;

pub(super) fn kill(exe: &Pattern, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    kill_by(PROC, exe, context)
}

/// The same by the shell functions `parent_of PID`, which sets `parent`, and `found`, which prints the wanted
/// pids that are not this script's own, each after a blank.
pub(super) fn kill_by(
    system: &str,
    exe: &Pattern,
    context: &Context<'_>,
) -> Result<Option<Rendered>, String> {
    let matcher = exe.matcher();
    let processes = &context.facts.processes;
    let mut running: Vec<&str> = processes
        .items
        .iter()
        .filter_map(|process| process.exe.as_deref())
        .filter(|path| matcher.matches(path).is_true())
        .collect();
    running.sort_unstable();
    running.dedup();
    if let Some(strange) = running.iter().find(|path| !is_exact_path(path)) {
        return Err(format!(
            "the host tells of a process of `{}`, which cannot be a file's path",
            bounded(strange)
        ));
    }
    let exact = exact_alternative(exe.as_str());
    if running.is_empty() {
        let what = format!("which processes of `{exe}` run");
        match cannot_tell(&what, processes) {
            None => return Ok(None),
            Some(reason) if exact.is_none() => return Err(reason),
            Some(_) => running.push(exe.as_str()),
        }
    }
    let alternatives =
        exact.map_or_else(|| running.iter().map(|path| single_quoted(path)).collect(), |one| vec![one]);
    let shown: Vec<String> = running.iter().map(|path| quote(path)).collect();
    let body = format!(
        "  is_wanted() {{\n    case $1 in {}) return 0 ;; esac\n    return 1\n  }}\n{system}{KILL}",
        alternatives.join(" | ")
    );
    let commands = vec![format!("kill (TERM, after 10 s KILL) the processes of {}", shown.join(", "))];
    Ok(Some(Rendered { commands, script: script(&body) }))
}

/// The pattern for the shell's `case`, which knows no difference between `*` and `**`: of a literal, or
/// a literal followed by `/**`. For others exactly the executables that run now are meant.
fn exact_alternative(pattern: &str) -> Option<String> {
    let literal = |text: &str| is_exact_path(text) && !text.contains(['*', '?', '[', '{', '\\']);
    match pattern.strip_suffix("/**") {
        Some(directory) => literal(directory).then(|| format!("{}/*", single_quoted(directory))),
        None => literal(pattern).then(|| single_quoted(pattern)),
    }
}
