//! Bytes of a part file: its header and the headers of its records.
//!
//! What must stay true: a header decodes only in the bundle, part and place it was written for, so records that were moved,
//! repeated or spliced in from another bundle are never taken.

pub(super) use crate::store::RECORD_HEADER_LEN;
use crate::store::{read_entry, write_entry};
use karez_protocol::content::chunk::{ChunkEntry, Codec, PLAIN_BYTES_MAX};
use karez_protocol::content::manifest::ManifestRoot;
use karez_protocol::content::{Document as _, SUITE};

/// Bytes of a part's header.
pub(super) const PART_HEADER_LEN: usize = 64;
/// First bytes of a record.
pub(super) const RECORD_MAGIC: [u8; 4] = *b"KBRC";
/// Largest release record: a root with its signed release.
pub(super) const RELEASE_BYTES_MAX: u32 = ManifestRoot::BYTES_MAX as u32 + (1 << 16);

const PART_MAGIC: [u8; 8] = *b"KAREZBDL";
const PART_FORMAT: u16 = 1;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A signed release and its root: id is the hash of the bytes.
    Release,
    /// A manifest page, as a chunk.
    Page,
    /// A chunk that the page before names.
    Chunk,
}

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) bundle: [u8; 32],
    pub(super) part: u32,
    pub(super) offset: u64,
}

/// A record's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) entry: ChunkEntry,
}

impl Record {
    /// Bytes with the header.
    pub(super) fn len(&self) -> u64 {
        RECORD_HEADER_LEN as u64 + u64::from(self.entry.stored_len)
    }

    fn is_consistent(&self) -> bool {
        let ChunkEntry { codec, plain_len, stored_len, .. } = self.entry;
        match self.kind {
            Kind::Release => codec == Codec::Raw && plain_len == stored_len && plain_len <= RELEASE_BYTES_MAX,
            Kind::Page | Kind::Chunk => plain_len <= PLAIN_BYTES_MAX && self.entry.is_consistent(),
        }
    }
}

pub(super) fn part_header(bundle: &[u8; 32], part: u32) -> [u8; PART_HEADER_LEN] {
    let mut bytes = [0; PART_HEADER_LEN];
    bytes[..8].copy_from_slice(&PART_MAGIC);
    bytes[8..10].copy_from_slice(&PART_FORMAT.to_le_bytes());
    bytes[10] = SUITE;
    bytes[12..16].copy_from_slice(&part.to_le_bytes());
    bytes[16..48].copy_from_slice(bundle);
    let check = blake3::hash(&bytes[..48]);
    bytes[48..].copy_from_slice(&check.as_bytes()[..16]);
    bytes
}

pub(super) fn record_header(record: &Record, place: Place) -> [u8; RECORD_HEADER_LEN] {
    let mut bytes = [0; RECORD_HEADER_LEN];
    bytes[..4].copy_from_slice(&RECORD_MAGIC);
    bytes[4] = match record.kind {
        Kind::Release => 1,
        Kind::Page => 2,
        Kind::Chunk => 3,
    };
    bytes[5] = record.entry.codec.number();
    write_entry(&mut bytes, &record.entry);
    let check = header_check(&bytes[..64], place);
    bytes[64..].copy_from_slice(&check);
    bytes
}

/// The record of a header; `None` when it is damaged or belongs elsewhere.
pub(super) fn read_record_header(bytes: &[u8; RECORD_HEADER_LEN], place: Place) -> Option<Record> {
    if bytes[..4] != RECORD_MAGIC {
        return None;
    }
    let kind = match bytes[4] {
        1 => Kind::Release,
        2 => Kind::Page,
        3 => Kind::Chunk,
        _ => return None,
    };
    let entry = read_entry(bytes, bytes[5])?;
    let record = Record { kind, entry };
    // The hash comes last: a scan over damage meets marks that are none.
    (record.is_consistent() && bytes[64..] == header_check(&bytes[..64], place)).then_some(record)
}

fn header_check(fields: &[u8], place: Place) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&place.bundle).update(&place.part.to_le_bytes()).update(&place.offset.to_le_bytes()).update(fields);
    let mut check = [0; 8];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    check
}
