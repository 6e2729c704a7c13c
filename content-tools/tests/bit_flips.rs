//! Random bits flipped in live records, headers included: scrub or a reader finds each, nothing wrong is served meanwhile,
//! and the right chunk repairs it. Then bits of what stands beside the records: segment headers, the index, release files.
//! The full number: `KAREZ_FLIPS=1000 cargo test -p karez-content-tools --test bit_flips -- --nocapture`.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "powercut/seeded.rs"]
mod seeded;

use karez_content_tools::store::{HeldRelease, ScrubCursor, Store, StoreError, StoreOptions};
use karez_content_tools::verify::{VerifiedChunk, seal};
use karez_protocol::content::hash::ChunkId;
use seeded::Seeded;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const CHUNKS: u32 = 60;
const RELEASES: u64 = 5;
/// A record's header and a segment's: where the harness expects records, independent of the store's index.
const RECORD_HEADER_LEN: u64 = 72;
const SEGMENT_HEADER_LEN: u64 = 32;

fn plain(n: u32) -> Vec<u8> {
    let mut bytes = vec![0; 200 + n as usize * 97 % 1500];
    blake3::Hasher::new().update(&n.to_le_bytes()).finalize_xof().fill(&mut bytes);
    if n.is_multiple_of(3) { format!("page {n} of the book of canals\n").repeat(40).into_bytes() } else { bytes }
}

fn chunk(n: u32) -> VerifiedChunk {
    seal(&plain(n), true).unwrap()
}

struct Bench {
    dir: tempfile::TempDir,
    store: Store,
    /// Where the newest record of each chunk stands.
    live: Vec<(PathBuf, Range<u64>)>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions { segment_bytes: 12_000, ..StoreOptions::default() };
        let store = Store::open(dir.path(), options).unwrap();
        let mut bench = Self { dir, store, live: vec![(PathBuf::new(), 0..0); CHUNKS as usize] };
        (0..CHUNKS).for_each(|n| bench.put(n));
        bench.store.sync().unwrap();
        bench
    }

    fn segments(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir.path().join("segments")).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    fn put(&mut self, n: u32) {
        let chunk = chunk(n);
        assert!(self.store.put(&chunk).unwrap());
        let file = self.segments().pop().unwrap();
        let end = fs::metadata(&file).unwrap().len();
        self.live[n as usize] = (file, end - RECORD_HEADER_LEN - chunk.stored().len() as u64..end);
    }

    /// Flips a bit of a live record, each bit of all of them as likely; returns its chunk, and whether it hit the header.
    fn flip(&self, random: &mut Seeded) -> (u32, bool) {
        let bytes: u64 = self.live.iter().map(|(_, range)| range.end - range.start).sum();
        let mut at = random.below(bytes);
        for (n, (path, range)) in (0..).zip(&self.live) {
            let len = range.end - range.start;
            if at < len {
                flip_bit(path, range.start + at, random);
                return (n, at < RECORD_HEADER_LEN);
            }
            at -= len;
        }
        unreachable!("the place is inside one of the records")
    }

    fn scrub(&self) -> Vec<ChunkId> {
        let (mut cursor, mut damaged) = (ScrubCursor::default(), Vec::new());
        loop {
            let step = self.store.scrub(&mut cursor, 16).unwrap();
            damaged.extend(step.damaged);
            if step.done {
                return damaged;
            }
        }
    }

    /// Reads everything as a peer and a player would: right, or refused.
    fn read(&self) -> Vec<ChunkId> {
        let mut damaged = Vec::new();
        for n in 0..CHUNKS {
            let id = chunk(n).id();
            match self.store.read_stored(&id) {
                Ok(Some(stored)) => assert_eq!(stored.bytes, chunk(n).stored(), "chunk {n}"),
                Err(StoreError::Damaged { chunk, .. }) => damaged.push(chunk),
                other => panic!("chunk {n}: {other:?}"),
            }
            if let Ok(Some(read)) = self.store.read_plain(&id) {
                assert_eq!(read, plain(n), "chunk {n}");
            }
        }
        damaged
    }
}

fn flip_bit(path: &Path, at: u64, random: &mut Seeded) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << random.below(8))], at).unwrap();
}

fn flips() -> u64 {
    std::env::var("KAREZ_FLIPS").map_or(150, |flips| flips.parse().unwrap())
}

#[test]
fn flipped_bits_are_found_refused_and_repaired() {
    let mut bench = Bench::new();
    let (mut by_scrub, mut in_headers) = (0, 0);
    for seed in 0..flips() {
        let (hit, in_header) = bench.flip(&mut Seeded::new(seed));
        let found = if seed % 2 == 0 { bench.scrub() } else { bench.read() };
        assert_eq!(found, [chunk(hit).id()], "seed {seed}");
        by_scrub += u64::from(seed % 2 == 0);
        in_headers += u64::from(in_header);
        bench.put(hit);
        bench.store.sync().unwrap();
        assert!(bench.read().is_empty(), "seed {seed}");
    }
    println!(
        "{} flips in live records ({in_headers} in headers), {by_scrub} found by scrub and the others by a reader, all repaired",
        flips()
    );
    assert_eq!(bench.store.stats().chunks, u64::from(CHUNKS));
}

fn open(dir: &Path) -> Store {
    Store::open(dir, StoreOptions { segment_bytes: 12_000, ..StoreOptions::default() }).unwrap()
}

fn release(version: u64) -> HeldRelease {
    let (signed, root) = (plain(version as u32 + 1), plain(version as u32 + 2));
    HeldRelease { collection: "bj4/shui".parse().unwrap(), version, signed, root, whole: false }
}

/// Chunks that are not read whole; what is read is right. `None` when the index was found damaged on the way.
fn lacking(store: &Store) -> Option<Vec<u32>> {
    let mut lacking = Vec::new();
    for n in 0..CHUNKS {
        match store.read_plain(&chunk(n).id()) {
            Ok(Some(read)) => assert_eq!(read, plain(n), "chunk {n}"),
            Ok(None) | Err(StoreError::Damaged { .. }) => lacking.push(n),
            Err(StoreError::Index(_)) => return None,
            Err(error) => panic!("chunk {n}: {error}"),
        }
    }
    Some(lacking)
}

/// Opens by itself; a damaged index is rebuilt when the store is opened once more.
fn opened(dir: &Path) -> (Store, Vec<u32>) {
    for _ in 0..2 {
        let store = open(dir);
        if let Some(lacking) = lacking(&store) {
            return (store, lacking);
        }
    }
    panic!("the index stays damaged");
}

/// A segment's header is only asked whether more may be appended: with it damaged nothing is lost, with and without index.
fn check_segment_header(dir: &Path, seed: u64, random: &mut Seeded) {
    let count = fs::read_dir(dir.join("segments")).unwrap().count() as u64;
    let path = dir.join(format!("segments/{:08}.kseg", 1 + random.below(count)));
    let before = fs::read(&path).unwrap();
    flip_bit(&path, random.below(SEGMENT_HEADER_LEN), random);
    if seed.is_multiple_of(2) {
        fs::remove_file(dir.join("index.sqlite")).unwrap();
    }
    let (store, lacking) = opened(dir);
    assert!(lacking.is_empty(), "seed {seed}: {lacking:?}");
    store.put(&seal(&seed.to_le_bytes(), false).unwrap()).unwrap();
    drop(store);
    let after = fs::read(&path).unwrap();
    assert_eq!(after.len(), before.len(), "seed {seed}: appended to a segment with a damaged header");
    fs::write(&path, before).unwrap();
}

/// Whatever the index says, no wrong byte is served, and what it lost can be stored again. Whether it was noticed.
fn check_index(dir: &Path, seed: u64, random: &mut Seeded) -> bool {
    let path = dir.join("index.sqlite");
    flip_bit(&path, random.below(fs::metadata(&path).unwrap().len()), random);
    let (store, lacking) = opened(dir);
    lacking.iter().for_each(|n| assert!(store.put(&chunk(*n)).is_ok(), "seed {seed}"));
    store.sync().unwrap();
    drop(store);
    let (_, still) = opened(dir);
    assert!(still.is_empty(), "seed {seed}: {still:?}");
    !lacking.is_empty()
}

fn check_release(dir: &Path, seed: u64, random: &mut Seeded) {
    let version = random.below(RELEASES);
    let path = dir.join(format!("releases/bj4/shui/{version}.release"));
    flip_bit(&path, random.below(fs::metadata(&path).unwrap().len()), random);
    let (store, _) = opened(dir);
    let others: Vec<_> = (0..RELEASES).filter(|other| *other != version).map(release).collect();
    assert_eq!(store.releases().unwrap(), others, "seed {seed}: a damaged release is left out, and no other");
    assert!(store.gc_plan().is_err(), "seed {seed}: with an unreadable release nothing is garbage");
    store.save_release(&release(version)).unwrap();
    assert_eq!(store.releases().unwrap().len() as u64, RELEASES);
}

#[test]
fn flips_beside_the_records_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    (0..CHUNKS).for_each(|n| assert!(store.put(&chunk(n)).unwrap()));
    (0..RELEASES).for_each(|version| store.save_release(&release(version)).unwrap());
    drop(store);
    let (flips, mut lost) = (flips() / 3, 0);
    for seed in 0..flips {
        let random = &mut Seeded::new(!seed);
        check_segment_header(dir.path(), seed, random);
        lost += u64::from(check_index(dir.path(), seed, random));
        check_release(dir.path(), seed, random);
    }
    println!(
        "{flips} flips each in segment headers, index and releases: 0 wrong; {lost} of the index lost chunks until stored again"
    );
}
