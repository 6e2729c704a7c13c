//! Content-defined cutting: where a stream of bytes becomes chunks.
//!
//! What must stay true: boundaries depend on the bytes and the profile only, never on how the bytes arrived, and they are
//! protocol (`docs/formats/cut-profile.md`, golden vectors in the tests). Memory is one [`Block`], and for a container
//! that is taken apart less than one longest chunk per stream. A [`Plan`] says what the container's structure adds.
//!
//! A chunk of length L ends at the smallest L with min <= L <= max where the gear hash of its last 64 bytes has zeros
//! under the mask (strict below `normal`, loose from there on), at `max`, or at the end of the stream. 64 bytes, because
//! older ones have left a 64-bit gear hash; so the hash starts 64 bytes before `min` and a boundary found there does not
//! depend on where the chunk began. Rejected: starting the hash at `min` itself (FastCDC's habit), which makes the first
//! 64 candidates depend on the chunk's start and delays the return to old boundaries after an edit.

mod dicom;
mod fallback;
mod mkv;
mod mp4;
mod plan;
mod samples;
mod streams;
mod window;
mod zip;

pub use fallback::Fallback;
pub use plan::{Container, Plan, Planned, plan};
pub use window::ReadAt;

use karez_protocol::content::cut_profile::{CutProfile, gear_table};
use std::io::{self, ErrorKind, Read};
use std::sync::LazyLock;
use streams::StreamCutter;

/// Bytes a gear hash of 64 bits remembers.
const WINDOW: usize = 64;

static GEAR: LazyLock<[u64; 256]> = LazyLock::new(gear_table);

/// Length of the first chunk of `bytes`, which must hold `profile.max` bytes or reach to the end of the stream.
pub fn first_chunk_len(profile: &CutProfile, bytes: &[u8]) -> usize {
    let end = bytes.len().min(profile.max as usize);
    let min = profile.min as usize;
    if end <= min {
        return end;
    }
    let normal = end.min(profile.normal as usize);
    // The last of these bytes is the last byte of a chunk of `min` bytes.
    let mut hash = bytes[min - WINDOW..min].iter().fold(0, |hash, byte| step(hash, *byte));
    if let Some(at) = boundary(&mut hash, &bytes[min..normal], profile.mask_strict) {
        return min + at;
    }
    boundary(&mut hash, &bytes[normal..end], profile.mask_loose).map_or(end, |at| normal + at)
}

fn step(hash: u64, byte: u8) -> u64 {
    (hash << 1).wrapping_add(GEAR[usize::from(byte)])
}

/// How many of some bytes go into the hash until it has zeros under a mask; none when it has them already.
///
/// Four bytes at a time: the hash behind them is made of the hash before them and a sum that does not depend on it, so that
/// the processor works on the next four while it still compares.
fn boundary(hash: &mut u64, bytes: &[u8], mask: u64) -> Option<usize> {
    let gear: &[u64; 256] = &GEAR;
    let (fours, rest) = bytes.as_chunks::<4>();
    for (at, four) in fours.iter().enumerate() {
        let [a, b, c, d] = four.map(|byte| gear[usize::from(byte)]);
        let first = *hash;
        let second = (first << 1).wrapping_add(a);
        let third = (second << 1).wrapping_add(b);
        let fourth = (third << 1).wrapping_add(c);
        let sum = (a << 3).wrapping_add(b << 2).wrapping_add(c << 1).wrapping_add(d);
        *hash = (first << 4).wrapping_add(sum);
        let found = [first, second, third, fourth].iter().position(|hash| hash & mask == 0);
        if let Some(found) = found {
            return Some(4 * at + found);
        }
    }
    for (at, byte) in rest.iter().enumerate() {
        if *hash & mask == 0 {
            return Some(4 * fours.len() + at);
        }
        *hash = step(*hash, *byte);
    }
    None
}

/// Consecutive bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileRange {
    /// Offset of the first one.
    pub offset: u64,
    /// Bytes; never zero.
    pub len: u64,
}

/// A chunk of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Number of its stream; 0 unless the plan takes the file apart.
    pub stream: u8,
    /// Its bytes.
    pub plain: &'a [u8],
    /// Where they stand in the file, in ascending order, no two of them adjacent.
    pub ranges: &'a [FileRange],
}

/// Some chunks, in the order in which they were finished. Reused from call to call, so cutting allocates nothing.
#[derive(Debug, Default)]
pub struct Block {
    bytes: Vec<u8>,
    ranges: Vec<FileRange>,
    chunks: Vec<Cut>,
}

/// Where a chunk ends inside a block.
#[derive(Debug, Clone, Copy)]
struct Cut {
    stream: u8,
    end: usize,
    ranges_end: usize,
}

impl Block {
    /// The chunks in order.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk<'_>> {
        let starts = std::iter::once((0, 0)).chain(self.chunks.iter().map(|cut| (cut.end, cut.ranges_end)));
        starts.zip(&self.chunks).map(|((start, ranges), cut)| Chunk {
            stream: cut.stream,
            plain: &self.bytes[start..cut.end],
            ranges: &self.ranges[ranges..cut.ranges_end],
        })
    }

    /// Bytes of all its chunks.
    pub fn len(&self) -> usize {
        self.chunks.last().map_or(0, |cut| cut.end)
    }

    /// Whether it holds no chunk.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    fn clear(&mut self) {
        self.chunks.clear();
        self.ranges.clear();
    }

    /// Notes a chunk whose bytes and ranges are in place.
    fn push(&mut self, stream: u8, end: usize) {
        self.chunks.push(Cut { stream, end, ranges_end: self.ranges.len() });
    }
}

/// Cuts a file, read once from its first to its last byte, into blocks of chunks.
#[derive(Debug)]
pub struct Cutter<R> {
    source: R,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Linear(LinearCutter),
    Streams(StreamCutter),
}

impl<R: Read> Cutter<R> {
    /// A cutter over a file that is cut by a plan made for it.
    pub fn new(source: R, profile: CutProfile, plan: Plan) -> Self {
        let inner = match plan {
            Plan::Linear { cuts } => Inner::Linear(LinearCutter::new(profile, cuts)),
            Plan::Streams { extents } => Inner::Streams(StreamCutter::new(profile, extents)),
        };
        Self { source, inner }
    }

    /// Replaces the contents of `block` by the next chunks; false when the file has ended.
    pub fn next_block(&mut self, block: &mut Block) -> io::Result<bool> {
        block.clear();
        match &mut self.inner {
            Inner::Linear(cutter) => cutter.next_block(&mut self.source, block),
            Inner::Streams(cutter) => cutter.next_block(&mut self.source, block),
        }
    }
}

/// Cuts in file order.
#[derive(Debug)]
struct LinearCutter {
    profile: CutProfile,
    /// Where chunks must end, in file order.
    cuts: std::iter::Peekable<std::vec::IntoIter<u64>>,
    /// Offset in the file of the first byte of `rest`.
    offset: u64,
    /// Bytes read and not cut yet: less than `profile.max`.
    rest: Vec<u8>,
    at_end: bool,
}

impl LinearCutter {
    /// Bytes of a block: large reads, few bytes carried from block to block, few wake-ups of other threads.
    const BLOCK_BYTES: usize = 1 << 20;
    /// At least so many longest chunks, whatever the profile.
    const BLOCK_CHUNKS: usize = 4;

    fn new(profile: CutProfile, cuts: Vec<u64>) -> Self {
        Self { profile, cuts: cuts.into_iter().peekable(), offset: 0, rest: Vec::new(), at_end: false }
    }

    fn next_block(&mut self, source: &mut impl Read, block: &mut Block) -> io::Result<bool> {
        let capacity = Self::BLOCK_BYTES.max(self.profile.max as usize * Self::BLOCK_CHUNKS);
        block.bytes.resize(capacity, 0);
        let carried = self.rest.len();
        block.bytes[..carried].copy_from_slice(&self.rest);
        self.rest.clear();
        let filled = fill(source, &mut block.bytes, carried, &mut self.at_end)?;
        let mut start = 0;
        while start < filled && (self.at_end || filled - start >= self.profile.max as usize) {
            let forced = self.next_cut(start);
            let len = first_chunk_len(&self.profile, &block.bytes[start..filled.min(forced)]);
            block.ranges.push(FileRange { offset: self.offset + start as u64, len: len as u64 });
            start += len;
            block.push(0, start);
        }
        self.offset += start as u64;
        self.rest.extend_from_slice(&block.bytes[start..filled]);
        Ok(!block.chunks.is_empty())
    }

    /// The first forced cut behind `start`, both counted from the block's first byte.
    fn next_cut(&mut self, start: usize) -> usize {
        let at = self.offset + start as u64;
        while self.cuts.next_if(|cut| *cut <= at).is_some() {}
        self.cuts.peek().map_or(usize::MAX, |cut| (cut - self.offset) as usize)
    }
}

/// Reads until `buffer` is full or the source ends; returns the bytes it holds then.
fn fill(source: &mut impl Read, buffer: &mut [u8], mut filled: usize, at_end: &mut bool) -> io::Result<usize> {
    while filled < buffer.len() && !*at_end {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => *at_end = true,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests;
