//! The files of a run: the only place of this module that writes to a disk.

use super::{JOURNAL_FILE, JournalError, LOCK_FILE, OUTPUT_DIR};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What a writer needs of a disk. A trait, so that tests can let any write fail.
pub(super) trait Disk: Send + Sync {
    /// Appends some of the bytes to the journal and says how many.
    fn append(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Waits until all that was appended is durable.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the journal to `length` bytes.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Stores a blob, durable with its directory entry when it returns.
    fn store(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
}

/// A run's directory on a real file system.
#[derive(Debug)]
pub(super) struct RunFiles {
    journal: File,
    output: PathBuf,
    /// Held open for its directory entries to be synced.
    output_dir: File,
}

impl Disk for RunFiles {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        (&self.journal).write(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.journal.sync_data()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.journal.set_len(length)
    }

    fn store(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        write_durably(&self.output, &self.output_dir, name, bytes)
    }
}

/// Creates the directory of a new run with an empty journal, and takes its lock.
pub(super) fn create_run(runs_dir: &Path, id: &str) -> Result<(RunFiles, File), JournalError> {
    create_dirs(runs_dir)?;
    let dir = runs_dir.join(id);
    match DirBuilder::new().mode(0o700).create(&dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(if is_locked(&dir) {
                JournalError::Busy { id: id.to_owned() }
            } else {
                JournalError::Exists { id: id.to_owned(), runs: runs_dir.to_owned() }
            });
        }
        Err(error) => return Err(JournalError::io("create", &dir)(error)),
    }
    let lock_path = dir.join(LOCK_FILE);
    let lock = create_file(&lock_path).map_err(JournalError::io("create", &lock_path))?;
    lock.try_lock().map_err(|error| match error {
        std::fs::TryLockError::WouldBlock => JournalError::Busy { id: id.to_owned() },
        std::fs::TryLockError::Error(error) => JournalError::io("lock", &lock_path)(error),
    })?;
    let output = dir.join(OUTPUT_DIR);
    DirBuilder::new().mode(0o700).create(&output).map_err(JournalError::io("create", &output))?;
    let journal_path = dir.join(JOURNAL_FILE);
    let journal = append_file(&journal_path).map_err(JournalError::io("create", &journal_path))?;
    let output_dir = File::open(&output).map_err(JournalError::io("open", &output))?;
    sync_dir(&dir).map_err(JournalError::io("sync", &dir))?;
    sync_dir(runs_dir).map_err(JournalError::io("sync", runs_dir))?;
    Ok((RunFiles { journal, output, output_dir }, lock))
}

/// Whether a process holds the lock of the run in `dir`.
pub(super) fn is_locked(dir: &Path) -> bool {
    let Ok(lock) = File::open(dir.join(LOCK_FILE)) else { return false };
    matches!(lock.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}

/// Writes a file so that it is there whole and durable, or not at all.
pub(super) fn write_durably(dir: &Path, dir_handle: &File, name: &str, bytes: &[u8]) -> io::Result<()> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let temporary = dir.join(format!(".{name}.{}", COUNTER.fetch_add(1, Ordering::Relaxed)));
    let written = create_file(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_data()?;
        std::fs::rename(&temporary, dir.join(name))
    });
    if let Err(error) = written {
        // The first error is the one that matters; what is left over has a name that no record has.
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    dir_handle.sync_all()
}

fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn append_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

/// Creates `dir` and the parents that are missing, each with mode 0700 and a durable entry.
fn create_dirs(dir: &Path) -> Result<(), JournalError> {
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        create_dirs(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {}
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
        Err(error) => return Err(JournalError::io("create", dir)(error)),
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync_dir(parent).map_err(JournalError::io("sync", parent))
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
