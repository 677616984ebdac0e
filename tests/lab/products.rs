//! Products that are a directory and an uninstaller, which does whatever uninstallers do: takes long,
//! detaches, never ends, kills the connection, reboots the host. The host records that it was begun
//! (`begin NAME`) and that it came to its end (`end NAME`).

use super::Host;

/// Ends every SSH connection of the host it runs on; sshd itself is its first process.
pub(super) const KILL_SESSIONS: &str = "for process in /proc/[0-9]*; do
  [ \"$process\" != /proc/1 ] || continue
  case $(cat \"$process/comm\" 2>/dev/null) in sshd*) kill -9 \"${process#/proc/}\" 2>/dev/null ;; esac
done
true";

/// What an uninstaller does.
#[derive(Debug, Clone, PartialEq)]
pub enum Uninstaller {
    /// Takes so many seconds, each of which it tells, and then exits with this status.
    Takes(f64, u8),
    /// Ends every SSH connection at its beginning, and goes on.
    CutsConnections,
    /// Exits with 0 at once; what it left behind removes the product so many seconds later.
    Detaches(u32),
    /// Never ends and removes nothing.
    NeverEnds,
    /// Removes the product and reboots the host before it ends.
    Reboots,
    /// Removes the product and exits with this status, which asks for a reboot.
    AsksForReboot(u8),
    /// Fails after so many seconds while the file `/var/lib/lab/fail-NAME` is there; else it is done then.
    FailsIfTold(f64),
    /// Any sh text; `gone` in it removes the product.
    Script(String),
}

impl Uninstaller {
    fn body(&self, name: &str) -> String {
        match self {
            Self::Takes(seconds, status) => format!(
                "left=$(echo '{seconds}' | sed 's/\\..*//')\n\
                 while [ \"$left\" -gt 0 ]; do\n  echo \"{name}: $left seconds left\"; left=$((left - 1)); sleep 1\ndone\n\
                 sleep $(echo '{seconds}' | sed 's/^[0-9]*/0/')\n\
                 gone\necho '{name}: removed'; echo '{name}: a warning' >&2\nexit {status}"
            ),
            Self::CutsConnections => format!("{KILL_SESSIONS}\nsleep 1\ngone"),
            Self::Detaches(seconds) => format!(
                "setsid sh -c 'sleep {seconds}; rm -rf /opt/{name}; /usr/lib/lab/log later {name}' \
                 </dev/null >/dev/null 2>&1 &\nexit 0"
            ),
            Self::NeverEnds => "echo 'it has begun'; sleep 100000".to_owned(),
            Self::Reboots => "gone\n/usr/sbin/shutdown -r now\nsleep 100".to_owned(),
            Self::AsksForReboot(status) => format!("gone\nexit {status}"),
            Self::FailsIfTold(seconds) => format!(
                "sleep {seconds}\nif [ -e /var/lib/lab/fail-{name} ]; then\n  \
                 echo '{name}: refuses' >&2; exit 1\nfi\ngone"
            ),
            Self::Script(text) => text.clone(),
        }
    }
}

/// The sh text that installs a product of this name with its uninstaller: `/opt/NAME/installed` says that
/// it is there, `/opt/NAME/uninstall` removes it. To be run as root in a host.
#[must_use]
pub fn scripted(name: &str, uninstaller: &Uninstaller) -> String {
    let body = uninstaller.body(name);
    format!(
        "mkdir -p /opt/{name}\ncat >/opt/{name}/uninstall <<'LAB_END'\n#!/bin/sh\n\
         /usr/lib/lab/log begin {name}\ntrap '/usr/lib/lab/log end {name} $?' EXIT\n\
         gone() {{ rm -rf /opt/{name}; }}\n{body}\nLAB_END\n\
         chmod 755 /opt/{name}/uninstall\n: >/opt/{name}/installed\n"
    )
}

/// The entry of such a product under `products:` of a playbook; `keys` are further keys of its `run` step.
#[must_use]
pub fn scripted_entry(name: &str, settle: &str, keys: &str) -> String {
    let keys = if keys.is_empty() { String::new() } else { format!(", {keys}") };
    format!(
        "  - id: {name}\n    name: {name}\n    platforms: [linux]\n    confirmed: false\n    \
         detect: {{ path: /opt/{name}/installed }}\n    residue: {{ path: /opt/{name} }}\n    \
         remove:\n      - run: {{ command: /opt/{name}/uninstall{keys} }}\n    settle: {settle}\n"
    )
}

impl Host {
    /// Installs a product that is a directory and an uninstaller.
    pub fn install_scripted(&self, name: &str, uninstaller: &Uninstaller) {
        self.exec_root(&scripted(name, uninstaller)).success();
    }
}
