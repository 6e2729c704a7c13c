//! The map between a manifest's chunk space, its files and their byte ranges.
//!
//! Chunk space: indexes `0..P` are the P pages in root order, then each page's chunk table follows in page order, so the
//! root alone fixes every index. A [`Layout`] holds a whole manifest in memory and lists a chunk that stands in several
//! tables once, under its lowest index, when all pages are known. Whoever must not hold a whole manifest has the
//! [`ChunkSpace`] and looks into pages one at a time.

use super::Document;
use super::chunk::{ChunkEntry, ChunkIndex};
use super::hash::ChunkId;
use super::manifest::{FilePart, Item, ManifestRoot, Page};
use std::collections::BTreeMap;
use std::ops::Range;

/// A manifest as far as its pages are known.
#[derive(Debug, Clone)]
pub struct Layout {
    root: ManifestRoot,
    space: ChunkSpace,
    pages: Vec<Option<Page>>,
    /// Bytes of each part of a known page, in the order of the page: counting them means walking its recipes.
    part_bytes: Vec<Vec<u64>>,
    canonical: BTreeMap<ChunkId, ChunkIndex>,
}

/// Why a page was not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
pub enum LayoutError {
    /// The page does not decode.
    #[error(transparent)]
    Document(#[from] super::DocumentError),
    /// The page's bytes or table differ from what the root says.
    #[error("manifest page {page} is not the one its root names")]
    Mismatch {
        /// Number of the page.
        page: usize,
    },
}

/// A piece of a byte range of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Canonical index of the chunk.
    pub chunk: ChunkIndex,
    /// The chunk's row.
    pub entry: ChunkEntry,
    /// First byte wanted inside the chunk.
    pub start: u32,
    /// Bytes wanted from there on.
    pub len: u32,
}

/// A whole file, joined over its parts.
#[derive(Debug, Clone)]
pub struct File<'a> {
    /// Key of its item.
    pub item: &'a str,
    /// The file's first part: path, role, type, size.
    pub head: &'a FilePart,
    parts: Vec<Part<'a>>,
}

/// A part of a file.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    /// Number of its page.
    page: usize,
    part: &'a FilePart,
    bytes: u64,
}

impl File<'_> {
    /// Whether its parts begin at 0, join, and end at its size.
    fn is_described(&self) -> bool {
        let mut end = 0;
        let joins = |part: &Part<'_>| {
            let begin = std::mem::replace(&mut end, part.part.offset + part.bytes);
            part.part.offset == begin && part.part.size == self.head.size
        };
        self.parts.iter().all(joins) && end == self.head.size
    }
}

/// What an index of the chunk space names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A manifest page.
    Page(usize),
    /// A row of a page's chunk table.
    Row {
        /// Number of the page.
        page: usize,
        /// Row of its table.
        row: usize,
    },
}

/// The chunk space of a root: where each page's table begins. Four bytes a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkSpace {
    bases: Vec<u32>,
    count: u32,
}

impl ChunkSpace {
    /// The chunk space that a root fixes.
    pub fn of(root: &ManifestRoot) -> Self {
        Self::new(root.pages.iter().map(|page| page.chunks))
    }

    /// The chunk space of pages with so many rows each.
    pub fn new(rows: impl IntoIterator<Item = u32, IntoIter: ExactSizeIterator>) -> Self {
        let rows = rows.into_iter();
        let mut next = rows.len() as u32;
        let mut base_of = |rows: u32| {
            let base = next;
            next += rows;
            base
        };
        let bases = rows.map(&mut base_of).collect();
        Self { bases, count: next }
    }

    /// Number of pages.
    pub fn pages(&self) -> u32 {
        self.bases.len() as u32
    }

    /// Number of indexes.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Indexes of a page's rows; empty for a page that does not exist.
    pub fn rows(&self, page: usize) -> Range<u32> {
        let base = self.bases.get(page).copied().unwrap_or(self.count);
        base..self.bases.get(page + 1).copied().unwrap_or(self.count)
    }

    /// What an index names; `None` for one outside the space.
    pub fn place(&self, index: ChunkIndex) -> Option<Place> {
        if index.0 >= self.count {
            return None;
        }
        if (index.0 as usize) < self.bases.len() {
            return Some(Place::Page(index.0 as usize));
        }
        let page = self.bases.partition_point(|base| *base <= index.0).checked_sub(1)?;
        Some(Place::Row { page, row: (index.0 - self.bases[page]) as usize })
    }
}

/// Decodes the plaintext of a page, after checking that it is the one that the root names.
pub fn read_page(root: &ManifestRoot, number: usize, plain: &[u8]) -> Result<Page, LayoutError> {
    let mismatch = LayoutError::Mismatch { page: number };
    let named = root.pages.get(number).ok_or(mismatch.clone())?;
    if ChunkId::of(plain) != named.entry.id {
        return Err(mismatch);
    }
    let page = Page::from_bytes(plain)?;
    if page.chunks.len() == named.chunks as usize { Ok(page) } else { Err(mismatch) }
}

impl Layout {
    /// The layout of a root with no page known.
    pub fn new(root: ManifestRoot) -> Self {
        let space = ChunkSpace::of(&root);
        let mut layout = Self {
            space,
            pages: vec![None; root.pages.len()],
            part_bytes: vec![Vec::new(); root.pages.len()],
            canonical: BTreeMap::new(),
            root,
        };
        for (number, page) in layout.root.pages.iter().enumerate() {
            layout.canonical.entry(page.entry.id).or_insert(ChunkIndex(number as u32));
        }
        layout
    }

    /// The root page.
    pub fn root(&self) -> &ManifestRoot {
        &self.root
    }

    /// Size of the chunk space.
    pub fn count(&self) -> u32 {
        self.space.count
    }

    /// Numbers of the pages that are not known yet.
    pub fn missing_pages(&self) -> impl Iterator<Item = usize> + '_ {
        self.pages.iter().enumerate().filter(|(_, page)| page.is_none()).map(|(number, _)| number)
    }

    /// Whether every page is known.
    pub fn is_whole(&self) -> bool {
        self.pages.iter().all(Option::is_some)
    }

    /// Takes the plaintext of a page. True when it was the last one missing: now the map is whole.
    pub fn add_page(&mut self, number: usize, plain: &[u8]) -> Result<bool, LayoutError> {
        let page = read_page(&self.root, number, plain)?;
        if self.pages[number].is_some() {
            return Ok(false);
        }
        let parts = page.items.iter().flat_map(|item| &item.files);
        self.part_bytes[number] = parts.map(|part| page.part_bytes(part).unwrap_or(0)).collect();
        self.pages[number] = Some(page);
        if self.is_whole() {
            self.settle_canonical();
        }
        Ok(self.is_whole())
    }

    fn settle_canonical(&mut self) {
        for (base, page) in self.space.bases.iter().zip(self.pages.iter().flatten()) {
            for (row, entry) in page.chunks.iter().enumerate() {
                self.canonical.entry(entry.id).or_insert(ChunkIndex(base + row as u32));
            }
        }
    }

    /// The row of an index, when its page is known.
    pub fn entry(&self, index: ChunkIndex) -> Option<ChunkEntry> {
        match self.space.place(index)? {
            Place::Page(number) => Some(self.root.pages[number].entry),
            Place::Row { page, row } => self.pages[page].as_ref()?.chunks.get(row).copied(),
        }
    }

    /// Canonical index of a chunk id: pages at once, other chunks once the map is whole.
    pub fn index_of(&self, id: &ChunkId) -> Option<ChunkIndex> {
        self.canonical.get(id).copied()
    }

    /// Every canonical index with its row: pages only until the map is whole.
    pub fn entries(&self) -> impl Iterator<Item = (ChunkIndex, ChunkEntry)> + '_ {
        self.canonical.values().filter_map(|index| Some((*index, self.entry(*index)?)))
    }

    /// Items of the known pages, parts of one item in order.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.pages.iter().flatten().flat_map(|page| &page.items)
    }

    /// Folders that hold nothing.
    pub fn empty_folders(&self) -> impl Iterator<Item = &super::path::ContentPath> {
        self.pages.iter().flatten().flat_map(|page| &page.empty_folders)
    }

    /// Files of the known pages that are described completely, in order of first appearance.
    pub fn files(&self) -> Vec<File<'_>> {
        let mut order: Vec<File<'_>> = Vec::new();
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (item, part) in self.parts() {
            let at = *seen.entry(part.part.path.as_str()).or_insert_with(|| {
                order.push(File { item: &item.key, head: part.part, parts: Vec::new() });
                order.len() - 1
            });
            order[at].parts.push(part);
        }
        order.retain(File::is_described);
        order
    }

    fn parts(&self) -> impl Iterator<Item = (&Item, Part<'_>)> {
        let pages = self.pages.iter().zip(&self.part_bytes).enumerate();
        pages.flat_map(|(number, (page, bytes))| {
            let items = page.iter().flat_map(|page| &page.items);
            let parts = items.flat_map(|item| item.files.iter().map(move |part| (item, part)));
            parts.zip(bytes).map(move |((item, part), bytes)| (item, Part { page: number, part, bytes: *bytes }))
        })
    }

    /// The file at a path.
    pub fn file(&self, path: &str) -> Option<File<'_>> {
        let mut parts = self.parts().filter(|(_, part)| part.part.path.as_str() == path);
        let (item, first) = parts.next()?;
        let mut file = File { item: &item.key, head: first.part, parts: vec![first] };
        file.parts.extend(parts.map(|(_, part)| part));
        file.is_described().then_some(file)
    }

    /// Calls back with what decides a file's bytes: the ids of its chunks, and how they are put together.
    pub fn fingerprint(&self, file: &File<'_>, mut visit: impl FnMut(&[u8])) {
        for Part { page, part, .. } in &file.parts {
            if let Some(page) = self.pages[*page].as_ref() {
                page.part_fingerprint(part, &mut visit);
            }
        }
    }

    /// The slices that make up a byte range of a file, in order; the range is clamped to the file.
    pub fn slices(&self, file: &File<'_>, range: Range<u64>) -> Vec<Slice> {
        let mut slices = Vec::new();
        let touched = |part: &&Part<'_>| part.part.offset < range.end && range.start < part.part.offset + part.bytes;
        for Part { page: number, part, .. } in file.parts.iter().filter(touched) {
            let Some(page) = self.pages[*number].as_ref() else { continue };
            let from_part = |at: u64| at.saturating_sub(part.offset);
            for slice in page.part_slices(part, from_part(range.start)..from_part(range.end)) {
                let entry = page.chunks[slice.row as usize];
                let fallback = ChunkIndex(self.space.bases[*number] + slice.row);
                let chunk = self.index_of(&entry.id).unwrap_or(fallback);
                slices.push(Slice { chunk, entry, start: slice.start, len: slice.len });
            }
        }
        slices
    }
}
