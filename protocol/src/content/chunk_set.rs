//! Sets of chunk indexes: have-maps, compact in memory and on the wire (Roaring portable format).

use super::chunk::ChunkIndex;
use roaring::RoaringBitmap;

/// A set of chunk indexes of one manifest.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChunkSet(RoaringBitmap);

impl ChunkSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// All of `0..count`.
    pub fn full(count: u32) -> Self {
        let mut set = RoaringBitmap::new();
        set.insert_range(0..count);
        Self(set)
    }

    /// Adds a chunk; false when it was there.
    pub fn insert(&mut self, chunk: ChunkIndex) -> bool {
        self.0.insert(chunk.0)
    }

    /// Removes a chunk; false when it was not there.
    pub fn remove(&mut self, chunk: ChunkIndex) -> bool {
        self.0.remove(chunk.0)
    }

    /// Whether the chunk is in the set.
    pub fn contains(&self, chunk: ChunkIndex) -> bool {
        self.0.contains(chunk.0)
    }

    /// Number of chunks in the set.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The chunks in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = ChunkIndex> + '_ {
        self.0.iter().map(ChunkIndex)
    }

    /// Chunks in `self` that are not in `other`.
    pub fn difference(&self, other: &Self) -> Self {
        Self(&self.0 - &other.0)
    }

    /// Adds all chunks of `other`.
    pub fn extend_from(&mut self, other: &Self) {
        self.0 |= &other.0;
    }

    /// Number of chunks of the set among these.
    pub fn count_in(&self, chunks: std::ops::Range<u32>) -> u64 {
        self.0.range_cardinality(chunks)
    }

    /// Whether a chunk among these is in `self` and not in `other`.
    pub fn exceeds_in(&self, other: &Self, chunks: std::ops::Range<u32>) -> bool {
        self.0.range(chunks).any(|chunk| !other.0.contains(chunk))
    }

    /// Drops every index at or above `count`: what a peer claims beyond the manifest is not there.
    pub fn truncate(&mut self, count: u32) {
        self.0.remove_range(count..);
    }

    /// Encodes the set.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut set = self.0.clone();
        set.optimize();
        let mut bytes = Vec::with_capacity(set.serialized_size());
        set.serialize_into(&mut bytes).expect("writing into memory cannot fail");
        bytes
    }

    /// Decodes an untrusted set; the caller has capped the length of `bytes`.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let set = RoaringBitmap::deserialize_from(&mut rest).ok()?;
        rest.is_empty().then_some(Self(set))
    }
}

impl FromIterator<ChunkIndex> for ChunkSet {
    fn from_iter<I: IntoIterator<Item = ChunkIndex>>(chunks: I) -> Self {
        Self(chunks.into_iter().map(|c| c.0).collect())
    }
}

impl<C> minicbor::Encode<C> for ChunkSet {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.to_bytes())?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for ChunkSet {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::from_bytes(d.bytes()?).ok_or_else(|| minicbor::decode::Error::message("malformed chunk set"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips(chunks in proptest::collection::btree_set(any::<u32>(), 0..500)) {
            let set: ChunkSet = chunks.iter().copied().map(ChunkIndex).collect();
            prop_assert_eq!(ChunkSet::from_bytes(&set.to_bytes()), Some(set));
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(mut set) = ChunkSet::from_bytes(&bytes) {
                set.truncate(100);
                prop_assert!(set.len() <= 100);
            }
        }
    }

    #[test]
    fn full_map_of_a_terabyte_is_small() {
        assert!(ChunkSet::full(20_000_000).to_bytes().len() < 8 * 1024);
    }
}
