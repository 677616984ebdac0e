//! Rebooting a host: a new boot of the same machine is what counts.

use super::reach::{Reach, StepAnswer};
use super::step::StepEnd;
use super::work::Work;
use crate::facts::Questions;
use crate::model::BootIdentity;
use crate::model::deliberate::{self, Defect};
use crate::model::event::StepResult;
use std::time::Duration;

/// A host that refused to reboot is not waited for longer than this.
const REFUSED: Duration = Duration::from_secs(60);

/// Which boot a host is in.
enum Boot {
    New,
    /// Why not, or why it cannot be told: it may come yet.
    NotYet(String),
    /// It answers, and it is the old one.
    Old,
    /// Another machine answers.
    Other(String),
}

/// Whether the answer to a reboot that was to be begun is no reason to give up waiting for it. A host that answered what
/// cannot be read is up, and is asked again.
pub(super) fn is_going_down(answer: &StepAnswer) -> bool {
    match answer {
        StepAnswer::Ended { .. }
        | StepAnswer::Running { .. }
        | StepAnswer::CutOff { .. }
        | StepAnswer::Forgotten => true,
        StepAnswer::Lost(lost) => !lost.unread,
        StepAnswer::NotBegun(_) | StepAnswer::LockLost(_) => false,
    }
}

impl Work<'_> {
    /// Waits for a new boot of the same machine, with growing pauses, up to the limit.
    pub(super) async fn await_new_boot<R: Reach>(
        &mut self,
        reach: &mut R,
        before: &BootIdentity,
        begun: StepAnswer,
    ) -> StepEnd {
        let refused = match &begun {
            StepAnswer::Ended { status, .. } if *status != 0 => Some(*status),
            _ => None,
        };
        let limit = self.context.limits.reboot.min(refused.map_or(Duration::MAX, |_| REFUSED));
        let deadline = reach.steady() + limit;
        let mut delay = Duration::from_secs(1);
        let mut boot = match begun {
            StepAnswer::Lost(lost) => Boot::NotYet(lost.reason),
            // A reboot that was looked up may be over already.
            _ => self.ask_boot(reach, before).await,
        };
        loop {
            let left = deadline.saturating_sub(reach.steady());
            match boot {
                Boot::New => return StepEnd::of(StepResult::Done, None),
                Boot::Other(reason) => return StepEnd::lost(format!("it was rebooted, and {reason}")),
                Boot::Old if left.is_zero() => return not_rebooted(limit, refused),
                Boot::NotYet(reason) if left.is_zero() => {
                    return StepEnd::lost(format!("no new boot within {} s: {reason}", limit.as_secs()));
                }
                Boot::Old | Boot::NotYet(_) => {}
            }
            self.activity("rebooting, waiting for it to come back");
            if !reach.pause(delay.min(left)).await {
                return StepEnd::lost("the run was cancelled while the host was rebooting".to_owned());
            }
            delay = (delay * 2).min(Duration::from_secs(15));
            boot = match reach.connect().await {
                Ok(()) => self.ask_boot(reach, before).await,
                Err(error) => Boot::NotYet(error.reason),
            };
        }
    }

    async fn ask_boot<R: Reach>(&mut self, reach: &mut R, before: &BootIdentity) -> Boot {
        let facts = match reach.look(&Questions::default()).await {
            Ok(facts) => facts,
            Err(error) => return Boot::NotYet(error.reason),
        };
        if let Some(other) = self.other_machine(&facts) {
            let is_other = self.host.identity.is_contradicted_by(&facts.identity);
            return if is_other { Boot::Other(other) } else { Boot::NotYet(other) };
        }
        let Some(same) = facts.boot.is_same(before) else {
            return Boot::NotYet("which boot it is cannot be read".to_owned());
        };
        if !same || deliberate::is_on(Defect::OldBootAccepted) {
            self.facts = Some(Box::new(facts));
            Boot::New
        } else {
            Boot::Old
        }
    }
}

fn not_rebooted(limit: Duration, refused: Option<i32>) -> StepEnd {
    let reason = match refused {
        Some(status) => format!("it was not rebooted: exit status {status}"),
        None => format!("it was not rebooted within {} s", limit.as_secs()),
    };
    StepEnd { status: refused, ..StepEnd::of(StepResult::Failed, Some(reason)) }
}
