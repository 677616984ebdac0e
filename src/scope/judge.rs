//! Findings × scope → which of them count.

use crate::inventory::HostPattern;
use crate::model::scope::{ScopeEntry, Waiver};
use crate::model::{Exemption, ExemptionKind, Finding, Place, ProductClass, ProductState, Scope};
use crate::playbook::{Matcher, Pattern};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A scope made ready to judge many hosts at one time.
pub struct Judge<'s> {
    entries: Vec<Entry<'s>>,
    waivers: Vec<Ready<'s>>,
}

/// Why a successor does not count, whatever the profile: no directive covers it, and it is listed all the same.
const SUCCESSOR: &str = "another company's product, which came in the place of one of Kaspersky's";

struct Entry<'s> {
    class: Option<ProductClass>,
    product: Option<Matcher>,
    entry: &'s ScopeEntry,
}

/// A waiver with its patterns compiled.
pub(super) struct Ready<'s> {
    pub(super) waiver: &'s Waiver,
    /// None: it is not valid, and selects nobody.
    pub(super) hosts: Option<HostPattern>,
    product: Matcher,
    pub(super) in_force: bool,
}

impl Ready<'_> {
    pub(super) fn covers(&self, finding: &Finding) -> bool {
        self.product.matches(&finding.product).is_true()
    }
}

/// The day of a time in UTC, which waivers are measured by.
pub(super) fn day(now: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(now).date()
}

/// Where a pattern of a scope stands, once its file is no more at hand.
fn nowhere() -> Place {
    Place { file: "scope".into(), line: 1, column: 1, length: 1 }
}

pub(super) fn ready(scope: &Scope, now: Timestamp) -> Vec<Ready<'_>> {
    let today = day(now);
    let waivers = scope.waivers.iter().flat_map(|list| &list.waivers);
    let ready = waivers.map(|waiver| Ready {
        waiver,
        hosts: HostPattern::parse(&waiver.hosts, &nowhere()).ok(),
        product: Pattern::new(&waiver.product).matcher(),
        in_force: today <= waiver.until,
    });
    ready.collect()
}

impl<'s> Judge<'s> {
    /// Makes a scope ready to judge by, at this time.
    #[must_use]
    pub fn new(scope: &'s Scope, now: Timestamp) -> Self {
        let out = scope.profile.iter().flat_map(|profile| &profile.out);
        let entries = out.map(|entry| Entry {
            class: entry.class,
            product: entry.product.as_ref().map(|product| Pattern::new(product).matcher()),
            entry,
        });
        Self { entries: entries.collect(), waivers: ready(scope, now) }
    }

    /// Says of each finding of a host whether it counts; what was said before is forgotten. `groups`: none
    /// where nothing is known of them; then a waiver that depends on them does not hold.
    pub fn judge(&self, host: &str, groups: Option<&[String]>, findings: &mut [Finding]) {
        let selects = |ready: &&Ready<'s>| {
            ready.hosts.as_ref().is_some_and(|hosts| hosts.selects(host, groups).is_true())
        };
        let waivers: Vec<&Ready<'s>> = self.waivers.iter().filter(selects).collect();
        for finding in findings {
            let there = finding.result != ProductState::Absent;
            finding.exemption = if there { self.exemption(finding, &waivers) } else { None };
        }
    }

    /// The profile first; then what is no Kaspersky product; then a waiver that is in force; then one that is over.
    fn exemption(&self, finding: &Finding, waivers: &[&Ready<'s>]) -> Option<Exemption> {
        if let Some(entry) = self.entries.iter().find(|entry| entry.covers(finding)) {
            let reason = entry.entry.reason.clone();
            return Some(Exemption { kind: ExemptionKind::OutOfScope, reason, ticket: None, until: None });
        }
        if finding.class == ProductClass::Successor {
            let reason = SUCCESSOR.to_owned();
            return Some(Exemption { kind: ExemptionKind::OutOfScope, reason, ticket: None, until: None });
        }
        let mut covering = waivers.iter().filter(|ready| ready.covers(finding));
        let first = covering.next()?;
        let best =
            if first.in_force { first } else { covering.find(|ready| ready.in_force).unwrap_or(first) };
        let kind = if best.in_force { ExemptionKind::Waived } else { ExemptionKind::WaiverExpired };
        let Waiver { reason, ticket, until, .. } = best.waiver;
        Some(Exemption { kind, reason: reason.clone(), ticket: Some(ticket.clone()), until: Some(*until) })
    }
}

impl Entry<'_> {
    /// An entry that names neither leaves nothing out; one that names both wants both.
    fn covers(&self, finding: &Finding) -> bool {
        let class = self.class.map(|class| class == finding.class);
        let product = self.product.as_ref().map(|product| product.matches(&finding.product).is_true());
        [class, product].into_iter().flatten().reduce(|a, b| a && b).unwrap_or(false)
    }
}

/// What is wrong with a scope that did not come from its files: one in a plan that was altered.
#[must_use]
pub fn defects(scope: &Scope) -> Vec<String> {
    let mut found = Vec::new();
    for entry in scope.profile.iter().flat_map(|profile| &profile.out) {
        if entry.class.is_none() && entry.product.is_none() {
            found.push("an entry of its scope profile names neither a class nor a product".to_owned());
        }
    }
    let products =
        scope.profile.iter().flat_map(|profile| &profile.out).filter_map(|out| out.product.as_ref());
    let waivers = || scope.waivers.iter().flat_map(|list| &list.waivers);
    for product in products.chain(waivers().map(|waiver| &waiver.product)) {
        if let Err(why) = Pattern::new(product).check() {
            found.push(format!("`{product}` in its scope is no pattern of products: {why}"));
        }
    }
    for waiver in waivers() {
        if let Err(wrong) = HostPattern::parse(&waiver.hosts, &nowhere()) {
            found.push(format!("`{}` in its scope is no pattern of hosts: {}", waiver.hosts, wrong.message));
        }
    }
    found
}
