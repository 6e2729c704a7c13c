//! A disk in memory that remembers what was synced, and what a power cut may leave of the rest.
//!
//! What must stay true: the same seed leaves the same bytes. Nothing unsynced is promised: each write since the file's last
//! sync may be missing, torn or zeros, each name since its folder's last sync may be missing, undone or done. Syncing a
//! file says nothing about its name (POSIX; ext4 is kinder). Paths are kept relative to a base, so that what a cut left can
//! be opened at another place, where copies of SQLite's real files are.

#[path = "disk/file.rs"]
mod file;
#[path = "disk/outside.rs"]
mod outside;

use super::seeded::Seeded;
use super::sync_site::{SyncSite, Synced};
use file::SimFile;
use karez_content_tools::disk::{Access, Disk, DiskFile, DiskLock, Listed, Space};
pub(crate) use outside::LaidOut;
use outside::Outside;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Bytes that a disk writes whole or not at all.
const SECTOR: u64 = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Dir,
    File(usize),
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    SetLen(u64),
}

#[derive(Debug, Clone, Default)]
struct Content {
    synced: Vec<u8>,
    now: Vec<u8>,
    unsynced: Vec<Change>,
    /// Changes that a sync has taken out of `unsynced`: what was the how manieth is known by this.
    settled: usize,
}

/// A name that came, went or moved: `gone` was removed, `come` refers to the node.
#[derive(Debug, Clone)]
struct Naming {
    gone: Option<PathBuf>,
    come: Option<(PathBuf, Node)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Full,
    Io,
    ReadOnly,
}

/// What fails: the call of this number, and as long as `lasts` all that write behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failing {
    pub(crate) at_call: u64,
    pub(crate) fault: Fault,
    pub(crate) lasts: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    files: Vec<Content>,
    names: BTreeMap<PathBuf, Node>,
    synced_names: BTreeMap<PathBuf, Node>,
    namings: Vec<Naming>,
    calls: u64,
    watches_sites: bool,
    ignored: Option<SyncSite>,
    left_out: u64,
    failing: Option<Failing>,
    seen: BTreeSet<SyncSite>,
    reads: u64,
    failing_read: Option<u64>,
    outside: BTreeMap<PathBuf, Outside>,
}

type Observer = Box<dyn FnMut(&State) + Send>;

struct Inner {
    base: PathBuf,
    state: Mutex<State>,
    observer: Mutex<Option<Observer>>,
    locked: Mutex<bool>,
}

/// The disk.
#[derive(Clone)]
pub(crate) struct SimDisk(Arc<Inner>);

impl std::fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimDisk({})", self.0.base.display())
    }
}

impl SimDisk {
    pub(crate) fn new(base: &Path, state: State) -> Self {
        let (observer, locked) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { base: base.into(), state: Mutex::new(state), observer, locked }))
    }

    /// Called before each call that changes or syncs something, with the disk as the call may leave it half done.
    pub(crate) fn observe(&self, observer: Observer) {
        *self.0.observer.lock().unwrap() = Some(observer);
    }

    pub(crate) fn state(&self) -> State {
        self.0.state.lock().unwrap().clone()
    }

    /// Flips a bit of the file that holds these bytes, on the medium and in the cache.
    pub(crate) fn rot(&self, bytes: &[u8]) {
        let mut state = self.0.state.lock().unwrap();
        let place = |file: &Content| file.now.windows(bytes.len()).position(|window| window == bytes);
        let (id, at) = state.files.iter().enumerate().find_map(|(id, file)| Some((id, place(file)?))).unwrap();
        state.files[id].now[at] ^= 1;
        if let Some(byte) = state.files[id].synced.get_mut(at) {
            *byte ^= 1;
        }
    }

    pub(crate) fn set_failing(&self, failing: Option<Failing>) {
        self.0.state.lock().unwrap().failing = failing;
    }

    /// The read of this number, from now on, fails once.
    pub(crate) fn fail_read(&self, number: Option<u64>) {
        let mut state = self.0.state.lock().unwrap();
        (state.reads, state.failing_read) = (0, number);
    }

    /// Reads since [`SimDisk::fail_read`].
    pub(crate) fn reads(&self) -> u64 {
        self.0.state.lock().unwrap().reads
    }

    fn path(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.0.base).expect("the store stays below its base").into()
    }

    /// Counts a changing call, lets it fail, makes its change, and shows the result to the observer.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let (result, shown) = {
            let mut state = self.0.state.lock().unwrap();
            state.begin_call(false)?;
            let result = change(&mut state)?;
            (result, state.clone_if(self.0.observer.lock().unwrap().is_some()))
        };
        self.show(shown);
        Ok(result)
    }

    /// Which call of the code is about to sync something, when that is asked for.
    fn site(&self, what: Synced) -> Option<SyncSite> {
        let watched = self.0.state.lock().unwrap().watches_sites;
        watched.then(|| SyncSite::here(what))
    }

    /// The same for a sync: the observer sees the moment before it takes effect.
    fn sync(&self, site: Option<SyncSite>, apply: impl FnOnce(&mut State, bool)) -> io::Result<()> {
        let shown = self.state().clone_if(self.0.observer.lock().unwrap().is_some());
        self.show(shown);
        let mut state = self.0.state.lock().unwrap();
        let failed = state.begin_call(true);
        let ignored = failed.is_ok() && site.is_some() && state.ignored == site;
        state.seen.extend(site);
        if ignored {
            state.left_out += 1;
            return Ok(());
        }
        apply(&mut state, failed.is_ok());
        failed
    }

    fn show(&self, shown: Option<State>) {
        if let (Some(state), Some(observer)) = (shown, self.0.observer.lock().unwrap().as_mut()) {
            observer(&state);
        }
    }
}

impl State {
    /// A disk that tells which calls of the code sync something, and does nothing for one of them.
    pub(crate) fn ignoring(site: Option<SyncSite>) -> Self {
        Self { ignored: site, watches_sites: true, ..Self::default() }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }

    /// Syncs that did nothing so far.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(crate) fn sites(&self) -> BTreeSet<SyncSite> {
        self.seen.clone()
    }

    /// Names and bytes as a reader sees them.
    pub(crate) fn visible(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let content = |node: &Node| match node {
            Node::Dir => None,
            Node::File(id) => Some(self.files[*id].now.clone()),
        };
        self.names.iter().map(|(path, node)| (path.clone(), content(node))).collect()
    }

    fn clone_if(&self, wanted: bool) -> Option<Self> {
        wanted.then(|| self.clone())
    }

    fn begin_call(&mut self, sync: bool) -> io::Result<()> {
        self.calls += 1;
        let Some(failing) = self.failing else { return Ok(()) };
        if self.calls == failing.at_call || (failing.lasts && self.calls > failing.at_call && !sync) {
            let errno = match failing.fault {
                Fault::Full => rustix::io::Errno::NOSPC,
                Fault::Io => rustix::io::Errno::IO,
                Fault::ReadOnly => rustix::io::Errno::ROFS,
            };
            return Err(errno.into());
        }
        Ok(())
    }

    fn node(&self, path: &Path) -> io::Result<Node> {
        if path.as_os_str().is_empty() { Ok(Node::Dir) } else { self.names.get(path).copied().ok_or(not_found()) }
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.node(path)? {
            Node::File(id) => Ok(id),
            Node::Dir => Err(ErrorKind::IsADirectory.into()),
        }
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<()> {
        self.node(path.parent().unwrap_or(Path::new("")))?;
        self.names.insert(path.into(), node);
        self.namings.push(Naming { gone: None, come: Some((path.into(), node)) });
        Ok(())
    }

    fn sync_names(&mut self, dir: &Path) {
        let (synced, rest) = std::mem::take(&mut self.namings).into_iter().partition(|naming| naming.is_in(dir));
        self.namings = rest;
        let synced: Vec<Naming> = synced;
        for naming in synced {
            naming.apply(&mut self.synced_names);
        }
    }

    /// What a power cut may leave.
    pub(crate) fn cut(&self, seed: u64) -> Self {
        let mut random = Seeded::new(seed);
        // Half of all cuts are of one mind: with all or nothing kept, most missing syncs show.
        let mood = random.below(4);
        let mut names = self.synced_names.clone();
        for naming in &self.namings {
            if mood == 1 || (mood > 1 && random.below(2) == 0) {
                naming.apply(&mut names);
            }
        }
        let orphaned =
            |path: &PathBuf| path.ancestors().skip(1).any(|up| up.parent().is_some() && !names.contains_key(up));
        let orphans: Vec<_> = names.keys().filter(|path| orphaned(path)).cloned().collect();
        names.retain(|path, _| !orphans.contains(path));
        let files = self.files.iter().map(|file| file.cut(mood, &mut random)).collect();
        let outside = self.outside.iter().map(|(path, file)| (path.clone(), file.cut(mood, &mut random))).collect();
        Self { files, synced_names: names.clone(), names, outside, ..Self::default() }
    }

    /// What a killed process leaves: all of it, still unsynced.
    pub(crate) fn killed(&self) -> Self {
        Self { failing: None, failing_read: None, ..self.clone() }
    }
}

impl Naming {
    fn is_in(&self, dir: &Path) -> bool {
        let paths = self.gone.iter().chain(self.come.iter().map(|(path, _)| path));
        paths.into_iter().any(|path| path.parent() == Some(dir))
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        if let Some(gone) = &self.gone {
            names.remove(gone);
        }
        names.extend(self.come.clone());
    }
}

impl Content {
    fn apply(bytes: &mut Vec<u8>, change: &Change) {
        match change {
            Change::SetLen(len) => bytes.resize(*len as usize, 0),
            Change::Write { offset, bytes: written } => {
                let end = *offset as usize + written.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*offset as usize..end].copy_from_slice(written);
            }
        }
    }

    fn cut(&self, mood: u64, random: &mut Seeded) -> Self {
        let mut left = self.synced.clone();
        for change in &self.unsynced {
            let fate = if mood < 2 { mood } else { random.below(5) };
            match (fate, change) {
                (0, _) => {}
                (1, change) => Self::apply(&mut left, change),
                (_, Change::SetLen(_)) => {}
                (2, Change::Write { offset, bytes }) => {
                    let zeros = vec![0; bytes.len()];
                    Self::apply(&mut left, &Change::Write { offset: *offset, bytes: zeros });
                }
                (3, Change::Write { offset, bytes }) => {
                    let torn = random.below(bytes.len() as u64 + 1) as usize;
                    Self::apply(&mut left, &Change::Write { offset: *offset, bytes: bytes[..torn].to_vec() });
                }
                (_, Change::Write { offset, bytes }) => sectors(&mut left, *offset, bytes, random),
            }
        }
        Self { synced: left.clone(), now: left, unsynced: Vec::new(), settled: 0 }
    }
}

/// Each sector of a write reaches the disk or does not.
fn sectors(left: &mut Vec<u8>, offset: u64, bytes: &[u8], random: &mut Seeded) {
    let mut at = 0;
    while at < bytes.len() {
        let begin = offset + at as u64;
        let len = ((SECTOR - begin % SECTOR) as usize).min(bytes.len() - at);
        if random.below(2) == 0 {
            Content::apply(left, &Change::Write { offset: begin, bytes: bytes[at..at + len].to_vec() });
        }
        at += len;
    }
}

fn not_found() -> io::Error {
    ErrorKind::NotFound.into()
}

impl Disk for SimDisk {
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path(path);
        let id = self.change(|state| {
            if state.names.contains_key(&path) {
                return Err(ErrorKind::AlreadyExists.into());
            }
            state.files.push(Content::default());
            let id = state.files.len() - 1;
            state.add(&path, Node::File(id))?;
            Ok(id)
        })?;
        Ok(Arc::new(SimFile { disk: self.clone(), id, path, access: Access::Write }))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path(path);
        let id = self.0.state.lock().unwrap().file(&path)?;
        Ok(Arc::new(SimFile { disk: self.clone(), id, path, access }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<bool> {
        let path = self.path(path);
        if self.0.state.lock().unwrap().node(&path).is_ok() {
            return Ok(false);
        }
        self.change(|state| state.add(&path, Node::Dir))?;
        Ok(true)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Listed>> {
        let dir = self.path(dir);
        let state = self.0.state.lock().unwrap();
        state.node(&dir)?;
        let inner = state.names.iter().filter(|(path, _)| path.parent() == Some(&dir));
        let listed = |path: &Path, node: &Node| {
            path.file_name().map(|name| Listed { name: name.into(), is_dir: *node == Node::Dir })
        };
        Ok(inner.filter_map(|(path, node)| listed(path, node)).collect())
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        let state = self.0.state.lock().unwrap();
        let id = state.file(&self.path(path))?;
        Ok(state.files[id].now.len() as u64)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.path(from), self.path(to));
        self.change(|state| {
            let node = state.names.remove(&from).ok_or(not_found())?;
            state.names.insert(to.clone(), node);
            state.namings.push(Naming { gone: Some(from), come: Some((to, node)) });
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let path = self.path(path);
        self.0.state.lock().unwrap().node(&path)?;
        self.change(|state| {
            state.names.remove(&path);
            state.namings.push(Naming { gone: Some(path), come: None });
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let dir = self.path(dir);
        let site = self.site(Synced::names_in(&dir));
        // A failed sync of a folder leaves its names as unsure as before.
        self.sync(site, |state, done| {
            if done {
                state.sync_names(&dir)
            }
        })
    }

    fn sync_outside(&self, file: &File) -> io::Result<()> {
        let inode = file.metadata()?.ino();
        self.sync_files_outside(|outside| outside.inode == inode)
    }

    fn sync_file_system(&self, _file: &File) -> io::Result<()> {
        self.sync_files_outside(|_| true)
    }

    fn lock(&self, _path: &Path) -> io::Result<Option<DiskLock>> {
        let mut locked = self.0.locked.lock().unwrap();
        if std::mem::replace(&mut locked, true) { Ok(None) } else { Ok(Some(Box::new(Unlock(self.clone())))) }
    }

    fn space(&self, _dir: &Path) -> io::Result<Space> {
        Ok(Space { free: 1 << 40, total: 1 << 41 })
    }
}

#[derive(Debug)]
struct Unlock(SimDisk);

impl Drop for Unlock {
    fn drop(&mut self) {
        *self.0.0.locked.lock().unwrap() = false;
    }
}
