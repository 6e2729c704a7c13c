//! Chunks on their way: asked for, sent, arrived.

use super::{Event, Node, World, pair};
use crate::port::Parcel;
use crate::scenario::Conduct;
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::swarm::io::{Input, Verdict};
use karez_protocol::wire::peer::Urgency;
use std::time::Duration;

/// What came within this before the latest chunk may not be synced: a power cut takes it.
const SYNC: Duration = Duration::from_secs(5);
/// One way over a LAN.
const LAN_DELAY: Duration = Duration::from_millis(1);

impl World {
    pub(super) fn is_lan(&self, a: usize, b: usize) -> bool {
        let group = &self.nodes[a].profile.uplink_group;
        group.is_some() && *group == self.nodes[b].profile.uplink_group
    }

    pub(super) fn delay(&self, a: usize, b: usize) -> Duration {
        if self.is_lan(a, b) {
            return LAN_DELAY;
        }
        let share =
            |node: usize| node.checked_sub(1).map_or(&self.scenario.flagship, |at| &self.scenario.sites[at]).rtt;
        (self.scenario.rtt + share(a) + share(b)) / 2
    }

    pub(super) fn port_between(&self, from: usize, to: usize) -> usize {
        if self.is_lan(from, to) { self.nodes[from].lan } else { self.nodes[from].wan }
    }

    pub(super) fn serve(&mut self, node: usize, asker: usize, urgency: Urgency, chunks: Vec<ChunkIndex>) {
        let serves = self.nodes[node].is_here() && self.nodes[node].conduct != Conduct::Silent;
        if !serves || !self.connected.contains(&pair(node, asker)) {
            return;
        }
        let port = self.port_between(node, asker);
        let (here, gone): (Vec<_>, Vec<_>) =
            chunks.into_iter().partition(|chunk| self.nodes[node].swarm.have().contains(*chunk));
        if !gone.is_empty() {
            let peer = self.nodes[node].id;
            self.tell(node, asker, Input::PeerRefused { peer, chunks: gone });
        }
        for chunk in here {
            self.ports[port].push(Parcel { from: node, to: asker, chunk }, urgency);
        }
        self.pump_port(port);
    }

    pub(super) fn pump_port(&mut self, port: usize) {
        if let Some(parcel) = self.ports[port].begin() {
            let time = self.ports[port].time_up(self.course.len_of(parcel.chunk));
            self.schedule(Duration::from_micros(time), Event::Sent { port });
        }
    }

    pub(super) fn sent(&mut self, port: usize) {
        if let Some(parcel) = self.ports[port].end()
            && self.nodes[parcel.from].is_up
        {
            let Parcel { from, to, chunk } = parcel;
            let is_lan = self.is_lan(from, to);
            let into = if is_lan { self.nodes[to].lan } else { self.nodes[to].wan };
            self.books.sent(parcel, self.course.len_of(chunk), is_lan, !self.nodes[from].is_open);
            self.schedule(self.delay(from, to), Event::Arrived { port: into, parcel });
        }
        self.pump_port(port);
    }

    /// The chunk reaches the receiver's link: half of it is seen under way, then it is in.
    pub(super) fn arrived(&mut self, port: usize, parcel: Parcel) {
        let Parcel { from, to, chunk } = parcel;
        let bytes = self.course.len_of(chunk);
        let peer = self.nodes[from].id;
        let done = self.ports[port].take_in(self.now, bytes) - self.now;
        let verdict = if self.nodes[from].conduct == Conduct::Liar { Verdict::Bad } else { Verdict::Good };
        self.books.received(parcel, bytes, self.is_lan(from, to), !self.nodes[to].is_open);
        self.schedule(done / 2, Event::Tell { to, from, what: Input::Progress { peer, bytes: bytes / 2 } });
        self.schedule(done, Event::Tell { to, from, what: Input::Received { peer, chunk, verdict } });
        if verdict == Verdict::Good {
            self.out.insert(chunk);
        }
    }

    /// A node hears something from a connected peer.
    pub(super) fn hear(&mut self, node: usize, what: Input) {
        if let Input::Received { chunk, verdict: Verdict::Good, .. } = what {
            let Node { swarm, unsynced, .. } = &mut self.nodes[node];
            if swarm.have().contains(chunk) {
                self.books.duplicate(node, self.course.len_of(chunk));
            } else {
                while unsynced.front().is_some_and(|(at, _)| *at + SYNC < self.now) {
                    unsynced.pop_front();
                }
                unsynced.push_back((self.now, chunk));
            }
        }
        self.step(node, what);
    }
}
