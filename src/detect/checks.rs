//! Each check against the facts: true where something matches, unknown where something may, false
//! where everything was seen and nothing can.

use super::files;
use super::macos;
use super::outcome::{Doubt, Outcome, Scan};
use super::software;
use super::text::{LOST, LineTest, NameTest, cut};
use super::windows;
use crate::facts::{Account, Facts, Listing, ScheduledTask};
use crate::model::{Platform, Truth};
use crate::playbook::version::{check_range, version_in_range};
use crate::playbook::{Check, Pattern, TextPattern, is_windows_path};

/// The answer of `check` on a host with these facts.
pub(super) fn answer(check: &Check, facts: &Facts) -> Outcome {
    if cannot_be_there(check, facts.platform) {
        return Outcome::known(false, true);
    }
    match check {
        Check::Package { name, version, state } => software::package(name, version.as_deref(), *state, facts),
        Check::Service { name, running } => software::service(name, *running, facts),
        Check::Process { name, exe } => software::process(name.as_ref(), exe.as_ref(), facts),
        Check::Path { path, kind, owner } => files::path(path, *kind, owner.as_deref(), facts),
        Check::FileContains { path, pattern } => files::file_contains(path, pattern, facts),
        Check::KernelModule { name } => kernel_module(name, facts),
        Check::Certificate { subject } => certificate(subject, facts),
        Check::User { name } => account(name, &facts.users, "users"),
        Check::Group { name } => account(name, &facts.groups, "groups"),
        Check::Port { port, protocol } => listening_port(*port, protocol, facts),
        Check::ScheduledTask { name, command } => scheduled_task(name.as_ref(), command.as_ref(), facts),
        Check::Os { id, version } => os(id.as_ref(), version.as_deref(), facts),
        Check::Program { name, publisher, product_code, version, per_user } => {
            let test = windows::ProgramTest {
                name: name.as_ref(),
                publisher: publisher.as_ref(),
                product_code: product_code.as_deref(),
                version: version.as_deref(),
                per_user: *per_user,
            };
            windows::program(&test, facts)
        }
        Check::Registry { key, value, data } => {
            windows::registry(key, value.as_deref(), data.as_ref(), facts)
        }
        Check::Driver { name, file } => windows::driver(name.as_ref(), file.as_ref(), facts),
        Check::Receipt { id, version } => macos::receipt(id, version.as_deref(), facts),
        Check::SystemExtension { id, team } => macos::system_extension(id, team.as_deref(), facts),
        Check::App { id, version } => macos::app(id, version.as_deref(), facts),
    }
}

/// Whether a check asks for what only another platform can have: no host of this one does.
fn cannot_be_there(check: &Check, platform: Option<Platform>) -> bool {
    let Some(platform) = platform else { return false };
    let windows = platform == Platform::Windows;
    let elsewhere = |path: &Pattern| {
        if windows { path.as_str().starts_with('/') } else { is_windows_path(path.as_str()) }
    };
    match check {
        Check::Program { .. } | Check::Registry { .. } | Check::Driver { .. } => !windows,
        Check::Path { path, .. } | Check::FileContains { path, .. } => elsewhere(path),
        Check::Process { exe: Some(exe), .. } => elsewhere(exe),
        Check::Package { .. } => platform != Platform::Linux,
        Check::KernelModule { .. } => windows,
        Check::Receipt { .. } | Check::SystemExtension { .. } | Check::App { .. } => {
            platform != Platform::Macos
        }
        _ => false,
    }
}

/// The doubt about an item whose text lost characters.
pub(super) fn lost_characters(what: &str, text: &str) -> Doubt {
    Doubt::new(format!("{what} `{}` has characters that could not be read", cut(text, 80)))
}

/// The answer of a check whose pattern is none: no host can answer it.
pub(super) fn invalid_pattern(pattern: &str, compared: bool) -> Outcome {
    Outcome::unknown(Doubt::new(format!("the pattern `{}` is not valid", cut(pattern, 80))), compared)
}

/// The answer of a check that names nothing to look for.
pub(super) fn names_nothing(compared: bool) -> Outcome {
    Outcome::unknown(Doubt::new("the check names nothing to look for"), compared)
}

/// Loaded modules bear `_` where their file and the vendor's text may have `-`.
fn kernel_module(pattern: &Pattern, facts: &Facts) -> Outcome {
    let written = NameTest::new(pattern);
    if !written.is_valid() {
        return invalid_pattern(written.text(), true);
    }
    let folded = NameTest::owned(Pattern::new(fold_outside_classes(pattern.as_str())));
    Scan::of(&facts.kernel_modules, |module| {
        let name = &module.name;
        let truth = written.matches(name).or(folded.matches(&name.replace('-', "_")));
        if truth.is_false() && name.contains('_') { written.matches(&name.replace('_', "-")) } else { truth }
    })
    .conclude(
        |module| module.name.clone(),
        Some(&|module| module.name.replace('-', "_")),
        |module| lost_characters("the name of kernel module", &module.name),
    )
}

/// `-` as `_`, but not within `[…]`, where it may be a range.
fn fold_outside_classes(pattern: &str) -> String {
    let mut in_class = false;
    pattern
        .chars()
        .map(|c| {
            in_class = match c {
                '[' => true,
                ']' => false,
                _ => in_class,
            };
            if c == '-' && !in_class { '_' } else { c }
        })
        .collect()
}

fn certificate(subject: &TextPattern, facts: &Facts) -> Outcome {
    if facts.certificates.items.is_empty() && facts.certificates.is_complete() {
        return Outcome::known(false, true);
    }
    let test = LineTest::new(subject);
    if !test.is_valid() {
        return invalid_pattern(&subject.0, true);
    }
    Scan::of(&facts.certificates, |certificate| test.matches(&certificate.subject)).conclude(
        |certificate| {
            format!("{} in {}, SHA-256 {}", certificate.subject, certificate.file, certificate.sha256)
        },
        Some(&|certificate| format!("{} {}", certificate.subject, certificate.sha256)),
        |certificate| lost_characters("the certificate", &certificate.subject),
    )
}

fn account(pattern: &Pattern, accounts: &Listing<Account>, what: &str) -> Outcome {
    let test = NameTest::new(pattern);
    if !test.is_valid() {
        return invalid_pattern(test.text(), true);
    }
    Scan::of_never_empty(accounts, what, |account| test.matches(&account.name)).conclude(
        |account| format!("{} ({})", account.name, account.id),
        Some(&|account| account.name.clone()),
        |account| lost_characters("the account", &account.name),
    )
}

/// Listening is running state: drift leaves it out.
fn listening_port(port: u16, protocol: &str, facts: &Facts) -> Outcome {
    Scan::of(&facts.ports, |listening| {
        // `tcp6` is tcp.
        let same =
            listening.protocol.strip_prefix(protocol).is_some_and(|rest| matches!(rest, "" | "4" | "6"));
        let lost = listening.protocol.contains(LOST);
        match (listening.port == port, same, lost) {
            (false, ..) | (true, false, false) => Truth::False,
            (true, true, _) => Truth::True,
            (true, false, true) => Truth::Unknown,
        }
    })
    .conclude(
        |listening| format!("{} {} port {}", listening.protocol, listening.address, listening.port),
        None,
        |listening| lost_characters("the protocol", &listening.protocol),
    )
}

fn scheduled_task(name: Option<&Pattern>, command: Option<&TextPattern>, facts: &Facts) -> Outcome {
    if name.is_none() && command.is_none() {
        return names_nothing(true);
    }
    let name = name.map(|name| NameTest::of_path(facts.platform, name));
    if let Some(name) = name.as_ref().filter(|name| !name.is_valid()) {
        return invalid_pattern(name.text(), true);
    }
    let command = command.map(|command| (LineTest::new(command), command));
    if let Some((_, command)) = command.as_ref().filter(|(test, _)| !test.is_valid()) {
        return invalid_pattern(&command.0, true);
    }
    Scan::of(&facts.scheduled_tasks, |task| {
        let named = name.as_ref().map_or(Truth::True, |name| task_name(name, &task.name));
        if named.is_false() {
            return named;
        }
        let runs = command.as_ref().map_or(Truth::True, |(test, _)| {
            // A timer has no line, and the question is about cron's.
            if task.line.is_empty() { Truth::False } else { test.matches(&task.line) }
        });
        named.and(runs)
    })
    .conclude(
        |task| if task.line.is_empty() { task.name.clone() } else { format!("{}: {}", task.name, task.line) },
        Some(&|task| format!("{} {}", task.name, task.line).trim_end().to_owned()),
        |task| lost_characters("the scheduled task", &format!("{}: {}", task.name, task.line)),
    )
}

/// The tasks that a step names, each with whether it is one of them for certain.
pub(crate) fn tasks_named<'f>(name: &Pattern, facts: &'f Facts) -> Vec<(&'f ScheduledTask, Truth)> {
    let test = NameTest::of_path(facts.platform, name);
    let all = facts.scheduled_tasks.items.iter();
    all.map(|task| (task, task_name(&test, &task.name))).filter(|(_, truth)| !truth.is_false()).collect()
}

/// A cron file or a task goes by its path or its last component, a timer with or without `.timer`.
fn task_name(test: &NameTest<'_>, name: &str) -> Truth {
    let mut truth = test.matches(name);
    if let Some((_, last)) = name.rsplit_once(['/', '\\']) {
        truth = truth.or(test.matches(last));
    }
    if let Some(bare) = name.strip_suffix(".timer") {
        truth = truth.or(test.matches(bare));
    }
    truth
}

fn os(id: Option<&Pattern>, version: Option<&str>, facts: &Facts) -> Outcome {
    if id.is_none() && version.is_none() {
        return names_nothing(true);
    }
    if let Some(range) = version.filter(|range| check_range(range).is_err()) {
        return invalid_pattern(range, true);
    }
    let same_id = match id.map(NameTest::new) {
        Some(test) if !test.is_valid() => return invalid_pattern(test.text(), true),
        Some(test) => os_id(&test, facts),
        None => Truth::True,
    };
    let same_version = version.map_or(Truth::True, |range| in_range(facts.os.version_id.as_deref(), range));
    let truth = same_id.and(same_version);
    let known = [&facts.os.id, &facts.os.version_id].map(|part| part.as_deref().unwrap_or_default());
    match truth {
        Truth::False => Outcome::known(false, true),
        Truth::Unknown => {
            let missing = if same_id.is_unknown() { "ID" } else { "VERSION_ID" };
            Outcome::unknown(Doubt::new(format!("os-release does not tell its {missing}")), true)
        }
        Truth::True => Outcome {
            facts: vec![cut(&format!("ID={} VERSION_ID={}", known[0], known[1]), 200).into_owned()],
            matched: Some(vec![cut(known.join(" ").trim_end(), 200).into_owned()]),
            ..Outcome::known(true, true)
        },
    }
}

fn os_id(test: &NameTest<'_>, facts: &Facts) -> Truth {
    let like = facts.os.id_like.as_deref().unwrap_or_default();
    // A lost character may have been the space between two words.
    let at_least = if like.contains(LOST) { Truth::Unknown } else { Truth::False };
    let alike = like.split_whitespace().map(|word| test.matches(word)).fold(at_least, Truth::or);
    // Where there is an ID os-release was read, so an ID_LIKE that is not there is not there.
    facts.os.id.as_deref().map_or(Truth::Unknown, |id| test.matches(id)).or(alike)
}

/// Whether a version lies in a range; unknown where it was not read or cannot be compared.
pub(super) fn in_range(version: Option<&str>, range: &str) -> Truth {
    match version {
        Some(version) if !version.contains(LOST) && !version.is_empty() => {
            version_in_range(version, range).map_or(Truth::Unknown, Truth::from)
        }
        _ => Truth::Unknown,
    }
}
