//! What the suite does to a store: a life of several processes, with everything that writes.

use super::claims::{Claims, Site, chunk, plain, release};
use super::disk::{State, SyncKind};
use super::index_files::IndexFiles;
use karez_content_tools::store::{Store, StoreError};
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
}

impl Life {
    /// Runs the workload; returns the disk at its end.
    pub(crate) fn run(ignored: Option<SyncKind>, watch: Watch) -> Result<State, StoreError> {
        let history = Arc::new(Mutex::new(vec![IndexFiles::default()]));
        let site = Site::new(State::ignoring(ignored), &IndexFiles::default());
        let mut life = Self { site, claims: Arc::default(), history, watch };
        life.observe();
        let first = life.first()?;
        // The rotten chunk is dropped by a reader and comes again.
        life.killed(first, Index::Kept);
        let second = life.second()?;
        life.killed(second, Index::Lost);
        life.third()?;
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
            self.claims.lock().unwrap().written.insert(chunk.id());
        }
        Ok(())
    }

    fn sync(&self, store: &Store) -> Result<(), StoreError> {
        store.sync()?;
        self.claims.lock().unwrap().synced();
        Ok(())
    }

    fn save(&self, store: &Store, version: u64) -> Result<(), StoreError> {
        store.save_release(&release(version))?;
        let mut claims = self.claims.lock().unwrap();
        claims.synced();
        claims.saved.insert(version);
        Ok(())
    }

    fn first(&self) -> Result<Store, StoreError> {
        let store = self.site.open()?;
        self.put(&store, 0..9)?;
        self.sync(&store)?;
        self.put(&store, 9..24)?;
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
        claims.durable.remove(&id);
        claims.written.remove(&id);
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
        self.put(&store, 36..44)?;
        self.save(&store, 2)?;
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
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Index {
    Kept,
    Lost,
}
