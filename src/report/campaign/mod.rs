//! Several runs on one fleet as one campaign: what was seen, planned, begun and done on each host, and which
//! deadlines of a directive were met by which run.
//!
//! A pure function of the runs' reports, a clock and the moment at which it is told. Hosts are those of all
//! runs together, by inventory name. What was told last of a product holds until something else is told: an
//! unknown answer or an unreachable host takes nothing back and proves nothing; the host is *lost sight of*.
//! A host is *done* when every product that was seen on it is proven absent; if one is there again later,
//! it is not. A run whose journal is broken proves nothing: only what it says is there is taken from it.

mod deadlines;
mod history;

use super::{JournalCheck, Report, RunRef};
use crate::directive::{Clock, Goal};
use crate::model::scope::ScopeProfile;
use crate::model::{Exemption, ExitCode, HostState, ProductClass, ProductState};
use crate::scope::built_in_profile;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};

/// Several runs as one.
#[derive(Debug, Clone, PartialEq)]
pub struct Campaign {
    /// The moment as of which it is told.
    pub as_of: Timestamp,
    /// The day of that moment in the zone.
    pub today: Date,
    /// The zone in which days end (IANA).
    pub zone_name: String,
    /// The same, to show days in.
    pub zone: TimeZone,
    /// The directive whose clock it is told by.
    pub directive: Option<CampaignDirective>,
    /// The runs, by the time of their start.
    pub runs: Vec<CampaignRun>,
    /// Runs that were given and ended after the moment as of which it is told: nothing of them is in it.
    pub left_out: Vec<RunRef>,
    /// Every host of any run: what needs attention first, then by name.
    pub hosts: Vec<CampaignHost>,
    /// Every product that was ever seen or could not be told, by id.
    pub products: Vec<CampaignProduct>,
    /// How many hosts are what, at the end.
    pub counts: HostCounts,
    /// The directive's deadlines in their order; a repeating one has an entry for each occurrence.
    pub deadlines: Vec<DeadlineReport>,
    /// How many hosts were what after each run, by the time of its end: what a burn-down is drawn from.
    pub progress: Vec<ProgressPoint>,
    /// What else a reader must know.
    pub notes: Vec<String>,
}

/// The directive of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignDirective {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What else must be known of it.
    pub note: Option<String>,
    /// Where it can be read.
    pub sources: Vec<String>,
    /// Whether a source for it was read.
    pub confirmed: bool,
    /// SHA-256 (hex) of its document.
    pub digest: String,
    /// The day from which days are counted; none: none is.
    pub since: Option<Date>,
}

/// One run of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignRun {
    /// Its id.
    pub run: String,
    /// Its verb.
    pub verb: String,
    /// When it started.
    pub started: Timestamp,
    /// When it ended; of an unfinished run, its last record.
    pub ended: Timestamp,
    /// Whether it has an end record.
    pub finished: bool,
    /// Why it was stopped.
    pub stopped: Option<String>,
    /// What checking its journal gave; none: it was not checked.
    pub check: Option<JournalCheck>,
    /// How many hosts it has.
    pub hosts: usize,
    /// On how many of them every question was asked and answered.
    pub answered: usize,
    /// What it exited with.
    pub exit: ExitCode,
}

/// Something that happened, and in which run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// The run's id.
    pub run: String,
}

/// What a host is at the end of a campaign. The order is the order of attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostStatus {
    /// A product that counts is there, by what was told last.
    Remaining,
    /// It never answered every question, or a product was never told.
    Unknown,
    /// Only what the runs' scope leaves out or a waiver allows is there.
    Exempt,
    /// Products were seen, and all of them are proven absent.
    Removed,
    /// It answered every question, and no product was ever seen.
    Free,
}

impl HostStatus {
    /// Every status, what needs attention first.
    pub const ALL: [Self; 5] = [Self::Remaining, Self::Unknown, Self::Exempt, Self::Removed, Self::Free];

    /// The word used in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Remaining => "remaining",
            Self::Unknown => "unknown",
            Self::Exempt => "exempt",
            Self::Removed => "removed",
            Self::Free => "free",
        }
    }
}

/// One host of a campaign.
#[derive(Debug, Clone, PartialEq)]
pub struct CampaignHost {
    /// Its inventory name.
    pub host: String,
    /// Groups it belongs to, by its newest run.
    pub groups: Vec<String>,
    /// What it is at the end.
    pub status: HostStatus,
    /// In which state its newest run ended it.
    pub state: HostState,
    /// When it first answered every question.
    pub answered: Option<Moment>,
    /// When a product that counts was first seen on it.
    pub first_seen: Option<Moment>,
    /// When it was first looked at for a plan, or worked on by one, with a product on it.
    pub planned: Option<Moment>,
    /// When the first step of a removal was begun on it.
    pub begun: Option<Moment>,
    /// Since when every product that was seen on it is proven absent.
    pub done: Option<Moment>,
    /// Since when nothing that counts is there, seen before or not.
    pub free_since: Option<Moment>,
    /// When it last told anything.
    pub last_look: Option<Moment>,
    /// When a product that had been proven absent was there again, the last time.
    pub came_back: Option<Moment>,
    /// The newest attempt to look at it, where that told nothing (or not everything) that was known before.
    pub lost_sight: Option<Moment>,
    /// Its products that were ever seen or could never be told, by id.
    pub products: Vec<HostProduct>,
}

/// One product on one host.
#[derive(Debug, Clone, PartialEq)]
pub struct HostProduct {
    /// Its id.
    pub product: String,
    /// Its name for people.
    pub name: String,
    /// What kind of thing it is.
    pub class: ProductClass,
    /// The version that was read last.
    pub version: Option<String>,
    /// When it was first seen.
    pub first_seen: Option<Moment>,
    /// When its first step was begun.
    pub begun: Option<Moment>,
    /// Since when it is proven absent, after it had been seen.
    pub done: Option<Moment>,
    /// When it was there again after that, the last time.
    pub came_back: Option<Moment>,
    /// What was told of it last; none: it could never be told.
    pub last: Option<ProductState>,
    /// What the runs' scope makes of it.
    pub exemption: Option<Exemption>,
    /// Whether it counts: neither out of scope nor under a waiver that is in force on the day as of which this is told.
    pub counts: bool,
}

/// One product over all hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignProduct {
    /// Its id.
    pub product: String,
    /// Its name for people.
    pub name: String,
    /// When it was first seen anywhere.
    pub first_seen: Option<Moment>,
    /// When its first step was begun anywhere.
    pub begun: Option<Moment>,
    /// When it was proven absent from the last host that had it; none: it is not, or was never seen.
    pub done: Option<Moment>,
    /// On how many hosts it was ever seen.
    pub seen: usize,
    /// On how many of those it is proven absent now.
    pub removed: usize,
    /// On how many it is there and counts.
    pub remaining: usize,
    /// On how many it is there and does not count.
    pub exempt: usize,
    /// On how many it could never be told.
    pub unknown: usize,
}

/// How many hosts are what. Each host is in exactly one of `remaining`, `unknown`, `exempt`, `removed`, `free`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostCounts {
    /// All hosts that were in any run so far.
    pub hosts: usize,
    /// On how many a product that counts was ever seen.
    pub found: usize,
    /// See [`HostStatus::Remaining`].
    pub remaining: usize,
    /// See [`HostStatus::Unknown`].
    pub unknown: usize,
    /// See [`HostStatus::Exempt`].
    pub exempt: usize,
    /// See [`HostStatus::Removed`].
    pub removed: usize,
    /// See [`HostStatus::Free`].
    pub free: usize,
    /// How many of all these were lost sight of.
    pub lost: usize,
}

/// How many hosts were what after a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressPoint {
    /// When the run ended, and which it is.
    pub after: Moment,
    /// Its verb.
    pub verb: String,
    /// The hosts.
    pub counts: HostCounts,
}

/// How a deadline stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeadlineState {
    /// Achieved by its day.
    Met,
    /// Achieved after its day.
    MetLate,
    /// Its day is over and by then it was achieved on some hosts only.
    Partly,
    /// Its day is over, by then it was achieved nowhere, and it is not achieved now.
    Missed,
    /// Its day is still to come, or is today.
    Open,
    /// Of a report to someone: there is a run of that time to report from. That it was sent no journal says.
    Ready,
    /// There is nothing to achieve: every host answered, and nothing was found.
    NothingToDo,
    /// Its clock has not started: nothing was seen.
    NotStarted,
}

impl DeadlineState {
    /// The word used in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::MetLate => "met late",
            Self::Partly => "partly",
            Self::Missed => "missed",
            Self::Open => "open",
            Self::Ready => "ready",
            Self::NothingToDo => "nothing to do",
            Self::NotStarted => "not started",
        }
    }
}

/// One deadline, or one occurrence of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadlineReport {
    /// Its id in the directive.
    pub id: String,
    /// What must be achieved, in words.
    pub what: String,
    /// Of which kind that is.
    pub goal: Goal,
    /// Which occurrence of a repeating deadline, from 1.
    pub number: Option<u32>,
    /// The last day; none: its clock has not started.
    pub day: Option<Date>,
    /// The first moment after that day.
    pub end: Option<Timestamp>,
    /// How many days are left: 0 on the day itself, negative when it is over.
    pub days_left: Option<i64>,
    /// How it stands.
    pub state: DeadlineState,
    /// By what it was achieved, where it was; of a report, the run to report from.
    pub by: Option<Moment>,
    /// On how many hosts it is achieved, by its day where that is over.
    pub achieved: usize,
    /// Of how many hosts.
    pub of: usize,
    /// The hosts on which it is not achieved as of now, by name.
    pub missing: Vec<String>,
    /// The evidence in a sentence. May hold strings of hosts: escape before showing.
    pub evidence: String,
    /// Whether a source for it was read.
    pub confirmed: bool,
    /// Whether anyone is obliged to it.
    pub binding: bool,
}

impl Campaign {
    /// Puts runs together. `clock`: the directive to tell it by; `zone`: where days end without one, with its
    /// name; `now`: the moment as of which it is told.
    #[must_use]
    pub fn of(reports: &[Report], clock: Option<&Clock<'_>>, zone: (TimeZone, &str), now: Timestamp) -> Self {
        let (zone, zone_name) = match clock {
            Some(clock) => (clock.zone.clone(), clock.zone_name.clone()),
            None => (zone.0, zone.1.to_owned()),
        };
        let mut reports: Vec<&Report> = reports.iter().collect();
        reports.sort_by(|a, b| a.started.cmp(&b.started).then_with(|| a.run.cmp(&b.run)));
        reports.dedup_by(|a, b| a.run == b.run);
        let (runs, late): (Vec<&Report>, Vec<&Report>) =
            reports.into_iter().partition(|report| report.ended <= now);
        let told = history::tell(&runs, now);
        let mut campaign = Self {
            as_of: now,
            today: crate::directive::clock::day_of(now, &zone),
            zone_name,
            zone,
            directive: clock.map(CampaignDirective::of),
            notes: notes(&runs, &late, clock, &told.machines),
            runs: runs.iter().map(|report| CampaignRun::of(report)).collect(),
            left_out: late.into_iter().map(RunRef::of).collect(),
            counts: told.progress.last().map(|point| point.counts).unwrap_or_default(),
            products: history::products(&told.hosts),
            hosts: told.hosts,
            deadlines: Vec::new(),
            progress: told.progress,
        };
        if let Some(clock) = clock {
            campaign.deadlines = deadlines::tell(&campaign, clock);
        }
        campaign
    }

    /// Whether every host answered every question and no product was ever seen: a nil return.
    #[must_use]
    pub fn is_nil_return(&self) -> bool {
        self.counts.hosts > 0 && self.counts.free == self.counts.hosts && self.counts.lost == 0
    }

    /// What it makes a process exit with: 1 where a product that counts remains, 3 where a host never answered,
    /// was lost sight of, or a run is broken or not finished, 0 else. Deadlines do not enter: a missed one cannot be
    /// mended.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        if self.counts.remaining > 0 {
            return ExitCode::Found;
        }
        let runs_are_whole = self.runs.iter().all(|run| run.finished && !run.is_broken());
        let all_told = self.counts.hosts > 0 && self.counts.unknown == 0 && self.counts.lost == 0;
        if runs_are_whole && all_told { ExitCode::Success } else { ExitCode::CannotVouch }
    }
}

impl CampaignDirective {
    fn of(clock: &Clock<'_>) -> Self {
        let directive = clock.directive;
        Self {
            id: directive.id.clone(),
            name: directive.name.clone(),
            note: directive.note.clone(),
            sources: directive.sources.clone(),
            confirmed: directive.confirmed,
            digest: directive.digest.clone(),
            since: clock.since,
        }
    }
}

impl CampaignRun {
    fn of(report: &Report) -> Self {
        Self {
            run: report.run.clone(),
            verb: report.verb.clone(),
            started: report.started,
            ended: report.ended,
            finished: report.finished,
            stopped: report.stopped.clone(),
            check: report.check.clone(),
            hosts: report.hosts.len(),
            answered: report.hosts.iter().filter(|host| history::answered(report, host)).count(),
            exit: report.exit_code(),
        }
    }

    /// Whether its journal was checked and is broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.check.as_ref().is_some_and(JournalCheck::is_broken)
    }
}

fn notes(runs: &[&Report], late: &[&Report], clock: Option<&Clock<'_>>, machines: &[String]) -> Vec<String> {
    let mut notes = Vec::new();
    for report in runs {
        if report.check.as_ref().is_some_and(JournalCheck::is_broken) {
            notes.push(format!("the journal of run {} is broken: what it says proves nothing", report.run));
        }
        if let Some(reason) = &report.stopped {
            notes.push(format!("run {} was stopped: {reason}", report.run));
        } else if !report.finished {
            notes.push(format!("run {} is not finished: its journal has no end record", report.run));
        }
    }
    for report in late {
        notes.push(format!("run {} ended after the moment as of which this is told: left out", report.run));
    }
    notes.extend(scope_notes(runs, clock));
    notes.extend(unasked_notes(runs));
    notes.extend(machines.iter().cloned());
    notes
}

/// Whether the runs counted the same, and as the directive has it. A profile is what its document says, not what
/// it is called.
fn scope_notes(runs: &[&Report], clock: Option<&Clock<'_>>) -> Vec<String> {
    let mut notes = Vec::new();
    let profiles = || runs.iter().map(|report| report.scope.profile.as_ref());
    let told =
        |profile: Option<&ScopeProfile>| profile.map(|profile| (profile.id.clone(), profile.digest.clone()));
    let scopes: BTreeSet<Option<(String, String)>> = profiles().map(told).collect();
    let short = |digest: &str| digest.chars().take(16).collect::<String>();
    let words = |scope: &Option<(String, String)>| match scope {
        None => "everything".to_owned(),
        Some((id, digest)) if scopes.iter().flatten().filter(|(other, _)| other == id).count() > 1 => {
            format!("`{id}` (SHA-256 {})", short(digest))
        }
        Some((id, _)) => format!("`{id}`"),
    };
    if scopes.len() > 1 {
        let list = scopes.iter().map(words).collect::<Vec<_>>().join(", ");
        notes.push(format!("the runs did not count the same: {list}"));
    }
    let Some(directive) = clock.map(|clock| &clock.directive.id) else { return notes };
    if scopes.iter().flatten().any(|(id, _)| id != directive) {
        notes.push(format!("a run counted by a scope that is not the one of `{directive}`"));
    }
    let is_other = |profile: &&(String, String)| {
        let (id, digest) = profile;
        let built_in = || built_in_profile(id).and_then(Result::ok);
        id == directive && built_in().is_some_and(|known| known.profile.digest != *digest)
    };
    if let Some((id, digest)) = scopes.iter().flatten().find(is_other) {
        notes.push(format!(
            "a run counted by a scope called `{id}` (SHA-256 {}) that is not the built-in one of that name",
            short(digest)
        ));
    }
    notes
}

/// Which run did not look for a product on a host for which a run before it did: another playbook, or another
/// platform. Nothing of it is told by that run.
fn unasked_notes(runs: &[&Report]) -> Vec<String> {
    let mut asked: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut notes = Vec::new();
    for report in runs {
        let mut unasked: BTreeMap<&str, usize> = BTreeMap::new();
        for host in report.hosts.iter().filter(|host| !host.findings.is_empty()) {
            let now: BTreeSet<&str> = host.findings.iter().map(|finding| finding.product.as_str()).collect();
            let before = asked.entry(&host.host).or_default();
            for product in before.difference(&now) {
                *unasked.entry(product).or_default() += 1;
            }
            before.extend(now);
        }
        if unasked.is_empty() {
            continue;
        }
        let count = unasked.values().max().copied().unwrap_or_default();
        let products: Vec<String> = unasked.keys().map(|product| format!("`{product}`")).collect();
        let (products, run) = (super::next::some_of(&products), &report.run);
        let hosts = if count == 1 { "1 host" } else { &format!("up to {count} hosts") };
        notes.push(format!("run {run} did not look for {products} on {hosts}, where a run before it had"));
    }
    notes
}
