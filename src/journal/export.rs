//! The export of a run: one archive (`.tar.zst`) with all that a third party needs to check it with standard tools.
//!
//! The same run gives the same archive, byte for byte: its files are sorted, and owner, mode and time are fixed.
//! What is in it besides the run's own files: `README`, `check.sh`, `SHA256SUMS`, and the allowed signers where
//! they were given.

mod frames;

use super::chain::{Hashing, is_sha256_hex, sha256_hex};
use super::seal::seal_of;
use super::{Audit, Defect, JOURNAL_FILE, JournalError, OUTPUT_DIR, PLAN_FILE};
use frames::Frames;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

const SUMS_FILE: &str = "SHA256SUMS";
const CHECK_FILE: &str = "check.sh";
const CHECK: &str = include_str!("export/check.sh");

/// Every error of an export is about its archive or a file of the run.
type Result<T> = std::result::Result<T, JournalError>;

/// What is exported, and where to.
#[derive(Debug, Clone, Copy)]
pub struct Export<'a> {
    /// The run, checked. A broken one is exported as it is; whether that is wanted is the caller's to ask.
    pub audit: &'a Audit,
    /// The bytes of a file of allowed signers.
    pub allowed_signers: Option<&'a [u8]>,
    /// The archive's file.
    pub file: &'a Path,
    /// Whether one that is there is replaced.
    pub replace: bool,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// How many files are in the archive.
    pub files: usize,
    /// The directory that unpacking makes.
    pub directory: String,
    /// Files of the run's directory that are not in it, since their names cannot be those of a run's files.
    pub left_out: Vec<String>,
}

impl Export<'_> {
    /// Writes the archive, whole and durably, or not at all.
    ///
    /// # Errors
    /// When the archive is there and is not to be replaced, or cannot be written; when a file of the run cannot be
    /// read, or changes meanwhile.
    pub fn write(&self) -> Result<Exported> {
        let failed = |error| JournalError::io("write", self.file)(error);
        if !self.replace && self.file.symlink_metadata().is_ok() {
            return Err(JournalError::ExportExists(self.file.to_owned()));
        }
        let (mut files, left_out) = self.files()?;
        let summed = files.iter().filter(|(_, file)| !file.is_directory());
        let sums: String = summed.map(|(name, file)| format!("{}  {name}\n", file.sum)).collect();
        files.insert(SUMS_FILE.to_owned(), Packed::text(sums));
        let directory = self.directory();
        let parent = self.file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let temporary = tempfile::Builder::new().prefix(".uproot-export-").tempfile_in(parent);
        let temporary = temporary.map_err(failed)?;
        let mut archive = Builder::new(Frames::new(temporary));
        let time = self.time();
        let mut append =
            |name: &str, file: &Packed| append(&mut archive, &directory, name, file, time, self.file);
        append("", &Packed::directory())?;
        for (name, file) in &files {
            append(name, file)?;
        }
        let temporary = archive.into_inner().and_then(Frames::finish).map_err(failed)?;
        temporary.as_file().sync_all().map_err(failed)?;
        let placed =
            if self.replace { temporary.persist(self.file) } else { temporary.persist_noclobber(self.file) };
        placed.map_err(|error| match error.error.kind() {
            ErrorKind::AlreadyExists => JournalError::ExportExists(self.file.to_owned()),
            _ => failed(error.error),
        })?;
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)?;
        let files = files.values().filter(|file| !file.is_directory()).count();
        Ok(Exported { files, directory, left_out })
    }

    /// The directory in the archive.
    fn directory(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let id: String = self.audit.run.id.chars().take(128).map(plain).collect();
        format!("uproot-{id}")
    }

    /// The time of every entry: that of the last record.
    fn time(&self) -> u64 {
        let last = self.audit.run.records.last();
        last.and_then(|record| u64::try_from(record.at.as_second()).ok()).unwrap_or_default()
    }

    /// All files by their names in the archive, but for the list of their sums; what is left out.
    fn files(&self) -> Result<(BTreeMap<String, Packed>, Vec<String>)> {
        let dir = &self.audit.run.dir;
        let mut files = BTreeMap::new();
        let mut left_out = Vec::new();
        for name in names_in(dir)? {
            if is_of_run(&name) {
                files.insert(name.clone(), Packed::file(dir.join(&name))?);
            } else if !matches!(
                name.as_str(),
                "lock" | OUTPUT_DIR | SUMS_FILE | CHECK_FILE | "README" | "allowed_signers"
            ) {
                left_out.push(name);
            }
        }
        let output = dir.join(OUTPUT_DIR);
        for name in names_in(&output)? {
            let path = format!("{OUTPUT_DIR}/{name}");
            if is_sha256_hex(&name) {
                files.insert(path, Packed::file(output.join(name))?);
            } else {
                left_out.push(path);
            }
        }
        files.insert(OUTPUT_DIR.to_owned(), Packed::directory());
        if let Some(bytes) = self.allowed_signers {
            files.insert("allowed_signers".to_owned(), Packed::bytes(bytes.to_vec()));
        }
        files.insert(CHECK_FILE.to_owned(), Packed::text(CHECK.to_owned()));
        files.insert("README".to_owned(), Packed::text(self.readme()));
        Ok((files, left_out))
    }

    fn readme(&self) -> String {
        let Audit { run, records, head, state, .. } = self.audit;
        let mut text = format!(
            "Evidence: one run of uproot {}\n\n\
             run      {}\nrecords  {records} ({state})\nhead     {head}\n\n",
            env!("CARGO_PKG_VERSION"),
            escaped(&run.id),
        );
        let broken: Vec<&Defect> = self.audit.broken().collect();
        if !broken.is_empty() {
            text.push_str(
                "THIS RUN WAS BROKEN WHEN IT WAS PACKED. It proves nothing. What was wrong with it:\n",
            );
            for defect in broken {
                text.push_str(&format!("  {}\n", escaped(&defect.to_string())));
            }
            text.push('\n');
        }
        text.push_str(README);
        text
    }
}

fn escaped(text: &str) -> String {
    crate::model::output::escape_line(text)
}

const README: &str = "\
What is here
  journal.jsonl       what happened, one record a line; each line ends with the SHA-256 of the line before and itself
  output/             facts and outputs, named by their SHA-256; the records name them
  plan.json           the plan that was applied, and plan.json.*.sig: the signatures of those who approved it
  seal, seal-*        how many records there are and the hash of the last one; seal*.sig: who signed that
  allowed_signers     whose signatures count, by the word of whoever made this export
  SHA256SUMS          the SHA-256 of every file here but this list
  check.sh            checks all of it with sha256sum, jq and ssh-keygen (OpenSSH 8.2 or newer); read it, it is short

How to check it
  sh check.sh YOUR_ALLOWED_SIGNERS
  where YOUR_ALLOWED_SIGNERS is a file with a line for each person whose signature you accept, such as
    alice@example.com ssh-ed25519 AAAA...
  It ends with 0: whole; 1: altered; 2: it cannot be checked; 3: whole, but the run has no end.

By hand
  sha256sum -c SHA256SUMS
  ssh-keygen -Y verify -f YOUR_ALLOWED_SIGNERS -I alice@example.com -n uproot-seal -s seal.sig < seal
  The chain: SHA-256 of the hash of the line before (64 zeros for the first line) and of the line up to its
  `,\"hash\":\"` is the hash that the line ends with. The `head` of the seal is the hash of line number `records`.

What it proves
  Whoever signed a seal vouched for exactly these records at that time: none was changed, cut or added before its
  end since. It does not prove that the clock of the machine was right, nor what happened before the signature, nor
  when the signature was made: no timestamp authority is involved.

With uproot
  uproot journal verify . --allowed-signers YOUR_ALLOWED_SIGNERS
  uproot report .
";

/// Whether a file of this name in a run's directory is one of the run.
fn is_of_run(name: &str) -> bool {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let is_approval = name
        .strip_prefix(PLAN_FILE)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') && rest.ends_with(".sig"));
    is_plain && (name == JOURNAL_FILE || is_approval || seal_of(name).is_some())
}

/// Whether a file of this name in a directory is part of a run there: its journal, plan, seals and signatures, its
/// lock, or whatever is among its outputs.
#[must_use]
pub fn is_evidence(directory: &Path, name: &str) -> bool {
    let is_run = |directory: &Path| directory.join(JOURNAL_FILE).symlink_metadata().is_ok();
    let is_output = directory.file_name().is_some_and(|name| name == OUTPUT_DIR);
    (is_run(directory) && (is_of_run(name) || name == "lock"))
        || (is_output && directory.parent().is_some_and(is_run))
}

/// The names in a directory, sorted; none where it is missing.
fn names_in(dir: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(JournalError::io("read", dir))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(JournalError::io("read", dir))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// An entry of the archive.
struct Packed {
    content: Content,
    size: u64,
    sum: String,
}

enum Content {
    Directory,
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl Packed {
    fn directory() -> Self {
        Self { content: Content::Directory, size: 0, sum: String::new() }
    }

    fn is_directory(&self) -> bool {
        matches!(self.content, Content::Directory)
    }

    fn text(text: String) -> Self {
        Self::bytes(text.into_bytes())
    }

    fn bytes(bytes: Vec<u8>) -> Self {
        Self { size: bytes.len() as u64, sum: sha256_hex(&[&bytes]), content: Content::Bytes(bytes) }
    }

    fn file(path: PathBuf) -> Result<Self> {
        let mut source = Hashing::new(open_regular(&path)?);
        let size = io::copy(&mut source, &mut io::sink()).map_err(JournalError::io("read", &path))?;
        Ok(Self { size, sum: source.finish(), content: Content::File(path) })
    }
}

/// Opens a file. A pipe or a device would be waited for.
fn open_regular(path: &Path) -> Result<File> {
    let failed = || JournalError::io("read", path);
    if !std::fs::metadata(path).map_err(failed())?.is_file() {
        return Err(failed()(io::Error::other("it is not a file")));
    }
    File::open(path).map_err(failed())
}

/// Adds an entry; `target`: the archive, for messages.
fn append<W: io::Write>(
    archive: &mut Builder<W>,
    directory: &str,
    name: &str,
    packed: &Packed,
    time: u64,
    target: &Path,
) -> Result<()> {
    let failed = |error| JournalError::io("write", target)(error);
    let mut header = Header::new_ustar();
    let is_directory = packed.is_directory();
    header.set_entry_type(if is_directory { EntryType::Directory } else { EntryType::Regular });
    header.set_mode(if is_directory || name == CHECK_FILE { 0o700 } else { 0o600 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(time);
    header.set_size(packed.size);
    let path = match (name.is_empty(), is_directory) {
        (true, _) => format!("{directory}/"),
        (false, true) => format!("{directory}/{name}/"),
        (false, false) => format!("{directory}/{name}"),
    };
    match &packed.content {
        Content::Directory => archive.append_data(&mut header, path, io::empty()).map_err(failed),
        Content::Bytes(bytes) => archive.append_data(&mut header, path, bytes.as_slice()).map_err(failed),
        Content::File(file) => {
            let mut source = Hashing::new(open_regular(file)?.take(packed.size));
            archive.append_data(&mut header, path, &mut source).map_err(failed)?;
            if source.finish() == packed.sum {
                Ok(())
            } else {
                Err(JournalError::io("read", file)(io::Error::other("it was changed while it was packed")))
            }
        }
    }
}
