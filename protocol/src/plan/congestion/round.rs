//! What is gathered between two decisions: an acknowledgement's packets, and a round trip's acknowledgements.

use crate::plan::time::Timestamp;
use std::time::Duration;

/// How many acknowledgements a recent delay is the least of.
const RECENT: usize = 8;

/// The packets of one acknowledgement.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    pub(super) bytes: u64,
    /// When the newest of them was sent.
    pub(super) newest: Option<Timestamp>,
    /// The round trip of that packet, with the other side's timer in it if it was a single one.
    pub(super) delay: Duration,
}

impl Batch {
    pub(super) fn add(&mut self, now: Timestamp, sent: Timestamp, bytes: u64) {
        self.bytes += bytes;
        if self.newest.is_none_or(|newest| sent >= newest) {
            self.newest = Some(sent);
            self.delay = now.since(sent);
        }
    }
}

/// One round trip: until a packet that was sent after its begin has been acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Round {
    pub(super) begun: Timestamp,
    pub(super) acked: u64,
    pub(super) lost: u64,
    pub(super) least: Option<Duration>,
    pub(super) most: Duration,
    pub(super) samples: u32,
    /// At some time there was nothing to send.
    pub(super) app_limited: bool,
    last: [Duration; RECENT],
}

impl Round {
    pub(super) fn new(begun: Timestamp) -> Self {
        let (most, last) = (Duration::ZERO, [Duration::ZERO; RECENT]);
        Self { begun, acked: 0, lost: 0, least: None, most, samples: 0, app_limited: false, last }
    }

    pub(super) fn add(&mut self, bytes: u64, app_limited: bool) {
        self.acked += bytes;
        self.app_limited |= app_limited;
    }

    pub(super) fn add_delay(&mut self, delay: Duration) {
        self.least = Some(self.least.map_or(delay, |least| least.min(delay)));
        self.most = self.most.max(delay);
        self.last[self.samples as usize % RECENT] = delay;
        self.samples += 1;
    }

    /// The least of the last few round trips, once there are so many.
    pub(super) fn recent(&self) -> Option<Duration> {
        self.last.iter().min().copied().filter(|_| self.samples as usize >= RECENT)
    }

    pub(super) fn is_ended_by(&self, sent: Timestamp) -> bool {
        sent >= self.begun
    }

    /// Bytes a second delivered so far.
    pub(super) fn rate(&self, now: Timestamp) -> f64 {
        self.acked as f64 / now.since(self.begun).as_secs_f64().max(1e-6)
    }
}

/// What became of packets in several rounds.
#[derive(Debug, Clone, Default)]
pub(super) struct Fates {
    pub(super) lost: u64,
    acked: u64,
}

impl Fates {
    pub(super) fn add(&mut self, round: &Round) {
        self.lost += round.lost;
        self.acked += round.acked;
    }

    pub(super) fn bytes(&self) -> u64 {
        self.lost + self.acked
    }

    pub(super) fn lost_share(&self) -> f64 {
        self.lost as f64 / self.bytes().max(1) as f64
    }
}
