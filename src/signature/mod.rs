//! Signatures over the exact bytes of a file, made with SSH keys as `ssh-keygen -Y sign` makes them (SSHSIG), in
//! files beside it; and the check whose they are, and of how many persons.
//!
//! Owns: making and reading signatures, `allowed_signers` files in OpenSSH's format, whose signature
//! counts. Refuses: whatever it cannot tell. A line of `allowed_signers` that it does not understand is
//! an error of the file, and keys whose principals might be one person count as one. What is signed, and
//! what for, is the caller's business: a [`Purpose`].

mod allowed;
mod armor;
mod make;
mod pattern;
mod persons;

#[cfg(test)]
mod tests;

pub use allowed::AllowedSigners;
pub use armor::SshSignature;
pub use make::{Saved, save, sign_with_agent, sign_with_file};

use allowed::Standing;
use jiff::Timestamp;
use persons::Signed;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// What a signature is for: one that was made for anything else does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose {
    /// The namespace that is signed with the bytes (`ssh-keygen -n`).
    pub namespace: &'static str,
    /// What the signed file is, for messages: `plan`.
    pub thing: &'static str,
}

/// A larger file is no signature, in bytes.
const LARGEST_SIGNATURE: u64 = 64 * 1024;

/// More signatures beside one file are not looked at.
const MOST_SIGNATURES: usize = 256;

/// Why a file cannot be signed, or its signatures cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The file system refuses.
    #[error("cannot {doing} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There are more signature files than anyone needs.
    #[error("there are more than {MOST_SIGNATURES} signature files beside `{}`: remove those that are not needed", file.display())]
    TooMany {
        /// The file that is signed.
        file: PathBuf,
    },
    /// A key file that cannot sign.
    #[error("key `{}`: {reason}", file.display())]
    Key {
        /// The key's file.
        file: PathBuf,
        /// Why, and how to mend it.
        reason: String,
    },
    /// The agent cannot sign.
    #[error("the SSH agent: {0}")]
    Agent(String),
    /// `ssh-keygen` is needed for this key, and did not sign.
    #[error("`ssh-keygen -Y sign`: {0}")]
    KeyGen(String),
    /// Both names that this key's signature may have are taken.
    #[error(
        "`{}` is there already and does not sign this {thing} as it is now: remove it if the {thing} was made anew",
        file.display()
    )]
    Stale {
        /// What was to be signed: `plan`.
        thing: &'static str,
        /// The signature's file.
        file: PathBuf,
    },
}

impl SignatureError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// A signature that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidSignature {
    /// Whose it is, as `allowed_signers` has it.
    pub principal: String,
    /// The key's fingerprint, `SHA256:…`.
    pub fingerprint: String,
    /// The signature's file.
    pub file: PathBuf,
    armored: String,
}

/// A signature that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedSignature {
    /// The signature's file.
    pub file: PathBuf,
    /// The fingerprint of the key, where the signature fits the file and only nobody vouches for its key; none:
    /// it is no signature of this file at all.
    pub fits_by: Option<String>,
    /// Why it does not count, in one sentence.
    pub reason: String,
}

/// What the signatures beside a file say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signatures {
    /// Every valid signature, one for each key, by file name.
    pub valid: Vec<ValidSignature>,
    /// How many persons that is: of keys that might be one person's, one counts.
    pub persons: usize,
    /// Every other signature, by file name.
    pub refused: Vec<RefusedSignature>,
}

/// Looks at every signature beside a file (`FILE.sig` and `FILE.*.sig`). `bytes`: the file's exact bytes;
/// `signers`: none, and no signature counts; `at`: the moment at which a signer's time of validity is judged.
///
/// # Errors
/// When the directory cannot be read, or holds too many signatures. A signature that cannot be read is
/// none: it is among the refused.
pub fn check(
    file: &Path,
    bytes: &[u8],
    purpose: Purpose,
    signers: Option<&AllowedSigners>,
    at: Timestamp,
) -> Result<Signatures, SignatureError> {
    let mut found = Signatures::default();
    let mut signed: Vec<Signed> = Vec::new();
    for file in signature_files(file)? {
        let signature = match read_fitting(&file, bytes, purpose) {
            Ok(signature) => signature,
            Err(reason) => {
                found.refused.push(RefusedSignature { file, fits_by: None, reason });
                continue;
            }
        };
        match principal_of(&signature, purpose, signers, at, &signed) {
            Err(reason) => {
                let fits_by = Some(signature.fingerprint());
                found.refused.push(RefusedSignature { file, fits_by, reason });
            }
            Ok((principal, principals)) => {
                found.valid.push(ValidSignature {
                    principal,
                    fingerprint: signature.fingerprint(),
                    file,
                    armored: signature.armored().to_owned(),
                });
                signed.push(Signed::new(signature, principals));
            }
        }
    }
    found.persons = persons::count(&signed);
    Ok(found)
}

/// The signature in the file, if it is one of these bytes for this purpose; else why not.
fn read_fitting(file: &Path, bytes: &[u8], purpose: Purpose) -> Result<SshSignature, String> {
    let signature = read_signature(file)?;
    signature.verify(bytes, purpose)?;
    Ok(signature)
}

/// Whose a signature is, with every principal that its key might be; or why it does not count.
fn principal_of(
    signature: &SshSignature,
    purpose: Purpose,
    signers: Option<&AllowedSigners>,
    at: Timestamp,
    signed: &[Signed],
) -> Result<(String, Vec<String>), String> {
    let Some(signers) = signers else {
        return Err(format!(
            "it is by key {}, and no file of allowed signers was given",
            signature.fingerprint()
        ));
    };
    match signers.standing(signature, purpose, at) {
        Standing::Refused(reason) => Err(reason),
        Standing::Allowed(_) if signed.iter().any(|known| known.is_by(signature)) => {
            Err("it is by a key that has signed in another file already".to_owned())
        }
        Standing::Allowed(principal) => Ok((principal, signers.principals_of(signature))),
    }
}

fn read_signature(file: &Path) -> Result<SshSignature, String> {
    let unreadable = |error: std::io::Error| format!("it cannot be read: {error}");
    // A pipe or a device would be waited for.
    if !std::fs::metadata(file).map_err(unreadable)?.is_file() {
        return Err("it is not a file".to_owned());
    }
    let mut text = Vec::new();
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    opened.take(LARGEST_SIGNATURE + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LARGEST_SIGNATURE {
        return Err("it is too large for a signature".to_owned());
    }
    SshSignature::parse(&text)
}

/// Every `FILE.sig` and `FILE.*.sig`, sorted.
///
/// # Errors
/// When the directory cannot be read, or holds too many of them.
pub fn signature_files(file: &Path) -> Result<Vec<PathBuf>, SignatureError> {
    let Some(name) = file.file_name() else { return Ok(Vec::new()) };
    let directory = directory_of(file);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(SignatureError::io("read", directory))? {
        let entry = entry.map_err(SignatureError::io("read", directory))?;
        let found = entry.file_name();
        let rest = found.as_bytes().strip_prefix(name.as_bytes());
        if rest.is_some_and(|rest| rest.starts_with(b".") && rest.ends_with(b".sig")) {
            files.push(file.with_file_name(found));
        }
    }
    if files.len() > MOST_SIGNATURES {
        return Err(SignatureError::TooMany { file: file.to_owned() });
    }
    files.sort();
    Ok(files)
}

/// Copies signatures that were accepted beside another copy of the file, durably, so that they can be
/// checked again there.
///
/// # Errors
/// When a file cannot be written.
pub fn keep(signatures: &[ValidSignature], file: &Path) -> Result<(), SignatureError> {
    for signature in signatures {
        write_new(&signature_file(file, Some(&signature.fingerprint)), &signature.armored, true)?;
    }
    Ok(())
}

/// `FILE.sig`, or with a fingerprint `FILE.FINGERPRINT.sig`.
fn signature_file(file: &Path, fingerprint: Option<&str>) -> PathBuf {
    let mut name = OsString::from(file);
    if let Some(fingerprint) = fingerprint {
        let bare = fingerprint.strip_prefix("SHA256:").unwrap_or(fingerprint);
        name.push(format!(".{}", bare.replace('/', "_").replace('+', "-")));
    }
    name.push(".sig");
    PathBuf::from(name)
}

/// Writes a signature's file whole and durably, or not at all; one that is there is kept unless
/// `replace`.
fn write_new(file: &Path, text: &str, replace: bool) -> Result<(), SignatureError> {
    use std::os::unix::fs::PermissionsExt as _;
    let failed = |error| SignatureError::io("write", file)(error);
    let directory = directory_of(file);
    let mut temporary = tempfile::Builder::new()
        .prefix(".uproot-signature-")
        // A signature is no secret; the umask applies.
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(directory)
        .map_err(failed)?;
    temporary.write_all(text.as_bytes()).map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    let placed = if replace { temporary.persist(file) } else { temporary.persist_noclobber(file) };
    placed.map_err(|error| failed(error.error))?;
    std::fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
