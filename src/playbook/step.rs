//! Steps: one change on one host, each with an effect that can be checked.

use super::pattern::Pattern;
use super::rule::{Rule, TextPattern};
use crate::model::{Place, SecretUse};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A step as the playbook states it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What it does.
    pub action: Action,
    /// It is planned only where this is true on the host's facts.
    pub when: Option<Rule>,
    /// What must be true after it, in addition to what the action itself implies. `run` has only this.
    pub effect: Option<Rule>,
    /// How long it may take; none: 10 minutes.
    pub timeout: Option<Duration>,
    /// The word without which it is left out (`--allow WORD`): for what destroys more than the product.
    pub opt_in: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Stops a service. Effect: it is not running.
    StopService {
        /// Unit or init script name.
        name: String,
    },
    /// Stops and disables a service and deletes its unit file or init script. Effect: it is unknown
    /// to the host.
    DeleteService {
        /// Unit or init script name.
        name: String,
    },
    /// Removes packages in one dpkg or rpm transaction. Effect: none of them is there.
    RemovePackage {
        /// Names or globs, in the order in which they are given to the package manager. What is not
        /// installed is left out of the plan.
        names: Vec<Pattern>,
        /// Whether configuration goes too (`dpkg --purge`); rpm has no difference.
        purge: bool,
    },
    /// Kills every process of an executable (TERM, then KILL). Effect: none runs.
    KillProcess {
        /// The executable's path, also when deleted; elsewhere than on Windows.
        exe: Pattern,
    },
    /// Kills every process of an image name (Windows, which does not list paths). Effect: none runs.
    KillImage {
        /// The file's name, `avpui.exe`.
        name: String,
    },
    /// Deletes a file or a tree without following links out of it. Effect: nothing is there.
    RemovePath {
        /// Absolute path or glob.
        path: Pattern,
    },
    /// Deletes a local user. Effect: it is unknown to the host.
    RemoveUser {
        /// Login name.
        name: String,
    },
    /// Deletes a local group. Effect: it is unknown to the host.
    RemoveGroup {
        /// Its name.
        name: String,
    },
    /// Removes certificates from the system's trust store. Effect: none matches.
    RemoveCertificate {
        /// Expression over the subject.
        subject: TextPattern,
    },
    /// Removes a cron file or a timer. Effect: it is gone.
    RemoveScheduledTask {
        /// The cron file's or the timer's name.
        name: Pattern,
    },
    /// Runs a command by `sh -c`. Without `when` and `effect` it is planned only where the product is
    /// present.
    Run {
        /// The command.
        command: String,
        /// Exit codes that are accepted; empty means 0 only.
        accept: Vec<i32>,
        /// Exit codes that mean "done, and a reboot is needed".
        reboot_codes: Vec<i32>,
        /// Exit codes on which it is tried again until the step's timeout.
        retry_on: Vec<i32>,
        /// Output which says that the product refuses: the host is `blocked`, not `failed`.
        blocked_if: Option<TextPattern>,
        /// Environment variables from secrets: variable → secret.
        env: BTreeMap<String, SecretUse>,
        /// The secret that the command reads on its standard input.
        stdin: Option<String>,
        /// Files that are laid down on the host for it, such as a vendor's own removal tool.
        uploads: Vec<Upload>,
    },
    /// Uninstalls every program of the machine that is all that is given, by its own entry on the host:
    /// an MSI product by its code, others by their quiet uninstall command (Windows). What is installed for
    /// one user alone is for that user. Effect: no such program is there.
    UninstallProgram {
        /// Display name.
        name: Option<Pattern>,
        /// Publisher.
        publisher: Option<Pattern>,
        /// MSI product code.
        product_code: Option<String>,
        /// MSI properties as written.
        properties: BTreeMap<String, String>,
        /// MSI properties from secrets: property → secret. One without a value is left out.
        secrets: BTreeMap<String, SecretUse>,
        /// What makes a program's uninstall command a quiet one (`/S`), where its entry has no quiet one.
        arguments: Option<String>,
        /// Exit codes that are accepted; empty: 0, 1605 (not installed), and those that ask for a reboot.
        accept: Vec<i32>,
        /// Exit codes that mean "done, and a reboot is needed"; empty: 3010 and 1641.
        reboot_codes: Vec<i32>,
        /// Output, the installer's log too, which says that the product refuses: the host is `blocked`.
        blocked_if: Option<TextPattern>,
    },
    /// Deletes a registry key with all below it, or one value (Windows). Effect: it is not there.
    DeleteRegistry {
        /// The key, or a glob over such.
        key: Pattern,
        /// The value's name; none: the whole key.
        value: Option<String>,
    },
    /// Forgets installer receipts (macOS). Effect: none matches.
    ForgetReceipt {
        /// Its id, or a glob over such.
        id: Pattern,
    },
    /// Something only a person can do: the host is `blocked`, with these instructions.
    Manual {
        /// What to do.
        instructions: String,
    },
    /// Waits until a rule is true.
    WaitFor {
        /// The rule.
        rule: Rule,
    },
    /// Goes on only if a rule is true.
    Require {
        /// The rule.
        rule: Rule,
        /// What to say when it is not.
        message: Option<String>,
        /// The word with which it is not asked (`--allow WORD`): a person vouches for it.
        waived_by: Option<String>,
    },
    /// Reboots the host and waits for a new boot of the same machine. Planned only where the policy
    /// allows reboots.
    Reboot {
        /// Why, for people.
        reason: Option<String>,
    },
}

/// A file of the controller that is laid down on the host for one step, in the run's private directory, and goes with
/// it. Nothing but these very bytes is run there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its name on the host: the last part of `source`.
    pub name: String,
    /// The file of the controller. As written it is relative to the playbook's file; here it is not any more.
    pub source: PathBuf,
    /// SHA-256 of its content, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Where it stands.
    pub place: Place,
}

/// Names of devices, which no file of Windows can have, whatever follows behind a `.`.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

impl Upload {
    /// Whether a file can have this name on every host.
    #[must_use]
    pub fn is_name(name: &str) -> bool {
        let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
        name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
            && !name.ends_with('.')
            && name.len() <= 100
            && !DEVICES.contains(&stem.trim_end_matches(|c: char| c.is_ascii_digit()))
    }
}

/// Variables that no secret of a step can have: uproot, or `cmd` itself, sets them.
const RESERVED: [&str; 3] = ["UPROOT_FILES", "UPROOT_STDIN", "ERRORLEVEL"];

/// Whether this is a variable that a step may be given a secret by.
#[must_use]
pub fn may_hold_secret(variable: &str) -> bool {
    !RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(variable))
}
