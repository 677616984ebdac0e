//! The files that steps lay down on hosts: read once, before any host is contacted.

use super::error::CliError;
use crate::apply::Uploads;
use crate::model::{Diagnostic, sha256_hex};
use crate::plan::Plan;
use crate::playbook::Playbook;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

/// The largest file that is laid down, in bytes: it goes through the session of every host, and through memory.
const LARGEST: u64 = 16 << 20;

/// Makes the paths of a playbook's files whole, and reads each: what is wrong with them, each at its place.
pub fn check(playbook: &mut Playbook) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for upload in playbook.uploads_mut() {
        if let Ok(whole) = std::path::absolute(&upload.source) {
            upload.source = whole;
        }
        if let Err(reason) = read(&upload.source, &upload.sha256) {
            found.push(Diagnostic::error(&upload.place, reason).with_help(HELP));
        }
    }
    found
}

/// The files that a plan's steps lay down, by their SHA-256.
pub fn of_plan(plan: &Plan) -> Result<Uploads, CliError> {
    let steps = plan.hosts.iter().flat_map(|host| &host.steps).filter(|step| !step.already_so);
    let wanted: BTreeSet<(&str, &str)> = steps
        .flat_map(|step| &step.uploads)
        .map(|upload| (upload.source.as_str(), upload.sha256.as_str()))
        .collect();
    let (mut uploads, mut wrong) = (Uploads::new(), Vec::new());
    for (source, sha256) in wanted {
        match read(Path::new(source), sha256) {
            Ok(content) => {
                uploads.insert(sha256.to_owned(), content);
            }
            Err(reason) => wrong.push(reason),
        }
    }
    if wrong.is_empty() { Ok(uploads) } else { Err(CliError::input(wrong.join("\nerror: "), HELP)) }
}

const HELP: &str = "get the file anew from its vendor; if it is meant to be another one, write its `sha256sum` into \
                    the playbook and plan anew";

/// The content of a file, if it is the one that is meant.
fn read(file: &Path, sha256: &str) -> Result<Arc<[u8]>, String> {
    let shown = crate::model::output::escape_line(&file.to_string_lossy());
    let cannot = |error: std::io::Error| format!("the file `{shown}` of a step cannot be read: {error}");
    let mut content = Vec::new();
    // Nothing that would wait for a writer.
    if !std::fs::metadata(file).map_err(cannot)?.is_file() {
        return Err(format!("`{shown}`, a file of a step, is none"));
    }
    let opened = std::fs::File::open(file).map_err(cannot)?;
    opened.take(LARGEST + 1).read_to_end(&mut content).map_err(cannot)?;
    if content.len() as u64 > LARGEST {
        return Err(format!(
            "the file `{shown}` of a step has more than {} MiB: bring it onto the hosts by other means",
            LARGEST >> 20
        ));
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
