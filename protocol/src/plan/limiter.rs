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

/// Most to send and to receive. Zero is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Sent to all peers together.
    pub up: BytesPerSecond,
    /// Received from all together.
    pub down: BytesPerSecond,
    /// Sent to any one.
    pub peer_up: BytesPerSecond,
    /// Received from any one.
    pub peer_down: BytesPerSecond,
}

/// How long unused rate may be saved up. Short, so that the wire never sees more than the rate over any quarter second.
const BURST: Duration = Duration::from_millis(50);

/// Nothing was let through for so long: what is still missing on the wire will not come.
const FORGOTTEN: Duration = Duration::from_secs(1);
/// Pieces in which bytes are let through: many in a second, so that the wire sees a smooth rate; none smaller than a packet.
const PIECES_PER_SECOND: u64 = 50;
const PIECE_MIN: u64 = 1_200;
const PIECE_MAX: u64 = 64 << 10;

/// The bucket. A grant may overdraw it; the debt is then waited off, so large pieces pass whole and the rate still holds.
///
/// It meters the wire: bytes are paid for when they are let through, and what the wire carried beyond them (headers,
/// acknowledgements, repetitions) is paid for afterwards.
#[derive(Debug, Clone)]
pub struct Limiter {
    rate: BytesPerSecond,
    tokens: f64,
    updated: Timestamp,
    /// Bytes let through that the wire has not carried yet.
    ahead: u64,
    /// When the last of them were due.
    taken: Timestamp,
}

impl Limiter {
    /// A limiter that starts with no saved-up rate.
    pub fn new(rate: BytesPerSecond, now: Timestamp) -> Self {
        Self { rate, tokens: 0.0, updated: now, ahead: 0, taken: now }
    }

    /// The rate in force.
    pub fn rate(&self) -> BytesPerSecond {
        self.rate
    }

    /// Changes the rate from now on.
    pub fn set_rate(&mut self, rate: BytesPerSecond, now: Timestamp) {
        if rate == self.rate {
            return;
        }
        self.refill(now);
        self.rate = rate;
        self.tokens = self.tokens.min(self.burst());
        // What nobody limited is not owed.
        self.tokens = if rate.0 == 0 { 0.0 } else { self.tokens };
    }

    fn burst(&self) -> f64 {
        self.rate.0 as f64 * BURST.as_secs_f64()
    }

    fn refill(&mut self, now: Timestamp) {
        let earned = self.rate.0 as f64 * now.since(self.updated).as_secs_f64();
        self.tokens = (self.tokens + earned).min(self.burst());
        self.updated = self.updated.max(now);
        if now.since(self.taken) > FORGOTTEN {
            self.ahead = 0;
        }
    }

    /// Takes `bytes` now; returns how long to wait before moving them.
    pub fn take(&mut self, bytes: u64, now: Timestamp) -> Duration {
        if self.rate.0 == 0 {
            return Duration::ZERO;
        }
        self.refill(now);
        self.tokens -= bytes as f64;
        self.ahead += bytes;
        let wait = self.wait(now);
        self.taken = now + wait;
        wait
    }

    /// How long until nothing is owed.
    pub fn wait(&mut self, now: Timestamp) -> Duration {
        self.refill(now);
        if self.rate.0 == 0 || self.tokens >= 0.0 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(-self.tokens / self.rate.0 as f64)
    }

    /// The wire carried `bytes` since the last call, headers and all: what was not taken before is owed now.
    pub fn carried(&mut self, bytes: u64, now: Timestamp) {
        if self.rate.0 == 0 {
            return;
        }
        self.refill(now);
        let paid = bytes.min(self.ahead);
        self.ahead -= paid;
        self.tokens -= (bytes - paid) as f64;
    }
}

impl BytesPerSecond {
    /// The most to let through at once.
    pub fn piece(self) -> u64 {
        match self.0 {
            0 => PIECE_MAX,
            rate => (rate / PIECES_PER_SECOND).clamp(PIECE_MIN, PIECE_MAX),
        }
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

    /// A second of pieces with headers of 4 % and a retransmission of every tenth: what the wire sees is the rate.
    #[test]
    fn what_the_wire_carried_is_what_holds_the_rate() {
        for rate in [125_000, 1_250_000, 12_500_000].map(BytesPerSecond) {
            let (mut limiter, mut now, mut wire) = (Limiter::new(rate, Timestamp(0)), Timestamp(0), 0);
            while now < Timestamp(10_000_000) {
                now = now + limiter.take(rate.piece(), now);
                let carried = rate.piece() * 114 / 100;
                limiter.carried(carried, now);
                wire += carried;
            }
            let found = wire as f64 / now.since(Timestamp(0)).as_secs_f64();
            assert!((found / rate.0 as f64 - 1.0).abs() < 0.02, "{found} at {rate:?}");
        }
    }

    #[test]
    fn bytes_that_wait_in_a_buffer_are_paid_once() {
        let (rate, mut now) = (BytesPerSecond(1_000_000), Timestamp(0));
        let mut limiter = Limiter::new(rate, now);
        for _ in 0..20 {
            now = now + limiter.take(10_000, now);
        }
        limiter.carried(200_000, now);
        assert_eq!(limiter.wait(now), Duration::ZERO);
        limiter.carried(100_000, now);
        assert!(limiter.wait(now) >= Duration::from_millis(99));
    }

    #[test]
    fn what_never_came_is_forgotten() {
        let mut limiter = Limiter::new(BytesPerSecond(1_000_000), Timestamp(0));
        limiter.take(500_000, Timestamp(0));
        let later = Timestamp(0) + Duration::from_secs(60);
        limiter.carried(500_000, later);
        assert!(limiter.wait(later) >= Duration::from_millis(440));
    }

    #[test]
    fn zero_is_no_limit_and_rates_change_at_run_time() {
        let mut limiter = Limiter::new(BytesPerSecond(0), Timestamp(0));
        assert_eq!(limiter.take(u64::MAX / 2, Timestamp(5)), Duration::ZERO);
        limiter.set_rate(BytesPerSecond(1_000), Timestamp(10));
        assert!(limiter.take(1_000, Timestamp(10)) >= Duration::from_millis(940));
    }

    #[test]
    fn what_passed_without_a_limit_is_not_owed_under_a_later_one() {
        let mut limiter = Limiter::new(BytesPerSecond(0), Timestamp(0));
        limiter.carried(1 << 30, Timestamp(0));
        limiter.set_rate(BytesPerSecond(1_000), Timestamp(1));
        assert_eq!(limiter.take(1_000, Timestamp(1)), Duration::from_secs(1));
        limiter.set_rate(BytesPerSecond(0), Timestamp(1));
        limiter.set_rate(BytesPerSecond(1_000), Timestamp(2));
        assert_eq!(limiter.take(1_000, Timestamp(2)), Duration::from_secs(1));
    }
}
