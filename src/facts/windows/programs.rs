//! Installed programs: the uninstall entries of the machine in both views of the registry, and of every
//! user whose hive is loaded.

use super::answers::Answers;
use super::ask::{Ask, PROFILES, PROGRAM_VALUES, UNINSTALL, USER_UNINSTALL, USER_VERSION, View, Want};
use super::registry::{Key, Output, Standing, read, standing};
use super::registry_keys::in_view;
use crate::facts::listing::{Asker, Builder};
use crate::facts::{Listing, Program};

/// The programs of the machine.
pub(super) fn machine(answers: &Answers<'_>) -> Listing<Program> {
    let mut builder = Builder::empty(Asker { is_root: true });
    for (view, hive) in [(View::Wide, "HKLM"), (View::Narrow, "HKLM (32-bit)")] {
        let keys = match answers.good(&in_view(UNINSTALL, view, Want::Here), "reg query") {
            Ok(section) => read(&section.lines, answers.code_page),
            Err(reason) => {
                builder.gap(format!("the programs of {hive}: {reason}"));
                continue;
            }
        };
        let found = PROGRAM_VALUES.map(|value| {
            answers.search(&in_view(UNINSTALL, view, Want::Deep(value.to_owned()))).unwrap_or_else(|reason| {
                builder.gap(format!("`{value}` of the programs of {hive}: {reason}"));
                Output::default()
            })
        });
        let mut names = keys.below(UNINSTALL).peekable();
        // Windows itself brings a few.
        if names.peek().is_none() {
            builder.gap(format!("`reg query` lists no program at all in {hive}"));
        }
        for key in names {
            let value = |name: &str| {
                found.iter().find_map(|output| Some(output.key(&key.path)?.value(name)?.data.clone()))
            };
            builder.push(program(hive, key, &value));
        }
    }
    builder.finish(order)
}

fn program(hive: &str, key: &Key, value: &dyn Fn(&str) -> Option<String>) -> Program {
    Program {
        hive: hive.to_owned(),
        key: key.name().to_owned(),
        name: value("DisplayName"),
        publisher: value("Publisher"),
        version: value("DisplayVersion"),
        uninstall: value("UninstallString"),
        quiet_uninstall: value("QuietUninstallString"),
    }
}

fn order(program: &Program) -> (String, String) {
    (program.hive.clone(), program.key.clone())
}

/// The users' hives.
#[derive(Debug, Default)]
pub(super) struct Hives {
    /// Those that are loaded, `HKEY_USERS\S-1-5-…`.
    pub loaded: Vec<String>,
    /// Why there may be more: a profile without its hive.
    pub gaps: Vec<String>,
}

/// The users' hives that are loaded, and the profiles whose are not.
pub(super) fn hives(answers: &Answers<'_>) -> Hives {
    let mut hives = Hives::default();
    match answers.good(&Ask::here("HKU"), "reg query") {
        Ok(section) => {
            let listed = read(&section.lines, answers.code_page);
            let below = listed.below("HKU").map(|key| key.path.clone());
            // The classes of a user have a hive of their own, in which no program is listed.
            hives.loaded = below.filter(|path| !path.to_lowercase().ends_with("_classes")).collect();
            if hives.loaded.is_empty() {
                hives.gaps.push("`reg query` lists no user's hive at all".to_owned());
            }
        }
        Err(reason) => hives.gaps.push(format!("the users' hives: {reason}")),
    }
    match answers.good(&Ask::here(PROFILES), "reg query") {
        Ok(section) => {
            let listed = read(&section.lines, answers.code_page);
            let is_loaded = |sid: &str| {
                hives
                    .loaded
                    .iter()
                    .any(|hive| hive.rsplit('\\').next().is_some_and(|name| name.eq_ignore_ascii_case(sid)))
            };
            let unread: Vec<String> = listed
                .below(PROFILES)
                .map(Key::name)
                .filter(|sid| !is_loaded(sid))
                .map(|sid| format!("the profile of `{sid}` is not loaded: its user is not logged in"))
                .collect();
            hives.gaps.extend(unread);
            if listed.below(PROFILES).next().is_none() {
                hives.gaps.push("`reg query` lists no profile at all".to_owned());
            }
        }
        Err(reason) => hives.gaps.push(format!("the users' profiles: {reason}")),
    }
    hives
}

/// The programs of each user.
pub(super) fn of_users(answers: &Answers<'_>, hives: &Hives) -> Listing<Program> {
    let mut builder = Builder::empty(Asker { is_root: true });
    hives.gaps.iter().for_each(|gap| builder.gap(gap.clone()));
    for hive in &hives.loaded {
        let fetch = |key: &str| {
            let below = key.get(hive.len() + 1..).unwrap_or_default();
            let want = if below == USER_UNINSTALL { Want::Whole } else { Want::Here };
            answers.of_hive(&Ask::Hive { below: below.to_owned(), want }, hive)
        };
        let path = format!("{hive}\\{USER_UNINSTALL}");
        let top = USER_VERSION.split('\\').count() + 2;
        match standing(&path, top, answers.code_page, &fetch) {
            Standing::Absent => {}
            Standing::Unknown(reason) => builder.gap(format!("the programs of `{hive}`: {reason}")),
            Standing::There => {
                let Ok(section) = fetch(&path) else { continue };
                let output = read(&section.lines, answers.code_page);
                for key in output.below(&path) {
                    builder.push(program(hive, key, &|name| Some(key.value(name)?.data.clone())));
                }
            }
        }
    }
    builder.finish(order)
}
