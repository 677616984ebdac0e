//! Seals, exports and the refusal of altered runs, against the real `ssh-keygen`, `tar`, `jq` and `sha256sum`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use uproot::journal::{self, Audit, Defect, SealProblem, Writer};
use uproot::model::event::{HostEntry, OutputRef, Phase, StepResult};
use uproot::model::{BootIdentity, Event, EventSink, ExitCode, HostState, MachineIdentity, Platform, Truth};
use uproot::plan::approval;
use uproot::signature::{self, AllowedSigners};

const RUN: &str = "0199-run";

/// A directory with runs, keys, and the list of those who may sign.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a finished run whose plan alice and bob approved.
    fn with_run() -> Self {
        let place = Self::new();
        for name in ["alice", "bob"] {
            place.signer(name, name);
        }
        place.write_run(How::Finished);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self) -> PathBuf {
        self.path("runs").join(RUN)
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("UPROOT_KEY_PASSPHRASE")
            .env("HOME", self.0.path())
            .env("UPROOT_RUNS", self.path("runs"))
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn uproot(&self, arguments: &[&str]) -> Said {
        Said::of(arguments, &self.command(env!("CARGO_BIN_EXE_uproot"), arguments).output().unwrap())
    }

    fn seal(&self, key: &str) -> Said {
        self.uproot(&["journal", "seal", RUN, "--key", key, "--yes"])
    }

    /// Makes a key and lists it as this principal's.
    fn signer(&self, name: &str, principal: &str) {
        let path = self.path(name);
        let arguments = ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path.to_str().unwrap()];
        let output = self.command("ssh-keygen", &arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let public = std::fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        let mut file = std::fs::File::options().append(true).create(true).open(self.path("signers")).unwrap();
        writeln!(file, "{principal} {}", public.trim_end()).unwrap();
    }

    fn signers(&self) -> AllowedSigners {
        AllowedSigners::read(&self.path("signers")).unwrap()
    }

    /// Whether the real thing accepts this signature of a file of the run as this principal's.
    fn keygen_accepts(&self, principal: &str, namespace: &str, file: &str, signature: &str) -> bool {
        let signature = self.run().join(signature);
        let arguments = ["-Y", "verify", "-f", "signers", "-I", principal, "-n", namespace, "-s"];
        let mut command = self.command("ssh-keygen", &arguments);
        command.arg(signature).stdin(std::fs::File::open(self.run().join(file)).unwrap());
        command.output().unwrap().status.success()
    }

    fn audit(&self) -> Audit {
        journal::audit(&self.run(), Some(&self.signers()), Timestamp::now()).unwrap()
    }

    /// Writes the run: two hosts, facts, steps with outputs, a plan and its approvals.
    fn write_run(&self, how: How) {
        let plan = b"{\"plan\": true}\n";
        let draft = self.path("draft.json");
        std::fs::write(&draft, plan).unwrap();
        for key in ["alice", "bob"] {
            let key = self.path(key);
            let signature = signature::sign_with_file(plan, approval::PURPOSE, &key, &mut |_| None).unwrap();
            signature::save(&signature, &draft, plan, approval::PURPOSE).unwrap();
        }
        let approvals = approval::check(&draft, plan, &self.signers(), Timestamp::now()).unwrap();
        assert_eq!(approvals.persons, 2);
        let digest = uproot::plan::digest(plan);
        let writer = Writer::create(&self.path("runs"), RUN).unwrap();
        writer.save_plan(plan).unwrap();
        signature::keep(&approvals.valid, &writer.dir().join("plan.json")).unwrap();
        let hosts = ["web01", "имя"];
        writer.record(None, started(&hosts, Some(digest.clone()))).unwrap();
        for approval in &approvals.valid {
            writer.record(None, approval::decision(approval, &digest)).unwrap();
        }
        for host in hosts {
            writer.record(Some(host), Event::HostStarted { wave: None }).unwrap();
            let blob = writer.store(format!("{{\"host\": {host:?}}}").as_bytes()).unwrap();
            writer.record(Some(host), facts(blob)).unwrap();
            writer.record(Some(host), intent()).unwrap();
            let blob = writer.store(b"stopped\n").unwrap();
            let stdout = OutputRef { blob: Some(blob), total: 8, tail: "stopped\n,\"hash\":\"x\"}".into() };
            writer.record(Some(host), outcome(stdout)).unwrap();
            let end = Event::HostEnded {
                state: HostState::Removed,
                reason: String::new(),
                remedy: None,
                unfinished: false,
            };
            writer.record(Some(host), end).unwrap();
        }
        match how {
            How::Finished => writer.record(None, end()).unwrap(),
            How::Stopped => {
                let reason = "wave `rest` needs approval".to_owned();
                writer.record(None, Event::RunStopped { reason, exit: ExitCode::Stopped }).unwrap();
            }
            How::Unfinished => {}
        }
        writer.finish().unwrap();
    }

    /// Goes on with a stopped run to its end.
    fn resume(&self) {
        let (writer, _) = Writer::open(&self.path("runs"), RUN).unwrap();
        let resumed = Event::RunResumed {
            operator: "op@desk".into(),
            version: "0.1.0".into(),
            approved: vec!["rest".into()],
            after_failures: false,
            retry_failed: false,
            break_lock: false,
        };
        writer.record(None, resumed).unwrap();
        writer.record(None, end()).unwrap();
        writer.finish().unwrap();
    }

    fn journal(&self) -> Vec<u8> {
        std::fs::read(self.run().join("journal.jsonl")).unwrap()
    }

    /// Refused in every way: no report, and a defect that is named.
    #[track_caller]
    fn is_refused(&self, what: &str) {
        let report = self.uproot(&["report", RUN]);
        assert_eq!((report.code, report.stdout.as_str()), (Some(3), ""), "{what}: {report}");
        assert!(report.stderr.contains("is broken") && report.stderr.contains("help: "), "{what}: {report}");
        let verify = self.uproot(&["journal", "verify", RUN, "--format", "json"]);
        assert_eq!(verify.code, Some(3), "{what}: {verify}");
        let said: serde_json::Value = serde_json::from_str(&verify.stdout).unwrap();
        let broken = said["defects"].as_array().unwrap().iter().filter(|defect| defect["broken"] == true);
        assert!(broken.count() > 0, "{what}: {verify}");
        assert_eq!((&said["broken"], &said["whole"]), (&true.into(), &false.into()), "{what}: {verify}");
    }
}

#[derive(Clone, Copy)]
enum How {
    Finished,
    Stopped,
    Unfinished,
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

    #[track_caller]
    fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stdout.contains(part) || self.stderr.contains(part), "no `{part}`:\n{self}");
        }
        self
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "$ {}\ncode {:?}\n{}\n--- stderr\n{}", self.command, self.code, self.stdout, self.stderr)
    }
}

fn started(hosts: &[&str], plan: Option<String>) -> Event {
    let entry = |name: &&str| HostEntry {
        name: (*name).to_owned(),
        address: "10.0.0.1:22".into(),
        user: Some("root".into()),
        groups: vec!["web".into()],
    };
    Event::RunStarted {
        run: RUN.into(),
        verb: "apply".into(),
        version: "0.1.0".into(),
        operator: "op@desk".into(),
        playbook: "ab".repeat(32),
        plan,
        options: BTreeMap::new(),
        scope: Default::default(),
        hosts: hosts.iter().map(entry).collect(),
    }
}

fn facts(blob: String) -> Event {
    Event::Facts {
        phase: Phase::Before,
        blob,
        platform: Some(Platform::Linux),
        identity: MachineIdentity::default(),
        boot: BootIdentity::default(),
    }
}

fn intent() -> Event {
    Event::StepIntent {
        step: "kesl/1".into(),
        product: "kesl".into(),
        summary: "stop service kesl".into(),
        attempt: 1,
        boot: Default::default(),
    }
}

fn outcome(stdout: OutputRef) -> Event {
    Event::StepOutcome {
        step: "kesl/1".into(),
        product: "kesl".into(),
        summary: "stop service kesl".into(),
        result: StepResult::Done,
        status: Some(0),
        effect: Some(Truth::True),
        reboot_needed: false,
        reason: None,
        millis: 12,
        stdout,
        stderr: OutputRef::default(),
    }
}

fn end() -> Event {
    Event::RunEnded { summary: [(HostState::Removed, 2)].into(), exit: ExitCode::Success }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_in(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

#[test]
fn a_seal_is_what_ssh_keygen_verifies() {
    let place = Place::with_run();
    let said =
        place.seal("alice").code(0).says(&["Run 0199-run", "14 records", "2 removed", "sealed by SHA256:"]);
    assert!(said.stderr.contains("finished"), "{said}");
    let text = std::fs::read_to_string(place.run().join("seal")).unwrap();
    let journal = String::from_utf8(place.journal()).unwrap();
    let head = journal.trim_end().strip_suffix("\"}").unwrap().rsplit('"').next().unwrap().to_owned();
    assert_eq!(text, format!("uproot seal 1\nrun {RUN}\nrecords 14\nhead {head}\nstate finished\n"));
    assert!(place.keygen_accepts("alice", "uproot-seal", "seal", "seal.sig"));
    assert!(!place.keygen_accepts("bob", "uproot-seal", "seal", "seal.sig"), "a test that cannot fail");
    assert!(!place.keygen_accepts("alice", "uproot-plan", "seal", "seal.sig"));

    // The same again changes nothing; a second signer gets a file of his own.
    let before = files_in(&place.run());
    place.seal("alice").code(0).says(&["was sealed already"]);
    assert_eq!(files_in(&place.run()), before);
    place.seal("bob").code(0);
    let audit = place.audit();
    assert!(!audit.is_broken(), "{:#?}", audit.defects);
    assert_eq!((audit.seals.len(), audit.seals[0].signers.len(), audit.sealed_by), (1, 2, 2));
    let second = audit.seals[0].signers.iter().find(|signer| signer.file != "seal.sig").unwrap();
    assert!(place.keygen_accepts("bob", "uproot-seal", "seal", &second.file), "{second:?}");
    assert_eq!(std::fs::read_to_string(place.run().join("seal")).unwrap(), text);
}

#[test]
fn uproot_accepts_a_seal_that_ssh_keygen_signed() {
    let place = Place::with_run();
    place.seal("alice").code(0);
    std::fs::remove_file(place.run().join("seal.sig")).unwrap();
    assert!(place.audit().defects.iter().any(|defect| {
        matches!(defect, Defect::Seal { problem: SealProblem::Unsigned, .. }) && !defect.is_broken()
    }));
    place.uproot(&["journal", "verify", RUN]).code(0).says(&["nobody signed it", "note: not sealed"]);
    let seal = place.run().join("seal");
    let arguments = ["-Y", "sign", "-q", "-f", "bob", "-n", "uproot-seal", seal.to_str().unwrap()];
    assert!(place.command("ssh-keygen", &arguments).output().unwrap().status.success());
    assert_eq!(place.audit().sealed_by, 1);
}

#[test]
fn verify_names_the_signers_and_counts_persons() {
    let place = Place::with_run();
    let verify = |arguments: &[&str]| place.uproot(&[&["journal", "verify", RUN][..], arguments].concat());
    let known = ["--allowed-signers", "signers"];
    verify(&[]).code(0).says(&["note: not sealed", "chain, blobs and plan are whole", "approves the plan"]);
    verify(&[&known[..], &["--require-seal", "1"]].concat())
        .code(3)
        .says(&["must be sealed by 1 different person(s), and 0 sealed them"]);
    place.seal("alice").code(0);
    verify(&[&known[..], &["--require-seal", "1"]].concat()).code(0).says(&[
        "seal.sig: seals all 14 records (finished); by alice with key SHA256:",
        "approves the plan; by bob with key SHA256:",
        "chain, blobs, plan and seals are whole",
    ]);
    verify(&[&known[..], &["--require-seal", "2"]].concat()).code(3).says(&["2 different person(s), and 1"]);
    // A key that nobody vouches for seals, and does not count.
    place.signer("eve", "eve");
    let text = std::fs::read_to_string(place.path("signers")).unwrap();
    std::fs::write(
        place.path("signers"),
        text.lines().take(2).map(|line| format!("{line}\n")).collect::<String>(),
    )
    .unwrap();
    place.seal("eve").code(0);
    verify(&[&known[..], &["--require-seal", "2"]].concat())
        .code(3)
        .says(&["which is not in signers", "2 different person(s), and 1"]);
    verify(&[]).code(0).says(&["no file of allowed signers was given"]);
    // Two keys of one person are one person.
    place.signer("alice2", "alice");
    place.seal("alice2").code(0);
    verify(&[&known[..], &["--require-seal", "2"]].concat()).code(3);
    place.seal("bob").code(0);
    verify(&[&known[..], &["--require-seal", "2"]].concat()).code(0);
    verify(&["--require-seal", "1"]).code(2);
    verify(&["--allowed-signers", "nothing"]).code(2);

    let said = verify(&[&known[..], &["--format", "json", "--require-seal", "1"]].concat()).code(0);
    let said: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((&said["run"], &said["records"], &said["sealed_by"]), (&RUN.into(), &14.into(), &2.into()));
    assert_eq!(said["seals"][0]["signatures"].as_array().unwrap().len(), 4);
    assert_eq!(said["approvals"].as_array().unwrap().len(), 2);
    assert_eq!(said["broken"], false);
    // The report says so too.
    place
        .uproot(&["report", RUN, "--allowed-signers", "signers"])
        .code(0)
        .says(&["journal: whole", "seal: seal.sig: seals all 14 records"]);
}

#[test]
fn a_run_that_goes_on_after_its_seal_is_whole_and_gets_a_new_one() {
    let place = Place::new();
    for name in ["alice", "bob"] {
        place.signer(name, name);
    }
    place.write_run(How::Stopped);
    place.seal("alice").code(0).says(&["stopped"]);
    place.uproot(&["report", RUN]).code(4);
    place.resume();
    let first = std::fs::read(place.run().join("seal")).unwrap();
    let partly = "only the first 14 of 16 records are sealed";
    let verify = ["journal", "verify", RUN, "--allowed-signers", "signers", "--require-seal", "1"];
    place.uproot(&verify[..3]).code(0).says(&[partly, "the first 14 of 16 records (stopped)"]);
    place.uproot(&verify).code(3).says(&["and 0 sealed them"]);
    place.uproot(&["report", RUN]).code(0).says(&["the first 14 of 16 records"]);
    place.seal("alice").code(0);
    assert_eq!(std::fs::read(place.run().join("seal")).unwrap(), first, "a seal was replaced");
    assert!(place.keygen_accepts("alice", "uproot-seal", "seal-16", "seal-16.sig"));
    place.uproot(&verify).code(0).says(&["seal-16.sig: seals all 16 records (finished)"]);
    let audit = place.audit();
    assert_eq!(audit.seals.iter().map(|seal| seal.records).collect::<Vec<_>>(), [14, 16]);
    // The first seal cannot be taken away unnoticed while the later one is there.
    for name in ["seal", "seal.sig"] {
        std::fs::rename(place.run().join(name), place.path(name)).unwrap();
    }
    place.is_refused("the first seal is gone");
    for name in ["seal", "seal.sig"] {
        std::fs::rename(place.path(name), place.run().join(name)).unwrap();
    }
    std::fs::copy(place.run().join("seal"), place.run().join("seal-3")).unwrap();
    place.is_refused("a seal under another name");
}

#[test]
fn what_cannot_be_sealed_is_refused_with_its_reason() {
    let place = Place::with_run();
    let nothing =
        |place: &Place| !place.run().join("seal").exists() && !place.run().join("seal.sig").exists();
    place.uproot(&["journal", "seal", RUN, "--key", "alice"]).code(4).says(&["`--yes`"]);
    place.uproot(&["journal", "seal", "nosuch", "--key", "alice", "--yes"]).code(2);
    place.seal("signers").code(2).says(&["signers"]);
    assert!(nothing(&place));
    let journal = place.journal();
    let mut altered = journal.clone();
    altered[300] ^= 1;
    std::fs::write(place.run().join("journal.jsonl"), &altered).unwrap();
    place.seal("alice").code(3).says(&["is broken: it is not sealed", "journal.jsonl:"]);
    assert!(nothing(&place));

    let busy = Place::new();
    for name in ["alice", "bob"] {
        busy.signer(name, name);
    }
    busy.write_run(How::Stopped);
    let (writer, _) = Writer::open(&busy.path("runs"), RUN).unwrap();
    busy.seal("alice").code(2).says(&["is being written by another process"]);
    busy.uproot(&["journal", "export", RUN, "-o", "x.tar.zst"]).code(2).says(&["is being written"]);
    assert!(nothing(&busy) && !busy.path("x.tar.zst").exists());
    writer.finish().unwrap();
    busy.seal("alice").code(0);
}

/// 500 bytes of records and blobs: each makes the report refuse and the check name a defect.
#[test]
fn no_altered_byte_of_a_record_or_a_blob_passes() {
    let place = Place::with_run();
    place.seal("alice").code(0);
    let seed: u64 =
        std::env::var("UPROOT_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    println!("seed {seed}: UPROOT_SEED={seed} repeats it");
    let mut random = StdRng::seed_from_u64(seed);
    let mut files = files_in(&place.run().join("output"));
    assert_eq!(files.len(), 3);
    files.push(place.run().join("journal.jsonl"));
    for round in 0..500 {
        // Half of them in the journal, which is the longest file.
        let file = &files[if round % 2 == 0 { files.len() - 1 } else { random.random_range(0..files.len()) }];
        let whole = std::fs::read(file).unwrap();
        let at = random.random_range(0..whole.len());
        let mut altered = whole.clone();
        altered[at] = loop {
            let byte: u8 = random.random();
            if byte != whole[at] {
                break byte;
            }
        };
        std::fs::write(file, &altered).unwrap();
        let what = format!("seed {seed}, {} byte {at}: {} to {}", file.display(), whole[at], altered[at]);
        let audit = place.audit();
        assert!(audit.is_broken(), "{what}");
        for defect in audit.broken() {
            assert!(!defect.to_string().is_empty() && !defect.remedy().is_empty(), "{what}");
        }
        if round % 9 == 0 {
            place.is_refused(&what);
        }
        std::fs::write(file, &whole).unwrap();
    }
    assert!(!place.audit().is_broken());
    place.uproot(&["report", RUN]).code(0);
}

#[test]
fn no_altered_byte_of_a_seal_the_plan_or_a_signature_passes() {
    let place = Place::with_run();
    for key in ["alice", "bob"] {
        place.seal(key).code(0);
    }
    let is_other = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("seal") || name.starts_with("plan.json")
    };
    let files: Vec<PathBuf> = files_in(&place.run()).into_iter().filter(is_other).collect();
    assert_eq!(files.len(), 6, "{files:?}");
    for file in &files {
        let whole = std::fs::read(file).unwrap();
        let is_signature = file.extension().is_some_and(|end| end == "sig");
        // Of a signature not every byte: `signature::tests` does that.
        for at in (0..whole.len()).step_by(if is_signature { 7 } else { 1 }) {
            let mut altered = whole.clone();
            altered[at] ^= 1 << (at % 7);
            std::fs::write(file, &altered).unwrap();
            let audit = place.audit();
            // What ssh-keygen overlooks as well: white space within the armor.
            let same = is_signature
                && signature::SshSignature::parse(&altered).is_ok_and(|altered| {
                    signature::SshSignature::parse(&whole).is_ok_and(|whole| whole == altered)
                });
            assert_eq!(audit.is_broken(), !same, "{} byte {at}", file.display());
            if at % 49 == 0 && !same {
                place.is_refused(&format!("{} byte {at}", file.display()));
            }
        }
        std::fs::remove_file(file).unwrap();
        // A signature of a seal that is gone is not missed: only `--require-seal` asks for it.
        let name = file.file_name().unwrap().to_str().unwrap();
        let may_be_gone = name.starts_with("seal") && is_signature;
        assert_eq!(place.audit().is_broken(), !may_be_gone, "{name} is gone");
        std::fs::write(file, &whole).unwrap();
    }
    assert!(!place.audit().is_broken());
}

#[test]
fn records_cut_from_a_sealed_run_are_missed_and_of_an_unfinished_one_are_not() {
    let place = Place::with_run();
    place.seal("alice").code(0);
    let path = place.run().join("journal.jsonl");
    let whole = place.journal();
    let ends: Vec<usize> =
        whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    assert_eq!(ends.len(), 14);
    let boundaries: Vec<usize> = std::iter::once(0).chain(ends.iter().copied().take(13)).collect();
    for (left, at) in boundaries.iter().enumerate() {
        std::fs::write(&path, &whole[..*at]).unwrap();
        let audit = place.audit();
        let cut = SealProblem::Cut { sealed: 14, left: left as u64 };
        let named = |defect: &&Defect| matches!(defect, Defect::Seal { problem, .. } if *problem == cut);
        assert!(audit.broken().any(|defect| named(&defect)), "{left} records: {:#?}", audit.defects);
        place.is_refused(&format!("{left} records are left"));
        place.uproot(&["apply", "--resume", RUN]).code(3).says(&["it is not gone on with"]);
        // In the middle of a line as well.
        std::fs::write(&path, &whole[..at + 20]).unwrap();
        assert!(place.audit().is_broken(), "{left} records and 20 bytes");
    }
    // The same cuts of a run that nobody sealed: not finished, and that is said.
    for name in ["seal", "seal.sig"] {
        std::fs::remove_file(place.run().join(name)).unwrap();
    }
    for (left, at) in boundaries.iter().enumerate().skip(1) {
        std::fs::write(&path, &whole[..*at]).unwrap();
        let audit = place.audit();
        assert!(!audit.is_broken(), "{left} records: {:#?}", audit.defects);
        assert!(audit.defects.contains(&Defect::Unfinished { records: left }), "{left} records");
        std::fs::write(&path, &whole[..at + 20]).unwrap();
        let torn = Defect::Torn { line: left + 1, bytes: 20 };
        assert!(place.audit().defects.contains(&torn), "{left} records and 20 bytes");
    }
    place
        .uproot(&["journal", "verify", RUN])
        .code(3)
        .says(&["the run is not finished", "is torn after 20 bytes"]);
    place.uproot(&["report", RUN]).code(3).says(&["The run is not finished"]);
}

#[test]
fn a_journal_that_was_written_anew_does_not_fit_its_seal() {
    let place = Place::with_run();
    place.seal("alice").code(0);
    // The same run, recorded at other times: its chain holds in itself.
    let aside = place.path("aside");
    std::fs::rename(place.run(), &aside).unwrap();
    place.write_run(How::Finished);
    for name in ["seal", "seal.sig"] {
        std::fs::copy(aside.join(name), place.run().join(name)).unwrap();
    }
    let audit = place.audit();
    let problems: Vec<&Defect> = audit.broken().collect();
    assert!(
        matches!(problems.as_slice(), [Defect::Seal { problem: SealProblem::Head { record: 14, .. }, .. }]),
        "{problems:#?}"
    );
    place.is_refused("written anew");
    // All the same, where that is asked for: said first, and no success.
    let said = place.uproot(&["report", RUN, "--even-if-broken"]).code(3);
    assert!(said.stdout.starts_with("BROKEN JOURNAL: 1 defect."), "{said}");
    said.says(&["seal: the hash of record 14", "nothing can be concluded", "web01"]);
}

#[test]
fn a_broken_run_is_reported_up_to_the_break_where_that_is_asked_for() {
    let place = Place::with_run();
    let path = place.run().join("journal.jsonl");
    let text = String::from_utf8(place.journal()).unwrap();
    // The end of the first host becomes another one.
    let line = text.lines().position(|line| line.contains("host_ended")).unwrap();
    std::fs::write(&path, text.replacen("\"state\":\"removed\"", "\"state\":\"clean\"", 1)).unwrap();
    let audit = place.audit();
    assert_eq!(audit.run.records.len(), line);
    for verb in [&["report", RUN][..], &["runs", "show", RUN]] {
        place.uproot(verb).code(3).says(&["no report is made of it", "--even-if-broken"]);
        let said = place.uproot(&[verb, &["--even-if-broken"]].concat()).code(3);
        assert!(said.stdout.starts_with("BROKEN JOURNAL: "), "{said}");
        assert!(!said.stdout.contains("resume with") && !said.stdout.contains("web01  clean"), "{said}");
        said.says(&["web01  interrupted"]);
    }
    std::fs::write(&path, text.replacen("run_started", "run_StartEd", 1)).unwrap();
    place
        .uproot(&["report", RUN, "--even-if-broken"])
        .code(3)
        .says(&["not one record before the first break"]);
}

/// Unpacks an archive with the real tar; the directory of the run in it.
fn unpack(place: &Place, archive: &str, to: &str) -> PathBuf {
    std::fs::create_dir(place.path(to)).unwrap();
    let output = place.command("tar", &["--zstd", "-xf", archive, "-C", to]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    place.path(to).join(format!("uproot-{RUN}"))
}

fn check(place: &Place, dir: &Path, signers: &[&str]) -> Said {
    let script = dir.join("check.sh");
    let arguments = [&[script.to_str().unwrap()][..], signers].concat();
    Said::of(&arguments, &place.command("sh", &arguments).output().unwrap())
}

#[test]
fn an_export_is_the_same_each_time_and_is_checked_by_standard_tools() {
    let place = Place::with_run();
    place.seal("alice").code(0);
    let export = |file: &str, more: &[&str]| {
        place.uproot(
            &[&["journal", "export", RUN, "-o", file, "--allowed-signers", "signers"][..], more].concat(),
        )
    };
    export("a.tar.zst", &[]).code(0).says(&["13 files", "check it with: tar --zstd -xf a.tar.zst"]);
    export("b.tar.zst", &[]).code(0);
    let archive = std::fs::read(place.path("a.tar.zst")).unwrap();
    assert!(archive == std::fs::read(place.path("b.tar.zst")).unwrap(), "two exports differ");
    // Nothing is replaced unless that is asked for.
    std::fs::write(place.path("b.tar.zst"), "mine").unwrap();
    export("b.tar.zst", &[]).code(2).says(&["is there already", "--force"]);
    assert_eq!(std::fs::read(place.path("b.tar.zst")).unwrap(), b"mine");
    export("b.tar.zst", &["--force"]).code(0);
    export("nowhere/c.tar.zst", &[]).code(2);

    let dir = unpack(&place, "a.tar.zst", "unpacked");
    let name = |path: &PathBuf| path.strip_prefix(&dir).unwrap().to_str().unwrap().to_owned();
    let names: Vec<String> = files_in(&dir).iter().map(name).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("output/")).count(), 3, "{names:?}");
    assert_eq!(names.iter().filter(|name| name.starts_with("plan.json")).count(), 3, "{names:?}");
    for name in ["README", "SHA256SUMS", "allowed_signers", "check.sh", "journal.jsonl", "seal", "seal.sig"] {
        assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
    }
    check(&place, &dir, &["signers"]).code(0).says(&[
        "14 records (finished)",
        "seal.sig: 14 of 14 records are sealed by alice with key SHA256:",
        "the plan is approved by bob with key SHA256:",
        "whole: ",
    ]);
    check(&place, &dir, &[]).code(0).says(&["by the list in this export"]);
    std::fs::write(place.path("nobody"), "").unwrap();
    check(&place, &dir, &["nobody"]).code(0).says(&["for which nobody vouches"]);
    check(&place, &dir, &["missing"]).code(2);
    // uproot reads it where it lies.
    let unpacked = dir.to_str().unwrap();
    place.uproot(&["report", unpacked]).code(0).says(&["2 removed"]);
    place
        .uproot(&["journal", "verify", unpacked, "--allowed-signers", "signers", "--require-seal", "1"])
        .code(0);
    let again = ["journal", "export", unpacked, "-o", "c.tar.zst", "--allowed-signers", "signers"];
    place.uproot(&again).code(0);
    assert!(archive == std::fs::read(place.path("c.tar.zst")).unwrap(), "the export of an export differs");
}

/// Makes the list of sums fit again, as whoever alters an export would.
fn fix_sums(dir: &Path) {
    let command = "find . -type f ! -name SHA256SUMS | sed 's,^\\./,,' | LC_ALL=C sort | xargs sha256sum > SHA256SUMS.new; mv SHA256SUMS.new SHA256SUMS; sed -i '/SHA256SUMS/d' SHA256SUMS";
    assert!(Command::new("sh").args(["-c", command]).current_dir(dir).status().unwrap().success());
}

#[test]
fn check_sh_finds_each_kind_of_alteration_even_where_the_sums_were_made_to_fit() {
    let place = Place::with_run();
    place.seal("alice").code(0);
    place.uproot(&["journal", "export", RUN, "-o", "a.tar.zst"]).code(0);
    let good = unpack(&place, "a.tar.zst", "good");
    let blob = files_in(&good.join("output"))[0].strip_prefix(&good).unwrap().to_str().unwrap().to_owned();
    let approval = files_in(&good).into_iter().find(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("plan.json.") && name.ends_with(".sig")
    });
    let approval = approval.unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    let text = std::fs::read_to_string(good.join("journal.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let cut = |count: usize| lines[..count].iter().map(|line| format!("{line}\n")).collect::<String>();
    let seal = std::fs::read_to_string(good.join("seal")).unwrap();
    let plain = |text: &str| Some(text.as_bytes().to_vec());
    let alterations: Vec<(&str, &str, Option<Vec<u8>>)> = vec![
        ("a record", "journal.jsonl", plain(&text.replacen("web01", "web02", 1))),
        ("a hash", "journal.jsonl", plain(&text.replacen("\"hash\":\"", "\"hash\":\"0", 1))),
        ("a record too few", "journal.jsonl", plain(&[&lines[..4], &lines[5..]].concat().join("\n"))),
        ("the end is cut off", "journal.jsonl", plain(&cut(13))),
        ("more behind the end", "journal.jsonl", plain(&format!("{text}{{\"seq\":14"))),
        ("a zero byte", "journal.jsonl", plain(&text.replacen("web01", "web01\0", 1))),
        ("an output", &blob, plain("{}")),
        ("an output is gone", &blob, None),
        ("the plan", "plan.json", plain("{\"plan\": false}\n")),
        ("the plan is gone", "plan.json", None),
        ("an approval", &approval, Some(std::fs::read(good.join("seal.sig")).unwrap())),
        ("an approval is gone", &approval, None),
        ("the seal's records", "seal", plain(&seal.replace("records 14", "records 13"))),
        ("the seal's records are too many", "seal", plain(&seal.replace("records 14", "records 15"))),
        ("the seal's state", "seal", plain(&seal.replace("finished", "stopped"))),
        ("the seal is gone", "seal", None),
        ("the seal's signature", "seal.sig", Some(std::fs::read(good.join(&approval)).unwrap())),
        ("a stray output", "output/aa", plain("x")),
    ];
    for (what, file, content) in alterations {
        let dir = place.path("bad");
        copy(&good, &dir);
        match content {
            Some(bytes) => std::fs::write(dir.join(file), bytes).unwrap(),
            None => std::fs::remove_file(dir.join(file)).unwrap(),
        }
        if file != "output/aa" {
            check(&place, &dir, &["signers"]).code(1).says(&["ALTERED: "]);
        }
        fix_sums(&dir);
        let said = check(&place, &dir, &["signers"]);
        assert_eq!(said.code, Some(1), "{what}: {said}");
        assert!(said.stdout.contains("ALTERED: ") && !said.stdout.contains("whole: "), "{what}: {said}");
        std::fs::remove_dir_all(&dir).unwrap();
    }
    check(&place, &good, &["signers"]).code(0);
}

#[test]
fn an_export_of_a_run_without_an_end_says_so_and_a_broken_one_is_refused() {
    let place = Place::new();
    for name in ["alice", "bob"] {
        place.signer(name, name);
    }
    place.write_run(How::Unfinished);
    place.uproot(&["journal", "export", RUN, "-o", "a.tar.zst"]).code(0);
    check(&place, &unpack(&place, "a.tar.zst", "a"), &["signers"])
        .code(3)
        .says(&["the run has no end", "nobody sealed all records"]);
    let blob = files_in(&place.run().join("output")).remove(0);
    std::fs::write(&blob, "x").unwrap();
    place.uproot(&["journal", "export", RUN, "-o", "b.tar.zst"]).code(3).says(&["it is not exported"]);
    assert!(!place.path("b.tar.zst").exists());
    place.uproot(&["journal", "export", RUN, "-o", "b.tar.zst", "--even-if-broken"]).code(3);
    let dir = unpack(&place, "b.tar.zst", "b");
    let readme = std::fs::read_to_string(dir.join("README")).unwrap();
    assert!(readme.contains("THIS RUN WAS BROKEN") && readme.contains("altered: its SHA-256"), "{readme}");
    check(&place, &dir, &["signers"]).code(1);
    // What is no file of a run is not packed, and that is said.
    std::fs::write(place.run().join("notes.txt"), "secret").unwrap();
    let said = place.uproot(&["journal", "export", RUN, "-o", "c.tar.zst", "--even-if-broken"]).code(3);
    said.says(&["`notes.txt` is no file of a run"]);
}
