//! Finding and reading chunks.
//!
//! What must stay true: no byte leaves the store unchecked, and a record that fails its check leaves the index in the
//! same call, so that the chunk counts as missing and can be fetched again.

use super::index::Location;
use super::record::{RECORD_HEADER_LEN, read_record_header};
use super::{Store, StoreError};
use crate::verify;
use karez_protocol::content::chunk::{ChunkEntry, Codec, StoredCheck};
use karez_protocol::content::hash::ChunkId;
use rustix::io::Errno;
use std::io::{self, ErrorKind};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// A chunk as it rests, checked against its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChunk {
    /// Encoding of `bytes`.
    pub codec: Codec,
    /// Plaintext bytes.
    pub plain_len: u32,
    /// Check of `bytes`.
    pub check: StoredCheck,
    /// The stored bytes.
    pub bytes: Vec<u8>,
}

impl Store {
    /// Whether the store has a chunk.
    pub fn contains(&self, id: &ChunkId) -> Result<bool, StoreError> {
        Ok(self.locate(id)?.is_some())
    }

    /// Which of some chunks the store has, in the order asked.
    pub fn contains_many(&self, ids: &[ChunkId]) -> Result<Vec<bool>, StoreError> {
        let mut found: Vec<bool> = {
            let pending = self.pending.read().unwrap_or_else(PoisonError::into_inner);
            ids.iter().map(|id| pending.contains_key(id)).collect()
        };
        self.with_index(|index| {
            for (id, found) in ids.iter().zip(&mut found).filter(|(_, found)| !**found) {
                *found = index.get(id)?.is_some();
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// A chunk as it rests, for serving; `None` when the store does not have it.
    pub fn read_stored(&self, id: &ChunkId) -> Result<Option<StoredChunk>, StoreError> {
        let Some(at) = self.locate(id)? else { return Ok(None) };
        let bytes = self.read(id, at, RECORD_HEADER_LEN + at.stored_len as usize)?;
        let entry =
            header_of(id, at, &bytes).filter(|entry| StoredCheck::of(&bytes[RECORD_HEADER_LEN..]) == entry.check);
        let Some(entry) = entry else { return Err(self.drop_damaged(id, at)) };
        let mut bytes = bytes;
        bytes.drain(..RECORD_HEADER_LEN);
        Ok(Some(StoredChunk { codec: entry.codec, plain_len: entry.plain_len, check: entry.check, bytes }))
    }

    /// The plaintext of a chunk, checked against its identity; `None` when the store does not have it.
    pub fn read_plain(&self, id: &ChunkId) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(stored) = self.read_stored(id)? else { return Ok(None) };
        let plain = match stored.codec {
            Codec::Raw => Ok(stored.bytes),
            Codec::Zstd => verify::decode(id, &stored.bytes, stored.plain_len),
        };
        match plain.ok().filter(|plain| ChunkId::of(plain) == *id) {
            Some(plain) => Ok(Some(plain)),
            None => match self.locate(id)? {
                Some(at) => Err(self.drop_damaged(id, at)),
                None => Ok(None),
            },
        }
    }

    /// A chunk's row as the store holds it, from its record header alone; `None` when the store does not have it.
    pub fn describe(&self, id: &ChunkId) -> Result<Option<ChunkEntry>, StoreError> {
        let Some(at) = self.locate(id)? else { return Ok(None) };
        let header = self.read(id, at, RECORD_HEADER_LEN)?;
        match header_of(id, at, &header) {
            Some(entry) => Ok(Some(entry)),
            None => Err(self.drop_damaged(id, at)),
        }
    }

    pub(super) fn locate(&self, id: &ChunkId) -> Result<Option<Location>, StoreError> {
        // Pending first: a sync commits the row before it clears the map.
        let pending = self.pending.read().unwrap_or_else(PoisonError::into_inner).get(id).copied();
        match pending {
            Some(at) => Ok(Some(at)),
            None => self.with_index(|index| index.get(id)),
        }
    }

    fn read(&self, id: &ChunkId, at: Location, len: usize) -> Result<Vec<u8>, StoreError> {
        self.readers.read(at.place, len).map_err(|error| {
            if is_loss(&error) {
                self.drop_damaged(id, at)
            } else {
                StoreError::io("read", &super::segment::path(&self.dir.join("segments"), at.place.segment), error)
            }
        })
    }

    /// Takes a damaged chunk out of the index and returns the error that says so.
    fn drop_damaged(&self, id: &ChunkId, at: Location) -> StoreError {
        // Under the writer lock, so that a sync in progress does not bring the row back.
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let was_pending = {
            let mut pending = self.pending.write().unwrap_or_else(PoisonError::into_inner);
            pending.get(id) == Some(&at) && pending.remove(id).is_some()
        };
        match self.with_index(|index| index.remove(id, at)) {
            Ok(removed) if removed || was_pending => {
                self.counts.chunks.fetch_sub(1, Ordering::Relaxed);
                self.counts.stored_bytes.fetch_sub(u64::from(at.stored_len), Ordering::Relaxed);
            }
            Ok(_) => {}
            Err(error) => return error,
        }
        StoreError::Damaged { chunk: *id, segment: at.place.segment, offset: at.place.offset }
    }
}

fn header_of(id: &ChunkId, at: Location, bytes: &[u8]) -> Option<ChunkEntry> {
    let entry = read_record_header(bytes.first_chunk()?, at.place)?;
    (entry.id == *id && entry.stored_len == at.stored_len).then_some(entry)
}

/// Whether the bytes are gone for good, unlike a failure that passes.
fn is_loss(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::NotFound)
        || Errno::from_io_error(error) == Some(Errno::IO)
}
