//! Hosts that misbehave as no sshd does, and the contract of both backends. Needs no root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod transport_lab;

use std::time::{Duration, Instant};
use transport_lab::odd::{Behaviour, Door, Odd, WORD};
use transport_lab::*;
use uproot::inventory::{BecomeMethod, ConnectionKind};
use uproot::model::{Cancel, Secret};
use uproot::transport::{
    Become, BecomeResult, Credentials, KnownHosts, Limits, StreamEnd, Target, Timeouts, TransportError,
    TransportErrorKind, connect,
};

fn failure(target: &Target, credentials: &Credentials, timeouts: &Timeouts) -> TransportError {
    match connect(target, credentials, timeouts, &Cancel::new().unwrap()) {
        Ok(_) => panic!("it let us in"),
        Err(error) => error,
    }
}

fn short() -> Timeouts {
    Timeouts { connect: Duration::from_secs(1), handshake: Duration::from_secs(1), ..Timeouts::default() }
}

#[test]
fn the_contract_holds_over_ssh() {
    let odd = Odd::start(Behaviour::Shell);
    contract::holds(&|| odd.connect());
}

#[test]
fn the_contract_holds_on_this_machine() {
    contract::holds(&|| {
        let odd = target("127.0.0.1:1".parse().unwrap(), "lab");
        let here = Target { kind: ConnectionKind::Local, ..odd };
        connect(&here, &credentials(KnownHosts::default(), &[]), &timeouts(), &Cancel::new().unwrap())
            .unwrap()
    });
}

#[test]
fn a_host_that_hangs_after_login_costs_its_timeout() {
    let odd = Odd::start(Behaviour::Silent);
    let mut session =
        connect(&target(odd.at, "lab"), &odd.credentials(), &short(), &Cancel::new().unwrap()).unwrap();
    let started = Instant::now();
    let error = ask_with(&mut session, "id", None, limits(), &Cancel::new().unwrap()).unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::TimedOut, "{error}");
    assert!(error.message.contains("did not get ready"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_host_that_hangs_in_the_handshake_costs_its_timeout() {
    let at = free_address();
    let _listener = std::net::TcpListener::bind(at).unwrap();
    let started = Instant::now();
    let error = failure(&target(at, "lab"), &credentials(KnownHosts::default(), &[]), &short());
    assert_eq!(error.kind, TransportErrorKind::Handshake, "{error}");
    assert!(error.message.starts_with(&at.to_string()), "{error}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

/// libssh2 reads such lines without ever returning to its caller.
#[test]
fn lines_without_end_before_the_banner_cost_the_timeout_and_obey_cancel() {
    use std::io::Write as _;
    let at = free_address();
    let listener = std::net::TcpListener::bind(at).unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let lines = b"welcome to the machine\r\n".repeat(1000);
            std::thread::spawn(move || while stream.write_all(&lines).is_ok() {});
        }
    });
    let nobody = credentials(KnownHosts::default(), &[]);
    let started = Instant::now();
    let error = failure(&target(at, "lab"), &nobody, &short());
    assert_eq!(error.kind, TransportErrorKind::Handshake, "{error}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    let started = Instant::now();
    let cancel = cancel_after(Duration::from_millis(300));
    let long = Timeouts { handshake: Duration::from_secs(60), ..short() };
    let error = connect(&target(at, "lab"), &nobody, &long, &cancel).map(|_| ()).unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::Cancelled, "{error}");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_flood_of_gigabytes_costs_bounded_memory() {
    let odd = Odd::start(Behaviour::Flood);
    let mut session = odd.connect();
    let before = memory();
    let limits =
        Limits { receive: 2_000_000_000, keep: 1 << 20, deadline: Duration::from_secs(10), idle: None };
    let answer = ask_with(&mut session, "id", None, limits, &Cancel::new().unwrap()).unwrap();
    assert!(matches!(answer.end, StreamEnd::Flooded | StreamEnd::TimedOut { .. }), "{:?}", answer.end);
    // The server lives in this process too; its share is small.
    let grown = memory().saturating_sub(before);
    assert!(grown < 100_000_000, "{grown} bytes");
}

#[test]
fn a_flood_before_the_reader_is_cut_as_well() {
    let odd = Odd::start(Behaviour::FloodUnready);
    let mut session = odd.connect();
    let limits = Limits { receive: 10_000_000, ..limits() };
    let error = ask_with(&mut session, "id", None, limits, &Cancel::new().unwrap()).unwrap_err();
    assert!(error.message.contains("more than was allowed"), "{error}");
}

#[test]
fn a_byte_now_and_then_does_not_move_the_deadline() {
    let odd = Odd::start(Behaviour::Trickle);
    let mut session = odd.connect();
    let started = Instant::now();
    let limits = Limits { deadline: Duration::from_secs(1), idle: Some(Duration::from_secs(20)), ..limits() };
    let answer = ask_with(&mut session, "id", None, limits, &Cancel::new().unwrap()).unwrap();
    assert!(matches!(answer.end, StreamEnd::TimedOut { .. }), "{:?}", answer.end);
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_connection_cut_in_mid_stream_is_lost_and_has_no_status() {
    let odd = Odd::start(Behaviour::Cut);
    let mut session = odd.connect();
    let answer = ask(&mut session, "id");
    assert!(matches!(answer.end, StreamEnd::Lost { .. }), "{:?}", answer.end);
    let error = ask_with(&mut session, "id", None, limits(), &Cancel::new().unwrap()).unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::Lost, "{error}");
}

#[test]
fn death_by_a_signal_is_no_status() {
    let odd = Odd::start(Behaviour::Signal);
    let answer = ask(&mut odd.connect(), "id");
    let StreamEnd::NoMarker { reason } = &answer.end else { panic!("{:?}", answer.end) };
    assert!(reason.contains("KILL"), "{reason}");
}

#[test]
fn an_exit_status_without_the_end_mark_is_not_believed() {
    for behaviour in [Behaviour::StatusLies, Behaviour::ForgedEnd] {
        let odd = Odd::start(behaviour);
        let answer = ask(&mut odd.connect(), "id");
        let StreamEnd::NoMarker { reason } = &answer.end else { panic!("{:?}", answer.end) };
        assert!(reason.contains("status 0 and without the end mark"), "{reason}");
    }
}

#[test]
fn a_host_that_starts_no_sh_is_quoted() {
    for (behaviour, said) in [(Behaviour::Echo, "sh -c"), (Behaviour::NoLogin, "currently not available")] {
        let odd = Odd::start(behaviour);
        let mut session = odd.connect();
        let error = ask_with(&mut session, "id", None, limits(), &Cancel::new().unwrap()).unwrap_err();
        assert_eq!(error.kind, TransportErrorKind::Lost, "{error}");
        assert!(error.message.contains("no `sh` was started") && error.message.contains(said), "{error}");
        // With root asked for, what the host said is told as well.
        let mut session = odd.connect();
        let wish = Become { method: BecomeMethod::Sudo, password: None };
        let answer = ask_with(&mut session, "id", Some(&wish), limits(), &Cancel::new().unwrap()).unwrap();
        assert!(matches!(answer.end, StreamEnd::NoMarker { .. }), "{answer:?}");
        let BecomeResult::Failed { reason } = &answer.become_result else { panic!("{answer:?}") };
        assert!(reason.contains(said), "{reason}");
    }
}

#[test]
fn a_key_that_is_not_known_and_one_that_has_changed_are_different_failures() {
    let odd = Odd::start(Behaviour::Shell);
    let host = target(odd.at, "lab");
    let key = odd.dir.path().join("id");
    let unknown =
        failure(&host, &credentials(KnownHosts::default(), std::slice::from_ref(&key)), &timeouts());
    assert_eq!(unknown.kind, TransportErrorKind::HostKeyUnknown, "{unknown}");
    assert!(unknown.message.contains("SHA256:"), "{unknown}");
    let remedy = unknown.remedy.unwrap();
    assert!(remedy.contains(&format!("ssh-keyscan -p {} {}", odd.at.port(), odd.at.ip())), "{remedy}");
    let other = known_line(odd.at, &key.with_extension("pub"));
    let changed = failure(
        &host,
        &credentials(KnownHosts::parse("kh", &other), std::slice::from_ref(&key)),
        &timeouts(),
    );
    assert_eq!(changed.kind, TransportErrorKind::HostKeyChanged, "{changed}");
    assert_eq!(changed.message.matches("SHA256:").count(), 2, "{changed}");
    assert!(changed.message.contains("kh:1"), "{changed}");
    let mine = std::fs::read_to_string(odd.dir.path().join("known_hosts")).unwrap();
    let revoked = KnownHosts::parse("kh", &format!("{mine}@revoked * {}", mine.split_once(' ').unwrap().1));
    let error = failure(&host, &credentials(revoked, &[key]), &timeouts());
    assert!(
        error.kind == TransportErrorKind::HostKeyChanged && error.message.contains("revoked by kh:2"),
        "{error}"
    );
}

#[test]
fn an_accepted_new_key_is_known_the_next_time_and_a_changed_one_is_never_accepted() {
    let odd = Odd::start(Behaviour::Shell);
    let host = target(odd.at, "lab");
    let (key, file) = (odd.dir.path().join("id"), odd.dir.path().join("sub/accepted"));
    let accepting = || KnownHosts::default().accept_new(file.clone());
    connect(
        &host,
        &credentials(accepting(), std::slice::from_ref(&key)),
        &timeouts(),
        &Cancel::new().unwrap(),
    )
    .unwrap();
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(written, std::fs::read_to_string(odd.dir.path().join("known_hosts")).unwrap());
    let strict = KnownHosts::read(std::slice::from_ref(&file)).unwrap();
    connect(&host, &credentials(strict, std::slice::from_ref(&key)), &timeouts(), &Cancel::new().unwrap())
        .unwrap();
    std::fs::write(&file, known_line(odd.at, &key.with_extension("pub"))).unwrap();
    let error = failure(&host, &credentials(accepting(), &[key]), &timeouts());
    assert_eq!(error.kind, TransportErrorKind::HostKeyChanged, "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 1);
}

#[test]
fn a_password_opens_where_the_server_takes_one() {
    for door in [Door::Password, Door::KeyboardInteractive] {
        let odd = Odd::start_with(Behaviour::Shell, door);
        let host = target(odd.at, "lab");
        let mut session =
            connect(&host, &with_password(odd.known_hosts(), WORD), &timeouts(), &Cancel::new().unwrap())
                .unwrap();
        assert_eq!(ask(&mut session, "echo in").stdout.text(), "in\n");
        let error = failure(&host, &with_password(odd.known_hosts(), "wrong-word"), &timeouts());
        assert_eq!(error.kind, TransportErrorKind::Authentication, "{error}");
        assert!(error.message.contains("refused") && !error.message.contains("wrong-word"), "{error}");
    }
}

#[test]
fn the_password_answers_a_single_question_only() {
    use std::sync::atomic::Ordering;
    let two = Odd::start_with(Behaviour::Shell, Door::TwoQuestions);
    let error = failure(&target(two.at, "lab"), &with_password(two.known_hosts(), WORD), &timeouts());
    assert_eq!(error.kind, TransportErrorKind::Authentication, "{error}");
    assert_eq!(two.answered.load(Ordering::SeqCst), 0);
    let one = Odd::start_with(Behaviour::Shell, Door::KeyboardInteractive);
    failure(&target(one.at, "lab"), &with_password(one.known_hosts(), "wrong-word"), &timeouts());
    assert_eq!(one.answered.load(Ordering::SeqCst), 1, "a wrong password is tried once");
}

#[test]
fn a_refused_login_says_what_was_tried_and_what_would_be_taken() {
    let odd = Odd::start_with(Behaviour::Shell, Door::Shut);
    let keys: Vec<_> = (0..6)
        .map(|n| {
            let path = odd.dir.path().join(format!("key{n}"));
            keygen(&path, "ed25519", "");
            path
        })
        .collect();
    let mut all = credentials(odd.known_hosts(), &keys);
    all.password = Some(Secret::new("login", "pass-word".to_owned()));
    let error = failure(&target(odd.at, "lab"), &all, &timeouts());
    assert_eq!(error.kind, TransportErrorKind::Authentication, "{error}");
    for part in ["`lab`", "key0", "key3`: refused", "2 further keys were not tried", "takes publickey"] {
        assert!(error.message.contains(part), "{part}: {error}");
    }
    assert!(error.remedy.unwrap().contains("ssh-copy-id"));
    assert!(odd.offers.load(std::sync::atomic::Ordering::SeqCst) <= 4);
}

#[test]
fn the_key_that_opened_is_tried_first_on_the_next_host() {
    use std::sync::atomic::Ordering;
    let odd = Odd::start(Behaviour::Shell);
    let all = odd.credentials();
    for n in 1..=3 {
        connect(&target(odd.at, "lab"), &all, &timeouts(), &Cancel::new().unwrap()).unwrap();
        assert_eq!(odd.offers.load(Ordering::SeqCst), n);
    }
}

#[test]
fn nobody_at_the_address_is_a_failure_to_connect() {
    let at = free_address();
    let error = failure(&target(at, "lab"), &credentials(KnownHosts::default(), &[]), &short());
    assert_eq!(error.kind, TransportErrorKind::Connect, "{error}");
    assert!(error.message.contains("refused") && error.message.starts_with(&at.to_string()), "{error}");
    let nowhere = Target { address: "no-such-host.invalid".to_owned(), ..target(at, "lab") };
    let error = failure(&nowhere, &credentials(KnownHosts::default(), &[]), &short());
    assert_eq!(error.kind, TransportErrorKind::Resolve, "{error}");
}

#[test]
fn two_hundred_hosts_at_once_fit_into_the_pools_stacks() {
    let odd = Odd::start(Behaviour::Shell);
    let all = odd.credentials();
    let items: Vec<u32> = (0..200).collect();
    let work = |n: &u32| {
        let mut session = connect(&target(odd.at, "lab"), &all, &timeouts(), &Cancel::new().unwrap())
            .map_err(|e| e.to_string())?;
        Ok::<_, String>((*n, ask(&mut session, &format!("echo {n}")).stdout.text()))
    };
    let results = uproot::transport::pool::for_each(64, &items, &Cancel::new().unwrap(), work, |n, panic| {
        Err(format!("{n}: {panic}"))
    });
    for (n, result) in results.into_iter().enumerate() {
        assert_eq!(result.unwrap().unwrap().1, format!("{n}\n"));
    }
}
