//! The controller's steady clock.

use crate::model::event::SteadyTime;
use std::time::Duration;

/// The time since the controller was started, sleep included, and which boot that was.
#[must_use]
pub fn steady_now() -> SteadyTime {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    let millis = u64::try_from(steady().as_millis()).unwrap_or(u64::MAX);
    SteadyTime { boot: boot.map(|boot| boot.trim().to_owned()), millis }
}

/// The time since the controller was started: nobody can set it, and a suspended laptop counts.
#[must_use]
pub fn steady() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(clock);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}
