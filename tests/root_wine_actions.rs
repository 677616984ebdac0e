//! The steps of Windows by the real binary, `identify` → `plan` → `apply`, against Wine hosts over SSH: each effect really
//! happens, and what refuses ends the host `blocked`. docs/windows-lab.md says what Wine proves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test"
)]

mod wine_lab;

use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use wine_lab::{WineHost, WineLab};

/// A product with something of each kind.
const PLAYBOOK: &str = r#"uproot: 1
name: Steps of Windows
products:
  - id: suite
    name: Suite
    platforms: [windows]
    confirmed: true
    sources: [https://example.org/]
    settle: 5s
    detect:
      any:
        - service: [AVP.KES.21, avpsus.KES.21]
        - process: avpui.exe
        - path: '%ProgramFiles%\Kaspersky Lab\KES*'
    residue:
      any:
        - driver: klif
        - registry: 'HKLM\SOFTWARE\KasperskyLab\AVP*'
        - registry: { key: 'HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run', value: avpui }
        - certificate: "O=AO Kaspersky Lab"
        - scheduled_task: '\Kaspersky Lab\*'
    remove:
      - stop_service: AVP.KES.21
      - delete_service: [AVP.KES.21, avpsus.KES.21, klif]
      - kill_process: { name: avpui.exe }
      - remove_path: '%ProgramFiles%\Kaspersky Lab\KES*'
      - delete_registry: 'HKLM\SOFTWARE\KasperskyLab\AVP*'
      - delete_registry: { key: 'HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run', value: avpui }
      - remove_certificate: "O=AO Kaspersky Lab"
      - remove_scheduled_task: '\Kaspersky Lab\*'
"#;

/// The plan for these hosts, and where it is.
fn plan(lab: &WineLab, hosts: &[&WineHost]) -> (Value, PathBuf) {
    plan_by(lab, hosts, PLAYBOOK)
}

/// The plan by this playbook.
fn plan_by(lab: &WineLab, hosts: &[&WineHost], playbook: &str) -> (Value, PathBuf) {
    let playbook = lab.write("playbook.yml", playbook);
    let out = lab.dir().join("plan.json");
    let words = ["plan", "--playbook", playbook.to_str().unwrap(), "--force", "--out", out.to_str().unwrap()];
    let _ = lab.ask(hosts, &words).expect_code(0);
    (serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap(), out)
}

/// Applies a plan; its report.
fn apply(lab: &WineLab, plan: &std::path::Path, code: i32) -> Value {
    let runs = lab.dir().join("runs");
    let [plan, runs] = [plan, &runs].map(|path| path.to_str().unwrap());
    let words = ["apply", plan, "--yes", "--format", "json", "--runs", runs];
    let output = lab.start_uproot(&words).finish_within(Duration::from_secs(400));
    println!("{}", output.stderr);
    output.expect_code(code).json()
}

/// Everything that the playbook is about.
fn install(host: &WineHost) {
    host.furnish();
    host.trust_vendor();
    host.run("mkdir \"C:\\Program Files\\Kaspersky Lab\\KES.21\\data\"").expect(0);
    host.run("mkdir \"C:\\Program Files\\Kaspersky Lab\\NetworkAgent\"").expect(0);
    std::fs::copy(
        host.path("lab\\service.exe"),
        host.path("Program Files\\Kaspersky Lab\\KES.21").join("avp.exe"),
    )
    .unwrap();
    std::fs::copy(host.path("lab\\uninst.exe"), host.path("lab").join("avpui.exe")).unwrap();
    std::fs::write(host.path("Program Files\\Kaspersky Lab\\KES.21\\data").join("base.dat"), "x").unwrap();
    std::fs::write(host.path("Program Files\\Kaspersky Lab").join("KES.txt"), "x").unwrap();
    std::fs::write(host.path("Program Files\\Kaspersky Lab\\NetworkAgent").join("kept.txt"), "x").unwrap();
    let service = "\"C:\\Program Files\\Kaspersky Lab\\KES.21\\avp.exe\"";
    for name in ["AVP.KES.21", "avpsus.KES.21"] {
        host.run(&format!("sc create {name} binPath= {service} start= auto & sc start {name}")).expect(0);
    }
    host.run("sc create klif binPath= system32\\drivers\\klif.sys type= filesys start= system").expect(0);
    for key in [r"HKLM\SOFTWARE\KasperskyLab\AVP21\settings", r"HKLM\SOFTWARE\KasperskyLab\protected"] {
        host.run(&format!("reg add {key} /f")).expect(0);
    }
    let run = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run";
    host.run(&format!("reg add {run} /v avpui /d x /f & reg add {run} /v other /d x /f")).expect(0);
    host.run(
        "schtasks /create /tn \"\\Kaspersky Lab\\Update check\" /tr C:\\lab\\avpui.exe /sc once /st 00:00 /f",
    )
    .expect(0);
    begin(host, "C:\\lab\\avpui.exe", "avpui.exe");
    assert!(runs(host, "AVP.KES.21") && runs(host, "avpsus.KES.21"));
}

/// Runs a program for five minutes, apart from the command that begins it.
fn begin(host: &WineHost, program: &str, name: &str) {
    std::fs::write(host.path("lab").join("begin.cmd"), format!("{program} /S /takes=300\r\n")).unwrap();
    let tasks = ["/create /tr C:\\lab\\begin.cmd /sc once /st 00:00 /f", "/run"];
    tasks.iter().for_each(|words| drop(host.run(&format!("schtasks {words} /tn lab-{name}")).expect(0)));
    host.wait_until("it runs", |host| host.run("tasklist /fo csv /nh").stdout.contains(name));
}

fn runs(host: &WineHost, service: &str) -> bool {
    host.run(&format!("sc query {service}")).stdout.contains("RUNNING")
}

fn has_value(host: &WineHost, value: &str) -> bool {
    let run = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run";
    host.run(&format!("reg query {run} /v {value}")).code == 0
}

/// The outcome of each step that was run on the one host.
fn results(report: &Value) -> Vec<(String, String)> {
    let steps = report["hosts"][0]["steps"].as_array().unwrap().iter();
    let text = |step: &Value, key: &str| step[key].as_str().unwrap_or_default().to_owned();
    steps.map(|step| (text(step, "step"), text(step, "result"))).collect()
}

#[test]
fn each_step_does_what_it_says_and_no_more() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    install(&host);
    let (written, file) = plan(&lab, &[&host]);
    let steps = written["hosts"][0]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 10, "{steps:#?}");
    let report = apply(&lab, &file, 0);
    println!("{:?}", results(&report));
    assert_eq!(report["hosts"][0]["state"], "removed", "{report:#}");
    for service in ["AVP.KES.21", "avpsus.KES.21", "klif"] {
        assert!(!host.service_exists(service), "{service}");
    }
    assert!(!host.run("tasklist /fo csv /nh").stdout.contains("avpui.exe"));
    let left = std::fs::read_dir(host.path("Program Files\\Kaspersky Lab")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["NetworkAgent"]);
    assert!(host.exists("Program Files\\Kaspersky Lab\\NetworkAgent\\kept.txt"), "it is another product's");
    assert!(!host.key_exists(r"HKLM\SOFTWARE\KasperskyLab\AVP21"));
    assert!(host.key_exists(r"HKLM\SOFTWARE\KasperskyLab\protected"));
    assert!(!has_value(&host, "avpui") && has_value(&host, "other"));
    let roots = host.run("certutil -store Root").stdout;
    assert!(!roots.contains("Kaspersky"), "{roots}");
    assert!(!host.run("schtasks /query /fo csv /nh").stdout.contains("Kaspersky"));
    host.has_nothing_of_uproot();
    let (again, _) = plan(&lab, &[&host]);
    assert_eq!(again["hosts"][0]["state"], "clean", "{again:#}");
}

#[test]
fn a_service_that_refuses_to_stop_is_left_alone_and_blocks_the_host() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    install(&host);
    let (_, file) = plan(&lab, &[&host]);
    host.flag("nostop", true);
    let report = apply(&lab, &file, 4);
    assert_eq!(report["hosts"][0]["state"], "blocked", "{report:#}");
    let text = report["hosts"][0].to_string();
    assert!(text.contains("service AVP.KES.21 refuses to stop"), "{report:#}");
    assert!(runs(&host, "AVP.KES.21"));
    assert!(host.exists("Program Files\\Kaspersky Lab\\KES.21\\data\\base.dat"), "nothing after it was done");
    host.has_nothing_of_uproot();
}

#[test]
fn a_driver_that_a_device_class_lists_is_never_deleted() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    install(&host);
    let class =
        r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Class\{4d36e96b-e325-11ce-bfc1-08002be10318}";
    host.run(&format!(r#"reg add "{class}" /v UpperFilters /t REG_MULTI_SZ /d kbdclass\0KLIF /f"#)).expect(0);
    let (_, file) = plan(&lab, &[&host]);
    let report = apply(&lab, &file, 4);
    assert_eq!(report["hosts"][0]["state"], "failed", "{report:#}");
    assert!(report["hosts"][0].to_string().contains("klif stays: the registry lists it"), "{report:#}");
    assert!(host.service_exists("klif"));
    host.has_nothing_of_uproot();
}

/// A host with a folder that a program holds, under a name that no step knows.
fn with_folder_in_use(lab: &WineLab) -> WineHost {
    let host = lab.host("win01").start();
    install(&host);
    std::fs::copy(host.path("lab\\uninst.exe"), host.path(FOLDER).join("holds.exe")).unwrap();
    begin(&host, &format!("\"C:\\{FOLDER}\\holds.exe\""), "holds.exe");
    host
}

const FOLDER: &str = "Program Files\\Kaspersky Lab\\KES.21";

/// A product whose folder is in use.
const IN_USE: &str = r#"uproot: 1
name: A folder in use
products:
  - id: suite
    name: Suite
    platforms: [windows]
    confirmed: true
    sources: [https://example.org/]
    settle: 20s
    detect: { service: [AVP.KES.21, avpsus.KES.21] }
    residue: { path: '%ProgramFiles%\Kaspersky Lab\KES*' }
    remove:
      - delete_service: [AVP.KES.21, avpsus.KES.21]
      - remove_path: '%ProgramFiles%\Kaspersky Lab\KES*'
"#;

#[test]
fn what_is_in_use_waits_for_the_next_start() {
    let lab = WineLab::new();
    let mut host = with_folder_in_use(&lab);
    let (_, file) = plan_by(&lab, &[&host], IN_USE);
    let report = apply(&lab, &file, 4);
    // It says what is there now.
    assert_eq!(report["hosts"][0]["state"], "residue", "{report:#}");
    let text = report["hosts"][0].to_string();
    assert!(text.contains("KES.21 is in use: it is deleted at the next start"), "{report:#}");
    assert!(text.contains("asked for a reboot"), "{report:#}");
    assert!(host.exists(&format!("{FOLDER}\\holds.exe")), "nothing was forced");
    let tasks = host.run("schtasks /query /fo csv /nh").stdout;
    assert_eq!(tasks.matches("uproot-at-start#").count(), 1, "the release left it alone: {tasks}");
    assert_eq!(tasks.matches("uproot").count(), 1, "{tasks}");
    host.reboot();
    host.wait_until("the folder and the task are gone", |host| {
        !host.exists(FOLDER) && !host.run("schtasks /query /fo csv /nh").stdout.contains("uproot")
    });
    assert!(host.exists("Program Files\\Kaspersky Lab\\NetworkAgent\\kept.txt"));
    host.has_nothing_of_uproot();
}
