//! What is on hosts, and what the steps of the simulated plan do to it, well or badly.

use super::host::Millis;
use super::random::Random;
use std::collections::BTreeMap;

/// Something on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Thing {
    /// Package `alpha`: the product of that name is present.
    Alpha = 1,
    /// Path `/opt/alpha`: what that product leaves behind.
    AlphaPath = 2,
    /// Package `beta`: the product of that name is present.
    Beta = 4,
    /// Package `gamma`: a product that no plan removes.
    Gamma = 8,
    /// Service `guard`: the protection that must be there.
    Guard = 16,
}

impl Thing {
    /// Every thing.
    pub const ALL: [Self; 5] = [Self::Alpha, Self::AlphaPath, Self::Beta, Self::Gamma, Self::Guard];
    /// Those that belong to a product.
    pub const PRODUCTS: [Self; 4] = [Self::Alpha, Self::AlphaPath, Self::Beta, Self::Gamma];
}

/// The things on a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Things(u8);

impl Things {
    /// Just these.
    pub fn of(things: &[Thing]) -> Self {
        let mut all = Self::default();
        things.iter().for_each(|thing| all.add(*thing));
        all
    }

    /// Whether it is there.
    pub fn has(self, thing: Thing) -> bool {
        self.0 & thing as u8 != 0
    }

    /// Puts it there.
    pub fn add(&mut self, thing: Thing) {
        self.0 |= thing as u8;
    }

    /// Takes it away.
    pub fn take(&mut self, thing: Thing) {
        self.0 &= !(thing as u8);
    }

    /// Whether anything of a product is there.
    pub fn has_product(self) -> bool {
        Thing::PRODUCTS.iter().any(|thing| self.has(*thing))
    }
}

/// When something goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    AtEnd(Thing),
    /// So long after the end.
    Later(Thing, Millis),
    AtBoot(Thing),
}

/// A reboot that a step brings about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reboot {
    /// So long after the step's begin.
    pub after: Millis,
    /// Up again so long after it went down; none: never.
    pub back_after: Option<Millis>,
    /// Whether another machine comes back.
    pub swapped: bool,
}

/// What one run of a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    /// How long it runs; none: for ever.
    pub lasts: Option<Millis>,
    pub status: i32,
    pub output: &'static str,
    pub removes: Vec<Removal>,
    /// Breaks every connection so long after its begin.
    pub drops_after: Option<Millis>,
    pub reboots: Option<Reboot>,
}

/// The status with which a simulated step says that a reboot is needed.
pub const REBOOT_STATUS: i32 = 194;
/// What a simulated product says when it refuses.
pub const REFUSAL: &str = "self-defence refuses\n";

/// In which ways a step goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Well,
    Slowly,
    /// Exit status 1, nothing removed.
    Fails,
    /// Exit status 1, though it removed what it should.
    FailsAfterwards,
    /// The product refuses.
    Refuses,
    /// Exit status 0, nothing removed.
    Lies,
    /// Exit status 0, removed a while later.
    Detaches,
    /// Never ends.
    Hangs,
    /// Says that a reboot is needed, and is removed.
    NeedsReboot,
    /// Says that a reboot is needed, and is removed by it.
    GoesAtReboot,
    /// Breaks the connection and goes on.
    DropsConnection,
    /// The host reboots in the middle of it.
    Reboots,
    /// The protection goes with the product.
    TakesGuard,
    /// A reboot step: comes back in time.
    BacksUp,
    /// A reboot step: comes back after the limit.
    BacksUpLate,
    /// A reboot step: never comes back.
    StaysDown,
    /// A reboot step: another machine comes back.
    Swaps,
    /// A reboot step: says 0 and does nothing.
    Stays,
}

/// How the steps of one host behave, by attempt.
#[derive(Debug, Clone, Default)]
pub struct Steps {
    ways: BTreeMap<String, (Thing, Vec<Way>)>,
    runs: BTreeMap<String, usize>,
}

impl Steps {
    /// Sets the ways of a step's first, second… run; the last one stays.
    pub fn set(&mut self, step: &str, removes: Thing, ways: Vec<Way>) {
        self.ways.insert(step.to_owned(), (removes, ways));
    }

    /// Whether one of a step's runs goes such a way.
    pub fn goes(&self, way: Way) -> bool {
        self.ways.values().any(|(_, ways)| ways.contains(&way))
    }

    /// What the next run of a step does.
    pub fn behave(&mut self, step: &str, random: &mut Random) -> Behaviour {
        let run = self.runs.entry(step.to_owned()).or_default();
        let (thing, way) = match self.ways.get(step) {
            Some((thing, ways)) => (Some(*thing), ways.get(*run).or(ways.last()).copied()),
            None => (None, None),
        };
        *run += 1;
        behaviour(way.unwrap_or(Way::Well), thing, random)
    }
}

fn behaviour(way: Way, thing: Option<Thing>, random: &mut Random) -> Behaviour {
    let removed = |removal: fn(Thing) -> Removal| thing.map(removal).into_iter().collect::<Vec<_>>();
    let mut behaviour = Behaviour {
        lasts: Some(random.between(20, 4000)),
        status: 0,
        output: "",
        removes: removed(Removal::AtEnd),
        drops_after: None,
        reboots: None,
    };
    let reboot = |after, back_after, swapped| Some(Reboot { after, back_after, swapped });
    match way {
        Way::Well => {}
        Way::Slowly => behaviour.lasts = Some(random.between(60_000, 25 * 60_000)),
        Way::Fails => (behaviour.status, behaviour.removes) = (1, Vec::new()),
        Way::FailsAfterwards => behaviour.status = 1,
        Way::Refuses => {
            (behaviour.status, behaviour.removes, behaviour.output) = (7, Vec::new(), REFUSAL);
        }
        Way::Lies => behaviour.removes = Vec::new(),
        Way::Detaches => {
            let after = random.between(100, 9000);
            behaviour.removes = thing.map(|thing| Removal::Later(thing, after)).into_iter().collect();
        }
        Way::Hangs => behaviour.lasts = None,
        Way::NeedsReboot => behaviour.status = REBOOT_STATUS,
        Way::GoesAtReboot => {
            (behaviour.status, behaviour.removes) = (REBOOT_STATUS, removed(Removal::AtBoot));
        }
        Way::DropsConnection => {
            behaviour.lasts = Some(random.between(1000, 90_000));
            behaviour.drops_after = Some(random.between(1, 900));
        }
        Way::Reboots => {
            behaviour.lasts = Some(random.between(5000, 9000));
            let back = random.between(20_000, 200_000);
            behaviour.reboots = reboot(random.between(100, 4900), Some(back), false);
        }
        Way::TakesGuard => behaviour.removes.push(Removal::AtEnd(Thing::Guard)),
        Way::BacksUp | Way::BacksUpLate | Way::StaysDown | Way::Swaps => {
            behaviour.lasts = Some(random.between(10, 3000));
            behaviour.removes = Vec::new();
            let back = match way {
                Way::BacksUpLate => Some(random.between(25 * 60_000, 60 * 60_000)),
                Way::StaysDown => None,
                _ => Some(random.between(10_000, 300_000)),
            };
            behaviour.reboots = reboot(random.between(500, 8000), back, way == Way::Swaps);
        }
        Way::Stays => behaviour.removes = Vec::new(),
    }
    behaviour
}
