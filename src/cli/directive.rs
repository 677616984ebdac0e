//! `directive list` and `directive show`, and finding the directive that an option names.

use super::args::{DirectiveVerb, StartArguments};
use super::error::CliError;
use super::output::print_bytes;
use crate::directive::clock::end_of_day;
use crate::directive::{self, Clock, ClockError, Directive, When};
use crate::model::ExitCode;
use crate::model::diagnostic::nearest;
use crate::model::output::escape_line;
use jiff::Timestamp;
use std::path::Path;

/// Runs `directive list` or `directive show`.
pub fn run(verb: &DirectiveVerb) -> Result<ExitCode, CliError> {
    let text = match verb {
        DirectiveVerb::List => list(),
        DirectiveVerb::Show { directive, start } => {
            let directive = read_directive(directive)?;
            show(&directive, start)?
        }
    };
    print_bytes(text.as_bytes())?;
    Ok(ExitCode::Success)
}

/// The directive that an option names: a built-in one, else a file.
pub fn read_directive(name: &str) -> Result<Directive, CliError> {
    if let Some(directive) = directive::built_in(name) {
        return Ok(directive);
    }
    let path = Path::new(name);
    let is_file = name.contains('/') || path.extension().is_some() || path.exists();
    if is_file {
        return Ok(directive::read(path)?);
    }
    let known = directive::built_in_directives();
    let ids = || known.iter().map(|directive| directive.id.as_str());
    let help = match nearest(name, ids()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("give one of {}, or a YAML file", ids().collect::<Vec<_>>().join(", ")),
    };
    Err(CliError::input(format!("there is no built-in directive `{}`", escape_line(name)), help))
}

/// The clock of a directive, with the start and the zone that the user gave.
pub fn clock_of<'a>(directive: &'a Directive, start: &StartArguments) -> Result<Clock<'a>, CliError> {
    Ok(Clock::new(directive, start.since, start.time_zone.as_deref())?)
}

fn list() -> String {
    let mut text = String::new();
    for directive in directive::built_in_directives() {
        let confirmed = if directive.confirmed { "" } else { " (no source was read)" };
        text.push_str(&format!("{:18}{}{confirmed}\n", directive.id, directive.name));
    }
    text
}

fn show(directive: &Directive, start: &StartArguments) -> Result<String, CliError> {
    let clock = match clock_of(directive, start) {
        Ok(clock) => Some(clock),
        // Without a start the deadlines are shown in words.
        Err(CliError::Clock(ClockError::NoStart { .. })) => None,
        Err(error) => return Err(error),
    };
    let mut text = format!("{}: {}\n", directive.id, escape_line(&directive.name));
    if !directive.confirmed {
        text.push_str("unconfirmed: no source was read\n");
    }
    if let Some(note) = &directive.note {
        text.push_str(&format!("{}\n", escape_line(note)));
    }
    let zone = clock.as_ref().map_or(directive.time_zone.as_str(), |clock| &clock.zone_name);
    text.push_str(&format!("days end at midnight in {zone}\n"));
    match clock.as_ref().and_then(|clock| clock.since) {
        Some(since) => text.push_str(&format!("days are counted from {since}\n")),
        None if directive.counts_from_start() => {
            text.push_str("days are counted from a start that you give: --since DATE\n");
        }
        None => {}
    }
    text.push('\n');
    for deadline in &directive.deadlines {
        let until = clock.as_ref().map(|clock| first_until(clock, &deadline.when)).unwrap_or_default();
        let day =
            clock.as_ref().and_then(|clock| clock.dues(deadline, None, until).first().map(|due| due.day));
        let day = day.map_or("          ".to_owned(), |day| day.to_string());
        let confirmed = if deadline.confirmed { "" } else { "; unconfirmed" };
        let binding = if deadline.binding { "" } else { "; obliges nobody" };
        text.push_str(&format!(
            "{day}  {:14}{:10}{}{confirmed}{binding}\n{:12}{}\n",
            deadline.id,
            deadline.goal.word(),
            deadline.when.in_words(),
            "",
            escape_line(&deadline.what)
        ));
    }
    text.push('\n');
    for source in &directive.sources {
        text.push_str(&format!("source: {}\n", escape_line(source)));
    }
    Ok(text)
}

/// A moment at which only the first occurrence of a repeating deadline is to come.
fn first_until(clock: &Clock<'_>, when: &When) -> Timestamp {
    let When::Every { from, .. } = when else { return Timestamp::UNIX_EPOCH };
    let base = clock.directive.deadline(from);
    let due = base.and_then(|base| clock.dues(base, None, Timestamp::UNIX_EPOCH).into_iter().next());
    due.and_then(|due| end_of_day(due.day, &clock.zone)).unwrap_or_default()
}
