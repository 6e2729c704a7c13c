//! Release files that cannot be read, for `status`.
//!
//! What must stay true: all files are read once and whenever a scrub or a run that makes room reads them anyway; a look at
//! the status reads only those that were found bad, so that one that was mended or removed is no longer named.

use karez_content_tools::store::{HeldVersion, Store, StoreError};
use karez_protocol::content::name::PublisherName;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Files named: a disk with more of them is to be replaced.
const NAMED_MAX: usize = 16;

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Unreadable(Mutex<Option<Vec<PathBuf>>>);

impl Unreadable {
    /// The files that are bad now. Blocks.
    pub(super) fn now(&self, store: &Store) -> Result<Vec<String>, StoreError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let bad = match known {
            None => store.damaged_releases()?,
            Some(known) => known.into_iter().filter(|path| store.is_damaged_release(path)).collect(),
        };
        let named = bad.iter().take(NAMED_MAX).map(|path| path.display().to_string()).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(bad);
        Ok(named)
    }

    /// All files are to be looked at again.
    pub(super) fn look_again(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Versions whose release file is damaged and that nothing needs: a newer one is here whole. What was published here is
/// needed, also older versions.
pub(super) fn superseded(
    store: &Store,
    publisher: Option<&PublisherName>,
) -> Result<BTreeSet<HeldVersion>, StoreError> {
    let mut lost = store.superseded_lost()?;
    lost.retain(|version| !version.draft && publisher != Some(version.collection.publisher()));
    Ok(lost)
}
