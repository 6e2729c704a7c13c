//! Random bits flipped anywhere in segment files: scrub finds each that hits a live record, nothing wrong is served
//! meanwhile, and the right chunk repairs it. The full number: `KAREZ_FLIPS=1000 cargo test -p karez-content-tools --test
//! bit_flips`.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "powercut/seeded.rs"]
mod seeded;

use karez_content_tools::store::{ScrubCursor, Store, StoreError, StoreOptions};
use karez_content_tools::verify::{VerifiedChunk, seal};
use karez_protocol::content::hash::ChunkId;
use seeded::Seeded;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

const CHUNKS: u32 = 60;
/// A record's header and a segment's: where the harness expects records, independent of the store's index.
const RECORD_HEADER_LEN: u64 = 72;

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

    /// Flips a bit; returns the chunk whose live record it hit.
    fn flip(&self, random: &mut Seeded) -> Option<u32> {
        let segments = self.segments();
        let path = &segments[random.below(segments.len() as u64) as usize];
        let file = File::options().read(true).write(true).open(path).unwrap();
        let at = random.below(file.metadata().unwrap().len());
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ (1 << random.below(8))], at).unwrap();
        (0..CHUNKS).find(|n| self.live[*n as usize].0 == *path && self.live[*n as usize].1.contains(&at))
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

#[test]
fn flipped_bits_are_found_refused_and_repaired() {
    let flips: u64 = std::env::var("KAREZ_FLIPS").map_or(150, |flips| flips.parse().unwrap());
    let mut bench = Bench::new();
    let mut hits = 0;
    for seed in 0..flips {
        let hit = bench.flip(&mut Seeded::new(seed));
        let expected: Vec<_> = hit.iter().map(|n| chunk(*n).id()).collect();
        let found = if seed % 2 == 0 { bench.scrub() } else { bench.read() };
        assert_eq!(found, expected, "seed {seed}");
        hit.into_iter().for_each(|n| bench.put(n));
        hits += expected.len();
        bench.store.sync().unwrap();
        assert!(bench.read().is_empty(), "seed {seed}");
    }
    println!("{flips} flips, {hits} in live records, all found and repaired");
    assert_eq!(bench.store.stats().chunks, u64::from(CHUNKS));
    assert!(hits > 0);
}
