//! The coordinated punch: two members behind NATs that talk through a relay dial each other's bulk port at the same moment,
//! each at the address that a relay sees (the idea of libp2p's DCUtR, for the port that chunks use).
//!
//! What must stay true: only who is connected through a relay is answered, with few addresses and not often: nobody makes
//! this node send packets to whomever he names. Both sides send at once; QUIC repeats its first packet, so the second one
//! finds the NATs open, and no clock needs to agree.

use super::Driver;
use karez_protocol::trust::PeerId;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a NAT is trusted to keep an address after the lane that showed it has ended.
const SEEN_FOR: Duration = Duration::from_secs(50);
/// Wait for a relay to say how it sees this node, or for the other side to know itself.
const SOON: Duration = Duration::from_secs(3);
/// Wait after the first try, which doubles up to [`AGAIN_MAX`]: NATs that refuse once mostly refuse again.
const AGAIN: Duration = Duration::from_secs(30);
/// Longest wait between tries.
const AGAIN_MAX: Duration = Duration::from_secs(900);
/// Shortest time between answers to one peer.
const ANSWER_PAUSE: Duration = Duration::from_secs(2);
/// Addresses given and taken: one of IPv4, and the routed ones of IPv6.
const ADDRESSES_MAX: usize = 4;

/// How this node's bulk port looks from outside.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// By whom, as what, and when the lane with him stood last.
    by: Option<(PeerId, SocketAddr, Instant)>,
}

/// Tries with one peer.
#[derive(Debug, Default)]
pub(super) struct Punches {
    /// Tries so far.
    pub(super) tries: u32,
    next: Option<Instant>,
    answered: Option<Instant>,
}

impl Punches {
    /// For a lane through a relay that this node asked for: whoever asked for it also asks for the punch.
    pub(super) fn begin(&mut self, now: Instant) {
        self.next = Some(self.next.unwrap_or(now));
    }

    pub(super) fn end(&mut self) {
        *self = Self::default();
    }
}

impl Driver {
    /// A relay says how it sees this node.
    pub(super) fn note_seen(&mut self, by: PeerId, address: SocketAddr) {
        if self.is_relay(&by) {
            self.seen.by = Some((by, address, Instant::now()));
        }
    }

    /// Where this node's bulk port may be reached from outside; empty while that is not known.
    fn seen_addresses(&mut self, now: Instant) -> Vec<SocketAddr> {
        let seen = self.seen.by.as_mut().and_then(|(by, address, at)| {
            *at = if self.peers.lane_of(by).is_some() { now } else { *at };
            (now.duration_since(*at) < SEEN_FOR).then_some(*address)
        });
        let Some(seen) = seen else { return Vec::new() };
        let own = self.own_addresses.iter().copied().filter(|own| *own != seen);
        [seen].into_iter().chain(own).take(ADDRESSES_MAX).collect()
    }

    /// Asks a relay, by a lane, how it sees this node.
    fn look_from_outside(&mut self, relay: PeerId) {
        let addresses = self.peers.entry(relay).dialable();
        if self.peers.lane_of(&relay).is_none() && !addresses.is_empty() {
            self.parts.bulk.dial(relay, addresses);
        }
    }

    /// Asks for a punch wherever a lane goes through a relay and one is due.
    pub(super) fn punch_if_due(&mut self, now: Instant) {
        let due = |peer: &super::peers::Peer| {
            peer.lane.is_some() && peer.punches.next.is_some_and(|at| at <= now) && peer.detour.relay.is_some()
        };
        let due: Vec<_> = self.peers.iter().filter(|(_, peer)| due(peer)).map(|(id, _)| *id).collect();
        for peer in due {
            let mine = self.seen_addresses(now);
            let punches = &mut self.peers.entry(peer).punches;
            if mine.is_empty() {
                punches.next = Some(now + SOON);
                if let Some(relay) = self.peers.entry(peer).detour.relay {
                    self.look_from_outside(relay);
                }
                continue;
            }
            let wait = AGAIN.saturating_mul(1 << punches.tries.min(8)).min(AGAIN_MAX);
            punches.next = Some(now + wait);
            let addresses = mine.iter().map(SocketAddr::to_string).collect();
            self.parts.control.ask(peer, karez_protocol::wire::control::ControlRequest::Punch { addresses });
        }
    }

    /// A peer asks for a punch: dials it, and says where it can be dialled; nothing while that is not known.
    pub(super) fn answer_punch(&mut self, peer: PeerId, addresses: &[String]) -> Option<Vec<String>> {
        let now = Instant::now();
        let relay = self.peers.entry(peer).detour.relay?;
        let mine = self.seen_addresses(now);
        let punches = &mut self.peers.entry(peer).punches;
        if punches.answered.is_some_and(|at| now.duration_since(at) < ANSWER_PAUSE) {
            return None;
        }
        punches.answered = Some(now);
        if mine.is_empty() {
            self.look_from_outside(relay);
            return None;
        }
        self.punch(peer, addresses);
        Some(mine.iter().map(SocketAddr::to_string).collect())
    }

    /// The peer's answer: it is dialling by now.
    pub(super) fn on_punch_answer(&mut self, peer: PeerId, addresses: Option<&[String]>) {
        let entry = self.peers.entry(peer);
        match addresses {
            Some(addresses) if entry.detour.relay.is_some() => self.punch(peer, addresses),
            Some(_) => {}
            None => entry.punches.next = entry.punches.next.map(|_| Instant::now() + SOON),
        }
    }

    fn punch(&mut self, peer: PeerId, addresses: &[String]) {
        let usable = |address: &SocketAddr| {
            let ip = address.ip();
            address.port() != 0 && !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast()
        };
        let parsed = addresses.iter().take(ADDRESSES_MAX).filter_map(|text| text.parse().ok());
        let addresses: Vec<SocketAddr> = parsed.filter(usable).collect();
        if !addresses.is_empty() {
            tracing::debug!(peer = self.name_of(&peer), ?addresses, "punching");
            self.peers.entry(peer).punches.tries += 1;
            self.parts.bulk.dial(peer, addresses);
        }
    }
}
