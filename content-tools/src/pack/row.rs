//! Rows of chunk tables in places that only this program reads: the memory of earlier packings and temporary files.

use karez_protocol::content::chunk::{ChunkEntry, Codec, StoredCheck};
use karez_protocol::content::hash::ChunkId;

/// Bytes of a row.
pub(super) const ROW_BYTES: usize = 57;

/// A chunk of a file that is being packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    /// Its stream; 0 unless the file is taken apart.
    pub(super) stream: u8,
    pub(super) entry: ChunkEntry,
}

/// Encodes a row.
pub(super) fn to_bytes(entry: &ChunkEntry) -> [u8; ROW_BYTES] {
    let mut bytes = [0; ROW_BYTES];
    bytes[..32].copy_from_slice(entry.id.as_bytes());
    bytes[32..48].copy_from_slice(&entry.check.0);
    bytes[48] = entry.codec.number();
    bytes[49..53].copy_from_slice(&entry.plain_len.to_le_bytes());
    bytes[53..].copy_from_slice(&entry.stored_len.to_le_bytes());
    bytes
}

/// Decodes a row; `None` for what is none.
pub(super) fn from_bytes(bytes: &[u8]) -> Option<ChunkEntry> {
    let (id, rest) = bytes.split_first_chunk()?;
    let (check, rest) = rest.split_first_chunk()?;
    let (codec, rest) = rest.split_first()?;
    let (plain_len, stored_len) = rest.split_first_chunk()?;
    let entry = ChunkEntry {
        id: ChunkId::from_bytes(*id),
        codec: Codec::from_number(*codec)?,
        plain_len: u32::from_le_bytes(*plain_len),
        stored_len: u32::from_le_bytes(stored_len.try_into().ok()?),
        check: StoredCheck(*check),
    };
    entry.is_consistent().then_some(entry)
}
