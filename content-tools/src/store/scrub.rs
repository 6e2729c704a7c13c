//! Reading everything again, a little at a time, to find rot before a reader does.
//!
//! What must stay true: chunks are visited in the order they lie on the disk, each at most once, and a step does a
//! bounded amount of work, so that the caller can spread a scrub over days.

use super::record::Place;
use super::{Store, StoreError};
use crate::disk;
use karez_protocol::content::hash::ChunkId;
use std::io::ErrorKind;

/// A name and three numbers.
const NOTE_BYTES_MAX: u64 = 100;

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

    /// Notes how far a scrub has come, for [`Store::noted_scrub`] after a restart; the beginning takes the note away.
    pub fn note_scrub(&self, cursor: &ScrubCursor) -> Result<(), StoreError> {
        let _alone = self.documents()?;
        let path = self.dir.join("scrub");
        let ScrubCursor(Place { segment, offset }) = cursor;
        if (*segment, *offset) == (0, 0) {
            return match self.disk.remove(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io("remove", &path, error)),
                _ => Ok(()),
            };
        }
        let note = format!("karez-scrub 1 {segment} {offset}\n");
        disk::replace(&*self.disk, &path, note.as_bytes()).map_err(|e| StoreError::io("write", &path, e))
    }

    /// Where the last scrub was stopped: the beginning when it was not, or when its note cannot be read.
    pub fn noted_scrub(&self) -> Result<ScrubCursor, StoreError> {
        let path = self.dir.join("scrub");
        match disk::read(&*self.disk, &path, NOTE_BYTES_MAX) {
            Ok(note) => Ok(place_of(&note).map_or_else(ScrubCursor::default, ScrubCursor)),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::FileTooLarge)
                    || disk::is_not_a_file(&error) =>
            {
                Ok(ScrubCursor::default())
            }
            Err(error) => Err(StoreError::io("read", &path, error)),
        }
    }

    /// Chunks that lie before the segment of a cursor: how much of a scrub is behind it.
    pub fn chunks_before(&self, cursor: &ScrubCursor) -> Result<u64, StoreError> {
        let segments = self.with_index(|index| index.segments())?;
        Ok(segments.range(..cursor.0.segment).map(|(_, row)| row.chunks).sum())
    }
}

fn place_of(note: &[u8]) -> Option<Place> {
    let numbers = std::str::from_utf8(note).ok()?.trim_end().strip_prefix("karez-scrub 1 ")?;
    let (segment, offset) = numbers.split_once(' ')?;
    Some(Place { segment: segment.parse().ok()?, offset: offset.parse().ok()? })
}
