//! Golden vectors of docs/formats/cut-profile.md, and that boundaries depend on bytes only.

use super::*;
use karez_protocol::content::cut_profile::{MEDIA, PROFILES, TEXT};
use karez_protocol::content::recipe::Extent;
use proptest::prelude::*;

/// `len` bytes of BLAKE3 XOF over `seed`.
fn noise(seed: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn cut(source: impl Read, profile: CutProfile) -> Vec<usize> {
    let (mut cutter, mut block, mut lens) = (Cutter::new(source, profile, Plan::plain()), Block::default(), Vec::new());
    while cutter.next_block(&mut block).unwrap() {
        lens.extend(block.chunks().map(|chunk| chunk.plain.len()));
    }
    lens
}

/// BLAKE3 over the lengths as little-endian u32, one behind the other.
fn digest(lens: &[usize]) -> String {
    let mut hasher = blake3::Hasher::new();
    lens.iter().for_each(|len| {
        hasher.update(&(*len as u32).to_le_bytes());
    });
    hasher.finalize().to_hex()[..32].to_owned()
}

/// If one of these fails, boundaries have changed and nothing deduplicates against what is published: do not adjust the
/// numbers, add a profile.
#[test]
fn golden() {
    let inputs =
        [("noise", noise("karez cut vector", 8 << 20)), ("zeros", vec![0; 1 << 20]), ("short", noise("short", 5000))];
    let mut found = Vec::new();
    for profile in PROFILES {
        for (name, input) in &inputs {
            let lens = cut(input.as_slice(), profile);
            assert_eq!(lens.iter().sum::<usize>(), input.len());
            found.push(format!(
                "{} {name} {} {:?} {}",
                profile.name,
                lens.len(),
                &lens[..lens.len().min(3)],
                digest(&lens)
            ));
        }
    }
    assert_eq!(found, GOLDEN);
}

const GOLDEN: [&str; 12] = [
    "media-64k noise 115 [71672, 92011, 69442] cc6ac9bda1b37e5491cd67f398919034",
    "media-64k zeros 4 [262144, 262144, 262144] 9d6f6b02d9994e95ae7be370d47286ac",
    "media-64k short 1 [5000] 5eb67103bd06641b395a65084e0eea7e",
    "text-16k noise 450 [18419, 24015, 17773] fb9c48dedafc57e5063a001c94a8fd38",
    "text-16k zeros 16 [65536, 65536, 65536] 1f1d588baf41d379e65b633e2edcdaef",
    "text-16k short 1 [5000] 5eb67103bd06641b395a65084e0eea7e",
    "media-16k noise 427 [18419, 34833, 18420] 199e7a80780aef94b85173680735532b",
    "media-16k zeros 16 [65536, 65536, 65536] 1f1d588baf41d379e65b633e2edcdaef",
    "media-16k short 1 [5000] 5eb67103bd06641b395a65084e0eea7e",
    "text-8k noise 907 [8315, 10104, 8633] 6721b2cd80bedafcbe908e8a4090991a",
    "text-8k zeros 32 [32768, 32768, 32768] d1788c9dcefab3c035219594e90adfc1",
    "text-8k short 1 [5000] 5eb67103bd06641b395a65084e0eea7e",
];

#[test]
fn the_gear_table_is_frozen() {
    let table = gear_table();
    assert_eq!((table[0], table[1], table[255]), (0x7f9e_63fc_6e41_f478, 0x322e_4f8b_1295_fb37, 0xd6c1_4379_7e3e_10f0));
}

/// Hands out bytes in pieces of the lengths given, over and over.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: Vec<usize>,
    turn: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[self.turn % self.sizes.len()].min(buffer.len()).min(self.bytes.len());
        self.turn += 1;
        if self.turn % 7 == 3 {
            return Err(ErrorKind::Interrupted.into());
        }
        let (piece, rest) = self.bytes.split_at(size);
        buffer[..size].copy_from_slice(piece);
        self.bytes = rest;
        Ok(size)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn read_sizes_do_not_matter(
        sizes in proptest::collection::vec(1usize..100_000, 1..6),
        len in 0usize..900_000,
        seed in 0u32..1000,
    ) {
        let bytes = noise(&seed.to_string(), len);
        for profile in PROFILES {
            let pieces = Pieces { bytes: &bytes, sizes: sizes.clone(), turn: 0 };
            prop_assert_eq!(cut(pieces, profile), cut(bytes.as_slice(), profile));
        }
    }

    #[test]
    fn lengths_keep_their_limits(len in 0usize..900_000, seed in 0u32..1000, repeat in 1usize..5000) {
        let bytes: Vec<u8> = noise(&seed.to_string(), repeat).into_iter().cycle().take(len).collect();
        for profile in PROFILES {
            let lens = cut(bytes.as_slice(), profile);
            prop_assert_eq!(lens.iter().sum::<usize>(), len);
            prop_assert!(lens.iter().all(|len| (1..=profile.max as usize).contains(len)));
            let all_but_last = lens.split_last().map_or(&[][..], |(_, rest)| rest);
            prop_assert!(all_but_last.iter().all(|len| *len >= profile.min as usize));
        }
    }
}

/// The claim of the module: whether a place is a boundary candidate depends on the 64 bytes before it.
#[test]
fn a_slow_reference_agrees() {
    let gear = gear_table();
    let bytes = noise("reference", 2 << 20);
    for profile in PROFILES {
        let mut lens = Vec::new();
        let mut start = 0;
        while start < bytes.len() {
            let rest = &bytes[start..];
            let ends = |len: &usize| {
                let window = &rest[len - 64..*len];
                let hash = window.iter().fold(0u64, |h, b| (h << 1).wrapping_add(gear[*b as usize]));
                let mask = if *len < profile.normal as usize { profile.mask_strict } else { profile.mask_loose };
                hash & mask == 0
            };
            let last = rest.len().min(profile.max as usize);
            let len = (profile.min as usize..last).find(ends).unwrap_or(last);
            lens.push(len);
            start += len;
        }
        assert_eq!(lens, cut(bytes.as_slice(), profile));
    }
}

#[test]
fn an_insertion_moves_few_boundaries() {
    let old = noise("insertion", 8 << 20);
    let mut new = old.clone();
    new.splice(3_000_000..3_000_000, *b"one more sentence");
    for (profile, limit) in [(MEDIA, 4), (TEXT, 4)] {
        let ids = |bytes: &[u8]| {
            let (mut at, mut ids) = (0, std::collections::BTreeSet::new());
            for len in cut(bytes, profile) {
                ids.insert(*blake3::hash(&bytes[at..at + len]).as_bytes());
                at += len;
            }
            ids
        };
        let (before, after) = (ids(&old), ids(&new));
        assert!(after.difference(&before).count() <= limit, "{}", profile.name);
    }
}

/// Chunks of each stream, joined, and their lengths.
fn cut_by(bytes: &[u8], plan: Plan) -> Vec<(Vec<u8>, Vec<usize>)> {
    let (mut cutter, mut block) = (Cutter::new(bytes, MEDIA, plan), Block::default());
    let mut streams = vec![(Vec::new(), Vec::new()); 16];
    while cutter.next_block(&mut block).unwrap() {
        for Chunk { stream, plain, ranges } in block.chunks() {
            streams[usize::from(stream)].0.extend_from_slice(plain);
            streams[usize::from(stream)].1.push(plain.len());
            let at = |range: &FileRange| &bytes[range.offset as usize..(range.offset + range.len) as usize];
            assert!(ranges.iter().map(at).collect::<Vec<_>>().concat() == plain, "its ranges are its bytes");
            assert!(ranges.windows(2).all(|pair| pair[0].offset + pair[0].len < pair[1].offset));
        }
    }
    streams
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// Each stream is cut as if it were a file of its own, however it is interleaved.
    #[test]
    fn streams_are_cut_as_files_of_their_own(
        extents in prop::collection::vec((0u8..16, 1u64..300_000), 1..30),
        seed in 0u32..1000,
        more in 0usize..100_000,
    ) {
        let extents: Vec<Extent> = extents.into_iter().map(|(stream, len)| Extent { stream, len }).collect();
        let total: u64 = extents.iter().map(|extent| extent.len).sum();
        let bytes = noise(&seed.to_string(), total as usize + more);
        let mut expected = vec![Vec::new(); 16];
        let mut at = 0;
        for extent in &extents {
            expected[usize::from(extent.stream)].extend_from_slice(&bytes[at..at + extent.len as usize]);
            at += extent.len as usize;
        }
        expected[0].extend_from_slice(&bytes[at..]);
        for ((joined, lens), expected) in cut_by(&bytes, Plan::Streams { extents: extents.into() }).iter().zip(&expected) {
            prop_assert_eq!(joined, expected);
            prop_assert_eq!(lens, &cut(expected.as_slice(), MEDIA));
        }
    }

    /// A forced cut ends one stream and begins the next.
    #[test]
    fn forced_cuts_are_ends(cuts in prop::collection::btree_set(0u64..4_000_000, 0..12), seed in 0u32..1000) {
        let bytes = noise(&seed.to_string(), 3_500_000);
        let plan = Plan::Linear { cuts: cuts.iter().copied().collect() };
        let (joined, lens) = cut_by(&bytes, plan).swap_remove(0);
        prop_assert_eq!(&joined, &bytes);
        let mut ends: Vec<usize> = cuts.iter().map(|cut| (*cut as usize).min(bytes.len())).collect();
        ends.push(bytes.len());
        let (mut start, mut expected) = (0, Vec::new());
        for end in ends {
            expected.extend(cut(&bytes[start..end], MEDIA));
            start = end;
        }
        prop_assert_eq!(lens, expected);
    }
}
