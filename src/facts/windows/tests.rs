mod host;
mod hostile;

use super::*;
use crate::facts::{Gap, PathKind};
use crate::model::{BoundedOutput, Truth};
use crate::transport::{BecomeResult, StreamEnd};
use host::{ENGLISH, GERMAN, Host, JAPANESE, RUSSIAN};

const NONCE: &str = "nonce-1";

fn answer_of(bytes: &[u8], end: StreamEnd) -> Answer {
    let mut stdout = BoundedOutput::with_limit(8 * 1024 * 1024);
    stdout.push(bytes);
    Answer { stdout, stderr: BoundedOutput::default(), end, become_result: BecomeResult::NotAsked }
}

fn facts_of(bytes: &[u8], questions: &Questions) -> Facts {
    let answer = answer_of(bytes, StreamEnd::Complete { status: 0 });
    parse("h", questions, NONCE, &answer, None, Timestamp::UNIX_EPOCH)
}

fn questions() -> Questions {
    Questions {
        topics: [
            Topic::Packages,
            Topic::Programs,
            Topic::Services,
            Topic::Processes,
            Topic::Certificates,
            Topic::ScheduledTasks,
            Topic::Users,
        ]
        .into(),
        paths: [
            r"%ProgramFiles(x86)%\Kaspersky Lab",
            r"%ProgramData%\Kaspersky*",
            r"%SystemDrive%\Users\*\AppData\Local\Kaspersky Lab",
            r"%windir%\System32\drivers\kl*.sys",
            "/opt/kaspersky",
        ]
        .map(str::to_owned)
        .into(),
        registry: [
            (r"HKLM\SOFTWARE\KasperskyLab", &["Installed"][..]),
            (r"HKLM\SOFTWARE\KasperskyLab\AVP*", &[]),
            (r"HKLM\SOFTWARE\McAfee", &[]),
            (r"HKU\*\Software\KasperskyLab", &[]),
        ]
        .map(|(key, values)| (key.to_owned(), values.iter().map(|v| (*v).to_owned()).collect()))
        .into(),
        ..Questions::default()
    }
}

fn reasons<T>(listing: &Listing<T>) -> Vec<&str> {
    listing.gaps.iter().map(|gap: &Gap| gap.reason.as_str()).collect()
}

#[test]
fn a_host_tells_the_same_in_every_language() {
    let questions = questions();
    let of = |spoken| facts_of(&Host::speaking(spoken).answer(&questions), &questions);
    let english = of(&ENGLISH);
    assert_eq!(english.platform, Some(Platform::Windows));
    assert_eq!(english.os.version_id.as_deref(), Some("10.0.19045.4291"));
    assert_eq!(english.os.pretty_name.as_deref(), Some("Windows 10 Pro"));
    assert_eq!((english.os.arch.as_str(), english.os.hostname.as_str()), ("AMD64", "PC-1"));
    assert_eq!(english.identity.machine_id.as_deref(), Some("babc81a1-15a6-4084-847c-088dcab95ff7"));
    assert_eq!(english.boot.boot_id.as_deref(), Some("2024-05-03T06:12:34.500000000Z"));
    assert_eq!(english.privilege.elevated, Some(true));
    assert_eq!(english.pending_reboot, PendingReboot::No);
    for spoken in [&GERMAN, &JAPANESE, &RUSSIAN] {
        assert_eq!(of(spoken), english, "{}", spoken.name);
    }
}

#[test]
fn what_is_there_is_found_and_what_is_not_is_known_not_to_be() {
    let questions = questions();
    let facts = facts_of(&Host::speaking(&GERMAN).answer(&questions), &questions);
    let names: Vec<&str> =
        facts.programs.items.iter().filter_map(|program| program.name.as_deref()).collect();
    assert_eq!(names, ["Kaspersky Endpoint Security for Windows", "7-Zip"]);
    assert_eq!(reasons(&facts.programs), [""; 0]);
    let program = &facts.programs.items[0];
    assert_eq!(program.version.as_deref(), Some("12.3.0.493"));
    assert_eq!(program.publisher.as_deref(), Some("AO Kaspersky Lab"));
    // One profile's hive is not loaded; that of the one that is has a program of its own.
    assert_eq!(
        reasons(&facts.user_programs),
        ["the profile of `S-1-5-21-1-2-3-1002` is not loaded: its user is not logged in"]
    );
    assert_eq!(facts.user_programs.items[0].name.as_deref(), Some("Notes"));

    let services: Vec<(&str, &str, Option<&str>)> = facts
        .services
        .items
        .iter()
        .map(|service| (service.name.as_str(), service.kind.as_str(), service.active.as_deref()))
        .collect();
    assert_eq!(
        services,
        [
            ("AVP.KES.21.15", "service", Some("active")),
            ("klif", "driver", Some("active")),
            ("klim6", "driver", Some("inactive")),
            ("RpcSs", "service", Some("active")),
        ]
    );
    assert_eq!(
        facts.services.items[1].file.as_deref(),
        Some(r"C:\WINDOWS\system32\drivers\K4W-21-15\klif.sys")
    );
    // `klim6` has no image path: the system's own directory.
    assert_eq!(facts.services.items[2].file.as_deref(), Some(r"System32\drivers\klim6.sys"));
    assert!(facts.services.is_complete());

    assert_eq!(facts.processes.items.iter().map(|p| p.pid).collect::<Vec<_>>(), [0, 4, 1234]);
    assert!(facts.processes.is_complete());
    assert_eq!(facts.scheduled_tasks.items[0].name, r"\Microsoft\Windows\Defrag\ScheduledDefrag");
    assert!(facts.scheduled_tasks.is_complete());
    assert_eq!(facts.certificates.items.len(), 1);
    assert!(facts.certificates.is_complete(), "{:?}", reasons(&facts.certificates));

    let path = |path: &str| &facts.paths[path];
    assert_eq!(
        path(r"%ProgramFiles(x86)%\Kaspersky Lab").items[0].path,
        r"C:\Program Files (x86)\Kaspersky Lab"
    );
    assert_eq!(path(r"%ProgramFiles(x86)%\Kaspersky Lab").items[0].kind, PathKind::Directory);
    let found: Vec<&str> =
        path(r"%ProgramData%\Kaspersky*").items.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(found, [r"C:\ProgramData\Kaspersky Lab", r"C:\ProgramData\KasperskyLab"]);
    for absent in [r"%SystemDrive%\Users\*\AppData\Local\Kaspersky Lab", r"%windir%\System32\drivers\kl*.sys"]
    {
        assert!(path(absent).is_complete() && path(absent).items.is_empty(), "{absent}: {:?}", path(absent));
    }
    // What is no path of Windows is no question to it.
    assert!(!facts.paths.contains_key("/opt/kaspersky"));

    let key = |key: &str| &facts.registry[key];
    assert_eq!(key(r"HKLM\SOFTWARE\KasperskyLab").items[0].values[0].data, "1");
    assert_eq!(
        key(r"HKLM\SOFTWARE\KasperskyLab\AVP*").items[0].key,
        r"HKEY_LOCAL_MACHINE\SOFTWARE\KasperskyLab\AVP21.15"
    );
    assert!(key(r"HKLM\SOFTWARE\McAfee").is_complete() && key(r"HKLM\SOFTWARE\McAfee").items.is_empty());
    assert_eq!(reasons(key(r"HKU\*\Software\KasperskyLab")).len(), 1);
    assert_eq!(reasons(&facts.users), ["this version does not ask this on Windows"]);
    // Nobody asked the packages of Linux; nothing is said of them.
    assert_eq!(reasons(&facts.packages), ["this was not asked"]);
}

/// Every listing of `questions` by name, with what it says of its own completeness.
fn completeness(facts: &Facts) -> Vec<(String, bool)> {
    let mut all = vec![
        ("programs".to_owned(), facts.programs.is_complete()),
        ("services".to_owned(), facts.services.is_complete()),
        ("processes".to_owned(), facts.processes.is_complete()),
        ("certificates".to_owned(), facts.certificates.is_complete()),
        ("tasks".to_owned(), facts.scheduled_tasks.is_complete()),
    ];
    all.extend(facts.paths.iter().map(|(path, listing)| (path.clone(), listing.is_complete())));
    all.extend(facts.registry.iter().map(|(key, listing)| (key.clone(), listing.is_complete())));
    all
}

#[test]
fn a_stub_that_says_nothing_and_0_is_unknown() {
    let questions = questions();
    for program in ["reg", "tasklist", "dir", "set"] {
        let mut host = Host::speaking(&ENGLISH);
        host.stubs.push(program);
        let facts = facts_of(&host.answer(&questions), &questions);
        let complete: Vec<String> = completeness(&facts)
            .into_iter()
            .filter_map(|(name, complete)| complete.then_some(name))
            .collect();
        let none: &[&str] = &[];
        match program {
            "reg" => {
                assert!(
                    !complete.iter().any(|name| name != "processes" && !name.starts_with('%')),
                    "{complete:?}"
                );
                assert!(matches!(facts.pending_reboot, PendingReboot::Unknown(_)));
            }
            "tasklist" => assert!(!complete.contains(&"processes".to_owned())),
            "dir" => assert!(!complete.iter().any(|name| name.starts_with('%')), "{complete:?}"),
            _ => assert_eq!(
                (facts.platform, complete.as_slice()),
                (None, &none.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..])
            ),
        }
    }
}

#[test]
fn a_service_manager_that_says_nothing_leaves_the_states_unknown() {
    let questions = questions();
    let mut host = Host::speaking(&ENGLISH);
    host.stubs.push("sc");
    let facts = facts_of(&host.answer(&questions), &questions);
    assert!(facts.services.items.iter().all(|service| service.active.is_none()));
    assert_eq!(facts.services.items.len(), 4);
    assert_eq!(facts.services.items[1].kind, "driver");
}

#[test]
fn an_ordinary_user_is_told_what_was_not_allowed() {
    let questions = questions();
    let mut host = Host::speaking(&ENGLISH);
    host.elevated = false;
    host.refused = vec![r"C:\ProgramData", r"HKLM\SOFTWARE\KasperskyLab"];
    let facts = facts_of(&host.answer(&questions), &questions);
    assert_eq!(facts.privilege.elevated, Some(false));
    assert_eq!(
        reasons(&facts.paths[r"%ProgramData%\Kaspersky*"]),
        [r"`C:\ProgramData` cannot be listed; the login does not have an administrator's whole rights"]
    );
    let key = &facts.registry[r"HKLM\SOFTWARE\KasperskyLab"];
    assert!(key.items.is_empty() && reasons(key)[0].contains("cannot be read"), "{key:?}");
}

#[test]
fn files_are_read_as_far_as_they_are_small() {
    let mut questions = Questions::default();
    let expressions = || ["Kaspersky".to_owned()].into();
    for path in [
        r"%ProgramData%\small.ini",
        r"C:\ProgramData\large.ini",
        r"C:\ProgramData\refused.ini",
        r"C:\ProgramData\gone.ini",
    ] {
        questions.files.insert(path.to_owned(), expressions());
    }
    let mut host = Host::speaking(&ENGLISH);
    host.directories.push((r"C:\ProgramData", &["small.ini", "large.ini", "refused.ini"][..]));
    host.files = vec![
        (r"C:\ProgramData\small.ini", "[a]\r\nname=Kaspersky\r\npassword=secret\r\n".to_owned()),
        (r"C:\ProgramData\large.ini", "x".repeat(70_000)),
    ];
    let facts = facts_of(&host.answer(&questions), &questions);
    let of = |path: &str| &facts.files[path];
    let small = of(r"%ProgramData%\small.ini");
    assert!(small.is_complete());
    assert_eq!((small.items[0].text.as_str(), small.items[0].truncated), ("name=Kaspersky\n", false));
    assert!(of(r"C:\ProgramData\large.ini").items[0].truncated);
    assert_eq!(reasons(of(r"C:\ProgramData\refused.ini")), [r"`C:\ProgramData\refused.ini` was not read"]);
    assert!(of(r"C:\ProgramData\gone.ini").is_complete() && of(r"C:\ProgramData\gone.ini").items.is_empty());
}

#[test]
fn a_pending_reboot_has_three_signs() {
    let questions = questions();
    for (sign, reason) in [
        (
            r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending",
            "RebootPending",
        ),
        (
            r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired",
            "RebootRequired",
        ),
        (
            r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager=PendingFileRenameOperations",
            "files are to be",
        ),
    ] {
        let mut host = Host::speaking(&RUSSIAN);
        host.add(sign);
        match facts_of(&host.answer(&questions), &questions).pending_reboot {
            PendingReboot::Yes(why) => assert!(why.contains(reason), "{why}"),
            other => panic!("{sign}: {other:?}"),
        }
    }
}

#[test]
fn a_name_that_the_code_page_lacks_matters_only_where_it_could_match() {
    let questions = questions();
    let mut host = Host::speaking(&ENGLISH);
    host.directories.push((r"C:\ProgramData", &["??????"][..]));
    let facts = facts_of(&host.answer(&questions), &questions);
    assert!(facts.paths[r"%ProgramData%\Kaspersky*"].is_complete(), "a lost character was no ASCII");
    let mut host = Host::speaking(&ENGLISH);
    host.directories.push((r"C:\ProgramData", &["Kaspersky??"][..]));
    let facts = facts_of(&host.answer(&questions), &questions);
    assert!(!facts.paths[r"%ProgramData%\Kaspersky*"].is_complete());
}

#[test]
fn no_line_is_longer_than_cmd_reads() {
    let mut questions = Questions::of_playbook(&crate::playbook::read_catalogue().unwrap().playbook);
    questions.merge(&self::questions());
    for number in 0..200 {
        questions.paths.insert(format!(r"%ProgramFiles%\A vendor with a long name {number}\**"));
        questions
            .paths
            .insert(format!(r"%SystemDrive%\Users\*\AppData\Roaming\A vendor {number}\*\x{number}"));
    }
    let text = script(&questions, "uproot-00000000000000000000000000000000");
    let longest = text.text().lines().map(str::len).max().unwrap();
    assert!(longest < 8191, "{longest}");
    assert!(text.text().is_ascii());
}

/// What stands in the place of a command: the first of a line, behind `&`, `(`, `do`, and in a loop's
/// quoted command.
fn commands(line: &str) -> Vec<String> {
    let mut quoted = false;
    let plain: String = line
        .chars()
        .filter(|c| {
            quoted ^= *c == '"';
            !quoted && *c != '"'
        })
        .collect();
    let split = plain
        .replace(" do (", "&")
        .replace(" do for ", "&for ")
        .replace(" in ('", "&")
        .replace(" else (", "&")
        .replace(['(', ')'], "&");
    split.split('&').filter_map(|part| part.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_command_of_the_script_only_reads() {
    let mut questions = questions();
    questions.files.insert(r"%ProgramData%\*\x.ini".to_owned(), Default::default());
    let script = script(&questions, NONCE);
    let known = [
        "echo", "chcp", "set", "whoami", "ver", "wevtutil", "reg", "for", "if", "sc", "tasklist", "dir",
        "type", "echo.", "'",
    ];
    for line in script.text().lines() {
        for command in commands(line) {
            assert!(known.contains(&command.as_str()) || command.starts_with('\''), "`{command}` in {line}");
        }
        // Nothing is written but to `nul`, and those that could change something only list.
        let rest = line.replace("2^>nul", "").replace("2>nul", "").replace("<nul", "").replace("^<nul", "");
        assert!(!rest.contains('>'), "{line}");
        assert!(!line.contains("reg ") || line.contains("reg query "), "{line}");
        assert!(!line.starts_with("sc ") || line.starts_with("sc query "), "{line}");
        assert!(!line.starts_with("wevtutil ") || line.starts_with("wevtutil qe "), "{line}");
        let sets = line.starts_with("set ") && line.contains('=');
        let own = [format!("set \"N={NONCE}\""), "set \"NoDefaultCurrentDirectoryInExePath=1\"".to_owned()];
        assert!(!sets || own.contains(&line.to_owned()), "{line}");
    }
}

#[test]
fn what_cannot_be_asked_is_a_gap_with_its_reason() {
    let mut questions = Questions::default();
    questions.paths.extend([r"%APPDATA%\x".to_owned(), r"C:\**\x".to_owned()]);
    questions.registry.insert(r"HKLM\SOFTWARE\*\x".to_owned(), Default::default());
    let facts = facts_of(&Host::speaking(&ENGLISH).answer(&questions), &questions);
    assert!(facts.paths.values().all(|listing| !listing.is_complete() && listing.items.is_empty()));
    assert!(facts.registry.values().all(|listing| !listing.is_complete()));
    assert_eq!(
        crate::playbook::Pattern::new("x")
            .windows_matches(&crate::playbook::Pattern::new("x").matcher(), "x"),
        Truth::True
    );
}

#[test]
fn a_program_that_ends_without_a_line_break_is_understood() {
    let questions = questions();
    let whole = Host::speaking(&ENGLISH).answer(&questions);
    let text = String::from_utf8(whole.clone()).unwrap();
    let broken = text.replace("</Event>\r\n", "</Event>").replace("</Event>\n", "</Event>");
    assert_ne!(text, broken);
    let facts = facts_of(broken.as_bytes(), &questions);
    assert!(facts.boot.boot_id.is_some());
    assert_eq!(facts, facts_of(&whole, &questions));
}
