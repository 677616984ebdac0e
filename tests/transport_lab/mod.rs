//! Real SSH servers for the transport's tests: an `sshd` of this machine on a loopback address of
//! its own, with keys and configuration in a temporary directory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod contract;
pub mod odd;
pub mod users;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use uproot::inventory::ConnectionKind;
use uproot::model::{Cancel, Secret};
use uproot::transport::{
    Answer, Become, Credentials, Keys, KnownHosts, Limits, Probing, ReadOnlyScript, Target, Timeouts,
    TransportError, connect,
};

/// Fails with the reason where a test needs root and does not have it.
pub fn need_root() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test starts an sshd that changes users: run it as root (or leave out `root_*`)"
    );
}

pub fn run_ok(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn keygen(path: &Path, kind: &str, passphrase: &str) {
    run_ok(
        Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", passphrase, "-C", "lab", "-f"]).arg(path),
    );
}

/// A loopback address nobody else uses, with a free port.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let id = std::process::id();
    let third = u8::try_from(id % 250).unwrap();
    let fourth = NEXT.fetch_add(1, Ordering::SeqCst);
    let listener = TcpListener::bind((Ipv4Addr::new(127, 88, third, fourth), 0)).unwrap();
    listener.local_addr().unwrap()
}

/// A running server with everything a client needs to log in to it as root.
pub struct Sshd {
    pub dir: tempfile::TempDir,
    pub at: SocketAddr,
    pub users: Option<tempfile::TempDir>,
    child: Child,
}

impl Sshd {
    /// Starts one with further lines of configuration.
    pub fn start(extra: &str) -> Self {
        Self::start_in(extra, &mut Command::new("/usr/sbin/sshd"))
    }

    /// Starts one by a command to which `-D -e -f CONFIG` is added.
    pub fn start_in(extra: &str, command: &mut Command) -> Self {
        need_root();
        std::fs::create_dir_all("/run/sshd").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let at = free_address();
        let path = |name: &str| dir.path().join(name);
        // The last line of this kind counts.
        let most = if extra.contains("MaxStartups") { "" } else { "MaxStartups 1000" };
        keygen(&path("host_ed25519"), "ed25519", "");
        keygen(&path("id"), "ed25519", "");
        std::fs::copy(path("id.pub"), path("authorized_keys")).unwrap();
        let config = format!(
            "{extra}\nListenAddress {}\nPort {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPermitRootLogin yes\n{most}\n",
            at.ip(),
            at.port(),
            path("host_ed25519").display(),
            path("authorized_keys").display(),
        );
        std::fs::write(path("sshd_config"), config).unwrap();
        let log = std::fs::File::create(path("log")).unwrap();
        let child = command
            .args(["-D", "-e", "-f"])
            .arg(path("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let sshd = Self { dir, at, users: None, child };
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(at).is_err() {
            assert!(Instant::now() < until, "sshd does not listen: {}", sshd.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        sshd
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub fn target(&self, user: &str) -> Target {
        target(self.at, user)
    }

    /// A known_hosts with this server's key under its address.
    pub fn known_hosts(&self) -> KnownHosts {
        KnownHosts::parse("known_hosts", &known_line(self.at, &self.path("host_ed25519.pub")))
    }

    pub fn credentials(&self) -> Credentials {
        credentials(self.known_hosts(), &[self.path("id")])
    }

    pub fn connect(&self, user: &str) -> Result<Probing, TransportError> {
        connect(&self.target(user), &self.credentials(), &timeouts(), &Cancel::new().unwrap())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn target(at: SocketAddr, user: &str) -> Target {
    Target {
        name: "lab".to_owned(),
        kind: ConnectionKind::Ssh,
        address: at.ip().to_string(),
        port: at.port(),
        user: user.to_owned(),
    }
}

/// `[address]:port type key`, from a public key file.
pub fn known_line(at: SocketAddr, public: &Path) -> String {
    let public = std::fs::read_to_string(public).unwrap();
    let mut words = public.split_whitespace();
    format!("[{}]:{} {} {}\n", at.ip(), at.port(), words.next().unwrap(), words.next().unwrap())
}

pub fn credentials(known_hosts: KnownHosts, keys: &[PathBuf]) -> Credentials {
    Credentials {
        known_hosts: Arc::new(known_hosts),
        keys: Arc::new(Keys::load(false, false, keys, &mut |_| None).unwrap()),
        key_file: None,
        password: None,
    }
}

pub fn with_password(known_hosts: KnownHosts, password: &str) -> Credentials {
    Credentials { password: Some(Secret::new("login", password.to_owned())), ..credentials(known_hosts, &[]) }
}

pub fn timeouts() -> Timeouts {
    Timeouts { connect: Duration::from_secs(5), handshake: Duration::from_secs(10), ..Timeouts::default() }
}

pub fn limits() -> Limits {
    Limits { deadline: Duration::from_secs(30), idle: None, keep: 1 << 20, receive: 1 << 30 }
}

pub fn ask_with(
    session: &mut Probing,
    script: &str,
    become_root: Option<&Become>,
    limits: Limits,
    cancel: &Cancel,
) -> Result<Answer, TransportError> {
    session.ask(&ReadOnlyScript::trusted(script.to_owned()), become_root, limits, cancel)
}

pub fn ask(session: &mut Probing, script: &str) -> Answer {
    ask_with(session, script, None, limits(), &Cancel::new().unwrap()).unwrap()
}

/// Sets the flag after a while.
pub fn cancel_after(time: Duration) -> Cancel {
    let cancel = Cancel::new().unwrap();
    let other = cancel.clone();
    std::thread::spawn(move || {
        std::thread::sleep(time);
        other.cancel();
    });
    cancel
}

/// Resident memory of this process, in bytes.
pub fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
