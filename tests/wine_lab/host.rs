//! One Wine host: how it is described, started, looked into from its own side, rebooted and stopped.

use super::base::{for_wine, next_processor};
use super::fault::{Fault, ToolFault};
use super::msi::Msi;
use super::server::{self, Exec, Front, Shared};
use super::session::{labcmd, status_name};
use super::{Inner, PASSWORD, PATH, USER};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read as _, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SUPERVISOR: &str = include_str!("supervisor.sh");
const BOOT: &str = include_str!("boot.sh");

/// How long a command on the host may take.
const LIMIT: Duration = Duration::from_secs(300);

/// A host that is to be started.
pub struct WineHostBuilder {
    lab: Arc<Inner>,
    name: String,
    stubs: BTreeSet<String>,
    all_stubs: bool,
    locale: Option<String>,
    kills: bool,
    known: bool,
}

impl WineHostBuilder {
    pub(super) fn new(lab: Arc<Inner>, name: &str) -> Self {
        let name = name.to_owned();
        Self { lab, name, stubs: BTreeSet::new(), all_stubs: false, locale: None, kills: false, known: true }
    }

    /// Leaves Wine's own stub of this tool (`tasklist`) in place: it prints nothing and exits with 0.
    #[must_use]
    pub fn stub(mut self, tool: &str) -> Self {
        self.stubs.insert(tool.to_owned());
        self
    }

    /// Leaves all of Wine's stubs in place.
    #[must_use]
    pub fn all_stubs(mut self) -> Self {
        self.all_stubs = true;
        self
    }

    /// Its language: `ru_RU` gives code pages 1251 and 866, `ja_JP` 932, `de_DE` 1252 and 850. Without one it is
    /// English, and what is not in code page 437 is printed as `?`.
    #[must_use]
    pub fn locale(mut self, locale: &str) -> Self {
        self.locale = Some(locale.to_owned());
        self
    }

    /// The end of a connection ends what it runs. Win32-OpenSSH does not do so, but a connection may end in other
    /// ways, such as the end of sshd itself.
    #[must_use]
    pub fn kills_on_disconnect(mut self) -> Self {
        self.kills = true;
        self
    }

    /// Its key is not in the lab's known_hosts.
    #[must_use]
    pub fn unknown_key(mut self) -> Self {
        self.known = false;
        self
    }

    /// Starts it and waits until it can be logged in to.
    #[must_use]
    pub fn start(self) -> WineHost {
        let dir = self.lab.dir.path().join(format!("{}-{}", self.name, status_name()));
        for part in ["disk", "outside/flags", "outside/faults", "outside/status", "first"] {
            std::fs::create_dir_all(dir.join(part)).unwrap();
        }
        std::fs::write(dir.join("supervisor.sh"), SUPERVISOR).unwrap();
        std::fs::write(dir.join("boot.sh"), BOOT).unwrap();
        let mut locale = vec![("LC_ALL", "C.UTF-8".to_owned())];
        if let Some(name) = &self.locale {
            make_locale(name, &dir.join("outside/locale"));
            locale = vec![("LC_ALL", format!("{name}.UTF-8")), ("LOCPATH", "/media/locale".to_owned())];
        }
        let exports: String = locale.iter().map(|(name, value)| format!("export {name}={value}\n")).collect();
        let guid = uuid::Uuid::new_v4();
        std::fs::write(dir.join("settings"), format!("name={}\nguid={guid}\n{exports}", self.name)).unwrap();
        self.leave_stubs(&dir);
        let client_key = std::fs::read_to_string(self.lab.key().with_extension("pub")).unwrap();
        let shared = Arc::new(Shared {
            dir: dir.clone(),
            locale,
            processor: next_processor(),
            password: PASSWORD.to_owned(),
            client_key,
            faults: Mutex::new(Vec::new()),
            kills: AtomicBool::new(self.kills),
            logins: AtomicU32::new(0),
            connections: AtomicU32::new(0),
            execs: Mutex::new(Vec::new()),
        });
        let front = server::start(&self.lab.runtime, Arc::clone(&shared));
        if self.known {
            self.lab.learn_host_key(front.at, &front.host_key);
        }
        let supervisor = Supervisor::start(&dir, &self.lab, &shared.processor);
        let mut host = WineHost {
            name: self.name,
            dir,
            supervisor,
            shared,
            front,
            lab: self.lab,
            guid: guid.to_string(),
        };
        host.boot();
        host
    }

    /// Takes the entries out of the registry by which Wine prefers the lab's programs.
    fn leave_stubs(&self, dir: &Path) {
        if !self.all_stubs && self.stubs.is_empty() {
            return;
        }
        let text = std::fs::read(self.lab.base.tools.join("user.reg")).unwrap();
        let text = String::from_utf8_lossy(&text);
        let mut kept = String::new();
        let mut removed = 0;
        for line in text.lines() {
            let tool = line.strip_suffix("\"=\"native,builtin\"").and_then(|rest| rest.strip_prefix('"'));
            let tool = tool.and_then(|tool| tool.strip_suffix(".exe"));
            // Wine's msiexec and shutdown are not among the stubs that a test could want.
            let wanted = |tool: &str| self.all_stubs && tool != "msiexec" || self.stubs.contains(tool);
            if tool.is_some_and(wanted) {
                removed += 1;
            } else {
                kept.push_str(line);
                kept.push('\n');
            }
        }
        assert!(
            removed > 0 && (self.all_stubs || removed == self.stubs.len()),
            "no such tool: {:?}",
            self.stubs
        );
        std::fs::write(dir.join("first/user.reg"), kept).unwrap();
    }
}

/// Makes a locale for the host alone.
fn make_locale(name: &str, dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    let to = dir.join(format!("{name}.UTF-8"));
    let done = Command::new("localedef").args(["-i", name, "-f", "UTF-8"]).arg(&to).output().unwrap();
    assert!(to.join("LC_CTYPE").is_file(), "localedef: {}", String::from_utf8_lossy(&done.stderr));
}

/// What a command on the host gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code, all 32 bits.
    pub code: u32,
    /// Standard output, with CR LF as LF; what is not UTF-8 as U+FFFD.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
    /// Standard output as it came.
    pub bytes: Vec<u8>,
}

impl Ran {
    fn new(code: u32, stdout: Vec<u8>, stderr: &[u8]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        Self { code, stdout: text(&stdout), stderr: text(stderr), bytes: stdout }
    }

    /// Insists on this exit code, and gives its output.
    #[track_caller]
    pub fn expect(self, code: u32) -> String {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stdout
    }
}

/// A call of msiexec, recorded by the lab where no command over SSH can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MsiexecCall {
    /// The whole command line.
    pub line: String,
    /// Its exit code; none: it has not ended.
    pub code: Option<u32>,
}

/// A running host. It ends with this value.
pub struct WineHost {
    name: String,
    dir: PathBuf,
    supervisor: Supervisor,
    shared: Arc<Shared>,
    front: Front,
    lab: Arc<Inner>,
    guid: String,
}

impl WineHost {
    /// Its name in inventories, and its computer name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> String {
        self.front.at.ip().to_string()
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.front.at.port()
    }

    /// Its machine GUID.
    #[must_use]
    pub fn machine_guid(&self) -> &str {
        &self.guid
    }

    /// Its entry in a native inventory, under `hosts:`.
    #[must_use]
    pub fn inventory_entry(&self) -> String {
        format!(
            "  {}:\n    address: {}\n    port: {}\n    user: {USER}\n    key: {}\n",
            self.name,
            self.address(),
            self.port(),
            self.lab.key().display()
        )
    }

    /// Runs a command by its cmd, from its own side: not over SSH, and not counted.
    #[track_caller]
    #[must_use]
    pub fn run(&self, command: &str) -> Ran {
        let ran = (0..5).find_map(|_| self.run_unless_it_never_began(command));
        ran.unwrap_or_else(|| panic!("`{command}` never began\n{}", self.log()))
    }

    #[track_caller]
    fn run_unless_it_never_began(&self, command: &str) -> Option<Ran> {
        let inside = self.shared.inside().expect("the host is down");
        let status = status_name();
        let mut run = labcmd(&self.shared, inside, command, &status, false);
        // Into a file: what it leaves running would hold a pipe.
        let errors = self.dir.join(format!("outside/status/{status}.err"));
        run.stderr(std::fs::File::create(&errors).unwrap());
        let output = self.lab.runtime.block_on(async {
            let child = run.stdin(Stdio::null()).spawn().unwrap();
            tokio::time::timeout(LIMIT, child.wait_with_output()).await
        });
        let output = output.unwrap_or_else(|_| panic!("`{command}` takes more than {LIMIT:?}")).unwrap();
        let code = std::fs::read_to_string(self.dir.join("outside/status").join(&status)).ok()?;
        let errors = std::fs::read(errors).unwrap();
        let code = code.trim().parse().unwrap_or_else(|_| {
            let said = String::from_utf8_lossy(&errors);
            panic!("`{command}` has no exit code: {output:?}\n{said}\n{}", self.log())
        });
        Some(Ran::new(code, output.stdout, &errors))
    }

    /// Runs a command over SSH with the lab's key and this standard input, as any client would.
    #[track_caller]
    #[must_use]
    pub fn ssh(&self, command: &str, input: &[u8]) -> Ran {
        let session = self.login();
        let mut channel = session.channel_session().unwrap();
        channel.exec(command).unwrap();
        let mut stdout = Vec::new();
        let mut stderr = Vec::new();
        // Commands of tests say little before they have read their input.
        channel.write_all(input).unwrap();
        channel.send_eof().unwrap();
        channel.read_to_end(&mut stdout).unwrap();
        channel.stderr().read_to_end(&mut stderr).unwrap();
        channel.wait_close().unwrap();
        let code = channel.exit_status().unwrap();
        Ran::new(u32::from_ne_bytes(code.to_ne_bytes()), stdout, &stderr)
    }

    /// Logs in over SSH with the lab's key.
    #[track_caller]
    #[must_use]
    pub fn login(&self) -> ssh2::Session {
        let session = self.greet();
        session.userauth_pubkey_file(USER, None, &self.lab.key(), None).unwrap();
        session
    }

    /// Connects over SSH without logging in.
    #[track_caller]
    #[must_use]
    pub fn greet(&self) -> ssh2::Session {
        let mut session = ssh2::Session::new().unwrap();
        session.set_tcp_stream(TcpStream::connect(self.front.at).unwrap());
        session.set_timeout(u32::try_from(LIMIT.as_millis()).unwrap());
        session.handshake().unwrap();
        session
    }

    /// The commands that came over SSH so far.
    #[must_use]
    pub fn execs(&self) -> Vec<Exec> {
        self.shared.execs.lock().unwrap().clone()
    }

    /// How often someone logged in over SSH.
    #[must_use]
    pub fn logins(&self) -> u32 {
        self.shared.logins.load(Ordering::SeqCst)
    }

    /// How often someone connected while it was up.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The calls of msiexec on it so far, in their order.
    #[must_use]
    pub fn msiexec_calls(&self) -> Vec<MsiexecCall> {
        let text = self.outside("msiexec");
        let mut calls: Vec<(String, MsiexecCall)> = Vec::new();
        for line in text.lines() {
            let mut words = line.splitn(3, '\t');
            let mut word = || words.next().unwrap().to_owned();
            let (what, pid, rest) = (word(), word(), word());
            if what == "begin" {
                calls.push((pid, MsiexecCall { line: rest, code: None }));
            } else {
                let begun =
                    calls.iter_mut().rev().find(|(of, call)| *of == pid && call.code.is_none()).unwrap();
                begun.1.code = Some(rest.parse().unwrap());
            }
        }
        calls.into_iter().map(|(_, call)| call).collect()
    }

    /// What scheduled tasks were run so far, and by which command lines.
    #[must_use]
    pub fn task_runs(&self) -> Vec<(String, String)> {
        let text = self.outside("tasks");
        let runs = text.lines().filter_map(|line| line.strip_prefix("run\t")?.split_once('\t'));
        runs.map(|(name, line)| (name.to_owned(), line.to_owned())).collect()
    }

    /// A record of the lab's that no drive of the host shows.
    pub(super) fn outside(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.join("outside").join(name)).unwrap_or_default()
    }

    /// Where a file or folder of drive C: is for the test: `windows_path` is `C:\...` or relative to it. What is
    /// there is found whatever its case.
    #[must_use]
    pub fn path(&self, windows_path: &str) -> PathBuf {
        let inside = self.shared.inside().expect("the host is down");
        let mut path = PathBuf::from(format!("/proc/{inside}/root/mnt/drive_c"));
        for part in windows_path.strip_prefix("C:\\").unwrap_or(windows_path).split('\\') {
            let names =
                std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.file_name());
            let mut named =
                names.filter(|name| name.to_str().is_some_and(|name| name.eq_ignore_ascii_case(part)));
            path.push(named.next().unwrap_or_else(|| part.into()));
        }
        path
    }

    /// Whether there is such a file or folder.
    #[must_use]
    pub fn exists(&self, windows_path: &str) -> bool {
        self.path(windows_path).exists()
    }

    /// Insists that nothing of uproot is on it any more: no file, no task.
    #[track_caller]
    pub fn has_nothing_of_uproot(&self) {
        let left = self.run("dir /b /a C:\\ProgramData\\uproot* 2>nul & schtasks /query /fo csv /nh").stdout;
        assert!(!left.contains("uproot"), "{}: {left}", self.name);
    }

    /// Whether there is such a registry key, asked from the host's own side.
    #[must_use]
    pub fn key_exists(&self, key: &str) -> bool {
        self.run(&format!("reg query \"{key}\"")).code == 0
    }

    /// Whether there is a service, or driver, of this name.
    #[must_use]
    pub fn service_exists(&self, name: &str) -> bool {
        self.key_exists(&format!("HKLM\\SYSTEM\\CurrentControlSet\\Services\\{name}"))
    }

    /// Puts a package where a test can install it from, and tells its path on the host.
    #[must_use]
    pub fn upload(&self, msi: &Msi) -> String {
        let name = format!("{}.msi", msi.label());
        std::fs::copy(self.lab.package(msi), self.path(&format!("lab\\{name}"))).unwrap();
        format!("C:\\lab\\{name}")
    }

    /// Installs a package. Not over SSH; the call is recorded like every other.
    #[track_caller]
    pub fn install(&self, msi: &Msi) {
        let file = self.upload(msi);
        let code = self.run(&format!("msiexec /i {file} /qn /norestart")).code;
        assert!(code == 0 || code == 3010, "installing {} gave {code}: {}", msi.label(), self.log());
    }

    /// What befalls commands over SSH that contain `part` (empty: all), from now on.
    pub fn fault(&self, part: &str, fault: Fault) {
        self.shared.faults.lock().unwrap().push((part.to_owned(), fault));
    }

    /// No faults any more.
    pub fn no_faults(&self) {
        self.shared.faults.lock().unwrap().clear();
    }

    /// Has this tool (`reg`) misbehave from now on.
    pub fn tool_fault(&self, tool: &str, fault: &ToolFault) {
        let key = "HKCU\\Software\\Wine\\DllOverrides";
        self.run(&format!("reg add {key} /v {tool}.exe /d native,builtin /f")).expect(0);
        std::fs::write(self.dir.join("outside/faults").join(tool), fault.text()).unwrap();
        let target = self.path(&format!("windows\\system32\\{tool}.exe"));
        let real = self.path("lab").join(format!("real-{tool}.exe"));
        if !real.exists() {
            std::fs::copy(&target, real).unwrap();
        }
        let new = target.with_extension("new");
        std::fs::copy(self.path("lab\\fault.exe"), &new).unwrap();
        std::fs::rename(new, target).unwrap();
    }

    /// Sets or clears a flag that the lab's programs obey: `nostop` (services refuse to stop), `battery`,
    /// `not-elevated`, `never-back` (a reboot does not come up again).
    pub fn flag(&self, name: &str, set: bool) {
        let path = self.dir.join("outside/flags").join(name);
        if set { std::fs::write(path, "").unwrap() } else { std::fs::remove_file(path).unwrap() }
    }

    /// Whether it is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.shared.inside().is_some()
    }

    /// The process by which its namespaces are entered, another after each start.
    #[must_use]
    pub fn first_process(&self) -> Option<u32> {
        self.shared.inside()
    }

    /// Starts it when it is down.
    pub fn boot(&mut self) {
        self.supervisor.command("boot");
        assert!(self.is_up(), "the host did not start:\n{}", self.log());
    }

    /// Shuts it down as Windows does; what is in the registry is on its disk.
    pub fn shut_down(&mut self) {
        self.supervisor.command("stop");
    }

    /// Cuts its power: registry changes of the last half a minute are lost.
    pub fn cut_power(&mut self) {
        self.supervisor.command("cut");
    }

    /// Shuts it down and starts it.
    pub fn reboot(&mut self) {
        self.shut_down();
        self.boot();
    }

    /// Waits until this holds, at most three minutes: other suites may be at work beside it.
    #[track_caller]
    pub fn wait_until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(180);
        while !holds(self) {
            assert!(Instant::now() < end, "waited in vain until {what}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What its Wine, its supervisor and its Task Scheduler said.
    #[must_use]
    pub fn log(&self) -> String {
        let said = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        format!("{}: {said}\n{}", self.name, self.outside("tasks"))
    }
}

impl Drop for WineHost {
    fn drop(&mut self) {
        self.supervisor.quit();
    }
}

/// The process that keeps a host: its disk and its power switch. The host ends with it.
struct Supervisor {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Supervisor {
    fn start(dir: &Path, lab: &Inner, processor: &str) -> Self {
        use std::os::unix::process::CommandExt;
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let mut child = for_wine("unshare", Some(processor))
            .env_clear()
            .env("PATH", PATH)
            .args(["-m", "--propagation", "private", "bash"])
            .arg(dir.join("supervisor.sh"))
            .args([dir, lab.dir.path(), &lab.base.prefix, &lab.base.tools])
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("unshare is missing: install util-linux");
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut supervisor = Self { child, commands, answers };
        supervisor.command("ready");
        supervisor
    }

    /// Has it do this, and waits until it is done.
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
