//! Why a journal could not be written or read.

use super::defect::Defect;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Why a journal could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file or directory could not be read or written.
    #[error("cannot {action} `{}`: {source}{}", path.display(), remedy(source))]
    Io {
        /// What was tried: `create`, `read`, `write`.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The writer failed earlier; nothing was written since.
    #[error(
        "cannot write the journal: {0}; free space on the disk or make the directory writable, then run again (`apply` goes on with `--resume`)"
    )]
    Failed(String),
    /// The id cannot be the name of a directory.
    #[error("`{0}` cannot be a run's id: use letters, digits, `.`, `_` and `-`, at most 128")]
    BadRunId(String),
    /// There is a run of that id already.
    #[error("run `{id}` exists already in `{}`; every run needs an id of its own", runs.display())]
    Exists {
        /// The id.
        id: String,
        /// Where runs are kept.
        runs: PathBuf,
    },
    /// Another process writes this run.
    #[error(
        "run `{id}` is being written by another process{}; wait for it to end, or end it by Ctrl-C",
        by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default()
    )]
    Busy {
        /// The id.
        id: String,
        /// Which process, and since when, where its lock tells.
        by: Option<String>,
    },
    /// The run has an end record and cannot be gone on with.
    #[error("run `{id}` has ended: nothing of it is left to do; `uproot report {id}` shows it")]
    Ended {
        /// The id.
        id: String,
    },
    /// The run has no whole record.
    #[error("the run in `{}` was never begun: no host was contacted, so start a new run", .0.display())]
    NeverBegun(PathBuf),
    /// The run applies no plan, so that there is nothing to go on with.
    #[error("run `{id}` is of `{verb}`, which changes nothing and is not resumed: run `uproot {verb}` again")]
    NoPlan {
        /// The id.
        id: String,
        /// The verb.
        verb: String,
    },
    /// The plan of the run is not there, or not the one that it was begun with.
    #[error("{defect} (in `{}`); {}", dir.display(), defect.remedy())]
    Plan {
        /// The run's directory.
        dir: PathBuf,
        /// What is wrong with the plan.
        defect: Box<Defect>,
    },
    /// A journal that does not state its format.
    #[error("`{}` does not state the journal format of uproot in its first line, so it is not gone on with", .0.display())]
    NoFormat(PathBuf),
    /// The directory holds no journal.
    #[error("`{}` is not a run: it has no journal.jsonl; `uproot runs list` shows the runs", .0.display())]
    NotARun(PathBuf),
    /// The journal was written by a newer uproot.
    #[error("`{}` has journal format {found}, this uproot reads up to {known}; use a newer uproot", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: u32,
        /// The newest format that can be read.
        known: u32,
    },
    /// The chain of hashes does not hold.
    #[error("the journal in `{}` is broken: {defect}; `uproot journal verify` lists every defect", dir.display())]
    Broken {
        /// The run's directory.
        dir: PathBuf,
        /// The first defect.
        defect: Box<Defect>,
    },
    /// No run of that name.
    #[error("no run `{which}` in `{}`; `uproot runs list` shows the runs", runs.display())]
    NoSuchRun {
        /// What was asked for.
        which: String,
        /// Where runs are kept.
        runs: PathBuf,
    },
    /// More than one run begins like that.
    #[error("`{which}` is the beginning of {} runs: {}; give more of the id", candidates.len(), candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        which: String,
        /// The ids that begin with it.
        candidates: Vec<String>,
    },
    /// Not the name of a blob.
    #[error("`{0}` is not the name of a blob: 64 hexadecimal digits in lower case")]
    BadBlobName(String),
    /// The archive is there already.
    #[error("`{}` is there already; `--force` replaces it", .0.display())]
    ExportExists(PathBuf),
    /// Signatures cannot be read or written.
    #[error(transparent)]
    Signature(#[from] crate::signature::SignatureError),
    /// A signature is not one of the seal that it is to be saved for.
    #[error("the signature is not one of this seal: {0}")]
    SealSignature(String),
    /// A blob is not what its name says.
    #[error("blob `{sha}` in `{}` was altered: its SHA-256 is {found}", dir.display())]
    BlobAltered {
        /// Its name.
        sha: String,
        /// The SHA-256 of what is there.
        found: String,
        /// The run's directory.
        dir: PathBuf,
    },
}

/// How to mend what the system said, where that can be told: appended to a message.
fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; free space on the disk",
        ErrorKind::ReadOnlyFilesystem => "; mount the file system so that it can be written",
        ErrorKind::PermissionDenied => "; give the file or its directory back to the user who runs uproot",
        _ => "",
    }
}

impl JournalError {
    /// An I/O error with what was tried on which file.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
