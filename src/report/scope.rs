//! What a run counts: the remarks on its waivers, and the judgement of what it found by another scope.

use super::HostReport;
use super::Report;
use crate::model::{ExitCode, Finding, HostState, Scope};
use crate::scope::{Judge, Looked, remarks};
use crate::verify::by_findings;
use std::collections::BTreeMap;

/// The option of a run over saved facts, which say nothing of a host's groups.
pub const OF_FACTS: &str = "facts";

impl Report {
    /// What a person must hear of the waivers: those that are over, and those that nothing needed. They
    /// stand among the notes too.
    #[must_use]
    pub fn scope_remarks(&self) -> Vec<String> {
        let hosts: Vec<Looked<'_>> = self.hosts.iter().map(|host| self.looked(host)).collect();
        remarks(&self.scope, self.ended, &hosts)
    }

    fn looked<'a>(&self, host: &'a HostReport) -> Looked<'a> {
        let before = host.found_before.iter().flatten();
        Looked {
            host: &host.host,
            groups: groups(host, &self.options),
            findings: host.findings.iter().chain(before).collect(),
        }
    }

    /// Judges what the run found by another scope: the profile given, the waivers given, and what is not
    /// given as the run had it; at the time at which the run ended. Says so in its notes.
    ///
    /// Only what a state owes to the findings alone is judged anew: a host that ended as `failed`, `drifted`
    /// or otherwise for another reason stays what it was, as does one that was not looked at after its steps.
    pub fn rejudge(&mut self, given: Scope) {
        let before = self.scope_remarks();
        self.notes.retain(|note| !before.contains(note));
        self.notes.push(in_words(&self.scope, &given));
        let Scope { profile, waivers } = given;
        let scope = Scope {
            profile: profile.or_else(|| self.scope.profile.take()),
            waivers: waivers.or_else(|| self.scope.waivers.take()),
        };
        let judge = Judge::new(&scope, self.ended);
        for host in &mut self.hosts {
            let groups = groups(host, &self.options).map(<[String]>::to_vec);
            rejudge_host(host, &mut |host: &str, findings: &mut [Finding]| {
                judge.judge(host, groups.as_deref(), findings);
            });
        }
        self.scope = scope;
        self.hosts.sort_by(|a, b| a.state.cmp(&b.state).then_with(|| a.host.cmp(&b.host)));
        self.summary.clear();
        for host in &self.hosts {
            *self.summary.entry(host.state).or_default() += 1;
        }
        self.rejudge_exit();
        let after = self.scope_remarks();
        self.notes.extend(after);
    }

    /// What a gate, an interruption or a defect made of the exit code stays.
    fn rejudge_exit(&mut self) {
        let Some(recorded) = self.recorded_exit else { return };
        if matches!(recorded, ExitCode::Success | ExitCode::Found | ExitCode::CannotVouch) {
            let states = self.hosts.iter().map(|host| host.state);
            let exit = ExitCode::of_states_under(states, self.pending_is_ok());
            let open = if self.finished { ExitCode::Success } else { ExitCode::CannotVouch };
            self.recorded_exit = Some(exit.worst(open));
        }
    }
}

/// The groups of a host; none where a run knew nothing of them.
fn groups<'a>(host: &'a HostReport, options: &BTreeMap<String, String>) -> Option<&'a [String]> {
    let was_asked = !options.contains_key(OF_FACTS) || !host.address.starts_with("facts of ");
    was_asked.then_some(host.groups.as_slice())
}

fn in_words(had: &Scope, given: &Scope) -> String {
    let words = |scope: &Scope| match scope.words() {
        words if words.is_empty() => "everything counted".to_owned(),
        words => words.join("; "),
    };
    format!(
        "this scope was given to the report, not to the run: {}. In the run: {}",
        words(given),
        words(had)
    )
}

fn rejudge_host(host: &mut HostReport, judge: &mut dyn FnMut(&str, &mut [Finding])) {
    let recorded = by_findings(&host.findings).map(|verdict| verdict.state);
    let exempt = |findings: &[Finding]| -> Vec<_> {
        findings.iter().map(|finding| finding.exemption.clone()).collect()
    };
    let before = exempt(&host.findings);
    judge(&host.host, &mut host.findings);
    if let Some(found) = &mut host.found_before {
        judge(&host.host, found);
    }
    if before == exempt(&host.findings) {
        return;
    }
    let Some(verdict) = by_findings(&host.findings) else { return };
    let looked_again = host.steps.is_empty() || host.found_before.is_some();
    let owed = match host.state {
        HostState::Present | HostState::Residue | HostState::Unknown | HostState::Exempt => {
            looked_again && recorded == Some(host.state)
        }
        // What was exempt and counts now is worse than the reboot that is still to come.
        HostState::RemovedRebootPending => verdict.state < host.state,
        _ => false,
    };
    if !owed {
        return;
    }
    let said = if host.reason.is_empty() { String::new() } else { format!(": {}", host.reason) };
    host.reason = format!("{}; in the run `{}`{said}", verdict.reason, host.state);
    if verdict.state != host.state {
        host.remedy = None;
        host.state = verdict.state;
    }
}
