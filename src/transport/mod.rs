//! How to reach a host (ssh2, local, become), apart from how to speak to it.
//!
//! A session is read-only by type: `Probing` can only ask a `ReadOnlyScript`. `into_changing` wants a
//! `ChangeGrant`. A status is believed only with the script's own end marker.

mod auth;
mod become_root;
mod cmd;
mod dial;
mod greet;
mod keys;
mod known_hosts;
mod local;
pub mod pool;
mod protocol;
mod reader;
mod run;
mod ssh;
mod wire;

pub use become_root::PASSWORD_REFUSED;
pub use cmd::MAX_LINE as MAX_CMD_LINE;
pub use keys::Keys;
pub use known_hosts::KnownHosts;

use crate::inventory::{BecomeMethod, ConnectionKind};
use crate::model::{BoundedOutput, Cancel, ChangeGrant, Secret};
use std::sync::Arc;
use std::time::Duration;

/// A host to connect to, everything about it resolved.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its inventory name.
    pub name: String,
    /// How to connect.
    pub kind: ConnectionKind,
    /// Address or DNS name to dial.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Login user.
    pub user: String,
}

impl Target {
    /// `10.0.0.5:22`, for messages.
    fn label(&self) -> String {
        if self.address.contains(':') && !self.address.starts_with('[') {
            format!("[{}]:{}", self.address, self.port)
        } else {
            format!("{}:{}", self.address, self.port)
        }
    }

    fn error(&self, kind: TransportErrorKind, what: String) -> TransportError {
        TransportError { kind, message: format!("{}: {what}", self.label()), remedy: None }
    }

    fn cancelled(&self) -> TransportError {
        self.error(TransportErrorKind::Cancelled, "cancelled".to_owned())
    }
}

/// What a host is checked against, and what opens it.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The known host keys, read once for the run.
    pub known_hosts: Arc<KnownHosts>,
    /// The keys, read once for the run.
    pub keys: Arc<Keys>,
    /// This host's own key file.
    pub key_file: Option<String>,
    /// The login password.
    pub password: Option<Secret>,
}

/// Connects to a host and logs in.
///
/// # Errors
/// When the host cannot be reached, is not the one known by its key, or does not let the user in.
pub fn connect(
    target: &Target,
    credentials: &Credentials,
    timeouts: &Timeouts,
    cancel: &Cancel,
) -> Result<Probing, TransportError> {
    Ok(Probing::new(match target.kind {
        ConnectionKind::Ssh => Box::new(ssh::connect(target, credentials, timeouts, cancel)?),
        ConnectionKind::Local => Box::new(local::Local::new(timeouts)),
    }))
}

/// Why a host could not be reached or a session broke. `remedy` has the command that would mend it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    /// What kind of failure.
    pub kind: TransportErrorKind,
    /// In words, with address and user: ``10.0.0.5:22: host key is not known``.
    pub message: String,
    /// One command that would mend it: `ssh-keyscan …`, `ssh-add …`.
    pub remedy: Option<String>,
}

impl TransportError {
    fn with_remedy(mut self, remedy: String) -> Self {
        self.remedy = Some(remedy);
        self
    }
}

/// What kind of failure a `TransportError` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransportErrorKind {
    /// The name has no address.
    Resolve,
    /// No TCP connection in time, or refused.
    Connect,
    /// The handshake failed or took too long; no algorithm in common.
    Handshake,
    /// The host key is not in known_hosts.
    HostKeyUnknown,
    /// The host key is another one than known_hosts has, or is revoked.
    HostKeyChanged,
    /// No way to log in was accepted.
    Authentication,
    /// The session broke.
    Lost,
    /// A deadline passed.
    TimedOut,
    /// The run was cancelled.
    Cancelled,
    /// This machine is at fault (no file descriptors, a key that cannot be read).
    Local,
}

/// The time limits of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For TCP.
    pub connect: Duration,
    /// For key exchange and login together.
    pub handshake: Duration,
    /// Without a byte from the host while a script runs; a step is quiet for long, so steps set
    /// their own.
    pub idle: Duration,
    /// For the whole of collecting facts.
    pub facts: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(20),
            idle: Duration::from_secs(60),
            facts: Duration::from_secs(120),
        }
    }
}

/// How to become root on a host.
#[derive(Debug, Clone)]
pub struct Become {
    /// By what.
    pub method: BecomeMethod,
    /// The password, where there is one.
    pub password: Option<Secret>,
}

/// A script that only asks. Only `facts` makes one; `tests/architecture.rs` checks that no other
/// module names `ReadOnlyScript::trusted`.
#[derive(Debug, Clone)]
pub struct ReadOnlyScript {
    text: String,
}

impl ReadOnlyScript {
    /// Vouches that `text` changes nothing on a host.
    #[must_use]
    pub fn trusted(text: String) -> Self {
        Self { text }
    }

    /// Its text: a POSIX shell's, or a flat script for Windows' `cmd.exe`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Bounds of one script's run.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the whole run.
    pub deadline: Duration,
    /// Without a byte from the host; none: only the deadline counts.
    pub idle: Option<Duration>,
    /// Kept of each stream, in bytes.
    pub keep: usize,
    /// Received of both streams before the connection is cut as a flood, in bytes.
    pub receive: u64,
}

/// How the stream of a script ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEnd {
    /// The end marker came: the script ran to its end with this status.
    Complete {
        /// The status that the script's own wrapper printed.
        status: i32,
    },
    /// The stream ended without the marker: the script was cut off or killed.
    NoMarker {
        /// What is known of why.
        reason: String,
    },
    /// The deadline or the idle limit passed.
    TimedOut {
        /// Which, in words.
        reason: String,
    },
    /// More came than `Limits::receive`.
    Flooded,
    /// The connection broke.
    Lost {
        /// How.
        reason: String,
    },
    /// The run was cancelled.
    Cancelled,
}

/// What became of the wish to be root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BecomeResult {
    /// It was not asked for.
    NotAsked,
    /// The script ran as root.
    Root,
    /// It did not work; nothing of the script was run.
    Failed {
        /// Why, in words.
        reason: String,
    },
}

/// What one script gave.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Standard output between the begin and end markers.
    pub stdout: BoundedOutput,
    /// Standard error.
    pub stderr: BoundedOutput,
    /// How it ended.
    pub end: StreamEnd,
    /// Whether it ran as root.
    pub become_result: BecomeResult,
}

/// A connection that can run POSIX shell scripts. What backends implement; everybody else uses
/// `Probing` and `Changing`.
///
/// The contract: the exec line holds no secret; the password goes only to a process that asked to
/// become root; the script is sent only after the reader said "ready"; nothing of a script that was
/// cut off runs; both streams are drained together and bounded; cancel and deadlines act at once.
pub trait Backend: Send {
    /// Runs `script` by the host's `sh`, as root where `become_root` is given.
    ///
    /// # Errors
    /// Only when nothing can have been run; anything later is in `Answer::end`.
    fn run(
        &mut self,
        script: &str,
        become_root: Option<&Become>,
        limits: Limits,
        cancel: &Cancel,
    ) -> Result<Answer, TransportError>;

    /// Runs a flat script (ASCII lines, each a command of its own) by Windows' `cmd.exe`, as the
    /// login user. Its standard output is what came between the begin and end marks, still with the
    /// host's line breaks and in its code page.
    ///
    /// # Errors
    /// As `run`; always where `cmd.exe` cannot be reached this way.
    fn run_cmd(
        &mut self,
        _script: &str,
        _limits: Limits,
        _cancel: &Cancel,
    ) -> Result<Answer, TransportError> {
        let message = "`cmd.exe` is only started over SSH".to_owned();
        Err(TransportError { kind: TransportErrorKind::Local, message, remedy: None })
    }

    /// SHA-256 fingerprint of the host key, `SHA256:<base64>`; none where there is none.
    fn host_key(&self) -> Option<String>;

    /// The server's SSH banner; empty where there is none.
    fn banner(&self) -> String;
}

/// A session that can only ask.
pub struct Probing {
    backend: Box<dyn Backend>,
}

impl Probing {
    /// A read-only session over a backend.
    #[must_use]
    pub fn new(backend: Box<dyn Backend>) -> Self {
        Self { backend }
    }

    /// Asks a read-only script.
    ///
    /// # Errors
    /// As `Backend::run`.
    pub fn ask(
        &mut self,
        script: &ReadOnlyScript,
        become_root: Option<&Become>,
        limits: Limits,
        cancel: &Cancel,
    ) -> Result<Answer, TransportError> {
        self.backend.run(script.text(), become_root, limits, cancel)
    }

    /// Asks a read-only flat script of Windows' `cmd.exe`.
    ///
    /// # Errors
    /// As `Backend::run_cmd`.
    pub fn ask_cmd(
        &mut self,
        script: &ReadOnlyScript,
        limits: Limits,
        cancel: &Cancel,
    ) -> Result<Answer, TransportError> {
        self.backend.run_cmd(script.text(), limits, cancel)
    }

    /// SHA-256 fingerprint of the host key.
    #[must_use]
    pub fn host_key(&self) -> Option<String> {
        self.backend.host_key()
    }

    /// The server's SSH banner; empty where there is none.
    #[must_use]
    pub fn banner(&self) -> String {
        self.backend.banner()
    }

    /// Makes it a session that can change the host it is connected to.
    #[must_use]
    pub fn into_changing(self, grant: ChangeGrant) -> Changing {
        Changing { probing: self, grant }
    }
}

/// A session that can ask and change.
pub struct Changing {
    probing: Probing,
    grant: ChangeGrant,
}

impl Changing {
    /// Runs a step's script.
    ///
    /// # Errors
    /// As `Backend::run`.
    pub fn run(
        &mut self,
        script: &str,
        become_root: Option<&Become>,
        limits: Limits,
        cancel: &Cancel,
    ) -> Result<Answer, TransportError> {
        self.probing.backend.run(script, become_root, limits, cancel)
    }

    /// Runs a flat script of Windows' `cmd.exe` that may change the host.
    ///
    /// # Errors
    /// As `Backend::run_cmd`.
    pub fn run_cmd(
        &mut self,
        script: &str,
        limits: Limits,
        cancel: &Cancel,
    ) -> Result<Answer, TransportError> {
        self.probing.backend.run_cmd(script, limits, cancel)
    }

    /// The read-only side, for collecting facts between steps.
    pub fn probing(&mut self) -> &mut Probing {
        &mut self.probing
    }

    /// The inventory name of the host that may be changed.
    #[must_use]
    pub fn host(&self) -> &str {
        self.grant.host()
    }
}
