//! Reports to look at: a fleet with everything in it, a large one, and one whose every string is hostile.

use crate::script::{Script, finding};
use std::collections::BTreeMap;
use uproot::model::event::{HostEntry, OutputRef, Phase, StepResult};
use uproot::model::scope::{ScopeEntry, ScopeProfile, Waiver, WaiverList};
use uproot::model::{
    BootIdentity, Event, Evidence, EvidenceRole, Exemption, ExemptionKind, ExitCode, Finding, HostState,
    MachineIdentity, Platform, ProductClass, ProductState, Scope, Truth,
};
use uproot::report::{Change, ChangeKind, Comparison, JournalCheck, Report, RunRef};

const PRODUCTS: [(&str, &str, &str); 5] = [
    ("kesl", "Kaspersky Endpoint Security for Linux", "12.1.0-1543"),
    ("klnagent", "Kaspersky Network Agent", "15.1.0-20748"),
    ("ksc-linux", "Kaspersky Security Center for Linux", "15.1.0-11795"),
    ("klms", "Kaspersky Security for Linux Mail Server", "10.0.0-6342"),
    ("scan-engine", "Kaspersky Scan Engine", "2.1.0-134"),
];

fn found(product: usize, result: ProductState) -> Finding {
    let (id, name, version) = PRODUCTS[product];
    let version = (result != ProductState::Absent && result != ProductState::Unknown).then_some(version);
    let mut finding = Finding { name: name.to_owned(), ..finding(id, result, version) };
    if result == ProductState::Present {
        finding.evidence.push(Evidence {
            role: EvidenceRole::Detect,
            check: format!("service `{id}`"),
            truth: Truth::True,
            facts: vec![format!("{id}.service loaded active running")],
            matched: None,
            reason: None,
        });
        finding.evidence.push(Evidence {
            role: EvidenceRole::Residue,
            check: format!("path `/var/opt/kaspersky/{id}`"),
            truth: Truth::True,
            facts: vec![format!("/var/opt/kaspersky/{id} directory root root 0755")],
            matched: None,
            reason: None,
        });
    }
    finding
}

fn all(results: [ProductState; 5]) -> Vec<Finding> {
    results.into_iter().enumerate().map(|(product, result)| found(product, result)).collect()
}

use ProductState::{Absent, Present, Residue, Unknown};

/// A run's start, of these hosts and their groups.
fn start(script: &mut Script, hosts: &[(String, Vec<String>)], scope: Scope) {
    let entry = |(index, (name, groups)): (usize, &(String, Vec<String>))| HostEntry {
        name: name.clone(),
        address: format!("10.{}.{}.{}:22", 20 + index / 65_536, index / 256 % 256, index % 256),
        user: Some("svc-uproot".into()),
        groups: groups.clone(),
    };
    let event = Event::RunStarted {
        run: "01990c3e-7a10-7000-8000-000000000001".into(),
        verb: "apply".into(),
        version: "0.1.0".into(),
        operator: "m.okafor@jump01".into(),
        playbook: "ab".repeat(32),
        plan: Some("cd".repeat(32)),
        options: BTreeMap::from([
            ("parallel".to_owned(), "64".to_owned()),
            ("limit".to_owned(), "all".to_owned()),
        ]),
        scope,
        hosts: hosts.iter().enumerate().map(entry).collect(),
    };
    script.add(None, event);
}

fn step(script: &mut Script, host: &str, number: usize, result: StepResult, stderr: &str) {
    let words =
        ["stop service kesl", "remove packages kesl-gui, kesl", "remove path /var/opt/kaspersky/kesl"];
    let (name, summary) = (format!("kesl/{}", number + 1), words[number % 3].to_owned());
    if result != StepResult::NotRun {
        let boot = BootIdentity::default();
        let (step, product, summary) = (name.clone(), "kesl".to_owned(), summary.clone());
        script.add(Some(host), Event::StepIntent { step, product, summary, attempt: 1, boot });
    }
    let ran = !matches!(result, StepResult::NotRun | StepResult::AlreadySo);
    let output = |tail: &str| OutputRef {
        blob: (!tail.is_empty()).then(|| "12ab34cd56ef7890".repeat(4)),
        total: tail.len() as u64,
        tail: tail.to_owned(),
    };
    let removed = "(Reading database ... 148233 files and directories currently installed.)\nRemoving kesl (12.1.0-1543) ...\nPurging configuration files for kesl (12.1.0-1543) ...\n";
    let event = Event::StepOutcome {
        step: name,
        product: "kesl".into(),
        summary,
        result,
        status: ran.then_some(i32::from(result != StepResult::Done)),
        effect: ran.then(|| Truth::from(result == StepResult::Done)),
        reboot_needed: false,
        reason: (result == StepResult::NotRun).then(|| "step kesl/2 failed".to_owned()),
        millis: 4312,
        stdout: output(if ran && number == 1 { removed } else { "" }),
        stderr: output(stderr),
    };
    script.add(Some(host), event);
}

fn facts(script: &mut Script, host: &str, index: usize) {
    let event = Event::Facts {
        phase: Phase::Before,
        blob: format!("{index:064x}"),
        platform: Some(Platform::Linux),
        identity: MachineIdentity {
            machine_id: Some(format!("{:032x}", index as u128 * 0x9e37_79b9_7f4a_7c15_f39c)),
            host_key: Some(format!("SHA256:{:043x}", index as u128 * 0x1_0000_01b3_cbf2_9ce4_8422)),
            dmi_uuid: Some(format!("4c4c4544-0042-{:04x}-8051-b3c04f{:06x}", index % 65_536, index)),
        },
        boot: BootIdentity {
            boot_id: Some(format!("{index:08x}-21f3-4c1e-9d7b-{index:012x}")),
            init_start: None,
        },
    };
    script.add(Some(host), event);
}

/// 64 hosts in three waves, with every state, an exempt product, a resumption, waivers and a profile.
pub(crate) fn everything() -> Report {
    let mut hosts: Vec<(String, Vec<String>)> = Vec::new();
    let kinds = ["web", "db", "app", "mail"];
    for index in 0..64 {
        let kind = kinds[index % 4];
        let site = if index % 3 == 0 { "site-hamburg" } else { "site-lyon" };
        hosts.push((
            format!("{kind}{:02}.example.org", index / 4 + 1),
            vec![kind.to_owned(), site.to_owned()],
        ));
    }
    let until = jiff::civil::date(2027, 3, 31);
    let waiver = |hosts: &str, product: &str, reason: &str, ticket: &str| Waiver {
        hosts: hosts.into(),
        product: product.into(),
        reason: reason.into(),
        ticket: ticket.into(),
        until,
    };
    let scope = Scope {
        profile: Some(ScopeProfile {
            id: "bod-17-01".into(),
            name: "DHS Binding Operational Directive 17-01".into(),
            digest: "5e".repeat(32),
            out: vec![ScopeEntry {
                class: Some(ProductClass::Embedded),
                product: None,
                reason: "Kaspersky code embedded in other companies' products is not covered".into(),
            }],
        }),
        waivers: Some(WaiverList {
            file: "waivers.yml".into(),
            digest: "7a".repeat(32),
            waivers: vec![waiver(
                "mail:&site-lyon",
                "klms",
                "mail gateway is replaced in the spring window",
                "CHG-20418",
            )],
        }),
    };
    let mut script = Script::default();
    start(&mut script, &hosts, scope);
    let names: Vec<String> = hosts.iter().map(|(name, _)| name.clone()).collect();
    let waves = [("canary", 0..6, 0), ("servers", 6..40, 2), ("rest", 40..56, 1)];
    for (wave, range, most) in waves {
        script.wave(wave, range.len(), most);
        for index in range {
            one_host(&mut script, &names[index], index, wave);
        }
        if wave == "servers" {
            script.wave_end(wave, 3, Some("3 hosts of wave `servers` failed, 2 may"));
            script.stop("3 hosts of wave `servers` failed, 2 may", ExitCode::Stopped);
            script.resume(&["rest", "--continue-after-failures"]);
        } else {
            script.wave_end(wave, 0, None);
        }
    }
    for name in &names[56..] {
        script.end(name, HostState::Skipped, "its maintenance window is closed until 22:00", None);
    }
    let mut report = script.finish(ExitCode::Found).report();
    report.check = Some(JournalCheck {
        defects: Vec::new(),
        seals: vec!["sealed by auditor@example.org (ED25519 SHA256:Qm9y…) at record 612, the last".into()],
        remarks: Vec::new(),
    });
    report.comparison = Some(comparison());
    report
}

fn one_host(script: &mut Script, name: &str, index: usize, wave: &str) {
    script.add(Some(name), Event::HostStarted { wave: Some(wave.to_owned()) });
    let unreachable = "ssh: connect to host: connection timed out after 10 s";
    if index % 16 == 9 {
        script.end(
            name,
            HostState::Unreachable,
            unreachable,
            Some(&format!("uproot inventory check --limit {name}")),
        );
        return;
    }
    facts(script, name, index);
    let there = all([Present, Present, Absent, Absent, Absent]);
    let gone = all([Absent; 5]);
    if index % 16 == 13 {
        let unread = all([Unknown; 5]);
        script.found(name, Phase::Before, &unread).end(
            name,
            HostState::Unknown,
            "the package database cannot be read: /var/lib/dpkg/status: Permission denied",
            Some(&format!("uproot identify --become --limit {name}")),
        );
        return;
    }
    match index {
        11 | 12 | 20 => {
            script.found(name, Phase::Before, &there).lock(name, None, false);
            step(script, name, 0, StepResult::Done, "");
            let dpkg = "dpkg: error processing package kesl (--purge):\n installed kesl package pre-removal script subprocess returned error exit status 1\nErrors were encountered while processing:\n kesl\n";
            step(script, name, 1, StepResult::Failed, dpkg);
            step(script, name, 2, StepResult::NotRun, "");
            script.release(name, None).end(
                name,
                HostState::Failed,
                "step kesl/2 `remove packages kesl-gui, kesl` ended with status 1",
                None,
            );
        }
        15 => {
            script.found(name, Phase::Before, &there).lock(name, None, false);
            step(script, name, 0, StepResult::Interrupted, "");
            script.cut_short(name, "the connection was lost in step kesl/1");
        }
        17 => {
            script.found(name, Phase::Before, &there).lock(name, None, false);
            step(script, name, 0, StepResult::Blocked, "Password protection is on\n");
            script.release(name, None).end(
                name,
                HostState::Blocked,
                "the product asks for its removal password",
                None,
            );
        }
        18 => {
            script.found(name, Phase::Before, &there).end(
                name,
                HostState::Drifted,
                "package kesl: planned 12.0.0, found 12.1.0-1543",
                None,
            );
        }
        22 | 45 => {
            script.found(name, Phase::Before, &all([Absent, Absent, Present, Absent, Absent])).end(
                name,
                HostState::Present,
                "installed: ksc-linux 15.1.0-11795; not in the plan",
                None,
            );
        }
        24 => {
            script.found(name, Phase::Before, &all([Residue, Absent, Absent, Absent, Absent])).end(
                name,
                HostState::Residue,
                "left behind: kesl",
                None,
            );
        }
        7 | 19 => {
            let mut waived = all([Absent, Absent, Absent, Present, Absent]);
            waived[3].exemption = Some(Exemption {
                kind: ExemptionKind::Waived,
                reason: "mail gateway is replaced in the spring window".into(),
                ticket: Some("CHG-20418".into()),
                until: Some(jiff::civil::date(2027, 3, 31)),
            });
            script.found(name, Phase::Before, &waived).end(name, HostState::Exempt, "", None);
        }
        _ if index % 5 == 1 => {
            script.found(name, Phase::Before, &gone).end(name, HostState::Clean, "", None);
        }
        _ => {
            script.found(name, Phase::Before, &there).lock(name, None, false);
            for number in 0..3 {
                step(script, name, number, StepResult::Done, "");
            }
            let state = if index == 30 { HostState::RemovedRebootPending } else { HostState::Removed };
            script.found(name, Phase::After, &gone).release(name, None).end(name, state, "", None);
        }
    }
}

fn comparison() -> Comparison {
    let run = |number: u32, verb: &str| RunRef {
        run: format!("0198f000-0000-7000-8000-00000000000{number}"),
        verb: verb.into(),
        started: jiff::Timestamp::from_second(1_793_000_000 + i64::from(number)).unwrap(),
    };
    let change = |host: &str, kind, before, after, state| Change {
        host: host.into(),
        product: Some("kesl".into()),
        name: Some("Kaspersky Endpoint Security for Linux".into()),
        kind,
        before,
        after,
        state,
    };
    let mut changes = vec![
        change(
            "web06.example.org",
            ChangeKind::CameBack,
            Some(Absent),
            Some(Present),
            Some(HostState::Failed),
        ),
        change("db03.example.org", ChangeKind::New, None, Some(Present), Some(HostState::Present)),
        change("old-fileserver", ChangeKind::LostSight, Some(Present), None, None),
    ];
    for index in 1..=12 {
        let host = format!("web{index:02}.example.org");
        changes.push(change(&host, ChangeKind::Gone, Some(Present), Some(Absent), Some(HostState::Removed)));
    }
    Comparison { against: vec![run(1, "identify"), run(2, "apply")], changes }
}

/// `count` hosts with five products each, steps and outputs.
pub(crate) fn large(count: usize) -> Report {
    let hosts: Vec<(String, Vec<String>)> = (0..count)
        .map(|index| {
            (
                format!("host-{index:05}.dc{}.example.org", index % 4),
                vec![format!("dc{}", index % 4), format!("rack-{:03}", index / 40)],
            )
        })
        .collect();
    let mut script = Script::default();
    start(&mut script, &hosts, Scope::default());
    script.wave("all", count, count);
    for (index, (name, _)) in hosts.iter().enumerate() {
        script.add(Some(name), Event::HostStarted { wave: Some("all".to_owned()) });
        facts(&mut script, name, index);
        script
            .found(name, Phase::Before, &all([Present, Present, Absent, Residue, Unknown]))
            .lock(name, None, false);
        let fails = index % 10 == 3;
        let noise = format!(
            "dpkg: error on {name}: pre-removal script of kesl ended with status 1, see the log of pid {}\n",
            1000 + index * 7
        )
        .repeat(6);
        step(&mut script, name, 0, StepResult::Done, "");
        step(&mut script, name, 1, if fails { StepResult::Failed } else { StepResult::Done }, &noise);
        step(&mut script, name, 2, if fails { StepResult::NotRun } else { StepResult::Done }, "");
        let after = if fails { all([Present, Present, Absent, Residue, Unknown]) } else { all([Absent; 5]) };
        script.found(name, Phase::After, &after).release(name, None);
        let (state, reason) = if fails {
            (HostState::Failed, format!("step kesl/2 ended with status 1 on pid {index}"))
        } else {
            (HostState::Removed, String::new())
        };
        script.end(name, state, &reason, None);
    }
    script.wave_end("all", 0, None);
    script.finish(ExitCode::CannotVouch).report()
}

/// Strings that have broken pages before.
pub(crate) const HOSTILE: &[&str] = &[
    "<script>canary('script')</script>",
    "</script><script>canary('json')</script>",
    "<!--<script>canary('comment')</script>-->",
    "\"><img src=x onerror=canary('attribute')>",
    "' onmouseover=canary('quote') autofocus onfocus=canary('focus') x='",
    "<svg/onload=canary('svg')>",
    "<iframe srcdoc=\"<script>parent.canary('frame')</script>\"></iframe>",
    "javascript:canary('url')",
    "<a href=\"javascript:canary('href')\">x</a>",
    "{{constructor.constructor('canary(1)')()}} ${canary('template')} <%= canary('erb') %>",
    "&lt;script&gt;canary('entity')&lt;/script&gt; &#60;script&#62;",
    "</title></style></noscript></textarea></template><script>canary('end')</script>",
    "<style>@import url(https://example.com/x.css);</style><link rel=stylesheet href=//example.com/y.css>",
    "<base href=https://example.com/><meta http-equiv=refresh content=\"0;url=https://example.com\">",
    "<form action=https://example.com><button>x</button></form>",
    "\u{202e}gnp.exe\u{202d}\u{2066}\u{200b}\u{feff}",
    "nul\0 bell\x07 escape\x1b[31m c1\u{9b}31m cr\r tab\t",
    "lone surrogate \\ud800\\udc00 \\u003cscript\\u003ecanary('escaped')\\u003c/script\\u003e",
    "\u{2028}canary('line')\u{2029}",
    "--><script>canary('comment end')</script><!--",
    "]]><script>canary('cdata')</script>",
    "__proto__",
    "constructor",
];

/// A report whose every string is `text`, but for what must tell things apart.
pub(crate) fn hostile(text: &str) -> Report {
    let text = || text.to_owned();
    let mut script = Script::default();
    let entry = HostEntry { name: text(), address: text(), user: Some(text()), groups: vec![text()] };
    let scope = Scope {
        profile: Some(ScopeProfile {
            id: text(),
            name: text(),
            digest: text(),
            out: vec![ScopeEntry { class: None, product: Some(text()), reason: text() }],
        }),
        waivers: Some(WaiverList {
            file: text(),
            digest: text(),
            waivers: vec![Waiver {
                hosts: text(),
                // Of no product, so that it is noted as unused whatever the text is.
                product: format!("no {}", text()),
                reason: text(),
                ticket: text(),
                until: jiff::civil::date(2027, 1, 1),
            }],
        }),
    };
    script.add(
        None,
        Event::RunStarted {
            run: text(),
            verb: text(),
            version: text(),
            operator: text(),
            playbook: text(),
            plan: Some(text()),
            options: BTreeMap::from([(text(), text())]),
            scope,
            hosts: vec![entry],
        },
    );
    let name = text();
    script.wave(&name, 1, 0);
    script.add(None, Event::WaveApproved { wave: text(), operator: text() });
    script.add(Some(&name), Event::HostStarted { wave: Some(text()) });
    let identity =
        MachineIdentity { host_key: Some(text()), machine_id: Some(text()), dmi_uuid: Some(text()) };
    script.add(
        Some(&name),
        Event::Facts {
            phase: Phase::Before,
            blob: text(),
            platform: Some(Platform::Linux),
            identity,
            boot: BootIdentity { boot_id: Some(text()), init_start: None },
        },
    );
    let evidence = Evidence {
        role: EvidenceRole::Detect,
        check: text(),
        truth: Truth::True,
        facts: vec![text(), text()],
        matched: Some(vec![text()]),
        reason: Some(text()),
    };
    let exemption =
        Exemption { kind: ExemptionKind::WaiverExpired, reason: text(), ticket: Some(text()), until: None };
    let hostile = |result| Finding {
        product: text(),
        name: text(),
        class: ProductClass::Product,
        result,
        exemption: Some(exemption.clone()),
        version: Some(text()),
        evidence: vec![evidence.clone()],
    };
    script.found(&name, Phase::Before, &[hostile(Present)]).lock(&name, Some(&text()), true);
    for (attempt, result) in [(1, StepResult::Interrupted), (2, StepResult::Failed)] {
        script.add(
            Some(&name),
            Event::StepIntent {
                step: text(),
                product: text(),
                summary: text(),
                attempt,
                boot: BootIdentity::default(),
            },
        );
        let output = || OutputRef {
            blob: Some(text()),
            total: 5, // Never blank: an output of nothing but white space is not shown.
            tail: format!("printed {}", text()),
        };
        script.add(
            Some(&name),
            Event::StepOutcome {
                step: text(),
                product: text(),
                summary: text(),
                result,
                status: Some(1),
                effect: Some(Truth::False),
                reboot_needed: true,
                reason: Some(text()),
                millis: 12,
                stdout: output(),
                stderr: output(),
            },
        );
    }
    script.found(&name, Phase::After, &[hostile(Residue)]).release(&name, Some(&text()));
    script.end(&name, HostState::Failed, &text(), Some(&text()));
    script.wave_end(&name, 1, Some(&text()));
    script.add(None, Event::Decision { operator: text(), what: text() });
    script.stop(&text(), ExitCode::Stopped);
    script.add(
        None,
        Event::RunResumed {
            operator: text(),
            version: text(),
            approved: vec![text()],
            after_failures: true,
            retry_failed: true,
            break_lock: true,
        },
    );
    script.add(Some(&name), Event::HostStarted { wave: Some(text()) });
    script.end(&name, HostState::Failed, &text(), Some(&text()));
    script.stop(&text(), ExitCode::Stopped);
    let mut report = script.report();
    report.check = Some(JournalCheck { defects: vec![text()], seals: vec![text()], remarks: vec![text()] });
    let run = RunRef { run: text(), verb: text(), started: jiff::Timestamp::UNIX_EPOCH };
    let change = Change {
        host: text(),
        product: Some(text()),
        name: Some(text()),
        kind: ChangeKind::CameBack,
        before: Some(Absent),
        after: Some(Present),
        state: Some(HostState::Failed),
    };
    report.comparison = Some(Comparison { against: vec![run], changes: vec![change] });
    report
}
