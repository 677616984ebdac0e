//! The files of a run: the only place of this module that writes to a disk.

use super::{JOURNAL_FILE, JournalError, LOCK_FILE, OUTPUT_DIR};
use jiff::Timestamp;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a journal needs of a disk. A trait, so that a simulation can let any write fail, tear or be
/// lost.
pub trait Disk: Send + Sync {
    /// Appends some of the bytes to the journal, at least one, and says how many. They need not be
    /// durable.
    ///
    /// # Errors
    /// When nothing was appended.
    fn append(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Waits until the journal, as it is now, is durable.
    ///
    /// # Errors
    /// When nobody knows what of it is durable.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the journal to `length` bytes. Durable with the next `sync`.
    ///
    /// # Errors
    /// When it was not cut.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Stores a blob, durable with its directory entry when it returns. One that is there already is
    /// replaced by the same bytes.
    ///
    /// # Errors
    /// When it may not be there, or not be durable.
    fn store(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
}

/// A run's directory on a real file system.
#[derive(Debug)]
pub(super) struct RunFiles {
    journal: File,
    output: PathBuf,
    /// Held open for its directory entries to be synced.
    output_dir: File,
    output_sync: SharedSync,
}

impl RunFiles {
    fn new(journal: File, output: PathBuf) -> Result<Self, JournalError> {
        let output_dir = File::open(&output).map_err(JournalError::io("open", &output))?;
        Ok(Self { journal, output, output_dir, output_sync: SharedSync::default() })
    }
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
        write_named(&self.output, name, bytes)?;
        self.output_sync.wait_for(|| self.output_dir.sync_all())
    }
}

/// Lets one sync of a directory serve everybody who waits for one: whoever comes while one is under
/// way waits for the next, and that one serves all who came meanwhile.
#[derive(Debug, Default)]
struct SharedSync {
    turns: Mutex<Turns>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Turns {
    /// How many have come.
    came: u64,
    /// So many of them, the first ones, are served.
    served: u64,
    under_way: bool,
    failed: bool,
}

impl SharedSync {
    /// Returns once a call of `sync` that began after this one has succeeded.
    fn wait_for(&self, sync: impl Fn() -> io::Result<()>) -> io::Result<()> {
        let mut turns = self.lock();
        turns.came += 1;
        let turn = turns.came;
        while turns.served < turn {
            if turns.failed {
                // After a failed sync nobody knows what is on the disk, and a later one may say that all is well.
                return Err(io::Error::other("an earlier sync of the directory failed"));
            }
            if turns.under_way {
                turns = self.ended.wait(turns).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            turns.under_way = true;
            let serves = turns.came;
            drop(turns);
            let outcome = sync();
            turns = self.lock();
            turns.under_way = false;
            match &outcome {
                Ok(()) => turns.served = serves,
                Err(_) => turns.failed = true,
            }
            self.ended.notify_all();
            outcome?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
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
                JournalError::Busy { id: id.to_owned(), by: holder(&dir) }
            } else {
                JournalError::Exists { id: id.to_owned(), runs: runs_dir.to_owned() }
            });
        }
        Err(error) => return Err(JournalError::io("create", &dir)(error)),
    }
    let lock = lock_run(&dir, id)?;
    let output = dir.join(OUTPUT_DIR);
    DirBuilder::new().mode(0o700).create(&output).map_err(JournalError::io("create", &output))?;
    let path = dir.join(JOURNAL_FILE);
    let journal = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path);
    let files = RunFiles::new(journal.map_err(JournalError::io("create", &path))?, output)?;
    sync_dir(&dir).map_err(JournalError::io("sync", &dir))?;
    sync_dir(runs_dir).map_err(JournalError::io("sync", runs_dir))?;
    Ok((files, lock))
}

/// The files of a run that is there, to go on with it. Changes none of them.
pub(super) fn open_run(dir: &Path) -> Result<RunFiles, JournalError> {
    let path = dir.join(JOURNAL_FILE);
    let journal = OpenOptions::new().append(true).open(&path).map_err(JournalError::io("write", &path))?;
    RunFiles::new(journal, dir.join(OUTPUT_DIR))
}

/// How often, and after what pause, a lock that is held is tried again: `runs list` holds each lock for
/// a moment to see whether it is free.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Takes the lock of the run in `dir` and says in it whose it is.
pub(super) fn lock_run(dir: &Path, id: &str) -> Result<File, JournalError> {
    let path = dir.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    let lock = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let mut lock = lock.map_err(JournalError::io("write", &path))?;
    let mut tries = 0;
    loop {
        tries += 1;
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(JournalError::io("lock", &path)(error)),
            Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Busy { id: id.to_owned(), by: holder(dir) });
            }
        }
    }
    let text = format!("process {} since {}\n", std::process::id(), Timestamp::now().strftime("%FT%TZ"));
    lock.set_len(0)
        .and_then(|()| lock.write_all(text.as_bytes()))
        .map_err(JournalError::io("write", &path))?;
    Ok(lock)
}

/// What the lock of the run in `dir` says of who holds it, for a person.
fn holder(dir: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(dir.join(LOCK_FILE)).ok()?.take(200).read_to_string(&mut text).ok()?;
    let line = text.lines().next().unwrap_or_default().trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// Whether a process holds the lock of the run in `dir`.
pub(super) fn is_locked(dir: &Path) -> bool {
    let Ok(lock) = File::open(dir.join(LOCK_FILE)) else { return false };
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Keeps every process from writing the run in `dir` as long as the result lives. A run without a lock file,
/// such as a copy, is written by nobody: none.
///
/// # Errors
/// When a process writes it.
pub fn hold_still(dir: &Path) -> Result<Option<File>, JournalError> {
    let path = dir.join(LOCK_FILE);
    let lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(JournalError::io("read", &path)(error)),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => {
            let id = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            Err(JournalError::Busy { id, by: holder(dir) })
        }
        Err(TryLockError::Error(error)) => Err(JournalError::io("lock", &path)(error)),
    }
}

/// Writes a file so that it is there whole and durable, or not at all.
pub(super) fn write_durably(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    write_named(dir, name, bytes)?;
    sync_dir(dir)
}

/// Writes a file whose bytes are durable before it has its name. The name is durable with the
/// directory's next sync.
fn write_named(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let (temporary, mut file) = create_temporary(dir, name)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_data())
        .and_then(|()| std::fs::rename(&temporary, dir.join(name)));
    if written.is_err() {
        // The first error is the one that matters; what is left over has a name that no record has.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// A new file with a name that no other thread or process uses; one that died may have left its own.
fn create_temporary(dir: &Path, name: &str) -> io::Result<(PathBuf, File)> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!(".{name}.{}.{number}", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|file| (path, file)),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn one_sync_serves_many_and_each_has_one_that_began_after_it_came() {
        let shared = SharedSync::default();
        let (begun, came) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        came.fetch_add(1, Ordering::SeqCst);
                        let before = begun.load(Ordering::SeqCst);
                        let sync = || {
                            begun.fetch_add(1, Ordering::SeqCst);
                            std::thread::sleep(Duration::from_millis(1));
                            Ok(())
                        };
                        shared.wait_for(sync).unwrap();
                        assert!(begun.load(Ordering::SeqCst) > before, "no sync began after it came");
                    }
                });
            }
        });
        assert_eq!(came.into_inner(), 400);
        assert!(begun.into_inner() < 200, "every one had a sync of its own");
    }

    #[test]
    fn after_a_failed_sync_every_later_one_fails() {
        let shared = SharedSync::default();
        shared.wait_for(|| Ok(())).unwrap();
        shared.wait_for(|| Err(io::ErrorKind::StorageFull.into())).unwrap_err();
        shared.wait_for(|| Ok(())).unwrap_err();
    }

    #[test]
    fn what_a_dead_process_left_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..200 {
            let name = format!(".plan.json.{}.{number}", std::process::id());
            std::fs::write(dir.path().join(name), "cut").unwrap();
        }
        write_durably(dir.path(), "plan.json", b"whole").unwrap();
        assert_eq!(std::fs::read(dir.path().join("plan.json")).unwrap(), b"whole");
    }
}
