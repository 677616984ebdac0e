//! Progress as it is shown, and what it never does: wait, fail, obey a host.

use super::*;
use crate::journal::MemorySink;
use crate::model::{EventSink, HostState};
use indicatif::TermLike;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};

fn started(wave: Option<&str>) -> Event {
    Event::HostStarted { wave: wave.map(str::to_owned) }
}

fn ended(state: HostState, reason: &str) -> Event {
    Event::HostEnded { state, reason: reason.into(), remedy: None, unfinished: false }
}

fn wave_started(hosts: usize) -> Event {
    Event::WaveStarted { wave: "canary".into(), hosts, max_failures: 0, max_unreachable: None }
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn in_lines(verbosity: u8, output: Box<dyn Write + Send>) -> Progress {
    Progress::on(Mode::Lines, verbosity, false, 2, ProgressDrawTarget::hidden(), output)
}

/// The lines less their clock, which must look like one.
fn texts(buffer: &Buffer) -> Vec<String> {
    let cut = |line: &str| {
        let (clock, text) = line.split_once(' ').unwrap();
        assert!(clock.len() == 8 && clock.chars().filter(|c| *c == ':').count() == 2, "{line}");
        text.to_owned()
    };
    buffer.text().lines().map(cut).collect()
}

fn play(progress: &Progress) {
    progress.observe(None, &wave_started(2));
    progress.observe(Some("web01"), &started(Some("canary")));
    progress.observe(Some("web01"), &Event::HostActivity { doing: "collecting facts".into() });
    progress.observe(
        Some("web01"),
        &Event::StepIntent {
            step: "kesl/1".into(),
            product: "kesl".into(),
            summary: "stop kesl".into(),
            attempt: 1,
            boot: Default::default(),
        },
    );
    progress.observe(
        Some("web01"),
        &Event::StepOutcome {
            step: "kesl/1".into(),
            product: "kesl".into(),
            summary: "stop kesl".into(),
            result: crate::model::event::StepResult::Failed,
            status: Some(1),
            effect: None,
            reboot_needed: false,
            reason: Some("no such\nunit".into()),
            millis: 1500,
            stdout: Default::default(),
            stderr: Default::default(),
        },
    );
    progress.observe(Some("web01"), &ended(HostState::Failed, "step kesl/1 failed \x1b[2J"));
    progress.observe(Some("web02"), &ended(HostState::Clean, ""));
}

#[test]
fn the_mode_follows_the_terminal_and_the_wish() {
    assert_eq!(Mode::detect(true, false), Mode::Bars);
    assert_eq!(Mode::detect(false, false), Mode::Lines);
    assert_eq!(Mode::detect(true, true), Mode::Quiet);
    assert_eq!(Mode::detect(false, true), Mode::Quiet);
}

#[test]
fn lines_tell_as_much_as_was_asked_for() {
    let shown = |verbosity| {
        let buffer = Buffer::default();
        let progress = in_lines(verbosity, Box::new(buffer.clone()));
        play(&progress);
        progress.finish();
        texts(&buffer)
    };
    let plain = ["wave canary started: 2 hosts", "web01 failed: step kesl/1 failed \\x1b[2J", "web02 clean"];
    assert_eq!(shown(0), plain);
    let step = "web01 step kesl/1 failed (1.5 s): stop kesl: no such\\nunit";
    assert_eq!(shown(1), [plain[0], step, plain[1], plain[2]]);
    let more = ["web01 collecting facts", "web01 step kesl/1 begun: stop kesl"];
    assert_eq!(shown(2), [plain[0], more[0], more[1], step, plain[1], plain[2]]);
}

#[test]
fn plain_lines_tell_of_waits_stops_and_resumptions() {
    let buffer = Buffer::default();
    let progress = in_lines(0, Box::new(buffer.clone()));
    let resumed = Event::RunResumed {
        operator: "ops@desk".into(),
        version: "0.1.0".into(),
        approved: Vec::new(),
        after_failures: false,
        retry_failed: false,
        break_lock: false,
    };
    progress.observe(None, &resumed);
    progress.waiting_for("wave `rest` soaks", Duration::from_secs(90));
    progress.waiting_for("wave `rest` soaks", Duration::from_secs(60));
    progress.observe(None, &Event::WaveApproved { wave: "rest".into(), operator: "ops@desk".into() });
    progress.waiting("the window of wave `rest` is closed");
    progress.observe(Some("web01"), &started(None));
    let doing = |text: &str| Event::HostActivity { doing: text.into() };
    for text in ["connecting", "connection lost, connecting again", "connection lost, connecting again"] {
        progress.observe(Some("web01"), &doing(text));
    }
    progress.observe(Some("web01"), &doing("rebooting, waiting for it to come back"));
    let lock = |from: Option<&str>, broken| Event::LockTaken {
        from: from.map(str::to_owned),
        broken,
        records: String::new(),
    };
    progress.observe(Some("web01"), &lock(None, false));
    progress.observe(Some("web01"), &lock(Some("expired"), false));
    progress.observe(Some("web01"), &lock(Some("run 1 of \x1b[2J"), true));
    progress.observe(Some("web01"), &Event::LockReleased { left: Some("a step still runs".into()) });
    let stopped = Event::RunStopped {
        reason: "interrupted by SIGINT".into(),
        exit: crate::model::ExitCode::Interrupted,
    };
    progress.observe(None, &stopped);
    progress.finish();
    assert_eq!(
        texts(&buffer),
        [
            "run resumed by ops@desk",
            "wave `rest` soaks (1:30 left)",
            "wave rest approved by ops@desk",
            "the window of wave `rest` is closed",
            "web01 connection lost, connecting again",
            "web01 rebooting, waiting for it to come back",
            "web01 broke a live lock: run 1 of \\x1b[2J",
            "web01 something is left on the host: a step still runs",
            "run stopped: interrupted by SIGINT",
        ]
    );
}

/// A terminal that takes nothing until it is told to.
struct Stuck {
    go_on: Receiver<()>,
    buffer: Buffer,
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.go_on.recv();
        self.buffer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_terminal_that_hangs_does_not_hold_a_host_up() {
    let (release, go_on): (Sender<()>, Receiver<()>) = channel();
    let buffer = Buffer::default();
    let progress = in_lines(0, Box::new(Stuck { go_on, buffer: buffer.clone() }));
    let begin = Instant::now();
    for _ in 0..1000 {
        progress.observe(Some("a"), &ended(HostState::Clean, ""));
    }
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(buffer.text(), "");
    drop(release);
    progress.finish();
    assert_eq!(buffer.text().lines().count(), 1000);
}

struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn only_what_was_recorded_is_shown_and_a_broken_pipe_is_no_failure() {
    let buffer = Buffer::default();
    let sinks = Sinks {
        journal: Arc::new(MemorySink::failing_after(1)),
        progress: Arc::new(in_lines(0, Box::new(buffer.clone()))),
    };
    sinks.record(Some("a"), ended(HostState::Clean, "")).unwrap();
    assert!(sinks.record(Some("b"), ended(HostState::Clean, "")).is_err());
    assert!(sinks.store(b"x").is_err());
    sinks.progress.finish();
    assert_eq!(texts(&buffer), ["a clean"]);

    let (journal, progress) = (MemorySink::new(), in_lines(0, Box::new(Broken)));
    let tee = Tee { journal: &journal, progress: &progress };
    for _ in 0..100 {
        tee.record(Some("a"), ended(HostState::Clean, "")).unwrap();
    }
    progress.finish();
    assert_eq!(journal.records().len(), 100);
}

#[test]
fn quiet_shows_nothing_and_still_runs_what_is_to_be_run() {
    let buffer = Buffer::default();
    let target = ProgressDrawTarget::hidden();
    let progress = Progress::on(Mode::Quiet, 2, false, 2, target, Box::new(buffer.clone()));
    play(&progress);
    assert_eq!(progress.suspend(|| 7), 7);
    progress.finish();
    assert_eq!(buffer.text(), "");
}

/// A terminal in memory: everything that was ever drawn.
#[derive(Debug, Clone, Default)]
struct Screen(Arc<Mutex<String>>);

impl Screen {
    fn put(&self, text: &str) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        Ok(())
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        80
    }
    fn height(&self) -> u16 {
        24
    }
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn write_line(&self, text: &str) -> io::Result<()> {
        self.put(text)?;
        self.put("\n")
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.put(text)
    }
    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn bars_show_counts_and_the_slowest_host() {
    let screen = Screen::default();
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), DRAW_HZ);
    let progress = Progress::on(Mode::Bars, 0, false, 3, target, Box::new(io::sink()));
    progress.observe(None, &wave_started(3));
    progress.observe(Some("web01"), &started(Some("canary")));
    progress.observe(Some("web01"), &Event::HostActivity { doing: "collecting facts \x1b[2J".into() });
    progress.observe(Some("web02"), &started(Some("canary")));
    progress.observe(Some("web02"), &ended(HostState::Removed, ""));
    let drawn = |what: &str| {
        let until = Instant::now() + Duration::from_secs(10);
        while !screen.0.lock().unwrap().contains(what) {
            assert!(Instant::now() < until, "{what:?} was never drawn: {}", screen.0.lock().unwrap());
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    drawn("   1/3    1 removed");
    drawn("  collecting facts \\x1b[2J");
    progress.observe(Some("web01"), &ended(HostState::Failed, ""));
    drawn("   2/3    1 failed, 1 removed");
    progress.waiting_for("wave `rest` soaks \x1b[2J", Duration::from_secs(90));
    drawn("  wave `rest` soaks \\x1b[2J (1:30 left)");
    drawn("  wave `rest` soaks \\x1b[2J (1:29 left)");
    progress
        .observe(None, &Event::RunStopped { reason: "asked".into(), exit: crate::model::ExitCode::Stopped });
    drawn("run stopped: asked");
    progress.finish();
    progress.finish();
    assert!(!screen.0.lock().unwrap().contains("\x1b[2J"));
}
