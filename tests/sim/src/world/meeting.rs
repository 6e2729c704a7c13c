//! Nodes meet, talk and part; what befalls them.

use super::{CLAIM_EVERY, Event, IDLE_TIMEOUT, Node, World, pair};
use crate::{Conduct, Fate, Incident, Moment};
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::swarm::io::Input;
use std::time::Duration;

impl World {
    pub(super) fn connect(&mut self, a: usize, b: usize) {
        if !self.nodes[a].is_up || !self.nodes[b].is_up || !self.connected.insert(pair(a, b)) {
            return;
        }
        for (to, from) in [(a, b), (b, a)] {
            let Node { id, profile, .. } = &self.nodes[from];
            let (peer, profile) = (*id, profile.clone());
            self.step(to, Input::PeerJoined { peer, profile });
            let wants = self.nodes[from].finished.is_none() && from != 0;
            self.tell(from, to, Input::PeerWants { peer, wants });
            let set = match self.nodes[from].conduct {
                Conduct::Boaster => ChunkSet::full(self.course.count()),
                _ => self.nodes[from].swarm.have().clone(),
            };
            self.tell(from, to, Input::PeerHas { peer, set });
        }
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

    pub(super) fn check_incidents(&mut self) {
        for at in 0..self.scenario.incidents.len() {
            let incident = self.scenario.incidents[at];
            let due = match incident.when {
                Moment::At(_) => false,
                Moment::CopiesSent(copies) => self.sent[0] as f64 >= copies * self.course.bytes() as f64,
                Moment::EveryChunkOut => {
                    let honest = |node: &&Node| node.conduct == Conduct::Honest && !node.profile.is_origin;
                    self.out.len() == u64::from(self.course.count()) && {
                        let mut union = ChunkSet::new();
                        self.nodes.iter().filter(honest).for_each(|node| union.extend_from(node.swarm.have()));
                        union.len() == u64::from(self.course.count())
                    }
                }
            };
            if due {
                self.scenario.incidents[at].when = Moment::At(Duration::ZERO);
                self.befall(incident);
            }
        }
    }

    pub(super) fn befall(&mut self, Incident { node, fate, .. }: Incident) {
        let others: Vec<_> = (0..self.nodes.len()).filter(|other| *other != node).collect();
        match fate {
            Fate::Dies | Fate::Vanishes => {
                self.nodes[node].is_up = false;
                let after = if fate == Fate::Dies { Duration::ZERO } else { IDLE_TIMEOUT };
                others.into_iter().for_each(|other| self.schedule(after, Event::Sever(node, other)));
            }
            Fate::Returns => {
                self.nodes[node].is_up = true;
                others.into_iter().for_each(|other| self.schedule_connect(node, other, Duration::ZERO));
            }
        }
    }
}
