//! Members that are known to take part in a transfer and are not connected: not yet, or because they cannot be reached. The
//! swarm counts on them as importers all the same (decision 0028).

use super::Driver;
use karez_protocol::content::hash::ReleaseId;
use karez_protocol::content::name::CollectionName;
use karez_protocol::swarm::io::Input;
use karez_protocol::trust::PeerId;
use std::collections::BTreeMap;
use std::time::Instant;

/// Members heard of that one swarm counts on. Each costs a hash for every missing chunk. The lowest ids, so that sites agree.
const HEARD_MAX: usize = 32;

impl Driver {
    /// Tells the swarms what has changed.
    pub(super) fn tell_hearsay(&mut self, now: Instant) {
        let hungry = self.transfers.values().filter(|transfer| transfer.is_hungry());
        let hungry: Vec<_> = hungry.map(|transfer| (transfer.release, transfer.collection.clone())).collect();
        for (release, collection) in hungry {
            let heard = self.heard_of(&collection, now);
            self.tell_heard(&release, &collection, heard);
        }
    }

    /// Members that hold or fetch the collection and are not connected, and whether they lack chunks.
    fn heard_of(&self, collection: &CollectionName, now: Instant) -> BTreeMap<PeerId, bool> {
        let is_away = |peer: &PeerId| self.peers.lane_of(peer).is_none() && !self.peers.is_banned(peer, now);
        let counts = |peer: &PeerId| *peer != self.me() && self.member(peer).is_some() && is_away(peer);
        let known = self.peers.iter().filter_map(|(id, peer)| Some((*id, !peer.collections.get(collection)?)));
        known.filter(|(peer, _)| counts(peer)).take(HEARD_MAX).collect()
    }

    fn tell_heard(&mut self, release: &ReleaseId, collection: &CollectionName, heard: BTreeMap<PeerId, bool>) {
        let Some(transfer) = self.transfers.get_mut(release) else { return };
        if transfer.heard == heard {
            return;
        }
        let participants: Vec<_> = transfer.participants.keys().copied().collect();
        let before = std::mem::replace(&mut transfer.heard, heard.clone());
        let gone = before.keys().filter(|peer| !heard.contains_key(peer) && !participants.contains(peer));
        let gone: Vec<_> = gone.copied().collect();
        gone.into_iter().for_each(|peer| self.drive(release, Input::PeerLeft { peer }));
        for (peer, wants) in heard.into_iter().filter(|(peer, wants)| before.get(peer) != Some(wants)) {
            let profile = self.profile(&peer, collection);
            self.drive(release, Input::PeerHeard { peer, profile, wants });
        }
    }
}
