use super::*;
use proptest::prelude::*;

fn secret() -> Option<Secret> {
    Some(Secret::new("become", "pass word".to_owned()))
}

fn talk(want_root: bool, password: Option<Secret>) -> Conversation {
    Conversation::new(Nonces::random(), "echo hello", want_root, password, 1 << 16)
}

/// What a host sends for a script with this output, noise before it included.
fn transcript(nonces: &Nonces, stdout: &[u8], stderr: &[u8], status: &str) -> (Vec<u8>, Vec<u8>) {
    let out = [
        format!("motd, no break{}0\n", nonces.ready()).as_bytes(),
        nonces.begin().as_bytes(),
        stdout,
        format!("{}{status}\n", nonces.end()).as_bytes(),
    ]
    .concat();
    let err =
        [b"lecture\n".as_slice(), nonces.begin().as_bytes(), stderr, nonces.error_end().as_bytes()].concat();
    (out, err)
}

fn pieces<'a>(mut bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut all = Vec::new();
    for size in sizes.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at((*size).clamp(1, bytes.len()));
        all.push(piece);
        bytes = rest;
    }
    all
}

proptest! {
    /// Whatever the pieces, and whichever stream comes first, the same answer.
    #[test]
    fn the_answer_does_not_depend_on_the_pieces(
        stdout in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b':'), Just(b'e'), any::<u8>()], 0..300),
        stderr in proptest::collection::vec(any::<u8>(), 0..100),
        sizes in proptest::collection::vec(1_usize..40, 1..8),
        status in 0_i32..256,
        stdout_first in any::<bool>(),
    ) {
        let mut talk = talk(true, None);
        let (out, err) = transcript(&talk.nonces.clone(), &stdout, &stderr, &status.to_string());
        let (out, err) = (pieces(&out, &sizes), pieces(&err, &sizes));
        // Nothing is on standard error before the script was sent but noise.
        let first: usize = if stdout_first { out.len() } else { 0 };
        for piece in out.iter().take(first) { talk.stdout(piece); }
        for piece in &err { talk.stderr(piece); }
        for piece in out.iter().skip(first) { talk.stdout(piece); }
        if stdout_first {
            prop_assert_eq!(talk.phase(), &Phase::Complete(status));
            prop_assert_eq!(talk.into_output().1.bytes(), stderr);
        } else {
            prop_assert_eq!(talk.status(), Some(status));
            prop_assert_eq!(talk.into_output().0.bytes(), stdout);
        }
    }

    /// Without the real mark there is no status, whatever a host prints.
    #[test]
    fn no_status_without_the_mark(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        sizes in proptest::collection::vec(1_usize..40, 1..8),
    ) {
        let mut talk = talk(false, None);
        let ready = format!("{}7\n{}", talk.nonces.ready(), talk.nonces.begin());
        talk.stdout(ready.as_bytes());
        for piece in pieces(&bytes, &sizes) { talk.stdout(piece); talk.stderr(piece); }
        prop_assert_eq!(talk.status(), None);
        prop_assert_eq!(talk.phase(), &Phase::Running);
        prop_assert_eq!(talk.into_output().0.bytes(), bytes);
    }
}

#[test]
fn byte_by_byte_with_near_misses_of_the_mark() {
    let mut talk = talk(false, None);
    let nonces = talk.nonces.clone();
    let end = nonces.end();
    let near =
        format!("\n\n{}\n{}x\n{end}\n{end}-1\n{end}12345678901\n{}", &end[1..20], &end[1..], &end[..10]);
    let (out, err) = transcript(&nonces, near.as_bytes(), b"", "42");
    for byte in &out {
        talk.stdout(&[*byte]);
    }
    for byte in &err {
        talk.stderr(&[*byte]);
    }
    assert_eq!(talk.phase(), &Phase::Complete(42));
    assert_eq!(talk.into_output().0.text(), near);
}

#[test]
fn nothing_after_the_mark_counts() {
    let mut talk = talk(false, None);
    let nonces = talk.nonces.clone();
    let (out, _) = transcript(&nonces, b"body", b"", "1");
    talk.stdout(&out);
    talk.stdout(format!("{}0\n more", nonces.end()).as_bytes());
    assert_eq!(talk.status(), Some(1));
    assert_eq!(talk.into_output().0.text(), "body");
}

#[test]
fn the_script_is_sent_only_after_ready() {
    let mut talk = talk(false, None);
    talk.stdout(b"Welcome\nready\n");
    talk.stderr(b"echo hello\n");
    assert!(talk.pending_input().is_empty() && !talk.input_complete());
    let ready = talk.nonces.ready();
    talk.stdout(format!("{ready}$(id -u); while read").as_bytes());
    assert!(talk.pending_input().is_empty(), "a command line that is shown back is not the reader");
    talk.stdout(format!("\n{ready}1000").as_bytes());
    assert!(talk.pending_input().is_empty(), "the line is not whole");
    talk.stdout(b"\n");
    assert_eq!(talk.uid(), Some(1000));
    let sent = String::from_utf8(talk.pending_input().to_vec()).unwrap();
    assert!(sent.contains("echo hello") && talk.input_complete());
    talk.sent(sent.len());
    assert!(talk.pending_input().is_empty());
}

#[test]
fn the_password_goes_out_once_and_only_when_asked_for() {
    let mut talk = talk(true, secret());
    talk.stderr(b"We trust you have received the usual lecture\n");
    assert!(talk.pending_input().is_empty());
    let prompt = talk.nonces.prompt();
    let (first, rest) = prompt.split_at(7);
    talk.stderr(first.as_bytes());
    assert!(talk.pending_input().is_empty());
    talk.stderr(rest.as_bytes());
    assert_eq!(talk.pending_input(), b"pass word\n");
    talk.sent(10);
    talk.waited();
    assert!(talk.pending_input().is_empty());
    talk.stderr(format!("Sorry, try again.\n{prompt}").as_bytes());
    assert_eq!(talk.phase(), &Phase::Refused(Refusal::AskedAgain));
    assert!(talk.pending_input().is_empty() && talk.input_complete());
    // A reader that came after all gets nothing more.
    let ready = talk.nonces.ready();
    talk.stdout(format!("{ready}0\n").as_bytes());
    assert!(talk.pending_input().is_empty());
}

#[test]
fn without_a_question_there_is_no_password_on_the_line() {
    let mut talk = talk(true, secret());
    let ready = talk.nonces.ready();
    talk.stdout(format!("{ready}0\n").as_bytes());
    assert_eq!(talk.phase(), &Phase::Running);
    talk.waited();
    assert!(!String::from_utf8_lossy(talk.pending_input()).contains("pass word") && !talk.password_sent());
}

#[test]
fn a_question_in_other_words_or_late_gets_the_password_once() {
    let mut talk = talk(true, secret());
    talk.stderr(b"Verification code: ");
    talk.waited();
    assert_eq!(talk.pending_input(), b"pass word\n");
    talk.sent(10);
    let prompt = talk.nonces.prompt();
    talk.stderr(prompt.as_bytes());
    assert_eq!(talk.phase(), &Phase::Waiting, "a slow sudo only now reads what was sent");
    assert!(talk.pending_input().is_empty());
    talk.stderr(prompt.as_bytes());
    assert_eq!(talk.phase(), &Phase::Refused(Refusal::AskedAgain));
    assert!(talk.pending_input().is_empty());
}

#[test]
fn another_uid_than_root_is_refused_where_root_was_wanted() {
    for uid in ["1000", "", "99999999999"] {
        let mut talk = talk(true, None);
        let ready = talk.nonces.ready();
        talk.stdout(format!("{ready}{uid}\n").as_bytes());
        let refused = talk.phase() == &Phase::Refused(Refusal::NotRoot);
        // Eleven digits are no uid and no line of the reader's.
        assert!(refused || uid.len() > 10 && talk.phase() == &Phase::Waiting, "{uid}");
        assert!(talk.pending_input().is_empty());
    }
}

#[test]
fn noise_is_bounded() {
    let mut talk = talk(false, None);
    for _ in 0..1000 {
        talk.stdout(&[b'x'; 1000]);
        talk.stderr(&[b'y'; 1000]);
    }
    let (out, err) = talk.noise();
    assert!(out.len() < 2 * NOISE && err.len() < 2 * NOISE);
}
