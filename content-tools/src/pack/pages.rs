//! Manifest pages: which files share a page, and how their chunks are listed.
//!
//! What must stay true: pages close at places that depend on content (a file's path, a chunk's id), so that an edit
//! changes the pages around it and not all pages behind it; no page exceeds the limits of its format; a chunk that occurs
//! several times in a page has one row.

use super::parts::{Limits, StreamPart};
use super::proof::Mapping;
use karez_protocol::content::chunk::ChunkEntry;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::manifest::{FilePart, Item, PAGE_CHUNKS_MAX, PAGE_RUN_ROWS_MAX, Page, Run};
use karez_protocol::content::path::ContentPath;
use karez_protocol::content::recipe::{Recipe, STREAMS_MAX, Stream};
use karez_protocol::content::{Document, DocumentError};
use std::collections::HashMap;

/// From this many rows on a page may close. 256 rows are 5 MB of video described in 16 KiB.
const CLOSE_ROWS: usize = 256;
/// A file with more chunks than this goes over several pages of its own.
pub(super) const PART_CHUNKS_MAX: usize = Limits::PAGES.rows_max;
/// Upper bound of the encoded size: below the format's 1 MiB by more than the estimate can be wrong.
const ESTIMATE_MAX: usize = 900 << 10;
/// Encoded bytes of a row, of a run, and of the fixed fields of a file and an item, at most.
const ROW_BYTES: usize = 64;
const RUN_BYTES: usize = 11;
const FILE_BYTES: usize = 64;
const ITEM_BYTES: usize = 32;
/// Encoded bytes of a stream's `skip` and framing.
const STREAM_BYTES: usize = 16;

/// A finished page.
#[derive(Debug)]
pub(super) struct ClosedPage {
    pub(super) plain: Vec<u8>,
    pub(super) chunks: u32,
    pub(super) items: u32,
    pub(super) plain_bytes: u64,
}

/// A file to list: everything but `offset`, `runs` and `recipe` is filled in.
pub(super) struct Listing<'a> {
    pub(super) key: &'a str,
    pub(super) title: &'a str,
    /// Whether its item begins with it.
    pub(super) begins_item: bool,
    pub(super) file: FilePart,
    /// Its rows, unless it is taken apart.
    pub(super) chunks: &'a [ChunkEntry],
    /// For the item's `ext` on this page.
    pub(super) ext: Vec<(String, String)>,
}

/// Builds pages from files in item order.
#[derive(Default)]
pub(super) struct PageBuilder {
    closed: Vec<ClosedPage>,
    items: Vec<Item>,
    table: Vec<ChunkEntry>,
    rows: HashMap<ChunkId, u32>,
    empty_folders: Vec<ContentPath>,
    recipes: Vec<Recipe>,
    items_begun: u32,
    plain_bytes: u64,
    run_rows: usize,
    estimate: usize,
}

impl PageBuilder {
    /// Lists a file of at most [`PART_CHUNKS_MAX`] chunks.
    pub(super) fn add(&mut self, listing: &Listing<'_>) -> Result<(), DocumentError> {
        self.make_room(listing, listing.chunks.len(), 0)?;
        self.push_rows(listing, 0, listing.chunks);
        self.close_after(listing)
    }

    /// Lists a file that is taken apart and has one part. False, and nothing is listed, when its bytes are not where
    /// `expected` says.
    pub(super) fn add_streams(
        &mut self,
        listing: &Listing<'_>,
        part: &StreamPart,
        expected: Option<Mapping>,
    ) -> Result<bool, DocumentError> {
        self.make_room(listing, part.rows.len(), recipe_bytes(part))?;
        let table = self.table.len();
        let recipe = self.recipe(part);
        let mut found = Mapping::default();
        found.add_part(&recipe.slices(&self.table, 0..u64::MAX), &self.table, 0);
        if expected.is_some_and(|expected| expected != found) {
            self.estimate -= (self.table.len() - table) * ROW_BYTES;
            self.table.truncate(table);
            self.rows.retain(|_, row| (*row as usize) < table);
            return Ok(false);
        }
        self.push_streams(listing, 0, part, recipe);
        self.close_after(listing)?;
        Ok(true)
    }

    /// Lists the next part of a larger file, as long as `listing.chunks` begins with it, and returns its chunks. These
    /// are [`PART_CHUNKS_MAX`] or more, or all that are left. A large file begins on a page of its own and leaves none
    /// open, so its pages depend on nothing but the file, and close while it is still being read.
    pub(super) fn add_part(&mut self, listing: &Listing<'_>, offset: u64) -> Result<usize, DocumentError> {
        self.close()?;
        let part = &listing.chunks[..part_len(listing.chunks)];
        self.push_rows(listing, offset, part);
        self.close()?;
        Ok(part.len())
    }

    /// Lists the next part of a larger file that is taken apart, on a page of its own, and adds where its bytes are to
    /// `found`.
    pub(super) fn add_stream_part(
        &mut self,
        listing: &Listing<'_>,
        offset: u64,
        part: &StreamPart,
        found: &mut Mapping,
    ) -> Result<(), DocumentError> {
        self.close()?;
        let recipe = self.recipe(part);
        found.add_part(&recipe.slices(&self.table, 0..u64::MAX), &self.table, offset);
        self.push_streams(listing, offset, part, recipe);
        self.close()
    }

    /// Closes the open page when a file would take it over a limit.
    fn make_room(&mut self, listing: &Listing<'_>, rows: usize, recipe: usize) -> Result<(), DocumentError> {
        let bytes = rows * (ROW_BYTES + RUN_BYTES) + recipe + fixed_bytes(listing);
        if self.table.len() + rows > PAGE_CHUNKS_MAX
            || self.run_rows + rows > PAGE_RUN_ROWS_MAX as usize
            || self.estimate + bytes > ESTIMATE_MAX
        {
            self.close()?;
        }
        Ok(())
    }

    fn close_after(&mut self, listing: &Listing<'_>) -> Result<(), DocumentError> {
        if self.table.len() >= CLOSE_ROWS && closes_after(&listing.file.path) { self.close() } else { Ok(()) }
    }

    /// The number of a chunk's row in the open page.
    fn row(&mut self, entry: &ChunkEntry) -> u32 {
        let next = self.table.len() as u32;
        let row = *self.rows.entry(entry.id).or_insert(next);
        if row == next {
            self.table.push(*entry);
            self.estimate += ROW_BYTES;
        }
        row
    }

    fn push_rows(&mut self, listing: &Listing<'_>, offset: u64, chunks: &[ChunkEntry]) {
        let mut runs = Vec::new();
        for entry in chunks {
            let row = self.row(entry);
            push_run(&mut runs, row);
        }
        self.run_rows += chunks.len();
        self.estimate += runs.len() * RUN_BYTES;
        self.plain_bytes += chunks.iter().map(|entry| u64::from(entry.plain_len)).sum::<u64>();
        self.push_file(listing, FilePart { offset, runs, ..listing.file.clone() });
    }

    /// The recipe of a part over the rows of the open page. Rows stand in the order in which the file needs them, so that
    /// fetching them in order brings picture and sound together.
    fn recipe(&mut self, part: &StreamPart) -> Recipe {
        let streams = part.rows.iter().map(|(stream, _)| usize::from(*stream) + 1).max().unwrap_or(0);
        let mut streams: Vec<Stream> =
            part.skips.iter().take(streams).map(|skip| Stream { skip: *skip, runs: Vec::new() }).collect();
        for (stream, entry) in &part.rows {
            let row = self.row(entry);
            push_run(&mut streams[usize::from(*stream)].runs, row);
        }
        Recipe { streams, extents: part.extents.clone() }
    }

    fn push_streams(&mut self, listing: &Listing<'_>, offset: u64, part: &StreamPart, recipe: Recipe) {
        let runs: usize = recipe.streams.iter().map(|stream| stream.runs.len()).sum();
        self.run_rows += part.rows.len();
        self.estimate += runs * RUN_BYTES + recipe_bytes(part);
        self.plain_bytes += part.bytes;
        let number = Some(self.recipes.len() as u32);
        self.recipes.push(recipe);
        self.push_file(listing, FilePart { offset, recipe: number, ..listing.file.clone() });
    }

    fn push_file(&mut self, listing: &Listing<'_>, part: FilePart) {
        self.estimate += fixed_bytes(listing);
        self.items_begun += u32::from(listing.begins_item && part.offset == 0);
        match self.items.last_mut() {
            Some(item) if item.key == listing.key => {
                item.files.push(part);
                item.ext.extend(listing.ext.iter().cloned());
            }
            _ => self.items.push(Item {
                key: listing.key.to_owned(),
                title: listing.title.to_owned(),
                files: vec![part],
                ext: listing.ext.iter().cloned().collect(),
            }),
        }
    }

    /// Lists a folder that holds nothing.
    pub(super) fn add_empty_folder(&mut self, folder: ContentPath) -> Result<(), DocumentError> {
        let bytes = folder.as_str().len() + 5;
        if self.estimate + bytes > ESTIMATE_MAX {
            self.close()?;
        }
        self.estimate += bytes;
        self.empty_folders.push(folder);
        Ok(())
    }

    /// Closes the open page, if anything is in it.
    pub(super) fn close(&mut self) -> Result<(), DocumentError> {
        if self.items.is_empty() && self.empty_folders.is_empty() {
            return Ok(());
        }
        let fresh = Self { closed: std::mem::take(&mut self.closed), ..Self::default() };
        let open = std::mem::replace(self, fresh);
        let chunks = open.table.len() as u32;
        let page = Page::new(open.items, open.table, open.empty_folders, open.recipes);
        let plain = page.to_bytes();
        // What every reader will check: a title of a megabyte is noticed here and not by a thousand sites.
        Page::from_bytes(&plain)?;
        self.closed.push(ClosedPage { plain, chunks, items: open.items_begun, plain_bytes: open.plain_bytes });
        Ok(())
    }

    /// The pages closed since the last call.
    pub(super) fn take_closed(&mut self) -> Vec<ClosedPage> {
        std::mem::take(&mut self.closed)
    }
}

fn fixed_bytes(listing: &Listing<'_>) -> usize {
    let file = &listing.file;
    let language = file.language.as_ref().map_or(0, String::len);
    let names = file.path.as_str().len() + file.media_type.len() + language + listing.key.len() + listing.title.len();
    let ext: usize = listing.ext.iter().map(|(name, value)| name.len() + value.len() + 6).sum();
    names + ext + FILE_BYTES + ITEM_BYTES
}

/// One path in eight closes a page.
fn closes_after(path: &ContentPath) -> bool {
    blake3::hash(path.as_str().as_bytes()).as_bytes()[0] & 7 == 0
}

/// Length of the next part of a large file: up to the first chunk behind the minimum whose id ends it (one in 1024).
fn part_len(chunks: &[ChunkEntry]) -> usize {
    let (limits, longest) = (Limits::PAGES, chunks.len().min(PART_CHUNKS_MAX));
    (limits.rows_min..=longest).find(|len| limits.closes(&chunks[len - 1].id)).unwrap_or(longest)
}

/// Encoded bytes of a part's recipe without its runs, at most.
fn recipe_bytes(part: &StreamPart) -> usize {
    part.extents.len() + STREAMS_MAX * STREAM_BYTES
}

fn push_run(runs: &mut Vec<Run>, row: u32) {
    match runs.last_mut() {
        Some(run) if run.first + run.count == row => run.count += 1,
        _ => runs.push(Run { first: row, count: 1 }),
    }
}

#[cfg(test)]
mod tests;
