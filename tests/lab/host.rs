//! One host: how it is described, started, entered, cut off and stopped.

use super::packages::VendorPackage;
use super::snapshot::Snapshot;
use super::{Inner, PASSWORD};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Where the lab's own tools find what they need, whatever the caller's PATH is.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a host may take to answer with its banner.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A host's package manager; the other one is not on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// dpkg, as Debian.
    Dpkg,
    /// rpm, as a system of the RHEL family.
    Rpm,
}

/// What the ordinary user may do by sudo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sudo {
    /// Everything, and it asks nothing.
    NoPassword,
    /// Everything, with its own password.
    Password,
    /// Nothing: it is not in the sudoers file.
    NotInSudoers,
    /// There is no sudo.
    Absent,
}

/// What `systemctl` is on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Systemctl {
    /// A stand-in that really starts and stops what unit files say.
    StandIn,
    /// There is none, as in a container.
    Absent,
    /// The machine's own, which says that the system was not booted with systemd (or absent, where
    /// the machine has none).
    NotBooted,
}

/// The ordinary user's login shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginShell {
    /// A shell of the machine: `/bin/sh`, `/usr/bin/fish`.
    Path(String),
    /// Accepts the login and then says nothing, forever.
    Hangs,
    /// Writes without end to both streams, whatever it was asked.
    Floods,
    /// Does what it is asked, but cuts the connection after this many bytes of output.
    CutsAfter(u32),
    /// Prints this before it does what it is asked, as a chatty `.bashrc` does.
    Chatters(String),
    /// Any script, from its `#!` line on; `$2` is the command.
    Script(String),
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

/// A host that is being described.
#[must_use]
pub struct HostBuilder {
    lab: Arc<Inner>,
    name: String,
    user: String,
    password: String,
    manager: Manager,
    sudo: Sudo,
    doas: bool,
    systemctl: Systemctl,
    root_login: bool,
    shell: LoginShell,
    known: bool,
    sshd_lines: Vec<String>,
    provision: Vec<String>,
    machine_id: Option<String>,
}

impl HostBuilder {
    pub(super) fn new(lab: Arc<Inner>, name: &str) -> Self {
        Self {
            lab,
            name: name.to_owned(),
            user: "ops".to_owned(),
            password: PASSWORD.to_owned(),
            manager: Manager::Dpkg,
            sudo: Sudo::NoPassword,
            doas: false,
            systemctl: Systemctl::StandIn,
            root_login: false,
            shell: LoginShell::Path("/bin/sh".to_owned()),
            known: true,
            sshd_lines: Vec::new(),
            provision: Vec::new(),
            machine_id: None,
        }
    }

    /// The package manager; dpkg unless said.
    pub fn packages(mut self, manager: Manager) -> Self {
        self.manager = manager;
        self
    }

    /// What sudo allows; everything without a password unless said.
    pub fn sudo(mut self, sudo: Sudo) -> Self {
        self.sudo = sudo;
        self
    }

    /// Lets the ordinary user become root by doas without a password; without this there is no doas.
    pub fn doas(mut self) -> Self {
        self.doas = true;
        self
    }

    /// What `systemctl` is; the stand-in unless said.
    pub fn systemctl(mut self, systemctl: Systemctl) -> Self {
        self.systemctl = systemctl;
        self
    }

    /// Whether root may log in with the client's key, and is the user of the inventory.
    pub fn root_login(mut self, allowed: bool) -> Self {
        self.root_login = allowed;
        self
    }

    /// The ordinary user's name; `ops` unless said.
    pub fn user(mut self, name: &str) -> Self {
        self.user = name.to_owned();
        self
    }

    /// The ordinary user's password.
    pub fn password(mut self, password: &str) -> Self {
        self.password = password.to_owned();
        self
    }

    /// The ordinary user's login shell by its path.
    pub fn shell(self, path: &str) -> Self {
        self.login_shell(LoginShell::Path(path.to_owned()))
    }

    /// The ordinary user's login shell; `/bin/sh` unless said.
    pub fn login_shell(mut self, shell: LoginShell) -> Self {
        self.shell = shell;
        self
    }

    /// Leaves its key out of known_hosts.
    pub fn unknown_host_key(mut self) -> Self {
        self.known = false;
        self
    }

    /// A further line of its sshd_config; it stands before the others' defaults.
    pub fn sshd_option(mut self, line: &str) -> Self {
        self.sshd_lines.push(line.to_owned());
        self
    }

    /// A machine id of one's own choice: for two names of one machine.
    pub fn machine_id(mut self, id: &str) -> Self {
        self.machine_id = Some(id.to_owned());
        self
    }

    /// Runs this sh text in the host as root before it is first reached.
    pub fn provision(mut self, script: &str) -> Self {
        self.provision.push(script.to_owned());
        self
    }

    /// Takes a program of /usr/bin away: `ls`, `dpkg-query`.
    pub fn without_tool(self, name: &str) -> Self {
        self.provision(&format!("rm -f /usr/bin/{name} /bin/{name} /usr/sbin/{name} /sbin/{name}"))
    }

    /// Makes the package database unreadable for all but root.
    pub fn unreadable_packages(self) -> Self {
        self.provision("chmod 700 /var/lib/dpkg 2>/dev/null || chmod 700 /var/lib/rpm")
    }

    /// Starts it and waits until it answers.
    #[must_use]
    pub fn start(self) -> Host {
        let dir = self.lab.dir.path().join("hosts").join(unique(&self.name));
        std::fs::create_dir_all(dir.join("disk")).unwrap();
        std::fs::create_dir(dir.join("base")).unwrap();
        std::fs::create_dir(dir.join("bin")).unwrap();
        super::generate_key(&dir.join("host_key"));
        std::fs::copy(self.lab.key().with_extension("pub"), dir.join("client_key.pub")).unwrap();
        for (name, text) in [
            ("boot.sh", include_str!("boot.sh")),
            ("provision.sh", include_str!("provision.sh")),
            ("supervisor.sh", include_str!("supervisor.sh")),
            ("systemctl.sh", include_str!("systemctl.sh")),
        ] {
            std::fs::write(dir.join(name), text).unwrap();
        }
        for package in self.lab.base_packages(self.manager) {
            let name = package.file_name().unwrap();
            std::fs::copy(&package, dir.join("base").join(name)).unwrap();
        }
        std::fs::write(dir.join("sshd_extra"), self.sshd_lines.join("\n") + "\n").unwrap();
        let mut extra = self.provision.join("\n");
        if let Some(id) = &self.machine_id {
            extra.push_str(&format!("\nrm -f /etc/machine-id; echo {id} >/etc/machine-id"));
        }
        std::fs::write(dir.join("extra.sh"), extra).unwrap();
        let (address, port) = free_address();
        std::fs::write(dir.join("settings"), self.settings(&dir, address, port)).unwrap();
        let host_key = std::fs::read_to_string(dir.join("host_key.pub")).unwrap();
        if self.known {
            self.lab.learn_host_key(&address.to_string(), port, &host_key);
        }
        let supervisor = Supervisor::start(&dir, self.lab.dir.path());
        let mut host = Host {
            name: self.name,
            address: address.to_string(),
            port,
            user: if self.root_login { "root".to_owned() } else { self.user },
            password: self.password,
            manager: self.manager,
            dir,
            supervisor,
            pid: None,
            made: SystemTime::UNIX_EPOCH,
            lab: self.lab,
        };
        host.boot();
        host.made = host.files_since();
        host
    }

    fn settings(&self, dir: &Path, address: Ipv4Addr, port: u16) -> String {
        let uuid = uuid::Uuid::new_v4().to_string();
        let yes_no = |yes: bool| if yes { "prohibit-password" } else { "no" };
        let pairs = [
            ("name", self.name.clone()),
            ("address", address.to_string()),
            ("port", port.to_string()),
            ("user", self.user.clone()),
            ("password_hash", hash_password(&self.password)),
            ("shell", self.shell_path(dir)),
            ("root_login", yes_no(self.root_login).to_owned()),
            ("manager", if self.manager == Manager::Dpkg { "dpkg" } else { "rpm" }.to_owned()),
            ("doas", if self.doas { "no-password" } else { "absent" }.to_owned()),
            ("dmi_uuid", uuid),
            (
                "sudo",
                match self.sudo {
                    Sudo::NoPassword => "no-password",
                    Sudo::Password => "password",
                    Sudo::NotInSudoers => "not-in-sudoers",
                    Sudo::Absent => "absent",
                }
                .to_owned(),
            ),
            (
                "systemctl",
                match self.systemctl {
                    Systemctl::StandIn => "stand-in",
                    Systemctl::Absent => "absent",
                    Systemctl::NotBooted => "not-booted",
                }
                .to_owned(),
            ),
        ];
        pairs.iter().map(|(key, value)| format!("{key}={}\n", quote(value))).collect()
    }

    /// Puts a login shell of the lab's own among the host's programs, and tells its path.
    fn shell_path(&self, dir: &Path) -> String {
        let script = match &self.shell {
            LoginShell::Path(path) => return path.clone(),
            LoginShell::Hangs => "#!/bin/sh\nexec sleep 1000000\n".to_owned(),
            LoginShell::Floods => {
                "#!/bin/sh\nyes 'and another line of a flood' >&2 &\nexec yes 'a line of a flood'\n"
                    .to_owned()
            }
            LoginShell::CutsAfter(bytes) => {
                format!("#!/bin/sh\n/bin/sh \"$@\" | head -c {bytes}\nsleep 0.3\nkill -9 \"$PPID\"\n")
            }
            LoginShell::Chatters(words) => {
                format!(
                    "#!/bin/sh\nprintf '%s\\n' {0}\nprintf '%s\\n' {0} >&2\nexec /bin/sh \"$@\"\n",
                    quote(words)
                )
            }
            LoginShell::Script(script) => script.clone(),
        };
        std::fs::write(dir.join("bin/lab-shell"), script).unwrap();
        "/usr/local/bin/lab-shell".to_owned()
    }
}

/// A running host. It ends with this value.
pub struct Host {
    name: String,
    address: String,
    port: u16,
    user: String,
    password: String,
    manager: Manager,
    dir: PathBuf,
    supervisor: Supervisor,
    /// The pid of its first process as the machine sees it, while it is up.
    pid: Option<u32>,
    made: SystemTime,
    lab: Arc<Inner>,
}

impl Host {
    /// Its name in inventories.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its loopback address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its sshd's port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whom to log in as.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The ordinary user's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Its entry in a native inventory, under `hosts:`.
    #[must_use]
    pub fn inventory_entry(&self) -> String {
        format!(
            "  {}:\n    address: {}\n    port: {}\n    user: {}\n    key: {}\n",
            self.name,
            self.address,
            self.port,
            self.user,
            self.lab.key().display()
        )
    }

    /// Runs sh text as root inside the host, not by SSH.
    #[must_use]
    pub fn exec_root(&self, script: &str) -> Ran {
        let pid = self.pid.expect("the host is down");
        let output = Command::new("nsenter")
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", "/root")
            .env("LC_ALL", "C.UTF-8")
            .args(["-t", &pid.to_string(), "-m", "-p", "-u", "-i", "sh", "-c", script])
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
            .expect("nsenter is missing: install util-linux");
        ran(&output)
    }

    /// Runs a command by the `ssh` program, as the host's user with the client's key.
    #[must_use]
    pub fn ssh(&self, command: &str) -> Ran {
        let output = Command::new("ssh")
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
            .args(["-p", &self.port.to_string(), &format!("{}@{}", self.user, self.address), command])
            .stdin(Stdio::null())
            .output()
            .expect("ssh is missing: install openssh-client");
        ran(&output)
    }

    /// Installs a package by the host's package manager; its maintainer scripts run.
    pub fn install(&self, package: &VendorPackage) {
        let file = self.lab.package(package, self.manager);
        let name = file.file_name().unwrap().to_str().unwrap();
        self.put(&format!("/var/tmp/{name}"), &std::fs::read(&file).unwrap());
        let command = match self.manager {
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
        let pid = self.pid.expect("the host is down");
        let mut child = Command::new("nsenter")
            .env("PATH", PATH)
            .args(["-t", &pid.to_string(), "-m", "-p", "sh", "-c", "cat >\"$1\"", "sh", path])
            .current_dir("/")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(content).unwrap();
        assert!(child.wait().unwrap().success(), "cannot write {path} of {}", self.name);
    }

    /// Everything a change could be seen by: every path, and the processes.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(self.pid.expect("the host is down"), self.made)
    }

    /// Cuts its power: every process ends at once, the disk stays.
    pub fn kill(&mut self) {
        self.supervisor.command("cut");
        self.pid = None;
    }

    /// Cuts its power and starts it again: files kept, a new boot id.
    pub fn restart(&mut self) {
        self.kill();
        self.boot();
    }

    /// What its sshd wrote.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    fn boot(&mut self) {
        self.supervisor.command("boot");
        let end = Instant::now() + START_LIMIT;
        while self.pid.is_none() || !self.answers() {
            assert!(Instant::now() < end, "{} does not start:\n{}", self.name, self.log());
            std::thread::sleep(Duration::from_millis(5));
            self.pid =
                std::fs::read_to_string(self.dir.join("pid")).ok().and_then(|text| text.trim().parse().ok());
            let log = self.log();
            let failed = log.contains("did not boot") || log.contains("Cannot bind any address");
            assert!(!failed, "{} does not start:\n{}", self.name, self.log());
        }
    }

    fn answers(&self) -> bool {
        let address = SocketAddrV4::new(self.address.parse().unwrap(), self.port);
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
        let made = format!("/proc/{}/root/var/lib/lab/made", self.pid.expect("it is up"));
        std::fs::metadata(made).unwrap().modified().unwrap() - Duration::from_secs(2)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.supervisor.quit();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// The process that keeps a host's disk and power switch.
struct Supervisor {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Supervisor {
    fn start(dir: &Path, lab: &Path) -> Self {
        use std::os::unix::process::CommandExt;
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let mut child = Command::new("unshare")
            .env_clear()
            .env("PATH", PATH)
            .env("LC_ALL", "C.UTF-8")
            .args(["-m", "--propagation", "private", "bash"])
            .arg(dir.join("supervisor.sh"))
            .arg(dir)
            .arg(lab)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("unshare is missing: install util-linux");
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, commands, answers }
    }

    fn command(&mut self, word: &str) {
        let commands = self.commands.as_mut().expect("the supervisor has quit");
        writeln!(commands, "{word}").expect("the supervisor is gone");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), word, "the supervisor did not do it");
    }

    fn quit(&mut self) {
        if let Some(mut commands) = self.commands.take() {
            let _ = writeln!(commands, "quit");
        }
        let _ = self.child.wait();
    }
}

/// An address of 127.77.0.0/16 that no other host of this process has, and a port that is free there.
fn free_address() -> (Ipv4Addr, u16) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = std::process::id().wrapping_mul(61).wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed));
    let [.., third, fourth] = (number % 64_000 + 256).to_be_bytes();
    let address = Ipv4Addr::new(127, 77, third, fourth.clamp(1, 254));
    let port = TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
    (address, port)
}

/// A directory's name that no other host of this process has.
fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A word of sh that means exactly this text.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A line of /etc/shadow for this password, by perl's crypt (perl is on every Debian).
fn hash_password(password: &str) -> String {
    let output = Command::new("perl")
        .args(["-e", "print crypt($ARGV[0], '$6$uprootlab$')", password])
        .output()
        .expect("perl is missing: install perl-base");
    let hash = String::from_utf8(output.stdout).unwrap();
    assert!(hash.starts_with("$6$"), "crypt gave `{hash}`");
    hash
}

fn ran(output: &std::process::Output) -> Ran {
    use std::os::unix::process::ExitStatusExt;
    Ran {
        status: output.status.code().or(output.status.signal().map(|signal| 128 + signal)).unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
