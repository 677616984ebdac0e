//! A lab of real SSH hosts for integration tests: real sshd, sudo, dpkg and rpm, each host with its
//! own file system (over the machine's, on a tmpfs), processes, name, machine id and boot id, on a
//! loopback address of its own. Needs root and nothing but Debian's packages.
//!
//! A host lives in its own mount and pid namespaces, so nothing of it can outlive it: it ends with
//! its `Host`, and when the test process is killed.

#![allow(dead_code, reason = "every suite uses its own part of the lab")]

mod host;
mod packages;
mod snapshot;
mod uproot;

#[allow(unused_imports, reason = "as above")]
pub use host::{Host, HostBuilder, LoginShell, Manager, Ran, Sudo, Systemctl};
#[allow(unused_imports, reason = "as above")]
pub use packages::VendorPackage;
#[allow(unused_imports, reason = "as above")]
pub use snapshot::{Snapshot, diff};
#[allow(unused_imports, reason = "as above")]
pub use uproot::Output;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// The password of every host's ordinary user, unless the host says another.
pub const PASSWORD: &str = "correct horse battery";

/// A directory, a client key, a known_hosts file, and the packages that were built so far.
pub struct Lab {
    inner: Arc<Inner>,
}

struct Inner {
    dir: TempDir,
    known_hosts: Mutex<()>,
    built: Mutex<HashMap<String, PathBuf>>,
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Lab {
    /// A lab without hosts.
    #[must_use]
    pub fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "the lab needs root: run `tests/run`, or leave root suites out"
        );
        let dir = tempfile::Builder::new().prefix("uproot-lab-").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("home")).unwrap();
        std::fs::write(dir.path().join("known_hosts"), "").unwrap();
        generate_key(&dir.path().join("client_key"));
        let inner = Inner { dir, known_hosts: Mutex::new(()), built: Mutex::new(HashMap::new()) };
        Self { inner: Arc::new(inner) }
    }

    /// Describes a host; `start` starts it.
    pub fn host(&self, name: &str) -> HostBuilder {
        HostBuilder::new(Arc::clone(&self.inner), name)
    }

    /// The lab's directory; it goes with the lab.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.inner.dir.path()
    }

    /// The client's private key: every host's ordinary user and, where allowed, root accept it.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.inner.key()
    }

    /// A known_hosts file with the key of every host that was started (unless it is to be unknown).
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.inner.known_hosts_file()
    }

    /// Writes a native inventory of these hosts: address, port, user and key of each.
    #[must_use]
    pub fn inventory_file<'a>(&self, hosts: impl IntoIterator<Item = &'a Host>) -> PathBuf {
        let mut text = String::from("uproot_inventory: 1\nhosts:\n");
        for host in hosts {
            text.push_str(&host.inventory_entry());
        }
        self.write("hosts.yml", &text)
    }

    /// Writes a file of the lab's directory and tells its path.
    #[must_use]
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir().join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).unwrap();
        }
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs the built binary as a user would: own home, no agent, no colours, at most two minutes.
    #[must_use]
    pub fn uproot<A: AsRef<std::ffi::OsStr>>(&self, arguments: &[A]) -> Output {
        uproot::run(self.dir(), arguments, &[], b"")
    }

    /// As `uproot`, with further environment variables and a text on standard input.
    #[must_use]
    pub fn uproot_with<A: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: &[A],
        environment: &[(&str, &str)],
        input: &[u8],
    ) -> Output {
        uproot::run(self.dir(), arguments, environment, input)
    }

    /// The deb or rpm of a package, built once a lab.
    #[must_use]
    pub fn package(&self, package: &VendorPackage, manager: Manager) -> PathBuf {
        self.inner.package(package, manager)
    }
}

impl Inner {
    fn key(&self) -> PathBuf {
        self.dir.path().join("client_key")
    }

    fn known_hosts_file(&self) -> PathBuf {
        self.dir.path().join("known_hosts")
    }

    /// Writes the key of the host at `address`:`port` into known_hosts.
    fn learn_host_key(&self, address: &str, port: u16, public_key: &str) {
        let _one_writer = self.known_hosts.lock().unwrap();
        let mut text = std::fs::read_to_string(self.known_hosts_file()).unwrap();
        text.push_str(&format!("[{address}]:{port} {}\n", public_key.trim()));
        std::fs::write(self.known_hosts_file(), text).unwrap();
    }

    fn package(&self, package: &VendorPackage, manager: Manager) -> PathBuf {
        let mut built = self.built.lock().unwrap();
        let label = format!("{}_{}_{manager:?}", package.name, package.version);
        built
            .entry(label.clone())
            .or_insert_with(|| package.build(manager, &self.dir.path().join("packages").join(label)))
            .clone()
    }

    /// Stub packages that every host of this kind has installed, as no real host lists none.
    fn base_packages(&self, manager: Manager) -> Vec<PathBuf> {
        let mut built = self.built.lock().unwrap();
        packages::BASE
            .iter()
            .map(|name| {
                let label = format!("base_{name}_{manager:?}");
                let dir = self.dir.path().join("packages").join(&label);
                built.entry(label).or_insert_with(|| packages::build_stub(name, manager, &dir)).clone()
            })
            .collect()
    }
}

/// Makes an ed25519 key pair at `path` and `path`.pub.
fn generate_key(path: &Path) {
    let done = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "uproot-lab", "-f"])
        .arg(path)
        .output()
        .expect("ssh-keygen is missing: install openssh-client");
    assert!(done.status.success(), "ssh-keygen: {}", String::from_utf8_lossy(&done.stderr));
}
