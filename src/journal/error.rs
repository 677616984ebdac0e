//! Why a journal could not be written or read.

use super::defect::Defect;
use std::path::{Path, PathBuf};

/// Why a journal could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file or directory could not be read or written.
    #[error("cannot {action} `{}`: {source}", path.display())]
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
        "cannot write the journal: {0}; free space on the disk or make the directory writable, then run again"
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
    #[error("run `{id}` is being written by another process; wait for it to end")]
    Busy {
        /// The id.
        id: String,
    },
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

impl JournalError {
    /// An I/O error with what was tried on which file.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
