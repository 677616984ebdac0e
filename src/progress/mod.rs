//! What a person sees while a run goes on: bars on a terminal, plain lines elsewhere.
//!
//! Owns standard error during a run. A host's thread only updates a state behind one mutex; a thread
//! of its own draws it, at most ten times a second, so that a slow terminal never slows a host. It is
//! no record: what cannot be shown in time is counted and left out, and failures to draw are ignored.

mod bars;
mod screen;
mod sinks;
mod state;

pub use sinks::{Sinks, Tee};

use crate::model::{Event, Record};
use bars::Bars;
use indicatif::{MultiProgress, ProgressDrawTarget};
use screen::Screen;
use state::{Seen, State};
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often bars are drawn at most.
const DRAW_EVERY: Duration = Duration::from_millis(100);
const DRAW_HZ: u8 = 10;

/// In which form progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A bar for each wave and the slowest hosts, redrawn in place.
    Bars,
    /// One line for each host that ended or waits, wave, wait, stop, and (with `-v`) step.
    Lines,
    /// Nothing.
    Quiet,
}

impl Mode {
    /// Bars on a terminal, lines elsewhere, nothing when that is wanted.
    #[must_use]
    pub fn detect(stderr_is_terminal: bool, quiet: bool) -> Self {
        match (quiet, stderr_is_terminal) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Bars,
            (false, false) => Self::Lines,
        }
    }
}

/// The progress of one run. Shared by all worker threads.
pub struct Progress {
    verbosity: u8,
    /// None when quiet.
    shown: Option<Shown>,
}

struct Shown {
    shared: Arc<Shared>,
    multi: Option<MultiProgress>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

impl Progress {
    /// Progress on standard error of a run with `hosts` hosts. `verbosity` counts the `-v`: 1 shows
    /// the outcomes of steps, 2 also what each host does. `color`: as `NO_COLOR` and the terminal allow.
    #[must_use]
    pub fn new(mode: Mode, verbosity: u8, color: bool, hosts: usize) -> Self {
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(Screen::default()), DRAW_HZ);
        Self::on(mode, verbosity, color, hosts, target, Box::new(std::io::stderr()))
    }

    fn on(
        mode: Mode,
        verbosity: u8,
        color: bool,
        hosts: usize,
        target: ProgressDrawTarget,
        output: Box<dyn Write + Send>,
    ) -> Self {
        let multi = match mode {
            Mode::Bars => Some(MultiProgress::with_draw_target(target)),
            Mode::Lines => None,
            Mode::Quiet => return Self { verbosity, shown: None },
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(hosts, mode == Mode::Lines, verbosity)),
            wake: Condvar::new(),
        });
        let drawing = Arc::clone(&shared);
        let bars = multi.clone().map(|multi| Bars::new(multi, color));
        // Without a thread nothing is drawn: a run is worth more than its picture.
        let thread = std::thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || match bars {
                Some(bars) => draw_bars(&drawing, bars),
                None => write_lines(&drawing, output),
            })
            .ok();
        Self { verbosity, shown: Some(Shown { shared, multi, thread: Mutex::new(thread) }) }
    }

    /// How many `-v` were given.
    #[must_use]
    pub fn verbosity(&self) -> u8 {
        self.verbosity
    }

    /// Takes an event in. Never waits for the terminal.
    pub fn observe(&self, host: Option<&str>, event: &Event) {
        if self.shown.is_some() {
            self.take(host, Seen::of(event));
        }
    }

    /// Tells what the waves wait for; an empty text: for nothing any more. It is shown until a wave or a
    /// host begins, the run stops, or something else is waited for.
    pub fn waiting(&self, text: &str) {
        self.take(None, Some(Seen::Waiting { text: text.to_owned(), left: None }));
    }

    /// As `waiting`, with the time that is left, which is counted down.
    pub fn waiting_for(&self, text: &str, left: Duration) {
        self.take(None, Some(Seen::Waiting { text: text.to_owned(), left: Some(left) }));
    }

    /// Counts what earlier processes of a resumed run did, so that its bars go on where they were.
    /// Nothing of it is told again.
    pub fn recall(&self, past: &[Record]) {
        let Some(shown) = &self.shown else { return };
        let seen =
            past.iter().filter_map(|record| Seen::of(&record.event).map(|seen| (record.host.clone(), seen)));
        shown.shared.lock().recall(seen, Instant::now());
    }

    fn take(&self, host: Option<&str>, seen: Option<Seen>) {
        let (Some(shown), Some(seen)) = (&self.shown, seen) else { return };
        shown.shared.lock().take(host, seen, Instant::now());
        shown.shared.wake.notify_one();
    }

    /// Runs `work` with the bars taken off the terminal: for a question, or a line of a log. Waits for
    /// the terminal, so it is not for a host's thread.
    pub fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        match self.shown.as_ref().and_then(|shown| shown.multi.as_ref()) {
            Some(multi) => multi.suspend(work),
            None => work(),
        }
    }

    /// Shows what is left to show and clears the bars. What is observed later is not shown.
    pub fn finish(&self) {
        let Some(shown) = &self.shown else { return };
        shown.shared.lock().closing = true;
        shown.shared.wake.notify_all();
        let thread = shown.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread of `Mode::Lines`.
fn write_lines(shared: &Shared, mut output: Box<dyn Write + Send>) {
    loop {
        let mut state = shared.lock();
        while !state.has_lines() && !state.closing {
            state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let (lines, closing) = (state.take_lines(), state.closing);
        drop(state);
        let mut text = lines.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        if output.write_all(text.as_bytes()).and_then(|()| output.flush()).is_err() || closing {
            return;
        }
    }
}

/// The thread of `Mode::Bars`.
fn draw_bars(shared: &Shared, mut bars: Bars) {
    loop {
        let mut state = shared.lock();
        let closing = state.closing;
        let lines = state.take_lines();
        let picture = state.picture(Instant::now());
        drop(state);
        bars.draw(&lines, &picture);
        if closing {
            bars.clear();
            return;
        }
        // Times go on even when nothing happens, so it is drawn anew without a reason, too.
        let until = Instant::now() + DRAW_EVERY;
        let mut state = shared.lock();
        while !state.closing {
            let Some(left) = until.checked_duration_since(Instant::now()) else { break };
            state = shared.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests;
