//! Peers come, go, and tell what they have.

use super::Swarm;
use crate::content::chunk::ChunkIndex;
use crate::content::chunk_set::ChunkSet;
use crate::plan::time::Timestamp;
use crate::swarm::io::{DropReason, Output, PeerProfile};
use crate::swarm::lane::{Lane, Slot};
use crate::swarm::pace::Pace;
use crate::swarm::peers::{Ask, Peer};
use crate::swarm::picker::{Place, Row};
use crate::swarm::standing::Standing;
use crate::trust::PeerId;
use crate::wire::peer::Urgency;
use std::collections::BTreeMap;

impl Swarm {
    pub(super) fn handle_joined(&mut self, now: Timestamp, id: PeerId, profile: PeerProfile) {
        self.handle_left(now, &id);
        let natural_lane = self.profile.lane_to(&profile);
        self.peers.add(Peer {
            id,
            profile,
            natural_lane,
            joined: now,
            wants: false,
            has_told: false,
            holds: ChunkSet::new(),
            asks: BTreeMap::new(),
            pace: Pace::default(),
            standing: Standing::default(),
            spare: 1,
            is_dry: false,
        });
        self.review_heard(now);
        self.repeat_claims(now);
    }

    /// Whoever has just come has not heard what is being imported.
    fn repeat_claims(&mut self, now: Timestamp) {
        let is_import = |ask: &Ask| ask.urgency != Urgency::Background;
        let asks = self.peers.iter().flat_map(|(_, peer)| &peer.asks).filter(|(_, ask)| is_import(ask));
        let coming: Vec<_> = asks.map(|(chunk, _)| *chunk).collect();
        coming.into_iter().for_each(|chunk| self.announcer.coming(now, chunk));
        self.announcer.hurry(now);
    }

    pub(super) fn handle_left(&mut self, now: Timestamp, id: &PeerId) {
        self.hear_no_more(now, id);
        let Some(slot) = self.peers.slot(id) else { return };
        let lost = self.expel(slot);
        let claimed = self.patience.forget(slot);
        let Some(peer) = self.peers.remove(now, slot) else { return };
        let held = self.picker.known_of(&peer.holds);
        for chunk in held.iter() {
            self.picker.drop_holder(chunk, peer.lane());
        }
        for chunk in peer.asks.keys() {
            self.end_flight(now, *chunk, slot);
        }
        self.place_all(now, lost.into_iter().chain(claimed));
        self.place_all(now, held.iter());
        self.review_heard(now);
        if self.peers.iter().next().is_none() {
            self.announcer.clear();
        }
    }

    /// A lie about bytes is the end: dropped now, ignored for good.
    pub(super) fn ban(&mut self, now: Timestamp, id: PeerId) {
        self.handle_left(now, &id);
        self.peers.ban(id);
        self.outputs.push_back(Output::Disconnect { peer: id, reason: DropReason::BadChunk });
    }

    pub(super) fn handle_wants(&mut self, now: Timestamp, id: &PeerId, wants: bool) {
        let Some(slot) = self.peers.slot(id) else { return };
        if let Some(peer) = self.peers.get_mut(slot) {
            peer.wants = wants;
        }
        self.review_membership(now, slot);
    }

    pub(super) fn handle_has(&mut self, now: Timestamp, id: &PeerId, set: ChunkSet) {
        let Some(slot) = self.peers.slot(id) else { return };
        let Some(peer) = self.peers.get_mut(slot) else { return };
        let lane = peer.lane();
        peer.has_told = true;
        peer.is_dry = false;
        let old = self.picker.known_of(&std::mem::replace(&mut peer.holds, set));
        let new = self.picker.known_of(&peer.holds);
        self.window.look_again();
        for chunk in old.difference(&new).iter() {
            self.picker.drop_holder(chunk, lane);
            self.place(now, chunk);
        }
        for chunk in new.difference(&old).iter() {
            self.picker.add_holder(chunk, lane);
            self.place(now, chunk);
        }
    }

    pub(super) fn handle_gained(&mut self, now: Timestamp, id: &PeerId, gained: &[ChunkIndex], coming: &[ChunkIndex]) {
        let Some(slot) = self.peers.slot(id) else { return };
        if gained.iter().any(|chunk| self.is_import(slot, *chunk)) && self.patience.delivered(now, slot) {
            self.review_membership(now, slot);
        }
        self.credit_heard(now, slot, gained);
        for chunk in gained {
            self.gain(now, slot, *chunk);
        }
        for chunk in coming {
            if self.may_wait_for(*chunk) && self.patience.claim(now, slot, *chunk) {
                self.place(now, *chunk);
            }
        }
    }

    /// Whether a chunk is wanted and not held, in the window or not.
    fn may_wait_for(&self, chunk: ChunkIndex) -> bool {
        match self.picker.row(chunk) {
            Some(row) => row.place != Place::Held,
            None => self.is_missing_outside(chunk),
        }
    }

    fn is_missing_outside(&self, chunk: ChunkIndex) -> bool {
        self.window.space().is_some_and(|space| chunk.0 < space.count()) && !self.have.contains(chunk)
    }

    /// Whether a chunk in a peer's hands is nearer than it was, or what it is waited for.
    fn is_import(&self, slot: Slot, chunk: ChunkIndex) -> bool {
        let Some(peer) = self.peers.get(slot) else { return false };
        let is_new = !peer.holds.contains(chunk);
        let is_nearer = |row: &Row| row.lane().is_none_or(|lane| self.brings_nearer(slot, lane));
        is_new
            && match self.picker.row(chunk) {
                Some(row) => row.place == Place::Waiting(slot) || is_nearer(row),
                None => self.is_missing_outside(chunk) && !self.peers.is_as_near(chunk, peer.natural_lane),
            }
    }

    fn gain(&mut self, now: Timestamp, slot: Slot, chunk: ChunkIndex) {
        let Some(peer) = self.peers.get_mut(slot) else { return };
        peer.is_dry = false;
        if !peer.gains(chunk) {
            return;
        }
        let lane = peer.lane();
        self.picker.add_holder(chunk, lane);
        if self.is_missing_outside(chunk) && self.picker.row(self.picker.asked_as(chunk)).is_none() {
            self.window.look_at(chunk);
        }
        if lane <= Lane::Site && !self.tree.has_others(lane) {
            self.patience.settle(chunk);
        }
        self.place(now, chunk);
    }

    pub(super) fn handle_refused(&mut self, now: Timestamp, id: &PeerId, chunks: &[ChunkIndex]) {
        let Some(slot) = self.peers.slot(id) else { return };
        let mut claimed = 0;
        for chunk in chunks {
            let Some(peer) = self.peers.get_mut(slot) else { return };
            let lane = peer.lane();
            if peer.holds.remove(*chunk) {
                claimed += 1;
                self.picker.drop_holder(*chunk, lane);
            }
            self.take_back(slot, *chunk);
            self.end_flight(now, *chunk, slot);
            self.place(now, *chunk);
        }
        if !chunks.is_empty() {
            self.patience.distrust(slot);
            self.review_membership(now, slot);
        }
        if self.peers.get_mut(slot).is_some_and(|peer| peer.standing.refuse(claimed)) {
            self.snub(now, slot, true);
        }
    }
}
