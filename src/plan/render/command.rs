//! `run`: the playbook's own command.

use super::{Rendered, script};
use crate::model::output::single_quoted;

pub(super) fn run(command: &str, has_stdin: bool) -> Rendered {
    let quoted = single_quoted(command);
    // `printf` is the shell's own: the value is in no argument vector.
    let body = if has_stdin {
        format!(
            "  printf '%s\\n' \"$UPROOT_STDIN\" | (\n    unset UPROOT_STDIN\n    exec sh -c {quoted}\n  )\n"
        )
    } else {
        format!("  exec sh -c {quoted}\n")
    };
    let commands = command.lines().map(str::trim_end).filter(|line| !line.is_empty());
    Rendered { commands: commands.map(str::to_owned).collect(), script: script(&body) }
}

/// Asks the system to reboot. It says so before it goes down, so its status may or may not arrive; what
/// counts is a new boot.
pub(super) fn reboot() -> Rendered {
    Rendered { commands: vec!["shutdown -r now".to_owned()], script: script("  exec shutdown -r now\n") }
}
