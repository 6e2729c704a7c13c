//! The release that is copied: pages and chunks with made-up ids and the sizes of the media cut profile.

use super::dice::Dice;
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::layout::ChunkSpace;
use karez_protocol::swarm::io::KnownChunk;

/// Bytes of a manifest page.
const PAGE_BYTES: u32 = 64 << 10;
/// Content chunks lie between these, 64 KiB on average.
const CHUNK_BYTES: std::ops::Range<u64> = 16 << 10..112 << 10;
/// Chunks that an edit changes or leaves alone together: some megabytes of a film.
const RUN: usize = 40;

/// A release.
#[derive(Debug, Clone)]
pub(super) struct Course {
    pub(super) pages: Vec<KnownChunk>,
    pub(super) content: Vec<KnownChunk>,
    /// What all sites have from an older version.
    pub(super) shared: ChunkSet,
    page_rows: u32,
}

impl Course {
    pub(super) fn new(bytes: u64, held_percent: u32, page_rows: u32, dice: &mut Dice) -> Self {
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
        let (own, rest) = ((0..pages).map(|index| chunk(index, PAGE_BYTES)).collect(), sizes.into_iter().zip(pages..));
        let content: Vec<_> = rest.map(|(size, index)| chunk(index, size)).collect();
        let shared = if held_percent == 0 { ChunkSet::new() } else { share(&content, held_percent, dice) };
        Self { pages: own, content, shared, page_rows }
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

    /// Stored bytes that a site does not have before, pages included.
    pub(super) fn new_bytes(&self) -> u64 {
        let chunks = self.pages.iter().chain(&self.content);
        chunks.filter(|chunk| !self.shared.contains(chunk.index)).map(|chunk| u64::from(chunk.stored_len)).sum()
    }

    pub(super) fn len_of(&self, chunk: ChunkIndex) -> u64 {
        let at = chunk.0 as usize;
        let known = self.pages.get(at).or_else(|| self.content.get(at - self.pages.len()));
        known.map_or(0, |chunk| u64::from(chunk.stored_len))
    }
}

/// Whole runs of chunks stayed as they were.
fn share(content: &[KnownChunk], percent: u32, dice: &mut Dice) -> ChunkSet {
    let stays = content.chunks(RUN).filter(|_| dice.below(100) < u64::from(percent));
    stays.flatten().map(|chunk| chunk.index).collect()
}
