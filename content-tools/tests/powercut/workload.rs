//! What the suite does to a store: a life of several processes, with everything that writes.

use super::claims::{Claims, Site, chunk, named, page, plain, release};
use super::disk::State;
use super::index_files::IndexFiles;
use super::sync_site::SyncSite;
use karez_content_tools::store::{Pin, SourceRange, Store, StoreError};
use karez_content_tools::verify::seal;
use karez_protocol::content::hash::ChunkId;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// What the observer of a run sees: the disk, the index as it was after each commit, and what was promised so far.
pub(crate) struct Moment<'a> {
    pub(crate) disk: &'a State,
    pub(crate) index: &'a [IndexFiles],
    pub(crate) claims: &'a Claims,
}

type Watch = Arc<Mutex<dyn FnMut(Moment<'_>) + Send>>;

pub(crate) struct Life {
    site: Site,
    claims: Arc<Mutex<Claims>>,
    history: Arc<Mutex<Vec<IndexFiles>>>,
    watch: Watch,
    /// Folder of files that chunks refer to, on the real disk.
    sources: tempfile::TempDir,
}

impl Life {
    /// Runs the workload; returns the disk at its end.
    pub(crate) fn run(ignored: Option<SyncSite>, watch: Watch) -> Result<State, StoreError> {
        let history = Arc::new(Mutex::new(vec![IndexFiles::default()]));
        let site = Site::new(State::ignoring(ignored), &IndexFiles::default());
        let sources = tempfile::tempdir().unwrap();
        let mut life = Self { site, claims: Arc::default(), history, watch, sources };
        life.observe();
        let first = life.first()?;
        // The rotten chunk is dropped by a reader and comes again.
        life.killed(first, Index::Kept);
        let second = life.second()?;
        life.killed(second, Index::Lost);
        life.third()?;
        let fourth = life.fourth()?;
        life.killed(fourth, Index::Kept);
        life.fifth()?;
        life.sixth()?;
        Ok(life.site.disk.state())
    }

    fn observe(&self) {
        let (claims, history, watch) = (self.claims.clone(), self.history.clone(), self.watch.clone());
        let store = self.site.base.path().join("store");
        self.site.disk.observe(Box::new(move |disk| {
            let now = IndexFiles::read(&store);
            let mut history = history.lock().unwrap();
            if history.last() != Some(&now) {
                history.push(now);
            }
            let claims = claims.lock().unwrap().clone();
            watch.lock().unwrap()(Moment { disk, index: &history, claims: &claims });
        }));
    }

    /// The process dies: the next one finds everything written, and nothing of it synced.
    fn killed(&mut self, store: Store, index: Index) {
        let files = if index == Index::Kept { self.site.index() } else { IndexFiles::default() };
        let next = Site::new(self.site.disk.state().killed(), &files);
        self.site.disk.observe(Box::new(|_| {}));
        drop(store);
        self.site = next;
        self.observe();
    }

    fn put(&self, store: &Store, numbers: std::ops::Range<u32>) -> Result<(), StoreError> {
        for n in numbers {
            let chunk = chunk(n);
            self.claims.lock().unwrap().offered.insert(chunk.id(), plain(n));
            store.put(&chunk)?;
            self.claims.lock().unwrap().put(chunk.id(), chunk.stored().len());
        }
        Ok(())
    }

    fn sync(&self, store: &Store) -> Result<(), StoreError> {
        store.sync()?;
        self.claims.lock().unwrap().synced();
        Ok(())
    }

    fn put_page(&self, store: &Store, version: u64) -> Result<(), StoreError> {
        let page = seal(&page(version), true).unwrap();
        self.claims.lock().unwrap().offered.insert(page.id(), page.plain().unwrap().into_owned());
        store.put(&page)?;
        self.claims.lock().unwrap().put(page.id(), page.stored().len());
        Ok(())
    }

    fn save(&self, store: &Store, version: u64) -> Result<(), StoreError> {
        self.put_page(store, version)?;
        store.save_release(&release(version))?;
        let mut claims = self.claims.lock().unwrap();
        claims.synced();
        claims.saved.insert(version);
        Ok(())
    }

    /// The rest of a version has come.
    fn mark_whole(&self, store: &Store, version: u64) -> Result<(), StoreError> {
        let release = release(version);
        store.mark_whole(&release.collection, version)?;
        let mut claims = self.claims.lock().unwrap();
        claims.synced();
        claims.whole.insert(version);
        Ok(())
    }

    fn first(&self) -> Result<Store, StoreError> {
        let store = self.site.open()?;
        self.put(&store, 0..9)?;
        self.sync(&store)?;
        self.put(&store, 9..24)?;
        self.put_page(&store, 1)?;
        store.save_draft(&release(1))?;
        self.claims.lock().unwrap().synced();
        self.claims.lock().unwrap().drafts.insert(1);
        self.put(&store, 24..30)?;
        self.save(&store, 1)?;
        self.rot(&store, 4)?;
        self.put(&store, 4..5)?;
        self.sync(&store)?;
        self.put(&store, 30..36)?;
        Ok(store)
    }

    /// Byte 200 of a chunk's payload rots, a reader finds it, and from then on nobody promises the chunk.
    fn rot(&self, store: &Store, n: u32) -> Result<(), StoreError> {
        let id = chunk(n).id();
        let mut claims = self.claims.lock().unwrap();
        claims.give_up(|gone| *gone == id);
        claims.rotten.insert(id);
        drop(claims);
        self.site.disk.rot(&chunk(n).stored()[180..220]);
        match store.read_plain(&id) {
            Err(StoreError::Damaged { .. }) => Ok(()),
            other => other.map(|_| panic!("the rot of chunk {n} was not noticed")),
        }
    }

    /// What opening has recovered counts as durable after a sync, although this process wrote nothing of it.
    fn second(&self) -> Result<Store, StoreError> {
        let store = self.site.open()?;
        self.sync(&store)?;
        self.put(&store, 36..40)?;
        self.save(&store, 2)?;
        self.put(&store, 40..44)?;
        self.mark_whole(&store, 2)?;
        self.put(&store, 44..50)?;
        Ok(store)
    }

    fn third(&self) -> Result<(), StoreError> {
        let store = self.site.open()?;
        self.sync(&store)?;
        self.put(&store, 50..60)?;
        drop(store);
        self.claims.lock().unwrap().synced();
        let store = self.site.open()?;
        self.put(&store, 60..64)?;
        self.save(&store, 3)
    }

    /// Pins, a quota, chunks whose bytes stay in files outside.
    fn fourth(&self) -> Result<Store, StoreError> {
        let store = self.site.open()?;
        self.pin(&store, 1)?;
        self.pin(&store, 7)?;
        self.unpin(&store, 7)?;
        self.set_quota(&store, Some(1 << 30))?;
        self.put(&store, 64..66)?;
        self.refer(&store, 66..70)?;
        self.sync(&store)?;
        self.adopt(&store, 50..54)?;
        self.sync(&store)?;
        self.put(&store, 70..72)?;
        Ok(store)
    }

    /// Versions that nobody keeps go, and what only they named.
    fn fifth(&self) -> Result<(), StoreError> {
        let store = self.site.open()?;
        self.sync(&store)?;
        self.set_quota(&store, None)?;
        // 1 is pinned, 3 is the newest.
        let moved = self.collect(&store, &[1, 3], 2)?;
        assert!(moved > 4, "{moved}");
        self.put(&store, 72..80)?;
        self.save(&store, 4)?;
        // No version names these: they make the open segment worth rewriting.
        self.put(&store, 80..83)?;
        self.sync(&store)
    }

    /// The open segment is among those with garbage, and what stays of it are chunks and no references.
    fn sixth(&self) -> Result<(), StoreError> {
        let store = self.site.open()?;
        let moved = self.collect(&store, &[1, 4], 3)?;
        assert!(moved > 0);
        self.put(&store, 83..87)?;
        self.sync(&store)
    }

    /// Compacts; returns how many chunks were moved.
    fn collect(&self, store: &Store, kept: &[u64], goes: u64) -> Result<u64, StoreError> {
        let plan = store.gc_plan()?;
        assert_eq!(plan.dropped.iter().map(|dropped| dropped.version).collect::<Vec<_>>(), [goes]);
        let named = |version: &u64| named(*version).map(plain).chain([page(*version)]);
        let live: BTreeSet<ChunkId> = kept.iter().flat_map(named).map(|plain| ChunkId::of(&plain)).collect();
        {
            let mut claims = self.claims.lock().unwrap();
            claims.give_up(|id| !live.contains(id));
            claims.saved.remove(&goes);
        }
        store.gc_drop(&plan)?;
        self.claims.lock().unwrap().dropped.insert(goes);
        // The open segment first, before anything is moved into it.
        let mut numbers: Vec<u32> = plan.segments.iter().map(|segment| segment.number).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let mut moved = 0;
        for number in numbers {
            moved += store.gc_segment(&plan, number)?.moved;
            self.claims.lock().unwrap().freed.insert(number);
        }
        Ok(moved)
    }

    fn pin(&self, store: &Store, version: u64) -> Result<(), StoreError> {
        let mut pins = store.pins()?;
        pins.insert(pin(version));
        self.claims.lock().unwrap().pins.begin(pins);
        store.pin(pin(version))?;
        self.claims.lock().unwrap().pins.done();
        Ok(())
    }

    fn unpin(&self, store: &Store, version: u64) -> Result<(), StoreError> {
        let mut pins = store.pins()?;
        pins.remove(&pin(version));
        self.claims.lock().unwrap().pins.begin(pins);
        store.unpin(&pin(version))?;
        self.claims.lock().unwrap().pins.done();
        Ok(())
    }

    fn set_quota(&self, store: &Store, quota: Option<u64>) -> Result<(), StoreError> {
        self.claims.lock().unwrap().quota.begin(quota);
        store.set_quota(quota)?;
        self.claims.lock().unwrap().quota.done();
        Ok(())
    }

    /// A file of chunks one behind the other, and where each stands in it.
    fn source(&self, numbers: std::ops::Range<u32>) -> (PathBuf, Vec<SourceRange>) {
        let (mut bytes, mut ranges) = (Vec::new(), Vec::new());
        for plain in numbers.clone().map(plain) {
            ranges.push(SourceRange { offset: bytes.len() as u64, len: plain.len() as u32 });
            bytes.extend(plain);
        }
        let path = self.sources.path().join(format!("{}.bin", numbers.start));
        self.site.disk.write_outside(&path, &bytes);
        (path, ranges)
    }

    fn refer(&self, store: &Store, numbers: std::ops::Range<u32>) -> Result<(), StoreError> {
        let (path, ranges) = self.source(numbers.clone());
        let file = store.register_file(&path)?;
        for (n, range) in numbers.zip(ranges) {
            let id = chunk(n).id();
            self.claims.lock().unwrap().offered.insert(id, plain(n));
            store.put_reference(id, range.len, &file, &[range])?;
            // Not by `put`: its record is far shorter.
            self.claims.lock().unwrap().written.insert(id);
        }
        Ok(())
    }

    fn adopt(&self, store: &Store, numbers: std::ops::Range<u32>) -> Result<(), StoreError> {
        let (path, ranges) = self.source(numbers.clone());
        let file = store.register_file(&path)?;
        for (n, range) in numbers.zip(ranges) {
            assert!(store.adopt(chunk(n).id(), &file, &[range])?);
        }
        Ok(())
    }
}

fn pin(version: u64) -> Pin {
    format!("bj4/algebra-1@{version}").parse().unwrap()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Index {
    Kept,
    Lost,
}
