//! The writing core: seals records, appends them to a disk and makes them durable. No thread, no file
//! and no clock in here: the writer's thread and a simulation both drive it.

use super::chain::{GENESIS, Sealer, sha256_hex};
use super::defect::Defect as Broken;
use super::reader::{Run, collect, run_from, scan_lines};
use super::storage::Disk;
use super::{JOURNAL_FILE, JournalError};
use crate::model::deliberate::{Defect, is_on};
use crate::model::{Event, Record, SinkError};
use jiff::Timestamp;
use std::io::{self, BufRead};
use std::path::Path;
use std::sync::Arc;

/// Writes the records of one run. After a write or a sync that failed, nothing is written any more.
pub struct Ledger {
    disk: Arc<dyn Disk>,
    sealer: Sealer,
    next_seq: u64,
    /// How many bytes of whole lines the journal has.
    length: u64,
    /// Whether some of them may not be durable.
    unsynced: bool,
    gate: Gate,
    failed: Option<String>,
}

/// A record on its way to the disk; host and event as JSON without a line break.
pub(super) struct Entry {
    pub(super) at: Timestamp,
    pub(super) host: Option<String>,
    pub(super) event: String,
    pub(super) durable: bool,
}

impl Entry {
    /// Encodes an event.
    pub(super) fn new(at: Timestamp, host: Option<&str>, event: &Event) -> Result<Self, SinkError> {
        let host = host.map(encode).transpose()?;
        Ok(Self { at, host, event: encode(event)?, durable: event.must_be_durable() })
    }
}

fn encode<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, SinkError> {
    serde_json::to_string(value).map_err(|error| SinkError(format!("an event cannot be encoded: {error}")))
}

/// What may be recorded next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Gate {
    /// Anything.
    #[default]
    Open,
    /// Only that the run goes on: it was stopped, or opened again.
    Stopped,
    /// Nothing.
    Ended,
}

impl Gate {
    /// Lets an event pass, or says why it may not be recorded.
    pub(super) fn pass(&mut self, event: &Event) -> Result<(), SinkError> {
        let reason = match (*self, event) {
            (Self::Ended, _) => "the run has ended; nothing may follow its end record",
            (Self::Stopped, Event::RunResumed { .. }) => {
                *self = Self::Open;
                return Ok(());
            }
            (Self::Stopped, Event::Repaired { .. }) => return Ok(()),
            (Self::Stopped, _) => "the run was stopped; nothing may follow before it is resumed",
            (Self::Open, Event::RunEnded { .. }) => {
                *self = Self::Ended;
                return Ok(());
            }
            (Self::Open, Event::RunStopped { .. }) => {
                *self = Self::Stopped;
                return Ok(());
            }
            (Self::Open, _) => return Ok(()),
        };
        Err(SinkError(reason.to_owned()))
    }
}

impl Ledger {
    /// For a run that has no record yet, on a disk whose journal is empty.
    #[must_use]
    pub fn create(disk: Arc<dyn Disk>) -> Self {
        let sealer = Sealer::after(GENESIS.to_owned());
        Self { disk, sealer, next_seq: 0, length: 0, unsynced: false, gate: Gate::Open, failed: None }
    }

    /// Goes on with a run that was stopped, or whose controller died. `journal` is all that the disk
    /// holds of it. A torn last line is cut off, and that is recorded, durably, with the time of the
    /// record before it: no clock is asked here. The next record must be `RunResumed`.
    ///
    /// # Errors
    /// When the chain is broken, the run has ended or was never begun, its format is another one, or
    /// the repair could not be written. Nothing was changed then, but for the last case.
    pub fn resume(disk: Arc<dyn Disk>, journal: &[u8]) -> Result<(Self, Run), JournalError> {
        let found = Found::read(Path::new("memory"), &mut { journal })?;
        let at = found.run.records.last().map_or(Timestamp::UNIX_EPOCH, |record| record.at);
        Self::go_on(disk, found, at)
    }

    /// As [`Ledger::resume`], with the time for the record of a repair.
    pub(super) fn go_on(
        disk: Arc<dyn Disk>,
        found: Found,
        at: Timestamp,
    ) -> Result<(Self, Run), JournalError> {
        let Found { mut run, whole, torn, head } = found;
        let mut ledger = Self {
            disk,
            sealer: Sealer::after(head),
            next_seq: run.records.len() as u64,
            length: whole,
            unsynced: false,
            gate: Gate::Stopped,
            failed: None,
        };
        if torn > 0 {
            let event = Event::Repaired { bytes: torn };
            let path = run.dir.join(JOURNAL_FILE);
            if !is_on(Defect::TornLineKept) {
                ledger.disk.truncate(whole).map_err(JournalError::io("repair", &path))?;
            }
            let seq = ledger.next_seq;
            let failed =
                |error: SinkError| JournalError::Failed(format!("`{}`: {}", path.display(), error.0));
            ledger.record(at, None, &event).map_err(failed)?;
            run.records.push(Record { seq, at, host: None, event });
        }
        Ok((ledger, run))
    }

    /// The number that the next record gets.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Records an event, with when it happened and on which host. Returns once it is as durable as
    /// `Event::must_be_durable` asks. An event that is not journaled is accepted and left out.
    ///
    /// # Errors
    /// When it could not be written, an earlier write failed, or the run is over.
    pub fn record(&mut self, at: Timestamp, host: Option<&str>, event: &Event) -> Result<(), SinkError> {
        if !event.is_journaled() {
            return Ok(());
        }
        self.check()?;
        self.gate.pass(event)?;
        let entry = Entry::new(at, host, event)?;
        self.append(&[entry])
    }

    /// Stores bytes under their SHA-256 and returns it in hex. Durable when it returns.
    ///
    /// # Errors
    /// When it could not be stored, or an earlier write failed.
    pub fn store(&mut self, bytes: &[u8]) -> Result<String, SinkError> {
        self.check()?;
        let name = sha256_hex(&[bytes]);
        let outcome = self.disk.store(&name, bytes);
        self.judge(outcome)?;
        Ok(name)
    }

    /// Appends a group of records in their order, and makes them durable by one sync if one of them
    /// must be.
    pub(super) fn append(&mut self, group: &[Entry]) -> Result<(), SinkError> {
        self.check()?;
        let mut bytes = Vec::new();
        for Entry { at, host, event, durable: _ } in group {
            self.sealer.seal(&mut bytes, self.next_seq, *at, host.as_deref(), event);
            self.next_seq += 1;
        }
        let mut outcome = self.write(&bytes);
        if outcome.is_ok() && group.iter().any(|entry| entry.durable) {
            outcome = self.sync_disk();
        }
        self.judge(outcome)
    }

    /// Makes everything that was appended durable.
    pub(super) fn sync(&mut self) -> Result<(), SinkError> {
        self.check()?;
        let outcome = self.sync_disk();
        self.judge(outcome)
    }

    fn check(&self) -> Result<(), SinkError> {
        match &self.failed {
            Some(failed) => Err(SinkError(failed.clone())),
            None => Ok(()),
        }
    }

    /// Remembers a failure for ever: after one nobody knows what is on the disk, so nothing is tried again.
    fn judge(&mut self, outcome: io::Result<()>) -> Result<(), SinkError> {
        match outcome {
            Err(error) if !is_on(Defect::FullDiskIgnored) => {
                let reason = error.to_string();
                self.failed = Some(reason.clone());
                Err(SinkError(reason))
            }
            _ => Ok(()),
        }
    }

    fn sync_disk(&mut self) -> io::Result<()> {
        if self.unsynced && !is_on(Defect::NoSync) {
            self.disk.sync()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Appends the bytes, wholly or (on an error) up to the last whole line that fitted: an outcome that
    /// happened is worth keeping even if the next record found no room.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.unsynced |= !bytes.is_empty();
        let mut rest = bytes;
        while !rest.is_empty() {
            let outcome = match self.disk.append(rest) {
                Ok(0) => Err(io::Error::from(io::ErrorKind::WriteZero)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other,
            };
            match outcome {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) => {
                    let written = bytes.get(..bytes.len() - rest.len()).unwrap_or_default();
                    let whole = written.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                    self.length += whole as u64;
                    // The error at hand is the one to tell; a torn line that stays is told from a broken one.
                    let _ = self.disk.truncate(self.length);
                    let _ = self.disk.sync();
                    return Err(error);
                }
            }
        }
        self.length += bytes.len() as u64;
        Ok(())
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("next_seq", &self.next_seq).finish_non_exhaustive()
    }
}

/// A run that can be gone on with, as its journal has it.
pub(super) struct Found {
    pub(super) run: Run,
    /// How many bytes its whole lines are.
    whole: u64,
    /// How many bytes of a torn line follow.
    torn: u64,
    /// The hash of the last whole line.
    head: String,
}

impl Found {
    /// Reads a journal to its end and checks that it can be gone on with.
    pub(super) fn read(dir: &Path, source: &mut dyn BufRead) -> Result<Self, JournalError> {
        let mut records = Vec::new();
        let scan = scan_lines(dir, source, &mut |scanned| collect(dir, scanned, &mut records))?;
        let run = run_from(dir, records);
        match run.records.first().map(|record| &record.event) {
            None => return Err(JournalError::NeverBegun(dir.to_owned())),
            Some(Event::RunStarted { .. }) => {}
            Some(_) => {
                let defect = Box::new(Broken::Start { line: 1 });
                return Err(JournalError::Broken { dir: dir.to_owned(), defect });
            }
        }
        if run.finished {
            return Err(JournalError::Ended { id: run.id });
        }
        if scan.format != Some(super::chain::FORMAT) {
            return Err(JournalError::NoFormat(dir.join(JOURNAL_FILE)));
        }
        // Every line was checked, so that the last one has stated its hash.
        let head = scan.head.unwrap_or_else(|| GENESIS.to_owned());
        Ok(Self { run, whole: scan.whole, torn: scan.torn, head })
    }
}

#[cfg(test)]
mod tests;
