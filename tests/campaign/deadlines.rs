//! How each kind of deadline stands, and with which evidence.

use crate::runs::{Run, finding, findings, id};
use crate::{KESL, NONE, Place, campaign_of, four_runs};
use std::path::Path;
use uproot::directive::{Clock, built_in, parse};
use uproot::model::ProductState::{Absent, Present, Unknown};
use uproot::model::event::Phase;
use uproot::model::{Exemption, ExemptionKind, ExitCode, HostState};
use uproot::report::{Campaign, DeadlineReport, DeadlineState, HostStatus, Report};

fn deadline<'a>(campaign: &'a Campaign, id: &str) -> &'a DeadlineReport {
    campaign.deadlines.iter().find(|deadline| deadline.id == id).unwrap()
}

/// By a directive whose one deadline is to remove everything by 2024-03-31.
fn by_own_clock(reports: &[Report], now: &str) -> Campaign {
    let text = "directive: 1\nid: own\nname: Own\ndeadlines:\n- {id: remove, what: be rid of it, goal: remove, on: 2024-03-31}\n";
    let directive = parse("own.yml", text).unwrap();
    let clock = Clock::new(&directive, None, None).unwrap();
    Campaign::of(reports, Some(&clock), (jiff::tz::TimeZone::UTC, "UTC"), now.parse().unwrap())
}

#[test]
fn thirty_eight_of_forty_is_not_met() {
    let place = Place::new();
    let names: Vec<String> = (1..=40).map(|number| format!("host{number:02}")).collect();
    let hosts: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut run = Run::new(1, "identify", "2024-02-10T10:00:00Z", &hosts);
    for host in &hosts[..38] {
        run.look(host, NONE);
    }
    run.unreachable("host39").look("host40", &[("kesl", Absent), ("klnagent", Unknown)]);
    run.finish(&place.runs());
    let campaign = campaign_of(&place.runs(), "UTC", "2024-02-20T00:00:00Z");
    let identify = deadline(&campaign, "identify");
    assert_eq!((identify.state, identify.days_left), (DeadlineState::Open, Some(9)));
    let campaign = campaign_of(&place.runs(), "UTC", "2024-03-02T00:00:00Z");
    let identify = deadline(&campaign, "identify");
    assert_eq!((identify.state, identify.achieved, identify.of), (DeadlineState::Partly, 38, 40));
    assert_eq!(identify.missing, ["host39", "host40"]);
    assert!(identify.evidence.contains("38 of 40 hosts answered every question"), "{}", identify.evidence);
    assert!(
        identify.evidence.contains("never answered every question: host39, host40"),
        "{}",
        identify.evidence
    );
    assert!(!campaign.is_nil_return());
    assert_eq!(campaign.exit_code(), ExitCode::CannotVouch);
    assert_eq!(campaign.counts.unknown, 2);
}

#[test]
fn nothing_found_on_all_hosts_is_a_nil_return() {
    let place = Place::new();
    Run::new(1, "identify", "2024-02-10T10:00:00Z", &["a", "b"])
        .look("a", NONE)
        .look("b", NONE)
        .finish(&place.runs());
    let campaign = campaign_of(&place.runs(), "UTC", "2024-06-01T00:00:00Z");
    assert!(campaign.is_nil_return());
    assert_eq!(campaign.exit_code(), ExitCode::Success);
    assert!(
        deadline(&campaign, "identify").evidence.contains("no product was found on 2 of 2: a nil return")
    );
    for id in ["plan", "begin"] {
        assert_eq!(deadline(&campaign, id).state, DeadlineState::NothingToDo, "{id}");
    }
    let (table, code) = place.says(&["report", "--all", "--directive", "bod-17-01", "--since", "2024-01-30"]);
    assert!(table.contains("No product was found on 2 hosts of 2 hosts: a nil return."), "{table}");
    assert_eq!(code, 0);
}

#[test]
fn what_came_back_is_not_done() {
    let place = Place::new();
    four_runs(&place.runs());
    let campaign = campaign_of(&place.runs(), "UTC", "2024-06-01T00:00:00Z");
    let host = |name: &str| campaign.hosts.iter().find(|host| host.host == name).unwrap();
    let app = host("app01");
    assert_eq!((app.status, app.done.is_none()), (HostStatus::Remaining, true));
    assert_eq!(app.came_back.as_ref().unwrap().run, id(4));
    assert_eq!(app.begun.as_ref().unwrap().run, id(3));
    let db = host("db01");
    assert_eq!((db.status, db.state), (HostStatus::Remaining, HostState::Unreachable));
    assert_eq!(db.lost_sight.as_ref().unwrap().run, id(4));
    assert_eq!(db.last_look.as_ref().unwrap().run, id(2));
    let web = host("web01");
    assert_eq!((web.status, web.done.as_ref().unwrap().run.clone()), (HostStatus::Removed, id(3)));
    assert_eq!(web.planned.as_ref().unwrap().run, id(2));
    assert_eq!(host("web03").status, HostStatus::Free);
    let series: Vec<_> = campaign
        .progress
        .iter()
        .map(|point| (point.counts.found, point.counts.removed, point.counts.remaining, point.counts.unknown))
        .collect();
    assert_eq!(series, [(4, 0, 4, 0), (4, 0, 4, 0), (4, 2, 2, 0), (4, 2, 2, 0)]);
    assert_eq!(campaign.hosts[0].host, "app01", "what needs attention first");
}

#[test]
fn a_removal_is_met_late_or_partly_or_missed() {
    let place = Place::new();
    let runs = place.runs();
    let first = Run::new(1, "identify", "2024-03-01T10:00:00Z", &["a", "b"])
        .look("a", KESL)
        .look("b", KESL)
        .report(&runs);
    let missed = by_own_clock(std::slice::from_ref(&first), "2024-04-01T00:00:00Z");
    assert_eq!(deadline(&missed, "remove").state, DeadlineState::Missed);
    // The last moment of the day is still in time, the next one is not.
    let on_the_day = by_own_clock(std::slice::from_ref(&first), "2024-03-31T23:59:59.999999999Z");
    assert_eq!(
        (deadline(&on_the_day, "remove").state, deadline(&on_the_day, "remove").days_left),
        (DeadlineState::Open, Some(0))
    );
    let half = Run::new(2, "apply", "2024-03-20T10:00:00Z", &["a", "b"])
        .remove("a", KESL, NONE, HostState::Removed)
        .finish_and_report(&runs, "b");
    let partly = by_own_clock(&[first.clone(), half.clone()], "2024-04-02T00:00:00Z");
    let remove = deadline(&partly, "remove");
    assert_eq!((remove.state, remove.achieved, remove.of), (DeadlineState::Partly, 1, 2));
    assert_eq!(remove.missing, ["b"]);
    assert_eq!(remove.days_left, Some(-2));
    let rest = Run::new(3, "apply", "2024-04-05T10:00:00Z", &["b"])
        .remove("b", KESL, NONE, HostState::Removed)
        .report(&runs);
    let late = by_own_clock(&[rest, half, first], "2024-04-10T00:00:00Z");
    let remove = deadline(&late, "remove");
    assert_eq!((remove.state, remove.by.as_ref().unwrap().run.clone()), (DeadlineState::MetLate, id(3)));
    assert!(
        remove.evidence.contains("1 of 2 hosts by that day, 2 by now, proven free"),
        "{}",
        remove.evidence
    );
    assert_eq!(late.exit_code(), ExitCode::Success);
}

#[test]
fn a_removal_that_waits_for_its_reboot_is_not_done() {
    let place = Place::new();
    let run = Run::new(1, "apply", "2024-03-01T10:00:00Z", &["a"])
        .remove("a", KESL, NONE, HostState::RemovedRebootPending)
        .report(&place.runs());
    let pending = by_own_clock(std::slice::from_ref(&run), "2024-03-02T00:00:00Z");
    assert_eq!((pending.counts.remaining, pending.counts.removed), (1, 0));
    let after = Run::new(2, "verify", "2024-03-03T10:00:00Z", &["a"]).look("a", NONE).report(&place.runs());
    let done = by_own_clock(&[run, after], "2024-03-04T00:00:00Z");
    assert_eq!((done.counts.remaining, done.counts.removed), (0, 1));
    assert_eq!(done.hosts[0].done.as_ref().unwrap().run, id(2));
}

#[test]
fn a_first_sighting_starts_the_business_day_clock() {
    let place = Place::new();
    let report =
        Run::new(1, "identify", "2024-03-08T10:00:00Z", &["a"]).look("a", KESL).report(&place.runs());
    let directive = built_in("far-52-204-23").unwrap();
    let clock = Clock::new(&directive, None, None).unwrap();
    let utc = || (jiff::tz::TimeZone::UTC, "UTC");
    let now = "2024-03-09T00:00:00Z".parse().unwrap();
    let campaign = Campaign::of(std::slice::from_ref(&report), Some(&clock), utc(), now);
    let first = deadline(&campaign, "first-report");
    assert_eq!(first.day, Some("2024-03-13".parse().unwrap()));
    assert_eq!(first.state, DeadlineState::Ready);
    assert!(
        first.evidence.contains("the first sighting was at 2024-03-08 10:00:02 UTC"),
        "{}",
        first.evidence
    );
    assert!(first.evidence.contains("that it was sent no journal says"), "{}", first.evidence);
    let clean = Run::new(2, "identify", "2024-03-08T10:00:00Z", &["a"]).look("a", NONE).report(&place.runs());
    let campaign = Campaign::of(&[clean], Some(&clock), utc(), now);
    assert_eq!(deadline(&campaign, "first-report").state, DeadlineState::NotStarted);
}

#[test]
fn a_waiver_that_is_over_counts_again() {
    let place = Place::new();
    let waived = |until: &str| {
        let mut kesl = finding("kesl", Present);
        kesl.exemption = Some(Exemption {
            kind: ExemptionKind::Waived,
            reason: "a build server".to_owned(),
            ticket: Some("CHG-1".to_owned()),
            until: Some(until.parse().unwrap()),
        });
        vec![kesl, finding("klnagent", Absent)]
    };
    let report = Run::new(1, "verify", "2024-03-01T10:00:00Z", &["a"])
        .start("a")
        .find("a", Phase::Before, waived("2024-03-15"))
        .end("a", HostState::Exempt)
        .report(&place.runs());
    let in_force = by_own_clock(std::slice::from_ref(&report), "2024-03-15T23:00:00Z");
    assert_eq!((in_force.counts.exempt, in_force.counts.found), (1, 0));
    assert!(!in_force.is_nil_return(), "what is waived is no nil return");
    let over = by_own_clock(std::slice::from_ref(&report), "2024-03-16T00:00:00Z");
    assert_eq!((over.counts.remaining, over.counts.exempt), (1, 0));
    assert_eq!(over.exit_code(), ExitCode::Found);
}

#[test]
fn one_name_on_two_machines_is_noted() {
    let place = Place::new();
    let run = |number, machine: &str| {
        Run::new(number, "verify", &format!("2024-03-0{number}T10:00:00Z"), &["a"])
            .start("a")
            .machine("a", machine)
            .find("a", Phase::Before, findings(NONE))
            .end("a", HostState::Clean)
            .report(&place.runs())
    };
    let campaign = by_own_clock(&[run(1, "aa"), run(2, "aa"), run(3, "bb")], "2024-03-05T00:00:00Z");
    let notes = campaign.notes.join("\n");
    assert_eq!(notes, "host a was another machine before: machine-id aa, now machine-id bb");
}

#[test]
fn a_repeating_report_stops_when_all_is_removed() {
    let place = Place::new();
    four_runs(&place.runs());
    let last = Run::new(5, "apply", "2024-06-10T10:00:00Z", &["app01", "db01"])
        .remove("app01", KESL, NONE, HostState::Removed)
        .remove("db01", KESL, NONE, HostState::Removed)
        .finish(&place.runs());
    assert!(Path::new(&last).exists());
    let campaign = campaign_of(&place.runs(), "America/New_York", "2025-06-01T00:00:00Z");
    let status: Vec<_> = campaign.deadlines.iter().filter(|deadline| deadline.id == "status").collect();
    assert_eq!(status.len(), 2, "the period in which the removal was completed is the last");
    assert_eq!(status[1].by.as_ref().unwrap().run, id(5));
    assert_eq!(campaign.exit_code(), ExitCode::Success);
}

#[test]
fn a_removal_by_another_hand_has_begun_too() {
    let place = Place::new();
    let runs = place.runs();
    Run::new(1, "identify", "2024-02-10T10:00:00Z", &["a", "b"])
        .look("a", KESL)
        .look("b", KESL)
        .finish(&runs);
    let campaign = campaign_of(&runs, "UTC", "2024-05-01T00:00:00Z");
    let begin = deadline(&campaign, "begin");
    assert_eq!((begin.state, begin.of), (DeadlineState::Missed, 2));
    assert_eq!(begin.evidence, "no step was begun on any of 2 hosts with a product");
    Run::new(2, "verify", "2024-03-10T10:00:00Z", &["a", "b"]).look("a", NONE).look("b", KESL).finish(&runs);
    let campaign = campaign_of(&runs, "UTC", "2024-05-01T00:00:00Z");
    let begin = deadline(&campaign, "begin");
    assert_eq!((begin.state, begin.by.as_ref().unwrap().run.clone()), (DeadlineState::Met, id(2)));
    assert_eq!((begin.achieved, begin.missing.clone()), (1, vec!["b".to_owned()]));
    assert!(begin.evidence.starts_with("without a step of these runs"), "{}", begin.evidence);
}

#[test]
fn the_markdown_of_four_runs() {
    let place = Place::new();
    four_runs(&place.runs());
    let campaign = campaign_of(&place.runs(), "America/New_York", "2024-06-01T12:00:00Z");
    let text = uproot::report::campaign_markdown(&campaign);
    insta::assert_snapshot!("four_runs_markdown", text);
    // Each row of a table has as many cells as its head.
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let tables = text.split("\n\n").filter(|part| part.starts_with('|'));
    for table in tables {
        let head = cells(table.lines().next().unwrap());
        assert!(table.lines().all(|line| cells(line) == head), "{table}");
    }
}

#[test]
fn names_of_hosts_are_never_obeyed() {
    let place = Place::new();
    let hostile = "h|<script>\u{1b}[31m`*\u{202e}";
    Run::new(1, "identify", "2024-02-10T10:00:00Z", &[hostile, "b"])
        .look(hostile, KESL)
        .unreachable("b")
        .finish(&place.runs());
    let campaign = campaign_of(&place.runs(), "UTC", "2024-05-01T00:00:00Z");
    let options = uproot::report::TableOptions { verbose: true, ..Default::default() };
    let table = uproot::report::campaign_table(&campaign, &options);
    let json = uproot::report::campaign_json(&campaign);
    let markdown = uproot::report::campaign_markdown(&campaign);
    for text in [&table, &json, &markdown] {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    }
    assert!(!markdown.contains("<script>"), "{markdown}");
    let back: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(back["hosts"].as_array().unwrap().iter().any(|host| host["host"] == hostile), "{json}");
    for width in [40, 60, 80, 200] {
        let options = uproot::report::TableOptions { width, ..options };
        let table = uproot::report::campaign_table(&campaign, &options);
        assert!(table.lines().all(|line| line.chars().count() <= width.max(62)), "{width}\n{table}");
    }
}
