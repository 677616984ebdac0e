//! What can be said of the page without a browser.

use crate::fleets::{HOSTILE, everything, hostile, large};
use proptest::prelude::*;
use uproot::model::{ExitCode, HostState};
use uproot::report::{HtmlOptions, JournalCheck, html};

fn page_of(text: &str) -> String {
    html(&hostile(text), &HtmlOptions { run: Some(text) })
}

/// The page without the script's data, and the data.
pub(crate) fn parts(page: &str) -> (String, serde_json::Value) {
    let mark = "<script type=\"application/json\" id=\"data\">";
    let (before, rest) = page.split_once(mark).expect("the page has data");
    let (data, after) = rest.split_once("</script>").unwrap();
    assert!(!data.contains('<'), "the data could end its element");
    (format!("{before}{after}"), serde_json::from_str(data).expect("the data is JSON"))
}

fn count(page: &str, c: char) -> usize {
    page.chars().filter(|other| *other == c).count()
}

/// Whatever the strings are, they make no element, no attribute and nothing that is not seen.
pub(crate) fn assert_tame(text: &str, page_of: impl Fn(&str) -> String) {
    // What stands in backquotes is set as code.
    let without_code = |page: &str| page.replace("<code>", "").replace("</code>", "");
    let (page, data) = parts(&without_code(&page_of(text)));
    let (plain, _) = parts(&without_code(&page_of("x")));
    assert_eq!(count(&page, '<'), count(&plain, '<'), "{text:?} made an element");
    assert_eq!(count(&page, '"'), count(&plain, '"'), "{text:?} made an attribute");
    let obeyed = |c: &char| {
        (c.is_control() && *c != '\n')
            || matches!(*c as u32, 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x2069 | 0xfeff | 0xfff9..=0xfffb)
    };
    assert_eq!(page.chars().find(obeyed), None, "{text:?}");
    for text in data["s"].as_array().unwrap() {
        assert_eq!(text.as_str().unwrap().chars().find(obeyed), None);
    }
}

#[test]
fn no_string_of_a_host_becomes_part_of_the_page() {
    for text in HOSTILE {
        assert_tame(text, page_of);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_string_whatever_becomes_part_of_the_page(text in "[<>&\"'/=a-z\\PC]{1,40}") {
        assert_tame(&text, page_of);
    }
}

#[test]
fn a_host_that_says_a_megabyte_everywhere_makes_a_small_page() {
    let page = page_of(&"é".repeat(1_000_000));
    assert!(page.len() < 400_000, "{}", page.len());
    assert!(page.contains("more characters"));
}

#[test]
fn the_page_loads_nothing_and_goes_nowhere() {
    let (page, _) = parts(&html(&everything(), &HtmlOptions::default()));
    assert_self_contained(&page);
}

/// Nothing in a page loads or runs, and every link leads to the hosts.
pub(crate) fn assert_self_contained(page: &str) {
    for part in page.split(" href=\"").skip(1) {
        assert!(part.starts_with("#hosts\""), "{}", part.chars().take(60).collect::<String>());
    }
    for word in [" src=", " action=", " style=", "<link", "<img", "<iframe", "@import", "url(", " onclick"] {
        assert!(!page.contains(word), "{word}");
    }
    let policy =
        page.split_once("Content-Security-Policy\" content=\"").unwrap().1.split_once('"').unwrap().0;
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
}

#[test]
fn a_broken_journal_is_said_first() {
    let mut report = everything();
    let whole = html(&report, &HtmlOptions::default());
    assert!(!whole.contains("role=\"alert\"") && whole.contains("<b>Whole: </b>"));
    let defects = vec!["line 7: its hash is not that of its bytes".to_owned()];
    report.check = Some(JournalCheck { defects, ..JournalCheck::default() });
    let page = html(&report, &HtmlOptions::default());
    assert!(page.contains("<title>BROKEN JOURNAL: uproot apply of "));
    let first = page.split_once("<body>").unwrap().1;
    let banner = "<div class=\"broken\" role=\"alert\"><strong>The journal of this run is broken. Nothing on this page is proven.";
    assert!(first.starts_with(banner), "{}", first.chars().take(200).collect::<String>());
    assert!(page.contains("line 7: its hash is not that of its bytes"));
    assert!(!page.contains("<b>Whole: </b>"));
}

#[test]
fn a_journal_that_was_not_checked_is_not_called_whole() {
    let mut report = everything();
    report.check = None;
    let page = html(&report, &HtmlOptions::default());
    assert!(page.contains("It was not checked for this page") && !page.contains("<b>Whole: </b>"));
}

#[test]
fn sections_are_there_only_where_there_is_something_to_say() {
    let report = everything();
    let ids = ["id=\"changes\"", "id=\"scope\"", "id=\"waves\"", "id=\"attention\""];
    let full = html(&report, &HtmlOptions::default());
    assert!(ids.iter().all(|id| full.contains(id)));
    let mut bare = crate::script::Script::default();
    bare.start(&["a"]).end("a", HostState::Clean, "", None).finish(ExitCode::Success);
    let bare = html(&bare.report(), &HtmlOptions::default());
    assert!(ids.iter().all(|id| !bare.contains(id)));
}

#[test]
fn every_host_and_every_remedy_stands_in_the_table() {
    let report = everything();
    let (page, data) = parts(&html(&report, &HtmlOptions::default()));
    for host in &report.hosts {
        assert!(page.contains(&format!("<th scope=\"row\">{}</th>", host.host)), "{}", host.host);
        if let Some(remedy) = &host.remedy {
            assert!(page.contains(remedy.as_str()), "{remedy}");
        }
    }
    assert_eq!(data["h"].as_array().unwrap().len(), report.hosts.len());
}

#[test]
fn five_thousand_hosts_are_less_than_ten_megabytes_and_say_what_they_leave_out() {
    let report = large(5000);
    let page = html(&report, &HtmlOptions::default());
    assert!(page.len() < 10_000_000, "{} bytes", page.len());
    assert!(page.contains("left out of this page") || page.contains("before this are left out"));
    println!("5,000 hosts: {} bytes", page.len());
}
