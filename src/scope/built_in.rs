//! The profiles compiled into the program.

use super::read::{Document, ProfileDocument, parse};
use crate::model::Diagnostics;

/// Every file under `playbooks/scopes/`, by the id of its profile.
const FILES: &[(&str, &str)] = &[
    ("bis-2024", include_str!("../../playbooks/scopes/bis-2024.yml")),
    ("bod-17-01", include_str!("../../playbooks/scopes/bod-17-01.yml")),
    ("dss-nisp", include_str!("../../playbooks/scopes/dss-nisp.yml")),
    ("far-52-204-23", include_str!("../../playbooks/scopes/far-52-204-23.yml")),
    ("fcc-covered-list", include_str!("../../playbooks/scopes/fcc-covered-list.yml")),
    ("ndaa-1634", include_str!("../../playbooks/scopes/ndaa-1634.yml")),
    ("pspf-002-2025", include_str!("../../playbooks/scopes/pspf-002-2025.yml")),
];

/// The ids of the built-in profiles, in order.
pub fn built_in_names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(id, _)| *id)
}

/// The built-in profile with this id; none: there is none.
///
/// # Errors
/// When it has mistakes, which its tests prove it has not.
pub fn built_in_profile(id: &str) -> Option<Result<ProfileDocument, Diagnostics>> {
    let (id, text) = FILES.iter().find(|(known, _)| *known == id)?;
    match parse(&format!("built-in scope: {id}.yml"), text.as_bytes()) {
        Ok(Document::Profile(profile)) => Some(Ok(profile)),
        Ok(Document::Waivers(_)) => None,
        Err(wrong) => Some(Err(wrong)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_file_is_in_the_table_and_can_be_read() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/scopes");
        let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<String> =
            files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
        found.sort();
        assert_eq!(found, built_in_names().collect::<Vec<_>>(), "left: on disk, right: the table FILES");
        for id in built_in_names() {
            let document = built_in_profile(id).unwrap().unwrap_or_else(|wrong| panic!("{wrong}"));
            assert_eq!(document.profile.id, id);
            assert!(!document.sources.is_empty(), "{id} has no source");
            for source in &document.sources {
                assert!(source.starts_with("https://"), "{id}: {source}");
            }
        }
        assert!(built_in_profile("nosuch").is_none());
    }
}
