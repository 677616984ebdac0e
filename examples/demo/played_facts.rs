//! What a played host says to the facts script: the script's own lines, as its programs would print
//! them on a host in this state. What is asked, and in what form, is read from the script.

use crate::simulated::State;
use std::fmt::Write;

/// The script's whole output.
pub fn answer(state: &State, script: &str) -> String {
    let nonce = between(script, "\nN='", "'").unwrap_or_default();
    let mut text = String::new();
    // The script asks another system's host in other sections, before this mark.
    let asked = script.split_once("\nask=ask\n").map(|(_, asked)| asked).unwrap_or_default();
    for section in asked.lines().filter_map(|line| line.strip_prefix("section ")) {
        let mut page = Page { state, script, nonce, lines: Vec::new(), missing: Vec::new() };
        page.write(section);
        page.mark("done", section);
        let _ = writeln!(text, "{nonce} begin {section}");
        page.lines.iter().for_each(|line| text.push_str(&format!("|{line}\n")));
        let _ = writeln!(text, "{nonce} end {section}");
    }
    text
}

/// What stands between the first `from` and the next `to`.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    rest.split_once(to).map(|(found, _)| found)
}

/// A section while it is written.
struct Page<'a> {
    state: &'a State,
    script: &'a str,
    nonce: &'a str,
    lines: Vec<String>,
    /// Paths whose absence has to be proved.
    missing: Vec<String>,
}

impl Page<'_> {
    fn mark(&mut self, word: &str, rest: impl std::fmt::Display) {
        self.lines.push(format!("{} {word} {rest}", self.nonce));
    }

    /// A program's output, its status, and what it said on standard error.
    fn run(&mut self, program: &str, output: &[String], status: i32, errors: &[String]) {
        self.mark("run", program);
        self.lines.extend_from_slice(output);
        self.lines.push(String::new());
        self.mark("rc", status);
        if !errors.is_empty() {
            self.mark("err", "");
            self.lines.extend_from_slice(errors);
        }
    }

    fn need(&mut self, index: &str, path: &str) {
        self.mark("need", format!("{index} {path}"));
        self.missing.push(path.to_owned());
    }

    /// Looks at paths in one batch: those of the model, and those that have to be proved absent.
    fn look(&mut self, asked: &[String]) {
        let format = between(self.script, "stat stat -c '", "'").unwrap_or("%f %s %U:%n").to_owned();
        let line = |path: &str, size: Option<u64>| {
            let mode = if size.is_some() { "81ed" } else { "41ed" };
            let size = size.unwrap_or(4096).to_string();
            let words = [("%f", mode), ("%s", size.as_str()), ("%u", "0"), ("%U", "root"), ("%n", path)];
            words.iter().fold(format.clone(), |line, (sign, word)| line.replace(sign, word))
        };
        let (mut found, mut errors) = (vec![line("/", None)], Vec::new());
        for path in self.missing.drain(..).chain(asked.iter().cloned()) {
            match self.state.paths.get(&path) {
                _ if path == "/" => found.push(line("/", None)),
                Some(size) => found.push(line(&path, *size)),
                None => errors.push(format!("stat: cannot statx '{path}': No such file or directory")),
            }
        }
        self.run("stat", &found, i32::from(!errors.is_empty()), &errors);
    }

    fn write(&mut self, section: &str) {
        match section {
            "base" => self.base(),
            "packages" => self.packages(),
            "services" => self.services(),
            "processes" => self.processes(),
            "users" => self.run("users", &["+root:0".to_owned()], 0, &[]),
            "groups" => {
                let groups = self.state.groups.iter().zip(900..);
                let mut lines: Vec<_> = groups.map(|(name, id)| format!("+{name}:{id}")).collect();
                lines.insert(0, "+root:0".to_owned());
                self.run("groups", &lines, 0, &[]);
            }
            "kernel_modules" => self.run("modules", &["overlay".to_owned()], 0, &[]),
            "paths" => self.paths(),
            // Not known here: it stays unanswered.
            _ => {}
        }
    }

    fn base(&mut self) {
        let state = self.state;
        self.mark("uname", "Linux 6.1.0-simulated x86_64");
        self.mark("shell", 900);
        self.mark("uid", 0);
        self.mark("hostname", &state.name);
        self.mark("machine-id", &state.machine_id);
        self.mark("boot-id", &state.boot_id);
        self.mark("init-stat", format!("1 (init) S 0 0 0 0 -1 0{} 4242 0 0", " 0".repeat(12)));
        let release = ["PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"", "ID=debian", "VERSION_ID=\"12\""];
        self.run("os-release", &release.map(str::to_owned), 0, &[]);
        self.mark("reboot-by", "dpkg");
        self.run("mounts", &["/ ext4", "/proc proc"].map(str::to_owned), 0, &[]);
    }

    fn packages(&mut self) {
        self.mark("database", "dpkg /var/lib/dpkg");
        if self.state.packages_broken {
            let error = [
                "dpkg-query: error: parsing file '/var/lib/dpkg/status' near line 1:",
                " newline in field name 'not'",
            ];
            self.run("dpkg", &[], 2, &error.map(str::to_owned));
        } else {
            let line = |(name, version): (&String, &String)| {
                format!("+{name}\t{version}\tamd64\tinstall ok installed")
            };
            let lines: Vec<_> = self.state.packages.iter().map(line).collect();
            self.run("dpkg", &lines, 0, &[]);
        }
        // Every other manager's database is proved absent.
        for others in self.script.split("if database ").skip(1) {
            let words: Vec<&str> =
                others.split("; then").next().unwrap_or_default().split_whitespace().collect();
            if let Some((manager, paths)) = words.split_first().filter(|(manager, _)| **manager != "dpkg") {
                for path in paths.iter().filter(|path| **path != "\\") {
                    let path = path.trim_matches('"').replace("$HOME", "/root");
                    self.need(manager, &path);
                }
            }
        }
        self.look(&[]);
    }

    fn services(&mut self) {
        let names: Vec<_> = self.state.services.keys().map(|name| format!("{name}.service")).collect();
        let directories = between(self.script, "units() {", "; do").unwrap_or_default();
        for directory in directories.split_whitespace().filter(|word| word.starts_with('/')) {
            if directory == "/etc/systemd/system" {
                self.mark("units", directory);
                self.lines.extend(names.clone());
            } else {
                self.need("-", &format!("{directory}/."));
            }
        }
        for directory in ["/etc/init.d", "/etc/rc.d/init.d"] {
            self.need("-", &format!("{directory}/."));
        }
        let line = |(name, process): (&String, &Option<(u32, String)>)| {
            let states = if process.is_some() { "active running" } else { "inactive dead" };
            format!("{name}.service loaded {states} {name}")
        };
        let mut lines: Vec<_> = self.state.services.iter().map(line).collect();
        lines.insert(0, "ssh.service loaded active running OpenBSD Secure Shell server".to_owned());
        self.run("systemctl", &lines, 0, &[]);
        self.look(&[]);
    }

    fn processes(&mut self) {
        self.mark("shell", 900);
        let daemons = self.state.services.values().flatten().cloned();
        let own = [(1, "/usr/sbin/init".to_owned()), (900, "/usr/bin/dash".to_owned())];
        let all: Vec<_> = own.into_iter().chain(daemons).collect();
        let status = |(pid, exe): &(u32, String)| {
            let name = exe.rsplit('/').next().unwrap_or_default();
            format!(
                "Name:\t{name}\nState:\tS (sleeping)\nPid:\t{pid}\nUid:\t0\t0\t0\t0\nVmSize:\t    2592 kB\nThreads:\t1"
            )
        };
        let statuses: Vec<_> = all
            .iter()
            .flat_map(|process| status(process).lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        self.run("status", &statuses, 0, &[]);
        let lines: Vec<_> = all.iter().map(|(pid, exe)| format!("{pid} -> {exe}")).collect();
        self.run("exe", &lines, 0, &[]);
        self.run("left", &statuses, 0, &[]);
    }

    fn paths(&mut self) {
        let mut asked = vec!["/".to_owned()];
        let mut index = String::new();
        for line in between(self.script, "\nasked() {\n", "\n:\n}").unwrap_or_default().lines() {
            if let Some(rest) = line.strip_prefix("of ") {
                index = rest.split(' ').next().unwrap_or_default().to_owned();
            } else if let Some(path) = line.strip_prefix("add ") {
                asked.push(path.trim_matches('\'').to_owned());
            } else if let Some(rest) = line.strip_prefix("walk '") {
                let base = rest.split('\'').next().unwrap_or_default();
                self.need(&index, &format!("{base}/."));
            }
        }
        self.look(&asked);
        self.mark("paths", "answered");
    }
}
