//! Ansible's YAML format (`all: { hosts:, children:, vars: }`) and the JSON that inventory scripts
//! answer to `--list` and `--host`.

use super::ansible::take_vars;
use super::draft::{Draft, Owner};
use super::values::quoted;
use crate::model::diagnostic::nearest;
use crate::model::yaml::{Node, Value};
use crate::model::{Diagnostic, Place};
use std::collections::BTreeSet;
use std::sync::Arc;

const GROUP_KEYS: [&str; 3] = ["hosts", "children", "vars"];

/// Makes `!vault` and `!unsafe` invisible, columns kept: our YAML reader refuses foreign tags, and
/// most of these stand on variables that are none of our business. An encrypted value is still
/// known by its first word, `$ANSIBLE_VAULT`.
pub(super) fn without_tags(text: &str) -> String {
    let mut out = text.to_owned();
    for tag in ["!vault-encrypted", "!vault", "!unsafe"] {
        for before in [' ', '\t'] {
            for after in [' ', '\n', '\r'] {
                let blank = format!("{before}{}{after}", " ".repeat(tag.len()));
                out = out.replace(&format!("{before}{tag}{after}"), &blank);
            }
        }
    }
    out
}

/// Takes a whole document.
pub(super) fn read(draft: &mut Draft, root: &Node) {
    let Some(pairs) =
        map_of(draft, root, "an inventory", "write `all:` with `hosts:` and `children:` below it")
    else {
        return;
    };
    for (key, value) in pairs {
        read_group(draft, key, value, None);
    }
}

fn map_of<'a>(draft: &mut Draft, node: &'a Node, what: &str, help: &str) -> Option<&'a [(Node, Node)]> {
    match &node.value {
        Value::Map(pairs) => Some(pairs),
        Value::Null => Some(&[]),
        Value::Scalar { .. } | Value::List(_) => {
            let error = Diagnostic::error(&node.place, format!("{what} is {}, not a map", node.kind_word()));
            draft.say(error.with_help(help));
            None
        }
    }
}

fn read_group(draft: &mut Draft, key: &Node, node: &Node, parent: Option<&Arc<str>>) {
    let Some(name) = name_of(draft, key) else { return };
    let Some(group) = draft.define_group(name, &key.place) else { return };
    if let Some(parent) = parent {
        draft.nest(parent, &group, &key.place);
    }
    let what = format!("group `{group}`");
    let Some(pairs) = map_of(draft, node, &what, "write `hosts:`, `children:` or `vars:` below it") else {
        return;
    };
    for (key, value) in pairs {
        match key.as_str() {
            Some("vars") => take_vars(draft, &Owner::Group(group.clone()), value),
            Some("hosts") => read_hosts(draft, &group, value),
            Some("children") => {
                let help = "name each child with a colon at its end, its own `hosts:` below it";
                for (key, value) in map_of(draft, value, "`children`", help).unwrap_or_default() {
                    read_group(draft, key, value, Some(&group));
                }
            }
            _ => unknown_key(draft, key, &what),
        }
    }
}

fn unknown_key(draft: &mut Draft, key: &Node, what: &str) {
    let word = key.as_str().unwrap_or_default();
    let help = match nearest(word, GROUP_KEYS) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            "a group below this one goes under `children:`, a host under `hosts:`, a variable under `vars:`"
                .to_owned()
        }
    };
    draft.say(
        Diagnostic::error(&key.place, format!("unknown key {} in {what}", quoted(word)))
            .with_label("expected `hosts`, `children` or `vars`")
            .with_help(help),
    );
}

fn name_of<'a>(draft: &mut Draft, key: &'a Node) -> Option<&'a str> {
    let name = key.as_str();
    if name.is_none() {
        let error = Diagnostic::error(&key.place, format!("a name is {}, not text", key.kind_word()));
        draft.say(error.with_help("write the name of a host or a group, followed by a colon"));
    }
    name
}

fn read_hosts(draft: &mut Draft, group: &Arc<str>, node: &Node) {
    let help = "end each name with a colon: `web01:`, its variables below it";
    for (key, vars) in map_of(draft, node, "`hosts`", help).unwrap_or_default() {
        let Some(text) = name_of(draft, key) else { continue };
        let ids = draft.hosts_of(text, &key.place, is_verbatim(key));
        draft.for_hosts(&ids, |draft, id| {
            draft.join(group, id);
            take_vars(draft, &Owner::Host(id), vars);
        });
    }
}

/// Whether columns within a scalar's text are columns of the file.
pub(super) fn is_verbatim(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar { quoted: false, .. })
}

/// Takes what a script prints for `--list`. Returns the hosts that must be asked for one by one:
/// all, if there is no `_meta`.
pub(super) fn read_list(draft: &mut Draft, root: &Node) -> BTreeSet<usize> {
    let mut listed = BTreeSet::new();
    let Some(pairs) = map_of(draft, root, "the answer to `--list`", "print an object of groups") else {
        return listed;
    };
    for (key, value) in pairs {
        if key.as_str() != Some("_meta") {
            read_list_group(draft, key, value, &mut listed);
        }
    }
    let Some(meta) = root.get("_meta") else { return listed };
    for (key, vars) in meta.get("hostvars").and_then(Node::as_map).unwrap_or_default() {
        let Some(name) = key.as_str() else { continue };
        match draft.find_host(name) {
            Some(id) => take_vars(draft, &Owner::Host(id), vars),
            None => draft.say(
                Diagnostic::warning(&key.place, format!("{} has variables but is in no group", quoted(name)))
                    .with_label("not taken as a host")
                    .with_help("let the script list it in a group, such as `ungrouped` or `all`"),
            ),
        }
    }
    BTreeSet::new()
}

fn read_list_group(draft: &mut Draft, key: &Node, node: &Node, listed: &mut BTreeSet<usize>) {
    let Some(name) = name_of(draft, key) else { return };
    let Some(group) = draft.define_group(name, &key.place) else { return };
    if let Value::List(names) = &node.value {
        return list_hosts(draft, &group, names, listed);
    }
    let what = format!("group `{group}`");
    let help = "print a list of hosts, or an object with `hosts`, `children` and `vars`";
    for (key, value) in map_of(draft, node, &what, help).unwrap_or_default() {
        match (key.as_str(), &value.value) {
            (Some("vars"), _) => take_vars(draft, &Owner::Group(group.clone()), value),
            (Some("hosts"), Value::List(names)) => list_hosts(draft, &group, names, listed),
            (Some("children"), Value::List(names)) => {
                for child in names {
                    let Some(name) = name_of(draft, child) else { continue };
                    // A script need not describe a group that has nothing of its own.
                    if let Some(child_group) = draft.define_group(name, &child.place) {
                        draft.nest(&group, &child_group, &child.place);
                    }
                }
            }
            (Some("hosts" | "children"), Value::Null) => {}
            (Some(word @ ("hosts" | "children")), _) => {
                let error =
                    Diagnostic::error(&value.place, format!("`{word}` is {}, not a list", value.kind_word()));
                draft.say(error.with_help(help));
            }
            _ => unknown_key(draft, key, &what),
        }
    }
}

fn list_hosts(draft: &mut Draft, group: &Arc<str>, names: &[Node], listed: &mut BTreeSet<usize>) {
    for node in names {
        let Some(name) = name_of(draft, node) else { continue };
        if let Some(id) = draft.host(name, &node.place) {
            draft.join(group, id);
            listed.insert(id);
        }
    }
}

/// Takes what a script prints for `--host NAME`.
pub(super) fn read_host(draft: &mut Draft, id: usize, root: &Node) {
    take_vars(draft, &Owner::Host(id), root);
}

/// Whether a document is of another kind that is easily taken for an inventory; the error then.
pub(super) fn mistaken(root: &Node, file_place: &Place) -> Option<Diagnostic> {
    if root.as_list().is_some() {
        let error = Diagnostic::error(&root.place, "the file holds a list, not an inventory");
        return Some(error.with_help(
            "is it an Ansible playbook? the inventory is the file with `hosts:` and `vars:` below a group",
        ));
    }
    if let Some(plugin) = root.get("plugin").and_then(Node::as_str) {
        let error =
            Diagnostic::error(&root.get("plugin")?.place, format!("inventory plugin {}", quoted(plugin)));
        return Some(
            error.with_label("uproot runs no plugins").with_help(
                "let Ansible answer and give uproot the file: `ansible-inventory -i THIS --list > inventory.json`",
            ),
        );
    }
    let keys: Vec<&Node> = root.as_map().unwrap_or_default().iter().map(|(key, _)| key).collect();
    let misspelt =
        keys.iter().find(|key| nearest(key.as_str().unwrap_or_default(), ["uproot_inventory"]).is_some());
    let own = keys.iter().find(|key| matches!(key.as_str(), Some("hosts" | "groups" | "defaults")));
    if let Some(key) = misspelt {
        let word = key.as_str().unwrap_or_default();
        let error = Diagnostic::error(&key.place, format!("unknown key {}", quoted(word)));
        return Some(error.with_help("did you mean `uproot_inventory`?"));
    }
    own.map(|_| {
        Diagnostic::error(file_place, "the file does not say which format it has")
            .with_label("this looks like uproot's own, which begins with `uproot_inventory: 1`")
            .with_help("add the line `uproot_inventory: 1`; in Ansible's format `hosts:` stands below a group such as `all:`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vault_tags_vanish_and_columns_stay() {
        let text = "a: !vault |\n  $ANSIBLE_VAULT;1.1\nb: '!vault'\nc: !unsafe 'x'\n";
        let out = without_tags(text);
        assert_eq!(out, "a:        |\n  $ANSIBLE_VAULT;1.1\nb: '!vault'\nc:         'x'\n");
        assert_eq!(out.len(), text.len());
    }
}
