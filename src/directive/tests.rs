//! The calendar and the reader.

use super::clock::{add_days, business_day, day_of, days_between, end_of_day, find_zone};
use super::{Clock, ClockError, Directive, Goal, When, built_in, built_in_directives, parse};
use jiff::Timestamp;
use jiff::civil::{Date, Weekday, date};
use proptest::prelude::*;
use std::path::Path;

const ZONES: [&str; 6] =
    ["UTC", "America/New_York", "Australia/Sydney", "Pacific/Apia", "America/Sao_Paulo", "Asia/Kathmandu"];

fn bod() -> Directive {
    built_in("bod-17-01").unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn days(clock: &Clock<'_>, id: &str, sighted: Option<Timestamp>, until: &str) -> Vec<Date> {
    let deadline = clock.directive.deadline(id).unwrap();
    clock.dues(deadline, sighted, at(until)).into_iter().map(|due| due.day).collect()
}

#[test]
fn every_built_in_file_is_in_the_table_and_can_be_read() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/directives");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let directive = super::read(&path).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(path.file_stem().unwrap().to_str(), Some(directive.id.as_str()));
        assert!(!directive.sources.is_empty(), "{}", directive.id);
        found.push(directive.id);
    }
    found.sort();
    let table: Vec<String> = built_in_directives().into_iter().map(|directive| directive.id).collect();
    assert_eq!(found, table, "left: on disk, right: the table FILES");
}

#[test]
fn the_dates_of_the_first_directive_are_those_of_its_text() {
    let directive = bod();
    let clock = Clock::new(&directive, None, None).unwrap();
    let until = "2018-02-10T00:00:00Z";
    assert_eq!(days(&clock, "identify", None, until), [date(2017, 10, 13)]);
    assert_eq!(days(&clock, "plan", None, until), [date(2017, 11, 12)]);
    assert_eq!(days(&clock, "begin", None, until), [date(2017, 12, 12)]);
    assert_eq!(days(&clock, "status", None, until), [date(2018, 1, 11), date(2018, 2, 10)]);
    let identify = clock.dues(directive.deadline("identify").unwrap(), None, at(until));
    // Midnight at the end of the day in New York, which still has daylight saving time.
    assert_eq!(identify[0].end, at("2017-10-14T04:00:00Z"));
}

#[test]
fn a_leap_day_is_a_day() {
    let directive = bod();
    let clock = Clock::new(&directive, Some(date(2028, 1, 30)), Some("UTC")).unwrap();
    assert_eq!(days(&clock, "identify", None, "2028-03-01T00:00:00Z"), [date(2028, 2, 29)]);
    let clock = Clock::new(&directive, Some(date(2027, 1, 30)), Some("UTC")).unwrap();
    assert_eq!(days(&clock, "identify", None, "2028-03-01T00:00:00Z"), [date(2027, 3, 1)]);
    assert_eq!(end_of_day(date(2028, 2, 28), &find_zone("UTC").unwrap()), Some(at("2028-02-29T00:00:00Z")));
    assert_eq!(days_between(date(2028, 2, 28), date(2028, 3, 1)), 2);
}

#[test]
fn of_very_many_occurrences_the_last_ones_are_kept() {
    let text = "directive: 1\nid: own\nname: Own\nstart: 1990-01-01\ndeadlines:\n\
                - {id: a, what: b, goal: plan, after: 1 day}\n- {id: r, what: b, goal: report, every: 1 day, from: a}\n";
    let directive = parse("own.yml", text).unwrap();
    let clock = Clock::new(&directive, None, None).unwrap();
    let dues = clock.dues(directive.deadline("r").unwrap(), None, at("2026-01-01T12:00:00Z"));
    assert_eq!(dues.len(), 399, "at most 400");
    let last = dues.last().unwrap();
    assert_eq!((last.day, last.number), (date(2026, 1, 1), Some(13_148)));
}

#[test]
fn business_days_leave_out_weekends_and_holidays() {
    let directive = built_in("far-52-204-23").unwrap();
    let clock = Clock::new(&directive, None, None).unwrap();
    // Friday evening in New York is Saturday in UTC: the day of the sighting is a Friday.
    let seen = Some(at("2026-03-07T02:00:00Z"));
    assert_eq!(days(&clock, "first-report", seen, "2026-04-01T00:00:00Z"), [date(2026, 3, 11)]);
    assert_eq!(days(&clock, "follow-up", seen, "2026-04-01T00:00:00Z"), [date(2026, 3, 20)]);
    assert!(days(&clock, "follow-up", None, "2026-04-01T00:00:00Z").is_empty());
    assert_eq!(business_day(date(2026, 3, 6), 3, &[date(2026, 3, 10)]), Some(date(2026, 3, 12)));
    assert_eq!(business_day(date(2026, 3, 7), 1, &[]), Some(date(2026, 3, 9)));
}

#[test]
fn a_start_and_a_zone_must_be_there() {
    let text = "directive: 1\nid: own\nname: Own\ndeadlines:\n- {id: a, what: b, goal: plan, after: 1 day}\n";
    let directive = parse("own.yml", text).unwrap();
    assert_eq!(directive.time_zone, "UTC");
    assert_eq!(Clock::new(&directive, None, None).unwrap_err(), ClockError::NoStart { id: "own".into() });
    let wrong = Clock::new(&directive, Some(date(2027, 1, 1)), Some("Mars/Base")).unwrap_err();
    assert_eq!(wrong, ClockError::NoSuchZone { name: "Mars/Base".into() });
    assert!(Clock::new(&directive, Some(date(2027, 1, 1)), None).is_ok());
}

#[test]
fn all_mistakes_are_told_at_once_each_with_its_place_and_remedy() {
    let text = "directive: 2\nid: My Order\nname: x\ntime_zone: Mars/Base\nstart: 2027-02-29\nsaurces: []\n\
                deadlines:\n- {id: a, what: b, goal: remvoe, after: 30}\n- {id: b, what: c, goal: plan}\n\
                - {id: b2, what: c, goal: plan, on: 2027-01-31, after: 3 days}\n\
                - {id: c, what: d, goal: report, every: 30 days, from: x}\n\
                - {id: c, what: d, goal: report, every: 0 days}\n\
                - {id: e, what: d, goal: report, on: 1027-01-31, from: a, confirmed: yes}\n";
    let wrong = parse("own.yml", text).unwrap_err();
    let told = wrong.render();
    for part in [
        "--> own.yml:1:12",
        "no directive of version 1",
        "expected an id, found `My Order`",
        "there is no time zone `Mars/Base`",
        "expected a day, found `2027-02-29`",
        "did you mean `sources`?",
        "unknown goal `remvoe`",
        "did you mean `remove`?",
        "expected a number of days, found `30`",
        "a deadline has no day",
        "a deadline has more than one day",
        "there is no deadline `x`",
        "expected a number of days, found `0 days`",
        "`from` belongs to `every`",
        "expected `true` or `false`",
        "there is no `from`",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    assert!(wrong.list.iter().all(|one| one.help.is_some() && one.place.is_some()), "{told}");
}

#[test]
fn deadlines_with_one_id_and_chains_of_repetitions_are_refused() {
    let text = "directive: 1\nid: own\nname: x\ndeadlines:\n- {id: a, what: b, goal: remove, after: 30 days}\n\
                - {id: a, what: c, goal: plan, after: 2 days}\n\
                - {id: r, what: d, goal: report, every: 30 days, from: a}\n\
                - {id: s, what: d, goal: report, every: 30 days, from: r}\n";
    let told = parse("own.yml", text).unwrap_err().render();
    assert!(told.contains("two deadlines have the id `a`") && told.contains("`r` repeats itself"), "{told}");
    for (text, part) in [
        ("", "the file is empty"),
        ("directive: 1\nid: a\nname: b\ndeadlines: []\n", "there are 0 deadlines"),
        ("directive: 1\n", "there is no `deadlines`"),
    ] {
        let told = parse("own.yml", text).unwrap_err().render();
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn words_name_goals_and_days() {
    assert_eq!(Goal::ALL.map(Goal::word), ["identify", "plan", "begin", "remove", "report"]);
    assert_eq!(When::After(1).in_words(), "1 day after the start");
    assert_eq!(When::BusinessDays(3).in_words(), "3 business days after the first sighting");
    assert_eq!(When::Every { days: 30, from: "begin".into() }.in_words(), "every 30 days after `begin`");
    assert_eq!(When::On(date(2027, 1, 31)).in_words(), "on 2027-01-31");
}

fn day() -> impl Strategy<Value = Date> {
    (0i64..73_000).prop_map(|count| add_days(date(1995, 1, 1), count).unwrap())
}

proptest! {
    #[test]
    fn an_instant_is_after_the_day_before_and_before_the_end_of_its_own(
        second in 788_918_400i64..7_000_000_000, zone in 0usize..ZONES.len(), near in any::<bool>(),
    ) {
        let zone = find_zone(ZONES[zone]).unwrap();
        let instant = Timestamp::from_second(second).unwrap();
        // Half of the cases stand on the very edge of a day.
        let instant = if near { end_of_day(day_of(instant, &zone), &zone).unwrap() } else { instant };
        for instant in [instant, instant - jiff::SignedDuration::from_nanos(1)] {
            let day = day_of(instant, &zone);
            prop_assert!(instant < end_of_day(day, &zone).unwrap());
            prop_assert!(instant >= end_of_day(day.yesterday().unwrap(), &zone).unwrap());
        }
    }

    #[test]
    fn days_are_counted_without_a_gap(from in day(), count in -40_000i64..40_000) {
        let to = add_days(from, count).unwrap();
        prop_assert_eq!(days_between(from, to), count);
        prop_assert_eq!(to < add_days(to, 1).unwrap(), true);
    }

    #[test]
    fn business_days_are_those_that_a_calendar_counts(from in day(), count in 0u32..60, off in 0i64..20) {
        let holiday = add_days(from, off).unwrap();
        let to = business_day(from, count, &[holiday]).unwrap();
        let mut counted = 0;
        let mut day = from;
        while day < to {
            day = day.tomorrow().unwrap();
            let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
            counted += u32::from(!weekend && day != holiday);
        }
        prop_assert_eq!(counted, count);
        prop_assert!(business_day(from, count + 1, &[holiday]).unwrap() > to);
        prop_assert!(business_day(from.tomorrow().unwrap(), count, &[]) >= business_day(from, count, &[]));
    }

    #[test]
    fn a_repeating_deadline_ends_with_the_first_that_is_not_over(
        start in day(), length in -300i64..3_000, zone in 0usize..ZONES.len(),
    ) {
        let directive = bod();
        let clock = Clock::new(&directive, Some(start), Some(ZONES[zone])).unwrap();
        let until = end_of_day(add_days(start, length).unwrap(), &clock.zone).unwrap();
        let dues = clock.dues(directive.deadline("status").unwrap(), None, until);
        let first = add_days(start, 120).unwrap();
        for (index, due) in dues.iter().enumerate() {
            prop_assert_eq!(due.number, Some(index as u32 + 1));
            prop_assert_eq!(due.day, add_days(first, 30 * index as i64).unwrap());
            prop_assert_eq!(due.end > until, index + 1 == dues.len());
            prop_assert!(due.from.unwrap() < due.end);
        }
        for pair in dues.windows(2) {
            prop_assert_eq!(pair[1].from, Some(pair[0].end));
        }
        prop_assert!(!dues.is_empty());
    }
}
