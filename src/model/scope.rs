//! What a run counts: the scope profile and the waivers that it was given. Both are a person's choice,
//! recorded with the run; what they take out is always listed, and never called clean.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What kind of thing a product is. Directives cover some kinds and leave others out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProductClass {
    /// A product, solution or service under the vendor's own name.
    #[default]
    Product,
    /// The vendor's code inside another company's product.
    Embedded,
    /// Threat intelligence: feeds and the programs that take them in.
    ThreatIntelligence,
    /// Training of people.
    Training,
    /// Another company's product that took a place of the vendor's (UltraAV, 2024).
    Successor,
}

impl ProductClass {
    /// Every class.
    pub const ALL: [Self; 5] =
        [Self::Product, Self::Embedded, Self::ThreatIntelligence, Self::Training, Self::Successor];

    /// The word used in playbooks, profiles and reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Embedded => "embedded",
            Self::ThreatIntelligence => "threat-intelligence",
            Self::Training => "training",
            Self::Successor => "successor",
        }
    }

    /// The class with this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }

    /// Whether it is a product of the vendor's own, as most are.
    #[must_use]
    pub fn is_product(&self) -> bool {
        *self == Self::Product
    }
}

/// What a run was told to count. Empty: everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The scope profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ScopeProfile>,
    /// The waivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waivers: Option<WaiverList>,
}

impl Scope {
    /// Whether everything counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.profile.is_none() && self.waivers.is_none()
    }

    /// What it is, a line each for the profile and the waivers; none: everything counts. The words of the
    /// files are in it as they stand: escape before showing.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let short = |digest: &str| digest.chars().take(16).collect::<String>();
        let profile = self.profile.as_ref().map(|profile| {
            format!("scope: {} ({}, SHA-256 {})", profile.id, profile.name, short(&profile.digest))
        });
        let waivers = self.waivers.as_ref().map(|list| {
            let count = list.waivers.len();
            let plural = if count == 1 { "" } else { "s" };
            format!("waivers: {} ({count} waiver{plural}, SHA-256 {})", list.file, short(&list.digest))
        });
        profile.into_iter().chain(waivers).collect()
    }
}

/// Which products a directive covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeProfile {
    /// Its id: `bod-17-01`.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// SHA-256 (hex) of the document that it was read from.
    pub digest: String,
    /// What it leaves out; a product that no entry names is in.
    pub out: Vec<ScopeEntry>,
}

/// What a profile leaves out, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeEntry {
    /// A class of products; none: this entry names products.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<ProductClass>,
    /// Products, as a pattern of their ids (`kesl`, `ksc-*`); none: this entry names a class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Why, in words.
    pub reason: String,
}

/// The waivers of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaiverList {
    /// The file's name, without its directory.
    pub file: String,
    /// SHA-256 (hex) of its bytes.
    pub digest: String,
    /// The waivers, in the order written.
    pub waivers: Vec<Waiver>,
}

/// A reviewed exception: these products may stay on these hosts until that day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiver {
    /// Which hosts: an inventory pattern.
    pub hosts: String,
    /// Which products: a pattern of their ids.
    pub product: String,
    /// Why.
    pub reason: String,
    /// The ticket or document that decided it.
    pub ticket: String,
    /// The last day on which it holds (UTC).
    pub until: Date,
}

/// What a finding is under the scope of its run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemption {
    /// Which kind.
    pub kind: ExemptionKind,
    /// Why, in words: the profile's or the waiver's.
    pub reason: String,
    /// The waiver's ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The waiver's last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

impl Exemption {
    /// What it is, in words: `waived until 2026-12-31 by CHG-1234: …`, `out of scope: …`, `waiver CHG-1234
    /// expired after 2026-10-31: …`. The words of the files are in it as they stand: escape before showing.
    #[must_use]
    pub fn words(&self) -> String {
        let reason = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        format!("{}{reason}", self.flag())
    }

    /// The same without the reason.
    #[must_use]
    pub fn flag(&self) -> String {
        let by = self.ticket.as_ref().map(|ticket| format!(" by {ticket}")).unwrap_or_default();
        let until = |word: &str| self.until.map(|day| format!(" {word} {day}")).unwrap_or_default();
        match self.kind {
            ExemptionKind::OutOfScope => self.kind.word().to_owned(),
            ExemptionKind::Waived => format!("{}{}{by}", self.kind.word(), until("until")),
            ExemptionKind::WaiverExpired => {
                let ticket = self.ticket.as_ref().map(|ticket| format!(" {ticket}")).unwrap_or_default();
                format!("waiver{ticket} expired{}", until("after"))
            }
        }
    }
}

/// Why a finding is treated apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExemptionKind {
    /// The run's profile does not cover it: it does not count.
    OutOfScope,
    /// A waiver that is in force: it does not count.
    Waived,
    /// A waiver that is over: it counts, and the waiver is named.
    WaiverExpired,
}

impl ExemptionKind {
    /// The word used in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::OutOfScope => "out of scope",
            Self::Waived => "waived",
            Self::WaiverExpired => "waiver expired",
        }
    }

    /// Whether the finding is left out of states and exit codes.
    #[must_use]
    pub fn exempts(self) -> bool {
        match self {
            Self::OutOfScope | Self::Waived => true,
            Self::WaiverExpired => false,
        }
    }
}
