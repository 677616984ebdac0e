//! The script on a small host of its own, where programs and files are missing or broken: an answer
//! is the same as on the whole host, or it has a gap. Needs a mount namespace: root, or unprivileged
//! user namespaces.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod facts_support;

use facts_support::{
    about, ask, assert_never_falsely_complete, everything, facts_of, is_complete, is_root, json, listings,
};
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use uproot::facts::{Facts, PendingReboot, Questions};

const TOOLS: [&str; 11] =
    ["uname", "id", "sed", "cat", "grep", "ls", "stat", "readlink", "head", "sh", "printf"];

/// A root directory with busybox and a few files.
struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let host = Self { dir: tempfile::tempdir().unwrap() };
        let root = host.root();
        for dir in [
            "bin",
            "proc",
            "dev",
            "root",
            "etc/init.d",
            "etc/cron.d",
            "etc/cron.daily",
            "etc/ssl/certs",
            "usr/local/share/ca-certificates",
            "usr/lib/systemd/system",
            "lib/apk/db",
            "opt/kaspersky/kesl/bin",
            "home/a/.config/kl",
            "home/b",
        ] {
            std::fs::create_dir_all(root.join(dir)).unwrap();
        }
        host.install_busybox();
        host.write("dev/null", "");
        host.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nkluser:x:998:998::/:/bin/false\n");
        host.write("etc/group", "root:x:0:\nkladmins:x:998:kluser\n");
        host.write("etc/os-release", "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.19.1\n");
        host.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        host.write("etc/init.d/klnagent", "#!/bin/sh\n");
        host.write("etc/init.d/README", "");
        host.write("usr/lib/systemd/system/kesl.service", "[Service]\n");
        host.write("usr/lib/systemd/system/kesl.timer", "[Timer]\n");
        host.write("etc/crontab", "# no line\nMAILTO=root\n0 1 * * * root /opt/kaspersky/kesl/bin/update\n");
        host.write("etc/cron.daily/kl", "");
        host.write(
            "lib/apk/db/installed",
            "C:Q1x\nP:busybox\nV:1.36.1-r15\nA:x86_64\nF:bin\na:0:0:755\n\nP:kesl\nV:12.0-r0\nA:x86_64\n",
        );
        host.write("usr/local/share/ca-certificates/kl.crt", include_str!("facts/ca.pem"));
        host.write("opt/kaspersky/kesl/bin/kesl", "x");
        host.write("etc/kesl.conf", "Version=12.0.0.1\n");
        symlink("/opt/kaspersky/kesl/bin/kesl", root.join("root/kesl")).unwrap();
        host
    }

    fn root(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn remove(&self, path: &str) {
        let path = self.root().join(path);
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }

    /// A program that is not what it seems.
    fn replace_tool(&self, name: &str, text: &str) {
        let path = self.root().join("bin").join(name);
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, text).unwrap();
        assert!(Command::new("chmod").arg("755").arg(path).status().unwrap().success());
    }

    fn install_busybox(&self) {
        let find = Command::new("sh").args(["-c", "command -v busybox"]).output().unwrap();
        let busybox = String::from_utf8(find.stdout).unwrap().trim().to_owned();
        assert!(!busybox.is_empty(), "busybox is needed: apt-get install busybox");
        // By another process: what this one has open for writing, or a fork of it, cannot be run.
        let copy = |from: &str, to: &Path| {
            assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
        };
        copy(&busybox, &self.root().join("bin/busybox"));
        // What it is linked with, if it is.
        let libraries = Command::new("ldd").arg(&busybox).output().unwrap().stdout;
        let libraries = String::from_utf8(libraries).unwrap();
        for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
            let to = self.root().join(library.trim_start_matches('/'));
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            copy(library, &to);
        }
        for tool in TOOLS {
            symlink("busybox", self.root().join("bin").join(tool)).unwrap();
        }
    }

    fn facts(&self, questions: &Questions) -> Facts {
        let answer = ask(&mut enter(&self.root(), "exec chroot . /bin/busybox sh"), questions);
        facts_of(questions, &answer)
    }
}

/// A command that runs in a namespace of its own, in `root`.
fn enter(root: &Path, then: &str) -> Command {
    let mut command = Command::new("unshare");
    if !is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let script = format!(
        "mount --bind . . && cd \"$PWD\" && mount -t proc p proc && mount --bind /dev/null dev/null && {then}"
    );
    command.args(["--mount", "--net", "--pid", "--fork", "sh", "-c", &script]).current_dir(root);
    command
}

fn questions() -> Questions {
    let mut questions = everything();
    questions.merge(&about(
        [
            "/opt/kaspersky",
            "/opt/kaspersky/**",
            "/home/*/.config/kl",
            "/opt/kes?",
            "/nowhere",
            "/root/kesl",
            "/etc/ke*",
        ],
        ["/etc/kesl.conf", "/etc/*.none"],
    ));
    questions
}

#[test]
fn a_whole_host_is_told_wholly() {
    let host = Host::new();
    let facts = host.facts(&questions());
    let document = json(&facts);
    // A container's kernel may have no `/proc/modules`.
    for (name, listing) in listings(&document).into_iter().filter(|(name, _)| name != "kernel_modules") {
        assert!(is_complete(listing), "{name}: {}", listing["gaps"]);
    }
    assert_eq!(facts.os.id.as_deref(), Some("alpine"));
    assert_eq!(facts.identity.machine_id.as_deref(), Some("0123456789abcdef0123456789abcdef"));
    assert!(matches!(facts.pending_reboot, PendingReboot::Unknown(_)));
    let packages: Vec<_> =
        facts.packages.items.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect();
    assert_eq!(packages, [("busybox", "1.36.1-r15"), ("kesl", "12.0-r0")]);
    let services: Vec<_> =
        facts.services.items.iter().map(|s| (s.name.as_str(), s.kind.as_str(), &s.active)).collect();
    assert_eq!(services, [("kesl", "systemd", &None), ("klnagent", "sysv", &None)]);
    let tasks: Vec<_> =
        facts.scheduled_tasks.items.iter().map(|t| (t.name.as_str(), t.line.as_str())).collect();
    assert_eq!(
        tasks,
        [
            ("/etc/cron.daily/kl", "/etc/cron.daily/kl"),
            ("/etc/crontab", "0 1 * * * root /opt/kaspersky/kesl/bin/update"),
            ("kesl.timer", ""),
        ]
    );
    assert_eq!(
        facts.certificates.items[0].subject,
        "CN=Kaspersky Anti-Virus Personal Root Certificate, O=AO Kaspersky Lab"
    );
    let accounts: Vec<_> =
        facts.users.items.iter().chain(&facts.groups.items).map(|a| (a.name.as_str(), a.id)).collect();
    assert_eq!(accounts, [("root", 0), ("kluser", 998), ("root", 0), ("kladmins", 998)]);
    assert_eq!(facts.paths["/opt/kaspersky/**"].items.len(), 3);
    assert_eq!(facts.paths["/home/*/.config/kl"].items[0].path, "/home/a/.config/kl");
    assert_eq!(facts.paths["/root/kesl"].items[0].target.as_deref(), Some("/opt/kaspersky/kesl/bin/kesl"));
    assert_eq!(facts.paths["/etc/ke*"].items[0].path, "/etc/kesl.conf");
    assert_eq!(facts.files["/etc/kesl.conf"].items[0].text, "Version=12.0.0.1\n");
    assert!(facts.processes.items.iter().any(|p| p.pid == 1 && p.exe.as_deref() == Some("/bin/busybox")));
}

#[test]
fn without_a_program_nothing_is_falsely_complete() {
    let host = Host::new();
    let whole = host.facts(&questions());
    for tool in TOOLS {
        host.remove(&format!("bin/{tool}"));
        let facts = host.facts(&questions());
        assert_never_falsely_complete(
            &whole,
            &facts,
            &["processes", "boot.init_start"],
            &format!("without {tool}"),
        );
        assert!(
            facts.processes.is_complete() <= facts.processes.items.iter().any(|p| p.pid == 1),
            "without {tool}"
        );
        for (broken, text) in
            [("says nothing", "#!/bin/busybox sh\n"), ("fails", "#!/bin/busybox sh\nexit 1\n")]
        {
            host.replace_tool(tool, text);
            let facts = host.facts(&questions());
            // A grep that fails as one that finds no line does cannot be told from it.
            let mut skip = vec!["processes", "boot.init_start"];
            skip.extend((tool == "grep" && broken == "fails").then_some("scheduled_tasks"));
            assert_never_falsely_complete(&whole, &facts, &skip, &format!("{tool} {broken}"));
        }
        host.remove(&format!("bin/{tool}"));
        symlink("busybox", host.root().join("bin").join(tool)).unwrap();
    }
}

#[test]
fn without_stat_ls_tells_the_same() {
    let host = Host::new();
    let whole = host.facts(&questions());
    host.remove("bin/stat");
    let facts = host.facts(&questions());
    assert_eq!(json(&facts)["paths"], json(&whole)["paths"]);
}

#[test]
fn a_package_manager_that_cannot_be_asked_is_a_gap() {
    let reason = |change: &dyn Fn(&Host)| {
        let host = Host::new();
        change(&host);
        let packages = host.facts(&questions()).packages;
        packages.gaps.iter().map(|gap| gap.reason.clone()).collect::<Vec<_>>().join("; ")
    };
    let lists_one = "#!/bin/sh\nprintf '+kesl\\t12.0\\tamd64\\tinstall ok installed\\n'\n";
    assert_eq!(reason(&|_| ()), "");
    assert!(
        reason(&|host| host.remove("lib/apk/db/installed")).starts_with("no package manager was recognised")
    );
    assert_eq!(reason(&|host| host.write("lib/apk/db/installed", "")), "apk lists no package at all");
    assert!(reason(&|host| host.write("var/lib/dpkg/status", "")).contains("dpkg-query: not found"));
    assert!(reason(&|host| host.write("var/lib/rpm/rpmdb.sqlite", "")).contains("rpm was not asked"));
    assert!(reason(&|host| host.write("var/lib/pacman/local/x/desc", "")).contains("pacman: not found"));
    // dpkg as a guest: an empty status file and an empty list are one answer.
    assert_eq!(
        reason(&|host| {
            host.write("var/lib/dpkg/status", "");
            host.replace_tool("dpkg-query", "#!/bin/sh\n");
        }),
        ""
    );
    assert_eq!(
        reason(&|host| {
            host.write("var/lib/dpkg/status", "Package: kesl\n");
            host.replace_tool("dpkg-query", "#!/bin/sh\n");
        }),
        "dpkg lists no package at all"
    );
    assert_eq!(
        reason(&|host| {
            host.write("var/lib/dpkg/status", "");
            host.remove("lib/apk/db/installed");
            host.replace_tool("dpkg-query", "#!/bin/sh\n");
        }),
        "dpkg lists no package at all"
    );
    assert_eq!(
        reason(&|host| {
            host.write("var/lib/dpkg/status", "x");
            host.replace_tool(
                "dpkg-query",
                &format!("{lists_one}printf 'dpkg-query: error: parsing\\n' >&2\nexit 2\n"),
            );
        }),
        "dpkg: `dpkg-query` says: dpkg-query: error: parsing"
    );
    // A database that is not the one which rpm would ask.
    assert!(
        reason(&|host| {
            host.write("usr/share/rpm/Packages", "x");
            host.replace_tool("rpm", "#!/bin/sh\nprintf '/var/lib/rpm\\n'\n");
        })
        .contains("rpm was not asked")
    );
    // Without a database rpm is not run, since it would make one.
    assert_eq!(
        reason(&|host| {
            host.replace_tool("rpm", "#!/bin/sh\n[ \"$1\" = --eval ] || exit 9\nprintf '/root/.rpmdb\\n'\n");
        }),
        ""
    );
    // rpm's warnings are none.
    for (says, expected) in
        [("warning: Found bdb", ""), ("error: rpmdb: damaged", "rpm: `rpm` says: error: rpmdb: damaged")]
    {
        let found = reason(&|host| {
            host.write("var/lib/rpm/Packages", "x");
            host.replace_tool("rpm", &format!("#!/bin/sh\nif [ \"$1\" = --eval ]; then printf '/var/lib/rpm\\n'; exit; fi\n{lists_one}printf '{says}\\n' >&2\n"));
        });
        assert_eq!(found, expected);
    }
}

#[test]
fn systemd_that_cannot_be_asked_does_not_say_inactive() {
    let host = Host::new();
    let kesl = |host: &Host| {
        let services = host.facts(&questions()).services;
        let active = services.items.iter().find(|service| service.name == "kesl").unwrap().active.clone();
        (active, services.gaps.first().map(|gap| gap.reason.clone()), services.items.len())
    };
    let cannot = "#!/bin/sh\nprintf 'System has not been booted with systemd as init system (PID 1). Can%st operate.\\n' \"'\" >&2\nexit 1\n";
    host.replace_tool("systemctl", cannot);
    assert_eq!(kesl(&host), (None, None, 2));
    std::fs::create_dir_all(host.root().join("run/systemd/system")).unwrap();
    let (active, gap, _) = kesl(&host);
    assert_eq!(active, None);
    assert!(gap.unwrap().contains("not been booted"));
    let lists = "#!/bin/sh\nprintf 'kesl.service loaded failed failed Kaspersky\\nssh.service not-found inactive dead ssh.service\\nx.service masked inactive dead x\\nrun-1.service loaded active running y\\n'\n";
    host.replace_tool("systemctl", lists);
    assert_eq!(kesl(&host), (Some("failed".to_owned()), None, 3));
    host.replace_tool("systemctl", "#!/bin/sh\n");
    assert_eq!(kesl(&host).1.as_deref(), Some("`systemctl` lists no unit at all"));
    host.remove("bin/systemctl");
    assert!(kesl(&host).1.unwrap().contains("systemctl: not found"));
}

#[test]
fn an_alias_has_the_state_of_its_unit() {
    let host = Host::new();
    std::fs::create_dir_all(host.root().join("etc/systemd/system")).unwrap();
    for (name, target) in [
        ("alias", "/usr/lib/systemd/system/kesl.service"),
        ("chain", "alias.service"),
        ("linked", "/opt/kaspersky/linked.service"),
        ("ring", "ring2.service"),
        ("ring2", "ring.service"),
    ] {
        symlink(target, host.root().join(format!("etc/systemd/system/{name}.service"))).unwrap();
    }
    host.replace_tool("systemctl", "#!/bin/sh\nprintf 'kesl.service loaded active running x\\n'\n");
    let active = |host: &Host| -> Vec<String> {
        let services = host.facts(&questions()).services.items;
        services.iter().map(|s| format!("{} {}", s.name, s.active.as_deref().unwrap_or("?"))).collect()
    };
    assert_eq!(
        active(&host),
        [
            "alias active",
            "chain active",
            "kesl active",
            "klnagent ?",
            "linked inactive",
            "ring inactive",
            "ring2 inactive"
        ]
    );
    host.remove("bin/ls");
    assert!(active(&host).contains(&"alias ?".to_owned()));
}

#[test]
fn masked_units_are_no_services() {
    let host = Host::new();
    std::fs::create_dir_all(host.root().join("etc/systemd/system")).unwrap();
    symlink("/dev/null", host.root().join("etc/systemd/system/gone.service")).unwrap();
    symlink("/dev/null", host.root().join("etc/systemd/system/kesl.service")).unwrap();
    symlink("/opt/none", host.root().join("etc/systemd/system/dangling.service")).unwrap();
    let services = host.facts(&questions()).services;
    let names: Vec<&str> = services.items.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["dangling", "kesl", "klnagent"]);
}

#[test]
fn a_cron_table_behind_a_link_that_leads_nowhere_is_none() {
    let host = Host::new();
    symlink("/opt/none", host.root().join("etc/cron.d/dangling")).unwrap();
    symlink("loop", host.root().join("etc/cron.d/loop")).unwrap();
    let tasks = host.facts(&questions()).scheduled_tasks;
    assert_eq!(tasks.items.len(), 3);
    let reasons: Vec<&str> = tasks.gaps.iter().map(|gap| gap.reason.as_str()).collect();
    assert!(
        matches!(reasons.as_slice(), [one] if one.contains("cron.d/loop") && one.contains("symbolic links")),
        "{reasons:?}"
    );
}

#[test]
fn without_proc_nothing_of_it_is_complete() {
    let host = Host::new();
    let whole = host.facts(&questions());
    let mut command = enter(&host.root(), "umount proc && exec chroot . /bin/busybox sh");
    let facts = facts_of(&questions(), &ask(&mut command, &questions()));
    assert_never_falsely_complete(&whole, &facts, &["boot.init_start"], "without /proc");
    for listing in ["mounts", "processes", "kernel_modules", "ports"] {
        assert!(!is_complete(&json(&facts)[listing]), "{listing}");
    }
}

#[test]
fn a_pending_reboot_is_told() {
    let host = Host::new();
    host.write("var/lib/dpkg/status", "x");
    assert_eq!(host.facts(&questions()).pending_reboot, PendingReboot::No);
    host.write("run/reboot-required", "");
    let told = host.facts(&questions()).pending_reboot;
    assert_eq!(told, PendingReboot::Yes("`/run/reboot-required` is there".to_owned()));
}

#[test]
fn apk_and_pacman_are_read_in_their_own_forms() {
    let host = Host::new();
    host.write("lib/apk/db/installed", include_str!("facts/alpine-installed.txt"));
    host.write("var/lib/pacman/local/ALPM_DB_VERSION", "9\n");
    host.write("pacman-q.txt", include_str!("facts/pacman-q.txt"));
    host.replace_tool("pacman", "#!/bin/sh\n[ \"$*\" = -Q ] || exit 99\nexec cat /pacman-q.txt\n");
    let packages = host.facts(&questions()).packages;
    assert_eq!(packages.gaps, []);
    let told: Vec<String> = packages
        .items
        .iter()
        .map(|p| format!("{} {} {} {}", p.manager, p.name, p.version, p.arch).trim_end().to_owned())
        .collect();
    assert_eq!(
        told,
        [
            "apk alpine-baselayout 3.4.3-r2 x86_64",
            "apk musl 1.2.4_git20230717-r4 x86_64",
            "pacman acl 2.3.2-1",
            "pacman bash 5.2.026-2",
            "pacman libarchive 3.7.4-1",
            "pacman openssh 9.8p1-1",
        ]
    );
}

/// Every file and directory of a host with its mode, time of change and contents.
fn snapshot(root: &Path, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let about = path.symlink_metadata().unwrap();
        let mut line =
            format!("{} {:o} {}.{}", path.display(), about.mode(), about.mtime(), about.mtime_nsec());
        if about.is_file() {
            let mut hasher = DefaultHasher::new();
            hasher.write(&std::fs::read(&path).unwrap());
            line.push_str(&format!(" {:x}", hasher.finish()));
        }
        into.push(line);
        if about.is_dir() {
            snapshot(&path, into);
        }
    }
    into.sort();
}

#[test]
fn asking_changes_nothing() {
    let host = Host::new();
    let before_and_after = |ask: &dyn Fn()| {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        snapshot(&host.root(), &mut before);
        ask();
        snapshot(&host.root(), &mut after);
        (before, after)
    };
    let (before, after) = before_and_after(&|| drop(host.facts(&questions())));
    assert_eq!(before, after);
    // The comparison notices what a probe that writes would leave.
    let (before, after) = before_and_after(&|| {
        let mut touch = enter(&host.root(), "exec chroot . /bin/busybox touch /x");
        assert!(touch.status().unwrap().success());
    });
    assert_ne!(before, after);
}
