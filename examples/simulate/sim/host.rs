//! A simulated host: what is installed on it, which machine and boot it is, what runs on it, and the
//! state directory with the lock, claims and outcomes. It knows nothing of the controller.

use super::random::Random;
use super::script::{Behaviour, Removal, Steps, Thing, Things};
use std::collections::BTreeMap;

/// Milliseconds of true time since the simulation began.
pub type Millis = u64;

/// How long a lock lasts without being renewed.
pub const LEASE: Millis = 15 * 60_000;
/// A moment that never comes.
pub const NEVER: Millis = Millis::MAX;

/// The lock as it stands in the state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Whose run.
    pub run: String,
    /// In which boot it was taken.
    pub boot: u32,
    /// Until when it lasts, unless a wrapper of the run renews it.
    pub expires: Millis,
}

/// What the state directory says of one claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nothing will ever run under it.
    Void,
    /// Claimed by a wrapper.
    Begun { boot: u32, process: u64, status: Option<i32>, output: &'static str, started: Millis },
}

/// A step that runs.
#[derive(Debug, Clone)]
pub struct Process {
    pub id: u64,
    pub run: String,
    pub claim: String,
    pub step: String,
    pub behaviour: Behaviour,
    pub ends: Millis,
}

/// What happens on a host by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostEvent {
    /// A wrapper that was sent comes to its claim.
    WrapperClaims { claim: String, step: String },
    /// A process ends.
    Ends { process: u64 },
    /// Something goes that a step had promised.
    Goes { thing: Thing },
    /// It goes down, and comes back after so long, if it does, perhaps as another machine.
    GoesDown { back_after: Option<Millis>, swapped: bool },
    /// It is up again.
    ComesUp { swapped: bool },
    /// Every connection breaks.
    Drops,
    /// Another controller tries for the lock, and keeps it so long if it gets it.
    OtherLocks { keeps: Option<Millis>, breaks: bool },
    /// The other controller gives it back.
    OtherReleases,
}

/// One host.
#[derive(Debug, Clone)]
pub struct Host {
    pub name: String,
    /// Which machine answers at its address; planned was 0.
    pub machine: u32,
    pub boot: u32,
    pub up: bool,
    pub things: Things,
    /// What goes at the next boot.
    pub goes_at_boot: Things,
    /// What of the planned products was there when the plan was made.
    pub planned: Things,
    /// Whether it is not any more as the plan has it, by no doing of ours.
    pub drifted: bool,
    /// Not reached before this moment.
    pub refuses_until: Millis,
    /// Whether a refusal is one that trying again does not help.
    pub refuses_for_good: bool,
    /// So many further looks have gaps.
    pub gappy_looks: u32,
    /// Whether the last look at all that matters had a gap.
    pub last_look_gappy: bool,
    /// Of a hundred messages, so many are lost with their connection.
    pub loses: u64,
    /// Changes with every break of all connections.
    pub epoch: u64,
    pub lock: Option<Lock>,
    /// Run directories: claims by name.
    pub runs: BTreeMap<String, BTreeMap<String, Claim>>,
    pub processes: Vec<Process>,
    pub events: Vec<(Millis, HostEvent)>,
    /// How its steps behave.
    pub steps: Steps,
    /// Whether the state directory cannot be used.
    pub state_refused: bool,
    /// How often the directory of our run was made anew.
    pub records_of: u64,
    next_process: u64,
}

/// What a call of the lock script gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locked {
    Taken { from: Option<String>, broken: bool, records: String },
    Held { run: String, left: Millis },
    Refused,
}

/// A step began to run: what the checker must be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Began {
    pub run: String,
    pub step: String,
    pub claim: String,
}

/// A step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub step: String,
    pub claim: String,
    pub status: i32,
}

/// What a host did by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Did {
    Nothing,
    Began(Began),
    Ended(Ended),
}

impl Host {
    /// A healthy host with these things on it.
    pub fn new(name: String, things: Things, steps: Steps) -> Self {
        Self {
            name,
            machine: 0,
            boot: 1,
            up: true,
            things,
            goes_at_boot: Things::default(),
            planned: things,
            drifted: false,
            refuses_until: 0,
            refuses_for_good: false,
            gappy_looks: 0,
            last_look_gappy: false,
            loses: 0,
            epoch: 0,
            lock: None,
            runs: BTreeMap::new(),
            processes: Vec::new(),
            events: Vec::new(),
            steps,
            state_refused: false,
            records_of: 0,
            next_process: 0,
        }
    }

    /// Whether a connection can be made.
    pub fn answers(&self, now: Millis) -> bool {
        self.up && now >= self.refuses_until
    }

    /// When something happens by itself next.
    pub fn next_event(&self) -> Millis {
        self.events.iter().map(|(at, _)| *at).min().unwrap_or(NEVER)
    }

    /// Lets something happen later.
    pub fn schedule(&mut self, at: Millis, event: HostEvent) {
        self.events.push((at, event));
    }

    /// Lets the first due event happen; none: nothing is due.
    pub fn happen(&mut self, now: Millis, random: &mut Random) -> Option<(HostEvent, Did)> {
        let first = self.events.iter().enumerate().filter(|(_, (at, _))| *at <= now);
        let position = first.min_by_key(|(_, (at, _))| *at)?.0;
        let (_, event) = self.events.remove(position);
        let did = self.take(now, &event, random);
        Some((event, did))
    }

    fn take(&mut self, now: Millis, event: &HostEvent, random: &mut Random) -> Did {
        match event {
            HostEvent::WrapperClaims { claim, step } => return self.wrapper_claims(now, claim, step, random),
            HostEvent::Ends { process } => return self.ends(now, *process),
            HostEvent::Goes { thing } => self.things.take(*thing),
            HostEvent::GoesDown { back_after, swapped } => self.goes_down(now, *back_after, *swapped),
            HostEvent::ComesUp { swapped } => self.comes_up(*swapped),
            HostEvent::Drops => self.epoch += 1,
            HostEvent::OtherLocks { keeps, breaks } => self.other_locks(now, *keeps, *breaks),
            HostEvent::OtherReleases => {
                if self.lock.as_ref().is_some_and(|lock| lock.run == super::OTHER) {
                    self.lock = None;
                }
                self.runs.remove(super::OTHER);
            }
        }
        Did::Nothing
    }

    fn goes_down(&mut self, now: Millis, back_after: Option<Millis>, swapped: bool) {
        if !self.up {
            return;
        }
        self.up = false;
        self.epoch += 1;
        self.processes.clear();
        let alive =
            |event: &HostEvent| matches!(event, HostEvent::OtherLocks { .. } | HostEvent::OtherReleases);
        self.events.retain(|(_, event)| alive(event));
        if let Some(after) = back_after {
            self.schedule(now + after, HostEvent::ComesUp { swapped });
        }
    }

    fn comes_up(&mut self, swapped: bool) {
        self.up = true;
        self.boot += 1;
        self.epoch += 1;
        for thing in Thing::ALL {
            if self.goes_at_boot.has(thing) {
                self.things.take(thing);
            }
        }
        self.goes_at_boot = Things::default();
        if swapped {
            self.swap();
        }
    }

    /// Another machine answers from now on: with all products, and nothing of ours on it.
    pub fn swap(&mut self) {
        self.machine += 1;
        self.epoch += 1;
        self.things = Things::of(&[Thing::Alpha, Thing::AlphaPath, Thing::Beta, Thing::Guard]);
        self.lock = None;
        self.runs.clear();
        self.processes.clear();
        self.goes_at_boot = Things::default();
        self.events.retain(|(_, event)| matches!(event, HostEvent::ComesUp { .. }));
    }

    /// Whether a wrapper of this run runs: it renews the lock.
    pub fn runs_something(&self, run: &str) -> bool {
        self.processes.iter().any(|process| process.run == run)
    }

    /// Who holds a live lock.
    pub fn holder(&self, now: Millis) -> Option<&Lock> {
        let lock = self.lock.as_ref()?;
        let live = lock.boot == self.boot && (lock.expires > now || self.runs_something(&lock.run));
        live.then_some(lock)
    }

    /// The lock script.
    pub fn take_lock(&mut self, now: Millis, run: &str, break_lock: bool) -> Locked {
        if self.state_refused {
            return Locked::Refused;
        }
        let held = self.holder(now).filter(|lock| lock.run != run).cloned();
        if let Some(lock) = held.clone()
            && !break_lock
        {
            return Locked::Held { run: lock.run, left: lock.expires.saturating_sub(now) };
        }
        let from = match (&held, &self.lock) {
            (Some(lock), _) => Some(format!("broken, was {}'s", lock.run)),
            (None, Some(lock)) if lock.run != run => Some(format!("expired, was {}'s", lock.run)),
            _ => None,
        };
        self.clear_dead_runs(run);
        let known = self.runs.contains_key(run);
        if !known && run == super::RUN {
            self.records_of += 1;
        }
        self.runs.entry(run.to_owned()).or_default();
        self.lock = Some(Lock { run: run.to_owned(), boot: self.boot, expires: now + LEASE });
        Locked::Taken { from, broken: held.is_some(), records: format!("r{}", self.records_of) }
    }

    fn clear_dead_runs(&mut self, but: &str) {
        let live: Vec<String> = self.processes.iter().map(|process| process.run.clone()).collect();
        self.runs.retain(|run, _| run == but || live.contains(run));
    }

    fn other_locks(&mut self, now: Millis, keeps: Option<Millis>, breaks: bool) {
        if !self.up || self.state_refused {
            return;
        }
        if let Locked::Taken { .. } = self.take_lock(now, super::OTHER, breaks)
            && let Some(keeps) = keeps
        {
            self.schedule(now + keeps, HostEvent::OtherReleases);
        }
    }

    /// Renews the lock of `run`; who has it instead, if it is lost.
    pub fn renew(&mut self, now: Millis, run: &str) -> Option<(String, Millis)> {
        match &mut self.lock {
            Some(lock) if lock.run == run => {
                lock.expires = now + LEASE;
                lock.boot = self.boot;
                None
            }
            Some(lock) => Some((lock.run.clone(), lock.expires.saturating_sub(now))),
            None => Some(("nobody".to_owned(), 0)),
        }
    }

    /// Whether a wrapper is on its way to this claim.
    pub fn awaits(&self, claim: &str) -> bool {
        let sent = |event: &HostEvent| matches!(event, HostEvent::WrapperClaims { claim: name, .. } if name == claim);
        self.events.iter().any(|(_, event)| sent(event))
    }

    /// The wrapper of a step was sent: it comes to its claim a little later, whatever the connection
    /// and the controller do.
    pub fn send_wrapper(&mut self, at: Millis, claim: &str, step: &str) {
        self.schedule(at, HostEvent::WrapperClaims { claim: claim.to_owned(), step: step.to_owned() });
    }

    fn wrapper_claims(&mut self, now: Millis, claim: &str, step: &str, random: &mut Random) -> Did {
        let process = self.next_process;
        let Some(claims) = self.runs.get_mut(super::RUN) else { return Did::Nothing };
        if claims.contains_key(claim) {
            return Did::Nothing;
        }
        // It looks at the lock once more, when the claim is its own.
        if self.lock.as_ref().is_none_or(|lock| lock.run != super::RUN) {
            claims.insert(claim.to_owned(), Claim::Void);
            return Did::Nothing;
        }
        let behaviour = self.steps.behave(step, random);
        let begun =
            Claim::Begun { boot: self.boot, process, status: None, output: behaviour.output, started: now };
        claims.insert(claim.to_owned(), begun);
        self.next_process += 1;
        let ends = behaviour.lasts.map_or(NEVER, |lasts| now + lasts);
        if let Some(after) = behaviour.drops_after {
            self.schedule(now + after, HostEvent::Drops);
        }
        if let Some(reboot) = &behaviour.reboots {
            let down = HostEvent::GoesDown { back_after: reboot.back_after, swapped: reboot.swapped };
            self.schedule(now + reboot.after, down);
        }
        if ends != NEVER {
            self.schedule(ends, HostEvent::Ends { process });
        }
        let began = Began { run: super::RUN.to_owned(), step: step.to_owned(), claim: claim.to_owned() };
        self.processes.push(Process {
            id: process,
            run: super::RUN.to_owned(),
            claim: claim.to_owned(),
            step: step.to_owned(),
            behaviour,
            ends,
        });
        Did::Began(began)
    }

    fn ends(&mut self, now: Millis, process: u64) -> Did {
        let Some(position) = self.processes.iter().position(|running| running.id == process) else {
            return Did::Nothing;
        };
        let ended = self.processes.remove(position);
        // The wrapper renewed the lease about every minute while it ran.
        if let Some(lock) = self.lock.as_mut().filter(|lock| lock.run == ended.run) {
            lock.expires = lock.expires.max(now + LEASE - 60_000);
        }
        for removal in &ended.behaviour.removes {
            match removal {
                Removal::AtEnd(thing) => self.things.take(*thing),
                Removal::Later(thing, after) => {
                    self.schedule(now + after, HostEvent::Goes { thing: *thing });
                }
                Removal::AtBoot(thing) => self.goes_at_boot.add(*thing),
            }
        }
        let status = ended.behaviour.status;
        if let Some(Claim::Begun { status: stored, .. }) =
            self.runs.get_mut(&ended.run).and_then(|claims| claims.get_mut(&ended.claim))
        {
            *stored = Some(status);
        }
        Did::Ended(Ended { step: ended.step, claim: ended.claim, status })
    }

    /// The release script; what is left where something still runs.
    pub fn release(&mut self, run: &str) -> Option<String> {
        if self.runs_something(run) {
            return Some("a step still runs".to_owned());
        }
        self.runs.remove(run);
        if self.lock.as_ref().is_some_and(|lock| lock.run == run) {
            self.lock = None;
        }
        None
    }

    /// Whether anything of this run is left.
    pub fn has_left(&self, run: &str) -> bool {
        self.runs.contains_key(run) || self.lock.as_ref().is_some_and(|lock| lock.run == run)
    }
}

impl Host {
    /// The script that waits for a step renews the lease of our run, if it is still ours.
    pub fn renew_while_waiting(&mut self, now: Millis) {
        if let Some(lock) = self.lock.as_mut().filter(|lock| lock.run == super::RUN) {
            lock.expires = now + LEASE;
        }
    }
}
