//! What came: chunks, parts of chunks, and news from the shell about the store.

use super::Swarm;
use crate::content::chunk::ChunkIndex;
use crate::content::chunk_set::ChunkSet;
use crate::plan::time::Timestamp;
use crate::swarm::io::{KnownChunk, Output, Verdict};
use crate::swarm::lane::{Lane, Slot, mix};
use crate::swarm::peers::Peer;
use crate::swarm::picker::Place;
use crate::trust::PeerId;
use crate::wire::peer::Urgency;

impl Swarm {
    pub(super) fn handle_chunks_known(&mut self, now: Timestamp, chunks: Vec<KnownChunk>) {
        let is_page = !std::mem::replace(&mut self.pages_known, true);
        self.complete_told = false;
        for chunk in chunks {
            self.learn(now, chunk, is_page);
        }
    }

    /// False when it was known.
    pub(super) fn learn(&mut self, now: Timestamp, chunk: KnownChunk, is_page: bool) -> bool {
        let tie = mix(self.seed ^ u64::from(chunk.index.0)) as u32;
        if !self.picker.learn(chunk, is_page, tie) {
            return false;
        }
        self.tree.elect(chunk.index, &chunk.id);
        for (_, peer) in self.peers.iter().filter(|(_, peer)| peer.holds.contains(chunk.index)) {
            self.picker.add_holder(chunk.index, peer.lane());
        }
        if self.have.contains(chunk.index) {
            self.move_to(now, chunk.index, Place::Held);
        } else {
            self.place(now, chunk.index);
        }
        true
    }

    pub(super) fn handle_held(&mut self, now: Timestamp, set: &ChunkSet) {
        let mut news = set.difference(&self.have);
        if self.window.space().is_none() {
            // At the start these may be millions, and nobody is to be told one by one.
            let known = self.picker.known_of(&news);
            self.have.extend_from(&news.difference(&known));
            news = known;
        }
        for chunk in news.iter() {
            if !self.have.contains(chunk) {
                self.hold(now, chunk);
            }
        }
    }

    /// A chunk is in the store: nobody needs to send it any more.
    pub(super) fn hold(&mut self, now: Timestamp, chunk: ChunkIndex) {
        self.have.insert(chunk);
        let Some(row) = self.picker.row(chunk) else { return self.hold_outside(now, chunk) };
        let is_page = row.is_page;
        for slot in self.flights.remove(&chunk).unwrap_or_default() {
            if self.take_back(slot, chunk) {
                self.cancel(slot, vec![chunk]);
            }
        }
        self.move_to(now, chunk, Place::Held);
        self.patience.settle(chunk);
        if self.peers.iter().next().is_some() {
            self.announcer.gained(now, chunk);
            if is_page {
                self.announcer.hurry(now);
            }
        }
        self.let_go(now, chunk, is_page);
    }

    pub(super) fn handle_not_stored(&mut self, now: Timestamp, chunk: ChunkIndex) {
        for slot in self.flights.get(&chunk).cloned().unwrap_or_default() {
            self.take_back(slot, chunk);
            self.end_flight(now, chunk, slot);
        }
        if !self.have.remove(chunk) {
            return;
        }
        self.announcer.lost(chunk);
        self.complete_told = false;
        let Some(id) = self.picker.row(chunk).map(|row| row.id) else { return self.window.look_at(chunk) };
        self.tree.elect(chunk, &id);
        self.move_to(now, chunk, Place::Nowhere);
        self.place(now, chunk);
    }

    pub(super) fn handle_progress(&mut self, now: Timestamp, id: &PeerId, bytes: u64) {
        if let Some(peer) = self.peers.slot(id).and_then(|slot| self.peers.get_mut(slot)) {
            peer.pace.progress(now, bytes);
        }
    }

    pub(super) fn handle_received(&mut self, now: Timestamp, id: &PeerId, chunk: ChunkIndex, verdict: Verdict) {
        if verdict == Verdict::Bad {
            self.ban(now, *id);
            return;
        }
        let Some(len) = self.picker.row(chunk).map(|row| u64::from(row.len)) else {
            // Its row was dropped when another peer had sent it.
            self.duplicates += u64::from(self.have.contains(chunk));
            return;
        };
        if let Some(slot) = self.peers.slot(id) {
            self.credit(now, slot, chunk, len);
        }
        if self.have.contains(chunk) {
            self.duplicates += 1;
        } else {
            self.hold(now, chunk);
        }
    }

    /// Counts a delivered chunk for its sender, whether it was still wanted or not.
    fn credit(&mut self, now: Timestamp, slot: Slot, chunk: ChunkIndex, len: u64) {
        let Some(peer) = self.peers.get_mut(slot) else { return };
        let ask = peer.asks.remove(&chunk);
        if ask.is_some_and(|ask| ask.urgency == Urgency::Background) {
            peer.spare += 1;
            peer.is_dry = false;
        }
        peer.pace.deliver(now, len, ask.is_some());
        let (is_restored, lane) = (peer.standing.deliver(), peer.natural_lane);
        if let Some(flight) = self.flights.get_mut(&chunk) {
            flight.retain(|other| *other != slot);
        }
        if is_restored {
            self.change_lane(now, slot, Lane::Doubtful, lane);
        }
    }

    /// A peer's standing changed: all it holds is now reached over another lane.
    pub(super) fn change_lane(&mut self, now: Timestamp, slot: Slot, from: Lane, to: Lane) {
        let Some(peer) = self.peers.get_mut(slot) else { return };
        peer.is_dry = false;
        let held = self.picker.known_of(&peer.holds);
        for chunk in held.iter() {
            self.picker.drop_holder(chunk, from);
            self.picker.add_holder(chunk, to);
            self.place(now, chunk);
        }
        self.review_membership(now, slot);
    }

    /// Forgets that a chunk was asked of a peer; false when it was not.
    pub(super) fn take_back(&mut self, slot: Slot, chunk: ChunkIndex) -> bool {
        let len = self.picker.row(chunk).map_or(0, |row| u64::from(row.len));
        let take = |peer: &mut Peer| {
            let was_asked = peer.asks.remove(&chunk).is_some();
            if was_asked {
                peer.pace.take_back(len);
            }
            was_asked
        };
        self.peers.get_mut(slot).is_some_and(take)
    }

    /// A request will not be answered: unless another one runs, the chunk is to be asked for again.
    pub(super) fn end_flight(&mut self, now: Timestamp, chunk: ChunkIndex, slot: Slot) {
        let Some(flight) = self.flights.get_mut(&chunk) else { return };
        flight.retain(|other| *other != slot);
        if flight.is_empty() {
            self.flights.remove(&chunk);
            self.move_to(now, chunk, Place::Nowhere);
            self.place(now, chunk);
        }
    }

    /// Takes back all that a peer was asked for.
    pub(super) fn cancel_all(&mut self, now: Timestamp, slot: Slot) {
        let Some(peer) = self.peers.get(slot) else { return };
        let chunks: Vec<_> = peer.asks.keys().copied().collect();
        for chunk in &chunks {
            self.take_back(slot, *chunk);
            self.end_flight(now, *chunk, slot);
        }
        self.cancel(slot, chunks);
    }

    fn cancel(&mut self, slot: Slot, chunks: Vec<ChunkIndex>) {
        if let Some(peer) = self.peers.get(slot).filter(|_| !chunks.is_empty()) {
            self.outputs.push_back(Output::Cancel { peer: peer.id, chunks });
        }
    }

    pub(super) fn handle_paused(&mut self, now: Timestamp, is_paused: bool) {
        self.is_paused = is_paused;
        if is_paused {
            let slots: Vec<_> = self.peers.iter().map(|(slot, _)| slot).collect();
            slots.into_iter().for_each(|slot| self.cancel_all(now, slot));
        } else {
            self.patience.restart(now);
            self.peers.wake_all();
        }
    }
}
