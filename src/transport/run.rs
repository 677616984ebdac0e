//! Runs one script over a channel: pumps bytes between it and the conversation, and keeps the
//! limits. The same for every way to reach a host.

use super::become_root::{failure, not_root};
use super::cmd::CmdTalk;
use super::protocol::{Conversation, Phase, Talk};
use super::reader::{Access, Nonces};
use super::{Answer, Become, BecomeResult, Limits, StreamEnd, TransportError, TransportErrorKind};
use crate::model::Cancel;
use crate::model::output::escape_line;
use std::time::{Duration, Instant};

/// How long sudo may stay silent before it gets the password unasked: it may ask in words of its
/// own, which are not recognised as a question.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long a process that was refused its input has to say why.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How long the mark on standard error may come after the one on standard output.
const STRAGGLER: Duration = Duration::from_secs(1);
/// Read from one stream before the limits are looked at again.
const CHUNKS: usize = 16;
const CHUNK: usize = 32 * 1024;

/// One of a command's two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Err,
}

/// What a read gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Got {
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// Nothing ever again.
    End,
}

/// The streams of one running command. Nothing here blocks but `wait`; an `Err` says that the
/// connection broke, and how.
pub(super) trait ByteChannel {
    fn read(&mut self, stream: Stream, into: &mut [u8]) -> Result<Got, String>;
    /// How many bytes were taken; none: it reads no more.
    fn write(&mut self, bytes: &[u8]) -> Result<Option<usize>, String>;
    /// Whether it is closed; else again later.
    fn close_input(&mut self) -> Result<bool, String>;
    /// Whether more came for either stream than was read when nothing could be read last: the link is
    /// shared, so reading one stream may take in what belongs to the other.
    fn has_unread(&mut self) -> bool {
        false
    }
    /// Waits until something may be read or written, `until` or cancelled, or shorter.
    fn wait(&mut self, until: Instant, cancel: &Cancel) -> Result<(), String>;
    /// After both streams ended: how the command did, in words.
    fn ending(&mut self) -> String;
}

/// A host that commands can be started on.
pub(super) trait Reach {
    type Channel: ByteChannel;

    /// Starts the reader.
    fn open(
        &mut self,
        nonces: &Nonces,
        access: Access,
        by: Instant,
        cancel: &Cancel,
    ) -> Result<Self::Channel, TransportError>;

    /// The connection is good and goes on being used. `over`: the command has ended; else it was
    /// refused its input and may still wait for it.
    fn release(&mut self, channel: Self::Channel, over: bool);

    /// Starts `cmd.exe` of Windows.
    fn open_cmd(&mut self, _by: Instant, _cancel: &Cancel) -> Result<Self::Channel, TransportError> {
        let message = format!("{}: `cmd.exe` is only started over SSH", self.label());
        Err(TransportError { kind: TransportErrorKind::Local, message, remedy: None })
    }

    /// The command may still run: end it as far as that can be done, at once.
    fn abort(&mut self, channel: Self::Channel, why: &str);

    /// Whether the login user is, or may well be, root already.
    fn logs_in_as_root(&self) -> bool;

    /// The login user is known now.
    fn logged_in_as(&mut self, uid: u32);

    /// For messages: `10.0.0.5:22`.
    fn label(&self) -> String;

    /// For messages: the login user.
    fn user(&self) -> String;

    /// How long the reader may take to get ready.
    fn patience(&self) -> Duration;
}

/// How the pumping ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stop {
    Complete,
    /// Both streams ended, in words how.
    Ended(String),
    /// The reader was not ready in time, or had its last words.
    NotReady,
    Deadline(String),
    Flooded,
    Lost(String),
    Cancelled,
}

/// Runs `script`, as root where that is asked for.
pub(super) fn run_script<R: Reach>(
    reach: &mut R,
    script: &str,
    become_root: Option<&Become>,
    limits: Limits,
    cancel: &Cancel,
) -> Result<Answer, TransportError> {
    if script.contains('\0') {
        let message = format!("{}: a script with a NUL byte cannot be sent", reach.label());
        return Err(TransportError { kind: TransportErrorKind::Local, message, remedy: None });
    }
    let Some(wish) = become_root else {
        return attempt(reach, script, None, Access::Plain, limits, cancel);
    };
    if reach.logs_in_as_root() {
        let answer = attempt(reach, script, Some(wish), Access::Plain, limits, cancel)?;
        if answer.become_result == BecomeResult::Root || reach.logs_in_as_root() {
            return Ok(answer);
        }
    }
    if wish.password.as_ref().is_some_and(|password| password.expose().contains(['\n', '\r', '\0'])) {
        let reason = "the password has a line break or a NUL in it and cannot be sent".to_owned();
        return Ok(refused(reason));
    }
    let access = Access::of(wish.method, wish.password.is_some());
    attempt(reach, script, Some(wish), access, limits, cancel)
}

fn refused(reason: String) -> Answer {
    Answer {
        stdout: Default::default(),
        stderr: Default::default(),
        end: StreamEnd::NoMarker { reason: "nothing was run".to_owned() },
        become_result: BecomeResult::Failed { reason },
    }
}

fn attempt<R: Reach>(
    reach: &mut R,
    script: &str,
    wish: Option<&Become>,
    access: Access,
    limits: Limits,
    cancel: &Cancel,
) -> Result<Answer, TransportError> {
    let nonces = Nonces::random();
    let started = Instant::now();
    let deadline = started + limits.deadline;
    let ready_by = deadline.min(started + reach.patience());
    let mut channel = reach.open(&nonces, access, ready_by, cancel)?;
    let password = match access {
        Access::Sudo { asking: true } => wish.and_then(|wish| wish.password.clone()),
        _ => None,
    };
    let mut talk = Conversation::new(nonces, script, wish.is_some(), password, limits.keep);
    let clock = Clock { started, deadline, ready_by };
    let stop = Pump::new(&mut channel, &mut talk, limits, clock).pump(cancel);
    if access == Access::Plain
        && let Some(uid) = talk.uid()
    {
        reach.logged_in_as(uid);
    }
    let_go(reach, channel, &stop);
    let subject = Subject { label: reach.label(), user: reach.user(), access };
    answer(talk, stop, &subject, wish.is_some())
}

/// Whom the messages are about.
pub(super) struct Subject {
    pub(super) label: String,
    pub(super) user: String,
    pub(super) access: Access,
}

fn answer(
    mut talk: Conversation,
    stop: Stop,
    subject: &Subject,
    want_root: bool,
) -> Result<Answer, TransportError> {
    let begun = matches!(talk.phase(), Phase::Running | Phase::Complete(_));
    if !begun {
        return not_begun(&mut talk, stop, subject, want_root);
    }
    let end = stream_end(stop, talk.status());
    let become_result = if want_root { BecomeResult::Root } else { BecomeResult::NotAsked };
    let (stdout, stderr) = talk.into_output();
    Ok(Answer { stdout, stderr, end, become_result })
}

fn stream_end(stop: Stop, status: Option<i32>) -> StreamEnd {
    match stop {
        Stop::Complete => StreamEnd::Complete { status: status.unwrap_or(-1) },
        Stop::Ended(how) => match status {
            // The other mark is only missing if the script closed its own standard error.
            Some(status) => StreamEnd::Complete { status },
            None => StreamEnd::NoMarker { reason: how },
        },
        Stop::NotReady => StreamEnd::NoMarker { reason: "the reader never was ready".to_owned() },
        Stop::Deadline(reason) => StreamEnd::TimedOut { reason },
        Stop::Flooded => StreamEnd::Flooded,
        Stop::Lost(reason) => StreamEnd::Lost { reason },
        Stop::Cancelled => StreamEnd::Cancelled,
    }
}

/// Tells the way a script's run ended to whoever holds the channel.
fn let_go<R: Reach>(reach: &mut R, channel: R::Channel, stop: &Stop) {
    match stop {
        Stop::Complete | Stop::Ended(_) => reach.release(channel, true),
        Stop::NotReady => reach.release(channel, false),
        Stop::Deadline(why) | Stop::Lost(why) => reach.abort(channel, why),
        Stop::Flooded => reach.abort(channel, "it sent more than was allowed"),
        Stop::Cancelled => reach.abort(channel, "the run was cancelled"),
    }
}

/// Runs a flat script by Windows' `cmd.exe`.
pub(super) fn run_cmd<R: Reach>(
    reach: &mut R,
    script: &str,
    limits: Limits,
    cancel: &Cancel,
) -> Result<Answer, TransportError> {
    let mut talk = CmdTalk::new(script, limits.keep).map_err(|reason| TransportError {
        kind: TransportErrorKind::Local,
        message: format!("{}: {reason}", reach.label()),
        remedy: None,
    })?;
    let started = Instant::now();
    let deadline = started + limits.deadline;
    let ready_by = deadline.min(started + reach.patience());
    let mut channel = reach.open_cmd(ready_by, cancel)?;
    let clock = Clock { started, deadline, ready_by };
    let stop = Pump::new(&mut channel, &mut talk, limits, clock).pump(cancel);
    let_go(reach, channel, &stop);
    if let (Stop::Ended(how), false) = (&stop, talk.has_begun()) {
        let (said_out, said_err) = talk.noise();
        let said = tail(&format!("{said_out}\n{said_err}"));
        let said = if said.is_empty() { said } else { format!("; it said: `{said}`") };
        let message = format!("{}: no `cmd.exe` was started there: {how}{said}", reach.label());
        return Err(TransportError { kind: TransportErrorKind::Lost, message, remedy: None });
    }
    let end = stream_end(stop, talk.status());
    let (stdout, stderr) = talk.into_output();
    Ok(Answer { stdout, stderr, end, become_result: BecomeResult::NotAsked })
}

/// The script was not sent: an error, or where becoming root is what failed, an answer that says so.
fn not_begun(
    talk: &mut Conversation,
    stop: Stop,
    subject: &Subject,
    want_root: bool,
) -> Result<Answer, TransportError> {
    let label = &subject.label;
    let error = |kind, message: String| Err(TransportError { kind, message, remedy: None });
    match stop {
        Stop::Cancelled => error(TransportErrorKind::Cancelled, format!("{label}: cancelled")),
        Stop::Lost(how) => error(
            TransportErrorKind::Lost,
            format!("{label}: the connection broke before the script was sent: {how}"),
        ),
        Stop::Flooded => error(
            TransportErrorKind::Lost,
            format!("{label}: it sent more than was allowed before the script was sent"),
        ),
        Stop::Deadline(why) => error(TransportErrorKind::TimedOut, format!("{label}: {why}")),
        Stop::Complete | Stop::Ended(_) | Stop::NotReady if want_root && subject.access != Access::Plain => {
            let (out, err) = talk.noise();
            let said = if err.trim().is_empty() { out } else { err };
            let timed_out = stop == Stop::NotReady && *talk.phase() == Phase::Waiting;
            Ok(refused(failure(talk, subject, &said, timed_out)))
        }
        Stop::Complete | Stop::Ended(_) | Stop::NotReady if matches!(talk.phase(), Phase::Refused(_)) => {
            Ok(refused(not_root(talk.uid(), subject)))
        }
        Stop::Ended(how) => {
            let said = said(talk);
            error(TransportErrorKind::Lost, format!("{label}: no `sh` was started there: {how}{said}"))
        }
        Stop::Complete | Stop::NotReady => {
            let said = said(talk);
            error(TransportErrorKind::TimedOut, format!("{label}: `sh` did not get ready in time{said}"))
        }
    }
}

fn said(talk: &mut Conversation) -> String {
    let (out, err) = talk.noise();
    let said = tail(&format!("{out}\n{err}"));
    if said.is_empty() { said } else { format!("; it said: `{said}`") }
}

/// The last lines of what a host said, on one line, safe to show.
pub(super) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.split_at(lines.len().saturating_sub(4)).1.join("; ");
    let skip = last.chars().count().saturating_sub(400);
    escape_line(&last.chars().skip(skip).collect::<String>())
}

#[derive(Clone, Copy)]
struct Clock {
    started: Instant,
    deadline: Instant,
    ready_by: Instant,
}

struct Pump<'a, C: ByteChannel, T: Talk> {
    channel: &'a mut C,
    talk: &'a mut T,
    limits: Limits,
    clock: Clock,
    received: u64,
    heard: Instant,
    ended: (bool, bool),
    input_closed: bool,
    /// Since when it only waits for last words or a straggling mark.
    closing: Option<Instant>,
    buffer: Vec<u8>,
}

impl<'a, C: ByteChannel, T: Talk> Pump<'a, C, T> {
    fn new(channel: &'a mut C, talk: &'a mut T, limits: Limits, clock: Clock) -> Self {
        Self {
            channel,
            talk,
            limits,
            clock,
            received: 0,
            heard: clock.started,
            ended: (false, false),
            input_closed: false,
            closing: None,
            buffer: vec![0; CHUNK],
        }
    }

    fn pump(mut self, cancel: &Cancel) -> Stop {
        loop {
            let step = self.step(cancel);
            match step {
                Ok(None) => {}
                Ok(Some(stop)) => return stop,
                // A connection that was shut because time is up or the run is cancelled is not lost.
                Err(_) if cancel.is_cancelled() => return Stop::Cancelled,
                Err(how) => return self.overdue(Instant::now()).unwrap_or(Stop::Lost(how)),
            }
        }
    }

    fn step(&mut self, cancel: &Cancel) -> Result<Option<Stop>, String> {
        if cancel.is_cancelled() {
            return Ok(Some(Stop::Cancelled));
        }
        self.write()?;
        let mut idle = true;
        for stream in [Stream::Out, Stream::Err] {
            idle &= self.read(stream)?;
            if self.received > self.limits.receive {
                return Ok(Some(Stop::Flooded));
            }
        }
        if matches!(self.talk.phase(), Phase::Complete(_)) {
            return Ok(Some(Stop::Complete));
        }
        if self.ended == (true, true) {
            return Ok(Some(Stop::Ended(self.channel.ending())));
        }
        let now = Instant::now();
        if let Some(stop) = self.overdue(now) {
            return Ok(Some(stop));
        }
        // What was read may want an answer, which need not wait.
        if idle && (self.talk.pending_input().is_empty() || !self.write()?) && !self.channel.has_unread() {
            self.channel.wait(self.next_limit(now), cancel)?;
        }
        Ok(None)
    }

    /// Whether something went out.
    fn write(&mut self) -> Result<bool, String> {
        let mut progress = false;
        while !self.talk.pending_input().is_empty() {
            match self.channel.write(self.talk.pending_input())? {
                Some(0) => return Ok(progress),
                Some(count) => {
                    self.talk.sent(count);
                    // A host that still takes in what is long, over a slow line, has nothing to say yet.
                    self.heard = Instant::now();
                    progress = true;
                }
                None => self.talk.input_refused(),
            }
        }
        if self.talk.input_complete() && !self.input_closed {
            self.input_closed = self.channel.close_input()?;
        }
        Ok(progress)
    }

    /// Whether there was nothing more.
    fn read(&mut self, stream: Stream) -> Result<bool, String> {
        for _ in 0..CHUNKS {
            match self.channel.read(stream, &mut self.buffer)? {
                Got::Nothing => return Ok(true),
                Got::End => {
                    match stream {
                        Stream::Out => self.ended.0 = true,
                        Stream::Err => self.ended.1 = true,
                    }
                    return Ok(true);
                }
                Got::Bytes(count) => {
                    self.received += count as u64;
                    self.heard = Instant::now();
                    let bytes = self.buffer.get(..count).unwrap_or_default();
                    match stream {
                        Stream::Out => self.talk.stdout(bytes),
                        Stream::Err => self.talk.stderr(bytes),
                    }
                    if self.received > self.limits.receive {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// The limit that has passed, if one has.
    fn overdue(&mut self, now: Instant) -> Option<Stop> {
        if now >= self.clock.deadline {
            return Some(Stop::Deadline(format!("not done after {}", words(self.limits.deadline))));
        }
        match self.talk.phase() {
            Phase::Waiting if now >= self.clock.ready_by => {
                // Closed, so that nobody takes a later line for a further password.
                return Some(Stop::NotReady);
            }
            Phase::Waiting if now >= self.clock.started + PATIENCE => self.talk.waited(),
            Phase::Refused(_) if now >= *self.closing.get_or_insert(now) + LAST_WORDS => {
                return Some(Stop::NotReady);
            }
            _ => {}
        }
        if self.talk.status().is_some() && now >= *self.closing.get_or_insert(now) + STRAGGLER {
            return Some(Stop::Complete);
        }
        let idle = self.limits.idle?;
        (*self.talk.phase() == Phase::Running && now >= self.heard + idle)
            .then(|| Stop::Deadline(format!("nothing was heard for {}", words(idle))))
    }

    fn next_limit(&self, now: Instant) -> Instant {
        let mut next = self.clock.deadline;
        let mut also = |limit: Instant| {
            if limit > now {
                next = next.min(limit);
            }
        };
        if *self.talk.phase() == Phase::Waiting {
            also(self.clock.ready_by);
            also(self.clock.started + PATIENCE);
        }
        if let Some(idle) = self.limits.idle {
            also(self.heard + idle);
        }
        if let Some(since) = self.closing {
            also(since + STRAGGLER);
            also(since + LAST_WORDS);
        }
        next
    }
}

/// A duration as a person says it.
pub(super) fn words(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{} s", duration.as_secs())
    }
}

#[cfg(test)]
mod tests;
