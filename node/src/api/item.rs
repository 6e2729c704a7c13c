//! Items by what a teacher types, and what of an item is still missing.

use crate::handle::view::{CollectionView, ItemView};
use crate::handle::{HandleError, Pull};
use karez_content_tools::store::StoreError;
use karez_protocol::content::chunk::ChunkEntry;
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::hash::ChunkId;
use std::collections::BTreeMap;

/// The item meant by a key, a number or a title, tried in this order.
pub(super) fn find<'a>(view: &'a CollectionView, asked: &str) -> Result<&'a ItemView, HandleError> {
    let number = asked.parse::<u64>().ok();
    let key = view.items.iter().find(|item| item.key == asked);
    let by_number = || view.items.iter().find(|item| Some(item.number) == number);
    let by_title = || view.items.iter().find(|item| item.title == asked);
    let unknown = || HandleError::UnknownItem { collection: view.row.collection.clone(), item: asked.into() };
    key.or_else(by_number).or_else(by_title).ok_or_else(unknown)
}

/// Chunks of a release that the store does not have; none when it cannot say.
pub(super) fn missing_here(pull: &Pull) -> Vec<ChunkIndex> {
    let (chunks, entries): (Vec<_>, Vec<_>) = pull.layout.entries().unzip();
    let ids: Vec<ChunkId> = entries.iter().map(|entry| entry.id).collect();
    let here = pull.store.contains_many(&ids).unwrap_or_else(|_| vec![true; ids.len()]);
    chunks.into_iter().zip(here).filter(|(_, here)| !here).map(|(chunk, _)| chunk).collect()
}

/// The chunks of an item that are not here.
#[derive(Debug)]
pub(super) struct Missing {
    chunks: Vec<(ChunkIndex, ChunkEntry)>,
    total_bytes: u64,
}

impl Missing {
    /// All chunks of the item, in file order.
    pub(super) fn all(pull: &Pull, key: &str) -> Self {
        let mut seen: BTreeMap<ChunkIndex, ()> = BTreeMap::new();
        let mut chunks = Vec::new();
        for file in pull.layout.files().iter().filter(|file| file.item == key) {
            for slice in pull.layout.slices(file, 0..file.head.size) {
                if seen.insert(slice.chunk, ()).is_none() {
                    chunks.push((slice.chunk, slice.entry));
                }
            }
        }
        let total_bytes = chunks.iter().map(|(_, entry)| u64::from(entry.stored_len)).sum();
        Self { chunks, total_bytes }
    }

    /// Drops those that the store holds by now.
    pub(super) fn look(mut self, pull: &Pull) -> Result<Self, StoreError> {
        let ids: Vec<ChunkId> = self.chunks.iter().map(|(_, entry)| entry.id).collect();
        let mut here = pull.store.contains_many(&ids)?.into_iter();
        self.chunks.retain(|_| here.next() != Some(true));
        Ok(self)
    }

    /// Whether nothing is missing.
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The first few that are missing.
    pub(super) fn first(&self, count: usize) -> Vec<ChunkIndex> {
        self.chunks.iter().take(count).map(|(index, _)| *index).collect()
    }

    /// Stored bytes of the item: here, and in all.
    pub(super) fn bytes(&self) -> (u64, u64) {
        let missing: u64 = self.chunks.iter().map(|(_, entry)| u64::from(entry.stored_len)).sum();
        (self.total_bytes - missing, self.total_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_by_key_number_and_title() {
        let item = |number, key: &str, title: &str| ItemView {
            number,
            key: key.into(),
            title: title.into(),
            ..ItemView::default()
        };
        let items = vec![item(1, "01-导入", "导入"), item(2, "3", "Second"), item(3, "c", "Third")];
        let view = CollectionView { items, ..CollectionView::default() };
        for (asked, number) in [("01-导入", 1), ("导入", 1), ("1", 1), ("3", 2), ("Third", 3)] {
            assert_eq!(find(&view, asked).map(|item| item.number), Ok(number), "{asked}");
        }
        for asked in ["", "0", "4", "third", "../c"] {
            assert!(find(&view, asked).is_err(), "{asked}");
        }
    }
}
