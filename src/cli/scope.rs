//! `--scope` and `--waivers`; `scope list`, `show`, `check`.

use super::args::{ScopeArguments, ScopeVerb};
use super::error::CliError;
use super::identify::read_playbook;
use super::output::{print_bytes, width};
use crate::model::diagnostic::nearest;
use crate::model::output::escape_line;
use crate::model::scope::{ScopeProfile, WaiverList};
use crate::model::{ExitCode, Scope};
use crate::playbook::{Pattern, Playbook};
use crate::report::Report;
use crate::report::layout::wrap;
use crate::scope::{self, Document, ProfileDocument};
use jiff::Timestamp;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// What a run counts, from its options. Nothing was contacted yet.
pub fn read(arguments: &ScopeArguments) -> Result<Scope, CliError> {
    let profile = arguments.scope.as_deref().map(profile).transpose()?;
    let waivers = arguments.waivers.as_deref().map(waivers).transpose()?;
    Ok(Scope { profile: profile.map(|document| document.profile), waivers })
}

/// Tells what is to be known of the waivers of a run.
pub fn warn(report: &Report) {
    for remark in report.scope_remarks() {
        tell!("warning: {}", escape_line(&remark));
    }
}

/// A built-in profile, or one of a file.
fn profile(name: &str) -> Result<ProfileDocument, CliError> {
    if let Some(built_in) = scope::built_in_profile(name) {
        return Ok(built_in?);
    }
    let path = Path::new(name);
    if !path.exists() && !name.contains(['/', '.']) {
        let help = match nearest(name, scope::built_in_names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "the built-in ones are {}; or name a file",
                scope::built_in_names().collect::<Vec<_>>().join(", ")
            ),
        };
        return Err(CliError::input(format!("there is no scope profile `{}`", escape_line(name)), help));
    }
    match scope::read(path)? {
        Document::Profile(document) => Ok(document),
        Document::Waivers(_) => Err(CliError::input(
            format!("`{}` is a list of waivers, not a scope profile", escape_line(name)),
            "give it by `--waivers FILE`",
        )),
    }
}

fn waivers(path: &Path) -> Result<WaiverList, CliError> {
    match scope::read(path)? {
        Document::Waivers(list) => Ok(list),
        Document::Profile(_) => Err(CliError::input(
            format!("`{}` is a scope profile, not a list of waivers", escape_line(&path.to_string_lossy())),
            "give it by `--scope FILE`",
        )),
    }
}

/// Runs `scope`.
pub fn run(verb: &ScopeVerb) -> Result<ExitCode, CliError> {
    match verb {
        ScopeVerb::List => list(),
        ScopeVerb::Show { profile } => show(profile),
        ScopeVerb::Check { files, playbook, strict } => check(files, playbook.as_deref(), *strict),
    }
}

fn list() -> Result<ExitCode, CliError> {
    let widest = scope::built_in_names().map(str::len).max().unwrap_or(0);
    let mut text = String::new();
    for id in scope::built_in_names() {
        let document = profile(id)?;
        let unconfirmed = if document.confirmed { "" } else { " (not confirmed)" };
        text.push_str(&format!("{id:widest$}  {}{unconfirmed}\n", document.profile.name));
    }
    print_bytes(text.as_bytes())?;
    Ok(ExitCode::Success)
}

fn show(name: &str) -> Result<ExitCode, CliError> {
    print_bytes(shown(&profile(name)?, width(std::io::stdout().is_terminal())).as_bytes())?;
    Ok(ExitCode::Success)
}

/// A profile in words.
fn shown(document: &ProfileDocument, width: usize) -> String {
    let ProfileDocument { profile, confirmed, note, sources } = document;
    let mut text = String::new();
    let mut say = |indent: usize, line: &str| {
        for (index, line) in wrap(&escape_line(line), width.saturating_sub(indent + 2)).iter().enumerate() {
            let indent = indent + if index == 0 { 0 } else { 2 };
            text.push_str(&format!("{}{line}\n", " ".repeat(indent)));
        }
    };
    say(0, &format!("{} ({})", profile.name, profile.id));
    if let Some(note) = note {
        say(0, note);
    }
    match profile.out.as_slice() {
        [] => say(0, "It leaves nothing out: everything counts."),
        out => {
            say(0, "It leaves out, so that it is listed and does not count:");
            for entry in out {
                let class = entry.class.map(|class| format!("class `{}`", class.word()));
                let product = entry.product.as_ref().map(|product| format!("product `{product}`"));
                let what: Vec<String> = class.into_iter().chain(product).collect();
                say(2, &format!("{}: {}", what.join(" and "), entry.reason));
            }
        }
    }
    if !confirmed {
        say(0, "Not confirmed: no source was found for all that is said here.");
    }
    say(0, &format!("SHA-256 {}", profile.digest));
    if !sources.is_empty() {
        say(0, "Sources");
        // Whole, so that they can be copied.
        sources.iter().for_each(|source| text.push_str(&format!("  {}\n", escape_line(source))));
    }
    text
}

fn check(files: &[PathBuf], playbook: Option<&Path>, strict: bool) -> Result<ExitCode, CliError> {
    let playbook = read_playbook(playbook)?.playbook;
    let (mut text, mut warned, mut wrong) = (String::new(), false, false);
    for file in files {
        let name = escape_line(&file.to_string_lossy());
        let (what, warnings) = match scope::read(file) {
            Ok(Document::Profile(document)) => {
                let profile = &document.profile;
                let what = format!("scope profile `{}`, leaves out {}", profile.id, profile.out.len());
                (what, unknown_products(products_of(profile), &playbook))
            }
            Ok(Document::Waivers(list)) => {
                let mut warnings =
                    unknown_products(list.waivers.iter().map(|w| w.product.as_str()), &playbook);
                let scope = Scope { profile: None, waivers: Some(list.clone()) };
                warnings.extend(scope::over(&scope, Timestamp::now()));
                (format!("{} waiver(s)", list.waivers.len()), warnings)
            }
            // The mistakes of every file, not of the first alone.
            Err(diagnostics) => {
                tell!("{}", diagnostics.render());
                wrong = true;
                continue;
            }
        };
        for warning in &warnings {
            tell!("warning: {name}: {}", escape_line(warning));
        }
        warned |= !warnings.is_empty();
        text.push_str(&format!("{name}: {what}, no errors, {} warning(s)\n", warnings.len()));
    }
    print_bytes(text.as_bytes())?;
    Ok(if wrong || (strict && warned) { ExitCode::Usage } else { ExitCode::Success })
}

fn products_of(profile: &ScopeProfile) -> impl Iterator<Item = &str> {
    profile.out.iter().filter_map(|entry| entry.product.as_deref())
}

/// Patterns that no product of the playbook matches.
fn unknown_products<'a>(patterns: impl Iterator<Item = &'a str>, playbook: &Playbook) -> Vec<String> {
    let ids = || playbook.products.iter().map(|product| product.id.as_str());
    let unknown = patterns.filter(|pattern| {
        let matcher = Pattern::new(*pattern).matcher();
        !ids().any(|id| matcher.matches(id).is_true())
    });
    let words = unknown.map(|pattern| {
        let near =
            nearest(pattern, ids()).map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
        format!("no product of the playbook is called `{pattern}`{near}")
    });
    words.collect()
}
