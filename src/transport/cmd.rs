//! Speaking to Windows' `cmd.exe`: a flat script on its standard input.
//!
//! The exec line is words that `cmd.exe`, PowerShell and a POSIX shell parse alike, whichever
//! `DefaultShell` the server starts them by. `cmd.exe` reads one line after the other and runs each
//! as it comes, so a stream that was cut off runs what came of it: only a script that changes nothing
//! may be sent this way. With echo off (`/q`, and the first line for a shell that lost it) neither a
//! prompt nor the lines come back; where they did all the same, the empty prompt keeps every mark at
//! the beginning of a line, and no line of the script has a mark in it as it is printed.

use super::protocol::{Phase, Seeker, Talk};
use crate::model::BoundedOutput;
use uuid::Uuid;

/// The exec line: no AutoRun command of the registry (`/d`), echo off (`/q`).
pub(super) const COMMAND: &str = "cmd.exe /d /q";

/// What one line of a flat script may have at most, in bytes: `cmd.exe` cuts longer ones.
/// <https://learn.microsoft.com/en-us/troubleshoot/windows-client/shell-experience/command-line-string-limitation>
pub const MAX_LINE: usize = 8191;

/// Kept of what comes before the begin mark: `cmd.exe` greets with its version.
const NOISE: usize = 4096;

/// How far the output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    Body,
    Over,
}

/// The conversation with one `cmd.exe`.
pub(super) struct CmdTalk {
    input: Vec<u8>,
    begin: Vec<u8>,
    end: Vec<u8>,
    out: Seeker,
    stage: Stage,
    phase: Phase,
    status: Option<i32>,
    noise: BoundedOutput,
    stdout: BoundedOutput,
    stderr: BoundedOutput,
}

impl CmdTalk {
    /// A conversation that runs the lines of `script`, keeping `keep` bytes of each stream.
    ///
    /// # Errors
    /// Why the script cannot be sent: `cmd.exe` reads bytes in the host's own code page, and lines
    /// only up to a length.
    pub(super) fn new(script: &str, keep: usize) -> Result<Self, String> {
        if let Some(wrong) = script.lines().find(|line| !line.bytes().all(is_plain)) {
            return Err(format!("a script with other characters than ASCII's cannot be sent: `{wrong}`"));
        }
        if script.lines().any(|line| line.len() > MAX_LINE) {
            return Err(format!("a line of more than {MAX_LINE} characters cannot be sent"));
        }
        let mark = Uuid::new_v4().simple().to_string();
        let mut input = format!("@echo off\r\nprompt $_\r\nset \"U={mark}\"\r\necho %U%:begin\r\n");
        for line in script.lines().filter(|line| !line.is_empty()) {
            input.push_str(line);
            input.push_str("\r\n");
        }
        input.push_str("echo %U%:end\r\nexit 0\r\n");
        Ok(Self {
            input: input.into_bytes(),
            begin: format!("{mark}:begin").into_bytes(),
            end: format!("{mark}:end").into_bytes(),
            out: Seeker::default(),
            stage: Stage::Before,
            phase: Phase::Running,
            status: None,
            noise: BoundedOutput::with_limit(NOISE),
            stdout: BoundedOutput::with_limit(keep),
            stderr: BoundedOutput::with_limit(keep),
        })
    }

    /// Whether `cmd.exe` obeyed its first lines.
    pub(super) fn has_begun(&self) -> bool {
        self.stage != Stage::Before
    }

    /// What came instead of the begin mark, and on standard error.
    pub(super) fn noise(&mut self) -> (String, String) {
        let rest = self.out.take();
        self.noise.push(&rest);
        (self.noise.text(), self.stderr.text())
    }

    /// Standard output between the marks, and standard error.
    pub(super) fn into_output(mut self) -> (BoundedOutput, BoundedOutput) {
        let rest = self.out.take();
        if self.stage == Stage::Body {
            self.stdout.push(&rest);
        }
        (self.stdout, self.stderr)
    }
}

fn is_plain(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

impl Talk for CmdTalk {
    fn phase(&self) -> &Phase {
        &self.phase
    }

    fn status(&self) -> Option<i32> {
        self.status
    }

    fn pending_input(&self) -> &[u8] {
        &self.input
    }

    fn sent(&mut self, count: usize) {
        self.input.drain(..count.min(self.input.len()));
    }

    fn input_refused(&mut self) {
        self.input.clear();
    }

    fn input_complete(&self) -> bool {
        true
    }

    fn waited(&mut self) {}

    fn stdout(&mut self, bytes: &[u8]) {
        self.out.push(bytes);
        if self.stage == Stage::Before {
            let (before, found) = self.out.seek(&self.begin);
            self.noise.push(&before);
            if found {
                self.stage = Stage::Body;
            }
        }
        if self.stage == Stage::Body {
            let (before, found) = self.out.seek(&self.end);
            self.stdout.push(&before);
            if found {
                self.stage = Stage::Over;
                self.status = Some(0);
                self.phase = Phase::Complete(0);
            }
        }
        if self.stage == Stage::Over {
            self.out.clear();
        }
    }

    fn stderr(&mut self, bytes: &[u8]) {
        self.stderr.push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `cmd.exe` prints when it obeys the lines that echo the marks, with the mark itself.
    fn obeyed(talk: &CmdTalk, body: &str) -> String {
        let input = String::from_utf8(talk.input.clone()).unwrap();
        let mark = input.split("U=").nth(1).unwrap().split('"').next().unwrap().to_owned();
        format!("Microsoft Windows [Version 10.0]\r\n{mark}:begin\r\n{body}{mark}:end\r\n")
    }

    #[test]
    fn the_output_is_what_stands_between_the_marks_however_it_comes() {
        for size in [1, 7, 4096] {
            let mut talk = CmdTalk::new("ver", 1000).unwrap();
            let said = obeyed(&talk, "a\r\nb\r\n");
            said.as_bytes().chunks(size).for_each(|chunk| talk.stdout(chunk));
            assert_eq!(talk.phase(), &Phase::Complete(0));
            assert_eq!(talk.into_output().0.text(), "\r\na\r\nb\r\n");
        }
    }

    #[test]
    fn lines_that_come_back_are_no_marks() {
        let mut talk = CmdTalk::new("ver", 1000).unwrap();
        let echoed = talk.input.clone();
        talk.stdout(&echoed);
        assert!(!talk.has_begun());
        assert_eq!(talk.status(), None);
    }

    #[test]
    fn what_was_cut_off_has_no_status() {
        let mut talk = CmdTalk::new("ver", 1000).unwrap();
        let said = obeyed(&talk, "a\r\n");
        talk.stdout(&said.as_bytes()[..said.len() - 4]);
        assert!(talk.has_begun());
        assert_eq!(talk.status(), None);
    }

    #[test]
    fn what_cmd_could_not_read_is_refused() {
        assert!(CmdTalk::new("dir C:\\\u{e4}", 10).is_err());
        assert!(CmdTalk::new("a\tb", 10).is_err());
        assert!(CmdTalk::new(&"a".repeat(8192), 10).is_err());
    }
}
