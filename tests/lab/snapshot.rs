//! What a change of a host could be seen by: every path by kind, content, mode, owner and time, and
//! every process. Used to prove that a question changed nothing.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What the operating system itself writes when somebody logs in, becomes root or asks rpm. Compared
/// neither themselves nor, for the directories that hold them, by time; what else is in those
/// directories is compared as everywhere.
pub const VOLATILE: &[(&str, &str)] = &[
    ("/run/utmp", "who is logged in"),
    ("/var/log/wtmp", "who was logged in"),
    ("/var/log/btmp", "whose login failed"),
    ("/var/log/lastlog", "each user's last login"),
    ("/run/sudo", "sudo's tickets"),
    ("/var/lib/sudo/lectured", "whom sudo has lectured"),
    ("/var/lib/rpm/.rpm.lock", "rpm's lock, which its queries take too"),
    ("/var/lib/rpm/rpmdb.sqlite-shm", "rpm's database index, made by its queries"),
    ("/var/lib/rpm/rpmdb.sqlite-wal", "rpm's database journal, made by its queries"),
    ("/var/lib/lab/log", "what the lab's own tools record"),
];

/// Kernel interfaces and terminals: not files of the host.
const NOT_FILES: &[&str] = &["/proc", "/sys", "/dev/pts"];

/// The state of a host at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Every path.
    pub paths: BTreeMap<String, Entry>,
    /// Every process by pid: `uid exe command line`.
    pub processes: BTreeMap<u32, String>,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    content: Content,
    mode: u32,
    owner: (u32, u32),
    modified: (i64, i64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Directory,
    /// A file that is as it was before the host was made, by the time of its last change of any
    /// kind, which nobody can set: its bytes are the machine's and need no reading.
    Untouched(i64, i64),
    /// A file that was made or changed on the host: SHA-256.
    Bytes([u8; 32]),
    Link(PathBuf),
    Other(u64),
}

impl Snapshot {
    /// Looks at the host whose first process has this pid; what changed since `made` is read in full.
    pub(super) fn take(pid: u32, made: SystemTime) -> Self {
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let made = i64::try_from(made.duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let processes = settled_processes(&root);
        let mut paths = BTreeMap::new();
        walk(&root, Path::new("/"), made, &mut paths);
        Self { paths, processes }
    }

    /// Paths that start with this, for asserting that something is there or gone.
    #[must_use]
    pub fn under(&self, prefix: &str) -> Vec<&str> {
        self.paths.keys().map(String::as_str).filter(|path| path.starts_with(prefix)).collect()
    }
}

/// Every difference, one a line: `+ path`, `- path`, `~ path: what of it`, and the same for processes.
#[must_use]
pub fn diff(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, old) in &before.paths {
        match after.paths.get(path) {
            None => lines.push(format!("- {path}")),
            Some(new) if new == old => {}
            Some(new) => lines.push(format!("~ {path}: {}", changed(old, new).join(", "))),
        }
    }
    lines.extend(
        after.paths.keys().filter(|path| !before.paths.contains_key(*path)).map(|path| format!("+ {path}")),
    );
    for (pid, process) in &before.processes {
        if after.processes.get(pid) != Some(process) {
            lines.push(format!("- process {pid}: {process}"));
        }
    }
    for (pid, process) in &after.processes {
        if before.processes.get(pid) != Some(process) {
            lines.push(format!("+ process {pid}: {process}"));
        }
    }
    lines
}

fn changed(old: &Entry, new: &Entry) -> Vec<&'static str> {
    let differences = [
        ("content", old.content != new.content),
        ("mode", old.mode != new.mode),
        ("owner", old.owner != new.owner),
        ("time", old.modified != new.modified),
    ];
    differences.into_iter().filter_map(|(what, differs)| differs.then_some(what)).collect()
}

fn walk(root: &Path, directory: &Path, made: i64, paths: &mut BTreeMap<String, Entry>) {
    let real = root.join(directory.strip_prefix("/").unwrap());
    // What goes away while it is walked is a difference that the next snapshot shows.
    let Ok(children) = std::fs::read_dir(&real) else { return };
    for child in children.flatten() {
        let path = directory.join(child.file_name());
        let text = path.to_string_lossy().into_owned();
        if NOT_FILES.contains(&text.as_str()) || VOLATILE.iter().any(|(volatile, _)| *volatile == text) {
            continue;
        }
        let Ok(metadata) = child.metadata() else { continue };
        let is_directory = metadata.is_dir();
        paths.insert(text, entry(&child.path(), &path, &metadata, made));
        if is_directory {
            walk(root, &path, made, paths);
        }
    }
}

fn entry(real: &Path, path: &Path, metadata: &std::fs::Metadata, made: i64) -> Entry {
    let kind = metadata.file_type();
    let content = if kind.is_dir() {
        Content::Directory
    } else if kind.is_symlink() {
        Content::Link(std::fs::read_link(real).unwrap_or_default())
    } else if kind.is_block_device() || kind.is_char_device() || kind.is_fifo() || kind.is_socket() {
        Content::Other(metadata.rdev())
    } else if metadata.ctime() < made {
        Content::Untouched(metadata.ctime(), metadata.ctime_nsec())
    } else {
        Content::Bytes(Sha256::digest(std::fs::read(real).unwrap_or_default()).into())
    };
    let holds_volatile = VOLATILE.iter().any(|(volatile, _)| Path::new(volatile).parent() == Some(path));
    let is_device = matches!(content, Content::Other(_));
    Entry {
        content,
        mode: metadata.mode(),
        owner: (metadata.uid(), metadata.gid()),
        // A device's time is that of its last use.
        modified: if holds_volatile || is_device {
            (0, 0)
        } else {
            (metadata.mtime(), metadata.mtime_nsec())
        },
    }
}

/// The processes, once no login is ending any more (or after three seconds, whatever is there).
fn settled_processes(root: &Path) -> BTreeMap<u32, String> {
    let end = Instant::now() + Duration::from_secs(3);
    loop {
        let processes = processes(root);
        let login = |(pid, process): (&u32, &String)| *pid != 1 && process.contains(" /usr/sbin/sshd ");
        if !processes.iter().any(login) || Instant::now() > end {
            return processes;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn processes(root: &Path) -> BTreeMap<u32, String> {
    let mut processes = BTreeMap::new();
    for entry in std::fs::read_dir(root.join("proc")).unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(metadata) = std::fs::metadata(entry.path()) else { continue };
        // A process that is only waiting to be reaped has no executable any more.
        let Ok(exe) = std::fs::read_link(entry.path().join("exe")) else { continue };
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        // sshd counts in its title the logins that are under way, also one that was just let go.
        let words = words.split(" [listener]").next().unwrap_or_default();
        processes.insert(pid, format!("{} {} {}", metadata.uid(), exe.display(), words.trim()));
    }
    processes
}
