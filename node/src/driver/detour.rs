//! The detour over the control connection: taken when QUIC gets no answer, left as soon as it does again. When the control
//! connection cannot be had either, it goes through a relay.
//!
//! What must stay true: QUIC is always tried first or beside, never given up: whoever took the detour probes it from time to
//! time, and so does either side of a relayed one, with TCP as well. A detour costs nothing while no lane is wanted.

use super::Driver;
use super::peers::Peer;
use crate::bulk::Carried;
use crate::pipe::Pipe;
use karez_protocol::trust::PeerId;
use std::time::{Duration, Instant};

/// How often QUIC is tried again meanwhile: some six packets each time, 2 kbit/s.
const PROBE: Duration = Duration::from_secs(30);

/// Whether a peer can be reached directly, and what is done about it.
#[derive(Debug, Default)]
pub(super) struct Detour {
    /// QUIC got no answer last time.
    pub(super) udp_blocked: bool,
    /// It did, and lost too much: the lane is a stream because of that.
    pub(super) throttled: bool,
    /// Neither did TCP.
    pub(super) tcp_blocked: bool,
    /// Through whom the lane goes now.
    pub(super) relay: Option<PeerId>,
    /// It is to be called through a relay as soon as one is connected.
    pub(super) to_be_called: bool,
    /// The detour is to be taken when the control connection stands.
    wanted: bool,
    /// When direct ways are tried again beside the lane.
    next_probe: Option<Instant>,
}

impl Driver {
    /// QUIC got no answer, or fell silent.
    pub(super) fn on_udp_blocked(&mut self, peer: PeerId) {
        self.peers.entry(peer).detour.udp_blocked = true;
        self.take_detour(peer);
    }

    pub(super) fn take_detour(&mut self, peer: PeerId) {
        let entry = self.peers.entry(peer);
        entry.detour.wanted = !entry.control;
        let (addresses, has_relay) = (entry.dialable(), !entry.relays().is_empty());
        if entry.control {
            self.parts.control.open_lane(peer);
        } else if addresses.is_empty() || (entry.detour.tcp_blocked && has_relay) {
            self.call(peer);
        } else {
            self.parts.control.dial(peer, addresses);
        }
    }

    /// TCP got no answer.
    pub(super) fn on_tcp_blocked(&mut self, peer: PeerId) {
        let entry = self.peers.entry(peer);
        entry.detour.tcp_blocked = true;
        if entry.detour.wanted && !entry.control && entry.lane.is_none() {
            self.call(peer);
        }
    }

    /// The relay did not help: next time TCP is tried again before.
    pub(super) fn on_not_called(&mut self, peer: PeerId) {
        tracing::debug!(peer = self.name_of(&peer), "not reached through a relay");
        self.peers.entry(peer).detour.tcp_blocked = false;
    }

    /// The control connection stands now.
    pub(super) fn take_wanted_detour(&mut self, peer: PeerId) {
        let entry = self.peers.entry(peer);
        if std::mem::take(&mut entry.detour.wanted) && entry.lane.is_none() {
            self.parts.control.open_lane(peer);
        }
    }

    pub(super) fn on_detour(&mut self, peer: PeerId, pipe: Pipe, opened: bool) {
        // QUIC may have got through meanwhile.
        let is_wanted = self.peers.entry(peer).throttle.prefers_stream() || self.peers.lane_of(&peer).is_none();
        if !opened || is_wanted {
            self.parts.bulk.adopt(peer, pipe, opened);
        }
    }

    /// A lane stands.
    pub(super) fn note_carried(&mut self, peer: PeerId, carried: Carried, throttled: bool) {
        let (opened, relay) = match carried {
            Carried::Quic => (false, None),
            Carried::Stream { opened, relay } => (opened, relay),
        };
        // Behind a relay, either side may be the one that can reach the other again.
        let next_probe = ((opened && !throttled) || relay.is_some()).then(|| Instant::now() + PROBE);
        let (udp_blocked, tcp_blocked) = (carried != Carried::Quic, relay.is_some());
        let entry = self.peers.entry(peer);
        let (to_be_called, wanted) = (false, false);
        entry.detour = Detour { udp_blocked, throttled, tcp_blocked, relay, to_be_called, wanted, next_probe };
        match relay {
            Some(_) if opened => entry.punches.begin(Instant::now()),
            Some(_) => {}
            None => entry.punches.end(),
        }
    }

    /// Tries direct ways again where a detour is in use.
    pub(super) fn probe_direct(&mut self, now: Instant) {
        let due = |peer: &Peer| peer.lane.is_some() && peer.detour.next_probe.is_some_and(|at| at <= now);
        let due: Vec<PeerId> = self.peers.iter().filter(|(_, peer)| due(peer)).map(|(id, _)| *id).collect();
        for peer in due {
            let entry = self.peers.entry(peer);
            entry.detour.next_probe = Some(now + PROBE);
            let addresses = entry.dialable();
            if addresses.is_empty() {
                continue;
            }
            if entry.detour.relay.is_some() {
                self.parts.control.dial_beside(peer, addresses.clone());
            }
            self.parts.bulk.dial(peer, addresses);
        }
    }
}
