//! The report for CI servers: JUnit XML as Jenkins' schema has it (`junit-10.xsd` of its xUnit plugin), which
//! GitLab reads too. One suite for the run itself and the hosts without a wave, one for each wave; one case
//! for each host and product, and one for a host whose state comes from none of its products.
//!
//! | what | case |
//! |---|---|
//! | a product that is present or residue, a host of that state | failure |
//! | whatever cannot be vouched for | error |
//! | what the scope leaves out or a waiver allows | passed, its flag in its output |
//!
//! No case is ever *skipped*: a CI server takes that for harmless. A case fails exactly when the exit code is
//! not 0: the run's own case is the error where nothing else is.

use super::{HostReport, Report, Standing, StepReport, table, words};
use crate::model::output::escape_line;
use crate::model::{Exemption, Finding, HostState, ProductState};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use std::collections::BTreeMap;
use std::io;

/// The report as JUnit XML.
#[must_use]
pub fn junit(report: &Report) -> String {
    let suites = suites(report);
    #[expect(clippy::expect_used, reason = "written to memory, from texts without what XML cannot hold")]
    let bytes = write(report, &suites).expect("a report is XML");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Cases under one name.
struct Suite {
    name: String,
    cases: Vec<Case>,
}

/// One thing that is as it should be, or not.
struct Case {
    name: String,
    standing: Standing,
    /// What went wrong, as one word.
    word: String,
    /// What went wrong, in one line.
    message: String,
    /// What else is to be known of it, line by line.
    lines: Vec<String>,
    millis: u64,
}

fn suites(report: &Report) -> Vec<Suite> {
    let changes = words::Changes::of(report);
    let mut waveless = Vec::new();
    let mut waves: BTreeMap<&str, Vec<Case>> = BTreeMap::new();
    for host in &report.hosts {
        let cases = cases_of(report, host, &changes);
        match host.wave.as_deref() {
            Some(wave) => waves.entry(wave).or_default().extend(cases),
            None => waveless.extend(cases),
        }
    }
    let is_red = |case: &Case| case.standing != Standing::Fine;
    let some_red = waveless.iter().chain(waves.values().flatten()).any(is_red);
    let own = own_case(report, &changes, some_red);
    let mut suites =
        vec![Suite { name: report.verb.clone(), cases: std::iter::once(own).chain(waveless).collect() }];
    for wave in &report.waves {
        let cases = waves.remove(wave.name.as_str()).unwrap_or_default();
        suites.push(Suite { name: format!("wave {}", wave.name), cases });
    }
    suites.extend(waves.into_iter().map(|(wave, cases)| Suite { name: format!("wave {wave}"), cases }));
    suites
}

/// The case of the run itself: whether its journal is whole and it came to its end.
fn own_case(report: &Report, changes: &words::Changes<'_>, some_red: bool) -> Case {
    let exit = report.exit_code().code();
    let (word, message) = match words::broken(report) {
        Some(broken) => ("journal-broken", broken),
        None if !report.finished && report.stopped.is_none() => ("unfinished", table::verdict_text(report)),
        None if report.stopped.is_some() => ("stopped", table::verdict_text(report)),
        None if report.hosts.is_empty() => ("no-hosts", table::verdict_text(report)),
        None if exit != 0 && !some_red => ("exit-code", table::verdict_text(report)),
        None => ("", String::new()),
    };
    let facts = words::facts(report).into_iter().map(|(name, value)| format!("{name}: {value}"));
    let defects = report.check.iter().flat_map(|check| &check.defects).map(|d| format!("defect: {d}"));
    let elsewhere = changes.elsewhere().map(|change| {
        let product = change.product.as_deref().map(|product| format!(" {product}")).unwrap_or_default();
        format!("{}{product}: {}, and this run has no finding of it", change.host, words::change(change))
    });
    let notes = report.notes.iter().map(|note| format!("note: {note}"));
    let last = [table::verdict_text(report), format!("exit: {exit}")];
    Case {
        name: "the run itself".to_owned(),
        standing: if word.is_empty() { Standing::Fine } else { Standing::Open },
        word: word.to_owned(),
        message,
        lines: facts.chain(defects).chain(elsewhere).chain(notes).chain(last).collect(),
        millis: 0,
    }
}

fn cases_of(report: &Report, host: &HostReport, changes: &words::Changes<'_>) -> Vec<Case> {
    let products: Vec<Case> =
        host.findings.iter().map(|finding| product_case(report, host, finding, changes)).collect();
    let told = products.iter().any(|case| case.standing != Standing::Fine);
    let by_products = matches!(
        host.state,
        HostState::Present
            | HostState::Residue
            | HostState::Unknown
            | HostState::Exempt
            | HostState::Removed
            | HostState::Clean
    );
    let standing = report.standing_of(host);
    let stands_apart = standing != Standing::Fine && (!by_products || !told);
    let own = (stands_apart || products.is_empty()).then(|| host_case(host, standing, changes));
    own.into_iter().chain(products).collect()
}

/// The case of a host whose state comes from none of its products.
fn host_case(host: &HostReport, standing: Standing, changes: &words::Changes<'_>) -> Case {
    let change = changes.get(&host.host, None).map(|change| format!("change: {}", words::change(change)));
    Case {
        name: host.host.clone(),
        standing,
        word: host.state.word().to_owned(),
        message: state_of(host),
        lines: about(host).chain(change).chain(steps_of(host, None)).collect(),
        millis: 0,
    }
}

fn product_case(report: &Report, host: &HostReport, finding: &Finding, changes: &words::Changes<'_>) -> Case {
    let version = finding.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let is = format!("{}{version} ({}) is {}", finding.product, finding.name, finding.result.word());
    let exemption = finding.exemption.as_ref().map(Exemption::words);
    let change = changes.get(&host.host, Some(&finding.product)).map(words::change);
    let told = [&change, &exemption].into_iter().flatten().cloned();
    let message = std::iter::once(is.clone()).chain(told).collect::<Vec<_>>().join("; ");
    let evidence = finding.evidence.iter().flat_map(|evidence| {
        let facts = evidence.facts.iter().chain(&evidence.reason).map(|fact| format!("  {fact}"));
        std::iter::once(format!("{} is {}", evidence.check, evidence.truth)).chain(facts)
    });
    let standing = report.standing_of_finding(host, finding);
    let counts =
        matches!(finding.result, ProductState::Present | ProductState::Residue) && !finding.is_exempt();
    let spared = report.fail_on().filter(|_| counts && standing == Standing::Fine);
    let spared = spared.map(|choice| {
        format!("by `--fail-on {}` this does not fail the run: it is there, and was before", choice.word())
    });
    let lines = std::iter::once(is)
        .chain(spared)
        .chain(change.map(|change| format!("change: {change}")))
        .chain(exemption.map(|exemption| format!("exemption: {exemption}")))
        .chain(evidence)
        .chain(about(host))
        .chain(steps_of(host, Some(&finding.product)));
    Case {
        name: format!("{}: {}", host.host, finding.product),
        standing,
        word: finding.result.word().to_owned(),
        message,
        lines: lines.collect(),
        millis: host
            .steps
            .iter()
            .filter(|step| step.product == finding.product)
            .filter_map(|step| step.millis)
            .fold(0, u64::saturating_add),
    }
}

fn state_of(host: &HostReport) -> String {
    let reason = if host.reason.is_empty() { String::new() } else { format!(": {}", host.reason) };
    format!("host {} is {}{reason}", host.host, host.state)
}

fn about(host: &HostReport) -> impl Iterator<Item = String> {
    let fix = host.remedy.as_ref().map(|remedy| format!("fix: {remedy}"));
    [format!("{} at {}", state_of(host), host.address)].into_iter().chain(fix)
}

/// The steps of a product, or (none) of the whole host.
fn steps_of(host: &HostReport, product: Option<&str>) -> impl Iterator<Item = String> {
    let is_its = move |step: &&StepReport| product.is_none_or(|product| step.product == product);
    host.steps.iter().filter(is_its).flat_map(|step| {
        let status = step.status.map(|status| format!(", status {status}")).unwrap_or_default();
        let reason = step.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let is = format!("step {} {}: {}{status}{reason}", step.step, step.summary, step.result.word());
        let outputs = [("stdout", &step.stdout.tail), ("stderr", &step.stderr.tail)];
        let said = outputs.into_iter().flat_map(|(name, tail)| {
            tail.lines().filter(|line| !line.trim().is_empty()).map(move |line| format!("  {name}: {line}"))
        });
        std::iter::once(is).chain(said).collect::<Vec<_>>()
    })
}

/// How many tests, failures and errors.
#[derive(Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    millis: u64,
}

impl Counts {
    fn of<'a>(cases: impl Iterator<Item = &'a Case>) -> Self {
        let mut counts = Self::default();
        for case in cases {
            counts.tests += 1;
            counts.failures += usize::from(case.standing == Standing::Found);
            counts.errors += usize::from(case.standing == Standing::Open);
            counts.millis = counts.millis.saturating_add(case.millis);
        }
        counts
    }

    fn attributes(&self) -> [(&'static str, String); 4] {
        [
            ("tests", self.tests.to_string()),
            ("failures", self.failures.to_string()),
            ("errors", self.errors.to_string()),
            ("time", seconds(self.millis)),
        ]
    }
}

/// Seconds with three decimals: Jenkins' schema takes no more.
fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

fn write(report: &Report, suites: &[Suite]) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let title = match words::broken(report) {
        Some(broken) => format!("{broken} (uproot {})", report.verb),
        None => format!("uproot {}", report.verb),
    };
    let counts = Counts::of(suites.iter().flat_map(|suite| &suite.cases)).attributes();
    let mut element =
        writer.create_element("testsuites").with_attribute(("name", attribute(&title).as_str()));
    for (name, value) in &counts {
        element = element.with_attribute((*name, value.as_str()));
    }
    element.write_inner_content(|writer| {
        suites.iter().enumerate().try_for_each(|(index, suite)| write_suite(writer, report, index, suite))
    })?;
    let mut bytes = writer.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

fn write_suite(writer: &mut Writer<Vec<u8>>, report: &Report, index: usize, suite: &Suite) -> io::Result<()> {
    let counts = Counts::of(suite.cases.iter()).attributes();
    // Jenkins' schema wants no zone.
    let at = report.started.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let name = attribute(&suite.name);
    let mut element = writer.create_element("testsuite").with_attribute(("name", name.as_str()));
    for (name, value) in &counts {
        element = element.with_attribute((*name, value.as_str()));
    }
    element
        .with_attribute(("skipped", "0"))
        .with_attribute(("timestamp", at.as_str()))
        .with_attribute(("id", index.to_string().as_str()))
        .write_inner_content(|writer| {
            if index == 0 {
                write_properties(writer, report)?;
            }
            suite.cases.iter().try_for_each(|case| write_case(writer, &name, case))
        })?;
    Ok(())
}

fn write_properties(writer: &mut Writer<Vec<u8>>, report: &Report) -> io::Result<()> {
    writer.create_element("properties").write_inner_content(|writer| {
        words::facts(report).iter().try_for_each(|(name, value)| {
            let name = format!("uproot.{name}");
            let property = writer.create_element("property").with_attribute(("name", name.as_str()));
            property.with_attribute(("value", attribute(value).as_str())).write_empty().map(drop)
        })
    })?;
    Ok(())
}

fn write_case(writer: &mut Writer<Vec<u8>>, class: &str, case: &Case) -> io::Result<()> {
    let element = writer
        .create_element("testcase")
        .with_attribute(("name", attribute(&case.name).as_str()))
        .with_attribute(("classname", class))
        .with_attribute(("time", seconds(case.millis).as_str()));
    let lines: Vec<String> = case.lines.iter().map(|line| attribute(line)).collect();
    let text = lines.join("\n");
    let what = match case.standing {
        Standing::Fine => None,
        Standing::Found => Some("failure"),
        Standing::Open => Some("error"),
    };
    element.write_inner_content(|writer| match what {
        None => writer.create_element("system-out").write_text_content(BytesText::new(&text)).map(drop),
        Some(what) => writer
            .create_element(what)
            .with_attribute(("type", case.word.as_str()))
            .with_attribute(("message", attribute(&case.message).as_str()))
            .write_text_content(BytesText::new(&text))
            .map(drop),
    })?;
    Ok(())
}

/// A text without what XML 1.0 cannot hold, or a terminal would obey: on one line, such characters
/// written out.
fn attribute(text: &str) -> String {
    let text = escape_line(text);
    if !text.contains(['\u{fffe}', '\u{ffff}']) {
        return text;
    }
    text.replace('\u{fffe}', "\\u{fffe}").replace('\u{ffff}', "\\u{ffff}")
}
