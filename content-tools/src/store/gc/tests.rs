//! Tests of compaction: what is named stays, what is not goes, and a kill anywhere costs neither.

use super::*;
use crate::pack::{self, PackOptions};
use crate::store::{SourceRange, StoreOptions};
use crate::verify::seal;
use std::fs;
use std::path::{Path, PathBuf};

const SEGMENT_BYTES: u64 = 600_000;

struct Bench {
    dir: tempfile::TempDir,
}

fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn open(&self) -> Store {
        open(&self.store())
    }

    /// Packs version `version`: a file of its own, and one that all versions share.
    fn pack(&self, store: &Store, name: &str, version: u64) {
        let source = self.dir.path().join(format!("{name} {version}"));
        fs::create_dir_all(&source).unwrap();
        fs::write(source.join("shared.bin"), noise(0, 400_000)).unwrap();
        fs::write(source.join("own.bin"), noise(version as u32 + name.len() as u32 * 1000, 900_000)).unwrap();
        let packed = pack::pack(&source, &PackOptions::default(), store, &mut |_| {}).unwrap();
        let (collection, root) = (format!("bj4/{name}").parse().unwrap(), packed.root_bytes.clone());
        store.save_draft(&HeldRelease { collection, version, signed: Vec::new(), root }).unwrap();
    }
}

fn open(dir: &Path) -> Store {
    Store::open(dir, StoreOptions { segment_bytes: SEGMENT_BYTES, ..StoreOptions::default() }).unwrap()
}

/// Whether every chunk of a version can be read.
fn whole(store: &Store, name: &str, version: u64) -> bool {
    let drafts = store.drafts().unwrap();
    let Some(draft) = drafts.iter().find(|draft| draft.collection.name() == name && draft.version == version) else {
        return false;
    };
    let root = ManifestRoot::from_bytes(&draft.root).unwrap();
    root.pages.iter().all(|page| {
        let plain = store.read_plain(&page.entry.id).unwrap();
        let rows = plain.map(|plain| Page::from_bytes(&plain).unwrap().chunks);
        rows.is_some_and(|rows| rows.iter().all(|row| store.read_plain(&row.id).unwrap().is_some()))
    })
}

fn collect(store: &Store) -> (GcPlan, u64) {
    let plan = store.gc_plan().unwrap();
    store.gc_drop(&plan).unwrap();
    let done = plan.segments.iter().map(|segment| store.gc_segment(&plan, segment.number).unwrap().freed_bytes);
    let freed = done.sum();
    (plan, freed)
}

fn disk_bytes(dir: &Path) -> u64 {
    fs::read_dir(dir.join("segments")).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

fn three_versions() -> Bench {
    let bench = Bench::new();
    let store = bench.open();
    (1..=3).for_each(|version| bench.pack(&store, "algebra", version));
    bench.pack(&store, "film", 1);
    bench
}

#[test]
fn old_versions_go_and_the_rest_stays() {
    let bench = three_versions();
    let store = bench.open();
    let before = disk_bytes(&bench.store());
    let (plan, freed) = collect(&store);
    let gone: Vec<_> = plan.dropped.iter().map(|gone| gone.version).collect();
    assert_eq!(gone, [1, 2]);
    assert!(freed > 1_500_000, "{freed}");
    assert!(before - disk_bytes(&bench.store()) > 1_500_000);
    let stats = store.stats();
    drop(store);
    for _ in ["index", "no index"] {
        let store = bench.open();
        assert!(whole(&store, "algebra", 3) && whole(&store, "film", 1));
        assert_eq!((store.stats().chunks, store.stats().stored_bytes), (stats.chunks, stats.stored_bytes));
        let again = store.gc_plan().unwrap();
        assert!(again.dropped.is_empty() && again.segments.is_empty(), "{again:?}");
        drop(store);
        fs::remove_file(bench.store().join("index.sqlite")).unwrap();
    }
}

#[test]
fn pinned_versions_stay() {
    let bench = three_versions();
    let store = bench.open();
    assert!(store.pin("bj4/algebra@1".parse().unwrap()).unwrap());
    assert!(!store.pin("bj4/algebra@1".parse().unwrap()).unwrap());
    collect(&store);
    assert!(whole(&store, "algebra", 1) && !whole(&store, "algebra", 2) && whole(&store, "algebra", 3));
    drop(store);
    let store = bench.open();
    assert!(store.unpin(&"bj4/algebra@1".parse().unwrap()).unwrap());
    collect(&store);
    assert!(!whole(&store, "algebra", 1) && whole(&store, "algebra", 3));
}

/// The folder is copied after each segment, as a kill would leave it, with the new index and without any.
#[test]
fn a_kill_between_segments_loses_nothing() {
    for index_lost in [false, true] {
        let bench = three_versions();
        let store = bench.open();
        let plan = store.gc_plan().unwrap();
        store.gc_drop(&plan).unwrap();
        for segment in &plan.segments {
            store.gc_segment(&plan, segment.number).unwrap();
            let copy = crate::store::tests::killed_copy(&store);
            if index_lost {
                fs::remove_file(copy.path().join("index.sqlite")).unwrap();
            }
            let reopened = open(copy.path());
            assert!(whole(&reopened, "algebra", 3) && whole(&reopened, "film", 1), "after {segment:?}");
            collect(&reopened);
            assert!(whole(&reopened, "algebra", 3) && whole(&reopened, "film", 1), "after {segment:?}, and again");
        }
    }
}

/// The rows of a move were rolled back by a power cut, and the old file came back or is gone.
#[test]
fn an_old_index_over_moved_records_loses_nothing() {
    for old_files_too in [false, true] {
        let bench = three_versions();
        let store = bench.open();
        let before = crate::store::tests::killed_copy(&store);
        collect(&store);
        let after = crate::store::tests::killed_copy(&store);
        for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
            let _ = fs::remove_file(after.path().join(name));
            let _ = fs::copy(before.path().join(name), after.path().join(name));
        }
        for entry in fs::read_dir(before.path().join("segments")).unwrap().filter(|_| old_files_too) {
            let entry = entry.unwrap();
            let to = after.path().join("segments").join(entry.file_name());
            if !to.exists() {
                fs::copy(entry.path(), to).unwrap();
            }
        }
        let reopened = open(after.path());
        assert!(whole(&reopened, "algebra", 3) && whole(&reopened, "film", 1));
    }
}

#[test]
fn what_is_being_written_is_left_alone() {
    let bench = three_versions();
    let store = bench.open();
    let young = seal(&noise(77, 50_000), false).unwrap();
    store.put(&young).unwrap();
    collect(&store);
    assert!(store.contains(&young.id()).unwrap());
}

/// When it cannot be told what is garbage, nothing is removed.
#[test]
fn doubt_stops_it() {
    let bench = three_versions();
    let before = disk_bytes(&bench.store());
    let release = bench.store().join("drafts/bj4/algebra/3.release");
    let good = fs::read(&release).unwrap();
    fs::write(&release, &good[1..]).unwrap();
    assert!(matches!(bench.open().gc_plan(), Err(StoreError::DamagedRelease { path }) if path == release));
    fs::write(&release, good).unwrap();
    let store = bench.open();
    store.pin("bj4/film".parse().unwrap()).unwrap();
    let pins = bench.store().join("pins");
    let good = fs::read_to_string(&pins).unwrap();
    fs::write(&pins, good.replace("film", "flim")).unwrap();
    assert!(matches!(store.gc_plan(), Err(StoreError::DamagedPins { .. })));
    fs::write(&pins, good).unwrap();
    let draft = store.drafts().unwrap().pop().unwrap();
    let page = ManifestRoot::from_bytes(&draft.root).unwrap().pages[0].entry.id;
    let at = store.locate(&page).unwrap().unwrap();
    store.give_up(&page, at, Failed::Lost);
    assert!(matches!(store.gc_plan(), Err(StoreError::UnknownContents { version: 1, .. })));
    assert_eq!(disk_bytes(&bench.store()), before);
}

/// References move as what they are, and the descriptions of their files stay.
#[test]
fn references_survive() {
    let bench = three_versions();
    let film = bench.dir.path().join("film.mp4");
    let store = bench.open();
    let draft = store.drafts().unwrap().into_iter().find(|draft| draft.version == 3).unwrap();
    let root = ManifestRoot::from_bytes(&draft.root).unwrap();
    let page = Page::from_bytes(&store.read_plain(&root.pages[0].entry.id).unwrap().unwrap()).unwrap();
    let chunk = page.chunks[0].id;
    let plain = store.read_plain(&chunk).unwrap().unwrap();
    fs::write(&film, &plain).unwrap();
    let source = store.register_file(&film).unwrap();
    assert!(store.adopt(chunk, &source, &[SourceRange { offset: 0, len: plain.len() as u32 }]).unwrap());
    drop(store);
    for _ in 0..2 {
        let store = bench.open();
        collect(&store);
        assert!(whole(&store, "algebra", 3));
        drop(store);
    }
    fs::remove_file(&film).unwrap();
    assert!(bench.open().read_plain(&chunk).is_err(), "still a reference");
}
