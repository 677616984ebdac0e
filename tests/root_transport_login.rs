//! Ways to log in to a real sshd. Needs root: the server changes users.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod transport_lab;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use transport_lab::users::PASSWORD;
use transport_lab::*;
use uproot::model::{Cancel, Secret};
use uproot::transport::{Credentials, Keys, TransportErrorKind, connect};

fn logs_in(sshd: &Sshd, user: &str, credentials: &Credentials) {
    let mut session = connect(&sshd.target(user), credentials, &timeouts(), &Cancel::new().unwrap())
        .unwrap_or_else(|error| panic!("{error}; {:?}; {}", error.remedy, sshd.log()));
    assert_eq!(ask(&mut session, "id -un").stdout.text(), format!("{user}\n"));
}

#[test]
fn every_kind_of_key_file() {
    let sshd = Sshd::start("");
    for (kind, form, passphrase) in [
        ("ed25519", "RFC4716", ""),
        ("rsa", "RFC4716", ""),
        ("rsa", "PEM", ""),
        ("ecdsa", "PKCS8", ""),
        ("ed25519", "RFC4716", "correct horse"),
        ("rsa", "PEM", "correct horse"),
    ] {
        let path = sshd.path(&format!("{kind}-{form}-{}", passphrase.len()));
        keygen(&path, kind, passphrase);
        if form != "RFC4716" {
            let change = ["-q", "-p", "-P", passphrase, "-N", passphrase, "-m", form, "-f"];
            run_ok(Command::new("ssh-keygen").args(change).arg(&path));
        }
        std::fs::copy(
            path.with_file_name(format!("{}.pub", path.file_name().unwrap().display())),
            sshd.path("authorized_keys"),
        )
        .unwrap();
        let secret = || Some(Secret::new("passphrase", passphrase.to_owned()));
        let keys = Keys::load(false, false, std::slice::from_ref(&path), &mut |_| secret()).unwrap();
        logs_in(&sshd, "root", &Credentials { keys: Arc::new(keys), ..sshd.credentials() });
    }
}

#[test]
fn a_hosts_own_key_file_and_a_certificate_beside_it() {
    let authority = tempfile::tempdir().unwrap();
    let ca = authority.path().join("ca");
    keygen(&ca, "ed25519", "");
    let sshd = Sshd::start(&format!("TrustedUserCAKeys {}.pub", ca.display()));
    std::fs::write(sshd.path("authorized_keys"), "").unwrap();
    let id = sshd.path("id");
    let own =
        Credentials { key_file: Some(id.display().to_string()), ..credentials(sshd.known_hosts(), &[]) };
    let refused =
        connect(&sshd.target("root"), &own, &timeouts(), &Cancel::new().unwrap()).map(|_| ()).unwrap_err();
    assert_eq!(refused.kind, TransportErrorKind::Authentication, "{refused}");
    run_ok(
        Command::new("ssh-keygen")
            .args(["-q", "-I", "lab", "-n", "root", "-s"])
            .arg(&ca)
            .arg(id.with_extension("pub")),
    );
    let own = Credentials { key_file: own.key_file, ..credentials(sshd.known_hosts(), &[]) };
    logs_in(&sshd, "root", &own);
}

#[test]
fn a_password_and_a_wrong_one() {
    let sshd = users::start("");
    logs_in(&sshd, "asks", &with_password(sshd.known_hosts(), PASSWORD));
    let wrong = with_password(sshd.known_hosts(), "not-the-word");
    let error =
        connect(&sshd.target("asks"), &wrong, &timeouts(), &Cancel::new().unwrap()).map(|_| ()).unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::Authentication, "{error}");
    assert!(error.message.contains("`asks`") && error.message.contains("password: refused"), "{error}");
    assert!(error.message.contains("the server takes publickey,password"), "{error}");
    assert!(!error.message.contains("not-the-word"));
}

#[test]
fn nothing_to_log_in_with_says_what_to_give() {
    let sshd = Sshd::start("");
    let nothing = credentials(sshd.known_hosts(), &[]);
    let error = connect(&sshd.target("root"), &nothing, &timeouts(), &Cancel::new().unwrap())
        .map(|_| ())
        .unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::Authentication, "{error}");
    assert!(error.message.contains("tried nothing"), "{error}");
    assert!(error.message.contains("`ssh-add` one"), "{error}");
    assert_eq!(error.remedy.as_deref(), Some("--ask-pass"));
}

#[test]
fn two_factors_key_then_password() {
    let sshd = users::start_with("", "AuthenticationMethods publickey,password");
    let both =
        Credentials { password: Some(Secret::new("login", PASSWORD.to_owned())), ..sshd.credentials() };
    logs_in(&sshd, "asks", &both);
    let error = sshd.connect("asks").map(|_| ()).unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::Authentication, "{error}");
}

/// A server that hangs up after two failures is told as what it is.
#[test]
fn a_server_that_hangs_up_on_too_many_keys() {
    let sshd = Sshd::start("MaxAuthTries 2");
    std::fs::write(sshd.path("authorized_keys"), "").unwrap();
    let keys: Vec<_> = (0..4)
        .map(|n| {
            let path = sshd.path(&format!("k{n}"));
            keygen(&path, "ed25519", "");
            path
        })
        .collect();
    let many = credentials(sshd.known_hosts(), &keys);
    let error =
        connect(&sshd.target("root"), &many, &timeouts(), &Cancel::new().unwrap()).map(|_| ()).unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::Authentication, "{error}");
    assert!(error.message.contains("k0`: refused") && error.message.contains("hung up"), "{error}");
}

/// The agent's socket is named by the environment, so the login happens in a process of its own.
#[test]
fn the_agent() {
    if let Ok(at) = std::env::var("UPROOT_LAB_AGENT_HOST") {
        let keys = Keys::load(false, true, &[], &mut |_| None).unwrap();
        let file = std::env::var("UPROOT_LAB_KNOWN_HOSTS").unwrap();
        let known = uproot::transport::KnownHosts::read(&[file.into()]).unwrap();
        let all = Credentials { keys: Arc::new(keys), ..credentials(known, &[]) };
        for _ in 0..2 {
            let mut session =
                connect(&target(at.parse().unwrap(), "root"), &all, &timeouts(), &Cancel::new().unwrap())
                    .unwrap();
            assert_eq!(ask(&mut session, "echo in").stdout.text(), "in\n");
        }
        return;
    }
    let sshd = Sshd::start("");
    let socket = sshd.path("agent");
    let mut agent =
        Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    while !socket.exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let other = sshd.path("other");
    keygen(&other, "ed25519", "");
    run_ok(Command::new("ssh-add").arg("-q").arg(&other).arg(sshd.path("id")).env("SSH_AUTH_SOCK", &socket));
    let known = sshd.path("known_hosts");
    std::fs::write(&known, known_line(sshd.at, &sshd.path("host_ed25519.pub"))).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_agent"])
        .env("SSH_AUTH_SOCK", &socket)
        .env("UPROOT_LAB_AGENT_HOST", sshd.at.to_string())
        .env("UPROOT_LAB_KNOWN_HOSTS", &known)
        .output();
    let _ = agent.kill();
    let _ = agent.wait();
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
