//! The one door to a manifest's pages: read from the store when they are needed, a few kept, never all.
//!
//! What must stay true: a page that leaves here is the one its root names; memory does not grow with the number of pages.
//! A manifest of 1 TB has about 6 000 of them, 0.5 MB each when decoded.
//!
//! Items are in natural order by key, and the parts of a file follow each other, so files are found by bisection and
//! listed as a stream. A manifest in another order is read too, from its beginning. People see a course in its own order.

mod course;
mod files;
mod held;
mod tables;
#[cfg(test)]
mod tests;

pub use course::Course;
pub use files::File;
pub use held::HeldPart;

use crate::export::LoadError;
use crate::store::Store;
use karez_protocol::content::Document;
use karez_protocol::content::layout::{ChunkSpace, read_page};
use karez_protocol::content::manifest::{ManifestRoot, Page};
use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use tables::Tables;

/// Decoded pages kept: the ends of a file that spans pages, and its neighbours. A page of 1 MiB decodes to 20 MiB at the
/// very most (nothing but empty files).
const KEPT: usize = 4;

/// The pages of one manifest.
#[derive(Debug)]
pub struct Pages<'a> {
    root: Arc<ManifestRoot>,
    space: ChunkSpace,
    store: StoreRef<'a>,
    /// Latest last.
    kept: Mutex<VecDeque<(usize, Arc<Page>)>>,
    tables: Tables,
}

/// A store that is borrowed or shared.
#[derive(Debug)]
enum StoreRef<'a> {
    Borrowed(&'a Store),
    Shared(Arc<Store>),
}

impl Deref for StoreRef<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        match self {
            Self::Borrowed(store) => store,
            Self::Shared(store) => store,
        }
    }
}

impl Pages<'static> {
    /// The pages of a root, for those who share the store.
    pub fn shared(root: Arc<ManifestRoot>, store: Arc<Store>) -> Self {
        Self::over(root, StoreRef::Shared(store))
    }
}

impl<'a> Pages<'a> {
    /// The pages that an encoded root names.
    pub fn open(root_bytes: &[u8], store: &'a Store) -> Result<Self, LoadError> {
        Ok(Self::new(Arc::new(ManifestRoot::from_bytes(root_bytes)?), store))
    }

    /// The pages of a root.
    pub fn new(root: Arc<ManifestRoot>, store: &'a Store) -> Self {
        Self::over(root, StoreRef::Borrowed(store))
    }

    fn over(root: Arc<ManifestRoot>, store: StoreRef<'a>) -> Self {
        let space = ChunkSpace::of(&root);
        Self { root, space, store, kept: Mutex::default(), tables: Tables::default() }
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
    pub fn store(&self) -> &Store {
        &self.store
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
        if let Some(page) = self.kept_page(number) {
            return Ok(page);
        }
        // Two readers may read the same page; none waits for the disk of another.
        let page = Arc::new(self.read(number)?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back((number, page.clone()));
        Ok(page)
    }

    fn kept_page(&self, number: usize) -> Option<Arc<Page>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(kept, _)| *kept == number)?;
        let found = kept.remove(at)?;
        let page = found.1.clone();
        kept.push_back(found);
        Some(page)
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
        Ok(self.missing()?.is_empty())
    }
}
