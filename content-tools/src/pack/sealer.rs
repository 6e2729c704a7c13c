//! The hashing and compressing part of packing: worker threads between the one that reads and the one that stores.
//!
//! What must stay true: the encoding of a chunk depends on the folder's bytes and their order, never on which thread was
//! faster; memory is bounded by the queues. The first chunk of a file decides for the whole file whether zstd is tried;
//! workers on later blocks wait for that. They cannot wait for ever: blocks are taken in order, and the one that decides waits
//! for nobody.

use super::place::{InPlace, Kept};
use super::proof;
use crate::cut::{Block, Chunk};
use crate::store::{Store, StoreError};
use crate::verify::{SealedChunk, SealedRow, seal_hashed};
use karez_protocol::content::chunk::ChunkEntry;
use karez_protocol::content::hash::ChunkId;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Whether the chunks of a file are compressed, once its first block has been looked at. `None`: they are not.
pub(super) type Sampling = Option<Arc<OnceLock<bool>>>;

/// A block to seal.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) block: Block,
    pub(super) sampling: Sampling,
    /// Size of the file, when it is taken apart and what the block adds to its CRC is wanted.
    pub(super) share_of: Option<u64>,
    /// Whether the file begins with it.
    pub(super) first: bool,
    pub(super) reply: SyncSender<SealedBlock>,
}

/// A block with everything known that the store needs.
#[derive(Debug)]
pub(super) struct SealedBlock {
    pub(super) block: Block,
    rows: Vec<SealedRow>,
    /// What its bytes add to the file's CRC-32; 0 when nobody wants it.
    pub(super) crc_share: u32,
}

/// Seals blocks until there are no more.
pub(super) fn seal_all(store: &Store, jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        let ids: Vec<ChunkId> = job.block.chunks().map(|chunk| ChunkId::of(chunk.plain)).collect();
        let rows = match &job.sampling {
            None => job
                .block
                .chunks()
                .zip(&ids)
                .map(|(chunk, id)| seal_hashed(*id, chunk.plain, false).into_row())
                .collect(),
            Some(decision) => seal_sampled(store, &job, &ids, decision),
        };
        let crc_share = job.share_of.map_or(0, |size| proof::share(&job.block, size));
        // When the storing half is gone nobody needs it.
        let _ = job.reply.send(SealedBlock { block: job.block, rows, crc_share });
    }
}

fn seal_sampled(store: &Store, job: &Job, ids: &[ChunkId], decision: &OnceLock<bool>) -> Vec<SealedRow> {
    // An error is met again, and reported, where the block is stored.
    let held = store.contains_many(ids).unwrap_or_else(|_| vec![false; ids.len()]);
    let mut rows = Vec::with_capacity(ids.len());
    for (at, (Chunk { plain, .. }, id)) in job.block.chunks().zip(ids).enumerate() {
        let deciding = at == 0 && job.first;
        // What the store has keeps the encoding it has there; a chunk alone in its file decides about nothing else.
        let compress = if deciding { !held[0] || ids.len() > 1 } else { *decision.wait() && !held[at] };
        let row = seal_hashed(*id, plain, compress).into_row();
        if deciding {
            let _ = decision.set(row.is_compressed());
        }
        rows.push(row);
    }
    rows
}

/// Puts chunks into a store and counts what was new.
pub(super) struct Sealer<'a> {
    store: &'a Store,
    /// Stored bytes of the chunks that the store did not have.
    pub(super) new_stored_bytes: u64,
    /// Number of those.
    pub(super) chunks_new: u64,
    /// Stored bytes of the chunks that stood in files before, and are copies now.
    pub(super) copied_bytes: u64,
    /// Where chunks stay, unless all are stored.
    pub(super) in_place: Option<InPlace<'a>>,
}

impl<'a> Sealer<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store, new_stored_bytes: 0, chunks_new: 0, copied_bytes: 0, in_place: None }
    }

    /// The blocks of this file come next.
    pub(super) fn begin_file(&mut self, on_disk: &Path, size: u64) {
        if let Some(in_place) = &mut self.in_place {
            in_place.begin(on_disk, size);
        }
    }

    /// Stores the chunks of a block, or notes where they are, and returns their rows.
    pub(super) fn add_block(&mut self, sealed: &SealedBlock) -> Result<Vec<ChunkEntry>, StoreError> {
        let chunks = sealed.rows.iter().zip(sealed.block.chunks());
        if self.in_place.is_none() {
            let chunks: Vec<_> = chunks.map(|(row, chunk)| row.with_plain(chunk.plain)).collect();
            return self.add(&chunks);
        }
        chunks.map(|(row, chunk)| self.add_in_place(&row.with_plain(chunk.plain), &chunk)).collect()
    }

    fn add_in_place(&mut self, sealed: &SealedChunk<'_>, chunk: &Chunk<'_>) -> Result<ChunkEntry, StoreError> {
        let entry = sealed.entry();
        let kept = self.in_place.as_mut().map_or(Ok(Kept::No), |in_place| in_place.keep(chunk, &entry))?;
        match kept {
            Kept::No => Ok(self.add(&[SealedChunk::clone(sealed)])?[0]),
            Kept::New => {
                self.chunks_new += 1;
                self.new_stored_bytes += u64::from(entry.stored_len);
                Ok(entry)
            }
            Kept::Held | Kept::Elsewhere => Ok(self.held(sealed)?.unwrap_or(entry)),
        }
    }

    /// Stores a manifest page and returns its row.
    pub(super) fn add_page(&mut self, plain: &[u8]) -> Result<ChunkEntry, StoreError> {
        let sealed = seal_hashed(ChunkId::of(plain), plain, true);
        Ok(self.add(&[sealed])?[0])
    }

    fn add(&mut self, chunks: &[SealedChunk<'_>]) -> Result<Vec<ChunkEntry>, StoreError> {
        let new = self.store.put_many(chunks)?;
        let mut rows = Vec::with_capacity(chunks.len());
        for (chunk, new) in chunks.iter().zip(new) {
            let held = if new { None } else { self.held(chunk)? };
            if held.is_none() {
                self.chunks_new += 1;
                self.new_stored_bytes += u64::from(chunk.entry().stored_len);
            }
            rows.push(held.unwrap_or(chunk.entry()));
        }
        Ok(rows)
    }

    /// The row of a chunk in the encoding that the store has; `None` when it turned out damaged and was stored anew.
    fn held(&mut self, chunk: &SealedChunk<'_>) -> Result<Option<ChunkEntry>, StoreError> {
        let found = match self.store.describe(&chunk.entry().id) {
            Err(StoreError::Damaged { .. }) => None,
            other => other?,
        };
        if found.is_none() {
            self.store.put_many(&[SealedChunk::clone(chunk)])?;
        } else if self.in_place.is_none() && self.store.put_copy(chunk)? {
            // What was published in place before is now to be a copy; in the encoding of this packing.
            self.copied_bytes += u64::from(chunk.entry().stored_len);
            return Ok(Some(chunk.entry()));
        }
        Ok(found)
    }
}
