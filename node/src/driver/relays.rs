//! Relays: where this node may be called through one, and calling others through theirs when nothing direct leads there.
//!
//! What must stay true: a relay is the last resort. A peer is called through one only after its addresses were tried, and
//! they are tried again while the relay is in use. A peer behind a relay imports for itself alone.

use super::Driver;
use crate::handle::view::RelayView;
use karez_protocol::trust::PeerId;
use karez_protocol::wire::control::PeerAddress;
use karez_protocol::wire::relay::Address;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Relays at which this node reserves: the second one is there when the first goes away.
const RESERVATIONS: usize = 2;
/// Relays remembered; a county has a few.
const KNOWN_MAX: usize = 64;
/// Relays through which one peer is called at once.
const CALLED_MAX: usize = 2;
/// First wait after a relay could not be had; doubles up to [`RETRY_MAX`].
const RETRY: Duration = Duration::from_secs(4);
/// Longest wait.
const RETRY_MAX: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Reservation {
    #[default]
    None,
    Asked,
    Held,
}

#[derive(Debug, Default)]
struct Relay {
    reservation: Reservation,
    failures: u32,
    next_try: Option<Instant>,
}

/// The relays of the network, as far as this node needs them.
#[derive(Debug, Default)]
pub(super) struct Relays {
    known: BTreeMap<PeerId, Relay>,
}

impl Relays {
    fn of(&self, reservation: Reservation) -> impl Iterator<Item = PeerId> + '_ {
        self.known.iter().filter(move |(_, relay)| relay.reservation == reservation).map(|(peer, _)| *peer)
    }

    fn fail(&mut self, peer: PeerId, now: Instant) {
        let Some(relay) = self.known.get_mut(&peer) else { return };
        let wait = RETRY.saturating_mul(1 << relay.failures.min(8)).min(RETRY_MAX);
        relay.failures += 1;
        (relay.reservation, relay.next_try) = (Reservation::None, Some(now + wait));
    }
}

impl Driver {
    /// The tracker's list of relays.
    pub(super) fn learn_relays(&mut self, told: &[PeerAddress]) {
        for relay in told.iter().take(KNOWN_MAX) {
            self.learn_addresses(relay);
            self.learn_relay(relay.peer, true);
        }
    }

    /// A member says that it relays, or that it does not.
    pub(super) fn learn_relay(&mut self, peer: PeerId, relays: bool) {
        let known = &mut self.relays.known;
        if relays && peer != self.parts.key.peer() && known.len() < KNOWN_MAX {
            known.entry(peer).or_default();
        } else if !relays && known.remove(&peer).is_some_and(|relay| relay.reservation == Reservation::Held) {
            self.tell_relays();
        }
    }

    pub(super) fn is_relay(&self, peer: &PeerId) -> bool {
        self.relays.known.contains_key(peer)
    }

    /// Through whom others may call this node.
    pub(super) fn told_relays(&self) -> impl Iterator<Item = String> + '_ {
        self.relays.of(Reservation::Held).map(|relay| Address::Via(relay).to_string())
    }

    /// Keeps this node reachable through relays near it. A relay is reachable itself.
    pub(super) fn reserve_if_due(&mut self, now: Instant) {
        if self.parts.relay.is_some() {
            return;
        }
        let taken = self.relays.known.values().filter(|relay| relay.reservation != Reservation::None).count();
        let due = |relay: &Relay| relay.reservation == Reservation::None && relay.next_try.is_none_or(|at| at <= now);
        let due: Vec<_> = self.relays.known.iter().filter(|(_, relay)| due(relay)).map(|(peer, _)| *peer).collect();
        let mut due: Vec<_> = due.into_iter().filter(|peer| self.member(peer).is_some()).collect();
        due.sort_by_key(|peer| std::cmp::Reverse(self.nearness(peer)));
        for peer in due.into_iter().take(RESERVATIONS.saturating_sub(taken)) {
            let entry = self.peers.entry(peer);
            if entry.is_direct() {
                self.relays.known.entry(peer).or_default().reservation = Reservation::Asked;
                self.parts.control.reserve(peer);
            } else {
                self.relays.fail(peer, now);
                self.dial_relay(peer);
            }
        }
    }

    /// Leading parts of the domain that a member shares with this one, and an order that differs from site to site.
    fn nearness(&self, peer: &PeerId) -> (usize, u8) {
        let domain = |peer| self.member(peer).map(|member| member.domain.as_str()).unwrap_or_default();
        let (me, shared) = (self.me(), |(a, b): &(&str, &str)| a == b && !a.is_empty());
        let common = domain(&me).split('/').zip(domain(peer).split('/')).take_while(shared).count();
        (common, peer.as_bytes()[0] ^ me.as_bytes()[0])
    }

    fn dial_relay(&mut self, relay: PeerId) {
        let addresses = self.peers.entry(relay).dialable();
        if !addresses.is_empty() {
            self.parts.control.dial(relay, addresses);
        }
    }

    pub(super) fn on_reserved(&mut self, relay: PeerId) {
        let known = self.relays.known.entry(relay).or_default();
        (known.reservation, known.failures) = (Reservation::Held, 0);
        self.tell_relays();
    }

    pub(super) fn on_not_reserved(&mut self, relay: PeerId, detail: &str) {
        tracing::debug!(relay = self.name_of(&relay), detail, "no reservation");
        let was_held = self.relays.of(Reservation::Held).any(|held| held == relay);
        self.relays.fail(relay, Instant::now());
        if was_held {
            self.tell_relays();
        }
    }

    /// Others should know at once how this node is reached now.
    fn tell_relays(&mut self) {
        self.greet_all();
        self.contact.hurry();
    }

    /// Calls a peer through its relays; those that this node is not connected to are dialled first.
    pub(super) fn call(&mut self, peer: PeerId) {
        let relays = self.peers.entry(peer).relays();
        let relays: Vec<_> = relays.into_iter().filter(|relay| self.member(relay).is_some()).collect();
        let (near, far): (Vec<_>, Vec<_>) = relays.into_iter().partition(|relay| self.peers.entry(*relay).is_direct());
        self.peers.entry(peer).detour.to_be_called = near.is_empty() && !far.is_empty();
        if near.is_empty() {
            far.into_iter().take(CALLED_MAX).for_each(|relay| self.dial_relay(relay));
        } else {
            self.parts.control.call(peer, near.into_iter().take(CALLED_MAX).collect());
        }
    }

    /// A member is connected directly: perhaps a relay through which somebody was to be called.
    pub(super) fn call_through(&mut self, relay: PeerId) {
        let waits = |peer: &super::peers::Peer| peer.detour.to_be_called && peer.relays().contains(&relay);
        let waiting: Vec<_> = self.peers.iter().filter(|(_, peer)| waits(peer)).map(|(id, _)| *id).collect();
        for peer in waiting {
            self.peers.entry(peer).detour.to_be_called = false;
            self.parts.control.call(peer, vec![relay]);
        }
    }

    /// What this node relays, for `status`.
    pub(super) fn relay_view(&self) -> Option<RelayView> {
        let figures = self.parts.relay.as_ref()?.figures();
        Some(RelayView {
            reservations: figures.reservations as u64,
            circuits: figures.circuits as u64,
            bytes: figures.bytes,
            refused: figures.refused,
            rate_limit: figures.quotas.rate.0,
            circuits_max: figures.quotas.circuits as u64,
            peer_circuits_max: figures.quotas.peer_circuits as u64,
            circuit_bytes_max: figures.quotas.circuit_bytes,
            circuit_s_max: figures.quotas.circuit_time.as_secs(),
        })
    }

    /// Names of the relays through which this node may be called.
    pub(super) fn reserved_at(&self) -> Vec<String> {
        self.relays.of(Reservation::Held).map(|relay| self.name_of(&relay)).collect()
    }
}
