//! What carrying bundles needs to know of the node: taken from the driver at once, then used off its loop.

use karez_content_tools::bundle::SiteHeld;
use karez_content_tools::store::Store;
use karez_protocol::content::hash::{ManifestId, NetworkId, ReleaseId};
use karez_protocol::content::name::CollectionName;
use karez_protocol::content::release::Release;
use karez_protocol::trust::Signed;
use karez_protocol::trust::roster::Roster;
use karez_protocol::wire::control::SignedRelease;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;

/// A look at the node for a courier.
#[derive(Debug, Clone)]
pub struct Courier {
    /// The store.
    pub store: Arc<Store>,
    /// The network.
    pub network: NetworkId,
    /// Who may publish what.
    pub roster: Roster,
    /// This node's name.
    pub name: String,
    /// The newest releases that are complete here.
    pub complete: BTreeSet<ReleaseId>,
    /// Collections of which it is not known yet what is here: published or started a moment ago.
    pub opening: BTreeSet<CollectionName>,
    /// What is here, whole or in part.
    pub held: Vec<SiteHeld>,
    /// Those releases stay in use as long as this lives.
    pub in_use: Vec<watch::Receiver<u64>>,
    /// By name, what other members said last that they hold whole; only those heard of since the node started.
    pub members: BTreeMap<String, Vec<SiteHeld>>,
}

impl Courier {
    /// Checks a release as one from a peer: signed by its namespace's publisher, for this network, with the root it names.
    pub fn check(&self, offered: &SignedRelease) -> Result<(), String> {
        let owner = |release: &Release| self.roster.publisher(release.collection.publisher()).map(|owner| owner.key);
        let release =
            Signed::<Release>::verify_by(&offered.release, &self.network, owner).map_err(|cause| cause.to_string())?;
        match ManifestId::of(&offered.root) == release.value().manifest {
            true => Ok(()),
            false => Err("its root page is not the one it names".into()),
        }
    }
}
