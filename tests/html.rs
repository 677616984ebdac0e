//! The HTML report in a real browser.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[path = "html/browser.rs"]
mod browser;
#[path = "html/campaign.rs"]
mod campaign;
#[path = "html/fleets.rs"]
mod fleets;
#[path = "html/page.rs"]
mod page;
#[path = "campaign/runs.rs"]
#[allow(dead_code, reason = "the campaign suite uses the rest")]
mod runs;
#[path = "report/script.rs"]
#[allow(dead_code, reason = "the report suite uses the rest")]
mod script;

use browser::{Browser, Page};
use serde_json::json;
use std::path::{Path, PathBuf};
use uproot::model::{HostState, ProductState};
use uproot::report::{HostReport, HtmlOptions, JournalCheck, Report, html};

fn output_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("html");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn written(name: &str, report: &Report, options: &HtmlOptions<'_>) -> PathBuf {
    let file = output_folder().join(name);
    std::fs::write(&file, html(report, options)).unwrap();
    file
}

fn everything() -> PathBuf {
    written("everything.html", &fleets::everything(), &HtmlOptions::default())
}

#[test]
fn pictures_of_three_widths_in_both_schemes_and_on_paper() {
    let file = everything();
    let mut browser = Browser::start();
    let mut page = browser.page();
    page.open(&file);
    settle(&mut page);
    picture_at_every_width(&mut page, "everything");
    page.look(800, "dark", "");
    let pdf = output_folder().join("everything.pdf");
    page.print(&pdf);
    println!("{}", pdf.display());
    assert!(std::fs::read(&pdf).unwrap().starts_with(b"%PDF-"));
    assert_eq!(page.complaints(), [""; 0]);
}

/// Pictures of the page at three widths in both schemes, none of them wider than the window.
fn picture_at_every_width(page: &mut Page<'_>, name: &str) {
    for width in [390, 1024, 1600] {
        for scheme in ["light", "dark"] {
            page.look(width, scheme, "screen");
            let wide = page.number("document.documentElement.scrollWidth");
            assert!(wide <= f64::from(width), "{name}: {width} px: the page is {wide} px wide");
            assert_eq!(page.number(BESIDE), 0.0, "{name}: {width} px: a product touches the next column");
            let picture = output_folder().join(format!("{name}-{width}-{scheme}.png"));
            page.picture(&picture);
            println!("{}", picture.display());
        }
    }
}

/// How many products touch the next column of the table of hosts, where it is one.
const BESIDE: &str = "[...document.querySelectorAll('.hosts td .p')].filter((product) => {
    const cell = product.closest('td'), end = cell.getBoundingClientRect().right - 4;
    return getComputedStyle(cell).display === 'table-cell' && product.getBoundingClientRect().right > end; }).length";

/// How many rows of hosts are seen.
const ROWS: &str = "document.querySelectorAll('#rows > tr:not(.detail)').length";

/// Waits until the rest of the rows is drawn.
fn settle(page: &mut Page<'_>) {
    page.ask(
        "new Promise((done) => { const look = () => document.querySelector('[aria-busy]') ? setTimeout(look, 5) : done(); look(); })",
    );
}

fn set(page: &mut Page<'_>, control: &str, value: &str) {
    let value = serde_json::to_string(value).unwrap();
    page.ask(&format!(
        "(() => {{ const control = document.getElementById('{control}'); control.value = {value};
         if (control.value !== {value}) throw new Error('no such choice');
         control.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()"
    ));
    settle(page);
}

fn click(page: &mut Page<'_>, selector: &str) {
    page.ask(&format!("document.querySelector('{selector}').click()"));
    // The controls of a form have their first values only after the event.
    page.ask("new Promise((done) => setTimeout(done))");
    settle(page);
}

fn names(page: &mut Page<'_>) -> Vec<String> {
    let names = page.ask(
        "Array.from(document.querySelectorAll('#rows > tr:not(.detail) > th'), (cell) => cell.textContent)",
    );
    names.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[test]
fn hosts_are_filtered_searched_and_sorted() {
    let (file, report) = (everything(), fleets::everything());
    let of =
        |is_it: &dyn Fn(&HostReport) -> bool| report.hosts.iter().filter(|host| is_it(host)).count() as f64;
    let mut browser = Browser::start();
    let mut page = browser.page();
    page.open(&file);
    settle(&mut page);
    assert_eq!(page.number(ROWS), 64.0);
    assert_eq!(page.text("document.getElementById('count').textContent"), "64 hosts");

    set(&mut page, "state", "removed");
    assert_eq!(page.number(ROWS), of(&|host| host.state == HostState::Removed));
    assert_eq!(page.text("document.getElementById('count').textContent"), "30 of 64 hosts");
    set(&mut page, "group", "web");
    let is_web = |host: &HostReport| host.groups.iter().any(|group| group == "web");
    let both = of(&|host| host.state == HostState::Removed && is_web(host));
    assert!(both > 0.0 && both < 30.0);
    assert_eq!(page.number(ROWS), both);
    set(&mut page, "wave", "canary");
    let is_canary = |host: &HostReport| host.wave.as_deref() == Some("canary");
    assert_eq!(
        page.number(ROWS),
        of(&|host| host.state == HostState::Removed && is_web(host) && is_canary(host))
    );
    click(&mut page, "button[type=reset]");
    assert_eq!(page.number(ROWS), 64.0);

    set(&mut page, "product", "klms");
    assert_eq!(
        page.number(ROWS),
        of(&|host| host.findings.iter().any(|f| f.product == "klms" && f.result != ProductState::Absent))
    );
    set(&mut page, "product", "");
    set(&mut page, "search", "WEB dpkg/status");
    assert!(names(&mut page).iter().all(|name| name.starts_with("web")), "every word must be there");
    set(&mut page, "search", "10.20.0.7:22");
    assert_eq!(names(&mut page), ["mail02.example.org"], "by its address");
    set(&mut page, "search", "nothing of the kind");
    assert_eq!(page.text("document.getElementById('count').textContent"), "0 of 64 hosts");
    set(&mut page, "search", "");

    click(&mut page, "th[data-sort=host] button");
    let mut sorted: Vec<String> = report.hosts.iter().map(|host| host.host.clone()).collect();
    sorted.sort();
    assert_eq!(names(&mut page), sorted);
    click(&mut page, "th[data-sort=host] button");
    sorted.reverse();
    assert_eq!(names(&mut page), sorted);
    assert_eq!(
        page.text("document.querySelector('th[data-sort=host]').getAttribute('aria-sort')"),
        "descending"
    );
    click(&mut page, "th[data-sort=took] button");
    assert_eq!(page.number("document.querySelectorAll('[aria-sort]').length"), 1.0);
    click(&mut page, ".legend a[data-state=failed]");
    assert_eq!(page.number(ROWS), 3.0);
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn a_host_in_full_has_its_evidence_its_steps_and_what_they_printed() {
    let file = everything();
    let mut browser = Browser::start();
    let mut page = browser.page();
    page.open(&file);
    set(&mut page, "search", "web04");
    click(&mut page, ".open");
    page.ask("document.querySelectorAll('.panel details').forEach((details) => { details.open = true; })");
    let said = page.text("document.querySelector('.panel').innerText");
    for part in [
        "10.20.0.12:22",
        "site-hamburg",
        "service `kesl` is true: kesl.service loaded active running",
        "residue: path `/var/opt/kaspersky/kesl` is true",
        "kesl/2 remove packages kesl-gui, kesl failed status 1, effect false, 4 s",
        "installed kesl package pre-removal script subprocess returned error exit status 1",
        "standard error, 178 bytes, kept as output/12ab34cd56ef7890…",
        "kesl/3 remove path /var/opt/kaspersky/kesl not run",
        "step kesl/2 failed",
        "Proven absent: ksc-linux, klms, scan-engine",
        "2026-11-25 12:",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    page.look(1024, "light", "screen");
    page.picture(&output_folder().join("host-1024-light.png"));
    click(&mut page, ".open");
    assert_eq!(page.number("document.querySelectorAll('.panel').length"), 0.0);
    assert_eq!(page.complaints(), [""; 0]);
}

/// What has the focus, in words.
const FOCUS: &str = "(() => { const e = document.activeElement; \
     return [e.tagName, e.id, e.textContent.slice(0, 30), getComputedStyle(e).outlineStyle].join('|'); })()";

#[test]
fn the_keyboard_alone_is_enough() {
    let file = everything();
    let mut browser = Browser::start();
    let mut page = browser.page();
    page.look(1024, "light", "screen");
    page.open(&file);
    page.press("Tab");
    assert_eq!(page.text(FOCUS), "A||Skip to the hosts|solid");
    page.press("Enter");
    let mut seen = Vec::new();
    for _ in 0..40 {
        page.press("Tab");
        let focus = page.text(FOCUS);
        assert!(focus.ends_with("|solid"), "the focus is not seen on {focus}");
        let is_search = focus.starts_with("INPUT|search|");
        seen.push(focus);
        if is_search {
            break;
        }
    }
    assert!(seen.len() == 1, "the skip link leads to the search: {seen:?}");
    page.type_in("web04");
    settle(&mut page);
    assert_eq!(page.number(ROWS), 1.0);
    for _ in 0..20 {
        page.press("Tab");
        if page.text(FOCUS).contains("|Host|") {
            page.press("Enter");
            assert_eq!(
                page.text("document.querySelector('th[data-sort=host]').getAttribute('aria-sort')"),
                "ascending"
            );
        }
        if page.text(FOCUS).contains("|web04.example.org|") {
            break;
        }
    }
    assert!(page.text(FOCUS).contains("|web04.example.org|"));
    page.press("Enter");
    assert_eq!(page.text("document.activeElement.getAttribute('aria-expanded')"), "true");
    page.press("Tab");
    assert!(page.text(FOCUS).starts_with("SUMMARY|"), "into the host's details");
    page.ask("document.querySelector('.open').focus()");
    page.press("Enter");
    assert_eq!(page.text("document.activeElement.getAttribute('aria-expanded')"), "false");
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn a_screen_reader_finds_its_way() {
    let file = everything();
    let mut browser = Browser::start();
    let mut page = browser.page();
    for width in [1024, 390] {
        page.look(width, "light", "screen");
        page.open(&file);
        settle(&mut page);
        click(&mut page, ".open");
        let tree = page.tree();
        let named = |role: &str| -> Vec<&str> {
            tree.iter().filter(|(found, _, _)| found == role).map(|(_, name, _)| name.as_str()).collect()
        };
        for landmark in ["banner", "main", "contentinfo"] {
            assert_eq!(named(landmark).len(), 1, "{landmark}");
        }
        assert_eq!(named("search"), ["Filter the hosts"]);
        for region in ["What needs attention", "Hosts", "Products", "Waves", "Scope and waivers", "Record"] {
            assert!(named("region").contains(&region), "{region}: {:?}", named("region"));
        }
        let levels: Vec<u64> = tree
            .iter()
            .filter(|(role, _, _)| role == "heading")
            .map(|(_, name, properties)| {
                assert!(!name.is_empty());
                let level =
                    properties.as_array().unwrap().iter().find(|property| property["name"] == "level");
                level.unwrap()["value"]["value"].as_u64().unwrap()
            })
            .collect();
        assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
        assert_eq!(levels[0], 1);
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "a level is skipped: {levels:?}");
        assert!(
            named("table").contains(&"Every host of the run: its state, its products, and why it ended so")
        );
        for heading in ["Host", "State", "Products", "Why", "Wave", "Took"] {
            assert!(
                named("columnheader").contains(&heading),
                "{heading} at {width}: {:?}",
                named("columnheader")
            );
        }
        assert!(named("rowheader").contains(&"web04.example.org"), "{width}");
        for role in ["button", "textbox", "searchbox", "combobox", "link", "DisclosureTriangle"] {
            assert!(named(role).iter().all(|name| !name.is_empty()), "{role} without a name");
        }
        assert_eq!(named("searchbox"), ["Search"]);
        assert_eq!(named("combobox"), ["State", "Product", "Group", "Wave"]);
        assert!(tree.iter().any(|(role, _, _)| role == "status"), "the count of results is told");
    }
    assert_eq!(page.complaints(), [""; 0]);
}

/// Every text that is seen with its contrast to what is behind it, worst first.
const CONTRASTS: &str = include_str!("html/contrast.js");

#[test]
fn every_text_has_contrast_in_both_schemes() {
    let (file, broken) = (everything(), {
        let mut report = fleets::everything();
        report.check =
            Some(JournalCheck { defects: vec!["line 7 was altered".into()], ..JournalCheck::default() });
        written("broken.html", &report, &HtmlOptions::default())
    });
    let mut browser = Browser::start();
    let mut page = browser.page();
    for (file, width, scheme) in [
        (&file, 1600, "light"),
        (&file, 1600, "dark"),
        (&file, 390, "light"),
        (&file, 390, "dark"),
        (&broken, 1024, "light"),
        (&broken, 1024, "dark"),
    ] {
        page.look(width, scheme, "screen");
        page.open(file);
        page.ask("document.querySelectorAll('.open')[0].click()");
        page.ask("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
        let found = page.ask(CONTRASTS);
        let found = found.as_array().unwrap();
        assert!(found.len() > 20, "{} styles of text", found.len());
        assert!(found[0][0].as_f64().unwrap() >= 4.5, "{scheme} at {width}: {:?}", &found[..3]);
        println!("{scheme} at {width}: {} styles of text, the faintest {}", found.len(), found[0]);
    }
}

#[test]
fn paper_has_every_host_and_no_controls() {
    let file = written("print.html", &fleets::large(450), &HtmlOptions::default());
    let mut browser = Browser::start();
    let mut page = browser.page();
    page.look(800, "dark", "");
    page.open(&file);
    settle(&mut page);
    assert_eq!(page.number(ROWS), 100.0);
    page.ask("window.printed = 0; addEventListener('beforeprint', () => { window.printed = document.querySelectorAll('#rows > tr').length; })");
    let pdf = output_folder().join("large.pdf");
    page.print(&pdf);
    assert_eq!(page.number("window.printed"), 450.0);
    settle(&mut page);
    assert_eq!(page.number(ROWS), 100.0, "and the screen is as it was");
    page.look(800, "dark", "print");
    assert_eq!(page.text("getComputedStyle(document.getElementById('filter')).display"), "none");
    assert_eq!(page.text("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)");
    assert_eq!(page.text("getComputedStyle(document.body).color"), "rgb(0, 0, 0)");
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn without_javascript_everything_can_be_read() {
    let file = everything();
    let mut browser = Browser::start();
    let mut page = browser.page();
    page.without_scripts(true);
    page.look(1024, "light", "screen");
    page.open(&file);
    let tree = page.tree();
    let has =
        |role: &str, part: &str| tree.iter().any(|(found, name, _)| found == role && name.contains(part));
    assert!(has("heading", "2 of 64 hosts have a product or its residue."));
    assert_eq!(
        tree.iter().filter(|(role, name, _)| role == "rowheader" && name.ends_with(".example.org")).count(),
        64 + 2
    );
    assert!(
        !tree.iter().any(|(role, _, _)| role == "search" || role == "searchbox"),
        "no control that does nothing"
    );
    assert!(has("heading", "Each host in full"));
    page.picture(&output_folder().join("without-javascript-1024.png"));
    assert_eq!(page.complaints(), [""; 0]);
}

/// How long each search takes in milliseconds, from the key to the finished layout: in processor time of the page's
/// thread, and by the clock on the wall. What else the machine does is not the page's fault: the least of three counts.
fn searched<'a>(page: &mut Page<'_>, values: &[&'a str]) -> Vec<(&'a str, f64, f64)> {
    page.call("Performance.enable", json!({"timeDomain": "threadTicks"}));
    let mut once = |value: &str| {
        let before = page.busy();
        let wall = page.number(&format!(
            "(() => {{ const begin = performance.now(); const search = document.getElementById('search');
             search.value = '{value}'; search.dispatchEvent(new Event('input', {{ bubbles: true }}));
             document.body.offsetHeight;
             return performance.now() - begin; }})()"
        ));
        let busy = (page.busy() - before) * 1000.0;
        settle(page);
        (busy, wall)
    };
    let least = |value: &&'a str| {
        let tries = [once(value), once(value), once(value)];
        let of = |pick: fn(&(f64, f64)) -> f64| tries.iter().map(pick).fold(f64::INFINITY, f64::min);
        (*value, of(|(busy, _)| *busy), of(|(_, wall)| *wall))
    };
    values.iter().map(least).collect()
}

#[test]
fn five_thousand_hosts_stay_smooth() {
    let file = written("large.html", &fleets::large(5000), &HtmlOptions::default());
    let size = std::fs::metadata(&file).unwrap().len();
    let mut browser = Browser::start();
    let mut page = browser.page();
    page.look(1600, "light", "screen");
    page.open(&file);
    assert_eq!(
        page.text("document.getElementById('count').textContent"),
        "5,000 hosts, the first 100 are shown"
    );
    let took = searched(&mut page, &["rack-1", "host-04", "kesl", "dc3", "", "pid 77", "removed", "zzz", ""]);
    let most = took.iter().map(|(_, busy, _)| *busy).fold(0.0, f64::max);
    println!("5,000 hosts: {size} bytes; a filter takes at most {most:.0} ms (text, busy, wall): {took:.0?}");
    assert!(size < 10_000_000, "{size} bytes");
    assert!(most < 100.0, "{took:?}");
    set(&mut page, "state", "failed");
    assert_eq!(
        page.text("document.getElementById('count').textContent"),
        "500 of 5,000 hosts, the first 100 are shown"
    );
    click(&mut page, "#next");
    assert_eq!(page.number(ROWS), 200.0);
    click(&mut page, "#all");
    assert_eq!(page.number(ROWS), 500.0);
    let begin = page.number("(() => { const begin = performance.now(); document.querySelector('th[data-sort=host] button').click(); document.body.offsetHeight; return performance.now() - begin; })()");
    println!("5,000 hosts: sorted in {begin:.1} ms");
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn nothing_that_a_host_says_is_run() {
    let mut browser = Browser::start();
    let mut page = browser.page();
    page.before_all(
        "window.ran = []; window.canary = (what) => window.ran.push(what);
         for (const name of ['alert', 'confirm', 'prompt', 'open']) window[name] = () => window.ran.push(name);",
    );
    page.look(390, "light", "screen");
    let long = "W".repeat(3000);
    for (index, text) in fleets::HOSTILE.iter().copied().chain([long.as_str()]).enumerate() {
        let options = HtmlOptions { run: Some(text) };
        let file = written(&format!("hostile-{index:02}.html"), &fleets::hostile(text), &options);
        page.open(&file);
        page.ask("document.querySelectorAll('.open').forEach((button) => button.click())");
        page.ask("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
        assert_eq!(
            page.number("document.querySelectorAll('.panel pre').length"),
            2.0,
            "its outputs are shown"
        );
        page.ask("for (const option of document.getElementById('state').options) option.selected = true");
        let search = serde_json::to_string(text).unwrap();
        page.ask(&format!("(() => {{ const s = document.getElementById('search'); s.value = {search}; s.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()"));
        page.ask("document.querySelectorAll('*').forEach((e) => { e.dispatchEvent(new MouseEvent('mouseover')); })");
        let wide = page.number("document.documentElement.scrollWidth");
        assert!(wide <= 390.0, "{text:?} makes the page {wide} px wide");
        assert_eq!(page.ask("window.ran"), json!([]), "{text:?}");
        assert_eq!(page.number("document.scripts.length"), 2.0, "{text:?}");
        let foreign = page.number("document.querySelectorAll('iframe, img, object, embed, base, link, form[action], body style, body meta').length");
        assert_eq!(foreign, 0.0, "{text:?}");
        assert_eq!(page.complaints(), [""; 0], "{text:?}");
    }
}

#[test]
fn the_canary_would_have_been_noticed() {
    let file = output_folder().join("open-door.html");
    std::fs::write(&file, "<!DOCTYPE html><title>x</title><body><script>canary('here')</script><img src=x>")
        .unwrap();
    let mut browser = Browser::start();
    let mut page = browser.page();
    page.before_all("window.ran = []; window.canary = (what) => window.ran.push(what);");
    page.open(&file);
    assert_eq!(page.ask("window.ran"), json!(["here"]));
    assert!(!page.complaints().is_empty(), "a file that is not there is complained of");
    let guarded = html(&fleets::large(2), &HtmlOptions::default())
        .replace("</main>", "<script>canary('in')</script></main>");
    std::fs::write(&file, guarded).unwrap();
    page.open(&file);
    assert_eq!(page.ask("window.ran"), json!([]), "the policy stops what escaping would have missed");
    assert!(
        page.complaints().iter().any(|complaint| complaint.contains("Content Security Policy")),
        "and says so"
    );
}
