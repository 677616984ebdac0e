//! What is asked of a Windows host, as lines of a flat script. Script and parser are made from the same
//! list, so that each answer is found under the label of its question.

use super::paths::Directories;
use crate::facts::{Questions, Topic};
use std::collections::{BTreeMap, BTreeSet};

/// Which of the registry's two views of a 64-bit Windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum View {
    /// What 64-bit programs see.
    Wide,
    /// What 32-bit programs see.
    Narrow,
}

impl View {
    fn option(self) -> &'static str {
        match self {
            Self::Wide => "/reg:64",
            Self::Narrow => "/reg:32",
        }
    }
}

/// What is wanted of a registry key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Want {
    /// Its values and the names of its subkeys.
    Here,
    /// This value of it alone.
    Value(String),
    /// This value of it and of all keys below.
    Deep(String),
    /// All that is below it.
    Whole,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    /// The number of the console's code page.
    CodePage,
    /// Some variables of the machine.
    Environment,
    /// The groups of the login, with the integrity level.
    Groups,
    /// The system's version.
    Version,
    /// When the system started.
    Boot,
    /// A registry key.
    Registry { key: String, view: View, want: Want },
    /// A key below every loaded user's hive.
    Hive { below: String, want: Want },
    /// What the service manager knows.
    ServiceManager,
    /// Processes.
    Processes,
    /// The names in a directory: a number of `Directories`.
    Directory(usize),
    /// The beginnings of files: a number of `Asks::files`.
    File(usize),
}

impl Ask {
    pub(super) fn here(key: &str) -> Self {
        Self::Registry { key: key.to_owned(), view: View::Wide, want: Want::Here }
    }

    pub(super) fn value(key: &str, value: &str) -> Self {
        Self::Registry { key: key.to_owned(), view: View::Wide, want: Want::Value(value.to_owned()) }
    }

    pub(super) fn deep(key: &str, value: &str) -> Self {
        Self::Registry { key: key.to_owned(), view: View::Wide, want: Want::Deep(value.to_owned()) }
    }
}

/// The beginnings of the names of all variables that are asked.
const PREFIXES: [&str; 8] =
    ["ALLUSERS", "Common", "COMPUTERNAME", "OS", "PROCESSOR_ARCHITE", "Program", "PUBLIC", "System"];

pub(super) const UNINSTALL: &str = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall";
pub(super) const USER_VERSION: &str = r"Software\Microsoft\Windows\CurrentVersion";
pub(super) const USER_UNINSTALL: &str = r"Software\Microsoft\Windows\CurrentVersion\Uninstall";
/// The values of an uninstall entry that are kept.
pub(super) const PROGRAM_VALUES: [&str; 5] =
    ["DisplayName", "Publisher", "DisplayVersion", "UninstallString", "QuietUninstallString"];
pub(super) const PROFILES: &str = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList";
pub(super) const SERVICES: &str = r"HKLM\SYSTEM\CurrentControlSet\Services";
pub(super) const TASK_TREE: &str =
    r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache\Tree";
pub(super) const TASK_ACTIONS: &str =
    r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache\Tasks";
pub(super) const VERSION: &str = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion";
pub(super) const CRYPTOGRAPHY: &str = r"HKLM\SOFTWARE\Microsoft\Cryptography";
pub(super) const SERVICING: &str =
    r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing";
pub(super) const UPDATE: &str = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update";
pub(super) const SESSION_MANAGER: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager";
/// The parts of the machine's store of trusted root certificates: its own, the one that Windows Update
/// fills, those of group policy and of the directory.
/// <https://learn.microsoft.com/en-us/windows/win32/seccrypto/system-store-locations>
pub(super) const ROOT_STORES: [&str; 4] = [
    r"HKLM\SOFTWARE\Microsoft\SystemCertificates\ROOT\Certificates",
    r"HKLM\SOFTWARE\Microsoft\SystemCertificates\AuthRoot\Certificates",
    r"HKLM\SOFTWARE\Policies\Microsoft\SystemCertificates\Root\Certificates",
    r"HKLM\SOFTWARE\Microsoft\EnterpriseCertificates\Root\Certificates",
];

/// All questions, each with its label, in the order in which they are asked.
#[derive(Debug)]
pub(super) struct Asks {
    labels: BTreeMap<Ask, String>,
    pub(super) directories: Directories,
    /// The components of the files that are read.
    pub(super) files: Vec<Vec<String>>,
}

impl Asks {
    pub(super) fn of(questions: &Questions) -> Self {
        let mut asks = BTreeSet::from([
            Ask::CodePage,
            Ask::Environment,
            Ask::Groups,
            Ask::Boot,
            Ask::Version,
            Ask::value(VERSION, "ProductName"),
            Ask::value(CRYPTOGRAPHY, "MachineGuid"),
            Ask::here(SERVICING),
            Ask::here(SESSION_MANAGER),
        ]);
        asks.extend(chain(UPDATE).map(|key| Ask::here(&key)));
        for topic in &questions.topics {
            topic_asks(*topic, &mut asks);
        }
        for (key, values) in &questions.registry {
            super::registry_keys::asks(key, values, &mut asks);
        }
        let files = || questions.files.keys().map(String::as_str);
        let directories = Directories::of(questions.paths.iter().map(String::as_str).chain(files()));
        asks.extend((0..directories.len()).map(Ask::Directory));
        let files = super::files::asked(files());
        asks.extend((0..files.len()).map(Ask::File));
        let labels = asks.into_iter().enumerate().map(|(number, ask)| (ask, format!("q{number}"))).collect();
        Self { labels, directories, files }
    }

    pub(super) fn label(&self, ask: &Ask) -> Option<&str> {
        self.labels.get(ask).map(String::as_str)
    }

    /// Every question, in the order in which they are asked.
    #[cfg(test)]
    pub(super) fn each(&self) -> impl Iterator<Item = &Ask> {
        self.labels.keys()
    }

    /// The lines of the script.
    pub(super) fn lines(&self) -> Vec<String> {
        self.labels.iter().flat_map(|(ask, label)| self.lines_of(ask, label)).collect()
    }

    fn lines_of(&self, ask: &Ask, label: &str) -> Vec<String> {
        let begin = format!("echo %N% ask {label}");
        let end = format!("echo %N% end {label} %errorlevel%");
        let plain = |command: &str| vec![begin.clone(), format!("{command} <nul 2>nul"), end.clone()];
        match ask {
            Ask::CodePage => plain("chcp"),
            Ask::Version => plain("ver"),
            Ask::Environment => {
                let mut lines = vec![begin];
                lines.extend(PREFIXES.iter().map(|prefix| format!("set {prefix}")));
                lines.push("set windir".to_owned());
                // Not redirected: that would leave a space behind the name.
                // Whatever the last of them said: what was not printed is not set.
                lines.push(format!("echo %N% end {label} 0"));
                lines
            }
            Ask::Groups => plain("whoami /groups /fo csv /nh"),
            Ask::Boot => plain(
                "wevtutil qe System \"/q:*[System[Provider[@Name='Microsoft-Windows-Kernel-General'] and (EventID=12)]]\" /c:1 /rd:true /f:xml",
            ),
            Ask::Registry { key, view, want } => {
                plain(&format!("reg query \"{key}\"{} {}", want_option(want), view.option()))
            }
            Ask::Hive { below, want } => {
                let query = format!("reg query \"%i\\{below}\"{} /reg:64 <nul 2>nul", want_option(want));
                vec![format!(
                    "for /f \"delims=\" %i in ('reg query HKU ^<nul 2^>nul') do (echo %N% ask {label} %i& \
                     {query}& if errorlevel 1 (echo %N% end {label} 1) else (echo %N% end {label} 0))"
                )]
            }
            Ask::ServiceManager => plain("sc query type= all state= all bufsize= 262144"),
            Ask::Processes => plain("tasklist /fo csv /nh"),
            Ask::Directory(number) => self.directories.lines(*number, label),
            Ask::File(number) => {
                self.files.get(*number).map(|parts| super::files::line(parts, label)).into_iter().collect()
            }
        }
    }
}

fn want_option(want: &Want) -> String {
    match want {
        Want::Here => String::new(),
        Want::Value(value) => format!(" /v \"{value}\""),
        Want::Deep(value) => format!(" /s /v \"{value}\""),
        Want::Whole => " /s".to_owned(),
    }
}

fn topic_asks(topic: Topic, asks: &mut BTreeSet<Ask>) {
    match topic {
        Topic::Programs => {
            for view in [View::Wide, View::Narrow] {
                let wants = PROGRAM_VALUES.map(|value| Want::Deep(value.to_owned()));
                for want in wants.into_iter().chain([Want::Here]) {
                    asks.insert(Ask::Registry { key: UNINSTALL.to_owned(), view, want });
                }
            }
            asks.insert(Ask::Hive { below: USER_VERSION.to_owned(), want: Want::Here });
            asks.insert(Ask::Hive { below: USER_UNINSTALL.to_owned(), want: Want::Whole });
            asks.insert(Ask::here("HKU"));
            asks.insert(Ask::here(PROFILES));
        }
        Topic::Services => {
            asks.insert(Ask::here(SERVICES));
            asks.insert(Ask::deep(SERVICES, "ImagePath"));
            asks.insert(Ask::deep(SERVICES, "Type"));
            asks.insert(Ask::ServiceManager);
        }
        Topic::Processes => {
            asks.insert(Ask::Processes);
        }
        Topic::Certificates => {
            for store in ROOT_STORES {
                asks.extend(chain(store).map(|key| Ask::here(&key)));
                asks.insert(Ask::deep(store, "Blob"));
            }
        }
        Topic::ScheduledTasks => {
            asks.insert(Ask::deep(TASK_TREE, "Id"));
            asks.insert(Ask::deep(TASK_ACTIONS, "Actions"));
        }
        // Nothing of the kind is on Windows, or this version does not ask it there.
        Topic::Packages
        | Topic::KernelModules
        | Topic::Users
        | Topic::Groups
        | Topic::Ports
        | Topic::Receipts
        | Topic::SystemExtensions
        | Topic::Apps => {}
    }
}

/// The keys from the second component (`HKLM\SOFTWARE`) down to `key` itself: where a key is not there,
/// the one above it proves that.
pub(super) fn chain(key: &str) -> impl Iterator<Item = String> {
    let parts: Vec<&str> = key.split('\\').collect();
    let least = parts.len().min(2);
    (least..=parts.len())
        .map(|count| parts.iter().take(count).copied().collect::<Vec<_>>().join("\\"))
        .collect::<Vec<_>>()
        .into_iter()
}
