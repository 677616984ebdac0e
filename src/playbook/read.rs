//! A playbook's files → one checked model: includes, variables, then what holds between the parts.

use super::assemble::{Parts, assemble};
use super::keys::PLAYBOOK;
use super::product::Playbook;
use super::vars::substitute;
use super::walk::Walker;
use crate::model::yaml::{Limits, Node, parse as parse_yaml};
use crate::model::{Diagnostic, Diagnostics, Place, Sources};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// Most files a playbook may have.
const MOST_FILES: usize = 200;
/// Most bytes that all files of a playbook may have together.
const MOST_BYTES: usize = 16 << 20;
/// Most files that may include each other in a chain.
const DEEPEST: usize = 32;

/// Most mistakes that are told at once.
const MOST_SHOWN: usize = 500;
/// Longest message or help, in characters.
const LONGEST_MESSAGE: usize = 600;

/// A playbook that can be used, with what should be said about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The checked playbook.
    pub playbook: Playbook,
    /// Warnings, and the texts of all files to show places in.
    pub diagnostics: Diagnostics,
}

/// A file that an `include` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Included {
    /// The name that places use.
    pub name: String,
    /// The same for every way of naming the same file: what tells a cycle.
    pub identity: String,
    /// Its text.
    pub text: String,
}

/// Where included files come from.
pub trait IncludeLoader {
    /// What tells the file `name` apart from every other, as `Included::identity`.
    fn identity(&self, name: &str) -> String;

    /// The file that `include` means in the file `from`, relative to it.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn load(&self, from: &str, include: &str) -> Result<Included, String>;
}

/// Reads a playbook and what it includes.
///
/// # Errors
/// Everything that is wrong with it, with the texts of its files.
pub fn read(path: &Path) -> Result<Loaded, Diagnostics> {
    let file = path.display().to_string();
    match read_text(path) {
        Ok(text) => parse(&file, &text, &Files),
        Err(reason) => {
            let diagnostic = Diagnostic::file_error(&file, format!("the playbook cannot be read: {reason}"))
                .with_help("check the path, and that you may read it");
            Err(Diagnostics { list: vec![diagnostic], sources: Sources::default() })
        }
    }
}

/// Checks a playbook's text; `file` is its name, `loader` finds what it includes.
///
/// # Errors
/// Everything that is wrong with it, with the texts of its files.
pub fn parse(file: &str, text: &str, loader: &dyn IncludeLoader) -> Result<Loaded, Diagnostics> {
    let mut reader = Reader {
        loader,
        walker: Walker::default(),
        parts: Parts::default(),
        sources: Sources::default(),
        seen: BTreeSet::new(),
        open: Vec::new(),
        files: 0,
        bytes: 0,
    };
    reader.parts.name =
        Path::new(file).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let root = Included { name: file.to_owned(), identity: loader.identity(file), text: text.to_owned() };
    reader.file(&root, &BTreeMap::new(), None);
    let Reader { mut walker, parts, sources, .. } = reader;
    let playbook = assemble(&mut walker, parts);
    let unexpanded = std::mem::take(&mut walker.unexpanded);
    let mut told = BTreeSet::new();
    // The first message at such a place is the one about the variable.
    walker.problems.retain(|problem| match &problem.place {
        Some(place) if unexpanded.contains(place) => told.insert(place.clone()),
        _ => true,
    });
    let mut diagnostics = Diagnostics { list: walker.problems, sources };
    if diagnostics.has_errors() {
        sort(&mut diagnostics.list);
        return Err(diagnostics);
    }
    diagnostics.list.extend(super::lint::lint(&playbook));
    sort(&mut diagnostics.list);
    Ok(Loaded { playbook, diagnostics })
}

/// By place; one mistake that an alias repeats is told once. What a person could not read anyway is
/// cut: the rest of a hostile file's mistakes, and the rest of a message that quotes a huge text.
fn sort(list: &mut Vec<Diagnostic>) {
    list.sort_by(|a, b| a.place.cmp(&b.place).then_with(|| a.message.cmp(&b.message)));
    list.dedup();
    let more = list.len().saturating_sub(MOST_SHOWN);
    list.truncate(MOST_SHOWN);
    if let (Some(last), true) = (list.last().cloned(), more > 0) {
        let severity = list.iter().map(|diagnostic| diagnostic.severity).min().unwrap_or(last.severity);
        list.push(Diagnostic {
            severity,
            message: format!("{more} more mistakes are not shown"),
            label: "after this place".to_owned(),
            help: Some("mend those above first".to_owned()),
            ..last
        });
    }
    for diagnostic in list {
        clip(&mut diagnostic.message);
        diagnostic.help.iter_mut().for_each(clip);
    }
}

fn clip(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(LONGEST_MESSAGE) {
        text.truncate(end);
        text.push('…');
    }
}

struct Reader<'a> {
    loader: &'a dyn IncludeLoader,
    walker: Walker,
    parts: Parts,
    sources: Sources,
    /// Identities of the files read.
    seen: BTreeSet<String>,
    /// Identities and names of the files that include the present one, outermost first.
    open: Vec<(String, String)>,
    files: usize,
    bytes: usize,
}

impl Reader<'_> {
    /// Reads one file and, before its own products, what it includes. `from` is the place of the
    /// include entry; none for the first file.
    fn file(&mut self, file: &Included, inherited: &BTreeMap<String, String>, from: Option<&Place>) {
        self.sources.add(&file.name, &file.text);
        self.seen.insert(file.identity.clone());
        self.files += 1;
        self.bytes += file.text.len();
        let mut root = match parse_yaml(&file.name, &file.text, &Limits::PLAYBOOK) {
            Ok(root) => root,
            Err(problems) => return self.walker.problems.extend(problems),
        };
        let vars = self.vars(&root, inherited);
        self.substitute(&mut root, &vars);
        self.open.push((file.identity.clone(), file.name.clone()));
        self.walk(file, &root, &vars, from.is_some());
        self.open.pop();
    }

    /// The file's variables; those of the including file win, so that a site can set them.
    fn vars(&mut self, root: &Node, inherited: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut vars = BTreeMap::new();
        if let Some(node) = root.get("vars") {
            for (name, _, value) in self.walker.named(node, "a variable") {
                let Some(text) = self.walker.take(value.text()) else { continue };
                if text.contains("${") {
                    self.walker.error(
                        &value.place,
                        format!("variable `{name}` refers to a variable"),
                        "a plain text is expected",
                        "write the text out",
                    );
                }
                vars.insert(name.to_owned(), text.to_owned());
            }
        }
        vars.extend(inherited.clone());
        vars
    }

    fn substitute(&mut self, root: &mut Node, vars: &BTreeMap<String, String>) {
        if let crate::model::yaml::Value::Map(pairs) = &mut root.value {
            for (_, value) in pairs.iter_mut().filter(|(key, _)| key.as_str() != Some("vars")) {
                let before = self.walker.problems.len();
                substitute(value, vars, &mut self.walker.problems);
                let new = self.walker.problems.iter().skip(before);
                self.walker.unexpanded.extend(new.filter_map(|problem| problem.place.clone()));
            }
        }
    }

    fn walk(&mut self, file: &Included, root: &Node, vars: &BTreeMap<String, String>, included: bool) {
        let place = Place { length: 1, ..root.place.clone() };
        let Some(fields) = self.walker.fields(root, &PLAYBOOK, "the playbook", &place, &[]) else { return };
        if let Some(node) = fields.get("uproot") {
            self.language(node);
        }
        let name = fields.get("name").and_then(|node| self.walker.text(node));
        if let (Some(name), false) = (name, included) {
            self.parts.name = name;
        }
        for entry in fields.get("include").map(|node| self.walker.list(node, 0)).unwrap_or_default() {
            self.include(file, entry, vars);
        }
        if let Some(node) = fields.get("secrets") {
            for (name, key, value) in self.walker.named(node, "a secret") {
                let secret = self.walker.secret(name, key, value);
                self.parts.secrets.extend(secret);
            }
        }
        for entry in fields.get("products").map(|node| self.walker.list(node, 0)).unwrap_or_default() {
            let product = self.walker.product(entry);
            self.parts.products.extend(product);
        }
        for key in ["policy", "waves"] {
            if let (true, Some(place)) = (included, fields.place(key)) {
                self.walker.error(
                    place,
                    format!("`{key}` stands in an included file"),
                    "only the file that is run has it",
                    "move it to the file that is run",
                );
            }
        }
        self.parts.policy =
            fields.get("policy").map(|node| self.walker.policy(node)).or(self.parts.policy.take());
        for entry in fields.get("waves").map(|node| self.walker.list(node, 1)).unwrap_or_default() {
            let wave = self.walker.wave(entry);
            self.parts.waves.extend(wave);
        }
    }

    fn language(&mut self, node: &Node) {
        if node.integer(1, 1).is_err() {
            let mut mismatch = node.mismatch("`1`, the version of the language", "write `uproot: 1`");
            if node.integer(2, i64::MAX).is_ok() {
                mismatch =
                    mismatch.with_help("this program reads version 1; a newer uproot may read this file");
            }
            self.walker.problems.push(mismatch);
        }
    }

    fn include(&mut self, file: &Included, entry: &Node, vars: &BTreeMap<String, String>) {
        let Some(name) = self.walker.text(entry) else { return };
        let place = &entry.place;
        if name.starts_with('/') {
            self.walker.error(
                place,
                format!("`{name}` is an absolute path"),
                "expected a path relative to this file",
                "write it relative to the file that includes it",
            );
            return;
        }
        if self.files >= MOST_FILES || self.bytes >= MOST_BYTES || self.open.len() >= DEEPEST {
            self.walker.error(
                place,
                "the playbook has too many or too large files".to_owned(),
                "the limit is reached here",
                format!(
                    "at most {MOST_FILES} files, {} MiB, {DEEPEST} levels: include less",
                    MOST_BYTES >> 20
                ),
            );
            return;
        }
        match self.loader.load(&file.name, &name) {
            Err(reason) => self.walker.error(
                place,
                format!("`{name}` cannot be included: {reason}"),
                "no such playbook",
                "check the path; it is relative to this file",
            ),
            Ok(included) => self.included(&included, place, vars),
        }
    }

    fn included(&mut self, included: &Included, place: &Place, vars: &BTreeMap<String, String>) {
        let name = &included.name;
        if let Some(at) = self.open.iter().position(|(identity, _)| *identity == included.identity) {
            let mut chain: Vec<&str> = self.open.iter().skip(at).map(|(_, name)| name.as_str()).collect();
            chain.push(name);
            let message = format!("`{name}` includes itself: {}", chain.join(" → "));
            self.walker.error(place, message, "the circle closes here", "remove one of these includes");
        } else if self.seen.contains(&included.identity) {
            let warning = Diagnostic::warning(place, format!("`{name}` is included twice"))
                .with_label("read only the first time")
                .with_help("remove one of the two");
            self.walker.problems.push(warning);
        } else {
            self.file(included, vars, Some(place));
        }
    }
}

/// Reads includes from the file system.
struct Files;

impl IncludeLoader for Files {
    fn identity(&self, name: &str) -> String {
        let path = Path::new(name);
        path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string()
    }

    fn load(&self, from: &str, include: &str) -> Result<Included, String> {
        let path = join(from, include);
        let text = read_text(&path)?;
        let name = path.display().to_string();
        Ok(Included { identity: self.identity(&name), name, text })
    }
}

/// The path of an include as a person would write it: `a/b.yml` and `../c.yml` give `c.yml`.
pub(super) fn join(from: &str, include: &str) -> PathBuf {
    let mut path = Path::new(from).parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(include).components() {
        match part {
            Component::ParentDir
                if path.components().next_back().is_some_and(|c| matches!(c, Component::Normal(_))) =>
            {
                path.pop();
            }
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    path
}

/// The text of a file, or why there is none.
fn read_text(path: &Path) -> Result<String, String> {
    use std::io::Read as _;
    let limit = Limits::PLAYBOOK.bytes;
    let file = std::fs::File::open(path).map_err(|error| plain(&error))?;
    let meta = file.metadata().map_err(|error| plain(&error))?;
    if meta.is_dir() {
        return Err("it is a directory".to_owned());
    }
    if !meta.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    // One byte more than the limit, so that a file that grew is noticed too.
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|error| plain(&error))?;
    if bytes.len() > limit {
        return Err(format!("it has more than the {limit} bytes allowed"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        format!("it is not UTF-8 (line {line})")
    })
}

/// The system's words in ours: lower case, without the error number.
fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
