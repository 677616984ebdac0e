//! A fleet of SSH hosts in one process, and the whole job done on it: `cargo run --release --example demo`.
//!
//! The hosts are real but for their kernel (see `namespace`): uproot reaches them by SSH, runs its real
//! script there, and the real dpkg removes real packages. Nothing outside a temporary directory changes.
//! Where the system lets nobody make such hosts, or with `--simulated`, they are played at the far end
//! of the same SSH connections, and the first line says so.

mod fleet;
mod namespace;
mod played_facts;
mod server;
mod simulated;

use fleet::{Fleet, ROLES};
use namespace::Namespace;
use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use uproot::model::ExitCode as Code;

fn main() -> ExitCode {
    match demo() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn demo() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::Builder::new().prefix("uproot-demo-").tempdir()?;
    let asked = std::env::args().any(|word| word == "--simulated");
    let refused = if asked { Some("as was asked for".to_owned()) } else { Namespace::refused() };
    let fleet = Fleet::start(dir.path(), refused.is_some())?;
    let count = ROLES.len();
    match &refused {
        Some(why) => {
            println!("SIMULATED: a fleet of {count} SSH hosts whose systems are only played ({why}):\n")
        }
        None => println!(
            "A fleet of {count} SSH hosts runs in this process, each with its own system and a real dpkg:\n"
        ),
    }
    for role in &ROLES {
        println!("  {:8} {}", role.name, role.told);
    }
    let story = Story { dir: dir.path(), fleet: &fleet };

    story.tell("What is on them? Nothing is changed by asking.");
    story.uproot(&["identify"], Code::Found, true)?;
    story.tell("What would be done about it? The plan is a file; this is the dry run.");
    story.uproot(&["plan", "--out", "plan.json"], Code::CannotVouch, true)?;
    story.tell("The plan, as a change board reads it.");
    story.uproot(&["plan", "show", "plan.json"], Code::Success, false)?;
    story.tell("Do exactly that: the canary first, then the rest; each host is verified at its end.");
    story.uproot(&["apply", "plan.json"], Code::CannotVouch, false)?;
    story.check_states("apply", |role| role.ends)?;
    story.tell("The proof, as a CI job asks for it: facts collected anew.");
    story.uproot(&["verify"], Code::Found, true)?;
    story.tell("Every host ended as it should.");
    Ok(())
}

/// The teller: runs uproot as a user would, and checks what came of it.
struct Story<'a> {
    dir: &'a Path,
    fleet: &'a Fleet,
}

impl Story<'_> {
    fn tell(&self, words: &str) {
        println!("\n── {words}\n");
    }

    /// Runs uproot with these words, and insists on its exit code.
    fn uproot(&self, words: &[&str], expected: Code, connects: bool) -> Result<(), Box<dyn Error>> {
        let shown = words.join(" ");
        println!("$ uproot {shown}{}\n", if connects { " -i fleet.yml" } else { "" });
        let mut arguments: Vec<OsString> = vec!["uproot".into()];
        arguments.extend(words.iter().map(|word| self.place(word)));
        if connects {
            arguments.extend(["-i".into(), self.fleet.inventory.clone().into()]);
            arguments.extend(["--known-hosts".into(), self.fleet.known_hosts.clone().into()]);
            arguments.extend(["--playbook".into(), playbook().into()]);
        }
        if words.get(1) != Some(&"show") {
            arguments.extend(["--runs".into(), self.dir.join("runs").into()]);
        }
        let code = uproot::cli::run(arguments);
        if code != expected {
            return Err(
                format!("`uproot {shown}` ended with {}, not {}", code.code(), expected.code()).into()
            );
        }
        Ok(())
    }

    /// File names are those of the demo's directory.
    fn place(&self, word: &str) -> OsString {
        if word.contains('.') { self.dir.join(word).into() } else { word.into() }
    }

    /// Reads the last run's report and compares the state of each host.
    fn check_states(
        &self,
        verb: &str,
        expected: impl Fn(&fleet::Role) -> uproot::model::HostState,
    ) -> Result<(), Box<dyn Error>> {
        let file = self.dir.join("report.json");
        let words = ["uproot", "report", "last", "--format", "json", "-o"];
        let mut arguments: Vec<OsString> = words.map(Into::into).to_vec();
        arguments.extend([file.clone().into(), "--runs".into(), self.dir.join("runs").into()]);
        uproot::cli::run(arguments);
        let report: serde_json::Value = serde_json::from_slice(&std::fs::read(file)?)?;
        let hosts =
            report.get("hosts").and_then(serde_json::Value::as_array).ok_or("no hosts in the report")?;
        for role in &ROLES {
            let told = hosts.iter().find(|host| host.get("host").is_some_and(|name| name == role.name));
            let state = told.and_then(|host| host.get("state")).and_then(serde_json::Value::as_str);
            let expected = expected(role).word();
            if state != Some(expected) {
                return Err(format!("after {verb}, {} is {state:?}, not {expected}", role.name).into());
            }
        }
        Ok(())
    }
}

/// The demo's playbook stands beside it.
fn playbook() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/demo/playbook.yml")
}
