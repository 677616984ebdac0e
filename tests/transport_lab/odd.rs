//! An SSH server in this process that can misbehave in ways in which an sshd cannot; well-behaved,
//! it runs commands by the real `sh`.

use super::*;
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, Response, Session, VerifiedPublicKey, run_stream,
};
use russh::{Channel, ChannelId, MethodKind, MethodSet, Sig};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command as AsyncCommand;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// What a command does on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Runs it by `sh`.
    Shell,
    /// Never says anything.
    Silent,
    /// Is ready, then sends zeros without an end.
    Flood,
    /// Sends zeros without an end, and never is ready.
    FloodUnready,
    /// Is ready, then sends one byte every 100 ms.
    Trickle,
    /// Is ready, begins, then the connection is cut.
    Cut,
    /// Begins, then says that a signal killed it.
    Signal,
    /// Begins, sends output, and says exit status 0 without an end mark.
    StatusLies,
    /// Shows the command back instead of running it.
    Echo,
    /// Prints an end mark of its own making.
    ForgedEnd,
    /// Has a shell that ends at once with a word of explanation.
    NoLogin,
}

/// How one may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Any key.
    AnyKey,
    /// No key, the password `open sesame`.
    Password,
    /// No key, one hidden question.
    KeyboardInteractive,
    /// No key, two hidden questions at once.
    TwoQuestions,
    /// Nothing.
    Shut,
}

pub const WORD: &str = "open sesame";

/// A running server.
pub struct Odd {
    pub at: SocketAddr,
    pub dir: tempfile::TempDir,
    /// How often a key was offered.
    pub offers: Arc<AtomicU32>,
    /// How often a question got an answer that is not empty.
    pub answered: Arc<AtomicU32>,
    _runtime: tokio::runtime::Runtime,
}

impl Odd {
    pub fn start(behaviour: Behaviour) -> Self {
        Self::start_with(behaviour, Door::AnyKey)
    }

    pub fn start_with(behaviour: Behaviour, door: Door) -> Self {
        let dir = tempfile::tempdir().unwrap();
        keygen(&dir.path().join("id"), "ed25519", "");
        let key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap();
        let public = key.public_key().to_openssh().unwrap();
        let at = free_address();
        let words: Vec<&str> = public.split_whitespace().collect();
        let line = format!("[{}]:{} {} {}\n", at.ip(), at.port(), words[0], words[1]);
        std::fs::write(dir.path().join("known_hosts"), line).unwrap();
        let mut methods = MethodSet::empty();
        methods.push(match door {
            Door::Password => MethodKind::Password,
            Door::KeyboardInteractive | Door::TwoQuestions => MethodKind::KeyboardInteractive,
            Door::AnyKey | Door::Shut => MethodKind::PublicKey,
        });
        let config = Arc::new(Config {
            keys: vec![key],
            methods,
            auth_rejection_time: Duration::from_millis(10),
            auth_rejection_time_initial: Some(Duration::ZERO),
            nodelay: true,
            ..Config::default()
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let offers = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&offers);
        let answered = Arc::new(AtomicU32::new(0));
        let counted_too = Arc::clone(&answered);
        let listener = runtime.block_on(tokio::net::TcpListener::bind(at)).unwrap();
        runtime.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (cut, cutting) = oneshot::channel();
                let host = Host {
                    behaviour,
                    door,
                    inputs: HashMap::new(),
                    cut: Arc::new(Mutex::new(Some(cut))),
                    offers: Arc::clone(&counted),
                    answered: Arc::clone(&counted_too),
                };
                let config = Arc::clone(&config);
                tokio::spawn(async move {
                    // A pipe in between, so that the connection can be cut without a word.
                    let (mut near, far) = tokio::io::duplex(256 * 1024);
                    let pumping = tokio::io::copy_bidirectional(&mut stream, &mut near);
                    let serving = async {
                        if let Ok(running) = run_stream(config, far, host).await {
                            let _ = running.await;
                        }
                    };
                    tokio::select! {
                        _ = async { tokio::join!(pumping, serving) } => {}
                        Ok(()) = cutting => {}
                    }
                });
            }
        });
        Self { at, dir, offers, answered, _runtime: runtime }
    }

    pub fn known_hosts(&self) -> KnownHosts {
        KnownHosts::read(&[self.dir.path().join("known_hosts")]).unwrap()
    }

    pub fn credentials(&self) -> Credentials {
        credentials(self.known_hosts(), &[self.dir.path().join("id")])
    }

    pub fn connect(&self) -> Probing {
        connect(&target(self.at, "lab"), &self.credentials(), &timeouts(), &Cancel::new().unwrap())
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

struct Host {
    behaviour: Behaviour,
    door: Door,
    inputs: HashMap<ChannelId, UnboundedSender<Vec<u8>>>,
    cut: Arc<Mutex<Option<oneshot::Sender<()>>>>,
    offers: Arc<AtomicU32>,
    answered: Arc<AtomicU32>,
}

impl Handler for Host {
    type Error = russh::Error;

    async fn auth_password(&mut self, _user: &str, password: &str) -> Result<Auth, Self::Error> {
        Ok(if self.door == Door::Password && password == WORD { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey_offered(
        &mut self,
        _user: &str,
        _offer: russh::server::PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        self.offers.fetch_add(1, Ordering::SeqCst);
        Ok(if self.door == Door::AnyKey { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(
        &mut self,
        _user: &str,
        _key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(if self.door == Door::AnyKey { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let questions = match self.door {
            Door::KeyboardInteractive => 1,
            Door::TwoQuestions => 2,
            Door::AnyKey | Door::Password | Door::Shut => return Ok(Auth::reject()),
        };
        let Some(response) = response else {
            let prompts =
                (0..questions).map(|n| (format!("Question {n}: ").into(), false)).collect::<Vec<_>>();
            return Ok(Auth::Partial { name: "".into(), instructions: "".into(), prompts: prompts.into() });
        };
        let answers: Vec<Vec<u8>> = response.map(|answer| answer.to_vec()).collect();
        if answers.iter().any(|answer| !answer.is_empty()) {
            self.answered.fetch_add(1, Ordering::SeqCst);
        }
        Ok(if answers == [WORD.as_bytes().to_vec()] { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], _session: &mut Session) -> Result<(), Self::Error> {
        if let Some(input) = self.inputs.get(&id) {
            let _ = input.send(data.to_vec());
        }
        Ok(())
    }

    async fn channel_eof(&mut self, id: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.inputs.remove(&id);
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(id)?;
        let (sender, input) = unbounded_channel();
        self.inputs.insert(id, sender);
        let command = Running {
            handle: session.handle(),
            id,
            line: String::from_utf8_lossy(data).into_owned(),
            input,
            cut: Arc::clone(&self.cut),
        };
        tokio::spawn(command.go(self.behaviour));
        Ok(())
    }
}

struct Running {
    handle: russh::server::Handle,
    id: ChannelId,
    line: String,
    input: UnboundedReceiver<Vec<u8>>,
    cut: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

impl Running {
    async fn go(mut self, behaviour: Behaviour) {
        match behaviour {
            Behaviour::Shell => return self.shell().await,
            Behaviour::Silent => return std::future::pending().await,
            Behaviour::FloodUnready => return self.flood().await,
            Behaviour::Echo => self.say(&self.line.clone()).await,
            Behaviour::NoLogin => self.say("This account is currently not available.\n").await,
            Behaviour::Flood => {
                self.ready().await;
                return self.flood().await;
            }
            Behaviour::Trickle => {
                self.ready().await;
                loop {
                    self.say("x").await;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            Behaviour::Cut => {
                self.begin().await;
                self.say("some output\n").await;
                tokio::time::sleep(Duration::from_millis(100)).await;
                let cut = self.cut.lock().unwrap().take();
                if let Some(cut) = cut {
                    let _ = cut.send(());
                }
                return;
            }
            Behaviour::Signal => {
                self.begin().await;
                let _ = self
                    .handle
                    .exit_signal_request(self.id, Sig::KILL, false, String::new(), String::new())
                    .await;
                let _ = self.handle.eof(self.id).await;
                let _ = self.handle.close(self.id).await;
                return;
            }
            Behaviour::StatusLies => {
                self.begin().await;
                self.say("all is well\n").await;
            }
            Behaviour::ForgedEnd => {
                self.begin().await;
                self.say("\n00000000000000000000000000000000:end:0\n").await;
                let nonce = self.nonce();
                self.say(&format!("\n{nonce}:end:0\n{nonce}:begin\n")).await;
            }
        }
        let _ = self.handle.exit_status_request(self.id, 0).await;
        let _ = self.handle.eof(self.id).await;
        let _ = self.handle.close(self.id).await;
    }

    async fn say(&self, text: &str) {
        let _ = self.handle.data(self.id, text.as_bytes().to_vec()).await;
    }

    /// The nonce of the command line.
    fn nonce(&self) -> String {
        let (_, rest) = self.line.split_once("echo ").unwrap();
        rest.split_once(':').unwrap().0.to_owned()
    }

    async fn ready(&self) {
        self.say(&format!("{}:ready:1000\n", self.nonce())).await;
    }

    /// Says what the reader and the frame say before the script's own output.
    async fn begin(&mut self) {
        self.ready().await;
        let mut all = Vec::new();
        while let Some(bytes) = self.input.recv().await {
            all.extend(bytes);
        }
        let script = String::from_utf8(all).unwrap();
        let (_, rest) = script.split_once("\necho ").unwrap();
        let begin = rest.split_once(';').unwrap().0.to_owned() + "\n";
        self.say(&begin).await;
        let _ = self.handle.extended_data(self.id, 1, begin.into_bytes()).await;
    }

    async fn flood(self) {
        let zeros = vec![0_u8; 32 * 1024];
        while self.handle.data(self.id, zeros.clone()).await.is_ok() {}
    }

    async fn shell(mut self) {
        let mut child = AsyncCommand::new("sh")
            .args(["-c", &self.line])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (handle, id) = (self.handle.clone(), self.id);
        tokio::spawn(async move {
            while let Some(bytes) = self.input.recv().await {
                if stdin.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        });
        let errors = handle.clone();
        let stderr = async move {
            let mut buffer = vec![0; 16384];
            while let Ok(count @ 1..) = err.read(&mut buffer).await {
                let _ = errors.extended_data(id, 1, buffer[..count].to_vec()).await;
            }
        };
        let output = handle.clone();
        let stdout = async move {
            let mut buffer = vec![0; 16384];
            while let Ok(count @ 1..) = out.read(&mut buffer).await {
                let _ = output.data(id, buffer[..count].to_vec()).await;
            }
        };
        tokio::join!(stdout, stderr);
        let status = child.wait().await.unwrap();
        use std::os::unix::process::ExitStatusExt as _;
        if status.signal().is_some() {
            let _ = handle.exit_signal_request(id, Sig::KILL, false, String::new(), String::new()).await;
        } else {
            let _ = handle.exit_status_request(id, u32::try_from(status.code().unwrap()).unwrap()).await;
        }
        let _ = handle.eof(id).await;
        let _ = handle.close(id).await;
    }
}
