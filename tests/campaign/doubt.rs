//! What proves less than it seems to: runs that are broken, that asked less, or that only wait for a reboot.

use crate::compare::facts;
use crate::runs::{Run, finding, findings};
use crate::{KESL, NONE, Place, one_line};
use uproot::directive::{Clock, built_in};
use uproot::model::ProductState::{Absent, Present, Unknown};
use uproot::model::event::Phase;
use uproot::model::scope::{ScopeEntry, ScopeProfile};
use uproot::model::{Exemption, ExemptionKind, ExitCode, HostState, ProductState};
use uproot::report::{
    Campaign, Comparison, DeadlineReport, DeadlineState, FailOn, HostStatus, JournalCheck, Report, Standing,
};

const KLNAGENT: &[(&str, ProductState)] = &[("klnagent", Absent)];

/// By the clock of BOD 17-01 from 2024-02-20 on.
fn told(reports: &[Report]) -> Campaign {
    let directive = built_in("bod-17-01").unwrap();
    let clock = Clock::new(&directive, Some("2024-02-20".parse().unwrap()), Some("UTC")).unwrap();
    Campaign::of(
        reports,
        Some(&clock),
        (jiff::tz::TimeZone::UTC, "UTC"),
        "2024-09-01T00:00:00Z".parse().unwrap(),
    )
}

fn deadline<'a>(campaign: &'a Campaign, id: &str) -> &'a DeadlineReport {
    campaign.deadlines.iter().find(|deadline| deadline.id == id).unwrap()
}

#[test]
fn a_reboot_that_is_waited_for_is_no_nil_return_though_the_removal_was_in_no_run() {
    let place = Place::new();
    let waits = Run::new(1, "verify", "2024-03-01T10:00:00Z", &["a"])
        .start("a")
        .find("a", Phase::Before, findings(NONE))
        .end("a", HostState::RemovedRebootPending)
        .report(&place.runs());
    let campaign = told(std::slice::from_ref(&waits));
    assert!(!campaign.is_nil_return());
    assert_eq!(campaign.hosts[0].status, HostStatus::Unknown);
    assert_eq!(campaign.exit_code(), ExitCode::CannotVouch);
    assert_ne!(deadline(&campaign, "begin").state, DeadlineState::NothingToDo);
    let after = Run::new(2, "verify", "2024-03-02T10:00:00Z", &["a"]).look("a", NONE).report(&place.runs());
    let campaign = told(&[waits, after]);
    assert_eq!((campaign.hosts[0].status, campaign.exit_code()), (HostStatus::Free, ExitCode::Success));
}

#[test]
fn a_run_that_does_not_ask_answers_no_question_of_an_earlier_one() {
    let place = Place::new();
    let before = Run::new(1, "identify", "2024-03-01T10:00:00Z", &["a", "b"])
        .look("a", NONE)
        .look("b", &[("kesl", Unknown), ("klnagent", Absent)])
        .report(&place.runs());
    let after = Run::new(2, "verify", "2024-03-02T10:00:00Z", &["a", "b"])
        .look("a", KLNAGENT)
        .look("b", KLNAGENT)
        .report(&place.runs());
    let campaign = told(&[before, after]);
    let identify = deadline(&campaign, "identify");
    assert_eq!((identify.achieved, identify.of), (1, 2), "{}", identify.evidence);
    assert_eq!(identify.missing, ["b"]);
    let notes = campaign.notes.join("\n");
    assert!(notes.contains("did not look for `kesl` on up to 2 hosts, where a run before it had"), "{notes}");
}

#[test]
fn a_broken_run_proves_nothing() {
    let place = Place::new();
    let seen = Run::new(1, "verify", "2024-03-01T10:00:00Z", &["a", "b"])
        .look("a", KESL)
        .look("b", NONE)
        .report(&place.runs());
    let mut broken = Run::new(2, "apply", "2024-03-02T10:00:00Z", &["a", "b", "c"])
        .remove("a", KESL, NONE, HostState::Removed)
        .look("b", KESL)
        .look("c", NONE)
        .report(&place.runs());
    broken.check =
        Some(JournalCheck { defects: vec!["the chain is broken".to_owned()], ..Default::default() });
    let campaign = told(&[seen, broken]);
    let status = |name: &str| campaign.hosts.iter().find(|host| host.host == name).unwrap().status;
    assert_eq!((status("a"), status("c")), (HostStatus::Remaining, HostStatus::Unknown));
    assert_eq!(status("b"), HostStatus::Remaining, "that something is there is not left out");
    assert_eq!(deadline(&campaign, "begin").state, DeadlineState::Missed);
    assert_eq!(deadline(&campaign, "identify").missing, ["c"]);
    assert_eq!(campaign.runs[1].answered, 0);
}

#[test]
fn what_does_not_count_is_not_called_not_found() {
    let place = Place::new();
    let mut kesl = finding("kesl", Present);
    let reason = "an appliance".to_owned();
    kesl.exemption = Some(Exemption { kind: ExemptionKind::OutOfScope, reason, ticket: None, until: None });
    let mut report = Run::new(1, "verify", "2024-03-01T10:00:00Z", &["a"])
        .start("a")
        .find("a", Phase::Before, vec![kesl])
        .end("a", HostState::Exempt)
        .report(&place.runs());
    // A profile is what its document says, not what it is called.
    let everything = ScopeEntry { class: None, product: Some("*".to_owned()), reason: "no".to_owned() };
    report.scope.profile = Some(ScopeProfile {
        id: "bod-17-01".to_owned(),
        name: "BOD 17-01".to_owned(),
        digest: "5c".repeat(32),
        out: vec![everything],
    });
    let campaign = told(&[report]);
    for id in ["identify", "plan", "begin"] {
        let evidence = &deadline(&campaign, id).evidence;
        assert!(evidence.contains("no product that counts was found"), "{id}: {evidence}");
    }
    let notes = campaign.notes.join("\n");
    assert!(notes.contains("`bod-17-01` (SHA-256 5c5c5c5c5c5c5c5c) that is not the built-in one"), "{notes}");
}

#[test]
fn a_host_is_not_clean_because_nothing_was_asked() {
    let place = Place::new();
    let dir = Run::new(1, "verify", "2024-03-01T10:00:00Z", &["a", "b"])
        .look("a", NONE)
        .end("b", HostState::Clean)
        .finish(&place.runs());
    let (table, exit) = place.says(&["report", dir.to_str().unwrap()]);
    assert_eq!(exit, 3, "{table}");
    let table = one_line(&table);
    assert!(!table.contains("Every host is free"), "{table}");
    assert!(
        table.contains("1 of 2 hosts is called free by the journal, whose findings do not say so"),
        "{table}"
    );
    let (junit, _) = place.says(&["report", dir.to_str().unwrap(), "--format", "junit"]);
    assert!(junit.contains("errors=\"1\""), "{junit}");
}

#[test]
fn failing_on_what_is_new_does_not_excuse_what_is_not_looked_for_any_more() {
    let place = Place::new();
    let before = Run::new(1, "verify", "2024-03-01T10:00:00Z", &["a", "b"])
        .look("a", KESL)
        .look("b", NONE)
        .report(&place.runs());
    let exit = |host: &str| {
        let report =
            Run::new(2, "verify", "2024-03-02T10:00:00Z", &[host]).look(host, KLNAGENT).report(&place.runs());
        assert_eq!(report.standing_of(&report.hosts[0]), Standing::Fine);
        FailOn::New.exit_code(&report, &Comparison::of(&report, std::slice::from_ref(&before)).unwrap())
    };
    assert_eq!(exit("a"), ExitCode::CannotVouch);
    assert_eq!(exit("b"), ExitCode::Success);
}

#[test]
fn saved_facts_say_how_old_they_are_and_are_not_compared_with_what_came_after_them() {
    let place = Place::new();
    facts(&place, "web01", "absent");
    let file = place.path("facts/web01.json");
    let mut document: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    document["at"] = "2019-01-01T00:00:00Z".into();
    std::fs::write(&file, document.to_string()).unwrap();
    let verify = ["verify", "--playbook", "one.yml", "--facts", "facts"];
    let age = "no host was asked: this is told from the facts saved in `facts`, collected between 2019-01-01 00:00:00 UTC";
    let (table, code) = place.says(&verify);
    assert!(code == 0 && one_line(&table).contains(age), "{table}");
    let (json, _) = place.says(&[&verify[..], &["--format", "json"]].concat());
    assert!(json.contains(age), "{json}");
    place.refuses(&[&verify[..], &["--limit", "web02"]].concat(), &["--limit"]);
    let run = Run::new(1, "verify", "2024-03-01T10:00:00Z", &["web01"])
        .look("web01", &[("kesl", Present)])
        .report(&place.runs());
    let refused = ["the facts of `web01` are of 2019-01-01 00:00:00 UTC, before run"];
    place.refuses(&[&verify[..], &["--against", &run.run]].concat(), &refused);
}
