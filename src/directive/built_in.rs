//! The directives compiled into the program.

use super::{Directive, parse};

/// Every file of `playbooks/directives/`, by the id of its directive.
const FILES: &[(&str, &str)] = &[
    ("bis-2024", include_str!("../../playbooks/directives/bis-2024.yml")),
    ("bod-17-01", include_str!("../../playbooks/directives/bod-17-01.yml")),
    ("dss-nisp", include_str!("../../playbooks/directives/dss-nisp.yml")),
    ("far-52-204-23", include_str!("../../playbooks/directives/far-52-204-23.yml")),
    ("fcc-covered-list", include_str!("../../playbooks/directives/fcc-covered-list.yml")),
    ("ndaa-1634", include_str!("../../playbooks/directives/ndaa-1634.yml")),
    ("pspf-002-2025", include_str!("../../playbooks/directives/pspf-002-2025.yml")),
];

/// Every built-in directive, by id. A test proves that each can be read.
#[must_use]
pub fn built_in_directives() -> Vec<Directive> {
    FILES.iter().filter_map(|(id, text)| read_one(id, text)).collect()
}

/// The built-in directive of an id.
#[must_use]
pub fn built_in(id: &str) -> Option<Directive> {
    FILES.iter().find(|(name, _)| *name == id).and_then(|(id, text)| read_one(id, text))
}

fn read_one(id: &str, text: &str) -> Option<Directive> {
    parse(&format!("built-in directive: {id}.yml"), text).ok()
}
