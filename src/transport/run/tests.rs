use super::*;
use crate::inventory::BecomeMethod;
use crate::model::Secret;
use std::collections::VecDeque;

/// What a host does next.
#[derive(Clone)]
enum Act {
    /// Sends the reader's first line with this uid.
    Ready(u32),
    /// Asks with the nonce prompt.
    Ask,
    Out(&'static str),
    Err(&'static str),
    /// Waits for the script and sends what its frame prints round this output.
    Body(&'static str, i32),
    /// As `Body`, but never the mark on standard error.
    BodyWithoutErrorMark(i32),
    End,
    Break,
}

/// A host by script.
struct Fake {
    acts: Vec<Act>,
    opened: Vec<Access>,
    released: Vec<bool>,
    aborted: Vec<String>,
    sent: Vec<u8>,
    root: bool,
    by_sudo: Vec<Act>,
}

struct FakeChannel {
    nonces: Nonces,
    acts: VecDeque<Act>,
    out: VecDeque<u8>,
    err: VecDeque<u8>,
    sent: Vec<u8>,
    closed: bool,
    over: bool,
}

impl Fake {
    fn new(acts: &[Act]) -> Self {
        Self {
            acts: acts.to_vec(),
            opened: Vec::new(),
            released: Vec::new(),
            aborted: Vec::new(),
            sent: Vec::new(),
            root: false,
            by_sudo: Vec::new(),
        }
    }

    fn run(&mut self, wish: Option<&Become>, limits: Limits) -> Result<Answer, TransportError> {
        run_script(self, "echo script", wish, limits, &Cancel::new().unwrap())
    }
}

impl FakeChannel {
    fn act(&mut self) -> Result<(), String> {
        while self.out.is_empty() && self.err.is_empty() {
            match self.acts.front().cloned() {
                Some(Act::Ready(uid)) => self.out.extend(format!("{}{uid}\n", self.nonces.ready()).bytes()),
                Some(Act::Ask) => self.err.extend(self.nonces.prompt().bytes()),
                Some(Act::Out(text)) => self.out.extend(text.bytes()),
                Some(Act::Err(text)) => self.err.extend(text.bytes()),
                Some(Act::Body(text, status)) if self.closed => {
                    let (begin, end) = (self.nonces.begin(), self.nonces.end());
                    self.out.extend(format!("{begin}{text}{end}{status}\n").bytes());
                    self.err.extend(format!("{begin}{}", self.nonces.error_end()).bytes());
                }
                Some(Act::BodyWithoutErrorMark(status)) if self.closed => {
                    self.out
                        .extend(format!("{}{}{status}\n", self.nonces.begin(), self.nonces.end()).bytes());
                }
                Some(Act::End) => self.over = true,
                Some(Act::Break) => return Err("it broke".to_owned()),
                None | Some(Act::Body(..) | Act::BodyWithoutErrorMark(_)) => return Ok(()),
            }
            self.acts.pop_front();
            if self.over {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl ByteChannel for FakeChannel {
    fn read(&mut self, stream: Stream, into: &mut [u8]) -> Result<Got, String> {
        self.act()?;
        let from = if stream == Stream::Out { &mut self.out } else { &mut self.err };
        match from.pop_front() {
            // One byte at a time: the hardest way.
            Some(byte) => {
                into[0] = byte;
                Ok(Got::Bytes(1))
            }
            None if self.over => Ok(Got::End),
            None => Ok(Got::Nothing),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<Option<usize>, String> {
        let count = bytes.len().min(7);
        self.sent.extend(&bytes[..count]);
        Ok(Some(count))
    }

    fn close_input(&mut self) -> Result<bool, String> {
        self.closed = true;
        Ok(true)
    }

    fn wait(&mut self, until: Instant, _cancel: &Cancel) -> Result<(), String> {
        if self.out.is_empty() && self.err.is_empty() {
            std::thread::sleep(until.saturating_duration_since(Instant::now()).min(Duration::from_millis(5)));
        }
        Ok(())
    }

    fn ending(&mut self) -> String {
        "it ended".to_owned()
    }
}

impl Reach for Fake {
    type Channel = FakeChannel;

    fn open(
        &mut self,
        nonces: &Nonces,
        access: Access,
        _by: Instant,
        _cancel: &Cancel,
    ) -> Result<FakeChannel, TransportError> {
        self.opened.push(access);
        let acts = if self.opened.len() > 1 { &self.by_sudo } else { &self.acts };
        Ok(FakeChannel {
            nonces: nonces.clone(),
            acts: acts.iter().cloned().collect(),
            out: VecDeque::new(),
            err: VecDeque::new(),
            sent: Vec::new(),
            closed: false,
            over: false,
        })
    }

    fn release(&mut self, channel: FakeChannel, over: bool) {
        self.sent = channel.sent;
        self.released.push(over);
    }

    fn abort(&mut self, channel: FakeChannel, why: &str) {
        self.sent = channel.sent;
        self.aborted.push(why.to_owned());
    }

    fn logs_in_as_root(&self) -> bool {
        self.root
    }

    fn logged_in_as(&mut self, uid: u32) {
        self.root = uid == 0;
    }

    fn label(&self) -> String {
        "host:22".to_owned()
    }

    fn user(&self) -> String {
        "eve".to_owned()
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(300)
    }
}

fn limits() -> Limits {
    Limits { deadline: Duration::from_secs(5), idle: None, keep: 1000, receive: 100_000 }
}

fn sudo(password: Option<&str>) -> Become {
    Become {
        method: BecomeMethod::Sudo,
        password: password.map(|text| Secret::new("become", text.to_owned())),
    }
}

#[test]
fn a_plain_run_is_complete() {
    let mut fake = Fake::new(&[Act::Out("motd "), Act::Ready(5), Act::Body("hello\n", 3)]);
    let answer = fake.run(None, limits()).unwrap();
    assert_eq!(answer.end, StreamEnd::Complete { status: 3 });
    assert_eq!(answer.stdout.text(), "hello\n");
    assert_eq!((fake.released.as_slice(), fake.aborted.len()), ([true].as_slice(), 0));
}

#[test]
fn a_mark_on_one_stream_is_enough_after_a_moment() {
    let mut fake = Fake::new(&[Act::Ready(5), Act::BodyWithoutErrorMark(3)]);
    let started = Instant::now();
    assert_eq!(fake.run(None, limits()).unwrap().end, StreamEnd::Complete { status: 3 });
    assert!(started.elapsed() < Duration::from_secs(3));
    let mut fake = Fake::new(&[Act::Ready(5), Act::BodyWithoutErrorMark(3), Act::End]);
    assert_eq!(fake.run(None, limits()).unwrap().end, StreamEnd::Complete { status: 3 });
}

#[test]
fn an_end_without_the_mark_and_a_break_are_no_completion() {
    let mut fake = Fake::new(&[Act::Ready(5), Act::Out("x"), Act::End]);
    assert_eq!(fake.run(None, limits()).unwrap().end, StreamEnd::NoMarker { reason: "it ended".to_owned() });
    let mut fake = Fake::new(&[Act::Ready(5), Act::Out("x"), Act::Break]);
    assert_eq!(fake.run(None, limits()).unwrap().end, StreamEnd::Lost { reason: "it broke".to_owned() });
    assert_eq!(fake.aborted, ["it broke"]);
}

#[test]
fn without_ready_it_is_an_error_that_quotes_the_host() {
    let mut fake = Fake::new(&[Act::Out("account \x1b[31mlocked\n"), Act::End]);
    let error = fake.run(None, limits()).unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::Lost);
    assert!(
        error.message.contains("host:22") && error.message.contains("account \\x1b[31mlocked"),
        "{error}"
    );
    let mut fake = Fake::new(&[]);
    let error = fake.run(None, limits()).unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::TimedOut);
    assert_eq!(fake.released, [false]);
    let mut fake = Fake::new(&[Act::Break]);
    assert_eq!(fake.run(None, limits()).unwrap_err().kind, TransportErrorKind::Lost);
    assert!(fake.sent.is_empty());
}

#[test]
fn root_by_login_needs_no_sudo_and_a_root_that_is_none_goes_through_it() {
    let mut fake = Fake { root: true, ..Fake::new(&[Act::Ready(0), Act::Body("", 0)]) };
    assert_eq!(fake.run(Some(&sudo(None)), limits()).unwrap().become_result, BecomeResult::Root);
    assert_eq!(fake.opened, [Access::Plain]);
    let by_sudo = vec![Act::Ready(0), Act::Body("", 0)];
    let mut fake = Fake { root: true, by_sudo, ..Fake::new(&[Act::Ready(7), Act::End]) };
    assert_eq!(fake.run(Some(&sudo(None)), limits()).unwrap().become_result, BecomeResult::Root);
    assert_eq!(fake.opened, [Access::Plain, Access::Sudo { asking: false }]);
}

#[test]
fn a_wrong_password_is_sent_once_and_the_script_never() {
    let mut fake = Fake::new(&[Act::Ask, Act::Err("Sorry, try again.\n"), Act::Ask, Act::End]);
    let answer = fake.run(Some(&sudo(Some("guess"))), limits()).unwrap();
    let BecomeResult::Failed { reason } = answer.become_result else { panic!("root") };
    assert!(reason.contains("did not accept the password of `eve`"), "{reason}");
    assert_eq!(fake.sent, b"guess\n");
}

#[test]
fn a_password_that_is_no_line_is_not_sent() {
    let mut fake = Fake::new(&[]);
    let answer = fake.run(Some(&sudo(Some("two\nlines"))), limits()).unwrap();
    assert!(matches!(answer.become_result, BecomeResult::Failed { .. }));
    assert!(fake.opened.is_empty());
}

#[test]
fn sudo_that_neither_asks_nor_starts_fails_in_time() {
    let mut fake = Fake::new(&[Act::Err("sudo: unable to resolve host\n")]);
    let started = Instant::now();
    let answer = fake.run(Some(&sudo(Some("guess"))), limits()).unwrap();
    let BecomeResult::Failed { reason } = answer.become_result else { panic!("root") };
    assert!(reason.contains("not done in time") && reason.contains("unable to resolve"), "{reason}");
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(fake.released, [false]);
}

#[test]
fn a_flood_is_cut_at_the_byte() {
    let mut fake = Fake::new(&[Act::Ready(5), Act::Out("0123456789"), Act::Out("0123456789"), Act::End]);
    let answer = fake.run(None, Limits { receive: 50, ..limits() }).unwrap();
    assert_eq!(answer.end, StreamEnd::Flooded);
}

#[test]
fn last_words_are_short_and_safe() {
    assert_eq!(tail("a\n\n b \nc\nd\ne\n"), "b; c; d; e");
    assert_eq!(tail("\x07x"), "\\x07x");
    assert!(tail(&"é".repeat(5000)).chars().count() <= 400);
}

/// A link shared by both streams: what came for one is taken in while the other is read.
struct SharedLink {
    nonces: Nonces,
    came: bool,
    out: VecDeque<u8>,
}

impl ByteChannel for SharedLink {
    fn read(&mut self, stream: Stream, into: &mut [u8]) -> Result<Got, String> {
        if stream == Stream::Err && !self.came {
            self.came = true;
            self.out.extend(format!("{}0\n", self.nonces.ready()).bytes());
        }
        if stream == Stream::Out
            && let Some(byte) = self.out.pop_front()
        {
            into[0] = byte;
            return Ok(Got::Bytes(1));
        }
        Ok(Got::Nothing)
    }

    fn write(&mut self, _: &[u8]) -> Result<Option<usize>, String> {
        Err("the script was sent".to_owned())
    }

    fn close_input(&mut self) -> Result<bool, String> {
        Ok(true)
    }

    fn has_unread(&mut self) -> bool {
        !self.out.is_empty()
    }

    fn wait(&mut self, _: Instant, _: &Cancel) -> Result<(), String> {
        Err("it waited for the host, which waits for the script".to_owned())
    }

    fn ending(&mut self) -> String {
        String::new()
    }
}

#[test]
fn what_was_taken_in_with_the_other_stream_is_not_waited_for() {
    let nonces = Nonces::random();
    let mut channel = SharedLink { nonces: nonces.clone(), came: false, out: VecDeque::new() };
    let mut talk = Conversation::new(nonces, ":", false, None, 1000);
    let started = Instant::now();
    let deadline = started + Duration::from_secs(5);
    let clock = Clock { started, deadline, ready_by: deadline };
    let limits = Limits { deadline: Duration::from_secs(5), idle: None, keep: 1000, receive: 1000 };
    let stop = Pump::new(&mut channel, &mut talk, limits, clock).pump(&Cancel::new().unwrap());
    assert_eq!(stop, Stop::Lost("the script was sent".to_owned()));
}

/// A slow line: a hundred bytes are taken at a time, and the host says nothing before it has all of them.
struct SlowLink {
    taken: usize,
    full: bool,
    out: VecDeque<u8>,
}

impl ByteChannel for SlowLink {
    fn read(&mut self, stream: Stream, into: &mut [u8]) -> Result<Got, String> {
        let byte = if stream == Stream::Out { self.out.pop_front() } else { None };
        byte.map_or(Ok(Got::Nothing), |byte| {
            into[0] = byte;
            Ok(Got::Bytes(1))
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<Option<usize>, String> {
        let count = if self.full { 0 } else { bytes.len().min(100) };
        self.full = true;
        self.taken += count;
        Ok(Some(count))
    }

    fn close_input(&mut self) -> Result<bool, String> {
        Ok(true)
    }

    fn wait(&mut self, _: Instant, _: &Cancel) -> Result<(), String> {
        if self.taken > 5000 {
            return Err("all of it was taken".to_owned());
        }
        std::thread::sleep(Duration::from_millis(20));
        self.full = false;
        Ok(())
    }

    fn ending(&mut self) -> String {
        String::new()
    }
}

#[test]
fn a_host_that_still_takes_in_a_long_script_is_not_idle() {
    let nonces = Nonces::random();
    let out = format!("{}0\n", nonces.ready()).bytes().collect();
    let script = format!(": {}", "x".repeat(5000));
    let mut talk = Conversation::new(nonces, &script, false, None, 1000);
    let mut channel = SlowLink { taken: 0, full: false, out };
    let started = Instant::now();
    let deadline = started + Duration::from_secs(20);
    let clock = Clock { started, deadline, ready_by: deadline };
    let idle = Some(Duration::from_millis(300));
    let limits = Limits { deadline: Duration::from_secs(20), idle, keep: 1000, receive: 1000 };
    let stop = Pump::new(&mut channel, &mut talk, limits, clock).pump(&Cancel::new().unwrap());
    assert!(started.elapsed() > Duration::from_millis(900), "{stop:?}");
    assert_eq!(stop, Stop::Lost("all of it was taken".to_owned()));
}
