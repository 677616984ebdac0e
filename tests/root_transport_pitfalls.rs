//! The twelve ways in which libssh2 reports success that was none, or hangs, each against a real
//! sshd. Needs root: the server changes users.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod transport_lab;

use transport_lab::*;
use uproot::transport::StreamEnd;

#[test]
fn smoke() {
    let sshd = Sshd::start("");
    let mut session = sshd.connect("root").unwrap();
    let answer = ask(&mut session, "echo hello; echo err >&2; exit 3");
    assert_eq!(answer.end, StreamEnd::Complete { status: 3 });
    assert_eq!(answer.stdout.text(), "hello\n");
    assert_eq!(answer.stderr.text(), "err\n");
    let answer = ask(&mut session, "cat; id -u");
    assert_eq!(answer.stdout.text(), "0\n");
    assert!(session.banner().contains("OpenSSH"));
}
