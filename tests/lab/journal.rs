//! A run as its journal tells it, read while it is being written.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The journal of a run.
#[derive(Debug, Clone)]
pub struct Journal {
    dir: PathBuf,
}

impl Journal {
    /// Waits until there is a run in this directory, and takes the newest.
    #[track_caller]
    #[must_use]
    pub fn newest_in(runs: &Path) -> Self {
        wait_for("a run", Duration::from_secs(30), || {
            let dirs = std::fs::read_dir(runs).ok()?.flatten().map(|entry| entry.path());
            let dir = dirs.filter(|dir| dir.join("journal.jsonl").exists()).max()?;
            Some(Self { dir })
        })
    }

    /// The run's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Every record that is whole.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        let text = std::fs::read(self.dir.join("journal.jsonl")).unwrap_or_default();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(&[][..], |end| &text[..end]);
        whole
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    /// The events of this kind, as (host, fields, seconds since 1970).
    #[must_use]
    pub fn events(&self, kind: &str) -> Vec<Happened> {
        self.records().iter().filter_map(|record| Happened::of(record, kind)).collect()
    }

    /// Waits until this is true of the records.
    #[track_caller]
    pub fn wait_until(&self, what: &str, test: impl Fn(&[Value]) -> bool) {
        wait_for(what, Duration::from_secs(90), || test(&self.records()).then_some(()));
    }

    /// Waits until a step of this host is begun.
    #[track_caller]
    pub fn wait_for_intent(&self, host: &str) {
        self.wait_until(&format!("an intent of {host}"), |records| {
            records
                .iter()
                .any(|record| Happened::of(record, "step_intent").is_some_and(|intent| intent.host == host))
        });
    }

    /// The bytes of a stored output.
    #[must_use]
    pub fn blob(&self, digest: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.dir.join("output").join(digest)).unwrap()).into_owned()
    }
}

/// One event.
#[derive(Debug, Clone)]
pub struct Happened {
    /// Where it stands.
    pub seq: u64,
    /// Seconds since 1970.
    pub at: f64,
    /// Of which host; empty: of the run.
    pub host: String,
    /// Its fields.
    pub fields: Value,
}

impl Happened {
    /// The record as an event of this kind, if it is one.
    #[must_use]
    pub fn of(record: &Value, kind: &str) -> Option<Self> {
        let fields = record["event"].get(kind)?.clone();
        let at: jiff::Timestamp = record["at"].as_str()?.parse().ok()?;
        let host = record["host"].as_str().unwrap_or_default().to_owned();
        #[expect(clippy::cast_precision_loss, reason = "microseconds of this century fit")]
        let at = at.as_microsecond() as f64 / 1e6;
        Some(Self { seq: record["seq"].as_u64()?, at, host, fields })
    }
}

/// The (host, step) pairs that were begun in the latest life of the controller and have no outcome yet.
#[must_use]
pub fn open_intents(records: &[Value]) -> Vec<(String, String)> {
    let begin = |record: &Value| {
        ["run_started", "run_resumed"].iter().any(|kind| record["event"].get(*kind).is_some())
    };
    let first = records.iter().rposition(begin).unwrap_or(0);
    let mut open: BTreeMap<(String, String), bool> = BTreeMap::new();
    for record in &records[first..] {
        for (kind, is_open) in [("step_intent", true), ("step_outcome", false)] {
            if let Some(event) = Happened::of(record, kind) {
                let step = event.fields["step"].as_str().unwrap().to_owned();
                open.insert((event.host, step), is_open);
            }
        }
    }
    open.into_iter().filter_map(|(step, is_open)| is_open.then_some(step)).collect()
}

/// Waits until this gives something.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, mut give: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = give() {
            return value;
        }
        assert!(Instant::now() < end, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
