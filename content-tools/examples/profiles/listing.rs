//! What a version costs when it is cut by a profile: chunk rows, and the pages that list them.
//!
//! What must stay true: pages close where `docs/formats/manifest.md` says, and their bytes are those of real pages.

use crate::material::File;
use karez_content_tools::cut::{self, Block, Cutter, ReadAt};
use karez_content_tools::verify::seal;
use karez_protocol::content::Document;
use karez_protocol::content::chunk::ChunkEntry;
use karez_protocol::content::cut_profile::CutProfile;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::manifest::{FilePart, Item, Page, Role, Run};
use std::collections::HashMap;

/// Rows from which on a page of small files may close, and parts of a large one.
const CLOSE_ROWS: usize = 256;
const PART_ROWS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// One version: stored bytes of every chunk and of every page, by id.
#[derive(Default)]
pub(crate) struct Listing {
    pub(crate) chunks: HashMap<ChunkId, u32>,
    pub(crate) pages: HashMap<ChunkId, u32>,
    pub(crate) rows: usize,
    pub(crate) plain_bytes: u64,
}

impl Listing {
    pub(crate) fn of(files: &[File], profile: CutProfile, compress: bool) -> Self {
        let (mut listing, mut open, mut open_rows) = (Self::default(), Vec::new(), 0);
        for file in files {
            let rows = rows(&file.bytes, profile, compress);
            listing.rows += rows.len();
            listing.plain_bytes += file.bytes.len() as u64;
            listing.chunks.extend(rows.iter().map(|row| (row.id, row.stored_len)));
            if rows.len() > *PART_ROWS.end() {
                listing.close(&mut open, &mut open_rows);
                for part in parts(&rows) {
                    listing.close(&mut vec![(file, part)], &mut 0);
                }
                continue;
            }
            open_rows += rows.len();
            open.push((file, rows));
            if open_rows >= CLOSE_ROWS && blake3::hash(file.name.as_bytes()).as_bytes()[0] & 7 == 0 {
                listing.close(&mut open, &mut open_rows);
            }
        }
        listing.close(&mut open, &mut open_rows);
        listing
    }

    fn close(&mut self, open: &mut Vec<(&File, Vec<ChunkEntry>)>, open_rows: &mut usize) {
        *open_rows = 0;
        let (mut table, mut items) = (Vec::new(), Vec::new());
        for (file, rows) in open.drain(..) {
            let runs = vec![Run { first: table.len() as u32, count: rows.len() as u32 }];
            items.push(item(file, runs));
            table.extend(rows);
        }
        if table.is_empty() {
            return;
        }
        let page = Page::new(items, table, Vec::new(), Vec::new()).to_bytes();
        let entry = sealed(&page, true);
        self.pages.insert(entry.id, entry.stored_len);
    }

    /// Stored bytes of chunks and of pages that another version does not have.
    pub(crate) fn new_bytes(&self, old: &Self) -> (u64, u64) {
        let new = |mine: &HashMap<ChunkId, u32>, theirs: &HashMap<ChunkId, u32>| {
            mine.iter().filter(|(id, _)| !theirs.contains_key(id)).map(|(_, len)| u64::from(*len)).sum()
        };
        (new(&self.chunks, &old.chunks), new(&self.pages, &old.pages))
    }
}

fn item(file: &File, runs: Vec<Run>) -> Item {
    let part = FilePart {
        path: file.name.parse().expect("names here are paths"),
        role: Role::Main,
        media_type: "video/mp4".to_owned(),
        size: file.bytes.len() as u64,
        offset: 0,
        executable: false,
        cut_profile: 1,
        runs,
        language: None,
        recipe: None,
    };
    Item { key: file.name.clone(), title: file.name.clone(), files: vec![part], ext: Default::default() }
}

fn sealed(plain: &[u8], compress: bool) -> ChunkEntry {
    seal(plain, compress).expect("chunks and pages are short enough").entry()
}

/// Bytes of a file in memory.
struct Memory<'a>(&'a [u8]);

impl ReadAt for Memory<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
}

fn rows(bytes: &[u8], profile: CutProfile, compress: bool) -> Vec<ChunkEntry> {
    let plan = cut::plan(&Memory(bytes), bytes.len() as u64, &profile).plan;
    let (mut cutter, mut block, mut rows) = (Cutter::new(bytes, profile, plan), Block::default(), Vec::new());
    while cutter.next_block(&mut block).expect("memory can be read") {
        rows.extend(block.chunks().map(|chunk| sealed(chunk.plain, compress)));
    }
    rows
}

fn parts(mut rows: &[ChunkEntry]) -> Vec<Vec<ChunkEntry>> {
    let mut parts = Vec::new();
    while !rows.is_empty() {
        let longest = rows.len().min(*PART_ROWS.end());
        let ends = |len: &usize| {
            let id = rows[len - 1].id.as_bytes();
            u16::from_le_bytes([id[0], id[1]]) & 0x3ff == 0
        };
        let (part, rest) = rows.split_at((*PART_ROWS.start()..=longest).find(ends).unwrap_or(longest));
        parts.push(part.to_vec());
        rows = rest;
    }
    parts
}
