//! Exports that hold what no run holds: `check.sh` neither waits for it nor takes it for what was packed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const RUN: &str = "01990c3e-7a10-7000-8000-000000000001";

fn run(program: &str, arguments: &[&str], dir: &Path) -> Output {
    Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .env("HOME", dir)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[track_caller]
fn succeeds(program: &str, arguments: &[&str], dir: &Path) {
    let output = run(program, arguments, dir);
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
}

/// Exports a sealed run and unpacks it.
fn unpacked(dir: &Path) -> PathBuf {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/runs");
    succeeds("cp", &["-R", golden.to_str().unwrap(), "runs"], dir);
    succeeds("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "key"], dir);
    let uproot = env!("CARGO_BIN_EXE_uproot");
    succeeds(uproot, &["journal", "seal", RUN, "--runs", "runs", "--key", "key", "--yes"], dir);
    succeeds(uproot, &["journal", "export", RUN, "--runs", "runs", "-o", "e.tar.zst"], dir);
    succeeds("tar", &["--zstd", "-xf", "e.tar.zst"], dir);
    dir.join(format!("uproot-{RUN}"))
}

/// What `check.sh` says of it; killed where it takes too long, since it then waits for ever.
fn check(export: &Path) -> (Option<i32>, String) {
    let output = run("timeout", &["60", "sh", "check.sh"], export);
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn what_is_no_file_is_not_waited_for_and_not_followed() {
    let place = tempfile::tempdir().unwrap();
    let export = unpacked(place.path());
    assert_eq!(check(&export).0, Some(0));
    for name in ["plan.json", "journal.jsonl", "seal"] {
        let file = export.join(name);
        let bytes = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        succeeds("mkfifo", &[name], &export);
        let (code, said) = check(&export);
        assert!(code == Some(1) && said.contains(&format!("no file: ./{name}")), "{code:?} {said}");
        std::fs::remove_file(&file).unwrap();
        std::fs::write(place.path().join("elsewhere"), &bytes).unwrap();
        std::os::unix::fs::symlink(place.path().join("elsewhere"), &file).unwrap();
        let (code, said) = check(&export);
        assert!(code == Some(1) && said.contains("no file: "), "{code:?} {said}");
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, bytes).unwrap();
    }
    assert_eq!(check(&export).0, Some(0));
}

#[test]
fn a_seal_under_another_name_is_refused_as_uproot_refuses_it() {
    let place = tempfile::tempdir().unwrap();
    let export = unpacked(place.path());
    for name in ["", ".sig"] {
        std::fs::copy(export.join(format!("seal{name}")), export.join(format!("seal-1{name}"))).unwrap();
    }
    let (code, said) = check(&export);
    assert!(code == Some(1) && said.contains("seal-1: its name does not say"), "{code:?} {said}");
    let verified =
        run(env!("CARGO_BIN_EXE_uproot"), &["journal", "verify", export.to_str().unwrap()], place.path());
    assert_eq!(verified.status.code(), Some(3));
}
