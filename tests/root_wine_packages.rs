//! The Windows lab's packages: each kind installs, shows in the registry, and is removed with the documented code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test"
)]

mod wine_lab;

use wine_lab::{Kind, MSI_PASSWORD, Msi, SetupProduct, WineHost, WineLab};

/// msiexec over SSH, as a client would remove a package.
fn remove(host: &WineHost, msi: &Msi, more: &str) -> u32 {
    host.ssh(&format!("msiexec /x {} /qn /norestart {more}", msi.product_code), b"").code
}

/// The uninstall entry.
fn entry(host: &WineHost, msi: &Msi) -> String {
    host.run(&format!("reg query \"{}\"", msi.uninstall_key())).expect(0)
}

#[test]
fn a_plain_package_comes_and_goes() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    let msi = Msi::new(Kind::Plain);
    assert_eq!(remove(&host, &msi, ""), 1605);
    host.install(&msi);
    let entry = entry(&host, &msi);
    for part in [
        "DisplayName    REG_SZ    Kaspersky Endpoint Security for Windows\n",
        "DisplayVersion    REG_SZ    12.3.0.493\n",
        "Publisher    REG_SZ    AO Kaspersky Lab\n",
        "WindowsInstaller    REG_DWORD    0x1\n",
        &format!("MsiExec.exe /I{}\n", msi.product_code),
    ] {
        assert!(entry.contains(part), "{part}: {entry}");
    }
    assert!(host.run("sc query AVP.KES.21.19").expect(0).contains("4  RUNNING"));
    assert!(host.run("tasklist /fo csv /nh").expect(0).contains("\"avp.exe\""));
    assert!(host.exists(&format!("{}\\avp.exe", msi.install_folder())));
    assert_eq!(remove(&host, &msi, ""), 0);
    assert!(!host.key_exists(&msi.uninstall_key()) && !host.exists(&msi.install_folder()));
    host.run("sc query AVP.KES.21.19").expect(1060);
    assert!(!host.run("tasklist /fo csv /nh").expect(0).contains("avp.exe"));
    assert_eq!(remove(&host, &msi, ""), 1605);
    assert_eq!(host.ssh("msiexec /i C:\\nosuch.msi /qn", b"").code, 1619);
    let calls: Vec<_> = host.msiexec_calls().into_iter().map(|call| call.code.unwrap()).collect();
    assert_eq!(calls, [1605, 0, 0, 1605, 1619]);
    assert!(host.msiexec_calls()[2].line.contains(&format!("/x {} /qn", msi.product_code)));
}

#[test]
fn a_password_is_demanded_and_ends_up_in_the_log() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    for kind in [Kind::Password, Kind::HexPassword] {
        let msi = Msi::new(kind);
        host.install(&msi);
        for wrong in ["", "KLLOGIN=KLAdmin KLPASSWD=wrong", "KLUNINSTPASSWD=00"] {
            assert_eq!(remove(&host, &msi, wrong), 1603, "{wrong}");
        }
        assert!(host.key_exists(&msi.uninstall_key()) && host.exists(&msi.install_folder()));
        assert_eq!(remove(&host, &msi, &format!("/L*v C:\\lab\\log.txt {}", msi.password_properties())), 0);
        assert!(!host.key_exists(&msi.uninstall_key()));
    }
    let log = std::fs::read(host.path("C:\\lab\\log.txt")).unwrap();
    let log = String::from_utf8(log).unwrap();
    assert!(log.contains("KLUNINSTPASSWD=") && log.contains("MainEngineThread is returning 0"), "{log}");
    assert!(MSI_PASSWORD.contains('&'), "a password that cmd would take apart");
}

#[test]
fn a_reboot_is_asked_for_or_made() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    let msi = Msi::new(Kind::Reboot);
    host.install(&msi);
    assert_eq!(remove(&host, &msi, ""), 3010);
    assert!(!host.key_exists(&msi.uninstall_key()));
    host.install(&msi);
    let before = host.first_process();
    let session = host.login();
    let mut channel = session.channel_session().unwrap();
    channel.exec(&format!("msiexec /x {} /qn", msi.product_code)).unwrap();
    host.wait_until("it is removed", |host| host.msiexec_calls().last().unwrap().code == Some(1641));
    host.wait_until("it has rebooted", |host| host.first_process().is_some_and(|now| Some(now) != before));
    assert!(!host.key_exists(&msi.uninstall_key()));
}

#[test]
fn what_is_left_behind_stays() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    let msi = Msi::new(Kind::LeavesBehind);
    host.install(&msi);
    assert_eq!(remove(&host, &msi, ""), 0);
    assert!(!host.key_exists(&msi.uninstall_key()));
    host.run("sc query AVP.KES.21.19").expect(1060);
    assert!(host.run("sc query avpsus.KES.21.19").expect(0).contains("RUNNING"));
    assert!(host.service_exists("klif"));
    assert!(host.exists(&format!("{}\\klif.sys", msi.install_folder())));
    // A service that refuses to stop says so, and one that stops can be deleted.
    host.flag("nostop", true);
    host.run("sc stop avpsus.KES.21.19").expect(5);
    host.flag("nostop", false);
    host.run("sc stop avpsus.KES.21.19").expect(0);
    host.run("sc delete avpsus.KES.21.19").expect(0);
    host.run("sc query avpsus.KES.21.19").expect(1060);
}

#[test]
fn packages_of_a_user_of_32_bit_and_of_other_tongues() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    let everywhere = "Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall";
    let user = Msi::new(Kind::PerUser);
    host.install(&user);
    assert!(host.key_exists(&user.uninstall_key()));
    assert!(!host.key_exists(&format!("HKLM\\{everywhere}\\{}", user.product_code)));
    assert_eq!(remove(&host, &user, ""), 0);
    assert!(!host.key_exists(&user.uninstall_key()));

    let narrow = Msi::new(Kind::ThirtyTwoBit);
    host.install(&narrow);
    assert!(host.key_exists(&narrow.uninstall_key()));
    assert!(!host.key_exists(&format!("HKLM\\{everywhere}\\{}", narrow.product_code)));
    host.run(&format!("reg query \"HKLM\\{everywhere}\\{}\" /reg:32", narrow.product_code)).expect(0);
    assert!(host.exists(&format!("{}\\avp.exe", narrow.install_folder())));
    assert_eq!(remove(&host, &narrow, ""), 0);
    assert!(!host.key_exists(&narrow.uninstall_key()));

    let names =
        [("Агент администрирования Kaspersky Security Center", 1251), ("カスペルスキー セキュリティ", 932)];
    for (name, code_page) in names {
        let msi = Msi::new(Kind::Localized(name.to_owned(), code_page));
        host.install(&msi);
        // An English host has no such letters to print.
        let printed = entry(&host, &msi);
        assert!(printed.contains("???") && !printed.contains(name), "{printed}");
        assert_eq!(remove(&host, &msi, ""), 0);
    }
}

#[test]
fn a_russian_and_a_japanese_host_print_in_their_code_pages() {
    let lab = WineLab::new();
    let hosts = lab.start_all(vec![lab.host("ru").locale("ru_RU"), lab.host("ja").locale("ja_JP")]);
    let cases = [
        // "Агент" in code page 866.
        ("Агент администрирования Kaspersky Security Center", 1251, &b"\x80\xa3\xa5\xad\xe2"[..]),
        // Four katakana in code page 932.
        ("カスペルスキー セキュリティ", 932, b"\x83\x4a\x83\x58\x83\x79\x83\x8b"),
    ];
    for (host, (name, code_page, bytes)) in hosts.iter().zip(cases) {
        let msi = Msi::new(Kind::Localized(name.to_owned(), code_page));
        host.install(&msi);
        let printed = host.run(&format!("reg query \"{}\" /v DisplayName", msi.uninstall_key()));
        let found = printed.bytes.windows(bytes.len()).any(|window| window == bytes);
        assert!(found, "{}: {:?}", host.name(), printed.stdout);
        assert_eq!(remove(host, &msi, ""), 0);
    }
}

#[test]
fn an_uninstaller_that_detaches_is_done_later() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    let msi = Msi::new(Kind::Detaches(20));
    host.install(&msi);
    let own = format!(
        "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\InstallWIX_{}",
        msi.product_code
    );
    assert!(host.key_exists(&own));
    assert_eq!(remove(&host, &msi, ""), 0);
    assert!(host.key_exists(&own), "it is done already: {:?}", host.setup_runs());
    host.wait_until("the copy of the uninstaller is done", |host| {
        host.setup_runs().iter().any(|(done, _)| *done)
    });
    assert!(!host.key_exists(&own) && !host.exists(&msi.install_folder()));
}

#[test]
fn a_second_installation_has_to_wait_and_a_broken_package_fails() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    let (slow, broken) = (Msi::new(Kind::Slow(5)), Msi::new(Kind::Broken).named("Kaspersky Safe Kids"));
    host.install(&slow);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| remove(&host, &slow, ""));
        host.wait_until("it removes", |host| !host.setup_runs().is_empty());
        assert_eq!(remove(&host, &broken, ""), 1618);
        assert_eq!(first.join().unwrap(), 0);
    });
    host.install(&broken);
    assert_eq!(remove(&host, &broken, "KLLOGIN=KLAdmin KLPASSWD=x"), 1603);
    assert!(host.key_exists(&broken.uninstall_key()));
}

#[test]
fn products_without_windows_installer() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    let plain = SetupProduct::new("Kaspersky VPN", "Kaspersky VPN");
    host.install_setup(&plain);
    let entry = host.run(&format!("reg query \"{}\"", plain.uninstall_key())).expect(0);
    assert!(entry.contains(&format!("QuietUninstallString    REG_SZ    {}", plain.command(true))), "{entry}");
    host.ssh(&plain.command(true), b"").expect(0);
    assert!(!host.key_exists(&plain.uninstall_key()) && !host.exists(&plain.folder()));
    let failing = SetupProduct::new("Kaspersky Software Updater", "KSU").options("/code=5").not_quiet();
    host.install_setup(&failing);
    host.ssh(&failing.command(true), b"").expect(5);
    assert!(host.key_exists(&failing.uninstall_key()) && host.exists(&failing.folder()));
    // What it leaves behind to do the work is a child of the session, which ends first.
    let detaches = SetupProduct::new("Kaspersky Free", "Kaspersky Free").options("/detach=3");
    host.install_setup(&detaches);
    host.ssh(&detaches.command(true), b"").expect(0);
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert!(host.key_exists(&detaches.uninstall_key()));
    assert!(!host.setup_runs().iter().any(|(done, line)| *done && line.contains("Kaspersky Free")));
}
