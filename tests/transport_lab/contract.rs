//! What every way to reach a host has to hold, checked against each.

use super::*;
use uproot::transport::{BecomeResult, StreamEnd};

/// Runs every check on sessions that `connect` makes. Where root is asked for, it may be refused.
pub fn holds(connect: &dyn Fn() -> Probing) {
    streams_and_status_are_kept_apart(connect);
    a_status_is_the_scripts_own(connect);
    the_script_arrives_exactly(connect);
    large_streams_do_not_block_each_other(connect);
    output_is_bounded_and_says_so(connect);
    a_flood_is_cut(connect);
    the_deadline_is_kept_by_a_host_that_goes_on_sending(connect);
    silence_is_cut_only_where_it_is_limited(connect);
    cancel_acts_at_once(connect);
    a_killed_script_has_no_status(connect);
    a_background_child_does_not_hold_the_end_back(connect);
    root_is_given_or_refused_with_a_reason(connect);
    a_session_runs_many_scripts(connect);
}

fn ask_limited(session: &mut Probing, script: &str, limits: Limits) -> Answer {
    ask_with(session, script, None, limits, &Cancel::new().unwrap()).unwrap()
}

fn streams_and_status_are_kept_apart(connect: &dyn Fn() -> Probing) {
    let answer = ask(&mut connect(), "echo out; echo err >&2; printf 'no line break'; exit 7");
    assert_eq!(answer.end, StreamEnd::Complete { status: 7 });
    assert_eq!(answer.stdout.text(), "out\nno line break");
    assert_eq!(answer.stderr.text(), "err\n");
    assert_eq!(answer.become_result, BecomeResult::NotAsked);
    let answer = ask(&mut connect(), "");
    assert_eq!((answer.end, answer.stdout.total()), (StreamEnd::Complete { status: 0 }, 0));
}

fn a_status_is_the_scripts_own(connect: &dyn Fn() -> Probing) {
    let mut session = connect();
    for (script, status) in
        [("exit 255", 255), ("kill -9 $(sh -c 'echo $PPID')", 137), ("if then fi", 2), ("(exit 3)", 3)]
    {
        let answer = ask(&mut session, script);
        let StreamEnd::Complete { status: got } = answer.end else { panic!("{script}: {:?}", answer.end) };
        // A shell is free in its own status of a syntax error.
        assert!(got == status || (status == 2 && got > 0), "{script}: {got}");
    }
}

fn the_script_arrives_exactly(connect: &dyn Fn() -> Probing) {
    let script =
        "cat <<'EOF'\n  it's \"two\"  words\\n \t* $HOME `id`\n\nEOF\ncat <<EOF\n$((40 + 2))\nEOF\ncat\n";
    let answer = ask(&mut connect(), script);
    assert_eq!(answer.stdout.text(), "  it's \"two\"  words\\n \t* $HOME `id`\n\n42\n");
    let long = format!("x='{}'\necho ${{#x}}", "é'\\''x".repeat(40_000));
    assert!(ask(&mut connect(), &long).stdout.text().trim().parse::<u32>().unwrap() >= 120_000);
}

fn large_streams_do_not_block_each_other(connect: &dyn Fn() -> Probing) {
    let script =
        "head -c 5000000 /dev/zero >&2; head -c 5000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 4";
    let answer = ask(&mut connect(), script);
    assert_eq!(answer.end, StreamEnd::Complete { status: 4 });
    assert_eq!((answer.stdout.total(), answer.stderr.total()), (5_000_000, 8_000_000));
}

fn output_is_bounded_and_says_so(connect: &dyn Fn() -> Probing) {
    let limits = Limits { keep: 1000, ..limits() };
    let answer =
        ask_limited(&mut connect(), "echo first; head -c 20000000 /dev/zero; echo; echo last", limits);
    assert_eq!(answer.end, StreamEnd::Complete { status: 0 });
    assert!(answer.stdout.is_truncated());
    assert_eq!(answer.stdout.total(), 20_000_012);
    let text = answer.stdout.text();
    assert!(text.len() < 1200 && text.starts_with("first\n") && text.ends_with("\nlast\n"));
}

fn a_flood_is_cut(connect: &dyn Fn() -> Probing) {
    let started = Instant::now();
    let limits = Limits { receive: 20_000_000, keep: 1000, ..limits() };
    let answer = ask_limited(&mut connect(), "cat /dev/zero", limits);
    assert_eq!(answer.end, StreamEnd::Flooded);
    assert!(started.elapsed() < Duration::from_secs(20));
}

fn the_deadline_is_kept_by_a_host_that_goes_on_sending(connect: &dyn Fn() -> Probing) {
    let mut session = connect();
    let started = Instant::now();
    let limits = Limits { deadline: Duration::from_secs(2), idle: Some(Duration::from_secs(1)), ..limits() };
    let answer = ask_limited(&mut session, "while :; do echo x; sleep 0.2; done", limits);
    let StreamEnd::TimedOut { reason } = &answer.end else { panic!("{:?}", answer.end) };
    assert!(reason.contains("2 s"), "{reason}");
    assert!(answer.stdout.text().starts_with("x\nx\n"));
    drop(session);
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

fn silence_is_cut_only_where_it_is_limited(connect: &dyn Fn() -> Probing) {
    let limited = Limits { idle: Some(Duration::from_millis(700)), ..limits() };
    let answer = ask_limited(&mut connect(), "echo begun; sleep 30", limited);
    let StreamEnd::TimedOut { reason } = &answer.end else { panic!("{:?}", answer.end) };
    assert!(reason.contains("nothing was heard"), "{reason}");
    let answer = ask_limited(&mut connect(), "sleep 1.5; echo done", limits());
    assert_eq!(answer.stdout.text(), "done\n");
}

fn cancel_acts_at_once(connect: &dyn Fn() -> Probing) {
    let mut session = connect();
    let started = Instant::now();
    let cancel = cancel_after(Duration::from_millis(1500));
    let answer = ask_with(&mut session, "sleep 30", None, limits(), &cancel).unwrap();
    assert_eq!(answer.end, StreamEnd::Cancelled);
    drop(session);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

fn a_killed_script_has_no_status(connect: &dyn Fn() -> Probing) {
    let answer = ask(&mut connect(), "echo before; kill -9 $$");
    let StreamEnd::NoMarker { reason } = &answer.end else { panic!("{:?}", answer.end) };
    // A login shell in between may turn the signal into a status of its own.
    assert!(reason.contains("signal") || reason.contains("status 137"), "{reason}");
    assert_eq!(answer.stdout.text(), "before\n");
}

fn a_background_child_does_not_hold_the_end_back(connect: &dyn Fn() -> Probing) {
    let mut session = connect();
    let started = Instant::now();
    let answer = ask(&mut session, "sleep 6 & echo done");
    assert_eq!(answer.end, StreamEnd::Complete { status: 0 });
    assert_eq!(answer.stdout.text(), "done\n");
    drop(session);
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

fn root_is_given_or_refused_with_a_reason(connect: &dyn Fn() -> Probing) {
    let wish = Become { method: uproot::inventory::BecomeMethod::Sudo, password: None };
    let answer = ask_with(&mut connect(), "id -u", Some(&wish), limits(), &Cancel::new().unwrap()).unwrap();
    match answer.become_result {
        BecomeResult::Root => assert_eq!(answer.stdout.text(), "0\n"),
        BecomeResult::Failed { reason } => {
            assert!(reason.contains("sudo"), "{reason}");
            assert!(matches!(answer.end, StreamEnd::NoMarker { .. }));
        }
        BecomeResult::NotAsked => panic!("it was asked"),
    }
}

fn a_session_runs_many_scripts(connect: &dyn Fn() -> Probing) {
    let mut session = connect();
    for n in 0..20 {
        let answer = ask(&mut session, &format!("echo {n}; exit {n}"));
        assert_eq!(answer.end, StreamEnd::Complete { status: n });
        assert_eq!(answer.stdout.text(), format!("{n}\n"));
    }
}
