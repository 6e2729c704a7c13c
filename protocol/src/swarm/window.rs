//! Which manifest pages have rows in the picker: a window that slides over the collection.
//!
//! A terabyte has 20 million chunks, and a row with its queues takes some 200 bytes. So the swarm knows one by one only the
//! missing chunks of some pages; of all others it has have-maps. The shell reads a page when asked to, and a row is dropped
//! as soon as its chunk is held.
//!
//! What must stay true:
//! - what is missing altogether and fits in the window is in it at once: a course behaves as if there were no window;
//! - pages come in the order of the collection, at every site, so that windows overlap and importers agree;
//! - a page of which no connected peer holds anything takes no room while others have something to give.
//!
//! Rejected: (1) pages in an order of each site's own: what an importer is waited for would be outside its window; (2) pages
//! counted whole: the last few rows of many pages, left to a slow importer, would fill the window.

use crate::content::chunk::ChunkIndex;
use crate::content::chunk_set::ChunkSet;
use crate::content::layout::{ChunkSpace, Place};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Rows in memory for a collection of any size: about 30 MB, and 6 GB of content at 48 KiB a chunk.
pub const WINDOW_ROWS: u32 = 128 << 10;

/// The window.
#[derive(Debug, Clone)]
pub(super) struct Window {
    rows_max: u32,
    space: Option<ChunkSpace>,
    /// Rows known, by page.
    open: BTreeMap<u32, u32>,
    /// Rows expected of pages that the shell is reading.
    reading: BTreeMap<u32, u32>,
    /// Sum of both.
    rows: u32,
    /// Pages before it have been looked at.
    next: u32,
    /// To be read as soon as there is room: something in them is missing again, or can be had now.
    again: BTreeSet<u32>,
    /// Were to be read again, and nobody has what is missing in them: their other rows may be known.
    passed: BTreeSet<u32>,
    /// Being read while something in them was lost: what comes may lack it.
    stale: BTreeSet<u32>,
    /// To be read in any case: somebody is watching.
    hurried: BTreeSet<u32>,
    /// All that is missing fits.
    is_whole: bool,
}

impl Window {
    /// A window over nothing yet.
    pub(super) fn new(rows_max: u32) -> Self {
        Self {
            rows_max,
            space: None,
            open: BTreeMap::new(),
            reading: BTreeMap::new(),
            rows: 0,
            next: 0,
            again: BTreeSet::new(),
            passed: BTreeSet::new(),
            stale: BTreeSet::new(),
            hurried: BTreeSet::new(),
            is_whole: false,
        }
    }

    /// The collection is wanted, and this is its chunk space.
    pub(super) fn begin(&mut self, space: ChunkSpace) {
        self.space = Some(space);
    }

    /// The chunk space, once the collection is wanted.
    pub(super) fn space(&self) -> Option<&ChunkSpace> {
        self.space.as_ref()
    }

    /// Whether it is full of rows.
    fn is_full(&self) -> bool {
        self.rows >= self.rows_max
    }

    /// Whether it is full and there is more outside.
    pub(super) fn is_crowded(&self) -> bool {
        self.is_full() && !self.is_whole
    }

    /// The page of a content chunk.
    fn page_of(&self, chunk: ChunkIndex) -> Option<u32> {
        match self.space.as_ref()?.place(chunk)? {
            Place::Page(_) => None,
            Place::Row { page, .. } => Some(page as u32),
        }
    }

    /// The pages to read now. `available` says whether a connected peer holds a missing one of these chunks.
    pub(super) fn advance(&mut self, have: &ChunkSet, available: impl Fn(Range<u32>) -> bool) -> Vec<u32> {
        let mut pages = Vec::new();
        let Some(space) = self.space.take() else { return pages };
        for page in std::mem::take(&mut self.hurried) {
            self.read(&space, page, have, &mut pages);
        }
        self.look_whether_whole(u64::from(space.count()).saturating_sub(have.len()));
        while !self.is_full() {
            let is_again = self.again.pop_first();
            let Some(page) = is_again.or_else(|| self.step(space.pages())) else { break };
            let rows = space.rows(page as usize);
            let is_known = is_again.is_none() && self.open.contains_key(&page);
            let is_held = have.count_in(rows.clone()) == u64::from(rows.end - rows.start);
            match !is_known && !is_held {
                true if self.is_whole || available(rows) => self.read(&space, page, have, &mut pages),
                true if is_again.is_some() => _ = self.passed.insert(page),
                _ => {}
            }
        }
        self.space = Some(space);
        pages
    }

    fn step(&mut self, pages: u32) -> Option<u32> {
        let page = self.next;
        self.next += u32::from(page < pages);
        (page < pages).then_some(page)
    }

    fn look_whether_whole(&mut self, missing: u64) {
        let is_whole = missing <= u64::from(self.rows_max);
        if is_whole && !std::mem::replace(&mut self.is_whole, is_whole) {
            self.look_again();
        }
        self.is_whole = is_whole;
    }

    fn read(&mut self, space: &ChunkSpace, page: u32, have: &ChunkSet, pages: &mut Vec<u32>) {
        let rows = space.rows(page as usize);
        let missing = u64::from(rows.end - rows.start) - have.count_in(rows);
        // A page that is not here itself is looked at again when it has come.
        if missing > 0 && have.contains(ChunkIndex(page)) && !self.reading.contains_key(&page) {
            self.reading.insert(page, missing as u32);
            self.rows += missing as u32;
            pages.push(page);
        }
    }

    /// A page was read, or could not be.
    pub(super) fn was_read(&mut self, page: u32) {
        self.rows -= self.reading.remove(&page).unwrap_or(0);
        if self.stale.remove(&page) {
            self.again.insert(page);
        }
    }

    /// A row is known from now on.
    pub(super) fn add_row(&mut self, chunk: ChunkIndex) {
        if let Some(page) = self.page_of(chunk) {
            *self.open.entry(page).or_default() += 1;
            self.rows += 1;
        }
    }

    /// A row was dropped.
    pub(super) fn drop_row(&mut self, chunk: ChunkIndex) {
        let Some(page) = self.page_of(chunk) else { return };
        if let Some(rows) = self.open.get_mut(&page) {
            *rows -= 1;
            self.rows -= 1;
            if *rows == 0 {
                self.open.remove(&page);
            }
        }
    }

    /// A chunk outside the window can be had now, or is missing again.
    pub(super) fn look_at(&mut self, chunk: ChunkIndex) {
        if let Some(page) = self.page_of(chunk) {
            let pages = if self.reading.contains_key(&page) { &mut self.stale } else { &mut self.again };
            pages.insert(page);
        }
    }

    /// A page is here again.
    pub(super) fn look_at_page(&mut self, page: ChunkIndex) {
        self.again.insert(page.0);
    }

    /// Somebody is watching a chunk outside the window.
    pub(super) fn hurry(&mut self, chunk: ChunkIndex) {
        self.hurried.extend(self.page_of(chunk));
    }

    /// What peers hold has changed: pages that were passed over may be worth reading.
    pub(super) fn look_again(&mut self) {
        self.next = 0;
        self.again.append(&mut self.passed);
    }

    /// The ranges of the pages that have rows.
    pub(super) fn open_ranges(&self) -> Vec<Range<u32>> {
        let space = self.space.as_ref();
        self.open.keys().filter_map(|page| space.map(|space| space.rows(*page as usize))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window of 10 rows over five pages of four rows, which have the indexes 5 to 24; the pages themselves are held.
    fn window() -> (Window, ChunkSet) {
        let mut window = Window::new(10);
        window.begin(ChunkSpace::new([4; 5]));
        (window, ChunkSet::full(5))
    }

    #[test]
    fn pages_come_in_order_and_as_far_as_there_is_room() {
        let (mut window, mut have) = window();
        assert_eq!(window.advance(&have, |_| true), [0, 1, 2]);
        window.was_read(0);
        (5..9).for_each(|chunk| window.add_row(ChunkIndex(chunk)));
        assert_eq!(window.advance(&have, |_| true), [0; 0]);
        for chunk in 5..8 {
            have.insert(ChunkIndex(chunk));
            window.drop_row(ChunkIndex(chunk));
        }
        assert_eq!((window.advance(&have, |_| true), window.is_crowded()), (vec![3], true));
    }

    #[test]
    fn what_nobody_has_takes_no_room_until_somebody_has_it() {
        let (mut window, have) = window();
        assert_eq!(window.advance(&have, |rows| rows.start == 17), [3]);
        window.look_at(ChunkIndex(6));
        assert_eq!(window.advance(&have, |rows| rows.start == 5), [0]);
        window.look_again();
        assert_eq!(window.advance(&have, |_| true), [1]);
    }

    #[test]
    fn what_fits_is_in_it_at_once_whoever_has_it() {
        let (mut window, mut have) = window();
        (5..17).for_each(|chunk| _ = have.insert(ChunkIndex(chunk)));
        assert_eq!(window.advance(&have, |_| false), [3, 4]);
    }

    #[test]
    fn what_is_lost_and_nobody_has_is_remembered_in_a_page_that_is_open() {
        let (mut window, mut have) = window();
        (5..9).for_each(|chunk| _ = have.insert(ChunkIndex(chunk)));
        assert_eq!(window.advance(&have, |rows| rows.start == 9), [1]);
        window.was_read(1);
        window.add_row(ChunkIndex(9));
        window.look_at(ChunkIndex(10));
        assert_eq!(window.advance(&have, |_| false), [0; 0]);
        window.look_again();
        assert_eq!(window.advance(&have, |rows| rows.start == 9), [1]);
    }

    #[test]
    fn what_is_lost_while_its_page_is_read_is_looked_at_once_more() {
        let (mut window, have) = window();
        assert_eq!(window.advance(&have, |_| true), [0, 1, 2]);
        window.look_at(ChunkIndex(6));
        assert_eq!(window.advance(&have, |_| true), [0; 0]);
        (0..3).for_each(|page| window.was_read(page));
        assert_eq!(window.advance(&have, |_| true), [0, 3, 4]);
    }

    #[test]
    fn a_watcher_does_not_wait_for_room() {
        let (mut window, mut have) = window();
        have.remove(ChunkIndex(3));
        assert_eq!(window.advance(&have, |_| true), [0, 1, 2]);
        window.hurry(ChunkIndex(22));
        window.hurry(ChunkIndex(20));
        assert_eq!(window.advance(&have, |_| true), [4], "page 3 is not here");
    }
}
