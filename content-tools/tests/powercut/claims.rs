//! What the workload was promised, and whether a store keeps it.

use super::disk::{SimDisk, State};
use super::index_files::IndexFiles;
use karez_content_tools::store::{HeldRelease, Store, StoreError, StoreOptions};
use karez_content_tools::verify::{VerifiedChunk, seal};
use karez_protocol::content::hash::ChunkId;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
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

pub(crate) fn release(version: u64) -> HeldRelease {
    let signed = plain(version as u32 * 7 + 1);
    HeldRelease { collection: "bj4/algebra-1".parse().unwrap(), version, signed, root: vec![9; 700] }
}

/// What was offered to the store, and what it said is durable.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims {
    pub(crate) offered: BTreeMap<ChunkId, Vec<u8>>,
    pub(crate) written: BTreeSet<ChunkId>,
    pub(crate) durable: BTreeSet<ChunkId>,
    pub(crate) saved: BTreeSet<u64>,
    pub(crate) drafts: BTreeSet<u64>,
}

impl Claims {
    /// After a sync that returned Ok.
    pub(crate) fn synced(&mut self) {
        self.durable.extend(&self.written);
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
        for (saved, found) in [(&self.saved, store.releases()), (&self.drafts, store.drafts())] {
            let found = found.map_err(|error| format!("releases: {error}"))?;
            if let Some(lost) = saved.iter().find(|version| !found.contains(&release(**version))) {
                return Err(format!("claimed release {lost} is gone"));
            }
            if found.iter().any(|held| *held != release(held.version)) {
                return Err("a release differs from what was saved".into());
            }
        }
        Ok(true)
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
        self.disk.set_opening(true);
        let store = Store::open_on(Arc::new(self.disk.clone()), &self.base.path().join("store"), options());
        self.disk.set_opening(false);
        store
    }

    pub(crate) fn index(&self) -> IndexFiles {
        IndexFiles::read(&self.base.path().join("store"))
    }
}

/// Opens what was left and looks at everything a store promises.
pub(crate) fn examine(left: State, index: &IndexFiles, claims: &Claims, seed: u64) -> Result<(), String> {
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

/// Stores everything again, which must then be readable.
pub(crate) fn go_on(store: &Store, claims: &Claims) -> Result<(), String> {
    let failed = |error: StoreError| format!("going on: {error}");
    for plain in claims.offered.values() {
        store.put(&seal(plain, true).unwrap()).map_err(failed)?;
    }
    store.save_release(&release(90)).map_err(failed)?;
    claims.all().kept_by(store).map(|_| ()).map_err(|error| format!("going on: {error}"))
}
