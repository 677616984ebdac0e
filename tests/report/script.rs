//! A run's records, written by hand.

use std::collections::BTreeMap;
use uproot::model::event::{HostEntry, OutputRef, Phase, StepResult};
use uproot::model::{
    BootIdentity, Event, Evidence, EvidenceRole, ExitCode, Finding, HostState, MachineIdentity, Platform,
    ProductState, Record, Truth,
};
use uproot::report::Report;

/// Records one second apart.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) records: Vec<Record>,
}

impl Script {
    pub(crate) fn add(&mut self, host: Option<&str>, event: Event) -> &mut Self {
        let seq = self.records.len() as u64;
        let at = jiff::Timestamp::from_second(1_795_608_191 + seq as i64).unwrap();
        self.records.push(Record { seq, at, host: host.map(str::to_owned), event });
        self
    }

    pub(crate) fn start(&mut self, hosts: &[&str]) -> &mut Self {
        let entry = |(index, name): (usize, &&str)| HostEntry {
            name: (*name).to_owned(),
            address: format!("10.0.0.{index}:22"),
            user: Some("ops".into()),
            groups: vec!["web".into()],
        };
        let event = Event::RunStarted {
            run: "01990c3e-7a10-7000-8000-000000000001".into(),
            verb: "apply".into(),
            version: "0.1.0".into(),
            operator: "ops@desk".into(),
            playbook: "ab".repeat(32),
            plan: Some("cd".repeat(32)),
            options: BTreeMap::from([("parallel".to_owned(), "4".to_owned())]),
            scope: Default::default(),
            hosts: hosts.iter().enumerate().map(entry).collect(),
        };
        self.add(None, event)
    }

    pub(crate) fn begin(&mut self, host: &str) -> &mut Self {
        self.add(Some(host), Event::HostStarted { wave: Some("canary".into()) })
    }

    pub(crate) fn facts(&mut self, host: &str) -> &mut Self {
        let event = Event::Facts {
            phase: Phase::Before,
            blob: "ef".repeat(32),
            platform: Some(Platform::Linux),
            identity: MachineIdentity { machine_id: Some("12".repeat(16)), ..MachineIdentity::default() },
            boot: BootIdentity::default(),
        };
        self.add(Some(host), event)
    }

    pub(crate) fn found(&mut self, host: &str, phase: Phase, findings: &[Finding]) -> &mut Self {
        self.add(Some(host), Event::Findings { phase, findings: findings.to_vec() })
    }

    pub(crate) fn intent(&mut self, host: &str, step: &str) -> &mut Self {
        self.attempt(host, step, 1)
    }

    pub(crate) fn attempt(&mut self, host: &str, step: &str, attempt: u32) -> &mut Self {
        let summary = "remove packages kesl-gui, kesl".to_owned();
        self.add(
            Some(host),
            Event::StepIntent {
                step: step.into(),
                product: "kesl".into(),
                summary,
                attempt,
                boot: Default::default(),
            },
        )
    }

    pub(crate) fn outcome(&mut self, host: &str, step: &str, result: StepResult, stderr: &str) -> &mut Self {
        let ran = !matches!(result, StepResult::NotRun | StepResult::AlreadySo | StepResult::Interrupted);
        let event = Event::StepOutcome {
            step: step.into(),
            product: "kesl".into(),
            summary: "remove packages kesl-gui, kesl".into(),
            result,
            status: ran.then_some(i32::from(result != StepResult::Done)),
            effect: ran.then(|| Truth::from(result == StepResult::Done)),
            reboot_needed: false,
            reason: (result == StepResult::NotRun).then(|| "step kesl/1 failed".to_owned()),
            millis: 1234,
            stdout: OutputRef::default(),
            stderr: OutputRef {
                blob: (!stderr.is_empty()).then(|| "12".repeat(32)),
                total: stderr.len() as u64,
                tail: stderr.into(),
            },
        };
        self.add(Some(host), event)
    }

    pub(crate) fn end(
        &mut self,
        host: &str,
        state: HostState,
        reason: &str,
        remedy: Option<&str>,
    ) -> &mut Self {
        let remedy = remedy.map(str::to_owned);
        self.add(Some(host), Event::HostEnded { state, reason: reason.into(), remedy, unfinished: false })
    }

    pub(crate) fn cut_short(&mut self, host: &str, reason: &str) -> &mut Self {
        let event = Event::HostEnded {
            state: HostState::Interrupted,
            reason: reason.into(),
            remedy: None,
            unfinished: true,
        };
        self.add(Some(host), event)
    }

    pub(crate) fn wave(&mut self, wave: &str, hosts: usize, max_failures: usize) -> &mut Self {
        let wave = wave.to_owned();
        self.add(None, Event::WaveStarted { wave, hosts, max_failures, max_unreachable: None })
    }

    pub(crate) fn wave_end(&mut self, wave: &str, failures: usize, reason: Option<&str>) -> &mut Self {
        let event = Event::WaveEnded {
            wave: wave.into(),
            passed: reason.is_none(),
            failures,
            unreachable: 0,
            reason: reason.map(str::to_owned),
            clock: None,
        };
        self.add(None, event)
    }

    pub(crate) fn stop(&mut self, reason: &str, exit: ExitCode) -> &mut Self {
        self.add(None, Event::RunStopped { reason: reason.into(), exit })
    }

    /// Goes on, with the options of the command line.
    pub(crate) fn resume(&mut self, options: &[&str]) -> &mut Self {
        let has = |option: &str| options.contains(&option);
        let waves = options.iter().filter(|option| !option.starts_with("--"));
        let event = Event::RunResumed {
            operator: "night@desk".into(),
            version: "0.1.0".into(),
            approved: waves.map(|wave| (*wave).to_owned()).collect(),
            after_failures: has("--continue-after-failures"),
            retry_failed: has("--retry-failed"),
            break_lock: has("--break-lock"),
        };
        self.add(None, event)
    }

    pub(crate) fn lock(&mut self, host: &str, from: Option<&str>, broken: bool) -> &mut Self {
        self.add(Some(host), Event::LockTaken { from: from.map(str::to_owned), broken, records: "r".into() })
    }

    pub(crate) fn release(&mut self, host: &str, left: Option<&str>) -> &mut Self {
        self.add(Some(host), Event::LockReleased { left: left.map(str::to_owned) })
    }

    pub(crate) fn finish(&mut self, exit: ExitCode) -> &mut Self {
        let mut summary = BTreeMap::new();
        for record in &self.records {
            if let Event::HostEnded { state, .. } = &record.event {
                *summary.entry(*state).or_default() += 1;
            }
        }
        self.add(None, Event::RunEnded { summary, exit })
    }

    pub(crate) fn report(&self) -> Report {
        Report::from_records(&self.records).unwrap()
    }
}

pub(crate) fn finding(product: &str, result: ProductState, version: Option<&str>) -> Finding {
    let evidence = match result {
        ProductState::Absent => Vec::new(),
        _ => vec![Evidence {
            role: EvidenceRole::Detect,
            check: format!("package `{product}`"),
            truth: if result == ProductState::Unknown { Truth::Unknown } else { Truth::True },
            facts: version
                .map(|version| format!("{product} {version} amd64 install ok installed"))
                .into_iter()
                .collect(),
            matched: Some(vec!["not shown".into()]),
            reason: (result == ProductState::Unknown).then(|| "dpkg-query: cannot be read".to_owned()),
        }],
    };
    Finding {
        product: product.into(),
        name: format!("Kaspersky {product}"),
        class: Default::default(),
        result,
        exemption: None,
        version: version.map(str::to_owned),
        evidence,
    }
}

pub(crate) fn present() -> Vec<Finding> {
    vec![
        finding("kesl", ProductState::Present, Some("12.1.0-1543")),
        finding("klnagent", ProductState::Present, Some("15.1.0-20748")),
    ]
}

pub(crate) fn absent() -> Vec<Finding> {
    vec![finding("kesl", ProductState::Absent, None), finding("klnagent", ProductState::Absent, None)]
}
