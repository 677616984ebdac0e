//! Facts as saved documents: one JSON file for each host, versioned and deterministic.

use super::Facts;
use super::parse::FORMAT;
use crate::model::sha256_hex;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest document that is read.
const MAX_DOCUMENT: u64 = 256 * 1024 * 1024;

/// Why a facts document cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The system refused.
    #[error("cannot {action} `{path}`: {source}")]
    Io {
        /// `read`, `write`, `list`.
        action: &'static str,
        /// What.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a facts document.
    #[error("`{path}` is not a facts document: {reason}")]
    Format {
        /// Which file.
        path: String,
        /// Why, with line and column where known.
        reason: String,
    },
    /// It is of another version.
    #[error(
        "`{path}` is a facts document of version {found}; this version reads {FORMAT}: collect the facts anew"
    )]
    Version {
        /// Which file.
        path: String,
        /// Its version.
        found: u64,
    },
    /// Nothing to read.
    #[error(
        "`{path}` has no facts document (`*.json`): name a directory that `identify` or a run has written"
    )]
    Empty {
        /// Which directory.
        path: String,
    },
    /// Two documents are of one host.
    #[error("`{first}` and `{second}` are both of the host `{host}`: keep one of them")]
    Twice {
        /// Which host.
        host: String,
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
}

/// The document as it is kept with a run: on one line, in a fixed order.
#[must_use]
pub fn to_compact_json(facts: &Facts) -> String {
    // Serializing plain data with string keys cannot fail.
    serde_json::to_string(facts).unwrap_or_default()
}

/// The document's text: pretty, in a fixed order, with a line break at its end.
#[must_use]
pub fn to_json(facts: &Facts) -> String {
    // Serializing plain data with string keys cannot fail.
    let mut text = serde_json::to_string_pretty(facts).unwrap_or_default();
    text.push('\n');
    text
}

/// Writes `facts` into `dir`, which is made if it is missing, and says where. The file is complete
/// or not there at all.
///
/// # Errors
/// When the system refuses.
pub fn write(dir: &Path, facts: &Facts) -> Result<PathBuf, FactsError> {
    let path = dir.join(file_name(&facts.host));
    let io = |source| FactsError::Io { action: "write", path: path.display().to_string(), source };
    std::fs::create_dir_all(dir).map_err(io)?;
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(io)?;
    std::io::Write::write_all(&mut file, to_json(facts).as_bytes()).map_err(io)?;
    file.persist(&path).map_err(|error| io(error.error))?;
    Ok(path)
}

/// A host's file: its name where that is plain, else what is plain of it with a digest, so that no
/// two hosts share a file.
fn file_name(host: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    if host.chars().all(is_plain) && !host.starts_with('.') && !host.is_empty() && host.len() <= 200 {
        return format!("{host}.json");
    }
    let plain: String = host.chars().filter(|c| is_plain(*c)).take(60).collect();
    let digest: String = sha256_hex(host).chars().take(16).collect();
    format!("{}_{digest}.json", plain.trim_start_matches('.'))
}

/// Reads one document.
///
/// # Errors
/// When it cannot be read, is no facts document, or is of another version.
pub fn read(path: &Path) -> Result<Facts, FactsError> {
    let name = || path.display().to_string();
    let io = |source| FactsError::Io { action: "read", path: name(), source };
    let format = |reason: String| FactsError::Format { path: name(), reason };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(io)?;
    file.take(MAX_DOCUMENT + 1).read_to_string(&mut text).map_err(io)?;
    if text.len() as u64 > MAX_DOCUMENT {
        return Err(format(format!("it is larger than {MAX_DOCUMENT} bytes")));
    }
    let version = serde_json::from_str::<Version>(&text).map_err(|e| format(e.to_string()))?.uproot_facts;
    if version != u64::from(FORMAT) {
        return Err(FactsError::Version { path: name(), found: version });
    }
    serde_json::from_str(&text).map_err(|e| format(e.to_string()))
}

/// What every version of the document has.
#[derive(serde::Deserialize)]
struct Version {
    uproot_facts: u64,
}

/// Reads every document (`*.json`) of a directory, in the order of the hosts' names.
///
/// # Errors
/// The first that cannot be read; a directory without any; two of one host.
pub fn read_dir(dir: &Path) -> Result<Vec<Facts>, FactsError> {
    let io = |source| FactsError::Io { action: "list", path: dir.display().to_string(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut all: Vec<(Facts, PathBuf)> = Vec::new();
    for path in paths {
        all.push((read(&path)?, path));
    }
    all.sort_by(|(one, _), (other, _)| one.host.cmp(&other.host));
    for ((one, first), (other, second)) in all.iter().zip(all.iter().skip(1)) {
        if one.host == other.host {
            return Err(FactsError::Twice {
                host: one.host.clone(),
                first: first.display().to_string(),
                second: second.display().to_string(),
            });
        }
    }
    if all.is_empty() {
        return Err(FactsError::Empty { path: dir.display().to_string() });
    }
    Ok(all.into_iter().map(|(facts, _)| facts).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Questions;
    use crate::facts::parse::unanswered;

    fn facts(host: &str) -> Facts {
        let questions = Questions { paths: ["/opt/x".to_owned()].into(), ..Questions::default() };
        unanswered(host, &questions, "it is a test", "2026-01-01T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("facts");
        for host in ["b", "a", "../../etc/x", "A"] {
            let path = write(&sub, &facts(host)).unwrap();
            assert_eq!(path.parent(), Some(sub.as_path()));
            assert_eq!(read(&path).unwrap(), facts(host));
        }
        let hosts: Vec<String> = read_dir(&sub).unwrap().into_iter().map(|facts| facts.host).collect();
        assert_eq!(hosts, ["../../etc/x", "A", "a", "b"]);
    }

    #[test]
    fn what_is_no_document_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let say = |text: &str| {
            let path = dir.path().join("x.json");
            std::fs::write(&path, text).unwrap();
            read(&path).unwrap_err().to_string().replace(&path.display().to_string(), "X")
        };
        assert!(say("{").starts_with("`X` is not a facts document: EOF"));
        assert!(say("{\"uproot_facts\": 2}").contains("version 2; this version reads 1"));
        assert!(say("{\"uproot_facts\": 1}").contains("missing field"));
        let empty = dir.path().join("empty");
        std::fs::create_dir(&empty).unwrap();
        assert!(matches!(read_dir(&empty), Err(FactsError::Empty { .. })));
    }

    #[test]
    fn two_documents_of_one_host_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), &facts("a")).unwrap();
        std::fs::copy(&path, dir.path().join("b.json")).unwrap();
        assert!(matches!(read_dir(dir.path()), Err(FactsError::Twice { .. })));
    }
}
