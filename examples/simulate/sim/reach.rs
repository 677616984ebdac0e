//! A host as its work sees it: every message takes time, may be lost on either way, and may be the
//! last thing the controller does.

use super::facts;
use super::host::{Claim, Locked, Millis, NEVER};
use super::world::Shared;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use uproot::apply::{Holder, LockAnswer, LockOrder, Reach, StepAnswer, StepOrder, Unreached};
use uproot::facts::{Facts, Questions};
use uproot::model::{BoundedOutput, ChangeGrant};

/// One simulated host, at the far end of a connection.
pub struct SimulatedHost {
    world: Shared,
    index: usize,
    /// Which of the host's epochs the connection belongs to.
    connection: Option<u64>,
    permitted: bool,
}

/// Gives way until a moment; for ever if the controller is dead.
struct Until {
    world: Shared,
    at: Millis,
}

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let mut world = self.world.lock();
        let task = world.task;
        if !world.dead && world.now >= self.at {
            return Poll::Ready(());
        }
        let wake = if world.dead { NEVER } else { self.at };
        if let Some(slot) = world.wakes.get_mut(task) {
            *slot = wake;
        }
        Poll::Pending
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passage {
    Arrives,
    /// It is not acted upon.
    LostOnTheWay,
    /// It is acted upon, and the answer does not come.
    AnswerLost,
    /// It is not acted upon, and the host says something that cannot be read.
    Unread,
    /// It is acted upon, and the answer cannot be read.
    AnswerUnread,
}

fn lost(reason: &str) -> Unreached {
    Unreached::of(reason, true)
}

fn cancelled() -> Unreached {
    Unreached { may_pass: false, cancelled: true, ..lost("the run was cancelled") }
}

fn output(text: &str) -> BoundedOutput {
    let mut output = BoundedOutput::with_limit(4096);
    output.push(text.as_bytes());
    output
}

impl SimulatedHost {
    /// Not connected yet.
    pub fn new(world: Shared, index: usize) -> Self {
        Self { world, index, connection: None, permitted: false }
    }

    async fn until(&self, at: Millis) {
        Until { world: self.world.clone(), at }.await;
    }

    async fn sleep(&self, time: Millis) {
        let at = self.world.lock().now + time.max(1);
        self.until(at).await;
    }

    async fn latency(&self) {
        let time = {
            let mut world = self.world.lock();
            if world.random.chance(5) { world.random.between(200, 3000) } else { world.random.between(1, 30) }
        };
        self.sleep(time).await;
    }

    fn is_connected(&self) -> bool {
        let world = self.world.lock();
        world.hosts.get(self.index).is_some_and(|host| host.up && self.connection == Some(host.epoch))
    }

    /// The connection is found to be broken, after a while.
    async fn broken(&mut self, what: &str) -> Unreached {
        self.connection = None;
        let time = {
            let mut world = self.world.lock();
            world.check.lost(self.index);
            let name = world.hosts[self.index].name.clone();
            world.tell(|| format!("{name}: {what}: the connection is lost"));
            let long = world.random.chance(30);
            if long { world.random.between(10_000, 60_000) } else { world.random.between(1, 500) }
        };
        self.sleep(time).await;
        if self.world.lock().cancelled { cancelled() } else { lost("the connection was lost") }
    }

    /// The host answers something that cannot be read.
    fn not_told(&self, what: &str) -> Unreached {
        let mut world = self.world.lock();
        world.check.lost(self.index);
        let name = world.hosts[self.index].name.clone();
        world.tell(|| format!("{name}: {what}: the answer cannot be read"));
        Unreached { unread: true, ..lost("it could not tell") }
    }

    /// Whether what the host says now is lost in one way or another.
    fn loses(&self) -> bool {
        let mut world = self.world.lock();
        let loses = world.hosts[self.index].loses;
        world.random.chance(loses)
    }

    /// Sends a message; `act` is what the host does with it.
    async fn exchange<T>(
        &mut self,
        what: &str,
        act: impl FnOnce(&mut super::world::World, usize) -> T,
    ) -> Result<T, Unreached> {
        let passage = {
            let mut world = self.world.lock();
            world.operation(false);
            if world.cancelled {
                return Err(cancelled());
            }
            let loses = world.hosts[self.index].loses;
            // What cannot be read of a look is a gap in its facts.
            let kinds = if what == "look" { 1 } else { 3 };
            match (world.random.chance(loses), world.random.between(0, kinds)) {
                (false, _) => Passage::Arrives,
                (true, 0) => Passage::LostOnTheWay,
                (true, 1) => Passage::AnswerLost,
                (true, 2) => Passage::Unread,
                (true, _) => Passage::AnswerUnread,
            }
        };
        self.latency().await;
        if !self.is_connected() || passage == Passage::LostOnTheWay {
            return Err(self.broken(what).await);
        }
        if passage == Passage::Unread {
            return Err(self.not_told(what));
        }
        let value = {
            let mut world = self.world.lock();
            let value = act(&mut world, self.index);
            world.operation(true);
            value
        };
        self.latency().await;
        if !self.is_connected() || passage == Passage::AnswerLost {
            return Err(self.broken(what).await);
        }
        if passage == Passage::AnswerUnread { Err(self.not_told(what)) } else { Ok(value) }
    }

    /// Waits for the end of what a claim runs, as long as it may take.
    async fn await_end(&mut self, order: &StepOrder<'_>) -> StepAnswer {
        loop {
            if self.world.lock().cancelled {
                return StepAnswer::Lost(cancelled());
            }
            if !self.is_connected() {
                return StepAnswer::Lost(self.broken("while a step runs").await);
            }
            let seen = self.see(order);
            let wake = match seen {
                Seen::Answer(answer) => {
                    self.world.lock().operation(true);
                    self.latency().await;
                    if !self.is_connected() {
                        return StepAnswer::Lost(self.broken("when a step had ended").await);
                    }
                    if self.loses() {
                        return StepAnswer::Lost(self.not_told("when a step had ended"));
                    }
                    return answer;
                }
                Seen::Wait(wake) => wake,
            };
            self.until(wake).await;
        }
    }

    fn see(&self, order: &StepOrder<'_>) -> Seen {
        let mut world = self.world.lock();
        let (now, next) = (world.now, world.next_event());
        let host = &mut world.hosts[self.index];
        let awaited = host.awaits(order.claim);
        let Some(claims) = host.runs.get_mut(super::RUN) else { return Seen::Answer(StepAnswer::Forgotten) };
        let claim = match claims.get(order.claim) {
            Some(claim) => claim,
            None if awaited => return Seen::Wait(next.max(now + 1)),
            // The wrapper died: nothing of it will ever run.
            None => claims.entry(order.claim.to_owned()).or_insert(Claim::Void),
        };
        match claim {
            Claim::Void => Seen::Answer(StepAnswer::NotBegun("it was called off".to_owned())),
            Claim::Begun { status: Some(status), output: said, .. } => Seen::Answer(StepAnswer::Ended {
                status: *status,
                stdout: output(said),
                stderr: BoundedOutput::default(),
            }),
            Claim::Begun { boot, process, started, output: said, .. } => {
                let (boot, said, started) = (*boot, *said, *started);
                let runs = host.processes.iter().any(|running| running.id == *process);
                if !runs {
                    return Seen::Answer(StepAnswer::CutOff {
                        by_reboot: boot != host.boot,
                        stdout: output(said),
                        stderr: BoundedOutput::default(),
                    });
                }
                let deadline = started + order.step.timeout * 1000;
                if now >= deadline || order.only_begin {
                    return Seen::Answer(StepAnswer::Running {
                        reason: format!("it runs since {} s", (now - started) / 1000),
                        stdout: output(said),
                        stderr: BoundedOutput::default(),
                    });
                }
                // The script renews the lease while it waits.
                host.renew_while_waiting(now);
                Seen::Wait(deadline.min(next).max(now + 1))
            }
        }
    }
}

enum Seen {
    Answer(StepAnswer),
    Wait(Millis),
}

/// What the script that begins a step says at once.
enum Sent {
    Wrapper,
    Lost(Holder),
    Refused,
}

fn holder(run: String, left: Millis) -> Holder {
    Holder { owner: format!("someone of {run}"), run, expires: left / 1000 }
}

impl Reach for SimulatedHost {
    async fn connect(&mut self) -> Result<(), Unreached> {
        self.connection = None;
        {
            let mut world = self.world.lock();
            world.check.approached(self.index);
            world.operation(false);
            if world.cancelled {
                return Err(cancelled());
            }
        }
        self.latency().await;
        let refused = {
            let mut world = self.world.lock();
            let now = world.now;
            let host = &world.hosts[self.index];
            let (answers, for_good, epoch) = (host.answers(now), host.refuses_for_good, host.epoch);
            if answers {
                self.connection = Some(epoch);
                None
            } else {
                world.check.lost(self.index);
                Some(for_good)
            }
        };
        match refused {
            None => {
                self.latency().await;
                Ok(())
            }
            Some(for_good) => {
                let time = self.world.lock().random.between(1, 10_000);
                self.sleep(time).await;
                Err(Unreached { may_pass: !for_good, ..lost("connection refused") })
            }
        }
    }

    async fn look(&mut self, questions: &Questions) -> Result<Facts, Unreached> {
        let untold = self.loses();
        self.exchange("look", |world, index| {
            let whole = world.check.is_whole(questions);
            let host = &mut world.hosts[index];
            let gappy = whole && host.gappy_looks > 0;
            if whole {
                host.gappy_looks = host.gappy_looks.saturating_sub(1);
                host.last_look_gappy = gappy;
            }
            let mut facts = facts::look(host, questions, gappy);
            if untold {
                facts.identity.machine_id = None;
                let name = host.name.clone();
                world.check.lost(index);
                world.tell(|| format!("{name}: look: it does not tell which machine it is"));
            }
            facts
        })
        .await
    }

    fn permit(&mut self, grant: ChangeGrant) {
        let mut world = self.world.lock();
        let right = world.hosts.get(self.index).is_some_and(|host| host.name == grant.host());
        world.check.must(right, || format!("the grant of `{}` was used for another host", grant.host()));
        self.permitted = true;
    }

    async fn lock(&mut self, order: &LockOrder) -> Result<LockAnswer, Unreached> {
        {
            let mut world = self.world.lock();
            let permitted = self.permitted;
            world.check.must(permitted, || "a lock was asked for without a grant".to_owned());
            world.check.lock_ordered(self.index);
        }
        let locked = self
            .exchange("lock", |world, index| {
                let now = world.now;
                let locked = world.hosts[index].take_lock(now, &order.run, order.break_lock);
                let name = world.hosts[index].name.clone();
                world.tell(|| format!("{name}: lock: {locked:?}"));
                if let Locked::Taken { broken, .. } = locked {
                    world.check.lock_taken(index, broken);
                }
                locked
            })
            .await?;
        Ok(match locked {
            Locked::Taken { from, broken, records } => LockAnswer::Taken { from, broken, records },
            Locked::Held { run, left } => LockAnswer::Held(holder(run, left)),
            Locked::Refused => LockAnswer::Refused("the file system is read-only".to_owned()),
        })
    }

    async fn renew(&mut self) -> Result<Option<Holder>, Unreached> {
        let renewed = self
            .exchange("renew", |world, index| {
                let now = world.now;
                world.hosts[index].renew(now, super::RUN)
            })
            .await?;
        Ok(renewed.map(|(run, left)| holder(run, left)))
    }

    async fn begin(&mut self, order: &StepOrder<'_>) -> StepAnswer {
        {
            let mut world = self.world.lock();
            let permitted = self.permitted;
            world.check.must(permitted, || "a step was begun without a grant".to_owned());
        }
        let sent = self
            .exchange("begin", |world, index| {
                let (now, delay) = (world.now, world.wrapper_delay);
                let refused = world.random.chance(world.check.begin_refused);
                let after = if world.random.chance(20) { world.random.between(0, delay) } else { 1 };
                let host = &mut world.hosts[index];
                if let Some((run, left)) = host.renew(now, super::RUN) {
                    return Sent::Lost(holder(run, left));
                }
                let Some(claims) = host.runs.get_mut(super::RUN) else { return Sent::Wrapper };
                if refused {
                    claims.entry(order.claim.to_owned()).or_insert(Claim::Void);
                    return Sent::Refused;
                }
                host.send_wrapper(now + after, order.claim, &order.step.id);
                Sent::Wrapper
            })
            .await;
        match sent {
            Err(unreached) => StepAnswer::Lost(unreached),
            Ok(Sent::Lost(holder)) => StepAnswer::LockLost(holder),
            Ok(Sent::Refused | Sent::Wrapper) => self.await_end(order).await,
        }
    }

    async fn lookup(&mut self, order: &StepOrder<'_>, may_begin: bool) -> StepAnswer {
        let looked = self
            .exchange("lookup", |world, index| {
                let now = world.now;
                let host = &mut world.hosts[index];
                host.renew_while_waiting(now);
                let Some(claims) = host.runs.get_mut(super::RUN) else {
                    return Some(StepAnswer::Forgotten);
                };
                if claims.contains_key(order.claim) {
                    return None;
                }
                if !may_begin {
                    claims.insert(order.claim.to_owned(), Claim::Void);
                }
                Some(StepAnswer::NotBegun("no claim is there".to_owned()))
            })
            .await;
        match looked {
            Err(unreached) => StepAnswer::Lost(unreached),
            Ok(Some(answer)) => answer,
            Ok(None) => self.await_end(order).await,
        }
    }

    async fn release(&mut self) -> Result<Option<String>, Unreached> {
        self.exchange("release", |world, index| {
            let left = world.hosts[index].release(super::RUN);
            let name = world.hosts[index].name.clone();
            world.tell(|| format!("{name}: release: {left:?}"));
            left
        })
        .await
    }

    fn steady(&self) -> Duration {
        self.world.lock().steady()
    }

    async fn pause(&mut self, time: Duration) -> bool {
        let end = self.world.lock().now + u64::try_from(time.as_millis()).unwrap_or(NEVER / 2).max(1);
        self.until(end).await;
        !self.world.lock().cancelled
    }

    fn is_cancelled(&self) -> bool {
        self.world.lock().cancelled
    }
}
