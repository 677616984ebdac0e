//! Paths and names that no step may be given, as far as the text alone shows it. What only a host
//! shows (a mount point, a link) is refused there.

use super::pattern::Pattern;

/// Directories that many products or the system itself share. None of them is ever removed.
pub(crate) const SHARED_DIRECTORIES: &[&str] = &[
    "/Applications/Utilities",
    "/Library/Application Support",
    "/Library/Application Support/Kaspersky Lab",
    "/Library/LaunchAgents",
    "/Library/LaunchDaemons",
    "/Library/Logs",
    "/Library/Preferences",
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
        // Windows paths: `uproot` has no step for them yet, the plan refuses it.
        return None;
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
    fn knows_what_lies_above() {
        let above = |path: &str| directories_above(&Pattern::new(path));
        assert_eq!(above("/opt/v/suite"), ["/opt", "/opt/v"]);
        assert_eq!(above("/opt/v/suite/"), ["/opt", "/opt/v"]);
        assert_eq!(above("/opt/v/suite/**"), ["/opt", "/opt/v", "/opt/v/suite"]);
        assert_eq!(above("/opt/*/bin/x"), ["/opt"]);
        assert!(above("/*").is_empty());
    }
}
