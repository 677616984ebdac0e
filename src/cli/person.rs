//! Questions to the person at the terminal.

use super::run_log::operator;
use crate::apply::{Person, Stop};
use crate::model::output::escape_line;
use crate::progress::Progress;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{BufRead, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

/// The person at the terminal, where there is one.
pub struct Terminal {
    stop: Stop,
    progress: Arc<Progress>,
}

impl Terminal {
    /// None where nobody can be asked.
    pub fn new(stop: Stop, progress: Arc<Progress>) -> Option<Self> {
        can_ask().then_some(Self { stop, progress })
    }

    /// Asks; none where a stop was asked for instead of an answer, or the input is at its end.
    pub fn answer(&self, question: &str) -> Option<bool> {
        self.progress.suspend(|| {
            tell_part!("{question} [yes/no] ");
            let _ = std::io::stderr().flush();
        });
        // A blocking read could not be left when a signal comes.
        while !is_readable() {
            if self.stop.reason().is_some() {
                tell!("");
                return None;
            }
        }
        let mut answer = String::new();
        match std::io::stdin().lock().read_line(&mut answer) {
            Ok(count) if count > 0 => Some(answer.trim() == "yes"),
            _ => None,
        }
    }
}

impl Person for Terminal {
    fn approves(&self, wave: &str) -> Option<bool> {
        self.answer(&format!("Wave `{}` asks for approval. Begin it?", escape_line(wave)))
    }

    fn name(&self) -> String {
        operator()
    }
}

/// Whether somebody reads and answers.
pub fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

fn is_readable() -> bool {
    let stdin = std::io::stdin();
    let mut fds = [PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN)];
    let fifth = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
    matches!(poll(&mut fds, Some(&fifth)), Ok(count) if count > 0)
}
