//! Records: the chunk protocol on one byte stream, for when the bulk lane's QUIC gets no answer.
//!
//! A record is its kind (1 byte), the length of its body (4 bytes, little-endian) and the body. Messages are the bodies
//! that the message stream carries; chunk frames are cut into pieces, so that something more urgent goes in between. A
//! piece holds bytes of one frame only.

use super::WireError;
use super::peer::{MESSAGE_BYTES_MAX, Urgency};

/// Protocol name for libp2p.
pub const LANE_PROTOCOL: &str = "/karez/lane/1";
/// Bytes of a record's header.
pub const RECORD_HEADER_BYTES: usize = 5;
/// Largest piece of a chunk frame: at 1 Mbit/s something more urgent waits 0.13 s for it.
pub const PIECE_BYTES_MAX: usize = 16 << 10;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// A message.
    Message,
    /// Part of a chunk frame of this urgency.
    Piece(Urgency),
    /// The sender is there; no body.
    Alive,
    /// The sender goes; the body is a close code of the bulk lane, little-endian.
    Close,
}

/// What stands before a record's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader {
    /// What it is.
    pub kind: RecordKind,
    /// Bytes that follow.
    pub len: u32,
}

impl RecordHeader {
    /// The header's bytes.
    pub fn to_bytes(self) -> [u8; RECORD_HEADER_BYTES] {
        let kind = match self.kind {
            RecordKind::Message => 0,
            RecordKind::Piece(urgency) => 1 + urgency as u8,
            RecordKind::Alive => 4,
            RecordKind::Close => 5,
        };
        let [a, b, c, d] = self.len.to_le_bytes();
        [kind, a, b, c, d]
    }

    /// Reads an untrusted header; what is longer than its kind may be is refused.
    pub fn from_bytes(bytes: [u8; RECORD_HEADER_BYTES]) -> Result<Self, WireError> {
        let [kind, a, b, c, d] = bytes;
        let len = u32::from_le_bytes([a, b, c, d]);
        let (kind, limit) = match kind {
            0 => (RecordKind::Message, MESSAGE_BYTES_MAX),
            1 => (RecordKind::Piece(Urgency::Play), PIECE_BYTES_MAX),
            2 => (RecordKind::Piece(Urgency::Import), PIECE_BYTES_MAX),
            3 => (RecordKind::Piece(Urgency::Background), PIECE_BYTES_MAX),
            4 => (RecordKind::Alive, 0),
            5 => (RecordKind::Close, 4),
            _ => return Err(WireError::Malformed),
        };
        if len as usize > limit {
            return Err(WireError::TooLong { found: len as usize, limit });
        }
        Ok(Self { kind, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses_what_is_out_of_bounds() {
        let pieces = [Urgency::Play, Urgency::Import, Urgency::Background].map(RecordKind::Piece);
        for kind in [RecordKind::Message, RecordKind::Alive, RecordKind::Close].into_iter().chain(pieces) {
            let header = RecordHeader { kind, len: 0 };
            assert_eq!(RecordHeader::from_bytes(header.to_bytes()), Ok(header));
        }
        let long = RecordHeader { kind: RecordKind::Piece(Urgency::Play), len: PIECE_BYTES_MAX as u32 + 1 };
        assert!(matches!(RecordHeader::from_bytes(long.to_bytes()), Err(WireError::TooLong { .. })));
        assert_eq!(RecordHeader::from_bytes([9, 0, 0, 0, 0]), Err(WireError::Malformed));
    }
}
