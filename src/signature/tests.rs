use super::*;
use crate::model::Diagnostics;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{HashAlg, LineEnding, PrivateKey};

const PURPOSE: Purpose = Purpose { namespace: "uproot-plan", thing: "plan" };
const NAMESPACE: &str = PURPOSE.namespace;

const PLAN: &[u8] = b"{\"uproot_plan\": 1}\n";

/// A key that is the same in every run.
fn key(seed: u8) -> PrivateKey {
    PrivateKey::new(KeypairData::from(Ed25519Keypair::from_seed(&[seed; 32])), "").unwrap()
}

fn public(seed: u8) -> String {
    key(seed).public_key().to_openssh().unwrap()
}

fn armored(seed: u8, namespace: &str, bytes: &[u8]) -> String {
    key(seed).sign(namespace, HashAlg::Sha512, bytes).unwrap().to_pem(LineEnding::LF).unwrap()
}

fn signature(seed: u8) -> SshSignature {
    SshSignature::parse(armored(seed, NAMESPACE, PLAN).as_bytes()).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn signers(text: &str) -> AllowedSigners {
    try_signers(text).unwrap_or_else(|error| panic!("{error}"))
}

fn try_signers(text: &str) -> Result<AllowedSigners, Diagnostics> {
    AllowedSigners::parse("signers", text, &TimeZone::get("America/New_York").unwrap())
}

/// The principal of the key of seed 1 at this moment, or why it may not sign.
fn standing(text: &str, moment: &str) -> Result<String, String> {
    match signers(text).standing(&signature(1), PURPOSE, at(moment)) {
        Standing::Allowed(principal) => Ok(principal),
        Standing::Refused(reason) => Err(reason),
    }
}

const NOW: &str = "2026-11-25T12:00:00Z";

#[test]
fn a_line_has_principals_options_key_and_comment() {
    let key = public(1);
    for (line, principal) in [
        (format!("alice {key}"), "alice"),
        (format!("alice@example.com {key} the comment, \"quoted\""), "alice@example.com"),
        (format!("  \t alice \t {key}\t x  \r"), "alice"),
        (format!("alice,bob {key}"), "alice,bob"),
        (format!("\"alice smith\" {key}"), "alice smith"),
        (format!("*@example.com,!eve@example.com {key}"), "*@example.com,!eve@example.com"),
        (format!("alice namespaces=\"uproot-plan\" {key}"), "alice"),
        (format!("alice NameSpaces=\"git,uproot-*\",valid-after=\"20260101Z\" {key}"), "alice"),
        (format!("alice namespaces=\"a b,uproot-plan\" {key}"), "alice"),
        (format!("alice valid-after=\"20261125\",valid-before=\"202611252359Z\" {key}"), "alice"),
        (format!("# comment\n\n   # another\n\u{20}\nalice {key}\n"), "alice"),
        (format!("\u{feff}alice {key}\r\n# end\r\n"), "alice"),
        (format!("alice {key}\nalice {key}\nbob {key}"), "alice,bob"),
        (format!("alice valid-before=\"20200101\" {key}\nbob {key}"), "bob"),
    ] {
        assert_eq!(standing(&line, NOW), Ok(principal.to_owned()), "{line}");
    }
}

#[test]
fn options_that_do_not_hold_refuse_the_key() {
    let key = public(1);
    for (line, reason) in [
        (format!("alice {}", public(2)), "which is not in signers"),
        (
            format!("alice namespaces=\"git\" {key}"),
            "may sign for `git`, and `uproot-plan` is not among them",
        ),
        (format!("alice namespaces=\"*,!uproot-plan\" {key}"), "may sign for `*,!uproot-plan`"),
        (format!("alice namespaces=\"\" {key}"), "may sign for ``"),
        (format!("alice valid-before=\"20261125Z\" {key}"), "was valid until 20261125Z (signers, line 1)"),
        (format!("\nalice valid-after=\"20261126Z\" {key}"), "valid only from 20261126Z (signers, line 2)"),
    ] {
        let said = standing(&line, NOW).unwrap_err();
        assert!(said.contains(reason) && said.contains("SHA256:"), "{line}: {said}");
    }
}

#[test]
fn times_are_of_the_zone_of_the_machine_unless_they_end_in_z() {
    let key = public(1);
    for (option, moment, valid) in [
        // New York is five hours behind.
        ("valid-after=\"202611251200\"", "2026-11-25T16:59:59Z", false),
        ("valid-after=\"202611251200\"", "2026-11-25T17:00:00Z", true),
        ("valid-after=\"20261125120001Z\"", "2026-11-25T12:00:00Z", false),
        ("valid-after=\"20261125120001z\"", "2026-11-25T12:00:01Z", true),
        ("valid-after=\"202611251200UTC\"", "2026-11-25T12:00:00Z", true),
        ("valid-after=\"20261125\"", "2026-11-25T04:59:59Z", false),
        ("valid-after=\"20261125\"", "2026-11-25T05:00:00Z", true),
        ("valid-before=\"20261125120000\"", "2026-11-25T17:00:00Z", true),
        ("valid-before=\"20261125120000\"", "2026-11-25T17:00:01Z", false),
        // In summer four.
        ("valid-before=\"202607011200\"", "2026-07-01T16:00:00Z", true),
        ("valid-before=\"202607011200\"", "2026-07-01T16:00:01Z", false),
    ] {
        let found = standing(&format!("alice {option} {key}"), moment);
        assert_eq!(found.is_ok(), valid, "{option} at {moment}: {found:?}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let key = public(1);
    let (kind, encoded) = key.split_once(' ').unwrap();
    for (line, column, part) in [
        ("alice".to_owned(), 6, "the key is missing"),
        (format!("  {key}"), 3, "does not say whose it is"),
        (format!("\"alice {key}"), 1, "this quote has no end"),
        (format!("ali\"ce {key}"), 1, "a quote stands within"),
        (format!("\"alice\"bob {key}"), 1, "a quote stands within"),
        (format!("!alice {key}"), 1, "name nobody"),
        (format!(", {key}"), 1, "name nobody"),
        (format!("{} {key}", "a".repeat(1024)), 1, "at most 1023"),
        (format!("alice {kind} {}", &encoded[4..]), 7, "the key is damaged"),
        (format!("alice {kind} {}", &encoded[..40]), 7, "the key is damaged"),
        (format!("alice {kind}"), 7, "the key is damaged"),
        (format!("alice ssh-rsa {encoded}"), 7, "the key is damaged"),
        (format!("alice ssh-ed25519-cert-v01@openssh.com {encoded}"), 7, "certificates are not read"),
        (format!("alice cert-authority {key}"), 7, "`cert-authority` is not obeyed"),
        (
            format!("alice namespaces=\"uproot-plan\",cert-authority {key}"),
            32,
            "`cert-authority` is not obeyed",
        ),
        (format!("alice bob {key}"), 7, "`bob` is neither a key nor an option"),
        (format!("alice, bob {key}"), 8, "`bob` is neither"),
        (format!("älice no-touch-required {key}"), 7, "`no-touch-required` is neither"),
        (format!("alice namespaces=\"a\", {key}"), 22, "`` is neither"),
        (format!("alice namespaces=git {key}"), 7, "no value in quotes"),
        (format!("alice namespaces {key}"), 7, "no value in quotes"),
        (format!("alice namespaces=\"git {key}"), 7, "a quote of the options has no end"),
        (format!("alice namespaces=\"a\",namespaces=\"b\" {key}"), 22, "`namespaces` is given twice"),
        (format!("alice valid-after=\"2026\" {key}"), 7, "`2026` is not a time"),
        (format!("alice valid-after=\"20261301\" {key}"), 7, "`20261301` is not a time"),
        (format!("alice valid-after=\"20260230\" {key}"), 7, "`20260230` is not a time"),
        (format!("alice valid-after=\"2026-01-01\" {key}"), 7, "is not a time"),
        (format!("alice valid-before=\"202601012400\" {key}"), 7, "is not a time"),
        (
            format!("alice valid-after=\"20260102\",valid-before=\"20260101\" {key}"),
            7,
            "ends before it begins",
        ),
    ] {
        let error = try_signers(&format!("# first\n{line}\r\n")).expect_err(&line);
        let [found] = error.list.as_slice() else { panic!("{line}: {error}") };
        let place = found.place.as_ref().unwrap();
        assert!(found.message.contains(part), "{line}: {error}");
        assert_eq!((place.line, place.column), (2, column), "{error}");
        assert!(found.help.is_some(), "{error}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let error = try_signers(&format!("alice\nbob {}\ncarol\n", public(1))).unwrap_err();
    let lines: Vec<u32> = error.list.iter().map(|found| found.place.as_ref().unwrap().line).collect();
    assert_eq!(lines, [1, 3]);
}

/// A plan in a directory of its own, with signatures beside it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::write(place.plan(), PLAN).unwrap();
        place
    }

    fn plan(&self) -> PathBuf {
        self.0.path().join("plan.json")
    }

    fn with(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.0.path().join(name), text).unwrap();
        self
    }

    fn signed(self, seeds: &[u8]) -> Self {
        let each = |place: Self, seed: &u8| {
            place.with(&format!("plan.json.{seed}.sig"), armored(*seed, NAMESPACE, PLAN))
        };
        seeds.iter().fold(self, each)
    }

    fn check(&self, signers_text: &str) -> Signatures {
        check(&self.plan(), PLAN, PURPOSE, Some(&signers(signers_text)), at(NOW)).unwrap()
    }
}

#[test]
fn persons_are_counted_not_keys() {
    let (a, b, c) = (public(1), public(2), public(3));
    for (text, seeds, persons) in [
        (format!("alice {a}\nbob {b}\ncarol {c}"), &[1, 2, 3][..], 3),
        // Two keys of one person.
        (format!("alice {a}\nalice {b}"), &[1, 2], 1),
        (format!("alice {a}\nAlice {b}"), &[1, 2], 1),
        // One key of two persons.
        (format!("alice {a}\nbob {a}"), &[1], 1),
        (format!("alice,bob {a}"), &[1], 1),
        // A key that two share is one of them; who has an own key besides is another.
        (format!("alice,bob {a}\nbob {b}"), &[1, 2], 1),
        (format!("alice,bob {a}\nalice {b}\nbob {c}"), &[1, 2, 3], 2),
        (format!("alice {a}\nbob {a}\nalice {b}\nbob {c}"), &[1, 2, 3], 2),
        // A pattern may be anyone whom it matches.
        (format!("*@x {a}\nbob@x {b}"), &[1, 2], 1),
        (format!("*@x {a}\nbob@y {b}"), &[1, 2], 2),
        (format!("*@x,!bob@x {a}\nbob@x {b}"), &[1, 2], 1),
        // What another line with the key says of whom it is counts, though it permits nothing.
        (format!("alice {a}\nbob namespaces=\"git\" {a}\nbob {b}"), &[1, 2], 1),
        (String::new(), &[1, 2], 0),
        (format!("alice {a}"), &[], 0),
    ] {
        let found = Place::new().signed(seeds).check(&text);
        assert_eq!(found.persons, persons, "{text}: {found:#?}");
    }
}

#[test]
fn every_signature_beside_the_plan_is_told_of() {
    let other = armored(1, NAMESPACE, b"another plan\n");
    let place = Place::new()
        .signed(&[1])
        .with("plan.json.sig", armored(2, NAMESPACE, PLAN))
        .with("plan.json.again.sig", armored(1, NAMESPACE, PLAN))
        .with("plan.json.git.sig", armored(2, "git", PLAN))
        .with("plan.json.other.sig", other)
        .with("plan.json.text.sig", "hello")
        .with("plan.json.bytes.sig", [0xff, 0xfe])
        .with("plan.json.stranger.sig", armored(9, NAMESPACE, PLAN))
        .with("plan.json.huge.sig", vec![b'a'; 70_000])
        // None of these is beside it.
        .with("plan.jsonx.sig", armored(3, NAMESPACE, PLAN))
        .with("plan.json.sig.old", armored(3, NAMESPACE, PLAN))
        .with("plan.sig", armored(3, NAMESPACE, PLAN));
    std::fs::create_dir(place.0.path().join("plan.json.dir.sig")).unwrap();
    let found = place.check(&format!("alice {}\nbob {}\ncarol {}", public(1), public(2), public(3)));
    let name = |file: &Path| file.file_name().unwrap().to_str().unwrap().to_owned();
    let valid: Vec<_> = found.valid.iter().map(|one| (name(&one.file), one.principal.as_str())).collect();
    assert_eq!(valid, [("plan.json.1.sig".to_owned(), "alice"), ("plan.json.sig".to_owned(), "bob")]);
    assert_eq!(found.persons, 2);
    let reasons: Vec<_> = found.refused.iter().map(|one| (name(&one.file), one.reason.as_str())).collect();
    for (file, part) in [
        ("plan.json.again.sig", "signed in another file"),
        ("plan.json.git.sig", "a signature for `git`"),
        ("plan.json.other.sig", "does not fit the plan"),
        ("plan.json.text.sig", "not an SSH signature"),
        ("plan.json.bytes.sig", "not an SSH signature"),
        ("plan.json.stranger.sig", "not in signers"),
        ("plan.json.huge.sig", "too large"),
        ("plan.json.dir.sig", "not a file"),
    ] {
        assert!(
            reasons.iter().any(|(name, reason)| name == file && reason.contains(part)),
            "{file}: {reasons:#?}"
        );
    }
    assert_eq!(reasons.len(), 8, "{reasons:#?}");
}

#[test]
fn a_pipe_beside_the_plan_is_not_waited_for() {
    let place = Place::new();
    let status = std::process::Command::new("mkfifo").arg(place.0.path().join("plan.json.sig")).status();
    assert!(status.unwrap().success());
    assert_eq!(place.check("").refused[0].reason, "it is not a file");
}

#[test]
fn too_many_signatures_are_not_looked_at() {
    let place = (0..=MOST_SIGNATURES)
        .fold(Place::new(), |place, number| place.with(&format!("plan.json.{number}.sig"), ""));
    let error = check(&place.plan(), PLAN, PURPOSE, Some(&AllowedSigners::default()), at(NOW)).unwrap_err();
    assert!(matches!(error, SignatureError::TooMany { .. }), "{error}");
}

#[test]
fn accepted_signatures_are_kept_beside_another_copy_of_the_plan() {
    let text = format!("alice {}\nbob {}", public(1), public(2));
    let found = Place::new().signed(&[1, 2]).check(&text);
    let run = Place::new();
    keep(&found.valid, &run.plan()).unwrap();
    // Once more, as a resumed run would: nothing changes.
    keep(&found.valid, &run.plan()).unwrap();
    let again = run.check(&text);
    assert_eq!((again.persons, again.valid.len(), again.refused.len()), (2, 2, 0));
}

#[test]
fn a_signature_is_saved_where_no_other_is() {
    let place = Place::new();
    let names = || {
        let mut names: Vec<String> = std::fs::read_dir(place.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let save = |seed: u8| save(&signature(seed), &place.plan(), PLAN, PURPOSE);
    let first = place.0.path().join("plan.json.sig");
    assert_eq!(save(1).unwrap(), Saved::Written(first.clone()));
    assert_eq!(save(1).unwrap(), Saved::AlreadyThere(first.clone()));
    let second = signature_file(&place.plan(), Some(&signature(2).fingerprint()));
    assert_eq!(save(2).unwrap(), Saved::Written(second.clone()));
    assert_eq!(save(2).unwrap(), Saved::AlreadyThere(second.clone()));
    assert_eq!(names().len(), 3, "{:?}", names());
    assert_eq!(std::fs::read_to_string(&first).unwrap(), signature(1).armored());

    // Signatures of an earlier plan stay where they are.
    let stale = armored(2, NAMESPACE, b"earlier");
    std::fs::write(&second, &stale).unwrap();
    assert!(matches!(save(2), Err(SignatureError::Stale { file, .. }) if file == second));
    assert_eq!(std::fs::read_to_string(&second).unwrap(), stale);
    std::fs::remove_file(&second).unwrap();
    std::os::unix::fs::symlink("nowhere", &second).unwrap();
    assert!(matches!(save(2), Err(SignatureError::Stale { .. })));
    assert!(names().iter().all(|name| !name.starts_with(".uproot")), "{:?}", names());
}

#[test]
fn the_armor_may_be_laid_out_otherwise() {
    let text = armored(1, NAMESPACE, PLAN);
    let inner: String = text.lines().filter(|line| !line.starts_with("--")).collect();
    let begin = "-----BEGIN SSH SIGNATURE-----";
    let end = "-----END SSH SIGNATURE-----";
    for other in [
        text.replace('\n', "\r\n"),
        format!("\n \n{text}\n\n"),
        text.trim_end().to_owned(),
        format!("{begin}\n{inner}\n{end}"),
        format!("{begin}\n{}\n{end}", inner.chars().map(|c| format!("{c}\n")).collect::<String>()),
    ] {
        let read = SshSignature::parse(other.as_bytes()).unwrap_or_else(|error| panic!("{other}: {error}"));
        assert_eq!(read.verify(PLAN, PURPOSE), Ok(()), "{other}");
        assert_eq!(read.armored(), text);
    }
    for bad in [
        format!("x{text}"),
        format!("{text}x"),
        format!("{text}{text}"),
        text.replace(end, ""),
        text.replacen('A', "*", 3),
        format!("{begin}\n{end}\n"),
        String::new(),
    ] {
        assert!(SshSignature::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn no_altered_byte_of_a_signature_passes() {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    let text = armored(1, NAMESPACE, PLAN);
    let inner: String = text.lines().filter(|line| !line.starts_with("--")).collect();
    let bytes = engine.decode(inner).unwrap();
    let parse = |bytes: &[u8]| {
        let armor =
            format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", engine.encode(bytes));
        SshSignature::parse(armor.as_bytes())
    };
    assert_eq!(parse(&bytes).unwrap().verify(PLAN, PURPOSE), Ok(()));
    let (allowed, now) = (signers(&format!("alice {}", public(1))), at(NOW));
    // Which bit of it changes from byte to byte; all would take long.
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1 << (at * 3 % 8);
        let counts = parse(&altered).is_ok_and(|signature| {
            signature.verify(PLAN, PURPOSE).is_ok()
                && matches!(allowed.standing(&signature, PURPOSE, now), Standing::Allowed(_))
        });
        assert!(!counts, "byte {at}");
    }
    for length in 0..bytes.len() {
        assert!(parse(&bytes[..length]).is_err(), "{length} bytes");
    }
    assert!(parse(&[&bytes[..], b"\0"].concat()).is_err());
}

#[test]
fn one_changed_byte_of_the_plan_is_noticed() {
    let signature = signature(1);
    assert_eq!(signature.verify(PLAN, PURPOSE), Ok(()));
    for at in 0..PLAN.len() {
        let mut altered = PLAN.to_vec();
        altered[at] ^= 1;
        assert!(signature.verify(&altered, PURPOSE).unwrap_err().contains("does not fit the plan"));
    }
    assert!(signature.verify(&[PLAN, b"\n"].concat(), PURPOSE).is_err());
    assert!(signature.verify(b"", PURPOSE).is_err());
}

proptest! {
    #[test]
    fn reading_signers_never_panics(text in "[ \t\r\n\"\\\\,=!*#a-z0-9ä\u{0}-]{0,80}") {
        let _ = try_signers(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn reading_what_is_almost_right_never_panics(cut in 0usize..200, with in "[ \t\"\\\\,=!*#é]{0,3}") {
        let line = format!("alice,\"b\" namespaces=\"uproot-plan\",valid-after=\"20260101Z\" {} x\n", public(1));
        let cut = cut.min(line.len());
        let text = format!("{}{with}{}", &line[..cut], &line[cut..]);
        let _ = try_signers(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn a_line_that_is_right_is_read_as_it_was_meant(
        principals in prop::collection::vec("[a-z@.*?]{1,8}", 1..4),
        namespaces in prop::option::of(prop::collection::vec("[a-z]{1,5}|uproot-plan", 1..4)),
        valid_after in prop::option::of("20(2[0-9]|3[0-9])(0[1-9]|1[0-2])(0[1-9]|1[0-9]|2[0-8])([01][0-9][0-5][0-9]){0,1}Z"),
        blanks in prop::collection::vec("[ \t]{1,3}", 4),
        comment in "[^\n\r]{0,20}",
        end in "\r?\n|",
    ) {
        let principals = principals.join(",");
        let mut options = Vec::new();
        if let Some(list) = &namespaces {
            options.push(format!("namespaces=\"{}\"", list.join(",")));
        }
        if let Some(time) = &valid_after {
            options.push(format!("valid-after=\"{time}\""));
        }
        let options = if options.is_empty() { String::new() } else { options.join(",") + &blanks[1] };
        let line = format!("{principals}{}{options}{}{}{comment}{end}", blanks[0], public(1), blanks[2]);
        let in_namespace = namespaces.is_none_or(|list| list.iter().any(|one| one == NAMESPACE));
        let in_time = valid_after.is_none_or(|time| {
            let padded = format!("{:0<14}", time.trim_end_matches('Z'));
            padded.as_str() <= "20261125120000"
        });
        let found = standing(&line, NOW);
        prop_assert_eq!(found.clone().ok(), (in_namespace && in_time).then_some(principals), "{:?} {}", found, line);
    }

    #[test]
    fn reading_a_signature_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        use base64::Engine as _;
        let _ = SshSignature::parse(&bytes);
        let encoded = base64::engine::general_purpose::STANDARD.encode([b"SSHSIG\0\0\0\x01", &bytes[..]].concat());
        let armor = format!("-----BEGIN SSH SIGNATURE-----\n{encoded}\n-----END SSH SIGNATURE-----\n");
        if let Ok(signature) = SshSignature::parse(armor.as_bytes()) {
            prop_assert!(signature.verify(PLAN, PURPOSE).is_err());
        }
    }
}
