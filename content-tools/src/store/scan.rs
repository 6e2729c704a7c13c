//! Finding the records of a segment file without an index.
//!
//! What must stay true: only records whose header and payload pass their checks are reported, damage in the middle loses
//! the damaged record and none behind it, and nothing the file says makes this allocate more than one record.

use super::record::{Place, RECORD_HEADER_LEN, RECORD_MAGIC, Record, RecordKind, read_record_header};
use super::reference;
use crate::disk::DiskFile;
use karez_protocol::content::chunk::{ChunkEntry, StoredCheck};
use karez_protocol::content::hash::ChunkId;
use std::io;

/// Bytes read at a time while looking for the next header behind damage.
const SEARCH_BYTES: usize = 256 << 10;

/// What a scan found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Whole records, in file order.
    pub(super) records: Vec<Whole>,
    /// Offset behind the last whole record (the start of the scan when there is none).
    pub(super) end: u64,
    /// Bytes before `end` that belong to no whole record.
    pub(super) damaged_bytes: u64,
}

/// A whole record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) place: Place,
    pub(super) entry: ChunkEntry,
    /// The description of the file that a reference refers to.
    pub(super) source: Option<ChunkId>,
}

/// Scans the bytes `start..len` of a segment file.
pub(super) fn scan(file: &dyn DiskFile, segment: u32, start: u64, len: u64) -> io::Result<Scan> {
    let mut found = Scan { end: start, ..Scan::default() };
    let mut at = start;
    while at + RECORD_HEADER_LEN as u64 <= len {
        let place = Place { segment, offset: at };
        match record_at(file, place, len)? {
            Found::Whole(whole) => {
                found.damaged_bytes += at - found.end;
                at += (RECORD_HEADER_LEN + whole.entry.stored_len as usize) as u64;
                found.records.push(whole);
                found.end = at;
            }
            Found::BadPayload(entry) => at += (RECORD_HEADER_LEN + entry.stored_len as usize) as u64,
            Found::Nothing => match next_header(file, segment, at + 1, len)? {
                Some(next) => at = next,
                None => break,
            },
        }
    }
    Ok(found)
}

enum Found {
    Whole(Whole),
    /// The header is right and the payload is not.
    BadPayload(ChunkEntry),
    Nothing,
}

fn record_at(file: &dyn DiskFile, place: Place, len: u64) -> io::Result<Found> {
    let mut header = [0; RECORD_HEADER_LEN];
    file.read_exact_at(&mut header, place.offset)?;
    let Some(Record { kind, entry }) = read_record_header(&header, place) else { return Ok(Found::Nothing) };
    let payload = place.offset + RECORD_HEADER_LEN as u64;
    if payload + u64::from(entry.stored_len) > len {
        return Ok(Found::BadPayload(entry));
    }
    let mut stored = vec![0; entry.stored_len as usize];
    file.read_exact_at(&mut stored, payload)?;
    if StoredCheck::of(&stored) != entry.check {
        return Ok(Found::BadPayload(entry));
    }
    let source = (kind == RecordKind::Reference).then(|| reference::source_of(&stored)).flatten();
    Ok(Found::Whole(Whole { place, entry, source }))
}

/// Offset of the next valid record header at or behind `from`.
fn next_header(file: &dyn DiskFile, segment: u32, mut from: u64, len: u64) -> io::Result<Option<u64>> {
    let mut window = Vec::new();
    while from + RECORD_HEADER_LEN as u64 <= len {
        window.resize((len - from).min(SEARCH_BYTES as u64) as usize, 0);
        file.read_exact_at(&mut window, from)?;
        for (at, header) in window.windows(RECORD_HEADER_LEN).enumerate() {
            if header[..4] != RECORD_MAGIC {
                continue;
            }
            let header = header.try_into().expect("windows have the length of a header");
            if read_record_header(header, Place { segment, offset: from + at as u64 }).is_some() {
                return Ok(Some(from + at as u64));
            }
        }
        from += (window.len() - RECORD_HEADER_LEN + 1) as u64;
    }
    Ok(None)
}
