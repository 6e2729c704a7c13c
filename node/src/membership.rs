//! Who is a member right now: asked by both planes at every connection, replaced by the driver with every roster.

use karez_protocol::trust::PeerId;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

/// The set of members. Cheap to clone; no lock is ever held across an await.
#[derive(Debug, Clone, Default)]
pub struct Membership(Arc<RwLock<BTreeSet<PeerId>>>);

impl Membership {
    /// Whether this peer is a member.
    pub fn contains(&self, peer: &PeerId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(peer)
    }

    /// Replaces the whole set.
    pub fn replace(&self, members: BTreeSet<PeerId>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = members;
    }
}
