//! Asking a host again: on a new connection where one broke off, and where it did not tell what must be known.

use super::reach::{Reach, Unreached};
use super::work::Work;
use crate::facts::{Facts, Questions};
use std::time::Duration;

/// A host whose connection breaks at the same question so many times is given up.
pub(super) const MOST_TRIES: u32 = 3;

/// Before a host that did not tell which machine it is is asked again, and how often it is.
const UNTOLD: Duration = Duration::from_secs(2);
const MOST_UNTOLD: u32 = 2;

impl Work<'_> {
    /// Connects again after a connection broke: with growing pauses, until the limit, or at once to no
    /// avail where trying again cannot help.
    pub(super) async fn regain<R: Reach>(&self, reach: &mut R, lost: Unreached) -> Result<(), Unreached> {
        let deadline = reach.steady() + self.context.limits.reconnect;
        let mut delay = Duration::from_secs(1);
        let mut error = lost;
        loop {
            if error.cancelled || !error.may_pass || reach.is_cancelled() {
                return Err(error);
            }
            let left = deadline.saturating_sub(reach.steady());
            if left.is_zero() {
                let waited = self.context.limits.reconnect.as_secs();
                return Err(Unreached { reason: format!("{} (for {waited} s)", error.reason), ..error });
            }
            self.activity("connection lost, connecting again");
            if !reach.pause(delay.min(left)).await {
                return Err(Unreached { cancelled: true, ..error });
            }
            match reach.connect().await {
                Ok(()) => return Ok(()),
                Err(again) => error = again,
            }
            delay = (delay * 2).min(Duration::from_secs(15));
        }
    }

    /// As `regain`, and makes sure that it is the machine that was planned.
    pub(super) async fn regain_same<R: Reach>(
        &self,
        reach: &mut R,
        lost: Unreached,
    ) -> Result<(), Unreached> {
        let mut lost = lost;
        let mut tries = 0;
        loop {
            self.regain(reach, lost).await?;
            match self.look_at_all(reach, &Questions::default()).await {
                Ok(facts) => {
                    return self.other_machine(&facts).map_or(Ok(()), |reason| Err(swapped(reason)));
                }
                Err(error) if tries < MOST_TRIES => lost = error,
                Err(error) => return Err(error),
            }
            tries += 1;
        }
    }

    /// After a question that broke off: connects again for another try, a few times.
    pub(super) async fn once_more<R: Reach>(
        &self,
        reach: &mut R,
        tries: u32,
        lost: Unreached,
    ) -> Result<(), Unreached> {
        if tries > MOST_TRIES { Err(lost) } else { self.regain_same(reach, lost).await }
    }

    /// Looks at the host, again on a new connection where that breaks off.
    pub(super) async fn look<R: Reach>(
        &self,
        reach: &mut R,
        questions: &Questions,
    ) -> Result<Facts, Unreached> {
        let mut tries = 0;
        loop {
            match self.look_at_all(reach, questions).await {
                Ok(facts) => {
                    return match self.other_machine(&facts) {
                        None => Ok(facts),
                        Some(reason) => Err(swapped(reason)),
                    };
                }
                Err(error) => {
                    tries += 1;
                    self.once_more(reach, tries, error).await?;
                }
            }
        }
    }

    /// Looks at the host, again on a new connection where it does not tell which machine it is: a tool that could not be
    /// started this once makes no other machine of it. Not where becoming root was refused, as each look is an attempt.
    pub(super) async fn look_at_all<R: Reach>(
        &self,
        reach: &mut R,
        questions: &Questions,
    ) -> Result<Facts, Unreached> {
        let facts = reach.look(questions).await?;
        let untold = |facts: &Facts| {
            let now = &facts.identity;
            let planned = &self.host.identity;
            !planned.disagreements(now).is_empty() && !planned.is_contradicted_by(now)
        };
        if !untold(&facts) || facts.privilege.become_failed.is_some() {
            return Ok(facts);
        }
        for _ in 0..MOST_UNTOLD {
            if !reach.pause(UNTOLD).await {
                break;
            }
            reach.connect().await?;
            if !untold(&reach.look(&Questions::default()).await?) {
                return reach.look(questions).await;
            }
        }
        Ok(facts)
    }
}

/// Another machine answers: no further try can change that.
fn swapped(reason: String) -> Unreached {
    Unreached { other_machine: true, ..Unreached::of(reason, false) }
}
