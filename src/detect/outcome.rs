//! From the items of a listing to the answer of a check.

use super::text::{evidence_lines, matched_names};
use crate::facts::{Facts, Gap, Listing};
use crate::model::Truth;

/// Why a check could not be answered, and the option or command that would mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doubt {
    pub(super) reason: String,
    pub(super) remedy: Option<String>,
}

impl Doubt {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), remedy: None }
    }

    /// Something that root could have read; no remedy where root was asked already.
    pub(super) fn of_privilege(reason: impl Into<String>, facts: &Facts) -> Self {
        let can_become = facts.privilege.uid != Some(0) && !facts.is_windows();
        let remedy = can_become.then(|| BECOME.to_owned());
        Self { reason: reason.into(), remedy }
    }
}

impl From<&Gap> for Doubt {
    fn from(gap: &Gap) -> Self {
        Self { reason: gap.reason.clone(), remedy: gap.remedy.clone() }
    }
}

/// The option that lets root's eyes look.
pub(super) const BECOME: &str = "--become";

/// The answer of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) truth: Truth,
    pub(super) facts: Vec<String>,
    pub(super) matched: Option<Vec<String>>,
    pub(super) doubt: Option<Doubt>,
}

impl Outcome {
    /// Not answered. `matched` is there, empty, for a check that drift compares.
    pub(super) fn unknown(doubt: Doubt, compared: bool) -> Self {
        Self {
            truth: Truth::Unknown,
            facts: Vec::new(),
            matched: compared.then(Vec::new),
            doubt: Some(doubt),
        }
    }

    /// Answered without any item.
    pub(super) fn known(truth: bool, compared: bool) -> Self {
        Self { truth: truth.into(), facts: Vec::new(), matched: compared.then(Vec::new), doubt: None }
    }
}

/// The items of a listing that match, that may match, and why there may be more.
pub(super) struct Scan<'f, T> {
    sure: Vec<&'f T>,
    possible: Vec<&'f T>,
    gap: Option<Doubt>,
}

impl<'f, T> Scan<'f, T> {
    /// Asks `test` of every item.
    pub(super) fn of(listing: &'f Listing<T>, test: impl Fn(&T) -> Truth) -> Self {
        let mut scan =
            Self { sure: Vec::new(), possible: Vec::new(), gap: listing.gaps.first().map(Doubt::from) };
        for item in &listing.items {
            match test(item) {
                Truth::True => scan.sure.push(item),
                Truth::Unknown => scan.possible.push(item),
                Truth::False => {}
            }
        }
        scan
    }

    /// As `of`, for what every running host has at least one of: a listing of none was not answered,
    /// whatever it says of itself.
    pub(super) fn of_never_empty(listing: &'f Listing<T>, what: &str, test: impl Fn(&T) -> Truth) -> Self {
        let mut scan = Self::of(listing, test);
        if listing.items.is_empty() && scan.gap.is_none() {
            scan.gap = Some(Doubt::new(format!("the list of {what} is empty, so it was not answered")));
        }
        scan
    }

    /// The items that match for certain.
    pub(super) fn sure(&self) -> &[&'f T] {
        &self.sure
    }

    /// True where an item matches, however much is missing; unknown where one may match or there may
    /// be more; false where every item was seen and none can match.
    pub(super) fn conclude(
        self,
        line: impl Fn(&T) -> String,
        name: Option<&dyn Fn(&T) -> String>,
        doubt: impl Fn(&T) -> Doubt,
    ) -> Outcome {
        if !self.sure.is_empty() {
            let matched = name.map(|name| matched_names(self.sure.iter().map(|item| name(item)).collect()));
            let facts = evidence_lines(&self.sure, |item| line(item));
            return Outcome { truth: Truth::True, facts, matched, doubt: None };
        }
        let first_doubt = self.gap.or_else(|| self.possible.first().map(|item| doubt(item)));
        match first_doubt {
            None => Outcome::known(false, name.is_some()),
            Some(doubt) => {
                let facts = evidence_lines(&self.possible, |item| line(item));
                Outcome { facts, ..Outcome::unknown(doubt, name.is_some()) }
            }
        }
    }
}
