//! Processes, from `/proc` alone.

use super::frames::{Section, number, split_once, text};
use super::listing::{Asker, Builder};
use super::{Listing, Process};
use std::collections::{HashMap, HashSet};

/// What `/proc/PID/status` says.
#[derive(Default)]
struct Status {
    name: String,
    pid: Option<u32>,
    uid: Option<u32>,
    has_memory: bool,
    is_zombie: bool,
    threads: u32,
}

impl Status {
    /// Kernel threads run no program; a zombie without other threads no longer runs any.
    fn runs_a_program(&self) -> bool {
        self.has_memory || (self.is_zombie && self.threads > 1)
    }
}

/// What is known of a process's executable.
enum Exe {
    Path(String),
    Unreadable,
}

/// Reads the section `processes`.
pub(super) fn parse(section: &Section<'_>, asker: Asker, hidden: Option<&str>) -> Listing<Process> {
    let mut builder = Builder::new(section, asker);
    if !asker.is_root {
        hidden.iter().for_each(|hidden| builder.gap(format!("{hidden}, and this was not root")));
    }
    let exes = exes(section, &mut builder);
    let statuses = statuses(section, "status", &mut builder);
    let left: HashSet<u32> = self::statuses(section, "left", &mut builder)
        .iter()
        .filter(|status| status.runs_a_program())
        .filter_map(|status| status.pid)
        .collect();
    let shell = section.value("shell").and_then(|pid| pid.parse().ok());
    for known in [Some(1), shell] {
        if known.is_none() || !statuses.iter().any(|status| status.pid == known) {
            builder.gap("`/proc` does not show every process: the first one or the asking one is not there");
        }
    }
    for status in statuses.iter().filter(|status| status.runs_a_program()) {
        let (Some(pid), Some(uid)) = (status.pid, status.uid) else {
            builder.gap("a file `/proc/PID/status` is not understood");
            continue;
        };
        let exe = match exes.get(&pid) {
            // It ended between the two looks.
            None => continue,
            Some(Exe::Unreadable) if !left.contains(&pid) => continue,
            Some(Exe::Unreadable) => None,
            Some(Exe::Path(path)) => Some(path),
        };
        let kept = exe.map(|path| path.strip_suffix(" (deleted)").unwrap_or(path).to_owned());
        builder.push(Process {
            pid,
            name: status.name.clone(),
            deleted: exe.is_some_and(|path| path.ends_with(" (deleted)")),
            exe: kept,
            uid: Some(uid),
        });
    }
    builder.finish(|process| process.pid)
}

/// What `/proc/PID/status` said of every process in the look that the script calls `look`.
fn statuses(section: &Section<'_>, look: &str, builder: &mut Builder<Process>) -> Vec<Status> {
    let Some(run) = section.runs(look).next() else {
        builder.gap("`/proc` was not read");
        return Vec::new();
    };
    // A process that ends while it is looked at is not there, which is a true answer.
    let gone = [&b": No such file or directory"[..], b": No such process"];
    let bad = run.errors.iter().find(|line| !gone.iter().any(|gone| line.ends_with(gone)));
    match (bad, run.status) {
        (Some(line), _) => builder.gap(format!("`grep` says: {}", text(line))),
        (None, Some(0 | 2)) => {}
        (None, Some(status)) => builder.gap(format!("`grep` ended with status {status}")),
        (None, None) => builder.gap("`grep` was cut off"),
    }
    let mut statuses: Vec<Status> = Vec::new();
    for line in run.output.lines().filter(|line| !line.is_empty()) {
        let Some((key, value)) = split_once(line, b":") else {
            builder.gap("a file `/proc/PID/status` is not understood");
            continue;
        };
        let value = value.trim_ascii_start();
        match (key, statuses.last_mut()) {
            (b"Name", _) => statuses.push(Status { name: unescape(&text(value)), ..Status::default() }),
            (b"State", Some(status)) => status.is_zombie = value.starts_with(b"Z"),
            (b"Pid", Some(status)) => status.pid = number(value),
            // The second of the four is the effective one.
            (b"Uid", Some(status)) => status.uid = value.split(|b| *b == b'\t').nth(1).and_then(number),
            (b"VmSize", Some(status)) => status.has_memory = true,
            (b"Threads", Some(status)) => status.threads = number(value).unwrap_or(0),
            _ => builder.gap("a file `/proc/PID/status` is not understood"),
        }
    }
    statuses
}

/// The kernel writes a line break and a backslash in a name as `\n` and `\\`.
fn unescape(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some('n')) => {
                chars.next();
                out.push('\n');
            }
            ('\\', Some('\\')) => {
                chars.next();
                out.push('\\');
            }
            (c, _) => out.push(c),
        }
    }
    out
}

/// Lines `PID -> PATH`, or `PID` where the link could not be read.
fn exes(section: &Section<'_>, builder: &mut Builder<Process>) -> HashMap<u32, Exe> {
    let mut exes = HashMap::new();
    let Some(run) = section.runs("exe").next() else {
        builder.gap("the executables of processes were not read");
        return exes;
    };
    run.failure("ls").into_iter().for_each(|failure| builder.gap(failure));
    let mut last = 0;
    for line in run.output.lines().filter(|line| !line.is_empty()) {
        let (pid, exe) = match split_once(line, b" -> ") {
            Some((pid, path)) => (number(pid), Exe::Path(text(path))),
            None => (number(line), Exe::Unreadable),
        };
        // A line break in an executable's name makes a line of its own, of any form.
        let is_new = pid.is_some_and(|pid: u32| exes.insert(pid, exe).is_none());
        match pid {
            Some(pid) if is_new => last = pid,
            _ => builder.gap(format!("the name of the executable of process {last} has a line break")),
        }
    }
    let shell: Option<u32> = section.value("shell").and_then(|pid| pid.parse().ok());
    if !shell.and_then(|pid| exes.get(&pid)).is_some_and(|exe| matches!(exe, Exe::Path(_))) {
        builder.gap("the executables of processes cannot be read");
    }
    exes
}
