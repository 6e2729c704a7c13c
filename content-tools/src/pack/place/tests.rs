//! Tests of packing in place.

use crate::disk::{Access, Disk, DiskFile, DiskLock, Listed, RealDisk, Space};
use crate::export::{ExportOptions, export};
use crate::pack::{PackOptions, Packed, pack};
use crate::pages::Pages;
use crate::store::{Store, StoreError, StoreOptions};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

struct Bench {
    dir: tempfile::TempDir,
    store: Store,
}

const FILM: &str = "第一课/视频.mp4";

fn noise(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("source/第一课")).unwrap();
    let store = Store::open(&dir.path().join("store"), StoreOptions::default()).unwrap();
    let bench = Bench { dir, store };
    fs::write(bench.film(), noise(1, 3 << 20)).unwrap();
    fs::write(bench.dir.path().join("source/第一课/讲义.txt"), "水".repeat(40_000)).unwrap();
    bench
}

impl Bench {
    fn film(&self) -> PathBuf {
        self.dir.path().join("source").join(FILM)
    }

    fn pack(&self, in_place: bool) -> Packed {
        let options = PackOptions { in_place, ..PackOptions::default() };
        pack(&self.dir.path().join("source"), &options, &self.store, &mut |_| {}).unwrap()
    }

    fn film_out(&self, packed: &Packed) -> Result<Vec<u8>, crate::export::ExportError> {
        let out = self.dir.path().join("out");
        let pages = Pages::open(&packed.root_bytes, &self.store).unwrap();
        let options = ExportOptions { overwrite: true, ..ExportOptions::default() };
        export(&pages, &options, &out, &mut |_| {})?;
        Ok(fs::read(out.join(FILM)).unwrap())
    }
}

#[test]
fn a_folder_is_published_without_copying_it() {
    let bench = bench();
    let packed = bench.pack(true);
    assert_eq!(packed.in_place_bytes, 3 << 20);
    assert!(bench.store.disk_bytes() < 30_000, "{}", bench.store.disk_bytes());
    assert_eq!(bench.film_out(&packed).unwrap(), noise(1, 3 << 20));
    assert_eq!((bench.pack(true).manifest, bench.store.damaged().unwrap()), (packed.manifest, vec![]));
    // The manifest does not tell how the publisher keeps it.
    let copied = self::bench();
    assert_eq!(copied.pack(false).manifest, packed.manifest);
}

/// A changed file is refused, by name; the untouched part of it is still right; publishing again heals it.
#[test]
fn a_changed_file_is_refused_until_it_is_published_again() {
    let bench = bench();
    let first = bench.pack(true);
    let mut edited = noise(1, 3 << 20);
    edited.splice(2_000_000..2_000_000, *b"inserted");
    fs::write(bench.film(), &edited).unwrap();
    let refused = bench.film_out(&first).unwrap_err().to_string();
    assert!(refused.contains("视频.mp4") && refused.contains("changed"), "{refused}");
    let [(ref file, chunks)] = bench.store.changed_files(9).unwrap()[..] else { panic!("one file") };
    assert_eq!(*file, bench.film().canonicalize().unwrap());
    // Everything from the edit on, 36 % of the film, and the rest is still served.
    let all = Pages::open(&first.root_bytes, &bench.store).unwrap().page(0).unwrap().chunks.len() as u64;
    assert!(chunks * 100 > all * 30 && chunks * 100 < all * 45, "{chunks} of {all}");
    let second = bench.pack(true);
    assert_eq!(bench.store.changed_files(9).unwrap(), []);
    assert_eq!(bench.film_out(&second).unwrap(), edited);
    // Moved inside the folder: noticed, and healed in the same way.
    let moved = bench.film().with_file_name("moved.mp4");
    fs::rename(bench.film(), &moved).unwrap();
    let pages = Pages::open(&second.root_bytes, &bench.store).unwrap();
    let row = pages.page(0).unwrap().chunks.iter().find(|row| row.plain_len > 9000).copied().unwrap();
    assert!(matches!(bench.store.read_plain(&row.id), Err(StoreError::Damaged { .. })));
    let third = bench.pack(true);
    assert!(third.in_place_bytes > 3 << 20);
    assert_eq!(bench.store.read_plain(&row.id).unwrap().unwrap().len(), row.plain_len as usize);
}

/// A disk whose files outside the store cannot be made durable.
#[derive(Debug)]
struct NeverSynced;

impl Disk for NeverSynced {
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        RealDisk.create_new(path)
    }
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        RealDisk.open(path, access)
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
    fn sync_outside(&self, _file: &File) -> io::Result<()> {
        Err(Errno::IO.into())
    }
    fn sync_file_system(&self, _file: &File) -> io::Result<()> {
        Err(Errno::IO.into())
    }
    fn lock(&self, path: &Path) -> io::Result<Option<DiskLock>> {
        RealDisk.lock(path)
    }
    fn space(&self, dir: &Path) -> io::Result<Space> {
        RealDisk.space(dir)
    }
}

/// A folder that is not on its disk yet must not cost the copies that are.
#[test]
fn copies_stay_until_the_files_are_synced() {
    let mut bench = bench();
    let copied = bench.pack(false);
    let dir = bench.dir.path().join("store");
    let (source, options) = (bench.dir.path().join("source"), PackOptions { in_place: true, ..PackOptions::default() });
    drop(std::mem::replace(
        &mut bench.store,
        Store::open(&bench.dir.path().join("x"), StoreOptions::default()).unwrap(),
    ));
    bench.store = Store::open_on(Arc::new(NeverSynced), &dir, StoreOptions::default()).unwrap();
    assert!(pack(&source, &options, &bench.store, &mut |_| {}).is_err());
    fs::remove_file(bench.film()).unwrap();
    assert_eq!(bench.film_out(&copied).unwrap(), noise(1, 3 << 20));
}

/// Copies give way to the files, and files to copies, as the last packing says.
#[test]
fn the_last_packing_decides() {
    let bench = bench();
    let copied = bench.pack(false);
    assert_eq!(copied.in_place_bytes, 0);
    bench.pack(true);
    bench.store.reclaim().unwrap();
    assert!(bench.store.disk_bytes() < 40_000, "{}", bench.store.disk_bytes());
    bench.pack(false);
    fs::remove_file(bench.film()).unwrap();
    assert_eq!(bench.film_out(&copied).unwrap(), noise(1, 3 << 20));
}
