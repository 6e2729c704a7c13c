//! Content-defined cutting: where a stream of bytes becomes chunks.
//!
//! What must stay true: boundaries depend on the bytes and the profile only, never on how the bytes arrived, and they are
//! protocol (`docs/formats/cut-profile.md`, golden vectors in the tests). Memory is one [`Block`].
//!
//! A chunk of length L ends at the smallest L with min <= L <= max where the gear hash of its last 64 bytes has zeros
//! under the mask (strict below `normal`, loose from there on), at `max`, or at the end of the stream. 64 bytes, because
//! older ones have left a 64-bit gear hash; so the hash starts 64 bytes before `min` and a boundary found there does not
//! depend on where the chunk began. Rejected: starting the hash at `min` itself (FastCDC's habit), which makes the first
//! 64 candidates depend on the chunk's start and delays the return to old boundaries after an edit.

use karez_protocol::content::cut_profile::{CutProfile, gear_table};
use std::io::{self, ErrorKind, Read};
use std::sync::LazyLock;

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
    let gear: &[u64; 256] = &GEAR;
    let step = |hash: u64, byte: u8| (hash << 1).wrapping_add(gear[byte as usize]);
    // The last of these bytes is the last byte of a chunk of `min` bytes.
    let mut hash = bytes[min - WINDOW..min].iter().fold(0, |hash, byte| step(hash, *byte));
    let mut len = min;
    for byte in &bytes[min..normal] {
        if hash & profile.mask_strict == 0 {
            return len;
        }
        hash = step(hash, *byte);
        len += 1;
    }
    for byte in &bytes[normal..end] {
        if hash & profile.mask_loose == 0 {
            return len;
        }
        hash = step(hash, *byte);
        len += 1;
    }
    end
}

/// Some consecutive chunks of a stream. Reused from call to call, so cutting allocates nothing.
#[derive(Debug, Default)]
pub struct Block {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Block {
    /// The chunks in order.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    /// Bytes of all its chunks.
    pub fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Whether it holds no chunk.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// Cuts a stream into blocks of chunks.
#[derive(Debug)]
pub struct Cutter<R> {
    source: R,
    profile: CutProfile,
    /// Bytes read and not cut yet: less than `profile.max`.
    rest: Vec<u8>,
    at_end: bool,
}

impl<R: Read> Cutter<R> {
    /// Blocks hold this many longest chunks: large reads, and few bytes carried from block to block.
    pub const BLOCK_CHUNKS: usize = 4;

    /// A cutter over a stream.
    pub fn new(source: R, profile: CutProfile) -> Self {
        Self { source, profile, rest: Vec::new(), at_end: false }
    }

    /// Replaces the contents of `block` by the next chunks; false when the stream has ended.
    pub fn next_block(&mut self, block: &mut Block) -> io::Result<bool> {
        block.ends.clear();
        let capacity = self.profile.max as usize * Self::BLOCK_CHUNKS;
        block.bytes.resize(capacity, 0);
        let carried = self.rest.len();
        block.bytes[..carried].copy_from_slice(&self.rest);
        self.rest.clear();
        let filled = self.fill(&mut block.bytes, carried)?;
        let mut start = 0;
        while start < filled && (self.at_end || filled - start >= self.profile.max as usize) {
            start += first_chunk_len(&self.profile, &block.bytes[start..filled]);
            block.ends.push(start);
        }
        self.rest.extend_from_slice(&block.bytes[start..filled]);
        Ok(!block.ends.is_empty())
    }

    /// Reads until `buffer` is full or the stream ends; returns the bytes it holds then.
    fn fill(&mut self, buffer: &mut [u8], mut filled: usize) -> io::Result<usize> {
        while filled < buffer.len() && !self.at_end {
            match self.source.read(&mut buffer[filled..]) {
                Ok(0) => self.at_end = true,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests;
