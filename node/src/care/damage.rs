//! To whom damaged chunks belong that no release at work names: older versions that are kept, drafts, or nobody.

use karez_content_tools::store::{HeldRelease, Store, StoreError};
use karez_protocol::content::Document as _;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::manifest::{ManifestRoot, Page};
use std::collections::BTreeSet;

/// What the store's documents say about some chunks.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// Signed versions that name one of them.
    pub(super) releases: Vec<HeldRelease>,
    /// The chunks that any version or draft names.
    pub(super) named: BTreeSet<ChunkId>,
}

/// Finds the owners. Reads the pages of everything held.
pub(super) fn owners(store: &Store, chunks: &BTreeSet<ChunkId>) -> Result<Owners, StoreError> {
    let mut owners = Owners::default();
    for (held, signed) in store.releases()?.into_iter().map(|held| (held, true)).chain(drafts(store)?) {
        let named = named(store, &held, chunks)?;
        if signed && !named.is_empty() {
            owners.releases.push(held);
        }
        owners.named.extend(named);
    }
    Ok(owners)
}

fn drafts(store: &Store) -> Result<impl Iterator<Item = (HeldRelease, bool)>, StoreError> {
    Ok(store.drafts()?.into_iter().map(|held| (held, false)))
}

fn named(store: &Store, held: &HeldRelease, chunks: &BTreeSet<ChunkId>) -> Result<BTreeSet<ChunkId>, StoreError> {
    let mut named = BTreeSet::new();
    for page in ManifestRoot::from_bytes(&held.root)?.pages {
        named.extend(chunks.get(&page.entry.id));
        let plain = match store.read_plain(&page.entry.id) {
            Err(StoreError::Damaged { .. }) => None,
            other => other?,
        };
        // A page that is not here names nothing yet; it is fetched with the version.
        if let Some(page) = plain.and_then(|plain| Page::from_bytes(&plain).ok()) {
            named.extend(page.chunks.iter().filter_map(|entry| chunks.get(&entry.id)));
        }
    }
    Ok(named)
}
