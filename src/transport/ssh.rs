//! A host by SSH (libssh2). The session is non-blocking from the start: every call goes through
//! `Wire::until`, which polls the socket, the cancel pipe and the deadline together.

use super::auth::log_in;
use super::dial::{dial, watch};
use super::known_hosts::{Verdict, fingerprint, key_type};
use super::reader::{Access, Nonces, command_line};
use super::run::{ByteChannel, Got, Reach, Stream, run_script, words};
use super::{
    Answer, Backend, Become, Credentials, Limits, Target, Timeouts, TransportError, TransportErrorKind,
};
use crate::model::Cancel;
use crate::model::output::{escape_line, shell_word};
use rustix::event::{PollFd, PollFlags};
use ssh2::{BlockDirections, Channel, ErrorCode, MethodType, Session};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// libssh2's codes that are told apart here.
pub(super) mod code {
    pub(in crate::transport) const SOCKET_NONE: i32 = -1;
    pub(in crate::transport) const KEX_FAILURE: i32 = -5;
    pub(in crate::transport) const SOCKET_SEND: i32 = -7;
    pub(in crate::transport) const KEY_EXCHANGE_FAILURE: i32 = -8;
    pub(in crate::transport) const HOSTKEY_INIT: i32 = -10;
    pub(in crate::transport) const SOCKET_DISCONNECT: i32 = -13;
    pub(in crate::transport) const PASSWORD_EXPIRED: i32 = -15;
    pub(in crate::transport) const METHOD_NONE: i32 = -17;
    pub(in crate::transport) const SOCKET_TIMEOUT: i32 = -30;
    pub(in crate::transport) const EAGAIN: i32 = -37;
    pub(in crate::transport) const SOCKET_RECV: i32 = -43;
}

/// The host key algorithms that are accepted: plain keys only. A host certificate would match no
/// line of known_hosts.
const HOST_KEYS: [&str; 6] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
];
/// Between two keep-alives.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// A host that does not even answer keep-alives for so long is gone.
const DEAD: Duration = Duration::from_secs(60);
/// How long closing a channel may take.
const CLOSING: Duration = Duration::from_secs(2);

/// Connects, checks the host key, logs in.
pub(super) fn connect(
    target: &Target,
    credentials: &Credentials,
    timeouts: &Timeouts,
    cancel: &Cancel,
) -> Result<Ssh, TransportError> {
    if cancel.is_cancelled() {
        return Err(target.cancelled());
    }
    let stream = Arc::new(dial(target, timeouts.connect, cancel)?);
    let deadline = Instant::now() + timeouts.handshake;
    let _watched = watch(&stream, deadline, cancel);
    let wire = Wire::new(stream, target)?;
    let host_key = wire.greet(target, credentials, timeouts, deadline, cancel)?;
    log_in(&wire, target, credentials, deadline, cancel)?;
    wire.session.set_keepalive(true, u32::try_from(KEEPALIVE.as_secs()).unwrap_or(15));
    let banner = wire.banner();
    Ok(Ssh {
        wire,
        target: target.clone(),
        host_key,
        banner,
        ready: timeouts.handshake,
        uid: None,
        closed: None,
        closing: None,
    })
}

/// A session and its socket.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) session: Session,
    stream: Arc<TcpStream>,
}

/// Why a libssh2 call did not come to its end.
#[derive(Debug)]
pub(super) enum Halt {
    Cancelled,
    TimedOut,
    Ssh(ssh2::Error),
    Poll(String),
}

impl Halt {
    /// Whether the connection is gone.
    pub(super) fn is_lost(&self) -> bool {
        let lost = [
            code::SOCKET_NONE,
            code::SOCKET_SEND,
            code::SOCKET_DISCONNECT,
            code::SOCKET_RECV,
            code::SOCKET_TIMEOUT,
        ];
        match self {
            Self::Ssh(error) => {
                matches!(error.code(), ErrorCode::Session(code) if lost.contains(&code))
            }
            Self::Poll(_) => true,
            Self::Cancelled | Self::TimedOut => false,
        }
    }

    pub(super) fn words(&self) -> String {
        match self {
            Self::Cancelled => "cancelled".to_owned(),
            Self::TimedOut => "not done in time".to_owned(),
            Self::Ssh(error) => escape_line(error.message()),
            Self::Poll(error) => error.clone(),
        }
    }

    /// As an error of `kind`, unless it was cancelled or out of time.
    pub(super) fn into_error(self, target: &Target, kind: TransportErrorKind, what: &str) -> TransportError {
        match self {
            Self::Cancelled => target.cancelled(),
            Self::TimedOut => {
                target.error(TransportErrorKind::TimedOut, format!("{what}: the host did not answer in time"))
            }
            Self::Ssh(_) | Self::Poll(_) => target.error(kind, format!("{what}: {}", self.words())),
        }
    }
}

impl Wire {
    fn new(stream: Arc<TcpStream>, target: &Target) -> Result<Self, TransportError> {
        let mut session = Session::new()
            .map_err(|error| target.error(TransportErrorKind::Local, format!("no session: {error}")))?;
        session.set_tcp_stream(Arc::clone(&stream));
        session.set_blocking(false);
        Ok(Self { session, stream })
    }

    /// Makes a libssh2 call until it is done, failed, out of time or cancelled.
    pub(super) fn until<T>(
        &self,
        deadline: Instant,
        cancel: &Cancel,
        mut call: impl FnMut() -> Result<T, ssh2::Error>,
    ) -> Result<T, Halt> {
        loop {
            match call() {
                Ok(done) => return Ok(done),
                Err(error) if error.code() == ErrorCode::Session(code::EAGAIN) => {}
                // The watchdog shuts the socket; the reason is not the host's.
                Err(_) if cancel.is_cancelled() => return Err(Halt::Cancelled),
                Err(_) if Instant::now() >= deadline => return Err(Halt::TimedOut),
                Err(error) => return Err(Halt::Ssh(error)),
            }
            if cancel.is_cancelled() {
                return Err(Halt::Cancelled);
            }
            if Instant::now() >= deadline {
                return Err(Halt::TimedOut);
            }
            self.poll(deadline, cancel).map_err(Halt::Poll)?;
        }
    }

    /// Whether the socket has something to read, once it, the cancel pipe or the time says so.
    fn poll(&self, until: Instant, cancel: &Cancel) -> Result<bool, String> {
        let directions = match self.session.block_directions() {
            BlockDirections::None | BlockDirections::Inbound => PollFlags::IN,
            BlockDirections::Outbound => PollFlags::OUT,
            BlockDirections::Both => PollFlags::IN | PollFlags::OUT,
        };
        let cancelled = cancel.fd();
        let mut fds = [PollFd::new(&*self.stream, directions), PollFd::new(&cancelled, PollFlags::IN)];
        super::local::poll_until(&mut fds, until)?;
        let [socket, _] = &fds;
        Ok(!socket.revents().intersection(PollFlags::IN | PollFlags::HUP | PollFlags::ERR).is_empty())
    }

    /// The server's identification; empty before it came.
    fn banner(&self) -> String {
        self.session
            .banner_bytes()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .unwrap_or_default()
    }

    /// Key exchange and the check of the host key; its fingerprint.
    fn greet(
        &self,
        target: &Target,
        credentials: &Credentials,
        timeouts: &Timeouts,
        deadline: Instant,
        cancel: &Cancel,
    ) -> Result<String, TransportError> {
        let known = credentials.known_hosts.key_types(&target.address, target.port);
        let prefs = host_key_preference(&known);
        self.session
            .method_pref(MethodType::HostKey, &prefs)
            .map_err(|error| target.error(TransportErrorKind::Local, format!("host key types: {error}")))?;
        let mut session = self.session.clone();
        self.until(deadline, cancel, || session.handshake())
            .map_err(|halt| self.handshake_error(halt, target, timeouts))?;
        let Some((key, _)) = self.session.host_key() else {
            return Err(target.error(TransportErrorKind::Handshake, "it showed no host key".to_owned()));
        };
        let key = key.to_vec();
        check_host_key(target, credentials, &key)?;
        Ok(fingerprint(&key))
    }

    fn handshake_error(&self, halt: Halt, target: &Target, timeouts: &Timeouts) -> TransportError {
        let banner = self.banner();
        let who = if banner.is_empty() {
            "it did not say that it is an SSH server".to_owned()
        } else {
            format!("it is `{}`", escape_line(&banner))
        };
        let no_common =
            [code::KEX_FAILURE, code::KEY_EXCHANGE_FAILURE, code::METHOD_NONE, code::HOSTKEY_INIT];
        match &halt {
            Halt::TimedOut => target.error(
                TransportErrorKind::Handshake,
                format!("the handshake was not done in {}; {who}", words(timeouts.handshake)),
            ),
            Halt::Ssh(error) if matches!(error.code(), ErrorCode::Session(code) if no_common.contains(&code)) =>
            {
                let message = format!(
                    "the handshake failed: {}; {who}; offered here: key exchange {}; host keys {}; ciphers {}",
                    halt.words(),
                    self.algorithms(MethodType::Kex),
                    HOST_KEYS.join(","),
                    self.algorithms(MethodType::CryptCs)
                );
                let remedy =
                    format!("ssh -vv -p {} {} 2>&1 | grep 'peer server'", target.port, target.address);
                target.error(TransportErrorKind::Handshake, message).with_remedy(remedy)
            }
            _ => {
                let what = format!("the handshake failed; {who}");
                halt.into_error(target, TransportErrorKind::Handshake, &what)
            }
        }
    }

    fn algorithms(&self, method: MethodType) -> String {
        self.session.supported_algs(method).map(|names| names.join(",")).unwrap_or_default()
    }

    /// Ends the connection; whatever uses it fails at once.
    fn shut(&self) {
        // It fails only on a connection that is gone already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// The types known for the host first, so that a host with several keys shows a known one.
fn host_key_preference(known: &[String]) -> String {
    let is_known = |algorithm: &str| {
        let key_type = if algorithm.starts_with("rsa-sha2-") { "ssh-rsa" } else { algorithm };
        known.iter().any(|known| known == key_type)
    };
    let (mut first, rest): (Vec<&str>, Vec<&str>) =
        HOST_KEYS.into_iter().partition(|algorithm| is_known(algorithm));
    first.extend(rest);
    first.join(",")
}

fn check_host_key(target: &Target, credentials: &Credentials, key: &[u8]) -> Result<(), TransportError> {
    let (address, port) = (&target.address, target.port);
    let shown = format!("{} {}", key_type(key), fingerprint(key));
    let file = credentials.known_hosts.file();
    match credentials.known_hosts.check_or_learn(address, port, key).map_err(|why| {
        target.error(TransportErrorKind::Local, format!("the host key cannot be remembered: {why}"))
    })? {
        Verdict::Known => Ok(()),
        Verdict::Unknown { only_authority } => {
            let why = if only_authority {
                "known_hosts has only a `@cert-authority` line for it, and host certificates are not supported; \
                 the plain host key is needed"
            } else {
                "host key is not known"
            };
            let message =
                format!("{why}; it showed {shown}: compare that with the host's own before you trust it");
            let remedy = format!("ssh-keyscan -p {port} {} >> {}", shell_word(address), shell_word(file));
            Err(target.error(TransportErrorKind::HostKeyUnknown, message).with_remedy(remedy))
        }
        Verdict::Changed { known } => {
            let message = format!(
                "host key is not the known one: it showed {shown}, known are {}; someone may be in between: \
                 forget the known key only once the host's owner has confirmed the new one",
                known.join(", ")
            );
            let remedy = forget(address, port, file);
            Err(target.error(TransportErrorKind::HostKeyChanged, message).with_remedy(remedy))
        }
        Verdict::Revoked { place } => {
            let message = format!("host key {shown} is revoked by {place}");
            Err(target.error(TransportErrorKind::HostKeyChanged, message))
        }
    }
}

fn forget(address: &str, port: u16, file: &str) -> String {
    let name = super::known_hosts::line_name(address, port);
    format!("ssh-keygen -R {} -f {}", shell_word(&name), shell_word(file))
}

/// A host by SSH.
pub(super) struct Ssh {
    wire: Wire,
    target: Target,
    host_key: String,
    banner: String,
    ready: Duration,
    uid: Option<u32>,
    /// Why the session cannot be used any more.
    closed: Option<String>,
    /// The last command's channel, its closing under way.
    closing: Option<Channel>,
}

impl Ssh {
    fn finish_closing(&mut self, cancel: &Cancel) {
        if let Some(mut channel) = self.closing.take() {
            // A channel that does not close is left to the session's end: libssh2 keeps its data
            // apart.
            let _ = self.wire.until(Instant::now() + CLOSING, cancel, || channel.close());
        }
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        if self.closed.is_none() {
            // Politely where that costs nothing; the socket's end says the same.
            let _ = self.wire.session.disconnect(None, "done", None);
        }
        // libssh2 waits for the remote side when a channel is dropped on a live connection.
        self.wire.shut();
    }
}

impl Backend for Ssh {
    fn run(
        &mut self,
        script: &str,
        become_root: Option<&Become>,
        limits: Limits,
        cancel: &Cancel,
    ) -> Result<Answer, TransportError> {
        let _watched = watch(&self.wire.stream, Instant::now() + limits.deadline, cancel);
        run_script(self, script, become_root, limits, cancel)
    }

    fn host_key(&self) -> Option<String> {
        Some(self.host_key.clone())
    }

    fn banner(&self) -> String {
        self.banner.clone()
    }
}

impl Reach for Ssh {
    type Channel = SshChannel;

    fn open(
        &mut self,
        nonces: &Nonces,
        access: Access,
        by: Instant,
        cancel: &Cancel,
    ) -> Result<SshChannel, TransportError> {
        if let Some(why) = &self.closed {
            let message = format!("the session is over: {why}");
            return Err(self.target.error(TransportErrorKind::Lost, message));
        }
        self.finish_closing(cancel);
        let line = command_line(nonces, access);
        let opened =
            self.wire.until(by, cancel, || self.wire.session.channel_session()).and_then(|mut channel| {
                self.wire.until(by, cancel, || channel.exec(&line))?;
                Ok(channel)
            });
        match opened {
            Ok(channel) => Ok(SshChannel {
                channel,
                wire: self.wire.clone(),
                heard: Instant::now(),
                next_keepalive: Instant::now() + KEEPALIVE,
            }),
            Err(halt) => {
                self.closed = Some(halt.words());
                self.wire.shut();
                Err(halt.into_error(
                    &self.target,
                    TransportErrorKind::Lost,
                    "the connection was lost before a command could be started",
                ))
            }
        }
    }

    fn release(&mut self, channel: SshChannel, _over: bool) {
        let mut channel = channel.channel;
        // Sends what it can; the rest is done before the next command, or never needed.
        let _ = channel.close();
        self.closing = Some(channel);
    }

    fn abort(&mut self, channel: SshChannel, why: &str) {
        self.wire.shut();
        self.closed = Some(why.to_owned());
        drop(channel);
    }

    fn logs_in_as_root(&self) -> bool {
        self.uid.map_or(self.target.user == "root", |uid| uid == 0)
    }

    fn logged_in_as(&mut self, uid: u32) {
        self.uid = Some(uid);
    }

    fn label(&self) -> String {
        self.target.label()
    }

    fn user(&self) -> String {
        self.target.user.clone()
    }

    fn patience(&self) -> Duration {
        self.ready
    }
}

/// A running command on a host.
pub(super) struct SshChannel {
    channel: Channel,
    wire: Wire,
    heard: Instant,
    next_keepalive: Instant,
}

fn would_block(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

impl ByteChannel for SshChannel {
    fn read(&mut self, stream: Stream, into: &mut [u8]) -> Result<Got, String> {
        let mut reader = match stream {
            Stream::Out => self.channel.stream(0),
            Stream::Err => self.channel.stderr(),
        };
        match reader.read(into) {
            Ok(0) => Ok(Got::End),
            Ok(count) => Ok(Got::Bytes(count)),
            Err(error) if would_block(&error) => Ok(Got::Nothing),
            Err(error) => Err(escape_line(&error.to_string())),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<Option<usize>, String> {
        match self.channel.write(bytes) {
            Ok(count) => Ok(Some(count)),
            Err(error) if would_block(&error) => Ok(Some(0)),
            // The command closed its input; reading tells how it ended, or that the link is gone.
            Err(_) => Ok(None),
        }
    }

    fn close_input(&mut self) -> Result<bool, String> {
        match self.channel.send_eof() {
            Err(error) if error.code() == ErrorCode::Session(code::EAGAIN) => Ok(false),
            Ok(()) | Err(_) => Ok(true),
        }
    }

    fn wait(&mut self, until: Instant, cancel: &Cancel) -> Result<(), String> {
        if self.wire.poll(until.min(self.next_keepalive), cancel)? {
            self.heard = Instant::now();
        }
        let now = Instant::now();
        if now >= self.heard + DEAD {
            return Err(format!("keep-alives were not answered for {}", words(DEAD)));
        }
        if now >= self.next_keepalive {
            self.next_keepalive = now + KEEPALIVE;
            self.wire.session.keepalive_send().map_err(|error| escape_line(error.message()))?;
        }
        Ok(())
    }

    fn ending(&mut self) -> String {
        let cancel = Cancel::new();
        let closed = match &cancel {
            Ok(cancel) => {
                self.wire.until(Instant::now() + CLOSING, cancel, || self.channel.wait_close()).is_ok()
            }
            Err(_) => false,
        };
        // libssh2 has status 0 also for a process killed by a signal and for a cut connection.
        if let Ok(signal) = self.channel.exit_signal()
            && let Some(name) = signal.exit_signal
        {
            return format!("it was killed by signal {}", escape_line(&name));
        }
        match self.channel.exit_status() {
            Ok(status) if closed => format!("it ended with status {status} and without the end mark"),
            _ => "it closed its output without the end mark".to_owned(),
        }
    }
}
