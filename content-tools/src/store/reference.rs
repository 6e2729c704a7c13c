//! Chunks whose bytes stay where they are: in the publisher's own files (`publish --in-place`), or in files exported from
//! this store (`pull --link`). A reference record says where; the description of the file is an ordinary chunk.
//!
//! What must stay true: bytes gathered from such a file are hashed on every read, so a file that was changed, moved or
//! lost makes its chunks count as damaged and never as something else. A stored copy is given up only for bytes that were
//! read back, compared, and synced.
//!
//! Rejected: numbering files in a table of the index (the index is a cache, and compaction would have to keep the numbers
//! in step); a path in every reference (a long path would outweigh the record).

use super::read::Failed;
use super::record::{RECORD_HEADER_LEN, REFERENCE_BYTES_MAX, Record, RecordKind};
use super::{Store, StoreError};
use crate::verify;
use karez_protocol::content::chunk::{ChunkEntry, Codec, PLAIN_BYTES_MAX, StoredCheck};
use karez_protocol::content::hash::ChunkId;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const SOURCE_MAGIC: [u8; 8] = *b"KAREZSRC";
/// Magic, size, seconds, nanoseconds.
const SOURCE_FIXED_BYTES: usize = 8 + 8 + 8 + 4;
/// Longest path that Linux takes.
const PATH_BYTES_MAX: usize = 4096;
/// Longest description of a source file.
pub(super) const SOURCE_BYTES_MAX: u32 = (SOURCE_FIXED_BYTES + PATH_BYTES_MAX) as u32;
/// One range: offset (8) and length (4).
const RANGE_BYTES: usize = 12;
const FILE_ID_BYTES: usize = 32;
/// Source files kept open: chunks are read in the order of few files, and a library may have a million.
const OPEN_MAX: usize = 32;

/// A file outside the store that chunks refer to, as it was when it was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    id: ChunkId,
    path: PathBuf,
    size_bytes: u64,
    modified: (i64, u32),
}

/// A run of bytes of a source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceRange {
    /// Where it begins.
    pub offset: u64,
    /// Its bytes.
    pub len: u32,
}

impl SourceFile {
    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes when it was registered.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Whether size and modification time are still those of the registration. Chunks are hashed in any case; this tells
    /// before reading that there is no point in it.
    pub fn is_unchanged(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|now| now.len() == self.size_bytes && modified(&now) == self.modified)
    }

    fn to_bytes(path: &Path, size_bytes: u64, (seconds, nanoseconds): (i64, u32)) -> Vec<u8> {
        let mut bytes = SOURCE_MAGIC.to_vec();
        bytes.extend_from_slice(&size_bytes.to_le_bytes());
        bytes.extend_from_slice(&seconds.to_le_bytes());
        bytes.extend_from_slice(&nanoseconds.to_le_bytes());
        bytes.extend_from_slice(path.as_os_str().as_bytes());
        bytes
    }

    fn from_bytes(id: ChunkId, bytes: &[u8]) -> Option<Self> {
        let (fixed, path) = bytes.split_at_checked(SOURCE_FIXED_BYTES)?;
        if fixed[..8] != SOURCE_MAGIC || path.is_empty() || path.len() > PATH_BYTES_MAX {
            return None;
        }
        let path = PathBuf::from(OsStr::from_bytes(path));
        let size_bytes = u64::from_le_bytes(fixed[8..16].try_into().ok()?);
        let seconds = i64::from_le_bytes(fixed[16..24].try_into().ok()?);
        let nanoseconds = u32::from_le_bytes(fixed[24..28].try_into().ok()?);
        path.is_absolute().then_some(Self { id, path, size_bytes, modified: (seconds, nanoseconds) })
    }
}

fn modified(metadata: &fs::Metadata) -> (i64, u32) {
    (metadata.mtime(), u32::try_from(metadata.mtime_nsec()).unwrap_or_default())
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

/// Source files that were read last, newest last.
#[derive(Debug, Default)]
pub(super) struct Sources(Mutex<Vec<(SourceFile, Arc<File>)>>);

impl Sources {
    fn get(&self, id: &ChunkId) -> Option<(SourceFile, Arc<File>)> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = open.iter().position(|(source, _)| source.id == *id)?;
        let found = open.remove(at);
        open.push(found.clone());
        Some(found)
    }

    fn insert(&self, source: SourceFile, file: Arc<File>) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= OPEN_MAX {
            open.remove(0);
        }
        open.push((source, file));
    }

    /// Forgets a handle: the file under its path may be another one by now.
    fn forget(&self, id: &ChunkId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(source, _)| source.id != *id);
    }
}

impl Store {
    /// Makes a file known that chunks may refer to. Its bytes are durable when this returns; it must stay where it is.
    pub fn register_file(&self, path: &Path) -> Result<SourceFile, StoreError> {
        let io = |action| move |e| StoreError::io(action, path, e);
        let absolute = path.canonicalize().map_err(io("find"))?;
        let file = File::open(&absolute).map_err(io("open"))?;
        let metadata = file.metadata().map_err(io("read"))?;
        if !metadata.is_file() || absolute.as_os_str().len() > PATH_BYTES_MAX {
            return Err(StoreError::NotAFile { path: path.into() });
        }
        file.sync_data().map_err(io("sync"))?;
        let (size_bytes, modified) = (metadata.len(), modified(&metadata));
        let bytes = SourceFile::to_bytes(&absolute, size_bytes, modified);
        let sealed = verify::seal(&bytes, false).expect("a path is shorter than the longest chunk");
        self.put(&sealed)?;
        let source = SourceFile { id: sealed.id(), path: absolute, size_bytes, modified };
        self.sources.forget(&source.id);
        Ok(source)
    }

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
        let record = reference_record(id, plain_len, file, ranges)?;
        let mut writer = self.writer()?;
        if self.locate(&id)?.is_some() {
            return Ok(false);
        }
        self.within_quota((RECORD_HEADER_LEN + record.1.len()) as u64)?;
        self.write(&mut writer, record.0, &record.1, None)?;
        Ok(true)
    }

    /// Gives up the stored copy of a chunk for a reference, after comparing what the ranges say with the chunk's identity;
    /// false when the store has no copy of its own. What the copy took is free after the next compaction.
    pub fn adopt(&self, id: ChunkId, file: &SourceFile, ranges: &[SourceRange]) -> Result<bool, StoreError> {
        let Some(held) = self.describe(&id)? else { return Ok(false) };
        let (record, payload) = reference_record(id, held.plain_len, file, ranges)?;
        match self.gather(&payload, &entry(id, held.plain_len)) {
            Ok(_) => {}
            Err(Failed::Lost) => return Err(StoreError::SourceDiffers { path: file.path.clone(), chunk: id }),
            Err(Failed::Passing(error)) => return Err(error),
        }
        let mut writer = self.writer()?;
        let Some(at) = self.locate(&id)? else { return Ok(false) };
        if self.kind_at(at)? == Some(RecordKind::Reference) {
            return Ok(false);
        }
        self.write(&mut writer, record, &payload, Some(at))?;
        Ok(true)
    }

    /// Gathers the plaintext that a reference's payload names; `Lost` unless it hashes to the chunk's id.
    pub(super) fn gather(&self, payload: &[u8], entry: &ChunkEntry) -> Result<Vec<u8>, Failed> {
        let (id, ranges) = from_payload(payload, entry.plain_len).ok_or(Failed::Lost)?;
        let (source, file) = self.source(&id)?;
        let mut plain = vec![0; entry.plain_len as usize];
        let mut at = 0;
        for range in ranges {
            let end = at + range.len as usize;
            file.read_exact_at(&mut plain[at..end], range.offset).map_err(|e| {
                self.sources.forget(&id);
                Failed::of("read", &source.path, e)
            })?;
            at = end;
        }
        if ChunkId::of(&plain) == entry.id {
            return Ok(plain);
        }
        self.sources.forget(&id);
        Err(Failed::Lost)
    }

    fn source(&self, id: &ChunkId) -> Result<(SourceFile, Arc<File>), Failed> {
        if let Some(open) = self.sources.get(id) {
            return Ok(open);
        }
        let description = match self.read_plain(id) {
            Err(StoreError::Damaged { .. }) => return Err(Failed::Lost),
            other => other?.ok_or(Failed::Lost)?,
        };
        let source = SourceFile::from_bytes(*id, &description).ok_or(Failed::Lost)?;
        let file = File::open(&source.path).map_err(|e| Failed::of("open", &source.path, e))?;
        let opened = (source, Arc::new(file));
        self.sources.insert(opened.0.clone(), Arc::clone(&opened.1));
        Ok(opened)
    }
}

/// Whether a plaintext is the description of a source file.
pub(super) fn is_source(plain: &[u8]) -> bool {
    plain.starts_with(&SOURCE_MAGIC)
}

fn reference_record(
    id: ChunkId,
    plain_len: u32,
    file: &SourceFile,
    ranges: &[SourceRange],
) -> Result<(Record, Vec<u8>), StoreError> {
    let payload = to_payload(&file.id, ranges);
    let inside =
        |range: &SourceRange| range.offset.checked_add(u64::from(range.len)).is_some_and(|end| end <= file.size_bytes);
    let fits = (1..=PLAIN_BYTES_MAX).contains(&plain_len)
        && payload.len() <= REFERENCE_BYTES_MAX as usize
        && from_payload(&payload, plain_len).is_some()
        && ranges.iter().all(inside);
    if !fits {
        return Err(StoreError::BadReference { path: file.path.clone(), chunk: id });
    }
    let check = StoredCheck::of(&payload);
    let entry = ChunkEntry { id, codec: Codec::Raw, plain_len, stored_len: payload.len() as u32, check };
    Ok((Record { kind: RecordKind::Reference, entry }, payload))
}

#[cfg(test)]
mod tests;
