//! Private keys and the agent's identities, read once for a run.
//!
//! A bad key that was named is an error at once; a bad one among the default files is skipped, and
//! mentioned where a login fails. Which key worked last is tried first on the next host: a server
//! counts every key it is offered.

use super::known_hosts::key_type;
use super::wire::code;
use super::{TransportError, TransportErrorKind};
use crate::model::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Tried where they exist, in this order.
const DEFAULT_FILES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];
/// A private key is a few kilobytes.
const LARGEST: u64 = 64 * 1024;
/// How long the agent may take to list its identities.
const AGENT_TIME: Duration = Duration::from_secs(5);

/// The ways to log in with a key.
#[derive(Debug, Default)]
pub struct Keys {
    /// Those that were named, then those of the default files.
    files: Vec<Arc<KeyFile>>,
    named: usize,
    agent: Vec<AgentKey>,
    skipped: Vec<String>,
    /// Keys that only one host names, read when it comes to that host.
    others: Mutex<HashMap<PathBuf, Result<Arc<KeyFile>, String>>>,
    last_good: AtomicUsize,
}

/// An identity of the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AgentKey {
    pub(super) blob: Vec<u8>,
    pub(super) comment: String,
}

/// A private key.
#[derive(Debug)]
pub(super) struct KeyFile {
    pub(super) path: PathBuf,
    text: SecretString,
    passphrase: Option<Secret>,
    /// As in `id.pub`.
    pub(super) public: Option<String>,
    /// As in `id-cert.pub`.
    pub(super) certificate: Option<String>,
}

impl KeyFile {
    pub(super) fn text(&self) -> &str {
        self.text.expose_secret()
    }

    pub(super) fn passphrase(&self) -> Option<&str> {
        self.passphrase.as_ref().map(Secret::expose)
    }

    /// The public key's bytes, where they are known.
    fn blob(&self) -> Option<Vec<u8>> {
        self.public.as_deref().and_then(|line| STANDARD.decode(line.split_whitespace().nth(1)?).ok())
    }
}

/// One thing to offer to a server.
#[derive(Debug, Clone)]
pub(super) enum Offer {
    Agent(AgentKey),
    File(Arc<KeyFile>),
}

impl Keys {
    /// Reads the default files of `~/.ssh` (if wanted), asks the agent for its identities (if
    /// wanted and there), and reads the key files named. `passphrase` is asked at most once for
    /// each encrypted key: for a named one always, for a default one if the agent has nothing.
    ///
    /// # Errors
    /// When a named key cannot be read or decrypted.
    pub fn load(
        default_files: bool,
        use_agent: bool,
        extra: &[PathBuf],
        passphrase: &mut dyn FnMut(&Path) -> Option<Secret>,
    ) -> Result<Self, TransportError> {
        let mut keys = Self::default();
        if use_agent {
            match agent_identities() {
                Ok(identities) => keys.agent = identities,
                Err(why) => keys.skipped.push(format!("the agent: {why}")),
            }
        }
        for path in extra {
            let path = expand_home(path);
            if keys.files.iter().any(|known| known.path == path) {
                continue;
            }
            let key = keys.read(&path, passphrase).map_err(|why| TransportError {
                kind: TransportErrorKind::Local,
                message: format!("key `{}`: {why}", path.display()),
                remedy: None,
            })?;
            keys.files.push(Arc::new(key));
        }
        keys.named = keys.files.len();
        if default_files {
            keys.read_defaults(passphrase);
        }
        keys.last_good = AtomicUsize::new(usize::MAX);
        Ok(keys)
    }

    fn read_defaults(&mut self, passphrase: &mut dyn FnMut(&Path) -> Option<Secret>) {
        let Some(home) = std::env::home_dir() else {
            return;
        };
        for name in DEFAULT_FILES {
            let path = home.join(".ssh").join(name);
            if !path.exists() || self.files.iter().any(|known| known.path == path) {
                continue;
            }
            let read = if self.agent.is_empty() {
                self.read(&path, passphrase)
            } else {
                self.read(&path, &mut |_| None)
            };
            match read {
                Ok(key) => self.files.push(Arc::new(key)),
                Err(why) => self.skipped.push(format!("key `{}`: {why}", path.display())),
            }
        }
    }

    /// Reads a key and proves that it can be used. One that is in the agent needs no passphrase.
    fn read(
        &self,
        path: &Path,
        passphrase: &mut dyn FnMut(&Path) -> Option<Secret>,
    ) -> Result<KeyFile, String> {
        let text = read_small(path)?;
        let form = Form::of(&text)?;
        let public = beside(path, ".pub").or(form.public);
        let mut key = KeyFile {
            path: path.to_owned(),
            text: SecretString::from(text),
            passphrase: None,
            public,
            certificate: beside(path, "-cert.pub"),
        };
        if form.encrypted {
            if key.blob().is_some_and(|blob| self.agent.iter().any(|known| known.blob == blob)) {
                // It can only be used through the agent, which has certificates of its own.
                key.certificate = None;
                return Ok(key);
            }
            let given = passphrase(path).ok_or(
                "it is encrypted and no passphrase was given; add it to the agent with `ssh-add`, or give its \
                 passphrase",
            )?;
            key.passphrase = Some(given);
        }
        decodes(&key)?;
        Ok(key)
    }

    /// What to offer to a host that names `own`, best first.
    pub(super) fn offers(&self, own: Option<&str>) -> Result<Vec<Offer>, String> {
        let mut offers: Vec<Offer> = Vec::new();
        if let Some(own) = own {
            offers.push(self.through_agent(Offer::File(self.own(&expand_home(Path::new(own)))?)));
        }
        let (named, default) = self.files.split_at(self.named.min(self.files.len()));
        let mut shared: Vec<Offer> = named.iter().cloned().map(Offer::File).collect();
        shared.extend(self.agent.iter().cloned().map(Offer::Agent));
        shared.extend(default.iter().cloned().map(Offer::File));
        let last_good = self.last_good.load(Ordering::Relaxed);
        if last_good < shared.len() {
            let good = shared.remove(last_good);
            shared.insert(0, good);
        }
        for offer in shared {
            let offer = self.through_agent(offer);
            if !offers.iter().any(|known| known.is_same(&offer)) {
                offers.push(offer);
            }
        }
        Ok(offers)
    }

    /// The agent signs without decoding the key again.
    fn through_agent(&self, offer: Offer) -> Offer {
        let Offer::File(key) = &offer else {
            return offer;
        };
        if key.certificate.is_some() {
            return offer;
        }
        let held = key.blob().and_then(|blob| self.agent.iter().find(|known| known.blob == blob));
        held.map_or_else(|| offer.clone(), |held| Offer::Agent(held.clone()))
    }

    fn own(&self, path: &Path) -> Result<Arc<KeyFile>, String> {
        if let Some(known) = self.files.iter().find(|known| known.path == path) {
            return Ok(Arc::clone(known));
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = others.entry(path.to_owned()).or_insert_with(|| {
            self.read(path, &mut |_| None)
                .map(Arc::new)
                .map_err(|why| format!("key `{}`: {why}", path.display()))
        });
        entry.clone()
    }

    /// Notes which one was accepted.
    pub(super) fn accepted(&self, offer: &Offer) {
        let (named, default) = self.files.split_at(self.named.min(self.files.len()));
        let is = |key: &Arc<KeyFile>| self.through_agent(Offer::File(Arc::clone(key))).is_same(offer);
        let place = named.iter().position(is).or_else(|| {
            let agent = self.agent.iter().position(|key| Offer::Agent(key.clone()).is_same(offer));
            agent.map(|n| n + named.len())
        });
        let place = place.or_else(|| default.iter().position(is).map(|n| n + named.len() + self.agent.len()));
        if let Some(place) = place {
            self.last_good.store(place, Ordering::Relaxed);
        }
    }

    /// What could not be used, and why.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }
}

impl Offer {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Agent(one), Self::Agent(two)) => one.blob == two.blob,
            (Self::File(one), Self::File(two)) => one.path == two.path,
            (Self::Agent(_), Self::File(_)) | (Self::File(_), Self::Agent(_)) => false,
        }
    }

    /// For messages.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Agent(key) => {
                let comment = crate::model::output::escape_line(&key.comment);
                format!("agent key `{comment}` ({})", key_type(&key.blob))
            }
            Self::File(key) => format!("key `{}`", key.path.display()),
        }
    }
}

/// How a private key is written down.
#[derive(Debug, PartialEq, Eq)]
struct Form {
    encrypted: bool,
    /// OpenSSH's own form has the public key in clear.
    public: Option<String>,
}

impl Form {
    fn of(text: &str) -> Result<Self, String> {
        let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let plain = |encrypted| Ok(Self { encrypted, public: None });
        match first {
            "-----BEGIN OPENSSH PRIVATE KEY-----" => {
                open_ssh_form(text).ok_or_else(|| "the OpenSSH key is damaged".to_owned())
            }
            "-----BEGIN RSA PRIVATE KEY-----" | "-----BEGIN EC PRIVATE KEY-----" => {
                plain(text.contains("Proc-Type: 4,ENCRYPTED"))
            }
            "-----BEGIN ENCRYPTED PRIVATE KEY-----" => plain(true),
            "-----BEGIN PRIVATE KEY-----" => plain(false),
            "-----BEGIN DSA PRIVATE KEY-----" => {
                Err("DSA keys are no longer accepted by servers; make an ed25519 key".to_owned())
            }
            _ if first.starts_with("PuTTY-User-Key-File") => {
                Err("it is a PuTTY key; `puttygen KEY -O private-openssh -o NEW` makes one that can be used"
                    .to_owned())
            }
            _ if first.starts_with("ssh-") || first.starts_with("ecdsa-") => {
                Err("it is a public key; the private one is needed (the same name without `.pub`)".to_owned())
            }
            _ => Err("it is not a private key in a known form".to_owned()),
        }
    }
}

fn open_ssh_form(text: &str) -> Option<Form> {
    let encoded: String = text.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
    let bytes = STANDARD.decode(encoded).ok()?;
    let mut rest = bytes.strip_prefix(b"openssh-key-v1\0")?;
    let cipher = take_string(&mut rest)?;
    take_string(&mut rest)?;
    take_string(&mut rest)?;
    let (_count, mut after) = rest.split_first_chunk::<4>()?;
    let public = take_string(&mut after)?;
    Some(Form {
        encrypted: cipher != b"none",
        public: Some(format!("{} {}", key_type(public), STANDARD.encode(public))),
    })
}

/// Takes a length-prefixed string off the front.
fn take_string<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (string, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *bytes = rest;
    Some(string)
}

/// Whether libssh2 can decode the key: it is asked to log in with it on a connection that is
/// closed already. It decodes the key before it sends anything.
fn decodes(key: &KeyFile) -> Result<(), String> {
    if key.public.as_deref().is_some_and(|public| public.starts_with("sk-")) {
        return Err("a FIDO key can only be used through the agent; `ssh-add` it".to_owned());
    }
    let broken = |error: &dyn std::fmt::Display| format!("it cannot be checked: {error}");
    let mut session = ssh2::Session::new().map_err(|error| broken(&error))?;
    let (near, far) = UnixStream::pair().map_err(|error| broken(&error))?;
    far.shutdown(Shutdown::Both).map_err(|error| broken(&error))?;
    drop(far);
    session.set_tcp_stream(near);
    session.set_blocking(false);
    // Fails at once, but only after it knows its socket.
    let _ = session.handshake();
    match session.userauth_pubkey_memory("nobody", None, key.text(), key.passphrase()) {
        Err(error) if SENDING.iter().any(|code| error.code() == ssh2::ErrorCode::Session(*code)) => Ok(()),
        Err(_) if key.passphrase.is_some() => {
            Err("the passphrase is wrong, or the key is damaged".to_owned())
        }
        Err(error) => Err(format!("it cannot be decoded: {}", error.message())),
        Ok(()) => Err("it could not be checked".to_owned()),
    }
}

/// Codes of a send that failed: the key was decoded before it.
const SENDING: [i32; 3] = [code::SOCKET_SEND, code::SOCKET_DISCONNECT, code::SOCKET_RECV];

fn read_small(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(LARGEST + 1)
        .read_to_string(&mut text)
        .map_err(|_| "it is not a private key in a known form".to_owned())?;
    if text.len() as u64 > LARGEST {
        return Err("it is too large for a key".to_owned());
    }
    Ok(text)
}

/// The first line of the file with this ending; none where there is none to be read.
fn beside(path: &Path, ending: &str) -> Option<String> {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    let text = read_small(Path::new(&name)).ok()?;
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| line.split_whitespace().count() >= 2)
}

fn expand_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

/// The identities of the agent at `SSH_AUTH_SOCK`; none without one.
fn agent_identities() -> Result<Vec<AgentKey>, String> {
    let Some(path) = std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()) else {
        return Ok(Vec::new());
    };
    list_identities(Path::new(&path)).map_err(|error| error.to_string())
}

/// Asks an agent by its own protocol, so that one that hangs costs a few seconds once, not a
/// thread for each host.
fn list_identities(socket: &Path) -> std::io::Result<Vec<AgentKey>> {
    let malformed = || std::io::Error::new(std::io::ErrorKind::InvalidData, "its answer is malformed");
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(AGENT_TIME))?;
    stream.set_write_timeout(Some(AGENT_TIME))?;
    stream.write_all(&[0, 0, 0, 1, 11])?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > 1024 * 1024 {
        return Err(malformed());
    }
    let mut answer = Vec::new();
    stream.take(u64::from(length)).read_to_end(&mut answer)?;
    parse_identities(&answer).ok_or_else(malformed)
}

fn parse_identities(answer: &[u8]) -> Option<Vec<AgentKey>> {
    let rest = answer.strip_prefix(&[12])?;
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    let mut identities = Vec::new();
    for _ in 0..u32::from_be_bytes(*count) {
        let blob = take_string(&mut rest)?.to_vec();
        let comment = String::from_utf8_lossy(take_string(&mut rest)?).into_owned();
        identities.push(AgentKey { blob, comment });
    }
    Some(identities)
}

#[cfg(test)]
mod tests;
