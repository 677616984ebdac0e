//! `playbook check`, `explain`, `test`, `schema`.

use super::args::PlaybookVerb;
use super::error::CliError;
use super::fleet::print_warnings;
use super::identify::read_playbook;
use super::output::print_bytes;
use crate::detect::{ProductRules, finding};
use crate::facts::document;
use crate::model::{ExitCode, ProductState, Severity};
use crate::playbook::{self, Playbook};
use std::path::{Path, PathBuf};

/// Runs one of them.
pub fn run(verb: &PlaybookVerb) -> Result<ExitCode, CliError> {
    match verb {
        PlaybookVerb::Check { file, strict } => check(file.as_deref(), *strict),
        PlaybookVerb::Explain { product, playbook } => explain(product.as_deref(), playbook.as_deref()),
        PlaybookVerb::Test { directory, playbook } => test(directory, playbook.as_deref()),
        PlaybookVerb::Schema => {
            let text = serde_json::to_string_pretty(&playbook::schema()).unwrap_or_default();
            print_bytes(format!("{text}\n").as_bytes())?;
            Ok(ExitCode::Success)
        }
    }
}

fn check(file: Option<&Path>, strict: bool) -> Result<ExitCode, CliError> {
    let loaded = match file {
        Some(file) => playbook::read(file)?,
        None => playbook::read_catalogue()?,
    };
    let warnings = loaded.diagnostics.list.iter().filter(|d| d.severity == Severity::Warning).count();
    print_warnings(&loaded.diagnostics);
    let name = file.map_or_else(|| "built-in catalogue".to_owned(), |file| file.display().to_string());
    let products = loaded.playbook.products.len();
    print_bytes(format!("{name}: {products} product(s), no errors, {warnings} warning(s)\n").as_bytes())?;
    Ok(if strict && warnings > 0 { ExitCode::Usage } else { ExitCode::Success })
}

fn explain(product: Option<&str>, file: Option<&Path>) -> Result<ExitCode, CliError> {
    let playbook = read_playbook(file)?.playbook;
    let text = match product {
        None => list(&playbook),
        Some(id) => match playbook.product(id) {
            Some(product) => playbook::explain(product),
            None => {
                let ids: Vec<&str> = playbook.products.iter().map(|product| product.id.as_str()).collect();
                let near = crate::model::diagnostic::nearest(id, ids.iter().copied());
                let help = near.map_or_else(
                    || format!("the products are: {}", ids.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                return Err(CliError::input(format!("there is no product `{id}`"), help));
            }
        },
    };
    print_bytes(text.as_bytes())?;
    Ok(ExitCode::Success)
}

fn list(playbook: &Playbook) -> String {
    let widest = playbook.products.iter().map(|product| product.id.len()).max().unwrap_or(0);
    playbook.products.iter().map(|product| format!("{:widest$}  {}\n", product.id, product.name)).collect()
}

/// Evaluates each `PRODUCT.RESULT[.NOTE].json` of a directory (and below) and compares.
fn test(directory: &Path, file: Option<&Path>) -> Result<ExitCode, CliError> {
    let playbook = read_playbook(file)?.playbook;
    let (mut text, mut passed, mut failed) = (String::new(), 0, 0);
    for path in documents(directory).map_err(|error| {
        CliError::input(
            format!("`{}` cannot be read: {error}", directory.display()),
            "name a directory of facts documents",
        )
    })? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match test_one(&playbook, &path, &name)? {
            None => passed += 1,
            Some(wrong) => {
                failed += 1;
                text.push_str(&format!("{}: {wrong}\n", path.display()));
            }
        }
    }
    if passed + failed == 0 {
        let message = format!("there is no facts document in `{}`", directory.display());
        return Err(CliError::input(message, "name them PRODUCT.RESULT.json, such as kesl.present.json"));
    }
    text.push_str(&format!("{passed} passed, {failed} failed\n"));
    print_bytes(text.as_bytes())?;
    Ok(if failed == 0 { ExitCode::Success } else { ExitCode::Found })
}

fn test_one(playbook: &Playbook, path: &Path, name: &str) -> Result<Option<String>, CliError> {
    let mut parts = name.split('.');
    let (id, wanted) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let states = [ProductState::Present, ProductState::Residue, ProductState::Unknown, ProductState::Absent];
    let Some(wanted) = states.into_iter().find(|state| state.word() == wanted) else {
        return Ok(Some(format!("`{wanted}` is not one of present, residue, unknown, absent")));
    };
    let Some(product) = playbook.product(id) else {
        return Ok(Some(format!("the playbook has no product `{id}`")));
    };
    let found = finding(&ProductRules::from(product), &document::read(path)?);
    if found.result == wanted {
        return Ok(None);
    }
    let mut wrong = format!("expected {}, found {}", wanted.word(), found.result.word());
    for evidence in &found.evidence {
        let reason = evidence.reason.clone().unwrap_or_else(|| evidence.facts.join("; "));
        wrong.push_str(&format!("\n    {} is {}: {reason}", evidence.check, evidence.truth));
    }
    Ok(Some(wrong))
}

fn documents(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(documents(&entry.path())?);
        } else if entry.path().extension().is_some_and(|extension| extension == "json") {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
