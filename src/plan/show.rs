//! The plan as a change board reads it: what is there, what would run as whom, what would be gone,
//! what is left and why. Every string of a host is escaped.

use super::shown::{count, duration, rule, wrap};
use super::{Plan, PlannedConnection, PlannedHost, PlannedStep, PlannedWave};
use crate::inventory::BecomeMethod;
use crate::model::output::escape_line;
use crate::model::{Evidence, EvidenceRole, Finding, HostState, ProductState, Truth};
use crate::playbook::{Budget, RebootPolicy};
use std::collections::BTreeMap;

/// Facts of a finding that are shown; the plan's file has all.
const MOST_FACTS: usize = 4;

/// The whole plan in words, at most `width` columns wide where words allow it. Hosts for which the
/// same would be done stand together.
#[must_use]
pub fn show(plan: &Plan, width: usize) -> String {
    let mut page = Page { text: String::new(), width: width.max(40) };
    head(plan, &mut page);
    let hosts: BTreeMap<&str, &PlannedHost> =
        plan.hosts.iter().map(|host| (host.name.as_str(), host)).collect();
    for (number, wave) in (1..).zip(&plan.waves) {
        page.blank();
        page.line(0, &wave_words(number, plan.waves.len(), wave));
        let members: Vec<&PlannedHost> =
            wave.hosts.iter().filter_map(|name| hosts.get(name.as_str()).copied()).collect();
        warn_of_spent_budget(wave, &members, &mut page);
        groups(members.into_iter(), &mut page);
    }
    let skipped: Vec<&PlannedHost> =
        plan.hosts.iter().filter(|host| host.state == HostState::Skipped).collect();
    if !skipped.is_empty() {
        page.blank();
        page.line(0, &format!("In no wave: {}", count(skipped.len(), "host")));
        groups(skipped.into_iter(), &mut page);
    }
    totals(plan, &mut page);
    page.text
}

/// Text that grows line by line.
struct Page {
    text: String,
    width: usize,
}

impl Page {
    fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A command; its further lines stand far enough in to be no commands of their own.
    fn command(&mut self, text: &str) {
        self.text.push_str(&wrap(&escape_line(text), 8, 14, self.width));
    }

    /// A line whose further lines are indented by two more.
    fn line(&mut self, indent: usize, text: &str) {
        self.text.push_str(&wrap(&escape_line(text), indent, indent + 2, self.width));
    }
}

fn head(plan: &Plan, page: &mut Page) {
    page.line(0, &format!("Plan {}", plan.id));
    page.line(0, &format!("made {} by {} with uproot {}", plan.created, plan.operator, plan.version));
    let digest: String = plan.playbook_digest.chars().take(16).collect();
    page.line(0, &format!("playbook: {} ({digest})", plan.playbook));
    page.line(
        0,
        match plan.reboot {
            RebootPolicy::Never => "reboots: never",
            RebootPolicy::IfNeeded => "reboots: where a step needs one",
            RebootPolicy::PendingIsOk => "reboots: never; one that is pending counts as success",
        },
    );
    if !plan.allowed.is_empty() {
        page.line(0, &format!("allowed by choice: {}", plan.allowed.join(", ")));
    }
    if !plan.secrets.is_empty() {
        let names: Vec<&str> = plan.secrets.keys().map(String::as_str).collect();
        page.line(0, &format!("secrets asked for: {}", names.join(", ")));
    }
}

fn wave_words(number: usize, of: usize, wave: &PlannedWave) -> String {
    let hosts = wave.hosts.len();
    let mut words = format!("Wave {number} of {of}, `{}`: {}", wave.name, count(hosts, "host"));
    if let Some(parallel) = wave.parallel {
        words.push_str(&format!(", {parallel} at once"));
    }
    words.push_str(&format!("; stops at more than {}", count(wave.max_failures.of(hosts), "failure")));
    words.push_str(&share(wave.max_failures));
    if let Some(budget) = wave.max_unreachable {
        words.push_str(&format!(", or at more than {} unreachable{}", budget.of(hosts), share(budget)));
    }
    words
}

/// An unknown host counts as a failure when the plan is applied, whatever else happens: a wave that has
/// more of them than it may have failures will stop.
fn warn_of_spent_budget(wave: &PlannedWave, members: &[&PlannedHost], page: &mut Page) {
    let unknown: Vec<&str> = members
        .iter()
        .filter(|host| host.state == HostState::Unknown)
        .map(|host| host.name.as_str())
        .collect();
    if unknown.len() > wave.max_failures.of(wave.hosts.len()) {
        page.line(
            2,
            &format!(
                "THIS WAVE WILL STOP: {} unknown ({}), and an unknown host counts as a failure. Mend them and plan \
                 again, leave them out by `--limit`, or allow more `max_failures`",
                match unknown.len() {
                    1 => "1 host is".to_owned(),
                    number => format!("{number} hosts are"),
                },
                unknown.join(", ")
            ),
        );
    }
}

fn share(budget: Budget) -> String {
    match budget {
        Budget::Count(_) => String::new(),
        Budget::Percent(hundredths) if hundredths % 100 == 0 => format!(" ({} %)", hundredths / 100),
        Budget::Percent(hundredths) => format!(" ({}.{:02} %)", hundredths / 100, hundredths % 100),
    }
}

/// Hosts with work first, then those that nothing is known of, then those with nothing to do; else in
/// the order given. Those with the same text below their names stand together at the first.
fn groups<'a>(hosts: impl Iterator<Item = &'a PlannedHost>, page: &mut Page) {
    let mut order: Vec<(String, Vec<&PlannedHost>)> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for host in hosts {
        let mut body = Page { text: String::new(), width: page.width };
        host_body(host, &mut body);
        match known.get(&body.text).and_then(|index| order.get_mut(*index)) {
            Some((_, members)) => members.push(host),
            None => {
                known.insert(body.text.clone(), order.len());
                order.push((body.text, vec![host]));
            }
        }
    }
    let rank = |host: &PlannedHost| match host.state {
        _ if host.steps.iter().any(|step| !step.already_so) => 0,
        HostState::Clean => 2,
        _ => 1,
    };
    order.sort_by_key(|(_, members)| members.first().map(|host| rank(host)));
    for (body, members) in order {
        page.blank();
        for host in &members {
            host_head(host, page);
        }
        if members.len() > 1 {
            page.line(2, &format!("the same on each of these {} hosts:", members.len()));
        }
        page.text.push_str(&body);
    }
}

fn host_head(host: &PlannedHost, page: &mut Page) {
    let address = address(&host.connection);
    page.line(0, &format!("{} ({address}): {}", host.name, host.state));
    if host.steps.is_empty() {
        // Nothing is changed there, so it matters to nobody which machine it is.
        return;
    }
    let identity = &host.identity;
    let parts = [
        ("machine-id", &identity.machine_id),
        ("DMI UUID", &identity.dmi_uuid),
        ("host key", &identity.host_key),
    ];
    let known: Vec<String> = parts
        .iter()
        .filter_map(|(what, value)| value.as_ref().map(|value| format!("{what} {value}")))
        .collect();
    if !known.is_empty() {
        page.line(4, &known.join(", "));
    }
}

fn address(connection: &PlannedConnection) -> String {
    if connection.kind == "local" {
        return "this machine".to_owned();
    }
    let PlannedConnection { address, port, .. } = connection;
    let address =
        if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
    let user = connection.user.as_ref().map(|user| format!(" as {user}")).unwrap_or_default();
    let method = match connection.become_method {
        Some(BecomeMethod::Sudo) => ", root by sudo",
        Some(BecomeMethod::Doas) => ", root by doas",
        None => "",
    };
    format!("{address}{user}{method}")
}

fn host_body(host: &PlannedHost, page: &mut Page) {
    let os = host.os.clone().or_else(|| host.platform.map(|platform| platform.to_string()));
    if let Some(os) = os {
        page.line(2, &os);
    }
    if !host.reason.is_empty() {
        page.line(2, &host.reason);
    }
    if let Some(remedy) = &host.remedy {
        // On one line, however long: a command is there to be copied.
        page.text.push_str(&format!("  try: {}\n", escape_line(remedy)));
    }
    // Why a product is unknown is said where it is said that it is not planned.
    let left = |finding: &Finding| host.not_planned.iter().any(|entry| entry.product == finding.product);
    let shown = host.findings.iter().filter(|finding| match finding.result {
        ProductState::Absent => false,
        ProductState::Unknown => !left(finding),
        ProductState::Present | ProductState::Residue => true,
    });
    shown.for_each(|finding| show_finding(finding, page));
    let (already, run): (Vec<&PlannedStep>, Vec<&PlannedStep>) =
        host.steps.iter().partition(|step| step.already_so);
    if !run.is_empty() {
        page.line(2, "would run, in this order:");
        run.into_iter().for_each(|step| show_step(step, page));
    }
    if !already.is_empty() {
        page.line(2, "already so, not run:");
        for step in already {
            page.line(4, &format!("{}  {}", step.id, step.summary));
        }
    }
    if !host.gone_after.is_empty() {
        page.line(2, &format!("gone afterwards: {}", host.gone_after.join(", ")));
    }
    if !host.not_planned.is_empty() {
        page.line(2, "NOT planned:");
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for entry in &host.not_planned {
            match reasons.iter_mut().find(|(reason, _)| *reason == entry.reason) {
                Some((_, products)) => products.push(&entry.product),
                None => reasons.push((&entry.reason, vec![&entry.product])),
            }
        }
        for (reason, products) in reasons {
            page.line(4, &format!("{}: {reason}", products.join(", ")));
        }
    }
    if host.steps.is_empty() && host.not_planned.is_empty() {
        match host.state {
            HostState::Skipped => {}
            HostState::Clean => page.line(2, "nothing to do"),
            _ => page.line(2, "nothing is planned"),
        }
    }
}

fn show_finding(finding: &Finding, page: &mut Page) {
    let version = finding.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    page.line(
        2,
        &format!("{}: {} {}{version}", finding.result.word(), finding.product, quoted_name(finding)),
    );
    let decisive = match finding.result {
        ProductState::Unknown => Truth::Unknown,
        _ => Truth::True,
    };
    let role = match finding.result {
        ProductState::Present => Some(EvidenceRole::Detect),
        ProductState::Residue => Some(EvidenceRole::Residue),
        _ => None,
    };
    let matters = |one: &&Evidence| one.truth == decisive && role.is_none_or(|role| one.role == role);
    for one in finding.evidence.iter().filter(matters) {
        page.line(4, &evidence(one));
    }
}

fn quoted_name(finding: &Finding) -> String {
    if finding.name == finding.product { String::new() } else { format!("({})", finding.name) }
}

fn evidence(one: &Evidence) -> String {
    if let Some(reason) = one.reason.as_ref().filter(|_| one.truth == Truth::Unknown) {
        return format!("{}: {reason}", one.check);
    }
    let more = one.facts.len().saturating_sub(MOST_FACTS);
    let facts: Vec<String> = one.facts.iter().take(MOST_FACTS).map(|fact| lasting(fact)).collect();
    let facts = facts.join("; ");
    match (facts.is_empty(), more) {
        (true, _) => one.check.clone(),
        (false, 0) => format!("{}: {facts}", one.check),
        (false, more) => format!("{}: {facts}; {more} more", one.check),
    }
}

/// A fact without what differs from host to host and day to day, and is no drift either: a process's
/// number, a file's size.
fn lasting(fact: &str) -> String {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((pid, rest)) = fact.strip_prefix("pid ").and_then(|fact| fact.split_once(' '))
        && digits(pid)
    {
        return rest.to_owned();
    }
    match fact.strip_suffix(" bytes)").and_then(|fact| fact.rsplit_once(", ")) {
        Some((rest, size)) if digits(size) => format!("{rest})"),
        _ => fact.to_owned(),
    }
}

fn show_step(step: &PlannedStep, page: &mut Page) {
    let limit = duration(step.timeout);
    let whom = if step.script.is_empty() { String::new() } else { format!(", as {}", step.run_as) };
    page.line(4, &format!("{}  {} (up to {limit}{whom})", step.id, step.summary));
    for command in &step.commands {
        page.command(command);
    }
    if step.kind == "manual" {
        for line in step.instructions.iter().flat_map(|text| text.lines()) {
            page.line(8, line);
        }
    }
    if let Some(condition) = &step.condition {
        page.line(8, &format!("if {}", rule(condition)));
    }
    let secrets: Vec<String> = step
        .env
        .iter()
        .map(|(variable, name)| format!("{variable} from secret {name}"))
        .chain(step.stdin.iter().map(|name| format!("its input from secret {name}")))
        .collect();
    if !secrets.is_empty() {
        page.line(8, &format!("with {}", secrets.join(", ")));
    }
    conditions(step, page);
}

/// What decides whether a step's run was a success.
fn conditions(step: &PlannedStep, page: &mut Page) {
    let codes = |list: &[i32]| list.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
    if step.accept != [0] {
        page.line(8, &format!("exit codes that are accepted: {}", codes(&step.accept)));
    }
    if !step.reboot_codes.is_empty() {
        page.line(8, &format!("exit codes that ask for a reboot: {}", codes(&step.reboot_codes)));
    }
    if !step.retry_on.is_empty() {
        page.line(8, &format!("tried again on exit codes: {}", codes(&step.retry_on)));
    }
    if let Some(refusal) = &step.blocked_if {
        page.line(8, &format!("refused by the product if it says `{}`", refusal.0));
    }
    match &step.effect {
        Some(effect) if step.kind == "run" => page.line(8, &format!("afterwards: {}", rule(effect))),
        None if step.kind == "run" => page.line(8, "has no effect that could be checked"),
        _ => {}
    }
}

fn totals(plan: &Plan, page: &mut Page) {
    let mut states: BTreeMap<HostState, usize> = BTreeMap::new();
    let mut products: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let (mut run, mut already, mut with_work) = (0, 0, 0);
    for host in &plan.hosts {
        *states.entry(host.state).or_default() += 1;
        let here = host.steps.iter().filter(|step| !step.already_so).count();
        run += here;
        already += host.steps.len() - here;
        with_work += usize::from(here > 0);
        for id in &host.gone_after {
            products.entry(id).or_default().0 += 1;
        }
        for entry in &host.not_planned {
            products.entry(&entry.product).or_default().1 += 1;
        }
    }
    page.blank();
    page.line(0, "Totals");
    let states: Vec<String> = states.iter().map(|(state, number)| format!("{number} {state}")).collect();
    page.line(2, &format!("{}: {}", count(plan.hosts.len(), "host"), states.join(", ")));
    page.line(
        2,
        &format!("{} would run on {}; {already} already so", count(run, "step"), count(with_work, "host")),
    );
    let mut unplanned: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for product in &plan.products {
        let Some((gone, left)) = products.get(product.id.as_str()) else { continue };
        if *gone == 0 {
            unplanned.entry(*left).or_default().push(&product.id);
            continue;
        }
        let mut words = format!("{}: would be gone from {}", product.id, count(*gone, "host"));
        if *left > 0 {
            words.push_str(&format!(", NOT planned on {}", count(*left, "host")));
        }
        page.line(2, &words);
    }
    for (hosts, products) in unplanned {
        page.line(2, &format!("NOT planned on {}: {}", count(hosts, "host"), products.join(", ")));
    }
}
