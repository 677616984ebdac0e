//! One signature: its armor, and whether it fits a file's bytes.

use super::Purpose;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ssh_key::public::KeyData;
use ssh_key::{HashAlg, LineEnding, PublicKey, SshSig};

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";

/// Columns of the armor, as `ssh-keygen` writes it.
const COLUMNS: usize = 70;

/// The largest RSA key that can be checked, in bits.
const LARGEST_RSA: usize = 4096;

/// A signature of some bytes; it says nothing until it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshSignature {
    signature: SshSig,
    armored: String,
}

impl SshSignature {
    /// Reads an armored signature. White space and line ends within the armor are as they may be, as for
    /// `ssh-keygen`.
    ///
    /// # Errors
    /// Why it is none, in words.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let armored =
            normal_armor(text).ok_or("it is not an SSH signature (`-----BEGIN SSH SIGNATURE-----`)")?;
        let signature = SshSig::from_pem(&armored.text).map_err(|error| armored.why_not(&error))?;
        if signature.version() != SshSig::VERSION {
            return Err(format!(
                "the SSH signature is of version {}, which is not known",
                signature.version()
            ));
        }
        // Lengths within it that say more than there is are overlooked by the reader.
        if signature.to_pem(LineEnding::LF).ok().as_ref() != Some(&armored.text) {
            return Err("the SSH signature is damaged: its lengths do not fit".to_owned());
        }
        Ok(Self { signature, armored: armored.text })
    }

    pub(super) fn new(signature: SshSig) -> Result<Self, ssh_key::Error> {
        let armored = signature.to_pem(LineEnding::LF)?;
        Ok(Self { signature, armored })
    }

    /// The signature's text as it stands in a file.
    #[must_use]
    pub fn armored(&self) -> &str {
        &self.armored
    }

    /// The fingerprint of the key that signed: `SHA256:…`, as `ssh-keygen -l` shows it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.key().fingerprint(HashAlg::Sha256).to_string()
    }

    pub(super) fn key(&self) -> &KeyData {
        self.signature.public_key()
    }

    /// Whether it was made over exactly these bytes, for this purpose, by the key that it names.
    ///
    /// # Errors
    /// Why it does not count, in words.
    pub fn verify(&self, bytes: &[u8], purpose: Purpose) -> Result<(), String> {
        let Purpose { namespace, thing } = purpose;
        let found = self.signature.namespace();
        if found != namespace {
            return Err(format!("it is a signature for `{found}`, not for `{namespace}`"));
        }
        if let Some(why) = cannot_check(self.key()) {
            return Err(why);
        }
        let key = PublicKey::from(self.key().clone());
        key.verify(namespace, bytes, &self.signature).map_err(|_| {
            format!(
                "it does not fit the {thing}: the {thing} or the signature was changed after signing, or it belongs \
                 to another {thing}"
            )
        })
    }
}

/// Why signatures of this key cannot be checked; none: they can be.
pub(super) fn cannot_check(key: &KeyData) -> Option<String> {
    match key {
        KeyData::Rsa(rsa) => {
            let bits = rsa.n.as_positive_bytes().unwrap_or_default().len() * 8;
            (!(2048..=LARGEST_RSA).contains(&bits)).then(|| {
                format!("RSA keys of 2048 to {LARGEST_RSA} bits can be checked, and it has {bits}; use an ed25519 key")
            })
        }
        KeyData::Dsa(_) => Some("DSA keys are no longer safe; use an ed25519 key".to_owned()),
        KeyData::Other(_) => {
            let kind = key.algorithm().to_string();
            Some(format!("keys of kind `{kind}` cannot be checked; use an ed25519 key"))
        }
        _ => None,
    }
}

/// The armor with nothing around it, its lines of the usual length; the bytes in it.
struct Armored {
    text: String,
    bytes: Vec<u8>,
}

impl Armored {
    fn why_not(&self, error: &ssh_key::Error) -> String {
        let by_certificate = self.bytes.windows(CERTIFICATE.len()).any(|part| part == CERTIFICATE);
        if by_certificate {
            return "it was made with a certificate, which is not read; sign with the key alone".to_owned();
        }
        format!("the SSH signature is damaged: {error}")
    }
}

/// Stands in the kind of every key that is a certificate.
pub(super) const CERTIFICATE: &[u8] = b"-cert-v01@openssh.com";

fn normal_armor(text: &[u8]) -> Option<Armored> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let inner = text.strip_prefix(BEGIN)?.strip_suffix(END)?;
    let encoded: String = inner.split_whitespace().collect();
    let bytes = STANDARD.decode(&encoded).ok()?;
    let mut text = format!("{BEGIN}\n");
    for line in encoded.as_bytes().chunks(COLUMNS) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(END);
    text.push('\n');
    Some(Armored { text, bytes })
}
