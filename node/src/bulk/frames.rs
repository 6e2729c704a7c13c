//! What a lane sends at a time: as many chunks of one kind as leave in a few milliseconds, so that a fast lane is not a matter of how
//! fast threads wake each other, and a slow one holds no more than a chunk that something urgent would have to wait for.

use crate::limits::Flow;
use bytes::Bytes;
use karez_protocol::content::hash::ReleaseId;
use karez_protocol::wire::frame::FRAME_HEADER_BYTES;
use karez_protocol::wire::peer::Urgency;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What left sooner than this may be more the next time, and what took longer than that is less.
const SOON: Duration = Duration::from_millis(1);
pub(super) const LATE: Duration = Duration::from_millis(4);
/// The most to read and send at once.
const BYTES_MAX: usize = 256 << 10;

/// Chunks ready to be written: of one release, for one peer, equally urgent.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) urgency: Urgency,
    pub(super) release: ReleaseId,
    /// Bytes of the chunks.
    pub(super) bytes: u64,
    pieces: VecDeque<Bytes>,
    left: usize,
}

impl Frame {
    pub(super) fn new(urgency: Urgency, release: ReleaseId) -> Self {
        Self { urgency, release, bytes: 0, pieces: VecDeque::new(), left: 0 }
    }

    /// One chunk more.
    pub(super) fn push(&mut self, header: [u8; FRAME_HEADER_BYTES], stored: Bytes) {
        self.bytes += stored.len() as u64;
        self.left += header.len() + stored.len();
        self.pieces.extend([Bytes::copy_from_slice(&header), stored]);
    }

    pub(super) fn flow(&self) -> Flow {
        Flow { urgency: self.urgency, release: Some(self.release) }
    }

    /// Bytes with headers that were not taken.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Takes so many bytes off its front.
    pub(super) fn take(&mut self, bytes: usize) -> Vec<Bytes> {
        let (mut taken, mut missing) = (Vec::new(), bytes.min(self.left));
        self.left -= missing;
        while let Some(first) = self.pieces.front_mut().filter(|_| missing > 0) {
            let piece = first.split_to(first.len().min(missing));
            missing -= piece.len();
            if first.is_empty() {
                self.pieces.pop_front();
            }
            taken.push(piece);
        }
        taken
    }
}

/// How much to read for a lane at a time.
#[derive(Debug)]
pub(super) struct Helping(AtomicUsize);

impl Helping {
    /// Of a lane of which nothing is known: a chunk.
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// So many bytes took so long to leave.
    pub(super) fn took(&self, bytes: u64, time: Duration) {
        let held = self.bytes();
        let next = match time {
            _ if time > LATE => held / 2,
            _ if time < SOON => (held + bytes as usize).min(BYTES_MAX),
            _ => held,
        };
        self.0.store(next, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_in_pieces_of_any_length() {
        for step in [1, 43, 44, 45, 500, 10_000] {
            let mut frame = Frame::new(Urgency::Import, ReleaseId::from_bytes([8; 32]));
            for len in [0, 1, 700] {
                frame.push([len as u8; FRAME_HEADER_BYTES], vec![7; len].into());
            }
            assert_eq!((frame.bytes, frame.left()), (701, 701 + 3 * FRAME_HEADER_BYTES));
            let mut bytes = Vec::new();
            while frame.left() > 0 {
                let taken = frame.take(step);
                assert!(taken.iter().map(Bytes::len).sum::<usize>() <= step);
                taken.iter().for_each(|piece| bytes.extend_from_slice(piece));
            }
            assert_eq!(bytes.len(), 701 + 3 * FRAME_HEADER_BYTES);
            assert_eq!((bytes[44], bytes[88], bytes[89], bytes[133]), (1, 7, 700_usize as u8, 7));
        }
    }

    #[test]
    fn a_fast_lane_is_helped_to_more_and_a_slow_one_to_a_chunk() {
        let helping = Helping::new();
        (0..20).for_each(|_| helping.took(20_000, SOON / 2));
        assert_eq!(helping.bytes(), BYTES_MAX);
        helping.took(BYTES_MAX as u64, SOON);
        assert_eq!(helping.bytes(), BYTES_MAX);
        (0..20).for_each(|_| helping.took(20_000, LATE * 2));
        assert_eq!(helping.bytes(), 0);
    }
}
