//! Where the controller's events go: the real ledger, on the simulated disk, with a witness who notes
//! what was handed in and how far the disk had got with it.

use super::world::{Kill, Shared};
use std::sync::{Mutex, PoisonError};
use uproot::journal::Ledger;
use uproot::model::{Event, EventSink, SinkError};

/// The journal of one controller.
pub struct Sink {
    world: Shared,
    ledger: Mutex<Ledger>,
}

impl Sink {
    /// Records to this ledger, which writes to the disk of this world.
    pub fn new(world: Shared, ledger: Ledger) -> Self {
        Self { world, ledger: Mutex::new(ledger) }
    }
}

impl EventSink for Sink {
    fn record(&self, host: Option<&str>, event: Event) -> Result<(), SinkError> {
        if !event.is_journaled() {
            return Ok(());
        }
        let (before, at) = {
            let mut world = self.world.lock();
            if !world.dead {
                world.counts.records += 1;
                if world.kill == Some(Kill::Record(world.counts.records)) {
                    world.die("before a record was written");
                }
            }
            if world.dead {
                return Err(SinkError("the controller is dead".to_owned()));
            }
            (world.disk.bytes.len(), world.wall())
        };
        let outcome = self.ledger.lock().unwrap_or_else(PoisonError::into_inner).record(at, host, &event);
        let mut world = self.world.lock();
        let world = &mut *world;
        let whole = world.disk.bytes.len() > before && world.disk.bytes.last() == Some(&b'\n');
        world.tell(|| {
            let what = match (whole, &outcome) {
                (_, Err(error)) => format!(" ({error})"),
                (true, Ok(())) => String::new(),
                (false, Ok(())) => " (NOT WRITTEN)".to_owned(),
            };
            format!("journal: {} {event:?}{what}", host.unwrap_or("run"))
        });
        if whole {
            world.check.written(world.disk.bytes.len(), world.now, host, event);
        }
        world.check.durable(world.disk.durable, &world.hosts, world.now);
        outcome
    }

    fn store(&self, bytes: &[u8]) -> Result<String, SinkError> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).store(bytes)
    }
}
