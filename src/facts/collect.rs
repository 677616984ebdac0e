//! Asks a host everything in one exec.

use super::parse::parse;
use super::posix::script;
use super::{Facts, Questions, windows};
use crate::model::{Cancel, Platform};
use crate::transport::{Answer, Become, BecomeResult, Limits, Probing, Timeouts, TransportError};
use jiff::Timestamp;

/// Kept of one host's answer. An ordinary one is below 1 MiB, and only what came is held.
const KEEP: usize = 8 * 1024 * 1024;
/// Received of one host before it counts as a flood.
const RECEIVE: u64 = 32 * 1024 * 1024;

/// Collects facts by one exec, as root where `become_root` is given. Where becoming root fails, a
/// second exec asks what an ordinary user may read; the rest has gaps, and `privilege` says why.
///
/// A host is asked as Windows where its SSH banner or the inventory (`platform`) says that it is;
/// nobody becomes root there.
///
/// # Errors
/// When nothing can have been asked; an answer that ended early is facts with gaps.
pub fn collect(
    session: &mut Probing,
    host: &str,
    platform: Option<Platform>,
    questions: &Questions,
    become_root: Option<&Become>,
    timeouts: &Timeouts,
    cancel: &Cancel,
) -> Result<Facts, TransportError> {
    let host_key = session.host_key();
    let limits = Limits { deadline: timeouts.facts, idle: Some(timeouts.idle), keep: KEEP, receive: RECEIVE };
    if platform == Some(Platform::Windows) || session.banner().contains("OpenSSH_for_Windows") {
        let nonce = new_nonce();
        let answer = session.ask_cmd(&windows::script(questions, &nonce), limits, cancel)?;
        return Ok(windows::parse(host, questions, &nonce, &answer, host_key, Timestamp::now()));
    }
    let mut ask = |become_root: Option<&Become>| -> Result<(String, Answer), TransportError> {
        let nonce = new_nonce();
        let answer = session.ask(&script(questions, &nonce), become_root, limits, cancel)?;
        Ok((nonce, answer))
    };
    let (mut nonce, mut answer) = ask(become_root)?;
    let mut become_failed = None;
    if let BecomeResult::Failed { reason } = &answer.become_result {
        become_failed = Some(reason.clone());
        let first = format!("becoming root had failed: {reason}");
        (nonce, answer) = ask(None).map_err(|error| TransportError {
            message: format!("{}; before that, {first}", error.message),
            ..error
        })?;
    }
    let mut facts = parse(host, questions, &nonce, &answer, host_key, Timestamp::now());
    if become_failed.is_some() {
        facts.privilege.become_failed = become_failed;
    }
    Ok(facts)
}

fn new_nonce() -> String {
    format!("uproot-{}", uuid::Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::BecomeMethod;
    use crate::model::BoundedOutput;
    use crate::transport::{Backend, StreamEnd, TransportErrorKind};
    use std::sync::{Arc, Mutex};

    /// Answers by the shell of this machine; becoming root works or does not.
    struct Fake {
        banner: &'static str,
        become_result: Result<(), &'static str>,
        /// For each exec: whether root was asked for.
        execs: Arc<Mutex<Vec<bool>>>,
    }

    impl Backend for Fake {
        fn run(
            &mut self,
            script: &str,
            become_root: Option<&Become>,
            limits: Limits,
            cancel: &Cancel,
        ) -> Result<Answer, TransportError> {
            self.execs.lock().unwrap().push(become_root.is_some());
            if cancel.is_cancelled() {
                let message = "cancelled".to_owned();
                return Err(TransportError { kind: TransportErrorKind::Cancelled, message, remedy: None });
            }
            let mut stdout = BoundedOutput::with_limit(limits.keep);
            let become_result = match (become_root, self.become_result) {
                (None, _) => BecomeResult::NotAsked,
                (Some(_), Ok(())) => BecomeResult::Root,
                (Some(_), Err(reason)) => BecomeResult::Failed { reason: reason.to_owned() },
            };
            if !matches!(become_result, BecomeResult::Failed { .. }) {
                stdout.push(&std::process::Command::new("sh").args(["-c", script]).output().unwrap().stdout);
            }
            let stderr = BoundedOutput::with_limit(limits.keep);
            Ok(Answer { stdout, stderr, end: StreamEnd::Complete { status: 0 }, become_result })
        }

        fn run_cmd(&mut self, script: &str, limits: Limits, _: &Cancel) -> Result<Answer, TransportError> {
            self.execs.lock().unwrap().push(false);
            // What the script sets first is what its marks begin with.
            let nonce = script.lines().next().unwrap().split('=').nth(1).unwrap().trim_end_matches('"');
            let mut stdout = BoundedOutput::with_limit(limits.keep);
            let label = script.lines().find_map(|line| {
                let next = script.lines().skip_while(|other| *other != line).nth(1)?;
                next.ends_with("set ALLUSERS").then(|| line.rsplit(' ').next().unwrap())
            });
            let label = label.unwrap();
            let said = format!(
                "{nonce} ask {label}\r\nOS=Windows_NT\r\nSystemRoot=C:\\WINDOWS\r\n{nonce} end {label} 0\r\n"
            );
            stdout.push(said.as_bytes());
            let stderr = BoundedOutput::with_limit(limits.keep);
            let end = StreamEnd::Complete { status: 0 };
            Ok(Answer { stdout, stderr, end, become_result: BecomeResult::NotAsked })
        }

        fn host_key(&self) -> Option<String> {
            Some("SHA256:x".to_owned())
        }

        fn banner(&self) -> String {
            self.banner.to_owned()
        }
    }

    fn collected(
        banner: &'static str,
        become_result: Result<(), &'static str>,
        cancel: &Cancel,
    ) -> (Result<Facts, TransportError>, Vec<bool>) {
        let execs = Arc::default();
        let mut session = Probing::new(Box::new(Fake { banner, become_result, execs: Arc::clone(&execs) }));
        let root = Become { method: BecomeMethod::Sudo, password: None };
        let questions = Questions { paths: ["/etc".to_owned()].into(), ..Questions::default() };
        let facts = collect(&mut session, "h", None, &questions, Some(&root), &Timeouts::default(), cancel);
        let execs = execs.lock().unwrap().clone();
        (facts, execs)
    }

    #[test]
    fn one_exec_tells_everything() {
        let (facts, execs) = collected("SSH-2.0-OpenSSH_9.2", Ok(()), &Cancel::new().unwrap());
        let facts = facts.unwrap();
        assert_eq!(execs, [true]);
        assert!(facts.paths["/etc"].is_complete());
        assert_eq!(facts.identity.host_key.as_deref(), Some("SHA256:x"));
        assert_eq!(facts.privilege.become_failed, None);
    }

    #[test]
    fn where_becoming_root_fails_an_ordinary_user_asks() {
        let (facts, execs) =
            collected("SSH-2.0-OpenSSH_9.2", Err("ivan may not run sudo"), &Cancel::new().unwrap());
        let facts = facts.unwrap();
        assert_eq!(execs, [true, false]);
        assert_eq!(facts.privilege.become_failed.as_deref(), Some("ivan may not run sudo"));
        assert!(facts.paths["/etc"].is_complete());
    }

    #[test]
    fn windows_is_asked_by_one_exec_of_cmd_and_without_root() {
        let (facts, execs) = collected("SSH-2.0-OpenSSH_for_Windows_9.5", Ok(()), &Cancel::new().unwrap());
        let facts = facts.unwrap();
        assert_eq!(execs, [false]);
        assert_eq!(facts.platform, Some(Platform::Windows));
        assert_eq!(facts.identity.host_key.as_deref(), Some("SHA256:x"));
        assert_eq!(facts.privilege.become_failed, None);
    }

    #[test]
    fn what_the_connection_says_is_passed_on() {
        let cancel = Cancel::new().unwrap();
        cancel.cancel();
        let (facts, _) = collected("", Ok(()), &cancel);
        assert_eq!(facts.unwrap_err().kind, TransportErrorKind::Cancelled);
    }
}
