//! Which deadlines were met, by which run, with the evidence of each.

use super::{Campaign, CampaignHost, DeadlineReport, DeadlineState, HostStatus, Moment};
use crate::directive::clock::days_between;
use crate::directive::{Clock, Deadline, Due, Goal};
use crate::report::next::some_of;

/// Tells every deadline of the clock's directive.
pub(super) fn tell(campaign: &Campaign, clock: &Clock<'_>) -> Vec<DeadlineReport> {
    let sighted = campaign.hosts.iter().filter_map(|host| host.first_seen.as_ref()).min();
    let until = all_free(campaign).map_or(campaign.as_of, |moment| moment.at.min(campaign.as_of));
    let mut reports = Vec::new();
    for deadline in &clock.directive.deadlines {
        let dues = clock.dues(deadline, sighted.map(|moment| moment.at), until);
        if dues.is_empty() {
            reports.push(blank(deadline));
        }
        reports.extend(dues.iter().map(|due| one(campaign, deadline, due)));
    }
    reports
}

/// When the last host was proven free; none: not every host is.
fn all_free(campaign: &Campaign) -> Option<&Moment> {
    let moments: Option<Vec<&Moment>> = campaign.hosts.iter().map(|host| host.free_since.as_ref()).collect();
    moments?.into_iter().max()
}

/// A deadline whose clock has not started.
fn blank(deadline: &Deadline) -> DeadlineReport {
    DeadlineReport {
        id: deadline.id.clone(),
        what: deadline.what.clone(),
        goal: deadline.goal,
        number: None,
        day: None,
        end: None,
        days_left: None,
        state: DeadlineState::NotStarted,
        by: None,
        achieved: 0,
        of: 0,
        missing: Vec::new(),
        evidence: "its clock has not started: no product that counts was seen".to_owned(),
        confirmed: deadline.confirmed,
        binding: deadline.binding,
    }
}

fn one(campaign: &Campaign, deadline: &Deadline, due: &Due) -> DeadlineReport {
    let report = DeadlineReport {
        number: due.number,
        day: Some(due.day),
        end: Some(due.end),
        days_left: Some(days_between(campaign.today, due.day)),
        ..blank(deadline)
    };
    match deadline.goal {
        Goal::Identify => identify(campaign, due, report),
        Goal::Plan => plan(campaign, due, report),
        Goal::Begin => begin(campaign, due, report),
        Goal::Remove => remove(campaign, due, report),
        Goal::Report => to_report(campaign, due, report),
    }
}

/// How far something is achieved on the hosts that it is asked of.
struct Achieved<'a> {
    /// Each host, with when it was achieved there.
    hosts: Vec<(&'a CampaignHost, Option<&'a Moment>)>,
}

impl<'a> Achieved<'a> {
    fn by(&self, due: &Due) -> usize {
        self.hosts.iter().filter(|(_, moment)| moment.is_some_and(|moment| moment.at < due.end)).count()
    }

    fn so_far(&self) -> usize {
        self.hosts.iter().filter(|(_, moment)| moment.is_some()).count()
    }

    fn last(&self) -> Option<&'a Moment> {
        self.hosts.iter().filter_map(|(_, moment)| *moment).max()
    }

    fn missing(&self) -> Vec<String> {
        let missing = self.hosts.iter().filter(|(_, moment)| moment.is_none());
        missing.map(|(host, _)| host.host.clone()).collect()
    }

    /// Fills in how it stands.
    fn fill(&self, campaign: &Campaign, due: &Due, report: DeadlineReport) -> DeadlineReport {
        let (of, in_time, so_far) = (self.hosts.len(), self.by(due), self.so_far());
        let is_over = campaign.as_of >= due.end;
        let state = match () {
            () if of > 0 && in_time == of => DeadlineState::Met,
            () if !is_over => DeadlineState::Open,
            () if of > 0 && so_far == of => DeadlineState::MetLate,
            () if in_time > 0 => DeadlineState::Partly,
            () => DeadlineState::Missed,
        };
        let is_achieved = matches!(state, DeadlineState::Met | DeadlineState::MetLate);
        let by = self.last().filter(|_| is_achieved).cloned();
        let mut missing = self.missing();
        missing.sort_unstable();
        DeadlineReport { state, by, achieved: if is_over { in_time } else { so_far }, of, missing, ..report }
    }
}

fn identify(campaign: &Campaign, due: &Due, report: DeadlineReport) -> DeadlineReport {
    let hosts = campaign.hosts.iter().map(|host| (host, host.answered.as_ref())).collect();
    let achieved = Achieved { hosts };
    let mut report = achieved.fill(campaign, due, report);
    let answered = format!("{} answered every question", counted(&achieved, due, campaign));
    let found = match campaign.counts.found {
        0 if campaign.is_nil_return() => {
            format!("; no product was found on {0} of {0}: a nil return", report.of)
        }
        0 => "; no product that counts was found so far".to_owned(),
        1 => "; a product was found on 1 host".to_owned(),
        found => format!("; a product was found on {found} hosts"),
    };
    report.evidence = format!("{answered}{found}{}", never(campaign));
    report
}

fn plan(campaign: &Campaign, due: &Due, report: DeadlineReport) -> DeadlineReport {
    let is_asked = |host: &&CampaignHost| {
        host.first_seen.is_some() || host.answered.is_none() || host.status == HostStatus::Unknown
    };
    let asked = campaign.hosts.iter().filter(is_asked);
    let achieved = Achieved { hosts: asked.map(|host| (host, host.planned.as_ref())).collect() };
    let mut report = achieved.fill(campaign, due, report);
    if report.of == 0 && !campaign.hosts.is_empty() {
        return nothing_to_do(campaign, report);
    }
    let later = later(&achieved, due, campaign);
    report.evidence = format!(
        "{} that have a product, or may have one, were looked at for a plan{later}{}; that it was handed in no journal says",
        counted(&achieved, due, campaign),
        never(campaign)
    );
    report
}

/// How many of the hosts that are missing were first seen after the day.
fn later(achieved: &Achieved<'_>, due: &Due, campaign: &Campaign) -> String {
    let is_late = |host: &CampaignHost| host.first_seen.as_ref().is_some_and(|seen| seen.at >= due.end);
    match achieved.hosts.iter().filter(|(host, _)| is_late(host)).count() {
        _ if campaign.as_of < due.end => String::new(),
        0 => String::new(),
        count => format!(" ({count} of them first had one seen after that day)"),
    }
}

fn begin(campaign: &Campaign, due: &Due, report: DeadlineReport) -> DeadlineReport {
    let seen: Vec<&CampaignHost> = campaign.hosts.iter().filter(|host| host.first_seen.is_some()).collect();
    let first = campaign.hosts.iter().filter_map(begun).min();
    let all_answered =
        campaign.counts.unknown == 0 && campaign.hosts.iter().all(|host| host.answered.is_some());
    let is_over = campaign.as_of >= due.end;
    let state = match first {
        Some(moment) if moment.at < due.end => DeadlineState::Met,
        Some(_) => DeadlineState::MetLate,
        None if seen.is_empty() && all_answered && !campaign.hosts.is_empty() => {
            return nothing_to_do(campaign, report);
        }
        None if is_over => DeadlineState::Missed,
        None => DeadlineState::Open,
    };
    let in_time = |moment: &&Moment| !is_over || moment.at < due.end;
    let achieved = seen.iter().filter_map(|host| begun(host)).filter(in_time).count();
    let by_then = if is_over { " by that day" } else { "" };
    let missing = seen.iter().filter(|host| begun(host).is_none()).map(|host| host.host.clone()).collect();
    let of = seen.len();
    let a_step = |moment: &Moment| campaign.hosts.iter().any(|host| host.begun.as_ref() == Some(moment));
    let evidence = match first {
        Some(moment) => {
            let how = if a_step(moment) {
                "the first step was begun"
            } else {
                "without a step of these runs a product that had been seen was proven gone"
            };
            format!("{how} at {}; begun on {achieved} of {} with a product{by_then}", utc(moment), hosts(of))
        }
        None => format!("no step was begun on any of {} with a product", hosts(of)),
    };
    DeadlineReport { state, by: first.cloned(), achieved, of, missing: sorted(missing), evidence, ..report }
}

/// When the removal is known to have begun on a host: its first step, or, where another hand removed it, the look
/// that found a product gone.
fn begun(host: &CampaignHost) -> Option<&Moment> {
    let gone =
        host.products.iter().filter(|product| product.counts).filter_map(|product| product.done.as_ref());
    host.begun.iter().chain(gone).min()
}

fn remove(campaign: &Campaign, due: &Due, report: DeadlineReport) -> DeadlineReport {
    let hosts = campaign.hosts.iter().map(|host| (host, host.free_since.as_ref())).collect();
    let achieved = Achieved { hosts };
    let mut report = achieved.fill(campaign, due, report);
    let counts = campaign.counts;
    let free = if counts.exempt > 0 { "free of what counts" } else { "proven free" };
    let mut parts = vec![format!("{} {free}", counted(&achieved, due, campaign))];
    let also = [
        (counts.remaining, "still with a product"),
        (counts.unknown, "not known"),
        (counts.exempt, "with only what the scope leaves out or a waiver allows"),
        (counts.lost, "lost sight of since it was last told"),
    ];
    parts.extend(
        also.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")),
    );
    let back = campaign.hosts.iter().filter(|host| host.came_back.is_some()).count();
    if back > 0 {
        parts.push(format!("on {back} a product came back"));
    }
    if campaign.is_nil_return() {
        parts.push(format!("no product was found on {0} of {0}: a nil return", counts.hosts));
    }
    report.evidence = parts.join("; ") + &never(campaign);
    report
}

/// A report to someone: is there a run to make it from?
fn to_report(campaign: &Campaign, due: &Due, report: DeadlineReport) -> DeadlineReport {
    let usable = campaign.runs.iter().filter(|run| run.finished && !run.is_broken());
    let in_time = usable.filter(|run| run.ended < due.end && due.from.is_none_or(|from| run.ended >= from));
    let newest = in_time.max_by_key(|run| run.ended);
    let is_over = campaign.as_of >= due.end;
    let state = match newest {
        Some(_) => DeadlineState::Ready,
        None if is_over => DeadlineState::Missed,
        None => DeadlineState::Open,
    };
    let by = newest.map(|run| Moment { at: run.ended, run: run.run.clone() });
    let point = by.as_ref().and_then(|by| campaign.progress.iter().find(|point| point.after == *by));
    let span = if due.from.is_some() { "in this period" } else { "up to the end of that day" };
    let evidence = match (newest, point) {
        (Some(run), Some(point)) => {
            let counts = point.counts;
            format!(
                "{} of {} can be reported: found on {}, removed from {}, remaining on {}, unknown on {} of {}; that it was sent no journal says",
                run.verb,
                run.ended.strftime("%Y-%m-%d %H:%M UTC"),
                counts.found,
                counts.removed,
                counts.remaining,
                counts.unknown,
                hosts(counts.hosts)
            )
        }
        _ if is_over => format!("no finished run {span}"),
        _ => format!("no finished run {span} so far"),
    };
    let sighted = campaign.hosts.iter().filter_map(|host| host.first_seen.as_ref()).min();
    let sighted = match (due.number, sighted) {
        (None, Some(moment)) => format!("; the first sighting was at {}", utc(moment)),
        _ => String::new(),
    };
    DeadlineReport { state, by, evidence: evidence + &sighted, ..report }
}

fn nothing_to_do(campaign: &Campaign, report: DeadlineReport) -> DeadlineReport {
    let what = if campaign.counts.exempt > 0 { "no product that counts" } else { "no product" };
    let evidence = format!("every host answered, and {what} was found on {0} of {0}", campaign.hosts.len());
    DeadlineReport { state: DeadlineState::NothingToDo, evidence, ..report }
}

/// `38 of 40 hosts by that day, 40 by now`.
fn counted(achieved: &Achieved<'_>, due: &Due, campaign: &Campaign) -> String {
    let (of, in_time, so_far) = (achieved.hosts.len(), achieved.by(due), achieved.so_far());
    if campaign.as_of < due.end || in_time == so_far {
        format!("{so_far} of {}", hosts(of))
    } else {
        format!("{in_time} of {} by that day, {so_far} by now,", hosts(of))
    }
}

/// The hosts that never answered every question are named.
fn never(campaign: &Campaign) -> String {
    let mut names: Vec<String> =
        campaign.hosts.iter().filter(|host| host.answered.is_none()).map(|host| host.host.clone()).collect();
    names.sort_unstable();
    if names.is_empty() {
        return String::new();
    }
    format!("; never answered every question: {}", some_of(&names))
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names
}

fn hosts(count: usize) -> String {
    if count == 1 { "1 host".to_owned() } else { format!("{count} hosts") }
}

fn utc(moment: &Moment) -> String {
    moment.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
