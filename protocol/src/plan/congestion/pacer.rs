//! What of a window may leave now: no more than the window in flight, and no more at once than a few milliseconds bring.
//!
//! What must stay true: what was let go counts until an acknowledgement says what is in flight: what is lost leaves again, and its
//! room is taken by that. Something may leave sooner or later whatever is told, as messages that need no leave are in flight
//! too, and nobody tells when they are lost. A rest that has begun is not made longer. After RFC 9002, 7.7.

use crate::plan::time::Timestamp;
use std::time::Duration;

/// Faster than a window in each round trip, so that pacing alone never leaves the window unused (RFC 9002).
const HEADROOM: f64 = 1.25;
/// What may leave at once when nothing left for a while.
const BURST: Duration = Duration::from_millis(4);
const BURST_PACKETS_MIN: u64 = 2;
/// What is waited for on fast paths, so that packets leave in batches.
const BATCH: Duration = Duration::from_millis(1);
/// Assumed before anything was acknowledged (RFC 9002).
const ROUND_TRIP: Duration = Duration::from_millis(333);
/// When nothing was told for so long, and so many round trips, a packet may leave as a probe.
const TOLD_WITHIN: Duration = Duration::from_secs(1);
const TOLD_WITHIN_ROUNDS: u32 = 4;
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
    /// The rest that was asked for last; another begins only when something has left since.
    asked_rest: Timestamp,
    has_left: bool,
    told: Timestamp,
}

impl Pacer {
    /// A pacer of a fresh path.
    pub fn new(now: Timestamp, window: u64, mtu: u64) -> Self {
        Self {
            window,
            mtu,
            in_flight: 0,
            pending: 0,
            round_trip: ROUND_TRIP,
            tokens: 0.0,
            filled: now,
            rests_until: Timestamp(0),
            asked_rest: Timestamp(0),
            has_left: true,
            told: now,
        }
    }

    /// The controller has decided; nothing leaves before `rests_until`. A round trip of zero is not known yet.
    pub fn set_window(&mut self, window: u64, mtu: u64, round_trip: Duration, rests_until: Timestamp) {
        (self.window, self.mtu) = (window, mtu);
        self.round_trip = if round_trip.is_zero() { ROUND_TRIP } else { round_trip };
        if rests_until != self.asked_rest {
            let begins = std::mem::take(&mut self.has_left);
            self.rests_until = if begins { rests_until } else { rests_until.min(self.rests_until) };
            self.asked_rest = rests_until;
        }
    }

    /// So many bytes were put on their way; others than were let go are counted when they are told.
    pub fn handle_sent(&mut self, bytes: u64) {
        let ours = bytes.min(self.pending);
        self.pending -= ours;
        self.in_flight += ours;
    }

    /// An acknowledgement came, and leaves so many bytes on their way.
    pub fn set_in_flight(&mut self, now: Timestamp, bytes: u64) {
        (self.in_flight, self.told) = (bytes, now);
    }

    /// How many of `want` bytes may leave now. `is_urgent`: in spite of a rest.
    pub fn leave(&mut self, now: Timestamp, want: u64, is_urgent: bool) -> Leave {
        if now < self.rests_until && !is_urgent {
            return Leave::At(self.rests_until);
        }
        self.fill(now);
        let packet = self.packet();
        let least = want.min(self.worth(BATCH).min(self.window as f64 / 4.0).max(packet as f64) as u64);
        let free = self.free(now, packet);
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
        self.has_left |= !is_urgent;
        Leave::Now(bytes)
    }

    /// Bytes that the window has room for. Small messages in flight never keep the only packet of a small window.
    fn free(&mut self, now: Timestamp, packet: u64) -> u64 {
        let out = self.in_flight + self.pending;
        let free = self.window.saturating_sub(out);
        let is_forgotten = now.since(self.told) >= TOLD_WITHIN.max(self.round_trip * TOLD_WITHIN_ROUNDS);
        if out < packet || is_forgotten {
            self.told = now;
            return free.max(packet);
        }
        free
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
            pacer.set_in_flight(at(100_000), 0);
            assert!(matches!(pacer.leave(at(200_000), 1 << 20, false), Leave::Now(_)));
        }
    }

    #[test]
    fn what_was_let_go_counts_until_it_is_acknowledged() {
        let mut pacer = pacer(2);
        assert_eq!(pacer.leave(at(50_000), PACKET, false), Leave::Now(PACKET));
        assert_eq!(pacer.leave(at(50_000), 100, false), Leave::Now(100));
        // Told before what was let go is on its way.
        pacer.set_in_flight(at(60_000), 0);
        assert_eq!(pacer.leave(at(150_000), PACKET + 100, false), Leave::Later);
        pacer.handle_sent(PACKET + 100 + 40);
        assert_eq!(pacer.leave(at(150_000), PACKET + 100, false), Leave::Later);
        pacer.set_in_flight(at(160_000), 0);
        assert_eq!(pacer.leave(at(160_000), PACKET, false), Leave::Now(PACKET));
        // Acknowledgements of what arrives are no bytes in flight.
        pacer.handle_sent(PACKET);
        pacer.set_in_flight(at(170_000), 0);
        (0..100).for_each(|_| pacer.handle_sent(40));
        assert_eq!(pacer.leave(at(250_000), PACKET, false), Leave::Now(PACKET));
    }

    #[test]
    fn a_window_of_a_packet_opens_beside_small_messages_and_without_news() {
        let mut pacer = pacer(1);
        pacer.set_in_flight(at(10_000), 200);
        assert_eq!(pacer.leave(at(100_000), 9_000, false), Leave::Now(PACKET));
        pacer.handle_sent(PACKET);
        pacer.set_in_flight(at(110_000), PACKET + 100);
        // A lost probe for the packet size is told by nobody.
        assert_eq!(pacer.leave(at(900_000), 9_000, false), Leave::Later);
        assert_eq!(pacer.leave(at(1_120_000), 9_000, false), Leave::Now(PACKET));
        assert_eq!(pacer.leave(at(1_200_000), 9_000, false), Leave::Later);
    }

    #[test]
    fn a_rest_is_kept_by_what_may_wait_and_grows_no_longer() {
        let mut pacer = pacer(1);
        let rest =
            |pacer: &mut Pacer, until: u64| pacer.set_window(MTU + 1, MTU, Duration::from_millis(100), at(until));
        rest(&mut pacer, 700_000);
        assert_eq!(pacer.leave(at(600_000), 5_000, false), Leave::At(at(700_000)));
        // Small messages were acknowledged in the meantime.
        (7..20).for_each(|tenth| rest(&mut pacer, tenth * 100_000 + 50_000));
        assert_eq!(pacer.leave(at(600_000), 5_000, false), Leave::At(at(700_000)));
        assert_eq!(pacer.leave(at(600_000), 5_000, true), Leave::Now(PACKET));
        pacer.handle_sent(PACKET);
        pacer.set_in_flight(at(650_000), 0);
        assert_eq!(pacer.leave(at(800_000), 5_000, false), Leave::Now(PACKET));
        rest(&mut pacer, 2_900_000);
        assert_eq!(pacer.leave(at(900_000), 5_000, false), Leave::At(at(2_900_000)));
        rest(&mut pacer, 0);
        pacer.handle_sent(PACKET);
        pacer.set_in_flight(at(950_000), 0);
        assert_eq!(pacer.leave(at(950_000), 5_000, false), Leave::Now(PACKET), "awake");
    }
}
