//! From chunks back to files: a manifest's layout, byte ranges of files, and plain folders.
//!
//! What must stay true: nothing is written outside the destination and no link in it is followed, whatever the manifest
//! or the destination say; a file appears under its name whole or not at all; a file that is there already with the right
//! content is not written again, so an interrupted export goes on; a file that somebody else made or changed is not
//! replaced unless that was asked for. Chunks that the store has only in a file that is replaced are copied back first.

mod destination;
mod error;
mod link;
mod names;

pub use destination::check_writable;
pub use error::{ExportError, LoadError, ReadError};
pub use link::{LinkError, LinkReport, check_disk, link};
pub use names::{NameChange, Names, Placed};

use crate::own_folders::OwnFolders;
use crate::pages::{File, Pages};
use crate::store::{Store, StoreError};
use destination::{Destination, Existing, Obstacle};
use karez_protocol::content::Document;
use karez_protocol::content::chunk::ChunkEntry;
use karez_protocol::content::hash::ChunkId;
use karez_protocol::content::layout::{Layout, Slice};
use karez_protocol::content::manifest::{ManifestRoot, Page};
use karez_protocol::content::path::ContentPath;
use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::path::Path;

/// How far an export has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExportProgress {
    /// Files done.
    pub files_done: u64,
    /// Files to do.
    pub files_total: u64,
    /// Bytes done.
    pub bytes_done: u64,
    /// Bytes to do.
    pub bytes_total: u64,
}

/// What is wanted of an export.
#[derive(Clone, Copy, Default)]
pub struct ExportOptions<'a> {
    /// One item instead of all.
    pub item: Option<&'a str>,
    /// Keep names as published, also those that some system cannot store.
    pub exact_names: bool,
    /// Replace files whose content is neither this version's nor that of one of `previous`.
    pub overwrite: bool,
    /// Earlier versions of the collection: their files are replaced without asking.
    pub previous: &'a [Pages<'a>],
    /// Folders that nothing is written into, whatever paths the collection has: a node's own.
    pub keep_out: Option<&'a OwnFolders>,
}

/// A file that has another name in the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// Its path as published.
    pub published: ContentPath,
    /// Its path in the destination.
    pub exported: ContentPath,
    /// Why.
    pub change: NameChange,
}

/// What an export did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportReport {
    /// Files of the collection (or item).
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files written.
    pub written: u64,
    /// Files that were there with the same content.
    pub unchanged: u64,
    /// Files of the destination that are in the way of others and were left as they are, by their paths there.
    pub kept: Vec<ContentPath>,
    /// Files with another name than published.
    pub renamed: Vec<Renamed>,
}

/// Loads all pages that a root names at once: for small collections and tests. [`Pages`] reads them as they are needed.
pub fn layout(root_bytes: &[u8], store: &Store) -> Result<Layout, LoadError> {
    let root = ManifestRoot::from_bytes(root_bytes)?;
    let ids: Vec<_> = root.pages.iter().map(|page| page.entry.id).collect();
    let pages = ids.len();
    let mut layout = Layout::new(root);
    for (number, id) in ids.iter().enumerate() {
        let plain = store.read_plain(id)?.ok_or(LoadError::MissingPage { page: number, pages })?;
        layout.add_page(number, &plain)?;
    }
    Ok(layout)
}

/// The bytes of a range of a file, clamped to the file. Holds the whole range in memory: ask for megabytes, not for films.
pub fn read_range(pages: &Pages<'_>, path: &str, range: Range<u64>) -> Result<Vec<u8>, ReadError> {
    let file = pages.file(path)?.ok_or_else(|| ReadError::UnknownFile { path: path.into() })?;
    let (mut bytes, mut decoded) = (Vec::new(), Decoded::default());
    for slice in pages.slices(&file, range) {
        bytes.extend_from_slice(decoded.slice(&slice?, pages.store())?);
    }
    Ok(bytes)
}

/// Writes a collection, or one item of it, as plain files below `to`. Two passes over the pages: what is there, then the
/// writing; memory grows with neither files nor chunks.
pub fn export(
    pages: &Pages<'_>,
    options: &ExportOptions<'_>,
    to: &Path,
    progress: &mut dyn FnMut(ExportProgress),
) -> Result<ExportReport, ExportError> {
    let item = options.item;
    let range = item.map_or(Ok(0..pages.len()), |key| pages.pages_of(key))?;
    let is_chosen = |file: &File| item.is_none_or(|key| file.item == key);
    let mut shown = count_files(pages, range.clone(), item)?;
    check_present(pages, range.clone(), item)?;
    let destination = Destination::open(to, options.keep_out)?;
    let mut names = if options.exact_names { Names::exact() } else { Names::default() };
    let mut report = ExportReport { files: shown.files_total, bytes: shown.bytes_total, ..ExportReport::default() };
    for file in pages.files_in(range) {
        let file = file?;
        if !is_chosen(&file) {
            continue;
        }
        let Placed { path, change } = names.file(&file.head.path);
        let mut on_bytes = |bytes: u64| {
            shown.bytes_done += bytes;
            progress(shown);
        };
        let task = Task { file: &file, path: &path, pages, options };
        match task.write(&destination, &mut on_bytes)? {
            Written::New => report.written += 1,
            Written::WasThere => report.unchanged += 1,
            Written::Kept => report.kept.push(path.clone()),
        }
        if let Some(change) = change {
            report.renamed.push(Renamed { published: file.head.path.clone(), exported: path, change });
        }
        shown.files_done += 1;
        progress(shown);
    }
    if item.is_none() {
        create_empty_folders(pages, &mut names, &destination)?;
    }
    destination.sync()?;
    Ok(report)
}

fn create_empty_folders(pages: &Pages<'_>, names: &mut Names, destination: &Destination) -> Result<(), ExportError> {
    for page in 0..pages.len() {
        let page = pages.page(page)?;
        page.empty_folders.iter().try_for_each(|folder| destination.create_folder(&names.folder(folder).path))?;
    }
    Ok(())
}

fn count_files(pages: &Pages<'_>, range: Range<usize>, item: Option<&str>) -> Result<ExportProgress, ExportError> {
    let mut total = ExportProgress::default();
    for file in pages.files_in(range) {
        let file = file?;
        if item.is_none_or(|key| file.item == key) {
            total.files_total += 1;
            total.bytes_total += file.head.size;
        }
    }
    match item {
        None if total.files_total != pages.root().files => {
            Err(ExportError::Incomplete { described: total.files_total, files: pages.root().files })
        }
        Some(key) if total.files_total == 0 => Err(ExportError::UnknownItem { item: key.into() }),
        _ => Ok(total),
    }
}

/// Looks for every chunk before the first byte is written: half an export helps nobody. A chunk that is missing from two
/// pages is counted twice.
fn check_present(pages: &Pages<'_>, range: Range<usize>, item: Option<&str>) -> Result<(), ExportError> {
    let (mut chunks, mut bytes) = (0, 0);
    for number in range {
        let page = pages.page(number)?;
        let entries = needed(&page, item);
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        let held = pages.store().contains_many(&ids)?;
        for (entry, _) in entries.iter().zip(held).filter(|(_, held)| !held) {
            chunks += 1;
            bytes += u64::from(entry.stored_len);
        }
    }
    if chunks == 0 { Ok(()) } else { Err(ExportError::Missing { chunks, bytes }) }
}

/// Reads every chunk that a collection, or one item of it, needs: what is damaged is known to be missing afterwards.
pub fn find_damage(pages: &Pages<'_>, item: Option<&str>) -> Result<(), LoadError> {
    for number in item.map_or(Ok(0..pages.len()), |key| pages.pages_of(key))? {
        for entry in needed(&*pages.page(number)?, item) {
            // The store notes what it finds.
            let _ = pages.store().read_plain(&entry.id);
        }
    }
    Ok(())
}

/// Rows of a page that an item needs, or all of it.
fn needed(page: &Page, item: Option<&str>) -> Vec<ChunkEntry> {
    let Some(key) = item else { return page.chunks.clone() };
    let parts = page.items.iter().filter(|item| item.key == key).flat_map(|item| &item.files);
    let rows: BTreeSet<u32> = parts.flat_map(|part| page.part_slices(part, 0..u64::MAX)).map(|s| s.row).collect();
    rows.into_iter().map(|row| page.chunks[row as usize]).collect()
}

/// What became of one file.
enum Written {
    New,
    WasThere,
    Kept,
}

/// One file to write.
struct Task<'a> {
    file: &'a File,
    /// Its path in the destination.
    path: &'a ContentPath,
    pages: &'a Pages<'a>,
    options: &'a ExportOptions<'a>,
}

impl Task<'_> {
    fn write(&self, destination: &Destination, on_bytes: &mut dyn FnMut(u64)) -> Result<Written, ExportError> {
        let head = &self.file.head;
        let folder = destination.folder_of(self.path)?;
        let existing = folder.existing()?;
        let replaces = existing.is_some();
        match existing {
            None => {}
            Some(Obstacle::File(mut existing)) => {
                if has_content(&mut existing, self.file, self.pages) {
                    folder.set_executable(&existing, head.executable)?;
                    on_bytes(head.size);
                    return Ok(Written::WasThere);
                }
                if !self.options.overwrite && !self.is_earlier(&mut existing) {
                    return Ok(Written::Kept);
                }
            }
            Some(Obstacle::Other) if !self.options.overwrite => return Ok(Written::Kept),
            Some(Obstacle::Other) => {}
        }
        let mut target = folder.begin(head.executable)?;
        let (mut decoded, mut waiting) = (Decoded::default(), Vec::new());
        let mut write = |waiting: &mut Vec<u8>| {
            target.write(waiting)?;
            on_bytes(waiting.len() as u64);
            waiting.clear();
            Ok::<_, ExportError>(())
        };
        for slice in self.pages.slices(self.file, 0..head.size) {
            let piece = decoded.slice(&slice?, self.pages.store()).inspect_err(|error| self.find_all_damage(error))?;
            waiting.extend_from_slice(piece);
            if waiting.len() >= WRITE_BYTES {
                write(&mut waiting)?;
            }
        }
        write(&mut waiting)?;
        if replaces {
            self.take_back(folder.path())?;
        }
        target.finish()?;
        Ok(Written::New)
    }

    /// A linked file that is replaced may be the only place of some chunks.
    fn take_back(&self, path: &Path) -> Result<(), ExportError> {
        for version in self.options.previous.iter().chain([self.pages]) {
            let Ok(Some(file)) = version.file(self.file.head.path.as_str()) else { continue };
            let slices = version.slices(&file, 0..file.head.size).filter_map(Result::ok);
            self.pages.store().take_back(path, slices.map(|slice| slice.entry.id))?;
        }
        Ok(())
    }

    /// Whoever changed a linked file changed more than one chunk: all of them are to be fetched again at once.
    fn find_all_damage(&self, error: &ReadError) {
        if !matches!(error, ReadError::Store(StoreError::Damaged { file: Some(_), .. })) {
            return;
        }
        let mut decoded = Decoded::default();
        for slice in self.pages.slices(self.file, 0..self.file.head.size).filter_map(Result::ok) {
            // Reading takes what is damaged out of the index; the caller has the first error already.
            let _ = decoded.slice(&slice, self.pages.store());
        }
    }

    /// Whether a file in the way is what an earlier version had under this path.
    fn is_earlier(&self, existing: &mut Existing) -> bool {
        self.options.previous.iter().any(|version| {
            let file = version.file(self.file.head.path.as_str()).ok().flatten();
            file.is_some_and(|file| has_content(existing, &file, version))
        })
    }
}

/// Whether a file that is there has the content: by chunk identities, so the store is not read for it.
fn has_content(existing: &mut Existing, file: &File, pages: &Pages<'_>) -> bool {
    existing.has_content(file.head.size, pages.slices(file, 0..file.head.size).map(Result::ok))
}

/// Chunks that were used last, decoded: in a film that was taken apart, slices of one chunk of each track take turns.
#[derive(Debug, Default)]
pub struct Decoded(VecDeque<(ChunkId, Vec<u8>)>);

/// As many as a recipe has streams, and at most 16 MiB.
const DECODED_MAX: usize = 16;
/// Bytes per write: slices of a film that was taken apart have a few kilobytes.
const WRITE_BYTES: usize = 256 << 10;

impl Decoded {
    /// The bytes of a slice.
    pub fn slice(&mut self, slice: &Slice, store: &Store) -> Result<&[u8], ReadError> {
        let entry = &slice.entry;
        match self.0.iter().position(|(id, _)| *id == entry.id) {
            Some(0) => {}
            Some(at) => self.0.make_contiguous()[..=at].rotate_right(1),
            None => {
                let plain = plain_of(entry, store)?;
                self.0.truncate(DECODED_MAX - 1);
                self.0.push_front((entry.id, plain));
            }
        }
        let plain = &self.0[0].1;
        let end = slice.start.checked_add(slice.len).map(|end| end as usize);
        // A manifest may name a chunk twice with different lengths.
        let is_right = plain.len() == entry.plain_len as usize;
        let bytes = end.filter(|_| is_right).and_then(|end| plain.get(slice.start as usize..end));
        bytes.ok_or(ReadError::Length { chunk: entry.id })
    }
}

fn plain_of(entry: &ChunkEntry, store: &Store) -> Result<Vec<u8>, ReadError> {
    let chunk = entry.id;
    let plain = store.read_plain(&chunk)?.ok_or(ReadError::Missing { chunk })?;
    // The id fixes the content, but a lying manifest may give it another length.
    if plain.len() == entry.plain_len as usize { Ok(plain) } else { Err(ReadError::Length { chunk }) }
}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> Self {
        Self::Read(ReadError::Store(error))
    }
}

#[cfg(test)]
mod tests;
