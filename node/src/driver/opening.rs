//! Looking into the store for a release: what of it is here, and the rows of pages that its swarm wants to look into.
//! All of it blocks and runs off the loop.

use crate::trouble::StoreFault;
use karez_content_tools::export::LoadError;
use karez_content_tools::pages::{HeldPart, Pages};
use karez_protocol::content::chunk::{ChunkEntry, ChunkIndex};
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::swarm::io::KnownChunk;

/// What the store has of a release.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) held: HeldPart,
    pub(super) problem: Option<StoreFault>,
}

impl Opened {
    /// The store could not be asked.
    pub(super) fn failed(problem: StoreFault) -> Self {
        Self { held: HeldPart::default(), problem: Some(problem) }
    }
}

/// Asks the store what it has.
pub(super) fn open(pages: &Pages<'_>) -> Opened {
    match pages.held() {
        Ok(held) => Opened { held, problem: None },
        Err(cause) => Opened::failed((&cause).into()),
    }
}

/// What pages say of the chunks that are missing.
#[derive(Debug, Default)]
pub(super) struct PagesRead {
    pub(super) pages: Vec<u32>,
    /// Rows that are not here.
    pub(super) chunks: Vec<KnownChunk>,
    /// Rows that are here all the same: another collection has brought them.
    pub(super) held: ChunkSet,
    pub(super) held_bytes: u64,
    /// Pages that are not here any more.
    pub(super) lost: Vec<u32>,
    pub(super) problem: Option<StoreFault>,
}

/// Reads pages, less what is known to be here.
pub(super) fn read(from: &Pages<'_>, pages: Vec<u32>, known: &ChunkSet) -> PagesRead {
    let mut read = PagesRead::default();
    for page in &pages {
        match from.lacking(*page as usize, known) {
            Ok(rows) => read.add(rows),
            Err(LoadError::MissingPage { .. }) => read.lost.push(*page),
            Err(cause) => {
                // What was found damaged just now is gone; what the disk could not read may be read later.
                let id = &from.root().pages[*page as usize].entry.id;
                if !from.store().contains(id).unwrap_or(true) {
                    read.lost.push(*page);
                }
                read.problem = Some((&cause).into());
            }
        }
    }
    PagesRead { pages, ..read }
}

impl PagesRead {
    /// These came while the pages were read.
    pub(super) fn take_as_held(&mut self, came: &[KnownChunk]) {
        if came.is_empty() {
            return;
        }
        for chunk in came {
            self.held.insert(chunk.index);
            self.held_bytes += u64::from(chunk.stored_len);
        }
        self.chunks.retain(|chunk| !self.held.contains(chunk.index));
    }

    fn add(&mut self, [here, gone]: [Vec<(ChunkIndex, ChunkEntry)>; 2]) {
        for (index, entry) in here {
            self.held.insert(index);
            self.held_bytes += u64::from(entry.stored_len);
        }
        self.chunks.extend(gone.into_iter().map(|(index, entry)| known(index, &entry)));
    }
}

/// A row as the swarm knows it.
pub(super) fn known(index: ChunkIndex, entry: &ChunkEntry) -> KnownChunk {
    KnownChunk { index, id: entry.id, stored_len: entry.stored_len }
}
