//! The one door to a manifest's pages: read from the store when they are needed, a few kept, never all.
//!
//! What must stay true: a page that leaves here is the one its root names; memory does not grow with the number of pages.
//! A manifest of 1 TB has about 6 000 of them, 0.5 MB each when decoded.
//!
//! Items are in natural order by key, and the parts of a file follow each other, so files are found by bisection and
//! listed as a stream. A manifest in another order is read too, from its beginning.

mod files;
#[cfg(test)]
mod tests;

pub use files::File;

use crate::export::LoadError;
use crate::store::Store;
use karez_protocol::content::Document;
use karez_protocol::content::layout::{ChunkSpace, read_page};
use karez_protocol::content::manifest::{ManifestRoot, Page};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Decoded pages kept: the ends of a file that spans pages, and its neighbours. A page of 1 MiB decodes to 20 MiB at the
/// very most (nothing but empty files).
const KEPT: usize = 4;

/// The pages of one manifest.
#[derive(Debug)]
pub struct Pages<'a> {
    root: Arc<ManifestRoot>,
    space: ChunkSpace,
    store: &'a Store,
    /// Latest last.
    kept: Mutex<VecDeque<(usize, Arc<Page>)>>,
}

impl<'a> Pages<'a> {
    /// The pages that an encoded root names.
    pub fn open(root_bytes: &[u8], store: &'a Store) -> Result<Self, LoadError> {
        Ok(Self::new(Arc::new(ManifestRoot::from_bytes(root_bytes)?), store))
    }

    /// The pages of a root.
    pub fn new(root: Arc<ManifestRoot>, store: &'a Store) -> Self {
        let space = ChunkSpace::of(&root);
        Self { root, space, store, kept: Mutex::default() }
    }

    /// The root page.
    pub fn root(&self) -> &ManifestRoot {
        &self.root
    }

    /// The chunk space.
    pub fn space(&self) -> &ChunkSpace {
        &self.space
    }

    /// The store that holds the pages.
    pub fn store(&self) -> &'a Store {
        self.store
    }

    /// Number of pages.
    pub fn len(&self) -> usize {
        self.root.pages.len()
    }

    /// Whether there is no page: nothing but a title.
    pub fn is_empty(&self) -> bool {
        self.root.pages.is_empty()
    }

    /// A page.
    pub fn page(&self, number: usize) -> Result<Arc<Page>, LoadError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = kept.iter().position(|(kept, _)| *kept == number) {
            let found = kept.remove(at).expect("it was found there");
            let page = found.1.clone();
            kept.push_back(found);
            return Ok(page);
        }
        let page = Arc::new(self.read(number)?);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((number, page.clone()));
        Ok(page)
    }

    /// A page that is not needed again soon: for passes over all of them.
    pub fn read(&self, number: usize) -> Result<Page, LoadError> {
        let missing = LoadError::MissingPage { page: number, pages: self.len() };
        let Some(named) = self.root.pages.get(number) else { return Err(missing) };
        let plain = self.store.read_plain(&named.entry.id)?.ok_or(missing)?;
        Ok(read_page(&self.root, number, &plain)?)
    }

    /// Whether all pages are in the store. They are not read.
    pub fn are_here(&self) -> Result<bool, LoadError> {
        let ids: Vec<_> = self.root.pages.iter().map(|page| page.entry.id).collect();
        Ok(self.store.contains_many(&ids)?.into_iter().all(|here| here))
    }
}
