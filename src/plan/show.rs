//! The plan as a change board reads it: what is there, what would run as whom, what would be gone,
//! what is left and why. Every string of a host is escaped.

use super::shown::{count, duration, rule, wrap};
use super::{Plan, PlannedConnection, PlannedHost, PlannedProtection, PlannedStep, PlannedWave};
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
        gates(wave, number < plan.waves.len(), &mut page);
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
    if let Some(required) = &plan.require_protection {
        page.line(0, &format!("protection that must be there before and after: {}", rule(required)));
    }
    if !plan.allowed.is_empty() {
        page.line(0, &format!("allowed by choice: {}", plan.allowed.join(", ")));
    }
    for words in plan.scope.words() {
        page.line(0, &words);
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
    words.push_str(&format!("; at most {}", budget_words(wave.max_failures, hosts, "may fail")));
    if let Some(budget) = wave.max_unreachable {
        words.push_str(&format!(", and {}", budget_words(budget, hosts, "be unreachable")));
    }
    words
}

/// What a wave waits for besides the one before it.
fn gates(wave: &PlannedWave, is_followed: bool, page: &mut Page) {
    if wave.approve {
        page.line(2, "begins only when a person approves it");
    }
    if let Some(window) = &wave.window {
        page.line(2, &format!("its hosts are begun only in the window `{window}`"));
    }
    if wave.soak > 0 {
        let soak = duration(wave.soak);
        page.line(
            2,
            &match is_followed {
                true => format!("the next wave begins {soak} after its end at the earliest"),
                false => format!("no wave waits for its soak of {soak}"),
            },
        );
    }
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

/// `2 of 40 hosts may fail (5 %)`.
fn budget_words(budget: Budget, hosts: usize, may: &str) -> String {
    let number = budget.of(hosts);
    let of = format!("{number} of {} {may}", count(hosts, "host"));
    let Budget::Percent(hundredths) = budget else { return of };
    let percent = match hundredths % 100 {
        0 => format!("{}", hundredths / 100),
        rest => format!("{}.{rest:02}", hundredths / 100),
    };
    // A share of a small wave that comes to nobody surprises people.
    let rounded = if number == 0 && hundredths > 0 { ", rounded down" } else { "" };
    format!("{of} ({percent} %{rounded})")
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
    protection(host, page);
    let (already, run): (Vec<&PlannedStep>, Vec<&PlannedStep>) =
        host.steps.iter().partition(|step| step.already_so);
    if !run.is_empty() {
        page.line(2, "would run, in this order:");
        run.into_iter().for_each(|step| show_step(step, page));
    }
    if let Some(reboot) = &host.reboot {
        let (what, limit) = (reboot.commands.join("; "), duration(reboot.timeout));
        page.line(
            2,
            &format!("may be rebooted if a step needs it: {what} (up to {limit}, as {})", reboot.run_as),
        );
    }
    if !already.is_empty() {
        page.line(2, "already so, not run:");
        for step in already {
            page.line(4, &format!("{}  {}", step.id, step.summary));
        }
    }
    for warning in &host.warnings {
        page.line(2, &format!("warning: {warning}"));
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

/// Whether the host is protected now; where it is not and something would be changed, that it would not.
fn protection(host: &PlannedHost, page: &mut Page) {
    let Some(PlannedProtection { holds, reason }) = &host.protection else { return };
    let words = match holds {
        Truth::True => format!("protected ({reason})"),
        Truth::False => format!("NOT PROTECTED (required: {reason})"),
        Truth::Unknown => format!("PROTECTION UNKNOWN ({reason})"),
    };
    let skipped = if is_bare(host) { "; `apply` would skip this host" } else { "" };
    page.line(2, &format!("{words}{skipped}"));
}

/// Whether the protection gate would hold back what is planned, if the host stays as it is.
fn is_bare(host: &PlannedHost) -> bool {
    let runs = host.steps.iter().any(|step| !step.already_so);
    runs && host.protection.as_ref().is_some_and(|protection| !protection.holds.is_true())
}

fn show_finding(finding: &Finding, page: &mut Page) {
    let version = finding.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    page.line(
        2,
        &format!("{}: {} {}{version}", finding.result.word(), finding.product, quoted_name(finding)),
    );
    // What does not count is told with what is not planned; that a waiver is over is told here.
    if let Some(over) = finding.exemption.as_ref().filter(|exemption| !exemption.kind.exempts()) {
        page.line(4, &over.words());
    }
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
    let bare = plan.hosts.iter().filter(|host| is_bare(host)).count();
    if bare > 0 {
        page.line(2, &format!("NOT protected now, so `apply` would skip: {}", count(bare, "host")));
    }
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
