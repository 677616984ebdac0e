//! Where runs are kept, and how one is found.

use super::chain::stated_format;
use super::reader::{LINE_LIMIT, open, read};
use super::{JOURNAL_FILE, JournalError};
use crate::model::{Event, ExitCode, HostState, Record};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A new run's id: a UUID v7, which sorts by time.
#[must_use]
pub fn new_run_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Where runs are kept unless the user says otherwise: `$XDG_STATE_HOME/uproot/runs` (an absolute
/// path, as the XDG specification asks), else `~/.local/state/uproot/runs`, else (no home) the same
/// below the current directory.
#[must_use]
pub fn default_runs_dir() -> PathBuf {
    runs_dir_of(std::env::var_os("XDG_STATE_HOME").map(PathBuf::from), std::env::home_dir())
}

fn runs_dir_of(state_home: Option<PathBuf>, home: Option<PathBuf>) -> PathBuf {
    state_home
        .filter(|path| path.is_absolute())
        .unwrap_or_else(|| home.unwrap_or_default().join(".local/state"))
        .join("uproot/runs")
}

/// A run as a list shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// The name of its directory.
    pub id: String,
    /// Its directory.
    pub dir: PathBuf,
    /// `identify`, `plan`, `apply`, `verify`; empty where it could not be read.
    pub verb: String,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended; none: it has no end record.
    pub ended: Option<Timestamp>,
    /// Whether it has an end record.
    pub finished: bool,
    /// Whether a process writes it now.
    pub running: bool,
    /// Whether a gate or its operator stopped it.
    pub stopped: bool,
    /// Why it was stopped.
    pub reason: Option<String>,
    /// How many hosts it has.
    pub hosts: usize,
    /// How many hosts ended in each state.
    pub summary: BTreeMap<HostState, usize>,
    /// What the process exited with, of a finished or stopped run.
    pub exit: Option<ExitCode>,
    /// Why it could not be read; the rest is then empty.
    pub problem: Option<String>,
}

impl RunSummary {
    /// Whether `apply --resume` can go on with it: an apply that was stopped, or whose controller died.
    #[must_use]
    pub fn is_resumable(&self) -> bool {
        self.verb == "apply" && !self.finished && !self.running && self.problem.is_none()
    }
}

/// Every run in `runs_dir`, the newest first. One that cannot be read is among them, with its
/// problem. Reads the beginning and the end of each journal only: it lists, it does not verify.
///
/// # Errors
/// When the directory cannot be read. One that does not exist has no runs.
pub fn list(runs_dir: &Path) -> Result<Vec<RunSummary>, JournalError> {
    let mut ids = run_ids(runs_dir)?;
    ids.sort_by(|a, b| b.cmp(a));
    Ok(ids.into_iter().map(|id| summarise(runs_dir, id)).collect())
}

/// The directory of a run: an id, the beginning of one that no other has, a path, or `last`.
///
/// # Errors
/// When there is none, or more than one.
pub fn find(runs_dir: &Path, which: &str) -> Result<PathBuf, JournalError> {
    if which.contains('/') || which == "." || which == ".." {
        let path = Path::new(which);
        let dir = if path.ends_with(JOURNAL_FILE) { path.parent().unwrap_or(path) } else { path };
        return if dir.join(JOURNAL_FILE).is_file() {
            Ok(dir.to_owned())
        } else {
            Err(JournalError::NotARun(dir.to_owned()))
        };
    }
    let missing = || JournalError::NoSuchRun { which: which.to_owned(), runs: runs_dir.to_owned() };
    let mut ids = run_ids(runs_dir)?;
    if which == "last" {
        return ids.into_iter().max().map(|id| runs_dir.join(id)).ok_or_else(missing);
    }
    if ids.iter().any(|id| id == which) {
        return Ok(runs_dir.join(which));
    }
    ids.retain(|id| !which.is_empty() && id.starts_with(which));
    ids.sort();
    match ids.as_slice() {
        [only] => Ok(runs_dir.join(only)),
        // A run's directory in the current one, named without a slash.
        [] if Path::new(which).join(JOURNAL_FILE).is_file() => Ok(PathBuf::from(which)),
        [] => Err(missing()),
        _ => Err(JournalError::Ambiguous { which: which.to_owned(), candidates: ids }),
    }
}

/// The names of the directories that hold a journal.
fn run_ids(runs_dir: &Path) -> Result<Vec<String>, JournalError> {
    let entries = match std::fs::read_dir(runs_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(JournalError::io("read", runs_dir)(error)),
    };
    let mut ids = Vec::new();
    for entry in entries {
        let entry = entry.map_err(JournalError::io("read", runs_dir))?;
        // A journal that may not be looked at is listed too: with its problem.
        let is_run = !matches!(
            std::fs::metadata(entry.path().join(JOURNAL_FILE)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        );
        if let Some(name) = entry.file_name().to_str().filter(|_| is_run) {
            ids.push(name.to_owned());
        }
    }
    Ok(ids)
}

fn summarise(runs_dir: &Path, id: String) -> RunSummary {
    let dir = runs_dir.join(&id);
    let mut run = RunSummary {
        id,
        verb: String::new(),
        started: None,
        ended: None,
        finished: false,
        running: super::storage::is_locked(&dir),
        stopped: false,
        reason: None,
        hosts: 0,
        summary: BTreeMap::new(),
        exit: None,
        problem: None,
        dir,
    };
    if let Err(error) = fill(&mut run) {
        run.problem = Some(error.to_string());
    }
    run
}

fn fill(run: &mut RunSummary) -> Result<(), JournalError> {
    let (first, last) = ends(&run.dir)?;
    let records = match (first, last) {
        (Some(first), Some(last)) if matches!(last.event, Event::RunEnded { .. }) => vec![first, last],
        // No end record: what is known of the hosts stands all over the journal.
        _ => read(&run.dir)?.records,
    };
    let mut ends = BTreeMap::new();
    for Record { seq: _, at, host, event } in records {
        if !matches!(event, Event::Repaired { .. }) {
            (run.stopped, run.reason, run.exit) = (false, None, None);
        }
        match (event, host) {
            (Event::RunStarted { verb, hosts, .. }, _) => {
                run.verb = verb;
                run.hosts = hosts.len();
                run.started = Some(at);
            }
            // Of a run that was resumed, a host's last end is the one that counts.
            (Event::HostStarted { .. }, Some(host)) => {
                ends.remove(&host);
            }
            (Event::HostEnded { state, .. }, Some(host)) => {
                ends.insert(host, state);
            }
            (Event::RunStopped { reason, exit }, _) => {
                (run.stopped, run.reason, run.exit) = (true, Some(reason), Some(exit));
            }
            (Event::RunEnded { summary, exit }, _) => {
                run.summary = summary;
                (run.exit, run.ended, run.finished) = (Some(exit), Some(at), true);
                return Ok(());
            }
            _ => {}
        }
    }
    for state in ends.into_values() {
        *run.summary.entry(state).or_default() += 1;
    }
    Ok(())
}

/// An end record is short; so much of a journal's end is looked at for it.
const TAIL: u64 = 64 * 1024;

/// The first and the last record, where they can be decoded.
fn ends(dir: &Path) -> Result<(Option<Record>, Option<Record>), JournalError> {
    let path = dir.join(JOURNAL_FILE);
    let mut file = BufReader::new(open(dir, &path)?);
    let failed = || JournalError::io("read", &path);
    let mut first = Vec::new();
    (&mut file).take(LINE_LIMIT).read_until(b'\n', &mut first).map_err(failed())?;
    if stated_format(&first).is_some_and(|format| format > super::chain::FORMAT) {
        return Ok((None, None));
    }
    let length = file.seek(SeekFrom::End(0)).map_err(failed())?;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).map_err(failed())?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).map_err(failed())?;
    let last = tail.strip_suffix(b"\n").and_then(|tail| tail.rsplit(|byte| *byte == b'\n').next());
    let decode = |line: &[u8]| serde_json::from_slice::<Record>(line).ok();
    Ok((decode(&first), last.and_then(decode)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_kept_in_the_state_home() {
        let of = |state: Option<&str>, home: Option<&str>| {
            runs_dir_of(state.map(PathBuf::from), home.map(PathBuf::from))
        };
        assert_eq!(of(Some("/s"), Some("/h")), Path::new("/s/uproot/runs"));
        assert_eq!(of(Some("relative"), Some("/h")), Path::new("/h/.local/state/uproot/runs"));
        assert_eq!(of(None, Some("/h")), Path::new("/h/.local/state/uproot/runs"));
        assert_eq!(of(None, None), Path::new(".local/state/uproot/runs"));
    }

    #[test]
    fn ids_sort_by_time() {
        let ids: Vec<String> = (0..100).map(|_| new_run_id()).collect();
        assert!(ids.is_sorted());
    }
}
