//! What befalls nodes: they go, come back, or lose power.

use super::{Conduct, Event, Node, Swarm, World};
use crate::scenario::{Fate, Incident, Moment};
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::swarm::io::Input;
use std::time::Duration;

/// A vanished node's connections last so long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

impl Incident {
    /// Whether the node is gone after it.
    pub(super) fn is_departure(&self) -> bool {
        matches!(self.fate, Fate::Dies | Fate::Vanishes)
    }
}

impl World {
    pub(super) fn check_incidents(&mut self) {
        for at in 0..self.scenario.incidents.len() {
            let incident = self.scenario.incidents[at];
            let due = match incident.when {
                Moment::At(_) => false,
                Moment::CopiesSent(copies) => self.flagship_sent() as f64 >= copies * self.course.new_bytes() as f64,
                Moment::EveryChunkOut => self.is_every_chunk_out(),
            };
            if due {
                self.scenario.incidents[at].when = Moment::At(Duration::ZERO);
                self.befall(incident);
            }
        }
    }

    fn is_every_chunk_out(&self) -> bool {
        let honest = |node: &&Node| node.conduct == Conduct::Honest && !node.profile.is_origin;
        self.out.len() == u64::from(self.course.count()) && {
            let mut union = ChunkSet::new();
            self.nodes.iter().filter(honest).for_each(|node| union.extend_from(node.swarm.have()));
            union.len() == u64::from(self.course.count())
        }
    }

    pub(super) fn befall(&mut self, Incident { node, fate, .. }: Incident) {
        let others: Vec<_> = (0..self.nodes.len()).filter(|other| *other != node).collect();
        match fate {
            Fate::Dies | Fate::Vanishes => {
                self.nodes[node].is_up = false;
                let after = if fate == Fate::Dies { Duration::ZERO } else { IDLE_TIMEOUT };
                others.into_iter().for_each(|other| self.schedule(after, Event::Sever(node, other)));
                self.look_whether_over();
            }
            Fate::Returns | Fate::Restarts => {
                self.nodes[node].is_up = true;
                if fate == Fate::Restarts {
                    self.restart(node);
                }
                others.into_iter().for_each(|other| self.schedule_connect(node, other, Duration::ZERO));
            }
        }
    }

    /// A new core, with what the store has.
    fn restart(&mut self, node: usize) {
        let Node { swarm, config, unsynced, finished, .. } = &mut self.nodes[node];
        // Completion is only claimed after a sync.
        let is_whole = finished.is_some();
        let lost: ChunkSet = unsynced.drain(..).filter(|_| !is_whole).map(|(_, chunk)| chunk).collect();
        let held = swarm.have().difference(&lost);
        *swarm = Swarm::new(config.clone());
        swarm.handle(self.now, Input::Held(held));
        let is_open = self.nodes[node].is_open;
        self.nodes[node].content_known = false;
        self.nodes[node].tick_at = None;
        if self.nodes[node].finished.is_none() {
            self.step(node, Input::ChunksKnown(self.course.pages.clone()));
            self.step(node, Input::Paused(!is_open));
        }
    }
}
