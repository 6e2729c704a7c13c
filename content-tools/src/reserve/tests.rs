//! A small disk on top of the real one: it counts what its files take and refuses the rest.

use super::*;
use crate::disk::{self, Access, DiskFile, DiskLock, Listed, PendingSync, RealDisk, Space};
use crate::pack::{PackOptions, pack};
use crate::store::{HeldRelease, Store, StoreError, StoreOptions};
use crate::verify::seal;
use rustix::io::Errno;
use std::fs::File;
use std::io::IoSlice;
use std::sync::atomic::{AtomicU64, Ordering};

/// A disk with so much room for the files of one folder tree.
#[derive(Debug)]
struct SmallDisk {
    root: PathBuf,
    room: Arc<AtomicU64>,
}

#[derive(Debug)]
struct SmallFile {
    file: Arc<dyn DiskFile>,
    root: PathBuf,
    room: Arc<AtomicU64>,
}

fn taken(root: &Path) -> u64 {
    let entries = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap());
    // SQLite's files are on the real disk and none of this one's business.
    let counts = |path: &Path| !path.to_string_lossy().contains("sqlite");
    let bytes = |entry: std::fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => taken(&entry.path()),
        false if counts(&entry.path()) => entry.metadata().unwrap().len(),
        false => 0,
    };
    entries.map(bytes).sum()
}

impl SmallDisk {
    fn with_room(root: &Path, room: u64) -> (Arc<dyn Disk>, Arc<AtomicU64>) {
        let room = Arc::new(AtomicU64::new(room));
        (Arc::new(Self { root: root.into(), room: room.clone() }), room)
    }

    fn file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(SmallFile { file, root: self.root.clone(), room: self.room.clone() })
    }
}

impl Disk for SmallDisk {
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(RealDisk.create_new(path)?))
    }
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(RealDisk.open(path, access)?))
    }
    fn create_dir(&self, path: &Path) -> io::Result<bool> {
        RealDisk.create_dir(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<Listed>> {
        RealDisk.list(dir)
    }
    fn len(&self, path: &Path) -> io::Result<u64> {
        RealDisk.len(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }
    fn sync_outside(&self, file: &File) -> io::Result<()> {
        RealDisk.sync_outside(file)
    }
    fn sync_file_system(&self, file: &File) -> io::Result<()> {
        RealDisk.sync_file_system(file)
    }
    fn lock(&self, path: &Path) -> io::Result<Option<DiskLock>> {
        RealDisk.lock(path)
    }
    fn space(&self, _dir: &Path) -> io::Result<Space> {
        let total = self.room.load(Ordering::Relaxed);
        Ok(Space { free: total.saturating_sub(taken(&self.root)), total })
    }
}

impl DiskFile for SmallFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.grow_to(offset + bytes.len() as u64)?;
        self.file.write_all_at(bytes, offset)
    }
    fn write_pieces_at(&self, pieces: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.grow_to(offset + pieces.iter().map(|piece| piece.len() as u64).sum::<u64>())?;
        self.file.write_pieces_at(pieces, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
    fn begin_sync(self: Arc<Self>) -> Box<dyn PendingSync> {
        self.file.clone().begin_sync()
    }
}

impl SmallFile {
    fn grow_to(&self, len: u64) -> io::Result<()> {
        let grows = len.saturating_sub(self.file.len()?);
        let fits = taken(&self.root) + grows <= self.room.load(Ordering::Relaxed);
        if fits { Ok(()) } else { Err(Errno::NOSPC.into()) }
    }
}

fn noise(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

#[test]
fn a_full_disk_takes_what_matters_and_the_reserve_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, room) = SmallDisk::with_room(dir.path(), 1000);
    let reserve = Reserve::at(disk.clone(), &dir.path().join("reserve"), 300);
    assert!(reserve.take().unwrap() && reserve.take().unwrap());
    let write = |name: &str, bytes: usize| disk::replace(&*disk, &dir.path().join(name), &noise(1, bytes));
    write("filler", 600).unwrap();
    assert!(write("roster", 200).unwrap_err().is_full());
    reserve.spend(|| write("roster", 200)).unwrap();
    assert_eq!(std::fs::read(dir.path().join("roster")).unwrap(), noise(1, 200));
    // Given up once, it cannot be given up again; what was there stays.
    assert!(reserve.spend(|| write("roster", 399)).unwrap_err().is_full());
    assert_eq!(std::fs::read(dir.path().join("roster")).unwrap(), noise(1, 200));
    assert!(!reserve.take().unwrap(), "there is no room for it");
    room.store(2000, Ordering::Relaxed);
    assert!(reserve.take().unwrap());
    // A kill left half of it.
    std::fs::write(dir.path().join("reserve"), noise(2, 100)).unwrap();
    assert!(reserve.take().unwrap());
    assert_eq!(disk.len(&dir.path().join("reserve")).unwrap(), 300);
}

/// Chunks stop at the floor, the release is still written, and room lets chunks in again.
#[test]
fn content_stops_before_the_disk_is_full_and_a_release_is_still_written() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, room) = SmallDisk::with_room(dir.path(), 2 << 20);
    let path = dir.path().join("reserve");
    let reserve = Reserve::at(disk.clone(), &path, 100_000);
    assert!(reserve.take().unwrap());
    let options = StoreOptions { reserve: Some(path.clone()), ..StoreOptions::default() };
    let store = Store::open_on(disk.clone(), &dir.path().join("store"), options).unwrap();
    let full = (0..100).find_map(|n| store.put(&seal(&noise(n, 60_000), false).unwrap()).err()).unwrap();
    assert!(matches!(full, StoreError::DiskFull { .. }), "{full}");
    let free = disk.space(dir.path()).unwrap().free;
    assert!((60_000..200_000).contains(&free), "{free} bytes are left of a floor of 131072");
    std::fs::write(dir.path().join("filler"), noise(1, free as usize)).unwrap();
    let (collection, root) = ("bj4/algebra".parse().unwrap(), vec![7; 500]);
    let release = HeldRelease { collection, version: 1, signed: vec![], root, whole: false };
    store.save_release(&release).unwrap();
    assert!(!path.exists(), "the reserve was given up for it");
    assert_eq!(store.releases().unwrap(), [release]);
    room.store(8 << 20, Ordering::Relaxed);
    assert!(store.put(&seal(&noise(200, 60_000), false).unwrap()).unwrap());
    assert!(reserve.take().unwrap());
}

/// A compaction for want of space must not take the last of it.
#[test]
fn a_compaction_that_does_not_fit_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (root, source) = (dir.path().join("disk"), dir.path().join("source"));
    std::fs::create_dir_all(&source).unwrap();
    std::fs::create_dir(&root).unwrap();
    let (disk, room) = SmallDisk::with_room(&root, 64 << 20);
    let open = || {
        let options = StoreOptions { segment_bytes: 600_000, ..StoreOptions::default() };
        Store::open_on(disk.clone(), &root.join("store"), options).unwrap()
    };
    let store = open();
    for version in 1..=2 {
        std::fs::write(source.join("own.bin"), noise(version as u8, 900_000)).unwrap();
        std::fs::write(source.join("shared.bin"), noise(9, 400_000)).unwrap();
        let packed = pack(&source, &PackOptions::default(), &store, &mut |_| {}).unwrap();
        let (collection, root) = ("bj4/algebra".parse().unwrap(), packed.root_bytes);
        store.save_draft(&HeldRelease { collection, version, signed: vec![], root, whole: true }).unwrap();
    }
    drop(store);
    let store = open();
    let plan = store.gc_plan().unwrap();
    store.gc_drop(&plan).unwrap();
    let shared = plan.segments.iter().max_by_key(|segment| segment.live_bytes).unwrap();
    let before = taken(&root);
    room.store(before + shared.live_bytes / 2, Ordering::Relaxed);
    let full = store.gc_segment(&plan, shared.number).unwrap_err();
    assert!(full.is_full(), "{full}");
    assert_eq!(taken(&root), before);
    room.store(64 << 20, Ordering::Relaxed);
    let freed: u64 =
        plan.segments.iter().map(|segment| store.gc_segment(&plan, segment.number).unwrap().freed_bytes).sum();
    assert!(freed > 500_000, "{freed}");
    assert!(taken(&root) < before - 500_000);
}
