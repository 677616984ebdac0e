//! What an inventory resolved to, and where each value came from: for a person, and as JSON.

use super::{Host, Inventory, PasswordSource, Sourced};
use crate::model::SecretSource;
use crate::model::output::escape_line;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use unicode_width::UnicodeWidthStr;

/// The version of `list_json`'s shape.
const VERSION: u32 = 1;

/// A line of a host: what, the value, its origin.
type Row = (&'static str, String, String);

/// The hosts of these names for a person: each value with its origin. Passwords are not shown, only
/// where they come from.
#[must_use]
pub fn render_list(inventory: &Inventory, names: &[String]) -> String {
    let mut out = String::new();
    for host in hosts(inventory, names) {
        out.push_str(&format!("{}\n", escape_line(&host.name)));
        let rows: Vec<Row> = rows(host)
            .into_iter()
            .map(|(what, value, origin)| (what, escape_line(&value), escape_line(&origin)))
            .collect();
        let widest = rows.iter().map(|(_, value, _)| value.width()).filter(|w| *w <= 40).max().unwrap_or(0);
        for (what, value, origin) in rows {
            let gap = " ".repeat(widest.saturating_sub(value.width()));
            out.push_str(format!("  {what:<15}  {value}{gap}  {origin}").trim_end());
            out.push('\n');
        }
    }
    out
}

/// The hosts of these names as JSON: `{"uproot": 1, "hosts": [{"host": NAME, "address": {"value":
/// …, "origin": …}, …, "groups": […], "place": …}]}`; what is not set is `null`. Passwords are not
/// in it, only where they come from: `prompt`, `env NAME`, `file PATH`, `command`, `inline, hidden`.
#[must_use]
pub fn list_json(inventory: &Inventory, names: &[String]) -> Value {
    let hosts: Vec<Value> = hosts(inventory, names).map(host_json).collect();
    json!({ "uproot": VERSION, "hosts": hosts })
}

fn hosts<'a>(inventory: &'a Inventory, names: &'a [String]) -> impl Iterator<Item = &'a Host> {
    let index: HashMap<&str, &Host> = inventory.hosts.iter().map(|host| (host.name.as_str(), host)).collect();
    names.iter().filter_map(move |name| index.get(name.as_str()).copied())
}

fn rows(host: &Host) -> Vec<Row> {
    let row = |what, value: String, origin: &str| (what, value, origin.to_owned());
    let mut rows = vec![
        row("address", host.address.value.clone(), &host.address.origin),
        row("port", host.port.value.to_string(), &host.port.origin),
        row("connection", host.connection.value.word().to_owned(), &host.connection.origin),
    ];
    let mut add = |what, value: Option<Row>| {
        rows.push(value.unwrap_or((what, "-".to_owned(), String::new())));
    };
    add("user", host.user.as_ref().map(|s| row("user", s.value.clone(), &s.origin)));
    add("key", host.key.as_ref().map(|s| row("key", s.value.clone(), &s.origin)));
    add("password", host.password.as_ref().map(|s| row("password", source_words(&s.value), &s.origin)));
    add("become", host.become_method.as_ref().map(|s| row("become", s.value.word().to_owned(), &s.origin)));
    add(
        "become password",
        host.become_password.as_ref().map(|s| row("become password", source_words(&s.value), &s.origin)),
    );
    add("platform", host.platform.as_ref().map(|s| row("platform", s.value.word().to_owned(), &s.origin)));
    let groups: Vec<&str> = host.groups.iter().map(String::as_str).collect();
    add("groups", (!groups.is_empty()).then(|| row("groups", groups.join(", "), "")));
    rows
}

/// Where a password comes from, in words; never the password.
#[must_use]
pub fn source_words(source: &PasswordSource) -> String {
    match source {
        PasswordSource::Inline(_) => "inline, hidden".to_owned(),
        PasswordSource::Reference(SecretSource::Env(name)) => format!("env {name}"),
        PasswordSource::Reference(SecretSource::File(path)) => format!("file {path}"),
        // The command line itself may hold a secret.
        PasswordSource::Reference(SecretSource::Command(_)) => "command".to_owned(),
        PasswordSource::Reference(SecretSource::Prompt(_)) => "prompt".to_owned(),
    }
}

fn sourced<T>(sourced: Option<&Sourced<T>>, value: impl Fn(&T) -> Value) -> Value {
    sourced.map_or(Value::Null, |s| json!({ "value": value(&s.value), "origin": s.origin }))
}

fn host_json(host: &Host) -> Value {
    let text = |text: &String| Value::from(text.as_str());
    let secret = |source: &PasswordSource| Value::from(source_words(source));
    let mut map = Map::new();
    map.insert("host".to_owned(), text(&host.name));
    map.insert("address".to_owned(), sourced(Some(&host.address), text));
    map.insert("port".to_owned(), sourced(Some(&host.port), |port| Value::from(*port)));
    map.insert("connection".to_owned(), sourced(Some(&host.connection), |kind| kind.word().into()));
    map.insert("user".to_owned(), sourced(host.user.as_ref(), text));
    map.insert("key".to_owned(), sourced(host.key.as_ref(), text));
    map.insert("password".to_owned(), sourced(host.password.as_ref(), secret));
    map.insert("become".to_owned(), sourced(host.become_method.as_ref(), |method| method.word().into()));
    map.insert("become_password".to_owned(), sourced(host.become_password.as_ref(), secret));
    map.insert("platform".to_owned(), sourced(host.platform.as_ref(), |platform| platform.word().into()));
    map.insert("groups".to_owned(), host.groups.iter().map(String::as_str).collect());
    map.insert("place".to_owned(), host.place.as_ref().map_or(Value::Null, |place| place.to_string().into()));
    Value::Object(map)
}
