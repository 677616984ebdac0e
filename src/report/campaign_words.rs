//! What the table and the page of a campaign say in the same words.

use super::campaign::{Campaign, DeadlineReport, DeadlineState};
use super::table::hosts;
use crate::directive::clock::{day_of, days_between};

/// The most important thing in one sentence.
pub(super) fn headline(campaign: &Campaign) -> String {
    let counts = campaign.counts;
    let all = hosts(counts.hosts);
    let verb = |count: usize, one: &'static str, many: &'static str| if count == 1 { one } else { many };
    if campaign.runs.iter().any(|run| run.is_broken()) {
        return "A journal of this campaign is broken: nothing can be concluded from it.".to_owned();
    }
    if counts.hosts == 0 {
        return "No host was looked at: nothing can be said.".to_owned();
    }
    if counts.remaining > 0 {
        let have = verb(counts.remaining, "has", "have");
        return format!("{} of {all} still {have} a product or its residue.", counts.remaining);
    }
    if counts.unknown > 0 {
        return format!(
            "Whether {} of {all} {} free is not known.",
            counts.unknown,
            verb(counts.unknown, "is", "are")
        );
    }
    if counts.lost > 0 {
        let were = verb(counts.lost, "was", "were");
        return format!("Nothing is known to remain, but {} of {all} {were} lost sight of.", counts.lost);
    }
    if campaign.runs.iter().any(|run| !run.finished) {
        return format!("Nothing is known to remain on {all}, but not every run is finished.");
    }
    if campaign.is_nil_return() {
        return format!("No product was found on {0} of {all}: a nil return.", counts.hosts);
    }
    if counts.exempt > 0 {
        let have = verb(counts.exempt, "has", "have");
        return format!(
            "Nothing that counts remains on {all}; {} {have} what does not count.",
            counts.exempt
        );
    }
    format!("Every product that was found is proven gone from {}.", hosts(counts.removed))
}

/// How many hosts are what, and how many deadlines stand how, in sentences.
pub(super) fn counts(campaign: &Campaign) -> Vec<String> {
    let counts = campaign.counts;
    let mut sentences = Vec::new();
    if campaign.is_nil_return() {
        sentences.push(format!("No product was found on {0} of {0}: a nil return.", hosts(counts.hosts)));
    }
    let parts = [
        (counts.remaining, "remaining"),
        (counts.unknown, "unknown"),
        (counts.exempt, "exempt"),
        (counts.removed, "removed"),
        (counts.free, "free"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let colon = if parts.is_empty() { "" } else { ": " };
    sentences.push(format!("{}{colon}{}.", hosts(counts.hosts), parts.join(", ")));
    sentences.extend(lost(campaign));
    sentences.extend(deadlines(campaign));
    sentences
}

/// What stands below the headline: what came back, what was lost sight of, the deadlines, the exit code.
pub(super) fn details(campaign: &Campaign) -> Vec<String> {
    let mut sentences = Vec::new();
    let back = campaign.hosts.iter().filter(|host| host.came_back.is_some()).count();
    if back > 0 {
        sentences.push(format!("On {} a product came back after it had been proven gone.", hosts(back)));
    }
    sentences.extend(lost(campaign));
    sentences.extend(deadlines(campaign));
    sentences.push(format!("Exit code {}.", campaign.exit_code().code()));
    sentences
}

fn lost(campaign: &Campaign) -> Option<String> {
    let lost = campaign.counts.lost;
    let verb = if lost == 1 { "was" } else { "were" };
    (lost > 0).then(|| format!("{} {verb} lost sight of.", hosts(lost)))
}

/// How many deadlines stand how; none: there are none.
fn deadlines(campaign: &Campaign) -> Option<String> {
    let of =
        |state: DeadlineState| campaign.deadlines.iter().filter(|deadline| deadline.state == state).count();
    let states = [
        DeadlineState::Missed,
        DeadlineState::Partly,
        DeadlineState::MetLate,
        DeadlineState::Open,
        DeadlineState::Met,
        DeadlineState::Ready,
        DeadlineState::NothingToDo,
        DeadlineState::NotStarted,
    ];
    let told: Vec<String> = states
        .into_iter()
        .filter(|state| of(*state) > 0)
        .map(|state| format!("{} {}", of(state), state.word()))
        .collect();
    (!told.is_empty()).then(|| format!("Deadlines: {}.", told.join(", ")))
}

/// How a deadline stands: its word, and what follows it in days.
pub(super) fn standing(deadline: &DeadlineReport, campaign: &Campaign) -> (&'static str, String) {
    let late = deadline
        .by
        .as_ref()
        .zip(deadline.day)
        .map(|(by, due)| days_between(due, day_of(by.at, &campaign.zone)));
    let more = match (deadline.state, deadline.days_left, late) {
        (DeadlineState::Open, Some(0), _) => ", today is the last day".to_owned(),
        (DeadlineState::Open, Some(left), _) => format!(", {} left", days(left)),
        (DeadlineState::MetLate, _, Some(late)) => format!(" by {}", days(late)),
        (DeadlineState::Missed | DeadlineState::Partly, Some(left), _) => format!(", {} over", days(-left)),
        _ => String::new(),
    };
    (deadline.state.word(), more)
}

/// What must be known of a deadline besides: that no source was read, that it obliges nobody.
pub(super) fn marks(deadline: &DeadlineReport) -> &'static str {
    match (deadline.confirmed, deadline.binding) {
        (true, true) => "",
        (false, true) => " (unconfirmed)",
        (true, false) => " (obliges nobody)",
        (false, false) => " (unconfirmed, obliges nobody)",
    }
}

fn days(count: i64) -> String {
    if count == 1 { "1 day".to_owned() } else { format!("{count} days") }
}
