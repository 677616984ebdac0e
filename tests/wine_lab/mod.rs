//! A lab of Windows-like hosts for integration tests: Wine with a prefix of its own for each host, behind an SSH
//! server that presents itself as Windows' own OpenSSH. Real MSI packages, services and a real registry; what Wine
//! has not, or only pretends to have, is filled by the lab's own programs (programs/replace), or left as it is where
//! a test wants that. docs/windows-lab.md says where all this differs from Windows.
//!
//! Needs root, for the namespaces. A host lives in its own mount and pid namespaces, so nothing of it can outlive it:
//! it ends with its `WineHost`, and when the test process is killed. No drive of it shows the machine's files.

#![allow(dead_code, reason = "every suite uses its own part of the lab")]

mod base;
mod fault;
mod furnish;
mod host;
mod msi;
mod server;
mod session;
mod setup;
#[path = "../lab/uproot.rs"]
mod uproot;

#[allow(unused_imports, reason = "as above")]
pub use fault::{Fault, ToolFault};
#[allow(unused_imports, reason = "as above")]
pub use host::{MsiexecCall, Ran, WineHost, WineHostBuilder};
#[allow(unused_imports, reason = "as above")]
pub use msi::{Kind, MSI_PASSWORD, Msi};
#[allow(unused_imports, reason = "as above")]
pub use server::Exec;
#[allow(unused_imports, reason = "as above")]
pub use setup::SetupProduct;
#[allow(unused_imports, reason = "as above")]
pub use uproot::{Output, Running};

use base::Base;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Whom to log in as: an administrator, elevated as over SSH on Windows.
pub const USER: &str = "Administrator";

/// The password of that user.
pub const PASSWORD: &str = "correct horse battery";

/// Where the lab's own tools find what they need, whatever the caller's PATH is.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A directory, a client key, a known_hosts file, and the packages that were built so far.
pub struct WineLab {
    inner: Arc<Inner>,
}

struct Inner {
    base: Base,
    dir: TempDir,
    runtime: tokio::runtime::Runtime,
    known_hosts: Mutex<()>,
    built: Mutex<HashMap<String, PathBuf>>,
}

impl Default for WineLab {
    fn default() -> Self {
        Self::new()
    }
}

impl WineLab {
    /// A lab without hosts. The first on a machine makes the Wine prefix that all share.
    #[must_use]
    pub fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "the lab needs root: run `tests/run`, or leave root suites out"
        );
        let dir = tempfile::Builder::new().prefix("uproot-wine-").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("home")).unwrap();
        std::fs::write(dir.path().join("known_hosts"), "").unwrap();
        let done = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "uproot-lab", "-f"])
            .arg(dir.path().join("client_key"))
            .output()
            .expect("ssh-keygen is missing: install openssh-client");
        assert!(done.status.success(), "ssh-keygen: {}", String::from_utf8_lossy(&done.stderr));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let inner = Inner {
            base: Base::ready(),
            dir,
            runtime,
            known_hosts: Mutex::new(()),
            built: Mutex::new(HashMap::new()),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Describes a host; `start` starts it.
    pub fn host(&self, name: &str) -> WineHostBuilder {
        WineHostBuilder::new(Arc::clone(&self.inner), name)
    }

    /// The lab's directory; it goes with the lab.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.inner.dir.path()
    }

    /// The client's private key: every host accepts it.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.inner.key()
    }

    /// A known_hosts file with the key of every host that was started.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.dir().join("known_hosts")
    }

    /// Writes a native inventory of these hosts: address, port, user and key of each.
    #[must_use]
    pub fn inventory_file<'a>(&self, hosts: impl IntoIterator<Item = &'a WineHost>) -> PathBuf {
        let mut text = String::from("uproot_inventory: 1\nhosts:\n");
        for host in hosts {
            text.push_str(&host.inventory_entry());
        }
        self.write("hosts.yml", text)
    }

    /// Writes a file of the lab's directory and tells its path.
    #[must_use]
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs the built binary as a user would: own home, no agent, no colours, at most five minutes, as Wine is slow
    /// on a busy machine.
    #[must_use]
    #[track_caller]
    pub fn uproot<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Output {
        self.uproot_with(arguments, &[], b"")
    }

    /// As `uproot`, with further environment variables and a text on standard input.
    #[must_use]
    #[track_caller]
    pub fn uproot_with<A: AsRef<OsStr>>(
        &self,
        arguments: &[A],
        environment: &[(&str, &str)],
        input: &[u8],
    ) -> Output {
        let command = Command::new(env!("CARGO_BIN_EXE_uproot"));
        Running::start(command, self.dir(), arguments, environment, input)
            .finish_within(std::time::Duration::from_secs(300))
    }

    /// Runs `uproot VERB` on these hosts.
    #[must_use]
    #[track_caller]
    pub fn ask(&self, hosts: &[&WineHost], words: &[&str]) -> Output {
        self.ask_with(hosts, words, &[])
    }

    /// As `ask`, with further environment variables.
    #[must_use]
    #[track_caller]
    pub fn ask_with(&self, hosts: &[&WineHost], words: &[&str], environment: &[(&str, &str)]) -> Output {
        let inventory = self.inventory_file(hosts.iter().copied());
        let (known, runs) = (self.known_hosts(), self.dir().join("runs"));
        let [inventory, known, runs] = [&inventory, &known, &runs].map(|path| path.to_str().unwrap());
        let own = ["-i", inventory, "--known-hosts", known, "--runs", runs];
        self.uproot_with(&[words, &own].concat(), environment, b"")
    }

    /// As `uproot`, but does not wait for its end.
    #[must_use]
    pub fn start_uproot<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Running {
        Running::start(Command::new(env!("CARGO_BIN_EXE_uproot")), self.dir(), arguments, &[], b"")
    }

    /// Starts all of these hosts, two at once.
    #[must_use]
    pub fn start_all(&self, hosts: Vec<WineHostBuilder>) -> Vec<WineHost> {
        let waiting = Mutex::new(hosts.into_iter().enumerate().rev().collect::<Vec<_>>());
        let started = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    loop {
                        let Some((number, host)) = waiting.lock().unwrap().pop() else { break };
                        let host = host.start();
                        started.lock().unwrap().push((number, host));
                    }
                });
            }
        });
        let mut started = started.into_inner().unwrap();
        started.sort_by_key(|(number, _)| *number);
        started.into_iter().map(|(_, host)| host).collect()
    }
}

/// A host of a JSON report by its name.
#[must_use]
#[track_caller]
pub fn host_of<'r>(report: &'r serde_json::Value, name: &str) -> &'r serde_json::Value {
    let hosts = report["hosts"].as_array().unwrap();
    hosts.iter().find(|host| host["host"] == name).unwrap_or_else(|| panic!("{report:#}"))
}

impl Inner {
    fn key(&self) -> PathBuf {
        self.dir.path().join("client_key")
    }

    /// Writes the key of a host into known_hosts.
    fn learn_host_key(&self, at: std::net::SocketAddr, host_key: &str) {
        let _one_writer = self.known_hosts.lock().unwrap();
        let file = self.dir.path().join("known_hosts");
        let mut text = std::fs::read_to_string(&file).unwrap();
        text.push_str(&format!("[{}]:{} {}\n", at.ip(), at.port(), host_key.trim()));
        std::fs::write(file, text).unwrap();
    }

    /// A package, built once a lab.
    fn package(&self, msi: &Msi) -> PathBuf {
        let mut built = self.built.lock().unwrap();
        let label = msi.label();
        let dir = self.dir.path().join("packages").join(&label);
        built.entry(label).or_insert_with(|| msi.build(&self.base.tools, &dir)).clone()
    }
}
