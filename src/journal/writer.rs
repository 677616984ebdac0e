//! The writing end: one thread with group commit.
//!
//! Callers queue records; the thread takes everything that is queued, writes it, makes it durable
//! with one `fdatasync` and wakes all who wait. While it waits for the disk the next group gathers.

use super::chain::{Sealer, sha256_hex};
use super::redact::redact_event;
use super::storage::{Disk, create_run, write_durably};
use super::{JOURNAL_FILE, JournalError, PLAN_FILE};
use crate::model::{Event, EventSink, Redactor, SinkError};
use jiff::Timestamp;
use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io;
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
    disk: Box<dyn Disk>,
    queue: Mutex<Queue>,
    /// Something was queued, or the writer is closing.
    work: Condvar,
    /// Something became durable, room was made, or a write failed.
    done: Condvar,
}

#[derive(Default)]
struct Queue {
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    next_seq: u64,
    /// Records with a smaller number are on disk.
    durable: u64,
    failed: Option<String>,
    ended: bool,
    closing: bool,
}

struct Pending {
    seq: u64,
    at: Timestamp,
    host: Option<String>,
    event: String,
    durable: bool,
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
        Self::on(Box::new(files), runs_dir.join(run_id), run_id, Some(lock))
    }

    fn on(disk: Box<dyn Disk>, dir: PathBuf, run_id: &str, lock: Option<File>) -> Result<Self, JournalError> {
        let shared = Arc::new(Shared {
            disk,
            queue: Mutex::new(Queue::default()),
            work: Condvar::new(),
            done: Condvar::new(),
        });
        let writing = Arc::clone(&shared);
        let path = dir.join(JOURNAL_FILE);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write_groups(&writing, &path))
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
        let handle = File::open(&self.dir).map_err(JournalError::io("open", &self.dir))?;
        write_durably(&self.dir, &handle, PLAN_FILE, bytes)
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
        let durable = event.must_be_durable();
        let ends = matches!(event, Event::RunEnded { .. });
        let event = encode(&redact_event(event, &self.redactor()))?;
        let host = host.map(encode).transpose()?;
        let seq = self.shared.push(host, event, durable, ends)?;
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

    fn push(&self, host: Option<String>, event: String, durable: bool, ends: bool) -> Result<u64, SinkError> {
        let mut queue = self.lock();
        while queue.pending_bytes > QUEUE_LIMIT && queue.failed.is_none() {
            queue = Self::wait(&self.done, queue);
        }
        if let Some(failed) = &queue.failed {
            return Err(SinkError(failed.clone()));
        }
        if queue.ended {
            return Err(SinkError("the run has ended; nothing may follow its end record".to_owned()));
        }
        queue.ended = ends;
        let seq = queue.next_seq;
        queue.next_seq += 1;
        queue.pending_bytes += event.len();
        queue.pending.push_back(Pending { seq, at: Timestamp::now(), host, event, durable });
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
    fn take_group(&self) -> Option<VecDeque<Pending>> {
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
fn write_groups(shared: &Shared, path: &Path) {
    // Whatever ends this thread, nobody may wait for it for ever.
    let _guard = FailOnExit(shared);
    let mut sealer = Sealer::new();
    let mut length = 0;
    while let Some(group) = shared.take_group() {
        let mut bytes = Vec::new();
        for record in &group {
            sealer.seal(&mut bytes, record.seq, record.at, record.host.as_deref(), &record.event);
        }
        let sync = group.iter().any(|record| record.durable);
        if let Err(error) = commit(shared.disk.as_ref(), &bytes, &mut length, sync) {
            shared.fail(&format!("`{}`: {error}", path.display()));
            return;
        }
        if let Some(last) = group.back().filter(|_| sync) {
            shared.lock().durable = last.seq + 1;
        }
        shared.done.notify_all();
    }
    if shared.lock().failed.is_none()
        && let Err(error) = shared.disk.sync()
    {
        shared.fail(&format!("`{}`: {error}", path.display()));
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

/// Appends the bytes, wholly or (on an error) up to the last whole line that fitted: an outcome that
/// happened is worth keeping even if the next record found no room.
fn commit(disk: &dyn Disk, bytes: &[u8], length: &mut u64, sync: bool) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let outcome = match disk.append(rest) {
            Ok(0) => Err(io::Error::from(io::ErrorKind::WriteZero)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other,
        };
        match outcome {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(error) => {
                let written = bytes.get(..bytes.len() - rest.len()).unwrap_or_default();
                let whole = written.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                // The error at hand is the one to tell; a torn line that stays is told from a broken one.
                let _ = disk.truncate(*length + whole as u64);
                let _ = disk.sync();
                return Err(error);
            }
        }
    }
    *length += bytes.len() as u64;
    // After a failed sync nobody knows what is on the disk: it is not tried again.
    if sync { disk.sync() } else { Ok(()) }
}

fn encode<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, SinkError> {
    serde_json::to_string(value).map_err(|error| SinkError(format!("an event cannot be encoded: {error}")))
}

/// Whether it is safe as the name of a directory, and easy to type.
fn is_run_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=128).contains(&id.len()) && id.bytes().all(plain) && !id.starts_with(['.', '-']) && id != "last"
}

#[cfg(test)]
mod tests;
