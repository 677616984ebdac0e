//! The real binary against Wine hosts over SSH: what is there, what was left behind, what is gone; and hosts and
//! tools that say nothing, lie, flood or hang, which are never `clean`. docs/windows-lab.md says what Wine proves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::duplicate_mod,
    missing_docs,
    reason = "a test; both labs run the binary by the same module"
)]

mod lab;
mod wine_lab;

use lab::Lab;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use wine_lab::{Fault, Kind, Msi, Output, Running, ToolFault, WineHost, WineLab, host_of};

/// Every check that Windows answers, for products named as the lab's packages are.
const PLAYBOOK: &str = r#"uproot: 1
name: Wine fleet
products:
  - id: endpoint
    name: Endpoint security
    vendor: AO Kaspersky Lab
    platforms: [windows]
    confirmed: true
    sources: [https://example.org/]
    version: { program: "Kaspersky Endpoint Security*" }
    detect:
      any:
        - program: ["Kaspersky Endpoint Security*", "Антивирус Касперского*"]
        - service: "AVP.KES.*"
    residue:
      any:
        - service: "avpsus.KES.*"
        - driver: klif
        - driver: { file: '**\klif.sys' }
        - path: '%ProgramFiles%\Kaspersky Lab\KES*'
    report_only: what is told is enough here
  - id: agent
    name: Network Agent
    vendor: AO Kaspersky Lab
    platforms: [windows]
    confirmed: true
    sources: [https://example.org/]
    detect: { any: [ program: "Kaspersky Security Center Network Agent", service: klnagent ] }
    residue: { path: '%ProgramFiles%\Kaspersky Lab\NetworkAgent' }
    report_only: what is told is enough here
  - id: passwords
    name: Password manager
    vendor: AO Kaspersky Lab
    platforms: [windows]
    confirmed: true
    sources: [https://example.org/]
    detect: { program: { name: "Kaspersky Password Manager", per_user: true } }
    residue: { registry: 'HKU\*\Software\KasperskyLab\KPM' }
    report_only: what is told is enough here
  - id: narrow
    name: Endpoint agent
    vendor: AO Kaspersky Lab
    platforms: [windows]
    confirmed: true
    sources: [https://example.org/]
    detect: { any: [ program: "Kaspersky Endpoint Agent", service: soyuz ] }
    residue: { path: '%ProgramFiles(x86)%\Kaspersky Lab\Endpoint Agent' }
    report_only: what is told is enough here
  - id: consumer
    name: Consumer line
    vendor: AO Kaspersky Lab
    platforms: [windows]
    confirmed: true
    sources: [https://example.org/]
    detect: { any: [ program: "Kaspersky Standard", service: "AVP21.*" ] }
    residue: { path: '%ProgramData%\Kaspersky Lab\AVP*' }
    report_only: what is told is enough here
  - id: server
    name: Security for servers
    vendor: AO Kaspersky Lab
    platforms: [windows]
    confirmed: true
    sources: [https://example.org/]
    detect: { program: "Kaspersky Security for Windows Server" }
    residue: { service: KAVFS }
    report_only: what is told is enough here
  - id: industrial
    name: Industrial security
    vendor: AO Kaspersky Lab
    platforms: [windows]
    confirmed: true
    sources: [https://example.org/]
    detect: { program: "Kaspersky Industrial CyberSecurity*" }
    residue: { service: KICS }
    report_only: what is told is enough here
  - id: common
    name: What the products share
    vendor: AO Kaspersky Lab
    platforms: [windows]
    confirmed: true
    sources: [https://example.org/]
    detect: { service: klsharedservice }
    residue:
      any:
        - process: avp.exe
        - registry: 'HKLM\SOFTWARE\KasperskyLab\protected\KES'
        - certificate: "O=AO Kaspersky Lab"
        - scheduled_task: { command: Kaspersky }
    report_only: what is told is enough here
  - id: suite
    name: A suite for Linux
    vendor: Example
    platforms: [linux]
    confirmed: true
    sources: [https://example.org/]
    detect: { path: /opt/suite }
    remove: [ remove_path: /opt/suite ]
"#;

/// Prints how long each host took.
fn tell_times(report: &Value) {
    for host in report["hosts"].as_array().unwrap() {
        let at = |what: &str| host[what].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        println!("{}: {:#} by {}", host["host"], at("ended").duration_since(at("started")), report["verb"]);
    }
}

/// One exec of `cmd.exe`, whatever was asked, and no line that it would cut.
#[track_caller]
fn expect_execs(host: &WineHost, count: usize) {
    let execs = host.execs();
    let commands: Vec<_> = execs.iter().map(|exec| exec.command.as_str()).collect();
    assert_eq!(commands, vec!["cmd.exe /d /q"; count], "{}", host.name());
    for exec in &execs {
        assert!((100..=8191).contains(&exec.longest_line), "{exec:?}");
    }
}

#[test]
fn one_run_asks_a_mixed_fleet_by_one_exec_a_host_with_the_whole_catalogue() {
    let lab = WineLab::new();
    let hosts = lab.start_all(vec![lab.host("pc01"), lab.host("bare").all_stubs()]);
    hosts[0].furnish();
    let hosts: Vec<&WineHost> = hosts.iter().collect();
    let linux_lab = Lab::new();
    let linux = linux_lab.host("linux01").start();
    let (more, known) = (linux_lab.inventory_file([&linux]), linux_lab.known_hosts());
    let [more, known] = [&more, &known].map(|path| path.to_str().unwrap());
    // A Mac that cannot be reached: its facts were recorded.
    let recorded =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/tests/macos/kes-mac.present.json");
    let mut mac: Value = serde_json::from_slice(&std::fs::read(recorded).unwrap()).unwrap();
    mac["host"] = "mac01".into();
    let facts = lab.write("facts/mac01.json", mac.to_string());
    let facts = facts.parent().unwrap().to_str().unwrap();
    let words =
        ["identify", "--format", "json", "--become", "-i", more, "--known-hosts", known, "--facts", facts];
    let report = lab.ask(&hosts, &words).expect_code(1).json();
    tell_times(&report);
    let of_mac = host_of(&report, "mac01");
    assert!(of_mac["address"].as_str().unwrap().starts_with("facts of 20"), "{of_mac:#}");
    for (name, platform, state) in [
        ("pc01", "windows", "clean"),
        ("bare", "windows", "unknown"),
        ("linux01", "linux", "clean"),
        ("mac01", "macos", "present"),
    ] {
        let host = host_of(&report, name);
        let told = [&host["platform"], &host["state"]].map(|value| value.as_str().unwrap());
        assert_eq!(told, [platform, state], "{name}: {host:#}");
    }
    // Wine's own tools say nothing and end with 0: no product can be ruled out by them.
    assert_eq!(absent(host_of(&report, "bare")), [""; 0]);
    for host in &hosts {
        expect_execs(host, 1);
        // The whole catalogue. docs/windows-lab.md has the sizes.
        let exec = &host.execs()[0];
        println!("{}: {} bytes, lines of at most {}", host.name(), exec.input, exec.longest_line);
        assert!(exec.input > 10_000);
    }
    // The run is kept, and tells the same again.
    let run = report["run"].as_str().unwrap();
    let runs = lab.dir().join("runs");
    let again = lab.uproot(&["report", run, "--format", "json", "--runs", runs.to_str().unwrap()]).json();
    assert_eq!(again["hosts"], report["hosts"]);
    // A host is asked or told of, not both.
    std::fs::write(format!("{facts}/mac01.json"), mac.to_string().replace("mac01", "pc01")).unwrap();
    let twice = lab.ask(&hosts[..1], &["verify", "--facts", facts]).expect_code(2);
    assert!(twice.stderr.contains("`pc01` is a host of the inventory"), "{twice}");
    let _ = lab.ask(&hosts[..1], &["verify"]).expect_code(0);
}

/// The products that a host is said not to have.
fn absent(host: &Value) -> Vec<&str> {
    let findings = host["findings"].as_array().unwrap().iter();
    findings.filter(|one| one["result"] == "absent").map(|one| one["product"].as_str().unwrap()).collect()
}

/// A package of the lab's, its host, the product that it is, and the code of its removal.
struct Case {
    host: &'static str,
    package: Msi,
    product: &'static str,
    code: u32,
}

/// Every kind. Those of one host are different products.
fn cases() -> Vec<Case> {
    let case = |host, package, product, code| Case { host, package, product, code };
    let russian = Kind::Localized("Антивирус Касперского".to_owned(), 1251);
    let other = |kind, name: &str, service: &str| {
        let mut package = Msi::new(kind).named(name);
        package.folder = service.to_owned();
        package.service = service.to_owned();
        package
    };
    let server = other(Kind::Password, "Kaspersky Security for Windows Server", "KAVFS");
    let industrial = other(Kind::Reboot, "Kaspersky Industrial CyberSecurity for Nodes", "KICS");
    vec![
        case("plain", Msi::new(Kind::Plain), "endpoint", 0),
        case("leaves", Msi::new(Kind::LeavesBehind), "endpoint", 0),
        case("russian", Msi::new(russian), "endpoint", 0),
        case("many", server, "server", 0),
        case("many", industrial, "industrial", 3010),
        case("many", Msi::new(Kind::HexPassword), "agent", 0),
        case("many", Msi::new(Kind::PerUser), "passwords", 0),
        case("many", Msi::new(Kind::ThirtyTwoBit), "narrow", 0),
        case("many", Msi::new(Kind::Detaches(1)), "consumer", 0),
    ]
}

/// Does this with each, two at once.
fn two_at_once<T: Send>(all: impl Iterator<Item = T>, work: impl Fn(T) + Sync) {
    let waiting = Mutex::new(all.collect::<Vec<_>>());
    let next = || waiting.lock().unwrap().pop();
    let until_done = || {
        while let Some(one) = next() {
            work(one);
        }
    };
    std::thread::scope(|scope| [(); 2].map(|()| scope.spawn(until_done)).map(|done| done.join().unwrap()));
}

/// All that a read-only command must leave as it is: files with their sizes, parts of the registry, the lab's records.
fn condition(host: &WineHost) -> String {
    fn walk(dir: &std::path::Path, out: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let data = entry.metadata().unwrap();
            let path = entry.path().display().to_string();
            // Wine's `for /f` writes what it reads into a file there, and leaves it; Windows' reads a pipe.
            if path.ends_with("/Administrator/Temp") {
                continue;
            }
            out.push(format!("{path} {} {:?}", data.len(), data.modified().unwrap()));
            if data.is_dir() {
                walk(&entry.path(), out);
            }
        }
    }
    let mut files = Vec::new();
    walk(&host.path(""), &mut files);
    files.sort();
    let keys = [
        "HKLM\\SOFTWARE\\Microsoft\\Windows",
        "HKLM\\SOFTWARE\\Microsoft\\Windows NT",
        "HKLM\\SOFTWARE\\KasperskyLab",
        "HKLM\\SOFTWARE\\Microsoft\\SystemCertificates",
        "HKLM\\SYSTEM\\CurrentControlSet\\Services",
        "HKCU",
    ];
    let asked: Vec<_> = keys.iter().map(|key| format!("reg query \"{key}\" /s")).collect();
    let registry = host.run(&asked.join(" & ")).stdout;
    let (count, lines) = (files.len(), registry.lines().count());
    assert!(count > 500 && lines > 500, "{count} files, {lines} lines of the registry");
    format!("{}\n{registry}\n{:?}\n{:?}", files.join("\n"), host.msiexec_calls(), host.task_runs())
}

#[test]
fn each_kind_of_package_is_found_planned_for_nobody_and_gone_when_it_is_gone() {
    let lab = WineLab::new();
    let cases = cases();
    let begin = Instant::now();
    let russian = lab.host("russian").locale("ru_RU");
    let hosts = lab.start_all(vec![lab.host("plain"), lab.host("leaves"), russian, lab.host("many")]);
    let of = |host: &WineHost| cases.iter().filter(|case| case.host == host.name()).collect::<Vec<_>>();
    two_at_once(hosts.iter(), |host| {
        host.furnish();
        of(host).iter().for_each(|case| host.install(&case.package));
    });
    println!("{:?}: installed", begin.elapsed());
    let playbook = lab.write("playbook.yml", PLAYBOOK);
    let playbook = ["--playbook", playbook.to_str().unwrap()];
    let hosts: Vec<&WineHost> = hosts.iter().collect();
    let [plain, leaves, _, many] = hosts[..] else { panic!() };
    let before = [condition(plain), condition(leaves)];
    println!("{:?}: looked at", begin.elapsed());

    let words = ["identify", "--format", "json"];
    let report = lab.ask(&hosts, &[&words[..], &playbook].concat()).expect_code(1).json();
    tell_times(&report);
    for host in &hosts {
        let report = host_of(&report, host.name());
        assert_eq!(report["state"], "present", "{report:#}");
        for finding in report["findings"].as_array().unwrap() {
            let is_there = of(host).iter().any(|case| finding["product"] == case.product);
            let shared = if finding["product"] == "common" { "residue" } else { "absent" };
            let expected = if is_there { "present" } else { shared };
            assert_eq!(finding["result"], expected, "{}: {finding:#}", host.name());
        }
    }
    hosts.iter().for_each(|host| expect_execs(host, 1));
    println!("{:?}: identified", begin.elapsed());

    let out = lab.dir().join("plan.json");
    let plan = ["plan", "--out", out.to_str().unwrap()];
    let said = lab.ask(&hosts, &[&plan[..], &playbook].concat()).expect_code(0);
    assert!(said.stdout.contains("what is told is enough here"), "{said}");
    let written: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    for host in written["hosts"].as_array().unwrap() {
        assert!(host["steps"].as_array().is_none_or(Vec::is_empty), "{host:#}");
    }
    println!("{:?}: planned", begin.elapsed());
    for (before, after) in before.iter().zip([condition(plain), condition(leaves)]) {
        let not_in = |of: &str, other: &str| {
            let other: HashSet<_> = other.lines().collect();
            of.lines().filter(|line| !other.contains(line)).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(not_in(before, &after), not_in(&after, before), "identify or plan changed something");
        assert!(*before == after);
    }
    hosts.iter().for_each(|host| expect_execs(host, 2));

    two_at_once(hosts.iter(), |host| {
        for Case { package, code, .. } in of(host) {
            let properties = package.password_properties();
            let line = format!("msiexec /x {} /qn /norestart {properties}", package.product_code);
            assert_eq!(host.run(&line).code, *code, "{}", package.name);
        }
    });
    many.wait_until("the detached part is done", |host| {
        !host.exists("C:\\ProgramData\\Kaspersky Lab\\AVP21.3")
    });
    // A certificate, or a task, is enough.
    plain.trust_vendor();
    println!("{:?}: removed", begin.elapsed());
    let report =
        lab.ask(&hosts, &[&["verify", "--format", "json"], &playbook[..]].concat()).expect_code(1).json();
    for host in &hosts {
        let report = host_of(&report, host.name());
        let left: Vec<_> =
            report["findings"].as_array().unwrap().iter().filter(|one| one["result"] != "absent").collect();
        let expected = match host.name() {
            "plain" => ("residue", vec!["common"]),
            "leaves" => ("residue", vec!["endpoint"]),
            _ => ("clean", vec![]),
        };
        let names: Vec<_> = left.iter().map(|one| one["product"].as_str().unwrap()).collect();
        assert_eq!((report["state"].as_str().unwrap(), names), expected, "{}: {left:#?}", host.name());
    }
    println!("{:?}: verified", begin.elapsed());
}

/// The most memory that a run has had so far, in kB.
fn peak(run: &Running) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", run.id())).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or(0, |line| line.trim().trim_end_matches(" kB").parse().unwrap())
}

/// Runs `identify`, and insists on bounds and on a text that no terminal obeys.
#[track_caller]
fn identify_bounded(lab: &WineLab, hosts: &[&WineHost], words: &[&str]) -> Output {
    let inventory = lab.inventory_file(hosts.iter().copied());
    let (known, runs) = (lab.known_hosts(), lab.dir().join("runs"));
    let (begin, mut most) = (Instant::now(), 0);
    let html = lab.dir().join("report.html");
    let [inventory, known, runs, html] =
        [&inventory, &known, &runs, &html].map(|path| path.to_str().unwrap());
    let places = ["-i", inventory, "--known-hosts", known, "--runs", runs, "-o", html, "--format", "html"];
    let mut run = lab.start_uproot(&[&["identify", "--idle-timeout", "5"][..], &places, words].concat());
    while run.is_running() {
        most = most.max(peak(&run));
        assert!(begin.elapsed() < Duration::from_secs(60), "it takes too long");
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = run.finish();
    println!("{words:?}: {:?}, {most} kB", begin.elapsed());
    assert!((1..300_000).contains(&most), "{most} kB");
    for text in [&output.stdout, &output.stderr, &std::fs::read_to_string(html).unwrap()] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "a control character: {text:?}");
    }
    output
}

#[test]
fn a_hostile_host_is_unknown_within_bounds() {
    let lab = WineLab::new();
    let mut host = lab.host("hostile").start();
    let garbage: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let escapes = b"\x1b[2J\x1b]0;owned\x07\x9b31m\r\nOS=Windows_NT\r\n\x00\x08\xe2\x80\xae".repeat(50);
    for (name, fault) in [
        ("nothing", Fault::Lies(Vec::new(), 0)),
        ("garbage", Fault::Lies(garbage, 0)),
        ("control characters", Fault::Lies(escapes, 1)),
        ("UTF-16", Fault::Utf16),
        ("closes early", Fault::CutsAfter(2000)),
        ("a gigabyte", Fault::Floods(1 << 30)),
        ("never answers", Fault::Hangs),
    ] {
        host.no_faults();
        host.fault("", fault);
        let report = identify_bounded(&lab, &[&host], &["--format", "json"]).expect_code(3).json();
        let host = host_of(&report, "hostile");
        // Without a `cmd.exe` that obeys its first lines there was no session.
        let state = host["state"].as_str().unwrap();
        assert!(["unknown", "unreachable"].contains(&state), "{name}: {host:#}");
        assert_eq!(absent(host), [""; 0], "{name}");
        println!("{name}: {state}, {}", host["reason"]);
    }
    host.shut_down();
    let output = identify_bounded(&lab, &[&host], &["--format", "table"]).expect_code(3);
    assert!(output.stdout.contains("unreachable"), "{output}");
}

#[test]
fn tools_that_hang_lie_or_flood_leave_a_host_unknown_within_bounds() {
    let lab = WineLab::new();
    let names = ["hangs", "lies", "silent", "floods"];
    let hosts = lab.start_all(names.map(|name| lab.host(name)).into());
    two_at_once(hosts.iter(), |host| {
        host.furnish();
        let silence = ToolFault::Says(Vec::new(), 0);
        match host.name() {
            "hangs" => host.tool_fault("tasklist", &ToolFault::Hangs(Vec::new())),
            "lies" => host.tool_fault("tasklist", &silence),
            "silent" => host.tool_fault("reg", &silence),
            _ => host.tool_fault("tasklist", &ToolFault::Floods),
        }
    });
    // A name that a terminal would obey.
    let key = "HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\hostile";
    hosts[0]
        .import(&format!("[{key}]\r\n\"DisplayName\"=\"Kaspersky Endpoint Security \u{1b}[31m\u{8}\"\r\n"));
    let playbook = lab.write("playbook.yml", PLAYBOOK);
    let words = ["--playbook", playbook.to_str().unwrap(), "--format", "json"];
    let hosts: Vec<&WineHost> = hosts.iter().collect();
    // Something is there for sure on one: 1 goes before 3.
    let report = identify_bounded(&lab, &hosts, &words).expect_code(1).json();
    tell_times(&report);
    for name in names {
        let host = host_of(&report, name);
        println!("{name}: {}, {}", host["state"], host["reason"]);
        if name != "hangs" {
            assert_eq!(host["state"], "unknown", "{host:#}");
        }
        assert!(!absent(host).contains(&"common"), "{name}: {host:#}");
    }
    assert_eq!(absent(host_of(&report, "silent")), [""; 0]);
    let endpoint = host_of(&report, "hangs")["findings"].as_array().unwrap().iter();
    let endpoint: Vec<_> = endpoint.filter(|one| one["product"] == "endpoint").collect();
    assert_eq!(endpoint[0]["result"], "present");
    assert!(endpoint[0].to_string().contains("Kaspersky Endpoint Security "), "{endpoint:#?}");
}
