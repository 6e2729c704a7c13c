//! Making exported files the store's own copies (`pull --link`), so that a course is held once.
//!
//! What must stay true: a stored copy is given up only for bytes of a file that were read back and are the chunk's, after
//! the whole file system of the destination was synced. Linked files are made read-only first: their owner can still
//! change them, and is told not to. What the store compressed stays in it: served raw it would cost more on the wire than
//! it takes here. Only files on the store's own file system are linked, for any other can go away without the store.
//!
//! Rejected: sharing blocks (FICLONE): ranges must begin at block boundaries on both sides, and chunks do neither in a film
//! nor in a segment; hard links: a segment is many chunks, a film is one file.

use super::destination::{Destination, Existing, Obstacle, Slot};
use super::{ExportError, ExportOptions, ExportProgress, ExportReport, Names};
use crate::pages::{File, Pages};
use crate::store::{SourceFile, SourceRange, Store, StoreError, is_worth};
use karez_protocol::content::chunk::{ChunkEntry, Codec};
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::layout::Slice;
use karez_protocol::content::path::ContentPath;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Smaller files are not worth their descriptions.
const FILE_BYTES_MIN: u64 = 4096;
/// Chunks of one file that are in pieces at a time: one a stream in any sane recipe.
const PARTIALS_MAX: usize = 64;
/// Pieces of one chunk; more than the store takes.
const PIECES_MAX: usize = 8192;

/// What linking came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LinkReport {
    /// Files that the store refers to now, from this run or an earlier one.
    pub files: u64,
    /// Bytes of chunks that the store gave up its copies of.
    pub bytes: u64,
    /// Bytes of segments that came free.
    pub freed_bytes: u64,
    /// Files that stay beside the store's copy, by their paths in the destination: they belong to somebody else, or changed.
    pub left: Vec<ContentPath>,
}

/// Why files of a destination cannot become the store's copies at all.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// On a disk of its own.
    #[error(
        "{} is not on the disk of the store: what is unplugged or unmounted later would be missing here. Leave out --link, \
         or choose a folder on the store's disk",
        path.display()
    )]
    OtherDisk {
        /// The destination.
        path: std::path::PathBuf,
    },
    /// The destination cannot be used.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Refuses a destination on another file system than the store's. It need not exist yet.
pub fn check_disk(store: &Store, to: &Path) -> Result<(), LinkError> {
    use std::os::unix::fs::MetadataExt;
    let existing = to.ancestors().find_map(|folder| folder.metadata().ok());
    match existing {
        Some(found) if found.dev() != store.device()? => Err(LinkError::OtherDisk { path: to.into() }),
        _ => Ok(()),
    }
}

/// Makes the files of a finished export the store's copies and gives the space of the old ones back.
pub fn link(
    pages: &Pages<'_>,
    options: &ExportOptions<'_>,
    (to, exported): (&Path, &ExportReport),
    progress: &mut dyn FnMut(ExportProgress),
) -> Result<LinkReport, LinkError> {
    check_disk(pages.store(), to)?;
    let destination = Destination::open(to, options.keep_out)?;
    let mut names = if options.exact_names { Names::exact() } else { Names::default() };
    let kept: BTreeSet<&str> = exported.kept.iter().map(ContentPath::as_str).collect();
    let mut shown =
        ExportProgress { files_total: exported.files, bytes_total: exported.bytes, ..ExportProgress::default() };
    let mut report = LinkReport::default();
    let range = options.item.map_or(Ok(0..pages.len()), |key| pages.pages_of(key)).map_err(ExportError::from)?;
    for file in pages.files_in(range) {
        let file = file.map_err(ExportError::from)?;
        if options.item.is_some_and(|key| file.item != key) {
            continue;
        }
        let path = names.file(&file.head.path).path;
        if !kept.contains(path.as_str()) && file.head.size >= FILE_BYTES_MIN {
            let slot = destination.folder_of(&path)?;
            match link_file(pages, &file, &slot)? {
                Linked::Nothing => {}
                Linked::File { bytes } => (report.files, report.bytes) = (report.files + 1, report.bytes + bytes),
                Linked::Left => report.left.push(path),
            }
        }
        (shown.files_done, shown.bytes_done) = (shown.files_done + 1, shown.bytes_done + file.head.size);
        progress(shown);
    }
    report.freed_bytes = pages.store().reclaim()?.freed_bytes;
    Ok(report)
}

enum Linked {
    /// It holds no chunk that may be linked.
    Nothing,
    File {
        bytes: u64,
    },
    Left,
}

fn link_file(pages: &Pages<'_>, file: &File, slot: &Slot) -> Result<Linked, LinkError> {
    let store = pages.store();
    let Some(Obstacle::File(existing)) = slot.existing()? else { return Ok(Linked::Left) };
    let mut source: Option<SourceFile> = None;
    let (mut pieces, mut offset, mut linked) = (Pieces::default(), 0, 0);
    for slice in pages.slices(file, 0..file.head.size) {
        let slice = slice.map_err(ExportError::from)?;
        let at = SourceRange { offset, len: slice.len };
        offset += u64::from(slice.len);
        let Some((entry, ranges)) = pieces.add(&slice, at) else { continue };
        if !is_stored_raw(store, &entry)? || !is_worth(entry.plain_len, ranges.len()) {
            continue;
        }
        if source.is_none() {
            source = begin(store, slot, &existing)?;
        }
        let Some(source) = &source else { return Ok(Linked::Left) };
        match store.adopt(entry.id, source, &ranges) {
            Ok(adopted) => linked += if adopted { u64::from(entry.plain_len) } else { 0 },
            Err(StoreError::SourceDiffers { .. }) => return Ok(Linked::Left),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(if source.is_some() { Linked::File { bytes: linked } } else { Linked::Nothing })
}

/// Makes a file read-only and known; `None` when it is not ours to change.
fn begin(store: &Store, slot: &Slot, existing: &Existing) -> Result<Option<SourceFile>, LinkError> {
    if !slot.make_read_only(existing)? {
        return Ok(None);
    }
    match store.register_unsynced(slot.path()) {
        Ok((source, _)) => Ok(Some(source)),
        Err(StoreError::NotAFile { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_stored_raw(store: &Store, entry: &ChunkEntry) -> Result<bool, StoreError> {
    match store.describe(&entry.id) {
        Ok(held) => Ok(held.is_some_and(|held| held.codec == Codec::Raw && held.plain_len == entry.plain_len)),
        Err(StoreError::Damaged { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Puts together which ranges of a file are a chunk: a film that was taken apart has a chunk in many pieces.
#[derive(Debug, Default)]
struct Pieces(BTreeMap<ChunkId, Partial>);

#[derive(Debug, Default)]
struct Partial {
    covered: u64,
    pieces: Vec<(u32, SourceRange)>,
}

impl Pieces {
    /// The chunk and its ranges, once the last piece has come. Pieces that do not join are no chunk.
    fn add(&mut self, slice: &Slice, at: SourceRange) -> Option<(ChunkEntry, Vec<SourceRange>)> {
        let entry = slice.entry;
        if slice.len == entry.plain_len {
            return Some((entry, vec![at]));
        }
        if self.0.len() >= PARTIALS_MAX && !self.0.contains_key(&entry.id) {
            return None;
        }
        let partial = self.0.entry(entry.id).or_default();
        if partial.pieces.len() < PIECES_MAX {
            partial.pieces.push((slice.start, at));
            partial.covered += u64::from(slice.len);
        }
        if partial.covered < u64::from(entry.plain_len) {
            return None;
        }
        let Partial { mut pieces, .. } = self.0.remove(&entry.id)?;
        pieces.sort_unstable_by_key(|(start, _)| *start);
        let mut end = 0;
        let joins = pieces.iter().all(|(start, range)| std::mem::replace(&mut end, start + range.len) == *start);
        (joins && end == entry.plain_len).then(|| (entry, joined(&pieces)))
    }
}

/// Ranges in the order of the chunk; those that follow each other in the file as well become one.
fn joined(pieces: &[(u32, SourceRange)]) -> Vec<SourceRange> {
    let mut ranges: Vec<SourceRange> = Vec::new();
    for (_, next) in pieces {
        match ranges.last_mut() {
            Some(last) if last.offset + u64::from(last.len) == next.offset => last.len += next.len,
            _ => ranges.push(*next),
        }
    }
    ranges
}

#[cfg(test)]
mod tests;
