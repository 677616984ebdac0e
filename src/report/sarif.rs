//! The report for code-scanning pages: SARIF 2.1.0. One result for each host and product that is there or
//! could not be told, one for each host whose state comes from none of its products, one for what an earlier
//! run had and this one has not. So that such a page tracks them, the rule is the product's id and the
//! fingerprint is made of host and product alone: neither version, state nor time is in it.

use super::sarif_log::{
    Artifact, Bag, Driver, Finding as Result, Identified, Invocation, Location, Log, Logical, Notification,
    Physical, Region, Rule, Run, SCHEMA, Suppression, Text, Tool,
};
use super::{Change, ChangeKind, HostReport, Report, Standing, json_text, table, words};
use crate::model::output::escape_line;
use crate::model::{Exemption, Finding, HostState, ProductState, sha256_hex};
use std::collections::BTreeMap;

/// Of a host as a whole.
const HOST_RULES: &str = "uproot/host-";
const JOURNAL_BROKEN: &str = "uproot/journal-broken";
const RUN_NOT_WHOLE: &str = "uproot/run-not-whole";

/// The report as SARIF, indented, with a line break at its end.
#[must_use]
pub fn sarif(report: &Report) -> String {
    let changes = words::Changes::of(report);
    let mut results = Results { report, changes: &changes, rules: BTreeMap::new(), list: Vec::new() };
    results.collect();
    let Results { rules, list, .. } = results;
    let properties: Bag = match words::broken(report) {
        Some(broken) => [("uproot/journal-broken", escape_line(&broken))].into(),
        None => Bag::new(),
    };
    let log = Log { properties, schema: SCHEMA, version: "2.1.0", runs: [run(report, rules, list)] };
    json_text::pretty(&log)
}

fn run(report: &Report, rules: BTreeMap<String, Rule>, results: Vec<Result>) -> Run {
    let mut properties = Bag::new();
    for (name, value) in words::facts(report) {
        let known = properties.entry(name).or_default();
        if !known.is_empty() {
            known.push_str("; ");
        }
        known.push_str(&escape_line(&value));
    }
    let (notifications, descriptors) = notifications(report);
    let exit = report.exit_code().code();
    let utc = |at: jiff::Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    Run {
        invocations: [Invocation {
            execution_successful: report.finished && !report.is_broken(),
            exit_code: exit,
            exit_code_description: escape_line(&table::verdict_text(report)),
            start_time_utc: utc(report.started),
            end_time_utc: utc(report.ended),
            tool_execution_notifications: notifications,
        }],
        tool: Tool {
            driver: Driver {
                name: "uproot",
                version: escape_line(&report.version),
                rules: rules.into_values().collect(),
                notifications: descriptors,
            },
        },
        automation_details: Identified {
            id: format!("uproot/{}/{}", escape_line(&report.verb), escape_line(&report.run)),
        },
        results,
        properties,
    }
}

/// What is to be known of the run itself: a broken journal first.
fn notifications(report: &Report) -> (Vec<Notification>, Vec<Rule>) {
    let mut list = Vec::new();
    let mut add = |id: &str, level, message: &str| {
        list.push(Notification {
            descriptor: Identified { id: id.to_owned() },
            level,
            message: Text { text: escape_line(message) },
            locations: Vec::new(),
        });
    };
    if let Some(broken) = words::broken(report) {
        add(JOURNAL_BROKEN, "error", &broken);
    }
    if !report.finished || report.hosts.is_empty() {
        add(RUN_NOT_WHOLE, "error", &table::verdict_text(report));
    }
    for note in &report.notes {
        add("uproot/note", "note", note);
    }
    let descriptors = [
        (JOURNAL_BROKEN, "The run's journal is broken: nothing of the report can be relied on"),
        ("uproot/note", "What else is to be known of the run"),
        (RUN_NOT_WHOLE, "The run did not come to its end, or looked at no host"),
    ];
    let descriptors = descriptors.into_iter().map(|(id, says)| rule(id, says, "See docs/reports.md."));
    (list, descriptors.collect())
}

fn rule(id: &str, says: &str, help: &str) -> Rule {
    let text = |text: &str| Text { text: escape_line(text) };
    Rule { id: id.to_owned(), short_description: text(says), help: text(help) }
}

struct Results<'a> {
    report: &'a Report,
    changes: &'a words::Changes<'a>,
    rules: BTreeMap<String, Rule>,
    list: Vec<Result>,
}

impl Results<'_> {
    fn collect(&mut self) {
        if let Some(broken) = words::broken(self.report) {
            // Code-scanning pages show results only.
            self.add_run(JOURNAL_BROKEN, "The run's journal is broken", &broken);
        }
        if !self.report.finished || self.report.hosts.is_empty() {
            self.add_run(RUN_NOT_WHOLE, "The run is not whole", &table::verdict_text(self.report));
        }
        for host in &self.report.hosts {
            self.add_host(host);
        }
        for change in self.changes.elsewhere() {
            self.add_elsewhere(change);
        }
    }

    fn add_run(&mut self, id: &str, says: &str, message: &str) {
        self.rules.entry(id.to_owned()).or_insert_with(|| rule(id, says, "See docs/reports.md."));
        let baseline = self.report.comparison.as_ref().map(|_| "new");
        self.push(id.to_owned(), "error", message, "", "", baseline, None, Bag::new());
    }

    fn add_host(&mut self, host: &HostReport) {
        let before = self.list.len();
        for finding in &host.findings {
            self.add_finding(host, finding);
        }
        let standing = self.report.standing_of(host);
        let told = self
            .list
            .iter()
            .skip(before)
            .any(|result| result.level != "none" && result.suppressions.is_empty());
        let by_products = matches!(host.state, HostState::Present | HostState::Residue | HostState::Unknown);
        if standing == Standing::Fine || (by_products && told) {
            return;
        }
        let id = format!("{HOST_RULES}{}", host.state);
        let says = format!("A host is {}", host.state);
        let help =
            "The remedy stands in the message; docs/troubleshooting.md has one heading for each state.";
        self.rules.entry(id.clone()).or_insert_with(|| rule(&id, &says, help));
        let reason = if host.reason.is_empty() { String::new() } else { format!(": {}", host.reason) };
        let fix = host.remedy.as_ref().map(|remedy| format!("; fix: {remedy}")).unwrap_or_default();
        let message = format!("Host {} is {}{reason}{fix}", host.host, host.state);
        let level = if standing == Standing::Found { "error" } else { "warning" };
        let change = self.changes.get(&host.host, None);
        let baseline = self.report.comparison.as_ref().map(|_| baseline(change));
        self.push(id, level, &message, &host.host, "", baseline, None, about(host));
    }

    fn add_finding(&mut self, host: &HostReport, finding: &Finding) {
        let change = self.changes.get(&host.host, Some(&finding.product));
        let is_gone = change.is_some_and(|change| change.kind == ChangeKind::Gone);
        if finding.result == ProductState::Absent && !is_gone {
            return;
        }
        let level = match finding.result {
            ProductState::Present => "error",
            ProductState::Residue | ProductState::Unknown => "warning",
            ProductState::Absent => "none",
        };
        let version = finding.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        let is = finding.result.word();
        let mut message = format!("{}{version} is {is} on {}", finding.name, host.host);
        let evidence = words::evidence(finding);
        for more in
            [change.map(words::change), finding.exemption.as_ref().map(Exemption::words), Some(evidence)]
        {
            if let Some(more) = more.filter(|more| !more.is_empty()) {
                message.push_str(&format!("; {more}"));
            }
        }
        let exempts = finding.exemption.as_ref().filter(|exemption| exemption.kind.exempts());
        let suppression = exempts.map(|exemption| Suppression {
            kind: "external",
            status: "accepted",
            justification: escape_line(&exemption.words()),
        });
        let mut bag = about(host);
        bag.insert("result", is.to_owned());
        bag.insert("class", finding.class.word().to_owned());
        if let Some(exemption) = &finding.exemption {
            bag.insert("exemption", escape_line(&exemption.words()));
        }
        if let Some(change) = change {
            bag.insert("change", words::change_word(change.kind).to_owned());
        }
        let baseline = self.report.comparison.as_ref().map(|_| baseline(change));
        let id = self.rule_of(&finding.product, &finding.name);
        self.push(id, level, &message, &host.host, &finding.product, baseline, suppression, bag);
    }

    fn add_elsewhere(&mut self, change: &Change) {
        let (id, product) = match &change.product {
            Some(product) => {
                let name = change.name.as_deref().unwrap_or(product);
                (self.rule_of(product, name), product.as_str())
            }
            None => {
                let id = format!("{HOST_RULES}lost");
                let rule = || rule(&id, "A host of an earlier run is not told of", "See docs/reports.md.");
                self.rules.entry(id.clone()).or_insert_with(rule);
                (id, "")
            }
        };
        let is_gone = change.kind == ChangeKind::Gone;
        let what = change.name.as_deref().or(change.product.as_deref()).unwrap_or("the host");
        let message = format!("{what} on {}: {}", change.host, words::change(change));
        let level = if is_gone { "none" } else { "warning" };
        let bag = Bag::from([("change", words::change_word(change.kind).to_owned())]);
        self.push(id, level, &message, &change.host, product, Some(baseline(Some(change))), None, bag);
    }

    fn rule_of(&mut self, product: &str, name: &str) -> String {
        let id = escape_line(product);
        let says = format!("{name} is not proven absent");
        let help = format!("`uproot playbook explain {product}` tells how it is found and removed.");
        self.rules.entry(id.clone()).or_insert_with(|| rule(&id, &says, &help));
        id
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where a result is put together")]
    fn push(
        &mut self,
        rule_id: String,
        level: &'static str,
        message: &str,
        host: &str,
        product: &str,
        baseline_state: Option<&'static str>,
        suppression: Option<Suppression>,
        properties: Bag,
    ) {
        self.list.push(Result {
            rule_id,
            kind: (level == "none").then_some("pass"),
            level,
            message: Text { text: in_message(message) },
            locations: [location(host)],
            partial_fingerprints: [("uprootHostProduct/v1", fingerprint(host, product))].into(),
            baseline_state,
            suppressions: suppression.into_iter().collect(),
            properties,
        });
    }
}

fn about(host: &HostReport) -> Bag {
    let mut bag = Bag::from([("host", escape_line(&host.host)), ("state", host.state.word().to_owned())]);
    bag.extend(host.wave.as_deref().map(|wave| ("wave", escape_line(wave))));
    bag
}

/// What became of a result since the earlier runs.
fn baseline(change: Option<&Change>) -> &'static str {
    match change.map(|change| change.kind) {
        Some(ChangeKind::StillThere) => "unchanged",
        Some(ChangeKind::LostSight) => "updated",
        Some(ChangeKind::Gone) => "absent",
        Some(ChangeKind::New | ChangeKind::CameBack) | None => "new",
    }
}

/// A message: brackets and braces would begin a link or a placeholder (SARIF 2.1.0, 3.11.5 and 3.11.6).
fn in_message(text: &str) -> String {
    let text = escape_line(text).replace('\\', "\\\\");
    let text = text.replace('[', "\\[").replace(']', "\\]");
    text.replace('{', "{{").replace('}', "}}")
}

/// A host as a place: a file that need not exist, by a relative URI, as code-scanning pages want one. The run
/// itself, which has no host, is the file `run`.
fn location(host: &str) -> Location {
    let (uri, name, kind) = match host {
        "" => ("run".to_owned(), "run".to_owned(), "run"),
        host => (format!("hosts/{}", percent_encoded(host)), escape_line(host), "host"),
    };
    Location {
        physical_location: Physical { artifact_location: Artifact { uri }, region: Region { start_line: 1 } },
        logical_locations: [Logical { fully_qualified_name: name.clone(), name, kind }],
    }
}

/// A text as one segment of a URI (RFC 3986): all but unreserved characters are encoded; a name of dots
/// only would be a step up.
fn percent_encoded(text: &str) -> String {
    let only_dots = text.bytes().all(|byte| byte == b'.');
    let mut out = String::new();
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~');
        if plain || (byte == b'.' && !only_dots) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Of host and product only, so that it stays the same from run to run.
fn fingerprint(host: &str, product: &str) -> String {
    sha256_hex(format!("{}:{host}:{product}", host.len())).chars().take(32).collect()
}
