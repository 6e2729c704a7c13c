//! What of a manifest the store has, page by page.
//!
//! What must stay true: ids are asked for in the order of the pages, which is that of the store's segments when the
//! collection came in one go; memory does not grow with the collection but for the set of indexes, which is compact.

use super::Pages;
use crate::export::LoadError;
use karez_protocol::content::chunk::{ChunkEntry, ChunkIndex};
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::content::hash::ChunkId;
use std::collections::{BTreeSet, HashSet};

/// Rows up to which a chunk that stands in several pages counts once: 12 MB. What is larger is counted by row and cut off
/// at the root's own figure.
const COUNTED_ONCE_MAX: u32 = 256 << 10;

/// The part of a manifest that is here.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeldPart {
    /// Indexes of chunks that are here, pages among them.
    pub chunks: ChunkSet,
    /// Their stored bytes.
    pub bytes: u64,
    /// Every page is here. If not, only pages are in `chunks`.
    pub has_all_pages: bool,
}

impl Pages<'_> {
    /// What of this manifest the store has.
    pub fn held(&self) -> Result<HeldPart, LoadError> {
        let mut counted = Counted { once: (self.space.count() <= COUNTED_ONCE_MAX).then(HashSet::new), bytes: 0 };
        let pages: Vec<ChunkEntry> = self.root.pages.iter().map(|page| page.entry).collect();
        let mut chunks = ChunkSet::new();
        let here = self.add_held(0, &pages, &mut chunks, &mut counted)?;
        let has_all_pages = here == pages.len();
        for page in (0..self.len()).filter(|_| has_all_pages) {
            self.add_held(self.space.rows(page).start, &self.read(page)?.chunks, &mut chunks, &mut counted)?;
        }
        let is_whole = chunks.len() == u64::from(self.space.count());
        let bytes = if is_whole { self.root.stored_bytes } else { counted.bytes.min(self.root.stored_bytes) };
        Ok(HeldPart { chunks, bytes, has_all_pages })
    }

    /// Adds what is here of a table that begins at an index; returns how many of its rows are.
    fn add_held(
        &self,
        base: u32,
        table: &[ChunkEntry],
        chunks: &mut ChunkSet,
        counted: &mut Counted,
    ) -> Result<usize, LoadError> {
        let ids: Vec<ChunkId> = table.iter().map(|entry| entry.id).collect();
        let here = self.store.contains_many(&ids)?;
        let here: Vec<_> = (base..).zip(table).zip(here).filter(|(_, here)| *here).map(|(row, _)| row).collect();
        for (index, entry) in &here {
            chunks.insert(ChunkIndex(*index));
            counted.add(entry);
        }
        Ok(here.len())
    }

    /// Every index of these chunks, pages among them, and the pages that could not be asked.
    pub fn indexes_of(&self, ids: &BTreeSet<ChunkId>) -> (Vec<(ChunkId, ChunkIndex)>, Vec<ChunkIndex>) {
        let pages = (0..).zip(&self.root.pages).filter(|(_, page)| ids.contains(&page.entry.id));
        let mut found: Vec<_> = pages.map(|(index, page)| (page.entry.id, ChunkIndex(index))).collect();
        let mut unread = Vec::new();
        for page in 0..self.len() {
            let Ok(read) = self.read(page) else {
                unread.push(ChunkIndex(page as u32));
                continue;
            };
            let rows = (self.space.rows(page).start..).zip(&read.chunks).filter(|(_, entry)| ids.contains(&entry.id));
            found.extend(rows.map(|(index, entry)| (entry.id, ChunkIndex(index))));
        }
        (found, unread)
    }

    /// Pages that the store does not have.
    pub fn missing(&self) -> Result<Vec<ChunkIndex>, LoadError> {
        let ids: Vec<ChunkId> = self.root.pages.iter().map(|page| page.entry.id).collect();
        let here = self.store.contains_many(&ids)?;
        Ok((0..).map(ChunkIndex).zip(here).filter(|(_, here)| !here).map(|(page, _)| page).collect())
    }

    /// Rows of a page that `known` lacks, split into those that are here all the same and those that are not.
    pub fn lacking(&self, page: usize, known: &ChunkSet) -> Result<[Vec<(ChunkIndex, ChunkEntry)>; 2], LoadError> {
        let base = self.space.rows(page).start;
        let rows = (base..).map(ChunkIndex).zip(self.table(page)?.iter().copied().collect::<Vec<_>>());
        let rows: Vec<_> = rows.filter(|(index, _)| !known.contains(*index)).collect();
        let ids: Vec<ChunkId> = rows.iter().map(|(_, entry)| entry.id).collect();
        let mut here = self.store.contains_many(&ids)?.into_iter();
        let (here, gone) = rows.into_iter().partition(|_| here.next() == Some(true));
        Ok([here, gone])
    }
}

struct Counted {
    once: Option<HashSet<ChunkId>>,
    bytes: u64,
}

impl Counted {
    fn add(&mut self, entry: &ChunkEntry) {
        if self.once.as_mut().is_none_or(|seen| seen.insert(entry.id)) {
            self.bytes += u64::from(entry.stored_len);
        }
    }
}
