use super::*;
use crate::inventory::BecomeMethod;
use crate::transport::{BecomeResult, StreamEnd};

fn limits() -> Limits {
    Limits { deadline: Duration::from_secs(20), idle: None, keep: 1 << 20, receive: 1 << 30 }
}

fn run_with(script: &str, limits: Limits, cancel: &Cancel) -> Result<Answer, TransportError> {
    Local::new(&Timeouts::default()).run(script, None, limits, cancel)
}

fn run(script: &str) -> Answer {
    run_with(script, limits(), &Cancel::new().unwrap()).unwrap()
}

/// Whether a process with this in its command line is there.
fn is_running(needle: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let status = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).replace('\0', " ").contains(needle))
            && !status.contains(") Z ")
    })
}

#[test]
fn runs_a_script_and_keeps_its_streams_and_status_apart() {
    let answer = run("echo out; echo err >&2; cat; exit 7");
    assert_eq!(answer.end, StreamEnd::Complete { status: 7 });
    assert_eq!((answer.stdout.text().as_str(), answer.stderr.text().as_str()), ("out\n", "err\n"));
    assert_eq!(answer.become_result, BecomeResult::NotAsked);
}

#[test]
fn a_large_script_and_large_outputs_do_not_block_each_other() {
    let script = format!(
        ": '{}'\nhead -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero; echo done",
        "x".repeat(900_000)
    );
    let answer = run(&script);
    assert_eq!(answer.end, StreamEnd::Complete { status: 0 });
    assert_eq!(answer.stdout.total(), 3_000_005);
    assert_eq!(answer.stderr.total(), 3_000_000);
    assert!(answer.stdout.is_truncated() && answer.stdout.text().ends_with("done\n"));
}

#[test]
fn the_deadline_kills_the_whole_group_at_once() {
    let started = Instant::now();
    let limits = Limits { deadline: Duration::from_millis(700), ..limits() };
    let answer = run_with("sleep 98.7654 & sleep 98.7654", limits, &Cancel::new().unwrap()).unwrap();
    assert!(matches!(answer.end, StreamEnd::TimedOut { .. }), "{:?}", answer.end);
    assert!(started.elapsed() < Duration::from_secs(3));
    std::thread::sleep(Duration::from_millis(100));
    assert!(!is_running("sleep 98.7654"));
}

#[test]
fn cancel_acts_at_once() {
    let cancel = Cancel::new().unwrap();
    let other = cancel.clone();
    let started = Instant::now();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        other.cancel();
    });
    let answer = run_with("sleep 97.6543", limits(), &cancel).unwrap();
    canceller.join().unwrap();
    assert_eq!(answer.end, StreamEnd::Cancelled);
    assert!(started.elapsed() < Duration::from_secs(2));
    std::thread::sleep(Duration::from_millis(100));
    assert!(!is_running("sleep 97.6543"));
}

#[test]
fn silence_ends_a_script_with_an_idle_limit() {
    let limits = Limits { idle: Some(Duration::from_millis(400)), ..limits() };
    let answer = run_with("echo first; sleep 96.1234", limits, &Cancel::new().unwrap()).unwrap();
    let StreamEnd::TimedOut { reason } = &answer.end else { panic!("{:?}", answer.end) };
    assert!(reason.contains("400 ms"), "{reason}");
    assert_eq!(answer.stdout.text(), "first\n");
}

#[test]
fn a_flood_is_cut() {
    let limits = Limits { receive: 10_000_000, keep: 1000, ..limits() };
    let answer = run_with("cat /dev/zero", limits, &Cancel::new().unwrap()).unwrap();
    assert_eq!(answer.end, StreamEnd::Flooded);
    assert!(answer.stdout.total() < 12_000_000);
}

#[test]
fn a_killed_script_has_no_status() {
    let answer = run("echo before; kill -9 $$");
    let StreamEnd::NoMarker { reason } = &answer.end else { panic!("{:?}", answer.end) };
    assert!(reason.contains("signal 9"), "{reason}");
    assert_eq!(answer.stdout.text(), "before\n");
}

#[test]
fn a_background_child_that_keeps_the_streams_does_not_hold_the_end_back() {
    let started = Instant::now();
    let answer = run("sleep 5 & echo done");
    assert_eq!(answer.end, StreamEnd::Complete { status: 0 });
    assert_eq!(answer.stdout.text(), "done\n");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn one_session_runs_many_scripts() {
    let mut local = Local::new(&Timeouts::default());
    let cancel = Cancel::new().unwrap();
    for n in 0..5 {
        let answer = local.run(&format!("exit {n}"), None, limits(), &cancel).unwrap();
        assert_eq!(answer.end, StreamEnd::Complete { status: n });
    }
}

#[test]
fn becoming_root_gives_root_or_a_reason_and_never_hangs() {
    let wish = Become { method: BecomeMethod::Sudo, password: None };
    let mut local = Local::new(&Timeouts::default());
    let answer = local.run("id -u", Some(&wish), limits(), &Cancel::new().unwrap()).unwrap();
    match answer.become_result {
        BecomeResult::Root => assert_eq!(answer.stdout.text(), "0\n"),
        BecomeResult::Failed { reason } => {
            assert!(!reason.is_empty());
            assert!(matches!(answer.end, StreamEnd::NoMarker { .. }));
        }
        BecomeResult::NotAsked => panic!("it was asked"),
    }
}

#[test]
fn a_script_with_a_nul_is_refused() {
    let error = run_with("echo \0", limits(), &Cancel::new().unwrap()).unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::Local);
}
