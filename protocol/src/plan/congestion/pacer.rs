//! What of a window may leave now: no more than the window in flight, and no more at once than a few milliseconds bring.
//!
//! What must stay true: what was let go counts until it is acknowledged or lost; while nothing is in flight something may leave.
//! After RFC 9002, 7.7.

use crate::plan::time::Timestamp;
use std::time::Duration;

/// Faster than a window in each round trip, so that pacing alone never leaves the window unused (RFC 9002).
const HEADROOM: f64 = 1.25;
/// What may leave at once when nothing left for a while.
const BURST: Duration = Duration::from_millis(4);
const BURST_PACKETS_MIN: u64 = 2;
/// What is waited for on fast paths, so that packets leave in batches.
const BATCH: Duration = Duration::from_millis(1);
/// Of a packet, what is not payload: QUIC's header and tag.
const OVERHEAD: u64 = 40;

/// What may be done with bytes that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// So many bytes may leave.
    Now(u64),
    /// To be asked again then.
    At(Timestamp),
    /// The window is full: to be asked again when something was acknowledged or lost.
    Later,
}

/// Lets the bytes of one path go.
#[derive(Debug, Clone)]
pub struct Pacer {
    window: u64,
    mtu: u64,
    /// Bytes on their way, as far as told.
    in_flight: u64,
    /// Bytes let go that have not been put on their way.
    pending: u64,
    round_trip: Duration,
    tokens: f64,
    filled: Timestamp,
    rests_until: Timestamp,
}

impl Pacer {
    /// A pacer of a fresh path.
    pub fn new(now: Timestamp, window: u64, mtu: u64) -> Self {
        let (round_trip, tokens) = (Duration::ZERO, 0.0);
        Self { window, mtu, in_flight: 0, pending: 0, round_trip, tokens, filled: now, rests_until: Timestamp(0) }
    }

    /// The controller has decided; nothing leaves before `rests_until`.
    pub fn set_window(&mut self, window: u64, mtu: u64, round_trip: Duration, rests_until: Timestamp) {
        (self.window, self.mtu, self.round_trip, self.rests_until) = (window, mtu, round_trip, rests_until);
    }

    /// So many bytes were put on their way; others than were let go are counted when they are told.
    pub fn handle_sent(&mut self, bytes: u64) {
        let ours = bytes.min(self.pending);
        self.pending -= ours;
        self.in_flight += ours;
    }

    /// So many bytes are on their way.
    pub fn set_in_flight(&mut self, bytes: u64) {
        self.in_flight = bytes;
    }

    /// So many of them are lost.
    pub fn handle_loss(&mut self, bytes: u64) {
        self.in_flight = self.in_flight.saturating_sub(bytes);
    }

    /// How many of `want` bytes may leave now. `is_urgent`: in spite of a rest.
    pub fn leave(&mut self, now: Timestamp, want: u64, is_urgent: bool) -> Leave {
        if now < self.rests_until && !is_urgent {
            return Leave::At(self.rests_until);
        }
        self.fill(now);
        let packet = self.packet();
        let least = want.min(self.worth(BATCH).min(self.window as f64 / 4.0).max(packet as f64) as u64);
        let free = self.window.saturating_sub(self.in_flight + self.pending);
        if free < least {
            return Leave::Later;
        }
        if self.tokens < least as f64 {
            let seconds = (least as f64 - self.tokens) / self.rate();
            return Leave::At(now + Duration::from_secs_f64(seconds).max(Duration::from_micros(1)));
        }
        let most = want.min(free).min(self.tokens as u64);
        // Whole packets, but for the last of all.
        let bytes = if most < want && most > packet { most / packet * packet } else { most };
        self.tokens -= bytes as f64;
        self.pending += bytes;
        Leave::Now(bytes)
    }

    fn packet(&self) -> u64 {
        self.mtu.saturating_sub(OVERHEAD).max(1)
    }

    /// Bytes a second.
    fn rate(&self) -> f64 {
        HEADROOM * self.window as f64 / self.round_trip.as_secs_f64().max(1e-6)
    }

    fn worth(&self, time: Duration) -> f64 {
        self.rate() * time.as_secs_f64()
    }

    fn fill(&mut self, now: Timestamp) {
        let most = self.worth(BURST).max((BURST_PACKETS_MIN * self.mtu) as f64);
        self.tokens = (self.tokens + self.worth(now.since(self.filled))).min(most);
        self.filled = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTU: u64 = 1_240;
    const PACKET: u64 = 1_200;

    fn at(micros: u64) -> Timestamp {
        Timestamp(micros)
    }

    /// A path of 100 ms with a window of so many packets, at rest.
    fn pacer(packets: u64) -> Pacer {
        let mut pacer = Pacer::new(at(0), packets * MTU, MTU);
        pacer.set_window(packets * MTU, MTU, Duration::from_millis(100), at(0));
        pacer
    }

    #[test]
    fn a_window_leaves_in_a_round_trip_and_no_more() {
        for packets in [1, 2, 10, 400] {
            let (mut pacer, mut now, mut sent) = (pacer(packets), at(0), 0);
            let last = loop {
                match pacer.leave(now, 1 << 20, false) {
                    Leave::Now(bytes) => {
                        pacer.handle_sent(bytes);
                        sent += bytes;
                        assert!(bytes <= (packets * MTU / 10).max(2 * MTU), "{bytes} at once of {packets} packets");
                    }
                    Leave::At(then) => now = then,
                    Leave::Later => break now,
                }
            };
            assert!(sent <= packets * MTU && sent + 2 * PACKET.max(packets * MTU / 80) > packets * MTU, "{sent}");
            assert!(last <= at(90_000), "{packets}: {last:?}");
            pacer.set_in_flight(0);
            assert!(matches!(pacer.leave(at(200_000), 1 << 20, false), Leave::Now(_)));
        }
    }

    #[test]
    fn what_was_let_go_counts_until_it_is_acknowledged_or_lost() {
        let mut pacer = pacer(2);
        assert_eq!(pacer.leave(at(50_000), PACKET, false), Leave::Now(PACKET));
        assert_eq!(pacer.leave(at(50_000), 100, false), Leave::Now(100));
        // Told before what was let go is on its way.
        pacer.set_in_flight(0);
        assert_eq!(pacer.leave(at(150_000), PACKET + 100, false), Leave::Later);
        pacer.handle_sent(PACKET + 100 + 40);
        assert_eq!(pacer.leave(at(150_000), PACKET + 100, false), Leave::Later);
        pacer.handle_loss(PACKET);
        assert_eq!(pacer.leave(at(150_000), PACKET, false), Leave::Now(PACKET));
        // Acknowledgements of what arrives are no bytes in flight.
        pacer.handle_sent(PACKET);
        pacer.set_in_flight(0);
        (0..100).for_each(|_| pacer.handle_sent(40));
        assert_eq!(pacer.leave(at(250_000), PACKET, false), Leave::Now(PACKET));
    }

    #[test]
    fn a_rest_is_kept_by_what_may_wait() {
        let mut pacer = pacer(1);
        pacer.set_window(MTU + 1, MTU, Duration::from_millis(100), at(700_000));
        assert_eq!(pacer.leave(at(600_000), 5_000, false), Leave::At(at(700_000)));
        assert_eq!(pacer.leave(at(600_000), 5_000, true), Leave::Now(PACKET));
        pacer.set_in_flight(0);
        pacer.handle_sent(PACKET);
        pacer.set_in_flight(0);
        assert_eq!(pacer.leave(at(800_000), 5_000, false), Leave::Now(PACKET));
    }
}
