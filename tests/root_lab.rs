//! The lab's own test: what the other root suites rest on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test"
)]

mod lab;

use lab::{Lab, LoginShell, Manager, NextBoot, Sudo, Uninstaller, VendorPackage, diff};
use std::path::Path;
use std::time::{Duration, Instant};

#[test]
fn two_hosts_share_nothing_but_the_network() {
    let lab = Lab::new();
    let (one, other) = (lab.host("one").start(), lab.host("other").start());
    one.exec_root("touch /etc/mine; sleep 1000 >/dev/null 2>&1 & echo x >/tmp/y").success();
    assert_eq!(other.exec_root("ls /etc/mine").status, 2);
    assert_eq!(other.exec_root("ls -A /tmp").success(), "");
    assert!(!other.exec_root("cat /proc/[0-9]*/comm").success().contains("sleep"));
    let own = [
        "/etc/machine-id",
        "/proc/sys/kernel/random/boot_id",
        "/etc/hostname",
        "/sys/class/dmi/id/product_uuid",
    ];
    for file in own {
        let read = |host: &lab::Host| host.exec_root(&format!("cat {file}")).success();
        assert_ne!(read(&one), read(&other), "{file}");
    }
    assert_eq!(one.ssh("hostname; id -un; cat /proc/1/comm").success(), "one\nops\nsshd\n");
    assert!(!Path::new("/etc/mine").exists());
}

#[test]
fn a_host_starts_quickly() {
    let lab = Lab::new();
    let _warm = lab.host("first").start();
    let begin = Instant::now();
    let _hosts: Vec<_> = (0..4).map(|n| lab.host(&format!("h{n}")).start()).collect();
    let each = begin.elapsed() / 4;
    println!("{each:?} a host");
    assert!(each < Duration::from_secs(3), "{each:?} a host");
}

#[test]
fn a_deb_is_installed_with_its_daemon_and_leaves_what_the_vendors_does() {
    let lab = Lab::new();
    let host = lab.host("web01").start();
    let before = host.snapshot();
    host.install_kesl("12.1.0-1543");
    host.install(&VendorPackage::new("kesl-gui", "12.1.0-1543"));
    host.install(&VendorPackage::new("klnagent64", "15.0.0-12912"));
    assert_eq!(host.ssh("kesl-control --app-info").status, 127);
    assert_eq!(
        host.ssh("/opt/kaspersky/kesl/bin/kesl-control --app-info").success(),
        "Version: 12.1.0-1543\n"
    );
    assert_eq!(host.ssh("systemctl is-active kesl").success(), "active\n");
    let query = "dpkg-query -W -f='${Package} ${Version} ${Status}\\n'";
    assert_eq!(
        host.ssh(query).success(),
        "base-files 12.4 install ok installed\ncoreutils 12.4 install ok installed\n\
         kesl 12.1.0-1543 install ok installed\nkesl-gui 12.1.0-1543 install ok installed\n\
         klnagent64 15.0.0-12912 install ok installed\nlibc6 12.4 install ok installed\n"
    );
    let with = host.snapshot();
    let daemons = with.processes.values().filter(|process| process.contains("/opt/kaspersky/")).count();
    assert_eq!(daemons, 2, "{:?}", with.processes);
    assert!(diff(&before, &with).iter().any(|line| line == "+ /opt/kaspersky/kesl/libexec/kesl"));

    host.exec_root("dpkg -r kesl-gui kesl").success();
    assert!(host.ssh(query).success().contains("kesl 12.1.0-1543 deinstall ok config-files"));
    assert!(host.snapshot().processes.values().all(|process| !process.contains("/kesl/")));
    host.exec_root("dpkg -P kesl-gui kesl klnagent64").success();
    let after = host.snapshot();
    assert_eq!(after.processes, before.processes);
    assert!(after.under("/opt/kaspersky/").is_empty(), "{:?}", after.under("/opt/kaspersky/"));
    assert!(after.under("/var/opt/kaspersky/kesl/").len() > 3);
    assert_eq!(host.exec_root("getent group kesladmin").status, 0);
}

#[test]
fn an_rpm_is_installed_on_a_host_without_dpkg() {
    let lab = Lab::new();
    let host = lab.host("app01").packages(Manager::Rpm).start();
    let first = host.snapshot();
    assert_eq!(host.ssh("rpm -qa | sort").success().lines().count(), 3);
    assert_eq!(diff(&first, &host.snapshot()), [""; 0]);
    host.install_kesl("12.1.0-1543");
    assert_eq!(host.ssh("command -v dpkg dpkg-query apt-get").stdout, "");
    let found = host.ssh("rpm -q --qf '%{NAME} %{VERSION}-%{RELEASE} %{ARCH}\\n' kesl").success();
    assert!(found.starts_with("kesl 12.1.0-1543 "), "{found}");
    assert_eq!(host.ssh("systemctl is-active kesl").success(), "active\n");
    assert!(host.ssh("cat /etc/os-release").success().contains("ID_LIKE=\"rhel"));
    let removed = host.exec_root("rpm -e kesl");
    assert_eq!((removed.status, removed.stderr.as_str()), (0, ""));
    assert!(host.snapshot().under("/opt/kaspersky/kesl").is_empty());
    assert!(host.snapshot().processes.values().all(|process| !process.contains("kesl")));
}

#[test]
fn maintainer_scripts_fail_hang_and_leave_daemons_as_told() {
    let lab = Lab::new();
    for (manager, remove) in [(Manager::Dpkg, "dpkg -r kesl"), (Manager::Rpm, "rpm -e kesl")] {
        let host = lab.host("h").packages(manager).start();
        host.install_kesl("12.1.0-1543");
        host.fail_removal("kesl", true);
        let failed = host.exec_root(remove);
        assert_ne!(failed.status, 0);
        assert!(failed.stderr.contains("refuses to be removed"), "{}", failed.stderr);
        assert!(!host.snapshot().under("/opt/kaspersky/kesl/libexec/kesl").is_empty());
        host.fail_removal("kesl", false);
        host.hang_removal("kesl", true);
        assert_eq!(host.exec_root(&format!("timeout -k 1 1 {remove}")).status, 124);
        host.exec_root(
            "for p in /proc/[0-9]*; do [ \"$(cat $p/comm)\" != sleep ] || kill -9 ${p#/proc/}; done; true",
        )
        .success();
        host.hang_removal("kesl", false);
        host.keep_daemon("kesl", true);
        let _ = host.exec_root("dpkg --configure -a");
        host.exec_root(remove).success();
        let after = host.snapshot();
        assert!(after.under("/opt/kaspersky/kesl/libexec/kesl").is_empty());
        let alive = |process: &&String| process.contains("/opt/kaspersky/kesl/libexec/kesl (deleted)");
        assert_eq!(after.processes.values().filter(alive).count(), 1, "{:?}", after.processes);
    }
}

#[test]
fn a_snapshot_sees_every_kind_of_change_and_no_login() {
    let lab = Lab::new();
    let host = lab.host("web01").start();
    let before = host.snapshot();
    assert!(before.paths.len() > 1000, "{}", before.paths.len());
    host.ssh("sudo -n true && cat /etc/passwd /usr/bin/ls | wc -c && ls -lR /usr/lib/systemd >/dev/null")
        .success();
    assert_eq!(diff(&before, &host.snapshot()), [""; 0]);

    let mut before = before;
    let mut changes_as = |script: &str, path: &str| {
        host.exec_root(script).success();
        let after = host.snapshot();
        let lines = diff(&before, &after);
        assert!(lines.iter().any(|line| line.starts_with(path)), "`{script}` gave {lines:?}");
        before = after;
    };
    changes_as("touch /x", "+ /x");
    changes_as("chmod 600 /etc/hosts", "~ /etc/hosts: mode");
    changes_as("chown daemon /usr/bin/ls", "~ /usr/bin/ls: ");
    changes_as("touch -d 2001-01-01 /etc/fstab /etc/passwd", "~ /etc/passwd: time");
    changes_as(
        "f=/usr/bin/find; cp -p $f /k; printf x | dd of=$f conv=notrunc bs=1; touch -r /k $f",
        "~ /usr/bin/find: content",
    );
    changes_as("rm -r /k /etc/pam.d", "- /etc/pam.d/sudo");
    changes_as("ln -sfn nowhere /x2; mkdir /run/dir; : >/dev/shm/s; : >/var/log/new", "+ /dev/shm/s");
    changes_as("setsid sleep 1000 >/dev/null 2>&1 &", "+ process");
    changes_as("pkill -9 sleep || kill -9 $(grep -l sleep /proc/[0-9]*/comm | tr -dc '0-9 ')", "- process");
}

#[test]
fn becoming_root_works_as_the_host_was_described() {
    let lab = Lab::new();
    let ask = |host: &lab::Host, command: &str| host.ssh(command).status;
    let free = lab.host("free").sudo(Sudo::NoPassword).doas().start();
    assert_eq!(free.ssh("sudo -n id -u; doas id -u").success(), "0\n0\n");
    let asks = lab.host("asks").sudo(Sudo::Password).start();
    assert_eq!(ask(&asks, "sudo -n true"), 1);
    assert_eq!(ask(&asks, "doas true"), 127);
    let by_password = |password: &str| format!("echo '{password}' | sudo -k -S -p '' id -u");
    assert_eq!(asks.ssh(&by_password(lab::PASSWORD)).success(), "0\n");
    assert_eq!(ask(&asks, &by_password("wrong")), 1);
    let barred = lab.host("barred").sudo(Sudo::NotInSudoers).start();
    assert!(barred.ssh(&by_password(lab::PASSWORD)).stderr.contains("sudoers"));
    let none = lab.host("none").sudo(Sudo::Absent).root_login(true).start();
    assert_eq!(none.ssh("id -u; command -v sudo").stdout, "0\n");
}

#[test]
fn a_power_cut_keeps_files_and_ends_processes() {
    let lab = Lab::new();
    let mut host = lab.host("web01").start();
    host.install_kesl("12.1.0-1543");
    let boot =
        |host: &lab::Host| host.exec_root("cat /proc/sys/kernel/random/boot_id /etc/machine-id").success();
    let first = boot(&host);
    host.exec_root("echo kept >/root/file; echo gone >/run/file").success();
    host.restart();
    let second = boot(&host);
    assert_eq!(host.exec_root("cat /root/file; ls /run/file 2>&1").stdout.lines().next(), Some("kept"));
    assert_eq!(host.exec_root("ls /run/file").status, 2);
    assert_ne!(first.lines().next(), second.lines().next());
    assert_eq!(first.lines().nth(1), second.lines().nth(1));
    assert_eq!(host.ssh("systemctl is-active kesl").stdout, "inactive\n");
    host.kill();
    assert!(std::net::TcpStream::connect((host.address(), host.port())).is_err());
}

#[test]
fn hostile_login_shells_are_hostile() {
    let lab = Lab::new();
    let cuts = lab.host("cuts").login_shell(LoginShell::CutsAfter(10)).start();
    let ran = cuts.ssh("seq 1000");
    assert_eq!((ran.status, ran.stdout.as_str()), (255, "1\n2\n3\n4\n5\n"));
    let chatters = lab.host("chatters").login_shell(LoginShell::Chatters("it's me".to_owned())).start();
    assert_eq!(chatters.ssh("echo x").success(), "it's me\nx\n");
    let hangs = lab.host("hangs").login_shell(LoginShell::Hangs).start();
    let floods = lab.host("floods").login_shell(LoginShell::Floods).start();
    std::thread::scope(|scope| {
        // They end only with their hosts.
        let sessions =
            [scope.spawn(|| hangs.ssh("echo x").stdout), scope.spawn(|| floods.ssh("head -c 9 >&2").stdout)];
        let flood = "for pid in $(pgrep -x yes); do sed -n 's/^wchar: //p' /proc/$pid/io; done";
        lab::wait_for("a flood of a megabyte", Duration::from_secs(60), || {
            let written = floods.exec_root(flood).stdout;
            let written: Vec<u64> = written.lines().filter_map(|line| line.parse().ok()).collect();
            (written.len() == 2 && written.iter().all(|bytes| *bytes > 1_500_000)).then_some(())
        });
        assert!(sessions.iter().all(|session| !session.is_finished()));
        hangs
            .exec_root("kill -9 $(cat /proc/[0-9]*/stat | sed -n 's/^\\([0-9]*\\) (sleep).*/\\1/p')")
            .success();
        floods
            .exec_root("kill -9 $(cat /proc/[0-9]*/stat | sed -n 's/^\\([0-9]*\\) (yes).*/\\1/p')")
            .success();
        let [hung, flooded] = sessions.map(|session| session.join().unwrap());
        assert_eq!(hung, "");
        assert!(flooded.len() > 1_000_000, "{}", flooded.len());
    });
    let bare = lab.host("bare").without_tool("ls").unreadable_packages().start();
    assert_eq!(bare.ssh("ls /").status, 127);
    assert_ne!(bare.ssh("dpkg-query -W").status, 0);
}

#[test]
fn a_host_of_a_networked_lab_can_be_cut_off_and_found_again() {
    let lab = Lab::networked();
    let (host, other) = (lab.host("web01").start(), lab.host("web02").start());
    assert_eq!(host.ssh("hostname").success(), "web01\n");
    host.partition();
    let ping = format!("timeout 1 bash -c 'exec 3<>/dev/tcp/{}/22'", host.address());
    assert_eq!(lab.run_apart(&ping).status, 124, "nothing is refused: nothing comes back");
    assert_eq!(other.ssh("hostname").success(), "web02\n");
    host.heal();
    assert_eq!(host.ssh("hostname").success(), "web01\n");
    host.refuse_connections();
    assert_eq!(lab.run_apart(&ping).status, 1, "refused at once");
    host.heal();
    std::thread::scope(|scope| {
        let session = scope.spawn(|| host.ssh("sleep 100").status);
        lab::wait_for("the session", Duration::from_secs(20), || {
            (host.exec_root("pgrep -f 'sleep 100'").status == 0).then_some(())
        });
        host.restart_sshd();
        assert_eq!(session.join().unwrap(), 255);
    });
    assert_eq!(host.ssh("hostname").success(), "web01\n");
    let interfaces = std::fs::read_to_string("/proc/self/net/dev").unwrap();
    assert!(!interfaces.contains("br0:") && !interfaces.contains("v0x"), "the machine's own: {interfaces}");
}

#[test]
fn a_host_reboots_itself_as_it_was_told() {
    let lab = Lab::new();
    let host = lab.host("web01").start();
    let ask = |file: &str| host.exec_root(&format!("cat {file}")).success();
    let identity = || {
        let key = ask("/etc/ssh/lab_host_key");
        [ask("/proc/sys/kernel/random/boot_id"), ask("/etc/machine-id"), key]
    };
    let reboot = |command: &str| {
        host.exec_root(command).success();
        lab::wait_for("it to go down", Duration::from_secs(20), || (!host.is_up()).then_some(()));
    };
    let changed = |before: &[String; 3], after: &[String; 3]| {
        before.iter().zip(after).map(|(old, new)| old != new).collect::<Vec<_>>()
    };
    let first = identity();
    reboot("shutdown -r now");
    host.wait_until_up();
    let second = identity();
    assert_eq!(changed(&first, &second), [true, false, false]);
    host.next_boot(NextBoot::OtherMachineId);
    reboot("systemctl reboot");
    host.wait_until_up();
    let third = identity();
    assert_eq!(changed(&second, &third), [true, true, false]);
    host.next_boot(NextBoot::OtherHostKey);
    reboot("reboot");
    host.wait_until_up();
    assert_eq!(changed(&third, &identity()), [true, false, true]);
    assert_eq!(host.ssh("true").status, 255, "its key is another one");
    let mut host = host;
    host.next_boot(NextBoot::Never);
    host.exec_root("reboot").success();
    lab::wait_for("it to go down", Duration::from_secs(20), || (!host.is_up()).then_some(()));
    std::thread::sleep(Duration::from_secs(1));
    assert!(!host.is_up());
    host.boot();
    assert_eq!(host.records().count("shutdown -r now"), 4);
}

#[test]
fn a_host_records_what_is_run_on_it() {
    let lab = Lab::new();
    let hosts = lab.start_all(vec![lab.host("deb"), lab.host("rpm").packages(Manager::Rpm)]);
    for (host, tool) in hosts.iter().zip(["dpkg --purge kesl", "rpm -e kesl"]) {
        host.install_kesl("12.1.0-1543");
        assert!(host.records().is_empty(), "{:?}", host.records());
        host.exec_root(tool).success();
        host.exec_root("rm -rf -- ./kesl-data").success();
        let stop = "systemctl stop kesl.service";
        let all = [tool, "removing kesl", stop, "systemctl disable kesl.service", "rm "];
        assert_eq!(host.records().not_exactly_once(&all), [""; 0]);
        host.exec_root(&format!("{stop}; /usr/lib/lab/log more")).success();
        assert_eq!(host.records().not_exactly_once(&all).len(), 2);
    }
    let host = &hosts[0];
    host.install_scripted("suite", &Uninstaller::FailsIfTold(0.1));
    host.exec_root("touch /var/lib/lab/fail-suite").success();
    assert_eq!(host.exec_root("/opt/suite/uninstall").status, 1);
    host.exec_root("rm /var/lib/lab/fail-suite; /opt/suite/uninstall").success();
    assert_eq!(host.exec_root("ls /opt/suite").status, 2);
    let records = host.records();
    assert_eq!(
        (records.count("begin suite"), records.count("end suite 1"), records.count("end suite 0")),
        (2, 1, 1)
    );
    host.install_scripted("quick", &Uninstaller::Takes(1.2, 7));
    let begin = Instant::now();
    let ran = host.exec_root("/opt/quick/uninstall");
    assert!(begin.elapsed() > Duration::from_millis(1150), "{:?}", begin.elapsed());
    assert_eq!((ran.status, ran.stdout.as_str()), (7, "quick: 1 seconds left\nquick: removed\n"));
}

#[test]
fn a_small_disk_is_small_and_only_the_labs() {
    let lab = Lab::with_small_disk(64 * 1024);
    let small = lab.small_disk();
    assert_ne!(lab.run_apart(&format!("head -c 70000 /dev/zero >{}/x", small.display())).status, 0);
    assert!(lab.small_disk_outside().join("x").exists());
    assert!(!small.join("x").exists());
}

#[test]
fn nothing_stays_behind() {
    let before = machine();
    let directory;
    {
        let lab = Lab::new();
        directory = lab.dir().to_owned();
        let host = lab.host("web01").start();
        host.install_kesl("12.1.0-1543");
        assert!(!lab_processes(&directory).is_empty(), "its supervisor names it");
    }
    assert!(!directory.exists());
    assert_eq!(machine(), before);
    assert_eq!(lab_processes(&directory), [""; 0]);
}

#[test]
fn a_killed_test_leaves_nothing_behind() {
    if let Ok(marker) = std::env::var("UPROOT_LAB_VICTIM") {
        let lab = Lab::new();
        let host = lab.host("victim").start();
        host.install_kesl("12.1.0-1543");
        std::fs::write(marker, format!("{} {} {}", lab.dir().display(), host.address(), host.port()))
            .unwrap();
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let marker = scratch.path().join("marker");
    let mut victim = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_test_leaves_nothing_behind"])
        .env("UPROOT_LAB_VICTIM", &marker)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let words =
        wait_for(|| std::fs::read_to_string(&marker).ok().filter(|text| text.split(' ').count() == 3));
    let words: Vec<_> = words.split(' ').collect();
    let address = (words[1], words[2].parse::<u16>().unwrap());
    assert!(std::net::TcpStream::connect(address).is_ok());
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_for(|| std::net::TcpStream::connect(address).is_err().then_some(()));
    wait_for(|| {
        (!Path::new(words[0]).exists() && lab_processes(Path::new(words[0])).is_empty()).then_some(())
    });
}

/// What the machine has mounted.
fn machine() -> String {
    std::fs::read_to_string("/proc/self/mounts").unwrap()
}

/// Processes whose command line names this lab's directory.
fn lab_processes(directory: &Path) -> Vec<String> {
    let name = directory.to_str().unwrap();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(name))
        .collect()
}

/// Waits until this gives something, at most 30 seconds.
fn wait_for<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(value) = what() {
            return value;
        }
        assert!(Instant::now() < end, "waited too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}
