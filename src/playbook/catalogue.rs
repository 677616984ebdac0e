//! The catalogue compiled into the program: what is used where no playbook is named.

use super::read::{IncludeLoader, Included, Loaded, join, parse};
use crate::model::Diagnostics;

/// The file that the others are included from.
const ROOT: &str = "kaspersky.yml";

/// Every file under `playbooks/`, by its path there.
const FILES: &[(&str, &str)] = &[
    (ROOT, include_str!("../../playbooks/kaspersky.yml")),
    (
        "kaspersky/linux/administration.yml",
        include_str!("../../playbooks/kaspersky/linux/administration.yml"),
    ),
    ("kaspersky/linux/endpoint.yml", include_str!("../../playbooks/kaspersky/linux/endpoint.yml")),
    ("kaspersky/linux/engines.yml", include_str!("../../playbooks/kaspersky/linux/engines.yml")),
    ("kaspersky/linux/mail-and-web.yml", include_str!("../../playbooks/kaspersky/linux/mail-and-web.yml")),
    ("kaspersky/linux/older.yml", include_str!("../../playbooks/kaspersky/linux/older.yml")),
    ("kaspersky/macos/consumer.yml", include_str!("../../playbooks/kaspersky/macos/consumer.yml")),
    ("kaspersky/macos/endpoint.yml", include_str!("../../playbooks/kaspersky/macos/endpoint.yml")),
    ("kaspersky/macos/other.yml", include_str!("../../playbooks/kaspersky/macos/other.yml")),
    (
        "kaspersky/windows/administration.yml",
        include_str!("../../playbooks/kaspersky/windows/administration.yml"),
    ),
    ("kaspersky/windows/consumer.yml", include_str!("../../playbooks/kaspersky/windows/consumer.yml")),
    ("kaspersky/windows/endpoint.yml", include_str!("../../playbooks/kaspersky/windows/endpoint.yml")),
    ("kaspersky/windows/other.yml", include_str!("../../playbooks/kaspersky/windows/other.yml")),
];

/// What places call a file of it.
const PREFIX: &str = "built-in catalogue: ";

/// Reads the built-in catalogue.
///
/// # Errors
/// When it has mistakes, which its tests prove it has not.
pub fn read_catalogue() -> Result<Loaded, Diagnostics> {
    let text = FILES.iter().find(|(name, _)| *name == ROOT).map_or("", |(_, text)| text);
    parse(&format!("{PREFIX}{ROOT}"), text, &BuiltIn)
}

/// The texts of the built-in catalogue: path under `playbooks/`, text.
pub fn catalogue_files() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES.iter().copied()
}

struct BuiltIn;

impl IncludeLoader for BuiltIn {
    fn identity(&self, name: &str) -> String {
        name.to_owned()
    }

    fn load(&self, from: &str, include: &str) -> Result<Included, String> {
        let path = join(from.strip_prefix(PREFIX).unwrap_or(from), include).display().to_string();
        let file = FILES.iter().find(|(name, _)| *name == path);
        let (_, text) = file.ok_or("the built-in catalogue has no such file")?;
        let name = format!("{PREFIX}{path}");
        Ok(Included { identity: name.clone(), name, text: (*text).to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn yaml_files(directory: &Path, below: &Path, out: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(below).unwrap().display().to_string();
            // Recorded facts, scope profiles and directives are no playbooks.
            if path.is_dir() && !matches!(name.as_str(), "tests" | "scopes" | "directives") {
                yaml_files(&path, below, out);
            } else if name.ends_with(".yml") || name.ends_with(".yaml") {
                out.push(name);
            }
        }
    }

    #[test]
    fn every_file_is_in_the_table() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
        let mut found = Vec::new();
        yaml_files(&directory, &directory, &mut found);
        let mut table: Vec<String> = catalogue_files().map(|(name, _)| name.to_owned()).collect();
        found.sort();
        table.sort();
        assert_eq!(found, table, "left: on disk, right: the table FILES");
    }

    #[test]
    fn reads_without_a_warning() {
        let loaded = read_catalogue().unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(loaded.diagnostics.render(), "");
        assert!(loaded.playbook.product("kesl").is_some());
    }

    #[test]
    fn every_file_is_included() {
        let loaded = read_catalogue().unwrap_or_else(|wrong| panic!("{wrong}"));
        for (name, _) in catalogue_files() {
            let place = format!("{PREFIX}{name}");
            assert!(loaded.diagnostics.sources.line(&place, 1).is_some(), "{name}");
        }
    }
}
