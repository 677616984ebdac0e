//! Becoming root on a real sshd with real sudo and doas. Needs root: the server changes users, in a
//! mount namespace with an `/etc` of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod transport_lab;

use std::time::{Duration, Instant};
use transport_lab::users::{PASSWORD, start, sudo_log};
use transport_lab::*;
use uproot::inventory::BecomeMethod;
use uproot::model::{Cancel, Secret};
use uproot::transport::{Answer, Become, BecomeResult, StreamEnd};

fn wish(method: BecomeMethod, password: Option<&str>) -> Become {
    Become { method, password: password.map(|password| Secret::new("become", password.to_owned())) }
}

fn sudo(password: Option<&str>) -> Become {
    wish(BecomeMethod::Sudo, password)
}

fn run_as(sshd: &Sshd, user: &str, wish: &Become) -> Answer {
    let mut session = sshd.connect(user).unwrap_or_else(|error| panic!("{error}: {}", sshd.log()));
    let answer =
        ask_with(&mut session, "id -u; touch ran; echo end", Some(wish), limits(), &Cancel::new().unwrap());
    let answer = answer.unwrap_or_else(|error| panic!("{user}: {error}"));
    // Whatever became of root, the session goes on being usable.
    assert_eq!(ask(&mut session, "echo still here").stdout.text(), "still here\n", "{user}");
    answer
}

fn assert_root(answer: &Answer) {
    assert_eq!(answer.become_result, BecomeResult::Root, "{answer:?}");
    assert_eq!(answer.end, StreamEnd::Complete { status: 0 }, "{answer:?}");
    assert_eq!(answer.stdout.text(), "0\nend\n");
    assert_eq!(answer.stderr.text(), "");
}

fn assert_refused(answer: &Answer, because: &str) {
    let BecomeResult::Failed { reason } = &answer.become_result else { panic!("{answer:?}") };
    assert!(reason.contains(because), "{reason}");
    assert!(!reason.contains(PASSWORD), "{reason}");
    assert!(matches!(answer.end, StreamEnd::NoMarker { .. }), "{answer:?}");
    assert_eq!(answer.stdout.total(), 0);
}

#[test]
fn sudo_that_asks_gets_the_password_in_every_login_shell() {
    let sshd = start("");
    for user in ["asks", "asksdash", "askscsh", "asksfish", "askszsh", "noisy"] {
        assert_root(&run_as(&sshd, user, &sudo(Some(PASSWORD))));
    }
    assert!(!sudo_log(&sshd).contains("incorrect"), "{}", sudo_log(&sshd));
}

#[test]
fn sudo_that_does_not_ask_never_gets_a_password() {
    let sshd = start("");
    assert_root(&run_as(&sshd, "nopass", &sudo(Some(PASSWORD))));
    assert_root(&run_as(&sshd, "nopass", &sudo(None)));
}

#[test]
fn a_cached_login_is_neither_used_nor_needed() {
    let sshd = start("");
    let mut session = sshd.connect("asks").unwrap();
    let quoted = PASSWORD.replace('\'', "'\\''");
    let answer =
        ask(&mut session, &format!("echo '{quoted}' | sudo -S -p '' true; sudo -n true && echo cached"));
    assert_eq!(answer.stdout.text(), "cached\n", "{answer:?}");
    drop(session);
    assert_root(&run_as(&sshd, "asks", &sudo(Some(PASSWORD))));
    assert_refused(&run_as(&sshd, "asks", &sudo(None)), "wants a password");
    assert_refused(&run_as(&sshd, "asks", &sudo(Some("wrong"))), "did not accept");
}

#[test]
fn a_wrong_password_is_one_attempt_and_runs_nothing() {
    let sshd = start("");
    let started = Instant::now();
    let answer = run_as(&sshd, "asks", &sudo(Some("wrong")));
    assert_refused(&answer, "sudo did not accept the password of `asks`");
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    let log = sudo_log(&sshd);
    let attempts: Vec<&str> = log.lines().filter(|line| line.contains("incorrect password")).collect();
    assert_eq!(attempts.len(), 1, "{log}");
    assert!(attempts[0].contains("1 incorrect password attempt"), "{log}");
    assert!(!log.contains("3 incorrect"), "{log}");
    assert!(!sshd.users.as_ref().unwrap().path().join("home/asks/ran").exists());
}

#[test]
fn without_a_password_sudo_is_not_made_to_ask() {
    let sshd = start("");
    let started = Instant::now();
    assert_refused(&run_as(&sshd, "asks", &sudo(None)), "none was given; give it with `--ask-become-pass`");
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(!sudo_log(&sshd).contains("incorrect password"), "{}", sudo_log(&sshd));
}

#[test]
fn a_user_who_may_not_use_sudo_is_told_so() {
    let sshd = start("");
    for password in [Some(PASSWORD), None] {
        let answer = run_as(&sshd, "stranger", &sudo(password));
        assert!(matches!(answer.become_result, BecomeResult::Failed { .. }), "{answer:?}");
    }
    assert_refused(&run_as(&sshd, "stranger", &sudo(Some(PASSWORD))), "may not use sudo");
    assert_refused(&run_as(&sshd, "onlyls", &sudo(Some(PASSWORD))), "sudoers does not let");
}

#[test]
fn a_host_without_sudo_or_doas_is_told_so() {
    let sshd = start("sudo doas");
    for password in [Some(PASSWORD), None] {
        let started = Instant::now();
        assert_refused(&run_as(&sshd, "asks", &sudo(password)), "sudo is not installed");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    assert_refused(&run_as(&sshd, "asksfish", &sudo(None)), "sudo is not installed");
    assert_refused(&run_as(&sshd, "doer", &wish(BecomeMethod::Doas, None)), "doas is not installed");
    // Root needs neither.
    assert_root(&run_as(&sshd, "root", &sudo(None)));
    let _ = std::fs::remove_file("/root/ran");
}

#[test]
fn doas_works_without_a_password_only() {
    let sshd = start("");
    assert_root(&run_as(&sshd, "doer", &wish(BecomeMethod::Doas, None)));
    assert_root(&run_as(&sshd, "doer", &wish(BecomeMethod::Doas, Some(PASSWORD))));
    assert_refused(&run_as(&sshd, "doasker", &wish(BecomeMethod::Doas, None)), "only reads from a terminal");
    assert_refused(&run_as(&sshd, "stranger", &wish(BecomeMethod::Doas, None)), "doas.conf does not let");
}

#[test]
fn the_password_is_in_no_argument_list_and_no_log() {
    let sshd = start("");
    let mut session = sshd.connect("asks").unwrap();
    let script = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'";
    let wish = sudo(Some(PASSWORD));
    let answer = ask_with(&mut session, script, Some(&wish), limits(), &Cancel::new().unwrap()).unwrap();
    assert!(answer.stdout.text().contains("sudo"), "the question was not answered");
    assert!(!answer.stdout.text().contains("a Secret"));
    assert!(!sudo_log(&sshd).contains("a Secret") && !sshd.log().contains("a Secret"));
}
