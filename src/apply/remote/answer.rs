//! Reading what the host's scripts answer: one line that begins with `= `, after any number of signs of
//! life, and after it the step's output. Windows' answers have the same words; their lines end with CR LF, and
//! both streams follow each other.

use super::SEGMENT;
use crate::apply::reach::{Holder, LockAnswer, StepAnswer};
use crate::model::BoundedOutput;
use crate::model::output::escape_line;

/// Before the answer, a line as a sign of life.
const BEAT: &str = "~\n";
/// The longest reason that is believed, in characters.
const LONGEST: usize = 400;

/// Reads the answer of `lock_script`.
///
/// # Errors
/// What is wrong with it.
pub fn read_lock(stdout: &[u8]) -> Result<LockAnswer, String> {
    let line = only_line(stdout)?;
    let mut words = Words(line);
    match words.next()? {
        "taken" => {
            let records = words.name()?;
            let broken = words.one_of("whole", "broken")?;
            let from = words.said();
            Ok(LockAnswer::Taken { from: (!from.is_empty()).then_some(from), broken, records })
        }
        "held" => Ok(LockAnswer::Held(words.holder()?)),
        "refused" => Ok(LockAnswer::Refused(words.said())),
        _ => Err(strange(line)),
    }
}

/// Reads the answer of `renew_script`: who has the lock, if it is not this run any more.
///
/// # Errors
/// What is wrong with it, or why the lock could not be renewed.
pub fn read_renewal(stdout: &[u8]) -> Result<Option<Holder>, String> {
    let line = only_line(stdout)?;
    let mut words = Words(line);
    match words.next()? {
        "renewed" => Ok(None),
        "lost" => Ok(Some(words.holder()?)),
        "refused" => Err(words.said()),
        _ => Err(strange(line)),
    }
}

/// Reads the answer of `release_script`: what is left and why, if anything is.
///
/// # Errors
/// What is wrong with it.
pub fn read_release(stdout: &[u8]) -> Result<Option<String>, String> {
    let line = only_line(stdout)?;
    let mut words = Words(line);
    match words.next()? {
        "released" => Ok(None),
        "left" => Ok(Some(words.said())),
        _ => Err(strange(line)),
    }
}

/// Reads the answer of `begin_script` and `lookup_script`, whose standard error is the step's.
///
/// # Errors
/// What is wrong with it, or why nothing can be said: the step may or may not have been begun.
pub fn read_step(stdout: &[u8], stderr: &[u8]) -> Result<StepAnswer, String> {
    let (line, body) = split(stdout)?;
    let mut words = Words(line);
    let kind = words.next()?;
    let answer = match kind {
        "ended" => {
            let status = words.number()?;
            let status =
                i32::try_from(status).ok().filter(|status| *status <= 255).ok_or_else(|| strange(line))?;
            let (stdout, stderr) = streams(&mut words, body, stderr)?;
            StepAnswer::Ended { status, stdout, stderr }
        }
        "running" => {
            let (pid, seconds) = (words.number()?, words.number()?);
            let (stdout, stderr) = streams(&mut words, body, stderr)?;
            let reason = format!("pid {pid} runs it for {seconds} s");
            StepAnswer::Running { reason, stdout, stderr }
        }
        "cut" => {
            let by_reboot = words.one_of("here", "reboot")?;
            let (stdout, stderr) = streams(&mut words, body, stderr)?;
            StepAnswer::CutOff { by_reboot, stdout, stderr }
        }
        "unbegun" => StepAnswer::NotBegun(words.said()),
        "forgotten" => StepAnswer::Forgotten,
        "lost" => StepAnswer::LockLost(words.holder()?),
        "unsure" => return Err(words.said()),
        _ => return Err(strange(line)),
    };
    let has_output = matches!(kind, "ended" | "running" | "cut");
    if !has_output && !body.is_empty() { Err(strange(line)) } else { Ok(answer) }
}

/// An answer of `cmd` as those of a POSIX shell are: lines that end with LF, none of them empty. Signs of life, which it
/// gives while it waits for a scheduled task, are left out.
#[must_use]
pub fn windows_lines(stdout: &[u8]) -> Vec<u8> {
    let lines = stdout.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let said = |line: &&[u8]| !line.is_empty() && *line != BEAT.trim_end().as_bytes();
    lines.filter(said).flat_map(|line| [line, b"\n"].concat()).collect()
}

/// Reads the answer of `windows::begin_script` and `windows::lookup_script`. Exit codes have 32 bits.
///
/// # Errors
/// As `read_step`.
pub fn read_windows_step(stdout: &[u8]) -> Result<StepAnswer, String> {
    let (line, body) = windows_split(stdout)?;
    let mut words = Words(line);
    let kind = words.next()?;
    let answer = match kind {
        "ended" => {
            let status: i32 = words.next()?.parse().map_err(|_| strange(line))?;
            let (stdout, stderr) = windows_streams(&mut words, body)?;
            StepAnswer::Ended { status, stdout, stderr }
        }
        "runs" => {
            let reason = format!("its task still runs after {} s of waiting", words.number()?);
            let (stdout, stderr) = windows_streams(&mut words, body)?;
            StepAnswer::Running { reason, stdout, stderr }
        }
        "cut" => {
            let by_reboot = words.one_of("here", "reboot")?;
            let (stdout, stderr) = windows_streams(&mut words, body)?;
            StepAnswer::CutOff { by_reboot, stdout, stderr }
        }
        // The rest is as elsewhere.
        "unbegun" | "forgotten" | "lost" | "unsure" => {
            let whole = [b"= ", line.as_bytes(), b"\n", body.trim_ascii()].concat();
            return read_step(&whole, b"");
        }
        _ => return Err(strange(line)),
    };
    if words.said().is_empty() { Ok(answer) } else { Err(strange(line)) }
}

/// The answer's line, and what follows it.
fn windows_split(stdout: &[u8]) -> Result<(&str, &[u8]), String> {
    let mut rest = stdout;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or("the host's answer is not whole")?;
        let (line, after) = rest.split_at(end);
        rest = after.split_at(1).1;
        let line = std::str::from_utf8(line.trim_ascii()).map_err(|_| "the host's answer is not text")?;
        if !line.is_empty() && line != BEAT.trim_end() {
            let answer = line.strip_prefix("= ").ok_or_else(|| strange(line))?;
            return Ok((answer, rest));
        }
    }
}

/// Both streams, one after the other, as the answer's line measures them: how much is sent, how much there was.
///
/// `type` changes what it sends of a file that begins with the mark of UTF-16. How a step ended stands in the line,
/// and is not lost by that: where the measures do not fit, all that came is the one stream, as a part of what was.
fn windows_streams(words: &mut Words<'_>, body: &[u8]) -> Result<(BoundedOutput, BoundedOutput), String> {
    let mut measured = || {
        let (sent, total) = (words.number()?, words.number()?);
        if sent > total {
            Err("the host's answer does not measure its output".to_owned())
        } else {
            Ok((sent, total))
        }
    };
    let (out, err) = (measured()?, measured()?);
    let length = |sent: u64| usize::try_from(sent).unwrap_or(usize::MAX);
    let streams = body.split_at_checked(length(out.0)).and_then(|(stdout, rest)| {
        let (stderr, rest) = rest.split_at_checked(length(err.0))?;
        // The line break before the end mark.
        rest.trim_ascii().is_empty().then_some((stdout, stderr))
    });
    let told = |bytes: &[u8], total: u64| {
        let narrow = narrowed(bytes);
        let left_out = (bytes.len() - narrow.len()) as u64;
        ends(&narrow, total - left_out)
    };
    Ok(match streams {
        Some((stdout, stderr)) => (told(stdout, out.1), told(stderr, err.1)),
        None => {
            let total = out.1.saturating_add(err.1).max(body.len() as u64 + 1);
            (told(body, total), BoundedOutput::default())
        }
    })
}

/// A text of UTF-16, as logs of Windows Installer are, as the ASCII that it nearly always is: a secret in it is
/// recognised, and a reader is told something.
fn narrowed(bytes: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    if !bytes.contains(&0) {
        return bytes.into();
    }
    let text = bytes.iter().copied().filter(|byte| !matches!(byte, 0 | 0xfe | 0xff));
    text.collect::<Vec<u8>>().into()
}

/// The first and the last of an output, as they are kept of any other host's.
fn ends(bytes: &[u8], total: u64) -> BoundedOutput {
    let (head, rest) = bytes.split_at(bytes.len().min(SEGMENT));
    let (_, tail) = rest.split_at(rest.len().saturating_sub(SEGMENT));
    BoundedOutput::of_ends(head, tail, total)
}

fn strange(line: &str) -> String {
    let shown: String = line.chars().take(120).collect();
    format!("the host's answer is not one of ours: `{}`", escape_line(&shown))
}

/// The answer's line, and what follows it.
fn split(stdout: &[u8]) -> Result<(&str, &[u8]), String> {
    let mut rest = stdout;
    while let Some(after) = rest.strip_prefix(BEAT.as_bytes()) {
        rest = after;
    }
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or("the host's answer is not whole")?;
    let (line, body) = rest.split_at(end);
    let line = std::str::from_utf8(line).map_err(|_| "the host's answer is not text".to_owned())?;
    let answer = line.strip_prefix("= ").ok_or_else(|| strange(line))?;
    Ok((answer, body.split_at(1).1))
}

fn only_line(stdout: &[u8]) -> Result<&str, String> {
    let (line, body) = split(stdout)?;
    if body.is_empty() { Ok(line) } else { Err(strange(line)) }
}

/// The output of both streams, as the answer's line measures it.
fn streams(
    words: &mut Words<'_>,
    stdout: &[u8],
    stderr: &[u8],
) -> Result<(BoundedOutput, BoundedOutput), String> {
    let out = Measure::read(words)?;
    let err = Measure::read(words)?;
    Ok((out.cut(stdout)?, err.cut(stderr)?))
}

/// How much of a stream is sent.
struct Measure {
    head: u64,
    tail: u64,
    total: u64,
}

impl Measure {
    fn read(words: &mut Words<'_>) -> Result<Self, String> {
        let measure = Self { head: words.number()?, tail: words.number()?, total: words.number()? };
        let kept = measure.head.checked_add(measure.tail).filter(|kept| *kept <= measure.total);
        kept.map(|_| measure).ok_or_else(|| "the host's answer does not measure its output".to_owned())
    }

    /// Fewer bytes than measured are what a power cut left, or a stream that was still written to.
    fn cut(&self, bytes: &[u8]) -> Result<BoundedOutput, String> {
        if bytes.len() as u64 > self.head + self.tail {
            return Err("the host sent more output than it said".to_owned());
        }
        let head = usize::try_from(self.head).unwrap_or(usize::MAX).min(bytes.len());
        let (head, tail) = bytes.split_at(head);
        Ok(BoundedOutput::of_ends(head, tail, self.total))
    }
}

/// The words of an answer, in order.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn next(&mut self) -> Result<&'a str, String> {
        let (word, rest) = self.0.split_once(' ').unwrap_or((self.0, ""));
        self.0 = rest;
        if word.is_empty() { Err("the host's answer lacks a word".to_owned()) } else { Ok(word) }
    }

    fn number(&mut self) -> Result<u64, String> {
        let word = self.next()?;
        word.parse().map_err(|_| strange(word))
    }

    /// A name of ours.
    fn name(&mut self) -> Result<String, String> {
        let word = self.next()?;
        let ours = word.len() <= 64 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if ours { Ok(word.to_owned()) } else { Err(strange(word)) }
    }

    /// Whether the next word is the second of the two.
    fn one_of(&mut self, no: &str, yes: &str) -> Result<bool, String> {
        let word = self.next()?;
        if word == yes {
            Ok(true)
        } else if word == no {
            Ok(false)
        } else {
            Err(strange(word))
        }
    }

    fn holder(&mut self) -> Result<Holder, String> {
        let expires = self.number()?;
        let run = self.next()?.to_owned();
        Ok(Holder { run, owner: self.said(), expires })
    }

    /// The rest, which is for people.
    fn said(&mut self) -> String {
        let said: String = std::mem::take(&mut self.0).trim().chars().take(LONGEST).collect();
        escape_line(&said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(answer: StepAnswer) -> (i32, String, String) {
        match answer {
            StepAnswer::Ended { status, stdout, stderr } => (status, stdout.text(), stderr.text()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn windows_tells_a_step_with_both_streams_in_a_row() {
        let said = b"\r\n~\r\n~\r\n= ended -1073741510 4 4 2 2\r\na\r\nbe!\r\n";
        assert_eq!(ended(read_windows_step(said).unwrap()), (-1_073_741_510, "a\r\nb".into(), "e!".into()));
        let large = [b"= ended 3010 1200000 1200000 0 7\r\n".to_vec(), vec![b'x'; 1_200_000]].concat();
        let StepAnswer::Ended { status: 3010, stdout, stderr } = read_windows_step(&large).unwrap() else {
            panic!("not ended")
        };
        assert!(stdout.is_truncated() && stdout.total() == 1_200_000 && stderr.total() == 7);
    }

    #[test]
    fn a_log_of_utf16_can_be_read() {
        let mut said = b"= ended 1603 12 12 0 0\r\n\xff\xfe".to_vec();
        said.extend("KL=x\n".encode_utf16().flat_map(u16::to_le_bytes));
        let StepAnswer::Ended { stdout, .. } = read_windows_step(&said).unwrap() else { panic!("not ended") };
        assert_eq!((stdout.text().as_str(), stdout.is_truncated()), ("KL=x\n", false));
    }

    #[test]
    fn an_output_that_the_host_changed_on_its_way_takes_no_outcome_along() {
        for (said, text) in [("12 12 1 1\r\nKL=x\r\n!", "KL=x\r\n!"), ("1 1 0 0\r\nab", "ab")] {
            let answer = read_windows_step(format!("= ended 1603 {said}").as_bytes()).unwrap();
            let StepAnswer::Ended { status: 1603, stdout, stderr } = answer else { panic!("not ended") };
            assert!(stdout.text().contains(text) && stdout.is_truncated(), "{:?}", stdout.text());
            assert!(stderr.text().is_empty());
        }
    }

    #[test]
    fn windows_answers_that_are_not_whole_or_not_ours_are_no_answers() {
        for bad in [
            "",
            "= ended 0 0 0 0 0",
            "= ended 0 5 1 0 0\r\nabcde",
            "= ended 4294967296 0 0 0 0\r\n",
            "= ended x 0 0 0 0\r\n",
            "= ended 0 0 0\r\n",
            "= ended 0 0 0 0 0 9\r\n",
            "= cut off 0 0 0 0\r\n",
            "ended 0 0 0 0 0\r\n",
            "= unsure it cannot be told\r\n",
            "= forgotten\r\nmore\r\n",
        ] {
            assert!(read_windows_step(bad.as_bytes()).is_err(), "{bad:?}");
        }
        let unbegun = read_windows_step(b"= unbegun its lock is gone \r\n\r\n").unwrap();
        assert!(matches!(unbegun, StepAnswer::NotBegun(why) if why == "its lock is gone"));
        assert!(matches!(read_windows_step(b"= forgotten\r\n"), Ok(StepAnswer::Forgotten)));
    }

    #[test]
    fn the_other_answers_of_windows_are_read_as_those_of_any_host() {
        let taken = windows_lines(b"~\r\n\r\n~\r\n= taken t-1 whole \r\n");
        assert!(matches!(read_lock(&taken), Ok(LockAnswer::Taken { from: None, .. })));
        assert!(read_lock(&windows_lines(b"= taken t-1 whole \r\n= more\r\n")).is_err());
    }
}
