//! How many hosts were what after each run: a picture, and a table that says the same in numbers.

use super::super::section as a_section;
use super::super::text::{count_of, number, shown};
use super::clock::tone;
use super::day;
use crate::directive::clock::day_of;
use crate::report::{Campaign, DeadlineReport, HostCounts, ProgressPoint};
use jiff::Timestamp;
use maud::{Markup, html};

/// The picture's own units, both ways.
const UNITS: f64 = 1000.0;
/// Numbers of deadlines stand at least so far apart.
const APART: f64 = 30.0;
/// The picture spans at least so many seconds on each side of what was seen, where deadlines lie there.
const LEAST: f64 = 30.0 * 86_400.0;
/// A table of more runs than this is folded.
const ROWS_SEEN: usize = 12;

/// A word, how it is painted, and how many hosts it counts.
type Layer = (&'static str, &'static str, fn(&HostCounts) -> usize);

/// What is stacked, from the bottom.
const LAYERS: [Layer; 4] = [
    ("remaining", "found", |counts| counts.remaining),
    ("unknown", "unknown", |counts| counts.unknown),
    ("exempt", "info", |counts| counts.exempt),
    ("removed", "good", |counts| counts.removed),
];

/// The section of the burn-down.
pub(super) fn section(campaign: &Campaign) -> Markup {
    if campaign.progress.is_empty() {
        return html! {};
    }
    let rows = campaign.progress.len();
    a_section(
        "burndown",
        "Burn-down",
        &html! {
            (picture(campaign))
            @if rows > ROWS_SEEN {
                details { summary { "The numbers after each of " (count_of(rows, "run", "runs")) } (table(campaign)) }
            } @else { (table(campaign)) }
        },
    )
}

fn table(campaign: &Campaign) -> Markup {
    html! {
        table class="counts cards tight" {
            caption class="unseen" { "How many hosts were what after each run" }
            thead {
                tr {
                    th scope="col" { "After" }
                    @for column in ["Hosts", "Found", "Removed", "Remaining", "Unknown", "Exempt", "Free", "Lost"] { th scope="col" class="n" { (column) } }
                }
            }
            tbody { @for point in &campaign.progress { (row(campaign, point)) } }
        }
    }
}

fn row(campaign: &Campaign, point: &ProgressPoint) -> Markup {
    let counts = point.counts;
    let numbers = [
        ("Hosts", counts.hosts),
        ("Found", counts.found),
        ("Removed", counts.removed),
        ("Remaining", counts.remaining),
        ("Unknown", counts.unknown),
        ("Exempt", counts.exempt),
        ("Free", counts.free),
        ("Lost", counts.lost),
    ];
    html! {
        tr {
            th scope="row" { (day(campaign, &point.after)) " " small { (shown(&point.verb)) } }
            @for (label, count) in numbers {
                td class=(if count == 0 { "n none" } else { "n" }) data-label=(label) { (number(count)) }
            }
        }
    }
}

/// Which time the picture spans.
struct Span {
    from: f64,
    to: f64,
}

impl Span {
    /// From the first run to the moment as of which it is told, and to the deadlines around it, but never so far that
    /// what was seen is less than a third of it.
    fn of(campaign: &Campaign) -> Self {
        let as_of = seconds(campaign.as_of);
        let first = campaign.progress.iter().map(|point| seconds(point.after.at)).fold(as_of, f64::min);
        let ends = || campaign.deadlines.iter().filter_map(|deadline| deadline.end).map(seconds);
        let reach = (as_of - first).max(LEAST);
        let from = ends().filter(|end| *end >= first - reach).fold(first, f64::min);
        let to = ends().filter(|end| *end <= as_of + reach).fold(as_of, f64::max);
        // What lies at an edge is drawn whole.
        let edge = (to - from).max(1.0) / 50.0;
        Self { from: from - edge, to: to + edge }
    }

    /// Where a moment lies, in units.
    fn at(&self, at: f64) -> f64 {
        (UNITS * (at - self.from) / (self.to - self.from)).clamp(0.0, UNITS)
    }

    fn has(&self, at: f64) -> bool {
        (self.from..=self.to).contains(&at)
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_second() as f64
}

/// A deadline in the picture.
struct Mark<'a> {
    /// Its number in the list of deadlines.
    number: usize,
    deadline: &'a DeadlineReport,
    x: f64,
    /// Whether its number has room.
    is_numbered: bool,
}

fn marks<'a>(campaign: &'a Campaign, span: &Span) -> Vec<Mark<'a>> {
    let ends = campaign.deadlines.iter().zip(1..);
    let mut marks: Vec<Mark<'_>> = ends
        .filter_map(|(deadline, number)| {
            let end = seconds(deadline.end?);
            span.has(end).then(|| Mark { number, deadline, x: span.at(end), is_numbered: false })
        })
        .collect();
    marks.sort_by(|a, b| a.x.total_cmp(&b.x));
    let mut last = f64::NEG_INFINITY;
    for mark in &mut marks {
        mark.is_numbered = mark.x - last >= APART;
        if mark.is_numbered {
            last = mark.x;
        }
    }
    marks
}

fn picture(campaign: &Campaign) -> Markup {
    let sum = |counts: &HostCounts| LAYERS.iter().map(|(_, _, of)| of(counts)).sum::<usize>();
    let most =
        campaign.progress.iter().map(|point| sum(&point.counts).max(point.counts.found)).max().unwrap_or(0);
    if most == 0 {
        return html! { p { "No host had a product, and none is unknown: there is nothing to draw." } };
    }
    let span = Span::of(campaign);
    let marks = marks(campaign, &span);
    let known = campaign.deadlines.iter().filter(|deadline| deadline.end.is_some()).count();
    let outside = known - marks.len();
    let curve = Curve::of(campaign, &span, most);
    let days = [span.from, span.to].map(|at| {
        Timestamp::from_second(at as i64)
            .map_or_else(|_| String::new(), |at| day_of(at, &campaign.zone).to_string())
    });
    html! {
        div class="burn" role="img" aria-label="Hosts that remain, are unknown, exempt or removed, over time. The table below has the numbers." {
            svg class="ordinals" focusable="false" {
                @for mark in marks.iter().filter(|mark| mark.is_numbered) {
                    text x=(format!("{:.2}%", mark.x / 10.0)) y="13" text-anchor="middle" { (mark.number) }
                }
            }
            div class="scale" { span { (number(most)) } span { "0" } }
            svg class="plot" viewBox="0 0 1000 1000" preserveAspectRatio="none" focusable="false" {
                @for (index, (word, tone, _)) in LAYERS.iter().enumerate() {
                    path class=(format!("fill {tone} s-{word}")) d=(curve.layer(index)) {}
                }
                path class="line" d=(curve.found()) {}
                @for x in &curve.runs { path class="look" d=(format!("M{x:.1} 955V1000")) {} }
                @for mark in &marks { path class=(format!("due {}", tone(mark.deadline.state))) d=(format!("M{:.1} 0V1000", mark.x)) {} }
                path class="floor" d="M0 1000H1000" {}
            }
            div class="axis" { @for day in &days { span { (day) } } }
        }
        ul class="key" {
            @for (word, tone, _) in LAYERS {
                li { svg class="swatch" viewBox="0 0 10 10" aria-hidden="true" focusable="false" { rect class=(format!("fill {tone} s-{word}")) width="10" height="10" {} } (word) }
            }
            li { svg class="swatch" viewBox="0 0 10 10" aria-hidden="true" focusable="false" { path class="line" d="M0 5H10" {} } "found so far" }
            @for mark in marks.iter().filter(|mark| mark.is_numbered) {
                li { span class="ordinal" { (mark.number) } " " (shown(&mark.deadline.id)) @if let Some(occurrence) = mark.deadline.number { " " (occurrence) } @if let Some(day) = mark.deadline.day { " " time datetime=(day) { (day) } } }
            }
        }
        p class="key" {
            "What a run saw holds until the next one; ticks at the bottom are runs. The areas end with the moment as of which this is told."
            @if outside > 0 { " " (count_of(outside, "deadline lies", "deadlines lie")) " outside this picture." }
        }
    }
}

/// The counts over time as steps.
struct Curve {
    /// Where each run ended, and at last the moment as of which it is told.
    runs: Vec<f64>,
    to: f64,
    /// Of each run the top of each layer, from the floor up, beginning with the floor.
    tops: Vec<[f64; 5]>,
    found: Vec<f64>,
}

impl Curve {
    fn of(campaign: &Campaign, span: &Span, most: usize) -> Self {
        let y = |count: usize| UNITS - UNITS * count as f64 / most as f64;
        let tops = |point: &ProgressPoint| {
            let mut below = 0;
            let [one, two, three, four] = LAYERS.map(|(_, _, of)| {
                below += of(&point.counts);
                y(below)
            });
            [UNITS, one, two, three, four]
        };
        Self {
            runs: campaign.progress.iter().map(|point| span.at(seconds(point.after.at))).collect(),
            to: span.at(seconds(campaign.as_of)),
            tops: campaign.progress.iter().map(tops).collect(),
            found: campaign.progress.iter().map(|point| y(point.counts.found)).collect(),
        }
    }

    /// The steps of one height a run, from left to right: where each begins, where it ends, and its height.
    fn steps<'a>(&'a self, heights: &'a [f64]) -> impl DoubleEndedIterator<Item = (f64, f64, f64)> + 'a {
        let ends: Vec<f64> = self.runs.iter().skip(1).copied().chain([self.to]).collect();
        let steps: Vec<_> =
            self.runs.iter().zip(ends).zip(heights).map(|((from, to), y)| (*from, to, *y)).collect();
        steps.into_iter()
    }

    fn layer(&self, index: usize) -> String {
        let heights = |index: usize| -> Vec<f64> {
            self.tops.iter().filter_map(|tops| tops.get(index)).copied().collect()
        };
        let (below, above) = (heights(index), heights(index + 1));
        if below == above {
            return String::new();
        }
        let mut path = String::new();
        for (from, to, y) in self.steps(&above) {
            path.push_str(&format!("{}{from:.1} {y:.1}H{to:.1}", if path.is_empty() { 'M' } else { 'L' }));
        }
        for (from, to, y) in self.steps(&below).rev() {
            path.push_str(&format!("L{to:.1} {y:.1}H{from:.1}"));
        }
        path + "Z"
    }

    fn found(&self) -> String {
        let mut path = String::new();
        for (from, to, y) in self.steps(&self.found) {
            path.push_str(&format!("{}{from:.1} {y:.1}H{to:.1}", if path.is_empty() { 'M' } else { 'L' }));
        }
        path
    }
}
