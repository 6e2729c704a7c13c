//! Bytes of a segment file: its header and the headers of its records (`docs/formats/store.md`).
//!
//! What must stay true: a header decodes only at the segment number and offset it was written for, so bytes of a stored
//! file that look like a segment (someone packs a store) are never taken for records.

use karez_protocol::content::SUITE;
use karez_protocol::content::chunk::{ChunkEntry, Codec, PLAIN_BYTES_MAX, StoredCheck};
use karez_protocol::content::hash::ChunkId;

/// Bytes of a segment file's header.
pub(super) const SEGMENT_HEADER_LEN: usize = 32;
/// Bytes of a record's header.
pub(crate) const RECORD_HEADER_LEN: usize = 72;
/// First bytes of a record.
pub(super) const RECORD_MAGIC: [u8; 4] = *b"KREC";
/// Format of segment files that hold chunks only.
pub(super) const SEGMENT_FORMAT: u16 = 1;
/// Format of segment files that may also hold references. A program that knows format 1 only must refuse them: it would
/// take a reference at their end for a torn record and cut it off.
pub(super) const SEGMENT_FORMAT_REFERENCES: u16 = 2;
/// Longest payload of a reference: a chunk in 4 096 pieces, far more than any container makes of one.
pub(super) const REFERENCE_BYTES_MAX: u32 = 32 + 12 * 4096;

const SEGMENT_MAGIC: [u8; 8] = *b"KAREZSEG";

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) segment: u32,
    pub(super) offset: u64,
}

/// What the payload of a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordKind {
    /// The chunk's bytes.
    Chunk,
    /// Where the chunk's bytes stand in a file outside the store.
    Reference,
}

/// A record's header. For a reference `stored_len` and `check` are those of its payload, not of the chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: RecordKind,
    pub(super) entry: ChunkEntry,
}

impl Record {
    /// The record of a chunk's bytes.
    pub(super) fn chunk(entry: ChunkEntry) -> Self {
        Self { kind: RecordKind::Chunk, entry }
    }

    fn is_consistent(&self) -> bool {
        let ChunkEntry { codec, plain_len, stored_len, .. } = self.entry;
        match self.kind {
            RecordKind::Chunk => self.entry.is_consistent(),
            RecordKind::Reference => {
                codec == Codec::Raw
                    && (1..=PLAIN_BYTES_MAX).contains(&plain_len)
                    && (1..=REFERENCE_BYTES_MAX).contains(&stored_len)
            }
        }
    }
}

/// What the first bytes of a segment file say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SegmentHeader {
    /// This program can append to it; its format.
    Known(u16),
    /// Written by a newer Karez.
    Newer(u16),
    /// Not a segment header.
    Damaged,
}

pub(super) fn segment_header(number: u32, format: u16) -> [u8; SEGMENT_HEADER_LEN] {
    let mut bytes = [0; SEGMENT_HEADER_LEN];
    bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
    bytes[8..10].copy_from_slice(&format.to_le_bytes());
    bytes[10] = SUITE;
    bytes[12..16].copy_from_slice(&number.to_le_bytes());
    let check = blake3::hash(&bytes[..16]);
    bytes[16..].copy_from_slice(&check.as_bytes()[..16]);
    bytes
}

pub(super) fn read_segment_header(bytes: &[u8], number: u32) -> SegmentHeader {
    if bytes.len() < SEGMENT_HEADER_LEN
        || bytes[..8] != SEGMENT_MAGIC
        || bytes[12..16] != number.to_le_bytes()
        || bytes[16..SEGMENT_HEADER_LEN] != blake3::hash(&bytes[..16]).as_bytes()[..16]
    {
        return SegmentHeader::Damaged;
    }
    match u16::from_le_bytes([bytes[8], bytes[9]]) {
        format @ (SEGMENT_FORMAT | SEGMENT_FORMAT_REFERENCES) if bytes[10] == SUITE => SegmentHeader::Known(format),
        found => SegmentHeader::Newer(found),
    }
}

pub(super) fn record_header(record: &Record, place: Place) -> [u8; RECORD_HEADER_LEN] {
    let entry = &record.entry;
    let mut bytes = [0; RECORD_HEADER_LEN];
    bytes[..4].copy_from_slice(&RECORD_MAGIC);
    bytes[4] = entry.codec.number();
    bytes[5] = u8::from(record.kind == RecordKind::Reference);
    write_entry(&mut bytes, entry);
    let check = header_check(&bytes[..64], place);
    bytes[64..].copy_from_slice(&check);
    bytes
}

/// A record header; `None` when it is damaged or belongs elsewhere.
pub(super) fn read_record_header(bytes: &[u8; RECORD_HEADER_LEN], place: Place) -> Option<Record> {
    if bytes[..4] != RECORD_MAGIC {
        return None;
    }
    let entry = read_entry(bytes, bytes[4])?;
    let kind = match bytes[5] {
        0 => RecordKind::Chunk,
        1 => RecordKind::Reference,
        _ => return None,
    };
    let record = Record { kind, entry };
    // The hash comes last: a scan over damage meets marks that are none.
    (record.is_consistent() && bytes[64..] == header_check(&bytes[..64], place)).then_some(record)
}

/// Lengths, id and check of a chunk at bytes 8 to 64 of a record header; the same in segments and courier bundles.
pub(crate) fn write_entry(bytes: &mut [u8; RECORD_HEADER_LEN], entry: &ChunkEntry) {
    bytes[8..12].copy_from_slice(&entry.plain_len.to_le_bytes());
    bytes[12..16].copy_from_slice(&entry.stored_len.to_le_bytes());
    bytes[16..48].copy_from_slice(entry.id.as_bytes());
    bytes[48..64].copy_from_slice(&entry.check.0);
}

/// What [`write_entry`] wrote; `None` for an unknown codec.
pub(crate) fn read_entry(bytes: &[u8; RECORD_HEADER_LEN], codec: u8) -> Option<ChunkEntry> {
    let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let mut id = [0; 32];
    id.copy_from_slice(&bytes[16..48]);
    let mut check = [0; 16];
    check.copy_from_slice(&bytes[48..64]);
    Some(ChunkEntry {
        id: ChunkId::from_bytes(id),
        codec: Codec::from_number(codec)?,
        plain_len: number(8),
        stored_len: number(12),
        check: StoredCheck(check),
    })
}

fn header_check(fields: &[u8], place: Place) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&place.segment.to_le_bytes()).update(&place.offset.to_le_bytes()).update(fields);
    let mut check = [0; 8];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { segment: 3, offset: 32 };

    fn entry() -> Record {
        let plain = b"karez";
        let (id, check) = (ChunkId::of(plain), StoredCheck::of(plain));
        Record::chunk(ChunkEntry { id, codec: Codec::Raw, plain_len: 5, stored_len: 5, check })
    }

    #[test]
    fn a_record_header_counts_only_where_it_was_written() {
        let bytes = record_header(&entry(), PLACE);
        assert_eq!(read_record_header(&bytes, PLACE), Some(entry()));
        for place in [Place { segment: 4, ..PLACE }, Place { offset: 33, ..PLACE }] {
            assert_eq!(read_record_header(&bytes, place), None);
        }
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let (record, segment) = (record_header(&entry(), PLACE), segment_header(3, SEGMENT_FORMAT));
        for bit in 0..RECORD_HEADER_LEN * 8 {
            let mut bytes = record;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_record_header(&bytes, PLACE), None, "bit {bit}");
        }
        assert_eq!(read_segment_header(&segment, 3), SegmentHeader::Known(SEGMENT_FORMAT));
        for bit in 0..SEGMENT_HEADER_LEN * 8 {
            let mut bytes = segment;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_segment_header(&bytes, 3), SegmentHeader::Damaged, "bit {bit}");
        }
    }

    /// The vectors of docs/formats/store.md.
    #[test]
    fn golden() {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(hex(&segment_header(3, SEGMENT_FORMAT)), GOLDEN_SEGMENT);
        assert_eq!(hex(&record_header(&entry(), PLACE)), GOLDEN_RECORD);
    }

    const GOLDEN_SEGMENT: &str = "4b4152455a5345470100010003000000a0d205fa74e63c3aacf6e7b5a585ba8a";
    const GOLDEN_RECORD: &str = concat!(
        "4b52454300000000050000000500000013618375e539b7582f38d8344e832ce9e2ae5c284bd69d30",
        "cbaf13e8a39357e413618375e539b7582f38d8344e832ce9b0015ffc30a7906a",
    );
}
