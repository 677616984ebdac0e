//! Uninstallers as they are: one kills its own connection, one detaches, one never ends, one reboots the
//! host, which then comes back late, as another machine, or never.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod lab;

use lab::{Host, Lab, NextBoot, Uninstaller, diff, scripted, scripted_entry};
use serde_json::Value;
use std::time::{Duration, Instant};

/// The status that asks for a reboot.
const REBOOT: u8 = 194;

fn host<'a>(report: &'a Value, name: &str) -> &'a Value {
    let hosts = report["hosts"].as_array().unwrap();
    hosts.iter().find(|host| host["host"] == name).unwrap_or_else(|| panic!("{report:#}"))
}

fn boot_id(host: &Host) -> String {
    host.exec_root("cat /proc/sys/kernel/random/boot_id").success()
}

/// Nothing of uproot is on the host.
#[track_caller]
fn expect_tidy(host: &Host) {
    let left = host.exec_root("ls -d /var/lib/[u]proot /root/.[u]proot 2>/dev/null; pgrep -fl [u]proot");
    assert_eq!(left.stdout, "", "{}", host.name());
}

/// Products whose uninstallers are odd; `driver` needs a reboot in the middle of its removal.
fn playbook(policy: &str) -> String {
    let mut products = scripted_entry("suite", "40s", &format!("reboot_codes: [{REBOOT}], timeout: 60s"));
    let effect = "effect: { not: { path: /opt/lasting/installed } }";
    products.push_str(&scripted_entry("lasting", "40s", effect));
    products.push_str(&scripted_entry("stuck", "0s", "timeout: 3s"));
    if policy == "if-needed" {
        let driver = scripted_entry("driver", "5s", "");
        let more =
            "      - reboot: the driver is loaded\n      - run: { command: /usr/lib/lab/log begin after }\n";
        products.push_str(&driver.replace("    settle", &format!("{more}    settle")));
    }
    let waves = "waves: [{ name: all, hosts: all, parallel: 20, max_failures: 100% }]\n";
    format!("uproot: 1\nname: odd\nproducts:\n{products}policy: {{ reboot: {policy} }}\n{waves}")
}

#[test]
fn odd_uninstallers_end_in_the_right_state() {
    let lab = Lab::new();
    let asks = || Uninstaller::AsksForReboot(REBOOT);
    let described = [
        ("cuts", "suite", Uninstaller::CutsConnections, None),
        ("detaches", "suite", Uninstaller::Detaches(20), None),
        ("lasts", "lasting", Uninstaller::Detaches(20), None),
        ("reboots", "suite", Uninstaller::Reboots, None),
        ("asks", "suite", asks(), None),
        ("late", "suite", asks(), Some(NextBoot::After(6))),
        ("gone", "suite", asks(), Some(NextBoot::Never)),
        ("staged", "driver", Uninstaller::Takes(0.1, 0), None),
        ("other-machine", "driver", Uninstaller::Takes(0.1, 0), Some(NextBoot::OtherMachineId)),
        ("other-key", "driver", Uninstaller::Takes(0.1, 0), Some(NextBoot::OtherHostKey)),
    ];
    let builders = described
        .iter()
        .map(|(name, product, uninstaller, _)| lab.host(name).provision(&scripted(product, uninstaller)));
    let mut hosts = lab.start_all(builders.collect());
    for (host, (.., next_boot)) in hosts.iter().zip(&described) {
        if let Some(next_boot) = next_boot {
            host.next_boot(*next_boot);
        }
    }
    let boots: Vec<String> = hosts.iter().map(boot_id).collect();
    let plan = lab.plan(&hosts, &playbook("if-needed"));
    let runs = lab.dir().join("runs");
    let runs = runs.to_str().unwrap();
    let limits = ["--reboot-timeout", "15", "--reconnect-timeout", "15"];
    let words = [&["apply", &plan, "--format", "json", "--runs", runs][..], &limits[..]].concat();
    let begin = Instant::now();
    let output = lab.uproot(&words).expect_code(3);
    assert!(begin.elapsed() > Duration::from_secs(20), "what detached was waited for");
    let report = output.json();

    for (number, name, rebooted, records) in [
        (0, "cuts", false, &["begin suite", "end suite 0"][..]),
        (1, "detaches", false, &["begin suite", "end suite 0", "later suite"]),
        (2, "lasts", false, &["begin lasting", "end lasting 0", "later lasting"]),
        (3, "reboots", true, &["begin suite", "shutdown -r now"]),
        (4, "asks", true, &["begin suite", "end suite 194", "shutdown -r now"]),
        (5, "late", true, &["begin suite", "end suite 194", "shutdown -r now"]),
        (7, "staged", true, &["begin driver", "end driver 0", "shutdown -r now", "begin after"]),
    ] {
        assert_eq!(host(&report, name)["state"], "removed", "{:#}", host(&report, name));
        assert_eq!(boot_id(&hosts[number]) != boots[number], rebooted, "{name}");
        let wrong = hosts[number].records().not_exactly_once(records);
        assert!(wrong.is_empty(), "{name}: {wrong:?}");
        expect_tidy(&hosts[number]);
    }

    let gone = host(&report, "gone");
    assert_eq!(gone["state"], "interrupted", "{gone:#}");
    assert!(!hosts[6].is_up());

    // Whoever answers at that address now is not the machine of the plan: nothing more is run on it.
    for (number, name) in [(8, "other-machine"), (9, "other-key")] {
        let state = &host(&report, name)["state"];
        assert!(state == "interrupted" || state == "drifted", "{:#}", host(&report, name));
        let wrong =
            hosts[number].records().not_exactly_once(&["begin driver", "end driver 0", "shutdown -r now"]);
        assert!(wrong.is_empty(), "{name}: {wrong:?}");
    }

    // The one that was switched on by hand at last is taken up where it was.
    hosts[6].boot();
    let words = ["apply", "--resume", "last", "--format", "json", "--runs", runs];
    let resumed = lab.uproot(&words).expect_code(3).json();
    assert_eq!(host(&resumed, "gone")["state"], "removed", "{:#}", host(&resumed, "gone"));
    let wrong = hosts[6].records().not_exactly_once(&["begin suite", "end suite 194", "shutdown -r now"]);
    assert!(wrong.is_empty(), "{wrong:?}");
    expect_tidy(&hosts[6]);
    lab.uproot(&["journal", "verify", "last", "--runs", runs]).expect_code(0);
}

#[test]
fn an_uninstaller_that_never_ends_keeps_its_host_until_somebody_breaks_the_lock() {
    let lab = Lab::new();
    let web = lab.host("web01").provision(&scripted("stuck", &Uninstaller::NeverEnds)).start();
    let plan = lab.plan([&web], &playbook("never"));
    let apply = |more: &[&str]| lab.uproot(&[&["apply", &plan, "--format", "json"][..], more].concat());
    let first = apply(&[]).expect_code(3).json();
    let told = host(&first, "web01");
    assert_eq!(told["state"], "interrupted", "{told:#}");
    assert!(told["steps"].to_string().contains("it has begun"), "what it said so far: {told:#}");
    let runs_on = || web.exec_root("pgrep -f 'sleep 100000'").status == 0;
    assert!(runs_on(), "it is not killed");
    assert_eq!(web.records().count("begin stuck"), 1);

    // While it runs the host belongs to that run.
    let before = web.snapshot();
    let second = apply(&[]).expect_code(3).json();
    let told = host(&second, "web01");
    assert_eq!(told["state"], "skipped", "{told:#}");
    let run = first["run"].as_str().unwrap();
    assert!(told["reason"].as_str().unwrap().contains(&run[..8]), "whose lock it is: {told:#}");
    assert!(told["remedy"].to_string().contains("--break-lock"), "{told:#}");
    assert_eq!(web.records().count("begin stuck"), 1);
    let changes: Vec<_> =
        diff(&before, &web.snapshot()).into_iter().filter(|line| !line.contains("/var/lib/uproot")).collect();
    assert_eq!(changes, [""; 0]);

    // Somebody mended the uninstaller and decides.
    web.install_scripted("stuck", &Uninstaller::Takes(0.2, 0));
    let third = apply(&["--break-lock"]).expect_code(0).json();
    assert_eq!(host(&third, "web01")["state"], "removed", "{third:#}");
    assert_eq!(web.records().count("end stuck 0"), 1);
    assert!(runs_on(), "what the other run left is not this one's to kill");
}

#[test]
fn a_reboot_that_uproot_must_not_make_is_pending_until_somebody_makes_it() {
    let lab = Lab::new();
    let provision = scripted("suite", &Uninstaller::AsksForReboot(REBOOT));
    for (policy, exit) in [("never", 3), ("pending-is-ok", 0)] {
        let mut web = lab.host(&format!("web-{policy}")).provision(&provision).start();
        let name = web.name().to_owned();
        let plan = lab.plan([&web], &playbook(policy));
        let report = lab.uproot(&["apply", &plan, "--format", "json"]).expect_code(exit).json();
        assert_eq!(host(&report, &name)["state"], "removed-reboot-pending", "{report:#}");
        assert_eq!(web.records().count("shutdown"), 0);
        expect_tidy(&web);
        web.restart();
        let (inventory, known_hosts) = (lab.inventory_file([&web]), lab.known_hosts());
        let playbook = lab.write("verified.yml", &playbook(policy));
        let [inventory, known_hosts, playbook] =
            [&inventory, &known_hosts, &playbook].map(|path| path.to_str().unwrap());
        let words = ["verify", "-i", inventory, "--known-hosts", known_hosts, "--playbook", playbook];
        let verified =
            lab.uproot(&[&words[..], &["--become", "--format", "json"]].concat()).expect_code(0).json();
        assert_eq!(host(&verified, &name)["state"], "clean", "{verified:#}");
    }
}
