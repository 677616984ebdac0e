//! The demo's fleet: which hosts there are, what is on them, and how each should end.

use crate::namespace::Namespace;
use crate::server;
use crate::simulated::Simulated;
use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uproot::model::HostState;

/// A host of the story.
pub struct Role {
    /// Its name in the inventory.
    pub name: &'static str,
    /// The vendor's packages on it.
    pub products: &'static [&'static str],
    /// What is wrong with it: `removal`, `packages`, `nothing`; `unreachable`: nobody listens.
    pub broken: &'static str,
    /// The state it has to end in.
    pub ends: HostState,
    /// Told to the reader.
    pub told: &'static str,
}

/// The fleet. The first host is the canary.
pub const ROLES: [Role; 7] = [
    Role {
        name: "file-01",
        products: &["kesl", "kesl-gui", "klnagent64"],
        broken: "nothing",
        ends: HostState::Removed,
        told: "Endpoint Security and Network Agent; the canary",
    },
    Role {
        name: "db-01",
        products: &["kesl"],
        broken: "nothing",
        ends: HostState::Removed,
        told: "Endpoint Security",
    },
    Role {
        name: "mail-01",
        products: &["kesl"],
        broken: "removal",
        ends: HostState::Failed,
        told: "Endpoint Security whose own removal script fails",
    },
    Role { name: "web-01", products: &[], broken: "nothing", ends: HostState::Clean, told: "nothing" },
    Role { name: "web-02", products: &[], broken: "nothing", ends: HostState::Clean, told: "nothing" },
    Role {
        name: "old-01",
        products: &[],
        broken: "packages",
        ends: HostState::Unknown,
        told: "a package database that cannot be read",
    },
    Role {
        name: "gone-01",
        products: &[],
        broken: "unreachable",
        ends: HostState::Unreachable,
        told: "switched off",
    },
];

/// What is behind a listener.
pub enum Machine {
    /// A host in namespaces.
    Real(Namespace),
    /// A host that is only played.
    Played(Simulated),
}

/// The running fleet; it ends with this value.
pub struct Fleet {
    /// The inventory that names its hosts.
    pub inventory: PathBuf,
    /// Their host keys.
    pub known_hosts: PathBuf,
    /// Held, not served: nobody else can answer on the port of the host that is switched off.
    _closed: tokio::net::TcpSocket,
    /// Ends the listeners.
    _server: tokio::runtime::Runtime,
}

impl Fleet {
    /// Starts every host and its listener; `played`: none of them is real.
    pub fn start(dir: &Path, played: bool) -> Result<Self, Box<dyn Error>> {
        let server = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let key = dir.join("client_key");
        let client = server::client_key(&key)?;
        let mut inventory = String::from("uproot_inventory: 1\nhosts:\n");
        let mut known = String::new();
        let closed = tokio::net::TcpSocket::new_v4()?;
        closed.bind(([127, 0, 0, 1], 0).into())?;
        for (role, machine) in ROLES.iter().zip(start_machines(dir, played)?) {
            let port = match machine {
                None => closed.local_addr()?.port(),
                Some(machine) => {
                    let (port, line) = server.block_on(server::serve(Arc::new(machine), client.clone()))?;
                    known.push_str(&line);
                    port
                }
            };
            writeln!(
                inventory,
                "  {}: {{ address: 127.0.0.1, port: {port}, user: root, key: {} }}",
                role.name,
                key.display()
            )?;
        }
        write!(inventory, "groups:\n  canary:\n    hosts: [{}]\n", ROLES[0].name)?;
        let (inventory_file, known_hosts) = (dir.join("fleet.yml"), dir.join("known_hosts"));
        std::fs::write(&inventory_file, inventory)?;
        std::fs::write(&known_hosts, known)?;
        Ok(Self { inventory: inventory_file, known_hosts, _closed: closed, _server: server })
    }
}

/// Starts the hosts, all at once; none for the one that is switched off.
fn start_machines(dir: &Path, played: bool) -> Result<Vec<Option<Machine>>, Box<dyn Error>> {
    std::thread::scope(|scope| {
        let starting: Vec<_> = ROLES
            .iter()
            .map(|role| {
                scope.spawn(move || {
                    if role.broken == "unreachable" {
                        return Ok(None);
                    }
                    if played {
                        let host = Simulated::new(role.name, role.broken, role.products);
                        return Ok(Some(Machine::Played(host)));
                    }
                    Namespace::start(&dir.join(role.name), role.name, role.broken, role.products)
                        .map(|host| Some(Machine::Real(host)))
                        .map_err(|error| format!("{}: {error}", role.name))
                })
            })
            .collect();
        starting
            .into_iter()
            .map(|host| host.join().map_err(|_| "a host's thread panicked".to_owned())?.map_err(Into::into))
            .collect()
    })
}
