//! What is due: silent peers are set aside, importers that do not deliver are passed over, news are told.

use super::Swarm;
use crate::plan::time::Timestamp;
use crate::swarm::io::Output;
use crate::swarm::lane::{Lane, Slot};
use crate::swarm::peers::Peer;

impl Swarm {
    /// When `Input::Tick` is due, if nothing else happens before.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let mut due: Vec<Timestamp> = Vec::new();
        due.extend(self.announcer.deadline());
        if self.missing_count() > 0 && !self.is_paused {
            due.extend(self.patience.deadline());
            due.extend(self.peers.iter().filter_map(|(_, peer)| peer.silent_at()));
            // What is past and still here has been looked at: it waits for another event.
            due.extend(self.chances().filter(|at| *at > self.clock));
        }
        due.into_iter().min()
    }

    /// Moments at which something may be asked that may not be asked before.
    fn chances(&self) -> impl Iterator<Item = Timestamp> + '_ {
        let probes = self.peers.iter().filter_map(|(_, peer)| peer.standing.snub().map(|snub| snub.probe_at));
        let flights = self.flights.keys().filter(|_| self.is_endgame());
        probes
            .chain(self.untold().map(|(_, settled)| settled))
            .chain(self.eviction_at())
            .chain(flights.filter_map(|chunk| self.overdue_at(*chunk)))
    }

    pub(super) fn run_due(&mut self, now: Timestamp) {
        let is_silent = |peer: &Peer| peer.silent_at().is_some_and(|at| at <= now);
        let silent: Vec<_> = self.peers.iter().filter(|(_, peer)| is_silent(peer)).map(|(slot, _)| slot).collect();
        for slot in silent {
            // When nobody has delivered, the link is ours that is down.
            let is_fault = self.peers.others_delivered_since(slot);
            self.snub(now, slot, is_fault);
        }
        let expired = self.patience.expire(now);
        for chunk in expired.iter().filter(|chunk| self.picker.row(**chunk).is_none()) {
            self.patience.drop_spent(*chunk);
        }
        self.place_all(now, expired);
        if self.is_paused {
            return;
        }
        for slot in self.patience.stall_due(now) {
            self.review_membership(now, slot);
            self.review_one_heard(now, slot);
        }
    }

    /// Sets a peer aside that let requests lie: its chunks are asked of others, itself of one chunk at a time.
    pub(super) fn snub(&mut self, now: Timestamp, slot: Slot, is_fault: bool) {
        let Some(peer) = self.peers.get_mut(slot) else { return };
        let lane = peer.lane();
        peer.standing.fail(now, is_fault);
        if lane != Lane::Doubtful {
            self.change_lane(now, slot, lane, Lane::Doubtful);
        }
        self.cancel_all(now, slot);
    }

    /// Tells what is due to be told.
    pub(super) fn tell(&mut self, now: Timestamp) {
        let is_complete = self.pages_known && self.missing_count() == 0;
        if is_complete {
            self.announcer.hurry(now);
        }
        if let Some((gained, coming)) = self.announcer.take(now) {
            self.outputs.push_back(Output::Announce { gained, coming });
        }
        if is_complete && !std::mem::replace(&mut self.complete_told, true) {
            self.outputs.push_back(Output::Complete);
        }
    }
}
