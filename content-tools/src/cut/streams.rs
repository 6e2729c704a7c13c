//! Cutting a file that is taken apart into streams, while it is read once, from front to back.
//!
//! What must stay true: a stream's boundaries depend on its own bytes only, whatever stands between them in the file; bytes
//! that the plan does not know (the file has grown since) go to stream 0, and the packer notices. Memory: less than one
//! longest chunk per stream, and [`INPUT_BYTES`].

use super::{Block, Cut, fill, first_chunk_len};
use karez_protocol::content::cut_profile::CutProfile;
use karez_protocol::content::recipe::{Extent, STREAMS_MAX};
use std::io::{self, Read};

/// Bytes per read: as large as the reads of plain cutting, so that disks see the same pattern.
const INPUT_BYTES: usize = 512 << 10;

/// Cuts streams.
#[derive(Debug)]
pub(super) struct StreamCutter {
    profile: CutProfile,
    extents: std::vec::IntoIter<Extent>,
    /// What is left of the extent that the next byte belongs to.
    current: Extent,
    input: Vec<u8>,
    at_end: bool,
    /// Bytes of each stream that are not cut yet.
    pending: Vec<Vec<u8>>,
    /// Streams whose last chunks are out, once the file has ended.
    flushed: usize,
}

impl StreamCutter {
    pub(super) fn new(profile: CutProfile, extents: Vec<Extent>) -> Self {
        let current = Extent { stream: 0, len: 0 };
        let pending = vec![Vec::new(); STREAMS_MAX];
        Self { profile, extents: extents.into_iter(), current, input: Vec::new(), at_end: false, pending, flushed: 0 }
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
                self.current = self.extents.next().unwrap_or(Extent { stream: 0, len: u64::MAX });
                continue;
            }
            let len = self.current.len.min((filled - at) as u64) as usize;
            self.pending[usize::from(self.current.stream)].extend_from_slice(&self.input[at..at + len]);
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
        while start < pending.len() && (at_end || pending.len() - start >= self.profile.max as usize) {
            start += first_chunk_len(&self.profile, &pending[start..]);
            block.chunks.push(Cut { stream: stream as u8, end: block.bytes.len() + start });
        }
        if start > 0 {
            block.bytes.extend_from_slice(&pending[..start]);
            pending.drain(..start);
        }
    }
}
