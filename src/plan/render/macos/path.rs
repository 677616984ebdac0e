//! `remove_path` on macOS: besides what is refused everywhere, what System Integrity Protection guards, the folders
//! that a home has of itself, and what the receipt of another product owns.

use super::owned;
use crate::plan::render::path::{self, Place, REFUSE, REMOVE, System, lines};
use crate::plan::render::{Context, Rendered, quote::is_at_or_below};
use crate::playbook::{Pattern, SHARED_DIRECTORIES};

/// What macOS itself lets nobody change, or what it cannot start without.
const GUARDED: [&str; 9] = [
    "/Library/Apple",
    "/Library/Keychains",
    "/Library/SystemExtensions",
    "/System",
    "/bin",
    "/private/var/db",
    "/sbin",
    "/usr",
    "/var/db",
];

/// What every home has of itself.
const OF_HOMES: [&str; 13] = [
    "Applications",
    "Desktop",
    "Documents",
    "Downloads",
    "Library",
    "Library/Containers",
    "Library/Group Containers",
    "Library/Keychains",
    "Library/Mobile Documents",
    "Movies",
    "Music",
    "Pictures",
    "Public",
];

pub(super) fn remove(path: &Pattern, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    let owned = owned(context);
    let macos = System { forbids: &forbids, tree: "rm -rf", body: &|places| body(places, &owned) };
    path::remove_by(&macos, path, context)
}

/// Why a path must stay on any Mac.
fn forbids(path: &str) -> Option<String> {
    if GUARDED.iter().any(|guarded| is_at_or_below(path, guarded)) && !is_below(path, "/usr/local") {
        return Some(format!("`{path}` is macOS's own"));
    }
    // `/var`, `/etc` and `/tmp` are links to directories below `/private`.
    let public = path.strip_prefix("/private").filter(|rest| rest.starts_with('/')).unwrap_or(path);
    if public.matches('/').count() < 2 || SHARED_DIRECTORIES.contains(&public) {
        return Some(format!("`{path}` is shared with other software"));
    }
    let in_home = match public.strip_prefix("/Users/") {
        Some(rest) => Some(rest.split_once('/').map_or("", |(_, inside)| inside)),
        None => is_at_or_below(public, "/var/root").then(|| public.get(10..).unwrap_or_default()),
    }?;
    if in_home.is_empty() {
        return Some(format!("`{path}` is a home"));
    }
    let shared = OF_HOMES.contains(&in_home) || SHARED_DIRECTORIES.contains(&format!("/{in_home}").as_str());
    shared.then(|| format!("`{path}` is shared with other software"))
}

fn is_below(path: &str, directory: &str) -> bool {
    path != directory && is_at_or_below(path, directory)
}

/// All is looked at before anything is deleted. Mount points and homes can have come since it was planned.
fn body(places: &[Place<'_>], owned: &str) -> String {
    format!(
        r#"{REFUSE}{owned}  end='
'
  mounts=$(/sbin/mount) || refuse "$0" 'it cannot be told what is mounted'
  homes=$(/usr/bin/dscl . -list /Users NFSHomeDirectory) || refuse "$0" 'it cannot be told whose home it is'
  check() {{
    [ -e "$1" ] || [ -L "$1" ] || return 0
    parent=$(cd -P -- "${{1%/*}}" && pwd -P) || refuse "$1" 'its directory cannot be entered'
    real=${{parent%/}}/${{1##*/}}
    [ "$real" = "$2" ] || refuse "$1" "it is at $real now, not at $2 as planned"
    case $mounts$end in
      *" on / ("*) ;;
      *) refuse "$1" 'it cannot be told what is mounted' ;;
    esac
    case $mounts$end in
      *" on $1 ("* | *" on $1/"* | *" on $real ("* | *" on $real/"*) refuse "$1" 'a file system is mounted there' ;;
    esac
    case $homes$end in
      *" /var/root$end"*) ;;
      *) refuse "$1" 'it cannot be told whose home it is' ;;
    esac
    case $homes$end in
      *" $1$end"* | *" $1/"* | *" $real$end"* | *" $real/"*) refuse "$1" 'a home is there' ;;
    esac
    for spelling in "$1" "$real"; do
      if owned "$spelling"; then refuse "$1" "$why"; fi
    done
  }}
{REMOVE}{checks}  status=0
{removals}  exit "$status"
"#,
        checks = lines(places, "check", ""),
        removals = lines(places, "remove", " || status=1"),
    )
}

#[cfg(test)]
mod tests {
    use super::forbids;

    #[test]
    fn what_macos_and_homes_have_of_themselves_stays() {
        for bad in [
            "/System/Library/Extensions/klif.kext",
            "/usr/bin/kav",
            "/usr/local",
            "/bin/x/y",
            "/private/var/db/receipts",
            "/private/etc",
            "/private/tmp",
            "/Library/LaunchDaemons",
            "/Users/anna",
            "/Users/anna/Library",
            "/Users/anna/Library/Preferences",
            "/Users/anna/Documents",
            "/var/root",
            "/private/var/root",
            "/var/root/Library/LaunchAgents",
        ] {
            assert!(forbids(bad).is_some(), "{bad}");
        }
        for good in [
            "/Library/Application Support/Kaspersky Lab/KAV",
            "/usr/local/bin/kav",
            "/private/var/log/kav_daemon.log",
            "/var/log/kav_daemon.log",
            "/Users/anna/Library/Preferences/com.kaspersky.kav.plist",
            "/Users/anna/.kav",
            "/var/root/Library/Logs/Kaspersky Lab",
            "/Library/Extensions/klif.kext",
            "/Applications/Kaspersky Endpoint Security.app",
        ] {
            assert_eq!(forbids(good), None, "{good}");
        }
    }
}
