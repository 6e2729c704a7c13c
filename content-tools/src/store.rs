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

mod claims;
mod error;
mod filter;
mod foreign;
mod gc;
mod held;
mod index;
mod look;
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
mod writer;

pub use claims::Claims;
pub use error::StoreError;
pub use gc::{AtWork, Compacted, GcGroup, GcOrder, GcPlan, GroupShare, HeldVersion, SegmentGarbage};
pub use held::HeldRelease;
pub use pins::{Pin, PinError};
pub use read::{DamagedChunk, StoredChunk};
pub(crate) use record::{RECORD_HEADER_LEN, read_entry, write_entry};
pub use reference::SourceRange;
pub(crate) use reference::is_worth;
pub use scrub::{ScrubCursor, ScrubStep};
pub use source::SourceFile;

use crate::disk::{self, Disk, DiskLock, RealDisk};
use crate::reserve::{RESERVE_BYTES, Reserve};
use crate::verify::{SealedChunk, VerifiedChunk};
use claims::Claimed;
use foreign::Verdict;
use index::{Index, Location};
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::name::CollectionName;
use record::{Place, Record};
use segment::Readers;
use source::Sources;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tempfile::TempDir;
use writer::Writer;

/// How a store behaves.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Written bytes that may be without a sync: what a power cut may cost. A sync begins at half of them and runs while
    /// the other half is written.
    pub sync_bytes: u64,
    /// Age of the oldest unsynced byte at which [`Store::sync_if_due`] syncs.
    pub sync_interval: Duration,
    /// Length at which a segment file is closed and the next one begun. 256 MiB: small enough to rewrite when half of
    /// it is garbage, large enough that 20 TB are 80 000 files.
    pub segment_bytes: u64,
    /// File of the reserve that a release may be written with when the disk is full.
    pub reserve: Option<PathBuf>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { sync_bytes: 64 << 20, sync_interval: Duration::from_secs(5), segment_bytes: 256 << 20, reserve: None }
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

/// What became of several chunks that were put.
#[derive(Debug)]
pub struct Put {
    /// For each: whether it was new; `None` when it is not there, because of the error.
    pub fresh: Vec<Option<bool>>,
    /// Why some are not there.
    pub error: Option<StoreError>,
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
    /// Bytes that may be written before the free space is looked at again.
    allowance: AtomicU64,
    claimed: Claimed,
    /// Where the store ended when it was opened: what was written since belongs to work under way.
    opened_at: Place,
    /// Chunks found damaged since somebody asked last; beyond so many a scrub finds the rest.
    found: Mutex<Vec<ChunkId>>,
    /// Held while a release file is replaced: two calls must not share its temporary name.
    documents: Mutex<()>,
    /// Held while a segment is rewritten.
    compaction: Mutex<()>,
    disk: Arc<dyn Disk>,
    index_path: PathBuf,
    /// Where the index is when nothing may be written beside the segments.
    scratch: Option<TempDir>,
    _lock: DiskLock,
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
        let folders = create_folders(&*disk, dir);
        folders.map_err(|e| StoreError::io("create", dir, e))?;
        let lock = lock(&*disk, dir)?;
        Self::assemble(disk, dir, options, (lock, dir.join("index.sqlite")), None)
    }

    fn assemble(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: StoreOptions,
        (lock, index_path): (DiskLock, PathBuf),
        scratch: Option<TempDir>,
    ) -> Result<Self, StoreError> {
        let segments = dir.join("segments");
        let index = own_index(&*disk, &segments, &index_path)?;
        let new_bytes = scratch.is_none().then_some(options.segment_bytes);
        let recovered = recovery::recover(&disk, &segments, &index, new_bytes)?;
        let readers = Readers::new(Arc::clone(&disk), &segments);
        if scratch.is_none() {
            readers.insert(recovered.segment.number, recovered.segment.file());
        }
        let opened_at = Place { segment: recovered.segment.number, offset: recovered.segment.len() };
        Ok(Self {
            dir: dir.into(),
            options,
            writer: Mutex::new(Writer::new(recovered.segment)),
            index: Mutex::new(index),
            pending: RwLock::default(),
            readers,
            quota: quota::load(&*disk, dir).into(),
            allowance: AtomicU64::new(0),
            claimed: Claimed::default(),
            sources: Sources::default(),
            opened_at,
            counts: Counts {
                chunks: recovered.chunks.into(),
                stored_bytes: recovered.stored_bytes.into(),
                segments: recovered.segments.into(),
                disk_bytes: segment::bytes(&*disk, &segments)?.into(),
                recovered: recovered.recovered,
            },
            found: Mutex::default(),
            documents: Mutex::default(),
            compaction: Mutex::default(),
            disk,
            index_path,
            scratch,
            _lock: lock,
        })
    }

    /// The store's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The disk it is on.
    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Appends a chunk, which is usable when this returns; false when it was there already.
    pub fn put(&self, chunk: &VerifiedChunk) -> Result<bool, StoreError> {
        let mut writer = self.writer()?;
        self.claim(&[chunk.id()]);
        if self.locate(&chunk.id())?.is_some() {
            return Ok(false);
        }
        self.write_all(&mut writer, &[(Record::chunk(chunk.entry()), chunk.stored())])?;
        Ok(true)
    }

    /// [`Store::put`] for several chunks, in order, with few writes; which of them were new. When it fails, any number of
    /// the first ones are there.
    pub fn put_many(&self, chunks: &[SealedChunk<'_>]) -> Result<Vec<bool>, StoreError> {
        let mut writer = self.writer()?;
        let records: Vec<_> = chunks.iter().map(|chunk| (Record::chunk(chunk.entry()), chunk.stored())).collect();
        let new = self.which_are_new(&records)?;
        self.write_all(&mut writer, &only(&records, &new))?;
        Ok(new)
    }

    /// The same for chunks that came from others; says of each what became of it, also when it fails.
    pub fn put_verified(&self, chunks: &[VerifiedChunk]) -> Put {
        let nothing = |error| Put { fresh: vec![None; chunks.len()], error: Some(error) };
        let mut writer = match self.writer() {
            Ok(writer) => writer,
            Err(error) => return nothing(error),
        };
        let records: Vec<_> = chunks.iter().map(|chunk| (Record::chunk(chunk.entry()), chunk.stored())).collect();
        let new = match self.which_are_new(&records) {
            Ok(new) => new,
            Err(error) => return nothing(error),
        };
        let error = self.write_all(&mut writer, &only(&records, &new)).err();
        // Under the writer's lock, so what is there now was there before or was written here.
        let is_there = |chunk: &VerifiedChunk| error.is_none() || matches!(self.locate(&chunk.id()), Ok(Some(_)));
        let fresh = chunks.iter().zip(new).map(|(chunk, new)| is_there(chunk).then_some(new)).collect();
        Put { fresh, error }
    }

    /// Which of these records stand for chunks that are not here; of several of one chunk the first. Under the writer's lock.
    fn which_are_new(&self, records: &[(Record, &[u8])]) -> Result<Vec<bool>, StoreError> {
        let ids: Vec<ChunkId> = records.iter().map(|(record, _)| record.entry.id).collect();
        let mut new: Vec<bool> = self.contains_many(&ids)?.into_iter().map(|held| !held).collect();
        let mut among = HashSet::with_capacity(ids.len());
        new.iter_mut().zip(&ids).for_each(|(new, id)| *new = *new && among.insert(id));
        Ok(new)
    }

    /// Makes every chunk written so far durable.
    pub fn sync(&self) -> Result<(), StoreError> {
        if self.is_read_only() {
            return Ok(());
        }
        let mut writer = self.writer()?;
        self.sync_writer(&mut writer)
    }

    /// Syncs if something has been waiting for longer than [`StoreOptions::sync_interval`].
    pub fn sync_if_due(&self) -> Result<(), StoreError> {
        let mut writer = self.writer()?;
        if writer.waiting_since().is_some_and(|since| since.elapsed() >= self.options.sync_interval) {
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

    /// Notes that a signed release is here whole, when it is held at all: from then on what is missing of it counts as lost,
    /// and not as still to come. Chunks written before are synced first.
    pub fn mark_whole(&self, collection: &CollectionName, version: u64) -> Result<(), StoreError> {
        self.sync()?;
        let _alone = self.documents()?;
        let dir = self.dir.join("releases");
        match held::find(&*self.disk, &dir, collection, version) {
            Some(held) if !held.whole => {
                self.spend_reserve(|| held::save_again(&*self.disk, &dir, &HeldRelease { whole: true, ..held.clone() }))
            }
            _ => Ok(()),
        }
    }

    /// Release files, signed and draft, that cannot be read: nobody knows what they named.
    pub fn damaged_releases(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut damaged = held::damaged(&*self.disk, &self.dir.join("releases"))?;
        damaged.extend(held::damaged(&*self.disk, &self.dir.join("drafts"))?);
        Ok(damaged)
    }

    /// Whether one of [`Store::damaged_releases`] still is.
    pub fn is_damaged_release(&self, path: &Path) -> bool {
        ["releases", "drafts"]
            .iter()
            .map(|folder| self.dir.join(folder))
            .any(|dir| path.starts_with(&dir) && held::is_damaged(&*self.disk, path, &dir))
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

    /// The highest version that a draft of a collection is kept under, also when it is damaged; 0 without any.
    pub fn highest_draft(&self, collection: &CollectionName) -> Result<u64, StoreError> {
        held::highest(&*self.disk, &self.dir.join("drafts"), collection)
    }

    fn save_document(&self, folder: &str, release: &HeldRelease) -> Result<(), StoreError> {
        let _alone = self.documents()?;
        let dir = self.dir.join(folder);
        // A pull that begins anew does not know that all of it was here once.
        let before = held::find(&*self.disk, &dir, &release.collection, release.version);
        let whole = release.whole || before.is_some_and(|before| before.whole && before.root == release.root);
        let release = HeldRelease { whole, ..release.clone() };
        self.spend_reserve(|| held::save(&*self.disk, &dir, &release))
    }

    /// Runs a call that writes a document, with the room of the reserve when the disk is full.
    fn spend_reserve(&self, save: impl Fn() -> Result<(), StoreError>) -> Result<(), StoreError> {
        match &self.options.reserve {
            Some(path) => Reserve::at(Arc::clone(&self.disk), path, RESERVE_BYTES).spend(save),
            None => save(),
        }
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

    /// Runs a call on the index; when the index turns out damaged, leaves word that it must be rebuilt.
    fn with_index<T>(&self, call: impl FnOnce(&Index) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        call(&self.index.lock().unwrap_or_else(PoisonError::into_inner)).map_err(|error| {
            if index::is_damage(&error) {
                index::mark_damaged(&self.index_path);
            }
            StoreError::index(error, &self.index_path)
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

/// Of some records those that are marked.
fn only<'a>(records: &[(Record, &'a [u8])], marked: &[bool]) -> Vec<(Record, &'a [u8])> {
    std::iter::zip(records, marked).filter(|(_, marked)| **marked).map(|(record, _)| *record).collect()
}

/// Once for all of them: a process that was killed may have created any and synced none.
fn create_folders(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    disk::create_dirs(disk, dir)?;
    for folder in ["segments", "releases", "drafts"] {
        disk.create_dir(&dir.join(folder))?;
    }
    disk.sync_dir(dir)
}

/// The index, when it is that of these segments; another store's is begun anew.
fn own_index(disk: &dyn Disk, segments: &Path, path: &Path) -> Result<Index, StoreError> {
    let failed = |e| StoreError::index(e, path);
    let index = Index::open(path).map_err(failed)?;
    match foreign::judge(disk, segments, &index)? {
        Verdict::Own { but } => {
            for segment in but {
                tracing::warn!(segment, "the index is of another segment file there: that one is read again");
                index.forget_behind(segment, 0).map_err(failed)?;
            }
            Ok(index)
        }
        Verdict::Foreign => {
            tracing::warn!("the index is that of another store: rebuilding it from the segments");
            drop(index);
            index::remove(path);
            Index::open(path).map_err(failed)
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
