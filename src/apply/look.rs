//! Looking at hosts: connect, collect facts, evaluate the rules. Never changes a host.

use super::Access;
use crate::detect::{ProductRules, findings, only_extensions};
use crate::facts::{Facts, Questions, document};
use crate::model::event::Phase;
use crate::model::{BootIdentity, Cancel, Event, EventSink, Finding, HostState, MachineIdentity, SinkError};
use crate::plan::PlannedConnection;
use crate::scope::Judge;
use crate::transport::{TransportError, TransportErrorKind, pool};
use crate::verify::{Verdict, observed, reboot_removes_the_rest};
use std::collections::BTreeMap;

/// A host that is looked at.
pub struct Surveyed<'a> {
    /// Its inventory name.
    pub name: &'a str,
    /// The groups it belongs to, without `all`.
    pub groups: &'a [String],
    /// How to reach it.
    pub connection: &'a PlannedConnection,
}

/// What a look at a host gave.
pub enum SurveyOutcome {
    /// It was reached; the facts may have gaps.
    Read {
        /// The facts, where the survey was told to keep them.
        facts: Option<Box<Facts>>,
        /// One for each product of its platform.
        findings: Vec<Finding>,
        /// In what state it is.
        verdict: Verdict,
    },
    /// It was not reached.
    Unreachable {
        /// Why.
        reason: String,
        /// One command that would mend it.
        remedy: Option<String>,
    },
    /// The run was cancelled before the host was done.
    Cancelled,
}

/// A look at many hosts at once.
pub struct Survey<'a> {
    /// How to reach them.
    pub access: &'a Access,
    /// Says which findings count.
    pub judge: &'a Judge<'a>,
    /// What is asked.
    pub questions: &'a Questions,
    /// The products looked for.
    pub products: &'a [ProductRules<'a>],
    /// How many hosts at once.
    pub parallel: usize,
    /// Where events go.
    pub sink: &'a dyn EventSink,
    /// Cancels it.
    pub cancel: &'a Cancel,
    /// Whether facts are kept in the outcome (a plan needs them).
    pub keep_facts: bool,
    /// Hosts from which products were removed and which need a reboot yet.
    pub pending: &'a BTreeMap<String, RebootPending>,
    /// The command that would look again at a host with an option more, for remedies:
    /// `uproot identify -i hosts.yml --limit HOST OPTION`.
    pub again: &'a (dyn Fn(&str, &str) -> String + Sync),
}

/// A host that an earlier run left with a reboot to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebootPending {
    /// That run's id.
    pub run: String,
    /// Which machine it was.
    pub identity: MachineIdentity,
    /// In which boot it was left.
    pub boot: BootIdentity,
}

/// A clean host for which an earlier run asked for a reboot is only clean once that has happened; so is one
/// on which only what does not count is left. One of which all that counts goes with the next boot (`waits`) has
/// been removed as far as that run could.
fn after_reboot(verdict: Verdict, pending: Option<&RebootPending>, facts: &Facts, waits: bool) -> Verdict {
    let good = waits || matches!(verdict.state, HostState::Clean | HostState::Exempt);
    let Some(pending) = pending.filter(|_| good) else { return verdict };
    let run = &pending.run;
    let same_boot = facts.boot.is_same(&pending.boot);
    if waits && same_boot != Some(true) {
        // It is still there after the boot that should have taken it, or that cannot be told.
        return verdict;
    }
    if !pending.identity.disagreements(&facts.identity).is_empty() {
        return verdict;
    }
    let told = |reason: String| match verdict.reason.as_str() {
        "" => reason,
        also => format!("{reason}; {also}"),
    };
    let reason = match same_boot {
        Some(false) => {
            let reason = told(format!("removed by run {run}, and rebooted since"));
            return Verdict { reason, ..verdict };
        }
        Some(true) => {
            format!("removed by run {run}, which asked for a reboot that has not happened yet")
        }
        None => {
            format!("removed by run {run}, which asked for a reboot; whether that happened cannot be read")
        }
    };
    Verdict { state: HostState::RemovedRebootPending, reason: told(reason), remedy: None }
}

/// Looks at every host and records what was found.
///
/// # Errors
/// When the journal could not be written: what was seen would not be in the report.
pub fn survey(survey: &Survey<'_>, hosts: &[Surveyed<'_>]) -> Result<Vec<SurveyOutcome>, SinkError> {
    let work = |host: &Surveyed<'_>| survey_host(survey, host);
    let on_panic = |host: &Surveyed<'_>, message: String| {
        let reason = format!("a defect of uproot ended the work on this host: {message}");
        end_unreached(survey.sink, host.name, HostState::Unknown, &reason, None)?;
        Ok(SurveyOutcome::Unreachable { reason, remedy: None })
    };
    pool::for_each(survey.parallel, hosts, survey.cancel, work, on_panic)
        .into_iter()
        .map(|outcome| outcome.unwrap_or(Ok(SurveyOutcome::Cancelled)))
        .collect()
}

fn survey_host(survey: &Survey<'_>, host: &Surveyed<'_>) -> Result<SurveyOutcome, SinkError> {
    let sink = survey.sink;
    sink.record(Some(host.name), Event::HostStarted { wave: None })?;
    activity(sink, host.name, "connecting");
    let looked = survey.access.connect(host.name, host.connection, survey.cancel).and_then(|mut session| {
        activity(sink, host.name, "collecting facts");
        survey.access.collect(&mut session, host.name, host.connection, survey.questions, survey.cancel)
    });
    match looked {
        Ok(facts) => {
            let mut found = findings(survey.products.iter().copied(), &facts);
            survey.judge.judge(host.name, Some(host.groups), &mut found);
            let left = only_extensions(survey.products.iter().copied(), &found, &facts);
            let waits = reboot_removes_the_rest(&found, &left);
            let seen = after_reboot(observed(&found, &facts), survey.pending.get(host.name), &facts, waits);
            let verdict = with_command(seen, &facts, &|option| Some((survey.again)(host.name, option)));
            record_look(sink, Phase::Before, &facts, &found)?;
            let ended = Event::HostEnded {
                state: verdict.state,
                reason: verdict.reason.clone(),
                remedy: verdict.remedy.clone(),
                unfinished: false,
            };
            sink.record(Some(host.name), ended)?;
            let facts = survey.keep_facts.then(|| Box::new(facts));
            Ok(SurveyOutcome::Read { facts, findings: found, verdict })
        }
        Err(error) if error.kind == TransportErrorKind::Cancelled => Ok(SurveyOutcome::Cancelled),
        Err(error) => {
            let state = HostState::Unreachable;
            let option = unreached_option(&error);
            let remedy = option.map(|option| (survey.again)(host.name, &option)).or(error.remedy);
            end_unreached(sink, host.name, state, &error.message, remedy.clone())?;
            Ok(SurveyOutcome::Unreachable { reason: error.message, remedy })
        }
    }
}

/// Makes a verdict's remedy, an option, the one command that would mend it; where becoming root was
/// asked for and failed, that is told with whatever was found, since it stands in the way of the rest.
pub(super) fn with_command(
    verdict: Verdict,
    facts: &Facts,
    again: &dyn Fn(&str) -> Option<String>,
) -> Verdict {
    let Some(failed) = &facts.privilege.become_failed else {
        let remedy = verdict.remedy.and_then(|r| if r.starts_with("--") { again(&r) } else { Some(r) });
        let closer = || (verdict.state == HostState::Unknown).then(|| again("-v")).flatten();
        return Verdict { remedy: remedy.or_else(closer), ..verdict };
    };
    let told = format!("cannot become root: {failed}");
    let reason = match verdict.state {
        HostState::Unknown => format!("{told}; {}", verdict.reason),
        _ => format!("{}; {told}", verdict.reason),
    };
    Verdict { reason, remedy: again(become_option(failed)), ..verdict }
}

/// The option that would mend a failure to become root: a password where one is wanted, else to log in
/// as root.
#[must_use]
pub fn become_option(failed: &str) -> &'static str {
    if failed.contains("--ask-become-pass") { "--become --ask-become-pass" } else { "-u root" }
}

/// The option that would mend a failure to reach a host, where one would.
#[must_use]
pub fn unreached_option(error: &TransportError) -> Option<String> {
    match &error.remedy {
        Some(remedy) => remedy.starts_with("--").then(|| remedy.clone()),
        None => Some("-v".to_owned()),
    }
}

fn end_unreached(
    sink: &dyn EventSink,
    host: &str,
    state: HostState,
    reason: &str,
    remedy: Option<String>,
) -> Result<(), SinkError> {
    sink.record(Some(host), Event::HostEnded { state, reason: reason.to_owned(), remedy, unfinished: false })
}

/// Tells what a host does now. Progress only: that it cannot be told stops nothing.
pub(super) fn activity(sink: &dyn EventSink, host: &str, doing: &str) {
    let _ = sink.record(Some(host), Event::HostActivity { doing: doing.to_owned() });
}

/// Records facts (as a blob) and findings.
///
/// # Errors
/// When they could not be stored or recorded.
pub fn record_look(
    sink: &dyn EventSink,
    phase: Phase,
    facts: &Facts,
    found: &[Finding],
) -> Result<(), SinkError> {
    let blob = sink.store(document::to_compact_json(facts).as_bytes())?;
    let host = Some(facts.host.as_str());
    let event = Event::Facts {
        phase,
        blob,
        platform: facts.platform,
        identity: facts.identity.clone(),
        boot: facts.boot.clone(),
    };
    sink.record(host, event)?;
    sink.record(host, Event::Findings { phase, findings: found.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::clean_host;

    #[test]
    fn a_removal_is_clean_only_after_the_reboot_that_it_asked_for() {
        let boot = |id: Option<&str>| BootIdentity { boot_id: id.map(Into::into), init_start: None };
        let machine = |id: &str| MachineIdentity { machine_id: Some(id.into()), ..Default::default() };
        let state = |seen: HostState, machine_now: &str, before: Option<&str>, now: Option<&str>| {
            let pending = RebootPending { run: "r".into(), identity: machine("m"), boot: boot(before) };
            let facts = Facts { identity: machine(machine_now), boot: boot(now), ..clean_host() };
            let verdict = Verdict { state: seen, reason: String::new(), remedy: None };
            after_reboot(verdict, Some(&pending), &facts, seen == HostState::Residue).state
        };
        use HostState::{Clean, Exempt, Present, RemovedRebootPending, Residue};
        assert_eq!(state(Exempt, "m", Some("1"), Some("1")), RemovedRebootPending);
        assert_eq!(state(Exempt, "m", Some("1"), Some("2")), Exempt);
        assert_eq!(state(Clean, "m", Some("1"), Some("1")), RemovedRebootPending);
        assert_eq!(state(Clean, "m", Some("1"), Some("2")), Clean);
        assert_eq!(state(Clean, "m", Some("1"), None), RemovedRebootPending);
        assert_eq!(state(Clean, "m", None, Some("2")), RemovedRebootPending);
        assert_eq!(state(Clean, "another", Some("1"), Some("1")), Clean);
        assert_eq!(state(Present, "m", Some("1"), Some("1")), Present);
        // What goes with the next boot.
        assert_eq!(state(Residue, "m", Some("1"), Some("1")), RemovedRebootPending);
        assert_eq!(state(Residue, "m", Some("1"), Some("2")), Residue);
        assert_eq!(state(Residue, "m", Some("1"), None), Residue);
        assert_eq!(state(Residue, "another", Some("1"), Some("1")), Residue);
    }
}
