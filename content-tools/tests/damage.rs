//! What people and disks do to a store's folder: it opens, serves nothing wrong, and takes the lost chunks again.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use karez_content_tools::store::{Store, StoreError, StoreOptions};
use karez_content_tools::verify::{VerifiedChunk, seal};
use rustix::fs::{Mode, mkfifoat};
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const CHUNKS: Range<u32> = 0..40;

fn chunk(n: u32) -> VerifiedChunk {
    let mut bytes = vec![0; 400 + n as usize * 97 % 1500];
    blake3::Hasher::new().update(&n.to_le_bytes()).finalize_xof().fill(&mut bytes);
    seal(&bytes, false).unwrap()
}

fn open(dir: &Path) -> Store {
    Store::open(dir, StoreOptions { segment_bytes: 10_000, ..StoreOptions::default() }).unwrap()
}

fn filled(numbers: Range<u32>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    numbers.for_each(|n| assert!(store.put(&chunk(n)).unwrap()));
    dir
}

fn segment(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("segments/{number:08}.kseg"))
}

fn writable(path: &Path) -> File {
    File::options().write(true).open(path).unwrap()
}

/// Chunks that are read whole; the others are missing or refused.
fn held(store: &Store) -> usize {
    let whole = |n: &u32| match store.read_plain(&chunk(*n).id()) {
        Ok(Some(plain)) => {
            assert_eq!(plain, chunk(*n).stored(), "chunk {n}");
            true
        }
        Ok(None) | Err(StoreError::Damaged { .. }) => false,
        Err(error) => panic!("chunk {n}: {error}"),
    };
    CHUNKS.filter(whole).count()
}

/// With and without the index: the damage leaves `kept` chunks, and afterwards everything can be stored again.
fn check(name: &str, kept: Range<usize>, damage: impl Fn(&Path)) {
    for without_index in [false, true] {
        let dir = filled(CHUNKS);
        damage(dir.path());
        if without_index {
            fs::remove_file(dir.path().join("index.sqlite")).unwrap();
        }
        let store = open(dir.path());
        let left = held(&store);
        assert!(kept.contains(&left), "{name}: {left} of {}, without index: {without_index}", CHUNKS.len());
        for n in CHUNKS {
            store.put(&chunk(n)).unwrap();
        }
        assert_eq!(held(&store), CHUNKS.len(), "{name}");
        drop(store);
        assert_eq!(held(&open(dir.path())), CHUNKS.len(), "{name}, opened again");
    }
}

/// Puts something that is no file in the place of a file: opening a pipe for reading waits for somebody to write to it.
fn put(other: &str, path: &Path) {
    let _ = fs::remove_file(path);
    match other {
        "pipe" => mkfifoat(rustix::fs::CWD, path, Mode::RUSR | Mode::WUSR).unwrap(),
        "socket" => drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
        "folder" => fs::create_dir(path).unwrap(),
        _ => std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
    }
}

#[test]
fn what_is_no_file_counts_as_lost() {
    let all = CHUNKS.len();
    for other in ["pipe", "socket", "folder", "device"] {
        check(&format!("{other} as segment"), all / 2..all, |dir| put(other, &segment(dir, 2)));
        check(&format!("{other} as last segment"), all / 2..all, |dir| {
            let last = (1..).take_while(|n| segment(dir, *n).exists()).last().unwrap();
            put(other, &segment(dir, last));
        });
        let dir = filled(CHUNKS);
        for name in ["index.sqlite", "index.sqlite-wal", "pins", "quota", "scrub"] {
            put(other, &dir.path().join(name));
        }
        for folder in ["releases", "drafts"] {
            fs::create_dir_all(dir.path().join(folder).join("bj4/shui")).unwrap();
            put(other, &dir.path().join(folder).join("bj4/shui/1.release"));
        }
        let store = open(dir.path());
        assert_eq!((held(&store), store.quota()), (all, None), "{other}");
        assert!(store.releases().unwrap().is_empty() && store.drafts().unwrap().is_empty());
        assert_eq!(store.damaged_releases().unwrap().len(), 2, "{other}");
        store.noted_scrub().unwrap();
        assert!(matches!(store.pins(), Err(StoreError::DamagedPins { .. })), "{other}");
        assert!(store.gc_plan().is_err(), "{other}: what is pinned is not known");
        drop(store);
        put(other, &dir.path().join("lock"));
        let refused = Store::open(dir.path(), StoreOptions::default()).unwrap_err().to_string();
        assert!(refused.contains("/lock: it is not a file but a"), "{refused}");
    }
}

#[test]
fn any_damage_opens_and_is_mended() {
    let all = CHUNKS.len();
    check("nothing", all..all + 1, |_| {});
    check("truncated", all / 2..all, |dir| writable(&segment(dir, 2)).set_len(3_000).unwrap());
    check("zero length", all / 2..all, |dir| writable(&segment(dir, 2)).set_len(0).unwrap());
    check("last of zero length", all / 2..all, |dir| {
        let last = (1..).take_while(|n| segment(dir, *n).exists()).last().unwrap();
        writable(&segment(dir, last)).set_len(0).unwrap();
    });
    check("gone", all / 2..all, |dir| fs::remove_file(segment(dir, 2)).unwrap());
    check("header overwritten", all..all + 1, |dir| writable(&segment(dir, 2)).write_all_at(&[7; 32], 0).unwrap());
    check("record overwritten", all - 3..all, |dir| writable(&segment(dir, 2)).write_all_at(&[7; 90], 3_000).unwrap());
    check("two segments swapped", all / 3..all, |dir| {
        fs::rename(segment(dir, 1), dir.join("aside")).unwrap();
        fs::rename(segment(dir, 2), segment(dir, 1)).unwrap();
        fs::rename(dir.join("aside"), segment(dir, 2)).unwrap();
    });
    check("all segments gone", 0..1, |dir| fs::remove_dir_all(dir.join("segments")).unwrap());
    check("folder of another store", 0..1, |dir| {
        let other = filled(1000..1040);
        fs::remove_dir_all(dir.join("segments")).unwrap();
        fs::create_dir(dir.join("segments")).unwrap();
        for entry in fs::read_dir(other.path().join("segments")).unwrap() {
            let from = entry.unwrap();
            fs::copy(from.path(), dir.join("segments").join(from.file_name())).unwrap();
        }
    });
}
