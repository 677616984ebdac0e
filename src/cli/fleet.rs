//! From the options to the selected hosts, how each is reached, and what that needs.

use super::args::{BecomeWord, ConnectArguments, RunningArguments};
use super::error::CliError;
use super::secrets;
use crate::apply::Access;
use crate::inventory::{self, BecomeMethod, ConnectionKind, Host, Inventory, Overrides, PasswordSource};
use crate::model::output::shell_word;
use crate::model::{Diagnostics, Secret, SecretSource, Sources};
use crate::plan::{PlannedConnection, SecretReference};
use crate::transport::{Keys, KnownHosts, Timeouts};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The selected hosts and how each is reached.
pub struct Fleet {
    /// The whole inventory, for wave patterns.
    pub inventory: Inventory,
    /// The selected hosts, in inventory order, each with its connection.
    pub hosts: Vec<(Host, PlannedConnection)>,
    /// The secrets that the connections use; references only.
    pub secrets: BTreeMap<String, SecretReference>,
    /// Passwords that stand in the inventory itself.
    inline: BTreeMap<String, Secret>,
}

impl Fleet {
    /// Reads the inventory and selects. Without an inventory: this machine, and says so.
    pub fn read(arguments: &ConnectArguments) -> Result<Self, CliError> {
        let inventory = if arguments.inventory.is_empty() {
            tell!("note: no inventory was given, so this looks at the local machine only");
            let mut inventory = inventory::local();
            inventory.hosts.iter_mut().for_each(|host| overrides(arguments).apply(host));
            inventory
        } else {
            let loaded = inventory::read(&arguments.inventory, &overrides(arguments))?;
            print_warnings(&loaded.diagnostics);
            loaded.inventory
        };
        let names = match &arguments.limit {
            None => inventory.hosts.iter().map(|host| host.name.clone()).collect(),
            Some(pattern) => inventory::select_limit(&inventory, pattern)?,
        };
        if names.is_empty() {
            let help = "check the inventory and `--limit`; `uproot inventory list` shows what they select";
            return Err(CliError::input("no host is selected", help));
        }
        let mut fleet =
            Self { inventory, hosts: Vec::new(), secrets: BTreeMap::new(), inline: BTreeMap::new() };
        let selected: std::collections::BTreeSet<&String> = names.iter().collect();
        let hosts: Vec<Host> =
            fleet.inventory.hosts.iter().filter(|host| selected.contains(&host.name)).cloned().collect();
        for host in hosts {
            let connection = fleet.connection(&host);
            fleet.hosts.push((host, connection));
        }
        Ok(fleet)
    }

    fn connection(&mut self, host: &Host) -> PlannedConnection {
        let local = host.connection.value == ConnectionKind::Local;
        let kind = if local { PlannedConnection::LOCAL } else { PlannedConnection::SSH };
        let password = host
            .password
            .as_ref()
            .map(|password| self.secret(&password.value, &format!("SSH password of {}", host.name)));
        let become_password = host.become_password.as_ref().map(|password| {
            self.secret(&password.value, &format!("password for becoming root on {}", host.name))
        });
        PlannedConnection {
            kind: kind.to_owned(),
            address: host.address.value.clone(),
            port: host.port.value,
            user: host.user.as_ref().map(|user| user.value.clone()).or_else(login_user),
            platform: host.platform.as_ref().map(|platform| platform.value),
            key: host.key.as_ref().map(|key| from_anywhere(&key.value)),
            password: password.filter(|_| !local),
            become_method: host.become_method.as_ref().map(|method| method.value),
            become_password,
        }
    }

    /// Names a password, so that a plan can refer to it. One that stands in the inventory is not
    /// written into a plan: there it becomes a question with this text.
    fn secret(&mut self, source: &PasswordSource, question: &str) -> String {
        let source = match source {
            PasswordSource::Reference(SecretSource::File(path)) => SecretSource::File(from_anywhere(path)),
            PasswordSource::Reference(source) => source.clone(),
            PasswordSource::Inline(value) => {
                let source = SecretSource::Prompt(question.to_owned());
                let name = secret_name(&source);
                self.inline.insert(name.clone(), Secret::new(&name, value.clone()));
                source
            }
        };
        let name = secret_name(&source);
        self.secrets.insert(name.clone(), SecretReference { source, optional: false });
        name
    }

    /// Resolves secrets and reads keys and known hosts, all once for the run.
    pub fn access(&self, arguments: &ConnectArguments) -> Result<Access, CliError> {
        let mut wanted = self.secrets.clone();
        wanted.retain(|name, _| !self.inline.contains_key(name));
        let mut secrets = secrets::resolve(&wanted)?;
        secrets.extend(self.inline.clone());
        let connections = self.hosts.iter().map(|(_, connection)| connection);
        access(connections, secrets, &arguments.known_hosts, arguments.accept_new, &arguments.run)
    }
}

/// A path that means the same file when a plan is applied from another directory. `~/` stays.
fn from_anywhere(path: &str) -> String {
    if path.starts_with('~') {
        return path.to_owned();
    }
    std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.to_string_lossy().into_owned())
}

/// The user who runs uproot: as the environment says, else as `/etc/passwd` does.
fn login_user() -> Option<String> {
    let named =
        ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok().filter(|u| !u.is_empty()));
    named.or_else(|| {
        let uid = rustix::process::getuid().as_raw().to_string();
        let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
        let fields = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let mine = fields.into_iter().find(|fields| fields.get(2) == Some(&uid.as_str()))?;
        mine.first().map(|name| (*name).to_owned())
    })
}

/// The command that would look at one host again with these options and one more, as a shell reads it.
pub fn again(verb: &str, arguments: &ConnectArguments, host: &str, option: &str) -> String {
    let mut words = vec![format!("uproot {verb}")];
    let mut add = |name: &str, value: &str| words.push(format!("{name} {}", shell_word(value)));
    arguments.inventory.iter().for_each(|inventory| add("-i", inventory));
    if !arguments.inventory.is_empty() {
        add("--limit", host);
    }
    let path = |path: &PathBuf| path.to_string_lossy().into_owned();
    arguments.user.iter().filter(|_| !option.starts_with("-u")).for_each(|user| add("-u", user));
    arguments.port.iter().for_each(|port| add("-p", &port.to_string()));
    arguments.key.iter().for_each(|key| add("--key", &path(key)));
    arguments.known_hosts.iter().for_each(|file| add("--known-hosts", &path(file)));
    let mut flag = |wanted: bool, name: &str| {
        if wanted && !option.split(' ').any(|word| word == name) {
            words.push(name.to_owned());
        }
    };
    flag(arguments.ask_pass, "--ask-pass");
    match arguments.become_method {
        Some(BecomeWord::Sudo) => flag(!option.starts_with("-u"), "--become"),
        Some(BecomeWord::Doas) => {
            flag(!option.contains("--become") && !option.starts_with("-u"), "--become=doas")
        }
        None => {}
    }
    flag(arguments.ask_become_pass && !option.starts_with("-u"), "--ask-become-pass");
    if !option.is_empty() {
        words.push(option.to_owned());
    }
    words.join(" ")
}

/// The name under which a plan refers to a secret.
fn secret_name(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("env:{name}"),
        SecretSource::File(path) => format!("file:{path}"),
        SecretSource::Command(command) => format!("command:{command}"),
        SecretSource::Prompt(text) => format!("prompt:{text}"),
    }
}

/// Reads keys and known hosts for these connections.
pub fn access<'a>(
    connections: impl Iterator<Item = &'a PlannedConnection> + Clone,
    secrets: BTreeMap<String, Secret>,
    known_hosts: &[PathBuf],
    accept_new: bool,
    run: &RunningArguments,
) -> Result<Access, CliError> {
    let by_ssh = connections.clone().any(|connection| connection.kind != PlannedConnection::LOCAL);
    let mut key_files: Vec<PathBuf> =
        connections.filter_map(|connection| connection.key.as_deref().map(PathBuf::from)).collect();
    key_files.sort();
    key_files.dedup();
    let known_hosts = if by_ssh { read_known_hosts(known_hosts, accept_new)? } else { KnownHosts::default() };
    let keys = if by_ssh {
        Keys::load(key_files.is_empty(), true, &key_files, &mut secrets::passphrase)
            .map_err(CliError::Local)?
    } else {
        Keys::default()
    };
    let timeouts = Timeouts {
        connect: Duration::from_secs(run.connect_timeout),
        handshake: Duration::from_secs(run.handshake_timeout),
        idle: Duration::from_secs(run.idle_timeout),
        facts: Duration::from_secs(run.facts_timeout),
    };
    Ok(Access {
        known_hosts: Arc::new(known_hosts),
        keys: Arc::new(keys),
        secrets,
        uploads: BTreeMap::new(),
        timeouts,
        trials: Arc::default(),
    })
}

fn read_known_hosts(files: &[PathBuf], accept_new: bool) -> Result<KnownHosts, CliError> {
    let known = KnownHosts::read(files).map_err(CliError::Local)?;
    for problem in known.problems() {
        tell!("{}", problem.render(&Sources::default()));
    }
    if !accept_new {
        return Ok(known);
    }
    let file = files.first().cloned().or_else(user_known_hosts);
    let file = file.ok_or_else(|| {
        CliError::input("there is no home directory to keep known_hosts in", "give --known-hosts FILE")
    })?;
    Ok(known.accept_new(file))
}

fn user_known_hosts() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(".ssh/known_hosts"))
}

fn overrides(arguments: &ConnectArguments) -> Overrides {
    Overrides {
        user: arguments.user.clone(),
        port: arguments.port,
        key: arguments.key.as_ref().map(|key| key.to_string_lossy().into_owned()),
        become_method: arguments.become_method.map(|word| match word {
            BecomeWord::Sudo => BecomeMethod::Sudo,
            BecomeWord::Doas => BecomeMethod::Doas,
        }),
        ask_pass: arguments.ask_pass,
        ask_become_pass: arguments.ask_become_pass,
    }
}

/// Tells the warnings of a file that was read.
pub fn print_warnings(diagnostics: &Diagnostics) {
    if !diagnostics.list.is_empty() {
        tell!("{}", diagnostics.render());
    }
}
