//! What a path's delay is without us: its base, which moves with routes, and how much it wavers by itself.

use super::round::Round;
use crate::plan::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// The base is the least of so many minutes (RFC 6817): a longer route is believed after this time.
const MINUTES: usize = 10;
const MINUTE: Duration = Duration::from_secs(60);
/// The wavering is the least of so many rounds: our own steps change the queue in some rounds, not in all.
const ROUNDS: usize = 8;
/// Fewer delays than this do not show how far a path wavers.
const SAMPLES_MIN: u32 = 16;

/// The base delay: the least round trip of the last minutes.
#[derive(Debug, Clone, Default)]
pub(super) struct BaseDelay {
    /// By minute, the current one last.
    least: VecDeque<Duration>,
    minute_begun: Timestamp,
}

impl BaseDelay {
    pub(super) fn add(&mut self, now: Timestamp, delay: Duration) {
        if self.least.is_empty() || now.since(self.minute_begun) >= MINUTE {
            self.minute_begun = now;
            self.least.push_back(delay);
            if self.least.len() > MINUTES {
                self.least.pop_front();
            }
        } else if let Some(least) = self.least.back_mut() {
            *least = delay.min(*least);
        }
    }

    pub(super) fn get(&self) -> Option<Duration> {
        self.least.iter().min().copied()
    }
}

/// How far delays of one round trip lie apart where nothing changes: twice the path's jitter, if that is given as plus or
/// minus.
#[derive(Debug, Clone, Default)]
pub(super) struct Jitter {
    spreads: VecDeque<Duration>,
}

impl Jitter {
    pub(super) fn add(&mut self, round: &Round) {
        let shown = round.least.filter(|_| round.samples >= SAMPLES_MIN);
        if shown.is_none() || self.spreads.len() == ROUNDS {
            self.spreads.pop_front();
        }
        self.spreads.extend(shown.map(|least| round.most.saturating_sub(least)));
    }

    pub(super) fn get(&self) -> Duration {
        self.spreads.iter().min().copied().unwrap_or_default()
    }
}
