//! The process that keeps a host: its disk, its network and its power switch.

use super::host::PATH;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Ends with this value, and when the test process is killed; the host ends with it.
pub(super) struct Supervisor {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Supervisor {
    /// Starts it, with a network of the host's own where asked, and waits until it is ready.
    pub(super) fn start(dir: &Path, lab: &Path, own_network: bool) -> Self {
        use std::os::unix::process::CommandExt;
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let mut command = Command::new("unshare");
        command.env_clear().env("PATH", PATH).env("LC_ALL", "C.UTF-8").arg("-m");
        if own_network {
            command.arg("-n");
        }
        let mut child = command
            .args(["--propagation", "private", "bash"])
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
        let mut supervisor = Self { child, commands, answers };
        supervisor.command("ready");
        supervisor
    }

    /// By its pid the host's network is entered.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has it do this, and waits until it is done.
    pub(super) fn command(&mut self, word: &str) {
        let commands = self.commands.as_mut().expect("the supervisor has quit");
        writeln!(commands, "{word}").expect("the supervisor is gone");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), word, "the supervisor did not do it");
    }

    /// Ends the host and everything of it.
    pub(super) fn quit(&mut self) {
        if let Some(mut commands) = self.commands.take() {
            let _ = writeln!(commands, "quit");
        }
        let _ = self.child.wait();
    }
}
