//! Claims: what others were told is here, while a compaction is planned and carried out.
//!
//! What must stay true: a chunk is claimed before the store looks for it or writes it, and a segment's file goes only when
//! none of the rows that go with it is claimed, looked at under the same lock as the rows. So whoever is told "it is here"
//! while a compaction runs keeps it, in whatever order the two meet.

use super::Store;
use super::filter::{Filter, prefix};
use karez_protocol::content::hash::ChunkId;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

/// Who collects claims now; nobody while no compaction runs.
#[derive(Debug, Default)]
pub(super) struct Claimed(RwLock<Weak<Mutex<Filter>>>);

/// The claims since they were asked for. They are collected as long as this lives.
#[derive(Debug, Clone)]
pub struct Claims(Arc<Mutex<Filter>>);

impl Claims {
    /// May say yes to a chunk that nobody claimed, never no to one that somebody did.
    pub(super) fn contains(&self, id: &ChunkId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(prefix(id))
    }
}

impl Store {
    /// Begins to collect claims. To be asked for before anything is looked at that a compaction is decided by.
    pub fn claims(&self) -> Claims {
        let mut current = self.claimed.0.write().unwrap_or_else(PoisonError::into_inner);
        let filter = current.upgrade().unwrap_or_else(|| Arc::new(Mutex::new(Filter::with_room(0))));
        *current = Arc::downgrade(&filter);
        Claims(filter)
    }

    /// Somebody is going to count on these.
    pub(super) fn claim(&self, ids: &[ChunkId]) {
        let current = self.claimed.0.read().unwrap_or_else(PoisonError::into_inner).upgrade();
        if let Some(claims) = current {
            let mut claims = claims.lock().unwrap_or_else(PoisonError::into_inner);
            ids.iter().for_each(|id| claims.insert(prefix(id)));
        }
    }
}
