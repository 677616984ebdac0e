use super::testing::*;
use super::*;
use crate::facts::{Facts, Gap, Package, Privilege};
use crate::model::ProductState;
use crate::playbook::{Action, Check, PathKind, Playbook, Step, TextPattern, Unobeyed, Wave, WaveHosts};
use proptest::prelude::*;
use std::time::Duration;

fn host<'p>(plan: &'p Plan, name: &str) -> &'p PlannedHost {
    plan.hosts.iter().find(|host| host.name == name).unwrap()
}

fn step_ids(host: &PlannedHost) -> Vec<&str> {
    host.steps.iter().map(|step| step.id.as_str()).collect()
}

fn reason<'p>(host: &'p PlannedHost, product: &str) -> &'p str {
    &host.not_planned.iter().find(|entry| entry.product == product).unwrap().reason
}

fn plan_one(playbook: &Playbook, facts: Facts) -> Plan {
    plan_for(playbook, &[facts]).unwrap()
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
    facts.privilege = Privilege { uid: Some(1000), become_failed: None };
    assert!(reason(host(&plan_one(&playbook(), facts.clone()), "web01"), "kesl").contains("give `--become`"));
    facts.privilege.become_failed = Some("sudo: a password is required".into());
    assert!(reason(host(&plan_one(&playbook(), facts), "web01"), "kesl").contains("a password is required"));
}

#[test]
fn steps_for_a_person_need_no_root_and_run_as_nobody_special() {
    let mut facts = kesl_facts("web01");
    facts.privilege = Privilege { uid: Some(1000), become_failed: None };
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
        env.insert("TOKEN".into(), "kes_token".into());
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
    let gate = Action::Require { rule: holds.clone(), message: Some("no dpkg".into()) };
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
    let parent = "/var/opt/kaspersky";
    let mut playbook = playbook();
    // Two components and of no system: the product's own parent.
    let wide = "/opt/kaspersky";
    playbook.products[1].remove = vec![step(remove_path(wide)), step(remove_package(&["kesl*"]))];
    playbook.products[0].residue = Some(path_check("/opt/kaspersky/klnagent64"));
    let mut facts = kesl_facts("h");
    let directory = |path: &str| complete(vec![entry(path, PathKind::Directory)]);
    facts.paths.insert(wide.into(), directory(wide));
    facts.paths.insert("/opt/kaspersky/klnagent64".into(), directory("/opt/kaspersky/klnagent64"));
    let planned = plan_one(&playbook, facts.clone());
    assert_eq!(
        reason(host(&planned, "h"), "kesl"),
        "step 1 (remove_path): `/opt/kaspersky` holds `/opt/kaspersky/klnagent64` of product `klnagent`, \
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
    assert!(!parent.is_empty());
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
    playbook.unobeyed.push(Unobeyed { what: "key `soak` of wave `canary`".into(), place: place(40) });
    playbook.waves = vec![Wave {
        name: "canary".into(),
        hosts: WaveHosts::Pattern("nowhere".into()),
        parallel: None,
        max_failures: crate::playbook::Budget::Count(0),
        max_unreachable: None,
        place: Some(place(41)),
    }];
    let unsupported = Action::Unsupported { kind: "reboot".into(), arguments: BTreeMap::new() };
    playbook.products[1].remove.push(step(unsupported));
    // Two hosts make the same mistake: it is told once.
    let errors = plan_for(&playbook, &[kesl_facts("a"), kesl_facts("b")]).unwrap_err();
    let messages: Vec<&str> = errors.list.iter().map(|error| error.message.as_str()).collect();
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert!(errors.list.iter().all(|error| error.help.is_some() && error.place.is_some()));
    assert!(messages[0].contains("`soak`"));
    assert!(messages.iter().any(|message| message.contains("step `reboot` of product `kesl`")));
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

#[test]
fn the_file_comes_back_as_it_was_written_and_is_nobody_elses() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.plan");
    let plan = plan_one(&playbook(), kesl_facts("web01"));
    let written = write(&path, &plan, false).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (again, bytes, digest) = read(&path).unwrap();
    assert_eq!(again, plan);
    assert_eq!(bytes, to_bytes(&plan));
    assert_eq!(written, digest);
    assert_eq!(digest, super::digest(&bytes));
    assert_eq!(super::digest(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

    assert!(matches!(write(&path, &plan, false), Err(PlanError::Exists { .. })));
    write(&path, &plan, true).unwrap();
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing else is left in the directory");
    assert!(matches!(write(&directory.path().join("no/x"), &plan, false), Err(PlanError::Io { .. })));
}

/// Reads a plan file with this text.
fn read_text(text: &str) -> Result<Plan, PlanError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    read(file.path()).map(|(plan, _, _)| plan)
}

#[test]
fn an_edited_file_is_refused_wherever_it_was_edited() {
    let plan = plan_one(&playbook(), kesl_facts("web01"));
    let text = String::from_utf8(to_bytes(&plan)).unwrap();
    assert!(read_text(&text).is_ok());
    let edits = [
        ("\"uproot_plan\": 1,", "\"uproot_plan\": 1,\n \"surprise\": 1,"),
        ("\"check\":", "\"surprise\": 1, \"check\":"),
        ("\"machine_id\":", "\"surprise\": 1, \"machine_id\":"),
        ("\"timeout\": 300", "\"timeout\": 300.0"),
        ("\"settle\": 120", "\"settle\":  120"),
    ];
    for (from, to) in edits {
        assert!(text.contains(from), "{from}");
        let error = read_text(&text.replacen(from, to, 1)).unwrap_err();
        assert!(matches!(error, PlanError::NotAPlan { .. }), "{to}: {error}");
        assert!(error.to_string().contains("line"), "{error}");
    }
    for garbage in ["", "{", "[]", "{\"uproot_plan\": 0}", "{\"uproot_plan\": 1}", "not json"] {
        assert!(matches!(read_text(garbage), Err(PlanError::NotAPlan { .. })), "{garbage}");
    }
    let newer = read_text("{\"uproot_plan\": 2, \"anything\": []}").unwrap_err();
    assert!(newer.to_string().contains("made by a newer uproot"), "{newer}");
}

/// What reading says of a plan that was changed and written again.
fn defects_after(change: impl Fn(&mut Plan)) -> String {
    let mut plan = plan_for(&playbook(), &[kesl_facts("a"), clean_facts("b")]).unwrap();
    change(&mut plan);
    match read_text(&String::from_utf8(to_bytes(&plan)).unwrap()) {
        Err(PlanError::Invalid { defects, .. }) => defects.join("; "),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plan_that_contradicts_itself_is_refused() {
    let cases: [(&str, Box<dyn Fn(&mut Plan)>); 17] = [
        ("host `a` is in 0 waves", Box::new(|plan| plan.waves[0].hosts.clear())),
        ("host `a` is in 2 waves", Box::new(|plan| plan.waves[1].hosts.push("a".into()))),
        ("which the plan does not have", Box::new(|plan| plan.waves[1].hosts.push("x".into()))),
        ("wave `first` is there twice", Box::new(|plan| plan.waves[1].name = "first".into())),
        ("host `a` is there twice", Box::new(|plan| plan.hosts[1].name = "a".into())),
        ("product `kesl` is there twice", Box::new(|plan| plan.products[0].id = "kesl".into())),
        ("it has no script", Box::new(|plan| plan.hosts[0].steps[0].script.clear())),
        ("it has a script", Box::new(|plan| plan.hosts[0].steps[0].already_so = true)),
        ("step `kesl/1` is there twice", Box::new(|plan| plan.hosts[0].steps[1].id = "kesl/1".into())),
        ("it is not a number of product", Box::new(|plan| plan.hosts[0].steps[1].id = "other/1".into())),
        ("is no kind of step", Box::new(|plan| plan.hosts[0].steps[0].kind = "format_disk".into())),
        ("of a product that is not planned", Box::new(|plan| plan.hosts[0].gone_after.clear())),
        ("and was not found", Box::new(|plan| plan.hosts[1].gone_after.push("kesl".into()))),
        ("no time", Box::new(|plan| plan.hosts[0].steps[0].timeout = 0)),
        ("uses the secret `x`", Box::new(|plan| plan.hosts[0].steps[0].stdin = Some("x".into()))),
        ("uses the secret `y`", Box::new(|plan| plan.hosts[0].connection.password = Some("y".into()))),
        ("its machine is not known", Box::new(|plan| plan.hosts[0].identity = Default::default())),
    ];
    for (expected, change) in cases {
        let defects = defects_after(change);
        assert!(defects.contains(expected), "{expected}: {defects}");
    }
}

#[test]
fn plans_that_differ_only_in_who_made_them_when_are_the_same() {
    let plan = plan_one(&playbook(), kesl_facts("web01"));
    let later = Plan { id: "other".into(), created: jiff::Timestamp::UNIX_EPOCH, ..plan.clone() };
    assert!(is_same(&plan, &later));
    assert_eq!(diff(&plan, &later), "no difference\n");
}

#[test]
fn whatever_differs_is_told() {
    let old = plan_for(&playbook(), &[kesl_facts("a"), clean_facts("b"), kesl_facts("gone")]).unwrap();
    let mut playbook = playbook();
    playbook.products[1].settle = Duration::from_secs(60);
    playbook.products[1].residue = None;
    playbook.products[1].remove.remove(0);
    let mut upgraded = kesl_facts("a");
    upgraded.packages.items.retain(|package| package.name != "kesl-gui");
    for package in &mut upgraded.packages.items {
        if package.name == "kesl" {
            package.version = "12.2\u{1b}[31m".into();
        }
    }
    let new = plan_for(&playbook, &[upgraded, kesl_facts("b"), clean_facts("new")]).unwrap();
    assert!(!is_same(&old, &new));
    insta::assert_snapshot!(diff(&old, &new));
}

#[test]
fn every_change_of_a_plan_shows_in_the_difference() {
    let plan = plan_one(&playbook(), kesl_facts("a"));
    let changes: [Box<dyn Fn(&mut Plan)>; 12] = [
        Box::new(|plan| plan.reboot = crate::playbook::RebootPolicy::PendingIsOk),
        Box::new(|plan| plan.allowed.push("x".into())),
        Box::new(|plan| plan.known_hosts.push("/k".into())),
        Box::new(|plan| plan.questions.paths.clear()),
        Box::new(|plan| plan.questions.topics.clear()),
        Box::new(|plan| plan.waves[0].parallel = Some(3)),
        Box::new(|plan| plan.hosts[0].connection.port = 2222),
        Box::new(|plan| plan.hosts[0].identity.machine_id = Some("x".into())),
        Box::new(|plan| plan.hosts[0].steps[0].script.push(' ')),
        Box::new(|plan| plan.hosts[0].steps.swap(0, 1)),
        Box::new(|plan| plan.hosts[0].findings[0].version = None),
        Box::new(|plan| plan.hosts[0].findings[0].evidence.clear()),
    ];
    for (number, change) in changes.iter().enumerate().filter(|(number, _)| *number != 3) {
        let mut changed = plan.clone();
        change(&mut changed);
        assert!(!is_same(&plan, &changed), "{number}");
        assert!(diff(&plan, &changed).lines().count() >= 1, "{number}");
        assert_ne!(diff(&plan, &changed), "no difference\n", "{number}");
    }
}

/// A fleet as a change board meets it.
fn fleet() -> Plan {
    let mut playbook = playbook();
    let mut token = run("kesl-control --stop\nkesl-control --remove \"$TOKEN\"");
    if let Action::Run { env, accept, .. } = &mut token {
        env.insert("TOKEN".into(), "kes_password".into());
        *accept = vec![0, 3];
    }
    playbook.secrets = vec![secret("kes_password")];
    playbook.products[1].remove.insert(1, step(token));
    let running = Check::Process { name: None, exe: Some(pattern("/opt/kaspersky/kesl/**")) };
    playbook.products[1].detect = Rule::Any(vec![package_check("kesl"), Rule::Check(running)]);
    let inventory = inventory(&["web01", "web02", "web03", "db01", "lost", "alias"]);
    let mut unreadable = clean_facts("db01");
    unreadable.packages.gaps.push(Gap {
        reason: "`dpkg-query` failed: cannot open /var/lib/dpkg/status".into(),
        remedy: Some("--become".into()),
    });
    let mut third = kesl_facts("web03");
    third.packages.items.push(package("ksc64", "install ok installed"));
    third
        .packages
        .items
        .push(Package { version: "2.0\u{1b}[2J\u{202e}".into(), ..package("ksmg", "install ok installed") });
    third.services.items.retain(|service| service.name != "kesl");
    let all = [kesl_facts("web01"), kesl_facts("web02"), third, unreadable];
    let mut inputs: Vec<HostInput<'_>> =
        inventory.hosts.iter().zip(&all).map(|(host, facts)| host_read(&playbook, host, facts)).collect();
    inputs.push(unreachable(&inventory.hosts[4]));
    inputs.push(host_read(&playbook, &inventory.hosts[5], &all[0]));
    make(&playbook, settings(), &inventory, inputs).unwrap()
}

#[test]
fn a_plan_is_shown_for_a_change_board() {
    let shown = show(&fleet(), 80);
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "host strings are escaped");
    insta::assert_snapshot!(shown);
}

#[test]
fn a_thousand_hosts_alike_are_one_text() {
    let all: Vec<Facts> = (0..1000).map(|number| kesl_facts(&format!("web{number:04}"))).collect();
    let shown = show(&plan_for(&playbook(), &all).unwrap(), 80);
    assert_eq!(shown.matches("dpkg --purge kesl-gui kesl").count(), 2, "once for each wave");
    assert!(shown.contains("the same on each of these 999 hosts"));
}

/// A host with some of the products, some of them unknown.
fn some_host(name: &'static str) -> impl Strategy<Value = Facts> {
    let packages =
        prop::sample::subsequence(vec!["kesl", "kesl-gui", "klnagent", "ksc64", "ksmg", "a\nb"], 0..=6);
    (packages, any::<bool>(), any::<bool>(), any::<bool>(), 0..4u8).prop_map(
        move |(packages, residue, gap, root, uid)| {
            let mut facts = clean_facts(name);
            facts.packages.items.extend(packages.iter().map(|name| package(name, "install ok installed")));
            if residue {
                for id in ["kesl", "ksc"] {
                    let data = entry(&format!("/var/opt/kaspersky/{id}"), PathKind::Directory);
                    facts.paths.insert(data.path.clone(), complete(vec![data]));
                }
            }
            if gap {
                facts.packages.gaps.push(Gap { reason: "cut off".into(), remedy: None });
            }
            facts.privilege.uid = Some(if root { 0 } else { u32::from(uid) });
            facts
        },
    )
}

fn some_after() -> impl Strategy<Value = Vec<Vec<String>>> {
    // A product may come after those before it in a fixed order: never a circle.
    let ids = ["klnagent", "kesl", "ksc", "ksmg"];
    let after = |index: usize| {
        prop::sample::subsequence(ids[..index].to_vec(), 0..=index)
            .prop_map(|ids| ids.into_iter().map(str::to_owned).collect::<Vec<String>>())
    };
    (Just(Vec::new()), after(1), after(2), after(3)).prop_map(|(a, b, c, d)| vec![a, b, c, d])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_keeps_its_promises(
        a in some_host("a"),
        b in some_host("b"),
        after in some_after(),
        allow in any::<bool>(),
        order in Just(vec![0usize, 1, 2, 3]).prop_shuffle(),
    ) {
        let mut playbook = playbook();
        for (product, after) in playbook.products.iter_mut().zip(after) {
            product.after = after;
        }
        let products = order.iter().map(|index| playbook.products[*index].clone()).collect();
        let playbook = Playbook { products, ..playbook };
        let settings = || PlanSettings {
            allowed: if allow { vec!["administration-server".to_owned()] } else { Vec::new() },
            ..settings()
        };
        let hosts = [a, b];
        let plan = plan_with(&playbook, settings(), &hosts).unwrap();
        // The same input gives the same bytes, and they come back as they are.
        let bytes = to_bytes(&plan);
        prop_assert_eq!(&bytes, &to_bytes(&plan_with(&playbook, settings(), &hosts).unwrap()));
        prop_assert_eq!(&read_text(std::str::from_utf8(&bytes).unwrap()).unwrap(), &plan);
        // Every host is in exactly one wave.
        let mut in_waves: Vec<&String> = plan.waves.iter().flat_map(|wave| &wave.hosts).collect();
        in_waves.sort();
        prop_assert_eq!(in_waves, ["a", "b"]);
        for host in &plan.hosts {
            let state = |id: &str| host.findings.iter().find(|finding| finding.product == id).unwrap().result;
            for step in &host.steps {
                prop_assert!(matches!(state(&step.product), ProductState::Present | ProductState::Residue));
                prop_assert!(host.gone_after.contains(&step.product));
                prop_assert!(!step.script.contains("a\nb"));
            }
            for product in &playbook.products {
                let planned = host.gone_after.contains(&product.id);
                let listed = host.not_planned.iter().any(|entry| entry.product == product.id);
                // What is there is planned or has its reason, and never both.
                prop_assert_eq!(planned || listed, state(&product.id) != ProductState::Absent);
                prop_assert!(!(planned && listed));
                let first = host.steps.iter().position(|step| step.product == product.id);
                for earlier in &product.after {
                    let last = host.steps.iter().rposition(|step| &step.product == earlier);
                    if let (Some(first), Some(last)) = (first, last) {
                        prop_assert!(last < first, "{} before {earlier}", product.id);
                    }
                    // Not begun after one that is unknown.
                    prop_assert!(first.is_none() || state(earlier) != ProductState::Unknown);
                }
            }
        }
        // Both ways of telling agree.
        prop_assert_eq!(diff(&plan, &plan), "no difference\n");
        prop_assert!(show(&plan, 80).ends_with("\n"));
    }
}
