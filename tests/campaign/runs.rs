//! Run directories with times of their own: lines are sealed here as `docs/journal.md` says, since a writer
//! takes the time from the clock.

use ProductState::{Absent, Present};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use uproot::model::event::{HostEntry, OutputRef, Phase, StepResult};
use uproot::model::{
    BootIdentity, Event, ExitCode, Finding, HostState, MachineIdentity, Platform, ProductState, Truth,
};
use uproot::report::{Campaign, Report};

pub(crate) const KESL: &[(&str, ProductState)] = &[("kesl", Present), ("klnagent", Absent)];
pub(crate) const NONE: &[(&str, ProductState)] = &[("kesl", Absent), ("klnagent", Absent)];

/// What stands for a facts document, which no report reads.
const FACTS: &[u8] = b"{}";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The id of the `number`th run.
pub(crate) fn id(number: u32) -> String {
    format!("00000000-0000-7000-8000-{number:012}")
}

/// A run's journal as it is being written, an event a second.
pub(crate) struct Run {
    pub(crate) id: String,
    text: String,
    previous: String,
    seq: u64,
    at: Timestamp,
    ended: BTreeMap<HostState, usize>,
}

impl Run {
    pub(crate) fn new(number: u32, verb: &str, at: &str, hosts: &[&str]) -> Self {
        let mut run = Self {
            id: id(number),
            text: String::new(),
            previous: "0".repeat(64),
            seq: 0,
            at: at.parse().unwrap(),
            ended: BTreeMap::new(),
        };
        let entry = |name: &&str| HostEntry {
            name: (*name).to_owned(),
            address: "10.0.0.1:22".to_owned(),
            user: Some("ops".to_owned()),
            groups: vec!["web".to_owned()],
        };
        let started = Event::RunStarted {
            run: run.id.clone(),
            verb: verb.to_owned(),
            version: "0.1.0".to_owned(),
            operator: "ops@desk".to_owned(),
            playbook: "ab".repeat(32),
            plan: None,
            options: BTreeMap::new(),
            scope: Default::default(),
            hosts: hosts.iter().map(entry).collect(),
        };
        run.add(None, started);
        run
    }

    pub(crate) fn add(&mut self, host: Option<&str>, event: Event) -> &mut Self {
        if let Event::HostEnded { state, .. } = &event {
            *self.ended.entry(*state).or_default() += 1;
        }
        let format = if self.seq == 0 { "\"uproot_journal\":1," } else { "" };
        let host = host.map(|host| format!("\"host\":{},", serde_json::to_string(host).unwrap()));
        let event = serde_json::to_string(&event).unwrap();
        let (seq, at, host) = (self.seq, self.at, host.unwrap_or_default());
        let body = format!("{{{format}\"seq\":{seq},\"at\":\"{at}\",{host}\"event\":{event}");
        let digest = Sha256::digest(format!("{}{body}", self.previous).as_bytes());
        self.previous = hex(&digest);
        self.text.push_str(&format!("{body},\"hash\":\"{}\"}}\n", self.previous));
        self.seq += 1;
        self.at += SignedDuration::from_secs(1);
        self
    }

    pub(crate) fn start(&mut self, host: &str) -> &mut Self {
        self.add(Some(host), Event::HostStarted { wave: None })
    }

    pub(crate) fn machine(&mut self, host: &str, machine: &str) -> &mut Self {
        let facts = Event::Facts {
            phase: Phase::Before,
            blob: hex(&Sha256::digest(FACTS)),
            platform: Some(Platform::Linux),
            identity: MachineIdentity { machine_id: Some(machine.to_owned()), ..Default::default() },
            boot: BootIdentity::default(),
        };
        self.add(Some(host), facts)
    }

    pub(crate) fn end(&mut self, host: &str, state: HostState) -> &mut Self {
        let ended = Event::HostEnded { state, reason: String::new(), remedy: None, unfinished: false };
        self.add(Some(host), ended)
    }

    pub(crate) fn find(&mut self, host: &str, phase: Phase, findings: Vec<Finding>) -> &mut Self {
        self.add(Some(host), Event::Findings { phase, findings })
    }

    /// One look at a host.
    pub(crate) fn look(&mut self, host: &str, found: &[(&str, ProductState)]) -> &mut Self {
        let has = |state| found.iter().any(|(_, found)| *found == state);
        let state = if has(ProductState::Present) {
            HostState::Present
        } else if has(ProductState::Residue) {
            HostState::Residue
        } else if has(ProductState::Unknown) {
            HostState::Unknown
        } else {
            HostState::Clean
        };
        self.start(host).find(host, Phase::Before, findings(found)).end(host, state)
    }

    pub(crate) fn unreachable(&mut self, host: &str) -> &mut Self {
        self.start(host).end(host, HostState::Unreachable)
    }

    /// A removal of kesl: a look, a step, a look.
    pub(crate) fn remove(
        &mut self,
        host: &str,
        before: &[(&str, ProductState)],
        after: &[(&str, ProductState)],
        state: HostState,
    ) -> &mut Self {
        let (step, product, summary) = ("kesl/1".to_owned(), "kesl".to_owned(), "remove kesl".to_owned());
        let intent = Event::StepIntent {
            step: step.clone(),
            product: product.clone(),
            summary: summary.clone(),
            attempt: 1,
            boot: BootIdentity::default(),
        };
        let outcome = Event::StepOutcome {
            step,
            product,
            summary,
            result: StepResult::Done,
            status: Some(0),
            effect: Some(Truth::True),
            reboot_needed: state == HostState::RemovedRebootPending,
            reason: None,
            millis: 1200,
            stdout: OutputRef::default(),
            stderr: OutputRef::default(),
        };
        self.start(host)
            .find(host, Phase::Before, findings(before))
            .add(Some(host), intent)
            .add(Some(host), outcome)
            .find(host, Phase::After, findings(after))
            .end(host, state)
    }

    /// Writes it, with its end, below `runs`.
    pub(crate) fn finish(&mut self, runs: &Path) -> PathBuf {
        let exit = ExitCode::of_states(self.ended.keys().copied());
        let summary = self.ended.clone();
        self.add(None, Event::RunEnded { summary, exit });
        self.write(runs)
    }

    /// Writes it as it is.
    pub(crate) fn write(&mut self, runs: &Path) -> PathBuf {
        let dir = runs.join(&self.id);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("journal.jsonl"), &self.text).unwrap();
        let blob = hex(&Sha256::digest(FACTS));
        if self.text.contains(&blob) {
            std::fs::create_dir_all(dir.join("output")).unwrap();
            std::fs::write(dir.join("output").join(blob), FACTS).unwrap();
        }
        dir
    }

    /// As `report`, with one host that was skipped.
    pub(crate) fn finish_and_report(&mut self, runs: &Path, skipped: &str) -> Report {
        self.end(skipped, HostState::Skipped);
        self.report(runs)
    }

    pub(crate) fn report(&mut self, runs: &Path) -> Report {
        let dir = self.finish(runs);
        Report::from_records(&uproot::journal::read(&dir).unwrap().records).unwrap()
    }
}

pub(crate) fn finding(product: &str, result: ProductState) -> Finding {
    Finding {
        product: product.to_owned(),
        name: format!("Kaspersky {product}"),
        class: Default::default(),
        result,
        exemption: None,
        version: (result == ProductState::Present).then(|| "12.1.0".to_owned()),
        evidence: Vec::new(),
    }
}

pub(crate) fn findings(found: &[(&str, ProductState)]) -> Vec<Finding> {
    found.iter().map(|(product, result)| finding(product, *result)).collect()
}

/// Four runs over 29 February 2024: identify on that day (in New York), plan, and two waves a month apart. Of the second wave one
/// host is not reached; what the first removed from app01 is back.
pub(crate) fn four_runs(runs: &Path) {
    let hosts = ["app01", "db01", "web01", "web02", "web03"];
    let mut identify = Run::new(1, "identify", "2024-03-01T03:30:00Z", &hosts);
    for host in ["app01", "db01", "web01", "web02"] {
        identify.look(host, KESL);
    }
    identify.look("web03", NONE).finish(runs);
    let mut plan = Run::new(2, "plan", "2024-03-15T10:00:00Z", &hosts);
    for host in ["app01", "db01", "web01", "web02"] {
        plan.look(host, KESL);
    }
    plan.look("web03", NONE).finish(runs);
    Run::new(3, "apply", "2024-04-10T22:00:00Z", &["app01", "web01"])
        .remove("app01", KESL, NONE, HostState::Removed)
        .remove("web01", KESL, NONE, HostState::Removed)
        .finish(runs);
    Run::new(4, "apply", "2024-05-10T22:00:00Z", &["app01", "db01", "web01", "web02"])
        .look("app01", KESL)
        .unreachable("db01")
        .look("web01", NONE)
        .remove("web02", KESL, NONE, HostState::Removed)
        .finish(runs);
}

/// All runs of a directory by the clock of BOD 17-01 from 30 January 2024 on.
pub(crate) fn campaign_of(runs: &Path, zone: &str, now: &str) -> Campaign {
    let directive = uproot::directive::built_in("bod-17-01").unwrap();
    let clock =
        uproot::directive::Clock::new(&directive, Some("2024-01-30".parse().unwrap()), Some(zone)).unwrap();
    let reports: Vec<_> = uproot::journal::list(runs)
        .unwrap()
        .into_iter()
        .map(|run| Report::from_records(&uproot::journal::read(&run.dir).unwrap().records))
        .collect::<Result<_, _>>()
        .unwrap();
    let utc = (jiff::tz::TimeZone::UTC, "UTC");
    Campaign::of(&reports, Some(&clock), utc, now.parse().unwrap())
}
