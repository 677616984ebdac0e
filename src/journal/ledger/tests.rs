//! The ledger on a disk that loses, tears and refuses.

use super::*;
use crate::journal::testing::{SmallDisk, intent, records, start};
use crate::journal::{read_bytes, verify_bytes};
use crate::model::ExitCode;
use std::collections::BTreeMap;

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn resumed() -> Event {
    Event::RunResumed {
        operator: "o".into(),
        version: "0".into(),
        approved: Vec::new(),
        after_failures: false,
        retry_failed: false,
        break_lock: false,
    }
}

fn stopped() -> Event {
    Event::RunStopped { reason: "the window closed".into(), exit: ExitCode::Stopped }
}

/// A run that was begun, on a disk with room for everything.
fn begun() -> (SmallDisk, Ledger) {
    let disk = SmallDisk::new(usize::MAX, usize::MAX);
    let mut ledger = Ledger::create(Arc::new(disk.clone()));
    ledger.record(now(), None, &start()).unwrap();
    ledger.record(now(), Some("h"), &Event::HostStarted { wave: None }).unwrap();
    ledger.record(now(), Some("h"), &intent(1)).unwrap();
    (disk, ledger)
}

fn resume(disk: &SmallDisk) -> Result<(Ledger, Run), JournalError> {
    let journal = disk.lock().journal.clone();
    Ledger::resume(Arc::new(disk.clone()), &journal)
}

#[test]
fn only_what_must_be_durable_is_synced() {
    let (disk, mut ledger) = begun();
    assert_eq!(disk.lock().syncs, 2, "a start, an intent");
    assert_eq!(records(&disk.lock().synced), 3);
    ledger.record(now(), Some("h"), &Event::HostActivity { doing: "x".into() }).unwrap();
    assert_eq!(records(&disk.lock().journal), 3, "activity is not journaled");
    ledger.sync().unwrap();
    assert_eq!(disk.lock().syncs, 2, "there was nothing to sync");
}

#[test]
fn a_journal_cut_at_any_byte_is_gone_on_with() {
    let (whole, _) = begun();
    let whole = whole.lock().journal.clone();
    let first_line = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for length in 0..=whole.len() {
        let disk = SmallDisk::new(usize::MAX, usize::MAX);
        disk.lock().journal = whole[..length].to_vec();
        let lines = whole[..length].iter().filter(|byte| **byte == b'\n').count();
        let torn = length > 0 && whole[length - 1] != b'\n';
        let outcome = resume(&disk);
        if length < first_line {
            assert!(matches!(outcome, Err(JournalError::NeverBegun(_))), "{length}: {outcome:?}");
            assert_eq!(disk.lock().journal, whole[..length], "it was changed");
            continue;
        }
        let (mut ledger, run) = outcome.unwrap();
        assert_eq!(run.records.len(), lines + usize::from(torn));
        assert_eq!(disk.lock().is_synced(), torn, "a repair is durable at once");
        ledger.record(now(), None, &resumed()).unwrap();
        let journal = disk.lock().journal.clone();
        assert!(journal.starts_with(
            &whole[..length].split_inclusive(|b| *b == b'\n').take(lines).collect::<Vec<_>>().concat()
        ));
        let read = read_bytes("r", &journal).unwrap();
        assert_eq!(read.records[..run.records.len()], run.records);
        assert_eq!(read.records.len(), run.records.len() + 1);
        let defects = verify_bytes("r", &journal).unwrap();
        assert!(matches!(defects[..], [Broken::Unfinished { .. }]), "{length}: {defects:?}");
        let repaired = run.records.last().map(|record| &record.event);
        let bytes = length
            - journal.split_inclusive(|byte| *byte == b'\n').take(lines).map(<[u8]>::len).sum::<usize>();
        match repaired {
            Some(Event::Repaired { bytes: cut }) => assert_eq!(*cut, bytes as u64),
            _ => assert!(!torn),
        }
    }
}

#[test]
fn a_journal_that_is_broken_or_over_is_left_as_it_is() {
    let (disk, mut ledger) = begun();
    let begun_journal = disk.lock().journal.clone();
    let end = Event::RunEnded { summary: BTreeMap::new(), exit: ExitCode::Success };
    ledger.record(now(), None, &end).unwrap();
    assert!(matches!(resume(&disk), Err(JournalError::Ended { id }) if id == "r"));
    let mut altered = begun_journal.clone();
    altered[200] ^= 1;
    let mut foreign = String::from_utf8(begun_journal.clone()).unwrap();
    foreign = foreign.replacen("\"uproot_journal\":1", "\"uproot_journal\":7", 1);
    let without_start =
        begun_journal.split_inclusive(|byte| *byte == b'\n').skip(1).collect::<Vec<_>>().concat();
    for journal in [altered, foreign.into_bytes(), without_start, b"garbage\n".to_vec()] {
        disk.lock().journal = journal.clone();
        let syncs = disk.lock().syncs;
        resume(&disk).unwrap_err();
        let small = disk.lock();
        assert_eq!((&small.journal, small.syncs), (&journal, syncs));
    }
}

#[test]
fn a_chain_of_another_format_is_not_gone_on_with() {
    let disk = SmallDisk::new(usize::MAX, usize::MAX);
    let mut line = Vec::new();
    // The second line's form: it states no format.
    Sealer::after(GENESIS.to_owned()).seal(&mut line, 1, now(), None, &encode(&start()).unwrap());
    disk.lock().journal = String::from_utf8(line).unwrap().into_bytes();
    assert!(matches!(resume(&disk), Err(JournalError::Broken { .. })), "record 0 is missing");
    let event = encode(&start()).unwrap();
    let body = format!("{{\"seq\":0,\"at\":\"{}\",\"event\":{event}", now());
    let hash = sha256_hex(&[GENESIS.as_bytes(), body.as_bytes()]);
    disk.lock().journal = format!("{body},\"hash\":\"{hash}\"}}\n").into_bytes();
    assert!(matches!(resume(&disk), Err(JournalError::NoFormat(_))));
}

#[test]
fn a_stopped_run_takes_nothing_but_its_resumption() {
    let (disk, mut ledger) = begun();
    ledger.record(now(), None, &stopped()).unwrap();
    let error = ledger.record(now(), Some("h"), &intent(2)).unwrap_err();
    assert!(error.0.contains("resumed"), "{error}");
    assert!(ledger.record(now(), None, &stopped()).is_err());
    let (mut ledger, run) = resume(&disk).unwrap();
    assert!(run.stopped && !run.finished);
    assert!(ledger.record(now(), Some("h"), &intent(2)).is_err());
    ledger.record(now(), None, &resumed()).unwrap();
    ledger.record(now(), Some("h"), &Event::HostStarted { wave: None }).unwrap();
    assert_eq!(records(&disk.lock().journal), 6);
    assert!(!read_bytes("r", &disk.lock().journal).unwrap().stopped);
}

#[test]
fn a_stopped_run_with_a_torn_resumption_is_still_stopped() {
    let (disk, mut ledger) = begun();
    ledger.record(now(), None, &stopped()).unwrap();
    disk.lock().journal.extend_from_slice(b"{\"seq\":4,\"at");
    let (_, run) = resume(&disk).unwrap();
    assert!(run.stopped);
    assert!(matches!(run.records.last().map(|record| &record.event), Some(Event::Repaired { bytes: 12 })));
    let (_, again) = resume(&disk).unwrap();
    assert_eq!(run, again);
}

#[test]
fn a_failed_write_or_sync_is_never_followed_by_another() {
    let (roomy, _) = begun();
    let need = roomy.lock().journal.len();
    for (bytes, syncs) in (0..need).map(|bytes| (bytes, usize::MAX)).chain([(usize::MAX, 0), (usize::MAX, 1)])
    {
        let disk = SmallDisk::new(bytes, syncs);
        let mut ledger = Ledger::create(Arc::new(disk.clone()));
        let outcomes = [
            ledger.record(now(), None, &start()).is_ok(),
            ledger.record(now(), Some("h"), &Event::HostStarted { wave: None }).is_ok(),
            ledger.record(now(), Some("h"), &intent(1)).is_ok(),
        ];
        assert!(!outcomes[2] && outcomes.is_sorted_by(|before, after| before >= after), "{outcomes:?}");
        let left = disk.lock().journal.clone();
        assert!(records(&left) >= outcomes.iter().filter(|ok| **ok).count());
        disk.lock().bytes_left = usize::MAX;
        disk.lock().syncs_left = usize::MAX;
        ledger.record(now(), Some("h"), &intent(1)).unwrap_err();
        ledger.store(b"x").unwrap_err();
        ledger.sync().unwrap_err();
        assert_eq!(disk.lock().journal, left);
        assert!(disk.lock().blobs.is_empty());
    }
}

#[test]
fn a_repair_that_cannot_be_written_is_told() {
    let (disk, _) = begun();
    disk.lock().journal.extend_from_slice(b"{\"seq\"");
    let torn = disk.lock().journal.clone();
    disk.lock().can_truncate = false;
    assert!(matches!(resume(&disk), Err(JournalError::Io { action: "repair", .. })));
    assert_eq!(disk.lock().journal, torn);
    disk.lock().can_truncate = true;
    disk.lock().bytes_left = 0;
    let error = resume(&disk).unwrap_err();
    assert!(matches!(&error, JournalError::Failed(reason) if reason.contains("journal.jsonl")), "{error}");
    disk.lock().bytes_left = usize::MAX;
    let (_, run) = resume(&disk).unwrap();
    assert_eq!(run.records.len(), 3, "it was cut already: there is no tear any more");
}

#[cfg(feature = "deliberate-defects")]
#[test]
fn each_deliberate_defect_of_the_ledger_does_what_it_says() {
    use crate::model::deliberate::switch;
    let with = |defect, work: &dyn Fn()| {
        switch(Some(defect));
        work();
        switch(None);
    };
    with(Defect::NoSync, &|| assert!(begun().0.lock().synced.is_empty()));
    with(Defect::TornLineKept, &|| {
        let (disk, _) = begun();
        disk.lock().journal.extend_from_slice(b"{\"seq\"");
        resume(&disk).unwrap();
        assert!(read_bytes("r", &disk.lock().journal).is_err());
    });
    with(Defect::FullDiskIgnored, &|| {
        let mut ledger = Ledger::create(Arc::new(SmallDisk::new(0, 0)));
        ledger.record(now(), None, &start()).unwrap();
    });
}
