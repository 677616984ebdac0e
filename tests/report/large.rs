//! A large run on disk, written by the journal's own writing core, but without waiting for the disk: what
//! benchmarks and tests of size read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use uproot::journal::{Disk, Ledger};
use uproot::model::event::{HostEntry, OutputRef, Phase, StepResult};
use uproot::model::{
    BootIdentity, Event, Evidence, EvidenceRole, ExitCode, Finding, HostState, MachineIdentity, Platform,
    ProductClass, ProductState, Truth,
};

/// Its id.
pub const RUN: &str = "01990c3e-7a10-7000-8000-00000000000a";

struct PlainDisk {
    journal: Mutex<io::BufWriter<File>>,
    output: PathBuf,
}

impl Disk for PlainDisk {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        self.journal.lock().unwrap().write(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&self, _: u64) -> io::Result<()> {
        Err(io::Error::other("nothing is cut here"))
    }

    fn store(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        std::fs::write(self.output.join(name), bytes)
    }
}

struct Writer {
    ledger: Ledger,
    seconds: i64,
}

impl Writer {
    fn add(&mut self, host: Option<&str>, event: &Event) {
        let at = jiff::Timestamp::new(1_795_608_191 + self.seconds, 123_456_789).unwrap();
        self.ledger.record(at, host, event).unwrap();
    }
}

const PRODUCTS: [(&str, &str, &str); 5] = [
    ("kesl", "Kaspersky Endpoint Security for Linux", "12.1.0-1543"),
    ("klnagent-linux", "Kaspersky Network Agent for Linux", "15.1.0-20748"),
    ("ksc-linux", "Kaspersky Security Center for Linux", "15.1.0-11795"),
    ("klms", "Kaspersky Security for Linux Mail Server", "10.0.0-6342"),
    ("scan-engine", "Kaspersky Scan Engine", "2.1.0-134"),
];

fn evidence(role: EvidenceRole, check: String, facts: Vec<String>) -> Evidence {
    Evidence { role, check, truth: Truth::True, matched: Some(facts.clone()), facts, reason: None }
}

fn finding(product: usize, host: usize, result: ProductState) -> Finding {
    let (id, name, version) = PRODUCTS[product];
    let there = vec![
        evidence(
            EvidenceRole::Detect,
            format!("package `{id}`"),
            vec![format!("{id} {version} amd64 install ok installed")],
        ),
        evidence(
            EvidenceRole::Detect,
            format!("service `{id}`"),
            vec![format!("{id}.service loaded active running")],
        ),
        evidence(
            EvidenceRole::Detect,
            format!("process `/opt/kaspersky/{id}/**`"),
            vec![format!("pid {} /opt/kaspersky/{id}/libexec/{id} --daemon", 700 + host % 29_000)],
        ),
        evidence(
            EvidenceRole::Residue,
            format!("path `/var/opt/kaspersky/{id}`"),
            vec![format!("/var/opt/kaspersky/{id} directory root root 0755")],
        ),
    ];
    Finding {
        product: id.into(),
        name: name.into(),
        class: ProductClass::Product,
        result,
        exemption: None,
        version: (result == ProductState::Present).then(|| version.into()),
        evidence: if result == ProductState::Present { there } else { Vec::new() },
    }
}

fn findings(host: usize, there: &[usize]) -> Vec<Finding> {
    let result =
        |product: &usize| if there.contains(product) { ProductState::Present } else { ProductState::Absent };
    (0..PRODUCTS.len()).map(|product| finding(product, host, result(&product))).collect()
}

/// Writes a run of `count` hosts into a directory of its own below `runs`, and says which. Every tenth host
/// fails, every twentieth is not reached, every fourth is clean; of the others two products are removed.
pub fn write_run(runs: &Path, count: usize) -> PathBuf {
    let dir = runs.join(RUN);
    let output = dir.join("output");
    std::fs::create_dir_all(&output).unwrap();
    let plan = b"{}";
    std::fs::write(dir.join("plan.json"), plan).unwrap();
    let journal =
        Mutex::new(io::BufWriter::with_capacity(1 << 20, File::create(dir.join("journal.jsonl")).unwrap()));
    let disk = Arc::new(PlainDisk { journal, output });
    let mut writer = Writer { ledger: Ledger::create(disk.clone()), seconds: 0 };
    let names: Vec<String> =
        (0..count).map(|index| format!("host-{index:05}.dc{}.example.org", index % 4)).collect();
    let digest = writer.ledger.store(plan).unwrap();
    std::fs::remove_file(disk.output.join(&digest)).unwrap();
    let entry = |(index, name): (usize, &String)| HostEntry {
        name: name.clone(),
        address: format!("10.{}.{}.{}:22", 20 + index / 65_536, index / 256 % 256, index % 256),
        user: Some("svc-uproot".into()),
        groups: vec![format!("dc{}", index % 4), format!("rack-{:03}", index / 40)],
    };
    writer.add(
        None,
        &Event::RunStarted {
            run: RUN.into(),
            verb: "apply".into(),
            version: "0.1.0".into(),
            operator: "m.okafor@jump01".into(),
            playbook: "ab".repeat(32),
            plan: Some(digest),
            options: BTreeMap::from([("parallel".to_owned(), "128".to_owned())]),
            scope: Default::default(),
            hosts: names.iter().enumerate().map(entry).collect(),
        },
    );
    let waves = [("canary", 0..count / 100), ("first", count / 100..count / 4), ("rest", count / 4..count)];
    let mut summary = BTreeMap::new();
    for (wave, range) in waves {
        let (name, hosts) = (wave.to_owned(), range.len());
        writer.add(
            None,
            &Event::WaveStarted { wave: name.clone(), hosts, max_failures: hosts, max_unreachable: None },
        );
        for index in range {
            let state = one_host(&mut writer, &names[index], index, wave);
            *summary.entry(state).or_default() += 1;
            writer.seconds = 60 + index as i64;
        }
        writer.add(
            None,
            &Event::WaveEnded {
                wave: name,
                passed: true,
                failures: hosts / 10,
                unreachable: hosts / 20,
                reason: None,
                clock: None,
            },
        );
    }
    writer.add(None, &Event::RunEnded { summary, exit: ExitCode::CannotVouch });
    disk.journal.lock().unwrap().flush().unwrap();
    dir
}

fn one_host(writer: &mut Writer, name: &str, index: usize, wave: &str) -> HostState {
    let host = Some(name);
    writer.add(host, &Event::HostStarted { wave: Some(wave.to_owned()) });
    let end = |writer: &mut Writer, state, reason: &str, remedy: Option<String>| {
        writer.add(host, &Event::HostEnded { state, reason: reason.to_owned(), remedy, unfinished: false });
        state
    };
    if index % 20 == 7 {
        let remedy = Some(format!("uproot inventory check --limit {name}"));
        return end(writer, HostState::Unreachable, "connection timed out after 10 s", remedy);
    }
    facts(writer, host, index, Phase::Before);
    if index % 4 == 1 {
        writer.add(host, &Event::Findings { phase: Phase::Before, findings: findings(index, &[]) });
        return end(writer, HostState::Clean, "", None);
    }
    writer.add(host, &Event::Findings { phase: Phase::Before, findings: findings(index, &[0, 1]) });
    writer.add(host, &Event::LockTaken { from: None, broken: false, records: format!("{index:032x}") });
    let fails = index % 10 == 3;
    for number in 0..5 {
        step(writer, name, index, number, fails);
    }
    writer.add(
        host,
        &Event::Findings {
            phase: Phase::After,
            findings: findings(index, if fails { &[0, 1] } else { &[] }),
        },
    );
    writer.add(host, &Event::LockReleased { left: None });
    if fails {
        end(
            writer,
            HostState::Failed,
            "step kesl/2 `remove packages kesl-gui, kesl` ended with status 1",
            None,
        )
    } else {
        end(writer, HostState::Removed, "", None)
    }
}

fn facts(writer: &mut Writer, host: Option<&str>, index: usize, phase: Phase) {
    let packages: Vec<String> = (0..120)
        .map(|number| format!("\"package-{number} 1.{index}.{number} amd64 install ok installed\""))
        .collect();
    let document = format!("{{\"host\":{index},\"packages\":[{}]}}", packages.join(","));
    let blob = writer.ledger.store(document.as_bytes()).unwrap();
    writer.add(
        host,
        &Event::Facts {
            phase,
            blob,
            platform: Some(Platform::Linux),
            identity: MachineIdentity {
                host_key: Some(format!("SHA256:{:043x}", index as u128 * 0x1_0000_01b3_cbf2_9ce4_8422)),
                machine_id: Some(format!("{:032x}", index as u128 * 0x9e37_79b9_7f4a_7c15_f39c)),
                dmi_uuid: Some(format!("4c4c4544-0042-{:04x}-8051-b3c04f{index:06x}", index % 65_536)),
            },
            boot: BootIdentity {
                boot_id: Some(format!("{index:08x}-21f3-4c1e-9d7b-{index:012x}")),
                init_start: Some(12),
            },
        },
    );
}

fn step(writer: &mut Writer, name: &str, index: usize, number: usize, fails: bool) {
    let words = [
        "stop service kesl",
        "remove packages kesl-gui, kesl",
        "remove path /var/opt/kaspersky/kesl",
        "stop service klnagent64",
        "remove package klnagent64",
    ];
    let product = if number < 3 { "kesl" } else { "klnagent-linux" };
    let (step, summary) = (format!("{product}/{}", number % 3 + 1), words[number].to_owned());
    let is_run = !fails || number < 2;
    if is_run {
        let (step, product, summary) = (step.clone(), product.to_owned(), summary.clone());
        writer.add(
            Some(name),
            &Event::StepIntent { step, product, summary, attempt: 1, boot: BootIdentity::default() },
        );
    }
    let failed = fails && number == 1;
    let mut output = |text: String| OutputRef {
        blob: (!text.is_empty()).then(|| writer.ledger.store(text.as_bytes()).unwrap()),
        total: text.len() as u64,
        tail: text,
    };
    let printed = match number {
        1 | 4 if is_run => format!(
            "(Reading database ... {} files and directories currently installed.)\nRemoving {product} ...\nPurging configuration files for {product} ...\nProcessing triggers for man-db (2.11.2-2) ...\n",
            148_000 + index
        ),
        _ => String::new(),
    };
    let complained = if failed {
        format!(
            "dpkg: error processing package kesl (--purge):\n installed kesl package pre-removal script subprocess returned error exit status 1\nErrors were encountered while processing on {name}:\n kesl\n"
        )
    } else {
        String::new()
    };
    let (stdout, stderr) = (output(printed), output(complained));
    let result = match (is_run, failed) {
        (false, _) => StepResult::NotRun,
        (true, true) => StepResult::Failed,
        (true, false) => StepResult::Done,
    };
    writer.add(
        Some(name),
        &Event::StepOutcome {
            step,
            product: product.to_owned(),
            summary,
            result,
            status: is_run.then_some(i32::from(failed)),
            effect: is_run.then(|| Truth::from(!failed)),
            reboot_needed: false,
            reason: (!is_run).then(|| "step kesl/2 failed".to_owned()),
            millis: 1200 + index as u64 % 7000,
            stdout,
            stderr,
        },
    );
}
