//! Paths of Windows that no step may remove: by their text alone, with wildcards as a playbook writes them, and
//! again for each path that a host named.

use super::pattern::{Pattern, fold_path};

/// Where the machine's variables lead on an ordinary installation, below the drive, and in lower case.
const ROOTS: [(&str, &str); 12] = [
    ("%allusersprofile%", "/programdata"),
    ("%commonprogramfiles%", "/program files/common files"),
    ("%commonprogramfiles(x86)%", "/program files (x86)/common files"),
    ("%commonprogramw6432%", "/program files/common files"),
    ("%programdata%", "/programdata"),
    ("%programfiles%", "/program files"),
    ("%programfiles(x86)%", "/program files (x86)"),
    ("%programw6432%", "/program files"),
    ("%public%", "/users/public"),
    ("%systemdrive%", ""),
    ("%systemroot%", "/windows"),
    ("%windir%", "/windows"),
];

/// Directories that others use too: neither they nor what they stand in is ever removed. `*` is any one name.
const SHARED: &[&str] = &[
    "program files/common files/kaspersky lab",
    "program files/common files/microsoft shared",
    "program files/common files/system",
    "program files/kaspersky lab",
    "program files/microsoft",
    "program files/windowsapps",
    "program files (x86)/common files/kaspersky lab",
    "program files (x86)/common files/microsoft shared",
    "program files (x86)/common files/system",
    "program files (x86)/kaspersky lab",
    "program files (x86)/microsoft",
    "programdata/kaspersky lab",
    "programdata/kasperskylab",
    "programdata/microsoft/crypto/rsa/machinekeys",
    "programdata/microsoft/windows/start menu/programs/startup",
    "programdata/package cache",
    "programdata/ssh",
    "programdata/uproot",
    "users/*/appdata/local/kaspersky lab",
    "users/*/appdata/local/microsoft/windows",
    "users/*/appdata/local/packages",
    "users/*/appdata/local/programs",
    "users/*/appdata/local/temp",
    "users/*/appdata/locallow/microsoft",
    "users/*/appdata/roaming/kaspersky lab",
    "users/*/appdata/roaming/microsoft/windows/start menu/programs/startup",
    "users/*/desktop",
    "users/*/documents",
    "users/*/downloads",
    "users/*/music",
    "users/*/onedrive",
    "users/*/pictures",
    "users/*/videos",
    "windows/assembly",
    "windows/debug",
    "windows/fonts",
    "windows/inf",
    "windows/installer",
    "windows/logs",
    "windows/microsoft.net",
    "windows/policydefinitions",
    "windows/prefetch",
    "windows/resources",
    "windows/security",
    "windows/softwaredistribution",
    "windows/system",
    "windows/system32/catroot",
    "windows/system32/catroot2",
    "windows/system32/drivers/etc",
    "windows/system32/driverstore/filerepository",
    "windows/system32/grouppolicy",
    "windows/system32/spool",
    "windows/system32/tasks/microsoft",
    "windows/system32/wbem",
    "windows/system32/winevt/logs",
    "windows/syswow64/drivers",
    "windows/syswow64/wbem",
    "windows/temp",
    "windows/tasks",
];

/// Nothing in these, and none of them, is ever removed: the system's own.
const SYSTEM_TREES: &[&str] = &[
    "$recycle.bin",
    "boot",
    "config.msi",
    "documents and settings",
    "efi",
    "programdata/uproot",
    "recovery",
    "system volume information",
    "windows/boot",
    "windows/servicing",
    "windows/system32/config",
    "windows/winsxs",
];

/// A path of Windows without its drive, in lower case, with `/` between its components, and with the machine's
/// variables where they lead on an ordinary installation.
pub(crate) fn below_drive(path: &str) -> String {
    let folded = fold_path(path);
    let (root, rest) = folded.split_once('/').unwrap_or((&folded, ""));
    let root = ROOTS.iter().find(|(variable, _)| *variable == root).map_or("", |(_, place)| place);
    let parts = rest.split('/').filter(|part| !part.is_empty());
    parts.fold(root.to_owned(), |path, part| path + "/" + part)
}

/// Why a path of Windows must not be removed, and what to do instead; none when its text shows no danger.
pub(crate) fn windows_path_refusal(path: &Pattern) -> Option<(String, &'static str)> {
    const OWN: &str = "name the product's own directory or file below it";
    if path.as_str().contains("**") {
        return Some((
            format!("`{path}` has `**` in it"),
            "name the top directory: its whole tree is removed",
        ));
    }
    let below = below_drive(path.as_str());
    let parts: Vec<&str> = below.split('/').filter(|part| !part.is_empty()).collect();
    let Some((last, above)) = parts.split_last().filter(|(_, above)| !above.is_empty()) else {
        return Some((format!("`{path}` has fewer than two components below the drive"), OWN));
    };
    if above.first().is_some_and(|first| Pattern::new(*first).is_glob()) {
        return Some((format!("`{path}` begins with a wildcard"), "name the first directory"));
    }
    let only_wild = last.chars().all(|c| matches!(c, '*' | '?' | '.'));
    if only_wild && above.len() < 2 {
        return Some((format!("`{path}` removes all of a directory right below the drive"), OWN));
    }
    // A user's profile, and what every profile has; Windows' own directory likewise.
    let is_profile = matches!(parts.as_slice(), ["users", _] | ["users", _, "appdata"])
        || matches!(parts.as_slice(), ["users", _, "appdata", "local" | "locallow" | "roaming"])
        || only_wild && matches!(above, ["users", _]);
    if is_profile {
        return Some((
            format!("`{path}` is a user's profile, or a part of it that others use too"),
            "name what the product left inside it",
        ));
    }
    if SYSTEM_TREES.iter().any(|tree| is_within(&parts, tree)) {
        return Some((format!("`{path}` belongs to the system"), "leave it to the system"));
    }
    // `%ProgramData%\Kaspersky Lab\*` removes all that this directory holds.
    let emptied = if only_wild { above } else { parts.as_slice() };
    let shared = SHARED.iter().chain(SYSTEM_TREES).find(|one| holds(&parts, one) || holds(emptied, one))?;
    Some((format!("`{path}` is, or holds, `{}`, which others use too", shared.replace('/', "\\")), OWN))
}

fn same(part: &str, other: &str) -> bool {
    // What characters a name lost is not known: it may be any.
    other == "*" || !Pattern::new(part).matcher().matches(other).is_false() || part == other
}

/// Whether all components match as far as the shorter of both goes.
fn agree(parts: &[&str], other: &str) -> bool {
    parts.iter().zip(other.split('/')).all(|(part, other)| same(part, other))
}

/// Whether the path is the directory or one that it stands in.
fn holds(parts: &[&str], directory: &str) -> bool {
    parts.len() <= directory.split('/').count() && agree(parts, directory)
}

/// Whether the path is the directory or in it.
fn is_within(parts: &[&str], directory: &str) -> bool {
    parts.len() >= directory.split('/').count() && agree(parts, directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_not_go_is_refused_however_it_is_written() {
        for path in [
            r"C:\Windows",
            r"c:/windows/system32",
            r"C:\WINDOWS\System32\drivers",
            r"C:\Windows\*",
            r"C:\Win*\System32",
            r"%SystemRoot%\Sys*",
            r"%windir%\System32\config\SAM",
            r"%SystemDrive%\KVRT*_Data",
            r"C:\*",
            r"C:\*\Kaspersky Lab",
            r"C:\Foo\*",
            r"%ProgramFiles%",
            r"%ProgramFiles%\*",
            r"%ProgramFiles%\K*",
            r"%ProgramFiles%\Kaspersky Lab",
            r"%ProgramFiles(x86)%\kaspersky lab\*",
            r"%ProgramFiles%\Common Files",
            r"%CommonProgramFiles%\Kaspersky Lab",
            r"%ProgramData%\Kaspersky Lab",
            r"%ALLUSERSPROFILE%\KASPERSKY LAB",
            r"C:\ProgramData\Kaspersky Lab\*.*",
            r"%ProgramData%\KasperskyLab",
            r"%ProgramData%\Microsoft",
            r"%ProgramData%\uproot\x",
            r"%ProgramFiles%\Kaspersky Lab\KES\**",
            r"C:\Users\X",
            r"C:\Users\*",
            r"C:\Users\X\*",
            r"C:\Users\X\AppData\Local",
            r"C:\Users\*\AppData\Roaming\*",
            r"C:\Users\X\Documents",
            r"%PUBLIC%\Desktop",
            r"%PUBLIC%",
            r"D:\System Volume Information\x",
            r"C:\Documents and Settings\x\y\z",
        ] {
            assert!(windows_path_refusal(&Pattern::new(path)).is_some(), "{path}");
        }
        for path in [
            r"%ProgramFiles%\Kaspersky Lab\KES*",
            r"C:\Program Files\Kaspersky Lab\KES.21.19",
            r"%ProgramData%\Kaspersky Lab\AVP*",
            r"%ProgramData%\KasperskyLab\adminkit",
            r"%SystemRoot%\System32\drivers\klif.sys",
            r"%SystemRoot%\System32\drivers\K4W-*",
            r"%SystemRoot%\System32\winevt\Logs\Kaspersky-Security-*.evtx",
            r"%CommonProgramFiles%\Kaspersky_Cleaner",
            r"C:\Users\*\AppData\Local\Kaspersky Lab\KPM",
            r"D:\Apps\Kaspersky Lab",
        ] {
            assert_eq!(windows_path_refusal(&Pattern::new(path)), None, "{path}");
        }
    }

    #[test]
    fn variables_lead_where_they_ordinarily_do() {
        assert_eq!(
            below_drive(r"%ProgramFiles(x86)%\Kaspersky Lab\KES"),
            "/program files (x86)/kaspersky lab/kes"
        );
        assert_eq!(below_drive(r"D:\A\\b/"), "/a/b");
        assert_eq!(below_drive(r"%SystemDrive%\x"), "/x");
    }
}
