//! A hundred hosts in three waves, of which the second goes wrong: it cannot run away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod lab;

use lab::{Happened, Host, Journal, Lab, Output, Uninstaller, scripted, scripted_entry};
use std::collections::BTreeSet;
use std::path::Path;

const HOSTS: usize = 100;
/// The second wave, and those of it that fail: they come first.
const SECOND: std::ops::Range<usize> = 10..50;
const FAILING: std::ops::Range<usize> = 10..20;
/// `max_failures: 5%` of 40, and `parallel`.
const BUDGET: usize = 2;
const PARALLEL: usize = 8;

fn playbook() -> String {
    let entry = scripted_entry("suite", "5s", "timeout: 60s");
    format!(
        "uproot: 1\nname: waves\nproducts:\n{entry}waves:\n  \
         - {{ name: canary, first: 10, parallel: 10, max_failures: 0 }}\n  \
         - {{ name: second, first: 40, parallel: {PARALLEL}, max_failures: 5% }}\n  \
         - {{ name: third, hosts: all, parallel: 16, max_failures: 5% }}\n"
    )
}

/// What a host itself shows of being touched: a lock comes and goes below /var/lib, a step is recorded.
struct Sight {
    state_directory: String,
    logins: usize,
}

impl Sight {
    fn of(host: &Host) -> Self {
        let script = "stat -c '%y %z' /var/lib";
        Self { state_directory: host.exec_root(script).success(), logins: host.logins() }
    }

    fn is_touched(&self, host: &Host) -> bool {
        Self::of(host).state_directory != self.state_directory || !host.records().is_empty()
    }
}

struct Fleet {
    lab: Lab,
    hosts: Vec<Host>,
}

impl Fleet {
    fn uproot(&self, words: &[&str]) -> Output {
        let runs = self.lab.dir().join("runs");
        self.lab.uproot(&[words, &["--format", "json", "--runs", runs.to_str().unwrap()]].concat())
    }

    /// The names of the hosts that the report has in this state.
    fn in_state(output: &Output, state: &str) -> BTreeSet<String> {
        let report = output.json();
        let hosts = report["hosts"].as_array().unwrap().iter();
        hosts
            .filter(|host| host["state"] == state)
            .map(|host| host["host"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[test]
fn a_wave_that_spent_its_budget_stops_and_the_next_is_not_touched() {
    let lab = Lab::new();
    let provision = scripted("suite", &Uninstaller::FailsIfTold(0.4));
    let described = (0..HOSTS).map(|number| {
        let fails = if FAILING.contains(&number) { ": >/var/lib/lab/fail-suite" } else { "" };
        lab.host(&format!("h{number:03}")).provision(&provision).provision(fails)
    });
    let hosts = lab.start_all(described.collect());
    let fleet = Fleet { lab, hosts };
    let plan = fleet.lab.plan(&fleet.hosts, &playbook());
    let before: Vec<Sight> = fleet.hosts.iter().map(Sight::of).collect();
    let touched = |range: std::ops::Range<usize>| {
        range.filter(|number| before[*number].is_touched(&fleet.hosts[*number])).count()
    };

    let output = fleet.uproot(&["apply", &plan]).expect_code(4);
    let journal = Journal::newest_in(&fleet.lab.dir().join("runs"));
    assert_eq!(touched(0..SECOND.start), SECOND.start);
    let begun = touched(SECOND);
    assert!(begun <= BUDGET + PARALLEL, "{begun} of the second wave were begun");
    assert_eq!(touched(SECOND.end..HOSTS), 0, "the third wave was touched");
    for (host, sight) in fleet.hosts.iter().zip(&before).skip(SECOND.end) {
        assert_eq!(host.logins(), sight.logins, "{} was even connected to", host.name());
    }
    expect_few_begun_at_the_third_failure(&journal, &fleet.hosts);
    // A host whose lock was taken when the wave stopped is touched, and given back without a step.
    let stepped = fleet.hosts[SECOND].iter().filter(|host| host.records().count("begin suite") > 0).count();
    assert!(stepped <= begun, "{stepped} of {begun} touched hosts have a step");
    assert_eq!(Fleet::in_state(&output, "skipped").len(), HOSTS - SECOND.start - stepped, "{output}");
    let report = output.json();
    let skipped = report["hosts"].as_array().unwrap().iter().find(|host| host["host"] == "h099").unwrap();
    assert!(skipped["reason"].as_str().unwrap().contains("second"), "{skipped:#}");

    // Going on needs a decision.
    fleet.uproot(&["apply", "--resume", "last"]).expect_code(4);
    assert_eq!((touched(SECOND), touched(SECOND.end..HOSTS)), (begun, 0));

    let mut output = fleet.uproot(&["apply", "--resume", "last", "--continue-after-failures"]);
    // Those that were stopped before their step fail now, and count anew.
    for _ in 0..3 {
        if output.code == Some(4) {
            output = fleet.uproot(&["apply", "--resume", "last", "--continue-after-failures"]);
        }
    }
    let output = output.expect_code(3);
    let failing: BTreeSet<String> = FAILING.map(|number| format!("h{number:03}")).collect();
    assert_eq!(Fleet::in_state(&output, "failed"), failing, "{output}");
    assert_eq!(Fleet::in_state(&output, "removed").len(), HOSTS - FAILING.len(), "{output}");
    let resumed = journal.events("run_resumed");
    let operator = &journal.events("run_started")[0].fields["operator"];
    assert!(resumed.iter().any(|event| event.fields["after_failures"] == true), "{resumed:?}");
    assert!(resumed.iter().all(|event| &event.fields["operator"] == operator), "{resumed:?}");

    // What made them fail is mended.
    for number in FAILING {
        fleet.hosts[number].exec_root("rm /var/lib/lab/fail-suite").success();
    }
    let output = fleet.uproot(&["apply", "--resume", "last", "--retry-failed"]).expect_code(0);
    assert_eq!(Fleet::in_state(&output, "removed").len(), HOSTS, "{output}");
    for (number, host) in fleet.hosts.iter().enumerate() {
        let times = if FAILING.contains(&number) { 2 } else { 1 };
        assert_eq!(host.records().count("begin suite"), times, "{}", host.name());
        assert_eq!(host.exec_root("ls -d /var/lib/uproot 2>/dev/null").stdout, "", "{}", host.name());
    }
    fleet.lab.uproot(&["journal", "verify", path(journal.dir())]).expect_code(0);
}

/// By the hosts' own clocks, which are the controller's: how many of the second wave had been begun when
/// the failure that spent the budget was journaled.
fn expect_few_begun_at_the_third_failure(journal: &Journal, hosts: &[Host]) {
    let failures: Vec<Happened> =
        journal.events("host_ended").into_iter().filter(|event| event.fields["state"] == "failed").collect();
    assert!(failures.len() > BUDGET, "{failures:?}");
    let moment = failures[BUDGET].at;
    let begun = hosts[SECOND].iter().filter_map(|host| host.records().first("begin suite"));
    let begun = begun.filter(|at| *at <= moment).count();
    assert!(begun <= BUDGET + PARALLEL, "{begun} were begun");
    assert!(begun > BUDGET, "{begun} were begun: nothing was tested");
    let after: Vec<_> = journal
        .events("host_started")
        .into_iter()
        .filter(|event| event.seq > failures[BUDGET].seq)
        .map(|event| event.host)
        .collect();
    assert_eq!(after, [""; 0], "begun after the third failure was journaled");
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
