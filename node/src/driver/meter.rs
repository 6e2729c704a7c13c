//! How fast bytes come in: an average over a few seconds, for people.

use std::time::{Duration, Instant};

/// Time over which the average forgets.
const HORIZON: Duration = Duration::from_secs(4);

/// A rate of one release.
#[derive(Debug)]
pub(super) struct Meter {
    since: Instant,
    bytes: u64,
    rate: f64,
}

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, bytes: 0, rate: 0.0 }
    }

    pub(super) fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    pub(super) fn tick(&mut self, now: Instant) {
        let elapsed = now.duration_since(self.since).as_secs_f64();
        if elapsed > 0.0 {
            let share = (elapsed / HORIZON.as_secs_f64()).min(1.0);
            self.rate += share * (self.bytes as f64 / elapsed - self.rate);
            (self.since, self.bytes) = (now, 0);
        }
    }

    /// Bytes a second.
    pub(super) fn rate(&self) -> u64 {
        self.rate as u64
    }
}
