//! What versions have lost, for the scrub and for those who watch it.

use crate::handle::view::care::LostView;
use karez_content_tools::shortfall::{self, Shortfall, Survey};
use karez_content_tools::store::{HeldRelease, Store, StoreError};
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::name::PublisherName;
use std::collections::BTreeSet;

/// Chunks remembered as damaged or lost: a disk that lost more needs replacing.
pub(super) const FOUND_MAX: usize = 100_000;

/// What was found missing.
pub(super) struct Missing {
    pub(super) survey: Survey,
    /// Chunks that versions have lost.
    pub(super) chunks: BTreeSet<ChunkId>,
    /// The signed ones among these versions.
    pub(super) releases: Vec<HeldRelease>,
}

/// Compares what the versions here need with what is there. Reads the pages of everything held.
pub(super) fn look(store: &Store) -> Result<Missing, StoreError> {
    let mut chunks = BTreeSet::new();
    let survey = shortfall::survey(store, |chunk| {
        if chunks.len() < FOUND_MAX {
            chunks.insert(*chunk);
        }
    })?;
    let mut releases = if survey.lost().next().is_some() { store.releases()? } else { Vec::new() };
    let lost = |held: &HeldRelease, short: &Shortfall| {
        let version = &short.version;
        !version.draft && (&held.collection, held.version) == (&version.collection, version.version)
    };
    releases.retain(|held| survey.lost().any(|short| lost(held, short)));
    Ok(Missing { survey, chunks, releases })
}

/// A version that has lost something, as others see it.
pub(super) fn view(short: &Shortfall, publisher: Option<&PublisherName>) -> LostView {
    let version = &short.version;
    LostView {
        collection: version.collection.to_string(),
        version: version.version,
        draft: version.draft,
        published_here: version.draft || publisher == Some(version.collection.publisher()),
        superseded: short.superseded,
        chunks: short.chunks,
        bytes: short.bytes,
        unknown_chunks: short.unknown_chunks,
        items: short.items.clone(),
        items_total: short.items_total,
    }
}
