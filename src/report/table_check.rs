//! What checking the journal gave, in the table: that it is broken, first of all; else who sealed it.

use super::Report;
use super::table::Lines;

/// So many defects are listed; of more, their number.
const MOST: usize = 5;

/// The first lines of the report of a broken run; nothing for any other.
pub(super) fn draw_broken(out: &mut Lines<'_>, report: &Report) {
    let Some(check) = report.check.as_ref().filter(|check| check.is_broken()) else { return };
    let count = check.defects.len();
    let plural = if count == 1 { "" } else { "s" };
    out.wrapped(
        "BROKEN JOURNAL",
        &format!(
            "{count} defect{plural}. This run was altered or damaged after it was written; below is what its records \
             before the first break say, and none of it is proof."
        ),
    );
    for defect in check.defects.iter().take(MOST) {
        out.detail(2, defect);
    }
    if let Some(left) = count.checked_sub(MOST).filter(|left| *left > 0) {
        out.detail(2, &format!("and {left} more: `uproot journal verify` lists them"));
    }
    out.line("");
}

/// Who sealed the run, and what else is to be known of its journal.
pub(super) fn draw_seals(out: &mut Lines<'_>, report: &Report) {
    let Some(check) = &report.check else { return };
    let whole = if check.is_broken() { "broken" } else { "whole" };
    let remarks = match check.remarks.as_slice() {
        [] => String::new(),
        remarks => format!("; {}", remarks.join("; ")),
    };
    out.wrapped("journal", &format!("{whole}{remarks}"));
    for seal in &check.seals {
        out.wrapped("seal", seal);
    }
}

/// What is said instead of a verdict of a broken run.
pub(super) const NO_VERDICT: &str = "The journal of this run is broken: nothing can be concluded from it. Restore it, or look at the hosts again.";

#[cfg(test)]
mod tests {
    use crate::model::event::Phase;
    use crate::model::{Event, ExitCode, Finding, HostState, ProductState, Record};
    use crate::report::{JournalCheck, Report, TableOptions, table};

    fn report(check: Option<JournalCheck>) -> Report {
        let started = Event::RunStarted {
            run: "0199".into(),
            verb: "verify".into(),
            version: "0.1.0".into(),
            operator: "op@desk".into(),
            playbook: "ab".repeat(32),
            plan: None,
            options: Default::default(),
            scope: Default::default(),
            hosts: vec![crate::model::event::HostEntry {
                name: "web01".into(),
                address: "10.0.0.1:22".into(),
                user: None,
                groups: Vec::new(),
            }],
        };
        let absent = Finding {
            product: "kesl".into(),
            name: "Kaspersky kesl".into(),
            class: Default::default(),
            result: ProductState::Absent,
            exemption: None,
            version: None,
            evidence: Vec::new(),
        };
        let ended =
            |state| Event::HostEnded { state, reason: String::new(), remedy: None, unfinished: false };
        let events = [
            (None, started),
            (Some("web01"), Event::HostStarted { wave: None }),
            (Some("web01"), Event::Findings { phase: Phase::Before, findings: vec![absent] }),
            (Some("web01"), ended(HostState::Clean)),
            (None, Event::RunEnded { summary: [(HostState::Clean, 1)].into(), exit: ExitCode::Success }),
        ];
        let records: Vec<Record> = (0..)
            .zip(events)
            .map(|(seq, (host, event))| Record {
                seq,
                at: jiff::Timestamp::UNIX_EPOCH,
                host: host.map(str::to_owned),
                event,
            })
            .collect();
        Report { check, ..Report::from_records(&records).unwrap() }
    }

    #[test]
    fn a_broken_journal_is_said_on_the_first_line_and_there_is_no_verdict() {
        let defects = (1..=7).map(|number| format!("output/{number}: missing\u{1b}[2J")).collect();
        let broken = report(Some(JournalCheck { defects, ..JournalCheck::default() }));
        assert_eq!(broken.exit_code(), ExitCode::CannotVouch);
        for width in [40, 80, 200] {
            let text = table(&broken, &TableOptions { width, ..TableOptions::default() });
            assert!(text.starts_with("BROKEN JOURNAL: 7 defects."), "{text}");
            assert!(text.contains("and 2 more"), "{text}");
            assert!(!text.contains("Every host is free") && text.contains("nothing can be"), "{text}");
            assert!(text.contains("Exit code 3."), "{text}");
            assert!(!text.contains('\u{1b}'), "{text:?}");
        }
    }

    #[test]
    fn seals_and_remarks_stand_below_the_head() {
        let check = JournalCheck {
            defects: Vec::new(),
            seals: vec!["seal.sig: seals all 4 records (finished); by alice with key SHA256:x".to_owned()],
            remarks: vec!["one".to_owned(), "two".to_owned()],
        };
        let text = table(&report(Some(check)), &TableOptions { width: 200, ..TableOptions::default() });
        assert!(text.contains("\njournal: whole; one; two\nseal: seal.sig: seals all 4 records"), "{text}");
        assert!(text.contains("Every host is free") && text.contains("Exit code 0."), "{text}");
        let unchecked = table(&report(None), &TableOptions::default());
        assert!(!unchecked.contains("journal:") && unchecked.starts_with("verify at"), "{unchecked}");
    }
}
