//! Ansible's connection variables, the same in its INI, its YAML, its scripts' output and its
//! `group_vars` and `host_vars` files.
//!
//! A variable that changes how a host is reached is obeyed, refused or warned of, never ignored.

use super::draft::{Draft, Field, Owner, Value};
use super::values::{self, Wrong, boolean, one_of, quoted};
use super::{BecomeMethod, ConnectionKind, PasswordSource};
use crate::model::diagnostic::nearest;
use crate::model::yaml::{Node, Value as Yaml};
use crate::model::{Diagnostic, Place, Platform};

/// The variables that are obeyed, with what they set.
const OBEYED: &[(&str, Field)] = &[
    ("ansible_host", Field::Address),
    ("ansible_ssh_host", Field::Address),
    ("ansible_port", Field::Port),
    ("ansible_ssh_port", Field::Port),
    ("ansible_user", Field::User),
    ("ansible_ssh_user", Field::User),
    ("ansible_connection", Field::Connection),
    ("ansible_ssh_private_key_file", Field::Key),
    ("ansible_private_key_file", Field::Key),
    ("ansible_password", Field::Password),
    ("ansible_ssh_pass", Field::Password),
    ("ansible_ssh_password", Field::Password),
    ("ansible_become", Field::Become),
    ("ansible_become_method", Field::BecomeMethod),
    ("ansible_become_user", Field::BecomeUser),
    ("ansible_become_password", Field::BecomePassword),
    ("ansible_become_pass", Field::BecomePassword),
    ("ansible_group_priority", Field::Priority),
    ("uproot_platform", Field::Platform),
];

/// Variables that change how Ansible reaches a host or becomes root there, and that are not obeyed.
const NOT_OBEYED: &[&str] = &[
    "ansible_ssh_common_args",
    "ansible_ssh_extra_args",
    "ansible_ssh_args",
    "ansible_ssh_executable",
    "ansible_ssh_private_key",
    "ansible_private_key",
    "ansible_ssh_private_key_passphrase",
    "ansible_private_key_passphrase",
    "ansible_ssh_host_key_checking",
    "ansible_host_key_checking",
    "ansible_ssh_pkcs11_provider",
    "ansible_ssh_timeout",
    "ansible_timeout",
    "ansible_shell_type",
    "ansible_shell_executable",
    "ansible_become_exe",
    "ansible_become_flags",
    "ansible_network_os",
];

/// Families of such variables, by their beginning.
const NOT_OBEYED_PREFIXES: &[&str] = &[
    "ansible_paramiko_",
    "ansible_libssh_",
    "ansible_winrm_",
    "ansible_psrp_",
    "ansible_sudo",
    "ansible_su_",
    "ansible_doas_",
    "ansible_runas_",
    "ansible_jump",
    "ansible_proxy",
];

/// Variables that look like connection variables and have nothing to do with how uproot connects.
const UNRELATED: &[&str] = &[
    "ansible_python_interpreter",
    "ansible_scp_extra_args",
    "ansible_sftp_extra_args",
    "ansible_pipelining",
    "ansible_ssh_pipelining",
    "ansible_ssh_transfer_method",
    "ansible_ssh_retries",
    "ansible_ssh_usetty",
    "ansible_facts",
    "ansible_roles",
    "ansible_posix",
];

/// A variable's value: its text, as far as the format could tell.
#[derive(Debug, Clone, Copy)]
pub(super) enum Raw<'a> {
    Text(&'a str),
    /// Nothing was written; such a variable sets nothing.
    Nothing,
    /// A list or a map.
    Compound(&'a Node),
}

/// The value of a node.
pub(super) fn raw_of(node: &Node) -> Raw<'_> {
    match &node.value {
        Yaml::Null => Raw::Nothing,
        Yaml::Scalar { text, .. } => Raw::Text(text),
        Yaml::List(_) | Yaml::Map(_) => Raw::Compound(node),
    }
}

/// Takes all variables of a map of YAML or JSON.
pub(super) fn take_vars(draft: &mut Draft, owner: &Owner, node: &Node) {
    match &node.value {
        Yaml::Null => {}
        Yaml::Map(pairs) => {
            for (key, value) in pairs {
                if let Some(name) = key.as_str() {
                    take_var(draft, owner, name, &key.place, raw_of(value), &value.place);
                }
            }
        }
        Yaml::Scalar { .. } | Yaml::List(_) => {
            draft.say(
                Diagnostic::error(&node.place, format!("variables are {}, not a map", node.kind_word()))
                    .with_help("write `name: value` pairs"),
            );
        }
    }
}

/// Takes one variable.
pub(super) fn take_var(
    draft: &mut Draft,
    owner: &Owner,
    name: &str,
    name_place: &Place,
    raw: Raw<'_>,
    place: &Place,
) {
    // Ansible speaks these to Windows' own OpenSSH server, and nothing else there.
    if let ("ansible_shell_type", Raw::Text("cmd" | "powershell")) = (name, raw) {
        return draft.set(owner, Value::Platform(Platform::Windows), place);
    }
    let Some(field) = OBEYED.iter().find(|(known, _)| *known == name).map(|(_, field)| *field) else {
        return not_obeyed(draft, owner, name, name_place, raw);
    };
    let text = match raw {
        Raw::Text(text) => text,
        Raw::Nothing => return,
        Raw::Compound(node) => {
            if matches!(field, Field::Password | Field::BecomePassword) {
                super::native::hide(draft, node);
            }
            let wrong = Wrong::new(
                format!("`{name}` is a list or a map"),
                "give one value; a value that begins with `{{` needs quotes, and must not be a template for uproot",
            );
            return draft.wrong(place, &wrong);
        }
    };
    match value(field, name, text) {
        Ok(Value::Priority(_)) if matches!(owner, Owner::Host(_)) => {}
        Ok(value) => draft.set(owner, value, place),
        Err(wrong) => {
            let whose = draft.owner_words(owner);
            let error = wrong.at(place).with_label(format!("`{name}` of {whose}"));
            draft.say(error);
        }
    }
}

/// The checked value of an obeyed variable.
fn value(field: Field, name: &str, text: &str) -> Result<Value, Wrong> {
    if text.contains("{{") || text.contains("{%") {
        return Ok(Value::Refused(field, template(field, name)));
    }
    if text.trim_start().starts_with("$ANSIBLE_VAULT") || text.trim_start().starts_with("!vault") {
        return Ok(Value::Refused(field, vault(field, name)));
    }
    match field {
        Field::Address => values::address(text),
        Field::Port => values::port(text).map(Value::Port),
        Field::User => values::user(text),
        Field::Key => values::key(text),
        Field::Platform => values::platform(text),
        Field::Connection => Ok(connection(text)),
        Field::Password => password(text).map(Value::Password),
        Field::BecomePassword => password(text).map(Value::BecomePassword),
        Field::Become => boolean(text)
            .map(Value::Become)
            .ok_or_else(|| one_of(&format!("value of `{name}`"), text, &["true", "false"])),
        Field::BecomeMethod => Ok(become_method(text)),
        Field::BecomeUser => Ok(become_user(text)),
        Field::Priority => text.parse().map(Value::Priority).map_err(|_| {
            Wrong::new(format!("{} is not a whole number", quoted(text)), "groups of higher priority win")
        }),
    }
}

fn password(text: &str) -> Result<PasswordSource, Wrong> {
    if text.is_empty() {
        return Err(Wrong::new(
            "empty password",
            "delete the variable, or give `--ask-pass` or `--ask-become-pass`",
        ));
    }
    Ok(PasswordSource::Inline(text.to_owned()))
}

fn template(field: Field, name: &str) -> Wrong {
    Wrong::new(format!("`{name}` is a template, and uproot evaluates none"), instead(field))
}

fn vault(field: Field, name: &str) -> Wrong {
    Wrong::new(format!("`{name}` is encrypted by ansible-vault, which uproot does not read"), instead(field))
}

/// What to do where a value cannot be read.
fn instead(field: Field) -> String {
    let option = match field {
        Field::User => "give `--user`, or write the value itself",
        Field::Port => "give `--port`, or write the value itself",
        Field::Key => "give `--key`, or write the value itself",
        Field::Password => {
            "give `--ask-pass`, or name a source in uproot's own format: `password: { env: NAME }`"
        }
        Field::BecomePassword => {
            "give `--ask-become-pass`, or name a source in uproot's own format: `become_password: { env: NAME }`"
        }
        Field::Become | Field::BecomeMethod => "give `--become`, or write the value itself",
        _ => "write the value itself, or take what `ansible-inventory --list` prints",
    };
    option.to_owned()
}

fn connection(text: &str) -> Value {
    let short = text.rsplit('.').next().unwrap_or(text);
    match short {
        "ssh" | "smart" | "paramiko" | "paramiko_ssh" | "libssh" => Value::Connection(ConnectionKind::Ssh),
        "local" => Value::Connection(ConnectionKind::Local),
        "winrm" | "psrp" => Value::Refused(
            Field::Connection,
            Wrong::new(
                format!("connection `{short}` is not supported"),
                "uproot reaches Windows by OpenSSH only: install its server there and set `ansible_connection: ssh`",
            ),
        ),
        _ => Value::Refused(
            Field::Connection,
            Wrong::new(
                format!("connection {} is not supported", quoted(text)),
                "use `ssh` or `local`, or leave the host out of the inventory that uproot is given",
            ),
        ),
    }
}

fn become_method(text: &str) -> Value {
    match text.rsplit('.').next().unwrap_or(text) {
        "sudo" => Value::BecomeMethod(BecomeMethod::Sudo),
        "doas" => Value::BecomeMethod(BecomeMethod::Doas),
        _ => Value::Refused(
            Field::BecomeMethod,
            Wrong::new(
                format!("become method {} is not supported", quoted(text)),
                "use `sudo` or `doas`, in the inventory or by `--become=sudo`",
            ),
        ),
    }
}

fn become_user(text: &str) -> Value {
    match text {
        "root" => Value::BecomeRoot,
        _ => Value::Refused(
            Field::BecomeUser,
            Wrong::new(
                format!("become user {} is not supported", quoted(text)),
                "uproot becomes root or stays the login user: delete `ansible_become_user` or set it to `root`",
            ),
        ),
    }
}

/// Warns of a variable that changes how a host is reached, or that may be a slip of the hand for
/// one that does. Everything else is none of our business.
fn not_obeyed(draft: &mut Draft, owner: &Owner, name: &str, place: &Place, raw: Raw<'_>) {
    if !name.starts_with("ansible_") || UNRELATED.contains(&name) {
        return;
    }
    let whose = draft.owner_words(owner);
    if NOT_OBEYED.contains(&name) || NOT_OBEYED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        let jumps = matches!(raw, Raw::Text(text) if text.contains("ProxyJump") || text.contains("ProxyCommand")
            || text.contains("-J"));
        let help = if jumps {
            "uproot dials the host's address directly: run it where the address is reachable, and check that the \
             address means the same host from there"
        } else {
            "the host is reached without it; delete it for uproot if it is not needed"
        };
        let warning = Diagnostic::warning(place, format!("`{name}` is not obeyed"))
            .with_label(format!("first in this file, of {whose}"))
            .with_help(help);
        return draft.say_once(name, warning);
    }
    if let Some(near) = nearest(name, OBEYED.iter().map(|(known, _)| *known)) {
        let warning = Diagnostic::warning(place, format!("`{name}` is not a variable that uproot knows"))
            .with_label(format!("first in this file, of {whose}"))
            .with_help(format!("did you mean `{near}`?"));
        draft.say_once(name, warning);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { file: "x".into(), line: 1, column: 1, length: 1 }
    }

    fn take(name: &str, text: &str) -> (Draft, Option<Value>) {
        let mut draft = Draft::default();
        let id = draft.host("web01", &place()).unwrap();
        take_var(&mut draft, &Owner::Host(id), name, &place(), Raw::Text(text), &place());
        let value = draft.hosts[id].settings.first().map(|s| s.value.clone());
        (draft, value)
    }

    #[test]
    fn every_obeyed_variable_sets_its_field() {
        for (name, field) in OBEYED {
            let text = match field {
                Field::Port | Field::Priority => "22",
                Field::Become => "yes",
                Field::Platform => "linux",
                Field::BecomeUser => "root",
                _ => "ssh",
            };
            let (draft, value) = take(name, text);
            assert!(!draft.out.has_errors(), "{name}");
            assert_eq!(value.map(|v| v.field()), Some(*field).filter(|f| *f != Field::Priority), "{name}");
        }
    }

    #[test]
    fn templates_vaults_and_foreign_connections_are_refused_where_they_count() {
        for (name, text) in [
            ("ansible_user", "{{ who }}"),
            ("ansible_password", "$ANSIBLE_VAULT;1.1;AES256\n3031"),
            ("ansible_connection", "winrm"),
            ("ansible_connection", "ansible.netcommon.network_cli"),
            ("ansible_become_method", "su"),
            ("ansible_become_user", "oracle"),
        ] {
            assert!(matches!(take(name, text).1, Some(Value::Refused(..))), "{name}");
        }
        assert_eq!(
            take("ansible_connection", "ansible.builtin.paramiko_ssh").1,
            Some(Value::Connection(ConnectionKind::Ssh))
        );
    }

    #[test]
    fn a_shell_of_windows_says_which_platform_it_is() {
        for shell in ["cmd", "powershell"] {
            let (draft, value) = take("ansible_shell_type", shell);
            assert_eq!(value, Some(Value::Platform(Platform::Windows)));
            assert!(draft.out.list.is_empty());
        }
    }

    #[test]
    fn warns_of_what_it_does_not_obey_and_of_slips() {
        let messages = |name: &str, text: &str| {
            let (draft, _) = take(name, text);
            draft
                .out
                .list
                .iter()
                .map(|d| format!("{} / {}", d.message, d.help.clone().unwrap()))
                .collect::<String>()
        };
        assert!(messages("ansible_ssh_common_args", "-o ProxyJump=bastion").contains("directly"));
        assert!(messages("ansible_shell_type", "fish").contains("not obeyed"));
        assert!(messages("ansible_winrm_scheme", "http").contains("not obeyed"));
        assert!(messages("ansible_usr", "x").contains("`ansible_user`"));
        assert_eq!(messages("ansible_python_interpreter", "/usr/bin/python3"), "");
        assert_eq!(messages("http_port", "80"), "");
    }
}
