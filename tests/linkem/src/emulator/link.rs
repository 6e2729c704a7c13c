//! The model of one direction of a link. It knows no clock and does no I/O: times are arguments, in nanoseconds, and the
//! same seed and packets give the same fates.
//!
//! A packet that is offered meets, in this order:
//! 1. a queue bounded in bytes (what does not fit is dropped), emptied by
//! 2. a token bucket. First in first out at a constant rate needs no timer: the time at which the packet will have left is
//!    known when it comes (a "virtual clock");
//! 3. loss, independent or in bursts (Gilbert-Elliott). It comes behind the queue, so a lost packet has used capacity, as on
//!    a radio or satellite hop;
//! 4. delay and jitter. The order is kept unless `reorder` is set.

mod dice;
#[cfg(test)]
mod tests;

use super::shape::Shape;
use super::stats::Counters;
use dice::Dice;

/// What becomes of a packet.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Fate {
    /// It leaves the far end at this time.
    Delivered { at: u64 },
    /// It is gone.
    Dropped,
}

/// One direction of a link.
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) counters: Counters,
    dice: Dice,
    in_bad_state: bool,
    /// When the last accepted byte has been sent.
    busy_until: u64,
    last_out: u64,
}

impl Link {
    /// `stream` tells the links of one seed apart.
    pub(crate) fn new(name: String, shape: Shape, seed: u64, stream: u64) -> Self {
        let dice = Dice::new(seed, stream);
        Self { name, shape, counters: Counters::default(), dice, in_bad_state: false, busy_until: 0, last_out: 0 }
    }

    /// A packet of `bytes` comes at `now`.
    pub(crate) fn offer(&mut self, now: u64, bytes: usize) -> Fate {
        self.counters.came_in(bytes);
        if !self.shape.enabled {
            self.counters.drop_outage_packets += 1;
            return Fate::Dropped;
        }
        let Some(departs) = self.queue(now, bytes) else {
            self.counters.drop_queue_packets += 1;
            self.counters.drop_queue_bytes += bytes as u64;
            return Fate::Dropped;
        };
        if self.is_lost() {
            self.counters.drop_loss_packets += 1;
            self.counters.drop_loss_bytes += bytes as u64;
            return Fate::Dropped;
        }
        self.counters.went_out(bytes);
        Fate::Delivered { at: self.travel(departs) }
    }

    /// The time at which the last bit has left the queue, or `None` where the packet does not fit.
    fn queue(&mut self, now: u64, bytes: usize) -> Option<u64> {
        let size = bytes as f64 + self.shape.overhead_bytes;
        let Some(takes) = self.shape.nanoseconds_of(size) else { return Some(now) };
        let backlog = self.backlog_bytes(now);
        // The first packet is always accepted: a queue below one packet would block everything.
        if backlog > 0.0 && backlog + size > self.shape.queue_bytes() {
            return None;
        }
        let credit = self.shape.nanoseconds_of(self.shape.burst_bytes()).unwrap_or_default() as u64;
        let start = self.busy_until.max(now.saturating_sub(credit));
        self.counters.waited(start.saturating_sub(now));
        self.busy_until = start + takes.round() as u64;
        Some(self.busy_until.max(now))
    }

    fn backlog_bytes(&self, now: u64) -> f64 {
        self.busy_until.saturating_sub(now) as f64 * self.shape.rate_mbit / 8e3
    }

    fn travel(&mut self, departs: u64) -> u64 {
        let mut out = departs + self.shape.delay_ns();
        if self.shape.jitter_ms > 0.0 {
            let jitter = (self.dice.unit() * 2.0 - 1.0) * self.shape.jitter_ns();
            out = out.saturating_add_signed(jitter as i64).max(departs);
        }
        if !self.shape.reorder {
            out = out.max(self.last_out);
            self.last_out = out;
        }
        out
    }

    /// Two states: everything is lost in the bad one, nothing in the good one. Leaving with 1/burst and entering with
    /// p/(burst (1-p)) gives the mean p.
    fn is_lost(&mut self) -> bool {
        let (mean, burst) = (self.shape.loss(), self.shape.loss_burst);
        if mean <= 0.0 {
            return false;
        }
        if burst <= 1.0 || mean >= 1.0 {
            return self.dice.unit() < mean;
        }
        let flip = if self.in_bad_state { 1.0 / burst } else { mean / (burst * (1.0 - mean)) };
        if self.dice.unit() < flip {
            self.in_bad_state = !self.in_bad_state;
        }
        self.in_bad_state
    }

    /// Changes the settings at `now`. What waits (in bytes) goes on waiting at the new rate; packets accepted before leave
    /// when the old settings said.
    pub(crate) fn reshape(&mut self, now: u64, shape: Shape) {
        let backlog = self.backlog_bytes(now);
        self.busy_until = match shape.nanoseconds_of(backlog) {
            Some(takes) if backlog > 0.0 => now + takes as u64,
            _ => self.busy_until.min(now),
        };
        self.shape = shape;
    }
}
