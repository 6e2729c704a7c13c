//! A file that is being taken in: what is known of it, and the rows that stand in no page yet.
//!
//! What must stay true: of a file that is not taken apart at most [`PART_CHUNKS_MAX`](super::pages::PART_CHUNKS_MAX) rows and
//! a block wait here; of one that is, what [`Lanes`] keep in memory.

use super::items::{ItemFile, SourceItem};
use super::lanes::Lanes;
use super::memory::Draft;
use super::pages::Listing;
use super::proof::Mapping;
use super::row::Row;
use super::sealer::SealedBlock;
use crate::cut::{Plan, Planned};
use karez_protocol::content::chunk::ChunkEntry;
use karez_protocol::content::manifest::FilePart;
use karez_protocol::content::recipe::Extent;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A file that is being taken in.
pub(super) struct Open<'i> {
    pub(super) item: &'i SourceItem,
    pub(super) file: &'i ItemFile,
    pub(super) begins_item: bool,
    pub(super) head: FilePart,
    /// What the item says of itself and of this file.
    ext: Vec<(String, String)>,
    /// How it is cut.
    pub(super) planned: Planned,
    /// Rows that stand in no page yet, unless it is taken apart.
    pub(super) rows: Vec<ChunkEntry>,
    /// Bytes of the rows that do.
    pub(super) listed: u64,
    /// What is known of it when it is.
    pub(super) apart: Option<Apart>,
    /// Pages before its first one, once it has pages of its own.
    pub(super) pages_before: Option<usize>,
    /// Its listing on the way into the memory, and the rows that are not there yet.
    pub(super) draft: Option<Draft>,
    pub(super) unsaved: Vec<Row>,
}

/// A file that is taken apart.
pub(super) struct Apart {
    pub(super) extents: Arc<[Extent]>,
    pub(super) lanes: Lanes,
    /// Where its bytes are in its chunks, and their CRC-32; `None` when nothing was read.
    pub(super) proof: Option<(Mapping, u32)>,
}

impl<'i> Open<'i> {
    /// A file of which nothing is known yet but its place.
    pub(super) fn new(item: &'i SourceItem, file: &'i ItemFile, begins_item: bool) -> Self {
        let head = FilePart {
            path: file.source.path.clone(),
            role: file.role,
            media_type: String::new(),
            size: 0,
            offset: 0,
            executable: false,
            cut_profile: 0,
            runs: Vec::new(),
            language: file.language().map(str::to_owned),
            recipe: None,
        };
        Self {
            item,
            file,
            begins_item,
            head,
            ext: item.ext.iter().cloned().chain(file.fact()).collect(),
            planned: Planned { plan: Plan::plain(), container: None, fallback: None },
            rows: Vec::new(),
            listed: 0,
            apart: None,
            pages_before: None,
            draft: None,
            unsaved: Vec::new(),
        }
    }

    /// It begins, or begins again. `is_read`: its bytes come now, and not what is known of them.
    pub(super) fn begin(&mut self, planned: Planned, is_read: bool, dir: &Path) {
        self.unsaved.clear();
        self.rows.clear();
        self.listed = 0;
        self.apart = match &planned.plan {
            Plan::Linear { .. } => None,
            Plan::Streams { extents } => {
                let proof = is_read.then_some((Mapping::default(), 0));
                Some(Apart { extents: extents.clone(), lanes: Lanes::new(dir), proof })
            }
        };
        self.planned = planned;
    }

    /// Takes rows.
    pub(super) fn extend(&mut self, rows: &[Row]) -> io::Result<()> {
        match &mut self.apart {
            Some(apart) => rows.iter().try_for_each(|row| apart.lanes.push(*row)),
            None => {
                self.rows.extend(rows.iter().map(|row| row.entry));
                Ok(())
            }
        }
    }

    pub(super) fn listing(&self) -> Listing<'_> {
        let SourceItem { key, title, .. } = self.item;
        let ext = self.ext.clone();
        Listing { key, title, begins_item: self.begins_item, file: self.head.clone(), chunks: &self.rows, ext }
    }
}

impl Apart {
    /// Notes what a block says of the file.
    pub(super) fn witness(&mut self, sealed: &SealedBlock, rows: &[Row]) {
        let Some((mapping, crc)) = &mut self.proof else { return };
        *crc ^= sealed.crc_share;
        for (chunk, row) in sealed.block.chunks().zip(rows) {
            mapping.add_chunk(&row.entry.id, chunk.ranges);
        }
    }
}
