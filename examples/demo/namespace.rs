//! A host that is real but for its kernel: its own root, users, package database and processes, in
//! Linux namespaces. An ordinary user may make one where the system allows user namespaces.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// A running host; it ends with this value, and with this process.
pub struct Namespace {
    child: Child,
    /// Its first process ends when this is closed.
    input: Option<ChildStdin>,
    pid: String,
}

/// The options of `unshare` and `nsenter` for the user namespace: root needs none.
fn user_namespace() -> bool {
    !rustix::process::geteuid().is_root()
}

/// Programs that a host is made with, and in whose place nothing else would do.
const PROGRAMS: [&str; 7] = ["unshare", "nsenter", "pivot_root", "dpkg", "dpkg-deb", "groupadd", "groupdel"];

/// Where they are.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Namespace {
    /// Why hosts cannot be made on this machine; none if they can.
    pub fn refused() -> Option<String> {
        let here = |program: &&str| PATH.split(':').any(|folder| Path::new(folder).join(program).exists());
        if let Some(program) = PROGRAMS.iter().find(|program| !here(program)) {
            return Some(format!("there is no `{program}`"));
        }
        let trial = "mount -t proc proc /proc && mount -t tmpfs trial /mnt && mkdir /mnt/usr && \
                     mount --rbind /usr /mnt/usr && mount -o remount,bind,ro /mnt/usr";
        let mut command = Self::unshare();
        let output = command.args(["sh", "-c", trial]).stdin(Stdio::null()).output();
        match output {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")),
            Err(error) => Some(format!("unshare: {error}")),
        }
    }

    /// `unshare` with the options that a host needs; the program is to follow.
    fn unshare() -> Command {
        let mut command = Command::new("unshare");
        if user_namespace() {
            command.args(["-U", "-r"]);
        }
        command.args(["-m", "-p", "-u", "-i", "-f", "--kill-child", "--propagation", "private"]);
        command.env_clear().env("PATH", PATH);
        command
    }

    /// Starts a host with these packages; `broken` is `removal`, `packages` or `nothing`.
    pub fn start(dir: &Path, name: &str, broken: &str, products: &[&str]) -> Result<Self, Box<dyn Error>> {
        let files = [
            ("host.sh", include_str!("host.sh")),
            ("product.sh", include_str!("product.sh")),
            ("systemctl.sh", include_str!("../../tests/lab/systemctl.sh")),
        ];
        std::fs::create_dir_all(dir.join("root"))?;
        for (file, text) in files {
            std::fs::write(dir.join(file), text)?;
        }
        let mut command = Self::unshare();
        command
            .arg("sh")
            .arg(dir.join("host.sh"))
            .arg(dir)
            .args([name, broken])
            .args(products)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(dir.join("log"))?);
        let mut child = command.spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take();
        let mut host = Self { child, input, pid: String::new() };
        let mut line = String::new();
        if let Some(output) = output {
            BufReader::new(output).read_line(&mut line)?;
        }
        match line.trim().strip_prefix("ready ") {
            Some(pid) => host.pid = pid.to_owned(),
            None => return Err(std::fs::read_to_string(dir.join("log"))?.trim().to_owned().into()),
        }
        Ok(host)
    }

    /// The program and arguments that run a command line by the host's shell, as its root.
    pub fn command(&self, line: &str) -> (&'static str, Vec<String>) {
        let user: &[&str] = if user_namespace() { &["-U", "--preserve-credentials"] } else { &[] };
        let fixed = ["-t", &self.pid, "-m", "-p", "-u", "-i", "--", "sh", "-c", line];
        ("nsenter", user.iter().chain(&fixed).map(|word| (*word).to_owned()).collect())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.input.take());
        // `unshare` ends once all of the host's processes have; nothing can be done if it does not.
        let _ = self.child.wait();
    }
}
