//! The clock, and an alarm on it that wakes the loop in time.
//!
//! What must stay true: it is exact to microseconds. The timeout of `epoll_wait` is not: rustix rounds it up to whole
//! milliseconds unless it is built for Linux 5.11 and later, which would hold for the product in the same build too; on that
//! timeout every packet was up to 1 ms late, and 2 % of them more.

use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const SECOND_NS: u64 = 1_000_000_000;

/// Nanoseconds on a clock that only goes forward.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * SECOND_NS + now.tv_nsec as u64
}

/// A timer that can be waited for.
pub(crate) struct Alarm {
    timer: OwnedFd,
    /// What it is set to; 0 when it has gone off.
    set_to: u64,
}

impl Alarm {
    pub(crate) fn new() -> Result<Self, Errno> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self { timer, set_to: 0 })
    }

    /// Goes off at this time, at once when it is past.
    pub(crate) fn set(&mut self, at: u64) -> Result<(), Errno> {
        if at == self.set_to {
            return Ok(());
        }
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Zero would mean that it never goes off.
        let at = at.max(1);
        let once = Timespec { tv_sec: (at / SECOND_NS) as i64, tv_nsec: (at % SECOND_NS) as i64 };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &Itimerspec { it_interval: never, it_value: once })?;
        self.set_to = at;
        Ok(())
    }

    /// It went off.
    pub(crate) fn clear(&mut self) {
        self.set_to = 0;
        // Nothing to read when it has been set again since.
        let _ = rustix::io::read(&self.timer, &mut [0; 8]);
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}
