//! The host's side of a run on Windows: the same orders and answers as on POSIX hosts, in batch files.
//!
//! Everything lives in `%ProgramData%\uproot`, which only the system and administrators may use, and which is
//! refused where it is anything else. The lock is the open file `hold`: no two processes can have it open to
//! write, and the kernel closes it when its process ends, by whatever. A scheduled task, the keeper, holds it
//! and counts the lease in seconds of its own, since `cmd` knows no clock that cannot be set and none that is
//! the same in every language; so a lock of another boot, or of a keeper that was killed, is free at once.
//! A step runs in a task of its own likewise: it runs as long as its `CLAIM.hold` is open, which no word of a
//! localized list has to say. `CLAIM.claim` is a folder, made by one; `CLAIM.status` comes last, by a rename.
//!
//! What is not as on POSIX hosts: a live lock is not broken while a step of its run still runs; a held lock is
//! said to be valid for the whole lease; output is bounded when it is sent (2 MiB of each stream, or none of
//! it), not on the host's disk; a step gets nothing on standard input.
//!
//! Not done: a `&` in the path of `%ProgramData%` is refused. A step whose text has a variable that the login has too
//! (`%errorlevel%`) is not begun on Wine, whose `cmd` expands it.

mod stream;

pub use stream::TextError;

use super::{LEASE_SECONDS, NameError, Uploads, base64_lines, file_name, one_line, passed_on};
use crate::apply::reach::{LockOrder, StepOrder};
use crate::model::Secret;
use crate::plan::{PlannedStep, PlannedUpload};
use std::collections::BTreeMap;
use stream::{Sent, flat_script};

const BASE: &str = include_str!("base.cmd");
const LOCK: &str = include_str!("lock.cmd");
const RELEASE: &str = include_str!("release.cmd");
const STEP: &str = include_str!("step.cmd");
const KEEPER: &str = include_str!("keeper.cmd");
const WRAPPER: &str = include_str!("wrapper.cmd");

/// The most of one stream that a host sends, in bytes.
const MOST: u64 = 2 * 1024 * 1024;
/// The longest secret, in bytes.
const LONGEST_SECRET: usize = 1000;
/// How many characters a line of a file's base64 has: four for each three bytes.
const FILE_LINE: usize = 7600;
/// Between two tries of a step whose exit code asks for another, in seconds.
const RETRY_SECONDS: u64 = 5;

/// Numbers of the host's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowsPlace {
    /// For how long a lock is valid without being renewed, in seconds that the host is awake.
    pub lease: u64,
    /// Between two signs of life over the connection while a step is waited for, in seconds.
    pub pulse: u64,
}

impl Default for WindowsPlace {
    fn default() -> Self {
        Self { lease: LEASE_SECONDS, pulse: 5 }
    }
}

/// An order that cannot be sent to a Windows host. Nothing was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// A name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A text.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A step that reads a secret from its standard input.
    #[error("secret `{0}` cannot be given on standard input on Windows: give it as a variable")]
    Input(String),
    /// A variable.
    #[error("`{0}` cannot be a variable of a step: give letters, digits and `_`, and no `UP_` in front")]
    Variable(String),
    /// A secret's text.
    #[error(
        "secret `{0}` cannot be given to a step on Windows: it has a `\"` or other characters than ASCII's \
         printable ones, or more than {LONGEST_SECRET} of them"
    )]
    Secret(String),
}

/// The script that takes the lock; `read_lock` reads its answer. `nonce` is new for each exchange, here and
/// below: letters and digits that nobody can guess.
///
/// # Errors
/// When a name cannot be a file's.
pub fn lock_script(place: &WindowsPlace, order: &LockOrder, nonce: &str) -> Result<String, OrderError> {
    let token = file_name("token", &order.token)?;
    let force = if order.break_lock { "yes" } else { "no" };
    let head = head(place, order, nonce)? + &assignments(&[("BREAK", force), ("TOKEN", &token)]);
    exchange(place, order, nonce, "refused", head, &[LOCK], Vec::new())
}

/// The script that makes the lease last anew; `read_renewal` reads its answer.
///
/// # Errors
/// When a name cannot be a file's.
pub fn renew_script(place: &WindowsPlace, order: &LockOrder, nonce: &str) -> Result<String, OrderError> {
    let parts = [":main\ngoto renew\n", RELEASE];
    exchange(place, order, nonce, "refused", head(place, order, nonce)?, &parts, Vec::new())
}

/// The script that gives the lock back and leaves nothing; `read_release` reads its answer.
///
/// # Errors
/// When a name cannot be a file's.
pub fn release_script(place: &WindowsPlace, order: &LockOrder, nonce: &str) -> Result<String, OrderError> {
    let parts = [":main\ngoto release\n", RELEASE];
    exchange(place, order, nonce, "left", head(place, order, nonce)?, &parts, Vec::new())
}

/// The script that begins a step unless it is claimed, and waits for its end; `read_windows_step` reads its
/// answer. Holds the secrets that the step uses: they go through the connection into a file of the private
/// folder, which is deleted before the step's own text runs.
///
/// # Errors
/// When a name cannot be a file's, or a text or a secret cannot reach a batch file unharmed.
pub fn begin_script(
    place: &WindowsPlace,
    lock: &LockOrder,
    order: &StepOrder<'_>,
    secrets: &BTreeMap<String, Secret>,
    uploads: &Uploads,
    nonce: &str,
) -> Result<String, OrderError> {
    let step = order.step;
    if let Some(name) = &step.stdin {
        return Err(OrderError::Input(name.clone()));
    }
    let (run, claim) = (file_name("run", &lock.run)?, file_name("claim", order.claim)?);
    let wrapper = assignments(&[("RUN", &run), ("CLAIM", &claim)]);
    let mut files = vec![
        Sent { name: "s.cmd".into(), text: batch(&wrapper, &[WRAPPER]) },
        Sent { name: "s.run.cmd".into(), text: runner(&claim, step) },
        Sent { name: "s.env.cmd".into(), text: environment(step, secrets)? },
        Sent { name: "s.step.cmd".into(), text: step.script.clone() },
    ];
    let mut head = head(place, lock, nonce)? + &step_variables(place, order, &claim);
    let mut names = String::new();
    if !step.retry_on.is_empty() {
        files.push(Sent { name: "s.again.cmd".into(), text: repeater(&claim, step) });
        names.push_str("again.cmd ");
    }
    if !step.uploads.is_empty() {
        files.push(Sent { name: "s.lay.cmd".into(), text: layer(&claim, step) });
        names.push_str("lay.cmd ");
    }
    for (number, upload) in step.uploads.iter().enumerate() {
        // Some versions of certutil read base64 only between such lines.
        let (begin, end) = ("-----BEGIN CERTIFICATE-----\n", "\n-----END CERTIFICATE-----\n");
        let text = [begin, &base64_lines(upload, uploads, FILE_LINE).join("\n"), end].concat();
        files.push(Sent { name: format!("s.f{number}"), text });
        names.push_str(&format!("f{number} "));
    }
    head.push_str(&assignments(&[("FILES", names.trim_end())]));
    exchange(place, lock, nonce, "unsure", head, &[":main\ngoto begin\n", STEP], files)
}

/// The script that tells what became of a step; `read_windows_step` reads its answer.
///
/// # Errors
/// When a name cannot be a file's.
pub fn lookup_script(
    place: &WindowsPlace,
    lock: &LockOrder,
    order: &StepOrder<'_>,
    may_begin: bool,
    nonce: &str,
) -> Result<String, OrderError> {
    let claim = file_name("claim", order.claim)?;
    let mut head = head(place, lock, nonce)? + &step_variables(place, order, &claim);
    head.push_str(&assignments(&[("MAY_BEGIN", if may_begin { "yes" } else { "no" })]));
    exchange(place, lock, nonce, "unsure", head, &[":main\ngoto lookup\n", STEP], Vec::new())
}

fn exchange(
    place: &WindowsPlace,
    order: &LockOrder,
    nonce: &str,
    failing: &str,
    head: String,
    parts: &[&str],
    more: Vec<Sent>,
) -> Result<String, OrderError> {
    let nonce = file_name("nonce", nonce)?;
    let run = file_name("run", &order.run)?;
    let lease = place.lease.to_string();
    let owner = owner(&order.owner);
    let mut text = batch(&head, &[BASE]);
    for part in parts {
        text.push_str(&without_remarks(part));
    }
    let keeper = assignments(&[("RUN", &run), ("NONCE", &nonce), ("OWNER", &owner), ("LEASE", &lease)]);
    let mut files = vec![
        Sent { name: "x.cmd".into(), text },
        Sent { name: "k.cmd".into(), text: batch(&keeper, &[KEEPER]) },
    ];
    files.extend(more);
    Ok(flat_script(&nonce, failing, &files)?)
}

fn head(place: &WindowsPlace, order: &LockOrder, nonce: &str) -> Result<String, OrderError> {
    Ok(assignments(&[
        ("RUN", &file_name("run", &order.run)?),
        ("NONCE", &file_name("nonce", nonce)?),
        ("LEASE", &place.lease.to_string()),
    ]))
}

fn step_variables(place: &WindowsPlace, order: &StepOrder<'_>, claim: &str) -> String {
    assignments(&[
        ("CLAIM", claim),
        ("LIMIT", &order.step.timeout.to_string()),
        ("PULSE", &place.pulse.to_string()),
        ("MOST", &MOST.to_string()),
        ("ONLY_BEGIN", if order.only_begin { "yes" } else { "no" }),
    ]) + "set \"UP_AT=!UP_RUN!\\!UP_CLAIM!\"\n"
}

/// Names and numbers of ours only: nothing in them means anything to `cmd`.
fn assignments(variables: &[(&str, &str)]) -> String {
    variables.iter().map(|(name, value)| format!("set \"UP_{name}={value}\"\n")).collect()
}

/// An owner as it stands in the lock's file and in an answer: whatever could mean something to `cmd` as `?`.
fn owner(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@._- ".contains(c);
    one_line(text).chars().map(|c| if plain(c) { c } else { '?' }).collect()
}

/// A batch file: its variables come behind its first line.
fn batch(head: &str, parts: &[&str]) -> String {
    let mut text = format!("@echo off\n{head}");
    for part in parts {
        text.push_str(&without_remarks(part));
    }
    text
}

/// A host does not need them, and each line takes its time.
fn without_remarks(text: &str) -> String {
    let code = |line: &&str| !line.starts_with("rem ") && !line.is_empty() && *line != "@echo off";
    text.lines().filter(code).flat_map(|line| [line, "\n"]).collect()
}

/// The batch file that runs the step's text with its secrets and its files. Its code is that of its last command. Without
/// `CLAIM.ran` nothing of the text was run, whatever the code.
fn runner(claim: &str, step: &PlannedStep) -> String {
    let mut text = format!(
        "@echo off\n\
         if not exist \"%~dp0{claim}.env.cmd\" echo its secrets are not on the disk any more\
         >\"%~dp0{claim}.refused\"\n\
         if not exist \"%~dp0{claim}.env.cmd\" exit /b 1\n\
         call \"%~dp0{claim}.env.cmd\"\n\
         del /f /q \"%~dp0{claim}.env.cmd\" <nul >nul\n\
         if exist \"%~dp0{claim}.env.cmd\" echo its secrets cannot be taken away from the disk\
         >\"%~dp0{claim}.refused\"\n\
         if exist \"%~dp0{claim}.env.cmd\" exit /b 1\n"
    );
    text.push_str(&lay_down(claim, step, "1"));
    text.push_str(&format!(
        "echo ran>\"%~dp0{claim}.ran\"\n\
         if not exist \"%~dp0{claim}.ran\" exit /b 1\n"
    ));
    if step.retry_on.is_empty() {
        text.push_str(&text_of(claim, step));
    } else {
        text.push_str(&format!("cmd.exe /d /q /v:on /c \"\"%~dp0{claim}.again.cmd\"\" <nul\n"));
    }
    text
}

/// The commands that have a step's files laid down, or end with this code; empty where it has none.
fn lay_down(claim: &str, step: &PlannedStep, code: &str) -> String {
    if step.uploads.is_empty() {
        return String::new();
    }
    format!(
        "set \"UP_LAID=\"\n\
         call \"%~dp0{claim}.lay.cmd\"\n\
         if not defined UP_LAID exit /b {code}\n"
    )
}

/// The command that runs the step's text. A rendered one expands its variables late; a playbook's own knows nothing of
/// that.
fn text_of(claim: &str, step: &PlannedStep) -> String {
    let late = if step.kind == "run" { "off" } else { "on" };
    format!("cmd.exe /d /q /v:{late} /c \"\"%~dp0{claim}.step.cmd\"\" <nul\n")
}

/// The batch file that runs the step's text again where its code asks for that. Apart from the runner, which must not
/// expand late what secrets are set by. The naps are what is counted of its time.
fn repeater(claim: &str, step: &PlannedStep) -> String {
    let codes: Vec<String> = step.retry_on.iter().map(ToString::to_string).collect();
    let lay_again = lay_down(claim, step, "!UP_CODE!");
    format!(
        "@echo off\n\
         set /a UP_NAPS=0\n\
         :again\n\
         {}\
         set \"UP_CODE=!errorlevel!\"\n\
         for %%c in ({}) do if \"!UP_CODE!\"==\"%%c\" goto retry\n\
         exit /b !UP_CODE!\n\
         :retry\n\
         set /a UP_NAPS+=1\n\
         if !UP_NAPS! geq {} exit /b !UP_CODE!\n\
         ping -n {} 127.0.0.1 <nul >nul\n\
         {lay_again}\
         goto again\n",
        text_of(claim, step),
        codes.join(" "),
        step.timeout / RETRY_SECONDS,
        RETRY_SECONDS + 1
    )
}

/// The batch file that lays down a step's files from the base64 that came with it, anew for each try; all are as planned
/// if it sets `UP_LAID`. A tool that could not be started is asked once more.
fn layer(claim: &str, step: &PlannedStep) -> String {
    let mut text = format!(
        "@echo off\n\
         set \"UPROOT_FILES=%~dp0{claim}.files\"\n\
         if exist \"%UPROOT_FILES%\\\" rd /s /q \"%UPROOT_FILES%\" <nul >nul\n\
         mkdir \"%UPROOT_FILES%\" <nul\n"
    );
    for (number, PlannedUpload { name, sha256, .. }) in step.uploads.iter().enumerate() {
        let file = format!("\"%UPROOT_FILES%\\{name}\"");
        let decode = format!("certutil -decode \"%~dp0{claim}.f{number}\" {file} <nul >nul");
        // The first line has the name, the second the digest; older ones write it in pairs.
        let digest = format!(
            "for /f \"skip=1 delims=\" %%h in ('certutil -hashfile {file} SHA256 ^<nul') do \
             if not defined UP_SUM set \"UP_SUM=%%h\""
        );
        text.push_str(&format!(
            "if not exist {file} {decode}\n\
             if not exist {file} {decode}\n\
             set \"UP_SUM=\"\n\
             {digest}\n\
             if not defined UP_SUM {digest}\n\
             if defined UP_SUM set \"UP_SUM=%UP_SUM: =%\"\n\
             set \"UP_GOOD=\"\n\
             if /i \"%UP_SUM%\"==\"{sha256}\" set \"UP_GOOD=yes\"\n\
             set \"UP_SUM=\"\n\
             if defined UP_GOOD goto good{number}\n\
             rd /s /q \"%UPROOT_FILES%\" <nul >nul 2>nul\n\
             echo the file `{name}` cannot be laid down by certutil, or did not arrive as it is\
             >\"%~dp0{claim}.refused\"\n\
             exit /b 1\n\
             :good{number}\n"
        ));
    }
    text.push_str("set \"UP_GOOD=\"\nset \"UP_LAID=yes\"\n");
    text
}

/// The batch file that sets a step's variables.
fn environment(step: &PlannedStep, secrets: &BTreeMap<String, Secret>) -> Result<String, OrderError> {
    let mut text = "@echo off\n".to_owned();
    for (variable, name) in &step.env {
        let good = variable.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !variable.to_ascii_uppercase().starts_with("UP_");
        if !good {
            return Err(OrderError::Variable(variable.clone()));
        }
        let value = passed_on(step, variable, name, secrets);
        let plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic() && byte != b'"';
        if value.len() > LONGEST_SECRET || !value.bytes().all(plain) {
            return Err(OrderError::Secret(name.clone()));
        }
        text.push_str(&format!("set \"{variable}={}\"\n", value.replace('%', "%%")));
    }
    Ok(text)
}
