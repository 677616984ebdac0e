//! Opening the journal of a controller that is gone: what it holds must be what was handed in, less
//! what a power cut may take, and the real ledger must go on with it.

use super::disk::SimulatedDisk;
use super::world::Shared;
use std::sync::Arc;
use uproot::journal::{self, JournalError, Ledger};
use uproot::model::{Event, Record};

type Opened = Option<(Ledger, Vec<Record>)>;

/// Opens it. None: the disk let nothing be written.
pub fn open(world: &Shared, disk: Arc<SimulatedDisk>) -> Result<Opened, String> {
    let bytes = world.lock().disk.bytes.clone();
    match Ledger::resume(disk, &bytes) {
        Ok((ledger, run)) => {
            let written = world.lock().check.entries().len().min(run.records.len());
            compare_records(world, &run.records[..written])?;
            note_repair(world, &run.records)?;
            Ok(Some((ledger, run.records)))
        }
        // The repair could not be written, or only not be made durable.
        Err(JournalError::Io { .. } | JournalError::Failed(_)) => {
            let bytes = world.lock().disk.bytes.clone();
            let left =
                journal::read_bytes(super::RUN, &bytes).map_err(|error| format!("journal: {error}"))?;
            let written = world.lock().check.entries().len().min(left.records.len());
            compare_records(world, &left.records[..written])?;
            note_repair(world, &left.records)?;
            Ok(None)
        }
        Err(error) => Err(format!("resume: the journal is refused: {error}")),
    }
}

/// The ledger itself records a repair.
fn note_repair(world: &Shared, records: &[Record]) -> Result<(), String> {
    let mut world = world.lock();
    let world = &mut *world;
    let known = world.check.entries().len();
    for record in records.iter().skip(known) {
        if !matches!(record.event, Event::Repaired { .. }) {
            return Err(format!("resume: a record that nobody wrote: {record:?}"));
        }
        let (end, now) = (world.disk.bytes.len(), world.now);
        world.tell(|| format!("journal: {:?}", record.event));
        world.check.written(end, now, None, record.event.clone());
    }
    world.check.durable(world.disk.durable, &world.hosts, world.now);
    Ok(())
}

/// Reads a journal with the real reader and compares it with what was handed in.
pub fn compare(world: &Shared, bytes: &[u8]) -> Result<(), String> {
    let run = journal::read_bytes(super::RUN, bytes).map_err(|error| format!("journal: {error}"))?;
    compare_records(world, &run.records)
}

fn compare_records(world: &Shared, records: &[Record]) -> Result<(), String> {
    let world = world.lock();
    let entries = world.check.entries();
    if records.len() != entries.len() {
        return Err(format!("journal: {} records were written, {} are read", entries.len(), records.len()));
    }
    for (record, entry) in records.iter().zip(entries) {
        let name = entry.host.map(|host| world.hosts[host].name.as_str());
        if record.event != entry.event || record.host.as_deref() != name {
            return Err(format!("journal: {:?} was written, {record:?} is read", entry.event));
        }
    }
    Ok(())
}
