//! Real packages, built on the spot by dpkg-deb and rpmbuild: named and laid out like the vendor's,
//! with maintainer scripts, a unit file and a daemon that really runs. None of it is the vendor's.

use super::builder::Manager;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Stub packages that a host has from the start; the first provides `/bin/sh` to rpm.
pub(super) const BASE: [&str; 3] = ["base-files", "coreutils", "libc6"];

/// The program that a daemon is a copy of: small, on every Debian, and itself whatever its name.
const DAEMON_PROGRAM: &str = "/bin/dash";

/// A package to be built, like one of the vendor's.
#[derive(Debug, Clone)]
pub struct VendorPackage {
    /// Its name: `kesl`.
    pub name: String,
    /// Version and release: `12.1.0-1543`.
    pub version: String,
    /// Packages that it needs.
    pub depends: Vec<String>,
    /// The daemon's executable; none: there is no daemon.
    pub daemon: Option<String>,
    /// Where it keeps its data, made when it is installed and left when it is removed.
    pub data: String,
    /// Groups that it makes, and leaves.
    pub groups: Vec<String>,
}

impl VendorPackage {
    /// The package of this name in the vendor's layout: `kesl`, `kesl-gui`, `klnagent64`, and any
    /// other as `kesl` is.
    #[must_use]
    pub fn new(name: &str, version: &str) -> Self {
        let own = |text: &[&str]| text.iter().map(|word| (*word).to_owned()).collect();
        let (depends, daemon, data, groups): (Vec<String>, _, _, Vec<String>) = match name {
            "kesl" => (
                Vec::new(),
                Some("/opt/kaspersky/kesl/libexec/kesl".to_owned()),
                "/var/opt/kaspersky/kesl",
                own(&["kesladmin", "kesluser", "keslaudit", "nokesl"]),
            ),
            "kesl-gui" => (own(&["kesl"]), None, "/var/opt/kaspersky/kesl-gui", Vec::new()),
            "klnagent64" => (
                Vec::new(),
                Some("/opt/kaspersky/klnagent64/sbin/klnagent".to_owned()),
                "/var/opt/kaspersky/klnagent",
                Vec::new(),
            ),
            _ => (Vec::new(), Some(format!("/opt/kaspersky/{name}/libexec/{name}")), "", Vec::new()),
        };
        let data = if data.is_empty() { format!("/var/opt/kaspersky/{name}") } else { data.to_owned() };
        Self { name: name.to_owned(), version: version.to_owned(), depends, daemon, data, groups }
    }

    /// Builds it in `dir` and tells where it is.
    pub(super) fn build(&self, manager: Manager, dir: &Path) -> PathBuf {
        let root = dir.join("root");
        self.lay_out(&root);
        let scripts = Scripts { start: self.after_install(), stop: self.before_removal() };
        let conffiles = [format!("/etc/opt/kaspersky/{0}/{0}.conf", self.name)];
        match manager {
            Manager::Dpkg => build_deb(&root, &self.name, &self.version, &self.depends, &scripts, &conffiles),
            Manager::Rpm => build_rpm(&root, &self.name, &self.version, &self.depends, &scripts, &conffiles),
        }
    }

    fn lay_out(&self, root: &Path) {
        let Self { name, version, .. } = self;
        let opt = format!("/opt/kaspersky/{name}");
        let control = format!("#!/bin/sh\n[ \"$1\" = --app-info ] && echo 'Version: {version}'\n");
        write(root, &format!("{opt}/bin/{name}-control"), &control, 0o755);
        write(root, &format!("{opt}/share/licence.txt"), "A stand-in.\n", 0o644);
        write(root, &format!("/etc/opt/kaspersky/{name}/{name}.conf"), "scan = yes\n", 0o640);
        let Some(daemon) = &self.daemon else { return };
        copy(root, DAEMON_PROGRAM, daemon);
        write(root, &format!("{opt}/share/main"), &self.daemon_script(), 0o644);
        let start = format!("{daemon} {opt}/share/main");
        let unit = format!(
            "[Unit]\nDescription={name}\n[Service]\nType=simple\nExecStart={start}\n[Install]\nWantedBy=multi-user.target\n"
        );
        write(root, &format!("/usr/lib/systemd/system/{name}.service"), &unit, 0o644);
        let init = format!(
            "#!/bin/sh\ncase $1 in\n  start) setsid {start} </dev/null >/dev/null 2>&1 & sleep 0.1 ;;\n  \
             stop) [ ! -e /run/{name}.pid ] || kill \"$(cat /run/{name}.pid)\"; sleep 0.1 ;;\n  \
             status) [ -e /run/{name}.pid ] || exit 3 ;;\n  *) exit 2 ;;\nesac\n"
        );
        write(root, &format!("/etc/init.d/{name}"), &init, 0o755);
    }

    /// Runs in the daemon: waits on a pipe of its own, writes a line to its log for each line it
    /// gets, and ends at a TERM unless it was told to survive.
    fn daemon_script(&self) -> String {
        let Self { name, data, .. } = self;
        format!(
            "pipe=/run/{name}.control\n\
             rm -f \"$pipe\"; mkfifo -m 600 \"$pipe\"; echo $$ >/run/{name}.pid\n\
             ending() {{ [ -e /var/lib/lab/survive-{name} ] && return; rm -f \"$pipe\" /run/{name}.pid; exit 0; }}\n\
             trap ending TERM\n\
             exec 3<>\"$pipe\"\n\
             echo started >>/var/log/kaspersky/{name}/{name}.log\n\
             while :; do\n  read -r line <&3 && echo \"$line\" >>/var/log/kaspersky/{name}/{name}.log\ndone\n\
             # {data}\n"
        )
    }

    fn after_install(&self) -> String {
        let Self { name, version, data, groups, .. } = self;
        let mut script = format!(
            "mkdir -p {data}/common {data}/private/storage /var/log/kaspersky/{name}\n\
             echo 'version={version}' >{data}/common/{name}.ini\n\
             ln -sfn install_{version} {data}/install-current\n"
        );
        for group in groups {
            script.push_str(&format!("getent group {group} >/dev/null || groupadd -r {group}\n"));
        }
        if self.daemon.is_some() {
            script.push_str(&format!(
                "if systemctl daemon-reload 2>/dev/null; then systemctl enable {name} && systemctl restart {name}\n\
                 else /etc/init.d/{name} start; fi\n"
            ));
        }
        script
    }

    fn before_removal(&self) -> String {
        let name = &self.name;
        let mut script = format!(
            "/usr/lib/lab/log removing {name} \"$*\"\n\
             if [ -e /var/lib/lab/slow-{name} ]; then sleep \"$(cat /var/lib/lab/slow-{name})\"; fi\n\
             if [ -e /var/lib/lab/hang-{name} ]; then sleep 100000; fi\n\
             if [ -e /var/lib/lab/fail-{name} ]; then\n  \
             echo '{name}: the product refuses to be removed' >&2\n  exit 1\nfi\n"
        );
        if self.daemon.is_some() {
            script.push_str(&format!(
                "if systemctl daemon-reload 2>/dev/null; then systemctl stop {name}; systemctl disable {name}\n\
                 else /etc/init.d/{name} stop; fi\n"
            ));
        }
        script
    }
}

/// What a package does besides laying out files.
pub struct Scripts {
    /// After it was installed or upgraded.
    pub start: String,
    /// Before it is removed; a non-zero exit forbids the removal.
    pub stop: String,
}

/// Builds `root`.deb beside the tree `root`.
#[must_use]
pub fn build_deb(
    root: &Path,
    name: &str,
    version: &str,
    depends: &[String],
    scripts: &Scripts,
    conffiles: &[String],
) -> PathBuf {
    let architecture = command("dpkg", &["--print-architecture"]);
    let mut control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: {}\nMaintainer: uproot lab <lab@example.invalid>\n\
         Description: stand-in\n",
        architecture.trim()
    );
    if !depends.is_empty() {
        control.push_str(&format!("Depends: {}\n", depends.join(", ")));
    }
    write(root, "/DEBIAN/control", &control, 0o644);
    if !conffiles.is_empty() {
        write(root, "/DEBIAN/conffiles", &(conffiles.join("\n") + "\n"), 0o644);
    }
    if !scripts.start.is_empty() {
        write(root, "/DEBIAN/postinst", &format!("#!/bin/sh\nset -e\n{}", scripts.start), 0o755);
    }
    if !scripts.stop.is_empty() {
        write(root, "/DEBIAN/prerm", &format!("#!/bin/sh\n{}exit 0\n", scripts.stop), 0o755);
    }
    let file = root.with_file_name(format!("{name}_{version}.deb"));
    let (from, to) = (root.to_str().unwrap(), file.to_str().unwrap());
    command("dpkg-deb", &["--root-owner-group", "-Zgzip", "-b", from, to]);
    file
}

/// Builds an rpm of the tree `root`.
#[must_use]
pub fn build_rpm(
    root: &Path,
    name: &str,
    version: &str,
    depends: &[String],
    scripts: &Scripts,
    conffiles: &[String],
) -> PathBuf {
    let (number, release) = version.split_once('-').unwrap_or((version, "1"));
    let dir = root.parent().unwrap();
    let mut spec = format!(
        "Name: {name}\nVersion: {number}\nRelease: {release}\nSummary: stand-in\nLicense: MIT\nAutoReqProv: no\n"
    );
    if name == BASE[0] {
        spec.push_str("Provides: /bin/sh\n");
    }
    spec.extend(depends.iter().map(|package| format!("Requires: {package}\n")));
    spec.push_str("%description\nstand-in\n%install\ncp -a %{lab_root}/. %{buildroot}/\n%files\n");
    for path in files_of(root, root) {
        let config = if conffiles.contains(&path) { "%config(noreplace) " } else { "" };
        spec.push_str(&format!("{config}\"{path}\"\n"));
    }
    let vendor = format!("/opt/kaspersky/{name}");
    if root.join(&vendor[1..]).exists() {
        spec.push_str(&format!("%dir \"{vendor}\"\n%dir \"/etc/opt/kaspersky/{name}\"\n"));
        for child in std::fs::read_dir(root.join(&vendor[1..])).unwrap().flatten() {
            spec.push_str(&format!("%dir \"{vendor}/{}\"\n", child.file_name().to_str().unwrap()));
        }
    }
    if !scripts.start.is_empty() {
        spec.push_str(&format!("%post\n{}", scripts.start));
    }
    if !scripts.stop.is_empty() {
        spec.push_str(&format!("%preun\n[ \"$1\" = 0 ] || exit 0\n{}exit 0\n", scripts.stop));
    }
    let spec_file = dir.join("package.spec");
    std::fs::write(&spec_file, spec).unwrap();
    let define = |key: &str, value: &str| format!("{key} {value}");
    let dir_text = dir.to_str().unwrap();
    let output = Command::new("rpmbuild")
        .args(["-bb", "--quiet", "--define", &define("_topdir", &format!("{dir_text}/rpm"))])
        .args(["--define", &define("lab_root", root.to_str().unwrap())])
        .args(["--define", &define("_dbpath", &format!("{dir_text}/db"))])
        .args(["--define", "debug_package %{nil}", "--define", "__os_install_post %{nil}"])
        // Two daemons are copies of one program: links by its build id would be one file of two packages.
        .args(["--define", "_build_id_links none"])
        .arg(&spec_file)
        .output()
        .expect("rpmbuild is missing: install rpm");
    assert!(output.status.success(), "rpmbuild: {}", String::from_utf8_lossy(&output.stderr));
    find_rpm(&dir.join("rpm/RPMS")).expect("rpmbuild made no package")
}

/// Builds a package with nothing but a small file.
pub(super) fn build_stub(name: &str, manager: Manager, dir: &Path) -> PathBuf {
    let root = dir.join("root");
    write(&root, &format!("/usr/share/doc/{name}/copyright"), "A stub.\n", 0o644);
    let scripts = Scripts { start: String::new(), stop: String::new() };
    match manager {
        Manager::Dpkg => build_deb(&root, name, "12.4", &[], &scripts, &[]),
        Manager::Rpm => build_rpm(&root, name, "12.4-1", &[], &scripts, &[]),
    }
}

fn files_of(root: &Path, directory: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for child in std::fs::read_dir(directory).unwrap().flatten() {
        let path = child.path();
        if path.is_dir() && !path.is_symlink() {
            files.extend(files_of(root, &path));
        } else {
            files.push(format!("/{}", path.strip_prefix(root).unwrap().display()));
        }
    }
    files.sort();
    files
}

fn find_rpm(dir: &Path) -> Option<PathBuf> {
    let mut children = std::fs::read_dir(dir).ok()?.flatten().map(|child| child.path());
    children.find_map(|path| if path.is_dir() { find_rpm(&path) } else { Some(path) })
}

fn write(root: &Path, path: &str, text: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    let real = root.join(path.trim_start_matches('/'));
    std::fs::create_dir_all(real.parent().unwrap()).unwrap();
    std::fs::write(&real, text).unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn copy(root: &Path, from: &str, path: &str) {
    let real = root.join(path.trim_start_matches('/'));
    std::fs::create_dir_all(real.parent().unwrap()).unwrap();
    std::fs::copy(from, real).unwrap();
}

fn command(program: &str, arguments: &[&str]) -> String {
    let output =
        Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
