//! Chunk tables of pages, a bounded number of rows of them: what serving and receiving look into for each chunk.
//!
//! What must stay true: memory does not grow with the collection. Chunks are served and fetched within a window that slides
//! over the pages, so the tables of that window are kept, and not the files that the pages describe.

use super::Pages;
use crate::export::LoadError;
use karez_protocol::content::chunk::{ChunkEntry, ChunkIndex};
use karez_protocol::content::layout::Place;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows kept: 16 MB, twice what a swarm's window has.
const ROWS_MAX: usize = 256 << 10;

/// The tables looked into last, latest last.
#[derive(Debug, Default)]
pub(super) struct Tables(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    tables: VecDeque<(usize, Arc<[ChunkEntry]>)>,
    rows: usize,
}

impl Kept {
    fn get(&mut self, page: usize) -> Option<Arc<[ChunkEntry]>> {
        let at = self.tables.iter().rposition(|(kept, _)| *kept == page)?;
        let found = self.tables.remove(at)?;
        let table = found.1.clone();
        self.tables.push_back(found);
        Some(table)
    }

    fn put(&mut self, page: usize, table: Arc<[ChunkEntry]>) {
        if self.tables.iter().any(|(kept, _)| *kept == page) {
            return;
        }
        self.rows += table.len();
        self.tables.push_back((page, table));
        while self.rows > ROWS_MAX && self.tables.len() > 1 {
            self.rows -= self.tables.pop_front().map_or(0, |(_, table)| table.len());
        }
    }
}

impl Pages<'_> {
    /// The chunk table of a page.
    pub fn table(&self, number: usize) -> Result<Arc<[ChunkEntry]>, LoadError> {
        let kept = || self.tables.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = kept().get(number) {
            return Ok(table);
        }
        let table: Arc<[ChunkEntry]> = self.read(number)?.chunks.into();
        kept().put(number, table.clone());
        Ok(table)
    }

    /// The row that an index of the chunk space names; `None` outside the space.
    pub fn entry(&self, index: ChunkIndex) -> Result<Option<ChunkEntry>, LoadError> {
        match self.space.place(index) {
            None => Ok(None),
            Some(Place::Page(page)) => Ok(Some(self.root.pages[page].entry)),
            Some(Place::Row { page, row }) => Ok(self.table(page)?.get(row).copied()),
        }
    }
}
