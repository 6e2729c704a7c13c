//! What the workload was promised, and whether a store keeps it.

use super::disk::{LaidOut, SimDisk, State};
use super::index_files::IndexFiles;
use karez_content_tools::store::{HeldRelease, Pin, Store, StoreError, StoreOptions};
use karez_content_tools::verify::{VerifiedChunk, seal};
use karez_protocol::content::Document as _;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::manifest::{ManifestRoot, Page, PageRef};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Small segments, so that a few dozen chunks fill several.
pub(crate) fn options() -> StoreOptions {
    let (sync_bytes, sync_interval) = (7_000, Duration::MAX);
    StoreOptions { sync_bytes, sync_interval, segment_bytes: 12_000, reserve: None }
}

/// Chunk number `n`: every third one is text that zstd shrinks.
pub(crate) fn plain(n: u32) -> Vec<u8> {
    let mut bytes = vec![0; 300 + n as usize * 97 % 1700];
    blake3::Hasher::new().update(&n.to_le_bytes()).finalize_xof().fill(&mut bytes);
    if n.is_multiple_of(3) { format!("page {n} of the book of canals\n").repeat(40).into_bytes() } else { bytes }
}

pub(crate) fn chunk(n: u32) -> VerifiedChunk {
    seal(&plain(n), true).unwrap()
}

/// The chunks that a version names.
pub(crate) fn named(version: u64) -> Range<u32> {
    let first = version as u32 % 90 * 16;
    first.saturating_sub(12)..first + 10
}

/// The page of a version, a chunk like any other.
pub(crate) fn page(version: u64) -> Vec<u8> {
    let rows = named(version).map(|n| chunk(n).entry()).collect();
    Page::new(vec![], rows, vec![], vec![]).to_bytes()
}

pub(crate) fn release(version: u64) -> HeldRelease {
    let page = seal(&page(version), true).unwrap();
    let pages = vec![PageRef { entry: page.entry(), chunks: named(version).len() as u32, items: 0, plain_bytes: 0 }];
    let metadata = minicbor::decode(&[0xa2, 0, 0, 1, 0x61, b'a']).unwrap();
    let header = ManifestRoot::new_header();
    let root = ManifestRoot { header, metadata, pages, plain_bytes: 0, stored_bytes: 0, files: 0, items: 0 };
    let signed = plain(version as u32 * 7 + 1);
    let collection = "bj4/algebra-1".parse().unwrap();
    HeldRelease { collection, version, signed, root: root.to_bytes(), whole: false }
}

/// What was offered to the store, and what it said is durable.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims {
    pub(crate) offered: BTreeMap<ChunkId, Vec<u8>>,
    pub(crate) written: BTreeSet<ChunkId>,
    pub(crate) durable: BTreeSet<ChunkId>,
    /// Record bytes in the order they were written, while they may still be lost.
    unsynced: VecDeque<(ChunkId, u64)>,
    pub(crate) saved: BTreeSet<u64>,
    pub(crate) drafts: BTreeSet<u64>,
    /// Versions that were marked as here whole.
    pub(crate) whole: BTreeSet<u64>,
    /// Versions that were dropped, and must not come back without their chunks.
    pub(crate) dropped: BTreeSet<u64>,
    /// Segments that were given back.
    pub(crate) freed: BTreeSet<u32>,
    /// Chunks that rotted once: an old index may know the rotten record only.
    pub(crate) rotten: BTreeSet<ChunkId>,
    pub(crate) pins: Either<BTreeSet<Pin>>,
    pub(crate) quota: Either<Option<u64>>,
}

/// A note that is replaced: the old one, or while it is being changed also the new one, and nothing else.
#[derive(Debug, Clone, Default)]
pub(crate) struct Either<T> {
    now: T,
    next: Option<T>,
}

impl<T: PartialEq> Either<T> {
    pub(crate) fn begin(&mut self, next: T) {
        self.next = Some(next);
    }

    pub(crate) fn done(&mut self) {
        if let Some(next) = self.next.take() {
            self.now = next;
        }
    }

    fn allows(&self, found: &T) -> bool {
        self.now == *found || self.next.as_ref() == Some(found)
    }
}

/// What a record takes beside its bytes.
const RECORD_HEADER_BYTES: u64 = 72;

impl Claims {
    /// After a sync that returned Ok.
    pub(crate) fn synced(&mut self) {
        self.unsynced.clear();
        self.durable.extend(&self.written);
    }

    /// After a put that returned Ok. Without any sync of the caller, no more than `sync_bytes` may be lost.
    pub(crate) fn put(&mut self, id: ChunkId, stored_len: usize) {
        self.written.insert(id);
        self.unsynced.push_back((id, RECORD_HEADER_BYTES + stored_len as u64));
        while self.unsynced.iter().map(|(_, bytes)| bytes).sum::<u64>() > options().sync_bytes {
            self.durable.extend(self.unsynced.pop_front().map(|(id, _)| id));
        }
    }

    pub(crate) fn promise_nothing(&self) -> bool {
        self.durable.is_empty() && self.saved.is_empty() && self.drafts.is_empty()
    }

    /// Nobody promises these any more: rotten, or garbage.
    pub(crate) fn give_up(&mut self, gone: impl Fn(&ChunkId) -> bool) {
        self.durable.retain(|id| !gone(id));
        self.written.retain(|id| !gone(id));
        self.unsynced.retain(|(id, _)| !gone(id));
    }

    /// Everything offered as if it were durable.
    fn all(&self) -> Self {
        Self { durable: self.offered.keys().copied().collect(), ..self.clone() }
    }

    /// Reads everything; `Ok(false)` when the index failed on the way, which the next opening must mend.
    pub(crate) fn kept_by(&self, store: &Store) -> Result<bool, String> {
        for (id, plain) in &self.offered {
            match store.read_plain(id) {
                Ok(Some(read)) if read == *plain => {}
                Ok(Some(_)) => return Err(format!("wrong bytes for {id}")),
                Err(StoreError::Index(_)) => return Ok(false),
                Ok(None) | Err(StoreError::Damaged { .. }) if !self.durable.contains(id) => {}
                Ok(None) => return Err(format!("claimed chunk {id} is gone")),
                Err(error) => return Err(format!("claimed chunk {id}: {error}")),
            }
        }
        for (saved, found, is_release) in [(&self.saved, store.releases(), true), (&self.drafts, store.drafts(), false)]
        {
            let found = found.map_err(|error| format!("releases: {error}"))?;
            for held in found.iter().filter(|held| held.whole) {
                self.all_of(store, held.version)?;
            }
            let marked: BTreeSet<u64> = found.iter().filter(|held| held.whole).map(|held| held.version).collect();
            let found: Vec<_> = found.into_iter().map(|held| HeldRelease { whole: false, ..held }).collect();
            if let Some(lost) = self.whole.intersection(saved).find(|version| is_release && !marked.contains(version)) {
                return Err(format!("the mark of release {lost} is gone"));
            }
            if let Some(lost) = saved.iter().find(|version| !found.contains(&release(**version))) {
                return Err(format!("claimed release {lost} is gone"));
            }
            if found.iter().any(|held| *held != release(held.version)) {
                return Err("a release differs from what was saved".into());
            }
            if let Some(back) = found.iter().find(|held| self.dropped.contains(&held.version)) {
                return Err(format!("release {} is back, without its chunks", back.version));
            }
        }
        let pins = store.pins().map_err(|error| format!("pins: {error}"))?;
        if !self.pins.allows(&pins) {
            return Err(format!("claimed pins differ: {pins:?}"));
        }
        if !self.quota.allows(&store.quota()) {
            return Err(format!("the claimed quota differs: {:?}", store.quota()));
        }
        Ok(true)
    }
}

impl Claims {
    /// A version that is marked as whole has everything it names but what rotted since.
    fn all_of(&self, store: &Store, version: u64) -> Result<(), String> {
        let named = named(version).map(plain).chain([page(version)]).map(|plain| ChunkId::of(&plain));
        for id in named.filter(|id| !self.rotten.contains(id)) {
            match store.contains(&id) {
                Ok(true) | Err(StoreError::Index(_)) => {}
                Ok(false) => return Err(format!("release {version} is marked as whole, without chunk {id}")),
                Err(error) => return Err(format!("release {version}: {error}")),
            }
        }
        Ok(())
    }
}

/// A place where a store can be opened on a given disk and index.
pub(crate) struct Site {
    pub(crate) base: tempfile::TempDir,
    pub(crate) disk: SimDisk,
}

impl Site {
    pub(crate) fn new(state: State, index: &IndexFiles) -> Self {
        // Memory when there is some: SQLite's own syncs would be most of the test's time.
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        std::fs::create_dir(base.path().join("store")).unwrap();
        index.write(&base.path().join("store"));
        let disk = SimDisk::new(base.path(), state);
        Self { base, disk }
    }

    pub(crate) fn open(&self) -> Result<Store, StoreError> {
        Store::open_on(Arc::new(self.disk.clone()), &self.base.path().join("store"), options())
    }

    pub(crate) fn index(&self) -> IndexFiles {
        IndexFiles::read(&self.base.path().join("store"))
    }
}

/// Opens what was left and looks at everything a store promises.
pub(crate) fn examine(left: State, index: &IndexFiles, claims: &Claims, seed: u64) -> Result<(), String> {
    let back = |number: &&u32| left.visible().contains_key(&PathBuf::from(format!("store/segments/{number:08}.kseg")));
    if let Some(number) = claims.freed.iter().find(back) {
        return Err(format!("segment {number} takes space again"));
    }
    let _outside: LaidOut = left.lay_out();
    offered_again(left.clone(), index, claims)?;
    let site = Site::new(left, index);
    let open = |when: &str| site.open().map_err(|error| format!("{when}: does not open: {error}"));
    if !claims.kept_by(&open("first")?)? && !claims.kept_by(&open("after index damage")?)? {
        return Err("the index stays damaged".into());
    }
    let before = (site.disk.state().visible(), open("second")?.stats());
    let store = open("third")?;
    if (site.disk.state().visible(), store.stats()) != before || store.stats().recovered_at_open != 0 {
        return Err("opening again changes something".into());
    }
    go_on(&store, claims)?;
    drop(store);
    let mut all = claims.all();
    all.saved.insert(90);
    let again = Site::new(site.disk.state().cut(seed ^ 0x5a), &site.index());
    let store = again.open().map_err(|error| format!("after a second cut: {error}"))?;
    all.kept_by(&store).map_err(|error| format!("after a second cut: {error}")).map(|_| ())
}

/// A pull that goes on offers everything before anything was read: what the store says it has, it must have.
fn offered_again(left: State, index: &IndexFiles, claims: &Claims) -> Result<(), String> {
    let site = Site::new(left, index);
    let store = site.open().map_err(|error| format!("does not open: {error}"))?;
    for id in &claims.rotten {
        let _ = store.read_plain(id);
    }
    match store_all(&store, claims) {
        // A damaged index is rebuilt at the next opening.
        Err(StoreError::Index(_)) => return Ok(()),
        stored => stored.map_err(|error| format!("offered again: {error}"))?,
    }
    claims.all().kept_by(&store).map(|_| ()).map_err(|error| format!("offered again: {error}"))
}

fn store_all(store: &Store, claims: &Claims) -> Result<(), StoreError> {
    claims.offered.values().try_for_each(|plain| store.put(&seal(plain, true).unwrap()).map(|_| ()))
}

/// Stores everything again, which must then be readable.
pub(crate) fn go_on(store: &Store, claims: &Claims) -> Result<(), String> {
    let failed = |error: StoreError| format!("going on: {error}");
    store_all(store, claims).map_err(failed)?;
    store.save_release(&release(90)).map_err(failed)?;
    claims.all().kept_by(store).map(|_| ()).map_err(|error| format!("going on: {error}"))
}
