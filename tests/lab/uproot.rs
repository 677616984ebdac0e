//! Runs the built `uproot` as a user would.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// After this long the run has failed.
const LIMIT: Duration = Duration::from_secs(120);

/// What a run of the binary gave.
#[derive(Debug, Clone)]
pub struct Output {
    /// The arguments, for messages.
    pub command: String,
    /// Its exit code; none: a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Insists on this exit code.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not JSON: {error}\n{self}"))
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, code, stdout, stderr } = self;
        write!(f, "$ uproot {command}\ncode {code:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// The binary while it runs. It is killed with this value.
pub struct Running {
    child: Child,
    command: String,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    /// Starts `command`, which becomes `uproot`, in `dir`, whose `home` is its home.
    pub(super) fn start<A: AsRef<OsStr>>(
        mut command: Command,
        dir: &Path,
        arguments: &[A],
        environment: &[(&str, &str)],
        input: &[u8],
    ) -> Self {
        let home = dir.join("home");
        let shown: Vec<_> =
            arguments.iter().map(|argument| argument.as_ref().to_string_lossy().into_owned()).collect();
        let mut child = command
            .args(arguments)
            .current_dir(dir)
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("RUST_LOG")
            .env("HOME", &home)
            .env("XDG_STATE_HOME", home.join("state"))
            .env("NO_COLOR", "1")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let input = input.to_owned();
        std::thread::spawn(move || {
            // A program that reads nothing closes the pipe; that is its right.
            let _ = stdin.write_all(&input);
        });
        Self {
            child,
            command: shown.join(" "),
            stdout: Some(std::thread::spawn(move || read_all(&mut stdout))),
            stderr: Some(std::thread::spawn(move || read_all(&mut stderr))),
        }
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Kills it with SIGKILL.
    #[must_use]
    pub fn kill(mut self) -> Output {
        self.child.kill().unwrap();
        self.output()
    }

    /// Waits for its end, at most `LIMIT`.
    #[track_caller]
    #[must_use]
    pub fn finish(self) -> Output {
        self.finish_within(LIMIT)
    }

    /// Waits for its end. Panics when it takes too long.
    #[track_caller]
    #[must_use]
    pub fn finish_within(mut self, limit: Duration) -> Output {
        let end = Instant::now() + limit;
        while self.is_running() {
            if Instant::now() > end {
                self.child.kill().unwrap();
                panic!("still running after {limit:?}:\n{}", self.output());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.output()
    }

    fn output(&mut self) -> Output {
        let status = self.child.wait().unwrap();
        let text = |thread: &mut Option<JoinHandle<String>>| thread.take().unwrap().join().unwrap();
        Output {
            command: self.command.clone(),
            code: status.code(),
            stdout: text(&mut self.stdout),
            stderr: text(&mut self.stderr),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_all(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
