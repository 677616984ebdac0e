//! The journal: the append-only, hash-chained record of a run, and the only source of every report.
//!
//! Owns the directory of a run and everything in it:
//!
//! ```text
//! <runs>/<id>/            0700
//!   journal.jsonl         one record a line, each ends with its own hash
//!   output/<sha256>       blobs that records name: facts documents, outputs of steps
//!   plan.json             the exact bytes of the plan that is applied
//!   plan.json.*.sig       the signatures of those who approved it
//!   seal, seal-*          how many records there are and the hash of the last one, for those who sign it
//!   seal*.sig             their signatures
//!   lock                  held by the writing process
//! ```
//!
//! A line is `BODY,"hash":"HEX"}` where HEX is SHA-256 over the previous line's HEX (64 zeros for the
//! first line) followed by BODY, byte for byte; `docs/journal.md` has a shell recipe for auditors.
//!
//! Invariants: a record whose event must be durable is on disk before `record` returns, and so is
//! every blob before the record that names it; a write that failed once is never followed by
//! another one; only an unterminated last line of a run without an end record is torn, anything
//! else that does not fit is broken and is refused by [`read`].

mod audit;
mod chain;
mod defect;
mod error;
mod export;
mod grammar;
mod ledger;
mod memory;
mod reader;
mod redact;
mod runs;
mod seal;
mod storage;
#[cfg(test)]
mod testing;
mod verify;
mod writer;

pub use audit::{Audit, Seal, Signer, audit, audit_each};
pub use defect::Defect;
pub use error::JournalError;
pub use export::{Export, Exported, is_evidence};
pub use ledger::Ledger;
pub use memory::MemorySink;
pub use reader::{Run, open_blob, read, read_bytes};
pub use runs::{RunSummary, default_runs_dir, find, list, new_run_id};
pub use seal::{PURPOSE as SEAL_PURPOSE, RunState, SealDraft, SealProblem};
pub use storage::{Disk, hold_still};
pub use verify::{verify, verify_bytes};
pub use writer::Writer;

/// The file of records in a run's directory.
const JOURNAL_FILE: &str = "journal.jsonl";
/// The directory of blobs in a run's directory.
const OUTPUT_DIR: &str = "output";
/// The plan in a run's directory.
const PLAN_FILE: &str = "plan.json";
/// The file that a writing process holds locked.
const LOCK_FILE: &str = "lock";
