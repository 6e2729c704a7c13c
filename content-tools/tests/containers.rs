//! Containers: the corpus of files made by us is planned as expected, and no damage to it can break a planner.
//!
//! The mutations are seeded: a failure names the file and the seed, and the same seed makes the same bytes. Run longer by
//! `KAREZ_FUZZ_SECONDS=600 cargo test -p karez-content-tools --test containers mutated -- --nocapture`.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use karez_content_tools::cut::{Block, Cutter, Plan, ReadAt, plan};
use karez_protocol::content::cut_profile::TEXT;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// From this size on films are taken apart; those of the corpus are padded to it, so that they can stay small.
const STREAMS_MIN: usize = 1 << 20;

fn corpus(folder: &str) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|path| (path.file_name().unwrap().to_str().unwrap().into(), fs::read(path).unwrap())).collect()
}

/// A film padded to a size at which recipes pay: a `free` box, or a Void element.
fn padded(folder: &str, mut bytes: Vec<u8>) -> Vec<u8> {
    let pad = STREAMS_MIN as u32;
    match folder {
        "mp4" => bytes.extend([&(pad + 8).to_be_bytes(), b"free".as_slice()].concat()),
        "mkv" => bytes.extend([&[0xec, 0x10 | (pad >> 24) as u8], &pad.to_be_bytes()[1..]].concat()),
        _ => return bytes,
    }
    bytes.resize(bytes.len() + STREAMS_MIN, 0);
    bytes
}

/// Cuts by the plan and puts the file together again from its streams; returns the plan's name and reason.
fn round_trip(bytes: &[u8]) -> (&'static str, Option<&'static str>) {
    let file: &InMemory = &InMemory(bytes);
    let planned = plan(file, bytes.len() as u64, &TEXT);
    let named = (planned.name(), planned.fallback.map(|reason| reason.name()));
    let (mut cutter, mut block) = (Cutter::new(bytes, TEXT, planned.plan.clone()), Block::default());
    let mut streams = vec![Vec::new(); 16];
    while cutter.next_block(&mut block).unwrap() {
        for chunk in block.chunks() {
            streams[usize::from(chunk.stream)].extend_from_slice(chunk.plain);
        }
    }
    match planned.plan {
        Plan::Linear { .. } => assert!(streams[0] == bytes),
        Plan::Streams { extents } => {
            let (mut at, mut rebuilt) = ([0; 16], Vec::new());
            for extent in extents.iter() {
                let (from, stream) = (at[usize::from(extent.stream)], usize::from(extent.stream));
                at[stream] = from + extent.len as usize;
                rebuilt.extend_from_slice(&streams[stream][from..at[stream]]);
            }
            assert!(rebuilt == bytes);
        }
    }
    named
}

struct InMemory<'a>(&'a [u8]);

impl ReadAt for InMemory<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
}

#[test]
fn the_corpus_is_planned() {
    for (folder, expected) in [("mp4", "streams"), ("mkv", "streams"), ("zip", "linear"), ("dicom", "linear")] {
        for (name, bytes) in corpus(folder) {
            assert_eq!(round_trip(&padded(folder, bytes)), (expected, None), "{name}");
        }
    }
}

#[test]
fn what_is_cut_short_falls_back() {
    for folder in ["mp4", "mkv", "zip", "dicom"] {
        for (name, bytes) in corpus(folder) {
            let short = &bytes[..bytes.len() * 2 / 3];
            let (plan, reason) = round_trip(short);
            assert!(plan == "plain" && reason.is_some(), "{name}: {plan} {reason:?}");
        }
    }
}

/// A small generator, so that a seed means the same bytes everywhere (SplitMix64, Steele et al. 2014).
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Flips, overwrites with telling numbers, removes, repeats.
fn mutate(bytes: &mut Vec<u8>, random: &mut Seeded) {
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(64)).min(bytes.len());
        match random.below(5) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes[at..end.min(at + 8)].fill([0, 0xff, 0x7f, 0x80][random.below(4)]),
            3 if bytes.len() > 200 => drop(bytes.drain(at..end)),
            _ => {
                let copied = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copied);
            }
        }
    }
}

/// Damaged files are planned quickly and always rebuilt bit-exactly.
#[test]
fn mutated_files_neither_break_nor_delay() {
    let seconds = std::env::var("KAREZ_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    for folder in ["mp4", "mkv", "zip", "dicom"] {
        let files = corpus(folder);
        let (begin, mut seed) = (Instant::now(), 0);
        let goes_on = |seed| match seconds {
            Some(seconds) => begin.elapsed() < Duration::from_secs(seconds),
            None => seed < 100,
        };
        while goes_on(seed) {
            let mut random = Seeded(seed);
            let (name, bytes) = &files[random.below(files.len())];
            let mut bytes = bytes.clone();
            mutate(&mut bytes, &mut random);
            let bytes = padded(folder, bytes);
            let before = Instant::now();
            let result = std::panic::catch_unwind(|| round_trip(&bytes));
            assert!(result.is_ok(), "{folder}/{name} with seed {seed}");
            if before.elapsed() > Duration::from_secs(2) {
                eprintln!("slow: {folder}/{name} with seed {seed}: {:?}", before.elapsed());
            }
            seed += 1;
        }
        println!("{folder}: {seed} mutations in {:?}", begin.elapsed());
    }
}
