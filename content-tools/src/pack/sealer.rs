//! The storing half of packing: hash, look up, compress where it helps, append, and count.
//!
//! What must stay true: a chunk that the store has keeps the encoding it has there, so packing again yields the same
//! rows; each chunk is counted once per release, and only when its file was read completely.

use super::error::PackError;
use crate::store::{Store, StoreError};
use crate::verify::seal_hashed;
use karez_protocol::content::chunk::{ChunkEntry, Codec};
use karez_protocol::content::hash::ChunkId;
use std::collections::HashSet;

/// Puts chunks into a store and keeps the release's totals.
pub(super) struct Sealer<'a> {
    store: &'a Store,
    compress: Compress,
    counted: HashSet<ChunkId>,
    /// Stored bytes of the unique chunks counted.
    pub(super) stored_bytes: u64,
    /// Stored bytes of the chunks that the store did not have.
    pub(super) new_stored_bytes: u64,
    /// Number of those.
    pub(super) chunks_new: u64,
}

/// What is known about the current file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compress {
    /// The first chunk decides.
    Sample,
    Yes,
    No,
}

impl<'a> Sealer<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self {
            store,
            compress: Compress::No,
            counted: HashSet::new(),
            stored_bytes: 0,
            new_stored_bytes: 0,
            chunks_new: 0,
        }
    }

    /// The next chunks belong to another file.
    pub(super) fn begin_file(&mut self, may_compress: bool) {
        self.compress = if may_compress { Compress::Sample } else { Compress::No };
    }

    /// Stores a chunk of the current file and returns its row.
    pub(super) fn add(&mut self, plain: &[u8]) -> Result<ChunkEntry, PackError> {
        let id = ChunkId::of(plain);
        let held = match self.store.describe(&id) {
            // It has just left the index and is stored anew.
            Err(StoreError::Damaged { .. }) => None,
            other => other?,
        };
        let entry = match held {
            Some(entry) => entry,
            None => self.store_new(id, plain)?,
        };
        if self.compress == Compress::Sample {
            self.compress = if entry.codec == Codec::Zstd { Compress::Yes } else { Compress::No };
        }
        Ok(entry)
    }

    fn store_new(&mut self, id: ChunkId, plain: &[u8]) -> Result<ChunkEntry, PackError> {
        let sealed = seal_hashed(id, plain, self.compress != Compress::No);
        self.store.put(&sealed)?;
        self.chunks_new += 1;
        self.new_stored_bytes += sealed.stored().len() as u64;
        Ok(sealed.entry())
    }

    /// Counts rows into the release's totals, each chunk once.
    pub(super) fn count(&mut self, rows: &[ChunkEntry]) {
        for entry in rows {
            if self.counted.insert(entry.id) {
                self.stored_bytes += u64::from(entry.stored_len);
            }
        }
    }

    /// Unique chunks counted.
    pub(super) fn chunks(&self) -> u64 {
        self.counted.len() as u64
    }
}
