//! Marks of what is live; they may know too much, never too little.

use crate::store::filter::{Filter, prefix};
use crate::store::index::Location;
use crate::store::read::Failed;
use crate::store::record::{RECORD_HEADER_LEN, RecordKind};
use crate::store::{Store, StoreError, source};
use karez_protocol::content::Document as _;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::manifest::{ManifestRoot, Page};
use karez_protocol::content::name::CollectionName;
use std::hash::{BuildHasher, RandomState};

/// A version whose chunks are to be marked.
#[derive(Debug)]
pub(super) struct Marked {
    pub(super) root: ManifestRoot,
    /// Its pages need not all be here.
    pub(super) half: bool,
    /// What it is called.
    pub(super) collection: CollectionName,
    pub(super) version: u64,
}

#[derive(Debug)]
pub(super) struct Live {
    marks: Filter,
    seed: u64,
}

impl Live {
    pub(super) fn with_room_for<'a>(versions: impl Iterator<Item = &'a Marked>) -> Self {
        let rows = versions.flat_map(|version| &version.root.pages).map(|page| page.chunks as usize + 1).sum();
        Self { marks: Filter::with_room(rows), seed: RandomState::new().hash_one(rows) }
    }

    fn mark(&mut self, id: &ChunkId) {
        self.marks.insert(prefix(id) ^ self.seed);
    }

    pub(super) fn contains(&self, id: &ChunkId) -> bool {
        self.marks.contains(prefix(id) ^ self.seed)
    }
}

impl Store {
    /// Marks what a version names.
    pub(super) fn mark(&self, live: &mut Live, version: &Marked) -> Result<(), StoreError> {
        match self.mark_known(live, version, |_| Ok(()))? {
            true => Ok(()),
            false if version.half => Ok(()),
            false => {
                let (collection, version) = (version.collection.clone(), version.version);
                Err(StoreError::UnknownContents { collection, version })
            }
        }
    }

    /// Marks what is known of a version, and says how many bytes in the store nothing marked before named.
    pub(super) fn mark_and_weigh(&self, live: &mut Live, version: &Marked) -> Result<u64, StoreError> {
        let mut bytes = 0;
        self.mark_known(live, version, |id| {
            bytes += self.locate(id)?.map_or(0, |at| RECORD_HEADER_LEN as u64 + u64::from(at.stored_len));
            Ok(())
        })?;
        Ok(bytes)
    }

    /// True when all its pages are here; `fresh` hears of each chunk that nothing marked before named.
    fn mark_known(
        &self,
        live: &mut Live,
        version: &Marked,
        mut fresh: impl FnMut(&ChunkId) -> Result<(), StoreError>,
    ) -> Result<bool, StoreError> {
        let mut whole = true;
        let mut mark = |live: &mut Live, id: &ChunkId| {
            if live.contains(id) {
                return Ok(());
            }
            live.mark(id);
            fresh(id)
        };
        for page in &version.root.pages {
            mark(live, &page.entry.id)?;
            let plain = match self.read_plain(&page.entry.id) {
                Err(StoreError::Damaged { .. }) => None,
                other => other?,
            };
            match plain.and_then(|plain| Page::from_bytes(&plain).ok()) {
                Some(page) => page.chunks.iter().try_for_each(|entry| mark(live, &entry.id))?,
                None => whole = false,
            }
        }
        Ok(whole)
    }

    /// Whether a chunk stays that no version names. Descriptions of source files do, as only the references say who needs
    /// them; they are small.
    pub(super) fn is_needed(&self, id: &ChunkId, at: Location) -> Result<bool, StoreError> {
        if at.stored_len > source::SOURCE_BYTES_MAX {
            return Ok(false);
        }
        // The record alone: what a reference refers to need not be read, and may have changed since it became garbage.
        match self.record_at(id, at) {
            Ok((record, payload)) => Ok(record.kind == RecordKind::Chunk && source::is_source(&payload)),
            Err(Failed::Passing(error)) => Err(error),
            Err(Failed::Lost | Failed::Changed(_)) => Ok(false),
        }
    }
}
