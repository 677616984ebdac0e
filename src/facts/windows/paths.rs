//! What is at the asked paths of a Windows host.
//!
//! `dir` tells in the host's language that it found nothing, and with the same code and words that it
//! was not allowed to look. So nothing is asked for by its whole path: each directory on the way is
//! listed, from a drive or a variable of the machine on, and a name is absent only where its directory
//! showed that it can be listed: `dir` prints `.` of every directory that it may read, an empty one too.

use super::answers::{Answers, Section};
use super::base::Environment;
use crate::facts::glob::{alternatives, class_end};
use crate::facts::listing::{Asker, Builder};
use crate::facts::{Listing, PathEntry, PathKind};
use crate::model::Truth;
use crate::playbook::{PATH_VARIABLES, Pattern, fold_path};
use std::collections::{BTreeMap, BTreeSet};

/// More matches of one pattern than this are not kept.
const MAX_HITS: usize = 1000;
/// More names than this are not asked of one directory by name: it is listed whole.
const MAX_NAMES: usize = 16;
/// The variables of the nested loops over directories that a wildcard matches.
const LOOPS: [char; 3] = ['i', 'j', 'k'];

/// The components of a pattern, for each of its alternatives.
///
/// # Errors
/// Why it cannot be asked of a host.
pub(super) fn components(pattern: &str) -> Result<Vec<Vec<String>>, String> {
    if !pattern.bytes().all(|byte| byte != b'"' && (byte == b' ' || byte.is_ascii_graphic() || byte >= 0x80))
    {
        return Err(format!(
            "`{}` has a character that cannot be asked",
            crate::model::output::escape_line(pattern)
        ));
    }
    let all = alternatives(&pattern.replace('\\', "/"))
        .ok_or_else(|| format!("`{pattern}` stands for too many patterns"))?;
    all.into_iter()
        .map(|one| {
            let mut parts = one.split('/').filter(|part| !part.is_empty()).map(str::to_owned);
            let root = root(&parts.next().unwrap_or_default())?;
            let rest: Vec<String> = parts.collect();
            if rest.iter().any(|part| part.contains('%')) {
                return Err(format!("`{pattern}` has a `%` behind its beginning"));
            }
            if rest.iter().rev().skip(1).any(|part| part.contains("**")) {
                return Err(format!("`{pattern}` has something behind `**`, which is not asked on Windows"));
            }
            let loops =
                rest.iter().rev().skip(1).filter(|part| Pattern::new(part.as_str()).is_glob()).count();
            if loops > LOOPS.len() {
                return Err(format!("`{pattern}` has wildcards in more than {} directories", LOOPS.len()));
            }
            Ok([root].into_iter().chain(rest).collect())
        })
        .collect()
}

/// A drive or a variable of the machine, in its own spelling.
fn root(part: &str) -> Result<String, String> {
    let drive = part.strip_suffix(':').filter(|letter| letter.len() == 1);
    if drive.is_some_and(|letter| letter.bytes().all(|byte| byte.is_ascii_alphabetic())) {
        return Ok(part.to_ascii_uppercase());
    }
    let name = part.strip_prefix('%').and_then(|part| part.strip_suffix('%'));
    let known =
        PATH_VARIABLES.iter().find(|variable| name.is_some_and(|name| name.eq_ignore_ascii_case(variable)));
    known.map(|variable| format!("%{variable}%")).ok_or_else(|| {
        format!("`{part}` is neither a drive nor a variable of the machine ({})", PATH_VARIABLES.join(", "))
    })
}

fn is_drive(root: &str) -> bool {
    root.ends_with(':') || root == "%SystemDrive%"
}

/// The directories that are listed, each with the names that are asked of it.
#[derive(Debug, Default)]
pub(super) struct Directories {
    /// By their components in lower case.
    numbers: BTreeMap<Vec<String>, usize>,
    all: Vec<Directory>,
}

/// A directory: components, of which some are wildcards.
#[derive(Debug)]
struct Directory {
    parts: Vec<String>,
    names: BTreeSet<String>,
}

fn folded(parts: &[String]) -> Vec<String> {
    parts.iter().map(|part| part.to_lowercase()).collect()
}

impl Directories {
    /// The directories on the way to what matches the patterns.
    pub(super) fn of<'p>(patterns: impl Iterator<Item = &'p str>) -> Self {
        let mut directories = Self::default();
        for parts in patterns.filter_map(|pattern| components(pattern).ok()).flatten() {
            for (index, name) in parts.iter().enumerate().skip(1) {
                directories.add(parts.get(..index).unwrap_or_default(), name);
            }
        }
        directories
    }

    fn add(&mut self, parts: &[String], name: &str) {
        let next = self.all.len();
        let number = *self.numbers.entry(folded(parts)).or_insert(next);
        if number == next {
            self.all.push(Directory { parts: parts.to_vec(), names: BTreeSet::new() });
        }
        if let Some(directory) = self.all.get_mut(number) {
            directory.names.insert(wildcard(name).to_lowercase());
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The components of a directory.
    #[cfg(test)]
    pub(super) fn parts(&self, number: usize) -> Vec<String> {
        self.all[number].parts.clone()
    }

    fn number(&self, parts: &[String]) -> Option<usize> {
        self.numbers.get(&folded(parts)).copied()
    }

    /// The lines that list a directory, or every directory that its wildcards match.
    pub(super) fn lines(&self, number: usize, label: &str) -> Vec<String> {
        let Some(directory) = self.all.get(number) else { return Vec::new() };
        let Place { loops, path } = Place::of(&directory.parts);
        // A drive has no `.`: that it can be listed shows in its names.
        let is_drive =
            directory.parts.len() == 1 && directory.parts.first().is_some_and(|root| is_drive(root));
        let list = |options: &str| {
            let whole = is_drive || directory.names.len() > MAX_NAMES || directory.names.contains("*");
            let names: Vec<String> = if whole {
                vec![format!("\"{path}\\*\"")]
            } else {
                directory.names.iter().map(|name| format!("\"{path}\\{name}\"")).collect()
            };
            format!("dir /b /a{options} {} <nul 2>nul", names.join(" "))
        };
        let lines = [
            format!("echo %N% ask {label} \"{path}\""),
            format!("dir /ad \"{path}\\\" <nul 2>nul"),
            format!("echo %N% part {label} names"),
            list(""),
            format!("echo %N% part {label} directories"),
            list("d"),
            format!("echo %N% part {label} links"),
            list("l"),
            format!("echo %N% end {label} 0"),
        ];
        if loops.is_empty() { lines.to_vec() } else { vec![format!("{loops}({})", lines.join("& "))] }
    }
}

/// Where a directory is, as `cmd.exe` is told.
pub(super) struct Place {
    /// `for … do ` for every wildcard; empty: none.
    pub loops: String,
    /// The path, with the loops' variables.
    pub path: String,
}

impl Place {
    pub(super) fn of(parts: &[String]) -> Self {
        let mut place = Self { loops: String::new(), path: String::new() };
        let mut variables = LOOPS.iter();
        for (index, part) in parts.iter().enumerate() {
            if index == 0 {
                place.path.push_str(part);
                continue;
            }
            let is_glob = Pattern::new(part.as_str()).is_glob() || !part.is_ascii();
            match variables.next().filter(|_| is_glob) {
                Some(variable) => {
                    let found = format!("{}\\{}", place.path, wildcard(part));
                    place.loops.push_str(&format!(
                        "for /f \"eol=: delims=\" %{variable} in ('dir /b /ad \"{found}\" 2^>nul ^<nul') do "
                    ));
                    place.path.push_str(&format!("\\%{variable}"));
                }
                None => place.path.push_str(&format!("\\{part}")),
            }
            if !is_glob {
                // The variable is still free.
                variables = LOOPS.get(place.loops.matches("for /f").count()..).unwrap_or_default().iter();
            }
        }
        place
    }
}

/// A wildcard of Windows that matches at least what the component does.
pub(super) fn wildcard(part: &str) -> String {
    if part.contains("**") {
        return "*".to_owned();
    }
    let is_glob = Pattern::new(part).is_glob();
    let mut out = String::new();
    let mut chars = part.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '[' if is_glob => {
                let end = class_end(part, at).unwrap_or(part.len());
                while chars.peek().is_some_and(|(next, _)| *next <= end) {
                    chars.next();
                }
                out.push('*');
            }
            c if c.is_ascii() => out.push(c),
            _ => out.push('*'),
        }
    }
    // `dir` of a directory's own name lists what is in it.
    if !out.ends_with('*') {
        out.push('*');
    }
    out
}

/// What a directory showed.
#[derive(Debug, Default)]
struct Shown {
    listable: bool,
    names: Vec<(String, PathKind)>,
}

/// Everything that was listed.
pub(super) struct Seen<'a> {
    directories: &'a Directories,
    environment: &'a Environment,
    shown: BTreeMap<(usize, String), Shown>,
    end: String,
}

impl<'a> Seen<'a> {
    pub(super) fn of(
        answers: &'a Answers<'_>,
        environment: &'a Environment,
        directories: &'a Directories,
    ) -> Self {
        let mut shown = BTreeMap::new();
        for number in 0..directories.len() {
            for section in
                answers.all(&super::ask::Ask::Directory(number)).iter().filter(|section| section.is_good())
            {
                let path = answers.code_page.text(section.rest);
                let path = path.trim_matches('"');
                let drive = directories.all.get(number).is_some_and(|one| {
                    one.parts.len() == 1 && one.parts.first().is_some_and(|root| is_drive(root))
                });
                shown.insert((number, fold_path(path)), read(section, answers, drive));
            }
        }
        Self { directories, environment, shown, end: answers.end.clone() }
    }

    /// What matches a pattern.
    pub(super) fn answer(&self, pattern: &str) -> Listing<PathEntry> {
        let mut builder = Builder::empty(Asker { is_root: true });
        match components(pattern) {
            Err(reason) => builder.gap(reason),
            Ok(all) => {
                for parts in &all {
                    let root = parts.first().map(String::as_str).unwrap_or_default();
                    match self.environment.expand(root) {
                        // A variable that this Windows does not have leads to nothing.
                        Ok(None) => {}
                        Ok(Some(path)) => self.walk(parts, 1, &path, &mut builder),
                        Err(reason) => builder.gap(reason),
                    }
                }
            }
        }
        builder.finish(|entry| fold_path(&entry.path))
    }

    fn walk(&self, parts: &[String], index: usize, path: &str, builder: &mut Builder<PathEntry>) {
        let Some(part) = parts.get(index) else { return };
        let number = self.directories.number(parts.get(..index).unwrap_or_default());
        let shown = number.and_then(|number| self.shown.get(&(number, fold_path(path))));
        let Some(shown) = shown else {
            builder.gap(format!("`{path}` was not listed: {}", self.end));
            return;
        };
        if !shown.listable {
            builder.gap(format!("`{path}` cannot be listed"));
        }
        let is_last = index + 1 == parts.len();
        let everything = part.contains("**");
        let pattern = Pattern::new(part.as_str()).lower_case();
        let matcher = pattern.matcher();
        for (name, kind) in &shown.names {
            match if everything {
                Truth::True
            } else {
                pattern.windows_matches(&matcher, &name.to_lowercase())
            } {
                Truth::False => continue,
                Truth::Unknown => {
                    builder.gap(format!("a name in `{path}` has characters that could not be read"));
                    continue;
                }
                Truth::True => {}
            }
            let below = format!("{path}\\{name}");
            if builder.items().len() >= MAX_HITS {
                builder.gap(format!("there are more than {MAX_HITS} matches"));
                return;
            }
            match (is_last, kind) {
                (true, kind) => {
                    if everything && *kind != PathKind::File {
                        builder.gap(format!("what is in `{below}` was not listed"));
                    }
                    builder.push(entry(below, *kind));
                }
                (false, PathKind::File) => {}
                (false, _) => self.walk(parts, index + 1, &below, builder),
            }
        }
    }
}

fn entry(path: String, kind: PathKind) -> PathEntry {
    PathEntry { path, kind, owner: String::new(), size: 0, target: None, real: None, mount_point: false }
}

fn read(section: &Section<'_>, answers: &Answers<'_>, is_drive: bool) -> Shown {
    let mut parts: [Vec<&[u8]>; 4] = Default::default();
    let mut at = 0;
    for line in &section.lines {
        let is_part = line.windows(6).any(|window| window == b" part ");
        if is_part && ["names", "directories", "links"].iter().any(|word| line.ends_with(word.as_bytes())) {
            at += 1;
        } else if let Some(part) = parts.get_mut(at.min(3)) {
            part.push(line);
        }
    }
    let [listing, names, directories, links] = parts;
    let text = |line: &&[u8]| answers.code_page.text(line);
    let names_of = |lines: &[&[u8]]| -> BTreeSet<String> {
        lines.iter().filter(|line| !line.is_empty()).map(text).collect()
    };
    let (directories, links) = (names_of(&directories), names_of(&links));
    let names: Vec<(String, PathKind)> = names_of(&names)
        .into_iter()
        .map(|name| {
            let kind = if links.contains(&name) {
                PathKind::Link
            } else if directories.contains(&name) {
                PathKind::Directory
            } else {
                PathKind::File
            };
            (name, kind)
        })
        .collect();
    // All four listings must have come.
    let whole = at == 3;
    let ends_with = |end: &[u8]| listing.iter().any(|line| line.trim_ascii_end().ends_with(end));
    let listable = if is_drive { !names.is_empty() } else { ends_with(b" .") && ends_with(b" ..") };
    Shown { listable: whole && listable, names }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_at_least_as_wide() {
        for (part, wide) in [
            ("KES", "KES*"),
            ("AVP*", "AVP*"),
            ("KES.1?", "KES.1?*"),
            ("AVP2[01].*", "AVP2*.*"),
            ("Käse", "K*se*"),
            ("**", "*"),
        ] {
            assert_eq!(wildcard(part), wide, "{part}");
        }
    }

    #[test]
    fn patterns_become_components() {
        let parts = |pattern| {
            components(pattern).map(|all| all.iter().map(|parts| parts.join("|")).collect::<Vec<_>>())
        };
        assert_eq!(parts(r"%programdata%\Kaspersky Lab").unwrap(), ["%ProgramData%|Kaspersky Lab"]);
        assert_eq!(parts(r"c:/a\{b,c}\**").unwrap(), ["C:|a|b|**", "C:|a|c|**"]);
        for bad in
            [r"%APPDATA%\x", r"\\server\x", r"C:\a%b%\c", r"C:\**\x", "C:\\a\"b", r"C:\*\*\*\*\x", "/opt/x"]
        {
            assert!(parts(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wildcard_becomes_a_loop() {
        let directories = Directories::of([r"%SystemDrive%\Users\*\AppData\Local\Kaspersky*"].into_iter());
        assert_eq!(directories.len(), 5);
        let line = directories.lines(4, "q9").concat();
        assert!(line.starts_with("for /f \"eol=: delims=\" %i in ('dir /b /ad \"%SystemDrive%\\Users\\*\" 2^>nul ^<nul') do (echo %N% ask q9 \"%SystemDrive%\\Users\\%i\\AppData\\Local\"& dir /ad "), "{line}");
    }
}
