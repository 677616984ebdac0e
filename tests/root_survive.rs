//! The controller is killed again and again, at any moment: nothing is lost, nothing is done twice, and
//! in the end every host is proven clean.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod lab;

use lab::{Host, Journal, Lab, Output, Running, Snapshot, VendorPackage, diff, open_intents};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const HOSTS: usize = 20;
const KILLS: usize = 50;
const APPLIES: usize = 5;
const BETWEEN: usize = 30;

/// Every kind of step; each of them is recorded by the host itself.
const PLAYBOOK: &str = "uproot: 1
name: survive
products:
  - id: kesl
    name: A product with a daemon, data and a log
    platforms: [linux]
    confirmed: false
    detect: { any: [package: kesl, process: { exe: /opt/kaspersky/kesl/** }] }
    residue:
      any:
        - package: { name: kesl, state: config-files }
        - path: /var/opt/kaspersky/kesl-data
        - path: /var/log/kaspersky/kesl-log
    remove:
      - run: { command: /usr/lib/lab/log begin one; sleep 0.25; /usr/lib/lab/log end one }
      - remove_package: { names: kesl, purge: true }
      - run: { command: /usr/lib/lab/log begin two; sleep 0.25; /usr/lib/lab/log end two }
      - remove_path: /var/opt/kaspersky/kesl-data
      - remove_path: /var/log/kaspersky/kesl-log
    settle: 5s
waves: [{ name: all, hosts: all, parallel: 6, max_failures: 0 }]
";

/// What each host has to record of one apply, each exactly once.
const COMMANDS: [&str; 10] = [
    "begin one",
    "end one",
    "dpkg --purge kesl",
    "removing kesl remove",
    "systemctl stop kesl.service",
    "systemctl disable kesl.service",
    "begin two",
    "end two",
    "rm -rf --one-file-system -- ./kesl-data",
    "rm -rf --one-file-system -- ./kesl-log",
];

/// What differs on a host that had the package for a while.
const OF_PACKAGES: [&str; 8] = [
    "/var/lib/lab/",
    "/var/lib/dpkg",
    "/var/log/",
    "/opt/",
    "/etc/opt/",
    "/var/opt/",
    "/etc/systemd/system",
    "/run/lab/units",
];

struct Trial {
    lab: Lab,
    hosts: Vec<Host>,
    before: Vec<Snapshot>,
    runs: PathBuf,
    random: StdRng,
    kills: usize,
    between: usize,
    began: Instant,
}

#[test]
fn nothing_is_lost_and_nothing_done_twice_whenever_the_controller_is_killed() {
    let seed = std::env::var("UPROOT_SURVIVE_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) * 7919);
    println!("seed {seed}: UPROOT_SURVIVE_SEED={seed} repeats the moments of the kills");
    let lab = Lab::new();
    let described = (1..=HOSTS).map(|n| lab.host(&format!("h{n:02}"))).collect();
    let hosts = lab.start_all(described);
    let before = hosts.iter().map(Host::snapshot).collect();
    let runs = PathBuf::new();
    let random = StdRng::seed_from_u64(seed);
    let mut trial = Trial { lab, hosts, before, runs, random, kills: 0, between: 0, began: Instant::now() };
    let mut applies = 0;
    while applies < APPLIES || trial.kills < KILLS || trial.between < BETWEEN {
        assert!(
            applies < 2 * APPLIES,
            "{} kills in {applies} applies, {} between",
            trial.kills,
            trial.between
        );
        applies += 1;
        trial.apply(applies);
    }
    trial.nothing_is_left();
    println!(
        "{} kills in {applies} applies, {} between an intent and its outcome",
        trial.kills, trial.between
    );
}

impl Trial {
    /// One apply of all hosts, from the installation to the proof.
    fn apply(&mut self, number: usize) {
        self.runs = self.lab.dir().join(format!("runs-{number}"));
        self.install();
        let plan = self.lab.plan(&self.hosts, PLAYBOOK);
        let journal = self.killed_until_it_ends(&plan);
        let report = self.uproot(&["report", "last", "--format", "json"]).expect_code(0).json();
        for host in report["hosts"].as_array().unwrap() {
            assert_eq!(host["state"], "removed", "{host:#}");
        }
        assert_eq!(report["hosts"].as_array().unwrap().len(), HOSTS);
        self.uproot(&["journal", "verify", "last"]).expect_code(0);
        for host in &self.hosts {
            let wrong = host.records().not_exactly_once(&COMMANDS);
            assert!(wrong.is_empty(), "{}: {wrong:?}\n{:#?}", host.name(), host.records());
            let left = host.exec_root(
                "ls -d /var/lib/[u]proot* /tmp/* /var/tmp/* /root/.[u]proot 2>/dev/null; pgrep -fl [u]proot",
            );
            assert_eq!(left.stdout, "", "{}", host.name());
        }
        let resumed = journal.events("run_resumed").len();
        println!(
            "{:.0?}: apply {number} resumed {resumed} times, {} kills so far",
            self.began.elapsed(),
            self.kills
        );
        // A run that has ended is not taken up again.
        assert_eq!(self.uproot(&["apply", "--resume", "last"]).code, Some(2));
    }

    fn install(&self) {
        let mut package = VendorPackage::new("kesl", "12.1.0-1543");
        package.groups = Vec::new();
        let package = &package;
        std::thread::scope(|scope| {
            for hosts in self.hosts.chunks(HOSTS / 4) {
                scope.spawn(move || {
                    for host in hosts {
                        host.install(package);
                        host.exec_root(
                            "mkdir -p /var/opt/kaspersky/kesl-data /var/log/kaspersky/kesl-log; \
                             echo 0.3 >/var/lib/lab/slow-kesl; : >/var/lib/lab/log",
                        )
                        .success();
                    }
                });
            }
        });
    }

    /// Applies the plan, kills the controller, and again when it goes on, until it has had enough.
    fn killed_until_it_ends(&mut self, plan: &str) -> Journal {
        let mut life = self.start(&["apply", plan, "--format", "json"]);
        let journal = Journal::newest_in(&self.runs);
        for kill in 0..KILLS.div_ceil(APPLIES) + 2 {
            // The run's first records have to be there: without them there is nothing to resume.
            if !self.wait_for_the_moment(&mut life, &journal, kill == 0) {
                break;
            }
            let killed = life.kill();
            let records = journal.records();
            if killed.code.is_some() || records.last().unwrap()["event"].get("run_ended").is_some() {
                return journal;
            }
            self.kills += 1;
            self.between += usize::from(!open_intents(&records).is_empty());
            life = self.start(&["apply", "--resume", "last", "--format", "json"]);
        }
        let output = life.finish();
        assert_eq!(output.code, Some(0), "{output}\n{}", self.uproot(&["report", "last"]));
        journal
    }

    /// Waits for the moment of the next kill. False: the controller came to its end before.
    fn wait_for_the_moment(&mut self, life: &mut Running, journal: &Journal, after_intent: bool) -> bool {
        let begins = journal.records().len();
        let pause = Duration::from_millis(self.random.random_range(0..350));
        if !after_intent && self.random.random_range(0..4) == 0 {
            std::thread::sleep(pause * 2);
            return life.is_running();
        }
        let wanted = self.random.random_range(1..=3);
        loop {
            let records = journal.records();
            let new = records.iter().skip(begins);
            if new.filter(|record| record["event"].get("step_intent").is_some()).count() >= wanted {
                std::thread::sleep(pause);
                return life.is_running();
            }
            if !life.is_running() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Compares everything that is on the hosts with what was there before the first installation.
    fn nothing_is_left(&self) {
        for (host, before) in self.hosts.iter().zip(&self.before) {
            let differences = diff(before, &host.snapshot());
            let strange = |line: &&String| {
                let added = line.strip_prefix("+ ").unwrap_or_default();
                line.contains("uproot")
                    || (!added.is_empty() && !OF_PACKAGES.iter().any(|path| added.starts_with(path)))
            };
            let strange: Vec<_> = differences.iter().filter(strange).collect();
            assert!(strange.is_empty(), "{}: {strange:#?}", host.name());
        }
    }

    fn start(&self, words: &[&str]) -> Running {
        self.lab.start_uproot(&with_runs(words, &self.runs))
    }

    fn uproot(&self, words: &[&str]) -> Output {
        self.lab.uproot(&with_runs(words, &self.runs))
    }
}

fn with_runs<'a>(words: &[&'a str], runs: &'a Path) -> Vec<&'a str> {
    [words, &["--runs", runs.to_str().unwrap()]].concat()
}
