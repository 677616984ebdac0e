//! An answer → facts. Pure; whatever the host sent, it never panics, and never takes a cut or
//! damaged answer for a whole one.

use super::frames::{Section, Sections, read};
use super::listing::Asker;
use super::{
    Facts, FileText, Gap, Listing, PendingReboot, Privilege, Questions, Topic, accounts, base, certificates,
    kernel, macos, packages, paths, posix, processes, services, tasks,
};
use crate::model::Platform;
use crate::playbook::{TextPattern, is_windows_path};
use crate::transport::{Answer, BecomeResult};
use jiff::Timestamp;
use std::collections::HashSet;

/// Version of the facts document's format.
pub(super) const FORMAT: u32 = 1;

/// Reads the answer to `script(questions, nonce)`. `host_key` is the fingerprint that the connection
/// saw; `at` is when the answer came.
#[must_use]
pub fn parse(
    host: &str,
    questions: &Questions,
    nonce: &str,
    answer: &Answer,
    host_key: Option<String>,
    at: Timestamp,
) -> Facts {
    let bytes = answer.stdout.bytes();
    let sections = read(&bytes, nonce, answer);
    let mut base = base::parse(&sections.get("base"), host_key);
    if base.platform == Some(Platform::Macos) {
        macos::read_base(&sections.get("base"), &mut base);
    }
    let mut facts = unanswered(host, questions, &not_recognised(&sections, &base), at);
    facts.platform = base.platform;
    facts.identity = base.identity;
    facts.boot = base.boot;
    facts.privilege.uid = base.uid;
    if let BecomeResult::Failed { reason } = &answer.become_result {
        facts.privilege.become_failed = Some(reason.clone());
    }
    facts.os = base.os;
    if base.platform == Some(Platform::Linux) && !base.is_jail {
        leave_out_windows(&mut facts);
        facts.pending_reboot = base.pending_reboot;
        facts.mounts = base.mounts;
        let asker = Asker { is_root: base.uid == Some(0) };
        fill(&mut facts, &sections, questions, asker, base.hides_processes.as_deref());
        facts.receipts = Listing::default();
        facts.system_extensions = Listing::default();
        facts.apps = Listing::default();
    } else if base.platform == Some(Platform::Macos) {
        leave_out_windows(&mut facts);
        facts.pending_reboot = base.pending_reboot;
        facts.mounts = base.mounts;
        let asker = Asker { is_root: base.uid == Some(0) };
        macos::fill(&mut facts, &sections, questions, asker);
        fill_paths(&mut facts, &sections, questions, asker);
    }
    facts
}

/// What only Windows could answer says nothing about this host: it is not kept as unanswered.
fn leave_out_windows(facts: &mut Facts) {
    facts.paths.retain(|path, _| !is_windows_path(path));
    facts.files.retain(|path, _| !is_windows_path(path));
    facts.registry.clear();
    facts.programs = Listing::default();
    facts.user_programs = Listing::default();
}

/// Facts of a host of which nothing is known, for this reason.
pub(super) fn unanswered(host: &str, questions: &Questions, reason: &str, at: Timestamp) -> Facts {
    let asked = |topic| questions.topics.contains(&topic);
    Facts {
        uproot_facts: FORMAT,
        host: host.to_owned(),
        at,
        provenance: "recorded".to_owned(),
        platform: None,
        identity: Default::default(),
        boot: Default::default(),
        os: Default::default(),
        privilege: Privilege::default(),
        pending_reboot: PendingReboot::Unknown(reason.to_owned()),
        mounts: Listing::unanswered(reason),
        packages: listing(asked(Topic::Packages), reason),
        services: listing(asked(Topic::Services), reason),
        processes: listing(asked(Topic::Processes), reason),
        kernel_modules: listing(asked(Topic::KernelModules), reason),
        certificates: listing(asked(Topic::Certificates), reason),
        users: listing(asked(Topic::Users), reason),
        groups: listing(asked(Topic::Groups), reason),
        ports: listing(asked(Topic::Ports), reason),
        scheduled_tasks: listing(asked(Topic::ScheduledTasks), reason),
        paths: questions.paths.iter().map(|path| (path.clone(), Listing::unanswered(reason))).collect(),
        files: questions.files.keys().map(|file| (file.clone(), Listing::unanswered(reason))).collect(),
        programs: listing(asked(Topic::Programs), reason),
        user_programs: listing(asked(Topic::Programs), reason),
        receipts: listing(asked(Topic::Receipts), reason),
        system_extensions: listing(asked(Topic::SystemExtensions), reason),
        apps: listing(asked(Topic::Apps), reason),
        registry: questions.registry.keys().map(|key| (key.clone(), Listing::unanswered(reason))).collect(),
    }
}

fn listing<T>(asked: bool, reason: &str) -> Listing<T> {
    if asked { Listing::unanswered(reason) } else { Listing::default() }
}

/// Why nothing is known of a host that is neither Linux nor macOS, or did not say what it is.
fn not_recognised(sections: &Sections<'_>, base: &base::Base) -> String {
    match base.platform {
        _ if base.is_jail => {
            "the login leads into a jail: its root directory is not the host's (`ChrootDirectory` of sshd?)"
                .to_owned()
        }
        _ if sections.is_empty() => sections.end().to_owned(),
        _ if base.os.kernel_name.is_empty() => "the host did not say which system it runs".to_owned(),
        _ => format!("the system `{}` is not supported by this version", base.os.kernel_name),
    }
}

fn fill(
    facts: &mut Facts,
    sections: &Sections<'_>,
    questions: &Questions,
    asker: Asker,
    hides_processes: Option<&str>,
) {
    for topic in &questions.topics {
        let Some(section) = posix::section(*topic) else { continue };
        let section = &sections.get(section);
        match topic {
            Topic::Packages => facts.packages = packages::parse(section, asker),
            Topic::Services => facts.services = services::parse(section, asker),
            Topic::Processes => facts.processes = processes::parse(section, asker, hides_processes),
            Topic::KernelModules => facts.kernel_modules = kernel::modules(section, asker),
            Topic::Certificates => facts.certificates = certificates::parse(section, asker, "sed"),
            Topic::Users => facts.users = accounts::parse(section, asker, "users", "/etc/passwd"),
            Topic::Groups => facts.groups = accounts::parse(section, asker, "groups", "/etc/group"),
            Topic::Ports => facts.ports = kernel::ports(section, asker),
            Topic::ScheduledTasks => facts.scheduled_tasks = tasks::parse(section, asker),
            Topic::Programs | Topic::Receipts | Topic::SystemExtensions | Topic::Apps => {}
        }
    }
    fill_paths(facts, sections, questions, asker);
}

fn fill_paths(facts: &mut Facts, sections: &Sections<'_>, questions: &Questions, asker: Asker) {
    if !questions.paths.is_empty() || !questions.files.is_empty() {
        let section: Section<'_> = sections.get("paths");
        let mounts: HashSet<&str> = facts.mounts.items.iter().map(String::as_str).collect();
        let (mut found, texts) = paths::parse(&section, questions, asker, &mounts);
        if !facts.mounts.is_complete() {
            // Whether something is a mount point is not known either.
            found.values_mut().filter(|listing| !listing.items.is_empty()).for_each(|listing| {
                listing.gaps.push(Gap { reason: "the mount points are not known".to_owned(), remedy: None });
            });
        }
        facts.paths = found;
        facts.files = texts;
        for (path, listing) in &mut facts.files {
            let patterns = questions.files.get(path).map(|patterns| patterns.iter().cloned().collect());
            let patterns: Vec<String> = patterns.unwrap_or_default();
            listing.items.iter_mut().for_each(|file| keep_lines(file, &patterns));
        }
    }
}

/// Keeps the lines that one of the expressions may match: those that do, those that lost characters,
/// and the one that was cut off.
pub(super) fn keep_lines(file: &mut FileText, patterns: &[String]) {
    let compiled: Result<Vec<_>, _> = patterns.iter().map(|p| TextPattern(p.clone()).compile()).collect();
    // Expressions were checked when they were read; with one that is none, all is kept.
    let Ok(compiled) = compiled else { return };
    if compiled.is_empty() {
        return;
    }
    let last = file.text.lines().count().saturating_sub(1);
    let may_match = |(number, line): &(usize, &str)| {
        line.contains(['\u{fffd}', '\0'])
            || (file.truncated && *number == last)
            || compiled.iter().any(|regex| regex.is_match(line.trim_start_matches('\u{feff}')))
    };
    let kept: Vec<&str> = file.text.lines().enumerate().filter(may_match).map(|(_, line)| line).collect();
    let end = if file.text.ends_with('\n') && !kept.is_empty() { "\n" } else { "" };
    file.text = kept.join("\n") + end;
    file.kept_for = patterns.to_vec();
}
