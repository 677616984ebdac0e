//! A campaign for a ticket or a job's summary. Every text is one of a cell or a line: what Markdown or HTML would
//! obey in it is escaped.

use super::campaign::{Campaign, CampaignHost, DeadlineReport, DeadlineState, HostStatus, Moment};
use crate::directive::clock::day_of;
use crate::model::output::escape_line;

/// So many hosts have a row; of more, their number.
const MOST_ROWS: usize = 200;

/// The campaign as GitHub-flavoured Markdown, with a line break at its end.
#[must_use]
pub fn campaign_markdown(campaign: &Campaign) -> String {
    let mut out = String::new();
    for run in campaign.runs.iter().filter(|run| run.is_broken()) {
        out.push_str(&format!(
            "**The journal of run {} is broken: what follows proves nothing.**\n\n",
            safe(&run.run)
        ));
    }
    let title = campaign.directive.as_ref().map_or("Campaign".to_owned(), |directive| safe(&directive.name));
    out.push_str(&format!("## {title}\n\n"));
    let as_of = campaign.as_of.strftime("%Y-%m-%d %H:%M:%S UTC");
    out.push_str(&format!(
        "{} runs, as of {as_of}; days end in {}.",
        campaign.runs.len(),
        safe(&campaign.zone_name)
    ));
    if let Some(since) = campaign.directive.as_ref().and_then(|directive| directive.since) {
        out.push_str(&format!(" Days are counted from {since}."));
    }
    if campaign.is_nil_return() {
        out.push_str(&format!(
            " No product was found on {0} of {0} hosts: a nil return.",
            campaign.counts.hosts
        ));
    }
    out.push_str("\n\n");
    if !campaign.deadlines.is_empty() {
        table(
            &mut out,
            &["day", "deadline", "state", "by run", "evidence"],
            campaign.deadlines.iter().map(deadline),
        );
    }
    let heads =
        ["after", "run", "hosts", "found", "removed", "remaining", "unknown", "exempt", "lost sight of"];
    let points = campaign.progress.iter().map(|point| {
        let counts = point.counts;
        let numbers = [
            counts.hosts,
            counts.found,
            counts.removed,
            counts.remaining,
            counts.unknown,
            counts.exempt,
            counts.lost,
        ];
        let day = day_of(point.after.at, &campaign.zone).to_string();
        let run = format!("{} {}", safe(&point.verb), safe(&point.after.run));
        [day, run].into_iter().chain(numbers.map(|number| number.to_string())).collect()
    });
    table(&mut out, &heads, points);
    let is_shown = |host: &&CampaignHost| {
        host.came_back.is_some()
            || host.lost_sight.is_some()
            || !matches!(host.status, HostStatus::Removed | HostStatus::Free)
    };
    let shown: Vec<&CampaignHost> = campaign.hosts.iter().filter(is_shown).collect();
    if !shown.is_empty() {
        let heads = ["host", "status", "first seen", "planned", "begun", "done", "last look", "remark"];
        table(&mut out, &heads, shown.iter().take(MOST_ROWS).map(|host| host_row(host, campaign)));
    }
    if shown.len() > MOST_ROWS {
        out.push_str(&format!("{} more hosts need attention.\n\n", shown.len() - MOST_ROWS));
    }
    for note in &campaign.notes {
        out.push_str(&format!("- {}\n", safe(note)));
    }
    out.push_str(&format!("\nExit code {}.\n", campaign.exit_code().code()));
    out
}

fn table(out: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    out.push_str(&format!("| {} |\n|{}\n", heads.join(" | "), " --- |".repeat(heads.len())));
    for row in rows {
        out.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    out.push('\n');
}

fn deadline(deadline: &DeadlineReport) -> Vec<String> {
    let number = deadline.number.map(|number| format!(" {number}")).unwrap_or_default();
    let left = match deadline.days_left {
        Some(left) if deadline.state == DeadlineState::Open => format!(", days left: {left}"),
        _ => String::new(),
    };
    let mut marks = String::new();
    if !deadline.confirmed {
        marks.push_str(" (unconfirmed)");
    }
    if !deadline.binding {
        marks.push_str(" (obliges nobody)");
    }
    vec![
        deadline.day.map_or_else(String::new, |day| day.to_string()),
        format!("{}{number}: {}{marks}", safe(&deadline.id), safe(&deadline.what)),
        format!("{}{left}", deadline.state.word()),
        deadline.by.as_ref().map_or_else(String::new, |by| safe(&by.run)),
        safe(&deadline.evidence),
    ]
}

fn host_row(host: &CampaignHost, campaign: &Campaign) -> Vec<String> {
    let day = |moment: &Option<Moment>| {
        moment.as_ref().map_or_else(String::new, |moment| day_of(moment.at, &campaign.zone).to_string())
    };
    let mut remarks = Vec::new();
    if let Some(moment) = &host.came_back {
        remarks.push(format!("a product came back, seen in run {}", safe(&moment.run)));
    }
    if let Some(moment) = &host.lost_sight {
        remarks.push(format!("lost sight of in run {}: {}", safe(&moment.run), host.state));
    }
    if host.answered.is_none() {
        remarks.push("never answered every question".to_owned());
    }
    let moments = [&host.first_seen, &host.planned, &host.begun, &host.done, &host.last_look].map(day);
    let lead = [safe(&host.host), host.status.word().to_owned()];
    lead.into_iter().chain(moments).chain([remarks.join("; ")]).collect()
}

/// A text as it stands: no control character, and no character that Markdown or HTML gives a meaning.
fn safe(text: &str) -> String {
    let mut out = String::new();
    for c in escape_line(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '@' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_obeyed() {
        assert_eq!(safe("a|b <img> [x](y) `z` @all"), "a\\|b &lt;img&gt; \\[x\\](y) \\`z\\` \\@all");
        assert!(!safe("two\nlines").contains('\n'));
    }
}
