//! Paths and what stands in files.

use super::checks::{invalid_pattern, lost_characters};
use super::outcome::{Doubt, Outcome, Scan};
use super::text::{LOST, LineTest, cut, lines_of};
use crate::facts::{Facts, FileText, Listing, PathEntry};
use crate::model::Truth;
use crate::playbook::{PathKind, Pattern, TextPattern};
use std::collections::BTreeMap;

/// The answer to a question that stands under the pattern's text, if it was put at all.
fn asked<'f, T>(
    answers: &'f BTreeMap<String, Listing<T>>,
    pattern: &Pattern,
) -> Result<&'f Listing<T>, Outcome> {
    if pattern.is_glob() && pattern.check().is_err() {
        return Err(invalid_pattern(pattern.as_str(), true));
    }
    answers.get(pattern.as_str()).ok_or_else(|| {
        Outcome::unknown(Doubt::new(format!("`{}` was not asked", cut(pattern.as_str(), 120))), true)
    })
}

pub(super) fn path(pattern: &Pattern, kind: Option<PathKind>, owner: Option<&str>, facts: &Facts) -> Outcome {
    let entries = match asked(&facts.paths, pattern) {
        Ok(entries) => entries,
        Err(outcome) => return outcome,
    };
    Scan::of(entries, |entry| {
        let of_kind = kind.map_or(Truth::True, |kind| Truth::from(entry.kind == kind));
        of_kind.and(owner.map_or(Truth::True, |owner| is_owner(&entry.owner, owner, facts)))
    })
    .conclude(path_line, Some(&path_name), |entry| {
        Doubt::new(format!(
            "whether `{}` belongs to `{}` cannot be told: its owner is `{}`",
            cut(&entry.path, 120),
            cut(owner.unwrap_or_default(), 40),
            cut(&entry.owner, 40)
        ))
    })
}

/// What drift compares: a link that was put on the way makes it another thing.
fn path_name(entry: &PathEntry) -> String {
    match &entry.real {
        Some(real) => format!("{} {} at {real}", entry.path, kind_word(entry.kind)),
        None => format!("{} {}", entry.path, kind_word(entry.kind)),
    }
}

fn path_line(entry: &PathEntry) -> String {
    let PathEntry { path, kind, owner, size, target, real, mount_point } = entry;
    let real = real.as_deref().map(|real| format!(", really `{real}`")).unwrap_or_default();
    let target = target.as_deref().map(|target| format!(" -> {target}")).unwrap_or_default();
    let mount = if *mount_point { ", mount point" } else { "" };
    if owner.is_empty() {
        return format!("{path}{target} ({}{mount}{real})", kind_word(*kind));
    }
    format!("{path}{target} ({}, owner {owner}, {size} bytes{mount}{real})", kind_word(*kind))
}

fn kind_word(kind: PathKind) -> &'static str {
    match kind {
        PathKind::File => "file",
        PathKind::Directory => "directory",
        PathKind::Link => "link",
        PathKind::Other => "special file",
    }
}

/// Whether the owner (a name, or a number where it has none) is the one asked for (either).
fn is_owner(owner: &str, asked: &str, facts: &Facts) -> Truth {
    if owner == asked {
        return Truth::True;
    }
    if owner.is_empty() || owner.contains(LOST) {
        return Truth::Unknown;
    }
    let (name, number) = match (owner.parse::<u32>(), asked.parse::<u32>()) {
        (Err(_), Ok(number)) => (owner, number),
        (Ok(number), Err(_)) => (asked, number),
        (Ok(_), Ok(_)) | (Err(_), Err(_)) => return Truth::False,
    };
    if name == "root" {
        return Truth::from(number == 0);
    }
    let users = &facts.users;
    let mut of_name = users.items.iter().filter(|user| user.name == name).peekable();
    let all_read = users.is_complete()
        && !users.items.is_empty()
        && users.items.iter().all(|user| !user.name.contains(LOST));
    // A name that is not among the local users may come from a directory service.
    let local = of_name.peek().is_some() || owner != name;
    if of_name.any(|user| user.id == number) {
        Truth::True
    } else if local && all_read {
        Truth::False
    } else {
        Truth::Unknown
    }
}

pub(super) fn file_contains(path: &Pattern, pattern: &TextPattern, facts: &Facts) -> Outcome {
    let files = match asked(&facts.files, path) {
        Ok(files) => files,
        Err(outcome) => return outcome,
    };
    if files.items.is_empty() && files.is_complete() {
        return Outcome::known(false, true);
    }
    let test = LineTest::new(pattern);
    if !test.is_valid() {
        return invalid_pattern(&pattern.0, true);
    }
    Scan::of(files, |file| has_line(&test, pattern, file)).conclude(
        |file| {
            let line = lines_of(&file.text, file.truncated).find(|line| test.matches(line).is_true());
            format!("{}: {}", file.path, line.as_deref().unwrap_or_default().trim())
        },
        // A log grows by itself: the file counts, not which of its lines.
        Some(&|file| file.path.clone()),
        |file| {
            if !holds_lines_for(file, pattern) {
                let path = cut(&file.path, 120);
                return Doubt::new(format!("other lines of `{path}` were kept than this check needs"));
            }
            if file.truncated {
                return Doubt::new(format!("only the beginning of `{}` was read", cut(&file.path, 120)));
            }
            lost_characters("the text of file", &file.path)
        },
    )
}

/// Whether a line of the file matches. What was cut off may hold one, and so may a text in an
/// encoding of two bytes a character, which is legible in fragments only.
fn has_line(test: &LineTest, pattern: &TextPattern, file: &FileText) -> Truth {
    let mut truth = Truth::False;
    // No line kept is no line, not an empty one.
    let kept = !file.text.is_empty() || file.kept_for.is_empty();
    for line in lines_of(&file.text, file.truncated).filter(|_| kept) {
        truth = truth.or(test.matches(&line));
        if truth.is_true() {
            return truth;
        }
    }
    let two_bytes = file.text.chars().take(4).any(|c| c == '\0');
    if file.truncated || two_bytes || !holds_lines_for(file, pattern) { Truth::Unknown } else { truth }
}

/// Whether every line that the expression may match was kept of the file's text.
fn holds_lines_for(file: &FileText, pattern: &TextPattern) -> bool {
    file.kept_for.is_empty() || file.kept_for.contains(&pattern.0)
}

/// The first group (or the whole match) of an expression in a file that was asked for.
pub(super) fn version_in_file(path: &Pattern, pattern: &TextPattern, facts: &Facts) -> Option<String> {
    let files = facts.files.get(path.as_str()).filter(|files| !files.items.is_empty())?;
    let test = LineTest::new(pattern);
    files.items.iter().find_map(|file| {
        lines_of(&file.text, file.truncated).find_map(|line| test.capture(&line).map(str::to_owned))
    })
}
