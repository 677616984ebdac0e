//! What is asked of every Windows host: which machine, which system, as whom, pending reboot.

use super::answers::Answers;
use super::ask::{Ask, CRYPTOGRAPHY, SERVICING, SESSION_MANAGER, UPDATE, VERSION};
use super::registry::{Key, Standing, read};
use crate::facts::{BootIdentity, MachineIdentity, OsInfo, PendingReboot};
use crate::playbook::PATH_VARIABLES;

/// The variables of the machine.
#[derive(Debug, Default)]
pub(super) struct Environment {
    variables: Vec<(String, String)>,
    /// Why nothing is known of them.
    failure: Option<String>,
}

impl Environment {
    pub(super) fn read(answers: &Answers<'_>) -> Self {
        let section = match answers.good(&Ask::Environment, "set") {
            Ok(section) => section,
            Err(reason) => return Self { failure: Some(reason), variables: Vec::new() },
        };
        let variables = section.lines.iter().filter_map(|line| {
            let line = answers.code_page.text(line);
            line.split_once('=').map(|(name, value)| (name.to_owned(), value.trim_end().to_owned()))
        });
        let mut read = Self { variables: variables.collect(), failure: None };
        // Every Windows has this one.
        if read.get("SystemRoot").is_none() {
            read.failure = Some("`set` does not show the variables of the system".to_owned());
        }
        read
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The directory that a path begins with: of `%NAME%` its value, or none where the host has no
    /// such variable.
    ///
    /// # Errors
    /// Why that is not known.
    pub(super) fn expand(&self, root: &str) -> Result<Option<String>, String> {
        let Some(name) = root.strip_prefix('%').and_then(|name| name.strip_suffix('%')) else {
            return Ok(Some(root.to_owned()));
        };
        match (self.get(name), &self.failure) {
            (Some(value), _) => Ok(Some(value.trim_end_matches('\\').to_owned())),
            (None, Some(reason)) => Err(reason.clone()),
            (None, None) if PATH_VARIABLES.contains(&name) => Ok(None),
            (None, None) => Err(format!("`%{name}%` was not asked")),
        }
    }
}

/// What is known of the machine and its system.
pub(super) struct Base {
    pub os: OsInfo,
    pub identity: MachineIdentity,
    pub boot: BootIdentity,
    pub elevated: Option<bool>,
    pub pending_reboot: PendingReboot,
}

pub(super) fn parse(answers: &Answers<'_>, environment: &Environment, host_key: Option<String>) -> Base {
    let version = version(answers).unwrap_or_default();
    let value = |key: &str, name: &str| {
        let output = answers.registry(&Ask::value(key, name)).ok()?;
        Some(output.key(key)?.value(name)?.data.trim().to_owned()).filter(|data| !data.is_empty())
    };
    // A 32-bit `cmd.exe` is told of the real processor by another variable.
    let arch = environment.get("PROCESSOR_ARCHITEW6432").or(environment.get("PROCESSOR_ARCHITECTURE"));
    Base {
        os: OsInfo {
            kernel_name: environment.get("OS").unwrap_or_default().to_owned(),
            kernel_release: version.clone(),
            arch: arch.unwrap_or_default().to_owned(),
            hostname: environment.get("COMPUTERNAME").unwrap_or_default().to_owned(),
            id: Some("windows".to_owned()),
            id_like: None,
            version_id: Some(version).filter(|version| !version.is_empty()),
            pretty_name: value(VERSION, "ProductName"),
        },
        identity: MachineIdentity {
            host_key,
            machine_id: value(CRYPTOGRAPHY, "MachineGuid")
                .map(|id| id.to_lowercase())
                .filter(|id| is_guid(id)),
            dmi_uuid: None,
        },
        boot: BootIdentity { boot_id: boot(answers), init_start: None },
        elevated: elevated(answers),
        pending_reboot: pending_reboot(answers),
    }
}

fn is_guid(id: &str) -> bool {
    id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// `Microsoft Windows [Version 10.0.19045.4291]`: the word of numbers and dots, in any language.
fn version(answers: &Answers<'_>) -> Option<String> {
    let section = answers.one(&Ask::Version).ok()?;
    let words =
        section.lines.iter().flat_map(|line| line.split(|byte| !byte.is_ascii_digit() && *byte != b'.'));
    let word = words
        .map(|word| word.trim_ascii())
        .find(|word| word.iter().filter(|byte| **byte == b'.').count() >= 2)?;
    Some(answers.code_page.text(word).trim_matches('.').to_owned())
}

/// When the kernel started, from its own event: `<Data Name='StartTime'>2024-05-03T06:12:34.5Z</Data>`.
fn boot(answers: &Answers<'_>) -> Option<String> {
    let section = answers.good(&Ask::Boot, "wevtutil").ok()?;
    let text = answers.code_page.text(&section.lines.concat());
    let after = text.split("'StartTime'>").nth(1).or_else(|| text.split("\"StartTime\">").nth(1))?;
    let time = after.split('<').next()?.trim();
    let known = |c: char| c.is_ascii_alphanumeric() || "-:.".contains(c);
    (time.len() >= 19 && time.len() <= 40 && time.chars().all(known)).then(|| time.to_owned())
}

/// Whether the login has an administrator's whole rights, by the integrity level among its groups: high
/// (`S-1-16-12288`) or the system's own. <https://learn.microsoft.com/en-us/windows/win32/secauthz/well-known-sids>
fn elevated(answers: &Answers<'_>) -> Option<bool> {
    let section = answers.good(&Ask::Groups, "whoami").ok()?;
    let levels = section.lines.iter().flat_map(|line| line.split(|byte| *byte == b'"'));
    let level = levels.filter_map(|field| field.strip_prefix(b"S-1-16-")).next()?;
    let level: u32 = crate::facts::frames::number(level)?;
    Some(level >= 12_288)
}

fn pending_reboot(answers: &Answers<'_>) -> PendingReboot {
    let mut doubts = Vec::new();
    for (key, name) in [(SERVICING, "RebootPending"), (UPDATE, "RebootRequired")] {
        let standing = if key == UPDATE { answers.standing(key) } else { Standing::There };
        match standing {
            // Without Windows Update nothing of it is pending.
            Standing::Absent => continue,
            Standing::Unknown(reason) => {
                doubts.push(reason);
                continue;
            }
            Standing::There => {}
        }
        match answers.good(&Ask::here(key), "reg query") {
            Ok(section) => {
                let output = read(&section.lines, answers.code_page);
                if output.below(key).map(Key::name).any(|below| below.eq_ignore_ascii_case(name)) {
                    return PendingReboot::Yes(format!("the registry key `{key}\\{name}` is there"));
                }
                if output.keys.is_empty() {
                    doubts.push(format!("`reg query` shows nothing of `{key}`"));
                }
            }
            Err(reason) => doubts.push(format!("`{key}`: {reason}")),
        }
    }
    match answers.good(&Ask::here(SESSION_MANAGER), "reg query") {
        Ok(section) => {
            let output = read(&section.lines, answers.code_page);
            match output.key(SESSION_MANAGER) {
                Some(key)
                    if key
                        .value("PendingFileRenameOperations")
                        .is_some_and(|v| !v.data.trim().is_empty()) =>
                {
                    return PendingReboot::Yes(
                        "files are to be replaced or deleted at the next start".to_owned(),
                    );
                }
                Some(_) => {}
                None => doubts.push(format!("`reg query` shows nothing of `{SESSION_MANAGER}`")),
            }
        }
        Err(reason) => doubts.push(format!("`{SESSION_MANAGER}`: {reason}")),
    }
    doubts.into_iter().next().map_or(PendingReboot::No, PendingReboot::Unknown)
}
