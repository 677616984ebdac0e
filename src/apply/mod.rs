//! Running a plan: waves, one host's work, steps, and the look at a host that every verb shares.
//!
//! `waves` is a pure state machine; `run` feeds it from worker threads; `work` does one host's work in
//! order, over `Reach`: on real hosts (`live`) and, in the simulation, on ones with every fault; `again` asks once more. What a
//! resumed run needs of its journal is in `resume`. Only this module constructs a `ChangeGrant`.

mod access;
mod again;
mod change;
mod clock;
mod installer;
mod live;
mod look;
mod reach;
mod reboot;
pub mod remote;
mod resume;
mod run;
mod step;
mod stop;
pub mod waves;
mod work;

pub use access::{Access, Trials};
pub use clock::{steady, steady_now};
pub use live::LiveHost;
pub use look::{
    RebootPending, Survey, SurveyOutcome, Surveyed, become_option, record_look, survey, unreached_option,
};
pub use reach::{Holder, LockAnswer, LockOrder, Reach, StepAnswer, StepOrder, Unreached};
pub use remote::Uploads;
pub use resume::{HostPast, Past, StepPast, is_retried};
pub use run::{ApplyError, ApplyRequest, Person, run, spec};
pub use stop::Stop;
pub use work::{HostEnd, WorkContext, WorkLimits, work};
