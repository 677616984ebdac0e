//! Which host key belongs to whom. Read once for a run into our own maps: handing each session the
//! file would cost hosts × lines.

use super::{TransportError, TransportErrorKind};
use crate::model::{Diagnostic, Place};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The known host keys.
#[derive(Debug, Default)]
pub struct KnownHosts {
    entries: Vec<Entry>,
    /// Name as written, lower case → entries that have it and no pattern.
    exact: HashMap<String, Vec<usize>>,
    hashed: Vec<HashedName>,
    /// Entries with wildcards or negations.
    patterned: Vec<(Vec<String>, usize)>,
    problems: Vec<Diagnostic>,
    learning: Option<Box<Learning>>,
    /// The first file that was named.
    named: Option<String>,
}

#[derive(Debug)]
struct Entry {
    mark: Mark,
    key: Vec<u8>,
    place: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Plain,
    Revoked,
    Authority,
}

#[derive(Debug)]
struct HashedName {
    /// Keyed with the salt already: half of the work of each comparison.
    keyed: Hmac<Sha1>,
    hash: Vec<u8>,
    entry: usize,
}

/// Where new keys go, and what was learnt in this run.
#[derive(Debug)]
struct Learning {
    file: PathBuf,
    learnt: Mutex<Learnt>,
}

#[derive(Debug, Default)]
struct Learnt {
    /// Name → key.
    keys: HashMap<String, Vec<u8>>,
    /// The file's content so far, as known hosts of its own; renewed when its length has changed.
    file: KnownHosts,
    length: Option<u64>,
}

/// What a host's key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The known one.
    Known,
    /// No line is for this host.
    Unknown {
        /// But an authority's.
        only_authority: bool,
    },
    /// Another than the known ones: `ssh-ed25519 SHA256:… (known_hosts:3)`.
    Changed { known: Vec<String> },
    /// A line says that this key must not be trusted.
    Revoked { place: String },
}

impl KnownHosts {
    /// Reads these files; with none given `~/.ssh/known_hosts`, `~/.ssh/known_hosts2` and
    /// `/etc/ssh/ssh_known_hosts`, as far as they exist.
    ///
    /// # Errors
    /// When a file that was named, or one that exists, cannot be read.
    pub fn read(files: &[PathBuf]) -> Result<Self, TransportError> {
        let named = !files.is_empty();
        let files = if named { files.to_vec() } else { default_files() };
        let named_first = files.first().filter(|_| named).map(|file| file.display().to_string());
        let mut all = Self { named: named_first, ..Self::default() };
        for file in &files {
            match std::fs::read(file) {
                Ok(bytes) => all.take_in(&file.display().to_string(), &String::from_utf8_lossy(&bytes)),
                Err(error) if !named && error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(TransportError {
                        kind: TransportErrorKind::Local,
                        message: format!("`{}`: {error}", file.display()),
                        remedy: None,
                    });
                }
            }
        }
        Ok(all)
    }

    /// Reads the text of one file. Lines that cannot be used are among the `problems`.
    #[must_use]
    pub fn parse(file: &str, text: &str) -> Self {
        let mut all = Self::default();
        all.take_in(file, text);
        all
    }

    /// The file that a new key belongs into, for remedies.
    #[must_use]
    pub fn file(&self) -> &str {
        self.named.as_deref().unwrap_or("~/.ssh/known_hosts")
    }

    /// From now on a key of a host that has none is accepted and appended to this file. A changed
    /// one never is.
    #[must_use]
    pub fn accept_new(mut self, append_to: PathBuf) -> Self {
        self.learning = Some(Box::new(Learning { file: append_to, learnt: Mutex::default() }));
        self
    }

    /// A warning for each line that could not be used.
    #[must_use]
    pub fn problems(&self) -> &[Diagnostic] {
        &self.problems
    }

    fn take_in(&mut self, file: &str, text: &str) {
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = number + 1;
            if let Err(problem) = self.take_line(line, format!("{file}:{number}")) {
                let place = Place {
                    file: file.into(),
                    line: u32::try_from(number).unwrap_or(u32::MAX),
                    column: 1,
                    length: u32::try_from(line.chars().count()).unwrap_or(u32::MAX),
                };
                self.problems.push(
                    Diagnostic::warning(&place, problem)
                        .with_help("the line is ignored; `ssh-keyscan HOST` prints a good one"),
                );
            }
        }
    }

    fn take_line(&mut self, line: &str, place: String) -> Result<(), String> {
        let mut words = line.split_whitespace();
        let mut names = words.next().unwrap_or_default();
        let mark = match names {
            "@revoked" => Mark::Revoked,
            "@cert-authority" => Mark::Authority,
            other if other.starts_with('@') => return Err(format!("unknown marker `{other}`")),
            _ => Mark::Plain,
        };
        if mark != Mark::Plain {
            names = words.next().ok_or("no host name after the marker")?;
        }
        let written_type = words.next().ok_or("no key type after the host name")?;
        let encoded = words.next().ok_or("no key after the key type")?;
        let key = STANDARD.decode(encoded).map_err(|_| "the key is not base64".to_owned())?;
        if key_type(&key) != written_type {
            return Err(format!("the key is not of the type `{written_type}` that is written before it"));
        }
        let name = if names.starts_with('|') { Some(parse_hashed(names)?) } else { None };
        let entry = self.entries.len();
        self.entries.push(Entry { mark, key, place });
        match name {
            Some((keyed, hash)) => self.hashed.push(HashedName { keyed, hash, entry }),
            None => self.index(names, entry),
        }
        Ok(())
    }

    fn index(&mut self, names: &str, entry: usize) {
        let names: Vec<String> =
            names.split(',').filter(|name| !name.is_empty()).map(str::to_lowercase).collect();
        if names.iter().any(|name| name.starts_with('!') || name.contains(['*', '?'])) {
            self.patterned.push((names, entry));
            return;
        }
        for name in names {
            self.exact.entry(name).or_default().push(entry);
        }
    }

    /// The entries whose names match this one.
    fn entries_for(&self, name: &str) -> Vec<&Entry> {
        let mut found: Vec<usize> = self.exact.get(name).cloned().unwrap_or_default();
        found.extend(self.hashed.iter().filter(|hashed| hashed.is(name)).map(|hashed| hashed.entry));
        let patterned = self.patterned.iter().filter(|(patterns, _)| matches_list(patterns, name));
        found.extend(patterned.map(|(_, entry)| *entry));
        found.into_iter().filter_map(|entry| self.entries.get(entry)).collect()
    }

    /// The types of the plain keys known for a host.
    pub(super) fn key_types(&self, host: &str, port: u16) -> Vec<String> {
        let mut names = vec![line_name(host, port)];
        if port != 22 {
            names.push(line_name(host, 22));
        }
        let entries = names.iter().flat_map(|name| self.entries_for(name));
        let mut types: Vec<String> =
            entries.filter(|entry| entry.mark == Mark::Plain).map(|entry| key_type(&entry.key)).collect();
        if let Some(learning) = &self.learning {
            let learnt = learning.learnt.lock().unwrap_or_else(PoisonError::into_inner);
            types.extend(names.iter().filter_map(|name| learnt.keys.get(name)).map(|key| key_type(key)));
        }
        types
    }

    /// What the key of this host is.
    pub(super) fn check(&self, host: &str, port: u16, key: &[u8]) -> Verdict {
        let verdict = self.check_name(&line_name(host, port), key);
        if port == 22 || !matches!(verdict, Verdict::Unknown { .. }) {
            return verdict;
        }
        // As ssh does: a line without the port vouches for a key, but does not forbid another.
        match self.check_name(&line_name(host, 22), key) {
            found @ (Verdict::Known | Verdict::Revoked { .. }) => found,
            Verdict::Changed { .. } | Verdict::Unknown { .. } => verdict,
        }
    }

    fn check_name(&self, name: &str, key: &[u8]) -> Verdict {
        let entries = self.entries_for(name);
        let of = |mark: Mark| entries.iter().filter(move |entry| entry.mark == mark);
        if let Some(entry) = of(Mark::Revoked).find(|entry| entry.key == key) {
            return Verdict::Revoked { place: entry.place.clone() };
        }
        if of(Mark::Plain).any(|entry| entry.key == key) {
            return Verdict::Known;
        }
        let known: Vec<String> = of(Mark::Plain)
            .map(|entry| format!("{} {} ({})", key_type(&entry.key), fingerprint(&entry.key), entry.place))
            .collect();
        if known.is_empty() {
            Verdict::Unknown { only_authority: of(Mark::Authority).next().is_some() }
        } else {
            Verdict::Changed { known }
        }
    }

    /// As `check`; where new keys are accepted, an unknown one becomes known and is written down.
    pub(super) fn check_or_learn(&self, host: &str, port: u16, key: &[u8]) -> std::io::Result<Verdict> {
        let verdict = self.check(host, port, key);
        match (&verdict, &self.learning) {
            (Verdict::Unknown { .. }, Some(learning)) => learning.learn(&line_name(host, port), key),
            _ => Ok(verdict),
        }
    }
}

impl Learning {
    fn learn(&self, name: &str, key: &[u8]) -> std::io::Result<Verdict> {
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = learnt.keys.get(name) {
            return Ok(if known == key {
                Verdict::Known
            } else {
                let known = format!("{} {} (accepted in this run)", key_type(known), fingerprint(known));
                Verdict::Changed { known: vec![known] }
            });
        }
        let verdict = learnt.append(&self.file, name, key)?;
        if verdict == Verdict::Known {
            learnt.keys.insert(name.to_owned(), key.to_vec());
        }
        Ok(verdict)
    }
}

impl Learnt {
    /// Appends one whole line, under the file's lock; another process may have been quicker.
    fn append(&mut self, path: &Path, name: &str, key: &[u8]) -> std::io::Result<Verdict> {
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        let mut file =
            std::fs::OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        file.lock()?;
        let length = file.metadata()?.len();
        if self.length != Some(length) {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(0))?;
            file.read_to_end(&mut bytes)?;
            self.file = KnownHosts::parse(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
        }
        let verdict = self.file.check_name(name, key);
        if !matches!(verdict, Verdict::Unknown { .. }) {
            self.length = Some(length);
            return Ok(verdict);
        }
        let mut line = format!("{name} {} {}\n", key_type(key), STANDARD.encode(key));
        if length > 0 && !ends_with_line_break(&mut file)? {
            line.insert(0, '\n');
        }
        file.write_all(line.as_bytes())?;
        self.length = Some(length + line.len() as u64);
        Ok(Verdict::Known)
    }
}

fn ends_with_line_break(file: &mut std::fs::File) -> std::io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

impl HashedName {
    fn is(&self, name: &str) -> bool {
        let mut mac = self.keyed.clone();
        mac.update(name.as_bytes());
        mac.finalize().into_bytes().as_slice() == self.hash
    }
}

fn parse_hashed(name: &str) -> Result<(Hmac<Sha1>, Vec<u8>), String> {
    let malformed = || "the hashed host name is malformed".to_owned();
    let mut parts = name.split('|').skip(1);
    if parts.next() != Some("1") {
        return Err("the host name is hashed in an unknown way".to_owned());
    }
    let mut decoded = || STANDARD.decode(parts.next().unwrap_or_default()).map_err(|_| malformed());
    let (salt, hash) = (decoded()?, decoded()?);
    if salt.is_empty() || hash.len() != 20 {
        return Err(malformed());
    }
    Hmac::new_from_slice(&salt).map(|keyed| (keyed, hash)).map_err(|_| malformed())
}

/// A name as known_hosts has it: lower case, the port in brackets unless it is 22.
pub(super) fn line_name(host: &str, port: u16) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

/// `ssh-ed25519` and the like, from the key itself; empty for what is no key.
pub(super) fn key_type(key: &[u8]) -> String {
    let name = key.split_first_chunk::<4>().and_then(|(length, rest)| {
        rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?).filter(|name| name.len() <= 64)
    });
    String::from_utf8_lossy(name.unwrap_or_default()).into_owned()
}

/// `SHA256:…` as `ssh-keygen -l` prints it.
pub(super) fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key)))
}

/// Whether a list of patterns is for this name: one matches, and no `!` one does.
fn matches_list(patterns: &[String], name: &str) -> bool {
    let negated = patterns
        .iter()
        .filter_map(|pattern| pattern.strip_prefix('!'))
        .any(|pattern| wildcard(pattern, name));
    !negated && patterns.iter().any(|pattern| !pattern.starts_with('!') && wildcard(pattern, name))
}

/// `*` is any run, `?` any one character. Linear but for the last `*`, so no pattern is slow.
fn wildcard(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&c) = name.get(n) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(&q) if q == '?' || q == c => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((after, at)) => {
                    star = Some((after, at + 1));
                    (p, n) = (after, at + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|&c| c == '*')
}

fn default_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    if let Some(home) = std::env::home_dir() {
        files.push(home.join(".ssh/known_hosts"));
        files.push(home.join(".ssh/known_hosts2"));
    }
    files.push(PathBuf::from("/etc/ssh/ssh_known_hosts"));
    files
}

#[cfg(test)]
mod tests;
