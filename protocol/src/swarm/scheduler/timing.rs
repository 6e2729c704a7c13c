//! What is due: silent peers are set aside, importers that do not deliver are passed over, news are told.

use super::Swarm;
use super::asking::settled_at;
use crate::plan::time::Timestamp;
use crate::swarm::io::Output;
use crate::swarm::lane::{Lane, Slot};
use crate::swarm::peers::{Peer, Snub};
use std::time::Duration;

/// Pause before a peer that stayed silent again is tried once more; doubles each time.
const PROBE_PAUSE: Duration = Duration::from_secs(5);
/// Doublings of it: at most 80 s, so that a link that returns is used within a minute or so.
const PROBE_DOUBLINGS_MAX: u32 = 4;

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
        let probes = self.peers.iter().filter_map(|(_, peer)| peer.snub.map(|snub| snub.probe_at));
        let flights = self.flights.keys().filter(|_| self.is_endgame());
        probes
            .chain(self.peers.iter().filter_map(|(_, peer)| settled_at(peer)))
            .chain(self.eviction_at())
            .chain(flights.filter_map(|chunk| self.overdue_at(*chunk)))
    }

    pub(super) fn run_due(&mut self, now: Timestamp) {
        let is_silent = |peer: &Peer| peer.silent_at().is_some_and(|at| at <= now);
        let silent: Vec<_> = self.peers.iter().filter(|(_, peer)| is_silent(peer)).map(|(slot, _)| slot).collect();
        silent.into_iter().for_each(|slot| self.snub(now, slot));
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
        }
    }

    /// Sets a silent peer aside: its chunks are asked of others, itself of one chunk at a time.
    fn snub(&mut self, now: Timestamp, slot: Slot) {
        let Some(peer) = self.peers.get_mut(slot) else { return };
        let lane = peer.lane();
        let times = peer.snub.map_or(0, |snub| snub.times + 1);
        let pause = if times == 0 { Duration::ZERO } else { PROBE_PAUSE * (1 << times.min(PROBE_DOUBLINGS_MAX)) };
        peer.snub = Some(Snub { times, probe_at: now + pause });
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
