//! The CI recipes of `examples/ci`: their marked blocks, their shell parts, and how each CI runs them.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The files of `examples/ci`.
pub const RECIPES: [&str; 4] = ["github-actions.yml", "gitlab-ci.yml", "Jenkinsfile", "cron.sh"];

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where a recipe is.
pub fn path(recipe: &str) -> PathBuf {
    root().join("examples/ci").join(recipe)
}

/// A recipe's text.
pub fn text(recipe: &str) -> String {
    std::fs::read_to_string(path(recipe)).unwrap_or_else(|error| panic!("{recipe}: {error}"))
}

const BEGIN: &str = "==== Yours: from here ====";
const END: &str = "==== Yours: to here ====";

/// The block of what a user replaces.
pub fn block(recipe: &str) -> String {
    let text = text(recipe);
    let (before, rest) = text.split_once(BEGIN).unwrap_or_else(|| panic!("{recipe} has no marked block"));
    let (block, after) = rest.split_once(END).unwrap_or_else(|| panic!("{recipe}: the block does not end"));
    assert!(!after.contains(BEGIN), "{recipe} has more than one marked block");
    assert!(before.lines().count() <= 20, "{recipe}: the marked block is not at the top");
    block.to_owned()
}

/// The variables of the marked block, as the CI gives them to the shell.
fn settings(recipe: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for line in block(recipe).lines() {
        let line = line.trim();
        let between = if recipe == "Jenkinsfile" { " = " } else { ": " };
        let Some((name, value)) = line.split_once(between) else { continue };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_uppercase() || c == '_') {
            continue;
        }
        let value = value.split(" #").next().unwrap().split(" //").next().unwrap().trim();
        found.insert(name.to_owned(), value.trim_matches(['"', '\'']).to_owned());
    }
    let expected = if recipe == "cron.sh" { 0 } else { 5 };
    assert!(found.len() >= expected, "{recipe}: {found:?}");
    found
}

/// The shell part of a recipe, as its CI hands it to the shell.
pub fn script(recipe: &str) -> String {
    let text = text(recipe);
    let (opening, closing) = match recipe {
        "github-actions.yml" => ("run: |", None),
        "gitlab-ci.yml" => ("- |", None),
        "Jenkinsfile" => ("sh '''", Some("'''")),
        _ => return text,
    };
    let mut lines = text.lines().skip_while(|line| !line.trim().starts_with(opening));
    let first = lines.next().unwrap_or_else(|| panic!("{recipe} has no `{opening}`"));
    let indent = first.len() - first.trim_start().len();
    let mut script = String::new();
    if closing.is_some() {
        script += first.trim().strip_prefix(opening).unwrap();
        script.push('\n');
    }
    for line in lines {
        let ends = match closing {
            Some(closing) => line.trim() == closing,
            None => !line.trim().is_empty() && line.len() - line.trim_start().len() <= indent,
        };
        if ends {
            break;
        }
        script += line.get(indent + 2..).unwrap_or_default();
        script.push('\n');
    }
    assert!(script.contains("uproot verify"), "{recipe}: this is not its shell part:\n{script}");
    script
}

/// A working copy in which a recipe's job runs, one day after the other.
pub struct Job {
    recipe: &'static str,
    dir: tempfile::TempDir,
    /// What the job's environment has besides.
    pub variables: BTreeMap<String, String>,
}

/// How a day's job ended.
pub struct Day {
    /// The exit status.
    pub code: Option<i32>,
    /// Standard output and standard error.
    pub said: String,
}

impl Job {
    /// A job of a recipe; `uproot` is the program that it finds in its PATH, a shell script.
    pub fn new(recipe: &'static str, uproot: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["bin", "tmp", "checkout/uproot", "home"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        let mut variables = settings(recipe);
        let file = |name: &str| at(name).to_str().unwrap().to_owned();
        std::fs::write(at("ssh_key"), "SSH-SECRET\n").unwrap();
        std::fs::write(at("seal_key"), "SEAL-SECRET\n").unwrap();
        std::fs::write(at("checkout/uproot/hosts.yml"), "hosts: {}\n").unwrap();
        std::fs::write(at("checkout/uproot/known_hosts"), "").unwrap();
        std::fs::write(at("checkout/uproot/allowed_signers"), "").unwrap();
        let own: &[(&str, String)] = match recipe {
            "github-actions.yml" => &[
                ("UPROOT_SSH_KEY", "SSH-SECRET".to_owned()),
                ("UPROOT_SEAL_KEY", "SEAL-SECRET".to_owned()),
                ("GITHUB_STEP_SUMMARY", file("summary")),
            ],
            "gitlab-ci.yml" => &[("UPROOT_SSH_KEY", file("ssh_key")), ("UPROOT_SEAL_KEY", file("seal_key"))],
            "Jenkinsfile" => &[
                ("SSH_KEY", file("ssh_key")),
                ("SEAL_KEY", file("seal_key")),
                ("SSH_USER", "ops".to_owned()),
            ],
            _ => &[],
        };
        variables.extend(own.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let job = Self { recipe, dir, variables };
        job.program("uproot", uproot);
        job.program(
            "sendmail",
            "printf '%s ' \"$@\" >\"$JOB/mail-options\"; cat >\"$JOB/mail\"; exit \"${MAIL_CODE:-0}\"",
        );
        job
    }

    /// Puts a shell script into the job's PATH.
    pub fn program(&self, name: &str, body: &str) {
        let path = self.at("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A path in the job's directory.
    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The text of a file in the job's directory; empty if there is none.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.at(name)).unwrap_or_default()
    }

    /// Only what the last good run did not have is bad.
    pub fn fail_on_new(&mut self) {
        self.variables.insert("FAIL_ON".to_owned(), "new".to_owned());
    }

    /// Where the job keeps the runs of its last day.
    pub fn evidence(&self) -> PathBuf {
        if self.recipe == "cron.sh" { self.at("state/runs") } else { self.at("checkout/evidence/runs") }
    }

    /// What the CI does between two days: a clean checkout, and the last good run from its store.
    fn next_day(&self) {
        let work = self.at("checkout");
        match self.recipe {
            "Jenkinsfile" => {
                // Its own first step, and the plugin that copies the last successful build's artefacts.
                let _ = std::fs::remove_dir_all(work.join("baseline"));
                let _ = std::fs::remove_dir_all(work.join("evidence"));
                if self.at("good").exists() {
                    std::fs::create_dir_all(work.join("baseline/evidence")).unwrap();
                    copy(&self.at("good"), &work.join("baseline/evidence/runs"));
                }
                std::fs::create_dir_all(work.join("evidence")).unwrap();
            }
            "cron.sh" => {}
            _ => {
                let _ = std::fs::remove_dir_all(work.join("evidence"));
            }
        }
    }

    /// Runs the job once, as its CI does.
    pub fn run(&self) -> Day {
        self.next_day();
        let file = self.at("script");
        let mut script = script(self.recipe);
        if self.recipe == "cron.sh" {
            let setting = |name: &str| self.variables.get(name).cloned().unwrap_or_default();
            let place = self.dir.path().to_str().unwrap().to_owned();
            let yours = format!(
                "inventory=$JOB/checkout/uproot/hosts.yml\nknown_hosts=$JOB/checkout/uproot/known_hosts\nssh_key=$JOB/ssh_key\n\
                 seal_key=$JOB/seal_key\nallowed_signers=$JOB/checkout/uproot/allowed_signers\nstate=$JOB/state\n\
                 fail_on={}\noptions='{}'\n",
                setting("FAIL_ON"),
                setting("OPTIONS"),
            )
            .replace("$JOB", &place);
            let mark = format!("# {END}");
            script = script.replacen(&mark, &format!("{yours}{mark}"), 1);
        }
        std::fs::write(&file, &script).unwrap();
        let shell: &[&str] = match self.recipe {
            "github-actions.yml" => &["bash", "--noprofile", "--norc", "-eo", "pipefail"],
            "gitlab-ci.yml" => &["bash", "-eo", "pipefail"],
            "Jenkinsfile" => &["sh", "-e"],
            _ => &["sh"],
        };
        let output = self.command(shell[0]).args(&shell[1..]).arg(&file).output().unwrap();
        let day = Day { code: output.status.code(), said: both(&output) };
        if self.recipe == "Jenkinsfile" && day.code == Some(0) {
            let _ = std::fs::remove_dir_all(self.at("good"));
            copy(&self.evidence(), &self.at("good"));
        }
        day
    }

    /// A command in the job's working copy and environment.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.at("checkout"))
            .env_clear()
            .envs(&self.variables)
            .env("PATH", format!("{}:/usr/bin:/bin", self.at("bin").display()))
            .env("HOME", self.at("home"))
            .env("TMPDIR", self.at("tmp"))
            .env("JOB", self.dir.path())
            .stdin(Stdio::null());
        command
    }
}

/// Standard output and standard error in one.
pub fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-R").arg(from).arg(to).status().unwrap();
    assert!(done.success(), "cp {} {}", from.display(), to.display());
}
