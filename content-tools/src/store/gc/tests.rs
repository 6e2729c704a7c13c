//! Tests of compaction: what is named stays, what is not goes, and a kill anywhere costs neither.

use super::*;
use crate::pack::{self, PackOptions};
use crate::store::read::Failed;
use crate::store::{SourceRange, StoreOptions};
use crate::verify::seal;
use karez_protocol::content::Document as _;
use karez_protocol::content::manifest::Page;
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
        store.save_draft(&HeldRelease { collection, version, signed: Vec::new(), root, whole: true }).unwrap();
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
/// What would go in any case need not be known.
#[test]
fn a_damaged_file_of_a_superseded_version_stops_nothing() {
    let bench = three_versions();
    let before = disk_bytes(&bench.store());
    let release = bench.store().join("drafts/bj4/algebra/1.release");
    fs::write(&release, b"rot").unwrap();
    let store = bench.open();
    assert_eq!(store.damaged_releases().unwrap(), [release.as_path()]);
    let pin = "bj4/algebra@1".parse::<crate::store::Pin>().unwrap();
    store.pin(pin.clone()).unwrap();
    assert!(matches!(store.gc_plan(), Err(StoreError::DamagedRelease { .. })), "what is pinned is needed");
    store.unpin(&pin).unwrap();
    drop(store);
    collect(&bench.open());
    assert!(disk_bytes(&bench.store()) < before);
    let store = bench.open();
    let versions: Vec<_> = store.drafts().unwrap().iter().map(|d| (d.collection.to_string(), d.version)).collect();
    assert!(!versions.contains(&("bj4/algebra".to_owned(), 2)), "{versions:?}");
    assert!(!release.exists() && store.damaged_releases().unwrap().is_empty(), "it goes as well");
}

#[test]
fn a_damaged_release_that_has_come_back_stays() {
    let bench = three_versions();
    let release = bench.store().join("drafts/bj4/algebra/1.release");
    let good = fs::read(&release).unwrap();
    fs::write(&release, b"rot").unwrap();
    let store = bench.open();
    let plan = store.gc_plan().unwrap();
    assert_eq!(plan.lost.len(), 1);
    fs::write(&release, good).unwrap();
    store.gc_drop(&plan).unwrap();
    assert!(release.exists());
}

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

fn version(name: &str, version: u64) -> HeldVersion {
    HeldVersion { collection: format!("bj4/{name}").parse().unwrap(), version, draft: true }
}

/// One group for each version.
fn order(groups: &[(&str, u64, bool)], free_bytes: u64) -> GcOrder {
    let group = |(name, number, for_room): &(&str, u64, bool)| GcGroup {
        versions: vec![version(name, *number)],
        for_room: *for_room,
    };
    GcOrder { groups: groups.iter().map(group).collect(), free_bytes, recent: true, ..GcOrder::default() }
}

fn carry_out(store: &Store, plan: &GcPlan) -> u64 {
    store.gc_drop(plan).unwrap();
    plan.segments.iter().map(|segment| store.gc_segment(plan, segment.number).unwrap().freed_bytes).sum()
}

/// Chunks of a version that no other one names.
fn own_chunks(store: &Store, name: &str, number: u64) -> Vec<ChunkId> {
    let all = store.drafts().unwrap();
    let named = |draft: &HeldRelease| -> Vec<ChunkId> {
        let root = ManifestRoot::from_bytes(&draft.root).unwrap();
        let pages = root.pages.iter().map(|page| Page::from_bytes(&store.read_plain(&page.entry.id).unwrap().unwrap()));
        pages.flat_map(|page| page.unwrap().chunks).map(|entry| entry.id).collect()
    };
    let is_it = |draft: &&HeldRelease| draft.collection.name() == name && draft.version == number;
    let others: Vec<_> = all.iter().filter(|draft| !is_it(draft)).flat_map(&named).collect();
    let own = named(all.iter().find(is_it).unwrap());
    own.into_iter().filter(|id| !others.contains(id)).collect()
}

/// Whoever is told "it is here" between plan and removal keeps it, asked by whichever call.
#[test]
fn what_is_claimed_meanwhile_stays() {
    let bench = three_versions();
    let store = bench.open();
    let doomed = own_chunks(&store, "algebra", 1);
    let plain = store.read_plain(&doomed[1]).unwrap().unwrap();
    let plan = store.gc_plan().unwrap();
    assert!(store.contains(&doomed[0]).unwrap());
    assert!(!store.put(&seal(&plain, false).unwrap()).unwrap());
    assert_eq!(store.contains_many(&doomed[2..4]).unwrap(), [true, true]);
    let young = seal(&noise(99, 70_000), false).unwrap();
    store.put(&young).unwrap();
    carry_out(&store, &plan);
    for id in doomed[..4].iter().chain([&young.id()]) {
        assert!(store.read_plain(id).unwrap().is_some(), "{id}");
    }
    assert!(doomed[4..].iter().any(|id| store.read_plain(id).unwrap().is_none()));
    drop(plan);
    // The next run has no such claims; asked for room, it rewrites segments that hold little garbage, too.
    let plan = store.gc_plan_for(&order(&[], u64::MAX), store.claims()).unwrap();
    carry_out(&store, &plan);
    assert!(doomed.iter().all(|id| store.read_plain(id).unwrap().is_none()));
}

/// A node that runs for months gives back what it wrote itself.
#[test]
fn what_was_written_since_opening_goes_for_whoever_knows_what_is_at_work() {
    let bench = Bench::new();
    let store = bench.open();
    (1..=3).for_each(|number| bench.pack(&store, "algebra", number));
    assert!(store.gc_plan().unwrap().segments.is_empty());
    let root = ManifestRoot::from_bytes(&store.drafts().unwrap()[1].root).unwrap();
    let collection = "bj4/algebra".parse().unwrap();
    let at_work = vec![AtWork { collection, version: 2, root, half: false }];
    let plan = store.gc_plan_for(&GcOrder { at_work, ..order(&[("algebra", 1, false)], 0) }, store.claims()).unwrap();
    let before = disk_bytes(&bench.store());
    assert!(carry_out(&store, &plan) > 700_000);
    assert!(before - disk_bytes(&bench.store()) > 700_000);
    assert_eq!(store.disk_bytes(), disk_bytes(&bench.store()));
    assert!(whole(&store, "algebra", 2) && whole(&store, "algebra", 3) && !whole(&store, "algebra", 1));
}

/// As many collections go as the room asked for takes, in the order given, and their bytes are what comes free.
#[test]
fn room_is_made_in_order_and_as_foretold() {
    let groups = [("algebra", 1, false), ("algebra", 2, true), ("film", 1, true), ("algebra", 3, true)];
    for (free_bytes, pin, gone) in [
        (0, None, vec![("algebra", 1)]),
        (800_000, None, vec![("algebra", 1)]),
        (1_000_000, None, vec![("algebra", 1), ("algebra", 2)]),
        (1_000_000, Some("bj4/algebra@2"), vec![("algebra", 1), ("film", 1)]),
        (u64::MAX, None, vec![("algebra", 1), ("algebra", 2), ("algebra", 3), ("film", 1)]),
    ] {
        let bench = three_versions();
        let store = bench.open();
        if let Some(pin) = pin {
            store.pin(pin.parse().unwrap()).unwrap();
        }
        let plan = store.gc_plan_for(&order(&groups, free_bytes), store.claims()).unwrap();
        let expected: Vec<_> = gone.iter().map(|(name, number)| version(name, *number)).collect();
        assert_eq!(plan.dropped, expected, "{free_bytes}");
        let foretold: u64 = plan.shares.iter().filter(|share| share.goes).map(|share| share.bytes).sum();
        let before = store.stats().stored_bytes;
        carry_out(&store, &plan);
        // Record headers are foretold as well; garbage may stay in segments that hold little of it.
        let freed = before - store.stats().stored_bytes;
        assert!(freed <= foretold && foretold - freed < 250_000, "{freed} of {foretold}");
        for name in ["algebra", "film"] {
            let stays = |number: u64| !plan.dropped.contains(&version(name, number));
            let numbers = (1..=3).filter(|number| name == "algebra" || *number == 1);
            assert!(numbers.filter(|number| stays(*number)).all(|number| whole(&store, name, number)));
        }
    }
}

/// A version of which a page is missing stops a run, unless somebody knows that nobody counts on the rest.
#[test]
fn a_half_version_protects_what_is_known_of_it() {
    let bench = three_versions();
    let store = bench.open();
    let draft = store.drafts().unwrap().into_iter().find(|draft| draft.version == 3).unwrap();
    let page = ManifestRoot::from_bytes(&draft.root).unwrap().pages[0].entry.id;
    let at = store.locate(&page).unwrap().unwrap();
    let _ = store.give_up(&page, at, Failed::Lost);
    let half = BTreeSet::from([version("algebra", 3)]);
    let groups = [("algebra", 1, false), ("algebra", 3, true)];
    let refused = store.gc_plan_for(&order(&groups, 0), store.claims());
    assert!(matches!(refused, Err(StoreError::UnknownContents { version: 3, .. })), "{refused:?}");
    let plan = store.gc_plan_for(&GcOrder { half, ..order(&groups, 0) }, store.claims()).unwrap();
    carry_out(&store, &plan);
    assert!(whole(&store, "algebra", 2) && whole(&store, "film", 1));
}
