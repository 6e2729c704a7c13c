//! A rate limit: a token bucket on time as an argument. One per direction and node; every chunk byte passes one.

use super::time::Timestamp;
use std::time::Duration;

/// Bytes a second; zero means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct BytesPerSecond(pub u64);

impl BytesPerSecond {
    /// From megabits a second as links are sold (10^6 bits).
    pub fn from_megabits(megabits: f64) -> Self {
        Self((megabits * 125_000.0) as u64)
    }
}

/// How long unused rate may be saved up. Short, so that the wire never sees more than the rate over any quarter second.
const BURST: Duration = Duration::from_millis(50);

/// The bucket. A grant may overdraw it; the debt is then waited off, so large chunks pass whole and the rate still holds.
#[derive(Debug, Clone)]
pub struct Limiter {
    rate: BytesPerSecond,
    tokens: f64,
    updated: Timestamp,
}

impl Limiter {
    /// A limiter that starts with no saved-up rate.
    pub fn new(rate: BytesPerSecond, now: Timestamp) -> Self {
        Self { rate, tokens: 0.0, updated: now }
    }

    /// The rate in force.
    pub fn rate(&self) -> BytesPerSecond {
        self.rate
    }

    /// Changes the rate from now on.
    pub fn set_rate(&mut self, rate: BytesPerSecond, now: Timestamp) {
        self.refill(now);
        self.rate = rate;
        self.tokens = self.tokens.min(self.burst());
    }

    fn burst(&self) -> f64 {
        self.rate.0 as f64 * BURST.as_secs_f64()
    }

    fn refill(&mut self, now: Timestamp) {
        let earned = self.rate.0 as f64 * now.since(self.updated).as_secs_f64();
        self.tokens = (self.tokens + earned).min(self.burst());
        self.updated = self.updated.max(now);
    }

    /// Takes `bytes` now; returns how long to wait before moving them.
    pub fn take(&mut self, bytes: u64, now: Timestamp) -> Duration {
        if self.rate.0 == 0 {
            return Duration::ZERO;
        }
        self.refill(now);
        self.tokens -= bytes as f64;
        if self.tokens >= 0.0 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(-self.tokens / self.rate.0 as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds_for(rate: u64, grant: u64, grants: u64) -> f64 {
        let mut limiter = Limiter::new(BytesPerSecond(rate), Timestamp(0));
        let mut now = Timestamp(0);
        for _ in 0..grants {
            now = now + limiter.take(grant, now);
        }
        now.since(Timestamp(0)).as_secs_f64()
    }

    #[test]
    fn holds_its_rate_for_any_grant_size() {
        for (rate, grant) in [(125_000, 1_400), (2_500_000, 65_536), (12_500_000, 262_144), (125_000, 262_144)] {
            let grants = 20 * rate / grant + 4;
            let ideal = (grant * grants) as f64 / rate as f64;
            let took = seconds_for(rate, grant, grants);
            assert!((took / ideal - 1.0).abs() < 0.02, "{rate} {grant}: {took} against {ideal}");
        }
    }

    #[test]
    fn idle_time_is_not_saved_up() {
        let mut limiter = Limiter::new(BytesPerSecond(1_000_000), Timestamp(0));
        let later = Timestamp(0) + Duration::from_secs(3600);
        let wait = limiter.take(1_000_000, later);
        assert!(wait > Duration::from_millis(940), "{wait:?}");
    }

    #[test]
    fn zero_is_no_limit_and_rates_change_at_run_time() {
        let mut limiter = Limiter::new(BytesPerSecond(0), Timestamp(0));
        assert_eq!(limiter.take(u64::MAX / 2, Timestamp(5)), Duration::ZERO);
        limiter.set_rate(BytesPerSecond(1_000), Timestamp(10));
        assert!(limiter.take(1_000, Timestamp(10)) >= Duration::from_millis(940));
    }
}
