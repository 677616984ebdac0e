//! `report` of several runs, or by a directive's clock.

use super::args::{Format, ReportArguments};
use super::compare::read_all;
use super::directive::{clock_of, read_directive};
use super::error::CliError;
use super::output::{refuse_other_forms, wants_color, width, write_results};
use super::run_log::runs_dir;
use super::scope;
use crate::directive::clock::{day_of, end_of_day, find_zone};
use crate::journal;
use crate::model::ExitCode;
use crate::report::{
    Campaign, TableOptions, campaign_html, campaign_json, campaign_markdown, campaign_table,
};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Whether one run is asked for as a campaign.
pub fn is_asked(arguments: &ReportArguments) -> bool {
    let clock = &arguments.clock;
    clock.directive.is_some()
        || clock.start.since.is_some()
        || clock.start.time_zone.is_some()
        || arguments.as_of.is_some()
}

/// Renders the campaign. Exits by what is left on the hosts, see `Campaign::exit_code`.
pub fn run(arguments: &ReportArguments) -> Result<ExitCode, CliError> {
    refuse_other_forms(&arguments.output, "a campaign", &FORMS)?;
    if !arguments.against.is_empty() {
        return Err(CliError::input(
            "`--against` compares one run with older ones, and does not go with a campaign",
            "leave out `--against`, or give one run and no directive, zone or day",
        ));
    }
    let start = &arguments.clock.start;
    let directive = arguments.clock.directive.as_deref().map(read_directive).transpose()?;
    let clock = directive.as_ref().map(|directive| clock_of(directive, start)).transpose()?;
    if let (Some(_), None) = (start.since, &clock) {
        return Err(CliError::input(
            "`--since` is the start of a directive's days, and there is no directive",
            "give `--directive NAME`; `uproot directive list` lists them",
        ));
    }
    let zone_name = start.time_zone.as_deref().unwrap_or("UTC");
    let zone = match &clock {
        Some(clock) => clock.zone.clone(),
        None => find_zone(zone_name)?,
    };
    let now = moment(arguments.as_of, &zone)?;
    let given = scope::read(&arguments.scope)?;
    let mut reports = read_all(arguments.runs.as_deref(), &names(arguments)?, &arguments.reading)?;
    if !given.is_empty() {
        reports.iter_mut().for_each(|report| report.rejudge(given.clone()));
    }
    let campaign = Campaign::of(&reports, clock.as_ref(), (zone, zone_name), now);
    if campaign.runs.is_empty() {
        return Err(CliError::input(
            format!("none of these runs had ended by {}", now.strftime("%Y-%m-%d %H:%M:%S UTC")),
            "give runs that had, or a later `--as-of`",
        ));
    }
    write(&campaign, arguments)?;
    Ok(campaign.exit_code())
}

/// The runs that are asked for.
fn names(arguments: &ReportArguments) -> Result<Vec<String>, CliError> {
    if !arguments.all {
        return Ok(arguments.run.clone());
    }
    let dir = runs_dir(arguments.runs.as_deref());
    let names: Vec<String> = journal::list(&dir)?.into_iter().map(|run| run.id).collect();
    if names.is_empty() {
        let message = format!("there is no run in `{}`", dir.display());
        return Err(CliError::input(message, "give the directory of the runs by `--runs DIR`"));
    }
    Ok(names)
}

/// The moment as of which it is told: now, or the last one of a day that is over.
fn moment(day: Option<Date>, zone: &TimeZone) -> Result<Timestamp, CliError> {
    let now = Timestamp::now();
    match day {
        Some(day) if day > day_of(now, zone) => Err(CliError::input(
            format!("{day} is still to come: nobody knows how the deadlines will stand then"),
            "give today or an earlier day to `--as-of`",
        )),
        Some(day) if day < day_of(now, zone) => {
            let end = end_of_day(day, zone).unwrap_or(now);
            Ok(end.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(end))
        }
        _ => Ok(now),
    }
}

/// The forms in which a campaign is told.
const FORMS: [Format; 4] = [Format::Table, Format::Json, Format::Markdown, Format::Html];

fn write(campaign: &Campaign, arguments: &ReportArguments) -> Result<(), CliError> {
    write_results(&arguments.output, |to| match to.format {
        Format::Json => campaign_json(campaign),
        Format::Html => campaign_html(campaign),
        Format::Markdown => campaign_markdown(campaign),
        _ => {
            let color = to.is_terminal() && wants_color();
            let verbose = arguments.output.verbose > 0;
            let width = width(to.is_terminal());
            campaign_table(campaign, &TableOptions { width, color, verbose, run: None })
        }
    })
}
