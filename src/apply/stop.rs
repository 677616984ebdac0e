//! The wish to stop: hosts in flight finish their current step, no new one is begun.

use std::sync::{Arc, Mutex, PoisonError};

/// A wish that many threads share. A clone is the same wish; the first reason stays.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    reason: Arc<Mutex<Option<String>>>,
}

impl Stop {
    /// Asks to stop.
    pub fn request(&self, reason: &str) {
        let mut held = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        held.get_or_insert_with(|| reason.to_owned());
    }

    /// Why, if it was asked for.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
