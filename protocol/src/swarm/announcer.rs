//! Tells peers what was gained and what is coming, in batches: an announcement goes to every peer, so one per chunk would
//! cost more messages than the chunks themselves.

use crate::content::chunk::ChunkIndex;
use crate::plan::time::Timestamp;
use std::time::Duration;

/// How long news may wait: shorter than the pipeline, so that a peer's queue does not run dry meanwhile.
const DELAY: Duration = Duration::from_millis(100);
/// So much news does not wait.
const BATCH: usize = 16;

/// News not told yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Announcer {
    gained: Vec<ChunkIndex>,
    coming: Vec<ChunkIndex>,
    due: Option<Timestamp>,
}

impl Announcer {
    /// A chunk is held now.
    pub(super) fn gained(&mut self, now: Timestamp, chunk: ChunkIndex) {
        self.gained.push(chunk);
        self.start(now);
    }

    /// A chunk is being imported.
    pub(super) fn coming(&mut self, now: Timestamp, chunk: ChunkIndex) {
        self.coming.push(chunk);
        self.start(now);
    }

    /// It was not kept after all.
    pub(super) fn lost(&mut self, chunk: ChunkIndex) {
        self.gained.retain(|gained| *gained != chunk);
    }

    fn start(&mut self, now: Timestamp) {
        if self.due.is_none() {
            self.due = Some(now + DELAY);
        }
        if self.gained.len() + self.coming.len() >= BATCH {
            self.hurry(now);
        }
    }

    /// What is waiting is not to wait longer.
    pub(super) fn hurry(&mut self, now: Timestamp) {
        self.due = self.due.map(|due| due.min(now));
    }

    /// Nobody is there to be told.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// When news are due.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.due
    }

    /// The news (gained, coming), when they are due.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<(Vec<ChunkIndex>, Vec<ChunkIndex>)> {
        self.due.filter(|due| *due <= now)?;
        let Self { mut gained, mut coming, .. } = std::mem::take(self);
        gained.sort_unstable();
        coming.sort_unstable();
        coming.retain(|chunk| gained.binary_search(chunk).is_err());
        (!gained.is_empty() || !coming.is_empty()).then_some((gained, coming))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp(millis * 1_000)
    }

    fn chunks(indexes: &[u32]) -> Vec<ChunkIndex> {
        indexes.iter().copied().map(ChunkIndex).collect()
    }

    #[test]
    fn news_wait_for_company_but_not_long() {
        let mut announcer = Announcer::default();
        announcer.gained(at(0), ChunkIndex(3));
        announcer.coming(at(50), ChunkIndex(2));
        announcer.coming(at(50), ChunkIndex(3));
        assert_eq!((announcer.take(at(99)), announcer.deadline()), (None, Some(at(100))));
        assert_eq!(announcer.take(at(100)), Some((chunks(&[3]), chunks(&[2]))));
        assert_eq!((announcer.take(at(999)), announcer.deadline()), (None, None));
        (0..16).for_each(|i| announcer.gained(at(1_000), ChunkIndex(i)));
        assert_eq!(announcer.take(at(1_000)).map(|(gained, _)| gained.len()), Some(16));
        announcer.gained(at(2_000), ChunkIndex(1));
        announcer.lost(ChunkIndex(1));
        assert_eq!(announcer.take(at(2_100)), None);
    }
}
