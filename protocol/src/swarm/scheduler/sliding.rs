//! Which pages of a large collection are looked into: rows come with a page and go when their chunk is held.
//!
//! What must stay true: whoever reads pages for the swarm need not know what it knows: rows come twice, come late, or are
//! held by then.

use super::Swarm;
use crate::content::chunk::ChunkIndex;
use crate::content::layout::ChunkSpace;
use crate::plan::time::Timestamp;
use crate::swarm::io::{KnownChunk, Output};
use crate::swarm::picker::Place;
use std::time::Duration;

/// Pages that one list of urgent chunks may open beyond the window's size.
const URGENT_PAGES_SCAN_MAX: usize = 64;
/// Least time between two passes over a window full of chunks that nobody has: a pass costs milliseconds.
const EVICTION_PAUSE: Duration = Duration::from_secs(2);

impl Swarm {
    pub(super) fn handle_content_wanted(&mut self, space: ChunkSpace) {
        self.pages_known = true;
        self.complete_told = false;
        self.window.begin(space);
    }

    pub(super) fn handle_pages_read(&mut self, now: Timestamp, pages: &[u32], chunks: Vec<KnownChunk>) {
        pages.iter().for_each(|page| self.window.was_read(*page));
        let count = self.wanted_count();
        for chunk in chunks {
            if chunk.index.0 < count && !self.have.contains(chunk.index) {
                self.learn_row(now, chunk);
            }
        }
    }

    fn learn_row(&mut self, now: Timestamp, chunk: KnownChunk) {
        let first = self.picker.index_of(&chunk.id).filter(|first| *first != chunk.index);
        match first.map(|first| (first, self.picker.row(first).map(|row| row.place))) {
            Some((_, Some(Place::Held))) => self.hold(now, chunk.index),
            Some((first, _)) => self.picker.add_twin(first, chunk.index),
            None => {
                if self.learn(now, chunk, false) {
                    self.window.add_row(chunk.index);
                }
            }
        }
    }

    /// A chunk is held that has no row: peers do not know it yet.
    pub(super) fn hold_outside(&mut self, now: Timestamp, chunk: ChunkIndex) {
        if self.window.space().is_some() {
            self.patience.settle(chunk);
            if self.peers.iter().next().is_some() {
                self.announcer.gained(now, chunk);
            }
        }
    }

    /// A chunk is held: its row makes room, and its other indexes are held, too.
    pub(super) fn let_go(&mut self, now: Timestamp, chunk: ChunkIndex, is_page: bool) {
        if self.window.space().is_none() {
            return;
        }
        if is_page {
            return self.window.look_at_page(chunk);
        }
        for twin in self.drop_row(chunk) {
            if !self.have.contains(twin) {
                self.hold(now, twin);
            }
        }
    }

    fn drop_row(&mut self, chunk: ChunkIndex) -> Vec<ChunkIndex> {
        self.tree.forget(chunk);
        self.window.drop_row(chunk);
        self.picker.forget(chunk)
    }

    pub(super) fn handle_urgent(&mut self, chunks: Vec<ChunkIndex>) {
        for chunk in chunks.iter().take(URGENT_PAGES_SCAN_MAX) {
            let is_known = self.picker.row(self.picker.asked_as(*chunk)).is_some();
            if !is_known && !self.have.contains(*chunk) {
                self.window.hurry(*chunk);
            }
        }
        self.urgent = chunks;
    }

    /// Moves the window on, as far as there is room.
    pub(super) fn slide(&mut self, now: Timestamp) {
        if self.eviction_at().is_some_and(|at| at <= now) {
            self.evicted = now;
            self.evict_nowhere();
        }
        let (have, peers) = (&self.have, &self.peers);
        let pages = self.window.advance(have, |chunks| peers.any_exceeds(have, chunks));
        if !pages.is_empty() {
            self.outputs.push_back(Output::Read { pages });
        }
    }

    /// When the window is to be cleared of what nobody has, if it is full of that.
    pub(super) fn eviction_at(&self) -> Option<Timestamp> {
        let is_clogged = self.window.is_crowded() && self.picker.nowhere_count() > self.picker.known_count() / 2;
        is_clogged.then(|| self.evicted + EVICTION_PAUSE)
    }

    /// Closes pages of which no connected peer has anything: others may be had.
    fn evict_nowhere(&mut self) {
        for page in self.window.open_ranges() {
            for chunk in self.picker.if_all_nowhere(page).unwrap_or_default() {
                self.patience.settle(chunk);
                let twins = self.drop_row(chunk);
                twins.into_iter().for_each(|twin| self.window.look_at(twin));
            }
        }
        self.window.look_again();
    }
}
