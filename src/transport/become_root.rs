//! Why becoming root failed, read from what sudo or doas said.

use super::protocol::{Conversation, Phase, Refusal, Talk as _};
use super::reader::Access;
use super::run::{Subject, tail};

/// Needle in what sudo or doas says in the C locale → the reason, and what to do.
const SUDO: [(&str, &str); 9] = [
    (
        "password is required",
        "sudo wants a password and none was given; give it with `--ask-become-pass`, or permit `NOPASSWD` in sudoers",
    ),
    (
        "interactive authentication is required",
        "sudo wants a password and none was given; give it with `--ask-become-pass`, or permit `NOPASSWD` in sudoers",
    ),
    ("not in the sudoers file", "the user may not use sudo; add it to sudoers, or log in as another user"),
    ("not allowed", "sudoers does not let the user run `sh` as root; permit it, or log in as another user"),
    ("may not run sudo", "the user may not use sudo; add it to sudoers, or log in as another user"),
    // As the sudo written in Rust has it.
    ("afraid I can't do that", "the user may not use sudo; add it to sudoers, or log in as another user"),
    ("must have a tty", "sudoers has `requiretty`; take it out for this user (`Defaults:USER !requiretty`)"),
    ("account validation failure", "the user's account or password has expired on the host"),
    ("account or password is expired", "the user's account or password has expired on the host"),
];
const DOAS: [(&str, &str); 3] = [
    (
        "Authentication required",
        "doas wants a password, which it only reads from a terminal; permit `nopass` in doas.conf, or use sudo",
    ),
    (
        "Authorization required",
        "doas wants a password, which it only reads from a terminal; permit `nopass` in doas.conf, or use sudo",
    ),
    (
        "Operation not permitted",
        "doas.conf does not let the user run `sh` as root; add a `permit nopass` rule",
    ),
];
/// As `env` of coreutils, busybox, BSD says that a program is not there.
const MISSING: [&str; 3] = ["No such file or directory", "not found", "can't execute"];

/// In words, with what would mend it.
pub(super) fn failure(talk: &Conversation, subject: &Subject, said: &str, timed_out: bool) -> String {
    let tool = if subject.access == Access::Doas { "doas" } else { "sudo" };
    let said_too = match tail(said) {
        empty if empty.is_empty() => String::new(),
        said => format!(" (it said: `{said}`)"),
    };
    match talk.phase() {
        Phase::Refused(Refusal::AskedAgain) => return format!("{}{said_too}", wrong_password(subject)),
        Phase::Refused(Refusal::NotRoot) => return not_root(talk.uid(), subject),
        _ => {}
    }
    if let Some(reason) = known_reason(tool, said) {
        return format!("{reason}{said_too}");
    }
    let rejected = ["incorrect password", "Sorry, try again", "incorrect authentication"];
    if talk.password_sent() && rejected.iter().any(|needle| said.contains(needle)) {
        return format!("{}{said_too}", wrong_password(subject));
    }
    if timed_out {
        return format!("{tool} was not done in time; one attempt was made{said_too}");
    }
    format!("{tool} did not start `sh`{said_too}")
}

/// What every reason says when the password was offered and refused.
pub const PASSWORD_REFUSED: &str = "did not accept the password";

fn wrong_password(subject: &Subject) -> String {
    format!(
        "sudo {PASSWORD_REFUSED} of `{}`; one attempt was made; give the right one with \
         `--ask-become-pass`",
        subject.user
    )
}

fn known_reason(tool: &str, said: &str) -> Option<String> {
    let missing =
        said.lines().any(|line| line.contains(tool) && MISSING.iter().any(|needle| line.contains(needle)));
    if missing {
        return Some(format!("{tool} is not installed; install it, or log in as root"));
    }
    let table: &[(&str, &str)] = if tool == "doas" { &DOAS } else { &SUDO };
    table.iter().find(|(needle, _)| said.contains(needle)).map(|(_, reason)| (*reason).to_owned())
}

/// The reader runs, but as another user.
pub(super) fn not_root(uid: Option<u32>, subject: &Subject) -> String {
    let who = uid.map_or_else(|| "a user that it could not tell".to_owned(), |uid| format!("uid {uid}"));
    match subject.access {
        Access::Plain => format!("`{}` is {who} there, not root", subject.user),
        Access::Sudo { .. } => format!("sudo made it {who}, not root; see `runas_default` in sudoers"),
        Access::Doas => format!("doas made it {who}, not root; see `as` in doas.conf"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_words_of_sudo_doas_and_env() {
        let cases = [
            ("sudo", "sudo: a password is required\n", "none was given"),
            (
                "sudo",
                "eve is not in the sudoers file.  This incident will be reported.\n",
                "may not use sudo",
            ),
            (
                "sudo",
                "Sorry, user eve is not allowed to execute '/bin/sh' as root on h.\n",
                "sudoers does not let",
            ),
            ("sudo", "sudo: sorry, you must have a tty to run sudo\n", "requiretty"),
            ("sudo", "env: 'sudo': No such file or directory\n", "not installed"),
            ("sudo", "env: can't execute 'sudo': No such file or directory\n", "not installed"),
            ("doas", "env: ‘doas’: No such file or directory\n", "not installed"),
            ("doas", "doas: Operation not permitted\n", "doas.conf"),
            ("doas", "doas: Authentication required\n", "only reads from a terminal"),
        ];
        for (tool, said, expected) in cases {
            let reason = known_reason(tool, said).unwrap_or_default();
            assert!(reason.contains(expected), "{said}: {reason}");
        }
        assert_eq!(known_reason("sudo", "sudo: unable to resolve host h: Name or service not known\n"), None);
    }
}
