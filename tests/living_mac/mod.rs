//! A Mac that changes when steps are run on it: stand-ins for macOS's tools that keep their state in `/recorded`,
//! answer only what is recorded, and end with 99 for anything else; and Endpoint Security for Mac with an
//! uninstaller. None of it is Apple's or the vendor's.

#![allow(dead_code, reason = "each test binary uses its part")]

use base64::Engine as _;
use sha1::Digest as _;

/// A file of the Mac.
pub struct MacFile {
    /// Its absolute path.
    pub path: String,
    /// What is in it.
    pub text: String,
    /// Whether it is a program.
    pub runs: bool,
}

/// The directory of the product.
pub const KAV: &str = "/Library/Application Support/Kaspersky Lab/KAV";

/// The states of the product's system extension.
pub const ACTIVE: &str = "activated enabled";
pub const WAITS_FOR_REBOOT: &str = "terminated waiting to uninstall on reboot";

/// `systemextensionsctl list` with the product's extension in this state; none: without it.
pub fn extensions(state: Option<&str>) -> String {
    let head = "enabled\tactive\tteamID\tbundleID (version)\tname\t[state]\n";
    let own = state.map_or_else(String::new, |state| {
        format!(
            "*\t*\t2Y8XE5CQ94\tcom.kaspersky.kav.sysext (1.0/14)\tKaspersky Security Extension\t[{state}]\n"
        )
    });
    format!(
        "{} extension(s)\n--- com.apple.system_extension.endpoint_security\n{head}{own}\
         --- com.apple.system_extension.network_extension\n{head}\
         *\t*\t78UFGP42EU\tch.tripmode.TripMode.FilterExtension (3.1.0/1304)\tFilterExtension\t[activated enabled]\n",
        1 + usize::from(state.is_some())
    )
}

fn plist(pairs: &[(&str, &str)]) -> String {
    let keys = pairs.iter().map(|(key, value)| format!("\t<key>{key}</key>\n\t<string>{value}</string>\n"));
    format!("<plist version=\"1.0\">\n<dict>\n{}</dict>\n</plist>\n", keys.collect::<String>())
}

/// Where `security` keeps a certificate.
fn certificate(pem: &str) -> MacFile {
    let body: String = pem
        .lines()
        .skip_while(|line| !line.contains("BEGIN"))
        .skip(1)
        .take_while(|l| !l.contains("END"))
        .collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    let (long, short) = (hex(&sha2::Sha256::digest(&der)), hex(&sha1::Sha1::digest(&der)));
    file(&format!("/recorded/certificates/{long}.{short}.pem"), pem)
}

fn file(path: &str, text: &str) -> MacFile {
    MacFile { path: path.to_owned(), text: text.to_owned(), runs: false }
}

fn program(path: &str, text: &str) -> MacFile {
    MacFile { runs: true, ..file(path, text) }
}

/// The tools and what they tell of a Mac without the product.
pub fn tools() -> Vec<MacFile> {
    let prints = |path: &str, text: &str| program(path, &format!("#!/bin/sh\ncat <<'E'\n{text}\nE\n"));
    let finder = [("CFBundleIdentifier", "com.apple.finder"), ("CFBundleShortVersionString", "14.1")];
    vec![
        program("/bin/ps", include_str!("ps.sh")),
        program("/bin/launchctl", include_str!("launchctl.sh")),
        program("/usr/sbin/pkgutil", include_str!("pkgutil.sh")),
        program("/usr/bin/security", include_str!("security.sh")),
        program("/usr/bin/dscl", include_str!("dscl.sh")),
        program("/usr/bin/systemextensionsctl", include_str!("systemextensionsctl.sh")),
        prints("/bin/uname", "Darwin 23.1.0 arm64"),
        prints("/bin/hostname", "mac17.example.org"),
        prints("/usr/bin/sw_vers", "ProductName:\t\tmacOS\nProductVersion:\t\t14.1\nBuildVersion:\t\t23B74"),
        prints("/usr/sbin/ioreg", "      \"IOPlatformUUID\" = \"8A1B2C3D-4E5F-5A6B-8C7D-9E0F1A2B3C4D\""),
        program("/usr/sbin/sysctl", include_str!("sysctl.sh")),
        program("/sbin/mount", include_str!("mount.sh")),
        prints(
            "/usr/bin/kmutil",
            "    1  142 0 0 0 com.apple.kpi.bsd (23.1.0) 52A1E876-863E-38E3-AC80-09BBAB13B752 <>",
        ),
        program(
            "/usr/libexec/PlistBuddy",
            "#!/bin/sh\nkey=${2#Print :}\n\
             value=$(sed -n \"/<key>$key<\\/key>/{n;s/.*<string>\\(.*\\)<\\/string>/\\1/p;}\" \"$3\")\n\
             if [ -z \"$value\" ]; then echo \"Print: Entry, \\\":$key\\\", Does Not Exist\" >&2; exit 1; fi\n\
             printf '%s\\n' \"$value\"\n",
        ),
        file("/System/Library/CoreServices/Finder.app/Contents/Info.plist", &plist(&finder)),
        file("/recorded/jobs", "system 213 com.apple.logd\nsystem - com.vendor.other\n"),
        file("/recorded/pkgs", "com.apple.files.data-template\ncom.vendor.other\n"),
        file("/recorded/owners", ""),
        file("/recorded/calls", ""),
        file("/recorded/extensions", &extensions(None)),
        certificate(include_str!("../facts/other-ca.pem")),
        file("/var/root/Library/LaunchAgents/readme", ""),
        file("/Users/anna/Library/LaunchAgents/readme", ""),
        file("/Library/LaunchAgents/readme", ""),
        file("/Library/LaunchDaemons/com.vendor.other.plist", &plist(&[("Label", "com.vendor.other")])),
    ]
}

/// Endpoint Security for Mac, its system extension active; `after` is the extension's state once its uninstaller
/// has run.
pub fn product(after: Option<&str>) -> Vec<MacFile> {
    let app = [("CFBundleIdentifier", "com.kaspersky.kav_app"), ("CFBundleShortVersionString", "12.1.0")];
    vec![
        file("/Applications/Kaspersky Endpoint Security.app/Contents/Info.plist", &plist(&app)),
        program(&format!("{KAV}/Binaries/UninstallScript"), include_str!("uninstall.sh")),
        file(&format!("{KAV}/Binaries/kav"), ""),
        file(&format!("{KAV}/Data/blregistry.xml"), ""),
        file("/Library/Logs/Kaspersky Lab/kav.log", ""),
        file("/Users/anna/Library/Preferences/com.kaspersky.kav.plist", ""),
        file("/Library/LaunchDaemons/com.kaspersky.kav.plist", &plist(&[("Label", "com.kaspersky.kav")])),
        file(
            "/Library/LaunchAgents/com.kaspersky.kav.gui.plist",
            &plist(&[("Label", "com.kaspersky.kav.gui")]),
        ),
        file(
            "/recorded/jobs",
            "system 213 com.apple.logd\nsystem - com.vendor.other\nsystem - com.kaspersky.kav\n",
        ),
        file(
            "/recorded/pkgs",
            "com.apple.files.data-template\ncom.vendor.other\ncom.kaspersky.kav.core\ncom.kaspersky.kav.wksconnector\n",
        ),
        file("/recorded/owners", &format!("com.kaspersky.kav.core {KAV}\n")),
        file("/recorded/extensions", &extensions(Some(ACTIVE))),
        file("/recorded/extensions-after", &extensions(after)),
        file("/recorded/extensions-next-boot", &extensions(after.filter(|state| *state != WAITS_FOR_REBOOT))),
        certificate(include_str!("../facts/ca.pem")),
    ]
}
