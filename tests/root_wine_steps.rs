//! The host's side of a step on Windows: the very scripts that are sent to hosts, over SSH to hosts of the Wine
//! lab. What Wine cannot prove is in docs/windows-lab.md.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test"
)]

mod wine_lab;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use uproot::apply::remote::windows::{self, WindowsPlace};
use uproot::apply::remote::{
    Uploads, read_lock, read_release, read_renewal, read_windows_step, windows_lines,
};
use uproot::apply::{Holder, LockAnswer, LockOrder, StepAnswer, StepOrder};
use uproot::model::{Secret, sha256_hex};
use uproot::plan::{PlannedStep, PlannedUpload};
use wine_lab::{ToolFault, WineHost, WineLab};

const STATE: &str = "C:\\ProgramData\\uproot";

/// One controller's run on a host.
struct Run<'a> {
    host: &'a WineHost,
    place: WindowsPlace,
    order: LockOrder,
}

impl<'a> Run<'a> {
    fn new(host: &'a WineHost, run: &str) -> Self {
        let order = LockOrder {
            run: run.into(),
            owner: format!("root@{run} & \"x\" %PATH%"),
            break_lock: false,
            token: format!("token-{run}"),
        };
        Self { host, place: WindowsPlace::default(), order }
    }

    fn lock(&self) -> LockAnswer {
        let script = windows::lock_script(&self.place, &self.order, &nonce()).unwrap();
        read_lock(&windows_lines(&ask(self.host, &script))).unwrap()
    }

    fn renew(&self) -> Result<Option<Holder>, String> {
        let script = windows::renew_script(&self.place, &self.order, &nonce()).unwrap();
        read_renewal(&windows_lines(&ask(self.host, &script)))
    }

    fn release(&self) -> Option<String> {
        let script = windows::release_script(&self.place, &self.order, &nonce()).unwrap();
        read_release(&windows_lines(&ask(self.host, &script))).unwrap()
    }

    fn begin_text(&self, step: &PlannedStep, claim: &str, only_begin: bool) -> String {
        let order = StepOrder { step, claim, only_begin };
        windows::begin_script(&self.place, &self.order, &order, &secrets(), &uploads(), &nonce()).unwrap()
    }

    fn begin(&self, step: &PlannedStep, claim: &str) -> StepAnswer {
        read_windows_step(&ask(self.host, &self.begin_text(step, claim, false))).unwrap()
    }

    fn begin_only(&self, step: &PlannedStep, claim: &str) -> StepAnswer {
        read_windows_step(&ask(self.host, &self.begin_text(step, claim, true))).unwrap()
    }

    fn lookup(&self, step: &PlannedStep, claim: &str, may_begin: bool) -> StepAnswer {
        let order = StepOrder { step, claim, only_begin: false };
        let script = windows::lookup_script(&self.place, &self.order, &order, may_begin, &nonce()).unwrap();
        read_windows_step(&ask(self.host, &script)).unwrap()
    }
}

fn nonce() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{:032x}", COUNT.fetch_add(1, Ordering::Relaxed) + 1)
}

const PASSWORD: &str = "50% ^of!it & <a|b> 100%%";

fn secrets() -> BTreeMap<String, Secret> {
    BTreeMap::from([("password".to_owned(), Secret::new("password", PASSWORD.to_owned()))])
}

const TOOL: &[u8] = b"@echo off\r\necho %~n0 says %1\r\nexit /b 5\r\n";

/// A file of every byte there is.
fn binary() -> Vec<u8> {
    (0..=255).cycle().take(40_001).collect()
}

fn uploads() -> Uploads {
    let files = [TOOL.to_vec(), binary()].into_iter().map(|content| (sha256_hex(&content), content.into()));
    // What was changed on its way.
    files.chain([(sha256_hex(b"another"), b"anotter".as_slice().into())]).collect()
}

fn upload(name: &str, content: &[u8]) -> PlannedUpload {
    PlannedUpload { name: name.into(), source: format!("/srv/{name}"), sha256: sha256_hex(content) }
}

/// A flat script between the marks that the transport sets around it, and what the host prints between them.
fn sent(script: &str) -> Vec<u8> {
    let head = "@echo off\nprompt $_\nset \"U=mark\"\necho %U%:begin\n";
    format!("{head}{script}echo %U%:end\nexit 0\n").replace('\n', "\r\n").into_bytes()
}

fn ask(host: &WineHost, script: &str) -> Vec<u8> {
    let ran = host.ssh("cmd.exe /d /q", &sent(script));
    let find = |what: &[u8]| ran.bytes.windows(what.len()).position(|at| at == what);
    let (Some(begin), Some(end)) = (find(b"mark:begin"), find(b"mark:end")) else {
        panic!("no marks: {}{}", ran.stdout, ran.stderr)
    };
    ran.bytes[begin + b"mark:begin".len()..end].to_vec()
}

fn step(script: &str, timeout: u64) -> PlannedStep {
    PlannedStep {
        id: "kes/1".into(),
        product: "kes".into(),
        kind: "run".into(),
        summary: "try".into(),
        commands: Vec::new(),
        script: script.into(),
        run_as: "root".into(),
        timeout,
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

fn ended(answer: StepAnswer) -> (i32, String, String) {
    match answer {
        StepAnswer::Ended { status, stdout, stderr } => (status, stdout.text(), stderr.text()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_step_runs_apart_and_nothing_is_left() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    let run = Run::new(&host, "run-1");
    let LockAnswer::Taken { from: None, broken: false, records } = run.lock() else { panic!("not taken") };
    assert_eq!(records, "token-run-1");
    let mut first = step("@echo off\necho hello\necho broken>&2\nexit /b 3010\n", 60);
    first.env.insert("KLPASSWD".into(), "password".into());
    first.script = format!("set KLPASSWD>C:\\secret.txt\n{}", first.script);
    let (status, out, err) = ended(run.begin(&first, "a.1"));
    assert_eq!((status, out.trim(), err.trim()), (3010, "hello", "broken"));
    let secret = std::fs::read_to_string(host.path("C:\\secret.txt")).unwrap();
    assert_eq!(secret.trim_end(), format!("KLPASSWD={PASSWORD}"));
    // A second order of the claim runs nothing again.
    assert_eq!(ended(run.begin(&first, "a.1")).0, 3010);
    assert_eq!(ended(run.lookup(&first, "a.1", false)).0, 3010);
    assert_eq!(host.task_runs().iter().filter(|(name, _)| name.ends_with("a.1")).count(), 1);
    assert_eq!(run.renew(), Ok(None));
    assert_eq!(run.release(), None);
    host.has_nothing_of_uproot();
    let calls = format!("{:?}{:?}", host.task_runs(), host.execs());
    assert!(!calls.contains("50%"), "{calls}");
}

#[test]
fn files_are_laid_down_as_they_are_or_nothing_is_run() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    let run = Run::new(&host, "run-1");
    assert!(matches!(run.lock(), LockAnswer::Taken { .. }));
    let text = "@echo off\ncopy /b \"%UPROOT_FILES%\\tool.bin\" C:\\copy.bin <nul >nul\n\"%UPROOT_FILES%\\clean-up.cmd\" now\n";
    let mut tools = step(text, 60);
    tools.uploads = vec![upload("tool.bin", &binary()), upload("clean-up.cmd", TOOL)];
    let (status, out, err) = ended(run.begin(&tools, "a.1"));
    assert_eq!((status, out.trim(), err.trim()), (5, "clean-up says now", ""));
    assert!(std::fs::read(host.path("C:\\copy.bin")).unwrap() == binary(), "it arrived as it is");
    // One that is not as planned is not run, whatever else there is.
    let mut other = step("@echo off\necho ran>C:\\ran.txt\n", 60);
    other.uploads = vec![upload("clean-up.cmd", TOOL), upload("other.bin", b"another")];
    let answer = run.begin(&other, "a.2");
    let StepAnswer::NotBegun(reason) = answer else { panic!("{answer:?}") };
    assert!(reason.contains("the file `other.bin` cannot be laid down"), "{reason}");
    // A tool that takes itself away is there again for the next try.
    let text = "@echo off\nif not exist \"%UPROOT_FILES%\\clean-up.cmd\" exit /b 9\ndel \"%UPROOT_FILES%\\clean-up.cmd\"\n\
                if exist C:\\tried exit /b 6\necho x>C:\\tried\nexit /b 75\n";
    let mut again = step(text, 60);
    again.uploads = vec![upload("clean-up.cmd", TOOL)];
    again.retry_on = vec![75];
    assert_eq!(ended(run.begin(&again, "a.3")).0, 6);
    assert!(!host.exists("C:\\ran.txt"));
    assert_eq!(run.release(), None);
    host.has_nothing_of_uproot();
}

#[test]
fn a_step_whose_code_asks_for_it_is_tried_again_with_its_secrets() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    let run = Run::new(&host, "run-1");
    assert!(matches!(run.lock(), LockAnswer::Taken { .. }));
    let text = "@echo off\nset KLPASSWD>>C:\\secret.txt\nif exist C:\\tried exit /b 3010\n\
                echo x>C:\\tried\nexit /b 75\n";
    let mut step = step(text, 60);
    step.env.insert("KLPASSWD".into(), "password".into());
    step.retry_on = vec![1618, 75];
    assert_eq!(ended(run.begin(&step, "a.1")).0, 3010);
    let secret = std::fs::read_to_string(host.path("C:\\secret.txt")).unwrap();
    assert_eq!(secret.lines().collect::<Vec<_>>(), vec![format!("KLPASSWD={PASSWORD}"); 2]);
    // One that asks for it all the time ends with that code.
    step.script = "@echo off\nexit /b 75\n".into();
    step.timeout = 10;
    assert_eq!(ended(run.begin(&step, "a.2")).0, 75);
    assert_eq!(run.release(), None);
    host.has_nothing_of_uproot();
}

/// A program under a name of its own that does nothing for a minute.
fn sleeper(host: &WineHost) -> String {
    std::fs::copy(host.path("C:\\lab\\uninst.exe"), host.path("C:\\lab\\sleeps.exe")).unwrap();
    "C:\\lab\\sleeps.exe /S /takes=60\nexit /b 0\n".to_owned()
}

#[test]
fn only_one_run_at_a_time_has_the_lock() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    {
        let (one, other) = (Run::new(&host, "run-1"), Run::new(&host, "run-2"));
        assert!(matches!(one.lock(), LockAnswer::Taken { .. }));
        assert!(matches!(one.lock(), LockAnswer::Taken { from: None, broken: false, .. }));
        let LockAnswer::Held(holder) = other.lock() else { panic!("two hold it") };
        assert_eq!((holder.run.as_str(), holder.expires), ("run-1", 900));
        assert_eq!(holder.owner, "root@run-1 ? ?x? ?PATH?");
        let StepAnswer::LockLost(holder) = other.begin(&step("exit /b 0\n", 60), "a.1") else {
            panic!("begun")
        };
        assert_eq!(holder.run, "run-1");
    }
}

#[test]
fn a_lease_that_nobody_renews_ends() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    let mut run = Run::new(&host, "run-1");
    run.place.lease = 3;
    assert!(matches!(run.lock(), LockAnswer::Taken { .. }));
    let other = Run::new(&host, "run-2");
    let begun = Instant::now();
    let from = loop {
        match other.lock() {
            LockAnswer::Taken { from, broken: false, .. } => break from,
            LockAnswer::Held(_) if begun.elapsed() < Duration::from_secs(60) => {}
            answer => panic!("{answer:?}"),
        }
    };
    assert!(from.unwrap().ends_with(": expired"));
    assert_eq!(other.release(), None);
    host.has_nothing_of_uproot();
}

#[test]
fn a_step_outlives_its_connection_and_a_reboot_is_told_from_its_end() {
    let lab = WineLab::new();
    let mut host = lab.host("win01").start();
    let order = {
        let run = Run::new(&host, "run-1");
        assert!(matches!(run.lock(), LockAnswer::Taken { .. }));
        let slow = step(&sleeper(&host), 300);
        let StepAnswer::Running { .. } = run.begin_only(&slow, "a.1") else { panic!("not begun") };
        assert!(host.run("tasklist /fo csv /nh").stdout.contains("sleeps.exe"));
        assert!(run.release().unwrap().contains("step `a.1` still runs"));
        // Nobody breaks into a step that runs.
        let mut other = Run::new(&host, "run-2");
        other.order.break_lock = true;
        let answer = other.lock();
        assert!(matches!(answer, LockAnswer::Held(_)), "{answer:?}");
        run.order.clone()
    };
    host.reboot();
    let again = Run { host: &host, place: WindowsPlace::default(), order };
    let LockAnswer::Taken { records, .. } = again.lock() else { panic!("not taken") };
    assert_eq!(records, "token-run-1");
    let answer = again.lookup(&step("exit /b 0\n", 60), "a.1", false);
    assert!(matches!(answer, StepAnswer::CutOff { by_reboot: true, .. }), "{answer:?}");
    // What was not begun is never begun once it was refused.
    let answer = again.lookup(&step("exit /b 0\n", 60), "b.1", false);
    assert!(matches!(answer, StepAnswer::NotBegun(_)), "{answer:?}");
    let answer = again.begin(&step("echo x>C:\\ran.txt\nexit /b 0\n", 60), "b.1");
    assert!(matches!(answer, StepAnswer::NotBegun(_)), "{answer:?}");
    assert!(!host.exists("C:\\ran.txt"));
    assert_eq!(again.release(), None);
    host.has_nothing_of_uproot();
}

#[test]
fn a_stream_that_is_cut_anywhere_runs_nothing() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    let run = Run::new(&host, "run-1");
    assert!(matches!(run.lock(), LockAnswer::Taken { .. }));
    let text = run.begin_text(&step("echo x>C:\\ran.txt\nexit /b 0\n", 60), "a.1", false);
    let whole = text.find("if not defined UP_BAD cmd.exe").unwrap();
    for at in [100, whole / 3, whole / 2 + 7, whole - 60, whole - 9, whole + 20, whole + 50] {
        let input = format!("set \"U=mark\"\n{}", &text[..at]).replace('\n', "\r\n");
        let _ = host.ssh("cmd.exe /d /q", input.as_bytes());
        assert!(!host.exists("C:\\ProgramData\\uproot\\run-1\\a.1.claim"), "cut at {at}");
        // The next one has a name of its own, as always.
        let _ = host.run("for /d %d in (C:\\ProgramData\\uproot.*) do rd /s /q %d");
    }
    // One of its lines is missing.
    let lines: Vec<_> = text.lines().filter(|line| *line != ">>s.step.cmd echo exit /b 0").collect();
    assert_eq!(lines.len() + 1, text.lines().count());
    let _ = host.ssh("cmd.exe /d /q", lines.join("\r\n").as_bytes());
    assert!(!host.exists("C:\\ran.txt"));
    assert_eq!(run.release(), None);
    host.has_nothing_of_uproot();
}

#[test]
fn a_folder_that_others_may_use_is_refused() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    host.run(&format!("mkdir {STATE}")).expect(0);
    let run = Run::new(&host, "run-1");
    let LockAnswer::Refused(why) = run.lock() else { panic!("taken") };
    assert!(why.contains("is open to others"), "{why}");
    assert!(run.release().unwrap().contains("is open to others"));
    let unsure = windows::lookup_script(
        &run.place,
        &run.order,
        &StepOrder { step: &step("ver\n", 60), claim: "a.1", only_begin: false },
        false,
        &nonce(),
    );
    assert!(read_windows_step(&ask(&host, &unsure.unwrap())).unwrap_err().contains("is open to others"));
    host.run(&format!("rd {STATE}")).expect(0);
    host.flag("not-elevated", true);
    let LockAnswer::Refused(why) = run.lock() else { panic!("taken") };
    assert!(why.contains("no administrator"), "{why}");
    host.has_nothing_of_uproot();
}

#[test]
fn one_tool_that_could_not_be_started_once_loses_nothing() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    // For the lock, then for the step. Of icacls the second call makes an exchange's folder private, the fourth that of
    // all. Of schtasks the first call is `/create`, the second `/run`; with 0 it says that it has started what it has not.
    let faults = [
        [vec![("wevtutil", 0, 1), ("schtasks", 0, 1)], vec![("icacls", 1, 1), ("schtasks", 1, 1)]],
        [vec![("icacls", 3, 1), ("schtasks", 1, 0)], vec![("wevtutil", 0, 0), ("schtasks", 1, 0)]],
    ];
    for (number, [in_lock, in_step]) in faults.iter().enumerate() {
        let fail = |tools: &[(&str, u32, u32)]| {
            for (tool, after, code) in tools {
                host.tool_fault(tool, &ToolFault::Once(*after, *code));
            }
        };
        let run = Run::new(&host, &format!("run-{number}"));
        fail(in_lock);
        let answer = run.lock();
        assert!(matches!(answer, LockAnswer::Taken { from: None, .. }), "{number}: {answer:?}");
        fail(in_step);
        let (status, out, _) = ended(run.begin(&step("@echo off\necho ran\nexit /b 3\n", 60), "a.1"));
        assert_eq!((status, out.trim()), (3, "ran"), "{number}: {}", host.log());
        assert_eq!(run.release(), None, "{number}");
        host.has_nothing_of_uproot();
    }
}

#[test]
fn a_lock_whose_keeper_never_starts_leaves_nothing() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    host.tool_fault("schtasks", &ToolFault::Says(Vec::new(), 0));
    let run = Run::new(&host, "run-1");
    let LockAnswer::Refused(why) = run.lock() else { panic!("taken") };
    assert!(why.contains("the keeper of the lock did not start"), "{why}");
    assert!(!host.exists(STATE), "{}", host.run("dir /s /b /a C:\\ProgramData\\uproot*").stdout);
}

#[test]
fn a_lock_whose_keeper_does_not_start_again_keeps_what_is_recorded() {
    let lab = WineLab::new();
    let mut host = lab.host("win01").start();
    let step = step("@echo off\necho ran\nexit /b 3\n", 60);
    let order = {
        let run = Run::new(&host, "run-1");
        assert!(matches!(run.lock(), LockAnswer::Taken { .. }));
        assert_eq!(ended(run.begin(&step, "a.1")).0, 3);
        run.order.clone()
    };
    host.reboot();
    let run = Run { host: &host, place: WindowsPlace::default(), order };
    host.tool_fault("schtasks", &ToolFault::Says(Vec::new(), 0));
    let LockAnswer::Refused(why) = run.lock() else { panic!("taken") };
    assert!(why.contains("the keeper of the lock did not start"), "{why}");
    // From now on it is the real one.
    host.tool_fault("schtasks", &ToolFault::Once(1000, 0));
    let LockAnswer::Taken { records, .. } = run.lock() else { panic!("not taken") };
    assert_eq!(records, "token-run-1");
    assert_eq!(ended(run.lookup(&step, "a.1", false)).0, 3);
    assert_eq!(run.release(), None);
    host.has_nothing_of_uproot();
}

/// Wine's own tools say nothing and end with 0.
#[test]
fn tools_that_say_nothing_are_no_reason_to_go_on() {
    let lab = WineLab::new();
    let tools = ["wevtutil", "icacls", "schtasks"];
    let hosts = lab.start_all(tools.iter().map(|tool| lab.host(tool).stub(tool)).collect());
    for (host, why) in hosts.iter().zip(["which boot", "icacls does not show", "scheduled task"]) {
        let LockAnswer::Refused(said) = Run::new(host, "run-1").lock() else { panic!("{why}: taken") };
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_live_lock_can_be_broken_where_nothing_runs() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    let one = Run::new(&host, "run-1");
    assert!(matches!(one.lock(), LockAnswer::Taken { .. }));
    let mut other = Run::new(&host, "run-2");
    other.order.break_lock = true;
    let LockAnswer::Taken { from: Some(from), broken: true, .. } = other.lock() else { panic!("not taken") };
    assert!(from.starts_with("run run-1 of "), "{from}");
    // Whose lock it was notices that, and runs nothing.
    let StepAnswer::LockLost(holder) = one.begin(&step("echo x>C:\\ran.txt\nexit /b 0\n", 60), "a.1") else {
        panic!("begun")
    };
    assert_eq!(holder.run, "run-2");
    assert_eq!(other.release(), None);
    assert!(!host.exists("C:\\ran.txt"));
    host.has_nothing_of_uproot();
}
