//! How a host is described.

use super::host::Host;
use super::supervisor::Supervisor;
use super::{Inner, PASSWORD};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

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

/// What of a description its host keeps.
pub(super) struct Described {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) manager: Manager,
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
        let network = self.lab.keeper.as_ref().filter(|keeper| keeper.is_network());
        let (address, port) = network.map_or_else(free_address, |network| (network.next_address(), 22));
        std::fs::write(dir.join("settings"), self.settings(&dir, address, port)).unwrap();
        let host_key = std::fs::read_to_string(dir.join("host_key.pub")).unwrap();
        if self.known {
            self.lab.learn_host_key(&address.to_string(), port, &host_key);
        }
        let supervisor = Supervisor::start(&dir, self.lab.dir.path(), network.is_some());
        if let Some(network) = network {
            network.plug_in(supervisor.pid(), address);
        }
        let user = if self.root_login { "root".to_owned() } else { self.user };
        Host::start(
            Arc::clone(&self.lab),
            dir,
            supervisor,
            Described {
                name: self.name,
                address: address.to_string(),
                port,
                user,
                password: self.password,
                manager: self.manager,
            },
        )
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
