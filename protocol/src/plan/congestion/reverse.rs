//! The queue on the way back, from time stamps of the other side's clock.
//!
//! What must stay true: a stamp may lie. It only ever shortens the queue that the controller sees, so it costs the link of a node that
//! believes it, which loss still stops. A wait on the way adds to the delay and never takes from it: the least of a few is used.

use crate::plan::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// Samples whose least is the delay of now: one alone may have waited to be sent.
const RECENT: Duration = Duration::from_millis(300);
/// The base is the least of so many periods. Short, because two clocks drift apart: by 5 ms at 40 ppm.
const PERIODS: usize = 4;
const PERIOD: Duration = Duration::from_secs(30);
/// Stamps kept at most, however fast they come.
const SAMPLES_MAX: usize = 64;

/// The way back of one path.
#[derive(Debug, Clone, Default)]
pub struct ReversePath {
    /// Arrival less stamp, in microseconds: the delay, and how far the clocks are apart.
    recent: VecDeque<(Timestamp, i64)>,
    /// Least by period, the current one last.
    least: VecDeque<i64>,
    period_begun: Timestamp,
}

impl ReversePath {
    /// A stamp arrived; the queue on the way back now.
    pub fn handle_stamp(&mut self, now: Timestamp, stamp: Timestamp) -> Duration {
        let delay = (now.0 as i64).wrapping_sub(stamp.0 as i64);
        self.recent.retain(|(at, _)| now.since(*at) < RECENT);
        if self.recent.len() == SAMPLES_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((now, delay));
        self.add_to_base(now, delay);
        let (Some(recent), Some(base)) = (self.recent.iter().map(|(_, delay)| *delay).min(), self.least.iter().min())
        else {
            return Duration::ZERO;
        };
        Duration::from_micros(recent.saturating_sub(*base).max(0) as u64)
    }

    fn add_to_base(&mut self, now: Timestamp, delay: i64) {
        if self.least.is_empty() || now.since(self.period_begun) >= PERIOD {
            self.period_begun = now;
            self.least.push_back(delay);
            if self.least.len() > PERIODS {
                self.least.pop_front();
            }
        } else if let Some(least) = self.least.back_mut() {
            *least = delay.min(*least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stamps each 50 ms over 30 ms of path, with `queue` at each.
    fn last(offset_us: i64, queues_ms: impl IntoIterator<Item = u64>) -> u64 {
        let mut path = ReversePath::default();
        let queue_at = |(turn, queue): (usize, u64)| {
            let sent = 1_000_000 + turn as u64 * 50_000;
            let stamp = Timestamp((sent as i64 + offset_us) as u64);
            path.handle_stamp(Timestamp(sent + 30_000 + queue * 1_000), stamp).as_millis() as u64
        };
        queues_ms.into_iter().enumerate().map(queue_at).last().unwrap_or_default()
    }

    #[test]
    fn the_queue_is_what_exceeds_the_base_whatever_the_clocks_say() {
        for offset in [0, -900_000, 5_000_000_000, i64::MAX / 2] {
            assert_eq!(last(offset, [0; 20]), 0);
            assert_eq!(last(offset, (0..20).map(|turn| if turn < 5 { 0 } else { 80 })), 80);
            // One that waited says nothing.
            assert_eq!(last(offset, (0..20).map(|turn| if turn == 19 { 80 } else { 10 * u64::from(turn > 3) })), 10);
            // It goes as fast as it comes.
            assert_eq!(last(offset, (0..20).map(|turn| if turn < 19 { 80 } else { 0 })), 0);
        }
    }

    #[test]
    fn a_longer_route_is_the_base_after_a_while() {
        assert_eq!(last(0, (0..200).map(|turn| u64::from(turn > 3) * 50)), 50);
        assert_eq!(last(0, (0..2_600).map(|turn| u64::from(turn > 3) * 50)), 0);
    }

    #[test]
    fn stamps_that_lie_are_bounded() {
        let mut path = ReversePath::default();
        for stamp in [0, u64::MAX, i64::MAX as u64, i64::MIN as u64, 1] {
            path.handle_stamp(Timestamp(10), Timestamp(stamp));
        }
        (0..10_000).for_each(|_| _ = path.handle_stamp(Timestamp(20), Timestamp(3)));
        assert!(path.recent.len() <= SAMPLES_MAX);
    }
}
