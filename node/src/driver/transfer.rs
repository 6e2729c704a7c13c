//! One release that is held, described or fetched here: its layout, its swarm, its figures.

use super::meter::Meter;
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::hash::ReleaseId;
use karez_protocol::content::layout::Layout;
use karez_protocol::content::name::CollectionName;
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
    /// The layout is whole; content chunks are known to the swarm when the release is wanted.
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
    pub(super) layout: Arc<Layout>,
    pub(super) swarm: Swarm,
    pub(super) stage: Stage,
    /// All of it is to be here, not only its description.
    pub(super) wanted: bool,
    /// Whether the swarm knows the content chunks.
    pub(super) content_known: bool,
    /// Every chunk is on the disk for good.
    pub(super) complete: bool,
    /// Counts chunks that came; readers wait on it.
    pub(super) changes: watch::Sender<u64>,
    /// Peers that take part, and whether they lack chunks.
    pub(super) participants: BTreeMap<PeerId, bool>,
    /// Peers that were told that this node takes part.
    pub(super) told: BTreeSet<PeerId>,
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
            Stage::Content => self.wanted && !self.complete,
        }
    }

    /// Number of manifest pages: the first indexes.
    pub(super) fn pages(&self) -> u32 {
        self.layout.root().pages.len() as u32
    }

    pub(super) fn holds_all_pages(&self) -> bool {
        (0..self.pages()).all(|page| self.swarm.have().contains(ChunkIndex(page)))
    }

    /// The state's name in `status`.
    pub(super) fn state_name(&self, status: &Status, owned: bool) -> &'static str {
        match () {
            () if self.complete && owned => "published",
            () if self.complete => "complete",
            () if status.is_paused => "paused",
            () if !self.wanted => "described",
            () if status.missing > 0 && status.missing_without_holder == status.missing => "waiting",
            () => "pulling",
        }
    }
}
