//! UDP that gets through but is throttled: whoever sends notices by what is lost, moves the lane to a stream of the control
//! connection if that delivers more, and tries UDP again later. `protocol::plan::throttle` decides.

use super::Driver;
use crate::bulk::CloseReason;
use karez_protocol::plan::throttle::{Carrier, Verdict};
use karez_protocol::trust::PeerId;

impl Driver {
    /// Looks at every lane whose peer is connected directly on both planes.
    pub(super) fn judge_lanes(&mut self) {
        let now = self.now();
        for peer in self.peers.connected().collect::<Vec<_>>() {
            let Some(traffic) = self.parts.bulk.traffic(&peer) else { continue };
            let entry = self.peers.entry(peer);
            if !entry.is_direct() || entry.detour.relay.is_some() {
                continue;
            }
            let carrier = if entry.detour.udp_blocked { Carrier::Stream } else { Carrier::Datagrams };
            match entry.throttle.look(now, carrier, traffic) {
                Verdict::Stay => {}
                Verdict::TakeStream => self.leave_datagrams(peer),
                Verdict::TakeDatagrams => self.take_datagrams(peer, carrier),
            }
        }
    }

    fn leave_datagrams(&mut self, peer: PeerId) {
        tracing::info!(peer = self.name_of(&peer), "UDP loses much: a stream is tried");
        self.parts.bulk.set_throttled(peer, true);
        self.parts.control.open_lane(peer);
    }

    /// Whichever side lacks something dials again, and QUIC is free to win.
    fn take_datagrams(&mut self, peer: PeerId, carrier: Carrier) {
        tracing::info!(peer = self.name_of(&peer), "UDP is tried again");
        self.parts.bulk.set_throttled(peer, false);
        if carrier == Carrier::Stream {
            self.parts.bulk.disconnect(&peer, CloseReason::Done);
        }
    }
}
