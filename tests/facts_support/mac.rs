//! A small root directory that answers as a Mac does: stub tools at the paths that macOS has them at, which
//! print recorded answers. Needs a mount namespace: root, or unprivileged user namespaces.

#![allow(dead_code, reason = "each test binary uses its part")]

use crate::facts_support::{ask, facts_of, is_root};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use uproot::facts::{Facts, Questions, Topic};

/// The shells of the host: what `sh` is on a Mac (bash 3.2 in POSIX mode, or dash), and busybox.
pub const SHELLS: [&str; 3] = ["/bin/dash", "/bin/bash --posix", "/bin/busybox ash"];

/// `sw_vers` of macOS 14, as public bug reports quote it.
const SW_VERS: &str = "ProductName:\t\tmacOS\nProductVersion:\t\t14.1\nBuildVersion:\t\t23B74\n";

/// `mount` of macOS 14 with its sealed volume, as public bug reports quote it.
const MOUNT: &str = "\
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
devfs on /dev (devfs, local, nobrowse)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse, protect)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
/dev/disk5s1 on /Volumes/My Disk (1) (apfs, local, nodev, nosuid, journaled, noowners)
";

/// `ioreg -rd1 -c IOPlatformExpertDevice` in part.
const IOREG: &str = "\
+-o J314sAP  <class IOPlatformExpertDevice, id 0x100000223, registered, matched, active, busy 0 (0 ms), retain 38>
    {
      \"IOPolledInterface\" = \"AppleARMWatchdogTimerHibernateHandler is not serializable\"
      \"IOPlatformUUID\" = \"8A1B2C3D-4E5F-5A6B-8C7D-9E0F1A2B3C4D\"
      \"IOPlatformSerialNumber\" = \"C02XXXXXXXXX\"
    }
";

/// `systemextensionsctl list` as captured outputs in public repositories have it (macOS 14).
pub const EXTENSIONS: &str = "\
2 extension(s)
--- com.apple.system_extension.endpoint_security (Go to 'System Settings > General > Login Items & Extensions > Endpoint Security Extensions' to modify these system extension(s))
enabled\tactive\tteamID\tbundleID (version)\tname\t[state]
*\t*\t2Y8XE5CQ94\tcom.kaspersky.kav.sysext (1.0/14)\tKaspersky Security Extension\t[activated enabled]
--- com.apple.system_extension.network_extension
enabled\tactive\tteamID\tbundleID (version)\tname\t[state]
*\t*\t78UFGP42EU\tch.tripmode.TripMode.FilterExtension (3.1.0/1304)\tFilterExtension\t[activated enabled]
";

/// `kmutil showloaded --list-only`, which says one line on standard error beside it.
const KEXTS: &str = "\
Index Refs Address            Size       Wired      Name (Version) UUID <Linked Against>
    1  142 0                  0          0          com.apple.kpi.bsd (23.1.0) 52A1E876-863E-38E3-AC80-09BBAB13B752 <>
    2   11 0                  0          0          com.apple.kpi.dsep (23.1.0) 52A1E876-863E-38E3-AC80-09BBAB13B752 <>
  166    1 0xffffff7f98f81000 0x7000     0x7000     com.kaspersky.kext.klif (3.8.5) F4BA31A1-6A3A-3690-A863-80A993E08DF0 <7 6 3>
";

/// `launchctl list` of root.
const LAUNCHCTL: &str = "\
PID\tStatus\tLabel
-\t0\tcom.apple.SafariHistoryServiceAgent
213\t0\tcom.apple.logd
512\t0\tcom.kaspersky.kav
-\t78\tcom.vendor.loaded-without-a-file
";

/// `ps -o pid= -o uid= -o ucomm=` and `ps -o pid= -o comm=`.
const PS_NAMES: &str = "\
    1     0 launchd
  213     0 logd
  512     0 kav
  600   501 Google Chrome He
  601   501 zsh
  602    -2 com.vendor.long
";
const PS_COMMANDS: &str = "\
    1 /sbin/launchd
  213 /usr/libexec/logd
  512 /Library/Application Support/Kaspersky Lab/KAV/Binaries/kav
  600 /Applications/Google Chrome.app/Contents/Frameworks/Google Chrome Helper
  601 -zsh
  602 /opt/something/else
  603 /usr/bin/true
";

/// A property list in XML, as launchd's and applications' are, with these keys.
pub fn plist(pairs: &[(&str, &str)]) -> String {
    let mut text =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\">\n<dict>\n");
    for (key, value) in pairs {
        text.push_str(&format!("\t<key>{key}</key>\n\t<string>{value}</string>\n"));
    }
    text + "</dict>\n</plist>\n"
}

pub struct Mac {
    dir: tempfile::TempDir,
}

/// Everything that can be asked of a Mac.
#[allow(dead_code, reason = "the suite of the catalogue asks for its own")]
pub fn questions() -> Questions {
    let topics = [
        Topic::Services,
        Topic::Processes,
        Topic::KernelModules,
        Topic::Certificates,
        Topic::Users,
        Topic::Groups,
        Topic::Receipts,
        Topic::SystemExtensions,
        Topic::Apps,
    ];
    let paths = [
        "/Library/Application Support/Kaspersky Lab",
        "/Library/Application Support/Kaspersky Lab/**",
        "/Users/*/Library/Preferences/com.kaspersky.*",
        "/Applications/Kaspersky*.app",
        "/nowhere",
    ];
    Questions {
        topics: topics.into(),
        paths: paths.map(str::to_owned).into(),
        files: [("/Library/Application Support/Kaspersky Lab/KAV/version".to_owned(), Default::default())]
            .into(),
        ..Questions::default()
    }
}

impl Mac {
    /// Shells, their tools and empty directories.
    pub fn bare() -> Self {
        let mac = Self { dir: tempfile::tempdir().unwrap() };
        for dir in [
            "bin",
            "usr/bin",
            "proc",
            "dev",
            "Users/Shared",
            "Users/anna/Applications",
            "var/root/Applications",
        ] {
            std::fs::create_dir_all(mac.root().join(dir)).unwrap();
        }
        for dir in
            ["Library/LaunchAgents", "Users/anna/Library/LaunchAgents", "var/root/Library/LaunchAgents"]
        {
            std::fs::create_dir_all(mac.root().join(dir)).unwrap();
        }
        mac.write("dev/null", "");
        mac.install_shells();
        mac
    }

    pub fn new() -> Self {
        let mac = Self::bare();
        mac.tool("bin/uname", "echo 'Darwin 23.1.0 arm64'");
        mac.says("bin/hostname", "mac17.example.org\n");
        mac.says("usr/bin/sw_vers", SW_VERS);
        mac.says("usr/sbin/ioreg", IOREG);
        mac.says("usr/sbin/sysctl", "0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0\n");
        mac.says("sbin/mount", MOUNT);
        mac.says("usr/bin/systemextensionsctl", EXTENSIONS);
        mac.write("recorded/kexts", KEXTS);
        mac.tool(
            "usr/bin/kmutil",
            "echo 'No variant specified, falling back to release' >&2\nexec cat /recorded/kexts",
        );
        mac.says("bin/launchctl", LAUNCHCTL);
        mac.says("usr/bin/security", include_str!("../facts/ca.pem"));
        mac.write("recorded/users", "_analyticsd  263\nanna         501\nnobody       -2\nroot         0\n");
        mac.write("recorded/groups", "admin        80\nwheel        0\n_kladmins    271\n");
        mac.tool(
            "usr/bin/dscl",
            "case \"$*\" in '. -list /Users UniqueID') cat /recorded/users ;; \
             '. -list /Groups PrimaryGroupID') cat /recorded/groups ;; *) exit 64 ;; esac",
        );
        mac.write("recorded/pkgs", "com.apple.files.data-template\ncom.apple.pkg.MRTConfigData_10_15.16U4211\ncom.kaspersky.kav.core\n");
        mac.tool(
            "usr/sbin/pkgutil",
            "case $1 in --pkgs) cat /recorded/pkgs ;; --pkg-info) \
             printf 'package-id: %s\\nversion: 12.1.0.553\\nvolume: /\\nlocation: /\\ninstall-time: 1700000000\\n' \"$2\" ;; \
             *) exit 64 ;; esac",
        );
        mac.tool(
            "usr/libexec/PlistBuddy",
            "key=${2#Print :}\n\
             value=$(sed -n \"/<key>$key<\\/key>/{n;s/.*<string>\\(.*\\)<\\/string>/\\1/p;}\" \"$3\")\n\
             if [ -z \"$value\" ]; then echo \"Print: Entry, \\\":$key\\\", Does Not Exist\" >&2; exit 1; fi\n\
             printf '%s\\n' \"$value\"",
        );
        mac.write("recorded/names", PS_NAMES);
        mac.write("recorded/commands", PS_COMMANDS);
        // What asks is really there: it is looked up in /proc.
        mac.tool(
            "bin/ps",
            "case \"$*\" in *ucomm=) what=names ;; *) what=commands ;; esac\n\
             cat /recorded/$what\n\
             for p in /proc/[0-9]*; do\n\
             p=${p#/proc/}\n\
             if [ \"$p\" = 1 ]; then continue; fi\n\
             if [ $what = names ]; then echo \"$p 0 sh\"; else echo \"$p sh\"; fi\n\
             done",
        );
        let finder = [("CFBundleIdentifier", "com.apple.finder"), ("CFBundleShortVersionString", "14.1")];
        mac.write("System/Library/CoreServices/Finder.app/Contents/Info.plist", &plist(&finder));
        let kes = [("CFBundleIdentifier", "com.kaspersky.kav_app"), ("CFBundleShortVersionString", "12.1.0")];
        mac.write("Applications/Kaspersky Endpoint Security.app/Contents/Info.plist", &plist(&kes));
        mac.write(
            "Applications/Utilities/Tool.app/Contents/Info.plist",
            &plist(&[("CFBundleIdentifier", "com.vendor.tool")]),
        );
        mac.write(
            "Applications/Wrapped.app/WrappedBundle/Info.plist",
            &plist(&[("CFBundleIdentifier", "com.vendor.phone")]),
        );
        mac.write("Applications/Empty.app/readme", "");
        let own = [("CFBundleIdentifier", "com.vendor.own"), ("CFBundleShortVersionString", "1.0")];
        mac.write("Users/anna/Applications/Own.app/Contents/Info.plist", &plist(&own));
        mac.write("Library/LaunchDaemons/com.kaspersky.kav.plist", &plist(&[("Label", "com.kaspersky.kav")]));
        mac.write("Library/LaunchDaemons/odd-name.plist", &plist(&[("Label", "com.vendor.idle")]));
        mac.write(
            "Library/LaunchAgents/com.kaspersky.kav.gui.plist",
            &plist(&[("Label", "com.kaspersky.kav.gui")]),
        );
        mac.write("Users/anna/Library/LaunchAgents/own.plist", &plist(&[("Label", "com.vendor.own.agent")]));
        mac.write("Library/Application Support/Kaspersky Lab/KAV/version", "12.1.0.553\n");
        mac.write("Users/anna/Library/Preferences/com.kaspersky.kav.plist", "");
        mac
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.root().join(path)).unwrap();
    }

    /// A tool that runs these lines of shell.
    pub fn tool(&self, path: &str, body: &str) {
        self.tool_as_is(path, &format!("#!/bin/sh\n{body}\n"));
    }

    /// A program with this text.
    pub fn tool_as_is(&self, path: &str, text: &str) {
        let _ = std::fs::remove_file(self.root().join(path));
        self.write(path, text);
        assert!(Command::new("chmod").arg("755").arg(self.root().join(path)).status().unwrap().success());
    }

    /// A tool that prints a recorded answer.
    pub fn says(&self, path: &str, answer: &str) {
        let recorded = format!("recorded/{}", path.replace('/', "_"));
        self.write(&recorded, answer);
        self.tool(path, &format!("exec cat /{recorded}"));
    }

    fn install_shells(&self) {
        let copy = |from: &str, to: &Path| {
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            assert!(Command::new("cp").args(["-L", from]).arg(to).status().unwrap().success());
        };
        for shell in ["busybox", "dash", "bash"] {
            let find = Command::new("sh").args(["-c", "command -v \"$0\"", shell]).output().unwrap();
            let found = String::from_utf8(find.stdout).unwrap().trim().to_owned();
            assert!(!found.is_empty(), "{shell} is needed: apt-get install {shell}");
            copy(&found, &self.root().join("bin").join(shell));
            let libraries = Command::new("ldd").arg(&found).output().unwrap().stdout;
            let libraries = String::from_utf8(libraries).unwrap();
            for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
                copy(library, &self.root().join(library.trim_start_matches('/')));
            }
        }
        let tools = "id sed cat grep ls readlink head sh sleep stat tr sort date rm kill";
        for tool in tools.split(' ') {
            symlink("busybox", self.root().join("bin").join(tool)).unwrap();
        }
    }

    pub fn facts(&self, shell: &str, questions: &Questions) -> Facts {
        self.facts_as(shell, questions, "")
    }

    /// The facts as a shell of the host learns them, run by `prefix` (a change of user).
    pub fn facts_as(&self, shell: &str, questions: &Questions, prefix: &str) -> Facts {
        let mut command = self.enter(&format!("{prefix} . {shell}"));
        facts_of(questions, &ask(&mut command, questions))
    }

    /// Runs a script on the standard input of a shell of the host.
    pub fn run(&self, shell: &str, script: &str) -> Output {
        let mut child = self
            .enter(&format!(". {shell}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// `chroot` with these arguments, in namespaces of its own.
    fn enter(&self, arguments: &str) -> Command {
        let mut command = Command::new("unshare");
        if !is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        // The shell that asks is a child, so that it is not the first process.
        let script = format!(
            "mount --bind . . && cd \"$PWD\" && mount -t proc p proc && mount --bind /dev/null dev/null \
             && {{ chroot {arguments}; exit $?; }}"
        );
        command.args(["--mount", "--net", "--pid", "--fork", "sh", "-c", &script]).current_dir(self.root());
        command
    }
}

/// What bash 3.2 (of 2006, and of every Mac) cannot read, or reads otherwise than later ones.
pub fn newer_than_bash_3_2(text: &str) -> Vec<&str> {
    let newer = [
        "[[ ",
        "|&",
        "&>",
        "<<<",
        "declare ",
        "local ",
        "mapfile",
        "readarray",
        "coproc",
        ",,}",
        "^^}",
        "printf -v",
        ";&",
    ];
    let is_newer = |line: &&str| {
        newer.iter().any(|word| line.contains(word))
            // Its parser ends a substitution at the `)` of a `case` within.
            || (line.contains("$(") && line.contains("case ") && line.find("$(") < line.find("case "))
    };
    text.lines().filter(is_newer).collect()
}

/// What shellcheck says of a script as POSIX shell; empty: nothing.
pub fn shellcheck(text: &str) -> String {
    // Comments with directives do not travel: words are split on purpose (2086, 2046), a section is called by its
    // composed name (2317, 2034, 2329), `ls` is read on purpose (2012), `-ef` and `shopt` stand behind a guard (3013,
    // 3044), a loop over what a host has may have one turn (2043).
    let mut child = Command::new("shellcheck")
        .args([
            "-s",
            "sh",
            "-e",
            "SC2086,SC2046,SC2317,SC2034,SC2012,SC2329,SC3013,SC3044,SC2016,SC2043",
            "-",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("shellcheck is needed: apt-get install shellcheck");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
