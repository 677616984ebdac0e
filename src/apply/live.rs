//! A real host: sessions of `transport`, the scripts of `remote`.
//!
//! An answer counts only if the script's end mark came with it, and then only in the form the script
//! has. Everything else is a lost connection: the host is asked again, and tells what it knows.

use super::Access;
use super::look::unreached_option;
use super::reach::{Holder, LockAnswer, LockOrder, Reach, StepAnswer, StepOrder, Unreached};
use super::remote::Side;
use crate::facts::{Facts, Questions};
use crate::model::{Cancel, ChangeGrant};
use crate::plan::PlannedHost;
use crate::transport::{
    Answer, BecomeResult, Changing, Limits, Probing, StreamEnd, TransportError, TransportErrorKind,
};
use std::time::{Duration, Instant};

/// Kept of what a script answers, in bytes: both ends of a stream and the signs of life of a day.
const KEEP: usize = 4 * 1024 * 1024;
/// Received of a script before its connection is cut, in bytes. The wrapper bounds a step's output.
const RECEIVE: u64 = 16 * 1024 * 1024;
/// For a script that waits for no step.
const SHORT: Duration = Duration::from_secs(120);
/// How much longer than the step itself its script may take.
const MARGIN: Duration = Duration::from_secs(90);
/// What a line carries at least, in bytes a second.
const SLOWEST: u64 = 16 * 1024;
/// Signs of life between two of which a connection is not given up.
const BEATS: u64 = 3;
/// How soon a cancel is noticed in a pause.
const GLANCE: Duration = Duration::from_millis(100);

/// A planned host, reached by its planned connection. Every call blocks its thread.
pub struct LiveHost<'a> {
    access: &'a Access,
    host: &'a PlannedHost,
    cancel: &'a Cancel,
    side: Side,
    session: Option<Session>,
    permitted: bool,
    order: Option<LockOrder>,
    started: Instant,
}

enum Session {
    Probing(Probing),
    Changing(Changing),
}

impl Session {
    fn probing(&mut self) -> &mut Probing {
        match self {
            Self::Probing(session) => session,
            Self::Changing(session) => session.probing(),
        }
    }
}

/// Why a script gave no answer.
enum NoAnswer {
    /// Root cannot be had, for this reason; nothing of the script was run.
    NotRoot(String),
    /// What became of it is not known.
    Lost(Unreached),
}

impl<'a> LiveHost<'a> {
    /// A host that is not connected yet.
    #[must_use]
    pub fn new(access: &'a Access, host: &'a PlannedHost, cancel: &'a Cancel) -> Self {
        let side = Side::of(host.platform, access.timeouts.idle.as_secs() / BEATS);
        Self {
            access,
            host,
            cancel,
            side,
            session: None,
            permitted: false,
            order: None,
            started: Instant::now(),
        }
    }

    fn unreached(&self, error: TransportError) -> Unreached {
        let remedy = if unreached_option(&error).is_some() { self.host.remedy.clone() } else { error.remedy };
        let cancelled = error.kind == TransportErrorKind::Cancelled || self.cancel.is_cancelled();
        Unreached { remedy, cancelled, ..Unreached::of(error.message, may_pass(error.kind)) }
    }

    fn lost(&self, reason: &str, may_pass: bool) -> Unreached {
        let address = &self.host.connection.address;
        let cancelled = self.cancel.is_cancelled();
        Unreached { cancelled, ..Unreached::of(format!("{address}: {reason}"), may_pass) }
    }

    /// An answer by which nothing could be told. The host may only have been unable to start a program this once, so it
    /// is asked again, on a new connection.
    fn unread(&self, reason: &str) -> Unreached {
        Unreached { unread: true, ..self.lost(reason, true) }
    }

    /// A session that may change the host, once that is permitted.
    fn changing(&mut self) -> Result<&mut Changing, Unreached> {
        if !self.permitted {
            return Err(self.lost("nothing may be changed on this host yet", false));
        }
        let session = self.session.take().ok_or_else(|| self.lost("it is not connected", true))?;
        let changing = match session {
            Session::Changing(session) => session,
            Session::Probing(session) => {
                session.into_changing(ChangeGrant::for_planned_host(&self.host.name))
            }
        };
        match self.session.insert(Session::Changing(changing)) {
            Session::Changing(session) => Ok(session),
            Session::Probing(_) => Err(lost_session()),
        }
    }

    /// Runs one of the host's scripts, as root.
    fn exchange(&mut self, script: &str, deadline: Duration) -> Result<Answer, NoAnswer> {
        let become_root = self.access.become_root(&self.host.connection);
        let idle = self.access.timeouts.idle.max(Duration::from_secs(self.side.pulse() * BEATS));
        let limits = Limits { deadline, idle: Some(idle), keep: KEEP, receive: RECEIVE };
        let cancel = self.cancel;
        let is_windows = matches!(self.side, Side::Windows(_));
        let session = self.changing().map_err(NoAnswer::Lost)?;
        let ran = if is_windows {
            session.run_cmd(script, limits, cancel)
        } else {
            session.run(script, become_root.as_ref(), limits, cancel)
        };
        let answer = match ran {
            Ok(answer) => answer,
            Err(error) => {
                self.session = None;
                return Err(NoAnswer::Lost(self.unreached(error)));
            }
        };
        if let BecomeResult::Failed { reason } = answer.become_result {
            return Err(NoAnswer::NotRoot(reason));
        }
        let lost = match &answer.end {
            StreamEnd::Complete { status: 0 } => {
                let cut = answer.stdout.is_truncated() || answer.stderr.is_truncated();
                if !cut {
                    return Ok(answer);
                }
                self.lost("its answer was too long", false)
            }
            StreamEnd::Complete { status } => self.unread(&format!("its script ended with status {status}")),
            StreamEnd::NoMarker { reason } => self.lost(&format!("its answer was cut off: {reason}"), true),
            StreamEnd::TimedOut { reason } | StreamEnd::Lost { reason } => {
                self.lost(&format!("the connection was lost: {reason}"), true)
            }
            StreamEnd::Flooded => self.lost("it sent too much, and was cut off", false),
            StreamEnd::Cancelled => self.lost("the run was cancelled", false),
        };
        self.session = None;
        Err(NoAnswer::Lost(lost))
    }

    /// The lock that was asked for last: whose the records on the host are.
    fn order(&self) -> Result<LockOrder, Unreached> {
        self.order.clone().ok_or_else(|| self.lost("its lock was never asked for", false))
    }

    /// Asks for what becomes of a step, and reads the answer.
    fn ask_step(&mut self, script: &str, order: &StepOrder<'_>) -> Result<StepAnswer, NoAnswer> {
        let work = if order.only_begin { SHORT } else { Duration::from_secs(order.step.timeout) + MARGIN };
        // Files take their time on a slow line before the step begins.
        let deadline = work + Duration::from_secs(script.len() as u64 / SLOWEST);
        let answer = self.exchange(script, deadline)?;
        self.side
            .read_step(&answer.stdout.bytes(), &answer.stderr.bytes())
            .map_err(|reason| NoAnswer::Lost(self.unread(&reason)))
    }
}

fn lost_session() -> Unreached {
    Unreached::of("it is not connected", true)
}

/// Whether the same attempt may go well a little later.
fn may_pass(kind: TransportErrorKind) -> bool {
    match kind {
        TransportErrorKind::Resolve
        | TransportErrorKind::Connect
        | TransportErrorKind::Handshake
        | TransportErrorKind::Lost
        | TransportErrorKind::TimedOut
        | TransportErrorKind::Local => true,
        TransportErrorKind::HostKeyUnknown
        | TransportErrorKind::HostKeyChanged
        | TransportErrorKind::Authentication
        | TransportErrorKind::Cancelled => false,
    }
}

impl Reach for LiveHost<'_> {
    async fn connect(&mut self) -> Result<(), Unreached> {
        // The old connection is closed before a new one counts against the server's limit.
        self.session = None;
        let session = self
            .access
            .connect(&self.host.name, &self.host.connection, self.cancel)
            .map_err(|error| self.unreached(error))?;
        self.session = Some(Session::Probing(session));
        Ok(())
    }

    async fn look(&mut self, questions: &Questions) -> Result<Facts, Unreached> {
        let Some(session) = &mut self.session else { return Err(self.lost("it is not connected", true)) };
        let PlannedHost { name, connection, .. } = self.host;
        let facts = self.access.collect(session.probing(), name, connection, questions, self.cancel);
        facts.map_err(|error| {
            self.session = None;
            self.unreached(error)
        })
    }

    fn permit(&mut self, grant: ChangeGrant) {
        self.permitted = grant.host() == self.host.name;
    }

    async fn lock(&mut self, order: &LockOrder) -> Result<LockAnswer, Unreached> {
        self.order = Some(order.clone());
        let script = match self.side.lock_script(order) {
            Ok(script) => script,
            Err(reason) => return Ok(LockAnswer::Refused(reason)),
        };
        match self.exchange(&script, SHORT) {
            Ok(answer) => self.side.read_lock(answer.stdout.bytes()).map_err(|reason| self.unread(&reason)),
            Err(NoAnswer::NotRoot(reason)) => Ok(LockAnswer::Refused(reason)),
            Err(NoAnswer::Lost(lost)) => Err(lost),
        }
    }

    async fn renew(&mut self) -> Result<Option<Holder>, Unreached> {
        let order = self.order()?;
        let script = self.side.renew_script(&order).map_err(|reason| self.lost(&reason, false))?;
        match self.exchange(&script, SHORT) {
            Ok(answer) => {
                self.side.read_renewal(answer.stdout.bytes()).map_err(|reason| self.unread(&reason))
            }
            Err(NoAnswer::NotRoot(reason)) => Err(self.lost(&reason, false)),
            Err(NoAnswer::Lost(lost)) => Err(lost),
        }
    }

    async fn begin(&mut self, order: &StepOrder<'_>) -> StepAnswer {
        let lock = match self.order() {
            Ok(lock) => lock,
            Err(lost) => return StepAnswer::Lost(lost),
        };
        // A run that is resumed may do without what no remaining step needs.
        let missing =
            order.step.uploads.iter().find(|upload| !self.access.uploads.contains_key(&upload.sha256));
        if let Some(upload) = missing {
            return StepAnswer::NotBegun(format!("its file `{}` is not at hand", upload.source));
        }
        let script = match self.side.begin_script(&lock, order, &self.access.secrets, &self.access.uploads) {
            Ok(script) => script,
            Err(reason) => return StepAnswer::NotBegun(reason),
        };
        match self.ask_step(&script, order) {
            Ok(answer) => answer,
            Err(NoAnswer::NotRoot(reason)) => StepAnswer::NotBegun(reason),
            Err(NoAnswer::Lost(lost)) => StepAnswer::Lost(lost),
        }
    }

    async fn lookup(&mut self, order: &StepOrder<'_>, may_begin: bool) -> StepAnswer {
        let script = self.order().and_then(|lock| {
            self.side.lookup_script(&lock, order, may_begin).map_err(|reason| self.lost(&reason, false))
        });
        let script = match script {
            Ok(script) => script,
            Err(lost) => return StepAnswer::Lost(lost),
        };
        match self.ask_step(&script, order) {
            Ok(answer) => answer,
            // What was begun cannot be seen without root.
            Err(NoAnswer::NotRoot(reason)) => StepAnswer::Lost(self.lost(&reason, false)),
            Err(NoAnswer::Lost(lost)) => StepAnswer::Lost(lost),
        }
    }

    async fn release(&mut self) -> Result<Option<String>, Unreached> {
        let order = self.order()?;
        let script = self.side.release_script(&order).map_err(|reason| self.lost(&reason, false))?;
        match self.exchange(&script, SHORT) {
            Ok(answer) => {
                self.side.read_release(answer.stdout.bytes()).map_err(|reason| self.unread(&reason))
            }
            Err(NoAnswer::NotRoot(reason)) => Ok(Some(format!("{}: {reason}", self.side.state()))),
            Err(NoAnswer::Lost(lost)) => Err(lost),
        }
    }

    /// Sleep of this machine included, where the system counts it.
    fn steady(&self) -> Duration {
        #[cfg(target_os = "linux")]
        {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
            if let (Ok(seconds), Ok(nanos)) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec)) {
                return Duration::new(seconds, nanos);
            }
        }
        self.started.elapsed()
    }

    async fn pause(&mut self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while !self.cancel.is_cancelled() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(GLANCE));
        }
        false
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}
