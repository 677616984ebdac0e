//! The simulation: the real wave machine, the real work on hosts, the real journal, detection and
//! verification, run against simulated hosts with every fault, in simulated time, by one thread. A seed
//! decides all; the promises are checked after every event.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    dead_code,
    reason = "a test; each of its users uses a part of it"
)]

mod check;
mod controller;
mod disk;
mod facts;
mod host;
mod random;
mod reach;
mod resumption;
mod scenario;
mod script;
mod sink;
mod world;

use check::Check;
use controller::{Fate, Orders, live};
use disk::DiskState;
use random::Random;
use scenario::{Scenario, drift};
use std::collections::BTreeMap;
use uproot::model::HostState;
use world::{Counts, Kill, Shared, Trace, World};

/// The run's id.
pub const RUN: &str = "run-1";
/// The id of a run of somebody else.
pub const OTHER: &str = "other-run";
/// No run is taken up more often.
const MOST_LIVES: u64 = 8;

/// A broken promise.
#[derive(Debug, Clone)]
pub struct Failure {
    pub seed: u64,
    pub what: String,
    /// The last events.
    pub events: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.what)?;
        for event in &self.events {
            writeln!(f, "  {event}")?;
        }
        Ok(())
    }
}

/// What a seed came to.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub seeds: u64,
    pub lives: u64,
    pub killed: u64,
    pub records: u64,
    pub operations: u64,
    pub ended: u64,
    pub states: BTreeMap<HostState, u64>,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.lives += other.lives;
        self.killed += other.killed;
        self.records += other.records;
        self.operations += other.operations;
        self.ended += other.ended;
        for (state, count) in &other.states {
            *self.states.entry(*state).or_default() += count;
        }
    }
}

/// Runs a seed. `print`: every event is printed. A seed that fails is run once more, to keep its events.
///
/// # Errors
/// The first promise that was broken.
pub fn run(seed: u64, print: bool) -> Result<Tally, Failure> {
    match simulate(seed, Trace::new(print, print)) {
        Err(failure) if !print => Err(simulate(seed, Trace::new(true, false)).err().unwrap_or(failure)),
        other => other,
    }
}

fn simulate(seed: u64, trace: Trace) -> Result<Tally, Failure> {
    let mut random = Random::new(seed);
    let scenario = Scenario::new(&mut random);
    let check = Check::new(&scenario.plan, scenario.break_lock, scenario.begin_refused);
    let world = Shared::new(World {
        now: 0,
        wall_offset: 0,
        jumps: Vec::new(),
        random,
        hosts: scenario.hosts.clone(),
        disk: DiskState::default(),
        check,
        controller_boot: (1, 0),
        dead: false,
        cancelled: false,
        kill: None,
        counts: Counts::default(),
        wakes: Vec::new(),
        task: 0,
        trace,
        wrapper_delay: scenario.wrapper_delay,
    });
    let mut tally = Tally { seeds: 1, ..Tally::default() };
    let outcome = lives(&world, &scenario, &mut tally);
    let world = world.lock();
    let what = match (outcome, &world.check.violation) {
        (_, Some(violation)) => violation.clone(),
        (Err(error), None) => error,
        (Ok(()), None) => {
            for state in world.check.ends() {
                *tally.states.entry(state).or_default() += 1;
            }
            return Ok(tally);
        }
    };
    Err(Failure { seed, what, events: world.trace.lines() })
}

fn lives(world: &Shared, scenario: &Scenario, tally: &mut Tally) -> Result<(), String> {
    let mut first = true;
    for number in 0..MOST_LIVES {
        let mut orders = prepare(world, scenario, number);
        if first {
            // A run that is begun anew is begun with the same words.
            orders.break_lock = scenario.break_lock;
        }
        let fate = live(world, &scenario.plan, &orders, first)?;
        tally.lives += 1;
        {
            let world = world.lock();
            tally.records += world.counts.records;
            tally.operations += world.counts.operations;
            if world.check.violation.is_some() {
                return Ok(());
            }
        }
        match fate {
            Fate::Ended => tally.ended += 1,
            Fate::Killed => tally.killed += 1,
            Fate::Failed | Fate::Stopped => {}
        }
        bury(world);
        if fate == Fate::Ended || world.lock().check.is_over() {
            break;
        }
        // A controller that died before its first record was whole has begun no run.
        first = world.lock().check.entries().is_empty();
        if first {
            world.lock().disk = DiskState::default();
        }
        between(world, scenario);
        if fate == Fate::Stopped && number + 1 > scenario.violent && world.lock().random.chance(30) {
            break;
        }
    }
    whole(world)
}

/// What is to befall the next controller, and what its operator wants.
fn prepare(world: &Shared, scenario: &Scenario, number: u64) -> Orders {
    let mut world = world.lock();
    let world = &mut *world;
    let random = &mut world.random;
    let hosts = scenario.hosts.len() as u64;
    let violent = number < scenario.violent;
    world.kill = violent.then(|| match random.below(10) {
        0 => Kill::Record(random.between(1, 12 * hosts + 6)),
        1..=3 => Kill::Append(random.between(1, 12 * hosts + 6), random.pick(&[0, 30, 99, 100, 100])),
        4..=5 => Kill::Sync(random.between(1, 8 * hosts + 6), random.chance(50)),
        6..=8 => Kill::Operation(random.between(1, 12 * hosts), random.chance(60)),
        _ => Kill::At(world.now + random.between(1, 30_000)),
    });
    let late = number + 2 >= MOST_LIVES;
    let troubles = scenario.troubles;
    world.disk.room = (troubles.disk && !late && random.chance(40))
        .then(|| world.disk.bytes.len() + random.between(0, 3000 * hosts) as usize);
    world.disk.sync_fails = troubles.disk && !late && random.chance(10);
    if troubles.clock {
        for _ in 0..random.between(1, 3) {
            let at = world.now + random.pick(&[100, 5000, 60_000, 900_000]);
            let by = random.pick(&[-86_400_000_i64, -3_600_000, -60_000, 60_000, 3_600_000, 86_400_000]);
            world.jumps.push((at, by));
        }
    }
    (world.dead, world.cancelled) = (false, false);
    world.counts = Counts::default();
    world.wakes.clear();
    let approve = if number > 0 { world.check.unapproved() } else { Default::default() };
    let stops = troubles.stops && !late;
    let soon = |random: &mut Random, now: u64| Some(now + random.pick(&[1, 500, 3000, 20_000, 200_000]));
    let stop_at = if stops && random.chance(50) { soon(random, world.now) } else { None };
    let cancel_at = if stops && random.chance(30) { soon(random, world.now) } else { None };
    let orders = Orders {
        approve: approve.into_iter().filter(|_| late || random.chance(60)).collect(),
        after_failures: number > 0 && (late || random.chance(40)),
        retry_failed: number > 0 && random.chance(35),
        break_lock: if number == 0 { scenario.break_lock } else { random.chance(15) },
        stop_at,
        cancel_at,
        attended: scenario.attended,
    };
    let kill = world.kill;
    world.tell(|| format!("controller {number}: {}; {orders:?}", controller::describe(kill)));
    orders
}

/// A controller is gone, and perhaps the power was cut with it. Whether its journal is whole is seen when
/// the next one opens it, or at the end.
fn bury(world: &Shared) {
    let mut world = world.lock();
    let world = &mut *world;
    for host in 0..world.hosts.len() {
        world.check.end_host(host);
    }
    if world.dead && world.random.chance(35) {
        let keeps = if world.random.chance(50) { 0 } else { world.random.below(600) as usize };
        world.disk.cut_power(keeps);
        let left = world.disk.bytes.len();
        world.check.cut_power(left);
        let boot = world.controller_boot.0 + 1;
        world.controller_boot = (boot, world.now);
        world.tell(|| format!("controller: power cut, {left} bytes are left of its journal"));
    } else {
        // A dead process takes nothing from the disk: what it wrote stands, and is judged by what is now.
        let length = world.disk.bytes.len();
        world.disk.durable = length;
        world.check.durable(length, &world.hosts, world.now);
    }
    world.kill = None;
    world.dead = false;
}

/// What the last controller left must be a whole journal.
fn whole(world: &Shared) -> Result<(), String> {
    let bytes = world.lock().disk.bytes.clone();
    if world.lock().check.entries().is_empty() { Ok(()) } else { resumption::compare(world, &bytes) }
}

/// Time passes until the next controller, and others change hosts.
fn between(world: &Shared, scenario: &Scenario) {
    let mut world = world.lock();
    let world = &mut *world;
    let pause = world.random.pick(&[6_000, 60_000, 20 * 60_000, 3 * 3_600_000]);
    world.advance(world.now + pause);
    if scenario.troubles.drift {
        for (index, planned) in scenario.plan.hosts.iter().enumerate() {
            if world.check.is_untouched(index) && world.random.chance(30) {
                drift(&mut world.hosts[index], planned, &mut world.random);
            }
        }
    }
    if scenario.troubles.outages {
        for host in &mut world.hosts {
            if host.refuses_until == host::NEVER && !host.refuses_for_good && world.random.chance(40) {
                host.refuses_until = 0;
            }
        }
    }
}
