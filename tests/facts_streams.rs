//! The parser on recorded, cut, mutated and arbitrary answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod facts_support;

use facts_support::{
    NONCE, about, answer, assert_never_falsely_complete, everything, facts_of, is_complete, json, listings,
};
use proptest::prelude::*;
use uproot::facts::{Facts, Questions};
use uproot::model::BoundedOutput;
use uproot::transport::{Answer, StreamEnd};

const STREAM: &[u8] = include_bytes!("facts/host.stream");

fn questions() -> Questions {
    let mut questions = everything();
    questions.merge(&about(
        [
            "/opt/kaspersky",
            "/opt/kaspersky/**",
            "/home/*/.config/kl",
            "/opt/kes?",
            "/nowhere",
            "/root/kesl",
            "/etc/ke*",
        ],
        ["/etc/kesl.conf", "/etc/*.none"],
    ));
    questions
}

fn parsed(stream: &[u8]) -> Facts {
    facts_of(&questions(), &answer(stream))
}

fn edited(from: &str, to: &str) -> Facts {
    let text = String::from_utf8(STREAM.to_vec()).unwrap();
    let from = from.replace("NONCE", NONCE);
    assert!(text.contains(&from), "{from}");
    parsed(text.replacen(&from, &to.replace("NONCE", NONCE), 1).as_bytes())
}

fn reasons(listing: &serde_json::Value) -> String {
    let gaps = listing["gaps"].as_array().cloned().unwrap_or_default();
    gaps.iter().map(|gap| gap["reason"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join("; ")
}

#[test]
fn the_recorded_answer_is_complete() {
    let facts = parsed(STREAM);
    for (name, listing) in listings(&json(&facts)) {
        assert!(is_complete(listing), "{name}: {}", listing["gaps"]);
    }
    let packages: Vec<String> = facts
        .packages
        .items
        .iter()
        .map(|p| format!("{} {} {} {}", p.manager, p.name, p.version, p.status))
        .collect();
    assert_eq!(
        packages,
        [
            "apk busybox 1.36.1-r15 installed",
            "apk kesl 12.0-r0 installed",
            "dpkg bash 5.2 install ok installed",
            "dpkg kesl 12.0.0.1 deinstall ok config-files",
            "pacman bash 5.2-1 installed",
            "rpm klnagent64 14.2-1 installed",
        ]
    );
    let ports: Vec<String> =
        facts.ports.items.iter().map(|p| format!("{} {} {}", p.protocol, p.address, p.port)).collect();
    assert_eq!(ports, ["tcp 0.0.0.0 22", "tcp 127.0.0.1 50001", "udp 0.0.0.0 15000"]);
    let kesl = facts.services.items.iter().find(|service| service.name == "kesl").unwrap();
    assert_eq!(kesl.active.as_deref(), Some("active"));
    assert!(!facts.services.items.iter().any(|service| service.name == "ssh"));
}

/// Cut anywhere, with the cut known or not, and also where the middle was left out.
#[test]
fn a_cut_answer_is_never_falsely_complete() {
    let whole = parsed(STREAM);
    // Every byte near the end of a line, where a cut could look like an end, and many others.
    let is_near = |at: usize| STREAM[at.saturating_sub(2)..(at + 1).min(STREAM.len())].contains(&b'\n');
    for end in (0..STREAM.len()).filter(|at| is_near(*at) || at % 13 == 0) {
        assert_never_falsely_complete(&whole, &parsed(&STREAM[..end]), &[], &format!("cut at {end}"));
    }
    for keep in (64..STREAM.len()).step_by(61) {
        let mut cut = answer(b"");
        cut.stdout = BoundedOutput::with_limit(keep);
        cut.stdout.push(STREAM);
        let facts = facts_of(&questions(), &cut);
        assert_never_falsely_complete(&whole, &facts, &[], &format!("{keep} bytes kept"));
    }
}

#[test]
fn a_lost_middle_is_never_falsely_complete() {
    let whole = parsed(STREAM);
    let lines: Vec<&[u8]> = STREAM.split_inclusive(|byte| *byte == b'\n').collect();
    // Whole lines of a section cannot vanish unseen but by a fault of the transport; from one
    // section into another they can be seen to.
    let borders: Vec<usize> = (0..lines.len()).filter(|at| !lines[*at].starts_with(b"|")).collect();
    for from in (0..lines.len()).step_by(3) {
        for to in borders.iter().filter(|to| **to > from) {
            if from > 0 && lines[from].starts_with(b"|") && borders.iter().any(|b| (from..*to).contains(b)) {
                let stream = [lines[..from].concat(), lines[*to..].concat()].concat();
                assert_never_falsely_complete(
                    &whole,
                    &parsed(&stream),
                    &[],
                    &format!("lines {from} to {to}"),
                );
            }
        }
    }
}

#[test]
fn an_answer_that_ended_says_why() {
    let ends = [
        (StreamEnd::NoMarker { reason: "killed".to_owned() }, "killed"),
        (StreamEnd::TimedOut { reason: "idle for 60 s".to_owned() }, "idle for 60 s"),
        (StreamEnd::Lost { reason: "reset by peer".to_owned() }, "reset by peer"),
        (StreamEnd::Flooded, "sent more"),
        (StreamEnd::Cancelled, "cancelled"),
        (StreamEnd::Complete { status: 2 }, "status 2"),
    ];
    for (end, word) in ends {
        for cut in [0, STREAM.len() / 2] {
            let facts = facts_of(&questions(), &Answer { end: end.clone(), ..answer(&STREAM[..cut]) });
            let document = json(&facts);
            assert!(reasons(&document["paths"]["/nowhere"]).contains(word), "{document}");
        }
    }
}

#[test]
fn frames_of_another_nonce_are_not_believed() {
    let other = String::from_utf8(STREAM.to_vec()).unwrap().replace(NONCE, "uproot-f");
    let facts = parsed(other.as_bytes());
    assert_eq!(facts.platform, None);
    assert!(listings(&json(&facts)).iter().all(|(_, listing)| !is_complete(listing)));
    // What a banner or a login script prints before and after changes nothing.
    let noisy = [b"Welcome\n\xff\x00".as_slice(), b"\n", other.as_bytes(), STREAM, b"bye"].concat();
    assert_eq!(parsed(&noisy), parsed(STREAM));
}

#[test]
fn an_answer_given_twice_is_not_believed() {
    let facts = parsed(&[STREAM, STREAM].concat());
    for (name, listing) in listings(&json(&facts)) {
        assert!(reasons(listing).contains("twice"), "{name}: {listing}");
    }
}

#[test]
fn windows_answers_are_no_facts() {
    let facts = parsed(b"'uproot_facts' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n");
    assert_eq!(facts.platform, None);
    assert!(listings(&json(&facts)).iter().all(|(_, listing)| !is_complete(listing)));
}

#[test]
fn what_does_not_add_up_is_a_gap() {
    let cases: [(&str, &str, &str); 19] = [
        ("users", "|+root:0", "|+roo:1"),
        ("users", "|+kluser:998", "|?kluser:x"),
        ("users", "|+kluser:998", "|+kluser:99999999999999999999"),
        ("groups", "|+kladmins:998", "|?kladmins"),
        ("mounts", "|/ ext4", "|/x ext4"),
        ("mounts", "|/ ext4", "|ext4"),
        ("packages", "|+bash\t5.2\tamd64\tinstall ok installed", "|+bash\t5.2"),
        ("packages", "|+bash\t5.2\tamd64\tinstall ok installed", "|bash"),
        ("packages", "|V:1.36.1-r15", "|X"),
        ("packages", "|bash 5.2-1", "|bash"),
        ("packages", "NONCE run rpm", "NONCE run rp"),
        ("ports", "|head\n", "|"),
        ("ports", "0A 0100007F:C351", "0A 0100007F:C351C351"),
        (
            "kernel_modules",
            "NONCE rc 0\n|NONCE done kernel_modules",
            "NONCE rc 1\n|NONCE done kernel_modules",
        ),
        ("scheduled_tasks", "|/etc/crontab:0 1", "|/etc/crontap:0 1"),
        ("certificates", "|-----END CERTIFICATE-----", "|"),
        ("certificates", "|-----BEGIN CERTIFICATE-----", "|-----BEGIN CERTIFICATE-----\n|AAAA"),
        ("processes", "|Pid:\t1\n", "|Pid:\t2\n"),
        ("processes", "|VmSize", "|VmSiz"),
    ];
    for (listing, from, to) in cases {
        let document = json(&edited(from, to));
        assert!(!is_complete(&document[listing]), "{from:?} → {to:?}: {}", document[listing]);
        let others = listings(&document).into_iter().filter(|(name, l)| name != listing && !is_complete(l));
        assert_eq!(
            others.filter(|(name, _)| !name.starts_with("paths ") || listing != "mounts").count(),
            0,
            "{to}"
        );
    }
}

#[test]
fn only_enoent_and_enotdir_prove_that_nothing_is_there() {
    let of = |reason: &str| {
        let facts = edited("stat: can't stat '/nowhere': No such file or directory", reason);
        json(&facts)["paths"]["/nowhere"].clone()
    };
    assert!(is_complete(&of("stat: can't stat '/nowhere': Not a directory")));
    for other in [
        "stat: can't stat '/nowhere': Permission denied",
        "stat: can't stat '/nowhere': Input/output error",
        "stat: can't stat '/nowhere': Transport endpoint is not connected",
        "stat: can't stat '/nowhere2': No such file or directory",
        "stat: can't stat '/nowhere': No such file or directory!",
        "",
    ] {
        assert!(!is_complete(&of(other)), "{other}");
    }
}

#[test]
fn a_name_that_lost_characters_is_kept() {
    let text = [STREAM].concat();
    let at = text.windows(14).position(|window| window == b"/etc/kesl.conf").unwrap();
    let mut text = text;
    text[at + 7] = 0xff;
    let facts = parsed(&text);
    assert!(listings(&json(&facts)).iter().any(|(name, _)| name.starts_with("paths")));
}

#[test]
fn endless_lists_are_bounded() {
    let many: String = (0..200_005).map(|n| format!("|m{n}\n")).collect();
    let facts = edited("|xfs\n", &many);
    assert_eq!(facts.kernel_modules.items.len(), 200_000);
    assert!(!facts.kernel_modules.is_complete());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let facts = parsed(&bytes);
        prop_assert!(facts.platform.is_none());
    }

    #[test]
    fn arbitrary_sections_never_panic(
        lines in proptest::collection::vec(
            (0_usize..24, "[ -~\t\u{e9}]{0,20}", any::<bool>()), 0..80),
    ) {
        let words = [
            "begin base", "done base", "end base", "begin paths", "done paths", "end paths", "begin packages",
            "end packages", "run stat", "rc", "rc 0", "err", "need 1", "gap 2", "link", "real", "file", "odd", "other",
            "run text", "run odd", "uname Linux", "run apk", "database apk", "run exe",
        ];
        let mut stream = Vec::new();
        for (word, rest, is_inside) in lines {
            let bar = if is_inside { "|" } else { "" };
            stream.extend(format!("{bar}{NONCE} {} {rest}\n|{rest}\n", words[word]).bytes());
        }
        let _ = parsed(&stream);
    }

    #[test]
    fn mutated_answers_never_panic(
        changes in proptest::collection::vec((0..STREAM.len(), any::<u8>()), 1..40),
        removed in (0..STREAM.len(), 0_usize..200),
    ) {
        let mut stream = STREAM.to_vec();
        for (at, byte) in changes {
            stream[at] = byte;
        }
        let end = (removed.0 + removed.1).min(stream.len());
        stream.drain(removed.0..end);
        let facts = parsed(&stream);
        let text = uproot::facts::document::to_json(&facts);
        let back: Facts = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(back, facts);
    }
}

#[test]
fn a_process_that_ended_while_it_was_looked_at_is_no_gap() {
    let ended = edited("|22 -> /bin/busybox", "|22");
    assert!(ended.processes.is_complete());
    assert!(ended.processes.items.iter().all(|process| process.pid != 22));
    let still_there = edited("|21 -> /bin/busybox", "|21");
    let process = still_there.processes.items.iter().find(|process| process.pid == 21).unwrap();
    assert_eq!(process.exe, None, "what is there and cannot be read stays unknown");
}
