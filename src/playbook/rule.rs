//! Rules: three-valued expressions over checks. A check is a question whose answer is in the facts.

use super::pattern::Pattern;
use serde::{Deserialize, Serialize};

/// A rule as the playbook states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// True if one of them is.
    Any(Vec<Rule>),
    /// True if all of them are.
    All(Vec<Rule>),
    /// The opposite; unknown stays unknown.
    Not(Box<Rule>),
    /// A question.
    Check(Check),
}

impl Rule {
    /// Calls `visit` for every check in it, in the order written.
    pub fn each_check<'a>(&'a self, visit: &mut dyn FnMut(&'a Check)) {
        match self {
            Self::Any(rules) | Self::All(rules) => rules.iter().for_each(|rule| rule.each_check(visit)),
            Self::Not(rule) => rule.each_check(visit),
            Self::Check(check) => visit(check),
        }
    }
}

/// The status of a package that `state:` can ask for. Without `state:` a package check is true for
/// every dpkg status but `not-installed` and `config-files`, and for every package of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageState {
    /// Wholly installed.
    Installed,
    /// Removed but not purged (`rc`): only its configuration is there. dpkg only.
    ConfigFiles,
    /// Neither wholly installed nor wholly gone (half-installed, unpacked, half-configured, triggers
    /// pending or awaited). dpkg only.
    Broken,
}

/// What a path is. Links are not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, socket or pipe.
    Other,
}

/// A regular expression (the `regex` crate's syntax) over a line or a value, searched unanchored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TextPattern(pub String);

impl TextPattern {
    /// Compiles it, with a bound on its size.
    ///
    /// # Errors
    /// Why it is not a regular expression, or that it is too large.
    pub fn compile(&self) -> Result<regex::Regex, regex::Error> {
        regex::RegexBuilder::new(&self.0).size_limit(256 * 1024).build()
    }
}

/// A question to a host. In YAML a one-key map: its main argument, or a map of all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// A package of dpkg, rpm, apk or pacman (any that the host has).
    Package {
        /// Its name, without architecture.
        name: Pattern,
        /// A version range such as `>=11.0, <13`; compared part by part, numbers as numbers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        /// Its status.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<PackageState>,
    },
    /// A service that the host knows (a systemd unit file or a SysV init script; a service of Windows; a
    /// job of macOS's launchd), running or not.
    Service {
        /// Unit name without `.service`, init script name, or label of the job.
        name: Pattern,
        /// Whether it must be running (true) or must not (false); absent: either.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        running: Option<bool>,
    },
    /// A running process. At least one of the fields is given; all given must match.
    Process {
        /// Its command name (`comm`, at most 15 characters on Linux; on Windows `NAME.exe`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Pattern>,
        /// Its executable's path, also when the file is deleted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exe: Option<Pattern>,
    },
    /// Something that exists at a path; links are not followed.
    Path {
        /// Absolute path or glob.
        path: Pattern,
        /// What it must be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<PathKind>,
        /// The user who must own it (name or number).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
    },
    /// A file (its first 64 KiB) with a line that matches.
    FileContains {
        /// Absolute path or glob.
        path: Pattern,
        /// The expression, matched against each line.
        pattern: TextPattern,
    },
    /// A loaded kernel module, or a loaded kernel extension of macOS.
    KernelModule {
        /// Its name as in `/proc/modules`; on macOS its bundle id.
        name: Pattern,
    },
    /// A certificate in the system's trust store.
    Certificate {
        /// Expression over the subject (`CN=…, O=…`).
        subject: TextPattern,
    },
    /// A local user account.
    User {
        /// Login name.
        name: Pattern,
    },
    /// A local group.
    Group {
        /// Its name.
        name: Pattern,
    },
    /// A listening port.
    Port {
        /// Its number.
        port: u16,
        /// `tcp` or `udp`.
        protocol: String,
    },
    /// A scheduled task: a cron line, a systemd timer, a task of Windows' scheduler.
    ScheduledTask {
        /// The cron file's, the timer's or the task's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Pattern>,
        /// Expression over the cron line or the task's command.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<TextPattern>,
    },
    /// The operating system (`ID`, `ID_LIKE` and `VERSION_ID` of os-release).
    Os {
        /// `debian`, `rhel`, … compared with `ID` and each word of `ID_LIKE`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<Pattern>,
        /// A version range over `VERSION_ID`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    },
    /// A program with an uninstall entry (Windows). At least one of the first three fields is given; all
    /// given must match.
    Program {
        /// Its display name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Pattern>,
        /// Its publisher.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        publisher: Option<Pattern>,
        /// The code of its MSI package, `{…}`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        product_code: Option<String>,
        /// A version range over its display version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        /// Whether it can be installed for one user alone: then a profile whose registry is not loaded
        /// makes the answer unknown.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        per_user: bool,
    },
    /// A registry key, or one of its values (Windows).
    Registry {
        /// The key from `HKLM` or `HKU` on; its last component may be a glob, and so may the one behind
        /// `HKU`, every loaded user's hive.
        key: Pattern,
        /// The name of a value that must be there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
        /// An expression over the value's data.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<TextPattern>,
    },
    /// A driver that Windows knows, loaded or not. At least one of the fields is given; all given must
    /// match.
    Driver {
        /// Its name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Pattern>,
        /// A glob over its image path as the registry has it (`system32\\drivers\\x.sys`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<Pattern>,
    },
    /// A receipt of Apple's installer (macOS).
    Receipt {
        /// The package's id, as `pkgutil --pkgs` lists it.
        id: Pattern,
        /// A version range over the receipt's version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    },
    /// A system extension that macOS knows, running or not, until a reboot has completed its removal.
    SystemExtension {
        /// Its bundle id.
        id: Pattern,
        /// Its developer's team id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        team: Option<String>,
    },
    /// An application of `/Applications` or of a user's own (macOS).
    App {
        /// Its bundle id.
        id: Pattern,
        /// A version range over `CFBundleShortVersionString`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    },
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Package { name, version, state } => {
                write!(f, "package `{name}`")?;
                if let Some(version) = version {
                    write!(f, " {version}")?;
                }
                match state {
                    None => Ok(()),
                    Some(PackageState::Installed) => f.write_str(" wholly installed"),
                    Some(PackageState::ConfigFiles) => f.write_str(" with only its configuration left"),
                    Some(PackageState::Broken) => f.write_str(" half installed"),
                }
            }
            Self::Service { name, running } => {
                write!(f, "service `{name}`")?;
                match running {
                    None => Ok(()),
                    Some(true) => f.write_str(" running"),
                    Some(false) => f.write_str(" not running"),
                }
            }
            Self::Process { name, exe } => match (name, exe) {
                (Some(name), Some(exe)) => write!(f, "process `{name}` of `{exe}`"),
                (Some(name), None) => write!(f, "process `{name}`"),
                (None, Some(exe)) => write!(f, "process of `{exe}`"),
                (None, None) => f.write_str("process"),
            },
            Self::Path { path, kind, owner } => {
                let what = match kind {
                    None => "path",
                    Some(PathKind::File) => "file",
                    Some(PathKind::Directory) => "directory",
                    Some(PathKind::Link) => "link",
                    Some(PathKind::Other) => "special file",
                };
                write!(f, "{what} `{path}`")?;
                owner.as_ref().map_or(Ok(()), |owner| write!(f, " owned by `{owner}`"))
            }
            Self::FileContains { path, pattern } => write!(f, "line `{}` in `{path}`", pattern.0),
            Self::KernelModule { name } => write!(f, "kernel module `{name}`"),
            Self::Certificate { subject } => write!(f, "trusted certificate `{}`", subject.0),
            Self::User { name } => write!(f, "user `{name}`"),
            Self::Group { name } => write!(f, "group `{name}`"),
            Self::Port { port, protocol } => write!(f, "listening port {port}/{protocol}"),
            Self::ScheduledTask { name, command } => match (name, command) {
                (Some(name), Some(command)) => write!(f, "scheduled task `{name}` running `{}`", command.0),
                (Some(name), None) => write!(f, "scheduled task `{name}`"),
                (None, Some(command)) => write!(f, "scheduled task running `{}`", command.0),
                (None, None) => f.write_str("scheduled task"),
            },
            Self::Os { id, version } => {
                write!(f, "operating system `{}`", id.as_ref().map_or("any", Pattern::as_str))?;
                version.as_ref().map_or(Ok(()), |version| write!(f, " {version}"))
            }
            Self::Program { name, publisher, product_code, version, per_user } => {
                f.write_str("program")?;
                name.as_ref().map_or(Ok(()), |name| write!(f, " `{name}`"))?;
                product_code.as_ref().map_or(Ok(()), |code| write!(f, " `{code}`"))?;
                version.as_ref().map_or(Ok(()), |version| write!(f, " {version}"))?;
                publisher.as_ref().map_or(Ok(()), |publisher| write!(f, " of `{publisher}`"))?;
                if *per_user { f.write_str(", of the machine or any user") } else { Ok(()) }
            }
            Self::Registry { key, value, data } => {
                match value {
                    None => write!(f, "registry key `{key}`")?,
                    Some(value) => write!(f, "registry value `{value}` of `{key}`")?,
                }
                data.as_ref().map_or(Ok(()), |data| write!(f, " with `{}`", data.0))
            }
            Self::Driver { name, file } => {
                f.write_str("driver")?;
                name.as_ref().map_or(Ok(()), |name| write!(f, " `{name}`"))?;
                file.as_ref().map_or(Ok(()), |file| write!(f, " in `{file}`"))
            }
            Self::Receipt { id, version } => {
                write!(f, "installer receipt `{id}`")?;
                version.as_ref().map_or(Ok(()), |version| write!(f, " {version}"))
            }
            Self::SystemExtension { id, team } => {
                write!(f, "system extension `{id}`")?;
                team.as_ref().map_or(Ok(()), |team| write!(f, " of team `{team}`"))
            }
            Self::App { id, version } => {
                write!(f, "application `{id}`")?;
                version.as_ref().map_or(Ok(()), |version| write!(f, " {version}"))
            }
        }
    }
}
