//! Steps on a Mac that is a root directory of its own: facts, plan, the very scripts of the plan run by every shell that
//! `sh` may be there, facts again. The tools are stand-ins that keep their state and answer only what is recorded;
//! nothing here ran on a real Mac (docs/macos.md).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod facts_support;
mod living_mac;
#[path = "facts_support/mac.rs"]
mod mac;

use living_mac::{ACTIVE, KAV, MacFile, WAITS_FOR_REBOOT, extensions};
use mac::{Mac, SHELLS, newer_than_bash_3_2, shellcheck};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Output;
use uproot::detect::{ProductRules, evaluate, findings, only_extensions};
use uproot::facts::{Facts, Questions};
use uproot::inventory::{ConnectionKind, Host, Inventory, Sourced};
use uproot::model::event::StepResult;
use uproot::model::{HostState, Scope};
use uproot::plan::{HostInput, HostOutcome, Plan, PlanSettings, PlannedConnection, PlannedStep, make};
use uproot::playbook::{Playbook, read, read_catalogue};
use uproot::verify::{StepSummary, Verdict, after_apply, observed, with_extensions};

fn catalogue() -> Playbook {
    read_catalogue().unwrap_or_else(|wrong| panic!("{wrong}")).playbook
}

fn living(files: impl IntoIterator<Item = MacFile>) -> Mac {
    let mac = Mac::bare();
    for MacFile { path, text, runs } in living_mac::tools().into_iter().chain(files) {
        let path = path.trim_start_matches('/');
        if runs { mac.tool_as_is(path, &text) } else { mac.write(path, &text) }
    }
    mac
}

fn facts(mac: &Mac, playbook: &Playbook) -> Facts {
    let mut facts = mac.facts(SHELLS[0], &Questions::of_playbook(playbook));
    facts.host = "mac01".to_owned();
    facts
}

fn plan(playbook: &Playbook, facts: &Facts) -> Plan {
    let sourced = |value: &str| Sourced { value: value.to_owned(), origin: "hosts.yml:1:1".to_owned() };
    let host = Host {
        name: facts.host.clone(),
        address: sourced("10.0.0.1"),
        port: Sourced { value: 22, origin: "default".to_owned() },
        user: Some(sourced("root")),
        connection: Sourced { value: ConnectionKind::Ssh, origin: "default".to_owned() },
        platform: None,
        key: None,
        password: None,
        become_method: None,
        become_password: None,
        groups: BTreeSet::new(),
        place: None,
    };
    let connection = PlannedConnection {
        kind: "ssh".to_owned(),
        address: "10.0.0.1".to_owned(),
        port: 22,
        user: Some("root".to_owned()),
        platform: None,
        key: None,
        password: None,
        become_method: None,
        become_password: None,
    };
    let all = BTreeSet::from([host.name.clone()]);
    let inventory = Inventory { hosts: vec![host], groups: BTreeMap::from([("all".to_owned(), all)]) };
    let found = findings(playbook.products.iter().map(ProductRules::from), facts);
    let Verdict { state, reason, remedy } = observed(&found, facts);
    let outcome = HostOutcome::Read { facts, findings: found, state, reason, remedy };
    let input = HostInput { host: &inventory.hosts[0], connection, outcome };
    let settings = PlanSettings {
        id: "01970000-0000-7000-8000-000000000000".to_owned(),
        created: "2026-03-04T05:06:07Z".parse().unwrap(),
        operator: "ivan@ops".to_owned(),
        questions: Questions::of_playbook(playbook),
        secrets: BTreeMap::new(),
        known_hosts: Vec::new(),
        allowed: Vec::new(),
        scope: Scope::default(),
    };
    make(playbook, settings, &inventory, vec![input]).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// What a step that was run said, for messages.
fn said(step: &PlannedStep, output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{} ({}): {:?}\n{}{}",
        step.id,
        step.summary,
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )
}

/// Runs the steps as `apply` does, but for the wrapper: a condition is asked, a script run, its effect looked at.
fn carry_out(mac: &Mac, shell: &str, plan: &Plan) -> Vec<StepSummary> {
    let mut done = Vec::new();
    for step in &plan.hosts[0].steps {
        let holds = |rule| {
            let facts = mac.facts(shell, &Questions::of_rules([rule]));
            let evaluation = evaluate(rule, &facts);
            assert!(evaluation.truth.is_true(), "{shell} {}: {:#?}", step.id, evaluation.leaves);
        };
        step.condition.iter().for_each(holds);
        let result = if step.already_so { StepResult::AlreadySo } else { StepResult::Done };
        if !step.already_so && !step.script.is_empty() {
            let output = mac.run(shell, &step.script);
            let status = output.status.code().unwrap();
            assert!(step.accept.contains(&status), "{shell} {}", said(step, &output));
            step.effect.iter().for_each(holds);
        }
        done.push(StepSummary {
            id: step.id.clone(),
            product: step.product.clone(),
            result,
            reboot_needed: false,
            reason: None,
        });
    }
    done
}

fn calls(mac: &Mac) -> String {
    std::fs::read_to_string(mac.root().join("recorded/calls")).unwrap()
}

fn there(mac: &Mac, path: &str) -> bool {
    PathBuf::from(format!("{}{path}", mac.root().display())).symlink_metadata().is_ok()
}

/// The whole job, as the catalogue has it, by one shell; `after` is what becomes of the extension.
fn whole_job(shell: &str, after: Option<&str>) -> (Mac, Verdict) {
    let playbook = catalogue();
    let mac = living(living_mac::product(after));
    // `/var` is a link on a Mac.
    mac.write("private/var/log/kav_daemon_stdout.log", "");
    std::os::unix::fs::symlink("../private/var/log", mac.root().join("var/log")).unwrap();
    let before = facts(&mac, &playbook);
    let plan = plan(&playbook, &before);
    let host = &plan.hosts[0];
    assert_eq!(host.state, HostState::Present, "{}", host.reason);
    assert_eq!(host.gone_after, ["kes-mac", "kaspersky-common-mac"], "{:#?}", host.not_planned);
    let steps = carry_out(&mac, shell, &plan);
    let after = facts(&mac, &playbook);
    let found = findings(playbook.products.iter().map(ProductRules::from), &after);
    let left = only_extensions(playbook.products.iter().map(ProductRules::from), &found, &after);
    let verdict = after_apply(&host.findings, &steps, Some((&found, &after)), &host.gone_after);
    (mac, with_extensions(verdict, &found, &left))
}

#[test]
fn endpoint_security_is_removed_by_its_own_uninstaller_and_what_it_leaves_goes_too() {
    for shell in SHELLS {
        let (mac, verdict) = whole_job(shell, None);
        assert_eq!(verdict.state, HostState::Removed, "{shell}: {}", verdict.reason);
        for gone in [
            "/Applications/Kaspersky Endpoint Security.app",
            KAV,
            "/Library/LaunchAgents/com.kaspersky.kav.gui.plist",
            "/Users/anna/Library/Preferences/com.kaspersky.kav.plist",
            "/private/var/log/kav_daemon_stdout.log",
        ] {
            assert!(!there(&mac, gone), "{shell} {gone}");
        }
        for stays in
            ["/Library/LaunchDaemons/com.vendor.other.plist", "/Users/anna/Library/LaunchAgents/readme"]
        {
            assert!(there(&mac, stays), "{shell} {stays}");
        }
        let receipts = std::fs::read_to_string(mac.root().join("recorded/pkgs")).unwrap();
        assert_eq!(receipts, "com.apple.files.data-template\ncom.vendor.other\n", "{shell}");
        let calls = calls(&mac);
        assert_eq!(calls.matches("uninstalled").count(), 1, "{shell}: {calls}");
        assert!(!calls.contains("other"), "{shell}: {calls}");
    }
}

#[test]
fn an_extension_that_goes_with_the_next_boot_leaves_only_that_reboot_to_come() {
    let (_, verdict) = whole_job(SHELLS[0], Some(WAITS_FOR_REBOOT));
    assert_eq!(verdict.state, HostState::RemovedRebootPending, "{}", verdict.reason);
    assert!(verdict.reason.contains(WAITS_FOR_REBOOT), "{}", verdict.reason);
}

#[test]
fn an_extension_that_is_still_active_is_residue_with_who_can_remove_it() {
    let (mac, verdict) = whole_job(SHELLS[1], Some(ACTIVE));
    assert_eq!(verdict.state, HostState::Residue, "{}", verdict.reason);
    assert!(verdict.reason.contains("still active: com.kaspersky.kav.sysext"), "{}", verdict.reason);
    assert!(verdict.remedy.unwrap().contains("RemovableSystemExtensions"));
    // A second plan has nothing to do about it, and says so.
    let playbook = catalogue();
    let again = plan(&playbook, &facts(&mac, &playbook));
    assert_eq!(again.hosts[0].steps, []);
    let why = &again.hosts[0].not_planned[0];
    assert_eq!(why.product, "kaspersky-common-mac");
    assert!(why.reason.contains("still active"), "{}", why.reason);
    mac.write("recorded/extensions", &extensions(Some(WAITS_FOR_REBOOT)));
    let again = plan(&playbook, &facts(&mac, &playbook));
    assert!(again.hosts[0].not_planned[0].reason.contains("restart the host"));
}

#[test]
fn every_generated_script_is_posix_and_not_newer_than_bash_3_2() {
    let playbook = catalogue();
    let mac = living(living_mac::product(None));
    let whole = plan(&playbook, &facts(&mac, &playbook));
    // A job that runs, and processes that may.
    mac.write("recorded/jobs", "system 213 com.apple.logd\nsystem 512 com.kaspersky.kav\n");
    let mine = site(STEPS);
    let mut known = facts(&mac, &mine);
    known.processes.gaps.push(uproot::facts::Gap { reason: "not all".to_owned(), remedy: None });
    let mine = plan(&mine, &known);
    let steps: Vec<&PlannedStep> = whole.hosts[0].steps.iter().chain(&mine.hosts[0].steps).collect();
    let kinds: BTreeSet<&str> =
        steps.iter().filter(|step| !step.script.is_empty()).map(|step| step.kind.as_str()).collect();
    for kind in [
        "stop_service",
        "delete_service",
        "kill_process",
        "remove_path",
        "forget_receipt",
        "remove_certificate",
        "run",
        "reboot",
    ] {
        assert!(kinds.contains(kind), "{kind} is not among {kinds:?}");
    }
    let complaints: Vec<String> = steps
        .iter()
        .filter(|step| !step.script.is_empty())
        .flat_map(|step| {
            let newer = newer_than_bash_3_2(&step.script).join("\n");
            [shellcheck(&step.script), newer].map(|said| (&step.id, said))
        })
        .filter(|(_, said)| !said.is_empty())
        .map(|(id, said)| format!("{id}: {said}"))
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// A playbook of one product with these steps.
fn site(steps: &str) -> Playbook {
    let text = format!(
        "uproot: 1\nname: site\npolicy: {{ reboot: if-needed }}\nproducts:\n  - id: kav\n    name: Kav\n    platforms: [macos]\n    \
         detect:\n      any:\n        - receipt: \"com.kaspersky.kav.*\"\n        - path: {KAV}\n    remove:\n{steps}"
    );
    let file = tempfile::Builder::new().suffix(".yml").tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    read(file.path()).unwrap_or_else(|wrong| panic!("{wrong}")).playbook
}

/// The plan for a Mac with the product by a playbook with these steps, and a change to the Mac before.
fn planned(steps: &str, change: impl Fn(&Mac)) -> (Mac, Plan) {
    let playbook = site(steps);
    let mac = living(living_mac::product(None));
    change(&mac);
    let plan = plan(&playbook, &facts(&mac, &playbook));
    (mac, plan)
}

/// The one step with a script.
fn script(plan: &Plan) -> &str {
    let why = &plan.hosts[0].not_planned;
    let mut scripts =
        plan.hosts[0].steps.iter().map(|step| step.script.as_str()).filter(|text| !text.is_empty());
    let script = scripts.next().unwrap_or_else(|| panic!("{why:#?}"));
    assert_eq!(scripts.next(), None);
    script
}

fn refusal(plan: &Plan) -> &str {
    assert!(plan.hosts[0].steps.is_empty(), "{:#?}", plan.hosts[0].steps);
    &plan.hosts[0].not_planned[0].reason
}

/// A step of each kind that has a script on macOS.
const STEPS: &str = "      - stop_service: com.kaspersky.kav
      - delete_service: com.kaspersky.kav.gui
      - kill_process: { exe: /Library/Application Support/Kaspersky Lab/KAV/Binaries/kav }
      - run: { command: 'true', when: { path: /Library/Application Support/Kaspersky Lab/KAV } }
      - remove_certificate: Kaspersky
      - remove_path: /Library/Application Support/Kaspersky Lab/KAV
      - forget_receipt: 'com.kaspersky.kav.*'
      - reboot: needed
";

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_job_is_unloaded_where_it_is_loaded_and_loses_its_own_file_only() {
    for shell in SHELLS {
        let steps = "      - delete_service: com.kaspersky.kav.gui\n";
        let (mac, plan) = planned(steps, |mac| {
            let jobs =
                "system 213 com.apple.logd\nsystem - com.kaspersky.kav\ngui/501 77 com.kaspersky.kav.gui\n";
            mac.write("recorded/jobs", &format!("{jobs}gui/502 78 com.kaspersky.kav.gui.other\n"));
            mac.write("recorded/sessions", "  501\n  502\n  501\n");
        });
        let output = mac.run(shell, script(&plan));
        assert!(output.status.success(), "{shell} {}", words(&output));
        let jobs = std::fs::read_to_string(mac.root().join("recorded/jobs")).unwrap();
        assert!(jobs.contains("com.kaspersky.kav\n") && jobs.contains("gui/502 78"), "{shell}: {jobs}");
        assert!(!jobs.contains("gui/501"), "{shell}: {jobs}");
        assert!(!there(&mac, "/Library/LaunchAgents/com.kaspersky.kav.gui.plist"), "{shell}");
        assert!(there(&mac, "/Library/LaunchDaemons/com.kaspersky.kav.plist"), "{shell}");
    }
}

#[test]
fn a_job_that_stays_loaded_keeps_its_file() {
    let steps = "      - delete_service: com.kaspersky.kav\n";
    let (mac, plan) = planned(steps, |mac| mac.write("recorded/stays-loaded", ""));
    mac.tool("bin/sleep", "exit 0");
    let output = mac.run(SHELLS[0], script(&plan));
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("stays loaded: bootout ended with status 5"), "{}", words(&output));
    assert!(there(&mac, "/Library/LaunchDaemons/com.kaspersky.kav.plist"));
}

#[test]
fn what_macos_may_not_lose_is_refused_when_planned() {
    let cases = [
        ("stop_service: com.apple.logd", "a job of Apple's"),
        ("forget_receipt: 'com.*.files.*'", "a receipt of Apple's"),
        ("remove_path: /System/Library/CoreServices/Finder.app", "macOS's own"),
        ("remove_user: anna", "deletes no account on macOS"),
        ("remove_scheduled_task: kavtask", "does not read cron's tables"),
    ];
    for (step, why) in cases {
        let (_, plan) = planned(&format!("      - {step}\n"), |_| {});
        assert!(refusal(&plan).contains(why), "{step}: {}", refusal(&plan));
    }
}

/// What comes over a Mac after the plan was made.
type Change<'c> = &'c dyn Fn(&Mac);

#[test]
fn a_path_stays_where_another_product_a_home_or_a_disk_is() {
    let own = format!("com.kaspersky.kav.core {KAV}\n");
    let mount =
        |at: &str| format!("cat <<'E'\n/dev/disk3s1s1 on / (apfs, sealed)\n/dev/disk9 on {at} (hfs)\nE");
    let cases: [(&str, Change<'_>); 6] = [
        ("receipt com.vendor.other owns it", &|mac| {
            mac.write("recorded/owners", &format!("{own}com.vendor.other {KAV}\n"));
        }),
        ("its receipts cannot be asked for", &|mac| mac.tool("usr/sbin/pkgutil", "exit 1")),
        ("its receipts cannot be asked for", &|mac| mac.tool("usr/sbin/pkgutil", "exit 0")),
        ("a home is there", &|mac| mac.write("recorded/homes", &format!("kav          {KAV}/Data\n"))),
        ("a file system is mounted there", &|mac| mac.tool("sbin/mount", &mount(&format!("{KAV}/Data")))),
        ("it cannot be told what is mounted", &|mac| mac.tool("sbin/mount", "exit 0")),
    ];
    for (index, (why, change)) in cases.iter().enumerate() {
        // It was otherwise when it was planned.
        let (mac, plan) = planned(&format!("      - remove_path: {KAV}\n"), |_| {});
        change(&mac);
        let output = mac.run(SHELLS[index % SHELLS.len()], script(&plan));
        assert_eq!(output.status.code(), Some(1), "{why}");
        assert!(words(&output).contains(why), "{why}: {}", words(&output));
        assert!(there(&mac, &format!("{KAV}/Data/blregistry.xml")), "{why}");
    }
}

#[test]
fn a_link_that_was_put_in_the_way_is_not_followed() {
    let (mac, plan) = planned(&format!("      - remove_path: {KAV}\n"), |_| {});
    let moved = mac.root().join("Users/anna/KAV");
    let place = mac.root().join(KAV.trim_start_matches('/'));
    std::fs::rename(&place, &moved).unwrap();
    std::os::unix::fs::symlink("/Users/anna/KAV", &place).unwrap();
    assert!(mac.run(SHELLS[0], script(&plan)).status.success());
    assert!(!there(&mac, KAV) && moved.join("Data/blregistry.xml").exists(), "the link alone goes");
    // A link above it leads elsewhere than was planned.
    let (mac, plan) = planned(&format!("      - remove_path: {KAV}\n"), |_| {});
    let lab = mac.root().join("Library/Application Support/Kaspersky Lab");
    std::fs::rename(&lab, mac.root().join("Users/anna/lab")).unwrap();
    std::os::unix::fs::symlink("/Users/anna/lab", &lab).unwrap();
    let output = mac.run(SHELLS[1], script(&plan));
    assert!(words(&output).contains("not at"), "{}", words(&output));
    assert!(there(&mac, "/Users/anna/lab/KAV/Data/blregistry.xml"));
}

#[test]
fn processes_of_the_executable_end_and_no_others() {
    let steps = format!("      - kill_process: {{ exe: {KAV}/Binaries/kav }}\n");
    for shell in SHELLS {
        let (mac, _) = planned(&steps, |_| {});
        std::fs::copy(
            mac.root().join("bin/dash"),
            mac.root().join(KAV.trim_start_matches('/')).join("Binaries/kav"),
        )
        .unwrap();
        mac.tool_as_is("kav.sh", "#!/bin/sh\nwhile :; do sleep 1; done\n");
        assert!(
            std::process::Command::new("chmod")
                .arg("755")
                .arg(mac.root().join(format!("{}/Binaries/kav", KAV.trim_start_matches('/'))))
                .status()
                .unwrap()
                .success()
        );
        // Planned without having seen it run: an exact path is looked for all the same.
        let playbook = site(&steps);
        let mut known = facts(&mac, &playbook);
        known.processes.gaps.push(uproot::facts::Gap { reason: "not all".to_owned(), remedy: None });
        let plan = plan(&playbook, &known);
        let whole = format!(
            "'{KAV}/Binaries/kav' -c 'while :; do sleep 1; done' &\none=$!\n\
             /bin/dash -c 'while :; do sleep 1; done' '{KAV}/Binaries/kav' &\nother=$!\nsleep 1\n\
             (\n{}\n)\nstatus=$?\nsleep 1\nkill -0 \"$one\" 2>/dev/null && echo one\n\
             kill -0 \"$other\" && echo other\nkill \"$other\"\nexit \"$status\"\n",
            script(&plan)
        );
        let output = mac.run(shell, &whole);
        assert!(output.status.success(), "{shell} {}", words(&output));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "other\n", "{shell} {}", words(&output));
    }
}

#[test]
fn a_certificate_goes_by_the_hash_that_every_macos_takes() {
    let steps = "      - remove_certificate: Kaspersky\n";
    for shell in SHELLS {
        let (mac, plan) = planned(steps, |_| {});
        let output = mac.run(shell, script(&plan));
        assert!(output.status.success(), "{shell} {}", words(&output));
        let left = std::fs::read_dir(mac.root().join("recorded/certificates")).unwrap().count();
        assert_eq!(left, 1, "{shell}: {}", calls(&mac));
        // Once more there is nothing to do.
        assert!(mac.run(shell, script(&plan)).status.success());
        assert_eq!(calls(&mac).matches("delete-certificate").count(), 1, "{shell}");
    }
    let (mac, plan) = planned(steps, |mac| mac.write("recorded/old-security", ""));
    let output = mac.run(SHELLS[0], script(&plan));
    assert!(words(&output).contains("does not tell the SHA-256"), "{}", words(&output));
    assert_eq!(std::fs::read_dir(mac.root().join("recorded/certificates")).unwrap().count(), 2);
}

#[test]
fn an_uninstaller_that_fails_keeps_its_status_and_words() {
    let playbook = catalogue();
    let mac = living(living_mac::product(None));
    mac.write("recorded/uninstaller-fails", "");
    let plan = plan(&playbook, &facts(&mac, &playbook));
    let step = plan.hosts[0].steps.iter().find(|step| step.id == "kes-mac/1").unwrap();
    let output = mac.run(SHELLS[0], &step.script);
    assert_eq!(output.status.code(), Some(4));
    assert!(words(&output).contains("the product is protected"));
}

#[test]
fn where_the_uninstaller_is_missing_a_person_must_act() {
    let playbook = catalogue();
    let mac = living(living_mac::product(None));
    mac.remove(&format!("{}/Binaries/UninstallScript", KAV.trim_start_matches('/')));
    let plan = plan(&playbook, &facts(&mac, &playbook));
    let step = &plan.hosts[0].steps[0];
    assert_eq!((step.kind.as_str(), step.script.as_str()), ("manual", ""));
    assert!(step.instructions.as_deref().unwrap().contains("kavremover-mac"));
}
