//! Facts: probes → one read-only script; its stream → `Facts`; saved documents.

mod accounts;
mod base;
mod certificates;
mod collect;
pub mod document;
mod frames;
mod glob;
mod kernel;
mod listing;
mod macos;
mod packages;
mod parse;
mod paths;
mod posix;
mod processes;
mod questions;
mod services;
mod tasks;
mod windows;

pub use collect::collect;
pub use document::FactsError;
pub use parse::parse;
pub use posix::script;
pub use windows::{parse as parse_windows, script as windows_script};

use crate::model::{BootIdentity, MachineIdentity, Platform};
use crate::playbook::PathKind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is asked of a host: the union of what a playbook's rules, versions and steps need.
/// Packages, services, processes, modules, users, groups, ports, os, identity are asked whole when
/// asked at all; paths and files by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Questions {
    /// Which whole listings are asked for.
    pub topics: BTreeSet<Topic>,
    /// Absolute paths and globs whose existence is asked for.
    pub paths: BTreeSet<String>,
    /// Absolute paths and globs whose contents (first 64 KiB of each) are asked for, each with the
    /// expressions that lines are looked for by. No other line of a file is kept: what else stands in
    /// a site's configuration is not uproot's to carry away.
    pub files: BTreeMap<String, BTreeSet<String>>,
    /// Registry keys whose existence is asked for, each with the values whose data are (Windows). The
    /// last component may be a glob, and so may the one behind `HKU`: every loaded user's hive.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub registry: BTreeMap<String, BTreeSet<String>>,
}

/// A listing that is asked for whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// Packages of every package manager.
    Packages,
    /// Services (systemd units and SysV init scripts; services and drivers of
    /// Windows; jobs of macOS's launchd).
    Services,
    /// Processes.
    Processes,
    /// Loaded kernel modules; kernel extensions of macOS.
    KernelModules,
    /// Trusted certificates.
    Certificates,
    /// Local users.
    Users,
    /// Local groups.
    Groups,
    /// Listening ports.
    Ports,
    /// Cron entries and timers; the tasks of Windows' scheduler.
    ScheduledTasks,
    /// Programs with an uninstall entry (Windows).
    Programs,
    /// Installer receipts (macOS).
    Receipts,
    /// System extensions (macOS).
    SystemExtensions,
    /// Applications by bundle id (macOS).
    Apps,
}

/// Why a listing is empty of which nobody asked.
const NOT_ASKED: &str = "this was not asked";

/// The items that were seen, and every reason why there may be more. An empty `gaps` says that the
/// listing is complete: only then is "not in it" an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing<T> {
    /// What was seen.
    pub items: Vec<T>,
    /// Why there may be more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
}

impl<T> Listing<T> {
    /// A listing that was not answered, for this reason.
    #[must_use]
    pub fn unanswered(reason: impl Into<String>) -> Self {
        Self { items: Vec::new(), gaps: vec![Gap { reason: reason.into(), remedy: None }] }
    }

    /// Whether it is what a listing is of which nobody asked.
    fn was_not_asked(&self) -> bool {
        self.items.is_empty() && matches!(self.gaps.as_slice(), [gap] if gap.reason == NOT_ASKED)
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty()
    }
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self::unanswered(NOT_ASKED)
    }
}

/// Why an answer is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// In words: ``directory `/opt/kaspersky` cannot be read: Permission denied``.
    pub reason: String,
    /// The option or command that would mend it: `--become`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// `dpkg`, `rpm`, `apk`, `pacman`.
    pub manager: String,
    /// Its name without architecture.
    pub name: String,
    /// Its version as the manager prints it.
    pub version: String,
    /// Its architecture.
    pub arch: String,
    /// dpkg's status words (`install ok installed`); `installed` for the others.
    pub status: String,
}

/// A service, a driver of Windows, or a job of launchd, whose name is its label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Name without `.service`.
    pub name: String,
    /// `systemd` or `sysv`; on Windows `service` or `driver`, and `unknown` where its type was not told;
    /// on macOS `launchd`.
    pub kind: String,
    /// The unit file or init script; none when systemd knows the unit without a file. On Windows the
    /// image path as the registry has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// systemd's active state (`active`, `inactive`, `failed`, …), and its words for those of Windows'
    /// service manager; none: it could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<String>,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its pid.
    pub pid: u32,
    /// `comm`; on Windows and macOS the executable's file name, on macOS only its first 16 bytes where its
    /// path is not known.
    pub name: String,
    /// The executable's path without ` (deleted)`; none: it could not be read (not: there is none;
    /// kernel threads are left out of the listing).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    /// Whether the executable's file is deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Owner's uid; none on Windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

/// Something at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathEntry {
    /// Its path.
    pub path: String,
    /// What it is; links are not followed.
    pub kind: PathKind,
    /// Owner's name (or number where it has none); empty: not told, and neither is the size.
    pub owner: String,
    /// Size in bytes.
    pub size: u64,
    /// Where a link points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Where it really is, if a link is on the way to it; empty: that could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real: Option<String>,
    /// Whether it is a mount point.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mount_point: bool,
}

/// The beginning of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileText {
    /// Its path.
    pub path: String,
    /// Of its first 64 KiB, lossily decoded, the lines that one of `kept_for` may match.
    pub text: String,
    /// Whether there was more.
    pub truncated: bool,
    /// The expressions by which lines were kept; empty: every line was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_for: Vec<String>,
}

/// A loaded kernel module, or a kernel extension of macOS by its bundle id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelModule {
    /// Its name.
    pub name: String,
}

/// A trusted certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The file it stands in, on macOS the keychain; on Windows its registry key: that of
    /// its store and, as the last component, its SHA-1.
    pub file: String,
    /// Its subject, `CN=…, O=…`.
    pub subject: String,
    /// SHA-256 of its DER form, hex.
    pub sha256: String,
}

/// A local account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// uid or gid.
    pub id: u32,
}

/// A listening port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListeningPort {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The local address.
    pub address: String,
    /// The port.
    pub port: u16,
}

/// A program with an uninstall entry (Windows).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Whose entry it is: `HKLM`, `HKLM (32-bit)`, or a user's hive, `HKEY_USERS\\S-1-5-…`.
    pub hive: String,
    /// The name of its key: of an MSI product its code, `{…}`.
    pub key: String,
    /// `DisplayName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `Publisher`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    /// `DisplayVersion`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `UninstallString`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uninstall: Option<String>,
    /// `QuietUninstallString`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_uninstall: Option<String>,
}

/// A receipt of Apple's installer (macOS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The package's id, `com.kaspersky.kav.core`.
    pub id: String,
    /// Its version; none: it was not read, as of all that comes from Apple.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A system extension, running or not (macOS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemExtension {
    /// Its bundle id.
    pub id: String,
    /// Its developer's team id; empty: macOS does not show one.
    pub team: String,
    /// Short version and build as macOS shows them, `1.0/14`.
    pub version: String,
    /// `activated enabled`, `activated waiting for user`, `terminated waiting to uninstall on reboot`, …
    pub state: String,
}

impl SystemExtension {
    /// Whether nothing keeps it but the boot that runs: macOS takes it away with the next one.
    #[must_use]
    pub fn goes_with_next_boot(&self) -> bool {
        self.state.starts_with("terminated") && self.state.ends_with("on reboot")
    }
}

/// An application of `/Applications` or of a user's own (macOS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Its directory.
    pub path: String,
    /// Its bundle id; none: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `CFBundleShortVersionString`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A registry key that is there (Windows).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryKey {
    /// Its path from `HKEY_…` on.
    pub key: String,
    /// Of its values those that were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<RegistryValue>,
}

/// A registry value (Windows).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryValue {
    /// Its name.
    pub name: String,
    /// `REG_SZ`, `REG_DWORD`, …
    pub kind: String,
    /// Its data as `reg query` prints them.
    pub data: String,
}

/// A cron line or a timer; a task of Windows' scheduler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledTask {
    /// The cron file's path or the timer's unit name; a task's path, `\\Folder\\Name`.
    pub name: String,
    /// The cron line, or the commands of a task; empty for a timer.
    pub line: String,
}

/// The operating system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsInfo {
    /// `uname -s`; on Windows `Windows_NT`.
    pub kernel_name: String,
    /// `uname -r`; on Windows version and build, `10.0.19045.4291`.
    pub kernel_release: String,
    /// `uname -m`; on Windows the processor's name for the system, `AMD64`.
    pub arch: String,
    /// Host name as the host says it.
    pub hostname: String,
    /// `ID` of os-release; `windows`, `macos`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `ID_LIKE` of os-release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_like: Option<String>,
    /// `VERSION_ID` of os-release; on Windows version and build; macOS's product version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// `PRETTY_NAME` of os-release; on Windows its `ProductName`; `macOS 14.1 (23B74)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretty_name: Option<String>,
}

/// As whom the script ran.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privilege {
    /// Effective uid; none: not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Whether the login runs with an administrator's whole rights (Windows); none: not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elevated: Option<bool>,
    /// Why becoming root failed, where it was asked for and failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub become_failed: Option<String>,
}

/// Whether a reboot is pending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PendingReboot {
    /// No.
    No,
    /// Yes, for this reason.
    Yes(String),
    /// It could not be told, for this reason.
    Unknown(String),
}

/// All that was learnt of a host at one time. Saved as a document; every rule can be evaluated on it
/// again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Version of the document's format: 1.
    pub uproot_facts: u32,
    /// Inventory name of the host.
    pub host: String,
    /// When it was collected, by the controller's clock.
    pub at: Timestamp,
    /// Where it comes from: `recorded` by uproot on a host, or `constructed` by hand for a test.
    pub provenance: String,
    /// The platform; none: not recognised.
    pub platform: Option<Platform>,
    /// Which machine.
    pub identity: MachineIdentity,
    /// Which boot.
    pub boot: BootIdentity,
    /// The operating system.
    pub os: OsInfo,
    /// As whom.
    pub privilege: Privilege,
    /// Whether a reboot is pending.
    pub pending_reboot: PendingReboot,
    /// Mount points, for refusing to remove one.
    pub mounts: Listing<String>,
    /// Packages; complete only if every package manager that the host has answered, and at least one
    /// did, with at least one package.
    pub packages: Listing<Package>,
    /// Services.
    pub services: Listing<Service>,
    /// Processes.
    pub processes: Listing<Process>,
    /// Kernel modules.
    pub kernel_modules: Listing<KernelModule>,
    /// Certificates.
    pub certificates: Listing<Certificate>,
    /// Users.
    pub users: Listing<Account>,
    /// Groups.
    pub groups: Listing<Account>,
    /// Ports.
    pub ports: Listing<ListeningPort>,
    /// Scheduled tasks.
    pub scheduled_tasks: Listing<ScheduledTask>,
    /// For each asked path or glob, what is there.
    pub paths: BTreeMap<String, Listing<PathEntry>>,
    /// For each asked file or glob, its text.
    pub files: BTreeMap<String, Listing<FileText>>,
    /// Programs installed for the machine (Windows).
    #[serde(default, skip_serializing_if = "Listing::was_not_asked")]
    pub programs: Listing<Program>,
    /// Programs installed for one user (Windows); a profile whose hive is not loaded is a gap.
    #[serde(default, skip_serializing_if = "Listing::was_not_asked")]
    pub user_programs: Listing<Program>,
    /// For each asked registry key or glob, the keys that are there (Windows).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub registry: BTreeMap<String, Listing<RegistryKey>>,
    /// Installer receipts (macOS).
    #[serde(default, skip_serializing_if = "Listing::was_not_asked")]
    pub receipts: Listing<Receipt>,
    /// System extensions (macOS).
    #[serde(default, skip_serializing_if = "Listing::was_not_asked")]
    pub system_extensions: Listing<SystemExtension>,
    /// Applications (macOS).
    #[serde(default, skip_serializing_if = "Listing::was_not_asked")]
    pub apps: Listing<App>,
}

impl Facts {
    /// Whether they are of a host that was recognised as Windows.
    #[must_use]
    pub fn is_windows(&self) -> bool {
        self.platform == Some(Platform::Windows)
    }
}
