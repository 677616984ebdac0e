use super::quote::quote;
use super::{Context, Rendered, render};
use crate::facts::*;
use crate::plan::testing::*;
use crate::playbook::{Action, PathKind, Product, TextPattern};
use proptest::prelude::*;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const SHELLS: [&[&str]; 3] = [&["dash"], &["busybox", "sh"], &["bash", "--posix"]];

/// Renders without anybody else on the host.
fn rendered(action: &Action, facts: &Facts) -> Result<Option<Rendered>, String> {
    for_product(action, facts, &product("kesl", Vec::new()))
}

fn for_product(action: &Action, facts: &Facts, product: &Product) -> Result<Option<Rendered>, String> {
    render(action, &Context { facts, product, timeout: 60, still_used: &|_| None })
}

fn must(action: &Action, facts: &Facts) -> Rendered {
    rendered(action, facts).unwrap().unwrap()
}

fn refusal(action: &Action, facts: &Facts) -> String {
    rendered(action, facts).unwrap_err()
}

/// Runs a script as `apply` does: on the standard input of a shell.
fn execute(shell: &[&str], script: &str, tools: &Path) -> Output {
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let mut child = Command::new(shell[0])
        .args(&shell[1..])
        .env("PATH", path)
        .env("TOOLS", tools)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn installed_shells() -> impl Iterator<Item = &'static [&'static str]> {
    let there = |shell: &&&[&str]| Command::new(shell[0]).arg("--help").stdin(Stdio::null()).output().is_ok();
    let shells: Vec<_> = SHELLS.iter().filter(there).copied().collect();
    assert!(!shells.is_empty(), "no shell to try scripts with");
    shells.into_iter()
}

/// Writes an executable by another process: one that this process had open for writing could be
/// "busy" in the child of a test on another thread.
fn executable(file: &Path, from: Stdio, text: &[u8]) {
    let mut child = Command::new("sh")
        .args(["-c", "cat >\"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(file)
        .stdin(from)
        .spawn()
        .unwrap();
    if let Some(mut input) = child.stdin.take() {
        input.write_all(text).unwrap();
    }
    assert!(child.wait().unwrap().success());
}

/// A stand-in for a tool.
fn tool(tools: &Path, name: &str, body: &str) {
    executable(&tools.join(name), Stdio::piped(), format!("#!/bin/sh\n{body}\n").as_bytes());
}

fn copy(from: &str, to: &Path) {
    executable(to, std::fs::File::open(from).unwrap().into(), b"");
}

/// A directory of stand-ins, with a `sleep` that hurries.
fn tools() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    tool(directory.path(), "sleep", "exec /bin/sleep 0.05");
    directory
}

/// What the stand-ins wrote down.
fn calls(tools: &Path) -> String {
    std::fs::read_to_string(tools.join("calls")).unwrap_or_default()
}

const NOTE: &str = "printf '%s\\n' \"${0##*/} $*\" >>\"$TOOLS/calls\"";

fn status(output: &Output) -> Option<i32> {
    output.status.code()
}

#[test]
fn packages_go_in_one_transaction_in_the_order_of_the_playbook() {
    let facts = kesl_facts("h");
    let step = must(&remove_package(&["kesl-*", "kesl", "absent"]), &facts);
    assert_eq!(step.commands, ["dpkg --purge kesl-gui kesl"]);
}

#[test]
fn what_only_left_its_configuration_is_purged_and_not_removed() {
    let mut facts = clean_facts("h");
    facts.packages.items.push(package("kesl", "deinstall ok config-files"));
    assert_eq!(must(&remove_package(&["kesl"]), &facts).commands, ["dpkg --purge kesl"]);
    let keep = Action::RemovePackage { names: vec![pattern("kesl")], purge: false };
    assert_eq!(rendered(&keep, &facts), Ok(None));
}

#[test]
fn foreign_and_doubled_packages_are_named_with_their_architecture() {
    let mut facts = clean_facts("h");
    let foreign = |name: &str| Package { arch: "i386".into(), ..package(name, "install ok installed") };
    facts.packages.items.extend([
        foreign("kesl"),
        foreign("klnagent"),
        package("klnagent", "install ok installed"),
    ]);
    let step = must(&remove_package(&["kesl", "klnagent"]), &facts);
    assert_eq!(step.commands, ["dpkg --purge kesl:i386 klnagent:i386 klnagent:amd64"]);
}

#[test]
fn rpm_names_two_instances_once() {
    let mut facts = clean_facts("h");
    let rpm = |version: &str| Package {
        manager: "rpm".into(),
        version: version.into(),
        status: "installed".into(),
        ..package("kesl", "")
    };
    facts.packages.items.push(rpm("11"));
    assert_eq!(must(&remove_package(&["kesl"]), &facts).commands, ["rpm -e kesl"]);
    facts.packages.items.push(rpm("12"));
    assert_eq!(must(&remove_package(&["kesl"]), &facts).commands, ["rpm -e --allmatches kesl"]);
}

#[test]
fn managers_that_take_others_along_and_names_that_are_none_are_refused() {
    let mut facts = clean_facts("h");
    facts.packages.items.push(Package { manager: "apk".into(), ..package("kesl", "installed") });
    assert!(refusal(&remove_package(&["kesl"]), &facts).contains("belongs to apk"));
    for name in ["kesl; rm -rf /", "kesl\nx", "kesl$(x)", "kesl/../x"] {
        let mut facts = clean_facts("h");
        facts.packages.items.push(package(name, "install ok installed"));
        let reason = refusal(&remove_package(&["kesl*", "kesl*/**"]), &facts);
        assert!(reason.contains("cannot be a package's name"), "{reason}");
    }
}

#[test]
fn a_glob_that_takes_in_the_system_is_refused() {
    assert_eq!(refusal(&remove_package(&["*"]), &kesl_facts("h")), "package `dpkg` belongs to the system");
}

#[test]
fn an_incomplete_listing_without_the_package_says_that_it_cannot_tell() {
    let mut facts = clean_facts("h");
    facts.packages.gaps.push(Gap { reason: "the database cannot be read".into(), remedy: None });
    assert_eq!(
        refusal(&remove_package(&["kesl"]), &facts),
        "it cannot be told which of the packages `kesl` are installed: the database cannot be read"
    );
}

#[test]
fn a_locked_package_database_is_waited_for() {
    let step = must(&remove_package(&["kesl"]), &kesl_facts("h"));
    for shell in installed_shells() {
        let tools = tools();
        let body = format!(
            "{NOTE}\n[ -e \"$TOOLS/freed\" ] && exit 0\n: >\"$TOOLS/freed\"\n\
             echo 'dpkg: error: dpkg frontend lock was locked by another process with pid 1' >&2\nexit 2"
        );
        tool(tools.path(), "dpkg", &body);
        let output = execute(shell, &step.script, tools.path());
        assert_eq!(status(&output), Some(0), "{shell:?} {output:?}");
        assert_eq!(calls(tools.path()), "dpkg --purge kesl\ndpkg --purge kesl\n");
    }
}

#[test]
fn a_lock_that_stays_ends_in_the_managers_own_words() {
    let step = must(&remove_package(&["kesl"]), &kesl_facts("h"));
    for shell in installed_shells() {
        let tools = tools();
        tool(tools.path(), "dpkg", "echo 'dpkg: error: it is locked by another process' >&2; exit 2");
        let output = execute(shell, &step.script, tools.path());
        assert_eq!(status(&output), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("locked by another process"));
    }
}

#[test]
fn any_other_failure_is_not_tried_again_and_keeps_status_and_both_streams() {
    let step = must(&remove_package(&["kesl"]), &kesl_facts("h"));
    for shell in installed_shells() {
        let tools = tools();
        tool(tools.path(), "dpkg", &format!("{NOTE}\necho out; echo 'prerm failed' >&2; exit 1"));
        let output = execute(shell, &step.script, tools.path());
        assert_eq!(status(&output), Some(1));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "out\n");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "prerm failed\n");
        assert_eq!(calls(tools.path()), "dpkg --purge kesl\n");
    }
}

#[test]
fn a_daemon_that_keeps_the_managers_streams_does_not_hang_the_step() {
    let step = must(&remove_package(&["kesl"]), &kesl_facts("h"));
    let tools = tools();
    tool(tools.path(), "dpkg", "/bin/sleep 5 >/dev/null & echo 'x' >&2; exit 1");
    let began = std::time::Instant::now();
    let output = execute(&["sh"], &step.script, tools.path());
    assert_eq!(status(&output), Some(1));
    assert!(began.elapsed().as_secs() < 4);
}

#[test]
fn a_service_is_stopped_by_systemd_and_one_that_is_not_loaded_has_stopped() {
    let step = must(&Action::StopService { name: "kesl.service".into() }, &kesl_facts("h"));
    assert_eq!(step.commands, ["systemctl stop kesl.service"]);
    for shell in installed_shells() {
        for (theirs, ours) in [(0, 0), (5, 0), (1, 1)] {
            let tools = tools();
            tool(tools.path(), "systemctl", &format!("{NOTE}\nexit {theirs}"));
            let output = execute(shell, &step.script, tools.path());
            assert_eq!(status(&output), Some(ours), "{shell:?} {output:?}");
            assert_eq!(calls(tools.path()), "systemctl stop kesl.service\n");
        }
    }
}

#[test]
fn a_systemctl_without_systemd_leaves_the_service_to_its_init_script() {
    let step = must(&Action::StopService { name: "uproot-test-none".into() }, &{
        let mut facts = clean_facts("h");
        facts.services.items.push(Service { active: None, ..service("uproot-test-none", "") });
        facts
    });
    for shell in installed_shells() {
        let tools = tools();
        let words = "System has not been booted with systemd as init system (PID 1). Can't operate.";
        tool(tools.path(), "systemctl", &format!("echo \"{words}\" >&2; exit 1"));
        assert_eq!(status(&execute(shell, &step.script, tools.path())), Some(0));
    }
}

#[test]
fn an_init_script_that_systemd_wraps_is_stopped_by_systemd() {
    let mut facts = clean_facts("h");
    let script = Some("/etc/init.d/kesl".to_owned());
    facts.services.items.push(Service { kind: "sysv".into(), file: script, ..service("kesl", "active") });
    let step = must(&Action::StopService { name: "kesl".into() }, &facts);
    assert_eq!(step.commands, ["systemctl stop kesl.service"]);
}

#[test]
fn an_init_script_is_called_where_only_that_is_known() {
    let mut facts = clean_facts("h");
    facts.services.items.push(Service {
        name: "kesl".into(),
        kind: "sysv".into(),
        file: Some("/etc/init.d/kesl".into()),
        active: None,
    });
    let step = must(&Action::StopService { name: "kesl".into() }, &facts);
    assert_eq!(step.commands, ["/etc/init.d/kesl stop"]);
    assert!(!step.script.contains("systemctl"));
}

#[test]
fn an_unknown_service_is_nothing_to_do_and_a_strange_name_is_refused() {
    let stop = |name: &str| Action::StopService { name: name.into() };
    assert_eq!(rendered(&stop("kesl"), &clean_facts("h")), Ok(None));
    for name in ["", "../x", "a b", "-x", "a;b", "a/b"] {
        assert!(refusal(&stop(name), &clean_facts("h")).contains("cannot be the name of a service"));
    }
    let mut facts = clean_facts("h");
    facts.services.gaps.push(Gap { reason: "systemctl failed".into(), remedy: None });
    // It may be there: the step finds out.
    let step = must(&stop("kesl"), &facts);
    for shell in installed_shells() {
        let tools = tools();
        tool(tools.path(), "systemctl", "echo 'Unit kesl.service not loaded.' >&2; exit 5");
        assert_eq!(status(&execute(shell, &step.script, tools.path())), Some(0));
    }
}

#[test]
fn a_deleted_service_loses_exactly_its_own_files() {
    let mut facts = kesl_facts("h");
    facts.services.items.push(Service {
        name: "kesl".into(),
        kind: "systemd".into(),
        file: Some("/opt/elsewhere/kesl.service".into()),
        active: Some("active".into()),
    });
    let step = must(&Action::DeleteService { name: "kesl".into() }, &facts);
    assert!(step.commands.contains(&"systemctl disable kesl.service".to_owned()));
    assert!(step.commands.iter().any(|line| line.starts_with("rm -f /etc/systemd/system/kesl.service ")));
    assert!(!step.script.contains("/opt/elsewhere"));
}

#[test]
fn a_service_that_cannot_be_stopped_keeps_its_files() {
    let step = must(&Action::DeleteService { name: "uproot-test-none".into() }, &{
        let mut facts = clean_facts("h");
        facts.services.items.push(service("uproot-test-none", "active"));
        facts
    });
    for shell in installed_shells() {
        let tools = tools();
        tool(tools.path(), "systemctl", &format!("{NOTE}\nexit 1"));
        assert_eq!(status(&execute(shell, &step.script, tools.path())), Some(1));
        assert_eq!(calls(tools.path()), "systemctl stop uproot-test-none.service\n");
    }
}

#[test]
fn processes_of_an_executable_are_ended_and_no_others() {
    for shell in installed_shells() {
        let tools = tools();
        let home = tempfile::tempdir().unwrap();
        let exe = home.path().join("kesl's");
        let other = home.path().join("other");
        copy("/bin/sleep", &exe);
        copy("/bin/sleep", &other);
        let mut victim = Command::new(&exe).arg("60").spawn().unwrap();
        let mut bystander = Command::new(&other).arg("60").spawn().unwrap();
        let mut facts = clean_facts("h");
        let path = exe.to_str().unwrap();
        facts.processes.items.push(Process {
            pid: 4,
            name: "kesl".into(),
            exe: Some(path.to_owned()),
            deleted: false,
            uid: Some(0),
        });
        let step = must(&Action::KillProcess { exe: pattern(path) }, &facts);
        // The file is gone by the time it is killed, as after a package's removal.
        std::fs::remove_file(&exe).unwrap();
        // The parent must reap it, or it stays a zombie; the script sees that it has no executable.
        let output = execute(shell, &step.script, tools.path());
        assert_eq!(status(&output), Some(0), "{shell:?} {output:?}");
        let ended = victim.wait().unwrap();
        assert!(!ended.success());
        assert!(bystander.try_wait().unwrap().is_none(), "a bystander was killed");
        bystander.kill().unwrap();
        bystander.wait().unwrap();
    }
}

#[test]
fn the_scripts_own_shell_is_never_killed() {
    let tools = tools();
    let shell = tools.path().join("kesl-shell");
    copy("/bin/sh", &shell);
    let mut facts = clean_facts("h");
    let path = shell.to_str().unwrap().to_owned();
    facts.processes.items.push(Process {
        pid: 4,
        name: "x".into(),
        exe: Some(path.clone()),
        deleted: false,
        uid: Some(0),
    });
    let step = must(&Action::KillProcess { exe: pattern(&path) }, &facts);
    let output = execute(&[&path], &step.script, tools.path());
    assert_eq!(status(&output), Some(0), "{output:?}");
}

#[test]
fn a_pattern_in_the_middle_kills_only_what_was_seen_running() {
    let mut facts = clean_facts("h");
    let running =
        |exe: &str| Process { pid: 4, name: "x".into(), exe: Some(exe.into()), deleted: false, uid: Some(0) };
    facts.processes.items.push(running("/opt/kaspersky/kesl/libexec/kesl"));
    let kill = |exe: &str| must(&Action::KillProcess { exe: pattern(exe) }, &facts).script;
    assert!(
        kill("/opt/kaspersky/*/libexec/kesl").contains("case $1 in '/opt/kaspersky/kesl/libexec/kesl') ")
    );
    assert!(kill("/opt/kaspersky/kesl/**").contains("case $1 in '/opt/kaspersky/kesl'/*) "));
}

#[test]
fn processes_that_may_run_are_looked_for_where_the_pattern_is_exact() {
    let mut facts = clean_facts("h");
    let kill = |exe: &str| Action::KillProcess { exe: pattern(exe) };
    assert_eq!(rendered(&kill("/opt/uproot-test/**"), &facts), Ok(None));
    facts.processes.gaps.push(Gap { reason: "cut off".into(), remedy: None });
    let step = must(&kill("/opt/uproot-test/**"), &facts);
    assert_eq!(status(&execute(&["sh"], &step.script, Path::new("/nonexistent"))), Some(0));
    assert!(refusal(&kill("/opt/*/uproot-test"), &facts).contains("cut off"));
}

/// A tree of its own, with facts that know these entries of it.
fn tree(entries: &[(&str, PathKind)]) -> (tempfile::TempDir, Facts, String) {
    let root = tempfile::tempdir().unwrap();
    // A temporary directory that is itself reached by a link would be another test.
    let base = std::fs::canonicalize(root.path()).unwrap().to_str().unwrap().to_owned();
    let mut facts = clean_facts("h");
    for (name, kind) in entries {
        let path = format!("{base}/{name}");
        facts.paths.insert(path.clone(), complete(vec![entry(&path, *kind)]));
    }
    (root, facts, base)
}

#[test]
fn a_tree_is_deleted_and_links_in_it_are_not_followed() {
    for shell in installed_shells() {
        let (_root, facts, base) = tree(&[("opt/it's", PathKind::Directory)]);
        std::fs::create_dir_all(format!("{base}/opt/it's/deep")).unwrap();
        std::fs::create_dir_all(format!("{base}/keep")).unwrap();
        std::fs::write(format!("{base}/keep/file"), "x").unwrap();
        std::os::unix::fs::symlink(format!("{base}/keep"), format!("{base}/opt/it's/link")).unwrap();
        let step = must(&remove_path(&format!("{base}/opt/it's")), &facts);
        assert_eq!(
            step.commands,
            [format!("rm -rf --one-file-system {}", quote(&format!("{base}/opt/it's")))]
        );
        let output = execute(shell, &step.script, Path::new("/nonexistent"));
        assert_eq!(status(&output), Some(0), "{shell:?} {output:?}");
        assert!(!Path::new(&format!("{base}/opt/it's")).exists());
        assert!(Path::new(&format!("{base}/keep/file")).exists());
        // A second time there is nothing, and that is no failure.
        assert_eq!(status(&execute(shell, &step.script, Path::new("/nonexistent"))), Some(0));
    }
}

#[test]
fn of_a_link_only_the_link_goes() {
    for shell in installed_shells() {
        let (_root, facts, base) = tree(&[("link", PathKind::Link)]);
        std::fs::create_dir_all(format!("{base}/keep/deep")).unwrap();
        std::os::unix::fs::symlink(format!("{base}/keep"), format!("{base}/link")).unwrap();
        let step = must(&remove_path(&format!("{base}/link")), &facts);
        assert_eq!(status(&execute(shell, &step.script, Path::new("/nonexistent"))), Some(0));
        assert!(Path::new(&format!("{base}/link")).symlink_metadata().is_err());
        assert!(Path::new(&format!("{base}/keep/deep")).exists());
    }
}

#[test]
fn a_link_on_the_way_to_the_systems_directories_is_refused_when_it_runs() {
    for shell in installed_shells() {
        let (_root, facts, base) = tree(&[("link/uproot-test", PathKind::Directory)]);
        std::os::unix::fs::symlink("/proc", format!("{base}/link")).unwrap();
        // /proc/uproot-test is never there: a file that exists shows the refusal.
        let path = format!("{base}/link/version");
        let mut facts = facts;
        facts.paths.insert(path.clone(), complete(vec![entry(&path, PathKind::File)]));
        let step = must(&remove_path(&path), &facts);
        let output = execute(shell, &step.script, Path::new("/nonexistent"));
        assert_eq!(status(&output), Some(1), "{shell:?} {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("a link leads to"), "{output:?}");
    }
}

#[test]
fn where_one_path_is_refused_when_it_runs_none_is_deleted() {
    let (_root, mut facts, base) = tree(&[]);
    std::fs::create_dir_all(format!("{base}/a")).unwrap();
    std::os::unix::fs::symlink("/proc", format!("{base}/b")).unwrap();
    let asked = format!("{base}/**");
    let found = [format!("{base}/a"), format!("{base}/b/version")];
    let kinds = found.iter().map(|path| entry(path, PathKind::File));
    facts.paths.insert(asked.clone(), complete(kinds.collect()));
    let step = must(&remove_path(&asked), &facts);
    assert_eq!(step.commands.len(), 2);
    assert_eq!(status(&execute(&["sh"], &step.script, Path::new("/nonexistent"))), Some(1));
    assert!(Path::new(&format!("{base}/a")).exists());
}

#[test]
fn paths_that_must_not_go_are_refused_when_planned() {
    let refused = |path: &str| {
        let mut facts = clean_facts("h");
        facts.mounts.items.push("/opt/data/mounted".into());
        facts.paths.insert(path.to_owned(), complete(vec![entry(path, PathKind::Directory)]));
        refusal(&remove_path(path), &facts)
    };
    assert!(refused("/opt").contains("fewer than two components"));
    assert!(refused("/home/ivan").contains("is a home"));
    assert!(refused("/usr/lib").contains("is shared with other software"));
    assert!(refused("/var/opt").contains("is shared with other software"));
    assert!(refused("/proc/sys/kernel").contains("the kernel's"));
    assert!(refused("/opt/data").contains("is mounted at `/opt/data/mounted`"));
    assert!(refused("/opt/data/mounted").contains("is mounted at"));
    for path in ["/", "relative", "/opt/../etc", "/opt/a\nb", "/opt/x\u{fffd}"] {
        assert!(refused(path).contains("no exact path"), "{path:?}");
    }
}

#[test]
fn a_glob_is_planned_as_the_exact_paths_that_were_found() {
    let mut facts = clean_facts("h");
    let asked = "/var/opt/kaspersky/kesl*/**";
    let found = ["/var/opt/kaspersky/kesl/b", "/var/opt/kaspersky/kesl/b/c", "/var/opt/kaspersky/kesl 2/a"];
    let entries = found.map(|path| entry(path, PathKind::Directory));
    facts.paths.insert(asked.into(), complete(entries.into()));
    let step = must(&remove_path(asked), &facts);
    assert_eq!(
        step.commands,
        [
            "rm -rf --one-file-system '/var/opt/kaspersky/kesl 2/a'",
            "rm -rf --one-file-system /var/opt/kaspersky/kesl/b",
        ]
    );
    // A host cannot bring in a path that nobody asked about.
    facts.paths.insert(asked.into(), complete(vec![entry("/etc/passwd/x", PathKind::File)]));
    assert!(refusal(&remove_path(asked), &facts).contains("no exact path of it"));
}

#[test]
fn what_another_product_uses_is_refused() {
    let facts = kesl_facts("h");
    let product = product("kesl", Vec::new());
    let context = Context {
        facts: &facts,
        product: &product,
        timeout: 60,
        still_used: &|_| Some("klnagent is in it".into()),
    };
    assert_eq!(
        render(&remove_path("/var/opt/kaspersky/kesl"), &context),
        Err("klnagent is in it".to_owned())
    );
}

#[test]
fn accounts_go_without_their_homes_and_the_administrator_never() {
    let mut facts = clean_facts("h");
    facts
        .users
        .items
        .extend([Account { name: "ksc".into(), id: 999 }, Account { name: "toor".into(), id: 0 }]);
    facts.groups.items.push(Account { name: "kladmins".into(), id: 998 });
    let user = must(&Action::RemoveUser { name: "ksc".into() }, &facts);
    assert_eq!(user.commands, ["userdel ksc"]);
    assert!(user.script.contains("then userdel ksc;"));
    assert_eq!(
        must(&Action::RemoveGroup { name: "kladmins".into() }, &facts).commands,
        ["groupdel kladmins"]
    );
    for name in ["root", "toor"] {
        assert!(refusal(&Action::RemoveUser { name: name.into() }, &facts).contains("administrator"));
    }
    assert_eq!(rendered(&Action::RemoveUser { name: "absent".into() }, &facts), Ok(None));
    // The account is not on this machine: the script has nothing to do.
    facts.users.items.push(Account { name: "uproot-test-none".into(), id: 999 });
    let step = must(&Action::RemoveUser { name: "uproot-test-none".into() }, &facts);
    for shell in installed_shells() {
        let tools = tools();
        tool(tools.path(), "userdel", NOTE);
        assert_eq!(status(&execute(shell, &step.script, tools.path())), Some(0));
        assert_eq!(calls(tools.path()), "");
    }
}

fn certificate(file: &str, subject: &str) -> Certificate {
    Certificate { file: file.into(), subject: subject.into(), sha256: format!("sha-of-{subject}") }
}

#[test]
fn certificates_go_by_their_anchor_file() {
    let anchor = "/usr/local/share/ca-certificates/k.crt";
    let remove = Action::RemoveCertificate { subject: TextPattern("Kaspersky".into()) };
    let mut facts = clean_facts("h");
    facts.certificates.items.push(certificate("/etc/ssl/certs/ca-certificates.crt", "CN=Kaspersky"));
    assert!(refusal(&remove, &facts).contains("by hand"));
    facts.certificates.items.push(certificate(anchor, "CN=Kaspersky"));
    let step = must(&remove, &facts);
    assert_eq!(step.commands[0], format!("rm -f {anchor}"));
    facts.certificates.items.push(certificate(anchor, "CN=Company Root"));
    assert!(refusal(&remove, &facts).contains("holds other certificates"));
}

#[test]
fn scheduled_tasks_with_a_file_of_their_own_go() {
    let task = |name: &str, line: &str| ScheduledTask { name: name.into(), line: line.into() };
    let remove = |name: &str| Action::RemoveScheduledTask { name: pattern(name) };
    let mut facts = clean_facts("h");
    facts.scheduled_tasks.items.extend([
        task("/etc/cron.d/kesl", "* * * * * root kesl"),
        task("kesl-check.timer", ""),
        task("/var/spool/cron/crontabs/root", "* * * * * kav"),
    ]);
    assert_eq!(must(&remove("kesl"), &facts).commands, ["rm -f /etc/cron.d/kesl"]);
    let both = must(&remove("kesl*"), &facts).commands;
    assert_eq!(both[0], "systemctl disable --now kesl-check.timer");
    assert_eq!(both[1], "rm -f /etc/cron.d/kesl /etc/systemd/system/kesl-check.timer");
    assert!(refusal(&remove("**/crontabs/root"), &facts).contains("remove its line by hand"));
}

#[test]
fn a_command_keeps_its_status_and_cannot_end_the_script_around_it() {
    for shell in installed_shells() {
        let command = "echo \"it's $0\"; cat; exit 7";
        let step = must(&run(command), &clean_facts("h"));
        let script = format!("{}echo after $?\n", step.script);
        let output = execute(shell, &script, Path::new("/nonexistent"));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "it's sh\nafter 7\n", "{shell:?}");
    }
}

#[test]
fn a_secret_for_standard_input_is_piped_and_not_exported() {
    for shell in installed_shells() {
        let mut action = run("cat; env | grep -c UPROOT_STDIN; echo \"$TOKEN\"");
        if let Action::Run { stdin, .. } = &mut action {
            *stdin = Some("password".into());
        }
        let step = must(&action, &clean_facts("h"));
        assert!(!step.script.contains("password"));
        let script = format!("export TOKEN='t'\nUPROOT_STDIN='it'\\''s $x'\n{}", step.script);
        let output = execute(shell, &script, Path::new("/nonexistent"));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "it's $x\n0\nt\n", "{shell:?} {output:?}");
    }
}

#[test]
fn a_script_that_was_cut_runs_nothing() {
    for action in [run("touch \"$TOOLS/ran\""), remove_package(&["kesl"])] {
        let step = must(&action, &kesl_facts("h"));
        let lines: Vec<&str> = step.script.lines().collect();
        for end in 0..lines.len() - 1 {
            let tools = tools();
            tool(tools.path(), "dpkg", NOTE);
            execute(&["sh"], &lines[..end].join("\n"), tools.path());
            assert!(
                !tools.path().join("ran").exists() && calls(tools.path()).is_empty(),
                "cut at line {end}"
            );
        }
    }
}

/// Every script that a host's names could bring about.
fn all_scripts(facts: &Facts, name: &str, path: &str) -> Vec<Rendered> {
    let name = name.to_owned();
    let actions = [
        Action::StopService { name: name.clone() },
        Action::DeleteService { name: name.clone() },
        remove_package(&["[!d]*"]),
        Action::KillProcess { exe: pattern("/**") },
        remove_path(path),
        remove_path("/opt/**"),
        Action::RemoveUser { name: name.clone() },
        Action::RemoveGroup { name: name.clone() },
        Action::RemoveCertificate { subject: TextPattern("CN=".into()) },
        Action::RemoveScheduledTask { name: pattern("**") },
        run(&name),
    ];
    let mut owner = product("kesl", Vec::new());
    owner.remove = vec![step(Action::RemoveUser { name })];
    actions.iter().filter_map(|action| for_product(action, facts, &owner).ok().flatten()).collect()
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,6}",
        "[ -~]{0,12}",
        "\\PC{0,8}",
        Just("a'; touch /x; '".to_owned()),
        Just("a\nrm -rf /x".to_owned()),
        Just("$(touch /x)".to_owned()),
        Just("`touch /x`".to_owned()),
        Just("a\\".to_owned()),
        Just("-rf".to_owned()),
        Just("))".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a host calls its things, a script is one function that a shell can read, and no name
    /// makes a line of its own.
    #[test]
    fn no_name_of_a_host_gets_out_of_its_quotes(name in hostile(), path in hostile()) {
        let mut facts = clean_facts("h");
        let path = format!("/opt/{path}");
        facts.packages.items.push(package(&name, "install ok installed"));
        facts.services.items.push(service(&name, "active"));
        facts.processes.items.push(Process { pid: 9, name: name.clone(), exe: Some(path.clone()), deleted: false, uid: Some(0) });
        for asked in [path.as_str(), "/opt/**"] {
            facts.paths.insert(asked.to_owned(), complete(vec![entry(&path, PathKind::Directory)]));
        }
        facts.users.items.push(Account { name: name.clone(), id: 5 });
        facts.groups.items.push(Account { name: name.clone(), id: 5 });
        facts.certificates.items.push(certificate(&format!("/usr/local/share/ca-certificates/{name}"), "CN=x"));
        facts.scheduled_tasks.items.push(ScheduledTask { name: format!("/etc/cron.d/{name}"), line: "x".into() });
        for step in all_scripts(&facts, &name, &path) {
            for shell in installed_shells() {
                let mut child = Command::new(shell[0]).args(&shell[1..]).arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
                child.stdin.take().unwrap().write_all(step.script.as_bytes()).unwrap();
                let output = child.wait_with_output().unwrap();
                prop_assert!(output.status.success(), "{shell:?}: {}\n{}", String::from_utf8_lossy(&output.stderr), step.script);
            }
            // Only `run` has lines that are not ours, and those are the playbook's.
            if !step.script.contains("exec sh -c") || step.script.contains("PPID") {
                prop_assert!(!step.script.lines().any(|line| line.starts_with("rm -rf /x")));
            }
        }
    }
}
