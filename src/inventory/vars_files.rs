//! `group_vars` and `host_vars` next to an Ansible inventory.

use super::ansible::take_vars;
use super::ansible_yaml::without_tags;
use super::draft::{Draft, Owner};
use super::source::{add_source, read_text};
use crate::model::yaml::{Limits, parse};
use crate::model::{Diagnostic, Place};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The endings a file of variables may have, in the order in which Ansible looks for them.
const ENDINGS: [&str; 4] = ["", ".yml", ".yaml", ".json"];
/// Directories inside each other.
const DEEPEST: usize = 8;

/// Reads the variables of all groups and hosts known so far from the directories next to the
/// inventories; a later directory wins.
pub(super) fn read(draft: &mut Draft, directories: &[PathBuf]) {
    for directory in directories {
        let groups: Vec<Arc<str>> = draft.groups.keys().cloned().collect();
        let group_dir = directory.join("group_vars");
        if let Some(names) = names_in(draft, &group_dir) {
            for group in groups {
                read_one(draft, &Owner::GroupFile(group.clone()), &group_dir, &names, &group);
            }
        }
        let host_dir = directory.join("host_vars");
        if let Some(names) = names_in(draft, &host_dir) {
            for id in 0..draft.hosts.len() {
                let Some(name) = draft.hosts.get(id).map(|host| host.name.clone()) else { continue };
                read_one(draft, &Owner::Host(id), &host_dir, &names, &name);
            }
        }
    }
}

/// The names in a directory; none if there is no such directory, or it cannot be read, which was
/// then said. Listed once: asking for each of many hosts would cost a system call each.
fn names_in(draft: &mut Draft, directory: &Path) -> Option<BTreeSet<String>> {
    if !directory.is_dir() {
        return None;
    }
    let listed = std::fs::read_dir(directory).and_then(|entries| {
        entries
            .map(|entry| entry.map(|e| e.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_, _>>()
    });
    listed.map_err(|error| unreadable(draft, directory, &error)).ok()
}

fn unreadable(draft: &mut Draft, path: &Path, error: &std::io::Error) {
    let file = path.display().to_string();
    draft.out.sources.add(&file, &file);
    draft.say(
        Diagnostic::file_error(&file, format!("cannot be read: {error}")).with_help(
            "variables in it could change how hosts are reached: make it readable, or move it away",
        ),
    );
}

fn read_one(draft: &mut Draft, owner: &Owner, directory: &Path, names: &BTreeSet<String>, name: &str) {
    let mut found =
        ENDINGS.iter().map(|ending| format!("{name}{ending}")).filter(|file| names.contains(file));
    let Some(first) = found.next() else { return };
    let path = directory.join(&first);
    for other in found {
        let place = first_line(&directory.join(&other));
        draft.out.sources.add(&place.file, &other);
        let warning = Diagnostic::warning(&place, format!("not read, since `{first}` is there too"))
            .with_help("keep one of the two, as Ansible reads only the first as well");
        draft.say(warning);
    }
    let mut files = Vec::new();
    collect(draft, &path, 0, &mut files);
    for file in files {
        read_file(draft, owner, &file);
    }
}

fn first_line(path: &Path) -> Place {
    Place { file: path.display().to_string().into(), line: 1, column: 1, length: 1 }
}

/// The files of a file or a directory, sorted.
fn collect(draft: &mut Draft, path: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    if !path.is_dir() {
        return files.push(path.to_owned());
    }
    if depth > DEEPEST {
        let error = std::io::Error::other("too many directories inside each other");
        return unreadable(draft, path, &error);
    }
    for name in names_in(draft, path).unwrap_or_default() {
        let ending =
            Path::new(&name).extension().map_or_else(String::new, |e| format!(".{}", e.to_string_lossy()));
        let inner = path.join(&name);
        if !name.starts_with('.')
            && !name.ends_with('~')
            && (inner.is_dir() || ENDINGS.contains(&ending.as_str()))
        {
            collect(draft, &inner, depth + 1, files);
        }
    }
}

fn read_file(draft: &mut Draft, owner: &Owner, path: &Path) {
    let file: Arc<str> = path.display().to_string().into();
    let Some(text) = read_text(draft, path, &file) else { return };
    if text.starts_with("$ANSIBLE_VAULT") {
        add_source(draft, &file, &text);
        let warning = Diagnostic::warning(&first_line(path), "encrypted by ansible-vault, not read")
            .with_label("connection variables in it are not known to uproot")
            .with_help(
                "name the user and the way to become root by options, or in a file that is not encrypted",
            );
        return draft.say(warning);
    }
    let nothing = |line: &str| line.trim().is_empty() || line.starts_with('#') || line.trim() == "---";
    if text.lines().all(nothing) {
        return;
    }
    match parse(&file, &without_tags(&text), &Limits::INVENTORY) {
        Ok(root) => take_vars(draft, owner, &root),
        Err(problems) => problems.into_iter().for_each(|problem| draft.say(problem)),
    }
    add_source(draft, &file, &text);
}
