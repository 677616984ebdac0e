//! The machine uproot runs on: the same reader and the same limits, over a child's pipes.

use super::reader::{Access, Nonces, command};
use super::run::{ByteChannel, Got, Reach, Stream, run_script};
use super::{Answer, Backend, Become, Limits, Timeouts, TransportError, TransportErrorKind};
use crate::model::Cancel;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a child that closed its streams, or was killed, may take to be gone.
const LAST_MOMENTS: Duration = Duration::from_secs(1);

/// This machine.
pub(super) struct Local {
    ready: Duration,
    uid: u32,
}

impl Local {
    pub(super) fn new(timeouts: &Timeouts) -> Self {
        Self { ready: timeouts.handshake, uid: rustix::process::geteuid().as_raw() }
    }
}

impl Backend for Local {
    fn run(
        &mut self,
        script: &str,
        become_root: Option<&Become>,
        limits: Limits,
        cancel: &Cancel,
    ) -> Result<Answer, TransportError> {
        run_script(self, script, become_root, limits, cancel)
    }

    fn host_key(&self) -> Option<String> {
        None
    }

    fn banner(&self) -> String {
        String::new()
    }
}

impl Reach for Local {
    type Channel = ChildChannel;

    fn open(
        &mut self,
        nonces: &Nonces,
        access: Access,
        _by: Instant,
        _cancel: &Cancel,
    ) -> Result<ChildChannel, TransportError> {
        ChildChannel::spawn(&command(nonces, access)).map_err(|error| TransportError {
            kind: TransportErrorKind::Local,
            message: format!("{}: `sh` cannot be started: {error}", self.label()),
            remedy: None,
        })
    }

    fn release(&mut self, channel: ChildChannel, over: bool) {
        if over {
            channel.reap();
        } else {
            channel.kill();
        }
    }

    fn abort(&mut self, channel: ChildChannel, _why: &str) {
        channel.kill();
    }

    fn logs_in_as_root(&self) -> bool {
        self.uid == 0
    }

    fn logged_in_as(&mut self, uid: u32) {
        self.uid = uid;
    }

    fn label(&self) -> String {
        "this machine".to_owned()
    }

    fn user(&self) -> String {
        std::env::var("USER").unwrap_or_else(|_| format!("uid {}", self.uid))
    }

    fn patience(&self) -> Duration {
        self.ready
    }
}

/// A child in a process group of its own, its pipes non-blocking.
pub(super) struct ChildChannel {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    input_blocked: bool,
}

impl ChildChannel {
    fn spawn(words: &[String]) -> std::io::Result<Self> {
        let (program, arguments) =
            words.split_first().ok_or_else(|| std::io::Error::from(ErrorKind::InvalidInput))?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let channel = Self { child, stdin, stdout, stderr, input_blocked: false };
        for fd in channel.fds() {
            fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?;
        }
        Ok(channel)
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let all = [
            self.stdin.as_ref().map(AsFd::as_fd),
            self.stdout.as_ref().map(AsFd::as_fd),
            self.stderr.as_ref().map(AsFd::as_fd),
        ];
        all.into_iter().flatten().collect()
    }

    fn status_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + time;
        let mut pause = Duration::from_millis(1);
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < until => std::thread::sleep(pause),
                Ok(None) | Err(_) => return None,
            }
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Kills the whole group. A child that became root cannot be killed by an ordinary user; then
    /// it only loses its streams.
    fn kill(mut self) {
        if let Ok(id) = i32::try_from(self.child.id())
            && let Some(group) = Pid::from_raw(id)
        {
            // It fails where there is nobody left or nobody may be killed: nothing to do then.
            let _ = kill_process_group(group, Signal::KILL);
        }
        self.stdin = None;
        self.stdout = None;
        self.stderr = None;
        self.reap();
    }

    /// Takes the child's status, so that no zombie stays; never waits long for it.
    fn reap(mut self) {
        self.stdin = None;
        if self.status_within(LAST_MOMENTS).is_some() {
            return;
        }
        let mut child = self.child;
        // Without a thread the zombie stays until uproot ends, which harms nobody.
        let _ =
            std::thread::Builder::new().name("reaper".to_owned()).stack_size(64 * 1024).spawn(move || {
                let _ = child.wait();
            });
    }
}

fn read_from<R: Read>(stream: &mut Option<R>, into: &mut [u8]) -> Result<Got, String> {
    let Some(reader) = stream else {
        return Ok(Got::End);
    };
    match reader.read(into) {
        Ok(0) => {
            *stream = None;
            Ok(Got::End)
        }
        Ok(count) => Ok(Got::Bytes(count)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(Got::Nothing)
        }
        Err(error) => Err(error.to_string()),
    }
}

impl ByteChannel for ChildChannel {
    fn read(&mut self, stream: Stream, into: &mut [u8]) -> Result<Got, String> {
        match stream {
            Stream::Out => read_from(&mut self.stdout, into),
            Stream::Err => read_from(&mut self.stderr, into),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<Option<usize>, String> {
        self.input_blocked = false;
        let Some(stdin) = &mut self.stdin else {
            return Ok(None);
        };
        match stdin.write(bytes) {
            Ok(count) => Ok(Some(count)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                self.input_blocked = true;
                Ok(Some(0))
            }
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.stdin = None;
                Ok(None)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn close_input(&mut self) -> Result<bool, String> {
        self.stdin = None;
        Ok(true)
    }

    fn wait(&mut self, until: Instant, cancel: &Cancel) -> Result<(), String> {
        let cancelled = cancel.fd();
        let mut fds = vec![PollFd::new(&cancelled, PollFlags::IN)];
        if let Some(stdout) = &self.stdout {
            fds.push(PollFd::new(stdout, PollFlags::IN));
        }
        if let Some(stderr) = &self.stderr {
            fds.push(PollFd::new(stderr, PollFlags::IN));
        }
        if let (Some(stdin), true) = (&self.stdin, self.input_blocked) {
            fds.push(PollFd::new(stdin, PollFlags::OUT));
        }
        poll_until(&mut fds, until)
    }

    fn ending(&mut self) -> String {
        match self.status_within(LAST_MOMENTS) {
            Some(status) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("it ended with status {code} and without the end mark"),
                (None, Some(signal)) => format!("it was killed by signal {signal}"),
                (None, None) => "it ended in an unknown way".to_owned(),
            },
            None => "it closed its output without the end mark".to_owned(),
        }
    }
}

/// Polls; an interruption or a deadline that has passed is no error.
pub(super) fn poll_until(fds: &mut [PollFd<'_>], until: Instant) -> Result<(), String> {
    let left = until.saturating_duration_since(Instant::now());
    let timeout = Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    };
    match poll(fds, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
