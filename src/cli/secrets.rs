//! Resolving references to secrets, before any host is contacted.

use super::error::CliError;
use crate::model::output::escape_line;
use crate::model::{Redactor, Secret, SecretSource};
use crate::plan::SecretReference;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::{Command, Stdio};

/// The prompt for `--ask-pass`; `UPROOT_PASSWORD` answers it where there is no terminal.
pub const LOGIN_PROMPT: &str = "SSH password";
/// The prompt for `--ask-become-pass`; `UPROOT_BECOME_PASSWORD` answers it where there is no terminal.
pub const BECOME_PROMPT: &str = "password for becoming root";

/// Resolves every reference; all that is wrong is told at once.
pub fn resolve(references: &BTreeMap<String, SecretReference>) -> Result<BTreeMap<String, Secret>, CliError> {
    let mut resolved = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, reference) in references {
        match value_of(&reference.source) {
            Ok(value) if value.len() < Redactor::SHORTEST => wrong.push(format!(
                "secret `{name}`: it is shorter than {} characters, and could not be kept out of logs",
                Redactor::SHORTEST
            )),
            Ok(value) => {
                resolved.insert(name.clone(), Secret::new(name, value));
            }
            Err(_) if reference.optional => {}
            Err(reason) => match &reference.source {
                SecretSource::Prompt(text) => wrong.push(format!("no {}: {reason}", escape_line(text))),
                _ => wrong.push(format!("secret `{name}`: {reason}")),
            },
        }
    }
    if wrong.is_empty() {
        return Ok(resolved);
    }
    let help = "set the variable, create the file, or run uproot on a terminal where it can ask";
    Err(CliError::input(wrong.join("\nerror: "), help))
}

fn value_of(source: &SecretSource) -> Result<String, String> {
    let value = match source {
        SecretSource::Env(variable) => std::env::var(variable)
            .map_err(|_| format!("the environment variable `{variable}` is not set"))?,
        SecretSource::File(path) => {
            std::fs::read_to_string(path).map_err(|error| format!("cannot read `{path}`: {error}"))?
        }
        SecretSource::Command(command) => command_output(command)?,
        SecretSource::Prompt(text) => prompt(text)?,
    };
    let value = value.strip_suffix('\n').map_or(value.as_str(), |v| v.strip_suffix('\r').unwrap_or(v));
    if value.is_empty() { Err("it is empty".to_owned()) } else { Ok(value.to_owned()) }
}

fn command_output(command: &str) -> Result<String, String> {
    let output = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run `{command}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{command}` ended with {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{command}` printed what is not UTF-8"))
}

fn prompt(text: &str) -> Result<String, String> {
    let variable = match text {
        LOGIN_PROMPT => Some("UPROOT_PASSWORD"),
        BECOME_PROMPT => Some("UPROOT_BECOME_PASSWORD"),
        _ => None,
    };
    if let Some(value) = variable.and_then(|variable| std::env::var(variable).ok()) {
        return Ok(value);
    }
    if !std::io::stdin().is_terminal() {
        let or = variable.map_or(String::new(), |variable| format!(", and `{variable}` is not set"));
        return Err(format!("there is no terminal to ask on{or}"));
    }
    rpassword::prompt_password(format!("{}: ", escape_line(text)))
        .map_err(|error| format!("cannot ask: {error}"))
}

/// Asks for the passphrase of a key file; none where there is no terminal and `UPROOT_KEY_PASSPHRASE`
/// is not set.
pub fn passphrase(file: &std::path::Path) -> Option<Secret> {
    let value = std::env::var("UPROOT_KEY_PASSPHRASE").ok().or_else(|| {
        let text = format!("passphrase for {}", file.display());
        std::io::stdin().is_terminal().then(|| prompt(&text).ok()).flatten()
    })?;
    Some(Secret::new("key passphrase", value))
}
