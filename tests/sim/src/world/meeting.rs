//! Nodes meet, talk and part.

use super::{Event, Node, World, pair};
use crate::scenario::Conduct;
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::swarm::io::Input;
use std::time::Duration;

/// A claimer says the same again this often.
const CLAIM_EVERY: Duration = Duration::from_secs(2);
/// Nodes tell each other whom they know so long after they have met.
const GREETING: Duration = Duration::from_secs(1);

impl World {
    pub(super) fn connect(&mut self, a: usize, b: usize) {
        if !self.nodes[a].is_here() || !self.nodes[b].is_here() || !self.connected.insert(pair(a, b)) {
            return;
        }
        if self.acquainted.is_some() {
            self.schedule(GREETING, Event::Introduce(a, b));
        }
        for (to, from) in [(a, b), (b, a)] {
            let Node { id, profile, .. } = &self.nodes[from];
            let (peer, profile) = (*id, profile.clone());
            self.step(to, Input::PeerJoined { peer, profile });
            let wants = self.nodes[from].finished.is_none() && from != 0;
            self.tell(from, to, Input::PeerWants { peer, wants });
            let set = match self.nodes[from].conduct {
                Conduct::Boaster => ChunkSet::full(self.course.count()),
                Conduct::FreeRider => ChunkSet::new(),
                _ => self.nodes[from].swarm.have().clone(),
            };
            self.tell(from, to, Input::PeerHas { peer, set });
        }
    }

    /// Each hears that the other takes part. That it is gone or done it hears too late to matter.
    pub(super) fn spread_rumour(&mut self, a: usize, b: usize) {
        if !self.nodes[a].is_here() || !self.nodes[b].is_here() {
            return;
        }
        for (to, from) in [(a, b), (b, a)] {
            let Node { id, profile, finished, .. } = &self.nodes[from];
            let (peer, profile, wants) = (*id, profile.clone(), finished.is_none());
            self.step(to, Input::PeerHeard { peer, profile, wants });
        }
    }

    /// Each hears of the other's acquaintances, and calls them.
    pub(super) fn introduce(&mut self, a: usize, b: usize) {
        let Some(known) = &mut self.acquainted else { return };
        let mut met = Vec::new();
        for (one, other) in [(a, b), (b, a)] {
            for third in (0..self.nodes.len()).filter(|third| *third != one && *third != other) {
                if known.contains(&pair(other, third)) && known.insert(pair(one, third)) {
                    met.push((one, third));
                }
            }
        }
        met.into_iter().for_each(|(one, third)| self.schedule_connect(one, third, Duration::ZERO));
    }

    pub(super) fn sever(&mut self, a: usize, b: usize) {
        if !self.connected.remove(&pair(a, b)) {
            return;
        }
        self.ports.iter_mut().for_each(|port| port.sever(a, b));
        for (to, from) in [(a, b), (b, a)] {
            let peer = self.nodes[from].id;
            self.step(to, Input::PeerLeft { peer });
        }
    }

    pub(super) fn tell(&mut self, from: usize, to: usize, what: Input) {
        self.schedule(self.delay(from, to), Event::Tell { to, from, what });
    }

    pub(super) fn tell_all(&mut self, from: usize, what: &Input) {
        let peers: Vec<_> = (0..self.nodes.len()).filter(|to| self.connected.contains(&pair(from, *to))).collect();
        peers.into_iter().for_each(|to| self.tell(from, to, what.clone()));
    }

    pub(super) fn claim(&mut self, node: usize) {
        let peer = self.nodes[node].id;
        let coming = (0..self.course.count()).map(ChunkIndex).collect();
        self.tell_all(node, &Input::PeerGained { peer, gained: vec![], coming });
        self.schedule(CLAIM_EVERY, Event::Claim { node });
    }
}
