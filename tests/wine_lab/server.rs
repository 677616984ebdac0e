//! The SSH server in front of a Wine host: presents itself as Windows' OpenSSH, lets in by the lab's key or the
//! host's password, and hands each command to a session.

use super::fault::Fault;
use super::session::Session;
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, Session as Connection, VerifiedPublicKey,
    run_stream,
};
use russh::{Channel, ChannelId, SshId};
use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};

/// A command that a host was given over SSH.
#[derive(Debug, Clone)]
pub struct Exec {
    /// The command as it came.
    pub command: String,
    /// How much came on its standard input.
    pub input: usize,
    /// The longest line of its input, in bytes without the line end: cmd takes at most 8,191.
    pub longest_line: usize,
    /// When it came.
    pub began: Instant,
    /// How long it took; none: it has not ended.
    pub took: Option<Duration>,
    /// The exit code, all 32 bits; none: it has not ended, or nobody could tell.
    pub code: Option<u32>,
}

/// What the server, its sessions and the host share.
pub(super) struct Shared {
    /// The host's directory.
    pub(super) dir: PathBuf,
    /// `LC_ALL` of what is run, and where that locale is.
    pub(super) locale: Vec<(&'static str, String)>,
    /// The one on which it all runs.
    pub(super) processor: String,
    pub(super) password: String,
    /// The lab's public key, as a line of authorized_keys.
    pub(super) client_key: String,
    /// The first that fits a command counts: a part of the command, and what befalls it.
    pub(super) faults: Mutex<Vec<(String, Fault)>>,
    /// Whether the end of a connection ends what it runs.
    pub(super) kills: AtomicBool,
    pub(super) logins: AtomicU32,
    pub(super) connections: AtomicU32,
    pub(super) execs: Mutex<Vec<Exec>>,
}

impl Shared {
    /// The process of the running host by which its namespaces are entered.
    pub(super) fn inside(&self) -> Option<u32> {
        let state = std::fs::read_to_string(self.dir.join("state")).unwrap_or_default();
        state.trim().strip_prefix("up ")?.parse().ok()
    }

    fn fault(&self, command: &str) -> Option<Fault> {
        let faults = self.faults.lock().unwrap();
        faults.iter().find(|(part, _)| command.contains(part.as_str())).map(|(_, fault)| fault.clone())
    }
}

/// A running server; it goes with the lab's runtime.
pub(super) struct Front {
    pub(super) at: SocketAddr,
    /// Its host key, as in known_hosts.
    pub(super) host_key: String,
}

/// Starts it on an address of its own.
pub(super) fn start(runtime: &tokio::runtime::Runtime, shared: Arc<Shared>) -> Front {
    let key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap();
    let host_key = key.public_key().to_openssh().unwrap();
    let config = Arc::new(Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-OpenSSH_for_Windows_9.5")),
        keys: vec![key],
        auth_rejection_time: Duration::from_millis(10),
        auth_rejection_time_initial: Some(Duration::ZERO),
        nodelay: true,
        ..Config::default()
    });
    // The port is taken as it is chosen: one that only was free a moment ago may be another's by now.
    let listener = runtime.block_on(tokio::net::TcpListener::bind((own_address(), 0))).unwrap();
    let at = listener.local_addr().unwrap();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, Arc::clone(&config), Arc::clone(&shared)));
        }
    });
    Front { at, host_key }
}

/// One connection, until it ends, a fault cuts it, or the host goes down.
async fn connection(mut stream: tokio::net::TcpStream, config: Arc<Config>, shared: Arc<Shared>) {
    let Some(inside) = shared.inside() else { return };
    shared.connections.fetch_add(1, Ordering::SeqCst);
    let (cut, cutting) = oneshot::channel();
    let cut = Arc::new(Mutex::new(Some(cut)));
    let door = Door { shared: Arc::clone(&shared), inside, open: HashMap::new(), cut };
    // A pipe in between, so that the connection can be cut without a word.
    let (mut near, far) = tokio::io::duplex(256 * 1024);
    let down = async {
        while shared.inside() == Some(inside) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let pumping = tokio::io::copy_bidirectional(&mut stream, &mut near);
    let serving = async {
        if let Ok(running) = run_stream(config, far, door).await {
            let _ = running.await;
        }
    };
    tokio::select! {
        _ = pumping => {}
        () = serving => {}
        () = down => {}
        Ok(()) = cutting => {}
    }
}

/// What is open on a channel; its end ends the session there.
struct Open {
    input: Option<UnboundedSender<Vec<u8>>>,
    _alive: watch::Sender<()>,
}

struct Door {
    shared: Arc<Shared>,
    inside: u32,
    open: HashMap<ChannelId, Open>,
    cut: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

impl Door {
    fn answer(&self, right: bool) -> Auth {
        if right {
            self.shared.logins.fetch_add(1, Ordering::SeqCst);
            Auth::Accept
        } else {
            Auth::reject()
        }
    }

    fn knows(&self, user: &str, key: &russh::keys::PublicKey) -> bool {
        let words = |line: &str| line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
        let offered = key.to_openssh().unwrap_or_default();
        user.eq_ignore_ascii_case(super::USER) && words(&offered) == words(&self.shared.client_key)
    }
}

impl Handler for Door {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        Ok(self.answer(user.eq_ignore_ascii_case(super::USER) && password == self.shared.password))
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(if self.knows(user, offer.public_key) { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let right = self.knows(user, key.public_key);
        Ok(self.answer(right))
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _connection: &mut Connection,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn data(
        &mut self,
        id: ChannelId,
        data: &[u8],
        _connection: &mut Connection,
    ) -> Result<(), Self::Error> {
        if let Some(input) = self.open.get(&id).and_then(|open| open.input.as_ref()) {
            let _ = input.send(data.to_vec());
        }
        Ok(())
    }

    async fn channel_eof(&mut self, id: ChannelId, _connection: &mut Connection) -> Result<(), Self::Error> {
        if let Some(open) = self.open.get_mut(&id) {
            open.input = None;
        }
        Ok(())
    }

    async fn channel_close(
        &mut self,
        id: ChannelId,
        _connection: &mut Connection,
    ) -> Result<(), Self::Error> {
        self.open.remove(&id);
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        data: &[u8],
        connection: &mut Connection,
    ) -> Result<(), Self::Error> {
        connection.channel_success(id)?;
        let command = String::from_utf8_lossy(data).into_owned();
        let (sender, input) = unbounded_channel();
        let (alive, lives) = watch::channel(());
        self.open.insert(id, Open { input: Some(sender), _alive: alive });
        let number = {
            let mut execs = self.shared.execs.lock().unwrap();
            execs.push(Exec {
                command: command.clone(),
                input: 0,
                longest_line: 0,
                began: Instant::now(),
                took: None,
                code: None,
            });
            execs.len() - 1
        };
        let session = Session {
            shared: Arc::clone(&self.shared),
            inside: self.inside,
            handle: connection.handle(),
            id,
            number,
            lives,
            cut: Arc::clone(&self.cut),
        };
        let fault = self.shared.fault(&command);
        tokio::spawn(session.go(command, input, fault));
        Ok(())
    }
}

/// An address of 127.78.0.0/16 that no other host of this process has.
fn own_address() -> Ipv4Addr {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = std::process::id().wrapping_mul(61).wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed));
    let [.., third, fourth] = (number % 64_000 + 256).to_be_bytes();
    Ipv4Addr::new(127, 78, third, fourth.clamp(1, 254))
}
