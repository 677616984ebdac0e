//! uproot's own YAML format, as the documentation of `inventory` describes it.

use super::ansible_yaml::is_verbatim;
use super::draft::{Draft, Field, HostReference, MAX_HOSTS, Owner, Value, within};
use super::values::{self, Wrong, quoted};
use super::{PasswordSource, range};
use crate::model::diagnostic::nearest;
use crate::model::yaml::{Node, Value as Yaml};
use crate::model::{Diagnostic, SecretSource};
use std::sync::Arc;

const TOP_KEYS: [&str; 4] = ["uproot_inventory", "defaults", "hosts", "groups"];
const GROUP_KEYS: [&str; 3] = ["hosts", "children", "vars"];
const SOURCES: [&str; 4] = ["env", "file", "command", "prompt"];
/// The keys of values; `address` and `groups` only for a host.
const VALUES: [(&str, Field); 9] = [
    ("address", Field::Address),
    ("port", Field::Port),
    ("user", Field::User),
    ("connection", Field::Connection),
    ("platform", Field::Platform),
    ("key", Field::Key),
    ("password", Field::Password),
    ("become", Field::Become),
    ("become_password", Field::BecomePassword),
];

/// Takes a whole document.
pub(super) fn read(draft: &mut Draft, root: &Node) {
    let Some(pairs) = pairs(draft, root) else { return };
    // Groups that hosts name come into being with them, whatever the order of the sections.
    for (key, value) in pairs {
        match key.as_str() {
            Some("uproot_inventory") => check_version(draft, value),
            Some("defaults") => {
                if let Some(all) = draft.define_group("all", &key.place) {
                    read_values(draft, &Owner::Group(all), value, "`defaults`");
                }
            }
            Some("hosts") => read_hosts(draft, value),
            Some("groups") => {}
            _ => unknown(draft, key, "an inventory", &TOP_KEYS),
        }
    }
    for (key, value) in root.get("groups").and_then(|groups| self::pairs(draft, groups)).unwrap_or_default() {
        read_group(draft, key, value);
    }
}

fn check_version(draft: &mut Draft, node: &Node) {
    match node.as_str() {
        Some("1") => {}
        _ => draft.say(
            Diagnostic::error(&node.place, "unknown version of the inventory format")
                .with_help("write `uproot_inventory: 1`, or use a newer uproot"),
        ),
    }
}

/// The pairs of a map; nothing counts as an empty one.
fn pairs<'a>(draft: &mut Draft, node: &'a Node) -> Option<&'a [(Node, Node)]> {
    if node.is_null() {
        return Some(&[]);
    }
    node.map().map_err(|error| draft.say(error)).ok()
}

fn entries<'a>(draft: &mut Draft, node: &'a Node) -> &'a [Node] {
    if node.is_null() {
        return &[];
    }
    node.list().map_err(|error| draft.say(error)).unwrap_or_default()
}

fn unknown(draft: &mut Draft, key: &Node, what: &str, known: &[&str]) {
    let word = key.as_str().unwrap_or_default();
    let list = known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
    let help = match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys here are {list}"),
    };
    let error = Diagnostic::error(&key.place, format!("unknown key {} in {what}", quoted(word)));
    draft.say(error.with_label(format!("expected one of {list}")).with_help(help));
}

fn read_hosts(draft: &mut Draft, node: &Node) {
    for (key, value) in pairs(draft, node).unwrap_or_default() {
        let Some(text) = key.as_str() else {
            let error = key.mismatch("the name of a host", "write `name: {}`");
            draft.say(error);
            continue;
        };
        let ids = draft.hosts_of(text, &key.place, is_verbatim(key));
        draft.for_hosts(&ids, |draft, id| read_host(draft, id, value, text));
    }
}

fn read_host(draft: &mut Draft, id: usize, node: &Node, text: &str) {
    let what = format!("host {}", quoted(text));
    read_values(draft, &Owner::Host(id), node, &what);
    for group in node.get("groups").map(|groups| entries(draft, groups)).unwrap_or_default() {
        if let Some(name) = text_of(draft, group)
            && let Some(name) = draft.define_group(name, &group.place)
        {
            draft.join(&name, id);
        }
    }
}

fn text_of<'a>(draft: &mut Draft, node: &'a Node) -> Option<&'a str> {
    node.text().map_err(|error| draft.say(error)).ok()
}

fn read_group(draft: &mut Draft, key: &Node, node: &Node) {
    let Some(name) = text_of(draft, key) else { return };
    let Some(group) = draft.define_group(name, &key.place) else { return };
    for (key, value) in pairs(draft, node).unwrap_or_default() {
        match key.as_str() {
            Some("hosts") => {
                for host in entries(draft, value) {
                    add_member(draft, &group, host);
                }
            }
            Some("children") => {
                for child in entries(draft, value) {
                    if let Some(name) = text_of(draft, child)
                        && let Some(name) = draft.group(name, &child.place)
                    {
                        draft.nest(&group, &name, &child.place);
                    }
                }
            }
            Some("vars") => {
                let what = format!("`vars` of group `{group}`");
                read_values(draft, &Owner::Group(group.clone()), value, &what);
            }
            _ => unknown(draft, key, &format!("group `{group}`"), &GROUP_KEYS),
        }
    }
}

fn add_member(draft: &mut Draft, group: &Arc<str>, node: &Node) {
    let Some(text) = text_of(draft, node) else { return };
    match range::host_spec(text, MAX_HOSTS) {
        Err(error) => {
            draft.wrong(&within(&node.place, is_verbatim(node), error.offset, error.length), &error.wrong);
        }
        Ok(spec) if spec.port.is_some() => {
            let help = "set `port:` of the host under `hosts:`";
            draft.wrong(&node.place, &Wrong::new("a group's member has a port", help));
        }
        Ok(spec) => {
            for name in spec.names {
                match draft.find_host(&name) {
                    Some(id) => draft.join(group, id),
                    // Another inventory of this call may define it.
                    None => draft.references.push(HostReference {
                        name,
                        group: group.clone(),
                        place: node.place.clone(),
                    }),
                }
            }
        }
    }
}

fn read_values(draft: &mut Draft, owner: &Owner, node: &Node, what: &str) {
    let of_host = matches!(owner, Owner::Host(_));
    for (key, value) in pairs(draft, node).unwrap_or_default() {
        let word = key.as_str().unwrap_or_default();
        let field = VALUES.iter().find(|(known, _)| *known == word).map(|(_, field)| *field);
        match field {
            Some(Field::Address) if !of_host => {
                let help = "give each host its own `address:` under `hosts:`";
                draft.wrong(&key.place, &Wrong::new(format!("`address` in {what}"), help));
            }
            Some(field) => read_value(draft, owner, field, value),
            None if word == "groups" && of_host => {}
            None => {
                let mut known: Vec<&str> = VALUES.iter().map(|(known, _)| *known).collect();
                known.retain(|known| of_host || *known != "address");
                if of_host {
                    known.push("groups");
                }
                unknown(draft, key, what, &known);
            }
        }
    }
}

fn read_value(draft: &mut Draft, owner: &Owner, field: Field, node: &Node) {
    let values = match field {
        Field::Password | Field::BecomePassword => match password(draft, node) {
            Some(source) if field == Field::Password => vec![Value::Password(source)],
            Some(source) => vec![Value::BecomePassword(source)],
            None => return,
        },
        _ => {
            let Some(text) = text_of(draft, node) else { return };
            match values::plain(field, text) {
                Ok(values) => values,
                Err(wrong) => return draft.wrong(&node.place, &wrong),
            }
        }
    };
    for value in values {
        draft.set(owner, value, &node.place);
    }
}

/// Keeps what stands where a password's source should be out of messages: it may be the password.
pub(super) fn hide(draft: &mut Draft, node: &Node) {
    match &node.value {
        Yaml::Null => {}
        Yaml::Scalar { text, .. } => draft.secrets.push((node.place.clone(), text.clone())),
        Yaml::List(entries) => entries.iter().for_each(|entry| hide(draft, entry)),
        Yaml::Map(pairs) => pairs.iter().for_each(|(_, value)| hide(draft, value)),
    }
}

fn password(draft: &mut Draft, node: &Node) -> Option<PasswordSource> {
    const HELP: &str =
        "write one of `{ env: NAME }`, `{ file: PATH }`, `{ command: LINE }`, `{ prompt: \"question\" }`";
    if let Some(text) = node.as_str().filter(|text| !text.is_empty()) {
        if let Some(wrong) = values::template(text) {
            draft.wrong(&node.place, &wrong);
            return None;
        }
        return Some(PasswordSource::Inline(text.to_owned()));
    }
    let Some([(key, value)]) = node.as_map() else {
        hide(draft, node);
        draft.say(Diagnostic::error(&node.place, "a password needs exactly one source").with_help(HELP));
        return None;
    };
    let word = key.as_str().unwrap_or_default();
    if !SOURCES.contains(&word) {
        hide(draft, node);
        let help = match nearest(word, SOURCES) {
            Some(near) => format!("did you mean `{near}`?"),
            None => HELP.to_owned(),
        };
        let error = Diagnostic::error(&key.place, format!("unknown source {} of a password", quoted(word)));
        draft.say(error.with_help(help));
        return None;
    }
    if value.as_str().is_none() {
        hide(draft, value);
    }
    let text = text_of(draft, value)?.to_owned();
    if text.trim().is_empty() {
        draft.say(Diagnostic::error(&value.place, format!("empty `{word}`")).with_help(HELP));
        return None;
    }
    Some(PasswordSource::Reference(match word {
        "env" => SecretSource::Env(text),
        "file" => SecretSource::File(text),
        "command" => SecretSource::Command(text),
        _ => SecretSource::Prompt(text),
    }))
}
