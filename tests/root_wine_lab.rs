//! The Windows lab's own test: what the other Wine suites rest on. Packages are in root_wine_packages.rs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test"
)]

mod wine_lab;

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};
use wine_lab::{Fault, PASSWORD, ToolFault, USER, WineHost, WineLab};

#[test]
fn a_host_starts_quickly_and_is_a_machine_of_its_own() {
    let lab = WineLab::new();
    let one = lab.host("win01").start();
    let begin = Instant::now();
    let other = lab.host("win02").start();
    let took = begin.elapsed();
    println!("{took:?} a host");
    assert_eq!(one.ssh("echo %COMPUTERNAME% %USERNAME%", b"").expect(0), "WIN01 Administrator\n");
    assert_eq!(one.ssh("cd", b"").expect(0), "C:\\users\\Administrator\n");
    assert_eq!(one.ssh("ver", b"").expect(0), "\nMicrosoft Windows 10.0.18362\n");
    one.run("reg add HKLM\\SOFTWARE\\Mine /v x /d y /f & md C:\\mine").expect(0);
    assert!(one.key_exists("HKLM\\SOFTWARE\\Mine") && one.exists("C:\\mine"));
    assert!(!other.key_exists("HKLM\\SOFTWARE\\Mine") && !other.exists("C:\\mine"));
    let ask = "reg query HKLM\\SOFTWARE\\Microsoft\\Cryptography /v MachineGuid";
    assert!(one.run(ask).expect(0).contains(one.machine_guid()));
    assert!(other.run(ask).expect(0).contains(other.machine_guid()));
    assert_ne!(one.machine_guid(), other.machine_guid());
    // The machine's files are on no drive, and there to read only.
    assert_eq!(one.ssh("if exist Z:\\ (echo drive) else echo none", b"").expect(0), "none\n");
    let _ = one.run("echo x>\\\\?\\unix\\etc\\uproot-was-here");
    assert!(!Path::new("/etc/uproot-was-here").exists());
    // Generous: other suites may keep the machine busy.
    assert!(took < Duration::from_secs(15), "{took:?} a host");
}

#[test]
fn the_server_is_like_windows_own_and_counts() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    let banner = {
        let mut stream = std::net::TcpStream::connect((host.address(), host.port())).unwrap();
        let mut bytes = [0; 33];
        stream.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    assert_eq!(banner, "SSH-2.0-OpenSSH_for_Windows_9.5\r\n");
    let (logins, connections) = (host.logins(), host.connections());
    host.greet().userauth_password(USER, "wrong").unwrap_err();
    host.greet().userauth_password("nobody", PASSWORD).unwrap_err();
    host.greet().userauth_password(USER, PASSWORD).unwrap();
    assert_eq!((host.logins(), host.connections()), (logins + 1, connections + 3));
    assert!(host.execs().is_empty());
    assert_eq!(host.ssh("exit 1603", b"").code, 1603);
    assert_eq!(host.ssh("exit 3010", b"").code, 3010);
    assert_eq!(host.ssh("exit -1073741510", b"").code, 0xc000_013a);
    assert_eq!(host.ssh("nosuch", b"").code, 9009);
    assert_eq!(host.ssh(&format!("rem {}", "x".repeat(8200)), b"").code, 1);
    let execs = host.execs();
    assert_eq!(execs.len(), 5);
    assert_eq!((execs[0].command.as_str(), execs[0].code), ("exit 1603", Some(1603)));
    let _ = host.run("echo not over SSH");
    assert_eq!(host.execs().len(), 5);
    let quoted = "reg query \"HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\" /v ProductName";
    assert!(host.ssh(quoted, b"").expect(0).contains("Windows 10"));
    let both = host.ssh("echo out& echo err>&2", b"");
    assert_eq!((both.stdout.as_str(), both.stderr.as_str()), ("out\n", "err\n"));
}

#[test]
fn standard_input_is_the_commands() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    let script =
        b"echo one\r\nset A=2\r\necho [%A%]\r\nfind \"x\" < nul\r\necho three\r\nexit 3010\r\necho never\r\n";
    let answer = host.ssh("cmd.exe /d /q", script);
    assert_eq!(answer.code, 3010);
    assert!(answer.stdout.ends_with("one\n[2]\nthree\n"), "{answer:?}");
    // Its end is the end of cmd, too.
    assert!(host.ssh("cmd.exe /d /q", b"echo last\r\n").expect(0).ends_with("last\n"));
    let execs = host.execs();
    assert_eq!((execs[0].input, execs[0].longest_line), (script.len(), "find \"x\" < nul".len()));
    let mut large = b"echo begin\r\n".to_vec();
    for number in 0..2000 {
        large.extend_from_slice(
            format!("rem line {number} that is here to fill every pipe in between\r\n").as_bytes(),
        );
    }
    large.extend_from_slice(b"echo end\r\n");
    assert!(host.ssh("cmd.exe /d /q", &large).expect(0).ends_with("begin\nend\n"));
}

/// Whether a process of this image runs, by the lab's own tasklist.
fn runs(host: &WineHost, image: &str) -> bool {
    host.run("tasklist /fo csv /nh").expect(0).contains(&format!("\"{image}\""))
}

/// A program under a name of its own that does nothing for a minute.
fn sleeper(host: &WineHost, name: &str) -> String {
    std::fs::copy(host.path("C:\\lab\\uninst.exe"), host.path(&format!("C:\\lab\\{name}.exe"))).unwrap();
    format!("C:\\lab\\{name}.exe /S /takes=60")
}

#[test]
fn the_end_of_a_command_ends_what_it_started() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    let line = sleeper(&host, "child");
    host.ssh(&format!("start /b {line} & ping -n 2 127.0.0.1 >nul"), b"").expect(0);
    host.wait_until("the child is gone", |host| !runs(host, "child.exe"));
}

/// PowerShell/Win32-OpenSSH issue 1751: only the end of the command ends its job.
#[test]
fn a_lost_connection_leaves_the_command_running_unless_told() {
    let lab = WineLab::new();
    let hosts = lab.start_all(vec![lab.host("win01"), lab.host("win02").kills_on_disconnect()]);
    for (host, survives) in hosts.iter().zip([true, false]) {
        let line = sleeper(host, "work");
        let session = host.login();
        let mut channel = session.channel_session().unwrap();
        channel.exec(&line).unwrap();
        host.wait_until("it runs", |host| runs(host, "work.exe"));
        drop(channel);
        session.disconnect(None, "", None).unwrap();
        drop(session);
        if survives {
            std::thread::sleep(Duration::from_secs(2));
            assert!(runs(host, "work.exe"));
            assert_eq!(host.execs()[0].code, None);
        } else {
            host.wait_until("it is gone", |host| !runs(host, "work.exe"));
        }
    }
}

/// The task of an XML file, in UTF-16 as schtasks wants it.
fn task(command: &str, arguments: &str, settings: &str) -> Vec<u8> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\r\n<Task version=\"1.2\" \
         xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">{settings}\
         <Actions><Exec><Command>{command}</Command><Arguments>{arguments}</Arguments></Exec></Actions></Task>\r\n"
    );
    std::iter::once(0xfeff_u16).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[test]
fn a_scheduled_task_runs_outside_of_the_session() {
    let lab = WineLab::new();
    let mut host = lab.host("win01").start();
    let line = sleeper(&host, "wrapped");
    let (program, arguments) = line.split_once(' ').unwrap();
    std::fs::write(host.path("C:\\task.xml"), task(program, arguments, "")).unwrap();
    // Its declaration lies about its encoding, which Windows does not forgive.
    std::fs::write(host.path("C:\\bad.xml"), "<?xml version=\"1.0\" encoding=\"UTF-16\"?><Task></Task>")
        .unwrap();
    assert_eq!(host.ssh("schtasks /create /tn uproot\\bad /xml C:\\bad.xml /f", b"").code, 1);
    assert_eq!(host.ssh("schtasks /run /tn uproot\\one", b"").code, 1);
    host.ssh("schtasks /create /tn uproot\\one /xml C:\\task.xml /f & schtasks /run /tn uproot\\one", b"")
        .expect(0);
    host.wait_until("the task runs", |host| runs(host, "wrapped.exe"));
    assert_eq!(host.task_runs(), [("uproot\\one".to_owned(), format!("\"{program}\" {arguments}"))]);
    let query = "schtasks /query /tn uproot\\one /fo csv /nh";
    assert_eq!(host.ssh(query, b"").expect(0), "\"\\uproot\\one\",\"N/A\",\"Running\"\n");
    // A second file of the name asks, and reads its answer from standard input.
    assert_eq!(host.ssh("schtasks /create /tn uproot\\one /xml C:\\task.xml", b"n\r\n").code, 1);
    host.ssh("schtasks /end /tn uproot\\one", b"").expect(0);
    host.wait_until("the task has ended", |host| !runs(host, "wrapped.exe"));
    // On batteries a task does not start, unless it says that it may.
    host.flag("battery", true);
    host.ssh("schtasks /run /tn uproot\\one", b"").expect(0);
    assert!(host.ssh(query, b"").expect(0).contains("Queued"));
    let may = "<Settings><DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries></Settings>";
    let quick = task("cmd.exe", "/c &quot;echo a &amp; b&gt;C:\\ran.txt&quot; &amp; exit 1603", may);
    std::fs::write(host.path("C:\\task.xml"), quick).unwrap();
    host.ssh("schtasks /create /tn uproot\\two /xml C:\\task.xml & schtasks /run /tn uproot\\two", b"")
        .expect(0);
    host.wait_until("the second ran", |host| host.exists("C:\\ran.txt"));
    host.wait_until("its result is known", |host| {
        host.run("schtasks /query /tn uproot\\two /fo csv /v /nh").expect(0).contains("\"1603\"")
    });
    // Tasks are still there after a reboot, and gone when they are deleted.
    host.reboot();
    let key = "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache\\Tree\\uproot\\two";
    assert!(host.key_exists(key) && host.exists("C:\\windows\\system32\\Tasks\\uproot\\two"));
    host.ssh("schtasks /delete /tn uproot\\two /f", b"").expect(0);
    assert!(!host.key_exists(key) && !host.exists("C:\\windows\\system32\\Tasks\\uproot\\two"));
}

#[test]
fn the_labs_tools_answer_and_wines_stubs_say_nothing_with_0() {
    let lab = WineLab::new();
    let hosts = lab.start_all(vec![lab.host("win01"), lab.host("stubs").all_stubs()]);
    let [real, stubs] = &hosts[..] else { panic!() };
    for tool in
        ["tasklist", "findstr /b SERVICE_NAME", "where cmd", "certutil -store root", "schtasks /query"]
    {
        let silent = stubs.run(tool);
        assert_eq!((silent.code, silent.stdout.as_str()), (0, ""), "{tool}");
    }
    assert_eq!(stubs.run("sc query nosuch").code, 1);
    assert!(real.run("tasklist /svc /fo csv /nh").expect(0).contains("\"Schedule\"\n"));
    assert!(real.run("sc query nosuch").expect(1060).contains("1060"));
    real.run("sc stop Spooler").expect(1062);
    assert!(real.run("sc query").expect(0).contains("SERVICE_NAME: Schedule"));
    assert_eq!(real.run("where cmd").expect(0), "C:\\windows\\system32\\cmd.exe\n");
    real.run("where nosuch").expect(1);
    assert_eq!(real.run("echo one two| findstr /r /c:\"o.e t\"").expect(0), "one two\n");
    real.run("echo one| findstr two").expect(1);
    assert!(real.run("whoami /groups /fo csv /nh").expect(0).contains("\"S-1-16-12288\""));
    real.flag("not-elevated", true);
    assert!(!real.run("whoami /groups /fo csv /nh").expect(0).contains("\"S-1-16-12288\""));
    real.run("echo hello>C:\\x.txt").expect(0);
    let digest = "cd2eca3535741f27a8ae40c31b0c41d4057a7a7b912b33b9aed86485d1c84676";
    assert!(real.run("certutil -hashfile C:\\x.txt SHA256").expect(0).contains(digest));
    assert!(real.run("certutil -store root").expect(0).contains("Cert Hash(sha1): "));
    // One stub among tools that answer.
    let one = lab.host("win03").stub("tasklist").start();
    assert_eq!(one.run("tasklist").expect(0), "");
    one.run("sc query nosuch").expect(1060);
}

#[test]
fn hosts_and_tools_misbehave_as_told() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    host.fault("lies", Fault::Lies(b"all is well\r\n".to_vec(), 7));
    let lie = host.ssh("echo lies", b"input");
    assert_eq!((lie.code, lie.stdout.as_str()), (7, "all is well\n"));
    assert_eq!(host.ssh("echo truth", b"").expect(0), "truth\n");
    host.fault("wide", Fault::Utf16);
    assert_eq!(host.ssh("echo wide", b"").bytes, b"\xff\xfew\0i\0d\0e\0\r\0\n\0");
    host.fault("flood", Fault::Floods(30_000_000));
    assert_eq!(host.ssh("echo flood", b"").bytes.len(), 30_000_000);
    host.fault("cut", Fault::CutsAfter(3));
    let session = host.login();
    let mut channel = session.channel_session().unwrap();
    channel.exec("echo cut off").unwrap();
    let mut got = Vec::new();
    assert!(channel.read_to_end(&mut got).is_err() || channel.wait_close().is_err() || !channel.eof());
    assert_eq!(got, b"cut");
    host.fault("keeps", Fault::KeepsExitCode);
    assert_eq!(host.ssh("echo keeps& exit 5", b"").code, 0);
    host.fault("hang", Fault::Hangs);
    let session = host.login();
    session.set_timeout(1500);
    let mut channel = session.channel_session().unwrap();
    channel.exec("echo hang").unwrap();
    channel.write_all(b"input").unwrap();
    channel.send_eof().unwrap();
    assert!(channel.read_to_end(&mut got).is_err());
    assert_eq!(host.execs().last().unwrap().code, None);
    host.no_faults();
    assert_eq!(host.ssh("echo lies", b"").expect(0), "lies\n");

    host.tool_fault("reg", &ToolFault::Says(b"\r\n".to_vec(), 0));
    assert_eq!(host.ssh("reg query HKLM\\SOFTWARE\\Nosuch", b"").expect(0), "\n");
    host.tool_fault("tasklist", &ToolFault::Hangs(b"half an ans".to_vec()));
    let session = host.login();
    let mut channel = session.channel_session().unwrap();
    channel.exec("tasklist").unwrap();
    let mut half = [0; 11];
    channel.read_exact(&mut half).unwrap();
    assert_eq!(&half, b"half an ans");
    session.set_timeout(1500);
    assert!(channel.read(&mut half).is_err());
}

#[test]
fn a_reboot_keeps_the_disk_and_ends_the_processes() {
    let lab = WineLab::new();
    let mut host = lab.host("win01").start();
    let boots = |host: &WineHost| {
        let key = "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management\\PrefetchParameters";
        host.run(&format!("reg query \"{key}\" /v BootId")).expect(0)
    };
    assert!(boots(&host).contains("0x1"));
    host.run("reg add HKLM\\SOFTWARE\\Kept /f").expect(0);
    let line = sleeper(&host, "work");
    let session = host.login();
    session.channel_session().unwrap().exec(&line).unwrap();
    host.wait_until("it runs", |host| runs(host, "work.exe"));
    let before = host.first_process();
    host.ssh("shutdown /r /t 0", b"").expect(0);
    host.wait_until("it is up again", |host| host.first_process().is_some_and(|now| Some(now) != before));
    assert!(host.key_exists("HKLM\\SOFTWARE\\Kept") && !runs(&host, "work.exe"));
    assert!(boots(&host).contains("0x2"));
    assert!(session.channel_session().is_err());
    // A file in use is deleted at the next start.
    let pending = "\\??\\C:\\in-use.txt\0\0\0".encode_utf16().flat_map(u16::to_le_bytes);
    let pending: Vec<_> = pending.map(|byte| format!("{byte:02x}")).collect();
    let manager = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\Session Manager";
    let text = format!(
        "Windows Registry Editor Version 5.00\r\n\r\n[{manager}]\r\n\"PendingFileRenameOperations\"=hex(7):{}\r\n",
        pending.join(",")
    );
    let text: Vec<_> =
        std::iter::once(0xfeff_u16).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    std::fs::write(host.path("C:\\pending.reg"), text).unwrap();
    host.run("echo x>C:\\in-use.txt & reg import C:\\pending.reg").expect(0);
    host.shut_down();
    assert!(!host.is_up());
    let stream = std::net::TcpStream::connect((host.address(), host.port()));
    assert!(stream.is_err() || stream.unwrap().read(&mut [0; 8]).unwrap_or(0) == 0);
    host.boot();
    assert!(!host.exists("C:\\in-use.txt"));
}

#[test]
fn a_killed_test_leaves_nothing_behind() {
    if let Ok(marker) = std::env::var("UPROOT_LAB_VICTIM") {
        let lab = WineLab::new();
        let host = lab.host("victim").start();
        let inside = host.first_process().unwrap();
        std::fs::write(marker, format!("{}\n{inside}\n", lab.dir().display())).unwrap();
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
    let text = wait_for(|| std::fs::read_to_string(&marker).ok().filter(|text| text.lines().count() == 2));
    let (dir, inside) = text.trim().split_once('\n').unwrap();
    let space = std::fs::read_link(format!("/proc/{inside}/ns/pid")).unwrap();
    assert!(processes_in(&space) > 3);
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_for(|| (processes_in(&space) == 0 && !Path::new(dir).exists()).then_some(()));
}

#[test]
fn a_lab_leaves_nothing_behind() {
    let mounts = || std::fs::read_to_string("/proc/self/mounts").unwrap();
    let (dir, space) = {
        let lab = WineLab::new();
        let host = lab.host("win01").start();
        assert!(!mounts().contains(lab.dir().to_str().unwrap()));
        let inside = host.first_process().unwrap();
        (lab.dir().to_owned(), std::fs::read_link(format!("/proc/{inside}/ns/pid")).unwrap())
    };
    assert_eq!(processes_in(&space), 0);
    assert!(!dir.exists());
}

/// How many processes are in this pid namespace.
fn processes_in(space: &Path) -> usize {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter(|entry| std::fs::read_link(entry.path().join("ns/pid")).is_ok_and(|its| its == space)).count()
}

/// Waits until this gives something, at most two minutes, as the prefix may have to be made first.
fn wait_for<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(value) = what() {
            return value;
        }
        assert!(Instant::now() < end, "waited too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}
