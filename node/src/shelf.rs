//! Which releases this node can name chunks of: manifest id -> layout. Written by the driver, read by the bulk lane.

use karez_protocol::content::hash::ManifestId;
use karez_protocol::content::layout::Layout;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The shelf. Cheap to clone; no lock is ever held across an await.
#[derive(Debug, Clone, Default)]
pub struct Shelf(Arc<RwLock<BTreeMap<ManifestId, Arc<Layout>>>>);

impl Shelf {
    /// The layout of a release.
    pub fn get(&self, manifest: &ManifestId) -> Option<Arc<Layout>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(manifest).cloned()
    }

    /// Puts a layout in place of an older one.
    pub fn put(&self, manifest: ManifestId, layout: Arc<Layout>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(manifest, layout);
    }

    /// Takes a release away.
    pub fn remove(&self, manifest: &ManifestId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(manifest);
    }
}
