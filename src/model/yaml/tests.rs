use super::*;
use crate::model::diagnostic::Sources;
use std::time::{Duration, Instant};

fn read(text: &str) -> Node {
    parse("a.yml", text, &Limits::PLAYBOOK).unwrap()
}

fn scalar(node: &Node, key: &str) -> (String, bool) {
    match &node.get(key).unwrap().value {
        Value::Scalar { text, quoted } => (text.clone(), *quoted),
        other => panic!("{other:?}"),
    }
}

fn refused(text: &str) -> String {
    let mut sources = Sources::default();
    sources.add("a.yml", text);
    let list = parse("a.yml", text, &Limits::PLAYBOOK).unwrap_err();
    list.iter().map(|d| d.render(&sources)).collect::<Vec<_>>().join("\n")
}

#[test]
fn scalars_stay_verbatim() {
    let node = read(
        "mode: 0644\nno: no\nversion: 1.0\nhex: 0x1F\nunder: 1_000\nexp: 1e3\ninf: .inf\nquoted: \"1.0\"\nsingle: 'it''s'\n\
         bool: True\nanchored: &a 1.50\nalias: *a\nstr: !!str 12\nbig: 123456789012345678901234567890\nblock: |\n  a\n  b\n\
         folded: >-\n  a\n  b\nplain: two\n  lines # c\n",
    );
    for (key, text, quoted) in [
        ("mode", "0644", false),
        ("no", "no", false),
        ("version", "1.0", false),
        ("hex", "0x1F", false),
        ("under", "1_000", false),
        ("exp", "1e3", false),
        ("inf", ".inf", false),
        ("quoted", "1.0", true),
        ("single", "it's", true),
        ("bool", "True", false),
        ("anchored", "1.50", false),
        ("alias", "1.50", false),
        ("str", "12", true),
        ("big", "123456789012345678901234567890", false),
        ("block", "a\nb\n", true),
        ("folded", "a b", true),
        ("plain", "two lines", false),
    ] {
        assert_eq!(scalar(&node, key), (text.to_owned(), quoted), "{key}");
    }
}

#[test]
fn places_are_those_of_the_words() {
    let node = read("a: 1\nlist:\n  - x: é\n    bb: \"q r\"\nempty:\nlast: [1, 2]\n");
    let place = |node: &Node| (node.place.line, node.place.column, node.place.length);
    let pairs = node.as_map().unwrap();
    assert_eq!(place(&pairs[0].0), (1, 1, 1));
    assert_eq!(place(&pairs[0].1), (1, 4, 1));
    let entry = &node.get("list").unwrap().as_list().unwrap()[0];
    assert_eq!(place(&entry.as_map().unwrap()[1].0), (4, 5, 2));
    assert_eq!(place(entry.get("bb").unwrap()), (4, 9, 5));
    assert_eq!(place(entry), (3, 5, 1));
    assert!(node.get("empty").unwrap().is_null());
    assert_eq!(place(node.get("empty").unwrap()), (5, 1, 5));
    assert_eq!(place(&node.get("last").unwrap().as_list().unwrap()[1]), (6, 11, 1));
}

#[test]
fn merge_keys_and_aliases_work() {
    let node = read("base: &b { x: 1, y: 2 }\nuse:\n  <<: *b\n  y: 3\n");
    let used = node.get("use").unwrap();
    assert_eq!(used.get("x").unwrap().as_str(), Some("1"));
    assert_eq!(used.get("y").unwrap().as_str(), Some("3"));
}

#[test]
fn every_repeated_key_is_told_with_both_places() {
    let text = refused("a: 1\nb: 2\na: 3\nc: { d: 1, d: 2 }\n");
    assert!(
        text.contains("key `a` stands twice") && text.contains("a.yml:3:1") && text.contains("a.yml:1:1")
    );
    assert!(
        text.contains("key `d` stands twice") && text.contains("a.yml:4:12") && text.contains("a.yml:4:6")
    );
}

#[test]
fn what_is_no_single_document_is_refused() {
    assert!(refused("").contains("the file is empty"));
    assert!(refused("# only a comment\n").contains("the file is empty"));
    assert!(refused("a: 1\n---\nb: 2\n").contains("a second document begins here"));
    assert!(refused("a: !vault |\n  x\n").contains("help: remove the tag"));
    assert!(refused("a: *nothing\n").contains("not defined before"));
}

#[test]
fn syntax_errors_have_place_caret_and_help() {
    for text in [
        "a: [1, 2\n",
        "a: \"x\n",
        "a:\n\tb: 1\n",
        "a: 1\n b: 2\n",
        "a: b: c\n",
        "- a\nb: 1\n",
        "a: {b\n",
        "a: @x\n",
        "%",
        "a: &a [*a]\n",
    ] {
        let shown = refused(text);
        assert!(
            shown.contains("--> a.yml:") && shown.contains('^') && shown.contains("\nhelp: "),
            "{text}\n{shown}"
        );
    }
}

#[test]
fn bombs_are_refused_quickly() {
    let begun = Instant::now();
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let before = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", ")));
    }
    for text in &[
        bomb,
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        "x: 1\n".repeat(1_000_000),
        format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(500)),
    ] {
        let shown = refused(text);
        assert!(shown.contains("--> a.yml:") && shown.contains("\nhelp: "), "{shown}");
    }
    let many: String = (0..60_000).map(|n| format!("- {n}\n")).collect();
    assert!(refused(&many).contains("larger, deeper"));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn conversions_say_what_was_expected() {
    let node = read("yes: yes\ntrue: true\nq: \"true\"\nn: 12\nf: 1.5\nd: 1h30m\nlong: 30d\nlist: [1]\n");
    let get = |key: &str| node.get(key).unwrap();
    assert_eq!(get("true").boolean(), Ok(true));
    assert_eq!(get("yes").boolean().unwrap_err().message, "expected `true` or `false`, found `yes`");
    assert_eq!(
        get("q").boolean().unwrap_err().message,
        "expected `true` or `false`, found the quoted text `true`"
    );
    assert_eq!(get("n").integer(0, 12), Ok(12));
    assert!(get("n").integer(0, 11).is_err() && get("f").integer(0, 11).is_err());
    assert_eq!(get("d").duration(Duration::from_secs(7200)), Ok(Duration::from_secs(5400)));
    assert!(get("long").duration(Duration::from_secs(86_400)).unwrap_err().message.contains("too long"));
    assert_eq!(get("list").text().unwrap_err().message, "expected text, found a list");
    assert!(get("n").list().is_err() && get("n").map().is_err());
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "[ -~\n\t\u{e9}\u{1f511}:\\-\\[\\]{}&*!|>'\"#]{0,200}") {
        let _ = parse("a.yml", &text, &Limits::PLAYBOOK);
    }
}
