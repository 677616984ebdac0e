//! The test command itself: `tests/run` tells the truth about what ran. Cargo is a stand-in here, so
//! that each way to end can be had at once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test"
)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A repository with the suites `alpha` and `root_beta`, and a cargo that says what `results` has for
/// its arguments: lines of `ARGUMENT|EXIT|OUTPUT`.
struct Repository {
    dir: tempfile::TempDir,
}

impl Repository {
    fn new(results: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        std::fs::create_dir_all(path.join("tests")).unwrap();
        std::fs::create_dir_all(path.join("bin")).unwrap();
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run");
        write_program(&path.join("tests/run"), &std::fs::read_to_string(run).unwrap());
        std::fs::write(path.join("tests/alpha.rs"), "").unwrap();
        std::fs::write(path.join("tests/root_beta.rs"), "").unwrap();
        std::fs::write(path.join("results"), results).unwrap();
        let cargo = "#!/bin/bash\ncase \" $* \" in *\" --no-run \"*) exit 0 ;; esac\n\
                     while IFS='|' read -r word status text; do\n  \
                     if [ \"${!#}\" = \"$word\" ]; then printf \"$text\\n\"; exit \"$status\"; fi\n\
                     done <\"$(dirname \"$0\")/../results\"\necho 'test result: ok. 1 passed; 0 failed; 0 ignored;'\n";
        write_program(&path.join("bin/cargo"), cargo);
        write_program(&path.join("bin/rustc"), "#!/bin/sh\necho 'host: x-y-z'\n");
        Self { dir }
    }

    /// The exit code, the last line, and everything that was printed.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let path = format!("{}/bin:{}", self.dir.path().display(), std::env::var("PATH").unwrap());
        let output = Command::new(self.dir.path().join("tests/run"))
            .args(arguments)
            .env("PATH", path)
            .output()
            .unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let last = stdout.lines().last().unwrap_or_default().to_owned();
        let all = stdout + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), last, all)
    }
}

/// By another process: a file that this one has open for writing, which a fork of another test may hold
/// for a moment longer, cannot be run.
fn write_program(path: &Path, text: &str) {
    let mut child = Command::new("sh")
        .args(["-c", "cat >\"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Documentation tests may be none; every other part of these repositories has one test.
const UNIT: &str = "--lib|0|test result: ok. 7 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out\n";

#[test]
fn the_last_line_adds_up_what_every_part_said() {
    let repository = Repository::new(&format!(
        "{UNIT}--bins|0|test result: ok. 0 passed; 0 failed; 0 ignored;\n\
         --doc|0|test result: ok. 2 passed; 0 failed; 0 ignored;\\ntest result: ok. 3 passed; 0 failed; 0 ignored;\n"
    ));
    let (code, last, all) = repository.run(&["--no-root"]);
    assert_eq!((code, last.as_str()), (0, "13 passed, 0 failed"), "{all}");
    assert!(all.contains("left out, as --no-root was given: root_beta"), "{all}");
    assert!(all.contains("ignored: 2"), "{all}");
}

#[test]
fn a_failed_test_fails_the_run_and_the_others_still_run() {
    let repository = Repository::new(&format!(
        "--lib|101|test result: FAILED. 5 passed; 2 failed; 0 ignored;\nalpha|0|{}",
        UNIT.split('|').next_back().unwrap()
    ));
    let (code, last, all) = repository.run(&["--no-root"]);
    assert_eq!((code, last.as_str()), (1, "14 passed, 2 failed"), "{all}");
    assert!(all.contains("failed: unit"), "{all}");
}

#[test]
fn what_a_test_prints_is_not_taken_for_a_result() {
    let repository = Repository::new(
        "alpha|101|test result: ok. 900 passed; 0 failed; 0 ignored;\\nx\\ntest result: FAILED. 1 passed; 1 failed; 0 ignored;\n",
    );
    let (code, last, all) = repository.run(&["alpha"]);
    assert_eq!((code, last.as_str()), (1, "1 passed, 1 failed"), "{all}");
}

#[test]
fn a_suite_that_crashes_or_runs_nothing_is_a_failure() {
    let (code, last, all) = Repository::new("alpha|134|running 3 tests\n").run(&["alpha"]);
    assert_eq!((code, last.as_str()), (1, "0 passed, 1 failed"), "{all}");
    let (code, last, all) =
        Repository::new("alpha|0|test result: ok. 0 passed; 0 failed; 4 ignored;\n").run(&["alpha", "unit"]);
    assert_eq!((code, last.as_str()), (1, "3 passed, 1 failed"), "{all}");
    assert!(all.contains("alpha: not one test ran"), "{all}");
}

#[test]
fn unknown_suites_and_options_are_refused() {
    let repository = Repository::new("");
    let (code, _, all) = repository.run(&["gamma"]);
    assert_eq!(code, 1);
    assert!(all.contains("there is no suite `gamma`; there are: unit alpha root_beta"), "{all}");
    assert_eq!(repository.run(&["--norot"]).0, 1);
    assert_eq!(repository.run(&["--no-root", "root_beta"]).0, 1);
}

#[test]
fn without_root_the_suites_that_need_it_are_named_and_the_run_fails() {
    let repository = Repository::new("");
    write_program(&repository.dir.path().join("bin/id"), "#!/bin/sh\necho 1000\n");
    write_program(&repository.dir.path().join("bin/sudo"), "#!/bin/sh\nexit 1\n");
    let (code, _, all) = repository.run(&[]);
    assert_eq!(code, 1, "{all}");
    assert!(all.contains("these suites cannot run: root_beta"), "{all}");
    assert!(all.contains("--no-root"), "{all}");
    assert_eq!(repository.run(&["alpha"]).1, "1 passed, 0 failed");
}

#[test]
fn an_ordinary_user_runs_only_the_root_suites_by_sudo() {
    let repository = Repository::new("");
    let bin = repository.dir.path().join("bin");
    write_program(&bin.join("id"), "#!/bin/sh\necho 1000\n");
    write_program(&bin.join("sudo"), "#!/bin/sh\nexit 0\n");
    write_program(
        &bin.join("cargo"),
        "#!/bin/sh\necho \"by <$CARGO_TARGET_X_Y_Z_RUNNER> $*\"\necho 'test result: ok. 1 passed; 0 failed; 0 ignored;'\n",
    );
    let (code, last, all) = repository.run(&["alpha", "root_beta"]);
    assert_eq!((code, last.as_str()), (0, "2 passed, 0 failed"), "{all}");
    assert!(all.contains("by <> test --no-fail-fast --test alpha"), "{all}");
    assert!(all.contains("by <sudo -E> test --no-fail-fast --test root_beta"), "{all}");
}

#[test]
fn suites_that_wait_run_beside_the_others_and_are_told_after_them() {
    let results = "alpha|0|the others\\ntest result: ok. 3 passed; 0 failed; 0 ignored;\n\
                   root_odd|101|beside\\ntest result: FAILED. 1 passed; 2 failed; 0 ignored;\n\
                   simulation|0|the last\\ntest result: ok. 1 passed; 0 failed; 0 ignored;\n";
    let repository = Repository::new(results);
    for suite in ["root_odd", "simulation"] {
        std::fs::write(repository.dir.path().join(format!("tests/{suite}.rs")), "").unwrap();
    }
    for (program, text) in [("id", "echo 0"), ("mkdir", "exit 0"), ("unshare", "exit 0")] {
        write_program(&repository.dir.path().join("bin").join(program), &format!("#!/bin/sh\n{text}\n"));
    }
    let (code, last, all) = repository.run(&["simulation", "root_odd", "alpha"]);
    assert_eq!((code, last.as_str()), (1, "6 passed, 2 failed"), "{all}");
    assert!(all.contains("failed: root_odd"), "{all}");
    let place = |text: &str| all.lines().position(|line| line == text).expect(text);
    assert!(place("the others") < place("beside") && place("beside") < place("the last"), "{all}");
}
