//! How fast records become durable on this disk, with real fsync: `cargo bench --bench journal`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a benchmark")]

use std::time::Instant;
use uproot::journal::Writer;
use uproot::model::{Event, EventSink};

/// Records of one measurement, whatever the number of threads.
const RECORDS: usize = 4000;

fn main() {
    for (threads, blobs) in [(1, false), (8, false), (64, false), (8, true), (64, true)] {
        let rate = measure(threads, blobs);
        let what = if blobs { "record + blob" } else { "record" };
        println!("{threads:3} threads  {what:13}  {rate:9.0} durable a second");
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
                    writer.record(Some("host"), intent()).unwrap();
                }
            });
        }
    });
    let rate = RECORDS as f64 / begin.elapsed().as_secs_f64();
    writer.finish().unwrap();
    rate
}

fn intent() -> Event {
    Event::StepIntent {
        step: "kesl/1".to_owned(),
        product: "kesl".to_owned(),
        summary: "stop service kesl".to_owned(),
        attempt: 1,
        boot: Default::default(),
    }
}
