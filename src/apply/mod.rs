//! Running a plan: waves, one host's work, steps, and the look at a host that every verb shares.
//!
//! `waves` is a pure state machine; `run` feeds it from worker threads; `host` does one host's work in
//! order: connect, same machine, facts, already so?, drifted?, steps with durable intents, verify
//! until settled. Only this module constructs a `ChangeGrant`.

mod access;
mod host;
mod live;
mod look;
mod reach;
pub mod remote;
mod run;
mod step;
mod stop;
pub mod waves;

pub use access::{Access, Trials};
pub use live::LiveHost;
pub use look::{Survey, SurveyOutcome, Surveyed, become_option, survey, unreached_option};
pub use reach::{Holder, LockAnswer, LockOrder, Reach, StepAnswer, StepOrder, Unreached};
pub use run::{ApplyError, ApplyRequest, run};
pub use stop::Stop;
