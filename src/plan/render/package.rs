//! `remove_package`: one dpkg or rpm transaction.

use super::quote::{is_name, words};
use super::{Context, Rendered, bounded, cannot_tell, script};
use crate::facts::Package;
use crate::playbook::Pattern;

/// No vendor's product: without one of these a host may not start, or not be reached again.
const ESSENTIAL: [&str; 22] = [
    "apt",
    "base-files",
    "base-passwd",
    "bash",
    "busybox",
    "coreutils",
    "dash",
    "dnf",
    "dpkg",
    "filesystem",
    "glibc",
    "init",
    "libc-bin",
    "libc6",
    "login",
    "openssh-server",
    "pam",
    "rpm",
    "setup",
    "sudo",
    "systemd",
    "util-linux",
];

/// Waits while another process holds the package database's lock, told by the manager's own words: a
/// status alone does not say it. The errors go through a file that is unlinked before the manager
/// starts, since a daemon that inherits a pipe would keep a substitution waiting for ever.
const TRANSACT: &str = r#"  transact() {
    waited=0
    while :; do
      file=$(mktemp 2>/dev/null) || { "$@"; return; }
      # On a full disk the reason would be lost.
      { printf '%65536s' x >"$file" && : >"$file"; } 2>/dev/null || { rm -f -- "$file"; "$@"; return; }
      exec 3>"$file" 4<"$file"
      rm -f -- "$file"
      "$@" 2>&3 3>&- 4<&-
      status=$?
      said=$(head -c 65536 <&4)
      exec 3>&- 4<&-
      if [ "$waited" -lt "$patience" ]; then
        case $status:$said in
          2:*'locked by another process'* | [1-9]*:*'transaction lock'*)
            [ "$waited" -gt 0 ] || printf 'uproot: the package database is locked: waiting\n' >&2
            sleep 3
            waited=$((waited + 3))
            continue ;;
        esac
      fi
      [ -z "$said" ] || printf '%s\n' "$said" >&2
      return "$status"
    done
  }
"#;

pub(super) fn remove(
    names: &[Pattern],
    purge: bool,
    context: &Context<'_>,
) -> Result<Option<Rendered>, String> {
    let found = installed(names, purge, &context.facts.packages.items)?;
    if found.is_empty() {
        let list: Vec<&str> = names.iter().map(Pattern::as_str).collect();
        let what = format!("which of the packages `{}` are installed", list.join("`, `"));
        return cannot_tell(&what, &context.facts.packages).map_or(Ok(None), Err);
    }
    if let Some(other) = found.iter().find(|package| !matches!(package.manager.as_str(), "dpkg" | "rpm")) {
        return Err(format!(
            "package `{}` belongs to {}, whose removal may take other packages along: remove it by hand",
            other.name,
            bounded(&other.manager)
        ));
    }
    if let Some(essential) = found.iter().find(|package| ESSENTIAL.contains(&package.name.as_str())) {
        return Err(format!("package `{}` belongs to the system", essential.name));
    }
    let commands: Vec<String> = [dpkg(&found, purge, context), rpm(&found)].into_iter().flatten().collect();
    // The step's own limit must not end the waiting: the reason would be lost.
    let patience = context.timeout.saturating_sub((context.timeout / 4).clamp(1, 60));
    let mut body = format!("  patience={patience}\n{TRANSACT}  export DEBIAN_FRONTEND=noninteractive\n");
    for command in &commands {
        body.push_str(&format!("  transact {command} || exit\n"));
    }
    Ok(Some(Rendered { commands, script: script(&body) }))
}

/// The packages that the names select, in the order of the names, none twice.
fn installed<'f>(
    names: &[Pattern],
    purge: bool,
    packages: &'f [Package],
) -> Result<Vec<&'f Package>, String> {
    let mut found: Vec<&Package> = Vec::new();
    for name in names {
        let matcher = name.matcher();
        for package in packages {
            if !matcher.matches(&package.name).is_true() || !is_there(package, purge) {
                continue;
            }
            if !is_name(&package.name) || !(package.arch.is_empty() || is_name(&package.arch)) {
                let shown = bounded(&format!("{}:{}", package.name, package.arch));
                return Err(format!(
                    "the host tells of a package `{shown}`, which cannot be a package's name"
                ));
            }
            let same = |other: &&Package| {
                (&other.manager, &other.name, &other.arch) == (&package.manager, &package.name, &package.arch)
            };
            if package.manager != "dpkg" || !found.iter().any(same) {
                found.push(package);
            }
        }
    }
    Ok(found)
}

/// dpkg keeps the configuration of a removed package; only a purge has something to do there.
fn is_there(package: &Package, purge: bool) -> bool {
    match package.status.split_whitespace().next_back() {
        Some("not-installed") => false,
        Some("config-files") => purge,
        _ => true,
    }
}

fn dpkg(found: &[&Package], purge: bool, context: &Context<'_>) -> Option<String> {
    let ours: Vec<&Package> = found.iter().copied().filter(|package| package.manager == "dpkg").collect();
    if ours.is_empty() {
        return None;
    }
    // dpkg itself is of the machine's own architecture.
    let all = &context.facts.packages.items;
    let native = all.iter().find(|p| p.manager == "dpkg" && p.name == "dpkg").map(|p| p.arch.as_str());
    let spelled = |package: &Package| {
        let instances =
            all.iter().filter(|p| p.manager == "dpkg" && p.name == package.name && is_there(p, true)).count();
        let foreign = native.is_some_and(|native| {
            package.arch != native && package.arch != "all" && !package.arch.is_empty()
        });
        if foreign || instances > 1 {
            format!("{}:{}", package.name, package.arch)
        } else {
            package.name.clone()
        }
    };
    let names: Vec<String> = ours.iter().map(|package| spelled(package)).collect();
    let option = if purge { "--purge" } else { "--remove" };
    Some(words(["dpkg", option].into_iter().chain(names.iter().map(String::as_str))))
}

fn rpm(found: &[&Package]) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    let mut many = false;
    for package in found.iter().filter(|package| package.manager == "rpm") {
        if names.contains(&package.name.as_str()) {
            many = true;
        } else {
            names.push(&package.name);
        }
    }
    if names.is_empty() {
        return None;
    }
    let options: &[&str] = if many { &["rpm", "-e", "--allmatches"] } else { &["rpm", "-e"] };
    Some(words(options.iter().copied().chain(names)))
}
