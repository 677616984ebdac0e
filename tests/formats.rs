//! Every form of the report: golden files from one fixed run, validators that are not ours, hostile strings,
//! and the promise that a CI server is red exactly when the exit code is not 0.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[path = "formats/fixed.rs"]
mod fixed;
#[path = "formats/hostile.rs"]
mod hostile;
#[allow(dead_code, reason = "shared with tests/report.rs, which uses all of it")]
#[path = "report/script.rs"]
mod script;
#[path = "formats/valid.rs"]
mod valid;

use fixed::{HOSTILE, RUN};
use hostile::CORPUS;
use proptest::prelude::*;
use script::{Script, absent, finding, present};
use std::path::Path;
use std::process::{Command, Output};
use uproot::model::event::Phase;
use uproot::model::{Exemption, ExemptionKind, ExitCode, Finding, HostState, ProductState};
use uproot::report::{
    Change, ChangeKind, Comparison, JournalCheck, Report, RunRef, TableOptions, csv, json, junit, markdown,
    ndjson, sarif, table,
};

/// Whether golden files are written anew; `INSTA_UPDATE=always` as for snapshots.
fn update() -> bool {
    std::env::var("INSTA_UPDATE").is_ok_and(|value| value == "always")
}

fn uproot(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_uproot"))
        .args(arguments)
        .env("UPROOT_RUNS", fixed::golden().join("runs"))
        .output()
        .unwrap()
}

fn compare(name: &str, text: &str) {
    let path = fixed::golden().join(name);
    if update() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{name} differs; INSTA_UPDATE=always writes it anew, `git diff` shows how");
}

const FORMATS: [(&str, &str); 7] = [
    ("table", "txt"),
    ("json", "json"),
    ("ndjson", "ndjson"),
    ("csv", "csv"),
    ("junit", "xml"),
    ("sarif", "sarif"),
    ("markdown", "md"),
];

#[test]
fn the_fixed_run_is_whole_and_has_every_state() {
    let dir = fixed::run_directory(update());
    let broken: Vec<String> = uproot::journal::verify(&dir)
        .unwrap()
        .into_iter()
        .filter(|defect| defect.is_broken())
        .map(|defect| defect.to_string())
        .collect();
    assert_eq!(broken, [""; 0]);
    let report = fixed::script().report();
    for state in HostState::ALL {
        assert!(report.summary.contains_key(&state), "no host is {state}");
    }
    assert_eq!(report.resumptions.len(), 1);
}

/// By the real binary, all forms in one go.
#[test]
fn golden_files() {
    fixed::run_directory(update());
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<String> = FORMATS
        .iter()
        .map(|(_, extension)| dir.path().join(format!("every_state.{extension}")).display().to_string())
        .collect();
    let mut arguments = vec!["report", RUN];
    for ((format, _), file) in FORMATS.iter().zip(&files) {
        arguments.extend(["--format", format, "-o", file]);
    }
    let output = uproot(&arguments);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(output.stdout, b"", "everything went to files");
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        compare(Path::new(file).file_name().unwrap().to_str().unwrap(), &text);
    }
}

/// A small run with all that `report` learns from elsewhere: a check of its journal, earlier runs.
fn compared() -> Report {
    let mut script = Script::default();
    script.start(&["web01", "web02", "web03"]);
    for (host, found, state) in [
        ("web01", present(), HostState::Present),
        ("web02", absent(), HostState::Clean),
        ("web03", Vec::new(), HostState::Unreachable),
    ] {
        if !found.is_empty() {
            script.found(host, Phase::Before, &found);
        }
        script.end(host, state, "", None);
    }
    let mut report = script.finish(ExitCode::Found).report();
    let change = |host: &str, product: Option<&str>, kind, before, after, state| Change {
        host: host.into(),
        product: product.map(str::to_owned),
        name: product.map(|product| format!("Kaspersky {product}")),
        kind,
        before,
        after,
        state,
    };
    use ProductState::{Absent, Present};
    let changes = vec![
        change(
            "web01",
            Some("kesl"),
            ChangeKind::CameBack,
            Some(Absent),
            Some(Present),
            Some(HostState::Present),
        ),
        change("web01", Some("klnagent"), ChangeKind::New, None, Some(Present), Some(HostState::Present)),
        change("web03", None, ChangeKind::LostSight, None, None, Some(HostState::Unreachable)),
        change("old01", Some("kesl"), ChangeKind::LostSight, Some(Present), None, None),
        change("web02", Some("kesl"), ChangeKind::Gone, Some(Present), Some(Absent), Some(HostState::Clean)),
    ];
    let against =
        vec![RunRef { run: "01980000-earlier".into(), verb: "verify".into(), started: report.started }];
    report.comparison = Some(Comparison { against, changes });
    report.check = Some(JournalCheck {
        defects: Vec::new(),
        seals: vec!["sealed by auditor@example.com".into()],
        remarks: vec!["sealed before its last record".into()],
    });
    report
}

fn broken() -> Report {
    let mut report = compared();
    if let Some(check) = &mut report.check {
        check.defects = (2..9).map(|line| format!("journal.jsonl:{line}: its hash is wrong")).collect();
    }
    report
}

fn all(report: &Report) -> [(&'static str, String); 7] {
    [
        ("txt", table(report, &TableOptions::default())),
        ("json", json(report)),
        ("ndjson", ndjson(report)),
        ("csv", csv(report)),
        ("xml", junit(report)),
        ("sarif", sarif(report)),
        ("md", markdown(report)),
    ]
}

#[test]
fn golden_files_of_a_broken_journal_and_a_comparison() {
    for (extension, text) in all(&broken()) {
        compare(&format!("broken.{extension}"), &text);
    }
}

#[test]
fn a_broken_journal_is_said_first() {
    for (extension, text) in all(&broken()) {
        let start: String = text.lines().take(3).collect::<Vec<_>>().join("\n").to_lowercase();
        assert!(start.contains("broken"), "{extension}: {start}");
    }
    for (extension, text) in all(&compared()) {
        assert!(!text.contains("BROKEN"), "{extension}");
        assert!(text.contains("auditor@example.com"), "{extension} does not tell of the seal");
    }
}

#[test]
fn every_form_passes_validators_that_are_not_ours() {
    for report in [fixed::script().report(), compared(), broken()] {
        let [_, (_, json), (_, ndjson), (_, csv), (_, junit), (_, sarif), _] = all(&report);
        valid::json(&json);
        valid::ndjson(&ndjson);
        valid::junit(&junit);
        valid::sarif(&sarif);
        let rows = valid::csv(&csv);
        let findings: usize = report.hosts.iter().map(|host| host.findings.len().max(1)).sum();
        let elsewhere = usize::from(report.comparison.is_some());
        assert_eq!(rows.len(), findings + elsewhere);
    }
}

#[test]
fn validators_bite() {
    let report = compared();
    valid::sarif(&sarif(&report));
    valid::junit(&junit(&report));
    valid::json(&json(&report));
    valid::ndjson(&ndjson(&report));
    valid::csv("a,b\r\n1,2\r\n");
    let wrong = |text: &str, check: fn(&str)| {
        let text = text.to_owned();
        assert!(std::panic::catch_unwind(move || check(&text)).is_err());
    };
    wrong(&sarif(&report).replacen("\"2.1.0\"", "\"2.0\"", 1), valid::sarif);
    wrong(&sarif(&report).replacen("\"hosts/", "\"not a uri ", 1), valid::sarif);
    wrong(&junit(&report).replacen(" classname=", " class=", 1), valid::junit);
    wrong(&junit(&report).replacen("time=\"0.000\"", "time=\"soon\"", 1), valid::junit);
    wrong(&json(&report).replacen("\"came-back\"", "\"came back\"", 1), valid::json);
    wrong(&ndjson(&report).replacen("\"type\":\"host\"", "\"type\":\"guest\"", 1), valid::ndjson);
    wrong("a,b\r\n=1,2\r\n", |text| drop(valid::csv(text)));
}

#[test]
fn hostile_strings_harm_no_form() {
    for (extension, text) in all(&fixed::script().report()) {
        let kept = |c: char| c == '\n' || (c == '\r' && extension == "csv");
        assert!(!text.chars().any(|c| c.is_control() && !kept(c)), "{extension}: a control character");
        assert!(!text.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}']), "{extension}: bidi");
    }
    let report = fixed::script().report();
    assert!(!junit(&report).contains(['\u{fffe}', '\u{ffff}']));
    assert!(!junit(&report).contains("]]>") && !junit(&report).contains("<script>"));
    // Whatever a host says stands between backticks: outside of them nothing is left of it.
    for line in markdown(&report).lines() {
        let outside = outside_of_spans(line);
        for bad in ["<", "@", "](", "http", "evil", "`"] {
            assert!(!outside.contains(bad), "{bad} in {outside}");
        }
        if line.starts_with('|') {
            let columns = line.matches('|').count();
            assert!([3, 6].contains(&columns), "{columns}: {line}");
        }
    }
    // The strings themselves are unchanged where programs read them.
    let document: serde_json::Value = serde_json::from_str(&json(&report)).unwrap();
    let hosts = document["hosts"].as_array().unwrap();
    let hostile = hosts.iter().find(|host| host["host"] == HOSTILE).unwrap();
    for (finding, text) in hostile["findings"].as_array().unwrap().iter().zip(CORPUS) {
        assert_eq!(finding["version"].as_str(), Some(*text));
    }
}

/// A line of Markdown without its code spans, as CommonMark finds them (0.31.2, 6.1).
fn outside_of_spans(line: &str) -> String {
    let chars: Vec<char> = line.chars().collect();
    let run = |at: usize| chars[at..].iter().take_while(|c| **c == '`').count();
    let (mut out, mut at) = (String::new(), 0);
    while at < chars.len() {
        let fence = run(at);
        if fence == 0 {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        let mut end = at + fence;
        while end < chars.len() && run(end) != fence {
            end += run(end).max(1);
        }
        if end >= chars.len() {
            out.push('`');
        }
        at = (end + fence).min(chars.len());
    }
    out
}

#[test]
fn a_ticket_takes_the_markdown_of_any_fleet() {
    let names: Vec<String> = (0..3000).map(|number| format!("{}{number}", "h`|".repeat(60))).collect();
    let mut script = Script::default();
    script.start(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names {
        let found: Vec<Finding> =
            CORPUS.iter().map(|text| finding(&text.repeat(9), ProductState::Present, Some(text))).collect();
        let reason = "ホ".repeat(5000);
        script.found(name, Phase::Before, &found).end(name, HostState::Present, &reason, Some(&reason));
    }
    let mut report = script.finish(ExitCode::Found).report();
    report.notes = names;
    let text = markdown(&report);
    assert!(text.len() < 64 * 1024, "{}", text.len());
    assert!(text.contains("and 2970 more"), "{text}");
}

#[test]
fn identity_in_a_log_is_of_host_and_product_only() {
    let prints = |report: &Report| -> Vec<(String, String)> {
        let log: serde_json::Value = serde_json::from_str(&sarif(report)).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap().clone();
        let one = |result: &serde_json::Value| {
            let print = result["partialFingerprints"]["uprootHostProduct/v1"].as_str().unwrap().to_owned();
            (result["ruleId"].as_str().unwrap().to_owned(), print)
        };
        results.iter().map(one).collect()
    };
    let run = |result, version| {
        let mut script = Script::default();
        script.start(&["web01"]).found("web01", Phase::Before, &[finding("kesl", result, version)]);
        script.end("web01", HostState::Present, "", None).finish(ExitCode::Found).report()
    };
    let first = prints(&run(ProductState::Present, Some("12.0")));
    assert_eq!(first.len(), 1);
    assert_eq!(first, prints(&run(ProductState::Residue, None)));
    let mut all = prints(&fixed::script().report());
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count, "two results are one");
}

#[test]
fn formats_and_files_that_do_not_pair_are_wrong_input() {
    fixed::run_directory(false);
    for (arguments, says) in [
        (&["--format", "json", "--format", "csv"][..], "2 `--format` are given, but 0 `-o`"),
        (&["--format", "csv", "-o", "/nowhere/a.csv"][..], "cannot be written"),
        (&["--format", "table", "--format", "junit", "-o", "a.xml"][..], "`a.xml` would be written as table"),
        (&["-o", "-", "-o", "-"][..], "two results would go to standard output"),
    ] {
        let output = uproot(&[&["report", RUN], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says) && said.contains("help: "), "{said}");
        assert_eq!(output.stdout, b"");
    }
    let output = uproot(&["inventory", "list", "-i", "a,b", "--format", "junit"]);
    assert_eq!(output.status.code(), Some(2));
    let output = uproot(&["report", RUN, "--format", "junit"]);
    assert_eq!(output.status.code(), Some(4));
    valid::junit(&String::from_utf8(output.stdout).unwrap());
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(CORPUS).prop_map(str::to_owned),
        any::<String>(),
        Just(String::new())
    ]
}

fn findings() -> impl Strategy<Value = Vec<Finding>> {
    use ProductState::{Absent, Present, Residue, Unknown};
    let result = proptest::sample::select(&[Present, Residue, Unknown, Absent][..]);
    let kinds = [
        None,
        None,
        Some(ExemptionKind::OutOfScope),
        Some(ExemptionKind::Waived),
        Some(ExemptionKind::WaiverExpired),
    ];
    let exemption = (proptest::sample::select(kinds.to_vec()), texts());
    let one = (result, texts(), exemption).prop_map(|(result, version, (kind, reason))| {
        let mut finding = finding("kesl", result, Some(&version));
        finding.exemption = kind.map(|kind| Exemption { kind, reason, ticket: None, until: None });
        finding
    });
    proptest::collection::vec(one, 0..4).prop_map(|mut list| {
        for (number, finding) in list.iter_mut().enumerate() {
            finding.product = format!("product{number}");
        }
        list
    })
}

fn reports() -> impl Strategy<Value = Report> {
    let end = (proptest::sample::select(&HostState::ALL[..]), findings(), texts(), any::<bool>());
    let ends = proptest::collection::vec(proptest::option::weighted(0.9, end), 0..5);
    let exits =
        [ExitCode::Success, ExitCode::Found, ExitCode::CannotVouch, ExitCode::Stopped, ExitCode::Interrupted];
    let last = (0..3u8, proptest::sample::select(exits.to_vec()), any::<bool>(), 0..4u8, any::<bool>());
    (ends, last).prop_map(|(ends, (last, exit, pending_is_ok, check, only_new))| {
        let names: Vec<String> = (0..ends.len()).map(|number| format!("h{number}")).collect();
        let mut script = Script::default();
        script.start(&names.iter().map(String::as_str).collect::<Vec<_>>());
        for (name, end) in names.iter().zip(ends) {
            let Some((state, found, reason, in_wave)) = end else { continue };
            if in_wave {
                script.begin(name);
            }
            script.found(name, Phase::Before, &found).end(name, state, &reason, None);
        }
        match last {
            0 => script.finish(exit),
            1 => script.stop("the operator", exit),
            _ => &mut script,
        };
        let mut report = script.report();
        if pending_is_ok {
            report.options.insert("reboot".into(), "pending-is-ok".into());
        }
        if only_new {
            report.options.insert("fail_on".into(), "new".into());
        }
        report.check = (check > 1).then(|| JournalCheck {
            defects: if check > 2 { vec!["a hash is wrong".into()] } else { Vec::new() },
            ..JournalCheck::default()
        });
        report
    })
}

/// Whether a CI server is red: any failure or error. Texts hold no `<` of their own.
fn is_red(junit: &str) -> bool {
    junit.contains("<failure ") || junit.contains("<error ")
}

proptest! {
    #[test]
    fn a_ci_server_is_red_exactly_when_the_exit_code_is_not_0(report in reports()) {
        let text = junit(&report);
        prop_assert_eq!(is_red(&text), report.exit_code() != ExitCode::Success, "{}", text);
        prop_assert!(!text.contains("<skipped"));
        let counted = text.matches("<error ").count();
        let stated = format!("errors=\"{counted}\"");
        prop_assert!(text.lines().nth(1).unwrap().contains(&stated), "{}", text);
    }

    #[test]
    fn no_form_fails_whatever_a_report_holds(report in reports()) {
        for (extension, text) in all(&report) {
            let kept = |c: char| c == '\n' || (c == '\r' && extension == "csv");
            prop_assert!(!text.chars().any(|c| c.is_control() && !kept(c)), "{}", extension);
        }
        let xml = junit(&report);
        let mut reader = quick_xml::Reader::from_str(&xml);
        while reader.read_event().unwrap() != quick_xml::events::Event::Eof {}
        let log: serde_json::Value = serde_json::from_str(&sarif(&report)).unwrap();
        let broken = log["properties"]["uproot/journal-broken"].is_string();
        prop_assert_eq!(broken, report.check.as_ref().is_some_and(JournalCheck::is_broken));
    }
}
