//! Broken playbooks: every message has its place, a caret and a remedy, and nothing panics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use uproot::model::Severity;
use uproot::playbook::{IncludeLoader, Included, parse, read};

/// The playbooks of a directory by path, as a user who stands in `tests/playbooks` would name them.
fn playbooks(directory: &str) -> Vec<PathBuf> {
    std::env::set_current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/playbooks")).unwrap();
    let mut found: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml"))
        .collect();
    found.sort();
    found
}

fn assert_well_formed(shown: &str, file: &str) {
    assert!(shown.starts_with("error: "), "{shown}");
    let place = shown.lines().find_map(|line| line.trim_start().strip_prefix("--> ")).expect(shown);
    let mut parts = place.rsplitn(3, ':');
    let numbers: Vec<u32> = parts.by_ref().take(2).map(|number| number.parse().expect(shown)).collect();
    assert!(numbers.iter().all(|number| *number > 0), "{shown}");
    assert_eq!(parts.next(), Some(file), "{shown}");
    assert!(shown.lines().any(|line| line.contains(" | ") && line.contains('^')), "no caret:\n{shown}");
    assert!(shown.lines().any(|line| line.starts_with("help: ") && line.len() > 8), "no help:\n{shown}");
}

#[test]
fn each_broken_playbook_is_explained() {
    let files = playbooks("bad");
    assert_eq!(files.len(), 32, "a broken playbook is missing");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("playbooks/bad/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for path in files {
        let diagnostics = read(&path).expect_err(&path.display().to_string());
        assert!(!diagnostics.list.is_empty());
        for diagnostic in diagnostics.list.iter().filter(|d| d.severity == Severity::Error) {
            assert_well_formed(&diagnostic.render(&diagnostics.sources), &path.display().to_string());
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        settings.bind(|| insta::assert_snapshot!(name, diagnostics.render()));
    }
}

#[test]
fn ten_mistakes_give_ten_messages() {
    let path = playbooks("bad").into_iter().find(|path| path.ends_with("30-ten-mistakes.yml")).unwrap();
    let diagnostics = read(&path).unwrap_err();
    assert_eq!(diagnostics.list.len(), 10, "{}", diagnostics.render());
    let places: Vec<_> = diagnostics.list.iter().map(|diagnostic| diagnostic.place.clone()).collect();
    assert!(places.is_sorted(), "sorted by place");
}

#[test]
fn good_playbooks_are_read() {
    for path in playbooks("good") {
        let loaded = read(&path).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(loaded.playbook.digest.len(), 64);
    }
}

/// Files in memory.
struct Memory(BTreeMap<String, String>);

impl IncludeLoader for Memory {
    fn identity(&self, name: &str) -> String {
        name.to_owned()
    }

    fn load(&self, _from: &str, include: &str) -> Result<Included, String> {
        let text = self.0.get(include).ok_or("there is no such file")?.clone();
        Ok(Included { name: include.to_owned(), identity: include.to_owned(), text })
    }
}

fn refused(text: &str, files: &[(&str, &str)]) -> String {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let begun = Instant::now();
    let shown = parse("a.yml", text, &Memory(files)).expect_err("must be refused").render();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    shown
}

#[test]
fn bombs_and_giants_are_refused() {
    let mut bomb = String::from("uproot: 1\nvars:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = format!("*a{}", level - 1);
        bomb.push_str(&format!("  a{level}: &a{level} [{}]\n", vec![before; 10].join(", ")));
    }
    let deep = format!("uproot: 1\nproducts: {}", "[".repeat(100_000));
    let nested = format!("uproot: 1\nproducts: [{{ detect: {}", "{ not: ".repeat(80));
    let many = format!("uproot: 1\nproducts: [{}]\n", "x, ".repeat(60_000));
    for text in [&bomb, &deep, &nested, &many] {
        let shown = refused(text, &[]);
        assert!(shown.contains("larger, deeper or repeats more than is allowed"), "{shown}");
        assert_well_formed(&shown, "a.yml");
    }
    let shown = refused(&format!("uproot: 1\n{}", "# x\n".repeat(1 << 20)), &[]);
    assert!(shown.contains("more than the 4194304 allowed"), "{shown}");
    assert_well_formed(&shown, "a.yml");
}

#[test]
fn include_circles_are_refused_at_the_entry_that_closes_them() {
    let shown = refused(
        "uproot: 1\ninclude: [b.yml]\n",
        &[
            ("b.yml", "uproot: 1\ninclude:\n  - c.yml\n"),
            ("c.yml", "uproot: 1\ninclude:\n  - a.yml\n"),
            ("a.yml", ""),
        ],
    );
    assert!(shown.contains("`a.yml` includes itself: a.yml → b.yml → c.yml → a.yml"), "{shown}");
    assert!(shown.contains("--> c.yml:3:5"), "{shown}");
}

#[test]
fn endless_includes_are_refused() {
    let names: Vec<String> = (0..300).map(|n| format!("f{n}.yml")).collect();
    let wide = format!("uproot: 1\ninclude: [{}]\n", names.join(", "));
    let leaves: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "uproot: 1\n")).collect();
    assert!(refused(&wide, &leaves).contains("too many or too large files"));
    let texts: Vec<String> = (1..300).map(|n| format!("uproot: 1\ninclude: [f{n}.yml]\n")).collect();
    let chain: Vec<(&str, &str)> =
        names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert!(refused("uproot: 1\ninclude: [f0.yml]\n", &chain).contains("too many or too large files"));
    let large = format!("uproot: 1\n{}", "# x\n".repeat(700_000));
    let giants: Vec<(&str, &str)> =
        names.iter().take(12).map(|name| (name.as_str(), large.as_str())).collect();
    let wide = format!("uproot: 1\ninclude: [{}]\n", names[..12].join(", "));
    assert!(refused(&wide, &giants).contains("too many or too large files"));
}

#[test]
fn policy_and_waves_belong_to_the_file_that_is_run() {
    let shown = refused(
        "uproot: 1\ninclude: [b.yml]\n",
        &[("b.yml", "uproot: 1\npolicy: { reboot: never }\nwaves:\n  - { name: a, hosts: all }\n")],
    );
    assert!(
        shown.contains("`policy` stands in an included file") && shown.contains("--> b.yml:2:1"),
        "{shown}"
    );
    assert!(
        shown.contains("`waves` stands in an included file") && shown.contains("--> b.yml:3:1"),
        "{shown}"
    );
}

const GOOD: &str = include_str!("playbooks/good/everything.yml");
const AGENT: &str = include_str!("playbooks/good/included/agent.yml");

fn never_panics(text: &str) {
    let files = BTreeMap::from([("included/agent.yml".to_owned(), AGENT.to_owned())]);
    match parse("a.yml", text, &Memory(files)) {
        Ok(loaded) => {
            drop(loaded.diagnostics.render());
            loaded.playbook.products.iter().for_each(|product| drop(uproot::playbook::explain(product)));
        }
        Err(diagnostics) => {
            assert!(diagnostics.has_errors());
            drop(diagnostics.render());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
        never_panics(&text);
    }

    #[test]
    fn mutated_playbooks_never_panic(at in 0usize..GOOD.len(), cut in 0usize..40, insert in "[ \\n:\\-\\[\\]{}&*!|>'\"#$a-z0-9é/]{0,12}") {
        let mut begin = at;
        while !GOOD.is_char_boundary(begin) { begin -= 1; }
        let mut end = (begin + cut).min(GOOD.len());
        while !GOOD.is_char_boundary(end) { end += 1; }
        never_panics(&format!("{}{insert}{}", &GOOD[..begin], &GOOD[end..]));
    }

    #[test]
    fn shuffled_lines_never_panic(order in proptest::collection::vec(0usize..140, 0..140)) {
        let lines: Vec<&str> = GOOD.lines().collect();
        let text: Vec<&str> = order.iter().filter_map(|index| lines.get(*index).copied()).collect();
        never_panics(&text.join("\n"));
    }
}
