//! Where results are written: never over what cannot be brought back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const RUN: &str = "01990c3e-7a10-7000-8000-000000000001";

/// A directory with a run in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/runs");
        let copied = Command::new("cp").arg("-R").arg(golden).arg(place.path("runs")).status().unwrap();
        assert!(copied.success());
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn uproot(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_uproot"))
            .args(arguments)
            .current_dir(self.0.path())
            .env("HOME", self.0.path())
            .env("UPROOT_RUNS", self.path("runs"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Insists on exit 2, these words, and a file that is what it was.
    #[track_caller]
    fn refuses(&self, arguments: &[&str], file: &str, word: &str) {
        let before = std::fs::read(self.path(file)).ok();
        let output = self.uproot(arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}\n{told}");
        assert!(told.contains(word) && told.contains("help: give another file"), "{arguments:?}\n{told}");
        assert_eq!(std::fs::read(self.path(file)).ok(), before, "{arguments:?}");
    }
}

#[test]
fn a_run_is_never_replaced_by_a_result_of_it() {
    let place = Place::new();
    let run = format!("runs/{RUN}");
    std::fs::write(place.path(&format!("{run}/seal")), "a seal").unwrap();
    std::os::unix::fs::symlink(format!("{run}/journal.jsonl"), place.path("link.json")).unwrap();
    for name in ["journal.jsonl", "plan.json", "seal", "seal.sig", "plan.json.sig", "lock"] {
        let file = format!("{run}/{name}");
        place.refuses(&["report", RUN, "--format", "json", "-o", &file], &file, "is a file of a run");
        place.refuses(&["journal", "export", RUN, "--force", "-o", &file], &file, "is a file of a run");
        place.refuses(&["plan", "--force", "--out", &file], &file, "is a file of a run");
    }
    for blob in std::fs::read_dir(place.path(&run).join("output")).unwrap() {
        let file = format!("{run}/output/{}", blob.unwrap().file_name().to_string_lossy());
        place.refuses(&["report", RUN, "-o", &file], &file, "is a file of a run");
    }
    let journal = format!("{run}/journal.jsonl");
    place.refuses(&["report", RUN, "-o", "link.json"], &journal, "is a file of a run");
    std::fs::remove_file(place.path(&format!("{run}/seal"))).unwrap();
    let beside = format!("{run}/report.json");
    assert!(place.uproot(&["report", RUN, "-o", &beside]).stderr.is_empty());
    assert!(place.path(&beside).is_file());
}

#[test]
fn what_a_command_reads_is_not_replaced_by_what_it_writes() {
    let place = Place::new();
    let waiver = "{hosts: a, product: kesl, reason: r, ticket: T-1, until: 2027-01-01}";
    std::fs::write(place.path("waivers.yml"), format!("uproot_waivers: 1\nwaivers: [{waiver}]\n")).unwrap();
    std::fs::write(place.path("hosts.yml"), "hosts: { a: {} }\n").unwrap();
    std::fs::write(place.path("signers"), "").unwrap();
    std::fs::hard_link(place.path("hosts.yml"), place.path("other.yml")).unwrap();
    std::fs::create_dir(place.path("facts")).unwrap();
    std::fs::write(place.path("facts/a.json"), "{}").unwrap();
    let word = "is read by this command";
    place.refuses(&["report", RUN, "--waivers", "waivers.yml", "-o", "./waivers.yml"], "waivers.yml", word);
    place.refuses(&["report", RUN, "--allowed-signers", "signers", "-o", "signers"], "signers", word);
    place.refuses(&["inventory", "list", "-i", "hosts.yml", "-o", "hosts.yml"], "hosts.yml", word);
    place.refuses(&["inventory", "list", "-i", "hosts.yml", "-o", "other.yml"], "hosts.yml", word);
    place.refuses(&["verify", "-i", "hosts.yml", "--format", "csv", "-o", "hosts.yml"], "hosts.yml", word);
    place.refuses(&["identify", "--facts", "facts", "-o", "facts/a.json"], "facts/a.json", word);
    place.refuses(&["plan", "-i", "hosts.yml", "--force", "--out", "hosts.yml"], "hosts.yml", word);
    place.refuses(&["apply", "hosts.yml", "-o", "hosts.yml"], "hosts.yml", word);
    let output = place.uproot(&["plan", "-i", "hosts.yml", "--out", "p.json", "-o", "p.json"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && told.contains("the file of `--out` too"), "{told}");
}

#[test]
fn two_results_do_not_go_to_one_file_under_two_names() {
    let place = Place::new();
    std::fs::write(place.path("a.txt"), "before").unwrap();
    std::os::unix::fs::symlink("a.txt", place.path("b.json")).unwrap();
    let output = place.uproot(&["report", RUN, "-o", "a.txt", "-o", "b.json"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && told.contains("two results would go to"), "{told}");
    assert_eq!(std::fs::read_to_string(place.path("a.txt")).unwrap(), "before");
}
