//! Secrets out of events, before they are stored.
//!
//! Works on the fields, not on the JSON: there a secret with a quote, a backslash or a line break is
//! escaped and would not be recognised. Text of people and hosts is redacted. Names that join records
//! to each other and to the plan (run, hosts, groups, waves, products, steps), digests and the
//! words of enums are left: a password that happens to be `clean` must not make a journal unreadable.

use crate::model::event::{HostEntry, OutputRef};
use crate::model::scope::{ScopeEntry, ScopeProfile, Waiver, WaiverList};
use crate::model::{Event, Evidence, Exemption, Finding, MachineIdentity, Redactor, Scope};

/// The event with every secret in its texts replaced.
pub(super) fn redact_event(mut event: Event, redactor: &Redactor) -> Event {
    let redact = |text: &mut String| redact_text(redactor, text);
    match &mut event {
        Event::RunStarted {
            run: _,
            verb: _,
            version: _,
            operator,
            playbook: _,
            plan: _,
            options,
            scope,
            hosts,
        } => {
            redact(operator);
            options.values_mut().for_each(redact);
            redact_scope(redactor, scope);
            for HostEntry { name: _, address, user, groups: _ } in hosts {
                redact(address);
                user.iter_mut().for_each(redact);
            }
        }
        Event::WaveEnded { wave: _, passed: _, failures: _, unreachable: _, reason, clock: _ } => {
            reason.iter_mut().for_each(redact);
        }
        Event::HostActivity { doing } => redact(doing),
        Event::Facts { phase: _, blob: _, platform: _, identity, boot } => {
            let MachineIdentity { host_key, machine_id, dmi_uuid } = identity;
            [host_key, machine_id, dmi_uuid, &mut boot.boot_id].into_iter().flatten().for_each(redact);
        }
        Event::Findings { phase: _, findings } => {
            findings.iter_mut().for_each(|finding| redact_finding(redactor, finding));
        }
        Event::StepIntent { step: _, product: _, summary, attempt: _, boot } => {
            redact(summary);
            boot.boot_id.iter_mut().for_each(redact);
        }
        Event::StepOutcome {
            step: _,
            product: _,
            summary,
            result: _,
            status: _,
            effect: _,
            reboot_needed: _,
            reason,
            millis: _,
            stdout,
            stderr,
        } => {
            redact(summary);
            reason.iter_mut().for_each(redact);
            for OutputRef { blob: _, total: _, tail } in [stdout, stderr] {
                redact(tail);
            }
        }
        Event::HostEnded { state: _, reason, remedy, unfinished: _ } => {
            redact(reason);
            remedy.iter_mut().for_each(redact);
        }
        Event::Decision { operator, what } => {
            redact(operator);
            redact(what);
        }
        Event::WaveApproved { wave: _, operator }
        | Event::RunResumed {
            operator,
            version: _,
            approved: _,
            after_failures: _,
            retry_failed: _,
            break_lock: _,
        } => redact(operator),
        Event::LockTaken { from, broken: _, records: _ } => from.iter_mut().for_each(redact),
        Event::LockReleased { left } => left.iter_mut().for_each(redact),
        Event::RunStopped { reason, exit: _ } => redact(reason),
        Event::WaveStarted { wave: _, hosts: _, max_failures: _, max_unreachable: _ }
        | Event::HostStarted { wave: _ }
        | Event::Repaired { bytes: _ }
        | Event::RunEnded { summary: _, exit: _ } => {}
    }
    event
}

fn redact_finding(redactor: &Redactor, finding: &mut Finding) {
    let redact = |text: &mut String| redact_text(redactor, text);
    let Finding { product: _, name, class: _, result: _, exemption, version, evidence } = finding;
    redact(name);
    if let Some(Exemption { kind: _, reason, ticket, until: _ }) = exemption {
        redact(reason);
        ticket.iter_mut().for_each(redact);
    }
    version.iter_mut().for_each(redact);
    for Evidence { role: _, check, truth: _, facts, matched, reason } in evidence {
        redact(check);
        facts.iter_mut().for_each(redact);
        matched.iter_mut().flatten().for_each(redact);
        reason.iter_mut().for_each(redact);
    }
}

/// Patterns, classes and digests say what counted, so they stay as they are.
fn redact_scope(redactor: &Redactor, scope: &mut Scope) {
    let redact = |text: &mut String| redact_text(redactor, text);
    let Scope { profile, waivers } = scope;
    if let Some(ScopeProfile { id: _, name, digest: _, out }) = profile {
        redact(name);
        for ScopeEntry { class: _, product: _, reason } in out {
            redact(reason);
        }
    }
    if let Some(WaiverList { file, digest: _, waivers }) = waivers {
        redact(file);
        for Waiver { hosts: _, product: _, reason, ticket, until: _ } in waivers {
            [reason, ticket].into_iter().for_each(redact);
        }
    }
}

fn redact_text(redactor: &Redactor, text: &mut String) {
    *text = redactor.redact_text(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::StepResult;
    use crate::model::{HostState, Secret};

    #[test]
    fn a_secret_that_json_would_escape_is_gone() {
        let value = "p\"q\\r\ns";
        let redactor = Redactor::new([&Secret::new("password", value.into())]);
        let tail = OutputRef { blob: None, total: 9, tail: format!("x {value} y") };
        let outcome = Event::StepOutcome {
            step: "kesl/1".into(),
            product: "kesl".into(),
            summary: value.into(),
            result: StepResult::Failed,
            status: Some(1),
            effect: None,
            reboot_needed: false,
            reason: Some(format!("said {value}")),
            millis: 1,
            stdout: tail.clone(),
            stderr: tail,
        };
        let text = serde_json::to_string(&redact_event(outcome, &redactor)).unwrap();
        assert!(!text.contains("p\\\"q"), "{text}");
        assert_eq!(text.matches("[redacted password]").count(), 4, "{text}");
    }

    #[test]
    fn a_password_that_is_a_word_of_the_format_leaves_the_record_readable() {
        let redactor = Redactor::new([&Secret::new("p", "clean".into())]);
        let event = Event::HostEnded {
            state: HostState::Clean,
            reason: "all clean".into(),
            remedy: None,
            unfinished: false,
        };
        let back: Event =
            serde_json::from_str(&serde_json::to_string(&redact_event(event, &redactor)).unwrap()).unwrap();
        let expected = Event::HostEnded {
            state: HostState::Clean,
            reason: "all [redacted p]".into(),
            remedy: None,
            unfinished: false,
        };
        assert_eq!(back, expected);
    }
}
