//! A lab of real SSH hosts for integration tests: real sshd, sudo, dpkg and rpm, each host with its
//! own file system (over the machine's, on a tmpfs), processes, name, machine id and boot id, on a
//! loopback address of its own. Needs root and nothing but Debian's packages.
//!
//! A host lives in its own mount and pid namespaces, so nothing of it can outlive it: it ends with
//! its `Host`, and when the test process is killed.

#![allow(dead_code, reason = "every suite uses its own part of the lab")]

mod builder;
mod host;
mod journal;
mod network;
mod packages;
mod products;
mod records;
mod snapshot;
mod supervisor;
mod uproot;

#[allow(unused_imports, reason = "as above")]
pub use builder::{HostBuilder, LoginShell, Manager, Sudo, Systemctl};
#[allow(unused_imports, reason = "as above")]
pub use host::{Host, NextBoot, Ran};
#[allow(unused_imports, reason = "as above")]
pub use journal::{Happened, Journal, open_intents, wait_for};
#[allow(unused_imports, reason = "as above")]
pub use packages::VendorPackage;
#[allow(unused_imports, reason = "as above")]
pub use products::{Uninstaller, scripted, scripted_entry};
#[allow(unused_imports, reason = "as above")]
pub use records::{HostRecord, HostRecords};
#[allow(unused_imports, reason = "as above")]
pub use snapshot::{Snapshot, diff};
#[allow(unused_imports, reason = "as above")]
pub use uproot::{Output, Running};

use network::{Apart, Keeper};
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
    /// Namespaces of the lab's own; none: it lives on the machine's loopback addresses.
    keeper: Option<Keeper>,
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
        Self::with(|_| None)
    }

    /// A lab with a network of its own, in which hosts can be cut off; `uproot` is run in it too.
    #[must_use]
    pub fn networked() -> Self {
        Self::with(|_| Some(Keeper::network()))
    }

    /// A lab whose directory `small` is a disk of so many bytes, as `uproot` sees it.
    #[must_use]
    pub fn with_small_disk(bytes: u64) -> Self {
        Self::with(|dir| {
            let small = dir.join("small");
            std::fs::create_dir(&small).unwrap();
            let mount = format!("mount -t tmpfs -o mode=755,size={bytes} small '{}'", small.display());
            Some(Keeper::start(Apart::Mounts, &format!("mount --make-rprivate /\n{mount}")))
        })
    }

    fn with(keeper: impl FnOnce(&Path) -> Option<Keeper>) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "the lab needs root: run `tests/run`, or leave root suites out"
        );
        let dir = tempfile::Builder::new().prefix("uproot-lab-").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("home")).unwrap();
        std::fs::write(dir.path().join("known_hosts"), "").unwrap();
        generate_key(&dir.path().join("client_key"));
        let keeper = keeper(dir.path());
        let inner = Inner { keeper, dir, known_hosts: Mutex::new(()), built: Mutex::new(HashMap::new()) };
        Self { inner: Arc::new(inner) }
    }

    /// The disk of `with_small_disk`, as `uproot` sees it.
    #[must_use]
    pub fn small_disk(&self) -> PathBuf {
        self.dir().join("small")
    }

    /// The same, as it is seen from outside.
    #[must_use]
    pub fn small_disk_outside(&self) -> PathBuf {
        self.inner.keeper.as_ref().expect("it has no small disk").outside(&self.small_disk())
    }

    /// Runs sh text as `uproot` is run: in the lab's own namespaces.
    #[must_use]
    pub fn run_apart(&self, script: &str) -> Ran {
        self.inner.keeper.as_ref().expect("it has no namespaces of its own").run(script)
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
    #[track_caller]
    pub fn uproot<A: AsRef<std::ffi::OsStr>>(&self, arguments: &[A]) -> Output {
        self.uproot_with(arguments, &[], b"")
    }

    /// As `uproot`, with further environment variables and a text on standard input.
    #[must_use]
    #[track_caller]
    pub fn uproot_with<A: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: &[A],
        environment: &[(&str, &str)],
        input: &[u8],
    ) -> Output {
        let command = self.inner.command(Path::new(env!("CARGO_BIN_EXE_uproot")));
        Running::start(command, self.dir(), arguments, environment, input).finish()
    }

    /// As `uproot`, but does not wait for its end.
    #[must_use]
    pub fn start_uproot<A: AsRef<std::ffi::OsStr>>(&self, arguments: &[A]) -> Running {
        let command = self.inner.command(Path::new(env!("CARGO_BIN_EXE_uproot")));
        Running::start(command, self.dir(), arguments, &[], b"")
    }

    /// As `start_uproot`, on a terminal of its own, which is closed when the `Running` is killed; the exit
    /// code is then written into this file.
    #[must_use]
    pub fn start_on_terminal(&self, arguments: &[&str], code: &Path) -> Running {
        let quote = |word: &&str| builder::quote(word);
        let words: Vec<_> = [env!("CARGO_BIN_EXE_uproot")].iter().chain(arguments).map(quote).collect();
        let code = builder::quote(code.to_str().unwrap());
        let script = format!("trap : HUP; {}; echo $? >{code}", words.join(" "));
        let mut command = self.inner.command(Path::new("script"));
        command.env("SHELL", "/bin/sh").env("TERM", "xterm");
        Running::start(command, self.dir(), &["-qec", &script, "/dev/null"], &[], b"")
    }

    /// Makes a plan for these hosts by this playbook, becoming root by sudo, and tells where it is.
    #[track_caller]
    #[must_use]
    pub fn plan<'a>(&self, hosts: impl IntoIterator<Item = &'a Host>, playbook: &str) -> String {
        let (inventory, playbook) = (self.inventory_file(hosts), self.write("playbook.yml", playbook));
        let (known_hosts, runs, out) =
            (self.known_hosts(), self.dir().join("plans"), self.dir().join("plan.json"));
        let [inventory, playbook, known_hosts, runs, out] =
            [&inventory, &playbook, &known_hosts, &runs, &out].map(|path| path.to_str().unwrap());
        let words = ["plan", "--become", "--force", "--out", out, "-i", inventory, "--playbook", playbook];
        let places = ["--known-hosts", known_hosts, "--runs", runs];
        self.uproot(&[&words[..], &places[..]].concat()).expect_code(0);
        out.to_owned()
    }

    /// Starts all of these hosts, several at once.
    #[must_use]
    pub fn start_all(&self, hosts: Vec<HostBuilder>) -> Vec<Host> {
        let waiting = Mutex::new(hosts.into_iter().enumerate().rev().collect::<Vec<_>>());
        let started = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..4 {
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

    /// The deb or rpm of a package, built once a lab.
    #[must_use]
    pub fn package(&self, package: &VendorPackage, manager: Manager) -> PathBuf {
        self.inner.package(package, manager)
    }
}

impl Inner {
    /// A command for a program that is to run in the lab's own namespaces, where it has any.
    fn command(&self, program: &Path) -> Command {
        self.keeper
            .as_ref()
            .map_or_else(|| Command::new(program), |keeper| keeper.command(program, self.dir.path()))
    }

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
        let place = if port == 22 { address.to_owned() } else { format!("[{address}]:{port}") };
        text.push_str(&format!("{place} {}\n", public_key.trim()));
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
