//! Approval of plans against the real `ssh-keygen`: it accepts what uproot signs, uproot accepts what it
//! signs, and both read `allowed_signers` alike.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use jiff::Timestamp;
use ssh_key::public::{KeyData, SkEd25519};
use ssh_key::sha2::{Digest, Sha256};
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, Signature, SshSig};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use uproot::plan::approval;
use uproot::signature::{self, AllowedSigners, SshSignature};

/// The kinds of keys that ssh-keygen makes without a device, with their sizes.
const KINDS: [(&str, &str); 7] = [
    ("ed25519", "256"),
    ("ecdsa", "256"),
    ("ecdsa", "384"),
    ("ecdsa", "521"),
    ("rsa", "2048"),
    ("rsa", "3072"),
    ("rsa", "4096"),
];

const PASSPHRASE: &str = "correct horse";

struct Place(tempfile::TempDir);

impl Place {
    /// A directory with a plan of one host, which nothing can reach.
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.uproot(&["plan", "-q", "-i", "127.0.0.1,", "-u", "nobody", "-p", "1"]).code(3);
        std::fs::remove_dir_all(place.path("state")).unwrap();
        std::fs::rename(place.path("uproot-plan.json"), place.path("plan.json")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("UPROOT_KEY_PASSPHRASE")
            .env("HOME", self.0.path())
            .env("XDG_STATE_HOME", self.path("state"))
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn uproot(&self, arguments: &[&str]) -> Said {
        self.uproot_with(arguments, &[])
    }

    fn uproot_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
        let mut command = self.command(env!("CARGO_BIN_EXE_uproot"), arguments);
        Said::of(arguments, &command.envs(environment.iter().copied()).output().unwrap())
    }

    /// Runs ssh-keygen with this on its standard input.
    fn keygen(&self, arguments: &[&str], input: &[u8]) -> Said {
        let mut child = self.command("ssh-keygen", arguments).stdin(Stdio::piped()).spawn().unwrap();
        // One that refuses at once reads nothing.
        let _ = child.stdin.take().unwrap().write_all(input);
        Said::of(arguments, &child.wait_with_output().unwrap())
    }

    fn new_key(&self, name: &str, kind: &str, bits: &str, passphrase: &str) {
        let path = self.path(name);
        let arguments =
            ["-q", "-t", kind, "-b", bits, "-N", passphrase, "-C", "a comment", "-f", path.to_str().unwrap()];
        self.keygen(&arguments, b"").code(0);
    }

    /// Makes an ed25519 key and lists it as this principal's, with these options.
    fn signer(&self, name: &str, principal: &str, options: &str) {
        self.new_key(name, "ed25519", "256", "");
        self.list(&format!("{principal} {options} {}", self.text(&format!("{name}.pub"))));
    }

    fn list(&self, line: &str) {
        let mut file = std::fs::File::options().append(true).create(true).open(self.path("signers")).unwrap();
        writeln!(file, "{}", line.trim_end()).unwrap();
    }

    /// Signs with the real thing.
    fn sign(&self, key: &str, namespace: &str, to: &str) {
        let signed = self.keygen(&["-Y", "sign", "-q", "-f", key, "-n", namespace], &self.read("plan.json"));
        self.write(to, signed.code(0).stdout);
    }

    /// Whether the real thing accepts the signature of plan.json as this principal's.
    fn keygen_accepts(&self, principal: &str, signature: &str) -> bool {
        let arguments =
            ["-Y", "verify", "-f", "signers", "-I", principal, "-n", "uproot-plan", "-s", signature];
        self.keygen(&arguments, &self.read("plan.json")).code == Some(0)
    }

    fn apply(&self, needed: &str) -> Said {
        self.uproot(&[
            "apply",
            "plan.json",
            "-q",
            "--require-approval",
            needed,
            "--allowed-signers",
            "signers",
        ])
    }

    /// The gate lets it through: a run is made, in which the host turns out to be unreachable.
    #[track_caller]
    fn passes(&self, needed: &str) {
        let said = self.apply(needed).code(3);
        assert!(said.stdout.contains("unreachable"), "{said}");
        assert!(self.path("state/uproot/runs").exists());
        std::fs::remove_dir_all(self.path("state")).unwrap();
    }

    /// The gate stops it with these words; nothing was begun.
    #[track_caller]
    fn stops(&self, needed: &str, words: &[&str]) {
        let said = self.apply(needed).code(4);
        for word in words {
            assert!(said.stderr.contains(word), "no `{word}`:\n{said}");
        }
        assert!(said.stderr.contains("help: "), "{said}");
        assert_eq!(said.stdout, "", "{said}");
        assert!(!self.path("state").exists(), "a run was begun");
    }

    fn signatures(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".sig"))
            .collect();
        names.sort();
        names
    }
}

struct Said {
    command: String,
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Said {
    fn of(arguments: &[&str], output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            command: arguments.join(" "),
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    #[track_caller]
    fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "$ {}\ncode {:?}\n{}\n--- stderr\n{}", self.command, self.code, self.stdout, self.stderr)
    }
}

#[test]
fn ssh_keygen_accepts_what_uproot_signs() {
    for passphrase in ["", PASSPHRASE] {
        let place = Place::new();
        for (number, (kind, bits)) in KINDS.iter().enumerate() {
            let name = format!("key{number}");
            place.new_key(&name, kind, bits, passphrase);
            let principal = format!("{kind}{bits}@example.com");
            place.list(&format!("{principal} {}", place.text(&format!("{name}.pub"))));
            let before = place.signatures();
            place
                .uproot_with(
                    &["approve", "plan.json", "--key", &name, "--yes"],
                    &[("UPROOT_KEY_PASSPHRASE", PASSPHRASE)],
                )
                .code(0);
            let new: Vec<String> =
                place.signatures().into_iter().filter(|name| !before.contains(name)).collect();
            let [signature] = new.as_slice() else { panic!("{new:?}") };
            assert!(place.keygen_accepts(&principal, signature), "{kind} {bits}");
            assert!(
                !place.keygen_accepts("other@example.com", signature),
                "{kind} {bits}: a test that cannot fail"
            );
        }
        place.passes("7");
        place.stops("8", &["by 8 different person(s), and 7 approved it", "nothing was contacted"]);
    }
}

#[test]
fn uproot_accepts_what_ssh_keygen_signs() {
    let place = Place::new();
    for (number, (kind, bits)) in KINDS.iter().enumerate() {
        let name = format!("key{number}");
        place.new_key(&name, kind, bits, "");
        place
            .list(&format!("{kind}{bits} namespaces=\"uproot-plan\" {}", place.text(&format!("{name}.pub"))));
        place.sign(&name, "uproot-plan", &format!("plan.json.{number}.sig"));
    }
    place.passes("7");
    // The other hash that there is.
    let arguments = ["-Y", "sign", "-q", "-f", "key0", "-n", "uproot-plan", "-O", "hashalg=sha256"];
    let signed = place.keygen(&arguments, &place.read("plan.json")).code(0).stdout;
    place.write("plan.json.0.sig", signed);
    place.passes("7");
}

#[test]
fn a_signature_is_written_as_ssh_keygen_writes_it() {
    let place = Place::new();
    // Signatures of these kinds are the same each time.
    for (kind, bits) in [("ed25519", "256"), ("rsa", "2048")] {
        place.new_key(kind, kind, bits, "");
        place.sign(kind, "uproot-plan", "expected");
        let said = place.uproot(&["approve", "plan.json", "--key", kind, "--yes"]).code(0);
        assert!(said.stdout.starts_with("approved by SHA256:"), "{said}");
        assert!(said.stdout.ends_with(": plan.json.sig\n"), "{said}");
        assert_eq!(place.text("plan.json.sig"), place.text("expected"), "{kind}");
        std::fs::remove_file(place.path("plan.json.sig")).unwrap();
    }
}

#[test]
fn numbers_that_happen_to_be_short_are_read_and_written() {
    let place = Place::new();
    // One key in 256 has such a number itself: another test's.
    let made = |number: u32| {
        let name = format!("key{number}");
        place.new_key(&name, "ecdsa", "256", "");
        PrivateKey::from_openssh(place.text(&name)).ok().map(|key| (name, key))
    };
    let (name, key) = (0..).find_map(made).unwrap();
    place.list(&format!("alice {}", place.text(&format!("{name}.pub"))));
    let signers = AllowedSigners::read(&place.path("signers")).unwrap();
    // One in 128 signatures has a number that is a byte shorter than usual.
    let (mut ours, mut theirs) = (0, 0);
    for number in 0.. {
        if ours >= 3 && theirs >= 1 {
            break;
        }
        assert!(number < 5000, "no short one among {number}: {ours} {theirs}");
        let bytes = format!("plan {number}\n").into_bytes();
        let signed = key.sign("uproot-plan", HashAlg::Sha512, &bytes).unwrap();
        if signed.signature_bytes().len() < 72 {
            place.write("plan.json", &bytes);
            place.write("short.sig", signed.to_pem(LineEnding::LF).unwrap());
            assert!(place.keygen_accepts("alice", "short.sig"));
            assert_eq!(
                SshSignature::parse(&place.read("short.sig")).unwrap().verify(&bytes, approval::PURPOSE),
                Ok(())
            );
            ours += 1;
        }
        if theirs == 0 {
            place.write("plan.json", &bytes);
            place.sign(&name, "uproot-plan", "plan.json.sig");
            let read = SshSig::from_pem(place.read("plan.json.sig")).unwrap();
            theirs += usize::from(read.signature_bytes().len() < 72);
            let found =
                approval::check(&place.path("plan.json"), &bytes, &signers, Timestamp::now()).unwrap();
            assert_eq!(found.persons, 1, "{found:?}");
        }
    }
}

#[test]
fn a_key_whose_number_happens_to_be_short_signs() {
    let place = Place::new();
    // One key in 256 is such, and is read by OpenSSH's own programs only.
    let made = |number: u32| {
        assert!(number < 5000, "no key of that kind");
        let name = format!("key{number}");
        place.new_key(&name, "ecdsa", "256", "");
        PrivateKey::from_openssh(place.text(&name)).is_err().then_some(name)
    };
    let name = (0..).find_map(made).unwrap();
    place.list(&format!("alice {}", place.text(&format!("{name}.pub"))));
    place.uproot(&["approve", "plan.json", "--key", &name, "--yes"]).code(0);
    assert!(place.keygen_accepts("alice", "plan.json.sig"));

    std::fs::remove_file(place.path("plan.json.sig")).unwrap();
    let path = place.path(&name);
    place.keygen(&["-p", "-q", "-P", "", "-N", PASSPHRASE, "-f", path.to_str().unwrap()], b"").code(0);
    let approve = ["approve", "plan.json", "--key", &name, "--yes"];
    place.uproot_with(&approve, &[("UPROOT_KEY_PASSPHRASE", "wrong")]).code(2);
    assert!(place.signatures().is_empty());
    place.uproot_with(&approve, &[("UPROOT_KEY_PASSPHRASE", PASSPHRASE)]).code(0);
    assert!(place.keygen_accepts("alice", "plan.json.sig"));
}

/// Signs as a security key would: the test plays the device.
fn raw_signature<K: ssh_key::SigningKey>(key: &K, message: &[u8]) -> Signature {
    key.try_sign(message).unwrap()
}

#[test]
fn signatures_of_security_keys_are_accepted() {
    let place = Place::new();
    let plan = place.read("plan.json");
    let message = SshSig::signed_data("uproot-plan", HashAlg::Sha512, &plan).unwrap();
    // Touched, and the seventh signature.
    let trailer = [1, 0, 0, 0, 7];
    let digest = |bytes: &[u8]| Sha256::digest(bytes).to_vec();
    let signed = [digest(b"ssh:"), trailer.to_vec(), digest(&message)].concat();
    place.new_key("key", "ed25519", "256", "");
    let key = PrivateKey::from_openssh(place.text("key")).unwrap();
    let KeyData::Ed25519(public) = key.public_key().key_data() else { panic!("{key:?}") };
    let public = KeyData::SkEd25519(SkEd25519::new(*public, "ssh:"));
    let raw = [raw_signature(&key, &signed).as_bytes(), &trailer].concat();
    let raw = Signature::new(Algorithm::SkEd25519, raw).unwrap();
    let signature = SshSig::new(public.clone(), "uproot-plan", HashAlg::Sha512, raw).unwrap();
    place.write("plan.json.key.sig", signature.to_pem(LineEnding::LF).unwrap());
    place.list(&format!("alice {}", PublicKey::new(public, "").to_openssh().unwrap()));
    assert!(place.keygen_accepts("alice", "plan.json.key.sig"), "the test plays the device wrongly");
    place.passes("1");
}

#[test]
fn what_does_not_count_is_named_with_its_reason() {
    let place = Place::new();
    place.signer("alice", "alice@example.com", "");
    place.signer("bob", "bob@example.com", "");
    place.signer("git", "git@example.com", "namespaces=\"git\"");
    place.signer("old", "old@example.com", "valid-before=\"20200101\"");
    place.signer("new", "new@example.com", "valid-after=\"20990101\"");
    place.new_key("stranger", "ed25519", "256", "");
    place.stops("1", &["by 1 different person(s), and 0 approved it", "uproot approve plan.json"]);

    place.sign("alice", "uproot-plan", "plan.json.sig");
    place.sign("bob", "file", "plan.json.bob.sig");
    for name in ["git", "old", "new", "stranger"] {
        place.sign(name, "uproot-plan", &format!("plan.json.{name}.sig"));
        // The real thing refuses the same.
        assert!(!place.keygen_accepts(&format!("{name}@example.com"), &format!("plan.json.{name}.sig")));
    }
    let words = [
        "plan.json.sig: approved by alice@example.com with SHA256:",
        "plan.json.bob.sig: does not count: it is a signature for `file`",
        "may sign for `git`",
        "was valid until 20200101 (signers, line 4)",
        "valid only from 20990101 (signers, line 5)",
        "plan.json.stranger.sig: does not count: it is by key SHA256:",
        "which is not in signers",
    ];
    place.stops("2", &words);
    // Enough is enough; what does not count is told all the same.
    let said = place.apply("1").code(3);
    assert!(said.stderr.contains("note: plan.json.bob.sig does not count"), "{said}");
}

#[test]
fn one_changed_byte_of_the_plan_undoes_its_approval() {
    let place = Place::new();
    place.signer("alice", "alice", "");
    place.uproot(&["approve", "plan.json", "--key", "alice", "--yes"]).code(0);
    place.passes("1");
    let plan = place.text("plan.json");
    let altered = plan.replacen("\"user\": \"nobody\"", "\"user\": \"nobodz\"", 1);
    assert_ne!(altered, plan);
    place.write("plan.json", &altered);
    place.stops("1", &["plan.json.sig: does not count: it does not fit the plan"]);
    assert!(!place.keygen_accepts("alice", "plan.json.sig"));
    // A new signature of the new plan replaces none, and is enough.
    place.uproot(&["approve", "plan.json", "--key", "alice", "--yes"]).code(0);
    assert_eq!(place.signatures().len(), 2);
    place.passes("1");
    // Made anew once more: both names are taken.
    place.write("plan.json", plan.replacen("\"user\": \"nobody\"", "\"user\": \"nobodx\"", 1));
    let said = place.uproot(&["approve", "plan.json", "--key", "alice", "--yes"]).code(2);
    assert!(said.stderr.contains("is there already and does not sign this plan"), "{said}");
    // With the first plan back, its signature counts again.
    place.write("plan.json", &plan);
    place.passes("1");
}

#[test]
fn an_altered_signature_does_not_count() {
    let place = Place::new();
    place.signer("alice", "alice", "");
    place.sign("alice", "uproot-plan", "plan.json.sig");
    let text = place.text("plan.json.sig");
    // In the last full line of the armor stands the signature itself.
    let at = text.trim_end().rfind('\n').unwrap() - 20;
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    place.write("plan.json.sig", format!("{}{other}{}", &text[..at], &text[at + 1..]));
    place.stops("1", &["plan.json.sig: does not count: it does not fit the plan"]);
    assert!(!place.keygen_accepts("alice", "plan.json.sig"));
    place.write("plan.json.sig", &text);
    place.passes("1");
}

#[test]
fn persons_count_and_not_signatures() {
    let place = Place::new();
    place.signer("alice1", "alice", "");
    place.signer("alice2", "alice", "");
    place.signer("bob", "bob", "");
    place.list(&format!("carol {}", place.text("alice1.pub")));
    for name in ["alice1", "alice2"] {
        place.uproot(&["approve", "plan.json", "--key", name, "--yes"]).code(0);
    }
    place.passes("1");
    place.stops("2", &["and 1 approved it", "of keys whose principals may be the same person, one counts"]);
    place.uproot(&["approve", "plan.json", "--key", "bob", "--yes"]).code(0);
    place.passes("2");
    place.stops("3", &["and 2 approved it"]);
    // The same signature under another name is still the same.
    std::fs::copy(place.path("plan.json.sig"), place.path("plan.json.copy.sig")).unwrap();
    place.stops("3", &["and 2 approved it", "signed in another file already"]);
    let said = place.uproot(&["approve", "plan.json", "--key", "bob", "--yes"]).code(0);
    assert!(said.stdout.starts_with("was approved by SHA256:"), "{said}");
    assert_eq!(place.signatures().len(), 4);
}

/// Each with whether it lets alice sign, as the real thing sees it today.
#[test]
fn allowed_signers_are_read_as_ssh_keygen_reads_them() {
    let place = Place::new();
    place.new_key("alice", "ed25519", "256", "");
    place.new_key("bob", "ecdsa", "256", "");
    place.sign("alice", "uproot-plan", "plan.json.sig");
    let (key, other) = (place.text("alice.pub"), place.text("bob.pub"));
    let (key, other) = (key.trim_end(), other.trim_end());
    let alone = key.rsplit_once(" a comment").unwrap().0;
    let lines = [
        (format!("alice {key}"), true),
        (format!("alice {alone}\r"), true),
        (format!("alice {key}\r\n# end\r"), true),
        (format!("\t alice\t\t{key}  "), true),
        (format!("\"alice\" {key}"), true),
        (format!("bob,alice,carol {key}"), true),
        (format!("al?c* {key}"), true),
        (format!("# alice\n\n \t\nalice {key}"), true),
        (format!("alice {other}\nalice {key}"), true),
        (format!("alice {other}"), false),
        (format!("*,!alice {key}"), false),
        (format!("bob {key}"), false),
        (format!("alice namespaces=\"uproot-plan\" {key}"), true),
        (format!("alice namespaces=\"git,uproot-*\" {key}"), true),
        (format!("alice namespaces=\"git\" {key}"), false),
        (format!("alice namespaces=\"*,!uproot-plan\" {key}"), false),
        (format!("alice namespaces=\"git\" {key}\nalice namespaces=\"uproot-plan\" {key}"), true),
        (format!("alice NAMESPACES=\"uproot-plan\",Valid-After=\"20200101\" {key}"), true),
        (format!("alice valid-after=\"20200101\",valid-before=\"20990101Z\" {key}"), true),
        (format!("alice valid-after=\"202001011230\" {key}"), true),
        (format!("alice valid-after=\"20200101123059Z\" {key}"), true),
        (format!("alice valid-before=\"20200101\" {key}"), false),
        (format!("alice valid-after=\"20990101Z\" {key}"), false),
        (format!("alice valid-after=\"2099\" {key}"), false),
        (format!("alice valid-after=\"20200101\",valid-before=\"20190101\" {key}"), false),
        (format!("alice namespaces=\"a\",namespaces=\"uproot-plan\" {key}"), false),
        (format!("alice namespaces=uproot-plan {key}"), false),
        (format!("alice namespaces=\"uproot-plan {key}"), false),
        (format!("alice no-such-option {key}"), false),
        (format!("alice cert-authority {key}"), false),
        (format!("alice {}", &key[..50]), false),
        (format!("alice {}", key.replacen("ssh-ed25519", "ssh-rsa", 1)), false),
        ("alice".to_owned(), false),
    ];
    let plan = place.read("plan.json");
    for (text, expected) in lines {
        place.write("signers", format!("{text}\n"));
        assert_eq!(place.keygen_accepts("alice", "plan.json.sig"), expected, "ssh-keygen: {text}");
        let ours = AllowedSigners::read(&place.path("signers")).is_ok_and(|signers| {
            let found = approval::check(&place.path("plan.json"), &plan, &signers, Timestamp::now()).unwrap();
            // Whom patterns mean is asked of ssh-keygen by name, and not of uproot.
            found.valid.iter().any(|one| !["bob", "*,!alice"].contains(&one.principal.as_str()))
        });
        assert_eq!(ours, expected, "uproot: {text}");
    }
}

#[test]
fn wrong_files_are_wrong_input() {
    let place = Place::new();
    place.signer("alice", "alice", "");
    let refused = |arguments: &[&str], words: &[&str]| {
        let said = place.uproot(&[&["apply", "plan.json"], arguments].concat()).code(2);
        for word in words {
            assert!(said.stderr.contains(word), "no `{word}`:\n{said}");
        }
        assert!(!place.path("state").exists(), "a run was begun:\n{said}");
    };
    refused(&["--require-approval", "1"], &["--allowed-signers"]);
    refused(&["--allowed-signers", "signers"], &["--require-approval"]);
    refused(&["--require-approval", "0", "--allowed-signers", "signers"], &["1..=100"]);
    refused(
        &["--require-approval", "1", "--allowed-signers", "nosuch"],
        &["cannot read", "`nosuch`", "help: "],
    );
    place.list("bob cert-authority ssh-ed25519 AAAA");
    place.list("carol");
    let words =
        ["signers:2:5", "`cert-authority` is not obeyed", "signers:3:6", "the key is missing", "help: "];
    refused(&["--require-approval", "1", "--allowed-signers", "signers"], &words);
}

#[test]
fn keys_that_cannot_sign_are_told() {
    let place = Place::new();
    place.new_key("locked", "ed25519", "256", PASSPHRASE);
    place.new_key("public-only", "ed25519", "256", "");
    std::fs::remove_file(place.path("public-only")).unwrap();
    place.keygen(&["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", "pem"], b"").code(0);
    place.write("text", "hello");
    place.write("cut", &place.read("locked")[..200]);
    let approve = |key: &str, environment: &[(&str, &str)], code: i32, words: &[&str]| {
        let said =
            place.uproot_with(&["approve", "plan.json", "--yes", "--key", key], environment).code(code);
        for word in words {
            assert!(said.stderr.contains(word), "no `{word}`:\n{said}");
        }
        assert!(!said.stderr.contains(PASSPHRASE), "{said}");
        assert_eq!(place.signatures(), [""; 0], "{said}");
    };
    approve("nosuch", &[], 2, &["key `nosuch`", "No such file"]);
    approve("text", &[], 2, &["key `text`: it is not an SSH key"]);
    approve("cut", &[], 2, &["key `cut`: it is damaged"]);
    approve("pem", &[], 2, &["not in OpenSSH's own form", "ssh-keygen -p -f"]);
    approve("locked", &[], 2, &["it is encrypted", "UPROOT_KEY_PASSPHRASE", "ssh-add"]);
    approve("locked", &[("UPROOT_KEY_PASSPHRASE", "wrong")], 2, &["the passphrase is wrong"]);
    approve("public-only.pub", &[], 2, &["did not sign with `public-only.pub`"]);
    approve("public-only.pub", &[("PATH", "/nowhere")], 2, &["`ssh-keygen` is not installed"]);
    let said = place.uproot(&["approve", "plan.json", "--yes"]).code(2);
    assert!(said.stderr.contains("the SSH agent: there is none: give a key file by `--key FILE`"), "{said}");
    // Without a terminal nobody can be asked.
    let said = place.uproot(&["approve", "plan.json", "--key", "locked"]).code(4);
    assert!(said.stderr.contains("Approve this plan?") && said.stderr.contains("--yes"), "{said}");
    assert!(said.stderr.contains("SHA-256 ") && said.stderr.contains("1 host(s)"), "{said}");
}

/// An SSH agent, ended when it is dropped.
struct Agent(Child);

impl Agent {
    fn start(socket: &Path) -> Self {
        let mut command = Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(socket).stdin(Stdio::null()).stdout(Stdio::null());
        let agent = Self(command.spawn().unwrap());
        for _ in 0..500 {
            if socket.exists() {
                return agent;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("the agent made no socket");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_agent_signs_with_its_only_key_or_the_one_that_is_chosen() {
    let place = Place::new();
    let socket = place.path("agent");
    let _agent = Agent::start(&socket);
    let environment = [("SSH_AUTH_SOCK", socket.to_str().unwrap())];
    let approve = |arguments: &[&str]| {
        place.uproot_with(&[&["approve", "plan.json", "--yes"], arguments].concat(), &environment)
    };
    let add = |name: &str| {
        let output = place.command("ssh-add", &["-q", name]).envs(environment).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        std::fs::remove_file(place.path(name)).unwrap();
    };
    let said = approve(&[]).code(2);
    assert!(said.stderr.contains("it holds no key that can sign"), "{said}");

    place.signer("alice", "alice", "");
    add("alice");
    approve(&[]).code(0);
    assert!(place.keygen_accepts("alice", "plan.json.sig"));
    place.passes("1");

    place.signer("bob", "bob", "");
    add("bob");
    let said = approve(&[]).code(2);
    assert!(said.stderr.contains("it holds several keys: choose one by `--key FILE.pub`"), "{said}");
    assert_eq!(said.stderr.matches("  SHA256:").count(), 2, "{said}");
    approve(&["--key", "bob.pub"]).code(0);
    place.passes("2");
}

#[test]
fn approvals_are_kept_with_the_run_and_upset_nothing_there() {
    let place = Place::new();
    for name in ["alice", "bob"] {
        place.signer(name, name, "");
        place.uproot(&["approve", "plan.json", "--key", name, "--yes"]).code(0);
    }
    place.apply("2").code(3);
    let run = std::fs::read_dir(place.path("state/uproot/runs")).unwrap().next().unwrap().unwrap().path();
    let signers = AllowedSigners::read(&place.path("signers")).unwrap();
    let check = |plan: &Path| {
        approval::check(plan, &std::fs::read(plan).unwrap(), &signers, Timestamp::now()).unwrap()
    };
    signature::keep(&check(&place.path("plan.json")).valid, &run.join("plan.json")).unwrap();
    let found = check(&run.join("plan.json"));
    assert_eq!((found.persons, found.valid.len(), found.refused.len()), (2, 2, 0), "{found:#?}");
    place.uproot(&["journal", "verify", "last"]).code(0);
    place.uproot(&["runs", "list"]).code(0);
}
