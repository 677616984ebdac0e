//! The one fixed run that has every state in it, as a run directory below `tests/golden/runs`.

use crate::hostile::CORPUS;
use crate::script::{Script, absent, finding, present};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use uproot::model::event::{Phase, StepResult};
use uproot::model::scope::{ScopeEntry, ScopeProfile, Waiver, WaiverList};
use uproot::model::{
    Event, Exemption, ExemptionKind, ExitCode, Finding, HostState, ProductClass, ProductState, Record, Scope,
};

/// Where the golden files are.
pub(crate) fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The fixed run's id, which names its directory.
pub(crate) const RUN: &str = "01990c3e-7a10-7000-8000-000000000001";

/// A host whose very name is hostile.
pub(crate) const HOSTILE: &str = "=web\"<b>|@all `x`";

const HOSTS: [&str; 16] = [
    "blocked01.example.com",
    "clean01",
    "drifted01",
    "exempt01",
    "expired01",
    "failed01",
    HOSTILE,
    "interrupted01",
    "present01",
    "reboot01",
    "removed01",
    "residue01",
    "skipped01",
    "unknown01",
    "unreachable01",
    "ホスト01",
];

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

const PLAN: &[u8] = b"{\"note\": \"a plan's place; the golden files need only its digest\"}\n";
const FACTS: &[u8] = b"{\"note\": \"a facts document's place\"}\n";
const OUTPUT: &[u8] = b"dpkg: error processing package kesl (--purge)\n";

fn until(day: &str) -> jiff::civil::Date {
    day.parse().unwrap()
}

fn exempted(
    mut finding: Finding,
    kind: ExemptionKind,
    reason: &str,
    waiver: Option<(&str, &str)>,
) -> Finding {
    finding.exemption = Some(Exemption {
        kind,
        reason: reason.to_owned(),
        ticket: waiver.map(|(ticket, _)| ticket.to_owned()),
        until: waiver.map(|(_, day)| until(day)),
    });
    finding
}

fn scope() -> Scope {
    let waiver = |hosts: &str, ticket: &str, day| Waiver {
        hosts: hosts.into(),
        product: "kesl".into(),
        reason: "the plant stops in spring".into(),
        ticket: ticket.into(),
        until: until(day),
    };
    Scope {
        profile: Some(ScopeProfile {
            id: "bod-17-01".into(),
            name: "BOD 17-01".into(),
            digest: "5c".repeat(32),
            out: vec![ScopeEntry {
                class: Some(ProductClass::Embedded),
                product: None,
                reason: "code embedded in another company's product".into(),
            }],
        }),
        waivers: Some(WaiverList {
            file: "waivers.yml".into(),
            digest: "7a".repeat(32),
            waivers: vec![
                waiver("exempt01", "CHG-1041", "2027-03-31"),
                waiver("expired01", "CHG-0007", "2026-10-31"),
            ],
        }),
    }
}

/// The records of the fixed run.
pub(crate) fn script() -> Script {
    let mut script = Script::default();
    script.start(&HOSTS);
    if let Event::RunStarted { scope: counted, plan, .. } = &mut script.records[0].event {
        *counted = scope();
        *plan = Some(hex(PLAN));
    }
    script.add(None, Event::Decision { operator: "ops@desk".into(), what: "apply to 16 hosts".into() });
    canary(&mut script);
    script.stop("wave `rest` needs approval", ExitCode::Stopped).resume(&["rest"]);
    rest(&mut script);
    script.stop("wave `rest`: 3 failures, 2 allowed", ExitCode::Stopped);
    script
}

fn canary(script: &mut Script) {
    script.wave("canary", 4, 0);
    for host in ["clean01", "exempt01", "reboot01", "removed01"] {
        script.begin(host).facts(host);
        if let Some(Record { event: Event::Facts { blob, .. }, .. }) = script.records.last_mut() {
            *blob = hex(FACTS);
        }
    }
    script.found("clean01", Phase::Before, &absent()).end("clean01", HostState::Clean, "", None);
    let kept = exempted(
        finding("kesl", ProductState::Present, Some("12.1.0-1543")),
        ExemptionKind::Waived,
        "the plant stops in spring",
        Some(("CHG-1041", "2027-03-31")),
    );
    let mut engine = exempted(
        finding("av-engine", ProductState::Present, Some("8.9")),
        ExemptionKind::OutOfScope,
        "code embedded in another company's product",
        None,
    );
    engine.class = ProductClass::Embedded;
    script.found("exempt01", Phase::Before, &[kept, engine]).end(
        "exempt01",
        HostState::Exempt,
        "only what the scope leaves out or a waiver allows: kesl, av-engine",
        None,
    );
    for (host, state, reason) in [
        ("reboot01", HostState::RemovedRebootPending, "step kesl/1 needs a reboot"),
        ("removed01", HostState::Removed, ""),
    ] {
        script
            .found(host, Phase::Before, &present())
            .lock(host, None, false)
            .intent(host, "kesl/1")
            .outcome(host, "kesl/1", StepResult::Done, "")
            .found(host, Phase::After, &absent())
            .release(host, None)
            .end(host, state, reason, None);
    }
    script.wave_end("canary", 0, None);
}

fn rest(script: &mut Script) {
    script.wave("rest", 12, 2);
    for host in HOSTS {
        if !["clean01", "exempt01", "reboot01", "removed01", "skipped01"].contains(&host) {
            script.add(Some(host), Event::HostStarted { wave: Some("rest".into()) });
        }
    }
    script.found("failed01", Phase::Before, &present()).intent("failed01", "kesl/1").outcome(
        "failed01",
        "kesl/1",
        StepResult::Failed,
        std::str::from_utf8(OUTPUT).unwrap(),
    );
    if let Some(Record { event: Event::StepOutcome { stderr, .. }, .. }) = script.records.last_mut() {
        stderr.blob = Some(hex(OUTPUT));
    }
    script.end(
        "failed01",
        HostState::Failed,
        "step kesl/1 `remove packages kesl-gui, kesl` ended with status 1",
        None,
    );
    script
        .found("interrupted01", Phase::Before, &present())
        .intent("interrupted01", "kesl/1")
        .cut_short("interrupted01", "the connection was lost in step kesl/1");
    script
        .found("blocked01.example.com", Phase::Before, &present())
        .intent("blocked01.example.com", "kesl/1")
        .outcome("blocked01.example.com", "kesl/1", StepResult::Blocked, "")
        .end("blocked01.example.com", HostState::Blocked, "the product asks for its removal password", None);
    script.found("drifted01", Phase::Before, &present()).end(
        "drifted01",
        HostState::Drifted,
        "package kesl: planned 12.0.0, found 12.1.0-1543",
        None,
    );
    script.found("present01", Phase::Before, &present()).end(
        "present01",
        HostState::Present,
        "klnagent: not in the plan",
        None,
    );
    let expired = exempted(
        finding("kesl", ProductState::Present, Some("12.1.0-1543")),
        ExemptionKind::WaiverExpired,
        "the plant stops in spring",
        Some(("CHG-0007", "2026-10-31")),
    );
    script.found("expired01", Phase::Before, &[expired]).end(
        "expired01",
        HostState::Present,
        "installed: kesl, whose waiver is over",
        None,
    );
    let left =
        [finding("kesl", ProductState::Residue, None), finding("klnagent", ProductState::Absent, None)];
    script.found("residue01", Phase::Before, &left).end("residue01", HostState::Residue, "", None);
    script.found("unknown01", Phase::Before, &[finding("kesl", ProductState::Unknown, None)]).end(
        "unknown01",
        HostState::Unknown,
        "the package database cannot be read: Permission denied",
        Some("uproot identify --become --limit unknown01"),
    );
    script.end(
        "unreachable01",
        HostState::Unreachable,
        "10.0.0.14:22: connection refused",
        Some("uproot inventory check --limit unreachable01"),
    );
    hostile(script);
    script.found("ホスト01", Phase::Before, &present()).end(
        "ホスト01",
        HostState::Present,
        "製品が残っています",
        None,
    );
    let reason = Some("3 failures, 2 allowed");
    script.wave_end("rest", 3, reason);
}

/// One product for each hostile string, in every place that a host's words get to.
fn hostile(script: &mut Script) {
    let found = CORPUS.iter().enumerate().map(|(number, text)| {
        let mut finding = finding(&format!("p{number:02}"), ProductState::Present, Some(text));
        finding.evidence[0].reason = Some((*text).to_owned());
        finding
    });
    let found: Vec<Finding> = found.collect();
    script.found(HOSTILE, Phase::Before, &found).end(
        HOSTILE,
        HostState::Present,
        &CORPUS.join(" "),
        Some("=fix|me `now` @all"),
    );
    script.add(None, Event::Decision { operator: "ops@desk".into(), what: CORPUS.join(" ") });
}

/// Writes the run directory anew, or checks that it is as the records say.
pub(crate) fn run_directory(update: bool) -> PathBuf {
    let dir = golden().join("runs").join(RUN);
    let files = [
        ("journal.jsonl".to_owned(), sealed(&script().records)),
        ("plan.json".to_owned(), PLAN.to_vec()),
        (format!("output/{}", hex(FACTS)), FACTS.to_vec()),
        (format!("output/{}", hex(OUTPUT)), OUTPUT.to_vec()),
    ];
    std::fs::create_dir_all(dir.join("output")).unwrap();
    for (name, bytes) in files {
        let path = dir.join(name);
        if update {
            std::fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{}", path.display());
    }
    dir
}

/// The lines of a journal, each sealed with the hash of the one before (docs/journal.md).
fn sealed(records: &[Record]) -> Vec<u8> {
    let mut previous = "0".repeat(64);
    let mut out = Vec::new();
    for record in records {
        let format = if record.seq == 0 { "\"uproot_journal\":1," } else { "" };
        let host =
            record.host.as_ref().map(|host| format!("\"host\":{},", serde_json::to_string(host).unwrap()));
        let event = serde_json::to_string(&record.event).unwrap();
        let (seq, at, host) = (record.seq, record.at, host.unwrap_or_default());
        let body = format!("{{{format}\"seq\":{seq},\"at\":\"{at}\",{host}\"event\":{event}");
        let hash = hex(format!("{previous}{body}").as_bytes());
        out.extend_from_slice(format!("{body},\"hash\":\"{hash}\"}}\n").as_bytes());
        previous = hash;
    }
    out
}
