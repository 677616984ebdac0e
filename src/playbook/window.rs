//! Maintenance windows: days, times and a time zone.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Times of the week at which hosts may be begun: `Mon..Thu 22:00-05:00 America/New_York`.
///
/// A window that ends at or before the time at which it begins ends on the next day; the days are those
/// on which it begins. Its times are those that a clock on the wall shows there: in the night in which
/// clocks are put forward or back it is shorter or longer. In a plan it stands as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    text: String,
    days: Vec<Weekday>,
    from: Time,
    to: Time,
    zone: TimeZone,
}

/// Why a text is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WindowError(String);

impl std::str::FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let [days, times, zone] = parts.as_slice() else {
            return Err(WindowError("expected days, times and a time zone".to_owned()));
        };
        let (from, to) = times
            .split_once('-')
            .ok_or_else(|| WindowError(format!("`{times}` is not two times such as `22:00-05:00`")))?;
        let (from, to) = (time(from)?, time(to)?);
        if from == to {
            return Err(WindowError("it begins when it ends".to_owned()));
        }
        let zone = TimeZone::get(zone).map_err(|_| WindowError(format!("there is no time zone `{zone}`")))?;
        Ok(Self { text: parts.join(" "), days: weekdays(days)?, from, to, zone })
    }
}

impl TryFrom<String> for Window {
    type Error = WindowError;

    fn try_from(text: String) -> Result<Self, WindowError> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.text
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Window {
    /// Whether it is open at this moment.
    #[must_use]
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.near(at).any(|(from, to)| from <= at && at < to)
    }

    /// When it opens next: `at` itself while it is open.
    #[must_use]
    pub fn opens(&self, at: Timestamp) -> Option<Timestamp> {
        if self.is_open(at) {
            return Some(at);
        }
        self.near(at).map(|(from, _)| from).filter(|from| *from > at).min()
    }

    /// How long it is open at a time, in a night in which no clock is changed.
    #[must_use]
    pub fn length(&self) -> Duration {
        let seconds = |time: Time| {
            u64::from(time.hour().unsigned_abs()) * 3600 + u64::from(time.minute().unsigned_abs()) * 60
        };
        let (from, to) = (seconds(self.from), seconds(self.to));
        Duration::from_secs(if to > from { to - from } else { to + 86_400 - from })
    }

    /// The openings from yesterday to a week ahead.
    fn near(&self, at: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> + '_ {
        let today = self.zone.to_datetime(at).date();
        (-1..=8).filter_map(move |offset: i64| {
            let day = today.checked_add(offset.days()).ok()?;
            if !self.days.contains(&day.weekday()) {
                return None;
            }
            let end_day = if self.to <= self.from { day.checked_add(1.day()).ok()? } else { day };
            let moment =
                |day: jiff::civil::Date, time: Time| self.zone.to_timestamp(day.to_datetime(time)).ok();
            Some((moment(day, self.from)?, moment(end_day, self.to)?))
        })
    }
}

fn time(text: &str) -> Result<Time, WindowError> {
    let wrong = || WindowError(format!("`{text}` is not a time such as `22:00`"));
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let number = |text: &str| {
        (text.len() == 2).then(|| text.parse::<i8>().ok()).flatten().filter(|number| *number >= 0)
    };
    let (hour, minute) = number(hour).zip(number(minute)).ok_or_else(wrong)?;
    Time::new(hour, minute, 0, 0).map_err(|_| wrong())
}

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

fn weekdays(text: &str) -> Result<Vec<Weekday>, WindowError> {
    let position = |name: &str| {
        DAYS.iter().position(|(known, _)| *known == name).ok_or_else(|| {
            WindowError(format!("`{name}` is not a day: write Mon, Tue, Wed, Thu, Fri, Sat or Sun"))
        })
    };
    let mut days = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once("..").unwrap_or((part, part));
        let (first, last) = (position(first)?, position(last)?);
        // `Fri..Mon` goes over the end of the week.
        let count = (last + 7 - first) % 7 + 1;
        days.extend(DAYS.iter().cycle().skip(first).take(count).map(|(_, day)| *day));
    }
    Ok(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str) -> Window {
        text.parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let window = window("Mon..Thu 22:00-05:00 America/New_York");
        for (moment, open) in [
            ("2026-11-23T21:59:59-05:00", false), // a Monday
            ("2026-11-23T22:00:00-05:00", true),
            ("2026-11-24T04:59:59-05:00", true),
            ("2026-11-24T05:00:00-05:00", false),
            ("2026-11-27T03:00:00-05:00", true), // Thursday's, on Friday
            ("2026-11-27T23:00:00-05:00", false),
            ("2026-11-23T02:00:00-05:00", false), // Sunday's would be
        ] {
            assert_eq!(window.is_open(at(moment)), open, "{moment}");
        }
        assert_eq!(window.opens(at("2026-11-27T12:00:00-05:00")), Some(at("2026-11-30T22:00:00-05:00")));
    }

    #[test]
    fn its_length_is_that_of_one_opening() {
        let minutes = |text: &str| window(text).length().as_secs() / 60;
        assert_eq!(minutes("Mon 22:00-05:30 UTC"), 450);
        assert_eq!(minutes("Mon,Tue 05:30-22:00 UTC"), 990);
        assert_eq!(minutes("Mon 00:01-00:00 UTC"), 1439);
    }

    #[test]
    fn days_may_be_a_list_and_go_over_the_end_of_the_week() {
        let window = window("Wed,Fri..Mon 00:00-23:59 UTC");
        let days: Vec<bool> =
            (23..30).map(|day| window.is_open(at(&format!("2026-11-{day}T12:00:00Z")))).collect();
        // From Monday the 23rd.
        assert_eq!(days, [true, false, true, false, true, true, true]);
    }

    #[test]
    fn a_night_in_which_clocks_change_has_its_own_length() {
        let window = window("Sat 22:00-04:00 Europe/Berlin");
        // Clocks go back on Sunday, 25 October 2026, at 03:00.
        assert!(window.is_open(at("2026-10-25T02:59:59Z")));
        assert!(!window.is_open(at("2026-10-25T03:00:00Z")));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("", "expected days"),
            ("22:00-05:00 UTC", "expected days"),
            ("Mon 22:00 UTC", "two times"),
            ("Mon 24:00-05:00 UTC", "`24:00`"),
            ("Mon 2:00-05:00 UTC", "`2:00`"),
            ("mon 22:00-05:00 UTC", "`mon` is not a day"),
            ("Mon 22:00-22:00 UTC", "begins when it ends"),
            ("Mon 22:00-23:00 Europe/Nowhere", "no time zone `Europe/Nowhere`"),
        ] {
            let error = text.parse::<Window>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn it_stands_in_a_plan_as_it_was_written() {
        let json = serde_json::to_string(&window("Sat,Sun 01:00-02:30 UTC")).unwrap();
        assert_eq!(json, "\"Sat,Sun 01:00-02:30 UTC\"");
        assert_eq!(serde_json::from_str::<Window>(&json).unwrap(), window("Sat,Sun 01:00-02:30 UTC"));
        assert!(serde_json::from_str::<Window>("\"never\"").is_err());
    }
}
