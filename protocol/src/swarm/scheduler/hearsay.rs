//! Sites that take part and that this node cannot reach: they import as all others do, and what they bring comes by others.
//!
//! Without them each of two sites behind carrier NAT takes itself for the importer of what the other imports.
//!
//! What must stay true: a site that is only heard of is never asked; when nothing comes of what it is to import, it is passed
//! over as a connected one is.

use super::Swarm;
use crate::content::chunk::ChunkIndex;
use crate::plan::time::Timestamp;
use crate::swarm::importer::Member;
use crate::swarm::io::PeerProfile;
use crate::swarm::lane::{Lane, Slot};
use crate::swarm::peers::Heard;
use crate::swarm::picker::Place;
use crate::trust::PeerId;
use std::collections::BTreeSet;

impl Swarm {
    pub(super) fn handle_heard(&mut self, now: Timestamp, id: PeerId, profile: &PeerProfile, wants: bool) {
        let lane = self.profile.lane_to(profile);
        if lane == Lane::Origin {
            return;
        }
        let known = self.peers.slot_heard(&id);
        let site = Heard { id, weight: profile.weight, lane, wants, since: (!self.peers.has_met(&id)).then_some(now) };
        let Some(slot) = known.or_else(|| self.peers.hear_of(site)) else { return };
        if let Some(site) = self.peers.heard_mut(slot) {
            site.wants = wants;
        }
        self.review_one_heard(now, slot);
    }

    pub(super) fn hear_no_more(&mut self, now: Timestamp, id: &PeerId) {
        let Some(slot) = self.peers.slot_heard(id) else { return };
        let lost = self.expel(slot);
        self.patience.forget(slot);
        self.peers.unhear(slot);
        self.place_all(now, lost);
    }

    /// Somebody came or went: without a site that is connected nobody would bring what those import.
    pub(super) fn review_heard(&mut self, now: Timestamp) {
        let slots: Vec<_> = self.peers.all_heard().map(|(slot, _)| slot).collect();
        slots.into_iter().for_each(|slot| self.review_one_heard(now, slot));
    }

    pub(super) fn review_one_heard(&mut self, now: Timestamp, slot: Slot) {
        let Some(Heard { id, weight, lane, wants, .. }) = self.peers.heard(slot).cloned() else { return };
        let fit = wants && self.peers.has_site() && !self.patience.is_stalled(slot);
        if fit == self.tree.contains(slot) {
            return;
        }
        let changed = match fit {
            true => self.tree.join(Member { slot, peer: id, weight, lane }, self.picker.missing()),
            false => self.expel(slot),
        };
        self.place_all(now, changed);
    }

    /// What is waited for from somebody out of reach came nearer, in another's hands: its importer delivers.
    pub(super) fn credit_heard(&mut self, now: Timestamp, slot: Slot, gained: &[ChunkIndex]) {
        let importer = |chunk: &ChunkIndex| {
            let row = self.picker.row(*chunk)?;
            let Place::Waiting(importer) = row.place else { return None };
            let is_nearer = row.lane().is_none_or(|lane| self.brings_nearer(slot, lane));
            (is_nearer && self.peers.heard(importer).is_some()).then_some(importer)
        };
        let importers: BTreeSet<Slot> = gained.iter().filter_map(importer).collect();
        importers.into_iter().for_each(|importer| _ = self.patience.delivered(now, importer));
    }
}
