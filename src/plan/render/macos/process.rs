//! `kill_process`, by `ps`: macOS has no `/proc`.

use crate::plan::render::{Context, Rendered, process};
use crate::playbook::Pattern;

/// `comm` is what a process was started as, mostly its path. It counts only where the kernel's own name of the
/// program, of which it keeps 16 bytes, agrees: a process may call itself as it likes.
const PS: &str = r#"  parent_of() { parent=$(/bin/ps -o ppid= -p "$1" 2>/dev/null | tr -d ' '); }
  is_called() {
    name=$(/bin/ps -o ucomm= -p "$1" 2>/dev/null | sed 's/ *$//')
    file=${2##*/}
    [ -n "$name" ] || return 1
    [ "$name" != "$file" ] || return 0
    [ "${#name}" -eq 16 ] && [ "$name" != "${file#"$name"}" ] && [ "$file" = "$name${file#"$name"}" ]
  }
  found() {
    /bin/ps -axww -o pid= -o comm= 2>/dev/null | while read -r pid exe; do
      is_wanted "$exe" || continue
      case $pid in '' | *[!0-9]*) continue ;; esac
      is_called "$pid" "$exe" || continue
      is_ours "$pid" && continue
      printf ' %s' "$pid"
    done
  }
"#;

pub(super) fn kill(exe: &Pattern, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    process::kill_by(PS, exe, context)
}
