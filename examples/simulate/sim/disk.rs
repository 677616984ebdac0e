//! The disk under the journal: what was written, what of it is durable, and every way to lose the rest.

use super::world::{Kill, Shared, World};
use std::io;
use uproot::journal::Disk;

/// What the disk holds.
#[derive(Debug, Default)]
pub struct DiskState {
    /// What a process reads from it.
    pub bytes: Vec<u8>,
    /// So many of the first bytes survive a power cut.
    pub durable: usize,
    /// It is full when it holds so many bytes.
    pub room: Option<usize>,
    /// The next sync fails.
    pub sync_fails: bool,
}

impl DiskState {
    /// What is left after a power cut: the durable bytes, and some of those after them.
    pub fn cut_power(&mut self, keeps: usize) {
        let left = self.durable + keeps.min(self.bytes.len().saturating_sub(self.durable));
        self.bytes.truncate(left);
        self.durable = self.bytes.len();
    }
}

/// The disk as the journal's writer has it.
pub struct SimulatedDisk(pub Shared);

fn gone() -> io::Error {
    io::Error::other("the controller is dead")
}

impl SimulatedDisk {
    fn world(&self) -> io::Result<std::sync::MutexGuard<'_, World>> {
        let world = self.0.lock();
        if world.dead { Err(gone()) } else { Ok(world) }
    }
}

impl Disk for SimulatedDisk {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut world = self.world()?;
        world.counts.appends += 1;
        if let Some(Kill::Append(number, part)) = world.kill
            && number == world.counts.appends
        {
            let some = bytes.len() * part as usize / 100;
            world.disk.bytes.extend_from_slice(&bytes[..some]);
            world.die(&format!("when {some} of {} bytes of a record were written", bytes.len()));
            return Err(gone());
        }
        let room = world.disk.room.map_or(usize::MAX, |room| room.saturating_sub(world.disk.bytes.len()));
        if room == 0 {
            world.tell(|| "disk: full".to_owned());
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let some = bytes.len().min(room);
        world.disk.bytes.extend_from_slice(&bytes[..some]);
        Ok(some)
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.world()?;
        world.counts.syncs += 1;
        let kill = world.kill;
        if kill == Some(Kill::Sync(world.counts.syncs, false)) {
            world.die("before a sync");
            return Err(gone());
        }
        if world.disk.sync_fails {
            world.disk.sync_fails = false;
            world.tell(|| "disk: a sync fails".to_owned());
            return Err(io::Error::other("input/output error"));
        }
        world.disk.durable = world.disk.bytes.len();
        if kill == Some(Kill::Sync(world.counts.syncs, true)) {
            world.die("after a sync");
            return Err(gone());
        }
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut world = self.world()?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        world.disk.bytes.truncate(length);
        world.disk.durable = world.disk.durable.min(world.disk.bytes.len());
        Ok(())
    }

    fn store(&self, _: &str, bytes: &[u8]) -> io::Result<()> {
        let world = self.world()?;
        let full = world.disk.room.is_some_and(|room| world.disk.bytes.len() + bytes.len() / 8 > room);
        if full { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
    }
}
