use super::*;
use proptest::prelude::*;

/// A key blob of this type.
fn key(kind: &str, n: u8) -> Vec<u8> {
    let mut blob = u32::try_from(kind.len()).unwrap().to_be_bytes().to_vec();
    blob.extend(kind.bytes());
    blob.extend([0, 0, 0, 4, n, n, n, n]);
    blob
}

fn ed25519(n: u8) -> Vec<u8> {
    key("ssh-ed25519", n)
}

fn line(names: &str, key: &[u8]) -> String {
    format!("{names} {} {} a comment\n", key_type(key), STANDARD.encode(key))
}

fn hashed(name: &str, salt: &[u8]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).unwrap();
    mac.update(name.as_bytes());
    format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(mac.finalize().into_bytes()))
}

fn unknown() -> Verdict {
    Verdict::Unknown { only_authority: false }
}

#[test]
fn plain_names_ports_and_case() {
    let text = line("Web.Example,10.0.0.1", &ed25519(1)) + &line("[web.example]:2222", &ed25519(2));
    let known = KnownHosts::parse("kh", &text);
    assert!(known.problems().is_empty());
    assert_eq!(known.check("WEB.example", 22, &ed25519(1)), Verdict::Known);
    assert_eq!(known.check("10.0.0.1", 22, &ed25519(1)), Verdict::Known);
    assert_eq!(known.check("web.example", 2222, &ed25519(2)), Verdict::Known);
    assert!(matches!(known.check("web.example", 22, &ed25519(2)), Verdict::Changed { .. }));
    assert_eq!(known.check("10.0.0.2", 22, &ed25519(1)), unknown());
    // The line without a port vouches, but does not forbid.
    assert_eq!(known.check("10.0.0.1", 2022, &ed25519(1)), Verdict::Known);
    assert_eq!(known.check("10.0.0.1", 2022, &ed25519(9)), unknown());
    assert_eq!(known.check("[::1]", 22, &ed25519(9)), unknown());
}

#[test]
fn ipv6_literals_with_and_without_brackets() {
    let known = KnownHosts::parse("kh", &(line("fe80::1", &ed25519(1)) + &line("[fe80::2]:24", &ed25519(2))));
    for host in ["fe80::1", "[fe80::1]"] {
        assert_eq!(known.check(host, 22, &ed25519(1)), Verdict::Known);
    }
    assert_eq!(known.check("fe80::2", 24, &ed25519(2)), Verdict::Known);
}

#[test]
fn hashed_names_as_ssh_keygen_writes_them() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("kh");
    std::fs::write(&file, line("db.example", &ed25519(1)) + &line("[db.example]:2222", &ed25519(2))).unwrap();
    let made = std::process::Command::new("ssh-keygen").arg("-H").arg("-f").arg(&file).output();
    let text = match made {
        Ok(output) if output.status.success() => std::fs::read_to_string(&file).unwrap(),
        // Without OpenSSH: the same, by the documented algorithm.
        _ => {
            line(&hashed("db.example", b"salt"), &ed25519(1))
                + &line(&hashed("[db.example]:2222", b"s"), &ed25519(2))
        }
    };
    assert!(text.contains("|1|") && !text.contains("db.example"));
    let known = KnownHosts::parse("kh", &text);
    assert_eq!(known.check("DB.example", 22, &ed25519(1)), Verdict::Known);
    assert_eq!(known.check("db.example", 2222, &ed25519(2)), Verdict::Known);
    assert!(matches!(known.check("db.example", 22, &ed25519(3)), Verdict::Changed { .. }));
    assert_eq!(known.check("db2.example", 22, &ed25519(1)), unknown());
}

#[test]
fn wildcards_and_negations() {
    let known = KnownHosts::parse("kh", &line("*.lab.example,!db.lab.example,10.?.0.1", &ed25519(1)));
    assert_eq!(known.check("web.lab.example", 22, &ed25519(1)), Verdict::Known);
    assert_eq!(known.check("db.lab.example", 22, &ed25519(1)), unknown());
    assert_eq!(known.check("10.7.0.1", 22, &ed25519(1)), Verdict::Known);
    assert_eq!(known.check("10.77.0.1", 22, &ed25519(1)), unknown());
    let only_negated = KnownHosts::parse("kh", &line("!a", &ed25519(1)));
    assert_eq!(only_negated.check("b", 22, &ed25519(1)), unknown());
}

#[test]
fn several_types_of_one_host_and_which_is_asked_for() {
    let rsa = key("ssh-rsa", 5);
    let known = KnownHosts::parse("kh", &(line("h", &rsa) + &line("h", &ed25519(1))));
    assert_eq!(known.key_types("h", 22), ["ssh-rsa", "ssh-ed25519"]);
    assert_eq!(known.check("h", 22, &rsa), Verdict::Known);
    assert_eq!(known.check("h", 22, &ed25519(1)), Verdict::Known);
    let Verdict::Changed { known: lines } = known.check("h", 22, &key("ecdsa-sha2-nistp256", 1)) else {
        panic!("a type that is not known is not a new host");
    };
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("ssh-rsa SHA256:") && lines[0].ends_with("(kh:1)"), "{lines:?}");
}

#[test]
fn revoked_wins_and_an_authority_is_no_key() {
    let text = line("h", &ed25519(1))
        + "@revoked "
        + &line("*", &ed25519(1))
        + "@cert-authority "
        + &line("c", &ed25519(2));
    let known = KnownHosts::parse("kh", &text);
    assert_eq!(known.check("h", 22, &ed25519(1)), Verdict::Revoked { place: "kh:2".to_owned() });
    assert_eq!(known.check("c", 22, &ed25519(2)), Verdict::Unknown { only_authority: true });
    assert!(known.key_types("c", 22).is_empty());
}

#[test]
fn bad_lines_are_reported_and_the_others_used() {
    let good = line("h", &ed25519(1));
    let bad = "lonely\nh ssh-ed25519\nh ssh-ed25519 %%%\n@what h x y\n@revoked\n|2|a|b ssh-rsa AAAA\n";
    let mixed = format!("h ssh-rsa {}\n", STANDARD.encode(ed25519(1)));
    let known = KnownHosts::parse("kh", &format!("# comment\n\n{bad}{mixed}{good}"));
    assert_eq!(known.problems().len(), 7, "{:?}", known.problems());
    assert_eq!(known.problems()[0].place.as_ref().unwrap().to_string(), "kh:3:1");
    assert!(known.problems().iter().all(|problem| problem.help.is_some()));
    assert_eq!(known.check("h", 22, &ed25519(1)), Verdict::Known);
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let error = KnownHosts::read(&[PathBuf::from("/nonexistent/kh")]).unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::Local);
    assert!(error.message.contains("/nonexistent/kh"));
}

#[test]
fn learning_appends_whole_lines_and_only_for_unknown_hosts() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("new/kh");
    let known = KnownHosts::parse("kh", &line("old", &ed25519(1))).accept_new(file.clone());
    assert!(matches!(known.check_or_learn("old", 22, &ed25519(2)).unwrap(), Verdict::Changed { .. }));
    assert!(!file.exists());
    assert_eq!(known.check_or_learn("new", 2222, &ed25519(2)).unwrap(), Verdict::Known);
    assert_eq!(known.check_or_learn("new", 2222, &ed25519(2)).unwrap(), Verdict::Known);
    assert!(matches!(known.check_or_learn("new", 2222, &ed25519(3)).unwrap(), Verdict::Changed { .. }));
    assert_eq!(known.key_types("new", 2222), ["ssh-ed25519"]);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, format!("[new]:2222 ssh-ed25519 {}\n", STANDARD.encode(ed25519(2))));
    // Another process was quicker, and left its last line without a break.
    std::fs::write(&file, format!("{text}{}", line("third", &ed25519(7)).trim_end())).unwrap();
    assert!(matches!(known.check_or_learn("third", 22, &ed25519(8)).unwrap(), Verdict::Changed { .. }));
    assert_eq!(known.check_or_learn("third", 22, &ed25519(7)).unwrap(), Verdict::Known);
    assert_eq!(known.check_or_learn("fourth", 22, &ed25519(4)).unwrap(), Verdict::Known);
    let reread = KnownHosts::read(&[file]).unwrap();
    assert!(reread.problems().is_empty());
    assert_eq!(reread.check("fourth", 22, &ed25519(4)), Verdict::Known);
    assert_eq!(reread.check("third", 22, &ed25519(7)), Verdict::Known);
}

#[test]
fn many_threads_learn_many_hosts_once_each() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("kh");
    let known = KnownHosts::default().accept_new(file.clone());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for n in 0..50 {
                    let verdict = known.check_or_learn(&format!("h{n}"), 22, &ed25519(n)).unwrap();
                    assert_eq!(verdict, Verdict::Known);
                }
            });
        }
    });
    let reread = KnownHosts::read(std::slice::from_ref(&file)).unwrap();
    assert!(reread.problems().is_empty());
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 50);
}

#[test]
fn a_known_hosts_of_ten_thousand_lines_is_looked_up_quickly() {
    let mut text = String::new();
    for n in 0..10_000 {
        text.push_str(&line(&format!("h{n}.example"), &ed25519(1)));
    }
    let known = KnownHosts::parse("kh", &text);
    let started = std::time::Instant::now();
    for n in 0..10_000 {
        assert_eq!(known.check(&format!("h{n}.example"), 22, &ed25519(1)), Verdict::Known);
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
}

#[test]
fn wildcard_matching() {
    for (pattern, name, expected) in [
        ("*", "", true),
        ("a*", "abc", true),
        ("a*c", "abcbc", true),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("*a*b", "xxaxxb", true),
        ("*a*b", "xxaxxbx", false),
        ("", "a", false),
    ] {
        assert_eq!(wildcard(pattern, name), expected, "{pattern} {name}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_parser(text in ".{0,300}", name in ".{0,20}") {
        let known = KnownHosts::parse("kh", &text);
        let _ = known.check(&name, 22, &ed25519(1));
        let _ = key_type(text.as_bytes());
    }
}
