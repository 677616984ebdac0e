//! One line of a journal: how it is sealed, and how it is checked.

use super::defect::Defect;
use crate::model::{Event, Record};
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::io::Read;

/// The format that is written, and the newest that is read. It stands in the first line.
pub(super) const FORMAT: u32 = 1;

/// What the first line is chained to.
pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

const HASH_KEY: &[u8] = b",\"hash\":\"";
const HASH_END: &[u8] = b"\"}";
const HEX: usize = 64;

/// SHA-256 of all the parts together, in lower-case hex.
pub(super) fn sha256_hex(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    hex_of(digest)
}

fn hex_of(digest: Sha256) -> String {
    base16ct::lower::encode_string(&digest.finalize())
}

/// Reads on, and keeps the SHA-256 of what was read.
pub(super) struct Hashing<R> {
    source: R,
    digest: Sha256,
}

impl<R: Read> Hashing<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, digest: Sha256::new() }
    }

    /// The SHA-256 of all that was read, in lower-case hex.
    pub(super) fn finish(self) -> String {
        hex_of(self.digest)
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.digest.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Whether a text can be a SHA-256 in the form that is written here.
pub(super) fn is_sha256_hex(text: &str) -> bool {
    text.len() == HEX && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The writing end of a chain: makes lines, each sealed with the hash of the one before.
#[derive(Debug)]
pub(super) struct Sealer {
    previous: String,
}

impl Sealer {
    /// For a journal whose last line has this hash; `GENESIS` where it has none.
    pub(super) fn after(previous: String) -> Self {
        Self { previous }
    }

    /// Appends the line of a record. `host` and `event` are JSON texts without a line break.
    pub(super) fn seal(
        &mut self,
        out: &mut Vec<u8>,
        seq: u64,
        at: Timestamp,
        host: Option<&str>,
        event: &str,
    ) {
        let format = if seq == 0 { format!("\"uproot_journal\":{FORMAT},") } else { String::new() };
        let host = host.map(|host| format!("\"host\":{host},")).unwrap_or_default();
        let body = format!("{{{format}\"seq\":{seq},\"at\":\"{at}\",{host}\"event\":{event}");
        let hash = sha256_hex(&[self.previous.as_bytes(), body.as_bytes()]);
        out.extend_from_slice(body.as_bytes());
        out.extend_from_slice(HASH_KEY);
        out.extend_from_slice(hash.as_bytes());
        out.extend_from_slice(HASH_END);
        out.push(b'\n');
        self.previous = hash;
    }
}

/// A line as it is decoded.
#[derive(Debug, Deserialize)]
struct Line {
    seq: u64,
    at: Timestamp,
    #[serde(default)]
    host: Option<String>,
    event: Event,
}

#[derive(Debug, Deserialize)]
struct Format {
    #[serde(default)]
    uproot_journal: Option<u32>,
}

/// The format that a first line states, if it is a line at all.
pub(super) fn stated_format(line: &[u8]) -> Option<u32> {
    serde_json::from_slice::<Format>(line).ok()?.uproot_journal
}

/// The reading end of a chain: takes lines one after another and says what is wrong with each.
#[derive(Debug)]
pub(super) struct Checker {
    /// What the next line is chained to; none after a line whose hash cannot be read, so that one
    /// defect is not reported twice.
    pub(super) previous: Option<String>,
    next_seq: u64,
    /// Whether the end record was seen.
    pub(super) ended: bool,
}

impl Checker {
    /// For the beginning of a journal.
    pub(super) fn new() -> Self {
        Self { previous: Some(GENESIS.to_owned()), next_seq: 0, ended: false }
    }

    /// Checks the line `number` (from 1; `bytes` without its line break) and decodes it. Goes on from
    /// what the line itself states, so that each defect is found once and later lines are judged by
    /// themselves.
    pub(super) fn check(&mut self, number: usize, bytes: &[u8], defects: &mut Vec<Defect>) -> Option<Record> {
        if self.ended {
            defects.push(Defect::AfterEnd { line: number });
        }
        self.check_hash(number, bytes, defects);
        match serde_json::from_slice::<Line>(bytes) {
            Ok(line) => {
                if line.seq != self.next_seq {
                    let (expected, found) = (self.next_seq, line.seq);
                    defects.push(Defect::Sequence { line: number, expected, found });
                }
                self.next_seq = line.seq.saturating_add(1);
                self.ended |= matches!(line.event, Event::RunEnded { .. });
                Some(Record { seq: line.seq, at: line.at, host: line.host, event: line.event })
            }
            Err(error) => {
                self.next_seq = self.next_seq.saturating_add(1);
                defects.push(Defect::BadLine { line: number, reason: error.to_string() });
                None
            }
        }
    }

    fn check_hash(&mut self, number: usize, bytes: &[u8], defects: &mut Vec<Defect>) {
        let Some((body, hash)) = split(bytes) else {
            defects.push(Defect::NoHash { line: number });
            self.previous = None;
            return;
        };
        if let Some(previous) = &self.previous {
            let expected = sha256_hex(&[previous.as_bytes(), body]);
            if expected != hash {
                defects.push(Defect::BadHash { line: number, expected, found: hash.clone() });
            }
        }
        self.previous = Some(hash);
    }
}

/// The line's bytes before its hash, and the hash. A text of 64 hexadecimal digits in lower case only.
fn split(line: &[u8]) -> Option<(&[u8], String)> {
    let rest = line.strip_suffix(HASH_END)?;
    let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(HEX)?)?;
    let body = rest.strip_suffix(HASH_KEY)?;
    let hash = std::str::from_utf8(hash).ok().filter(|hash| is_sha256_hex(hash))?;
    Some((body, hash.to_owned()))
}
