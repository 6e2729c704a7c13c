//! The detour over the control connection: taken when QUIC gets no answer, left as soon as it does again.
//!
//! What must stay true: QUIC is always tried first or beside, never given up: whoever took the detour probes it from time to
//! time. A detour costs nothing while no lane is wanted.

use super::Driver;
use crate::bulk::Carried;
use crate::pipe::Pipe;
use karez_protocol::trust::PeerId;
use std::time::{Duration, Instant};

/// How often QUIC is tried again meanwhile: some six packets each time, 2 kbit/s.
const PROBE: Duration = Duration::from_secs(30);

/// Whether UDP gets through to a peer, and what is done about it.
#[derive(Debug, Default)]
pub(super) struct Detour {
    /// QUIC got no answer last time.
    pub(super) udp_blocked: bool,
    /// The detour is to be taken when the control connection stands.
    wanted: bool,
    /// When QUIC is tried again beside a lane that this node opened.
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
        if entry.control {
            self.parts.control.open_lane(peer);
        } else {
            let addresses = entry.dialable();
            self.parts.control.dial(peer, addresses);
        }
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
        if !opened || self.peers.lane_of(&peer).is_none() {
            self.parts.bulk.adopt(peer, pipe, opened);
        }
    }

    /// A lane stands.
    pub(super) fn note_carried(&mut self, peer: PeerId, carried: Carried) {
        let next_probe = (carried == Carried::Stream { opened: true }).then(|| Instant::now() + PROBE);
        let udp_blocked = carried != Carried::Quic;
        self.peers.entry(peer).detour = Detour { udp_blocked, wanted: false, next_probe };
    }

    /// Tries QUIC again where a detour is in use.
    pub(super) fn probe_udp(&mut self, now: Instant) {
        let due = |peer: &super::peers::Peer| peer.lane.is_some() && peer.detour.next_probe.is_some_and(|at| at <= now);
        let due: Vec<PeerId> = self.peers.iter().filter(|(_, peer)| due(peer)).map(|(id, _)| *id).collect();
        for peer in due {
            let entry = self.peers.entry(peer);
            entry.detour.next_probe = Some(now + PROBE);
            let addresses = entry.dialable();
            self.parts.bulk.dial(peer, addresses);
        }
    }
}
