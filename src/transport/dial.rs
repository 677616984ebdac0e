//! TCP: names to addresses to a connection, within its time, and cut at once on cancel.

use super::run::words;
use super::{Target, TransportError, TransportErrorKind};
use crate::model::Cancel;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How soon a cancel is noticed while the system resolves a name or connects.
const GLANCE: Duration = Duration::from_millis(50);

/// Connects to the first of the target's addresses that answers.
///
/// The system's resolver and `connect` cannot be interrupted, so a thread of their own waits for
/// them; after a cancel it ends by itself when they do.
pub(super) fn dial(target: &Target, time: Duration, cancel: &Cancel) -> Result<TcpStream, TransportError> {
    let until = Instant::now() + time;
    let (sender, receiver) = sync_channel(1);
    let (address, port) = (target.address.clone(), target.port);
    let spawned = std::thread::Builder::new().name("dial".to_owned()).spawn(move || {
        // Nobody listens any more after a cancel.
        let _ = sender.send(resolve_and_connect(&address, port, time));
    });
    if let Err(error) = spawned {
        return Err(target.error(TransportErrorKind::Local, format!("no thread to connect with: {error}")));
    }
    loop {
        if cancel.is_cancelled() {
            return Err(target.cancelled());
        }
        match receiver.recv_timeout(GLANCE) {
            Ok(Ok(stream)) => {
                return match stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)) {
                    Ok(()) => Ok(stream),
                    Err(error) => Err(target.error(TransportErrorKind::Connect, error.to_string())),
                };
            }
            Ok(Err(failure)) => return Err(failure.into_error(target)),
            Err(RecvTimeoutError::Timeout) if Instant::now() < until + Duration::from_secs(1) => {}
            Err(_) => return Err(Failure::Resolve("no answer in time".to_owned()).into_error(target)),
        }
    }
}

enum Failure {
    Resolve(String),
    Connect(Vec<(SocketAddr, std::io::Error)>, Duration),
}

impl Failure {
    fn into_error(self, target: &Target) -> TransportError {
        match self {
            Self::Resolve(why) => {
                let message = format!("the name `{}` has no address: {why}", target.address);
                let remedy = format!("getent hosts {}", target.address);
                target.error(TransportErrorKind::Resolve, message).with_remedy(remedy)
            }
            Self::Connect(tries, time) => connect_error(target, &tries, time),
        }
    }
}

fn connect_error(target: &Target, tries: &[(SocketAddr, std::io::Error)], time: Duration) -> TransportError {
    // EMFILE, ENFILE: a fault of this machine.
    if tries.iter().any(|(_, error)| matches!(error.raw_os_error(), Some(23 | 24))) {
        let message = "this machine is out of file descriptors".to_owned();
        return target.error(TransportErrorKind::Local, message).with_remedy("ulimit -n 65536".to_owned());
    }
    let several = tries.len() > 1;
    let each: Vec<String> = tries
        .iter()
        .map(|(address, error)| {
            let why = match error.kind() {
                ErrorKind::TimedOut | ErrorKind::WouldBlock => format!("no answer in {}", words(time)),
                ErrorKind::ConnectionRefused => "connection refused".to_owned(),
                _ => error.to_string(),
            };
            if several { format!("{address}: {why}") } else { why }
        })
        .collect();
    let remedy = format!("nc -vz {} {}", target.address, target.port);
    target.error(TransportErrorKind::Connect, each.join("; ")).with_remedy(remedy)
}

fn resolve_and_connect(address: &str, port: u16, time: Duration) -> Result<TcpStream, Failure> {
    let started = Instant::now();
    let bare = address.trim_start_matches('[').trim_end_matches(']');
    let resolved: Vec<SocketAddr> =
        (bare, port).to_socket_addrs().map_err(|error| Failure::Resolve(error.to_string()))?.collect();
    if resolved.is_empty() {
        return Err(Failure::Resolve("none was found".to_owned()));
    }
    let mut tries = Vec::new();
    for (n, socket) in resolved.iter().enumerate() {
        let left = time.saturating_sub(started.elapsed());
        let share = left / u32::try_from(resolved.len() - n).unwrap_or(u32::MAX);
        match TcpStream::connect_timeout(socket, share.max(Duration::from_millis(100))) {
            Ok(stream) => return Ok(stream),
            Err(error) => tries.push((*socket, error)),
        }
    }
    Err(Failure::Connect(tries, time))
}

/// Shuts a connection down when its time is over, whatever its thread is doing.
///
/// The poll loop keeps the deadlines; but libssh2 does not return to it as long as a host keeps
/// sending what libssh2 itself consumes (lines before the banner, ignored messages).
pub(super) struct Watched {
    key: (Instant, u64),
}

struct Watchdog {
    watched: Mutex<Book>,
    changed: Condvar,
}

#[derive(Default)]
struct Book {
    entries: BTreeMap<(Instant, u64), (Arc<TcpStream>, Cancel)>,
    next: u64,
    running: bool,
}

/// How soon the watchdog acts on a cancel.
const ROUND: Duration = Duration::from_millis(250);
/// How long after the deadline: the poll loop goes first, with the better message.
const GRACE: Duration = Duration::from_millis(500);

fn watchdog() -> &'static Watchdog {
    static WATCHDOG: OnceLock<Watchdog> = OnceLock::new();
    WATCHDOG.get_or_init(|| Watchdog { watched: Mutex::default(), changed: Condvar::new() })
}

impl Watchdog {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_watch(&self) {
        let mut book = self.book();
        loop {
            let now = Instant::now();
            for ((until, _), (stream, cancel)) in &book.entries {
                if *until <= now || cancel.is_cancelled() {
                    // It fails only on a connection that is gone already.
                    let _ = stream.shutdown(Shutdown::Both);
                }
            }
            book = if book.entries.is_empty() {
                self.changed.wait(book).unwrap_or_else(PoisonError::into_inner)
            } else {
                self.changed.wait_timeout(book, ROUND).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }
}

/// Watches until the answer is dropped.
pub(super) fn watch(stream: &Arc<TcpStream>, deadline: Instant, cancel: &Cancel) -> Watched {
    let dog = watchdog();
    let mut book = dog.book();
    book.next += 1;
    let key = (deadline + GRACE, book.next);
    book.entries.insert(key, (Arc::clone(stream), cancel.clone()));
    if !book.running {
        // Without a thread only the poll loop keeps the deadlines, as it does for any other host.
        book.running = std::thread::Builder::new()
            .name("watchdog".to_owned())
            .stack_size(128 * 1024)
            .spawn(move || dog.keep_watch())
            .is_ok();
    }
    let first = book.entries.len() == 1;
    drop(book);
    if first {
        dog.changed.notify_one();
    }
    Watched { key }
}

impl Drop for Watched {
    fn drop(&mut self) {
        watchdog().book().entries.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::ConnectionKind;
    use std::net::TcpListener;

    fn target(address: &str, port: u16) -> Target {
        Target {
            name: "lab".to_owned(),
            kind: ConnectionKind::Ssh,
            address: address.to_owned(),
            port,
            user: "lab".to_owned(),
        }
    }

    #[test]
    fn a_connection_has_no_delay_and_does_not_block() {
        let listener = TcpListener::bind("127.88.1.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream =
            dial(&target("127.88.1.1", port), Duration::from_secs(2), &Cancel::new().unwrap()).unwrap();
        assert!(stream.nodelay().unwrap());
        let error = std::io::Read::read(&mut &stream, &mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }

    /// A listener whose queue is full answers nobody: as a host that drops packets.
    #[test]
    fn an_address_that_does_not_answer_costs_the_connect_timeout_and_obeys_cancel() {
        let listener = TcpListener::bind("127.88.1.2:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            queue.push(stream);
            assert!(queue.len() < 10_000);
        }
        let target = target("127.88.1.2", address.port());
        let started = Instant::now();
        let error = dial(&target, Duration::from_millis(700), &Cancel::new().unwrap()).unwrap_err();
        assert_eq!(error.kind, TransportErrorKind::Connect, "{error}");
        assert!(error.message.contains("no answer in 700 ms"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(2));
        let cancel = Cancel::new().unwrap();
        let other = cancel.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            other.cancel();
        });
        let started = Instant::now();
        let error = dial(&target, Duration::from_secs(20), &cancel).unwrap_err();
        assert_eq!(error.kind, TransportErrorKind::Cancelled, "{error}");
        assert!(started.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn the_watchdog_shuts_a_connection_at_its_deadline_or_on_cancel_and_no_other() {
        let listener = TcpListener::bind("127.88.1.3:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connect = || Arc::new(TcpStream::connect(address).unwrap());
        let (late, cancelled, spared, done) = (connect(), connect(), connect(), connect());
        let (never, cancel) = (Cancel::new().unwrap(), Cancel::new().unwrap());
        let now = Instant::now();
        let _watched = [
            watch(&late, now, &never),
            watch(&cancelled, now + Duration::from_secs(60), &cancel),
            watch(&spared, now + Duration::from_secs(60), &never),
        ];
        drop(watch(&done, now, &never));
        cancel.cancel();
        std::thread::sleep(GRACE + 3 * ROUND);
        let is_shut = |stream: &TcpStream| {
            stream.set_nonblocking(true).unwrap();
            std::io::Read::read(&mut &*stream, &mut [0]).is_ok_and(|count| count == 0)
        };
        assert!(is_shut(&late) && is_shut(&cancelled));
        assert!(!is_shut(&spared) && !is_shut(&done));
    }
}
