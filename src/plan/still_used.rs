//! Whether a path that one product's removal would delete is still used by another.

use crate::detect::programs_named;
use crate::facts::Facts;
use crate::plan::render::quote::is_at_or_below;
use crate::playbook::{Check, Pattern, Product, below_drive, fold_path};

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
                .find(|path| is_in(path, target, facts) && !(other.goes_later && path == target));
        }
    };
    other.product.detect.each_check(&mut visit);
    if let Some(residue) = &other.product.residue {
        residue.each_check(&mut visit);
    }
    used
}

/// Whether a path is the target or below it.
fn is_in(path: &str, target: &str, facts: &Facts) -> bool {
    if facts.is_windows() {
        is_at_or_below(&fold_path(path), &fold_path(target))
    } else {
        is_at_or_below(path, target)
    }
}

/// The files of services and the uninstallers of programs that a check of Windows is about: removing the product
/// needs them.
fn windows_files(check: &Check, facts: &Facts) -> Vec<String> {
    let files: Vec<&str> = match check {
        Check::Service { name, .. } | Check::Driver { name: Some(name), .. } => {
            let (name, services) = (name.lower_case(), facts.services.items.iter());
            let matcher = name.matcher();
            let named = services
                .filter(|service| !name.windows_matches(&matcher, &service.name.to_lowercase()).is_false());
            named.filter_map(|service| service.file.as_deref()).collect()
        }
        Check::Program { name, publisher, product_code, .. } => {
            let named =
                programs_named(name.as_ref(), publisher.as_ref(), product_code.as_deref(), facts).into_iter();
            let commands = |program: &'_ crate::facts::Program| {
                [program.uninstall.clone(), program.quiet_uninstall.clone()]
            };
            return named
                .flat_map(|(program, _)| commands(program))
                .flatten()
                .map(|line| file_of(&line))
                .collect();
        }
        _ => Vec::new(),
    };
    files.into_iter().map(file_of).collect()
}

/// The file that a command line begins with.
fn file_of(line: &str) -> String {
    let line = line.trim();
    let file = line.strip_prefix('"').map_or(line, |rest| rest.split('"').next().unwrap_or_default());
    file.to_owned()
}

/// The paths that make a check true on this host; where that is not known for certain, the target
/// itself if the check is about what lies at the target.
fn known_paths(check: &Check, facts: &Facts, target: &str) -> Vec<String> {
    let (pattern, paths, complete): (&Pattern, Vec<String>, bool) = match check {
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
        _ if facts.is_windows() => return windows_files(check, facts),
        _ => return Vec::new(),
    };
    let is_within = || {
        if facts.is_windows() {
            is_within(&below_drive(pattern.as_str()), &below_drive(target))
        } else {
            is_within(pattern.as_str(), target)
        }
    };
    if !complete && is_within() {
        return vec![target.to_owned()];
    }
    paths
}

/// Whether all that the pattern could match lies at or below the target. A pattern that begins above
/// the target (`/opt/**`) is about much else; what it is known to match counts for itself.
fn is_within(pattern: &str, target: &str) -> bool {
    let literal = |part: &&str| !part.contains(['*', '?', '[', '{', '\\']);
    let base: String = pattern.split('/').skip(1).take_while(literal).flat_map(|part| ["/", part]).collect();
    is_at_or_below(&base, target)
}

#[cfg(test)]
mod tests {
    use super::is_within;

    #[test]
    fn a_pattern_is_within_what_holds_all_of_it() {
        assert!(is_within("/opt/kaspersky/klnagent64/bin/*", "/opt/kaspersky"));
        assert!(is_within("/opt/kaspersky/*", "/opt/kaspersky"));
        assert!(is_within("/opt/kaspersky/kesl", "/opt/kaspersky/kesl"));
        assert!(!is_within("/opt/kaspersky", "/opt/kaspersky/kesl"));
        assert!(!is_within("/opt/**/kavehost", "/opt/kaspersky/kesl"));
        assert!(!is_within("/opt/kaspersky2/x", "/opt/kaspersky"));
    }
}
