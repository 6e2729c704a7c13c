//! Bulk rates through a day: spans of hours with rates of their own; an hour in no span is closed.

use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Hours in which bulk traffic may flow, and how fast. `to` may be the smaller number: over midnight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Hour at which it begins.
    pub from: u32,
    /// Hour at which it ends.
    pub to: u32,
    /// Uplink in Mbit/s.
    pub up: f64,
    /// Downlink in Mbit/s.
    pub down: f64,
}

impl Span {
    fn contains(&self, hour: u32) -> bool {
        match self.from <= self.to {
            true => (self.from..self.to).contains(&hour),
            false => hour >= self.from || hour < self.to,
        }
    }
}

/// Rates (up, down) at a time of day; `None` when closed. Without spans it is always open.
pub(crate) fn rates(spans: &[Span], always: (f64, f64), time_of_day: Duration) -> Option<(f64, f64)> {
    let hour = (time_of_day.as_secs() % DAY.as_secs() / HOUR.as_secs()) as u32;
    match spans {
        [] => Some(always),
        _ => spans.iter().find(|span| span.contains(hour)).map(|span| (span.up, span.down)),
    }
}

/// Time from a time of day until the next full hour.
pub(crate) fn until_next_hour(time_of_day: Duration) -> Duration {
    HOUR - Duration::from_micros((time_of_day.as_micros() % HOUR.as_micros()) as u64)
}

/// Seconds from a time of day until so many megabits could have come down; `None` when never.
pub(crate) fn seconds_down(spans: &[Span], always: (f64, f64), starts: Duration, megabits: f64) -> Option<f64> {
    /// Longest time looked at, in hours: a month.
    const HOURS_MAX: u32 = 31 * 24;
    let (mut left, mut passed) = (megabits, Duration::ZERO);
    for _ in 0..HOURS_MAX {
        let step = until_next_hour(starts + passed);
        let rate = rates(spans, always, starts + passed).map_or(0.0, |(_, down)| down);
        if rate * step.as_secs_f64() >= left {
            return Some(passed.as_secs_f64() + left / rate.max(f64::MIN_POSITIVE));
        }
        left -= rate * step.as_secs_f64();
        passed += step;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const NIGHT: Span = Span { from: 22, to: 6, up: 5.0, down: 20.0 };

    #[test]
    fn a_night_spans_midnight_and_the_day_is_closed() {
        for (hour, open) in [(21, false), (22, true), (23, true), (0, true), (5, true), (6, false), (29, true)] {
            let rates = rates(&[NIGHT], (1.0, 1.0), HOUR * hour + Duration::from_secs(1));
            assert_eq!(rates.is_some(), open, "{hour}");
        }
        assert_eq!(rates(&[], (1.0, 2.0), HOUR), Some((1.0, 2.0)));
    }

    #[test]
    fn what_does_not_fit_before_the_window_closes_waits_for_the_next() {
        let seconds = |starts: u32, megabits| seconds_down(&[NIGHT], (0.0, 0.0), HOUR * starts, megabits);
        assert_eq!(seconds(22, 2_000.0), Some(100.0));
        assert_eq!(seconds(21, 2_000.0), Some(3_700.0));
        // One hour of 20 Mbit/s before 06:00, then sixteen closed ones.
        assert_eq!(seconds(5, 72_000.0 + 2_000.0), Some(17.0 * 3_600.0 + 100.0));
        assert_eq!(seconds_down(&[Span { from: 1, to: 1, ..NIGHT }], (0.0, 0.0), HOUR, 1.0), None);
    }
}
