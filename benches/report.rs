//! What each format of the report of a large run costs: `cargo bench --bench report`.
//!
//! A run of 10,000 hosts with five products each is written by the journal's own writing core, with facts,
//! findings before and after, locks, steps and what they printed. The real binary then renders it in every
//! format that its command line knows; its time and its peak memory (VmHWM) are printed beside what is
//! asked for, and a format that needs more fails the benchmark.
//!
//! `cargo bench --bench report -- 1000` takes so many hosts; the limits hold from 10,000 down.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark"
)]

#[path = "../tests/report/large.rs"]
mod large;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a format may take on one small machine.
const TIME: Duration = Duration::from_secs(2);
const MEMORY_KIB: u64 = 200 * 1024;
/// Each format is rendered so often; the fastest counts, as other work only ever makes it slower.
const ROUNDS: usize = 3;

fn main() {
    let hosts = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(10_000);
    let runs = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let begin = Instant::now();
    let dir = large::write_run(runs.path(), hosts);
    let size = std::fs::metadata(dir.join("journal.jsonl")).unwrap().len();
    println!(
        "{hosts} hosts x 5 products: a journal of {} MB, written in {:.1?}",
        size / 1_000_000,
        begin.elapsed()
    );
    let mut too_much = Vec::new();
    for format in formats() {
        let file = runs.path().join("report");
        let runs = (0..ROUNDS).map(|_| render(&dir, &format, &file));
        let (time, memory) = runs.min_by_key(|(time, _)| *time).unwrap();
        let bytes = std::fs::metadata(&file).unwrap().len();
        println!(
            "{format:10}  {:5.2} s (limit {TIME:?})  {:4} MB (limit {} MB)  writes {:6.2} MB",
            time.as_secs_f64(),
            memory / 1024,
            MEMORY_KIB / 1024,
            bytes as f64 / 1e6
        );
        if time > TIME || memory > MEMORY_KIB {
            too_much.push(format);
        }
    }
    assert!(too_much.is_empty(), "over the limit: {}", too_much.join(", "));
}

/// The formats of the command line, as its own message about a wrong one lists them.
fn formats() -> Vec<String> {
    let wrong = Command::new(env!("CARGO_BIN_EXE_uproot"))
        .args(["report", "x", "--format", "no-such"])
        .output()
        .unwrap();
    let text = String::from_utf8(wrong.stderr).unwrap();
    let list =
        text.split_once("[possible values: ").expect("clap lists the formats").1.split_once(']').unwrap().0;
    list.split(", ").map(str::to_owned).collect()
}

/// Renders one format; how long that took, and the most memory it had, in KiB.
fn render(dir: &Path, format: &str, file: &PathBuf) -> (Duration, u64) {
    let begin = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_uproot"))
        .arg("report")
        .arg(dir)
        .args(["--format", format, "-o"])
        .arg(file)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        // The high-water mark only grows, so the last reading before the end is it, to within a moment.
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(mark) = mark.and_then(|mark| mark.trim().strip_suffix(" kB")?.parse().ok()) {
            most = most.max(mark);
        }
        if let Some(ended) = child.try_wait().unwrap() {
            let took = begin.elapsed();
            assert!(matches!(ended.code(), Some(0..=4)), "{format}: {ended}");
            return (took, most);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
