//! Giving back the space of records that others stand in for, without asking what is still wanted: after `pull --link` the
//! copies in the segments are such.
//!
//! What must stay true: a chunk that has a row stays, whoever wants it, so this may run at any time, beside packing and
//! pulling. Only segments are rewritten that nothing is written to: the open one is closed first when it is among them.

use super::gc::{Compacted, GARBAGE_PARTS};
use super::record::{RECORD_HEADER_LEN, RecordKind, SEGMENT_HEADER_LEN};
use super::{Store, StoreError, segment};

impl Store {
    /// Rewrites the segments of which a quarter or more is bytes that no row names.
    pub fn reclaim(&self) -> Result<Compacted, StoreError> {
        let mut done = Compacted::default();
        self.sync()?;
        for number in segment::list(&*self.disk, &self.dir.join("segments"))? {
            if !self.is_replaced(number)? {
                continue;
            }
            {
                let mut writer = self.writer()?;
                if writer.segment.number == number {
                    self.roll(&mut writer, RecordKind::Chunk)?;
                }
            }
            let one = self.rewrite(number, &|_, _| Ok(true), None)?;
            done.moved += one.moved;
            done.freed_bytes += one.freed_bytes;
            done.damaged += one.damaged;
        }
        Ok(done)
    }

    /// Whether enough of a segment is garbage. What was written and not synced yet may count as such; it is not removed for it.
    fn is_replaced(&self, number: u32) -> Result<bool, StoreError> {
        let rows = self.with_index(|index| index.rows_of(number))?;
        let live: u64 = rows.iter().map(|(_, at)| RECORD_HEADER_LEN as u64 + u64::from(at.stored_len)).sum();
        let len = self.segment_len(number)?;
        let garbage = len.saturating_sub(SEGMENT_HEADER_LEN as u64 + live);
        Ok(garbage > 0 && garbage * GARBAGE_PARTS >= len)
    }
}
