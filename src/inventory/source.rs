//! From what stands after `-i` to a draft: files, directories, scripts and lists of hosts.
//!
//! A file's format is told by its content; the ending of its name decides only where the content
//! leaves it open.

use super::draft::{Draft, MAX_HOSTS, Owner};
use super::resolve::resolve;
use super::values::{self, Wrong, quoted};
use super::{Inventory, Loaded, Overrides, ansible_yaml, csv, ini, json, native, script, vars_files};
use crate::model::yaml::{Limits, Node, parse};
use crate::model::{Diagnostic, Diagnostics, Place};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most bytes of a file that are read.
const LARGEST: u64 = 64 << 20;
/// Directories inside each other.
const DEEPEST: usize = 8;
/// Endings of files in a directory that are never inventories.
const NOT_INVENTORIES: [&str; 11] =
    ["~", ".pyc", ".pyo", ".swp", ".bak", ".orig", ".retry", ".cfg", ".rpm", ".md", ".rst"];

/// Reads and joins inventories, then applies the options of the command line.
///
/// A source is the path of a file in any of the formats, of an executable that answers `--list`, of
/// a directory of such files, or a list of hosts with a comma in it. Of several sources the later
/// wins, value by value; groups are joined.
///
/// # Errors
/// All that is wrong with all sources, and the warnings.
pub fn read(sources: &[String], overrides: &Overrides) -> Result<Loaded, Diagnostics> {
    let mut reading = Reading::default();
    for group in ["all", "ungrouped"] {
        reading.draft.define_group(group, &command_line_place("", 0));
    }
    for source in sources {
        reading.source(source);
    }
    let Reading { mut draft, directories, .. } = reading;
    check_options(&mut draft, overrides);
    vars_files::read(&mut draft, &directories);
    let inventory: Inventory = resolve(&mut draft, overrides);
    if draft.out.has_errors() { Err(draft.out) } else { Ok(Loaded { inventory, diagnostics: draft.out }) }
}

/// What an option says must hold as much as what a file says.
fn check_options(draft: &mut Draft, overrides: &Overrides) {
    let user = overrides.user.as_deref().map(|text| ("--user", text, values::user(text)));
    let key = overrides.key.as_deref().map(|text| ("--key", text, values::key(text)));
    for (option, text, checked) in user.into_iter().chain(key) {
        if let Err(wrong) = checked {
            draft.out.sources.add(option, text);
            draft.wrong(&Place { file: option.into(), ..command_line_place(text, 0) }, &wrong);
        }
    }
}

#[derive(Default)]
struct Reading {
    draft: Draft,
    /// Where Ansible would look for `group_vars` and `host_vars`.
    directories: Vec<PathBuf>,
    /// How many lists of hosts were read, to tell them apart in places.
    lists: usize,
}

fn command_line_place(text: &str, list: usize) -> Place {
    let file = if list > 1 { format!("command line ({list})") } else { "command line".to_owned() };
    let length = u32::try_from(text.chars().count()).unwrap_or(1).max(1);
    Place { file: file.into(), line: 1, column: 1, length }
}

impl Reading {
    fn source(&mut self, source: &str) {
        match std::fs::metadata(source) {
            Ok(meta) if meta.is_dir() => self.directory(Path::new(source), 0),
            Ok(_) => self.file(Path::new(source)),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename
                ) =>
            {
                self.hosts_or_nothing(source);
            }
            Err(error) => cannot_read(&mut self.draft, source, &error),
        }
    }

    /// A list of hosts, or the name of a file that is not there.
    fn hosts_or_nothing(&mut self, source: &str) {
        self.lists += 1;
        let place = command_line_place(source, self.lists);
        self.draft.out.sources.add(&place.file, source);
        if source.contains(',') {
            return host_list(&mut self.draft, source, &place);
        }
        let error = Diagnostic::error(&place, format!("no inventory {}", quoted(source)));
        let help = if source.contains('/') || values::check_host_name(source).is_err() {
            "give the path of an inventory, or hosts separated by commas: `-i web01,web02`".to_owned()
        } else {
            format!("if it is the name of a single host, put a comma after it: `-i {source},`")
        };
        self.draft.say(error.with_label("no such file or directory").with_help(help));
    }

    fn directory(&mut self, path: &Path, depth: usize) {
        let shown = path.display().to_string();
        if depth > DEEPEST {
            return cannot_read(
                &mut self.draft,
                &shown,
                &std::io::Error::other("directories too deep inside each other"),
            );
        }
        let listed: Result<Vec<_>, _> = std::fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| entry.map(|e| e.file_name())).collect());
        let mut names = match listed {
            Ok(names) => names,
            Err(error) => return cannot_read(&mut self.draft, &shown, &error),
        };
        names.sort();
        for name in names {
            let text = name.to_string_lossy();
            let hidden =
                text.starts_with('.') || ["group_vars", "host_vars", "vars_plugins"].contains(&&*text);
            if hidden || NOT_INVENTORIES.iter().any(|ending| text.ends_with(ending)) {
                continue;
            }
            let inner = path.join(&name);
            if inner.is_dir() {
                self.directory(&inner, depth + 1);
            } else if text.ends_with(".txt") {
                let file = inner.display().to_string();
                self.draft.out.sources.add(&file, &file);
                let warning = Diagnostic::warning(
                    &first_of(&file),
                    "not read, as Ansible reads no `.txt` file of a directory",
                )
                .with_help(format!("if it is an inventory, rename it or name it: `-i {file}`"));
                self.draft.say(warning);
            } else {
                self.file(&inner);
            }
        }
    }

    fn file(&mut self, path: &Path) {
        let file: Arc<str> = path.display().to_string().into();
        match is_script(path) {
            Ok(true) => return self.script(path, &file),
            Ok(false) => {}
            Err(error) => return cannot_read(&mut self.draft, &file, &error),
        }
        let Some(text) = read_text(&mut self.draft, path, &file) else { return };
        let before = (self.draft.hosts.len(), self.draft.out.list.len());
        let kind = recognise(path, &text);
        take(&mut self.draft, &file, &text, kind);
        add_source(&mut self.draft, &file, &text);
        if matches!(kind, Kind::Ini | Kind::Yaml | Kind::Json) {
            self.beside(path);
        }
        // Nothing new, and nothing said about it: most likely not the file that was meant.
        if before == (self.draft.hosts.len(), self.draft.out.list.len()) && before.0 == 0 {
            let warning = Diagnostic::warning(&first_of(&file), "this inventory names no host")
                .with_help("name hosts in it, or give another file");
            self.draft.say(warning);
        }
    }

    fn beside(&mut self, path: &Path) {
        let directory =
            path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        if !self.directories.contains(&directory) {
            self.directories.push(directory);
        }
    }

    fn script(&mut self, path: &Path, file: &str) {
        self.beside(path);
        let Some(root) = ask(&mut self.draft, path, file, &["--list"]) else { return };
        for id in ansible_yaml::read_list(&mut self.draft, &root) {
            let Some(name) = self.draft.hosts.get(id).map(|host| host.name.clone()) else { continue };
            let Some(root) = ask(&mut self.draft, path, file, &["--host", &name]) else { return };
            ansible_yaml::read_host(&mut self.draft, id, &root);
        }
    }
}

fn first_of(file: &str) -> Place {
    Place {
        file: file.into(),
        line: 1,
        column: 1,
        length: u32::try_from(file.chars().count()).unwrap_or(1).max(1),
    }
}

fn cannot_read(draft: &mut Draft, file: &str, error: &std::io::Error) {
    draft.out.sources.add(file, file);
    let error = Diagnostic::error(&first_of(file), format!("the inventory cannot be read: {error}"));
    draft.say(error.with_help("check its path and its permissions"));
}

/// Calls a script; places in its answer say which call it was.
fn ask(draft: &mut Draft, path: &Path, file: &str, args: &[&str]) -> Option<Node> {
    let call: Arc<str> = format!("{file} {}", args.join(" ")).into();
    let text = match script::ask(path, args, script::TIME_LIMIT) {
        Ok(text) => text,
        Err(wrong) => {
            draft.out.sources.add(file, &call);
            draft.wrong(&Place { length: first_of(&call).length, ..first_of(file) }, &wrong);
            return None;
        }
    };
    let root = json::parse(&call, &text);
    add_source(draft, &call, &text);
    root.map_err(|error| draft.say(error)).ok()
}

/// Whether a file is to be run: it may be, and its content is a program. A data file on a volume
/// where everything is executable is read.
fn is_script(path: &Path) -> std::io::Result<bool> {
    let meta = std::fs::metadata(path)?;
    if !meta.is_file() || meta.permissions().mode() & 0o111 == 0 {
        return Ok(false);
    }
    let mut start = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut start)?;
    const MACHO: [[u8; 4]; 3] =
        [[0xcf, 0xfa, 0xed, 0xfe], [0xfe, 0xed, 0xfa, 0xcf], [0xca, 0xfe, 0xba, 0xbe]];
    Ok(start.starts_with(b"#!") || start.starts_with(b"\x7fELF") || MACHO.iter().any(|magic| start == magic))
}

/// A file's text; none if it cannot be read, which was then said.
pub(super) fn read_text(draft: &mut Draft, path: &Path, file: &Arc<str>) -> Option<String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|opened| opened.take(LARGEST + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        cannot_read(draft, file, &error);
        return None;
    }
    if bytes.len() as u64 > LARGEST {
        draft.out.sources.add(file, file);
        let error = Diagnostic::error(&first_of(file), format!("larger than {} MiB", LARGEST >> 20));
        draft.say(error.with_help("split it into several files"));
        return None;
    }
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let lossy = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let before = lossy.get(..good).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            let place = Place {
                line: u32::try_from(line).unwrap_or(u32::MAX),
                column: u32::try_from(column).unwrap_or(u32::MAX),
                length: 1,
                ..first_of(file)
            };
            add_source(draft, file, &lossy);
            let error = Diagnostic::error(&place, "this is not UTF-8 text");
            draft.say(error.with_help("save the file as UTF-8; a binary file is no inventory"));
            return None;
        }
    };
    Some(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Remembers a file's text for showing it, passwords blanked.
pub(super) fn add_source(draft: &mut Draft, file: &Arc<str>, text: &str) {
    let mut secrets = std::mem::take(&mut draft.secrets);
    secrets.retain(|(place, _)| place.file == *file);
    if let Some(masked) = super::mask::masked(text, &secrets) {
        draft.out.sources.add(file, &masked);
    }
}

/// The format of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ini,
    Yaml,
    Json,
    Csv,
    /// A program that may not be run.
    Program,
}

/// Tells the format by the first line that says something.
pub(super) fn recognise(path: &Path, text: &str) -> Kind {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    let first =
        text.lines().find(|line| !line.trim().is_empty() && !line.trim_start().starts_with(['#', ';']));
    let first = first.unwrap_or_default();
    let yaml_name = matches!(ending.as_str(), "yml" | "yaml");
    if text.starts_with("#!") {
        return Kind::Program;
    }
    if first.trim_start().starts_with('{') && !yaml_name {
        return Kind::Json;
    }
    if first.trim_start().starts_with('[') && !(yaml_name && first.contains(',')) {
        return Kind::Ini;
    }
    if csv::is_header(first) || ending == "csv" {
        return Kind::Csv;
    }
    if first.starts_with("---") || first.starts_with("%YAML") || yaml_name || is_yaml_key(first) {
        return Kind::Yaml;
    }
    Kind::Ini
}

/// Whether a line is `key:` or `key: value`; `host:22` is not.
fn is_yaml_key(line: &str) -> bool {
    let line = line.split(" #").next().unwrap_or_default().trim_end();
    let key_end = line.find(": ").or_else(|| line.ends_with(':').then(|| line.len().saturating_sub(1)));
    key_end.and_then(|end| line.get(..end)).is_some_and(|key| !key.contains(['=', ' ']) && !key.is_empty())
}

/// Reads a text into the draft.
pub(super) fn take(draft: &mut Draft, file: &Arc<str>, text: &str, kind: Kind) {
    match kind {
        Kind::Ini => ini::read(draft, file, text),
        Kind::Csv => csv::read(draft, file, text),
        Kind::Yaml => match parse(file, &ansible_yaml::without_tags(text), &Limits::INVENTORY) {
            Ok(root) => take_tree(draft, file, &root),
            Err(problems) => problems.into_iter().for_each(|problem| draft.say(problem)),
        },
        Kind::Json => match json::parse(file, text) {
            Ok(root) if root.get("_meta").is_some() => {
                ansible_yaml::read_list(draft, &root);
            }
            Ok(root) => take_tree(draft, file, &root),
            Err(error) => draft.say(error),
        },
        Kind::Program => {
            let place = Place { length: 2, ..first_of(file) };
            let wrong = Wrong::new(
                "a script that is not executable",
                format!("`chmod +x {file}` lets uproot run it"),
            );
            draft.wrong(&place, &wrong);
        }
    }
}

fn take_tree(draft: &mut Draft, file: &str, root: &Node) {
    if root.get("uproot_inventory").is_some() {
        return native::read(draft, root);
    }
    let start = root.as_map().and_then(|pairs| pairs.first()).map_or(&root.place, |(key, _)| &key.place);
    match ansible_yaml::mistaken(root, &Place { file: file.into(), ..start.clone() }) {
        Some(error) => draft.say(error),
        None => ansible_yaml::read(draft, root),
    }
}

/// `host1,host2:2222,ops@host3,[2001:db8::1]:22`.
pub(super) fn host_list(draft: &mut Draft, text: &str, place: &Place) {
    let mut offset = 0;
    let mut named = 0;
    for part in text.split(',') {
        let lead = part.chars().take_while(|c| c.is_whitespace()).count();
        let trimmed = part.trim();
        let (start, length) = (offset + lead, trimmed.chars().count());
        offset += part.chars().count() + 1;
        if trimmed.is_empty() || named > MAX_HOSTS {
            continue;
        }
        named += 1;
        let here = super::draft::within(place, true, start, length);
        let (user, host) = match trimmed.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, trimmed),
        };
        let shift = user.map_or(0, |user| user.chars().count() + 1);
        let host_place = super::draft::within(place, true, start + shift, host.chars().count());
        let ids = draft.hosts_of(host, &host_place, true);
        let Some(user) = user else { continue };
        match values::user(user) {
            Ok(value) => {
                let user_place = super::draft::within(place, true, start, user.chars().count());
                for &id in &ids {
                    draft.set(&Owner::Host(id), value.clone(), &user_place);
                }
            }
            Err(wrong) => draft.wrong(&here, &wrong),
        }
    }
    if named == 0 {
        draft.wrong(place, &Wrong::new("a list of hosts that names none", "write `-i web01,web02`"));
    }
}
