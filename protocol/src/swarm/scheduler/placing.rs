//! What is to be done about a chunk: the importer rule, applied to one chunk at a time.

use super::Swarm;
use crate::content::chunk::ChunkIndex;
use crate::plan::time::Timestamp;
use crate::swarm::importer::Member;
use crate::swarm::lane::{Lane, Slot};
use crate::swarm::picker::Place;

impl Swarm {
    /// Looks again at a chunk about which something changed.
    pub(super) fn place(&mut self, now: Timestamp, chunk: ChunkIndex) {
        let Some(row) = self.picker.row(chunk) else { return };
        let (old, lane) = (row.place, row.lane());
        if matches!(old, Place::Held | Place::InFlight) {
            return;
        }
        let place = match lane {
            _ if self.is_elsewhere(chunk, &row.id) => Place::Elsewhere,
            None => Place::Nowhere,
            Some(lane) => match self.whose_turn(chunk, lane) {
                Slot::ME => Place::Ready(lane),
                importer => Place::Waiting(importer),
            },
        };
        if place != old {
            self.move_to(now, chunk, place);
        }
    }

    /// Looks again at some chunks.
    pub(super) fn place_all(&mut self, now: Timestamp, chunks: impl IntoIterator<Item = ChunkIndex>) {
        chunks.into_iter().for_each(|chunk| self.place(now, chunk));
    }

    /// Who takes a chunk over a lane: this node, or the one to wait for.
    fn whose_turn(&self, chunk: ChunkIndex, lane: Lane) -> Slot {
        if matches!(lane, Lane::Group | Lane::Doubtful) {
            return Slot::ME;
        }
        let claimant = self.patience.claimants(chunk).find(|slot| self.brings_nearer(*slot, lane));
        claimant.unwrap_or_else(|| self.importer(chunk, lane))
    }

    /// Whose turn it is when nobody has claimed the chunk. A page is not left to somebody out of reach, who may be gone: all waits for it.
    fn importer(&self, chunk: ChunkIndex, lane: Lane) -> Slot {
        let winner = self.tree.winner(chunk, lane);
        let is_page = self.picker.row(chunk).is_some_and(|row| row.is_page);
        if is_page && self.peers.heard(winner).is_some() { Slot::ME } else { winner }
    }

    /// Whether a chunk that is to be had over this lane is nearer once a peer has it.
    pub(super) fn brings_nearer(&self, slot: Slot, lane: Lane) -> bool {
        self.peers.get(slot).is_some_and(|peer| peer.natural_lane <= Lane::Site && peer.natural_lane < lane)
    }

    /// Moves a chunk and keeps what follows from it: who is waited for, and whom to look at again.
    pub(super) fn move_to(&mut self, now: Timestamp, chunk: ChunkIndex, place: Place) {
        let Some(old) = self.picker.set_place(chunk, place) else { return };
        self.note_flight(chunk, (old, place));
        if let Place::Waiting(importer) = place {
            self.patience.await_one(now, importer);
        }
        if let Place::Waiting(importer) = old {
            self.patience.await_one_less(importer);
        }
        if matches!(place, Place::Ready(_) | Place::Waiting(_)) {
            self.peers.wake_holders(chunk);
        }
    }

    /// Makes a peer an importer, or no longer one, as its standing has it.
    pub(super) fn review_membership(&mut self, now: Timestamp, slot: Slot) {
        let Some(peer) = self.peers.get(slot) else { return };
        let fit = peer.wants && !peer.profile.is_origin && !peer.is_snubbed() && !self.patience.is_stalled(slot);
        if fit == self.tree.contains(slot) {
            return;
        }
        let changed = if fit {
            let member = Member { slot, peer: peer.id, weight: peer.profile.weight, lane: peer.natural_lane };
            self.tree.join(member, self.picker.missing())
        } else {
            self.expel(slot)
        };
        self.place_all(now, changed);
    }

    /// Takes a peer out of the domains; returns the chunks it was to import.
    pub(super) fn expel(&mut self, slot: Slot) -> Vec<ChunkIndex> {
        if !self.tree.contains(slot) {
            return Vec::new();
        }
        self.tree.leave(slot, self.picker.missing())
    }
}
