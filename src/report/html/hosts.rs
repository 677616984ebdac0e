//! The table of hosts, and that of products.

use super::badge;
use super::data::Keys;
use super::text::{count_of, number, prose, shown, span};
use crate::model::{Finding, ProductState};
use crate::report::{HostReport, Report, table_host};
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// More products that could not be told are one entry of a row.
const UNKNOWN_NAMED: usize = 3;

/// A product and its version that are longer may be broken into lines.
const LONG: usize = 36;

/// Every host, what needs attention first.
fn table_of(report: &Report, called: &str) -> Markup {
    let in_waves = report.hosts.iter().any(|host| host.wave.is_some());
    html! {
        (controls(("state", "State"), ("wave", "Wave"), "Host, address, product, reason…"))
        table class="hosts" id="host-table" {
            caption class="unseen" { "Every host of the run: its state, its products, and why it ended so" }
            thead {
                tr {
                    th scope="col" data-sort="host" { "Host" }
                    th scope="col" data-sort="state" { "State" }
                    th scope="col" { "Products" }
                    th scope="col" { "Why" }
                    @if in_waves { th scope="col" class="w" data-sort="wave" { "Wave" } }
                    th scope="col" class="n" data-sort="took" { "Took" }
                }
            }
            tbody id="rows" {
                @for host in &report.hosts { (row(host, called, in_waves)) }
            }
        }
        (more())
    }
}

/// The controls above a table of hosts. They are the script's: without it they stay hidden. `first` and `last`:
/// what else is chosen from, by the name that the script has for it and the label.
pub(super) fn controls(first: (&str, &str), last: (&str, &str), hint: &str) -> Markup {
    html! {
        form id="filter" role="search" aria-label="Filter the hosts" hidden {
            label class="find" { span { "Search" } input id="search" type="search" autocomplete="off" spellcheck="false" placeholder=(hint); }
            @for (id, label) in [first, ("product", "Product"), ("group", "Group"), last] {
                label { span { (label) } select id=(id) { option value="" { "All" } } }
            }
            button type="reset" { "Clear" }
            p id="count" role="status" aria-live="polite" {}
        }
    }
}

/// The buttons below a table of hosts, which are the script's too.
pub(super) fn more() -> Markup {
    html! {
        p id="more" class="more" hidden {
            button type="button" id="next" { "Show more" } " " button type="button" id="all" { "Show all" }
        }
    }
}

/// The section of the hosts.
pub(super) fn section(report: &Report, called: &str) -> Markup {
    super::section("hosts", "Hosts", &table_of(report, called))
}

fn row(host: &HostReport, called: &str, in_waves: bool) -> Markup {
    html! {
        tr {
            th scope="row" { (shown(&host.host)) }
            td { (badge(host.state)) }
            td { (pills(&said(host))) }
            td {
                @if !host.reason.is_empty() { (prose(&host.reason)) }
                @if let Some(command) = table_host::remedy(host, called) { code class="fix" { (shown(&command)) } }
            }
            @if in_waves { td class="w" { (host.wave.as_deref().map(shown).unwrap_or_default()) } }
            td class="n" { (took(host)) }
        }
    }
}

/// By what the script finds a host.
pub(super) fn keys(host: &HostReport) -> Keys<'_> {
    Keys {
        state: host.state.word(),
        took: host.started.zip(host.ended).map(|(from, to)| to.duration_since(from).as_secs()),
        wave: host.wave.as_deref(),
        groups: &host.groups,
        products: said(host).iter().map(|said| said.product).collect(),
        remarks: Vec::new(),
    }
}

fn took(host: &HostReport) -> String {
    match (host.started, host.ended) {
        (Some(started), Some(ended)) => span(ended.duration_since(started).as_secs()),
        _ => "–".to_owned(),
    }
}

/// What a row says of a product on a host.
pub(super) struct Said<'a> {
    pub(super) product: &'a str,
    pub(super) version: Option<&'a str>,
    pub(super) word: &'static str,
    pub(super) tone: &'static str,
}

impl Said<'_> {
    /// Only a long one may be broken into lines.
    fn long(&self) -> &'static str {
        let length = self.product.len() + self.version.map_or(0, str::len);
        if length > LONG { " long" } else { "" }
    }
}

/// The products of a host that are there, could not be told, or were removed.
pub(super) fn said(host: &HostReport) -> Vec<Said<'_>> {
    // What could not be told before is not gone, though it is absent now.
    let was_there = |product: &str| {
        let there =
            |finding: &&Finding| matches!(finding.result, ProductState::Present | ProductState::Residue);
        host.found_before.iter().flatten().filter(there).find(|finding| finding.product == product)
    };
    let say = |finding: &'_ Finding| -> Option<(&'static str, &'static str)> {
        let exempt = finding.exemption.as_ref().filter(|_| finding.is_exempt());
        Some(match (finding.result, exempt) {
            (ProductState::Absent, _) => return None,
            (_, Some(exemption)) => (exemption.kind.word(), "info"),
            (result @ (ProductState::Present | ProductState::Residue), None) => (result.word(), "found"),
            (result @ ProductState::Unknown, None) => (result.word(), "unknown"),
        })
    };
    host.findings
        .iter()
        .filter_map(|finding| match say(finding) {
            Some((word, tone)) => {
                Some(Said { product: &finding.product, version: finding.version.as_deref(), word, tone })
            }
            None => was_there(&finding.product).map(|before| Said {
                product: &before.product,
                version: before.version.as_deref(),
                word: "gone",
                tone: "good",
            }),
        })
        .collect()
}

/// What a row says of the products.
pub(super) fn pills(said: &[Said<'_>]) -> Markup {
    let unknown = said.iter().filter(|said| said.word == "unknown").count();
    let fold = unknown > UNKNOWN_NAMED;
    html! {
        @for said in said.iter().filter(|said| !(fold && said.word == "unknown")) {
            span class=(format!("p{} {}", said.long(), said.tone)) {
                (shown(said.product))
                @if let Some(version) = said.version { " " (shown(version)) }
                " " i { (said.word) }
            }
            " "
        }
        @if fold { span class="p unknown" { (count_of(unknown, "product", "products")) " " i { "unknown" } } }
    }
}

/// How often a product is in which condition.
#[derive(Default)]
struct Tally<'a> {
    name: &'a str,
    versions: BTreeSet<&'a str>,
    present: usize,
    residue: usize,
    unknown: usize,
    exempt: usize,
    gone: usize,
    absent: usize,
}

/// The inventory of products: on how many hosts each is, and in which versions.
pub(super) fn products(report: &Report) -> Markup {
    let tallies = tallies(report);
    if tallies.is_empty() {
        return html! {};
    }
    let (seen, absent): (Vec<_>, Vec<_>) = tallies.into_iter().partition(|(_, tally)| {
        tally.present + tally.residue + tally.unknown + tally.exempt + tally.gone > 0
    });
    let asked: Vec<String> = absent.iter().map(|(id, _)| shown(id)).collect();
    super::section(
        "products",
        "Products",
        &html! {
            @if !seen.is_empty() {
                table class="counts cards" {
                    caption class="unseen" { "On how many hosts each product is" }
                    thead {
                        tr {
                            th scope="col" { "Product" }
                            th scope="col" { "Versions" }
                            @for column in ["Present", "Residue", "Unknown", "Not counted", "Gone", "Absent"] { th scope="col" class="n" { (column) } }
                        }
                    }
                    tbody {
                        @for (id, tally) in &seen {
                            tr {
                                th scope="row" { (shown(tally.name)) " " small { (shown(id)) } }
                                td data-label="Versions" { (versions(&tally.versions)) }
                                @for (label, count) in [("Present", tally.present), ("Residue", tally.residue), ("Unknown", tally.unknown), ("Not counted", tally.exempt), ("Gone", tally.gone), ("Absent", tally.absent)] {
                                    td class=(if count == 0 { "n none" } else { "n" }) data-label=(label) { (number(count)) }
                                }
                            }
                        }
                    }
                }
            }
            @if !asked.is_empty() {
                p class="asked" { b { "Looked for and found nowhere: " } (asked.join(", ")) "." }
            }
        },
    )
}

/// So many versions of a product are named.
const VERSIONS: usize = 8;

fn versions(versions: &BTreeSet<&str>) -> String {
    let named: Vec<String> = versions.iter().take(VERSIONS).map(|version| shown(version)).collect();
    match versions.len().saturating_sub(VERSIONS) {
        0 => named.join(", "),
        more => format!("{} and {} more", named.join(", "), number(more)),
    }
}

fn tallies(report: &Report) -> BTreeMap<&str, Tally<'_>> {
    let mut tallies: BTreeMap<&str, Tally<'_>> = BTreeMap::new();
    for host in &report.hosts {
        for finding in &host.findings {
            let tally = tallies.entry(&finding.product).or_default();
            tally.name = &finding.name;
            tally.versions.extend(finding.version.as_deref());
            let count = match finding.result {
                ProductState::Absent => &mut tally.absent,
                _ if finding.is_exempt() => &mut tally.exempt,
                ProductState::Present => &mut tally.present,
                ProductState::Residue => &mut tally.residue,
                ProductState::Unknown => &mut tally.unknown,
            };
            *count += 1;
        }
        for gone in said(host).iter().filter(|said| said.word == "gone") {
            if let Some(tally) = tallies.get_mut(gone.product) {
                tally.gone += 1;
                tally.absent = tally.absent.saturating_sub(1);
                tally.versions.extend(gone.version);
            }
        }
    }
    tallies
}
