//! Giving back the space of records that others stand in for, without asking what is still wanted: after `pull --link` the
//! copies in the segments are such.
//!
//! What must stay true: a chunk that has a row stays, whoever wants it, so this may run at any time, beside packing and
//! pulling. Only segments are rewritten that nothing is written to: the open one is closed first when it is among them.

use super::gc::{Compacted, GARBAGE_PARTS};
use super::index::SegmentRow;
use super::record::{RECORD_HEADER_LEN, SEGMENT_HEADER_LEN};
use super::{Store, StoreError, segment};
use std::io::ErrorKind;

impl Store {
    /// Rewrites the segments of which a quarter or more is bytes that no row names.
    pub fn reclaim(&self) -> Result<Compacted, StoreError> {
        let mut done = Compacted::default();
        self.sync()?;
        for (number, row) in self.with_index(|index| index.segments())? {
            if !self.is_worn(number, &row)? {
                continue;
            }
            done.add(self.rewrite(number, &|_, _| Ok(true), None)?);
        }
        Ok(done)
    }

    /// Whether enough of a segment is garbage; by what the index counts, so a large store is not read for it. What was
    /// written and not synced yet may count as garbage; it is not removed for that.
    fn is_worn(&self, number: u32, row: &SegmentRow) -> Result<bool, StoreError> {
        let live = RECORD_HEADER_LEN as u64 * row.chunks + row.stored_bytes;
        let path = segment::path(&self.dir.join("segments"), number);
        let len = match self.disk.len(&path) {
            // Another compaction was here.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            len => len.map_err(|e| StoreError::io("read", &path, e))?,
        };
        let garbage = len.saturating_sub(SEGMENT_HEADER_LEN as u64 + live);
        Ok(garbage > 0 && garbage * GARBAGE_PARTS >= len)
    }
}
