//! What is asked of every host: which machine, which system, as whom, mounts, pending reboot.

use super::frames::{Section, number, split_once, text};
use super::listing::{Asker, Builder};
use super::{BootIdentity, Listing, MachineIdentity, OsInfo, PendingReboot, Platform};
use std::borrow::Cow;
use std::collections::HashMap;

/// What the section `base` says.
#[derive(Debug)]
pub(super) struct Base {
    pub platform: Option<Platform>,
    pub os: OsInfo,
    pub identity: MachineIdentity,
    pub boot: BootIdentity,
    pub uid: Option<u32>,
    pub pending_reboot: PendingReboot,
    pub mounts: Listing<String>,
    /// Whether another root directory than the host's was asked.
    pub is_jail: bool,
    /// Why the processes of others are hidden from an ordinary user, if they are.
    pub hides_processes: Option<String>,
}

/// Reads the section `base`.
pub(super) fn parse(section: &Section<'_>, host_key: Option<String>) -> Base {
    let uname = section.value("uname").unwrap_or_default();
    let mut words = uname.split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (kernel_name, kernel_release, arch) = (word(), word(), word());
    let platform = match kernel_name.as_str() {
        "Linux" => Some(Platform::Linux),
        "Darwin" => Some(Platform::Macos),
        _ => None,
    };
    let release = os_release(section);
    let field = |name: &str| release.get(name).cloned().filter(|value| !value.is_empty());
    let os = OsInfo {
        kernel_name,
        kernel_release,
        arch,
        hostname: section.value("hostname").unwrap_or_default(),
        id: field("ID"),
        id_like: field("ID_LIKE"),
        version_id: field("VERSION_ID"),
        pretty_name: field("PRETTY_NAME"),
    };
    let uid = section.marks("uid").find_map(|uid| number(uid.rest));
    let asker = Asker { is_root: uid == Some(0) };
    Base {
        platform,
        os,
        identity: MachineIdentity {
            host_key,
            machine_id: section.value("machine-id").filter(|id| is_machine_id(id)),
            dmi_uuid: section.value("dmi-uuid").map(|id| id.trim().to_lowercase()).filter(|id| is_uuid(id)),
        },
        boot: BootIdentity {
            boot_id: section.value("boot-id").map(|id| id.to_lowercase()).filter(|id| is_uuid(id)),
            init_start: section.marks("init-stat").find_map(|stat| start_time(stat.rest)),
        },
        uid,
        pending_reboot: pending_reboot(section),
        mounts: mounts(section, asker),
        is_jail: section.marks("jail").next().is_some(),
        hides_processes: hides_processes(section),
    }
}

fn is_machine_id(id: &str) -> bool {
    // `uninitialized` is what an image has before its first boot.
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(super) fn is_uuid(id: &str) -> bool {
    // Boards without one have only zeros or only ones: that names no machine.
    let digits: Vec<u8> = id.bytes().filter(|byte| *byte != b'-').collect();
    digits.len() == 32
        && digits.iter().all(u8::is_ascii_hexdigit)
        && digits.iter().any(|digit| digits.first() != Some(digit))
}

/// Field 22 of `/proc/PID/stat`; the name in the second may have anything in it but its last `)`.
fn start_time(stat: &[u8]) -> Option<u64> {
    let after = stat.get(stat.iter().rposition(|byte| *byte == b')')? + 2..)?;
    after.split(|byte| *byte == b' ').nth(19).and_then(number)
}

fn os_release(section: &Section<'_>) -> HashMap<String, String> {
    let Some(run) = section.runs("os-release").find(|run| run.failure("cat").is_none()) else {
        return HashMap::new();
    };
    run.output
        .lines()
        .filter_map(|line| {
            let (key, value) = split_once(line, b"=")?;
            Some((text(key), unquote(&text(value))))
        })
        .collect()
}

/// A value of os-release, quoted as a shell would have it.
fn unquote(value: &str) -> String {
    let value = value.trim();
    let inner = ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)));
    let mut out = String::new();
    let mut chars = inner.unwrap_or(value).chars();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { chars.next().unwrap_or('\\') } else { c });
    }
    out
}

fn pending_reboot(section: &Section<'_>) -> PendingReboot {
    if let Some(file) = section.value("reboot") {
        return PendingReboot::Yes(format!("`{file}` is there"));
    }
    match (&section.defect, section.value("reboot-by")) {
        (Some(defect), _) => PendingReboot::Unknown(defect.clone()),
        (None, Some(_)) => PendingReboot::No,
        (None, None) => PendingReboot::Unknown(
            "only Debian and its relatives leave a sign of it that can be read without running a program"
                .to_owned(),
        ),
    }
}

fn mounts(section: &Section<'_>, asker: Asker) -> Listing<String> {
    let mut builder = Builder::new(section, asker);
    for run in section.runs("mounts") {
        run.failure("sed").into_iter().for_each(|failure| builder.gap(failure));
        for line in run.output.lines().filter(|line| !line.is_empty()) {
            match line.splitn(2, |byte| *byte == b' ').next() {
                Some(point) if point.starts_with(b"/") => builder.push(text(&unescape(point))),
                _ => builder.gap("a line of `/proc/self/mounts` is not understood"),
            }
        }
    }
    if builder.is_complete() && !builder.has(|point| point == "/") {
        builder.gap("`/proc/self/mounts` does not have `/`");
    }
    builder.finish(Clone::clone)
}

/// `\040` and the like of `/proc/self/mounts`.
fn unescape(point: &[u8]) -> Cow<'_, [u8]> {
    if !point.contains(&b'\\') {
        return Cow::Borrowed(point);
    }
    let mut out = Vec::with_capacity(point.len());
    let mut rest = point;
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| *first == b'\\');
        let octal = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 8).ok());
        match octal {
            Some(byte) => {
                out.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    Cow::Owned(out)
}

fn hides_processes(section: &Section<'_>) -> Option<String> {
    let hidden =
        section.runs("mounts").flat_map(|run| run.output.lines().collect::<Vec<_>>()).find(|line| {
            line.starts_with(b"/proc proc hidepid=") && !matches!(line.get(19..), Some(b"0" | b"off"))
        })?;
    Some(format!("`/proc` hides the processes of others ({})", text(hidden.get(11..).unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unescapes_mount_points() {
        assert_eq!(unescape(b"/a\\040b\\134c").as_ref(), b"/a b\\c");
        assert_eq!(unescape(b"/a\\04").as_ref(), b"/a\\04");
    }

    #[test]
    fn reads_the_start_time_behind_any_name() {
        let stat = b"1 (a) b) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 77 0 0";
        assert_eq!(start_time(stat), Some(77));
        assert_eq!(start_time(b"1 (a"), None);
    }

    #[test]
    fn ids_that_name_no_machine_are_none() {
        assert!(!is_uuid("00000000-0000-0000-0000-000000000000"));
        assert!(is_uuid("4c4c4544-0034-3010-8048-b7c04f4e3432"));
        assert!(!is_machine_id("uninitialized"));
    }

    #[test]
    fn unquotes_os_release() {
        assert_eq!(unquote("\"Debian GNU/Linux 12 (bookworm)\""), "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(unquote("'a'"), "a");
        assert_eq!(unquote("\"a\\\"b\""), "a\"b");
        assert_eq!(unquote("debian"), "debian");
    }
}
