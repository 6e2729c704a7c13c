//! How many bytes of chunks a pull or an update puts on the wire, and which files it changes.
//!
//! What must stay true: a quote is exact for the chunks' encodings in the manifest (frame headers, 44 bytes a chunk, and
//! messages are not in it), or says that it is an upper bound; memory does not grow with the collection.
//!
//! Exactness costs passes: a chunk of a changed page may stand in any page of the old version. The ids asked about are
//! taken in ranges that fit in memory, and each range is one pass. Rejected: (1) a Bloom filter of the old version: then
//! the quote is a guess; (2) an external sort: more code and more writes than a second reading of the pages; (3) the
//! publisher's store as the old version: it holds what the site may not have.

use crate::export::LoadError;
use crate::pages::Pages;
use karez_protocol::content::chunk::ChunkEntry;
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::manifest::Page;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Ids looked at in one pass: 48 MB.
const PASS_IDS_MAX: u64 = 2 << 20;

/// What the receiver has.
#[derive(Debug, Clone, Copy)]
pub enum Held<'a> {
    /// Nothing.
    Nothing,
    /// This version, and nothing else.
    Version(&'a Pages<'a>),
    /// What is in the store that the new version's pages are in.
    Store,
}

/// How a figure is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// So many bytes.
    Exact,
    /// At most so many bytes.
    Upper,
}

impl Bound {
    /// Its name in `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Upper => "upper",
        }
    }
}

/// What is to travel: chunks, each once, pages among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wire {
    /// Their stored bytes.
    pub bytes: u64,
    /// Their number.
    pub chunks: u64,
}

/// What a chunk costs beside its bytes, both ways: request, frame, news of it, acknowledgement. Measured: 3,000 chunks of 15
/// bytes took 216 each.
const CHUNK_BYTES: u64 = 220;
/// Headers of QUIC, UDP and IP and the acknowledgements of full packets, in thousandths of what they carry. Measured: 32.
const HEADERS_THOUSANDTHS: u64 = 32;

impl Wire {
    /// About so many bytes cross the link, both ways, when nothing is lost.
    pub fn with_headers(&self) -> u64 {
        self.bytes + self.bytes / 1_000 * HEADERS_THOUSANDTHS + self.chunks * CHUNK_BYTES
    }
}

/// Stored bytes of what `new` has and the receiver has not, pages included. All pages must be in their stores.
pub fn wire_bytes(new: &Pages<'_>, held: Held<'_>) -> Result<u64, LoadError> {
    Ok(wire(new, held)?.bytes)
}

/// The same with the number of chunks.
pub fn wire(new: &Pages<'_>, held: Held<'_>) -> Result<Wire, LoadError> {
    wire_in_passes(new, held, PASS_IDS_MAX)
}

fn wire_in_passes(new: &Pages<'_>, held: Held<'_>, pass_ids: u64) -> Result<Wire, LoadError> {
    let changed: Vec<usize> = match held {
        Held::Version(old) => pages_not_in(new, old),
        Held::Nothing | Held::Store => (0..new.len()).collect(),
    };
    let rows: u64 = changed.iter().map(|page| 1 + u64::from(new.root().pages[*page].chunks)).sum();
    let passes = rows.div_ceil(pass_ids).clamp(1, 256);
    let mut wire = Wire::default();
    for pass in 0..passes {
        let mut wanted = Wanted::new(pass, passes);
        for page in &changed {
            wanted.add(&[new.root().pages[*page].entry]);
            wanted.add(&new.read(*page)?.chunks);
        }
        wanted.settle();
        match held {
            Held::Nothing => {}
            Held::Version(old) => wanted.strike_version(old)?,
            Held::Store => wanted.strike_store(new)?,
        }
        wanted.add_to(&mut wire);
    }
    Ok(wire)
}

/// Different ids of missing chunks up to which [`missing`] is exact: 100 MB.
const COUNTED_ONCE_MAX: usize = 2 << 20;

/// Stored bytes of what a pull still puts on the wire, given what is known to be here: one pass over the pages, in their
/// order. Without all pages, and of more missing chunks than memory is spent on, an upper bound.
pub fn missing(pages: &Pages<'_>, known: &ChunkSet) -> Result<(Wire, Bound), LoadError> {
    if !pages.are_here()? {
        return Ok((everything(pages), Bound::Upper));
    }
    let mut once = HashSet::new();
    let (mut wire, mut bound) = (Wire::default(), Bound::Exact);
    for page in 0..pages.len() {
        let [_, gone] = pages.lacking(page, known)?;
        for (_, entry) in gone {
            if once.len() >= COUNTED_ONCE_MAX {
                bound = Bound::Upper;
            }
            if bound == Bound::Upper || once.insert(entry.id) {
                wire.bytes += u64::from(entry.stored_len);
                wire.chunks += 1;
            }
        }
    }
    wire.bytes = wire.bytes.min(pages.root().stored_bytes);
    Ok((wire, bound))
}

/// By the root's own figures, which nothing that is held can exceed.
pub fn everything(pages: &Pages<'_>) -> Wire {
    let root = pages.root();
    let chunks = root.pages.iter().map(|page| 1 + u64::from(page.chunks)).sum();
    Wire { bytes: root.stored_bytes, chunks }
}

/// Numbers of the pages of `one` that `other` has not.
fn pages_not_in(one: &Pages<'_>, other: &Pages<'_>) -> Vec<usize> {
    let others: BTreeSet<ChunkId> = other.root().pages.iter().map(|page| page.entry.id).collect();
    let pages = one.root().pages.iter().enumerate();
    pages.filter(|(_, page)| !others.contains(&page.entry.id)).map(|(number, _)| number).collect()
}

/// The ids of one pass, each once, with their stored lengths.
struct Wanted {
    pass: u64,
    passes: u64,
    ids: Vec<(ChunkId, u32)>,
    struck: Vec<bool>,
    left: usize,
}

impl Wanted {
    fn new(pass: u64, passes: u64) -> Self {
        Self { pass, passes, ids: Vec::new(), struck: Vec::new(), left: 0 }
    }

    /// Ids are hashes: their first byte spreads them evenly.
    fn is_mine(&self, id: &ChunkId) -> bool {
        u64::from(id.as_bytes()[0]) * self.passes / 256 == self.pass
    }

    fn add(&mut self, entries: &[ChunkEntry]) {
        for entry in entries {
            if self.is_mine(&entry.id) {
                self.ids.push((entry.id, entry.stored_len));
            }
        }
    }

    /// An id that came twice is the one that came first: the same rule as for indexes.
    fn settle(&mut self) {
        self.ids.sort_by_key(|(id, _)| *id);
        self.ids.dedup_by_key(|(id, _)| *id);
        self.struck = vec![false; self.ids.len()];
        self.left = self.ids.len();
    }

    fn strike(&mut self, id: &ChunkId) {
        if self.is_mine(id)
            && let Ok(at) = self.ids.binary_search_by_key(id, |(id, _)| *id)
            && !std::mem::replace(&mut self.struck[at], true)
        {
            self.left -= 1;
        }
    }

    fn strike_version(&mut self, old: &Pages<'_>) -> Result<(), LoadError> {
        old.root().pages.iter().for_each(|page| self.strike(&page.entry.id));
        for page in 0..old.len() {
            if self.left == 0 {
                break;
            }
            old.read(page)?.chunks.iter().for_each(|entry| self.strike(&entry.id));
        }
        Ok(())
    }

    fn strike_store(&mut self, new: &Pages<'_>) -> Result<(), LoadError> {
        // As many at a time as a page has rows.
        const STEP: usize = 8_192;
        for start in (0..self.ids.len()).step_by(STEP) {
            let end = (start + STEP).min(self.ids.len());
            let ids: Vec<ChunkId> = self.ids[start..end].iter().map(|(id, _)| *id).collect();
            let here = new.store().contains_many(&ids)?;
            self.struck[start..end].copy_from_slice(&here);
        }
        Ok(())
    }

    fn add_to(&self, wire: &mut Wire) {
        for ((_, len), _) in self.ids.iter().zip(&self.struck).filter(|(_, struck)| !**struck) {
            wire.bytes += u64::from(*len);
            wire.chunks += 1;
        }
    }
}

/// Paths of files that differ between two versions, each list in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// In the new version only.
    pub added: Vec<String>,
    /// In the old version only.
    pub removed: Vec<String>,
    /// In both, with another content.
    pub changed: Vec<String>,
}

/// Compares two versions. Pages that both have are not read; memory grows with the files of the others.
pub fn difference(old: &Pages<'_>, new: &Pages<'_>) -> Result<Difference, LoadError> {
    let (before, after) = (contents(old, new)?, contents(new, old)?);
    let only = |these: &BTreeMap<String, [u8; 32]>, those: &BTreeMap<String, [u8; 32]>| {
        these.keys().filter(|path| !those.contains_key(*path)).cloned().collect()
    };
    let changed = after.iter().filter(|(path, content)| before.get(*path).is_some_and(|old| old != *content));
    Ok(Difference {
        added: only(&after, &before),
        removed: only(&before, &after),
        changed: changed.map(|(path, _)| path.clone()).collect(),
    })
}

/// Files of the pages that the other version has not, each with a hash of its chunks there. A file's size stands in each
/// of its parts, so a file that goes on in a page which both have is the same there in both.
fn contents(these: &Pages<'_>, those: &Pages<'_>) -> Result<BTreeMap<String, [u8; 32]>, LoadError> {
    let mut contents = BTreeMap::new();
    for number in pages_not_in(these, those) {
        add_contents(&these.read(number)?, &mut contents);
    }
    Ok(contents)
}

fn add_contents(page: &Page, contents: &mut BTreeMap<String, [u8; 32]>) {
    for part in page.items.iter().flat_map(|item| &item.files) {
        let content = contents.entry(part.path.to_string()).or_insert([0; 32]);
        let mut hasher = blake3::Hasher::new();
        hasher.update(content);
        for slice in page.part_slices(part, 0..u64::MAX) {
            hasher.update(page.chunks[slice.row as usize].id.as_bytes());
            hasher.update(&slice.start.to_le_bytes()).update(&slice.len.to_le_bytes());
        }
        *content = *hasher.finalize().as_bytes();
    }
}

#[cfg(test)]
mod tests;
