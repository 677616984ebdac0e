//! The handshake, and whether the host is the one that known_hosts has.

use super::known_hosts::{Verdict, fingerprint, key_type, line_name};
use super::run::words;
use super::wire::{Halt, Wire, code};
use super::{Credentials, Target, Timeouts, TransportError, TransportErrorKind};
use crate::model::Cancel;
use crate::model::output::{escape_line, shell_word};
use ssh2::{ErrorCode, MethodType};
use std::time::Instant;

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
impl Wire {
    /// Key exchange and the check of the host key; its fingerprint.
    pub(super) fn greet(
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
            Err(target
                .error(TransportErrorKind::HostKeyChanged, message)
                .with_remedy(forget(address, port, file)))
        }
        Verdict::Revoked { place } => {
            let message = format!("host key {shown} is revoked by {place}");
            Err(target.error(TransportErrorKind::HostKeyChanged, message))
        }
    }
}

fn forget(address: &str, port: u16, file: &str) -> String {
    let name = line_name(address, port);
    format!("ssh-keygen -R {} -f {}", shell_word(&name), shell_word(file))
}
