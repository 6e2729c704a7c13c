//! Chunks that this node's other swarms need as well: one of them asks, and all have what comes.

use super::{Flights, Place, Swarm};
use crate::content::chunk::ChunkIndex;
use crate::content::hash::ChunkId;
use crate::plan::time::Timestamp;
use crate::swarm::io::Elsewhere;

impl Swarm {
    /// What its siblings are to be told; `None` when nothing changed.
    pub fn poll_flights(&mut self) -> Option<Flights> {
        self.siblings.take_untold()
    }

    /// What it has under way: what a sibling is told that begins now.
    pub fn in_flight(&self) -> impl Iterator<Item = ChunkId> + '_ {
        self.flights.keys().filter_map(|chunk| self.picker.row(*chunk)).map(|row| row.id)
    }

    /// True when that is all there is to it: nothing is asked in answer, and what is due waits for the next input.
    pub(super) fn handle_elsewhere(&mut self, now: Timestamp, news: &Elsewhere) -> bool {
        match news {
            Elsewhere::All(chunks) => {
                let before = self.siblings.replace(chunks.clone());
                self.look_again_at(now, &before);
                self.look_again_at(now, chunks);
            }
            Elsewhere::Begun(chunks) => {
                chunks.iter().for_each(|chunk| self.siblings.begin(*chunk));
                self.look_again_at(now, chunks);
            }
            Elsewhere::Ended(chunks) => {
                chunks.iter().for_each(|chunk| self.siblings.end(chunk));
                self.look_again_at(now, chunks);
            }
        }
        !matches!(news, Elsewhere::Ended(_))
    }

    fn look_again_at(&mut self, now: Timestamp, chunks: &[ChunkId]) {
        for chunk in chunks {
            if let Some(index) = self.picker.index_of(chunk) {
                self.place(now, index);
            }
        }
    }

    /// Whether a sibling brings this chunk. A second row with the same id is not looked at again when that ends.
    pub(super) fn is_elsewhere(&self, chunk: ChunkIndex, id: &ChunkId) -> bool {
        self.siblings.fetch(id) && self.picker.index_of(id) == Some(chunk)
    }

    /// A chunk was moved.
    pub(super) fn note_flight(&mut self, chunk: ChunkIndex, (old, new): (Place, Place)) {
        let (was, is) = (old == Place::InFlight, new == Place::InFlight);
        if was != is
            && let Some(row) = self.picker.row(chunk)
        {
            self.siblings.note(row.id, is);
        }
    }
}
