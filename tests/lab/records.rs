//! What a host itself has recorded: each uninstaller, maintainer script and package manager that was run
//! on it says so, with the time and its pid, into a file that nothing else writes.

/// The record of one host, in order.
#[derive(Debug, Clone, Default)]
pub struct HostRecords(Vec<HostRecord>);

/// One line of it.
#[derive(Debug, Clone, PartialEq)]
pub struct HostRecord {
    /// Seconds since 1970; all hosts share the machine's clock, and the controller too.
    pub at: f64,
    /// Who was run.
    pub pid: u32,
    /// What: `begin suite`, `dpkg --purge kesl`, `removing kesl remove`.
    pub words: String,
}

impl HostRecords {
    pub(super) fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let mut parts = line.splitn(3, ' ');
            let (at, pid) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            Some(HostRecord { at, pid, words: parts.next()?.to_owned() })
        };
        Self(text.lines().map(|text| line(text).unwrap_or_else(|| panic!("`{text}`"))).collect())
    }

    /// Whether nothing was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of it.
    pub fn iter(&self) -> impl Iterator<Item = &HostRecord> {
        self.0.iter()
    }

    /// What was recorded more than once or never, of what begins with one of these words; and what
    /// begins with none of them.
    #[must_use]
    pub fn not_exactly_once(&self, expected: &[&str]) -> Vec<String> {
        let mut wrong = Vec::new();
        for words in expected {
            let count = self.count(words);
            if count != 1 {
                wrong.push(format!("`{words}` {count} times"));
            }
        }
        let unknown =
            self.0.iter().filter(|record| !expected.iter().any(|words| record.words.starts_with(words)));
        wrong.extend(unknown.map(|record| format!("`{}` unexpected", record.words)));
        wrong
    }

    /// How often something that begins with these words was recorded.
    #[must_use]
    pub fn count(&self, words: &str) -> usize {
        self.0.iter().filter(|record| record.words.starts_with(words)).count()
    }

    /// When something that begins with these words was first recorded.
    #[must_use]
    pub fn first(&self, words: &str) -> Option<f64> {
        self.0.iter().find(|record| record.words.starts_with(words)).map(|record| record.at)
    }
}
