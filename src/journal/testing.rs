//! A disk for tests, and what is written on it.

use super::chain::Checker;
use super::storage::Disk;
use crate::model::Event;
use crate::model::event::HostEntry;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

/// A disk in memory: so many bytes and so many syncs, then errors for ever.
#[derive(Clone)]
pub(super) struct SmallDisk(Arc<Mutex<Small>>);

pub(super) struct Small {
    pub(super) journal: Vec<u8>,
    /// What a power cut would leave for certain.
    pub(super) synced: Vec<u8>,
    pub(super) blobs: BTreeMap<String, Vec<u8>>,
    pub(super) bytes_left: usize,
    pub(super) syncs_left: usize,
    pub(super) syncs: usize,
    pub(super) can_truncate: bool,
}

impl Small {
    pub(super) fn is_synced(&self) -> bool {
        self.synced == self.journal
    }
}

impl SmallDisk {
    pub(super) fn new(bytes: usize, syncs: usize) -> Self {
        Self(Arc::new(Mutex::new(Small {
            journal: Vec::new(),
            synced: Vec::new(),
            blobs: BTreeMap::new(),
            bytes_left: bytes,
            syncs_left: syncs,
            syncs: 0,
            can_truncate: true,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Small> {
        self.0.lock().unwrap()
    }
}

impl Disk for SmallDisk {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut small = self.lock();
        // Short writes are the rule here: no more than 100 bytes at once.
        let count = bytes.len().min(small.bytes_left).min(100);
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        small.bytes_left -= count;
        small.journal.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn sync(&self) -> io::Result<()> {
        let mut small = self.lock();
        if small.syncs_left == 0 {
            return Err(io::ErrorKind::Other.into());
        }
        small.syncs_left -= 1;
        small.syncs += 1;
        small.synced = small.journal.clone();
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut small = self.lock();
        if !small.can_truncate {
            return Err(io::ErrorKind::Other.into());
        }
        small.journal.truncate(length as usize);
        Ok(())
    }

    fn store(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut small = self.lock();
        if small.bytes_left < bytes.len() {
            small.bytes_left = 0;
            return Err(io::ErrorKind::StorageFull.into());
        }
        small.bytes_left -= bytes.len();
        small.blobs.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }
}

pub(super) fn start() -> Event {
    let host = HostEntry { name: "h".into(), address: "10.0.0.1:22".into(), user: None, groups: Vec::new() };
    Event::RunStarted {
        run: "r".into(),
        verb: "apply".into(),
        version: "0".into(),
        operator: "o".into(),
        playbook: "p".into(),
        plan: None,
        options: BTreeMap::new(),
        scope: Default::default(),
        hosts: vec![host],
    }
}

pub(super) fn intent(step: usize) -> Event {
    Event::StepIntent {
        step: format!("kesl/{step}"),
        product: "kesl".into(),
        summary: "stop kesl".into(),
        attempt: 1,
        boot: Default::default(),
    }
}

/// The records in these bytes, which must be whole lines of an unbroken chain.
pub(super) fn records(bytes: &[u8]) -> usize {
    let mut checker = Checker::new();
    let mut defects = Vec::new();
    let mut count = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        assert!(line.ends_with(b"\n"), "a torn line is left");
        count += 1;
        checker.check(count, &line[..line.len() - 1], &mut defects);
    }
    assert!(defects.is_empty(), "{defects:?}");
    count
}
