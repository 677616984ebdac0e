//! Signals, closed terminals, full and read-only disks, a second controller: each run ends as it should,
//! says so, and can be resumed; or refuses to begin.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod lab;

use lab::{Host, Journal, Lab, Output, Running, Uninstaller, scripted, scripted_entry};
use rustix::process::Signal;
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Four hosts, worked on two at a time.
struct Trial {
    lab: Lab,
    hosts: Vec<Host>,
    plan: String,
    runs: PathBuf,
}

impl Trial {
    fn new(lab: Lab, uninstaller: &Uninstaller) -> Self {
        let provision = scripted("suite", uninstaller);
        let described = (1..=4).map(|number| lab.host(&format!("h{number}")).provision(&provision));
        let hosts = lab.start_all(described.collect());
        let entry = scripted_entry("suite", "5s", "timeout: 60s");
        let waves = "waves: [{ name: all, hosts: all, parallel: 2, max_failures: 0 }]\n";
        let plan = lab.plan(&hosts, &format!("uproot: 1\nname: signals\nproducts:\n{entry}{waves}"));
        let runs = lab.dir().join("runs");
        Self { lab, hosts, plan, runs }
    }

    fn words<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        [words, &["--runs", self.runs.to_str().unwrap()]].concat()
    }

    fn start(&self) -> Running {
        self.lab.start_uproot(&self.words(&["apply", &self.plan]))
    }

    fn resume(&self) -> Output {
        self.lab.uproot(&self.words(&["apply", "--resume", "last", "--format", "json"]))
    }

    fn wait_for_both(&self) {
        for host in &self.hosts[..2] {
            lab::wait_for("the uninstallation", Duration::from_secs(60), || {
                (host.records().count("begin suite") > 0).then_some(())
            });
        }
    }

    /// Resumes it to the end, and insists that everything was run once and nothing is left.
    #[track_caller]
    fn expect_resumed_to_the_end(&self) {
        let output = self.resume().expect_code(0);
        let report = output.json();
        for host in report["hosts"].as_array().unwrap() {
            assert_eq!(host["state"], "removed", "{host:#}");
        }
        for host in &self.hosts {
            let wrong = host.records().not_exactly_once(&["begin suite", "end suite 0"]);
            assert!(wrong.is_empty(), "{}: {wrong:?}", host.name());
            let left = host.exec_root("d=/var/lib/up; ls -d ${d}root 2>/dev/null; pgrep -fl [u]proot");
            assert_eq!(left.stdout, "", "{}", host.name());
        }
        self.lab.uproot(&self.words(&["journal", "verify", "last"])).expect_code(0);
    }

    /// After a stop: the current steps are finished and recorded, the other hosts are as they were.
    #[track_caller]
    fn expect_stopped_gently(&self, journal: &Journal) {
        let outcomes = journal.events("step_outcome");
        let done: Vec<_> = outcomes.iter().filter(|event| event.fields["result"] == "done").collect();
        let mut named: Vec<_> = done.iter().map(|event| event.host.as_str()).collect();
        named.sort_unstable();
        assert_eq!(named, ["h1", "h2"]);
        for host in &self.hosts[..2] {
            assert_eq!(host.records().count("end suite 0"), 1, "{}", host.name());
        }
        for host in &self.hosts[2..] {
            assert!(host.records().is_empty(), "{}", host.name());
        }
        let last = last_event(journal);
        assert!(last.get("run_stopped").is_some(), "{last:#}");
        assert!(journal.events("host_started").iter().all(|event| event.host.as_str() < "h3"));
    }
}

fn last_event(journal: &Journal) -> Value {
    journal.records().last().unwrap()["event"].clone()
}

fn stopped_once_by(signal: Signal, word: &str) {
    let trial = Trial::new(Lab::new(), &Uninstaller::Takes(2.0, 0));
    let controller = trial.start();
    trial.wait_for_both();
    controller.signal(signal);
    let output = controller.finish().expect_code(130);
    let journal = Journal::newest_in(&trial.runs);
    assert!(output.stderr.contains(word) && output.stderr.contains("current steps"), "{output}");
    trial.expect_stopped_gently(&journal);
    assert!(last_event(&journal)["run_stopped"]["reason"].to_string().contains(word), "{output}");
    assert!(output.stdout.contains("skipped") && output.stdout.contains("--resume"), "{output}");
    trial.expect_resumed_to_the_end();
}

#[test]
fn ctrl_c_finishes_the_current_steps() {
    stopped_once_by(Signal::INT, "SIGINT");
}

#[test]
fn sigterm_finishes_the_current_steps() {
    stopped_once_by(Signal::TERM, "SIGTERM");
}

#[test]
fn ctrl_c_twice_stops_at_once_and_the_steps_go_on_alone() {
    let trial = Trial::new(Lab::new(), &Uninstaller::Takes(8.0, 0));
    let controller = trial.start();
    trial.wait_for_both();
    controller.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(500));
    controller.signal(Signal::INT);
    let begin = Instant::now();
    let output = controller.finish().expect_code(130);
    assert!(begin.elapsed() < Duration::from_secs(4), "it stopped after {:?}", begin.elapsed());
    for host in &trial.hosts[..2] {
        assert_eq!(host.records().count("end suite"), 0, "{}: {output}", host.name());
    }
    let last = last_event(&Journal::newest_in(&trial.runs));
    assert!(last.get("run_stopped").is_some(), "{last:#}");
    assert!(output.stdout.contains("interrupted") && output.stdout.contains("--resume"), "{output}");
    trial.expect_resumed_to_the_end();
}

#[test]
fn a_closed_terminal_finishes_the_current_steps() {
    let trial = Trial::new(Lab::new(), &Uninstaller::Takes(2.0, 0));
    let code = trial.lab.dir().join("code");
    let terminal = trial.lab.start_on_terminal(&trial.words(&["apply", &trial.plan]), &code);
    trial.wait_for_both();
    let shown = terminal.kill();
    // As a login shell does to its jobs when its terminal is closed; this one stays, to tell the code.
    let of_this_plan = format!("apply.*{}", trial.plan);
    let told = std::process::Command::new("pkill").args(["-HUP", "-f", &of_this_plan]).status().unwrap();
    assert!(told.success(), "it has ended already");
    let code = lab::wait_for("its exit code", Duration::from_secs(60), || {
        std::fs::read_to_string(&code).ok().filter(|text| text.ends_with('\n'))
    });
    assert_eq!(code, "130\n", "{shown}");
    trial.expect_stopped_gently(&Journal::newest_in(&trial.runs));
    trial.expect_resumed_to_the_end();
}

#[test]
fn a_full_disk_stops_the_hosts_and_the_run_goes_on_when_there_is_space() {
    // Each step says more than the disk has room for.
    let uninstaller = Uninstaller::Script("seq 1 60000\nsleep 0.3\ngone".to_owned());
    let size = 4 * 1024 * 1024;
    for spare in [60_000, 250_000] {
        let lab = Lab::with_small_disk(size);
        let mut trial = Trial::new(lab, &uninstaller);
        trial.runs = trial.lab.small_disk().join("runs");
        let plan = std::fs::metadata(&trial.plan).unwrap().len();
        let ballast = trial.lab.small_disk().join("ballast");
        let fill = format!("head -c {} /dev/zero >{}", size - plan - spare, ballast.display());
        trial.lab.run_apart(&fill).success();
        let output = trial.start().finish();
        assert_ne!(output.code, Some(0), "{output}");
        assert!(output.stderr.to_lowercase().contains("no space left"), "{output}");
        assert!(output.to_string().contains("--resume"), "it says how to go on: {output}");
        let begun = trial.hosts.iter().filter(|host| !host.records().is_empty()).count();
        assert!(begun < 4, "no host is begun once the journal cannot be written: {output}");
        trial.lab.run_apart(&format!("rm {}", ballast.display())).success();
        trial.expect_resumed_to_the_end();
    }
}

#[test]
fn a_read_only_runs_directory_is_refused_before_anything_is_contacted() {
    let lab = Lab::with_small_disk(4 * 1024 * 1024);
    let mut trial = Trial::new(lab, &Uninstaller::Takes(0.1, 0));
    let small = trial.lab.small_disk();
    trial.runs = small.join("runs");
    let logins: Vec<usize> = trial.hosts.iter().map(Host::logins).collect();
    trial.lab.run_apart(&format!("mount -o remount,ro {}", small.display())).success();
    let output = trial.start().finish();
    assert!(matches!(output.code, Some(2 | 5)), "{output}");
    assert!(output.stderr.contains("Read-only"), "{output}");
    assert!(output.stderr.contains(trial.runs.to_str().unwrap()), "it names the directory: {output}");
    assert!(output.stderr.contains("--runs"), "it says what to do: {output}");
    assert_eq!(trial.hosts.iter().map(Host::logins).collect::<Vec<_>>(), logins);
}

#[test]
fn a_second_controller_is_refused() {
    let trial = Trial::new(Lab::new(), &Uninstaller::Takes(3.0, 0));
    let controller = trial.start();
    trial.wait_for_both();
    let second = trial.resume();
    assert_eq!(second.code, Some(2), "{second}");
    let told = second.stderr.to_lowercase();
    assert!(told.contains("another") || told.contains("in use") || told.contains("running"), "{second}");
    let output = controller.finish().expect_code(0);
    assert!(output.stdout.contains("removed"), "{output}");
    for host in &trial.hosts {
        let wrong = host.records().not_exactly_once(&["begin suite", "end suite 0"]);
        assert!(wrong.is_empty(), "{}: {wrong:?}", host.name());
    }
    assert_eq!(trial.resume().code, Some(2), "what has ended is not resumed");
}
