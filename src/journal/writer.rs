//! The writing end: one thread with group commit.
//!
//! Callers queue records; the thread takes everything that is queued, writes it, makes it durable
//! with one `fdatasync` and wakes all who wait. While it waits for the disk the next group gathers.

use super::chain::sha256_hex;
use super::ledger::{Entry, Found, Gate, Ledger};
use super::reader::{Run, open};
use super::redact::redact_event;
use super::storage::{Disk, create_run, lock_run, open_run, write_durably};
use super::{JOURNAL_FILE, JournalError, PLAN_FILE, find};
use crate::model::{Event, EventSink, Redactor, SinkError};
use jiff::Timestamp;
use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;

/// A caller waits when this many bytes are queued: a slow disk must not fill the memory.
const QUEUE_LIMIT: usize = 16 * 1024 * 1024;

/// Writes the journal of one run. Shared by all worker threads; dropping it flushes and releases
/// the lock as `finish` does, but cannot say whether that succeeded.
pub struct Writer {
    dir: PathBuf,
    run_id: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    redactor: RwLock<Arc<Redactor>>,
    /// The blobs that are known to be durable.
    stored: Mutex<BTreeSet<String>>,
    /// Locked as long as the writer lives.
    _lock: Option<File>,
}

struct Shared {
    disk: Arc<dyn Disk>,
    queue: Mutex<Queue>,
    /// Something was queued, or the writer is closing.
    work: Condvar,
    /// Something became durable, room was made, or a write failed.
    done: Condvar,
}

#[derive(Default)]
struct Queue {
    pending: VecDeque<Entry>,
    pending_bytes: usize,
    next_seq: u64,
    /// Records with a smaller number are on disk.
    durable: u64,
    failed: Option<String>,
    gate: Gate,
    closing: bool,
}

impl Writer {
    /// Creates the run's directory below `runs_dir` (and that, where it is missing) and takes its lock.
    ///
    /// # Errors
    /// When the id cannot be a name or is taken, another process writes it, or the directory cannot
    /// be written.
    pub fn create(runs_dir: &Path, run_id: &str) -> Result<Self, JournalError> {
        if !is_run_id(run_id) {
            return Err(JournalError::BadRunId(run_id.to_owned()));
        }
        let runs_dir = if runs_dir.as_os_str().is_empty() { Path::new(".") } else { runs_dir };
        let (files, lock) = create_run(runs_dir, run_id)?;
        let disk: Arc<dyn Disk> = Arc::new(files);
        let ledger = Ledger::create(Arc::clone(&disk));
        Self::on(disk, ledger, Gate::Open, runs_dir.join(run_id), run_id, Some(lock))
    }

    /// Goes on with a run that was stopped, or whose controller died: takes its lock, checks its chain
    /// and its plan, and cuts off a torn last line, which is recorded. Nothing else of it is changed.
    /// The next record must be `RunResumed`. `which` is what [`find`] takes.
    ///
    /// # Errors
    /// When there is no such run, another process writes it, it has ended or was never begun, it
    /// applies no plan, its chain or its plan is not what it was, or it cannot be written.
    pub fn open(runs_dir: &Path, which: &str) -> Result<(Self, Run), JournalError> {
        let dir = find(runs_dir, which)?;
        let name = dir.file_name().map_or(which.into(), |name| name.to_string_lossy());
        let lock = lock_run(&dir, &name)?;
        let mut source = BufReader::with_capacity(1 << 16, open(&dir, &dir.join(JOURNAL_FILE))?);
        let found = Found::read(&dir, &mut source)?;
        found.run.plan_bytes()?;
        let disk: Arc<dyn Disk> = Arc::new(open_run(&dir)?);
        let (ledger, run) = Ledger::go_on(Arc::clone(&disk), found, Timestamp::now())?;
        let writer = Self::on(disk, ledger, Gate::Stopped, dir, &run.id, Some(lock))?;
        Ok((writer, run))
    }

    fn on(
        disk: Arc<dyn Disk>,
        ledger: Ledger,
        gate: Gate,
        dir: PathBuf,
        run_id: &str,
        lock: Option<File>,
    ) -> Result<Self, JournalError> {
        let next_seq = ledger.next_seq();
        let queue = Queue { next_seq, durable: next_seq, gate, ..Queue::default() };
        let shared =
            Arc::new(Shared { disk, queue: Mutex::new(queue), work: Condvar::new(), done: Condvar::new() });
        let writing = Arc::clone(&shared);
        let path = dir.join(JOURNAL_FILE);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write_groups(&writing, ledger, &path))
            .map_err(JournalError::io("start the writer of", &dir))?;
        Ok(Self {
            dir,
            run_id: run_id.to_owned(),
            shared,
            thread: Some(thread),
            redactor: RwLock::default(),
            stored: Mutex::default(),
            _lock: lock,
        })
    }

    /// The run's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The run's id.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Stores the plan that is applied, byte for byte, as `plan.json`. Durable when it returns.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn save_plan(&self, bytes: &[u8]) -> Result<(), JournalError> {
        write_durably(&self.dir, PLAN_FILE, bytes)
            .map_err(JournalError::io("write", &self.dir.join(PLAN_FILE)))
    }

    /// From now on every text of every event and every blob is redacted by this before it is stored.
    pub fn set_redactor(&self, redactor: Redactor) {
        *self.redactor.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(redactor);
    }

    /// Writes what is queued, waits until it is durable, and releases the lock.
    ///
    /// # Errors
    /// When this or any earlier write failed.
    pub fn finish(mut self) -> Result<(), JournalError> {
        self.close();
        match self.shared.lock().failed.take() {
            Some(failed) => Err(JournalError::Failed(failed)),
            None => Ok(()),
        }
    }

    fn close(&mut self) {
        self.shared.lock().closing = true;
        self.shared.work.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread is seen as a failed write: see `Shared::fail`.
            let _ = thread.join();
        }
    }

    fn redactor(&self) -> Arc<Redactor> {
        Arc::clone(&self.redactor.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl EventSink for Writer {
    fn record(&self, host: Option<&str>, event: Event) -> Result<(), SinkError> {
        if !event.is_journaled() {
            return Ok(());
        }
        let event = redact_event(event, &self.redactor());
        let entry = Entry::new(Timestamp::now(), host, &event)?;
        let durable = entry.durable;
        let seq = self.shared.push(entry, &event)?;
        if durable { self.shared.wait_for(seq) } else { Ok(()) }
    }

    fn store(&self, bytes: &[u8]) -> Result<String, SinkError> {
        let bytes = self.redactor().redact(bytes);
        let name = sha256_hex(&[&bytes]);
        if let Some(failed) = &self.shared.lock().failed {
            return Err(SinkError(failed.clone()));
        }
        let stored = || self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        if !stored().contains(&name) {
            // Two threads may both write the same blob: each waits for its own sync, so that neither
            // relies on a file which the other has not yet made durable.
            self.shared.disk.store(&name, &bytes).map_err(|error| self.blob_failed(&name, &error))?;
            stored().insert(name.clone());
        }
        Ok(name)
    }
}

impl Writer {
    fn blob_failed(&self, name: &str, error: &io::Error) -> SinkError {
        let reason = format!("`{}/{}/{name}`: {error}", self.dir.display(), super::OUTPUT_DIR);
        self.shared.fail(&reason);
        SinkError(reason)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(condition: &Condvar, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        condition.wait(queue).unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nothing is written. The first failure is the one that is told.
    fn fail(&self, reason: &str) {
        self.lock().failed.get_or_insert_with(|| reason.to_owned());
        self.work.notify_all();
        self.done.notify_all();
    }

    fn push(&self, mut entry: Entry, event: &Event) -> Result<u64, SinkError> {
        let mut queue = self.lock();
        while queue.pending_bytes > QUEUE_LIMIT && queue.failed.is_none() {
            queue = Self::wait(&self.done, queue);
        }
        if let Some(failed) = &queue.failed {
            return Err(SinkError(failed.clone()));
        }
        queue.gate.pass(event)?;
        let seq = queue.next_seq;
        queue.next_seq += 1;
        queue.pending_bytes += entry.event.len();
        // In the order of the queue, so that times do not go back where the clock does not.
        entry.at = Timestamp::now();
        queue.pending.push_back(entry);
        drop(queue);
        self.work.notify_one();
        Ok(seq)
    }

    fn wait_for(&self, seq: u64) -> Result<(), SinkError> {
        let mut queue = self.lock();
        loop {
            if queue.durable > seq {
                return Ok(());
            }
            if let Some(failed) = &queue.failed {
                return Err(SinkError(failed.clone()));
            }
            queue = Self::wait(&self.done, queue);
        }
    }

    /// Everything that is queued; none when the writer closes and nothing is left, or has failed.
    fn take_group(&self) -> Option<VecDeque<Entry>> {
        let mut queue = self.lock();
        loop {
            if queue.failed.is_some() {
                return None;
            }
            if !queue.pending.is_empty() {
                queue.pending_bytes = 0;
                return Some(std::mem::take(&mut queue.pending));
            }
            if queue.closing {
                return None;
            }
            queue = Self::wait(&self.work, queue);
        }
    }
}

/// The writer's thread.
fn write_groups(shared: &Shared, mut ledger: Ledger, path: &Path) {
    // Whatever ends this thread, nobody may wait for it for ever.
    let _guard = FailOnExit(shared);
    while let Some(mut group) = shared.take_group() {
        let durable = group.iter().any(|entry| entry.durable);
        if let Err(error) = ledger.append(group.make_contiguous()) {
            shared.fail(&format!("`{}`: {}", path.display(), error.0));
            return;
        }
        if durable {
            shared.lock().durable = ledger.next_seq();
        }
        shared.done.notify_all();
    }
    if shared.lock().failed.is_none()
        && let Err(error) = ledger.sync()
    {
        shared.fail(&format!("`{}`: {}", path.display(), error.0));
    }
}

struct FailOnExit<'a>(&'a Shared);

impl Drop for FailOnExit<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("the writer's thread ended; this is a defect of uproot");
        }
    }
}

/// Whether it is safe as the name of a directory, and easy to type.
fn is_run_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=128).contains(&id.len()) && id.bytes().all(plain) && !id.starts_with(['.', '-']) && id != "last"
}

#[cfg(test)]
mod tests;
