//! A real SSH server: one listener for each host, one command for each session, run by the host behind
//! it. Standard input, both outputs and the exit status are the command's own.

use crate::fleet::Machine;
use crate::simulated::Simulated;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handle, Handler, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelMsg, Sig};
use std::collections::HashMap;
use std::error::Error;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Makes the key that logs in to every host, writes it to `path`, and gives its public half.
pub fn client_key(path: &Path) -> Result<PublicKey, Box<dyn Error>> {
    use std::os::unix::fs::PermissionsExt;
    let key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519)?;
    std::fs::write(path, key.to_openssh(LineEnding::LF)?.as_bytes())?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(key.public_key().clone())
}

/// Serves a host on a free loopback port. Gives the port and the host's line for known_hosts.
pub async fn serve(machine: Arc<Machine>, client: PublicKey) -> Result<(u16, String), Box<dyn Error>> {
    let key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519)?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let known = format!("[127.0.0.1]:{port} {}\n", key.public_key().to_openssh()?);
    let config = Arc::new(Config {
        keys: vec![key],
        auth_rejection_time: Duration::from_millis(100),
        auth_rejection_time_initial: Some(Duration::ZERO),
        nodelay: true,
        ..Config::default()
    });
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let door =
                Door { machine: Arc::clone(&machine), client: client.clone(), channels: HashMap::new() };
            let config = Arc::clone(&config);
            tokio::spawn(async move {
                if let Ok(session) = russh::server::run_stream(config, stream, door).await {
                    // How a client's connection ended is the client's business.
                    let _ = session.await;
                }
            });
        }
    });
    Ok((port, known))
}

/// One connection.
struct Door {
    machine: Arc<Machine>,
    client: PublicKey,
    /// Sessions that have not been given a command yet.
    channels: HashMap<ChannelId, Channel<Msg>>,
}

impl Handler for Door {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let right = user == "root" && key.public_key.key_data() == self.client.key_data();
        Ok(if right { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(channel) = self.channels.remove(&id) else { return session.channel_failure(id) };
        session.channel_success(id)?;
        let line = String::from_utf8_lossy(data).into_owned();
        let (machine, handle) = (Arc::clone(&self.machine), session.handle());
        tokio::spawn(async move {
            // A client that is gone needs no answer.
            let _ = answer(&machine, &line, channel, &handle, id).await;
            let _ = handle.eof(id).await;
            let _ = handle.close(id).await;
        });
        Ok(())
    }
}

/// Runs a command line on the host and passes everything on.
async fn answer(
    machine: &Machine,
    line: &str,
    input: Channel<Msg>,
    handle: &Handle,
    id: ChannelId,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (program, arguments) = match machine {
        Machine::Real(namespace) => namespace.command(line),
        Machine::Played(simulated) => return play(simulated, line, input, handle, id).await,
    };
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("USER", "root")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Ok(());
    };
    let feeding = tokio::spawn(feed(input, stdin));
    let (_, _) = tokio::join!(pass(stdout, handle, id, None), pass(stderr, handle, id, Some(1)));
    let status = child.wait().await?;
    feeding.abort();
    match (status.code(), status.signal()) {
        (Some(code), _) => handle.exit_status_request(id, code.unsigned_abs()).await,
        (None, _) => handle.exit_signal_request(id, Sig::KILL, false, String::new(), String::new()).await,
    }
    .map_err(|()| "the client is gone".into())
}

/// Answers for a host that is only played.
async fn play(
    simulated: &Simulated,
    line: &str,
    mut input: Channel<Msg>,
    handle: &Handle,
    id: ChannelId,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let gone = |()| "the client is gone";
    let Some(ready) = Simulated::ready(line) else {
        handle.exit_status_request(id, 127).await.map_err(gone)?;
        return Ok(());
    };
    handle.data(id, ready.into_bytes()).await.map_err(|_| gone(()))?;
    let mut script = Vec::new();
    while let Some(message) = input.wait().await {
        match message {
            ChannelMsg::Data { data } => script.extend_from_slice(&data),
            ChannelMsg::Eof | ChannelMsg::Close => break,
            _ => {}
        }
    }
    if let Some((out, err)) = simulated.answer(&String::from_utf8_lossy(&script)) {
        handle.data(id, out.into_bytes()).await.map_err(|_| gone(()))?;
        handle.extended_data(id, 1, err.into_bytes()).await.map_err(|_| gone(()))?;
    }
    handle.exit_status_request(id, 0).await.map_err(gone)?;
    Ok(())
}

/// Passes what the client sends to the command, up to the client's end of input.
async fn feed(mut input: Channel<Msg>, mut stdin: tokio::process::ChildStdin) {
    while let Some(message) = input.wait().await {
        let bytes = match message {
            ChannelMsg::Data { data } => data,
            ChannelMsg::Eof | ChannelMsg::Close => return,
            _ => continue,
        };
        if stdin.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Passes a stream of the command to the client, as extended data of this kind or as plain data.
async fn pass(mut stream: impl AsyncRead + Unpin, handle: &Handle, id: ChannelId, kind: Option<u32>) {
    let mut buffer = vec![0; 16_384];
    while let Ok(count) = stream.read(&mut buffer).await {
        let bytes = buffer.get(..count).unwrap_or_default().to_vec();
        let sent = match kind {
            _ if count == 0 => return,
            None => handle.data(id, bytes).await.is_ok(),
            Some(kind) => handle.extended_data(id, kind, bytes).await.is_ok(),
        };
        if !sent {
            return;
        }
    }
}
