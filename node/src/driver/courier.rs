//! Bundles: what a courier needs to know, and what follows from what he brought.

use super::Driver;
use super::transfer::{Stage, Transfer};
use crate::handle::courier::Courier;
use karez_content_tools::bundle::SiteHeld;
use karez_protocol::content::hash::ReleaseId;
use karez_protocol::content::name::CollectionName;
use karez_protocol::wire::control::SignedRelease;
use std::collections::{BTreeMap, BTreeSet};

impl Driver {
    pub(super) fn courier(&self) -> Courier {
        let held = self.transfers.values().filter(|transfer| transfer.wanted || transfer.complete);
        let held = held.map(|transfer| SiteHeld {
            collection: transfer.collection.clone(),
            version: transfer.version,
            chunks: (!transfer.complete).then(|| transfer.swarm.have().clone()),
        });
        let complete = self.newest_complete();
        let in_use = complete.iter().filter_map(|release| self.transfers.get(release));
        Courier {
            in_use: in_use.map(|transfer| transfer.changes.subscribe()).collect(),
            store: self.parts.store.clone(),
            network: self.parts.network,
            roster: self.parts.roster.value().clone(),
            name: self.name_of(&self.me()),
            complete,
            opening: self.opening(),
            held: held.collect(),
            members: self.members_held(),
        }
    }

    /// Being looked through, or all here and about to be synced.
    fn opening(&self) -> BTreeSet<CollectionName> {
        let is_whole = |t: &Transfer| t.content_known && t.swarm.missing_count() == 0;
        let opening = self.transfers.values().filter(|t| !t.complete && (t.stage == Stage::Opening || is_whole(t)));
        opening.map(|transfer| transfer.collection.clone()).collect()
    }

    fn newest_complete(&self) -> BTreeSet<ReleaseId> {
        let mut newest: BTreeMap<&CollectionName, (u64, ReleaseId)> = BTreeMap::new();
        for transfer in self.transfers.values().filter(|transfer| transfer.complete) {
            let this = (transfer.version, transfer.release);
            let row = newest.entry(&transfer.collection).or_insert(this);
            *row = (*row).max(this);
        }
        newest.into_values().map(|(_, release)| release).collect()
    }

    /// Every member by name; those never heard of hold nothing that is known.
    fn members_held(&self) -> BTreeMap<String, Vec<SiteHeld>> {
        let held = |member: &karez_protocol::trust::roster::Member| {
            let said = self.peers.get(&member.peer).map(|peer| peer.held.as_slice()).unwrap_or_default();
            let whole = said.iter().filter(|held| held.complete);
            let whole =
                whole.map(|held| SiteHeld { collection: held.collection.clone(), version: held.version, chunks: None });
            (member.name.clone(), whole.collect())
        };
        self.parts.roster.value().members.iter().map(held).collect()
    }

    /// Releases came with a bundle, and chunks that no swarm has heard of: whoever imports a bundle wants what is in it.
    pub(super) fn imported(&mut self, releases: &[SignedRelease]) {
        for release in releases {
            let Ok(known) = self.check(release) else { continue };
            let collection = known.release.value().collection.clone();
            // An older version than the one known is no news, but its chunks may serve the newer one.
            if let Err(cause) = self.learn(release, 0) {
                tracing::debug!(%collection, %cause, "a release of a bundle was not new");
            }
            if !self.owns(&collection)
                && let Err(cause) = self.want(collection, None)
            {
                tracing::warn!(%cause, "a collection of a bundle cannot be fetched");
            }
        }
        let running = self.transfers.values().filter(|t| !t.complete && t.stage != Stage::Opening);
        let running: Vec<_> = running.map(|transfer| (transfer.release, transfer.pages.clone())).collect();
        running.into_iter().for_each(|(release, pages)| self.open_transfer(release, pages));
    }
}
