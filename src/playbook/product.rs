//! The checked model of a playbook.

use super::pattern::Pattern;
use super::rule::{Rule, TextPattern};
use super::step::{Action, Step};
use super::window::Window;
use crate::model::{Place, Platform, ProductClass, SecretSource};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A playbook with all that it includes, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Playbook {
    /// Its name.
    pub name: String,
    /// The secrets it declares.
    pub secrets: Vec<SecretDeclaration>,
    /// The products, in the order written (includes first).
    pub products: Vec<Product>,
    /// The policy.
    pub policy: Policy,
    /// The waves; empty: one host, then the rest, `max_failures` 5 %.
    pub waves: Vec<Wave>,
    /// SHA-256 (hex) of the checked model's canonical text: what the journal names. Two playbooks
    /// with one digest ask and do the same.
    pub digest: String,
}

impl Playbook {
    /// The product with this id.
    #[must_use]
    pub fn product(&self, id: &str) -> Option<&Product> {
        self.products.iter().find(|product| product.id == id)
    }

    /// The products for a platform, in order.
    pub fn products_for(&self, platform: Platform) -> impl Iterator<Item = &Product> {
        self.products.iter().filter(move |product| product.platforms.contains(&platform))
    }
}

/// A secret that a playbook declares: a name and where its value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretDeclaration {
    /// Its name, as steps use it.
    pub name: String,
    /// Where its value comes from.
    pub source: SecretSource,
    /// Whether a run may do without it (steps that use it then get an empty value).
    pub optional: bool,
    /// Where it is declared.
    pub place: Place,
}

/// A registry value of Windows that holds the address of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ManagedBy {
    /// The key.
    pub registry: Pattern,
    /// The value's name.
    pub value: String,
}

/// One thing a vendor ships under one name with one way of removal.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// Its id: lower-case letters, digits, `-`.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Its vendor.
    pub vendor: Option<String>,
    /// What kind of thing it is: scope profiles ask for it, detection does not.
    pub class: ProductClass,
    /// The platforms it exists on; never empty.
    pub platforms: Vec<Platform>,
    /// Whether a source was found for what is said of it.
    pub confirmed: bool,
    /// Where it is documented.
    pub sources: Vec<String>,
    /// How to read its version.
    pub version: Option<VersionSource>,
    /// What makes it present.
    pub detect: Rule,
    /// What makes it residue when it is not present; none: nothing can.
    pub residue: Option<Rule>,
    /// How it is removed.
    pub remove: Vec<Step>,
    /// Products that must be done before it on the same host.
    pub after: Vec<String>,
    /// How long to keep asking until it is gone, after its last step.
    pub settle: Duration,
    /// Removed only when the run allows this word.
    pub opt_in: Option<String>,
    /// Where a host tells the address of the server that manages it, and may install it again.
    pub managed_by: Option<ManagedBy>,
    /// It is only reported, never removed, for this reason.
    pub report_only: Option<String>,
    /// Where its id stands.
    pub place: Place,
}

impl Product {
    /// The words by which a person may choose that more of it is removed, or vouch for what is not asked then.
    pub fn choices(&self) -> impl Iterator<Item = &str> {
        let waived_by = self.remove.iter().filter_map(|step| match &step.action {
            Action::Require { waived_by, .. } => waived_by.as_deref(),
            _ => None,
        });
        let opt_in = self.remove.iter().filter_map(|step| step.opt_in.as_deref());
        self.opt_in.as_deref().into_iter().chain(opt_in).chain(waived_by)
    }
}

/// How the version of an installed product is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionSource {
    /// The version of a package.
    Package {
        /// Its name.
        name: Pattern,
    },
    /// The display version of a Windows program.
    Program {
        /// Its display name.
        name: Pattern,
    },
    /// The version of a macOS installer receipt.
    Receipt {
        /// The package's id.
        id: Pattern,
    },
    /// The version of a macOS application.
    App {
        /// Its bundle id.
        id: Pattern,
    },
    /// The first group (or the whole match) of an expression in a file.
    File {
        /// The file.
        path: Pattern,
        /// The expression.
        pattern: TextPattern,
    },
}

/// When a host may be rebooted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RebootPolicy {
    /// Never by uproot.
    Never,
    /// When a step says that one is needed.
    IfNeeded,
    /// Never by uproot, and a pending one counts as success.
    PendingIsOk,
}

/// What holds for the whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// When to reboot.
    pub reboot: RebootPolicy,
    /// What must be true before a host is changed and after.
    pub require_protection: Option<Rule>,
}

/// Hosts done together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    /// Its name.
    pub name: String,
    /// Which hosts; one that an earlier wave has is not in this one.
    pub hosts: WaveHosts,
    /// How many at once; none: the run's `--parallel`.
    pub parallel: Option<usize>,
    /// How many hosts may fail before the wave stops.
    pub max_failures: Budget,
    /// How many may be unreachable before it stops; none: no limit.
    pub max_unreachable: Option<Budget>,
    /// How long after its end the next wave may begin.
    pub soak: Duration,
    /// Whether a person must agree before it begins.
    pub approve: bool,
    /// When its hosts may be begun; none: at any time.
    pub window: Option<Window>,
    /// Where it stands; none for the built-in waves.
    pub place: Option<Place>,
}

/// Which hosts a wave has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaveHosts {
    /// Those that an inventory pattern selects.
    Pattern(String),
    /// The first so many of those not in an earlier wave; of a percentage: of all hosts of the plan,
    /// rounded down, but at least one.
    First(Budget),
    /// All not in an earlier wave.
    Rest,
}

/// A number of hosts, or a share of the wave's hosts at plan time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Budget {
    /// So many hosts.
    Count(usize),
    /// So many hundredths of a percent (5 % is 500) of the wave's hosts, rounded down.
    Percent(u32),
}

impl Budget {
    /// How many hosts that is in a wave of `hosts`.
    #[must_use]
    pub fn of(self, hosts: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(hundredths) => {
                let share = hosts as u128 * u128::from(hundredths) / 10_000;
                usize::try_from(share).unwrap_or(usize::MAX)
            }
        }
    }
}
