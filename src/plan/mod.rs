//! The plan: one JSON file, complete in itself. `apply` reads nothing else but secrets.
//!
//! Findings → plan (`make`) is pure and deterministic; reading and writing the file is apart. A step
//! acts only on what the facts name, and a product of which one step cannot be planned is not begun
//! at all: half a removal is worse than none. What is there and not planned is listed with its reason.

pub mod approval;
mod diff;
mod effect;
mod file;
mod host;
mod make;
mod managed;
mod order;
mod programs;
mod protection;
mod render;
mod show;
mod shown;
mod still_used;
mod validate;
mod waves;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use diff::{diff, is_same};
pub use file::{PlanError, digest, read, to_bytes, write};
pub use make::{HostInput, HostOutcome, PlanSettings, make};
pub use show::show;

use crate::detect::ProductRules;
use crate::facts::Questions;
use crate::inventory::BecomeMethod;
use crate::model::{
    Finding, HostState, MachineIdentity, Platform, ProductClass, Scope, SecretEncoding, SecretSource, Truth,
};
use crate::playbook::{Budget, RebootPolicy, Rule, TextPattern, VersionSource, Window};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The plan file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Version of the file's format: 1.
    pub uproot_plan: u32,
    /// The plan's id (UUID v7).
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// By whom: local user name and machine.
    pub operator: String,
    /// uproot's version.
    pub version: String,
    /// The playbook's name.
    pub playbook: String,
    /// The playbook's digest.
    pub playbook_digest: String,
    /// What is asked of each host again.
    pub questions: Questions,
    /// The products in scope, with their rules, in playbook order.
    pub products: Vec<PlannedProduct>,
    /// When a host may be rebooted.
    pub reboot: RebootPolicy,
    /// What must be true on a host before its first change and after its last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_protection: Option<Rule>,
    /// The secrets that steps and connections use: references only.
    pub secrets: BTreeMap<String, SecretReference>,
    /// known_hosts files to check host keys against; empty: the user's and the system's.
    pub known_hosts: Vec<String>,
    /// The `opt_in` words that were allowed.
    pub allowed: Vec<String>,
    /// What counts: `apply` judges by it, at its own time.
    #[serde(default, skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
    /// The waves, in order; each host that is worked on is in exactly one.
    pub waves: Vec<PlannedWave>,
    /// Every host of the inventory selection, sorted by name.
    pub hosts: Vec<PlannedHost>,
}

/// A reference to a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretReference {
    /// Where its value comes from.
    pub source: SecretSource,
    /// Whether the run may do without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// A product with what verification needs of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedProduct {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What kind of thing it is.
    #[serde(default, skip_serializing_if = "ProductClass::is_product")]
    pub class: ProductClass,
    /// The platforms it exists on.
    pub platforms: Vec<Platform>,
    /// Products that must be done before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// What makes it present.
    pub detect: Rule,
    /// What makes it residue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residue: Option<Rule>,
    /// How to read its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionSource>,
    /// How long to keep asking until it is gone, in seconds.
    pub settle: u64,
}

/// A wave with its hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedWave {
    /// Its name.
    pub name: String,
    /// Its hosts, in inventory order. Hosts with nothing to do are in it too: they are looked at again.
    pub hosts: Vec<String>,
    /// How many at once; none: the run's `--parallel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<usize>,
    /// As the playbook states it.
    pub max_failures: Budget,
    /// As the playbook states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unreachable: Option<Budget>,
    /// How long after its end the next wave may begin, in seconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub soak: u64,
    /// Whether a person must agree before it begins.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approve: bool,
    /// When its hosts may be begun; none: at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(seconds: &u64) -> bool {
    *seconds == 0
}

/// How to reach a planned host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedConnection {
    /// `ssh` or `local`.
    pub kind: String,
    /// Address or DNS name.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Login user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The platform, where the inventory says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Private key file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Name (in `Plan::secrets`) of the login password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// How to become root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub become_method: Option<BecomeMethod>,
    /// Name (in `Plan::secrets`) of the password for becoming root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub become_password: Option<String>,
}

impl PlannedConnection {
    /// `kind` of a connection by SSH.
    pub const SSH: &'static str = "ssh";
    /// `kind` of a connection to the machine uproot runs on.
    pub const LOCAL: &'static str = "local";
}

/// One host of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedHost {
    /// Inventory name.
    pub name: String,
    /// How to reach it.
    pub connection: PlannedConnection,
    /// Groups it belongs to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// In what state it was found: present, residue, unknown, exempt, clean, unreachable, skipped.
    pub state: HostState,
    /// Why, in one sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The one command that would mend it, for unknown and unreachable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Its platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Its operating system in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// Which machine it is.
    pub identity: MachineIdentity,
    /// What was found, one for each product of its platform.
    pub findings: Vec<Finding>,
    /// The steps, in order.
    pub steps: Vec<PlannedStep>,
    /// How the host is rebooted after its steps, if one of them says that a reboot is needed; none: it
    /// is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot: Option<PlannedStep>,
    /// Whether what `Plan::require_protection` asks for held when the host was read; none: nothing is
    /// asked for, or the host was not read. `apply` asks again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<PlannedProtection>,
    /// What is, or may be, there and why nothing is planned for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_planned: Vec<NotPlanned>,
    /// What whoever applies the plan must know of this host. May hold strings of the host: escape before
    /// showing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The products that must be absent afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone_after: Vec<String>,
}

/// Whether a host was protected when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedProtection {
    /// Whether the rule held.
    pub holds: Truth,
    /// The checks that made it so, in words. May hold strings of the host: escape before showing.
    pub reason: String,
}

/// Why a product that is there is not removed by this plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotPlanned {
    /// The product.
    pub product: String,
    /// Why: out of scope, waived, report only, opt-in not given, unknown, after an unknown product.
    pub reason: String,
}

/// A step, wholly rendered: nothing is left to choose when it runs.
///
/// `script` is one function called on its last line with its input closed, so that a cut script runs
/// nothing; it ends with the status of the tool that it ran and never holds a secret's value. Whoever
/// runs it puts assignments in front of it: `export VAR='value'` for each of `env`, and
/// `UPROOT_STDIN='value'` (not exported) where `stdin` names a secret; the script pipes that to its
/// command and takes the variable away from it. An optional secret without a value is empty. On Windows the
/// script is a batch file, and the variables are those of its environment; one of an optional secret without a
/// value is not set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedStep {
    /// `PRODUCT/NUMBER`, from 1.
    pub id: String,
    /// The product it belongs to.
    pub product: String,
    /// The step's word in the playbook: `remove_package`.
    pub kind: String,
    /// In words: `remove packages kesl-gui, kesl with their configuration`.
    pub summary: String,
    /// The essential commands, one a line, for a reader of the plan: `dpkg --purge kesl-gui kesl`.
    pub commands: Vec<String>,
    /// The POSIX shell text that is run, on Windows the batch file's; empty for `manual`, `wait_for`,
    /// `require`, and where `already_so`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub script: String,
    /// As whom: `root`, or the login user's name; `SYSTEM` on Windows.
    pub run_as: String,
    /// How long it may take, in seconds.
    pub timeout: u64,
    /// Exit codes that are accepted.
    pub accept: Vec<i32>,
    /// Exit codes that mean "done, and a reboot is needed".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reboot_codes: Vec<i32>,
    /// Exit codes on which it is tried again until the timeout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retry_on: Vec<i32>,
    /// Output which says that the product refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_if: Option<TextPattern>,
    /// Environment variables from secrets: variable → name in `Plan::secrets`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// In which form those of `env` are passed on that are not passed on as they are: variable → encoding.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub encodings: BTreeMap<String, SecretEncoding>,
    /// Name (in `Plan::secrets`) of what the command reads on its standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Files that are laid down on the host before it runs, in the directory that the variable `UPROOT_FILES` names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uploads: Vec<PlannedUpload>,
    /// What must be true after it; none: nothing can be said (`run` without an effect).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Rule>,
    /// For `require` and `wait_for`: what must be true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Rule>,
    /// For `manual`: what a person must do. For `require`: what to say when it is not so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Its effect holds already: it is listed, and not run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub already_so: bool,
}

/// A file of the controller that a step needs on the host. The plan has its digest, never its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedUpload {
    /// Its name on the host: letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// The file of the controller.
    pub source: String,
    /// SHA-256 of its content, in lower-case hex: nothing else is laid down.
    pub sha256: String,
}

impl PlannedUpload {
    /// What a reader of the plan is told of it: the first of its step's commands.
    #[must_use]
    pub fn told(&self) -> String {
        format!("lay down {} as {} (SHA-256 {})", self.source, self.name, self.sha256)
    }
}

impl PlannedStep {
    /// `kind` of a step that reboots the host.
    pub const REBOOT: &'static str = "reboot";
    /// `product` of `PlannedHost::reboot`, which belongs to none.
    pub const OF_HOST: &'static str = "host";
    /// The shell variable through which a step's script gets what its command reads on standard input.
    pub const STDIN_VARIABLE: &'static str = "UPROOT_STDIN";
}

impl<'a> From<&'a PlannedProduct> for ProductRules<'a> {
    fn from(product: &'a PlannedProduct) -> Self {
        Self {
            id: &product.id,
            name: &product.name,
            class: product.class,
            platforms: &product.platforms,
            detect: &product.detect,
            residue: product.residue.as_ref(),
            version: product.version.as_ref(),
        }
    }
}
