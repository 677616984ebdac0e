//! `remove_user` and `remove_group`. Homes stay: they are `remove_path`'s, and that refuses homes.

use super::quote::is_name;
use super::{Context, Rendered, bounded, cannot_tell, script};
use crate::facts::{Account, Listing};

pub(super) fn remove_user(name: &str, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    if !may_go("user", name, &context.facts.users)? {
        return Ok(None);
    }
    let body = account_body(name, "/etc/passwd", "userdel", "deluser");
    Ok(Some(Rendered { commands: vec![format!("userdel {name}")], script: script(&body) }))
}

pub(super) fn remove_group(name: &str, context: &Context<'_>) -> Result<Option<Rendered>, String> {
    if !may_go("group", name, &context.facts.groups)? {
        return Ok(None);
    }
    let body = account_body(name, "/etc/group", "groupdel", "delgroup");
    Ok(Some(Rendered { commands: vec![format!("groupdel {name}")], script: script(&body) }))
}

fn may_go(what: &str, name: &str, accounts: &Listing<Account>) -> Result<bool, String> {
    if !is_name(name) || name.contains([':', '@', '+']) {
        return Err(format!("`{}` cannot be the name of a {what}", bounded(name)));
    }
    let found: Vec<&Account> = accounts.items.iter().filter(|account| account.name == name).collect();
    if name == "root" || found.iter().any(|account| account.id == 0) {
        return Err(format!("{what} `{name}` is the administrator's own"));
    }
    if found.is_empty() {
        let what = format!("whether there is a {what} `{name}`");
        return cannot_tell(&what, accounts).map_or(Ok(false), Err);
    }
    Ok(true)
}

/// shadow's tool where there is one, else busybox's; the administrator's id is looked at again.
fn account_body(name: &str, file: &str, tool: &str, busybox: &str) -> String {
    format!(
        r#"  id=
  while IFS=: read -r entry hidden number rest; do
    [ "$entry" != {name} ] || id=$number
  done <{file}
  [ -n "$id" ] || exit 0
  if [ "$id" -eq 0 ]; then
    printf 'uproot: %s has the administrator'\''s id\n' {name} >&2
    exit 1
  fi
  if command -v {tool} >/dev/null 2>&1; then {tool} {name}; else {busybox} {name}; fi
"#
    )
}
