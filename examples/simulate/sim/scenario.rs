//! One scenario: a plan, the hosts as the apply finds them, and what may go wrong. All from a seed.

use super::facts;
use super::host::{Host, HostEvent, Millis};
use super::random::Random;
use super::script::{REBOOT_STATUS, Steps, Thing, Things, Way};
use std::collections::BTreeMap;
use uproot::detect::{ProductRules, findings};
use uproot::facts::Questions;
use uproot::model::{HostState, Platform, ProductState};
use uproot::plan::{
    NotPlanned, Plan, PlannedConnection, PlannedHost, PlannedProduct, PlannedStep, PlannedWave,
};
use uproot::playbook::{Budget, RebootPolicy, Rule, TextPattern};

/// What a seed stands for.
pub struct Scenario {
    pub plan: Plan,
    pub hosts: Vec<Host>,
    /// Which kinds of trouble there are at all.
    pub troubles: Troubles,
    /// So many of the controllers come to a violent end.
    pub violent: u64,
    /// Whether somebody sits at the terminal.
    pub attended: bool,
    pub break_lock: bool,
    pub wrapper_delay: Millis,
    pub begin_refused: u64,
}

/// Kinds of trouble; a seed has only some of them, so that each is met without all others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Troubles {
    pub losses: bool,
    pub outages: bool,
    pub bad_steps: bool,
    pub slow_steps: bool,
    pub reboots: bool,
    pub drift: bool,
    pub others: bool,
    pub gaps: bool,
    pub guard: bool,
    pub disk: bool,
    pub clock: bool,
    pub stops: bool,
}

impl Troubles {
    fn new(random: &mut Random) -> Self {
        if random.chance(3) {
            return Self::default();
        }
        let mut some = |percent| random.chance(percent);
        Self {
            losses: some(35),
            outages: some(25),
            bad_steps: some(45),
            slow_steps: some(15),
            reboots: some(30),
            drift: some(20),
            others: some(20),
            gaps: some(15),
            guard: some(20),
            disk: some(15),
            clock: some(20),
            stops: some(15),
        }
    }
}

fn product(id: &str, detect: Thing, residue: Option<Thing>, settle: u64) -> PlannedProduct {
    PlannedProduct {
        id: id.to_owned(),
        name: id.to_owned(),
        class: uproot::model::ProductClass::Product,
        platforms: vec![Platform::Linux],
        after: Vec::new(),
        detect: facts::rule(detect),
        residue: residue.map(facts::rule),
        version: None,
        settle,
    }
}

fn step(id: &str, kind: &str, effect: Option<Thing>) -> PlannedStep {
    PlannedStep {
        id: id.to_owned(),
        product: id.split('/').next().unwrap_or_default().to_owned(),
        kind: kind.to_owned(),
        summary: kind.to_owned(),
        commands: Vec::new(),
        script: "true".to_owned(),
        run_as: "root".to_owned(),
        timeout: 600,
        accept: vec![0],
        reboot_codes: vec![REBOOT_STATUS],
        retry_on: Vec::new(),
        blocked_if: None,
        env: BTreeMap::new(),
        encodings: BTreeMap::new(),
        stdin: None,
        uploads: Vec::new(),
        effect: effect.map(|thing| Rule::Not(Box::new(facts::rule(thing)))),
        condition: None,
        instructions: None,
        already_so: false,
    }
}

/// The step of the policy `if-needed`.
pub const REBOOT_STEP: &str = "host/reboot";
/// What the steps take away, by their ids.
pub const STEPS: [(&str, Thing); 3] =
    [("alpha/1", Thing::Alpha), ("alpha/2", Thing::AlphaPath), ("beta/1", Thing::Beta)];

impl Scenario {
    /// The scenario of a seed.
    pub fn new(random: &mut Random) -> Self {
        let troubles = Troubles::new(random);
        let count = random.between(1, 5) as usize;
        let reboot = if troubles.reboots || random.chance(10) {
            random.pick(&[
                RebootPolicy::Never,
                RebootPolicy::IfNeeded,
                RebootPolicy::IfNeeded,
                RebootPolicy::PendingIsOk,
            ])
        } else {
            RebootPolicy::Never
        };
        let protection = troubles.guard || random.chance(15);
        let products = vec![
            product("alpha", Thing::Alpha, Some(Thing::AlphaPath), random.between(0, 8)),
            product("beta", Thing::Beta, None, random.between(0, 8)),
            product("gamma", Thing::Gamma, None, 0),
        ];
        let guard = protection.then(|| facts::rule(Thing::Guard));
        let rules = products.iter().flat_map(|p| std::iter::once(&p.detect).chain(p.residue.as_ref()));
        let questions = Questions::of_rules(rules.chain(guard.as_ref()));
        let mut plan = Plan {
            uproot_plan: 1,
            id: "plan".to_owned(),
            created: jiff::Timestamp::UNIX_EPOCH,
            operator: "o@c".to_owned(),
            version: "0".to_owned(),
            playbook: "p".to_owned(),
            playbook_digest: "d".to_owned(),
            questions,
            products,
            reboot,
            require_protection: guard,
            secrets: BTreeMap::new(),
            known_hosts: Vec::new(),
            allowed: Vec::new(),
            scope: uproot::model::Scope::default(),
            waves: Vec::new(),
            hosts: Vec::new(),
        };
        let mut hosts = Vec::new();
        for index in 0..count {
            let (planned, host) = make_host(index, &plan, troubles, random);
            plan.hosts.push(planned);
            hosts.push(host);
        }
        plan.waves = waves(&plan.hosts, troubles, random);
        let violent = match random.below(10) {
            0..=3 => 0,
            4..=6 => 1,
            7..=8 => 2,
            _ => random.between(3, 4),
        };
        Self {
            plan,
            hosts,
            troubles,
            violent,
            attended: random.chance(40),
            break_lock: random.chance(10),
            wrapper_delay: 3000,
            begin_refused: if troubles.bad_steps { 2 } else { 0 },
        }
    }
}

fn make_host(index: usize, plan: &Plan, troubles: Troubles, random: &mut Random) -> (PlannedHost, Host) {
    let name = format!("h{index}");
    let all = [Thing::Alpha, Thing::AlphaPath, Thing::Beta];
    let mut things = match random.below(10) {
        0..=4 => Things::of(&all),
        5..=6 => Things::of(&[Thing::Alpha, Thing::AlphaPath]),
        7 => Things::of(&[Thing::Beta]),
        8 => Things::of(&[Thing::AlphaPath]),
        _ => Things::default(),
    };
    things.add(Thing::Guard);
    let planned = planned_host(&name, plan, things, random);
    let mut host = Host::new(name, things, steps(troubles, random));
    befall(&mut host, &planned, troubles, random);
    (planned, host)
}

fn planned_host(name: &str, plan: &Plan, things: Things, random: &mut Random) -> PlannedHost {
    let seen = facts::answer(name, 0, 1, things, &plan.questions);
    let found = findings(plan.products.iter().map(ProductRules::from), &seen);
    let there = |id: &str| {
        found.iter().any(|finding| finding.product == id && finding.result != ProductState::Absent)
    };
    let mut steps = Vec::new();
    if there("alpha") {
        let first = step("alpha/1", "remove_package", Some(Thing::Alpha));
        steps.push(PlannedStep { already_so: !things.has(Thing::Alpha), ..first });
        steps.push(step("alpha/2", "remove_path", Some(Thing::AlphaPath)));
    }
    if there("beta") {
        // An uninstaller of which only its status tells; or one whose effect is known.
        let effect = random.chance(50).then_some(Thing::Beta);
        let refusal = TextPattern("self-defence".to_owned());
        steps.push(PlannedStep { blocked_if: Some(refusal), ..step("beta/1", "run", effect) });
    }
    let reboot = (plan.reboot == RebootPolicy::IfNeeded && !steps.is_empty())
        .then(|| PlannedStep { timeout: 1200, ..step(REBOOT_STEP, PlannedStep::REBOOT, None) });
    let gone_after = ["alpha", "beta"].iter().filter(|id| there(id)).map(|id| (*id).to_owned()).collect();
    let state = if steps.is_empty() { HostState::Clean } else { HostState::Present };
    PlannedHost {
        name: name.to_owned(),
        connection: PlannedConnection {
            kind: PlannedConnection::SSH.to_owned(),
            address: name.to_owned(),
            port: 22,
            user: Some("root".to_owned()),
            platform: None,
            key: None,
            password: None,
            become_method: None,
            become_password: None,
        },
        groups: Vec::new(),
        state,
        reason: String::new(),
        remedy: None,
        platform: Some(Platform::Linux),
        os: None,
        identity: facts::identity(name, 0),
        findings: found,
        steps,
        reboot,
        protection: None,
        not_planned: Vec::<NotPlanned>::new(),
        warnings: Vec::new(),
        gone_after,
    }
}

/// How the steps of a host behave.
fn steps(troubles: Troubles, random: &mut Random) -> Steps {
    let mut steps = Steps::default();
    for (id, thing) in STEPS {
        let mut ways = Vec::new();
        while random.chance(if troubles.bad_steps { 35 } else { 0 }) && ways.len() < 3 {
            ways.push(random.pick(&[
                Way::Fails,
                Way::FailsAfterwards,
                Way::Refuses,
                Way::Lies,
                Way::Detaches,
                Way::Hangs,
                Way::DropsConnection,
            ]));
        }
        if troubles.reboots && random.chance(40) {
            let way = random.pick(&[Way::NeedsReboot, Way::NeedsReboot, Way::GoesAtReboot, Way::Reboots]);
            ways.push(way);
        }
        if troubles.slow_steps && random.chance(30) {
            ways.push(random.pick(&[Way::Slowly, Way::DropsConnection]));
        }
        if troubles.guard && random.chance(15) {
            ways.push(Way::TakesGuard);
        }
        if random.chance(60) {
            ways.push(Way::Well);
        }
        if ways.is_empty() {
            ways.push(Way::Well);
        }
        steps.set(id, thing, ways);
    }
    let mut ways = Vec::new();
    if random.chance(40) {
        ways.push(random.pick(&[Way::BacksUpLate, Way::StaysDown, Way::Swaps, Way::Stays, Way::Fails]));
    }
    ways.push(Way::BacksUp);
    steps.set(REBOOT_STEP, Thing::Gamma, ways);
    steps
}

/// What befell a host between the plan and the apply, or will.
fn befall(host: &mut Host, planned: &PlannedHost, troubles: Troubles, random: &mut Random) {
    if troubles.losses {
        host.loses = random.pick(&[0, 2, 5, 10, 30]);
    }
    if troubles.outages && random.chance(40) {
        host.refuses_until = random.pick(&[5_000, 60_000, 20 * 60_000, Millis::MAX]);
        host.refuses_for_good = host.refuses_until == Millis::MAX && random.chance(50);
    }
    if troubles.drift {
        drift(host, planned, random);
    }
    if troubles.gaps && random.chance(50) {
        host.gappy_looks = random.pick(&[1, 2, 3, u32::MAX]);
    }
    if troubles.guard && random.chance(25) {
        host.things.take(Thing::Guard);
    }
    if troubles.others {
        if random.chance(40) {
            let keeps = random.pick(&[None, Some(2_000), Some(60_000), Some(40 * 60_000)]);
            host.schedule(0, HostEvent::OtherLocks { keeps, breaks: false });
        }
        for _ in 0..random.below(4) {
            let at = random.pick(&[5_000, 60_000, 16 * 60_000, 60 * 60_000]);
            let at = random.between(0, at);
            let keeps = random.pick(&[None, Some(10_000), Some(20 * 60_000)]);
            host.schedule(at, HostEvent::OtherLocks { keeps, breaks: random.chance(20) });
        }
    }
    if troubles.reboots && random.chance(20) {
        let back_after = random.pick(&[Some(30_000), Some(120_000), Some(40 * 60_000), None]);
        let at = random.between(1, 20_000);
        host.schedule(at, HostEvent::GoesDown { back_after, swapped: random.chance(15) });
    }
    host.state_refused = troubles.disk && random.chance(8);
}

/// A change of a host by others, which its plan does not know.
pub fn drift(host: &mut Host, planned: &PlannedHost, random: &mut Random) {
    match random.below(8) {
        0 => host.swap(),
        1 => host.things.add(Thing::Gamma),
        2 => {
            // Everything is gone already: as planned, by no doing of ours.
            for thing in Thing::PRODUCTS {
                host.things.take(thing);
            }
        }
        3 | 4 => {
            let (_, thing) = random.pick(&STEPS);
            host.things.take(thing);
        }
        // What was not there when it was planned.
        5 => host.things.add(Thing::Alpha),
        _ => {}
    }
    // Only of products that the plan removes: others are none of its business.
    let of_plan = |(id, thing): &(&str, Thing)| {
        let product = id.split('/').next().unwrap_or_default();
        planned.gone_after.iter().any(|gone| gone == product)
            && host.things.has(*thing) != host.planned.has(*thing)
    };
    host.drifted = STEPS.iter().any(of_plan);
}

fn waves(hosts: &[PlannedHost], troubles: Troubles, random: &mut Random) -> Vec<PlannedWave> {
    let count = random.between(1, 3.min(hosts.len() as u64)) as usize;
    let mut waves: Vec<PlannedWave> = (0..count)
        .map(|number| PlannedWave {
            name: format!("w{number}"),
            hosts: Vec::new(),
            parallel: Some(random.between(1, 3) as usize),
            max_failures: random.pick(&[
                Budget::Count(0),
                Budget::Count(0),
                Budget::Count(1),
                Budget::Percent(5000),
                Budget::Count(5),
            ]),
            max_unreachable: random.pick(&[None, Some(Budget::Count(0)), Some(Budget::Count(1))]),
            soak: if random.chance(40) { random.between(1, 3600) } else { 0 },
            approve: random.chance(20),
            window: (troubles.clock && random.chance(30)).then(|| {
                let text = random.pick(&[
                    "Mon..Sun 11:30-12:30 UTC",
                    "Mon..Sun 22:00-05:00 UTC",
                    "Wed 12:00-12:01 UTC",
                ]);
                text.parse().expect("a window")
            }),
        })
        .collect();
    for (index, host) in hosts.iter().enumerate() {
        // No wave is empty.
        let wave = if index < count { index } else { random.below(count as u64) as usize };
        waves[wave].hosts.push(host.name.clone());
    }
    waves
}
