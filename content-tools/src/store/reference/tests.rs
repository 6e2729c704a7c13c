//! Tests of references: chunks that stay in place, and copies that give way to an exported file.

use super::*;
use crate::store::{Compacted, StoreOptions};
use crate::verify::seal;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

struct Bench {
    dir: tempfile::TempDir,
    path: PathBuf,
    bytes: Vec<u8>,
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = vec![0; 5000];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    let path = dir.path().join("课 1.mp4");
    fs::write(&path, &bytes).unwrap();
    Bench { dir, path, bytes }
}

impl Bench {
    fn open(&self) -> Store {
        Store::open(&self.dir.path().join("store"), StoreOptions::default()).unwrap()
    }

    fn plain(&self, ranges: &[SourceRange]) -> Vec<u8> {
        ranges.iter().flat_map(|range| &self.bytes[range.offset as usize..][..range.len as usize]).copied().collect()
    }

    fn open_with(&self, sync_bytes: u64) -> Store {
        let options = StoreOptions { sync_bytes, ..StoreOptions::default() };
        Store::open(&self.dir.path().join("store"), options).unwrap()
    }

    /// Flips a bit of the one description there is.
    fn damage_description(&self) {
        for entry in fs::read_dir(self.dir.path().join("store/segments")).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            if let Some(at) = bytes.windows(8).position(|window| window == b"KAREZSRC") {
                bytes[at + 20] ^= 1;
                return fs::write(path, bytes).unwrap();
            }
        }
        panic!("no description");
    }

    fn delete_index(&self) {
        for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
            let _ = fs::remove_file(self.dir.path().join("store").join(name));
        }
    }
}

const RANGES: [SourceRange; 2] = [SourceRange { offset: 4000, len: 700 }, SourceRange { offset: 10, len: 300 }];

#[test]
fn a_chunk_stays_in_place_and_survives_a_lost_index() {
    let bench = bench();
    let plain = bench.plain(&RANGES);
    let id = ChunkId::of(&plain);
    let store = bench.open();
    let file = store.register_file(&bench.path).unwrap();
    assert!(file.is_unchanged());
    assert!(store.put_reference(id, 1000, &file, &RANGES).unwrap());
    assert!(!store.put_reference(id, 1000, &file, &RANGES).unwrap());
    assert!(store.put(&seal(b"a chunk of its own", false).unwrap()).unwrap());
    drop(store);
    for _ in ["index", "no index"] {
        let store = bench.open();
        assert_eq!(store.read_plain(&id).unwrap().unwrap(), plain);
        let stored = store.read_stored(&id).unwrap().unwrap();
        assert_eq!((stored.codec, stored.check, stored.bytes), (Codec::Raw, StoredCheck::of(&plain), plain.clone()));
        assert_eq!(store.describe(&id).unwrap(), Some(seal(&plain, false).unwrap().entry()));
        assert_eq!(store.stats().chunks, 3);
        drop(store);
        bench.delete_index();
    }
}

/// Whatever happens to the source file: refused, never served wrong, and stored anew when it comes again.
#[test]
fn a_changed_source_is_noticed() {
    type Damage = fn(&Path);
    let damages: [Damage; 3] = [
        |path| fs::remove_file(path).unwrap(),
        |path| File::options().write(true).open(path).unwrap().set_len(4100).unwrap(),
        |path| File::options().write(true).open(path).unwrap().write_all_at(b"edited", 4600).unwrap(),
    ];
    for damage in damages {
        let bench = bench();
        let plain = bench.plain(&RANGES);
        let id = ChunkId::of(&plain);
        let store = bench.open();
        let file = store.register_file(&bench.path).unwrap();
        store.put_reference(id, 1000, &file, &RANGES).unwrap();
        damage(&bench.path);
        drop(store);
        let store = bench.open();
        let named = |file: &Option<PathBuf>| file.as_ref() == Some(&bench.path);
        let read = store.read_stored(&id);
        assert!(matches!(read, Err(StoreError::Damaged { chunk, ref file, .. }) if chunk == id && named(file)));
        assert!(!store.contains(&id).unwrap());
        assert_eq!(store.changed_files(9).unwrap(), [(bench.path.clone(), 1)]);
        drop(store);
        let store = bench.open();
        assert!(store.damaged().unwrap().iter().all(|row| row.id == id && named(&row.file)));
        assert!(store.put(&seal(&plain, false).unwrap()).unwrap());
        store.sync().unwrap();
        assert_eq!((store.changed_files(9).unwrap(), store.damaged().unwrap()), (vec![], vec![]));
        assert_eq!(store.read_plain(&id).unwrap().unwrap(), plain);
    }
}

/// An open handle would go on serving a file that is gone after a restart.
#[test]
fn a_file_that_was_deleted_is_not_served_from_its_handle() {
    let bench = bench();
    let id = ChunkId::of(&bench.plain(&RANGES));
    let store = bench.open();
    let file = store.register_file(&bench.path).unwrap();
    store.put_reference(id, 1000, &file, &RANGES).unwrap();
    assert!(store.read_plain(&id).unwrap().is_some());
    fs::remove_file(&bench.path).unwrap();
    assert!(store.read_plain(&id).is_err());
    rustix::fs::mkfifoat(rustix::fs::CWD, &bench.path, rustix::fs::Mode::RUSR).unwrap();
    assert!(matches!(store.register_file(&bench.path), Err(StoreError::NotAFile { .. })));
}

/// Its owner edited the file and registers it again: nothing is wrong with it any more.
#[test]
fn a_file_that_is_registered_again_is_no_problem() {
    let bench = bench();
    let id = ChunkId::of(&bench.plain(&RANGES));
    let store = bench.open();
    let file = store.register_file(&bench.path).unwrap();
    store.put_reference(id, 1000, &file, &RANGES).unwrap();
    fs::write(&bench.path, "another lesson").unwrap();
    assert!(!file.is_unchanged());
    assert!(store.read_plain(&id).is_err());
    assert_eq!(store.changed_files(9).unwrap().len(), 1);
    store.register_file(&bench.path).unwrap();
    assert_eq!(store.changed_files(9).unwrap(), []);
}

/// Before a file is replaced, what the store has only there comes back into it.
#[test]
fn chunks_are_taken_back_before_their_file_goes() {
    let bench = bench();
    let plain = bench.plain(&RANGES);
    let id = ChunkId::of(&plain);
    let store = bench.open();
    let file = store.register_file(&bench.path).unwrap();
    store.put_reference(id, 1000, &file, &RANGES).unwrap();
    let ids = || [id, ChunkId::of(b"unknown")].into_iter();
    assert_eq!(store.take_back(&bench.dir.path().join("other"), ids()).unwrap(), 0);
    assert_eq!(store.take_back(&bench.path, ids()).unwrap(), 1);
    assert_eq!(store.take_back(&bench.path, ids()).unwrap(), 0);
    fs::remove_file(&bench.path).unwrap();
    drop(store);
    for _ in ["index", "no index"] {
        assert_eq!(bench.open().read_plain(&id).unwrap().unwrap(), plain);
        bench.delete_index();
    }
}

/// A link to a newer copy replaces the older link; what copies and links take comes free.
#[test]
fn space_of_replaced_records_comes_back() {
    let bench = bench();
    let store = bench.open();
    let pieces: Vec<SourceRange> = (0..5).map(|n| SourceRange { offset: n * 1000, len: 1000 }).collect();
    let plain = |range: &SourceRange| bench.plain(&[*range]);
    for range in &pieces {
        store.put(&seal(&plain(range), false).unwrap()).unwrap();
    }
    let kept = seal(b"described by a manifest that is not here yet", false).unwrap();
    store.put(&kept).unwrap();
    let before = store.disk_bytes();
    let file = store.register_file(&bench.path).unwrap();
    for range in &pieces {
        assert!(store.adopt(ChunkId::of(&plain(range)), &file, &[*range]).unwrap());
    }
    let freed = store.reclaim().unwrap();
    assert!(freed.freed_bytes > 5000 && freed.damaged == 0, "{freed:?}");
    assert!(store.disk_bytes() < before - 4000, "{before} {}", store.disk_bytes());
    assert_eq!(store.reclaim().unwrap(), Compacted::default());
    let copy = bench.dir.path().join("copy");
    fs::copy(&bench.path, &copy).unwrap();
    let copied = store.register_file(&copy).unwrap();
    assert!(store.adopt(ChunkId::of(&plain(&pieces[0])), &copied, &pieces[..1]).unwrap());
    fs::remove_file(&bench.path).unwrap();
    assert!(store.read_plain(&ChunkId::of(&plain(&pieces[0]))).unwrap().is_some());
    assert!(store.read_plain(&ChunkId::of(&plain(&pieces[1]))).is_err());
    assert!(store.contains(&kept.id()).unwrap());
}

/// A power cut may keep a reference and lose the description that was written before it: the copy must go on serving, and
/// a chunk that has no copy is missing like any other.
#[test]
fn a_reference_without_its_description_hides_no_copy() {
    let bench = bench();
    let (plain, other) = (bench.plain(&RANGES), bench.plain(&RANGES[..1]));
    let (id, other_id) = (ChunkId::of(&plain), ChunkId::of(&other));
    let store = bench.open();
    store.put(&seal(&plain, false).unwrap()).unwrap();
    store.sync().unwrap();
    let old_index = ["", "-wal"].map(|end| fs::read(bench.dir.path().join(format!("store/index.sqlite{end}"))).ok());
    let file = store.register_file(&bench.path).unwrap();
    assert!(store.adopt(id, &file, &RANGES).unwrap());
    assert!(store.put_reference(other_id, 700, &file, &RANGES[..1]).unwrap());
    drop(store);
    bench.damage_description();
    for index in [Default::default(), old_index] {
        bench.delete_index();
        for (end, bytes) in ["", "-wal"].iter().zip(index) {
            if let Some(bytes) = bytes {
                fs::write(bench.dir.path().join(format!("store/index.sqlite{end}")), bytes).unwrap();
            }
        }
        for times in 0..2 {
            let store = bench.open();
            assert_eq!(store.read_plain(&id).unwrap().unwrap(), plain);
            assert_eq!(store.read_plain(&other_id).unwrap(), None);
            assert!(times == 0 || store.stats().recovered_at_open == 0);
        }
    }
    let store = bench.open();
    let file = store.register_file(&bench.path).unwrap();
    assert!(store.put_reference(other_id, 700, &file, &RANGES[..1]).unwrap());
    assert_eq!(store.read_plain(&other_id).unwrap().unwrap(), other);
}

/// Compaction moves descriptions behind the references that need them: without an index those are met first.
#[test]
fn a_description_may_stand_behind_its_references() {
    let bench = bench();
    let open = || {
        let options = StoreOptions { segment_bytes: 1_400, ..StoreOptions::default() };
        Store::open(&bench.dir.path().join("store"), options).unwrap()
    };
    let store = open();
    let pieces: Vec<SourceRange> = (0..20).map(|n| SourceRange { offset: n * 250, len: 250 }).collect();
    for range in &pieces[..3] {
        store.put(&seal(&bench.plain(&[*range]), false).unwrap()).unwrap();
    }
    let file = store.register_file(&bench.path).unwrap();
    for range in &pieces[..3] {
        assert!(store.adopt(ChunkId::of(&bench.plain(&[*range])), &file, &[*range]).unwrap());
    }
    for range in &pieces[3..] {
        assert!(store.put_reference(ChunkId::of(&bench.plain(&[*range])), 250, &file, &[*range]).unwrap());
    }
    assert!(store.reclaim().unwrap().moved > 0);
    let segment = |id: ChunkId| store.locate(&id).unwrap().unwrap().place.segment;
    let references = pieces.iter().map(|range| segment(ChunkId::of(&bench.plain(&[*range]))));
    assert!(references.min() < Some(segment(*file.id())), "the description was not moved");
    drop(store);
    bench.delete_index();
    for recovered in [21, 0] {
        let store = open();
        for range in &pieces {
            assert!(store.read_plain(&ChunkId::of(&bench.plain(&[*range]))).unwrap().is_some());
        }
        assert_eq!(store.stats().recovered_at_open, recovered);
    }
}

#[test]
fn an_exported_file_becomes_the_copy() {
    for (synced, sync_bytes) in [(false, u64::MAX), (true, u64::MAX), (false, 1)] {
        let bench = bench();
        let plain = bench.plain(&RANGES);
        let id = ChunkId::of(&plain);
        let store = bench.open_with(sync_bytes);
        store.put(&seal(&plain, false).unwrap()).unwrap();
        if synced {
            store.sync().unwrap();
        }
        let before = store.stats();
        let file = store.register_file(&bench.path).unwrap();
        let wrong = [SourceRange { offset: 0, len: 1000 }];
        assert!(matches!(store.adopt(id, &file, &wrong), Err(StoreError::SourceDiffers { .. })));
        assert!(store.adopt(id, &file, &RANGES).unwrap());
        assert!(!store.adopt(id, &file, &RANGES).unwrap());
        assert!(!store.adopt(ChunkId::of(b"other"), &file, &RANGES).unwrap());
        let after = store.stats();
        assert_eq!(after.chunks, before.chunks + 1, "the description of the file");
        assert!(after.stored_bytes < before.stored_bytes);
        drop(store);
        let store = bench.open();
        assert_eq!((store.stats().chunks, store.stats().stored_bytes), (after.chunks, after.stored_bytes));
        assert_eq!(store.read_plain(&id).unwrap().unwrap(), plain);
        drop(store);
        fs::remove_file(&bench.path).unwrap();
        assert!(bench.open().read_plain(&id).is_err(), "the bytes come from the file");
    }
}

#[test]
fn references_that_cannot_be_right_are_refused() {
    let bench = bench();
    let store = bench.open();
    let file = store.register_file(&bench.path).unwrap();
    let id = ChunkId::of(b"x");
    let far = SourceRange { offset: u64::MAX, len: 2 };
    let behind = SourceRange { offset: 4999, len: 2 };
    let rows: [(u32, &[SourceRange]); 5] = [(0, &[]), (1, &[]), (999, &RANGES), (2, &[far]), (2, &[behind])];
    for (plain_len, ranges) in rows {
        let put = store.put_reference(id, plain_len, &file, ranges);
        assert!(matches!(put, Err(StoreError::BadReference { .. })), "{plain_len} {ranges:?}");
    }
    assert!(matches!(store.register_file(bench.dir.path()), Err(StoreError::NotAFile { .. })));
}

/// The vector of docs/formats/store.md.
#[test]
fn golden() {
    let ranges = [SourceRange { offset: 7, len: 3 }, SourceRange { offset: 100, len: 2 }];
    let payload = to_payload(&ChunkId::from_bytes([0x22; 32]), &ranges);
    let hex: String = payload.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, format!("{}{}", "22".repeat(32), "070000000000000003000000640000000000000002000000"));
    assert_eq!(from_payload(&payload, 5), Some((ChunkId::from_bytes([0x22; 32]), ranges.to_vec())));
    assert_eq!(from_payload(&payload, 6), None);
}

/// A disk that is not attached is no reason to forget what is on it; a file that is gone from a disk that is there, is.
#[test]
fn a_file_whose_disk_is_away_is_not_lost() {
    let bench = bench();
    let store = bench.open();
    let Some(disk) = Some(Path::new("/dev/shm")).filter(|disk| disk.is_dir()) else { return };
    let disk = tempfile::tempdir_in(disk).unwrap();
    let folder = disk.path().join("masters");
    fs::create_dir(&folder).unwrap();
    let path = folder.join("film");
    fs::write(&path, &bench.bytes).unwrap();
    let id = ChunkId::of(&bench.plain(&RANGES));
    let file = store.register_file(&path).unwrap();
    store.put_reference(id, 1000, &file, &RANGES).unwrap();
    let elsewhere = fs::metadata(&path).unwrap().dev() != store.device().unwrap();
    fs::rename(&folder, disk.path().join("unplugged")).unwrap();
    match store.read_plain(&id) {
        Err(StoreError::SourceAway { path: away }) => assert!(elsewhere && away == path),
        other => return assert!(!elsewhere, "{other:?}"),
    }
    assert!(store.contains(&id).unwrap());
    fs::rename(disk.path().join("unplugged"), &folder).unwrap();
    assert!(store.read_plain(&id).unwrap().is_some());
    fs::remove_file(&path).unwrap();
    assert!(matches!(store.read_plain(&id), Err(StoreError::Damaged { .. })));
}
