//! Hosts that answer what no Windows would: unknown, bounded, no panic.

use super::host::{ENGLISH, Host, JAPANESE};
use super::*;
use proptest::prelude::*;

/// Whether nothing is said to be absent that the whole answer does not say to be.
fn claims_no_more(less: &Facts, whole: &Facts) -> Result<(), String> {
    for ((name, less), (_, whole)) in completeness(less).into_iter().zip(completeness(whole)) {
        if less && !whole {
            return Err(format!("`{name}` is complete"));
        }
    }
    Ok(())
}

#[test]
fn an_answer_without_the_nonce_is_none() {
    let questions = questions();
    let whole = Host::speaking(&ENGLISH).answer(&questions);
    let answer = answer_of(&whole, StreamEnd::Complete { status: 0 });
    let facts = parse("h", &questions, "another", &answer, None, Timestamp::UNIX_EPOCH);
    assert_eq!(facts.platform, None);
    assert!(completeness(&facts).iter().all(|(_, complete)| !complete));
}

#[test]
fn an_answer_in_utf16_is_none() {
    let questions = questions();
    let whole = Host::speaking(&ENGLISH).answer(&questions);
    let wide: Vec<u8> = whole.iter().flat_map(|byte| [*byte, 0]).collect();
    let facts = facts_of(&wide, &questions);
    assert_eq!(facts.platform, None);
    assert!(completeness(&facts).iter().all(|(_, complete)| !complete));
}

#[test]
fn a_flood_is_bounded_and_its_missing_middle_is_noticed() {
    let questions = questions();
    let whole = Host::speaking(&ENGLISH).answer(&questions);
    let at = whole.windows(9).position(|window| window == b"\"avp.exe\"").unwrap();
    let mut stdout = BoundedOutput::with_limit(256 * 1024);
    stdout.push(&whole[..at]);
    for _ in 0..1024 {
        stdout.push(&b"\"x.exe\",\"99\",\"Services\",\"0\",\"1 K\"\r\n".repeat(30_000));
    }
    assert!(stdout.total() > 1_000_000_000);
    stdout.push(&whole[at..]);
    let mut answer = answer_of(b"", StreamEnd::Flooded);
    answer.stdout = stdout;
    let facts = parse("h", &questions, NONCE, &answer, None, Timestamp::UNIX_EPOCH);
    assert_eq!(facts.platform, Some(Platform::Windows));
    assert!(!facts.processes.is_complete());
    assert!(facts.processes.items.len() < 20_000);
}

#[test]
fn control_characters_stay_what_they_are() {
    let questions = questions();
    let mut host = Host::speaking(&ENGLISH);
    host.directories.push((r"C:\ProgramData", &["Kaspersky \u{1b}[2J"][..]));
    let facts = facts_of(&host.answer(&questions), &questions);
    let found = &facts.paths[r"%ProgramData%\Kaspersky*"].items;
    // Escaped where it is shown, as every host's string.
    assert!(found.iter().any(|entry| entry.path.contains('\u{1b}')));
}

#[test]
fn an_answer_that_stands_twice_counts_not_at_all() {
    let questions = questions();
    let whole = Host::speaking(&ENGLISH).answer(&questions);
    let twice = [whole.clone(), whole].concat();
    let facts = facts_of(&twice, &questions);
    assert!(completeness(&facts).iter().all(|(name, complete)| !complete || name.starts_with('%')));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_cut_anywhere_claims_no_more(at in any::<prop::sample::Index>(), japanese: bool) {
        let questions = questions();
        let whole = Host::speaking(if japanese { &JAPANESE } else { &ENGLISH }).answer(&questions);
        let all = facts_of(&whole, &questions);
        let (cut, rest) = whole.split_at(at.index(whole.len()));
        let end = StreamEnd::NoMarker { reason: "cut".to_owned() };
        let facts = parse("h", &questions, NONCE, &answer_of(cut, end), None, Timestamp::UNIX_EPOCH);
        prop_assert_eq!(claims_no_more(&facts, &all), Ok(()));
        // What comes behind a cut in the middle of a listing is not missed either.
        let spliced = [cut, b"\n[uproot: 5 bytes left out]\n", rest.get(5..).unwrap_or_default()].concat();
        prop_assert_eq!(claims_no_more(&facts_of(&spliced, &questions), &all), Ok(()));
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), label in 0_usize..80) {
        let questions = questions();
        let mut said = format!("{NONCE} ask q{label} \"C:\"\r\n").into_bytes();
        said.extend(&bytes);
        said.extend(format!("\r\n{NONCE} end q{label} 0\r\n").into_bytes());
        let facts = facts_of(&said, &questions);
        prop_assert!(facts.platform.is_none());
    }

    #[test]
    fn damaged_answers_never_panic(at in any::<prop::sample::Index>(), byte: u8) {
        let questions = questions();
        let mut whole = Host::speaking(&JAPANESE).answer(&questions);
        let at = at.index(whole.len());
        whole[at] = byte;
        let _ = facts_of(&whole, &questions);
    }
}
