//! Packing in place: chunks that zstd does not shrink stay in the publisher's files, and the store notes where they stand.
//!
//! What must stay true: only files of the packed folder are referred to, never those that packing makes itself (renditions,
//! unpacked archives), which may go at any time; the file systems of all of them are synced before packing returns, and
//! before a stored copy, or a reference to another file, gives way: a folder that was copied a minute ago is not on its disk
//! yet. A file that changes while it is read is read again, and what was noted of it before is found wrong by its hash.

use super::PackOptions;
use crate::cut::Chunk;
use crate::store::{SourceFile, SourceRange, Store, StoreError, is_worth};
use karez_protocol::content::chunk::{ChunkEntry, Codec};
use karez_protocol::content::hash::ChunkId;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Smaller files are not worth their descriptions.
const FILE_BYTES_MIN: u64 = 4096;
/// Ranges of chunks that wait for a sync, so that their copies can give way: 3 MB of memory, and most often some 600 MB of
/// content for each sync. A kill meanwhile leaves the copies where they are, until the files are read again.
const WAITING_RANGES_MAX: usize = 32 << 10;

/// What became of a chunk.
pub(super) enum Kept {
    /// It is to be stored like any other.
    No,
    /// The store notes now where it stands.
    New,
    /// The store has it, and keeps it as it is.
    Held,
    /// The store has it in another place, which gives way later.
    Elsewhere,
}

/// The state of packing in place.
pub(super) struct InPlace<'a> {
    store: &'a Store,
    /// The file that is being packed, once it is known that chunks may stay in it.
    file: Option<Current>,
    /// A file of each file system, to sync it.
    disks: BTreeMap<u64, File>,
    waiting: Vec<Waiting>,
    waiting_ranges: usize,
    /// Bytes of chunks that stay in their files.
    pub(super) bytes: u64,
}

struct Current {
    path: PathBuf,
    /// Once a chunk needs it: a text that is compressed needs no description.
    source: Option<Arc<SourceFile>>,
}

/// A chunk that the store holds elsewhere, and that is to stay in a file once that is durable.
struct Waiting {
    id: ChunkId,
    plain_len: u32,
    file: Arc<SourceFile>,
    ranges: Vec<SourceRange>,
}

impl<'a> InPlace<'a> {
    /// `None` when copies are wanted.
    pub(super) fn of(options: &PackOptions, store: &'a Store) -> Option<Self> {
        options.in_place.then(|| Self {
            store,
            file: None,
            disks: BTreeMap::new(),
            waiting: Vec::new(),
            waiting_ranges: 0,
            bytes: 0,
        })
    }

    /// The next file begins, or the same one again.
    pub(super) fn begin(&mut self, on_disk: &Path, size: u64) {
        let path = Some(on_disk).filter(|_| size >= FILE_BYTES_MIN).and_then(|path| path.canonicalize().ok());
        self.file = path.filter(|path| !self.store.is_inside(path)).map(|path| Current { path, source: None });
    }

    /// Notes where a chunk stands, when that is better than storing it.
    pub(super) fn keep(&mut self, chunk: &Chunk<'_>, entry: &ChunkEntry) -> Result<Kept, StoreError> {
        let Some(file) = &mut self.file else { return Ok(Kept::No) };
        if entry.codec != Codec::Raw || !is_worth(entry.plain_len, chunk.ranges.len()) {
            return Ok(Kept::No);
        }
        let source = match &mut file.source {
            Some(source) => source,
            None => {
                let (source, handle) = self.store.register_unsynced(&file.path)?;
                let disk = handle.metadata().map_err(|source| StoreError::Io {
                    action: "read",
                    path: file.path.clone(),
                    source,
                })?;
                self.disks.entry(disk.dev()).or_insert(handle);
                file.source.insert(Arc::new(source))
            }
        };
        let ranges: Vec<_> =
            chunk.ranges.iter().map(|range| SourceRange { offset: range.offset, len: range.len as u32 }).collect();
        let source = Arc::clone(source);
        let kept = keep_at(self.store, entry, &source, &ranges)?;
        if !matches!(kept, Kept::No) {
            self.bytes += u64::from(entry.plain_len);
        }
        if matches!(kept, Kept::Elsewhere) {
            self.waiting_ranges += ranges.len();
            self.waiting.push(Waiting { id: entry.id, plain_len: entry.plain_len, file: source, ranges });
        }
        if self.waiting_ranges >= WAITING_RANGES_MAX {
            self.sync()?;
        }
        Ok(kept)
    }

    /// Makes the files durable that are referred to now; then copies give way to them.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        self.sync_disks()?;
        self.waiting_ranges = 0;
        std::mem::take(&mut self.waiting).iter().try_for_each(|waiting| waiting.give_way(self.store))
    }

    fn sync_disks(&self) -> Result<(), StoreError> {
        self.disks.values().try_for_each(|file| {
            self.store.disk().sync_file_system(file).map_err(|source| StoreError::Io {
                action: "sync the disk that is packed from, for",
                path: self.store.dir().into(),
                source,
            })
        })
    }
}

fn keep_at(store: &Store, entry: &ChunkEntry, file: &SourceFile, ranges: &[SourceRange]) -> Result<Kept, StoreError> {
    let put = match store.put_reference(entry.id, entry.plain_len, file, ranges) {
        // It has become shorter since it was cut: it will be read again.
        Err(StoreError::BadReference { .. }) => return Ok(Kept::No),
        put => put?,
    };
    if put {
        return Ok(Kept::New);
    }
    // A copy of an earlier packing, or a reference to where it stood before an edit.
    match store.describe(&entry.id) {
        Ok(Some(held)) if held.codec == Codec::Raw => Ok(Kept::Elsewhere),
        Ok(Some(_)) => Ok(Kept::Held),
        Ok(None) | Err(StoreError::Damaged { .. }) => Ok(Kept::No),
        Err(error) => Err(error),
    }
}

impl Waiting {
    fn give_way(&self, store: &Store) -> Result<(), StoreError> {
        match store.adopt(self.id, &self.file, &self.ranges) {
            Ok(true) => Ok(()),
            // Held in this file already, or a reader has found the other place wrong meanwhile.
            Ok(false) | Err(StoreError::Damaged { .. }) => {
                store.put_reference(self.id, self.plain_len, &self.file, &self.ranges).map(drop)
            }
            // It has changed since it was read; what the store holds goes on counting.
            Err(StoreError::SourceDiffers { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
