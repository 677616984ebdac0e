//! The Windows lab's own test: what the other Wine suites rest on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test"
)]

mod wine_lab;

use std::time::{Duration, Instant};
use wine_lab::{Kind, Msi, WineLab};

#[test]
fn a_host_starts_quickly_and_is_a_machine_of_its_own() {
    let lab = WineLab::new();
    let begin = Instant::now();
    let one = lab.host("win01").start();
    println!("the first host: {:?}", begin.elapsed());
    let begin = Instant::now();
    let other = lab.host("win02").start();
    let took = begin.elapsed();
    println!("a host: {took:?}");
    assert_eq!(one.ssh("echo %COMPUTERNAME% %USERNAME%", b"").expect(0), "WIN01 Administrator\n");
    assert_eq!(one.ssh("cd", b"").expect(0), "C:\\users\\Administrator\n");
    one.run("reg add HKLM\\SOFTWARE\\Mine /v x /d y /f & md C:\\mine").expect(0);
    assert!(one.key_exists("HKLM\\SOFTWARE\\Mine") && one.exists("mine"));
    assert!(!other.key_exists("HKLM\\SOFTWARE\\Mine") && !other.exists("mine"));
    assert_eq!(one.ssh("if exist Z:\\ (echo drive) else echo none", b"").expect(0), "none\n");
    let guid = |host: &wine_lab::WineHost| host.run("reg query HKLM\\SOFTWARE\\Microsoft\\Cryptography /v MachineGuid").expect(0);
    assert!(guid(&one).contains(one.machine_guid()) && !guid(&other).contains(one.machine_guid()));
    assert!(took < Duration::from_secs(20), "{took:?}");
}
#[test]
fn a_plain_package() {
    let lab = WineLab::new();
    let host = lab.host("win01").start();
    let msi = Msi::new(Kind::Plain);
    host.install(&msi);
    println!("{}", host.run(&format!("reg query \"{}\"", msi.uninstall_key())).expect(0));
    println!("{:?}", host.ssh(&format!("msiexec /x {} /qn /norestart", msi.product_code), b"").code);
    println!("{:?}", host.msiexec_calls());
}
