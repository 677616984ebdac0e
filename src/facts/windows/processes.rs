//! Processes, as `tasklist /fo csv /nh` lists them: `"avp.exe","1234","Services","0","8,312 K"`. Name
//! and number are the first two columns in every language. It does not tell where the executable is.

use super::answers::Answers;
use super::ask::Ask;
use crate::facts::frames::{number, split_once};
use crate::facts::listing::{Asker, Builder};
use crate::facts::{Listing, Process};

/// The process that every Windows has: its kernel.
const SYSTEM: u32 = 4;

/// Reads the answer about processes.
pub(super) fn parse(answers: &Answers<'_>) -> Listing<Process> {
    let mut builder = Builder::empty(Asker { is_root: true });
    match answers.good(&Ask::Processes, "tasklist") {
        Err(reason) => builder.gap(reason),
        Ok(section) => {
            for line in section.lines.iter().map(|line| line.trim_ascii()).filter(|line| !line.is_empty()) {
                match row(line) {
                    Some((name, pid)) => builder.push(Process {
                        pid,
                        name: answers.code_page.text(name),
                        exe: None,
                        deleted: false,
                        uid: None,
                    }),
                    None => builder.gap("a line of `tasklist` is not understood"),
                }
            }
            if !builder.has(|process| process.pid == SYSTEM) {
                builder.gap("`tasklist` does not list the system's own process");
            }
        }
    }
    builder.finish(|process| process.pid)
}

fn row(line: &[u8]) -> Option<(&[u8], u32)> {
    let (name, rest) = split_once(line.strip_prefix(b"\"")?, b"\",\"")?;
    let (pid, _) = split_once(rest, b"\"")?;
    Some((name, number(pid)?))
}
