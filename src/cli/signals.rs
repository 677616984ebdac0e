//! Ctrl-C, SIGTERM and a closed terminal: the first asks to stop, the second stops at once.

use super::error::CliError;
use crate::apply::Stop;
use crate::model::Cancel;
use crate::progress::Progress;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Watches for signals until it is dropped.
pub struct Watch {
    handle: Handle,
    thread: Option<std::thread::JoinHandle<()>>,
    seen: Arc<AtomicBool>,
}

impl Watch {
    /// Watches. With `gentle`, the first signal only asks to stop, so that current steps are
    /// finished, and says so between the bars of that progress; without it (nothing is being changed)
    /// the first cancels at once.
    pub fn start(stop: Stop, cancel: Cancel, gentle: Option<Arc<Progress>>) -> Result<Self, CliError> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(CliError::System)?;
        let handle = signals.handle();
        let seen = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            for signal in signals.forever() {
                let again = told.swap(true, Ordering::SeqCst);
                let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
                stop.request(&format!("interrupted by {name}"));
                match &gentle {
                    Some(progress) if !again => progress.suspend(|| {
                        tell!("{name}: no new hosts; current steps are finished (once more: stop at once)");
                    }),
                    _ => cancel.cancel(),
                }
            }
        });
        Ok(Self { handle, thread: Some(thread), seen })
    }

    /// Whether a signal came.
    pub fn interrupted(&self) -> bool {
        self.seen.load(Ordering::SeqCst)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It only ends; it cannot have panicked on anything but a closed standard error.
            let _ = thread.join();
        }
    }
}
