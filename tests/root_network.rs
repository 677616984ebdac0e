//! The network goes away in the middle of an uninstallation: what became of the step is read, never
//! guessed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod lab;

use lab::{Happened, Host, Journal, Lab, Uninstaller, scripted, scripted_entry};
use serde_json::Value;
use std::time::Duration;

/// What the uninstallers exit with.
const STATUS: u8 = 7;

fn playbook() -> String {
    let entry = scripted_entry("suite", "5s", &format!("accept: [{STATUS}], timeout: 60s"));
    let waves = "waves: [{ name: all, hosts: all, parallel: 10, max_failures: 100% }]\n";
    format!("uproot: 1\nname: network\nproducts:\n{entry}{waves}")
}

fn wait_for_begin(host: &Host) {
    lab::wait_for("the uninstallation", Duration::from_secs(60), || {
        (host.records().count("begin suite") > 0).then_some(())
    });
}

fn sleep(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

fn state<'a>(report: &'a Value, name: &str) -> &'a Value {
    let hosts = report["hosts"].as_array().unwrap();
    &hosts.iter().find(|host| host["host"] == name).unwrap()["state"]
}

/// Insists that the journal has the real status and the whole output of the host's step, which took
/// so many seconds, and that it was run once.
#[track_caller]
fn expect_real_outcome(journal: &Journal, host: &Host, seconds: usize) {
    let outcomes: Vec<Happened> =
        journal.events("step_outcome").into_iter().filter(|event| event.host == host.name()).collect();
    let last = &outcomes.last().unwrap().fields;
    assert_eq!((&last["status"], &last["result"]), (&STATUS.into(), &"done".into()), "{last:#}");
    let output = |stream: &str| journal.blob(last[stream]["blob"].as_str().unwrap());
    let mut expected: Vec<_> = (1..=seconds).rev().map(|n| format!("suite: {n} seconds left")).collect();
    expected.push("suite: removed".to_owned());
    assert_eq!(output("stdout").lines().collect::<Vec<_>>(), expected, "{}", host.name());
    assert_eq!(output("stderr"), "suite: a warning\n", "{}", host.name());
    let wrong = host.records().not_exactly_once(&["begin suite", &format!("end suite {STATUS}")]);
    assert!(wrong.is_empty(), "{}: {wrong:?}", host.name());
    let left = host.exec_root("d=/var/lib/up; ls -d ${d}root 2>/dev/null; pgrep -fl [u]proot; ls /opt");
    assert_eq!(left.stdout, "", "{}", host.name());
}

#[test]
fn a_step_goes_on_without_the_network_and_its_outcome_is_read_afterwards() {
    let lab = Lab::networked();
    // Each takes so many seconds; what happens meanwhile is below.
    let described = [("early", 25), ("late", 8), ("restarted", 8), ("cut", 9), ("lost", 8), ("quiet", 25)];
    let hosts: Vec<Host> = described
        .iter()
        .map(|(name, seconds)| {
            let uninstaller = Uninstaller::Takes(f64::from(*seconds), STATUS);
            lab.host(name).provision(&scripted("suite", &uninstaller)).start()
        })
        .collect();
    let [early, late, restarted, cut, lost, quiet] = hosts.as_slice() else { panic!() };
    let plan = lab.plan(&hosts, &playbook());
    let runs = lab.dir().join("runs");
    let runs = runs.to_str().unwrap();
    let limits = ["--idle-timeout", "5", "--connect-timeout", "3", "--reconnect-timeout", "20"];
    let words = [&["apply", &plan, "--format", "json", "--runs", runs][..], &limits[..]].concat();
    let controller = lab.start_uproot(&words);
    let journal = Journal::newest_in(std::path::Path::new(runs));
    std::thread::scope(|scope| {
        // For longer than a silent host is waited for, twice over; healed before and after its end.
        for host in [early, late] {
            scope.spawn(move || {
                wait_for_begin(host);
                sleep(2);
                host.partition();
                sleep(12);
                host.heal();
            });
        }
        scope.spawn(|| {
            wait_for_begin(restarted);
            sleep(3);
            restarted.restart_sshd();
        });
        scope.spawn(|| {
            wait_for_begin(cut);
            for _ in 0..3 {
                sleep(2);
                cut.cut_connections();
            }
        });
        scope.spawn(|| {
            wait_for_begin(lost);
            sleep(2);
            lost.partition();
        });
    });
    let output = controller.finish();
    let report = output.json();
    for (host, seconds) in [(early, 25), (late, 8), (restarted, 8), (cut, 9), (quiet, 25)] {
        assert_eq!(state(&report, host.name()), "removed", "{output}");
        expect_real_outcome(&journal, host, seconds);
    }
    assert_eq!(state(&report, "lost"), "interrupted", "{output}");
    assert_eq!(output.code, Some(3), "{output}");
    assert_eq!(lost.records().count(&format!("end suite {STATUS}")), 1, "it went on alone");

    lost.heal();
    let words = ["apply", "--resume", "last", "--format", "json", "--runs", runs];
    let resumed = lab.uproot(&words).expect_code(0).json();
    assert_eq!(state(&resumed, "lost"), "removed", "{resumed:#}");
    expect_real_outcome(&journal, lost, 8);
    let begun: Vec<_> = journal.events("host_started").into_iter().map(|event| event.host).collect();
    assert_eq!(begun.len(), hosts.len() + 1, "those that had ended are left alone: {begun:?}");
    lab.uproot(&["journal", "verify", "last", "--runs", runs]).expect_code(0);
}

#[test]
fn a_host_that_is_cut_off_before_its_first_step_is_unreachable_and_untouched() {
    let lab = Lab::networked();
    let described =
        |name: &str| lab.host(name).provision(&scripted("suite", &Uninstaller::Takes(0.2, STATUS))).start();
    let hosts = [described("there"), described("away")];
    let plan = lab.plan(&hosts, &playbook());
    let before = hosts[1].logins();
    hosts[1].partition();
    let runs = lab.dir().join("runs");
    let runs = runs.to_str().unwrap();
    let limits = ["--connect-timeout", "2", "--reconnect-timeout", "20"];
    let words = [&["apply", &plan, "--format", "json", "--runs", runs][..], &limits[..]].concat();
    let report = lab.uproot(&words).expect_code(3).json();
    assert_eq!(state(&report, "there"), "removed", "{report:#}");
    assert_eq!(state(&report, "away"), "unreachable", "{report:#}");
    assert_eq!(hosts[1].logins(), before);
    hosts[1].heal();
    let words = ["apply", "--resume", "last", "--retry-failed", "--format", "json", "--runs", runs];
    let report = lab.uproot(&words).expect_code(0).json();
    assert_eq!(state(&report, "away"), "removed", "{report:#}");
}
