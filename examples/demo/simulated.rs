//! A host that is only played, for machines on which nobody may make namespaces: a small model of a
//! Linux system that answers uproot's scripts without running a line of them. It knows the questions
//! and steps of the demo; a question it does not know stays unanswered, and a step without effect is
//! found out, so what it does not know cannot pass for success.

use crate::played_facts;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// A played host.
pub struct Simulated {
    state: Mutex<State>,
}

/// What is on it.
pub struct State {
    pub name: String,
    pub machine_id: String,
    pub boot_id: String,
    /// Whether its package database is broken.
    pub packages_broken: bool,
    removal_broken: bool,
    /// Name → version.
    pub packages: BTreeMap<String, String>,
    /// Path → size; none: a directory.
    pub paths: BTreeMap<String, Option<u64>>,
    /// Service → pid and executable of its process.
    pub services: BTreeMap<String, Option<(u32, String)>>,
    pub groups: BTreeSet<String>,
}

/// What a script gave.
#[derive(Default)]
pub struct Given {
    pub out: String,
    pub err: String,
    pub status: i32,
}

impl Simulated {
    /// A host with these packages; `broken` as for a real one.
    pub fn new(name: &str, broken: &str, products: &[&str]) -> Self {
        let mut state = State {
            name: name.to_owned(),
            machine_id: uuid::Uuid::new_v4().simple().to_string(),
            boot_id: uuid::Uuid::new_v4().to_string(),
            packages_broken: broken == "packages",
            removal_broken: broken == "removal",
            packages: BTreeMap::from([("base-files".to_owned(), "12.4".to_owned())]),
            paths: BTreeMap::new(),
            services: BTreeMap::new(),
            groups: BTreeSet::new(),
        };
        products.iter().for_each(|product| state.install(product));
        Self { state: Mutex::new(state) }
    }

    /// What the reader says first, on the command line that starts it; none if it is another command.
    pub fn ready(line: &str) -> Option<String> {
        let (before, _) = line.split_once(":ready:$(id -u)")?;
        let nonce = before.rsplit(' ').next()?;
        Some(format!("{nonce}:ready:0\n"))
    }

    /// What comes of the framed script that the reader was given, on both outputs.
    pub fn answer(&self, input: &str) -> Option<(String, String)> {
        let (_, rest) = input.split_once("\necho ")?;
        let (begin, rest) = rest.split_once(';')?;
        let frame = begin.strip_suffix(":begin")?;
        let (_, rest) = rest.split_once("\n( eval '")?;
        let (quoted, _) = rest.rsplit_once("\n' ) </dev/null\n")?;
        let script = quoted.replace("'\\''", "'");
        let mut state = self.state.lock().ok()?;
        let given = if script.starts_with("uproot_facts()") {
            Given { out: played_facts::answer(&state, &script), ..Given::default() }
        } else {
            state.under_lock(&script)
        };
        let Given { out, err, status } = given;
        Some((
            format!("{frame}:begin\n{out}\n{frame}:end:{status}\n"),
            format!("{frame}:begin\n{err}\n{frame}:end\n"),
        ))
    }
}

impl State {
    /// As `product.sh` does it.
    fn install(&mut self, name: &str) {
        let (version, daemon, data) = match name {
            "kesl" => ("12.1.0-1543", "libexec/kesl", "/var/opt/kaspersky/kesl"),
            "klnagent64" => ("15.0.0-12912", "sbin/klnagent", "/var/opt/kaspersky/klnagent"),
            _ => ("12.1.0-1543", "", ""),
        };
        self.packages.insert(name.to_owned(), version.to_owned());
        let home = format!("/opt/kaspersky/{name}");
        self.paths.insert(home.clone(), None);
        self.paths.insert(format!("/etc/opt/kaspersky/{name}"), None);
        if daemon.is_empty() {
            return;
        }
        let executable = format!("{home}/{daemon}");
        self.paths.insert(executable.clone(), Some(125_640));
        self.paths.insert(data.to_owned(), None);
        self.paths.insert(format!("/var/log/kaspersky/{name}"), None);
        let pid = 100 + u32::try_from(self.services.len()).unwrap_or(0);
        self.services.insert(name.to_owned(), Some((pid, executable)));
        if name == "kesl" {
            self.groups.extend(["kesladmin", "kesluser", "keslaudit", "nokesl"].map(str::to_owned));
        }
    }

    /// Plays the scripts for the lock and for steps: nobody else is on this host, and no step is ever cut
    /// off. What it does not know it does not answer.
    fn under_lock(&mut self, script: &str) -> Given {
        let said = |out: &str| Given { out: format!("= {out}\n"), ..Given::default() };
        match script.trim_end().lines().last() {
            Some("up_lock") => said("taken played whole "),
            Some("up_renew_only") => said("renewed"),
            Some("up_release") => said("released"),
            Some("up_begin") => {
                let Given { out, err, status } = self.step(script);
                let measure = |text: &str| format!("{0} 0 {0}", text.len());
                let line = format!("ended {status} {} {}", measure(&out), measure(&err));
                Given { out: format!("= {line}\n{out}"), err, status: 0 }
            }
            _ => Given { status: 127, ..Given::default() },
        }
    }

    /// Does what a step's script would do: what its commands name is looked for, however it gets there.
    fn step(&mut self, script: &str) -> Given {
        let script: String = script.chars().map(|c| if c == ';' || c == '\'' { ' ' } else { c }).collect();
        let words: Vec<&str> = script.split_whitespace().collect();
        let after =
            |command: [&'static str; 2]| words.windows(3).filter(move |three| three.starts_with(&command));
        let services = |verb| {
            let units = after(["systemctl", verb]).filter_map(|three| three.last()?.strip_suffix(".service"));
            units.map(str::to_owned).collect::<Vec<_>>()
        };
        for name in services("stop") {
            if let Some(process) = self.services.get_mut(&name) {
                *process = None;
            }
        }
        for name in services("disable") {
            self.services.remove(&name);
        }
        for two in words.windows(2).filter(|two| two.first() == Some(&"groupdel")) {
            self.groups.retain(|group| two.last() != Some(&group.as_str()));
        }
        if after(["rm", "-rf"]).next().is_some() {
            let known: Vec<_> =
                self.paths.keys().filter(|path| words.contains(&path.as_str())).cloned().collect();
            known.iter().for_each(|path| self.remove_path(path));
        }
        match words.windows(2).position(|two| two == ["dpkg", "--purge"]) {
            Some(at) => self.purge(words.get(at + 2..).unwrap_or_default()),
            None => Given::default(),
        }
    }

    /// Purges the first of these words that are packages.
    fn purge(&mut self, names: &[&str]) -> Given {
        let mut given = Given { out: "(Reading database ...)\n".to_owned(), ..Given::default() };
        for name in names {
            let Some(version) = self.packages.get(*name) else { return given };
            given.out.push_str(&format!("Removing {name} ({version}) ...\n"));
            if self.removal_broken {
                given.err = format!(
                    "{name}: the product refuses to be removed\n\
                     dpkg: error processing package {name} (--purge):\n installed {name} package pre-removal \
                     script subprocess returned error exit status 1\n\
                     Errors were encountered while processing:\n {name}\n"
                );
                given.status = 1;
                return given;
            }
            self.packages.remove(*name);
            self.services.remove(*name);
            self.remove_path(&format!("/opt/kaspersky/{name}"));
            self.remove_path(&format!("/etc/opt/kaspersky/{name}"));
        }
        given
    }

    fn remove_path(&mut self, path: &str) {
        let below = format!("{path}/");
        self.paths.retain(|known, _| known != path && !known.starts_with(&below));
    }
}
