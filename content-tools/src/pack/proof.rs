//! The packer's check that a file which is taken apart comes together again, bit for bit, before its recipe is accepted.
//!
//! What must stay true: both halves together say that the pages rebuild the file as it was read.
//!
//! 1. The chunks have the file's bytes: the CRC-32 of the file as the system handed it out is the CRC-32 of the sealed chunks'
//!    bytes put where their ranges say. A CRC is linear, so the pieces are added in any order, by any thread.
//! 2. The pages put every byte where it was: [`Mapping`], a sum over which byte of which chunk stands where in the file,
//!    is the same over the chunks' ranges and over the recipes as a reader will read them.
//!
//! Rejected: reading the file or the chunks a second time (half the speed), and trusting the plan (a planner and a cutter
//! that err together make a file nobody can rebuild).

use crate::cut::{Block, FileRange};
use crc32fast::Hasher;
use karez_protocol::content::chunk::ChunkEntry;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::recipe::RowSlice;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::io::{self, Read};

/// Reads a file and keeps the CRC-32 of what has been read.
#[derive(Debug)]
pub(super) struct Tap<R> {
    source: R,
    crc: Option<Hasher>,
}

impl<R: Read> Tap<R> {
    /// Keeps the CRC when it is wanted.
    pub(super) fn new(source: R, wanted: bool) -> Self {
        Self { source, crc: wanted.then(Hasher::new) }
    }

    /// CRC-32 of all that was read.
    pub(super) fn crc(self) -> Option<u32> {
        self.crc.map(Hasher::finalize)
    }
}

impl<R: Read> Read for &mut Tap<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        if let Some(crc) = &mut self.crc {
            crc.update(&buffer[..read]);
        }
        Ok(read)
    }
}

/// What a block's bytes add to the CRC-32 of a file of a size.
pub(super) fn share(block: &Block, file_size: u64) -> u32 {
    block.chunks().fold(0, |sum, chunk| {
        let mut plain = chunk.plain;
        chunk.ranges.iter().fold(sum, |sum, range| {
            let (piece, rest) = plain.split_at(range.len as usize);
            plain = rest;
            // A range behind the end: the file has grown, and is read again.
            sum ^ followed_by(crc32fast::hash(piece), file_size.saturating_sub(range.offset + range.len))
        })
    })
}

/// The part of `crc` in the CRC of its bytes with `len` others behind them.
fn followed_by(crc: u32, len: u64) -> u32 {
    let mut hasher = Hasher::new_with_initial_len(crc, 0);
    hasher.combine(&Hasher::new_with_initial_len(0, len));
    hasher.finalize()
}

/// Which byte of which chunk stands where in a file, as a sum: in whatever order and pieces it is added, it is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mapping(u64);

impl Mapping {
    /// Adds a chunk that was gathered from ranges of the file.
    pub(super) fn add_chunk(&mut self, id: &ChunkId, ranges: &[FileRange]) {
        ranges.iter().fold(0, |start, range| {
            self.add(id, start, *range);
            start + range.len
        });
    }

    /// Adds a part, given as slices one behind the other from an offset of the file on.
    pub(super) fn add_part(&mut self, slices: &[RowSlice], table: &[ChunkEntry], offset: u64) {
        slices.iter().fold(offset, |offset, slice| {
            let len = u64::from(slice.len);
            self.add(&table[slice.row as usize].id, u64::from(slice.start), FileRange { offset, len });
            offset + len
        });
    }

    /// The two ends of a piece of a chunk: between them the distance of chunk and file stays the same, so where a piece is
    /// split the ends that meet cancel.
    fn add(&mut self, id: &ChunkId, start: u64, range: FileRange) {
        let distance = range.offset.wrapping_sub(start);
        let end = |at: u64| {
            let mut hasher = DefaultHasher::new();
            (id.as_bytes(), distance, at).hash(&mut hasher);
            hasher.finish()
        };
        self.0 = self.0.wrapping_add(end(range.offset + range.len)).wrapping_sub(end(range.offset));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cut::{Cutter, Plan};
    use karez_protocol::content::cut_profile::TEXT;
    use karez_protocol::content::recipe::Extent;

    fn noise(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    fn shares(bytes: &[u8], plan: Plan, size: u64) -> (u32, u32) {
        let mut tap = Tap::new(bytes, true);
        let (mut cutter, mut block, mut sum) = (Cutter::new(&mut tap, TEXT, plan), Block::default(), 0);
        while cutter.next_block(&mut block).unwrap() {
            sum ^= share(&block, size);
        }
        (tap.crc().unwrap(), sum)
    }

    #[test]
    fn pieces_in_any_order_add_up_to_the_file() {
        let bytes = noise(1_000_000);
        let extent = |stream, len| Extent { stream, len };
        let turns: Vec<_> = (0..100).flat_map(|n| [extent(0, 1 + n), extent(1, 7000), extent(2, 900)]).collect();
        for plan in [Plan::plain(), Plan::Streams { extents: turns.into() }] {
            let (read, sum) = shares(&bytes, plan.clone(), bytes.len() as u64);
            assert_eq!((read, sum), (crc32fast::hash(&bytes), read));
            let (read, sum) = shares(&bytes, plan, bytes.len() as u64 + 1);
            assert_ne!(read, sum, "of another size");
        }
    }

    #[test]
    fn a_mapping_does_not_depend_on_pieces_but_on_places() {
        let (a, b) = (ChunkId::of(b"a"), ChunkId::of(b"b"));
        let of = |pieces: &[(&ChunkId, u64, u64, u64)]| {
            let mut mapping = Mapping::default();
            pieces.iter().for_each(|(id, start, offset, len)| {
                mapping.add(id, *start, FileRange { offset: *offset, len: *len });
            });
            mapping
        };
        let whole = of(&[(&a, 0, 0, 10), (&b, 0, 10, 5), (&a, 10, 15, 5)]);
        assert_eq!(whole, of(&[(&a, 12, 17, 3), (&b, 0, 10, 5), (&a, 0, 0, 4), (&a, 4, 4, 6), (&a, 10, 15, 2)]));
        for other in [
            of(&[(&a, 0, 0, 10), (&b, 0, 10, 5), (&a, 10, 15, 4)]),
            of(&[(&b, 0, 0, 10), (&b, 0, 10, 5), (&a, 10, 15, 5)]),
            of(&[(&a, 0, 0, 10), (&b, 1, 10, 5), (&a, 10, 15, 5)]),
            of(&[(&a, 0, 0, 10), (&a, 10, 10, 5), (&b, 0, 15, 5)]),
        ] {
            assert_ne!(whole, other);
        }
    }
}
