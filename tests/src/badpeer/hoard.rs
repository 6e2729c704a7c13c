//! What a bad peer holds: a perfect copy of an honest node's store, so that only what it does with it is false.

use karez_content_tools::export;
use karez_content_tools::store::{Store, StoreOptions};
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::content::hash::{NetworkId, ReleaseId};
use karez_protocol::content::layout::Layout;
use karez_protocol::content::name::CollectionName;
use karez_protocol::content::release::Release;
use karez_protocol::trust::Signed;
use karez_protocol::trust::roster::Roster;
use karez_protocol::wire::frame::FrameHeader;
use std::collections::BTreeMap;
use std::path::Path;

/// A release in it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) collection: CollectionName,
    pub(super) version: u64,
    pub(super) layout: Layout,
    /// As its publisher signed it.
    pub(super) signed: Signed<Release>,
    /// Its root page.
    pub(super) root: Vec<u8>,
}

impl Held {
    /// A have-map that claims all of it.
    pub(super) fn all(&self) -> ChunkSet {
        ChunkSet::full(self.layout.count())
    }
}

/// A chunk as it is about to be sent.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) header: FrameHeader,
    pub(super) bytes: Vec<u8>,
}

/// A store with its releases.
#[derive(Debug)]
pub struct Hoard {
    store: Store,
    held: BTreeMap<ReleaseId, Held>,
}

impl Hoard {
    pub(super) fn open(store: &Path, network: &NetworkId, roster: &Roster) -> Self {
        let store = Store::open(store, StoreOptions::default()).expect("a copied store");
        let mut held = BTreeMap::new();
        for row in store.releases().expect("releases") {
            let owner = roster.publisher(row.collection.publisher()).expect("a publisher").key;
            let signed = Signed::<Release>::verify(&row.signed, network, &owner).expect("signed");
            let layout = export::layout(&row.root, &store).expect("a whole layout");
            let (collection, version, root) = (row.collection, row.version, row.root);
            held.insert(signed.value().id(), Held { collection, version, layout, signed, root });
        }
        Self { store, held }
    }

    pub(super) fn get(&self, release: &ReleaseId) -> Option<&Held> {
        self.held.get(release)
    }

    fn of(&self, collection: &CollectionName) -> impl Iterator<Item = &Held> {
        self.held.values().filter(move |held| held.collection == *collection)
    }

    /// The newest version of a collection.
    pub(super) fn newest(&self, collection: &CollectionName) -> &Held {
        self.of(collection).max_by_key(|held| held.version).expect("the collection is in the hoard")
    }

    /// The oldest version of a collection.
    pub(super) fn oldest(&self, collection: &CollectionName) -> &Held {
        self.of(collection).min_by_key(|held| held.version).expect("the collection is in the hoard")
    }

    /// A chunk as an honest peer sends it.
    pub(super) fn piece(&self, release: ReleaseId, chunk: ChunkIndex) -> Option<Piece> {
        let entry = self.held.get(&release)?.layout.entry(chunk)?;
        let stored = self.store.read_stored(&entry.id).ok()??;
        let header = FrameHeader { release, chunk, stored_len: stored.bytes.len() as u32, codec: stored.codec };
        Some(Piece { header, bytes: stored.bytes })
    }
}
