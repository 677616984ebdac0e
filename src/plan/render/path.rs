//! `remove_path`: exact paths only, checked when planned and again when it runs.
//!
//! Refused: `/`, fewer than two components, a directory that every system shares, a home, a mount
//! point or what has one below it, a path that another product still uses, and a path that a link
//! leads out to any of these. A link itself is unlinked, never followed.

use super::quote::{is_at_or_below, is_exact_path, quote, words};
use super::{Context, Rendered, bounded, listed, nothing_at, script};
use crate::facts::PathEntry;
use crate::playbook::{Action, PathKind, Pattern, SHARED_DIRECTORIES};

/// More than this is no product's leavings but a pattern gone wrong.
const MOST_PATHS: usize = 500;

/// A path that is deleted, and where it really is.
pub(super) type Place<'p> = (&'p str, &'p str);

/// What a system adds to the removal of paths.
pub(super) struct System<'a> {
    /// Why a path must stay on it, besides what holds everywhere.
    pub(super) forbids: &'a dyn Fn(&str) -> Option<String>,
    /// The command that removes a tree, for people.
    pub(super) tree: &'a str,
    /// The body for the paths.
    pub(super) body: &'a dyn Fn(&[Place<'_>]) -> String,
}

pub(super) fn remove(path: &Pattern, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    let own = own_accounts(context);
    let linux =
        System { forbids: &|_| None, tree: "rm -rf --one-file-system", body: &|places| body(places, &own) };
    remove_by(&linux, path, context)
}

pub(super) fn remove_by(
    system: &System<'_>,
    path: &Pattern,
    context: &Context<'_>,
) -> Result<Option<Rendered>, String> {
    let Some(targets) = targets(path, context)? else { return Ok(None) };
    let may_go = |path: &str| match (system.forbids)(path) {
        Some(reason) => Err(reason),
        None => may_go(path, context),
    };
    for target in &targets {
        may_go(&target.path)?;
        if let Some(real) = &target.real {
            may_be_behind_links(&target.path, real, &may_go)?;
        }
    }
    let places: Vec<Place<'_>> = targets
        .iter()
        .map(|target| (target.path.as_str(), target.real.as_deref().unwrap_or(&target.path)))
        .collect();
    let command = |target: &&PathEntry| {
        let place = target.real.as_deref().unwrap_or(&target.path);
        match target.kind {
            PathKind::Directory => format!("{} {}", system.tree, quote(place)),
            _ => format!("rm -f {}", quote(place)),
        }
    };
    let commands = targets.iter().map(command).collect();
    Ok(Some(Rendered { commands, script: script(&(system.body)(&places)) }))
}

/// What the facts know at the path, without what lies below another of them.
fn targets<'f>(pattern: &Pattern, context: &Context<'f>) -> Result<Option<Vec<&'f PathEntry>>, String> {
    let listing = listed(pattern, &context.facts.paths)?;
    if listing.items.is_empty() {
        return nothing_at(pattern, listing);
    }
    // The facts name paths without a `/` too many; the playbook may not.
    let matcher = Pattern::new(tidy(pattern.as_str())).matcher();
    let believable =
        |entry: &&PathEntry| is_exact_path(&entry.path) && matcher.matches(&entry.path).is_true();
    if let Some(strange) = listing.items.iter().find(|entry| !believable(entry)) {
        return Err(format!(
            "the host tells of `{}` at `{pattern}`, which is no exact path of it",
            bounded(&strange.path)
        ));
    }
    if let Some(mount) = listing.items.iter().find(|entry| entry.mount_point) {
        return Err(format!("`{}` is a mount point", bounded(&mount.path)));
    }
    let mut entries: Vec<&PathEntry> = listing.items.iter().collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let mut kept: Vec<&PathEntry> = Vec::new();
    for entry in entries {
        let covered =
            kept.iter().any(|dir| dir.kind == PathKind::Directory && is_at_or_below(&entry.path, &dir.path));
        if !covered {
            kept.push(entry);
        }
    }
    if kept.len() > MOST_PATHS {
        return Err(format!("`{pattern}` matches {} paths, more than {MOST_PATHS}", kept.len()));
    }
    Ok(Some(kept))
}

fn tidy(pattern: &str) -> String {
    pattern.split('/').filter(|part| !matches!(*part, "" | ".")).flat_map(|part| ["/", part]).collect()
}

fn may_go(path: &str, context: &Context<'_>) -> Result<(), String> {
    let mut parts = path.split('/').skip(1);
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    if second.is_none() {
        return Err(format!("`{path}` has fewer than two components"));
    }
    if matches!(first, "proc" | "sys" | "dev") {
        return Err(format!("`{path}` is the kernel's"));
    }
    if first == "home" && third.is_none() {
        return Err(format!("`{path}` is a home"));
    }
    if SHARED_DIRECTORIES.contains(&path) {
        return Err(format!("`{path}` is shared with other software"));
    }
    if let Some(mount) = context.facts.mounts.items.iter().find(|mount| is_at_or_below(mount, path)) {
        return Err(format!("a file system is mounted at `{}`", bounded(mount)));
    }
    (context.still_used)(path).map_or(Ok(()), Err)
}

/// Whether what a link leads to may go: that is where the removal takes place.
fn may_be_behind_links(
    path: &str,
    real: &str,
    may_go: &dyn Fn(&str) -> Result<(), String>,
) -> Result<(), String> {
    if !is_exact_path(real) {
        return Err(format!("a link leads to `{path}`, and it cannot be told where that really is"));
    }
    may_go(real).map_err(|reason| format!("a link leads from `{path}` to `{real}`: {reason}"))
}

/// The accounts that the same product's steps delete: their homes are its own.
fn own_accounts(context: &Context<'_>) -> Vec<String> {
    let names = context.product.remove.iter().filter_map(|step| match &step.action {
        Action::RemoveUser { name } if super::quote::is_name(name) => Some(name.clone()),
        _ => None,
    });
    names.collect()
}

/// Where no link is on the way, what is refused was refused when planned; a link can be made since.
fn body(places: &[Place<'_>], own: &[String]) -> String {
    let own = if own.is_empty() { "''".to_owned() } else { own.join(" | ") };
    format!(
        r#"{REFUSE}  check() {{
    [ -e "$1" ] || [ -L "$1" ] || return 0
    parent=$(cd -P -- "${{1%/*}}" && pwd -P) || refuse "$1" 'its directory cannot be entered'
    real=${{parent%/}}/${{1##*/}}
    [ "$real" = "$1" ] || case $real in
      /usr/lib/systemd | /usr/lib/modules | /usr/lib/firmware | /usr/lib/*-linux-gnu | /usr/local/* | \
        /var/lib/apt | /var/lib/dpkg | /var/lib/rpm | /var/lib/systemd | /proc/* | /sys/* | /dev/*)
        refuse "$1" "a link leads to $real, which belongs to the system" ;;
      /opt/* | /run/* | /srv/* | /tmp/* | /*/*/*) ;;
      *) refuse "$1" "a link leads to $real" ;;
    esac
    [ "$real" = "$2" ] || refuse "$1" "it is at $real now, not at $2 as planned"
    while IFS=: read -r name hidden uid gid gecos home shell || [ -n "$name" ]; do
      home=${{home%/}}
      case $name in {own}) continue ;; esac
      case $home in
        '') continue ;;
        "$1" | "$real") refuse "$1" "it is the home of $name" ;;
        "$1"/* | "$real"/*) [ "$uid" -lt 1000 ] || refuse "$1" "the home of $name is in it" ;;
      esac
      [ "$real" != "$1" ] || continue
      case $real in "$home"/*) refuse "$1" "a link leads into the home of $name" ;; esac
    done </etc/passwd || refuse "$1" 'it cannot be told whose home it is'
    [ -r /proc/self/mounts ] || refuse "$1" 'it cannot be told what is mounted'
    while read -r device mounted rest; do
      case $mounted in
        *\\*) mounted=$(printf '%b' "$(printf '%s' "$mounted" | sed 's/\\/\\0/g')") ;;
      esac
      case $mounted in
        "$1" | "$1"/* | "$real" | "$real"/*) refuse "$1" "a file system is mounted at $mounted" ;;
      esac
    done </proc/self/mounts
  }}
{REMOVE}{checks}  status=0
{removals}  exit "$status"
"#,
        own = own,
        checks = lines(places, "check", ""),
        removals = lines(places, "remove", " || status=1"),
    )
}

/// A line for each place: WORD PATH REAL.
pub(super) fn lines(places: &[Place<'_>], word: &str, or: &str) -> String {
    places.iter().map(|(path, real)| format!("  {word} {}{or}\n", words([*path, *real]))).collect()
}

/// A shell function: says why a path stays, and ends the script before anything is deleted.
pub(super) const REFUSE: &str = r#"  refuse() {
    printf 'uproot: %s stays: %s\n' "$1" "$2" >&2
    exit 1
  }
"#;

/// A shell function: deletes what is at PATH, if that is REAL still, without following a link or entering
/// another file system, where `rm` can be told so.
pub(super) const REMOVE: &str = r#"  one_system=
  for option in --one-file-system -x; do
    [ -n "$one_system" ] || { rm -f "$option" 2>/dev/null && one_system=$option; }
  done
  remove() {
    [ -e "$1" ] || [ -L "$1" ] || return 0
    cd -P -- "${1%/*}" || return
    # What is entered now stays what is emptied, whatever is put in its place.
    parent=$(pwd -P) || return
    [ "${parent%/}/${1##*/}" = "$2" ] || refuse "$1" "it is at $parent now, not where it was planned"
    if [ -L "./${1##*/}" ]; then
      rm -f -- "./${1##*/}"
    else
      rm -rf $one_system -- "./${1##*/}"
    fi
  }
"#;
