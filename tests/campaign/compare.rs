//! What is new, came back, is still there, was lost sight of, is gone; and what of it fails a `verify`.

use crate::runs::{Run, findings, id};
use crate::{KESL, NONE, Place, one_line};
use std::path::Path;
use uproot::model::ProductState::{Absent, Present, Residue, Unknown};
use uproot::model::event::Phase;
use uproot::model::{ExitCode, HostState, ProductState};
use uproot::report::{ChangeKind, CompareError, Comparison, FailOn, Report};

/// A look at one host; none: it was not reached.
fn look(number: u32, kesl: Option<ProductState>, runs: &Path) -> Report {
    let mut run = Run::new(number, "verify", &format!("2024-03-0{number}T10:00:00Z"), &["a"]);
    match kesl {
        Some(state) => run.look("a", &[("kesl", state)]),
        None => run.unreachable("a"),
    };
    run.report(runs)
}

/// What became of kesl over looks, the last of which is compared with the others.
fn became(looks: &[Option<ProductState>]) -> Vec<(ChangeKind, Option<ProductState>, Option<ProductState>)> {
    let place = Place::new();
    let mut reports: Vec<Report> = looks
        .iter()
        .enumerate()
        .map(|(index, state)| look(index as u32 + 1, *state, &place.runs()))
        .collect();
    let last = reports.pop().unwrap();
    reports.reverse();
    let comparison = Comparison::of(&last, &reports).unwrap();
    assert!(comparison.against.is_sorted_by_key(|run| run.started));
    comparison.changes.iter().map(|change| (change.kind, change.before, change.after)).collect()
}

#[test]
fn every_history_has_its_word() {
    let (p, r, a, u) = (Some(Present), Some(Residue), Some(Absent), Some(Unknown));
    let none = None;
    for (looks, kind, before, after) in [
        (vec![a, p], ChangeKind::New, a, p),
        (vec![u, p], ChangeKind::New, none, p),
        (vec![a, r], ChangeKind::New, a, r),
        (vec![p, a, p], ChangeKind::CameBack, a, p),
        (vec![p, a, none, p], ChangeKind::CameBack, a, p),
        (vec![p, a, u, r], ChangeKind::CameBack, a, r),
        (vec![p, r, p], ChangeKind::CameBack, r, p),
        (vec![r, p], ChangeKind::CameBack, r, p),
        (vec![p, p], ChangeKind::StillThere, p, p),
        (vec![p, r], ChangeKind::StillThere, p, r),
        (vec![p, u, p], ChangeKind::StillThere, p, p),
        (vec![p, a, p, p], ChangeKind::StillThere, p, p),
        (vec![p, u], ChangeKind::LostSight, p, none),
        (vec![p, none], ChangeKind::LostSight, p, none),
        (vec![p, none, none], ChangeKind::LostSight, p, none),
        (vec![a, u], ChangeKind::LostSight, a, none),
        (vec![p, a], ChangeKind::Gone, p, a),
        (vec![p, none, a], ChangeKind::Gone, p, a),
        (vec![p, a, a], ChangeKind::Gone, a, a),
    ] {
        assert_eq!(became(&looks), [(kind, before, after)], "{looks:?}");
    }
    for looks in [vec![a, a], vec![u, u], vec![none, u], vec![none, none], vec![u, a], vec![none, a]] {
        assert_eq!(became(&looks), [], "{looks:?}");
    }
}

#[test]
fn a_removal_by_the_earlier_run_itself_counts_and_a_pending_reboot_is_not_gone() {
    let place = Place::new();
    let removed = |number, state| {
        Run::new(number, "apply", &format!("2024-03-0{number}T10:00:00Z"), &["a"])
            .remove("a", KESL, NONE, state)
            .report(&place.runs())
    };
    let back = look(3, Some(Present), &place.runs());
    let kinds = |report: &Report, against: &[Report]| {
        let comparison = Comparison::of(report, against).unwrap();
        comparison.changes.iter().map(|change| change.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&back, &[removed(1, HostState::Removed)]), [ChangeKind::CameBack]);
    // Before its reboot it is not proven gone: it is still there.
    assert_eq!(kinds(&back, &[removed(1, HostState::RemovedRebootPending)]), [ChangeKind::StillThere]);
    let before = look(1, Some(Present), &place.runs());
    assert_eq!(kinds(&removed(2, HostState::Removed), std::slice::from_ref(&before)), [ChangeKind::Gone]);
    assert_eq!(kinds(&removed(2, HostState::RemovedRebootPending), &[before]), [ChangeKind::LostSight]);
}

#[test]
fn hosts_that_are_not_in_the_newer_run_are_lost_sight_of() {
    let place = Place::new();
    let runs = place.runs();
    let before = Run::new(1, "identify", "2024-03-01T10:00:00Z", &["old", "clean", "here"])
        .look("old", KESL)
        .look("clean", NONE)
        .look("here", KESL)
        .report(&runs);
    let now = Run::new(2, "verify", "2024-03-02T10:00:00Z", &["here", "renamed"])
        .look("here", KESL)
        .look("renamed", KESL)
        .report(&runs);
    let comparison = Comparison::of(&now, &[before]).unwrap();
    let told: Vec<_> = comparison
        .changes
        .iter()
        .map(|change| (change.kind, change.host.as_str(), change.product.as_deref(), change.state))
        .collect();
    assert_eq!(
        told,
        [
            (ChangeKind::New, "renamed", Some("kesl"), Some(HostState::Present)),
            (ChangeKind::StillThere, "here", Some("kesl"), Some(HostState::Present)),
            (ChangeKind::LostSight, "clean", None, None),
            (ChangeKind::LostSight, "old", Some("kesl"), None),
        ]
    );
}

#[test]
fn only_older_runs_can_be_compared_with() {
    let place = Place::new();
    let (one, two) = (look(1, Some(Present), &place.runs()), look(2, Some(Present), &place.runs()));
    let wrong = Comparison::of(&one, std::slice::from_ref(&two)).unwrap_err();
    assert_eq!(wrong, CompareError::Newer { run: id(1), against: id(2) });
    let wrong = Comparison::of(&one, std::slice::from_ref(&one)).unwrap_err();
    assert_eq!(wrong, CompareError::Itself { run: id(1) });
    place.refuses(&["report", &id(1), "--against", &id(2)], &["started after run"]);
    place.refuses(&["report", "last", "--against", "last"], &["with itself"]);
    place.refuses(&["report", "last", "--against", "nothing"], &["nothing"]);
}

#[test]
fn failing_on_what_is_new_still_fails_on_what_cannot_be_told() {
    let place = Place::new();
    let runs = place.runs();
    let before = Run::new(1, "verify", "2024-03-01T10:00:00Z", &["a", "b", "c"])
        .look("a", KESL)
        .look("b", NONE)
        .look("c", NONE)
        .report(&runs);
    let exit = |number, choice: FailOn, found: &[(&str, &[(&str, ProductState)])]| {
        let hosts: Vec<&str> = found.iter().map(|(host, _)| *host).collect();
        let mut run = Run::new(number, "verify", "2024-03-02T10:00:00Z", &hosts);
        for (host, found) in found {
            if found.is_empty() {
                run.unreachable(host)
            } else {
                run.look(host, found)
            };
        }
        let report = run.report(&runs);
        choice.exit_code(&report, &Comparison::of(&report, std::slice::from_ref(&before)).unwrap())
    };
    let new = FailOn::New;
    assert_eq!(exit(2, new, &[("a", KESL), ("b", NONE)]), ExitCode::Success);
    assert_eq!(exit(2, new, &[("a", KESL), ("b", KESL)]), ExitCode::Found);
    assert_eq!(exit(2, FailOn::CameBack, &[("a", KESL), ("b", KESL)]), ExitCode::Success);
    assert_eq!(exit(2, new, &[("a", KESL), ("b", &[])]), ExitCode::CannotVouch);
    // What could not be told is not excused by what is still there beside it.
    let mixed: &[(&str, ProductState)] = &[("kesl", Present), ("klnagent", Unknown)];
    assert_eq!(exit(2, new, &[("a", mixed)]), ExitCode::CannotVouch);
    assert_eq!(exit(2, new, &[("a", &[("kesl", Present), ("klnagent", Present)])]), ExitCode::Found);
    assert_eq!(exit(2, new, &[]), ExitCode::CannotVouch);
    assert_eq!(FailOn::ALL.map(FailOn::word), ["new", "came-back"]);
    assert_eq!(FailOn::ALL.map(|choice| FailOn::parse(choice.word())), FailOn::ALL.map(Some));
}

#[test]
fn the_report_has_lines_of_its_own_for_it() {
    let place = Place::new();
    let runs = place.runs();
    let hosts = ["back", "fine", "gone", "lost", "new", "still"];
    let mut first = Run::new(1, "identify", "2024-03-01T10:00:00Z", &hosts);
    for host in ["back", "gone", "lost", "still"] {
        first.look(host, KESL);
    }
    first.look("fine", NONE).look("new", NONE).finish(&runs);
    Run::new(2, "apply", "2024-03-02T10:00:00Z", &["back", "gone"])
        .remove("back", KESL, NONE, HostState::Removed)
        .remove("gone", KESL, NONE, HostState::Removed)
        .finish(&runs);
    let mut third = Run::new(3, "verify", "2024-03-03T10:00:00Z", &hosts);
    for host in ["back", "new", "still"] {
        third.look(host, KESL);
    }
    third.look("fine", NONE).look("gone", NONE).unreachable("lost").finish(&runs);
    let (table, code) = place.says(&["report", "last", "--against", &id(1), "--against", &id(2)]);
    insta::assert_snapshot!("compared", table);
    assert_eq!(code, 1, "the exit code is the run's own");
    let (verbose, _) = place.says(&["report", "last", "--against", &id(1), "--against", &id(2), "-v"]);
    assert!(verbose.contains("gone: kesl (Kaspersky kesl) on gone: was absent, is absent"), "{verbose}");
    // Nothing is called new where only the newest run is asked.
    let (table, _) = place.says(&["report", &id(2), "--against", &id(1)]);
    assert!(table.contains("came back: none\nnew: none\n"), "{table}");
}

#[test]
fn a_host_that_is_another_machine_now_is_noted_and_so_is_an_unfinished_run() {
    let place = Place::new();
    let run = |number: u32, machine: &str| {
        let mut run = Run::new(number, "verify", &format!("2024-03-0{number}T10:00:00Z"), &["a"]);
        run.start("a")
            .machine("a", machine)
            .find("a", Phase::Before, findings(NONE))
            .end("a", HostState::Clean);
        run
    };
    run(1, "aa").write(&place.runs());
    run(2, "bb").finish(&place.runs());
    let (table, _) = place.says(&["report", &id(2), "--against", &id(1)]);
    let table = one_line(&table);
    assert!(table.contains("which this one is compared with, is not finished"), "{table}");
    assert!(table.contains("host a is another machine than before"), "{table}");
}

/// A playbook of one product, and a facts document of a host that has it or not.
pub(crate) fn facts(place: &Place, host: &str, kesl: &str) {
    let directory = place.path("facts");
    std::fs::create_dir_all(&directory).unwrap();
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/tests/linux");
    let text = std::fs::read_to_string(recorded.join(format!("kesl.{kesl}.deb.json"))).unwrap();
    let text = text.replace("\"web01\"", &format!("\"{host}\""));
    std::fs::write(directory.join(format!("{host}.json")), text).unwrap();
    let playbook = "uproot: 1\nname: one\nproducts:\n  - id: kesl\n    name: Kaspersky kesl\n    vendor: AO Kaspersky Lab\n    platforms: [linux]\n    confirmed: false\n    detect: { package: kesl }\n    remove:\n      - remove_package: kesl\n";
    std::fs::write(place.path("one.yml"), playbook).unwrap();
}

#[test]
fn verify_fails_only_on_what_is_new_where_that_is_asked() {
    let place = Place::new();
    facts(&place, "web01", "present");
    facts(&place, "web02", "absent");
    Run::new(1, "verify", "2024-03-01T10:00:00Z", &["web01", "web02"])
        .look("web01", &[("kesl", Present)])
        .look("web02", &[("kesl", Absent)])
        .finish(&place.runs());
    let one = id(1);
    let verify = |more: &[&str]| {
        let mut arguments = vec!["verify", "--playbook", "one.yml", "--facts", "facts"];
        arguments.extend(more);
        place.says(&arguments)
    };
    let (table, code) = verify(&["--against", &one]);
    assert_eq!(code, 1, "the comparison alone changes no exit code");
    assert!(table.contains("came back: none\nnew: none\nstill there, 1: kesl on web01\n"), "{table}");
    let (table, code) = verify(&["--against", &one, "--fail-on", "new"]);
    assert_eq!(code, 0, "{table}");
    assert!(table.contains("1 of 2 hosts has a product or its residue."), "{table}");
    let table = one_line(&table);
    assert!(
        table.contains("By `--fail-on new` only what is new or came back fails the run. Exit code 0."),
        "{table}"
    );
    facts(&place, "web02", "present");
    let (table, code) = verify(&["--against", &one, "--fail-on", "new"]);
    assert_eq!(code, 1, "{table}");
    assert!(table.contains("new: kesl (Kaspersky kesl) on web02: was absent, is present"), "{table}");
    let (json, code) = verify(&["--against", &one, "--fail-on", "came-back", "--format", "json"]);
    assert_eq!(code, 0);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&report["options"]["fail_on"], &report["options"]["against"]),
        (&"came-back".into(), &one.into())
    );
    assert_eq!(report["exit"], 0);
    place.refuses(&["verify", "--facts", "facts", "--fail-on", "new"], &["--against"]);
    place.refuses(&["verify", "--facts", "facts", "--against", "nothing"], &["nothing"]);
}

#[test]
fn a_real_verify_of_this_machine_is_compared_and_its_journal_says_how_it_was_judged() {
    let place = Place::new();
    let mark = place.path("kesl-mark");
    let playbook = format!(
        "uproot: 1\nname: one\nproducts:\n  - id: kesl\n    name: Kaspersky kesl\n    vendor: AO Kaspersky Lab\n    platforms: [linux]\n    confirmed: false\n    detect: {{ path: \"{0}\" }}\n    report_only: a file of this test\n",
        mark.display()
    );
    std::fs::write(place.path("one.yml"), playbook).unwrap();
    let verify = |more: &[&str]| {
        let mut arguments = vec!["verify", "-q", "--playbook", "one.yml"];
        arguments.extend(more);
        place.says(&arguments)
    };
    std::fs::write(&mark, "").unwrap();
    assert_eq!(verify(&[]).1, 1);
    let (table, code) = verify(&["--against", "last", "--fail-on", "new"]);
    assert_eq!(code, 0, "{table}");
    assert!(table.contains("still there, 1: kesl on"), "{table}");
    let (journal, code) = place.says(&["journal", "verify", "last"]);
    assert_eq!(code, 0, "{journal}");
    let (shown, code) = place.says(&["report", "last"]);
    assert_eq!(code, 0, "the report exits as the run did");
    assert!(
        one_line(&shown).contains("By `--fail-on new` only what is new or came back fails the run."),
        "{shown}"
    );
    std::fs::remove_file(&mark).unwrap();
    let (table, code) = verify(&["--against", "last"]);
    assert_eq!(code, 0);
    assert!(table.contains("gone, 1: kesl on"), "{table}");
    std::fs::write(&mark, "").unwrap();
    let ids: Vec<String> =
        uproot::journal::list(&place.runs()).unwrap().into_iter().map(|run| run.id).collect();
    let mut arguments = vec!["--fail-on", "came-back"];
    arguments.extend(ids.iter().flat_map(|id| ["--against", id.as_str()]));
    let (table, code) = verify(&arguments);
    assert_eq!(code, 1, "{table}");
    assert!(table.contains("came back: kesl (Kaspersky kesl) on"), "{table}");
    let (table, code) = place.says(&["report", "--all"]);
    assert_eq!(code, 1);
    assert!(table.contains("campaign of 4 runs") && table.contains("a product came back"), "{table}");
}
