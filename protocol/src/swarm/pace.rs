//! How fast a peer delivers, hence how much to ask of it at once and how long its silence may last.
//!
//! Everything adapts to what this peer has shown: a fixed timeout is too long for a fibre and too short for a modem.

use crate::plan::time::Timestamp;
use std::time::Duration;

/// Time's worth of chunks kept in flight beside the round trip.
const PIPELINE: Duration = Duration::from_millis(500);
/// Round trips that the only peer's pipeline covers: one for the request, and two until a lost packet has come for which the
/// rest waits. With one, 3 % loss at 300 ms held a peer at a fifth of its link. Among several, the others fill the gap, and
/// more asked of one cannot be asked of them: 8 sites at 300 ms took 33.8 s instead of less than 33.5 (`tests/sim`).
const ROUND_TRIPS_ALONE: u32 = 3;
/// Samples without growth that end the start: one may be short of work, as while the first manifest page is read.
const START_SAMPLES: u32 = 3;
/// A pipeline has at least these bytes: four average chunks, so that an unmeasured lane is not idle between them.
pub(super) const WINDOW_BYTES_MIN: u64 = 256 << 10;
/// A peer that was measured to be slow has this many seconds' worth at least. More would sit in its queue while copies
/// turn up elsewhere: with 256 KiB throughout, 4 sites at 1 Mbit/s up among 8 cost the swarm a quarter of the time.
const SLOW_PIPELINE_SECONDS: u64 = 2;
/// But an average chunk.
const WINDOW_BYTES_SLOW: u64 = 64 << 10;
/// And at most these: 500 ms of 64 Mbit/s; what is queued at a peer cannot be asked elsewhere.
const WINDOW_BYTES_MAX: u64 = 4 << 20;
/// Requests are grouped to so much of a lane's rate: fewer messages, and the rest of the pipeline covers the round trip.
const BATCH: Duration = Duration::from_millis(250);
/// But not to less than an average chunk.
const BATCH_BYTES_MIN: u64 = 64 << 10;
/// Longest round trip that widens the pipeline: a geostationary hop is 0.6 s, more is a queue.
const LATENCY_MAX: Duration = Duration::from_secs(1);
/// Shortest busy time that gives a rate: less is one packet train.
const SAMPLE: Duration = Duration::from_millis(500);
/// But so much is no packet train, after this time: half a second of a gigabit passes before its pipeline is full otherwise.
const SAMPLE_BYTES: u64 = WINDOW_BYTES_MAX;
const SAMPLE_MIN: Duration = Duration::from_millis(50);
/// Shortest silence that counts as a stall: longer than a re-routed link's gap (leo: 15 s would be ideal, but peers that
/// answer are worth more; a stall only moves the work).
const SILENCE_MIN: Duration = Duration::from_secs(10);
/// Fewer bytes than this break no silence: a peer that sends one a second would hold up what it was asked for without end.
const SIGN_BYTES_MIN: u64 = 512;
/// Longest silence borne, however slow the peer was.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// Rate assumed for a peer that has delivered nothing yet, in bytes a second: 1 Mbit/s.
const RATE_UNKNOWN: u64 = 125_000;

/// What one peer has shown. Bytes are stored bytes of chunks.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace {
    /// Bytes asked for and not delivered as whole chunks.
    asked: u64,
    /// Bytes of those that have come as parts of unfinished chunks.
    partial: u64,
    /// Bytes a second while busy.
    rate: Option<u64>,
    start: Start,
    is_alone: bool,
    sample_bytes: u64,
    sample_busy: Duration,
    counted_until: Timestamp,
    /// Bytes since the last sign of life, too few for one.
    unsigned: u64,
    /// Shortest time seen from a request to its first byte.
    latency: Option<Duration>,
    first_ask: Option<Timestamp>,
    last_sign: Timestamp,
    last_delivery: Option<Timestamp>,
    /// Typical time between two signs of life while busy.
    gap: Duration,
}

/// The first seconds of the only peer: what was asked at a low rate cannot arrive at a high one, so twice the best rate is asked for until
/// it grows no more.
#[derive(Debug, Clone, Default)]
struct Start {
    best: u64,
    /// Samples in a row that were hardly better than the best.
    flat: u32,
}

impl Start {
    fn sample(&mut self, rate: u64) {
        if !self.is_over() {
            self.flat = if rate * 4 > self.best * 5 { 0 } else { self.flat + 1 };
            self.best = self.best.max(rate);
        }
    }

    fn is_over(&self) -> bool {
        self.flat >= START_SAMPLES
    }

    /// Bytes a second to ask for.
    fn rate(&self) -> u64 {
        self.best * 2
    }
}

impl Pace {
    /// A chunk was asked for.
    pub(super) fn ask(&mut self, now: Timestamp, bytes: u64) {
        if self.asked == 0 {
            self.last_sign = now;
            self.counted_until = now;
            self.first_ask = Some(now);
        }
        self.asked += bytes;
    }

    /// Its silence so far had a reason.
    pub(super) fn forgive(&mut self, now: Timestamp) {
        self.last_sign = self.last_sign.max(now);
    }

    /// A request was taken back or refused.
    pub(super) fn take_back(&mut self, bytes: u64) {
        self.asked = self.asked.saturating_sub(bytes);
        self.partial = self.partial.min(self.asked);
    }

    /// A part of a chunk came.
    pub(super) fn progress(&mut self, now: Timestamp, bytes: u64) {
        self.partial = (self.partial + bytes).min(self.asked);
        self.answered(now);
        self.unsigned += bytes;
        if self.unsigned >= SIGN_BYTES_MIN {
            let bytes = std::mem::take(&mut self.unsigned);
            self.sign_of_life(now, bytes);
        }
    }

    /// A whole chunk came; `expected` tells whether it was still asked for.
    pub(super) fn deliver(&mut self, now: Timestamp, bytes: u64, expected: bool) {
        let counted = bytes.min(self.partial);
        self.last_delivery = Some(now);
        self.answered(now);
        let unsigned = std::mem::take(&mut self.unsigned);
        self.sign_of_life(now, bytes - counted + unsigned);
        self.partial -= counted;
        if expected {
            self.asked = self.asked.saturating_sub(bytes);
        }
    }

    fn answered(&mut self, now: Timestamp) {
        if let Some(asked) = self.first_ask.take() {
            let latency = now.since(asked);
            self.latency = Some(self.latency.map_or(latency, |known| known.min(latency)));
        }
    }

    fn sign_of_life(&mut self, now: Timestamp, bytes: u64) {
        self.gap = (self.gap * 7 + now.since(self.last_sign)) / 8;
        self.last_sign = self.last_sign.max(now);
        self.sample_bytes += bytes;
        if self.asked > 0 {
            self.sample_busy += now.since(self.counted_until);
            self.counted_until = now;
        }
        let is_much = self.sample_bytes >= SAMPLE_BYTES && self.sample_busy >= SAMPLE_MIN;
        if self.sample_busy >= SAMPLE || is_much {
            let sample = self.sample_bytes * 1_000_000 / self.sample_busy.as_micros() as u64;
            self.start.sample(sample);
            self.rate = Some(self.rate.map_or(sample, |rate| (rate * 7 + sample * 3) / 10));
            self.sample_bytes = 0;
            self.sample_busy = Duration::ZERO;
        }
    }

    /// Measured rate in bytes a second.
    pub(super) fn rate(&self) -> Option<u64> {
        self.rate
    }

    /// Bytes asked for that have not come.
    pub(super) fn outstanding(&self) -> u64 {
        self.asked - self.partial
    }

    /// Whether there is anybody else to ask.
    pub(super) fn set_alone(&mut self, is_alone: bool) {
        self.is_alone = is_alone;
    }

    /// Bytes to keep in flight: half a second and the round trips at the measured rate.
    pub(super) fn window(&self) -> u64 {
        let latency = self.latency.unwrap_or_default().min(LATENCY_MAX);
        let starts = self.is_alone && !self.start.is_over();
        let time = PIPELINE + latency * if self.is_alone { ROUND_TRIPS_ALONE } else { 1 };
        let rate = self.rate.unwrap_or_default().max(if starts { self.start.rate() } else { 0 });
        let bytes = rate * time.as_micros() as u64 / 1_000_000;
        let min = match self.rate {
            // What half a second is trusted with, for as long as the round trips take.
            _ if starts => WINDOW_BYTES_MIN * time.as_millis() as u64 / PIPELINE.as_millis() as u64,
            Some(rate) => (rate * SLOW_PIPELINE_SECONDS).clamp(WINDOW_BYTES_SLOW, WINDOW_BYTES_MIN),
            None => WINDOW_BYTES_MIN,
        };
        bytes.clamp(min, WINDOW_BYTES_MAX)
    }

    /// Bytes worth a message: about [`BATCH`] at the measured rate, and half a pipeline before that is known.
    pub(super) fn batch(&self) -> u64 {
        let half = self.window() / 2;
        self.rate.map_or(half, |rate| (rate * BATCH.as_micros() as u64 / 1_000_000).max(BATCH_BYTES_MIN).min(half))
    }

    /// Time that what is outstanding and `more` bytes will take.
    pub(super) fn time_for(&self, more: u64) -> Duration {
        let rate = self.rate.unwrap_or(RATE_UNKNOWN).max(1);
        Duration::from_micros((self.outstanding() + more).saturating_mul(1_000_000) / rate)
    }

    /// When the last whole chunk came.
    pub(super) fn last_delivery(&self) -> Option<Timestamp> {
        self.last_delivery
    }

    /// When its silence becomes a stall, with `times` the usual patience; `None` while nothing is asked.
    pub(super) fn silent_at(&self, times: u32) -> Option<Timestamp> {
        (self.asked > 0).then(|| self.last_sign + (self.gap * 6).clamp(SILENCE_MIN, SILENCE_MAX) * times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp(millis * 1_000)
    }

    /// Delivers `bytes` each `every` ms for ten seconds with the pipeline never empty; returns the pace.
    fn steady(bytes: u64, every: u64) -> Pace {
        let mut pace = Pace::default();
        pace.ask(at(0), bytes * 2);
        for tick in 1..=10_000 / every {
            pace.ask(at(tick * every), bytes);
            pace.deliver(at(tick * every), bytes, true);
        }
        pace
    }

    #[test]
    fn window_follows_the_rate() {
        for (bytes, every, window) in
            [(64 << 10, 1_000, 128 << 10), (64 << 10, 26, 1_325_000), (64 << 10, 2, WINDOW_BYTES_MAX)]
        {
            let got = steady(bytes, every).window();
            assert!(got.abs_diff(window) * 20 <= window, "{bytes} B each {every} ms: {got}, expected {window}");
        }
    }

    #[test]
    fn a_fast_lane_is_known_soon_and_any_other_after_half_a_second() {
        for (bytes, known) in [(100 << 10, 50), (50 << 10, 82), (8 << 10, 500), (100, 500)] {
            let mut pace = Pace::default();
            let known_at = (1..1_000).find(|ms| {
                pace.ask(at(*ms - 1), bytes);
                pace.deliver(at(*ms), bytes, true);
                pace.rate().is_some()
            });
            assert_eq!(known_at, Some(known), "{bytes} B each ms");
        }
    }

    #[test]
    fn the_only_peer_is_asked_for_more() {
        let mut pace = steady(64 << 10, 26);
        pace.set_alone(true);
        let expected = 1_457_000;
        assert!(pace.window().abs_diff(expected) * 20 <= expected, "{}", pace.window());
        let mut new = Pace::default();
        new.set_alone(true);
        new.ask(at(0), 256 << 10);
        new.progress(at(300), 1 << 10);
        assert_eq!(new.window(), WINDOW_BYTES_MIN * 1_400 / 500);
    }

    #[test]
    fn patience_follows_the_gaps() {
        for (every, silence) in [(25, 10), (1_000, 10), (2_000, 10), (2_500, 10)] {
            let pace = steady(64 << 10, every);
            let until = pace.silent_at(1).expect("it has outstanding bytes") - at(10_000);
            assert_eq!(until.as_secs(), silence, "gaps of {every} ms");
        }
        let mut slow = steady(64 << 10, 2_000);
        (1..20).for_each(|turn| slow.progress(at(10_000 + turn * 8_000), SIGN_BYTES_MIN));
        assert!(slow.silent_at(1).expect("busy") > at(10_000 + 19 * 8_000) + SILENCE_MIN * 4);
        assert_eq!(Pace::default().silent_at(1), None);
    }

    #[test]
    fn a_trickle_is_silence() {
        let mut pace = steady(64 << 10, 25);
        let until = pace.silent_at(1);
        (1..500).for_each(|second| pace.progress(at(10_000 + second * 1_000), 1));
        assert_eq!(pace.silent_at(1), until);
        pace.progress(at(510_000), SIGN_BYTES_MIN);
        assert!(pace.silent_at(1) > until);
    }

    #[test]
    fn parts_count_once() {
        let mut pace = Pace::default();
        pace.ask(at(0), 100);
        pace.progress(at(10), 60);
        assert_eq!(pace.outstanding(), 40);
        pace.ask(at(11), 50);
        pace.deliver(at(20), 100, true);
        assert_eq!(pace.outstanding(), 50);
        pace.deliver(at(30), 70, false);
        assert_eq!(pace.outstanding(), 50);
        pace.take_back(50);
        assert_eq!((pace.outstanding(), pace.silent_at(1)), (0, None));
    }
}
