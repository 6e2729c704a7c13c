//! The other swarms of this node: which chunks they have under way, and what they are to hear of this one's.
//!
//! What must stay true: a chunk that several releases share is asked for by one of them at a time. Who hears nothing waits for
//! nothing: every chunk that was said to be under way is said to have ended, or everything is said anew.

use super::io::Flights;
use crate::content::hash::ChunkId;
use std::collections::BTreeMap;

/// What is known of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Siblings {
    /// Chunks under way, and in how many of them: a chunk may begin in one before it is said to have ended in another.
    under_way: BTreeMap<ChunkId, u16>,
    /// What began or ended here since that was told.
    untold: BTreeMap<ChunkId, bool>,
}

impl Siblings {
    /// Whether one of them has the chunk under way.
    pub(super) fn fetch(&self, chunk: &ChunkId) -> bool {
        self.under_way.contains_key(chunk)
    }

    /// What they have under way.
    pub(super) fn under_way(&self) -> impl Iterator<Item = &ChunkId> {
        self.under_way.keys()
    }

    /// This is all of it. Returns what was thought to be under way before.
    pub(super) fn replace(&mut self, chunks: Vec<ChunkId>) -> Vec<ChunkId> {
        let old = std::mem::take(&mut self.under_way);
        chunks.into_iter().for_each(|chunk| self.begin(chunk));
        old.into_keys().collect()
    }

    /// One of them asked for it.
    pub(super) fn begin(&mut self, chunk: ChunkId) {
        *self.under_way.entry(chunk).or_default() += 1;
    }

    /// One of them asks for it no longer.
    pub(super) fn end(&mut self, chunk: &ChunkId) {
        if let Some(count) = self.under_way.get_mut(chunk) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(chunk);
            }
        }
    }

    /// A chunk is under way here from now on, or no longer. What changes back before it was told is not told.
    pub(super) fn note(&mut self, chunk: ChunkId, is_under_way: bool) {
        if self.untold.insert(chunk, is_under_way) == Some(!is_under_way) {
            self.untold.remove(&chunk);
        }
    }

    /// What they are to hear.
    pub(super) fn take_untold(&mut self) -> Option<Flights> {
        if self.untold.is_empty() {
            return None;
        }
        let mut flights = Flights::default();
        for (chunk, is_under_way) in std::mem::take(&mut self.untold) {
            if is_under_way { &mut flights.begun } else { &mut flights.ended }.push(chunk);
        }
        Some(flights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> ChunkId {
        ChunkId::of(&[number])
    }

    #[test]
    fn what_two_have_under_way_ends_when_both_have_ended() {
        let mut siblings = Siblings::default();
        [1, 1, 2].into_iter().for_each(|chunk| siblings.begin(id(chunk)));
        siblings.end(&id(1));
        siblings.end(&id(2));
        siblings.end(&id(3));
        assert_eq!([1, 2, 3].map(|chunk| siblings.fetch(&id(chunk))), [true, false, false]);
        assert_eq!(siblings.replace(vec![id(2)]), [id(1)]);
        assert_eq!(siblings.under_way().collect::<Vec<_>>(), [&id(2)]);
    }

    #[test]
    fn what_began_and_ended_untold_is_not_told() {
        let mut siblings = Siblings::default();
        [(1, true), (2, true), (1, false)].into_iter().for_each(|(chunk, begins)| siblings.note(id(chunk), begins));
        assert_eq!(siblings.take_untold(), Some(Flights { begun: vec![id(2)], ended: vec![] }));
        [(2, false), (2, true), (2, false)].into_iter().for_each(|(chunk, begins)| siblings.note(id(chunk), begins));
        assert_eq!(siblings.take_untold(), Some(Flights { begun: vec![], ended: vec![id(2)] }));
        assert_eq!(siblings.take_untold(), None);
    }
}
