//! What is at the asked paths, and the beginnings of the asked files.

use super::frames::{Block, Run, Section, number, split_once, text};
use super::glob::{Search, normalise, searches};
use super::listing::{Asker, Builder, Refusals, is_absent, look_failures};
use super::posix::patterns;
use super::{FileText, Listing, PathEntry, PathKind, Questions};
use crate::playbook::Pattern;
use std::collections::{BTreeMap, HashMap, HashSet};

/// How much of a file is kept.
const MAX_TEXT: usize = 64 * 1024;

/// The answers by pattern: what is there, and the beginnings of files.
pub(super) type Answers = (BTreeMap<String, Listing<PathEntry>>, BTreeMap<String, Listing<FileText>>);

/// All that the section `paths` says, whichever pattern asked for it.
struct Seen<'a> {
    /// What was found, by path.
    entries: BTreeMap<String, PathEntry>,
    /// The beginnings of files, or why one could not be read.
    texts: HashMap<String, Result<FileText, String>>,
    /// What was found not to be a file at the end of its links.
    others: HashSet<String>,
    refusals: Refusals<'a>,
    /// What each pattern's answer depends on.
    needs: HashMap<usize, Vec<&'a [u8]>>,
    /// Why a pattern's answer is not whole.
    gaps: HashMap<usize, Vec<String>>,
    /// Why no pattern's answer is whole.
    failures: Vec<String>,
}

/// Reads the section `paths`; `mounts` are the mount points.
pub(super) fn parse(
    section: &Section<'_>,
    questions: &Questions,
    asker: Asker,
    mounts: &HashSet<&str>,
) -> Answers {
    let seen = Seen::read(section, mounts);
    let mut answers = Answers::default();
    for (index, (pattern, is_text)) in patterns(questions).enumerate() {
        if is_text {
            let mut builder = Builder::of_defect(section, asker);
            let found = seen.answer(index, pattern, &mut builder);
            found.into_iter().for_each(|entry| seen.text_of(entry, &mut builder));
            answers.1.insert(pattern.to_owned(), builder.finish(|file| file.path.clone()));
        } else {
            let mut builder = Builder::of_defect(section, asker);
            let found = seen.answer(index, pattern, &mut builder);
            found.into_iter().for_each(|entry| {
                if entry.kind == PathKind::Link && entry.target.is_none() {
                    builder.gap(format!("where the link `{}` points could not be read", entry.path));
                }
                builder.push(entry.clone());
            });
            answers.0.insert(pattern.to_owned(), builder.finish(|entry| entry.path.clone()));
        }
    }
    answers
}

impl<'a> Seen<'a> {
    fn read(section: &Section<'a>, mounts: &HashSet<&str>) -> Self {
        let mut failures = look_failures(section);
        if section.runs("stat").chain(section.runs("ls")).next().is_none() {
            failures.push("no path was looked at".to_owned());
        }
        let mut entries = BTreeMap::new();
        let mut targets = HashMap::new();
        let mut real = HashMap::new();
        let mut texts = HashMap::new();
        for (at, block) in section.blocks.iter().enumerate() {
            let run = || section.run_at(at + 1);
            match block.word {
                b"run" if matches!(block.rest, b"stat" | b"ls") => {
                    read_looks(block.rest == b"stat", block.lines(), &mut entries, &mut failures);
                }
                b"odd" => {
                    let found = run().and_then(|run| odd_entry(block.rest, &run));
                    match found {
                        Some(entry) => {
                            entries.insert(entry.path.clone(), entry);
                        }
                        None => failures.push("a name with a line break could not be looked at".to_owned()),
                    }
                }
                b"link" => {
                    let target = run().filter(|run| run.failure("readlink").is_none());
                    let target = target.map(|run| link_target(&run)).filter(|target| !target.is_empty());
                    targets.extend(target.map(|target| (block.rest_text(), target)));
                }
                b"real" => {
                    let path = block.rest_text();
                    let place = real_place(&path, block);
                    real.insert(path, place);
                }
                b"file" => {
                    let path = block.rest_text();
                    let read = read_text(&path, run());
                    texts.entry(path).or_insert(read);
                }
                _ => {}
            }
        }
        for entry in entries.values_mut() {
            entry.target = targets.remove(&entry.path).filter(|_| entry.kind == PathKind::Link);
            entry.real = real.remove(&entry.path);
            entry.mount_point = mounts.contains(entry.path.as_str());
        }
        Self {
            entries,
            texts,
            others: section.marks("other").map(|block| block.rest_text()).collect(),
            refusals: Refusals::of(section),
            needs: by_pattern(section, "need"),
            gaps: by_pattern(section, "gap")
                .into_iter()
                .map(|(index, reasons)| (index, reasons.into_iter().map(text).collect()))
                .collect(),
            failures,
        }
    }

    /// What was found for a pattern; why there may be more goes to `builder`.
    fn answer<T: PartialEq>(&self, index: usize, pattern: &str, builder: &mut Builder<T>) -> Vec<&PathEntry> {
        let searches = match searches(pattern) {
            Ok(searches) => searches,
            Err(reason) => {
                builder.gap(reason);
                return Vec::new();
            }
        };
        self.failures.iter().for_each(|failure| builder.gap(failure.clone()));
        self.gaps.get(&index).into_iter().flatten().for_each(|gap| builder.gap(gap.clone()));
        let needs = self.needs.get(&index).into_iter().flatten();
        needs.filter_map(|path| self.refusals.doubt(path)).for_each(|doubt| builder.gap(doubt));
        let mut found = Vec::new();
        for search in &searches {
            match search {
                Search::Literal(path) => match self.entries.get(path) {
                    Some(entry) => found.push(entry),
                    None => {
                        self.refusals.doubt(path.as_bytes()).into_iter().for_each(|doubt| builder.gap(doubt))
                    }
                },
                Search::Walk { base, .. } => self.walked(pattern, base, &mut found, builder),
            }
        }
        found
    }

    /// What matches a pattern below the directory where its wildcards begin. Most have nothing
    /// there, so the pattern is compiled only when something is.
    fn walked<'s, T: PartialEq>(
        &'s self,
        pattern: &str,
        base: &str,
        found: &mut Vec<&'s PathEntry>,
        builder: &mut Builder<T>,
    ) {
        let below = format!("{base}/");
        let mut candidates = self
            .entries
            .range(below.clone()..)
            .map(|(_, entry)| entry)
            .take_while(|entry| entry.path.starts_with(&below))
            .filter(|entry| entry.path != "/")
            .peekable();
        let refused: Vec<(String, &[u8])> = self
            .refusals
            .each()
            .filter(|(path, reason)| path.starts_with(below.as_bytes()) && !is_absent(reason))
            .map(|(path, reason)| (text(path), reason))
            .collect();
        if candidates.peek().is_none() && refused.is_empty() {
            return;
        }
        let matcher = Pattern::new(normalise(pattern)).matcher();
        found.extend(candidates.filter(|entry| !matcher.matches(&entry.path).is_false()));
        for (path, reason) in refused.iter().filter(|(path, _)| !matcher.matches(path).is_false()) {
            builder.gap(format!("`{path}` cannot be looked at: {}", text(reason)));
        }
    }

    fn text_of(&self, entry: &PathEntry, builder: &mut Builder<FileText>) {
        match self.texts.get(&entry.path) {
            Some(Ok(file)) => {
                // Files of /proc have the size 0 whatever is in them.
                let is_short = file.text.is_empty() && entry.size > 0 && entry.kind == PathKind::File;
                if is_short {
                    builder.gap(format!("`{}` has {} bytes, of which none was read", entry.path, entry.size));
                }
                builder.push(file.clone());
            }
            Some(Err(reason)) => builder.gap(reason.clone()),
            None if self.others.contains(&entry.path) => {}
            None => builder.gap(format!("`{}` was not read", entry.path)),
        }
    }
}

/// The path behind all links on the way to it: one line has its directory, which ends with `/`.
/// Empty: the directory could not be told.
fn real_place(path: &str, block: &Block<'_>) -> String {
    let mut lines = block.lines();
    let name = path.rsplit('/').next().unwrap_or_default();
    match (lines.next().map(text), lines.next()) {
        (Some(directory), None) if directory.len() > 1 => {
            format!("{}/{name}", directory.trim_end_matches('/'))
        }
        _ => String::new(),
    }
}

/// The marks `WORD PATTERN REST`, by pattern.
fn by_pattern<'a>(section: &Section<'a>, word: &str) -> HashMap<usize, Vec<&'a [u8]>> {
    let mut all: HashMap<usize, Vec<&[u8]>> = HashMap::new();
    for block in section.marks(word) {
        if let Some((index, rest)) =
            split_once(block.rest, b" ").and_then(|(i, rest)| Some((number(i)?, rest)))
        {
            all.entry(index).or_default().push(rest);
        }
    }
    all
}

fn read_looks<'a>(
    by_stat: bool,
    lines: impl Iterator<Item = &'a [u8]>,
    entries: &mut BTreeMap<String, PathEntry>,
    failures: &mut Vec<String>,
) {
    for line in lines.filter(|line| !line.is_empty()) {
        match if by_stat { stat_entry(line) } else { ls_entry(line) } {
            Some(entry) => {
                entries.entry(entry.path.clone()).or_insert(entry);
            }
            None => failures.push(format!("this is not understood: `{}`", text(line))),
        }
    }
}

/// `MODE SIZE UID OWNER:PATH`, the mode in hexadecimal; the owner is `UNKNOWN` where the number has
/// no name.
fn stat_entry(line: &[u8]) -> Option<PathEntry> {
    let (mode, line) = split_once(line, b" ")?;
    let (size, line) = split_once(line, b" ")?;
    let (uid, line) = split_once(line, b" ")?;
    let (owner, path) = split_once(line, b":")?;
    let owner = if owner == b"UNKNOWN" { uid } else { owner };
    let mode = u32::from_str_radix(std::str::from_utf8(mode).ok()?, 16).ok()?;
    let kind = match mode & 0o170_000 {
        0o100_000 => PathKind::File,
        0o040_000 => PathKind::Directory,
        0o120_000 => PathKind::Link,
        _ => PathKind::Other,
    };
    Some(entry(kind, owner, number(size)?, path))
}

/// `drwxr-xr-x 2 OWNER GROUP SIZE DATE PATH`, of a link with ` -> TARGET`; no date has a `/`.
fn ls_entry(line: &[u8]) -> Option<PathEntry> {
    let at = line.windows(2).position(|two| two == b" /")?;
    let (columns, path) = (line.get(..at)?, line.get(at + 1..)?);
    let mut columns = columns.split(|byte| *byte == b' ').filter(|column| !column.is_empty());
    let kind = match columns.next()?.first()? {
        b'-' => PathKind::File,
        b'd' => PathKind::Directory,
        b'l' => PathKind::Link,
        b'b' | b'c' | b'p' | b's' => PathKind::Other,
        _ => return None,
    };
    let owner = columns.nth(1)?;
    // A device has two numbers instead of a size.
    let size = columns.nth(1).and_then(number).unwrap_or(0);
    let path =
        if kind == PathKind::Link { split_once(path, b" -> ").map_or(path, |(path, _)| path) } else { path };
    Some(entry(kind, owner, size, path))
}

fn entry(kind: PathKind, owner: &[u8], size: u64, path: &[u8]) -> PathEntry {
    PathEntry {
        path: text(path),
        kind,
        owner: text(owner),
        size,
        target: None,
        real: None,
        mount_point: false,
    }
}

/// A name with a line break, which the script writes as `//`.
fn odd_entry(name: &[u8], run: &Run<'_>) -> Option<PathEntry> {
    if run.output.rest != b"odd" || run.failure("stat").is_some() {
        return None;
    }
    let found = stat_entry(run.output.lines().next()?)?;
    Some(PathEntry { path: text(name).replace("//", "\n"), ..found })
}

fn link_target(run: &Run<'_>) -> String {
    let target = run.output.text();
    text(target.strip_suffix(b"\n").unwrap_or(&target))
}

fn read_text(path: &str, run: Option<Run<'_>>) -> Result<FileText, String> {
    let run = run.ok_or_else(|| format!("`{path}` was not read"))?;
    if let Some(failure) = run.failure("head") {
        return Err(format!("`{path}` was not read: {failure}"));
    }
    let bytes = run.output.text();
    let kept = bytes.get(..MAX_TEXT).unwrap_or(&bytes);
    Ok(FileText {
        path: path.to_owned(),
        text: text(kept),
        truncated: bytes.len() > MAX_TEXT,
        kept_for: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_of_stat_and_ls_alike() {
        let by_stat = stat_entry(b"41ed 4096 7 DOM\\a b:/opt/x y:z").unwrap();
        assert_eq!((by_stat.kind, by_stat.owner.as_str()), (PathKind::Directory, "DOM\\a b"));
        assert_eq!(by_stat.path, "/opt/x y:z");
        let by_ls =
            ls_entry(b"lrwxrwxrwx    1 root     root            7 Jan  1 00:00 /bin -> usr/bin").unwrap();
        assert_eq!((by_ls.kind, by_ls.path.as_str(), by_ls.size), (PathKind::Link, "/bin", 7));
        assert!(stat_entry(b"zz 1 0 root:/x").is_none());
        assert_eq!(stat_entry(b"81a4 1 77 UNKNOWN:/x").unwrap().owner, "77");
        assert!(ls_entry(b"total 4").is_none());
    }

    #[test]
    fn a_device_has_no_size() {
        let device = ls_entry(b"crw-rw-rw- 1 root root 1, 3 Nov 25 01:00 /dev/null").unwrap();
        assert_eq!((device.kind, device.path.as_str()), (PathKind::Other, "/dev/null"));
    }
}
