//! Approval of a plan: signatures over the exact bytes of its file, made with SSH keys as
//! `ssh-keygen -Y sign -n uproot-plan` makes them (SSHSIG), and the check that enough persons signed.
//!
//! Owns: making and reading signatures, `allowed_signers` files in OpenSSH's format, whose signature
//! counts. Refuses: whatever it cannot tell. A line of `allowed_signers` that it does not understand is
//! an error of the file, and keys whose principals might be one person count as one.

mod allowed;
mod make;
mod pattern;
mod persons;
mod signature;

#[cfg(test)]
mod tests;

pub use allowed::AllowedSigners;
pub use make::{Saved, save, sign_with_agent, sign_with_file};
pub use signature::PlanSignature;

use crate::model::Event;
use allowed::Standing;
use jiff::Timestamp;
use persons::Signed;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// What a signature is for: one made for anything else approves no plan.
pub const NAMESPACE: &str = "uproot-plan";

/// A larger file is no signature, in bytes.
const LARGEST_SIGNATURE: u64 = 64 * 1024;

/// More signatures beside one plan are not looked at.
const MOST_SIGNATURES: usize = 256;

/// Why a plan cannot be signed, or its approval cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
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
    #[error("there are more than {MOST_SIGNATURES} signature files beside `{}`: remove those that are not needed", plan.display())]
    TooMany {
        /// The plan.
        plan: PathBuf,
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
        "`{}` is there already and does not sign this plan as it is now: remove it if the plan was made anew",
        file.display()
    )]
    Stale {
        /// The signature's file.
        file: PathBuf,
    },
}

impl ApprovalError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// A signature that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Whose it is, as `allowed_signers` has it.
    pub principal: String,
    /// The key's fingerprint, `SHA256:…`.
    pub fingerprint: String,
    /// The signature's file.
    pub file: PathBuf,
    armored: String,
}

impl Approval {
    /// The record of it in a run's journal. `digest`: the plan's.
    #[must_use]
    pub fn decision(&self, digest: &str) -> Event {
        Event::Decision {
            operator: self.principal.clone(),
            what: format!("approved plan {digest} with key {}", self.fingerprint),
        }
    }
}

/// A signature that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The signature's file.
    pub file: PathBuf,
    /// Why, in one sentence.
    pub reason: String,
}

/// What the signatures beside a plan say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approvals {
    /// Every valid signature, one for each key, by file name.
    pub valid: Vec<Approval>,
    /// How many persons that is: of keys that might be one person's, one counts.
    pub persons: usize,
    /// Every other signature, by file name.
    pub refused: Vec<Refused>,
}

/// Looks at every signature beside the plan (`PLAN.sig` and `PLAN.*.sig`). `bytes`: the plan file's exact
/// bytes; `at`: the moment at which a signer's time of validity is judged.
///
/// # Errors
/// When the directory cannot be read, or holds too many signatures. A signature that cannot be read is
/// none: it is among the refused.
pub fn check(
    plan: &Path,
    bytes: &[u8],
    signers: &AllowedSigners,
    at: Timestamp,
) -> Result<Approvals, ApprovalError> {
    let mut approvals = Approvals::default();
    let mut signed: Vec<Signed> = Vec::new();
    for file in signature_files(plan)? {
        match judge(&file, bytes, signers, at) {
            Err(reason) => approvals.refused.push(Refused { file, reason }),
            Ok((signature, principal)) => {
                if signed.iter().any(|known| known.is_by(&signature)) {
                    let reason = "it is by a key that has signed in another file already".to_owned();
                    approvals.refused.push(Refused { file, reason });
                    continue;
                }
                approvals.valid.push(Approval {
                    principal,
                    fingerprint: signature.fingerprint(),
                    file,
                    armored: signature.armored().to_owned(),
                });
                let principals = signers.principals_of(&signature);
                signed.push(Signed::new(signature, principals));
            }
        }
    }
    approvals.persons = persons::count(&signed);
    Ok(approvals)
}

/// The signature in the file with the principal whose it is, or why it does not count.
fn judge(
    file: &Path,
    bytes: &[u8],
    signers: &AllowedSigners,
    at: Timestamp,
) -> Result<(PlanSignature, String), String> {
    let signature = read_signature(file)?;
    signature.verify(bytes)?;
    match signers.standing(&signature, at) {
        Standing::Allowed(principal) => Ok((signature, principal)),
        Standing::Refused(reason) => Err(reason),
    }
}

fn read_signature(file: &Path) -> Result<PlanSignature, String> {
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
    PlanSignature::parse(&text)
}

/// Every `PLAN.sig` and `PLAN.*.sig`, sorted.
fn signature_files(plan: &Path) -> Result<Vec<PathBuf>, ApprovalError> {
    let Some(name) = plan.file_name() else { return Ok(Vec::new()) };
    let directory = directory_of(plan);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(ApprovalError::io("read", directory))? {
        let entry = entry.map_err(ApprovalError::io("read", directory))?;
        let found = entry.file_name();
        let rest = found.as_bytes().strip_prefix(name.as_bytes());
        if rest.is_some_and(|rest| rest.starts_with(b".") && rest.ends_with(b".sig")) {
            files.push(plan.with_file_name(found));
        }
    }
    if files.len() > MOST_SIGNATURES {
        return Err(ApprovalError::TooMany { plan: plan.to_owned() });
    }
    files.sort();
    Ok(files)
}

/// Copies the signatures that were accepted beside another copy of the plan (`plan`: a run's
/// `plan.json`), durably, so that they can be checked again when the run is resumed.
///
/// # Errors
/// When a file cannot be written.
pub fn keep(approvals: &[Approval], plan: &Path) -> Result<(), ApprovalError> {
    for approval in approvals {
        let file = signature_file(plan, Some(&approval.fingerprint));
        write_new(&file, &approval.armored, true)?;
    }
    Ok(())
}

/// `PLAN.sig`, or with a fingerprint `PLAN.FINGERPRINT.sig`.
fn signature_file(plan: &Path, fingerprint: Option<&str>) -> PathBuf {
    let mut name = OsString::from(plan);
    if let Some(fingerprint) = fingerprint {
        let bare = fingerprint.strip_prefix("SHA256:").unwrap_or(fingerprint);
        name.push(format!(".{}", bare.replace('/', "_").replace('+', "-")));
    }
    name.push(".sig");
    PathBuf::from(name)
}

/// Writes a signature's file whole and durably, or not at all; one that is there is kept unless
/// `replace`.
fn write_new(file: &Path, text: &str, replace: bool) -> Result<(), ApprovalError> {
    use std::os::unix::fs::PermissionsExt as _;
    let failed = |error| ApprovalError::io("write", file)(error);
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
