//! Any number of seeds of the simulation: `cargo run --release --example simulate -- --seeds N`.
//!
//! `--from M` begins with seed M, `--jobs J` uses J threads, `--seed N` runs one seed and `-v` prints
//! every event of it. `--survey` goes on after failures, and lists the kinds of them. `--defect NAME` switches a deliberate defect on (with `--features
//! deliberate-defects`), `--defects` says for each of them how many seeds catch it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod sim;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use uproot::model::deliberate::Defect;

struct Arguments {
    from: u64,
    seeds: u64,
    jobs: usize,
    one: Option<u64>,
    defect: Option<Defect>,
    table: bool,
    survey: bool,
    verbose: bool,
}

fn main() -> ExitCode {
    match arguments().and_then(|arguments| carry_out(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Arguments, String> {
    let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut found = Arguments {
        from: 0,
        seeds: 10_000,
        jobs,
        one: None,
        defect: None,
        table: false,
        survey: false,
        verbose: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || -> Result<u64, String> {
            let value = words.next().ok_or(format!("`{word}` needs a number"))?;
            value.parse().map_err(|_| format!("`{value}` is not a number"))
        };
        match word.as_str() {
            "--from" => found.from = number()?,
            "--seeds" => found.seeds = number()?,
            "--jobs" => found.jobs = usize::try_from(number()?.max(1)).unwrap_or(1),
            "--seed" => found.one = Some(number()?),
            "--defect" => {
                let name = words.next().unwrap_or_default();
                let defect = Defect::ALL.into_iter().find(|defect| format!("{defect:?}") == name);
                found.defect =
                    Some(defect.ok_or(format!("there is no defect `{name}`; there are: {:?}", Defect::ALL))?);
            }
            "--defects" => found.table = true,
            "--survey" => found.survey = true,
            "-v" => found.verbose = true,
            other => return Err(format!("unknown option `{other}`")),
        }
    }
    Ok(found)
}

#[cfg(feature = "deliberate-defects")]
fn switch(defect: Option<Defect>) -> Result<(), String> {
    uproot::model::deliberate::switch(defect);
    Ok(())
}

#[cfg(not(feature = "deliberate-defects"))]
fn switch(defect: Option<Defect>) -> Result<(), String> {
    match defect {
        None => Ok(()),
        Some(_) => Err("a defect needs `--features deliberate-defects`".to_owned()),
    }
}

fn carry_out(arguments: &Arguments) -> Result<(), String> {
    if arguments.table {
        return table(arguments);
    }
    if let Some(seed) = arguments.one {
        switch(arguments.defect)?;
        let outcome = sim::run(seed, arguments.verbose);
        return outcome.map(|tally| println!("seed {seed}: every promise was kept; {tally:?}")).map_err(
            |failure| {
                if arguments.verbose {
                    format!("seed {seed}: {}", failure.what)
                } else {
                    told(&failure, arguments.defect)
                }
            },
        );
    }
    many(arguments)
}

fn told(failure: &sim::Failure, defect: Option<Defect>) -> String {
    let defect = defect.map(|defect| format!(" --defect {defect:?}")).unwrap_or_default();
    format!("{failure}replay: cargo run --example simulate -- --seed {}{defect} -v", failure.seed)
}

fn many(arguments: &Arguments) -> Result<(), String> {
    let begin = Instant::now();
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from + arguments.seeds;
    let total = Mutex::new(sim::Tally::default());
    let failures = Mutex::new(Vec::new());
    let surveyed: Mutex<Vec<sim::Failure>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs {
            scope.spawn(|| {
                if let Err(error) = switch(arguments.defect) {
                    return failures.lock().unwrap().push(error);
                }
                let mut tally = sim::Tally::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    match sim::run(seed, false) {
                        Ok(one) => tally.add(&one),
                        Err(failure) if arguments.survey => surveyed.lock().unwrap().push(failure),
                        Err(failure) => {
                            failures.lock().unwrap().push(told(&failure, arguments.defect));
                            next.store(end, Ordering::Relaxed);
                        }
                    }
                }
                total.lock().unwrap().add(&tally);
            });
        }
    });
    let total = total.into_inner().unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    println!("{total:?}");
    println!("{} seeds in {seconds:.1} s: {:.0} seeds/s", total.seeds, total.seeds as f64 / seconds);
    let mut kinds: BTreeMap<String, Vec<sim::Failure>> = BTreeMap::new();
    for failure in surveyed.into_inner().unwrap() {
        let kind: String = failure.what.chars().filter(|c| !c.is_ascii_digit()).take(70).collect();
        kinds.entry(kind).or_default().push(failure);
    }
    for of_kind in kinds.values() {
        let seeds: Vec<u64> = of_kind.iter().take(6).map(|failure| failure.seed).collect();
        println!("{:>6}  {}  {seeds:?}", of_kind.len(), of_kind[0].what);
    }
    let failures = failures.into_inner().unwrap();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n\n")) }
}

/// How many seeds each deliberate defect needs to be caught.
fn table(arguments: &Arguments) -> Result<(), String> {
    let mut missed = Vec::new();
    for defect in Defect::ALL {
        switch(Some(defect))?;
        let caught = (arguments.from..arguments.from + arguments.seeds)
            .enumerate()
            .find_map(|(count, seed)| sim::run(seed, false).err().map(|failure| (count + 1, failure)));
        match caught {
            Some((count, failure)) => println!("{:<28} {count:>6}  {}", format!("{defect:?}"), failure.what),
            None => {
                println!("{:<28} not within {} seeds", format!("{defect:?}"), arguments.seeds);
                missed.push(defect);
            }
        }
    }
    switch(None)?;
    if missed.is_empty() { Ok(()) } else { Err(format!("not caught: {missed:?}")) }
}
