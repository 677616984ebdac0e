//! The writer on a disk that fails.

use super::*;
use crate::journal::testing::{SmallDisk, intent, records, start};
use crate::model::{HostState, Secret};
use std::collections::BTreeMap;

fn writer(disk: &SmallDisk) -> Writer {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let ledger = Ledger::create(Arc::clone(&disk));
    Writer::on(disk, ledger, Gate::Open, PathBuf::from("/runs/r"), "r", None).unwrap()
}

/// Records until something fails; how many were accepted before that.
fn fill(writer: &Writer) -> usize {
    let mut accepted = 0;
    let mut failed = false;
    let events = [start(), Event::HostStarted { wave: None }, intent(1), intent(2), intent(3), intent(4)];
    for (index, event) in events.into_iter().enumerate() {
        let host = (index > 0).then_some("h");
        match writer.record(host, event) {
            Ok(()) => {
                assert!(!failed, "a record was accepted after one was refused");
                accepted += 1;
            }
            Err(_) => failed = true,
        }
        failed |= writer.store(&[index as u8; 40]).is_err();
    }
    accepted
}

/// More than the digits by which the times of six records may differ.
const SLACK: usize = 60;

#[test]
fn a_full_disk_is_told_wherever_it_happens_and_nothing_accepted_is_lost() {
    let roomy = SmallDisk::new(usize::MAX, usize::MAX);
    assert_eq!(fill(&writer(&roomy)), 6);
    let need = usize::MAX - roomy.lock().bytes_left;
    // A record's time has fewer digits where they are zeros, so that a run may need a little less.
    for bytes in 0..need - SLACK {
        let disk = SmallDisk::new(bytes, usize::MAX);
        let writer = writer(&disk);
        let accepted = fill(&writer);
        assert!(writer.finish().is_err(), "{bytes} bytes were not enough, and nobody was told");
        let small = disk.lock();
        // The host's start is accepted without waiting: only what must be durable is promised.
        let promised = if accepted == 2 { 1 } else { accepted };
        assert!(records(&small.synced) >= promised, "{bytes} bytes: {accepted} records accepted");
        records(&small.journal);
    }
    let disk = SmallDisk::new(need + SLACK, usize::MAX);
    let writer = writer(&disk);
    assert_eq!(fill(&writer), 6);
    writer.finish().unwrap();
}

#[test]
fn after_a_failed_sync_nothing_is_written_any_more() {
    for syncs in 0..5 {
        let disk = SmallDisk::new(usize::MAX, syncs);
        let writer = writer(&disk);
        let accepted = fill(&writer);
        assert!(accepted < 6);
        let length = disk.lock().journal.len();
        assert!(writer.record(Some("h"), intent(9)).is_err());
        assert!(writer.store(b"x").is_err());
        assert!(writer.finish().is_err());
        assert_eq!(disk.lock().journal.len(), length);
        assert!(records(&disk.lock().synced) >= accepted - usize::from(accepted == 2));
    }
}

#[test]
fn a_torn_line_that_cannot_be_cut_off_is_still_an_error() {
    let disk = SmallDisk::new(700, usize::MAX);
    disk.lock().can_truncate = false;
    let writer = writer(&disk);
    fill(&writer);
    let error = writer.finish().unwrap_err().to_string();
    assert!(error.contains("/runs/r/journal.jsonl"), "{error}");
    assert!(!disk.lock().journal.ends_with(b"\n"));
}

#[test]
fn a_record_is_durable_when_it_returns_and_threads_share_syncs() {
    let disk = SmallDisk::new(usize::MAX, usize::MAX);
    let writer = writer(&disk);
    writer.record(None, start()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let (writer, disk) = (&writer, &disk);
            scope.spawn(move || {
                for step in 0..20 {
                    let step = thread * 20 + step;
                    writer.record(Some("h"), intent(step)).unwrap();
                    let synced = String::from_utf8(disk.lock().synced.clone()).unwrap();
                    assert!(synced.contains(&format!("\"kesl/{step}\"")), "record {step} is not durable");
                }
            });
        }
    });
    writer.finish().unwrap();
    let small = disk.lock();
    assert_eq!(records(&small.journal), 321);
    assert!(small.syncs < 321, "every record had a sync of its own");
}

#[test]
fn nothing_follows_the_end_record() {
    let disk = SmallDisk::new(usize::MAX, usize::MAX);
    let writer = writer(&disk);
    writer.record(None, start()).unwrap();
    let end = Event::RunEnded { summary: BTreeMap::new(), exit: crate::model::ExitCode::Success };
    writer.record(None, end).unwrap();
    assert!(writer.record(Some("h"), intent(1)).is_err());
    writer.finish().unwrap();
    assert_eq!(records(&disk.lock().journal), 2);
}

#[test]
fn events_and_blobs_are_redacted_and_activity_is_not_kept() {
    let disk = SmallDisk::new(usize::MAX, usize::MAX);
    let writer = writer(&disk);
    writer.set_redactor(Redactor::new([&Secret::new("pw", "hun\"ter\n2".into())]));
    let reason = "said hun\"ter\n2".to_owned();
    writer.record(Some("h"), Event::HostActivity { doing: reason.clone() }).unwrap();
    writer
        .record(
            Some("h"),
            Event::HostEnded { state: HostState::Failed, reason, remedy: None, unfinished: false },
        )
        .unwrap();
    let name = writer.store(b"a hun\"ter\n2 b").unwrap();
    writer.finish().unwrap();
    let small = disk.lock();
    let text = String::from_utf8(small.journal.clone()).unwrap();
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains("said [redacted pw]"), "{text}");
    assert_eq!(small.blobs[&name], b"a [redacted pw] b");
    assert_eq!(name, sha256_hex(&[b"a [redacted pw] b"]));
}
