//! The twelve ways in which libssh2 reports success that was none, or hangs, each against a real
//! sshd. Needs root: the server changes users.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod transport_lab;

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use transport_lab::*;
use uproot::model::Cancel;
use uproot::transport::{Credentials, KnownHosts, Limits, StreamEnd, Timeouts, TransportErrorKind, connect};

#[test]
fn the_contract_holds_over_a_real_sshd() {
    let sshd = Sshd::start("");
    contract::holds(&|| sshd.connect("root").unwrap_or_else(|error| panic!("{error}: {}", sshd.log())));
}

#[test]
fn pitfall_1_a_process_killed_by_a_signal_has_exit_status_0() {
    let sshd = Sshd::start("");
    // Bash runs a single command in its own place, so that sshd sees the signal.
    let answer = ask(&mut sshd.connect("root").unwrap(), "echo before; kill -9 $$");
    let StreamEnd::NoMarker { reason } = &answer.end else { panic!("{:?}", answer.end) };
    assert!(reason.contains("signal KILL") || reason.contains("status 137"), "{reason}");
    assert_eq!(answer.stdout.text(), "before\n");
}

#[test]
fn pitfall_2_a_cut_connection_has_exit_status_0() {
    let sshd = Sshd::start("");
    let mut session = sshd.connect("root").unwrap();
    // The first ancestor named sshd serves this connection.
    let script = "echo before; sleep 0.5; p=$$; while read -r _ name _ < /proc/$p/stat; do case $name in '(sshd'*) \
                  kill -9 $p; break;; esac; p=$(sed 's/.*) . //; s/ .*//' /proc/$p/stat); done; sleep 20";
    let answer = ask(&mut session, script);
    assert!(matches!(answer.end, StreamEnd::Lost { .. }), "{answer:?}");
    assert_eq!(answer.stdout.text(), "before\n");
    let error = ask_with(&mut session, "id", None, limits(), &Cancel::new().unwrap()).unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::Lost);
}

#[test]
fn pitfall_3_a_timeout_of_the_library_is_no_deadline() {
    let sshd = Sshd::start("");
    let mut session = sshd.connect("root").unwrap();
    let started = Instant::now();
    let limits = Limits { deadline: Duration::from_secs(1), ..limits() };
    let script = "for n in 1 2 3 4 5 6; do echo $n; sleep 0.5; done";
    let answer = ask_with(&mut session, script, None, limits, &Cancel::new().unwrap()).unwrap();
    assert!(matches!(answer.end, StreamEnd::TimedOut { .. }), "{:?}", answer.end);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[test]
fn pitfall_4_a_blocking_call_cannot_be_interrupted() {
    let sshd = Sshd::start("");
    let mut session = sshd.connect("root").unwrap();
    let started = Instant::now();
    let cancel = cancel_after(Duration::from_millis(1500));
    let answer = ask_with(&mut session, "sleep 20", None, limits(), &cancel).unwrap();
    assert_eq!(answer.end, StreamEnd::Cancelled);
    assert!(started.elapsed() < Duration::from_millis(2500), "{:?}", started.elapsed());
}

#[test]
fn pitfall_5_dropping_the_channel_of_a_running_command_waits_for_its_end() {
    let sshd = Sshd::start("");
    let mut session = sshd.connect("root").unwrap();
    let cancel = cancel_after(Duration::from_millis(1500));
    ask_with(&mut session, "sleep 9", None, limits(), &cancel).unwrap();
    let started = Instant::now();
    drop(session);
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    // A complete one whose child goes on is not waited for either.
    let mut session = sshd.connect("root").unwrap();
    ask(&mut session, "sleep 5 & :");
    let started = Instant::now();
    drop(session);
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
}

#[test]
fn pitfall_6_two_streams_share_one_window() {
    let sshd = Sshd::start("");
    let script = "head -c 4194304 /dev/zero >&2; echo done";
    let answer = ask(&mut sshd.connect("root").unwrap(), script);
    assert_eq!(answer.end, StreamEnd::Complete { status: 0 });
    assert_eq!((answer.stdout.text().as_str(), answer.stderr.total()), ("done\n", 4_194_304));
}

#[test]
fn pitfall_7_a_background_child_holds_the_end_of_the_stream_back() {
    let sshd = Sshd::start("");
    let mut session = sshd.connect("root").unwrap();
    let started = Instant::now();
    let answer = ask(&mut session, "sleep 6 & echo done");
    assert_eq!(answer.end, StreamEnd::Complete { status: 0 });
    // The session goes on while that child lives, and more of them than a connection may have.
    assert_eq!(ask(&mut session, "echo next").stdout.text(), "next\n");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    for n in 0..12 {
        let answer = ask(&mut session, &format!("sleep 6 & echo {n}"));
        assert_eq!(answer.stdout.text(), format!("{n}\n"));
    }
}

#[test]
fn pitfall_8_what_is_not_read_stops_the_remote_command() {
    let sshd = Sshd::start("");
    let small = Limits { keep: 100, ..limits() };
    let script = "head -c 30000000 /dev/zero; exit 9";
    let mut session = sshd.connect("root").unwrap();
    let answer = ask_with(&mut session, script, None, small, &Cancel::new().unwrap()).unwrap();
    assert_eq!(answer.end, StreamEnd::Complete { status: 9 });
    assert!(answer.stdout.is_truncated() && answer.stdout.total() == 30_000_000);
    assert!(answer.stdout.bytes().len() < 200);
}

#[test]
fn pitfall_9_the_connect_timeout_is_ours_to_set() {
    let listener = TcpListener::bind(free_address()).unwrap();
    let at = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&at, Duration::from_millis(300)) {
        queue.push(stream);
    }
    let times = Timeouts { connect: Duration::from_millis(800), ..timeouts() };
    let started = Instant::now();
    let nobody = credentials(KnownHosts::default(), &[]);
    let error =
        connect(&target(at, "root"), &nobody, &times, &Cancel::new().unwrap()).map(|_| ()).unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::Connect, "{error}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[test]
fn pitfall_10_known_hosts_has_ports_hashed_names_and_several_types() {
    let sshd = Sshd::start("");
    let file = sshd.path("known_hosts");
    let mut scan = Command::new("ssh-keyscan");
    scan.args(["-p", &sshd.at.port().to_string(), &sshd.at.ip().to_string()]).stderr(Stdio::null());
    std::fs::write(&file, run_ok(&mut scan)).unwrap();
    run_ok(Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&file));
    assert!(std::fs::read_to_string(&file).unwrap().contains("|1|"));
    let hashed = Credentials {
        known_hosts: std::sync::Arc::new(KnownHosts::read(&[file]).unwrap()),
        ..sshd.credentials()
    };
    let session = connect(&sshd.target("root"), &hashed, &timeouts(), &Cancel::new().unwrap()).unwrap();
    let listed = run_ok(Command::new("ssh-keygen").args(["-l", "-f"]).arg(sshd.path("host_ed25519.pub")));
    assert_eq!(session.host_key().as_deref(), listed.split_whitespace().nth(1));
}

/// A host with more than one key shows the one that is known, whatever its own order is.
#[test]
fn pitfall_10_the_known_type_is_asked_for() {
    let keys = tempfile::tempdir().unwrap();
    let rsa = keys.path().join("host_rsa");
    keygen(&rsa, "rsa", "");
    let sshd = Sshd::start(&format!("HostKey {}", rsa.display()));
    let known = KnownHosts::parse("kh", &known_line(sshd.at, &rsa.with_extension("pub")));
    let only_rsa = credentials(known, &[sshd.path("id")]);
    connect(&sshd.target("root"), &only_rsa, &timeouts(), &Cancel::new().unwrap()).unwrap();
}

#[test]
fn pitfall_11_a_start_file_of_the_shell_is_read_at_each_command() {
    let sshd = users::start("");
    let mut session = sshd.connect("noisy").unwrap();
    let noise =
        run_ok(Command::new("cat").arg(sshd.users.as_ref().unwrap().path().join("home/noisy/.bashrc")));
    assert!(noise.contains("Welcome"));
    let answer = ask(&mut session, "echo out; echo err >&2");
    assert_eq!((answer.stdout.text().as_str(), answer.stderr.text().as_str()), ("out\n", "err\n"));
}

#[test]
fn pitfall_12_a_server_that_drops_early_connections_is_a_clear_failure() {
    let sshd = Sshd::start("MaxStartups 1:100:1");
    // The connection that found it listening has to be forgotten first.
    std::thread::sleep(Duration::from_millis(500));
    let mut held = TcpStream::connect(sshd.at).unwrap();
    held.write_all(b"SSH-2.0-idle\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let error = sshd.connect("root").map(|_| ()).unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::Handshake, "{error}");
    assert!(error.message.contains(&sshd.at.to_string()), "{error}");
}

/// libssh2 only arms keep-alives; somebody has to send them, and to see whether they are answered.
/// Takes 80 s: a quiet step must outlive the time after which a dead host is given up.
#[test]
fn a_long_quiet_step_is_kept_and_a_host_that_stopped_is_given_up() {
    let sshd = Sshd::start("");
    let long = Limits { deadline: Duration::from_secs(150), ..limits() };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut session = sshd.connect("root").unwrap();
            let script = "sleep 70; echo done";
            let answer = ask_with(&mut session, script, None, long, &Cancel::new().unwrap()).unwrap();
            assert_eq!(
                (answer.end, answer.stdout.text().as_str()),
                (StreamEnd::Complete { status: 0 }, "done\n")
            );
        });
        let mut session = sshd.connect("root").unwrap();
        let started = Instant::now();
        let script = "echo before; sleep 0.5; p=$$; while read -r _ name _ < /proc/$p/stat; do case $name in \
                      '(sshd'*) (sleep 85; kill -KILL $p) & kill -STOP $p; break;; esac; \
                      p=$(sed 's/.*) . //; s/ .*//' /proc/$p/stat); done; sleep 90";
        let answer = ask_with(&mut session, script, None, long, &Cancel::new().unwrap()).unwrap();
        let StreamEnd::Lost { reason } = &answer.end else { panic!("{:?}", answer.end) };
        assert!(reason.contains("keep-alives were not answered"), "{reason}");
        assert!(started.elapsed() < Duration::from_secs(85), "{:?}", started.elapsed());
    });
}
