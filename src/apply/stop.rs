//! The wish to stop: hosts in flight finish their current step, no new one is begun.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A wish that many threads share. A clone is the same wish; the first reason stays.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    reason: Option<String>,
    touching: usize,
}

/// A host is being touched for the first time, as long as this lives.
#[derive(Debug)]
pub(super) struct Touch(Arc<Shared>);

impl Stop {
    /// Asks to stop.
    pub fn request(&self, reason: &str) {
        self.shared.lock().reason.get_or_insert_with(|| reason.to_owned());
    }

    /// Why, if it was asked for.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.shared.lock().reason.clone()
    }

    /// Leave to touch a host; the reason against it once a stop was asked for.
    pub(super) fn touch(&self) -> Result<Touch, String> {
        let mut state = self.shared.lock();
        match &state.reason {
            Some(reason) => Err(reason.clone()),
            None => {
                state.touching += 1;
                Ok(Touch(Arc::clone(&self.shared)))
            }
        }
    }

    /// Waits until no host is being touched that had leave to. After a request, none is touched any more
    /// once this returns.
    pub(super) fn settle(&self) {
        let mut state = self.shared.lock();
        while state.touching > 0 {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Touch {
    fn drop(&mut self) {
        self.0.lock().touching -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_request_nothing_is_touched_and_what_was_is_waited_for() {
        let stop = Stop::default();
        let touch = stop.touch().unwrap();
        stop.request("enough");
        stop.request("too late");
        assert_eq!(stop.touch().unwrap_err(), "enough");
        std::thread::scope(|scope| {
            let settled = scope.spawn(|| stop.settle());
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(!settled.is_finished());
            drop(touch);
        });
    }
}
