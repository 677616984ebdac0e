//! Namespaces of a lab's own: a network that no other program is in, in which hosts can be cut off
//! without a word, or a small disk. `uproot` is then run inside them.
//!
//! Nothing has a name outside: a namespace lives as long as the process that keeps it, which ends with
//! this value and when the test process is killed.

use super::host::{PATH, Ran, ran};
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// The bridge's own address; hosts have others of 10.77.0.0/16.
const CONTROLLER: &str = "10.77.255.254/16";

/// Which namespaces are a lab's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Apart {
    /// A network with a bridge.
    Network,
    /// Mounts.
    Mounts,
}

/// A process that keeps namespaces.
pub(super) struct Keeper {
    apart: Apart,
    child: Child,
    alive: Option<ChildStdin>,
    hosts: AtomicU16,
}

impl Keeper {
    /// Makes the namespace and runs this sh text in it.
    pub(super) fn start(apart: Apart, setup: &str) -> Self {
        use std::os::unix::process::CommandExt;
        let flag = if apart == Apart::Network { "-n" } else { "-m" };
        let mut child = Command::new("unshare")
            .env_clear()
            .env("PATH", PATH)
            .args([flag, "sh", "-c", &format!("set -e\n{setup}\necho ready\nread -r end || true")])
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare is missing: install util-linux");
        let mut answer = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut answer).unwrap();
        assert_eq!(answer, "ready\n", "the lab's namespace could not be set up");
        let alive = child.stdin.take();
        Self { apart, child, alive, hosts: AtomicU16::new(0) }
    }

    /// A network with a bridge and nobody on it.
    pub(super) fn network() -> Self {
        let setup = format!(
            "ip link set lo up\nip link add br0 type bridge\nip addr add {CONTROLLER} dev br0\nip link set br0 up"
        );
        Self::start(Apart::Network, &setup)
    }

    /// Whether it is a network.
    pub(super) fn is_network(&self) -> bool {
        self.apart == Apart::Network
    }

    /// A command that enters the namespace and becomes the program there, in this working directory.
    pub(super) fn command(&self, program: &Path, dir: &Path) -> Command {
        let mut command = Command::new("nsenter");
        let flag = if self.is_network() { "-n" } else { "-m" };
        command
            .args(["-t", &self.child.id().to_string(), flag, "--", "sh", "-c"])
            .arg("cd \"$1\" && shift && exec \"$@\"")
            .arg("sh")
            .arg(dir)
            .arg(program);
        command
    }

    /// Runs sh text in the namespace.
    pub(super) fn run(&self, script: &str) -> Ran {
        let mut command = self.command(Path::new("sh"), Path::new("/"));
        command.env("PATH", PATH).args(["-c", script]).stdin(Stdio::null());
        ran(&command.output().expect("nsenter is missing: install util-linux"))
    }

    /// What a path of the namespace is called outside of it.
    pub(super) fn outside(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.child.id()));
        root.join(path.strip_prefix("/").unwrap())
    }

    /// An address for one more host.
    pub(super) fn next_address(&self) -> Ipv4Addr {
        let [third, fourth] = (self.hosts.fetch_add(1, Ordering::Relaxed) + 1).to_be_bytes();
        assert!(third < 200, "too many hosts");
        Ipv4Addr::new(10, 77, third, fourth)
    }

    /// Plugs the network of this process into the bridge, with this address.
    pub(super) fn plug_in(&self, pid: u32, address: Ipv4Addr) {
        let [.., third, fourth] = address.octets();
        let port = format!("v{third}x{fourth}");
        self.run(&format!(
            "ip link add {port} type veth peer name eth0 netns {pid} && ip link set {port} master br0 up"
        ))
        .success();
        in_network(
            pid,
            &format!("ip addr add {address}/16 dev eth0 && ip link set eth0 up && ip link set lo up"),
        )
        .success();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(mut alive) = self.alive.take() {
            let _ = writeln!(alive, "end");
        }
        let _ = self.child.wait();
    }
}

/// Runs sh text in the network of this process.
pub(super) fn in_network(pid: u32, script: &str) -> Ran {
    let output = Command::new("nsenter")
        .env("PATH", PATH)
        .args(["-t", &pid.to_string(), "-n", "sh", "-c", script])
        .stdin(Stdio::null())
        .output()
        .expect("nsenter is missing: install util-linux");
    ran(&output)
}
