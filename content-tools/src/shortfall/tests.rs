//! What is lost is named, what is still to come is not called lost.

use super::*;
use crate::pack::{PackOptions, pack};
use crate::store::StoreOptions;
use std::fs;
use std::path::Path;

const VERSION: u64 = 3;

fn open(dir: &Path) -> Store {
    Store::open(dir, StoreOptions { segment_bytes: 100_000, ..StoreOptions::default() }).unwrap()
}

/// Two lessons of 300 kB, in some segments of 100 kB.
fn packed(store: &Store) -> HeldRelease {
    let dir = tempfile::tempdir().unwrap();
    for (number, lesson) in [(1, "lesson 1"), (2, "lesson 2")] {
        let mut bytes = vec![0; 300_000];
        blake3::Hasher::new().update(&[number]).finalize_xof().fill(&mut bytes);
        fs::create_dir(dir.path().join(lesson)).unwrap();
        fs::write(dir.path().join(lesson).join("film.bin"), bytes).unwrap();
    }
    let root = pack(dir.path(), &PackOptions::default(), store, &mut |_| {}).unwrap().root_bytes;
    let collection = "bj4/shui".parse().unwrap();
    HeldRelease { collection, version: VERSION, signed: vec![1], root, whole: false }
}

fn segment(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("segments/{number:08}.kseg"))
}

fn survey_of(store: &Store) -> (Survey, HashSet<ChunkId>) {
    let mut lost = HashSet::new();
    let survey = survey(store, |id| lost.extend([*id])).unwrap();
    assert!(lost.iter().all(|id| !store.contains(id).unwrap()));
    (survey, lost)
}

/// What damage does to a version that was whole, as draft and as release; the first lesson stands in the first segments.
#[test]
fn what_went_with_a_segment_file_is_named() {
    type Damage = fn(&Path);
    let rows: [(&str, Damage); 3] = [
        ("gone", |dir| fs::remove_file(segment(dir, 1)).unwrap()),
        ("cut off", |dir| fs::File::options().write(true).open(segment(dir, 1)).unwrap().set_len(20_000).unwrap()),
        ("zeroed", |dir| {
            fs::write(segment(dir, 1), vec![0; fs::metadata(segment(dir, 1)).unwrap().len() as usize]).unwrap()
        }),
    ];
    for (name, damage) in rows {
        for draft in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let store = open(dir.path());
            let held = packed(&store);
            if draft { store.save_draft(&held) } else { store.save_release(&held) }.unwrap();
            store.mark_whole(&held.collection, VERSION).unwrap();
            assert!(survey_of(&store).0.shortfalls.is_empty());
            drop(store);
            damage(dir.path());
            if name == "zeroed" {
                fs::remove_file(dir.path().join("index.sqlite")).unwrap();
            }
            let (found, lost) = survey_of(&open(dir.path()));
            assert!(!found.is_healthy(), "{name}");
            let short = found.lost().next().unwrap();
            assert_eq!((short.version.draft, short.version.version, short.superseded), (draft, VERSION, false));
            assert_eq!((short.items.as_slice(), short.items_total), (["lesson 1".to_owned()].as_slice(), 1), "{name}");
            assert_eq!(short.chunks, lost.len() as u64, "{name}");
            assert!((60_000..100_000).contains(&short.bytes), "{name}: {short:?}");
        }
    }
}

#[test]
fn what_is_still_to_come_is_not_lost() {
    let (source, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (full, store) = (open(source.path()), open(dir.path()));
    let held = packed(&full);
    store.save_release(&held).unwrap();
    let (found, lost) = survey_of(&store);
    assert!(found.is_healthy() && lost.is_empty());
    let to_come = found.to_come().next().unwrap();
    assert!(to_come.chunks == 1 && to_come.unknown_chunks > 10, "{to_come:?}");
    // The word that it was whole outlives the process, and a pull that begins anew.
    store.mark_whole(&held.collection, VERSION).unwrap();
    drop(store);
    let store = open(dir.path());
    store.save_release(&held).unwrap();
    let (found, lost) = survey_of(&store);
    assert_eq!((found.lost().count(), lost.len(), found.is_healthy()), (1, 1, false));
    // Nothing is noted of a version that is not held.
    store.mark_whole(&held.collection, 9).unwrap();
    assert_eq!(survey_of(&store).0.versions, 1);
}

#[test]
fn a_release_file_that_says_nothing_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let held = packed(&store);
    store.save_release(&held).unwrap();
    store.save_draft(&HeldRelease { version: 4, ..held }).unwrap();
    for path in ["releases/bj4/shui/3.release", "drafts/bj4/shui/4.release"] {
        fs::write(dir.path().join(path), "?").unwrap();
    }
    let (found, _) = survey_of(&store);
    assert_eq!((found.versions, found.unreadable.len(), found.is_healthy()), (0, 2, false));
}
