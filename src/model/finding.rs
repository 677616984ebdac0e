//! What was found of a product on a host, and the facts that made it so.

use super::scope::{Exemption, ProductClass};
use super::truth::Truth;
use serde::{Deserialize, Serialize};

/// What a product is on a host: the result of its `detect` and `residue` rules.
///
/// detect true → present; detect unknown → unknown, whatever residue says; detect false → what
/// residue says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProductState {
    /// It is installed.
    Present,
    /// It is not installed, but left something behind.
    Residue,
    /// It could not be told.
    Unknown,
    /// Every question was asked and answered, and nothing is there.
    Absent,
}

impl ProductState {
    /// Combines the results of `detect` and `residue`.
    #[must_use]
    pub fn combine(detect: Truth, residue: Truth) -> Self {
        match (detect, residue) {
            (Truth::True, _) => Self::Present,
            (Truth::Unknown, _) | (Truth::False, Truth::Unknown) => Self::Unknown,
            (Truth::False, Truth::True) => Self::Residue,
            (Truth::False, Truth::False) => Self::Absent,
        }
    }

    /// The word used in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Residue => "residue",
            Self::Unknown => "unknown",
            Self::Absent => "absent",
        }
    }
}

/// Which rule of a product a piece of evidence belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceRole {
    /// The `detect` rule.
    Detect,
    /// The `residue` rule.
    Residue,
}

/// One leaf check of a rule as it was answered on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Whether the check stands in `detect` or in `residue`.
    pub role: EvidenceRole,
    /// The check in words, as `Check`'s `Display` gives it: ``package `kesl` ``.
    pub check: String,
    /// Its answer on this host.
    pub truth: Truth,
    /// The facts that made it so, verbatim and bounded: `kesl 12.1.0-1543 amd64 install ok installed`.
    /// Host strings: escape before showing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<String>,
    /// What was matched, stripped of all that changes by itself (pids, sizes, times, running
    /// state): what drift compares. `None` for a check that drift leaves out (process, port,
    /// running state).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<Vec<String>>,
    /// Why it is unknown, and where there is one the command that would mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The result of a product's rules on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The product's id in the playbook.
    pub product: String,
    /// The product's name for people.
    pub name: String,
    /// What kind of thing the product is.
    #[serde(default, skip_serializing_if = "ProductClass::is_product")]
    pub class: ProductClass,
    /// What the product is on this host.
    pub result: ProductState,
    /// What the run's scope or a waiver makes of it; none: it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exemption: Option<Exemption>,
    /// The installed version, where it could be read. A host string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Every leaf check that decided the result (true or unknown ones; all of them for absent is
    /// too much: an absent product keeps none).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

impl Finding {
    /// Whether the run's scope or a waiver leaves it out of states and exit codes.
    #[must_use]
    pub fn is_exempt(&self) -> bool {
        self.exemption.as_ref().is_some_and(|exemption| exemption.kind.exempts())
    }
}
