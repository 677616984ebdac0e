//! One host: how it is entered, cut off, rebooted and stopped.

use super::Inner;
use super::builder::{Described, Manager};
use super::network::in_network;
use super::packages::VendorPackage;
use super::records::HostRecords;
use super::snapshot::Snapshot;
use super::supervisor::Supervisor;
use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Where the lab's own tools find what they need, whatever the caller's PATH is.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a host may take to answer with its banner.
const START_LIMIT: Duration = Duration::from_secs(60);

/// What becomes of a host that reboots itself the next time; after that it is as ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextBoot {
    /// It does not come back.
    Never,
    /// It comes back after so many seconds.
    After(u32),
    /// It comes back with another machine id, as a restored image does.
    OtherMachineId,
    /// It comes back with another host key.
    OtherHostKey,
}

/// What a command inside a host gave.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Its exit status; a signal counts as 128 + its number.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Insists that it exited with 0, and gives its output.
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!(self.status, 0, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stdout
    }
}

/// A running host. It ends with this value.
pub struct Host {
    described: Described,
    dir: PathBuf,
    supervisor: Supervisor,
    made: SystemTime,
    lab: Arc<Inner>,
}

impl Host {
    /// Boots it for the first time.
    pub(super) fn start(lab: Arc<Inner>, dir: PathBuf, supervisor: Supervisor, described: Described) -> Self {
        let mut host = Self { described, dir, supervisor, made: SystemTime::UNIX_EPOCH, lab };
        host.boot();
        host.made = host.files_since();
        host
    }

    /// Its name in inventories.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.described.name
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.described.address
    }

    /// Its sshd's port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.described.port
    }

    /// Whom to log in as.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.described.user
    }

    /// The ordinary user's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.described.password
    }

    /// Its entry in a native inventory, under `hosts:`.
    #[must_use]
    pub fn inventory_entry(&self) -> String {
        format!(
            "  {}:\n    address: {}\n    port: {}\n    user: {}\n    key: {}\n",
            self.name(),
            self.address(),
            self.port(),
            self.user(),
            self.lab.key().display()
        )
    }

    /// Runs sh text as root inside the host, not by SSH.
    #[must_use]
    pub fn exec_root(&self, script: &str) -> Ran {
        let pid = self.pid();
        let output = Command::new("nsenter")
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", "/root")
            .env("LC_ALL", "C.UTF-8")
            .args(["-t", &pid.to_string(), "-m", "-p", "-u", "-i", "-n", "sh", "-c", script])
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
            .expect("nsenter is missing: install util-linux");
        ran(&output)
    }

    /// Runs a command by the `ssh` program, as the host's user with the client's key.
    #[must_use]
    pub fn ssh(&self, command: &str) -> Ran {
        let output = self
            .lab
            .command(Path::new("ssh"))
            .args([
                "-F",
                "none",
                "-T",
                "-o",
                "BatchMode=yes",
                "-o",
                "IdentitiesOnly=yes",
                "-o",
                "LogLevel=ERROR",
            ])
            .args(["-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=none"])
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", self.lab.known_hosts_file().display()))
            .arg("-i")
            .arg(self.lab.key())
            .args(["-p", &self.port().to_string(), &format!("{}@{}", self.user(), self.address()), command])
            .stdin(Stdio::null())
            .output()
            .expect("ssh is missing: install openssh-client");
        ran(&output)
    }

    /// Installs a package by the host's package manager; its maintainer scripts run.
    pub fn install(&self, package: &VendorPackage) {
        let file = self.lab.package(package, self.described.manager);
        let name = file.file_name().unwrap().to_str().unwrap();
        self.put(&format!("/var/tmp/{name}"), &std::fs::read(&file).unwrap());
        let command = match self.described.manager {
            Manager::Dpkg => "dpkg -i",
            Manager::Rpm => "rpm -U",
        };
        self.exec_root(&format!("{command} /var/tmp/{name} && rm /var/tmp/{name}")).success();
    }

    /// Installs the vendor-like `kesl` of this version (`12.1.0-1543`), with its daemon running.
    pub fn install_kesl(&self, version: &str) {
        self.install(&VendorPackage::new("kesl", version));
    }

    /// Whether the package's removal fails in its own script, with a message.
    pub fn fail_removal(&self, package: &str, fails: bool) {
        self.flag("fail", package, fails);
    }

    /// Whether the package's removal hangs in its own script.
    pub fn hang_removal(&self, package: &str, hangs: bool) {
        self.flag("hang", package, hangs);
    }

    /// Whether the package's daemon ignores that it is stopped, and survives the removal.
    pub fn keep_daemon(&self, package: &str, keeps: bool) {
        self.flag("survive", package, keeps);
    }

    /// Its maintainer scripts and daemons look for these.
    fn flag(&self, what: &str, package: &str, set: bool) {
        let command = if set { ": >" } else { "rm -f " };
        self.exec_root(&format!("{command}/var/lib/lab/{what}-{package}")).success();
    }

    /// Writes a file of the host as root.
    pub fn put(&self, path: &str, content: &[u8]) {
        let pid = self.pid();
        let mut child = Command::new("nsenter")
            .env("PATH", PATH)
            .args(["-t", &pid.to_string(), "-m", "-p", "sh", "-c", "cat >\"$1\"", "sh", path])
            .current_dir("/")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(content).unwrap();
        assert!(child.wait().unwrap().success(), "cannot write {path} of {}", self.name());
    }

    /// Everything a change could be seen by: every path, and the processes.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(self.pid(), self.made)
    }

    /// Cuts its power: every process ends at once, the disk stays.
    pub fn kill(&mut self) {
        self.supervisor.command("cut");
    }

    /// Cuts its power and starts it again: files kept, a new boot id.
    pub fn restart(&mut self) {
        self.kill();
        self.boot();
    }

    /// Starts it where it is down.
    pub fn boot(&mut self) {
        self.supervisor.command("boot");
        self.wait_until_up();
    }

    /// Says what becomes of it when it reboots itself the next time.
    pub fn next_boot(&self, next: NextBoot) {
        let word = match next {
            NextBoot::Never => "never".to_owned(),
            NextBoot::After(seconds) => format!("after {seconds}"),
            NextBoot::OtherMachineId => "machine-id".to_owned(),
            NextBoot::OtherHostKey => "host-key".to_owned(),
        };
        std::fs::write(self.dir.join("next_boot"), word).unwrap();
    }

    /// Whether it has a first process.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.pid_if_up().is_some()
    }

    /// Waits until its sshd answers.
    pub fn wait_until_up(&self) {
        let end = Instant::now() + START_LIMIT;
        while !self.is_up() || !self.answers() {
            assert!(Instant::now() < end, "{} does not start:\n{}", self.name(), self.log());
            std::thread::sleep(Duration::from_millis(5));
            let log = self.log();
            let failed = log.contains("did not boot") || log.contains("Cannot bind any address");
            assert!(!failed, "{} does not start:\n{}", self.name(), self.log());
        }
    }

    /// Drops every packet from and to it without a word, until `heal`. Only in a networked lab.
    pub fn partition(&self) {
        self.filter("policy drop;");
    }

    /// Refuses new connections, as while sshd is not running, until `heal`; those that are there stay.
    /// Only in a networked lab.
    pub fn refuse_connections(&self) {
        self.filter("policy accept; ct state established accept; tcp dport 22 reject with tcp reset;");
    }

    fn filter(&self, input: &str) {
        let output = if input.contains("policy drop") { "policy drop;" } else { "policy accept;" };
        let chain = |name: &str, hook: &str, rules: &str| {
            format!("chain {name} {{ type filter hook {hook} priority 0; {rules} }}")
        };
        let table =
            format!("table inet lab {{ {}; {}; }}", chain("i", "input", input), chain("o", "output", output));
        self.network(&format!("nft '{table}'"));
    }

    /// Takes back `partition` and `refuse_connections`.
    pub fn heal(&self) {
        self.network("nft delete table inet lab");
    }

    fn network(&self, script: &str) {
        let apart = self.lab.keeper.as_ref().is_some_and(super::network::Keeper::is_network);
        assert!(apart, "that would change the machine's own network: it takes `Lab::networked`");
        in_network(self.supervisor.pid(), script).success();
    }

    /// Ends every SSH connection by killing the server's side of it.
    pub fn cut_connections(&self) {
        self.exec_root(super::products::KILL_SESSIONS).success();
    }

    /// Restarts its sshd: every connection ends, new ones are refused for a second.
    pub fn restart_sshd(&self) {
        self.refuse_connections();
        self.cut_connections();
        self.exec_root("kill -HUP 1").success();
        std::thread::sleep(Duration::from_secs(1));
        self.heal();
        self.wait_until_up();
    }

    /// What its sshd wrote.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// How many logins its sshd has let in.
    #[must_use]
    pub fn logins(&self) -> usize {
        self.log().lines().filter(|line| line.contains("Accepted ")).count()
    }

    /// What the host itself has recorded of what was run on it.
    #[must_use]
    pub fn records(&self) -> HostRecords {
        HostRecords::parse(&self.exec_root("cat /var/lib/lab/log 2>/dev/null; true").success())
    }

    /// The pid of its first process as the machine sees it.
    #[track_caller]
    fn pid(&self) -> u32 {
        self.pid_if_up().expect("the host is down")
    }

    fn pid_if_up(&self) -> Option<u32> {
        std::fs::read_to_string(self.dir.join("pid")).ok()?.trim().parse().ok()
    }

    fn answers(&self) -> bool {
        if self.lab.keeper.as_ref().is_some_and(super::network::Keeper::is_network) {
            let script = "exec 3<>\"/dev/tcp/$0/$1\" && head -c 4 <&3";
            let mut command = self.lab.command(Path::new("timeout"));
            command.args(["5", "bash", "-c", script, self.address(), &self.port().to_string()]);
            let output = command.env("PATH", PATH).stdin(Stdio::null()).output().unwrap();
            return output.stdout == b"SSH-";
        }
        let address = SocketAddrV4::new(self.address().parse().unwrap(), self.port());
        let Ok(mut stream) = TcpStream::connect_timeout(&address.into(), Duration::from_secs(1)) else {
            return false;
        };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let mut banner = [0u8; 4];
        stream.read_exact(&mut banner).is_ok() && &banner == b"SSH-"
    }

    /// The inode time of the newest file, a little before which nothing of a test can have been.
    fn files_since(&self) -> SystemTime {
        self.exec_root(": >/var/lib/lab/made").success();
        let made = format!("/proc/{}/root/var/lib/lab/made", self.pid());
        std::fs::metadata(made).unwrap().modified().unwrap() - Duration::from_secs(2)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.supervisor.quit();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// What a finished process gave.
pub(super) fn ran(output: &std::process::Output) -> Ran {
    use std::os::unix::process::ExitStatusExt;
    Ran {
        status: output.status.code().or(output.status.signal().map(|signal| 128 + signal)).unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
