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
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use uproot::apply::remote::{self, Place};
use uproot::apply::{LockAnswer, LockOrder, StepAnswer, StepOrder};
use uproot::model::output::single_quoted;
use uproot::model::sha256_hex;
use uproot::plan::{PlannedStep, PlannedUpload};

/// What a shell's name has behind it where the host is like a Mac.
const OF_MACOS: &str = " of macOS";

/// The shells that a host's `sh` may be, as far as they are on this machine; and those of a host that has what macOS
/// has: no `/proc`, no `setsid`, a `nohup` that refuses, BSD's `ps`, `wc` and `dd`.
fn shells() -> Vec<&'static str> {
    let all = ["dash", "bash", "busybox", "dash of macOS", "bash of macOS", "zsh of macOS"];
    let is_there = |name: &&str| which(name.strip_suffix(OF_MACOS).unwrap_or(name)).is_some();
    let found: Vec<_> = all.into_iter().filter(is_there).collect();
    assert!(!found.is_empty(), "none of {all:?} is on this machine");
    found
}

/// Those without macOS's but one, where each costs long.
fn fewer_shells() -> Vec<&'static str> {
    shells().into_iter().filter(|shell| !shell.ends_with(OF_MACOS) || shell.starts_with("bash")).collect()
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
    is_mac: bool,
    /// The programs that a Mac does not have.
    hidden: Vec<&'static str>,
}

/// The stand-ins for macOS's tools. What they tell comes from the `/proc` that the host itself does not have.
const MAC_TOOLS: [(&str, &str); 5] = [
    ("ps", include_str!("living_mac/ps.sh")),
    (
        "sysctl",
        "case $* in\n'-n kern.boottime') sed -n 's/^btime \\(.*\\)/{ sec = \\1, usec = 0 } Fri Nov 27 08:50:03 2026/p' \
         \"$PROC/stat\" ;;\n'-n kern.bootsessionuuid') cat \"$PROC/sys/kernel/random/boot_id\" ;;\n*) exit 99 ;;\nesac\n",
    ),
    ("wc", "/usr/bin/wc \"$@\" | sed 's/^/       /'\n"),
    (
        "dd",
        "case \"$*\" in *fsync*) echo 'dd: unknown conversion fsync' >&2; exit 1 ;; esac\nexec /usr/bin/dd \"$@\"\n",
    ),
    ("nohup", "echo \"nohup: can't detach from console: Inappropriate ioctl for device\" >&2\nexit 127\n"),
];

impl Host {
    fn new(shell: &str) -> Self {
        let is_mac = shell.ends_with(OF_MACOS);
        let shell = shell.strip_suffix(OF_MACOS).unwrap_or(shell);
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
        if is_mac {
            std::fs::create_dir(dir.path().join("proc")).unwrap();
            for (tool, body) in MAC_TOOLS {
                let proc = dir.path().join("proc");
                let text = format!("#!/bin/sh\nPROC={}\n{body}", proc.display());
                program(&bin.join(tool), &text);
            }
        }
        let state = dir.path().join("state");
        let place = Place {
            state: state.to_str().unwrap().to_owned(),
            systemd: dir.path().join("systemd").to_str().unwrap().to_owned(),
            ..Place::linux()
        };
        Self { dir, place, is_mac, hidden: vec!["/usr/bin/setsid"] }
    }

    fn state(&self) -> PathBuf {
        PathBuf::from(&self.place.state)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The host's `sh`.
    fn shell(&self) -> Command {
        let shell = self.path("bin/sh");
        if !self.is_mac {
            return Command::new(shell);
        }
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        let hide = "mount --rbind /proc \"$1\" && mount -t tmpfs none /proc && shell=$2 && shift 2 && \
                    while [ \"$1\" != -- ]; do mount --bind /dev/null \"$1\" || exit; shift; done && \
                    shift && exec \"$shell\" \"$@\"";
        command.args(["--mount", "sh", "-c", hide, "sh"]).arg(self.path("proc")).arg(shell);
        command.args(&self.hidden).arg("--");
        command
    }

    /// As the transport sends a script: over standard input, run with its own input closed.
    fn start(&self, script: &str) -> Child {
        let bin = self.path("bin");
        let mut child = self
            .shell()
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
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
        remote::read_lock(&output.stdout).unwrap()
    }

    fn release(&self, order: &LockOrder) -> Option<String> {
        let output = self.run(&remote::release_script(&self.place, order).unwrap());
        assert!(output.status.success(), "{}: {}", output.status, text(&output.stdout));
        remote::read_release(&output.stdout).unwrap()
    }

    fn begin_script(&self, step: &PlannedStep, claim: &str, only_begin: bool) -> String {
        let order = StepOrder { step, claim, only_begin };
        remote::begin_script(&self.place, &run("r1"), &order, &BTreeMap::new(), &uploads()).unwrap()
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

/// Writes a program by another process: one that this process had open could be "busy" in a child.
fn program(file: &Path, text: &str) {
    let write = Command::new("sh")
        .args(["-c", "printf '%s' \"$2\" >\"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(file)
        .arg(text)
        .status();
    assert!(write.unwrap().success());
}

fn answer(output: &Output) -> StepAnswer {
    // With another status its answer would not be looked at.
    assert!(output.status.success(), "{}: {}", output.status, text(&output.stdout));
    remote::read_step(&output.stdout, &output.stderr)
        .unwrap_or_else(|error| panic!("{error}\n{}\n{}", text(&output.stdout), text(&output.stderr)))
}

/// What a host said that could not tell.
fn unsure(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, text(&output.stdout));
    remote::read_step(&output.stdout, &output.stderr).unwrap_err()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(id: &str) -> LockOrder {
    LockOrder {
        run: id.to_owned(),
        owner: format!("ops of {id}"),
        break_lock: false,
        token: uuid::Uuid::new_v4().simple().to_string(),
    }
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
        encodings: BTreeMap::new(),
        stdin: None,
        uploads: Vec::new(),
        effect: None,
        condition: None,
        instructions: None,
        already_so: false,
    }
}

/// A file of every byte there is.
fn tool() -> Vec<u8> {
    (0..=255).cycle().take(200_001).collect()
}

fn uploads() -> remote::Uploads {
    let files = [tool(), b"echo \"$(basename \"$0\"): $1\"\n".to_vec()];
    let files = files.into_iter().map(|content| (sha256_hex(&content), content.into()));
    // What was changed on its way.
    files.chain([(sha256_hex(b"another"), b"anotter".as_slice().into())]).collect()
}

fn upload(name: &str, content: &[u8]) -> PlannedUpload {
    PlannedUpload { name: name.into(), source: format!("/srv/{name}"), sha256: sha256_hex(content) }
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

#[test]
fn a_step_has_the_surroundings_of_a_login_and_no_input() {
    // A Mac has no place that tells which files are open.
    for shell in shells().into_iter().filter(|shell| !shell.ends_with(OF_MACOS)) {
        let host = Host::locked(shell);
        // What whoever runs the tests has left open comes through everything.
        let plain = Command::new("sh").args(["-c", "ls /proc/self/fd | wc -l"]).output().unwrap();
        let open = String::from_utf8(plain.stdout).unwrap();
        let script = "pwd; umask; printf '%s.' \"$PATH\" \"${LC_ALL-unset}\" \"$0\" | grep -c :; cat; ls /proc/self/fd | wc -l";
        let (status, stdout, _) = ended(host.begin(&step(script), "c1"));
        assert_eq!((status, stdout), (0, format!("/\n0022\n1\n{open}")), "{shell}");
    }
}

#[test]
fn output_beyond_the_bounds_is_drained_and_counted() {
    for shell in shells() {
        let host = Host::locked(shell);
        let script = "echo first; echo other >&2; yes 123456789 | head -c 10000000 & yes abcdefghi | head -c 10000000 >&2; wait; echo last; echo end >&2";
        let StepAnswer::Ended { status, stdout, stderr } = host.begin(&step(script), "c1") else { panic!() };
        assert_eq!((status, stdout.total(), stderr.total()), (0, 10_000_011, 10_000_010), "{shell}");
        for (output, first, last) in
            [(&stdout, "first\n1234", "789\nlast\n"), (&stderr, "other\nabcd", "ghi\nend\n")]
        {
            let text = output.text();
            assert!(text.starts_with(first) && text.ends_with(last), "{shell}");
            assert_eq!(
                output.bytes().len(),
                2 * remote::SEGMENT + "\n[uproot: 8951435 bytes left out]\n".len()
            );
        }
        let kept: u64 = std::fs::read_dir(host.state().join("r1"))
            .unwrap()
            .map(|e| e.unwrap().metadata().unwrap().len())
            .sum();
        assert!(kept < 4 * 1024 * 1024, "{shell}: {kept} bytes");
    }
}

#[test]
fn output_at_the_border_of_a_segment_is_exact() {
    let host = Host::locked("dash");
    let segment = remote::SEGMENT;
    for (n, size) in
        [segment - 1, segment, segment + 1, 2 * segment, 2 * segment + 1, 3 * segment, 3 * segment + 5]
            .into_iter()
            .enumerate()
    {
        let script = format!("seq 1 1000000 | head -c {size}");
        let StepAnswer::Ended { stdout, .. } = host.begin(&step(&script), &format!("c{n}")) else { panic!() };
        let whole: Vec<u8> = (1..1_000_000).flat_map(|n| format!("{n}\n").into_bytes()).take(size).collect();
        let bytes = stdout.bytes();
        assert_eq!(stdout.total(), size as u64);
        let tail = size.saturating_sub(segment).min(segment);
        assert!(bytes.starts_with(&whole[..size.min(segment)]), "{size}");
        assert!(bytes.ends_with(&whole[size - tail..]), "{size}");
        assert_eq!(stdout.is_truncated(), size > 2 * segment);
    }
}

/// Ends what a test left running, whether it fails or not.
struct Kill(PathBuf);

impl Drop for Kill {
    fn drop(&mut self) {
        if let Ok(pid) = std::fs::read_to_string(&self.0) {
            let _ = Command::new("kill").args(["-9", pid.trim()]).status();
        }
    }
}

#[test]
fn a_child_that_outlives_the_step_and_keeps_its_streams_delays_nothing_and_gets_no_signal() {
    for shell in fewer_shells() {
        let host = Host::locked(shell);
        let (pid, said) = (host.path("pid"), host.path("said"));
        let _kill = Kill(pid.clone());
        let script = format!(
            "(trap 'echo pipe >{said}' PIPE; sleep 8; echo late; echo late >&2; echo ok >{said}; exec sleep 22) & echo $! >{pid}; echo now",
            said = said.display(),
            pid = pid.display()
        );
        let started = Instant::now();
        assert_eq!(ended(host.begin(&step(&script), "c1")), (0, "now\n".into(), String::new()), "{shell}");
        assert!(started.elapsed() < Duration::from_millis(7900), "{shell}: {:?}", started.elapsed());
        assert_eq!(host.release(&run("r1")), None, "{shell}");
        assert!(!host.state().exists(), "{shell}");
        await_that(|| said.exists());
        assert_eq!(std::fs::read_to_string(&said).unwrap(), "ok\n", "{shell}");
    }
}

#[track_caller]
fn await_that(condition: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < until, "it never became so");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn files_are_laid_down_as_they_are_or_nothing_is_run() {
    for shell in shells() {
        let host = Host::locked(shell);
        let trace = host.path("trace");
        let mut tools = step(&format!(
            "cat \"$UPROOT_FILES/tool.bin\" >{}; sh \"$UPROOT_FILES/cleaner.sh\" 'it is'; exit 4",
            trace.display()
        ));
        let script = b"echo \"$(basename \"$0\"): $1\"\n";
        tools.uploads = vec![upload("tool.bin", &tool()), upload("cleaner.sh", script)];
        let (status, stdout, stderr) = ended(host.begin(&tools, "c1"));
        assert_eq!((status, stdout.as_str(), stderr.as_str()), (4, "cleaner.sh: it is\n", ""), "{shell}");
        assert!(std::fs::read(&trace).unwrap() == tool(), "{shell}: it arrived as it is");
        // One that is not as planned is not run, whatever else there is.
        let mut other = step(&format!("echo ran >>{}", trace.display()));
        other.uploads = vec![upload("cleaner.sh", script), upload("other.bin", b"another")];
        let answer = host.begin(&other, "c2");
        let StepAnswer::NotBegun(reason) = answer else { panic!("{shell}: {answer:?}") };
        assert!(reason.contains("the file `other.bin` did not arrive as it is"), "{shell}: {reason}");
        assert!(matches!(host.lookup(&other, "c2", true), StepAnswer::NotBegun(_)), "{shell}");
        assert!(std::fs::read(&trace).unwrap() == tool(), "{shell}: nothing was run");
        assert!(!host.state().join("r1/c2.files").exists(), "{shell}: what does not fit is taken away");
        assert_eq!(host.release(&run("r1")), None, "{shell}");
        assert!(!host.state().exists(), "{shell}: nothing stays");
    }
}

#[test]
fn a_tool_that_takes_itself_away_is_there_again_for_the_next_try() {
    let script = b"echo \"$(basename \"$0\"): $1\"\n";
    for shell in fewer_shells() {
        let host = Host::locked(shell);
        let again = format!(
            "sh \"$UPROOT_FILES/cleaner.sh\" try >>{0}; echo echo other >\"$UPROOT_FILES/cleaner.sh\"; \
             [ $(wc -l <{0}) -lt 2 ] && exit 75; exit 6",
            host.path("tries").display()
        );
        let mut again = step(&again);
        again.uploads = vec![upload("cleaner.sh", script)];
        again.retry_on = vec![75];
        assert_eq!(ended(host.begin(&again, "c1")).0, 6, "{shell}");
        let tries = std::fs::read_to_string(host.path("tries")).unwrap();
        assert_eq!(tries, "cleaner.sh: try\ncleaner.sh: try\n", "{shell}");
    }
}

#[test]
fn of_many_that_begin_one_claim_together_one_runs_it_and_all_tell_the_outcome() {
    for shell in fewer_shells() {
        let host = Host::locked(shell);
        let trace = host.path("trace");
        let script = host.begin_script(
            &step(&format!("echo once >>{}; sleep 0.3; exit 3", trace.display())),
            "c1",
            false,
        );
        let children: Vec<Child> = (0..20).map(|_| host.start(&script)).collect();
        for child in children {
            assert_eq!(ended(answer(&child.wait_with_output().unwrap())).0, 3, "{shell}");
        }
        assert_eq!(std::fs::read_to_string(&trace).unwrap(), "once\n", "{shell}");
    }
}

#[test]
fn of_a_begin_and_one_that_gives_the_claim_up_exactly_one_wins() {
    for shell in shells() {
        let host = Host::locked(shell);
        let (mut begun, mut given_up) = (0, 0);
        for n in 0..25u64 {
            let trace = host.path(&format!("trace{n}"));
            let step = step(&format!("echo ran >>{}", trace.display()));
            let claim = format!("c{n}");
            let beginner = host.start(&host.begin_script(&step, &claim, false));
            std::thread::sleep(Duration::from_millis(n * 2));
            let voider = host.start(&host.lookup_script(&step, &claim, false));
            let answers =
                [answer(&beginner.wait_with_output().unwrap()), answer(&voider.wait_with_output().unwrap())];
            let ran = trace.exists();
            for answer in answers {
                match answer {
                    StepAnswer::Ended { status: 0, .. } => assert!(ran, "{shell}"),
                    StepAnswer::NotBegun(_) => assert!(!ran, "{shell}"),
                    other => panic!("{shell}: {other:?}"),
                }
            }
            if ran { begun += 1 } else { given_up += 1 }
        }
        assert!(given_up > 0, "{shell}: {begun} begun, {given_up} given up: the race was none");
    }
}

fn claimed(host: &Host, claim: &str) -> Option<u32> {
    let text = std::fs::read_to_string(host.state().join(format!("r1/{claim}.claim"))).ok()?;
    text.split(' ').next()?.parse().ok()
}

#[test]
fn a_wrapper_that_is_killed_at_any_moment_leaves_a_truth_and_never_a_second_run() {
    for shell in fewer_shells() {
        let host = Host::locked(shell);
        let (mut cut, mut over) = (0, 0);
        // A machine that is busy needs longer to come to the step's end.
        let delays = (0..20u64).map(|n| n * 6).chain([250, 500, 1000, 2000, 4000]);
        for (n, delay) in delays.enumerate() {
            if n >= 20 && over > 0 {
                break;
            }
            let trace = host.path(&format!("trace{n}"));
            let step =
                step(&format!("echo ran >>{}; sleep 0.05; echo done >>{}", trace.display(), trace.display()));
            let claim = format!("c{n}");
            let beginner = host.start(&host.begin_script(&step, &claim, false));
            await_that(|| claimed(&host, &claim).is_some());
            std::thread::sleep(Duration::from_millis(delay));
            let pid = claimed(&host, &claim).unwrap();
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
            let first = answer(&beginner.wait_with_output().unwrap());
            let at_first = std::fs::read_to_string(&trace).unwrap_or_default();
            for answer in [first, host.lookup(&step, &claim, false), host.begin(&step, &claim)] {
                match answer {
                    StepAnswer::CutOff { by_reboot: false, .. } => cut += 1,
                    StepAnswer::Ended { status: 0, .. } => {
                        over += 1;
                        assert_eq!(at_first, "ran\ndone\n", "{shell}");
                    }
                    other => panic!("{shell}: {other:?}"),
                }
            }
            assert_eq!((cut % 3, over % 3), (0, 0), "{shell}: not the same answer every time");
            std::thread::sleep(Duration::from_millis(100));
            // What is told to be over does not go on.
            assert_eq!(std::fs::read_to_string(&trace).unwrap_or_default(), at_first, "{shell}");
        }
        assert!(cut > 0 && over > 0, "{shell}: {cut} cut off, {over} ended");
    }
}

#[test]
fn a_step_whose_wrapper_was_killed_still_runs_as_long_as_its_own_shell_does() {
    let host = Host::locked("dash");
    let trace = host.path("trace");
    let step = PlannedStep {
        timeout: 1,
        ..step(&format!("echo ran >>{t}; sleep 3; echo done >>{t}", t = trace.display()))
    };
    let beginner = host.start(&host.begin_script(&step, "c1", true));
    assert!(matches!(answer(&beginner.wait_with_output().unwrap()), StepAnswer::Running { .. }));
    await_that(|| trace.exists());
    let pid = claimed(&host, "c1").unwrap();
    Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    assert!(matches!(host.lookup(&step, "c1", false), StepAnswer::Running { .. }));
    assert!(host.release(&run("r1")).unwrap().contains("still runs"));
    await_that(|| matches!(host.lookup(&step, "c1", false), StepAnswer::CutOff { by_reboot: false, .. }));
    assert_eq!(std::fs::read_to_string(&trace).unwrap(), "ran\ndone\n");
}

#[test]
fn a_step_survives_whoever_waited_for_it() {
    for shell in shells() {
        let host = Host::locked(shell);
        let step = step("echo begun; sleep 1.5; echo ended; exit 4");
        let mut beginner = host.start(&host.begin_script(&step, "c1", false));
        await_that(|| claimed(&host, "c1").is_some());
        // As a dying connection: the whole process group of the session.
        let group = format!("-{}", beginner.id());
        Command::new("kill").args(["-HUP", "--", &group]).status().unwrap();
        Command::new("kill").args(["-9", "--", &group]).status().unwrap();
        beginner.wait().unwrap();
        assert_eq!(
            ended(host.lookup(&step, "c1", false)),
            (4, "begun\nended\n".into(), String::new()),
            "{shell}"
        );
    }
}

#[test]
fn a_host_without_any_means_to_a_session_of_its_own_begins_steps_all_the_same() {
    let mut host = Host::locked("bash of macOS");
    host.hidden.push("/usr/bin/perl");
    let mut beginner = host.start(&host.begin_script(&step("echo begun; sleep 1.5; exit 4"), "c1", false));
    await_that(|| claimed(&host, "c1").is_some());
    Command::new("kill").args(["-HUP", "--", &format!("-{}", beginner.id())]).status().unwrap();
    beginner.wait().unwrap();
    assert_eq!(ended(host.lookup(&step(""), "c1", false)), (4, "begun\n".into(), String::new()));
}

#[test]
fn a_step_that_signals_its_own_process_group_still_has_an_outcome() {
    for shell in shells() {
        let host = Host::locked(shell);
        let (status, stdout, _) =
            ended(host.begin(&step("echo before; kill -TERM 0; sleep 5; echo after"), "c1"));
        assert_eq!((status, stdout.as_str()), (143, "before\n"), "{shell}");
    }
}

#[test]
fn a_step_that_takes_too_long_is_left_running_and_its_end_can_be_had_later() {
    for shell in shells() {
        let mut host = Host::new(shell);
        host.place.pulse = 1;
        let LockAnswer::Taken { records, .. } = host.lock(&run("r1")) else { panic!("{shell}") };
        let mut step = step("echo slow; sleep 3; exit 9");
        step.timeout = 2;
        let output = host.run(&host.begin_script(&step, "c1", false));
        assert!(output.stdout.starts_with(b"~\n"), "{shell}: no sign of life: {:?}", text(&output.stdout));
        let StepAnswer::Running { stdout, reason, .. } = answer(&output) else { panic!("{shell}") };
        assert_eq!(stdout.text(), "slow\n", "{shell}");
        assert!(reason.contains("pid "), "{reason}");
        assert!(host.release(&run("r1")).unwrap().contains("step `c1` still runs"), "{shell}");
        assert!(
            matches!(host.lock(&run("r1")), LockAnswer::Taken { records: now, from: None, .. } if now == records),
            "{shell}: the records are the very same"
        );
        step.timeout = 60;
        assert_eq!(ended(host.lookup(&step, "c1", false)).0, 9, "{shell}");
        assert_eq!(host.release(&run("r1")), None, "{shell}");
        let LockAnswer::Taken { records: anew, .. } = host.lock(&run("r1")) else { panic!("{shell}") };
        assert_ne!(anew, records, "{shell}: they are others");
    }
}

#[test]
fn a_status_that_asks_for_another_try_gets_it_within_the_time() {
    let host = Host::locked("dash");
    let trace = host.path("trace");
    let script = format!("echo try >>{t}; [ $(wc -l <{t}) -ge 2 ] || exit 75", t = trace.display());
    let step = PlannedStep { retry_on: vec![75], ..step(&script) };
    assert_eq!(ended(host.begin(&step, "c1")).0, 0);
    let step = PlannedStep { retry_on: vec![75], timeout: 5, ..step };
    std::fs::remove_file(&trace).unwrap();
    assert_eq!(ended(host.begin(&step, "c2")).0, 75, "there is no time for another");
}

#[test]
fn what_was_not_begun_is_told_and_may_be_begun_or_never_will_be() {
    for shell in shells() {
        let host = Host::locked(shell);
        let step = step("echo ran");
        assert!(matches!(host.lookup(&step, "c1", true), StepAnswer::NotBegun(_)), "{shell}");
        assert_eq!(ended(host.begin(&step, "c1")).1, "ran\n");
        assert!(matches!(host.lookup(&step, "c2", false), StepAnswer::NotBegun(_)), "{shell}");
        assert!(matches!(host.begin(&step, "c2"), StepAnswer::NotBegun(_)), "{shell}");
        assert!(matches!(host.lookup(&step, "c2", true), StepAnswer::NotBegun(_)), "{shell}");
        std::fs::remove_dir_all(host.state().join("r1")).unwrap();
        assert!(matches!(host.lookup(&step, "c1", true), StepAnswer::Forgotten), "{shell}");
        assert!(matches!(host.begin(&step, "c3"), StepAnswer::Forgotten), "{shell}");
        // It was there with the lock, and may be on a file system that is not mounted.
        std::fs::remove_dir_all(host.state()).unwrap();
        for script in [host.lookup_script(&step, "c1", false), host.begin_script(&step, "c1", false)] {
            assert!(unsure(&host.run(&script)).ends_with("is missing"), "{shell}");
        }
    }
}

#[test]
fn a_program_that_cannot_be_started_once_makes_no_record_forgotten() {
    for shell in shells() {
        let host = Host::locked(shell);
        let step = step("echo ran");
        assert_eq!(ended(host.begin(&step, "c1")).1, "ran\n", "{shell}");
        let ls = host.path("bin/ls");
        let _ = std::fs::remove_file(&ls);
        program(&ls, "#!/bin/sh\nexit 1\n");
        for script in [host.lookup_script(&step, "c1", false), host.begin_script(&step, "c1", false)] {
            assert!(unsure(&host.run(&script)).ends_with("cannot be looked at"), "{shell}");
        }
        assert!(host.release(&run("r1")).unwrap().ends_with("cannot be looked at"), "{shell}");
        assert!(host.state().join("r1/c1.status").exists(), "{shell}");
    }
}

#[test]
fn a_reboot_is_told_from_a_death_and_a_pid_in_use_again_from_a_wrapper() {
    for shell in shells() {
        let host = Host::locked(shell);
        let claim = host.state().join("r1/c1.claim");
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        std::fs::write(&claim, "1 1 another-boot 5\n").unwrap();
        std::fs::write(host.state().join("r1/c1.out.0"), "so far").unwrap();
        let StepAnswer::CutOff { by_reboot, stdout, .. } = host.lookup(&step(""), "c1", false) else {
            panic!()
        };
        assert_eq!((by_reboot, stdout.text().as_str()), (true, "so far"), "{shell}");
        // This very process, as if started at another time.
        std::fs::write(&claim, format!("{} 1 {} 5\n", std::process::id(), boot.trim())).unwrap();
        assert!(
            matches!(host.lookup(&step(""), "c1", false), StepAnswer::CutOff { by_reboot: false, .. }),
            "{shell}"
        );
        // A status that a power cut left empty is none.
        std::fs::write(host.state().join("r1/c1.status"), "").unwrap();
        assert!(
            matches!(host.lookup(&step(""), "c1", false), StepAnswer::CutOff { by_reboot: false, .. }),
            "{shell}"
        );
    }
}
