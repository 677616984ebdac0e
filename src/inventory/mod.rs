//! Inventories: formats → hosts; patterns.

use crate::model::{Place, Platform, SecretSource};
use std::collections::{BTreeMap, BTreeSet};

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

/// How to become root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BecomeMethod {
    /// By sudo, with or without a password.
    Sudo,
    /// By doas, without a password only.
    Doas,
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
