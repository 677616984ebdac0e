//! The host's side of a run: the very scripts that are sent to hosts, run by the shells that hosts have,
//! in private directories of their own. Needs no root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use uproot::apply::remote::{self, Place};
use uproot::apply::{LockAnswer, LockOrder, StepAnswer, StepOrder};
use uproot::model::{Secret, output::single_quoted};
use uproot::plan::PlannedStep;

/// The shells that a host's `sh` may be, as far as they are on this machine.
fn shells() -> Vec<&'static str> {
    let all = ["dash", "bash", "busybox"];
    let found: Vec<_> = all.into_iter().filter(|name| which(name).is_some()).collect();
    assert!(!found.is_empty(), "none of {all:?} is on this machine");
    found
}

fn which(name: &str) -> Option<PathBuf> {
    ["/usr/bin", "/bin", "/usr/local/bin"]
        .iter()
        .map(|dir| Path::new(dir).join(name))
        .find(|path| path.exists())
}

/// A host with nothing but a shell and its tools.
struct Host {
    dir: tempfile::TempDir,
    place: Place,
}

impl Host {
    fn new(shell: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        let path = which(shell).unwrap();
        if shell == "busybox" {
            let applets = Command::new(&path).arg("--list").output().unwrap();
            for applet in String::from_utf8(applets.stdout).unwrap().lines() {
                symlink(&path, bin.join(applet)).unwrap();
            }
        } else {
            symlink(&path, bin.join("sh")).unwrap();
        }
        let state = dir.path().join("state");
        let place = Place {
            state: state.to_str().unwrap().to_owned(),
            systemd: dir.path().join("systemd").to_str().unwrap().to_owned(),
            ..Place::linux()
        };
        Self { dir, place }
    }

    fn state(&self) -> PathBuf {
        PathBuf::from(&self.place.state)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// As the transport sends a script: over standard input, run with its own input closed.
    fn start(&self, script: &str) -> Child {
        let bin = self.path("bin");
        let mut child = Command::new(bin.join("sh"))
            .args(["-c", "eval \"$(cat)\""])
            .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let framed = format!("( eval {} ) </dev/null\n", single_quoted(&format!("{script}\n")));
        child.stdin.take().unwrap().write_all(framed.as_bytes()).unwrap();
        child
    }

    fn run(&self, script: &str) -> Output {
        self.start(script).wait_with_output().unwrap()
    }

    fn lock(&self, order: &LockOrder) -> LockAnswer {
        let output = self.run(&remote::lock_script(&self.place, order).unwrap());
        assert_eq!(text(&output.stderr), "");
        remote::read_lock(&output.stdout).unwrap()
    }

    fn release(&self, order: &LockOrder) -> Option<String> {
        let output = self.run(&remote::release_script(&self.place, order).unwrap());
        remote::read_release(&output.stdout).unwrap()
    }

    fn begin_script(&self, step: &PlannedStep, claim: &str, only_begin: bool) -> String {
        let order = StepOrder { step, claim, only_begin };
        remote::begin_script(&self.place, &run("r1"), &order, &BTreeMap::new()).unwrap()
    }

    fn begin(&self, step: &PlannedStep, claim: &str) -> StepAnswer {
        answer(&self.run(&self.begin_script(step, claim, false)))
    }

    fn lookup_script(&self, step: &PlannedStep, claim: &str, may_begin: bool) -> String {
        let order = StepOrder { step, claim, only_begin: false };
        remote::lookup_script(&self.place, &run("r1"), &order, may_begin).unwrap()
    }

    fn lookup(&self, step: &PlannedStep, claim: &str, may_begin: bool) -> StepAnswer {
        answer(&self.run(&self.lookup_script(step, claim, may_begin)))
    }

    /// A host whose lock run `r1` has.
    fn locked(shell: &str) -> Self {
        let host = Self::new(shell);
        assert!(matches!(host.lock(&run("r1")), LockAnswer::Taken { .. }));
        host
    }
}

fn answer(output: &Output) -> StepAnswer {
    remote::read_step(&output.stdout, &output.stderr)
        .unwrap_or_else(|error| panic!("{error}\n{}\n{}", text(&output.stdout), text(&output.stderr)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(id: &str) -> LockOrder {
    LockOrder { run: id.to_owned(), owner: format!("ops of {id}"), break_lock: false }
}

fn step(script: &str) -> PlannedStep {
    PlannedStep {
        id: "kesl/1".into(),
        product: "kesl".into(),
        kind: "run".into(),
        summary: "run it".into(),
        commands: Vec::new(),
        script: script.into(),
        run_as: "root".into(),
        timeout: 60,
        accept: vec![0],
        reboot_codes: Vec::new(),
        retry_on: Vec::new(),
        blocked_if: None,
        env: BTreeMap::new(),
        stdin: None,
        effect: None,
        condition: None,
        instructions: None,
        already_so: false,
    }
}

#[track_caller]
fn ended(answer: StepAnswer) -> (i32, String, String) {
    match answer {
        StepAnswer::Ended { status, stdout, stderr } => (status, stdout.text(), stderr.text()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_step_is_run_once_and_its_outcome_is_exact() {
    for shell in shells() {
        let host = Host::locked(shell);
        let trace = host.path("trace");
        let script =
            format!("echo once >>{}; printf 'o\\000ut\\n\\n'; printf 'err' >&2; exit 7", trace.display());
        let step = step(&script);
        for _ in 0..2 {
            assert_eq!(ended(host.begin(&step, "c1")), (7, "o\0ut\n\n".into(), "err".into()), "{shell}");
        }
        assert_eq!(ended(host.lookup(&step, "c1", false)).0, 7);
        assert_eq!(std::fs::read_to_string(&trace).unwrap(), "once\n", "{shell}");
        assert_eq!(host.release(&run("r1")), None);
        assert!(!host.state().exists(), "{shell}");
    }
}
