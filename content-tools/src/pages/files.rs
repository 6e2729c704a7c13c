//! Files as a stream over the pages, found by bisection, and their byte ranges.
//!
//! What must stay true: only a file whose parts begin at 0, join, and end at its size is a file; the parts follow each
//! other without another file in between. What is read for a byte range are the pages of that range.

use super::Pages;
use crate::export::LoadError;
use crate::pack::description::FILE_NAME;
use crate::pack::natural;
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::layout::Slice;
use karez_protocol::content::manifest::{FilePart, Page};
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

/// A whole file, joined over its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Key of its item.
    pub item: String,
    /// Title of its item.
    pub title: String,
    /// Path, role, type and size; the runs are left out.
    pub head: FilePart,
    parts: Vec<Part>,
}

/// Where a part stands, and its bytes in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    page: u32,
    item: u32,
    file: u32,
    start: u64,
    end: u64,
}

impl File {
    /// Whether it is what the publisher says about the collection: it travels with it, and is no lesson.
    pub fn is_description(&self) -> bool {
        self.head.path.as_str() == FILE_NAME
    }

    fn is_whole(&self) -> bool {
        let mut end = 0;
        let joins = self.parts.iter().all(|part| std::mem::replace(&mut end, part.end) == part.start);
        joins && end == self.head.size
    }
}

impl Pages<'_> {
    /// Every file, in order.
    pub fn files(&self) -> impl Iterator<Item = Result<File, LoadError>> + '_ {
        self.files_in(0..self.len())
    }

    /// The files of an item, in order.
    pub fn files_of<'p>(
        &'p self,
        key: &'p str,
    ) -> Result<impl Iterator<Item = Result<File, LoadError>> + 'p, LoadError> {
        let pages = self.pages_of(key)?;
        Ok(self.files_in(pages).filter(move |file| file.as_ref().map_or(true, |file| file.item == key)))
    }

    /// The file at a path.
    pub fn file(&self, path: &str) -> Result<Option<File>, LoadError> {
        let named = |file: &Result<File, LoadError>| file.as_ref().map_or(true, |file| file.head.path.as_str() == path);
        // A folder's files belong to the item of its name; a film's subtitles stand with the film.
        let key = path.split('/').next().unwrap_or(path);
        let pages = self.pages_of(key)?;
        let found = self.files_in(pages.clone()).find(named).transpose()?;
        if found.is_some() || pages.len() == self.len() {
            return Ok(found);
        }
        self.files().find(named).transpose()
    }

    /// The pages that have an item: by bisection, or all when that does not find it.
    pub(crate) fn pages_of(&self, key: &str) -> Result<Range<usize>, LoadError> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.first_key(middle, key)? {
                Ordering::Less => low = middle + 1,
                Ordering::Equal | Ordering::Greater => high = middle,
            }
        }
        let first = low.saturating_sub(1);
        let mut end = low;
        while end < self.len() && self.first_key(end, key)? == Ordering::Equal {
            end += 1;
        }
        let has = |page: &Page| page.items.iter().any(|item| item.key == key);
        for page in first..end {
            if has(&*self.page(page)?) {
                return Ok(page..end);
            }
        }
        Ok(0..self.len())
    }

    /// How a page's first item stands to a key; empty folders stand behind the last file.
    fn first_key(&self, page: usize, key: &str) -> Result<Ordering, LoadError> {
        let page = self.page(page)?;
        Ok(page.items.first().map_or(Ordering::Greater, |item| natural::compare(&item.key, key)))
    }

    pub(crate) fn files_in(&self, pages: Range<usize>) -> impl Iterator<Item = Result<File, LoadError>> + '_ {
        let mut walk = Walk { pages: self, rest: pages, page: None, at: (0, 0), open: None };
        std::iter::from_fn(move || walk.next().transpose()).filter(|file| file.as_ref().map_or(true, File::is_whole))
    }

    /// The slices of a byte range of a file, in order; the range is clamped to the file. Pages are read as they are come to.
    pub fn slices<'p>(
        &'p self,
        file: &'p File,
        range: Range<u64>,
    ) -> impl Iterator<Item = Result<Slice, LoadError>> + 'p {
        let wanted = range.clone();
        let parts = file.parts.iter().filter(move |part| part.start < wanted.end && wanted.start < part.end);
        parts.flat_map(move |part| match self.part_slices(part, &range) {
            Ok(slices) => slices.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    /// Calls back with what decides a file's bytes: the ids of its chunks, and how they are put together.
    pub fn fingerprint(&self, file: &File, mut visit: impl FnMut(&[u8])) -> Result<(), LoadError> {
        for at in &file.parts {
            let page = self.page(at.page as usize)?;
            page.part_fingerprint(&page.items[at.item as usize].files[at.file as usize], &mut visit);
        }
        Ok(())
    }

    fn part_slices(&self, at: &Part, range: &Range<u64>) -> Result<Vec<Slice>, LoadError> {
        let page = self.page(at.page as usize)?;
        let part = &page.items[at.item as usize].files[at.file as usize];
        let from_part = |byte: u64| byte.saturating_sub(at.start);
        let base = self.space.rows(at.page as usize).start;
        let slice = |slice: karez_protocol::content::recipe::RowSlice| Slice {
            chunk: ChunkIndex(base + slice.row),
            entry: page.chunks[slice.row as usize],
            start: slice.start,
            len: slice.len,
        };
        Ok(page.part_slices(part, from_part(range.start)..from_part(range.end)).into_iter().map(slice).collect())
    }
}

/// A walk over the parts of files.
struct Walk<'p, 's> {
    pages: &'p Pages<'s>,
    rest: Range<usize>,
    page: Option<(usize, Arc<Page>)>,
    /// Item and file that come next.
    at: (usize, usize),
    /// The file that may go on.
    open: Option<File>,
}

impl Walk<'_, '_> {
    fn next(&mut self) -> Result<Option<File>, LoadError> {
        loop {
            let Some((number, page)) = &self.page else {
                let Some(number) = self.rest.next() else { return Ok(self.open.take()) };
                let page = self.pages.page(number).inspect_err(|_| self.rest = 0..0)?;
                (self.page, self.at) = (Some((number, page)), (0, 0));
                continue;
            };
            let Some(item) = page.items.get(self.at.0) else {
                self.page = None;
                continue;
            };
            let Some(part) = item.files.get(self.at.1) else {
                self.at = (self.at.0 + 1, 0);
                continue;
            };
            let bytes = page.part_bytes(part).unwrap_or(0);
            let place = Part {
                page: *number as u32,
                item: self.at.0 as u32,
                file: self.at.1 as u32,
                start: part.offset,
                end: part.offset.saturating_add(bytes),
            };
            self.at.1 += 1;
            if let Some(open) = self.open.as_mut().filter(|open| open.head.path == part.path && open.item == item.key) {
                // A size that changes on the way is a contradiction: such a file is never whole.
                let end = if part.size == open.head.size { place.end } else { u64::MAX };
                open.parts.push(Part { end, ..place });
                continue;
            }
            let head = FilePart { runs: Vec::new(), ..part.clone() };
            let file = File { item: item.key.clone(), title: item.title.clone(), head, parts: vec![place] };
            if let Some(done) = self.open.replace(file) {
                return Ok(Some(done));
            }
        }
    }
}
