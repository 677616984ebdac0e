//! The calendar: pure functions of days, instants and a time zone.

use super::{Deadline, Directive, When};
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// So many occurrences of a repeating deadline are computed, the latest ones.
const MOST_OCCURRENCES: i64 = 400;

/// Why days cannot be counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// The directive has no start of its own, and none was given.
    #[error("directive `{id}` counts its days from a start that it does not state")]
    NoStart {
        /// The directive.
        id: String,
    },
    /// There is no such zone.
    #[error("there is no time zone `{name}`")]
    NoSuchZone {
        /// The name.
        name: String,
    },
}

/// A directive with all that its days depend on.
#[derive(Debug, Clone)]
pub struct Clock<'a> {
    /// The directive.
    pub directive: &'a Directive,
    /// The day from which days are counted; none: no deadline needs one.
    pub since: Option<Date>,
    /// Where days end.
    pub zone: TimeZone,
    /// The zone's name.
    pub zone_name: String,
}

/// One day by which something must be achieved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Which occurrence of a repeating deadline, from 1.
    pub number: Option<u32>,
    /// Of a repeating deadline: what was done before this was for the occurrence before.
    pub from: Option<Timestamp>,
    /// The last day on which it can be achieved.
    pub day: Date,
    /// The first moment after that day.
    pub end: Timestamp,
}

impl<'a> Clock<'a> {
    /// For a directive. `since`: the user's start, in place of the directive's own; `zone`: likewise.
    ///
    /// # Errors
    /// When a start is needed and there is none, or there is no such zone.
    pub fn new(
        directive: &'a Directive,
        since: Option<Date>,
        zone: Option<&str>,
    ) -> Result<Self, ClockError> {
        let zone_name = zone.unwrap_or(&directive.time_zone).to_owned();
        let zone = find_zone(&zone_name)?;
        let since = since.or(directive.start);
        if since.is_none() && directive.counts_from_start() {
            return Err(ClockError::NoStart { id: directive.id.clone() });
        }
        Ok(Self { directive, since, zone, zone_name })
    }

    /// The days of a deadline. `sighted`: when a product was first seen, if ever; `until`: up to when a repeating
    /// deadline is followed (now, or when all was removed): the first occurrence that ends after it is the last.
    ///
    /// Empty where its clock has not started (nothing was seen), or a day is beyond the calendar.
    #[must_use]
    pub fn dues(&self, deadline: &Deadline, sighted: Option<Timestamp>, until: Timestamp) -> Vec<Due> {
        match &deadline.when {
            When::Every { days, from } => self.repeated(*days, from, sighted, until).unwrap_or_default(),
            when => self.day(when, sighted).and_then(|day| self.due(day)).into_iter().collect(),
        }
    }

    /// The day of a deadline that does not repeat.
    fn day(&self, when: &When, sighted: Option<Timestamp>) -> Option<Date> {
        match when {
            When::After(days) => add_days(self.since?, i64::from(*days)),
            When::On(day) => Some(*day),
            When::BusinessDays(count) => {
                business_day(day_of(sighted?, &self.zone), *count, &self.directive.holidays)
            }
            When::Every { .. } => None,
        }
    }

    fn due(&self, day: Date) -> Option<Due> {
        Some(Due { number: None, from: None, day, end: end_of_day(day, &self.zone)? })
    }

    fn repeated(
        &self,
        days: u32,
        from: &str,
        sighted: Option<Timestamp>,
        until: Timestamp,
    ) -> Option<Vec<Due>> {
        let step = i64::from(days.max(1));
        let base = self.day(&self.directive.deadline(from)?.when, sighted)?;
        // An occurrence may end up to a day off the one that plain arithmetic gives: begin one early.
        let passed = days_between(base, day_of(until, &self.zone)).div_euclid(step);
        let first = (passed - MOST_OCCURRENCES + 2).max(1);
        let mut dues = Vec::new();
        for number in first.. {
            let start = end_of_day(add_days(base, (number - 1) * step)?, &self.zone)?;
            let due = self.due(add_days(base, number * step)?)?;
            let is_last = due.end > until;
            dues.push(Due { number: u32::try_from(number).ok(), from: Some(start), ..due });
            if is_last {
                break;
            }
        }
        Some(dues)
    }
}

/// A time zone by its IANA name.
///
/// # Errors
/// When there is none of that name.
pub fn find_zone(name: &str) -> Result<TimeZone, ClockError> {
    TimeZone::get(name).map_err(|_| ClockError::NoSuchZone { name: name.to_owned() })
}

/// The day that a calendar on the wall shows there.
#[must_use]
pub fn day_of(at: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(at).date()
}

/// The first moment after a day there: the midnight at its end, or what the clocks show instead where they
/// are put forward over it. None at the end of the calendar.
#[must_use]
pub fn end_of_day(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    Some(day.tomorrow().ok()?.to_zoned_datetime(zone.clone()).ok()?.timestamp())
}

/// A day so many days later.
#[must_use]
pub fn add_days(day: Date, count: i64) -> Option<Date> {
    day.checked_add(Span::new().try_days(count).ok()?).ok()
}

/// How many days `to` is after `from`; negative: before.
#[must_use]
pub fn days_between(from: Date, to: Date) -> i64 {
    (to - from).get_days().into()
}

/// The business day so many business days after a day: Mondays to Fridays without the holidays.
#[must_use]
pub fn business_day(from: Date, count: u32, holidays: &[Date]) -> Option<Date> {
    let mut day = from;
    let mut left = count;
    while left > 0 {
        day = day.tomorrow().ok()?;
        if is_business_day(day, holidays) {
            left -= 1;
        }
    }
    Some(day)
}

fn is_business_day(day: Date, holidays: &[Date]) -> bool {
    !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && !holidays.contains(&day)
}
