//! Cutting a file that is taken apart into streams, while it is read once, from front to back.
//!
//! What must stay true: a stream's boundaries depend on its own bytes only, whatever stands between them in the file; bytes
//! that the plan does not know (the file has grown since) go to stream 0, and the packer notices. Memory: less than one
//! longest chunk per stream with its ranges in the file, and [`INPUT_BYTES`].

use super::{Block, FileRange, fill, first_chunk_len};
use karez_protocol::content::cut_profile::CutProfile;
use karez_protocol::content::recipe::{Extent, STREAMS_MAX};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

/// Bytes per read: as large as the reads of plain cutting, so that disks see the same pattern.
const INPUT_BYTES: usize = 512 << 10;

/// Cuts streams.
#[derive(Debug)]
pub(super) struct StreamCutter {
    profile: CutProfile,
    extents: Arc<[Extent]>,
    /// Number of the extent behind the current one.
    next: usize,
    /// What is left of the extent that the next byte belongs to.
    current: Extent,
    /// Offset in the file of the next byte.
    offset: u64,
    input: Vec<u8>,
    at_end: bool,
    /// Bytes of each stream that are not cut yet.
    pending: Vec<Pending>,
    /// Streams whose last chunks are out, once the file has ended.
    flushed: usize,
}

/// Bytes of a stream that are not cut yet, and where they stand in the file.
#[derive(Debug, Clone, Default)]
struct Pending {
    bytes: Vec<u8>,
    ranges: VecDeque<FileRange>,
}

impl Pending {
    fn extend(&mut self, bytes: &[u8], offset: u64) {
        self.bytes.extend_from_slice(bytes);
        match self.ranges.back_mut() {
            Some(last) if last.offset + last.len == offset => last.len += bytes.len() as u64,
            _ => self.ranges.push_back(FileRange { offset, len: bytes.len() as u64 }),
        }
    }

    /// Moves the ranges of the first bytes.
    fn take_ranges(&mut self, mut bytes: u64, out: &mut Vec<FileRange>) {
        while let Some(first) = self.ranges.front_mut().filter(|_| bytes > 0) {
            let len = first.len.min(bytes);
            out.push(FileRange { offset: first.offset, len });
            *first = FileRange { offset: first.offset + len, len: first.len - len };
            bytes -= len;
            if first.len == 0 {
                self.ranges.pop_front();
            }
        }
    }
}

impl StreamCutter {
    pub(super) fn new(profile: CutProfile, extents: Arc<[Extent]>) -> Self {
        let (current, pending) = (Extent { stream: 0, len: 0 }, vec![Pending::default(); STREAMS_MAX]);
        let (next, offset, input, at_end, flushed) = (0, 0, Vec::new(), false, 0);
        Self { profile, extents, next, current, offset, input, at_end, pending, flushed }
    }

    pub(super) fn next_block(&mut self, source: &mut impl Read, block: &mut Block) -> io::Result<bool> {
        block.bytes.clear();
        while block.is_empty() && !self.at_end {
            self.input.resize(INPUT_BYTES, 0);
            let filled = fill(source, &mut self.input, 0, &mut self.at_end)?;
            self.distribute(filled, block);
        }
        while block.is_empty() && self.flushed < self.pending.len() {
            self.cut(self.flushed, true, block);
            self.flushed += 1;
        }
        Ok(!block.is_empty())
    }

    /// Hands the first bytes of the input to their streams and cuts what is long enough.
    fn distribute(&mut self, filled: usize, block: &mut Block) {
        let mut at = 0;
        while at < filled {
            if self.current.len == 0 {
                self.current = self.extents.get(self.next).copied().unwrap_or(Extent { stream: 0, len: u64::MAX });
                self.next += 1;
                continue;
            }
            let len = self.current.len.min((filled - at) as u64) as usize;
            self.pending[usize::from(self.current.stream)].extend(&self.input[at..at + len], self.offset);
            self.offset += len as u64;
            self.current.len -= len as u64;
            at += len;
        }
        for stream in 0..self.pending.len() {
            self.cut(stream, false, block);
        }
    }

    /// Moves whole chunks of a stream into the block; at its end also the last one.
    fn cut(&mut self, stream: usize, at_end: bool, block: &mut Block) {
        let pending = &mut self.pending[stream];
        let mut start = 0;
        while start < pending.bytes.len() && (at_end || pending.bytes.len() - start >= self.profile.max as usize) {
            let len = first_chunk_len(&self.profile, &pending.bytes[start..]);
            pending.take_ranges(len as u64, &mut block.ranges);
            block.bytes.extend_from_slice(&pending.bytes[start..start + len]);
            start += len;
            block.push(stream as u8, block.bytes.len());
        }
        pending.bytes.drain(..start);
    }
}
