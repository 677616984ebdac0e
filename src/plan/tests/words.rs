use super::*;
use crate::model::scope::WaiverList;
use crate::playbook::{Budget, RebootPolicy};

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
    let changes: [Change; 20] = [
        |plan| plan.reboot = crate::playbook::RebootPolicy::PendingIsOk,
        |plan| plan.allowed.push("x".into()),
        |plan| plan.known_hosts.push("/k".into()),
        |plan| plan.questions.topics.clear(),
        |plan| plan.waves[0].parallel = Some(3),
        |plan| plan.hosts[0].connection.port = 2222,
        |plan| plan.hosts[0].identity.machine_id = Some("x".into()),
        |plan| plan.hosts[0].steps[0].script.push(' '),
        |plan| plan.hosts[0].steps.swap(0, 1),
        |plan| plan.hosts[0].findings[0].version = None,
        |plan| plan.hosts[0].findings[0].evidence.clear(),
        |plan| plan.require_protection = Some(package_check("mdatp")),
        |plan| plan.waves[0].soak = 60,
        |plan| plan.waves[0].approve = true,
        |plan| plan.waves[0].window = Some("Mon 22:00-05:00 UTC".parse().unwrap()),
        |plan| plan.hosts[0].reboot = Some(plan.hosts[0].steps[0].clone()),
        |plan| plan.hosts[0].protection = Some(protection(Truth::True)),
        |plan| plan.waves[0].max_unreachable = Some(Budget::Count(1)),
        |plan| plan.products[0].class = crate::model::ProductClass::Embedded,
        |plan| {
            let list = WaiverList { file: "waivers.yml".into(), digest: "d".into(), waivers: Vec::new() };
            plan.scope.waivers = Some(list);
        },
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut changed = plan.clone();
        change(&mut changed);
        assert!(!is_same(&plan, &changed), "{number}");
        let told = diff(&plan, &changed);
        assert_ne!(told, "no difference\n", "{number}");
        let is_vague = told.contains("the wording of evidence");
        assert_eq!(is_vague, number == 10, "only evidence is told without saying what: {number}: {told}");
    }
}

fn protection(holds: Truth) -> PlannedProtection {
    PlannedProtection { holds, reason: "package `mdatp`".into() }
}

#[test]
fn gates_reboots_and_protection_show_in_the_difference() {
    let mut old = plan_one(&playbook(), kesl_facts("a"));
    old.hosts[0].reboot = Some(PlannedStep { timeout: 1200, ..old.hosts[0].steps[0].clone() });
    old.hosts[0].protection = Some(protection(Truth::True));
    let mut new = old.clone();
    new.require_protection = Some(package_check("mdatp"));
    new.waves[0].soak = 1800;
    new.waves[0].approve = true;
    new.waves[0].window = Some("Mon..Thu 22:00-05:00 UTC".parse().unwrap());
    new.hosts[0].reboot = Some(PlannedStep { timeout: 60, ..old.hosts[0].steps[0].clone() });
    new.hosts[0].protection = Some(protection(Truth::False));
    insta::assert_snapshot!(diff(&old, &new));
}

#[test]
fn waves_are_shown_with_what_they_wait_for_and_their_budgets_in_hosts() {
    let required = Some(package_check("mdatp"));
    let playbook = Playbook {
        policy: Policy { reboot: RebootPolicy::IfNeeded, require_protection: required },
        ..playbook()
    };
    let mut plan = plan_for(&playbook, &[kesl_facts("a"), clean_facts("b"), clean_facts("c")]).unwrap();
    plan.hosts[1].protection = Some(protection(Truth::True));
    plan.hosts[2].protection = Some(protection(Truth::Unknown));
    plan.waves[0].soak = 1800;
    plan.waves[0].max_failures = Budget::Count(0);
    plan.waves[1].soak = 60;
    plan.waves[1].approve = true;
    plan.waves[1].max_unreachable = Some(Budget::Percent(5050));
    plan.waves[1].window = Some("Mon..Thu 22:00-05:00 America/New_York".parse().unwrap());
    insta::assert_snapshot!(show(&plan, 100));
}

/// A fleet as a change board meets it.
fn fleet() -> Plan {
    let mut playbook = playbook();
    let mut token = run("kesl-control --stop\nkesl-control --remove \"$TOKEN\"");
    if let Action::Run { env, accept, .. } = &mut token {
        env.insert("TOKEN".into(), "kes_password".to_owned().into());
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
