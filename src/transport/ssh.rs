//! A host by SSH (libssh2). The session is non-blocking from the start: every call goes through
//! `Wire::until`, which polls the socket, the cancel pipe and the deadline together.

use super::auth::log_in;
use super::cmd::COMMAND;
use super::dial::{dial, watch};
use super::reader::{Access, Nonces, command_line};
use super::run::{ByteChannel, Got, Reach, Stream, run_cmd, run_script, words};
use super::wire::{Wire, code};
use super::{
    Answer, Backend, Become, Credentials, Limits, Target, Timeouts, TransportError, TransportErrorKind,
};
use crate::model::Cancel;
use crate::model::output::escape_line;
use ssh2::{Channel, ErrorCode};
use std::io::{ErrorKind, Read as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two keep-alives.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// A host that does not even answer keep-alives for so long is gone.
const DEAD: Duration = Duration::from_secs(60);
/// OpenSSH allows ten sessions on a connection.
const MOST_CLOSING: usize = 5;
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
        closing: Vec::new(),
    })
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
    /// Channels of earlier commands, their closing under way: a child that goes on keeps one open.
    closing: Vec<Channel>,
}

impl Ssh {
    /// Starts one command.
    fn exec(&mut self, line: &str, by: Instant, cancel: &Cancel) -> Result<SshChannel, TransportError> {
        if let Some(why) = &self.closed {
            let message = format!("the session is over: {why}");
            return Err(self.target.error(TransportErrorKind::Lost, message));
        }
        self.finish_closing(cancel);
        let opened =
            self.wire.until(by, cancel, || self.wire.session.channel_session()).and_then(|mut channel| {
                self.wire.until(by, cancel, || channel.exec(line))?;
                Ok(channel)
            });
        match opened {
            Ok(channel) => Ok(SshChannel {
                channel,
                wire: self.wire.clone(),
                heard: Instant::now(),
                next_keepalive: Instant::now() + KEEPALIVE,
                unread: (0, false),
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

    /// Closes what can be closed now; waits only when too many are left over, because a server
    /// limits the sessions of a connection.
    fn finish_closing(&mut self, cancel: &Cancel) {
        self.closing.retain_mut(|channel| {
            matches!(channel.close(), Err(error) if error.code() == ErrorCode::Session(code::EAGAIN))
        });
        while self.closing.len() >= MOST_CLOSING {
            let mut oldest = self.closing.remove(0);
            // One that still does not close is left to the end of the session.
            let _ = self.wire.until(Instant::now() + CLOSING, cancel, || oldest.close());
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

    fn run_cmd(&mut self, script: &str, limits: Limits, cancel: &Cancel) -> Result<Answer, TransportError> {
        let _watched = watch(&self.wire.stream, Instant::now() + limits.deadline, cancel);
        run_cmd(self, script, limits, cancel)
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
        self.exec(&command_line(nonces, access), by, cancel)
    }

    fn open_cmd(&mut self, by: Instant, cancel: &Cancel) -> Result<SshChannel, TransportError> {
        self.exec(COMMAND, by, cancel)
    }

    fn release(&mut self, channel: SshChannel, _over: bool) {
        let mut channel = channel.channel;
        // Sends what it can; the rest is done before the next command, or never needed.
        let _ = channel.close();
        self.closing.push(channel);
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
    /// What libssh2 held for this channel, and whether its input had ended, when that was last asked.
    unread: (u32, bool),
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
            Ok(count) => {
                self.heard = Instant::now();
                Ok(Got::Bytes(count))
            }
            Err(error) if would_block(&error) => Ok(Got::Nothing),
            Err(error) => Err(escape_line(&error.to_string())),
        }
    }

    fn has_unread(&mut self) -> bool {
        let before =
            std::mem::replace(&mut self.unread, (self.channel.read_window().available, self.channel.eof()));
        // The same as before is what nobody reads: data of a kind that is neither output.
        self.unread != before && self.unread != (0, false)
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
        loop {
            let heard = self.wire.poll(until.min(self.next_keepalive), cancel)?;
            let now = Instant::now();
            if heard {
                self.heard = now;
            }
            if now >= self.heard + DEAD {
                return Err(format!("keep-alives were not answered for {}", words(DEAD)));
            }
            if heard || now < self.next_keepalive {
                return Ok(());
            }
            self.next_keepalive = now + KEEPALIVE;
            self.wire.session.keepalive_send().map_err(|error| escape_line(error.message()))?;
            // Polled again before anybody reads: its answer must be seen here.
        }
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
