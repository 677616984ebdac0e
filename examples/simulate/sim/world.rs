//! Everything that is simulated, in one place: time, hosts, the disk, and what becomes of the
//! controller. It moves only when the controller has nothing left to do at this moment.

use super::check::Check;
use super::disk::DiskState;
use super::host::{Did, Host, Millis, NEVER};
use super::random::Random;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many events a failure shows.
const SHOWN: usize = 40;

/// The world, shared by all that takes part in it. One thread only.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<World>>);

impl Shared {
    /// Shares a world.
    pub fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// The world, for as long as it takes to do one thing in it.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a controller dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kill {
    /// Before the so-many-th record is written.
    Record(u64),
    /// Within the so-many-th append, when so much of a hundred of it is written.
    Append(u64, u64),
    /// At the so-many-th sync; true: when it is done.
    Sync(u64, bool),
    /// At the so-many-th message to a host; true: after the host did what it said.
    Operation(u64, bool),
    /// At a moment.
    At(Millis),
}

/// How often the controller did what it can be killed at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub records: u64,
    pub appends: u64,
    pub syncs: u64,
    pub operations: u64,
}

/// The world.
pub struct World {
    pub now: Millis,
    /// What the wall clock shows beyond true time, in milliseconds.
    pub wall_offset: i64,
    /// When the wall clock jumps, and by how much.
    pub jumps: Vec<(Millis, i64)>,
    pub random: Random,
    pub hosts: Vec<Host>,
    pub disk: DiskState,
    pub check: Check,
    /// Which boot of the controller's machine, and when that was.
    pub controller_boot: (u32, Millis),
    pub dead: bool,
    pub cancelled: bool,
    pub kill: Option<Kill>,
    pub counts: Counts,
    /// When each task wants to be polled again.
    pub wakes: Vec<Millis>,
    /// The task that is being polled.
    pub task: usize,
    pub trace: Trace,
    /// A step's effects are told to nobody before its wrapper has come to its claim: how long that
    /// may take at most.
    pub wrapper_delay: Millis,
}

/// The last events, kept only where somebody will read them.
pub struct Trace {
    pub on: bool,
    pub print: bool,
    lines: VecDeque<String>,
}

impl Trace {
    /// Keeps nothing, keeps the last ones, or prints each.
    pub fn new(on: bool, print: bool) -> Self {
        Self { on, print, lines: VecDeque::new() }
    }

    /// The last events.
    pub fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}

impl World {
    /// Says what happens, where somebody will read it.
    pub fn tell(&mut self, text: impl FnOnce() -> String) {
        if !self.trace.on {
            return;
        }
        let line = format!("{:>12.3} s  {}", self.now as f64 / 1000.0, text());
        if self.trace.print {
            println!("{line}");
        }
        if self.trace.lines.len() == SHOWN {
            self.trace.lines.pop_front();
        }
        self.trace.lines.push_back(line);
    }

    /// The controller's clock on the wall.
    pub fn wall(&self) -> jiff::Timestamp {
        // A Wednesday, 12:00 UTC.
        const BASE: i64 = 1_795_003_200_000;
        jiff::Timestamp::from_millisecond(BASE + self.now as i64 + self.wall_offset)
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// The controller's clock that only goes forward: since its boot.
    pub fn steady(&self) -> std::time::Duration {
        std::time::Duration::from_millis(self.now - self.controller_boot.1)
    }

    /// The controller is dead from now on.
    pub fn die(&mut self, why: &str) {
        if !self.dead {
            self.dead = true;
            self.tell(|| format!("controller: KILLED {why}"));
        }
    }

    /// Counts a message to a host, and kills the controller if this is its time.
    pub fn operation(&mut self, after: bool) {
        if !after {
            self.counts.operations += 1;
        }
        if self.kill == Some(Kill::Operation(self.counts.operations, after)) {
            self.die(if after { "after a message was acted on" } else { "before a message was sent" });
        }
    }

    /// When something happens by itself next.
    pub fn next_event(&self) -> Millis {
        let hosts = self.hosts.iter().map(Host::next_event).min().unwrap_or(NEVER);
        let jump = self.jumps.iter().map(|(at, _)| *at).min().unwrap_or(NEVER);
        let kill = match self.kill {
            Some(Kill::At(at)) if !self.dead => at,
            _ => NEVER,
        };
        hosts.min(jump).min(kill)
    }

    /// Moves to a moment, and lets everything happen on the way there, in its order.
    pub fn advance(&mut self, to: Millis) {
        loop {
            let next = self.next_event();
            if next > to {
                break;
            }
            self.now = self.now.max(next);
            self.happen();
        }
        self.now = self.now.max(to);
    }

    /// Lets everything happen that is due.
    pub fn happen(&mut self) {
        if let Some(Kill::At(at)) = self.kill
            && at <= self.now
        {
            self.die("at a moment of its own");
            self.kill = None;
        }
        if let Some(position) = self.jumps.iter().position(|(at, _)| *at <= self.now) {
            let (_, by) = self.jumps.remove(position);
            self.wall_offset += by;
            self.tell(|| format!("controller: the wall clock jumps by {} s", by / 1000));
        }
        for index in 0..self.hosts.len() {
            while let Some((event, did)) = self.hosts[index].happen(self.now, &mut self.random) {
                let name = self.hosts[index].name.clone();
                self.tell(|| format!("{name}: {event:?} {did:?}"));
                match did {
                    Did::Nothing => {}
                    Did::Began(began) => {
                        self.check.began(&self.hosts[index], index, self.now, &began);
                    }
                    Did::Ended(ended) => self.check.ended(index, &ended),
                }
            }
        }
    }
}
