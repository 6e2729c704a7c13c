//! What a site lacks of some releases, page by page.

use super::error::BundleError;
use super::summary::HaveSummary;
use crate::store::{HeldRelease, Store};
use karez_protocol::content::Document as _;
use karez_protocol::content::chunk::{ChunkEntry, ChunkIndex};
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::manifest::{ManifestRoot, Page};
use std::collections::HashSet;

/// Ids by their first 8 bytes: 20 million take some 300 MB instead of a gigabyte. Two ids that begin alike (one chance in
/// 50 000 at that size) make the bundle lack one chunk, which the site then fetches like any other.
#[derive(Debug, Default)]
pub(super) struct Ids(HashSet<u64>);

impl Ids {
    fn key(id: &ChunkId) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&id.as_bytes()[..8]);
        u64::from_le_bytes(first)
    }

    pub(super) fn contains(&self, id: &ChunkId) -> bool {
        self.0.contains(&Self::key(id))
    }

    /// False when it was there.
    pub(super) fn insert(&mut self, id: &ChunkId) -> bool {
        self.0.insert(Self::key(id))
    }
}

/// A page with what is lacking of it.
#[derive(Debug)]
pub(super) struct LackingPage {
    pub(super) entry: ChunkEntry,
    pub(super) rows: Vec<ChunkEntry>,
}

/// The chunks that a site holds, as far as this store knows the releases it names.
pub(super) fn held_by(summary: &HaveSummary, store: &Store) -> Result<Ids, BundleError> {
    let mut ids = Ids::default();
    for held in store.releases()? {
        let named = |site: &&super::SiteHeld| site.collection == held.collection && site.version == held.version;
        let Some(site) = summary.held.iter().find(named) else { continue };
        let holds = |index: u32| site.chunks.as_ref().is_none_or(|chunks| chunks.contains(ChunkIndex(index)));
        let root = ManifestRoot::from_bytes(&held.root).map_err(crate::store::StoreError::from)?;
        let mut base = root.pages.len() as u32;
        for (number, page) in root.pages.iter().enumerate() {
            if holds(number as u32) {
                ids.insert(&page.entry.id);
            }
            // A page that is not here any more makes the bundle larger, not wrong.
            if let Some(read) = read_page(&page.entry.id, store)? {
                for (_, row) in (base..).zip(&read.chunks).filter(|(index, _)| holds(*index)) {
                    ids.insert(&row.id);
                }
            }
            base += page.chunks;
        }
    }
    Ok(ids)
}

/// Goes through the pages of a release with the rows that are lacking and not in `seen` yet, which they enter.
pub(super) fn pages(
    release: &HeldRelease,
    store: &Store,
    held: &Ids,
    seen: &mut Ids,
    visit: &mut dyn FnMut(LackingPage) -> Result<(), BundleError>,
) -> Result<(), BundleError> {
    let incomplete =
        || BundleError::Incomplete { collection: release.collection.to_string(), version: release.version };
    let root = ManifestRoot::from_bytes(&release.root).map_err(crate::store::StoreError::from)?;
    for page in &root.pages {
        let read = read_page(&page.entry.id, store)?.ok_or_else(incomplete)?;
        let rows: Vec<_> =
            read.chunks.into_iter().filter(|row| !held.contains(&row.id) && seen.insert(&row.id)).collect();
        let page_is_new = !held.contains(&page.entry.id) && seen.insert(&page.entry.id);
        if rows.is_empty() && !page_is_new {
            continue;
        }
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        if !store.contains_many(&ids)?.into_iter().all(|here| here) {
            return Err(incomplete());
        }
        visit(LackingPage { entry: page.entry, rows })?;
    }
    Ok(())
}

fn read_page(id: &ChunkId, store: &Store) -> Result<Option<Page>, BundleError> {
    Ok(store.read_plain(id)?.and_then(|plain| Page::from_bytes(&plain).ok()))
}
