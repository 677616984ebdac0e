//! Cancellation that a thread blocked in `poll` notices at once.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that many threads share. A clone is the same flag.
///
/// `fd()` becomes readable for ever when it is set, so that a poll on a socket can wait for it too.
#[derive(Debug, Clone)]
pub struct Cancel {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    set: AtomicBool,
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Cancel {
    /// A flag that is not set.
    ///
    /// # Errors
    /// When the system gives no pipe (out of file descriptors).
    pub fn new() -> std::io::Result<Self> {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        Ok(Self { inner: Arc::new(Inner { set: AtomicBool::new(false), reader, writer }) })
    }

    /// Sets the flag and wakes every poll that waits on `fd()`. Safe to call more than once.
    pub fn cancel(&self) {
        if !self.inner.set.swap(true, Ordering::SeqCst) {
            // The pipe is never read, so one byte keeps it readable; a write of one byte to an
            // empty pipe cannot block, and a failure leaves the flag, which loops check as well.
            let _ = rustix::io::write(&self.inner.writer, &[1]);
        }
    }

    /// Whether it was set.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.inner.set.load(Ordering::SeqCst)
    }

    /// Readable once the flag is set.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.inner.reader.as_fd()
    }
}
