//! Finding and reading chunks.
//!
//! What must stay true: no byte leaves the store unchecked, and a record that fails its check leaves the index in the
//! same call, so that the chunk counts as missing and can be fetched again.

use super::index::Location;
use super::record::{Place, RECORD_HEADER_LEN, Record, RecordKind, read_record_header};
use super::{Store, StoreError, reference};
use crate::{disk, verify};
use karez_protocol::content::chunk::{ChunkEntry, Codec, StoredCheck};
use karez_protocol::content::hash::ChunkId;
use rustix::io::Errno;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

/// Lookups under one lock of the index: a disk that seeks for each must not keep others waiting for longer than seconds.
const ASKED_AT_ONCE: usize = 1024;

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

/// A damaged chunk that waits for being fetched again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedChunk {
    /// The chunk.
    pub id: ChunkId,
    /// Number of the segment it stood in.
    pub segment: u32,
    /// Offset of its record.
    pub offset: u64,
    /// The file outside the store that its bytes were in, if they were.
    pub file: Option<PathBuf>,
    /// When that was found, in seconds since 1970 by this machine's clock. For people.
    pub found_unix: u64,
}

/// Damaged chunks noted for whoever asks: 2 MB.
const FOUND_MAX: usize = 1 << 16;

impl Store {
    /// Whether the store has a chunk.
    pub fn contains(&self, id: &ChunkId) -> Result<bool, StoreError> {
        self.claim(&[*id]);
        Ok(self.locate(id)?.is_some())
    }

    /// Which of some chunks the store has, in the order asked.
    pub fn contains_many(&self, ids: &[ChunkId]) -> Result<Vec<bool>, StoreError> {
        self.claim(ids);
        let mut found: Vec<bool> = {
            let pending = self.pending.read().unwrap_or_else(PoisonError::into_inner);
            ids.iter().map(|id| pending.contains_key(id)).collect()
        };
        for (ids, found) in ids.chunks(ASKED_AT_ONCE).zip(found.chunks_mut(ASKED_AT_ONCE)) {
            self.with_index(|index| {
                for (id, found) in ids.iter().zip(found).filter(|(_, found)| !**found) {
                    *found = index.get(id)?.is_some();
                }
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// A chunk as it rests, for serving; `None` when the store does not have it.
    pub fn read_stored(&self, id: &ChunkId) -> Result<Option<StoredChunk>, StoreError> {
        self.at_its_place(id, |at| {
            let (record, mut bytes) = self.record_at(id, at)?;
            let entry = described(&record);
            if record.kind == RecordKind::Reference {
                bytes = self.gather(&bytes, &entry)?;
            }
            Ok(StoredChunk { codec: entry.codec, plain_len: entry.plain_len, check: entry.check, bytes })
        })
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
                Some(at) => Err(self.drop_damaged(id, at, None)),
                None => Ok(None),
            },
        }
    }

    /// A chunk's row as the store holds it, from its record header alone; `None` when the store does not have it.
    pub fn describe(&self, id: &ChunkId) -> Result<Option<ChunkEntry>, StoreError> {
        self.claim(&[*id]);
        self.at_its_place(id, |at| {
            let header = self.read(at, RECORD_HEADER_LEN)?;
            header_of(id, at, &header).map(|record| described(&record)).ok_or(Failed::Lost)
        })
    }

    /// Runs a read at the place of a chunk; again when the chunk has moved meanwhile (its segment was rewritten).
    fn at_its_place<T>(
        &self,
        id: &ChunkId,
        read: impl Fn(Location) -> Result<T, Failed>,
    ) -> Result<Option<T>, StoreError> {
        let Some(mut at) = self.locate(id)? else { return Ok(None) };
        loop {
            let failed = match read(at) {
                Ok(found) => return Ok(Some(found)),
                Err(failed) => failed,
            };
            match (self.locate(id)?, failed) {
                (Some(now), _) if now != at => at = now,
                (_, failed) => return Err(self.give_up(id, at, failed)),
            }
        }
    }

    /// Chunks that were found damaged and have not come back, by place. What is lost with the index is not in it.
    pub fn damaged(&self) -> Result<Vec<DamagedChunk>, StoreError> {
        let noted = self.with_index(|index| index.damaged())?;
        let row = |(id, at, found_unix, file): (ChunkId, Place, u64, Option<PathBuf>)| DamagedChunk {
            id,
            segment: at.segment,
            offset: at.offset,
            file,
            found_unix,
        };
        Ok(noted.into_iter().map(row).collect())
    }

    /// Chunks found damaged since the last call, by whatever read them: who counts on them must hear of it. At most 65,536.
    pub fn take_found(&self) -> Vec<ChunkId> {
        std::mem::take(&mut *self.found.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Files outside the store that no longer hold what they held, with the number of chunks that were found missing and
    /// have not come back; at most `limit`.
    pub fn changed_files(&self, limit: u32) -> Result<Vec<(PathBuf, u64)>, StoreError> {
        self.with_index(|index| index.damaged_files(limit))
    }

    /// Whether a chunk is in the list of damaged ones: it was here, and has not come back.
    pub fn is_noted_damaged(&self, id: &ChunkId) -> Result<bool, StoreError> {
        self.with_index(|index| Ok(index.is_noted_damaged(id)))
    }

    /// Takes chunks out of the list of damaged ones that no version needs any more.
    pub fn strike_damaged(&self, ids: &[ChunkId]) -> Result<(), StoreError> {
        self.with_index(|index| index.strike_damaged(ids))
    }

    /// The chunk is out of the index already; a list that cannot be written only makes the report shorter.
    fn quarantine(&self, id: &ChunkId, at: Location, file: Option<&Path>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if let Err(error) = self.with_index(|index| index.note_damaged(id, at.place, now, file)) {
            tracing::warn!(%error, chunk = %id, "cannot note a damaged chunk");
        }
    }

    /// Where a chunk stands now. Whoever counts on it later claims it first.
    pub(super) fn locate(&self, id: &ChunkId) -> Result<Option<Location>, StoreError> {
        // Pending first: a sync commits the row before it clears the map.
        let pending = self.pending.read().unwrap_or_else(PoisonError::into_inner).get(id).copied();
        match pending {
            Some(at) => Ok(Some(at)),
            None => self.with_index(|index| index.get(id)),
        }
    }

    /// The record of a chunk at a place, and its payload, checked.
    pub(super) fn record_at(&self, id: &ChunkId, at: Location) -> Result<(Record, Vec<u8>), Failed> {
        let mut bytes = self.read(at, RECORD_HEADER_LEN + at.stored_len as usize)?;
        let record = header_of(id, at, &bytes).ok_or(Failed::Lost)?;
        bytes.drain(..RECORD_HEADER_LEN);
        if StoredCheck::of(&bytes) == record.entry.check { Ok((record, bytes)) } else { Err(Failed::Lost) }
    }

    /// What the record at a place is; `None` when nothing readable stands there.
    pub(super) fn kind_at(&self, at: Location) -> Result<Option<RecordKind>, StoreError> {
        match self.read(at, RECORD_HEADER_LEN) {
            Ok(bytes) => {
                Ok(bytes.first_chunk().and_then(|header| read_record_header(header, at.place)).map(|r| r.kind))
            }
            Err(Failed::Passing(error)) => Err(error),
            Err(Failed::Lost | Failed::Changed(_)) => Ok(None),
        }
    }

    fn read(&self, at: Location, len: usize) -> Result<Vec<u8>, Failed> {
        self.readers.read(at.place, len).map_err(|error| {
            let path = super::segment::path(&self.dir.join("segments"), at.place.segment);
            Failed::of("read", &path, error)
        })
    }

    /// The error that a failed read is; a chunk whose bytes are lost leaves the index.
    pub(super) fn give_up(&self, id: &ChunkId, at: Location, failed: Failed) -> StoreError {
        match failed {
            Failed::Passing(error) => error,
            Failed::Lost => self.drop_damaged(id, at, None),
            Failed::Changed(file) => self.drop_damaged(id, at, Some(file)),
        }
    }

    /// Takes a damaged chunk out of the index and returns the error that says so.
    fn drop_damaged(&self, id: &ChunkId, at: Location, file: Option<PathBuf>) -> StoreError {
        // Under the writer lock, so that a sync in progress does not bring the row back.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let was_pending = {
            let mut pending = self.pending.write().unwrap_or_else(PoisonError::into_inner);
            pending.get(id) == Some(&at) && pending.remove(id).is_some()
        };
        if was_pending {
            writer.keep_replaced(id);
        }
        match self.with_index(|index| index.remove(id, at)) {
            Ok(removed) if removed || was_pending => {
                self.counts.chunks.fetch_sub(1, Ordering::Relaxed);
                self.counts.stored_bytes.fetch_sub(u64::from(at.stored_len), Ordering::Relaxed);
                self.quarantine(id, at, file.as_deref());
                let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
                if found.len() < FOUND_MAX {
                    found.push(*id);
                }
            }
            Ok(_) => {}
            Err(error) => return error,
        }
        StoreError::Damaged { chunk: *id, segment: at.place.segment, offset: at.place.offset, file }
    }
}

/// Why nothing could be read at a place.
pub(super) enum Failed {
    /// The bytes are not the chunk's, or gone.
    Lost,
    /// The same of bytes in a file outside the store.
    Changed(PathBuf),
    /// They may be there another time.
    Passing(StoreError),
}

impl Failed {
    pub(super) fn of(action: &'static str, path: &Path, error: io::Error) -> Self {
        if is_loss(&error) { Self::Lost } else { Self::Passing(StoreError::io(action, path, error)) }
    }

    /// The same for a file outside the store.
    pub(super) fn in_source(action: &'static str, path: &Path, error: io::Error) -> Self {
        match Self::of(action, path, error) {
            Self::Lost => Self::Changed(path.into()),
            other => other,
        }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Passing(error)
    }
}

fn header_of(id: &ChunkId, at: Location, bytes: &[u8]) -> Option<Record> {
    let record = read_record_header(bytes.first_chunk()?, at.place)?;
    (record.entry.id == *id && record.entry.stored_len == at.stored_len).then_some(record)
}

/// The chunk as others see it: what a reference refers to is there as plaintext.
fn described(record: &Record) -> ChunkEntry {
    match record.kind {
        RecordKind::Chunk => record.entry,
        RecordKind::Reference => reference::entry(record.entry.id, record.entry.plain_len),
    }
}

/// Whether the bytes are gone for good, unlike a failure that passes.
fn is_loss(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::NotFound)
        || Errno::from_io_error(error) == Some(Errno::IO)
        || disk::is_not_a_file(error)
}
