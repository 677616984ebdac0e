//! A libssh2 session and its socket: every call is polled against the socket, the cancel pipe and a
//! deadline together.

use super::{Target, TransportError, TransportErrorKind};
use crate::model::Cancel;
use crate::model::output::escape_line;
use rustix::event::{PollFd, PollFlags};
use ssh2::{BlockDirections, ErrorCode, Session};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Instant;

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

/// A session and its socket.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) session: Session,
    pub(super) stream: Arc<TcpStream>,
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
    pub(super) fn new(stream: Arc<TcpStream>, target: &Target) -> Result<Self, TransportError> {
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
    pub(super) fn poll(&self, until: Instant, cancel: &Cancel) -> Result<bool, String> {
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
    pub(super) fn banner(&self) -> String {
        self.session
            .banner_bytes()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .unwrap_or_default()
    }

    /// Ends the connection; whatever uses it fails at once.
    pub(super) fn shut(&self) {
        // It fails only on a connection that is gone already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
