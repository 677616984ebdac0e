//! Services and drivers: their keys in the registry, and what the service manager (`sc`) says of them.
//! The registry is what lists them; `sc` tells which of them run. Its field names are in the host's
//! language, their order and numbers are not:
//!
//! ```text
//! SERVICE_NAME: klnagent
//! DISPLAY_NAME: Kaspersky Security Center Network Agent
//!         TYPE               : 10  WIN32_OWN_PROCESS
//!         STATE              : 4  RUNNING
//! ```

use super::answers::{Answers, Section};
use super::ask::{Ask, SERVICES};
use super::registry::{Key, Output, read};
use super::text::CodePage;
use crate::facts::frames::split_once;
use crate::facts::listing::{Asker, Builder};
use crate::facts::{Listing, Service};
use std::collections::BTreeMap;

/// What the service manager says.
struct Managed {
    name: String,
    kind: u32,
    state: u32,
}

/// Reads the answers about services.
pub(super) fn parse(answers: &Answers<'_>) -> Listing<Service> {
    let mut builder = Builder::empty(Asker { is_root: true });
    let managed: BTreeMap<String, Managed> = answers
        .good(&Ask::ServiceManager, "sc query")
        .map(|section| records(section, answers.code_page))
        .unwrap_or_default()
        .into_iter()
        .map(|one| (one.name.to_lowercase(), one))
        .collect();
    let listed = match answers.good(&Ask::here(SERVICES), "reg query") {
        Ok(section) => read(&section.lines, answers.code_page),
        Err(reason) => {
            builder.gap(format!("the services in the registry: {reason}"));
            Output::default()
        }
    };
    if builder.is_complete() && listed.below(SERVICES).next().is_none() {
        builder.gap("`reg query` lists no service at all");
    }
    let search = |value| answers.search(&Ask::deep(SERVICES, value));
    let (types, paths) = (search("Type"), search("ImagePath"));
    let mut services: BTreeMap<String, Service> = BTreeMap::new();
    for key in listed.below(SERVICES) {
        let manager = managed.get(&key.name().to_lowercase());
        let Some(kind) = kind_of(key, manager, types.as_ref().ok()) else { continue };
        services.insert(
            key.name().to_lowercase(),
            Service {
                name: key.name().to_owned(),
                kind: kind.to_owned(),
                file: file_of(key, kind, paths.as_ref().ok()),
                active: manager.map(|one| state_word(one.state).to_owned()),
            },
        );
    }
    // One that is deleted lives on in the service manager until the last handle is closed.
    for (key, one) in &managed {
        services.entry(key.clone()).or_insert_with(|| Service {
            name: one.name.clone(),
            kind: kind_word(one.kind).to_owned(),
            file: None,
            active: Some(state_word(one.state).to_owned()),
        });
    }
    services.into_values().for_each(|service| builder.push(service));
    builder.finish(|service| service.name.to_lowercase())
}

/// What a key is; none: no service, since it has no type. Programs keep other things there too.
fn kind_of(key: &Key, manager: Option<&Managed>, types: Option<&Output>) -> Option<&'static str> {
    if let Some(manager) = manager {
        return Some(kind_word(manager.kind));
    }
    let Some(types) = types else { return Some("unknown") };
    let data = &types.key(&key.path)?.value("Type")?.data;
    let digits = data.trim().strip_prefix("0x").unwrap_or_default();
    Some(u32::from_str_radix(digits, 16).map_or("unknown", kind_word))
}

/// `SERVICE_KERNEL_DRIVER`, `_FILE_SYSTEM_DRIVER`, `_ADAPTER`, `_RECOGNIZER_DRIVER`; all others are
/// processes. <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/ns-winsvc-service_status>
fn kind_word(kind: u32) -> &'static str {
    match kind {
        0 => "unknown",
        1..=15 => "driver",
        _ => "service",
    }
}

/// The image path. A driver without one is `NAME.sys` among the system's drivers.
fn file_of(key: &Key, kind: &str, paths: Option<&Output>) -> Option<String> {
    let found = paths?.key(&key.path).and_then(|key| key.value("ImagePath")).map(|value| value.data.clone());
    found.or_else(|| (kind == "driver").then(|| format!(r"System32\drivers\{}.sys", key.name())))
}

/// `SERVICE_STOPPED` to `SERVICE_PAUSED`, in systemd's words where it has one.
fn state_word(state: u32) -> &'static str {
    match state {
        1 => "inactive",
        2 => "activating",
        3 => "deactivating",
        4 => "active",
        5 => "continuing",
        6 => "pausing",
        7 => "paused",
        _ => "unknown",
    }
}

/// The records that `sc query` prints, one after a blank line.
fn records(section: &Section<'_>, code_page: CodePage) -> Vec<Managed> {
    section
        .lines
        .split(|line| line.trim_ascii().is_empty())
        .filter_map(|record| {
            let is_field = |line: &&&[u8]| line.starts_with(b" ") || line.starts_with(b"\t");
            let (_, name) = split_once(record.iter().find(|line| !is_field(line))?, b":")?;
            let mut numbers = record.iter().filter(is_field).filter_map(|line| {
                let (_, value) = split_once(line, b":")?;
                value.trim_ascii().split(|byte| !byte.is_ascii_hexdigit()).next()
            });
            let mut number =
                |radix| u32::from_str_radix(std::str::from_utf8(numbers.next()?).ok()?, radix).ok();
            let (kind, state) = (number(16)?, number(10)?);
            let name = code_page.text(name.trim_ascii());
            (!name.is_empty()).then_some(Managed { name, kind, state })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_records_in_every_language() {
        // Forms as shown in https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/sc-query
        // and, in Russian, in the README of the public pywin32service example.
        let english: &str = "\nSERVICE_NAME: klnagent\nDISPLAY_NAME: Kaspersky Security Center Network Agent\n        TYPE               : 10  WIN32_OWN_PROCESS  \n        STATE              : 4  RUNNING \n                                (STOPPABLE, NOT_PAUSABLE, ACCEPTS_SHUTDOWN)\n        WIN32_EXIT_CODE    : 0  (0x0)\n";
        let russian: &str = "\nИмя_службы: klnagent\nВыводимое_имя: Агент: администрирования\n        Тип                : 10  WIN32_OWN_PROCESS  \n        Состояние          : 4  RUNNING \n                                (STOPPABLE, PAUSABLE, ACCEPTS_SHUTDOWN)\n        Код_выхода_Win32   : 0  (0x0)\n";
        for text in [english, russian] {
            let section =
                Section { lines: text.split('\n').map(str::as_bytes).collect(), ..Section::default() };
            let read = records(&section, CodePage::of_number(65001));
            assert_eq!(read.len(), 1);
            assert_eq!((read[0].name.as_str(), read[0].kind, read[0].state), ("klnagent", 16, 4));
        }
    }
}
