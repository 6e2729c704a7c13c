//! Chunk frames: a fixed header and the stored bytes, on one-way streams of the bulk lane.
//!
//! Layout, little-endian: release id (32), chunk index (4), stored length (4), codec (1), three zero bytes. 44 bytes.

use super::WireError;
use crate::content::chunk::{ChunkIndex, Codec, PLAIN_BYTES_MAX};
use crate::content::hash::ReleaseId;

/// Bytes of a frame header.
pub const FRAME_HEADER_BYTES: usize = 44;

/// What stands before a chunk's stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// The release asked for.
    pub release: ReleaseId,
    /// The chunk asked for.
    pub chunk: ChunkIndex,
    /// Bytes that follow.
    pub stored_len: u32,
    /// How they are encoded.
    pub codec: Codec,
}

impl FrameHeader {
    /// The header's bytes.
    pub fn to_bytes(self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[..32].copy_from_slice(self.release.as_bytes());
        bytes[32..36].copy_from_slice(&self.chunk.0.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.stored_len.to_le_bytes());
        bytes[40] = self.codec.number();
        bytes
    }

    /// Reads an untrusted header.
    pub fn from_bytes(bytes: &[u8; FRAME_HEADER_BYTES]) -> Result<Self, WireError> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let stored_len = word(36);
        if stored_len > PLAIN_BYTES_MAX {
            return Err(WireError::TooLong { found: stored_len as usize, limit: PLAIN_BYTES_MAX as usize });
        }
        let mut release = [0; 32];
        release.copy_from_slice(&bytes[..32]);
        let codec = Codec::from_number(bytes[40]).ok_or(WireError::Malformed)?;
        Ok(Self { release: ReleaseId::from_bytes(release), chunk: ChunkIndex(word(32)), stored_len, codec })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses_what_is_out_of_bounds() {
        let header = FrameHeader {
            release: ReleaseId::from_bytes([8; 32]),
            chunk: ChunkIndex(77),
            stored_len: 9,
            codec: Codec::Zstd,
        };
        let bytes = header.to_bytes();
        assert_eq!(FrameHeader::from_bytes(&bytes), Ok(header));
        let mut long = bytes;
        long[39] = 0xff;
        assert!(matches!(FrameHeader::from_bytes(&long), Err(WireError::TooLong { .. })));
        let mut codec = bytes;
        codec[40] = 9;
        assert_eq!(FrameHeader::from_bytes(&codec), Err(WireError::Malformed));
    }
}
