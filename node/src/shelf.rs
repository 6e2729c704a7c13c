//! Which releases this node can name chunks of: release id -> its pages. Written by the driver, read by the bulk lane.

use karez_content_tools::pages::Pages;
use karez_protocol::content::hash::ReleaseId;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The shelf. Cheap to clone; no lock is ever held across an await.
#[derive(Debug, Clone, Default)]
pub struct Shelf(Arc<RwLock<BTreeMap<ReleaseId, Arc<Pages<'static>>>>>);

impl Shelf {
    /// The pages of a release. Looking into them may read the disk.
    pub fn get(&self, release: &ReleaseId) -> Option<Arc<Pages<'static>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(release).cloned()
    }

    /// Adds a release.
    pub fn put(&self, release: ReleaseId, pages: Arc<Pages<'static>>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(release, pages);
    }

    /// Takes a release away.
    pub fn remove(&self, release: &ReleaseId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(release);
    }
}
