//! Looking changes nothing, and what wants to change something is refused.

use super::*;
use crate::store::{HeldRelease, ScrubCursor};
use crate::verify::{VerifiedChunk, seal};
use std::collections::BTreeMap;
use std::time::SystemTime;

fn chunk(seed: u32) -> VerifiedChunk {
    let mut plain = vec![0; 1000];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut plain);
    seal(&plain, false).unwrap()
}

/// Every file with its bytes and the time of its last write.
fn content(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let files = walkdir::WalkDir::new(dir).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    let file = |path: &Path| (fs::read(path).unwrap(), path.metadata().unwrap().modified().unwrap());
    files.map(|entry| (entry.path().to_owned(), file(entry.path()))).collect()
}

fn release() -> HeldRelease {
    let collection = "bj4/shui".parse().unwrap();
    HeldRelease { collection, version: 1, signed: vec![1], root: vec![2; 50], whole: false }
}

#[test]
fn a_look_finds_everything_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { segment_bytes: 10_000, ..StoreOptions::default() };
    let store = Store::open(dir.path(), options.clone()).unwrap();
    (0..25).for_each(|seed| assert!(store.put(&chunk(seed)).unwrap()));
    store.save_release(&release()).unwrap();
    store.set_quota(Some(1 << 30)).unwrap();
    // What the index does not know yet is found by reading the end of the segments, as after a kill.
    (25..30).for_each(|seed| assert!(store.put(&chunk(seed)).unwrap()));
    let copy = crate::store::tests::killed_copy(&store);
    drop(store);
    for without_index in [false, true] {
        if without_index {
            remove_all(copy.path());
        }
        let before = content(copy.path());
        let store = Store::open_to_look(copy.path()).unwrap();
        let second = Store::open_to_look(copy.path()).unwrap();
        assert!((0..30).all(|seed| store.read_plain(&chunk(seed).id()).unwrap().is_some()));
        assert_eq!((store.stats().chunks, second.stats().chunks, store.quota()), (30, 30, Some(1 << 30)));
        assert_eq!(store.releases().unwrap(), [release()]);
        let mut cursor = ScrubCursor::default();
        assert_eq!(store.scrub(&mut cursor, 100).unwrap().checked, 30);
        let refused = [
            store.put(&chunk(77)).map(drop),
            store.save_release(&release()),
            store.mark_whole(&release().collection, 1),
            store.set_quota(None),
            store.pin("bj4/shui".parse().unwrap()).map(drop),
            store.note_scrub(&cursor),
        ];
        assert!(refused.iter().all(|refused| matches!(refused, Err(StoreError::ReadOnly { .. }))), "{refused:?}");
        store.sync().unwrap();
        drop((store, second));
        assert!(content(copy.path()) == before, "without index: {without_index}");
    }
    // Whoever uses the store keeps those who look away, and the other way round.
    let store = Store::open(copy.path(), options.clone()).unwrap();
    assert!(matches!(Store::open_to_look(copy.path()), Err(StoreError::Locked { .. })));
    drop(store);
    let look = Store::open_to_look(copy.path()).unwrap();
    assert!(matches!(Store::open(copy.path(), options), Err(StoreError::Locked { .. })));
    drop(look);
}

#[test]
fn damage_found_by_a_look_is_told_and_noted_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
    (0..5).for_each(|seed| assert!(store.put(&chunk(seed)).unwrap()));
    drop(store);
    let segment = dir.path().join("segments/00000001.kseg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[300] ^= 1;
    fs::write(&segment, bytes).unwrap();
    for _ in 0..2 {
        let before = content(dir.path());
        let store = Store::open_to_look(dir.path()).unwrap();
        let damaged = store.scrub(&mut ScrubCursor::default(), 100).unwrap().damaged;
        assert_eq!((damaged.len(), store.damaged().unwrap().len()), (1, 1));
        drop(store);
        assert!(content(dir.path()) == before);
    }
}
