//! The host's side by its platform: which scripts are sent, and how their answers are read.

use super::windows::{self, WindowsPlace};
use super::{Place, Uploads, answer};
use crate::apply::reach::{Holder, LockAnswer, LockOrder, StepAnswer, StepOrder};
use crate::model::{Platform, Secret};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Where and how the host's side of a run works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// By a POSIX shell.
    Posix(Place),
    /// By Windows' `cmd.exe`.
    Windows(WindowsPlace),
}

impl Side {
    /// On a host of this platform, with a sign of life every `pulse` seconds at least.
    #[must_use]
    pub fn of(platform: Option<Platform>, pulse: u64) -> Self {
        match platform {
            Some(Platform::Windows) => {
                let place = WindowsPlace::default();
                Self::Windows(WindowsPlace { pulse: pulse.clamp(1, place.pulse), ..place })
            }
            Some(Platform::Macos) => Self::Posix(Place::macos().with_pulse(pulse)),
            Some(Platform::Linux) | None => Self::Posix(Place::linux().with_pulse(pulse)),
        }
    }

    /// Between two signs of life over the connection while a step is waited for, in seconds.
    #[must_use]
    pub fn pulse(&self) -> u64 {
        match self {
            Self::Posix(place) => place.pulse,
            Self::Windows(place) => place.pulse,
        }
    }

    /// The private directory, for messages.
    #[must_use]
    pub fn state(&self) -> &str {
        match self {
            Self::Posix(place) => &place.state,
            Self::Windows(_) => "%ProgramData%\\uproot",
        }
    }

    /// The script that takes the lock.
    ///
    /// # Errors
    /// Why it cannot be made; this and below.
    pub fn lock_script(&self, order: &LockOrder) -> Result<String, String> {
        match self {
            Self::Posix(place) => super::lock_script(place, order).map_err(said),
            Self::Windows(place) => windows::lock_script(place, order, &nonce()).map_err(said),
        }
    }

    /// The script that makes the lease last anew.
    ///
    /// # Errors
    /// As above.
    pub fn renew_script(&self, order: &LockOrder) -> Result<String, String> {
        match self {
            Self::Posix(place) => super::renew_script(place, order).map_err(said),
            Self::Windows(place) => windows::renew_script(place, order, &nonce()).map_err(said),
        }
    }

    /// The script that gives the lock back and leaves nothing.
    ///
    /// # Errors
    /// As above.
    pub fn release_script(&self, order: &LockOrder) -> Result<String, String> {
        match self {
            Self::Posix(place) => super::release_script(place, order).map_err(said),
            Self::Windows(place) => windows::release_script(place, order, &nonce()).map_err(said),
        }
    }

    /// The script that begins a step unless it is claimed, and waits for its end.
    ///
    /// # Errors
    /// As above.
    pub fn begin_script(
        &self,
        lock: &LockOrder,
        order: &StepOrder<'_>,
        secrets: &BTreeMap<String, Secret>,
        uploads: &Uploads,
    ) -> Result<String, String> {
        match self {
            Self::Posix(place) => super::begin_script(place, lock, order, secrets, uploads).map_err(said),
            Self::Windows(place) => {
                windows::begin_script(place, lock, order, secrets, uploads, &nonce()).map_err(said)
            }
        }
    }

    /// The script that tells what became of a step.
    ///
    /// # Errors
    /// As above.
    pub fn lookup_script(
        &self,
        lock: &LockOrder,
        order: &StepOrder<'_>,
        may_begin: bool,
    ) -> Result<String, String> {
        match self {
            Self::Posix(place) => super::lookup_script(place, lock, order, may_begin).map_err(said),
            Self::Windows(place) => {
                windows::lookup_script(place, lock, order, may_begin, &nonce()).map_err(said)
            }
        }
    }

    fn lines(&self, stdout: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Posix(_) => stdout,
            Self::Windows(_) => answer::windows_lines(&stdout),
        }
    }

    /// Reads the answer of `lock_script`.
    ///
    /// # Errors
    /// What is wrong with it; this and below.
    pub fn read_lock(&self, stdout: Vec<u8>) -> Result<LockAnswer, String> {
        answer::read_lock(&self.lines(stdout))
    }

    /// Reads the answer of `renew_script`: who has the lock, if it is not this run any more.
    ///
    /// # Errors
    /// As above.
    pub fn read_renewal(&self, stdout: Vec<u8>) -> Result<Option<Holder>, String> {
        answer::read_renewal(&self.lines(stdout))
    }

    /// Reads the answer of `release_script`: what is left and why, if anything is.
    ///
    /// # Errors
    /// As above.
    pub fn read_release(&self, stdout: Vec<u8>) -> Result<Option<String>, String> {
        answer::read_release(&self.lines(stdout))
    }

    /// Reads the answer of `begin_script` and `lookup_script`.
    ///
    /// # Errors
    /// As above.
    pub fn read_step(&self, stdout: &[u8], stderr: &[u8]) -> Result<StepAnswer, String> {
        match self {
            Self::Posix(_) => answer::read_step(stdout, stderr),
            Self::Windows(_) => answer::read_windows_step(stdout),
        }
    }
}

fn said(error: impl std::error::Error) -> String {
    error.to_string()
}

/// A name that nobody can guess, for the folder of one exchange.
fn nonce() -> String {
    Uuid::new_v4().simple().to_string()
}
