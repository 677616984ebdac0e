//! The hosts with their days, each in full, and the products.

use super::super::data::Keys;
use super::super::details::{Detail, Found, exemption};
use super::super::hosts::{Said, controls, more, pills};
use super::super::section as a_section;
use super::super::text::{moment, number, shown};
use super::{badge, day};
use crate::model::ProductState;
use crate::report::{Campaign, CampaignHost, CampaignProduct, HostProduct, Moment};
use maud::{Markup, html};

/// The section of the hosts.
pub(super) fn section(campaign: &Campaign) -> Markup {
    a_section(
        "hosts",
        "Hosts",
        &html! {
            (controls(("state", "Status"), ("remark", "Remark"), "Host, product, run day, remark…"))
            table class="hosts campaign" id="host-table" {
                caption class="unseen" { "Every host of any run: what it is now, its products, and when it was first seen, planned, begun, done and last looked at" }
                thead {
                    tr {
                        th scope="col" data-sort="host" { "Host" }
                        th scope="col" data-sort="state" { "Status" }
                        th scope="col" { "Products" }
                        @for column in DAYS { th scope="col" class="d" data-sort="day" { (column) } }
                    }
                }
                tbody id="rows" { @for host in &campaign.hosts { (row(campaign, host)) } }
            }
            (more())
        },
    )
}

/// The columns of days.
const DAYS: [&str; 5] = ["First seen", "Planned", "Begun", "Done", "Last look"];

/// The moments of the columns.
fn moments(host: &CampaignHost) -> [&Option<Moment>; 5] {
    [&host.first_seen, &host.planned, &host.begun, &host.done, &host.last_look]
}

fn row(campaign: &Campaign, host: &CampaignHost) -> Markup {
    let said: Vec<Said<'_>> = host.products.iter().map(say).collect();
    html! {
        tr {
            th scope="row" { (shown(&host.host)) }
            td {
                (badge(host.status))
                @for (remark, at) in remarks(host) { " " small { (remark) @if let Some(at) = at { " " (day(campaign, at)) } } }
            }
            td { (pills(&said)) }
            @for (label, at) in DAYS.iter().zip(moments(host)) {
                @match at {
                    Some(at) => { td class="d" data-label=(label) { (day(campaign, at)) } }
                    None => { td class="d none" data-label=(label) { "–" } }
                }
            }
        }
    }
}

/// What else is to be known of a host, and when it was seen.
fn remarks(host: &CampaignHost) -> impl Iterator<Item = (&'static str, Option<&Moment>)> {
    let came_back = host.came_back.as_ref().map(|at| ("came back", Some(at)));
    let lost = host.lost_sight.as_ref().map(|at| ("lost sight of", Some(at)));
    let never = host.answered.is_none().then_some(("never answered in full", None));
    [came_back, lost, never].into_iter().flatten()
}

/// What was told last of a product.
fn say(product: &HostProduct) -> Said<'_> {
    let (word, tone) = standing(product);
    Said { product: &product.product, version: product.version.as_deref(), word, tone }
}

fn standing(product: &HostProduct) -> (&'static str, &'static str) {
    match (product.last, &product.exemption) {
        (Some(ProductState::Absent), _) => ("gone", "good"),
        (_, Some(exemption)) if !product.counts => (exemption.kind.word(), "info"),
        (Some(last @ (ProductState::Present | ProductState::Residue)), _) => (last.word(), "found"),
        (Some(ProductState::Unknown) | None, _) => (ProductState::Unknown.word(), "unknown"),
    }
}

/// By what the script finds a host.
pub(super) fn keys(host: &CampaignHost) -> Keys<'_> {
    Keys {
        state: host.status.word(),
        groups: &host.groups,
        products: host.products.iter().map(|product| product.product.as_str()).collect(),
        remarks: remarks(host).map(|(remark, _)| remark).collect(),
        ..Keys::default()
    }
}

fn when(at: &Moment) -> String {
    format!("{} in run {}", moment(at.at), shown(&at.run))
}

/// A host in full.
pub(super) fn detail(host: &CampaignHost) -> Detail {
    let told = |label: &'static str, at: &Option<Moment>| Some((label, when(at.as_ref()?)));
    let mut about = vec![
        ("Status", host.status.word().to_owned()),
        ("Newest run ended it", host.state.word().to_owned()),
    ];
    about.extend((!host.groups.is_empty()).then(|| ("Groups", shown(&host.groups.join(", ")))));
    about.extend(told("First answered in full", &host.answered));
    about.extend(DAYS.iter().zip(moments(host)).filter_map(|(label, at)| told(label, at)));
    about.extend(told("Nothing that counts since", &host.free_since));
    let mut notes = Vec::new();
    notes.extend(host.came_back.as_ref().map(|at| format!("a product came back, seen {}", when(at))));
    notes.extend(
        host.lost_sight.as_ref().map(|at| format!("lost sight of {}: the host is {}", when(at), host.state)),
    );
    if host.answered.is_none() {
        notes.push(format!("never answered every question; the host is {}", host.state));
    }
    Detail {
        about,
        notes,
        found: host.products.iter().map(found).collect(),
        absent: String::new(),
        before: Vec::new(),
        steps: Vec::new(),
    }
}

fn found(product: &HostProduct) -> Found {
    let version = product.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let (word, tone) = standing(product);
    let over = product.exemption.as_ref().filter(|exemption| product.counts && exemption.kind.exempts());
    let moments = [
        ("first seen", &product.first_seen),
        ("first step begun", &product.begun),
        ("proven absent since", &product.done),
        ("there again, seen", &product.came_back),
    ];
    Found {
        product: shown(&format!("{}{version} ({}), {}", product.name, product.product, product.class.word())),
        word,
        tone,
        exemption: match &product.exemption {
            Some(_) if over.is_some() => "it counts again: the waiver is over".to_owned(),
            Some(known) => exemption(known),
            None => String::new(),
        },
        evidence: moments
            .into_iter()
            .filter_map(|(what, at)| Some(format!("{what} {}", when(at.as_ref()?))))
            .collect(),
    }
}

/// The products over all hosts; of a campaign in which none was seen, nothing.
pub(super) fn products(campaign: &Campaign) -> Markup {
    if campaign.products.is_empty() {
        return html! {};
    }
    a_section(
        "products",
        "Products",
        &html! {
            table class="counts cards" {
                caption class="unseen" { "On how many hosts each product was seen, and since when" }
                thead {
                    tr {
                        th scope="col" { "Product" }
                        @for column in ["Seen", "Removed", "Remaining", "Not counted", "Unknown"] { th scope="col" class="n" { (column) } }
                        @for column in ["First seen", "Begun", "Done"] { th scope="col" class="d" { (column) } }
                    }
                }
                tbody { @for product in &campaign.products { (product_row(campaign, product)) } }
            }
        },
    )
}

fn product_row(campaign: &Campaign, product: &CampaignProduct) -> Markup {
    let counts = [
        ("Seen", product.seen),
        ("Removed", product.removed),
        ("Remaining", product.remaining),
        ("Not counted", product.exempt),
        ("Unknown", product.unknown),
    ];
    html! {
        tr {
            th scope="row" { (shown(&product.name)) " " small { (shown(&product.product)) } }
            @for (label, count) in counts {
                td class=(if count == 0 { "n none" } else { "n" }) data-label=(label) { (number(count)) }
            }
            @for (label, at) in [("First seen", &product.first_seen), ("Begun", &product.begun), ("Done", &product.done)] {
                td class="d" data-label=(label) { @match at { Some(at) => (day(campaign, at)), None => { span class="none" { "–" } } } }
            }
        }
    }
}
