use super::*;
use proptest::prelude::*;
use std::process::{Child, Command, Stdio};

fn keygen(path: &Path, options: &[&str]) {
    let made =
        Command::new("ssh-keygen").args(["-q", "-C", "lab"]).args(options).arg("-f").arg(path).output();
    let made = made.expect("ssh-keygen is needed for this test");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn load(path: &Path, passphrase: Option<&str>) -> Result<Keys, TransportError> {
    let mut asked = 0;
    let keys = Keys::load(false, false, &[path.to_owned(), path.to_owned()], &mut |_| {
        asked += 1;
        passphrase.map(|text| Secret::new("passphrase", text.to_owned()))
    });
    assert!(asked <= 1, "asked {asked} times");
    keys
}

#[test]
fn every_usual_kind_is_read_and_decoded() {
    let dir = tempfile::tempdir().unwrap();
    let kinds: [&[&str]; 5] = [
        &["-t", "ed25519", "-N", ""],
        &["-t", "rsa", "-b", "2048", "-N", ""],
        &["-t", "ecdsa", "-N", ""],
        &["-t", "rsa", "-b", "2048", "-N", "", "-m", "PEM"],
        &["-t", "ecdsa", "-N", "", "-m", "PKCS8"],
    ];
    for (n, kind) in kinds.iter().enumerate() {
        let path = dir.path().join(format!("k{n}"));
        keygen(&path, kind);
        let keys = load(&path, None).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        let beside = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        assert_eq!(keys.files[0].public.as_deref(), Some(beside.trim()));
        // Without the `.pub`, OpenSSH's own form still has the public key.
        std::fs::remove_file(path.with_extension("pub")).unwrap();
        let keys = load(&path, None).unwrap();
        if n < 3 {
            assert_eq!(
                keys.files[0].blob().unwrap(),
                STANDARD.decode(beside.split(' ').nth(1).unwrap()).unwrap()
            );
        }
    }
}

#[test]
fn an_encrypted_key_wants_the_right_passphrase() {
    let dir = tempfile::tempdir().unwrap();
    for (name, options) in [
        ("new", ["-t", "ed25519", "-N", "correct horse"].as_slice()),
        ("pem", &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "correct horse"]),
        ("pkcs8", &["-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", "correct horse"]),
    ] {
        let path = dir.path().join(name);
        keygen(&path, options);
        load(&path, Some("correct horse")).unwrap_or_else(|error| panic!("{name}: {error}"));
        let error = load(&path, Some("wrong")).unwrap_err();
        assert!(error.message.contains("passphrase is wrong"), "{name}: {error}");
        let error = load(&path, None).unwrap_err();
        assert!(error.message.contains("no passphrase was given"), "{name}: {error}");
        assert!(error.message.contains(name), "{error}");
    }
}

#[test]
fn what_is_no_usable_key_is_refused_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k");
    let good = dir.path().join("good");
    keygen(&good, &["-t", "ed25519", "-N", ""]);
    let text = std::fs::read_to_string(&good).unwrap();
    let public = std::fs::read_to_string(good.with_extension("pub")).unwrap();
    let damaged = text.replace("b3BlbnNzaC1rZXktdjEA", "b3BlbnNzaC1rZXktdjEB");
    let cut = text.lines().take(2).collect::<Vec<_>>().join("\n");
    for (content, expected) in [
        (public.as_str(), "public key"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\n", "puttygen"),
        ("-----BEGIN DSA PRIVATE KEY-----\n", "DSA"),
        ("hello\n", "known form"),
        ("", "known form"),
        (damaged.as_str(), "damaged"),
        (cut.as_str(), "d"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "decoded"),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = load(&path, None).unwrap_err();
        assert!(error.message.contains(expected), "{content:?}: {error}");
        assert_eq!(error.kind, TransportErrorKind::Local);
    }
    let error = load(Path::new("/nonexistent/key"), None).unwrap_err();
    assert!(error.message.contains("/nonexistent/key"), "{error}");
    let error = load(Path::new("/dev/zero"), None).unwrap_err();
    assert!(error.message.contains("too large"), "{error}");
}

#[test]
fn a_hosts_own_key_comes_first_and_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let (named, own) = (dir.path().join("named"), dir.path().join("own"));
    keygen(&named, &["-t", "ed25519", "-N", ""]);
    keygen(&own, &["-t", "ed25519", "-N", ""]);
    let keys = load(&named, None).unwrap();
    let own_text = own.to_str().unwrap().to_owned();
    let words: Vec<String> = keys.offers(Some(&own_text)).unwrap().iter().map(Offer::words).collect();
    assert_eq!(words, [format!("key `{}`", own.display()), format!("key `{}`", named.display())]);
    std::fs::remove_file(&own).unwrap();
    assert_eq!(keys.offers(Some(&own_text)).unwrap().len(), 2);
    let error = keys.offers(Some("/nonexistent/own")).unwrap_err();
    assert!(error.contains("/nonexistent/own"), "{error}");
    assert_eq!(keys.offers(Some(named.to_str().unwrap())).unwrap().len(), 1);
}

struct TestAgent {
    child: Child,
    socket: PathBuf,
}

impl TestAgent {
    fn start(dir: &Path) -> Self {
        let socket = dir.join("agent");
        let child =
            Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        while !socket.exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { child, socket }
    }

    fn add(&self, key: &Path) {
        let added =
            Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).output().unwrap();
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    }
}

impl Drop for TestAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_agent_lists_its_identities_and_a_key_it_holds_goes_through_it() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    keygen(&one, &["-t", "ed25519", "-N", ""]);
    keygen(&two, &["-t", "rsa", "-b", "2048", "-N", ""]);
    let agent = TestAgent::start(dir.path());
    agent.add(&one);
    agent.add(&two);
    let identities = list_identities(&agent.socket).unwrap();
    assert_eq!(identities.len(), 2);
    assert_eq!(key_type(&identities[0].blob), "ssh-ed25519");
    let mut keys = load(&two, None).unwrap();
    keys.agent = identities;
    let words: Vec<String> = keys.offers(None).unwrap().iter().map(Offer::words).collect();
    assert_eq!(words, ["agent key `lab` (ssh-rsa)", "agent key `lab` (ssh-ed25519)"]);
    // Encrypted, but held by the agent: nobody is asked.
    Command::new("ssh-keygen").args(["-q", "-p", "-N", "secret", "-f"]).arg(&one).output().unwrap();
    let key = keys.read(&one, &mut |_| panic!("asked for a passphrase")).unwrap();
    assert!(matches!(keys.through_agent(Offer::File(Arc::new(key))), Offer::Agent(_)));
}

#[test]
fn an_agent_that_says_nothing_costs_its_time_once() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("agent");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let started = std::time::Instant::now();
    list_identities(&socket).unwrap_err();
    assert!(started.elapsed() < AGENT_TIME + Duration::from_secs(2));
}

proptest! {
    #[test]
    fn no_bytes_break_the_parsers(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_identities(&bytes);
        let mut answer = vec![12, 0, 0, 0, 200];
        answer.extend(&bytes);
        let _ = parse_identities(&answer);
        let text = format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n",
            STANDARD.encode([b"openssh-key-v1\0".as_slice(), &bytes].concat())
        );
        let _ = Form::of(&text);
        let _ = Form::of(&String::from_utf8_lossy(&bytes));
    }
}
