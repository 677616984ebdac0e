//! `delete_registry`: the keys that the host named for the pattern, or one value of each, as 64-bit programs see them.

use super::{batch_of, is_plain};
use crate::plan::render::{Context, Rendered, bounded, listed, nothing_at};
use crate::playbook::{Pattern, registry_refusal};

/// More than this is no product's leavings but a pattern gone wrong.
const MOST_KEYS: usize = 500;

pub(super) fn delete(
    pattern: &Pattern,
    value: Option<&str>,
    context: &Context<'_>,
) -> Result<Option<Rendered>, String> {
    let listing = listed(pattern, &context.facts.registry)?;
    if let Some(value) = value.filter(|value| !is_plain(value)) {
        return Err(format!("the value's name `{}` cannot be given to `reg`", bounded(value)));
    }
    let has_value = |name: &str, values: &[crate::facts::RegistryValue]| {
        values.iter().any(|found| found.name.eq_ignore_ascii_case(name))
    };
    let keys: Vec<&str> = listing
        .items
        .iter()
        .filter(|key| value.is_none_or(|name| has_value(name, &key.values)))
        .map(|key| key.key.as_str())
        .collect();
    if keys.is_empty() {
        return nothing_at(pattern, listing);
    }
    if keys.len() > MOST_KEYS {
        return Err(format!("`{pattern}` matches {} keys, more than {MOST_KEYS}", keys.len()));
    }
    let mut commands = Vec::new();
    let mut body = "set \"UP_CODE=0\"\n".to_owned();
    for key in keys {
        may_go(key, pattern, value, context)?;
        let of_value = value.map(|value| format!(" /v \"{value}\"")).unwrap_or_default();
        commands.push(format!("reg delete \"{key}\"{of_value} /f /reg:64"));
        let value = value.map(|value| format!(" \"{value}\"")).unwrap_or_default();
        body.push_str(&format!("call :delete \"{key}\"{value}\n"));
    }
    let of_value = if value.is_some() { " /v \"%~2\"" } else { "" };
    body.push_str("exit /b !UP_CODE!\n:delete\n");
    body.push_str(&format!("reg query \"%~1\"{of_value} /reg:64 <nul >nul 2>nul\n"));
    body.push_str("if errorlevel 1 exit /b 0\n");
    body.push_str(&format!("reg delete \"%~1\"{of_value} /f /reg:64 <nul\n"));
    body.push_str("if not errorlevel 1 exit /b 0\n");
    body.push_str("echo uproot: %~1 cannot be deleted\nset \"UP_CODE=1\"\nexit /b 0\n");
    Ok(Some(Rendered { commands, script: batch_of(&[&body]) }))
}

/// Whether a key that the host named for the pattern is one that may be deleted.
fn may_go(key: &str, pattern: &Pattern, value: Option<&str>, context: &Context<'_>) -> Result<(), String> {
    let short = short(key);
    let asked: Vec<&str> = pattern.as_str().split('\\').collect();
    let parts: Vec<&str> = short.split('\\').collect();
    let is_that = |(asked, part): (&&str, &&str)| {
        asked.eq_ignore_ascii_case(part)
            || Pattern::new(*asked).lower_case().matcher().matches(&part.to_lowercase()).is_true()
    };
    let is_asked = asked.len() == parts.len() && asked.iter().zip(&parts).all(is_that);
    if !is_asked || !is_plain(key) || key.contains('\'') || parts.iter().any(|part| part.is_empty()) {
        return Err(format!("the host tells of `{}` at `{pattern}`, which is no key of it", bounded(key)));
    }
    if value.is_some() {
        return Ok(());
    }
    if let Some((reason, _)) = registry_refusal(&Pattern::new(&short)) {
        return Err(reason);
    }
    // `delete_service` stops it first, and spares a driver that devices need.
    let services = &context.facts.services;
    let of_service = parts.get(2).filter(|set| set.to_ascii_lowercase().contains("controlset")).is_some()
        && parts.get(3).is_some_and(|word| word.eq_ignore_ascii_case("services"))
        && parts.len() == 5;
    let name = parts.last().copied().unwrap_or_default();
    let is_known = services.items.iter().any(|service| service.name.eq_ignore_ascii_case(name));
    if of_service && (is_known || !services.is_complete()) {
        return Err(format!("`{short}` is, or may be, a service: delete it by `delete_service: {name}`"));
    }
    Ok(())
}

/// A key as a playbook writes it.
fn short(key: &str) -> String {
    let (hive, rest) = key.split_once('\\').unwrap_or((key, ""));
    let hive = match hive.to_ascii_uppercase().as_str() {
        "HKEY_LOCAL_MACHINE" => "HKLM",
        "HKEY_USERS" => "HKU",
        _ => hive,
    };
    format!("{hive}\\{rest}")
}
