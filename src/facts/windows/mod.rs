//! Windows: questions → a flat script for `cmd.exe`; its answer → facts.
//!
//! Only tools that every supported Windows has, no PowerShell, nothing that depends on the display
//! language or the code page. Each line of the script is a command of its own with its input closed;
//! each answer ends with a mark that has the program's code. A tool that is missing, or that says nothing
//! and ends with 0 as a stub does, leaves a gap: every listing must show something that is on any
//! Windows before it may say that anything else is not there.

mod answers;
mod ask;
mod base;
mod certificates;
mod files;
mod paths;
mod processes;
mod programs;
mod registry;
mod registry_keys;
mod services;
mod tasks;
#[cfg(test)]
mod tests;
mod text;

#[cfg(test)]
use super::PendingReboot;
use super::parse::unanswered;
use super::{Facts, Listing, Questions, Topic};
use crate::model::Platform;
use crate::transport::{Answer, ReadOnlyScript};
use answers::Answers;
use ask::Asks;
use jiff::Timestamp;

/// The script that asks `questions` of Windows: pure text, read-only by construction. Its answer is
/// framed by `nonce`, which must be new for each run, of letters, digits and `-`.
#[must_use]
pub fn script(questions: &Questions, nonce: &str) -> ReadOnlyScript {
    // The login's own directory is not searched for programs: what lies there is none of the system's.
    let mut lines =
        vec![format!("set \"N={nonce}\""), "set \"NoDefaultCurrentDirectoryInExePath=1\"".to_owned()];
    lines.extend(Asks::of(&of_windows(questions)).lines());
    lines.push(String::new());
    ReadOnlyScript::trusted(lines.join("\n"))
}

/// Reads the answer to `script(questions, nonce)`. Pure; whatever the host sent, it never panics, and
/// never takes a cut or damaged answer for a whole one.
#[must_use]
pub fn parse(
    host: &str,
    questions: &Questions,
    nonce: &str,
    answer: &Answer,
    host_key: Option<String>,
    at: Timestamp,
) -> Facts {
    let questions = &of_windows(questions);
    let asks = Asks::of(questions);
    let bytes = answer.stdout.bytes();
    let answers = Answers::read(&bytes, nonce, answer, &asks);
    let environment = base::Environment::read(&answers);
    let base = base::parse(&answers, &environment, host_key);
    let is_windows = base.os.kernel_name == "Windows_NT";
    let reason = match &answers.end {
        end if answers.is_empty() => end.clone(),
        _ => "the host did not say that it runs Windows".to_owned(),
    };
    let mut facts = unanswered(host, questions, &reason, at);
    facts.identity = base.identity;
    if !is_windows {
        return facts;
    }
    facts.platform = Some(Platform::Windows);
    facts.os = base.os;
    facts.boot = base.boot;
    facts.privilege.elevated = base.elevated;
    facts.pending_reboot = base.pending_reboot;
    facts.mounts = Listing::unanswered("mount points are not asked on Windows");
    fill(&mut facts, &answers, questions, &environment, &asks);
    if base.elevated == Some(false) {
        tell_of_rights(&mut facts);
    }
    facts
}

/// Whether something can only be on other platforms, or is not asked on this one.
fn of_windows(questions: &Questions) -> Questions {
    let mut of = questions.clone();
    of.paths.retain(|path| crate::playbook::is_windows_path(path));
    of.files.retain(|path, _| crate::playbook::is_windows_path(path));
    of.topics.retain(|topic| !is_elsewhere(*topic));
    of
}

/// Whether no Windows has such a thing.
fn is_elsewhere(topic: Topic) -> bool {
    use Topic::{Apps, KernelModules, Packages, Receipts, SystemExtensions};
    matches!(topic, Packages | KernelModules | Receipts | SystemExtensions | Apps)
}

fn fill(
    facts: &mut Facts,
    answers: &Answers<'_>,
    questions: &Questions,
    environment: &base::Environment,
    asks: &Asks,
) {
    let hives = programs::hives(answers);
    let not_asked = "this version does not ask this on Windows";
    for topic in &questions.topics {
        match topic {
            Topic::Programs => {
                facts.programs = programs::machine(answers);
                facts.user_programs = programs::of_users(answers, &hives);
            }
            Topic::Services => facts.services = services::parse(answers),
            Topic::Processes => facts.processes = processes::parse(answers),
            Topic::Certificates => facts.certificates = certificates::parse(answers),
            Topic::ScheduledTasks => facts.scheduled_tasks = tasks::parse(answers),
            Topic::Users => facts.users = Listing::unanswered(not_asked),
            Topic::Groups => facts.groups = Listing::unanswered(not_asked),
            Topic::Ports => facts.ports = Listing::unanswered(not_asked),
            Topic::Packages
            | Topic::KernelModules
            | Topic::Receipts
            | Topic::SystemExtensions
            | Topic::Apps => {}
        }
    }
    let seen = paths::Seen::of(answers, environment, &asks.directories);
    facts.paths = questions.paths.iter().map(|path| (path.clone(), seen.answer(path))).collect();
    facts.files = files::parse(answers, &questions.files, &seen, asks.files.len());
    facts.registry = registry_keys::parse(answers, &questions.registry, &hives);
}

/// What an ordinary user could not read is a gap that says so.
fn tell_of_rights(facts: &mut Facts) {
    fn tell<T>(listing: &mut Listing<T>) {
        for gap in &mut listing.gaps {
            gap.reason.push_str("; the login does not have an administrator's whole rights");
        }
    }
    tell(&mut facts.programs);
    tell(&mut facts.user_programs);
    tell(&mut facts.services);
    tell(&mut facts.processes);
    tell(&mut facts.certificates);
    tell(&mut facts.scheduled_tasks);
    facts.paths.values_mut().for_each(tell);
    facts.files.values_mut().for_each(tell);
    facts.registry.values_mut().for_each(tell);
}
