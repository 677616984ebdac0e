//! Paths and names that no step may be given, as far as the text alone shows it. What only a host
//! shows (a mount point, a link) is refused there.

use super::danger_windows::windows_path_refusal;
use super::pattern::Pattern;

/// Directories that many products or the system itself share. None of them is ever removed.
pub(crate) const SHARED_DIRECTORIES: &[&str] = &[
    "/Applications/Utilities",
    "/Library/Application Support",
    "/Library/Application Support/Kaspersky Lab",
    "/Library/Caches",
    "/Library/Extensions",
    "/Library/Frameworks",
    "/Library/Internet Plug-Ins",
    "/Library/Keychains",
    "/Library/LaunchAgents",
    "/Library/LaunchDaemons",
    "/Library/Logs",
    "/Library/PreferencePanes",
    "/Library/Preferences",
    "/Library/PrivilegedHelperTools",
    "/Library/Receipts",
    "/Library/StartupItems",
    "/Library/SystemExtensions",
    "/System/Library",
    "/boot/efi",
    "/boot/grub",
    "/boot/grub2",
    "/dev/shm",
    "/etc/apt",
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/cron.hourly",
    "/etc/default",
    "/etc/dpkg",
    "/etc/init.d",
    "/etc/ld.so.conf.d",
    "/etc/modprobe.d",
    "/etc/modules-load.d",
    "/etc/opt",
    "/etc/opt/kaspersky",
    "/etc/pam.d",
    "/etc/pki",
    "/etc/profile.d",
    "/etc/rc.d",
    "/etc/security",
    "/etc/selinux",
    "/etc/ssh",
    "/etc/ssl",
    "/etc/ssl/certs",
    "/etc/sudoers.d",
    "/etc/sysconfig",
    "/etc/systemd",
    "/etc/systemd/system",
    "/etc/systemd/system/multi-user.target.wants",
    "/etc/udev",
    "/etc/udev/rules.d",
    "/lib/modules",
    "/lib/systemd",
    "/lib/systemd/system",
    "/lib/x86_64-linux-gnu",
    "/opt/kaspersky",
    "/private/etc",
    "/private/tmp",
    "/private/var",
    "/run/kaspersky",
    "/run/lock",
    "/run/systemd",
    "/run/user",
    "/usr/bin",
    "/usr/etc",
    "/usr/include",
    "/usr/lib",
    "/usr/lib/modules",
    "/usr/lib/systemd",
    "/usr/lib/systemd/system",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/etc",
    "/usr/local/kaspersky",
    "/usr/local/lib",
    "/usr/local/sbin",
    "/usr/local/share",
    "/usr/sbin",
    "/usr/share",
    "/usr/share/applications",
    "/usr/share/doc",
    "/usr/share/man",
    "/usr/src",
    "/var/backups",
    "/var/cache",
    "/var/crash",
    "/var/db",
    "/var/empty",
    "/var/home",
    "/var/lib",
    "/var/lib/apt",
    "/var/lib/dpkg",
    "/var/lib/rpm",
    "/var/lib/systemd",
    "/var/local",
    "/var/lock",
    "/var/log",
    "/var/log/kaspersky",
    "/var/mail",
    "/var/opt",
    "/var/opt/kaspersky",
    "/var/run",
    "/var/run/kaspersky",
    "/var/spool",
    "/var/spool/cron",
    "/var/tmp",
    "/var/www",
];

/// Why a path must not be removed, and what to do instead; none when its text shows no danger.
pub(super) fn path_refusal(path: &Pattern) -> Option<(String, &'static str)> {
    let text = path.as_str();
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    if !text.starts_with('/') {
        return windows_path_refusal(path);
    }
    if parts.iter().any(|part| part.contains("**")) {
        return Some((
            format!("`{text}` has `**` in it"),
            "name the top directory: its whole tree is removed",
        ));
    }
    if parts.len() < 2 {
        return Some((
            format!("`{text}` has fewer than two components"),
            "name the product's own directory, such as `/opt/kaspersky/kesl`",
        ));
    }
    if parts.first().is_some_and(|part| is_wild(part)) {
        return Some((format!("`{text}` begins with a wildcard"), "name the first directory"));
    }
    // `/opt/kaspersky/*` removes all that `/opt/kaspersky` holds.
    let without_last = match parts.split_last() {
        Some((last, before)) if only_wild(last) => format!("/{}", before.join("/")),
        _ => String::new(),
    };
    let is_home = |path: &str| {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        matches!(parts.as_slice(), ["root"] | ["home" | "Users", _] | ["home" | "Users"])
    };
    let trimmed = format!("/{}", parts.join("/"));
    if is_home(&trimmed) || (!without_last.is_empty() && is_home(&without_last)) {
        return Some((format!("`{text}` is a home directory"), "name what the product left inside it"));
    }
    let matcher = Pattern::new(trimmed.clone()).matcher();
    let shared = SHARED_DIRECTORIES
        .iter()
        .find(|shared| matcher.matches(shared).is_true() || without_last == **shared);
    if let Some(shared) = shared {
        return Some((
            if trimmed == **shared {
                format!("`{text}` is a directory that others use too")
            } else {
                format!("`{text}` reaches `{shared}`, which others use too")
            },
            "name the product's own directory or file below it",
        ));
    }
    if without_last.matches('/').count() == 1 {
        return Some((
            format!("`{text}` removes all of `{without_last}`"),
            "name the product's own directory",
        ));
    }
    None
}

/// Whether a name or glob says too little to be meant: fewer than three letters or digits.
pub(super) fn is_too_general(pattern: &Pattern) -> bool {
    pattern.is_glob() && pattern.as_str().chars().filter(char::is_ascii_alphanumeric).count() < 3
}

/// The part of a path or glob before its first component with a wildcard.
pub(super) fn literal_part(path: &str) -> String {
    let parts: Vec<&str> =
        path.split('/').filter(|part| !part.is_empty()).take_while(|part| !is_wild(part)).collect();
    format!("/{}", parts.join("/"))
}

/// The directories that certainly lie above a path, or above all that a glob matches.
pub(super) fn directories_above(used: &Pattern) -> Vec<String> {
    let literal = literal_part(used.as_str());
    let parts: Vec<&str> = literal.split('/').filter(|part| !part.is_empty()).collect();
    let whole = used.as_str().split('/').filter(|part| !part.is_empty()).count() == parts.len();
    let above = if whole { parts.len().saturating_sub(1) } else { parts.len() };
    (1..=above)
        .map(|count| format!("/{}", parts.iter().take(count).copied().collect::<Vec<_>>().join("/")))
        .collect()
}

fn is_wild(part: &str) -> bool {
    part.contains(['*', '?', '[', '{'])
}

fn only_wild(part: &str) -> bool {
    part.chars().all(|c| matches!(c, '*' | '?' | '.'))
}

/// Processes that Windows or a login needs.
pub(super) const SYSTEM_IMAGES: [&str; 13] = [
    "cmd.exe",
    "conhost.exe",
    "csrss.exe",
    "dwm.exe",
    "explorer.exe",
    "lsass.exe",
    "msiexec.exe",
    "services.exe",
    "smss.exe",
    "sshd.exe",
    "svchost.exe",
    "wininit.exe",
    "winlogon.exe",
];

/// Registry keys that others stand in, in lower case: neither they nor what stands above them is ever deleted.
const SHARED_KEYS: &[&str] = &[
    r"hklm\hardware",
    r"hklm\sam\sam",
    r"hklm\security\policy",
    r"hklm\software\classes\clsid",
    r"hklm\software\classes\wow6432node\clsid",
    r"hklm\software\kasperskylab",
    r"hklm\software\microsoft\windows nt\currentversion",
    r"hklm\software\microsoft\windows\currentversion\app paths",
    r"hklm\software\microsoft\windows\currentversion\run",
    r"hklm\software\microsoft\windows\currentversion\runonce",
    r"hklm\software\microsoft\windows\currentversion\uninstall",
    r"hklm\software\policies\microsoft",
    r"hklm\software\wow6432node\kasperskylab",
    r"hklm\software\wow6432node\microsoft\windows\currentversion\uninstall",
    r"hklm\software\wow6432node\microsoft\windows\currentversion\run",
    r"hklm\system\currentcontrolset\control\safeboot\minimal",
    r"hklm\system\currentcontrolset\control\safeboot\network",
    r"hklm\system\currentcontrolset\control\session manager",
    r"hklm\system\currentcontrolset\enum",
    r"hklm\system\currentcontrolset\services\eventlog\application",
    r"hklm\system\currentcontrolset\services\eventlog\system",
    r"hklm\system\currentcontrolset\services\eventlog\security",
    r"hku\*\software\classes",
    r"hku\*\software\microsoft\windows\currentversion\run",
    r"hku\*\software\microsoft\windows\currentversion\uninstall",
];

/// Why a registry key must not be deleted, and what to do instead; none when its text shows no danger.
pub(crate) fn registry_refusal(key: &Pattern) -> Option<(String, &'static str)> {
    let text = key.as_str().to_lowercase();
    let parts: Vec<&str> = text.split('\\').collect();
    // `HKU\*` is one component more of where a key begins.
    let least = if text.starts_with("hku") { 4 } else { 3 };
    if parts.len() < least {
        return Some((format!("`{key}` is a key that much stands in"), "name the product's own key"));
    }
    let last = parts.last().copied().unwrap_or_default();
    if Pattern::new(last).is_glob() && last.chars().filter(char::is_ascii_alphanumeric).count() < 3 {
        return Some((format!("`{key}` could match almost anything"), "name what the product made"));
    }
    let above = parts.split_last().map(|(_, above)| above.join("\\")).unwrap_or_default();
    let matcher = Pattern::new(last).matcher();
    let shared = SHARED_KEYS.iter().find(|shared| {
        let is_above =
            shared.strip_prefix(text.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('\\'));
        let is_matched = shared.strip_prefix(above.as_str()).and_then(|rest| rest.strip_prefix('\\'));
        let is_matched = is_matched.and_then(|rest| rest.split('\\').next());
        is_above || is_matched.is_some_and(|name| !matcher.matches(name).is_false())
    })?;
    let reason = format!("`{key}` is, or holds, `{shared}`, which others use too");
    Some((reason, "name the product's own key below it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_must_not_go() {
        for path in [
            "/",
            "//",
            "/opt",
            "/opt/",
            "/*",
            "/*/x",
            "/root",
            "/home/x",
            "/home/*",
            "/Users/x/",
            "/home/x/*",
            "/opt/kaspersky",
            "/opt/kaspersky/",
            "/opt/kaspersky/*",
            "/opt/k*",
            "/opt/*",
            "/opt/**",
            "/usr/bin",
            "/usr/lib/systemd/system/*",
            "/usr/*",
            "/var/l*",
            "/srv/*",
            "/root/*",
        ] {
            assert!(path_refusal(&Pattern::new(path)).is_some(), "{path}");
        }
        for path in [
            "/opt/kaspersky/kesl",
            "/opt/kaspersky/kesl/*",
            "/etc/systemd/system/kesl.service",
            "/home/*/.config/kaspersky",
            "/var/log/kaspersky/kesl*",
            "/usr/bin/kesl-control",
            "/root/.kaspersky",
            "/srv/kaspersky",
        ] {
            assert_eq!(path_refusal(&Pattern::new(path)), None, "{path}");
        }
    }

    #[test]
    fn registry_keys_that_others_stand_in_are_refused() {
        let refused = |key: &str| registry_refusal(&Pattern::new(key)).is_some();
        for key in [
            r"HKLM\SOFTWARE",
            r"HKLM\SOFTWARE\KasperskyLab",
            r"HKLM\SOFTWARE\Kas*",
            r"HKLM\SOFTWARE\Microsoft",
            r"HKLM\SYSTEM\CurrentControlSet\Services",
            r"HKLM\SYSTEM\CurrentControlSet\Services\*",
            r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall",
            r"HKU\*\Software",
            r"HKU\*\Software\Microsoft",
        ] {
            assert!(refused(key), "{key}");
        }
        for key in [
            r"HKLM\SOFTWARE\KasperskyLab\protected",
            r"HKLM\SOFTWARE\WOW6432Node\KasperskyLab\AVP21.*",
            r"HKLM\SYSTEM\CurrentControlSet\Services\klif",
            r"HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Kaspersky Event Log",
            r"HKU\*\Software\KasperskyLab",
        ] {
            assert!(!refused(key), "{key}");
        }
    }

    #[test]
    fn knows_what_lies_above() {
        let above = |path: &str| directories_above(&Pattern::new(path));
        assert_eq!(above("/opt/v/suite"), ["/opt", "/opt/v"]);
        assert_eq!(above("/opt/v/suite/"), ["/opt", "/opt/v"]);
        assert_eq!(above("/opt/v/suite/**"), ["/opt", "/opt/v", "/opt/v/suite"]);
        assert_eq!(above("/opt/*/bin/x"), ["/opt"]);
        assert!(above("/*").is_empty());
    }
}
