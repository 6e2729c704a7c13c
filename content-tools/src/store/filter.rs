//! A filter over the ids in the index: it answers "new" from memory, so that an ingest of new material asks no disk.
//!
//! What must stay true: an id that was inserted is always found; one that was not is found about once in a hundred times
//! and then costs a lookup. Ids that left the index stay in: nothing but such a lookup depends on it.
//!
//! A blocked Bloom filter (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters, 2007): all bits of an
//! id lie in one cache line. It grows by layers, each as large as all before, so that growing never reads the index again.
//! Ids are hashes already; their bits are used as they are. Who makes chunks whose ids collide here slows lookups of his
//! own chunks down and gains nothing.

use karez_protocol::content::hash::ChunkId;

/// 12 bits per id: 30 MB for 20 million, and one lookup in a hundred in vain.
const BITS_PER_ID: usize = 12;
const BLOCK_WORDS: usize = 8;
const BLOCK_BITS: usize = BLOCK_WORDS * 64;
/// 7 bits of 9 in a word each: close to the best number for 12 bits per id in blocks.
const PROBES: u32 = 7;
/// Ids of the smallest layer: 96 KiB, what a village library never outgrows.
const IDS_MIN: usize = 64 << 10;

/// A set of ids without false negatives.
#[derive(Debug)]
pub(super) struct Filter {
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    blocks: Vec<[u64; BLOCK_WORDS]>,
    ids: usize,
    ids_max: usize,
}

impl Filter {
    /// An empty filter with room for so many ids before it grows.
    pub(super) fn with_room(ids: usize) -> Self {
        Self { layers: vec![Layer::with_room(ids)] }
    }

    pub(super) fn insert(&mut self, prefix: u64) {
        if self.contains(prefix) {
            return;
        }
        let all: usize = self.layers.iter().map(|layer| layer.ids_max).sum();
        if self.layers.last().is_none_or(|layer| layer.ids >= layer.ids_max) {
            self.layers.push(Layer::with_room(all));
        }
        let newest = self.layers.last_mut().expect("a layer was pushed if there was none");
        newest.ids += 1;
        let block = newest.block_of(prefix);
        for (word, bit) in bits(prefix) {
            newest.blocks[block][word] |= bit;
        }
    }

    pub(super) fn contains(&self, prefix: u64) -> bool {
        self.layers.iter().rev().any(|layer| {
            let block = &layer.blocks[layer.block_of(prefix)];
            bits(prefix).all(|(word, bit)| block[word] & bit != 0)
        })
    }
}

impl Layer {
    fn with_room(ids: usize) -> Self {
        let ids_max = ids.max(IDS_MIN);
        let blocks = (ids_max * BITS_PER_ID).div_ceil(BLOCK_BITS);
        Self { blocks: vec![[0; BLOCK_WORDS]; blocks], ids: 0, ids_max }
    }

    /// Multiply and shift instead of a remainder: uses the high bits of the mixed prefix.
    fn block_of(&self, prefix: u64) -> usize {
        ((u128::from(mixed(prefix)) * self.blocks.len() as u128) >> 64) as usize
    }
}

/// The bits of an id in its block, as word and mask: 9 bits of the prefix each.
fn bits(prefix: u64) -> impl Iterator<Item = (usize, u64)> {
    (0..PROBES).map(move |probe| {
        let at = (prefix >> (probe * 9)) as usize % BLOCK_BITS;
        (at / 64, 1 << (at % 64))
    })
}

/// Spreads a prefix (a step of SplitMix64), so that its block says nothing about its bits.
fn mixed(prefix: u64) -> u64 {
    let z = (prefix ^ (prefix >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

/// The first 8 bytes of an id, big-endian, so that prefixes sort as ids do.
pub(super) fn prefix(id: &ChunkId) -> u64 {
    u64::from_be_bytes(*id.as_bytes().first_chunk().expect("an id has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nth(n: u64) -> u64 {
        prefix(&ChunkId::of(&n.to_le_bytes()))
    }

    /// Within its room and far beyond it: never a false "new", and few in vain.
    #[test]
    fn finds_all_and_little_else() {
        for ids in [1000, 60_000, 400_000] {
            let mut filter = Filter::with_room(0);
            (0..ids).for_each(|n| filter.insert(nth(n)));
            assert!((0..ids).all(|n| filter.contains(nth(n))));
            let vain = (ids..ids + 100_000).filter(|n| filter.contains(nth(*n))).count();
            assert!(vain < 4000, "{vain} of 100 000 with {ids} ids");
        }
    }
}
