//! Manifest pages: which files share a page, and how their chunks are listed.
//!
//! What must stay true: pages close at places that depend on content (a file's path, a chunk's id), so that an edit
//! changes the pages around it and not all pages behind it; no page exceeds the limits of its format; a chunk that occurs
//! several times in a page has one row.

use karez_protocol::content::chunk::ChunkEntry;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::manifest::{FilePart, Item, PAGE_CHUNKS_MAX, PAGE_RUN_ROWS_MAX, Page, Run};
use karez_protocol::content::path::ContentPath;
use karez_protocol::content::{Document, DocumentError};
use std::collections::HashMap;

/// From this many rows on a page may close. 256 rows are 5 MB of video described in 16 KiB.
const CLOSE_ROWS: usize = 256;
/// A file with more chunks than this goes over several pages of its own.
pub(super) const PART_CHUNKS_MAX: usize = 4_096;
/// From this many chunks on a part may close.
const PART_CHUNKS_MIN: usize = 2_048;
/// Upper bound of the encoded size: below the format's 1 MiB by more than the estimate can be wrong.
const ESTIMATE_MAX: usize = 900 << 10;
/// Encoded bytes of a row, of a run, and of the fixed fields of a file and an item, at most.
const ROW_BYTES: usize = 64;
const RUN_BYTES: usize = 11;
const FILE_BYTES: usize = 64;
const ITEM_BYTES: usize = 32;

/// A finished page.
#[derive(Debug)]
pub(super) struct ClosedPage {
    pub(super) plain: Vec<u8>,
    pub(super) chunks: u32,
    pub(super) items: u32,
    pub(super) plain_bytes: u64,
}

/// A file to list: everything but `offset` and `runs` is filled in.
pub(super) struct Listing<'a> {
    pub(super) key: &'a str,
    pub(super) title: &'a str,
    /// Whether its item begins with it.
    pub(super) begins_item: bool,
    pub(super) file: FilePart,
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
    items_begun: u32,
    plain_bytes: u64,
    run_rows: usize,
    estimate: usize,
}

impl PageBuilder {
    /// Lists a file of at most [`PART_CHUNKS_MAX`] chunks.
    pub(super) fn add(&mut self, listing: &Listing<'_>) -> Result<(), DocumentError> {
        let bytes = listing.chunks.len() * (ROW_BYTES + RUN_BYTES) + fixed_bytes(listing);
        if self.table.len() + listing.chunks.len() > PAGE_CHUNKS_MAX
            || self.run_rows + listing.chunks.len() > PAGE_RUN_ROWS_MAX as usize
            || self.estimate + bytes > ESTIMATE_MAX
        {
            self.close()?;
        }
        self.push_part(listing, 0, listing.chunks, listing.begins_item);
        if self.table.len() >= CLOSE_ROWS && closes_after(&listing.file.path) {
            self.close()?;
        }
        Ok(())
    }

    /// Lists the next part of a larger file, as long as `listing.chunks` begins with it, and returns its chunks. These
    /// are [`PART_CHUNKS_MAX`] or more, or all that are left. A large file begins on a page of its own and leaves none
    /// open, so its pages depend on nothing but the file, and close while it is still being read.
    pub(super) fn add_part(&mut self, listing: &Listing<'_>, offset: u64) -> Result<usize, DocumentError> {
        self.close()?;
        let part = &listing.chunks[..part_len(listing.chunks)];
        self.push_part(listing, offset, part, listing.begins_item && offset == 0);
        self.close()?;
        Ok(part.len())
    }

    fn push_part(&mut self, listing: &Listing<'_>, offset: u64, chunks: &[ChunkEntry], begins_item: bool) {
        let mut runs: Vec<Run> = Vec::new();
        for entry in chunks {
            let next = self.table.len() as u32;
            let row = *self.rows.entry(entry.id).or_insert(next);
            if row == next {
                self.table.push(*entry);
                self.estimate += ROW_BYTES;
            }
            match runs.last_mut() {
                Some(run) if run.first + run.count == row => run.count += 1,
                _ => runs.push(Run { first: row, count: 1 }),
            }
            self.plain_bytes += u64::from(entry.plain_len);
        }
        self.estimate += runs.len() * RUN_BYTES + fixed_bytes(listing);
        self.run_rows += chunks.len();
        self.items_begun += u32::from(begins_item);
        let part = FilePart { offset, runs, ..listing.file.clone() };
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
        let page = Page::new(open.items, open.table, open.empty_folders, Vec::new());
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
    let longest = chunks.len().min(PART_CHUNKS_MAX);
    let closes = |entry: &ChunkEntry| {
        let id = entry.id.as_bytes();
        u16::from_le_bytes([id[0], id[1]]) & 0x3ff == 0
    };
    (PART_CHUNKS_MIN..=longest).find(|len| closes(&chunks[len - 1])).unwrap_or(longest)
}

#[cfg(test)]
mod tests;
