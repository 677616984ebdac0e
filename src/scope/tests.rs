//! Files, judgements and remarks.

use super::*;
use crate::model::scope::{ExemptionKind, ScopeEntry, ScopeProfile, Waiver, WaiverList};
use crate::model::{Exemption, Finding, ProductClass, ProductState, Scope};
use jiff::Timestamp;
use proptest::prelude::*;

pub(super) fn found(product: &str, class: ProductClass, result: ProductState) -> Finding {
    Finding {
        product: product.into(),
        name: product.into(),
        class,
        result,
        exemption: None,
        version: None,
        evidence: Vec::new(),
    }
}

fn waiver(hosts: &str, product: &str, until: &str) -> Waiver {
    Waiver {
        hosts: hosts.into(),
        product: product.into(),
        reason: "the migration is in March".into(),
        ticket: format!("CHG-{until}"),
        until: until.parse().unwrap(),
    }
}

fn scope(out: Vec<ScopeEntry>, waivers: Vec<Waiver>) -> Scope {
    Scope {
        profile: Some(ScopeProfile { id: "p".into(), name: "P".into(), digest: "d".into(), out }),
        waivers: Some(WaiverList { file: "waivers.yml".into(), digest: "d".into(), waivers }),
    }
}

fn leaves_out(class: ProductClass) -> ScopeEntry {
    ScopeEntry { class: Some(class), product: None, reason: "not covered".into() }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn judged(
    scope: &Scope,
    now: &str,
    host: &str,
    groups: Option<&[&str]>,
    finding: Finding,
) -> Option<Exemption> {
    let groups: Option<Vec<String>> = groups.map(|groups| groups.iter().map(|g| (*g).to_owned()).collect());
    let mut findings = [finding];
    Judge::new(scope, at(now)).judge(host, groups.as_deref(), &mut findings);
    let [finding] = findings;
    finding.exemption
}

const NOON: &str = "2026-06-15T12:00:00Z";

#[test]
fn the_profile_comes_first_and_absent_products_get_nothing() {
    let scope = scope(vec![leaves_out(ProductClass::Embedded)], vec![waiver("all", "*", "2026-12-31")]);
    let kind = |class, result| {
        judged(&scope, NOON, "web01", Some(&[]), found("p", class, result)).map(|exemption| exemption.kind)
    };
    for result in [ProductState::Present, ProductState::Residue, ProductState::Unknown] {
        assert_eq!(kind(ProductClass::Embedded, result), Some(ExemptionKind::OutOfScope));
        assert_eq!(kind(ProductClass::Product, result), Some(ExemptionKind::Waived));
    }
    assert_eq!(kind(ProductClass::Embedded, ProductState::Absent), None);
    assert_eq!(kind(ProductClass::Product, ProductState::Absent), None);
}

#[test]
fn a_profile_may_leave_out_products_by_their_ids() {
    let by_id = ScopeEntry { class: None, product: Some("ksc-*".into()), reason: "not on clients".into() };
    let neither = ScopeEntry { class: None, product: None, reason: "nothing".into() };
    let scope = scope(vec![neither, by_id], vec![]);
    let present = |id| found(id, ProductClass::Product, ProductState::Present);
    assert_eq!(judged(&scope, NOON, "a", Some(&[]), present("ksc-linux")).unwrap().reason, "not on clients");
    assert_eq!(judged(&scope, NOON, "a", Some(&[]), present("kesl")), None);
}

#[test]
fn another_companys_product_never_counts_and_is_listed() {
    for scope in [Scope::default(), scope(vec![], vec![waiver("all", "*", "2026-12-31")])] {
        let found = |state| found("ultraav", ProductClass::Successor, state);
        let there = judged(&scope, NOON, "a", None, found(ProductState::Present)).unwrap();
        assert_eq!(there.kind, ExemptionKind::OutOfScope);
        assert!(there.reason.contains("another company's product"), "{}", there.reason);
        assert_eq!(judged(&scope, NOON, "a", None, found(ProductState::Absent)), None);
    }
}

#[test]
fn a_waiver_holds_through_its_last_day_and_not_a_moment_longer() {
    let scope = scope(vec![], vec![waiver("all", "kesl", "2026-06-15")]);
    let kind = |now: &str| {
        let finding = found("kesl", ProductClass::Product, ProductState::Present);
        judged(&scope, now, "a", Some(&[]), finding).unwrap().kind
    };
    assert_eq!(kind("2026-06-15T00:00:00Z"), ExemptionKind::Waived);
    assert_eq!(kind("2026-06-15T23:59:59.999999999Z"), ExemptionKind::Waived);
    assert_eq!(kind("2026-06-16T00:00:00Z"), ExemptionKind::WaiverExpired);
    // The zone of whoever looks changes nothing.
    assert_eq!(kind("2026-06-15T23:30:00-05:00"), ExemptionKind::WaiverExpired);
}

#[test]
fn a_waiver_in_force_wins_over_one_that_is_over() {
    let list = vec![
        waiver("all", "kesl", "2026-01-31"),
        waiver("db", "*", "2026-12-31"),
        waiver("all", "k*", "2027-01-01"),
    ];
    let scope = scope(vec![], list);
    let exemption = |groups: &[&str]| {
        let finding = found("kesl", ProductClass::Product, ProductState::Present);
        judged(&scope, NOON, "a", Some(groups), finding).unwrap()
    };
    assert_eq!(exemption(&["db"]).ticket.as_deref(), Some("CHG-2026-12-31"), "the first that is in force");
    assert_eq!(exemption(&["web"]).ticket.as_deref(), Some("CHG-2027-01-01"));
    let other = found("other", ProductClass::Product, ProductState::Present);
    assert_eq!(judged(&scope, NOON, "a", Some(&["web"]), other), None);
}

#[test]
fn what_cannot_be_told_to_be_waived_counts() {
    let list = vec![
        waiver("all:!canary", "kesl", "2026-12-31"),
        waiver("web[0]", "*", "2026-12-31"),
        waiver("all", "k[", "2026-12-31"),
    ];
    let scope = scope(vec![], list);
    let kesl = || found("kesl", ProductClass::Product, ProductState::Present);
    assert_eq!(judged(&scope, NOON, "a", None, kesl()), None, "it may be in the group `canary`");
    assert_eq!(judged(&scope, NOON, "a", Some(&["canary"]), kesl()), None);
    assert!(judged(&scope, NOON, "a", Some(&["web"]), kesl()).is_some());
    assert_eq!(defects(&scope).len(), 2, "{:?}", defects(&scope));
}

#[test]
fn a_judgement_can_be_made_anew() {
    let finding = Finding {
        exemption: judged(
            &scope(vec![leaves_out(ProductClass::Product)], vec![]),
            NOON,
            "a",
            None,
            found("kesl", ProductClass::Product, ProductState::Present),
        ),
        ..found("kesl", ProductClass::Product, ProductState::Present)
    };
    assert!(finding.is_exempt());
    assert_eq!(judged(&Scope::default(), NOON, "a", None, finding), None);
}

#[test]
fn words_of_an_exemption() {
    let scope = scope(vec![leaves_out(ProductClass::Embedded)], vec![waiver("all", "*", "2026-06-15")]);
    let words = |now: &str, class| {
        judged(&scope, now, "a", Some(&[]), found("p", class, ProductState::Present)).unwrap().words()
    };
    assert_eq!(words(NOON, ProductClass::Embedded), "out of scope: not covered");
    assert_eq!(
        words(NOON, ProductClass::Product),
        "waived until 2026-06-15 by CHG-2026-06-15: the migration is in March"
    );
    assert_eq!(
        words("2026-07-01T00:00:00Z", ProductClass::Product),
        "waiver CHG-2026-06-15 expired after 2026-06-15: the migration is in March"
    );
}

/// A host with its groups and what was found.
type Host<'a> = (&'a str, Option<&'a [String]>, Vec<Finding>);

fn remarked(waivers: Vec<Waiver>, hosts: &[Host<'_>]) -> Vec<String> {
    let looked: Vec<Looked<'_>> = hosts
        .iter()
        .map(|(host, groups, findings)| Looked { host, groups: *groups, findings: findings.iter().collect() })
        .collect();
    remarks(&scope(vec![], waivers), at(NOON), &looked)
}

#[test]
fn unused_and_expired_waivers_are_remarked() {
    let present = || vec![found("kesl", ProductClass::Product, ProductState::Present)];
    let absent = || vec![found("kesl", ProductClass::Product, ProductState::Absent)];
    let used = || waiver("a", "kesl", "2026-12-31");
    assert_eq!(remarked(vec![used()], &[("a", Some(&[]), present())]), [""; 0]);
    let told = |waivers, host, groups, findings| remarked(waivers, &[(host, groups, findings)]).join("\n");
    let gone = told(vec![used()], "a", Some(&[][..]), absent());
    assert_eq!(
        gone,
        "waiver CHG-2026-12-31 of waivers.yml (kesl on a) was not used: nothing that `kesl` means is on those hosts any more"
    );
    assert!(told(vec![used()], "b", Some(&[]), present()).ends_with("no host of this run is one of `a`"));
    assert_eq!(told(vec![used()], "a", Some(&[]), vec![]), "", "a host that was not read may need it");
    let blind = told(vec![waiver("db", "kesl", "2026-12-31")], "a", None, present());
    assert!(blind.contains("cannot be told where its groups are not known"), "{blind}");
    let over = || waiver("all", "kesl", "2026-06-14");
    assert!(
        told(vec![over()], "a", Some(&[]), present())
            .contains("expired after 2026-06-14: what it allowed counts again")
    );
    assert!(
        told(vec![over()], "a", Some(&[]), absent()).contains("expired after 2026-06-14, and was not used")
    );
    let many = vec![over(); 60];
    let many = remarked(many, &[("a", Some(&[]), present())]);
    assert_eq!(
        (many.len(), many.last().unwrap().as_str()),
        (51, "10 more waivers of waivers.yml are over or were not used")
    );
}

const WAIVERS: &str = "uproot_waivers: 1
waivers:
  - hosts: db:!db-test
    product: kesl
    reason: the database vendor supports no other until spring
    ticket: CHG-1234
    until: 2026-12-31
";

#[test]
fn waivers_are_read() {
    let Document::Waivers(list) = parse("some/waivers.yml", WAIVERS.as_bytes()).unwrap() else { panic!() };
    assert_eq!(list.file, "waivers.yml");
    assert_eq!(list.digest.len(), 64);
    let [waiver] = list.waivers.as_slice() else { panic!() };
    assert_eq!((waiver.hosts.as_str(), waiver.product.as_str()), ("db:!db-test", "kesl"));
    assert_eq!((waiver.ticket.as_str(), waiver.until.to_string().as_str()), ("CHG-1234", "2026-12-31"));
}

fn mistakes(text: &str) -> Vec<(u32, u32, String)> {
    let wrong = parse("w.yml", text.as_bytes()).expect_err(text);
    for diagnostic in &wrong.list {
        assert!(diagnostic.help.is_some(), "{}: no help", diagnostic.message);
        assert_eq!(wrong.sources.line("w.yml", 1), text.lines().next());
    }
    let place = |place: crate::model::Place| (place.line, place.column);
    let told = wrong.list.into_iter().map(|one| {
        let (line, column) = place(one.place.unwrap());
        (line, column, one.message)
    });
    told.collect()
}

#[test]
fn every_mistake_of_a_file_is_told_with_its_place() {
    let text = "uproot_waivers: 1
waivers:
  - { hosts: 'web[0]', product: 'k[', reason: '', ticket: A, until: 2026-02-30 }
  - { hosts: a, prodcut: kesl, reason: r, ticket: T }
  - { hosts: a, product: b, reason: \"two\\nlines\", ticket: T, until: 31.12.2026, by: me }
  - text
";
    let found = mistakes(text);
    let wanted = [
        (3, 14, "position"),
        (3, 33, "`k[` is not a glob"),
        (3, 47, "empty"),
        (3, 69, "`2026-02-30` is not a day"),
        (4, 5, "a waiver has no `until`"),
        (4, 17, "unknown key `prodcut`"),
        (5, 37, "line break"),
        (5, 69, "`31.12.2026` is not a day"),
        (5, 81, "unknown key `by`"),
        (6, 5, "a waiver should be"),
    ];
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
    for ((line, column, message), (wanted_line, wanted_column, word)) in found.iter().zip(wanted) {
        assert!(message.contains(word) && *line == wanted_line, "{line}:{column} {message} / {word}");
        assert_eq!(*column, wanted_column, "{message}");
    }
}

#[test]
fn a_profile_is_read_and_checked() {
    let text = "uproot_scope: 1\nid: mine\nname: Mine\nout:\n  - { class: embedded, reason: r }\n";
    let Document::Profile(document) = parse("p.yml", text.as_bytes()).unwrap() else { panic!() };
    assert_eq!(
        document.profile.out,
        [ScopeEntry { class: Some(ProductClass::Embedded), product: None, reason: "r".into() }]
    );
    assert!(document.confirmed);
    let bad = "uproot_scope: 2
id: My Profile
name: Mine
out:
  - { class: embeded, reason: r }
  - { class: embedded, product: x, reason: r }
  - { reason: r }
";
    let found = mistakes(bad);
    let wanted = ["expected `1`", "not an id", "unknown class", "both of", "neither of"];
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
    for ((_, _, message), word) in found.iter().zip(wanted) {
        assert!(message.contains(word), "{message} / {word}");
    }
    for text in ["a: b", "[]", "uproot_scoop: 1", "just text", "{", ""] {
        assert!(!mistakes(text).is_empty(), "{text}");
    }
    assert!(parse("x", b"\xff\xfe").is_err());
}

proptest! {
    #[test]
    fn no_file_makes_it_panic(text in "(uproot_waivers: 1\n)?(waivers:\n)?[ -~\n]{0,200}") {
        let _ = parse("w.yml", text.as_bytes());
    }

    #[test]
    fn a_judgement_touches_nothing_but_the_exemption(
        class in proptest::sample::select(ProductClass::ALL.to_vec()),
        result in proptest::sample::select(vec![ProductState::Present, ProductState::Residue, ProductState::Unknown, ProductState::Absent]),
        hosts in proptest::sample::select(vec!["all", "a", "db", "!db", "~("]),
    ) {
        let scope = scope(vec![leaves_out(ProductClass::Training)], vec![waiver(hosts, "p", "2026-12-31")]);
        let before = found("p", class, result);
        let mut after = [before.clone()];
        Judge::new(&scope, at(NOON)).judge("a", Some(&["db".to_owned()]), &mut after);
        let [after] = after;
        prop_assert!(result != ProductState::Absent || after.exemption.is_none());
        prop_assert_eq!(Finding { exemption: None, ..after }, before);
    }
}
