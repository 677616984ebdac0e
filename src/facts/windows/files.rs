//! The beginnings of the asked files. `cmd.exe` cannot read a part of one, so a file that is larger than
//! the bound is not read at all: what stands in it is unknown.

use super::answers::{Answers, Section};
use super::ask::Ask;
use super::paths::{Place, Seen, components, wildcard};
use super::text::CodePage;
use crate::facts::frames::{number, split_once};
use crate::facts::parse::keep_lines;
use crate::facts::{FileText, Gap, Listing, PathKind};
use std::collections::{BTreeMap, BTreeSet};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// The components of every asked file, alternatives apart.
pub(super) fn asked<'p>(patterns: impl Iterator<Item = &'p str>) -> Vec<Vec<String>> {
    patterns.filter_map(|pattern| components(pattern).ok()).flatten().collect()
}

/// The line that reads the files of a directory that a wildcard matches.
pub(super) fn line(parts: &[String], label: &str) -> String {
    let Some((name, above)) = parts.split_last() else { return String::new() };
    let Place { loops, path } = Place::of(above);
    format!(
        "{loops}for /f \"eol=: delims=\" %f in ('dir /b /a-d \"{path}\\{}\" 2^>nul ^<nul') do \
         (echo %N% ask {label} \"{path}\\%f\"& for %g in (\"{path}\\%f\") do (echo %N% part {label} size %~zg& \
         if %~zg LEQ {MAX_FILE} type \"{path}\\%f\" <nul 2>nul)& echo.& echo %N% end {label} 0)",
        wildcard(name)
    )
}

/// The asked files with the lines that an expression may match.
pub(super) fn parse(
    answers: &Answers<'_>,
    questions: &BTreeMap<String, BTreeSet<String>>,
    seen: &Seen<'_>,
    count: usize,
) -> BTreeMap<String, Listing<FileText>> {
    let mut sections: BTreeMap<String, &Section<'_>> = BTreeMap::new();
    for number in 0..count {
        for section in answers.all(&Ask::File(number)).iter().filter(|section| section.is_good()) {
            let path = answers.code_page.text(section.rest);
            sections.insert(path.trim_matches('"').to_lowercase(), section);
        }
    }
    questions
        .iter()
        .map(|(pattern, expressions)| {
            let found = seen.answer(pattern);
            let mut listing = Listing { items: Vec::new(), gaps: found.gaps };
            for entry in found.items.iter().filter(|entry| entry.kind != PathKind::Directory) {
                let read = sections.get(&entry.path.to_lowercase()).and_then(|section| text(section));
                match read {
                    Some((text, truncated)) => {
                        let path = entry.path.clone();
                        let mut file = FileText { path, text, truncated, kept_for: Vec::new() };
                        keep_lines(&mut file, &expressions.iter().cloned().collect::<Vec<_>>());
                        listing.items.push(file);
                    }
                    None => listing
                        .gaps
                        .push(Gap { reason: format!("`{}` was not read", entry.path), remedy: None }),
                }
            }
            (pattern.clone(), listing)
        })
        .collect()
}

/// What a file holds, and whether that was too much; none: it was not read.
fn text(section: &Section<'_>) -> Option<(String, bool)> {
    let (head, lines) = section.lines.split_first()?;
    let (_, size) = split_once(head, b" size ")?;
    let size: u64 = number(size.trim_ascii())?;
    if size > MAX_FILE {
        return Some((String::new(), true));
    }
    let bytes = lines.join(&b'\n');
    let bytes = bytes.trim_ascii_end();
    if bytes.is_empty() && size > 2 {
        return None;
    }
    // Neither the console's code page nor the system's says how a file was written.
    let text = String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| CodePage::Ascii.verbatim(bytes));
    Some((text + "\n", false))
}
