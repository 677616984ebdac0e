//! The CI recipes of `examples/ci` with the real uproot, day after day: reports, seals, and what is new.
//! Needs OpenSSH's `ssh-keygen`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod ci_support;

use ci_support::{Job, RECIPES, both};
use std::path::PathBuf;
use std::process::Command;

/// The real uproot, but for one thing: it looks for a product of the test's, as whoever runs the test.
const REAL: &str = r#"
[ "$1" = verify ] || exec "$UPROOT" "$@"
shift
for argument in "$@"; do
  shift
  [ "$argument" = --become ] || set -- "$@" "$argument"
done
exec "$UPROOT" verify --playbook "$JOB/playbook.yml" "$@"
"#;

/// A job on this machine, with real keys. The product is there while the file `marker` is.
fn real(recipe: &'static str) -> Job {
    let mut job = Job::new(recipe, REAL);
    job.variables.insert("UPROOT".to_owned(), env!("CARGO_BIN_EXE_uproot").to_owned());
    for key in ["ssh_key", "seal_key"] {
        std::fs::remove_file(job.at(key)).unwrap();
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
            .arg(job.at(key))
            .status()
            .unwrap();
        assert!(made.success());
    }
    if recipe == "github-actions.yml" {
        // A secret of GitHub's has no line break at its end.
        job.variables.insert("UPROOT_SSH_KEY".to_owned(), job.read("ssh_key").trim_end().to_owned());
        job.variables.insert("UPROOT_SEAL_KEY".to_owned(), job.read("seal_key").trim_end().to_owned());
    }
    let signer = format!("ci@example.org namespaces=\"uproot-seal\" {}", job.read("seal_key.pub"));
    std::fs::write(job.at("checkout/uproot/allowed_signers"), signer).unwrap();
    let playbook = format!(
        "uproot: 1\nname: a marker\nproducts:\n  - id: marker\n    name: Marker\n    vendor: A vendor\n    \
         platforms: [linux]\n    sources: [\"https://vendor.example/\"]\n    report_only: true\n    detect: {{ path: {} }}\n",
        job.at("marker").display()
    );
    std::fs::write(job.at("playbook.yml"), playbook).unwrap();
    hosts(&job, "");
    job
}

/// The inventory: this machine, and more.
fn hosts(job: &Job, more: &str) {
    let text = format!("uproot_inventory: 1\nhosts:\n  here: {{ connection: local }}\n{more}");
    std::fs::write(job.at("checkout/uproot/hosts.yml"), text).unwrap();
}

/// The runs that the job keeps.
fn runs(job: &Job) -> Vec<PathBuf> {
    let mut runs: Vec<PathBuf> =
        std::fs::read_dir(job.evidence()).unwrap().map(|entry| entry.unwrap().path()).collect();
    runs.sort();
    runs
}

#[test]
fn a_week_of_a_real_uproot_is_told_by_exit_codes_and_kept_under_seal() {
    for recipe in RECIPES {
        let mut job = real(recipe);
        job.fail_on_new();

        let day = job.run();
        assert_eq!(day.code, Some(0), "{recipe}: {}", day.said);
        // Cron's runs are all together: what is new there is asked of by name.
        let clean = runs(&job).pop().unwrap();
        let verified = job
            .command("uproot")
            .args(["journal", "verify", "--allowed-signers", "uproot/allowed_signers", "--require-seal", "1"])
            .arg(&clean)
            .output()
            .unwrap();
        assert_eq!(verified.status.code(), Some(0), "{recipe}: {}", both(&verified));

        std::fs::write(job.at("marker"), "").unwrap();
        for _ in 0..2 {
            // It stays red until somebody does something.
            let day = job.run();
            assert_eq!(day.code, Some(1), "{recipe}: {}", day.said);
            let told = format!("{}{}", day.said, job.read("mail"));
            assert!(told.contains("present") && told.contains("new"), "{recipe}: {told}");
        }

        std::fs::remove_file(job.at("marker")).unwrap();
        hosts(&job, "  gone: { address: 127.0.0.1, port: 1 }\n");
        let day = job.run();
        assert_eq!(day.code, Some(3), "{recipe}: {}", day.said);

        hosts(&job, "  wrong: { adress: 127.0.0.1 }\n");
        let day = job.run();
        assert_eq!(day.code, Some(2), "{recipe}: {}", day.said);
        let told = format!("{}{}", day.said, job.read("mail"));
        assert!(told.contains("hosts.yml") && told.contains("adress"), "{recipe}: {told}");

        hosts(&job, "");
        let day = job.run();
        assert_eq!(day.code, Some(0), "{recipe}: {}", day.said);
    }
}

#[test]
fn the_reports_of_a_red_day_are_whole() {
    for recipe in RECIPES {
        let job = real(recipe);
        std::fs::write(job.at("marker"), "").unwrap();
        let day = job.run();
        assert_eq!(day.code, Some(1), "{recipe}: {}", day.said);
        let place = if recipe == "cron.sh" {
            let id = runs(&job).pop().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
            format!("state/reports/{id}")
        } else {
            "checkout/evidence".to_owned()
        };
        let report = |name: &str| job.read(&format!("{place}/{name}"));
        assert!(report("report.html").contains("</html>"), "{recipe}");
        assert!(serde_json::from_str::<serde_json::Value>(&report("report.json")).is_ok(), "{recipe}");
        assert!(report("junit.xml").contains("<failure"), "{recipe}: {}", report("junit.xml"));
        if recipe == "github-actions.yml" {
            let sarif: serde_json::Value = serde_json::from_str(&report("uproot.sarif")).unwrap();
            assert_eq!(sarif["version"], "2.1.0");
            assert!(job.read("summary").contains("present"), "{}", job.read("summary"));
        }
    }
}

#[test]
fn what_a_person_accepted_is_known_and_an_altered_run_is_not_believed() {
    let mut job = real("cron.sh");
    job.fail_on_new();
    std::fs::write(job.at("marker"), "").unwrap();
    assert_eq!(job.run().code, Some(1));
    let red = runs(&job).pop().unwrap();
    let id = red.file_name().unwrap().to_str().unwrap();
    std::fs::write(job.at("state/last-good"), format!("{id}\n")).unwrap();

    let day = job.run();
    assert_eq!(day.code, Some(0), "{}", day.said);
    let mail = job.read("mail");
    assert!(mail.contains("present") && mail.contains("still there"), "{mail}");

    let last = job.at("state/runs").join(job.read("state/last-good").trim());
    let journal = last.join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen("here", "hers", 1)).unwrap();
    let before = runs(&job).len();
    let day = job.run();
    assert!(day.code != Some(0) && day.code != Some(1), "{:?}: {}", day.code, day.said);
    assert_eq!(runs(&job).len(), before, "{}", day.said);
}
