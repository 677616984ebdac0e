//! Making a signature: with a key file here, or by `ssh-keygen` with a key that an agent or a security key
//! holds; and where it is saved.

use super::{Purpose, SignatureError, SshSignature, read_fitting, signature_file, write_new};
use crate::model::Secret;
use rsa::{BigUint, Pkcs1v15Sign, RsaPrivateKey};
use ssh_key::private::KeypairData;
use ssh_key::public::KeyData;
use ssh_key::sha2::{Digest as _, Sha512};
use ssh_key::{Algorithm, HashAlg, Mpint, PrivateKey, PublicKey, Signature, SshSig};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use zeroize::Zeroizing;

/// A larger file is no key, in bytes.
const LARGEST_KEY: u64 = 256 * 1024;

/// More than this is not read of what a program says.
const LARGEST_ANSWER: u64 = 1 << 20;

/// Signs with the key in this file: a private key in OpenSSH's form is used here (`passphrase` is asked
/// for one that is encrypted); for the public half of a key that the SSH agent holds, and for a security
/// key's file, `ssh-keygen` does it, and asks for what it needs.
///
/// # Errors
/// When the key cannot be read or does not sign.
pub fn sign_with_file(
    bytes: &[u8],
    purpose: Purpose,
    file: &Path,
    passphrase: &mut dyn FnMut(&Path) -> Option<Secret>,
) -> Result<SshSignature, SignatureError> {
    let wrong = |reason: String| SignatureError::Key { file: file.to_owned(), reason };
    let text = read_key_file(file).map_err(wrong)?;
    // A number of the key that happens to be short is more than the reader here takes; OpenSSH's own takes it.
    let unread =
        |reason: String, passphrase: Option<&Secret>| match run_keygen(bytes, purpose, file, passphrase) {
            Ok(signature) => checked(signature, bytes, purpose),
            Err(_) => Err(wrong(reason)),
        };
    match KeyForm::of(&text).map_err(wrong)? {
        KeyForm::Public => sign_by_keygen(bytes, purpose, file),
        KeyForm::Unread(reason) => unread(reason, None),
        KeyForm::Private(key) if is_security_key(&key) => sign_by_keygen(bytes, purpose, file),
        KeyForm::Private(key) => {
            let key = match unlocked(*key, file, passphrase) {
                Ok(key) => key,
                Err(Locked::Refused(reason)) => return Err(wrong(reason)),
                Err(Locked::Unread { reason, passphrase }) => return unread(reason, Some(&passphrase)),
            };
            let signature =
                sign_here(&key, bytes, purpose).map_err(|error| wrong(format!("it cannot sign: {error}")))?;
            signature
                .verify(bytes, purpose)
                .map_err(|why| wrong(format!("its signature would not count: {why}")))?;
            Ok(signature)
        }
    }
}

fn sign_here(key: &PrivateKey, bytes: &[u8], purpose: Purpose) -> Result<SshSignature, ssh_key::Error> {
    let namespace = purpose.namespace;
    let KeypairData::Rsa(rsa) = key.key_data() else {
        return SshSignature::new(key.sign(namespace, HashAlg::Sha512, bytes)?);
    };
    // As `PrivateKey::sign` would, if it took both primes.
    let number = |number: &Mpint| BigUint::try_from(number);
    let primes = vec![number(&rsa.private.p)?, number(&rsa.private.q)?];
    let (n, e, d) = (number(&rsa.public.n)?, number(&rsa.public.e)?, number(&rsa.private.d)?);
    let signer = RsaPrivateKey::from_components(n, e, d, primes)?;
    let signed = SshSig::signed_data(namespace, HashAlg::Sha512, bytes)?;
    let raw = signer.sign(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(signed))?;
    let raw = Signature::new(Algorithm::Rsa { hash: Some(HashAlg::Sha512) }, raw)?;
    let public = KeyData::Rsa(rsa.public.clone());
    SshSignature::new(SshSig::new(public, namespace, HashAlg::Sha512, raw)?)
}

/// Signs with the one key that the SSH agent holds.
///
/// # Errors
/// When there is no agent, it holds no key or several, or the key does not sign.
pub fn sign_with_agent(bytes: &[u8], purpose: Purpose) -> Result<SshSignature, SignatureError> {
    let keys = agent_keys()?;
    let key = match keys.as_slice() {
        [key] => key,
        [] => {
            return Err(SignatureError::Agent(
                "it holds no key that can sign: give a key file by `--key FILE`, or `ssh-add` one".to_owned(),
            ));
        }
        several => {
            let list: Vec<String> = several
                .iter()
                .map(|key| format!("  {} {}", key.fingerprint(HashAlg::Sha256), key.comment()))
                .collect();
            return Err(SignatureError::Agent(format!(
                "it holds several keys: choose one by `--key FILE.pub`\n{}",
                list.join("\n")
            )));
        }
    };
    let failed = |error| SignatureError::io("write", Path::new("the key's public half"))(error);
    let text =
        key.to_openssh().map_err(|error| SignatureError::Agent(format!("its key is damaged: {error}")))?;
    let directory = tempfile::tempdir().map_err(failed)?;
    let file = directory.path().join("key.pub");
    std::fs::write(&file, format!("{text}\n")).map_err(failed)?;
    sign_by_keygen(bytes, purpose, &file)
}

/// Lets `ssh-keygen` sign, and sees whether that counts.
fn sign_by_keygen(bytes: &[u8], purpose: Purpose, key: &Path) -> Result<SshSignature, SignatureError> {
    checked(run_keygen(bytes, purpose, key, None)?, bytes, purpose)
}

fn checked(signature: SshSignature, bytes: &[u8], purpose: Purpose) -> Result<SshSignature, SignatureError> {
    match signature.verify(bytes, purpose) {
        Ok(()) => Ok(signature),
        Err(why) => Err(SignatureError::KeyGen(format!("its signature would not count: {why}"))),
    }
}

/// A key file as it is read.
enum KeyForm {
    Public,
    Private(Box<PrivateKey>),
    /// A private key that cannot be read here, for this reason.
    Unread(String),
}

impl KeyForm {
    fn of(text: &str) -> Result<Self, String> {
        let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        if first == "-----BEGIN OPENSSH PRIVATE KEY-----" {
            let key = PrivateKey::from_openssh(text.trim_start());
            return Ok(match key {
                Ok(key) => Self::Private(Box::new(key)),
                Err(error) => Self::Unread(format!("it is damaged: {error}")),
            });
        }
        if first.starts_with("-----BEGIN ") {
            return Err(
                "it is not in OpenSSH's own form: `ssh-keygen -p -f KEY` writes it anew in that".to_owned()
            );
        }
        if first.starts_with("PuTTY-User-Key-File") {
            return Err(
                "it is a PuTTY key: `puttygen KEY -O private-openssh-new -o NEW` makes one that can be used"
                    .to_owned(),
            );
        }
        if first.contains("-cert-v01@openssh.com") {
            return Err("it is a certificate: give the key alone".to_owned());
        }
        PublicKey::from_openssh(first).map(|_| Self::Public).map_err(|_| "it is not an SSH key".to_owned())
    }
}

fn read_key_file(file: &Path) -> Result<Zeroizing<String>, String> {
    let opened = std::fs::File::open(file).map_err(|error| format!("it cannot be read: {error}"))?;
    let mut text = Zeroizing::new(String::new());
    let read = opened.take(LARGEST_KEY + 1).read_to_string(&mut text);
    match read {
        Err(error) if error.kind() == ErrorKind::InvalidData => Err("it is not an SSH key".to_owned()),
        Err(error) => Err(format!("it cannot be read: {error}")),
        Ok(_) if text.len() as u64 > LARGEST_KEY => Err("it is too large for a key".to_owned()),
        Ok(_) => Ok(text),
    }
}

/// Whether the secret is in a device, and the file says only how to find it.
fn is_security_key(key: &PrivateKey) -> bool {
    key.public_key().algorithm().as_str().starts_with("sk-")
}

/// Why an encrypted key was not opened here.
enum Locked {
    /// Nothing more can be tried.
    Refused(String),
    /// It was decrypted with this passphrase, and then not understood.
    Unread { reason: String, passphrase: Secret },
}

fn unlocked(
    key: PrivateKey,
    file: &Path,
    passphrase: &mut dyn FnMut(&Path) -> Option<Secret>,
) -> Result<PrivateKey, Locked> {
    if !key.is_encrypted() {
        return Ok(key);
    }
    let given = passphrase(file).ok_or_else(|| {
        Locked::Refused(
            "it is encrypted, and there is no terminal to ask for its passphrase and `UPROOT_KEY_PASSPHRASE` is \
             not set; or `ssh-add` it and give its `.pub` file"
                .to_owned(),
        )
    })?;
    key.decrypt(given.expose()).map_err(|error| match error {
        ssh_key::Error::Crypto => Locked::Refused("the passphrase is wrong".to_owned()),
        other => {
            Locked::Unread { reason: format!("it cannot be decrypted: {other}"), passphrase: given.clone() }
        }
    })
}

/// The keys that the agent can sign with; certificates are left out.
fn agent_keys() -> Result<Vec<PublicKey>, SignatureError> {
    if std::env::var_os("SSH_AUTH_SOCK").is_none() {
        return Err(SignatureError::Agent("there is none: give a key file by `--key FILE`".to_owned()));
    }
    let output = Command::new("ssh-add").arg("-L").stdin(Stdio::null()).output().map_err(|error| {
        SignatureError::Agent(format!(
            "`ssh-add -L` cannot be run ({error}): give a key file by `--key FILE`"
        ))
    })?;
    // 1: it holds no key.
    if !matches!(output.status.code(), Some(0 | 1)) {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(SignatureError::Agent(format!("{said}: give a key file by `--key FILE`")));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter_map(|line| PublicKey::from_openssh(line).ok()).collect())
}

/// What `ssh-keygen` runs to ask for a passphrase that is known already. It is in the environment, which only
/// the same user can read, and never in a file or an argument.
const ASKED: &str = "#!/bin/sh\nprintf '%s\\n' \"$UPROOT_KEY_PASSPHRASE\"\n";

/// Runs `ssh-keygen`; it talks to the agent, to security keys, and to a person by the terminal. A `passphrase`
/// that is known is not asked for again.
fn run_keygen(
    bytes: &[u8],
    purpose: Purpose,
    key: &Path,
    passphrase: Option<&Secret>,
) -> Result<SshSignature, SignatureError> {
    let failed = |error: std::io::Error| {
        SignatureError::KeyGen(if error.kind() == ErrorKind::NotFound {
            "`ssh-keygen` is not installed, and this key can sign by it only: install OpenSSH, or give a private \
             key file"
                .to_owned()
        } else {
            error.to_string()
        })
    };
    let mut command = Command::new("ssh-keygen");
    command.args(["-Y", "sign", "-n", purpose.namespace, "-f"]).arg(key);
    let asked = passphrase.map(|_| tempfile::tempdir()).transpose().map_err(failed)?;
    if let (Some(directory), Some(passphrase)) = (&asked, passphrase) {
        let program = directory.path().join("passphrase");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o700);
        options.open(&program).and_then(|mut file| file.write_all(ASKED.as_bytes())).map_err(failed)?;
        command.env("SSH_ASKPASS", &program).env("SSH_ASKPASS_REQUIRE", "force");
        command.env("DISPLAY", ":0").env("UPROOT_KEY_PASSPHRASE", passphrase.expose());
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    // One that gives up early closes its input; its status says why.
    let _ = child.stdin.take().map(|mut input| input.write_all(bytes));
    let mut text = Vec::new();
    let read = child.stdout.take().map(|output| output.take(LARGEST_ANSWER).read_to_end(&mut text));
    let status = child.wait().map_err(failed)?;
    read.transpose().map_err(failed)?;
    if !status.success() {
        return Err(SignatureError::KeyGen(format!("it did not sign with `{}` ({status})", key.display())));
    }
    SshSignature::parse(&text).map_err(SignatureError::KeyGen)
}

/// Where a signature is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    /// It was written to this file.
    Written(PathBuf),
    /// This file has a signature of the same key over the same bytes: nothing was written.
    AlreadyThere(PathBuf),
}

/// Saves a signature of `file` (of exactly these bytes) as `FILE.sig`, or where that is another's, as
/// `FILE.FINGERPRINT.sig`. No file that is there is ever replaced.
///
/// # Errors
/// When both names are taken by something else, or the file system refuses.
pub fn save(
    signature: &SshSignature,
    file: &Path,
    bytes: &[u8],
    purpose: Purpose,
) -> Result<Saved, SignatureError> {
    let own = signature_file(file, Some(&signature.fingerprint()));
    let names = [signature_file(file, None), own.clone()];
    let is_same =
        |file: &PathBuf| read_fitting(file, bytes, purpose).is_ok_and(|found| found.key() == signature.key());
    if let Some(file) = names.iter().find(|file| is_same(file)) {
        return Ok(Saved::AlreadyThere(file.clone()));
    }
    for file in names {
        match write_new(&file, signature.armored(), false) {
            Ok(()) => return Ok(Saved::Written(file)),
            Err(SignatureError::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(SignatureError::Stale { thing: purpose.thing, file: own })
}
