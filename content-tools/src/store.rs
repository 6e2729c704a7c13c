//! The chunk store of one machine: append-only segment files, an SQLite index over them, and release files.
//!
//! What must stay true:
//! - only [`VerifiedChunk`]s come in, and every read is checked against the record's checksum;
//! - a chunk is usable as soon as it is written, and survives SIGKILL from then on (opening scans the open segment);
//! - an index row exists only for bytes that were fsynced before; a sync that failed poisons the store for writing;
//! - everything but segments and release files can be deleted and is rebuilt;
//! - one process per store: the lock dies with the process.
//!
//! Locks are taken in the order writer, index, pending; readers never take the writer lock, so a sync does not stop them.

mod error;
mod filter;
mod gc;
mod held;
mod index;
mod pins;
mod quota;
mod read;
mod reclaim;
mod record;
mod recovery;
mod reference;
mod scan;
mod scrub;
mod segment;
mod source;

pub use error::StoreError;
pub use gc::{Compacted, GcPlan, HeldVersion, SegmentGarbage};
pub use held::HeldRelease;
pub use pins::{Pin, PinError};
pub use read::{DamagedChunk, StoredChunk};
pub(crate) use record::{RECORD_HEADER_LEN, read_entry, write_entry};
pub use reference::SourceRange;
pub(crate) use reference::is_worth;
pub use scrub::{ScrubCursor, ScrubStep};
pub use source::SourceFile;

use crate::disk::{self, Disk, DiskLock, RealDisk};
use crate::verify::{SealedChunk, VerifiedChunk};
use index::{Index, Location};
use karez_protocol::content::chunk::ChunkEntry;
use karez_protocol::content::hash::ChunkId;
use record::{Place, Record, RecordKind};
use segment::{Readers, Segment};
use source::Sources;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How a store behaves.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Written bytes after which a put syncs: what a power cut may cost.
    pub sync_bytes: u64,
    /// Age of the oldest unsynced byte at which [`Store::sync_if_due`] syncs.
    pub sync_interval: Duration,
    /// Length at which a segment file is closed and the next one begun. 256 MiB: small enough to rewrite when half of
    /// it is garbage, large enough that 20 TB are 80 000 files.
    pub segment_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { sync_bytes: 64 << 20, sync_interval: Duration::from_secs(5), segment_bytes: 256 << 20 }
    }
}

/// What a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreStats {
    /// Chunks that can be read.
    pub chunks: u64,
    /// Their stored bytes, without record headers.
    pub stored_bytes: u64,
    /// Segment files.
    pub segments: u64,
    /// Chunks that opening found written and not in the index: the tail after a kill, or all after the index was lost.
    pub recovered_at_open: u64,
}

/// The store.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    options: StoreOptions,
    writer: Mutex<Writer>,
    index: Mutex<Index>,
    /// Written, usable, and not yet in the index.
    pending: RwLock<HashMap<ChunkId, Location>>,
    readers: Readers,
    sources: Sources,
    counts: Counts,
    quota: AtomicU64,
    /// Where the store ended when it was opened: what was written since belongs to work under way.
    opened_at: Place,
    /// Held while a release file is replaced: two calls must not share its temporary name.
    documents: Mutex<()>,
    /// Held while a segment is rewritten.
    compaction: Mutex<()>,
    disk: Arc<dyn Disk>,
    _lock: DiskLock,
}

#[derive(Debug)]
struct Writer {
    segment: Segment,
    unsynced: u64,
    oldest_unsynced: Instant,
    poisoned: bool,
    /// Records that a pending one stands in for: their rows go in the commit that brings the new ones.
    replaced: Vec<(ChunkId, Location)>,
}

#[derive(Debug, Default)]
struct Counts {
    chunks: AtomicU64,
    stored_bytes: AtomicU64,
    segments: AtomicU64,
    /// Of the segment files.
    disk_bytes: AtomicU64,
    recovered: u64,
}

impl Store {
    /// Opens the store in a folder, creating both as needed, and recovers what a kill or a lost index left behind.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(RealDisk), dir, options)
    }

    /// Opens the store on a disk of the caller's choice. The index is SQLite's and stays on the real one.
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        for folder in ["segments", "releases", "drafts"].map(|name| dir.join(name)) {
            disk::create_dirs(&*disk, &folder).map_err(|e| StoreError::io("create", &folder, e))?;
        }
        let lock = lock(&*disk, dir)?;
        // A process that was killed may have created the folders and not synced them.
        disk.sync_dir(dir).map_err(|e| StoreError::io("sync", dir, e))?;
        let index_path = dir.join("index.sqlite");
        let index = Index::open(&index_path).map_err(|e| StoreError::index(e, &index_path))?;
        let recovered = recovery::recover(&disk, &dir.join("segments"), &index, options.segment_bytes)?;
        let readers = Readers::new(Arc::clone(&disk), &dir.join("segments"));
        readers.insert(recovered.segment.number, recovered.segment.file());
        let opened_at = Place { segment: recovered.segment.number, offset: recovered.segment.len() };
        let writer = Writer {
            segment: recovered.segment,
            unsynced: 0,
            oldest_unsynced: Instant::now(),
            poisoned: false,
            replaced: Vec::new(),
        };
        Ok(Self {
            dir: dir.into(),
            options,
            writer: Mutex::new(writer),
            index: Mutex::new(index),
            pending: RwLock::default(),
            readers,
            quota: quota::load(&*disk, dir).into(),
            sources: Sources::default(),
            opened_at,
            counts: Counts {
                chunks: recovered.chunks.into(),
                stored_bytes: recovered.stored_bytes.into(),
                segments: recovered.segments.into(),
                disk_bytes: segment::bytes(&*disk, &dir.join("segments"))?.into(),
                recovered: recovered.recovered,
            },
            documents: Mutex::default(),
            compaction: Mutex::default(),
            disk,
            _lock: lock,
        })
    }

    /// The store's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Appends a chunk, which is usable when this returns; false when it was there already.
    pub fn put(&self, chunk: &VerifiedChunk) -> Result<bool, StoreError> {
        let mut writer = self.writer()?;
        self.put_new(&mut writer, chunk.entry(), chunk.stored())
    }

    /// [`Store::put`] for several chunks, in order; which of them were new.
    pub fn put_many(&self, chunks: &[SealedChunk<'_>]) -> Result<Vec<bool>, StoreError> {
        let mut writer = self.writer()?;
        chunks.iter().map(|chunk| self.put_new(&mut writer, chunk.entry(), chunk.stored())).collect()
    }

    fn put_new(&self, writer: &mut Writer, entry: ChunkEntry, stored: &[u8]) -> Result<bool, StoreError> {
        if self.locate(&entry.id)?.is_some() {
            return Ok(false);
        }
        self.within_quota((record::RECORD_HEADER_LEN + stored.len()) as u64)?;
        self.write(writer, Record::chunk(entry), stored, None)?;
        Ok(true)
    }

    /// Appends a record, which is usable when this returns; rolls and syncs as is due. The row of a record that it stands
    /// in for goes in the commit that brings its own.
    fn write(
        &self,
        writer: &mut Writer,
        record: Record,
        payload: &[u8],
        stands_in_for: Option<Location>,
    ) -> Result<(), StoreError> {
        let record_len = (record::RECORD_HEADER_LEN + payload.len()) as u64;
        let full = writer.segment.len() + record_len > self.options.segment_bytes && !writer.segment.is_empty();
        if full || !writer.segment.takes(record.kind) {
            self.roll(writer, record.kind)?;
        }
        self.append(writer, record, payload)?;
        if let Some(at) = stands_in_for {
            // Between the append and the next sync: neither may know one row without the other.
            writer.replaced.push((record.entry.id, at));
            self.counts.chunks.fetch_sub(1, Ordering::Relaxed);
            self.counts.stored_bytes.fetch_sub(u64::from(at.stored_len), Ordering::Relaxed);
        }
        if writer.unsynced == 0 {
            writer.oldest_unsynced = Instant::now();
        }
        writer.unsynced += record_len;
        if writer.unsynced >= self.options.sync_bytes {
            self.sync_writer(writer)?;
        }
        Ok(())
    }

    fn append(&self, writer: &mut Writer, record: Record, payload: &[u8]) -> Result<(), StoreError> {
        let place = writer.segment.append(&record, payload).map_err(|failed| {
            writer.poisoned |= !failed.whole;
            failed.error
        })?;
        let (id, stored_len) = (record.entry.id, payload.len() as u32);
        self.pending.write().unwrap_or_else(PoisonError::into_inner).insert(id, Location { place, stored_len });
        let record_len = (record::RECORD_HEADER_LEN + payload.len()) as u64;
        self.counts.disk_bytes.fetch_add(record_len, Ordering::Relaxed);
        self.counts.chunks.fetch_add(1, Ordering::Relaxed);
        self.counts.stored_bytes.fetch_add(u64::from(stored_len), Ordering::Relaxed);
        Ok(())
    }

    /// Makes every chunk written so far durable.
    pub fn sync(&self) -> Result<(), StoreError> {
        let mut writer = self.writer()?;
        self.sync_writer(&mut writer)
    }

    /// Syncs if something has been waiting for longer than [`StoreOptions::sync_interval`].
    pub fn sync_if_due(&self) -> Result<(), StoreError> {
        let mut writer = self.writer()?;
        if writer.unsynced > 0 && writer.oldest_unsynced.elapsed() >= self.options.sync_interval {
            self.sync_writer(&mut writer)?;
        }
        Ok(())
    }

    /// Keeps a signed release. Chunks written before are synced first, so a release file never knows more than the disk.
    pub fn save_release(&self, release: &HeldRelease) -> Result<(), StoreError> {
        self.sync()?;
        self.save_document("releases", release)
    }

    /// The signed releases held, by collection and version. Damaged files are skipped with a warning.
    pub fn releases(&self) -> Result<Vec<HeldRelease>, StoreError> {
        held::list(&*self.disk, &self.dir.join("releases"))
    }

    /// Keeps a packed version that nobody signed; like [`Store::save_release`], in a place of its own.
    pub fn save_draft(&self, draft: &HeldRelease) -> Result<(), StoreError> {
        self.sync()?;
        self.save_document("drafts", draft)
    }

    /// The drafts held, by collection and version.
    pub fn drafts(&self) -> Result<Vec<HeldRelease>, StoreError> {
        held::list(&*self.disk, &self.dir.join("drafts"))
    }

    fn save_document(&self, folder: &str, release: &HeldRelease) -> Result<(), StoreError> {
        let _alone = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        held::save(&*self.disk, &self.dir.join(folder), release)
    }

    /// What the store holds now.
    pub fn stats(&self) -> StoreStats {
        StoreStats {
            chunks: self.counts.chunks.load(Ordering::Relaxed),
            stored_bytes: self.counts.stored_bytes.load(Ordering::Relaxed),
            segments: self.counts.segments.load(Ordering::Relaxed),
            recovered_at_open: self.counts.recovered,
        }
    }

    fn writer(&self) -> Result<MutexGuard<'_, Writer>, StoreError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.poisoned { Err(StoreError::Poisoned { dir: self.dir.clone() }) } else { Ok(writer) }
    }

    /// fsync first, index rows second, and only then out of the pending map, so that a reader always finds the chunk.
    fn sync_writer(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if writer.unsynced == 0 && writer.replaced.is_empty() {
            return Ok(());
        }
        if let Err(error) = writer.segment.sync() {
            writer.poisoned = true;
            return Err(error);
        }
        let rows: Vec<(ChunkId, Location)> = {
            let pending = self.pending.read().unwrap_or_else(PoisonError::into_inner);
            pending.iter().map(|(id, at)| (*id, *at)).collect()
        };
        self.with_index(|index| index.commit(writer.segment.number, writer.segment.len(), &rows, &writer.replaced))?;
        writer.replaced.clear();
        // Whoever adds to the map holds the writer lock, as this does: nothing came in since.
        self.pending.write().unwrap_or_else(PoisonError::into_inner).clear();
        writer.unsynced = 0;
        Ok(())
    }

    fn roll(&self, writer: &mut Writer, kind: RecordKind) -> Result<(), StoreError> {
        self.sync_writer(writer)?;
        let exhausted = || StoreError::SegmentsExhausted { dir: self.dir.clone() };
        let number = writer.segment.number.checked_add(1).ok_or_else(exhausted)?;
        let format = match kind {
            RecordKind::Chunk => record::SEGMENT_FORMAT,
            RecordKind::Reference => record::SEGMENT_FORMAT_REFERENCES,
        };
        writer.segment = Segment::create(&self.disk, &self.dir.join("segments"), number, format)?;
        self.readers.insert(number, writer.segment.file());
        self.counts.segments.fetch_add(1, Ordering::Relaxed);
        self.counts.disk_bytes.fetch_add(writer.segment.len(), Ordering::Relaxed);
        Ok(())
    }

    /// Runs a call on the index; when the index turns out damaged, leaves word that it must be rebuilt.
    fn with_index<T>(&self, call: impl FnOnce(&Index) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let path = self.dir.join("index.sqlite");
        call(&self.index.lock().unwrap_or_else(PoisonError::into_inner)).map_err(|error| {
            if index::is_damage(&error) {
                index::mark_damaged(&path);
            }
            StoreError::index(error, &path)
        })
    }
}

impl Drop for Store {
    /// A clean stop costs nothing at the next start; when this fails, the next start scans as after a kill.
    fn drop(&mut self) {
        if let Err(error) = self.sync() {
            tracing::warn!(%error, "the last sync of the store failed");
        }
    }
}

fn lock(disk: &dyn Disk, dir: &Path) -> Result<DiskLock, StoreError> {
    let path = dir.join("lock");
    let lock = disk.lock(&path).map_err(|e| StoreError::io("lock", &path, e))?;
    lock.ok_or_else(|| StoreError::Locked { dir: dir.into() })
}

#[cfg(test)]
mod tests;
