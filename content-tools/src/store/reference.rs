//! Chunks whose bytes stay where they are: in the publisher's own files (`publish --in-place`), or in files exported from
//! this store (`pull --link`). A reference record says where; the description of the file is an ordinary chunk.
//!
//! What must stay true: bytes gathered from such a file are hashed on every read, so a file that was changed, moved or
//! lost makes its chunks count as damaged and never as something else. A stored copy is given up only for bytes that were
//! read back, compared, and synced; a reference only for a stored copy, or for the same chunk in another file.
//!
//! Rejected: numbering files in a table of the index (the index is a cache, and compaction would have to keep the numbers
//! in step); a path in every reference (a long path would outweigh the record).

use super::index::Location;
use super::read::Failed;
use super::record::{RECORD_HEADER_LEN, REFERENCE_BYTES_MAX, Record, RecordKind};
use super::source::SourceFile;
use super::{Store, StoreError};
use crate::verify::SealedChunk;
use karez_protocol::content::chunk::{ChunkEntry, Codec, PLAIN_BYTES_MAX, StoredCheck};
use karez_protocol::content::hash::ChunkId;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// One range: offset (8) and length (4).
const RANGE_BYTES: usize = 12;
const FILE_ID_BYTES: usize = 32;
/// A reference may take this part of the bytes it saves: one in many pieces is not worth its reads.
const WORTH_PARTS: usize = 4;

/// A run of bytes of a source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceRange {
    /// Where it begins.
    pub offset: u64,
    /// Its bytes.
    pub len: u32,
}

/// Whether a chunk of this length is better kept as a reference to so many ranges than stored.
pub(crate) fn is_worth(plain_len: u32, ranges: usize) -> bool {
    let payload = FILE_ID_BYTES + ranges * RANGE_BYTES;
    payload <= REFERENCE_BYTES_MAX as usize && (RECORD_HEADER_LEN + payload) * WORTH_PARTS <= plain_len as usize
}

/// The row of a referenced chunk: it is there as plaintext.
pub(super) fn entry(id: ChunkId, plain_len: u32) -> ChunkEntry {
    let mut check = [0; 16];
    check.copy_from_slice(&id.as_bytes()[..16]);
    ChunkEntry { id, codec: Codec::Raw, plain_len, stored_len: plain_len, check: StoredCheck(check) }
}

fn to_payload(file: &ChunkId, ranges: &[SourceRange]) -> Vec<u8> {
    let mut payload = file.as_bytes().to_vec();
    for range in ranges {
        payload.extend_from_slice(&range.offset.to_le_bytes());
        payload.extend_from_slice(&range.len.to_le_bytes());
    }
    payload
}

/// The description that the payload of a reference names.
pub(super) fn source_of(payload: &[u8]) -> Option<ChunkId> {
    payload.first_chunk().map(|id| ChunkId::from_bytes(*id))
}

/// The file and ranges of a reference to `plain_len` bytes; `None` when they contradict each other.
fn from_payload(payload: &[u8], plain_len: u32) -> Option<(ChunkId, Vec<SourceRange>)> {
    let (file, ranges) = payload.split_first_chunk::<FILE_ID_BYTES>()?;
    if ranges.is_empty() || ranges.len() % RANGE_BYTES != 0 {
        return None;
    }
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let ranges: Vec<_> = ranges
        .chunks_exact(RANGE_BYTES)
        .map(|range| SourceRange { offset: number(&range[..8]), len: number(&range[8..]) as u32 })
        .collect();
    let total: u64 = ranges.iter().map(|range| u64::from(range.len)).sum();
    let fits = |range: &SourceRange| range.len > 0 && range.offset.checked_add(u64::from(range.len)).is_some();
    (total == u64::from(plain_len) && ranges.iter().all(fits)).then_some((ChunkId::from_bytes(*file), ranges))
}

impl Store {
    /// Keeps a chunk as a reference: its plaintext is what the ranges of the file say, one behind the other. The caller
    /// has hashed those bytes; if it was wrong, or they change, reading the chunk finds out. False when the chunk was
    /// there already.
    pub fn put_reference(
        &self,
        id: ChunkId,
        plain_len: u32,
        file: &SourceFile,
        ranges: &[SourceRange],
    ) -> Result<bool, StoreError> {
        let (record, payload) = reference_record(id, plain_len, file, ranges)?;
        let mut writer = self.writer()?;
        self.claim(&[id]);
        if self.locate(&id)?.is_some() {
            return Ok(false);
        }
        self.write_all(&mut writer, &[(record, &payload)])?;
        Ok(true)
    }

    /// Gives up the stored copy of a chunk, or a reference to another file, for a reference, after comparing what the ranges
    /// say with the chunk's identity; false when the store does not have the chunk, or has it in this file already. What the
    /// copy took is free after the next compaction.
    pub fn adopt(&self, id: ChunkId, file: &SourceFile, ranges: &[SourceRange]) -> Result<bool, StoreError> {
        let Some(held) = self.describe(&id)? else { return Ok(false) };
        if self.refers_to(&id)?.is_some_and(|(_, source)| source == *file.id()) {
            return Ok(false);
        }
        let (record, payload) = reference_record(id, held.plain_len, file, ranges)?;
        match self.gather(&payload, &entry(id, held.plain_len)) {
            Ok(_) => {}
            Err(Failed::Lost | Failed::Changed(_)) => {
                return Err(StoreError::SourceDiffers { path: file.path().into(), chunk: id });
            }
            Err(Failed::Passing(error)) => return Err(error),
        }
        let mut writer = self.writer()?;
        let Some(at) = self.locate(&id)? else { return Ok(false) };
        self.write_instead(&mut writer, (record, &payload), at)?;
        Ok(true)
    }

    /// Stores a chunk's bytes in place of a reference to some file; false when the store has no reference for it.
    pub(crate) fn put_copy(&self, chunk: &SealedChunk<'_>) -> Result<bool, StoreError> {
        let entry = chunk.entry();
        let Some((at, _)) = self.refers_to(&entry.id)? else { return Ok(false) };
        self.may_grow((RECORD_HEADER_LEN + chunk.stored().len()) as u64)?;
        self.put_in_place_of(at, entry, chunk.stored())
    }

    /// Copies chunks back into the store whose bytes stand in a file that is about to be replaced; durable when this
    /// returns. How many there were. What the file no longer holds leaves the index.
    pub fn take_back(&self, path: &Path, ids: impl Iterator<Item = ChunkId>) -> Result<u64, StoreError> {
        // What has no such path has no references either.
        let Ok(path) = path.canonicalize() else { return Ok(0) };
        let mut taken = 0;
        for id in ids {
            let Some((at, source)) = self.refers_to(&id)? else { continue };
            match self.described_source(&source) {
                Ok(source) if source.path() != path => continue,
                Ok(_) | Err(Failed::Lost | Failed::Changed(_)) => {}
                Err(Failed::Passing(error)) => return Err(error),
            }
            match self.read_plain(&id) {
                Ok(Some(plain)) => {
                    taken += u64::from(self.put_in_place_of(at, entry(id, plain.len() as u32), &plain)?);
                }
                Ok(None) | Err(StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if taken > 0 {
            self.sync()?;
        }
        Ok(taken)
    }

    fn put_in_place_of(&self, at: Location, entry: ChunkEntry, stored: &[u8]) -> Result<bool, StoreError> {
        let mut writer = self.writer()?;
        if self.locate(&entry.id)? != Some(at) {
            return Ok(false);
        }
        self.write_instead(&mut writer, (Record::chunk(entry), stored), at)?;
        Ok(true)
    }

    /// Where the reference of a chunk stands and the description of its file; `None` for a chunk with bytes of its own.
    fn refers_to(&self, id: &ChunkId) -> Result<Option<(Location, ChunkId)>, StoreError> {
        let Some(at) = self.locate(id)? else { return Ok(None) };
        if self.kind_at(at)? != Some(RecordKind::Reference) {
            return Ok(None);
        }
        match self.record_at(id, at) {
            Ok((_, payload)) => Ok(source_of(&payload).map(|file| (at, file))),
            Err(Failed::Passing(error)) => Err(error),
            Err(Failed::Lost | Failed::Changed(_)) => Ok(None),
        }
    }

    /// Gathers the plaintext that a reference's payload names; `Changed` unless it hashes to the chunk's id.
    pub(super) fn gather(&self, payload: &[u8], entry: &ChunkEntry) -> Result<Vec<u8>, Failed> {
        let (id, ranges) = from_payload(payload, entry.plain_len).ok_or(Failed::Lost)?;
        let (source, file) = self.source(&id)?;
        let mut plain = vec![0; entry.plain_len as usize];
        let mut at = 0;
        for range in ranges {
            let end = at + range.len as usize;
            let read = file.read_exact_at(&mut plain[at..end], range.offset);
            read.map_err(|e| Failed::in_source("read", source.path(), e))?;
            at = end;
        }
        if ChunkId::of(&plain) == entry.id { Ok(plain) } else { Err(Failed::Changed(source.path().into())) }
    }
}

fn reference_record(
    id: ChunkId,
    plain_len: u32,
    file: &SourceFile,
    ranges: &[SourceRange],
) -> Result<(Record, Vec<u8>), StoreError> {
    let payload = to_payload(file.id(), ranges);
    let inside = |range: &SourceRange| {
        range.offset.checked_add(u64::from(range.len)).is_some_and(|end| end <= file.size_bytes())
    };
    let fits = (1..=PLAIN_BYTES_MAX).contains(&plain_len)
        && payload.len() <= REFERENCE_BYTES_MAX as usize
        && from_payload(&payload, plain_len).is_some()
        && ranges.iter().all(inside);
    if !fits {
        return Err(StoreError::BadReference { path: file.path().into(), chunk: id });
    }
    let check = StoredCheck::of(&payload);
    let entry = ChunkEntry { id, codec: Codec::Raw, plain_len, stored_len: payload.len() as u32, check };
    Ok((Record { kind: RecordKind::Reference, entry }, payload))
}

#[cfg(test)]
mod tests;
