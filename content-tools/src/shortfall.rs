//! What the versions in a store need and the store does not have: chunks that were lost without anybody noticing, because
//! their rows went with a segment file, and not because they were read.
//!
//! What must stay true: memory grows neither with the pages of a version nor with what is missing; what is still to come of
//! a version that is being pulled is never called lost. What tells the two apart is durable: [`HeldRelease::whole`].

use crate::export::LoadError;
use crate::pages::Pages;
use crate::store::{HeldRelease, HeldVersion, Store, StoreError};
use karez_protocol::content::chunk::ChunkEntry;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::manifest::{Item, Page};
use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

/// Items of a version that are named.
const ITEMS_NAMED_MAX: usize = 5;
/// Missing chunks of a version that are counted once each: 10 MB. More are counted as often as they are named.
const COUNTED_ONCE_MAX: usize = 256 << 10;
/// Pages known to lack nothing: versions of one collection share most of theirs. As many as one version may have.
const WHOLE_PAGES_MAX: usize = 64 << 10;

/// What one version lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// The version.
    pub version: HeldVersion,
    /// It is a draft, or was here whole: what is missing was lost. Else it may be still to come.
    pub was_whole: bool,
    /// A newer version of the collection is here, and lacks nothing or was whole as well.
    pub superseded: bool,
    /// Chunks that are not here, pages among them.
    pub chunks: u64,
    /// Their stored bytes.
    pub bytes: u64,
    /// Chunks that stand in missing pages: which of them are here cannot be told before the pages are.
    pub unknown_chunks: u64,
    /// Some of the items that miss something.
    pub items: Vec<String>,
    /// Items that miss something, as far as pages are here; one that goes on in another page may count twice.
    pub items_total: u64,
}

/// How the versions in a store stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Versions looked at.
    pub versions: u64,
    /// Those that lack something.
    pub shortfalls: Vec<Shortfall>,
    /// Release files that cannot be read: what they named is not looked at.
    pub unreadable: Vec<PathBuf>,
}

impl Survey {
    /// Versions that have lost something.
    pub fn lost(&self) -> impl Iterator<Item = &Shortfall> {
        self.shortfalls.iter().filter(|short| short.was_whole)
    }

    /// Versions that are still being pulled, as far as the store knows.
    pub fn to_come(&self) -> impl Iterator<Item = &Shortfall> {
        self.shortfalls.iter().filter(|short| !short.was_whole)
    }

    /// Whether nothing that was here is missing.
    pub fn is_healthy(&self) -> bool {
        self.lost().next().is_none() && self.unreadable.is_empty()
    }
}

/// Compares what the versions in a store name with what is there. Reads every page, and asks the index for every chunk; reads
/// no content. `lost` hears of each chunk that a version has lost, some more than once.
pub fn survey(store: &Store, mut lost: impl FnMut(&ChunkId)) -> Result<Survey, StoreError> {
    let mut survey = Survey { unreadable: store.damaged_releases()?, ..Survey::default() };
    let mut whole_pages = HashSet::new();
    let held = store.releases()?.into_iter().map(|held| (held, false));
    let held: Vec<_> = held.chain(store.drafts()?.into_iter().map(|held| (held, true))).collect();
    for (held_here, draft) in &held {
        survey.versions += 1;
        let mut look = Look { store, whole_pages: &mut whole_pages, short: Short::default() };
        look.version(held_here)?;
        let Short { once, chunks, bytes, unknown_chunks, items, items_total } = look.short;
        if chunks == 0 {
            continue;
        }
        let was_whole = *draft || held_here.whole;
        if was_whole {
            once.iter().for_each(&mut lost);
        }
        let version =
            HeldVersion { collection: held_here.collection.clone(), version: held_here.version, draft: *draft };
        let superseded = held.iter().any(|(other, other_draft)| {
            let same = other.collection == held_here.collection && other_draft == draft;
            same && other.version > held_here.version && (*draft || other.whole)
        });
        survey.shortfalls.push(Shortfall {
            version,
            was_whole,
            superseded,
            chunks,
            bytes,
            unknown_chunks,
            items,
            items_total,
        });
    }
    Ok(survey)
}

/// Of some chunks those that no version here needs. None as long as a release file or a page cannot be read: it may name
/// them. Reads the pages of everything held.
pub fn unneeded(store: &Store, mut ids: BTreeSet<ChunkId>) -> Result<BTreeSet<ChunkId>, StoreError> {
    if ids.is_empty() || !store.damaged_releases()?.is_empty() {
        return Ok(BTreeSet::new());
    }
    for held in store.releases()?.into_iter().chain(store.drafts()?) {
        let pages = match Pages::open(&held.root, store) {
            Ok(pages) => pages,
            Err(LoadError::Store(error)) => return Err(error),
            Err(_) => return Ok(BTreeSet::new()),
        };
        for (number, named) in pages.root().pages.iter().enumerate() {
            ids.remove(&named.entry.id);
            match pages.read(number) {
                Ok(page) => page.chunks.iter().for_each(|entry| {
                    ids.remove(&entry.id);
                }),
                Err(LoadError::Store(StoreError::Damaged { .. })) => return Ok(BTreeSet::new()),
                Err(LoadError::Store(error)) => return Err(error),
                Err(_) => return Ok(BTreeSet::new()),
            }
        }
    }
    Ok(ids)
}

/// Takes the chunks out of the list of damaged ones that no version here needs; returns how many.
pub fn forget_unneeded(store: &Store) -> Result<u64, StoreError> {
    let noted = store.damaged()?.iter().map(|chunk| chunk.id).collect();
    let unneeded: Vec<ChunkId> = unneeded(store, noted)?.into_iter().collect();
    if !unneeded.is_empty() {
        store.strike_damaged(&unneeded)?;
    }
    Ok(unneeded.len() as u64)
}

/// A look at one version.
struct Look<'a> {
    store: &'a Store,
    whole_pages: &'a mut HashSet<ChunkId>,
    short: Short,
}

/// What is missing so far.
#[derive(Default)]
struct Short {
    once: HashSet<ChunkId>,
    chunks: u64,
    bytes: u64,
    unknown_chunks: u64,
    items: Vec<String>,
    items_total: u64,
}

impl Short {
    fn add(&mut self, entry: &ChunkEntry) {
        if self.once.contains(&entry.id) {
            return;
        }
        if self.once.len() < COUNTED_ONCE_MAX {
            self.once.insert(entry.id);
        }
        self.chunks += 1;
        self.bytes += u64::from(entry.stored_len);
    }

    fn name(&mut self, item: &Item) {
        if self.items.last() == Some(&item.key) {
            return;
        }
        self.items_total += 1;
        if self.items.len() < ITEMS_NAMED_MAX {
            self.items.push(item.key.clone());
        }
    }
}

impl Look<'_> {
    fn version(&mut self, held: &HeldRelease) -> Result<(), StoreError> {
        // A root that cannot be read although its file is whole is a newer program's: it says so itself.
        let pages = match Pages::open(&held.root, self.store) {
            Ok(pages) => pages,
            Err(LoadError::Store(error)) => return Err(error),
            Err(error) => {
                tracing::warn!(collection = %held.collection, version = held.version, %error, "not looked at");
                return Ok(());
            }
        };
        for (number, named) in pages.root().pages.iter().enumerate() {
            if self.whole_pages.contains(&named.entry.id) {
                continue;
            }
            match pages.read(number) {
                Ok(page) if self.page(&page)? => {
                    if self.whole_pages.len() < WHOLE_PAGES_MAX {
                        self.whole_pages.insert(named.entry.id);
                    }
                }
                Ok(_) => {}
                Err(LoadError::MissingPage { .. } | LoadError::Store(StoreError::Damaged { .. })) => {
                    self.short.add(&named.entry);
                    self.short.unknown_chunks += u64::from(named.chunks);
                }
                Err(LoadError::Store(error)) => return Err(error),
                // Its publisher's mistake: nothing that could be fetched again.
                Err(error) => {
                    let (collection, version) = (&held.collection, held.version);
                    tracing::warn!(%collection, version, page = number, %error, "not looked at");
                }
            }
        }
        Ok(())
    }

    /// True when the page lacks nothing.
    fn page(&mut self, page: &Page) -> Result<bool, StoreError> {
        let ids: Vec<ChunkId> = page.chunks.iter().map(|entry| entry.id).collect();
        let here = self.store.contains_many(&ids)?;
        if here.iter().all(|here| *here) {
            return Ok(true);
        }
        page.chunks.iter().zip(&here).filter(|(_, here)| !**here).for_each(|(entry, _)| self.short.add(entry));
        page.items.iter().filter(|item| misses(page, item, &here)).for_each(|item| self.short.name(item));
        Ok(false)
    }
}

fn misses(page: &Page, item: &Item, here: &[bool]) -> bool {
    let runs = item.files.iter().flat_map(|file| page.part_runs(file));
    let mut rows = runs.map(|run| run.first as usize..run.first.saturating_add(run.count) as usize);
    rows.any(|rows| here.get(rows).is_some_and(|here| !here.iter().all(|here| *here)))
}

#[cfg(test)]
mod tests;
