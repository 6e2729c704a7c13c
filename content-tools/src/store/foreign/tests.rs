//! An index that was copied from elsewhere is not believed; one whose segments are damaged is.

use super::*;
use crate::store::{Store, StoreOptions};
use crate::verify::{VerifiedChunk, seal};
use std::fs;
use std::ops::Range;
use std::os::unix::fs::FileExt;

fn chunk(seed: u32) -> VerifiedChunk {
    let mut plain = vec![0; 800 + seed as usize * 37 % 900];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut plain);
    seal(&plain, false).unwrap()
}

fn open(dir: &Path) -> Store {
    Store::open(dir, StoreOptions { segment_bytes: 10_000, ..StoreOptions::default() }).unwrap()
}

fn fill(dir: &Path, seeds: Range<u32>) {
    let store = open(dir);
    seeds.for_each(|seed| assert!(store.put(&chunk(seed)).unwrap()));
}

fn read(store: &Store, seeds: Range<u32>) -> usize {
    seeds.filter(|seed| store.read_plain(&chunk(*seed).id()).is_ok_and(|plain| plain.is_some())).count()
}

fn copy_all(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).min_depth(1) {
        let entry = entry.unwrap();
        let to = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(to).unwrap();
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn the_index_of_another_store_is_begun_anew() {
    // More and fewer segments than the store has itself.
    for others in [1000..1010, 1000..1200] {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fill(dir.path(), 0..60);
        fill(other.path(), others.clone());
        fs::copy(other.path().join("index.sqlite"), dir.path().join("index.sqlite")).unwrap();
        let store = open(dir.path());
        assert_eq!(store.stats().chunks, 60, "{others:?}");
        assert_eq!((read(&store, 0..60), read(&store, others.clone())), (60, 0), "{others:?}");
        assert!(others.clone().all(|seed| !store.contains(&chunk(seed).id()).unwrap()));
        drop(store);
        assert_eq!(open(dir.path()).stats().recovered_at_open, 0);
    }
}

#[test]
fn the_index_of_a_copy_that_went_its_own_way_is_corrected() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(dir.path(), 0..60);
    copy_all(dir.path(), copy.path());
    fill(dir.path(), 60..90);
    fill(copy.path(), 2000..2035);
    fs::copy(copy.path().join("index.sqlite"), dir.path().join("index.sqlite")).unwrap();
    let store = open(dir.path());
    assert_eq!((read(&store, 0..90), read(&store, 2000..2035)), (90, 0));
    assert!(store.damaged().unwrap().is_empty(), "nothing had to be tried in vain");
}

#[test]
fn damage_is_no_proof() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 0..60);
    let segments = segment::list(&crate::disk::RealDisk, &dir.path().join("segments")).unwrap();
    for number in segments {
        let path = segment::path(&dir.path().join("segments"), number);
        let file = fs::File::options().write(true).open(path).unwrap();
        FileExt::write_all_at(&file, &[7; 40], SEGMENT_HEADER_LEN as u64).unwrap();
    }
    let store = open(dir.path());
    assert_eq!(store.stats().recovered_at_open, 0, "the index is still believed");
    assert_eq!(read(&store, 0..60) as u64, 60 - store.damaged().unwrap().len() as u64);
    assert!(!store.damaged().unwrap().is_empty());
}
