//! Directives: what must be achieved, and by when.
//!
//! Owns the reading of a directive's YAML ([`read`], [`built_in`]), the calendar ([`clock`]) and nothing of
//! runs: whether a deadline was met is what `report::Campaign` tells. A deadline is a day; it is over with the
//! midnight at the end of that day in the time zone of the clock.

mod built_in;
pub mod clock;
mod read;
#[cfg(test)]
mod tests;

pub use built_in::{built_in, built_in_directives};
pub use clock::{Clock, ClockError, Due};
pub use read::{parse, read};

use jiff::civil::Date;

/// Someone's order to be rid of products, with its deadlines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Its id: `bod-17-01`. The scope profile of the same directive has the same.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What else must be known of it.
    pub note: Option<String>,
    /// Where it can be read.
    pub sources: Vec<String>,
    /// Whether a source for it was read.
    pub confirmed: bool,
    /// The time zone in which its days end (IANA).
    pub time_zone: String,
    /// The day from which its days are counted unless the user names another.
    pub start: Option<Date>,
    /// Days that are no business days, besides Saturdays and Sundays.
    pub holidays: Vec<Date>,
    /// Its deadlines, in the order written.
    pub deadlines: Vec<Deadline>,
    /// SHA-256 (hex) of the document.
    pub digest: String,
}

/// One thing that must be achieved by a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadline {
    /// Its id, which no other deadline of the directive has.
    pub id: String,
    /// What must be achieved, in words.
    pub what: String,
    /// Of which kind that is.
    pub goal: Goal,
    /// By when.
    pub when: When,
    /// Whether a source for it was read.
    pub confirmed: bool,
    /// Whether anyone is obliged to it; else it is a date to know.
    pub binding: bool,
}

/// What a deadline asks for, as far as journals can prove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Goal {
    /// Every host answered every question.
    Identify,
    /// Every host that has a product was looked at for a plan.
    Plan,
    /// A removal was begun: by a first step, or by another hand, so that a product that was seen is gone.
    Begin,
    /// Every host is proven free.
    Remove,
    /// Someone is told. A journal can prove that there was something to tell, never that it was sent.
    Report,
}

impl Goal {
    /// Every goal.
    pub const ALL: [Self; 5] = [Self::Identify, Self::Plan, Self::Begin, Self::Remove, Self::Report];

    /// The word used in files and reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Plan => "plan",
            Self::Begin => "begin",
            Self::Remove => "remove",
            Self::Report => "report",
        }
    }
}

/// When a deadline is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// So many calendar days after the start; the start itself is day 0.
    After(u32),
    /// On a fixed day.
    On(Date),
    /// So many business days after the day on which a product was first seen; that day is day 0.
    BusinessDays(u32),
    /// Again and again, so many calendar days after another deadline and after each other, until everything is
    /// removed.
    Every {
        /// How many days apart.
        days: u32,
        /// The id of the deadline from which it is counted.
        from: String,
    },
}

impl When {
    /// In words: `30 days after the start`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let days = |count: u32| if count == 1 { "1 day".to_owned() } else { format!("{count} days") };
        match self {
            Self::After(count) => format!("{} after the start", days(*count)),
            Self::On(day) => format!("on {day}"),
            Self::BusinessDays(count) => {
                let plural = if *count == 1 { "" } else { "s" };
                format!("{count} business day{plural} after the first sighting")
            }
            Self::Every { days: count, from } => format!("every {} after `{from}`", days(*count)),
        }
    }
}

impl Directive {
    /// A deadline by its id.
    #[must_use]
    pub fn deadline(&self, id: &str) -> Option<&Deadline> {
        self.deadlines.iter().find(|deadline| deadline.id == id)
    }

    /// Whether days are counted from a start.
    #[must_use]
    pub fn counts_from_start(&self) -> bool {
        self.deadlines.iter().any(|deadline| matches!(deadline.when, When::After(_)))
    }
}
