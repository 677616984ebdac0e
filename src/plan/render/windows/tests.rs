//! Facts of a Windows host → the batch files of its steps, and what is refused.

use super::judged;
use crate::facts::{
    Certificate, Facts, Gap, Listing, Process, RegistryKey, RegistryValue, ScheduledTask, Service,
};
use crate::model::Platform;
use crate::plan::render::windows::batch;
use crate::plan::render::{Context, Rendered, render};
use crate::plan::testing::{
    clean_facts, complete, entry, pattern, plan_for, playbook, product, remove_path, step,
};
use crate::playbook::{Action, Check, PathKind, Rule, TextPattern};

/// A Windows host that answered everything and has nothing.
fn host() -> Facts {
    let mut facts = clean_facts("w1");
    facts.platform = Some(Platform::Windows);
    facts.privilege.elevated = Some(true);
    facts.services = complete(vec![of_kind("klnagent", "service"), of_kind("klif", "driver")]);
    facts.processes =
        complete(vec![Process { pid: 4, name: "System".into(), exe: None, deleted: false, uid: None }]);
    facts.programs = complete(Vec::new());
    facts.user_programs = complete(Vec::new());
    facts
}

fn of_kind(name: &str, kind: &str) -> Service {
    Service { name: name.into(), kind: kind.into(), file: None, active: Some("active".into()) }
}

fn gappy<T>() -> Listing<T> {
    Listing { items: Vec::new(), gaps: vec![Gap { reason: "it was cut off".into(), remedy: None }] }
}

/// What becomes of an action on a host; the script is one that can be sent.
fn rendered(action: &Action, facts: &Facts) -> Result<Option<Rendered>, String> {
    let product = product("kes", Vec::new());
    let context = Context { facts, product: &product, timeout: 600, still_used: &|_| None };
    let rendered = render(action, &context);
    if let Ok(Some(Rendered { script, .. })) = &rendered {
        assert_can_be_sent(script);
    }
    rendered
}

fn script(action: &Action, facts: &Facts) -> String {
    rendered(action, facts).unwrap().unwrap().script
}

fn commands(action: &Action, facts: &Facts) -> Vec<String> {
    rendered(action, facts).unwrap().unwrap().commands
}

/// What every batch file must be, so that it reaches a host unharmed.
fn assert_can_be_sent(script: &str) {
    assert!(script.starts_with("@echo off\n"));
    for line in script.lines() {
        let bare = line.trim().to_ascii_lowercase();
        assert!(line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{line}");
        assert!(!bare.is_empty() && bare != "on" && bare != "off" && !bare.starts_with("/?"), "{line}");
        assert!(line.len() < 4000, "{line}");
    }
    for what in ["goto ", "call :"] {
        for (at, _) in script.match_indices(what) {
            let rest = &script[at + what.len()..];
            let label = rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
            assert_eq!(script.matches(&format!("\n:{label}\n")).count(), 1, "label `{label}` in\n{script}");
        }
    }
}

#[test]
fn a_service_is_stopped_by_its_name_whatever_its_case() {
    let stop = |name: &str| Action::StopService { name: name.to_owned() };
    assert_eq!(commands(&stop("KLNAGENT"), &host()), ["sc stop KLNAGENT"]);
    assert!(script(&stop("klnagent"), &host()).contains("uproot: service klnagent refuses to stop\n"));
    assert_eq!(rendered(&stop("soyuz"), &host()), Ok(None));
    let mut facts = host();
    facts.services = gappy();
    assert!(rendered(&stop("soyuz"), &facts).unwrap_err().contains("it was cut off"));
    assert!(rendered(&stop("klif"), &host()).unwrap_err().contains("is a driver"));
    assert!(rendered(&stop(r"\\server\x"), &host()).unwrap_err().contains("cannot be the name"));
}

#[test]
fn a_driver_is_deleted_only_where_no_device_lists_it_as_a_filter() {
    let delete = |name: &str| Action::DeleteService { name: name.to_owned() };
    let driver = script(&delete("klif"), &host());
    let (check, stop) = (driver.find("UpperFilters").unwrap(), driver.find("sc stop").unwrap());
    assert!(check < stop, "before anything is changed");
    assert!(driver.contains("if /i \"%~1\"==\"0klif\" set \"UP_LISTED=yes\""));
    assert!(driver.contains("if \"!UP_CODE!\"==\"1052\" exit /b 0\n"), "one that cannot be unloaded");
    let service = script(&delete("klnagent"), &host());
    assert!(!service.contains("UpperFilters") && !service.contains("\"1052\" exit /b 0"), "{service}");
    // One whose type is not known may be one.
    let mut facts = host();
    facts.services.items.push(of_kind("kldisk", "unknown"));
    assert!(script(&delete("kldisk"), &facts).contains("UpperFilters"));
    assert_eq!(judged(&delete("klif")).reboot_codes, [3010]);
}

#[test]
fn a_deleted_driver_is_no_longer_a_driver_either() {
    let mut playbook = playbook();
    playbook.products = vec![product("klif", vec![step(Action::DeleteService { name: "klif".into() })])];
    playbook.products[0].platforms = vec![Platform::Windows];
    playbook.products[0].detect = Rule::Check(Check::Driver { name: Some(pattern("klif")), file: None });
    let plan = plan_for(&playbook, &[host()]).unwrap();
    let step = &plan.hosts[0].steps[0];
    assert!(!step.already_so, "it is no service, but a driver");
    assert_eq!(step.run_as, "SYSTEM");
    assert_eq!(step.reboot_codes, [3010]);
    let blocked = step.blocked_if.as_ref().unwrap().compile().unwrap();
    assert!(blocked.is_match("uproot: service klif refuses to stop"));
    assert!(blocked.is_match("uproot: service klif refuses to be deleted"));
    assert!(!blocked.is_match("[SC] ControlService FAILED 1053:"));
}

#[test]
fn processes_are_killed_by_the_name_that_the_host_lists() {
    let kill = Action::KillImage { name: "avpui.exe".to_owned() };
    assert_eq!(rendered(&kill, &host()), Ok(None));
    let mut facts = host();
    facts.processes.items.push(Process {
        pid: 8,
        name: "AVPUI.exe".into(),
        exe: None,
        deleted: false,
        uid: None,
    });
    assert_eq!(commands(&kill, &facts), ["taskkill /f /im \"avpui.exe\""]);
    facts.processes = gappy();
    assert!(rendered(&kill, &facts).unwrap_err().contains("it was cut off"));
    let by_path = Action::KillProcess { exe: pattern(r"C:\x\avp.exe") };
    assert!(rendered(&by_path, &host()).unwrap_err().contains("give its `name`"));
}

const KES: &str = r"%ProgramFiles%\Kaspersky Lab\KES*";

fn with_paths(paths: &[(&str, PathKind)]) -> Facts {
    let mut facts = host();
    let entries = paths.iter().map(|(path, kind)| entry(path, *kind)).collect();
    facts.paths.insert(KES.to_owned(), complete(entries));
    facts
}

#[test]
fn exactly_the_paths_that_the_host_named_are_deleted() {
    let facts = with_paths(&[
        (r"C:\Program Files\Kaspersky Lab\KES.txt", PathKind::File),
        (r"C:\Program Files\Kaspersky Lab\KES.21", PathKind::Directory),
        (r"C:\Program Files\Kaspersky Lab\KES.old", PathKind::Link),
    ]);
    let Rendered { commands, script } = rendered(&remove_path(KES), &facts).unwrap().unwrap();
    assert_eq!(
        commands,
        [
            r#"rd /s /q "C:\Program Files\Kaspersky Lab\KES.21""#,
            r#"rd or del "C:\Program Files\Kaspersky Lab\KES.old" (a link)"#,
            r#"del /f /q /a "C:\Program Files\Kaspersky Lab\KES.txt""#,
        ]
    );
    // Entered once, and looked at for links on the way, before anything goes.
    assert_eq!(script.matches("call :enter \"C:\\Program Files\\Kaspersky Lab\"\n").count(), 1);
    assert_eq!(script.matches("call :link ").count(), 2);
    assert_eq!(script.matches("call :remove ").count(), 3);
    assert_eq!(script.matches("schtasks /create /tn \"uproot-at-start#").count(), 3);
    assert_eq!(judged(&remove_path(KES)).reboot_codes, [3010]);
}

#[test]
fn paths_of_others_are_refused() {
    let refused =
        |path: &str| rendered(&remove_path(KES), &with_paths(&[(path, PathKind::Directory)])).unwrap_err();
    for path in [
        r"C:\Program Files\Kaspersky Lab\KES & x",
        r"C:\Windows\System32",
        "C:\\Program Files\\Kaspersky Lab\\KES\u{fffd}",
    ] {
        assert!(refused(path).contains("the host tells of"), "{path}");
    }
    // Where a host's variables lead elsewhere than usual.
    let windows = r"%ProgramFiles%\System32\*";
    let mut facts = host();
    facts
        .paths
        .insert(windows.into(), complete(vec![entry(r"C:\Windows\System32\drivers", PathKind::Directory)]));
    assert!(rendered(&remove_path(windows), &facts).unwrap_err().contains("which others use too"));
    let facts = with_paths(&[(r"C:\Program Files\Kaspersky Lab\KES", PathKind::Directory)]);
    let product = product("kes", Vec::new());
    let still_used = |path: &str| Some(format!("`{path}` is used"));
    let context = Context { facts: &facts, product: &product, timeout: 600, still_used: &still_used };
    assert!(render(&remove_path(KES), &context).unwrap_err().ends_with("is used"));
    let mut facts = host();
    facts.paths.insert(KES.to_owned(), gappy());
    assert!(rendered(&remove_path(KES), &facts).unwrap_err().contains("it was cut off"));
    facts.paths.insert(KES.to_owned(), complete(Vec::new()));
    assert_eq!(rendered(&remove_path(KES), &facts), Ok(None));
}

#[test]
fn a_path_that_a_staying_product_runs_from_stays() {
    let mut playbook = playbook();
    let mut kes = product("kes", vec![step(remove_path(KES))]);
    kes.detect = Rule::Check(Check::Path { path: pattern(KES), kind: None, owner: None });
    let mut agent = product("agent", Vec::new());
    agent.detect = Rule::Check(Check::Service { name: pattern("klnagent"), running: None });
    agent.report_only = Some("it stays".to_owned());
    kes.platforms = vec![Platform::Windows];
    agent.platforms = vec![Platform::Windows];
    playbook.products = vec![agent, kes];
    let mut facts = with_paths(&[(r"C:\Program Files\Kaspersky Lab\KES", PathKind::Directory)]);
    facts.services.items[0].file =
        Some(r#""c:\program files\KASPERSKY LAB\kes\agent\klnagent.exe" -s"#.to_owned());
    let plan = plan_for(&playbook, std::slice::from_ref(&facts)).unwrap();
    assert!(plan.hosts[0].steps.is_empty());
    assert!(format!("{:?}", plan.hosts[0].not_planned).contains("of product `agent`, which stays"));
    facts.services.items[0].file =
        Some(r"C:\Program Files\Kaspersky Lab\NetworkAgent\klnagent.exe".to_owned());
    assert_eq!(plan_for(&playbook, &[facts]).unwrap().hosts[0].steps.len(), 1);
}

fn with_keys(asked: &str, keys: &[&str]) -> Facts {
    let mut facts = host();
    let value = RegistryValue { name: "Start".into(), kind: "REG_SZ".into(), data: "x".into() };
    let keys = keys.iter().map(|key| RegistryKey { key: (*key).to_owned(), values: vec![value.clone()] });
    facts.registry.insert(asked.to_owned(), complete(keys.collect()));
    facts
}

#[test]
fn exactly_the_keys_that_the_host_named_are_deleted() {
    let asked = r"HKLM\SOFTWARE\KasperskyLab\AVP*";
    let delete =
        |value: Option<&str>| Action::DeleteRegistry { key: pattern(asked), value: value.map(Into::into) };
    let found = r"HKEY_LOCAL_MACHINE\SOFTWARE\KasperskyLab\AVP21.3";
    assert_eq!(
        commands(&delete(None), &with_keys(asked, &[found])),
        [format!("reg delete \"{found}\" /f /reg:64")]
    );
    assert_eq!(
        commands(&delete(Some("start")), &with_keys(asked, &[found])),
        [format!("reg delete \"{found}\" /v \"start\" /f /reg:64")]
    );
    assert_eq!(rendered(&delete(Some("other")), &with_keys(asked, &[found])), Ok(None));
    assert_eq!(rendered(&delete(None), &with_keys(asked, &[])), Ok(None));
    for strange in [
        r"HKEY_LOCAL_MACHINE\SOFTWARE\KasperskyLab",
        r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\AVP1",
        "HKEY_LOCAL_MACHINE\\SOFTWARE\\KasperskyLab\\AVP\" & del",
    ] {
        assert!(rendered(&delete(None), &with_keys(asked, &[strange])).is_err(), "{strange}");
    }
    let mut facts = host();
    facts.registry.insert(asked.to_owned(), gappy());
    assert!(rendered(&delete(None), &facts).unwrap_err().contains("it was cut off"));
}

#[test]
fn the_key_of_a_service_is_for_delete_service() {
    let asked = r"HKLM\SYSTEM\CurrentControlSet\Services\kl*";
    let delete = Action::DeleteRegistry { key: pattern(asked), value: None };
    let found = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\klif";
    assert!(rendered(&delete, &with_keys(asked, &[found])).unwrap_err().contains("`delete_service: klif`"));
    let left = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\klold";
    assert!(rendered(&delete, &with_keys(asked, &[left])).is_ok(), "it is none");
    let mut facts = with_keys(asked, &[left]);
    facts.services = gappy();
    assert!(rendered(&delete, &facts).is_err(), "it may be one");
}

#[test]
fn certificates_go_from_the_machines_own_store_by_their_thumbprints() {
    let remove = Action::RemoveCertificate { subject: TextPattern("Kaspersky".into()) };
    let in_store = |store: &str, name: &str| {
        let mut facts = host();
        let file = format!(r"HKEY_LOCAL_MACHINE\SOFTWARE\{store}\Certificates\{name}");
        facts.certificates = complete(vec![Certificate {
            file,
            subject: "O=AO Kaspersky Lab".into(),
            sha256: "0".repeat(64),
        }]);
        facts
    };
    let print = "DEADBEEF".repeat(5);
    let own = r"Microsoft\SystemCertificates\ROOT";
    assert_eq!(
        commands(&remove, &in_store(own, &print)),
        [format!("certutil -delstore Root {}", print.to_lowercase())]
    );
    assert!(rendered(&remove, &in_store(own, "x & y")).is_err());
    let policy = r"Policies\Microsoft\SystemCertificates\Root";
    assert!(rendered(&remove, &in_store(policy, &print)).unwrap_err().contains("filled from"));
    assert_eq!(rendered(&remove, &host()), Ok(None));
}

#[test]
fn tasks_go_by_their_paths_but_those_of_windows() {
    let remove = |name: &str| Action::RemoveScheduledTask { name: pattern(name) };
    let mut facts = host();
    let task = |name: &str| ScheduledTask { name: name.to_owned(), line: "x".into() };
    facts.scheduled_tasks = complete(vec![
        task(r"\Kaspersky Lab\Update check"),
        task(r"\Microsoft\Windows\Defrag\ScheduledDefrag"),
    ]);
    let expected = [r#"schtasks /delete /tn "\Kaspersky Lab\Update check" /f"#];
    for name in [r"\Kaspersky Lab\*", "update check", r"\KASPERSKY LAB\Update check"] {
        assert_eq!(commands(&remove(name), &facts), expected, "{name}");
    }
    assert!(rendered(&remove("ScheduledDefrag"), &facts).unwrap_err().contains("of Windows itself"));
    facts.scheduled_tasks.items.push(task("\\Kaspersky Lab\\a\"b"));
    assert!(rendered(&remove(r"\Kaspersky Lab\*"), &facts).is_err());
    assert_eq!(rendered(&remove("kltask"), &facts), Ok(None));
}

#[test]
fn a_batch_file_is_quiet() {
    assert_eq!(batch(["ver"]), "@echo off\nver\n");
}
