//! One release that is held, described or fetched here: its pages, its swarm, its figures.

use super::meter::Meter;
use karez_content_tools::pages::Pages;
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::hash::{ChunkId, ReleaseId};
use karez_protocol::content::name::CollectionName;
use karez_protocol::swarm::io::KnownChunk;
use karez_protocol::swarm::{Status, Swarm};
use karez_protocol::trust::PeerId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// How far opening has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The store is being asked what it has.
    Opening,
    /// Manifest pages are missing.
    Pages,
    /// All pages are here; the swarm looks into them when the release is wanted.
    Content,
}

/// Where the bytes of a release came from, since the daemon started.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sources {
    pub(super) flagship: u64,
    pub(super) peers: u64,
    pub(super) group: u64,
    pub(super) already_here: u64,
}

/// A release at work.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) collection: CollectionName,
    pub(super) version: u64,
    pub(super) release: ReleaseId,
    pub(super) pages: Arc<Pages<'static>>,
    pub(super) swarm: Swarm,
    pub(super) stage: Stage,
    /// Looks into the store for rows that are under way.
    pub(super) reads: u32,
    /// Chunks that other transfers have brought meanwhile: the looks may have missed them.
    pub(super) meanwhile: BTreeSet<ChunkId>,
    /// All of it is to be here, not only its description.
    pub(super) wanted: bool,
    /// Somebody waits for some of its chunks, and does so until then if no more is heard.
    pub(super) watched: Option<Instant>,
    /// Whether the swarm knows that the content is wanted.
    pub(super) content_known: bool,
    /// Every chunk is on the disk for good.
    pub(super) complete: bool,
    /// Counts chunks that came; readers wait on it.
    pub(super) changes: watch::Sender<u64>,
    /// Peers that take part, and whether they lack chunks.
    pub(super) participants: BTreeMap<PeerId, bool>,
    /// Peers that were told that this node takes part.
    pub(super) told: BTreeSet<PeerId>,
    /// Members that the swarm has heard of and that are not connected, and whether they lack chunks.
    pub(super) heard: BTreeMap<PeerId, bool>,
    pub(super) sources: Sources,
    pub(super) meter: Meter,
    pub(super) started: Instant,
    pub(super) finished: Option<Instant>,
    pub(super) have_bytes: u64,
}

impl Transfer {
    /// Whether anything is missing that this node wants, so that peers should be dialled.
    pub(super) fn is_hungry(&self) -> bool {
        match self.stage {
            Stage::Opening => false,
            Stage::Pages => true,
            Stage::Content => (self.wanted || self.watched.is_some()) && !self.complete,
        }
    }

    /// Whether chunks of it are still to come, as far as is known: not while the store is asked or what came is made durable.
    pub(super) fn is_fetched(&self) -> bool {
        let is_here = self.content_known && self.swarm.missing_count() == 0;
        self.wanted && !self.complete && self.stage != Stage::Opening && !is_here
    }

    /// Whether any of its content is here or to be here.
    pub(super) fn is_more_than_described(&self) -> bool {
        self.watched.is_some() || self.swarm.have().len() > u64::from(self.page_count())
    }

    /// So many stored bytes more are here.
    pub(super) fn note_stored(&mut self, bytes: u64) {
        self.have_bytes += bytes;
        self.changes.send_modify(|count| *count += 1);
    }

    /// A chunk is in the store that another transfer brought: kept in mind as long as somebody looks whether it is.
    pub(super) fn note_meanwhile(&mut self, chunk: ChunkId) {
        if self.reads > 0 || self.stage == Stage::Opening {
            self.meanwhile.insert(chunk);
        }
    }

    /// Of these rows, which are said to be missing, those that are here by now.
    pub(super) fn came_meanwhile(&mut self, rows: &[KnownChunk]) -> Vec<KnownChunk> {
        let came = rows.iter().filter(|row| self.meanwhile.contains(&row.id)).copied().collect();
        if self.reads == 0 {
            self.meanwhile.clear();
        }
        came
    }

    /// Number of manifest pages: the first indexes.
    pub(super) fn page_count(&self) -> u32 {
        self.pages.space().pages()
    }

    pub(super) fn holds_all_pages(&self) -> bool {
        self.swarm.have().count_in(0..self.page_count()) == u64::from(self.page_count())
    }

    /// Stored bytes of a chunk that may not be in the swarm's window: reads its page where that is not at hand, which is
    /// borne for chunks that were found damaged.
    pub(super) fn stored_len(&self, chunk: ChunkIndex) -> u64 {
        let entry = self.pages.entry(chunk).ok().flatten();
        entry.map_or(0, |entry| u64::from(entry.stored_len))
    }

    /// Stored bytes here, as far as they are counted.
    pub(super) fn have_bytes(&self) -> u64 {
        let all = self.pages.root().stored_bytes;
        if self.complete { all } else { self.have_bytes.min(all) }
    }

    /// The state's name in `status`.
    pub(super) fn state_name(&self, status: &Status, owned: bool) -> &'static str {
        match () {
            () if self.complete && owned => "published",
            () if self.complete => "complete",
            () if status.is_paused => "paused",
            () if !self.wanted && self.watched.is_none() => "described",
            () if status.missing > 0 && status.missing_without_holder == status.missing => "waiting",
            () => "pulling",
        }
    }
}
