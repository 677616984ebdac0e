//! The files that steps lay down on hosts: read once, before any host is contacted.

use super::error::CliError;
use crate::apply::Uploads;
use crate::model::{Diagnostic, Platform, sha256_hex};
use crate::plan::Plan;
use crate::playbook::{Action, Playbook};
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

/// The largest file that is laid down on a Windows host, in bytes: it goes through the session, and through memory here.
const LARGEST_WINDOWS: u64 = 16 << 20;
/// The same elsewhere. A shell keeps it in memory as long as the step runs, bash more than thirty times.
const LARGEST: u64 = 4 << 20;

fn largest(only_windows: bool) -> u64 {
    if only_windows { LARGEST_WINDOWS } else { LARGEST }
}

/// Makes the paths of a playbook's files whole, and reads each: what is wrong with them, each at its place.
pub fn check(playbook: &mut Playbook) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for product in &mut playbook.products {
        let largest = largest(product.platforms == [Platform::Windows]);
        for step in &mut product.remove {
            let Action::Run { uploads, .. } = &mut step.action else { continue };
            let mut all = 0;
            for upload in uploads {
                if let Ok(whole) = std::path::absolute(&upload.source) {
                    upload.source = whole;
                }
                let wrong = match read(&upload.source, &upload.sha256, largest) {
                    // The plan is a text.
                    Ok(_) if upload.source.to_str().is_none() => Some("its path is not UTF-8".to_owned()),
                    Ok(content) => {
                        all += content.len() as u64;
                        (all > largest).then(|| too_large("the files of a step have", largest))
                    }
                    Err(reason) => Some(reason),
                };
                found.extend(wrong.map(|why| Diagnostic::error(&upload.place, why).with_help(HELP)));
            }
        }
    }
    found
}

fn too_large(what: &str, largest: u64) -> String {
    format!("{what} more than {} MiB: bring them onto the hosts by other means", largest >> 20)
}

/// The files that a plan's steps lay down, by their SHA-256. Where a run is `resumed`, one that is gone is told, and
/// only the step that needs it is not begun: it may have been run already.
pub fn of_plan(plan: &Plan, resumed: bool) -> Result<Uploads, CliError> {
    let wanted: BTreeSet<(&str, &str, u64)> = plan
        .hosts
        .iter()
        .flat_map(|host| {
            let largest = largest(host.platform == Some(Platform::Windows));
            let steps = host.steps.iter().filter(|step| !step.already_so);
            steps
                .flat_map(|step| &step.uploads)
                .map(move |upload| (upload.source.as_str(), upload.sha256.as_str(), largest))
        })
        .collect();
    let (mut uploads, mut wrong) = (Uploads::new(), Vec::new());
    for (source, sha256, largest) in wanted {
        match read(Path::new(source), sha256, largest) {
            Ok(content) => {
                uploads.insert(sha256.to_owned(), content);
            }
            Err(reason) => wrong.push(reason),
        }
    }
    if resumed {
        wrong.iter().for_each(|reason| tell!("{reason}: a step that still needs it is not begun"));
        wrong.clear();
    }
    if wrong.is_empty() { Ok(uploads) } else { Err(CliError::input(wrong.join("\nerror: "), HELP)) }
}

const HELP: &str = "get the file anew from its vendor; if it is meant to be another one, write its `sha256sum` into \
                    the playbook and plan anew";

/// The content of a file, if it is the one that is meant.
fn read(file: &Path, sha256: &str, largest: u64) -> Result<Arc<[u8]>, String> {
    let shown = crate::model::output::escape_line(&file.to_string_lossy());
    let cannot = |error: std::io::Error| format!("the file `{shown}` of a step cannot be read: {error}");
    let mut content = Vec::new();
    // Nothing that would wait for a writer.
    if !std::fs::metadata(file).map_err(cannot)?.is_file() {
        return Err(format!("`{shown}`, a file of a step, is none"));
    }
    let opened = std::fs::File::open(file).map_err(cannot)?;
    opened.take(largest + 1).read_to_end(&mut content).map_err(cannot)?;
    if content.len() as u64 > largest {
        return Err(too_large(&format!("the file `{shown}` of a step has"), largest));
    }
    if content.is_empty() {
        return Err(format!("the file `{shown}` of a step is empty"));
    }
    let found = sha256_hex(&content);
    if found == sha256 {
        Ok(content.into())
    } else {
        Err(format!("the file `{shown}` of a step has the SHA-256 {found}, and {sha256} is expected"))
    }
}
