//! What the index keeps in memory: rows that no sweep has moved into `places` yet, the neighbours of the last hits, and
//! the filter that knows what is new.
//!
//! What must stay true: every row at or behind the frontier is in `recent` or in the sweep under way, every id with a row
//! is in the filter, and all but the filter is bounded.

use super::Location;
use crate::store::filter::{Filter, prefix};
use crate::store::record::Place;
use karez_protocol::content::hash::ChunkId;
use std::collections::{HashMap, VecDeque};
use std::mem;

/// Rows after which a sweep begins: 16 MB of memory, 11 GB of content. More of them make a sweep touch fewer leaves of
/// `places` per row; 7/8 of a power of two is where the map would grow.
const RECENT_MAX: usize = 7 << 15;
/// Neighbours kept: 64 blocks of the index, 4 MB.
const NEIGHBOURS_MAX: usize = 64 << 10;
/// How far behind the last hit another still counts as following it.
const STRIDE_BYTES_MAX: u64 = 8 << 20;

#[derive(Debug)]
pub(super) struct Memory {
    recent: HashMap<ChunkId, Location>,
    recent_max: usize,
    sweep: Option<Sweep>,
    /// Where the rows begin that `places` may lack.
    frontier: Place,
    filter: Filter,
    neighbours: HashMap<ChunkId, Location>,
    blocks: VecDeque<Vec<ChunkId>>,
    last_hit: Option<Place>,
}

/// Rows on their way into `places`.
#[derive(Debug)]
pub(super) struct Sweep {
    /// By id.
    pub(super) rows: Vec<(ChunkId, Location)>,
    /// How many of them are there.
    pub(super) done: usize,
    /// The frontier when all are.
    pub(super) until: Place,
}

impl Memory {
    pub(super) fn new(filter: Filter, frontier: Place) -> Self {
        Self {
            recent: HashMap::new(),
            recent_max: RECENT_MAX,
            sweep: None,
            frontier,
            filter,
            neighbours: HashMap::new(),
            blocks: VecDeque::new(),
            last_hit: None,
        }
    }

    /// Where a chunk stands, or that it stands nowhere; `None` when only the tables know.
    pub(super) fn get(&mut self, id: &ChunkId) -> Option<Option<Location>> {
        if !self.filter.contains(prefix(id)) {
            return Some(None);
        }
        let swept = || self.sweep.as_ref().and_then(|sweep| sweep.find(id).ok().map(|at| sweep.rows[at].1));
        if let Some(at) = self.recent.get(id).copied().or_else(swept) {
            return Some(Some(at));
        }
        let at = *self.neighbours.get(id)?;
        self.last_hit = Some(at.place);
        Some(Some(at))
    }

    /// Whether a hit follows the one before it closely, so that more of the kind are to be expected.
    pub(super) fn follows(&mut self, hit: Place) -> bool {
        let before = self.last_hit.replace(hit);
        before.is_some_and(|before| {
            before.segment == hit.segment
                && hit.offset.checked_sub(before.offset).is_some_and(|stride| stride <= STRIDE_BYTES_MAX)
        })
    }

    pub(super) fn keep_neighbours(&mut self, rows: Vec<(ChunkId, Location)>) {
        self.blocks.push_back(rows.iter().map(|(id, _)| *id).collect());
        self.neighbours.extend(rows);
        while self.neighbours.len() > NEIGHBOURS_MAX {
            for id in self.blocks.pop_front().unwrap_or_default() {
                self.neighbours.remove(&id);
            }
        }
    }

    /// Takes in rows that were committed, and begins a sweep when there are many.
    pub(super) fn insert(&mut self, rows: &[(ChunkId, Location)]) {
        for (id, at) in rows {
            self.filter.insert(prefix(id));
            if at.place >= self.frontier() {
                self.recent.insert(*id, *at);
            }
        }
        if self.sweep.is_none() && self.recent.len() >= self.recent_max {
            let mut rows: Vec<_> = mem::take(&mut self.recent).into_iter().collect();
            let last = rows.iter().map(|(_, at)| at.place).max().unwrap_or(self.frontier);
            rows.sort_unstable_by_key(|(id, _)| *id);
            self.sweep = Some(Sweep { rows, done: 0, until: Place { offset: last.offset + 1, ..last } });
        }
    }

    /// Where the rows begin that a later sweep will move; rows before it must be put into `places` at once.
    pub(super) fn frontier(&self) -> Place {
        self.sweep.as_ref().map_or(self.frontier, |sweep| sweep.until)
    }

    pub(super) fn forget(&mut self, id: &ChunkId, at: Location) {
        if self.recent.get(id) == Some(&at) {
            self.recent.remove(id);
        }
        if self.neighbours.get(id) == Some(&at) {
            self.neighbours.remove(id);
        }
        if let Some(sweep) = &mut self.sweep
            && let Ok(found) = sweep.find(id)
            && sweep.rows[found].1 == at
        {
            sweep.rows.remove(found);
            sweep.done -= usize::from(found < sweep.done);
        }
    }

    pub(super) fn forget_where(&mut self, gone: impl Fn(&Location) -> bool) {
        self.recent.retain(|_, at| !gone(at));
        self.neighbours.clear();
        self.blocks.clear();
        if let Some(sweep) = &mut self.sweep {
            sweep.rows.retain(|(_, at)| !gone(at));
            // Places that are there already may be put there again.
            sweep.done = 0;
        }
    }

    #[cfg(test)]
    pub(super) fn begin_sweeps_at(&mut self, rows: usize) {
        self.recent_max = rows;
    }

    pub(super) fn take_sweep(&mut self) -> Option<Sweep> {
        self.sweep.take()
    }

    /// Puts a sweep back, unless it is through: then its frontier is the index's.
    pub(super) fn put_sweep(&mut self, sweep: Sweep) {
        if sweep.done == sweep.rows.len() {
            self.frontier = sweep.until;
        } else {
            self.sweep = Some(sweep);
        }
    }
}

impl Sweep {
    fn find(&self, id: &ChunkId) -> Result<usize, usize> {
        self.rows.binary_search_by_key(id, |(id, _)| *id)
    }
}
