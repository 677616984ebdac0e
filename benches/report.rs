//! What each format of the report of a large run costs: `cargo bench --bench report`.
//!
//! A run of 10,000 hosts with five products each is written by the journal's own writing core, with facts,
//! findings before and after, locks, steps and what they printed. The real binary then renders it in every
//! format that its command line knows; its time and its peak memory (VmHWM) are printed beside what is
//! asked for, and a format that needs more fails the benchmark.
//!
//! `cargo bench --bench report -- 1000` takes so many hosts; the limits hold from 10,000 down. The environment
//! variable `UPROOT` names another binary to measure, such as an installed one.

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
/// How often a second /proc counts: USER_HZ, which no Linux of today has otherwise.
const TICKS: u64 = 100;
/// Each format is rendered so often; the fastest counts. What is held against the limit is time of the
/// processor: a report uses one, and on an idle machine the clock on the wall shows the same.
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
        let costs: Vec<Cost> = (0..ROUNDS).map(|_| render(&dir, &format, &file)).collect();
        let best = |of: fn(&Cost) -> Duration| costs.iter().map(of).min().unwrap();
        let (busy, wall) = (best(|cost| cost.busy), best(|cost| cost.wall));
        let memory = costs.iter().map(|cost| cost.memory).max().unwrap();
        let bytes = std::fs::metadata(&file).unwrap().len();
        println!(
            "{format:10}  busy {:5.2} s (limit {TIME:?}), wall {:5.2} s  {:4} MB (limit {} MB)  writes {:6.2} MB",
            busy.as_secs_f64(),
            wall.as_secs_f64(),
            memory / 1024,
            MEMORY_KIB / 1024,
            bytes as f64 / 1e6
        );
        if busy > TIME || memory > MEMORY_KIB {
            too_much.push(format);
        }
    }
    assert!(too_much.is_empty(), "over the limit: {}", too_much.join(", "));
}

fn binary() -> PathBuf {
    std::env::var_os("UPROOT").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_uproot")), PathBuf::from)
}

/// The formats of the command line, as its own message about a wrong one lists them.
fn formats() -> Vec<String> {
    let wrong = Command::new(binary()).args(["report", "x", "--format", "no-such"]).output().unwrap();
    let text = String::from_utf8(wrong.stderr).unwrap();
    let list =
        text.split_once("[possible values: ").expect("clap lists the formats").1.split_once(']').unwrap().0;
    list.split(", ").map(str::to_owned).collect()
}

/// What rendering one format took.
struct Cost {
    wall: Duration,
    /// Of the processor, user and system.
    busy: Duration,
    /// The most memory it had, in KiB.
    memory: u64,
}

/// Renders one format.
fn render(dir: &Path, format: &str, file: &Path) -> Cost {
    let begin = Instant::now();
    let mut child = Command::new(binary())
        .arg("report")
        .arg(dir)
        .args(["--format", format, "-o"])
        .arg(file)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", child.id())).unwrap();
    let mut memory = 0;
    let (wall, ticks) = loop {
        // The high-water mark only grows, so the last reading before the end is it, to within a moment.
        let status = read("status");
        let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(mark) = mark.and_then(|mark| mark.trim().strip_suffix(" kB")?.parse().ok()) {
            memory = memory.max(mark);
        }
        let stat = read("stat");
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        // It has ended and nobody has asked yet how: what it took stands there to the end.
        if fields[0] == "Z" {
            let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
            break (begin.elapsed(), ticks);
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let ended = child.wait().unwrap();
    assert!(matches!(ended.code(), Some(0..=4)), "{format}: {ended}");
    Cost { wall, busy: Duration::from_millis(ticks * 1000 / TICKS), memory }
}
