//! A chunk as a manifest names it, and the encodings its bytes may travel and rest in.

use super::hash::ChunkId;
use minicbor::{Decode, Encode};

/// Largest plaintext of any chunk, manifest pages included, in bytes.
pub const PLAIN_BYTES_MAX: u32 = 1 << 20;

/// Number of a chunk in the chunk space of one manifest: pages first, then each page's chunks, see `layout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkIndex(pub u32);

/// How the stored bytes of a chunk relate to its plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Stored bytes are the plaintext.
    Raw,
    /// One zstd frame (RFC 8878).
    Zstd,
}

impl Codec {
    /// The number in wire and disk formats.
    pub const fn number(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::Zstd => 1,
        }
    }

    /// The codec of a number, if it is known.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Raw),
            1 => Some(Self::Zstd),
            _ => None,
        }
    }
}

impl<C> Encode<C> for Codec {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u8(self.number())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Codec {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::from_number(d.u8()?).ok_or_else(|| minicbor::decode::Error::message("unknown chunk codec"))
    }
}

/// First 16 bytes of BLAKE3 over the stored bytes: checked before any decoder sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct StoredCheck(#[cbor(with = "minicbor::bytes")] pub [u8; 16]);

impl StoredCheck {
    /// The check of some stored bytes.
    pub fn of(stored: &[u8]) -> Self {
        let mut first = [0; 16];
        first.copy_from_slice(&blake3::hash(stored).as_bytes()[..16]);
        Self(first)
    }
}

/// One row of a manifest's chunk table (CBOR array: id, codec, plain length, stored length, check).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ChunkEntry {
    /// BLAKE3-256 of the plaintext.
    #[n(0)]
    pub id: ChunkId,
    /// Encoding the publisher stored the chunk in.
    #[n(1)]
    pub codec: Codec,
    /// Plaintext bytes.
    #[n(2)]
    pub plain_len: u32,
    /// Stored bytes, which is what travels.
    #[n(3)]
    pub stored_len: u32,
    /// Check of the stored bytes.
    #[n(4)]
    pub check: StoredCheck,
}

impl ChunkEntry {
    /// Whether the lengths are within bounds and agree with the codec.
    pub fn is_consistent(&self) -> bool {
        self.plain_len > 0
            && self.plain_len <= PLAIN_BYTES_MAX
            && match self.codec {
                Codec::Raw => self.stored_len == self.plain_len,
                Codec::Zstd => self.stored_len > 0 && self.stored_len < self.plain_len,
            }
    }
}
