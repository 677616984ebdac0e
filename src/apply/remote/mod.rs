//! What runs on a host under a lock: the scripts for lock, claim, wrapper, lookup and release, and the
//! reading of their answers. Pure: text out, text in; `live` sends it.
//!
//! Everything on the host lives in one private directory: `lock.N` (the lease), `RUN/made`, and for each
//! claim `RUN/CLAIM.claim` (who runs it, since when), `.step` (its own shell), `.out.N` and `.err.N` (the
//! first and the last of its output), `.status` (how it ended, written last). A file is made whole by a
//! hard link or a rename. Nobody but the process that made the claim runs the step, and that only while
//! the lock is the run's; an empty claim is made by who wants it never to be run.
//!
//! A host may answer anything. Only an answer that is whole and has the right form is believed.

mod answer;
mod side;
pub mod windows;

pub use answer::{read_lock, read_release, read_renewal, read_step, read_windows_step, windows_lines};
pub use side::Side;

use super::reach::{LockOrder, StepOrder};
use crate::model::Secret;
use crate::model::output::single_quoted;
use crate::plan::{PlannedStep, PlannedUpload};
use std::collections::BTreeMap;
use std::sync::Arc;

const BASE: &str = include_str!("base.sh");
const LEASE: &str = include_str!("lease.sh");
const LOCK: &str = include_str!("lock.sh");
const RELEASE: &str = include_str!("release.sh");
const FOLLOW: &str = include_str!("follow.sh");
const BEGIN: &str = include_str!("begin.sh");
const LOOKUP: &str = include_str!("lookup.sh");
const WRAPPER: &str = include_str!("wrapper.sh");

/// What is kept of each end of a stream, in bytes.
pub const SEGMENT: usize = 512 * 1024;
/// For how long a lock is valid, in seconds of the host's uptime.
const LEASE_SECONDS: u64 = 15 * 60;
/// Between two renewals of the lock while a step runs, in seconds.
const RENEW_SECONDS: u64 = 60;
/// The longest name of an owner that is written to a host, in bytes.
const LONGEST_OWNER: usize = 200;

/// What steps lay down on hosts: a file's content by its SHA-256 in hex.
pub type Uploads = BTreeMap<String, Arc<[u8]>>;

/// Where the host's side lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The private directory.
    pub state: String,
    /// Where systemd, if it is the init, has its runtime directory.
    pub systemd: String,
    /// For how long a lock is valid, in seconds of the host's uptime.
    pub lease: u64,
    /// Between two renewals of the lock while a step runs, in seconds.
    pub renew: u64,
    /// Between two signs of life over the connection while a step is waited for, in seconds.
    pub pulse: u64,
}

impl Place {
    /// On Linux.
    #[must_use]
    pub fn linux() -> Self {
        Self {
            state: "/var/lib/uproot".to_owned(),
            systemd: "/run/systemd/system".to_owned(),
            lease: LEASE_SECONDS,
            renew: RENEW_SECONDS,
            pulse: 5,
        }
    }

    /// On macOS.
    #[must_use]
    pub fn macos() -> Self {
        Self { state: "/var/db/uproot".to_owned(), ..Self::linux() }
    }

    /// With a sign of life every `pulse` seconds at least.
    #[must_use]
    fn with_pulse(self, pulse: u64) -> Self {
        Self { pulse: pulse.clamp(1, self.pulse), ..self }
    }
}

/// A name that must stand in a file name on the host, and cannot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` cannot name a {what} on a host: give letters, digits, `.`, `_` and `-` only")]
pub struct NameError {
    /// Of what.
    what: &'static str,
    /// The name.
    name: String,
}

/// The script that takes the lock; `read_lock` reads its answer.
///
/// # Errors
/// When the run's id cannot be a file's name.
pub fn lock_script(place: &Place, order: &LockOrder) -> Result<String, NameError> {
    let head = head(place, order)?;
    let force = if order.break_lock { "yes" } else { "no" };
    let token = file_name("token", &order.token)?;
    Ok(script(&head, &[("break", force), ("token", &token)], &[BASE, LEASE, LOCK]))
}

/// The script that makes the lease last anew; `read_renewal` reads its answer.
///
/// # Errors
/// When the run's id cannot be a file's name.
pub fn renew_script(place: &Place, order: &LockOrder) -> Result<String, NameError> {
    Ok(script(&head(place, order)?, &[], &[BASE, LEASE, RELEASE, "up_renew_only\n"]))
}

/// The script that gives the lock back and leaves nothing; `read_release` reads its answer.
///
/// # Errors
/// When the run's id cannot be a file's name.
pub fn release_script(place: &Place, order: &LockOrder) -> Result<String, NameError> {
    Ok(script(&head(place, order)?, &[], &[BASE, LEASE, RELEASE, "up_release\n"]))
}

/// The script that begins a step unless it is claimed, and waits for its end; `read_step` reads its
/// answer. Holds the secrets and the files that the step uses.
///
/// # Errors
/// When the run's id or the claim cannot be a file's name.
pub fn begin_script(
    place: &Place,
    lock: &LockOrder,
    order: &StepOrder<'_>,
    secrets: &BTreeMap<String, Secret>,
    uploads: &Uploads,
) -> Result<String, NameError> {
    let head = head(place, lock)?;
    let step = step_variables(place, lock, order)?;
    let retry: Vec<String> = order.step.retry_on.iter().map(ToString::to_string).collect();
    let (retry, text) = (retry.join(" "), script_with_secrets(order.step, secrets));
    let mut wrapper = assignments(&head);
    wrapper.push_str(&assignments(&step));
    let files = laid_down(order.step, uploads);
    wrapper.push_str(&assignments(&[("retry", retry), ("script", text), ("files", files)]));
    for part in [BASE, LEASE, WRAPPER] {
        wrapper.push_str(&without_comments(part));
    }
    // One compound command: a shell reads it to its end before it runs any of it.
    let wrapper = format!("{{\n{wrapper}}}\n");
    let mut variables: Vec<(&str, &str)> = step.iter().map(|(name, value)| (*name, value.as_str())).collect();
    variables.push(("text", &wrapper));
    Ok(script(&head, &variables, &[BASE, LEASE, FOLLOW, BEGIN]))
}

/// The script that tells what became of a step; `read_step` reads its answer.
///
/// # Errors
/// When the run's id or the claim cannot be a file's name.
pub fn lookup_script(
    place: &Place,
    lock: &LockOrder,
    order: &StepOrder<'_>,
    may_begin: bool,
) -> Result<String, NameError> {
    let step = step_variables(place, lock, order)?;
    let mut variables: Vec<(&str, &str)> = step.iter().map(|(name, value)| (*name, value.as_str())).collect();
    variables.push(("may_begin", if may_begin { "yes" } else { "no" }));
    Ok(script(&head(place, lock)?, &variables, &[BASE, LEASE, FOLLOW, LOOKUP]))
}

/// A step's script with its secrets in front.
fn script_with_secrets(step: &PlannedStep, secrets: &BTreeMap<String, Secret>) -> String {
    let assigned = |variable: &str, name: &str| {
        format!("{variable}={}\n", single_quoted(&passed_on(step, variable, name, secrets)))
    };
    let mut script = String::new();
    for (variable, name) in &step.env {
        script.push_str(&format!("export {}", assigned(variable, name)));
    }
    // Not exported: it is piped to the command, and no child needs it in its environment.
    if let Some(name) = &step.stdin {
        script.push_str(&assigned(PlannedStep::STDIN_VARIABLE, name));
    }
    script.push_str(&step.script);
    script
}

/// The commands that lay down a step's files; empty where it has none.
fn laid_down(step: &PlannedStep, uploads: &Uploads) -> String {
    let lay = |upload: &PlannedUpload| {
        let content = base64_lines(upload, uploads, 76).join("\n");
        format!("up_lay {} {} '{content}'", single_quoted(&upload.name), single_quoted(&upload.sha256))
    };
    step.uploads.iter().map(lay).collect::<Vec<_>>().join(" &&\n")
}

/// A file in lines of base64, each of so many characters at most.
fn base64_lines(upload: &PlannedUpload, uploads: &Uploads, width: usize) -> Vec<String> {
    use base64::Engine as _;
    // All are read before the first host is contacted. The host would refuse one that is not the planned.
    let content = uploads.get(&upload.sha256).map_or(&[][..], |content| content);
    let engine = base64::engine::general_purpose::STANDARD;
    content.chunks(width / 4 * 3).map(|chunk| engine.encode(chunk)).collect()
}

/// The value of a secret as a step's variable has it; empty where an optional one has none.
fn passed_on(step: &PlannedStep, variable: &str, name: &str, secrets: &BTreeMap<String, Secret>) -> String {
    let value = secrets.get(name).map_or("", |secret| secret.expose());
    step.encodings.get(variable).copied().unwrap_or_default().encode(value)
}

type Variables = Vec<(&'static str, String)>;

fn head(place: &Place, lock: &LockOrder) -> Result<Variables, NameError> {
    Ok(vec![
        ("state", place.state.clone()),
        ("systemd", place.systemd.clone()),
        ("lease", place.lease.to_string()),
        ("pulse_lease", place.renew.to_string()),
        ("segment", SEGMENT.to_string()),
        ("run", file_name("run", &lock.run)?),
        ("owner", one_line(&lock.owner)),
    ])
}

fn step_variables(place: &Place, lock: &LockOrder, order: &StepOrder<'_>) -> Result<Variables, NameError> {
    let only_begin = if order.only_begin { "yes" } else { "no" };
    Ok(vec![
        ("at", format!("{}/{}", file_name("run", &lock.run)?, file_name("claim", order.claim)?)),
        ("limit", order.step.timeout.to_string()),
        ("pulse", place.pulse.to_string()),
        ("only_begin", only_begin.to_owned()),
        ("break", "no".to_owned()),
    ])
}

fn file_name(what: &'static str, name: &str) -> Result<String, NameError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let good = name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.len() <= 200
        && name.bytes().all(plain)
        && !["lock.", "temp."].iter().any(|ours| name.starts_with(ours));
    if good { Ok(name.to_owned()) } else { Err(NameError { what, name: name.to_owned() }) }
}

/// An owner as it stands in the lock's file and in an answer.
fn one_line(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    while line.len() > LONGEST_OWNER {
        line.pop();
    }
    if line.trim().is_empty() { "?".to_owned() } else { line }
}

fn assignments(variables: &[(&str, impl AsRef<str>)]) -> String {
    variables.iter().map(|(name, value)| format!("up_{name}={}\n", single_quoted(value.as_ref()))).collect()
}

fn script(head: &Variables, variables: &[(&str, &str)], parts: &[&str]) -> String {
    let mut text = String::from("exec 9>&2 2>/dev/null\n");
    text.push_str(&assignments(head));
    text.push_str(&assignments(variables));
    for part in parts {
        text.push_str(&without_comments(part));
    }
    text
}

/// A host does not need them, and some sessions are slow.
fn without_comments(text: &str) -> String {
    let code = |line: &&str| !line.trim_start().starts_with('#') && !line.is_empty();
    text.lines().filter(code).flat_map(|line| [line, "\n"]).collect()
}
