//! Journal and progress as one sink: what is recorded is shown, what is not recorded is not.

use super::Progress;
use super::state::Seen;
use crate::model::{Event, EventSink, SinkError};
use std::sync::Arc;

/// A journal and the progress that follows it, owned. An `Arc` of any sink is a journal.
#[derive(Clone)]
pub struct Sinks {
    /// Where events are recorded first.
    pub journal: Arc<dyn EventSink>,
    /// What is told of those that were.
    pub progress: Arc<Progress>,
}

impl EventSink for Sinks {
    fn record(&self, host: Option<&str>, event: Event) -> Result<(), SinkError> {
        Tee { journal: self.journal.as_ref(), progress: &self.progress }.record(host, event)
    }

    fn store(&self, bytes: &[u8]) -> Result<String, SinkError> {
        self.journal.store(bytes)
    }
}

/// As [`Sinks`], borrowed.
#[derive(Clone, Copy)]
pub struct Tee<'a> {
    /// Where events are recorded first.
    pub journal: &'a dyn EventSink,
    /// What is told of those that were.
    pub progress: &'a Progress,
}

impl EventSink for Tee<'_> {
    fn record(&self, host: Option<&str>, event: Event) -> Result<(), SinkError> {
        let seen = if self.progress.shown.is_some() { Seen::of(&event) } else { None };
        self.journal.record(host, event)?;
        self.progress.take(host, seen);
        Ok(())
    }

    fn store(&self, bytes: &[u8]) -> Result<String, SinkError> {
        self.journal.store(bytes)
    }
}
