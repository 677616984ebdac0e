//! A directive's YAML → a checked [`Directive`]; everything that is wrong with it is told at once.

use super::clock::find_zone;
use super::{Deadline, Directive, Goal, When};
use crate::model::diagnostic::nearest;
use crate::model::yaml::{Limits, Node, parse as parse_yaml};
use crate::model::{Diagnostic, Diagnostics, Place, Sources, sha256_hex};
use jiff::civil::Date;
use std::path::Path;

/// A directive is a page of text.
const LIMITS: Limits = Limits { bytes: 256 << 10, nodes: 5_000, depth: 8, aliases: 100 };
/// Most characters of a name, an id or a source.
const LONGEST: usize = 400;
/// Most days that a deadline may be after its start.
const MOST_DAYS: i64 = 3_650;
const MOST_DEADLINES: usize = 50;
/// Years of dates that are taken for no slip of the hand.
const YEARS: std::ops::RangeInclusive<i16> = 1990..=2199;

const KEYS: &[&str] = &[
    "directive",
    "id",
    "name",
    "note",
    "sources",
    "confirmed",
    "time_zone",
    "start",
    "holidays",
    "deadlines",
];
const DEADLINE_KEYS: &[&str] =
    &["id", "what", "goal", "after", "on", "business_days", "every", "from", "confirmed", "binding"];
const WHEN_KEYS: [&str; 4] = ["after", "on", "business_days", "every"];

/// Reads a directive's file.
///
/// # Errors
/// Everything that is wrong with it, with its text to show places in.
pub fn read(path: &Path) -> Result<Directive, Diagnostics> {
    let file = path.display().to_string();
    let failed = |reason: String| {
        let diagnostic = Diagnostic::file_error(&file, format!("the directive cannot be read: {reason}"))
            .with_help(
                "check the path, and that you may read it; `uproot directive list` names the built-in ones",
            );
        Diagnostics { list: vec![diagnostic], sources: Sources::default() }
    };
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > LIMITS.bytes as u64 {
        return Err(failed(format!("it has {size} bytes, at most {} are read", LIMITS.bytes)));
    }
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8".to_owned()))?;
    parse(&file, &text)
}

/// Checks a directive's text; `file` is its name.
///
/// # Errors
/// Everything that is wrong with it, with its text to show places in.
pub fn parse(file: &str, text: &str) -> Result<Directive, Diagnostics> {
    let mut sources = Sources::default();
    sources.add(file, text);
    let root = match parse_yaml(file, text, &LIMITS) {
        Ok(root) => root,
        Err(list) => return Err(Diagnostics { list, sources }),
    };
    let mut reader = Reader { problems: Vec::new() };
    let directive = reader.directive(&root, text);
    match directive {
        Some(directive) if reader.problems.is_empty() => Ok(directive),
        _ => Err(Diagnostics { list: reader.problems, sources }),
    }
}

struct Reader {
    problems: Vec<Diagnostic>,
}

impl Reader {
    fn directive(&mut self, root: &Node, text: &str) -> Option<Directive> {
        self.keys(root, KEYS, "a directive")?;
        if let Some(version) = self.required(root, "directive", "write `directive: 1` first")
            && version.as_str() != Some("1")
        {
            self.error(
                &version.place,
                "this is no directive of version 1",
                "expected `1`",
                "write `directive: 1`",
            );
        }
        let id =
            self.required(root, "id", "give it a short id: `id: my-order`").and_then(|node| self.id(node));
        let name = self.required(root, "name", "give it a name for people").and_then(|node| self.words(node));
        let note = root.get("note").and_then(|node| self.words(node));
        let sources = self.texts(root.get("sources"));
        let confirmed = self.flag(root.get("confirmed"));
        let time_zone = root.get("time_zone").map_or(Some("UTC".to_owned()), |node| self.zone(node));
        let start = root.get("start").and_then(|node| self.date(node));
        let holidays = self.dates(root.get("holidays"));
        let list = self.required(root, "deadlines", "list at least one deadline");
        let deadlines = list.map(|node| self.deadlines(node)).unwrap_or_default();
        Some(Directive {
            id: id?,
            name: name?,
            note,
            sources,
            confirmed,
            time_zone: time_zone?,
            start,
            holidays,
            deadlines,
            digest: sha256_hex(text),
        })
    }

    fn deadlines(&mut self, node: &Node) -> Vec<Deadline> {
        let Some(entries) = self.take(node.list()) else { return Vec::new() };
        if entries.is_empty() || entries.len() > MOST_DEADLINES {
            let help = format!("list 1 to {MOST_DEADLINES} deadlines");
            self.error(&node.place, format!("there are {} deadlines", entries.len()), "expected some", help);
            return Vec::new();
        }
        let read: Vec<(&Node, Option<Deadline>)> =
            entries.iter().map(|entry| (entry, self.deadline(entry))).collect();
        let known: Vec<(String, bool)> = read
            .iter()
            .filter_map(|(_, deadline)| deadline.as_ref())
            .map(|deadline| (deadline.id.clone(), matches!(deadline.when, When::Every { .. })))
            .collect();
        for (index, (entry, deadline)) in read.iter().enumerate() {
            let Some(deadline) = deadline else { continue };
            let before = read.iter().take(index).filter_map(|(_, other)| other.as_ref());
            let place = entry.get("id").map_or(&entry.place, |node| &node.place);
            if before.clone().any(|other| other.id == deadline.id) {
                let message = format!("two deadlines have the id `{}`", deadline.id);
                self.error(place, message, "the second one", "give each an id of its own");
            }
            if let When::Every { from, .. } = &deadline.when {
                let place = entry.get("from").map_or(&entry.place, |node| &node.place);
                self.counted_from(place, from, &known);
            }
        }
        read.into_iter().filter_map(|(_, deadline)| deadline).collect()
    }

    /// Whether a repeating deadline can be counted from another one.
    fn counted_from(&mut self, place: &Place, from: &str, known: &[(String, bool)]) {
        let once: Vec<&str> =
            known.iter().filter(|(_, repeats)| !repeats).map(|(id, _)| id.as_str()).collect();
        let words = once.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
        let help = format!("name one of the deadlines that come once: {words}");
        match known.iter().find(|(id, _)| id == from) {
            Some((_, false)) => {}
            Some((_, true)) => {
                self.error(place, format!("`{from}` repeats itself"), "expected one that comes once", help)
            }
            None => {
                let help = nearest(from, once).map_or(help, |near| format!("did you mean `{near}`?"));
                self.error(
                    place,
                    format!("there is no deadline `{from}`"),
                    "not a deadline of this file",
                    help,
                );
            }
        }
    }

    fn deadline(&mut self, entry: &Node) -> Option<Deadline> {
        self.keys(entry, DEADLINE_KEYS, "a deadline")?;
        let id =
            self.required(entry, "id", "give it a short id: `id: identify`").and_then(|node| self.id(node));
        let what =
            self.required(entry, "what", "say what must be achieved").and_then(|node| self.words(node));
        let goal = self.required(entry, "goal", "write `goal: remove`").and_then(|node| self.goal(node));
        let when = self.when(entry);
        let confirmed = self.flag(entry.get("confirmed"));
        let binding = self.flag(entry.get("binding"));
        Some(Deadline { id: id?, what: what?, goal: goal?, when: when?, confirmed, binding })
    }

    fn when(&mut self, entry: &Node) -> Option<When> {
        let given: Vec<(&str, &Node)> =
            WHEN_KEYS.into_iter().filter_map(|key| Some((key, entry.get(key)?))).collect();
        let [(key, node)] = given.as_slice() else {
            let found = if given.is_empty() { "no" } else { "more than one" };
            let help = "give one of `after: 30 days`, `on: 2027-01-31`, `business_days: 3`, `every: 30 days`";
            self.error(&entry.place, format!("a deadline has {found} day"), "exactly one is expected", help);
            return None;
        };
        if let (true, Some(from)) = (*key != "every", entry.get("from")) {
            let help = "remove it; `after` counts from the start and `business_days` from the first sighting";
            self.error(&from.place, "`from` belongs to `every`", "not obeyed here", help);
        }
        match *key {
            "after" => self.days(node).map(When::After),
            "on" => self.date(node).map(When::On),
            "business_days" => self
                .take(node.integer(1, 1_000))
                .and_then(|count| u32::try_from(count).ok())
                .map(When::BusinessDays),
            _ => {
                let days = self.days(node);
                let help = "name the deadline from which it is counted: `from: begin`";
                let from = self.required(entry, "from", help).and_then(|node| self.words(node));
                Some(When::Every { days: days?, from: from? })
            }
        }
    }

    /// `30 days`.
    fn days(&mut self, node: &Node) -> Option<u32> {
        let text = self.take(node.text())?;
        let number = text
            .strip_suffix(" days")
            .or_else(|| text.strip_suffix(" day"))
            .and_then(|number| number.parse::<i64>().ok().filter(|number| (1..=MOST_DAYS).contains(number)));
        let Some(number) = number.and_then(|number| u32::try_from(number).ok()) else {
            let help = format!("write a number of days from 1 to {MOST_DAYS}: `30 days`");
            self.problems.push(node.mismatch("a number of days", &help));
            return None;
        };
        Some(number)
    }

    fn goal(&mut self, node: &Node) -> Option<Goal> {
        let word = self.take(node.text())?;
        let goal = Goal::ALL.into_iter().find(|goal| goal.word() == word);
        if goal.is_none() {
            let known = Goal::ALL.map(Goal::word);
            let help = match nearest(word, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write one of `identify`, `plan`, `begin`, `remove`, `report`".to_owned(),
            };
            self.error(&node.place, format!("unknown goal `{word}`"), "not a goal", help);
        }
        goal
    }

    fn zone(&mut self, node: &Node) -> Option<String> {
        let name = self.take(node.text())?;
        if let Err(error) = find_zone(name) {
            let help = "write a name of the IANA database, such as `America/New_York` or `UTC`";
            self.error(&node.place, error.to_string(), "not a time zone", help);
            return None;
        }
        Some(name.to_owned())
    }

    fn date(&mut self, node: &Node) -> Option<Date> {
        let text = self.take(node.text())?;
        let is_plain =
            text.len() == "2027-01-31".len() && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let date = text.parse::<Date>().ok().filter(|date| is_plain && YEARS.contains(&date.year()));
        if date.is_none() {
            let help = format!(
                "write a day of the years {} to {} as year, month and day: `2027-01-31`",
                YEARS.start(),
                YEARS.end()
            );
            self.problems.push(node.mismatch("a day", &help));
        }
        date
    }

    fn dates(&mut self, node: Option<&Node>) -> Vec<Date> {
        let Some(node) = node else { return Vec::new() };
        let entries = self.take(node.list()).unwrap_or_default();
        entries.iter().filter_map(|entry| self.date(entry)).collect()
    }

    fn texts(&mut self, node: Option<&Node>) -> Vec<String> {
        let Some(node) = node else { return Vec::new() };
        let entries = self.take(node.list()).unwrap_or_default();
        entries.iter().filter_map(|entry| self.words(entry)).collect()
    }

    fn flag(&mut self, node: Option<&Node>) -> bool {
        node.is_none_or(|node| self.take(node.boolean()).unwrap_or(true))
    }

    fn id(&mut self, node: &Node) -> Option<String> {
        let text = self.take(node.text())?;
        let is_id = (1..=64).contains(&text.len())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !text.starts_with('-');
        if !is_id {
            let help = "write small letters, digits and `-`, such as `bod-17-01`";
            self.problems.push(node.mismatch("an id", help));
            return None;
        }
        Some(text.to_owned())
    }

    fn words(&mut self, node: &Node) -> Option<String> {
        let text = self.take(node.text())?.trim();
        let count = text.chars().count();
        if count == 0 || count > LONGEST {
            let help = format!("write 1 to {LONGEST} characters");
            self.error(
                &node.place,
                format!("this text has {count} characters"),
                "too short or too long",
                help,
            );
            return None;
        }
        Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Whether a node is a map with these keys only.
    fn keys(&mut self, node: &Node, known: &[&str], context: &str) -> Option<()> {
        let pairs = self.take(node.map())?;
        for (key, _) in pairs {
            let name = key.as_str().unwrap_or_default();
            if !known.contains(&name) {
                let words = known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
                let help = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("remove it, or write one of {words}"),
                };
                self.error(&key.place, format!("unknown key `{name}` in {context}"), "not a key", help);
            }
        }
        Some(())
    }

    fn required<'a>(&mut self, map: &'a Node, key: &str, help: &str) -> Option<&'a Node> {
        let node = map.get(key).filter(|node| !node.is_null());
        if node.is_none() {
            self.error(&map.place, format!("there is no `{key}`"), "a key is missing here", help);
        }
        node
    }

    fn take<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|diagnostic| self.problems.push(diagnostic)).ok()
    }

    fn error(&mut self, place: &Place, message: impl Into<String>, label: &str, help: impl Into<String>) {
        self.problems.push(Diagnostic::error(place, message).with_label(label).with_help(help));
    }
}
