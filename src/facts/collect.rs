//! Asks a host everything in one exec.

use super::parse::{parse, unanswered};
use super::posix::script;
use super::{Facts, Questions};
use crate::model::Cancel;
use crate::transport::{Answer, Become, BecomeResult, Limits, Probing, Timeouts, TransportError};
use jiff::Timestamp;

/// Kept of one host's answer. An ordinary one is below 1 MiB, and only what came is held.
const KEEP: usize = 8 * 1024 * 1024;
/// Received of one host before it counts as a flood.
const RECEIVE: u64 = 32 * 1024 * 1024;

/// Collects facts by one exec, as root where `become_root` is given. Where becoming root fails, a
/// second exec asks what an ordinary user may read; the rest has gaps, and `privilege` says why.
///
/// # Errors
/// When nothing can have been asked; an answer that ended early is facts with gaps.
pub fn collect(
    session: &mut Probing,
    host: &str,
    questions: &Questions,
    become_root: Option<&Become>,
    timeouts: &Timeouts,
    cancel: &Cancel,
) -> Result<Facts, TransportError> {
    let host_key = session.host_key();
    if session.banner().contains("OpenSSH_for_Windows") {
        let reason = "the host runs Windows, which is not supported by this version";
        let mut facts = unanswered(host, questions, reason, Timestamp::now());
        facts.identity.host_key = host_key;
        return Ok(facts);
    }
    let mut ask = |become_root: Option<&Become>| -> Result<(String, Answer), TransportError> {
        let nonce = format!("uproot-{}", uuid::Uuid::new_v4().simple());
        let limits =
            Limits { deadline: timeouts.facts, idle: Some(timeouts.idle), keep: KEEP, receive: RECEIVE };
        let answer = session.ask(&script(questions, &nonce), become_root, limits, cancel)?;
        Ok((nonce, answer))
    };
    let (mut nonce, mut answer) = ask(become_root)?;
    let mut become_failed = None;
    if let BecomeResult::Failed { reason } = &answer.become_result {
        become_failed = Some(reason.clone());
        (nonce, answer) = ask(None)?;
    }
    let mut facts = parse(host, questions, &nonce, &answer, host_key, Timestamp::now());
    if become_failed.is_some() {
        facts.privilege.become_failed = become_failed;
    }
    Ok(facts)
}
