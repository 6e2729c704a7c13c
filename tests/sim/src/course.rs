//! The release that is copied: pages and chunks with made-up ids and the sizes of the media cut profile.

use super::dice::Dice;
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::layout::ChunkSpace;
use karez_protocol::swarm::io::KnownChunk;

/// Bytes of a manifest page.
const PAGE_BYTES: u32 = 64 << 10;
/// Content chunks lie between these, 64 KiB on average.
const CHUNK_BYTES: std::ops::Range<u64> = 16 << 10..112 << 10;

/// A release.
#[derive(Debug, Clone)]
pub(super) struct Course {
    pub(super) pages: Vec<KnownChunk>,
    pub(super) content: Vec<KnownChunk>,
    page_rows: u32,
}

impl Course {
    pub(super) fn new(bytes: u64, page_rows: u32, dice: &mut Dice) -> Self {
        let mut sizes = Vec::new();
        let mut left = bytes;
        while left > 0 {
            let size = (CHUNK_BYTES.start + dice.below(CHUNK_BYTES.end - CHUNK_BYTES.start)).min(left);
            sizes.push(size as u32);
            left -= size;
        }
        let pages = (sizes.len() as u32).div_ceil(page_rows);
        let mut chunk = |index: u32, stored_len: u32| {
            let id = ChunkId::from_bytes(dice.bytes());
            KnownChunk { index: ChunkIndex(index), id, stored_len }
        };
        Self {
            pages: (0..pages).map(|index| chunk(index, PAGE_BYTES)).collect(),
            content: sizes.into_iter().zip(pages..).map(|(size, index)| chunk(index, size)).collect(),
            page_rows,
        }
    }

    /// The chunk space of its pages.
    pub(super) fn space(&self) -> ChunkSpace {
        ChunkSpace::new(self.content.chunks(self.page_rows as usize).map(|rows| rows.len() as u32))
    }

    /// The rows of some pages.
    pub(super) fn rows_of(&self, pages: &[u32]) -> Vec<KnownChunk> {
        let tables: Vec<_> = self.content.chunks(self.page_rows as usize).collect();
        pages.iter().flat_map(|page| tables[*page as usize]).copied().collect()
    }

    /// Number of chunks, pages included.
    pub(super) fn count(&self) -> u32 {
        (self.pages.len() + self.content.len()) as u32
    }

    /// Stored bytes, pages included.
    pub(super) fn bytes(&self) -> u64 {
        self.pages.iter().chain(&self.content).map(|chunk| u64::from(chunk.stored_len)).sum()
    }

    pub(super) fn len_of(&self, chunk: ChunkIndex) -> u64 {
        let at = chunk.0 as usize;
        let known = self.pages.get(at).or_else(|| self.content.get(at - self.pages.len()));
        known.map_or(0, |chunk| u64::from(chunk.stored_len))
    }
}
