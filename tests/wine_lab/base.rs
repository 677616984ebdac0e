//! What all hosts of this machine share: a Wine prefix and, over it, the lab's own programs. Both are made
//! once and kept in cargo's target directory, under a name that says what they were made from.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

const BUILD_PREFIX: &str = include_str!("build-prefix.sh");
const BUILD_TOOLS: &str = include_str!("build-tools.sh");

/// Where they are. Nobody deletes them while this value lives.
pub(super) struct Base {
    /// The Wine prefix.
    pub(super) prefix: PathBuf,
    /// What lies over it.
    pub(super) tools: PathBuf,
    _used: Vec<File>,
}

impl Base {
    /// Finds them, or makes them: half a minute or so, while others who want them wait.
    pub(super) fn ready() -> Self {
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wine_lab/programs");
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wine-lab");
        std::fs::create_dir_all(&cache).unwrap();
        let one_builder = File::create(cache.join("lock")).unwrap();
        one_builder.lock().unwrap();
        let prefix_name = format!("prefix-{}", key(&[wine_version().as_bytes(), BUILD_PREFIX.as_bytes()]));
        let mut sources: Vec<Vec<u8>> = vec![prefix_name.clone().into_bytes(), BUILD_TOOLS.into()];
        for dir in [programs.clone(), programs.join("replace")] {
            let mut files: Vec<_> =
                std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            for file in files.iter().filter(|file| file.is_file()) {
                sources.push(file.to_str().unwrap().as_bytes().to_vec());
                sources.push(std::fs::read(file).unwrap());
            }
        }
        let tools_name = format!("tools-{}", key(&sources.iter().map(Vec::as_slice).collect::<Vec<_>>()));
        let (prefix, tools) = (cache.join(&prefix_name), cache.join(&tools_name));
        let used = [&prefix_name, &tools_name].map(|name| {
            let file = File::create(cache.join(format!("{name}.used"))).unwrap();
            file.lock_shared().unwrap();
            file
        });
        forget_old(&cache, &[&prefix_name, &tools_name]);
        if !prefix.is_dir() {
            build(BUILD_PREFIX, &[prefix.as_ref()]);
        }
        if !tools.is_dir() {
            build(BUILD_TOOLS, &[tools.as_ref(), prefix.as_ref(), programs.as_ref()]);
        }
        Self { prefix, tools, _used: used.into() }
    }
}

/// A command in which, and in whatever it starts, Wine is at its best.
///
/// The kernel chooses no addresses at random, where that may be asked for: a process of Wine needs a page of its own at
/// 0x7ffe0000, and newer kernels put the heap anywhere in the gigabyte behind Wine's loader, so that about one process in
/// ten thousand would find its page taken, and not start.
///
/// It keeps to one processor, if one is given: a process of Wine asks its server some thousand things, one after the
/// other, and to wake a process on another processor takes longer (a quarter of the time of `reg query`).
pub(super) fn for_wine(program: &str, processor: Option<&str>) -> Command {
    static MAY_ASK: LazyLock<bool> = LazyLock::new(|| {
        let asked = Command::new("setarch").args(["-R", "true"]).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    });
    let mut words: Vec<&str> = processor.into_iter().flat_map(|one| ["taskset", "-c", one]).collect();
    words.extend(MAY_ASK.then_some(["setarch", "-R"]).into_iter().flatten());
    words.push(program);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// The processors that this process may use, in turn.
pub(super) fn next_processor() -> String {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    let number = |text: &str| text.trim().parse::<usize>().unwrap();
    let ranges = allowed.split(',').map(|range| range.split_once('-').unwrap_or((range, range)));
    let all: Vec<usize> = ranges.flat_map(|(first, last)| number(first)..=number(last)).collect();
    all[TURN.fetch_add(1, Ordering::Relaxed) % all.len()].to_string()
}

fn wine_version() -> String {
    let output = Command::new("/usr/lib/wine/wine64")
        .arg("--version")
        .output()
        .expect("Wine is missing: install wine64, or let tests/run do it");
    String::from_utf8(output.stdout).unwrap()
}

fn key(parts: &[&[u8]]) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Deletes what earlier versions of the lab made, unless someone uses it still.
fn forget_old(cache: &Path, current: &[&String]) {
    for entry in std::fs::read_dir(cache).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(of) = name.strip_suffix(".used") else { continue };
        if current.iter().any(|name| *name == of) {
            continue;
        }
        let used = File::open(&path).unwrap();
        if used.try_lock().is_ok() {
            let _ = std::fs::remove_dir_all(cache.join(of));
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// Runs one of the scripts in namespaces of its own, which end with it.
fn build(text: &str, words: &[&std::ffi::OsStr]) {
    let log = tempfile::NamedTempFile::new().unwrap();
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(script.path(), text).unwrap();
    let status = for_wine("unshare", None)
        .args(["-m", "-p", "-f", "--kill-child", "--mount-proc", "--propagation", "private", "bash"])
        .arg(script.path())
        .args(words)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.reopen().unwrap())
        .stderr(log.reopen().unwrap())
        .status()
        .expect("unshare is missing: install util-linux");
    let said = std::fs::read_to_string(log.path()).unwrap();
    assert!(status.success(), "building {words:?} failed:\n{said}");
}
