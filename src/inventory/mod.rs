//! Inventories: which hosts there are, in which groups, how to reach each and as whom.
//!
//! Owns: reading every format into one shape with the origin of each value, the options of the
//! command line on top, and patterns. Connects to nothing; runs nothing but an inventory script
//! that the user named.
//!
//! Formats: uproot's own YAML (see below), Ansible's YAML and INI with `group_vars` and `host_vars`,
//! executables that answer `--list`, their saved answers, CSV, directories of these, and lists of
//! hosts on the command line. Everything that would change how a host is reached is obeyed, refused
//! or warned of. All that is wrong is reported at once, with its place.
//!
//! uproot's own format:
//!
//! ```yaml
//! uproot_inventory: 1                # the version of the format
//! defaults: { user: ops, become: sudo, port: 22 }   # values of the group `all`
//! hosts:                             # every host, by name or range; all its keys are optional
//!   web01: { address: 10.0.0.5, port: 2222, groups: [web, canary], platform: linux }
//!   web[02:50].example: {}
//! groups:
//!   web: { hosts: [web01], children: [], vars: { become: sudo, password: { env: WEB_PASSWORD } } }
//! ```
//!
//! Keys of a host, of `defaults` and of a group's `vars`: `address` (hosts only), `port`, `user`,
//! `connection` (`ssh`, `local`), `platform` (`linux`, `macos`, `windows`), `key`, `become` (`sudo`,
//! `doas`, `false`), `password` and `become_password` as `{ env: NAME }`, `{ file: PATH }`,
//! `{ command: LINE }` or `{ prompt: QUESTION }`. A group's `hosts` must be defined under `hosts:` of
//! this or another inventory of the same call; a host's `groups` may be new ones.

mod ansible;
mod ansible_yaml;
mod csv;
mod draft;
mod ini;
mod json;
mod list;
mod mask;
mod membership;
mod native;
mod pattern;
mod range;
mod resolve;
mod script;
mod source;
mod values;
mod vars_files;

pub use list::{list_json, render_list, source_words};
pub use membership::HostPattern;
pub use pattern::{PATTERN_FILE, select, select_limit};
pub use source::read;

use crate::model::{Diagnostics, Place, Platform, SecretSource};
use std::collections::{BTreeMap, BTreeSet};

/// The question of `--ask-pass`.
const ASK_PASS: &str = "SSH password";
/// The question of `--ask-become-pass`.
const ASK_BECOME_PASS: &str = "password for becoming root";

/// An inventory that was read, and the warnings.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The hosts and groups.
    pub inventory: Inventory,
    /// Warnings only, with the texts to show them in.
    pub diagnostics: Diagnostics,
}

/// Options of the command line that go over what inventories say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--user`.
    pub user: Option<String>,
    /// `--port`.
    pub port: Option<u16>,
    /// `--key`.
    pub key: Option<String>,
    /// `--become`.
    pub become_method: Option<BecomeMethod>,
    /// `--ask-pass`.
    pub ask_pass: bool,
    /// `--ask-become-pass`.
    pub ask_become_pass: bool,
}

impl Overrides {
    /// Puts the options over a host's values; `read` did so for every host, `local` did not.
    pub fn apply(&self, host: &mut Host) {
        let text = |value: &Option<String>, option: &str| {
            value.as_ref().map(|value| Sourced { value: value.clone(), origin: option.to_owned() })
        };
        host.user = text(&self.user, "--user").or(host.user.take());
        host.key = text(&self.key, "--key").or(host.key.take());
        if let Some(port) = self.port {
            host.port = Sourced { value: port, origin: "--port".to_owned() };
        }
        if let Some(method) = self.become_method {
            host.become_method = Some(Sourced { value: method, origin: "--become".to_owned() });
        }
        let asked = |asked: bool, question: &str, option: &str| {
            asked.then(|| Sourced {
                value: PasswordSource::Reference(SecretSource::Prompt(question.to_owned())),
                origin: option.to_owned(),
            })
        };
        host.password = asked(self.ask_pass, ASK_PASS, "--ask-pass").or(host.password.take());
        host.become_password =
            asked(self.ask_become_pass, ASK_BECOME_PASS, "--ask-become-pass").or(host.become_password.take());
    }
}

/// The inventory when none was given: this machine, without SSH.
#[must_use]
pub fn local() -> Inventory {
    let name = "localhost".to_owned();
    let origin = || "no inventory given".to_owned();
    let host = Host {
        name: name.clone(),
        address: Sourced { value: name.clone(), origin: origin() },
        port: Sourced { value: 22, origin: "default".to_owned() },
        user: None,
        connection: Sourced { value: ConnectionKind::Local, origin: origin() },
        platform: None,
        key: None,
        password: None,
        become_method: None,
        become_password: None,
        groups: BTreeSet::new(),
        place: None,
    };
    let groups = ["all", "ungrouped"].map(|group| (group.to_owned(), BTreeSet::from([name.clone()])));
    Inventory { hosts: vec![host], groups: groups.into() }
}

/// All hosts that an inventory names, with the groups they are in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inventory {
    /// The hosts, in the order of first mention.
    pub hosts: Vec<Host>,
    /// Every group that is known, also an empty one: group → host names. `all` is among them.
    pub groups: BTreeMap<String, BTreeSet<String>>,
}

/// A value with where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// `hosts.yml:12:7`, `web.ini:3:1 (group web)`, `--user`, `default`.
    pub origin: String,
}

/// One host and how to reach it.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// Its inventory name.
    pub name: String,
    /// Address or DNS name to dial.
    pub address: Sourced<String>,
    /// Port.
    pub port: Sourced<u16>,
    /// Login user; none: the local user's name.
    pub user: Option<Sourced<String>>,
    /// How to connect.
    pub connection: Sourced<ConnectionKind>,
    /// The platform, when the inventory says it.
    pub platform: Option<Sourced<Platform>>,
    /// Private key file.
    pub key: Option<Sourced<String>>,
    /// Where the login password comes from. An inventory never holds a password in clear without a
    /// warning; `ansible_password` in a file is taken as a source of kind `Inline` and never shown.
    pub password: Option<Sourced<PasswordSource>>,
    /// How to become root.
    pub become_method: Option<Sourced<BecomeMethod>>,
    /// Where the password for becoming root comes from.
    pub become_password: Option<Sourced<PasswordSource>>,
    /// Groups it belongs to, without `all`, sorted.
    pub groups: BTreeSet<String>,
    /// Where it was first named.
    pub place: Option<Place>,
}

/// How to connect to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionKind {
    /// SSH by libssh2.
    Ssh,
    /// The machine uproot runs on.
    Local,
}

impl ConnectionKind {
    /// The word used in inventories and reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Local => "local",
        }
    }
}

/// How to become root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BecomeMethod {
    /// By sudo, with or without a password.
    Sudo,
    /// By doas, without a password only.
    Doas,
}

impl BecomeMethod {
    /// The word used in inventories and options.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Sudo => "sudo",
            Self::Doas => "doas",
        }
    }
}

/// Where a password of an inventory comes from. `Debug` does not show an inline one.
#[derive(Clone, PartialEq, Eq)]
pub enum PasswordSource {
    /// A reference.
    Reference(SecretSource),
    /// The value itself stands in the inventory.
    Inline(String),
}

impl std::fmt::Debug for PasswordSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Reference(source) => f.debug_tuple("Reference").field(source).finish(),
            Self::Inline(_) => f.write_str("Inline(…)"),
        }
    }
}
