//! The guide is true: its playbooks can be read, and it names every word of the language.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The README, if there is one yet, and every page of the guide.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.push(root().join("README.md"));
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md") && page.exists());
    pages.sort();
    pages
}

/// The line and the text of each block of YAML that is a whole playbook, less its indentation.
fn playbooks(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(indent) = line.find("```yaml").filter(|at| line[..*at].trim().is_empty()) else { continue };
        let block: Vec<&str> = lines
            .by_ref()
            .map(|(_, line)| line.get(indent..).unwrap_or_default())
            .take_while(|line| !line.starts_with("```"))
            .collect();
        if block.first().is_some_and(|line| line.starts_with("uproot: 1")) {
            found.push((number + 1, block.join("\n") + "\n"));
        }
    }
    found
}

#[test]
fn every_playbook_in_the_guide_passes_the_check() {
    let dir = tempfile::tempdir().unwrap();
    let mut checked = 0;
    for page in pages() {
        for (line, text) in playbooks(&std::fs::read_to_string(&page).unwrap()) {
            let file = dir.path().join("block.yml");
            std::fs::write(&file, text).unwrap();
            let output = Command::new(env!("CARGO_BIN_EXE_uproot"))
                .args(["playbook", "check", "--strict"])
                .arg(&file)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}:{line}\n{said}", page.display());
            checked += 1;
        }
    }
    assert!(checked >= 4, "{checked}");
}

#[test]
fn blocks_are_found_whatever_their_indentation() {
    let page = "```yaml\nuproot: 1\na: b\n```\ntext\n  ```yaml\n  uproot: 1\n    c: d\n\n  ```\n```yaml\nhosts: x\n```\n```\nuproot: 1\n```\n";
    let found: Vec<_> = playbooks(page);
    assert_eq!(found, [(1, "uproot: 1\na: b\n".to_owned()), (6, "uproot: 1\n  c: d\n\n".to_owned())]);
}

#[test]
fn the_guide_names_every_word_of_the_language() {
    let guide = std::fs::read_to_string(root().join("docs/playbooks.md")).unwrap();
    let schema = uproot::playbook::schema();
    let words = |pointer: &str| -> Vec<String> {
        let map = schema.pointer(pointer).and_then(|value| value.as_object());
        map.unwrap_or_else(|| panic!("{pointer} is not in the schema")).keys().cloned().collect()
    };
    let mut all = words("/properties");
    for pointer in ["/$defs/rule/properties", "/$defs/step/properties"] {
        all.extend(words(pointer));
    }
    for pointer in ["/properties/products/items/properties", "/properties/waves/items/properties"] {
        all.extend(words(pointer));
    }
    assert!(all.len() > 50, "{all:?}");
    for word in all {
        let named = guide.contains(&format!("`{word}`")) || guide.contains(&format!("`{word}:"));
        assert!(named, "docs/playbooks.md says nothing of `{word}`");
    }
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for target in
            text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
        {
            let path = target.split('#').next().unwrap();
            if path.is_empty() || path.contains("://") || path.contains(' ') {
                continue;
            }
            let there = page.parent().unwrap().join(path).exists();
            assert!(there, "{}: `{target}` leads nowhere", page.display());
        }
    }
}
