//! The plan's file: its bytes, their digest, writing and reading.

use super::{Plan, validate};
use crate::model::sha256_hex;
use serde::{Deserialize, Serialize};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The version of the file's format that is written, and the newest that is read.
pub(super) const FORMAT: u32 = 1;

/// A larger file is not read, in bytes.
const LARGEST: u64 = 1 << 30;

/// Why a plan cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file system refuses.
    #[error("cannot {doing} the plan `{}`: {source}", path.display())]
    Io {
        /// `read` or `write`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is a file already.
    #[error("`{}` is there already: give another name, or `--force` to replace it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It is too large to be a plan.
    #[error("`{}` has more than {} MiB, too many for a plan: limit the hosts with `--limit`", path.display(), LARGEST >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is no plan at all, or one that was damaged.
    #[error("`{}` is not a plan: {reason}: make it anew with `uproot plan`", path.display())]
    NotAPlan {
        /// The file.
        path: PathBuf,
        /// Why, with line and column.
        reason: String,
    },
    /// Its format is newer than this uproot.
    #[error(
        "`{}` was made by a newer uproot (plan format {found}, this one reads {FORMAT}): use that one, or make the plan anew",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// It is a plan that contradicts itself.
    #[error("the plan `{}` contradicts itself: {}: make it anew with `uproot plan`", path.display(), defects.join("; "))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Every contradiction found.
        defects: Vec<String>,
    },
}

/// The exact bytes of the plan's file: JSON, one space of indentation, a line break at the end.
#[must_use]
pub fn to_bytes(plan: &Plan) -> Vec<u8> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    // Writing to memory does not fail, and the plan's maps have text for keys; should a type ever
    // change that, the half-written bytes are no plan to any reader.
    let _ = plan.serialize(&mut serializer);
    bytes.push(b'\n');
    bytes
}

/// SHA-256 of the bytes, in hex.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    sha256_hex(bytes)
}

/// Writes the plan's file, readable by its owner only, whole or not at all, and returns its digest.
/// Only with `force` is a file that is there replaced.
///
/// # Errors
/// Where there is a file, or the file system refuses.
pub fn write(path: &Path, plan: &Plan, force: bool) -> Result<String, PlanError> {
    let failed = |source| PlanError::Io { doing: "write", path: path.to_owned(), source };
    let exists = || PlanError::Exists { path: path.to_owned() };
    if !force && path.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let bytes = to_bytes(plan);
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".uproot-plan-").tempfile_in(directory).map_err(failed)?;
    file.write_all(&bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    if force {
        file.persist(path).map_err(|error| failed(error.error))?;
    } else {
        file.persist_noclobber(path).map_err(|error| match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => exists(),
            _ => failed(error.error),
        })?;
    }
    std::fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
    Ok(digest(&bytes))
}

/// Reads a plan: the plan, the file's exact bytes, and their digest.
///
/// Nothing is overlooked: a key that this version does not know, a value that it would write
/// otherwise, or a contradiction within the plan is an error.
///
/// # Errors
/// Why it cannot be read or must not be trusted.
pub fn read(path: &Path) -> Result<(Plan, Vec<u8>, String), PlanError> {
    let failed = |source| PlanError::Io { doing: "read", path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(PlanError::TooLarge { path: path.to_owned() });
    }
    let plan = parse(path, &bytes)?;
    let digest = digest(&bytes);
    Ok((plan, bytes, digest))
}

/// The one key that every format has.
#[derive(Deserialize)]
struct Version {
    uproot_plan: u64,
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Plan, PlanError> {
    let not_a_plan = |reason: String| PlanError::NotAPlan { path: path.to_owned(), reason };
    let version: Version = serde_json::from_slice(bytes).map_err(|error| not_a_plan(error.to_string()))?;
    if version.uproot_plan > u64::from(FORMAT) {
        return Err(PlanError::Newer { path: path.to_owned(), found: version.uproot_plan });
    }
    let plan: Plan = serde_json::from_slice(bytes).map_err(|error| not_a_plan(error.to_string()))?;
    // What some type further down would have ignored shows here.
    let canonical = to_bytes(&plan);
    if canonical != bytes {
        return Err(not_a_plan(first_difference(bytes, &canonical)));
    }
    let defects = validate::defects(&plan);
    if defects.is_empty() { Ok(plan) } else { Err(PlanError::Invalid { path: path.to_owned(), defects }) }
}

fn first_difference(found: &[u8], canonical: &[u8]) -> String {
    let ours = canonical.split(|byte| *byte == b'\n');
    let theirs = found.split(|byte| *byte == b'\n');
    let line = 1 + ours.zip(theirs).take_while(|(a, b)| a == b).count();
    format!(
        "line {line} is not as uproot writes it: it was edited, or has something that this version does not know"
    )
}
