//! The conversation with the reader, apart from the bytes' way: what to send, and what is the
//! script's output. Pure: bytes in, bytes out, no clock.
//!
//! What is believed: that the reader runs, by its "ready" line; that the script ended, and with
//! which status, by the end mark alone. The mark cannot be guessed, but a script that prints its
//! own shell's text (`set -v` on standard output, `/proc/self/fd/0`) would show it, and a host
//! whose root is hostile can answer anything at all.

use super::reader::{Nonces, framed};
use crate::model::{BoundedOutput, Secret};
use zeroize::Zeroize as _;

/// Kept of what comes before the script's own output: banners, sudo's reasons.
const NOISE: usize = 4096;

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waiting for "ready".
    Waiting,
    /// Root was asked for, but cannot be had; nothing of the script was or will be sent.
    Refused(Refusal),
    /// The script was sent.
    Running,
    /// Both end marks came.
    Complete(i32),
}

/// Why nothing was sent, as far as the conversation itself shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The password was asked for a second time.
    AskedAgain,
    /// It was asked for, but there is none.
    NoPassword,
    /// The reader runs, but not as root.
    NotRoot,
}

/// What is said over a running command's streams: bytes in, bytes out.
pub(super) trait Talk {
    /// How far it is.
    fn phase(&self) -> &Phase;
    /// The status, once the mark on standard output came; the one on standard error may still be on
    /// its way.
    fn status(&self) -> Option<i32>;
    /// What has to be sent and was not `sent` yet.
    fn pending_input(&self) -> &[u8];
    /// Notes that the first `count` bytes of the pending input went out.
    fn sent(&mut self, count: usize);
    /// Notes that the host reads no more.
    fn input_refused(&mut self);
    /// Whether the input is to be closed once nothing is pending.
    fn input_complete(&self) -> bool;
    /// Nothing was asked for a while: what becomes root may ask in words of its own.
    fn waited(&mut self);
    /// Takes in bytes of standard output.
    fn stdout(&mut self, bytes: &[u8]);
    /// Takes in bytes of standard error.
    fn stderr(&mut self, bytes: &[u8]);
}

/// One script's conversation. Holds secrets, so it cannot be printed; they are wiped once sent.
pub(super) struct Conversation {
    nonces: Nonces,
    script: String,
    want_root: bool,
    password: Option<Secret>,
    phase: Phase,
    uid: Option<u32>,
    questions: u32,
    password_sent: bool,
    input: Vec<u8>,
    input_complete: bool,
    out: Seeker,
    err: Seeker,
    out_stage: OutStage,
    err_begun: bool,
    err_ended: bool,
    status: Option<i32>,
    noise_out: BoundedOutput,
    noise_err: BoundedOutput,
    stdout: BoundedOutput,
    stderr: BoundedOutput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OutStage {
    Ready,
    Begin,
    Body,
    Over,
}

impl Conversation {
    /// A conversation that runs `script`, keeping `keep` bytes of each stream.
    pub(super) fn new(
        nonces: Nonces,
        script: &str,
        want_root: bool,
        password: Option<Secret>,
        keep: usize,
    ) -> Self {
        Self {
            nonces,
            script: script.to_owned(),
            want_root,
            password,
            phase: Phase::Waiting,
            uid: None,
            questions: 0,
            password_sent: false,
            input: Vec::new(),
            input_complete: false,
            out: Seeker::default(),
            err: Seeker::default(),
            out_stage: OutStage::Ready,
            err_begun: false,
            err_ended: false,
            status: None,
            noise_out: BoundedOutput::with_limit(NOISE),
            noise_err: BoundedOutput::with_limit(NOISE),
            stdout: BoundedOutput::with_limit(keep),
            stderr: BoundedOutput::with_limit(keep),
        }
    }

    /// Whom the reader runs as, once it said so.
    pub(super) fn uid(&self) -> Option<u32> {
        self.uid
    }

    /// Whether the password went out.
    pub(super) fn password_sent(&self) -> bool {
        self.password_sent
    }

    fn send_password(&mut self) {
        if let (false, Some(password)) = (self.password_sent, &self.password) {
            self.input.extend_from_slice(password.expose().as_bytes());
            self.input.push(b'\n');
            self.password_sent = true;
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.phase = Phase::Refused(refusal);
        self.input.zeroize();
        self.input_complete = true;
    }

    /// The uid has to be digits: a shell that only shows the command back has `$(id -u)` there.
    fn seek_ready(&mut self) {
        let ready = self.nonces.ready();
        loop {
            match self.out.seek_number(ready.as_bytes()) {
                Number::None { before } => return self.noise_out.push(&before),
                Number::Not { before } => self.noise_out.push(&before),
                Number::Is { before, digits } => {
                    self.noise_out.push(&before);
                    self.out_stage = OutStage::Begin;
                    return self.ready(digits.parse().ok());
                }
            }
        }
    }

    fn ready(&mut self, uid: Option<u32>) {
        self.uid = uid;
        if self.phase != Phase::Waiting {
            return;
        }
        if self.want_root && uid != Some(0) {
            return self.refuse(Refusal::NotRoot);
        }
        self.phase = Phase::Running;
        self.input.extend_from_slice(framed(&self.nonces, &self.script).as_bytes());
        self.input_complete = true;
        self.script.zeroize();
    }

    fn seek_end(&mut self) {
        let end = self.nonces.end();
        loop {
            match self.out.seek_number(end.as_bytes()) {
                Number::None { before } => return self.stdout.push(&before),
                Number::Is { before, digits } => {
                    self.stdout.push(&before);
                    let Some(status) = digits.parse().ok().filter(|status| *status <= 255) else {
                        self.stdout.push(end.as_bytes());
                        self.stdout.push(digits.as_bytes());
                        continue;
                    };
                    self.out_stage = OutStage::Over;
                    self.status = Some(status);
                    return self.complete_if_both();
                }
                Number::Not { before } => self.stdout.push(&before),
            }
        }
    }

    fn question(&mut self) {
        self.questions += 1;
        if self.password.is_none() {
            self.refuse(Refusal::NoPassword);
        } else if self.questions > 1 {
            self.refuse(Refusal::AskedAgain);
        } else {
            // One that was sent unasked already waits for this very question.
            self.send_password();
        }
    }

    fn complete_if_both(&mut self) {
        if let (Some(status), true) = (self.status, self.err_ended) {
            self.phase = Phase::Complete(status);
        }
    }

    /// Standard output and standard error of the script, for an answer. Without its begin mark,
    /// what came instead: it says why.
    pub(super) fn into_output(mut self) -> (BoundedOutput, BoundedOutput) {
        self.flush();
        let stderr = if self.err_begun { self.stderr } else { self.noise_err };
        (self.stdout, stderr)
    }

    /// What the host said before the script began, or instead of it.
    pub(super) fn noise(&mut self) -> (String, String) {
        self.flush();
        (self.noise_out.text(), self.noise_err.text())
    }

    /// Nothing more will come: what was held back as the possible start of a mark was none.
    fn flush(&mut self) {
        let rest = self.out.take();
        match self.out_stage {
            OutStage::Ready | OutStage::Begin => self.noise_out.push(&rest),
            OutStage::Body => self.stdout.push(&rest),
            OutStage::Over => {}
        }
        let rest = self.err.take();
        match (self.err_begun, self.err_ended) {
            (false, _) => self.noise_err.push(&rest),
            (true, false) => self.stderr.push(&rest),
            (true, true) => {}
        }
    }
}

impl Talk for Conversation {
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
        let count = count.min(self.input.len());
        if let Some(sent) = self.input.get_mut(..count) {
            sent.zeroize();
        }
        self.input.drain(..count);
    }

    fn input_refused(&mut self) {
        self.input.zeroize();
    }

    fn input_complete(&self) -> bool {
        self.input_complete
    }

    /// sudo's own words are not recognised as a question, so it gets the password unasked. The reader
    /// throws the line away if nobody else took it.
    fn waited(&mut self) {
        if self.phase == Phase::Waiting {
            self.send_password();
        }
    }

    fn stdout(&mut self, bytes: &[u8]) {
        self.out.push(bytes);
        loop {
            let stage = self.out_stage;
            match stage {
                OutStage::Ready => self.seek_ready(),
                OutStage::Begin => {
                    let (before, found) = self.out.seek(self.nonces.begin().as_bytes());
                    self.noise_out.push(&before);
                    if found {
                        self.out_stage = OutStage::Body;
                    }
                }
                OutStage::Body => self.seek_end(),
                OutStage::Over => self.out.clear(),
            }
            if self.out_stage == stage {
                return;
            }
        }
    }

    fn stderr(&mut self, bytes: &[u8]) {
        self.err.push(bytes);
        while self.phase == Phase::Waiting {
            let (before, found) = self.err.seek(self.nonces.prompt().as_bytes());
            self.noise_err.push(&before);
            if !found {
                return;
            }
            self.question();
        }
        if !self.err_begun {
            let (before, found) = self.err.seek(self.nonces.begin().as_bytes());
            self.noise_err.push(&before);
            self.err_begun = found;
        }
        if self.err_begun && !self.err_ended {
            let (before, found) = self.err.seek(self.nonces.error_end().as_bytes());
            self.stderr.push(&before);
            self.err_ended = found;
        }
        if self.err_ended {
            self.err.clear();
            self.complete_if_both();
        }
    }
}

/// Finds marks in a stream that comes in pieces; holds back what may be the start of one.
#[derive(Debug, Default)]
pub(super) struct Seeker {
    held: Vec<u8>,
}

enum Number {
    /// No mark with a whole line after it yet.
    None { before: Vec<u8> },
    /// A mark with something else than digits after it; it is part of `before`.
    Not { before: Vec<u8> },
    /// A mark with digits, or none at all, up to the end of the line.
    Is { before: Vec<u8>, digits: String },
}

impl Seeker {
    /// More than the digits of any status or uid.
    const DIGITS: usize = 10;

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    pub(super) fn clear(&mut self) {
        self.held.clear();
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// What is before the mark, and true if it is there (it is dropped then); without it, all but
    /// what may be its start.
    pub(super) fn seek(&mut self, mark: &[u8]) -> (Vec<u8>, bool) {
        if let Some(at) = find(&self.held, mark) {
            let rest = self.held.split_off(at + mark.len());
            let mut before = std::mem::replace(&mut self.held, rest);
            before.truncate(at);
            return (before, true);
        }
        let keep = partial(&self.held, mark);
        let rest = self.held.split_off(self.held.len() - keep);
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// As `seek`, for a mark that a number and a line break follow.
    fn seek_number(&mut self, mark: &[u8]) -> Number {
        let (mut before, found) = self.seek(mark);
        if !found {
            return Number::None { before };
        }
        let digits = self.held.iter().take_while(|byte| byte.is_ascii_digit()).count();
        match self.held.get(digits) {
            None if digits <= Self::DIGITS => {
                let rest = self.take();
                self.held = [mark, &rest].concat();
                Number::None { before }
            }
            Some(b'\n') if digits <= Self::DIGITS => {
                let rest = self.held.split_off(digits);
                let text = std::mem::replace(&mut self.held, rest);
                Number::Is { before, digits: String::from_utf8_lossy(&text).into_owned() }
            }
            _ => {
                before.extend_from_slice(mark);
                Number::Not { before }
            }
        }
    }
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    let first = mark.first()?;
    let mut from = 0;
    // A search for one byte is several times faster than a comparison at each place.
    while let Some(next) = bytes.get(from..)?.iter().position(|byte| byte == first) {
        from += next;
        if bytes.get(from..)?.starts_with(mark) {
            return Some(from);
        }
        from += 1;
    }
    None
}

/// How many bytes at the end of `bytes` are the start of `mark`.
fn partial(bytes: &[u8], mark: &[u8]) -> usize {
    (1..mark.len().min(bytes.len() + 1)).rev().find(|&n| bytes.ends_with(mark.split_at(n).0)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
