//! A campaign for programs. `docs/campaign-schema.json` describes it; within version 1 fields may be added,
//! none is taken away and none changes its meaning.

use super::campaign::{
    Campaign, CampaignDirective, CampaignHost, CampaignProduct, CampaignRun, DeadlineReport, HostCounts,
    HostProduct, Moment, ProgressPoint,
};
use super::json_text;
use super::json_views::JournalView;
use crate::model::{Exemption, HostState, ProductState};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

/// The version of the shape; it stands under the key `uproot_campaign`.
const VERSION: u32 = 1;

/// The campaign as JSON, indented, with a line break at its end. What a terminal would obey in a host's
/// string is written as `\u…`.
#[must_use]
pub fn campaign_json(campaign: &Campaign) -> String {
    json_text::pretty(&Document::of(campaign))
}

#[derive(Serialize)]
struct Document<'a> {
    broken: Vec<&'a str>,
    uproot_campaign: u32,
    as_of: Timestamp,
    today: Date,
    time_zone: &'a str,
    exit: u8,
    nil_return: bool,
    directive: Option<Directive<'a>>,
    counts: Counts,
    deadlines: Vec<Deadline<'a>>,
    progress: Vec<Point<'a>>,
    runs: Vec<Run<'a>>,
    left_out: Vec<&'a str>,
    products: Vec<Product<'a>>,
    hosts: Vec<Host<'a>>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct Directive<'a> {
    id: &'a str,
    name: &'a str,
    note: Option<&'a str>,
    sources: &'a [String],
    confirmed: bool,
    digest: &'a str,
    since: Option<Date>,
}

#[derive(Serialize)]
struct Counts {
    hosts: usize,
    found: usize,
    removed: usize,
    remaining: usize,
    unknown: usize,
    exempt: usize,
    free: usize,
    lost: usize,
}

#[derive(Serialize)]
struct Deadline<'a> {
    id: &'a str,
    what: &'a str,
    goal: &'static str,
    number: Option<u32>,
    day: Option<Date>,
    end: Option<Timestamp>,
    days_left: Option<i64>,
    state: &'static str,
    by: Option<When<'a>>,
    achieved: usize,
    of: usize,
    missing: &'a [String],
    evidence: &'a str,
    confirmed: bool,
    binding: bool,
}

#[derive(Serialize)]
struct When<'a> {
    at: Timestamp,
    run: &'a str,
}

#[derive(Serialize)]
struct Point<'a> {
    at: Timestamp,
    run: &'a str,
    verb: &'a str,
    counts: Counts,
}

#[derive(Serialize)]
struct Run<'a> {
    run: &'a str,
    verb: &'a str,
    started: Timestamp,
    ended: Timestamp,
    finished: bool,
    stopped: Option<&'a str>,
    broken: bool,
    journal: Option<JournalView<'a>>,
    hosts: usize,
    answered: usize,
    exit: u8,
}

#[derive(Serialize)]
struct Product<'a> {
    product: &'a str,
    name: &'a str,
    first_seen: Option<When<'a>>,
    begun: Option<When<'a>>,
    done: Option<When<'a>>,
    seen: usize,
    removed: usize,
    remaining: usize,
    exempt: usize,
    unknown: usize,
}

#[derive(Serialize)]
struct Host<'a> {
    host: &'a str,
    groups: &'a [String],
    status: &'static str,
    state: HostState,
    answered: Option<When<'a>>,
    first_seen: Option<When<'a>>,
    planned: Option<When<'a>>,
    begun: Option<When<'a>>,
    done: Option<When<'a>>,
    free_since: Option<When<'a>>,
    last_look: Option<When<'a>>,
    came_back: Option<When<'a>>,
    lost_sight: Option<When<'a>>,
    products: Vec<ProductOnHost<'a>>,
}

#[derive(Serialize)]
struct ProductOnHost<'a> {
    product: &'a str,
    name: &'a str,
    class: &'static str,
    version: Option<&'a str>,
    counts: bool,
    exemption: Option<&'a Exemption>,
    last: Option<ProductState>,
    first_seen: Option<When<'a>>,
    begun: Option<When<'a>>,
    done: Option<When<'a>>,
    came_back: Option<When<'a>>,
}

impl<'a> Document<'a> {
    fn of(campaign: &'a Campaign) -> Self {
        Self {
            broken: campaign.runs.iter().filter(|run| run.is_broken()).map(|run| run.run.as_str()).collect(),
            uproot_campaign: VERSION,
            as_of: campaign.as_of,
            today: campaign.today,
            time_zone: &campaign.zone_name,
            exit: campaign.exit_code().code(),
            nil_return: campaign.is_nil_return(),
            directive: campaign.directive.as_ref().map(Directive::of),
            counts: Counts::of(campaign.counts),
            deadlines: campaign.deadlines.iter().map(Deadline::of).collect(),
            progress: campaign.progress.iter().map(Point::of).collect(),
            runs: campaign.runs.iter().map(Run::of).collect(),
            left_out: campaign.left_out.iter().map(|run| run.run.as_str()).collect(),
            products: campaign.products.iter().map(Product::of).collect(),
            hosts: campaign.hosts.iter().map(Host::of).collect(),
            notes: &campaign.notes,
        }
    }
}

impl<'a> Directive<'a> {
    fn of(directive: &'a CampaignDirective) -> Self {
        Self {
            id: &directive.id,
            name: &directive.name,
            note: directive.note.as_deref(),
            sources: &directive.sources,
            confirmed: directive.confirmed,
            digest: &directive.digest,
            since: directive.since,
        }
    }
}

impl Counts {
    fn of(counts: HostCounts) -> Self {
        let HostCounts { hosts, found, remaining, unknown, exempt, removed, free, lost } = counts;
        Self { hosts, found, removed, remaining, unknown, exempt, free, lost }
    }
}

impl<'a> When<'a> {
    fn of(moment: &'a Moment) -> Self {
        Self { at: moment.at, run: &moment.run }
    }

    fn maybe(moment: &'a Option<Moment>) -> Option<Self> {
        moment.as_ref().map(Self::of)
    }
}

impl<'a> Deadline<'a> {
    fn of(deadline: &'a DeadlineReport) -> Self {
        Self {
            id: &deadline.id,
            what: &deadline.what,
            goal: deadline.goal.word(),
            number: deadline.number,
            day: deadline.day,
            end: deadline.end,
            days_left: deadline.days_left,
            state: deadline.state.word(),
            by: When::maybe(&deadline.by),
            achieved: deadline.achieved,
            of: deadline.of,
            missing: &deadline.missing,
            evidence: &deadline.evidence,
            confirmed: deadline.confirmed,
            binding: deadline.binding,
        }
    }
}

impl<'a> Point<'a> {
    fn of(point: &'a ProgressPoint) -> Self {
        let Moment { at, run } = &point.after;
        Self { at: *at, run, verb: &point.verb, counts: Counts::of(point.counts) }
    }
}

impl<'a> Run<'a> {
    fn of(run: &'a CampaignRun) -> Self {
        Self {
            run: &run.run,
            verb: &run.verb,
            started: run.started,
            ended: run.ended,
            finished: run.finished,
            stopped: run.stopped.as_deref(),
            broken: run.is_broken(),
            journal: run.check.as_ref().map(JournalView::of),
            hosts: run.hosts,
            answered: run.answered,
            exit: run.exit.code(),
        }
    }
}

impl<'a> Product<'a> {
    fn of(product: &'a CampaignProduct) -> Self {
        Self {
            product: &product.product,
            name: &product.name,
            first_seen: When::maybe(&product.first_seen),
            begun: When::maybe(&product.begun),
            done: When::maybe(&product.done),
            seen: product.seen,
            removed: product.removed,
            remaining: product.remaining,
            exempt: product.exempt,
            unknown: product.unknown,
        }
    }
}

impl<'a> Host<'a> {
    fn of(host: &'a CampaignHost) -> Self {
        Self {
            host: &host.host,
            groups: &host.groups,
            status: host.status.word(),
            state: host.state,
            answered: When::maybe(&host.answered),
            first_seen: When::maybe(&host.first_seen),
            planned: When::maybe(&host.planned),
            begun: When::maybe(&host.begun),
            done: When::maybe(&host.done),
            free_since: When::maybe(&host.free_since),
            last_look: When::maybe(&host.last_look),
            came_back: When::maybe(&host.came_back),
            lost_sight: When::maybe(&host.lost_sight),
            products: host.products.iter().map(ProductOnHost::of).collect(),
        }
    }
}

impl<'a> ProductOnHost<'a> {
    fn of(product: &'a HostProduct) -> Self {
        Self {
            product: &product.product,
            name: &product.name,
            class: product.class.word(),
            version: product.version.as_deref(),
            counts: product.counts,
            exemption: product.exemption.as_ref(),
            last: product.last,
            first_seen: When::maybe(&product.first_seen),
            begun: When::maybe(&product.begun),
            done: When::maybe(&product.done),
            came_back: When::maybe(&product.came_back),
        }
    }
}
