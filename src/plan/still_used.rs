//! Whether a path that one product's removal would delete is still used by another.

use crate::facts::Facts;
use crate::plan::render::quote::is_at_or_below;
use crate::playbook::{Check, Pattern, Product};

/// Another product that is, or may be, on the same host when the path would go.
pub(super) struct Other<'a> {
    /// The product.
    pub(super) product: &'a Product,
    /// Whether this plan removes it, later. Such a one loses nothing by the loss of a path that is its
    /// own to remove, but its removal needs what is below a parent.
    pub(super) goes_later: bool,
}

/// Who still uses `target` or what is below it, in words.
pub(super) fn user_of(target: &str, others: &[Other<'_>], facts: &Facts) -> Option<String> {
    others.iter().find_map(|other| {
        let path = path_used(target, other, facts)?;
        let id = &other.product.id;
        Some(if other.goes_later {
            format!("`{target}` holds `{path}` of product `{id}`, which is removed only after this one")
        } else {
            format!("`{target}` holds `{path}` of product `{id}`, which stays")
        })
    })
}

fn path_used(target: &str, other: &Other<'_>, facts: &Facts) -> Option<String> {
    let mut used = None;
    let mut visit = |check: &Check| {
        if used.is_none() {
            used = known_paths(check, facts, target)
                .into_iter()
                .find(|path| is_at_or_below(path, target) && !(other.goes_later && path == target));
        }
    };
    other.product.detect.each_check(&mut visit);
    if let Some(residue) = &other.product.residue {
        residue.each_check(&mut visit);
    }
    used
}

/// The paths that make a check true on this host; where that is not known for certain, the target
/// itself if the check could be about it.
fn known_paths(check: &Check, facts: &Facts, target: &str) -> Vec<String> {
    let (pattern, mut paths, complete): (&Pattern, Vec<String>, bool) = match check {
        Check::Path { path, .. } => match facts.paths.get(path.as_str()) {
            Some(listing) => {
                (path, listing.items.iter().map(|e| e.path.clone()).collect(), listing.is_complete())
            }
            None => (path, Vec::new(), false),
        },
        Check::FileContains { path, .. } => match facts.files.get(path.as_str()) {
            Some(listing) => {
                (path, listing.items.iter().map(|f| f.path.clone()).collect(), listing.is_complete())
            }
            None => (path, Vec::new(), false),
        },
        Check::Process { exe: Some(exe), .. } => {
            let matcher = exe.matcher();
            let running = facts.processes.items.iter().filter_map(|process| process.exe.clone());
            let paths = running.filter(|path| matcher.matches(path).is_true()).collect();
            (exe, paths, facts.processes.is_complete())
        }
        _ => return Vec::new(),
    };
    if !complete && could_reach(pattern.as_str(), target) {
        paths.push(target.to_owned());
    }
    paths
}

/// Whether the pattern could match the target or a path below it.
fn could_reach(pattern: &str, target: &str) -> bool {
    let mut parts = pattern.split('/').skip(1);
    for wanted in target.split('/').skip(1) {
        let Some(part) = parts.next() else { return false };
        // A brace may span components.
        if part == "**" || part.contains(['{', '}']) {
            return true;
        }
        if Pattern::new(part).matcher().matches(wanted).is_false() {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::could_reach;

    #[test]
    fn a_pattern_reaches_what_it_can_match_at_or_below() {
        assert!(could_reach("/opt/kaspersky/klnagent64/bin/*", "/opt/kaspersky"));
        assert!(could_reach("/opt/*/kesl", "/opt/kaspersky/kesl"));
        assert!(could_reach("/opt/**/kavehost", "/opt/a/b/c"));
        assert!(!could_reach("/opt/kaspersky", "/opt/kaspersky/kesl"));
        assert!(!could_reach("/opt/kaspersky/klnagent64", "/opt/kaspersky/kesl"));
    }
}
