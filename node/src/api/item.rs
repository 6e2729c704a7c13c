//! Items by what a teacher types, and what of an item is still missing.

use super::pull::{blocking, load_error};
use crate::handle::view::{CollectionView, ItemView};
use crate::handle::{HandleError, Pull};
use karez_content_tools::export::LoadError;
use karez_content_tools::quote::Wire;
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::chunk_set::ChunkSet;

/// Chunks looked up in one call.
const LOOKED_AT_MAX: usize = 8_192;

/// The item meant by a key, a number or a title, tried in this order.
pub(super) fn find<'a>(view: &'a CollectionView, asked: &str) -> Result<&'a ItemView, HandleError> {
    let number = asked.parse::<u64>().ok();
    let key = view.items.iter().find(|item| item.key == asked);
    let by_number = || view.items.iter().find(|item| Some(item.number) == number);
    let by_title = || view.items.iter().find(|item| item.title == asked);
    let unknown = || HandleError::UnknownItem { collection: view.row.collection.clone(), item: asked.into() };
    key.or_else(by_number).or_else(by_title).ok_or_else(unknown)
}

/// The same, and by key among the items that are too many to be listed.
pub(super) async fn find_anywhere(view: &CollectionView, pull: &Pull, asked: &str) -> Result<ItemView, HandleError> {
    let unknown = match find(view, asked) {
        Err(unknown) if view.items_more > 0 => unknown,
        found => return found.cloned(),
    };
    let (pull, key) = (pull.clone(), asked.to_owned());
    let found = blocking(move || {
        let mut item = ItemView { key: key.clone(), ..ItemView::default() };
        for file in pull.pages.files_of(&key)? {
            let file = file?;
            item.bytes += file.head.size;
            item.files_more += 1;
            item.title = file.title;
        }
        Ok(item)
    });
    let item: ItemView = found.await?.map_err(load_error)?;
    if item.files_more > 0 { Ok(item) } else { Err(unknown) }
}

/// Chunks named to the driver at a time, where a copy found some damaged.
const MISSING_MAX: usize = 4_096;

/// The first chunks of a release that the store does not have; none when it cannot say.
pub(super) fn missing_here(pull: &Pull) -> Vec<ChunkIndex> {
    let mut missing = pull.pages.missing().unwrap_or_default();
    for page in 0..pull.pages.len() {
        let gone = pull.pages.lacking(page, &ChunkSet::new()).map_or_else(|_| Vec::new(), |[_, gone]| gone);
        missing.extend(gone.into_iter().map(|(chunk, _)| chunk));
        if missing.len() >= MISSING_MAX {
            break;
        }
    }
    missing
}

/// The chunks of an item that are not here: eight bytes each.
#[derive(Debug)]
pub(super) struct Missing {
    /// With their stored lengths.
    chunks: Vec<(ChunkIndex, u32)>,
    total_bytes: u64,
}

impl Missing {
    /// All chunks of the item, in file order.
    pub(super) fn all(pull: &Pull, key: &str) -> Result<Self, LoadError> {
        let mut seen = ChunkSet::new();
        let mut chunks = Vec::new();
        for file in pull.pages.files_of(key)? {
            let file = file?;
            for slice in pull.pages.slices(&file, 0..file.head.size) {
                let slice = slice?;
                if seen.insert(slice.chunk) {
                    chunks.push((slice.chunk, slice.entry.stored_len));
                }
            }
        }
        let total_bytes = chunks.iter().map(|(_, len)| u64::from(*len)).sum();
        Ok(Self { chunks, total_bytes })
    }

    /// Drops those that the store holds by now.
    pub(super) fn look(mut self, pull: &Pull) -> Result<Self, LoadError> {
        let mut left = Vec::new();
        for some in self.chunks.chunks(LOOKED_AT_MAX) {
            let mut ids = Vec::with_capacity(some.len());
            for (chunk, _) in some {
                ids.extend(pull.pages.entry(*chunk)?.map(|entry| entry.id));
            }
            let mut here = pull.store.contains_many(&ids)?.into_iter();
            left.extend(some.iter().filter(|_| here.next() != Some(true)));
        }
        self.chunks = left;
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

    /// What is missing.
    pub(super) fn wire(&self) -> Wire {
        let bytes = self.chunks.iter().map(|(_, len)| u64::from(*len)).sum();
        Wire { bytes, chunks: self.chunks.len() as u64 }
    }

    /// Stored bytes of the item: here, and in all.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.total_bytes - self.wire().bytes, self.total_bytes)
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
