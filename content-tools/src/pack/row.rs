//! Rows of chunk tables in places that only this program reads: the memory of earlier packings and temporary files.

use crate::verify::raw_entry;
use karez_protocol::content::chunk::{ChunkEntry, Codec, StoredCheck};
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::recipe::STREAMS_MAX;

/// Bytes of a row where all are of the same length.
pub(super) const ROW_BYTES: usize = 57;
/// What follows the stream of a packed row: an entry that its id and length say all of, or a whole one.
const SHORT: u8 = 0;
const WHOLE: u8 = 1;

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

/// Adds a row to others, raw chunks in two thirds of the bytes.
pub(super) fn pack(row: &Row, bytes: &mut Vec<u8>) {
    let entry = &row.entry;
    if *entry == raw_entry(entry.id, entry.plain_len) {
        bytes.extend([row.stream, SHORT]);
        bytes.extend(entry.id.as_bytes());
        bytes.extend(entry.plain_len.to_le_bytes());
    } else {
        bytes.extend([row.stream, WHOLE]);
        bytes.extend(to_bytes(entry));
    }
}

/// The rows that [`pack`] put there; `None` when something else is among them.
pub(super) fn unpack(mut bytes: &[u8]) -> Option<Vec<Row>> {
    let mut rows = Vec::new();
    while let Some(([stream, kind], rest)) = bytes.split_first_chunk() {
        let (entry, rest) = match *kind {
            SHORT => {
                let (id, rest) = rest.split_first_chunk()?;
                let (len, rest) = rest.split_first_chunk()?;
                (raw_entry(ChunkId::from_bytes(*id), u32::from_le_bytes(*len)), rest)
            }
            WHOLE => {
                let (whole, rest) = rest.split_at_checked(ROW_BYTES)?;
                (from_bytes(whole)?, rest)
            }
            _ => return None,
        };
        rows.push(Row { stream: *stream, entry });
        bytes = rest;
    }
    let is_right = |row: &Row| usize::from(row.stream) < STREAMS_MAX && row.entry.is_consistent();
    (bytes.is_empty() && rows.iter().all(is_right)).then_some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::seal;

    #[test]
    fn rows_come_back_and_nothing_else_does() {
        let chunks = [seal(b"raw", false), seal(&[7; 5000], true), seal(b"more", false)].map(Result::unwrap);
        let rows: Vec<_> = (0..).zip(&chunks).map(|(stream, chunk)| Row { stream, entry: chunk.entry() }).collect();
        let mut bytes = Vec::new();
        rows.iter().for_each(|row| pack(row, &mut bytes));
        assert_eq!(bytes.len(), 2 * 38 + 2 + ROW_BYTES);
        assert_eq!(unpack(&bytes).unwrap(), rows);
        for end in 0..bytes.len() {
            assert_eq!(unpack(&bytes[..end]).is_some(), [0, 38, 38 + 2 + ROW_BYTES].contains(&end), "{end}");
        }
        // A stream too many, an unknown kind, a chunk longer than any.
        for (at, value) in [(0, 16), (1, 2), (37, 0x80)] {
            let mut bytes = bytes[..38].to_vec();
            bytes[at] = value;
            assert_eq!(unpack(&bytes), None, "byte {at}");
        }
    }
}
