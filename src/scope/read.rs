//! Files of scope profiles and of waivers: text → checked model, every mistake at once.

use super::fields::{Key, Reader, optional, required};
use crate::inventory::HostPattern;
use crate::model::diagnostic::nearest;
use crate::model::scope::{ScopeEntry, ScopeProfile, Waiver, WaiverList};
use crate::model::yaml::{Limits, Node, parse as parse_yaml};
use crate::model::{Diagnostic, Diagnostics, Place, ProductClass, Sources, sha256_hex};
use crate::playbook::Pattern;
use jiff::civil::Date;
use std::path::Path;

/// The most waivers that a file may have.
const MOST_WAIVERS: usize = 5_000;
/// The longest reason or note, in characters.
const LONGEST_REASON: usize = 500;
/// The longest name, id, ticket or pattern of products, in characters.
const LONGEST_NAME: usize = 120;
/// The longest pattern of hosts, in characters.
const LONGEST_PATTERN: usize = 2_000;
/// The most mistakes that are told at once.
const MOST_SHOWN: usize = 200;

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// `uproot_scope: 1`.
    Profile(ProfileDocument),
    /// `uproot_waivers: 1`.
    Waivers(WaiverList),
}

/// A scope profile with what stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileDocument {
    /// What a run records of it.
    pub profile: ScopeProfile,
    /// Whether a source was found for all that it says.
    pub confirmed: bool,
    /// What else is to be known of it.
    pub note: Option<String>,
    /// Where it is written.
    pub sources: Vec<String>,
}

const PROFILE: &[Key] = &[
    required("uproot_scope", "the version of the format: `1`"),
    required("id", "its id: lower-case letters, digits, `-`"),
    required("name", "its name for people"),
    optional("confirmed", "`false`: no source was found for all of it"),
    optional("note", "what else is to be known of it"),
    optional("sources", "where it is written"),
    required("out", "what it leaves out; `[]`: nothing"),
];
const ENTRY: &[Key] = &[
    optional("class", "a class of products"),
    optional("product", "a pattern of product ids"),
    required("reason", "why it is left out"),
];
const WAIVERS: &[Key] = &[
    required("uproot_waivers", "the version of the format: `1`"),
    required("waivers", "the list of waivers"),
];
const WAIVER: &[Key] = &[
    required("hosts", "an inventory pattern of names and groups"),
    required("product", "a pattern of product ids, such as `kesl` or `ksc-*`"),
    required("reason", "why it may stay"),
    required("ticket", "the ticket or document that decided it"),
    required("until", "the last day on which it holds, `2026-12-31`"),
];

/// Reads a file.
///
/// # Errors
/// Everything that is wrong with it, with its text.
pub fn read(path: &Path) -> Result<Document, Diagnostics> {
    let file = path.display().to_string();
    match read_bytes(path) {
        Ok(bytes) => parse(&file, &bytes),
        Err(reason) => {
            let diagnostic = Diagnostic::file_error(&file, format!("the file cannot be read: {reason}"))
                .with_help("check the path, and that you may read it");
            Err(Diagnostics { list: vec![diagnostic], sources: Sources::default() })
        }
    }
}

fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that the parser sees that it is too large.
    file.take(Limits::PLAYBOOK.bytes as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Checks a file's bytes; `file` is its name.
///
/// # Errors
/// Everything that is wrong with it, with its text.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Document, Diagnostics> {
    let mut sources = Sources::default();
    let mut reader = Reader::default();
    let Ok(text) = std::str::from_utf8(bytes) else {
        let diagnostic = Diagnostic::file_error(file, "the file is not UTF-8").with_help("save it as UTF-8");
        return Err(Diagnostics { list: vec![diagnostic], sources });
    };
    sources.add(file, text);
    let document = match parse_yaml(file, text, &Limits::PLAYBOOK) {
        Ok(root) => reader.document(file, &root, sha256_hex(bytes)),
        Err(problems) => {
            reader.problems = problems;
            None
        }
    };
    match document {
        Some(document) if reader.problems.is_empty() => Ok(document),
        _ => {
            let mut list = reader.problems;
            list.sort_by(|a, b| a.place.cmp(&b.place));
            list.truncate(MOST_SHOWN);
            Err(Diagnostics { list, sources })
        }
    }
}

impl Reader {
    fn document(&mut self, file: &str, root: &Node, digest: String) -> Option<Document> {
        if root.get("uproot_scope").is_some() {
            self.profile(root, digest).map(Document::Profile)
        } else if root.get("uproot_waivers").is_some() {
            self.waivers(file, root, digest).map(Document::Waivers)
        } else {
            let place = Place { length: 1, ..root.place.clone() };
            self.error(
                &place,
                "this is neither a scope profile nor a list of waivers",
                "its first key should say which it is",
                "begin it with `uproot_scope: 1` or with `uproot_waivers: 1`",
            );
            None
        }
    }

    fn version(&mut self, node: &Node) {
        if node.integer(1, 1).is_err() {
            let mut mismatch = node.mismatch("`1`, the version of the format", "write `1`");
            if node.integer(2, i64::MAX).is_ok() {
                mismatch =
                    mismatch.with_help("this program reads version 1; a newer uproot may read this file");
            }
            self.problems.push(mismatch);
        }
    }

    fn profile(&mut self, root: &Node, digest: String) -> Option<ProfileDocument> {
        let map = self.keys(root, "a scope profile", PROFILE)?;
        map.get("uproot_scope").into_iter().for_each(|node| self.version(node));
        let id = map.get("id").and_then(|node| self.id(node));
        let name = self.line_of(map, "name", LONGEST_NAME);
        let confirmed = map.get("confirmed").is_none_or(|node| self.take(node.boolean()).unwrap_or(true));
        let note = self.line_of(map, "note", LONGEST_REASON);
        let sources = map.get("sources").and_then(|node| self.take(node.list())).unwrap_or_default();
        let sources = sources.iter().filter_map(|node| self.line(node, LONGEST_REASON)).collect();
        let out = map.get("out").and_then(|node| self.take(node.list()))?;
        let out = out.iter().filter_map(|node| self.entry(node)).collect();
        let profile = ScopeProfile { id: id?, name: name?, digest, out };
        Some(ProfileDocument { profile, confirmed, note, sources })
    }

    fn id(&mut self, node: &Node) -> Option<String> {
        let text = self.line(node, LONGEST_NAME)?;
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.starts_with('-') || !text.chars().all(known) {
            let message = format!("`{text}` is not an id");
            let help = "write lower-case letters, digits and `-`, beginning with a letter or digit";
            self.error(&node.place, message, "expected an id", help);
            return None;
        }
        Some(text)
    }

    fn entry(&mut self, node: &Node) -> Option<ScopeEntry> {
        let map = self.keys(node, "an entry of `out`", ENTRY)?;
        let class = map.get("class").map(|node| self.class(node));
        let product = map.get("product").map(|node| self.product(node));
        if class.is_some() == product.is_some() {
            let place = Place { length: 1, ..node.place.clone() };
            let found = if class.is_some() { "both" } else { "neither" };
            let message = format!("this entry has {found} of `class` and `product`");
            self.error(&place, message, "exactly one is expected", "give one of `class`, `product`");
        }
        let reason = self.line_of(map, "reason", LONGEST_REASON)?;
        Some(ScopeEntry { class: class.flatten(), product: product.flatten(), reason })
    }

    fn class(&mut self, node: &Node) -> Option<ProductClass> {
        let word = self.line(node, LONGEST_NAME)?;
        let class = ProductClass::parse(&word);
        if class.is_none() {
            let words: Vec<&str> = ProductClass::ALL.iter().map(|class| class.word()).collect();
            let help = match nearest(&word, words.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("write one of `{}`", words.join("`, `")),
            };
            self.error(&node.place, format!("unknown class `{word}`"), "expected a class of products", help);
        }
        class
    }

    fn product(&mut self, node: &Node) -> Option<String> {
        let text = self.line(node, LONGEST_NAME)?;
        if let Err(why) = Pattern::new(&text).check() {
            let help = "write an id such as `kesl`, or a glob such as `ksc-*`";
            self.error(&node.place, format!("`{text}` is not a glob: {why}"), "expected product ids", help);
            return None;
        }
        Some(text)
    }

    fn waivers(&mut self, file: &str, root: &Node, digest: String) -> Option<WaiverList> {
        let map = self.keys(root, "a file of waivers", WAIVERS)?;
        map.get("uproot_waivers").into_iter().for_each(|node| self.version(node));
        let node = map.get("waivers")?;
        let entries = self.take(node.list())?;
        if entries.len() > MOST_WAIVERS {
            let message = format!("{} waivers, more than the {MOST_WAIVERS} allowed", entries.len());
            let help = "join those of one ticket: `hosts` takes groups and globs";
            self.error(&node.place, message, "fewer are expected", help);
            return None;
        }
        let waivers = entries.iter().filter_map(|entry| self.waiver(entry)).collect();
        let name = Path::new(file).file_name().map_or_else(|| file.into(), |name| name.to_string_lossy());
        Some(WaiverList { file: name.into_owned(), digest, waivers })
    }

    fn waiver(&mut self, node: &Node) -> Option<Waiver> {
        let map = self.keys(node, "a waiver", WAIVER)?;
        let hosts = map.get("hosts").and_then(|node| self.hosts(node));
        let product = map.get("product").and_then(|node| self.product(node));
        let reason = self.line_of(map, "reason", LONGEST_REASON);
        let ticket = self.line_of(map, "ticket", LONGEST_NAME);
        let until = map.get("until").and_then(|node| self.day(node));
        Some(Waiver { hosts: hosts?, product: product?, reason: reason?, ticket: ticket?, until: until? })
    }

    fn hosts(&mut self, node: &Node) -> Option<String> {
        let text = self.line(node, LONGEST_PATTERN)?;
        self.take(HostPattern::parse(&text, &node.place))?;
        Some(text)
    }

    fn day(&mut self, node: &Node) -> Option<Date> {
        let text = self.take(node.text())?;
        // Only this spelling: jiff takes others, which people read differently.
        let is_plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let day = text.parse::<Date>().ok().filter(|_| is_plain);
        if day.is_none() {
            let message = format!("`{}` is not a day", text.chars().take(40).collect::<String>());
            let help = "write year, month and day: `2026-12-31`";
            self.error(&node.place, message, "expected a day of the calendar", help);
        }
        day
    }
}
