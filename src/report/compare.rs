//! What differs between a run and the ones before it.
//!
//! Only what was told counts: a product that could not be told in a run is neither there nor gone in it,
//! and one whose removal waits for a reboot is not gone yet. The run that is compared adds to the earlier
//! ones what it found before its own steps.

use super::looks::{by_name, is_back, is_other_machine, is_there, looks};
use super::{HostReport, Report};
use crate::model::{ExitCode, Finding, HostState, MachineIdentity, ProductState};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// A run that another one is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRef {
    /// Its id.
    pub run: String,
    /// Its verb.
    pub verb: String,
    /// When it started.
    pub started: Timestamp,
}

impl RunRef {
    /// For a run.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        Self { run: report.run.clone(), verb: report.verb.clone(), started: report.started }
    }
}

/// What differs between a run and earlier ones, product by product on each host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The earlier runs, oldest first.
    pub against: Vec<RunRef>,
    /// Every pair of host and product that is or was there or could not be told, in order of attention, then
    /// by host and product.
    pub changes: Vec<Change>,
}

/// One product on one host, then and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The host's inventory name.
    pub host: String,
    /// The product's id; none: the host as a whole was lost sight of, before its products were known.
    pub product: Option<String>,
    /// The product's name for people.
    pub name: Option<String>,
    /// What happened.
    pub kind: ChangeKind,
    /// What it was when it was last told; none: never told.
    pub before: Option<ProductState>,
    /// What it is now; none: not told.
    pub after: Option<ProductState>,
    /// The state of the host now; none: the host is not in this run.
    pub state: Option<HostState>,
}

/// How a product on a host differs from before. The order is the order of attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It had been proven gone and is there again, or had been proven not to be installed (residue only) and
    /// is installed.
    CameBack,
    /// It is there and was never seen before.
    New,
    /// It was there before and still is.
    StillThere,
    /// It was told before and cannot be told now: the host was not reached, not read, or not in the run.
    LostSight,
    /// It was there before and is proven gone.
    Gone,
}

impl ChangeKind {
    /// Every kind, in order of attention.
    pub const ALL: [Self; 5] = [Self::CameBack, Self::New, Self::StillThere, Self::LostSight, Self::Gone];

    /// The word used in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::CameBack => "came back",
            Self::New => "new",
            Self::StillThere => "still there",
            Self::LostSight => "lost sight of",
            Self::Gone => "gone",
        }
    }
}

/// Why runs cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// A run with itself.
    #[error("run {run} cannot be compared with itself")]
    Itself {
        /// The run.
        run: String,
    },
    /// With a run that came later.
    #[error("run {against} started after run {run}: only with an older run can it be compared")]
    Newer {
        /// The run that is compared.
        run: String,
        /// The newer one.
        against: String,
    },
}

/// Which differences make a run fail, where not everything that is there shall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailOn {
    /// What is new or came back.
    New,
    /// What came back.
    CameBack,
}

impl FailOn {
    /// Every choice.
    pub const ALL: [Self; 2] = [Self::New, Self::CameBack];

    /// The word of the command line and of the journal's option `fail_on`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::CameBack => "came-back",
        }
    }

    /// The choice that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.word() == word)
    }

    fn fails(self, kind: ChangeKind) -> bool {
        match kind {
            ChangeKind::CameBack => true,
            ChangeKind::New => self == Self::New,
            ChangeKind::StillThere | ChangeKind::LostSight | ChangeKind::Gone => false,
        }
    }

    /// Host and product of what does not fail a run under this choice.
    fn tolerated(self, comparison: &Comparison) -> BTreeSet<(String, String)> {
        let spared = comparison.changes.iter().filter(|change| !self.fails(change.kind));
        spared.filter_map(|change| Some((change.host.clone(), change.product.clone()?))).collect()
    }

    /// What the hosts of a run make it exit with under this choice. A host on which a product is there fails
    /// only where one that counts is new (or came back); what could not be told is never excused, also not
    /// beside a product that is, nor where the product was there and was not looked for.
    #[must_use]
    pub fn exit_code(self, report: &Report, comparison: &Comparison) -> ExitCode {
        let hosts = by_name(report);
        let counts = |change: &&Change| {
            let host = hosts.get(change.host.as_str());
            host.is_some_and(|host| change.finding_of(host).is_some_and(|finding| !finding.is_exempt()))
        };
        let failing: BTreeSet<&str> = comparison
            .changes
            .iter()
            .filter(|change| self.fails(change.kind))
            .filter(counts)
            .map(|change| change.host.as_str())
            .collect();
        // What was there and is not asked for any more (another playbook, another platform) cannot be told.
        let unasked: BTreeSet<&str> = comparison
            .of_kind(ChangeKind::LostSight)
            .filter(|change| change.product.is_some())
            .filter(|change| {
                hosts.get(change.host.as_str()).is_some_and(|host| change.finding_of(host).is_none())
            })
            .map(|change| change.host.as_str())
            .collect();
        let of_host = |host: &HostReport| match host.state {
            HostState::Present | HostState::Residue if failing.contains(host.host.as_str()) => {
                ExitCode::Found
            }
            HostState::Present | HostState::Residue => {
                let open =
                    |finding: &Finding| finding.result == ProductState::Unknown && !finding.is_exempt();
                if host.findings.iter().any(open) { ExitCode::CannotVouch } else { ExitCode::Success }
            }
            HostState::RemovedRebootPending if report.pending_is_ok() => ExitCode::Success,
            state => state.exit_code(),
        };
        let code = |host: &HostReport| match of_host(host) {
            ExitCode::Success if unasked.contains(host.host.as_str()) => ExitCode::CannotVouch,
            code => code,
        };
        report.hosts.iter().map(code).reduce(ExitCode::worst).unwrap_or(ExitCode::CannotVouch)
    }
}

impl Change {
    /// What the host of this change (as the run reports it) has of the product.
    #[must_use]
    pub fn finding_of<'a>(&self, host: &'a HostReport) -> Option<&'a Finding> {
        host.findings.iter().find(|finding| Some(finding.product.as_str()) == self.product.as_deref())
    }
}

impl Comparison {
    /// Compares a run with earlier ones, in whatever order they are given.
    ///
    /// # Errors
    /// When one of them is the run itself, or started after it.
    pub fn of(report: &Report, against: &[Report]) -> Result<Self, CompareError> {
        let mut earlier: Vec<&Report> = against.iter().collect();
        for other in &earlier {
            if other.run == report.run {
                return Err(CompareError::Itself { run: report.run.clone() });
            }
            if other.started > report.started {
                return Err(CompareError::Newer { run: report.run.clone(), against: other.run.clone() });
            }
        }
        earlier.sort_by(|a, b| a.started.cmp(&b.started).then_with(|| a.run.cmp(&b.run)));
        earlier.dedup_by(|a, b| a.run == b.run);
        let mut changes = changes(report, &earlier);
        changes.sort_by(|a, b| (a.kind, &a.host, &a.product).cmp(&(b.kind, &b.host, &b.product)));
        Ok(Self { against: earlier.into_iter().map(RunRef::of).collect(), changes })
    }

    /// The changes of a kind, by host and product.
    pub fn of_kind(&self, kind: ChangeKind) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(move |change| change.kind == kind)
    }
}

impl Report {
    /// Fills [`Report::comparison`], and notes what a reader of it must know: earlier runs that did not
    /// finish, and hosts whose name belongs to another machine now.
    ///
    /// # Errors
    /// As [`Comparison::of`].
    pub fn compare_with(&mut self, against: &[Self]) -> Result<(), CompareError> {
        let comparison = Comparison::of(self, against)?;
        for other in against.iter().filter(|other| !other.finished) {
            self.notes.push(format!("run {}, which this one is compared with, is not finished", other.run));
        }
        self.notes.extend(other_machines(self, against));
        self.tolerated = self.fail_on().map(|choice| choice.tolerated(&comparison)).unwrap_or_default();
        self.comparison = Some(comparison);
        Ok(())
    }
}

/// What the earlier runs told of a product on a host.
#[derive(Default)]
struct History<'a> {
    name: &'a str,
    last: Option<ProductState>,
    was_there: bool,
}

impl History<'_> {
    fn tell(&mut self, state: ProductState) {
        self.last = Some(state);
        self.was_there |= is_there(state);
    }
}

type Histories<'a> = BTreeMap<&'a str, BTreeMap<&'a str, History<'a>>>;

fn changes(report: &Report, earlier: &[&Report]) -> Vec<Change> {
    let mut known: Histories<'_> = BTreeMap::new();
    for run in earlier {
        for host in &run.hosts {
            let products = known.entry(host.host.as_str()).or_default();
            for look in looks(run, host) {
                for finding in look.findings {
                    let was_there =
                        products.get(finding.product.as_str()).is_some_and(|history| history.was_there);
                    let Some(state) = look.told(finding, was_there) else { continue };
                    let history = products.entry(finding.product.as_str()).or_default();
                    history.name = &finding.name;
                    history.tell(state);
                }
            }
        }
    }
    let now = by_name(report);
    let none = BTreeMap::new();
    let mut changes = Vec::new();
    for (name, host) in &now {
        let known = known.get(name).unwrap_or(&none);
        host_changes(report, host, known, &mut changes);
    }
    for (name, products) in known.iter().filter(|(name, _)| !now.contains_key(*name)) {
        lost(name, products, None, &mut changes);
    }
    changes
}

/// What differs on a host of the run.
fn host_changes(
    report: &Report,
    host: &HostReport,
    known: &BTreeMap<&str, History<'_>>,
    changes: &mut Vec<Change>,
) {
    let looks = looks(report, host);
    let Some((last, before)) = looks.split_last() else {
        lost(&host.host, known, Some(host.state), changes);
        return;
    };
    let found = |product: &str| {
        let look = before.first()?;
        look.told(look.findings.iter().find(|finding| finding.product == product)?, true)
    };
    let mut told = BTreeSet::new();
    for finding in last.findings {
        told.insert(finding.product.as_str());
        let history = known.get(finding.product.as_str());
        let found = found(&finding.product);
        let was_there = history.is_some_and(|history| history.was_there) || found.is_some_and(is_there);
        let after = last.told(finding, was_there);
        let Some((kind, last_told)) = kind(history, found, after) else { continue };
        changes.push(Change {
            host: host.host.clone(),
            product: Some(finding.product.clone()),
            name: Some(finding.name.clone()),
            kind,
            before: last_told,
            after,
            state: Some(host.state),
        });
    }
    // Products that this run did not look for: another playbook, or another platform.
    let unasked = known.iter().filter(|(product, history)| history.was_there && !told.contains(*product));
    for (product, history) in unasked {
        changes.push(lost_product(&host.host, product, history, Some(host.state)));
    }
}

/// What happened to a product; none: nothing that is worth a line. `found`: what this run found of it before
/// its own steps, `after`: what it is now.
fn kind(
    history: Option<&History<'_>>,
    found: Option<ProductState>,
    after: Option<ProductState>,
) -> Option<(ChangeKind, Option<ProductState>)> {
    let before = history.and_then(|history| history.last);
    let last_told = before.or(found);
    let was_there = history.is_some_and(|history| history.was_there) || found.is_some_and(is_there);
    let kind = match (after, before) {
        (None, _) => last_told.map(|_| ChangeKind::LostSight)?,
        (Some(now), Some(before)) if is_back(before, now) => {
            if history.is_some_and(|history| history.was_there) {
                ChangeKind::CameBack
            } else {
                ChangeKind::New
            }
        }
        (Some(now), Some(_)) if is_there(now) => ChangeKind::StillThere,
        (Some(now), None) if is_there(now) => ChangeKind::New,
        (Some(_), _) if was_there => ChangeKind::Gone,
        (Some(_), _) => return None,
    };
    Some((kind, last_told))
}

/// A host of which nothing is told now: each product that was there, or else the host as a whole.
fn lost(
    host: &str,
    known: &BTreeMap<&str, History<'_>>,
    state: Option<HostState>,
    changes: &mut Vec<Change>,
) {
    let there: Vec<_> = known.iter().filter(|(_, history)| history.last.is_some_and(is_there)).collect();
    if there.is_empty() && !(known.is_empty() && state.is_some()) {
        changes.push(Change {
            host: host.to_owned(),
            product: None,
            name: None,
            kind: ChangeKind::LostSight,
            before: None,
            after: None,
            state,
        });
    }
    changes.extend(there.into_iter().map(|(product, history)| lost_product(host, product, history, state)));
}

fn lost_product(host: &str, product: &str, history: &History<'_>, state: Option<HostState>) -> Change {
    Change {
        host: host.to_owned(),
        product: Some(product.to_owned()),
        name: Some(history.name.to_owned()),
        kind: ChangeKind::LostSight,
        before: history.last,
        after: None,
        state,
    }
}

/// Hosts whose name belonged to another machine in the newest earlier run that knows both.
fn other_machines(report: &Report, against: &[Report]) -> Vec<String> {
    let mut earlier: Vec<&Report> = against.iter().collect();
    earlier.sort_by_key(|other| other.started);
    let mut known = BTreeMap::new();
    for run in earlier {
        known.extend(run.hosts.iter().filter_map(|host| Some((host.host.as_str(), host.identity.as_ref()?))));
    }
    let differs = |host: &HostReport| {
        let (before, now) = (known.get(host.host.as_str())?, host.identity.as_ref()?);
        is_other_machine(before, now).then(|| {
            let key = |identity: &MachineIdentity| identity.same_machine_key().unwrap_or_default();
            format!("host {} is another machine than before: {}, before {}", host.host, key(now), key(before))
        })
    };
    report.hosts.iter().filter_map(differs).collect()
}
