//! Checks of single values, the same in every format.

use super::draft::{Field, Value};
use super::{BecomeMethod, ConnectionKind};
use crate::model::diagnostic::nearest;
use crate::model::output::escape_line;
use crate::model::{Diagnostic, Place, Platform};
use std::net::Ipv6Addr;

/// The longest host, group or user name that is taken, in characters.
const LONGEST_NAME: usize = 255;

/// Why a value cannot be taken, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) help: String,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }

    /// As an error at a place.
    pub(super) fn at(&self, place: &Place) -> Diagnostic {
        Diagnostic::error(place, self.message.clone()).with_help(self.help.clone())
    }
}

/// A value as it is quoted in a message: one line, bounded.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("`{}{dots}`", escape_line(&short))
}

/// Whether this is an IPv6 address, with or without a zone (`fe80::1%eth0`).
pub(super) fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').map_or((text, None), |(a, z)| (a, Some(z)));
    let zone_ok = zone.is_none_or(|z| {
        !z.is_empty() && z.len() <= 64 && z.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    });
    zone_ok && address.parse::<Ipv6Addr>().is_ok()
}

/// Whether a name may stand for a host in patterns, file names and messages.
pub(super) fn check_host_name(name: &str) -> Result<(), Wrong> {
    if is_ipv6(name) {
        return Ok(());
    }
    check_name("host", name)
}

/// Whether a name may stand for a group.
pub(super) fn check_group_name(name: &str) -> Result<(), Wrong> {
    check_name("group", name)
}

fn check_name(kind: &str, name: &str) -> Result<(), Wrong> {
    if name.is_empty() {
        return Err(Wrong::new(format!("empty {kind} name"), format!("name the {kind}")));
    }
    if name.chars().count() > LONGEST_NAME {
        return Err(Wrong::new(
            format!("{kind} name {} is longer than {LONGEST_NAME} characters", quoted(name)),
            "give it a short name, and its address apart",
        ));
    }
    if let Some((user, host)) = name.split_once('@')
        && kind == "host"
    {
        return Err(Wrong::new(
            format!("host name {} has a user in it", quoted(name)),
            format!("name the host {} and set its user to {}", quoted(host), quoted(user)),
        ));
    }
    let start_ok = name.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let bad = name.chars().find(|c| !(c.is_alphanumeric() || "._-+%".contains(*c)));
    match (start_ok, bad) {
        (_, Some(bad)) => Err(Wrong::new(
            format!("{kind} name {} has {} in it", quoted(name), character(bad)),
            "names are made of letters, digits, `.`, `-`, `_`, `+` and `%`; an IPv6 address may be a host's name",
        )),
        (false, None) => Err(Wrong::new(
            format!("{kind} name {} does not begin with a letter, a digit or `_`", quoted(name)),
            "it could be mistaken for an option",
        )),
        (true, None) => Ok(()),
    }
}

fn character(c: char) -> String {
    if c == ' ' { "a space".to_owned() } else { quoted(&c.to_string()) }
}

/// An address or DNS name to dial.
pub(super) fn address(text: &str) -> Result<Value, Wrong> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    if is_ipv6(bare) {
        return Ok(Value::Address(bare.to_owned()));
    }
    if let Some((host, port)) = text.rsplit_once(':')
        && port.parse::<u16>().is_ok()
    {
        return Err(Wrong::new(
            format!("address {} has a port in it", quoted(text)),
            format!("set the address to {} and the port to `{port}`", quoted(host)),
        ));
    }
    check_name("host", text).map(|()| Value::Address(text.to_owned())).map_err(|wrong| {
        Wrong::new(
            wrong.message.replacen("host name", "address", 1),
            "give an IP address or a DNS name, without port and user",
        )
    })
}

/// A port.
pub(super) fn port(text: &str) -> Result<u16, Wrong> {
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(Wrong::new(
            format!("{} is not a port", quoted(text)),
            "a port is a whole number from 1 to 65535; SSH listens on 22 if nothing else was set up",
        )),
    }
}

/// A login user.
pub(super) fn user(text: &str) -> Result<Value, Wrong> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || "\"'`$;|&<>".contains(c);
    if text.is_empty() || text.starts_with('-') || text.contains(bad) || text.chars().count() > LONGEST_NAME {
        return Err(Wrong::new(
            format!("{} is not a user name", quoted(text)),
            "a user name has no spaces, quotes or `$` and does not begin with `-`",
        ));
    }
    Ok(Value::User(text.to_owned()))
}

/// A private key file.
pub(super) fn key(text: &str) -> Result<Value, Wrong> {
    if text.trim().is_empty() || text.contains(char::is_control) {
        return Err(Wrong::new(
            format!("{} is not the path of a key file", quoted(text)),
            "give the path of a private key, such as `~/.ssh/id_ed25519`",
        ));
    }
    Ok(Value::Key(text.to_owned()))
}

/// A connection, by uproot's own words.
pub(super) fn connection(text: &str) -> Result<Value, Wrong> {
    match text {
        "ssh" => Ok(Value::Connection(ConnectionKind::Ssh)),
        "local" => Ok(Value::Connection(ConnectionKind::Local)),
        _ => Err(one_of("connection", text, &["ssh", "local"])),
    }
}

/// A platform.
pub(super) fn platform(text: &str) -> Result<Value, Wrong> {
    let words = Platform::ALL.map(Platform::word);
    Platform::parse(text).map(Value::Platform).ok_or_else(|| one_of("platform", text, &words))
}

/// `become`, by uproot's own words: the flag, and the method where one is named.
pub(super) fn become_words(text: &str) -> Result<Vec<Value>, Wrong> {
    match text {
        "sudo" => Ok(vec![Value::Become(true), Value::BecomeMethod(BecomeMethod::Sudo)]),
        "doas" => Ok(vec![Value::Become(true), Value::BecomeMethod(BecomeMethod::Doas)]),
        _ => match boolean(text) {
            Some(false) => Ok(vec![Value::Become(false)]),
            Some(true) => Err(Wrong::new(
                format!("`become: {text}` does not say by what"),
                "write `become: sudo` or `become: doas`",
            )),
            None => Err(one_of("value of `become`", text, &["sudo", "doas", "false"])),
        },
    }
}

/// The words that Ansible takes for yes and no.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "y" | "t" => Some(true),
        "false" | "no" | "off" | "0" | "n" | "f" => Some(false),
        _ => None,
    }
}

/// A word that is none of those allowed, with the nearest of them.
pub(super) fn one_of(what: &str, text: &str, words: &[&str]) -> Wrong {
    let list = words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ");
    let help = match nearest(text, words.iter().copied()) {
        Some(word) => format!("did you mean `{word}`? one of {list} is expected"),
        None => format!("one of {list} is expected"),
    };
    Wrong::new(format!("{} is no {what}", quoted(text)), help)
}

/// Why a value that only Ansible could read is none.
pub(super) fn template(text: &str) -> Option<Wrong> {
    let vault = text.trim_start().starts_with("$ANSIBLE_VAULT");
    let what = match (text.contains("{{") || text.contains("{%"), vault) {
        (_, true) => "encrypted by ansible-vault, which uproot does not read",
        (true, false) => "a template, and uproot evaluates none",
        (false, false) => return None,
    };
    Some(Wrong::new(
        format!("the value is {what}"),
        "write the value itself, or for a password `{ env: NAME }`",
    ))
}

/// The value of a field that holds text of one line, by uproot's own words.
pub(super) fn plain(field: Field, text: &str) -> Result<Vec<Value>, Wrong> {
    let one = |value: Result<Value, Wrong>| value.map(|v| vec![v]);
    if let Some(wrong) = template(text) {
        return Err(wrong);
    }
    match field {
        Field::Address => one(address(text)),
        Field::Port => one(port(text).map(Value::Port)),
        Field::User => one(user(text)),
        Field::Connection => one(connection(text)),
        Field::Platform => one(platform(text)),
        Field::Key => one(key(text)),
        Field::Become => become_words(text),
        Field::Password
        | Field::BecomePassword
        | Field::BecomeMethod
        | Field::BecomeUser
        | Field::Priority => Err(Wrong::new(
            format!("{} cannot be given here", field.word()),
            "see the documentation of inventory formats",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_do_harm_are_refused() {
        for bad in ["", "-oProxyCommand=x", "a b", "a/b", "ops@web", "a\u{202e}b", "web*", "a:b", ".x"] {
            assert!(check_host_name(bad).is_err(), "{bad}");
        }
        for good in ["web01", "2001:db8::1", "fe80::1%eth0", "i-0abc", "web_1.example", "10.0.0.1", "сервер"]
        {
            assert!(check_host_name(good).is_ok(), "{good}");
        }
        assert!(check_group_name("2001:db8::1").is_err());
    }

    #[test]
    fn addresses_lose_their_brackets_and_refuse_ports() {
        assert_eq!(address("[2001:db8::1]"), Ok(Value::Address("2001:db8::1".into())));
        assert!(address("web01:22").unwrap_err().help.contains("`22`"));
        assert!(address("-x").is_err());
    }

    #[test]
    fn ports_are_1_to_65535() {
        for bad in ["0", "65536", "-1", "22 ", "0x16", ""] {
            assert!(port(bad).is_err(), "{bad}");
        }
        assert_eq!(port("65535"), Ok(65535));
    }

    #[test]
    fn become_wants_a_method() {
        assert_eq!(become_words("no"), Ok(vec![Value::Become(false)]));
        assert!(become_words("true").unwrap_err().help.contains("become: sudo"));
        assert!(become_words("sudu").unwrap_err().help.contains("did you mean `sudo`"));
    }
}
