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
            take_up(world, &run.records)?;
            Ok(Some((ledger, run.records)))
        }
        // The repair could not be written, or only not be made durable.
        Err(JournalError::Io { .. } | JournalError::Failed(_)) => {
            let bytes = world.lock().disk.bytes.clone();
            let left =
                journal::read_bytes(super::RUN, &bytes).map_err(|error| format!("journal: {error}"))?;
            take_up(world, &left.records)?;
            Ok(None)
        }
        Err(error) => Err(format!("resume: the journal is refused: {error}")),
    }
}

/// What was handed in comes first; behind it, the ledger itself records a repair.
fn take_up(world: &Shared, records: &[Record]) -> Result<(), String> {
    let known = world.lock().check.entries().len().min(records.len());
    let (written, repairs) = records.split_at(known);
    compare_records(world, written)?;
    let mut world = world.lock();
    let world = &mut *world;
    for record in repairs {
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
