//! Runs an inventory script: `--list`, and `--host NAME` where the answer has no `_meta`.

use super::values::{Wrong, quoted};
use crate::model::BoundedOutput;
use crate::model::output::escape_block;
use std::io::{ErrorKind, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long a call may take.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The most bytes of a call's answer that are taken.
pub(super) const ANSWER_LIMIT: u64 = 64 << 20;
/// How much of its standard error is shown, in bytes.
const STDERR_SHOWN: usize = 2 << 10;

/// The answer of a call.
///
/// # Errors
/// It could not be started, took too long, said too much, failed, or did not answer in UTF-8.
pub(super) fn ask(path: &Path, args: &[&str], limit: Duration) -> Result<String, Wrong> {
    let deadline = Instant::now() + limit;
    let mut child = start(path, args)?;
    let answer = receive(child.stdout.take(), ANSWER_LIMIT + 1);
    let errors = receive_bounded(child.stderr.take());
    let out = answer.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    let too_long = out.as_ref().is_ok_and(|bytes| bytes.len() as u64 > ANSWER_LIMIT);
    let status = if out.is_ok() && !too_long { wait(&mut child, deadline) } else { None };
    let Some(status) = status else {
        kill(&mut child);
        let said = stderr_of(&errors);
        return Err(if too_long {
            Wrong::new(
                format!("the script printed more than {} MiB", ANSWER_LIMIT >> 20),
                "let it list fewer hosts, or print fewer variables",
            )
        } else {
            Wrong::new(
                format!("the script did not end within {} s{said}", limit.as_secs()),
                "run it by hand to see what it waits for; its standard input is empty",
            )
        });
    };
    let bytes = out.unwrap_or_default();
    if !status.success() {
        let how = describe(status);
        return Err(Wrong::new(
            format!("the script {how}{}", stderr_of(&errors)),
            format!("run it by hand: {} {}", path.display(), args.join(" ")),
        ));
    }
    String::from_utf8(bytes)
        .map_err(|_| Wrong::new("the script's answer is not UTF-8", "let it print JSON in UTF-8"))
}

fn start(path: &Path, args: &[&str]) -> Result<Child, Wrong> {
    // A bare name would be looked for in PATH.
    let program =
        if path.components().count() == 1 { PathBuf::from(".").join(path) } else { path.to_owned() };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // In a group of its own, so that what it started can be ended with it.
    command.process_group(0);
    let mut attempts = 0;
    loop {
        match command.spawn() {
            Ok(child) => return Ok(child),
            // It is just being written, or a process that was forked then still holds it open.
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && attempts < 20 => {
                attempts += 1;
                std::thread::sleep(Duration::from_millis(25));
            }
            Err(error) => {
                let help = if error.kind() == ErrorKind::NotFound {
                    "its first line names an interpreter that is not installed here"
                } else {
                    "make it executable (`chmod +x`) and check its first line"
                };
                return Err(Wrong::new(format!("the script cannot be run: {error}"), help));
            }
        }
    }
}

/// Everything a stream has, up to a limit, once it ends or the limit is reached.
fn receive(stream: Option<impl Read + Send + 'static>, limit: u64) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            // What came before an error still counts; the exit status says the rest.
            let _ = stream.take(limit).read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

/// The bounded beginning and end of a stream that is read to its end.
fn receive_bounded(stream: Option<impl Read + Send + 'static>) -> Receiver<BoundedOutput> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut output = BoundedOutput::with_limit(STDERR_SHOWN);
        let mut buffer = [0; 4096];
        if let Some(mut stream) = stream {
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                output.push(buffer.get(..length).unwrap_or_default());
            }
        }
        let _ = sender.send(output);
    });
    receiver
}

fn stderr_of(errors: &Receiver<BoundedOutput>) -> String {
    // Something it left running may hold the stream open.
    let output = errors.recv_timeout(Duration::from_millis(500)).unwrap_or_default();
    let text = output.text();
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!("; it said:\n{}", escape_block(text)) }
}

fn wait(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            _ => return None,
        }
    }
}

fn kill(child: &mut Child) {
    let group = rustix::process::Pid::from_child(child);
    // It may have ended just now; then there is nothing to kill.
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    let _ = child.kill();
    let _ = child.wait();
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("failed with exit status {}", quoted(&code.to_string())),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn script(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("inv");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        (dir, path)
    }

    fn answer(text: &str, limit: Duration) -> Result<String, Wrong> {
        let (_dir, path) = script(text);
        ask(&path, &["--list"], limit)
    }

    #[test]
    fn answers_with_what_it_prints_and_reads_nothing() {
        assert_eq!(answer("cat; echo \"$1\"", TIME_LIMIT), Ok("--list\n".into()));
    }

    #[test]
    fn failures_show_what_it_said_escaped() {
        let wrong = answer("printf 'no \\033[31mtoken' >&2; exit 3", TIME_LIMIT).unwrap_err();
        assert_eq!(wrong.message, "the script failed with exit status `3`; it said:\nno \\x1b[31mtoken");
    }

    #[test]
    fn a_hang_ends_with_all_that_it_started() {
        let start = Instant::now();
        let wrong = answer("echo waiting >&2; sleep 60 & sleep 60", Duration::from_millis(300)).unwrap_err();
        assert!(wrong.message.contains("did not end within"), "{}", wrong.message);
        assert!(wrong.message.contains("waiting"), "{}", wrong.message);
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_flood_is_cut() {
        let wrong = answer("yes", Duration::from_secs(60)).unwrap_err();
        assert!(wrong.message.contains("more than 64 MiB"), "{}", wrong.message);
    }
}
