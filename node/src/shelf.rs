//! Which releases this node can name chunks of: release id -> layout. Written by the driver, read by the bulk lane.

use karez_protocol::content::hash::ReleaseId;
use karez_protocol::content::layout::Layout;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The shelf. Cheap to clone; no lock is ever held across an await.
#[derive(Debug, Clone, Default)]
pub struct Shelf(Arc<RwLock<BTreeMap<ReleaseId, Arc<Layout>>>>);

impl Shelf {
    /// The layout of a release.
    pub fn get(&self, release: &ReleaseId) -> Option<Arc<Layout>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(release).cloned()
    }

    /// Puts a layout in place of an older one.
    pub fn put(&self, release: ReleaseId, layout: Arc<Layout>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(release, layout);
    }

    /// Takes a release away.
    pub fn remove(&self, release: &ReleaseId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(release);
    }
}
