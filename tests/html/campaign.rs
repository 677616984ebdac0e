//! The page of a campaign: without a browser and in one.

use crate::browser::Browser;
use crate::page::{assert_self_contained, assert_tame, parts};
use crate::runs::{KESL, NONE, Run, campaign_of, finding, four_runs};
use crate::{
    CONTRASTS, ROWS, click, fleets, names, output_folder, picture_at_every_width, searched, set, settle,
};
use proptest::prelude::*;
use serde_json::json;
use std::path::PathBuf;
use uproot::directive::Goal;
use uproot::model::event::Phase;
use uproot::model::{Exemption, ExemptionKind, ExitCode, HostState, ProductClass, ProductState};
use uproot::report::{
    Campaign, CampaignDirective, CampaignHost, CampaignProduct, CampaignRun, DeadlineReport, DeadlineState,
    HostCounts, HostProduct, HostStatus, JournalCheck, Moment, ProgressPoint, RunRef, campaign_html,
};

/// The four runs, as an auditor in New York sees them in June. Two journals were checked, one of them is sealed.
fn four() -> Campaign {
    let runs = tempfile::tempdir().unwrap();
    four_runs(runs.path());
    let mut campaign = campaign_of(runs.path(), "America/New_York", "2024-06-02T03:59:59Z");
    let seal =
        "seal.sig: seals all 22 records (finished); by auditor@example.org with key SHA256:Qm9y".to_owned();
    campaign.runs[0].check = Some(JournalCheck { seals: vec![seal], ..JournalCheck::default() });
    campaign.runs[1].check = Some(JournalCheck::default());
    campaign
}

/// 40 hosts, of which most have a product, over nine months: what a real campaign looks like.
fn long() -> Campaign {
    let runs = tempfile::tempdir().unwrap();
    let names: Vec<String> = (1..=40).map(|number| format!("srv{number:02}.example.org")).collect();
    let hosts: Vec<&str> = names.iter().map(String::as_str).collect();
    let is_bare = |index: usize| index % 7 == 6;
    let mut gone = 0;
    for month in 1..=9 {
        let verb = ["identify", "plan", "apply"][(month - 1).min(2)];
        let mut run = Run::new(month as u32, verb, &format!("2024-{month:02}-20T10:00:00Z"), &hosts);
        let until = if month < 3 { 0 } else { gone + 4 };
        for (index, host) in hosts.iter().enumerate() {
            match index {
                _ if month == 1 && index > 34 => run.unreachable(host),
                38 if month == 9 => run.unreachable(host),
                _ if is_bare(index) || index < gone => run.look(host, NONE),
                _ if index < until => run.remove(host, KESL, NONE, HostState::Removed),
                33 => {
                    let mut waived = finding("klms", ProductState::Present);
                    waived.exemption = Some(exemption(ExemptionKind::Waived, "is replaced in spring"));
                    run.start(host).find(host, Phase::Before, vec![waived]).end(host, HostState::Exempt)
                }
                _ => run.look(host, KESL),
            };
        }
        gone = until;
        run.finish(runs.path());
    }
    campaign_of(runs.path(), "Europe/Vienna", "2024-10-01T10:00:00Z")
}

/// `count` hosts in six runs.
fn large(count: usize) -> Campaign {
    let runs = tempfile::tempdir().unwrap();
    let names: Vec<String> =
        (0..count).map(|index| format!("host-{index:05}.dc{}.example.org", index % 4)).collect();
    let hosts: Vec<&str> = names.iter().map(String::as_str).collect();
    for month in 1..=6 {
        let mut run = Run::new(month as u32, "apply", &format!("2024-{:02}-01T10:00:00Z", month + 1), &hosts);
        for (index, host) in hosts.iter().enumerate() {
            match index % 6 + 1 {
                wave if wave == month => run.remove(host, KESL, NONE, HostState::Removed),
                wave if wave < month => run.look(host, NONE),
                _ => run.look(host, KESL),
            };
        }
        run.finish(runs.path());
    }
    campaign_of(runs.path(), "UTC", "2024-09-01T00:00:00Z")
}

fn exemption(kind: ExemptionKind, reason: &str) -> Exemption {
    Exemption { kind, reason: reason.to_owned(), ticket: None, until: Some(jiff::civil::date(2027, 3, 31)) }
}

/// A campaign whose every string is `text`.
fn hostile(text: &str) -> Campaign {
    let text = || text.to_owned();
    let moment = || Moment { at: "2024-03-01T10:00:00Z".parse().unwrap(), run: text() };
    let day = jiff::civil::date(2024, 3, 1);
    let product = HostProduct {
        product: text(),
        name: text(),
        class: ProductClass::Product,
        version: Some(text()),
        first_seen: Some(moment()),
        begun: Some(moment()),
        done: None,
        came_back: Some(moment()),
        last: Some(ProductState::Present),
        exemption: Some(exemption(ExemptionKind::WaiverExpired, &text())),
        counts: true,
    };
    let host = CampaignHost {
        host: text(),
        groups: vec![text()],
        status: HostStatus::Remaining,
        state: HostState::Present,
        answered: None,
        first_seen: Some(moment()),
        planned: Some(moment()),
        begun: Some(moment()),
        done: None,
        free_since: None,
        last_look: Some(moment()),
        came_back: Some(moment()),
        lost_sight: Some(moment()),
        products: vec![product],
    };
    let run = CampaignRun {
        run: text(),
        verb: text(),
        started: moment().at,
        ended: moment().at,
        finished: false,
        stopped: Some(text()),
        check: Some(JournalCheck { defects: vec![text()], seals: vec![text()], remarks: vec![text()] }),
        hosts: 1,
        answered: 0,
        exit: ExitCode::Stopped,
    };
    let deadline = DeadlineReport {
        id: text(),
        what: text(),
        goal: Goal::Remove,
        number: None,
        day: Some(day),
        end: Some(moment().at),
        days_left: Some(-3),
        state: DeadlineState::Missed,
        by: Some(moment()),
        achieved: 0,
        of: 1,
        missing: vec![text(); 7],
        evidence: text(),
        confirmed: false,
        binding: true,
    };
    let counts = HostCounts { hosts: 1, found: 1, remaining: 1, lost: 1, ..HostCounts::default() };
    let products = CampaignProduct {
        product: text(),
        name: text(),
        first_seen: Some(moment()),
        begun: Some(moment()),
        done: None,
        seen: 1,
        removed: 0,
        remaining: 1,
        exempt: 0,
        unknown: 0,
    };
    Campaign {
        as_of: "2024-03-05T10:00:00Z".parse().unwrap(),
        today: jiff::civil::date(2024, 3, 5),
        zone_name: text(),
        zone: jiff::tz::TimeZone::UTC,
        directive: Some(CampaignDirective {
            id: text(),
            name: text(),
            note: Some(text()),
            sources: vec![text()],
            confirmed: false,
            digest: text(),
            since: Some(day),
        }),
        runs: vec![run],
        left_out: vec![RunRef { run: text(), verb: text(), started: moment().at }],
        hosts: vec![host],
        products: vec![products],
        counts,
        deadlines: vec![deadline],
        progress: vec![ProgressPoint { after: moment(), verb: text(), counts }],
        notes: vec![text()],
    }
}

fn written(name: &str, campaign: &Campaign) -> PathBuf {
    let file = output_folder().join(name);
    std::fs::write(&file, campaign_html(campaign)).unwrap();
    file
}

/// What the page says, without its tags.
fn said(page: &str) -> String {
    let body = page.split_once("<body>").unwrap().1;
    let text: String =
        body.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| format!(" {text}")).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn no_string_of_a_campaign_becomes_part_of_the_page() {
    for text in fleets::HOSTILE {
        assert_tame(text, |text| campaign_html(&hostile(text)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_string_whatever_becomes_part_of_a_campaign(text in "[<>&\"'/=a-z\\PC]{1,40}") {
        assert_tame(&text, |text| campaign_html(&hostile(text)));
    }
}

#[test]
fn a_campaign_loads_nothing_and_goes_nowhere() {
    for campaign in [four(), long()] {
        let (page, data) = parts(&campaign_html(&campaign));
        assert_self_contained(&page);
        assert_eq!(data["h"].as_array().unwrap().len(), campaign.hosts.len());
        for host in &campaign.hosts {
            assert!(page.contains(&format!("<th scope=\"row\">{}</th>", host.host)), "{}", host.host);
        }
    }
    let page = campaign_html(&hostile(&"é".repeat(100_000)));
    assert!(page.len() < 250_000, "{}", page.len());
}

#[test]
fn the_four_runs_are_told_with_days_runs_and_evidence() {
    let page = said(&campaign_html(&four()));
    for part in [
        "2 of 5 hosts still have a product or its residue.",
        "On 1 host a product came back after it had been proven gone. 1 host was lost sight of. \
         Deadlines: 1 open, 3 met, 1 ready. Exit code 1.",
        "days counted from 2024-01-30 ; each ends at midnight in America/New_York",
        "1 met identify: identify the use or presence of the products due 2024-02-29 ; by run \
         00000000-0000-7000-8000-000000000001 at 2024-03-01 03:30:14 UTC 5 of 5 hosts answered every question",
        "3 met begin:",
        "5 open , 27 days left status 2: report the status every 30 days until full removal (unconfirmed) due 2024-06-28",
        "2024-03-15 plan 5 4 0 4 0 0 1 0",
        "2024-05-10 apply 5 4 2 2 0 0 1 1",
        "app01 remaining came back 2024-05-10 kesl 12.1.0 present 2024-02-29 2024-03-15 2024-04-10 – 2024-05-10",
        "web02 removed kesl 12.1.0 gone 2024-02-29 2024-03-15 2024-05-10 2024-05-10 2024-05-10",
        "whole seal.sig: seals all 22 records (finished); by auditor@example.org with key SHA256:Qm9y",
        "whole not sealed",
        "not checked for this page",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

#[test]
fn a_broken_journal_of_a_campaign_is_said_first() {
    let mut campaign = four();
    assert!(!campaign_html(&campaign).contains("role=\"alert\""));
    let defects = vec!["line 7: its hash is not that of its bytes".to_owned()];
    campaign.runs[2].check = Some(JournalCheck { defects, ..JournalCheck::default() });
    let page = campaign_html(&campaign);
    assert!(page.contains("<title>BROKEN JOURNAL: uproot campaign as of 2024-06-01</title>"));
    let first = page.split_once("<body>").unwrap().1;
    let banner = "<div class=\"broken\" role=\"alert\"><strong>1 journal of this campaign is broken. Nothing on this page is proven.";
    assert!(first.starts_with(banner), "{}", first.chars().take(200).collect::<String>());
    let said = said(&page);
    assert!(said.contains("run 00000000-0000-7000-8000-000000000003: line 7: its hash is not"), "{said}");
    assert!(
        said.contains("nothing can be concluded from it") && !said.contains("2 of 5 hosts still"),
        "{said}"
    );
}

#[test]
fn a_nil_return_is_said_in_the_headline_and_nothing_is_drawn() {
    let runs = tempfile::tempdir().unwrap();
    Run::new(1, "identify", "2024-02-01T10:00:00Z", &["a", "b"])
        .look("a", NONE)
        .look("b", NONE)
        .finish(runs.path());
    let campaign = campaign_of(runs.path(), "UTC", "2024-03-05T00:00:00Z");
    let page = campaign_html(&campaign);
    let heading = page.split_once("<h1 id=\"verdict\">").unwrap().1;
    assert!(
        heading.starts_with("No product was found on 2 of 2 hosts: a nil return.</h1>"),
        "{heading:.120}"
    );
    assert!(said(&page).contains("No host had a product, and none is unknown: there is nothing to draw."));
    assert!(!page.contains("class=\"plot\""));
    // One host more that was never reached, and it is none.
    Run::new(2, "verify", "2024-02-02T10:00:00Z", &["c"]).unreachable("c").finish(runs.path());
    let page = campaign_html(&campaign_of(runs.path(), "UTC", "2024-03-05T00:00:00Z"));
    assert!(
        said(&page).contains("Whether 1 of 3 hosts is free is not known.") && !page.contains("a nil return")
    );
    assert!(page.contains("class=\"plot\""));
}

#[test]
fn the_headline_says_what_matters_most_and_never_more_than_is_known() {
    let none = HostCounts::default();
    let all = |counts: HostCounts| HostCounts { hosts: 5, ..counts };
    for (counts, finished, headline) in [
        (none, true, "No host was looked at: nothing can be said."),
        (
            all(HostCounts { remaining: 1, unknown: 2, removed: 2, ..none }),
            true,
            "1 of 5 hosts still has a product or its residue.",
        ),
        (
            all(HostCounts { unknown: 2, removed: 3, ..none }),
            true,
            "Whether 2 of 5 hosts are free is not known.",
        ),
        (
            all(HostCounts { removed: 5, lost: 1, ..none }),
            true,
            "Nothing is known to remain, but 1 of 5 hosts was lost sight of.",
        ),
        (
            all(HostCounts { free: 5, ..none }),
            false,
            "Nothing is known to remain on 5 hosts, but not every run is finished.",
        ),
        (all(HostCounts { free: 5, ..none }), true, "No product was found on 5 of 5 hosts: a nil return."),
        (
            all(HostCounts { exempt: 2, removed: 3, ..none }),
            true,
            "Nothing that counts remains on 5 hosts; 2 have what does not count.",
        ),
        (
            all(HostCounts { removed: 3, free: 2, ..none }),
            true,
            "Every product that was found is proven gone from 3 hosts.",
        ),
    ] {
        let mut campaign = four();
        campaign.counts = counts;
        campaign.runs[0].finished = finished;
        let page = campaign_html(&campaign);
        assert!(page.contains(&format!("<h1 id=\"verdict\">{headline}</h1>")), "{headline}");
        // Only what exits with 0 is painted so.
        let is_good = page.contains("<section class=\"verdict good\"");
        assert_eq!(is_good, campaign.exit_code() == ExitCode::Success, "{headline}");
    }
}

/// The numbers of a path's corners.
fn numbers(path: &str) -> Vec<f64> {
    path.split(|c: char| !(c.is_ascii_digit() || c == '.')).filter_map(|part| part.parse().ok()).collect()
}

#[test]
fn the_burn_down_is_drawn_from_the_counts() {
    let campaign = four();
    let page = campaign_html(&campaign);
    let path = |class: &str| {
        let mark = format!("<path class=\"{class}\" d=\"");
        let found: Vec<&str> =
            page.split(&mark).skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
        found.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    // Four hosts are the top; the third run leaves two of them.
    let [remaining] = &path("fill found s-remaining")[..] else { panic!("one layer") };
    let corners = numbers(remaining);
    let heights: Vec<f64> =
        remaining.split(['M', 'L']).skip(1).take(4).map(|step| numbers(step)[1]).collect();
    assert_eq!(heights, [0.0, 0.0, 500.0, 500.0], "{remaining}");
    assert!(corners.iter().all(|corner| (0.0..=1000.0).contains(corner)), "{remaining}");
    assert_eq!(path("fill unknown s-unknown"), [""], "nothing was unknown");
    assert_eq!(path("look").len(), 4, "a tick a run");
    let due = path("due good").len() + path("due info").len();
    assert_eq!(due, 5, "every deadline lies in the picture");
    assert!(!said(&page).contains("outside this picture"));
    let key = said(&page);
    assert!(key.contains("1 identify 2024-02-29") && key.contains("5 status 2 2024-06-28"), "{key}");
    // Days are at the same place as their moments: the first deadline is a minute behind the first run's end.
    let first = numbers(&path("due good")[0])[0];
    assert!((first - corners[0]).abs() < 1.0, "{first} {corners:?}");
}

#[test]
fn many_occurrences_and_far_deadlines_do_not_crowd_the_page() {
    let runs = tempfile::tempdir().unwrap();
    Run::new(1, "identify", "2026-01-10T10:00:00Z", &["a"]).look("a", KESL).finish(runs.path());
    // Deadlines from 2024 on; the run is two years later.
    let campaign = campaign_of(runs.path(), "UTC", "2026-01-11T00:00:00Z");
    assert!(campaign.deadlines.len() > 20);
    let page = campaign_html(&campaign);
    let text = said(&page);
    assert!(text.contains("earlier occurrences of status:"), "{text}");
    assert!(text.contains("deadlines lie outside this picture."), "{text}");
    assert!(page.matches("class=\"due ").count() <= 3, "only those within a month of it");
}

#[test]
fn two_thousand_hosts_are_a_small_page() {
    let campaign = large(2000);
    let begin = std::time::Instant::now();
    let page = campaign_html(&campaign);
    println!("2,000 hosts in 6 runs: {} bytes, rendered in {:.0?}", page.len(), begin.elapsed());
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
}

#[test]
fn pictures_of_the_campaign_at_three_widths() {
    let mut browser = Browser::start();
    let mut page = browser.page();
    for (name, campaign) in [("campaign", four()), ("campaign-long", long())] {
        let file = written(&format!("{name}.html"), &campaign);
        page.open(&file);
        settle(&mut page);
        picture_at_every_width(&mut page, name);
        page.look(800, "light", "");
        page.print(&output_folder().join(format!("{name}.pdf")));
        assert_eq!(page.complaints(), [""; 0]);
    }
}

#[test]
fn hosts_of_a_campaign_are_filtered_searched_and_sorted() {
    let campaign = long();
    let of = |is_it: &dyn Fn(&CampaignHost) -> bool| {
        campaign.hosts.iter().filter(|host| is_it(host)).count() as f64
    };
    let mut browser = Browser::start();
    let mut page = browser.page();
    page.open(&written("campaign-long.html", &campaign));
    settle(&mut page);
    assert_eq!(page.number(ROWS), 40.0);
    set(&mut page, "state", "remaining");
    let remaining = of(&|host| host.status == HostStatus::Remaining);
    assert!(remaining > 0.0 && remaining < 40.0);
    assert_eq!(page.number(ROWS), remaining);
    click(&mut page, "button[type=reset]");
    set(&mut page, "remark", "lost sight of");
    assert_eq!(page.number(ROWS), of(&|host| host.lost_sight.is_some()));
    click(&mut page, "button[type=reset]");
    set(&mut page, "product", "klms");
    assert_eq!(names(&mut page), ["srv34.example.org"]);
    click(&mut page, "button[type=reset]");
    set(&mut page, "search", "gone 2024-03-20");
    assert_eq!(
        page.number(ROWS),
        of(&|host| host.done.as_ref().is_some_and(|done| done.at.to_string().starts_with("2024-03-20")))
    );
    set(&mut page, "search", "");
    // By the day of their end: those that have none come last.
    click(&mut page, "th[data-sort=day]:nth-child(7) button");
    assert_eq!(
        page.text("document.querySelector('#host-table th:nth-child(7)').getAttribute('aria-sort')"),
        "ascending"
    );
    let days = page.ask(
        "Array.from(document.querySelectorAll('#rows > tr > td:nth-child(7)'), (cell) => cell.textContent)",
    );
    let days: Vec<&str> = days.as_array().unwrap().iter().map(|day| day.as_str().unwrap()).collect();
    assert!(days.is_sorted() && days[0] == "2024-03-20" && days[39] == "–", "{days:?}");
    click(&mut page, ".legend a[data-state=removed]");
    assert_eq!(page.number(ROWS), of(&|host| host.status == HostStatus::Removed));
    set(&mut page, "search", "srv01");
    click(&mut page, ".open");
    page.ask("document.querySelectorAll('.panel details').forEach((details) => { details.open = true; })");
    let said = page.text("document.querySelector('.panel').innerText");
    for part in [
        "Planned\n2024-02-20 10:00:02 UTC in run 00000000-0000-7000-8000-000000000002",
        "Kaspersky kesl 12.1.0 (kesl), product gone",
        "proven absent since 2024-03-20 10:00:05 UTC in run 00000000-0000-7000-8000-000000000003",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn a_screen_reader_finds_its_way_in_a_campaign() {
    let file = written("campaign.html", &four());
    let mut browser = Browser::start();
    let mut page = browser.page();
    for width in [1024, 390] {
        page.look(width, "light", "screen");
        page.open(&file);
        settle(&mut page);
        let tree = page.tree();
        let named = |role: &str| -> Vec<&str> {
            tree.iter().filter(|(found, _, _)| found == role).map(|(_, name, _)| name.as_str()).collect()
        };
        for landmark in ["banner", "main", "contentinfo"] {
            assert_eq!(named(landmark).len(), 1, "{landmark}");
        }
        assert_eq!(named("search"), ["Filter the hosts"]);
        for region in ["Deadlines", "Burn-down", "Hosts", "Products", "Runs", "Record"] {
            assert!(named("region").contains(&region), "{region}: {:?}", named("region"));
        }
        for table in [
            "How many hosts were what after each run",
            "The runs of this campaign, by the time of their start",
            "On how many hosts each product was seen, and since when",
        ] {
            assert!(named("table").contains(&table), "{table} at {width}: {:?}", named("table"));
        }
        let pictures = named("image");
        assert!(pictures.iter().any(|name| name.contains("The table below has the numbers")), "{pictures:?}");
        for heading in ["Host", "Status", "First seen", "Planned", "Begun", "Done", "Last look", "Remaining"]
        {
            assert!(named("columnheader").contains(&heading), "{heading} at {width}");
        }
        assert!(named("rowheader").contains(&"app01"));
        assert_eq!(named("combobox"), ["Status", "Product", "Group", "Remark"]);
        assert_eq!(named("heading").iter().filter(|name| name.contains("still have a product")).count(), 1);
        for role in ["button", "searchbox", "combobox", "link", "DisclosureTriangle", "heading"] {
            assert!(named(role).iter().all(|name| !name.is_empty()), "{role} without a name");
        }
    }
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn every_text_of_a_campaign_has_contrast_and_scripts_are_not_needed() {
    let mut broken = long();
    let defects = vec!["line 7 was altered".to_owned()];
    broken.runs[0].check = Some(JournalCheck { defects, ..JournalCheck::default() });
    let file = written("campaign-broken.html", &broken);
    let mut browser = Browser::start();
    let mut page = browser.page();
    for (width, scheme) in [(1600, "light"), (1600, "dark"), (390, "light"), (390, "dark")] {
        page.look(width, scheme, "screen");
        page.open(&file);
        page.ask("document.querySelectorAll('.open')[0].click()");
        page.ask("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
        let found = page.ask(CONTRASTS);
        let found = found.as_array().unwrap();
        assert!(found.len() > 20, "{} styles of text", found.len());
        assert!(found[0][0].as_f64().unwrap() >= 4.5, "{scheme} at {width}: {:?}", &found[..3]);
    }
    page.without_scripts(true);
    page.open(&file);
    let tree = page.tree();
    let is_host = |(role, name, _): &&(String, String, serde_json::Value)| {
        role == "rowheader" && name.ends_with(".example.org")
    };
    assert_eq!(tree.iter().filter(is_host).count(), 40);
    assert!(tree.iter().any(|(role, name, _)| role == "heading" && name == "Each host in full"));
    assert!(!tree.iter().any(|(role, _, _)| role == "search"), "no control that does nothing");
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn a_large_campaign_stays_smooth() {
    let file = written("campaign-large.html", &large(2000));
    let mut browser = Browser::start();
    let mut page = browser.page();
    page.look(1600, "light", "screen");
    page.open(&file);
    assert_eq!(
        page.text("document.getElementById('count').textContent"),
        "2,000 hosts, the first 100 are shown"
    );
    let took = searched(&mut page, &["host-01", "dc3", "gone 2024-04", "zzz", ""]);
    let most = took.iter().map(|(_, busy, _)| *busy).fold(0.0, f64::max);
    println!("2,000 hosts: a filter takes at most {most:.0} ms (text, busy, wall): {took:.0?}");
    assert!(most < 100.0, "{took:?}");
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn nothing_that_a_campaign_says_is_run() {
    let mut browser = Browser::start();
    let mut page = browser.page();
    page.before_all(
        "window.ran = []; window.canary = (what) => window.ran.push(what);
         for (const name of ['alert', 'confirm', 'prompt', 'open']) window[name] = () => window.ran.push(name);",
    );
    page.look(390, "light", "screen");
    let long = "W".repeat(3000);
    for text in fleets::HOSTILE.iter().copied().chain([long.as_str()]) {
        page.open(&written("campaign-hostile.html", &hostile(text)));
        page.ask("document.querySelectorAll('.open').forEach((button) => button.click())");
        page.ask("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
        page.ask("document.querySelectorAll('*').forEach((e) => { e.dispatchEvent(new MouseEvent('mouseover')); })");
        assert_eq!(page.number("document.querySelectorAll('.panel').length"), 1.0);
        let wide = page.number("document.documentElement.scrollWidth");
        let widest = page.text("Array.from(document.querySelectorAll('body *')).filter((e) => e.getBoundingClientRect().right > 390).map((e) => e.tagName + '.' + e.className.toString() + ' ' + e.textContent.slice(0, 20)).join('; ')");
        assert!(wide <= 390.0, "{text:?} makes the page {wide} px wide: {widest}");
        assert_eq!(page.ask("window.ran"), json!([]), "{text:?}");
        assert_eq!(page.number("document.scripts.length"), 2.0, "{text:?}");
        let foreign = page.number("document.querySelectorAll('iframe, img, object, embed, base, link, form[action], body style, body meta').length");
        assert_eq!(foreign, 0.0, "{text:?}");
        assert_eq!(page.complaints(), [""; 0], "{text:?}");
    }
}
