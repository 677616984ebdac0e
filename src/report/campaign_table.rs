//! A campaign for people: the clock first, then the progress, then the hosts that need attention.

use super::campaign::{
    Campaign, CampaignHost, CampaignProduct, DeadlineReport, DeadlineState, HostStatus, Moment,
};
use super::campaign_words;
use super::layout::{pad, width_of};
use super::next::some_of;
use super::table::{Lines, TableOptions, hosts};
use crate::directive::clock::day_of;
use crate::model::HostState;
use crate::model::output::escape_line;

/// The columns of a host's row behind its name and status: their heads, with the width of a day.
const DAYS: [&str; 5] = ["first seen", "planned", "begun", "done", "last look"];
const DAY: usize = 10;
/// The bars of the sparkline, from nothing to the most.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// So many occurrences of a repeating deadline are shown unless verbose: the last ones.
const OCCURRENCES: usize = 3;

/// The campaign as text, with a line break at its end.
#[must_use]
pub fn campaign_table(campaign: &Campaign, options: &TableOptions<'_>) -> String {
    let mut out = Lines::new(options);
    header(&mut out, campaign);
    draw_deadlines(&mut out, campaign);
    draw_progress(&mut out, campaign);
    draw_products(&mut out, campaign);
    draw_hosts(&mut out, campaign);
    for note in &campaign.notes {
        out.wrapped("note", note);
    }
    let mut sentences = campaign_words::counts(campaign);
    sentences.push(format!("Exit code {}.", campaign.exit_code().code()));
    out.wrapped("", &sentences.join(" "));
    out.into_text()
}

fn header(out: &mut Lines<'_>, campaign: &Campaign) {
    let broken: Vec<String> =
        campaign.runs.iter().filter(|run| run.is_broken()).map(|run| run.run.clone()).collect();
    if !broken.is_empty() {
        out.loud("BROKEN JOURNAL", &format!("{}: what follows proves nothing", some_of(&broken)));
    }
    let runs =
        if campaign.runs.len() == 1 { "1 run".to_owned() } else { format!("{} runs", campaign.runs.len()) };
    out.wrapped(
        "",
        &format!("campaign of {runs}, as of {}", campaign.as_of.strftime("%Y-%m-%d %H:%M:%S UTC")),
    );
    out.wrapped("", &format!("days end at midnight in {}; today is {}", campaign.zone_name, campaign.today));
    if let Some(directive) = &campaign.directive {
        let since = directive.since.map(|day| format!(", days counted from {day}")).unwrap_or_default();
        let confirmed = if directive.confirmed { "" } else { " (no source was read)" };
        let text = format!("{}{confirmed}{since}", directive.name);
        out.wrapped(&format!("directive {}", directive.id), &text);
        if let Some(note) = &directive.note {
            out.wrapped("about it", note);
        }
    }
    for run in &campaign.runs {
        let state = match (&run.stopped, run.finished) {
            (Some(_), _) => ", stopped",
            (None, false) => ", not finished",
            (None, true) => "",
        };
        let text = format!(
            "{} {}: {} of {} answered every question{state} ({})",
            run.started.strftime("%Y-%m-%d %H:%M UTC"),
            run.verb,
            run.answered,
            hosts(run.hosts),
            run.run
        );
        out.wrapped("run", &text);
    }
    out.line("");
}

fn draw_deadlines(out: &mut Lines<'_>, campaign: &Campaign) {
    if campaign.deadlines.is_empty() {
        return;
    }
    out.line("deadlines");
    for (index, deadline) in campaign.deadlines.iter().enumerate() {
        let later = campaign.deadlines.iter().skip(index).filter(|other| other.id == deadline.id).count();
        if deadline.number.is_some() && later > OCCURRENCES && !out.options.verbose {
            let is_first = campaign.deadlines.iter().position(|other| other.id == deadline.id) == Some(index);
            if is_first {
                fold(out, campaign, deadline, later - OCCURRENCES);
            }
            continue;
        }
        draw_deadline(out, deadline, campaign);
    }
    out.line("");
}

/// The earlier occurrences of a repeating deadline in one line.
fn fold(out: &mut Lines<'_>, campaign: &Campaign, deadline: &DeadlineReport, count: usize) {
    let earlier = campaign.deadlines.iter().filter(|other| other.id == deadline.id).take(count);
    let missed = earlier.clone().filter(|other| other.state == DeadlineState::Missed).count();
    let text = format!(
        "{} {count} earlier ones: {} ready, {missed} missed (-v shows them)",
        deadline.id,
        count - missed
    );
    out.detail(2, &text);
}

fn draw_deadline(out: &mut Lines<'_>, deadline: &DeadlineReport, campaign: &Campaign) {
    let day = deadline.day.map_or_else(|| pad("", DAY), |day| day.to_string());
    let number = deadline.number.map(|number| format!(" {number}")).unwrap_or_default();
    let (word, more) = campaign_words::standing(deadline, campaign);
    let state = match deadline.state {
        DeadlineState::MetLate | DeadlineState::Missed | DeadlineState::Partly => word.to_uppercase() + &more,
        _ => word.to_owned() + &more,
    };
    let marks = campaign_words::marks(deadline);
    let head = format!("{day}  {}{number}: {state}{marks}", escape_line(&deadline.id));
    let painted = out.paint(color_of(deadline.state), &head);
    out.line(&format!("  {painted}"));
    out.detail(14, &deadline.what);
    if let Some(by) = &deadline.by {
        let word = if deadline.state == DeadlineState::Ready { "from" } else { "by" };
        out.detail(14, &format!("{word} run {} at {}", by.run, by.at.strftime("%Y-%m-%d %H:%M:%S UTC")));
    }
    out.detail(14, &deadline.evidence);
    if !deadline.missing.is_empty()
        && !matches!(deadline.state, DeadlineState::Met | DeadlineState::NothingToDo)
    {
        let names =
            if out.options.verbose { deadline.missing.join(", ") } else { some_of(&deadline.missing) };
        out.detail(14, &format!("not on: {names}"));
    }
}

fn color_of(state: DeadlineState) -> HostState {
    match state {
        DeadlineState::Met | DeadlineState::Ready | DeadlineState::NothingToDo => HostState::Clean,
        DeadlineState::MetLate | DeadlineState::Open => HostState::Present,
        DeadlineState::Partly | DeadlineState::Missed => HostState::Failed,
        DeadlineState::NotStarted => HostState::Skipped,
    }
}

/// Hosts that still have a product after each run, and the numbers.
fn draw_progress(out: &mut Lines<'_>, campaign: &Campaign) {
    let Some(most) =
        campaign.progress.iter().map(|point| point.counts.remaining + point.counts.unknown).max()
    else {
        return;
    };
    let line: String = campaign
        .progress
        .iter()
        .map(|point| bar(point.counts.remaining + point.counts.unknown, most))
        .collect();
    out.wrapped("progress", &format!("hosts that have a product or are not known, after each run: {line}"));
    let number = |text: usize| format!("{text:>10}");
    let head =
        ["hosts", "found", "removed", "remaining", "unknown"].map(|word| format!("{word:>10}")).concat();
    out.line(&format!("  {}{head}", pad("", DAY)));
    for point in &campaign.progress {
        let counts = point.counts;
        let numbers = [counts.hosts, counts.found, counts.removed, counts.remaining, counts.unknown];
        let day = day_of(point.after.at, &campaign.zone);
        let verb =
            if out.options.width >= 70 { format!("  {}", escape_line(&point.verb)) } else { String::new() };
        out.line(&format!("  {day}{}{verb}", numbers.map(number).concat()));
    }
    out.line("");
}

/// The bar of a count: empty only for none, full only for the most.
fn bar(count: usize, most: usize) -> char {
    let top = BARS.len() - 1;
    let height = match (count, most) {
        (0, _) | (_, 0) => 0,
        (count, most) if count >= most => top,
        (count, most) => (count * top / most).clamp(1, top - 1),
    };
    BARS.get(height).copied().unwrap_or(' ')
}

fn draw_products(out: &mut Lines<'_>, campaign: &Campaign) {
    let day = |moment: &Option<Moment>| {
        moment.as_ref().map_or("never".to_owned(), |moment| day_of(moment.at, &campaign.zone).to_string())
    };
    for product in &campaign.products {
        let CampaignProduct { seen, removed, remaining, exempt, unknown, .. } = product;
        let also = [(*exempt, "does not count"), (*unknown, "not told")];
        let also: String = also
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!(", {what} on {count}"))
            .collect();
        let first = match &product.first_seen {
            Some(seen) => format!(" (at {})", seen.at.strftime("%Y-%m-%d %H:%M:%S UTC")),
            None => String::new(),
        };
        let text = format!(
            "{}: seen on {}, removed from {removed}, remaining on {remaining}{also}; first seen {}{first}, begun {}, done {}",
            product.name,
            hosts(*seen),
            day(&product.first_seen),
            day(&product.begun),
            day(&product.done)
        );
        out.wrapped(&product.product, &text);
    }
    if !campaign.products.is_empty() {
        out.line("");
    }
}

fn draw_hosts(out: &mut Lines<'_>, campaign: &Campaign) {
    let needs_attention = |host: &&CampaignHost| {
        host.came_back.is_some()
            || host.lost_sight.is_some()
            || matches!(host.status, HostStatus::Remaining | HostStatus::Unknown | HostStatus::Exempt)
    };
    let shown: Vec<&CampaignHost> = if out.options.verbose {
        campaign.hosts.iter().collect()
    } else {
        campaign.hosts.iter().filter(needs_attention).collect()
    };
    let name = shown.iter().map(|host| width_of(&escape_line(&host.host))).max().unwrap_or(0);
    let days_wide = DAYS.len() * (DAY + 2);
    let in_columns = 2 + name + 2 + 9 + days_wide <= out.options.width;
    if in_columns && !shown.is_empty() {
        let heads = DAYS.map(|head| format!("  {}", pad(head, DAY))).concat();
        out.line(&format!("  {}  {}{heads}", pad("host", name), pad("", 9)));
    }
    for host in &shown {
        draw_host(out, campaign, host, in_columns.then_some(name));
    }
    for status in [HostStatus::Removed, HostStatus::Free] {
        let is_hidden = |host: &&CampaignHost| !out.options.verbose && !needs_attention(host);
        let of_status = campaign.hosts.iter().filter(|host| host.status == status);
        let hidden = of_status.filter(is_hidden).count();
        if hidden > 0 {
            out.line(&format!("  {} {} (-v lists them)", hosts(hidden), status.word()));
        }
    }
    out.line("");
}

fn draw_host(out: &mut Lines<'_>, campaign: &Campaign, host: &CampaignHost, name: Option<usize>) {
    let moments = [&host.first_seen, &host.planned, &host.begun, &host.done, &host.last_look];
    let day = |moment: &Option<Moment>| {
        moment.as_ref().map_or("-".to_owned(), |moment| day_of(moment.at, &campaign.zone).to_string())
    };
    let color = match host.status {
        HostStatus::Remaining => HostState::Present,
        HostStatus::Unknown => HostState::Unknown,
        HostStatus::Exempt => HostState::Exempt,
        HostStatus::Removed | HostStatus::Free => HostState::Clean,
    };
    let called = escape_line(&host.host);
    if let Some(name) = name {
        let status = out.paint(color, &pad(host.status.word(), 9));
        let days = moments.map(|moment| format!("  {}", pad(&day(moment), DAY))).concat();
        out.line(&format!("  {}  {status}{days}", pad(&called, name)));
    } else {
        let days: Vec<String> =
            DAYS.iter().zip(moments).map(|(head, moment)| format!("{head} {}", day(moment))).collect();
        out.detail(2, &format!("{called} {}: {}", host.status.word(), days.join(", ")));
    }
    let utc =
        |moment: &Moment| format!("at {} in run {}", moment.at.strftime("%Y-%m-%d %H:%M:%S UTC"), moment.run);
    if let Some(moment) = &host.came_back {
        out.detail(4, &format!("a product came back, seen {}", utc(moment)));
    }
    if let Some(moment) = &host.lost_sight {
        out.detail(4, &format!("lost sight of {}: the host is {}", utc(moment), host.state));
    }
    if host.answered.is_none() {
        out.detail(4, &format!("never answered every question; the host is {}", host.state));
    }
    if out.options.verbose || matches!(host.status, HostStatus::Remaining | HostStatus::Exempt) {
        draw_products_of(out, host);
    }
    if out.options.verbose {
        for (head, moment) in DAYS.iter().zip(moments) {
            if let Some(moment) = moment {
                out.detail(4, &format!("{head} {}", utc(moment)));
            }
        }
    }
}

fn draw_products_of(out: &mut Lines<'_>, host: &CampaignHost) {
    for product in &host.products {
        let version = product.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        let last = product.last.map_or("not told", crate::model::ProductState::word);
        let exemption = match &product.exemption {
            Some(exemption) if !product.counts || !exemption.kind.exempts() => {
                format!(" ({}: {})", exemption.kind.word(), exemption.reason)
            }
            Some(exemption) => format!(" (counts again: {} is over)", exemption.kind.word()),
            None => String::new(),
        };
        out.detail(4, &format!("{}{version}: {last}{exemption}", product.product));
    }
}
