use super::*;
use crate::model::scope::{Waiver, WaiverList};
use crate::model::{ExemptionKind, Scope};
use crate::playbook::RebootPolicy;

fn host<'p>(plan: &'p Plan, name: &str) -> &'p PlannedHost {
    plan.hosts.iter().find(|host| host.name == name).unwrap()
}

fn step_ids(host: &PlannedHost) -> Vec<&str> {
    host.steps.iter().map(|step| step.id.as_str()).collect()
}

fn reason<'p>(host: &'p PlannedHost, product: &str) -> &'p str {
    &host.not_planned.iter().find(|entry| entry.product == product).unwrap().reason
}

/// The playbook with kesl's steps replaced.
fn with_steps(steps: Vec<Step>) -> Playbook {
    let mut playbook = playbook();
    playbook.products.retain(|product| product.id == "kesl");
    playbook.products[0].remove = steps;
    playbook
}

fn kesl_planned(steps: Vec<Step>, facts: Facts) -> PlannedHost {
    plan_one(&with_steps(steps), facts).hosts.remove(0)
}

#[test]
fn products_go_in_the_order_of_after_with_every_step_rendered() {
    let plan = plan_one(&playbook(), kesl_facts("web01"));
    let host = host(&plan, "web01");
    assert_eq!(step_ids(host), ["kesl/1", "kesl/2", "kesl/3", "klnagent/1"]);
    assert_eq!(host.gone_after, ["kesl", "klnagent"]);
    assert!(host.not_planned.is_empty());
    assert!(host.steps.iter().all(|step| !step.script.is_empty() && step.run_as == "root"));
    assert_eq!(host.steps[1].timeout, 300);
    assert_eq!(host.steps[0].timeout, 600);
}

#[test]
fn what_is_absent_is_neither_planned_nor_listed() {
    let plan = plan_one(&playbook(), clean_facts("web01"));
    let host = host(&plan, "web01");
    assert!(host.steps.is_empty() && host.not_planned.is_empty() && host.gone_after.is_empty());
}

#[test]
fn leavings_get_the_same_steps_and_what_is_gone_is_already_so() {
    let mut facts = clean_facts("web01");
    let data = entry("/var/opt/kaspersky/kesl", PathKind::Directory);
    facts.paths.insert(data.path.clone(), complete(vec![data]));
    let plan = plan_one(&playbook(), facts);
    let host = host(&plan, "web01");
    assert_eq!(step_ids(host), ["kesl/1", "kesl/2", "kesl/3"]);
    let already: Vec<bool> = host.steps.iter().map(|step| step.already_so).collect();
    assert_eq!(already, [true, true, false]);
    assert!(host.steps[0].script.is_empty() && host.steps[0].commands.is_empty());
}

#[test]
fn an_unknown_product_has_no_steps_and_holds_back_what_comes_after_it() {
    let mut facts = kesl_facts("web01");
    facts.packages.items.retain(|package| !package.name.starts_with("kesl"));
    // Now nobody knows whether kesl is installed; klnagent is.
    facts.packages.gaps.push(Gap { reason: "rpm: cannot open Packages database".into(), remedy: None });
    let plan = plan_one(&playbook(), facts);
    let host = host(&plan, "web01");
    assert!(host.steps.is_empty(), "{:?}", host.steps);
    assert!(reason(host, "kesl").contains("cannot open Packages database"), "{}", reason(host, "kesl"));
    assert!(reason(host, "klnagent").contains("`kesl` must go first"));
    assert!(host.gone_after.is_empty());
}

#[test]
fn opt_in_and_report_only_are_choices_that_hold_nothing_back() {
    let mut facts = kesl_facts("web01");
    let more = ["ksc64", "ksmg"].map(|name| package(name, "install ok installed"));
    facts.packages.items.extend(more);
    let plan = plan_one(&playbook(), facts.clone());
    let found = host(&plan, "web01");
    assert_eq!(reason(found, "ksc"), "it is removed only by choice: give `--allow administration-server`");
    assert!(reason(found, "ksmg").starts_with("it is only reported: "));
    assert_eq!(found.gone_after, ["kesl", "klnagent"]);

    let allowed = PlanSettings { allowed: vec!["administration-server".to_owned()], ..settings() };
    let plan = plan_with(&playbook(), allowed, &[facts]).unwrap();
    assert_eq!(host(&plan, "web01").gone_after, ["kesl", "ksc", "klnagent"]);
}

#[test]
fn a_step_may_need_a_word_and_a_gate_may_be_waived_by_one() {
    let gate = |rule| Action::Require { rule, message: None, waived_by: Some("vouched".to_owned()) };
    let data = Step { opt_in: Some("data".to_owned()), ..step(remove_path("/var/opt/kaspersky/kesl")) };
    let mut playbook = playbook();
    playbook.products.truncate(2);
    playbook.products[1].remove =
        vec![step(gate(package_check("x"))), step(remove_package(&["kesl-gui", "kesl"])), data];
    let kinds = |facts: Facts, words: &[&str]| {
        let allowed = words.iter().map(|word| (*word).to_owned()).collect();
        let plan = plan_with(&playbook, PlanSettings { allowed, ..settings() }, &[facts]).unwrap();
        let host = plan.hosts.into_iter().next().unwrap();
        let of_kesl = host.steps.iter().filter(|step| step.product == "kesl");
        let kinds: Vec<String> = of_kesl.map(|step| format!("{} {}", step.id, step.kind)).collect();
        (kinds, host.not_planned.iter().find(|one| one.product == "kesl").map(|one| one.reason.clone()))
    };
    let all = ["kesl/1 require", "kesl/2 remove_package", "kesl/3 remove_path"];
    assert_eq!(kinds(kesl_facts("h"), &["data"]).0, all);
    assert_eq!(kinds(kesl_facts("h"), &["data", "vouched"]).0, all[1..]);
    assert_eq!(kinds(kesl_facts("h"), &[]).0, all[..2]);

    // Where nothing but what needs the word is left to do, the plan names it.
    let mut residue = kesl_facts("h");
    residue.packages.items.retain(|package| !package.name.starts_with("kesl"));
    let (steps, reason) = kinds(residue.clone(), &[]);
    assert!(steps.is_empty());
    assert_eq!(reason.as_deref(), Some("the rest is removed only by choice: give `--allow data`"));
    assert_eq!(kinds(residue, &["data"]).0, all);
}

#[test]
fn a_step_that_cannot_be_planned_takes_its_product_and_those_after_it_along() {
    let mut facts = kesl_facts("web01");
    facts.mounts.items.push("/var/opt/kaspersky/kesl/quarantine".into());
    let plan = plan_one(&playbook(), facts);
    let host = host(&plan, "web01");
    assert!(host.steps.is_empty());
    assert_eq!(
        reason(host, "kesl"),
        "step 3 (remove_path): a file system is mounted at `/var/opt/kaspersky/kesl/quarantine`"
    );
    assert_eq!(reason(host, "klnagent"), "`kesl` must go first, and its removal is not planned");
}

#[test]
fn without_root_nothing_is_planned_and_the_remedy_is_named() {
    let mut facts = kesl_facts("web01");
    facts.privilege = Privilege { uid: Some(1000), elevated: None, become_failed: None };
    assert!(reason(host(&plan_one(&playbook(), facts.clone()), "web01"), "kesl").contains("give `--become`"));
    facts.privilege.become_failed = Some("sudo: a password is required".into());
    assert!(reason(host(&plan_one(&playbook(), facts), "web01"), "kesl").contains("a password is required"));
}

#[test]
fn steps_for_a_person_need_no_root_and_run_as_nobody_special() {
    let mut facts = kesl_facts("web01");
    facts.privilege = Privilege { uid: Some(1000), elevated: None, become_failed: None };
    let manual = Action::Manual { instructions: "switch the engine in its console".into() };
    let host = kesl_planned(vec![step(manual)], facts);
    assert_eq!(host.steps[0].run_as, "ivan");
    assert!(host.steps[0].script.is_empty());
    assert_eq!(host.steps[0].instructions.as_deref(), Some("switch the engine in its console"));
}

#[test]
fn when_leaves_a_step_out_and_an_unknown_when_the_whole_product() {
    let when = |rule: Rule| {
        let conditional = Step { when: Some(rule), ..step(run("true")) };
        vec![conditional, step(remove_package(&["kesl"]))]
    };
    let ids = |host: &PlannedHost| -> Vec<String> { host.steps.iter().map(|step| step.id.clone()).collect() };
    let found = kesl_planned(when(package_check("kesl-gui")), kesl_facts("h"));
    assert_eq!(ids(&found), ["kesl/1", "kesl/2"]);
    let found = kesl_planned(when(package_check("absent")), kesl_facts("h"));
    assert_eq!(ids(&found), ["kesl/2"], "steps keep the numbers that the playbook gives them");
    let found = kesl_planned(when(path_check("/never/asked")), kesl_facts("h"));
    assert!(found.steps.is_empty());
    assert!(reason(&found, "kesl").starts_with("step 1 (run): it cannot be told whether it applies"));
}

#[test]
fn a_command_of_which_nothing_is_known_is_for_what_is_installed() {
    let steps = || vec![step(run("kesl-setup --clean")), step(remove_path("/var/opt/kaspersky/kesl"))];
    assert_eq!(kesl_planned(steps(), kesl_facts("h")).steps.len(), 2);
    let mut facts = kesl_facts("h");
    facts.packages.items.retain(|package| package.name == "dpkg");
    assert_eq!(step_ids(&kesl_planned(steps(), facts.clone())), ["kesl/2"]);
    let with_effect = Step { effect: Some(Rule::Not(Box::new(package_check("dpkg")))), ..step(run("x")) };
    assert_eq!(kesl_planned(vec![with_effect], facts).steps.len(), 1);
}

#[test]
fn a_commands_conditions_come_into_the_plan_and_secrets_only_by_name() {
    let mut action = run("kesl-control --remove");
    if let Action::Run { accept, reboot_codes, retry_on, blocked_if, env, stdin, .. } = &mut action {
        *accept = vec![0, 3];
        *reboot_codes = vec![194];
        *retry_on = vec![75];
        *blocked_if = Some(TextPattern("password".into()));
        env.insert("TOKEN".into(), "kes_token".to_owned().into());
        *stdin = Some("kes_password".into());
    }
    let mut playbook = with_steps(vec![step(action)]);
    let errors = plan_for(&playbook, &[kesl_facts("h")]).unwrap_err();
    assert_eq!(errors.list.len(), 2, "{errors}");
    assert!(errors.list.iter().all(|error| error.help.is_some() && error.place == Some(place(20))));

    playbook.secrets = vec![secret("kes_password"), secret("kes_token"), secret("unused")];
    let plan = plan_one(&playbook, kesl_facts("h"));
    let names: Vec<&str> = plan.secrets.keys().map(String::as_str).collect();
    assert_eq!(names, ["kes_password", "kes_token"]);
    let step = &plan.hosts[0].steps[0];
    assert_eq!((&step.accept, &step.reboot_codes, &step.retry_on), (&vec![0, 3], &vec![194], &vec![75]));
    assert_eq!(step.stdin.as_deref(), Some("kes_password"));
    assert!(step.script.contains("UPROOT_STDIN"));

    let clash = SecretReference { source: crate::model::SecretSource::Env("OTHER".into()), optional: false };
    let settings = PlanSettings { secrets: [("kes_token".to_owned(), clash)].into(), ..settings() };
    let errors = plan_with(&playbook, settings, &[kesl_facts("h")]).unwrap_err();
    assert!(errors.list[0].message.contains("the name of a secret of a connection"));
}

#[test]
fn gates_are_asked_when_applied_even_if_they_hold_now() {
    let holds = package_check("dpkg");
    let gate = Action::Require { rule: holds.clone(), message: Some("no dpkg".into()), waived_by: None };
    let wait = Action::WaitFor { rule: holds.clone() };
    let host = kesl_planned(vec![step(gate), step(wait), step(remove_package(&["kesl"]))], kesl_facts("h"));
    for step in &host.steps[..2] {
        assert!(!step.already_so && step.script.is_empty());
        assert_eq!(step.condition.as_ref(), Some(&holds));
    }
    assert_eq!(host.steps[0].instructions.as_deref(), Some("no dpkg"));
}

#[test]
fn a_playbooks_own_effect_is_asked_besides_the_actions() {
    let own = Rule::Not(Box::new(package_check("kesl-gui")));
    let removal = Step { effect: Some(own.clone()), ..step(remove_package(&["absent"])) };
    // The action's part holds and the playbook's does not: there is nothing that could be done.
    let host = kesl_planned(vec![removal], kesl_facts("h"));
    assert!(reason(&host, "kesl").contains("nothing for it to act on"));
    let removal = Step { effect: Some(own.clone()), ..step(remove_package(&["kesl-gui"])) };
    let host = kesl_planned(vec![removal], kesl_facts("h"));
    assert!(matches!(host.steps[0].effect.as_ref().unwrap(), Rule::All(rules) if rules.contains(&own)));
}

#[test]
fn a_product_whose_steps_change_nothing_is_not_called_planned() {
    let host = kesl_planned(vec![step(remove_package(&["absent"]))], kesl_facts("h"));
    assert!(reason(&host, "kesl").contains("so already, yet the rules find it"));
    let host = kesl_planned(Vec::new(), kesl_facts("h"));
    assert!(reason(&host, "kesl").contains("no steps"));
    assert!(host.gone_after.is_empty());
}

#[test]
fn a_parent_that_another_product_uses_stays() {
    let mut playbook = playbook();
    // Two components and of no system: the product's own parent.
    let wide = "/opt/suite";
    playbook.products[1].remove = vec![step(remove_path(wide)), step(remove_package(&["kesl*"]))];
    playbook.products[0].residue = Some(path_check("/opt/suite/klnagent64"));
    let mut facts = kesl_facts("h");
    let directory = |path: &str| complete(vec![entry(path, PathKind::Directory)]);
    facts.paths.insert(wide.into(), directory(wide));
    facts.paths.insert("/opt/suite/klnagent64".into(), directory("/opt/suite/klnagent64"));
    let planned = plan_one(&playbook, facts.clone());
    assert_eq!(
        reason(host(&planned, "h"), "kesl"),
        "step 1 (remove_path): `/opt/suite` holds `/opt/suite/klnagent64` of product `klnagent`, \
         which is removed only after this one"
    );
    // The other way round there is nobody left to use it.
    playbook.products[0].after.clear();
    playbook.products[1].after = vec!["klnagent".to_owned()];
    let planned = plan_one(&playbook, facts.clone());
    assert_eq!(host(&planned, "h").gone_after, ["klnagent", "kesl"]);
    // Unless that one stays.
    playbook.products[0].report_only = Some("kept".into());
    playbook.products[1].after.clear();
    let planned = plan_one(&playbook, facts);
    assert!(reason(host(&planned, "h"), "kesl").contains("of product `klnagent`, which stays"));
}

#[test]
fn a_product_found_stuck_late_counts_as_staying_for_those_before_it() {
    let mut playbook = playbook();
    let shared = "/opt/kaspersky/shared";
    playbook.products[1].remove = vec![step(remove_path(shared)), step(remove_package(&["kesl*"]))];
    playbook.products[0].residue = Some(path_check(shared));
    let mut facts = kesl_facts("h");
    facts.paths.insert(shared.into(), complete(vec![entry(shared, PathKind::Directory)]));
    // The same path is no parent: while both go, kesl may take it.
    assert_eq!(host(&plan_one(&playbook, facts.clone()), "h").gone_after, ["kesl", "klnagent"]);
    // klnagent comes later and cannot go: kesl, planned before that is known, must leave the path.
    playbook.products[0].after.clear();
    playbook.products.rotate_left(1);
    playbook.products.retain(|product| product.id == "kesl" || product.id == "klnagent");
    playbook.products[1].remove = vec![step(Action::RemoveUser { name: "root".into() })];
    let planned = plan_one(&playbook, facts);
    let found = host(&planned, "h");
    assert!(found.steps.is_empty(), "{:?}", step_ids(found));
    assert!(reason(found, "kesl").contains("of product `klnagent`, which stays"));
}

#[test]
fn two_names_of_one_machine_are_planned_once() {
    let first = kesl_facts("a");
    let second = Facts { host: "b".into(), ..first.clone() };
    let mut third = Facts { host: "c".into(), ..first.clone() };
    third.identity.dmi_uuid = Some("4c4c4544".into());
    let plan = plan_for(&playbook(), &[first, second, third]).unwrap();
    assert_eq!(host(&plan, "a").steps.len(), 4);
    for name in ["b", "c"] {
        let other = host(&plan, name);
        assert_eq!(other.state, HostState::Skipped);
        assert!(other.reason.contains("`a`"), "{}", other.reason);
        assert!(other.steps.is_empty());
        assert!(plan.waves.iter().all(|wave| !wave.hosts.contains(&other.name)));
    }
    // Clones with one machine-id and different hardware are different machines.
    let mut first = kesl_facts("a");
    first.identity.dmi_uuid = Some("1".into());
    let mut second = Facts { host: "b".into(), ..first.clone() };
    second.identity.dmi_uuid = Some("2".into());
    let plan = plan_for(&playbook(), &[first, second]).unwrap();
    assert_eq!(host(&plan, "b").state, HostState::Present);
}

#[test]
fn an_unreachable_host_is_in_a_wave_and_has_no_steps() {
    let playbook = playbook();
    let inventory = inventory(&["a", "b"]);
    let facts = kesl_facts("a");
    let inputs = vec![unreachable(&inventory.hosts[1]), host_read(&playbook, &inventory.hosts[0], &facts)];
    let plan = make(&playbook, settings(), &inventory, inputs).unwrap();
    assert_eq!(plan.waves.iter().map(|wave| wave.hosts.join(" ")).collect::<Vec<_>>(), ["a", "b"]);
    let lost = host(&plan, "b");
    assert_eq!(lost.state, HostState::Unreachable);
    assert!(lost.steps.is_empty() && lost.remedy.is_some());
    assert!(validate::defects(&plan).is_empty(), "{:?}", validate::defects(&plan));
}

#[test]
fn everything_that_forbids_a_plan_is_told_at_once() {
    let mut playbook = playbook();
    playbook.waves = vec![Wave {
        name: "canary".into(),
        hosts: WaveHosts::Pattern("nowhere".into()),
        parallel: None,
        max_failures: crate::playbook::Budget::Count(0),
        max_unreachable: None,
        soak: std::time::Duration::ZERO,
        approve: false,
        window: None,
        place: Some(place(41)),
    }];
    let mut token = run("kesl-control --uninstall");
    if let Action::Run { stdin, .. } = &mut token {
        *stdin = Some("nowhere-declared".to_owned());
    }
    playbook.products[1].remove.insert(0, step(token));
    // Two hosts make the same mistake: it is told once.
    let errors = plan_for(&playbook, &[kesl_facts("a"), kesl_facts("b")]).unwrap_err();
    let messages: Vec<&str> = errors.list.iter().map(|error| error.message.as_str()).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(errors.list.iter().all(|error| error.help.is_some() && error.place.is_some()));
    assert!(messages.iter().any(|message| message.contains("`nowhere-declared`")));
    assert!(messages.iter().any(|message| message.contains("`nowhere`")));
}

#[test]
fn a_circle_of_products_is_an_error_of_the_playbook() {
    let mut playbook = playbook();
    playbook.products[1].after = vec!["klnagent".to_owned()];
    let errors = plan_for(&playbook, &[kesl_facts("a")]).unwrap_err();
    assert!(errors.list[0].message.contains("wait for each other in a circle"));
}

#[test]
fn hostile_names_stop_the_product_and_stay_out_of_every_script() {
    let mut facts = kesl_facts("h");
    facts.packages.items.push(package("kesl-gui\nreboot", "install ok installed"));
    let host = kesl_planned(vec![step(remove_package(&["kesl*"]))], facts);
    assert!(host.steps.is_empty());
    assert!(reason(&host, "kesl").contains("cannot be a package's name"));
}

/// The playbook with a policy.
fn with_policy(reboot: RebootPolicy, require_protection: Option<Rule>) -> Playbook {
    Playbook { policy: Policy { reboot, require_protection }, ..playbook() }
}

#[test]
fn a_host_that_is_changed_may_be_rebooted_where_the_policy_says_so() {
    let all = [kesl_facts("a"), clean_facts("b")];
    let plan = plan_for(&with_policy(RebootPolicy::IfNeeded, None), &all).unwrap();
    let reboot = host(&plan, "a").reboot.as_ref().unwrap();
    assert_eq!(
        (reboot.id.as_str(), reboot.product.as_str(), reboot.kind.as_str()),
        ("host/reboot", "host", "reboot")
    );
    assert_eq!((reboot.run_as.as_str(), reboot.timeout), ("root", 1200));
    assert!(reboot.script.contains("shutdown -r now") && reboot.effect.is_none());
    assert!(host(&plan, "b").reboot.is_none(), "nothing is changed there");
    assert!(validate::defects(&plan).is_empty(), "{:?}", validate::defects(&plan));
    for policy in [RebootPolicy::Never, RebootPolicy::PendingIsOk] {
        let plan = plan_for(&with_policy(policy, None), &all).unwrap();
        assert!(plan.hosts.iter().all(|host| host.reboot.is_none()));
    }
    // What a person must do is no change of ours.
    let mut playbook = with_steps(vec![step(Action::Manual { instructions: "ask".into() })]);
    playbook.policy.reboot = RebootPolicy::IfNeeded;
    assert!(host(&plan_one(&playbook, kesl_facts("a")), "a").reboot.is_none());
}

#[test]
fn a_reboot_step_is_planned_like_any_other() {
    let driver = Action::Reboot { reason: Some("its driver stays loaded".into()) };
    let short = Step { timeout: Some(Duration::from_secs(90)), ..step(Action::Reboot { reason: None }) };
    let mut playbook = with_steps(vec![step(remove_package(&["kesl"])), step(driver), short]);
    playbook.policy.reboot = RebootPolicy::IfNeeded;
    let plan = plan_one(&playbook, kesl_facts("h"));
    let steps = &host(&plan, "h").steps;
    assert_eq!(steps[1].kind, PlannedStep::REBOOT);
    assert_eq!(steps[1].summary, "reboot the host: its driver stays loaded");
    assert_eq!((steps[1].timeout, steps[2].timeout), (1200, 90));
    assert!(steps[1].effect.is_none() && !steps[1].already_so && !steps[1].script.is_empty());
    assert!(validate::defects(&plan).is_empty(), "{:?}", validate::defects(&plan));
}

#[test]
fn whether_a_host_is_protected_now_stands_in_the_plan() {
    let defender = |running| Rule::Check(Check::Service { name: pattern("mdatp"), running });
    let required = Rule::Any(vec![defender(Some(true)), package_check("falcon-sensor")]);
    let playbook = with_policy(RebootPolicy::Never, Some(required));
    let mut protected = kesl_facts("protected");
    protected.services.items.push(service("mdatp", "active"));
    let mut doubtful = kesl_facts("doubtful");
    doubtful.packages.gaps.push(Gap { reason: "cut off\u{1b}[2J".into(), remedy: None });
    let all = [protected, kesl_facts("bare"), doubtful, clean_facts("clean")];
    let plan = plan_for(&playbook, &all).unwrap();
    let held = |name: &str| host(&plan, name).protection.clone().unwrap();
    assert_eq!(held("protected").holds, Truth::True);
    assert_eq!(held("protected").reason, "service `mdatp` running");
    assert_eq!(held("bare").holds, Truth::False);
    assert!(held("bare").reason.contains("`mdatp`") && held("bare").reason.contains("`falcon-sensor`"));
    assert_eq!(held("doubtful").holds, Truth::Unknown);
    assert!(held("doubtful").reason.contains("cut off"));
    assert_eq!(plan.require_protection, playbook.policy.require_protection);
    let shown = show(&plan, 120);
    assert!(shown.contains("protection that must be there before and after: "));
    // `doubtful` has nothing planned but what is known; `bare` and it would be skipped, `clean` has no steps.
    assert_eq!(shown.matches("`apply` would skip this host").count(), 2, "{shown}");
    assert!(shown.contains("NOT protected now, so `apply` would skip: 2 hosts"), "{shown}");
    assert!(!shown.contains('\u{1b}'));
    // Nothing is asked of a host that was not read.
    assert!(
        plan_for(&super::super::testing::playbook(), &[kesl_facts("a")]).unwrap().hosts[0]
            .protection
            .is_none()
    );
}

/// A scope whose waiver lets these products stay on every host.
fn waiving(products: &str, until: &str) -> Scope {
    let waiver = Waiver {
        hosts: "all".into(),
        product: products.into(),
        reason: "the new agent comes in March".into(),
        ticket: "CHG-7".into(),
        until: until.parse().unwrap(),
    };
    let list = WaiverList { file: "waivers.yml".into(), digest: "d".into(), waivers: vec![waiver] };
    Scope { profile: None, waivers: Some(list) }
}

fn plan_under(scope: Scope, facts: Facts) -> Plan {
    let playbook = playbook();
    let inventory = inventory(&[facts.host.as_str()]);
    let mut input = host_read(&playbook, &inventory.hosts[0], &facts);
    if let HostOutcome::Read { findings, .. } = &mut input.outcome {
        let now = "2026-06-15T12:00:00Z".parse().unwrap();
        crate::scope::Judge::new(&scope, now).judge(&facts.host, Some(&[]), findings);
    }
    make(&playbook, PlanSettings { scope, ..settings() }, &inventory, vec![input]).unwrap()
}

#[test]
fn what_is_waived_is_not_planned_and_nothing_waits_for_it() {
    let plan = plan_under(waiving("kesl", "2026-12-31"), kesl_facts("web01"));
    let found = host(&plan, "web01");
    assert_eq!(step_ids(found), ["klnagent/1"], "`klnagent` comes after `kesl`, which stays by choice");
    assert_eq!(found.gone_after, ["klnagent"]);
    assert_eq!(reason(found, "kesl"), "waived until 2026-12-31 by CHG-7: the new agent comes in March");
    let shown = show(&plan, 100);
    assert!(shown.contains("waivers: waivers.yml (1 waiver"), "{shown}");
    let not_planned = shown.split("NOT planned:").nth(1).unwrap();
    assert!(not_planned.contains("kesl: waived until 2026-12-31 by CHG-7"), "{shown}");
    let bytes = to_bytes(&plan);
    let read: Plan = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((&read, super::super::validate::defects(&read)), (&plan, vec![]));
    assert_eq!(read.scope, waiving("kesl", "2026-12-31"));
    let other = plan_under(Scope::default(), kesl_facts("web01"));
    assert!(diff(&other, &plan).contains("+ scope: waivers: waivers.yml"), "{}", diff(&other, &plan));
}

#[test]
fn a_waiver_that_is_over_is_told_and_plans_as_if_it_were_not_there() {
    let plan = plan_under(waiving("kesl", "2026-01-31"), kesl_facts("web01"));
    assert_eq!(host(&plan, "web01").gone_after, ["kesl", "klnagent"]);
    let shown = show(&plan, 100);
    assert!(shown.contains("waiver CHG-7 expired after 2026-01-31"), "{shown}");
}

#[test]
fn an_unknown_product_that_is_waived_holds_nothing_back() {
    let mut facts = kesl_facts("web01");
    facts.packages.gaps.push(Gap { reason: "rpm: cannot open Packages database".into(), remedy: None });
    let plan = plan_under(waiving("ks*", "2026-12-31"), facts.clone());
    assert!(reason(host(&plan, "web01"), "ksc").starts_with("waived until 2026-12-31 by CHG-7"));
    assert!(reason(host(&plan, "web01"), "ksc").contains("cannot open Packages database"));
    assert!(host(&plan, "web01").gone_after.contains(&"klnagent".to_owned()));
    let plan = plan_under(waiving("nothing", "2026-12-31"), facts);
    assert!(reason(host(&plan, "web01"), "klnagent").contains("`ksc` must go first"));
}

#[test]
fn a_path_that_a_waived_product_uses_is_not_taken_from_it() {
    let mut playbook = playbook();
    playbook.products.retain(|product| product.id == "kesl" || product.id == "klnagent");
    for product in &mut playbook.products {
        product.remove = vec![step(remove_path("/var/opt/kaspersky/kesl"))];
        product.after.clear();
    }
    let mut facts = kesl_facts("web01");
    let data = entry("/var/opt/kaspersky/kesl", PathKind::Directory);
    facts.paths.insert(data.path.clone(), complete(vec![data]));
    let inventory = inventory(&["web01"]);
    let mut input = host_read(&playbook, &inventory.hosts[0], &facts);
    let scope = waiving("kesl", "2026-12-31");
    if let HostOutcome::Read { findings, .. } = &mut input.outcome {
        let now = "2026-06-15T12:00:00Z".parse().unwrap();
        crate::scope::Judge::new(&scope, now).judge("web01", None, findings);
    }
    let plan = make(&playbook, settings(), &inventory, vec![input]).unwrap();
    let found = host(&plan, "web01");
    assert!(found.steps.is_empty());
    assert!(reason(found, "klnagent").contains("`/var/opt/kaspersky/kesl` of product `kesl`, which stays"));
}

#[test]
fn a_package_that_a_waived_product_has_is_not_taken_from_it() {
    let mut playbook = playbook();
    let agent = playbook.products.iter_mut().find(|product| product.id == "klnagent").unwrap();
    agent.remove = vec![step(remove_package(&["kl*", "kes*"]))];
    let facts = kesl_facts("web01");
    let planned = |scope: &Scope| {
        let inventory = inventory(&["web01"]);
        let mut input = host_read(&playbook, &inventory.hosts[0], &facts);
        if let HostOutcome::Read { findings, .. } = &mut input.outcome {
            let now = "2026-06-15T12:00:00Z".parse().unwrap();
            crate::scope::Judge::new(scope, now).judge("web01", None, findings);
        }
        make(&playbook, settings(), &inventory, vec![input]).unwrap()
    };
    let plan = planned(&waiving("kesl", "2026-12-31"));
    let stays = reason(host(&plan, "web01"), "klnagent");
    assert_eq!(stays, "step 1 (remove_package): package `kesl` is of product `kesl` too, which stays");
    assert!(host(&plan, "web01").steps.is_empty());
    assert_eq!(host(&planned(&Scope::default()), "web01").gone_after, ["kesl", "klnagent"]);
}

#[test]
fn a_plan_that_removes_what_its_scope_leaves_out_contradicts_itself() {
    let mut plan = plan_under(waiving("kesl", "2026-01-31"), kesl_facts("web01"));
    for finding in &mut plan.hosts[0].findings {
        finding.exemption.iter_mut().for_each(|exemption| exemption.kind = ExemptionKind::Waived);
    }
    let found = super::super::validate::defects(&plan).join("\n");
    assert!(found.contains("`kesl` is to be gone, and its scope leaves it out"), "{found}");
    plan.scope = waiving("k[", "2026-01-31");
    let found = super::super::validate::defects(&plan).join("\n");
    assert!(found.contains("`k[` in its scope"), "{found}");
}
