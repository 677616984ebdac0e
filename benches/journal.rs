//! How fast records become durable on this disk, with real fsync: `cargo bench --bench journal`.
//!
//! First bare records, then what an apply writes: for each host a document of facts before and after, its
//! findings, its lock, and five steps with intent, outcome and output. One host at a time has nobody to
//! share a sync with: the ratio is what group commit saves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use uproot::journal::Writer;
use uproot::model::event::{OutputRef, Phase, StepResult};
use uproot::model::{Event, EventSink, HostState, Truth};

/// Records of one measurement, whatever the number of threads.
const RECORDS: usize = 4000;

/// Steps of each host of an apply.
const STEPS: usize = 5;

/// How often each apply is measured; the medians are told.
const ROUNDS: usize = 5;

fn main() {
    for (threads, blobs) in [(1, false), (8, false), (64, false), (8, true), (64, true)] {
        let rate = measure(threads, blobs);
        let what = if blobs { "record + blob" } else { "record" };
        println!("{threads:3} threads  {what:13}  {rate:9.0} durable a second");
    }
    println!("an apply of {STEPS} steps a host, side by side, median of {ROUNDS} rounds:");
    let cases = [(1, 100), (32, 1000), (128, 1000)];
    let mut rounds = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for (case, (threads, hosts)) in cases.iter().enumerate() {
            rounds[case].push(apply(*threads, *hosts));
        }
    }
    let mut alone = None;
    for ((threads, hosts), mut taken) in cases.into_iter().zip(rounds) {
        taken.sort_by(f64::total_cmp);
        let seconds = taken[ROUNDS / 2];
        let millis = seconds * 1000.0 / hosts as f64;
        let records = hosts * (8 + 2 * STEPS);
        println!(
            "{hosts:5} hosts, {threads:3} at once  {seconds:6.2} s  {:7.0} records a second  {millis:6.2} ms a host  ({:.1} times as fast as one at a time)",
            records as f64 / seconds,
            *alone.get_or_insert(millis) / millis,
        );
    }
}

fn measure(threads: usize, blobs: bool) -> f64 {
    let runs = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let writer = Writer::create(runs.path(), "bench").unwrap();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let writer = &writer;
            scope.spawn(move || {
                for number in 0..RECORDS / threads {
                    if blobs {
                        writer.store(format!("{thread} {number} ").repeat(1000).as_bytes()).unwrap();
                    }
                    writer.record(Some("host"), intent(1)).unwrap();
                }
            });
        }
    });
    let rate = RECORDS as f64 / begin.elapsed().as_secs_f64();
    writer.finish().unwrap();
    rate
}

/// What so many hosts of an apply write, so many of them at once; in seconds.
fn apply(threads: usize, hosts: usize) -> f64 {
    let runs = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let writer = Writer::create(runs.path(), "bench").unwrap();
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= hosts {
                        break;
                    }
                    one_host(&writer, number);
                }
            });
        }
    });
    let taken = begin.elapsed().as_secs_f64();
    writer.finish().unwrap();
    taken
}

/// 8 records and two for each step.
fn one_host(writer: &Writer, number: usize) {
    let name = format!("host-{number:04}");
    let record = |event| writer.record(Some(&name), event).unwrap();
    let look = |phase| {
        let blob =
            writer.store(format!("{{\"host\": \"{name} {phase:?}\"}}\n").repeat(500).as_bytes()).unwrap();
        let (identity, boot) = Default::default();
        record(Event::Facts { phase, blob, platform: None, identity, boot });
        record(Event::Findings { phase, findings: Vec::new() });
    };
    record(Event::HostStarted { wave: Some("rest".to_owned()) });
    record(Event::LockTaken { from: None, broken: false, records: name.clone() });
    look(Phase::Before);
    for step in 1..=STEPS {
        record(intent(step));
        let said = format!("{name}: removing step {step}\n").repeat(20);
        let blob = Some(writer.store(said.as_bytes()).unwrap());
        record(Event::StepOutcome {
            step: format!("kesl/{step}"),
            product: "kesl".to_owned(),
            summary: "stop service kesl".to_owned(),
            result: StepResult::Done,
            status: Some(0),
            effect: Some(Truth::True),
            reboot_needed: false,
            reason: None,
            millis: 12,
            stdout: OutputRef { blob, total: said.len() as u64, tail: said },
            stderr: OutputRef::default(),
        });
    }
    look(Phase::After);
    record(Event::LockReleased { left: None });
    record(Event::HostEnded {
        state: HostState::Removed,
        reason: "removed: kesl".to_owned(),
        remedy: None,
        unfinished: false,
    });
}

fn intent(step: usize) -> Event {
    Event::StepIntent {
        step: format!("kesl/{step}"),
        product: "kesl".to_owned(),
        summary: "stop service kesl".to_owned(),
        attempt: 1,
        boot: Default::default(),
    }
}
