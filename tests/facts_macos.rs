//! The script on a root directory that answers as a Mac does, by every shell that may be `sh` there. Nothing
//! here ran on a real Mac: the tools are stubs that print recorded answers (docs/macos.md).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod facts_support;
#[path = "facts_support/mac.rs"]
mod mac;

use facts_support::{is_complete, is_root, json};
use mac::{EXTENSIONS, Mac, SHELLS, newer_than_bash_3_2, plist, questions, shellcheck};
use std::process::Command;
use uproot::facts::{Facts, PendingReboot, Topic};
use uproot::model::Platform;

/// The listings that a Mac answers, by name in a document.
const LISTINGS: [&str; 9] = [
    "services",
    "processes",
    "kernel_modules",
    "certificates",
    "users",
    "groups",
    "receipts",
    "system_extensions",
    "apps",
];

#[track_caller]
fn gaps(facts: &Facts, listing: &str) -> String {
    json(facts)[listing]["gaps"].to_string()
}

#[test]
fn a_whole_mac_is_told_wholly_by_every_shell() {
    let mac = Mac::new();
    let mut first: Option<serde_json::Value> = None;
    for shell in SHELLS {
        let facts = mac.facts(shell, &questions());
        let mut document = json(&facts);
        for listing in LISTINGS.iter().chain(&["mounts"]) {
            assert!(is_complete(&document[*listing]), "{shell} {listing}: {}", document[*listing]["gaps"]);
        }
        for (path, listing) in facts.paths.iter() {
            assert_eq!(listing.gaps, [], "{shell} {path}");
        }
        document["processes"]["items"].take();
        match &first {
            None => first = Some(document),
            Some(expected) => assert_eq!(&document, expected, "{shell}"),
        }
    }
    let facts = mac.facts(SHELLS[0], &questions());
    assert_eq!(facts.platform, Some(Platform::Macos));
    assert_eq!(facts.os.hostname, "mac17.example.org");
    assert_eq!((facts.os.id.as_deref(), facts.os.version_id.as_deref()), (Some("macos"), Some("14.1")));
    assert_eq!(facts.os.pretty_name.as_deref(), Some("macOS 14.1 (23B74)"));
    assert_eq!((facts.os.kernel_release.as_str(), facts.os.arch.as_str()), ("23.1.0", "arm64"));
    assert_eq!(facts.identity.dmi_uuid.as_deref(), Some("8a1b2c3d-4e5f-5a6b-8c7d-9e0f1a2b3c4d"));
    assert_eq!(facts.boot.boot_id.as_deref(), Some("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"));
    assert!(matches!(facts.pending_reboot, PendingReboot::Unknown(_)));
    assert!(facts.mounts.items.contains(&"/Volumes/My Disk (1)".to_owned()), "{:?}", facts.mounts.items);
    // The serial number does not leave the host.
    assert!(!uproot::facts::document::to_json(&facts).contains("C02XXXXXXXXX"));
}

#[test]
fn each_listing_has_what_is_there() {
    let facts = Mac::new().facts("/bin/bash --posix", &questions());
    let services: Vec<(&str, Option<&str>, Option<&str>)> = facts
        .services
        .items
        .iter()
        .map(|service| (service.name.as_str(), service.file.as_deref(), service.active.as_deref()))
        .filter(|(name, ..)| !name.starts_with("com.apple."))
        .collect();
    let daemon = Some("/Library/LaunchDaemons/com.kaspersky.kav.plist");
    assert_eq!(
        services,
        [
            ("com.kaspersky.kav", daemon, Some("active")),
            ("com.kaspersky.kav.gui", Some("/Library/LaunchAgents/com.kaspersky.kav.gui.plist"), None),
            ("com.vendor.idle", Some("/Library/LaunchDaemons/odd-name.plist"), Some("inactive")),
            ("com.vendor.loaded-without-a-file", None, Some("inactive")),
            ("com.vendor.own.agent", Some("/Users/anna/Library/LaunchAgents/own.plist"), None),
        ]
    );
    let receipts: Vec<_> = facts
        .receipts
        .items
        .iter()
        .map(|receipt| (receipt.id.as_str(), receipt.version.as_deref()))
        .collect();
    assert_eq!(receipts.len(), 3);
    assert_eq!(receipts[2], ("com.kaspersky.kav.core", Some("12.1.0.553")));
    let extension = &facts.system_extensions.items[1];
    assert_eq!((extension.id.as_str(), extension.team.as_str()), ("com.kaspersky.kav.sysext", "2Y8XE5CQ94"));
    assert_eq!((extension.version.as_str(), extension.state.as_str()), ("1.0/14", "activated enabled"));
    let kexts: Vec<&str> = facts.kernel_modules.items.iter().map(|kext| kext.name.as_str()).collect();
    assert_eq!(kexts, ["com.apple.kpi.bsd", "com.apple.kpi.dsep", "com.kaspersky.kext.klif"]);
    let apps: Vec<_> = facts
        .apps
        .items
        .iter()
        .map(|app| (app.path.rsplit('/').next().unwrap(), app.id.as_deref(), app.version.as_deref()))
        .collect();
    assert_eq!(
        apps,
        [
            ("Empty.app", None, None),
            ("Kaspersky Endpoint Security.app", Some("com.kaspersky.kav_app"), Some("12.1.0")),
            ("Tool.app", Some("com.vendor.tool"), None),
            ("Wrapped.app", Some("com.vendor.phone"), None),
            ("Finder.app", Some("com.apple.finder"), Some("14.1")),
            ("Own.app", Some("com.vendor.own"), Some("1.0")),
        ]
    );
    let account = |name: &str| facts.users.items.iter().find(|user| user.name == name).unwrap().id;
    assert_eq!((account("anna"), account("nobody")), (501, 4_294_967_294));
    assert!(facts.groups.items.iter().any(|group| group.name == "wheel" && group.id == 0));
    assert_eq!(facts.certificates.items[0].file, "/Library/Keychains/System.keychain");
    assert!(facts.certificates.items[0].subject.contains("Kaspersky Anti-Virus Personal Root"));
    let process = |pid: u32| facts.processes.items.iter().find(|process| process.pid == pid).unwrap();
    let kav = "/Library/Application Support/Kaspersky Lab/KAV/Binaries/kav";
    assert_eq!((process(512).name.as_str(), process(512).exe.as_deref()), ("kav", Some(kav)));
    assert_eq!(process(600).name, "Google Chrome Helper");
    assert_eq!((process(601).name.as_str(), process(601).exe.as_deref()), ("zsh", None));
    // What calls itself something else than the kernel does is not believed.
    assert_eq!((process(602).name.as_str(), process(602).exe.as_deref()), ("com.vendor.long", None));
    assert_eq!(process(602).uid, Some(4_294_967_294));
    let below = "/Library/Application Support/Kaspersky Lab/**";
    assert_eq!(facts.paths[below].items.len(), 2);
    assert_eq!(facts.paths["/Users/*/Library/Preferences/com.kaspersky.*"].items.len(), 1);
    assert_eq!(facts.paths["/nowhere"].items, []);
    let file = "/Library/Application Support/Kaspersky Lab/KAV/version";
    assert_eq!(facts.files[file].items[0].text, "12.1.0.553\n");
}

/// The tool of each listing.
const TOOLS: [(&str, &str); 9] = [
    ("bin/launchctl", "services"),
    ("bin/ps", "processes"),
    ("usr/bin/kmutil", "kernel_modules"),
    ("usr/bin/security", "certificates"),
    ("usr/bin/dscl", "users"),
    ("usr/bin/dscl", "groups"),
    ("usr/sbin/pkgutil", "receipts"),
    ("usr/bin/systemextensionsctl", "system_extensions"),
    ("usr/libexec/PlistBuddy", "apps"),
];

/// What a tool may do instead of answering.
const HOSTILE: [(&str, &str); 6] = [
    ("silent", "exit 0"),
    ("failing", "exit 1"),
    ("garbage", "head -c 4000 /proc/self/maps"),
    ("control characters", "printf 'com.apple.\\033[2J\\001\\377\\n\\t\\t\\n'"),
    ("killed", "kill -9 $$"),
    ("complaining", "echo 'cannot connect to the server' >&2"),
];

#[test]
fn a_tool_that_does_not_answer_leaves_a_gap_and_never_absence() {
    // One that reads property lists tells of jobs too: it is alone in its round.
    let is_reader = |tool: &str| tool.ends_with("PlistBuddy");
    let rounds: [Vec<_>; 2] =
        [false, true].map(|reader| TOOLS.into_iter().filter(|(tool, _)| is_reader(tool) == reader).collect());
    for tools in rounds {
        for (index, (what, body)) in HOSTILE.iter().enumerate() {
            let mac = Mac::new();
            tools.iter().for_each(|(tool, _)| mac.tool(tool, body));
            let facts = json(&mac.facts(SHELLS[index % SHELLS.len()], &questions()));
            for (tool, listing) in &tools {
                assert!(!is_complete(&facts[*listing]), "{tool} {what}: {}", facts[*listing]);
            }
        }
        let mac = Mac::new();
        tools.iter().for_each(|(tool, _)| {
            let _ = std::fs::remove_file(mac.root().join(tool));
        });
        let facts = json(&mac.facts(SHELLS[1], &questions()));
        for (tool, listing) in &tools {
            assert!(!is_complete(&facts[*listing]), "without {tool}: {}", facts[*listing]);
        }
    }
}

#[test]
fn a_stub_without_what_every_mac_has_is_no_answer() {
    let cases = [
        ("recorded/pkgs", "com.kaspersky.kav.core\n", "receipts"),
        ("recorded/bin_launchctl", "PID\tStatus\tLabel\n", "services"),
        ("recorded/users", "anna 501\n", "users"),
        ("recorded/groups", "staff 20\n", "groups"),
        ("recorded/names", "  512     0 kav\n", "processes"),
        (
            "recorded/kexts",
            "Index Refs Address Size Wired Name (Version) UUID <Linked Against>\n",
            "kernel_modules",
        ),
        ("recorded/usr_bin_systemextensionsctl", "2 extension(s)\n", "system_extensions"),
        ("recorded/usr_bin_systemextensionsctl", "\n", "system_extensions"),
        ("System/Library/CoreServices/Finder.app/Contents/Info.plist", "<plist/>", "apps"),
    ];
    for (file, text, listing) in cases {
        let mac = Mac::new();
        mac.write(file, text);
        let facts = mac.facts(SHELLS[0], &questions());
        assert!(!is_complete(&json(&facts)[listing]), "{file}: {}", json(&facts)[listing]);
    }
}

#[test]
fn an_extension_that_waits_is_still_there_and_none_is_none() {
    let mac = Mac::new();
    let waiting = EXTENSIONS.replace("[activated enabled]", "[terminated waiting to uninstall on reboot]");
    mac.write("recorded/usr_bin_systemextensionsctl", &waiting);
    let facts = mac.facts(SHELLS[0], &questions());
    assert_eq!(facts.system_extensions.items[1].state, "terminated waiting to uninstall on reboot");
    assert!(matches!(&facts.pending_reboot, PendingReboot::Yes(why) if why.contains("on reboot")));
    mac.write("recorded/usr_bin_systemextensionsctl", "0 extension(s)\n");
    let facts = mac.facts(SHELLS[0], &questions());
    assert!(facts.system_extensions.items.is_empty() && facts.system_extensions.is_complete());
    // Before macOS 10.15 there was no such program; afterwards one that is missing is a gap.
    mac.remove("usr/bin/systemextensionsctl");
    assert!(!mac.facts(SHELLS[0], &questions()).system_extensions.is_complete());
    mac.tool("bin/uname", "echo 'Darwin 17.7.0 x86_64'");
    assert!(mac.facts(SHELLS[0], &questions()).system_extensions.is_complete());
}

#[test]
fn a_job_without_a_label_and_an_application_that_cannot_be_read_are_gaps() {
    let mac = Mac::new();
    mac.write("Library/LaunchDaemons/none.plist", &plist(&[]));
    mac.write("Users/anna/Library/LaunchAgents/two\nlines.plist", "");
    let facts = mac.facts(SHELLS[1], &questions());
    assert!(gaps(&facts, "services").contains("without a label"), "{}", gaps(&facts, "services"));
    assert!(gaps(&facts, "services").contains("line break"), "{}", gaps(&facts, "services"));
    assert!(facts.services.items.iter().any(|service| service.name == "none"));
}

#[test]
fn an_ordinary_user_is_told_what_only_root_sees() {
    if !is_root() {
        return;
    }
    let mac = Mac::new();
    for closed in ["var/root", "Users/anna"] {
        assert!(Command::new("chmod").arg("700").arg(mac.root().join(closed)).status().unwrap().success());
    }
    assert!(Command::new("chmod").arg("755").arg(mac.root()).status().unwrap().success());
    for shell in SHELLS {
        let facts = mac.facts_as(shell, &questions(), "--userspec=65534:65534");
        assert_eq!(facts.privilege.uid, Some(65534));
        for listing in ["services", "apps"] {
            assert!(
                gaps(&facts, listing).contains("--become"),
                "{shell} {listing}: {}",
                gaps(&facts, listing)
            );
        }
        assert!(facts.services.items.iter().all(|service| service.active.is_none()));
        for listing in ["receipts", "system_extensions", "processes", "users"] {
            assert!(is_complete(&json(&facts)[listing]), "{shell} {listing}: {}", gaps(&facts, listing));
        }
    }
}

#[test]
fn a_tool_that_hangs_costs_only_what_comes_behind_it() {
    // The reader's deadline ends the answer: the sections before it stand, the others are unknown.
    let mac = Mac::new();
    mac.tool("usr/sbin/pkgutil", "sleep 1; kill -9 -1");
    let facts = mac.facts(SHELLS[0], &questions());
    let document = json(&facts);
    assert!(is_complete(&document["services"]), "{}", document["services"]["gaps"]);
    for listing in ["receipts", "system_extensions", "apps"] {
        assert!(!is_complete(&document[listing]), "{listing}");
    }
    assert!(facts.paths.values().all(|listing| !listing.is_complete()));
}

fn generated() -> String {
    let mut everything = facts_support::everything();
    everything.merge(&questions());
    uproot::facts::script(&everything, facts_support::NONCE).text().to_owned()
}

#[test]
fn the_script_has_nothing_newer_than_bash_3_2() {
    assert_eq!(newer_than_bash_3_2(&generated()), Vec::<&str>::new());
    for newer in ["[[ a ]]", "x=$(case a in b) c ;; esac)", "a |& b", "echo ${x,,}", "local x"] {
        assert_eq!(newer_than_bash_3_2(newer), [newer]);
    }
}

#[test]
fn shellcheck_has_nothing_to_say_of_the_whole_script() {
    assert_eq!(shellcheck(&generated()), "");
    // It would notice what only bash has.
    assert_ne!(shellcheck("x=(1 2)\necho \"${x[0]}\"\n"), "");
}

#[test]
fn what_no_mac_has_is_not_asked_and_what_is_not_asked_yet_is_unknown() {
    let mut all = questions();
    all.topics.extend([Topic::Packages, Topic::Ports, Topic::ScheduledTasks, Topic::Programs]);
    let facts = Mac::new().facts(SHELLS[0], &all);
    assert!(gaps(&facts, "ports").contains("not asked of macOS"));
    assert!(gaps(&facts, "scheduled_tasks").contains("not asked of macOS"));
    assert!(gaps(&facts, "packages").contains("this was not asked"));
}
