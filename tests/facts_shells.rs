//! The script, run by the real shells and programs of this machine, and the parser on what they say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod facts_support;

use facts_support::{about, ask, everything, facts_of, is_complete, is_root, json, listings};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use uproot::facts::{Facts, PathEntry, Questions};
use uproot::model::Platform;
use uproot::playbook::{PathKind, Pattern};

/// The shells that a host's `sh` may be; those that are not on this machine are left out, `sh`
/// never is.
fn shells() -> Vec<Vec<&'static str>> {
    let all = [vec!["sh"], vec!["dash"], vec!["bash"], vec!["bash", "--posix"], vec!["busybox", "ash"]];
    let is_here = |name: &str| Command::new(name).args(["-c", ":"]).output().is_ok();
    all.into_iter().filter(|shell| is_here(shell[0])).collect()
}

fn facts_by(shell: &[&str], questions: &Questions) -> Facts {
    let answer = ask(Command::new(shell[0]).args(&shell[1..]), questions);
    assert_eq!(answer.stderr.text(), "", "{shell:?}");
    facts_of(questions, &answer)
}

fn names(entries: &[PathEntry], base: &str) -> BTreeSet<String> {
    entries.iter().map(|entry| entry.path.strip_prefix(base).unwrap().to_owned()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_shell_gives_the_same_facts() {
    let mut questions = everything();
    questions.merge(&about(["/etc/pass*", "/nowhere/at/all", "/usr/bin/s[gh]*"], ["/etc/passwd"]));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut first: Option<(Vec<&str>, serde_json::Value)> = None;
    for shell in shells() {
        let facts = facts_by(&shell, &questions);
        assert_eq!(facts.platform, Some(Platform::Linux));
        assert!(facts.users.is_complete() && facts.groups.is_complete() && facts.mounts.is_complete());
        let me = facts.processes.items.iter().find(|process| process.pid == std::process::id()).unwrap();
        assert_eq!(me.exe.as_deref(), std::env::current_exe().unwrap().to_str(), "{shell:?}");
        assert!(facts.ports.items.iter().any(|open| open.port == port && open.address == "127.0.0.1"));
        let mut document = json(&facts);
        // Other processes come and go.
        for changing in ["processes", "ports"] {
            assert!(!is_root() || is_complete(&document[changing]), "{shell:?} {changing}");
            document[changing]["items"].take();
        }
        match &first {
            None => first = Some((shell, document)),
            Some((other, expected)) => {
                assert_eq!(&document, expected, "{shell:?} and {other:?}");
            }
        }
    }
}

/// A directory with every kind of thing in it, and odd names.
fn zoo() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in ["plain", ".hidden", "two words", "quote'd", "-dash", "star*", "dollar$(x)", "back\\slash"] {
        std::fs::write(at(name), name).unwrap();
    }
    std::fs::write(at("line\nbreak"), "").unwrap();
    std::fs::write(dir.path().join(OsStr::from_bytes(b"latin\xe9")), "").unwrap();
    std::fs::create_dir_all(at("sub/deep/deeper")).unwrap();
    std::fs::write(at("sub/deep/deeper/leaf"), "").unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", at("dangling")).unwrap();
    std::os::unix::fs::symlink("sub", at("linked")).unwrap();
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    dir
}

#[test]
fn every_name_and_kind_is_found() {
    let dir = zoo();
    let base = format!("{}/", dir.path().display());
    let all = format!("{base}*");
    let below = format!("{base}sub/**");
    let literal = format!("{base}line\nbreak");
    let [missing, dangling, through, star] =
        ["none", "dangling", "linked/d*/deeper", "star\\*"].map(|name| format!("{base}{name}"));
    let asked = [&all, &below, &missing, &dangling, &through, &star, &literal].map(String::as_str);
    for shell in shells() {
        let facts = facts_by(&shell, &about(asked, []));
        let found = &facts.paths[&all];
        assert_eq!(found.gaps, [], "{shell:?}");
        let expected = [
            "plain",
            ".hidden",
            "two words",
            "quote'd",
            "-dash",
            "star*",
            "dollar$(x)",
            "back\\slash",
            "line\nbreak",
            "latin\u{fffd}",
            "sub",
            "dangling",
            "linked",
            "pipe",
        ];
        assert_eq!(names(&found.items, &base), set(&expected), "{shell:?}");
        let kind = |name: &str| found.items.iter().find(|entry| entry.path.ends_with(name)).unwrap().kind;
        assert_eq!(kind("pipe"), PathKind::Other);
        assert_eq!(kind("/sub"), PathKind::Directory);
        assert_eq!(kind("/plain"), PathKind::File);
        assert_eq!(
            names(&facts.paths[&below].items, &base),
            set(&["sub/deep", "sub/deep/deeper", "sub/deep/deeper/leaf"])
        );
        assert!(facts.paths[&missing].is_complete() && facts.paths[&missing].items.is_empty());
        let link = &facts.paths[&dangling].items[0];
        assert_eq!((link.kind, link.target.as_deref()), (PathKind::Link, Some("/nowhere/at/all")));
        assert_eq!(names(&facts.paths[&through].items, &base), set(&["linked/deep/deeper"]));
        assert_eq!(names(&facts.paths[&star].items, &base), set(&["star*"]));
        assert!(!facts.paths[&literal].is_complete(), "a control character cannot be asked");
    }
}

#[test]
fn a_pattern_finds_what_a_glob_of_the_playbook_matches() {
    let dir = tempfile::tempdir().unwrap();
    let base = format!("{}/", dir.path().display());
    let all = ["a", "ab", "b.d", ".b.d", "é", "x1", "x2", "xé", "a]", "b!"];
    for name in all {
        std::fs::write(format!("{base}{name}"), "").unwrap();
    }
    let patterns: Vec<String> = [
        "?",
        "??",
        "*.d",
        "x[12]",
        "x[!1]",
        "x[^1]*",
        "{a,x1,none}",
        "x{1,[2]}",
        "?b*",
        "x[é]",
        "x*",
        "*",
        "[.]b*",
        "[a-b]*",
        "a[]]",
        "{a,b}[]!]",
        "{*.d,x{1,2}}",
        "\\a*",
        "a\\b",
    ]
    .iter()
    .map(|pattern| format!("{base}{pattern}"))
    .collect();
    let is_match = |pattern: &str, name: &&&str| {
        Pattern::new(pattern).matcher().matches(&format!("{base}{name}")).is_true()
    };
    for shell in shells() {
        let facts = facts_by(&shell, &about(patterns.iter().map(String::as_str), []));
        for pattern in &patterns {
            let expected: Vec<&str> = all.iter().filter(|name| is_match(pattern, name)).copied().collect();
            assert_eq!(facts.paths[pattern].gaps, []);
            assert_eq!(names(&facts.paths[pattern].items, &base), set(&expected), "{shell:?} {pattern}");
        }
    }
}

#[test]
fn the_beginnings_of_files_are_exact() {
    let dir = zoo();
    let base = format!("{}/", dir.path().display());
    let long = "0123456789abcde\n".repeat(5000);
    for (name, text) in [("t.nul", "a\0b\n|c"), ("t.end", "a\n\n"), ("t.none", ""), ("t.long", long.as_str())]
    {
        std::fs::write(format!("{base}{name}"), text).unwrap();
    }
    std::fs::write(format!("{base}t.frame"), format!("{} end paths\n", facts_support::NONCE)).unwrap();
    let [all, pipe, linked] = ["t.*", "pipe", "dangling"].map(|name| format!("{base}{name}"));
    for shell in shells() {
        let facts = facts_by(&shell, &about([], [&all, &pipe, &linked].map(String::as_str)));
        let read = &facts.files[&all];
        let text = |name: &str| {
            let file = read.items.iter().find(|file| file.path.ends_with(name)).unwrap();
            (file.text.as_str(), file.truncated)
        };
        assert_eq!(text("t.nul"), ("a\0b\n|c", false), "{shell:?}");
        assert_eq!(text("t.end"), ("a\n\n", false));
        assert_eq!(text("t.none"), ("", false));
        assert_eq!(text("t.long"), (&long[..65536], true));
        for nothing in [&pipe, &linked] {
            assert!(facts.files[nothing].is_complete() && facts.files[nothing].items.is_empty());
        }
    }
}

#[test]
fn more_matches_than_are_listed_are_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..1001 {
        std::fs::write(dir.path().join(number.to_string()), "").unwrap();
    }
    let [all, some] = ["*", "[12]*"].map(|name| format!("{}/{name}", dir.path().display()));
    let facts = facts_by(&["sh"], &about([all.as_str(), &some], []));
    assert_eq!(facts.paths[&all].items.len(), 1000);
    assert_eq!(facts.paths[&all].gaps[0].reason, "there are more than 1000 matches");
    assert!(facts.paths[&some].is_complete());
    assert_eq!(facts.paths[&some].items.len(), 223);
}

#[test]
fn an_asked_path_runs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().display();
    let asked = ["$(touch X)", "';touch X;'", "`touch X`*", "\"; touch X #*", "&& touch X {a,b}"]
        .map(|text| format!("{base}/{}", text.replace('X', &format!("{base}/made"))));
    for shell in shells() {
        let facts =
            facts_by(&shell, &about(asked.iter().map(String::as_str), asked.iter().map(String::as_str)));
        assert!(!Path::new(&format!("{base}/made")).exists());
        for (path, listing) in &facts.paths {
            assert!(listing.is_complete() && listing.items.is_empty(), "{path} {listing:?}");
        }
    }
}

/// Copies a program by another process: a file that this one has open for writing, which a fork of another
/// test may hold for a moment longer, cannot be run.
fn copy_program(from: impl AsRef<Path>, to: &Path) {
    assert!(Command::new("cp").arg(from.as_ref()).arg(to).status().unwrap().success());
}

#[test]
fn a_process_whose_executable_is_deleted_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let exe = dir.path().join("kesl (1)");
    let sleep = Command::new("sh").args(["-c", "command -v sleep"]).output().unwrap().stdout;
    copy_program(String::from_utf8(sleep).unwrap().trim(), &exe);
    let mut child = Command::new(&exe).arg("60").spawn().unwrap();
    std::fs::remove_file(&exe).unwrap();
    let facts = facts_by(&["sh"], &everything());
    child.kill().unwrap();
    child.wait().unwrap();
    let process = facts.processes.items.iter().find(|process| process.pid == child.id()).unwrap();
    assert_eq!((process.exe.as_deref(), process.deleted), (exe.to_str(), true));
    assert_eq!(process.name, "kesl (1)");
}

/// What an ordinary user may not see is unknown to them, with the remedy; needs root to make.
#[test]
fn what_an_ordinary_user_may_not_read_is_a_gap() {
    if !is_root() {
        // As an ordinary user: root's home is not readable, which is the same question.
        let facts = facts_by(&["sh"], &about(["/root/x"], []));
        assert!(!facts.paths["/root/x"].is_complete());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let make = |name: &str, mode: u32| {
        let path = dir.path().join(name);
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("x"), "secret").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for (name, mode) in [("open", 0o755), ("closed", 0o700), ("searchable", 0o711), ("readable", 0o744)] {
        make(name, mode);
    }
    std::fs::write(dir.path().join("open/secret"), "s").unwrap();
    std::fs::set_permissions(dir.path().join("open/secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink(dir.path().join("closed/x"), dir.path().join("open/link")).unwrap();
    let base = dir.path().display().to_string();
    let path = |name: &str| format!("{base}/{name}");
    let cases = [
        ("open/none", true),
        ("open/n*", true),
        ("open/x/below", true),
        ("open/none/*", true),
        ("closed/x", false),
        ("closed/none", false),
        ("closed/*", false),
        ("closed/**", false),
        ("searchable/x", true),
        ("searchable/none", true),
        ("searchable/*", false),
        ("readable/x", false),
        ("readable/*", false),
        ("*/none", false),
        ("open/link/*", false),
        ("open/link", true),
    ];
    let asked: Vec<String> = cases.iter().map(|(name, _)| path(name)).collect();
    let files = ["open/secret", "open/link", "open/x", "closed/*"].map(path);
    for shell in shells() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).args(&shell).current_dir("/");
        let questions = about(asked.iter().map(String::as_str), files.iter().map(String::as_str));
        let facts = facts_of(&questions, &ask(&mut command, &questions));
        assert_eq!(facts.privilege.uid, Some(65534));
        for ((name, is_answered), asked) in cases.iter().zip(&asked) {
            let listing = &facts.paths[asked];
            assert_eq!(listing.is_complete(), *is_answered, "{shell:?} {name}: {listing:?}");
            assert!(listing.gaps.iter().all(|gap| gap.remedy.as_deref() == Some("--become")), "{listing:?}");
        }
        let read: Vec<bool> = files.iter().map(|file| facts.files[file].is_complete()).collect();
        assert_eq!(read, [false, false, true, false], "{shell:?}");
    }
}

#[test]
fn an_ordinary_user_does_not_see_the_executables_of_others() {
    if !is_root() {
        return;
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sh"]).current_dir("/");
    let facts = facts_of(&everything(), &ask(&mut command, &everything()));
    let first = facts.processes.items.iter().find(|process| process.pid == 1).unwrap();
    assert_eq!((first.exe.as_deref(), first.deleted), (None, false));
    assert!(facts.users.is_complete());
    assert_eq!(facts.identity.dmi_uuid, None);
}

#[test]
fn nothing_is_asked_of_what_is_neither_linux_nor_macos() {
    // What a shell on FreeBSD would answer.
    let text = uproot::facts::script(&everything(), facts_support::NONCE);
    let script =
        text.text().replace("kernel=$(uname -srm 2>/dev/null)", "kernel='FreeBSD 14.0-RELEASE amd64'");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let facts = facts_of(&everything(), &facts_support::answer(&output.stdout));
    assert_eq!(facts.platform, None);
    let document = json(&facts);
    for (name, listing) in listings(&document) {
        assert_eq!(
            listing["gaps"][0]["reason"], "the system `FreeBSD` is not supported by this version",
            "{name}"
        );
    }
}

#[test]
fn only_the_lines_that_are_asked_for_leave_the_host() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("squid.conf");
    std::fs::write(&path, "cache_peer p login=u:hunter2\nicap_service a\n\nicap_service b").unwrap();
    let path = path.to_str().unwrap().to_owned();
    let mut questions = uproot::facts::Questions::default();
    questions.files.insert(path.clone(), ["^icap_service".to_owned()].into());
    let facts = facts_by(&["sh"], &questions);
    let text = &facts.files[&path].items[0];
    assert_eq!(text.text, "icap_service a\nicap_service b");
    assert!(!uproot::facts::document::to_json(&facts).contains("hunter2"));
}
