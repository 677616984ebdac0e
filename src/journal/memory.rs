//! A journal in memory, for users of the library and for tests.

use super::chain::sha256_hex;
use crate::model::{Event, EventSink, Record, SinkError};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keeps records and blobs in memory, in the order recorded. Can be told to fail, as a full disk does.
#[derive(Debug, Default)]
pub struct MemorySink {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    records: Vec<Record>,
    activity: Vec<(Option<String>, String)>,
    blobs: BTreeMap<String, Vec<u8>>,
    room: Option<usize>,
}

impl MemorySink {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that takes `count` records and fails from then on, for blobs too.
    #[must_use]
    pub fn failing_after(count: usize) -> Self {
        let sink = Self::new();
        sink.lock().room = Some(count);
        sink
    }

    /// What was recorded so far: what a journal would hold.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.lock().records.clone()
    }

    /// What was told of hosts' activity, which a journal does not hold.
    #[must_use]
    pub fn activity(&self) -> Vec<(Option<String>, String)> {
        self.lock().activity.clone()
    }

    /// A blob by its SHA-256 in hex.
    #[must_use]
    pub fn blob(&self, sha: &str) -> Option<Vec<u8>> {
        self.lock().blobs.get(sha).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn check_room(&self) -> Result<(), SinkError> {
        match self.room {
            Some(room) if self.records.len() >= room => Err(SinkError("no space left in memory".to_owned())),
            _ => Ok(()),
        }
    }
}

impl EventSink for MemorySink {
    fn record(&self, host: Option<&str>, event: Event) -> Result<(), SinkError> {
        let mut inner = self.lock();
        let host = host.map(str::to_owned);
        if let Event::HostActivity { doing } = event {
            inner.activity.push((host, doing));
            return Ok(());
        }
        inner.check_room()?;
        let seq = inner.records.len() as u64;
        inner.records.push(Record { seq, at: Timestamp::now(), host, event });
        Ok(())
    }

    fn store(&self, bytes: &[u8]) -> Result<String, SinkError> {
        let mut inner = self.lock();
        inner.check_room()?;
        let name = sha256_hex(&[bytes]);
        inner.blobs.insert(name.clone(), bytes.to_vec());
        Ok(name)
    }
}
