//! The newest release known of every collection. A release enters only with the signature of its namespace's publisher
//! and the root page it names, and versions never go back.

use super::{Driver, Topic};
use crate::state::{Change, RememberedRelease};
use crate::trouble::Problem;
use karez_content_tools::store::HeldRelease;
use karez_protocol::content::Document as _;
use karez_protocol::content::hash::{ManifestId, ReleaseId};
use karez_protocol::content::manifest::ManifestRoot;
use karez_protocol::content::name::CollectionName;
use karez_protocol::content::release::Release;
use karez_protocol::trust::{SignatureError, Signed};
use karez_protocol::wire::control::SignedRelease;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A checked release with its root page.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) release: Signed<Release>,
    pub(super) root: Arc<ManifestRoot>,
    pub(super) root_bytes: Arc<Vec<u8>>,
}

impl Known {
    pub(super) fn signed(&self) -> SignedRelease {
        SignedRelease { release: self.release.bytes().to_vec(), root: self.root_bytes.to_vec() }
    }

    pub(super) fn held(&self) -> HeldRelease {
        HeldRelease {
            collection: self.release.value().collection.clone(),
            version: self.version(),
            signed: self.release.bytes().to_vec(),
            root: self.root_bytes.to_vec(),
            whole: false,
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.release.value().version
    }

    pub(super) fn id(&self) -> ReleaseId {
        self.release.value().id()
    }

    pub(super) fn manifest(&self) -> ManifestId {
        self.release.value().manifest
    }
}

/// Why a release is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReleaseError {
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error("its root page is not the one it names")]
    Root,
    #[error("version {offered} is not newer than {known}")]
    Stale { offered: u64, known: u64 },
    #[error("version {version} was signed twice with different content: the publisher's key may be misused")]
    Forked { version: u64 },
}

/// The newest releases.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    known: BTreeMap<CollectionName, Known>,
    /// Revision of the tracker's catalogue up to which everything is here.
    pub(super) revision: u64,
}

impl Catalogue {
    pub(super) fn get(&self, collection: &CollectionName) -> Option<&Known> {
        self.known.get(collection)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&CollectionName, &Known)> {
        self.known.iter()
    }
}

impl Driver {
    /// Checks a release from anywhere.
    pub(super) fn check(&self, offered: &SignedRelease) -> Result<Known, ReleaseError> {
        let roster = self.parts.roster.value();
        let owner = |release: &Release| roster.publisher(release.collection.publisher()).map(|owner| owner.key);
        let release = Signed::<Release>::verify_by(&offered.release, &self.parts.network, owner)?;
        if ManifestId::of(&offered.root) != release.value().manifest {
            return Err(ReleaseError::Root);
        }
        let root = ManifestRoot::from_bytes(&offered.root).map_err(SignatureError::from)?;
        Ok(Known { release, root: Arc::new(root), root_bytes: Arc::new(offered.root.clone()) })
    }

    /// Takes a newer release in and starts what follows from it. `revision` is the tracker's, 0 from elsewhere.
    pub(super) fn learn(&mut self, offered: &SignedRelease, revision: u64) -> Result<(), ReleaseError> {
        let known = self.check(offered)?;
        let collection = known.release.value().collection.clone();
        if let Some(held) = self.catalogue.get(&collection) {
            let (offered, held_version) = (known.version(), held.version());
            if offered == held_version && known.manifest() != held.manifest() {
                let fork = Problem::Forked { collection: collection.to_string(), version: offered };
                self.problems.report(Topic::Content(collection), fork);
                return Err(ReleaseError::Forked { version: offered });
            }
            if offered <= held_version {
                return Err(ReleaseError::Stale { offered, known: held_version });
            }
        }
        let release = known.signed();
        self.state.remember(Change::Catalogue { collection: collection.clone(), revision, release });
        tracing::info!(%collection, version = known.version(), "new release known");
        self.catalogue.known.insert(collection.clone(), known);
        // Whoever waits for an older version is better served by this one.
        let gave_up = self.give_up_older(&collection);
        if gave_up || self.wanted.get(&collection) == Some(&true) {
            self.fetch_newest(&collection);
        }
        self.greet_all();
        Ok(())
    }

    /// At start: what was remembered, checked again, and what the store holds.
    pub(super) fn restore(&mut self, remembered: Vec<RememberedRelease>) {
        for (collection, revision, release) in remembered {
            match self.check(&release) {
                Ok(known) => {
                    self.catalogue.revision = self.catalogue.revision.max(revision);
                    self.catalogue.known.insert(known.release.value().collection.clone(), known);
                }
                Err(cause) => tracing::warn!(collection, %cause, "a remembered release is no longer valid"),
            }
        }
        let held = self.parts.store.releases().unwrap_or_else(|cause| {
            self.problems.report(Topic::Disk, Problem::store(None, &cause));
            Vec::new()
        });
        let mut newest: BTreeMap<CollectionName, Known> = BTreeMap::new();
        for held in held {
            let Ok(known) = self.check(&SignedRelease { release: held.signed, root: held.root }) else { continue };
            self.stored.insert(known.id());
            let collection = known.release.value().collection.clone();
            if newest.get(&collection).is_none_or(|other| other.version() < known.version()) {
                newest.insert(collection, known);
            }
        }
        for (collection, known) in newest {
            if self.catalogue.get(&collection).is_none_or(|other| other.version() < known.version()) {
                self.catalogue.known.insert(collection.clone(), known.clone());
                if self.owns(&collection) {
                    // Kept, but the daemon ended before it could be listed.
                    self.unlisted.insert(collection.clone());
                }
            }
            let wanted = self.wanted.contains_key(&collection) || self.owns(&collection);
            self.begin(&collection, &known, wanted);
        }
        // Followed or pulled once: what was under way goes on.
        let wanted: Vec<_> = self.wanted.keys().cloned().collect();
        wanted.iter().for_each(|collection| self.fetch_newest(collection));
    }
}
