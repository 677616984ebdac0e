//! The history of each host, event by event over all runs.

use super::{CampaignHost, CampaignProduct, HostCounts, HostProduct, HostStatus, Moment, ProgressPoint};
use crate::model::scope::{Exemption, ExemptionKind};
use crate::model::{Finding, HostState, ProductState};
use crate::report::looks::{Look, is_back, is_other_machine, is_there, looks};
use crate::report::{HostReport, Report};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// What all runs tell together.
pub(super) struct Told {
    /// Every host, what needs attention first.
    pub(super) hosts: Vec<CampaignHost>,
    /// After each run.
    pub(super) progress: Vec<ProgressPoint>,
    /// Names that belonged to more than one machine, in words.
    pub(super) machines: Vec<String>,
}

/// Tells the history of every host. `runs` by the time of their start.
pub(super) fn tell(runs: &[&Report], now: Timestamp) -> Told {
    let day = TimeZone::UTC.to_datetime(now).date();
    let mut events = events(runs);
    events.sort_by_key(|event| (event.at, event.run));
    let mut ends: Vec<&Report> = runs.to_vec();
    ends.sort_by(|a, b| a.ended.cmp(&b.ended).then_with(|| a.started.cmp(&b.started)));
    let mut hosts: BTreeMap<&str, History<'_>> = BTreeMap::new();
    let mut machines = Vec::new();
    let mut progress = Vec::new();
    let mut events = events.into_iter().peekable();
    for (index, report) in ends.iter().enumerate() {
        let is_last = index + 1 == ends.len();
        while let Some(event) = events.next_if(|event| is_last || event.at <= report.ended) {
            let history = hosts.entry(&event.host.host).or_default();
            let run = runs.get(event.run).map(|report| report.run.clone()).unwrap_or_default();
            machines.extend(history.is_the_machine(event.host));
            history.take(&event, Moment { at: event.at, run }, day);
        }
        progress.push(ProgressPoint {
            after: Moment { at: report.ended, run: report.run.clone() },
            verb: report.verb.clone(),
            counts: count(hosts.values()),
        });
    }
    let mut hosts: Vec<CampaignHost> =
        hosts.into_iter().map(|(host, history)| history.finish(host)).collect();
    let is_fine = |host: &CampaignHost| host.came_back.is_none() && host.lost_sight.is_none();
    hosts.sort_by(|a, b| (a.status, is_fine(a), &a.host).cmp(&(b.status, is_fine(b), &b.host)));
    Told { hosts, progress, machines }
}

/// Whether every question that counts was asked and answered on a host of a run.
pub(super) fn answered(report: &Report, host: &HostReport) -> bool {
    let told = |finding: &Finding| finding.is_exempt() || finding.result != ProductState::Unknown;
    !report.is_broken() && looks(report, host).last().is_some_and(|look| look.findings.iter().all(told))
}

/// Something that a run tells of a host.
struct Event<'a> {
    at: Timestamp,
    /// The run's index.
    run: usize,
    host: &'a HostReport,
    what: What<'a>,
}

enum What<'a> {
    /// The host is in the run.
    Named,
    /// The rules were evaluated. `plans`: for a plan. `proves`: whether the journal is whole; one that is broken
    /// proves nothing, but what it says is there is looked for.
    Look { look: Look<'a>, plans: bool, proves: bool },
    /// A plan with steps for the host was applied.
    Applied,
    /// A step of a product was begun.
    Begun(&'a str),
    /// It was tried, and told nothing.
    InVain,
}

fn events<'a>(runs: &[&'a Report]) -> Vec<Event<'a>> {
    let mut events = Vec::new();
    for (run, report) in runs.iter().enumerate() {
        for host in &report.hosts {
            let mut add = |at, what| events.push(Event { at, run, host, what });
            let started = host.started.unwrap_or(report.started);
            let proves = !report.is_broken();
            add(report.started, What::Named);
            if proves && !host.steps.is_empty() {
                add(started, What::Applied);
            }
            let looks = looks(report, host);
            let tried = host.started.is_some() || host.state == HostState::Unreachable;
            if looks.is_empty() && tried {
                add(host.ended.unwrap_or(report.ended), What::InVain);
            }
            for look in looks {
                add(look.at, What::Look { look, plans: report.verb == "plan", proves });
            }
            for step in host.steps.iter().filter(|_| proves) {
                if let Some(at) = step.begun {
                    add(at, What::Begun(&step.product));
                }
            }
        }
    }
    events
}

/// What is known of a host so far.
#[derive(Default)]
struct History<'a> {
    newest: Option<&'a HostReport>,
    machine: Option<&'a HostReport>,
    answered: Option<Moment>,
    planned: Option<Moment>,
    begun: Option<Moment>,
    free_since: Option<Moment>,
    last_look: Option<Moment>,
    lost_sight: Option<Moment>,
    /// Whether by its newest look a removal waits for a reboot.
    pending: bool,
    products: BTreeMap<&'a str, Product<'a>>,
}

/// What is known of a product on a host so far.
#[derive(Default)]
struct Product<'a> {
    finding: Option<&'a Finding>,
    version: Option<&'a str>,
    first_seen: Option<Moment>,
    begun: Option<Moment>,
    done: Option<Moment>,
    came_back: Option<Moment>,
    last: Option<ProductState>,
    /// Whether the newest look could not tell it.
    open: bool,
    counts: bool,
}

impl<'a> History<'a> {
    /// A note, where the name belonged to another machine before.
    fn is_the_machine(&mut self, host: &'a HostReport) -> Option<String> {
        let now = host.identity.as_ref()?;
        let before = self.machine.replace(host).and_then(|host| host.identity.as_ref())?;
        is_other_machine(before, now).then(|| {
            let key =
                |identity: &crate::model::MachineIdentity| identity.same_machine_key().unwrap_or_default();
            format!("host {} was another machine before: {}, now {}", host.host, key(before), key(now))
        })
    }

    fn take(&mut self, event: &Event<'a>, moment: Moment, day: Date) {
        match &event.what {
            What::Named => self.newest = Some(event.host),
            What::Applied => {
                self.planned.get_or_insert(moment);
            }
            What::Begun(product) => {
                let product = self.products.entry(product).or_default();
                product.begun.get_or_insert_with(|| moment.clone());
                self.begun.get_or_insert(moment);
            }
            What::InVain => self.lost_sight = self.last_look.is_some().then_some(moment),
            What::Look { look, plans, proves } => {
                self.pending = event.host.state == HostState::RemovedRebootPending;
                self.look(look, *plans && *proves, *proves, moment, day);
            }
        }
    }

    fn look(&mut self, look: &Look<'a>, plans: bool, proves: bool, moment: Moment, day: Date) {
        let mut lost = false;
        for finding in look.findings {
            let product = self.products.entry(finding.product.as_str()).or_default();
            let told = look.told(finding, product.first_seen.is_some());
            product.take(finding, told.filter(|state| proves || is_there(*state)), &moment, day);
            let is_untold = finding.result == ProductState::Unknown || !(proves || product.is_there());
            lost |= is_untold && product.counts && product.last.is_some();
        }
        // A product that is known and was not looked for.
        let asked = |id: &str| look.findings.iter().any(|finding| finding.product == id);
        lost |= self.products.iter().any(|(id, product)| product.is_open_question() && !asked(id));
        self.lost_sight = lost.then(|| moment.clone());
        self.last_look = Some(moment.clone());
        let is_open = |id: &str, product: &Product<'_>| {
            let of_id = |finding: &&Finding| finding.product == id;
            match look.findings.iter().find(of_id) {
                Some(finding) => finding.result == ProductState::Unknown,
                // An earlier look could not tell it, and this one did not ask.
                None => product.last.is_none(),
            }
        };
        if proves && !self.products.iter().any(|(id, product)| product.counts && is_open(id, product)) {
            self.answered.get_or_insert_with(|| moment.clone());
        }
        let status = self.status();
        if plans && status == HostStatus::Remaining {
            self.planned.get_or_insert_with(|| moment.clone());
        }
        match status {
            HostStatus::Remaining | HostStatus::Unknown => self.free_since = None,
            HostStatus::Exempt | HostStatus::Removed | HostStatus::Free => {
                self.free_since.get_or_insert(moment);
            }
        }
    }

    fn counted(&self) -> impl Iterator<Item = &Product<'a>> {
        self.products.values().filter(|product| product.counts)
    }

    fn status(&self) -> HostStatus {
        if self.counted().any(Product::is_there) {
            HostStatus::Remaining
        } else if self.answered.is_none()
            || self.counted().any(|product| product.open && product.last.is_none())
            // What goes with that reboot, none of these runs saw.
            || self.pending
        {
            HostStatus::Unknown
        } else if self
            .products
            .values()
            .any(|product| !product.counts && (product.open || product.is_there()))
        {
            HostStatus::Exempt
        } else if self.was_seen() {
            HostStatus::Removed
        } else {
            HostStatus::Free
        }
    }

    fn was_seen(&self) -> bool {
        self.counted().any(|product| product.first_seen.is_some())
    }

    fn finish(self, host: &str) -> CampaignHost {
        let status = self.status();
        let seen = self.counted().filter_map(|product| product.first_seen.as_ref());
        let came_back = self.counted().filter_map(|product| product.came_back.as_ref());
        let done = self.free_since.clone().filter(|_| self.was_seen());
        CampaignHost {
            host: host.to_owned(),
            groups: self.newest.map(|host| host.groups.clone()).unwrap_or_default(),
            status,
            state: self.newest.map_or(HostState::Unknown, |host| host.state),
            first_seen: seen.min().cloned(),
            came_back: came_back.max().cloned(),
            done,
            answered: self.answered,
            planned: self.planned,
            begun: self.begun,
            free_since: self.free_since,
            last_look: self.last_look,
            lost_sight: self.lost_sight,
            products: self.products.into_iter().filter_map(|(id, product)| product.finish(id)).collect(),
        }
    }
}

impl<'a> Product<'a> {
    fn take(&mut self, finding: &'a Finding, told: Option<ProductState>, moment: &Moment, day: Date) {
        self.finding = Some(finding);
        self.counts = !is_exempt_on(finding.exemption.as_ref(), day);
        self.version = finding.version.as_deref().or(self.version);
        self.open = told.is_none();
        let Some(told) = told else { return };
        if self.first_seen.is_some() && self.last.is_some_and(|before| is_back(before, told)) {
            self.came_back = Some(moment.clone());
        }
        if is_there(told) {
            self.first_seen.get_or_insert_with(|| moment.clone());
            self.done = None;
        } else if self.first_seen.is_some() {
            self.done.get_or_insert_with(|| moment.clone());
        }
        self.last = Some(told);
    }

    fn is_there(&self) -> bool {
        self.last.is_some_and(is_there)
    }

    /// Whether it must be looked for again: it counts and was there.
    fn is_open_question(&self) -> bool {
        self.counts && self.is_there()
    }

    /// None where there is nothing to say of it.
    fn finish(self, id: &str) -> Option<HostProduct> {
        if self.first_seen.is_none() && self.last.is_some() {
            return None;
        }
        let finding = self.finding;
        Some(HostProduct {
            product: id.to_owned(),
            name: finding.map_or_else(|| id.to_owned(), |finding| finding.name.clone()),
            class: finding.map(|finding| finding.class).unwrap_or_default(),
            version: self.version.map(str::to_owned),
            first_seen: self.first_seen,
            begun: self.begun,
            done: self.done,
            came_back: self.came_back,
            last: self.last,
            exemption: finding.and_then(|finding| finding.exemption.clone()),
            counts: self.counts,
        })
    }
}

/// Whether an exemption leaves a finding out on a day: a waiver that is over by then does not.
fn is_exempt_on(exemption: Option<&Exemption>, day: Date) -> bool {
    exemption.is_some_and(|exemption| {
        exemption.kind.exempts()
            && (exemption.kind != ExemptionKind::Waived || exemption.until.is_none_or(|until| day <= until))
    })
}

fn count<'a, 'b: 'a>(hosts: impl Iterator<Item = &'a History<'b>>) -> HostCounts {
    let mut counts = HostCounts::default();
    for host in hosts {
        counts.hosts += 1;
        counts.found += usize::from(host.was_seen());
        counts.lost += usize::from(host.lost_sight.is_some());
        *match host.status() {
            HostStatus::Remaining => &mut counts.remaining,
            HostStatus::Unknown => &mut counts.unknown,
            HostStatus::Exempt => &mut counts.exempt,
            HostStatus::Removed => &mut counts.removed,
            HostStatus::Free => &mut counts.free,
        } += 1;
    }
    counts
}

/// The products over all hosts, by id.
pub(super) fn products(hosts: &[CampaignHost]) -> Vec<CampaignProduct> {
    let mut products: BTreeMap<&str, CampaignProduct> = BTreeMap::new();
    for product in hosts.iter().flat_map(|host| &host.products) {
        let known = products.entry(&product.product).or_insert_with(|| CampaignProduct {
            product: product.product.clone(),
            name: product.name.clone(),
            first_seen: None,
            begun: None,
            done: None,
            seen: 0,
            removed: 0,
            remaining: 0,
            exempt: 0,
            unknown: 0,
        });
        let earlier = |a: &Option<Moment>, b: &Option<Moment>| a.iter().chain(b).min().cloned();
        known.first_seen = earlier(&known.first_seen, &product.first_seen);
        known.begun = earlier(&known.begun, &product.begun);
        known.done = known.done.iter().chain(&product.done).max().cloned();
        let there = product.last.is_some_and(is_there);
        known.seen += usize::from(product.first_seen.is_some());
        known.removed += usize::from(product.done.is_some());
        known.remaining += usize::from(there && product.counts);
        known.exempt += usize::from(there && !product.counts);
        known.unknown += usize::from(product.last.is_none());
    }
    let mut products: Vec<CampaignProduct> = products.into_values().collect();
    for product in &mut products {
        if product.removed < product.seen || product.unknown > 0 {
            product.done = None;
        }
    }
    products
}
