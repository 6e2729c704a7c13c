//! Tests of the store: what it keeps, and what it finds again after kills, lost indexes and damage.

use super::*;
use crate::verify::{seal, seal_hashed};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

const SEGMENTS: &str = "segments";

/// Never syncs by itself.
fn lazy() -> StoreOptions {
    StoreOptions { sync_bytes: u64::MAX, sync_interval: Duration::MAX, ..StoreOptions::default() }
}

fn chunk(seed: u32) -> VerifiedChunk {
    let mut plain = vec![0; 1000 + seed as usize % 500];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut plain);
    seal(&plain, false).unwrap()
}

fn fill(store: &Store, seeds: std::ops::Range<u32>) {
    for seed in seeds {
        assert!(store.put(&chunk(seed)).unwrap());
    }
}

fn held(store: &Store, seeds: std::ops::Range<u32>) -> usize {
    let read =
        |seed: &u32| store.read_plain(&chunk(*seed).id()).unwrap().is_some_and(|plain| plain == chunk(*seed).stored());
    seeds.filter(read).count()
}

/// The folder as a kill would leave it: everything written is there, nothing was closed.
pub(super) fn killed_copy(store: &Store) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in walkdir::WalkDir::new(store.dir()).min_depth(1) {
        let entry = entry.unwrap();
        let to = copy.path().join(entry.path().strip_prefix(store.dir()).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(to).unwrap()
        } else {
            fs::copy(entry.path(), to).map(|_| ()).unwrap()
        }
    }
    copy
}

fn segment_file(dir: &Path, number: u32) -> File {
    File::options().read(true).write(true).open(segment::path(&dir.join(SEGMENTS), number)).unwrap()
}

fn len(file: &File) -> u64 {
    file.metadata().unwrap().len()
}

fn delete_index(dir: &Path) {
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
        let _ = fs::remove_file(dir.join(name));
    }
}

#[test]
fn keeps_chunks_in_both_encodings() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), lazy()).unwrap();
    let text = b"water ".repeat(500);
    let packed = seal(&text, true).unwrap();
    for put in [&packed, &chunk(1)] {
        assert!(store.put(put).unwrap());
        assert!(!store.put(put).unwrap());
        assert_eq!(store.describe(&put.id()).unwrap(), Some(put.entry()));
    }
    for _ in ["pending", "indexed"] {
        let stored = store.read_stored(&packed.id()).unwrap().unwrap();
        assert_eq!((stored.codec, stored.bytes.as_slice()), (packed.codec(), packed.stored()));
        assert_eq!((stored.plain_len, stored.check), (packed.plain_len(), packed.entry().check));
        assert_eq!(store.read_plain(&packed.id()).unwrap().unwrap(), text);
        let asked = [chunk(1).id(), chunk(2).id(), packed.id()];
        assert_eq!(store.contains_many(&asked).unwrap(), [true, false, true]);
        assert!(store.read_stored(&chunk(2).id()).unwrap().is_none());
        store.sync().unwrap();
    }
    let stored_bytes = (packed.stored().len() + chunk(1).stored().len()) as u64;
    assert_eq!(store.stats(), StoreStats { chunks: 2, stored_bytes, segments: 1, recovered_at_open: 0 });
}

#[test]
fn one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), lazy()).unwrap();
    assert!(matches!(Store::open(dir.path(), lazy()), Err(StoreError::Locked { .. })));
    drop(store);
    Store::open(dir.path(), lazy()).unwrap();
}

#[test]
fn a_kill_loses_nothing_that_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), lazy()).unwrap();
    fill(&store, 0..10);
    store.sync().unwrap();
    fill(&store, 10..30);
    let copy = killed_copy(&store);
    let store = Store::open(copy.path(), lazy()).unwrap();
    assert_eq!((held(&store, 0..30), store.stats().recovered_at_open), (30, 20));
    fill(&store, 30..40);
    drop(store);
    let store = Store::open(copy.path(), lazy()).unwrap();
    assert_eq!((held(&store, 0..40), store.stats().recovered_at_open, store.stats().chunks), (40, 0, 40));
}

/// The file is cut at many places of its last record, and once more with garbage behind it.
#[test]
fn a_torn_or_garbage_tail_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), lazy()).unwrap();
    fill(&store, 0..3);
    let whole = len(&segment_file(store.dir(), 1));
    fill(&store, 3..4);
    let record = len(&segment_file(store.dir(), 1)) - whole;
    for torn in (0..record).step_by(29) {
        let copy = killed_copy(&store);
        let file = segment_file(copy.path(), 1);
        file.set_len(whole + torn).unwrap();
        let reopened = Store::open(copy.path(), lazy()).unwrap();
        assert_eq!((held(&reopened, 0..4), len(&file)), (3, whole), "torn at {torn}");
        fill(&reopened, 3..5);
        drop(reopened);
        assert_eq!(held(&Store::open(copy.path(), lazy()).unwrap(), 0..5), 5);
    }
    for garbage in [vec![0; 5000], b"KREC".repeat(1000)] {
        let copy = killed_copy(&store);
        let file = segment_file(copy.path(), 1);
        file.write_all_at(&garbage, whole + record).unwrap();
        assert_eq!(held(&Store::open(copy.path(), lazy()).unwrap(), 0..4), 4);
        assert_eq!(len(&file), whole + record);
    }
}

#[test]
fn a_lost_or_damaged_index_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let small = StoreOptions { segment_bytes: 10_000, ..lazy() };
    let store = Store::open(dir.path(), small.clone()).unwrap();
    fill(&store, 0..50);
    store.sync().unwrap();
    let before = store.stats();
    assert!(before.segments > 3);
    let copy = killed_copy(&store);
    let damages: [fn(&Path); 4] = [
        delete_index,
        |dir| {
            delete_index(dir);
            fs::write(dir.join("index.sqlite"), b"this is not a database, whatever its name says").unwrap();
        },
        |dir| {
            delete_index(dir);
            fs::write(dir.join("index.sqlite"), b"").unwrap();
        },
        |dir| index::mark_damaged(&dir.join("index.sqlite")),
    ];
    for damage in damages {
        damage(copy.path());
        let store = Store::open(copy.path(), small.clone()).unwrap();
        let stats = store.stats();
        assert_eq!((held(&store, 0..50), stats.recovered_at_open), (50, 50));
        assert_eq!(StoreStats { recovered_at_open: 0, ..stats }, before);
    }
}

#[test]
fn an_empty_last_segment_is_used() {
    for begun in [0, 5] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), lazy()).unwrap();
        fill(&store, 0..3);
        drop(store);
        fs::write(segment::path(&dir.path().join(SEGMENTS), 2), vec![0; begun]).unwrap();
        let store = Store::open(dir.path(), lazy()).unwrap();
        fill(&store, 3..6);
        assert_eq!((held(&store, 0..6), store.stats().segments), (6, 2));
        drop(store);
        delete_index(dir.path());
        assert_eq!(held(&Store::open(dir.path(), lazy()).unwrap(), 0..6), 6);
    }
}

/// A bit flipped at many places of a record: never served, dropped, and stored anew when it comes again.
#[test]
fn rot_is_found_dropped_and_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), lazy()).unwrap();
    fill(&store, 0..3);
    store.sync().unwrap();
    let start = 32 + 72 + 1000;
    for at in (start..start + 72 + 1001).step_by(37) {
        let copy = killed_copy(&store);
        let file = segment_file(copy.path(), 1);
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 4], at).unwrap();
        let reopened = Store::open(copy.path(), lazy()).unwrap();
        let id = chunk(1).id();
        assert!(matches!(reopened.read_stored(&id), Err(StoreError::Damaged { chunk, segment: 1, .. }) if chunk == id));
        assert!(!reopened.contains(&id).unwrap());
        assert_eq!(reopened.stats().chunks, 2);
        fill(&reopened, 1..2);
        assert_eq!(held(&reopened, 0..3), 3);
        drop(reopened);
        // The rotten record is not taken for the chunk when the index is rebuilt, and hides nothing behind it.
        delete_index(copy.path());
        assert_eq!(held(&Store::open(copy.path(), lazy()).unwrap(), 0..3), 3, "byte {at}");
    }
}

#[test]
fn a_scrub_finds_rot_and_lost_files() {
    let dir = tempfile::tempdir().unwrap();
    let small = StoreOptions { segment_bytes: 10_000, ..lazy() };
    let store = Store::open(dir.path(), small).unwrap();
    fill(&store, 0..40);
    store.sync().unwrap();
    let scrub = || {
        let (mut cursor, mut checked, mut damaged) = (ScrubCursor::default(), 0, 0);
        loop {
            let step = store.scrub(&mut cursor, 7).unwrap();
            checked += step.checked;
            damaged += step.damaged.len();
            if step.done {
                return (checked, damaged);
            }
        }
    };
    assert_eq!(scrub(), (40, 0));
    segment_file(dir.path(), 2).write_all_at(&[0xff; 8], 500).unwrap();
    segment_file(dir.path(), 3).set_len(100).unwrap();
    let (_, damaged) = scrub();
    assert!(damaged > 2, "{damaged}");
    assert_eq!(scrub(), (40 - damaged as u64, 0));
}

#[test]
fn damaged_chunks_are_listed_until_they_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), lazy()).unwrap();
    fill(&store, 0..3);
    store.sync().unwrap();
    segment_file(dir.path(), 1).write_all_at(b"rot", 32 + 72 + 1000 + 72 + 5).unwrap();
    let id = chunk(1).id();
    assert!(store.read_plain(&id).is_err());
    drop(store);
    let store = Store::open(dir.path(), lazy()).unwrap();
    let listed: Vec<_> = store.damaged().unwrap().iter().map(|row| (row.id, row.segment, row.offset)).collect();
    assert_eq!(listed, [(id, 1, 32 + 72 + 1000)]);
    fill(&store, 1..2);
    store.sync().unwrap();
    assert_eq!(store.damaged().unwrap(), []);
}

#[test]
fn a_quota_stops_new_chunks_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), lazy()).unwrap();
    fill(&store, 0..3);
    assert_eq!(store.disk_bytes(), len(&segment_file(dir.path(), 1)));
    store.set_quota(Some(5000)).unwrap();
    drop(store);
    let store = Store::open(dir.path(), lazy()).unwrap();
    assert_eq!(store.quota(), Some(5000));
    fill(&store, 3..4);
    assert!(matches!(store.put(&chunk(4)), Err(StoreError::QuotaReached { quota_bytes: 5000, .. })));
    assert!(!store.put(&chunk(0)).unwrap());
    assert_eq!(held(&store, 0..5), 4);
    store.set_quota(None).unwrap();
    fill(&store, 4..5);
    drop(store);
    fs::write(dir.path().join("quota"), "much").unwrap();
    assert_eq!(Store::open(dir.path(), lazy()).unwrap().quota(), None);
}

#[test]
fn what_fits_of_a_batch_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), lazy()).unwrap();
    let chunks: Vec<_> = (0..8).map(chunk).collect();
    let sealed: Vec<_> = chunks.iter().map(|chunk| seal_hashed(chunk.id(), chunk.stored(), false)).collect();
    store.set_quota(Some(5000)).unwrap();
    assert!(matches!(store.put_many(&sealed), Err(StoreError::QuotaReached { .. })));
    assert_eq!((held(&store, 0..4), held(&store, 4..8)), (4, 0));
    assert!(store.disk_bytes() <= 5000);
    store.set_quota(None).unwrap();
    assert_eq!(store.put_many(&sealed).unwrap(), [vec![false; 4], vec![true; 4]].concat());
}

#[test]
fn a_scrub_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let small = StoreOptions { segment_bytes: 10_000, ..lazy() };
    let store = Store::open(dir.path(), small.clone()).unwrap();
    fill(&store, 0..40);
    store.sync().unwrap();
    let mut cursor = store.noted_scrub().unwrap();
    assert_eq!(store.scrub(&mut cursor, 30).unwrap().checked, 30);
    store.note_scrub(&cursor).unwrap();
    drop(store);
    let store = Store::open(dir.path(), small).unwrap();
    let mut cursor = store.noted_scrub().unwrap();
    assert!((20..=30).contains(&store.chunks_before(&cursor).unwrap()));
    let step = store.scrub(&mut cursor, 30).unwrap();
    assert_eq!((step.checked, step.done), (10, true));
    for note in ["", "karez-scrub 2 1 1", "karez-scrub 1 9", "karez-scrub 1 -1 -1"] {
        fs::write(dir.path().join("scrub"), note).unwrap();
        assert_eq!(store.chunks_before(&store.noted_scrub().unwrap()).unwrap(), 0, "{note}");
    }
    store.note_scrub(&ScrubCursor::default()).unwrap();
    assert!(!dir.path().join("scrub").exists());
}

#[test]
fn segments_that_shrink_or_vanish_lose_their_chunks_only() {
    let dir = tempfile::tempdir().unwrap();
    let small = StoreOptions { segment_bytes: 10_000, ..lazy() };
    let store = Store::open(dir.path(), small.clone()).unwrap();
    fill(&store, 0..40);
    drop(store);
    fs::remove_file(segment::path(&dir.path().join(SEGMENTS), 1)).unwrap();
    segment_file(dir.path(), 2).set_len(3000).unwrap();
    let store = Store::open(dir.path(), small.clone()).unwrap();
    let left = held(&store, 0..40);
    assert!((20..34).contains(&left), "{left}");
    assert_eq!(store.stats().chunks, left as u64);
    for seed in 0..40 {
        store.put(&chunk(seed)).unwrap();
    }
    drop(store);
    assert_eq!(held(&Store::open(dir.path(), small).unwrap(), 0..40), 40);
}

#[test]
fn a_newer_segment_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path(), lazy()).unwrap());
    let mut header = record::segment_header(1, record::SEGMENT_FORMAT);
    header[8] = 3;
    let check = blake3::hash(&header[..16]);
    header[16..].copy_from_slice(&check.as_bytes()[..16]);
    let file = segment_file(dir.path(), 1);
    file.write_all_at(&header, 0).unwrap();
    assert!(matches!(Store::open(dir.path(), lazy()), Err(StoreError::UnknownFormat { found: 3, .. })));
}

#[test]
fn syncs_when_due() {
    let dir = tempfile::tempdir().unwrap();
    let pending = |store: &Store| store.pending.read().unwrap().len();
    let bytes = |store: &Store| {
        let pending = store.pending.read().unwrap();
        pending.values().map(|at| u64::from(at.stored_len) + RECORD_HEADER_LEN as u64).sum::<u64>()
    };
    let options = StoreOptions { sync_bytes: 6000, segment_bytes: 10_000, ..lazy() };
    let store = Store::open(dir.path(), options.clone()).unwrap();
    let mut most = 0;
    for seed in 0..60 {
        fill(&store, seed..seed + 1);
        most = most.max(bytes(&store));
    }
    assert!(most > options.sync_bytes / 2 && most <= options.sync_bytes, "{most} bytes without a sync");
    let waiting = pending(&store);
    store.sync_if_due().unwrap();
    assert_eq!((pending(&store), waiting > 0), (waiting, true));
    assert_eq!(held(&store, 0..60), 60);
    store.sync().unwrap();
    assert_eq!((pending(&store), held(&store, 0..60)), (0, 60));
    drop(store);
    let eager = StoreOptions { sync_interval: Duration::ZERO, ..lazy() };
    let store = Store::open(dir.path(), eager).unwrap();
    fill(&store, 60..61);
    store.sync_if_due().unwrap();
    assert_eq!(pending(&store), 0);
}

#[test]
fn releases_are_kept_and_damaged_files_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), lazy()).unwrap();
    let release = |version| HeldRelease {
        collection: "bj4/algebra-1".parse().unwrap(),
        version,
        signed: vec![1, 2, version as u8],
        root: vec![9; 100],
        whole: false,
    };
    for version in [10, 2] {
        store.save_release(&release(version)).unwrap();
    }
    store.save_draft(&release(7)).unwrap();
    assert_eq!(store.releases().unwrap(), [release(2), release(10)]);
    assert_eq!(store.drafts().unwrap(), [release(7)]);
    let path = dir.path().join("releases/bj4/algebra-1/2.release");
    let good = fs::read(&path).unwrap();
    for bad in [&good[..good.len() - 1], &good[1..], &[], &[0; 32]] {
        fs::write(&path, bad).unwrap();
        assert_eq!(store.releases().unwrap(), [release(10)]);
    }
    fs::write(path.with_file_name("3.release"), &good).unwrap();
    assert_eq!(store.releases().unwrap(), [release(10)]);
}

/// A store packed into a store: its records are content and must not come back as records.
#[test]
fn records_inside_chunks_are_not_records() {
    let dir = tempfile::tempdir().unwrap();
    let inner = tempfile::tempdir().unwrap();
    let other = Store::open(inner.path(), lazy()).unwrap();
    fill(&other, 0..5);
    let bytes = fs::read(segment::path(&inner.path().join(SEGMENTS), 1)).unwrap();
    let store = Store::open(dir.path(), lazy()).unwrap();
    store.put(&seal(&bytes, false).unwrap()).unwrap();
    drop(store);
    segment_file(dir.path(), 1).write_all_at(b"rot", 40).unwrap();
    delete_index(dir.path());
    let store = Store::open(dir.path(), lazy()).unwrap();
    assert_eq!((store.stats().chunks, held(&store, 0..5)), (0, 0));
}

/// As when the disk fills up in the middle of what came from a peer.
#[test]
fn of_several_chunks_it_is_said_which_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), lazy()).unwrap();
    fill(&store, 0..1);
    store.set_quota(Some(4000)).unwrap();
    let put = store.put_verified(&[chunk(1), chunk(0), chunk(1), chunk(2), chunk(3), chunk(4)]);
    assert!(matches!(put.error, Some(StoreError::QuotaReached { .. })), "{:?}", put.error);
    assert_eq!(put.fresh, [Some(true), Some(false), Some(false), Some(true), None, None]);
    store.set_quota(None).unwrap();
    let put = store.put_verified(&[chunk(2), chunk(3), chunk(4)]);
    assert_eq!((put.fresh, held(&store, 0..5)), (vec![Some(false), Some(true), Some(true)], 5));
    assert!(put.error.is_none());
}
