//! Reading everything again, a little at a time, to find rot before a reader does.
//!
//! What must stay true: chunks are visited in the order they lie on the disk, each at most once, and a step does a
//! bounded amount of work, so that the caller can spread a scrub over days.

use super::record::Place;
use super::{Store, StoreError};
use karez_protocol::content::hash::ChunkId;

/// How far a scrub has come.
#[derive(Debug, Clone, Copy)]
pub struct ScrubCursor(Place);

impl Default for ScrubCursor {
    /// The beginning of the store.
    fn default() -> Self {
        Self(Place { segment: 0, offset: 0 })
    }
}

/// What one step of a scrub found.
#[derive(Debug, Clone, Default)]
pub struct ScrubStep {
    /// Chunks that were read.
    pub checked: u64,
    /// Plaintext bytes of those that are whole.
    pub bytes: u64,
    /// Chunks that were damaged. They have left the index.
    pub damaged: Vec<ChunkId>,
    /// Whether the end of the store was reached.
    pub done: bool,
}

impl Store {
    /// Reads and checks up to `limit` indexed chunks from the cursor on, and moves it. Call [`Store::sync`] first to have
    /// the newest chunks in it.
    pub fn scrub(&self, cursor: &mut ScrubCursor, limit: u32) -> Result<ScrubStep, StoreError> {
        let chunks = self.with_index(|index| index.chunks_from(cursor.0, limit))?;
        let mut step = ScrubStep { done: chunks.len() < limit as usize, ..ScrubStep::default() };
        for (place, id) in chunks {
            match self.read_plain(&id) {
                Ok(plain) => step.bytes += plain.map_or(0, |plain| plain.len() as u64),
                Err(StoreError::Damaged { chunk, .. }) => step.damaged.push(chunk),
                Err(error) => return Err(error),
            }
            step.checked += 1;
            cursor.0 = Place { offset: place.offset + 1, ..place };
        }
        Ok(step)
    }
}
