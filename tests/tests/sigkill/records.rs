//! Records of segment files, read without any product code (`docs/formats/store.md`).

use std::collections::HashMap;
use std::fs;
use std::path::Path;

const SEGMENT_HEADER: usize = 32;
const RECORD_HEADER: usize = 72;

/// Whole records of a store, by chunk: how often each stands there.
pub(crate) fn records(store: &Path) -> HashMap<[u8; 32], u64> {
    let mut found = HashMap::new();
    for entry in fs::read_dir(store.join("segments")).into_iter().flatten() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let mut rest = bytes.get(SEGMENT_HEADER..).unwrap_or_default();
        while let Some((id, len)) = first(rest) {
            *found.entry(id).or_default() += 1;
            rest = &rest[len..];
        }
    }
    found
}

/// Chunk and length of the record that stands first; `None` at the end and at a torn one.
fn first(bytes: &[u8]) -> Option<([u8; 32], usize)> {
    let header = bytes.get(..RECORD_HEADER).filter(|header| header.starts_with(b"KREC"))?;
    let len = RECORD_HEADER + u32::from_le_bytes(header[12..16].try_into().ok()?) as usize;
    let stored = bytes.get(RECORD_HEADER..len)?;
    (blake3::hash(stored).as_bytes()[..16] == header[48..64]).then_some((header[16..48].try_into().ok()?, len))
}

/// Records beyond the first of each chunk.
pub(crate) fn repeated(records: &HashMap<[u8; 32], u64>) -> u64 {
    records.values().map(|times| times - 1).sum()
}
