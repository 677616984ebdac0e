//! What is known of a run while it goes on, and how it reads. Pure: time comes in from outside.

use crate::model::event::StepResult;
use crate::model::output::escape_line;
use crate::model::{Event, HostState};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// So many lines wait for a slow terminal; older ones are left out, and counted.
const LINES_LIMIT: usize = 10_000;
/// So many of the slowest hosts are shown below the bars.
const SLOWEST: usize = 5;
/// The longest text that is kept of what a host does, in characters.
const DOING_LIMIT: usize = 200;

/// What progress needs of an event: no findings, no output.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen {
    WaveStarted { wave: String, hosts: usize },
    WaveEnded { wave: String, passed: bool, failures: usize, reason: Option<String> },
    HostStarted { wave: Option<String> },
    Activity { doing: String },
    StepBegun { step: String, summary: String },
    StepEnded { step: String, summary: String, result: StepResult, reason: Option<String>, millis: u64 },
    HostEnded { state: HostState, reason: String },
    WaveApproved { wave: String, operator: String },
    LockTaken { from: Option<String>, broken: bool },
    Left { what: String },
    Stopped { reason: String },
    Resumed { operator: String },
    Waiting { text: String, left: Option<Duration> },
}

impl Seen {
    /// What there is to see in an event, if anything.
    pub(super) fn of(event: &Event) -> Option<Self> {
        Some(match event {
            Event::WaveStarted { wave, hosts, .. } => Self::WaveStarted { wave: wave.clone(), hosts: *hosts },
            Event::WaveEnded { wave, passed, failures, reason, .. } => Self::WaveEnded {
                wave: wave.clone(),
                passed: *passed,
                failures: *failures,
                reason: reason.clone(),
            },
            Event::HostStarted { wave } => Self::HostStarted { wave: wave.clone() },
            Event::HostActivity { doing } => Self::Activity { doing: doing.clone() },
            Event::StepIntent { step, summary, .. } => {
                Self::StepBegun { step: step.clone(), summary: summary.clone() }
            }
            Event::StepOutcome { step, summary, result, reason, millis, .. } => Self::StepEnded {
                step: step.clone(),
                summary: summary.clone(),
                result: *result,
                reason: reason.clone(),
                millis: *millis,
            },
            Event::HostEnded { state, reason, .. } => {
                Self::HostEnded { state: *state, reason: reason.clone() }
            }
            Event::WaveApproved { wave, operator } => {
                Self::WaveApproved { wave: wave.clone(), operator: operator.clone() }
            }
            Event::LockTaken { from, broken, .. } if from.is_some() || *broken => {
                Self::LockTaken { from: from.clone(), broken: *broken }
            }
            Event::LockReleased { left: Some(what) } => Self::Left { what: what.clone() },
            Event::RunStopped { reason, .. } => Self::Stopped { reason: reason.clone() },
            Event::RunResumed { operator, .. } => Self::Resumed { operator: operator.clone() },
            _ => return None,
        })
    }
}

/// A run as far as it has come.
#[derive(Debug)]
pub(super) struct State {
    /// Nothing more will come.
    pub(super) closing: bool,
    verbosity: u8,
    /// Whether hosts that ended have a line without `-v`, too.
    plain: bool,
    /// The first is for hosts without a wave.
    bars: Vec<Bar>,
    active: BTreeMap<String, Active>,
    /// The hosts that ended, with the bar that counts each.
    ended: BTreeMap<String, (usize, HostState)>,
    /// What the waves wait for.
    waiting: Option<Waiting>,
    lines: VecDeque<String>,
    left_out: usize,
}

#[derive(Debug)]
struct Waiting {
    text: String,
    until: Option<Instant>,
}

#[derive(Debug)]
struct Bar {
    name: String,
    hosts: usize,
    counts: BTreeMap<HostState, usize>,
}

#[derive(Debug)]
struct Active {
    bar: usize,
    since: Instant,
    doing: String,
}

/// What is to be drawn.
#[derive(Debug, PartialEq)]
pub(super) struct Picture {
    /// One for each wave that was begun, in order.
    pub(super) bars: Vec<BarPicture>,
    /// What the waves wait for, and how long still.
    pub(super) waiting: Option<String>,
    /// The slowest hosts and what they do now.
    pub(super) slowest: Vec<String>,
}

/// One bar.
#[derive(Debug, PartialEq)]
pub(super) struct BarPicture {
    /// The wave's name.
    pub(super) name: String,
    /// How many hosts ended.
    pub(super) done: usize,
    /// How many hosts there are.
    pub(super) hosts: usize,
    /// How many ended in each state, worst first.
    pub(super) counts: String,
}

impl State {
    /// Before anything happened.
    pub(super) fn new(hosts: usize, plain: bool, verbosity: u8) -> Self {
        let all = Bar { name: "hosts".to_owned(), hosts, counts: BTreeMap::new() };
        Self {
            closing: false,
            verbosity,
            plain,
            bars: vec![all],
            active: BTreeMap::new(),
            ended: BTreeMap::new(),
            waiting: None,
            lines: VecDeque::new(),
            left_out: 0,
        }
    }

    /// Takes in what an earlier process of the run did, and says nothing of it.
    pub(super) fn recall(&mut self, past: impl Iterator<Item = (Option<String>, Seen)>, now: Instant) {
        let lines = std::mem::take(&mut self.lines);
        for (host, seen) in past {
            self.take(host.as_deref(), seen, now);
            self.lines.clear();
        }
        self.lines = lines;
        self.left_out = 0;
        // What was at work then is not any more.
        self.active.clear();
        self.waiting = None;
    }

    /// Takes in what happened at `now`.
    pub(super) fn take(&mut self, host: Option<&str>, seen: Seen, now: Instant) {
        match (host, seen) {
            (Some(host), seen) => self.take_of_host(host, seen, now),
            (None, seen) => self.take_of_run(seen, now),
        }
    }

    fn take_of_run(&mut self, seen: Seen, now: Instant) {
        match seen {
            Seen::WaveStarted { wave, hosts } => self.begin_wave(wave, hosts),
            Seen::WaveEnded { wave, passed, failures, reason } => {
                self.waiting = None;
                let word = if passed { "passed" } else { "stopped" };
                self.say(&format!("wave {wave} {word}: {failures} failures{}", because(reason)), 0);
            }
            Seen::WaveApproved { wave, operator } => {
                self.waiting = None;
                self.say(&format!("wave {wave} approved by {operator}"), 0);
            }
            Seen::Stopped { reason } => {
                self.waiting = None;
                self.tell(&format!("run stopped: {reason}"));
            }
            Seen::Resumed { operator } => self.tell(&format!("run resumed by {operator}")),
            Seen::Waiting { text, left } => self.wait(text, left, now),
            _ => {}
        }
    }

    /// A wave of a resumed run may be begun again.
    fn begin_wave(&mut self, wave: String, hosts: usize) {
        self.waiting = None;
        match self.bars.iter_mut().skip(1).find(|bar| bar.name == wave) {
            Some(bar) => {
                bar.hosts = hosts;
                self.say(&format!("wave {wave} goes on: {hosts} hosts"), 0);
            }
            None => {
                self.say(&format!("wave {wave} started: {hosts} hosts"), 0);
                self.bars.push(Bar { name: wave, hosts, counts: BTreeMap::new() });
            }
        }
    }

    fn wait(&mut self, text: String, left: Option<Duration>, now: Instant) {
        if text.is_empty() {
            self.waiting = None;
            return;
        }
        let until = left.and_then(|left| now.checked_add(left));
        let is_new = self.waiting.as_ref().is_none_or(|waiting| waiting.text != text);
        let waiting = Waiting { text, until };
        if is_new {
            self.say(&waiting.in_words(now), 0);
        }
        self.waiting = Some(waiting);
    }

    fn take_of_host(&mut self, host: &str, seen: Seen, now: Instant) {
        match seen {
            Seen::HostStarted { wave } => self.begin_host(host, wave.as_deref(), now),
            Seen::Activity { doing } => {
                let is_new = self.active.get(host).is_none_or(|active| active.doing != shortened(&doing));
                if is_new {
                    self.say(&format!("{host} {doing}"), if is_wait(&doing) { 0 } else { 2 });
                }
                self.doing(host, &doing);
            }
            Seen::StepBegun { step, summary } => {
                self.say(&format!("{host} step {step} begun: {summary}"), 2);
                self.doing(host, &format!("step {step}: {summary}"));
            }
            Seen::StepEnded { step, summary, result, reason, millis } => {
                let time = in_words(Duration::from_millis(millis));
                let word = result.word();
                self.say(&format!("{host} step {step} {word} ({time}): {summary}{}", because(reason)), 1);
            }
            Seen::LockTaken { from, broken } => {
                let how = if broken { "broke a live lock" } else { "took a lock over" };
                self.say(&format!("{host} {how}{}", because(from)), u8::from(!broken));
            }
            Seen::Left { what } => self.say(&format!("{host} something is left on the host: {what}"), 0),
            Seen::HostEnded { state, reason } => {
                let bar = self.active.remove(host).map_or(0, |active| active.bar);
                if let Some(counting) = self.bars.get_mut(bar) {
                    *counting.counts.entry(state).or_default() += 1;
                    self.ended.insert(host.to_owned(), (bar, state));
                }
                let reason = Some(reason).filter(|reason| !reason.is_empty());
                self.say(&format!("{host} {state}{}", because(reason)), u8::from(!self.plain));
            }
            _ => {}
        }
    }

    /// A host that is started again is not done any more.
    fn begin_host(&mut self, host: &str, wave: Option<&str>, now: Instant) {
        self.waiting = None;
        if let Some((bar, state)) = self.ended.remove(host)
            && let Some(bar) = self.bars.get_mut(bar)
            && let Some(count) = bar.counts.get_mut(&state)
        {
            *count = count.saturating_sub(1);
            bar.counts.retain(|_, count| *count > 0);
        }
        let bar = wave.and_then(|wave| self.bars.iter().rposition(|bar| bar.name == wave));
        let doing = "starting".to_owned();
        self.active.insert(host.to_owned(), Active { bar: bar.unwrap_or(0), since: now, doing });
    }

    fn doing(&mut self, host: &str, doing: &str) {
        if let Some(active) = self.active.get_mut(host) {
            active.doing = shortened(doing);
        }
    }

    /// Queues a line, if so many `-v` were given. On a terminal the bars tell of waves.
    fn say(&mut self, text: &str, verbosity: u8) {
        if self.verbosity >= verbosity && (self.plain || self.verbosity > 0) {
            self.tell(text);
        }
    }

    /// Queues a line.
    fn tell(&mut self, text: &str) {
        if self.lines.len() >= LINES_LIMIT {
            self.lines.pop_front();
            self.left_out += 1;
        }
        let clock = jiff::ZonedDateTime::now().strftime("%H:%M:%S").to_string();
        self.lines.push_back(format!("{clock} {}", escape_line(text)));
    }

    /// Whether there are lines to show.
    pub(super) fn has_lines(&self) -> bool {
        !self.lines.is_empty()
    }

    /// The lines to show; what had to be left out is told first.
    pub(super) fn take_lines(&mut self) -> Vec<String> {
        let left_out = std::mem::take(&mut self.left_out);
        let gap = (left_out > 0).then(|| format!("({left_out} lines left out: the terminal is too slow)"));
        gap.into_iter().chain(self.lines.drain(..)).collect()
    }

    /// What to draw at `now`.
    pub(super) fn picture(&self, now: Instant) -> Picture {
        // Hosts of waves leave the first bar empty, but for those that no wave was begun for.
        let has_waves = self.bars.len() > 1;
        let shown = self
            .bars
            .iter()
            .enumerate()
            .filter(|(index, bar)| *index > 0 || !has_waves || !bar.counts.is_empty());
        let bars = shown.map(|(index, bar)| bar.picture(index == 0 && has_waves)).collect();
        let mut active: Vec<(&String, &Active)> = self.active.iter().collect();
        active.sort_by_key(|(name, active)| (active.since, *name));
        let line = |(name, active): (&String, &Active)| {
            let time = in_words(now.saturating_duration_since(active.since));
            escape_line(&format!("{name}  {time}  {}", active.doing))
        };
        let is_over = |waiting: &&Waiting| waiting.until.is_some_and(|until| until <= now);
        let waiting = self.waiting.as_ref().filter(|waiting| !is_over(waiting));
        let waiting = waiting.map(|waiting| escape_line(&waiting.in_words(now)));
        Picture { bars, waiting, slowest: active.into_iter().take(SLOWEST).map(line).collect() }
    }
}

impl Bar {
    fn picture(&self, without_wave: bool) -> BarPicture {
        let done = self.counts.values().sum();
        let counts: Vec<String> =
            self.counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let (name, hosts) = if without_wave { ("no wave", done) } else { (self.name.as_str(), self.hosts) };
        BarPicture { name: escape_line(name), done, hosts, counts: counts.join(", ") }
    }
}

impl Waiting {
    fn in_words(&self, now: Instant) -> String {
        match self.until.map(|until| until.saturating_duration_since(now)) {
            // Rounded up: a wait that has just begun has all of its time left.
            Some(left) => {
                let left =
                    Duration::from_secs(left.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX));
                format!("{} ({} left)", self.text, in_words(left))
            }
            None => self.text.clone(),
        }
    }
}

/// Whether a host waits for something that may take long: a person wants to know without `-vv`.
fn is_wait(doing: &str) -> bool {
    ["connection lost", "rebooting", "waiting"].iter().any(|beginning| doing.starts_with(beginning))
}

fn shortened(doing: &str) -> String {
    doing.chars().take(DOING_LIMIT).collect()
}

fn because(reason: Option<String>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}

/// A time as short as it can be said: `0.4 s`, `12 s`, `3:07`, `1:02:03`.
fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(state: HostState) -> Seen {
        Seen::HostEnded { state, reason: String::new() }
    }

    #[test]
    fn counts_by_wave_and_shows_the_slowest_first() {
        let mut state = State::new(4, false, 0);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        state.take(None, Seen::WaveStarted { wave: "canary".into(), hosts: 3 }, start);
        for (index, host) in ["c", "a", "b"].into_iter().enumerate() {
            state.take(Some(host), Seen::HostStarted { wave: Some("canary".into()) }, at(index as u64));
        }
        state.take(Some("a"), Seen::Activity { doing: "collecting\x1b[2J facts".into() }, at(3));
        state.take(Some("b"), ended(HostState::Clean), at(70));
        state.take(Some("z"), ended(HostState::Skipped), at(70));
        let picture = state.picture(at(71));
        let bar = |name: &str, done, hosts, counts: &str| BarPicture {
            name: name.into(),
            done,
            hosts,
            counts: counts.into(),
        };
        assert_eq!(picture.bars, [bar("no wave", 1, 1, "1 skipped"), bar("canary", 1, 3, "1 clean")]);
        assert_eq!(picture.slowest, ["c  1:11  starting", "a  1:10  collecting\\x1b[2J facts"]);
    }

    #[test]
    fn a_wait_shows_the_time_left_until_it_is_over() {
        let mut state = State::new(2, false, 0);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let waiting = |text: &str, left: Option<u64>| Seen::Waiting {
            text: text.into(),
            left: left.map(Duration::from_secs),
        };
        let shown = |state: &State, seconds| state.picture(at(seconds)).waiting;
        state.take(None, waiting("wave `rest` soaks \x1b[2J", Some(1800)), start);
        assert_eq!(shown(&state, 0).as_deref(), Some("wave `rest` soaks \\x1b[2J (30:00 left)"));
        assert_eq!(shown(&state, 1770).as_deref(), Some("wave `rest` soaks \\x1b[2J (30 s left)"));
        assert_eq!(shown(&state, 1800), None, "it is over");
        state.take(None, waiting("wave `rest` needs approval", None), at(1800));
        assert_eq!(shown(&state, 9999).as_deref(), Some("wave `rest` needs approval"));
        state.take(None, Seen::WaveStarted { wave: "rest".into(), hosts: 2 }, at(9999));
        assert_eq!(shown(&state, 9999), None);
        for end in [Seen::HostStarted { wave: None }, Seen::Stopped { reason: "asked".into() }] {
            state.take(None, waiting("again", None), at(9999));
            assert!(shown(&state, 9999).is_some());
            state.take(Some("a").filter(|_| matches!(end, Seen::HostStarted { .. })), end, at(9999));
            assert_eq!(shown(&state, 9999), None);
        }
        state.take(None, waiting("again", None), at(9999));
        state.take(None, waiting("", None), at(9999));
        assert_eq!(shown(&state, 9999), None);
    }

    #[test]
    fn a_resumed_run_goes_on_where_its_bars_were() {
        let mut state = State::new(3, true, 0);
        let now = Instant::now();
        let wave = || Seen::WaveStarted { wave: "w".into(), hosts: 3 };
        let begin = || Seen::HostStarted { wave: Some("w".into()) };
        let host = |name: &str, seen| (Some(name.to_owned()), seen);
        let past = [
            (None, wave()),
            host("a", begin()),
            host("b", begin()),
            host("c", begin()),
            host("a", ended(HostState::Removed)),
            host("b", ended(HostState::Interrupted)),
        ];
        state.recall(past.into_iter(), now);
        assert!(!state.has_lines(), "nothing of it is new");
        let bar = |state: &State| {
            let picture = state.picture(now);
            assert_eq!(picture.bars.len(), 1);
            picture.bars.first().map(|bar| (bar.done, bar.counts.clone())).unwrap()
        };
        assert_eq!(bar(&state), (2, "1 interrupted, 1 removed".to_owned()));
        assert!(state.picture(now).slowest.is_empty(), "`c` is not at work any more");
        state.take(None, wave(), now);
        state.take(Some("b"), begin(), now);
        assert_eq!(bar(&state), (1, "1 removed".to_owned()));
        state.take(Some("b"), ended(HostState::Removed), now);
        assert_eq!(bar(&state), (2, "2 removed".to_owned()));
        assert!(state.take_lines().first().is_some_and(|line| line.ends_with("wave w goes on: 3 hosts")));
    }

    #[test]
    fn without_waves_there_is_one_bar_of_all_hosts() {
        let mut state = State::new(2, false, 0);
        let now = Instant::now();
        assert_eq!(state.picture(now).bars.first().map(|bar| (bar.done, bar.hosts)), Some((0, 2)));
        state.take(Some("a"), Seen::HostStarted { wave: None }, now);
        state.take(Some("a"), ended(HostState::Present), now);
        assert_eq!(state.picture(now).bars.first().map(|bar| (bar.done, bar.hosts)), Some((1, 2)));
        assert!(state.picture(now).slowest.is_empty());
        assert!(!state.has_lines(), "on a terminal the bars are enough");
    }

    #[test]
    fn a_slow_terminal_costs_lines_and_not_memory() {
        let mut state = State::new(1, true, 0);
        for _ in 0..LINES_LIMIT + 7 {
            state.take(Some("a"), ended(HostState::Clean), Instant::now());
        }
        let lines = state.take_lines();
        assert_eq!(lines.len(), LINES_LIMIT + 1);
        assert_eq!(lines[0], "(7 lines left out: the terminal is too slow)");
    }
}
