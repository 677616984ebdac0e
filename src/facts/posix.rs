//! Questions → one POSIX shell script that only reads.

use super::glob::{Search, searches};
use super::{Questions, Topic};
use crate::model::output::single_quoted as quote;
use crate::playbook::is_windows_path;
use crate::transport::ReadOnlyScript;
use std::fmt::Write;

const FRAME: &str = include_str!("posix/frame.sh");
const BASE: &str = include_str!("posix/base.sh");
const PACKAGES: &str = include_str!("posix/packages.sh");
const UNITS: &str = include_str!("posix/units.sh");
const SERVICES: &str = include_str!("posix/services.sh");
const TASKS: &str = include_str!("posix/tasks.sh");
const ACCOUNTS: &str = include_str!("posix/accounts.sh");
const KERNEL: &str = include_str!("posix/kernel.sh");
const CERTIFICATES: &str = include_str!("posix/certificates.sh");
const PATHS: &str = include_str!("posix/paths.sh");
const MACOS_BASE: &str = include_str!("posix/macos/base.sh");
const MACOS_SOFTWARE: &str = include_str!("posix/macos/software.sh");
const MACOS_SYSTEM: &str = include_str!("posix/macos/system.sh");

/// The section that answers a topic on Linux; none: no such thing exists there.
pub(super) fn section(topic: Topic) -> Option<&'static str> {
    let elsewhere = [Topic::Programs, Topic::Receipts, Topic::SystemExtensions, Topic::Apps];
    (!elsewhere.contains(&topic)).then(|| name(topic))
}

/// The section that answers a topic on macOS; none: no such thing exists there, or this version does
/// not ask for it.
pub(super) fn section_of_macos(topic: Topic) -> Option<&'static str> {
    let elsewhere = [Topic::Packages, Topic::Ports, Topic::ScheduledTasks, Topic::Programs];
    (!elsewhere.contains(&topic)).then(|| name(topic))
}

fn name(topic: Topic) -> &'static str {
    match topic {
        Topic::Packages => "packages",
        Topic::Services => "services",
        Topic::Processes => "processes",
        Topic::KernelModules => "kernel_modules",
        Topic::Certificates => "certificates",
        Topic::Users => "users",
        Topic::Groups => "groups",
        Topic::Ports => "ports",
        Topic::ScheduledTasks => "scheduled_tasks",
        Topic::Programs => "programs",
        Topic::Receipts => "receipts",
        Topic::SystemExtensions => "system_extensions",
        Topic::Apps => "apps",
    }
}

/// The asked patterns in the order of their numbers in the script, and whether the text is asked;
/// those of Windows are left out.
pub(super) fn patterns(questions: &Questions) -> impl Iterator<Item = (&str, bool)> {
    let paths = questions.paths.iter().map(|pattern| (pattern.as_str(), false));
    let all = paths.chain(questions.files.keys().map(|pattern| (pattern.as_str(), true)));
    all.filter(|(pattern, _)| !is_windows_path(pattern))
}

/// The script that asks `questions`: pure text, read-only by construction. Its answer is framed by
/// `nonce`, which must be new for each run, of letters, digits and `-`.
#[must_use]
pub fn script(questions: &Questions, nonce: &str) -> ReadOnlyScript {
    let asks = |topics: &[Topic]| topics.iter().any(|topic| questions.topics.contains(topic));
    let mut text = format!("uproot_facts() {{\nN={}\n", quote(nonce));
    let mut parts = vec![FRAME, BASE];
    let chosen = [
        (PACKAGES, asks(&[Topic::Packages])),
        (UNITS, asks(&[Topic::Services, Topic::ScheduledTasks])),
        (SERVICES, asks(&[Topic::Services])),
        (TASKS, asks(&[Topic::ScheduledTasks])),
        (ACCOUNTS, asks(&[Topic::Users, Topic::Groups])),
        (KERNEL, asks(&[Topic::KernelModules, Topic::Ports, Topic::Processes])),
        (CERTIFICATES, asks(&[Topic::Certificates])),
        (PATHS, asks_paths(questions)),
        (MACOS_BASE, true),
        (MACOS_SOFTWARE, asks(&[Topic::Services, Topic::Receipts, Topic::SystemExtensions, Topic::Apps])),
        (
            MACOS_SYSTEM,
            asks(&[Topic::KernelModules, Topic::Processes, Topic::Certificates, Topic::Users, Topic::Groups]),
        ),
    ];
    parts.extend(chosen.into_iter().filter_map(|(part, needed)| needed.then_some(part)));
    parts.into_iter().for_each(|part| push_code(&mut text, part));
    if asks_paths(questions) {
        push_asked(&mut text, questions);
    }
    text.push_str(
        "kernel=$(uname -srm 2>/dev/null)\n\
         uid=$(id -u 2>/dev/null)\n\
         statable=\n\
         case $kernel in\nLinux\\ *) ;;\nDarwin\\ *)\n",
    );
    push_sections(&mut text, "mac", questions, section_of_macos);
    text.push_str(
        "return 0 ;;\n\
         *) mark begin base; printf '|%s uname %s\\n|%s done base\\n' \"$N\" \"$kernel\" \"$N\"\n\
         mark end base; return 0 ;;\nesac\n\
         if [ \"$uid\" = 0 ]; then HOME=/root; else HOME=${HOME:-/}; fi\n\
         case $(stat -c %f / 2>/dev/null) in 4*) statable=1 ;; esac\n",
    );
    push_sections(&mut text, "ask", questions, section);
    // The status of the last program that was asked says nothing.
    text.push_str("return 0\n}\nuproot_facts </dev/null\n");
    ReadOnlyScript::trusted(text)
}

/// Adds the calls of the sections that answer `questions` on one platform, whose functions begin with
/// `ask` and `_`.
fn push_sections(
    text: &mut String,
    ask: &str,
    questions: &Questions,
    section: fn(Topic) -> Option<&'static str>,
) {
    let _ = writeln!(text, "ask={ask}\nsection base");
    for section in questions.topics.iter().filter_map(|topic| section(*topic)) {
        let _ = writeln!(text, "section {section}");
    }
    // What may hang on a dead network file system comes last.
    if asks_paths(questions) {
        text.push_str("section paths\n");
    }
}

fn asks_paths(questions: &Questions) -> bool {
    patterns(questions).next().is_some()
}

/// Adds shell code without its comments: they need not travel.
fn push_code(text: &mut String, code: &str) {
    for line in code.lines().filter(|line| !line.trim_start().starts_with('#') && !line.is_empty()) {
        text.push_str(line);
        text.push('\n');
    }
}

/// Adds the function that asks for each path.
fn push_asked(text: &mut String, questions: &Questions) {
    text.push_str("asked() {\n");
    for (index, (pattern, is_text)) in patterns(questions).enumerate() {
        // What cannot be asked is a gap that the parser finds in the same way.
        let Ok(searches) = searches(pattern) else { continue };
        let _ = writeln!(text, "of {index}{}", if is_text { " text" } else { "" });
        for search in searches {
            push_search(text, &search);
        }
    }
    text.push_str(":\n}\n");
}

fn push_search(text: &mut String, search: &Search) {
    match search {
        Search::Literal(path) => {
            let _ = writeln!(text, "add {}", quote(path));
        }
        Search::Walk { base, levels } => {
            let _ = write!(text, "walk {}", quote(base));
            for level in levels {
                for word in [&level.pattern, &level.dotted, &level.rest] {
                    let _ = write!(text, " {}", quote(word));
                }
            }
            text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests;
