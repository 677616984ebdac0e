//! What a journal says of a run that goes on.

use super::*;
use jiff::Timestamp;
use serde_json::json;

fn plan(waves: &[(&str, &[&str])]) -> Plan {
    let waves: Vec<_> = waves
        .iter()
        .map(|(name, hosts)| json!({"name": name, "hosts": hosts, "max_failures": {"count": 1}}))
        .collect();
    serde_json::from_value(json!({
        "uproot_plan": 1, "id": "p", "created": "2026-11-25T00:00:00Z", "operator": "o", "version": "0",
        "playbook": "p", "playbook_digest": "d", "questions": {"topics": [], "paths": [], "files": {}},
        "products": [], "reboot": "never", "secrets": {}, "known_hosts": [], "allowed": [],
        "waves": waves, "hosts": [],
    }))
    .unwrap()
}

#[derive(Default)]
struct Journal(Vec<Record>);

impl Journal {
    fn add(&mut self, host: Option<&str>, event: Event) {
        let seq = self.0.len() as u64;
        self.0.push(Record { seq, at: Timestamp::UNIX_EPOCH, host: host.map(Into::into), event });
    }

    fn begin(&mut self, host: &str) {
        self.add(Some(host), Event::HostStarted { wave: Some("a".into()) });
    }

    fn intent(&mut self, host: &str, step: &str, attempt: u32) {
        self.intent_in(host, step, attempt, BootIdentity::default());
    }

    fn intent_in(&mut self, host: &str, step: &str, attempt: u32, boot: BootIdentity) {
        let (product, summary) = ("kesl".into(), String::new());
        self.add(Some(host), Event::StepIntent { step: step.into(), product, summary, attempt, boot });
    }

    fn outcome(&mut self, host: &str, step: &str, result: StepResult) {
        let event = Event::StepOutcome {
            step: step.into(),
            product: "kesl".into(),
            summary: String::new(),
            result,
            status: None,
            effect: None,
            reboot_needed: false,
            reason: None,
            millis: 0,
            stdout: Default::default(),
            stderr: Default::default(),
        };
        self.add(Some(host), event);
    }

    fn end(&mut self, host: &str, state: HostState, unfinished: bool) {
        self.add(Some(host), Event::HostEnded { state, reason: String::new(), remedy: None, unfinished });
    }

    fn whole(&mut self, host: &str, state: HostState) {
        self.begin(host);
        self.intent(host, "kesl/1", 1);
        self.outcome(host, "kesl/1", StepResult::Done);
        self.end(host, state, false);
    }

    fn resumed(&mut self, approved: &[&str], after_failures: bool, retry_failed: bool) {
        let approved = approved.iter().map(|wave| (*wave).to_owned()).collect();
        self.add(
            None,
            Event::RunResumed {
                operator: "o".into(),
                version: "0".into(),
                approved,
                after_failures,
                retry_failed,
                break_lock: false,
            },
        );
    }

    fn wave_ended(&mut self, wave: &str, clock: Option<SteadyTime>) {
        let (passed, failures, unreachable, reason) = (true, 0, 0, None);
        self.add(None, Event::WaveEnded { wave: wave.into(), passed, failures, unreachable, reason, clock });
    }

    fn past(&self, plan: &Plan) -> Past {
        Past::read(&self.0, plan, &time("b", 60_000))
    }
}

fn time(boot: &str, millis: u64) -> SteadyTime {
    SteadyTime { boot: Some(boot.into()), millis }
}

const HOSTS: &[(&str, &[&str])] = &[("a", &["h1", "h2", "h3"]), ("b", &["h4"])];

#[test]
fn hosts_that_ended_are_done_and_the_rest_is_taken_up() {
    let mut journal = Journal::default();
    journal.whole("h1", HostState::Removed);
    journal.begin("h2");
    journal.intent("h2", "kesl/1", 1);
    journal.resumed(&[], false, false);
    let past = journal.past(&plan(HOSTS));
    assert_eq!(past.ended, BTreeMap::from([("h1".to_owned(), HostState::Removed)]));
    assert_eq!(past.waves[0].done, BTreeSet::from(["h1".to_owned()]));
    assert_eq!(past.waves[1], WavePast::default());
    assert_eq!(past.hosts["h2"].open_step(), Some("kesl/1"));
    assert!(!past.hosts.contains_key("h1") && !past.hosts.contains_key("h3"));
}

#[test]
fn a_step_is_settled_open_or_neither() {
    let mut journal = Journal::default();
    journal.begin("h1");
    for (step, result) in [
        ("kesl/1", Some(StepResult::Done)),
        ("kesl/2", Some(StepResult::Failed)),
        ("kesl/3", Some(StepResult::Interrupted)),
        ("kesl/4", None),
    ] {
        journal.intent("h1", step, 1);
        if let Some(result) = result {
            journal.outcome("h1", step, result);
        }
    }
    journal.outcome("h1", "kesl/5", StepResult::NotRun);
    let past = journal.past(&plan(HOSTS));
    let host = &past.hosts["h1"];
    let of = |id: &str| host.step(id).unwrap();
    let settled: Vec<bool> = (1..6).map(|n| of(&format!("kesl/{n}")).settled(false).is_some()).collect();
    assert_eq!(settled, [true, true, false, false, false]);
    let retried: Vec<bool> = (1..6).map(|n| of(&format!("kesl/{n}")).settled(true).is_some()).collect();
    assert_eq!(retried, [true, false, false, false, false]);
    let open: Vec<bool> = (1..6).map(|n| of(&format!("kesl/{n}")).is_open()).collect();
    assert_eq!(open, [false, false, true, true, false]);
    assert!(host.has_begun("kesl") && !host.has_begun("klnagent") && !host.has_begun("kes"));
}

#[test]
fn a_reboot_that_an_earlier_attempt_may_have_asked_for_is_still_to_come_in_its_boot() {
    let boot = |id: &str| BootIdentity { boot_id: Some(id.into()), init_start: None };
    let mut journal = Journal::default();
    journal.begin("h1");
    // Its end is not known; then it failed, which is known; then it was begun once more after a reboot.
    for (attempt, result, in_boot) in
        [(1, StepResult::Interrupted, "a"), (2, StepResult::Failed, "a"), (3, StepResult::Failed, "b")]
    {
        journal.intent_in("h1", "kesl/1", attempt, boot(in_boot));
        journal.outcome("h1", "kesl/1", result);
    }
    journal.intent_in("h1", "kesl/2", 1, boot("b"));
    let past = journal.past(&plan(HOSTS));
    let asked = |step: &str, in_boot: &BootIdentity| past.hosts["h1"].steps[step].may_have_asked(in_boot);
    assert!(asked("kesl/1", &boot("a")));
    assert!(!asked("kesl/1", &boot("b")), "what ended is known of this boot");
    assert!(asked("kesl/1", &BootIdentity::default()), "which boot it is is not known");
    assert!(asked("kesl/2", &boot("b")), "the last attempt is open");
    assert!(!asked("kesl/2", &boot("c")));
}

#[test]
fn failures_count_until_a_person_goes_on_after_them() {
    let mut journal = Journal::default();
    journal.whole("h1", HostState::Failed);
    journal.resumed(&[], false, false);
    assert_eq!(journal.past(&plan(HOSTS)).waves[0].failures, 1);
    journal.resumed(&[], true, false);
    let past = journal.past(&plan(HOSTS));
    assert_eq!((past.waves[0].failures, past.waves[0].done.len()), (0, 1), "done, and accepted");
    journal.whole("h2", HostState::Failed);
    journal.resumed(&[], false, false);
    assert_eq!(journal.past(&plan(HOSTS)).waves[0].failures, 1, "only what came after that");
}

#[test]
fn what_failed_is_taken_up_again_when_asked_and_only_of_waves() {
    let mut journal = Journal::default();
    journal.whole("h1", HostState::Failed);
    journal.whole("h2", HostState::Removed);
    journal.end("other-name", HostState::Skipped, false);
    journal.resumed(&[], false, true);
    let past = journal.past(&plan(HOSTS));
    assert_eq!(past.waves[0].failures, 0);
    assert!(past.hosts["h1"].retry);
    assert_eq!(past.ended.keys().collect::<Vec<_>>(), ["h2", "other-name"]);
    // That process died too: what it was to retry still is.
    journal.resumed(&[], false, false);
    assert!(!journal.past(&plan(HOSTS)).ended.contains_key("h1"));
}

#[test]
fn an_unfinished_host_is_not_counted_and_taken_up_again() {
    let mut journal = Journal::default();
    journal.begin("h1");
    journal.intent("h1", "kesl/1", 1);
    journal.outcome("h1", "kesl/1", StepResult::Interrupted);
    journal.end("h1", HostState::Interrupted, true);
    journal.resumed(&[], false, false);
    let past = journal.past(&plan(HOSTS));
    assert_eq!((past.waves[0].failures, past.waves[0].done.len()), (0, 0));
    assert_eq!(past.hosts["h1"].open_step(), Some("kesl/1"));
}

#[test]
fn a_host_started_again_has_no_end() {
    let mut journal = Journal::default();
    journal.whole("h1", HostState::Failed);
    journal.resumed(&[], false, true);
    journal.begin("h1");
    journal.intent("h1", "kesl/1", 2);
    let past = journal.past(&plan(HOSTS));
    assert!(past.ended.is_empty());
    assert_eq!(past.hosts["h1"].step("kesl/1").unwrap().attempts, 2);
}

#[test]
fn approvals_of_every_kind_are_remembered() {
    let mut journal = Journal::default();
    journal.resumed(&["b"], false, false);
    assert_eq!(
        journal.past(&plan(HOSTS)).waves.iter().map(|w| w.approved).collect::<Vec<_>>(),
        [false, true]
    );
    let mut journal = Journal::default();
    journal.add(None, Event::WaveApproved { wave: "a".into(), operator: "o".into() });
    assert!(journal.past(&plan(HOSTS)).waves[0].approved);
}

#[test]
fn soak_is_what_surely_passed() {
    let ended_at = |clock: Option<SteadyTime>| {
        let mut journal = Journal::default();
        for host in ["h1", "h2", "h3"] {
            journal.whole(host, HostState::Removed);
        }
        journal.wave_ended("a", clock);
        journal.past(&plan(HOSTS)).waves[0].passed
    };
    assert_eq!(ended_at(Some(time("b", 15_000))), Some(Duration::from_secs(45)));
    assert_eq!(ended_at(Some(time("b", 90_000))), Some(Duration::ZERO), "never negative");
    assert_eq!(ended_at(Some(time("earlier", 0))), Some(Duration::ZERO), "another boot's clock says nothing");
    assert_eq!(ended_at(None), Some(Duration::ZERO));
}

#[test]
fn a_wave_with_a_host_to_be_retried_has_not_passed() {
    let mut journal = Journal::default();
    journal.whole("h1", HostState::Removed);
    journal.whole("h2", HostState::Failed);
    journal.whole("h3", HostState::Removed);
    journal.wave_ended("a", Some(time("b", 0)));
    assert!(journal.past(&plan(HOSTS)).waves[0].passed.is_some());
    journal.resumed(&[], false, true);
    assert_eq!(journal.past(&plan(HOSTS)).waves[0].passed, None);
}
